//! The pure core, without any request: messages in and out, what stands, what is printed.

use std::hint::black_box;

use divan::Bencher;
use rydes::core::aggregate::aggregate;
use rydes::core::text::printable;
use rydes::core::{
    Answer, AnswerRow, Details, Price, Reply, Request, RequestRow, Responder, RfqId, Ride, Rows,
    Timestamp,
};

fn responder(number: usize) -> Responder {
    Responder::parse(&format!("UnicornManagementResource{number}")).expect("a valid name")
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(1_800_000_000_000 + millis).expect("a time within the years")
}

fn reply() -> Reply {
    Reply {
        details: Details::parse(r#"{"eta-minutes":7,"vehicle":"unicorn"}"#).expect("JSON"),
        responder: responder(1),
        id: RfqId::random(),
        answer: Answer::Quote(Price::parse("17.50").expect("a valid price")),
        ride: Ride::default(),
        received_at: Some(at(0)),
        answered_at: Some(at(1_000)),
    }
}

fn request() -> Request {
    Request {
        id: RfqId::random(),
        ride: Ride {
            from: "Frankfurt".to_owned(),
            to: "Las Vegas".to_owned(),
            customer: "cmr".to_owned(),
        },
        submitted_at: Some(at(0)),
        deadline: Some(at(8_000)),
    }
}

/// An RFQ that so many providers have answered: quotes, but every fifth declines.
fn rows(providers: usize) -> Rows {
    let answer = |number| match number % 5 {
        4 => Answer::Declined("fully booked".to_owned()),
        _ => Answer::Quote(Price::whole(10 + number as u64 * 7 % 90)),
    };
    let row = |number| AnswerRow {
        received_at: Some(at(10)),
        answered_at: Some(at(1_000)),
        sent_at: Some(at(1_010)),
        gathered_at: Some(at(1_050)),
        ..AnswerRow::new(responder(number), answer(number))
    };
    Rows {
        request: RequestRow {
            submitted_at: Some(at(0)),
            deadline: Some(at(8_000)),
            expected: Some((0..providers).map(responder).collect()),
            ..RequestRow::new(
                RfqId::random(),
                Ride {
                    from: "Frankfurt".to_owned(),
                    to: "Las Vegas".to_owned(),
                    customer: "cmr".to_owned(),
                },
            )
        },
        answers: (0..providers).map(row).collect(),
    }
}

#[divan::bench]
fn encode_request(bencher: Bencher) {
    let request = request();
    bencher.bench(|| black_box(&request).encode(None));
}

#[divan::bench]
fn decode_request(bencher: Bencher) {
    let asked = request().encode(None);
    bencher.bench(|| Request::decode(black_box(&asked)));
}

#[divan::bench]
fn encode_reply(bencher: Bencher) {
    let reply = reply();
    bencher.bench(|| black_box(&reply).encode());
}

#[divan::bench]
fn decode_reply(bencher: Bencher) {
    let answered = reply().encode();
    bencher.bench(|| Reply::decode(black_box(&answered)));
}

#[divan::bench(args = [10, 100])]
fn aggregate_answers(bencher: Bencher, providers: usize) {
    let (rows, now) = (rows(providers), at(2_000));
    bencher.bench(|| aggregate(black_box(&rows), now, None));
}

#[divan::bench]
fn make_printable(bencher: Bencher) {
    let hostile = "\u{1b}[2J a city with \u{202e} in it, and nothing else to be seen";
    bencher.bench(|| printable(black_box(hostile)));
}

fn main() {
    divan::main();
}
