//! An HTTP endpoint that answers requests: one POST per attempt. The client is reqwest, on the hyper and rustls
//! that the SDK needs anyway. It keeps connections and uses the proxies of the environment. SNS, SQS and DynamoDB
//! have clients of their own.

mod gate;
mod headers;
mod response;

use std::future::{pending, ready};
use std::path::PathBuf;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Client, Response, Url};
use tokio::time::{sleep, timeout};

use self::gate::{Connection, Gate};
use self::headers::HeadersFile;
use self::response::{answer_of, reason_of, refusal_of};
use super::service::{AttemptOutcome, Inquiry, Service, ServiceContext, no_answer_within};
use crate::consumer::Trouble;
use crate::error::innermost_cause;
use crate::flow::events::Event;

/// Limit of a connection attempt, or half of the attempt's limit if that is less. A host that accepts none in time
/// counts like one that refuses it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The pause between two health checks.
const CHECK_EVERY: Duration = Duration::from_secs(2);
/// Limit of one health check.
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Characters that are percent-encoded: all but the unreserved ones of RFC 3986, section 2.3.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// How an endpoint is asked.
#[derive(Debug, Clone)]
pub struct Endpoint {
    /// Where requests go, `http` or `https`.
    pub url: Url,
    /// A file with one header per line, read again when it changes.
    pub headers_file: Option<PathBuf>,
    /// The path of the health check.
    pub health: Option<String>,
    /// The limit of one attempt.
    pub timeout: Duration,
}

impl Endpoint {
    /// Reads its headers, and makes its client.
    ///
    /// # Errors
    /// Says what is wrong with either.
    pub fn check(&self) -> Result<(), String> {
        HeadersFile::read(self.headers_file.clone())?;
        self.health_url()?;
        self.client().map(drop)
    }

    fn client(&self) -> Result<Client, String> {
        // An error means that another crypto provider is installed already, which serves as well.
        _ = rustls::crypto::ring::default_provider().install_default();
        let options = || {
            Client::builder()
                .user_agent(concat!("rydes/", env!("CARGO_PKG_VERSION")))
                .redirect(reqwest::redirect::Policy::none())
                .retry(reqwest::retry::never())
                .connect_timeout(CONNECT_TIMEOUT.min(self.timeout / 2))
                .http1_title_case_headers()
        };
        let made = options().build().or_else(|error| {
            if self.url.scheme() == "https" {
                return Err(error);
            }
            // Plain HTTP needs no certificates, so a system without any will do.
            let roots = rustls::RootCertStore::empty();
            let plain = rustls::ClientConfig::builder().with_root_certificates(roots);
            options().tls_backend_preconfigured(plain.with_no_client_auth()).build()
        });
        made.map_err(|error| format!("cannot make an HTTP client: {}", innermost_cause(&error)))
    }

    /// The URL of the health check, at the same host.
    fn health_url(&self) -> Result<Option<Url>, String> {
        let Some(path) = &self.health else { return Ok(None) };
        match self.url.join(path) {
            // The headers of the file go there too.
            Ok(url) if url.origin() == self.url.origin() => Ok(Some(url)),
            _ => Err(format!("invalid health path: `{path}`")),
        }
    }
}

/// The URL of an endpoint.
///
/// # Errors
/// It is no URL, its scheme is not HTTP, or it holds a user or a password, which belong in the headers file.
pub fn endpoint_url(text: &str) -> Result<Url, String> {
    if !text.starts_with("http://") && !text.starts_with("https://") {
        return Err("an endpoint begins with http:// or https://".to_owned());
    }
    let url = Url::parse(text).map_err(|error| error.to_string())?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("no user or password in a URL: put an Authorization header into the headers \
                    file"
            .to_owned());
    }
    Ok(url)
}

/// A provider that an endpoint serves.
pub(super) struct EndpointService {
    context: ServiceContext,
    endpoint: Endpoint,
    client: Client,
    headers: HeadersFile,
    /// The URL of the health check, and the gate that the check opens.
    health: Option<(Url, Gate)>,
}

impl Service for EndpointService {
    fn ask<'a>(&'a self, inquiry: Inquiry<'a>) -> BoxFuture<'a, AttemptOutcome> {
        self.run(inquiry).boxed()
    }

    fn ready(&self) -> BoxFuture<'_, ()> {
        match &self.health {
            Some((_, gate)) => gate.opened().boxed(),
            None => ready(()).boxed(),
        }
    }

    fn tend(&self) -> BoxFuture<'_, ()> {
        match &self.health {
            Some((url, gate)) => self.watch(url, gate).boxed(),
            None => pending().boxed(),
        }
    }
}

impl EndpointService {
    /// Makes the client, and reads the headers.
    ///
    /// # Errors
    /// Says what is wrong with the endpoint's headers or with the system's certificates.
    pub(super) fn new(context: ServiceContext, endpoint: &Endpoint) -> Result<Self, String> {
        let client = endpoint.client()?;
        let headers = HeadersFile::read(endpoint.headers_file.clone())?;
        let health = endpoint.health_url()?.map(|url| (url, Gate::default()));
        Ok(Self { context, endpoint: endpoint.clone(), client, headers, health })
    }

    /// Asks the endpoint once. A future that is dropped closes the connection.
    async fn run(&self, inquiry: Inquiry<'_>) -> AttemptOutcome {
        let limit = self.endpoint.timeout;
        match timeout(limit, self.exchange(inquiry)).await {
            Ok(Ok(outcome)) => outcome,
            // Its status came in time: a slow body does not change the outcome.
            Ok(Err(response)) => refusal_of(response, &*self.context.log()).await,
            Err(_) => {
                // Without a connection the attempt would have ended before.
                self.count(Connection::Made);
                AttemptOutcome::DeadLetter(no_answer_within(limit))
            }
        }
    }

    fn count(&self, connection: Connection) {
        if let Some((_, gate)) = &self.health {
            gate.count(connection);
        }
    }

    /// An outcome, or a response that has no answer.
    async fn exchange(&self, inquiry: Inquiry<'_>) -> Result<AttemptOutcome, Response> {
        let request = self.client.post(self.endpoint.url.clone());
        let request = request
            .header(CONTENT_TYPE, "application/json")
            .header("Idempotency-Key", self.key(inquiry))
            .header("traceparent", self.context.traceparent(inquiry))
            .headers(self.facts(inquiry))
            .headers(self.headers.current(&*self.context.log()))
            .body(inquiry.body.to_owned());
        let answered = request.send().await;
        let is_missed = answered.as_ref().is_err_and(reqwest::Error::is_connect);
        self.count(if is_missed { Connection::None } else { Connection::Made });
        match answered {
            Ok(response) => answer_of(response, &*self.context.log()).await,
            Err(error) => Ok(AttemptOutcome::retry(reason_of(&error))),
        }
    }

    /// Checks the endpoint's health at the start and whenever the gate has closed, until it is healthy.
    async fn watch(&self, url: &Url, gate: &Gate) {
        let subject = format!("{} at {url}", self.context.provider);
        loop {
            gate.closed().await;
            let mut is_told = false;
            while let Err(reason) = self.check(url).await {
                if !is_told {
                    let subject = subject.clone();
                    self.context.report(Event::Trouble(Trouble::Began { subject, reason }));
                    is_told = true;
                }
                sleep(CHECK_EVERY).await;
            }
            gate.open();
            if is_told {
                self.context.report(Event::Trouble(Trouble::Over { subject: subject.clone() }));
            }
        }
    }

    /// Checks the endpoint's health once.
    ///
    /// # Errors
    /// Why it is not healthy.
    async fn check(&self, url: &Url) -> Result<(), String> {
        let request = self.client.get(url.clone()).timeout(CHECK_TIMEOUT);
        let answered = request.headers(self.headers.current(&*self.context.log())).send().await;
        match answered {
            Ok(response) if response.status().is_success() => Ok(()),
            Ok(response) => Err(format!("not healthy: HTTP {}", response.status().as_u16())),
            Err(error) => Err(reason_of(&error)),
        }
    }

    /// The same for every attempt at a request.
    fn key(&self, inquiry: Inquiry<'_>) -> String {
        format!("{}/{}", encoded(inquiry.request.id.as_str()), self.context.provider)
    }

    fn facts(&self, inquiry: Inquiry<'_>) -> HeaderMap {
        let facts = self.context.facts(inquiry).into_iter();
        let header = |(name, value): (&str, String)| {
            let value = if name == "rfq-id" { encoded(&value) } else { value };
            let name = HeaderName::try_from(format!("rydes-{name}")).ok()?;
            Some((name, HeaderValue::try_from(value).ok()?))
        };
        facts.filter_map(header).collect()
    }
}

fn encoded(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
