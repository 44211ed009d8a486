//! LocalStack's log, line by line. Changes nothing.

use std::io::{BufRead, BufReader, ErrorKind};
use std::ops::ControlFlow;
use std::thread;
use std::time::Duration;

use super::{Instance, compose, packages};
use crate::error::{Error, Result};
use crate::tools::file;

/// How often a followed log is read again.
const LOOK: Duration = Duration::from_millis(200);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// The lines so far.
    SoFar,
    /// The lines so far and the later ones, until LocalStack ends.
    Follow,
}

/// Calls `line` with each line of the log until it breaks off. Fails when `up` has not started LocalStack on this
/// port.
pub fn logs(
    instance: &Instance,
    extent: Extent,
    mut line: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<()> {
    if compose::is_ours(instance) {
        let arguments: &[&str] = if extent == Extent::Follow { &["--follow"] } else { &[] };
        let mut child = compose::logs(instance, arguments)?;
        let stdout = child.stdout.take().map(BufReader::new);
        let mut read = stdout.into_iter().flat_map(BufRead::lines).map_while(Result::ok);
        let closed = read.any(|text| line(&text).is_break());
        if closed {
            // The process may have ended by itself.
            _ = child.kill();
        }
        return child
            .wait()
            .map(drop)
            .map_err(|error| Error::other("docker failed").because(error));
    }
    let log = file::open(&instance.log()).map_err(|error| match error.kind() {
        ErrorKind::NotFound => {
            let port = instance.port;
            Error::other(format!("`rydes localstack up` has started nothing on port {port}"))
        }
        _ => Error::other(format!("cannot read {}", instance.log().display())).because(error),
    })?;
    follow(instance, extent, BufReader::new(log), line)
}

fn follow(
    instance: &Instance,
    extent: Extent,
    mut log: impl BufRead,
    mut line: impl FnMut(&str) -> ControlFlow<()>,
) -> Result<()> {
    let failed = |error| Error::other("cannot read LocalStack's log").because(error);
    let mut bytes = Vec::new();
    loop {
        // Checked before the last read, so that no line is missed.
        let last = extent == Extent::SoFar || !packages::is_ours(instance);
        while log.read_until(b'\n', &mut bytes).map_err(failed)? > 0 {
            if bytes.ends_with(b"\n") || last {
                let text = String::from_utf8_lossy(&bytes);
                if line(text.trim_end_matches(['\n', '\r'])).is_break() {
                    return Ok(());
                }
                bytes.clear();
            }
        }
        if last {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
}
