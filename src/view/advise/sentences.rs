//! The advice in sentences.

use super::length;
use crate::core::history::Advice;
use crate::view::count_of;
use crate::view::figures::share;
use crate::view::tone::{Line, Tone};

/// The sentence that matters: which deadline keeps how many of the best quotes, beside the one of today.
pub fn headline(advice: &Advice) -> Line {
    let market = &advice.market;
    let rfqs = count_of(market.gatherings, "RFQ");
    match (market.gatherings, market.with_best, &advice.advised) {
        (0, ..) => Line::from("no RFQ to learn from".to_owned()),
        (_, 0, _) => Line::from(format!("no quote came for {rfqs}: any deadline is as good")),
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

/// A deadline beside the gatherings' own.
fn beside(advice: &Advice, deadline: i64, kept: u64) -> String {
    let total = advice.market.with_best;
    let keeps = format!(
        "a deadline of {} keeps {} of the best quotes",
        length(deadline),
        share(kept, total)
    );
    let own_kept = share(advice.own.kept, total);
    let Some(own) = advice.own.deadline else {
        return match advice.market.own_deadlines {
            Some((shortest, longest)) => format!(
                "{keeps}; today's, {} to {}, keep {own_kept}",
                length(shortest),
                length(longest)
            ),
            None => keeps,
        };
    };
    let today = length(own);
    if own <= deadline && advice.is_own_enough() {
        let least = percent(advice.keep);
        return format!(
            "today's {today} keeps {own_kept} of the best quotes; no shorter deadline keeps {least}"
        );
    }
    if own <= deadline {
        return format!("{keeps}; today's {today} keeps {own_kept}");
    }
    let longer = length(own - deadline);
    if advice.own.kept == kept {
        return format!("{keeps}, as many as today's {today}, which waits up to {longer} longer");
    }
    let gained = difference(advice.own.kept, kept, total);
    let gained = if advice.own.kept == total {
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

/// `95 %`, `99.5 %`.
fn percent(share: f64) -> String {
    let percent = format!("{:.3}", share * 100.0);
    format!("{} %", percent.trim_end_matches('0').trim_end_matches('.'))
}

/// What the advice cannot know, and why.
pub fn unknowns(advice: &Advice) -> Vec<String> {
    let market = &advice.market;
    let mut all = Vec::new();
    if market.is_few() && market.gatherings > 0 {
        let rfqs = count_of(market.gatherings, "RFQ");
        all.push(format!("only {rfqs}: with fewer than 30, the next ones may be quite different"));
    }
    if market.unsent > 0 {
        let times = count_of(market.unsent, "time");
        all.push(format!(
            "not known: {times} a provider took the request after its deadline and sent no answer; \
             a longer deadline may keep more than is shown"
        ));
    }
    if market.closed > 0 {
        let rfqs = count_of(market.closed, "RFQ");
        all.push(format!(
            "not known: what {rfqs} would have got without being closed; they end at the closing \
             under any deadline"
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
