//! The error type, which code can branch on, and the exit codes, which scripts rely on.
//!
//! An error says what happened, its causes say why, its hints say what to type next. Only `output` prints it.

use std::error::Error as StdError;

/// The exit codes of every `rydes` command. A command that a signal ends exits with 128 plus the signal's number:
/// 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
pub mod exit {
    /// Success. After a wait: its condition was met, and there is a best quote.
    pub const DONE: u8 = 0;
    /// Any error without a code of its own.
    pub const ERROR: u8 = 1;
    /// Wrong usage, invalid input or a refused confirmation: nothing was sent or written.
    pub const INVALID: u8 = 2;
    /// A wait ended with its condition unmet, but with a best quote.
    pub const UNMET: u8 = 3;
    /// A wait ended without any quote in time.
    pub const NO_QUOTE: u8 = 4;
    pub const NO_SUCH_RFQ: u8 = 5;
    /// The endpoint cannot be reached, or refuses the credentials.
    pub const UNREACHABLE: u8 = 6;
    pub const NOT_SET_UP: u8 = 7;
    /// A verdict is bad: an unexplained copy in `verify`, a failed attempt in `providers try`, a finding of
    /// `setup --check` or `status --check`.
    pub const BAD_VERDICT: u8 = 8;
}

/// An error and its causes, outermost first. The `source` of an [`std::io::Error`] skips the error that it wraps.
pub fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    std::iter::successors(Some(error), |&error| match error.downcast_ref::<std::io::Error>() {
        Some(io) => io.get_ref().map(|inner| inner as &(dyn StdError + 'static)),
        None => error.source(),
    })
}

/// The message of the innermost cause.
pub fn innermost_cause(error: &(dyn StdError + 'static)) -> String {
    chain(error).last().map(ToString::to_string).unwrap_or_default()
}

/// Decides the exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Other,
    /// Wrong usage or invalid input.
    Invalid,
    /// A message that SNS would not take.
    TooLarge,
    /// A request with other content has the id.
    Conflict,
    /// No provider is subscribed.
    NoProvider,
    /// The filters of all subscribed providers exclude the request.
    AllExcluded,
    NoSuchRfq,
    /// The endpoint cannot be reached or refuses the credentials.
    Unreachable,
    /// The stack, or a part of it, does not exist.
    NotSetUp,
    /// Nothing accounts for a copy of a request.
    Unexplained,
    /// The signal with this number ended the command.
    Signal(u8),
}

#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: Kind,
    message: String,
    #[source]
    cause: Option<Box<dyn StdError + Send + Sync>>,
    hints: Vec<String>,
    permanence: Permanence,
    field: Option<&'static str>,
}

/// Whether the same request is worth another try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permanence {
    /// It may succeed a little later.
    Transient,
    /// It would fail again.
    Permanent,
    /// It would fail again, and so would every other request of its kind.
    Fatal,
}

pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` says what happened, in lower case, without a full stop.
    pub fn new(kind: Kind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            cause: None,
            hints: Vec::new(),
            permanence: Permanence::Permanent,
            field: None,
        }
    }

    /// An error without a code of its own (exit 1).
    pub fn other(message: impl Into<String>) -> Self {
        Self::new(Kind::Other, message)
    }

    /// An error of the operating system (exit 1).
    pub fn system(cause: impl Into<std::io::Error>) -> Self {
        Self::other("the operating system reports an error").because(cause.into())
    }

    /// Wrong usage or invalid input (exit 2).
    pub fn invalid(message: impl Into<String>) -> Self {
        Self::new(Kind::Invalid, message)
    }

    /// Adds the cause.
    #[must_use]
    pub fn because(mut self, cause: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.cause = Some(cause.into());
        self
    }

    /// Puts a message of the caller in front; this error becomes its cause. Kind, hints and permanence stay.
    #[must_use]
    pub fn within(self, message: impl Into<String>) -> Self {
        let (kind, hints, permanence, field) =
            (self.kind, self.hints.clone(), self.permanence, self.field);
        let cause: Option<Box<dyn StdError + Send + Sync>> = Some(Box::new(self));
        Self { kind, message: message.into(), cause, hints, permanence, field }
    }

    /// Adds a line that says what to do.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hints.push(hint.into());
        self
    }

    /// Names the field of the input that is wrong.
    #[must_use]
    pub fn about(mut self, field: &'static str) -> Self {
        self.field = Some(field);
        self
    }

    pub fn field(&self) -> Option<&'static str> {
        self.field
    }

    #[must_use]
    pub fn transient(mut self) -> Self {
        self.permanence = Permanence::Transient;
        self
    }

    /// Marks it as fatal: the resource is gone, or the credentials do not suffice.
    #[must_use]
    pub fn fatal(mut self) -> Self {
        self.permanence = Permanence::Fatal;
        self
    }

    pub fn is_transient(&self) -> bool {
        self.permanence == Permanence::Transient
    }

    pub fn is_fatal(&self) -> bool {
        self.permanence == Permanence::Fatal
    }

    pub fn kind(&self) -> Kind {
        self.kind
    }

    pub fn hints(&self) -> &[String] {
        &self.hints
    }

    /// The messages of the chain of causes, outermost first, each different from the one before.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut last = self.message.clone();
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if text != last {
                causes.push(text.clone());
            }
            last = text;
            next = cause.source();
        }
        causes
    }

    /// What happened and why, in one line.
    pub fn in_full(&self) -> String {
        std::iter::once(self.message.clone()).chain(self.causes()).collect::<Vec<_>>().join(": ")
    }

    pub fn exit_code(&self) -> u8 {
        match self.kind {
            Kind::Other | Kind::NoProvider | Kind::AllExcluded => exit::ERROR,
            Kind::Invalid | Kind::TooLarge | Kind::Conflict => exit::INVALID,
            Kind::NoSuchRfq => exit::NO_SUCH_RFQ,
            Kind::Unreachable => exit::UNREACHABLE,
            Kind::NotSetUp => exit::NOT_SET_UP,
            Kind::Unexplained => exit::BAD_VERDICT,
            Kind::Signal(number) => 128 + number,
        }
    }
}
