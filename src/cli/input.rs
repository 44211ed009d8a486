//! The text of an option: typed, or read from a file or stdin.

use std::io::{self, Read};
use std::path::PathBuf;

use super::{Context, attended};
use crate::core::Details;
use crate::core::text::printable;
use crate::error::{Error, Result};
use crate::flow::draft::{JSON_MAX, check_details, utf8};

/// Reads a file, or stdin with `-`. Returns its name, safe to print, and its text.
///
/// # Errors
/// Invalid when it cannot be read, is no UTF-8, or is longer than a request may be.
pub(super) async fn text_of(context: &Context, file: PathBuf) -> Result<(String, String)> {
    let is_stdin = file.as_os_str() == "-";
    let name = if is_stdin { "stdin".to_owned() } else { file.display().to_string() };
    // Stdin and pipes may block for any time.
    let read = attended(context, move || {
        if is_stdin { read(io::stdin().lock()) } else { std::fs::File::open(file).and_then(read) }
    });
    let (name, read) = (printable(&name), read.await?);
    let bytes = read.map_err(|error| Error::invalid(format!("cannot read {name}")).because(error));
    let bytes = bytes?;
    if u64::try_from(bytes.len()).is_ok_and(|length| length > JSON_MAX) {
        return Err(Error::invalid(format!("{name} is longer than {JSON_MAX} bytes")));
    }
    let text = utf8(&name, bytes)?;
    Ok((name, text))
}

/// Details that were typed, or that are read from a file or stdin.
///
/// # Errors
/// Invalid, with the problem.
pub(super) async fn read_details(context: &Context, typed: &str) -> Result<Option<Details>> {
    let checked = check_details("--details", &typed_or_read(context, typed).await?);
    checked.map_err(|error| match typed.strip_prefix('@') {
        Some(_) => error,
        None => error.hint("a file is typed as `@FILE`, and a JSON text has double quotes"),
    })
}

/// The text that was typed, or that of the file in `@FILE`, or of stdin with `@-`.
///
/// # Errors
/// Those of [`text_of`].
pub(super) async fn typed_or_read(context: &Context, typed: &str) -> Result<String> {
    match typed.strip_prefix('@') {
        Some("") => Err(Error::invalid("no file name follows `@`")),
        Some(file) => text_of(context, file.into()).await.map(|(_, text)| text),
        None => Ok(typed.to_owned()),
    }
}

/// Reads everything, but at most one byte more than a request may have.
fn read(from: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    from.take(JSON_MAX + 1).read_to_end(&mut bytes).map(|_| bytes)
}
