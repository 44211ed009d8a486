//! `rydes serve` in the background, and its clients.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Mutex, Once};
use std::thread::JoinHandle;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::Value;
use ureq::http;

use super::background::Background;
use super::stack::Stack;
use super::{PATIENCE, Ran, Rydes, json, wait_for};

/// Files that a test process may want to have open.
const FILES: u64 = 8_192;

/// A server of a stack; killed when dropped.
pub struct Server {
    /// Where it listens, without a slash at the end.
    pub url: String,
    /// Its process.
    pub process: Background,
}

/// An answer, whole.
#[derive(Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// The headers.
    pub headers: http::HeaderMap,
    /// The body.
    pub body: String,
}

impl Stack {
    /// Serves this stack on a free port.
    pub fn serve(&self) -> Server {
        Server::start(self.rydes("serve --listen 127.0.0.1:0 --output jsonl"))
    }

    /// The same through another endpoint.
    pub fn serve_through(&self, endpoint: &str) -> Server {
        let serve = self.rydes("serve --listen 127.0.0.1:0 --output jsonl");
        Server::start(serve.env("AWS_ENDPOINT_URL", endpoint))
    }
}

impl Server {
    /// Starts a server that prints JSON.
    pub fn start(serve: Rydes) -> Self {
        let process = Background::start(serve);
        let url = wait_for("the server listens", || {
            process.events().first().map(|line| line["url"].as_str().expect("a URL").to_owned())
        });
        Self { url, process }
    }

    /// Submits a request from Frankfurt to Rome with more fields; returns its id.
    #[track_caller]
    pub fn submit(&self, more: &str) -> String {
        let body = format!(r#"{{"from": "Frankfurt", "to": "Rome", "customer": "cmr"{more}}}"#);
        let answer = self.post(&body);
        assert_eq!(answer.status, 201, "{answer:?}");
        answer.json()["rfq-id"].as_str().expect("an id").to_owned()
    }

    /// Posts a submission.
    pub fn post(&self, body: &str) -> Answer {
        post(&format!("{}/submit-instant-ride-rfq", self.url), body, &[])
    }

    /// Gets a path.
    pub fn get(&self, path: &str) -> Answer {
        get(&format!("{}{path}", self.url))
    }

    /// Follows an RFQ.
    pub fn follow(&self, id: &str, query: &str) -> Stream {
        Stream::open(self.address(), &format!("/rfqs/{id}/events{query}"))
    }

    /// Address and port.
    pub fn address(&self) -> &str {
        self.url.strip_prefix("http://").expect("it is one")
    }

    /// Stops it in good order.
    #[track_caller]
    pub fn stop(self) -> Ran {
        self.process.stop()
    }
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        json(&self.body)
    }

    /// A header; empty where there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("it is ASCII"))
    }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder();
    let config = config.proxy(None).http_status_as_error(false).timeout_global(Some(PATIENCE));
    ureq::Agent::new_with_config(config.build())
}

fn answer(response: Result<http::Response<ureq::Body>, ureq::Error>) -> Answer {
    let (head, mut body) = response.expect("it answers").into_parts();
    let body = body.read_to_string().expect("it is UTF-8");
    Answer { status: head.status.as_u16(), headers: head.headers, body }
}

/// Gets a URL.
pub fn get(url: &str) -> Answer {
    answer(agent().get(url).call())
}

/// Gets a URL under another host name.
pub fn get_as(url: &str, host: &str) -> Answer {
    answer(agent().get(url).header("Host", host).call())
}

/// Posts a body with these headers.
pub fn post(url: &str, body: &str, headers: &[(&str, &str)]) -> Answer {
    let mut request = agent().post(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    answer(request.send(body))
}

/// Asks with any method and no body.
pub fn ask(method: &str, url: &str, headers: &[(&str, &str)]) -> Answer {
    let request = http::Request::builder().method(method).uri(url);
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    answer(agent().run(request.body(()).expect("a request")))
}

/// Deletes a URL.
pub fn delete(url: &str) -> Answer {
    answer(agent().delete(url).call())
}

/// Has the system allow this process as many open files as it may: each stream is two.
pub fn more_files() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let limit = getrlimit(Resource::Nofile);
        let wanted = limit.maximum.map_or(FILES, |most| most.min(FILES));
        if limit.current.is_some_and(|current| current < wanted) {
            let limit = Rlimit { current: Some(wanted), ..limit };
            setrlimit(Resource::Nofile, limit).expect("it is no more than the maximum");
        }
    });
}

/// A client that follows an RFQ; goes away when dropped.
pub struct Stream {
    connection: TcpStream,
    heard: Arc<Mutex<Heard>>,
    reader: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Heard {
    status: Option<u16>,
    events: Vec<(String, Value)>,
    has_ended: bool,
}

impl Stream {
    fn open(address: &str, path: &str) -> Self {
        more_files();
        let mut connection = TcpStream::connect(address).expect("it listens");
        write!(connection, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")
            .expect("it is sent");
        let heard = Arc::<Mutex<Heard>>::default();
        let (from, hear) = (connection.try_clone().expect("a clone"), Arc::clone(&heard));
        let reader = std::thread::spawn(move || {
            let mut name = String::new();
            // An event is a chunk of its own, so none of its lines is parted.
            for line in BufReader::new(from).lines().map_while(Result::ok) {
                let mut heard = hear.lock().expect("no test broke down");
                if let Some(status) = line.strip_prefix("HTTP/1.1 ") {
                    heard.status = status.get(..3).and_then(|status| status.parse().ok());
                } else if let Some(event) = line.strip_prefix("event: ") {
                    event.clone_into(&mut name);
                } else if let Some(data) = line.strip_prefix("data: ") {
                    heard.events.push((name.clone(), json(data)));
                }
            }
            hear.lock().expect("no test broke down").has_ended = true;
        });
        Self { connection, heard, reader: Some(reader) }
    }

    /// The events so far, each with its name.
    pub fn events(&self) -> Vec<(String, Value)> {
        self.heard.lock().expect("no reader broke down").events.clone()
    }

    /// The data of the events of one kind.
    pub fn all(&self, name: &str) -> Vec<Value> {
        self.events().into_iter().filter(|(of, _)| of == name).map(|(_, data)| data).collect()
    }

    /// The status, once there is one.
    #[track_caller]
    pub fn status(&self) -> u16 {
        wait_for("a status", || self.heard.lock().expect("no reader broke down").status)
    }

    /// Waits for an event of one kind whose data are as wanted.
    #[track_caller]
    pub fn until(&self, name: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(&format!("{name} among {:?}", self.names()), || {
            self.all(name).into_iter().find(|data| wanted(data))
        })
    }

    /// The names of the events so far, without the beats: they come whenever it was silent for a while.
    pub fn names(&self) -> Vec<String> {
        self.events().into_iter().map(|(name, _)| name).filter(|name| name != "beat").collect()
    }

    /// Waits until the server has ended it.
    #[track_caller]
    pub fn ends(&self) {
        wait_for("the stream ends", || {
            self.heard.lock().expect("no reader broke down").has_ended.then_some(())
        });
    }
}

impl Drop for Stream {
    fn drop(&mut self) {
        // The server may have ended it already.
        _ = self.connection.shutdown(Shutdown::Both);
        if let Some(reader) = self.reader.take() {
            _ = reader.join();
        }
    }
}

/// A connection on which a client says what it likes.
pub fn raw(server: &Server, text: &str) -> TcpStream {
    let mut connection = TcpStream::connect(server.address()).expect("it listens");
    connection.set_read_timeout(Some(Duration::from_mins(1))).expect("it can be set");
    connection.write_all(text.as_bytes()).expect("it is sent");
    connection
}
