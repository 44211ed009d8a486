//! The routes: the original's two, the event stream and the end of an RFQ, health, and the page.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::rejection::{PathRejection, QueryRejection};
use axum::extract::{MatchedPath, Path, Query, Request, State};
use axum::http::header::CONTENT_LENGTH;
use axum::http::{HeaderMap, StatusCode};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{Mutex, OnceCell};
use tokio::time::{Instant, timeout};

use super::answer::{Problem, health, json_answer, kind, submitted};
use super::events::{self, END, Follower};
use super::metrics;
use super::submitter::CLIENT_LIMIT;
use super::watches::{LONGEST_LINGER, Latest};
use super::{AppState, METRICS, Operation, STREAMS, page, tell, token};
use crate::aws::Topic;
use crate::core::text::compact_json;
use crate::core::{RfqId, parse_duration, show_duration};
use crate::error::{Error, Kind, Result};
use crate::flow::close::close;
use crate::flow::draft::{JSON_MAX, Term, Terms, of_json, utf8};
use crate::flow::quotes::snapshot;
use crate::flow::scatter::Scattered;
use crate::stack::subscribed;
use crate::view::quotes::{document, workshop};

/// How many bytes of an oversized body are read, so that the sender gets the error response.
const READ_ON: u64 = 1_048_576;
/// Time limit for the body of a request.
const BODY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a readiness result stays valid.
const READY_FOR: Duration = Duration::from_secs(1);
/// As long as any request may take: a backend that is busy is not away.
const READY_TIMEOUT: Duration = Duration::from_secs(10);
/// The id of no RFQ, looked up to see whether the table answers.
const NO_RFQ: &str = "-";

type RouteResult = Result<Response, Problem>;

pub(super) fn router(state: Arc<AppState>) -> Router {
    let mut router = Router::new()
        .route("/", get(page::html))
        .route("/rfqs/{id}", get(page::html))
        .route("/rfqs", get(find))
        .route("/about", get(about))
        .route("/submit-instant-ride-rfq", post(submit))
        .route("/query-instant-ride-rfq/{id}", get(query))
        .route("/rfqs/{id}/events", get(follow))
        .route("/rfqs/{id}/close", post(end))
        .route("/healthz", get(health))
        .route(METRICS, get(metrics))
        .route("/readyz", get(ready));
    for (path, kind, text) in page::FILES {
        router = router.route(path, get(async move || page::file(kind, text)));
    }
    router
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"))
        .method_not_allowed_fallback(async || {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this route does not support this method")
        })
        .layer(from_fn_with_state(Arc::clone(&state), token::require))
        .layer(from_fn(note_route))
        .with_state(state)
}

/// Notes in a response which route it is of.
async fn note_route(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().cloned();
    let mut response = next.run(request).await;
    if let Some(route) = route {
        response.extensions_mut().insert(route);
    }
    response
}

/// `GET /metrics`: the metrics of this process.
async fn metrics(State(state): State<Arc<AppState>>) -> Response {
    let open = STREAMS - state.streams.available_permits();
    metrics::answer(state.settings.metrics.text(open))
}

/// What the page shows about this server.
async fn about(State(state): State<Arc<AppState>>) -> Response {
    let commands = state.settings.commands.as_deref();
    let about = json!({
        "stack": state.aws.names.stack().as_str(),
        "target": state.aws.target_line(),
        "backend": if state.aws.is_real() { "AWS" } else { "LocalStack" },
        "deadline": show_duration(state.settings.deadline),
        "finds-prefixes": state.settings.find.is_some(),
        "commands": {
            "serve": commands.map(|commands| &commands.serve),
            "start-backend": commands.map(|commands| &commands.start_backend),
            "set-up": commands.map(|commands| &commands.set_up),
            "status": commands.map(|commands| &commands.status),
        },
    });
    json_answer(StatusCode::OK, compact_json(&about))
}

/// `POST /submit-instant-ride-rfq`: 201 with the id.
async fn submit(State(state): State<Arc<AppState>>, request: Request) -> RouteResult {
    let (head, body) = request.into_parts();
    state.settings.hosts.check_origin(&head.headers)?;
    let body = timeout(BODY_TIMEOUT, read(&head.headers, body)).await.map_err(|_| {
        let error = format!("the body took longer than {} s", BODY_TIMEOUT.as_secs());
        Problem::new(StatusCode::REQUEST_TIMEOUT, error)
    })??;
    let text = utf8("the body", body.into())?;
    let deadline = Term::Default(state.settings.deadline);
    let terms = Terms { deadline, ..Terms::default() };
    let submission = of_json("the body", &text, &terms)?;
    let id = submission.id.clone();
    match state.submitter.submit(submission).await {
        Ok(None) => Err(Problem::busy("too many requests at once; nothing was sent")),
        Ok(Some(Scattered::Published(row) | Scattered::Answered(row))) => Ok(submitted(&row.id)),
        Ok(Some(Scattered::Unknown(error))) => Err(Problem::unknown(&error, &id)),
        Err(error) => {
            let hint = state.set_up().filter(|_| error.kind() == Kind::NoProvider);
            Err(Problem::from(error).with_hint(hint))
        }
    }
}

/// Reads the body of a request, up to the limit of a submission.
async fn read(headers: &HeaderMap, mut body: Body) -> Result<Bytes, Problem> {
    let too_long = || {
        let error = format!("the body is longer than {JSON_MAX} bytes");
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, error)
    };
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    if length.and_then(|length| length.parse().ok()).is_some_and(|length: u64| length > READ_ON) {
        return Err(too_long());
    }
    let mut read = BytesMut::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame =
            frame.map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "the body is incomplete"))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len() as u64;
        if length > READ_ON {
            return Err(too_long());
        }
        if length <= JSON_MAX {
            read.extend_from_slice(&data);
        }
    }
    if length > JSON_MAX { Err(too_long()) } else { Ok(read.freeze()) }
}

async fn within<T>(limit: Duration, work: impl Future<Output = Result<T>>) -> Result<T> {
    timeout(limit, work).await.unwrap_or_else(|_| {
        Err(Error::other(format!("the backend did not respond within {} s", limit.as_secs())))
    })
}

#[derive(Debug, Deserialize)]
struct QueryOptions {
    view: Option<String>,
    linger: Option<String>,
}

/// `GET /query-instant-ride-rfq/{id}`: 200 with the original's JSON, or with all details for `?view=full`.
async fn query(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<QueryOptions>, QueryRejection>,
) -> RouteResult {
    let id = known(id)?;
    let view = options.ok().map(|Query(options)| options.view.unwrap_or_default());
    let show = match view.as_deref() {
        Some("") => workshop,
        Some("full") => |gathering: &_| compact_json(&document(gathering)),
        _ => {
            let error = Problem::new(StatusCode::BAD_REQUEST, "`view` must be `full` or absent");
            return Err(error);
        }
    };
    let read = within(CLIENT_LIMIT, snapshot(&state.aws, &id, None)).await;
    tell(&state.report, Operation::Reading, read.as_ref().err());
    let mut gathering = read?.ok_or_else(Problem::no_such_rfq)?;
    if view.as_deref() == Some("full") {
        state.filters.explain(&state.aws, &mut gathering).await;
    }
    Ok(json_answer(StatusCode::OK, show(&gathering)))
}

#[derive(Debug, Deserialize)]
struct FindOptions {
    id: String,
}

/// `GET /rfqs?id=PREFIX`: 200 with the id of the RFQ that is meant.
async fn find(
    State(state): State<Arc<AppState>>,
    options: Result<Query<FindOptions>, QueryRejection>,
) -> RouteResult {
    let Query(FindOptions { id: typed }) = options
        .map_err(|_| Problem::new(StatusCode::BAD_REQUEST, "`id` is missing, as in ?id=78c3"))?;
    let id = match &state.settings.find {
        Some(find) => find(typed).await.map_err(|error| unlisted(&error))?,
        None => RfqId::parse(&typed).map_err(|_| Problem::no_such_rfq())?,
    };
    let table = state.aws.table();
    let read = within(CLIENT_LIMIT, table.request(&id)).await;
    tell(&state.report, Operation::Reading, read.as_ref().err());
    read?.ok_or_else(Problem::no_such_rfq)?;
    Ok(json_answer(StatusCode::OK, compact_json(&json!({"rfq-id": id.as_str()}))))
}

/// The problem with a prefix, without the ids that the command line would list.
fn unlisted(error: &Error) -> Problem {
    match error.kind() {
        Kind::NoSuchRfq => Problem::no_such_rfq(),
        Kind::Invalid => Problem::new(
            StatusCode::BAD_REQUEST,
            "several RFQs begin like this; give more of the id",
        ),
        _ => Problem::from(error),
    }
}

/// `POST /rfqs/{id}/close`: 200 with all details. An RFQ that is over stays as it is.
async fn end(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> RouteResult {
    state.settings.hosts.check_origin(&headers)?;
    let id = known(id)?;
    let closed = within(CLIENT_LIMIT, close(&state.aws, &id)).await;
    tell(&state.report, Operation::Closing, closed.as_ref().err());
    let (mut gathering, _) = closed?.ok_or_else(Problem::no_such_rfq)?;
    state.filters.explain(&state.aws, &mut gathering).await;
    Ok(json_answer(StatusCode::OK, compact_json(&document(&gathering))))
}

/// The id in a path. An invalid id belongs to no RFQ.
fn known(id: Result<Path<String>, PathRejection>) -> Result<RfqId, Problem> {
    let id = id.ok().and_then(|Path(id)| RfqId::parse(&id).ok());
    id.ok_or_else(Problem::no_such_rfq)
}

/// `GET /rfqs/{id}/events`: a stream of changes until the final state.
async fn follow(
    State(state): State<Arc<AppState>>,
    id: Result<Path<String>, PathRejection>,
    options: Result<Query<QueryOptions>, QueryRejection>,
    headers: HeaderMap,
) -> RouteResult {
    let id = known(id)?;
    let linger = linger(options)
        .map_err(|problem| Problem::new(StatusCode::BAD_REQUEST, format!("`linger`: {problem}")))?;
    if headers.get("last-event-id").is_some_and(|last| last == END) {
        // This status stops a browser from reconnecting.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let room = Arc::clone(&state.streams)
        .try_acquire_owned()
        .map_err(|_| Problem::busy("too many streams of events at once"))?;
    let followed = state.watches.follow(id);
    let mut changes = followed.changes();
    // A poller that ends without any state has broken down.
    let first = within(CLIENT_LIMIT, async {
        let first = changes.wait_for(|latest| !matches!(latest, Latest::Unread)).await;
        Ok(first.map_or(Latest::Unread, |latest| latest.clone()))
    });
    // The poller reports its own errors.
    let first = first.await;
    let first = first.inspect_err(|error| tell(&state.report, Operation::Reading, Some(error)))?;
    match first {
        Latest::State(_) => {}
        Latest::Unknown => return Err(Problem::no_such_rfq()),
        Latest::Failed(error) => return Err(Problem::from(&*error)),
        Latest::Unread => return Err(Error::other("the poller broke down").into()),
    }
    let stop = state.stop.clone();
    Ok(events::answer(Follower { _followed: followed, changes, linger, stop, _room: room }))
}

fn linger(options: Result<Query<QueryOptions>, QueryRejection>) -> Result<Duration, String> {
    let Query(options) = options.map_err(|rejection| rejection.to_string())?;
    let linger = parse_duration(options.linger.as_deref().unwrap_or("0"))?;
    if linger > LONGEST_LINGER {
        return Err(format!("at most {}", show_duration(LONGEST_LINGER)));
    }
    Ok(linger)
}

/// Whether requests can be served now. A recent result is reused.
#[derive(Debug, Default)]
pub(super) struct Readiness {
    topic: OnceCell<Topic>,
    /// When the last probe ran, and what it found.
    last: Mutex<Option<(Instant, Probed)>>,
}

/// The number of subscribed providers, or what is wrong.
type Probed = Result<usize, Unready>;

#[derive(Debug, Clone)]
struct Unready {
    kind: &'static str,
    error: String,
    hint: Option<String>,
}

/// `GET /readyz`: 200 when the stack answers and a provider is subscribed.
async fn ready(State(state): State<Arc<AppState>>) -> RouteResult {
    let mut last = state.readiness.last.lock().await;
    let fresh = last.as_ref().filter(|(at, _)| at.elapsed() < READY_FOR);
    let probed = if let Some((_, probed)) = fresh {
        probed.clone()
    } else {
        let looked = within(READY_TIMEOUT, state.look()).await;
        tell(&state.report, Operation::Probing, looked.as_ref().err());
        let probed = match looked {
            Ok(0) => Err(Unready {
                kind: "no-provider",
                error: "no provider is subscribed".to_owned(),
                hint: state.set_up().map(str::to_owned),
            }),
            Ok(providers) => Ok(providers),
            Err(error) => Err(Unready {
                kind: kind(&error).unwrap_or("backend"),
                error: error.in_full(),
                hint: error.hints().first().cloned(),
            }),
        };
        *last = Some((Instant::now(), probed.clone()));
        probed
    };
    match probed {
        Ok(providers) => {
            let ready = json!({"status": "ready", "providers": providers});
            Ok(json_answer(StatusCode::OK, compact_json(&ready)))
        }
        Err(Unready { kind, error, hint }) => {
            Err(Problem::busy(&error).of_kind(kind).with_hint(hint.as_deref()))
        }
    }
}

impl AppState {
    /// The command line that subscribes providers.
    fn set_up(&self) -> Option<&str> {
        self.settings.commands.as_deref().map(|commands| commands.set_up.as_str())
    }

    /// Asks topic and table; returns how many providers are subscribed.
    async fn look(&self) -> Result<usize> {
        let no_rfq = RfqId::parse(NO_RFQ).expect("an id has at least one character");
        let topic = async {
            let topic = self.readiness.topic.get_or_try_init(|| self.aws.topic()).await?;
            Ok(subscribed(topic).await?.len())
        };
        let table = async { self.aws.table().request(&no_rfq).await.map(drop) };
        tokio::try_join!(Box::pin(topic), Box::pin(table)).map(|(subscribed, ())| subscribed)
    }
}
