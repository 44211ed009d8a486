//! The partitions of AWS: which one a region is in, and which hosts belong to AWS. Both come from the SDK's own
//! data, so a new SDK brings new partitions.

use std::net::IpAddr;

use aws_sdk_sqs::config::endpoint::{DefaultResolver, Params, ResolveEndpoint as _};
use futures_util::FutureExt as _;

/// One region of each partition that the SDK knows.
const REGIONS: [&str; 8] = [
    "us-east-1",
    "cn-north-1",
    "us-gov-west-1",
    "eusc-de-east-1",
    "us-iso-east-1",
    "us-isob-east-1",
    "eu-isoe-west-1",
    "us-isof-south-1",
];

/// The SDK has two host suffixes: for IPv4 only, and for IPv4 and IPv6.
#[derive(Debug, Clone, Copy)]
enum Stack {
    Single,
    Dual,
}

/// A region's partition as ARNs name it: `aws`, `aws-cn`, ...
pub fn partition_of(region: &str) -> &'static str {
    match suffix(region, Stack::Single).as_deref() {
        Some("amazonaws.com.cn") => "aws-cn",
        Some("amazonaws.eu") => "aws-eusc",
        Some("c2s.ic.gov") => "aws-iso",
        Some("sc2s.sgov.gov") => "aws-iso-b",
        Some("cloud.adc-e.uk") => "aws-iso-e",
        Some("csp.hci.ic.gov") => "aws-iso-f",
        // It shares its suffix with the commercial partition.
        _ if region.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

/// Whether a host, in lower case, belongs to AWS in any partition.
pub(super) fn owns(host: &str) -> bool {
    // `localhost` and addresses are told at once: to ask the SDK about each partition takes longer.
    if !host.contains('.') || host.parse::<IpAddr>().is_ok() {
        return false;
    }
    // The host itself names the region of a partition that is newer than the list.
    let regions = REGIONS.into_iter().chain(host.split('.').filter(|part| part.contains('-')));
    let suffixes =
        regions.flat_map(|region| [Stack::Single, Stack::Dual].map(|stack| (region, stack)));
    suffixes.filter_map(|(region, stack)| suffix(region, stack)).any(|suffix| {
        host.strip_suffix(&suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    })
}

/// The host suffix of a region's services: `amazonaws.com`.
fn suffix(region: &str, stack: Stack) -> Option<String> {
    let params = Params::builder().region(region).use_dual_stack(matches!(stack, Stack::Dual));
    let params = params.build().ok()?;
    let endpoint = DefaultResolver::new().resolve_endpoint(&params).now_or_never()?.ok()?;
    let suffix = endpoint.url().strip_prefix(&format!("https://sqs.{region}."))?;
    (!suffix.is_empty()).then(|| suffix.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_in_the_partitions_that_the_sdk_knows() {
        for (region, partition) in [
            ("us-east-1", "aws"),
            ("ap-southeast-7", "aws"),
            ("cn-northwest-1", "aws-cn"),
            ("us-gov-east-1", "aws-us-gov"),
            ("eusc-de-east-1", "aws-eusc"),
            ("us-iso-west-1", "aws-iso"),
            ("us-isob-east-1", "aws-iso-b"),
            ("eu-isoe-west-1", "aws-iso-e"),
            ("us-isof-east-1", "aws-iso-f"),
            ("us-esat-1", "aws"),
        ] {
            assert_eq!(partition_of(region), partition, "{region}");
        }
    }

    #[test]
    fn hosts_of_every_partition_are_aws_s() {
        for host in [
            "sqs.eu-central-1.amazonaws.com",
            "sqs.cn-north-1.amazonaws.com.cn",
            "sqs.cn-north-1.api.amazonwebservices.com.cn",
            "sqs.us-gov-west-1.amazonaws.com",
            "sqs.us-east-1.api.aws",
            "sqs.eusc-de-east-1.amazonaws.eu",
            "amazonaws.eu",
            "dynamodb.eusc-de-east-1.api.amazonwebservices.eu",
            "sns.us-iso-east-1.c2s.ic.gov",
            "sns.us-isob-east-1.sc2s.sgov.gov",
            "sns.eu-isoe-west-1.cloud.adc-e.uk",
            "sns.us-isof-south-1.csp.hci.ic.gov",
        ] {
            assert!(owns(host), "{host}");
        }
        for host in [
            "localhost",
            "127.0.0.1",
            "[::1]",
            "notamazonaws.com",
            "amazonaws.com.example.org",
            "ic.gov",
            "my-host",
            "",
        ] {
            assert!(!owns(host), "{host}");
        }
    }
}
