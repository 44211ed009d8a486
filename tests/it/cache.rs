//! A damaged cache, and a LocalStack that cannot start.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Once;
use std::thread;

use rustix::process::{Signal, kill_process};
use tempfile::TempDir;

use crate::support::localstack::{
    Down, FIRST, assert_ended, endpoint, folder, is_listening, up, written_down,
};
use crate::support::{Rydes, document, free_port, rydes, script, wait_for};

/// The folder of LocalStack's files, after everything was installed.
fn installed() -> PathBuf {
    static INSTALLED: Once = Once::new();
    INSTALLED.call_once(|| {
        endpoint();
        let told = document(&rydes("localstack up --check -ojson").run());
        let parts = told["installed"].as_array().expect("a list");
        let is_whole = parts.len() == 2 && parts.iter().all(|part| part["state"] == "ok");
        if !is_whole || !compiled_of(&newest(&folder(), "python-")).exists() {
            let port = free_port();
            let _guard = Down::at(port);
            up(port).arg("--runtime=packages").run().exits(0);
        }
    });
    folder()
}

/// A cache that holds what is installed. Its files are the very same: they are replaced, never written
/// to.
struct Cache {
    /// Before the folder, which holds what it takes down.
    _down: Down,
    folder: TempDir,
    port: u16,
}

/// What becomes of Python's 25,000 files in a `Cache`, and of the 2,000 that were compiled of them.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Python {
    /// They may be replaced; none is compiled.
    Copied,
    /// One link leads to them; those that were compiled may be replaced.
    Compiled,
    /// One link leads to them, and one to those that were compiled.
    Linked,
}

impl Cache {
    fn with(python: Python) -> Self {
        let from = installed();
        // Links to the same file lie on the same disk.
        let folder = TempDir::new_in(from.parent().expect("it is in a folder")).expect("a folder");
        let port = free_port();
        let down = Down::with_cache(port, folder.path());
        let to = folder.path().join("localstack");
        let place = |part: &Path| to.join(part.file_name().expect("it has a name"));
        let dynamodb_local = newest(&from, "amplify-");
        copy(&dynamodb_local, &place(&dynamodb_local)).expect("it can be copied");
        let packages = newest(&from, "python-");
        match python {
            Python::Copied => copy(&packages, &place(&packages)),
            Python::Compiled => link(&packages, &place(&packages), copy),
            Python::Linked => link(&packages, &place(&packages), |from, to| symlink(from, to)),
        }
        .expect("it can be linked");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        Self { _down: down, folder, port }
    }

    fn rydes(&self, action: &str) -> Rydes {
        let line = format!("localstack {action} --port {}", self.port);
        let path = std::env::var("PATH").expect("a path");
        rydes(&line)
            .env("PATH", format!("{}:{path}", self.bin().display()))
            .env("RYDES_CACHE_DIR", self.folder.path())
            .within(FIRST)
    }

    /// The folder of the programs that are found first.
    fn bin(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    /// Lets a program be this script.
    fn program(&self, name: &str, lines: &str) {
        script(&self.bin().join(name), &format!("#!/bin/sh\n{lines}\n"));
    }

    /// Lets npm tell its version, and do nothing else.
    fn npm_fails(&self) {
        self.program(
            "npm",
            "[ \"$1\" != --version ] || { echo 11.0.0; exit; }\necho no way >&2; exit 1",
        );
    }

    fn up(&self) -> Rydes {
        self.rydes("up").arg("--runtime=packages")
    }

    fn run(&self) -> PathBuf {
        self.folder.path().join(format!("localstack/run-{}", self.port))
    }

    /// A file of an installed part.
    fn file(&self, part: &str, name: &str) -> PathBuf {
        newest(&self.folder.path().join("localstack"), part).join(name)
    }

    fn jar(&self) -> PathBuf {
        self.file("amplify-", "DynamoDBLocal.jar")
    }
}

/// The folder that an installed part has now; those of older versions stay beside it.
fn newest(folder: &Path, part: &str) -> PathBuf {
    let entries = folder.read_dir().expect("it can be listed");
    let mut found: Vec<_> = entries
        .map(|entry| entry.expect("it can be listed").path())
        .filter(|path| {
            let name = path.file_name().expect("it has a name").to_string_lossy();
            name.starts_with(part) && path.join("rydes-manifest").exists()
        })
        .collect();
    found.sort_by_key(|path| fs::metadata(path).and_then(|there| there.modified()).ok());
    found.pop().unwrap_or_else(|| panic!("there is no {part}"))
}

fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let kind = fs::symlink_metadata(from)?.file_type();
    if kind.is_symlink() {
        return symlink(fs::read_link(from)?, to);
    }
    if kind.is_file() {
        return fs::hard_link(from, to);
    }
    fs::create_dir_all(to)?;
    for entry in from.read_dir()? {
        let name = entry?.file_name();
        copy(&from.join(&name), &to.join(&name))?;
    }
    Ok(())
}

/// The folder of what was compiled of Python's packages.
fn compiled_of(packages: &Path) -> PathBuf {
    PathBuf::from(format!("{}.compiled", packages.display()))
}

/// Makes a link to Python's packages, and takes along what was compiled of them. Python keeps that by
/// the path of its source, below a folder of its own that a failed start may remove without following
/// links.
fn link(
    from: &Path,
    to: &Path,
    take: impl FnOnce(&Path, &Path) -> io::Result<()>,
) -> io::Result<()> {
    let inside = |packages: &Path| {
        let below = packages.strip_prefix("/").expect("the cache has an absolute path");
        compiled_of(packages).join(below)
    };
    symlink(from, to)?;
    if !inside(from).exists() {
        return Ok(());
    }
    fs::create_dir_all(inside(to).parent().expect("it is in a folder"))?;
    take(&inside(from), &inside(to))?;
    for entry in compiled_of(from).read_dir()? {
        let entry = entry?;
        // The index of services.
        if entry.file_type()?.is_file() {
            fs::hard_link(entry.path(), compiled_of(to).join(entry.file_name()))?;
        }
    }
    Ok(())
}

/// Puts other contents at a path.
fn replace(path: &Path, contents: &[u8]) {
    fs::remove_file(path).expect("it is there");
    fs::write(path, contents).expect("writes");
}

#[test]
fn a_damaged_cache_is_named_and_mended() {
    let cache = Cache::with(Python::Copied);
    let module = "lib/python3.13/site-packages/localstack/services/sns/provider.py";
    fs::remove_file(cache.file("python-", module)).expect("it is there");
    let jar = fs::read(cache.jar()).expect("it can be read");
    replace(&cache.jar(), &jar[..jar.len() / 2]);
    let library =
        cache.file("amplify-", "DynamoDBLocal_lib/Apache-HttpComponents-HttpClient-4.5.x.jar");
    let same_size = vec![0; fs::read(&library).expect("it can be read").len()];
    replace(&library, &same_size);

    // As Debian's, it has no pip of its own.
    let python = cache.file("python-", "bin/python").canonicalize().expect("it is there");
    cache.program(
        "python3.13",
        &format!(
            "case \"$*\" in *'import pip'* | *'-m pip'*) exit 1 ;; esac\nexec {} \"$@\"",
            python.display()
        ),
    );

    let check = cache.rydes("up").arg("--check").run();
    for said in [
        format!("  python packages       damaged: {module} is missing; `up` installs it again\n"),
        "  DynamoDB Local        damaged: DynamoDBLocal.jar has another size, and 1 more;"
            .to_owned(),
    ] {
        assert!(check.stdout.contains(&said), "{said}: {}", check.stdout);
    }
    let mended = cache.up().run().exits(0);
    for said in [
        format!("  python packages   damaged: {module} is missing  mended"),
        "  DynamoDB Local    damaged: DynamoDBLocal.jar has another size  mended".to_owned(),
        "LocalStack is up".to_owned(),
    ] {
        assert!(mended.stderr.contains(&said), "{said}: {}", mended.stderr);
    }
    assert_eq!(fs::read(cache.jar()).expect("it can be read"), jar);
    closed_to_the_world(&cache.run());
    cache.rydes("down").run().exits(0);
    let check = document(&cache.rydes("up").arg("--check").arg("-ojson").run());
    for part in check["installed"].as_array().expect("a list") {
        assert_eq!(part["state"], "ok", "{part}: a run changes nothing of what is installed");
    }
}

#[test]
fn what_was_compiled_and_is_damaged_is_compiled_again() {
    let cache = Cache::with(Python::Compiled);
    let compiled = compiled(&cache.folder.path().join("localstack"), "/services/sns/provider.");
    let contents = fs::read(&compiled).expect("it can be read");
    replace(&compiled, &contents[..contents.len() / 2]);
    let again = cache.up().run().exits(0);
    assert_eq!(again.stderr.matches("  started").count(), 2, "{}", again.stderr);
}

#[test]
fn damage_that_sizes_do_not_show_is_named_and_then_mended() {
    let cache = Cache::with(Python::Linked);
    let library =
        cache.file("amplify-", "DynamoDBLocal_lib/Apache-HttpComponents-HttpClient-4.5.x.jar");
    let good = fs::read(&library).expect("it can be read");
    replace(&library, &vec![0; good.len()]);
    cache.program("npm", "exit 1");
    let check = cache.up().arg("--check").run().exits(1);
    let damage =
        "damaged: DynamoDBLocal_lib/Apache-HttpComponents-HttpClient-4.5.x.jar has other contents";
    let said = format!("  DynamoDB Local        {damage}; `up` installs it again\n");
    assert!(check.stdout.contains(&said), "{}", check.stdout);
    assert!(check.stdout.contains("  npm                   missing\n"), "{}", check.stdout);

    cache.npm_fails();
    let tried = cache.up().run().exits(1);
    assert!(tried.stderr.contains("caused by: no way"), "it is fetched again: {}", tried.stderr);

    replace(&library, &good);
    let whole = cache.up().arg("--check").run().exits(0);
    assert!(
        whole.stdout.contains("  DynamoDB Local        ok, contents checked\n"),
        "{}",
        whole.stdout
    );
    let mut files = fs::read_dir(cache.file("amplify-", "")).expect("it can be listed");
    assert!(files.all(|file| file.expect("it can be listed").file_name() != "rydes-damage"));
}

/// The compiled file below `folder` with this in its path.
fn compiled(folder: &Path, part: &str) -> PathBuf {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in folder.read_dir().expect("it can be listed") {
            let path = entry.expect("it can be listed").path();
            let text = path.to_string_lossy();
            if text.contains(".compiled/") && text.contains(part) {
                return path;
            }
            if path.is_dir() && !path.is_symlink() {
                folders.push(path);
            }
        }
    }
    panic!("nothing is compiled of {part}")
}

/// LocalStack and its Java reach nothing outside through a proxy that is closed.
fn closed_to_the_world(run: &Path) {
    if !Path::new("/proc/self/environ").exists() {
        return;
    }
    let pids = written_down(run);
    assert_eq!(pids.len(), 2, "LocalStack and its Java");
    for pid in pids {
        let environment = fs::read(format!("/proc/{pid}/environ")).expect("it runs");
        let environment = String::from_utf8_lossy(&environment).replace('\0', "\n");
        for name in ["HTTP_PROXY", "HTTPS_PROXY", "OUTBOUND_HTTPS_PROXY"] {
            let set = format!("\n{name}=http://127.0.0.1:1\n");
            assert!(environment.contains(&set), "{name}: {environment}");
        }
    }
}

#[test]
fn what_goes_missing_while_it_starts_is_not_fetched_by_localstack() {
    let cache = Cache::with(Python::Linked);
    cache.npm_fails();
    let (jar, start) = (cache.jar(), cache.run().join("start.py"));
    let missing = jar.clone();
    let thief = thread::spawn(move || {
        wait_for("the start", || start.exists().then_some(()));
        fs::remove_file(missing).expect("it was there when it was checked");
    });
    let up = cache.up().run().exits(1);
    thief.join().expect("it was there");
    assert!(up.stderr.contains("caused by: no way"), "npm alone is asked: {}", up.stderr);
    assert!(!jar.exists(), "no other one was fetched");
    let logs = cache.rydes("logs").run().exits(0);
    let told = "dynamodb-local 2 is missing and is not downloaded";
    assert!(logs.stdout.contains(told), "{}", logs.stdout);
    assert!(!is_listening(cache.port));
    assert_ended(&written_down(&cache.run()));
}

#[test]
fn a_java_that_ends_is_told_at_once_and_nothing_goes_on() {
    let cache = Cache::with(Python::Linked);
    cache.npm_fails();
    let version = "[ \"$1\" != -version ] || { echo 'version \"17.0.1\"'; exit; }";
    cache.program("java", &format!("{version}\necho no room for the heap >&2; exit 1"));
    let up = cache.up().run().exits(1);
    for said in ["error: DynamoDB Local ended each time it was started\n", "no room for the heap"] {
        assert!(up.stderr.contains(said), "{said}: {}", up.stderr);
    }
    assert!(!is_listening(cache.port));
    assert_ended(&written_down(&cache.run()));
    assert!(cache.rydes("down").run().exits(0).stderr.contains("nothing to stop"));
}

#[test]
fn dynamodb_local_is_started_again_each_time_and_missed_while_it_is_not() {
    let cache = Cache::with(Python::Linked);
    let path = std::env::var("PATH").expect("a path");
    let java = std::env::split_paths(&path).map(|folder| folder.join("java"));
    let java = java.into_iter().find(|java| java.exists()).expect("Java is on the path");
    let broken = cache.bin().join("broken");
    let text = format!(
        "[ \"$1\" != -version ] || {{ echo 'version \"17.0.1\"'; exit; }}\n\
         [ ! -e {broken} ] || exit 1\nexec {java} \"$@\"",
        broken = broken.display(),
        java = java.display()
    );
    cache.npm_fails();
    cache.program("java", &text);
    let up = || cache.up().run();
    let latest = || *written_down(&cache.run()).last().expect("it was started");
    up().exits(0);
    let mut before = latest();
    for _ in 0..6 {
        kill_process(before, Signal::KILL).expect("it runs");
        let up = up().exits(0);
        assert!(!up.stderr.contains("  started"), "LocalStack has not ended: {}", up.stderr);
        assert_ne!(latest(), before, "DynamoDB Local was started again");
        before = latest();
    }

    fs::write(&broken, "").expect("writes");
    kill_process(before, Signal::KILL).expect("it runs");
    let missed = up().exits(1);
    for said in [
        "error: LocalStack does not answer its first requests\n",
        "caused by: dynamodb ListTables: ",
    ] {
        assert!(missed.stderr.contains(said), "{said}: {}", missed.stderr);
    }
    assert!(is_listening(cache.port), "what SNS and SQS hold is kept");
    fs::remove_file(&broken).expect("it is there");
    up().exits(0);
    assert!(written_down(&cache.run()).len() <= 6, "the list of starts does not grow");
}
