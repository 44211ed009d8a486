//! Keeps README and the pages of `docs` true: their commands parse, CI runs README's test command, the
//! files, links and tests that they name exist, and their policies allow just the requests that are made.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::LazyLock;

use serde_json::Value;
use tempfile::TempDir;

const README: &str = include_str!("../../README.md");
const CI: &str = include_str!("../../.ci/run");
const WORKFLOW: &str = include_str!("../../.github/workflows/ci.yml");

/// README and the pages of `docs`, by their paths.
static PAGES: LazyLock<Vec<(String, String)>> = LazyLock::new(|| {
    let listed = fs::read_dir(checkout().join("docs")).expect("it can be listed");
    let names = listed.map(|entry| entry.expect("it can be listed").file_name());
    let names = names.map(|name| name.into_string().expect("it is text"));
    let is_page = |name: &String| Path::new(name).extension().is_some_and(|end| end == "md");
    let names = names.filter(is_page).map(|name| format!("docs/{name}"));
    let mut names: Vec<_> = names.collect();
    names.sort();
    let page = |name: String| {
        let text = fs::read_to_string(checkout().join(&name)).expect("it can be read");
        (name, text)
    };
    let mut pages = vec![("README.md".to_owned(), README.to_owned())];
    pages.extend(names.into_iter().map(page));
    pages
});

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The code blocks of all pages, each with its language.
fn blocks() -> Vec<(&'static str, &'static str)> {
    PAGES.iter().flat_map(|(_, text)| blocks_of(text)).collect()
}

/// The code blocks of one page, each with its language.
fn blocks_of(text: &str) -> Vec<(&str, &str)> {
    let fenced = text.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("a block has lines")).collect()
}

/// The command lines that a reader may type: those of shell blocks and of transcripts.
fn commands<'a>(blocks: Vec<(&'a str, &'a str)>, program: &str) -> Vec<&'a str> {
    let lines = blocks.into_iter().filter(|(language, _)| *language != "json");
    lines
        .flat_map(|(language, block)| block.lines().map(move |line| (language, line)))
        .filter_map(|(language, line)| match line.strip_prefix("$ ") {
            Some(typed) => Some(typed),
            None => (language == "sh").then_some(line),
        })
        .filter(|line| line.starts_with(&format!("{program} ")))
        .collect()
}

/// The texts between single backticks of all pages, outside of blocks.
fn quoted() -> Vec<&'static str> {
    let prose = PAGES.iter().flat_map(|(_, text)| text.split("```").step_by(2));
    prose.flat_map(|text| text.split('`').skip(1).step_by(2)).collect()
}

/// The headings of a page, as its anchors name them.
fn anchors(text: &str) -> BTreeSet<String> {
    let prose = text.split("```").step_by(2).flat_map(str::lines);
    let headings = prose.filter_map(|line| line.strip_prefix('#'));
    headings
        .map(|heading| {
            let words = heading.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

#[test]
fn readme_is_short_and_lists_every_page() {
    assert!(README.lines().count() <= 220, "{}", README.lines().count());
    assert!(PAGES.len() > 10, "{}", PAGES.len());
    for (name, _) in PAGES.iter().skip(1) {
        assert!(README.contains(&format!("| [{name}]({name}) | ")), "README lists {name}");
    }
}

#[test]
fn every_link_leads_somewhere() {
    let mut seen = 0;
    for (name, text) in &*PAGES {
        let folder = checkout().join(name);
        let folder = folder.parent().expect("a folder");
        let prose: String = text.split("```").step_by(2).collect();
        let ends = [("](", ')'), ("src=\"", '"'), ("srcset=\"", '"')];
        for (start, end) in ends {
            for link in prose.split(start).skip(1).filter_map(|rest| rest.split(end).next()) {
                if link.starts_with("https://") {
                    continue;
                }
                let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
                let target = folder.join(path);
                assert!(target.is_file(), "{name}: {link} leads nowhere");
                if !anchor.is_empty() {
                    let target = fs::read_to_string(target).expect("it can be read");
                    assert!(anchors(&target).contains(anchor), "{name}: {link} leads nowhere");
                }
                seen += 1;
            }
        }
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn every_file_that_they_name_exists() {
    let folders =
        ["src/", "tests/", "docs/", "benches/", "fuzz/", "packaging/", ".ci/", ".github/"];
    let is_path = |text: &&str| folders.iter().any(|folder| text.starts_with(folder));
    let paths: Vec<_> = quoted().into_iter().filter(is_path).collect();
    assert!(paths.len() > 30, "{paths:?}");
    for path in paths {
        let file = path.split(' ').next().unwrap_or_default();
        assert!(checkout().join(file).exists(), "{path} does not exist");
    }
}

#[test]
fn every_command_line_parses() {
    let plain = |text: &&str| !text.contains("...") && !text.contains("COMMAND");
    let inline = quoted().into_iter().filter(|text| text.starts_with("rydes ")).filter(plain);
    let run =
        commands(blocks(), "cargo").into_iter().filter_map(|line| line.strip_prefix("cargo run "));
    let run = run.filter_map(|line| line.split_once("-- ")).map(|(_, line)| line.to_owned());
    let lines = commands(blocks(), "rydes").into_iter().chain(inline);
    let lines: Vec<_> = lines.map(|line| line["rydes ".len()..].to_owned()).chain(run).collect();
    assert!(lines.len() > 50, "{lines:?}");
    // Some redirect into a file.
    let folder = TempDir::new().expect("a temporary folder");
    for line in lines {
        // What reads its output is another program.
        let line = line.split(" | ").next().unwrap_or_default().to_owned();
        // The shell parts words and drops comments; `--help` ends the parsing before anything runs.
        let asked = match line.split_once(" -- ") {
            // What stands behind it belongs to a provider's program.
            Some((own, program)) => format!("{own} --help -- {program}"),
            None => line.clone(),
        };
        let help = if asked == line { "--help" } else { "" };
        let script = format!("rydes() {{ \"$0\" \"$@\" {help}; }}\nrydes {asked}");
        let binary = env!("CARGO_BIN_EXE_rydes");
        let mut shell = Command::new("sh");
        let shell = shell.args(["-c", &script, binary]).current_dir(&folder);
        let told = shell.output().expect("sh runs");
        let problem = String::from_utf8_lossy(&told.stderr);
        assert!(told.status.success(), "rydes {line}\n{problem}");
    }
}

#[test]
fn ci_runs_the_test_command_of_readme() {
    let commands: Vec<_> = commands(blocks_of(README), "cargo")
        .into_iter()
        .map(|line| line.split('#').next().unwrap_or_default().trim())
        .collect();
    assert!(commands.contains(&"cargo run -- demo"), "{commands:?}");
    assert!(commands.contains(&"cargo test"), "{commands:?}");
    assert!(CI.contains(r"sed -n 's/^\(cargo test\).*$/\1/p' README.md"), ".ci/run reads it here");
    assert!(CI.trim_end().ends_with("\n$test_command"), ".ci/run ends with it");
    assert!(WORKFLOW.contains("run: .ci/run"), "the workflow runs .ci/run");
}

/// The files that a path of modules leads to, at most one in `src` and one among these tests: those with the longest
/// part of the path. Each with the names that are left.
fn sources<'a>(path: &'a [&'a str]) -> Vec<(String, &'a [&'a str])> {
    let file = |folder: &str, names: &[&str]| {
        let file = checkout().join(folder).join(names.join("/"));
        let ends = [file.with_extension("rs"), file.join("mod.rs")];
        ends.into_iter().find_map(|file| fs::read_to_string(file).ok())
    };
    let longest = |folder| {
        let mut lengths = (1..=path.len()).rev();
        lengths.find_map(|length| Some((file(folder, &path[..length])?, &path[length..])))
    };
    ["src", "tests/it"].into_iter().filter_map(longest).collect()
}

/// Whether code has a test of this name.
fn has_test(code: &str, name: &str) -> bool {
    let found = code.split_once(&format!("fn {name}("));
    let before = found.map(|(before, _)| before.rsplit("\n\n").next().unwrap_or_default());
    before.is_some_and(|before| before.contains("#[test]") || before.contains("#[tokio::test"))
}

#[test]
fn every_test_that_they_name_exists() {
    for (name, text) in &*PAGES {
        assert!(!text.contains("TEST?"), "a promise of {name} waits for its test");
    }
    let mut sections = PAGES.iter().flat_map(|(_, text)| text.split("\n## "));
    let table = sections.find(|part| part.starts_with("What holds"));
    // The sections below it are about figures.
    let table = table.and_then(|part| part.split("\n### ").next());
    let rows = table.expect("it is there").lines().filter(|line| line.starts_with("| "));
    let mut seen = 0;
    for row in rows.skip(1) {
        let shown_by = row.trim_end_matches('|').rsplit('|').next().expect("a cell");
        let named: Vec<_> = shown_by.split('`').skip(1).step_by(2).collect();
        assert!(!named.is_empty(), "no test: {row}");
        for name in named {
            let path: Vec<_> = name.split("::").collect();
            let exists = sources(&path).iter().any(|(code, left)| match left {
                [] => code.contains("#[test]") || code.contains("#[tokio::test"),
                // A module `tests` may be a file beside the one that names it.
                ["tests"] => code.contains("mod tests"),
                [test] | ["tests", test] => has_test(code, test),
                _ => false,
            });
            assert!(exists, "{name} does not exist");
            seen += 1;
        }
    }
    assert!(seen > 75, "{seen}");
}

/// The requests that are made, by the actions that allow them.
fn requests() -> BTreeSet<String> {
    let mut actions = BTreeSet::new();
    let mut folders = vec![checkout().join("src")];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let code = fs::read_to_string(&path).expect("it can be read");
            let clients = [
                ("sns", "sns"),
                ("publishes", "sns"),
                ("sqs", "sqs"),
                ("polls", "sqs"),
                ("dynamodb", "dynamodb"),
            ];
            for (client, service) in clients {
                for (at, field) in code.match_indices(&format!(".{client}")) {
                    let rest = code[at + field.len()..].trim_start();
                    let call = rest.strip_prefix('.').and_then(|call| call.split_once("()"));
                    let client = code[..at].trim_end().ends_with("clients");
                    let Some((call, _)) = call.filter(|_| client) else { continue };
                    if call.chars().all(|c| c.is_ascii_lowercase() || c == '_') {
                        actions.extend(actions_of(service, call));
                    }
                }
            }
        }
    }
    actions
}

fn actions_of(service: &str, call: &str) -> Vec<String> {
    if call == "batch_execute_statement" {
        return vec!["dynamodb:PartiQLInsert".to_owned(), "dynamodb:PartiQLUpdate".to_owned()];
    }
    let words = call.trim_end_matches("_batch").split('_');
    let pascal: String = words.map(|word| word[..1].to_uppercase() + &word[1..]).collect();
    vec![format!("{service}:{pascal}")]
}

#[test]
fn their_policies_allow_just_the_requests_that_are_made() {
    let mut allowed = BTreeSet::new();
    for (_, policy) in blocks().into_iter().filter(|(language, _)| *language == "json") {
        let policy: Value = serde_json::from_str(policy).expect("a policy is JSON");
        for statement in policy["Statement"].as_array().into_iter().flatten() {
            let actions = statement["Action"].as_array().expect("a list").iter();
            allowed.extend(actions.map(|action| action.as_str().expect("a text").to_owned()));
        }
    }
    assert_eq!(allowed, requests());
}
