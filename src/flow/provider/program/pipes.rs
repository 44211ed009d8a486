//! The pipes of a program: what it is given, what it says, and what it logs.

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio_util::sync::CancellationToken;

use super::super::service::{MAX_ANSWER, cut_line};

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

/// Logs each line that is not blank; `last` holds the last of them.
pub(super) async fn log_lines(
    pipe: Option<impl AsyncRead + Unpin>,
    log: &(dyn Fn(String) + Send + Sync),
    last: &mut Option<String>,
) {
    let Some(mut pipe) = pipe else { return };
    let mut take = |line: &mut Vec<u8>| {
        let text = cut_line(&String::from_utf8_lossy(line));
        line.clear();
        if !text.is_empty() {
            log(text.clone());
            *last = Some(text);
        }
    };
    let (mut chunk, mut line) = (vec![0; CHUNK], Vec::new());
    while let Ok(length @ 1..) = pipe.read(&mut chunk).await {
        for part in chunk[..length].split_inclusive(|byte| *byte == b'\n') {
            let room = LINE_BYTES.saturating_sub(line.len());
            line.extend_from_slice(&part[..part.len().min(room)]);
            if part.ends_with(b"\n") {
                take(&mut line);
            }
        }
    }
    take(&mut line);
}
