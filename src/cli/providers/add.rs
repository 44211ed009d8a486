//! `rydes providers add`.

use clap::Args;
use serde_json::json;

use super::example::Language;
use crate::aws::Aws;
use crate::cli::input::typed_or_read;
use crate::cli::{Context, waiting};
use crate::core::filter::{FilterPolicy, FilterScope, PolicyProblem, is_operator};
use crate::core::text::{printable, trimmed};
use crate::core::{ProviderName, SenderId, Senders};
use crate::error::{Error, Kind, Result, exit};
use crate::settings::{SECRET_KEY, Settings, Target};
use crate::stack::{self, AddRequest, Added, Binding, Change, Filter, ProviderKind, Untagged};
use crate::terminal::live::size;
use crate::terminal::{Format, Output};
use crate::view::owner::{LocalAccess, Needs, add_access, lines};

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes providers add acme         prints what the owner of acme needs
  rydes providers add acme --example python > acme.py
  rydes providers add acme --only '{\"from\": [\"Oslo\"]}'
  rydes providers add acme --only '{}'     removes the filter
  rydes providers add acme --sender AROA1234567890EXAMPLE
  rydes providers add acme --no-sender     accepts replies from any sender")]
pub(super) struct Command {
    /// Name of the provider: a letter, then letters, digits or `_`
    #[arg(value_name = "NAME", value_parser = ProviderName::parse)]
    name: ProviderName,
    /// Print a complete provider to stdout, ready to run: `python` (boto3) or `node`
    /// (@aws-sdk/client-sqs)
    #[arg(long, value_enum, value_name = "LANGUAGE", hide_possible_values = true)]
    example: Option<Language>,
    /// Ask the provider only for requests that match this filter policy: JSON, `@FILE`, or `@-` for
    /// stdin; `{}` removes it [default: the current policy]
    #[arg(long, value_name = "POLICY")]
    only: Option<String>,
    /// Gather the provider's replies only from this sender, an account or the unique id of a role or
    /// user; repeat for several [default: the current senders; if there are none, any sender]
    #[arg(long = "sender", value_name = "ID", value_parser = SenderId::parse)]
    senders: Vec<SenderId>,
    /// Gather the provider's replies from any sender again
    #[arg(long, conflicts_with = "senders")]
    no_sender: bool,
    /// Take over a queue of the right name that lacks the stack's tag
    #[arg(long)]
    adopt: bool,
}

impl Command {
    /// The binding that was typed; `None` without any.
    fn binding(&self) -> Result<Option<Binding>> {
        if self.no_sender {
            return Ok(Some(Binding::Free));
        }
        if self.senders.is_empty() {
            return Ok(None);
        }
        let wrong = |problem| Error::invalid(format!("`--sender`: {problem}"));
        Senders::of(&self.senders).map(|senders| Some(Binding::To(senders))).map_err(wrong)
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let output = &context.output;
    let settings = context.settings()?;
    let filter = match &command.only {
        Some(typed) => Some(policy(output, &typed_or_read(context, typed).await?)?),
        None => None,
    };
    let request = AddRequest { filter, binding: command.binding()? };
    let aws = context.connect(&settings).await?;
    output.note(&aws.target_line());
    if command.example.is_some() {
        require_external(&aws, &command.name).await?;
    }
    let untagged = if command.adopt { Untagged::Adopt } else { Untagged::Refuse };
    let on_wait = waiting(output);
    let adding = Box::pin(stack::add(&aws, &command.name, &request, untagged, &on_wait));
    let added = adding.await.map_err(|error| match (error.kind(), &request.filter) {
        (Kind::Other, Some(_)) => {
            let remove = settings.command(&format!("providers remove {}", command.name));
            error.hint(format!("if a queue was made before this error: {remove}"))
        }
        _ => error,
    })?;
    drop(on_wait);
    warn_of_template(output, &added, &request);
    let needs = needs(&settings, &aws, &command.name, &added);
    let example = command.example.map(|language| language.program(&needs));
    if matches!(output.format, Format::Json | Format::Jsonl) {
        let mut document = json!({
            "provider": needs.provider.as_str(),
            "created": added.queue == Change::Created,
            "queue-url": needs.queue_url,
            "queue-arn": needs.queue_arn,
            "response-queue-url": needs.response_queue_url,
            "response-queue-arn": needs.response_queue_arn,
            "filter-policy": added.filter.as_ref().map(|filter| &filter.policy),
            "senders": added.senders.as_ref().map(Senders::ids),
            "example": example,
        });
        add_access(&mut document, &needs);
        output.json(&document);
        return Ok(exit::DONE);
    }
    let name = &command.name;
    if added.kind == ProviderKind::Simulated {
        note_filter(output, &aws, name, &added, request.filter.as_ref());
        note_senders(output, name, &added, request.binding.as_ref());
        return Ok(exit::DONE);
    }
    let what = match (&added.queue, &added.subscription) {
        (Change::Kept, Change::Kept) => "was there already",
        _ => "is ready",
    };
    output.note(&format!("{name} {what}; what its owner needs:"));
    match &example {
        None => output.toned(&lines(&needs, output.width())),
        Some(program) => {
            let width = output.is_stderr_terminal().then(|| size().0);
            for line in lines(&needs, width) {
                output.toned_note(&line);
            }
            output.data(program);
        }
    }
    note_filter(output, &aws, name, &added, request.filter.as_ref());
    note_senders(output, name, &added, request.binding.as_ref());
    note_next(output, &settings, &needs, command.example);
    Ok(exit::DONE)
}

/// Warns about a change of a provider that CloudFormation made: the template's next update may undo it.
fn warn_of_template(output: &Output, added: &Added, typed: &AddRequest) {
    let is_changed = typed.filter.is_some() || added.queue != Change::Kept;
    if let Some(stack) = added.cloudformation_stack.as_ref().filter(|_| is_changed) {
        output.warning(&format!(
            "CloudFormation stack `{}` made this provider: change its template too",
            printable(stack)
        ));
    }
}

/// A simulated provider has no owner: `providers run` answers for it.
async fn require_external(aws: &Aws, name: &ProviderName) -> Result<()> {
    match stack::provider_kind(aws, name).await? {
        Some(ProviderKind::Simulated) => Err(Error::invalid(format!(
            "{name} is a simulated provider: `--example` is for real ones"
        ))),
        Some(ProviderKind::External) | None => Ok(()),
    }
}

fn needs(settings: &Settings, aws: &Aws, name: &ProviderName, added: &Added) -> Needs {
    let local = match &settings.target {
        Target::LocalStack(local) => Some(LocalAccess {
            endpoint: local.sqs.url.clone(),
            access_key: local.access_key.clone(),
            secret_key: SECRET_KEY,
        }),
        Target::Aws { .. } => None,
    };
    Needs {
        provider: name.clone(),
        stack: settings.stack.to_string(),
        region: aws.region().to_owned(),
        local,
        queue_url: added.queue_url.clone(),
        queue_arn: added.queue_arn.clone(),
        response_queue_url: added.response_queue_url.clone(),
        response_queue_arn: added.response_queue_arn.clone(),
    }
}

/// Says which requests reach the provider, if a filter decides it or was just removed.
fn note_filter(
    output: &Output,
    aws: &Aws,
    name: &ProviderName,
    added: &Added,
    typed: Option<&Filter>,
) {
    match (&added.filter, typed) {
        (Some(filter), _) => output.note(&format!(
            "{name} is asked only for requests that match {}",
            printable(&filter.policy)
        )),
        (None, Some(_)) => output.note(&format!("{name} is asked for every request")),
        (None, None) => {}
    }
    if typed.is_some() && aws.is_real() {
        output.note("AWS takes up to 15 minutes to apply a filter");
    }
}

/// Says whose replies are gathered, if the provider is bound or was just freed.
fn note_senders(output: &Output, name: &ProviderName, added: &Added, typed: Option<&Binding>) {
    match (&added.senders, typed) {
        (Some(senders), _) if senders.ids().is_empty() => {
            output.note(&format!("{name}: no sender is bound, so all its replies are refused"));
        }
        (Some(senders), _) => {
            output.note(&format!("{name}: only replies sent by {senders} are gathered"));
        }
        (None, Some(_)) => output.note(&format!("{name}: replies of any sender are gathered")),
        (None, None) => {}
    }
    if typed.is_some() {
        output.note("a consumer that runs already applies this within a minute");
    }
}

fn note_next(output: &Output, settings: &Settings, needs: &Needs, example: Option<Language>) {
    let name = &needs.provider;
    if let Some(language) = example {
        output.suggest(&format!("next: {}", language.start(needs)));
        let gather = settings.command("consumer run");
        let run = settings.command("providers run");
        output.note(&format!("`{gather}` or `{run}` gathers its replies"));
        return;
    }
    let run = settings.command(&format!("providers run {name} -- PROGRAM"));
    let program = settings.command(&format!("providers add {name} --example python"));
    output.suggest(&format!("next: {run}, or with --http URL"));
    output.suggest(&format!("or:   {program} > {name}.py"));
}

/// The fields of a request's message.
const FIELDS: [&str; 7] =
    ["rfq-id", "from", "to", "customer", "submitted-at", "deadline", "details"];

/// Checks a policy on the message's body. What it does with some requests may be unknown; that is a warning.
fn policy(output: &Output, json: &str) -> Result<Filter> {
    let wrong = |problem: PolicyProblem| Error::invalid(format!("`--only`: {problem}"));
    let policy = FilterPolicy::parse(json).map_err(wrong)?;
    policy.check(FilterScope::MessageBody).map_err(wrong)?;
    for unknown in policy.unknowns() {
        output.warning(&format!(
            "`rydes` does not know {} at {}; where it decides, an answer is expected",
            unknown.what, unknown.place
        ));
    }
    for key in policy.keys() {
        let (first, _) = key.split_once('.').unwrap_or((key, ""));
        if !FIELDS.contains(&first) {
            output.warning(&format!(
                "requests have no field `{first}`; they have {}",
                FIELDS.map(|field| format!("`{field}`")).join(", ")
            ));
        }
        if let Some(operator) = key.split('.').find(|part| is_operator(part)) {
            output.warning(&format!(
                "`{operator}` in `{key}` is read as a key; an operator stands in an array, as in \
                 `[{{\"{operator}\": ...}}]`"
            ));
        }
    }
    Ok(Filter { policy: trimmed(json).to_owned(), scope: FilterScope::MessageBody })
}
