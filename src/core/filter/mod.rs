//! Subscription filter policies of SNS: whether SNS delivers a message to a subscription. Pure. It follows AWS's
//! pages; where they are silent, the outcome is [`FilterOutcome::CannotTell`].
//! <https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html>

mod leaves;
mod number;
mod numeric;
mod operator;
mod or;
mod outcome;
mod policy;
mod problem;
mod rule;
#[cfg(test)]
mod tests;
mod tree;
mod truth;

pub use or::is_operator;
pub use outcome::FilterInput;
pub use problem::{PolicyProblem, Unknown};

use policy::{MAX_COMBINATIONS, MAX_KEYS, Policy};

/// What a policy is applied to, the attribute `FilterPolicyScope` of a subscription.
/// <https://docs.aws.amazon.com/sns/latest/dg/sns-message-filtering-scope.html>
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FilterScope {
    /// The message's attributes: where a subscription has no scope.
    #[default]
    MessageAttributes,
    /// The message's body, a JSON object.
    MessageBody,
}

impl FilterScope {
    /// Reads the word that AWS has for it.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::MessageAttributes, Self::MessageBody].into_iter().find(|scope| scope.word() == word)
    }

    /// The word that AWS has for it.
    pub fn word(self) -> &'static str {
        match self {
            Self::MessageAttributes => "MessageAttributes",
            Self::MessageBody => "MessageBody",
        }
    }
}

/// Whether a message reaches a subscription. Its texts come from the policy; they are cut, but not made safe to
/// print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterOutcome {
    /// SNS delivers it.
    Asked,
    /// SNS does not deliver it.
    NotAsked {
        /// A key that does not match, with those above it: `detail.state`. `$or` if no single key is the cause.
        key: String,
    },
    /// It depends on what is not known.
    CannotTell {
        /// The key and the reason, as in "`from`: the operator `wildcard` is not known".
        what: String,
    },
}

/// A filter policy, read once and evaluated often.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FilterPolicy(Policy);

impl FilterPolicy {
    /// Reads a policy as a subscription has it. An operator that is not known is no problem:
    /// [`unknowns`](Self::unknowns) lists it.
    ///
    /// # Errors
    /// Says what AWS would refuse in either scope, or which limit of `rydes` it exceeds, and where: a line and a column, or a JSON Pointer.
    pub fn parse(json: &str) -> Result<Self, PolicyProblem> {
        Policy::read(json).map(Self)
    }

    /// Checks the limits of a scope: the number of keys, the combinations of values, and nesting.
    ///
    /// # Errors
    /// Says which limit it exceeds.
    pub fn check(&self, scope: FilterScope) -> Result<(), PolicyProblem> {
        let Policy { keys, top, .. } = &self.0;
        if *top > MAX_KEYS {
            return Err(PolicyProblem::at(
                "",
                format!("the policy has {top} top-level keys; SNS takes at most {MAX_KEYS}"),
            ));
        }
        let nested = keys.iter().find(|key| key.depth > 1);
        if let (FilterScope::MessageAttributes, Some(key)) = (scope, nested) {
            let key = problem::word(&key.path);
            let problem = format!(
                "the key `{key}` is nested; the scope {} has only top-level keys",
                scope.word()
            );
            return Err(PolicyProblem::at("", problem));
        }
        let combinations = self.0.combinations();
        if combinations > MAX_COMBINATIONS {
            let problem = format!(
                "the policy has {combinations} combinations of values; SNS takes at most {MAX_COMBINATIONS}"
            );
            return Err(PolicyProblem::at("", problem));
        }
        Ok(())
    }

    /// Whether SNS delivers a message.
    pub fn evaluate(&self, scope: FilterScope, message: &FilterInput) -> FilterOutcome {
        outcome::of(&self.0, scope, message)
    }

    /// The paths of its keys, joined by dots.
    pub fn keys(&self) -> impl Iterator<Item = &str> {
        self.0.keys.iter().map(|key| key.path.as_str())
    }

    /// The operators and shapes with an effect that is not known, in their order.
    pub fn unknowns(&self) -> &[Unknown] {
        &self.0.unknowns
    }
}
