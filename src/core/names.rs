//! The names of a stack's resources (contract, section 2).

use super::{ProviderName, Responder, StackName};

/// The tag with the name of a resource's stack.
pub const STACK_TAG: &str = "rydes:stack";
/// The tag of a provider queue with the kind of its provider: `simulated` or `external`.
pub const PROVIDER_TAG: &str = "rydes:provider";

/// The tag of a topic whose subscriptions have filter policies.
pub const FILTERS_TAG: &str = "rydes:filters";
/// The tag of a topic with providers that are bound to their senders.
pub const SENDERS_TAG: &str = "rydes:senders";
/// The tag of a provider queue with the senders that the provider is bound to.
pub const SENDER_TAG: &str = "rydes:sender";

/// The tag that CloudFormation gives to the resources it makes, with the name of its stack.
/// <https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-properties-resource-tags.html>
pub const CLOUDFORMATION_TAG: &str = "aws:cloudformation:stack-name";

const RESPONSES: &str = "RequestForQuotesResponseQueue";
const PROVIDER_DEAD_LETTERS: &str = "RequestForQuotesDeadLetters";
const RESPONSE_DEAD_LETTERS: &str = "RequestForQuotesResponseDeadLetters";
const TABLE: &str = "RidesBookingTable";

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

    /// The stack's own name.
    pub fn stack(&self) -> &StackName {
        &self.stack
    }

    /// The stack whose response queue, dead letters or table may have this name. The tag decides whether it is that.
    pub fn suggested_by(resource: &str) -> Option<StackName> {
        const KINDS: [&str; 4] = [RESPONSES, PROVIDER_DEAD_LETTERS, RESPONSE_DEAD_LETTERS, TABLE];
        let (stack, kind) = resource.rsplit_once('-')?;
        KINDS.contains(&kind).then(|| StackName::parse(stack).ok())?
    }

    /// The topic that requests are published to.
    pub fn topic(&self) -> String {
        self.of("RequestForQuotesTopic")
    }

    /// The queue of one provider's requests.
    pub fn provider_queue(&self, provider: &ProviderName) -> String {
        self.of(provider.as_str())
    }

    /// The dead letter queue of requests.
    pub fn provider_dead_letters(&self) -> String {
        self.of(PROVIDER_DEAD_LETTERS)
    }

    /// The queue of replies.
    pub fn response_queue(&self) -> String {
        self.of(RESPONSES)
    }

    /// The dead letter queue of replies.
    pub fn response_dead_letters(&self) -> String {
        self.of(RESPONSE_DEAD_LETTERS)
    }

    /// The table of requests and answers.
    pub fn table(&self) -> String {
        self.of(TABLE)
    }

    /// The prefix of every resource's name.
    pub fn prefix(&self) -> String {
        self.of("")
    }

    /// The provider whose queue has this name; `None` unless it is a provider queue of this stack.
    pub fn provider(&self, queue: &str) -> Option<ProviderName> {
        ProviderName::parse(queue.strip_prefix(&self.prefix())?).ok()
    }

    /// Whether a queue of the stack may have this name.
    pub fn may_name(&self, queue: &str) -> bool {
        let own =
            [self.provider_dead_letters(), self.response_dead_letters(), self.response_queue()];
        own.iter().any(|name| name == queue) || self.provider(queue).is_some()
    }

    /// The responder that a subscribed queue stands for: its provider, else the full queue name.
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
        let stack = |name: &str| Names::suggested_by(name).map(|stack| stack.to_string());
        assert_eq!(stack("wild-rydes-RidesBookingTable").as_deref(), Some("wild-rydes"));
        assert_eq!(stack(&wild.response_dead_letters()).as_deref(), Some("wild"));
        for other in
            ["RidesBookingTable", "-RidesBookingTable", "wild-acme", "a_b-RidesBookingTable"]
        {
            assert_eq!(stack(other), None, "{other}");
        }
        assert!(!wild.may_name("acme") && !wild.may_name("wild-rydes-acme"));
    }
}
