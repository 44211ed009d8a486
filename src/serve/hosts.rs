//! The host names that the server accepts. Under a foreign name that resolves to this server, a foreign page could
//! read and submit: browsers take both for one origin.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Version};

use super::METRICS;
use super::answer::Problem;

const OPTION: &str = "`rydes serve --host NAME` adds a name";

/// The host names that the server accepts; it also accepts every IP address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// The names given as options.
    names: Vec<String>,
    /// Whether `localhost` is accepted too. Pages of other local servers have that name, on other ports.
    is_local: bool,
}

impl Hosts {
    /// Checks a host name. An error says what a name looks like.
    pub fn name(typed: &str) -> Result<String, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !typed.is_empty() && typed.len() <= 253 && typed.chars().all(is_part) {
            Ok(typed.to_ascii_lowercase())
        } else {
            Err("a host is a name without scheme and port, as in `rides.example`".to_owned())
        }
    }

    /// These names, and `localhost` if `at` is a loopback address.
    pub fn new(names: Vec<String>, at: Option<IpAddr>) -> Self {
        Self { names, is_local: at.is_some_and(|at| at.is_loopback()) }
    }

    /// Checks that a request names one host, and one that the server accepts. Fails with 400 when it names none or
    /// several, and with 421 when it names another.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next();
        if named.next().is_some() || host.is_none() && request.version() == Version::HTTP_11 {
            return Err(Problem::new(
                StatusCode::BAD_REQUEST,
                "a request must have exactly one `Host` header",
            ));
        }
        // Beyond loopback anyone who can connect may read the metrics, and a scraper may use any name.
        if request.uri().path() == METRICS && !self.is_local {
            return Ok(());
        }
        let host = host.map(|host| host.to_str().unwrap_or_default());
        // A request to a proxy also names a host in its target.
        let target = request.uri().authority().map(Authority::as_str);
        let knows = |host: &str| place(host).is_some_and(|(name, _)| self.know(&name));
        if host.into_iter().chain(target).all(knows) {
            return Ok(());
        }
        let error = format!("this server does not answer to this host; {OPTION}");
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error))
    }

    /// Checks that a page may submit and end RFQs, and fails with 403 otherwise. Only browsers send an origin. The page must
    /// come from this server, or from a listed name: a proxy in front may have replaced the host.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let host = headers.get(HOST).and_then(|host| place(host.to_str().ok()?));
        if origin.to_str().is_ok_and(|origin| self.own(origin, host)) {
            return Ok(());
        }
        let error =
            format!("a page of another origin may neither submit nor end RFQs here; {OPTION}");
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }

    /// Whether an origin is this server's, judged for a request to `host`.
    fn own(&self, origin: &str, host: Option<HostAndPort>) -> bool {
        let (standard, from) = match origin.split_once("://") {
            Some(("http", from)) => (80, place(from)),
            Some(("https", from)) => (443, place(from)),
            _ => return false,
        };
        let Some((name, port)) = from else { return false };
        let port = port.unwrap_or(standard);
        host.is_some_and(|(host, at)| host == name && at.unwrap_or(standard) == port)
            || port == standard && self.names.contains(&name)
    }

    /// Whether the server accepts this lower-case name or this address.
    fn know(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || (self.is_local && host == "localhost")
            || self.names.iter().any(|name| name == host)
    }
}

/// A lower-case name, and the port if there is one.
type HostAndPort = (String, Option<u16>);

/// Splits `rides.example:8080`; `None` if the text is anything else.
fn place(text: &str) -> Option<HostAndPort> {
    let authority = text.parse::<Authority>().ok()?;
    // `Authority` allows a user before the name, and any text as a port.
    let port = match text.strip_prefix(authority.host())? {
        "" => None,
        port => Some(port.strip_prefix(':')?.parse().ok()?),
    };
    Some((authority.host().to_ascii_lowercase(), port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(checked: Result<(), Problem>) -> u16 {
        checked.map_or_else(|problem| problem.status().as_u16(), |()| 200)
    }

    #[test]
    fn names_are_answered_that_are_known_and_addresses() {
        let address = |text: &str| text.parse::<IpAddr>().ok();
        let here = Hosts::new(Vec::new(), address("127.0.0.1"));
        let beyond = Hosts::new(Vec::new(), address("0.0.0.0"));
        let named = Hosts::new(vec![Hosts::name("Rides.Example").expect("a name")], address("::"));
        for (host, on) in [
            ("localhost", [200, 421, 421]),
            ("LocalHost:8080", [200, 421, 421]),
            ("127.0.0.1", [200, 200, 200]),
            ("[::1]:8080", [200, 200, 200]),
            ("192.168.0.7:80", [200, 200, 200]),
            ("rides.example", [421, 421, 200]),
            ("RIDES.example:8080", [421, 421, 200]),
            ("rides.example.evil.example", [421, 421, 421]),
            ("evil.example", [421, 421, 421]),
            ("localhost:80.evil.example", [421, 421, 421]),
            ("localhost@evil.example", [421, 421, 421]),
            ("evil@localhost", [421, 421, 421]),
            ("", [421, 421, 421]),
            ("a b", [421, 421, 421]),
        ] {
            let request = Request::builder().header(HOST, host).body(()).expect("a request");
            let all = [&here, &beyond, &named].map(|hosts| status(hosts.check(&request)));
            assert_eq!(all, on, "{host}");
        }
        let target = Request::builder().uri("http://evil.example/").header(HOST, "localhost");
        assert_eq!(status(here.check(&target.body(()).expect("a request"))), 421);
        for bad in ["", "a:80", "http://a", "a b", "ü", &"x".repeat(254)] {
            assert!(Hosts::name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_request_names_one_host() {
        let hosts = Hosts::new(Vec::new(), "127.0.0.1".parse().ok());
        let two = Request::builder().header(HOST, "localhost").header(HOST, "localhost");
        assert_eq!(status(hosts.check(&two.body(()).expect("a request"))), 400);
        let none = |version| Request::builder().version(version).body(()).expect("a request");
        assert_eq!(status(hosts.check(&none(Version::HTTP_11))), 400);
        assert_eq!(status(hosts.check(&none(Version::HTTP_10))), 200);
    }

    #[test]
    fn pages_of_this_server_may_submit_and_no_others() {
        let hosts = Hosts::new(vec!["rides.example".to_owned()], "127.0.0.1".parse().ok());
        for (host, origin, wanted) in [
            ("127.0.0.1:8080", "http://127.0.0.1:8080", 200),
            ("localhost", "http://localhost:80", 200),
            ("LOCALHOST:80", "http://localhost", 200),
            ("rides.example", "https://Rides.Example", 200),
            ("rides.example:443", "https://rides.example", 200),
            ("rides.example:8080", "http://rides.example:8080", 200),
            // Behind a proxy that changes the `Host` header.
            ("127.0.0.1:8080", "https://rides.example", 200),
            ("127.0.0.1:8080", "http://rides.example:3000", 403),
            // Another server of this machine.
            ("127.0.0.1:8080", "http://localhost", 403),
            ("localhost:8080", "https://localhost", 403),
            ("127.0.0.1:8080", "https://127.0.0.1", 403),
            ("127.0.0.1:8080", "http://127.0.0.1:9090", 403),
            ("localhost", "ftp://localhost", 403),
            ("localhost", "null", 403),
            ("localhost", "http://evil.example", 403),
            ("localhost", "http://localhost:80.evil.example", 403),
            ("localhost", "http://localhost/x", 403),
            ("localhost", "http://evil@localhost", 403),
            ("localhost", "", 403),
        ] {
            let request = Request::builder().header(HOST, host).header(ORIGIN, origin);
            let request = request.body(()).expect("a request");
            assert_eq!(status(hosts.check_origin(request.headers())), wanted, "{host} {origin}");
        }
    }
}
