//! The state of an RFQ for the page: the document of `--output json`, and what people see, ready to be drawn.

mod axis;
mod rows;

use std::time::Duration;

use serde_json::{Value, json};

use self::axis::Axis;
use self::rows::Rows as PageRows;
use super::details::{self, Field};
use super::quotes::{document as plain, standing};
use super::tone::Tone;
use super::trace::document as timeline_document;
use crate::core::Rows;
use crate::core::aggregate::{Gathering, Status};
use crate::core::text::printable;
use crate::core::timeline::Timeline;

/// What the queues say while no provider has answered, with the command that helps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unread {
    /// A sentence.
    pub said: String,
    /// The command line that helps, where there is one.
    pub command: Option<String>,
}

/// The fields of `quotes --output json`, and these for people:
///
/// - `shown`: `from`, `to` and `customer`, safe to print;
/// - `answer`: the best quote with its `label`, or the label alone;
/// - `truth`: sentences: how the RFQ stands, then what a longer wait would have brought;
/// - `table`: a row for each provider in the order of the terminal, with its `bar` in milliseconds;
/// - `order` and `fields`: the titles of the value that orders the quotes, and of the details that are shown;
/// - `axis`: the scale of the bars, with the deadline;
/// - `unread`: what the queues say, if no provider has answered and the queues explain it;
/// - `timeline`: the fields of `trace --output json`.
///
/// While the rows and `unread` stay the same, only the end of the RFQ by the clock changes the document.
pub fn document(rows: &Rows, gathering: &Gathering, unread: Option<&Unread>) -> Value {
    let timeline = Timeline::of(rows, gathering);
    let mut document = plain(gathering);
    let fields = details::shown(gathering, &details::common(gathering));
    let order = gathering.request.best_by.pointer().map(Field::of_order);
    let table = PageRows::of(gathering, &timeline, &fields, order.as_ref());
    let title = |field: &Field| field.title(details::WIDTHS[0]);
    document["order"] = json!(order.as_ref().map(title));
    document["fields"] = fields.iter().map(title).collect();
    document["answer"] = answer(gathering, &table);
    document["table"] = table.document();
    document["truth"] = truth(gathering);
    document["axis"] = Axis::of(&timeline, gathering).document(&timeline);
    document["unread"] = json!(
        unread.map(|unread| json!({"said": printable(&unread.said), "command": unread.command}))
    );
    let request = &gathering.request;
    document["shown"] = json!({
        "from": printable(&request.ride.from),
        "to": printable(&request.ride.to),
        "customer": printable(&request.ride.customer),
    });
    document["timeline"] = timeline_document(&timeline, gathering);
    document
}

/// How the RFQ stands, and what a longer wait would have brought. The page shows the best quote apart.
fn truth(gathering: &Gathering) -> Value {
    let lines = standing(gathering, None);
    let (regret, how): (Vec<_>, Vec<_>) = lines
        .into_iter()
        .map(|line| (line.tone, line.text))
        .partition(|(tone, _)| *tone == Tone::Late);
    let how: Vec<_> = how.into_iter().map(|(_, text)| text).collect();
    let regret = regret.into_iter().map(|(_, text)| text);
    std::iter::once(how.join("; ")).chain(regret).collect()
}

/// The answer in short: `Best`, the price, the responder and its time.
fn answer(gathering: &Gathering, table: &PageRows) -> Value {
    let goes_on = gathering.status == Status::Gathering;
    let Some(best) = table.best() else {
        return json!({"label": if goes_on { "No quote yet" } else { "No quote in time" }});
    };
    let mut answer = best.summary();
    answer["label"] = json!(if goes_on { "Best so far" } else { "Best" });
    answer
}

/// Milliseconds as a duration; none before zero.
fn duration(millis: i64) -> Duration {
    Duration::from_millis(u64::try_from(millis).unwrap_or(0))
}
