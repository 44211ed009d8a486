//! The tags of a stack's topic: marks, and how long the stack keeps rows and dead letters. Without a mark, filters or
//! bindings are not read at all.

use std::collections::HashMap;

use crate::aws::Topic;
use crate::core::{FILTERS_TAG, Retention, SENDERS_TAG};
use crate::error::Result;

/// What the topic's tags say.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TopicTags {
    /// Whether a subscription has, or had, a filter policy.
    pub has_filters: bool,
    /// Whether a provider is, or was, bound to its senders.
    pub has_senders: bool,
    /// How long the stack keeps rows and dead letters.
    pub retention: Retention,
}

impl TopicTags {
    /// Reads the tags: one `ListTagsForResource`.
    ///
    /// # Errors
    /// Any error of the request; the right to read tags may be missing.
    pub async fn of(topic: &Topic) -> Result<Self> {
        Ok(Self::read(&topic.tags().await?))
    }

    pub(super) fn read(tags: &HashMap<String, String>) -> Self {
        let has = |tag: &str| tags.contains_key(tag);
        Self {
            has_filters: has(FILTERS_TAG),
            has_senders: has(SENDERS_TAG),
            retention: Retention::of_tags(tags.iter().map(|(name, value)| (&**name, &**value))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_mark_has_a_tag_of_its_own() {
        let tags = |tags: &[&str]| {
            TopicTags::read(
                &tags.iter().map(|tag| ((*tag).to_owned(), "true".to_owned())).collect(),
            )
        };
        let none = TopicTags::default();
        assert_eq!(tags(&["rydes:stack"]), none);
        assert_eq!(tags(&["rydes:filters"]), TopicTags { has_filters: true, ..none });
        assert_eq!(tags(&["rydes:senders"]), TopicTags { has_senders: true, ..none });
    }
}
