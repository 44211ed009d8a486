//! `setup --print cloudformation`, deployed by LocalStack's own CloudFormation: the stack is one that every command
//! works on, and only CloudFormation deletes it.

use std::fs;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{document, says};
use crate::support::background::Background;
use crate::support::languages::python;
use crate::support::localstack::{Down, up};
use crate::support::stack::Stack;
use crate::support::{Ran, Rydes, free_port, json as parsed, rydes};

/// Makes or deletes a CloudFormation stack and waits for it. LocalStack does not tag what it makes as AWS does:
/// `tag` does.
const DEPLOY: &str = r#"
import json, sys, time, boto3
endpoint, action, name, *rest = sys.argv[1:]
place = dict(endpoint_url=endpoint, region_name="us-east-1",
             aws_access_key_id="test", aws_secret_access_key="test")
formation = boto3.client("cloudformation", **place)
if action == "create":
    template, *parameters = rest
    pairs = [pair.split("=") for pair in parameters]
    formation.create_stack(
        StackName=name, TemplateBody=open(template).read(), Capabilities=["CAPABILITY_IAM"],
        Parameters=[dict(ParameterKey=key, ParameterValue=value) for key, value in pairs])
    formation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig=dict(Delay=1))
    outputs = formation.describe_stacks(StackName=name)["Stacks"][0]["Outputs"]
    print(json.dumps({one["OutputKey"]: one["OutputValue"] for one in outputs}))
elif action == "tag":
    key = "aws:cloudformation:stack-name"
    for one in formation.describe_stack_resources(StackName=name)["StackResources"]:
        kind, physical = one["ResourceType"], one["PhysicalResourceId"]
        if kind == "AWS::SQS::Queue":
            boto3.client("sqs", **place).tag_queue(QueueUrl=physical, Tags={key: name})
        elif kind == "AWS::SNS::Topic":
            boto3.client("sns", **place).tag_resource(
                ResourceArn=physical, Tags=[dict(Key=key, Value=name)])
        elif kind == "AWS::DynamoDB::Table":
            arn = f"arn:aws:dynamodb:us-east-1:000000000000:table/{physical}"
            boto3.client("dynamodb", **place).tag_resource(
                ResourceArn=arn, Tags=[dict(Key=key, Value=name)])
else:
    formation.delete_stack(StackName=name)
    formation.get_waiter("stack_delete_complete").wait(StackName=name, WaiterConfig=dict(Delay=1))
"#;

/// A LocalStack with CloudFormation, and a stack there.
struct Deployed {
    endpoint: String,
    stack: Stack,
    _down: Down,
}

impl Deployed {
    fn start() -> Self {
        let port = free_port();
        let down = Down::at(port);
        let started = up(port).env("RYDES_LOCALSTACK_SERVICES", "sns,sqs,dynamodb,cloudformation");
        started.run().exits(0);
        let endpoint = format!("http://127.0.0.1:{port}");
        Self { endpoint, stack: Stack::called("deployed".to_owned()), _down: down }
    }

    fn rydes(&self, arguments: &str) -> Rydes {
        // The place of the other tests' LocalStack must not be tidied up in the end.
        self.stack.anywhere(&format!(
            "--endpoint-url {} --stack {} {arguments}",
            self.endpoint, self.stack.name
        ))
    }

    fn run(&self, arguments: &str) -> Ran {
        self.rydes(arguments).run()
    }

    fn formation(&self, arguments: &[&str]) -> String {
        let mut deploy = Command::new(python());
        deploy.args(["-c", DEPLOY, &self.endpoint]).args(arguments).stderr(Stdio::inherit());
        let done = deploy.output().expect("Python starts");
        assert!(done.status.success(), "{arguments:?}");
        String::from_utf8(done.stdout).expect("UTF-8")
    }
}

/// Prints a template without any connection.
fn template(options: &str) -> Value {
    let line = format!("--stack deployed setup --print cloudformation {options}");
    let printed = rydes(&line).env("AWS_ENDPOINT_URL", "http://127.0.0.1:1").run().exits(0);
    parsed(&printed.stdout)
}

#[test]
fn a_stack_that_cloudformation_made_is_complete_and_its_own() {
    let deployed = Deployed::start();
    let folder = TempDir::new().expect("a temporary folder");
    let file = folder.path().join("stack.json");
    fs::write(&file, template("--providers 3 --keep 3").to_string()).expect("it is written");
    let file = file.to_str().expect("UTF-8");
    let outputs = deployed.formation(&["create", "mine", file, "Provider3=acme"]);
    let outputs: Value = parsed(&outputs);
    assert_eq!(outputs["TableName"], "deployed-RidesBookingTable");
    assert!(
        outputs["Provider3QueueUrl"].as_str().is_some_and(|url| url.ends_with("deployed-acme"))
    );
    deployed.formation(&["tag", "mine"]);

    says(&deployed.run("setup --providers 2 --check").exits(0), "0 differ, 0 missing");
    let told = document(&deployed.run("setup --providers 2 -ojson").exits(0));
    assert_eq!((&told["created"], &told["changed"]), (&json!(0), &json!(0)));
    let listed = document(&deployed.run("providers list -ojson").exits(0));
    let kinds = listed["providers"].as_array().expect("a list").iter();
    let kinds: Vec<_> = kinds.map(|one| one["kind"].as_str().expect("a kind")).collect();
    assert_eq!(kinds, ["simulated", "simulated", "external"]);

    the_whole_path_works(&deployed);
    others_join_and_leave(&deployed);
    teardown_names_the_stack(&deployed);

    deployed.formation(&["delete", "mine"]);
    deployed.run("setup --check").exits(7);
    says(&deployed.run("teardown --yes").exits(0), "nothing of deployed is here");
}

fn the_whole_path_works(deployed: &Deployed) {
    let workers = "providers run --behavior steady --seed 1 --poll-wait 1s";
    let _workers = Background::start(deployed.rydes(workers));
    let program = "providers run acme --no-consumer -- echo 1";
    let _acme = Background::start(deployed.rydes(program));
    let submit = "submit --from A --to B --deadline 60s --wait -ojson";
    let quotes = document(&deployed.run(submit).exits(0));
    assert_eq!((&quotes["completed-by"], &quotes["answered"]), (&json!("all"), &json!(3)));
    assert_eq!(quotes["best"]["responder"], "acme");
}

fn others_join_and_leave(deployed: &Deployed) {
    let joins = deployed.run("providers add globex").exits(0);
    assert!(!joins.stderr.contains("warning"), "{}", joins.stderr);
    deployed.run("providers remove globex").exits(0);
    let filtered = deployed.run("providers add acme --only {\"from\":[\"Oslo\"]}").exits(0);
    says(&filtered, "CloudFormation stack `mine` made this provider: change its template too");
    deployed.run("providers add acme --only {}").exits(0);
    let refused = deployed.run("providers remove acme").exits(1);
    says(&refused, "queue deployed-acme belongs to CloudFormation stack `mine`; it was left alone");
    says(&deployed.run("setup --providers 2 --check").exits(0), "0 differ, 0 missing");
    let kept = deployed.run("setup --providers 2 --keep 4").exits(0);
    says(&kept, "CloudFormation stack `mine` made this stack: change its template too");
    deployed.run("providers add globex").exits(0);
}

fn teardown_names_the_stack(deployed: &Deployed) {
    let left = "8 resources belong to the CloudFormation stack `mine`; they were left alone";
    let delete = "cloudformation delete-stack --stack-name mine";
    let dry = deployed.run("teardown --dry-run").exits(0);
    says(&dry, "would remove 1 subscription, 1 queue; nothing was touched");
    says(&dry, left);
    says(&dry, delete);
    let rest = deployed.run("teardown --yes").exits(1);
    for said in ["removed 2\n", left, delete] {
        says(&rest, said);
    }
    let nothing = deployed.run("teardown --yes -ojson").exits(1);
    let told = parsed(&nothing.stdout);
    assert_eq!(told["removed"], 0);
    assert_eq!(told["cloudformation"]["mine"].as_array().map(Vec::len), Some(8));
    says(&deployed.run("setup --providers 2 --check").exits(0), "0 differ, 0 missing");
}

#[test]
fn the_template_needs_no_connection_and_follows_its_options() {
    let plain = template("--providers 2");
    let parameters = plain["Parameters"].as_object().expect("parameters");
    assert_eq!(
        parameters.keys().collect::<Vec<_>>(),
        ["Stack", "Provider1", "Provider2", "Policies"]
    );
    assert_eq!(parameters["Stack"]["Default"], "deployed");
    let topic = |template: &Value| template["Resources"]["Topic"]["Properties"]["Tags"].clone();
    let tag = |key: &str, value: Value| json!({"Key": key, "Value": value});
    let own = tag("rydes:stack", json!({"Ref": "Stack"}));
    assert_eq!(topic(&plain), json!([own]));
    let kept = template("--providers 0 --keep 3 --keep-dead-letters 4");
    let tags = [tag("rydes:keep", json!("3")), tag("rydes:keep-dead-letters", json!("4")), own];
    assert_eq!(topic(&kept), json!(tags));
    for dead in ["ProviderDeadLetters", "ResponseDeadLetters"] {
        let retention = &kept["Resources"][dead]["Properties"]["MessageRetentionPeriod"];
        assert_eq!(*retention, json!(4 * 24 * 3_600), "{dead}");
    }
    assert_eq!(
        kept["Resources"].as_object().map(|all| all.contains_key("Provider1Queue")),
        Some(false)
    );
    for other in ["--dry-run", "--check", "--adopt"] {
        rydes(&format!("setup --print cloudformation {other}")).run().exits(2);
    }
    let large = rydes("setup --print cloudformation --providers 100").run().exits(0);
    says(&large, "over 51200 bytes, CloudFormation takes it only from S3");
    let large = parsed(&large.stdout);
    let count = |part: &str| large[part].as_object().map_or(0, serde_json::Map::len);
    // https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
    assert!(count("Parameters") <= 200 && count("Outputs") <= 200 && count("Resources") <= 500);
    let default = rydes("setup --print cloudformation").run().exits(0);
    assert!(default.stdout.len() <= 51_200 && !default.stderr.contains("S3"), "it fits a request");
}

#[test]
fn the_policies_of_the_template_are_those_of_the_documentation() {
    let template = template("--providers 1");
    let resources = template["Resources"].as_object().expect("resources");
    let policy = |one: &Value| {
        let document = one["Properties"]["PolicyDocument"].clone();
        (one["Type"] == "AWS::IAM::ManagedPolicy").then(|| resolved(&document, resources))
    };
    let printed: Vec<Value> = resources.values().filter_map(policy).collect();
    let page = fs::read_to_string("docs/aws.md").expect("the page is there");
    let blocks = page.split("```json\n").skip(1);
    let documented: Vec<Value> = blocks
        .filter_map(|block| Some(parsed(block.split_once("```")?.0)))
        .filter(|block| block["Version"] == "2012-10-17")
        .collect();
    assert_eq!(documented.len(), printed.len());
    for policy in documented {
        assert!(printed.contains(&policy), "only in the documentation: {policy}");
    }
}

/// A document with the names of the documentation in place of the template's references.
fn resolved(value: &Value, resources: &serde_json::Map<String, Value>) -> Value {
    let named = |text: &str| {
        let all = [
            ("${AWS::Partition}", "aws"),
            ("${AWS::Region}", "eu-west-1"),
            ("${AWS::AccountId}", "123456789012"),
            ("${Stack}", "NAME"),
            ("${Provider1}", "acme"),
        ];
        all.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
    };
    let arn = |id: &str| {
        let own = &resources[id]["Properties"];
        let (service, name) = match resources[id]["Type"].as_str() {
            Some("AWS::SNS::Topic") => ("sns", named(own["TopicName"]["Fn::Sub"].as_str()?)),
            Some("AWS::SQS::Queue") => ("sqs", named(own["QueueName"]["Fn::Sub"].as_str()?)),
            _ => ("dynamodb", format!("table/{}", named(own["TableName"]["Fn::Sub"].as_str()?))),
        };
        Some(format!("arn:aws:{service}:eu-west-1:123456789012:{name}"))
    };
    match value {
        Value::Object(all) => {
            match (&all.get("Fn::Sub"), &all.get("Ref"), &all.get("Fn::GetAtt")) {
                (Some(text), ..) => json!(named(text.as_str().expect("a text"))),
                (_, Some(id), _) => json!(arn(id.as_str().expect("a name")).expect("an ARN")),
                (.., Some(id)) => json!(arn(id[0].as_str().expect("a name")).expect("an ARN")),
                _ => {
                    all.iter().map(|(name, one)| (name.clone(), resolved(one, resources))).collect()
                }
            }
        }
        Value::Array(all) => all.iter().map(|one| resolved(one, resources)).collect(),
        other => other.clone(),
    }
}
