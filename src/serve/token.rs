//! The token that requests must have, if the server was started with one. Only the routes of `OPEN` do not require it.
//! The token is never printed, and never part of a response.

use std::fs::{self, File};
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use axum::extract::{MatchedPath, Request, State};
use axum::http::header::{AUTHORIZATION, WWW_AUTHENTICATE};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

use super::answer::Problem;
use super::{AppState, METRICS, Reporter, ServeEvent, page};
use crate::consumer::Trouble;

/// Routes that anyone may get: health and metrics for monitors, and the page, which holds no data and asks for the
/// token. The files of the page are open too.
const OPEN: [&str; 5] = ["/healthz", "/readyz", METRICS, "/", "/rfqs/{id}"];
/// A shorter token could be guessed: 16 hexadecimal digits are 64 bits.
const SHORTEST: usize = 16;
/// A longer one would not pass through common proxies.
const LONGEST: usize = 4_096;
/// Bytes of the file that are read: the longest token, with room for spaces around it.
const READ: u64 = 8_192;
const HINT: &str = "send `Authorization: Bearer TOKEN`; the token is the first line of the file \
                    given to `rydes serve --token-file`";
const KEPT: &str = "the token read before stays in use";

/// The SHA-256 of a token. Digests have one length, so they can be compared in constant time; tokens differ in length.
type Digest = [u8; 32];

/// The length of a file and the time of its last change; a write changes them. `None` if the file cannot be looked at.
type Version = Option<(u64, Option<SystemTime>)>;

/// The token of a file, read again when the file changes.
#[derive(Debug)]
pub struct TokenFile {
    path: PathBuf,
    known: Mutex<Known>,
}

#[derive(Debug)]
struct Known {
    version: Version,
    token: Digest,
}

impl TokenFile {
    /// Reads the token.
    ///
    /// # Errors
    /// Says what is wrong with the file, without anything of its text.
    pub fn read(path: PathBuf) -> Result<Self, String> {
        let version = version(&path);
        let known = Mutex::new(Known { version, token: digest(&read(&path)?) });
        Ok(Self { path, known })
    }

    /// Whether any user of this machine may read the file.
    #[cfg(unix)]
    pub fn is_public(&self) -> bool {
        use std::os::unix::fs::PermissionsExt as _;
        let metadata = fs::metadata(&self.path);
        metadata.is_ok_and(|metadata| metadata.permissions().mode() & 0o004 != 0)
    }

    /// The token as it is now. If the file cannot be read any more, the last token counts, and `report` gets the
    /// reason once.
    fn current(&self, report: &Reporter) -> Digest {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = version(&self.path);
        if seen != known.version {
            let read = read(&self.path);
            // A file that is being written is read at the next request.
            if version(&self.path) == seen {
                known.version = seen;
                match read {
                    Ok(token) => known.token = digest(&token),
                    Err(problem) => report(ServeEvent::Trouble(Trouble::Entry {
                        subject: "the token".to_owned(),
                        reason: format!("{problem}; {KEPT}"),
                    })),
                }
            }
        }
        known.token
    }
}

/// Passes on a request that has the token, or whose route is open. Returns 401 to any other, before its body is read.
pub(super) async fn require(
    State(state): State<Arc<AppState>>,
    request: Request,
    next: Next,
) -> Response {
    let Some(file) = state.settings.token.as_deref().filter(|_| !is_open(&request)) else {
        return next.run(request).await;
    };
    let is_right = |given| bool::from(digest(given).ct_eq(&file.current(&state.report)));
    let refused = match given(request.headers()) {
        Ok(given) if is_right(given) => return next.run(request).await,
        Ok(_) => "this is not the server's token",
        Err(error) => error,
    };
    refusal(refused)
}

fn is_open(request: &Request) -> bool {
    let reads = [Method::GET, Method::HEAD].contains(request.method());
    let path = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str);
    let is_open =
        |path: &str| OPEN.contains(&path) || page::FILES.iter().any(|file| file.0 == path);
    reads && path.is_some_and(is_open)
}

/// The token of a request.
fn given(headers: &HeaderMap) -> Result<&[u8], &'static str> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let Some(value) = all.next() else { return Err("this route requires a token") };
    if all.next().is_some() {
        return Err("a request must have exactly one `Authorization` header");
    }
    let value = value.as_bytes();
    let space = value.iter().position(|byte| *byte == b' ').unwrap_or(value.len());
    let (scheme, token) = value.split_at(space);
    if scheme.eq_ignore_ascii_case(b"bearer") {
        Ok(token.trim_ascii())
    } else {
        Err("the scheme of `Authorization` must be `Bearer`")
    }
}

fn refusal(error: &str) -> Response {
    let problem = Problem::new(StatusCode::UNAUTHORIZED, error).with_hint(Some(HINT));
    let mut response = problem.into_response();
    response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    response
}

fn digest(token: &[u8]) -> Digest {
    Sha256::digest(token).into()
}

fn version(path: &Path) -> Version {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    let cannot = |why: &str| format!("cannot read {}: {why}", path.display());
    let metadata = fs::metadata(path).map_err(|error| cannot(&error.to_string()))?;
    if !metadata.is_file() {
        // A pipe could be waited for without end, and not be read again.
        return Err(cannot("it is not a file"));
    }
    let mut text = Vec::new();
    let file = File::open(path).map_err(|error| cannot(&error.to_string()))?;
    file.take(READ).read_to_end(&mut text).map_err(|error| cannot(&error.to_string()))?;
    let token = parsed(&text).map_err(|problem| format!("{}: {problem}", path.display()))?;
    Ok(token.to_vec())
}

/// The token in the first line of a file.
fn parsed(text: &[u8]) -> Result<&[u8], String> {
    let token = text.split(|byte| *byte == b'\n').next().unwrap_or_default().trim_ascii();
    match token.len() {
        0 => Err("its first line holds no token".to_owned()),
        _ if !token.iter().all(u8::is_ascii_graphic) => {
            Err("a token has only visible ASCII characters, and no spaces".to_owned())
        }
        1..SHORTEST => Err(format!("a token has at least {SHORTEST} characters")),
        SHORTEST..=LONGEST => Ok(token),
        _ => Err(format!("a token has at most {LONGEST} characters")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_holds_one_token_in_its_first_line() {
        let longest = "x".repeat(LONGEST);
        for (text, wanted) in [
            ("0123456789abcdef", "0123456789abcdef"),
            (" \t0123456789abcdef \r\nanother line", "0123456789abcdef"),
            (longest.as_str(), longest.as_str()),
        ] {
            assert_eq!(parsed(text.as_bytes()).expect("a token"), wanted.as_bytes());
        }
        let too_long = format!("{longest}x");
        for (text, problem) in [
            ("", "its first line holds no token"),
            ("\n0123456789abcdef", "its first line holds no token"),
            ("0123456789abcde", "a token has at least 16 characters"),
            ("01234567 89abcdef", "a token has only visible ASCII characters, and no spaces"),
            ("0123456789abcde\u{7f}", "a token has only visible ASCII characters, and no spaces"),
            (
                "\u{feff}0123456789abcdef",
                "a token has only visible ASCII characters, and no spaces",
            ),
            ("0123456789abcdef\0", "a token has only visible ASCII characters, and no spaces"),
            (&too_long, "a token has at most 4096 characters"),
        ] {
            assert_eq!(parsed(text.as_bytes()).expect_err(text), problem);
        }
    }

    #[test]
    fn a_request_gives_its_token_in_one_header() {
        let given = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).expect("a value"));
            }
            given(&headers).map(<[u8]>::to_vec)
        };
        for value in ["Bearer abc", "bearer abc", "BEARER   abc"] {
            assert_eq!(given(&[value]).expect("a token"), b"abc", "{value}");
        }
        for bare in ["Bearer", "Bearer "] {
            assert_eq!(given(&[bare]).expect("an empty one"), b"");
        }
        assert_eq!(given(&["Bearer \u{e9}"]).expect("bytes"), "\u{e9}".as_bytes());
        for values in [
            &[][..],
            &["Bearer abc", "Bearer abc"],
            &["Basic abc"],
            &["abc"],
            &[""],
            &["Bearer\tabc"],
            &["Bearerabc"],
        ] {
            assert!(given(values).is_err(), "{values:?}");
        }
    }
}
