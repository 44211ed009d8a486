//! What the tables look like, at a fixed time.

use std::time::Duration;

use insta::assert_snapshot;
use rydes::aws::Usage;
use rydes::consumer::Trouble;
use rydes::core::aggregate::{CompletedBy, aggregate};
use rydes::core::{
    Answer, AnswerRow, Condition, Details, Price, ProviderName, RequestRow, Responder, RfqId, Ride,
    Rows, StackName, Timestamp,
};
use rydes::flow::events::{Event, Gathered, Stray};
use rydes::flow::provider::{
    Behaviour, Endpoint, Profile, Receipts, Served, ServedBy, Simulation, endpoint_url,
};
use rydes::view::details::Field;
use rydes::view::quotes::{Frame, table, truth};
use rydes::view::status::rfqs;
use rydes::view::tone::{Line, Tone, texts};
use rydes::view::workers::{ConsumerPart, Tally, Viewport};

use crate::support::toned;

const NOON: i64 = 1_769_860_800_000;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(NOON + millis).expect("in range")
}

fn id() -> RfqId {
    RfqId::parse("78c371f6-87c4-4e6e-8c7d-33403c7b7049").expect("valid")
}

fn simulated(number: usize) -> Responder {
    ProviderName::simulated(number).responder()
}

fn says(who: Responder, answer: Answer, sent: i64) -> AnswerRow {
    AnswerRow { sent_at: Some(at(sent)), ..AnswerRow::new(who, answer) }
}

fn quote(number: usize, price: u64, sent: i64) -> AnswerRow {
    says(simulated(number), Answer::Quote(Price::whole(price)), sent)
}

/// An RFQ of ten providers, as it stood after so many milliseconds.
fn shown(providers: usize, answers: Vec<AnswerRow>, after: i64, width: Option<u16>) -> String {
    shown_by("price", &[], providers, answers, after, width)
}

/// The same in another order, with a column for each of these fields.
fn shown_by(
    best_by: &str,
    fields: &[&str],
    providers: usize,
    answers: Vec<AnswerRow>,
    after: i64,
    width: Option<u16>,
) -> String {
    let lines = lines_by(best_by, fields, providers, answers, after, (width, None));
    toned(&lines, width)
}

/// The lines of a table on a screen of this width and height.
fn lines_by(
    best_by: &str,
    fields: &[&str],
    providers: usize,
    mut answers: Vec<AnswerRow>,
    after: i64,
    (width, height): (Option<u16>, Option<u16>),
) -> Vec<Line> {
    answers.retain(|answer| answer.sent_at.is_none_or(|sent| sent <= at(after)));
    let ride = Ride {
        from: "Frankfurt".to_owned(),
        to: "Las Vegas".to_owned(),
        customer: "cmr".to_owned(),
    };
    let request = RequestRow {
        submitted_at: Some(at(0)),
        deadline: Some(at(15_000)),
        expected: Some((1..=providers).map(simulated).collect()),
        until: vec![Condition::All],
        best_by: best_by.parse().expect("an order"),
        ..RequestRow::new(id(), ride)
    };
    let gathering = aggregate(&Rows { request, answers }, at(after), None);
    let stack = StackName::parse("wild-rydes").expect("valid");
    let fields: Vec<Field> = fields.iter().map(|field| field.parse().expect("a field")).collect();
    let frame = Frame { stack: &stack, now: at(after), width, height, fields: &fields };
    let lines = table(&gathering, frame);
    let best: Vec<_> = lines.iter().filter(|line| line.tone == Tone::Best).collect();
    assert_eq!(!best.is_empty(), gathering.best.is_some());
    if height.is_none()
        && let Some((row, best)) = best.last().zip(gathering.best.as_ref())
    {
        let is_first = row.text.trim_start().starts_with("1 ");
        assert!(is_first && row.text.contains(&format!(" {} ", best.price)), "{row:?}");
    }
    lines
}

/// Every width that people have.
fn on_all_widths(answers: &[AnswerRow], after: i64) -> String {
    let shown = |width: u16| shown(10, answers.to_vec(), after, Some(width - 1));
    [50, 80, 120].map(|width| format!("{width} columns\n{}", shown(width))).join("\n\n")
}

/// A row with these details.
fn with(details: &str, row: AnswerRow) -> AnswerRow {
    AnswerRow { details: Details::parse(details).expect("JSON"), ..row }
}

/// Answers with details of all kinds.
fn detailed() -> Vec<AnswerRow> {
    let no = says(simulated(4), Answer::Declined("fully booked".to_owned()), 1_100);
    vec![
        with(r#"{"eta-minutes": 12, "vehicle": "unicorn"}"#, quote(1, 16, 800)),
        with(r#"{"eta-minutes": 4.50, "vehicle": "two \u001b[2J unicorns"}"#, quote(2, 68, 900)),
        with(r#"{"vehicle": {"legs": [1, 2, 3], "colour": "white as snow"}}"#, quote(3, 7, 950)),
        with(r#"{"vehicle": null, "next": "tomorrow"}"#, no),
        with(r#"{"eta-minutes": 1, "vehicle": ""}"#, quote(5, 99, 15_400)),
    ]
}

#[test]
fn the_number_that_orders_the_quotes_has_a_column() {
    assert_snapshot!(shown_by("min:/eta-minutes", &[], 5, detailed(), 16_000, Some(80)));
}

#[test]
fn details_are_shown_safely_in_columns() {
    let fields = ["vehicle", "/vehicle/legs/1", "eta-minutes", "vehicle"];
    assert_snapshot!(shown_by("price", &fields, 5, detailed(), 16_000, Some(100)));
}

#[test]
fn details_are_cut_where_the_terminal_is_narrow() {
    let fields = ["vehicle", "eta-minutes"];
    assert_snapshot!(shown_by("max:/eta-minutes", &fields, 5, detailed(), 2_000, Some(79)));
}

#[test]
fn details_without_room_are_named() {
    let fields = ["vehicle", "eta-minutes"];
    assert_snapshot!(shown_by("max:/eta-minutes", &fields, 5, detailed(), 16_000, Some(59)));
}

#[test]
fn a_number_that_no_quote_has_is_named() {
    assert_snapshot!(shown_by("min:/price/total", &[], 5, detailed(), 2_000, Some(80)));
}

/// Everything that ten providers can do.
fn ten() -> Vec<AnswerRow> {
    let failed = Answer::Failed {
        reason: "engine fault".to_owned(),
        attempts: Some(5),
        attempted_at: Vec::new(),
    };
    vec![
        quote(1, 16, 3_100),
        quote(2, 68, 2_400),
        says(simulated(3), failed, 3_900),
        says(simulated(4), Answer::Silent("not available".to_owned()), 900),
        quote(5, 86, 800),
        quote(6, 93, 1_900),
        quote(7, 7, 18_200),
        says(simulated(8), Answer::Declined("fully booked".to_owned()), 1_100),
        quote(9, 80, 600),
        says(Responder::stored("somebody-else"), Answer::Quote(Price::whole(1)), 700),
    ]
}

#[test]
fn a_reason_that_ends_like_the_best_quote_is_not_shown_as_it() {
    let reason = Answer::Declined("second  best".to_owned());
    let table = shown(1, vec![says(simulated(1), reason, 300)], 2_500, None);
    assert!(table.ends_with("declined: second  best"), "{table}");
}

#[test]
fn quotes_come_in() {
    assert_snapshot!(on_all_widths(&ten(), 1_200));
}

#[test]
fn the_deadline_has_passed() {
    assert_snapshot!(on_all_widths(&ten(), 15_250));
}

#[test]
fn a_late_quote_would_have_won_on_all_widths() {
    assert_snapshot!(on_all_widths(&ten(), 20_000));
}

#[test]
fn a_late_quote_would_have_won() {
    assert_snapshot!(shown(10, ten(), 20_000, None));
}

#[test]
fn everybody_has_answered() {
    assert_snapshot!(shown(2, vec![quote(1, 16, 300), quote(2, 68, 2_400)], 2_500, None));
}

#[test]
fn nobody_has_answered() {
    assert_snapshot!(shown(3, Vec::new(), 16_000, None));
}

#[test]
fn what_answered_too_late_is_not_among_the_kinds_in_time() {
    let failed = Answer::Failed {
        reason: "engine fault".to_owned(),
        attempts: Some(5),
        attempted_at: Vec::new(),
    };
    let late = says(simulated(3), Answer::Declined("closed".to_owned()), 16_000);
    let answers = vec![quote(1, 16, 300), says(simulated(2), failed, 17_000), late];
    let shown = shown(3, answers, 20_000, None);
    let said = "deadline passed: 1 of 3 answered in time (1 quote), 2 late\n";
    assert!(shown.contains(said), "{shown}");
}

#[test]
fn late_declines_and_failures_are_marked_as_late_as_late_quotes_are() {
    let failed = Answer::Failed {
        reason: "engine fault".to_owned(),
        attempts: Some(5),
        attempted_at: Vec::new(),
    };
    let no = |number, sent| says(simulated(number), Answer::Declined("too far".to_owned()), sent);
    let answers = || {
        let stranger = Responder::stored("somebody-else");
        let unasked = says(stranger, Answer::Declined("too far".to_owned()), 15_040);
        vec![no(1, 14_970), no(2, 15_030), says(simulated(3), failed.clone(), 18_200), unasked]
    };
    let lines = |width| lines_by("price", &[], 3, answers(), 20_000, (width, None));
    let row = |width, with: &str| {
        let found = lines(width).into_iter().find(|line| line.text.contains(with));
        let found = found.unwrap_or_else(|| panic!("no {with}"));
        (found.tone, found.text.split_whitespace().collect::<Vec<_>>().join(" "))
    };
    let said = |width, with: &str, tone, note: &str| {
        let (shown, text) = row(width, with);
        assert!(shown == tone && text.ends_with(note), "{shown:?} {text}");
    };
    said(None, "Resource1 ", Tone::Plain, "14.9 s declined: too far");
    said(None, "Resource2 ", Tone::Late, "15.0 s declined late by 30 ms: too far");
    let why = "18.2 s failed late by 3.2 s: engine fault, 5 attempts";
    said(None, "Resource3 ", Tone::Late, why);
    said(None, "somebody-else", Tone::Late, "declined late by 40 ms: too far, unexpected");
    // The state is the first word, and whole on a narrow terminal too.
    said(Some(49), " …2 ", Tone::Late, "15.0 s declined late...");
}

#[test]
fn a_receipt_has_the_word_of_its_state_and_below_what_that_means() {
    let receipt = says(simulated(2), Answer::Silent("not available".to_owned()), 900);
    let lines = |answers: &[AnswerRow], after, width| {
        texts(&lines_by("price", &[], 2, answers.to_vec(), after, (width, None)))
    };
    let means = |lines: &[String]| {
        let meant = |line: &&String| line.trim() == "silent: took the request, sent no quote";
        lines.iter().filter(meant).count()
    };
    for width in [None, Some(49), Some(79), Some(119)] {
        let over = lines(&[quote(1, 16, 300), receipt.clone()], 16_000, width);
        let note = over.iter().find(|line| line.contains("  silent: ")).expect("a note");
        assert!(note.contains("  silent: not a"), "{note}");
        assert_eq!(means(&over), 1, "{over:?}");
        let waiting = lines(&[quote(1, 16, 300), receipt.clone()], 2_000, width);
        assert_eq!(means(&waiting), 0, "{waiting:?}");
        let heard = lines(&[quote(1, 16, 300), quote(2, 17, 300)], 2_000, width);
        assert!(!heard.iter().any(|line| line.contains("silent")), "{heard:?}");
    }
}

#[test]
fn a_stall_ends_the_wait_and_not_the_gathering() {
    let request = RequestRow {
        submitted_at: Some(at(0)),
        deadline: Some(at(60_000)),
        expected: Some(vec![simulated(1), simulated(2)]),
        ..RequestRow::new(id(), Ride::default())
    };
    let rows = Rows { request, answers: vec![quote(1, 16, 300)] };
    let mut stalled = aggregate(&rows, at(2_500), None);
    stalled.completed_by = Some(CompletedBy::Stall);
    stalled.stall = Some(Duration::from_millis(500));
    let said = texts(&truth(&stalled, at(2_500)));
    let how = "nothing new for 500 ms, still gathering: 1 of 2 answered (1 quote)";
    assert_eq!(said, ["best so far 16 · UnicornManagementResource1 · 300 ms", how]);
}

/// The lines above the table of an RFQ that also ends at this count.
fn said_of(answers: Vec<AnswerRow>, count: usize) -> Vec<String> {
    let request = RequestRow {
        submitted_at: Some(at(0)),
        deadline: Some(at(15_000)),
        expected: Some((1..=3).map(simulated).collect()),
        until: vec![Condition::Count(count)],
        ..RequestRow::new(id(), Ride::default())
    };
    texts(&truth(&aggregate(&Rows { request, answers }, at(16_000), None), at(16_000)))
}

#[test]
fn where_all_have_refused_no_time_is_blamed() {
    let failed = |number| {
        let reason = "engine fault".to_owned();
        let answer = Answer::Failed { reason, attempts: Some(5), attempted_at: Vec::new() };
        says(simulated(number), answer, 900)
    };
    let no = |number, sent| says(simulated(number), Answer::Declined("full".to_owned()), sent);
    for (answers, said) in [
        (vec![failed(1), failed(2), failed(3)], "no quote: all 3 providers failed"),
        (vec![no(1, 1), no(2, 1), no(3, 1)], "no quote: all 3 providers declined"),
        (vec![no(1, 1), failed(2), failed(3)], "no quote: all 3 providers declined or failed"),
        (vec![no(1, 1), failed(2)], "no quote in time"),
        (vec![no(1, 1), failed(2), no(3, 15_500)], "no quote in time"),
        (vec![no(1, 1), failed(2), quote(3, 16, 15_500)], "no quote in time"),
    ] {
        assert_eq!(said_of(answers, 3)[0], said);
    }
    let alone = shown(1, vec![failed(1)], 2_000, None);
    assert!(alone.contains("\n       | no quote: the only provider failed\n"), "{alone}");
}

#[test]
fn quotes_beyond_the_count_that_ended_it_are_said() {
    let said = |quotes: usize| {
        let answers = (1..=quotes).map(|number| quote(number, 16, 900)).collect();
        said_of(answers, 1)[1].clone()
    };
    assert_eq!(said(1), "ended after 1 quote, as asked: 1 of 3 answered (1 quote)");
    let more = "ended after 1 quote, as asked, and 1 more came: 2 of 3 answered (2 quotes)";
    assert_eq!(said(2), more);
}

#[test]
fn those_that_took_the_request_are_not_waited_for_as_if_unheard() {
    let receipt = |number| says(simulated(number), Answer::Silent("busy".to_owned()), 900);
    let waiting = |answers| {
        let shown = shown(3, answers, 2_000, None);
        let line = shown.lines().find(|line| line.contains("waiting for")).map(str::to_owned);
        line.expect("it waits").split_once("|     ").expect("a tone").1.to_owned()
    };
    let two = "waiting for 3: …1, …3, and …2 (took the request, sent no quote)";
    assert_eq!(waiting(vec![receipt(2)]), two);
    let one = "waiting for 1: …3 (took the request, sent no quote)";
    assert_eq!(waiting(vec![quote(1, 16, 900), quote(2, 17, 900), receipt(3)]), one);
}

#[test]
fn many_providers_are_folded() {
    let quotes = (1..=30).map(|number| quote(number, 100 - number as u64, 1_000)).collect();
    assert_snapshot!(shown(40, quotes, 2_000, Some(79)));
}

#[test]
fn a_low_screen_keeps_the_best_rows_and_counts_the_others() {
    let quotes: Vec<_> = (1..=30).map(|number| quote(number, 100 - number as u64, 1_000)).collect();
    for (providers, answers) in [(10, ten()), (40, quotes)] {
        let lines = |width, height| {
            lines_by("price", &[], providers, answers.clone(), 2_000, (Some(width), height))
        };
        for width in [49, 79] {
            let whole = lines(width, None);
            let header = |line: &Line| line.text.contains("  RESPONDER  ");
            let at = whole.iter().position(header).expect("a header");
            let is_row = |line: &&Line| line.tone != Tone::Faint && !line.text.contains("waiting");
            let folded = |line: &Line| {
                let text = line.text.trim_start().strip_prefix("... and ")?;
                text.strip_suffix(" more")?.parse::<usize>().ok()
            };
            let count = |lines: &[Line]| {
                let (at, mut count) = (lines.iter().position(header).expect("a header"), 0);
                for line in lines[at + 1..].iter().take_while(is_row) {
                    count += folded(line).unwrap_or(1);
                }
                count
            };
            let all = count(&whole);
            for height in 8..=30 {
                let low = lines(width, Some(height));
                assert!(low.len() <= usize::from(height), "{height}: {low:#?}");
                let first = low.iter().position(header).expect("a header") + 1;
                assert!(low[first].text.trim_start().starts_with("1 "), "{height}: {low:#?}");
                assert_eq!(low[first].tone, Tone::Best, "{height}: {low:#?}");
                assert_eq!(count(&low), all, "{height}: {low:#?}");
                let rows = low[first..].iter().take_while(is_row);
                for (shown, row) in rows.filter(|row| folded(row).is_none()).zip(&whole[at + 1..]) {
                    let start = |line: &Line| {
                        let words: Vec<_> = line.text.split_whitespace().take(2).collect();
                        words.join(" ")
                    };
                    assert_eq!(start(shown), start(row), "{height}: the rows from the first");
                }
            }
            for height in 1..8 {
                let low = lines(width, Some(height));
                assert!(low.len() <= usize::from(height), "{height}: {low:#?}");
                assert!(low.iter().take(2).any(|line| line.tone == Tone::Best), "{low:#?}");
            }
        }
    }
    let low = lines_by("price", &[], 10, ten(), 15_250, (Some(79), Some(11)));
    assert_snapshot!(toned(&low, Some(79)));
}

#[test]
fn a_reason_without_end_is_cut() {
    let reason = Answer::Declined(format!("no\u{1b}[2J {}", "because ".repeat(120)));
    let text = shown(2, vec![says(simulated(1), reason, 500)], 1_000, None);
    assert_snapshot!(text);
}

/// What happened at two workers and the consumer.
fn tally() -> Tally {
    let provider = |number| ProviderName::simulated(number);
    let mut tally = Tally::new(&[provider(1), provider(2), provider(10)]);
    let quoted = Answer::Quote(Price::whole(16));
    for event in [
        // A request that was received before this process began, and twice since.
        Event::Received { provider: provider(1), id: id(), count: 2 },
        Event::Finished { provider: provider(1) },
        Event::Received { provider: provider(1), id: id(), count: 3 },
        Event::Answered {
            provider: provider(1),
            id: id(),
            answer: quoted.clone(),
            took: Duration::from_millis(40),
            late_by: None,
        },
        Event::Finished { provider: provider(1) },
        Event::Received { provider: provider(2), id: id(), count: 1 },
        Event::Gathered {
            responder: simulated(1),
            id: id(),
            answer: quoted,
            how: Gathered::First,
            took: None,
        },
    ] {
        tally.count(&event, at(0));
    }
    tally
}

fn drawn(tally: &Tally, width: u16, after: i64) -> String {
    let screen = Viewport { width, now: at(after) };
    toned(&tally.table(ConsumerPart::Included, 20, screen), Some(width))
}

#[test]
fn workers_count_each_request_once() {
    let mut tally = tally();
    let trouble = Trouble::Began { subject: "queue a".into(), reason: "cut".into() };
    tally.count(&Event::Trouble(trouble), at(0));
    let duplicate = Event::Gathered {
        responder: simulated(1),
        id: id(),
        answer: Answer::Quote(Price::whole(16)),
        how: Gathered::Duplicate,
        took: None,
    };
    tally.count(&duplicate, at(0));
    let late = Event::Answered {
        provider: ProviderName::simulated(2),
        id: id(),
        answer: Answer::Declined("fully booked".to_owned()),
        took: Duration::from_secs(20),
        late_by: Some(Duration::from_secs(5)),
    };
    tally.count(&late, at(0));
    tally.count(&Event::GivenBack { provider: ProviderName::simulated(2) }, at(0));
    tally.count(&Event::Again { queue: "queue a".to_owned() }, at(0));
    let (provider, reason) = (ProviderName::simulated(10), "no id".to_owned());
    tally.count(&Event::Unreadable { provider, reason }, at(0));
    let drawn = [50, 80, 120].map(|width| drawn(&tally, width - 1, 0)).join("\n\n");
    let summary = tally.summary(ConsumerPart::Included);
    let summary = toned(&summary, None);
    assert_eq!(tally.document(&Usage::default())["late"], 1);
    assert_snapshot!(format!("{drawn}\n\n{summary}"));
}

#[test]
fn a_request_that_is_returned_again_and_again_counts_once() {
    let mut tally = Tally::new(&[1, 2].map(ProviderName::simulated));
    let provider = || ProviderName::simulated(1);
    let received = |count| Event::Received { provider: provider(), id: id(), count };
    for count in 1..=3 {
        tally.count(&received(count), at(0));
        tally.count(&Event::GivenBack { provider: provider() }, at(0));
        tally.count(&Event::Finished { provider: provider() }, at(0));
    }
    let summary = |tally: &Tally| texts(&tally.summary(ConsumerPart::LeftOut));
    assert_eq!(summary(&tally), ["done: 1 request: 1 returned to the queues"]);
    assert_eq!(tally.document(&Usage::default())["given-back"], 1);
    // The last time it is answered.
    tally.count(&received(4), at(0));
    assert_eq!(summary(&tally), ["done: 1 request: 1 still in hand"]);
    let answer = Answer::Quote(Price::whole(16));
    let took = Duration::from_millis(40);
    tally.count(
        &Event::Answered { provider: provider(), id: id(), answer, took, late_by: None },
        at(0),
    );
    tally.count(&Event::Finished { provider: provider() }, at(0));
    assert_eq!(summary(&tally), ["done: 1 request: 1 quoted"]);
}

#[test]
fn a_receipt_for_a_request_that_came_late_is_no_late_reply() {
    let mut tally = Tally::new(&[1, 2, 3].map(ProviderName::simulated));
    let silent = |took, late_by: Option<u64>| Event::Answered {
        provider: ProviderName::simulated(1),
        id: id(),
        answer: Answer::Silent("received after its deadline".to_owned()),
        took: Duration::from_millis(took),
        late_by: late_by.map(Duration::from_millis),
    };
    for event in [silent(2, Some(95_000)), silent(4_000, Some(100)), silent(40, None)] {
        tally.count(&event, at(0));
    }
    let stray =
        Event::Strayed { provider: ProviderName::simulated(3), id: id(), what: Stray::Poison };
    tally.count(&stray, at(0));
    let screen = Viewport { width: 79, now: at(0) };
    let table = texts(&tally.table(ConsumerPart::LeftOut, 1, screen)).join("\n");
    for said in [
        "... and 2 more\n",
        "also: 1 request answered wrongly, by a fault\n",
        "1 request was received after the deadline and got a receipt only",
    ] {
        assert!(table.contains(said), "{said}: {table}");
    }
    assert!(!table.contains("sent after"), "{table}");
    tally.count(
        &Event::Received { provider: ProviderName::simulated(2), id: id(), count: 1 },
        at(0),
    );
    let table = texts(&tally.table(ConsumerPart::LeftOut, 1, screen)).join("\n");
    assert!(table.contains("... and 2 more, 1 in hand\n"), "{table}");
}

/// What happened at a real provider beside a simulated one.
fn mixed_tally() -> Tally {
    let acme = ProviderName::parse("acme").expect("a name");
    let url = endpoint_url("https://quotes.example/rides").expect("a URL");
    let (headers_file, health, timeout) = (None, None, Duration::from_secs(10));
    let served = |name, by| Served { name, by, concurrency: 4 };
    let behaviour =
        Behaviour { profile: Profile::Steady, seed: 0, think: None, speed: 1.0, faults: vec![] };
    let simulation = Simulation { behaviour, receipts: Receipts::Send };
    let mut tally = Tally::of(&[
        served(acme.clone(), ServedBy::Endpoint(Endpoint { url, headers_file, health, timeout })),
        served(ProviderName::simulated(10), ServedBy::Simulation(simulation)),
    ]);
    for (number, took) in [40, 55, 60, 2_340].into_iter().enumerate() {
        let id = RfqId::parse(&format!("rfq-{number}")).expect("valid");
        let took = Duration::from_millis(took);
        let (provider, answer) = (acme.clone(), Answer::Quote(Price::whole(16)));
        tally.count(&Event::Received { provider: acme.clone(), id: id.clone(), count: 1 }, at(0));
        for attempt in 1..=2 {
            tally.count(&Event::Asked { provider: acme.clone(), id: id.clone(), attempt }, at(0));
        }
        tally.count(&Event::Answered { provider, id, answer, took, late_by: None }, at(0));
        tally.count(&Event::Finished { provider: acme.clone() }, at(0));
    }
    tally
}

#[test]
fn real_providers_have_their_attempts_and_times() {
    let tally = mixed_tally();
    let drawn: Vec<_> = [119, 79, 49].map(|width| drawn(&tally, width, 0)).to_vec();
    let summary = tally.summary(ConsumerPart::LeftOut);
    assert_snapshot!(format!("{}\n\n{}", drawn.join("\n\n"), toned(&summary[..2], None)));
}

#[test]
fn a_trouble_stands_until_it_is_over_and_one_of_a_message_for_a_while() {
    let mut tally = tally();
    let began = |subject: &str| {
        Event::Trouble(Trouble::Began { subject: subject.into(), reason: "cut".into() })
    };
    let over = |subject: &str| Event::Trouble(Trouble::Over { subject: subject.into() });
    let shows = |tally: &Tally, after: i64| {
        let text = drawn(tally, 79, after);
        let mut lines = text.lines().filter_map(|line| line.split_once("| "));
        lines.find(|(_, line)| line.starts_with("trouble: ")).map(|(_, line)| line.to_owned())
    };
    tally.count(&began("queue a"), at(0));
    tally.count(&began("queue b"), at(0));
    assert_eq!(shows(&tally, 0).as_deref(), Some("trouble: queue b: cut (and 1 more)"));
    tally.count(&over("queue a"), at(0));
    assert_eq!(shows(&tally, 60_000).as_deref(), Some("trouble: queue b: cut"));
    tally.count(&over("queue b"), at(0));
    assert_eq!(shows(&tally, 0), None);
    let entry = Trouble::Entry { subject: "deleting".into(), reason: "refused".into() };
    tally.count(&Event::Trouble(entry), at(0));
    assert_eq!(shows(&tally, 9_000).as_deref(), Some("trouble: deleting: refused"));
    assert_eq!(shows(&tally, 10_000), None);
}

#[test]
fn rfqs_in_the_status_fit_every_terminal() {
    let request = |name: &str, until: Vec<Condition>, deadline| RequestRow {
        submitted_at: Some(at(0)),
        deadline: Some(at(deadline)),
        expected: Some((1..=10).map(simulated).collect()),
        until,
        ..RequestRow::new(
            RfqId::parse(name).expect("valid"),
            Ride { from: "Frankfurt am Main".into(), to: "Las Vegas".into(), customer: "c".into() },
        )
    };
    let quoted = || vec![quote(1, 16, 300)];
    let all = [
        ("78c371f6-1", vec![], 15_000, quoted()),
        ("1f0a99e2-2", vec![Condition::Count(1)], 15_000, quoted()),
        ("2b1c88d0-3", vec![], 60_000, quoted()),
        ("3c2d99e1-4", vec![], 15_000, vec![quote(1, 16, 300), quote(2, 7, 16_000)]),
        ("4d3eaaf2-5", vec![], 15_000, vec![]),
    ];
    let rows = all.map(|(name, until, deadline, answers)| Rows {
        request: request(name, until, deadline),
        answers,
    });
    let shown = |width: Option<u16>| {
        let gatherings = rows.each_ref().map(|rows| aggregate(rows, at(20_000), None));
        toned(&rfqs(&gatherings, at(20_000), width), width)
    };
    let shown = [Some(49), Some(79), Some(119), None].map(shown);
    assert_snapshot!(shown.join("\n\n"));
}
