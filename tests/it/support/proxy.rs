//! A proxy in front of LocalStack that goes wrong where a test wants it to.

use std::io::{self, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::thread;

use ureq::http;

use super::localstack::endpoint;

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Fault {
    /// It is answered with this status and body, and goes no further.
    Answer(u16, &'static str),
    /// The connection is cut before it went on.
    CutBefore,
    /// The connection is cut after LocalStack has carried it out.
    CutAfter,
    /// It goes no further and is not answered as long as the proxy lives.
    Hold,
    /// LocalStack carries it out, and it is not answered as long as the proxy lives.
    HoldAfter,
}

/// The proxy; ends with this value.
pub struct Proxy {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// The operations that go wrong, and how often yet.
    plan: Vec<(String, usize, Option<Fault>)>,
    /// The operations that were asked for, in order.
    seen: Vec<String>,
    /// How many requests are held.
    held: usize,
    over: bool,
}

/// A request as it came.
struct Request {
    method: String,
    path: String,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl Proxy {
    /// A proxy in front of the tests' LocalStack, in which nothing goes wrong yet.
    pub fn start() -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let shared = Arc::<Shared>::default();
        let served = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&served);
                if shared.state().over {
                    return;
                }
                // A client that goes away ends its own connection only.
                thread::spawn(move || serve(stream, &shared));
            }
        });
        Self { url, shared }
    }

    /// Lets the next `times` requests of an operation, such as `Publish`, go wrong.
    pub fn fail(&self, operation: &str, times: usize, fault: Fault) {
        self.shared.state().plan.push((operation.to_owned(), times, Some(fault)));
    }

    /// Lets the next `times` requests of an operation pass, before those that go wrong.
    pub fn pass(&self, operation: &str, times: usize) {
        self.shared.state().plan.push((operation.to_owned(), times, None));
    }

    /// From now on nothing goes wrong any more.
    pub fn heal(&self) {
        self.shared.state().plan.clear();
    }

    /// How often an operation was asked for.
    pub fn count(&self, operation: &str) -> usize {
        self.shared.state().seen.iter().filter(|seen| *seen == operation).count()
    }

    /// Waits until an operation was asked for.
    pub fn until(&self, operation: &str) {
        self.wait(operation, |state| state.seen.iter().any(|seen| seen == operation));
    }

    /// Waits until a request is held.
    pub fn until_held(&self) {
        self.wait("request that is held", |state| state.held > 0);
    }

    fn wait(&self, what: &str, has_come: impl Fn(&State) -> bool) {
        let (state, waited) = self
            .shared
            .changed
            .wait_timeout_while(self.shared.state(), super::PATIENCE, |state| !has_come(state))
            .expect("no thread broke down");
        let seen = state.seen.clone();
        drop(state);
        assert!(!waited.timed_out(), "no {what} among {seen:?}");
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.state().over = true;
        self.shared.changed.notify_all();
        // Wakes the listener, which then ends.
        _ = TcpStream::connect(self.url.trim_start_matches("http://"));
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no thread broke down")
    }

    /// Takes down a request; says how it goes wrong.
    fn take(&self, operation: String) -> Option<Fault> {
        let mut state = self.state();
        let planned = state.plan.iter_mut().find(|(name, left, _)| *name == operation && *left > 0);
        let fault = planned.and_then(|(_, left, fault)| {
            *left -= 1;
            fault.clone()
        });
        state.seen.push(operation);
        self.changed.notify_all();
        fault
    }

    fn hold(&self) {
        let mut state = self.state();
        state.held += 1;
        self.changed.notify_all();
        let waited = self.changed.wait_while(state, |state| !state.over);
        drop(waited.expect("no thread broke down"));
    }
}

fn serve(mut stream: TcpStream, shared: &Shared) -> io::Result<()> {
    while let Some(request) = read(&mut stream)? {
        match shared.take(request.operation()) {
            None => stream.write_all(&forward(request)?)?,
            Some(Fault::Answer(status, body)) => {
                stream.write_all(&answer(status, "application/x-amz-json-1.0", body.as_bytes()))?;
            }
            Some(Fault::CutBefore) => return Ok(()),
            Some(Fault::CutAfter) => {
                forward(request)?;
                return Ok(());
            }
            Some(Fault::Hold) => {
                shared.hold();
                return Ok(());
            }
            Some(Fault::HoldAfter) => {
                forward(request)?;
                shared.hold();
                return Ok(());
            }
        }
    }
    Ok(())
}

impl Request {
    fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        std::str::from_utf8(value).ok()
    }

    /// `GetItem` of `X-Amz-Target: DynamoDB_20120810.GetItem`, `Publish` of `Action=Publish`.
    fn operation(&self) -> String {
        let target = self.header("x-amz-target").and_then(|target| target.rsplit('.').next());
        let body = String::from_utf8_lossy(&self.body);
        let action = body.split('&').find_map(|pair| pair.strip_prefix("Action="));
        target.or(action).unwrap_or(&self.path).to_owned()
    }
}

/// Reads one request; `None` when the client is done.
fn read(stream: &mut TcpStream) -> io::Result<Option<Request>> {
    let mut bytes = Vec::new();
    loop {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut head = httparse::Request::new(&mut headers);
        if let httparse::Status::Complete(length) = head.parse(&bytes).map_err(io::Error::other)? {
            let owned = |header: &httparse::Header| (header.name.to_owned(), header.value.to_vec());
            let mut request = Request {
                method: head.method.unwrap_or_default().to_owned(),
                path: head.path.unwrap_or_default().to_owned(),
                headers: head.headers.iter().map(owned).collect(),
                body: bytes[length..].to_vec(),
            };
            let length = request.header("content-length").and_then(|length| length.parse().ok());
            let length = length.unwrap_or(0);
            let mut rest = vec![0; usize::saturating_sub(length, request.body.len())];
            stream.read_exact(&mut rest)?;
            request.body.extend(rest);
            return Ok(Some(request));
        }
        let mut more = [0; 4_096];
        match stream.read(&mut more)? {
            0 => return Ok(None),
            read => bytes.extend_from_slice(&more[..read]),
        }
    }
}

/// Has LocalStack carry a request out; returns its answer.
fn forward(request: Request) -> io::Result<Vec<u8>> {
    let mut onward = http::Request::builder()
        .method(&*request.method)
        .uri(endpoint().to_owned() + &request.path);
    for (name, value) in &request.headers {
        let own = ["host", "connection", "content-length"];
        if !own.iter().any(|own| name.eq_ignore_ascii_case(own)) {
            onward = onward.header(name, &value[..]);
        }
    }
    let onward = onward.body(request.body).map_err(io::Error::other)?;
    let config = ureq::Agent::config_builder().proxy(None).http_status_as_error(false).build();
    let mut answered =
        ureq::Agent::new_with_config(config).run(onward).map_err(io::Error::other)?;
    let kind = answered.headers().get("content-type").and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or("text/plain").to_owned();
    let body = answered.body_mut().read_to_vec().map_err(io::Error::other)?;
    Ok(answer(answered.status().as_u16(), &kind, &body))
}

fn answer(status: u16, kind: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head =
        format!("HTTP/1.1 {status} -\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n\r\n");
    [head.as_bytes(), body].concat()
}
