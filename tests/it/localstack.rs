//! `rydes localstack`: the real thing from packages, and Docker as far as a script can stand for it.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::support::background::Background;
use crate::support::browser::Browser;
use crate::support::localstack::{Down, assert_ended, folder, is_listening, up, written_down};
use crate::support::{PATIENCE, Ran, Rydes, document, eventually, free_port, rydes, script};

mod identity;
mod redirects;

/// What the client says of an engine that is not there.
const NO_ENGINE: &str = "Cannot connect to the Docker daemon at unix:///run/d.sock. Is it running?";
/// What it says of one that is not this user's.
const DENIED: &str = "permission denied while trying to connect to the Docker daemon socket at \
                      unix:///run/d.sock: Get \"http://%2Fd.sock/v1.24/version\"";

fn down(port: u16) -> Ran {
    rydes(&format!("localstack down --port {port}")).run().exits(0)
}

/// Tells a test process that it is to hold a LocalStack until it is killed.
const HOLD: &str = "RYDES_TEST_HOLD";

#[test]
fn comes_up_is_used_again_and_goes_down() {
    let port = free_port();
    let _guard = Down::at(port);
    let first = up(port).arg("--runtime=packages").run().exits(0);
    assert_eq!(first.stdout, "", "progress belongs on stderr");
    for said in [
        "using packages (Python 3.13.",
        "python packages   113, hashes checked",
        "DynamoDB Local    ",
        "ready             sns sqs dynamodb                    running",
        "LocalStack is up",
        "forgets everything when it stops",
        &format!("next: rydes --endpoint-url http://localhost:{port} setup"),
    ] {
        assert!(first.stderr.contains(said), "{said}: {}", first.stderr);
    }
    assert!(health(port).contains(r#""sqs": "running""#));

    let again = up(port).arg("-ojson").run().exits(0);
    assert!(again.stderr.contains("is up already"), "{}", again.stderr);
    let told = document(&again);
    assert_eq!((&told["started"], &told["runtime"]), (&false.into(), &"packages".into()));
    assert_eq!(told["endpoint"], format!("http://localhost:{port}"));

    let logs = rydes(&format!("localstack logs --port {port}")).run().exits(0);
    assert!(logs.stdout.contains("LocalStack version: 4.14.0"), "{}", logs.stdout);
    only_on_loopback(port);
    many_may_wait(port);
    on_one_core(port);

    let unpacked = folder().join(format!("run-{port}/tmp"));
    let mut files = unpacked.read_dir().expect("it is there").map_while(Result::ok);
    let library = files.find(|file| file.file_name().to_string_lossy().contains("sqlite4java"));
    assert!(
        library.is_some(),
        "what DynamoDB Local unpacks is not left in the machine's own folder"
    );
    assert!(down(port).stderr.contains("LocalStack is down"));
    assert!(!is_listening(port));
    assert!(!unpacked.exists(), "it is gone");
    assert!(down(port).stderr.contains("nothing to stop"), "a second time is fine");
}

/// LocalStack binds every interface if it is left to itself.
fn only_on_loopback(port: u16) {
    let Ok(table) = fs::read_to_string("/proc/net/tcp") else { return };
    let listening = table.lines().filter_map(|line| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (address, at) = fields.get(1)?.split_once(':')?;
        (fields.get(3) == Some(&"0A") && at == format!("{port:04X}")).then(|| address.to_owned())
    });
    assert_eq!(listening.collect::<Vec<_>>(), ["0100007F"], "127.0.0.1 alone");
}

/// The connections of a burst are taken in by the system while LocalStack is busy. It lets 50 wait if it is
/// left to itself; the others would be tried again after a second.
fn many_may_wait(port: u16) {
    let main = written_down(&folder().join(format!("run-{port}")))[0];
    kill_process(main, Signal::STOP).expect("it runs");
    let address = SocketAddr::from(([127, 0, 0, 1], port));
    let burst = (0..100).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(900)));
    let taken: Vec<_> = burst.map_while(Result::ok).collect();
    kill_process(main, Signal::CONT).expect("it is there");
    assert_eq!(taken.len(), 100);
}

/// The threads of LocalStack share a core, of which only one thread can run at a time; its DynamoDB may use all.
fn on_one_core(port: u16) {
    let cores = |threads: &str| -> BTreeSet<String> {
        let threads = fs::read_dir(threads).expect("it runs").flatten();
        let told =
            threads.filter_map(|thread| fs::read_to_string(thread.path().join("status")).ok());
        let allowed = told.filter_map(|status| {
            let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:"))?;
            Some(list.trim().to_owned())
        });
        allowed.collect()
    };
    if !Path::new("/proc/self/task").exists() {
        return;
    }
    let processes = written_down(&folder().join(format!("run-{port}")));
    let of = |process: usize| cores(&format!("/proc/{}/task", processes[process]));
    let shared: Vec<_> = of(0).into_iter().collect();
    assert!(matches!(&shared[..], [core] if core.parse::<u32>().is_ok()), "{shared:?}");
    assert_eq!(of(1), cores("/proc/self/task"), "as many as this process");
}

fn health(port: u16) -> String {
    get(port, "/_localstack/health")
}

/// The answer to a request by the address 127.0.0.2.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("it listens");
    let host = format!("127.0.0.2:{port}");
    let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("it answers");
    answer
}

#[test]
fn one_that_was_interrupted_is_taken_up_or_down() {
    let port = free_port();
    let _guard = Down::at(port);
    let mut interrupted = up(port).arg("--runtime=packages").start();
    let stderr = BufReader::new(interrupted.stderr.take().expect("it is piped"));
    let started = stderr.lines().map_while(Result::ok).any(|line| line.contains("started"));
    assert!(started, "it starts LocalStack");
    interrupted.kill().expect("it can be killed");
    interrupted.wait().expect("it was killed");
    let next = up(port).arg("--runtime=packages").run().exits(0);
    assert!(!next.stderr.contains("started"), "it waits for the one that is starting");
    assert!(next.stderr.contains(" is up already at "), "{}", next.stderr);

    let processes = written_down(&folder().join(format!("run-{port}")));
    assert_eq!(processes.len(), 2, "LocalStack and its Java");
    kill_process(processes[0], Signal::KILL).expect("it runs");
    // Its Java has lost it.
    assert!(down(port).stderr.contains("LocalStack is down"));
    assert!(!is_listening(port));
    assert_ended(&processes);
}

#[test]
fn a_port_that_something_else_has_is_named_and_left_alone() {
    let foreign = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    let port = foreign.local_addr().expect("it has an address").port();
    // Each waits 5 s for an answer.
    thread::scope(|scope| {
        scope.spawn(|| assert!(down(port).stderr.contains("nothing to stop")));
        let refused = up(port).run().exits(1);
        let expected = format!("error: port {port} is taken by something that is not LocalStack\n");
        assert!(refused.stderr.starts_with(&expected), "{}", refused.stderr);
        assert!(refused.stderr.contains("hint: another port: rydes localstack up --port "));
    });
    assert!(is_listening(port));
}

#[test]
fn a_localstack_that_was_started_otherwise_is_used_and_left_alone() {
    let server = FakeLocalStack::start(free_port(), "200 OK", || true, || false);
    let used = up(server.port).arg("-ojson").run().exits(0);
    assert_eq!(document(&used)["runtime"], Value::Null);
    assert!(!used.stderr.contains("stop:"), "{}", used.stderr);
    let left = down(server.port);
    assert!(
        left.stderr.contains("was not started by `rydes`; it was left alone"),
        "{}",
        left.stderr
    );
}

#[test]
fn logs_of_nothing_are_an_error() {
    let port = free_port();
    let nothing = rydes(&format!("localstack logs --port {port}")).run().exits(1);
    assert!(nothing.stderr.contains(&format!("hint: rydes localstack up --port {port}")));
}

/// An empty machine: no program on the PATH but `docker`, if a text for it is given.
struct Machine {
    folder: TempDir,
}

impl Machine {
    fn new(docker: Option<&str>) -> Self {
        let folder = TempDir::new().expect("a folder");
        fs::create_dir(folder.path().join("bin")).expect("a folder");
        if let Some(cases) = docker {
            let log = folder.path().join("calls");
            let text = format!(
                "#!/bin/sh\n\
                 echo \"$* [$RYDES_LOCALSTACK_IMAGE $RYDES_LOCALSTACK_PORT $RYDES_LOCALSTACK_HOST]\" >> {log}\n\
                 case \"$*\" in\n--version) echo 'Docker version 28.2.2, build e6534b4' ;;\n\
                 {cases}\nesac\n",
                log = log.display()
            );
            script(&folder.path().join("bin/docker"), &text);
        }
        Self { folder }
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn rydes(&self, arguments: &str) -> Rydes {
        let home = self.path();
        rydes(arguments)
            .env("PATH", home.join("bin"))
            .env("HOME", home)
            .env("JAVA_HOME", "")
            .env("RYDES_CACHE_DIR", home.join("cache"))
    }

    fn calls(&self) -> String {
        fs::read_to_string(self.path().join("calls")).unwrap_or_default()
    }
}

#[test]
fn everything_that_is_missing_is_named_at_once() {
    let machine = Machine::new(None);
    let port = free_port();
    let check = machine.rydes(&format!("localstack up --check --port {port}")).run().exits(1);
    for name in ["docker: not installed", "Python 3.13", "Java 11 or newer", "npm"] {
        let mut lines = check.stdout.lines().skip_while(|line| !line.contains(name));
        assert!(
            lines
                .next()
                .is_some_and(|line| line.contains("not installed") || line.ends_with("missing")),
            "{name}: {}",
            check.stdout
        );
        assert!(lines.next().is_some_and(|line| line.starts_with("      ")), "{}", check.stdout);
    }
    assert!(check.stderr.contains("error: neither way to run LocalStack is complete"));
    assert!(!machine.path().join("cache").exists(), "nothing is written");

    let up = machine.rydes(&format!("localstack up --port {port}")).run().exits(1);
    assert!(up.stderr.contains(&check.stdout), "{}", up.stderr);
    assert!(
        up.stderr.contains(&format!("hint: this list again: rydes localstack up --port {port}"))
    );
    assert!(!is_listening(port));

    let json = machine.rydes("localstack up --check -ojson").run().exits(1);
    let told = document(&json);
    assert_eq!(told["runtime"], Value::Null);
    let pieces = told["packages"].as_array().expect("a list");
    assert!(pieces.iter().all(|piece| piece["state"] == "missing" && piece["install"].is_string()));
}

#[test]
fn what_is_wrong_with_docker_is_named() {
    let engine = |said: &str| {
        format!("'compose version'*) echo 2.36.0 ;;\nversion*) echo '{said}' >&2; exit 1 ;;")
    };
    for (cases, problem) in [
        (engine(NO_ENGINE), "client found, engine does not answer (unix:///run/d.sock)"),
        (engine(DENIED), "the engine refuses this user (unix:///run/d.sock)"),
        (
            "compose*) echo 'unknown command' >&2; exit 1 ;;\nversion*) echo 28.2.2 ;;".to_owned(),
            "the compose plugin is missing",
        ),
    ] {
        let machine = Machine::new(Some(&cases));
        let port = free_port();
        let line = format!("localstack up --port {port}");
        let any = machine.rydes(&line).run().exits(1);
        assert!(any.stderr.contains(&format!("docker: {problem}\n        ")), "{}", any.stderr);
        let docker = machine.rydes(&line).arg("--runtime=docker").run().exits(1);
        assert!(docker.stderr.contains("error: Docker cannot be used here"), "{}", docker.stderr);
        assert!(docker.stderr.contains(&format!("caused by: {problem}\n")), "{}", docker.stderr);
        assert!(!machine.calls().contains(" up "), "nothing is started");
    }
}

#[test]
fn with_an_engine_docker_is_used() {
    let machine = Machine::new(Some(
        "'compose version'*) echo v2.36.0 ;;\nversion*) echo 28.2.2 ;;\n'image inspect'*) exit 1 ;;\n\
         *'up -d --wait') : > ${0%/bin/docker}/healthy ;;\n\
         *logs*--follow*) echo 'a line of the log'; exec /bin/sleep 5 ;;\n\
         *logs*) echo 'a line of the log' ;;\n\
         *'down -v') : > ${0%/bin/docker}/gone ;;",
    ));
    let marker = |name: &str| {
        let path = machine.path().join(name);
        move || path.exists()
    };
    let (healthy, gone) = (marker("healthy"), marker("gone"));
    let server = FakeLocalStack::start(free_port(), "200 OK", healthy, gone);
    let port = server.port;
    let image = |line: Rydes| line.env("RYDES_LOCALSTACK_IMAGE", "example/image:1");

    let up = image(machine.rydes(&format!("localstack up --port {port}"))).run().exits(0);
    assert!(up.stderr.starts_with("docker client 28.2.2, compose 2.36.0: using Docker"));
    for step in
        ["image             example/image:1", "start             rydes-localstack-", "ready"]
    {
        assert!(up.stderr.contains(step), "{step}: {}", up.stderr);
    }
    let file = machine.path().join(format!("cache/localstack/run-{port}/docker-compose.yml"));
    let written = fs::read_to_string(&file).expect("the compose file is there");
    assert_eq!(written, include_str!("../../docker-compose.yml"));
    let logs = machine.rydes(&format!("localstack logs --port {port}")).run().exits(0);
    assert_eq!(logs.stdout, "a line of the log\n");
    for (number, code) in [(Signal::INT, 130), (Signal::TERM, 143)] {
        let follow = machine.rydes(&format!("localstack logs --follow --port {port}"));
        let follow = Background::start(follow);
        follow.shows("a line of the log");
        follow.signal(number);
        let ended = follow.ends(PATIENCE).exits(code);
        assert_eq!(ended.stderr, "", "a signal is its ordinary end");
    }
    let down = machine.rydes(&format!("localstack down --port {port} -ojson")).run().exits(0);
    assert_eq!(document(&down)["runtime"], "docker");
    assert!(!file.exists());
    let left = fs::read_dir(machine.path().join("cache/localstack")).expect("it is there");
    assert_eq!(left.count(), 0, "no lock file is left");

    let compose = format!("compose -p rydes-localstack-{port} -f {}", file.display());
    for (call, image) in [
        ("pull --quiet", "example/image:1"),
        ("up -d", "example/image:1"),
        ("up -d --wait", "example/image:1"),
        ("logs --no-color --no-log-prefix", ""),
        ("down -v", ""),
    ] {
        let call = format!("{compose} {call} [{image} {port} 127.0.0.1]\n");
        assert!(machine.calls().contains(&call), "{call}: {}", machine.calls());
    }
}

/// A machine whose Docker starts and stops a LocalStack that answers.
fn with_docker() -> (Machine, FakeLocalStack) {
    let machine = Machine::new(Some(
        "'compose version'*) echo v2.36.0 ;;\nversion*) echo 28.2.2 ;;\n\
         *'up -d --wait') : > ${0%/bin/docker}/healthy ;;\n\
         *'down -v') : > ${0%/bin/docker}/gone ;;",
    ));
    let marker = |name: &str| {
        let path = machine.path().join(name);
        move || path.exists()
    };
    let server = FakeLocalStack::start(free_port(), "200 OK", marker("healthy"), marker("gone"));
    (machine, server)
}

#[test]
fn docker_is_told_where_to_listen() {
    let (machine, server) = with_docker();
    let port = server.port;
    let up = machine.rydes(&format!("localstack up --host 0.0.0.0 --port {port}")).run().exits(0);
    assert!(up.stderr.contains("warning: no authentication: anyone who can reach port"), "{up:?}");
    let call = format!(" up -d --wait [ {port} 0.0.0.0]\n");
    assert!(machine.calls().contains(&call), "{}", machine.calls());
    machine.rydes(&format!("localstack down --port {port}")).run().exits(0);
}

#[test]
fn on_request_other_machines_can_use_it_and_that_is_said() {
    const WARNING: &str = "warning: no authentication: anyone who can reach port ";
    let port = free_port();
    let _guard = Down::at(port);
    for address in ["10.0.0.1", "::", "x"] {
        let refused = up(port).arg(format!("--host={address}")).run().exits(2).stderr;
        assert!(refused.contains("listens on 127.0.0.1 or on 0.0.0.0"), "{refused}");
    }
    let first = up(port).arg("--runtime=packages").arg("--host=0.0.0.0").run().exits(0);
    for said in [WARNING, "--endpoint-url http://NAME:"] {
        assert!(first.stderr.contains(said), "{said}: {}", first.stderr);
    }
    // It is reached by another address than 127.0.0.1, and so are the queues whose URLs it tells.
    let place = format!("http://127.0.0.2:{port}");
    let on = |line: &str| rydes(line).env("AWS_ENDPOINT_URL", &place).run().exits(0);
    on("setup --providers 1");
    let listed = get(port, "/?Action=ListQueues&Version=2012-11-05");
    assert!(listed.contains(&format!("<QueueUrl>{place}/")), "{listed}");
    let again = up(port).arg("-ojson").run().exits(0);
    assert_eq!(document(&again)["host"], "0.0.0.0");
    assert!(again.stderr.contains(WARNING), "{}", again.stderr);
    // It is no longer this user's alone.
    let local = format!("--endpoint-url http://127.0.0.1:{port} teardown --yes");
    let torn = rydes(&local).run().exits(0).stderr;
    assert!(torn.contains("is left") && !torn.contains("still up"), "{torn}");
}

#[test]
fn a_localstack_that_is_up_keeps_its_address() {
    let server = FakeLocalStack::start(free_port(), "200 OK", || true, || false);
    let foreign = up(server.port).arg("--host=0.0.0.0").run().exits(0).stderr;
    for said in ["so the address that it listens on is unknown", "it has no authentication: anyone"]
    {
        assert!(foreign.contains(said), "{said}: {foreign}");
    }
    let plain = up(server.port).run().exits(0).stderr;
    assert!(!plain.contains("authentication"), "{plain}");
}

#[test]
fn one_that_was_started_for_this_machine_is_not_opened_in_silence() {
    let (machine, server) = with_docker();
    let port = server.port;
    let run = |line: &str| machine.rydes(&format!("localstack {line} --port {port}")).run();
    run("up").exits(0);
    let refused = run("up --host 0.0.0.0").exits(1).stderr;
    let repair = format!(
        "rydes localstack down --port {port}, then rydes localstack up --host 0.0.0.0 --port {port}"
    );
    for said in ["error: this LocalStack was started for this machine alone", &repair] {
        assert!(refused.contains(said), "{said}: {refused}");
    }
    run("down").exits(0);
}

#[test]
fn a_localstack_whose_services_do_not_answer_is_not_ready_and_is_stopped() {
    let machine = Machine::new(Some(
        "'compose version'*) echo v2.36.0 ;;\nversion*) echo 28.2.2 ;;\n\
         *'up -d --wait') : > ${0%/bin/docker}/healthy ;;\n\
         *stop) : > ${0%/bin/docker}/gone ;;",
    ));
    let marker = |name: &str| {
        let path = machine.path().join(name);
        move || path.exists()
    };
    let status = "503 Service Unavailable";
    let server = FakeLocalStack::start(free_port(), status, marker("healthy"), marker("gone"));
    let up = machine.rydes(&format!("localstack up --port {}", server.port)).run().exits(1);
    for said in [
        "error: LocalStack does not answer its first requests\n",
        "caused by: dynamodb ListTables: HTTP 503\n",
    ] {
        assert!(up.stderr.contains(said), "{said}: {}", up.stderr);
    }
    assert!(!up.stderr.contains("LocalStack is up"), "{}", up.stderr);
    assert!(machine.calls().contains("docker-compose.yml stop ["), "{}", machine.calls());
}

/// Answers as a LocalStack does, from when it may until it is told to end.
struct FakeLocalStack {
    port: u16,
}

impl FakeLocalStack {
    /// `tables` is the status that it lists DynamoDB's tables with.
    fn start(
        port: u16,
        tables: &'static str,
        begin: impl Fn() -> bool + Send + 'static,
        end: impl Fn() -> bool + Send + 'static,
    ) -> Self {
        let (ready, is_ready) = std::sync::mpsc::channel();
        thread::spawn(move || {
            let listen = || {
                let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
                listener.set_nonblocking(true).expect("it can be");
                listener
            };
            let early = begin().then(listen);
            ready.send(()).expect("the test waits");
            assert!(eventually(Duration::from_mins(1), &begin), "it never began");
            let listener = early.unwrap_or_else(listen);
            while !end() {
                match listener.accept() {
                    Ok((stream, _)) => answer(stream, tables),
                    Err(_) => thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        is_ready.recv().expect("it starts");
        Self { port }
    }
}

fn answer(stream: TcpStream, tables: &str) {
    stream.set_nonblocking(false).expect("it can be");
    let mut stream = BufReader::new(stream);
    let mut head = String::new();
    while stream.read_line(&mut head).is_ok_and(|read| read > 2) {}
    if head.starts_with("POST ") {
        let mut body = [0; 2];
        stream.read_exact(&mut body).expect("an empty object");
    }
    let status = if head.contains("DynamoDB_20120810.ListTables") { tables } else { "200 OK" };
    let body = r#"{"services": {"sns": "running", "sqs": "running", "dynamodb": "running"},
                   "version": "9.9.9"}"#;
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length");
    // A client that only probed the port has gone.
    _ = write!(stream.get_mut(), "{head}: {}\r\n\r\n{body}", body.len());
}

#[test]
fn a_killed_test_process_leaves_nothing_running() {
    if std::env::var_os(HOLD).is_some() {
        // The process that the test below starts, to be killed while it has a browser, a LocalStack and a cache.
        let browser = Browser::start();
        let ((folder, driver), endpoint) =
            (browser.traces(), crate::support::localstack::endpoint());
        let cache = TempDir::new().expect("a folder");
        let _guard = Down::with_cache(free_port(), cache.path());
        let up = format!(
            "\nbrowser {driver} {}\ncache {}\nup at {endpoint}\n",
            folder.display(),
            cache.path().display()
        );
        std::io::stdout().write_all(up.as_bytes()).expect("the test reads it");
        thread::sleep(Duration::from_mins(10));
        return;
    }
    let mut test = Command::new(std::env::current_exe().expect("this test has a file"))
        .args(["--exact", "localstack::a_killed_test_process_leaves_nothing_running"])
        .arg("--nocapture")
        .env(HOLD, "1")
        .env_remove("RYDES_TEST_ENDPOINT")
        .stdout(Stdio::piped())
        .spawn()
        .expect("it starts");
    let stdout = BufReader::new(test.stdout.take().expect("it is piped"));
    let mut lines = stdout.lines().map_while(Result::ok);
    let browser = lines.find_map(|line| {
        let (driver, folder) = line.strip_prefix("browser ")?.split_once(' ')?;
        Some((driver.to_owned(), folder.to_owned()))
    });
    let cache = lines.find_map(|line| Some(PathBuf::from(line.strip_prefix("cache ")?)));
    let port = lines.find_map(|line| line.split_once("up at http://127.0.0.1:")?.1.parse().ok());
    let (driver, folder) = browser.unwrap_or_default();
    let processes = || {
        let listed = Command::new("ps").args(["-axww", "-o", "pid=,command="]).output();
        let listed = String::from_utf8(listed.expect("ps runs").stdout).expect("it is text");
        let of = |what: &str| listed.lines().filter(|line| line.contains(what)).count();
        // Those of the driver, of the browser, and of both and the watchdog.
        [format!("{driver} chromedriver "), format!("--user-data-dir={folder}"), folder.clone()]
            .map(|what| of(&what))
    };
    let before = processes();
    test.kill().expect("it can be killed");
    test.wait().expect("it was killed");
    assert!(
        !folder.is_empty() && before[0] == 1 && before[1] > 0,
        "it started a browser: {before:?}"
    );
    let (cache, port) = (cache.expect("it has one"), port.expect("it brought LocalStack up"));
    let gone = || {
        let is_there = Path::new(&folder).exists() || cache.exists();
        !is_listening(port) && processes() == [0; 3] && !is_there
    };
    assert!(eventually(Duration::from_secs(20), gone), "something is still there");
}

#[test]
fn the_tests_share_one_localstack() {
    let endpoint = crate::support::localstack::endpoint();
    let port = endpoint.rsplit(':').next().and_then(|port| port.parse().ok()).expect("a port");
    assert!(health(port).contains(r#""dynamodb": "running""#));
    let log = crate::support::localstack::log();
    assert!(log.contains("Ready."));
    assert!(!log.contains("is not specified"), "what SNS leaves out of a list is no news");
}
