//! From settings to clients. The one place that decides whether real AWS is reached.

use std::net::ToSocketAddrs as _;
use std::time::Duration;

use aws_config::{AppName, BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_sqs::config::{Credentials, ProvideCredentials as _, SharedCredentialsProvider};
use futures_util::future::try_join_all;
use tokio::task::spawn_blocking;
use tokio::time::{Instant, timeout};
use ureq::http::Uri;

use super::{Meter, Names};
use crate::error::{Error, Kind, Result};
use crate::model::text::printable;
use crate::settings::{Endpoint, LocalStack, Settings, Target};

/// How long one attempt of an ordinary request may take; the SDK itself has no such limit.
/// Receives that wait for messages set their own.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a connection may take to come about, so that an endpoint that is not there is named
/// within 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long connection and first answer may take together.
const REACH_TIMEOUT: Duration = Duration::from_millis(2_500);

/// The longest answer about health that is read, in bytes.
const HEALTH_MAX: u64 = 65_536;

/// The clients of one stack. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(super) clients: Clients,
    /// The names of the stack's resources.
    pub names: Names,
    /// The requests that went out.
    pub meter: Meter,
    /// The account, where the credentials tell.
    pub(super) account: Option<String>,
    pub(super) region: String,
    /// The version of LocalStack, where it says so.
    version: Option<String>,
    place: Place,
}

/// The SDK's clients. To set time limits and retries on a call has the SDK put its configuration
/// together again, so that calls that come often have clients of their own. Each client has its own
/// connections, though: a call that comes once goes over one that is there.
#[derive(Debug, Clone)]
pub(super) struct Clients {
    pub(super) sns: aws_sdk_sns::Client,
    /// The same for batches of messages: none is retried.
    pub(super) publishes: aws_sdk_sns::Client,
    pub(super) sqs: aws_sdk_sqs::Client,
    /// The same for receives: none is retried, and how long one may take depends on its wait.
    pub(super) polls: aws_sdk_sqs::Client,
    pub(super) dynamodb: aws_sdk_dynamodb::Client,
}

impl Clients {
    /// Clients whose requests `meter` counts, at these endpoints or else at AWS's own.
    fn new(config: &SdkConfig, endpoints: Option<&LocalStack>, meter: &Meter) -> Self {
        let mut sns = aws_sdk_sns::config::Builder::from(config).interceptor(meter.clone());
        let mut sqs = aws_sdk_sqs::config::Builder::from(config).interceptor(meter.clone());
        let mut dynamodb =
            aws_sdk_dynamodb::config::Builder::from(config).interceptor(meter.clone());
        if let Some(endpoints) = endpoints {
            sns = sns.endpoint_url(&endpoints.sns.url);
            sqs = sqs.endpoint_url(&endpoints.sqs.url);
            dynamodb = dynamodb.endpoint_url(&endpoints.dynamodb.url);
        }
        let publishes = sns.clone().retry_config(RetryConfig::disabled());
        let any_time = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .disable_operation_attempt_timeout()
            .build();
        let polls = sqs.clone().timeout_config(any_time).retry_config(RetryConfig::disabled());
        Self {
            publishes: aws_sdk_sns::Client::from_conf(publishes.build()),
            sns: aws_sdk_sns::Client::from_conf(sns.build()),
            polls: aws_sdk_sqs::Client::from_conf(polls.build()),
            sqs: aws_sdk_sqs::Client::from_conf(sqs.build()),
            dynamodb: aws_sdk_dynamodb::Client::from_conf(dynamodb.build()),
        }
    }
}

/// What errors and the target line say about where the stack is.
#[derive(Debug, Clone)]
struct Place {
    /// `LocalStack http://localhost:4566` or `AWS`.
    name: String,
    /// The URL, or `AWS`.
    url: String,
    /// The URL and where it was found, to be named when nothing answers.
    endpoint: String,
    setup: String,
    localstack_up: Option<String>,
}

impl Aws {
    /// Makes clients; sees first that something answers at a local endpoint.
    ///
    /// # Errors
    /// Unreachable when nothing does, or when there are no credentials for AWS.
    pub async fn connect(settings: &Settings) -> Result<Self> {
        match &settings.target {
            Target::LocalStack(localstack) => Self::localstack(settings, localstack).await,
            Target::Aws { profile, region } => {
                Self::aws(settings, profile.as_deref(), region.clone()).await
            }
        }
    }

    /// `stack wild-rydes on LocalStack http://localhost:4566`.
    pub fn target_line(&self) -> String {
        let stack = self.names.stack();
        match (&self.place.localstack_up, &self.account) {
            (Some(_), _) => format!("stack {stack} on {}", self.place.name),
            (None, Some(account)) => {
                format!("stack {stack} on AWS account {account} in {}", self.region)
            }
            (None, None) => format!("stack {stack} on AWS in {}", self.region),
        }
    }

    /// The target line with all that is known of the place: version and region too.
    pub fn target_line_in_full(&self) -> String {
        match &self.version {
            Some(version) if !self.is_real() => format!(
                "stack {} on LocalStack {version}, {}, {}",
                self.names.stack(),
                self.place.url,
                self.region
            ),
            _ if self.is_real() => self.target_line(),
            _ => format!("{}, {}", self.target_line(), self.region),
        }
    }

    /// The version of LocalStack, where it says so.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether this is AWS itself.
    pub fn is_real(&self) -> bool {
        self.place.localstack_up.is_none()
    }

    /// Where the stack is, for a file that must tell stacks apart: endpoint or `aws`, account,
    /// region.
    pub fn address(&self) -> String {
        let account = self.account.as_deref().unwrap_or("-");
        format!("{} {account} {}", self.place.url, self.region)
    }

    /// The account, where it is known.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// The stack, or a part of it, does not exist.
    pub fn not_set_up(&self) -> Error {
        let account = self.account.as_deref().map_or(String::new(), |a| format!("account {a}, "));
        let error = Error::new(
            Kind::NotSetUp,
            format!(
                "stack {} is not set up at {} ({account}region {})",
                self.names.stack(),
                self.place.url,
                self.region
            ),
        );
        let (error, setup) = (error.fatal(), &self.place.setup);
        if self.is_real() {
            error.hint(setup)
        } else {
            error.hint(format!("{setup}     (LocalStack forgets everything when it restarts)"))
        }
    }

    /// The URL of LocalStack, or `AWS`.
    pub fn url(&self) -> &str {
        &self.place.url
    }

    /// Nothing answers.
    pub(super) fn unreachable(&self) -> Error {
        unreachable(&self.place)
    }

    async fn localstack(settings: &Settings, localstack: &LocalStack) -> Result<Self> {
        let place = Place {
            name: format!("LocalStack {}", localstack.sqs.url),
            url: localstack.sqs.url.clone(),
            endpoint: localstack.sqs.to_string(),
            setup: settings.command("setup"),
            localstack_up: Some(settings.command("localstack up")),
        };
        let mut endpoints = vec![&localstack.sqs, &localstack.sns, &localstack.dynamodb];
        endpoints.sort_by_key(|endpoint| &endpoint.url);
        endpoints.dedup_by_key(|endpoint| &endpoint.url);
        let versions = try_join_all(endpoints.into_iter().map(async |endpoint| {
            reach(endpoint).await.map_err(|cause| {
                unreachable(&Place { endpoint: endpoint.to_string(), ..place.clone() })
                    .because(cause)
            })
        }))
        .await?;
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(localstack.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                &localstack.access_key,
                "test",
                None,
                None,
                "rydes",
            )))
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(app_name())
            .sleep_impl(aws_sdk_sqs::config::SharedAsyncSleep::new(
                aws_smithy_async::rt::sleep::TokioSleep::new(),
            ))
            .build();
        // LocalStack takes twelve digits for the account, and 000000000000 for everything else.
        let account = match localstack.access_key.as_str() {
            "test" => "000000000000".to_owned(),
            digits => digits.to_owned(),
        };
        let meter = Meter::default();
        Ok(Self {
            clients: Clients::new(&config, Some(localstack), &meter),
            names: Names::new(&settings.stack),
            meter,
            account: Some(account),
            region: localstack.region.clone(),
            version: versions.into_iter().flatten().next(),
            place,
        })
    }

    async fn aws(
        settings: &Settings,
        profile: Option<&str>,
        region: Option<String>,
    ) -> Result<Self> {
        let mut loader = aws_config::defaults(BehaviorVersion::latest())
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(app_name());
        if let Some(profile) = profile {
            loader = loader.profile_name(profile);
        }
        if let Some(region) = region {
            loader = loader.region(Region::new(region));
        }
        let config = loader.load().await;
        let region = config.region().ok_or_else(|| {
            Error::invalid("no region for AWS: --region, AWS_REGION or the profile must name one")
        })?;
        let provider = config
            .credentials_provider()
            .ok_or_else(|| Error::new(Kind::Unreachable, "no credentials for AWS"))?;
        let credentials = provider.provide_credentials().await.map_err(|cause| {
            Error::new(Kind::Unreachable, "no credentials for AWS")
                .because(cause)
                .hint("log in as the AWS CLI would, or name a profile: --profile NAME")
        })?;
        let meter = Meter::default();
        Ok(Self {
            clients: Clients::new(&config, None, &meter),
            names: Names::new(&settings.stack),
            meter,
            account: credentials.account_id().map(|id| id.as_str().to_owned()),
            region: region.to_string(),
            version: None,
            place: Place {
                name: "AWS".to_owned(),
                url: "AWS".to_owned(),
                endpoint: "AWS".to_owned(),
                setup: settings.command("setup"),
                localstack_up: None,
            },
        })
    }
}

fn unreachable(place: &Place) -> Error {
    let error = Error::new(Kind::Unreachable, format!("nothing answers at {}", place.endpoint));
    match &place.localstack_up {
        Some(up) => error.hint(up),
        None => error,
    }
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(CONNECT_TIMEOUT)
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .build()
}

fn app_name() -> AppName {
    AppName::new("rydes").expect("letters alone are valid")
}

/// Sees whether something answers: a connection first, since its error says why, and then, where it
/// is plain HTTP, the request for LocalStack's health, to which any answer will do. Returns the
/// version that it tells.
async fn reach(endpoint: &Endpoint) -> std::result::Result<Option<String>, String> {
    let deadline = Instant::now() + REACH_TIMEOUT;
    let address = address(&endpoint.url);
    let connect = async {
        let addresses =
            spawn_blocking(move || address.to_socket_addrs().map(Iterator::collect::<Vec<_>>));
        let addresses = addresses.await.map_err(std::io::Error::other)??;
        tokio::net::TcpStream::connect(addresses.as_slice()).await
    };
    match timeout(CONNECT_TIMEOUT, connect).await {
        Ok(Ok(_)) => {}
        // The number that goes with it differs between systems, and tells nobody anything.
        Ok(Err(error)) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            return Err(error.kind().to_string());
        }
        Ok(Err(error)) => return Err(error.to_string()),
        Err(_) => return Err(format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())),
    }
    if !endpoint.url.starts_with("http:") {
        return Ok(None);
    }
    let health = format!("{}/_localstack/health", endpoint.url);
    let left = deadline.duration_since(Instant::now());
    let asked = spawn_blocking(move || {
        let config = ureq::Agent::config_builder()
            .proxy(None)
            .max_redirects(0)
            .http_status_as_error(false)
            .timeout_global(Some(left));
        ureq::Agent::new_with_config(config.build()).get(health).call().map(version)
    });
    match asked.await {
        Ok(Ok(version)) => Ok(version),
        Ok(Err(ureq::Error::Timeout(_))) => {
            Err("it takes connections, but does not answer".to_owned())
        }
        Ok(Err(error)) => Err(format!("it takes connections, but does not speak HTTP: {error}")),
        Err(panic) => Err(panic.to_string()),
    }
}

/// What an answer about its health says of LocalStack's version; whatever else answers has none.
fn version(answer: ureq::http::Response<ureq::Body>) -> Option<String> {
    let body = answer.into_body().into_with_config().limit(HEALTH_MAX).read_to_string().ok()?;
    let health: serde_json::Value = serde_json::from_str(&body).ok()?;
    Some(printable(health["version"].as_str()?))
}

/// Host and port of a URL that settings have checked.
fn address(url: &str) -> String {
    let uri: Uri = url.parse().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    format!("{}:{port}", uri.host().unwrap_or_default())
}
