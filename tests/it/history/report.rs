//! What a report counts, against gatherings that are counted one by one.

use proptest::collection::vec;
use proptest::prelude::*;
use rydes::core::aggregate::{Gathering, State, aggregate};
use rydes::core::history::{Refusal, Report};

use crate::aggregate::sheet::{NAMES, Said, Sheet, name, sheets, time};

fn live(sheet: &Sheet) -> Gathering {
    aggregate(&sheet.rows(), time(100_000_000), None)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_request_is_counted_once_by_its_state(sheets in vec(sheets(), 0..12)) {
        let mut report = Report::new(None);
        for sheet in &sheets {
            report.add(&sheet.rows());
        }
        let live: Vec<_> = sheets.iter().map(live).collect();
        prop_assert_eq!(report.rfqs, live.len() as u64);
        for who in 0..NAMES.len() {
            let own = live.iter().flat_map(|one| &one.providers);
            let own = own.filter(|one| one.responder == name(who) && one.expected == Some(true));
            let states: Vec<_> = own.map(|one| one.state).collect();
            let count = |state| states.iter().filter(|one| **one == state).count() as u64;
            let record = report.providers.get(&name(who)).cloned().unwrap_or_default();
            prop_assert_eq!(record.asked, states.len() as u64);
            let counted = [record.quoted, record.declined, record.failed, record.silent, record.late];
            let states = [State::Quoted, State::Declined, State::Failed, State::Silent, State::Late];
            prop_assert_eq!(counted, states.map(count));
            prop_assert_eq!(record.missing, count(State::Missing) + count(State::Waiting));
            let is_best = |one: &&Gathering| {
                let best = one.best.as_ref().filter(|best| best.expected == Some(true));
                best.is_some_and(|best| best.responder == name(who))
            };
            prop_assert_eq!(record.best, live.iter().filter(is_best).count() as u64);
        }
        let bests = live.iter().filter(|one| one.best.is_some()).count() as u64;
        prop_assert_eq!(report.with_best, bests);
        let ends = report.ends;
        let ended = live.iter().filter(|one| one.completed_by.is_some()).count() as u64;
        prop_assert_eq!(ends.complete() + ends.closed + ends.deadline, ended);
    }
}

#[test]
fn a_provider_is_told_in_figures() {
    let mut report = Report::new(Some(name(1)));
    let sheet = || Sheet::expecting(&[0, 1]).deadline(1_000);
    let cheap = |at| sheet().row(0, Said::Quote(100), 500).row(1, Said::Quote(50), at);
    let dear = sheet().row(0, Said::Quote(100), 500).row(1, Said::Quote(150), 700);
    for sheet in [
        cheap(400),
        cheap(1_500),
        dear.clone(),
        dear,
        sheet().row(0, Said::Quote(100), 500).row(1, Said::Declined, 600),
        sheet().row(0, Said::Quote(0), 500).row(1, Said::Quote(0), 600),
    ] {
        report.add(&sheet.rows());
    }
    let record = &report.providers[&name(1)];
    assert_eq!((record.best, record.missed, record.late), (1, 1, 1));
    assert_eq!((record.quoted, record.declined, record.asked), (4, 1, 6));
    assert_eq!((record.times.median(), record.times.longest()), (Some(600), Some(1_500)));
    assert_eq!(record.prices.median(), Some(1.0), "1.0 twice, 1.5 twice");
    let reasons: Vec<_> = record.reasons.iter().collect();
    assert_eq!(reasons, [(&(Refusal::Declined, "fully booked".to_owned()), &1)]);
    assert!(report.providers[&name(0)].reasons.is_empty(), "it is not in depth");
    assert_eq!(report.time_to_end.median(), Some(600));
    assert_eq!((report.asked, report.answered_in_time), (12, 11));
    let submitted = report.submitted.expect("it has times");
    assert_eq!(submitted, (time(0), time(0)));
}

#[test]
fn memory_does_not_grow_with_names_and_reasons() {
    let mut report = Report::new(None);
    for number in 0..1_200 {
        let mut rows = Sheet::expecting(&[0]).deadline(9).rows();
        let hostile = rydes::core::Responder::stored(format!("made-up-{number}"));
        rows.request.expected = Some(vec![hostile]);
        report.add(&rows);
    }
    assert_eq!((report.providers.len(), report.asked_of_others), (1_000, 200));
}

#[test]
fn the_provider_in_depth_is_told_apart_from_any_number_of_others() {
    let mut report = Report::new(Some(rydes::core::Responder::stored("made-up-1100")));
    for number in 0..1_200 {
        let mut rows = Sheet::expecting(&[0]).deadline(9).rows();
        let hostile = rydes::core::Responder::stored(format!("made-up-{number}"));
        rows.request.expected = Some(vec![hostile]);
        report.add(&rows);
    }
    assert_eq!((report.providers.len(), report.asked_of_others), (1_001, 199));
}

#[test]
fn only_answers_that_were_asked_for_come_in_time() {
    let mut report = Report::new(None);
    let sheet = Sheet::expecting(&[0, 1]).deadline(1_000).row(0, Said::Quote(100), 500);
    report.add(&sheet.rows());
    let mut unknown = sheet.rows();
    unknown.request.expected = None;
    report.add(&unknown);
    assert_eq!((report.asked, report.answered_in_time), (2, 1));
}

#[test]
fn a_price_above_a_best_price_of_zero_has_no_ratio() {
    let mut report = Report::new(None);
    let sheet = Sheet::expecting(&[0, 1, 2]).deadline(1_000).row(0, Said::Quote(0), 500);
    report.add(&sheet.row(1, Said::Quote(7), 600).row(2, Said::Quote(0), 700).rows());
    let median = |who: usize| report.providers[&name(who)].prices.median();
    assert_eq!([0, 1, 2].map(median), [Some(1.0), None, Some(1.0)]);
}

#[test]
fn a_deadline_is_an_exact_bound_of_the_time_to_the_end() {
    let mut report = Report::new(None);
    for deadline in [5_001, 5_001, 15_001, 15_001, 30_001] {
        report.add(&Sheet::expecting(&[0]).deadline(deadline).rows());
    }
    let bounds = [0.4, 0.8, 1.0].map(|share| report.time_to_end.bound(share));
    assert_eq!(bounds, [5_001, 15_001, 30_001].map(Some));
}
