//! Asks before something is removed for good, or costs money.

use std::io::{self, BufRead as _, IsTerminal as _};

use clap::Args;

use super::{Context, attended};
use crate::aws::Aws;
use crate::error::{Error, Result};

#[derive(Debug, Args)]
pub(super) struct Confirmation {
    /// Do not ask
    #[arg(short = 'y', long)]
    yes: bool,
    /// With --aws off a terminal: the name of the stack, once more
    #[arg(long, value_name = "NAME")]
    confirm: Option<String>,
}

impl Confirmation {
    /// Asks for the stack's name on AWS, and for `yes` elsewhere. Without a terminal, an option must confirm.
    /// `question` is `remove 1 queue`, and `done` is `removed`.
    ///
    /// # Errors
    /// Invalid without a confirmation.
    pub(super) async fn ask(
        &self,
        context: &Context,
        aws: &Aws,
        question: &str,
        done: &str,
    ) -> Result<()> {
        let stack = aws.names.stack().as_str();
        let wanted = if aws.is_real() { stack } else { "yes" };
        match &self.confirm {
            Some(name) if name == stack => return Ok(()),
            Some(_) => {
                return Err(Error::invalid(format!(
                    "`--confirm` names another stack; nothing was {done}"
                )));
            }
            None if self.yes && !aws.is_real() => return Ok(()),
            None => {}
        }
        let place = match aws.account().filter(|_| aws.is_real()) {
            Some(account) => format!(" from AWS account {account} in {}", aws.region()),
            None => String::new(),
        };
        context.output.note(&format!("{question}{place}?"));
        let option = if aws.is_real() { "--confirm NAME" } else { "--yes" };
        type_in(context, wanted, option, done).await
    }
}

/// Waits until this word is typed. Without a terminal, `option` is to confirm.
///
/// # Errors
/// Invalid without a confirmation: nothing was `done`.
pub(super) async fn type_in(
    context: &Context,
    wanted: &str,
    option: &str,
    done: &str,
) -> Result<()> {
    if !io::stdin().is_terminal() {
        return Err(Error::invalid(format!(
            "stdin is not a terminal, so nothing was {done}: confirm with `{option}`"
        )));
    }
    context.output.ask(&format!("type {wanted}:"));
    let answer = attended(context, || {
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer).map(|_| answer)
    });
    let answer = answer.await?.map_err(|error| Error::other("cannot ask").because(error))?;
    if answer.trim() == wanted {
        Ok(())
    } else {
        Err(Error::invalid(format!("not confirmed; nothing was {done}")))
    }
}
