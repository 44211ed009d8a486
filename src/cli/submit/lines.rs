//! Reads the lines of a batch one by one. Never holds more of a line than a request may have.

use std::io::{self, BufRead, Read as _};

use tokio::sync::mpsc;

use crate::core::text::without_mark;
use crate::flow::draft::JSON_MAX;

/// A line that is not blank.
#[derive(Debug, PartialEq, Eq)]
pub struct BatchLine {
    /// The number of the line, from 1; blank lines count.
    pub number: u64,
    /// Bytes of the file up to the end of this line.
    pub bytes: u64,
    /// The text, or what is wrong with it.
    pub text: Result<String, String>,
}

/// Reads lines until the end, an error, or until the receiver is dropped.
pub fn read_lines(mut from: impl BufRead, lines: &mpsc::Sender<io::Result<BatchLine>>) {
    let (mut number, mut bytes) = (0, 0);
    loop {
        let line = match read_line(&mut from) {
            Ok(None) => return,
            Ok(Some((length, text))) => {
                number += 1;
                bytes += length;
                if text.as_ref().is_ok_and(|text| text.trim().is_empty()) {
                    continue;
                }
                Ok(BatchLine { number, bytes, text })
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => Err(error),
        };
        let is_last = line.is_err();
        if lines.blocking_send(line).is_err() || is_last {
            return;
        }
    }
}

/// The next line with its length in bytes; an inner error if it is not UTF-8 or too long.
fn read_line(from: &mut impl BufRead) -> io::Result<Option<(u64, Result<String, String>)>> {
    let mut line = Vec::new();
    let read = from.by_ref().take(JSON_MAX + 1).read_until(b'\n', &mut line)?;
    let mut length = u64::try_from(read).unwrap_or(u64::MAX);
    if length == 0 {
        return Ok(None);
    }
    if length > JSON_MAX && line.last() != Some(&b'\n') {
        length += u64::try_from(from.skip_until(b'\n')?).unwrap_or(u64::MAX);
        return Ok(Some((length, Err(format!("it is longer than {JSON_MAX} bytes")))));
    }
    let text = String::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned());
    // Some editors write a byte order mark before the first line.
    Ok(Some((length, text.map(|text| without_mark(&text).to_owned()))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &[u8]) -> Vec<BatchLine> {
        let (sender, mut read) = mpsc::channel(100);
        read_lines(text, &sender);
        drop(sender);
        std::iter::from_fn(|| read.blocking_recv()).map(|line| line.expect("no error")).collect()
    }

    #[test]
    fn lines_are_numbered_and_blank_ones_passed_over() {
        let read = lines(b"\xef\xbb\xbfa\r\n\n  \nb\nlast");
        let told: Vec<_> =
            read.iter().map(|line| (line.number, line.bytes, line.text.as_deref())).collect();
        assert_eq!(told, [(1, 6, Ok("a\r\n")), (4, 12, Ok("b\n")), (5, 16, Ok("last"))]);
    }

    #[test]
    fn what_is_too_long_or_no_text_is_named_and_its_neighbours_are_read() {
        let mut text = vec![b'x'; 2_000_000];
        text.extend(b"\na\n\xff\nb\n");
        let read = lines(&text);
        let texts: Vec<_> = read.iter().map(|line| line.text.as_deref()).collect();
        assert!(matches!(texts[0], Err(problem) if problem.contains("524288 bytes")));
        assert!(matches!(texts[2], Err(problem) if problem.contains("UTF-8")));
        assert_eq!((texts[1], texts[3]), (Ok("a\n"), Ok("b\n")));
        assert_eq!(read[3].number, 4);
        assert_eq!(read[3].bytes, u64::try_from(text.len()).expect("small"));
    }

    #[test]
    fn a_line_of_just_the_longest_length_is_taken() {
        let longest = usize::try_from(JSON_MAX).expect("small");
        let mut text = vec![b'x'; longest];
        text.extend(b"\nb");
        assert_eq!(lines(&text).len(), 2);
        assert!(lines(&text)[0].text.is_ok());
    }
}
