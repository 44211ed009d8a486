//! Keeps the rule of the house: each room names only the rooms that are listed for it, only `output`
//! prints, and only `cli` reads the environment.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Each room with the rooms that it may name. A room that is missing here fails.
const ROOMS: [(&str, &[&str]); 25] = [
    ("model", &[]),
    ("error", &[]),
    ("file", &[]),
    ("limits", &[]),
    ("aggregate", &["model"]),
    ("queue", &["error", "model"]),
    ("event", &["model", "queue"]),
    ("settings", &["error", "model"]),
    ("shutdown", &["error"]),
    ("timeline", &["aggregate", "model"]),
    ("aws", &["error", "limits", "model", "queue", "settings"]),
    ("usage", &[]),
    ("proxy", &[]),
    ("scatter", &["aws", "error", "model", "queue"]),
    ("submission", &["error", "model", "scatter"]),
    ("provider", &["aws", "error", "event", "model", "queue"]),
    ("gather", &["aws", "error", "event", "model", "queue"]),
    ("quotes", &["aggregate", "aws", "error", "model"]),
    ("replay", &["aws", "error", "model", "queue"]),
    ("verify", &["aggregate", "aws", "error", "model"]),
    (
        "bench",
        &["aws", "error", "event", "gather", "model", "provider", "queue", "scatter", "usage"],
    ),
    ("localstack", &["error", "event", "file", "model"]),
    (
        "output",
        &[
            "aggregate",
            "aws",
            "bench",
            "error",
            "event",
            "model",
            "proxy",
            "queue",
            "replay",
            "timeline",
            "verify",
        ],
    ),
    (
        "serve",
        &[
            "aggregate",
            "aws",
            "error",
            "limits",
            "model",
            "output",
            "queue",
            "quotes",
            "scatter",
            "submission",
        ],
    ),
    (
        "cli",
        &[
            "aggregate",
            "aws",
            "bench",
            "error",
            "event",
            "file",
            "gather",
            "limits",
            "localstack",
            "model",
            "output",
            "provider",
            "proxy",
            "queue",
            "quotes",
            "replay",
            "scatter",
            "serve",
            "settings",
            "shutdown",
            "submission",
            "timeline",
            "verify",
        ],
    ),
];

/// The sources of each room.
fn rooms() -> BTreeMap<String, Vec<(PathBuf, String)>> {
    let mut rooms: BTreeMap<String, Vec<_>> = BTreeMap::new();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut folders = vec![source.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let inside = path.strip_prefix(&source).expect("it is inside");
            let room = inside.iter().next().expect("it has a name").to_string_lossy();
            let room = room.trim_end_matches(".rs").to_owned();
            let text = fs::read_to_string(&path).expect("it can be read");
            let code: Vec<_> =
                text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
            rooms.entry(room).or_default().push((path.clone(), code.join("\n")));
        }
    }
    rooms.retain(|room, _| room != "main" && room != "lib");
    rooms
}

#[test]
fn arrows_point_down() {
    let allowed: BTreeMap<_, _> = ROOMS.into_iter().collect();
    for (room, files) in rooms() {
        let allowed = allowed.get(room.as_str()).unwrap_or_else(|| panic!("{room} is not listed"));
        for (path, code) in files {
            // A group would hide the rooms that it names.
            assert!(!code.contains("crate::{"), "{} groups rooms", path.display());
            let named: BTreeSet<&str> = code
                .split("crate::")
                .skip(1)
                .map(|rest| rest.split(|c: char| !c.is_ascii_lowercase()).next().unwrap_or(""))
                .filter(|named| !named.is_empty() && *named != room)
                .collect();
            for named in named {
                assert!(allowed.contains(&named), "{} names {named}", path.display());
            }
        }
    }
}

#[test]
fn only_output_prints() {
    for (room, files) in rooms().into_iter().filter(|(room, _)| room != "output") {
        for (path, code) in files {
            for word in ["println!", "print!(", "io::stdout()", "io::stderr()"] {
                assert!(!code.contains(word), "{room}: {} has {word}", path.display());
            }
        }
    }
}

#[test]
fn only_the_command_line_reads_the_environment() {
    for (_, files) in rooms().into_iter().filter(|(room, _)| room != "cli") {
        for (path, code) in files {
            let reads = code.contains("env::var") || code.contains("env::args");
            assert!(!reads, "{} reads the environment", path.display());
        }
    }
}
