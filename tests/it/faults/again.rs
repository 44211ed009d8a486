//! A stack that is set up again less than a minute after its teardown. The tests run in the order of
//! their names, and this one waits a minute: in this folder it begins early.

use std::time::Duration;

use crate::stack::resources::is_complete;
use crate::support::stack::Stack;

#[test]
fn the_name_of_a_deleted_queue_is_waited_for() {
    let stack = Stack::set_up(1);
    stack.run("teardown --yes").exits(0);
    let again = stack.typed("setup --providers 1").within(Duration::from_mins(2)).run().exits(0);
    let said = "was deleted less than a minute ago";
    assert!(again.stderr.contains(said), "{}", again.stderr);
    is_complete(&stack, 1);
}
