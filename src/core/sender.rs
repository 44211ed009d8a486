//! Who may send a provider's replies: the ids that SQS gives to senders, and the check of a reply against them.

use std::fmt;

use super::text::printable;

/// An account's number has this many digits.
const ACCOUNT_DIGITS: usize = 12;
/// Characters of the unique id of a role or a user.
/// <https://docs.aws.amazon.com/IAM/latest/APIReference/API_Role.html>
const UNIQUE_ID: std::ops::RangeInclusive<usize> = 16..=128;
/// Characters of a tag's value.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-queue-tags.html>
const TAG_MAX: usize = 256;

/// How the reason of a reply that was refused for its sender can be recognized.
const NOT_ITS_PROVIDER: &str = "not by its provider";
const UNKNOWN: &str = "sender unknown";

/// Whether a reply with this reason was refused for its sender. A replay of it would be sent by the operator.
pub fn is_about_sender(reason: &str) -> bool {
    reason.starts_with(UNKNOWN) || reason.contains(NOT_ITS_PROVIDER)
}

/// A sender as SQS names it, without the name of a session: an account, or the unique id of a role or a user.
/// <https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html>
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SenderId(String);

impl SenderId {
    /// Checks an id.
    ///
    /// # Errors
    /// Says what a valid id looks like.
    pub fn parse(id: &str) -> Result<Self, String> {
        if let Some((before, _)) = id.split_once(':')
            && Self::parse(before).is_ok()
        {
            return Err(format!("the id is the part before the colon: `{before}`"));
        }
        let is_account = id.len() == ACCOUNT_DIGITS && id.chars().all(|c| c.is_ascii_digit());
        let is_unique_id =
            UNIQUE_ID.contains(&id.len()) && id.chars().all(|c| c.is_ascii_alphanumeric());
        if is_account || is_unique_id {
            return Ok(Self(id.to_owned()));
        }
        Err("a sender is an account of twelve digits, or the unique id of a role or a user, as in \
             AROA1234567890EXAMPLE"
            .to_owned())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The senders that one provider is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Senders(Vec<String>);

impl Senders {
    /// These senders, each once.
    ///
    /// # Errors
    /// The ids do not fit into one tag.
    pub fn of(ids: &[SenderId]) -> Result<Self, String> {
        let mut senders = Self(Vec::new());
        for SenderId(id) in ids {
            if !senders.0.contains(id) {
                senders.0.push(id.clone());
            }
        }
        match senders.tag().len() {
            length if length > TAG_MAX => Err(format!(
                "the senders take {length} characters; a tag holds {TAG_MAX}, which is eleven ids of roles"
            )),
            _ => Ok(senders),
        }
    }

    /// The senders in the tag of a queue. An empty tag, which another tool may have set, binds to no sender at all.
    pub fn of_tag(tag: &str) -> Self {
        Self(tag.split_whitespace().map(str::to_owned).collect())
    }

    /// The value of the tag.
    pub fn tag(&self) -> String {
        self.0.join(" ")
    }

    /// The ids, as in the tag.
    pub fn ids(&self) -> &[String] {
        &self.0
    }

    /// Checks who sent a reply, by its `SenderId`. The name of a session, after the colon, does not count.
    ///
    /// # Errors
    /// Why the reply is refused, with the ids of both.
    pub fn check(&self, sender: Option<&str>) -> Result<(), String> {
        let id = sender.map(|sender| sender.split(':').next().unwrap_or_default());
        match (id, sender) {
            (Some(id), _) if self.0.iter().any(|known| known == id) => Ok(()),
            (_, Some(sender)) => {
                Err(format!("sent by {}, {NOT_ITS_PROVIDER} ({self})", printable(sender)))
            }
            (_, None) => Err(format!("{UNKNOWN}, so not proved to be its provider ({self})")),
        }
    }
}

impl fmt::Display for Senders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("no sender");
        }
        f.write_str(&printable(&self.0.join(", ")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROLE: &str = "AROA1234567890EXAMPLE";

    fn senders(ids: &[&str]) -> Senders {
        let ids: Vec<_> = ids.iter().map(|id| SenderId::parse(id).expect("an id")).collect();
        Senders::of(&ids).expect("they fit")
    }

    #[test]
    fn an_id_is_an_account_or_a_unique_id() {
        for id in ["123456789012", ROLE, "AIDA1234567890EXAMPLE", "ABCDEFGHI1JKLMNOPQ23R"] {
            assert_eq!(SenderId::parse(id).as_ref().map(SenderId::as_str), Ok(id));
        }
        let long = "A".repeat(129);
        for id in ["", "12345678901", "1234567890123", "AROA", "AROA1234567890EX MPLE", &long] {
            let problem = SenderId::parse(id).expect_err(id);
            assert!(problem.contains("twelve digits"), "{problem}");
        }
        let arn = "arn:aws:iam::123456789012:role/acme";
        assert!(SenderId::parse(arn).expect_err("an ARN").contains("unique id"));
        let session = SenderId::parse(&format!("{ROLE}:i-1")).expect_err("with a session");
        assert_eq!(session, format!("the id is the part before the colon: `{ROLE}`"));
    }

    #[test]
    fn a_tag_holds_each_id_once_and_not_too_many() {
        let both = senders(&[ROLE, "123456789012", ROLE]);
        assert_eq!(both.tag(), format!("{ROLE} 123456789012"));
        assert_eq!(Senders::of_tag(&both.tag()), both);
        let ids = |count: usize| -> Vec<_> {
            let id = |n: usize| SenderId::parse(&format!("AROA1234567890EXAM{n:03}"));
            (0..count).map(|n| id(n).expect("an id")).collect()
        };
        assert!(Senders::of(&ids(11)).is_ok());
        assert!(Senders::of(&ids(12)).expect_err("too many").contains("263 characters"));
    }

    #[test]
    fn a_reply_is_its_senders() {
        let bound = senders(&[ROLE, "111111111111"]);
        for sender in [ROLE, "AROA1234567890EXAMPLE:i-0a1b", "111111111111", "111111111111:x:y"] {
            assert_eq!(bound.check(Some(sender)), Ok(()), "{sender}");
        }
        for sender in
            ["222222222222", "AROA1234567890EXAMPL", "", ":111111111111", "x:111111111111"]
        {
            let reason = bound.check(Some(sender)).expect_err(sender);
            let both = format!("sent by {sender}, not by its provider ({ROLE}, 111111111111)");
            assert_eq!(reason, both);
            assert!(is_about_sender(&reason));
        }
        let unknown = bound.check(None).expect_err("no sender");
        assert!(unknown.starts_with("sender unknown") && unknown.contains(ROLE), "{unknown}");
        assert!(is_about_sender(&unknown) && !is_about_sender("`rfq-id` is missing"));
    }

    #[test]
    fn an_empty_tag_binds_to_no_sender_and_a_hostile_one_is_printed_safely() {
        let reason = Senders::of_tag(" ").check(Some("1")).expect_err("bound to none");
        assert_eq!(reason, "sent by 1, not by its provider (no sender)");
        let reason = Senders::of_tag("a\u{202e}b").check(Some("x\u{1b}[31m")).expect_err("another");
        assert_eq!(reason, "sent by x\\u{1b}[31m, not by its provider (a\\u{202e}b)");
    }
}
