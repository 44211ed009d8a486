//! The file that names real providers and what answers for each.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::service::{
    MOST_AT_ONCE, TIMEOUT, attempt_timeout, health_path, started_in, usual_concurrency, variable,
};
use crate::core::{ProviderName, StackName};
use crate::error::{Error, Result};
use crate::flow::provider::{Endpoint, Served, ServedBy, endpoint_url};

/// The content of the file.
#[derive(Debug)]
pub(super) struct Config {
    /// The only stack that it is for.
    pub(super) stack: Option<StackName>,
    /// Its providers, in natural order.
    pub(super) served: Vec<Served>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    stack: Option<Spanned<String>>,
    #[serde(default)]
    providers: BTreeMap<Spanned<String>, Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Entry {
    command: Option<Spanned<Vec<String>>>,
    http: Option<Spanned<String>>,
    timeout: Option<Spanned<toml::Value>>,
    concurrency: Option<Spanned<i64>>,
    env: Option<Vec<Spanned<String>>>,
    headers_file: Option<Spanned<PathBuf>>,
    health: Option<Spanned<String>>,
}

/// A problem, and the bytes of the file that it is about.
type Problem = (String, Range<usize>);

/// Reads a file that is used on this stack.
///
/// # Errors
/// Invalid: names the line, the column and what is wrong there, or the other stack that the file is for.
pub(super) fn read(path: &Path, stack: &StackName) -> Result<Config> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        Error::invalid(format!("cannot read {}", path.display())).because(error)
    })?;
    let folder = std::path::absolute(path).map_err(Error::system)?;
    let folder = folder.parent().unwrap_or(Path::new("/"));
    let config = parsed(&text, folder).map_err(|(problem, at)| {
        let (line, column) = place(&text, at.start);
        Error::invalid(format!("{}:{line}:{column}: {problem}", path.display()))
    })?;
    match &config.stack {
        Some(other) if other != stack => {
            Err(Error::invalid(format!("{} is for stack {other}, not for {stack}", path.display()))
                .hint(format!("--stack {other} works on it")))
        }
        _ => Ok(config),
    }
}

/// The line and the column of a byte, both from 1.
fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = &text[..text.floor_char_boundary(byte)];
    let line = before.rsplit('\n').next().unwrap_or_default();
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn parsed(text: &str, folder: &Path) -> Result<Config, Problem> {
    let document: Document = toml::from_str(text)
        .map_err(|error| (error.message().to_owned(), error.span().unwrap_or(0..0)))?;
    let stack = document.stack.map(|stack| checked(&stack, |text| StackName::parse(text)));
    let served = document.providers.iter().map(|(name, entry)| {
        let name = checked(name, |text| ProviderName::parse(text))?;
        served(name, entry, folder)
    });
    let mut served = served.collect::<Result<Vec<_>, Problem>>()?;
    served.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(Config { stack: stack.transpose()?, served })
}

/// Parses a value. A refusal carries its place in the file.
fn checked<T, U>(
    value: &Spanned<T>,
    parse: impl FnOnce(&T) -> Result<U, String>,
) -> Result<U, Problem> {
    parse(value.get_ref()).map_err(|problem| (problem, value.span()))
}

fn served(name: ProviderName, entry: &Spanned<Entry>, folder: &Path) -> Result<Served, Problem> {
    let whole = entry.span();
    let entry = entry.get_ref();
    let timeout = entry.timeout.as_ref().map(|value| checked(value, limit));
    let timeout = timeout.transpose()?.unwrap_or(TIMEOUT);
    let by = match (&entry.command, &entry.http) {
        (Some(command), None) => {
            refuse(entry.headers_file.as_ref(), "headers-file", "http")?;
            refuse(entry.health.as_ref(), "health", "http")?;
            let variables =
                entry.env.iter().flatten().map(|one| checked(one, |text| variable(text)));
            let variables = variables.collect::<Result<Vec<_>, _>>()?;
            let program = checked(command, |words| {
                let (program, arguments) =
                    words.split_first().ok_or("the command has no program")?;
                let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
                started_in(folder, OsStr::new(program), &arguments, &variables, timeout)
            })?;
            ServedBy::Program(program)
        }
        (None, Some(url)) => {
            refuse(entry.env.as_ref().and_then(|all| all.first()), "env", "command")?;
            let file = entry.headers_file.as_ref();
            let health = entry.health.as_ref().map(|path| checked(path, |text| health_path(text)));
            ServedBy::Endpoint(Endpoint {
                url: checked(url, |text| endpoint_url(text))?,
                headers_file: file.map(|file| folder.join(file.get_ref())),
                health: health.transpose()?,
                timeout,
            })
        }
        (Some(_), Some(http)) => {
            return Err((
                "the provider has both `command` and `http`: remove one".to_owned(),
                http.span(),
            ));
        }
        (None, None) => {
            return Err((
                "the provider has neither `command` nor `http`: add one".to_owned(),
                whole,
            ));
        }
    };
    let concurrency = entry.concurrency.as_ref().map(|number| {
        checked(number, |number| match usize::try_from(*number) {
            Ok(number @ 1..=MOST_AT_ONCE) => Ok(number),
            _ => Err(format!("a provider's concurrency is 1 to {MOST_AT_ONCE}")),
        })
    });
    let concurrency = concurrency.transpose()?.unwrap_or_else(|| usual_concurrency(&by));
    Ok(Served { name, by, concurrency })
}

/// The limit of an attempt: a text such as `10s`, or a number of seconds.
fn limit(value: &toml::Value) -> Result<Duration, String> {
    match value {
        toml::Value::String(text) => attempt_timeout(text),
        toml::Value::Integer(seconds) => attempt_timeout(&seconds.to_string()),
        toml::Value::Float(seconds) => attempt_timeout(&seconds.to_string()),
        _ => Err("a timeout is a time such as \"10s\", or a number of seconds".to_owned()),
    }
}

/// Refuses a key that belongs to the other kind of provider.
fn refuse<T>(value: Option<&Spanned<T>>, key: &str, other: &str) -> Result<(), Problem> {
    match value {
        Some(value) => Err((format!("`{key}` requires `{other}`"), value.span())),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(text: &str) -> String {
        let (problem, at) = parsed(text, Path::new("/")).expect_err(text);
        let (line, column) = place(text, at.start);
        format!("{line}:{column}: {problem}")
    }

    #[test]
    fn a_file_names_programs_and_endpoints() {
        let text = r#"
            stack = "wild"
            [providers.b10]
            command = ["sh", "-c", "echo 7"]
            timeout = "1500ms"
            concurrency = 3
            env = ["ACME_TOKEN"]
            [providers.b2]
            http = "https://quotes.example/rides?x=1"
            headers-file = "b2.headers"
            health = "/healthz"
        "#;
        let config = parsed(text, Path::new("/etc/rydes")).expect("good");
        assert_eq!(config.stack.expect("a stack").as_str(), "wild");
        let [b2, b10] = &config.served[..] else { panic!("{:?}", config.served) };
        let ServedBy::Program(program) = &b10.by else { panic!("{b10:?}") };
        assert!(program.path.is_absolute() && program.path.ends_with("sh"), "{program:?}");
        assert_eq!(program.arguments, ["-c", "echo 7"]);
        assert_eq!(program.folder, Path::new("/etc/rydes"));
        assert_eq!((program.timeout, b10.concurrency), (Duration::from_millis(1_500), 3));
        let ServedBy::Endpoint(endpoint) = &b2.by else { panic!("{b2:?}") };
        assert_eq!(endpoint.headers_file.as_deref(), Some(Path::new("/etc/rydes/b2.headers")));
        assert_eq!((endpoint.timeout, b2.concurrency), (TIMEOUT, 100));
    }

    #[test]
    fn a_timeout_may_be_a_number_of_seconds() {
        for (typed, limit) in [("10", 10_000), ("1.5", 1_500), ("\"10s\"", 10_000)] {
            let text = format!("[providers.a]\nhttp = \"http://x\"\ntimeout = {typed}");
            let config = parsed(&text, Path::new("/")).expect(typed);
            let ServedBy::Endpoint(endpoint) = &config.served[0].by else { panic!("{config:?}") };
            assert_eq!(endpoint.timeout, Duration::from_millis(limit), "{typed}");
        }
    }

    #[test]
    fn what_is_wrong_is_named_with_its_place() {
        for (text, told) in [
            ("stack = \n", "1:9: "),
            ("stak = \"a\"", "1:1: unknown field `stak`"),
            ("stack = \"a_b\"", "1:9: a stack's name is"),
            ("[providers.a]\ncomand = [\"sh\"]", "2:1: unknown field `comand`"),
            ("[providers.a-b]\nhttp = \"http://x\"", "1:12: a provider's name is"),
            ("[providers.a]\n", "1:1: the provider has neither `command` nor `http`"),
            (
                "[providers.a]\ncommand = [\"sh\"]\nhttp = \"http://x\"",
                "3:8: the provider has both",
            ),
            ("[providers.a]\ncommand = []", "2:11: the command has no program"),
            ("[providers.a]\ncommand = \"sh\"", "2:11: invalid type: string"),
            ("[providers.a]\ncommand = [\"no-such-program\"]", "2:11: cannot start"),
            (
                "[providers.a]\ncommand = [\"/etc/passwd\"]",
                "2:11: cannot start `/etc/passwd`: it is not exec",
            ),
            ("[providers.a]\ncommand = [\"/etc\"]", "2:11: cannot start `/etc`: it is not a file"),
            ("[providers.a]\ncommand = [\"sh\"]\nhealth = \"/\"", "3:10: `health` requires `http`"),
            (
                "[providers.a]\ncommand = [\"sh\"]\nheaders-file = \"x\"",
                "3:16: `headers-file` requires",
            ),
            ("[providers.a]\ncommand = [\"sh\"]\nenv = [\"A=B\"]", "3:8: a variable's name"),
            (
                "[providers.a]\ncommand = [\"sh\"]\nenv = [\"RYDES_STACK\"]",
                "3:8: rydes sets the RYDES_ variables",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\nenv = [\"TRACEPARENT\"]",
                "3:8: rydes sets TRACEPARENT itself",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\ntimeout = \"99ms\"",
                "3:11: an attempt's limit is 100ms to 1h",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\ntimeout = \"61m\"",
                "3:11: an attempt's limit is 100ms to 1h",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\ntimeout = 3601",
                "3:11: an attempt's limit is 100ms to 1h",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\ntimeout = -1",
                "3:11: a duration cannot be negative",
            ),
            ("[providers.a]\ncommand = [\"sh\"]\ntimeout = true", "3:11: a timeout is a time"),
            (
                "[providers.a]\ncommand = [\"sh\"]\nconcurrency = 0",
                "3:15: a provider's concurrency is 1 to 1000",
            ),
            (
                "[providers.a]\ncommand = [\"sh\"]\nconcurrency = 1001",
                "3:15: a provider's concurrency is 1 to 1000",
            ),
            ("[providers.a]\nhttp = \"quotes.example\"", "2:8: "),
            ("[providers.a]\nhttp = \"ftp://quotes.example\"", "2:8: an endpoint begins with"),
            ("[providers.a]\nhttp = \"http://u:p@x/\"", "2:8: no user or password"),
            ("[providers.a]\nhttp = \"http://x\"\nenv = [\"A\"]", "3:8: `env` requires `command`"),
            (
                "[providers.a]\nhttp = \"http://x\"\nhealth = \"http://y/\"",
                "3:10: a health path begins",
            ),
            ("[providers.a]\nhttp = \"http://x\"\nhealth = \"//y/\"", "3:10: a health path begins"),
            ("[providers.a]\nhttp = \"http://x\"\n[providers.a]\n", "3:12: duplicate key"),
        ] {
            let said = problem(text);
            assert!(said.starts_with(told), "{text}\n{said}");
        }
    }
}
