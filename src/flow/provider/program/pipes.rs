//! The pipes of a program: what it is given, what it says, and what it logs.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::task::yield_now;
use tokio_util::sync::CancellationToken;

use super::super::service::{Log, MAX_ANSWER, cut_line, cut_reason};

/// Bytes of one read.
const CHUNK: usize = 8 * 1_024;
/// Bytes of a line that are kept: more than its characters need.
const LINE_BYTES: usize = 4 * 1_024;

/// Writes all of it, then closes the pipe. A program need not read its stdin.
pub(super) async fn feed(pipe: Option<impl AsyncWrite + Unpin>, text: String) {
    if let Some(mut pipe) = pipe {
        _ = pipe.write_all(text.as_bytes()).await;
    }
}

/// Reads to the end, and keeps at most one byte more than an answer may have. That byte cancels `too_long`.
pub(super) async fn collect(
    pipe: Option<impl AsyncRead + Unpin>,
    into: &mut Vec<u8>,
    too_long: &CancellationToken,
) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        let room = (MAX_ANSWER + 1).saturating_sub(into.len());
        into.extend_from_slice(&chunk[..length.min(room)]);
        if into.len() > MAX_ANSWER {
            too_long.cancel();
        }
    }
}

/// Logs lines that are not blank.
pub(super) struct LineLog {
    log: Log,
    /// The line that has not ended yet.
    line: Vec<u8>,
    last: Option<String>,
}

impl LineLog {
    pub(super) fn to(log: Log) -> Self {
        Self { log, line: Vec::new(), last: None }
    }

    fn take(&mut self, chunk: &[u8]) {
        for part in chunk.split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(self.line.len());
            self.line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                self.end_line();
            }
        }
    }

    fn end_line(&mut self) {
        let text = String::from_utf8_lossy(&self.line);
        let last = cut_line(&text);
        if !last.is_empty() {
            // The blanks at its beginning may mean something, as in a traceback.
            (self.log)(cut_reason(text.trim_end()));
            self.last = Some(last);
        }
        self.line.clear();
    }

    /// Logs a line without an end, and returns the last line.
    pub(super) fn end(mut self) -> Option<String> {
        self.end_line();
        self.last
    }
}

/// Logs what the pipe brings.
pub(super) async fn log_lines(pipe: Option<impl AsyncRead + Unpin>, lines: &mut LineLog) {
    let Some(mut pipe) = pipe else { return };
    let mut chunk = vec![0; CHUNK];
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        lines.take(&chunk[..length]);
        // A flood of lines must not hold up the other requests.
        yield_now().await;
    }
}
