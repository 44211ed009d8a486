//! `rydes export` against LocalStack.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue as V;
use flate2::read::GzDecoder;
use rustix::process::Signal;
use rydes::aws::dynamodb_json::{read_line, write_line};
use rydes::core::Timestamp;
use rydes::core::history::Period;
use serde_json::json;
use tempfile::TempDir;

use super::{gatherings, read};
use crate::schemas::conforms;
use crate::support::background::Background;
use crate::support::proxy::{Proxy, ProxyFault, ServiceError};
use crate::support::resources::{clients, wait};
use crate::support::stack::Stack;
use crate::support::terminal::Terminal;
use crate::support::{PATIENCE, document, ends_within, says};

/// A stack with some RFQs of the past, and rows of every type beside them.
fn stack() -> Stack {
    let stack = Stack::set_up(0);
    for number in 0..40 {
        let id = format!("rfq-{number}");
        stack.put(&json!({
            "id": id, "responder": "-", "from": "Zürich", "to": "Rome", "customer": "c",
            "submitted-at": "2026-01-31T12:00:00.000Z", "deadline": "2026-01-31T12:00:15.000Z",
            "expected": ["a", "b"], "until": ["all"],
        }));
        // The last ones come after every deadline.
        let second = if number == 39 { "30" } else { "03" };
        for responder in ["a", "b"] {
            stack.put(&json!({
                "id": id, "responder": responder, "quote": 10 + number,
                "sent-at": format!("2026-01-31T12:00:{second}.000Z"),
                "gathered-at": format!("2026-01-31T12:00:{second}.100Z"),
                "details": "{\"eta\":1}",
            }));
        }
    }
    let odd = HashMap::from([
        ("id".to_owned(), V::S("odd".into())),
        ("responder".to_owned(), V::S("\u{1b}[2J".into())),
        ("n".to_owned(), V::N("0.00000000000000000000000000000000000001".into())),
        ("b".to_owned(), V::B(Blob::new([0, 255]))),
        ("bool".to_owned(), V::Bool(true)),
        ("null".to_owned(), V::Null(true)),
        ("ss".to_owned(), V::Ss(vec!["x".into()])),
        ("ns".to_owned(), V::Ns(vec!["1".into()])),
        ("bs".to_owned(), V::Bs(vec![Blob::new(*b"x")])),
        ("m".to_owned(), V::M(HashMap::from([("l".to_owned(), V::L(vec![V::Bool(false)]))]))),
    ]);
    let put = clients().dynamodb.put_item().table_name(stack.full("RidesBookingTable"));
    wait(put.set_item(Some(odd)).send()).expect("it is written");
    stack
}

/// The lines that the table should be exported as.
fn rows(stack: &Stack) -> BTreeSet<String> {
    let scan = clients().dynamodb.scan().table_name(stack.full("RidesBookingTable"));
    let items = scan.consistent_read(true).into_paginator().items().send();
    let items = wait(items.collect::<Result<Vec<_>, _>>()).expect("the table answers");
    let line = |item: &HashMap<String, V>| {
        let mut line = Vec::new();
        write_line(item, &mut line);
        String::from_utf8(line).expect("it is text")
    };
    items.iter().map(line).collect()
}

fn lines(text: &str) -> BTreeSet<String> {
    text.split_inclusive('\n').map(str::to_owned).collect()
}

fn unzipped(file: &Path) -> String {
    let mut text = String::new();
    let file = fs::File::open(file).expect("it is there");
    GzDecoder::new(file).read_to_string(&mut text).expect("it is gzip");
    text
}

/// The names in a folder.
fn names(folder: &Path) -> Vec<String> {
    let names = fs::read_dir(folder).expect("it can be listed");
    names.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect()
}

#[test]
fn every_row_is_exported_as_it_is() {
    let stack = stack();
    let wanted = rows(&stack);
    assert_eq!(wanted.len(), 121);
    for format in ["table", "json"] {
        let ran = stack.rydes(&format!("export -o {format}")).run().exits(0);
        assert!(ran.stdout.is_ascii());
        assert_eq!(lines(&ran.stdout), wanted);
        assert!(ran.stdout.lines().all(|line| read_line(line.as_bytes()).is_ok()));
        says(&ran, "reads about ");
        says(&ran, " (121 rows)\n");
        says(&ran, "exported 121 rows, ");
    }
    let folder = TempDir::new().expect("a folder");
    let (plain, gzip) = (folder.path().join("rows.json"), folder.path().join("rows.json.gz"));
    fs::write(&plain, "an export of yesterday").expect("it is written");
    let ran = stack.rydes("export -o json").arg(&plain).run().exits(0);
    let told = document(&ran);
    conforms("export", &told);
    let bytes = fs::metadata(&plain).expect("it is there").len();
    assert_eq!((&told["rows"], &told["bytes"]), (&json!(121), &json!(bytes)));
    stack.rydes("export").arg(&gzip).run().exits(0);
    assert_eq!(lines(&fs::read_to_string(&plain).expect("it is there")), wanted);
    assert_eq!(lines(&unzipped(&gzip)), wanted);
    assert_eq!(names(folder.path()).len(), 2, "nothing is left beside them");
    let [plain, gzip] = [&plain, &gzip]
        .map(|file| gatherings(read(&[file]).expect("an export"), Period::default()));
    assert!(plain.0 == gzip.0, "they hold the same");
    for (found, coverage) in [plain, gzip] {
        assert_eq!((found.len(), coverage.rows, coverage.foreign), (40, 120, 1));
    }
}

#[test]
fn a_compressed_export_carries_the_time_of_its_reading() {
    let stack = Stack::set_up(0);
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("rows.gz");
    let before = Timestamp::now();
    stack.rydes("export").arg(&file).run().exits(0);
    let after = Timestamp::now();
    let read_at = read(&[&file]).expect("an export").read_at;
    assert!(before <= read_at && read_at <= after, "{before} {read_at} {after}");
    let gzip = GzDecoder::new(fs::File::open(&file).expect("it is there"));
    let comment = gzip.header().and_then(|header| header.comment()).expect("it has one");
    assert_eq!(str::from_utf8(comment), Ok(&*format!("rydes export {read_at}")));
}

#[test]
fn a_file_that_is_replaced_keeps_its_mode() {
    let stack = Stack::set_up(0);
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("rows");
    for mode in [0o600, 0o640, 0o666, 0o444] {
        fs::write(&file, "an export of yesterday").expect("it is written");
        fs::set_permissions(&file, fs::Permissions::from_mode(mode)).expect("it is ours");
        stack.rydes("export").arg(&file).run().exits(0);
        let found = fs::metadata(&file).expect("it is there").permissions().mode();
        assert_eq!(found & 0o7777, mode, "{found:o}");
        fs::remove_file(&file).expect("it is ours");
    }
}

#[test]
fn nothing_is_asked_but_the_size_and_the_rows() {
    let stack = stack();
    let proxy = Proxy::start();
    let export = || stack.rydes("export").env("AWS_ENDPOINT_URL", &proxy.url);
    export().run().exits(0);
    let seen: BTreeSet<_> =
        proxy.seen().into_iter().filter(|seen| !seen.starts_with('/')).collect();
    assert_eq!(seen.into_iter().collect::<Vec<_>>(), ["DescribeTable", "Scan"]);
}

#[test]
fn throttling_is_waited_out_and_no_row_is_lost() {
    let stack = stack();
    let proxy = Proxy::start();
    // More than the attempts that the SDK makes by itself.
    proxy.fail("Scan", 30, ProxyFault::Error(ServiceError::Throttled));
    let ran = stack.rydes("export").env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    assert_eq!(lines(&ran.stdout), rows(&stack));
    assert!(proxy.count("Scan") > 30);
    proxy.fail("Scan", 5, ProxyFault::Error(ServiceError::Unavailable));
    let ran = stack.rydes("export").env("AWS_ENDPOINT_URL", &proxy.url).run().exits(0);
    assert_eq!(lines(&ran.stdout), rows(&stack));
}

#[test]
fn a_failed_export_leaves_the_file_as_it_was() {
    let stack = stack();
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("rows.gz");
    fs::write(&file, "an export of yesterday").expect("it is written");
    let proxy = Proxy::start();
    proxy.pass("Scan", 2);
    let denied = r#"{"__type":"com.amazon.coral.service#AccessDeniedException","message":"no"}"#;
    proxy.fail("Scan", 100, ProxyFault::Answer(400, denied));
    let export = stack.rydes("export").arg(&file).env("AWS_ENDPOINT_URL", &proxy.url);
    says(&export.run().exits(1), "reading the table failed");
    assert_eq!(fs::read(&file).expect("it is there"), b"an export of yesterday");
    assert_eq!(names(folder.path()), ["rows.gz"]);
    let ran = stack.rydes("export /dev/null").run().exits(2);
    says(&ran, "/dev/null is not a regular file");
    says(&stack.rydes("export /no/such/folder/rows").run().exits(1), "cannot write /no/such");
}

#[test]
fn off_a_terminal_a_large_table_is_read_only_when_confirmed() {
    let stack = stack();
    let proxy = Proxy::start();
    let export = |options: &str| {
        stack.rydes(&format!("export {options}")).env("AWS_ENDPOINT_URL", &proxy.url).run()
    };
    let refused = export("--ask-above 100").exits(2);
    says(&refused, "so nothing was read: confirm with `--yes`");
    assert_eq!((proxy.count("Scan"), &*refused.stdout), (0, ""));
    export("--ask-above 100 --yes").exits(0);
    export("--ask-above 1000000").exits(0);
}

#[test]
fn on_a_terminal_a_large_table_is_asked_for() {
    let stack = stack();
    for (typed, code) in [("yes\n", 0), ("no\n", 2)] {
        let folder = TempDir::new().expect("a folder");
        let file = folder.path().join("rows");
        let terminal = Terminal::new();
        let export = format!("export --ask-above 100 {}", file.display());
        let mut export = stack.on_terminal(&terminal, &export).start();
        terminal.shows("type yes:");
        terminal.keys(typed);
        assert!(ends_within(&mut export, PATIENCE));
        assert_eq!(export.wait().expect("it has ended").code(), Some(code));
        assert_eq!(file.exists(), code == 0);
    }
}

#[test]
fn a_reader_that_has_enough_ends_it_in_order() {
    let stack = stack();
    let mut export = stack.rydes("export").start();
    let mut first = String::new();
    let mut stdout = BufReader::new(export.stdout.take().expect("it is piped"));
    stdout.read_line(&mut first).expect("a line");
    drop(stdout);
    assert!(ends_within(&mut export, PATIENCE));
    assert_eq!(export.wait().expect("it has ended").code(), Some(0));
    assert!(read_line(first.as_bytes()).is_ok());
}

#[test]
fn a_stack_that_is_not_there_has_nothing_to_export() {
    says(&Stack::new().rydes("export").run().exits(7), "is not set up");
}

#[test]
fn an_interrupted_export_leaves_nothing() {
    let stack = stack();
    let folder = TempDir::new().expect("a folder");
    let proxy = Proxy::start();
    proxy.pass("Scan", 2);
    proxy.fail("Scan", 100, ProxyFault::Hold);
    let file = folder.path().join("rows");
    let export = stack.rydes(&format!("export {}", file.display()));
    let export = Background::start(export.env("AWS_ENDPOINT_URL", &proxy.url));
    proxy.until_held();
    assert_eq!(names(folder.path()).len(), 1, "it is written beside its place");
    export.signal(Signal::INT);
    export.ends(PATIENCE).exits(130);
    assert_eq!(names(folder.path()), Vec::<String>::new());
}
