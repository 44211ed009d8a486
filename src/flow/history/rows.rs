//! What rows are, and which of them belong to one RFQ.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::dynamodb_json::{read_line, write_some};
use crate::aws::{Item, LOOKED_BACK_ON, REQUEST_KEY, read_answer, read_expiry, read_request};
use crate::core::{AnswerRow, RequestRow, RfqId, Timestamp};
use crate::error::{Error, Result};

/// What a row is.
pub(super) enum Row {
    /// A request, and when its row expires.
    Request(RequestRow, Option<Timestamp>),
    Answer(AnswerRow),
}

/// The rows of one RFQ. Answers are in the order of the table's sort key, as a query reads them.
#[derive(Default)]
pub(super) struct Found {
    pub(super) request: Option<(RequestRow, Option<Timestamp>)>,
    pub(super) answers: BTreeMap<String, AnswerRow>,
    /// The numbers of the files that its rows came from.
    pub(super) files: BTreeSet<usize>,
}

impl Found {
    /// Adds a row. Of two rows with the same key, a closed request and the answer of the higher rank count, else the
    /// last one.
    fn add(&mut self, row: Row) {
        match row {
            Row::Request(request, expires_at) => {
                let closed = |request: &RequestRow| request.closed_at.is_some();
                let is_closed = self.request.as_ref().is_some_and(|(known, _)| closed(known));
                if closed(&request) || !is_closed {
                    self.request = Some((request, expires_at));
                }
            }
            Row::Answer(answer) => {
                let key = answer.responder.as_str();
                let known = self.answers.get(key).map(|known| known.answer.rank());
                if known.is_none_or(|known| known <= answer.answer.rank()) {
                    self.answers.insert(key.to_owned(), answer);
                }
            }
        }
    }
}

/// The RFQ of a row, and what the row is; `None` for a row of another program.
pub(super) fn read(item: &Item) -> Option<(RfqId, Row)> {
    let text = |name: &str| item.get(name)?.as_s().ok();
    let id = RfqId::parse(text("id")?).ok()?;
    let row = if text("responder")? == REQUEST_KEY {
        Row::Request(read_request(&id, item)?, read_expiry(item))
    } else {
        Row::Answer(read_answer(item)?)
    };
    Some((id, row))
}

/// Adds a line with what counts of a row, and the number of its file.
pub(super) fn write(item: &Item, file: usize, lines: &mut Vec<u8>) {
    lines.extend(file.to_string().bytes());
    lines.push(b' ');
    write_some(item, &LOOKED_BACK_ON, lines);
}

/// The rows of these lines by RFQ.
pub(super) fn grouped(lines: &[u8]) -> Result<BTreeMap<RfqId, Found>> {
    let changed = || Error::other("another program changed the temporary file");
    let mut rfqs = BTreeMap::<RfqId, Found>::new();
    for line in lines.split_inclusive(|byte| *byte == b'\n') {
        let (file, line) = numbered(line).ok_or_else(changed)?;
        let item = read_line(line).map_err(|misread| changed().because(misread.to_string()))?;
        let Some((id, row)) = read(&item) else { continue };
        let found = rfqs.entry(id).or_default();
        found.files.insert(file);
        found.add(row);
    }
    Ok(rfqs)
}

/// The number before a row, and the row.
fn numbered(line: &[u8]) -> Option<(usize, &[u8])> {
    let space = line.iter().position(|byte| *byte == b' ')?;
    let number = str::from_utf8(&line[..space]).ok()?.parse().ok()?;
    Some((number, &line[space + 1..]))
}
