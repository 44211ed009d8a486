//! `rydes quotes`.

use clap::Args;

use super::gathering::{explain, print, unknown};
use super::recent::Recent;
use super::until::check_until;
use super::watch::{Partial, Stay, WaitPlan, wait};
use super::{Context, env};
use crate::core::Until;
use crate::core::aggregate::Status;
use crate::error::{Error, Result, exit};
use crate::flow::quotes::snapshot;
use crate::terminal::Format;
use crate::view::details::Field;

/// Words that people type for `--watch`.
const WATCH_WORDS: [&str; 4] = ["watch", "wait", "follow", "live"];

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  rydes quotes                     the newest RFQ submitted from this machine
  rydes quotes 78c3 --watch        until all have answered, or the deadline
  rydes quotes 78c3 --watch --until 3 --until price:20 --until stall:5s
  rydes quotes 78c3 --show vehicle --show eta-minutes
  rydes quotes 78c3 -o json        exact prices, for programs")]
pub(super) struct Command {
    /// Id of the RFQ, or its first 4 or more characters if it was submitted from this machine
    /// [default: the newest RFQ submitted from this machine]
    #[arg(value_name = "RFQ-ID")]
    id: Option<String>,
    /// Wait until every provider has answered, or until the deadline
    #[arg(short, long)]
    watch: bool,
    /// With --watch: what ends the wait: `all`, `3` quotes, `price:20` or `stall:5s`; repeatable, the
    /// first one counts
    #[arg(long, value_name = "CONDITION", requires = "watch")]
    until: Vec<Until>,
    /// Add a column: a field of each reply's details, by name or by a JSON Pointer such as
    /// `/legs/0/price`; repeatable
    #[arg(long, value_name = "FIELD")]
    show: Vec<Field>,
    #[command(flatten)]
    stay: Stay,
}

impl Command {
    /// Whether this waits; a wait handles signals itself.
    pub(super) fn is_wait(&self) -> bool {
        self.watch
    }
}

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let settings = context.settings()?;
    check_until(&command.until)?;
    let aws = context.connect(&settings).await?;
    let recent = Recent::of(&aws, env);
    let id = recent.find(command.id.as_deref(), &settings).await?;
    if command.watch {
        let options = command.stay.options(&command.until);
        let partial = Partial::of(command.stay.accept_partial);
        let plan = WaitPlan { options, fields: command.show };
        return wait(context, &settings, &aws, id, (plan, partial)).await;
    }
    let read = context.visibly("reading the table", Box::pin(snapshot(&aws, &id, None)));
    let Some(mut gathering) = read.await? else {
        let unknown = unknown(&aws, &id).await;
        let typed = command.id.as_deref();
        let is_option = typed.is_some_and(|word| WATCH_WORDS.contains(&word));
        if is_option {
            let watch = settings.command("quotes --watch");
            return Err(
                Error::new(unknown.kind(), unknown.to_string()).hint(format!("to wait: {watch}"))
            );
        }
        return Err(unknown);
    };
    explain(&context.output, &aws, &mut gathering).await;
    print(&context.output, &aws, &gathering, &command.show);
    if gathering.status == Status::Gathering && context.output.format == Format::Table {
        let watch = settings.command(&format!("quotes {} --watch", recent.prefix(&id).await));
        let what = if gathering.answered == 0 {
            "see the replies come in"
        } else {
            "see the other replies come in"
        };
        context.output.next(&[(watch, what)]);
    }
    Ok(exit::DONE)
}
