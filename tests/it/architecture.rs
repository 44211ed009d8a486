//! Keeps the rules of the house: a floor names only floors below it, each outside crate stays on its floors, no
//! two files need each other, only `terminal` prints, and only `cli` reads the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// The floors, the lowest first. A module of `src` that is missing here fails.
const FLOORS: [&str; 14] = [
    "core", "error", "shutdown", "settings", "consumer", "aws", "stack", "flow", "tools", "view",
    "metrics", "terminal", "serve", "cli",
];
/// Floors that may not name each other although their order would allow it.
const APART: [(&str, &str); 3] =
    [("consumer", "settings"), ("serve", "terminal"), ("error", "core")];
/// The dependencies that only these floors, or files of them, may name. One that ends with `_` stands for all that
/// begin so.
const OUTSIDE: [(&str, &[&str]); 37] = [
    ("aws_", &["aws", "settings::partition", "stack"]),
    ("axum", &["serve"]),
    ("base64", &["aws", "tools"]),
    ("bigdecimal", &["core"]),
    ("bytes", &["serve", "tools"]),
    ("clap", &["cli"]),
    ("clap_", &["cli"]),
    ("comfy_table", &["view"]),
    ("console", &["terminal"]),
    ("csv", &["view"]),
    ("flate2", &["cli", "flow::history", "tools"]),
    ("hdrhistogram", &["core::history", "tools", "view"]),
    ("http_body_util", &["serve", "tools"]),
    ("httpdate", &["flow::provider::endpoint"]),
    ("hyper", &["serve", "tools"]),
    ("hyper_util", &["serve", "tools"]),
    ("icu_properties", &["core"]),
    ("indicatif", &["terminal"]),
    ("jiff", &["core", "view", "cli"]),
    ("percent_encoding", &["flow::provider::endpoint"]),
    ("plotters", &["view"]),
    ("prometheus_client", &["metrics"]),
    ("rand_chacha", &["flow", "tools"]),
    ("reqwest", &["flow::provider"]),
    (
        "rustix",
        &["cli::providers::program", "flow::provider::program", "settings", "terminal", "tools"],
    ),
    ("rustls", &["aws", "flow::provider::endpoint"]),
    ("serde", &["aws::dynamodb_json", "cli", "core", "serve"]),
    ("sha2", &["aws", "core", "flow", "serve", "tools"]),
    ("subtle", &["serve"]),
    ("tar", &["tools"]),
    ("tempfile", &["cli", "flow::history"]),
    ("textwrap", &["view"]),
    ("thiserror", &["aws", "error", "tools"]),
    ("tokio_io_timeout", &["serve"]),
    ("toml", &["cli"]),
    ("unicode_", &["core", "terminal", "view"]),
    ("ureq", &["aws", "cli", "settings", "tools"]),
];
/// Those that any floor may name, and those that are there for their features alone.
const ANYWHERE: [&str; 8] = [
    "futures_util",
    "getrandom",
    "idna",
    "serde_json",
    "tikv_jemallocator",
    "tokio",
    "tokio_util",
    "uuid",
];

/// A file of `src` without its comments and its tests.
struct Source {
    path: PathBuf,
    /// Its module: `["flow", "provider", "worker"]`.
    module: Vec<String>,
    code: String,
}

/// Every file of the library.
fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let (mut folders, mut sources) = (vec![root.clone()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            if path.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let inside = path.strip_prefix(&root).expect("it is inside").with_extension("");
            let mut module: Vec<_> =
                inside.iter().map(|part| part.to_string_lossy().into_owned()).collect();
            module.pop_if(|last| last == "mod");
            if module == ["main"] || module == ["lib"] || module.contains(&"tests".to_owned()) {
                continue;
            }
            let text = fs::read_to_string(&path).expect("it can be read");
            let (code, tests) =
                text.split_once("\n#[cfg(test)]\nmod tests {").unwrap_or((&text, "}\n"));
            let after = tests.split_once("\n}\n").map_or("", |(_, after)| after);
            assert!(after.is_empty(), "{}: code after its tests", path.display());
            let code = code.lines();
            let code: Vec<_> = code.filter(|line| !line.trim_start().starts_with("//")).collect();
            sources.push(Source { path, module, code: code.join("\n") });
        }
    }
    assert!(sources.len() > 100, "{} files", sources.len());
    sources
}

/// The first words of the paths in `code` that begin with `head`: `error` of `crate::error::Result`.
fn named<'a>(code: &'a str, head: &'a str) -> impl Iterator<Item = &'a str> {
    let word = |rest: &'a str| rest.split(|c: char| !is_of_name(c)).next().unwrap_or("");
    code.split(head).skip(1).map(word).filter(|word| !word.is_empty())
}

fn is_of_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

#[test]
fn arrows_point_down() {
    let level = |floor: &str| FLOORS.iter().position(|known| *known == floor);
    for Source { path, code, module } in &sources() {
        let own = level(&module[0]).unwrap_or_else(|| panic!("{} has no floor", module[0]));
        // A group would hide the floors that it names.
        assert!(!code.contains("crate::{"), "{} groups floors", path.display());
        for named in floors_named(module, code).into_iter().filter(|named| *named != module[0]) {
            let is_below = level(&named).is_some_and(|named| named < own);
            let is_apart = APART.contains(&(module[0].as_str(), named.as_str()));
            assert!(is_below && !is_apart, "{} names {named}", path.display());
        }
    }
}

/// The first names of the paths that lead out of a module, by `crate` or by `super`.
fn floors_named(module: &[String], code: &str) -> BTreeSet<String> {
    let mut named: BTreeSet<_> = named(code, "crate::").map(str::to_owned).collect();
    let ups = "super::".repeat(module.len());
    if code.contains(&ups) {
        // As many `super` as the module is deep lead to the root.
        named.extend(self::named(code, &ups).map(str::to_owned));
    }
    named
}

#[test]
fn a_floor_is_named_by_super_too() {
    let module = ["serve".to_owned(), "mod_of_it".to_owned()];
    let named = |code| floors_named(&module, code).into_iter().collect::<Vec<_>>();
    assert_eq!(named("use super::super::terminal::Output;"), ["terminal"]);
    assert_eq!(named("use super::answer::Problem;"), Vec::<String>::new());
    assert_eq!(named("use crate::view::page;"), ["view"]);
}

#[test]
fn outside_crates_stay_on_their_floors() {
    let covers = |outside: &str, name: &str| {
        name == outside || (outside.ends_with('_') && name.starts_with(outside))
    };
    let dependencies = dependencies();
    assert!(dependencies.len() > 30, "{dependencies:?}");
    for dependency in &dependencies {
        let is_known = ANYWHERE.contains(&dependency.as_str())
            || OUTSIDE.iter().any(|(outside, _)| covers(outside, dependency));
        assert!(is_known, "{dependency} has no floor");
    }
    let mut named = BTreeSet::new();
    for Source { path, module, code } in &sources() {
        for name in heads(code).filter(|name| dependencies.contains(*name)) {
            let Some((outside, floors)) = OUTSIDE.iter().find(|(outside, _)| covers(outside, name))
            else {
                continue;
            };
            named.insert(outside);
            let is_allowed = floors.iter().any(|floor| module.join("::").starts_with(floor));
            assert!(is_allowed, "{} names {name}", path.display());
        }
    }
    let unused: Vec<_> = OUTSIDE.iter().filter(|(outside, _)| !named.contains(outside)).collect();
    assert!(unused.is_empty(), "no floor names {unused:?}");
}

/// The dependencies of the crate, as code names them.
fn dependencies() -> BTreeSet<String> {
    let manifest = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"))
        .expect("it can be read");
    let sections = manifest.split("\n[").filter(|section| {
        let name = section.split(']').next().unwrap_or_default();
        assert!(!name.contains("dependencies."), "[{name}] is not read here");
        name.ends_with("dependencies") && !name.contains("dev-")
    });
    let lines = sections.flat_map(|section| section.lines().skip(1));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let name = |line: &str| {
        let name = line.split_once(" = ").map(|(name, _)| name.replace('-', "_"));
        name.filter(|name| name.chars().all(is_of_name)).unwrap_or_else(|| panic!("{line}"))
    };
    lines.map(name).collect()
}

/// The first names of paths, `serde_json` of `serde_json::json!`, and the crates that a line imports whole.
fn heads(code: &str) -> impl Iterator<Item = &str> {
    let paths = code.match_indices("::").filter_map(|(at, _)| {
        let begin = code[..at].rfind(|c: char| !is_of_name(c)).map_or(0, |before| before + 1);
        // A path may begin with `::`.
        let before = code[..begin].strip_suffix("::").unwrap_or(&code[..begin]);
        let is_head = begin < at && !before.ends_with(|c: char| is_of_name(c) || ":.>".contains(c));
        is_head.then(|| &code[begin..at])
    });
    let whole = code.lines().filter_map(|line| {
        let line = line.trim_start().trim_start_matches("pub ");
        let rest = line.strip_prefix("use ").or_else(|| line.strip_prefix("extern crate "))?;
        rest.split(|c: char| !is_of_name(c)).next().filter(|name| !name.is_empty())
    });
    paths.chain(whole)
}

#[test]
fn a_crate_is_named_in_each_of_these_ways() {
    for code in ["use clap::Args;", "x(::clap::y)", "use clap as c;", "extern crate clap;"] {
        assert!(heads(code).any(|head| head == "clap"), "{code}");
    }
    for code in ["use crate::clap::x;", "value.clap::<u8>()", "Self::clap::<u8>()"] {
        assert!(!heads(code).any(|head| head == "clap"), "{code}");
    }
}

#[test]
fn no_two_files_need_each_other() {
    let sources = sources();
    let modules: BTreeMap<&[String], usize> =
        (0..).zip(&sources).map(|(at, source)| (source.module.as_slice(), at)).collect();
    let house = House { sources: &sources, modules: &modules };
    let needs: Vec<BTreeSet<usize>> = (0..sources.len()).map(|file| house.needs(file)).collect();
    assert!(needs.iter().map(BTreeSet::len).sum::<usize>() > 500, "arrows are found");
    let mut circles = Vec::new();
    for (start, source) in sources.iter().enumerate() {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(file) = next.pop() {
            next.extend(needs[file].iter().filter(|needed| reached.insert(**needed)));
        }
        if reached.contains(&start) {
            circles.push(source.module.join("::"));
        }
    }
    assert!(circles.is_empty(), "these are part of a circle: {circles:#?}");
}

/// The files and how names lead from one to another.
struct House<'a> {
    sources: &'a [Source],
    modules: &'a BTreeMap<&'a [String], usize>,
}

impl House<'_> {
    /// The files that a file takes names from. What a module only passes on counts as taken from where it is.
    fn needs(&self, file: usize) -> BTreeSet<usize> {
        let Source { module, code, .. } = &self.sources[file];
        let mut needs = BTreeSet::new();
        // Modules by the names that they have in this file.
        let mut known: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for (line, path) in imports(code) {
            let Some(path) = absolute(module, &path) else { continue };
            if self.modules.contains_key(path.as_slice()) {
                known.insert(path.last().expect("a name").clone(), path);
            } else if !line.starts_with("pub") {
                needs.extend(self.home(&path));
            }
        }
        let children = self
            .modules
            .keys()
            .filter(|path| path.split_last().is_some_and(|(_, up)| up == module));
        known.extend(children.map(|path| (path.last().expect("a name").clone(), path.to_vec())));
        for (at, _) in code.match_indices("::") {
            let begin =
                code[..at].rfind(|c: char| !is_of_name(c) && c != ':').map_or(0, |at| at + 1);
            let (head, rest) = (&code[begin..at], code[at + 2..].split(|c: char| !is_of_name(c)));
            let item = rest.take(1).map(str::to_owned);
            let head: Vec<_> = head.split("::").map(str::to_owned).collect();
            let path = match known.get(&head[0]) {
                Some(path) if head.len() == 1 => path.iter().cloned().chain(item).collect(),
                _ => {
                    let path: Vec<_> = head.into_iter().chain(item).collect();
                    let Some(path) = absolute(module, &path) else { continue };
                    path
                }
            };
            if !self.modules.contains_key(path.as_slice()) {
                needs.extend(self.home(&path));
            }
        }
        // A module may use what the one around it has.
        needs.retain(|needed| !module.starts_with(&self.sources[*needed].module));
        needs
    }

    /// The file that an item is in.
    fn home(&self, path: &[String]) -> Option<usize> {
        let within =
            (0..path.len()).rev().find(|length| self.modules.contains_key(&path[..*length]))?;
        let file = self.modules[&path[..within]];
        let Source { module, code, .. } = &self.sources[file];
        let passed_on = imports(code).filter(|(line, _)| line.starts_with("pub"));
        for (_, there) in passed_on {
            if there.last() == path.get(within)
                && let Some(there) = absolute(module, &there)
                && there != path
            {
                return self.home(&there);
            }
        }
        Some(file)
    }
}

/// Each `use` of a file with the path of each name in it.
fn imports(code: &str) -> impl Iterator<Item = (&str, Vec<String>)> {
    let statements = code.split(';').filter_map(|part| {
        let line = part.rsplit('\n').find(|line| {
            line.starts_with("use ") || (line.starts_with("pub") && line.contains(" use "))
        })?;
        let at = part.rfind(line)?;
        let tree = part[at..].split_once("use ")?.1;
        Some((line, tree.split_whitespace().collect::<String>()))
    });
    statements.flat_map(|(line, tree)| {
        let mut paths = Vec::new();
        expand(&mut Vec::new(), &tree, &mut paths);
        paths.into_iter().map(move |path| (line, path))
    })
}

/// The paths of a tree such as `a::{self,b::C}`.
fn expand(before: &mut Vec<String>, tree: &str, paths: &mut Vec<Vec<String>>) {
    let (mut depth, mut start) = (0_i32, 0);
    let mut parts = Vec::new();
    for (at, c) in tree.char_indices() {
        match c {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                parts.push(&tree[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.push(&tree[start..]);
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let length = before.len();
        if let Some((head, group)) = part.split_once('{') {
            before.extend(head.split("::").filter(|word| !word.is_empty()).map(str::to_owned));
            expand(before, group.strip_suffix('}').unwrap_or(group), paths);
        } else {
            before.extend(part.split("::").filter(|word| *word != "self").map(str::to_owned));
            paths.push(before.clone());
        }
        before.truncate(length);
    }
}

/// A path that begins with `crate`, `super`, or the name of a child, from the root; `None` for other crates'.
fn absolute(module: &[String], path: &[String]) -> Option<Vec<String>> {
    let ups = path.iter().take_while(|word| *word == "super").count();
    match path.first()?.as_str() {
        "crate" => Some(path[1..].to_vec()),
        "super" => {
            let base = &module[..module.len().checked_sub(ups)?];
            Some(base.iter().chain(&path[ups..]).cloned().collect())
        }
        child => {
            let file = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("src")
                .join(module.join("/"))
                .join(child);
            let is_child = file.is_dir() || file.with_extension("rs").is_file();
            is_child.then(|| module.iter().chain(path).cloned().collect())
        }
    }
}

#[test]
fn only_the_terminal_prints() {
    for Source { path, code, .. } in
        sources().iter().filter(|source| source.module[0] != "terminal")
    {
        for word in ["println!", "print!(", "dbg!", "stdout()", "stderr()", ".print()"] {
            // A longer name that ends with the word is another one.
            let is_there =
                code.match_indices(word).any(|(at, _)| !code[..at].ends_with(is_of_name));
            assert!(!is_there, "{} has {word}", path.display());
        }
    }
}

#[test]
fn only_the_command_line_reads_the_environment() {
    for Source { path, code, .. } in sources().iter().filter(|source| source.module[0] != "cli") {
        let reads = code.contains("env::var") || code.contains("env::args");
        assert!(!reads, "{} reads the environment", path.display());
    }
}

/// Cargo.toml keeps `cargo test` from looking for them.
#[test]
fn there_are_no_examples_to_run_and_no_tests_of_main() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let crate_files = ["lib.rs", "main.rs"].map(|name| root.join(name));
    for path in sources().into_iter().map(|source| source.path).chain(crate_files.clone()) {
        let text = fs::read_to_string(&path).expect("it can be read");
        let examples = examples(&text);
        assert!(examples.is_empty(), "{}: {examples:?}", path.display());
    }
    let main = fs::read_to_string(&crate_files[1]).expect("it can be read");
    assert!(!main.contains("#[test]"), "main.rs has tests");
}

/// The lines of documentation that begin an example: a fence that does not say `text`, or an indented line.
fn examples(text: &str) -> Vec<&str> {
    let mut is_inside = false;
    let lines = text.lines().map(str::trim_start);
    let documentation =
        lines.filter_map(|line| ["///", "//!"].iter().find_map(|mark| line.strip_prefix(mark)));
    let begins_example = |line: &&str| {
        let is_fence = line.contains("```") || line.contains("~~~");
        let was_inside = is_inside;
        is_inside ^= is_fence;
        let is_text = line.trim() == "```text";
        !was_inside && (is_fence && !is_text || line.starts_with("     "))
    };
    documentation.filter(begins_example).collect()
}

#[test]
fn examples_are_found_in_each_of_these_forms() {
    for text in
        ["/// ```\n/// a();\n/// ```", "//! ```rust", "    /// ~~~", "/// - ```", "///     a();"]
    {
        assert_eq!(examples(text).len(), 1, "{text}");
    }
    assert_eq!(
        examples("/// a\n/// ```text\n///     b\n/// ```\n/// - c\n///   d\n// ```"),
        [""; 0]
    );
}
