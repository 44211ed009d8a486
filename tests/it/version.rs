//! `help`, `version`, and what the build script finds out about the commit.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use crate::schemas::conforms;
use crate::support::{json, rydes};

#[path = "../../build.rs"]
#[expect(dead_code, clippy::print_stdout, reason = "cargo alone runs it as a program")]
mod build;

use build::Origin;

#[test]
fn help_of_a_command_is_what_the_command_says_of_itself() {
    for command in ["", "submit", "localstack", "localstack up", "help", "completions"] {
        let help = rydes(&format!("help {command}")).run().exits(0);
        let own = rydes(&format!("{command} --help")).run().exits(0);
        assert_eq!((&help.stdout, help.stderr.as_str()), (&own.stdout, ""), "{command}");
        assert!(help.stdout.contains("Usage: rydes"), "{}", help.stdout);
    }
    assert!(rydes("--help").run().exits(0).stdout.contains("\n  completions "));
}

#[test]
fn help_of_what_does_not_exist_is_wrong_usage() {
    for (line, problem) in [
        ("help nonsense", "`rydes` has no command `nonsense`"),
        ("help localstack nonsense", "`rydes localstack` has no command `nonsense`"),
        ("help quotes a nonsense", "unexpected argument `nonsense`"),
        ("help -- --stack", "no command begins with `-`"),
        ("help -- help -- --", "no command begins with `-`"),
    ] {
        let refused = rydes(line).run().exits(2);
        assert_eq!(refused.stdout, "", "{line}");
        assert!(refused.stderr.contains(problem), "{line}: {}", refused.stderr);
    }
}

#[test]
fn the_version_is_the_same_however_one_asks() {
    let told = rydes("version").run().exits(0);
    for line in ["--version", "-V"] {
        let same = rydes(line).run().exits(0);
        assert_eq!((&same.stdout, same.stderr.as_str()), (&told.stdout, ""), "{line}");
    }
    let document = json(&rydes("version -o json").run().exits(0).stdout);
    conforms("version", &document);
    let text = |name: &str| document[name].as_str();
    let commit = match (text("commit"), text("commit-date")) {
        (Some(commit), Some(date)) => format!(" ({commit} {date})"),
        _ => String::new(),
    };
    assert_eq!(told.stdout, format!("rydes {}{commit}\n", env!("CARGO_PKG_VERSION")));
}

/// Runs git in a folder as if no one had configured it.
fn git(folder: &Path, arguments: &str) -> String {
    let mut git = Command::new("git");
    for variable in ["GIT_DIR", "GIT_INDEX_FILE", "GIT_WORK_TREE"] {
        git.env_remove(variable);
    }
    git.env("GIT_CONFIG_GLOBAL", "/dev/null").env("GIT_COMMITTER_DATE", "2024-02-29T23:30:00-1200");
    git.args(["-c", "user.name=a", "-c", "user.email=a@example.org"]).current_dir(folder);
    let told = git.args(arguments.split(' ')).output().expect("git runs");
    let (out, problem) = (told.stdout, String::from_utf8_lossy(&told.stderr));
    assert!(told.status.success(), "git {arguments}: {problem}");
    String::from_utf8(out).expect("it is text").trim().to_owned()
}

/// A checkout with one commit.
fn checkout() -> TempDir {
    let folder = TempDir::new().expect("a folder");
    fs::create_dir(folder.path().join("src")).expect("a folder");
    fs::write(folder.path().join("src/main.rs"), "fn main() {}").expect("writes");
    git(folder.path(), "init --quiet --initial-branch=main");
    commit(folder.path());
    folder
}

fn commit(folder: &Path) {
    git(folder, "add --all");
    git(folder, "commit --quiet --allow-empty --message=x");
}

/// What is said of a folder; what cargo would watch has to be there.
#[track_caller]
fn name(folder: &Path) -> Option<String> {
    let origin = Origin::of(folder);
    assert!(origin.watched.iter().all(|path| path.exists()), "{origin:?}");
    origin.commit.map(|(name, _)| name)
}

fn head(folder: &Path) -> String {
    git(folder, "rev-parse HEAD")[..7].to_owned()
}

#[test]
fn a_checkout_has_the_name_and_the_day_of_its_commit() {
    let folder = checkout();
    let path = folder.path();
    let commit = Some((head(path), "2024-02-29".to_owned()));
    assert_eq!(Origin::of(path).commit, commit);
    // What goes into no build is no change.
    fs::write(path.join("README.md"), "x").expect("writes");
    assert_eq!(name(path), Some(head(path)));
    let changed = Some(format!("{}+changes", head(path)));
    fs::write(path.join("src/lib.rs"), "").expect("writes");
    assert_eq!(name(path), changed);
    fs::remove_file(path.join("src/lib.rs")).expect("removes");
    fs::write(path.join("src/main.rs"), "fn main() { }").expect("writes");
    assert_eq!(name(path), changed);
    git(path, "checkout src");
    assert_eq!(name(path), Some(head(path)));
}

#[test]
fn sources_without_a_checkout_of_their_own_have_no_commit() {
    let plain = TempDir::new().expect("a folder");
    fs::create_dir(plain.path().join("src")).expect("a folder");
    assert_eq!(name(plain.path()), None);
    let around = checkout();
    let inside = around.path().join("target/package/rydes");
    fs::create_dir_all(inside.join("src")).expect("a folder");
    assert_eq!(name(&inside), None);
    let empty = TempDir::new().expect("a folder");
    git(empty.path(), "init --quiet");
    assert_eq!(name(empty.path()), None);
}

/// The time at which each watched path changed last.
fn times(folder: &Path) -> Vec<std::time::SystemTime> {
    let changed = |path: &std::path::PathBuf| fs::metadata(path).and_then(|path| path.modified());
    Origin::of(folder).watched.iter().map(|path| changed(path).expect("it is there")).collect()
}

#[test]
fn another_commit_changes_what_is_watched() {
    let folder = checkout();
    let other = TempDir::new().expect("a folder");
    let tree = other.path().join("tree");
    git(folder.path(), &format!("worktree add --quiet -b side {}", tree.display()));
    for path in [folder.path(), &tree] {
        for pack in [false, true] {
            if pack {
                git(path, "pack-refs --all");
            }
            let (watched, before) = (Origin::of(path).watched, times(path));
            // File systems tell times apart that are some milliseconds away.
            std::thread::sleep(std::time::Duration::from_millis(20));
            commit(path);
            assert_eq!(name(path), Some(head(path)));
            let changed = |path: &std::path::PathBuf| {
                fs::metadata(path).and_then(|path| path.modified()).expect("it is there")
            };
            let after: Vec<_> = watched.iter().map(changed).collect();
            assert_ne!(before, after, "{watched:?}");
        }
    }
    git(&tree, "checkout --quiet --detach");
    assert_eq!(name(&tree), Some(head(&tree)));
}
