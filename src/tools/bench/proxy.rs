//! A proxy in front of LocalStack that injects faults. It answers in the service's place, delays requests, cuts
//! connections before or after a request is carried out, or reports entries of a batch as failed.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, HOST, TRANSFER_ENCODING};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode, Uri};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng as _, SeedableRng as _};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::time::sleep;
use tokio_util::task::AbortOnDropHandle;

/// The shortest and the longest delay of a seeded plan, in milliseconds.
const DELAY: (u64, u64) = (20, 1_000);
/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// Operations whose responses have a result for each entry.
const BATCHES: [&str; 5] = [
    "SendMessageBatch",
    "DeleteMessageBatch",
    "ChangeMessageVisibilityBatch",
    "BatchExecuteStatement",
    "PublishBatch",
];

/// What the proxy does with a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProxyFault {
    /// Answers with this status and body; does not forward the request.
    Answer(u16, &'static str),
    /// Answers with an error in the service's own format; does not forward the request.
    Error(ServiceError),
    /// Cuts the connection before it forwards the request.
    CutBefore,
    /// Cuts the connection after the service carried the request out.
    CutAfter,
    /// Forwards the request after this time.
    Delay(Duration),
    /// Forwards the request. Reports the batch entries whose bit is set as failed, or else the first.
    Entries(u32),
    /// Forwards the request and changes the body of the response.
    Rewrite(Rewrite),
    /// Forwards the request once [`Proxy::resume`] is called.
    Pause,
    /// Neither forwards nor answers the request as long as the proxy lives.
    Hold,
    /// Forwards the request, but does not answer it as long as the proxy lives.
    HoldAfter,
}

/// Changes a response body. Two values are equal when they share one function.
#[derive(Clone)]
pub struct Rewrite(pub Arc<dyn Fn(&str) -> String + Send + Sync>);

impl fmt::Debug for Rewrite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rewrite").finish_non_exhaustive()
    }
}

impl PartialEq for Rewrite {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Rewrite {}

/// The errors that any service may return at any time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceError {
    /// Internal error; status 500.
    Internal,
    /// Service unavailable; status 503.
    Unavailable,
    /// Too many requests; status 400.
    Throttled,
}

/// Chooses the fault for a request by its operation, the number of earlier requests for that operation, and its
/// body.
pub type FaultPlan = Arc<dyn Fn(&str, u64, &[u8]) -> Option<ProxyFault> + Send + Sync>;

/// A plan that fails this share of the requests and delays an equal share. The fault depends on the seed, the
/// operation and the number of earlier requests for that operation.
pub fn seeded(seed: u64, share: f64) -> FaultPlan {
    Arc::new(move |operation, turn, _body| {
        // A health check addresses no service.
        if operation.starts_with('/') {
            return None;
        }
        let mut hash = Sha256::new();
        hash.update(b"rydes proxy 1");
        hash.update(seed.to_be_bytes());
        hash.update(turn.to_be_bytes());
        hash.update(operation);
        let mut words = ChaCha8Rng::from_seed(hash.finalize().into());
        let (chance, which, how) = (words.next_u64(), words.next_u64(), words.next_u64());
        #[expect(clippy::cast_precision_loss, reason = "a chance needs no more digits")]
        let chance = chance as f64 / u64::MAX as f64;
        if chance < share {
            return Some(failure(operation, which % 6, how));
        }
        let late = Duration::from_millis(DELAY.0 + how % (DELAY.1 - DELAY.0));
        (chance < 2.0 * share).then_some(ProxyFault::Delay(late))
    })
}

fn failure(operation: &str, which: u64, how: u64) -> ProxyFault {
    match which {
        0 => ProxyFault::Error(ServiceError::Internal),
        1 => ProxyFault::Error(ServiceError::Unavailable),
        2 => ProxyFault::Error(ServiceError::Throttled),
        3 => ProxyFault::CutBefore,
        4 => ProxyFault::CutAfter,
        _ if BATCHES.contains(&operation) => {
            ProxyFault::Entries(u32::try_from(how >> 32).unwrap_or(u32::MAX))
        }
        _ => ProxyFault::Error(ServiceError::Internal),
    }
}

/// A running proxy. Dropping the value stops it.
#[derive(Debug)]
pub struct Proxy {
    /// The URL to reach it by.
    pub url: String,
    shared: Arc<ProxyState>,
    /// The number of requests on hold.
    pub held: watch::Receiver<usize>,
    _listening: AbortOnDropHandle<()>,
}

/// Requests so far, and those that failed on purpose.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ProxyCounts {
    /// All requests.
    pub requests: u64,
    /// Requests with any fault but a delay.
    pub failed: u64,
}

struct ProxyState {
    upstream: Uri,
    client: Client<HttpConnector, Full<Bytes>>,
    plan: FaultPlan,
    asked: Mutex<ProxiedRequests>,
    held: watch::Sender<usize>,
    resumed: watch::Sender<bool>,
}

#[derive(Default)]
struct ProxiedRequests {
    by_operation: std::collections::HashMap<String, u64>,
    counts: ProxyCounts,
}

impl fmt::Debug for ProxyState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyState").field("upstream", &self.upstream).finish_non_exhaustive()
    }
}

impl Proxy {
    /// Starts a proxy on a free port of this machine, in front of an `http` URL without a path.
    ///
    /// # Errors
    /// When no port can be bound, or `upstream` is no URL.
    pub async fn start(upstream: &str, plan: FaultPlan) -> io::Result<Self> {
        let upstream: Uri = upstream.parse().map_err(io::Error::other)?;
        let listener = TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0)).await?;
        let address: SocketAddr = listener.local_addr()?;
        let (held, watched) = watch::channel(0);
        let shared = Arc::new(ProxyState {
            upstream,
            client: Client::builder(TokioExecutor::new()).build_http(),
            plan,
            asked: Mutex::default(),
            held,
            resumed: watch::Sender::new(false),
        });
        let listening = tokio::spawn(listen(listener, Arc::clone(&shared)));
        Ok(Self {
            url: format!("http://{address}"),
            shared,
            held: watched,
            _listening: AbortOnDropHandle::new(listening),
        })
    }

    /// Forwards the paused requests. Later ones do not pause.
    pub fn resume(&self) {
        self.shared.resumed.send_replace(true);
    }

    /// The counts so far.
    pub fn counts(&self) -> ProxyCounts {
        self.shared.asked.lock().unwrap_or_else(PoisonError::into_inner).counts
    }
}

async fn listen(listener: TcpListener, shared: Arc<ProxyState>) {
    // Dropping the set with the listener ends every connection.
    let mut connections = tokio::task::JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(serve(stream, Arc::clone(&shared)));
                }
                // For example, too many files are open. Some will be closed.
                Err(_) => sleep(PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn serve(stream: TcpStream, shared: Arc<ProxyState>) {
    let service = service_fn(move |request| {
        let shared = Arc::clone(&shared);
        async move { answer(&shared, request).await }
    });
    let connection = hyper::server::conn::http1::Builder::new();
    // A lost client or a cut connection ends this connection alone.
    _ = connection.serve_connection(TokioIo::new(stream), service).await;
}

/// Why a connection ends without an answer.
#[derive(Debug, thiserror::Error)]
enum ConnectionCut {
    #[error("cut on purpose")]
    OnPurpose,
    #[error("reading the request: {0}")]
    Request(#[from] hyper::Error),
    #[error("asking the service: {0}")]
    Service(#[from] hyper_util::client::legacy::Error),
    #[error("making the request: {0}")]
    Making(#[from] hyper::http::Error),
}

async fn answer(
    shared: &ProxyState,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, ConnectionCut> {
    let (head, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let target = head.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    let service = Service::of(target);
    let operation = operation(target, &body, head.uri.path());
    let fault = shared.fault(&operation, &body);
    let request = Request::from_parts(head, Full::new(body));
    match fault {
        None => forward(shared, request).await,
        Some(ProxyFault::Answer(status, body)) => Ok(response(status, service, body.to_owned())),
        Some(ProxyFault::Error(error)) => Ok(service.error(error)),
        Some(ProxyFault::CutBefore) => Err(ConnectionCut::OnPurpose),
        Some(ProxyFault::CutAfter) => {
            forward(shared, request).await?;
            Err(ConnectionCut::OnPurpose)
        }
        Some(ProxyFault::Delay(time)) => {
            sleep(time).await;
            forward(shared, request).await
        }
        Some(ProxyFault::Pause) => {
            // The wait cannot fail: `shared` keeps the channel open.
            _ = shared.resumed.subscribe().wait_for(|resumed| *resumed).await;
            forward(shared, request).await
        }
        Some(ProxyFault::Entries(which)) => {
            let answered = forward(shared, request).await?;
            Ok(service.with_failures(answered, which).await)
        }
        Some(ProxyFault::Rewrite(rewrite)) => {
            let (head, body) = forward(shared, request).await?.into_parts();
            let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
            let body = rewrite.0(&String::from_utf8_lossy(&body));
            Ok(Response::from_parts(head, Full::new(body.into())))
        }
        Some(ProxyFault::Hold) => shared.hold().await,
        Some(ProxyFault::HoldAfter) => {
            forward(shared, request).await?;
            shared.hold().await
        }
    }
}

impl ProxyState {
    fn fault(&self, operation: &str, body: &[u8]) -> Option<ProxyFault> {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let before = asked.by_operation.entry(operation.to_owned()).or_default();
        let fault = (self.plan)(operation, *before, body);
        *before += 1;
        asked.counts.requests += 1;
        let fails = fault.as_ref().is_some_and(|fault| !matches!(fault, ProxyFault::Delay(_)));
        asked.counts.failed += u64::from(fails);
        fault
    }

    async fn hold<T>(&self) -> T {
        self.held.send_modify(|held| *held += 1);
        std::future::pending().await
    }
}

/// `GetItem` of `X-Amz-Target: DynamoDB_20120810.GetItem`, `Publish` of `Action=Publish`, else the path.
fn operation(target: Option<&str>, body: &[u8], path: &str) -> String {
    if let Some((_, operation)) = target.and_then(|target| target.rsplit_once('.')) {
        return operation.to_owned();
    }
    let body = String::from_utf8_lossy(body);
    let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
    action.unwrap_or(path).to_owned()
}

/// Sends a request on to the service.
async fn forward(
    shared: &ProxyState,
    mut request: Request<Full<Bytes>>,
) -> Result<Response<Full<Bytes>>, ConnectionCut> {
    let path = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let onward = Uri::builder()
        .scheme("http")
        .authority(shared.upstream.authority().map_or("", |authority| authority.as_str()))
        .path_and_query(path)
        .build()?;
    *request.uri_mut() = onward;
    for own in [HOST, CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        request.headers_mut().remove(own);
    }
    let (mut head, body) = shared.client.request(request).await?.into_parts();
    let body = body.collect().await?.to_bytes();
    for own in [CONNECTION, TRANSFER_ENCODING, CONTENT_LENGTH] {
        head.headers.remove(own);
    }
    Ok(Response::from_parts(head, Full::new(body)))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Service {
    Sns,
    Sqs,
    DynamoDb,
}

impl Service {
    /// SNS alone names its operation in the body, not in a header.
    fn of(target: Option<&str>) -> Self {
        match target {
            None => Self::Sns,
            Some(target) if target.starts_with("DynamoDB") => Self::DynamoDb,
            Some(_) => Self::Sqs,
        }
    }

    fn error(self, error: ServiceError) -> Response<Full<Bytes>> {
        let status = match error {
            ServiceError::Internal => 500,
            ServiceError::Unavailable => 503,
            ServiceError::Throttled => 400,
        };
        let code = match (error, self) {
            (ServiceError::Internal, Self::DynamoDb) => "InternalServerError",
            (ServiceError::Internal, _) => "InternalError",
            (ServiceError::Unavailable, _) => "ServiceUnavailable",
            (ServiceError::Throttled, Self::Sns) => "Throttled",
            (ServiceError::Throttled, Self::Sqs) => "RequestThrottled",
            (ServiceError::Throttled, Self::DynamoDb) => "ThrottlingException",
        };
        let body = match self {
            Self::Sns => format!(
                "<ErrorResponse><Error><Type>Receiver</Type><Code>{code}</Code>\
                 <Message>on purpose</Message></Error></ErrorResponse>"
            ),
            Self::Sqs | Self::DynamoDb => {
                json!({"__type": format!("com.amazonaws#{code}"), "message": "on purpose"})
                    .to_string()
            }
        };
        response(status, self, body)
    }

    /// Reports some entries of a batch as failed.
    async fn with_failures(
        self,
        answered: Response<Full<Bytes>>,
        which: u32,
    ) -> Response<Full<Bytes>> {
        let (head, body) = answered.into_parts();
        let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes);
        let changed = match self {
            Self::Sns => fail_members(&String::from_utf8_lossy(&body), which),
            Self::Sqs | Self::DynamoDb => {
                serde_json::from_slice(&body).map_or(None, |answer| fail_entries(answer, which))
            }
        };
        let body = changed.map_or(body, Bytes::from);
        Response::from_parts(head, Full::new(body))
    }
}

/// Whether the entry at this position fails. The first one does if no bit selects an entry.
fn is_struck(which: u32, position: usize, entries: usize) -> bool {
    let bit = |position: usize| which >> (position % 32) & 1 == 1;
    bit(position) || (position == 0 && !(0..entries).any(bit))
}

/// Changes a response of SQS or DynamoDB; `None` if it answers no batch.
fn fail_entries(mut answer: Value, which: u32) -> Option<String> {
    if let Some(responses) = answer.get_mut("Responses").and_then(Value::as_array_mut) {
        let entries = responses.len();
        for (position, response) in responses.iter_mut().enumerate() {
            if is_struck(which, position, entries) {
                *response =
                    json!({"Error": {"Code": "InternalServerError", "Message": "on purpose"}});
            }
        }
        return Some(answer.to_string());
    }
    let done = answer.get_mut("Successful")?.as_array_mut()?;
    let entries = done.len();
    let (mut kept, mut failed) = (Vec::new(), Vec::new());
    for (position, entry) in done.drain(..).enumerate() {
        if is_struck(which, position, entries) {
            failed.push(json!({"Id": entry["Id"], "Code": "InternalError",
                "Message": "on purpose", "SenderFault": false}));
        } else {
            kept.push(entry);
        }
    }
    answer["Successful"] = kept.into();
    let others = answer.get("Failed").and_then(Value::as_array).cloned().unwrap_or_default();
    answer["Failed"] = failed.into_iter().chain(others).collect();
    Some(answer.to_string())
}

/// Changes a response of SNS, whose entries are `<member>`s of `<Successful>`; `None` if it has none.
fn fail_members(answer: &str, which: u32) -> Option<String> {
    let (before, rest) = answer.split_once("<Successful>")?;
    let (done, after) = rest.split_once("</Successful>")?;
    let members: Vec<_> =
        done.split("<member>").skip(1).filter_map(|part| part.split("</member>").next()).collect();
    let (mut kept, mut failed) = (String::new(), String::new());
    for (position, member) in members.iter().enumerate() {
        if is_struck(which, position, members.len()) {
            let id = member.split_once("<Id>")?.1.split_once("</Id>")?.0;
            failed.extend([
                "<member><Id>",
                id,
                "</Id><Code>InternalError</Code><Message>on purpose</Message>",
                "<SenderFault>false</SenderFault></member>",
            ]);
        } else {
            kept.extend(["<member>", member, "</member>"]);
        }
    }
    let after = match after.split_once("<Failed>") {
        Some((between, others)) => format!("{between}<Failed>{failed}{others}"),
        None => format!(
            "<Failed>{failed}</Failed>{}",
            after.replacen("<Failed/>", "", 1).replacen("<Failed />", "", 1)
        ),
    };
    Some(format!("{before}<Successful>{kept}</Successful>{after}"))
}

fn response(status: u16, service: Service, body: String) -> Response<Full<Bytes>> {
    let kind = match service {
        Service::Sns => "text/xml",
        Service::Sqs | Service::DynamoDb => "application/x-amz-json-1.0",
    };
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_GATEWAY);
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seeded_plan_fails_its_share_and_fails_the_same_again() {
        let turns = |seed| -> Vec<_> {
            let plan = seeded(seed, 0.05);
            (0..20_000).map(|turn| plan("SendMessageBatch", turn, b"")).collect()
        };
        let (one, again, other) = (turns(1), turns(1), turns(2));
        assert!(one == again && one != other);
        let of =
            |wanted: fn(&ProxyFault) -> bool| one.iter().flatten().filter(|f| wanted(f)).count();
        let late = of(|fault| matches!(fault, ProxyFault::Delay(_)));
        let failed = one.iter().flatten().count() - late;
        assert!((850..1_150).contains(&late) && (850..1_150).contains(&failed), "{late} {failed}");
        for wanted in [
            |fault: &ProxyFault| *fault == ProxyFault::CutBefore,
            |fault: &ProxyFault| *fault == ProxyFault::CutAfter,
            |fault: &ProxyFault| *fault == ProxyFault::Error(ServiceError::Throttled),
            |fault: &ProxyFault| matches!(fault, ProxyFault::Entries(_)),
        ] {
            assert!((100..240).contains(&of(wanted)), "{}", of(wanted));
        }
        assert_eq!(seeded(1, 1.0)("/_localstack/health", 0, b""), None);
    }

    #[test]
    fn entries_fail_in_the_form_of_their_service() {
        let answer = json!({"Successful": [{"Id": "0", "MessageId": "a"}, {"Id": "1"}]});
        let told: Value =
            serde_json::from_str(&fail_entries(answer, 0b10).expect("a batch")).expect("JSON");
        assert_eq!(told["Successful"], json!([{"Id": "0", "MessageId": "a"}]));
        assert_eq!(
            (&told["Failed"][0]["Id"], told["Failed"].as_array().map(Vec::len)),
            (&json!("1"), Some(1))
        );
        let answer = json!({"Responses": [{"TableName": "t"}, {"TableName": "t"}]});
        let told: Value =
            serde_json::from_str(&fail_entries(answer, 0).expect("a batch")).expect("JSON");
        assert_eq!(told["Responses"][0]["Error"]["Code"], "InternalServerError");
        assert_eq!(told["Responses"][1], json!({"TableName": "t"}));
        let answer = "<r><Successful><member><MessageId>a</MessageId><Id>0</Id></member>\
            <member><Id>1</Id></member></Successful><Failed /></r>";
        assert_eq!(
            fail_members(answer, 1).expect("a batch"),
            "<r><Successful><member><Id>1</Id></member></Successful><Failed><member><Id>0</Id>\
             <Code>InternalError</Code><Message>on purpose</Message><SenderFault>false</SenderFault>\
             </member></Failed></r>"
        );
        assert_eq!(fail_members("<r/>", 1), None);
        assert_eq!(fail_entries(json!({"Messages": []}), 1), None);
    }

    #[test]
    fn operations_are_found_wherever_they_stand() {
        assert_eq!(operation(Some("AmazonSQS.SendMessage"), b"{}", "/"), "SendMessage");
        assert_eq!(operation(None, b"Version=1&Action=Publish&x=y", "/"), "Publish");
        assert_eq!(operation(None, b"", "/_localstack/health"), "/_localstack/health");
    }
}
