//! The file of providers, `--check`, `list --config`, and what is refused before anything is received.

use serde_json::json;

use super::{folder, write};
use crate::schemas::conforms;
use crate::support::resources::{clients, wait};
use crate::support::stack::{Stack, provider};
use crate::support::{json, rydes};

#[test]
fn a_check_says_what_would_run_and_list_how_each_is_served() {
    let stack = Stack::with_real(1, &["acme", "globex", "other"]);
    let folder = folder(&[
        (
            "acme",
            "command = ['./quote.sh', '--fast', 'a b']\ntimeout = '1500ms'\nconcurrency = 4"
                .to_owned(),
        ),
        ("globex", "http = 'https://quotes.example/rides'".to_owned()),
    ]);
    write(folder.path(), "quote.sh", "#!/bin/sh\necho 7\n");
    let path = folder.path().join("quote.sh");
    let file = folder.path().join("providers.toml");
    let check =
        |more: &str| stack.rydes(&format!("providers run --check {more} --config")).arg(&file);
    let refused = check("").run().exits(2);
    assert!(refused.stderr.contains("providers.toml:2:11: cannot start"), "{}", refused.stderr);
    assert!(refused.stderr.contains("it is not executable (chmod +x)"), "{}", refused.stderr);
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .expect("its mode");
    let told = check("").run().exits(0).stdout;
    let lines: Vec<_> =
        told.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    assert_eq!(
        lines,
        [
            "PROVIDER SERVED BY LIMITS",
            "UnicornManagementResource1 simulated",
            "acme ./quote.sh --fast \"a b\" 4 at once, 1.5 s each",
            "globex https://quotes.example/rides 100 at once, 10 s each",
        ]
    );
    conforms("providers-run-check", &json(&check("-o json").run().exits(0).stdout));
    let told = json(&check("acme -o json").run().exits(0).stdout);
    assert_eq!(
        told["providers"],
        json!([{
            "provider": "acme", "concurrency": 4, "timeout-ms": 1_500,
            "command": [path, "--fast", "a b"], "folder": folder.path(),
        }])
    );
    let listed = stack.rydes("providers list --config").arg(&file).run().exits(0).stdout;
    let served = |name: &str| {
        let line = listed
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_else(|| panic!("{listed}"));
        line.to_owned()
    };
    assert!(served("acme").contains(" ./quote.sh --fast "), "{listed}");
    assert!(served("globex").contains(" https://quotes.example/rides "), "{listed}");
    assert!(served("other").contains(" external   -  "), "{listed}");
    let listed = stack.rydes("providers list -o json --config").arg(&file).run().exits(0).stdout;
    let listed = json(&listed);
    conforms("providers-list", &listed);
    let served = listed["providers"].as_array().expect("a list").iter();
    let served: Vec<_> = served.map(|one| one["served-by"]["provider"].clone()).collect();
    assert_eq!(served, [json!(null), json!("acme"), json!("globex"), json!(null)]);
}

#[test]
fn what_cannot_be_served_is_refused_before_anything_is_received() {
    let stack = Stack::with_real(1, &["acme"]);
    stack.submit("--deadline 10m");
    let simulated = provider(1);
    for (arguments, told) in [
        ("providers run acme", "acme is a real provider"),
        ("providers run nobody -- true", "no provider nobody is subscribed"),
        (&format!("providers run {simulated} -- true"), "is a simulated provider"),
        ("providers run -- true", "a program or an endpoint answers for one provider: name it"),
        ("providers run acme globex -- true", "answers for one provider"),
        (
            "providers run acme -- no-such-program",
            "cannot start `no-such-program`: it is not in PATH",
        ),
        ("providers run acme -- ./no/such", "cannot start `"),
        ("providers run acme -- /etc/passwd", "it is not executable"),
        ("providers run acme --http http://x/ --health /\\other/", "invalid health path"),
        ("providers run acme ./quote.py", "; a program comes after `--`"),
        ("providers run acme --headers-file x -- true", "cannot be used with"),
        ("providers run acme --health /x -- true", "cannot be used with"),
        ("providers run acme --http http://x/ --env A", "cannot be used with"),
        ("providers run acme --http 127.0.0.1:80", "begins with http:// or https://"),
        ("providers run acme --http ftp://x", "begins with http:// or https://"),
        ("providers run acme --http http://u:p@x/", "no user or password"),
        ("providers run acme --http http://x/ -- true", "cannot be used with"),
        ("providers run acme --http http://x/ --headers-file /no/such", "cannot read /no/such"),
        ("providers run acme --http http://x/ --health other", "a health path begins with one `/`"),
        ("providers run acme --timeout 99ms -- true", "100ms to 1h"),
        ("providers run acme --concurrency 1001 -- true", "1 to 1000"),
        ("providers run acme --env A=B -- true", "a variable's name"),
        ("providers run acme --timeout 1s", "requires `-- PROGRAM` or `--http`"),
        ("providers run acme --fault silent -- true", "`--fault` is for simulated providers"),
        ("providers run acme --seed 7 -- true", "`--seed` is for simulated providers"),
        ("providers run acme --no-receipts -- true", "`--no-receipts` is for simulated providers"),
        ("bench --chaos -- true", "`--chaos` is for simulated providers"),
        ("bench --speed 2 --http http://x/", "`--speed` is for simulated providers"),
        ("bench --timeout 1s", "requires `-- PROGRAM` or `--http`"),
        ("providers run acme --behavior steady -- true", "`--behavior` is for simulated providers"),
        ("providers run --config /no/such", "cannot read /no/such"),
    ] {
        let refused = stack.rydes(arguments).run().exits(2);
        assert!(refused.stderr.contains(told), "{arguments}: {}", refused.stderr);
    }
    for (name, lines, told) in [
        ("globex", "http = 'http://x/'", "no provider globex is subscribed"),
        (simulated.as_str(), "http = 'http://x/'", "is a simulated provider"),
        ("acme", "http = 'http://x/'\nheaders-file = 'no-such'", "cannot read "),
    ] {
        let folder = folder(&[(name, lines.to_owned())]);
        let file = folder.path().join("providers.toml");
        let refused = stack.rydes("providers run --config").arg(file).run().exits(2);
        assert!(refused.stderr.contains(told), "{lines}: {}", refused.stderr);
    }
    let other = folder(&[("acme", "http = 'http://x/'".to_owned())]);
    let text = std::fs::read_to_string(other.path().join("providers.toml")).expect("it is there");
    write(other.path(), "providers.toml", &format!("stack = 'other'\n{text}"));
    let file = other.path().join("providers.toml");
    let refused = stack.rydes("providers run --config").arg(file).run().exits(2);
    assert!(refused.stderr.contains(" is for stack other, not for "), "{}", refused.stderr);
    assert_eq!((stack.depth("acme"), stack.in_flight("acme")), (1, 0));
}

#[test]
fn a_provider_whose_queue_is_gone_is_told_before_anything_is_received() {
    let stack = Stack::with_real(1, &["acme", "globex"]);
    stack.submit("--deadline 10m");
    let delete = clients().sqs.delete_queue().queue_url(stack.queue_url("acme"));
    wait(delete.send()).expect("it goes");
    let both = ["acme", "globex"].map(|name| (name, "http = 'http://127.0.0.1:1/'".to_owned()));
    let folder = folder(&both);
    let file = folder.path().join("providers.toml");
    stack.rydes("providers run --config").arg(file).run().exits(7);
    let seen = ["globex", &provider(1)].map(|queue| (stack.depth(queue), stack.in_flight(queue)));
    assert_eq!(seen, [(1, 0); 2]);
}

#[test]
fn a_wrong_file_is_refused_without_a_stack() {
    let folder = folder(&[("acme", "comand = ['true']".to_owned())]);
    let file = folder.path().join("providers.toml");
    let refused = rydes("providers run --config").arg(&file).run().exits(2);
    assert!(
        refused.stderr.contains("providers.toml:2:1: unknown field `comand`"),
        "{}",
        refused.stderr
    );
}
