//! A complete provider in another language, filled in for one provider of one stack.

use clap::ValueEnum;

use crate::core::text::compact_json;
use crate::view::owner::Needs;

/// The language of an example.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Language {
    /// A program for Python and boto3
    Python,
    /// A program for Node.js and @aws-sdk/client-sqs
    Node,
}

impl Language {
    /// The program that serves this provider.
    pub(super) fn program(self, needs: &Needs) -> String {
        let template = match self {
            Self::Python => include_str!("example.py"),
            Self::Node => include_str!("example.mjs"),
        };
        let local = needs.local.as_ref();
        let lines = template.lines().filter(|line| local.is_some() || !is_local(line));
        let mut program = lines.collect::<Vec<_>>().join("\n");
        let texts = [
            ("@REQUESTS@", needs.queue_url.as_str()),
            ("@REPLIES@", &needs.response_queue_url),
            ("@REGION@", &needs.region),
            ("@ENDPOINT@", local.map_or("", |local| &local.endpoint)),
            ("@ACCESS_KEY@", local.map_or("", |local| &local.access_key)),
            ("@SECRET_KEY@", local.map_or("", |local| local.secret_key)),
        ];
        for (mark, text) in texts {
            // Both languages read a string of JSON.
            program = program.replace(&format!("\"{mark}\""), &compact_json(&text));
        }
        // These names have no character that needs an escape.
        program.replace("@PROVIDER@", needs.provider.as_str()).replace("@STACK@", &needs.stack)
    }

    /// The command line that runs it once it is saved.
    pub(super) fn start(self, needs: &Needs) -> String {
        match self {
            Self::Python => format!("pip install boto3 && python3 {}.py", needs.provider),
            Self::Node => {
                format!("npm install @aws-sdk/client-sqs && node {}.mjs", needs.provider)
            }
        }
    }
}

/// Whether a line is about LocalStack: on AWS the SDK finds endpoint and credentials itself.
fn is_local(line: &str) -> bool {
    ["@ENDPOINT@", "@ACCESS_KEY@", "@SECRET_KEY@"].iter().any(|mark| line.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::ProviderName;
    use crate::view::owner::LocalAccess;

    fn needs(local: Option<LocalAccess>) -> Needs {
        Needs {
            provider: ProviderName::parse("acme").expect("a name"),
            stack: "wild-rydes".to_owned(),
            region: "eu-central-1".to_owned(),
            local,
            queue_url: "https://q/acme".to_owned(),
            queue_arn: String::new(),
            response_queue_url: "https://q/\"replies\"".to_owned(),
            response_queue_arn: String::new(),
        }
    }

    fn localstack() -> LocalAccess {
        LocalAccess {
            endpoint: "http://localhost:4566".to_owned(),
            access_key: "123456789012".to_owned(),
            secret_key: "test",
        }
    }

    #[test]
    fn examples_have_at_most_thirty_lines_and_every_mark_is_filled_in() {
        for language in [Language::Python, Language::Node] {
            let program = language.program(&needs(Some(localstack())));
            assert!(program.lines().count() <= 30, "{}", program.lines().count());
            assert!(program.lines().all(|line| line.len() <= 100), "{program}");
            let marks = program.replace("@aws-sdk", "").matches('@').count();
            assert_eq!(marks, 0, "{program}");
            for text in [
                "\"http://localhost:4566\"",
                "\"123456789012\"",
                "\"test\"",
                "\"https://q/acme\"",
                r#""https://q/\"replies\"""#,
                "\"eu-central-1\"",
            ] {
                assert!(program.contains(text), "{text} is not in:\n{program}");
            }
        }
    }

    #[test]
    fn on_aws_the_sdk_finds_endpoint_and_credentials() {
        for language in [Language::Python, Language::Node] {
            let program = language.program(&needs(None));
            let has = |word: &str| program.to_lowercase().contains(word);
            assert!(has("eu-central-1") && has("https://q/acme"), "{program}");
            assert!(!has("endpoint") && !has("access") && !has("secret"), "{program}");
        }
    }
}
