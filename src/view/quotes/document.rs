//! The state of an RFQ in JSON: with all details, and as the original answers.

use serde_json::{Number, Value, json};

use crate::core::aggregate::{CompletedBy, Gathering, Provider, Quote, State, Timing};
use crate::core::text::compact_json;
use crate::core::{BestBy, Decimal, Details, Price, Until};

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
            "details": quote.details.as_ref().map(Details::to_value),
        })
    };
    let provider = |provider: &Provider| {
        json!({
            "responder": provider.responder.as_str(),
            "state": provider.state.word(),
            "expected": provider.expected,
            "reason": provider.reason,
            "details": other_details(provider),
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
        "best-by": request.best_by.to_string(),
        "details": request.details.as_ref().map(Details::to_value),
        "closed-at": request.closed_at,
        "status": gathering.status.word(),
        "completed-by": gathering.completed_by.map(CompletedBy::word),
        "expected": gathering.expected,
        "not-asked": gathering.not_asked,
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
                "by": gathering.best_by().to_string(),
                "value": value(gathering, &regret.price, regret.value.as_ref()),
                "deadline-needed-ms": regret.deadline_needed_ms,
            })
        }),
    })
}

/// The best quote, for a document.
pub(in crate::view) fn best(gathering: &Gathering) -> Value {
    let best = gathering.best.as_ref();
    json!(best.map(|best| {
        json!({
            "responder": best.responder.as_str(),
            "quote": best.price.to_json(),
            "by": gathering.best_by().to_string(),
            "value": value(gathering, &best.price, best.value.as_ref()),
        })
    }))
}

/// What orders a quote: its price, or the number in its details, if it has one.
fn value(gathering: &Gathering, price: &Price, value: Option<&Decimal>) -> Option<Number> {
    match gathering.best_by() {
        BestBy::Price => Some(price.to_json()),
        BestBy::Min(_) | BestBy::Max(_) => value.map(Decimal::to_json),
    }
}

/// The details of a reply that is no quote. Those of a quote stand among the quotes.
fn other_details(provider: &Provider) -> Option<Value> {
    let is_quote = matches!(provider.state, State::Quoted | State::Late);
    provider.details.as_ref().filter(|_| !is_quote).map(Details::to_value)
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
