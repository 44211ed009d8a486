//! What is new since the previous snapshot of a wait.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::sentences::after;
use crate::core::Details;
use crate::core::aggregate::{Gathering, Provider};
use crate::core::text::printable;

/// A provider whose answer is new since the last snapshot of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct News {
    provider: Provider,
    price: Option<String>,
}

/// The news since the previous snapshot.
pub fn news(before: Option<&Gathering>, now: &Gathering) -> Vec<News> {
    let known: HashMap<_, _> = before
        .map(|before| before.providers.iter().map(|p| (&p.responder, p.state)).collect())
        .unwrap_or_default();
    now.providers
        .iter()
        .filter(|provider| provider.state.is_answer())
        .filter(|provider| known.get(&provider.responder) != Some(&provider.state))
        .map(|provider| {
            let quote = now.quotes.iter().find(|quote| quote.responder == provider.responder);
            News { provider: provider.clone(), price: quote.map(|quote| quote.price.to_string()) }
        })
        .collect()
}

impl News {
    /// A line for people: `+600 ms  quoted    UnicornManagementResource9  80`.
    pub fn line(&self) -> String {
        let what = match (&self.price, &self.provider.reason) {
            (Some(price), _) => price.clone(),
            (None, reason) => reason.as_deref().map(printable).unwrap_or_default(),
        };
        format!(
            "+{:<6}  {:<8}  {}  {what}",
            after(self.provider.after_ms),
            self.provider.state.word(),
            printable(self.provider.responder.as_str())
        )
    }

    /// A line for programs.
    pub fn document(&self, gathering: &Gathering) -> Value {
        let quote =
            gathering.quotes.iter().find(|quote| quote.responder == self.provider.responder);
        json!({
            "rfq-id": gathering.request.id.as_str(),
            "status": gathering.status.word(),
            "responder": self.provider.responder.as_str(),
            "state": self.provider.state.word(),
            "quote": quote.map(|quote| quote.price.to_json()),
            "after-ms": self.provider.after_ms,
            "reason": self.provider.reason,
            "details": self.provider.details.as_ref().map(Details::to_value),
        })
    }
}
