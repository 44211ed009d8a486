//! What every command line has in common: where options stand, what is refused before anything is
//! done, and pipes that are closed.

use std::io::{BufRead as _, BufReader, Read as _};

use super::{document, says};
use crate::support::localstack::endpoint;
use crate::support::stack::Stack;
use crate::support::{Rydes, free_port, rydes};

#[test]
fn every_global_option_stands_before_or_after_the_command() {
    let stack = Stack::set_up(1);
    let (name, url) = (&stack.name, endpoint());
    let lists = |line: String| {
        let ran = rydes(&line).run().exits(0);
        assert_eq!(document(&ran)["providers"].as_array().map(Vec::len), Some(1), "{line}");
    };
    let place = format!("--stack {name} --endpoint-url {url} --region us-east-1");
    for options in [
        format!("{place} --output json --color never --quiet"),
        format!("{place} -o json --color=always -q"),
        format!("{place} -ojson -v"),
        format!("{place} --json"),
        format!("{place} --json -o json -q"),
        format!("{place} --output=json --verbose"),
    ] {
        lists(format!("{options} providers list"));
        lists(format!("providers {options} list"));
        lists(format!("providers list {options}"));
    }
    for line in [
        "--aws --stack x --profile nobody --endpoint-url http://x setup",
        "setup --aws --stack x --profile nobody --endpoint-url http://x",
    ] {
        says(&rydes(line).run().exits(2), "`--endpoint-url` cannot be used with `--aws`");
    }
}

#[test]
fn numbers_of_providers_have_limits() {
    let nowhere = format!("--endpoint-url http://127.0.0.1:{}", free_port());
    let range = rydes(&format!("{nowhere} setup --providers 101")).run().exits(2);
    says(&range, "error: `--providers 101`: expected a number from 0 to 100\n");
    for number in ["101", "-1", "ten", "1.5", ""] {
        let line = rydes(&format!("{nowhere} setup")).arg(format!("--providers={number}"));
        says(&line.run().exits(2), "`--providers ");
    }
}

#[test]
fn what_is_misspelt_is_named_and_nothing_that_is_further_away() {
    for (line, hint) in [
        ("statsu", "hint: write `rydes status`\n"),
        ("sta", "hint: write `rydes status` or `rydes stacks`\n"),
        ("frobnicate", "hint: rydes --help\n"),
        ("submit A B --deadlien 5s", "hint: write `--deadline`\n"),
        ("status --limit 3", "hint: write `--rfqs`\n"),
        ("completions fihs", "hint: write `fish`\n"),
        ("completions tcsh", "`tcsh`: expected one of bash, elvish, fish, powershell, zsh\n"),
        ("dlq replay all", "`all`: for all letters, write `--all`\n"),
        ("dlq purge all", "`all`: to delete all letters, write `rydes dlq purge` without an id\n"),
        ("dlq list --limit 0", "`--limit 0`: expected a number from 1 to 65535\n"),
    ] {
        let refused = rydes(line).run().exits(2);
        assert!(refused.stderr.ends_with(hint), "{line}: {}", refused.stderr);
    }
}

#[test]
fn bad_values_are_refused_before_anything_is_polled() {
    // Nothing listens: whoever looked there would end with 6.
    let nowhere = format!("--endpoint-url http://127.0.0.1:{}", free_port());
    for (option, values) in [
        ("--fault", &["", "fast", "silent@2", "slow", "slow:x", "decline", "b-c=silent"][..]),
        ("--think", &["", "1s", "4s..1s", "x..y", "1s..13h"]),
        ("--speed", &["", "0", "-1", "NaN", "inf", "fast"]),
        ("--poll-wait", &["", "0s", "21s", "1500ms", "21"]),
        ("--visibility", &["", "0s", "13h", "x"]),
        ("--concurrency", &["", "0", "-1", "10001", "many"]),
        ("--behavior", &["", "mad"]),
        ("--seed", &["", "-1", "x"]),
        ("--progress", &["", "loud"]),
    ] {
        for value in values {
            let line = rydes(&format!("{nowhere} providers run")).arg(format!("{option}={value}"));
            says(&line.run().exits(2), option);
        }
    }
    rydes(&format!("{nowhere} providers run b-c")).run().exits(2);
    for option in ["--poll-wait=0s", "--visibility=13h", "--progress=loud"] {
        rydes(&format!("{nowhere} consumer run {option}")).run().exits(2);
    }
}

#[test]
fn a_number_without_a_unit_is_seconds() {
    // Nothing listens: what is accepted ends with 6.
    let nowhere = format!("--endpoint-url http://127.0.0.1:{}", free_port());
    for line in [
        "submit A B --deadline 15",
        "submit A B --wait --until stall:5",
        "quotes x --watch --until stall:5 --linger 1.5 --timeout 30",
        "verify x --wait --timeout 30",
        "serve --listen 127.0.0.1:0 --deadline 15",
        "providers run --think 0.2..4 --fault slow:20 --fault clock:-90 --poll-wait 20",
        "providers run acme --timeout 5 -- true",
    ] {
        rydes(&format!("{nowhere} {line}")).run().exits(6);
    }
    for line in
        ["submit A B --deadline 86401", "submit A B --deadline -5", "verify x --wait --timeout 1e3"]
    {
        rydes(&format!("{nowhere} {line}")).run().exits(2);
    }
}

#[test]
fn json_and_another_output_exclude_each_other() {
    for line in ["--json -o table setup", "--json setup -o jsonl", "-oworkshop quotes --json"] {
        let refused = rydes(line).run().exits(2);
        says(&refused, "error: `--json` cannot be used with another `--output`");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn names_of_stacks_are_checked() {
    let nowhere = format!("--endpoint-url http://127.0.0.1:{}", free_port());
    for bad in ["", "1a", "a_b", "a.b", "-a", "ä", "a\u{1b}[31m", &"a".repeat(33)] {
        let typed = rydes(&format!("{nowhere} setup")).arg(format!("--stack={bad}")).run().exits(2);
        says(&typed, "--stack");
        assert!(!typed.stderr.contains('\u{1b}'), "{:?}", typed.stderr);
    }
    let set = rydes(&format!("{nowhere} setup")).env("RYDES_STACK", "a_b").run().exits(2);
    says(&set, "`RYDES_STACK a_b`");
    let longest = rydes(&format!("{nowhere} setup --stack a{}", "1-".repeat(15)));
    longest.run().exits(6);
}

#[test]
fn the_original_answers_form_is_for_quotes_alone() {
    for command in ["setup", "providers list", "teardown --yes", "submit --from A --to B"] {
        let refused = rydes(&format!("{command} --output workshop")).run().exits(2);
        says(&refused, "`--output workshop` is for `rydes quotes` alone");
    }
}

#[test]
fn the_form_of_collectors_is_for_a_trace_alone() {
    for command in ["setup", "quotes", "serve", "submit --from A --to B"] {
        let refused = rydes(&format!("{command} --output otlp")).run().exits(2);
        says(&refused, "error: `--output otlp` is for `rydes trace` alone");
        assert_eq!(refused.stdout, "");
    }
}

#[test]
fn quiet_says_nothing_but_the_answer() {
    let stack = Stack::new();
    let setup = stack.run("setup --providers 1 --quiet").exits(0);
    assert_eq!(setup.stderr, "");
    assert!(setup.stdout.starts_with("RESOURCE"), "{}", setup.stdout);
    assert_eq!(stack.run("teardown -y -q").exits(0).stderr, "");
    says(&stack.run("providers list -q").exits(7), "error: ");
}

/// Runs it with a stdout that nobody reads beyond so many lines.
fn is_no_panic(line: Rydes, lines: usize) {
    let mut child = line.start();
    let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    assert_eq!(stdout.lines().take(lines).count(), lines);
    let mut stderr = String::new();
    child.stderr.take().expect("it is piped").read_to_string(&mut stderr).expect("it can be read");
    let code = child.wait().expect("it ends").code();
    assert!(!stderr.contains("panicked"), "{stderr}");
    assert!(code.is_some_and(|code| code <= 1), "{code:?}: {stderr}");
}

#[test]
fn a_closed_pipe_is_no_panic() {
    let stack = Stack::set_up(3);
    for read in [0, 1] {
        is_no_panic(rydes("--help"), read);
        is_no_panic(rydes(""), read);
        is_no_panic(rydes("completions bash"), read);
        is_no_panic(stack.typed("providers list"), read);
        is_no_panic(stack.typed("providers list -ojson"), read);
        is_no_panic(stack.typed("setup --providers 3 -v"), read);
    }
    is_no_panic(stack.typed("teardown --dry-run -ojson"), 0);
}

#[test]
fn completions_are_a_script_for_each_shell() {
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = rydes(&format!("completions {shell}")).run().exits(0);
        assert!(script.stdout.contains("rydes"), "{shell}");
        assert_eq!(script.stderr, "", "{shell}");
    }
    says(&rydes("completions tcsh").run().exits(2), "one of bash, elvish, fish, powershell, zsh");
}
