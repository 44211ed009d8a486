//! AWS as `--aws` sees it, without AWS: a proxy that `HTTPS_PROXY` names takes each connection to
//! `*.eu-west-1.amazonaws.com`, ends its TLS with a certificate of the tests, answers for STS and for the
//! portal of SSO, and hands everything else to LocalStack. LocalStack takes an access key of twelve digits for the account.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::json;

use super::localstack::endpoint;
use super::{Rydes, rydes};

/// A certificate for hosts of AWS, `localhost` and 127.0.0.1, and what it is signed with.
const CERTIFICATE: &[u8] = include_bytes!("tls/server.pem");
const KEY: &[u8] = include_bytes!("tls/server.key");

/// The proxy, for as long as the process lives.
pub struct Aws {
    /// Where it listens.
    pub url: String,
    shared: Arc<Shared>,
}

struct Shared {
    tls: Arc<ServerConfig>,
    /// What it was asked for: host and first line, and where there is one the key that signed it.
    seen: Mutex<Vec<String>>,
    /// Status and body of what STS answers, where it does not say whose the key is.
    sts: Mutex<Option<(u16, String)>>,
    /// What it refuses, with status 403: a part of the request, and the answer's body.
    refused: Mutex<Vec<(String, String)>>,
}

/// The file with the authority that signed the certificates.
pub fn authority() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/it/support/tls/ca.pem")
}

impl Aws {
    /// Starts it.
    pub fn start() -> Self {
        // What is behind it may still have to be installed, which no request waits for.
        endpoint();
        let chain = CertificateDer::pem_slice_iter(CERTIFICATE).map(|one| one.expect("it is PEM"));
        let key = PrivateKeyDer::from_pem_slice(KEY).expect("it is PEM");
        let tls = ServerConfig::builder().with_no_client_auth();
        let tls = tls.with_single_cert(chain.collect(), key).expect("the key is the certificate's");
        let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
        let port = listener.local_addr().expect("it has an address").port();
        let (seen, sts, refused) = (Mutex::default(), Mutex::default(), Mutex::default());
        let shared = Arc::new(Shared { tls: Arc::new(tls), seen, sts, refused });
        let of_thread = Arc::clone(&shared);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let shared = Arc::clone(&of_thread);
                // A client that breaks off ends its connection alone.
                thread::spawn(move || drop(shared.attend(stream)));
            }
        });
        Self { url: format!("http://127.0.0.1:{port}"), shared }
    }

    /// `rydes --aws` through it, as the user whose access key is this account.
    pub fn rydes(&self, account: &str, arguments: &str) -> Rydes {
        rydes(&format!("--aws {arguments}"))
            .env("HTTPS_PROXY", &self.url)
            .env("NO_PROXY", "")
            .env("SSL_CERT_FILE", authority())
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .env("AWS_CONFIG_FILE", "/nonexistent")
            .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
            .env("AWS_REGION", "eu-west-1")
            .env("AWS_ACCESS_KEY_ID", account)
            .env("AWS_SECRET_ACCESS_KEY", "secret")
    }

    /// From now on STS answers this.
    pub fn sts_answers(&self, status: u16, body: &str) {
        *self.shared.sts.lock().expect("no thread broke down") = Some((status, body.to_owned()));
    }

    /// From now on requests with this text in them are refused with this body.
    pub fn refuses(&self, request: &str, body: &str) {
        let refused = (request.to_owned(), body.to_owned());
        self.shared.refused.lock().expect("no thread broke down").push(refused);
    }

    /// From now on nothing is refused any more.
    pub fn heal(&self) {
        self.shared.refused.lock().expect("no thread broke down").clear();
    }

    /// What it was asked for.
    pub fn seen(&self) -> Vec<String> {
        self.shared.seen.lock().expect("no thread broke down").clone()
    }
}

impl Shared {
    fn attend(&self, mut stream: TcpStream) -> std::io::Result<()> {
        let (head, _) = read(&mut stream)?;
        let mut words = head.split_whitespace();
        let (method, host) = (words.next(), words.next().unwrap_or_default().to_owned());
        self.note(format!("{} {host}", method.unwrap_or_default()));
        if method != Some("CONNECT") {
            return Ok(());
        }
        stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
        let tls = ServerConnection::new(Arc::clone(&self.tls)).map_err(std::io::Error::other)?;
        let mut client = StreamOwned::new(tls, stream);
        let (head, body) = read(&mut client)?;
        let first = head.lines().next().unwrap_or_default();
        let key = head.split_once("Credential=").and_then(|(_, rest)| rest.split('/').next());
        self.note(format!("{host} {first} {}", key.unwrap_or_default()));
        let answer = match host.split('.').next() {
            Some("sts") => self.identity(key.unwrap_or_default()),
            Some("portal") => role(first),
            _ => match self.refusal(&format!("{head}{}", String::from_utf8_lossy(&body))) {
                Some(refusal) => answer(403, "text/xml", &refusal),
                None => forward(&head, &body)?,
            },
        };
        client.write_all(&answer)?;
        client.conn.send_close_notify();
        client.flush()
    }

    fn note(&self, line: String) {
        self.seen.lock().expect("no thread broke down").push(line);
    }

    /// The body of the answer to a request that is refused.
    fn refusal(&self, request: &str) -> Option<String> {
        let refused = self.refused.lock().expect("no thread broke down");
        refused.iter().find(|(part, _)| request.contains(part)).map(|(_, body)| body.clone())
    }

    /// What STS answers to the holder of a key.
    fn identity(&self, key: &str) -> Vec<u8> {
        let (status, body) = self.sts.lock().expect("no thread broke down").clone().unwrap_or((
            200,
            format!(
                "<GetCallerIdentityResponse><GetCallerIdentityResult>\
                 <Arn>arn:aws:iam::{key}:user/tester</Arn><Account>{key}</Account>\
                 </GetCallerIdentityResult></GetCallerIdentityResponse>"
            ),
        ));
        answer(status, "text/xml", &body)
    }
}

/// What SSO's portal answers to the holder of a token that asks for a role: the credentials of the
/// account that is named.
fn role(line: &str) -> Vec<u8> {
    let account = line.split_once("account_id=").map_or("", |(_, rest)| rest);
    let account = account.split(['&', ' ']).next().unwrap_or_default();
    let never = 4_102_444_800_000_u64;
    let credentials = json!({
        "accessKeyId": account, "secretAccessKey": "s", "sessionToken": "t", "expiration": never,
    });
    answer(200, "application/json", &json!({"roleCredentials": credentials}).to_string())
}

fn answer(status: u16, kind: &str, body: &str) -> Vec<u8> {
    let length = body.len();
    format!(
        "HTTP/1.1 {status} Answer\r\ncontent-type: {kind}\r\nconnection: close\r\n\
         content-length: {length}\r\n\r\n{body}"
    )
    .into_bytes()
}

/// Reads the head of a request or an answer and, as long as it says, its body.
fn read(stream: &mut impl Read) -> std::io::Result<(String, Vec<u8>)> {
    let mut bytes = Vec::new();
    let end = loop {
        if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
            break end + 4;
        }
        let mut some = [0; 4_096];
        match stream.read(&mut some)? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => bytes.extend_from_slice(&some[..count]),
        }
    };
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
    });
    let mut body = bytes.split_off(end);
    let have = body.len();
    body.resize(length.unwrap_or(0).max(have), 0);
    stream.read_exact(&mut body[have..])?;
    Ok((head, body))
}

/// What LocalStack answers to a request.
fn forward(head: &str, body: &[u8]) -> std::io::Result<Vec<u8>> {
    let address = endpoint().trim_start_matches("http://").trim_end_matches('/');
    let mut localstack = TcpStream::connect(address)?;
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    localstack.write_all(head.as_bytes())?;
    localstack.write_all(body)?;
    let (head, body) = read(&mut localstack)?;
    Ok([head.as_bytes(), &body].concat())
}
