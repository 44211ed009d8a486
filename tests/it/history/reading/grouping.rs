//! Files of rows, without LocalStack.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use flate2::write::GzEncoder;
use flate2::{Compression, GzBuilder};
use rydes::core::Timestamp;
use rydes::core::history::{LeftOut, Period};
use rydes::view::history::{coverage, left_out};
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{gatherings, read};

/// Noon of a day, and so many seconds more.
fn at(seconds: i64) -> String {
    time(seconds).to_string()
}

fn time(seconds: i64) -> Timestamp {
    Timestamp::from_millis(1_769_860_800_000 + seconds * 1_000).expect("in range")
}

/// A request that is submitted `seconds` after noon, with a deadline 15 s later, kept for 7 days.
fn request(id: &str, seconds: i64) -> Value {
    json!({
        "id": {"S": id}, "responder": {"S": "-"},
        "from": {"S": "Zürich"}, "to": {"S": "Rome"}, "customer": {"S": "c"},
        "submitted-at": {"S": at(seconds)}, "deadline": {"S": at(seconds + 15)},
        "expected": {"L": [{"S": "a"}, {"S": "b"}]}, "until": {"L": [{"S": "all"}]},
        "submission": {"S": "x"},
        "expires-at": {"N": (time(seconds + 15 + 7 * 86_400).as_millis() / 1_000).to_string()},
    })
}

fn quote(id: &str, responder: &str, price: &str, seconds: i64) -> Value {
    json!({
        "id": {"S": id}, "responder": {"S": responder}, "quote": {"N": price},
        "sent-at": {"S": at(seconds)}, "gathered-at": {"S": at(seconds)},
    })
}

fn lines(rows: &[Value]) -> Vec<u8> {
    let lines = rows.iter().map(|row| json!({"Item": row}).to_string() + "\n");
    lines.collect::<String>().into_bytes()
}

fn gzipped(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(bytes).and_then(|()| gzip.finish()).expect("it is compressed")
}

const NOT_GZIP: &str = "the bytes after its gzip data are not gzip";

struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("a folder"))
    }

    fn at(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
        let file = self.at(name);
        fs::write(&file, bytes).expect("it is written");
        file
    }
}

/// Two RFQs that are over, and rows of every other kind.
fn all_kinds() -> Vec<Value> {
    let (day, week) = (86_400, 7 * 86_400);
    let mut untimed = request("untimed", 0);
    for name in ["submitted-at", "deadline", "expires-at"] {
        untimed.as_object_mut().expect("an object").remove(name);
    }
    vec![
        quote("one", "b", "12.50", 9),
        json!({"id": {"S": "one"}, "responder": {"S": "other"}, "seen": {"BOOL": true}}),
        request("on", week - 5),
        request("one", 0),
        quote("lost", "a", "1", day),
        request("two", day),
        json!({"pk": {"S": "of another program"}}),
        request("old", -week),
        untimed,
        quote("one", "a", "11", 3),
        json!({"id": {"S": "two"}, "responder": {"S": "a"}, "declined": {"S": "full"},
               "sent-at": {"S": at(day + 1)}}),
        quote("on", "a", "3", week - 4),
    ]
}

#[test]
fn rows_that_are_far_apart_come_together_and_others_are_counted() {
    let files = Files::new();
    let file = files.write("rows", lines(&all_kinds()));
    let history = read(&[&file]).expect("rows");
    // The latest time of the queue in any row.
    assert_eq!(history.read_at, time(7 * 86_400 - 4));
    let (found, coverage) = gatherings(history, Period::default());
    assert_eq!(found.keys().collect::<Vec<_>>(), ["one", "two"]);
    let answers = |id: &str| -> Vec<_> {
        let answers = found[id].answers.iter();
        answers.map(|row| (row.responder.as_str(), row.quote().map(ToString::to_string))).collect()
    };
    let price = |price: &str| Some(price.to_owned());
    assert_eq!(answers("one"), [("a", price("11")), ("b", price("12.5"))]);
    assert_eq!(answers("two"), [("a", None)]);
    assert_eq!(found["one"].request.ride.from, "Zürich");
    assert_eq!((coverage.rows, coverage.foreign), (10, 2));
    let left = LeftOut { going_on: 1, expired: 1, untimed: 1, without_request: 1 };
    assert_eq!(coverage.left_out, left);
}

#[test]
fn a_period_counts_only_what_was_submitted_in_it() {
    let files = Files::new();
    let file = files.write("rows", lines(&all_kinds()));
    let of = |since, before| {
        let history = read(&[&file]).expect("rows");
        let (found, coverage) = gatherings(history, Period { since, before });
        (found.into_keys().collect::<Vec<_>>(), coverage.left_out)
    };
    let none = LeftOut::default();
    assert_eq!(of(Some(time(1)), None), (vec!["two".into()], LeftOut { going_on: 1, ..none }));
    assert_eq!(of(Some(time(0)), Some(time(1))), (vec!["one".into()], none));
    assert_eq!(of(None, Some(time(0))), (vec![], LeftOut { expired: 1, ..none }));
}

#[test]
fn each_kind_of_file_adds_up_to_the_same() {
    let files = Files::new();
    let rows = all_kinds();
    let (first, second) = rows.split_at(5);
    let whole = lines(&rows);
    let wanted =
        gatherings(read(&[&files.write("plain", &whole)]).expect("rows"), Period::default());
    let mut reversed: Vec<_> = rows.clone();
    reversed.reverse();
    let members = [gzipped(&lines(first)), gzipped(&lines(second))].concat();
    let unended = whole.strip_suffix(b"\n").expect("a last line");
    let spaced = [b"\xef\xbb\xbf", &*whole, b"\r\n \n"].concat();
    for (name, bytes) in [
        ("reversed", lines(&reversed)),
        ("gzip", gzipped(&whole)),
        ("members", members),
        ("unended", unended.to_vec()),
        ("spaced", spaced),
    ] {
        let history = read(&[&files.write(name, bytes)]).expect(name);
        assert_eq!(gatherings(history, Period::default()), wanted, "{name}");
    }
    let parts = [files.write("1", lines(first)), files.write("2.gz", gzipped(&lines(second)))];
    let history = read(&[&parts[0], &parts[1]]).expect("two files");
    assert_eq!(gatherings(history, Period::default()), wanted);
    let pipe = files.at("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().expect("mkfifo runs").success());
    let (writer, bytes) = (pipe.clone(), gzipped(&whole));
    let written = thread::spawn(move || fs::write(writer, bytes));
    let history = read(&[&pipe]).expect("a pipe");
    assert_eq!(gatherings(history, Period::default()), wanted);
    written.join().expect("no panic").expect("it is written");
}

/// What the rows of `one`, read in this order, say of `a`, and when it was closed.
fn of_one(rows: &[Value]) -> (String, Option<Timestamp>) {
    let files = Files::new();
    let late = files.write("late", lines(&[request("other", 3_600)]));
    let of_rows = |(place, row): (usize, &Value)| {
        files.write(&place.to_string(), lines(std::slice::from_ref(row)))
    };
    let all: Vec<_> = rows.iter().enumerate().map(of_rows).chain([late]).collect();
    let all: Vec<_> = all.iter().map(PathBuf::as_path).collect();
    let (found, _) = gatherings(read(&all).expect("rows"), Period::default());
    let [answer] = &*found["one"].answers else { panic!("one answer") };
    (format!("{:?}", answer.answer), found["one"].request.closed_at)
}

#[test]
fn of_two_rows_with_one_key_the_higher_rank_counts_and_within_a_rank_the_last() {
    let open = request("one", 0);
    let said = |kind: &str, value: &str| {
        let mut row = quote("one", "a", "1", 2);
        row.as_object_mut().expect("an object").remove("quote");
        row[kind] = json!({"S": value});
        row
    };
    let (silent, failed) = (said("silent", "busy"), said("failed", "broken"));
    let (declined, cheap) = (said("declined", "full"), quote("one", "a", "71", 2));
    let dear = quote("one", "a", "82", 3);
    let mut closed = open.clone();
    closed["closed-at"] = json!({"S": at(6)});
    for (first, second, wanted) in [
        (&cheap, &dear, "82"),
        (&dear, &cheap, "71"),
        (&cheap, &declined, "full"),
        (&declined, &cheap, "71"),
        (&declined, &failed, "full"),
        (&failed, &cheap, "71"),
        (&cheap, &failed, "71"),
        (&failed, &silent, "broken"),
        (&silent, &failed, "broken"),
    ] {
        let (answer, _) = of_one(&[open.clone(), first.clone(), second.clone()]);
        assert!(answer.contains(wanted), "{answer}: {first} {second}");
    }
    for rows in [[&open, &closed], [&closed, &open], [&closed, &closed]] {
        let rows = [rows[0].clone(), rows[1].clone(), cheap.clone()];
        assert_eq!(of_one(&rows).1, Some(time(6)));
    }
}

/// An export of these rows, with this comment in its header.
fn commented(rows: &[Value], comment: &str) -> Vec<u8> {
    let mut gzip = GzBuilder::new().comment(comment).write(Vec::new(), Compression::fast());
    gzip.write_all(&lines(rows)).and_then(|()| gzip.finish()).expect("it is compressed")
}

#[test]
fn an_export_knows_when_it_was_read() {
    let files = Files::new();
    let rows = [request("one", 0), quote("one", "a", "1", 2)];
    let of = |bytes: Vec<u8>| {
        let history = read(&[&files.write("rows.gz", bytes)]).expect("rows");
        let read_at = history.read_at;
        let (found, coverage) = gatherings(history, Period::default());
        (read_at, found.len(), left_out(&coverage, None).join("; "))
    };
    let exported = |seconds: i64| commented(&rows, &format!("rydes export {}", at(seconds)));
    let (read_at, found, _) = of(exported(21));
    assert_eq!((read_at, found), (time(21), 1));
    let later = commented(&[], &format!("rydes export {}", at(900)));
    assert_eq!(of([exported(21), later].concat()).0, time(21), "the first member counts");
    let wanted = "left out: 1 RFQ still going on".to_owned();
    assert_eq!(of(exported(20)), (time(20), 0, wanted));
    for foreign in ["", "made by hand", "rydes export", "rydes export soon"] {
        let wanted = (time(2), 0, "left out: 1 RFQ that may still be going on".to_owned());
        assert_eq!(of(commented(&rows, foreign)), wanted, "{foreign}");
    }
}

#[test]
fn archives_of_two_weeks_are_read_together() {
    let files = Files::new();
    let week = |name: &str, start: i64| {
        files.write(name, lines(&[request(name, start), quote(name, "a", "1", start + 30)]))
    };
    let (first, second) = (week("first", 0), week("second", 8 * 86_400));
    for order in [[&first, &second], [&second, &first]] {
        let history = read(&order.map(PathBuf::as_path)).expect("rows");
        assert_eq!(history.read_at, time(8 * 86_400 + 30));
        let (found, coverage) = gatherings(history, Period::default());
        assert_eq!((found.len(), coverage.left_out), (2, LeftOut::default()));
    }
    // If rows of one RFQ are in both, the later file counts.
    let more = files.write("more", lines(&[quote("first", "b", "1", 8 * 86_400)]));
    let (found, coverage) = gatherings(read(&[&first, &more]).expect("rows"), Period::default());
    assert_eq!((found.len(), coverage.left_out.expired), (0, 1));
}

#[test]
fn only_the_clock_of_the_queue_says_when_a_file_was_read() {
    let files = Files::new();
    let mut ahead = quote("one", "b", "1", 30);
    ahead["gathered-at"] = json!({"S": at(9 * 86_400)});
    let file = files.write("rows", lines(&[request("one", 0), ahead.clone()]));
    assert_eq!(read(&[&file]).expect("rows").read_at, time(30));
    ahead.as_object_mut().expect("an object").remove("sent-at");
    let file = files.write("rows", lines(&[request("one", 0), ahead]));
    assert_eq!(read(&[&file]).expect("rows").read_at, time(9 * 86_400), "no row has it");
}

#[test]
fn rfqs_whose_answers_may_still_arrive_are_counted() {
    let files = Files::new();
    let [a, b] = [("a", 2), ("b", 3)].map(|(who, after)| quote("one", who, "1", after));
    let receipt = json!({"id": {"S": "one"}, "responder": {"S": "b"}, "silent": {"S": "busy"}});
    let open = request("one", 0);
    let (mut closed, mut until, mut unknown) = (open.clone(), open.clone(), open.clone());
    closed["closed-at"] = json!({"S": at(5)});
    until["until"] = json!({"L": [{"S": "1"}]});
    unknown.as_object_mut().expect("an object").remove("expected");
    for (rows, after, wanted) in [
        (vec![&open, &a], 614, 1),
        (vec![&open, &a], 615, 0),
        (vec![&open, &a, &b], 100, 0),
        (vec![&open, &a, &receipt], 100, 0),
        (vec![&closed, &a], 604, 1),
        (vec![&closed, &a], 605, 0),
        (vec![&until, &a], 601, 1),
        (vec![&until, &a], 602, 0),
        (vec![&unknown, &a], 100, 0),
    ] {
        let rows: Vec<_> = rows.into_iter().cloned().collect();
        let bytes = commented(&rows, &format!("rydes export {}", at(after)));
        let history = read(&[&files.write("rows.gz", bytes)]).expect("rows");
        let (found, looked_back) = gatherings(history, Period::default());
        assert_eq!((found.len(), &coverage(&looked_back)["unsettled"]), (1, &json!(wanted)));
    }
}

#[test]
fn zeros_after_gzip_data_are_padding() {
    let files = Files::new();
    let whole = gzipped(&lines(&all_kinds()));
    for zeros in [1, 9, 512, 300_000] {
        let padded = [&*whole, &vec![0; zeros]].concat();
        let history = read(&[&files.write("rows.gz", padded)]).expect("padding");
        assert_eq!(history.rows, 10, "{zeros}");
    }
}

#[test]
fn a_provider_s_clock_does_not_say_when_a_file_was_read() {
    let files = Files::new();
    let mut answer = quote("one", "a", "1", 2);
    answer["answered-at"] = json!({"S": "2099-01-01T00:00:00.000Z"});
    let file = files.write("rows", lines(&[request("one", 0), answer]));
    assert_eq!(read(&[&file]).expect("rows").read_at, time(2));
}

#[test]
fn no_rows_are_no_error() {
    let files = Files::new();
    for bytes in [&b""[..], b"\n", &gzipped(b"")] {
        let (found, coverage) =
            gatherings(read(&[&files.write("x", bytes)]).expect("no rows"), Period::default());
        assert_eq!((found.len(), coverage.rows, coverage.left_out.total()), (0, 0, 0));
    }
}

#[test]
fn a_bad_file_is_named_with_its_line() {
    let files = Files::new();
    let good = lines(&all_kinds());
    let with = |line: &str| [&good, line.as_bytes()].concat();
    let whole = gzipped(&good);
    let mut damaged = whole.clone();
    // Its checksum.
    damaged[whole.len() - 8] ^= 0xff;
    let long = format!("{{\"Item\":{{\"a\":{{\"S\":\"{}", "x".repeat(17 << 20));
    for (name, bytes, wanted) in [
        ("bad", with("{}\n"), &["bad, line 13, is not a row: it is not `{\"Item\": {...}}`"][..]),
        ("cut", with("{\"Item\":{\"id\":"), &["cut, line 13, is not a row: it is cut off"]),
        ("text", b"id,responder\n".to_vec(), &["text, line 1, is not a row: it is not JSON"]),
        ("long", with(&long), &["long, line 13, is not a row: it is longer than 16777216 bytes"]),
        ("short.gz", whole[..whole.len() - 12].to_vec(), &["short.gz is cut off after line "]),
        ("damaged.gz", damaged, &["cannot read ", "damaged.gz beyond line 12"]),
        ("more.gz", [&*whole, b"x"].concat(), &["more.gz beyond line 12: ", NOT_GZIP]),
        ("text.gz", [&*whole, &*good].concat(), &["text.gz beyond line 12: ", NOT_GZIP]),
        ("near.gz", [&*whole, b"\x1f is not gzip"].concat(), &["beyond line 12: ", NOT_GZIP]),
        ("padded.gz", [&*whole, &[0, 0, 0x1f, 0x8b]].concat(), &["beyond line 12: ", NOT_GZIP]),
        ("second.gz", [&*whole, &whole[..9]].concat(), &["second.gz is cut off after line 12"]),
        (
            "ion",
            b"\xe0\x01\x00\xea\xee\x95".to_vec(),
            &["Amazon Ion", "hint: export again in the format DynamoDB JSON"],
        ),
        (
            "changes",
            b"{\"Metadata\":{},\"Keys\":{},\"NewImage\":{}}".to_vec(),
            &["incremental", "hint: use a full"],
        ),
        (
            "list",
            b"{\"itemCount\":1,\"dataFileS3Key\":\"x\"}".to_vec(),
            &["manifest", "hint: read the files"],
        ),
    ] {
        let problem = read(&[&files.write(name, bytes)]).expect_err(name);
        for part in wanted {
            assert!(problem.contains(part), "{part:?} is not in {problem}");
        }
    }
    for missing in [files.at("missing"), files.0.path().to_owned()] {
        let problem = read(&[Path::new(&missing)]).expect_err("it is no file");
        assert!(problem.starts_with("cannot read "), "{problem}");
    }
}

/// More than the memory that is set aside, so that a temporary file holds a part.
#[test]
fn many_rows_are_grouped_through_a_temporary_file() {
    const RFQS: usize = 4_000;
    let files = Files::new();
    let padding = "x".repeat(2_000);
    let mut rows = Vec::new();
    for round in 0..5 {
        for number in 0..RFQS {
            let id = format!("rfq-{number}");
            rows.push(if round == 2 {
                request(&id, i64::try_from(number).expect("small"))
            } else {
                let mut row = quote(&id, &format!("p{round}"), "7", 1);
                row["details"] = json!({"S": format!("{{\"x\":\"{padding}\"}}")});
                row
            });
        }
    }
    rows.extend([request("last", 100_000), quote("last", "a", "7", 100_001)]);
    let (found, coverage) =
        gatherings(read(&[&files.write("rows", lines(&rows))]).expect("rows"), Period::default());
    assert_eq!((found.len(), coverage.left_out.going_on), (RFQS, 1));
    assert!(found.values().all(|rows| rows.answers.len() == 4));
    assert_eq!(coverage.rows, 5 * RFQS as u64 + 2);
}
