//! Shows the state of an RFQ, once.

use super::env;
use super::recent::Recent;
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::text::printable;
use crate::core::{RfqId, Timestamp};
use crate::error::Error;
use crate::flow::quotes::Filters;
use crate::terminal::live::size;
use crate::terminal::{Format, Output};
use crate::view::details::Field;
use crate::view::quotes::{Frame, MOST_ROWS, document, table, workshop};

/// The error about an RFQ that is not in the table.
pub(super) async fn unknown(aws: &Aws, id: &RfqId) -> Error {
    let id = printable(id.as_str());
    Recent::of(aws, env).unknown(format!("no RFQ {id} on stack {}", aws.names.stack())).await
}

/// Checks whether filters explain missing providers, if the format has a place for that.
pub(super) async fn explain(output: &Output, aws: &Aws, gathering: &mut Gathering) {
    if output.format != Format::Workshop {
        Box::pin(Filters::default().explain(aws, gathering)).await;
    }
}

pub(super) fn print(output: &Output, aws: &Aws, gathering: &Gathering, fields: &[Field]) {
    match output.format {
        Format::Table => {
            let width = output.is_terminal().then(|| size().0);
            let now = Timestamp::now();
            let stack = aws.names.stack();
            let frame = Frame { stack, now, width, rows: MOST_ROWS, fields };
            output.toned(&table(gathering, frame));
        }
        Format::Json | Format::Jsonl => output.json(&document(gathering)),
        Format::Workshop => output.data(&workshop(gathering)),
    }
}
