//! Resources of the right name that are somebody else's.

use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, KeySchemaElement, KeyType, ScalarAttributeType,
};

use super::resources::{all_is_there, is_answered_as, is_provider_queue};
use super::says;
use crate::support::resources::{Names, clients, wait};
use crate::support::stack::Stack;

/// `setup` refuses and makes nothing; with `--adopt` it takes the resource over.
fn is_left_alone_until_adopted(stack: &Stack, what: &str) {
    let before = stack.names();
    for options in ["", " --dry-run"] {
        let refused = stack.run(&format!("setup --providers 2{options}")).exits(1);
        let name = &stack.name;
        says(&refused, &format!("{what} exists, but lacks the tag rydes:stack = {name}; it was"));
        says(&refused, "hint: take it over with `--adopt`, or choose another `--stack`");
        assert_eq!(stack.names(), before, "nothing was made");
    }
    let adopted = stack.run("setup --providers 2 --adopt").exits(0);
    says(&adopted, "1 changed in ");
    all_is_there(stack, 2);
    says(&stack.run("setup --providers 2").exits(0), "0 created, 9 kept, 0 changed in ");
}

#[test]
fn a_foreign_queue_is_left_alone_until_adopted() {
    let stack = Stack::new();
    stack.make_queue("UnicornManagementResource2");
    let what = format!("queue {}", stack.full("UnicornManagementResource2"));
    is_left_alone_until_adopted(&stack, &what);
    is_answered_as(&stack, "UnicornManagementResource1", "simulated");
    is_answered_as(&stack, "UnicornManagementResource2", "external");
    says(&stack.run("providers run UnicornManagementResource2").exits(2), "is a real provider");
}

#[test]
fn a_queue_of_another_stack_is_left_alone_until_adopted() {
    let stack = Stack::new();
    let call = clients().sqs.create_queue().queue_name(stack.full("RequestForQuotesResponseQueue"));
    wait(call.tags("rydes:stack", "another").send()).expect("it is made");
    let what = format!("queue {}", stack.full("RequestForQuotesResponseQueue"));
    is_left_alone_until_adopted(&stack, &what);
}

#[test]
fn a_foreign_topic_is_left_alone_until_adopted() {
    let stack = Stack::new();
    let topic = stack.full("RequestForQuotesTopic");
    wait(clients().sns.create_topic().name(&topic).send()).expect("it is made");
    is_left_alone_until_adopted(&stack, &format!("topic {topic}"));
}

/// Makes a table that is nobody's, with these keys.
fn make_table(stack: &Stack, keys: [&str; 2]) {
    let mut call = clients().dynamodb.create_table().table_name(stack.full("RidesBookingTable"));
    for (key, kind) in keys.into_iter().zip([KeyType::Hash, KeyType::Range]) {
        let attribute = AttributeDefinition::builder().attribute_name(key);
        let attribute = attribute.attribute_type(ScalarAttributeType::S).build();
        let element = KeySchemaElement::builder().attribute_name(key).key_type(kind).build();
        call = call
            .attribute_definitions(attribute.expect("valid"))
            .key_schema(element.expect("valid"));
    }
    wait(call.billing_mode(BillingMode::PayPerRequest).send()).expect("it is made");
}

#[test]
fn a_foreign_table_is_left_alone_until_adopted() {
    let stack = Stack::new();
    make_table(&stack, ["id", "responder"]);
    is_left_alone_until_adopted(&stack, &format!("table {}", stack.full("RidesBookingTable")));
}

#[test]
fn a_table_with_other_keys_is_never_taken_over() {
    let stack = Stack::new();
    make_table(&stack, ["rfq", "responder"]);
    let only = Names { tables: vec![stack.full("RidesBookingTable")], ..Names::default() };
    let refused = stack.run("setup --providers 1 --adopt").exits(1);
    says(&refused, "has other keys than `id` and `responder`");
    assert_eq!(stack.names(), only, "nothing was made");
    assert_eq!(stack.table_tags(), [].into());
}

#[test]
fn a_foreign_provider_queue_is_left_alone_until_adopted() {
    let stack = Stack::set_up(1);
    stack.make_queue("acme");
    says(&stack.run("providers add acme").exits(1), "lacks the tag rydes:stack");
    says(&stack.run("providers remove acme").exits(1), "lacks the tag rydes:stack");
    assert_eq!(stack.queue("acme").tags, [].into());
    assert_eq!(stack.subscriptions().len(), 1);
    stack.run("providers add acme --adopt").exits(0);
    is_provider_queue(&stack, "acme");
    is_answered_as(&stack, "acme", "external");
}
