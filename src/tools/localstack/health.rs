//! Asks what answers on a port of this machine. Starts and stops nothing.

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;
use ureq::RequestBuilder;

/// The services that must run.
pub const SERVICES: [&str; 3] = ["sns", "sqs", "dynamodb"];
/// How long connecting may take: it is the loopback interface.
const CONNECT: Duration = Duration::from_secs(1);
/// How long the answer may take: LocalStack is slow while it loads its services.
const ANSWER: Duration = Duration::from_secs(5);
/// How long the first request to a service may take: 5 s where nothing else is going on.
const FIRST: Duration = Duration::from_mins(1);

/// The longest answer that is read, in bytes; LocalStack's has 1 KiB.
const BODY: u64 = 65_536;

/// What answers on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing listens.
    Nothing,
    /// Something that is not LocalStack; says how it shows.
    Foreign(String),
    /// LocalStack.
    LocalStack(Health),
}

/// How LocalStack is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// Its version.
    pub version: String,
    /// The services we need that do not run, with the state each is in: `dynamodb disabled`.
    pub lacking: Vec<String>,
}

impl Health {
    /// Whether a service could not be loaded, and so never will run.
    pub(super) fn has_failed(&self) -> bool {
        self.lacking.iter().any(|service| service.ends_with(" error"))
    }
}

/// Asks whoever listens on a port.
pub fn ask(port: u16) -> Answer {
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    if TcpStream::connect_timeout(&address, CONNECT).is_err() {
        return Answer::Nothing;
    }
    match get(port) {
        Ok((status, body)) => parse(&body).map_or_else(
            || Answer::Foreign(format!("it answers HTTP {status}")),
            Answer::LocalStack,
        ),
        Err(error) => Answer::Foreign(format!("no answer to an HTTP request: {error}")),
    }
}

fn get(port: u16) -> Result<(u16, String), ureq::Error> {
    let url = format!("http://127.0.0.1:{port}/_localstack/health");
    let mut response = agent(ANSWER).get(url).call()?;
    let body = response.body_mut().with_config().limit(BODY).read_to_string()?;
    Ok((response.status().as_u16(), body))
}

/// Asks each service for a list. The first request takes seconds, while LocalStack reads what its
/// services look like; later ones do not.
///
/// # Errors
/// With the request and what came of it, when one of them is not answered.
pub(super) fn first_requests(port: u16) -> Result<(), String> {
    let url = |query: &str| format!("http://127.0.0.1:{port}/{query}");
    let agent = agent(FIRST);
    let get = |query| agent.get(url(query));
    let tables = agent
        .post(url(""))
        .header("X-Amz-Target", "DynamoDB_20120810.ListTables")
        .header("Content-Type", "application/x-amz-json-1.0");
    let outcomes = [
        ("sns ListTopics", signed(get("?Action=ListTopics&Version=2010-03-31"), "sns").call()),
        ("sqs ListQueues", signed(get("?Action=ListQueues&Version=2012-11-05"), "sqs").call()),
        ("dynamodb ListTables", signed(tables, "dynamodb").send("{}")),
    ];
    for (request, outcome) in outcomes {
        match outcome.map(|response| response.status().as_u16()) {
            Ok(200) => {}
            Ok(status) => return Err(format!("{request}: HTTP {status}")),
            Err(error) => return Err(format!("{request}: {error}")),
        }
    }
    Ok(())
}

/// Names the service; LocalStack does not look at the signature.
fn signed<B>(request: RequestBuilder<B>, service: &str) -> RequestBuilder<B> {
    let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
    let value = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none");
    request.header("Authorization", value)
}

fn agent(limit: Duration) -> ureq::Agent {
    // A proxy of the environment is for the world outside, and so is where a redirect leads.
    let config = ureq::Agent::config_builder()
        .proxy(None)
        .max_redirects(0)
        .http_status_as_error(false)
        .timeout_global(Some(limit));
    ureq::Agent::new_with_config(config.build())
}

/// Reads LocalStack's own account of its health; `None` when it is something else.
fn parse(body: &str) -> Option<Health> {
    let health: Value = serde_json::from_str(body).ok()?;
    let services = health.get("services")?.as_object()?;
    let lacking = SERVICES.iter().filter_map(|name| {
        // `available` runs at the first request.
        let state = services.get(*name).and_then(Value::as_str).unwrap_or("missing");
        (!matches!(state, "running" | "available")).then(|| format!("{name} {state}"))
    });
    let version = health.get("version").and_then(Value::as_str).unwrap_or("?").to_owned();
    Some(Health { version, lacking: lacking.collect() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_services_must_run() {
        let body = r#"{"services": {"sns": "running", "sqs": "available", "dynamodb": "running"},
                       "version": "4.14.0"}"#;
        let whole = Health { version: "4.14.0".into(), lacking: vec![] };
        assert_eq!(parse(body), Some(whole));
        let health = parse(r#"{"services": {"sqs": "running", "sns": "error"}}"#).expect("health");
        assert_eq!(health.lacking, ["sns error", "dynamodb missing"]);
    }

    #[test]
    fn anything_else_is_not_localstack() {
        for body in ["", "<html>", "{}", r#"{"services": 3}"#] {
            assert_eq!(parse(body), None, "{body}");
        }
    }
}
