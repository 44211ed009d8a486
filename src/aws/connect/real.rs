//! Clients of AWS itself, from the usual chain of credentials, regions and profiles; and their account.

use std::time::Duration;

use aws_config::imds::region::ImdsRegionProvider;
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_runtime::env_config::file::EnvConfigFiles;
use aws_sdk_dynamodb::config::StalledStreamProtectionConfig;
use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_sqs::config::{
    ProvideCredentials as _, RuntimeComponents, SharedCredentialsProvider, SharedHttpClient,
};
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::{Builder, Connector};
use aws_types::os_shim_internal::{Env, Fs};
use aws_types::service_config::ServiceConfigKey;
use futures_util::FutureExt as _;

use super::{Aws, Clients, Location, TLS, app_name, no_credentials, timeouts};
use crate::aws::Meter;
use crate::aws::failure::{lack, words};
use crate::aws::remedy::{Remedies, Remedy};
use crate::aws::url_recorder::UrlRecorder;
use crate::core::Names;
use crate::core::text::printable;
use crate::error::{Error, Kind, Result};
use crate::settings::{Backend, Settings, check_region, is_local, partition_of};

/// Limit of the request to STS. If STS cannot be reached, there are other sources for the account.
const IDENTITY_TIMEOUT: Duration = Duration::from_secs(4);
const DEFAULT_PROFILE: &str = "default";
/// Named as in the SDK's configuration.
const SERVICES: [&str; 4] = ["SNS", "SQS", "DynamoDB", "STS"];

impl Aws {
    pub(super) async fn real(
        settings: &Settings,
        profile: Option<&str>,
        region: Option<String>,
        remedies: &Remedies,
    ) -> Result<Self> {
        let no_credentials = || no_credentials(remedies);
        let selected = selected_profile(profile).await?;
        let config = configuration(profile, &selected, region).boxed().await;
        refuse_local(&config)?;
        let region = config.region().map(ToString::to_string).ok_or_else(|| {
            Error::invalid("no region for AWS").hint(remedies.words(Remedy::NameRegion))
        })?;
        check_region(&region, "region =")?;
        let provider = config.credentials_provider().ok_or_else(no_credentials)?;
        let credentials = provider.provide_credentials().await.map_err(|error| {
            let named = profile.map(|name| format!("profile `{}`: ", printable(name)));
            no_credentials().because(named.unwrap_or_default() + &lack(&error))
        })?;
        let meter = Meter::default();
        let mut aws = Self {
            clients: Clients::new(&config, None, &meter),
            names: Names::new(&settings.stack),
            meter,
            account: credentials.account_id().map(|id| id.as_str().to_owned()),
            partition: partition_of(&region).to_owned(),
            region,
            version: None,
            location: Location {
                name: "AWS".to_owned(),
                url: "AWS".to_owned(),
                endpoints: Vec::new(),
                region_origin: "",
                backend: Backend::Aws,
                remedies: remedies.clone(),
            },
        };
        aws.ask_whose(&config).boxed().await?;
        Ok(aws)
    }

    /// Finds the account of the credentials: from STS, which needs no permission, else from the ARN of a queue.
    async fn ask_whose(&mut self, config: &SdkConfig) -> Result<()> {
        let sts = aws_sdk_sts::config::Builder::from(config)
            .interceptor(UrlRecorder)
            .timeout_config(timeouts().to_builder().operation_timeout(IDENTITY_TIMEOUT).build())
            .retry_config(RetryConfig::disabled());
        let sts = aws_sdk_sts::Client::from_conf(sts.build());
        let arn = match sts.get_caller_identity().send().await {
            Ok(identity) => identity.arn,
            Err(error) => {
                let error = self.error("asking STS for the account", &error);
                if error.is_fatal() && error.kind() == Kind::Unreachable {
                    return Err(error);
                }
                // A missing permission or queue is no error here: the command itself will report it.
                match self.arn_of_a_queue().await {
                    Err(error) if error.kind() == Kind::Unreachable => return Err(error),
                    arn => arn.ok(),
                }
            }
        };
        if let Some((partition, account)) = arn.as_deref().and_then(owner) {
            partition.clone_into(&mut self.partition);
            self.account = Some(account.to_owned());
        }
        Ok(())
    }

    async fn arn_of_a_queue(&self) -> Result<String> {
        self.queue(self.names.response_queue()).await?.arn().await
    }
}

/// The configuration of the selected profile. A typed profile uses its own credentials: those in the environment
/// may belong to another account.
async fn configuration(typed: Option<&str>, selected: &str, region: Option<String>) -> SdkConfig {
    // `region` includes the environment's already: the settings ignore an empty one.
    let client = through_proxy();
    let provider = ProviderConfig::without_region().with_http_client(client.clone());
    let of_profile = ProfileFileRegionProvider::builder().profile_name(selected).build();
    let of_instance = ImdsRegionProvider::builder().configure(&provider).build();
    let region = RegionProviderChain::first_try(region.map(Region::new))
        .or_else(of_profile)
        .or_else(of_instance);
    let loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(client)
        .timeout_config(timeouts())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .app_name(app_name())
        .profile_name(selected)
        .region(region);
    let config = loader.load().await;
    let Some(profile) = typed else { return config };
    let provider = provider
        .with_region(config.region().cloned())
        .with_use_fips(config.use_fips())
        .with_use_dual_stack(config.use_dual_stack())
        .with_behavior_version(Some(BehaviorVersion::latest()));
    let provider = ProfileFileCredentialsProvider::builder()
        .profile_name(profile)
        .configure(&provider)
        .build();
    config.into_builder().credentials_provider(SharedCredentialsProvider::new(provider)).build()
}

fn through_proxy() -> SharedHttpClient {
    Builder::new().build_with_connector_fn(|settings, components| {
        let mut connector = Connector::builder().tls_provider(TLS);
        connector
            .set_connector_settings(settings.cloned())
            .set_sleep_impl(components.and_then(RuntimeComponents::sleep_impl))
            .set_proxy_config(Some(ProxyConfig::from_env()));
        connector.build()
    })
}

/// The typed profile, else the environment's, else `default`. Fails if a named profile does not exist: the chain
/// would go on to other credentials.
async fn selected_profile(typed: Option<&str>) -> Result<String> {
    let files = EnvConfigFiles::default();
    let named = typed.map(|name| name.to_owned().into());
    let profiles = aws_config::profile::load(&Fs::real(), &Env::real(), &files, named).await;
    let profiles = profiles.map_err(|error| {
        Error::invalid("the AWS configuration files cannot be read").because(words(&error))
    })?;
    missing(&profiles, typed)?;
    let selected = Some(profiles.selected_profile()).filter(|name| !name.is_empty());
    Ok(selected.unwrap_or(DEFAULT_PROFILE).to_owned())
}

fn missing(profiles: &ProfileSet, typed: Option<&str>) -> Result<()> {
    let name = profiles.selected_profile();
    let is_named = typed.is_some() || !["", DEFAULT_PROFILE].contains(&name);
    if !is_named || profiles.get_profile(name).is_some() {
        return Ok(());
    }
    let origin = if typed.is_some() { "--profile" } else { "AWS_PROFILE" };
    let error = Error::invalid(format!("`{origin} {}`: there is no such profile", printable(name)));
    let mut known: Vec<_> = profiles.profiles().map(printable).collect();
    known.sort_unstable();
    Err(match known.as_slice() {
        [] => error.hint("the AWS configuration files have no profiles"),
        known => error.hint(format!("profiles here: {}", known.join(", "))),
    })
}

/// Fails if the configuration sends a service to this machine, where AWS never is. The settings have checked the
/// environment, so such an endpoint comes from a profile.
fn refuse_local(config: &SdkConfig) -> Result<()> {
    let service = |id| {
        let key = ServiceConfigKey::builder().service_id(id).env("AWS_ENDPOINT_URL");
        let key = key.profile("endpoint_url").build().ok()?;
        config.service_config()?.load_config(key)
    };
    let all = SERVICES.into_iter().filter_map(service);
    let urls = all.chain(config.endpoint_url().map(str::to_owned));
    match urls.into_iter().find(|url| is_local(url)) {
        None => Ok(()),
        Some(url) => Err(Error::invalid(format!(
            "the profile's `endpoint_url = {}` points at this machine; remove it to work on AWS",
            printable(&url)
        ))),
    }
}

/// Partition and account of an ARN.
fn owner(arn: &str) -> Option<(&str, &str)> {
    let parts: Vec<_> = arn.split(':').collect();
    match parts.as_slice() {
        ["arn", partition, _, _, account, ..] if !account.is_empty() => Some((partition, account)),
        _ => None,
    }
}
