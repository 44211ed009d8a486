//! The page, served from the program. It is the same for every RFQ: its script fetches the rest.

use axum::http::HeaderValue;
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

/// Only resources of this server, nothing inline, and no frame around the page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                      connect-src 'self'; form-action 'self'; base-uri 'none'; \
                      frame-ancestors 'none'";

pub(super) async fn html() -> Response {
    let mut response = file("text/html; charset=utf-8", include_str!("page/page.html"));
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert("cross-origin-opener-policy", HeaderValue::from_static("same-origin"));
    response
}

/// The files that the page loads.
pub(super) const FILES: [(&str, &str, &str); 9] = [
    ("/page.css", "text/css; charset=utf-8", include_str!("page/page.css")),
    ("/page.js", SCRIPT, include_str!("page/page.js")),
    ("/rfq.js", SCRIPT, include_str!("page/rfq.js")),
    ("/server.js", SCRIPT, include_str!("page/server.js")),
    ("/stream.js", SCRIPT, include_str!("page/stream.js")),
    ("/token.js", SCRIPT, include_str!("page/token.js")),
    ("/chart.js", SCRIPT, include_str!("page/chart.js")),
    ("/words.js", SCRIPT, include_str!("page/words.js")),
    ("/icon.svg", "image/svg+xml", include_str!("page/icon.svg")),
];
const SCRIPT: &str = "text/javascript; charset=utf-8";

pub(super) fn file(kind: &'static str, text: &'static str) -> Response {
    // The next request may reach another version of the program.
    let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, "no-cache")];
    (headers, text).into_response()
}
