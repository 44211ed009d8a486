//! `setup --dry-run`, and how many providers there are.

use super::resources::is_complete;
use super::{document, says, states};
use crate::support::resources::Names;
use crate::support::stack::Stack;

#[test]
fn a_dry_run_shows_the_same_plan_and_touches_nothing() {
    let stack = Stack::new();
    let dry = stack.run("setup --providers 3 --dry-run").exits(0);
    says(&dry, "dry run: 11 to create, 0 to keep, 0 to change; nothing was touched");
    let json = document(&stack.run("setup --providers 3 -n -ojson").exits(0));
    assert_eq!((&json["dry-run"], &json["created"]), (&true.into(), &11.into()));
    assert_eq!(stack.names(), Names::default(), "nothing was made");

    let real = stack.run("setup --providers 3").exits(0);
    assert_eq!(dry.stdout.replace("to create", "created"), real.stdout);
    let done = document(&stack.run("setup --providers 3 -ojson").exits(0));
    let names = |document: &serde_json::Value| {
        let resources = document["resources"].as_array().cloned().expect("a list");
        resources.into_iter().map(|found| found["name"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(names(&json), names(&done));
}

#[test]
fn a_dry_run_of_an_existing_stack_says_what_would_be_kept() {
    let stack = Stack::set_up(2);
    let dry = stack.run("setup --providers 3 --dry-run").exits(0);
    says(&dry, "dry run: 2 to create, 9 to keep, 0 to change; nothing was touched");
    let (keep, some) = ("to keep", "1 to create, 2 to keep");
    assert_eq!(states(&dry.stdout), [keep, some, some, keep, keep, keep, keep]);
    is_complete(&stack, 2);
}

#[test]
fn fewer_providers_keep_the_rest_and_say_how_to_remove_them() {
    let stack = Stack::set_up(3);
    let fewer = stack.run("setup --providers 2").exits(0);
    is_complete(&stack, 3);
    says(&fewer, "1 more simulated provider was kept; to remove it:\n");
    let line = fewer.stderr.lines().find(|line| line.contains("providers remove"));
    let line = line.expect("it is printed").trim().strip_prefix("rydes ").expect("a command line");
    let removed = crate::support::rydes(line).run().exits(0);
    says(&removed, "UnicornManagementResource3 is removed");
    is_complete(&stack, 2);
    let again = stack.run("setup --providers 2").exits(0);
    assert!(!again.stderr.contains("providers remove"), "{}", again.stderr);
}

#[test]
fn an_external_provider_with_a_number_is_not_called_simulated() {
    let stack = Stack::set_up(1);
    stack.run("providers add UnicornManagementResource2").exits(0);
    let fewer = stack.run("setup --providers 1").exits(0);
    assert!(!fewer.stderr.contains("providers remove"), "{}", fewer.stderr);
    let more = stack.run("setup --providers 2");
    assert_eq!(more.code, Some(0), "{}", more.stderr);
    let listed = stack.run("providers list").exits(0);
    assert!(listed.stdout.contains("UnicornManagementResource2  external"), "{}", listed.stdout);
}

#[test]
fn a_stack_without_simulated_providers_is_for_real_ones() {
    let stack = Stack::new();
    let made = stack.run("setup --providers 0").exits(0);
    says(&made, "5 created, 0 kept, 0 changed");
    says(&made, "providers add NAME");
    assert!(!made.stdout.contains("provider queues"), "{}", made.stdout);
    says(&stack.run("submit --from A --to B").exits(1), "no provider is subscribed");
    says(&stack.run("providers add acme").exits(0), "providers run acme -- PROGRAM");
    says(&stack.run("providers run").exits(1), "no simulated provider is subscribed");
}
