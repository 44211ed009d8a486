//! Distinguishes `$or` the operator from `$or` the key.

use std::borrow::Cow;

use super::problem::PolicyProblem;
use super::tree::Node;

/// An object's fields.
pub type Object<'a> = [(Cow<'a, str>, Node<'a>)];

/// Names that keep `$or` from being an operator, where an object below it has one. AWS's page calls them reserved
/// and leaves the list to the library that it matches with.
/// <https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html#or-operator>
/// <https://github.com/aws/event-ruler/blob/main/src/main/software/amazon/event/ruler/Constants.java>
const RESERVED: [&str; 24] = [
    "exactly",
    "equals-ignore-case",
    "prefix",
    "suffix",
    "anything-but",
    "exists",
    "wildcard",
    "numeric",
    "cidr",
    "=",
    "<",
    "<=",
    ">",
    ">=",
    "regex",
    "not-wildcard",
    "not-equals-ignore-case",
    "date-after",
    "date-on-or-after",
    "date-before",
    "date-on-or-before",
    "in-date-range",
    "ip-address-in-range",
    "ip-address-not-in-range",
];

/// Whether a name is an operator's.
pub fn is_operator(name: &str) -> bool {
    RESERVED.contains(&name)
}

/// The objects of an `$or`; `None` if the key is a key like any other.
/// <https://docs.aws.amazon.com/sns/latest/dg/and-or-logic.html#or-operator>
///
/// # Errors
/// Says what AWS would refuse.
pub fn alternatives<'n, 'a>(
    name: &str,
    value: &'n Node<'a>,
    place: &str,
) -> Result<Option<Vec<&'n Object<'a>>>, PolicyProblem> {
    let Node::List(items) = value else { return Ok(None) };
    if name != "$or" {
        return Ok(None);
    }
    let plain = items.iter().filter_map(|item| match item {
        Node::Object(fields) => Some(fields.as_slice()),
        _ => None,
    });
    let is_plain = |fields: &&Object| !fields.iter().any(|(name, _)| RESERVED.contains(&&**name));
    let plain: Vec<_> = plain.filter(is_plain).collect();
    if plain.is_empty() {
        return Ok(None);
    }
    if plain.len() < items.len() || plain.len() < 2 {
        let wanted = "`$or` must have at least two objects and nothing else";
        return Err(PolicyProblem::at(place, wanted));
    }
    Ok(Some(plain))
}
