//! What a user can do about an error, as facts: the command line puts them into words.

use std::fmt;
use std::sync::Arc;

/// What a user can do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Remedy {
    /// Set the stack up.
    SetUp,
    /// Start LocalStack.
    StartLocalStack,
    /// Choose a region that LocalStack knows.
    ChooseRegion,
    /// Name a region of AWS.
    NameRegion,
    /// Get credentials for AWS.
    LogIn,
    /// Adopt the resource, or choose another stack.
    Adopt,
    /// Remove the resource by hand, or choose another stack.
    RemoveByHand,
}

/// The words for each remedy. Cheap to clone.
#[derive(Clone)]
pub struct Remedies(Arc<dyn Fn(Remedy) -> String + Send + Sync>);

impl Remedies {
    /// `words` returns the words for a remedy.
    pub fn new(words: impl Fn(Remedy) -> String + Send + Sync + 'static) -> Self {
        Self(Arc::new(words))
    }

    /// The words for one remedy.
    pub fn words(&self, remedy: Remedy) -> String {
        (self.0)(remedy)
    }
}

impl fmt::Debug for Remedies {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Remedies")
    }
}
