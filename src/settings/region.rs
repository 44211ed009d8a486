//! Checks the form of a region. The backend decides whether the region exists.

use crate::core::text::printable;
use crate::error::{Error, Result};

/// The longest label of a host name by RFC 1035. A region is such a label.
const LONGEST: usize = 63;

/// Fails, naming `origin`, for a text that cannot be a region.
pub fn check_region(region: &str, origin: &str) -> Result<()> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let (first, last) = (region.bytes().next(), region.bytes().next_back());
    let is_one = region.len() <= LONGEST
        && region.bytes().all(|byte| is_plain(byte) || byte == b'-')
        && first.is_some_and(is_plain)
        && last.is_some_and(is_plain);
    if is_one {
        return Ok(());
    }
    Err(Error::invalid(format!(
        "`{origin} {}`: a region is made of lower-case letters, digits and hyphens, as in eu-west-1",
        printable(region)
    )))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn a_region_is_a_part_of_a_host_s_name() {
        let longest = "a".repeat(LONGEST);
        for good in ["us-east-1", "eusc-de-east-1", "us-isob-east-1", "aws-global", "x", &longest] {
            assert!(check_region(good, "--region").is_ok(), "{good}");
        }
        let longer = "a".repeat(LONGEST + 1);
        for bad in [
            "",
            " ",
            "us-east-1\r",
            "us-east-1\n",
            "EU West",
            "US-EAST-1",
            "-a",
            "a-",
            "a.b",
            "a/b",
            "a@b",
            "é",
            "\u{1b}[31m",
            &longer,
        ] {
            let error = check_region(bad, "RYDES_REGION").expect_err(bad);
            assert_eq!(error.kind(), Kind::Invalid);
            let text = error.to_string();
            assert!(text.starts_with("`RYDES_REGION "), "{text}");
            assert!(!text.contains(char::is_control), "{text:?}");
        }
    }
}
