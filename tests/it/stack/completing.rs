//! A `setup` that was killed or that is not alone.

use std::thread;

use super::resources::is_complete;
use super::says;
use crate::support::proxy::{Proxy, ProxyFault};
use crate::support::stack::Stack;
use crate::support::{Rydes, side_by_side};

/// All that a setup asks for.
const REQUESTS: [&str; 5] =
    ["CreateQueue", "CreateTopic", "CreateTable", "UpdateTimeToLive", "Subscribe"];

/// Runs a command until it makes a request of this kind, which is never answered, and kills it there.
pub(super) fn killed_at(stack: &Stack, command: &str, operation: &str, hold: &ProxyFault) {
    let proxy = Proxy::start();
    proxy.fail(operation, usize::MAX, hold.clone());
    let mut killed = stack.rydes(command).env("AWS_ENDPOINT_URL", &proxy.url).start();
    proxy.until_held();
    killed.kill().and_then(|()| killed.wait()).expect("it can be killed");
}

#[test]
fn one_that_was_killed_is_completed_by_the_next() {
    side_by_side(REQUESTS, |operation| {
        for hold in [ProxyFault::Hold, ProxyFault::HoldAfter] {
            let stack = Stack::new();
            killed_at(&stack, "setup --providers 3", operation, &hold);
            stack.run("setup --providers 3").exits(0);
            is_complete(&stack, 3);
            says(&stack.run("setup --providers 3").exits(0), "0 created, 11 kept, 0 changed in ");
        }
    });
}

#[test]
fn one_that_was_killed_again_and_again_is_completed_by_the_last() {
    let stack = Stack::new();
    for operation in ["CreateQueue", "CreateTable", "UpdateTimeToLive"] {
        killed_at(&stack, "setup --providers 3", operation, &ProxyFault::HoldAfter);
    }
    stack.run("setup --providers 3").exits(0);
    is_complete(&stack, 3);
}

#[test]
fn several_at_the_same_time_all_succeed() {
    let stack = Stack::new();
    let setups = [(); 3].map(|()| stack.typed("setup --providers 3"));
    let running = setups.map(|setup| thread::spawn(move || Rydes::run(setup)));
    for ran in running {
        ran.join().expect("it runs").exits(0);
    }
    is_complete(&stack, 3);
    says(&stack.run("setup --providers 3").exits(0), "0 created, 11 kept, 0 changed in ");
}
