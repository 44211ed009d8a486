//! The stack of a measurement: made for it, and removed after it or kept.

use crate::aws::Aws;
use crate::cli::{Context, env, waiting};
use crate::core::{ProviderName, Retention, StackName};
use crate::error::{Error, Result};
use crate::settings::Settings;
use crate::stack::{self, Mode, SetupRequest, Untagged};
use crate::terminal::Output;

/// The name of the stack, unless another one is typed.
const STACK: &str = "rydes-bench";

pub(super) struct BenchStack {
    pub(super) settings: Settings,
    pub(super) aws: Aws,
    /// The option that makes a command line work on the stack; may be empty.
    option: String,
    fate: Fate,
}

/// What becomes of the stack in the end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    Removed,
    Kept,
}

impl BenchStack {
    pub(super) async fn find(context: &Context, fate: Fate) -> Result<Self> {
        let output = &context.output;
        let mut settings = context.settings()?;
        let is_typed = context.typed.stack.is_some() || env("RYDES_STACK").is_some();
        if !is_typed {
            settings = settings.with_stack(StackName::parse(STACK).map_err(Error::other)?);
        }
        let option = match &context.typed.stack {
            Some(_) => String::new(),
            None => format!(" --stack {}", settings.stack),
        };
        let aws = context.connect(&settings).await?;
        output.note(&aws.target_line());
        if stack::inventory(&aws).await?.count() > 0 {
            let of_another =
                if is_typed { "" } else { ": another bench is running, or was killed" };
            return Err(Error::invalid(format!(
                "stack {} exists; `bench` makes and removes a stack of its own{of_another}",
                settings.stack
            ))
            .hint(if is_typed {
                "name a stack that does not exist, or leave out `--stack` and RYDES_STACK"
                    .to_owned()
            } else {
                format!("if no other bench is running: {}{option}", settings.command("teardown"))
            }));
        }
        Ok(Self { settings, aws, option, fate })
    }

    /// A command line that works on the stack.
    fn command(&self, command: &str) -> String {
        format!("{}{}", self.settings.command(command), self.option)
    }

    pub(super) async fn make(&self, output: &Output, providers: u8) -> Result<Vec<ProviderName>> {
        let request = SetupRequest {
            retention: Retention::default(),
            providers: providers.into(),
            mode: Mode::Apply,
            untagged: Untagged::Refuse,
        };
        Box::pin(stack::setup(&self.aws, &request, &waiting(output))).await?;
        let register = stack::register(&self.aws).await?;
        Ok(register.into_iter().filter_map(|entry| entry.name).collect())
    }

    /// Runs `work` until it ends or a signal comes. The stack is removed in any case, or kept in any case.
    pub(super) async fn with<T>(
        &self,
        context: &Context,
        work: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let output = &context.output;
        let done = tokio::select! {
            biased;
            () = context.shutdown.first_signal() => Err(context.shutdown.error()),
            done = work => done,
        };
        if self.fate == Fate::Kept {
            output.note(&format!("stack {} is kept", self.settings.stack));
            output.next(&[
                (self.command("report"), "reports on its RFQs"),
                (self.command("teardown"), "removes it"),
            ]);
            return done;
        }
        let removal = self.command("teardown");
        let removed = async {
            let on_wait = waiting(output);
            let found = stack::find(&self.aws, &on_wait).await?;
            stack::teardown(&self.aws, &found, &on_wait).await.map(drop)
        };
        match (done, removed.await) {
            (done, Ok(())) => done,
            (Ok(_), Err(left)) => Err(left.hint(&removal)),
            (Err(error), Err(left)) => {
                output.warning(&format!("its stack could not be removed: {left}"));
                Err(error.hint(&removal))
            }
        }
    }
}
