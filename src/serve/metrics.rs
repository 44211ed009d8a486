//! `/metrics`: beside the other routes of the server, or alone with `/healthz` beside workers.

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::http::{HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::get;
use tokio::net::TcpListener;

use super::answer::{Problem, health};
use super::hosts::Hosts;
use super::{METRICS, connections};
use crate::metrics::{MEDIA_TYPE, Metrics};
use crate::shutdown::StopSignal;

/// Serves the metrics of workers until `stop`.
pub async fn serve_metrics(listener: TcpListener, metrics: Arc<Metrics>, stop: &StopSignal) {
    let router = Router::new()
        .route(METRICS, get(async move || answer(metrics.text())))
        .route("/healthz", get(health))
        .fallback(async || Problem::new(StatusCode::NOT_FOUND, "there is nothing here"));
    let at = listener.local_addr().map(|at| at.ip());
    let hosts = Hosts::new(Vec::new(), at.ok());
    connections::open(listener, router, hosts, stop.clone(), Arc::new(|_| {})).await;
}

pub(super) fn answer(text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
