//! What people read without any LocalStack: help and errors, stdout, stderr and code together.

use crate::support::rydes;

/// All that a command line says.
fn said(arguments: &str) -> String {
    let ran = rydes(arguments).env("AWS_ENDPOINT_URL", "http://127.0.0.1:9").run();
    format!("exit {}\n{}---\n{}", ran.code.unwrap_or(-1), ran.stdout, ran.stderr)
}

#[test]
fn bare_rydes_shows_the_commands_in_the_order_of_use() {
    insta::assert_snapshot!(said(""));
}

#[test]
fn a_missing_city_is_named() {
    insta::assert_snapshot!(said("submit --from Frankfurt"));
}

#[test]
fn an_empty_city_is_named() {
    let ran = rydes("submit --to Rome --from").arg(" ").run().exits(2);
    insta::assert_snapshot!(ran.stderr);
}

#[test]
fn a_fault_that_is_none_shows_good_ones() {
    insta::assert_snapshot!(said("providers run --fault fast"));
}

#[test]
fn nothing_answers() {
    insta::assert_snapshot!(said("quotes 1234"));
}

#[test]
fn a_stack_has_to_be_named_on_aws() {
    insta::assert_snapshot!(said("--aws setup"));
}

#[test]
fn every_command_has_help_with_both_its_own_and_the_global_options() {
    for command in [
        "demo",
        "localstack up",
        "setup",
        "providers run",
        "providers add",
        "consumer run",
        "submit",
        "quotes",
        "status",
        "verify",
        "trace",
        "close",
        "dlq list",
        "teardown",
        "completions",
    ] {
        let before = rydes(&format!("--stack x {command} --help")).run().exits(0);
        let after = rydes(&format!("{command} --stack x --help")).run().exits(0);
        assert_eq!(before.stdout, after.stdout);
        for option in ["--endpoint-url", "--aws", "--output", "--quiet", "--color"] {
            assert!(after.stdout.contains(option), "{command}: {option}");
        }
        assert_eq!(after.stderr, "");
    }
}
