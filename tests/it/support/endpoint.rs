//! An HTTP endpoint of a provider, which does with each request what a test says.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// The header with the RFQ.
const RFQ: &str = "rydes-rfq-id";

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Seen {
    /// `POST` or `GET`.
    pub method: String,
    /// The path with its query.
    pub path: String,
    /// The headers, their names in lower case.
    pub headers: HashMap<String, String>,
    /// The body.
    pub body: String,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Reaction {
    /// A response with this status, these header lines and this body.
    Answer(u16, &'static str, String),
    /// No response.
    Hang,
    /// This status, then one byte of the body per second.
    DripOf(u16),
    /// The connection is closed without a response.
    Cut,
    /// The connection is closed in the middle of the body.
    CutShort,
}

/// 200 with this body.
pub fn says(body: &str) -> Reaction {
    Reaction::Answer(200, "", body.to_owned())
}

/// A response without a body.
pub fn status(status: u16) -> Reaction {
    Reaction::Answer(status, "", String::new())
}

/// A server, until it is closed.
pub struct Endpoint {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Seen>>>,
    connections: Arc<Mutex<Vec<TcpStream>>>,
    is_closed: Arc<AtomicBool>,
    listening: JoinHandle<()>,
}

impl Endpoint {
    /// Starts one. `react` gets each request, and how many came to the same path for the same RFQ before.
    pub fn start(react: impl Fn(&Seen, usize) -> Reaction + Send + Sync + 'static) -> Self {
        Self::at(0, react)
    }

    /// The same on this port.
    pub fn at(port: u16, react: impl Fn(&Seen, usize) -> Reaction + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let address = listener.local_addr().expect("it has an address");
        let seen = Arc::<Mutex<Vec<Seen>>>::default();
        let (known, react) = (Arc::clone(&seen), Arc::new(react));
        let connections = Arc::<Mutex<Vec<TcpStream>>>::default();
        let is_closed = Arc::<AtomicBool>::default();
        let (open, closed) = (Arc::clone(&connections), Arc::clone(&is_closed));
        let listening = thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                let copy = stream.try_clone().expect("it can be cloned");
                open.lock().expect("no server broke down").push(copy);
                let (known, react) = (Arc::clone(&known), Arc::clone(&react));
                // A client that breaks off ends its connection alone.
                thread::spawn(move || serve(stream, &known, react.as_ref()));
            }
        });
        Self { address, seen, connections, is_closed, listening }
    }

    /// Ends all its connections and takes no more.
    pub fn close(self) {
        self.is_closed.store(true, Ordering::Relaxed);
        // A connection wakes the listener.
        drop(TcpStream::connect(self.address));
        self.listening.join().expect("no server broke down");
        for connection in self.connections.lock().expect("no server broke down").iter() {
            // The client may have ended it.
            _ = connection.shutdown(Shutdown::Both);
        }
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.lock().expect("no server broke down").len()
    }

    /// The requests to this path so far.
    pub fn seen(&self, path: &str) -> Vec<Seen> {
        let seen = self.seen.lock().expect("no server broke down");
        seen.iter().filter(|seen| seen.path == path).cloned().collect()
    }
}

fn serve(
    stream: TcpStream,
    known: &Mutex<Vec<Seen>>,
    react: &(dyn Fn(&Seen, usize) -> Reaction + Send + Sync),
) {
    let mut reader = BufReader::new(stream.try_clone().expect("it can be cloned"));
    let mut stream = stream;
    while let Some(seen) = read(&mut reader) {
        let before = {
            let mut known = known.lock().expect("no server broke down");
            known.push(seen.clone());
            let is_same = |other: &&Seen| {
                other.path == seen.path && other.headers.get(RFQ) == seen.headers.get(RFQ)
            };
            known.iter().filter(is_same).count() - 1
        };
        if write(&mut stream, react(&seen, before)).is_none() {
            break;
        }
    }
    // A copy of it is kept. The client may have ended it.
    _ = stream.shutdown(Shutdown::Both);
}

/// `None` when the connection is over.
fn read(reader: &mut BufReader<TcpStream>) -> Option<Seen> {
    let mut line = || {
        let mut line = String::new();
        reader.read_line(&mut line).ok().filter(|length| *length > 0)?;
        Some(line.trim_end().to_owned())
    };
    let first = line()?;
    let mut words = first.split(' ').map(str::to_owned);
    let (method, path) = (words.next()?, words.next()?);
    let mut headers = HashMap::new();
    while let Some((name, value)) = line()?.split_once(": ") {
        headers.insert(name.to_lowercase(), value.to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let body = String::from_utf8(body).expect("a body is text");
    Some(Seen { method, path, headers, body })
}

/// `None` when the connection is to end.
fn write(stream: &mut TcpStream, reaction: Reaction) -> Option<()> {
    match reaction {
        Reaction::Answer(status, lines, body) => {
            let length = body.len();
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: {length}\r\n{lines}\r\n");
            stream.write_all((head + &body).as_bytes()).ok()
        }
        Reaction::Hang => {
            thread::sleep(Duration::from_mins(2));
            None
        }
        Reaction::DripOf(status) => {
            let head = format!("HTTP/1.1 {status} Said\r\ncontent-length: 60\r\n\r\n");
            stream.write_all(head.as_bytes()).ok()?;
            (0..60).try_for_each(|_| {
                thread::sleep(Duration::from_secs(1));
                stream.write_all(b" ").ok()
            })
        }
        Reaction::Cut => None,
        Reaction::CutShort => {
            _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 60\r\n\r\n{\"quote\":");
            None
        }
    }
}
