//! Reads the values of a key: plain ones, and objects with one operator.

use std::borrow::Cow;

use super::numeric::range;
use super::problem::{PolicyProblem, Unknown, below, element, word};
use super::rule::{Rule, Scalar};
use super::tree::Node;

/// Reads one value of a key. An operator that is not known becomes a rule that cannot be judged.
///
/// # Errors
/// Says what AWS would refuse.
pub fn rule(value: &Node, place: &str, unknowns: &mut Vec<Unknown>) -> Result<Rule, PolicyProblem> {
    if let Some(value) = scalar(value) {
        return Ok(Rule::Equals(value));
    }
    let Node::Object(fields) = value else {
        let wanted = "a value must be a string, a number, true, false, null, or an operator";
        return Err(PolicyProblem::at(place, wanted));
    };
    let [(name, operand)] = fields.as_slice() else {
        return Err(PolicyProblem::at(place, "this object must have exactly one key: an operator"));
    };
    let at = below(place, name);
    match &**name {
        "prefix" | "suffix" => {
            let text = string(name, operand, &at)?;
            if text.is_empty() {
                return Ok(unknown(format!("an empty `{name}`"), &at, unknowns));
            }
            Ok(if name == "prefix" { Rule::Prefix(text) } else { Rule::Suffix(text) })
        }
        "equals-ignore-case" => string(name, operand, &at).map(Rule::EqualsIgnoreCase),
        "anything-but" => anything_but(operand, &at, unknowns),
        "numeric" => range(operand, &at).map(Rule::Numeric),
        "exists" => match operand {
            Node::Bool(exists) => Ok(Rule::Exists(*exists)),
            _ => Err(PolicyProblem::at(&at, "`exists` must be true or false")),
        },
        other => Ok(unknown(format!("the operator `{}`", word(other)), &at, unknowns)),
    }
}

fn unknown(what: String, place: &str, unknowns: &mut Vec<Unknown>) -> Rule {
    let doubt = format!("{what} is not known");
    unknowns.push(Unknown::at(place, what));
    Rule::Unknown(doubt)
}

fn scalar(value: &Node) -> Option<Scalar> {
    Some(match value {
        Node::Null => Scalar::Null,
        Node::Bool(value) => Scalar::Bool(*value),
        Node::Number(text) => Scalar::Number((*text).to_owned()),
        Node::Text(text) => Scalar::Text(text.clone().into_owned()),
        Node::List(_) | Node::Object(_) | Node::Unreadable | Node::TooDeep => return None,
    })
}

fn string(name: &str, operand: &Node, place: &str) -> Result<String, PolicyProblem> {
    match operand {
        Node::Text(text) => Ok(text.clone().into_owned()),
        _ => Err(PolicyProblem::at(place, format!("`{name}` must be a string"))),
    }
}

fn anything_but(
    operand: &Node,
    place: &str,
    unknowns: &mut Vec<Unknown>,
) -> Result<Rule, PolicyProblem> {
    match operand {
        Node::Text(_) | Node::Number(_) => {
            Ok(Rule::AnythingBut(scalar(operand).into_iter().collect()))
        }
        Node::List(items) => operands(items, place).map(Rule::AnythingBut),
        Node::Object(fields) => part(fields, place, unknowns),
        _ => {
            let wanted = "`anything-but` must be a string, a number, or an array of either";
            Err(PolicyProblem::at(place, wanted))
        }
    }
}

/// The values of an `anything-but`: all strings, or all numbers.
fn operands(items: &[Node], place: &str) -> Result<Vec<Scalar>, PolicyProblem> {
    let is_of_kind = |item: &Node| match items.first() {
        Some(Node::Number(_)) => matches!(item, Node::Number(_)),
        _ => matches!(item, Node::Text(_)),
    };
    if items.is_empty() {
        return Err(PolicyProblem::at(place, "the array of `anything-but` is empty"));
    }
    if let Some(odd) = items.iter().position(|item| !is_of_kind(item)) {
        let wanted = "the array of `anything-but` must have strings only, or numbers only";
        return Err(PolicyProblem::at(&element(place, odd), wanted));
    }
    Ok(items.iter().filter_map(scalar).collect())
}

/// An operator inside `anything-but`.
fn part(
    fields: &[(Cow<str>, Node)],
    place: &str,
    unknowns: &mut Vec<Unknown>,
) -> Result<Rule, PolicyProblem> {
    let [(name, operand)] = fields else {
        return Err(PolicyProblem::at(place, "this object must have exactly one key: an operator"));
    };
    let at = below(place, name);
    // SNS's library takes lists there; AWS's pages do not say whether SNS does.
    if !matches!(&**name, "prefix" | "suffix") || matches!(operand, Node::List(_)) {
        let what = format!("the operator `{}` in `anything-but`", word(name));
        return Ok(unknown(what, &at, unknowns));
    }
    let text = string(name, operand, &at)?;
    if text.is_empty() {
        return Err(PolicyProblem::at(&at, format!("`{name}` in `anything-but` is empty")));
    }
    Ok(if name == "prefix" { Rule::AnythingButPrefix(text) } else { Rule::AnythingButSuffix(text) })
}
