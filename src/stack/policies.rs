//! The least-privilege policies for making, checking and using a stack, the same as in `docs/aws.md`. Pure.

use serde_json::{Value, json};

use super::ArnScope;
use crate::core::{Names, ProviderName};

/// The policy for one job, such as running the workers.
pub(super) struct AccessPolicy {
    /// Its name in the template.
    pub(super) id: &'static str,
    /// The job, as the template's description of the policy.
    pub(super) purpose: &'static str,
    pub(super) statements: Value,
}

/// The policies for a whole stack, in the order of the documentation.
pub(super) fn of_stack(names: &Names, scope: &ArnScope) -> Vec<AccessPolicy> {
    let policy = |id, purpose, statements| AccessPolicy { id, purpose, statements };
    vec![
        policy("SetupPolicy", "Make and remove a rydes stack", to_make(names, scope)),
        policy("CheckPolicy", "Check a rydes stack", to_check(names, scope)),
        policy("WorkPolicy", "Run the workers of a rydes stack", to_work(names, scope)),
        policy("SubmitPolicy", "Submit RFQs and look at them", to_submit(names, scope)),
        policy("ListPolicy", "List the rydes stacks", to_list(scope)),
        policy("BenchPolicy", "Count the rows of a rydes stack", to_measure(names, scope)),
        policy("ReportPolicy", "Look back on past RFQs", to_look_back(names, scope)),
    ]
}

fn allow(resource: impl Into<Value>, actions: &[&str]) -> Value {
    json!({"Effect": "Allow", "Resource": resource.into(), "Action": actions})
}

/// The ARNs of all queues whose names begin like the stack's.
fn queues(names: &Names, scope: &ArnScope) -> String {
    scope.queue_arn(&format!("{}*", names.prefix()))
}

fn table(names: &Names, scope: &ArnScope) -> String {
    scope.arn("dynamodb", &format!("table/{}", names.table()))
}

fn to_make(names: &Names, scope: &ArnScope) -> Value {
    json!([
        allow(
            scope.topic_arn(&names.topic()),
            &[
                "sns:CreateTopic",
                "sns:DeleteTopic",
                "sns:GetTopicAttributes",
                "sns:TagResource",
                "sns:UntagResource",
                "sns:ListTagsForResource",
                "sns:ListSubscriptionsByTopic",
                "sns:Subscribe",
            ]
        ),
        allow(
            queues(names, scope),
            &[
                "sqs:CreateQueue",
                "sqs:DeleteQueue",
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
                "sqs:SetQueueAttributes",
                "sqs:ListQueueTags",
                "sqs:TagQueue",
                "sqs:UntagQueue",
            ]
        ),
        allow(
            table(names, scope),
            &[
                "dynamodb:CreateTable",
                "dynamodb:DeleteTable",
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:UpdateTimeToLive",
                "dynamodb:ListTagsOfResource",
                "dynamodb:TagResource",
            ]
        ),
        allow(
            "*",
            &[
                "sns:ListTopics",
                "sns:Unsubscribe",
                "sns:GetSubscriptionAttributes",
                "sns:SetSubscriptionAttributes",
                "sqs:ListQueues",
            ]
        ),
    ])
}

fn to_check(names: &Names, scope: &ArnScope) -> Value {
    json!([
        allow(
            scope.topic_arn(&names.topic()),
            &["sns:GetTopicAttributes", "sns:ListTagsForResource", "sns:ListSubscriptionsByTopic"]
        ),
        allow(
            queues(names, scope),
            &["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags"]
        ),
        allow(
            table(names, scope),
            &[
                "dynamodb:DescribeTable",
                "dynamodb:DescribeTimeToLive",
                "dynamodb:ListTagsOfResource",
            ]
        ),
        allow("*", &["sns:ListTopics", "sns:GetSubscriptionAttributes", "sqs:ListQueues"]),
    ])
}

fn to_work(names: &Names, scope: &ArnScope) -> Value {
    json!([
        allow(
            queues(names, scope),
            &[
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
                "sqs:ListQueueTags",
                "sqs:ReceiveMessage",
                "sqs:SendMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
            ]
        ),
        allow(
            scope.topic_arn(&names.topic()),
            &["sns:ListSubscriptionsByTopic", "sns:ListTagsForResource"]
        ),
        allow("*", &["sns:GetSubscriptionAttributes"]),
        allow(
            table(names, scope),
            &["dynamodb:PartiQLInsert", "dynamodb:PartiQLUpdate", "dynamodb:GetItem"]
        ),
    ])
}

/// What the owner of one real provider may do.
pub(super) fn of_provider(names: &Names, scope: &ArnScope, provider: &ProviderName) -> Value {
    json!([
        allow(
            scope.queue_arn(&names.provider_queue(provider)),
            &[
                "sqs:GetQueueUrl",
                "sqs:GetQueueAttributes",
                "sqs:ListQueueTags",
                "sqs:ReceiveMessage",
                "sqs:DeleteMessage",
                "sqs:ChangeMessageVisibility",
            ]
        ),
        allow(
            json!([
                scope.queue_arn(&names.response_queue()),
                scope.queue_arn(&names.provider_dead_letters()),
            ]),
            &["sqs:GetQueueUrl", "sqs:SendMessage"]
        ),
    ])
}

fn to_submit(names: &Names, scope: &ArnScope) -> Value {
    json!([
        allow(
            queues(names, scope),
            &["sqs:GetQueueUrl", "sqs:GetQueueAttributes", "sqs:ListQueueTags"]
        ),
        allow(
            scope.topic_arn(&names.topic()),
            &["sns:ListSubscriptionsByTopic", "sns:ListTagsForResource", "sns:Publish"]
        ),
        allow("*", &["sns:GetSubscriptionAttributes"]),
        allow(
            table(names, scope),
            &[
                "dynamodb:PutItem",
                "dynamodb:GetItem",
                "dynamodb:UpdateItem",
                "dynamodb:DeleteItem",
                "dynamodb:Query",
                "dynamodb:DescribeTable",
            ]
        ),
    ])
}

fn to_list(scope: &ArnScope) -> Value {
    json!([
        allow("*", &["sqs:ListQueues", "dynamodb:ListTables"]),
        allow(scope.queue_arn("*"), &["sqs:GetQueueAttributes", "sqs:ListQueueTags"]),
        allow(scope.topic_arn("*"), &["sns:ListSubscriptionsByTopic"]),
        allow(
            scope.arn("dynamodb", "table/*"),
            &["dynamodb:DescribeTable", "dynamodb:ListTagsOfResource"]
        ),
    ])
}

fn to_measure(names: &Names, scope: &ArnScope) -> Value {
    json!([allow(table(names, scope), &["dynamodb:Scan"])])
}

fn to_look_back(names: &Names, scope: &ArnScope) -> Value {
    json!([allow(table(names, scope), &["dynamodb:DescribeTable", "dynamodb:Scan"])])
}
