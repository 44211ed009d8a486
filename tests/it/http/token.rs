//! `rydes serve --token-file`: which requests are answered, and what the refused ones get.

use std::fs::{self, Permissions};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::json;
use tempfile::TempDir;

use crate::support::http::{Answer, Server, ask, post, raw};
use crate::support::stack::{Stack, provider};
use crate::support::{Ran, free_port, rydes, says, wait_for};

const TOKEN: &str = "s3cret+0123456789/ABCDEF==";
const OTHER: &str = "another-0123456789-abcdef";
const ROUTES: &str = include_str!("../../../src/serve/routes.rs");
const FILES: &str = include_str!("../../../src/serve/page.rs");
const HTTP: &str = include_str!("../../../docs/http.md");
const SUBMIT: &str = "/submit-instant-ride-rfq";
const RIDE: &str = r#"{"from": "A", "to": "B", "rfq-id": "by-token"}"#;

/// A folder with the file of a token that only its owner may read.
pub(crate) fn token_file(token: &str) -> (TempDir, PathBuf) {
    let folder = TempDir::new().expect("a folder");
    let file = folder.path().join("token");
    write(&file, token);
    (folder, file)
}

fn write(file: &Path, token: &str) {
    fs::write(file, format!("{token}\n")).expect("it is written");
    fs::set_permissions(file, Permissions::from_mode(0o600)).expect("they are set");
}

/// A server with a token.
pub(crate) fn guarded(stack: &Stack, file: &Path) -> Server {
    let serve = stack.rydes("serve --listen 127.0.0.1:0 -o jsonl -v --token-file");
    Server::start(serve.arg(file))
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// The method and the path of every route of the router, and the files of the page.
fn routes() -> Vec<(&'static str, String)> {
    let chained = ROUTES.split(".route(\"").skip(1).map(|rest| {
        let (path, rest) = rest.split_once("\", ").expect("a path and what answers");
        let method = rest.split('(').next().unwrap_or_default();
        let method = match method {
            "get" => "GET",
            "post" => "POST",
            other => panic!("{path} is answered by {other}"),
        };
        (method, path.to_owned())
    });
    let files = FILES.split("    (\"/").skip(1);
    let files =
        files.map(|rest| ("GET", format!("/{}", rest.split('"').next().unwrap_or_default())));
    chained.chain(files).collect()
}

#[track_caller]
fn is_refused(answer: &Answer) {
    assert_eq!(answer.status, 401, "{answer:?}");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert_eq!(answer.header("content-type"), "application/json");
    let body = answer.json();
    assert!(body["error"].is_string() && body.as_object().is_some_and(|body| body.len() == 2));
    let hint = body["hint"].as_str().expect("a hint");
    assert!(hint.contains("`Authorization: Bearer TOKEN`") && hint.contains("--token-file"));
    assert!(!answer.body.contains(TOKEN) && !answer.body.contains(OTHER), "{answer:?}");
}

#[test]
fn every_route_but_health_metrics_and_the_page_requires_the_token() {
    let stack = Stack::set_up(1);
    let (_folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let all = routes();
    let required: Vec<_> = all
        .iter()
        .filter(|(method, path)| {
            let url = format!("{}{}", server.url, path.replace("{id}", "no-such-rfq"));
            let bare = ask(method, &url, &[]);
            let with = ask(method, &url, &[("Authorization", &bearer(TOKEN))]);
            assert_ne!(with.status, 401, "{method} {path}: {with:?}");
            if bare.status != 401 {
                assert_eq!(bare.status, with.status, "{method} {path}");
                return false;
            }
            is_refused(&bare);
            is_refused(&ask(method, &url, &[("Authorization", &bearer(OTHER))]));
            // The original's stage, a slash at the end, and another spelling of the path.
            let path = path.replace("{id}", "no-such-rfq");
            let odd = path.replacen('q', "%71", 1);
            for path in [format!("/Prod{path}"), format!("{path}/"), format!("/{path}"), odd] {
                assert!(
                    [401, 404].contains(&ask(method, &format!("{}{path}", server.url), &[]).status)
                );
            }
            true
        })
        .map(|(method, path)| (*method, path.as_str()))
        .collect();
    assert_eq!(
        required,
        [
            ("GET", "/rfqs"),
            ("GET", "/about"),
            ("POST", SUBMIT),
            ("GET", "/query-instant-ride-rfq/{id}"),
            ("GET", "/rfqs/{id}/events"),
            ("POST", "/rfqs/{id}/close"),
        ]
    );
    assert!(all.len() >= 19, "{all:?}");
    // A request without a route, or with another method, gets no other answer.
    for (method, path) in
        [("GET", "/nothing"), ("POST", "/"), ("DELETE", "/healthz"), ("OPTIONS", "/about")]
    {
        is_refused(&ask(method, &format!("{}{path}", server.url), &[]));
    }
    assert_eq!(ask("HEAD", &format!("{}/", server.url), &[]).status, 200);
}

#[test]
fn nothing_is_done_for_a_request_without_the_token() {
    let stack = Stack::set_up(1);
    let (_folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let id = stack.submit("--deadline 10m");
    wait_for("it is there", || (stack.depth(&provider(1)) == 1).then_some(()));
    let right = bearer(TOKEN);
    let twice = [("Authorization", right.as_str()), ("Authorization", right.as_str())];
    let [wrong, shorter, longer, basic, comma, bare] = [
        bearer(OTHER),
        bearer(&TOKEN[1..]),
        format!("{right}x"),
        format!("Basic {TOKEN}"),
        format!("{right}, {right}"),
        TOKEN.to_owned(),
    ];
    let one = |value| vec![("Authorization", value)];
    let headers =
        [&wrong, &shorter, &longer, &basic, &comma, &bare].map(|value| one(value.as_str()));
    let mut headers = headers.to_vec();
    headers.extend([Vec::new(), twice.to_vec(), one("Bearer"), one(""), vec![("Cookie", &right)]]);
    for headers in &headers {
        is_refused(&post(&format!("{}{SUBMIT}", server.url), RIDE, headers));
        is_refused(&post(&format!("{}/rfqs/{id}/close", server.url), "", headers));
    }
    is_refused(&ask("GET", &format!("{}/about?token={}", server.url, "x"), &[]));
    // A body that never comes is not waited for, and a header that is none does not count.
    for header in
        ["", "Authorization : Bearer ", "Authorization\\: Bearer ", " Authorization: Bearer "]
    {
        let line = if header.is_empty() { String::new() } else { format!("{header}{TOKEN}\r\n") };
        let mut connection = raw(
            &server,
            &format!(
                "POST {SUBMIT} HTTP/1.1\r\nHost: localhost\r\n{line}Content-Length: 60\r\nConnection: close\r\n\r\n{{"
            ),
        );
        let mut head = [0; 12];
        connection.read_exact(&mut head).expect("an answer");
        let head = String::from_utf8_lossy(&head).into_owned();
        assert!(["HTTP/1.1 401", "HTTP/1.1 400"].contains(&head.as_str()), "{header}: {head}");
    }
    assert_eq!(stack.depth(&provider(1)), 1, "nothing was submitted");
    assert_eq!(stack.quotes(&id)["status"], "gathering");
    let lower = [("authorization", "bearer  s3cret+0123456789/ABCDEF==")];
    assert_eq!(post(&format!("{}{SUBMIT}", server.url), RIDE, &lower).status, 201);
    // Nothing that it printed holds a token.
    let ran = server.stop();
    assert!(ran.stderr.contains(" 401 ") && ran.stdout.contains("\"status\":401"), "{ran:?}");
    for printed in [&ran.stdout, &ran.stderr] {
        assert!(!printed.contains(&TOKEN[1..]) && !printed.contains(OTHER), "{printed}");
    }
}

#[test]
fn a_token_is_replaced_without_a_restart_and_the_last_good_one_stays() {
    let stack = Stack::set_up(1);
    let (_folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let status = |token: &str| {
        ask("GET", &format!("{}/about", server.url), &[("Authorization", &bearer(token))]).status
    };
    assert_eq!((status(TOKEN), status(OTHER)), (200, 401));
    write(&file, OTHER);
    assert_eq!((status(TOKEN), status(OTHER)), (401, 200));
    for spoil in [
        |file: &Path| write(file, "short"),
        |file: &Path| fs::remove_file(file).expect("it is there"),
    ] {
        spoil(&file);
        assert_eq!((status(TOKEN), status(OTHER), status("short")), (401, 200, 401));
    }
    write(&file, TOKEN);
    assert_eq!((status(TOKEN), status(OTHER)), (200, 401));
    let ran = server.stop();
    let kept =
        ran.stderr.lines().filter(|line| line.contains("the token read before stays in use"));
    assert_eq!(kept.count(), 2, "{}", ran.stderr);
}

#[test]
fn a_file_without_a_token_is_refused_before_anything_listens() {
    let nowhere = format!("--endpoint-url http://127.0.0.1:{}", free_port());
    let serve = |file: &Path| -> Ran {
        let listen = format!("{nowhere} serve --listen 127.0.0.1:0 --token-file");
        rydes(&listen).arg(file).run()
    };
    let (folder, file) = token_file("");
    for (text, problem) in [
        ("", "its first line holds no token"),
        ("\n0123456789abcdef", "its first line holds no token"),
        ("0123456789abcde", "a token has at least 16 characters"),
        ("0123456789 abcdef", "a token has only visible ASCII characters, and no spaces"),
        ("0123456789abc\u{1b}[31m", "a token has only visible ASCII characters, and no spaces"),
        ("01234567\u{e9}9abcdef", "a token has only visible ASCII characters, and no spaces"),
        (&"x".repeat(10_000), "a token has at most 4096 characters"),
    ] {
        write(&file, text);
        let refused = serve(&file).exits(2);
        says(&refused, &format!("error: `--token-file`: {}: {problem}", file.display()));
        says(&refused, "hint: a new token: ");
        assert!(refused.stdout.is_empty() && !refused.stderr.contains("0123"), "{refused:?}");
    }
    for no_file in [folder.path(), &folder.path().join("absent")] {
        says(&serve(no_file).exits(2), "`--token-file`: cannot read ");
    }
    // A good one goes on to look for the stack.
    write(&file, TOKEN);
    let unreachable = serve(&file).exits(6);
    assert!(!unreachable.stderr.contains("warning"), "{}", unreachable.stderr);
    fs::set_permissions(&file, Permissions::from_mode(0o644)).expect("they are set");
    let open = serve(&file).exits(6);
    says(&open, "warning: every user of this machine can read ");
    assert!(!open.stderr.contains(TOKEN));
}

#[test]
fn beyond_this_machine_the_warning_is_about_what_is_open() {
    let stack = Stack::set_up(1);
    let (_folder, file) = token_file(TOKEN);
    let open = Server::start(stack.rydes("serve --listen 0.0.0.0:0 -o jsonl")).stop();
    says(&open, "warning: no authentication: anyone who can reach 0.0.0.0:");
    let serve = stack.rydes("serve --listen 0.0.0.0:0 -o jsonl --token-file").arg(&file);
    let guarded = Server::start(serve).stop();
    assert!(!guarded.stderr.contains("warning"), "{}", guarded.stderr);
    says(
        &guarded,
        "plain HTTP hides neither the token nor the answers: put a proxy that ends TLS in front",
    );
}

#[test]
fn the_documented_curl_lines_work() {
    let stack = Stack::set_up(1);
    let (folder, file) = token_file(TOKEN);
    let server = guarded(&stack, &file);
    let lines: Vec<_> = HTTP
        .lines()
        .filter(|line| line.starts_with("curl ") || line.starts_with("TOKEN="))
        .collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    let script = lines.join("\n").replace("http://127.0.0.1:8080", &server.url);
    let script = script
        .replace("/ID ", "/$ID ")
        .replace("'{\"from\"", "'{\"rfq-id\": \"by-curl\", \"from\"");
    let mut shell = Command::new("sh");
    let shell = shell.args(["-ec", &script]).current_dir(folder.path());
    let ran = shell.env("ID", "by-curl").env("no_proxy", "*").output().expect("sh runs");
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert!(printed.starts_with("{\"rfq-id\": \"by-curl\"}{\"quotes\": []"), "{script}\n{ran:?}");
    assert_eq!(stack.quotes("by-curl")["from"], json!("Frankfurt"));
}
