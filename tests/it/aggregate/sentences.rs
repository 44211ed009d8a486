//! The contract's finer sentences, one test each.

use rydes::core::BestBy;
use rydes::core::aggregate::{CompletedBy, Gathering, State, Status, aggregate};

use super::sheet::Said::{Declined, Failed, Quote, Silent};
use super::sheet::{By, Line, Sheet, Wish, cents, conditions, name, time, who};

const QUICK: usize = 0;
const R1: usize = 1;
const R2: usize = 2;
const R10: usize = 3;

fn stands(sheet: &Sheet, now: i64) -> Gathering {
    aggregate(&sheet.rows(), time(now), None)
}

fn ends(sheet: &Sheet, now: i64) -> (Status, Option<CompletedBy>) {
    let stands = stands(sheet, now);
    (stands.status, stands.completed_by)
}

fn best(sheet: &Sheet) -> Option<(usize, u64)> {
    stands(sheet, 0).best.map(|best| (who(&best.responder), cents(&best.price)))
}

fn state(sheet: &Sheet, provider: usize, now: i64) -> State {
    let providers = stands(sheet, now).providers;
    providers.iter().find(|row| row.responder == name(provider)).expect("it is listed").state
}

const COMPLETE: (Status, Option<CompletedBy>) = (Status::Complete, Some(CompletedBy::All));
const EXPIRED: (Status, Option<CompletedBy>) = (Status::Expired, Some(CompletedBy::Deadline));
const CLOSED: (Status, Option<CompletedBy>) = (Status::Closed, Some(CompletedBy::Closed));
const GATHERING: (Status, Option<CompletedBy>) = (Status::Gathering, None);

#[test]
fn all_is_met_by_quotes_declines_and_failures_in_time() {
    let sheet = Sheet::expecting(&[R1, R2, R10]).deadline(60);
    let sheet = sheet.row(R1, Quote(5), 10).row(R2, Declined, 20);
    assert_eq!(ends(&sheet, 30), GATHERING);
    assert_eq!(ends(&sheet.row(R10, Failed, 60), 30), COMPLETE);
}

#[test]
fn all_needs_somebody_to_be_expected() {
    assert_eq!(ends(&Sheet::expecting(&[]), 0), GATHERING);
    assert_eq!(ends(&Sheet::expecting(&[]).deadline(60).row(R1, Quote(1), 5), 61), EXPIRED);
}

#[test]
fn all_is_among_the_conditions_even_when_others_were_asked_for() {
    let sheet = Sheet::expecting(&[R1]).until(&[Wish::Count(3)]).row(R1, Declined, 1);
    assert_eq!(ends(&sheet, 2), COMPLETE);
}

#[test]
fn a_receipt_settles_nothing() {
    let sheet = Sheet::expecting(&[R1]).deadline(60).row(R1, Silent, 10);
    assert_eq!(ends(&sheet, 60), GATHERING);
    assert_eq!((stands(&sheet, 60).answered, state(&sheet, R1, 60)), (0, State::Waiting));
    assert_eq!(ends(&sheet, 61), EXPIRED);
    assert_eq!(state(&sheet, R1, 61), State::Silent);
}

#[test]
fn a_replaced_failure_counts_by_the_time_it_failed() {
    let sheet = Sheet::expecting(&[R1]).deadline(60);
    let failed = Sheet::clone(&sheet).row(R1, Failed, 10);
    let replaced = sheet.line(
        R1,
        Line { said: Quote(5), sent: Some(99), answered: None, failed: Some(10), value: None },
    );
    assert_eq!(ends(&failed, 100), COMPLETE);
    assert_eq!(ends(&replaced, 100), COMPLETE);
    let stands = stands(&replaced, 100);
    assert_eq!((stands.answered, stands.late, stands.best), (1, 1, None));
    assert_eq!(state(&replaced, R1, 100), State::Late);
}

#[test]
fn one_that_failed_in_time_and_quoted_late_does_not_stand_for_another() {
    let twice =
        Line { said: Quote(5), sent: Some(99), answered: None, failed: Some(10), value: None };
    let sheet = Sheet::expecting(&[R1, R2]).deadline(60).line(R1, twice);
    let open = stands(&sheet, 100);
    assert_eq!((open.answered, open.late, open.is_settled()), (1, 1, false));
    assert!(stands(&sheet.row(R2, Declined, 99), 100).is_settled());
}

#[test]
fn a_replaced_failure_that_was_late_settles_nothing() {
    let sheet = Sheet::expecting(&[R1]).deadline(60);
    let sheet = sheet.line(
        R1,
        Line { said: Declined, sent: Some(99), answered: None, failed: Some(61), value: None },
    );
    assert_eq!(ends(&sheet, 100), EXPIRED);
    assert_eq!((stands(&sheet, 100).answered, stands(&sheet, 100).late), (0, 1));
}

#[test]
fn at_the_deadline_is_in_time_and_a_millisecond_after_it_is_late() {
    let sheet = Sheet::expecting(&[R1, R2]).deadline(60);
    let sheet = sheet.row(R1, Quote(500), 60).row(R2, Quote(1), 61);
    assert_eq!(best(&sheet), Some((R1, 500)));
    assert_eq!(state(&sheet, R2, 99), State::Late);
}

#[test]
fn the_queue_s_clock_decides_and_the_provider_s_own_is_asked_only_without_it() {
    let line = |sent| Line { said: Quote(1), sent, answered: Some(90), failed: None, value: None };
    let sheet = Sheet::expecting(&[R1]).deadline(60);
    assert_eq!(best(&Sheet::clone(&sheet).line(R1, line(Some(10)))), Some((R1, 1)));
    assert_eq!(best(&sheet.line(R1, line(None))), None);
}

#[test]
fn what_comes_after_the_closing_is_late_even_before_the_deadline() {
    let sheet = Sheet::expecting(&[R1, R2]).deadline(60).closed(20);
    let sheet = sheet.row(R1, Quote(500), 20).row(R2, Quote(1), 21);
    assert_eq!(ends(&sheet, 30), CLOSED);
    assert_eq!(best(&sheet), Some((R1, 500)));
    let regret = stands(&sheet, 30).regret.expect("it would have beaten 500");
    assert_eq!(regret.deadline_needed_ms, None, "no deadline would have caught it");
}

#[test]
fn complete_comes_before_closed_and_closed_before_expired() {
    let sheet = Sheet::expecting(&[R1]).deadline(60).closed(20);
    assert_eq!(ends(&sheet, 99), CLOSED);
    assert_eq!(ends(&sheet.row(R1, Quote(1), 20), 99), COMPLETE);
}

#[test]
fn a_count_counts_quotes_of_expected_providers_alone() {
    let sheet = Sheet::expecting(&[R1, R2, R10]).deadline(60).until(&[Wish::Count(2)]);
    let sheet = sheet.row(R1, Quote(1), 10).row(R2, Declined, 11).row(QUICK, Quote(1), 12);
    assert_eq!(ends(&sheet, 13), GATHERING);
    let sheet = sheet.row(R10, Quote(9), 13);
    assert_eq!(ends(&sheet, 13), (Status::Complete, Some(CompletedBy::All)));
    let sheet = Sheet { expected: Some(vec![R1, R2, R10, 5]), ..sheet };
    assert_eq!(ends(&sheet, 13), (Status::Complete, Some(CompletedBy::Count)));
}

#[test]
fn a_price_is_met_by_a_quote_of_just_that_much() {
    let sheet = Sheet::expecting(&[R1, R2]).until(&[Wish::AtMost(2_000)]);
    assert_eq!(ends(&Sheet::clone(&sheet).row(R1, Quote(2_001), 1), 2), GATHERING);
    assert_eq!(ends(&Sheet::clone(&sheet).row(QUICK, Quote(1), 1), 2), GATHERING);
    assert_eq!(ends(&sheet.row(R1, Quote(2_000), 1), 2).1, Some(CompletedBy::Price));
}

#[test]
fn the_first_condition_met_ends_it() {
    let sheet = Sheet::expecting(&[R1, R2]).until(&[Wish::AtMost(10), Wish::Count(1)]);
    let sheet = sheet.row(R1, Quote(50), 1).row(R2, Quote(10), 2);
    assert_eq!(ends(&sheet, 3), (Status::Complete, Some(CompletedBy::Count)));
}

#[test]
fn conditions_asked_for_now_replace_the_stored_ones() {
    let sheet = Sheet::expecting(&[R1, R2]).until(&[Wish::Count(1)]).row(R1, Quote(50), 1);
    let override_with =
        |wishes: &[Wish]| aggregate(&sheet.rows(), time(2), Some(&conditions(wishes))).status;
    assert_eq!(stands(&sheet, 2).status, Status::Complete);
    assert_eq!(override_with(&[Wish::Count(2)]), Status::Gathering);
    assert_eq!(override_with(&[]), Status::Gathering);
    assert_eq!(override_with(&[Wish::AtMost(50)]), Status::Complete);
}

#[test]
fn an_unexpected_quote_is_shown_but_never_wins() {
    let sheet = Sheet::expecting(&[R2]).deadline(60);
    let sheet = sheet.row(R2, Quote(50), 1).row(R1, Quote(1), 1).row(QUICK, Silent, 1);
    let stands = stands(&sheet, 2);
    assert_eq!(best(&sheet), Some((R2, 50)));
    assert_eq!((stands.answered, stands.late, stands.unexpected), (1, 0, Some(1)));
    assert_eq!(stands.quotes[0].expected, Some(false));
    let order: Vec<_> = stands.providers.iter().map(|row| who(&row.responder)).collect();
    assert_eq!(order, [R2, QUICK, R1]);
}

#[test]
fn ties_go_to_the_earlier_and_then_to_the_name() {
    let sheet = Sheet::expecting(&[QUICK, R1, R2]).row(R1, Quote(5), 9).row(R2, Quote(5), 8);
    assert_eq!(best(&sheet), Some((R2, 5)));
    assert_eq!(best(&sheet.row(QUICK, Quote(5), 8)), Some((QUICK, 5)));
}

#[test]
fn a_late_quote_is_regretted_only_if_it_would_have_won() {
    let sheet = Sheet::expecting(&[R1, R2]).deadline(60).row(R2, Quote(5), 61);
    let regret = stands(&sheet, 99).regret.expect("nothing else was quoted");
    assert_eq!((regret.responder, regret.deadline_needed_ms), (name(R2), Some(61)));
    assert!(stands(&Sheet::clone(&sheet).row(R1, Quote(6), 1), 99).regret.is_some());
    assert!(stands(&sheet.row(R1, Quote(5), 1), 99).regret.is_none());
}

#[test]
fn declines_and_failures_keep_their_state_when_late() {
    let sheet = Sheet::expecting(&[R1, R2, R10]).deadline(60);
    let sheet = sheet.row(R1, Declined, 61).row(R2, Failed, 61);
    assert_eq!(ends(&sheet, 99), EXPIRED);
    assert_eq!(state(&sheet, R1, 99), State::Declined);
    assert_eq!(state(&sheet, R2, 99), State::Failed);
    assert_eq!(state(&sheet, R10, 99), State::Missing);
    assert_eq!((stands(&sheet, 99).answered, stands(&sheet, 99).late), (0, 2));
}

#[test]
fn the_end_comes_with_completion_before_the_deadline() {
    let sheet = Sheet::expecting(&[R1, R2, R10]).deadline(60).until(&[Wish::Count(1)]);
    let sheet = sheet.row(R1, Quote(1), 1).row(R2, Silent, 1);
    assert_eq!(state(&sheet, R2, 2), State::Silent);
    assert_eq!(state(&sheet, R10, 2), State::Missing);
}

#[test]
fn the_original_s_rows_are_never_late_and_go_on_gathering() {
    let line = Line { said: Quote(1_600), sent: None, answered: None, failed: None, value: None };
    let sheet = Sheet::original().line(R10, line.clone()).line(R2, line);
    let stands = stands(&sheet, 80_000_000);
    assert_eq!(ends(&sheet, 80_000_000), GATHERING);
    assert_eq!((stands.expected, stands.unexpected), (None, None));
    assert_eq!((stands.answered, stands.late), (2, 0));
    assert_eq!(best(&sheet), Some((R2, 1_600)));
    let listed: Vec<_> =
        stands.providers.iter().map(|row| (who(&row.responder), row.state)).collect();
    assert_eq!(listed, [(R2, State::Quoted), (R10, State::Quoted)]);
    assert!(stands.quotes.iter().all(|quote| quote.after_ms.is_none() && quote.expected.is_none()));
}

#[test]
fn a_clock_that_is_behind_gives_negative_times_and_nothing_worse() {
    let sheet = Sheet::expecting(&[R1]).deadline(60).row(R1, Quote(1), -5_000);
    assert_eq!(stands(&sheet, -9_000).quotes[0].after_ms, Some(-5_000));
    assert_eq!(ends(&sheet, -9_000), COMPLETE);
}

/// The quotes in their order, by provider.
fn order(sheet: &Sheet) -> Vec<usize> {
    stands(sheet, 0).quotes.iter().map(|quote| who(&quote.responder)).collect()
}

#[test]
fn a_number_in_the_details_orders_the_quotes_that_have_it_before_all_others() {
    let sheet = Sheet::expecting(&[QUICK, R1, R2, R10]).deadline(60);
    let sheet = sheet.row(QUICK, Quote(1), 1).worth(R1, 9, 7, 2).worth(R2, 5, -2, 3);
    let sheet = sheet.worth(R10, 4, 7, 4);
    assert_eq!(order(&sheet), [QUICK, R10, R2, R1]);
    let least = sheet.clone().by(By::Min);
    assert_eq!((order(&least), best(&least)), (vec![R2, R10, R1, QUICK], Some((R2, 5))));
    let most = sheet.by(By::Max);
    assert_eq!((order(&most), best(&most)), (vec![R10, R1, R2, QUICK], Some((R10, 4))));
    let value = stands(&most, 0).best.and_then(|best| best.value);
    assert_eq!(value.map(|value| value.to_string()).as_deref(), Some("7.5"));
}

#[test]
fn where_no_quote_has_the_number_the_price_orders_them() {
    let sheet = Sheet::expecting(&[R1, R2]).by(By::Min).row(R1, Quote(9), 1).row(R2, Quote(5), 2);
    let gathering = stands(&sheet, 0);
    assert_eq!(gathering.best_by(), &BestBy::Price);
    assert_eq!(gathering.unmet_order().map(ToString::to_string).as_deref(), Some("/legs/0/eta"));
    assert_eq!((order(&sheet), best(&sheet)), (vec![R2, R1], Some((R2, 5))));
    let none = stands(&Sheet::expecting(&[R1]).by(By::Min), 0);
    assert_eq!(none.unmet_order(), None, "no quote, nothing to order");
    let met = stands(&sheet.worth(R10, 1, 1, 3), 0);
    assert_eq!((met.unmet_order(), met.best_by().to_string()), (None, "min:/legs/0/eta".into()));
}

#[test]
fn a_late_quote_is_regretted_by_the_order_that_was_asked_for() {
    let sheet = Sheet::expecting(&[R1, R2]).deadline(60).by(By::Min).worth(R1, 5, 4, 10);
    assert!(stands(&sheet.clone().worth(R2, 1, 5, 61), 99).regret.is_none(), "cheaper, but slower");
    let regret = stands(&sheet.clone().worth(R2, 9, 3, 61), 99).regret.expect("it is faster");
    assert_eq!((cents(&regret.price), regret.value.is_some()), (9, true));
    assert!(stands(&sheet.row(R2, Quote(1), 61), 99).regret.is_none(), "it has no number");
}

#[test]
fn a_price_condition_still_means_the_price() {
    let sheet = Sheet::expecting(&[R1, R2, R10]).deadline(60).by(By::Max);
    let sheet = sheet.until(&[Wish::AtMost(5)]);
    let sheet = sheet.worth(R1, 9, 7, 1);
    assert_eq!(ends(&sheet, 2), GATHERING);
    let sheet = sheet.worth(R2, 5, 1, 2);
    assert_eq!((ends(&sheet, 3).1, best(&sheet)), (Some(CompletedBy::Price), Some((R1, 9))));
}

#[test]
fn a_provider_that_was_not_asked_is_not_waited_for() {
    let sheet = Sheet::expecting(&[R1]).not_asking(&[R2, R10]).deadline(60).row(R1, Quote(5), 10);
    assert_eq!(ends(&sheet, 20), COMPLETE);
    let gathering = stands(&sheet, 20);
    assert_eq!((gathering.expected, gathering.not_asked, gathering.answered), (Some(1), 2, 1));
    assert_eq!(state(&sheet, R2, 20), State::NotAsked);
    let reasons: Vec<_> = gathering.providers.iter().map(|one| one.reason.as_deref()).collect();
    assert_eq!(
        reasons,
        [None, Some("its filter on the key key-2"), Some("its filter on the key key-3")]
    );
    let waiting = Sheet::expecting(&[R1]).not_asking(&[R2]).deadline(60);
    assert_eq!(ends(&waiting, 20), GATHERING);
    assert_eq!(state(&waiting, R2, 20), State::NotAsked, "before the end too");
}

#[test]
fn an_answer_of_a_provider_that_was_not_asked_counts_as_an_expected_one() {
    let asked = Sheet::expecting(&[R1]).not_asking(&[R2, R10]).deadline(60).row(R1, Quote(5), 10);
    let sheet = asked.clone().row(R2, Quote(3), 20);
    assert_eq!((ends(&sheet, 30), best(&sheet)), (COMPLETE, Some((R2, 3))));
    let gathering = stands(&sheet, 30);
    assert_eq!(
        (gathering.expected, gathering.not_asked, gathering.unexpected),
        (Some(2), 1, Some(0))
    );
    assert_eq!(gathering.answered, 2);
    let counted = Sheet::expecting(&[R1, QUICK]).not_asking(&[R2]).until(&[Wish::Count(1)]);
    assert_eq!(ends(&counted.row(R2, Quote(3), 1), 2).1, Some(CompletedBy::Count));
    // A late one does not undo the end, and is regretted.
    let late = asked.row(R2, Quote(3), 61);
    assert_eq!((ends(&late, 99), best(&late)), (COMPLETE, Some((R1, 5))));
    let gathering = stands(&late, 99);
    assert_eq!((gathering.unexpected, gathering.regret.is_some()), (Some(0), true));
}
