//! A gathering under another deadline is evaluated as if the request had that deadline.

use proptest::option::of;
use proptest::prelude::*;
use rydes::core::Rows;
use rydes::core::aggregate::{Gathering, Hindsight, Status, Timing, Verdict, aggregate};

use crate::aggregate::sheet::{Sheet, instants, sheets, time};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// How the rows stand after everything has come.
fn live(rows: &Rows) -> Gathering {
    aggregate(rows, time(100_000_000), None)
}

fn assert_same(verdict: &Verdict<'_>, live: &Gathering) {
    assert_eq!(verdict.status, live.status);
    assert_eq!(verdict.completed_by, live.completed_by);
    assert_eq!(verdict.ended_at, live.ended_at());
    let best = live.best.as_ref().map(|best| (&best.responder, Some(&best.price)));
    assert_eq!(verdict.best.map(|row| (&row.responder, row.quote())), best);
    // What a customer has who stops waiting at the end.
    let end = live.ended_at();
    let taken = live.quotes.iter().find(|quote| {
        let had_come = end.is_none() || quote.at <= end;
        quote.timing == Timing::InTime && quote.expected != Some(false) && had_come
    });
    assert_eq!(verdict.taken.map(|row| &row.responder), taken.map(|quote| &quote.responder));
    assert_eq!(verdict.price, taken.map(|quote| &quote.price));
    let regret = live.regret.as_ref().map(|regret| &regret.responder);
    assert_eq!(verdict.regret.map(|row| &row.responder), regret);
}

proptest! {
    #![proptest_config(config(10_000))]

    #[test]
    fn under_its_own_deadline_a_gathering_ends_as_it_did(sheet in sheets()) {
        let rows = sheet.rows();
        assert_same(&Hindsight::of(&rows).verdict(), &live(&rows));
    }

    #[test]
    fn under_another_deadline_it_ends_as_if_the_request_had_it(
        sheet in sheets(),
        deadlines in proptest::collection::vec(of(instants()), 1..4),
    ) {
        let rows = sheet.rows();
        let mut hindsight = Hindsight::of(&rows);
        for deadline in deadlines {
            hindsight.set_deadline(deadline.map(time));
            let other = Sheet { deadline, ..sheet.clone() }.rows();
            assert_same(&hindsight.verdict(), &live(&other));
        }
    }

    #[test]
    fn who_is_waited_for_has_not_answered_or_answered_last(sheet in sheets()) {
        let rows = sheet.rows();
        let (hindsight, live) = (Hindsight::of(&rows), live(&rows));
        let waited_for: Vec<_> = hindsight.waited_for().cloned().collect();
        let expected = live.providers.iter().filter(|one| one.expected == Some(true));
        prop_assert!(waited_for.iter().all(|who| expected.clone().any(|one| one.responder == *who)));
        if live.status == Status::Complete {
            prop_assert!(!waited_for.is_empty() || live.expected.is_none());
        } else if let Some(expected) = live.expected.filter(|_| live.request.expected.as_ref().is_some_and(|all| unique(all))) {
            prop_assert_eq!(waited_for.len(), expected - live.answered);
        }
    }
}

fn unique(names: &[rydes::core::Responder]) -> bool {
    names.iter().all(|name| names.iter().filter(|other| *other == name).count() == 1)
}
