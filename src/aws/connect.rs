//! Makes clients from settings. This is the one place that decides whether real AWS is reached.

mod localstack;
mod real;
#[cfg(test)]
mod sample;
#[cfg(test)]
mod tests;

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aws_config::{AppName, SdkConfig};
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_smithy_http_client::tls::Provider;
use aws_smithy_http_client::tls::rustls_provider::CryptoMode;

use super::Meter;
use super::failure::Failure;
use super::remedy::{Remedies, Remedy};
use super::url_recorder::UrlRecorder;
use crate::core::Names;
use crate::error::{Error, Kind, Permanence, Result};
use crate::settings::open_files;
use crate::settings::{Backend, Endpoint, LocalStack, Settings, Target, plain_url};

/// Limit of one attempt of a request; the SDK has none. Receives that wait for messages set their own.
pub(super) const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
/// Limit of a connection attempt, so that an error names an absent endpoint within 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// TLS by rustls and ring. The SDK's own choice is aws-lc, which takes far longer to build.
const TLS: Provider = Provider::Rustls(CryptoMode::Ring);

/// The clients of one stack. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Aws {
    pub(crate) clients: Clients,
    /// The names of the stack's resources.
    pub names: Names,
    /// Counts the requests that go out.
    pub meter: Meter,
    pub(crate) account: Option<String>,
    pub(crate) region: String,
    /// The region's partition, as ARNs name it.
    pub(crate) partition: String,
    version: Option<String>,
    location: Location,
}

/// The SDK's clients. Limits or retries set on a call make the SDK rebuild its configuration, so frequent calls
/// have clients of their own. Each client has its own connections, so rare calls share a client.
#[derive(Debug, Clone)]
pub(crate) struct Clients {
    pub(crate) sns: Lazy<aws_sdk_sns::Client>,
    /// For batches of messages: without retries.
    pub(crate) publishes: Lazy<aws_sdk_sns::Client>,
    pub(crate) sqs: Lazy<aws_sdk_sqs::Client>,
    /// For receives: without retries. The limit of a receive depends on its wait.
    pub(crate) polls: Lazy<aws_sdk_sqs::Client>,
    pub(crate) dynamodb: Lazy<aws_sdk_dynamodb::Client>,
}

/// A client that is built when it is first used: few commands use all of them.
pub(crate) type Lazy<C> = Arc<LazyLock<C, Box<dyn FnOnce() -> C + Send>>>;

fn lazy<C>(build: impl FnOnce() -> C + Send + 'static) -> Lazy<C> {
    Arc::new(LazyLock::new(Box::new(build)))
}

impl Clients {
    /// Clients for these endpoints, or for AWS's own if `None`. `meter` counts their requests.
    fn new(config: &SdkConfig, endpoints: Option<&LocalStack>, meter: &Meter) -> Self {
        let mut sns = aws_sdk_sns::config::Builder::from(config)
            .interceptor(meter.clone())
            .interceptor(UrlRecorder);
        let mut sqs = aws_sdk_sqs::config::Builder::from(config)
            .interceptor(meter.clone())
            .interceptor(UrlRecorder);
        let mut dynamodb = aws_sdk_dynamodb::config::Builder::from(config)
            .interceptor(meter.clone())
            .interceptor(UrlRecorder);
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
            publishes: lazy(|| aws_sdk_sns::Client::from_conf(publishes.build())),
            sns: lazy(|| aws_sdk_sns::Client::from_conf(sns.build())),
            polls: lazy(|| aws_sdk_sqs::Client::from_conf(polls.build())),
            sqs: lazy(|| aws_sdk_sqs::Client::from_conf(sqs.build())),
            dynamodb: lazy(|| aws_sdk_dynamodb::Client::from_conf(dynamodb.build())),
        }
    }
}

/// Where the stack is, for errors and the target line.
#[derive(Debug, Clone)]
struct Location {
    /// `LocalStack http://localhost:4566` or `AWS`.
    name: String,
    /// LocalStack's URL, or `AWS`.
    url: String,
    /// LocalStack's endpoints with their origins, SQS first; empty for AWS.
    endpoints: Vec<Endpoint>,
    /// The setting that LocalStack's region comes from.
    region_origin: &'static str,
    backend: Backend,
    remedies: Remedies,
}

impl Aws {
    /// Makes clients. Checks first that a local endpoint responds.
    ///
    /// # Errors
    /// Unreachable if no endpoint responds or there are no credentials for AWS; invalid if the region or the
    /// profile does not exist, or if a profile for AWS has a local endpoint.
    pub async fn connect(settings: &Settings, remedies: Remedies) -> Result<Self> {
        match &settings.target {
            Target::LocalStack(localstack) => {
                Self::localstack(settings, localstack, remedies).await
            }
            Target::Aws { profile, region } => {
                Self::real(settings, profile.as_deref(), region.clone(), &remedies).await
            }
        }
    }

    /// `stack wild-rydes on LocalStack http://localhost:4566`.
    pub fn target_line(&self) -> String {
        let stack = self.names.stack();
        match (self.location.backend, &self.account) {
            (Backend::LocalStack, _) => format!("stack {stack} on {}", self.location.name),
            (Backend::Aws, Some(account)) => {
                format!("stack {stack} on AWS account {account} in {}", self.region)
            }
            (Backend::Aws, None) => format!("stack {stack} on AWS in {}", self.region),
        }
    }

    /// The target line with the account, as far as it is known.
    pub fn target_line_with_account(&self) -> String {
        let account = self.account.as_deref().filter(|_| !self.is_real());
        let account = account.map(|account| format!(" (account {account})"));
        format!("{}{}", self.target_line(), account.unwrap_or_default())
    }

    /// The target line with version, account and region, as far as they are known.
    pub fn target_line_in_full(&self) -> String {
        if self.is_real() {
            return self.target_line();
        }
        format!("stack {} on {}", self.names.stack(), self.place())
    }

    /// `LocalStack 4.14.0, http://localhost:4566, account 000000000000, us-east-1`.
    pub fn place(&self) -> String {
        let account = self.account.as_deref().map(|account| format!("account {account}"));
        let place = match (&self.version, self.is_real()) {
            (Some(version), false) => {
                vec![format!("LocalStack {version}"), self.location.url.clone()]
            }
            _ => vec![self.location.name.clone()],
        };
        let region = Some(self.region.clone());
        place.into_iter().chain(account).chain(region).collect::<Vec<_>>().join(", ")
    }

    /// LocalStack's version, if it reports one.
    pub fn version(&self) -> Option<&str> {
        self.version.as_deref()
    }

    /// The region.
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Whether the target is AWS itself.
    pub fn is_real(&self) -> bool {
        self.location.backend == Backend::Aws
    }

    /// Endpoint or `AWS`, account and region: distinguishes stacks in files.
    pub fn address(&self) -> String {
        let account = self.account.as_deref().unwrap_or("-");
        format!("{} {account} {}", self.location.url, self.region)
    }

    /// The account, if it is known.
    pub fn account(&self) -> Option<&str> {
        self.account.as_deref()
    }

    /// Sets the AWS account that a resource names, if none was known. Returns the new target line in that case.
    pub fn learn_account(&mut self, named: Option<&str>) -> Option<String> {
        let named = named.filter(|_| self.is_real() && self.account.is_none())?;
        self.account = Some(named.to_owned());
        Some(self.target_line())
    }

    /// The error for a stack that does not exist, or not in full.
    pub fn not_set_up(&self) -> Error {
        let account = self.account.as_deref().map_or(String::new(), |a| format!("account {a}, "));
        let error = Error::new(
            Kind::NotSetUp,
            format!(
                "stack {} is not set up at {} ({account}region {})",
                self.names.stack(),
                self.location.url,
                self.region
            ),
        );
        error.fatal().hint(self.remedy(Remedy::SetUp))
    }

    /// The same stack, whose errors have other hints.
    #[must_use]
    pub fn with_remedies(mut self, remedies: Remedies) -> Self {
        self.location.remedies = remedies;
        self
    }

    pub(crate) fn remedy(&self, remedy: Remedy) -> String {
        self.location.remedies.words(remedy)
    }

    /// The URL of LocalStack, or `AWS`.
    pub fn url(&self) -> &str {
        &self.location.url
    }

    /// The error for a URL that does not respond; without a URL, for the stack's first endpoint.
    pub(super) fn unreachable(&self, url: Option<&str>) -> Error {
        self.location.unreachable(url)
    }

    /// Our error for a request without an answer. `Err` holds the innermost cause if none of our errors fits.
    pub(super) fn unanswered(
        &self,
        doing: &str,
        error: &(dyn std::error::Error + 'static),
    ) -> Result<Error, String> {
        let url = super::failure::asked(error);
        let host = self.location.host(url);
        let unreachable = |said: String| Error::new(Kind::Unreachable, said);
        match Failure::of(error) {
            Failure::Files => Ok(too_many_files().transient()),
            Failure::Certificate(why) => {
                Ok(unreachable(format!("the certificate of {host} is not accepted"))
                    .because(format!("{doing}: {why}"))
                    .hint("to trust its issuer, set SSL_CERT_FILE to a file of PEM certificates"))
            }
            Failure::Tls(why) => Ok(unreachable(format!("no TLS connection with {host}"))
                .because(format!("{doing}: {why}"))),
            Failure::Credentials(why, passing) => {
                let error =
                    no_credentials(&self.location.remedies).because(format!("{doing}: {why}"));
                Ok(if passing == Permanence::Transient { error.transient() } else { error.fatal() })
            }
            Failure::NoSuchHost(said) if self.is_real() => {
                let error = self.unreachable(url).because(format!("{doing}: {said}")).transient();
                Ok(error.hint(format!("is `{}` the right region?", self.region)))
            }
            Failure::NoSuchHost(said) | Failure::Silence(said) => Err(said),
        }
    }

    pub(super) fn refuses_credentials(&self) -> Error {
        let account = self.account.as_deref().map_or(String::new(), |a| format!("account {a}, "));
        Error::new(
            Kind::Unreachable,
            format!(
                "{} refuses the credentials ({account}region {})",
                self.location.url, self.region
            ),
        )
    }

    pub(super) fn refuses_region(&self) -> Error {
        Error::invalid(format!(
            "{} refuses the region `{}` ({})",
            self.location.name, self.region, self.location.region_origin
        ))
        .hint(self.remedy(Remedy::ChooseRegion))
    }
}

impl Location {
    /// The endpoint of this URL with its origin; else the first endpoint, the URL itself, or the location's name.
    fn host(&self, url: Option<&str>) -> String {
        let asked = url.and_then(plain_url);
        let is_asked = |endpoint: &&Endpoint| {
            let known = plain_url(&endpoint.url);
            asked.as_ref().zip(known).is_some_and(|(asked, known)| is_below(asked, &known))
        };
        match (self.endpoints.iter().find(is_asked).or(self.endpoints.first()), asked) {
            (Some(endpoint), _) => endpoint.to_string(),
            (None, Some(url)) => url,
            (None, None) => self.name.clone(),
        }
    }

    fn unreachable(&self, url: Option<&str>) -> Error {
        let error = Error::new(Kind::Unreachable, format!("nothing answers at {}", self.host(url)));
        match self.backend {
            Backend::LocalStack => error.hint(self.remedies.words(Remedy::StartLocalStack)),
            Backend::Aws => error,
        }
    }
}

fn is_below(url: &str, other: &str) -> bool {
    url.strip_prefix(other).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

fn too_many_files() -> Error {
    let limit = open_files::files().map_or("no more".to_owned(), |files| files.to_string());
    Error::other(format!(
        "too many files are open: this process may open {limit} (`ulimit -n {}`, in the shell \
         that starts it, allows more)",
        open_files::FILES
    ))
}

fn no_credentials(remedies: &Remedies) -> Error {
    Error::new(Kind::Unreachable, "no credentials for AWS").hint(remedies.words(Remedy::LogIn))
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
