//! What was done, or would be done, with a resource, and what differed.

use std::fmt;

/// What to do with a resource of the right name that lacks the stack's tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Untagged {
    Refuse,
    /// Tag it and use it.
    Adopt,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Apply,
    /// Changes nothing, and reports what would be done.
    DryRun,
    /// Changes nothing, and reports what differs from the stack's description.
    Check,
}

/// What was done, or would be done, with a resource.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Created,
    Kept,
    /// These settings differed.
    Changed(Vec<Difference>),
}

impl Change {
    /// Changed in these settings; kept if there are none.
    pub(super) fn of(mut differences: Vec<Difference>) -> Self {
        if differences.is_empty() {
            return Self::Kept;
        }
        differences.sort_by(|a, b| a.setting.cmp(&b.setting));
        Self::Changed(differences)
    }

    /// This change and a later one of the same resource.
    pub(super) fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Created, _) | (Self::Changed(_), Self::Created) => Self::Created,
            (first, Self::Kept) => first,
            (Self::Kept, second) => second,
            (Self::Changed(mut first), Self::Changed(second)) => {
                first.extend(second);
                Self::Changed(first)
            }
        }
    }

    /// What differed; nothing for a resource that was missing.
    pub fn differences(&self) -> &[Difference] {
        match self {
            Self::Changed(differences) => differences,
            Self::Created | Self::Kept => &[],
        }
    }
}

/// A setting that is not as the stack's description has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The name of the attribute or the tag.
    pub setting: String,
    /// What it is; `None` if it is not set.
    pub is: Option<String>,
    /// What it has to be; `None` if it should not be set.
    pub wanted: Option<String>,
}

impl Difference {
    pub(super) fn new(setting: &str, is: Option<&str>, wanted: &str) -> Self {
        let is = is.filter(|is| !is.is_empty()).map(str::to_owned);
        Self { setting: setting.to_owned(), is, wanted: Some(wanted.to_owned()) }
    }
}

/// `VisibilityTimeout is 60, not 30`.
impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.is, &self.wanted) {
            (Some(is), Some(wanted)) => write!(f, "{} is {is}, not {wanted}", self.setting),
            (None, Some(wanted)) => write!(f, "{} is missing: {wanted}", self.setting),
            (is, None) => {
                write!(f, "{} is {}, not unset", self.setting, is.as_deref().unwrap_or_default())
            }
        }
    }
}
