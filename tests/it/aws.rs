//! `--aws`: whose credentials are used, which account is shown, and what is said when AWS is not
//! reached. Everything but STS is LocalStack, behind TLS.

use std::fs;
use std::net::TcpListener;
use std::thread;

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::aws::{Aws, authority};
use crate::support::stack::Stack;
use crate::support::{free_port, json as json_of, rydes, says, script, side_by_side};

const DENIED_BY_SNS: &str = "<ErrorResponse><Error><Type>Sender</Type>\
    <Code>AuthorizationError</Code><Message>not authorized</Message></Error></ErrorResponse>";
const DENIED_BY_STS: &str = "<ErrorResponse><Error><Code>AccessDenied</Code><Message>no</Message>\
    </Error></ErrorResponse>";
const DENIED_BY_DYNAMODB: &str =
    r#"{"__type": "com.amazonaws#AccessDeniedException", "message": "not authorized"}"#;

/// An account of LocalStack's that no other test has.
fn account(number: u32) -> String {
    format!("9{number}{:010}", std::process::id())
}

/// Files of AWS's configuration.
struct Files(TempDir);

impl Files {
    fn with(config: &str) -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::write(folder.path().join("config"), config).expect("it can be written");
        Self(folder)
    }

    fn config(&self) -> std::path::PathBuf {
        self.0.path().join("config")
    }

    /// Writes a file below the user's home.
    fn write(&self, name: &str, document: &Value) {
        let file = self.0.path().join(name);
        fs::create_dir_all(file.parent().expect("it has a folder")).expect("it can be made");
        fs::write(file, document.to_string()).expect("it can be written");
    }

    /// A program that prints the credentials of an account.
    fn process(&self, account: &str) -> String {
        let file = self.0.path().join("credentials");
        let document =
            format!(r#"{{"Version": 1, "AccessKeyId": "{account}", "SecretAccessKey": "secret"}}"#);
        script(&file, &format!("#!/bin/sh\necho '{document}'\n"));
        file.display().to_string()
    }
}

#[test]
fn the_account_that_sts_names_is_shown_by_every_command() {
    let (aws, account, name) = (Aws::start(), account(1), Stack::new().name.clone());
    let target = format!("stack {name} on AWS account {account} in eu-west-1");
    let run = |arguments: &str| aws.rydes(&account, &format!("--stack {name} {arguments}")).run();
    let setup = run("setup --providers 1").exits(0);
    says(&setup, &target);
    says(&run("submit --from A --to B").exits(0), &target);
    let status = run("status").exits(0);
    assert!(status.stdout.starts_with(&target), "{}", status.stdout);
    let asked = run("teardown").exits(2);
    says(&asked, &target);
    says(&asked, &format!("from AWS account {account} in eu-west-1?\n"));
    says(&run(&format!("teardown --confirm {name}")).exits(0), "removed 7;");
    let missing = run("providers list").exits(7);
    says(&missing, &format!("is not set up at AWS (account {account}, region eu-west-1)"));
}

#[test]
fn external_providers_that_are_not_bound_are_counted() {
    let (aws, account, name) = (Aws::start(), account(9), Stack::new().name.clone());
    let run = |arguments: &str| {
        aws.rydes(&account, &format!("--stack {name} {arguments}")).run().exits(0)
    };
    let listed = || json_of(&run("status -o json").stdout)["unbound"].clone();
    run("setup --providers 1");
    assert_eq!(listed(), json!([]));
    run("providers add acme");
    run("providers add globex");
    assert_eq!(listed(), json!(["acme", "globex"]));
    run(&format!("providers add globex --sender {account}"));
    assert_eq!(listed(), json!(["acme"]));
    let shown = run("status").stdout;
    assert!(shown.contains("acme is not bound to a sender: any provider can sign"), "{shown}");
    aws.refuses("ListQueueTags", DENIED_BY_DYNAMODB);
    assert_eq!(listed(), Value::Null);
    aws.heal();
    run(&format!("teardown --confirm {name}"));
}

#[test]
fn an_account_that_sts_does_not_tell_is_that_of_a_queue() {
    let (aws, account, name) = (Aws::start(), account(2), Stack::new().name.clone());
    let run = |arguments: &str| aws.rydes(&account, &format!("--stack {name} {arguments}")).run();
    run("setup --providers 1").exits(0);
    aws.sts_answers(403, DENIED_BY_STS);
    let listed = run("teardown --dry-run").exits(0);
    says(&listed, &format!("stack {name} on AWS account {account} in eu-west-1"));
    run(&format!("teardown --confirm {name}")).exits(0);
    says(&run("teardown --dry-run").exits(0), &format!("stack {name} on AWS in eu-west-1"));
}

#[test]
fn an_account_that_the_first_queue_tells_is_shown_by_setup() {
    let (aws, account, name) = (Aws::start(), account(8), Stack::new().name.clone());
    let run = |arguments: &str| aws.rydes(&account, &format!("--stack {name} {arguments}")).run();
    aws.sts_answers(403, DENIED_BY_STS);
    let setup = run("setup --providers 1").exits(0);
    says(&setup, &format!("stack {name} on AWS in eu-west-1\n"));
    says(&setup, &format!("stack {name} on AWS account {account} in eu-west-1\n"));
    let again = run("setup --providers 1").exits(0);
    assert!(!again.stderr.contains(&format!("stack {name} on AWS in ")), "{}", again.stderr);
    run(&format!("teardown --confirm {name}")).exits(0);
}

#[test]
fn an_account_that_only_the_rest_of_a_stack_tells_is_shown_by_teardown() {
    let account = account(9);
    let test = |request: &str, denied: &str, left: &str| {
        let (aws, name) = (Aws::start(), Stack::new().name.clone());
        let run = |line: &str| aws.rydes(&account, &format!("--stack {name} {line}")).run();
        aws.sts_answers(403, DENIED_BY_STS);
        run("setup --providers 1").exits(0);
        aws.refuses(request, denied);
        let confirmed = format!("teardown --confirm {name}");
        let refused = run(&confirmed).exits(1);
        says(&refused, "1 of 7 could not be removed: ");
        says(&refused, &format!("hint: to remove the rest: rydes --aws --stack {name} teardown\n"));
        aws.heal();
        let asked = run("teardown").exits(2);
        says(&asked, &format!("stack {name} on AWS account {account} in eu-west-1\n"));
        says(&asked, &format!("remove {left} from AWS account {account} in eu-west-1?\n"));
        run(&confirmed).exits(0);
    };
    // Each looks for 15 s whether there is more.
    thread::scope(|scope| {
        scope.spawn(|| test("Action=DeleteTopic", DENIED_BY_SNS, "1 topic"));
        scope.spawn(|| test(".DeleteTable", DENIED_BY_DYNAMODB, "1 table (about 0 rows)"));
    });
}

#[test]
fn subscriptions_that_went_with_their_topic_are_no_failure_of_a_teardown() {
    let (aws, account) = (Aws::start(), account(0));
    let teardown = || {
        let name = Stack::new().name.clone();
        let run = |line: &str| aws.rydes(&account, &format!("--stack {name} {line}")).run();
        run("setup --providers 1").exits(0);
        aws.refuses("Action=Unsubscribe", DENIED_BY_SNS);
        let ran = run(&format!("teardown --confirm {name}"));
        aws.heal();
        ran
    };
    says(&teardown().exits(0), "removed 7; looked again: nothing of ");
    aws.refuses("Action=DeleteTopic", DENIED_BY_SNS);
    says(&teardown().exits(1), "2 of 7 could not be removed: the subscription of ");
}

#[test]
fn a_profile_that_is_typed_beats_keys_in_the_environment() {
    let (aws, other, ours) = (Aws::start(), account(3), account(4));
    let files = Files::with("");
    let program = files.process(&ours);
    let config = format!("[profile work]\nregion = eu-west-1\ncredential_process = {program}\n");
    fs::write(files.config(), config).expect("it can be written");
    let typed = || {
        let line = aws.rydes(&other, "--stack x --profile work teardown --dry-run");
        let ran = line.env("AWS_CONFIG_FILE", files.config()).env("AWS_SESSION_TOKEN", "t").run();
        says(&ran.exits(0), &format!("stack x on AWS account {ours} in eu-west-1"));
        let seen = aws.seen().into_iter();
        let signed: Vec<_> = seen.filter(|line| line.contains("HTTP/1.1")).collect();
        assert!(signed.len() > 3, "{signed:?}");
        assert!(signed.iter().all(|line| line.ends_with(&ours)), "{signed:?}");
    };
    // Without it the ordinary chain holds: the environment first, then `AWS_PROFILE`.
    let chain = Aws::start();
    let environment = || {
        let line = chain.rydes(&other, "--stack x teardown --dry-run").env("AWS_PROFILE", "work");
        let ran = line.env("AWS_CONFIG_FILE", files.config()).run();
        says(&ran.exits(0), &format!("stack x on AWS account {other} in eu-west-1"));
    };
    let variable = || {
        let line = chain.rydes("", "--stack x teardown --dry-run").env("AWS_SECRET_ACCESS_KEY", "");
        let line = line.env("AWS_CONFIG_FILE", files.config()).env("AWS_PROFILE", "work");
        says(&line.run().exits(0), &format!("stack x on AWS account {ours} in eu-west-1"));
    };
    // Each looks for 15 s whether there is more.
    let tests: [&(dyn Fn() + Sync); 3] = [&typed, &environment, &variable];
    side_by_side(tests, |test| test());
}

#[test]
fn profiles_of_sso_and_of_a_login_give_credentials() {
    let (aws, of_sso, of_login) = (Aws::start(), account(6), account(7));
    let files = Files::with(&format!(
        "[profile sso]\nregion = eu-west-1\nsso_session = s\nsso_account_id = {of_sso}\n\
         sso_role_name = r\n\
         [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.com/start\n\
         [profile login]\nregion = eu-west-1\nlogin_session = arn:aws:iam::012345678901:user/A\n"
    ));
    // The SHA-1 of the session's name, and the SHA-256 of the login's.
    files.write(
        ".aws/sso/cache/a0f1490a20d0211c997b44bc357e1972deab8ae3.json",
        &json!({"accessToken": "token", "expiresAt": "2099-01-01T00:00:00Z"}),
    );
    files.write(
        ".aws/login/cache/cd902e2c7f03fbc1fa5e317f58117cb62da99601ca971c363111a0b2ab89f162.json",
        &json!({
            "accessToken": {
                "accessKeyId": of_login, "secretAccessKey": "s", "sessionToken": "t",
                "accountId": of_login, "expiresAt": "2099-01-01T00:00:00Z",
            },
            "tokenType": "aws_sigv4", "refreshToken": "r", "clientId": "c", "dpopKey": "k",
        }),
    );
    side_by_side([("sso", of_sso), ("login", of_login)], |(profile, account)| {
        let line = aws.rydes("A", &format!("--stack x --profile {profile} teardown --dry-run"));
        let line = line.env("AWS_CONFIG_FILE", files.config()).env("HOME", files.0.path());
        says(&line.run().exits(0), &format!("stack x on AWS account {account} in eu-west-1"));
    });
}

#[test]
fn profiles_that_give_nothing_say_why() {
    let aws = Aws::start();
    let files = Files::with(
        "[profile empty]\nregion = eu-west-1\n\
         [profile broken]\nregion = eu-west-1\ncredential_process = /nonexistent\n\
         [profile sso]\nregion = eu-west-1\nsso_session = s\nsso_account_id = 123456789012\n\
         sso_role_name = r\n\
         [sso-session s]\nsso_region = eu-west-1\nsso_start_url = https://example.com/start\n\
         [profile login]\nregion = eu-west-1\nlogin_session = arn:aws:iam::012345678901:user/A\n\
         [profile elsewhere]\nregion = EU West\naws_access_key_id = A\naws_secret_access_key = B\n",
    );
    let run = |profile: &str| {
        let line = aws.rydes("A", &format!("--stack x --profile {profile} status"));
        let line = line.env("AWS_CONFIG_FILE", files.config()).env("HOME", files.0.path());
        line.env("AWS_REGION", "").run()
    };
    for (profile, why) in [
        ("empty", "no credentials are set"),
        ("broken", "/nonexistent"),
        ("sso", "SSO token"),
        ("login", "login"),
    ] {
        let ran = run(profile).exits(6);
        says(&ran, &format!("no credentials for AWS\n  caused by: profile `{profile}`: "));
        says(&ran, why);
        says(&ran, "hint: log in as the AWS CLI would");
    }
    says(&run("elsewhere").exits(2), "error: `region = EU West`: a region is made of ");
    // No profile is typed, and nothing of the ordinary chain gives any.
    let line = aws.rydes("", "--stack x status").env("AWS_SECRET_ACCESS_KEY", "");
    let none = line.env("HOME", "/nonexistent").run().exits(6);
    says(
        &none,
        "error: no credentials for AWS\n  caused by: none in the environment, in a profile or in \
         this machine's role\nhint: log in as the AWS CLI would",
    );
    assert_eq!(none.stderr.lines().count(), 3, "{}", none.stderr);
    let unknown = run("nobody").exits(2);
    says(&unknown, "error: `--profile nobody`: there is no such profile\n");
    says(&unknown, "hint: profiles here: broken, elsewhere, empty, login, sso\n");
    let line = aws.rydes("A", "--stack x status").env("AWS_PROFILE", "nobody");
    let unknown = line.run().exits(2);
    says(&unknown, "error: `AWS_PROFILE nobody`: there is no such profile\n");
    says(&unknown, "hint: the AWS configuration files have no profiles\n");
    assert!(aws.seen().is_empty(), "{:?}", aws.seen());
}

#[test]
fn a_profile_that_points_at_this_machine_is_refused() {
    let aws = Aws::start();
    let files = Files::with(
        "[profile all]\nendpoint_url = http://localhost:4566\n\
         [profile one]\nservices = local\n\
         [services local]\ndynamodb =\n  endpoint_url = http://127.0.0.1:4566\n\
         [profile whose]\nservices = sts\n\
         [services sts]\nsts =\n  endpoint_url = http://[::1]:4566\n",
    );
    for (profile, url) in [
        ("all", "http://localhost:4566"),
        ("one", "http://127.0.0.1:4566"),
        ("whose", "http://[::1]:4566"),
    ] {
        for by_name in [true, false] {
            let line = aws.rydes("A", "--stack x status").env("AWS_CONFIG_FILE", files.config());
            let line = if by_name {
                line.arg(format!("--profile={profile}"))
            } else {
                line.env("AWS_PROFILE", profile)
            };
            let said = format!("the profile's `endpoint_url = {url}` points at this machine");
            says(&line.run().exits(2), &said);
        }
    }
    let line = aws.rydes("A", "--stack x status").env("AWS_ENDPOINT_URL_STS", "http://localhost:1");
    says(&line.run().exits(2), "AWS_ENDPOINT_URL_STS points at this machine");
    assert!(aws.seen().is_empty(), "{:?}", aws.seen());
}

#[test]
fn refused_credentials_keep_aws_s_own_sentence() {
    let aws = Aws::start();
    for code in [
        "RequestExpired",
        "IncompleteSignature",
        "InvalidSecurity",
        "NotAuthorized",
        "ExpiredToken",
        "InvalidClientTokenId",
        "SignatureDoesNotMatch",
        "UnrecognizedClientException",
        "MissingAuthenticationToken",
        "AuthFailure",
    ] {
        let message = "Signature expired: 20261125T000000Z is now earlier than 20261125T001500Z";
        aws.sts_answers(
            403,
            &format!(
                "<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error>\
                 </ErrorResponse>"
            ),
        );
        let ran = aws.rydes("A", "--stack x teardown --dry-run").run().exits(6);
        says(&ran, "error: AWS refuses the credentials (region eu-west-1)\n");
        says(&ran, &format!(": {code}: {message}\n"));
        assert!(!ran.stderr.contains("LocalStack"), "{}", ran.stderr);
    }
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    // RFC 6761 lets no name below `invalid` exist.
    let nowhere = rydes("--aws --stack x --region us-esat-1 status")
        .env("AWS_ENDPOINT_URL", "https://aws.invalid")
        .env("AWS_ACCESS_KEY_ID", "A")
        .env("AWS_SECRET_ACCESS_KEY", "B")
        .env("AWS_CONFIG_FILE", "/nonexistent")
        .env("AWS_SHARED_CREDENTIALS_FILE", "/nonexistent")
        .env("NO_PROXY", "*")
        .run()
        .exits(6);
    says(&nowhere, "error: nothing answers at https://aws.invalid\n");
    says(&nowhere, "hint: is `us-esat-1` the right region?\n");
    assert!(!nowhere.stderr.contains("LocalStack"), "{}", nowhere.stderr);
}

#[test]
fn each_partition_has_hosts_of_its_own() {
    for (region, suffix) in [("eusc-de-east-1", "amazonaws.eu"), ("us-iso-east-1", "c2s.ic.gov")] {
        let aws = Aws::start();
        let line = aws.rydes("A", &format!("--stack x --region {region} status"));
        // The certificate of the tests is for another region.
        line.run().exits(6);
        let host = format!("CONNECT sqs.{region}.{suffix}:443");
        assert!(aws.seen().contains(&host), "{host}: {:?}", aws.seen());
    }
}

#[test]
fn a_certificate_that_is_not_trusted_is_no_silence() {
    let aws = Aws::start();
    // One that signed nothing is trusted, and no other.
    let other = authority().with_file_name("server.pem");
    let line = aws.rydes("A", "--stack x status").env("SSL_CERT_FILE", other);
    let ran = line.env("SSL_CERT_DIR", "/nonexistent").run().exits(6);
    says(&ran, "error: the certificate of https://s");
    says(&ran, ".eu-west-1.amazonaws.com is not accepted\n");
    says(&ran, "this machine does not trust the authority that signed it\n");
    assert!(!ran.stderr.contains("nothing answers"), "{}", ran.stderr);
    // A host that the certificate is not for.
    let line = aws.rydes("A", "--stack x status").env("AWS_REGION", "eu-west-2");
    let ran = line.run().exits(6);
    says(&ran, ".eu-west-2.amazonaws.com is not accepted\n");
    says(&ran, "it is for another host\n");
}

#[test]
fn an_endpoint_without_tls_is_told_from_one_that_is_silent() {
    let port = free_port();
    let listener = TcpListener::bind(("127.0.0.1", port)).expect("it is free");
    thread::spawn(move || {
        for mut stream in listener.incoming().map_while(Result::ok) {
            // The client may have gone.
            _ = std::io::Write::write_all(&mut stream, b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let url = format!("https://127.0.0.1:{port}");
    let line = rydes(&format!("--endpoint-url {url} providers list"));
    let ran = line.env("SSL_CERT_FILE", authority()).run().exits(6);
    says(&ran, &format!("error: no TLS connection with {url} (--endpoint-url)\n"));
}

#[test]
fn with_aws_the_proxy_of_the_environment_is_used_but_for_no_proxy() {
    let aws = Aws::start();
    aws.rydes(&account(5), "--stack x teardown --dry-run").run().exits(0);
    let seen = aws.seen();
    for service in ["sts", "sqs", "sns", "dynamodb"] {
        let line = format!("CONNECT {service}.eu-west-1.amazonaws.com:443");
        assert!(seen.contains(&line), "{service}: {seen:?}");
    }
    let around = Aws::start();
    let line = around.rydes("A", "--stack x teardown --dry-run");
    line.env("NO_PROXY", ".amazonaws.com").run().exits(6);
    assert!(around.seen().is_empty(), "{:?}", around.seen());
}
