//! `rydes serve`.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use serde_json::json;
use tokio::sync::Notify;
use tokio::time::sleep;

use super::listen::bind;
use super::recent::REMEMBERED;
use super::recent::Recent;
use super::remedies::remedies_for_others;
use super::submit::deadline;
use super::{Context, env};
use crate::aws::Aws;
use crate::consumer::{Trouble, Troubles, retry_transient};
use crate::core::RequestRow;
use crate::error::{Error, Result, exit};
use crate::flow::draft::DEADLINE;
use crate::metrics::ServerMetrics;
use crate::serve::{self, Commands, Finder, Hosts, Reporter, ServeEvent, TokenFile};
use crate::settings::{Backend, Settings, quoted};
use crate::terminal::{Format, Output};
use crate::view::count_of;
use crate::view::usage;

const LISTEN: &str = "127.0.0.1:8080";
/// How often the newest RFQs submitted through it are remembered.
const REMEMBER: Duration = Duration::from_millis(500);

/// Who may use the server.
#[derive(Debug, Clone, Copy)]
enum Access {
    /// Anyone who can reach it.
    Open,
    /// Those who have its token.
    Token,
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes serve                            then open http://127.0.0.1:8080/
  rydes serve --listen 127.0.0.1:0       any free port; it is printed
  rydes serve --listen 0.0.0.0:8080 --host rides.example --token-file token

  curl -X POST http://127.0.0.1:8080/submit-instant-ride-rfq \\
       -d '{\"from\": \"Frankfurt\", \"to\": \"Las Vegas\", \"customer\": \"cmr\"}'
  curl http://127.0.0.1:8080/query-instant-ride-rfq/ID
  curl http://127.0.0.1:8080/query-instant-ride-rfq/ID?view=full   all fields
  curl -N http://127.0.0.1:8080/rfqs/ID/events                     each change
  curl http://127.0.0.1:8080/readyz                                also /healthz
  curl http://127.0.0.1:8080/metrics                               metrics")]
pub(super) struct Command {
    /// Address and port to listen on. Without --token-file, anyone who can reach it can submit,
    /// read and end RFQs
    #[arg(long, value_name = "ADDRESS:PORT", default_value = LISTEN)]
    listen: String,
    /// Deadline of requests that name none, 10ms to 24h [default: 15s]
    #[arg(long, value_name = "TIME", value_parser = deadline)]
    deadline: Option<Duration>,
    /// Host name under which browsers reach this server, as behind a reverse proxy; repeatable. IP
    /// addresses always work, and `localhost` works while only this machine can connect
    #[arg(long = "host", value_name = "NAME", value_parser = Hosts::name)]
    hosts: Vec<String>,
    /// File whose first line is a token of 16 or more characters; a changed file is read again. Every
    /// route but health, /metrics and the page then requires `Authorization: Bearer TOKEN`
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let token = command.token_file.clone().map(|file| token(output, file)).transpose()?;
    let listener = bind("--listen", &command.listen).await?;
    let at = listener.local_addr().map_err(Error::system)?;
    let aws = context.connect(&settings).await?;
    let metrics = Arc::new(ServerMetrics::of(&aws));
    // Without the stack, the run fails before it prints anything.
    let topic = Box::pin(retry_transient(async || aws.topic().await));
    context.visibly("looking for the stack", topic).await?;
    let access = if token.is_some() { Access::Token } else { Access::Open };
    greet(output, &aws, at, access);
    let served = Arc::new(Served::default());
    let recent = Recent::of(&aws, env);
    let stop = context.shutdown.part();
    // Without authentication a reader may be anyone, and `--host` means that a proxy forwards other machines' requests.
    let is_private = at.ip().is_loopback() && command.hosts.is_empty();
    let shown = if is_private {
        aws.clone()
    } else {
        aws.clone().with_remedies(remedies_for_others(&settings))
    };
    let serving = Box::pin(serve::run(
        listener,
        shown,
        serve::ServeSettings {
            deadline: command.deadline.unwrap_or(DEADLINE),
            commands: is_private.then(|| Arc::new(commands(&settings, &command, at))),
            find: is_private.then(|| finder(&aws, &settings)),
            token,
            hosts: Hosts::new(command.hosts, Some(at.ip())),
            metrics,
        },
        &stop,
        reporter(output, &served),
    ));
    // The first RFQ is remembered at once, so that the next command finds it; later ones after a pause.
    let remembering = async {
        loop {
            served.fresh.notified().await;
            served.remember(output, &recent).await;
            sleep(REMEMBER).await;
        }
    };
    let ended = tokio::select! {
        ended = serving => ended,
        () = remembering => Ok(()),
    };
    served.remember(output, &recent).await;
    served.summary(output, &aws);
    ended.map(|()| exit::DONE)
}

/// The token of a file. It is read before the server listens.
fn token(output: &Output, file: PathBuf) -> Result<Arc<TokenFile>> {
    let shown = file.display().to_string();
    let token = TokenFile::read(file).map_err(|problem| {
        Error::invalid(format!("`--token-file`: {problem}"))
            .hint("a new token: (umask 077; head -c 24 /dev/urandom | base64 > FILE)")
    })?;
    if token.is_public() {
        output.warning(&format!("every user of this machine can read {shown}: chmod o-r {shown}"));
    }
    Ok(Arc::new(token))
}

/// The command lines that the page shows.
fn commands(settings: &Settings, command: &Command, at: SocketAddr) -> Commands {
    let start = match settings.backend() {
        Backend::LocalStack if settings.is_on_this_machine() => Some("localstack up"),
        Backend::LocalStack => None,
        Backend::Aws => Some("status"),
    };
    Commands {
        serve: settings.command(&command.line(at)),
        start_backend: start.map(|start| settings.command(start)),
        set_up: settings.command("setup"),
        run_providers: settings.command("providers run"),
        run_consumer: settings.command("consumer run"),
        status: settings.command("status"),
    }
}

impl Command {
    /// `serve` with the options as they were typed. A free port is replaced by the one that was found.
    fn line(&self, at: SocketAddr) -> String {
        let mut line = "serve".to_owned();
        let is_any = self.listen == "0" || self.listen.ends_with(":0");
        let listen = if is_any { at.to_string() } else { self.listen.clone() };
        if listen != LISTEN {
            _ = write!(line, " --listen {}", quoted(&listen));
        }
        if let Some(file) = &self.token_file {
            _ = write!(line, " --token-file {}", quoted(&file.to_string_lossy()));
        }
        for host in &self.hosts {
            _ = write!(line, " --host {host}");
        }
        if let Some(deadline) = self.deadline {
            _ = write!(line, " --deadline {}", typed(deadline));
        }
        line
    }
}

/// A duration as an option takes it: `90s`, `250ms`.
fn typed(duration: Duration) -> String {
    match duration.subsec_millis() {
        0 => format!("{}s", duration.as_secs()),
        _ => format!("{}ms", duration.as_millis()),
    }
}

/// Finds an RFQ by the beginning of its id, as the other commands do.
fn finder(aws: &Aws, settings: &Settings) -> Finder {
    let (aws, settings) = (aws.clone(), settings.clone());
    Arc::new(move |typed| {
        let (aws, settings) = (aws.clone(), settings.clone());
        Box::pin(async move { Recent::of(&aws, env).find(Some(&typed), &settings).await })
    })
}

fn greet(output: &Output, aws: &Aws, at: SocketAddr, access: Access) {
    output.note(&aws.target_line());
    let beyond = !at.ip().is_loopback();
    match access {
        Access::Open if beyond => output.warning(&format!(
            "no authentication: anyone who can reach {at} can submit, read and end RFQs"
        )),
        Access::Token if beyond => output.note(
            "plain HTTP hides neither the token nor the answers: put a proxy that ends TLS in front",
        ),
        Access::Open | Access::Token => {}
    }
    let url = format!("http://{at}");
    match output.format {
        Format::Table | Format::Workshop | Format::Otlp | Format::Csv => output.event(&url),
        Format::Json | Format::Jsonl => output.event_json(&json!({"url": url})),
    }
    output.note("Ctrl-C finishes open requests, then ends; Ctrl-C twice ends at once");
}

#[derive(Default)]
struct Served {
    answered: AtomicU64,
    taken: AtomicU64,
    refused: AtomicU64,
    troubles: Troubles,
    /// The newest RFQs that are not remembered yet.
    newest: Mutex<VecDeque<RequestRow>>,
    /// Signals such RFQs.
    fresh: Notify,
}

impl Served {
    /// Counts an event. Returns the line to print, if any.
    fn count(&self, report: &ServeEvent) -> Option<String> {
        let add = |counter: &AtomicU64| counter.fetch_add(1, Ordering::Relaxed);
        match report {
            ServeEvent::Answered { status, .. } => {
                add(&self.answered);
                if *status == 503 {
                    add(&self.refused);
                }
                None
            }
            ServeEvent::Taken(row) => {
                add(&self.taken);
                let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
                newest.push_back((**row).clone());
                if newest.len() > REMEMBERED {
                    newest.pop_front();
                }
                self.fresh.notify_one();
                None
            }
            ServeEvent::Trouble(trouble) => match self.troubles.news(of_its_own(trouble))? {
                Trouble::Began { reason, .. } => {
                    Some(format!("trouble: {reason}; requests get 503 until it is over"))
                }
                Trouble::Over { subject } | Trouble::Abandoned { subject } => {
                    Some(format!("over: {subject} works again"))
                }
                Trouble::Entry { subject, reason } => Some(format!("{subject}: {reason}")),
            },
        }
    }

    /// Remembers what was submitted, so that `rydes quotes` and `rydes status` find it.
    async fn remember(&self, output: &Output, recent: &Recent) {
        let newest =
            std::mem::take(&mut *self.newest.lock().unwrap_or_else(PoisonError::into_inner));
        recent.remember(&newest, output).await;
    }

    fn summary(&self, output: &Output, aws: &Aws) {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (answered, taken) = (read(&self.answered), read(&self.taken));
        let refused = read(&self.refused);
        let refused =
            if refused > 0 { format!(", {refused} answered with 503") } else { String::new() };
        output.note(&format!(
            "done: {} answered, {} submitted{refused}",
            count_of(answered, "HTTP request"),
            count_of(taken, "RFQ"),
        ));
        for line in usage::lines(&aws.meter.usage(), taken) {
            output.detail(&line);
        }
    }
}

/// The trouble with its subject in the reason: two subjects with the same reason are reported apart.
fn of_its_own(trouble: &Trouble) -> Trouble {
    match trouble {
        Trouble::Began { subject, reason } => {
            Trouble::Began { subject: subject.clone(), reason: format!("{subject}: {reason}") }
        }
        other => other.clone(),
    }
}

fn reporter(output: &Output, served: &Arc<Served>) -> Reporter {
    let (output, served) = (output.clone(), Arc::clone(served));
    Arc::new(move |report| {
        if let Some(news) = served.count(&report) {
            output.note(&news);
        }
        if let ServeEvent::Answered { method, path, status, took, .. } = &report {
            output.detail(&format!("{method} {path} {status} {} ms", took.as_millis()));
            if output.format == Format::Jsonl {
                let took = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
                output.event_json(&json!({
                    "method": method, "path": path, "status": status, "took-ms": took,
                }));
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_repeats_what_was_typed() {
        let line = |listen: &str, hosts: &[&str], deadline: Option<Duration>| {
            let token_file = hosts.contains(&"b").then(|| PathBuf::from("my token"));
            let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
            let command = Command { listen: listen.to_owned(), deadline, hosts, token_file };
            command.line("127.0.0.1:4000".parse().expect("an address"))
        };
        assert_eq!(line(LISTEN, &[], None), "serve");
        assert_eq!(line("127.0.0.1:0", &[], None), "serve --listen 127.0.0.1:4000");
        assert_eq!(
            line("localhost:4000", &["a.example", "b"], Some(Duration::from_millis(1_500))),
            "serve --listen localhost:4000 --token-file \"my token\" --host a.example --host b --deadline 1500ms"
        );
        assert_eq!(line(LISTEN, &[], Some(Duration::from_secs(90))), "serve --deadline 90s");
    }
}
