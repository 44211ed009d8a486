//! Checks whether an endpoint responds, and reads the health that LocalStack reports. Blocks its thread.

use std::io;
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::Uri;

/// The services that must run.
pub const SERVICES: [&str; 3] = ["sns", "sqs", "dynamodb"];
/// Time limit for an answer, as for any other request: LocalStack is slow while it is busy or loads its services.
pub const ANSWER: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes; LocalStack's has 1 KiB.
const BODY: u64 = 65_536;

/// The health that LocalStack reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its version, if reported.
    pub version: Option<String>,
    /// Required services that do not run, each with its state: `dynamodb disabled`.
    pub lacking: Vec<String>,
    /// Whether a service failed to load, so that it will never run.
    pub has_failed: bool,
}

impl Health {
    /// Reads LocalStack's report; `None` if the body is something else.
    pub fn parse(body: &str) -> Option<Self> {
        let health: Value = serde_json::from_str(body).ok()?;
        let services = health.get("services")?.as_object()?;
        let state = |name: &str| services.get(name).and_then(Value::as_str).unwrap_or("missing");
        let states = SERVICES.map(|name| (name, state(name)));
        // An `available` service starts at its first request.
        let lacking = states.iter().filter(|(_, state)| !matches!(*state, "running" | "available"));
        Some(Self {
            version: version(body),
            lacking: lacking.map(|(name, state)| format!("{name} {state}")).collect(),
            has_failed: states.iter().any(|(_, state)| *state == "error"),
        })
    }
}

/// Connects to the host of a URL: tries its addresses in turn, for `limit` in total.
///
/// # Errors
/// The last address's error, or a timeout once the limit is used up.
pub fn connect(url: &str, limit: Duration) -> io::Result<()> {
    let deadline = Instant::now() + limit;
    let uri: Uri = url.parse().unwrap_or_default();
    let port = uri.port_u16().unwrap_or(if uri.scheme_str() == Some("https") { 443 } else { 80 });
    let mut last = io::Error::from(io::ErrorKind::NotFound);
    for address in format!("{}:{port}", uri.host().unwrap_or_default()).to_socket_addrs()? {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::ErrorKind::TimedOut.into());
        }
        match TcpStream::connect_timeout(&address, left) {
            Ok(_) => return Ok(()),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// The version that a body names.
pub fn version(body: &str) -> Option<String> {
    let health: Value = serde_json::from_str(body).ok()?;
    health.get("version")?.as_str().map(str::to_owned)
}

/// Requests LocalStack's health. Returns the status and the body, which may come from any server.
///
/// # Errors
/// There is no answer within [`ANSWER`]. The inner error: the body is cut, too long, or not text.
pub fn ask(url: &str) -> Result<(u16, Result<String, ureq::Error>), ureq::Error> {
    let mut answer = agent(ANSWER).get(format!("{url}/_localstack/health")).call()?;
    let status = answer.status().as_u16();
    Ok((status, answer.body_mut().with_config().limit(BODY).read_to_string()))
}

/// A client for LocalStack. It ignores the environment's proxies and follows no redirect: both lead elsewhere.
pub fn agent(limit: Duration) -> ureq::Agent {
    let config = ureq::Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(limit));
    ureq::Agent::new_with_config(config.build())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn all_three_services_must_run() {
        let body = r#"{"services": {"sns": "running", "sqs": "available", "dynamodb": "running"},
                       "version": "4.14.0"}"#;
        let whole = Health { version: Some("4.14.0".into()), lacking: vec![], has_failed: false };
        assert_eq!(Health::parse(body), Some(whole));
        let body = r#"{"services": {"sqs": "running", "sns": "error"}}"#;
        let health = Health::parse(body).expect("health");
        assert_eq!(health.lacking, ["sns error", "dynamodb missing"]);
        assert!(health.has_failed && health.version.is_none());
    }

    #[test]
    fn anything_else_is_not_localstack() {
        for body in ["", "<html>", "{}", r#"{"services": 3}"#] {
            assert_eq!(Health::parse(body), None, "{body}");
        }
    }

    #[test]
    fn a_connection_is_tried_at_the_host_and_port_of_the_url() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://localhost:{}", listener.local_addr().expect("bound").port());
        connect(&url, Duration::from_secs(5)).expect("it listens");
        drop(listener);
        assert!(connect(&url, Duration::from_secs(5)).is_err());
        assert!(connect("http://nowhere.invalid", Duration::from_secs(5)).is_err());
    }
}
