//! Recognises the format of a batch by its beginning, before any of it is submitted: a request on each line, or
//! another format.

use std::io::{self, BufRead, Read as _};
use std::ops::Range;

use serde::de::IgnoredAny;

use crate::core::text::without_mark;
use crate::error::Error;
use crate::flow::draft::{JSON_MAX, is_utf16};
use crate::settings::quoted;

/// Bytes after which the search for a line that is not blank ends.
const LOOK: usize = 65_536;
/// The separators of cells, each with Miller's option for it.
const SEPARATORS: [(char, &str); 3] = [(',', ""), (';', " --ifs semicolon"), ('\t', " --ifs tab")];
/// The fields of a line of a batch.
const COLUMNS: [&str; 5] = ["from", "to", "customer", "rfq-id", "deadline"];

/// A format that does not have a request on each line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Foreign {
    /// UTF-16, by the name that `iconv` knows.
    Utf16(&'static str),
    /// One JSON array.
    Array,
    /// JSON whose objects take several lines.
    Spread,
    /// One JSON object over several lines, with the requests in an array of it.
    Wrapper,
    /// JSON with other text before it.
    Within,
    /// CSV, or similar cells.
    Csv(Cells),
}

/// How the cells of a file become objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cells {
    /// Miller's option for the separator, with a space before it.
    separator: &'static str,
    /// The columns that the header names in another way, each with the right name; `None` without a header.
    header: Option<Vec<(String, &'static str)>>,
}

impl Foreign {
    /// The error that names the format and the command that makes a batch of it. `from` is the file in a shell, if
    /// it has a name; `batch` is the command that reads a batch from stdin.
    pub(super) fn error(&self, name: &str, from: Option<&str>, batch: &str) -> Error {
        const LINES: &str = "one JSON object per line";
        let (what, wanted, with) = match self {
            Self::Utf16(encoding) => ("UTF-16", "UTF-8", format!("iconv -f {encoding} -t UTF-8")),
            Self::Array => ("one JSON array", LINES, "jq -c '.[]'".to_owned()),
            Self::Spread => ("JSON over several lines", LINES, "jq -c .".to_owned()),
            Self::Wrapper => ("JSON over several lines", LINES, "jq -c '.[][]?'".to_owned()),
            Self::Within => ("JSON within other text", LINES, "jq -c '.[]'".to_owned()),
            Self::Csv(cells @ Cells { header: Some(_), .. }) => ("CSV", LINES, cells.command()),
            Self::Csv(cells) => ("CSV without a header of `from` and `to`", LINES, cells.command()),
        };
        let from = from.map_or(String::new(), |file| format!(" {file}"));
        let first = if *self == Self::Within { "remove what is not JSON, then " } else { "" };
        Error::invalid(format!("{name} is {what}, not {wanted}; nothing was sent"))
            .hint(format!("{first}{with}{from} | {batch}"))
    }
}

impl Cells {
    /// Reads a line as a header if it names the columns of requests.
    fn header(line: &str) -> Option<Self> {
        let of = |(separator, option): (char, &'static str)| {
            let named: Vec<_> = line.split(separator).filter_map(named).collect();
            let has = |name| named.iter().any(|(_, column)| *column == name);
            let other = |(cell, column): &(String, &str)| cell != column;
            (has("from") && has("to")).then(|| Self {
                separator: option,
                header: Some(named.iter().filter(|cell| other(cell)).cloned().collect()),
            })
        };
        SEPARATORS.into_iter().find_map(of)
    }

    /// Reads a line that is neither a header nor JSON.
    fn bare(line: &str) -> Option<Self> {
        let most = SEPARATORS.into_iter().rev().max_by_key(|(c, _)| line.matches(*c).count());
        let (_, separator) = most.filter(|(c, _)| line.contains(*c))?;
        (!is_json(line)).then_some(Self { separator, header: None })
    }

    /// The command that makes an object of each line. Every cell stays text.
    fn command(&self) -> String {
        let (implicit, verb) = match &self.header {
            None => (" --implicit-csv-header", "label from,to".to_owned()),
            Some(others) if others.is_empty() => ("", "cat".to_owned()),
            Some(others) => {
                let pairs: Vec<_> =
                    others.iter().map(|(cell, column)| format!("{cell},{column}")).collect();
                ("", format!("rename {}", quoted(&pairs.join(","))))
            }
        };
        format!("mlr -S --icsv{}{implicit} --ojsonl {verb}", self.separator)
    }
}

/// A cell of a header and the column that it means.
fn named(cell: &str) -> Option<(String, &'static str)> {
    let cell = cell.strip_prefix('"').and_then(|cell| cell.strip_suffix('"')).unwrap_or(cell);
    let column = COLUMNS.into_iter().find(|column| column.eq_ignore_ascii_case(cell.trim()))?;
    Some((cell.to_owned(), column))
}

/// Reads the beginning, as far as necessary. Returns the bytes, which must be read again, and the format if it is
/// no batch.
///
/// # Errors
/// When the source cannot be read.
pub fn look(from: &mut impl BufRead) -> io::Result<(Vec<u8>, Option<Foreign>)> {
    let mut head = Vec::new();
    let first = next_line(from, &mut head)?;
    if let Some(encoding) = utf16(&head) {
        return Ok((head, Some(Foreign::Utf16(encoding))));
    }
    let is_whole = first.len() as u64 <= JSON_MAX;
    let line = text(&head[first]);
    let foreign = if line.starts_with('[') {
        Some(Foreign::Array)
    } else if line.is_empty() || is_json(&line) || !is_whole {
        None
    } else if let Some(cells) = Cells::header(&line).filter(|_| !line.starts_with('{')) {
        Some(Foreign::Csv(cells))
    } else {
        let second = next_line(from, &mut head)?;
        let second = text(&head[second]);
        if line.starts_with('{') { begun(&line, &second) } else { after(&line, &second) }
    };
    Ok((head, foreign))
}

/// The format of a file whose first line begins an object. It is no batch if the second line continues that
/// object.
fn begun(line: &str, second: &str) -> Option<Foreign> {
    let read = serde_json::from_str::<IgnoredAny>(line);
    let is_open = line.ends_with(['{', '[', ',', ':']);
    // A single line that is cut off is reported later, with its number.
    let goes_on = is_open || second.starts_with([',', ':', ']', '}', '[', '"']);
    if !goes_on || !read.is_err_and(|error| error.is_eof()) {
        return None;
    }
    let both = format!("{line}{second}");
    Some(if has_array(&both) { Foreign::Wrapper } else { Foreign::Spread })
}

/// Whether an object that has begun holds requests in an array.
fn has_array(begun: &str) -> bool {
    let inside = begun.trim_start_matches('{');
    let mut key = serde_json::Deserializer::from_str(inside).into_iter::<String>();
    let value = match key.next() {
        Some(Ok(_)) => inside[key.byte_offset()..].trim_start().strip_prefix(':'),
        _ => None,
    };
    value.is_some_and(|value| value.trim_start().starts_with('['))
        // An array within a request comes after its cities.
        || begun.ends_with('[') && !begun.contains("\"from\"")
}

/// The format of a file whose first line neither is JSON nor begins it. One line of a batch may be damaged, but
/// hardly two.
fn after(line: &str, second: &str) -> Option<Foreign> {
    let is_opened = line.ends_with(['[', '{', '(', ',']) && line.contains(['[', '{']);
    if is_opened || second.starts_with('[') {
        return Some(Foreign::Within);
    }
    Cells::bare(line).filter(|_| !second.starts_with('{')).map(Foreign::Csv)
}

/// The name of the encoding if the text is UTF-16, with or without a byte order mark.
fn utf16(head: &[u8]) -> Option<&'static str> {
    is_utf16(head).then_some(match head {
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16",
        [0, ..] => "UTF-16BE",
        _ => "UTF-16LE",
    })
}

/// A line without a byte order mark and spaces around it.
fn text(line: &[u8]) -> String {
    without_mark(&String::from_utf8_lossy(line)).trim().to_owned()
}

/// Reads to the end of the next line that is not blank, and returns its position.
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

fn is_json(line: &str) -> bool {
    serde_json::from_str::<IgnoredAny>(line).is_ok()
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
            let marked = text.starts_with('\u{feff}');
            let (here, there) =
                if marked { ("UTF-16", "UTF-16") } else { ("UTF-16LE", "UTF-16BE") };
            assert_eq!(seen(&utf16(text)), Some(Foreign::Utf16(here)), "{text}");
            assert_eq!(seen(&big(text)), Some(Foreign::Utf16(there)), "{text}");
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
            "{\"from\": \"A\",\n\"to\": \"B\"}".to_owned(),
            "{\"from\": \"A\"\n, \"to\": \"B\"\n}".to_owned(),
            "{\"from\":\n\"A\", \"to\": \"B\"}".to_owned(),
            "{\"from\": \"A\", \"to\": \"B\", \"until\": [\n\"3\"]}".to_owned(),
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Spread), "{text}");
        }
        for text in [
            format!("{{\"requests\": [\n{line},\n{line}\n]}}"),
            format!("{{\"requests\":\n[\n{line},\n{line}\n]}}"),
            format!("{{\"requests\"\n: [{line},\n{line}\n]}}"),
            format!("{{\n  \"requests\": [\n{line},\n{line}\n]\n}}"),
            format!("{{\"version\": 1,\n\"requests\": [\n{line},\n{line}\n]}}"),
            format!("{{\"requests\": [{line},\n{line}\n]}}"),
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Wrapper), "{text}");
        }
        for text in [
            format!("# exported\n[\n{line},\n{line}\n]\n"),
            format!("var rides = [\n{line},\n{line}\n];\n"),
            format!("rides([{line},\n{line}\n]);\n"),
            format!("export default {{\n\"rides\": [\n{line},\n{line}\n]}}\n"),
        ] {
            assert_eq!(seen(text.as_bytes()), Some(Foreign::Within), "{text}");
        }
        for text in [
            "from,to\nA,B\n",
            "\u{feff}\"from\";\"to\"\r\n",
            "customer\tTo\tFrom",
            "Frankfurt,Rome\nA,B",
            "Frankfurt;Rome",
        ] {
            assert!(matches!(seen(text.as_bytes()), Some(Foreign::Csv(_))), "{text}");
        }
        assert!(matches!(seen(b"Z\xfcrich,Rom\nGenf,Rom\n"), Some(Foreign::Csv(_))));
    }

    #[test]
    fn the_hint_fits_the_file() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        for (file, what, how) in [
            (utf16("{}"), "UTF-16, not UTF-8", "iconv -f UTF-16BE -t UTF-8"),
            ("{\n\"from\": \"A\"".into(), "JSON over several lines", "jq -c ."),
            ("{\"all\": [\n".into(), "JSON over several lines", "jq -c '.[][]?'"),
            ("# a\n[".into(), "JSON within other", "remove what is not JSON, then jq -c '.[]'"),
            ("from,to\n".into(), "CSV, not", "mlr -S --icsv --ojsonl cat"),
            (
                "From;to\n".into(),
                "CSV, not",
                "mlr -S --icsv --ifs semicolon --ojsonl rename From,from",
            ),
            (
                "\"TO\"\t\"From\"\tprice, net\n".into(),
                "CSV, not",
                "mlr -S --icsv --ifs tab --ojsonl rename TO,to,From,from",
            ),
            ("from, To".into(), "CSV, not", "mlr -S --icsv --ojsonl rename \" To,to\""),
            (
                "Rome;Paris, Texas;x".into(),
                "CSV without a header of `from` and `to`, not",
                "mlr -S --icsv --ifs semicolon --implicit-csv-header --ojsonl label from,to",
            ),
        ] {
            let error = seen(&file).expect("no batch").error("f", Some("f"), "rydes");
            assert!(error.to_string().starts_with(&format!("f is {what}")), "{error}");
            assert_eq!(error.hints(), [format!("{how} f | rydes")]);
        }
    }

    #[test]
    fn lines_stay_lines_whatever_the_first_is() {
        let line = r#"{"from": "A", "to": "B"}"#;
        for first in ["", "\u{feff}", "\n\n", "hello, world\n", "\"a, b\"\n", "x\n", "{}\n"] {
            let text = format!("{first}{line}\n{line}\n");
            assert_eq!(seen(text.as_bytes()), None, "{first}");
        }
        // A line that is cut off is reported with its number.
        assert_eq!(seen(b"{\"from\": \"A\"\n{}"), None);
        let long = format!("{{\"from\": \"{}", "x,".repeat(300_000));
        assert_eq!(seen(long.as_bytes()), None);
        let blank = "\n".repeat(200_000);
        assert_eq!(seen(blank.as_bytes()), None);
        assert_eq!(seen(b""), None);
    }
}
