//! What the resources of a stack are called (contract, section 2).

use super::{ProviderName, Responder, StackName};

/// The tag that says which stack a resource belongs to.
pub const STACK_TAG: &str = "rydes:stack";
/// The tag of a provider queue that says who answers it: `simulated` or `external`.
pub const PROVIDER_TAG: &str = "rydes:provider";

/// The names of the resources of one stack.
#[derive(Debug, Clone)]
pub struct Names {
    stack: StackName,
}

impl Names {
    /// The names of this stack.
    pub fn new(stack: &StackName) -> Self {
        Self { stack: stack.clone() }
    }

    /// The stack.
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The topic that requests are scattered over.
    pub fn topic(&self) -> String {
        self.of("RequestForQuotesTopic")
    }

    /// The queue that one provider receives its requests from.
    pub fn provider_queue(&self, provider: &ProviderName) -> String {
        self.of(provider.as_str())
    }

    /// Where requests go that no provider could handle.
    pub fn provider_dead_letters(&self) -> String {
        self.of("RequestForQuotesDeadLetters")
    }

    /// The queue that replies are gathered from.
    pub fn response_queue(&self) -> String {
        self.of("RequestForQuotesResponseQueue")
    }

    /// Where replies go that cannot be gathered.
    pub fn response_dead_letters(&self) -> String {
        self.of("RequestForQuotesResponseDeadLetters")
    }

    /// The table of requests and answers.
    pub fn table(&self) -> String {
        self.of("RidesBookingTable")
    }

    /// What every resource's name begins with.
    pub fn prefix(&self) -> String {
        self.of("")
    }

    /// The provider whose queue has this name; `None` when it is none of this stack's.
    pub fn provider(&self, queue: &str) -> Option<ProviderName> {
        ProviderName::parse(queue.strip_prefix(&self.prefix())?).ok()
    }

    /// Whether a queue of the stack may have this name.
    pub fn may_name(&self, queue: &str) -> bool {
        let own =
            [self.provider_dead_letters(), self.response_dead_letters(), self.response_queue()];
        own.iter().any(|name| name == queue) || self.provider(queue).is_some()
    }

    /// The name under which a subscribed queue counts: the provider, else the full queue name.
    pub fn responder(&self, queue: &str) -> Responder {
        self.provider(queue)
            .map_or_else(|| Responder::stored(queue), |provider| provider.responder())
    }

    fn of(&self, what: &str) -> String {
        format!("{}-{what}", self.stack)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stack_whose_name_begins_alike_is_another_stack() {
        let wild = Names::new(&StackName::parse("wild").expect("valid"));
        assert_eq!(wild.provider("wild-rydes-UnicornManagementResource1"), None);
        assert_eq!(wild.responder("acme").as_str(), "acme");
        assert_eq!(wild.responder("wild-acme").as_str(), "acme");
        assert_eq!(wild.provider("wild-RequestForQuotesDeadLetters"), None);
        assert!(wild.may_name("wild-RequestForQuotesDeadLetters") && wild.may_name("wild-acme"));
        assert!(!wild.may_name("wild-rydes-RequestForQuotesDeadLetters"));
        assert!(!wild.may_name("acme") && !wild.may_name("wild-rydes-acme"));
    }
}
