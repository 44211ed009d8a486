//! The HTTP face: finds the action of a request, waits for the delay, and writes the answer in its protocol.

use std::convert::Infallible;
use std::error::Error;
use std::rc::Rc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::spawn_local;
use tokio::time::sleep;

use crate::figures::Figures;
use crate::{Backend, dynamodb, sns, sqs};

/// The region and the account of everything.
pub(crate) const REGION: &str = "us-east-1";
pub(crate) const ACCOUNT: &str = "000000000000";

/// Why a request is not carried out: a code of AWS's, and a message.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) code: &'static str,
    pub(crate) message: String,
}

pub(crate) type Answer = Result<Vec<u8>, Refused>;

pub(crate) fn refused(code: &'static str, message: impl Into<String>) -> Refused {
    Refused { code, message: message.into() }
}

/// The refusal of what the stub lacks.
pub(crate) fn lacking(what: impl Into<String>) -> Refused {
    refused("NotImplemented", what)
}

/// Reads a body of JSON. A field that the stub does not know is refused.
pub(crate) fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refused> {
    serde_json::from_slice(body).map_err(|error| lacking(error.to_string()))
}

pub(crate) fn write(value: &impl serde::Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has no maps with other keys than strings")
}

pub(crate) async fn serve(
    listener: TcpListener,
    backend: Rc<Backend>,
) -> Result<(), Box<dyn Error>> {
    loop {
        let (stream, _) = listener.accept().await?;
        stream.set_nodelay(true)?;
        let backend = Rc::clone(&backend);
        let answer = move |request| {
            let backend = Rc::clone(&backend);
            async move { Ok::<_, Infallible>(answer(&backend, request).await) }
        };
        let connection =
            http1::Builder::new().serve_connection(TokioIo::new(stream), service_fn(answer));
        // A client that breaks off ends its connection alone.
        spawn_local(async { drop(connection.await) });
    }
}

async fn answer(backend: &Backend, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let (parts, body) = request.into_parts();
    let Ok(body) = body.collect().await.map(http_body_util::Collected::to_bytes) else {
        // A request that breaks off gets no answer.
        return Response::new(Full::default());
    };
    let target = parts.headers.get("x-amz-target").and_then(|target| target.to_str().ok());
    if let Some(action) = target.and_then(|target| target.strip_prefix("AmazonSQS.")) {
        let done =
            carried_out(backend, action, sqs::queue_of(&body), "RequestThrottled", async |delay| {
                sqs::answer(backend, action, &body, delay).await
            });
        return json_answer(done.await);
    }
    if let Some(action) = target.and_then(|target| target.strip_prefix("DynamoDB_20120810.")) {
        let done = carried_out(backend, action, "", "ThrottlingException", async |delay| {
            wait(delay).await;
            dynamodb::answer(backend, action, &body)
        });
        return json_answer(done.await);
    }
    match (&parts.method, parts.uri.path()) {
        (&Method::GET, "/figures") => {
            Response::new(Full::from(write(&backend.figures.borrow().document())))
        }
        (&Method::DELETE, "/figures") => {
            *backend.figures.borrow_mut() = Figures::default();
            Response::new(Full::default())
        }
        (&Method::GET, "/_localstack/health") => {
            let services = json!({"sns": "running", "sqs": "running", "dynamodb": "running"});
            Response::new(Full::from(write(&json!({"services": services}))))
        }
        (&Method::POST, _) => {
            let form = sns::Form::read(&body);
            let action = form.text("Action").to_owned();
            let done = carried_out(backend, &action, "", "Throttled", async |delay| {
                wait(delay).await;
                sns::answer(backend, &action, &form)
            });
            xml_answer(&action, done.await)
        }
        (method, path) => {
            let what = format!("{method} {path}");
            backend.figures.borrow_mut().lacks(&what);
            json_answer(Err(lacking(what)))
        }
    }
}

/// Waits, unless for no time: the timer would make a millisecond of it.
pub(crate) async fn wait(delay: Duration) {
    if !delay.is_zero() {
        sleep(delay).await;
    }
}

/// Counts a request, and carries it out unless it is throttled. `action` gets the delay.
async fn carried_out(
    backend: &Backend,
    name: &str,
    queue: &str,
    throttled: &'static str,
    action: impl AsyncFnOnce(Duration) -> Answer,
) -> Answer {
    backend.figures.borrow_mut().requested(name);
    let delay = backend.delay.borrow_mut().next();
    if !backend.limit.borrow_mut().takes() {
        backend.figures.borrow_mut().throttled();
        wait(delay).await;
        return Err(refused(throttled, "Rate exceeded"));
    }
    let began = Instant::now();
    let done = action(delay).await;
    if name != "ReceiveMessage" {
        backend.figures.borrow_mut().took(name, queue, began.elapsed());
    }
    if let Err(Refused { code: "NotImplemented", message }) = &done {
        backend.figures.borrow_mut().lacks(&format!("{name}: {message}"));
    }
    done
}

fn json_answer(answer: Answer) -> Response<Full<Bytes>> {
    let response = Response::builder().header("content-type", "application/x-amz-json-1.0");
    let response = match answer {
        Ok(body) => response.body(Full::from(body)),
        Err(Refused { code, message }) => response
            .status(400)
            // SQS names its older codes here, which the SDK prefers.
            .header("x-amzn-query-error", format!("{code};Sender"))
            .body(Full::from(write(&json!({"__type": code, "message": message})))),
    };
    response.expect("the headers are valid")
}

fn xml_answer(action: &str, answer: Answer) -> Response<Full<Bytes>> {
    let response = Response::builder().header("content-type", "text/xml");
    let response = match answer {
        Ok(result) => {
            let result = String::from_utf8_lossy(&result);
            response.body(Full::from(format!(
                "<{action}Response xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><{action}Result>{result}\
                 </{action}Result></{action}Response>"
            )))
        }
        Err(Refused { code, message }) => {
            let status = if code == "NotFound" { 404 } else { 400 };
            let message = sns::escaped(&message);
            response.status(status).body(Full::from(format!(
                "<ErrorResponse xmlns=\"http://sns.amazonaws.com/doc/2010-03-31/\"><Error>\
                 <Type>Sender</Type><Code>{code}</Code><Message>{message}</Message>\
                 </Error></ErrorResponse>"
            )))
        }
    };
    response.expect("the headers are valid")
}
