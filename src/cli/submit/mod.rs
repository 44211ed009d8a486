//! `rydes submit`: one request, or many in batches.

pub mod lines;
mod many;
mod one;
mod options;
pub mod shape;

pub(super) use options::{Command, deadline};

use super::until::{check_until, shortest_stall};
use super::{Context, attended};
use crate::error::{Error, Kind, Result};
use crate::settings::Settings;
use many::RequestSource;

pub(super) async fn run(context: &Context, command: Command) -> Result<u8> {
    let settings = context.settings()?;
    if !command.wait && shortest_stall(&command.until).is_some() {
        let problem = "`--until stall:...` ends a wait and requires `--wait`; nothing was sent";
        return Err(Error::invalid(problem).hint("add `--wait`"));
    }
    check_until(&command.until)?;
    if let Some(file) = &command.batch {
        // Opening a pipe blocks until it has a writer.
        let (file, batch) = (file.clone(), options::from_stdin(&settings, &command));
        let requests = attended(context, move || RequestSource::of_file(&file, &batch)).await??;
        return Box::pin(many::run(context, command, requests)).await;
    }
    let submission = command.submission(context).await?;
    match command.count {
        None => one::run(context, &settings, &command, submission).await,
        Some(count) => {
            let requests = RequestSource::Count(count, Box::new(submission));
            Box::pin(many::run(context, command, requests)).await
        }
    }
}

/// Adds the command that subscribes providers if there are none, or shows the filters that exclude a request.
fn subscribe_hint(error: Error, settings: &Settings) -> Error {
    match error.kind() {
        Kind::NoProvider => error.hint(settings.command("setup")),
        Kind::AllExcluded => error.hint(settings.command("providers list")),
        _ => error,
    }
}
