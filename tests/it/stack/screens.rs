//! What is on the screen, word by word: help, tables and errors; stdout, stderr and exit code
//! together.
//!
//! A screen that is missing or differs fails. To take what the program prints now, run
//! `INSTA_UPDATE=always cargo test --test it screens` and read the diff of `snapshots/`.

use crate::support::localstack::endpoint;
use crate::support::stack::Stack;
use crate::support::{Ran, Rydes, commands, free_port, rydes};

/// The command line and what it printed, as it would stand in a terminal.
fn screen(line: &str, ran: &Ran) -> String {
    let part = |name: &str, text: &str| {
        if text.is_empty() { String::new() } else { format!("--- {name}\n{text}") }
    };
    let code = ran.code.map_or("a signal".to_owned(), |code| code.to_string());
    let (stdout, stderr) = (part("stdout", &ran.stdout), part("stderr", &ran.stderr));
    format!("$ rydes {line}\n{stdout}{stderr}--- exit code {code}")
}

/// Compares a screen with the one that is kept under this name.
#[track_caller]
fn is_as_kept(name: &str, screen: &str) {
    insta::with_settings!({prepend_module_to_snapshot => false, omit_expression => true}, {
        insta::assert_snapshot!(name, screen);
    });
}

#[test]
fn help() {
    is_as_kept("short-help", &screen("", &rydes("").run()));
    let all = commands("");
    assert!(all.len() > 25, "{all:?}");
    for command in [String::new()].into_iter().chain(all) {
        let line = format!("{command} --help");
        let name = format!("help {command}").trim().replace(' ', "-");
        is_as_kept(&name, &screen(line.trim(), &rydes(&line).run()));
    }
}

#[test]
fn every_command_takes_the_global_options_on_either_side() {
    let all = commands("");
    assert!(all.len() > 25, "{all:?}");
    for command in all {
        let before = rydes(&format!("--stack x {command} --help")).run().exits(0);
        let after = rydes(&format!("{command} --stack x --help")).run().exits(0);
        assert_eq!(before.stdout, after.stdout);
        assert_eq!(after.stderr, "");
        let hint = "\nGlobal options, such as --stack and --output: rydes --help\n";
        assert!(after.stdout.contains(hint), "{command}");
        for option in ["--endpoint-url <URL>", "--json ", "--color <WHEN>"] {
            assert!(!after.stdout.contains(option), "{command}: {option}");
        }
    }
    let program = rydes("--help").run().exits(0).stdout;
    for option in ["--endpoint-url <URL>", "--aws ", "--json ", "-q, --quiet", "--color <WHEN>"] {
        assert!(program.contains(option), "{option}");
    }
}

#[test]
fn what_stands_below_the_options_fits_80_columns() {
    for command in [String::new()].into_iter().chain(commands("")) {
        let help = rydes(&format!("{command} --help")).env("COLUMNS", "100").run().exits(0).stdout;
        let below = help.rsplit_once("rydes --help\n").map_or(help.as_str(), |(_, below)| below);
        let below = below.lines().filter(|line| !command.is_empty() || line.starts_with("  rydes"));
        let long: Vec<_> = below.filter(|line| line.len() > 80).collect();
        assert!(long.is_empty(), "{command}: {long:#?}");
    }
}

#[test]
fn wrong_usage() {
    let lines = [
        "submit --from Frankfurt",
        "submit --from A --to B --deadline 1ms",
        "submit --from A --to B --file x",
        "submit Frankfurt",
        "submit Las Vegas Rome",
        "submit Frankfurt --to Rome",
        "submit A B --timeout 15",
        "submit A B --deadlin 15",
        "submit A B --url http://localhost:4566",
        "quotes 78c3 --output xml",
        "quotes --id 78c3",
        "quotes --json -o jsonl",
        "quotes 78c3 watch",
        "quotes 78c3 wait",
        "quotes 78c3 --linger 3s",
        "quotes 78c3 --accept-partial --watc",
        "submit A B --accept-partial",
        "submit A B --show=eta --deadline 15",
        "verify --timeout 3s",
        "providers run acme --env TOKEN",
        "watch",
        "dlq replay",
        "bench --count 0",
        "setup --providers 101",
        "setup --providers ten",
        "setup --stack a_b",
        "setup extra",
        "providers",
        "providers add",
        "providers add b-c",
        "providers add RequestForQuotesDeadLetters",
        "providers remove",
        "providers run --fault fast",
        "providers run --fault eror",
        "providers run --fault acme=decine:full",
        "providers run --fault decline",
        "providers run --think 4s..1s",
        "providers run --speed 0",
        "providers run --behavior mad",
        "completions",
        "frobnicate",
        "--aws setup",
        "--aws --stack x --endpoint-url http://localhost:4566 setup",
        "--endpoint-url https://sqs.eu-central-1.amazonaws.com setup",
        "--endpoint-url localhost:4566 setup",
        "--endpoint-url ftp://localhost:4566 setup",
        "--profile x setup",
        "setup --output workshop",
    ];
    let screens = lines.map(|line| screen(line, &rydes(line).run()));
    is_as_kept("wrong-usage", &screens.join("\n\n"));
    let empty = rydes("submit --to Rome").arg("--from").arg(" ").run();
    is_as_kept("empty-city", &screen("submit --to Rome --from \" \"", &empty));
}

#[test]
fn nothing_answers() {
    let port = free_port();
    let line = "submit --from A --to B";
    let ran = rydes(line).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).run();
    is_as_kept("nothing-answers", &screen(line, &ran).replace(&port.to_string(), "4566"));
    let line = "quotes 1234";
    let ran = rydes(line).env("AWS_ENDPOINT_URL", format!("http://127.0.0.1:{port}")).run();
    is_as_kept("nothing-to-read", &screen(line, &ran).replace(&port.to_string(), "4566"));
}

/// The default stack, in an account that no other test has.
struct Account(String);

impl Account {
    fn rydes(&self, arguments: &str) -> Rydes {
        rydes(arguments)
            .env("AWS_ENDPOINT_URL", endpoint())
            .env("AWS_ACCESS_KEY_ID", &self.0)
            .env("COLUMNS", "100")
    }

    /// Runs these one after the other; what differs from run to run is replaced.
    fn screens(&self, lines: &[&str]) -> String {
        let screens = lines.iter().map(|line| screen(line, &self.rydes(line).run()));
        let port = endpoint().rsplit(':').next().expect("a port");
        let text =
            screens.collect::<Vec<_>>().join("\n\n").replace(endpoint(), "http://127.0.0.1:4566");
        let text = text.replace(&format!(":{port}/"), ":4566/").replace(&self.0, "123456789012");
        // Waits are told where they happen to be needed; the time taken differs.
        let lines = text.lines().filter(|line| !line.starts_with("waiting: "));
        let lines = lines.map(|line| match line.rsplit_once(" changed in ") {
            Some((counts, _)) => format!("{counts} changed in 0.3 s"),
            None => line.to_owned(),
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[test]
fn the_life_of_a_stack() {
    let account = Account(format!("7{:011}", std::process::id()));
    let kept = account.screens(&[
        "providers list",
        "setup --dry-run",
        "setup",
        "setup",
        "setup --providers 2 -v",
        "setup --providers 2 --quiet -ojson",
        "providers list",
        "providers run --fault acme=silent",
        "providers run acme",
        "providers add acme",
        "providers add acme",
        "providers add UnicornManagementResource1",
        "providers run acme",
        "providers remove acme",
        "providers remove acme",
        "providers list -ojson",
        "quotes 00000000-0000-0000-0000-000000000000",
        "teardown --dry-run",
        "teardown",
        "teardown --yes",
        "teardown --yes",
    ]);
    is_as_kept("the-life-of-a-stack", &kept);
}

#[test]
fn somebody_elses_resource() {
    let stack = Stack::new();
    stack.make_queue("UnicornManagementResource2");
    let ran = stack.run("setup");
    let text = screen("--stack x setup", &ran).replace(&stack.name, "x");
    is_as_kept("somebody-elses-resource", &text.replace(endpoint(), "http://127.0.0.1:4566"));
}
