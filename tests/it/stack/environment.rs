//! An environment that is not what one thinks: proxies, variables that are not text, regions that do
//! not exist, few files, and one machine under several names.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt as _;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use tempfile::TempDir;

use super::{document, says};
use crate::support::aws::Aws;
use crate::support::background::Background;
use crate::support::localstack::endpoint;
use crate::support::proxy::Proxy;
use crate::support::stack::Stack;
use crate::support::{Rydes, rydes, shell, wait_for};

/// A proxy that is not meant for LocalStack, in every variable that may name one.
fn with_proxy(line: Rydes, url: &str) -> Rydes {
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .fold(line, |line, variable| line.env(variable, url))
        .env("NO_PROXY", "")
        .env("no_proxy", "")
}

#[test]
fn localstack_is_never_reached_through_a_proxy() {
    let (foreign, stack) = (Aws::start(), Stack::new());
    for command in [
        "setup --providers 1",
        "providers list",
        "submit --from A --to B",
        "quotes",
        "status",
        "dlq list",
        "teardown --yes",
    ] {
        with_proxy(stack.rydes(command), &foreign.url).run().exits(0);
    }
    let port = endpoint().rsplit(':').next().expect("a port");
    let up = rydes(&format!("localstack up --port {port}"));
    says(&with_proxy(up, &foreign.url).run().exits(0), "is up already");
    assert!(foreign.seen().is_empty(), "{:?}", foreign.seen());
}

#[test]
fn a_variable_that_is_not_text_is_refused_by_name() {
    let stack = Stack::set_up(1);
    let latin = OsStr::from_bytes(b"field-\xfcbung");
    for variable in [
        "RYDES_STACK",
        "RYDES_REGION",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_SNS",
        "AWS_ENDPOINT_URL_SQS",
        "AWS_ENDPOINT_URL_DYNAMODB",
        "AWS_ACCESS_KEY_ID",
    ] {
        let ran = stack.rydes("teardown --yes").env(variable, latin).run().exits(2);
        says(&ran, &format!("error: the variable {variable} is not UTF-8\n"));
    }
    for variable in [
        "AWS_REGION",
        "AWS_DEFAULT_REGION",
        "AWS_PROFILE",
        "AWS_ACCESS_KEY_ID",
        "AWS_SECRET_ACCESS_KEY",
        "AWS_SESSION_TOKEN",
        "AWS_CONFIG_FILE",
        "AWS_SHARED_CREDENTIALS_FILE",
        "AWS_ENDPOINT_URL",
        "AWS_ENDPOINT_URL_STS",
        "AWS_ROLE_SESSION_NAME",
        "AWS_USE_FIPS_ENDPOINT",
        "AWS_USE_DUALSTACK_ENDPOINT",
        "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
        "HTTPS_PROXY",
        "no_proxy",
        "HOME",
    ] {
        let ran = rydes("--aws --stack x status").env(variable, latin).run().exits(2);
        says(&ran, &format!("error: the variable {variable} is not UTF-8\n"));
    }
    for variable in ["AWS_ENDPOINT_URL", "RYDES_LOCALSTACK_IMAGE"] {
        let ran = rydes("localstack up --check").env(variable, latin).run().exits(2);
        says(&ran, &format!("error: the variable {variable} is not UTF-8\n"));
    }
    stack.run("providers list").exits(0);
}

#[test]
fn paths_are_any_bytes() {
    let stack = Stack::set_up(1);
    let folder = TempDir::new().expect("a temporary folder");
    let latin = folder.path().join(OsStr::from_bytes(b"\xfcbung"));
    let id = stack.rydes("submit --from A --to B").env("XDG_STATE_HOME", &latin).run().exits(0);
    assert!(latin.join("rydes/recent.jsonl").is_file());
    let found = stack.rydes("quotes -o json").env("XDG_STATE_HOME", &latin).run().exits(0);
    assert_eq!(document(&found)["rfq-id"], id.stdout.trim());
    // What is not looked at may be anything.
    let line = rydes("localstack logs --port 1").env("RYDES_CACHE_DIR", &latin);
    says(&line.env("LANG", OsStr::from_bytes(b"\xff")).run().exits(1), "rydes localstack up");
}

#[test]
fn folders_that_are_relative_are_ignored() {
    let stack = Stack::set_up(1);
    let folder = TempDir::new().expect("a temporary folder");
    let script = format!(
        "cd '{}' && rydes --stack {} --endpoint-url {} submit --from A --to B && rydes localstack logs \
         --port 1",
        folder.path().display(),
        stack.name,
        endpoint()
    );
    let home = folder.path().join("home");
    shell(&script)
        .env("HOME", &home)
        .env("XDG_STATE_HOME", "state")
        .env("XDG_CACHE_HOME", "cache")
        .run()
        .exits(1);
    let here: Vec<_> = fs::read_dir(folder.path())
        .expect("it can be listed")
        .map(|entry| entry.expect("it can be listed").file_name())
        .collect();
    assert_eq!(here, ["home"]);
    assert!(home.join(".local/state/rydes/recent.jsonl").is_file());
}

#[test]
fn one_machine_under_several_names_is_one_memory() {
    let stack = Stack::set_up(1);
    let port = endpoint().rsplit(':').next().expect("a port").to_owned();
    let at = |url: String, arguments: &str| {
        let line = stack.anywhere(&format!("--stack {} {arguments}", stack.name));
        line.env("AWS_ENDPOINT_URL", url).run()
    };
    let id = at(format!("http://127.0.0.1:{port}"), "submit --from A --to B").exits(0);
    for url in [
        format!("http://localhost:{port}"),
        format!("HTTP://LocalHost:{port}/"),
        format!("http://127.0.0.1:{port}/"),
    ] {
        let found = at(url, "quotes -o json").exits(0);
        assert_eq!(document(&found)["rfq-id"], id.stdout.trim());
    }
    let up = rydes("localstack up").env("AWS_ENDPOINT_URL", format!("HTTP://LocalHost:{port}/"));
    says(&up.run().exits(0), "is up already");
}

#[test]
fn regions_that_can_be_none_are_refused_with_their_origin() {
    for (bad, shown) in [
        ("us-east-1\r", "us-east-1\\u{d}"),
        ("EU West", "EU West"),
        ("US-EAST-1", "US-EAST-1"),
        ("", ""),
        ("eu/west", "eu/west"),
    ] {
        let said = |origin: &str| format!("error: `{origin} {shown}`: a region is made of ");
        let typed = rydes("providers list").arg(format!("--region={bad}")).run().exits(2);
        says(&typed, &said("--region"));
        let typed = rydes("--aws --stack x status").arg(format!("--region={bad}")).run().exits(2);
        says(&typed, &said("--region"));
        if bad.is_empty() {
            continue;
        }
        let set = rydes("teardown --yes").env("RYDES_REGION", bad).run().exits(2);
        says(&set, &said("RYDES_REGION"));
        for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
            let set = rydes("--aws --stack x status").env(variable, bad).run().exits(2);
            says(&set, &said(variable));
        }
    }
}

/// LocalStack answers for its default region instead: the stack there must not be worked on.
#[test]
fn regions_that_localstack_does_not_know_are_refused_by_every_command() {
    let stack = Stack::set_up(1);
    let id = stack.submit("");
    for command in [
        "setup",
        "providers list",
        "submit --from A --to B",
        &format!("quotes {id}"),
        "status",
        "dlq list",
        &format!("verify {id}"),
        "teardown --yes",
    ] {
        let ran = stack.typed(&format!("--region us-esat-1 {command}")).run().exits(2);
        says(
            &ran,
            &format!("LocalStack {} refuses the region `us-esat-1` (--region)\n", endpoint()),
        );
        assert_eq!(ran.stdout, "", "{command}");
    }
    let set = stack.rydes("status").env("RYDES_REGION", "mars-north-7").run().exits(2);
    says(&set, "refuses the region `mars-north-7` (RYDES_REGION)\n");
    stack.run("providers list").exits(0);
}

/// The same behind an endpoint that tells no version, as one over TLS does not either.
#[test]
fn regions_are_checked_where_no_version_is_told_too() {
    let (stack, proxy) = (Stack::set_up(1), Proxy::start());
    proxy.rewrite("/_localstack/health", usize::MAX, |_| "{}".to_owned());
    let before = stack.names();
    let line = stack.rydes("--region us-esat-1 teardown --yes");
    let ran = line.env("AWS_ENDPOINT_URL", &proxy.url).run().exits(2);
    says(&ran, &format!("LocalStack {} refuses the region `us-esat-1` (--region)\n", proxy.url));
    assert_eq!(stack.names(), before, "nothing was removed");
}

/// The file of authorities is a pipe: a program that opens it to read waits for a writer, and none comes.
#[test]
fn no_authorities_are_read_where_the_endpoint_is_plain_http() {
    let (stack, folder) = (Stack::set_up(1), TempDir::new().expect("a folder"));
    let authorities = folder.path().join("authorities.pem");
    let made = Command::new("mkfifo").arg(&authorities).status().expect("mkfifo runs");
    assert!(made.success());
    stack.rydes("submit --from A --to B").env("SSL_CERT_FILE", &authorities).run().exits(0);
    let mut over_tls = Aws::start()
        .rydes("111122223333", "--stack plain status")
        .env("SSL_CERT_FILE", &authorities)
        .start();
    // A pipe without a reader cannot be opened so.
    wait_for("one that uses TLS to read the authorities", || {
        open(&authorities, OFlags::WRONLY | OFlags::NONBLOCK, Mode::empty()).ok()
    });
    over_tls.kill().expect("it runs");
    over_tls.wait().expect("it has ended");
}

#[test]
fn hosts_of_every_partition_are_real_aws() {
    for url in [
        "https://sqs.eusc-de-east-1.amazonaws.eu",
        "https://sns.us-iso-east-1.c2s.ic.gov",
        "https://SQS.us-isob-east-1.SC2S.sgov.gov./",
        "https://dynamodb.cn-north-1.api.amazonwebservices.com.cn",
    ] {
        for command in ["setup", "providers list", "teardown --yes"] {
            let typed = rydes(&format!("--endpoint-url {url} {command}")).run().exits(2);
            says(&typed, "--endpoint-url points at real AWS; say --aws if you mean it");
        }
        let set = rydes("setup").env("AWS_ENDPOINT_URL_SNS", url).run().exits(2);
        says(&set, "AWS_ENDPOINT_URL_SNS points at real AWS; say --aws if you mean it");
    }
}

/// Runs a command line in a shell that allows so few files.
fn with_files(stack: &Stack, limit: &str, arguments: &str) -> Rydes {
    let place = format!("--stack {} --endpoint-url {}", stack.name, endpoint());
    shell(&format!("ulimit {limit} && exec rydes {place} {arguments}"))
}

#[test]
fn a_soft_limit_of_files_is_raised() {
    let stack = Stack::set_up(1);
    with_files(&stack, "-Sn 16", "setup --providers 12").run().exits(0);
    with_files(&stack, "-Sn 16", "status").run().exits(0);
}

#[test]
fn too_few_files_are_named_with_the_limit() {
    let stack = Stack::set_up(1);
    let mut said = 0;
    // Which part fails first differs; none of them is silence.
    for files in 5..16 {
        let ran = with_files(&stack, &format!("-n {files}"), "providers list").run();
        assert!(!ran.stderr.contains("nothing answers"), "{files}: {}", ran.stderr);
        if ran.code == Some(0) {
            break;
        }
        if ran.stderr.contains(&format!("this process may open {files}")) {
            says(&ran, " (`ulimit -n 2048`, in the shell that starts it, allows more)\n");
            said += 1;
        }
    }
    assert!(said > 0, "no limit was ever named");
}

#[test]
fn workers_with_too_few_files_say_so() {
    let stack = Stack::set_up(40);
    let run = with_files(&stack, "-n 30", "providers run -o jsonl --poll-wait 2s");
    let workers = Background::start(run);
    let troubles = || workers.events().into_iter().filter(|event| event["event"] == "trouble");
    let said = wait_for("a trouble", || troubles().next());
    let why = said["reason"].as_str().expect("a reason");
    assert!(
        why.starts_with("too many files are open: this process may open 30 (`ulimit "),
        "{why}"
    );
    assert!(troubles().all(|event| event["reason"] == said["reason"]), "{said}");
}

#[test]
fn help_names_the_defaults_of_the_region() {
    let help = Command::new(env!("CARGO_BIN_EXE_rydes")).arg("--help").output();
    let help = String::from_utf8(help.expect("it runs").stdout).expect("it is text");
    let words = help.split_whitespace().collect::<Vec<_>>().join(" ");
    let said = "Region [default: us-east-1] [env: RYDES_REGION]; with --aws [default: the \
                profile's] [env: AWS_REGION, AWS_DEFAULT_REGION]";
    assert!(words.contains(said), "{words}");
}
