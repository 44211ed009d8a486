//! What people type, and the option or command that they mean. clap's own guesses take a word for similar to one that
//! is further away: `setup` for `statsu`.

use std::ffi::OsString;

use clap::CommandFactory as _;
use clap::error::{ContextKind, ContextValue};

use crate::cli::Cli;
use crate::core::all_nearest;

/// The fewest characters that may be the beginning of a command.
const SHORTEST_BEGINNING: usize = 2;

/// What to do instead.
pub(super) enum Guess {
    /// Type this option.
    Typed(&'static str),
    /// Follow this advice.
    Said(&'static str),
}

/// Commands, what is typed after them, and the option that is meant. An empty name stands for every command.
type Options = (&'static [&'static str], &'static [&'static str], &'static str);

const RFQ: &[&str] = &["quotes", "trace", "verify", "close"];
const REAL: &[&str] = &["providers run", "providers try", "bench"];
const SIMULATED: &[&str] = &["providers run", "bench"];
const PAST: &[&str] = &["report", "advise"];
const EVERY: &[&str] = &[""];

/// Those of single commands come first.
const OPTIONS: &[Options] = &[
    (&["submit"], &["--timeout", "--within", "--time-limit", "--ttl"], "--deadline"),
    (&["submit"], &["--watch", "--follow", "--live", "--sync"], "--wait"),
    (&["submit"], &["--origin", "--source", "--start", "--pickup"], "--from"),
    (&["submit"], &["--destination", "--dest", "--target", "--end"], "--to"),
    (&["submit"], &["--number", "--repeat", "--times", "--copies", "-n"], "--count"),
    (&["submit"], &["--id", "--rfq"], "--rfq-id"),
    (&["submit"], &["--order", "--order-by", "--sort", "--sort-by", "--best"], "--best-by"),
    (&["submit"], &["--input", "--request", "--event", "-f"], "--file"),
    (&["submit"], &["--bulk", "--lines"], "--batch"),
    (&["submit"], &["--user", "--client", "--passenger"], "--customer"),
    (&["submit"], &["--data", "--payload", "--extra"], "--details"),
    (&["quotes"], &["--wait", "--follow", "--live", "-f"], "--watch"),
    (&["quotes"], &["--deadline", "--max-wait"], "--timeout"),
    (&["quotes"], &["--column", "--columns", "--field", "--fields", "--details"], "--show"),
    (&["verify"], &["--watch", "--follow", "--live"], "--wait"),
    (&["setup"], &["--count", "--number", "--num-providers"], "--providers"),
    (&["setup", "teardown"], &["--plan", "--preview", "--what-if"], "--dry-run"),
    (&["teardown"], &["--force", "--no-confirm", "-f"], "--yes"),
    (&["providers remove"], &["--yes", "-y", "-f"], "--force"),
    (&["providers add"], &["--filter", "--policy", "--where"], "--only"),
    (&["providers add"], &["--language", "--template", "--code"], "--example"),
    (&["providers run"], &["--file"], "--config"),
    (&["providers list"], &["--file"], "--config"),
    (REAL, &["--header", "--headers"], "--headers-file"),
    (REAL, &["--attempt-timeout"], "--timeout"),
    (&["providers run", "providers try"], &["--deadline"], "--timeout"),
    (SIMULATED, &["--faults", "--inject", "--error"], "--fault"),
    (SIMULATED, &["--delay", "--latency", "--sleep"], "--think"),
    (SIMULATED, &["--mode"], "--behavior"),
    (SIMULATED, &["--parallel", "--threads", "-j"], "--concurrency"),
    (&["bench"], &["--number", "--requests", "--rfqs", "-n"], "--count"),
    (&["bench"], &["--rps", "--qps"], "--rate"),
    (&["bench"], &["--keep", "--leave-stack"], "--keep-stack"),
    (PAST, &["--after", "--from", "--start"], "--since"),
    (PAST, &["--until", "--to", "--end"], "--before"),
    (PAST, &["--input", "--export", "-f"], "--file"),
    (&["serve"], &["--port", "--address", "--addr", "--bind", "-p"], "--listen"),
    (&["serve"], &["--timeout"], "--deadline"),
    (&["serve"], &["--hostname", "--domain", "--allowed-host"], "--host"),
    (&["localstack up"], &["--docker"], "--runtime docker"),
    (&["localstack up"], &["--packages", "--no-docker"], "--runtime packages"),
    (&["localstack logs"], &["--watch", "--tail"], "--follow"),
    (&["trace"], &["--picture", "--image", "--draw", "--file"], "--svg"),
    (&["status"], &["--last", "--count", "--limit", "--most", "--max", "-n"], "--rfqs"),
    (&["dlq replay"], &["--provider"], "--to"),
    (&["dlq purge"], &["--force", "--no-confirm", "-f"], "--yes"),
    (&["dlq list"], &["--max", "--count", "-n"], "--limit"),
    (EVERY, &["--format", "--pretty", "--csv", "--yaml"], "--output"),
    (EVERY, &["--url", "--endpoint", "--port", "--host"], "--endpoint-url"),
    (EVERY, &["--name", "--stack-name", "-s"], "--stack"),
    (EVERY, &["--debug", "--log-level"], "--verbose"),
    (EVERY, &["--silent"], "--quiet"),
    (EVERY, &["--no-color", "--no-colour"], "--color never"),
    (EVERY, &["--colour", "--colors"], "--color"),
    (EVERY, &["--real", "--cloud"], "--aws"),
    (EVERY, &["--aws-region"], "--region"),
    (EVERY, &["--aws-profile"], "--profile"),
];

/// The same where no option is meant, but something else.
const ADVICE: &[Options] = &[
    (
        RFQ,
        &["--id", "--rfq-id", "--rfq"],
        "write the id without an option, as in `rydes quotes RFQ-ID`",
    ),
    (
        &["dlq show"],
        &["--id", "--letter"],
        "write the id without an option, as in `rydes dlq show ID`",
    ),
    (
        &["dlq list"],
        &["--id", "--rfq", "--rfq-id"],
        "write the id of an RFQ without an option, as in `rydes dlq list RFQ-ID`",
    ),
    (
        &["dlq purge"],
        &["--all", "-a"],
        "to delete all letters, write `rydes dlq purge` without an id",
    ),
    (
        &["providers run", "providers try"],
        &["--url", "--endpoint", "--webhook"],
        "`--http` is for the provider's endpoint, `--endpoint-url` for LocalStack's",
    ),
    (
        &["providers run", "providers try", "bench"],
        &["--program", "--command", "--cmd", "--exec"],
        "a program comes last, after two dashes: `-- PROGRAM`",
    ),
    (
        &["providers run"],
        &["--providers", "--count", "--number", "-n"],
        "`rydes setup --providers N` makes N of them; `rydes providers run NAME` runs one",
    ),
    (
        &["providers run", "providers add", "providers remove"],
        &["--name", "--provider"],
        "write the name without an option, as in `rydes providers run NAME`",
    ),
    (
        &["submit"],
        &["--provider", "--providers", "--only"],
        "every subscribed provider is asked; `rydes providers add NAME --only POLICY` filters",
    ),
    (EVERY, &["--local", "--localstack"], "LocalStack is the default; only AWS needs an option"),
    (
        EVERY,
        &["--account", "--account-id"],
        "on LocalStack, an AWS_ACCESS_KEY_ID of twelve digits chooses the account",
    ),
];

/// Commands of the program, or of the command named first.
const COMMANDS: &[Options] = &[
    (&["rydes"], &["up", "start"], "localstack up"),
    (&["rydes"], &["down", "stop"], "localstack down"),
    (&["rydes"], &["logs"], "localstack logs"),
    (&["rydes"], &["init", "create", "deploy", "make"], "setup"),
    (&["rydes"], &["destroy", "delete", "remove", "clean", "cleanup", "rm"], "teardown"),
    (&["rydes"], &["run", "work", "worker", "workers"], "providers run"),
    (&["rydes"], &["add", "join"], "providers add"),
    (&["rydes"], &["try"], "providers try"),
    (&["rydes"], &["gather"], "consumer run"),
    (&["rydes"], &["ask", "send", "request", "publish", "rfq"], "submit"),
    (&["rydes"], &["watch", "follow"], "quotes --watch"),
    (&["rydes"], &["get", "show", "query", "results", "answers"], "quotes"),
    (&["rydes"], &["list", "ls", "queues", "history"], "status"),
    (&["rydes"], &["check", "audit"], "verify"),
    (&["rydes"], &["timeline"], "trace"),
    (&["rydes"], &["cancel", "end"], "close"),
    (&["rydes"], &["dead-letters", "letters"], "dlq"),
    (&["rydes"], &["replay", "redrive"], "dlq replay"),
    (&["rydes"], &["purge"], "dlq purge"),
    (&["rydes"], &["load", "loadtest"], "bench"),
    (&["rydes"], &["web", "http", "page", "ui"], "serve"),
    (&["rydes providers"], &["start", "serve", "work"], "run"),
    (&["rydes providers"], &["ls", "show", "status"], "list"),
    (&["rydes providers"], &["create", "new", "join", "register", "subscribe"], "add"),
    (&["rydes providers"], &["rm", "delete", "leave", "unsubscribe"], "remove"),
    (&["rydes providers"], &["test", "ask"], "try"),
    (&["rydes consumer"], &["start"], "run"),
    (&["rydes dlq"], &["ls"], "list"),
    (&["rydes dlq"], &["get", "cat"], "show"),
    (&["rydes dlq"], &["delete", "clear", "rm", "remove", "empty"], "purge"),
    (&["rydes dlq"], &["redrive", "retry", "resend"], "replay"),
    (&["rydes localstack"], &["start", "run"], "up"),
    (&["rydes localstack"], &["stop", "remove"], "down"),
];

/// What an option means that `command` does not have.
pub(super) fn option(command: &str, typed: &str) -> Option<Guess> {
    let command = command.strip_prefix("rydes").unwrap_or(command).trim();
    // What is said of one command goes before what is said of all.
    let of = |name: &str| {
        let advice = find(ADVICE, name, typed).map(Guess::Said);
        advice.or_else(|| find(OPTIONS, name, typed).map(Guess::Typed))
    };
    of(command).or_else(|| of(""))
}

/// The option that was typed without its dashes.
pub(super) fn dashless(command: &str, typed: &str) -> Option<String> {
    let option = format!("--{typed}");
    let program = Cli::command();
    let found = at(&program, command)?;
    let has = found.get_arguments().any(|arg| arg.get_long() == Some(typed));
    if has {
        return Some(option);
    }
    match self::option(command, &option)? {
        Guess::Typed(meant) => Some(meant.to_owned()),
        Guess::Said(_) => None,
    }
}

/// The option among the typed words for which `command` requires another one.
pub(super) fn requiring(command: &str, other: &str, arguments: &[OsString]) -> Option<String> {
    let lacks = |words: &[String]| {
        let words = command.split(' ').map(str::to_owned).chain(words.iter().cloned());
        let error = Cli::command().try_get_matches_from(words).err();
        error.is_some_and(|error| match error.get(ContextKind::InvalidArg) {
            Some(ContextValue::Strings(all)) => all.iter().any(|one| one == other),
            _ => false,
        })
    };
    if lacks(&[]) {
        return None;
    }
    let typed = arguments.iter().map(|word| word.to_string_lossy().into_owned());
    let typed: Vec<_> = typed.take_while(|word| word != "--").collect();
    let options = (0..typed.len()).filter(|at| typed[*at].starts_with('-'));
    let found = options.into_iter().find(|at| {
        // With its value, if it takes one.
        lacks(&typed[*at..=*at]) || typed.get(*at..*at + 2).is_some_and(lacks)
    })?;
    typed[found].split('=').next().map(str::to_owned)
}

/// What a command means that `above` does not have.
pub(super) fn command(above: &str, typed: &str) -> Option<&'static str> {
    find(COMMANDS, above, typed)
}

/// The commands of `above` that may be meant by a misspelt one: all that are equally near, else those that begin with it.
pub(super) fn similar_commands(above: &str, typed: &str) -> Vec<String> {
    let program = built();
    let Some(above) = at(&program, above) else { return Vec::new() };
    let all = above.get_subcommands().filter(|command| !command.is_hide_set());
    let all: Vec<_> = all.map(clap::Command::get_name).collect();
    let mut similar = all_nearest(typed, all.iter().copied());
    if similar.is_empty() && typed.len() >= SHORTEST_BEGINNING {
        similar = all.into_iter().filter(|name| name.starts_with(typed)).collect();
    }
    similar.into_iter().map(str::to_owned).collect()
}

/// The options of `command` that may be meant by a misspelt one, all equally near.
pub(super) fn similar_options(command: &str, typed: &str) -> Vec<String> {
    let program = built();
    let (Some(command), Some(typed)) = (at(&program, command), typed.strip_prefix("--")) else {
        return Vec::new();
    };
    let all = command.get_arguments().filter(|arg| !arg.is_hide_set());
    let similar = all_nearest(typed, all.filter_map(clap::Arg::get_long));
    similar.into_iter().map(|name| format!("--{name}")).collect()
}

/// The program with its global options at each command.
fn built() -> clap::Command {
    let mut program = Cli::command();
    program.build();
    program
}

/// The command with this path, as in `rydes localstack up`.
fn at<'a>(program: &'a clap::Command, path: &str) -> Option<&'a clap::Command> {
    path.split(' ').skip(1).try_fold(program, |above, word| above.find_subcommand(word))
}

fn find(all: &[Options], command: &str, typed: &str) -> Option<&'static str> {
    let is_it =
        |(commands, words, _): &&Options| commands.contains(&command) && words.contains(&typed);
    all.iter().find(is_it).map(|(_, _, meant)| *meant)
}

/// The command at the beginning of a usage line, as in `rydes localstack up`.
pub(super) fn command_in(usage: &str) -> String {
    let (program, mut path) = (Cli::command(), vec!["rydes"]);
    let mut command = &program;
    for word in usage.split_whitespace().skip(1) {
        let Some(inner) = command.find_subcommand(word) else { break };
        command = inner;
        path.push(word);
    }
    path.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The same without the program's name, or with it.
    fn at<'a>(program: &'a clap::Command, path: &str) -> &'a clap::Command {
        let path = path.strip_prefix("rydes").unwrap_or(path).trim();
        super::at(program, format!("rydes {path}").trim())
            .unwrap_or_else(|| panic!("{path} is no command"))
    }

    fn has(command: &clap::Command, option: &str) -> bool {
        command.get_arguments().any(|arg| {
            let long = arg.get_long_and_visible_aliases().unwrap_or_default();
            long.iter().any(|long| format!("--{long}") == option)
                || arg.get_short().is_some_and(|short| format!("-{short}") == option)
        })
    }

    #[test]
    fn a_misspelt_command_is_the_nearest_one() {
        for (above, typed, meant) in [
            ("rydes", "statsu", &["status"][..]),
            ("rydes", "sttaus", &["status"]),
            ("rydes", "statu", &["status"]),
            ("rydes", "setpu", &["setup"]),
            ("rydes", "verfiy", &["verify"]),
            ("rydes", "closee", &["close"]),
            ("rydes", "quoets", &["quotes"]),
            ("rydes", "tear", &["teardown"]),
            ("rydes", "sta", &["stacks", "status"]),
            ("rydes", "s", &[]),
            ("rydes", "frobnicate", &[]),
            ("rydes dlq", "purg", &["purge"]),
            ("rydes providers", "remvoe", &["remove"]),
        ] {
            let mut found = similar_commands(above, typed);
            found.sort();
            assert_eq!(found, meant, "{above} {typed}");
        }
    }

    #[test]
    fn a_misspelt_option_is_the_nearest_one() {
        for (command, typed, meant) in [
            ("rydes submit", "--deadlien", &["--deadline"][..]),
            ("rydes dlq list", "--limti", &["--limit"]),
            ("rydes status", "--ouptut", &["--output"]),
            ("rydes status", "--frobnicate", &[]),
            ("rydes status", "-x", &[]),
        ] {
            assert_eq!(similar_options(command, typed), meant, "{command} {typed}");
        }
    }

    #[test]
    fn dead_letters_are_named_and_deleted_as_people_type_it() {
        let advice = |command: &str, typed: &str| match option(command, typed) {
            Some(Guess::Typed(said) | Guess::Said(said)) => said,
            None => "",
        };
        for (command, typed, said) in [
            ("rydes dlq show", "--id", "as in `rydes dlq show ID`"),
            ("rydes dlq purge", "--all", "write `rydes dlq purge` without an id"),
            ("rydes dlq purge", "--force", "--yes"),
            ("rydes submit", "--live", "--wait"),
            ("rydes quotes", "--live", "--watch"),
            ("rydes verify", "--live", "--wait"),
        ] {
            assert!(advice(command, typed).ends_with(said), "{command} {typed}");
        }
        assert_eq!(advice("rydes setup", "--live"), "");
        for (above, typed, meant) in [
            ("rydes", "purge", "dlq purge"),
            ("rydes dlq", "rm", "purge"),
            ("rydes dlq", "cat", "show"),
        ] {
            assert_eq!(super::command(above, typed), Some(meant));
        }
    }

    #[test]
    fn what_is_meant_exists_and_what_is_typed_does_not() {
        let program = built();
        for (commands, words, meant) in OPTIONS {
            let meant = meant.split(' ').next().expect("a word");
            for command in *commands {
                assert!(has(at(&program, command), meant), "{command}: {meant}");
                for word in words.iter().filter(|_| !command.is_empty()) {
                    assert!(!has(at(&program, command), word), "{command} has {word}");
                }
            }
        }
        for (commands, words, _) in ADVICE {
            for (command, word) in commands.iter().flat_map(|c| words.iter().map(move |w| (c, w))) {
                assert!(!has(at(&program, command), word), "{command} has {word}");
            }
        }
        for (above, words, meant) in COMMANDS {
            let above = at(&program, above[0]);
            at(above, meant.split(" --").next().expect("a command"));
            assert!(words.iter().all(|word| above.find_subcommand(word).is_none()), "{words:?}");
        }
    }
}
