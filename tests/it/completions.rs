//! What the shells offer at the end of a command line: by `rydes candidates`, which their scripts ask,
//! and typed into bash, zsh and fish.

use std::ffi::OsStr;
use std::fs;
use std::net::TcpListener;
use std::os::unix::ffi::OsStrExt as _;
use std::path::Path;
use std::process::Child;

use serde_json::json;
use tempfile::TempDir;

use crate::support::terminal::Terminal;
use crate::support::{Rydes, beside_rydes, free_port, on_terminal, rydes, script};

/// The ids that were submitted here, oldest first; sorted they would stand in another order.
const IDS: [&str; 3] = [
    "44444444-0000-4000-8000-000000000001",
    "11111111-0000-4000-8000-000000000002",
    "bbbbbbbb-0000-4000-8000-000000000003",
];

/// The memory of requests that were submitted, in a folder of its own.
struct Memory(TempDir);

impl Memory {
    /// One of these requests to the default stack.
    fn of(ids: &[&str]) -> Self {
        let place = "wild-rydes http://localhost:4566 000000000000 us-east-1";
        let line = |id: &&str| json!({"rfq-id": id, "place": place, "submitted-at": "2026-01-01T00:00:00Z"});
        Self::holding(ids.iter().map(|id| line(id).to_string() + "\n").collect::<String>())
    }

    fn holding(text: impl AsRef<[u8]>) -> Self {
        let memory = Self(TempDir::new().expect("a folder"));
        fs::create_dir(memory.0.path().join("rydes")).expect("a folder");
        fs::write(memory.0.path().join("rydes/recent.jsonl"), text).expect("writes");
        memory
    }

    fn ask(&self, words: &[&str]) -> Rydes {
        let ask = words.iter().fold(rydes("candidates --"), Rydes::arg);
        ask.env("XDG_STATE_HOME", self.0.path())
    }

    /// The words that are offered after these, of which the last is unfinished.
    #[track_caller]
    fn offers(&self, words: &[&str]) -> Vec<String> {
        let told = self.ask(words).run().exits(0);
        assert_eq!(told.stderr, "", "{words:?}");
        let word = |line: &str| line.split_once('\t').expect("a tab").0.to_owned();
        told.stdout.lines().map(word).collect()
    }
}

/// The words that are offered where nothing was submitted.
#[track_caller]
fn offers(line: &str) -> Vec<String> {
    Memory::holding("").offers(&line.split(' ').collect::<Vec<_>>())
}

#[test]
fn commands_options_and_their_values_are_offered() {
    let commands = offers("");
    assert!(commands.contains(&"submit".to_owned()) && commands.contains(&"help".to_owned()));
    assert!(!commands.contains(&"man".to_owned()) && !commands.contains(&"candidates".to_owned()));
    for (line, offered) in [
        ("sub", &["submit"][..]),
        ("localstack ", &["up", "down", "logs"]),
        ("-o json localstack d", &["down"]),
        ("--stack x --aws localstack d", &["down"]),
        ("help loc", &["localstack"]),
        ("help localstack ", &["up", "down", "logs"]),
        ("submit -o ", &["table", "json", "jsonl"]),
        ("submit -oj", &["-ojson", "-ojsonl"]),
        ("submit -qo=j", &["-qo=json", "-qo=jsonl"]),
        ("submit --output=j", &["--output=json", "--output=jsonl"]),
        ("quotes -o w", &["workshop"]),
        ("quotes -o o", &[]),
        ("trace -o ", &["table", "json", "jsonl", "otlp"]),
        ("report -o ", &["table", "json", "jsonl", "csv"]),
        ("report --provider ", &[]),
        ("export ", &[""]),
        ("report --file ", &[""]),
        ("submit --fr", &["--from"]),
        ("submit --from A --fr", &[]),
        ("submit --from A --ba", &[]),
        ("submit --unt", &["--until"]),
        ("submit --until 3 --unt", &["--until"]),
        ("submit --until p", &["price:"]),
        ("submit --from ", &[]),
        ("submit -- --fr", &[]),
        ("setup --dry", &["--dry-run"]),
        ("providers run --behaviour ", &["demo", "workshop", "steady"]),
        ("providers run --po", &["--poll-wait"]),
        ("providers run --vis", &[]),
        ("bench --behavior s", &["steady"]),
        ("localstack up --runtime p", &["packages"]),
        ("dlq ", &["list", "show", "replay", "purge"]),
        ("dlq list --l", &["--limit"]),
        ("dlq list --m", &[]),
        ("completions ", &["bash", "elvish", "fish", "powershell", "zsh"]),
        ("--color ", &["auto", "always", "never"]),
        ("nonsense sub", &[]),
        ("--nonsense sub", &["submit"]),
        ("trace --svg ", &[""]),
        ("submit --batch=x", &[""]),
    ] {
        assert_eq!(offers(line), offered, "{line:?}");
    }
    let open = offers("setup ");
    assert!(open[..3].contains(&"--providers".to_owned()), "{open:?}");
}

#[test]
fn a_script_on_a_terminal_says_how_to_install_it() {
    let terminal = Terminal::new();
    let mut shown = terminal.of(on_terminal("completions fish")).start();
    let next = "next: rydes completions --help shows how to install it";
    terminal.shows(next);
    assert!(shown.wait().expect("it ends").success());
    let help = rydes("completions --help").run().exits(0).stdout;
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        assert!(help.contains(&format!("\n  rydes completions {shell} >")), "{shell}");
    }
}

#[test]
fn scripts_that_ask_nothing_name_the_commands_that_are_shown() {
    for shell in ["elvish", "powershell"] {
        let script = rydes(&format!("completions {shell}")).run().exits(0).stdout;
        assert!(script.contains("--no-receipts") && script.contains("teardown"), "{script}");
        assert!(!script.contains("candidates") && !script.contains("man pages"), "{script}");
    }
}

#[test]
fn faults_are_offered_with_and_without_a_provider() {
    let all = offers("providers run --fault ");
    for kind in ["decline:", "silent", "slow:", "clock:", "crash-after-send"] {
        assert!(all.contains(&kind.to_owned()), "{kind}: {all:?}");
    }
    for (line, offered) in [
        ("bench --fault cr", &["crash-before-send", "crash-after-send"][..]),
        ("providers run --fault acme=s", &["acme=silent", "acme=slow:"]),
        ("providers run --fault=acme=sl", &["--fault=acme=slow:"]),
        ("providers run --fault $(x)=s", &[]),
        ("providers run --fault slow:2", &[]),
    ] {
        assert_eq!(offers(line), offered, "{line}");
    }
}

#[test]
fn requests_submitted_here_are_offered_the_newest_first() {
    let memory = Memory::of(&IDS);
    let newest: Vec<_> = IDS.iter().rev().map(ToString::to_string).collect();
    for command in ["quotes", "trace", "verify", "close"] {
        assert_eq!(memory.offers(&[command, ""]), newest, "{command}");
    }
    assert_eq!(memory.offers(&["submit", "--rfq-id", ""]), newest);
    assert_eq!(memory.offers(&["dlq", "list", ""]), newest);
    assert_eq!(memory.offers(&["quotes", "1"]), &IDS[1..2]);
    assert_eq!(memory.offers(&["quotes", "--stack", "wild-rydes", "1"]), &IDS[1..2]);
    // A word before it may be any bytes.
    let odd = rydes("candidates -- quotes --profile").arg(OsStr::from_bytes(b"\xff")).arg("--wat");
    assert_eq!(odd.run().exits(0).stdout.split('\t').next(), Some("--watch"));
    // The age is told beside it.
    let told = memory.ask(&["quotes", "1"]).run().exits(0);
    assert!(told.stdout.contains("\tsubmitted ") && told.stdout.ends_with(" ago\n"), "{told:?}");
}

#[test]
fn only_requests_to_the_stack_that_is_meant_are_offered() {
    let place = |id: &str, place: &str| json!({"rfq-id": id, "place": place}).to_string() + "\n";
    let memory = Memory::holding(
        place("aaaa", "wild-rydes http://localhost:4566 000000000000 us-east-1")
            + &place("bbbb", "demo http://127.0.0.1:4566 000000000000 us-east-1")
            + &place("cccc", "wild-rydes http://localhost:9 000000000000 us-east-1")
            + &place("dddd", "wild-rydes http://localhost:4566 000000000000 eu-west-1")
            + &place("eeee", "wild-rydes http://localhost:4566 123456789012 us-east-1")
            + &place("ffff", "prod AWS 123456789012 eu-west-1")
            + &place("0000", "prod AWS 123456789012 us-east-1")
            + &place("1111", "$(x) AWS 123456789012 us-east-1"),
    );
    for (words, offered) in [
        (&["quotes", ""][..], &["aaaa"][..]),
        (&["--stack", "demo", "quotes", ""], &["bbbb"]),
        (&["quotes", "--endpoint-url=http://127.0.0.1:9", ""], &["cccc"]),
        (&["quotes", "--region", "eu-west-1", ""], &["dddd"]),
        (&["--aws", "--stack", "prod", "quotes", ""], &["0000", "ffff"]),
        (&["--aws", "--stack", "prod", "--region", "eu-west-1", "quotes", ""], &["ffff"]),
        (&["--stack", ""], &["prod", "wild-rydes", "demo"]),
    ] {
        assert_eq!(memory.offers(words), offered, "{words:?}");
    }
    let mine = memory.ask(&["quotes", ""]).env("AWS_ACCESS_KEY_ID", "123456789012").run().exits(0);
    assert_eq!(mine.stdout, "eeee\t\n");
    let named = memory.ask(&["quotes", ""]).env("RYDES_STACK", "demo").run().exits(0);
    assert_eq!(named.stdout, "bbbb\t\n");
    // Without a stack AWS is no place; a hint would be in the way.
    assert!(!memory.offers(&["quotes", "--aws", ""]).contains(&"ffff".to_owned()));
}

/// Ids that a shell would obey, or a terminal.
const HOSTILE: [&str; 12] = [
    "$(touch hacked)",
    "`touch hacked`",
    "x;touch hacked",
    "x\ntouch hacked",
    "*",
    "~",
    "-rf",
    "'",
    "a b",
    "\u{1b}[31mred",
    "x\thacked",
    "",
];

#[test]
fn a_memory_that_is_hostile_or_broken_offers_nothing_of_itself() {
    let memory = Memory::of(&[&HOSTILE[..], &IDS[..1]].concat());
    assert_eq!(memory.offers(&["quotes", ""]), &IDS[..1]);
    for text in [
        &b"\xff\xfe\x00{"[..],
        b"{}\n[]\nnull\n7\n{\"rfq-id\": 1, \"place\": 2}\n",
        b"{\"rfq-id\": \"x\", \"place\": \"\"}\n",
    ] {
        let memory = Memory::holding(text);
        let offered = memory.offers(&["quotes", ""]);
        assert!(offered.iter().all(|word| word.starts_with("--")), "{offered:?}");
        assert_eq!(memory.offers(&["--stack", ""]), [""; 0]);
    }
    let folder = Memory(TempDir::new().expect("a folder"));
    fs::create_dir_all(folder.0.path().join("rydes/recent.jsonl")).expect("a folder");
    assert_eq!(folder.offers(&["quotes", "1"]), [""; 0]);
    // More than a person may look through is not offered.
    let many: Vec<_> = (0..3_000).map(|number| format!("{number:036}")).collect();
    let many = Memory::of(&many.iter().map(String::as_str).collect::<Vec<_>>());
    let offered = many.offers(&["quotes", ""]);
    assert_eq!((offered.len(), offered[0].trim_start_matches('0')), (20, "2999"));
}

/// All that is in a folder, at any depth.
fn files(folder: &Path) -> Vec<std::path::PathBuf> {
    let entries =
        fs::read_dir(folder).expect("it is there").map(|entry| entry.expect("listed").path());
    let mut all: Vec<_> = entries
        .flat_map(|path| {
            let below = if path.is_dir() { files(&path) } else { Vec::new() };
            [path].into_iter().chain(below)
        })
        .collect();
    all.sort();
    all
}

#[test]
fn nothing_is_connected_to_and_no_file_is_made() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    listener.set_nonblocking(true).expect("it can be");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let home = TempDir::new().expect("a folder");
    let lines =
        ["", "quotes ", "quotes 1", "--stack ", "providers run ", "submit -o ", "trace --svg "];
    for line in lines {
        for url in [&url, &format!("http://127.0.0.1:{}", free_port())] {
            let words = line.split(' ').fold(rydes("candidates --"), Rydes::arg);
            let asked = words.env("HOME", home.path()).env("AWS_ENDPOINT_URL", url);
            let asked = asked.env("XDG_STATE_HOME", home.path().join("state"));
            let asked = asked.env("XDG_CACHE_HOME", home.path().join("cache"));
            assert_eq!(asked.run().exits(0).stderr, "", "{line}");
        }
    }
    assert!(listener.accept().is_err(), "a connection was made");
    assert!(files(home.path()).is_empty(), "{:?}", files(home.path()));
}

/// A shell on a terminal, into which a person types.
struct Shell {
    terminal: Terminal,
    child: Child,
    /// The memory, and the folder in which it works.
    memory: Memory,
}

impl Shell {
    /// Starts it and has it read these lines.
    fn start(program: &str, term: &str, lines: &[&str]) -> Self {
        let memory = Memory::of(&[&HOSTILE[..], &IDS[..]].concat());
        let terminal = Terminal::new();
        let folder = memory.0.path();
        script(&folder.join("show"), "#!/bin/sh\nprintf '<%s>' \"$@\"\necho\n");
        let shell = beside_rydes(&format!("setsid --ctty {program}"));
        let shell = shell.env("TERM", term).env("XDG_STATE_HOME", folder).env("HOME", folder);
        let shell = Self { child: terminal.of(shell).start(), terminal, memory };
        let folder = shell.memory.0.path().display();
        shell.terminal.keys(&format!("cd '{folder}'\r"));
        for line in lines {
            shell.terminal.keys(&format!("{line}\r"));
        }
        shell.terminal.keys("echo re''ady\r");
        shell.appears(0, &["ready"]);
        shell
    }

    /// Waits until these texts stand on the terminal, one behind the other, from this place on.
    fn appears(&self, from: usize, texts: &[&str]) {
        let is_there = |text: &str| {
            let mut rest = text.get(from..).unwrap_or_default();
            texts.iter().all(|text| match rest.find(text) {
                Some(at) => {
                    rest = &rest[at + text.len()..];
                    true
                }
                None => false,
            })
        };
        self.terminal.until(&format!("{texts:?}"), is_there);
    }

    /// Types the beginning of a line and the tabulator; these have to be listed in this order.
    fn lists(&self, line: &str, listed: &[&str]) {
        let from = self.terminal.text().len();
        self.terminal.keys(&format!("{line}\t"));
        self.appears(from, listed);
        self.terminal.keys("\u{15}");
    }

    /// Types the beginning of a line and the tabulator; the line then has these words.
    fn becomes(&self, line: &str, words: &[&str]) {
        let from = self.terminal.text().len();
        // To the beginning of the line, so that its words are shown.
        self.terminal.keys(&format!("{line}\t\u{1}./show \r"));
        self.appears(from, &[&format!("<{}>", words.join("><"))]);
    }

    fn has_obeyed_nothing(&self) {
        let folder = files(self.memory.0.path());
        assert!(folder.iter().all(|path| !path.ends_with("hacked")), "{folder:?}");
    }

    /// What bash and zsh have in common.
    fn completes(&self) {
        let newest: Vec<_> = IDS.into_iter().rev().collect();
        self.lists("rydes quotes ", &newest);
        self.lists("rydes submit -o ", &["table", "json", "jsonl"]);
        self.lists("rydes providers run --fault ", &["silent", "wrong-id"]);
        for (line, words) in [
            ("rydes quotes 1", &["rydes", "quotes", IDS[1]][..]),
            ("rydes quotes '1", &["rydes", "quotes", IDS[1]]),
            ("true; rydes subm", &["true"]),
            ("rydes help local", &["rydes", "help", "localstack"]),
            ("rydes submit --output=t", &["rydes", "submit", "--output=table"]),
            (
                "rydes submit --from 'Las Vegas' --t",
                &["rydes", "submit", "--from", "Las Vegas", "--to"],
            ),
            ("rydes bench --fault acme=sl", &["rydes", "bench", "--fault", "acme=slow:"]),
            ("rydes bench --fault=acme=dec", &["rydes", "bench", "--fault=acme=decline:"]),
            ("rydes quotes -w --until pr", &["rydes", "quotes", "-w", "--until", "price:"]),
            ("rydes trace --svg ./sho", &["rydes", "trace", "--svg", "./show"]),
            ("rydes trace --svg=./sho", &["rydes", "trace", "--svg=./show"]),
            ("rydes frob", &["rydes", "frob"]),
        ] {
            self.becomes(line, words);
        }
        self.has_obeyed_nothing();
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        _ = self.child.kill().and_then(|()| self.child.wait());
    }
}

#[test]
fn bash_completes() {
    let shell = Shell::start(
        "bash --norc --noprofile -i",
        "dumb",
        &[
            "bind 'set bell-style none'; bind 'set show-all-if-ambiguous on'",
            "bind 'set print-completions-horizontally on'",
            "source <(rydes completions bash)",
        ],
    );
    shell.completes();
    shell.terminal.keys("alias other=$(type -P rydes); complete -F _rydes other\r");
    shell.becomes("other vers", &["other", "version"]);
}

#[test]
fn zsh_completes() {
    let shell = Shell::start(
        "zsh -f -i",
        "vt100",
        &[
            "bindkey -e; unsetopt auto_menu beep; autoload -U compinit; compinit -D -u",
            "source <(rydes completions zsh)",
        ],
    );
    shell.completes();
}

#[test]
fn zsh_completes_from_a_folder_of_functions() {
    let shell = Shell::start(
        "zsh -f -i",
        "vt100",
        &[
            "mkdir functions; rydes completions zsh > functions/_rydes; fpath=($PWD/functions $fpath)",
            "bindkey -e; unsetopt auto_menu beep; autoload -U compinit; compinit -D -u",
        ],
    );
    shell.becomes("rydes quotes 1", &["rydes", "quotes", IDS[1]]);
    shell.becomes("rydes quotes b", &["rydes", "quotes", IDS[2]]);
}

#[test]
fn fish_completes() {
    let memory = Memory::of(&[&HOSTILE[..], &IDS[..]].concat());
    fs::write(memory.0.path().join("picture"), "").expect("writes");
    let offers = |line: &str| {
        let asked = format!("cd $HOME; rydes completions fish | source; complete -C \"{line}\"");
        let fish = beside_rydes("fish --no-config -c").arg(asked).env("HOME", memory.0.path());
        let told = fish.env("XDG_STATE_HOME", memory.0.path()).run().exits(0);
        assert_eq!(told.stderr, "", "{line}");
        let words = told.stdout.lines().map(|line| line.split('\t').next().unwrap_or_default());
        words.map(str::to_owned).collect::<Vec<_>>()
    };
    let newest: Vec<_> = IDS.into_iter().rev().collect();
    assert_eq!(offers("rydes quotes "), newest);
    for (line, offered) in [
        ("rydes quotes 1", &IDS[1..2]),
        ("rydes quotes '1", &IDS[1..2]),
        ("X=1 rydes subm", &["submit"]),
        ("rydes submit -o ", &["table", "json", "jsonl"]),
        ("rydes submit --output=t", &["--output=table"]),
        ("rydes bench --fault acme=sl", &["acme=slow:"]),
        ("rydes submit --from 'Las Vegas' --t", &["--to"]),
        ("rydes trace --svg pic", &["picture"]),
        ("rydes trace --svg=pic", &["--svg=picture"]),
        ("rydes frob", &[]),
    ] {
        assert_eq!(offers(line), offered, "{line}");
    }
    assert!(files(memory.0.path()).iter().all(|path| !path.ends_with("hacked")));
}
