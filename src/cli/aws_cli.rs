//! Command lines of the AWS CLI for what `rydes` leaves to it, for the same place as the user's command.

use crate::core::text::printable;
use crate::settings::{SECRET_KEY, Settings, Target, quoted};

/// A command line that works in this region. LocalStack has an account for each access key, so there it includes the
/// key.
pub(super) fn aws_command(settings: &Settings, region: &str, action: &str) -> String {
    let (keys, place) = match &settings.target {
        Target::LocalStack(local) => {
            let key = &local.access_key;
            let keys = format!("AWS_ACCESS_KEY_ID={key} AWS_SECRET_ACCESS_KEY={SECRET_KEY} ");
            (keys, format!("--endpoint-url {} ", quoted(&local.dynamodb.url)))
        }
        Target::Aws { profile: Some(profile), .. } => {
            (String::new(), format!("--profile {} ", quoted(profile)))
        }
        Target::Aws { profile: None, .. } => (String::new(), String::new()),
    };
    printable(&format!("{keys}aws {place}--region {} {action}", quoted(region)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::{Backend, Env, RawOptions};

    #[test]
    fn a_line_names_the_same_place() {
        let line = |typed: &RawOptions, key: Option<&str>| {
            let env = |name: &str| (name == "AWS_ACCESS_KEY_ID").then_some(key?).map(Into::into);
            let settings = Settings::resolve(typed, Env::new(&env)).expect("valid");
            aws_command(&settings, "eu-west-1", "sts get-caller-identity")
        };
        let rest = "--region eu-west-1 sts get-caller-identity";
        let aws = |profile: Option<&str>| RawOptions {
            stack: Some("x".to_owned()),
            profile: profile.map(str::to_owned),
            backend: Backend::Aws,
            ..RawOptions::default()
        };
        assert_eq!(line(&aws(None), None), format!("aws {rest}"));
        assert_eq!(line(&aws(Some("my team")), None), format!("aws --profile \"my team\" {rest}"));
        let local = line(&RawOptions::default(), Some("111122223333"));
        let place = "--endpoint-url http://localhost:4566";
        let keys = "AWS_ACCESS_KEY_ID=111122223333 AWS_SECRET_ACCESS_KEY=test";
        assert_eq!(local, format!("{keys} aws {place} {rest}"));
    }
}
