//! The state of an RFQ in JSON: with all details, and as the original answers.

use serde_json::{Value, json};

use crate::core::Until;
use crate::core::aggregate::{CompletedBy, Gathering, Provider, Quote, Timing};
use crate::core::text::compact_json;

/// The document of `--output json` (contract, section 6).
pub fn document(gathering: &Gathering) -> Value {
    let request = &gathering.request;
    let quote = |quote: &Quote| {
        json!({
            "responder": quote.responder.as_str(),
            "quote": quote.price.to_json(),
            "sent-at": quote.sent_at,
            "after-ms": quote.after_ms,
            "late": quote.timing != Timing::InTime,
            "expected": quote.expected,
        })
    };
    let provider = |provider: &Provider| {
        json!({
            "responder": provider.responder.as_str(),
            "state": provider.state.word(),
            "expected": provider.expected,
            "reason": provider.reason,
        })
    };
    json!({
        "rfq-id": request.id.as_str(),
        "from": request.ride.from,
        "to": request.ride.to,
        "customer": request.ride.customer,
        "submitted-at": request.submitted_at,
        "deadline": request.deadline,
        "until": until(gathering),
        "closed-at": request.closed_at,
        "status": gathering.status.word(),
        "completed-by": gathering.completed_by.map(CompletedBy::word),
        "expected": gathering.expected,
        "answered": gathering.answered,
        "late": gathering.late,
        "unexpected": gathering.unexpected,
        "quotes": gathering.quotes.iter().map(quote).collect::<Vec<_>>(),
        "best": best(gathering),
        "providers": gathering.providers.iter().map(provider).collect::<Vec<_>>(),
        "regret": gathering.regret.as_ref().map(|regret| {
            json!({
                "responder": regret.responder.as_str(),
                "quote": regret.price.to_json(),
                "deadline-needed-ms": regret.deadline_needed_ms,
            })
        }),
    })
}

/// The best quote, for a document.
pub(in crate::view) fn best(gathering: &Gathering) -> Value {
    let best = gathering.best.as_ref();
    json!(best.map(|best| {
        json!({"responder": best.responder.as_str(), "quote": best.price.to_json()})
    }))
}

/// The conditions that applied, including the stall limit of this wait.
fn until(gathering: &Gathering) -> Vec<String> {
    let stall = gathering.stall.map(|stall| Until::Stall(stall).to_string());
    gathering.until.iter().map(ToString::to_string).chain(stall).collect()
}

/// The original's own response, as Python's `json.dumps` writes it.
pub fn workshop(gathering: &Gathering) -> String {
    let text = |text: &str| compact_json(&text);
    let mut quotes: Vec<_> = gathering.quotes.iter().collect();
    quotes.sort_by(|a, b| a.responder.as_str().cmp(b.responder.as_str()));
    let quotes: Vec<_> = quotes
        .into_iter()
        .map(|quote| {
            let price = text(&quote.price.to_string());
            format!("{{\"responder\": {}, \"quote\": {price}}}", text(quote.responder.as_str()))
        })
        .collect();
    let request = &gathering.request;
    format!(
        "{{\"quotes\": [{}], \"rfq-id\": {}, \"from\": {}, \"to\": {}, \"customer\": {}}}",
        quotes.join(", "),
        text(request.id.as_str()),
        text(&request.ride.from),
        text(&request.ride.to),
        text(&request.ride.customer)
    )
}
