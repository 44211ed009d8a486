//! Who answers a provider's requests: a tag of its queue.

/// Who answers a provider's requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProviderKind {
    /// `rydes providers run` answers them.
    Simulated,
    /// Another program answers them.
    External,
}

impl ProviderKind {
    /// The value of the `rydes:provider` tag.
    pub fn word(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::External => "external",
        }
    }

    /// The kind of a provider whose queue is tagged as a simulated one's, or is not.
    pub(super) fn of(is_simulated: bool) -> Self {
        if is_simulated { Self::Simulated } else { Self::External }
    }
}
