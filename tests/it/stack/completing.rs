//! A `setup` that was killed or that is not alone.

use std::thread;
use std::time::Duration;

use super::resources::is_complete;
use super::says;
use crate::support::Rydes;
use crate::support::stack::Stack;

/// Kills a setup after so many milliseconds, if it takes so long.
fn killed_after(stack: &Stack, milliseconds: u64) {
    let mut setup = stack.typed("setup --providers 3").start();
    thread::sleep(Duration::from_millis(milliseconds));
    setup.kill().expect("it can be killed");
    setup.wait().expect("it was killed");
}

#[test]
fn one_that_was_killed_is_completed_by_the_next() {
    for milliseconds in [50, 100, 200, 300, 500, 800] {
        let stack = Stack::new();
        killed_after(&stack, milliseconds);
        stack.run("setup --providers 3").exits(0);
        is_complete(&stack, 3);
        says(&stack.run("setup --providers 3").exits(0), "0 created, 11 kept, 0 changed in ");
    }
}

#[test]
fn one_that_was_killed_again_and_again_is_completed_by_the_last() {
    let stack = Stack::new();
    (1..=6).for_each(|time| killed_after(&stack, 60 * time));
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

#[test]
fn the_name_of_a_deleted_queue_is_waited_for() {
    let stack = Stack::set_up(1);
    stack.run("teardown --yes").exits(0);
    let again = stack.typed("setup --providers 1").within(Duration::from_mins(2)).run().exits(0);
    says(&again, "was deleted less than a minute ago");
    is_complete(&stack, 1);
}
