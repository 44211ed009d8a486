//! The advice in sentences.

use super::length;
use crate::core::history::{Advice, Point};
use crate::view::count_of;
use crate::view::figures::{share, time};
use crate::view::tone::{Line, Tone};

/// The sentence that matters: which deadline keeps how many of the best quotes, and what today's keeps.
pub fn headline(advice: &Advice) -> Line {
    let market = &advice.market;
    let rfqs = count_of(market.rfqs, "RFQ");
    match (market.rfqs, market.with_best, &advice.advised) {
        (0, ..) => Line::from("no advice: there is no past RFQ to evaluate".to_owned()),
        (_, 0, _) => Line::from(format!("no advice: {rfqs} got no quote, not even a late one")),
        (_, _, None) => Line::from(format!(
            "no deadline up to a day keeps {} of the best quotes of {rfqs}",
            percent(advice.keep)
        )),
        (_, _, Some(advised)) => {
            let deadline = advised.deadline.unwrap_or_default();
            Line::new(Tone::Best, beside(advice, deadline, advised.kept))
        }
    }
}

/// A deadline compared with today's.
fn beside(advice: &Advice, deadline: i64, kept: u64) -> String {
    let total = advice.market.with_best;
    let keeps = format!(
        "a deadline of {} keeps {} of the best quotes",
        length(deadline),
        share(kept, total)
    );
    let own_kept = share(advice.today.kept, total);
    let longest = |point: Option<&Point>| point.and_then(|point| point.wait_max).unwrap_or(0);
    let longer = longest(Some(&advice.today)).saturating_sub(longest(advice.advised.as_ref()));
    let longer = (longer > 0).then(|| time(longer));
    let Some(own) = advice.today.deadline else {
        let Some((shortest, longest)) = advice.market.todays_deadlines else { return keeps };
        let wait = longer.map(|longer| format!(" and wait up to {longer} longer"));
        let (shortest, longest) = (length(shortest), length(longest));
        let wait = wait.unwrap_or_default();
        return format!("{keeps}; today's, {shortest} to {longest}, keep {own_kept}{wait}");
    };
    let today = length(own);
    if own == deadline {
        let least = percent(advice.keep);
        return format!(
            "today's {today} keeps {own_kept} of the best quotes; none that is much shorter keeps {least}"
        );
    }
    if own < deadline {
        return format!("{keeps}; today's {today} keeps {own_kept}");
    }
    let Some(longer) = longer else {
        return format!("{keeps}, as many as today's {today}, which makes no RFQ wait longer");
    };
    if advice.today.kept == kept {
        return format!("{keeps}, as many as today's {today}, which waits up to {longer} longer");
    }
    let gained = difference(advice.today.kept, kept, total);
    let gained = if advice.today.kept == total {
        format!("for the other {gained}")
    } else {
        format!("for {gained} more")
    };
    format!("{keeps}; today's {today} waits up to {longer} longer {gained}")
}

/// The difference of two shares as they are shown, so that a reader who subtracts gets the same.
fn difference(more: u64, less: u64, total: u64) -> String {
    let tenths = |part: u64| (part * 2_000 + total) / (total * 2);
    match tenths(more).saturating_sub(tenths(less)) {
        0 => share(more.saturating_sub(less), total),
        tenths => format!("{}.{} %", tenths / 10, tenths % 10),
    }
}

/// A share as it is typed: `95 %`, `99.5 %`.
fn percent(share: f64) -> String {
    let percent = format!("{:.3}", share * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

fn was(count: u64) -> &'static str {
    if count == 1 { "was" } else { "were" }
}

/// What the advice cannot know, and why.
pub fn unknowns(advice: &Advice) -> Vec<String> {
    let market = &advice.market;
    let mut all = Vec::new();
    if market.is_few() && market.rfqs > 0 {
        let rfqs = count_of(market.rfqs, "RFQ");
        all.push(format!("only {rfqs}: fewer than 30 say little about the next ones"));
    }
    if market.unsent > 0 {
        let requests = count_of(market.unsent, "request");
        all.push(format!(
            "not known: {requests} reached a provider after the end and got no answer; with a longer \
             deadline, it might have quoted"
        ));
    }
    if market.replayed > 0 {
        let answers = count_of(market.replayed, "late answer");
        all.push(format!(
            "not counted: {answers} to replayed dead letters, which no deadline would have brought"
        ));
    }
    if market.closed > 0 {
        let (rfqs, were) = (count_of(market.closed, "RFQ"), was(market.closed));
        all.push(format!(
            "not known: what later answers would have brought; {rfqs} {were} closed, which no \
             deadline changes"
        ));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_rounded_as_they_are_shown() {
        assert_eq!(difference(1_000, 952, 1_000), "4.8 %");
        assert_eq!(difference(3, 2, 3), "33.3 %");
        assert_eq!(difference(100_001, 100_000, 200_000), "<0.1 %");
        assert_eq!(
            (percent(0.95), percent(0.995), percent(1.0)),
            ("95 %".into(), "99.5 %".into(), "100 %".into())
        );
    }
}
