//! One RFQ on a sheet of paper: providers are numbers in natural order, times are milliseconds
//! since noon, prices are cents. The tests reason here; only `rows` knows the real types.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use proptest::collection::{btree_map, vec};
use proptest::option::{of, weighted};
use proptest::prelude::*;
use rydes::core::{
    Answer, AnswerRow, Condition, Details, ExcludedProvider, Price, RequestRow, Responder, RfqId,
    Ride, Rows, Timestamp,
};

/// The providers, in natural order.
pub const NAMES: [&str; 7] = ["Quick_1", "R1", "R2", "R10", "R011", "Zoë", "a-queue-elsewhere"];
const NOON: i64 = 1_769_860_800_000;

/// What one provider said.
#[derive(Debug, Clone, PartialEq)]
pub enum Said {
    Quote(u64),
    Declined,
    Failed,
    Silent,
}

/// One provider's row.
#[derive(Debug, Clone, PartialEq)]
pub struct Line {
    pub said: Said,
    pub sent: Option<i64>,
    pub answered: Option<i64>,
    pub failed: Option<i64>,
    /// The number in its details.
    pub value: Option<i64>,
}

/// What orders the quotes.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub enum By {
    #[default]
    Price,
    Min,
    Max,
}

/// A condition.
#[derive(Debug, Clone, PartialEq)]
pub enum Wish {
    All,
    Count(usize),
    AtMost(u64),
}

/// Everything that is known of one RFQ.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Sheet {
    pub submitted: Option<i64>,
    pub deadline: Option<i64>,
    pub closed: Option<i64>,
    pub expected: Option<Vec<usize>>,
    pub not_asked: Vec<usize>,
    pub until: Vec<Wish>,
    pub by: By,
    pub lines: BTreeMap<usize, Line>,
}

impl Sheet {
    /// An RFQ of the original: no times, nobody expected, no conditions.
    pub fn original() -> Self {
        Self::default()
    }

    /// An RFQ submitted at 0.
    pub fn expecting(expected: &[usize]) -> Self {
        Self { submitted: Some(0), expected: Some(expected.to_vec()), ..Self::default() }
    }

    pub fn not_asking(self, not_asked: &[usize]) -> Self {
        Self { not_asked: not_asked.to_vec(), ..self }
    }

    pub fn deadline(self, at: i64) -> Self {
        Self { deadline: Some(at), ..self }
    }

    pub fn closed(self, at: i64) -> Self {
        Self { closed: Some(at), ..self }
    }

    pub fn until(self, until: &[Wish]) -> Self {
        Self { until: until.to_vec(), ..self }
    }

    pub fn by(self, by: By) -> Self {
        Self { by, ..self }
    }

    /// A quote in cents with a number in its details.
    pub fn worth(self, who: usize, cents: u64, value: i64, sent: i64) -> Self {
        let (said, sent) = (Said::Quote(cents), Some(sent));
        self.line(who, Line { said, sent, answered: None, failed: None, value: Some(value) })
    }

    /// A row that the queue's clock dates.
    pub fn row(self, who: usize, said: Said, sent: i64) -> Self {
        self.line(who, Line { said, sent: Some(sent), answered: None, failed: None, value: None })
    }

    pub fn line(mut self, who: usize, line: Line) -> Self {
        self.lines.insert(who, line);
        self
    }

    pub fn rows(&self) -> Rows {
        Rows {
            request: RequestRow {
                submitted_at: self.submitted.map(time),
                deadline: self.deadline.map(time),
                expected: self.expected.as_ref().map(|all| all.iter().copied().map(name).collect()),
                not_asked: self.not_asked.iter().map(|who| not_asked(*who)).collect(),
                until: conditions(&self.until),
                best_by: match self.by {
                    By::Price => "price",
                    By::Min => "min:/legs/0/eta",
                    By::Max => "max:/legs/0/eta",
                }
                .parse()
                .expect("an order"),
                closed_at: self.closed.map(time),
                ..RequestRow::new(
                    RfqId::parse("5e1ec7ed-0000-4000-8000-000000000000").expect("a good id"),
                    Ride {
                        from: "Frankfurt".to_owned(),
                        to: "Las Vegas".to_owned(),
                        customer: "cmr".to_owned(),
                    },
                )
            },
            answers: self.lines.iter().map(|(who, line)| row(*who, line)).collect(),
        }
    }
}

/// The filter of provider `Zoë` names no key.
fn not_asked(who: usize) -> ExcludedProvider {
    let key = (NAMES[who] != "Zoë").then(|| format!("key-{who}"));
    ExcludedProvider { responder: name(who), key }
}

pub fn conditions(wishes: &[Wish]) -> Vec<Condition> {
    let condition = |wish: &Wish| match wish {
        Wish::All => Condition::All,
        Wish::Count(count) => Condition::Count(*count),
        Wish::AtMost(cents) => Condition::Price(price(*cents)),
    };
    wishes.iter().map(condition).collect()
}

pub fn name(who: usize) -> Responder {
    Responder::stored(NAMES[who])
}

pub fn who(name: &Responder) -> usize {
    NAMES.iter().position(|known| *known == name.as_str()).expect("one of the names")
}

pub fn time(at: i64) -> Timestamp {
    Timestamp::from_millis(NOON + at).expect("a time in range")
}

pub fn price(cents: u64) -> Price {
    Price::parse(&format!("{}.{:02}", cents / 100, cents % 100)).expect("a good price")
}

pub fn cents(price: &Price) -> u64 {
    let text = price.to_string();
    let (units, fraction) = text.split_once('.').unwrap_or((&text, ""));
    format!("{units}{fraction:0<2}").parse().expect("whole cents")
}

fn row(who: usize, line: &Line) -> AnswerRow {
    let reason = "fully booked".to_owned();
    AnswerRow {
        details: details(line.value),
        answered_at: line.answered.map(time),
        sent_at: line.sent.map(time),
        failed_at: line.failed.map(time),
        ..AnswerRow::new(
            name(who),
            match line.said {
                Said::Quote(cents) => Answer::Quote(price(cents)),
                Said::Declined => Answer::Declined(reason),
                Said::Failed => Answer::Failed { reason, attempts: Some(5), attempted_at: vec![] },
                Said::Silent => Answer::Silent(reason),
            },
        )
    }
}

/// Where there is no number, there are other details. Each is parsed once.
fn details(value: Option<i64>) -> Option<Details> {
    thread_local! {
        static KNOWN: RefCell<HashMap<Option<i64>, Option<Details>>> = RefCell::default();
    }
    let parsed = || {
        let eta = value.map_or("\"soon\"".to_owned(), |value| format!("{value}.50"));
        Details::parse(&format!(r#"{{"legs": [{{"eta": {eta}}}]}}"#)).expect("JSON")
    };
    KNOWN.with_borrow_mut(|known| known.entry(value).or_insert_with(parsed).clone())
}

/// Any sheet: times are few, so that they meet; now and then a clock is far off.
pub fn sheets() -> impl Strategy<Value = Sheet> {
    let expected = prop_oneof![
        1 => Just(None),
        6 => proptest::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 0..5)
            .prop_shuffle()
            .prop_map(Some),
    ];
    let times = (of(instants()), weighted(0.8, instants()), weighted(0.3, instants()));
    let by = prop_oneof![2 => Just(By::Price), 1 => Just(By::Min), 1 => Just(By::Max)];
    let lines = btree_map(0..NAMES.len(), lines(), 0..=NAMES.len());
    let names = proptest::sample::subsequence((0..NAMES.len()).collect::<Vec<_>>(), 0..4);
    let not_asked = prop_oneof![Just(vec![]), names];
    (times, expected, not_asked, wishes(), by, lines).prop_map(
        |((submitted, deadline, closed), expected, not_asked, until, by, lines)| Sheet {
            submitted,
            deadline,
            closed,
            expected,
            not_asked,
            until,
            by,
            lines,
        },
    )
}

pub fn wishes() -> impl Strategy<Value = Vec<Wish>> {
    let wish = prop_oneof![
        Just(Wish::All),
        (1..4_usize).prop_map(Wish::Count),
        prices().prop_map(Wish::AtMost),
    ];
    vec(wish, 0..4)
}

pub fn instants() -> impl Strategy<Value = i64> {
    prop_oneof![12 => 0..9_i64, 1 => -90_000_000..90_000_000_i64]
}

pub fn said() -> impl Strategy<Value = Said> {
    prop_oneof![
        4 => prices().prop_map(Said::Quote),
        2 => Just(Said::Declined),
        2 => Just(Said::Failed),
        1 => Just(Said::Silent),
    ]
}

/// Values are few, so that they meet.
pub fn values() -> impl Strategy<Value = Option<i64>> {
    weighted(0.7, -3..4_i64)
}

fn prices() -> impl Strategy<Value = u64> {
    prop_oneof![6 => 0..5_u64, 1 => 5..20_000_u64]
}

fn lines() -> impl Strategy<Value = Line> {
    let times = (weighted(0.8, instants()), of(instants()), weighted(0.4, instants()));
    (said(), times, values()).prop_map(|(said, (sent, answered, failed), value)| {
        // Only what has replaced a failure remembers one.
        let failed = failed.filter(|_| matches!(said, Said::Quote(_) | Said::Declined));
        Line { said, sent, answered, failed, value }
    })
}
