//! The trace of an RFQ, read by the official protobuf definitions of OTLP.

use insta::assert_snapshot;
use rydes::core::aggregate::aggregate;
use rydes::core::timeline::Timeline;
use rydes::core::{
    Answer, AnswerRow, Condition, ExcludedProvider, Names, Price, RequestRow, Responder, RfqId,
    Ride, Rows, StackName, Timestamp,
};
use rydes::view::otlp::export;

use crate::support::languages::otlp;

const NOON: i64 = 1_769_860_800_000;

fn at(millis: i64) -> Option<Timestamp> {
    Timestamp::from_millis(NOON + millis)
}

fn request(id: &str) -> RequestRow {
    let ride = Ride { from: "Frankfurt".into(), to: "Rome".into(), customer: "cmr".into() };
    RequestRow {
        submitted_at: at(0),
        deadline: at(15_000),
        ..RequestRow::new(RfqId::parse(id).expect("valid"), ride)
    }
}

/// A row with these times: received, answered, sent, gathered.
fn row(who: &str, answer: Answer, times: [Option<i64>; 4]) -> AnswerRow {
    let [received_at, answered_at, sent_at, gathered_at] = times.map(|time| at(time?));
    AnswerRow {
        received_at,
        answered_at,
        sent_at,
        gathered_at,
        ..AnswerRow::new(Responder::stored(who), answer)
    }
}

fn quote(who: &str, price: u64, received: i64, answered: i64) -> AnswerRow {
    let times = [received, answered, answered + 4, answered + 34].map(Some);
    row(who, Answer::Quote(Price::whole(price)), times)
}

/// The document of these rows at a time, and the lines that the definitions make of it.
fn read(rows: &Rows, now: i64) -> (String, String) {
    let gathering = aggregate(rows, at(now).expect("in range"), None);
    let names = Names::new(&StackName::parse("wild-rydes").expect("valid"));
    let document = export(&Timeline::of(rows, &gathering), &gathering, &names).to_string();
    let lines = otlp(&document);
    (document, lines)
}

/// One provider of each kind.
fn all_kinds() -> Rows {
    let attempted_at = [90, 1_100, 1_900].into_iter().filter_map(at).collect();
    let failed = Answer::Failed { reason: "engine fault".into(), attempts: Some(3), attempted_at };
    let silent = Answer::Silent("not available".into());
    let declined = Answer::Declined("fully booked".into());
    let answers = vec![
        quote("acme", 16, 85, 3_100),
        AnswerRow { failed_at: at(2_000), ..quote("globex", 77, 6_000, 6_100) },
        row("fails", failed, [Some(1_900), Some(2_000), Some(2_004), Some(2_040)]),
        row("silent", silent, [Some(60), Some(61), Some(70), Some(99)]),
        row("declines", declined, [Some(60), Some(1_100), Some(1_104), Some(1_140)]),
        quote("late", 7, 60, 18_200),
        row("untimed", Answer::Quote(Price::whole(20)), [None; 4]),
        // A program that dates nothing: the queue and the consumer did.
        row("other-queue", Answer::Quote(Price::whole(30)), [None, None, Some(900), Some(940)]),
        quote("stranger with spaces", 1, 50, 700),
    ];
    let expected = [
        "acme",
        "globex",
        "fails",
        "silent",
        "declines",
        "late",
        "untimed",
        "other-queue",
        "missing",
    ];
    let not_asked =
        ExcludedProvider { responder: Responder::stored("picky"), key: Some("to".into()) };
    let request = RequestRow {
        expected: Some(expected.map(Responder::stored).to_vec()),
        not_asked: vec![not_asked],
        ..request("78c371f6-87c4-4e6e-8c7d-33403c7b7049")
    };
    Rows { request, answers }
}

#[test]
fn one_provider_of_each_kind() {
    let (document, lines) = read(&all_kinds(), 20_000);
    assert_snapshot!(lines);
    for private in ["Frankfurt", "Rome", "cmr"] {
        assert!(!document.contains(private), "{private}");
    }
    assert_eq!(read(&all_kinds(), 9_000_000).0, document, "whenever it is exported");
}

#[test]
fn while_it_goes_on_and_once_a_condition_is_met() {
    let mut rows = all_kinds();
    rows.answers.retain(|row| row.gathered_at.is_some_and(|gathered| Some(gathered) <= at(1_500)));
    let (_, going) = read(&rows, 2_000);
    assert!(going.contains("request for quotes: INTERNAL 0..1140 "), "{going}");
    assert!(going.contains("'gathering'") && !going.contains("event"), "{going}");
    rows.answers.clear();
    assert!(read(&rows, 2_000).1.contains("request for quotes: INTERNAL 0..0 "));
    let mut rows = all_kinds();
    rows.request.until = vec![Condition::Count(2)];
    rows.answers.retain(|row| row.sent_at.is_some());
    let (_, complete) = read(&rows, 20_000);
    assert!(complete.contains("request for quotes: INTERNAL 0..3104 "), "{complete}");
    assert!(complete.contains("rydes.completed_by='count'"), "{complete}");
    rows.request.until = Vec::new();
    rows.request.closed_at = at(2_500);
    let (_, closed) = read(&rows, 20_000);
    assert!(closed.contains("request for quotes: INTERNAL 0..2500 "), "{closed}");
    assert!(closed.contains("event 2500 closed"), "{closed}");
}

#[test]
fn no_span_ends_before_it_begins_where_clocks_disagree() {
    let mut rows = all_kinds();
    rows.answers = vec![quote("acme", 16, -5_000, -4_000)];
    rows.answers[0].sent_at = at(-4_500);
    let (_, lines) = read(&rows, 20_000);
    assert!(lines.contains("queue acme: INTERNAL 0..0 "), "{lines}");
    assert!(lines.contains("think acme: CONSUMER -5000..-4000 "), "{lines}");
    assert!(lines.contains("reply acme: PRODUCER -4000..-4000 "), "{lines}");
    for skew in ["rydes.clock_skew_ms=5000", "rydes.clock_skew_ms=500"] {
        assert!(lines.contains(skew), "{lines}");
    }
}

#[test]
fn what_no_clock_recorded_is_not_made_up() {
    let bare = |answers| {
        let request = RequestRow { submitted_at: None, deadline: None, ..request("of-old") };
        Rows { request, answers }
    };
    let untimed = bare(vec![row("acme", Answer::Quote(Price::whole(16)), [None; 4])]);
    assert_eq!(read(&untimed, 20_000), (r#"{"resourceSpans":[]}"#.to_owned(), String::new()));
    // Without a submission, the earliest time of an answer is where the trace begins.
    let (_, lines) = read(&bare(vec![quote("acme", 16, 5_000, 6_000)]), 20_000);
    assert!(lines.contains("request for quotes: INTERNAL 0..1034 "), "{lines}");
    assert!(lines.contains("think acme: CONSUMER 0..1000 ") && !lines.contains("queue acme"));
    assert!(!lines.contains("submitted_at"), "{lines}");
    // A time that 64 bits cannot hold is one that is not recorded.
    let far = 99_999_999_999_999;
    let mut rows = all_kinds();
    rows.answers = vec![quote("acme", 16, -far, 6_000), quote("globex", 17, 5_000, far)];
    rows.answers[1].gathered_at = None;
    let (_, lines) = read(&rows, 20_000);
    assert!(!lines.contains("think") && lines.contains("queue globex"), "{lines}");
    assert!(lines.contains("reply acme: PRODUCER 6000..6004 "), "{lines}");
}

#[test]
fn texts_from_outside_stay_texts() {
    for id in ["\u{1b}[31m\u{202e}\0", "00000000-0000-0000-0000-000000000000", "\u{1f984}", "\""] {
        let reason = format!("{id}\n{{\"a\": NaN}}");
        let answer = Answer::Failed { reason, attempts: None, attempted_at: Vec::new() };
        let failed = row("a\"b\u{e9}", answer, [Some(60), Some(70), Some(74), Some(99)]);
        let (_, lines) = read(&Rows { request: request(id), answers: vec![failed] }, 20_000);
        assert!(lines.contains("think a\"b\u{e9}: ") && lines.contains("STATUS_CODE_ERROR"));
    }
}
