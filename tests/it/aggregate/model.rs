//! Section 5 of the contract, written down once more: no rows, no types, no cleverness. What ended
//! a gathering is found by living through it again, instant by instant.

use rydes::core::aggregate::{Gathering, Timing};

use rydes::core::BestBy;

use super::sheet::{By, Line, Said, Sheet, Wish, cents, who};

/// Who, how much, whether late, whether expected, how long after submission.
type Quote = (usize, u64, bool, Option<bool>, Option<i64>);

/// What can be said of one RFQ, in words and plain numbers.
#[derive(Debug, Clone, PartialEq)]
pub struct Verdict {
    pub status: &'static str,
    pub completed_by: Option<&'static str>,
    pub expected: Option<usize>,
    pub not_asked: usize,
    pub answered: usize,
    pub late: usize,
    pub unexpected: Option<usize>,
    pub quotes: Vec<Quote>,
    pub best: Option<(usize, u64)>,
    pub by: By,
    /// Who, which state, whether expected.
    pub providers: Vec<(usize, &'static str, Option<bool>)>,
    /// Who, how much, the deadline that would have caught it.
    pub regret: Option<(usize, u64, Option<i64>)>,
}

impl Verdict {
    /// The same, of what the real thing says.
    pub fn of(said: &Gathering) -> Self {
        let quotes = said.quotes.iter().map(|quote| {
            let late = quote.timing != Timing::InTime;
            (who(&quote.responder), cents(&quote.price), late, quote.expected, quote.after_ms)
        });
        let providers = said
            .providers
            .iter()
            .map(|provider| (who(&provider.responder), provider.state.word(), provider.expected));
        Self {
            status: said.status.word(),
            completed_by: said.completed_by.map(rydes::core::aggregate::CompletedBy::word),
            expected: said.expected,
            not_asked: said.not_asked,
            answered: said.answered,
            late: said.late,
            unexpected: said.unexpected,
            quotes: quotes.collect(),
            by: match said.best_by() {
                BestBy::Price => By::Price,
                BestBy::Min(_) => By::Min,
                BestBy::Max(_) => By::Max,
            },
            best: said.best.as_ref().map(|best| (who(&best.responder), cents(&best.price))),
            providers: providers.collect(),
            regret: said.regret.as_ref().map(|regret| {
                (who(&regret.responder), cents(&regret.price), regret.deadline_needed_ms)
            }),
        }
    }
}

/// What the contract says of this sheet.
pub fn judge(sheet: &Sheet, now: i64, asked: Option<&[Wish]>) -> Verdict {
    let mut wishes = vec![Wish::All];
    wishes.extend_from_slice(asked.unwrap_or(&sheet.until));

    let mut verdict = Verdict {
        status: "gathering",
        completed_by: None,
        expected: sheet.expected.as_ref().map(|_| 0),
        not_asked: 0,
        answered: 0,
        late: 0,
        unexpected: sheet.expected.as_ref().map(|_| 0),
        quotes: vec![],
        best: None,
        by: By::Price,
        providers: vec![],
        regret: None,
    };
    if let Some(by) = first_met(sheet, &wishes) {
        verdict.status = "complete";
        verdict.completed_by = Some(by);
    } else if sheet.closed.is_some() {
        verdict.status = "closed";
        verdict.completed_by = Some("closed");
    } else if let Some(deadline) = sheet.deadline
        && deadline < now
    {
        verdict.status = "expired";
        verdict.completed_by = Some("deadline");
    }
    count(sheet, &mut verdict);
    rank(sheet, &mut verdict);
    list(sheet, &mut verdict);
    verdict
}

/// `expected`, `not_asked`, `answered`, `late` and `unexpected`.
fn count(sheet: &Sheet, verdict: &mut Verdict) {
    for who in 0..super::sheet::NAMES.len() {
        if is_expected(sheet, who) == Some(true) {
            verdict.expected = verdict.expected.map(|count| count + 1);
        }
        if is_left_out(sheet, who) {
            verdict.not_asked += 1;
        }
    }
    for (who, line) in &sheet.lines {
        let counts_here = is_expected(sheet, *who) != Some(false);
        if counts_here && settled(sheet, line, i64::MAX) {
            verdict.answered += 1;
        }
        if line.said != Said::Silent {
            if counts_here && is_late(sheet, at(line)) {
                verdict.late += 1;
            } else if !counts_here {
                verdict.unexpected = verdict.unexpected.map(|count| count + 1);
            }
        }
    }
}

/// `quotes`, `best` and `regret`.
fn rank(sheet: &Sheet, verdict: &mut Verdict) {
    let mut ranked = vec![];
    for (who, line) in &sheet.lines {
        if let Said::Quote(price) = line.said {
            // A quote whose time nobody knows cannot claim to have been the first of equals.
            ranked.push((worth(sheet, line), price, at(line).unwrap_or(i64::MAX), *who, at(line)));
        }
    }
    ranked.sort_unstable();
    if ranked.iter().any(|(worth, ..)| *worth != NOTHING) {
        verdict.by = sheet.by;
    }
    let (mut best, mut regret) = (None, None);
    for (worth, price, _, who, at) in ranked {
        let late = is_late(sheet, at);
        let expected = is_expected(sheet, who);
        let after = at.and_then(|at| Some(at - sheet.submitted?));
        verdict.quotes.push((who, price, late, expected, after));
        if expected == Some(false) {
            continue;
        }
        if late && verdict.regret.is_none() {
            // A longer deadline helps only where nobody has closed it before.
            let helps = sheet.closed.is_none() || at <= sheet.closed;
            verdict.regret = Some((who, price, if helps { after } else { None }));
            regret = Some((worth, price));
        }
        if !late && verdict.best.is_none() {
            verdict.best = Some((who, price));
            best = Some((worth, price));
        }
    }
    if best.is_some() && regret >= best {
        verdict.regret = None;
    }
}

/// What comes after every number.
const NOTHING: i64 = i64::MAX;

/// What orders a quote before its price: the less, the better.
pub fn worth(sheet: &Sheet, line: &Line) -> i64 {
    match (sheet.by, line.value) {
        (By::Min, Some(value)) => value,
        (By::Max, Some(value)) => -value,
        (By::Price, _) | (_, None) => NOTHING,
    }
}

/// `providers`: the expected ones, then whoever else spoke.
fn list(sheet: &Sheet, verdict: &mut Verdict) {
    let spoke = |who: &usize| sheet.lines.contains_key(who);
    let everyone = || 0..super::sheet::NAMES.len();
    let first = everyone().filter(|who| is_expected(sheet, *who) == Some(true));
    let second = everyone().filter(|who| is_left_out(sheet, *who));
    let third = everyone().filter(|who| is_expected(sheet, *who) != Some(true)).filter(spoke);
    for who in first.chain(second).chain(third) {
        let ended = verdict.completed_by.is_some();
        let state = match sheet.lines.get(&who) {
            Some(Line { said: Said::Declined, .. }) => "declined",
            Some(Line { said: Said::Failed, .. }) => "failed",
            Some(line @ Line { said: Said::Quote(_), .. }) if is_late(sheet, at(line)) => "late",
            Some(Line { said: Said::Quote(_), .. }) => "quoted",
            None if is_left_out(sheet, who) => "not-asked",
            _ if !ended => "waiting",
            Some(Line { said: Said::Silent, .. }) => "silent",
            None => "missing",
        };
        verdict.providers.push((who, state, is_expected(sheet, who)));
    }
}

/// Lives through the gathering again; answers without a time were there from the beginning.
fn first_met(sheet: &Sheet, wishes: &[Wish]) -> Option<&'static str> {
    let mut clock = vec![i64::MIN];
    for line in sheet.lines.values() {
        clock.extend(at(line));
        clock.extend(line.failed);
    }
    clock.sort_unstable();
    for now in clock {
        for wish in wishes {
            let quotes = sheet.lines.iter().filter(|(who, line)| {
                is_expected(sheet, **who) != Some(false)
                    && !is_late(sheet, at(line))
                    && at(line).is_none_or(|at| at <= now)
            });
            let mut prices = quotes.filter_map(|(_, line)| match line.said {
                Said::Quote(price) => Some(price),
                _ => None,
            });
            let (met, word) = match wish {
                Wish::All => (all_settled(sheet, now), "all"),
                Wish::Count(count) => (prices.count() >= *count, "count"),
                Wish::AtMost(most) => (prices.any(|price| price <= *most), "price"),
            };
            if met {
                return Some(word);
            }
        }
    }
    None
}

fn all_settled(sheet: &Sheet, now: i64) -> bool {
    let Some(expected) = &sheet.expected else { return false };
    let mut missing = expected.clone();
    missing.retain(|who| !sheet.lines.get(who).is_some_and(|line| settled(sheet, line, now)));
    missing.is_empty() && !expected.is_empty()
}

/// Whether a provider has quoted, declined or failed in time, and no later than `now`.
fn settled(sheet: &Sheet, line: &Line, now: i64) -> bool {
    let by_now = |at: Option<i64>| !is_late(sheet, at) && at.is_none_or(|at| at <= now);
    let failed_before = line.failed.is_some() && by_now(line.failed);
    failed_before || (line.said != Said::Silent && by_now(at(line)))
}

/// A provider that speaks was asked.
fn is_expected(sheet: &Sheet, who: usize) -> Option<bool> {
    let speaks = sheet.lines.contains_key(&who) && sheet.not_asked.contains(&who);
    sheet.expected.as_ref().map(|expected| expected.contains(&who) || speaks)
}

/// Whether a filter held its request back, as far as anything is known.
fn is_left_out(sheet: &Sheet, who: usize) -> bool {
    let is_asked = sheet.expected.as_ref().is_none_or(|expected| expected.contains(&who));
    sheet.not_asked.contains(&who) && !is_asked && !sheet.lines.contains_key(&who)
}

fn at(line: &Line) -> Option<i64> {
    if line.sent.is_some() { line.sent } else { line.answered }
}

fn is_late(sheet: &Sheet, at: Option<i64>) -> bool {
    let Some(at) = at else { return false };
    let after = |limit: Option<i64>| limit.is_some_and(|limit| at > limit);
    after(sheet.deadline) || after(sheet.closed)
}
