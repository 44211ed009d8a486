//! The template of a stack for CloudFormation, from the description that `setup` follows. Pure.

use serde_json::{Map, Value, json};

use super::ArnScope;
use super::description::{StackDescription, TableSpec, TopicSpec};
use super::policies;
use super::spec::QueueSpec;
use crate::core::{Names, PROVIDER_TAG, ProviderName, Retention, StackName};

/// The parameter with the stack's name.
const STACK: &str = "Stack";
/// The parameter that decides whether the policies are made, its condition, and the value for yes.
const WITH_POLICIES: &str = "Policies";
const POLICIES: &str = "WithPolicies";
const YES: &str = "yes";

/// A template in JSON that makes what `setup` makes for this stack and these simulated providers. The names are the
/// defaults of parameters; a provider whose parameter has another value is a real one.
pub fn cloudformation(
    stack: &StackName,
    providers: &[ProviderName],
    retention: Retention,
) -> Value {
    let names = Names::new(&StackName::parameter(STACK));
    let scope = ArnScope {
        partition: "${AWS::Partition}".to_owned(),
        region: "${AWS::Region}".to_owned(),
        account: "${AWS::AccountId}".to_owned(),
    };
    let references =
        (1..=providers.len()).map(|number| ProviderName::parameter(&parameter(number)));
    let description = StackDescription::of(&names, &scope, references, retention);
    let mut template = Template::new(&names, &scope, &description);
    template.add(&names, &scope, &description);
    json!({
        "AWSTemplateFormatVersion": "2010-09-09",
        "Description": format!("Scatter-gather with rydes: the stack {stack}"),
        "Parameters": parameters(stack, providers),
        "Conditions": conditions(providers),
        "Resources": template.resources,
        "Outputs": template.outputs,
    })
}

/// The parameter with a provider's name; providers are counted from 1.
fn parameter(number: usize) -> String {
    format!("Provider{number}")
}

fn parameters(stack: &StackName, providers: &[ProviderName]) -> Value {
    let name = |default: &str, pattern: &str, means: &str| {
        json!({
            "Type": "String",
            "Default": default,
            "AllowedPattern": pattern,
            "Description": means,
        })
    };
    let mut all = Map::new();
    let means = "Name of the stack, as in `rydes --stack`";
    all.insert(STACK.to_owned(), name(stack.as_str(), StackName::PATTERN, means));
    for (at, provider) in providers.iter().enumerate() {
        let means = format!("Name of a provider; with any but {provider}, a real one");
        let name = name(provider.as_str(), ProviderName::PATTERN, &means);
        all.insert(parameter(at + 1), name);
    }
    let policies = json!({
        "Type": "String",
        "Default": "no",
        "AllowedValues": [YES, "no"],
        "Description": "Whether to make a managed policy for each job",
    });
    all.insert(WITH_POLICIES.to_owned(), policies);
    Value::Object(all)
}

fn conditions(providers: &[ProviderName]) -> Value {
    let mut all = Map::new();
    let is = |parameter: &str, value: &str| json!({"Fn::Equals": [{"Ref": parameter}, value]});
    all.insert(POLICIES.to_owned(), is(WITH_POLICIES, YES));
    for (at, provider) in providers.iter().enumerate() {
        let name = parameter(at + 1);
        let is_simulated = simulated(&name);
        all.insert(is_simulated.clone(), is(&name, provider.as_str()));
        let both = json!([{"Condition": POLICIES}, {"Fn::Not": [{"Condition": is_simulated}]}]);
        all.insert(own_policy(&name), json!({"Fn::And": both}));
    }
    Value::Object(all)
}

/// The condition that a provider is a simulated one.
fn simulated(parameter: &str) -> String {
    format!("{parameter}IsSimulated")
}

/// The condition that a provider's owner gets a policy.
fn own_policy(parameter: &str) -> String {
    format!("{parameter}HasPolicy")
}

struct Template {
    resources: Map<String, Value>,
    outputs: Map<String, Value>,
    /// The ARNs of the resources, each with what refers to it.
    arns: Vec<(String, Value)>,
}

impl Template {
    fn new(names: &Names, scope: &ArnScope, description: &StackDescription) -> Self {
        let arn_of = |id: &str| json!({"Fn::GetAtt": [id, "Arn"]});
        let mut arns = vec![
            (scope.topic_arn(&names.topic()), json!({"Ref": "Topic"})),
            (scope.queue_arn(&names.response_queue()), arn_of("ResponseQueue")),
            (scope.queue_arn(&names.provider_dead_letters()), arn_of("ProviderDeadLetters")),
            (scope.queue_arn(&names.response_dead_letters()), arn_of("ResponseDeadLetters")),
            (scope.arn("dynamodb", &format!("table/{}", names.table())), arn_of("Table")),
        ];
        for (at, (_, spec)) in description.providers.iter().enumerate() {
            let id = format!("{}Queue", parameter(at + 1));
            arns.push((scope.queue_arn(&spec.name), arn_of(&id)));
        }
        Self { resources: Map::new(), outputs: Map::new(), arns }
    }

    fn add(&mut self, names: &Names, scope: &ArnScope, description: &StackDescription) {
        self.topic(&description.topic);
        self.queue("ProviderDeadLetters", &description.provider_dead_letters);
        self.queue("ResponseDeadLetters", &description.response_dead_letters);
        self.queue("ResponseQueue", &description.response);
        for (at, (_, spec)) in description.providers.iter().enumerate() {
            let provider = parameter(at + 1);
            self.queue(&format!("{provider}Queue"), spec);
            self.subscription(&provider, scope, spec, description);
        }
        self.table(&description.table);
        for policy in policies::of_stack(names, scope) {
            self.policy(policy.id, POLICIES, policy.purpose, &policy.statements);
            let output = format!("{}Arn", policy.id);
            self.output(&output, policy.id);
            self.outputs[&output]["Condition"] = json!(POLICIES);
        }
        for (at, (name, _)) in description.providers.iter().enumerate() {
            let provider = parameter(at + 1);
            let statements = policies::of_provider(names, scope, name);
            let (id, purpose) = (format!("{provider}Policy"), "Run one real provider");
            self.policy(&id, &own_policy(&provider), purpose, &statements);
        }
    }

    fn topic(&mut self, spec: &TopicSpec) {
        let tags = self.tags(spec.tags.iter());
        let properties = json!({"TopicName": self.text(&spec.name), "Tags": tags});
        self.resource("Topic", "AWS::SNS::Topic", properties);
        self.output("TopicArn", "Topic");
    }

    fn queue(&mut self, id: &str, spec: &QueueSpec) {
        let mut properties = Map::new();
        properties.insert("QueueName".to_owned(), self.text(&spec.name));
        let mut attributes: Vec<_> = spec.attributes.iter().collect();
        attributes.sort_by_key(|(name, _)| name.as_str());
        for (name, value) in attributes {
            properties.insert(name.as_str().to_owned(), self.read(value));
        }
        let mut tags: Vec<_> = spec.tags.iter().collect();
        tags.sort();
        let mut tags = self.tags(tags.into_iter());
        if let Some(kind) = tags.iter_mut().find(|tag| tag["Key"] == PROVIDER_TAG) {
            let condition = simulated(id.trim_end_matches("Queue"));
            kind["Value"] = json!({"Fn::If": [condition, "simulated", "external"]});
        }
        properties.insert("Tags".to_owned(), Value::Array(tags));
        self.resource(id, "AWS::SQS::Queue", Value::Object(properties));
        if let Some(statement) = &spec.statement {
            let properties = json!({
                "Queues": [{"Ref": id}],
                "PolicyDocument": {"Version": VERSION, "Statement": [self.rendered(statement)]},
            });
            self.resource(&format!("{id}Policy"), "AWS::SQS::QueuePolicy", properties);
        }
        self.output(&format!("{id}Url"), id);
    }

    /// The subscription depends on the queues' policies: without them, the first requests would be lost.
    fn subscription(
        &mut self,
        provider: &str,
        scope: &ArnScope,
        queue: &QueueSpec,
        description: &StackDescription,
    ) {
        let mut properties = Map::new();
        properties.insert("TopicArn".to_owned(), json!({"Ref": "Topic"}));
        properties.insert("Protocol".to_owned(), json!("sqs"));
        properties.insert("Endpoint".to_owned(), self.text(&scope.queue_arn(&queue.name)));
        for (name, value) in &description.subscription.attributes {
            properties.insert((*name).to_owned(), self.read(value));
        }
        let id = format!("{provider}Subscription");
        self.resource(&id, "AWS::SNS::Subscription", Value::Object(properties));
        let policies = [format!("{provider}QueuePolicy"), "ProviderDeadLettersPolicy".to_owned()];
        self.resources[&id]["DependsOn"] = json!(policies);
    }

    fn table(&mut self, spec: &TableSpec) {
        let definition =
            |(name, _): &(&str, _)| json!({"AttributeName": name, "AttributeType": "S"});
        let tags = self.tags(spec.tags.iter());
        let keys = spec
            .keys
            .iter()
            .map(|(name, kind)| json!({"AttributeName": name, "KeyType": kind.as_str()}));
        let properties = json!({
            "TableName": self.text(&spec.name),
            "BillingMode": "PAY_PER_REQUEST",
            "AttributeDefinitions": spec.keys.iter().map(definition).collect::<Vec<_>>(),
            "KeySchema": keys.collect::<Vec<_>>(),
            "TimeToLiveSpecification": {"AttributeName": spec.expires, "Enabled": true},
            "Tags": tags,
        });
        self.resource("Table", "AWS::DynamoDB::Table", properties);
        self.output("TableName", "Table");
    }

    fn policy(&mut self, id: &str, condition: &str, purpose: &str, statements: &Value) {
        let document = json!({"Version": VERSION, "Statement": self.rendered(statements)});
        let properties = json!({"Description": purpose, "PolicyDocument": document});
        self.resource(id, "AWS::IAM::ManagedPolicy", properties);
        self.resources[id]["Condition"] = json!(condition);
    }

    fn resource(&mut self, id: &str, kind: &str, properties: Value) {
        let mut resource = Map::new();
        resource.insert("Type".to_owned(), json!(kind));
        resource.insert("Properties".to_owned(), properties);
        self.resources.insert(id.to_owned(), Value::Object(resource));
    }

    /// An output that refers to a resource: its ARN, URL or name.
    fn output(&mut self, name: &str, id: &str) {
        self.outputs.insert(name.to_owned(), json!({"Value": {"Ref": id}}));
    }

    fn tags<'a>(&self, tags: impl Iterator<Item = (&'a String, &'a String)>) -> Vec<Value> {
        tags.map(|(name, value)| json!({"Key": name, "Value": self.text(value)})).collect()
    }

    /// A setting as a template holds it: numbers, booleans and policies as JSON, not as text.
    fn read(&self, setting: &str) -> Value {
        serde_json::from_str(setting)
            .map_or_else(|_| self.text(setting), |value| self.rendered(&value))
    }

    fn rendered(&self, value: &Value) -> Value {
        match value {
            Value::String(text) => self.text(text),
            Value::Array(all) => all.iter().map(|one| self.rendered(one)).collect(),
            Value::Object(all) => {
                all.iter().map(|(name, value)| (name.clone(), self.rendered(value))).collect()
            }
            Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
        }
    }

    /// A text, with references in place of names and ARNs.
    fn text(&self, text: &str) -> Value {
        let of_parameter = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
        let resource = self.arns.iter().find(|(arn, _)| arn == text);
        match (resource, of_parameter) {
            (Some((_, reference)), _) => reference.clone(),
            (None, Some(name)) if !name.contains('$') => json!({"Ref": name}),
            _ if text.contains("${") => json!({"Fn::Sub": text}),
            _ => json!(text),
        }
    }
}

/// The version of the policy language.
const VERSION: &str = "2012-10-17";
