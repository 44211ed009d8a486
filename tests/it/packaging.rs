//! Keeps true what is shipped: the files that packages are made from agree with each other, and the scripts of
//! `packaging` do what the release workflow needs of them. The workflow itself cannot run here.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

const CARGO: &str = include_str!("../../Cargo.toml");
const PYPROJECT: &str = include_str!("../../pyproject.toml");
const DOCKERFILE: &str = include_str!("../../Dockerfile");
const DOCKERIGNORE: &str = include_str!("../../.dockerignore");
const WHEEL: &str = include_str!("../../packaging/wheel");
const WORKFLOW: &str = include_str!("../../.github/workflows/release.yml");
const RELEASE: &str = include_str!("../../docs/release.md");
const CI: &str = include_str!("../../.ci/run");

const PROGRAM: &str = env!("CARGO_BIN_EXE_rydes");

fn checkout() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs a script of `packaging`.
fn packaging(script: &str, arguments: &[&str]) -> Output {
    let script = checkout().join("packaging").join(script);
    Command::new(script).args(arguments).output().expect("it starts")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A path as an argument.
fn argument(path: &Path) -> &str {
    path.to_str().expect("a temporary path is text")
}

/// The value of the first line `KEY = "VALUE"`.
fn value<'a>(toml: &'a str, key: &str) -> &'a str {
    let line = toml.lines().find_map(|line| line.strip_prefix(&format!("{key} = \"")));
    line.and_then(|rest| rest.split('"').next()).unwrap_or_else(|| panic!("no {key}"))
}

/// The files below a folder, by their paths from there.
fn files(folder: &Path) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let path = path.strip_prefix(folder).expect("it is below");
                found.insert(argument(path).to_owned());
            }
        }
    }
    found
}

#[test]
fn what_is_said_twice_is_the_same() {
    assert_eq!(value(PYPROJECT, "name"), value(CARGO, "name"));
    assert_eq!(value(PYPROJECT, "license"), value(CARGO, "license"));
    assert!(PYPROJECT.contains(r#"dynamic = ["version", "#), "the version is that of Cargo.toml");
    assert!(!PYPROJECT.contains("\nversion ="), "the version is that of Cargo.toml");
    let rust = format!("FROM rust:{}-", value(CARGO, "rust-version"));
    assert!(DOCKERFILE.contains(&rust), "the image is built with {rust}");
}

#[test]
fn all_that_is_shipped_is_built_with_one_profile_and_the_same_features() {
    let options = "--profile dist --features jemalloc";
    assert!(CARGO.contains("\n[profile.dist]\n") && CARGO.contains("\njemalloc = ["));
    for (name, file) in [("packaging/wheel", WHEEL), ("Dockerfile", DOCKERFILE)] {
        assert!(file.contains(options), "{name} builds with {options}");
    }
    // Everything else is made from the wheels.
    assert_eq!(WORKFLOW.matches("packaging/wheel \"$TARGET\" wheel").count(), 1);
    assert_eq!(WORKFLOW.matches("--build-context program=programs").count(), 2);
    assert!(
        DOCKERFILE.contains(" AS program\n") && DOCKERFILE.contains("COPY --from=program /rydes-")
    );
}

#[test]
fn the_document_names_what_the_workflow_builds() {
    let targets: Vec<_> =
        WORKFLOW.lines().filter_map(|line| line.trim().strip_prefix("- target: ")).collect();
    assert_eq!(targets.len(), 4, "{targets:?}");
    for target in targets {
        assert!(RELEASE.contains(&format!("rydes-VERSION-{target}.tar.gz")), "no word of {target}");
    }
    for environment in ["pypi", "crates-io"] {
        assert!(WORKFLOW.contains(&format!("environment: {environment}\n")), "{environment}");
        assert!(RELEASE.contains(&format!("`{environment}`")), "{environment}");
    }
}

#[test]
fn every_line_that_users_will_type_parses() {
    let joined = RELEASE.replace("\\\n", "");
    let blocks = joined.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    // What follows the program's name, as its package, its wheel or its image.
    let typed = |line: &str| {
        let line = line.split(" #").next().unwrap_or_default().trim_end();
        let named = ["uvx rydes ", ".whl rydes ", "/rydes:VERSION "];
        let arguments = named.iter().find_map(|name| line.split_once(name));
        arguments.map(|(_, arguments)| arguments.to_owned())
    };
    let lines: Vec<_> = blocks.flat_map(str::lines).filter_map(typed).collect();
    assert_eq!(lines.len(), 6, "{lines:?}");
    for line in lines {
        // `--help` ends the parsing before anything runs.
        let ran = Command::new(PROGRAM).args(line.split_whitespace()).arg("--help").output();
        let ran = ran.expect("it starts");
        assert!(ran.status.success(), "rydes {line}\n{}", text(&ran.stderr));
    }
}

/// A path without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path {
        if part == ".." {
            plain.pop();
        } else {
            plain.push(part);
        }
    }
    plain
}

#[test]
fn the_image_and_the_crate_hold_what_the_program_is_built_from() {
    let allowed: Vec<_> = DOCKERIGNORE.lines().filter_map(|line| line.strip_prefix('!')).collect();
    let is_allowed = |path: &Path| {
        let name = path.to_string_lossy();
        allowed.iter().any(|it| {
            it.strip_suffix('*')
                .map_or_else(|| path.starts_with(it), |start| name.starts_with(start))
        })
    };
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(checkout()).args(["package", "--list", "--allow-dirty", "--offline"]);
    let listed = cargo.output().expect("cargo starts");
    assert!(listed.status.success(), "{}", text(&listed.stderr));
    let listed = text(&listed.stdout);
    let packed: BTreeSet<_> = listed.lines().map(Path::new).collect();

    let sources = files(&checkout().join("src"));
    let sources: Vec<_> = sources.iter().map(|file| Path::new("src").join(file)).collect();
    let mut needed: BTreeSet<_> =
        ["Cargo.toml", "Cargo.lock", "LICENSE", "LICENSE-APACHE", "LICENSE-MIT"]
            .map(PathBuf::from)
            .into_iter()
            .chain(sources.iter().cloned())
            .collect();
    let own = needed.len();
    for source in &sources {
        let code = fs::read_to_string(checkout().join(source)).unwrap_or_default();
        for (at, _) in code.match_indices("include_") {
            let included = code[at..].split_once("!(\"").filter(|(name, _)| !name.contains(' '));
            let Some((path, _)) = included.and_then(|(_, rest)| rest.split_once('"')) else {
                continue;
            };
            needed.insert(plain(&source.parent().expect("a folder").join(path)));
        }
    }
    assert!(needed.len() > own, "no file of another folder is included");
    for path in &needed {
        assert!(is_allowed(path), ".dockerignore keeps {} out", path.display());
        assert!(
            packed.contains(path.as_path()),
            "`include` in Cargo.toml keeps {} out",
            path.display()
        );
    }
    // Cargo looks for each target that Cargo.toml names.
    assert!(is_allowed(Path::new("benches/pure.rs")));
}

#[test]
fn a_release_has_the_tag_of_its_version_and_notes() {
    let folder = TempDir::new().expect("a folder");
    let at = argument(folder.path());
    let write =
        |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("written");
    write("Cargo.toml", "[package]\nname = \"rydes\"\nversion = \"1.2.0\"\n[x]\nversion = \"9\"\n");
    let changes = "# Changelog\n\n## [Unreleased]\n\n- Later.\n\n## [1.2.0] - 2030-01-02\n\n### Added\n\n- This.\n\n\
                   ## [1.1.0] - 2029-01-02\n\n- Before.\n";
    write("CHANGELOG.md", changes);
    let notes = packaging("notes", &["v1.2.0", at]);
    assert!(notes.status.success(), "{}", text(&notes.stderr));
    assert_eq!(text(&notes.stdout), "### Added\n\n- This.\n");

    let refused = |tag: &str, why: &str| {
        let notes = packaging("notes", &[tag, at]);
        assert_eq!((notes.status.code(), text(&notes.stderr)), (Some(1), format!("{why}\n")));
        assert_eq!(text(&notes.stdout), "");
    };
    refused("v1.1.0", "the tag is v1.1.0, but Cargo.toml says 1.2.0");
    refused("1.2.0", "the tag is 1.2.0, but Cargo.toml says 1.2.0");
    write("CHANGELOG.md", &changes.replace("## [1.2.0]", "## [1.2.0-rc.1]"));
    refused("v1.2.0", "CHANGELOG.md has no section \"## [1.2.0]\"");
}

#[test]
fn completions_and_man_pages_are_where_shells_and_man_look() {
    let folder = TempDir::new().expect("a folder");
    let share = folder.path().join("share");
    let made = packaging("share", &[PROGRAM, argument(&share)]);
    assert!(made.status.success(), "{}", text(&made.stderr));
    let found = files(&share);
    let completions = [
        "bash-completion/completions/rydes",
        "fish/vendor_completions.d/rydes.fish",
        "zsh/site-functions/_rydes",
    ];
    for file in completions {
        assert!(found.contains(file), "no {file}: {found:?}");
        let script = fs::read_to_string(share.join(file)).expect("it can be read");
        assert!(script.contains("rydes"), "{file}");
    }
    assert!(found.contains("man/man1/rydes.1"), "{found:?}");
    let others: Vec<_> =
        found.iter().filter(|file| !completions.contains(&file.as_str())).collect();
    let is_page = |file: &&String| file.starts_with("man/man1/rydes") && file.ends_with(".1");
    assert!(others.len() > 10 && others.iter().all(is_page), "{others:?}");
}

#[test]
fn an_archive_holds_what_its_wheel_holds_and_is_the_same_each_time() {
    let folder = TempDir::new().expect("a folder");
    let wheel = folder.path().join("rydes-1.2.0-py3-none-any.whl");
    // A wheel is a zip file, and Python is what writes the real ones too.
    let write = r#"
import sys, zipfile
with zipfile.ZipFile(sys.argv[1], "w") as wheel:
    for name in sys.argv[2:]:
        wheel.writestr(name, name)
"#;
    let held = [
        "rydes-1.2.0.data/scripts/rydes",
        "rydes-1.2.0.data/data/share/man/man1/rydes.1",
        "rydes-1.2.0.dist-info/licenses/LICENSE",
        "rydes-1.2.0.dist-info/licenses/LICENSE-MIT",
        "rydes-1.2.0.dist-info/METADATA",
    ];
    let written = Command::new("python3").args(["-c", write]).arg(&wheel).args(held).status();
    assert!(written.expect("Python starts").success());

    let archive = |into: &str| {
        let into = folder.path().join(into);
        let made = packaging("archive", &[argument(&wheel), "some-target", argument(&into)]);
        assert!(made.status.success(), "{}", text(&made.stderr));
        into.join("rydes-1.2.0-some-target.tar.gz")
    };
    let (first, second) = (archive("first"), archive("second"));
    let same = fs::read(&first).expect("it is there") == fs::read(&second).expect("it is there");
    assert!(same, "two archives of one wheel differ");

    let unpack = Command::new("tar").arg("-xzf").arg(&first).arg("-C").arg(folder.path()).status();
    assert!(unpack.expect("tar starts").success());
    let unpacked = folder.path().join("rydes-1.2.0-some-target");
    let expected =
        ["CHANGELOG.md", "LICENSE", "LICENSE-MIT", "README.md", "rydes", "share/man/man1/rydes.1"];
    let docs = files(&checkout().join("docs"));
    let is_page = |file: &&String| {
        Path::new(file).extension().is_some_and(|extension| extension == "md" || extension == "svg")
    };
    let pages = docs.iter().filter(is_page);
    let pages: BTreeSet<_> = pages.map(|file| format!("docs/{file}")).collect();
    assert!(pages.len() > 10, "{pages:?}");
    let expected: BTreeSet<_> = expected.map(str::to_owned).into_iter().chain(pages).collect();
    assert_eq!(files(&unpacked), expected);
    assert_eq!(fs::read_to_string(unpacked.join("rydes")).expect("text"), held[0]);
    let mode = fs::metadata(unpacked.join("rydes")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o755);
}

#[test]
fn ci_checks_workflows_dockerfile_and_scripts() {
    for line in
        ["jactionlint\n", "hadolint Dockerfile\n", "packaging/{archive,notes,share,wheel}\n"]
    {
        assert!(CI.contains(line), "{line:?}");
    }
    let scripts = files(&checkout().join("packaging"));
    let scripts: Vec<_> = scripts.iter().filter(|name| !name.contains('.')).collect();
    assert_eq!(scripts, ["archive", "notes", "share", "wheel"], ".ci/run names them");
}
