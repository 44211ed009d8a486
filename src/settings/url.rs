//! URLs of endpoints: which host they name, and their normal form.

use std::net::IpAddr;

use ureq::http::Uri;

/// The host of an http or https URL, in lower case, without brackets or a final dot.
pub fn host(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    matches!(uri.scheme_str(), Some("http" | "https")).then_some(())?;
    let host = uri.host()?.trim_matches(['[', ']']).trim_end_matches('.').to_lowercase();
    (!host.is_empty()).then_some(host)
}

/// Whether a URL leads to this machine, which AWS never is.
pub fn is_local(url: &str) -> bool {
    host(url).is_some_and(|host| is_loopback(&host))
}

pub fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host.ends_with("localhost.localstack.cloud")
        || address(host).is_some_and(|ip| ip.is_loopback() || ip.is_unspecified())
}

/// The normal form of an http or https URL: host in lower case, no default port, no trailing slash, and
/// `localhost` for each name of this machine's own address. `None` for any other text.
pub fn plain_url(url: &str) -> Option<String> {
    let uri: Uri = url.parse().ok()?;
    let host = host(url)?;
    let (scheme, default) =
        if uri.scheme_str() == Some("https") { ("https", 443) } else { ("http", 80) };
    let host = match address(&host) {
        Some(ip) if is_itself(ip) => "localhost".to_owned(),
        Some(IpAddr::V6(ip)) => format!("[{ip}]"),
        Some(IpAddr::V4(ip)) => ip.to_string(),
        None if is_loopback(&host) => "localhost".to_owned(),
        None => host,
    };
    let port = uri.port_u16().filter(|port| *port != default);
    let port = port.map(|port| format!(":{port}")).unwrap_or_default();
    Some(format!("{scheme}://{host}{port}{}", uri.path().trim_end_matches('/')))
}

/// The host as an IP address; an IPv4-mapped IPv6 address becomes IPv4.
fn address(host: &str) -> Option<IpAddr> {
    host.parse().ok().map(|ip: IpAddr| ip.to_canonical())
}

/// Whether `localhost` has this address. Other addresses of 127.0.0.0/8 may be other servers.
fn is_itself(ip: IpAddr) -> bool {
    ip.is_unspecified()
        || ip == IpAddr::from([127, 0, 0, 1])
        || ip == IpAddr::from([0, 0, 0, 0, 0, 0, 0, 1u16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_machine_is_written_in_one_way() {
        for url in [
            "http://localhost:4566",
            "http://localhost:4566/",
            "HTTP://LocalHost:4566",
            "http://localhost.:4566//",
            "http://127.0.0.1:4566",
            "http://[::1]:4566/",
            "http://[0:0:0:0:0:0:0:1]:4566",
            "http://0.0.0.0:4566",
            "http://[::ffff:127.0.0.1]:4566",
            "http://[::ffff:7f00:1]:4566",
            "http://localhost.localstack.cloud:4566",
            "http://sqs.localhost:4566",
        ] {
            assert_eq!(plain_url(url).as_deref(), Some("http://localhost:4566"), "{url}");
        }
        for (url, plain) in [
            ("http://Example.com:80/", "http://example.com"),
            ("https://example.com.:443", "https://example.com"),
            ("https://example.com:80/a/", "https://example.com:80/a"),
            ("http://127.0.0.2:4566", "http://127.0.0.2:4566"),
            ("http://[::ffff:10.0.0.1]", "http://10.0.0.1"),
            ("http://[2001:DB8::1]", "http://[2001:db8::1]"),
        ] {
            assert_eq!(plain_url(url).as_deref(), Some(plain), "{url}");
        }
        for other in ["AWS", "wild-rydes", "000000000000", "us-east-1", "ftp://localhost", ""] {
            assert_eq!(plain_url(other), None, "{other}");
        }
    }
}
