//! Shows the state of an RFQ, once.

use super::env;
use super::recent::Recent;
use crate::aws::Aws;
use crate::core::aggregate::Gathering;
use crate::core::text::printable;
use crate::core::{RfqId, Timestamp};
use crate::error::{Error, Kind};
use crate::flow::quotes::Filters;
use crate::terminal::{Format, Output};
use crate::view::details::{Field, absent};
use crate::view::quotes::{Frame, document, table, workshop};

/// The error about an RFQ that is not in the table.
pub(super) async fn unknown(aws: &Aws, id: &RfqId) -> Error {
    let recent = Recent::of(aws, env);
    let message = format!("no RFQ {} on stack {}", printable(id.as_str()), aws.names.stack());
    if recent.knows(id).await {
        return Error::new(Kind::NoSuchRfq, message).hint(
            "it was submitted from this machine; its rows have expired, or the stack was made anew",
        );
    }
    recent.unknown(message).await
}

/// Checks whether filters explain missing providers, if the format has a place for that.
pub(super) async fn explain(output: &Output, aws: &Aws, gathering: &mut Gathering) {
    if output.format != Format::Workshop {
        Box::pin(Filters::default().explain(aws, gathering)).await;
    }
}

pub(super) fn print(output: &Output, aws: &Aws, gathering: &Gathering, fields: &[Field]) {
    match output.format {
        Format::Table | Format::Otlp | Format::Csv => {
            let width = output.width();
            let now = Timestamp::now();
            let stack = aws.names.stack();
            let frame = Frame { stack, now, width, height: None, fields };
            output.toned(&table(gathering, frame));
            if let Some(absent) = absent(gathering, fields) {
                output.note(&absent);
            }
        }
        Format::Json | Format::Jsonl => output.json(&document(gathering)),
        Format::Workshop => output.data(&workshop(gathering)),
    }
}
