//! What the timeline looks like, in the terminal and as a picture, at a fixed time.

use insta::assert_snapshot;
use rydes::core::aggregate::{Gathering, aggregate};
use rydes::core::timeline::Timeline;
use rydes::core::{
    Answer, AnswerRow, Condition, Price, ProviderName, RequestRow, Responder, RfqId, Ride, Rows,
    Timestamp,
};
use rydes::view::clock::Clock;
use rydes::view::picture::svg;
use rydes::view::tone::{Tone, texts};
use rydes::view::trace::{document, lines};

use crate::support::toned;

const NOON: i64 = 1_769_860_800_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis).expect("in range")
}

fn simulated(number: usize) -> Responder {
    ProviderName::simulated(number).responder()
}

/// A row whose provider had the request and answered then; its reply took 4 ms, and 30 ms more into
/// the table.
fn row(who: Responder, answer: Answer, received: i64, answered: i64) -> AnswerRow {
    AnswerRow {
        received_at: Some(at(received)),
        answered_at: Some(at(answered)),
        sent_at: Some(at(answered + 4)),
        gathered_at: Some(at(answered + 34)),
        ..AnswerRow::new(who, answer)
    }
}

fn quote(number: usize, price: u64, received: i64, answered: i64) -> AnswerRow {
    row(simulated(number), Answer::Quote(Price::whole(price)), received, answered)
}

fn request() -> RequestRow {
    RequestRow {
        submitted_at: Some(at(0)),
        deadline: Some(at(15_000)),
        expected: Some((1..=11).map(simulated).collect()),
        until: vec![Condition::All],
        ..RequestRow::new(
            RfqId::parse("78c371f6-87c4-4e6e-8c7d-33403c7b7049").expect("valid"),
            Ride {
                from: "Frankfurt".to_owned(),
                to: "Las Vegas".to_owned(),
                customer: "cmr".to_owned(),
            },
        )
    }
}

/// Everything that eleven providers can do.
fn eleven() -> Rows {
    let tries = [90, 1_100, 1_900, 3_500];
    let failed = Answer::Failed {
        reason: "engine fault".to_owned(),
        attempts: Some(5),
        attempted_at: tries.into_iter().map(at).collect(),
    };
    let replaced = AnswerRow { failed_at: Some(at(2_000)), ..quote(10, 77, 6_000, 6_100) };
    let answers = vec![
        quote(1, 16, 85, 3_100),
        quote(2, 68, 70, 2_400),
        row(simulated(3), failed, 3_500, 3_900),
        row(simulated(4), Answer::Silent("not available".to_owned()), 900, 901),
        quote(5, 86, 80, 800),
        quote(6, 93, 60, 1_900),
        quote(7, 7, 60, 18_200),
        row(simulated(8), Answer::Declined("fully booked".to_owned()), 60, 1_100),
        quote(9, 80, 60, 600),
        replaced,
        row(Responder::stored("somebody-else"), Answer::Quote(Price::whole(1)), 50, 700),
    ];
    Rows { request: request(), answers }
}

fn timeline(rows: &Rows, now: i64) -> (Timeline, Gathering) {
    let gathering = aggregate(rows, at(now), None);
    (Timeline::of(rows, &gathering), gathering)
}

fn shown(rows: &Rows, now: i64, width: u16) -> String {
    let (timeline, gathering) = timeline(rows, now);
    toned(&lines(&timeline, &gathering, &Clock::utc(at(now)), width), Some(width))
}

#[test]
fn on_80_columns() {
    assert_snapshot!(shown(&eleven(), 20_000, 79));
}

#[test]
fn on_120_columns() {
    assert_snapshot!(shown(&eleven(), 20_000, 119));
}

#[test]
fn on_a_narrow_terminal() {
    assert_snapshot!(shown(&eleven(), 20_000, 49));
}

#[test]
fn while_it_goes_on() {
    let mut rows = eleven();
    rows.answers.retain(|row| row.gathered_at.is_some_and(|gathered| gathered <= at(2_000)));
    assert_snapshot!(shown(&rows, 2_000, 80));
}

#[test]
fn closed_early() {
    let mut rows = eleven();
    rows.request.closed_at = Some(at(2_000));
    assert_snapshot!(shown(&rows, 20_000, 80));
}

#[test]
fn rows_of_the_original_have_no_times() {
    let untimed = |row: AnswerRow| AnswerRow {
        received_at: None,
        answered_at: None,
        sent_at: None,
        gathered_at: None,
        ..row
    };
    let request = RequestRow {
        submitted_at: None,
        deadline: None,
        expected: None,
        until: Vec::new(),
        ..request()
    };
    let answers = vec![untimed(quote(2, 16, 0, 0)), untimed(quote(10, 100, 0, 0))];
    let rows = Rows { request, answers };
    assert_snapshot!(shown(&rows, 20_000, 80));
    let (timeline, gathering) = timeline(&rows, 20_000);
    let picture = svg(&timeline, &gathering, &Clock::utc(at(20_000))).expect("it is drawn");
    assert_eq!(picture.matches("no times").count(), 2);
}

#[test]
fn clocks_that_disagree_are_told() {
    let answers = vec![quote(1, 16, -2_000, 100), quote(2, 17, 50, 300)];
    let rows = Rows { request: RequestRow { deadline: None, ..request() }, answers };
    assert_snapshot!(shown(&rows, 1_000, 80));
}

#[test]
fn a_clock_that_is_off_is_not_the_slowest() {
    let skewed = |number, received, answered, sent| AnswerRow {
        sent_at: Some(at(sent)),
        gathered_at: Some(at(sent + 30)),
        ..quote(number, 16, received, answered)
    };
    let said = |rows: Vec<AnswerRow>| {
        let rows = Rows { request: request(), answers: rows };
        let (timeline, gathering) = timeline(&rows, 16_000);
        let clock = Clock::utc(at(16_000));
        let terminal = texts(&lines(&timeline, &gathering, &clock, 119)).join("\n");
        let picture = svg(&timeline, &gathering, &clock).expect("it is drawn");
        (terminal, picture, document(&timeline, &gathering))
    };
    let ahead = skewed(4, 300_040, 300_900, 1_000);
    let (terminal, picture, told) = said(vec![quote(1, 20, 85, 400), ahead]);
    let slowest = "slowest pick-up 85 ms (UnicornManagementResource1), \
                   thinking 860 ms (UnicornManagementResource4), \
                   sending 4 ms (UnicornManagementResource1), ";
    let why = "clocks disagree: UnicornManagementResource4's is 299.9 s ahead of the queue's; its \
               pick-up and sending are not counted as slowest";
    for shown in [&terminal, &picture] {
        let flat = shown.replace("\n  ", " ").replace("&apos;", "'");
        assert!(flat.contains(why), "{flat}");
    }
    assert!(terminal.replace(",\n", ", ").contains(slowest), "{terminal}");
    assert_eq!(told["slowest"]["pick-up"]["ms"], 85);
    assert_eq!(told["slowest"]["sending"]["ms"], 4);
    let behind = skewed(4, -299_940, -299_100, 1_000);
    let (terminal, _, told) = said(vec![quote(1, 20, 85, 400), behind]);
    let why =
        "clocks disagree: UnicornManagementResource4's is 299.9 s behind the submitter's; its";
    assert!(terminal.contains(why), "{terminal}");
    assert_eq!(told["slowest"]["sending"]["ms"], 4);
}

#[test]
fn the_summary_shortens_names_only_where_the_rows_do() {
    let (timeline, gathering) = timeline(&eleven(), 20_000);
    let clock = Clock::utc(at(20_000));
    let shown = |width| texts(&lines(&timeline, &gathering, &clock, width)).join("\n");
    for width in [79, 119] {
        let shown = shown(width);
        assert!(shown.contains("thinking 18.1 s (UnicornManagementResource7)"), "{shown}");
        assert!(!shown.contains('…'), "{shown}");
    }
    let narrow = shown(49);
    assert!(narrow.contains("thinking 18.1 s (…7)"), "{narrow}");
    assert!(narrow.contains("… stands for UnicornManagementResource"), "{narrow}");
    let picture = svg(&timeline, &gathering, &clock).expect("it is drawn");
    assert!(!picture.contains("stands for"), "its rows have whole names");
}

#[test]
fn a_late_decline_is_marked_as_late() {
    let no = |number, answered| {
        row(simulated(number), Answer::Declined("too far".to_owned()), 60, answered)
    };
    let rows = Rows { request: request(), answers: vec![no(1, 14_000), no(2, 15_030)] };
    let (timeline, gathering) = timeline(&rows, 20_000);
    let clock = Clock::utc(at(20_000));
    let lines = lines(&timeline, &gathering, &clock, 79);
    let tone = |start: &str| {
        let found = lines.iter().find(|line| line.text.starts_with(start));
        found.map(|line| (line.tone, line.text.contains("declined+ ")))
    };
    assert_eq!(tone("UnicornManagementResource1 "), Some((Tone::Plain, false)));
    assert_eq!(tone("UnicornManagementResource2 "), Some((Tone::Late, true)));
    let said = texts(&lines).join("\n");
    assert!(said.contains("  + late"), "{said}");
    let picture = svg(&timeline, &gathering, &clock).expect("it is drawn");
    let late = picture.split_once("declined late").expect("it says so").0;
    let text = late.rsplit_once("<text").expect("a text").1;
    assert!(text.contains("#9A6700"), "{text}");
}

#[test]
fn a_receipt_has_the_word_of_its_state() {
    let rows = eleven();
    let shown = shown(&rows, 20_000, 79);
    let row = shown.lines().find(|line| line.contains("Resource4 ")).expect("a row");
    assert!(row.contains("  silent  "), "{row}");
    assert!(shown.contains("  x silent  "), "{shown}");
    assert!(!shown.contains("no quote"), "{shown}");
}

#[test]
fn a_hundred_providers_have_a_line_each() {
    let answers = (1..=100).map(|n| quote(n, n as u64, 50, 5_000)).collect();
    let expected = Some((1..=100).map(simulated).collect());
    let rows = Rows { request: RequestRow { expected, ..request() }, answers };
    // In a row each, as the best, and as the slowest of each of the four steps.
    assert_eq!(shown(&rows, 20_000, 80).matches("UnicornManagementResource").count(), 105);
    let (timeline, gathering) = timeline(&rows, 20_000);
    let picture = svg(&timeline, &gathering, &Clock::utc(at(20_000))).expect("it is drawn");
    // The sentences are in its description too.
    assert_eq!(picture.matches("UnicornManagementResource").count(), 110);
}

#[test]
fn the_picture() {
    let rows = eleven();
    let (timeline, gathering) = timeline(&rows, 20_000);
    assert_snapshot!(svg(&timeline, &gathering, &Clock::utc(at(20_000))).expect("it is drawn"));
}

#[test]
fn nothing_hostile_gets_into_the_picture_or_the_terminal() {
    let mut rows = eleven();
    let evil = "<script>x</script>\u{1b}[2J\u{202e}&\"'";
    rows.request.ride.from = evil.to_owned();
    rows.answers.push(row(Responder::stored(evil), Answer::Quote(Price::whole(1)), 50, 700));
    let (timeline, gathering) = timeline(&rows, 20_000);
    let picture = svg(&timeline, &gathering, &Clock::utc(at(20_000))).expect("it is drawn");
    let printed = shown(&rows, 20_000, 120);
    for text in [&picture, &printed] {
        assert!(!text.contains(['\u{1b}', '\u{202e}']), "{text}");
    }
    assert!(!picture.contains("<script>") && picture.contains("&lt;script&gt;"));
    assert!(document(&timeline, &gathering).to_string().contains("<script>"), "JSON has it whole");
}

#[test]
fn times_that_cannot_be_are_drawn_within_the_scale() {
    let far = 99_999_999_999_999;
    let mut rows = eleven();
    for (received, answered) in [(-far, far), (far, -far), (0, 0)] {
        rows.answers[0].received_at = Some(at(received));
        rows.answers[0].answered_at = Some(at(answered));
        rows.answers[0].failed_at = Some(at(-far));
        shown(&rows, far, 80);
        let (timeline, gathering) = timeline(&rows, far);
        let picture = svg(&timeline, &gathering, &Clock::utc(at(far))).expect("it is drawn");
        assert!(!picture.contains("x=\"-"), "{picture}");
    }
    // Rows that nobody but a hostile consumer could have written are drawn all the same.
    rows.answers[0].gathered_at = Some(at(far));
    rows.request.closed_at = Some(at(-far));
    shown(&rows, 0, 80);
    let (timeline, gathering) = timeline(&rows, 0);
    assert!(svg(&timeline, &gathering, &Clock::utc(at(0))).is_ok());
}

#[test]
fn a_name_that_is_wider_than_it_looks_is_drawn() {
    let mut rows = eleven();
    for odd in ["1\u{fe0f}".repeat(32), "#\u{fe0f}".repeat(17), "東".repeat(64)] {
        rows.answers.push(row(Responder::stored(odd), Answer::Quote(Price::whole(1)), 50, 700));
    }
    let (timeline, gathering) = timeline(&rows, 20_000);
    for width in [0, 40, 60, 80, 120, u16::MAX] {
        assert!(!lines(&timeline, &gathering, &Clock::utc(at(20_000)), width).is_empty());
    }
}

#[test]
fn the_document_has_the_numbers_of_the_bars() {
    let (timeline, gathering) = timeline(&eleven(), 20_000);
    let told = document(&timeline, &gathering);
    assert_eq!((&told["deadline-ms"], &told["closed-ms"]), (&15_000.into(), &().into()));
    let lane = &told["providers"][6];
    assert_eq!(lane["responder"], "UnicornManagementResource7");
    let times = ["received-ms", "answered-ms", "sent-ms", "gathered-ms"].map(|name| &lane[name]);
    assert_eq!(times, [60, 18_200, 18_204, 18_234]);
    assert_eq!(lane["took-ms"]["thinking"], 18_140);
    assert_eq!(told["slowest"]["thinking"]["responder"], "UnicornManagementResource7");
    assert_eq!(told["providers"][2]["attempted-ms"], serde_json::json!([90, 1100, 1900, 3500]));
    assert_eq!(told["providers"][9]["failed-ms"], 2_000);
}
