//! Headers that the owner of an endpoint keeps in a file, such as a token: secrets stay out of command lines. A
//! header's value is never printed.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::SystemTime;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

/// Headers that the client sets itself, and those that would change how bodies are read.
const RESERVED: [&str; 12] = [
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "traceparent",
    "transfer-encoding",
    "upgrade",
];

const KEPT: &str = "the headers read before stay in use";

/// The headers of a file, read again when it changes.
pub(super) struct HeadersFile(Option<(PathBuf, Mutex<Known>)>);

struct Known {
    version: Version,
    headers: HeaderMap,
}

/// What changes when a file is written: its length and the time.
type Version = Option<(u64, Option<SystemTime>)>;

impl HeadersFile {
    /// Reads the file; without one there are no headers.
    ///
    /// # Errors
    /// Says what is wrong with it, without its values.
    pub(super) fn read(path: Option<PathBuf>) -> Result<Self, String> {
        let Some(path) = path else { return Ok(Self(None)) };
        let version = version(&path);
        let known = Known { version, headers: read(&path)? };
        Ok(Self(Some((path, Mutex::new(known)))))
    }

    /// The headers as they are now. If the file cannot be read any more, the last ones count, and `log` gets the
    /// reason once.
    pub(super) fn current(&self, log: &(dyn Fn(String) + Send + Sync)) -> HeaderMap {
        let Some((path, known)) = &self.0 else { return HeaderMap::new() };
        let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = version(path);
        if seen != known.version {
            let read = read(path);
            // A file that is being written is read at the next attempt.
            if version(path) == seen {
                known.version = seen;
                match read {
                    Ok(headers) if headers.is_empty() && !known.headers.is_empty() => {
                        log(format!("{}: no header; {KEPT}", path.display()));
                    }
                    Ok(headers) => known.headers = headers,
                    Err(problem) => log(format!("{problem}; {KEPT}")),
                }
            }
        }
        known.headers.clone()
    }
}

fn version(path: &Path) -> Version {
    let metadata = fs::metadata(path).ok()?;
    Some((metadata.len(), metadata.modified().ok()))
}

fn read(path: &Path) -> Result<HeaderMap, String> {
    let cannot = |why: String| format!("cannot read {}: {why}", path.display());
    let metadata = fs::metadata(path).map_err(|error| cannot(error.to_string()))?;
    if !metadata.is_file() {
        // A pipe could be waited for without end.
        return Err(cannot("it is not a file".to_owned()));
    }
    let text = fs::read_to_string(path).map_err(|error| cannot(error.to_string()))?;
    parsed(&text).map_err(|problem| format!("{}: {problem}", path.display()))
}

fn parsed(text: &str) -> Result<HeaderMap, String> {
    let mut headers = HeaderMap::new();
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    for (position, line) in lines {
        let wrong = |problem: &str| format!("line {}: {problem}", position + 1);
        let (name, value) =
            line.split_once(':').ok_or_else(|| wrong("a header is written `Name: value`"))?;
        let name =
            HeaderName::try_from(name.trim()).map_err(|_| wrong("not a valid header name"))?;
        if RESERVED.contains(&name.as_str()) || name.as_str().starts_with("rydes-") {
            return Err(wrong(&format!("`{name}` is set by rydes")));
        }
        let mut value =
            HeaderValue::try_from(value.trim()).map_err(|_| wrong("not a valid header value"))?;
        value.set_sensitive(true);
        headers.append(name, value);
    }
    Ok(headers)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_a_line_and_no_value_in_an_error() {
        let headers = parsed("Authorization: Bearer a:b \r\n\nX-Two:1\nX-Two: 2\n").expect("good");
        assert_eq!(headers["authorization"], "Bearer a:b");
        assert_eq!(headers.get_all("x-two").iter().count(), 2);
        for (text, problem) in [
            ("secret", "line 1: a header is written `Name: value`"),
            ("\nno name: secret", "line 2: not a valid header name"),
            ("Name: sec\u{7f}ret", "line 1: not a valid header value"),
            ("Host: secret", "line 1: `host` is set by rydes"),
            ("Rydes-Attempt: secret", "line 1: `rydes-attempt` is set by rydes"),
            ("Traceparent: secret", "line 1: `traceparent` is set by rydes"),
            ("idempotency-key: secret", "line 1: `idempotency-key` is set by rydes"),
        ] {
            assert_eq!(parsed(text).expect_err(text), problem);
        }
    }

    #[test]
    fn a_file_is_read_again_when_it_changes_and_its_last_headers_count_when_it_cannot_be_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("x.headers");
        assert!(HeadersFile::read(Some(path.clone())).is_err(), "it is not there");
        assert!(HeadersFile::read(Some(folder.path().to_owned())).is_err(), "it is no file");
        fs::write(&path, "A: 1\n").expect("it can be written");
        let file = HeadersFile::read(Some(path.clone())).expect("good");
        let told = Mutex::new(Vec::new());
        let log = |line: String| told.lock().expect("unpoisoned").push(line);
        assert_eq!(file.current(&log)["a"], "1");
        fs::write(&path, "A: 22\n").expect("it can be written");
        assert_eq!(file.current(&log)["a"], "22");
        fs::write(&path, "").expect("it can be written");
        assert_eq!(file.current(&log)["a"], "22", "it is about to be written");
        let told_of = told.lock().expect("unpoisoned").pop();
        assert!(told_of.is_some_and(|line| line.contains("x.headers: no header; ")));
        fs::remove_file(&path).expect("it can be removed");
        for _ in 0..3 {
            assert_eq!(file.current(&log)["a"], "22");
        }
        let told = told.lock().expect("unpoisoned");
        assert!(told.len() == 1 && told[0].contains("x.headers: No such file"), "{told:?}");
    }
}
