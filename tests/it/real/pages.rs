//! The examples of docs/providers.md, each as it stands there.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::TempDir;

use super::write;
use crate::support::stack::Stack;
use crate::support::{PATIENCE, eventually, free_port};

/// The example that goes into this file.
fn example(file: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/providers.md");
    let page = fs::read_to_string(path).expect("the page is there");
    let (_, after) = page.split_once(&format!(" {file}\n")).unwrap_or_else(|| panic!("{file}"));
    let (example, _) = after.split_once("```\n").expect("it ends");
    let lines = example.lines().filter(|line| !line.trim().is_empty()).count();
    assert!(lines <= 12 || !file.contains('q'), "{file}: {lines} lines");
    example.to_owned()
}

fn executable(folder: &Path, name: &str) {
    write(folder, name, &example(name));
    let mode = fs::Permissions::from_mode(0o755);
    fs::set_permissions(folder.join(name), mode).expect("it can be made executable");
}

#[test]
fn programs_of_twelve_lines_quote_and_decline() {
    let folder = TempDir::new().expect("a temporary folder");
    let (python, bash) = ("quote.py", "quote.sh");
    for name in [python, bash] {
        executable(folder.path(), name);
    }
    let stack = Stack::with_real(0, &["acme", "globex"]);
    let path = |name: &str| folder.path().join(name).display().to_string();
    let run = |name: &str, program: &str, more: &str| {
        let run =
            format!("providers run {name} -o jsonl --poll-wait 2s {more} -- {}", path(program));
        stack.background(&run)
    };
    let workers = [run("acme", python, ""), run("globex", bash, "--no-consumer")];
    for workers in &workers {
        workers.says(" on LocalStack ");
    }
    let id = stack.submit("--deadline 30s");
    stack.row_when(&id, "acme", |row| row["quote"] == 33);
    stack.row_when(&id, "globex", |row| row["quote"].as_u64() > Some(20));
    let submit = "submit --from A --to Atlantis --deadline 30s";
    let id = stack.rydes(submit).run().exits(0).stdout.trim().to_owned();
    for name in ["acme", "globex"] {
        stack.row_when(&id, name, |row| row["declined"] == "no road goes there");
    }
    for workers in workers {
        workers.stop();
    }
}

#[test]
fn a_service_of_twelve_lines_quotes_and_a_file_serves_both() {
    let folder = TempDir::new().expect("a temporary folder");
    let port = free_port().to_string();
    write(folder.path(), "service.py", &example("service.py").replace("8000", &port));
    executable(folder.path(), "quote.py");
    let mut service = Command::new("python3")
        .arg(folder.path().join("service.py"))
        .stderr(Stdio::null())
        .spawn()
        .expect("Python is there");
    let stack = Stack::with_real(1, &["acme", "globex"]);
    let file = example("providers.toml").replace("8000", &port);
    let file = file.replace("wild-rydes", &stack.name).replace("health = \"/healthz\"", "");
    write(folder.path(), "providers.toml", &file);
    write(folder.path(), "globex.headers", "X-Token: 7\n");
    let listens = || std::net::TcpStream::connect(format!("127.0.0.1:{port}")).is_ok();
    assert!(eventually(PATIENCE, listens), "the service listens");
    let workers = super::run(&stack, &folder, "--behavior steady");
    workers.says(" on LocalStack ");
    let id = stack.submit("--deadline 30s");
    for name in ["acme", "globex"] {
        stack.row_when(&id, name, |row| row["quote"] == 33);
    }
    let watched = stack.rydes("quotes --watch -o json").run().exits(0);
    assert!(
        watched.stdout.contains("\"completed-by\": \"all\"")
            || watched.stdout.contains("\"completed-by\":\"all\"")
    );
    workers.stop();
    service.kill().and_then(|()| service.wait()).expect("it runs");
}
