//! The names that the server answers to. A name of another owner that leads here would let that owner's
//! pages read and submit: browsers take both for one origin.

use std::net::IpAddr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, Request, StatusCode, Version};

use super::answer::Problem;

/// What a problem says to do about it.
const OPTION: &str = "`rydes serve --host NAME` adds a name";

/// The names that the server answers to, beside every address.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Hosts {
    /// The names that were typed.
    names: Vec<String>,
    /// Whether `localhost` is one too. Pages of other local servers have that name, on other ports.
    is_local: bool,
}

impl Hosts {
    /// A host name, as it was typed.
    ///
    /// # Errors
    /// Says what a name looks like.
    pub fn name(typed: &str) -> Result<String, String> {
        let is_part = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        if !typed.is_empty() && typed.len() <= 253 && typed.chars().all(is_part) {
            Ok(typed.to_ascii_lowercase())
        } else {
            Err("a host is a name without scheme and port, as in `rides.example`".to_owned())
        }
    }

    /// These names, and `localhost` where the server listens at `at`, an address of this machine alone.
    pub fn new(names: Vec<String>, at: Option<IpAddr>) -> Self {
        Self { names, is_local: at.is_some_and(|at| at.is_loopback()) }
    }

    /// Whether a request may be answered: it names one host, and that is a known one.
    ///
    /// # Errors
    /// 400 where it names none or several; 421 where the server does not answer to the name.
    pub(super) fn check<B>(&self, request: &Request<B>) -> Result<(), Problem> {
        let mut named = request.headers().get_all(HOST).iter();
        let host = named.next();
        if named.next().is_some() || host.is_none() && request.version() == Version::HTTP_11 {
            return Err(Problem::new(StatusCode::BAD_REQUEST, "a request has one `Host` header"));
        }
        let host = host.map(|host| host.to_str().unwrap_or_default());
        // A request to a proxy has its host in its target too.
        let target = request.uri().authority().map(Authority::as_str);
        let knows = |host: &str| place(host).is_some_and(|(name, _)| self.know(&name));
        if host.into_iter().chain(target).all(knows) {
            return Ok(());
        }
        let error = format!("this server does not answer to this host; {OPTION}");
        Err(Problem::new(StatusCode::MISDIRECTED_REQUEST, error))
    }

    /// Whether a page may submit: browsers name the origin of a request, other clients do not. A page of
    /// this server may, and a page of a listed name: a proxy in front may have replaced the host.
    ///
    /// # Errors
    /// 403 where a page of another origin sent it.
    pub(super) fn check_origin(&self, headers: &HeaderMap) -> Result<(), Problem> {
        let Some(origin) = headers.get(ORIGIN) else { return Ok(()) };
        let host = headers.get(HOST).and_then(|host| place(host.to_str().ok()?));
        if origin.to_str().is_ok_and(|origin| self.own(origin, host)) {
            return Ok(());
        }
        let error = format!("a page of another origin may not submit here; {OPTION}");
        Err(Problem::new(StatusCode::FORBIDDEN, error))
    }

    /// Whether an origin is this server's, for a request to `host`.
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

    /// Whether this name, in lower case, or this address is answered to.
    fn know(&self, host: &str) -> bool {
        let address = host.trim_start_matches('[').trim_end_matches(']');
        address.parse::<IpAddr>().is_ok()
            || (self.is_local && host == "localhost")
            || self.names.iter().any(|name| name == host)
    }
}

/// A name in lower case, and a port where one is named.
type HostAndPort = (String, Option<u16>);

/// Takes `rides.example:8080` apart; `None` where it is something else.
fn place(text: &str) -> Option<HostAndPort> {
    let authority = text.parse::<Authority>().ok()?;
    // It takes a user before the name, and anything at all for a port.
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
            // Behind a proxy that names the server in its own way.
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
