//! What a report looks like, at a fixed time, and what programs read.

use insta::assert_snapshot;
use rydes::core::history::{LeftOut, Report};
use rydes::core::{
    Answer, AnswerRow, Price, ProviderName, RequestRow, Responder, RfqId, Ride, Rows, Timestamp,
};
use rydes::flow::history::{Coverage, GoingOn};
use rydes::view::clock::Clock;
use rydes::view::report::{csv, document, jsonl, lines, unasked};
use rydes::view::tone::Tone;
use serde_json::Value;

use crate::schemas::conforms;
use crate::support::toned;

const NOON: i64 = 1_769_860_800_000;
const MINUTE: i64 = 60_000;
const DEADLINE: i64 = 15_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis).expect("in range")
}

fn simulated(number: usize) -> Responder {
    ProviderName::simulated(number).responder()
}

fn acme() -> Responder {
    Responder::stored("acme")
}

/// Numbers that look random and are the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: i64) -> i64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        i64::try_from(self.0 >> 33).expect("31 bits") % limit
    }
}

/// The rows of an RFQ that was submitted so many minutes after noon.
fn rows(minute: i64, expected: Vec<Responder>, answers: Vec<AnswerRow>) -> Rows {
    let ride = Ride { from: "A".to_owned(), to: "B".to_owned(), customer: "cmr".to_owned() };
    let id = RfqId::parse("78c371f6-87c4-4e6e-8c7d-33403c7b7049").expect("valid");
    let submitted = minute * MINUTE;
    let request = RequestRow {
        submitted_at: Some(at(submitted)),
        deadline: Some(at(submitted + DEADLINE)),
        expected: Some(expected),
        ..RequestRow::new(id, ride)
    };
    Rows { request, answers }
}

fn says(who: Responder, answer: Answer, minute: i64, after: i64) -> AnswerRow {
    AnswerRow { sent_at: Some(at(minute * MINUTE + after)), ..AnswerRow::new(who, answer) }
}

fn quote(price: i64) -> Answer {
    Answer::Quote(Price::whole(price.unsigned_abs()))
}

fn failed(reason: &str) -> Answer {
    Answer::Failed { reason: reason.to_owned(), attempts: Some(5), attempted_at: Vec::new() }
}

/// What one of the providers answers, if it does, and after how long.
fn answer(number: usize, dice: &mut Dice) -> Option<(Answer, i64)> {
    let slow = i64::try_from(number).expect("few");
    let soon = 300 + dice.below(900 * slow);
    Some(match (number, dice.below(20)) {
        (4, 0..8) => (Answer::Declined("fully booked".to_owned()), soon),
        (4, 8..11) => (Answer::Declined(format!("no ride on day {}", dice.below(14))), soon),
        (_, 0) => (failed("engine fault"), 4_000 + dice.below(900)),
        (4, 11) => (failed("HTTP 503"), 6_000),
        (_, 1) => (Answer::Silent("not available".to_owned()), soon),
        (7, 2..9) => (quote(5 + dice.below(90)), DEADLINE + 200 + dice.below(20_000)),
        (10, 0..16) | (_, 2) => return None,
        _ => (quote(8 + dice.below(70 + 9 * slow)), soon),
    })
}

/// An ordinary report on 200 RFQs of ten providers.
fn ordinary(in_depth: Option<Responder>) -> Report {
    let (mut report, mut dice) = (Report::new(in_depth), Dice(1));
    for number in 0..200 {
        let minute = number * 7;
        let answers = (1..=10).filter_map(|who| {
            let (answer, after) = answer(who, &mut dice)?;
            Some(says(simulated(who), answer, minute, after))
        });
        let mut answers: Vec<_> = answers.collect();
        if number % 90 == 0 {
            answers.push(says(Responder::stored("stranger"), quote(1), minute, 700));
        }
        let mut rows = rows(minute, (1..=10).map(simulated).collect(), answers);
        if number % 40 == 3 {
            rows.request.closed_at = Some(at(minute * MINUTE + 6_000));
        }
        report.add(&rows);
    }
    report
}

/// Names and reasons that try to break the table.
fn hostile(in_depth: Option<Responder>) -> Report {
    let mut report = Report::new(in_depth);
    let names = names();
    for number in 0..30_i64 {
        let answers = names.iter().zip(0..).map(|(name, place): (_, i64)| {
            let answer = match place {
                0 if number % 2 == 0 => quote(1),
                1 => Answer::Declined(format!(
                    "{}\u{1b}]0;owned\u{7}, {}",
                    "no, ".repeat(60),
                    number % 4
                )),
                2 => failed("引擎\u{202e}故障\nsecond line"),
                _ => quote(1_000_000 * (place + 1) + number),
            };
            says(name.clone(), answer, number, 900 * (place + 1))
        });
        report.add(&rows(number, names.clone(), answers.collect()));
    }
    report
}

fn names() -> Vec<Responder> {
    let wide = "東".repeat(64);
    let names = [
        "=HYPERLINK(\"http://x.example\")",
        "\u{1b}[2J\u{1b}[31mevil\r\n",
        &wide,
        "👨\u{200d}👩\u{200d}👧 rides 🦄🦄",
        "-1,\"quoted\"",
        "ドライバー株式会社",
    ];
    names.map(Responder::stored).to_vec()
}

/// A report on a thousand providers, and ten more.
fn thousand() -> Report {
    let (mut report, mut dice) = (Report::new(None), Dice(7));
    for number in 0..3 {
        let answers = (1..=1_010).map(|who| {
            says(simulated(who), quote(10 + dice.below(9_000)), number, 500 + dice.below(9_000))
        });
        report.add(&rows(number, (1..=1_010).map(simulated).collect(), answers.collect()));
    }
    report
}

fn coverage(left_out: LeftOut, foreign: u64) -> Coverage {
    let (read_at, going_on) = (at(3_000 * MINUTE), GoingOn::Surely);
    Coverage { read_at, rows: 2_000, foreign, left_out, going_on, unsettled: 0 }
}

/// What is read of most stacks.
fn usual() -> Coverage {
    coverage(LeftOut { going_on: 3, expired: 12, ..LeftOut::default() }, 0)
}

fn shown(report: &Report, coverage: &Coverage, width: Option<u16>) -> String {
    toned(&lines(report, coverage, &Clock::utc(at(3_000 * MINUTE)), width), width)
}

/// Every width that people have.
fn on_all_widths(report: &Report, coverage: &Coverage) -> String {
    let shown = |width: u16| shown(report, coverage, Some(width - 1));
    [50, 80, 120].map(|width| format!("{width} columns\n{}", shown(width))).join("\n\n")
}

#[test]
fn an_ordinary_report() {
    assert_snapshot!(on_all_widths(&ordinary(None), &usual()));
}

#[test]
fn a_report_without_a_terminal_is_whole() {
    assert_snapshot!(shown(&ordinary(None), &usual(), None));
}

#[test]
fn a_provider_in_depth() {
    assert_snapshot!(on_all_widths(&ordinary(Some(simulated(4))), &usual()));
}

#[test]
fn a_provider_that_is_often_late_in_depth() {
    assert_snapshot!(shown(&ordinary(Some(simulated(7))), &usual(), Some(79)));
}

#[test]
fn hostile_names() {
    let all = LeftOut { going_on: 1, expired: 2, untimed: 3, without_request: 4 };
    assert_snapshot!(on_all_widths(&hostile(None), &coverage(all, 5)));
}

#[test]
fn hostile_reasons_in_depth() {
    let none = coverage(LeftOut::default(), 0);
    let of = |place: usize| shown(&hostile(Some(names()[place].clone())), &none, Some(79));
    assert_snapshot!([1, 2].map(of).join("\n\n"));
}

#[test]
fn a_thousand_providers() {
    let report = thousand();
    let whole = shown(&report, &usual(), None);
    assert!(whole.lines().count() > 1_000);
    assert_snapshot!(on_all_widths(&report, &usual()));
}

#[test]
fn no_width_is_too_narrow() {
    for report in [ordinary(None), ordinary(Some(simulated(4))), hostile(None), thousand()] {
        for width in 40..140 {
            shown(&report, &usual(), Some(width));
        }
    }
}

#[test]
fn one_rfq_is_told_in_the_singular() {
    let mut report = Report::new(None);
    report.add(&rows(0, vec![acme()], vec![says(acme(), quote(20), 0, 812)]));
    let one = shown(&report, &usual(), Some(79));
    report.in_depth = Some(acme());
    assert_snapshot!([one, shown(&report, &usual(), Some(79))].join("\n\n"));
}

#[test]
fn each_day_of_the_period_is_named() {
    let (day, hour) = (24 * 60, 60);
    for (last, now, said) in [
        (hour, 2 * hour, "from 12:00:00 UTC to 13:00:00 UTC"),
        (hour, 2 * day, "from 2026-01-31 12:00:00 UTC to 13:00:00 UTC"),
        (day, day + hour, "from 2026-01-31 12:00:00 UTC to 2026-02-01 12:00:00 UTC"),
        (0, day, "at 2026-01-31 12:00:00 UTC"),
        (0, hour, "at 12:00:00 UTC"),
    ] {
        let mut report = Report::new(None);
        report.add(&rows(0, vec![acme()], Vec::new()));
        let mut other = rows(last, vec![acme()], Vec::new());
        // The times of a batch differ by milliseconds.
        other.request.submitted_at = Some(at(last * MINUTE + 2));
        report.add(&other);
        let lines = lines(&report, &usual(), &Clock::utc(at(now * MINUTE)), None);
        assert_eq!(lines[0].text, format!("2 RFQs, submitted {said}"));
    }
}

#[test]
fn a_provider_that_never_answered_has_no_histogram() {
    let mut report = Report::new(Some(acme()));
    report.add(&rows(0, vec![acme()], Vec::new()));
    let lines = lines(&report, &usual(), &Clock::utc(at(0)), Some(79));
    assert_eq!(lines[1].text, "1 missing (100 %)");
    assert!(lines.iter().all(|line| !line.text.contains("AFTER")), "{lines:?}");
}

#[test]
fn without_any_rfq_a_sentence_says_why() {
    let none = Coverage { rows: 0, ..coverage(LeftOut::default(), 0) };
    let said = |coverage: &Coverage| shown(&Report::new(None), coverage, Some(79));
    let told = [none, coverage(LeftOut::default(), 0), usual()].map(|coverage| said(&coverage));
    assert_snapshot!(told.join("\n\n"));
    assert_eq!(csv(&Report::new(None)).len(), 1, "the header alone");
}

#[test]
fn the_provider_with_the_most_best_quotes_is_the_first_and_green() {
    let report = ordinary(None);
    let lines = lines(&report, &usual(), &Clock::utc(at(0)), None);
    let header = lines.iter().position(|line| line.text.starts_with("PROVIDER")).expect("a table");
    assert_eq!(lines[header + 1].tone, Tone::Best);
    let bests = csv(&report).into_iter().skip(1).map(|line| {
        let best = line.split(',').nth(10).map(str::parse::<u64>);
        best.expect("a cell").expect("a number")
    });
    assert!(bests.is_sorted_by(|first, second| first >= second));
}

#[test]
fn programs_read_one_document_and_a_line_for_each_provider() {
    for report in [ordinary(None), ordinary(Some(simulated(4))), hostile(None), Report::new(None)] {
        let document = document(&report, &usual());
        conforms("report", &document);
        let lines = jsonl(&report, &usual());
        let mut stack = lines[0].clone();
        let fields = stack.as_object_mut().expect("an object");
        assert_eq!(fields.remove("of"), Some("stack".into()));
        let providers: Vec<_> = lines[1..]
            .iter()
            .map(|line| {
                let mut line = line.clone();
                let of = line.as_object_mut().and_then(|line| line.remove("of"));
                assert_eq!(of, Some("provider".into()));
                line
            })
            .collect();
        fields.insert("providers".to_owned(), Value::Array(providers));
        assert_eq!(stack, document, "they hold the same");
    }
}

#[test]
fn the_document_in_depth_has_bins_and_reasons() {
    let report = ordinary(Some(simulated(4)));
    let document = document(&report, &usual());
    let [provider] = &document["providers"].as_array().expect("a list")[..] else { panic!("one") };
    let sum = |list: &str| {
        let all = provider[list].as_array().expect("a list").iter();
        all.map(|one| one["count"].as_u64().expect("a number")).sum::<u64>()
    };
    let count = |name: &str| provider[name].as_u64().expect("a number");
    let answered = count("quoted") + count("declined") + count("failed") + count("late");
    assert_eq!(sum("histogram"), answered);
    assert_eq!(sum("reasons"), count("declined") + count("failed") + count("silent"));
    assert_eq!(provider["reasons"][0]["reason"], "fully booked");
    assert_eq!(provider["reasons"][0]["state"], "declined");
}

#[test]
fn a_spreadsheet_reads_each_line_and_runs_none() {
    assert_snapshot!(csv(&hostile(None)).join("\n"));
    let text = csv(&ordinary(None)).join("\n");
    let mut lines = text.lines();
    let columns = lines.next().expect("a header").split(',').count();
    assert!(lines.clone().count() == 10 && lines.all(|line| line.split(',').count() == columns));
}

#[test]
fn a_provider_that_no_rfq_asked_is_unknown() {
    let problem = |name: &str| {
        let report = ordinary(Some(Responder::stored(name)));
        unasked(&report).map(|(problem, hint)| format!("{problem}: {hint}"))
    };
    assert_eq!(problem("UnicornManagementResource4"), None);
    assert_eq!(
        problem("stranger").as_deref(),
        Some(
            "no RFQ in this report asked provider `stranger`: providers that were asked: UnicornManagementResource1..10"
        )
    );
    assert_eq!(
        problem("unicornmanagementresource4").as_deref(),
        Some(
            "no RFQ in this report asked provider `unicornmanagementresource4`: \
             write `UnicornManagementResource4`"
        )
    );
    let escaped = problem("\u{1b}[2J").expect("it is unknown");
    assert!(escaped.contains("`\\u{1b}[2J`"), "{escaped}");
    let nothing = Report::new(Some(acme()));
    assert_eq!(unasked(&nothing), None, "there is nothing to report on");
}
