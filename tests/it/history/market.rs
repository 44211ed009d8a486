//! Advice on the deadline, against gatherings that are evaluated one by one.

use proptest::collection::vec;
use proptest::prelude::*;
use rydes::core::aggregate::{Gathering, Quote, Status, Timing, aggregate};
use rydes::core::history::{Advice, Mark, Market, Point};

use crate::aggregate::sheet::{Line, Said, Sheet, Wish, cents, sheets, time};

/// The same gathering with times a hundred times as long.
fn slow(sheet: Sheet) -> Sheet {
    let slow = |at: Option<i64>| at.map(|at| if at.abs() < 10 { at * 137 } else { at });
    let lines = sheet.lines.iter().map(|(who, line)| {
        let (sent, answered, failed) = (slow(line.sent), slow(line.answered), slow(line.failed));
        (*who, Line { sent, answered, failed, ..line.clone() })
    });
    Sheet {
        lines: lines.collect(),
        submitted: Some(slow(sheet.submitted).unwrap_or(0)),
        deadline: slow(sheet.deadline),
        closed: slow(sheet.closed),
        ..sheet
    }
}

/// How each gathering would have ended with this deadline; `None`: without any.
fn under(sheets: &[Sheet], deadline: Option<i64>) -> Vec<Gathering> {
    let gathering = |sheet: &Sheet| {
        let deadline = deadline.map(|after| sheet.submitted.expect("it has one") + after);
        aggregate(&Sheet { deadline, ..sheet.clone() }.rows(), time(200_000_000), None)
    };
    sheets.iter().map(gathering).collect()
}

fn assert_is(point: &Point, gatherings: &[Gathering], whole: &[Gathering]) {
    let best = |one: &Gathering| taken(one).map(|best| best.responder.clone());
    let count = |holds: &dyn Fn(&(&Gathering, &Gathering)) -> bool| {
        gatherings.iter().zip(whole).filter(holds).count() as u64
    };
    assert_eq!(point.kept, count(&|(one, whole)| best(one).is_some() && best(one) == best(whole)));
    assert_eq!(point.quoted, count(&|(one, _)| best(one).is_some()));
    assert_eq!(point.complete, count(&|(one, _)| one.status == Status::Complete));
    let price = |one: &Gathering| taken(one).map_or(0, |best| cents(&best.price));
    let paid: u64 = gatherings.iter().map(price).sum();
    let quoted = gatherings.iter().zip(whole).filter(|(one, _)| best(one).is_some());
    let ideal: u64 = quoted.map(|(_, whole)| price(whole)).sum();
    #[expect(clippy::cast_precision_loss, reason = "cents are few")]
    let above_best = (ideal > 0).then(|| paid as f64 / ideal as f64 - 1.0);
    let off = point.above_best.zip(above_best).map_or(0.0, |(said, is)| (said - is).abs());
    assert!(
        point.above_best.is_some() == above_best.is_some() && off < 1e-9,
        "{point:?} {above_best:?}"
    );
}

/// The best quote that had come when it ended.
fn taken(one: &Gathering) -> Option<&Quote> {
    let end = one.ended_at();
    one.quotes.iter().find(|quote| {
        let had_come = end.is_none() || quote.at <= end;
        quote.timing == Timing::InTime && quote.expected != Some(false) && had_come
    })
}

/// The same without the late answers that replaced failures.
fn unreplayed(sheet: Sheet) -> Sheet {
    let end = sheet.deadline.into_iter().chain(sheet.closed).min();
    let lines = sheet.lines.iter().map(|(who, line)| {
        let at = line.sent.or(line.answered);
        let is_late = end.is_some() && at > end;
        let before = Line {
            said: Said::Failed,
            sent: line.failed,
            answered: None,
            failed: None,
            value: None,
        };
        (*who, if line.failed.is_some() && is_late { before } else { line.clone() })
    });
    Sheet { lines: lines.collect(), ..sheet }
}

/// The place of the value that this share of all are not above.
fn quantile(mut waits: Vec<i64>, percent: usize) -> Option<i64> {
    waits.sort_unstable();
    let rank = (waits.len() * percent).div_ceil(100);
    waits.get(rank.checked_sub(1)?).copied()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn each_point_is_what_its_deadline_would_have_brought(sheets in vec(sheets().prop_map(slow), 1..9)) {
        let mut market = Market::default();
        for sheet in &sheets {
            market.add(&sheet.rows());
        }
        let sheets: Vec<_> = sheets.into_iter().map(unreplayed).collect();
        let whole = under(&sheets, None);
        prop_assert_eq!(market.rfqs, sheets.len() as u64);
        for point in market.points() {
            let deadline = point.deadline.expect("it has one");
            let gatherings = under(&sheets, Some(deadline));
            assert_is(&point, &gatherings, &whole);
            // An end without a time is not counted, and an end before the submission counts as none.
            let wait = |one: &Gathering| {
                let end = one.ended_at()?.millis_since(one.request.submitted_at?);
                Some(end.max(0))
            };
            let waits: Option<Vec<_>> = gatherings.iter().map(wait).collect();
            for (percent, said) in [(50, point.wait_median), (95, point.wait_p95), (100, point.wait_max)] {
                if let Some(is) = waits.clone().and_then(|waits| quantile(waits, percent)) {
                    let said = said.expect("there are gatherings").cast_signed();
                    prop_assert!((said - is).abs() * 1_000 <= is, "{} {} {:?}", said, is, point);
                }
            }
        }
    }

    #[test]
    fn under_their_own_deadlines_they_are_what_they_were(sheets in vec(sheets().prop_map(slow), 1..9)) {
        let mut market = Market::default();
        for sheet in &sheets {
            market.add(&sheet.rows());
        }
        let live = |sheet: &Sheet| aggregate(&sheet.rows(), time(200_000_000), None);
        let sheets: Vec<_> = sheets.into_iter().map(unreplayed).collect();
        let live: Vec<_> = sheets.iter().map(live).collect();
        assert_is(&market.today(), &live, &under(&sheets, None));
    }
}

/// A random number of the generator with this state.
fn random(state: &mut u64, below: i64) -> i64 {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    i64::try_from(*state >> 33).expect("31 bits") % below
}

/// A market in which exactly 95 % of the best quotes come by `needed` milliseconds, and the last of them then.
fn market(seed: u64, needed: i64) -> Market {
    let mut state = seed;
    let mut market = Market::default();
    for number in 0..1_000_i64 {
        let best_at = match number {
            0 => needed,
            1..950 => 1 + random(&mut state, needed),
            _ => needed * 13 / 10 + random(&mut state, needed * 3),
        };
        let mut sheet = Sheet::expecting(&[0, 1, 2, 3]).deadline(needed * 2);
        sheet = sheet.row(0, Said::Quote(100), best_at);
        // Worse quotes and a decline come at any time.
        for who in 1..3 {
            let cents = 101 + random(&mut state, 400).unsigned_abs();
            sheet = sheet.row(who, Said::Quote(cents), random(&mut state, needed * 3));
        }
        market.add(&sheet.row(3, Said::Declined, random(&mut state, needed * 3)).rows());
    }
    market
}

#[test]
fn the_known_best_deadline_of_a_market_is_named() {
    for seed in 0..20_u64 {
        let needed = 150 + random(&mut (seed + 77), 40_000);
        let market = market(seed, needed);
        let advised = market.advised(0.95).expect("it has quotes");
        let deadline = advised.deadline.expect("it has one");
        let points: Vec<_> = market.points().iter().filter_map(|point| point.deadline).collect();
        let place = |at: i64| points.partition_point(|point| *point < at);
        assert!(place(deadline).abs_diff(place(needed)) <= 1, "{seed}: {needed} {deadline}");
        assert!(deadline >= needed && advised.kept >= 950, "{seed}: {needed} {advised:?}");
        assert!(market.today().kept > 950, "{seed}: twice as long keeps more");
        let less = market.advised(0.5).and_then(|point| point.deadline).expect("it has quotes");
        assert!(less < deadline, "{seed}: {less} {deadline}");
    }
}

#[test]
fn without_quotes_there_is_no_advice() {
    let mut market = Market::default();
    assert_eq!(market.advised(0.95), None);
    market.add(&Sheet::expecting(&[0]).deadline(500).row(0, Said::Declined, 40).rows());
    assert_eq!(market.advised(0.95), None);
    assert!(market.is_few());
    let own = market.today();
    assert_eq!((own.kept, own.complete, own.wait_median), (0, 1, Some(40)));
}

#[test]
fn providers_that_are_waited_for_are_counted() {
    let mut market = Market::default();
    // The first is always last; the second answers in one of two.
    for late in [300, 2_000] {
        let sheet = Sheet::expecting(&[0, 1]).deadline(1_000);
        market.add(&sheet.row(0, Said::Quote(7), 450).row(1, Said::Declined, late).rows());
    }
    let waited_for = |point: Point| {
        let all = point.waited_for.into_iter();
        all.map(|(who, count)| (who.to_string(), count)).collect::<Vec<_>>()
    };
    let (first, second) = ("Quick_1".to_owned(), "R1".to_owned());
    assert_eq!(waited_for(market.today()), [(first.clone(), 1), (second.clone(), 1)]);
    let points = market.points();
    let deadlines: Vec<_> = points.iter().map(|point| point.deadline).collect();
    assert_eq!(deadlines, [Some(300), Some(450), Some(2_000)]);
    assert_eq!(waited_for(points[0].clone()), [(first.clone(), 2), (second.clone(), 1)]);
    assert_eq!(waited_for(points[2].clone()), [(first, 1), (second, 1)]);
    assert_eq!((points[1].kept, points[0].kept), (2, 0));
}

#[test]
fn what_comes_after_a_condition_is_not_waited_for_and_not_bought() {
    let mut market = Market::default();
    let sheet = Sheet::expecting(&[0, 1]).deadline(20_000).until(&[Wish::Count(1)]);
    for _ in 0..40 {
        let quoted = sheet.clone().row(0, Said::Quote(900), 400).row(1, Said::Quote(100), 9_000);
        market.add(&quoted.rows());
    }
    let advised = market.advised(0.95).expect("it has quotes");
    assert_eq!((advised.deadline, advised.wait_max, advised.kept), (Some(400), Some(400), 40));
    assert_eq!((market.today().price, market.today().kept), (Some(9.0), 40));
}

#[test]
fn a_replay_is_no_reason_for_a_longer_deadline() {
    let mut market = Market::default();
    let sheet = Sheet::expecting(&[0, 1]).deadline(15_000).row(0, Said::Quote(900), 400);
    let (said, sent) = (Said::Quote(100), Some(3_000_000));
    let replayed = Line { said, sent, answered: None, failed: Some(2_000), value: None };
    market.add(&sheet.line(1, replayed).rows());
    assert_eq!((market.replayed, market.today().kept, market.with_best), (1, 1, 1));
    assert_eq!(market.advised(1.0).and_then(|point| point.deadline), Some(400));
    // It failed in time, so both had answered.
    assert_eq!((market.today().complete, market.today().wait_max), (1, Some(2_000)));
}

#[test]
fn only_a_request_that_came_too_late_is_unsent() {
    let mut market = Market::default();
    for (received, sent) in [(900, 3_000), (1_200, 1_210)] {
        let sheet = Sheet::expecting(&[0]).deadline(1_000).row(0, Said::Silent, sent);
        let mut rows = sheet.rows();
        rows.answers[0].received_at = Some(time(received));
        market.add(&rows);
    }
    assert_eq!(market.unsent, 1);
}

#[test]
fn deadlines_that_hardly_differ_are_one() {
    let mut market = Market::default();
    for deadline in [14_999, 15_000] {
        market.add(&Sheet::expecting(&[0]).deadline(deadline).row(0, Said::Quote(9), 400).rows());
    }
    assert_eq!(market.today().deadline, Some(15_000));
    market.add(&Sheet::expecting(&[0]).deadline(10_000).row(0, Said::Quote(9), 400).rows());
    assert_eq!((market.today().deadline, market.todays_deadlines), (None, Some((10_000, 15_000))));
}

#[test]
fn a_deadline_of_today_that_is_enough_is_not_lengthened() {
    let mut market = Market::default();
    market.add(&Sheet::expecting(&[0]).deadline(6_090).row(0, Said::Quote(9), 6_010).rows());
    let advice = Advice::of(market, 0.95);
    assert_eq!(advice.advised.as_ref().and_then(|point| point.deadline), Some(6_090));
    assert!(advice.compared().iter().any(|(_, mark)| *mark == Mark::Both));
}
