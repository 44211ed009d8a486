//! A disk that is full, and files that are not what they should be.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::symlink;

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::support::background::Background;
use crate::support::pipe::full_disk;
use crate::support::proxy::Proxy;
use crate::support::stack::{RESPONSES, Stack};
use crate::support::{Rydes, free_port, json, wait_for};

/// What the system says about a disk without room.
const FULL: &str = "No space left on device";

#[test]
fn a_command_whose_answer_cannot_be_written_names_it_and_fails() {
    let stack = Stack::set_up(2);
    let id = stack.submit("--deadline 10m");
    let close = format!("close {id}");
    for line in [
        "quotes",
        "quotes -o json",
        "quotes -o workshop",
        "verify",
        "verify -o json",
        "status",
        "status -o json",
        "setup --providers 2",
        "setup --providers 2 -o json",
        "providers list",
        "providers list -o json",
        "providers add acme",
        "trace",
        "trace -o json",
        "dlq list -o json",
        "teardown --dry-run -o json",
        "localstack up -o json",
        "completions bash",
        "",
        "--help",
        "--version",
        &close,
        "quotes --watch",
        "quotes --watch -o jsonl",
    ] {
        let ran = stack.rydes(line).stdout(full_disk()).run().exits(1);
        let error = ran.stderr.split_once("error: cannot write to stdout\n  caused by: ");
        assert!(error.is_some_and(|(_, why)| why.starts_with(FULL)), "{line}: {}", ran.stderr);
    }
}

#[test]
fn an_id_that_stdout_refuses_is_on_stderr() {
    let stack = Stack::set_up(1);
    let rydes = |line: &str| stack.rydes(&format!("submit {line}")).stdout(full_disk());
    for (id, options) in [("lost-1", ""), ("lost-2", "-o json")] {
        let line = format!("--from A --to B --deadline 10m --rfq-id {id} {options}");
        let ran = rydes(&line).run().exits(1);
        assert!(ran.stderr.contains(FULL), "{}", ran.stderr);
        let said = ran.stderr.lines().find(|line| line.starts_with(['l', '{']));
        let said = said.unwrap_or_else(|| panic!("no id: {}", ran.stderr));
        let said = if options.is_empty() { said.into() } else { json(said)["rfq-id"].clone() };
        assert_eq!((said, stack.rows(id).len()), (id.into(), 1));
        // Where nothing can be written at all, the exit code is left.
        let ran = rydes(&line).stderr(full_disk()).run().exits(1);
        assert_eq!(ran.stderr, "");
    }
}

#[test]
fn a_batch_whose_ids_cannot_be_written_ends_and_names_those_that_are_out() {
    let stack = Stack::set_up(1);
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    let ids: Vec<_> = (0..2_000).map(|number| format!("l-{number:05}")).collect();
    for id in &ids {
        writeln!(file, "{{\"from\": \"A\", \"to\": \"B\", \"rfq-id\": \"{id}\"}}").expect("room");
    }
    let submit = stack.rydes("submit --batch").arg(file.path()).stdout(full_disk());
    let ran = submit.run().exits(1);
    assert!(ran.stderr.contains("error: cannot write to stdout"), "{}", ran.stderr);
    assert!(ran.stderr.contains("hint: lines 1 to "), "{}", ran.stderr);
    let told = ran.stderr.lines().filter(|line| ids.iter().any(|id| id == line)).count();
    let out = stack.keys().iter().filter(|(_, responder)| responder == "-").count();
    assert!(told == out && (1..ids.len()).contains(&out), "{told} of {out}: {}", ran.stderr);
}

#[test]
fn a_stderr_that_fails_changes_nothing() {
    let stack = Stack::set_up(1);
    let ran = stack.rydes("submit --from A --to B -v").stderr(full_disk()).run().exits(0);
    assert_eq!(ran.stdout.lines().count(), 1);
    let workers = stack.rydes("providers run --behavior steady --poll-wait 2s --progress none");
    let workers = Background::start(workers.stderr(full_disk()));
    stack.rydes("quotes --watch").run().exits(0);
    workers.stop();
}

/// Starts workers whose log goes to a full disk; they say so once, go on, and end well.
fn go_on(stack: &Stack, command: Rydes, work: impl FnOnce()) {
    let workers = Background::start(command.stdout(full_disk()));
    work();
    wait_for("all is gathered", || (stack.depth(RESPONSES) == 0).then_some(()));
    let said = workers.stop().stderr;
    let told = format!("warning: events are lost until stdout works again: {FULL}");
    assert_eq!(said.matches(&told).count(), 1, "{said}");
}

#[test]
fn workers_whose_log_disk_is_full_say_so_once_and_go_on() {
    let stack = Stack::set_up(2);
    let watched = || {
        stack.submit("--deadline 60s");
        stack.rydes("quotes --watch").run().exits(0);
    };
    for options in ["-o jsonl", "--progress plain"] {
        let run = format!("providers run --behavior steady --poll-wait 2s {options}");
        go_on(&stack, stack.rydes(&run), watched);
    }
    let workers = stack.background("providers run --behavior steady --poll-wait 2s --no-consumer");
    go_on(&stack, stack.rydes("consumer run --poll-wait 2s -o jsonl"), watched);
    workers.stop();
    // A document that was asked for is an answer.
    let run = stack.rydes("providers run --poll-wait 2s -o json").stdout(full_disk());
    let run = Background::start(run);
    run.says("with the response consumer");
    run.signal(rustix::process::Signal::TERM);
    let ended = run.ends(crate::support::PATIENCE).exits(1);
    assert!(ended.stderr.contains("error: cannot write to stdout"), "{}", ended.stderr);
}

#[test]
fn a_server_whose_log_disk_is_full_says_so_once_and_goes_on() {
    let stack = Stack::set_up(1);
    let at = format!("127.0.0.1:{}", free_port());
    go_on(&stack, stack.rydes(&format!("serve --listen {at} -o jsonl")), || {
        for _ in 0..3 {
            wait_for("the server answers", || {
                ureq::get(format!("http://{at}/readyz")).call().ok().map(drop)
            });
        }
    });
}

#[test]
fn a_memory_that_is_a_pipe_or_a_link_is_left_alone_and_holds_nothing_up() {
    let stack = Stack::set_up(1);
    let memory = stack.memory();
    fs::create_dir_all(memory.parent().expect("a folder")).expect("it can be made");
    let mode = Mode::RUSR | Mode::WUSR;
    mknodat(CWD, &memory, FileType::Fifo, mode, 0).expect("a pipe can be made");
    let id = stack.submit("--deadline 10m");
    let said = stack.rydes("submit --from A --to B -v").run().exits(0).stderr;
    assert!(said.contains("the RFQ was not remembered: not a regular file"), "{said}");
    let newest = stack.rydes("quotes").run().exits(5).stderr;
    assert!(newest.contains("recent.jsonl: not a regular file"), "{newest}");
    assert_eq!(stack.quotes(&id)["expected"], 1);
    stack.rydes("status").run().exits(0);
    let server = stack.serve();
    let body = r#"{"from": "A", "to": "B"}"#;
    let submit = ureq::post(format!("{}/submit-instant-ride-rfq", server.url)).send(body);
    assert_eq!(submit.expect("it is taken").status(), 201);
    server.process.stop();
    fs::remove_file(&memory).expect("it can be removed");
    let other = tempfile::NamedTempFile::new().expect("a temporary file");
    symlink(other.path(), &memory).expect("a link can be made");
    stack.submit("--deadline 10m");
    assert_eq!(fs::read(other.path()).expect("it is there"), b"", "a link is not followed");
    stack.rydes("quotes").run().exits(5);
    fs::remove_file(&memory).expect("it can be removed");
    let id = stack.submit("--deadline 10m");
    assert_eq!(json(&stack.rydes("quotes -o json").run().exits(0).stdout)["rfq-id"], *id);
}

#[test]
fn a_memory_that_grew_long_keeps_its_newest() {
    let stack = Stack::set_up(1);
    let id = stack.submit("--deadline 10m");
    let memory = stack.memory();
    let line = fs::read_to_string(&memory).expect("it is there");
    let mut long = File::options().append(true).open(&memory).expect("it opens");
    for number in 0..40_000 {
        let other = line.replace(&id, &format!("{number:036}"));
        long.write_all(other.as_bytes()).expect("there is room");
    }
    let newest = stack.submit("--deadline 10m");
    let text = fs::read_to_string(&memory).expect("it is there");
    assert!(text.lines().count() <= 1_001 && text.contains(&newest), "{}", text.len());
    assert_eq!(json(&stack.rydes("quotes -o json").run().exits(0).stdout)["rfq-id"], *newest);
}

#[test]
fn a_picture_into_a_pipe_that_no_program_reads_ends_at_a_signal() {
    let stack = Stack::set_up(1);
    stack.submit("--deadline 10m");
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let pipe = folder.path().join("picture.svg");
    mknodat(CWD, &pipe, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).expect("a pipe can be made");
    let proxy = Proxy::start();
    let trace = stack.rydes("trace -v --svg").arg(&pipe);
    let trace = Background::start(trace.env("AWS_ENDPOINT_URL_DYNAMODB", &proxy.url));
    proxy.until("Query", 1);
    // It waits for a reader, and has nothing to say meanwhile.
    std::thread::sleep(std::time::Duration::from_secs(1));
    trace.signal(rustix::process::Signal::TERM);
    trace.ends(crate::support::PATIENCE).exits(143);
}
