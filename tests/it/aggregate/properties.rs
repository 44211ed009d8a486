//! What holds for all rows, all times and all conditions.

use proptest::collection::vec;
use proptest::option::of;
use proptest::prelude::*;
use rydes::core::aggregate::{Gathering, State, Status, Timing, aggregate};
use rydes::core::{Price, RequestRow, Responder, Rows};

use super::model::{Verdict, judge, worth};
use super::sheet::{
    Line, NAMES, Said, Sheet, Wish, cents, conditions, instants, said, sheets, time, values, who,
    wishes,
};
use super::table::{Arrival, write};

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        max_global_rejects: 50_000,
        ..ProptestConfig::default()
    }
}

fn stands(sheet: &Sheet, now: i64) -> Gathering {
    aggregate(&sheet.rows(), time(now), None)
}

fn arrivals() -> impl Strategy<Value = Vec<Arrival>> {
    let arrival = (0..NAMES.len(), said(), instants(), values());
    vec(arrival.prop_map(|(who, said, sent, value)| Arrival { who, said, sent, value }), 0..14)
}

/// What orders the best quote: nothing that comes may push it back.
fn best_key(sheet: &Sheet, stands: &Gathering) -> Option<(i64, u64, i64, usize)> {
    let best = stands.best.as_ref()?;
    let at = best.at.map_or(i64::MAX, rydes::core::Timestamp::as_millis);
    let who = who(&best.responder);
    Some((worth(sheet, &sheet.lines[&who]), cents(&best.price), at, who))
}

proptest! {
    #![proptest_config(config(20_000))]

    #[test]
    fn the_real_thing_says_what_the_contract_says(
        sheet in sheets(),
        now in instants(),
        asked in of(wishes()),
    ) {
        let until = asked.as_deref().map(conditions);
        let said = aggregate(&sheet.rows(), time(now), until.as_deref());
        prop_assert_eq!(Verdict::of(&said), judge(&sheet, now, asked.as_deref()));
    }

    #[test]
    fn the_real_thing_says_it_of_whole_histories(
        request in sheets(),
        arrivals in arrivals(),
        again in vec((any::<prop::sample::Index>(), 1..9_usize), 0..4),
        closing in of((0..14_usize, instants())),
        skew in prop_oneof![4 => Just(0_i64), 1 => -600_000..600_000_i64],
        looks in vec(instants(), 14),
    ) {
        // A gathering as it goes: replies in any order, some twice, closed at some point of it, under
        // a queue whose clock is off.
        let mut sheet = Sheet { lines: [].into(), closed: None, ..request };
        let mut deliveries: Vec<_> = arrivals.iter().cloned().enumerate().collect();
        for (which, later) in again.iter().filter(|_| !arrivals.is_empty()) {
            let first = which.index(arrivals.len());
            deliveries.push((first + later, arrivals[first].clone()));
        }
        deliveries.sort_by_key(|(place, _)| *place);
        for (at, (_, arrival)) in deliveries.into_iter().enumerate() {
            if let Some((_, when)) = closing.filter(|(place, _)| *place == at) {
                sheet.closed = sheet.closed.or(Some(when));
            }
            write(&mut sheet, &Arrival { sent: arrival.sent + skew, ..arrival });
            let now = looks[at % looks.len()];
            let said = aggregate(&sheet.rows(), time(now), None);
            prop_assert_eq!(Verdict::of(&said), judge(&sheet, now, None));
        }
    }
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn the_order_of_rows_does_not_matter(
        (sheet, answers) in sheets().prop_flat_map(|sheet| {
            let answers = Just(sheet.rows().answers).prop_shuffle();
            (Just(sheet), answers)
        }),
        now in instants(),
    ) {
        let rows = Rows { request: sheet.rows().request, answers };
        prop_assert_eq!(aggregate(&rows, time(now), None), stands(&sheet, now));
    }

    #[test]
    fn redelivery_is_invisible(
        sheet in sheets(),
        arrivals in arrivals(),
        again in vec((any::<prop::sample::Index>(), 1..9_usize), 0..6),
    ) {
        let mut once = Sheet { lines: [].into(), ..sheet };
        let mut twice = once.clone();
        let mut deliveries: Vec<_> = arrivals.iter().enumerate().collect();
        for (which, later) in again.iter().filter(|_| !arrivals.is_empty()) {
            let first = which.index(arrivals.len());
            deliveries.push((first + later, &arrivals[first]));
        }
        // The sort is stable: a copy comes after its original.
        deliveries.sort_by_key(|(place, _)| *place);
        for arrival in &arrivals {
            write(&mut once, arrival);
        }
        for (_, arrival) in deliveries {
            write(&mut twice, arrival);
        }
        prop_assert_eq!(once, twice);
    }

    #[test]
    fn everything_grows_one_way(
        sheet in sheets(),
        arrivals in arrivals(),
        start in instants(),
        steps in vec(0..3_i64, 14),
    ) {
        let mut sheet = Sheet { lines: [].into(), ..sheet };
        let mut now = start;
        let mut before = stands(&sheet, now);
        let mut old_best = best_key(&sheet, &before);
        for (arrival, step) in arrivals.iter().zip(steps) {
            now += step;
            write(&mut sheet, arrival);
            let after = stands(&sheet, now);
            if before.status == Status::Complete {
                prop_assert_eq!(after.status, Status::Complete);
            }
            let best = best_key(&sheet, &after);
            if old_best.is_some() {
                prop_assert!(best.is_some() && best <= old_best);
            }
            old_best = best;
            prop_assert!(after.answered >= before.answered);
            prop_assert!(after.quotes.len() >= before.quotes.len());
            before = after;
        }
    }

    #[test]
    fn a_late_quote_is_never_the_best(sheet in sheets(), now in instants()) {
        let stands = stands(&sheet, now);
        if let Some(best) = &stands.best {
            let line = &sheet.lines[&who(&best.responder)];
            let limit = [sheet.deadline, sheet.closed].into_iter().flatten().min();
            let in_time = line.sent.or(line.answered) <= limit || limit.is_none();
            prop_assert!(in_time && best.timing == Timing::InTime);
            prop_assert!(best.expected != Some(false));
        }
        if let Some(regret) = &stands.regret {
            let key = |responder: &Responder, price: &Price| {
                let line = &sheet.lines[&who(responder)];
                (worth(&sheet, line), cents(price))
            };
            let regret = key(&regret.responder, &regret.price);
            prop_assert!(stands.best.is_none_or(|best| regret < key(&best.responder, &best.price)));
        }
    }

    #[test]
    fn a_reply_in_flight_at_the_deadline_completes_what_had_expired(
        said in vec(said().prop_filter("no answer", |said| *said != Said::Silent), 1..5),
        sent in vec(0..=8_i64, 5),
        missing in any::<prop::sample::Index>(),
        wait in 1..99_i64,
    ) {
        let missing = missing.index(said.len());
        let mut sheet = Sheet::expecting(&(0..said.len()).collect::<Vec<_>>()).deadline(8);
        for (who, said) in said.iter().enumerate() {
            sheet = sheet.row(who, said.clone(), sent[who]);
        }
        let in_flight = sheet.lines.remove(&missing).expect("everyone has a line");
        prop_assert_eq!(stands(&sheet, 8).status, Status::Gathering);
        prop_assert_eq!(stands(&sheet, 8 + wait).status, Status::Expired);
        let sheet = sheet.line(missing, in_flight);
        prop_assert_eq!(stands(&sheet, 8 + wait).status, Status::Complete);
    }

    #[test]
    fn time_alone_can_only_let_a_gathering_expire(
        sheet in sheets(),
        now in instants(),
        later in 0..50_i64,
    ) {
        let (before, after) = (stands(&sheet, now), stands(&sheet, now + later));
        let expires = (before.status, after.status) == (Status::Gathering, Status::Expired);
        prop_assert!(before.status == after.status || expires);
        for (old, new) in before.providers.iter().zip(&after.providers) {
            prop_assert!(old.state == new.state || (expires && old.state == State::Waiting));
        }
        // Everything else knows no clock.
        let rest = Gathering {
            status: before.status,
            completed_by: before.completed_by,
            providers: before.providers.clone(),
            ..after
        };
        prop_assert_eq!(rest, before);
    }

    #[test]
    fn every_row_is_in_the_ledger_once(sheet in sheets(), now in instants()) {
        let stands = stands(&sheet, now);
        let count = |wanted: &[State]| -> usize {
            wanted.iter().map(|state| stands.count(*state)).sum()
        };
        let quotes = |line: &&Line| matches!(line.said, Said::Quote(_));
        prop_assert_eq!(stands.quotes.len(), sheet.lines.values().filter(quotes).count());
        prop_assert_eq!(stands.quotes.len(), count(&[State::Quoted, State::Late]));
        let listed = stands.providers.iter().map(|provider| who(&provider.responder));
        let mut names: Vec<_> = listed.collect();
        names.sort_unstable();
        names.dedup();
        prop_assert_eq!(names.len(), stands.providers.len());
        prop_assert!(sheet.lines.keys().all(|who| names.contains(who)));
        let impossible = match stands.status {
            Status::Gathering => count(&[State::Missing, State::Silent]),
            Status::Complete | Status::Closed | Status::Expired => count(&[State::Waiting]),
        };
        prop_assert_eq!(impossible, 0);
    }

    #[test]
    fn more_conditions_complete_no_later(
        sheet in sheets(),
        now in instants(),
        asked in wishes(),
        more in wishes(),
    ) {
        let both: Vec<Wish> = asked.iter().chain(&more).cloned().collect();
        let rows = sheet.rows();
        let few = aggregate(&rows, time(now), Some(&conditions(&asked)));
        let many = aggregate(&rows, time(now), Some(&conditions(&both)));
        prop_assert!(few.status != Status::Complete || many.status == Status::Complete);
        prop_assert_eq!(few.best, many.best);
    }

    #[test]
    fn closing_ends_it_and_takes_nothing_back(sheet in sheets(), now in instants()) {
        let open = Sheet { closed: None, ..sheet };
        let before = stands(&open, now);
        prop_assume!(before.status == Status::Gathering);
        let at = before.closing_time(time(now));
        prop_assert!(at >= time(now));
        let rows = open.rows();
        let request = RequestRow { closed_at: Some(at), ..rows.request };
        let after = aggregate(&Rows { request, ..rows }, at, None);
        prop_assert_eq!(after.status, Status::Closed);
        prop_assert_eq!(&after.best, &before.best);
        prop_assert_eq!((after.answered, after.late), (before.answered, before.late));
        let who = |stands: &Gathering| stands.regret.as_ref().map(|r| r.responder.clone());
        prop_assert_eq!(who(&after), who(&before));
        prop_assert_eq!(after.count(State::Waiting), 0);
    }

    #[test]
    fn where_noon_is_does_not_matter(sheet in sheets(), now in instants(), by in -99..99_i64) {
        let moved = |at: Option<i64>| at.map(|at| at + by);
        let lines = sheet.lines.iter().map(|(who, line)| {
            let (sent, answered) = (moved(line.sent), moved(line.answered));
            (*who, Line { sent, answered, failed: moved(line.failed), ..line.clone() })
        });
        let later = Sheet {
            submitted: moved(sheet.submitted),
            deadline: moved(sheet.deadline),
            closed: moved(sheet.closed),
            lines: lines.collect(),
            ..sheet.clone()
        };
        let (here, there) = (stands(&sheet, now), stands(&later, now + by));
        prop_assert_eq!(Verdict::of(&here), Verdict::of(&there));
    }
}
