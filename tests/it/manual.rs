//! The man pages beside the help that they come from and the tables of docs/reference.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::json;
use tempfile::TempDir;

use crate::support::{Ran, commands, json, rydes};

const REFERENCE: &str = include_str!("../../docs/reference.md");

fn man(out: &Path) -> Ran {
    rydes("man --out").arg(out).run()
}

/// The pages by their names, as they are written.
fn pages() -> BTreeMap<String, String> {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("share/man1");
    let told = man(&out).exits(0);
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(&out).expect("it was made") {
        let entry = entry.expect("it can be listed");
        let name = entry.file_name().into_string().expect("it is text");
        pages.insert(name, fs::read_to_string(entry.path()).expect("it is text"));
    }
    let printed: BTreeSet<_> = told.stdout.lines().collect();
    assert_eq!(printed, pages.keys().map(String::as_str).collect());
    pages
}

/// What a reader sees of roff, more or less: without requests and fonts.
fn plain(page: &str) -> String {
    let lines = page.lines().filter(|line| !line.starts_with('.'));
    let text = lines.collect::<Vec<_>>().join("\n");
    [("\\fB", ""), ("\\fI", ""), ("\\fR", ""), ("\\-", "-"), ("\\*(Aq", "'"), ("\\&", "")]
        .iter()
        .fold(text, |text, (from, to)| text.replace(from, to))
}

#[test]
fn each_command_has_a_page_with_each_of_its_options() {
    let pages = pages();
    let commands: Vec<_> = [String::new()].into_iter().chain(commands("")).collect();
    assert!(commands.len() > 20, "{commands:?}");
    let named = commands.iter().map(|command| format!("rydes {command}"));
    let named: BTreeSet<_> = named.map(|name| name.trim().replace(' ', "-") + ".1").collect();
    assert_eq!(named, pages.keys().cloned().collect());
    for command in commands {
        let help = rydes(&format!("{command} --help")).run().exits(0).stdout;
        let of_all = rydes("--help").run().exits(0).stdout;
        let (_, global) = of_all.split_once("\nGlobal options:\n").expect("they are shown");
        let page = &pages[&(format!("rydes {command}").trim().replace(' ', "-") + ".1")];
        let text = plain(page);
        let shown = format!("{help}{}", global.split("\nExamples").next().unwrap_or_default());
        // A line that goes on with an option's help is indented further.
        let options = shown.lines().filter(|line| !line.starts_with("       "));
        let options = options.map(str::trim_start).filter(|line| line.starts_with('-'));
        let options: Vec<_> = options.filter(|line| !line.starts_with("- ")).collect();
        assert!(options.len() > 8, "{command}: {options:?}");
        for option in options {
            let (option, _) = option.split_once("  ").unwrap_or((option, ""));
            assert!(text.contains(&format!("\n{option}")), "{command}: {option}\n{text}");
        }
        for title in
            ["NAME", "SYNOPSIS", "DESCRIPTION", "OPTIONS", "\"GLOBAL OPTIONS\"", "\"SEE ALSO\""]
        {
            assert!(page.contains(&format!("\n.SH {title}\n")), "{command}: {title}");
        }
        let has_examples = help.contains("\nExample");
        assert_eq!(page.contains("\n.SH EXAMPLES\n"), has_examples, "{command}");
    }
}

#[test]
fn pages_hold_nothing_but_text_and_requests_that_stand_at_their_beginning() {
    for (name, page) in pages() {
        assert!(page.chars().all(|c| c == '\n' || !c.is_control()), "{name}");
        assert!(page.ends_with('\n') && !page.contains("\n\n"), "{name}");
        assert!(page.lines().all(|line| line == line.trim_end()), "{name}");
        let title = name.trim_end_matches(".1").to_uppercase();
        assert!(page.contains(&format!("\n.TH {title} 1 ")), "{name}");
        for line in page.lines().filter(|line| line.starts_with(['.', '\''])) {
            let request = line[1..].split(' ').next().unwrap_or_default();
            let known =
                ["SH", "TH", "TP", "PP", "RS", "RE", "IP", "sp", "br", "ad", "nh", "ie", "el"];
            assert!(known.contains(&request), "{name}: {line}");
        }
    }
}

#[test]
fn the_reference_and_the_page_of_the_program_list_the_same() {
    let text = plain(&pages()["rydes.1"]);
    for section in ["Exit codes", "Environment"] {
        let found = REFERENCE.split("\n## ").find(|part| part.starts_with(section));
        let rows = found.expect("it is there").lines().filter(|line| line.starts_with("| "));
        let rows: Vec<_> = rows.skip(1).collect();
        assert!(rows.len() > 8, "{rows:?}");
        for row in rows {
            let cells: Vec<_> = row.trim_matches('|').split('|').map(str::trim).collect();
            let [name, meaning] = cells[..] else { panic!("two cells: {row}") };
            let listed = format!("\n{name}\n{meaning}\n").replace('`', "");
            assert!(text.contains(&listed), "{listed}");
        }
    }
}

#[test]
fn a_page_that_cannot_be_written_is_an_error_and_leaves_no_part_of_itself() {
    let folder = TempDir::new().expect("a folder");
    let out = folder.path().join("man1");
    fs::create_dir_all(out.join("rydes-submit.1")).expect("a folder");
    let failed = man(&out).exits(1);
    let page = out.join("rydes-submit.1").display().to_string();
    assert!(failed.stderr.starts_with(&format!("error: cannot write {page}\n")), "{failed:?}");
    let left = fs::read_dir(&out).expect("it is there").map(|entry| entry.expect("listed").path());
    let left: Vec<_> =
        left.filter(|path| path.extension().is_some_and(|end| end == "new")).collect();
    assert!(left.is_empty(), "{left:?}");

    let file = folder.path().join("file");
    fs::write(&file, "").expect("writes");
    let failed = man(&file).exits(1);
    assert!(failed.stderr.starts_with("error: cannot write "), "{failed:?}");
    rydes("man").run().exits(2);
}

#[test]
fn pages_are_written_over_old_ones() {
    let folder = TempDir::new().expect("a folder");
    fs::write(folder.path().join("rydes.1"), "x".repeat(100_000)).expect("writes");
    let told = rydes("man -o json --out").arg(folder.path()).run().exits(0);
    assert_eq!(json(&told.stdout)["pages"][0], json!("rydes.1"));
    let page = fs::read_to_string(folder.path().join("rydes.1")).expect("it is text");
    assert!(!page.contains("xxx") && page.contains(".SH NAME"), "{page}");
}
