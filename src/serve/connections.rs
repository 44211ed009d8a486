//! Accepts connections: limits their number, times out slow clients, and closes them in order.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::http::uri::PathAndQuery;
use axum::http::{HeaderValue, Uri};
use axum::response::IntoResponse as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::{Service as _, service_fn};
use hyper::{HeaderMap, Request};
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_io_timeout::TimeoutStream;

use super::hosts::Hosts;
use super::{Reporter, ServeEvent};
use crate::settings::open_files;
use crate::shutdown::{Stage, StopSignal};

/// Most connections at once: more than event streams, so that other requests have room.
const CONNECTIONS: u64 = 768;
/// Time limit for the head of a request, and for an idle connection.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);
/// How long a client may read nothing of its response.
const WRITE_TIMEOUT: Duration = Duration::from_secs(20);
/// The longest head of a request, and the most that is buffered for a slow reader, in bytes.
const BUFFER: usize = 32_768;
/// Pause after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);
/// The deployment stage of the original, which its clients have in their paths.
const STAGE: &str = "/Prod";
/// Headers of every response, for browsers.
const HEADERS: [(&str, &str); 3] = [
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-resource-policy", "same-origin"),
];

/// Accepts connections until `stop`, and returns when the last one has ended.
pub(super) async fn open(
    listener: TcpListener,
    router: Router,
    hosts: Hosts,
    stop: StopSignal,
    report: Reporter,
) {
    let hosts = Arc::new(hosts);
    let room = Arc::new(Semaphore::new(connections()));
    let mut connections = JoinSet::new();
    loop {
        let accepted = async {
            let room = Arc::clone(&room).acquire_owned().await.expect("it is never closed");
            listener.accept().await.map(|(stream, _)| (stream, room))
        };
        tokio::select! {
            biased;
            () = stop.reached(Stage::Drain) => break,
            Some(_) = connections.join_next() => {}
            accepted = accepted => match accepted {
                Ok((stream, room)) => {
                    let (router, hosts) = (router.clone(), Arc::clone(&hosts));
                    let (stop, report) = (stop.clone(), Arc::clone(&report));
                    connections.spawn(attend(stream, router, hosts, stop, report, room));
                }
                // For example, too many files are open. Some will be closed.
                Err(_) => sleep(PAUSE).await,
            },
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// The limit, as far as the system's limit on open files allows: each connection to the backend is a file too.
fn connections() -> usize {
    let most = open_files::files().map_or(CONNECTIONS, |files| CONNECTIONS.min(files / 2));
    usize::try_from(most).unwrap_or(1).max(1)
}

/// Serves one connection until it ends. After `stop`, the request in progress is the last.
async fn attend(
    stream: TcpStream,
    router: Router,
    hosts: Arc<Hosts>,
    stop: StopSignal,
    report: Reporter,
    _room: OwnedSemaphorePermit,
) {
    // Events are small and must not wait for more data.
    _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(WRITE_TIMEOUT));
    let router = TowerToHyperService::new(router);
    let service = service_fn(move |mut request: Request<Incoming>| {
        let began = Instant::now();
        let (method, path) = (request.method().to_string(), request.uri().to_string());
        if let Some(plain) = plain(request.uri()) {
            *request.uri_mut() = plain;
        }
        let answered = hosts.check(&request).map(|()| router.call(request));
        let report = Arc::clone(&report);
        async move {
            let mut response = match answered {
                Ok(answered) => answered.await?,
                Err(problem) => problem.into_response(),
            };
            add_headers(response.headers_mut());
            let (route, took) = (response.extensions_mut().remove(), began.elapsed());
            let status = response.status().as_u16();
            report(ServeEvent::Answered { method, path, route, status, took });
            Ok::<_, std::convert::Infallible>(response)
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .max_buf_size(BUFFER)
        // A client may close its sending side and still wait for the answer.
        .half_close(true)
        // The workshop prints `-H "Content-Type\:application/json"`, which is no valid header name.
        .ignore_invalid_headers(true)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    let mut connection = std::pin::pin!(connection);
    // A lost client ends this connection alone.
    tokio::select! {
        _ = &mut connection => return,
        () = stop.reached(Stage::Drain) => {}
    }
    connection.as_mut().graceful_shutdown();
    _ = connection.await;
}

fn add_headers(headers: &mut HeaderMap) {
    for (name, value) in HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
}

/// The path without the original's stage and without a trailing slash; `None` if it has neither.
fn plain(uri: &Uri) -> Option<Uri> {
    let path = uri.path();
    let staged = path.strip_prefix(STAGE).filter(|rest| rest.is_empty() || rest.starts_with('/'));
    let plain = staged.unwrap_or(path).trim_end_matches('/');
    let plain = if plain.is_empty() { "/" } else { plain };
    if plain == path {
        return None;
    }
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(PathAndQuery::try_from(format!("{plain}{query}")).ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stage_and_a_slash_at_the_end_make_no_difference() {
        for (path, same) in [
            ("/", "/"),
            ("/Prod", "/"),
            ("/Prod/", "/"),
            ("/Production", "/Production"),
            ("/submit-instant-ride-rfq/", "/submit-instant-ride-rfq"),
            ("/Prod/submit-instant-ride-rfq", "/submit-instant-ride-rfq"),
            (
                "/Prod/query-instant-ride-rfq/a%2Fb/?view=full",
                "/query-instant-ride-rfq/a%2Fb?view=full",
            ),
            ("//", "/"),
            ("/x?y=/", "/x?y=/"),
        ] {
            let uri: Uri = path.parse().expect("it is one");
            let plain = plain(&uri).unwrap_or(uri);
            assert_eq!(plain.to_string(), same, "{path}");
        }
    }
}
