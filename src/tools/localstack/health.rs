//! Finds out what answers on a port of this machine. Starts and stops nothing.

use std::time::Duration;

use ureq::RequestBuilder;

use crate::aws::health::{self, agent};
pub use crate::aws::health::{Health, SERVICES};

/// Time limit to connect over the loopback interface.
const CONNECT: Duration = Duration::from_secs(1);
/// Time limit for the first request to a service; it takes 5 s on an otherwise idle machine.
const FIRST: Duration = Duration::from_mins(3);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PortProbe {
    Nothing,
    /// Another server, with what shows that it is not LocalStack.
    Foreign(String),
    LocalStack(Health),
}

pub fn ask(port: u16) -> PortProbe {
    let url = format!("http://127.0.0.1:{port}");
    if health::connect(&url, CONNECT).is_err() {
        return PortProbe::Nothing;
    }
    let asked = health::ask(&url).and_then(|(status, body)| Ok((status, body?)));
    match asked {
        Ok((status, body)) => Health::parse(&body).map_or_else(
            || PortProbe::Foreign(format!("it answers HTTP {status}")),
            PortProbe::LocalStack,
        ),
        Err(error) => PortProbe::Foreign(format!("no answer to an HTTP request: {error}")),
    }
}

/// Sends each service a list request. The first takes seconds while LocalStack loads its service descriptions. An
/// error names the request and its outcome.
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

/// Names the service. LocalStack does not check the signature.
fn signed<B>(request: RequestBuilder<B>, service: &str) -> RequestBuilder<B> {
    let scope = format!("Credential=test/20260101/us-east-1/{service}/aws4_request");
    let value = format!("AWS4-HMAC-SHA256 {scope}, SignedHeaders=host, Signature=none");
    request.header("Authorization", value)
}
