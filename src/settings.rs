//! Resolves the stack and its endpoints once: flag before environment before default. Each value keeps its origin.

use std::fmt::{self, Write as _};

pub use env::Env;
pub use partition::partition_of;
pub use region::check_region;
pub use url::{host, is_local, plain_url};

use crate::core::StackName;
use crate::core::text::escaped;
use crate::error::{Error, Result};

mod env;
pub mod open_files;
mod partition;
mod region;
mod sdk;
mod url;

pub const DEFAULT_ENDPOINT: &str = "http://localhost:4566";
/// LocalStack keeps separate resources for each account and region.
pub const DEFAULT_REGION: &str = "us-east-1";
/// LocalStack accepts any secret.
pub const SECRET_KEY: &str = "test";
/// The endpoint of all services; with a suffix such as `_SQS`, of one service.
const ENDPOINT_VARIABLE: &str = "AWS_ENDPOINT_URL";

/// The global options as they were typed.
#[derive(Debug, Clone, Default)]
pub struct RawOptions {
    pub stack: Option<String>,
    pub endpoint_url: Option<String>,
    pub region: Option<String>,
    pub profile: Option<String>,
    pub backend: Backend,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Backend {
    /// LocalStack, or anything else that speaks its protocol.
    #[default]
    LocalStack,
    Aws,
}

#[derive(Debug, Clone)]
pub struct Settings {
    pub stack: StackName,
    pub target: Target,
    /// The global options as they were typed, repeated in hints: ` --stack x`, or empty.
    options: String,
}

#[derive(Debug, Clone)]
pub enum Target {
    LocalStack(LocalStack),
    /// AWS, with the SDK's chain of credentials and regions.
    Aws {
        profile: Option<String>,
        /// `--region`, else from the environment; `None` if neither names one.
        region: Option<String>,
    },
}

#[derive(Debug, Clone)]
pub struct LocalStack {
    pub sns: Endpoint,
    pub sqs: Endpoint,
    pub dynamodb: Endpoint,
    pub region: String,
    /// `--region`, `RYDES_REGION`, or `default region`.
    pub region_origin: &'static str,
    /// `test`, or the twelve digits that choose an account.
    pub access_key: String,
    /// Whether `AWS_ACCESS_KEY_ID` holds another key, which chooses no account.
    pub is_key_ignored: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// Without a trailing slash.
    pub url: String,
    /// `--endpoint-url`, a variable, or `default endpoint`.
    pub origin: String,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.url, self.origin)
    }
}

impl Settings {
    /// Resolves the typed options against the environment. Fails if a value is malformed, if an endpoint of real
    /// AWS is named without `--aws`, or if a local one is named with it.
    pub fn resolve(typed: &RawOptions, env: Env<'_>) -> Result<Self> {
        let named = typed
            .stack
            .clone()
            .map(|name| (name, "--stack"))
            .or(env.text("RYDES_STACK")?.map(|name| (name, "RYDES_STACK")));
        if named.is_none() && typed.backend == Backend::Aws {
            return Err(Error::invalid("--aws requires a stack: --stack NAME or RYDES_STACK"));
        }
        let stack = match named {
            Some((name, origin)) => StackName::parse(&name).map_err(|problem| {
                Error::invalid(format!(
                    "`{origin} {}`: {problem}",
                    crate::core::text::printable(&name)
                ))
            })?,
            None => StackName::parse(StackName::DEFAULT).expect("the default is valid"),
        };
        let target = match typed.backend {
            Backend::LocalStack => Target::LocalStack(LocalStack::resolve(typed, env)?),
            Backend::Aws => aws(typed, env)?,
        };
        Ok(Self { stack, target, options: typed.options() })
    }

    /// The same for a command that works on no stack: with `--aws` none must be named.
    pub fn without_stack(typed: &RawOptions, env: Env<'_>) -> Result<Self> {
        let any = typed.stack.clone().or_else(|| Some(StackName::DEFAULT.to_owned()));
        let settings = Self::resolve(&RawOptions { stack: any, ..typed.clone() }, env)?;
        Ok(Self { options: typed.options(), ..settings })
    }

    /// The command line that runs `command` with the same global options.
    pub fn command(&self, command: &str) -> String {
        format!("rydes{} {command}", self.options)
    }

    /// The same place with another stack. Hints still repeat the options as they were typed.
    #[must_use]
    pub fn with_stack(&self, stack: StackName) -> Self {
        Self { stack, ..self.clone() }
    }
}

impl Settings {
    pub fn backend(&self) -> Backend {
        match self.target {
            Target::LocalStack(_) => Backend::LocalStack,
            Target::Aws { .. } => Backend::Aws,
        }
    }

    /// Whether every endpoint is LocalStack's on this machine.
    pub fn is_on_this_machine(&self) -> bool {
        match &self.target {
            Target::LocalStack(local) => {
                [&local.sns, &local.sqs, &local.dynamodb].iter().all(|at| is_local(&at.url))
            }
            Target::Aws { .. } => false,
        }
    }

    /// The same stack through another endpoint for all services. On AWS it changes nothing.
    #[must_use]
    pub fn through(&self, url: &str) -> Self {
        let mut settings = self.clone();
        if let Target::LocalStack(local) = &mut settings.target {
            for endpoint in [&mut local.sns, &mut local.sqs, &mut local.dynamodb] {
                *endpoint = Endpoint { url: url.to_owned(), origin: "proxy".to_owned() };
            }
        }
        settings
    }

    /// The global options that select this stack, one word each, with `endpoint` in place of its own. Credentials
    /// and endpoints of single services stay in the environment.
    pub fn arguments(&self, endpoint: Option<&str>) -> Vec<String> {
        let mut all = vec!["--stack".to_owned(), self.stack.to_string()];
        let mut add = |name: &str, value: Option<&str>| {
            all.extend(value.into_iter().flat_map(|value| [name.to_owned(), value.to_owned()]));
        };
        match &self.target {
            Target::LocalStack(local) => {
                add("--region", Some(&local.region));
                let is_one = local.sns.url == local.sqs.url && local.sns.url == local.dynamodb.url;
                add("--endpoint-url", endpoint.or(is_one.then_some(local.sqs.url.as_str())));
            }
            Target::Aws { profile, region } => {
                add("--region", region.as_deref());
                add("--profile", profile.as_deref());
                all.push("--aws".to_owned());
            }
        }
        all
    }
}

impl RawOptions {
    /// The options as they were typed, each with a space before it.
    fn options(&self) -> String {
        let mut options = String::new();
        if self.backend == Backend::Aws {
            options.push_str(" --aws");
        }
        for (name, value) in [
            ("--stack", &self.stack),
            ("--endpoint-url", &self.endpoint_url),
            ("--region", &self.region),
            ("--profile", &self.profile),
        ] {
            if let Some(value) = value {
                _ = write!(options, " {name} {}", quoted(value));
            }
        }
        options
    }
}

/// Quotes a word for a shell. Characters that must not be printed are escaped in the syntax of bash and zsh.
pub fn quoted(word: &str) -> String {
    let mut is_plain = true;
    let escaped = escaped(&word.replace('\\', r"\\").replace('\'', r"\'"), |safe, c| {
        is_plain = false;
        _ = write!(safe, "\\U{:08x}", u32::from(c));
    });
    if !is_plain {
        return format!("$'{escaped}'");
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else if word.contains(['"', '$', '`', '\\', '!']) {
        format!("'{}'", word.replace('\'', r"'\''"))
    } else {
        format!("\"{word}\"")
    }
}

impl LocalStack {
    /// LocalStack takes an access key of twelve digits as the account, and uses 000000000000 for any other key.
    pub fn account(&self) -> &str {
        if self.access_key == "test" { "000000000000" } else { &self.access_key }
    }

    fn resolve(typed: &RawOptions, env: Env<'_>) -> Result<Self> {
        if typed.profile.is_some() {
            return Err(Error::invalid("`--profile` is for --aws: LocalStack has no profiles"));
        }
        let endpoint = |service: &str| Endpoint::resolve(typed, env, service);
        let (region, region_origin) = typed
            .region
            .clone()
            .map(|region| (region, "--region"))
            .or(env.text("RYDES_REGION")?.map(|region| (region, "RYDES_REGION")))
            .unwrap_or_else(|| (DEFAULT_REGION.to_owned(), "default region"));
        check_region(&region, region_origin)?;
        let key = env.text("AWS_ACCESS_KEY_ID")?;
        let is_key_ignored = key.as_deref().is_some_and(|key| key != "test" && !is_account(key));
        let access_key = key.filter(|key| is_account(key));
        Ok(Self {
            sns: endpoint("SNS")?,
            sqs: endpoint("SQS")?,
            dynamodb: endpoint("DYNAMODB")?,
            region,
            region_origin,
            access_key: access_key.unwrap_or_else(|| "test".to_owned()),
            is_key_ignored,
        })
    }
}

/// Whether an access key is an account: twelve digits.
fn is_account(key: &str) -> bool {
    key.len() == 12 && key.bytes().all(|byte| byte.is_ascii_digit())
}

impl Endpoint {
    fn resolve(typed: &RawOptions, env: Env<'_>, service: &str) -> Result<Self> {
        let specific = format!("{ENDPOINT_VARIABLE}_{service}");
        let (url, origin) = typed
            .endpoint_url
            .clone()
            .map(|url| (url, "--endpoint-url".to_owned()))
            .or(env.text(&specific)?.map(|url| (url, specific)))
            .or(env.text(ENDPOINT_VARIABLE)?.map(|url| (url, ENDPOINT_VARIABLE.to_owned())))
            .unwrap_or_else(|| (DEFAULT_ENDPOINT.to_owned(), "default endpoint".to_owned()));
        let host = host(&url).ok_or_else(|| {
            let shown = crate::core::text::printable(&url);
            let problem = Error::invalid(format!("{origin} `{shown}` is not an http or https URL"));
            let is_bare = !url.contains("://") && host(&format!("http://{url}")).is_some();
            let meant =
                if is_bare { format!("http://{shown}") } else { DEFAULT_ENDPOINT.to_owned() };
            problem.hint(format!("write a URL such as `{meant}`"))
        })?;
        if partition::owns(&host) {
            return Err(Error::invalid(format!(
                "{origin} points at real AWS; say --aws if you mean it"
            )));
        }
        Ok(Self { url: url.trim_end_matches('/').to_owned(), origin })
    }
}

fn aws(typed: &RawOptions, env: Env<'_>) -> Result<Target> {
    if typed.endpoint_url.is_some() {
        return Err(Error::invalid("`--endpoint-url` cannot be used with `--aws`"));
    }
    let services = ["", "_SNS", "_SQS", "_DYNAMODB", "_STS"];
    for variable in services.map(|service| format!("{ENDPOINT_VARIABLE}{service}")) {
        if env.text(&variable)?.is_some_and(|url| is_local(&url)) {
            return Err(Error::invalid(format!(
                "{variable} points at this machine; unset it to work on AWS"
            )));
        }
    }
    sdk::check(env)?;
    // In the SDK's order. The region of a profile is read and checked with the profile.
    let mut region = typed.region.clone().map(|region| (region, "--region"));
    for variable in ["AWS_REGION", "AWS_DEFAULT_REGION"] {
        region = region.or(env.text(variable)?.map(|region| (region, variable)));
    }
    if let Some((region, origin)) = &region {
        check_region(region, origin)?;
    }
    let region = region.map(|(region, _)| region);
    Ok(Target::Aws { profile: typed.profile.clone(), region })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    fn resolve(typed: &RawOptions, variables: &[(&str, &str)]) -> Result<Settings> {
        let read = |name: &str| {
            variables.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).into())
        };
        Settings::resolve(typed, Env::new(&read))
    }

    fn localstack(settings: Settings) -> LocalStack {
        match settings.target {
            Target::LocalStack(localstack) => localstack,
            Target::Aws { .. } => panic!("expected LocalStack"),
        }
    }

    #[test]
    fn flag_before_service_before_general_variable_before_default() {
        let variables =
            [("AWS_ENDPOINT_URL", "http://a:1/"), ("AWS_ENDPOINT_URL_SQS", "http://b:2")];
        let found = localstack(resolve(&RawOptions::default(), &variables).expect("valid"));
        assert_eq!(found.sqs.to_string(), "http://b:2 (AWS_ENDPOINT_URL_SQS)");
        assert_eq!(found.sns.to_string(), "http://a:1 (AWS_ENDPOINT_URL)");
        let typed = RawOptions { endpoint_url: Some("http://c:3".into()), ..RawOptions::default() };
        let found = localstack(resolve(&typed, &variables).expect("valid"));
        assert_eq!(found.sqs.to_string(), "http://c:3 (--endpoint-url)");
        let found = localstack(resolve(&RawOptions::default(), &[]).expect("valid"));
        assert_eq!(found.sns.to_string(), "http://localhost:4566 (default endpoint)");
    }

    #[test]
    fn only_loopback_endpoints_are_on_this_machine() {
        for (variables, is_here) in [
            (&[][..], true),
            (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:4567")], true),
            (&[("AWS_ENDPOINT_URL", "http://elsewhere:4566")], false),
            (&[("AWS_ENDPOINT_URL_SQS", "http://elsewhere:4566")], false),
        ] {
            let settings = resolve(&RawOptions::default(), variables).expect("valid");
            assert_eq!(settings.is_on_this_machine(), is_here, "{variables:?}");
        }
    }

    #[test]
    fn a_shells_leftovers_do_not_move_the_stack() {
        let leftovers = [("AWS_REGION", "eu-west-1"), ("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")];
        let found = localstack(resolve(&RawOptions::default(), &leftovers).expect("valid"));
        assert_eq!((found.region.as_str(), found.access_key.as_str()), ("us-east-1", "test"));
        assert!(found.is_key_ignored, "and that can be said");
        for (key, is_ignored) in
            [("test", false), ("", false), ("000000000042", false), ("42", true)]
        {
            let settings = resolve(&RawOptions::default(), &[("AWS_ACCESS_KEY_ID", key)]);
            let found = localstack(settings.expect("valid"));
            assert_eq!(found.is_key_ignored, is_ignored, "{key}");
        }
        let account = [("AWS_ACCESS_KEY_ID", "000000000042"), ("RYDES_REGION", "eu-west-1")];
        let found = localstack(resolve(&RawOptions::default(), &account).expect("valid"));
        assert_eq!(
            (found.region.as_str(), found.access_key.as_str()),
            ("eu-west-1", "000000000042")
        );
    }

    #[test]
    fn real_aws_is_never_reached_by_accident() {
        for url in [
            "https://sqs.eu-central-1.amazonaws.com",
            "https://SNS.us-east-1.AmazonAWS.com./",
            "https://dynamodb.cn-north-1.amazonaws.com.cn",
            "https://sqs.us-east-1.api.aws",
            "http://localhost@amazonaws.com",
            "https://sqs.eusc-de-east-1.amazonaws.eu",
        ] {
            let refused = resolve(&RawOptions::default(), &[("AWS_ENDPOINT_URL", url)]);
            assert_eq!(refused.expect_err(url).kind(), Kind::Invalid);
        }
        assert!(
            resolve(&RawOptions::default(), &[("AWS_ENDPOINT_URL", "http://notamazonaws.com")])
                .is_ok()
        );
    }

    #[test]
    fn with_aws_the_stack_is_named_and_nothing_local_is() {
        let aws = RawOptions { backend: Backend::Aws, ..RawOptions::default() };
        assert!(resolve(&aws, &[]).expect_err("no stack").to_string().contains("requires a stack"));
        assert!(resolve(&aws, &[("RYDES_STACK", "x")]).is_ok());
        let nowhere = |_: &str| None;
        let any = Settings::without_stack(&aws, Env::new(&nowhere)).expect("no stack is needed");
        assert_eq!(any.command("stacks"), "rydes --aws stacks");
        for url in [
            "http://127.0.0.1:4566",
            "http://[::1]:1",
            "http://[::ffff:127.0.0.1]",
            "http://localhost",
        ] {
            let variables = [("RYDES_STACK", "x"), ("AWS_ENDPOINT_URL_SNS", url)];
            assert!(resolve(&aws, &variables).is_err(), "{url}");
        }
        let both =
            RawOptions { endpoint_url: Some("http://x".into()), stack: Some("x".into()), ..aws };
        assert!(resolve(&both, &[]).is_err());
    }

    #[test]
    fn hints_repeat_what_was_typed() {
        let typed = RawOptions { stack: Some("x".into()), ..RawOptions::default() };
        let settings = resolve(&typed, &[]).expect("valid");
        assert_eq!(settings.command("setup"), "rydes --stack x setup");
        assert_eq!(quoted("Las Vegas"), "\"Las Vegas\"");
        assert_eq!(quoted("a$b'c"), r"'a$b'\''c'");
        assert_eq!(quoted("می\u{200c}خواهم"), "\"می\u{200c}خواهم\"");
        assert_eq!(quoted("it's\u{ad}\\ \u{1b}"), r"$'it\'s\U000000ad\\ \U0000001b'");
    }
}
