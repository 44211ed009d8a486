//! Clients for tests that make no request.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_http_client::Builder;

use super::{Aws, Clients, Location};
use crate::aws::{Meter, Remedies};
use crate::core::Names;
use crate::core::StackName;
use crate::settings::{Backend, DEFAULT_ENDPOINT, DEFAULT_REGION, Endpoint};

impl Aws {
    pub(in crate::aws) fn sample() -> Self {
        let origin = "default endpoint".to_owned();
        let endpoint = Endpoint { url: DEFAULT_ENDPOINT.to_owned(), origin };
        let location = Location {
            name: format!("LocalStack {}", endpoint.url),
            url: endpoint.url.clone(),
            endpoints: vec![endpoint],
            region_origin: "default region",
            backend: Backend::LocalStack,
            remedies: Remedies::new(|remedy| format!("{remedy:?}")),
        };
        Self::at(location, "000000000000", DEFAULT_REGION)
    }

    pub(in crate::aws) fn real_sample() -> Self {
        let location = Location {
            name: "AWS".to_owned(),
            url: "AWS".to_owned(),
            endpoints: Vec::new(),
            region_origin: "",
            backend: Backend::Aws,
            remedies: Remedies::new(|remedy| format!("{remedy:?}")),
        };
        Self::at(location, "123456789012", "eu-west-1")
    }

    fn at(location: Location, account: &str, region: &str) -> Self {
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .region(Region::new(region.to_owned()))
            .http_client(Builder::new().build_http())
            .build();
        let meter = Meter::default();
        let stack = StackName::parse("x").expect("it is valid");
        Self {
            clients: Clients::new(&config, None, &meter),
            names: Names::new(&stack),
            meter,
            account: Some(account.to_owned()),
            region: region.to_owned(),
            partition: "aws".to_owned(),
            version: None,
            location,
        }
    }
}
