//! Clients of LocalStack: fixed credentials, no proxy, and a check that its endpoints respond.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_sns::error::ProvideErrorMetadata as _;
use aws_sdk_sqs::config::{
    Credentials, SharedAsyncSleep, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_async::rt::sleep::TokioSleep;
use aws_smithy_http_client::Builder;
use futures_util::FutureExt as _;
use futures_util::future::try_join_all;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use super::{Aws, CONNECT_TIMEOUT, Clients, Location, TLS, app_name, timeouts, too_many_files};
use crate::aws::Meter;
use crate::aws::error::is_about_region;
use crate::aws::health;
use crate::aws::remedy::Remedies;
use crate::core::Names;
use crate::core::text::printable;
use crate::error::Result;
use crate::settings::{Backend, open_files};
use crate::settings::{DEFAULT_REGION, Endpoint, LocalStack, SECRET_KEY, Settings, partition_of};

impl Aws {
    pub(super) async fn localstack(
        settings: &Settings,
        localstack: &LocalStack,
        remedies: Remedies,
    ) -> Result<Self> {
        let endpoints = [&localstack.sqs, &localstack.sns, &localstack.dynamodb];
        let location = Location {
            name: format!("LocalStack {}", localstack.sqs.url),
            url: localstack.sqs.url.clone(),
            endpoints: endpoints.map(Clone::clone).to_vec(),
            region_origin: localstack.region_origin,
            backend: Backend::LocalStack,
            remedies,
        };
        let mut different = endpoints.to_vec();
        different.sort_by_key(|endpoint| &endpoint.url);
        different.dedup_by_key(|endpoint| &endpoint.url);
        let reached = different.into_iter().map(async |endpoint| {
            reach(endpoint).await.map_err(|unreached| match unreached {
                Unreached::Files => too_many_files(),
                Unreached::Because(cause) => {
                    location.unreachable(Some(&endpoint.url)).because(cause)
                }
            })
        });
        let versions = try_join_all(reached).await?;
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(localstack.region.clone()))
            .credentials_provider(SharedCredentialsProvider::new(Credentials::new(
                &localstack.access_key,
                SECRET_KEY,
                None,
                None,
                "rydes",
            )))
            .http_client(direct(&endpoints))
            .timeout_config(timeouts())
            .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
            .app_name(app_name())
            .sleep_impl(SharedAsyncSleep::new(TokioSleep::new()))
            .build();
        let meter = Meter::default();
        let aws = Self {
            clients: Clients::new(&config, Some(localstack), &meter),
            names: Names::new(&settings.stack),
            meter,
            account: Some(localstack.account().to_owned()),
            region: localstack.region.clone(),
            partition: partition_of(&localstack.region).to_owned(),
            version: versions.into_iter().flatten().next(),
            location,
        };
        aws.check_region().boxed().await?;
        Ok(aws)
    }

    /// Fails if LocalStack does not know the region. It would answer for its default region, so the commands would
    /// work on another stack. Only SNS reports this, for a topic in that region.
    async fn check_region(&self) -> Result<()> {
        if self.region == DEFAULT_REGION {
            return Ok(());
        }
        let account = self.account.as_deref().unwrap_or_default();
        let (partition, region, topic) = (&self.partition, &self.region, self.names.topic());
        let arn = format!("arn:{partition}:sns:{region}:{account}:{topic}");
        match self.clients.sns.get_topic_attributes().topic_arn(arn).send().await {
            Err(error) if is_about_region(error.code().unwrap_or_default(), error.message()) => {
                Err(self.refuses_region())
            }
            // Any other fault shows in the command's own requests.
            _ => Ok(()),
        }
    }
}

/// A client that ignores the environment's proxy, which must not see requests to this machine.
fn direct(endpoints: &[&Endpoint]) -> SharedHttpClient {
    if endpoints.iter().all(|endpoint| endpoint.url.starts_with("http:")) {
        return Builder::new().build_http();
    }
    Builder::new().tls_provider(TLS).build_https()
}

enum Unreached {
    /// Too many files are open.
    Files,
    /// The endpoint does not respond, for this reason.
    Because(String),
}

impl From<std::io::Error> for Unreached {
    fn from(error: std::io::Error) -> Self {
        if open_files::is_too_many(&error) || open_files::are_reached() {
            return Self::Files;
        }
        Self::Because(match error.kind() {
            // The error number differs between systems and explains nothing.
            kind @ std::io::ErrorKind::ConnectionRefused => kind.to_string(),
            std::io::ErrorKind::TimedOut => {
                format!("no connection within {} s", CONNECT_TIMEOUT.as_secs())
            }
            _ => error.to_string(),
        })
    }
}

impl From<ureq::Error> for Unreached {
    fn from(error: ureq::Error) -> Self {
        Self::Because(match error {
            ureq::Error::Io(error) if open_files::is_too_many(&error) => return Self::Files,
            ureq::Error::Timeout(_) => {
                let limit = health::ANSWER.as_secs();
                format!("it accepts connections but does not respond within {limit} s")
            }
            error => format!("it accepts connections but does not speak HTTP: {error}"),
        })
    }
}

/// Checks that an endpoint responds: with a connection first, since its error says why, then over plain HTTP with
/// a health request, for which any answer will do. A LocalStack that is busy has as long for it as for any request.
/// Returns LocalStack's version, if reported.
async fn reach(endpoint: &Endpoint) -> std::result::Result<Option<String>, Unreached> {
    let url = endpoint.url.clone();
    // The lookup of the name has no limit of its own.
    let connected = spawn_blocking(move || health::connect(&url, CONNECT_TIMEOUT));
    match timeout(CONNECT_TIMEOUT, connected).await {
        Ok(connected) => connected.map_err(|panic| panicked(&panic))??,
        Err(_) => return Err(std::io::Error::from(std::io::ErrorKind::TimedOut).into()),
    }
    if !endpoint.url.starts_with("http:") {
        return Ok(None);
    }
    let url = endpoint.url.clone();
    // It ends by its own limit, which says that the connection was made.
    let asked = spawn_blocking(move || health::ask(&url));
    let asked = asked.await.map_err(|panic| panicked(&panic))?;
    let (_, body) = asked?;
    Ok(body.ok().and_then(|body| health::version(&body)).map(|version| printable(&version)))
}

fn panicked(panic: &tokio::task::JoinError) -> Unreached {
    Unreached::Because(panic.to_string())
}
