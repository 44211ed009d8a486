//! What a batch is, seen from its beginning before anything of it is submitted: a request on each
//! line, or something that has no such lines.

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::error::Error;
use crate::model::text::without_mark;
use crate::submission::{JSON_MAX, is_utf16};

/// How much is read to find a line that is not blank, in bytes.
const LOOK: usize = 65_536;

/// A file that has requests, but none on each line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Foreign {
    /// Text in another encoding.
    Utf16,
    /// One JSON array.
    Array,
    /// JSON whose objects take several lines.
    Spread,
    /// Cells, parted by commas, semicolons or tabs.
    Csv,
}

impl Foreign {
    /// Says what the file is, and how to make a batch of it: with `from`, what it is called in a shell,
    /// if anything, and `batch`, the command that reads a batch from stdin.
    pub(super) fn error(self, name: &str, from: Option<&str>, batch: &str) -> Error {
        const LINES: &str = "one JSON object per line";
        let (what, wanted, with) = match self {
            Self::Utf16 => ("UTF-16", "UTF-8", "iconv -f UTF-16 -t UTF-8"),
            Self::Array => ("one JSON array", LINES, "jq -c '.[]'"),
            Self::Spread => ("JSON over several lines", LINES, "jq -c ."),
            Self::Csv => ("CSV", LINES, "mlr --icsv --ojsonl cat"),
        };
        let from = from.map_or(String::new(), |file| format!(" {file}"));
        Error::invalid(format!("{name} is {what}, not {wanted}; nothing was sent"))
            .hint(format!("{with}{from} | {batch}"))
    }
}

/// Reads the beginning, as far as it takes to see what it is. Returns what was read, which is to be
/// read again, and what it is, where that is no batch.
///
/// # Errors
/// When it cannot be read.
pub fn look(from: &mut impl BufRead) -> io::Result<(Vec<u8>, Option<Foreign>)> {
    let mut head = Vec::new();
    let first = next_line(from, &mut head)?;
    let line = String::from_utf8_lossy(&head[first]).into_owned();
    let line = without_mark(&line).trim();
    let foreign = if is_utf16(&head) {
        Some(Foreign::Utf16)
    } else if line.starts_with('[') {
        Some(Foreign::Array)
    } else if line.starts_with('{') {
        is_begun(line).then_some(Foreign::Spread)
    } else if is_header(line) {
        Some(Foreign::Csv)
    } else if has_cells(line) {
        // A line of a batch may be spoiled, but hardly two.
        let second = next_line(from, &mut head)?;
        let is_object = head[second].trim_ascii_start().starts_with(b"{");
        (!is_object).then_some(Foreign::Csv)
    } else {
        None
    };
    Ok((head, foreign))
}

/// Reads on to the end of the next line that is not blank; returns where it is.
fn next_line(from: &mut impl BufRead, head: &mut Vec<u8>) -> io::Result<Range<usize>> {
    loop {
        let start = head.len();
        let read = from.by_ref().take(JSON_MAX + 1).read_until(b'\n', head)?;
        let line = start..head.len();
        let text = str::from_utf8(&head[line.clone()]).unwrap_or("?");
        let is_blank = without_mark(text).trim().is_empty();
        if read == 0 || !is_blank || head.len() > LOOK {
            return Ok(line);
        }
    }
}

/// Whether it is the beginning of an object that goes on in the next line.
fn is_begun(line: &str) -> bool {
    let read = serde_json::from_str::<IgnoredAny>(line);
    line.ends_with(['{', '[', ',']) && read.is_err_and(|error| error.is_eof())
}

/// Whether it names the columns of requests.
fn is_header(line: &str) -> bool {
    let named = |name: &str| {
        let mut cells = line.split([',', ';', '\t']);
        cells.any(|cell| cell.trim().trim_matches('"').eq_ignore_ascii_case(name))
    };
    named("from") && named("to")
}

/// Whether it has cells, and is no JSON.
fn has_cells(line: &str) -> bool {
    line.contains([',', ';', '\t']) && serde_json::from_str::<IgnoredAny>(line).is_err()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(mut text: &[u8]) -> Option<Foreign> {
        let whole = text;
        let (head, foreign) = look(&mut text).expect("bytes can be read");
        assert_eq!([&head, text].concat(), whole, "nothing is lost");
        foreign
    }

    #[test]
    fn what_is_no_batch_is_seen_at_its_beginning() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let big = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        let line = r#"{"from": "A", "to": "B"}"#;
        for text in [line, "\u{feff}[]", "\r\n\r\n{}", "x"] {
            assert_eq!(seen(&utf16(text)), Some(Foreign::Utf16), "{text}");
            assert_eq!(seen(&big(text)), Some(Foreign::Utf16), "{text}");
        }
        for text in [
            format!("[{line}, {line}]"),
            format!("[\n  {line},\n  {line}\n]\n"),
            format!("\u{feff}\n\n [\n{line}\n]"),
            "[]".to_owned(),
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Array), "{text}");
        }
        for text in [
            "{\n  \"from\": \"A\",\n  \"to\": \"B\"\n}\n".to_owned(),
            format!("{{\"requests\": [\n{line},\n{line}\n]}}"),
            "{\"from\": \"A\",\n\"to\": \"B\"}".to_owned(),
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Spread), "{text}");
        }
        for text in [
            "from,to\nA,B\n",
            "\u{feff}\"from\";\"to\"\r\n",
            "customer\tTo\tFrom",
            "Frankfurt,Rome\nA,B",
            "Frankfurt;Rome",
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Csv), "{text}");
        }
        assert_eq!(seen(b"Z\xfcrich,Rom\nGenf,Rom\n"), Some(Foreign::Csv));
    }

    #[test]
    fn lines_stay_lines_whatever_the_first_is() {
        let line = r#"{"from": "A", "to": "B"}"#;
        for first in ["", "\u{feff}", "\n\n", "hello, world\n", "\"a, b\"\n", "x\n", "{}\n"] {
            let text = format!("{first}{line}\n{line}\n");
            assert_eq!(seen(text.as_bytes()), None, "{first}");
        }
        // One that is cut off is named with its number.
        assert_eq!(seen(b"{\"from\": \"A\"\n{}"), None);
        let long = format!("{{\"from\": \"{}", "x,".repeat(100_000));
        assert_eq!(seen(long.as_bytes()), None);
        let blank = "\n".repeat(200_000);
        assert_eq!(seen(blank.as_bytes()), None);
        assert_eq!(seen(b""), None);
    }
}
