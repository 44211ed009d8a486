//! Reads the operand of `numeric`.
//! <https://docs.aws.amazon.com/sns/latest/dg/numeric-value-matching.html>

use super::number::{End, LARGEST, PLACES, Range, SnsNumber};
use super::problem::{PolicyProblem, element};
use super::tree::Node;

/// A list such as `["=", 1]`, `["<", 1]` or `[">", 0, "<=", 1]`.
///
/// # Errors
/// Says what AWS would refuse.
pub fn range(operand: &Node, place: &str) -> Result<Range, PolicyProblem> {
    let Node::List(items) = operand else {
        return Err(PolicyProblem::at(place, "`numeric` must be an array"));
    };
    let (head, tail) = items.split_at(items.len().min(2));
    let sign = sign(head, 0, &["=", "<", "<=", ">", ">="], place)?;
    let number = bound(head, 1, place)?;
    if tail.is_empty() {
        return Ok(match sign {
            "=" => {
                Range { low: Some(End::Closed(number.clone())), high: Some(End::Closed(number)) }
            }
            "<" | "<=" => Range { low: None, high: Some(end(sign, number)) },
            _ => Range { low: Some(end(sign, number)), high: None },
        });
    }
    if !matches!(sign, ">" | ">=") {
        let wanted = "a range in `numeric` must begin with `>` or `>=`";
        return Err(PolicyProblem::at(&element(place, 0), wanted));
    }
    if tail.len() > 2 {
        return Err(PolicyProblem::at(&element(place, 4), "a range in `numeric` has two ends"));
    }
    two_ends((sign, number), items, place)
}

fn two_ends(
    (sign_of_low, low): (&str, SnsNumber),
    items: &[Node],
    place: &str,
) -> Result<Range, PolicyProblem> {
    let sign_of_high = sign(items, 2, &["<", "<="], place)?;
    let high = bound(items, 3, place)?;
    if low > high {
        let wanted = "the lower end in `numeric` is above the upper end";
        return Err(PolicyProblem::at(&element(place, 3), wanted));
    }
    Ok(Range { low: Some(end(sign_of_low, low)), high: Some(end(sign_of_high, high)) })
}

fn end(sign: &str, number: SnsNumber) -> End {
    if sign.ends_with('=') { End::Closed(number) } else { End::Open(number) }
}

fn sign<'a>(
    items: &'a [Node],
    index: usize,
    known: &[&str],
    place: &str,
) -> Result<&'a str, PolicyProblem> {
    match items.get(index) {
        Some(Node::Text(sign)) if known.contains(&&**sign) => Ok(sign),
        _ => {
            let wanted = format!("`numeric` must have one of `{}` here", known.join("`, `"));
            Err(PolicyProblem::at(&element(place, index), wanted))
        }
    }
}

fn bound(items: &[Node], index: usize, place: &str) -> Result<SnsNumber, PolicyProblem> {
    let at = element(place, index);
    let Some(Node::Number(text)) = items.get(index) else {
        return Err(PolicyProblem::at(&at, "`numeric` must have a number here"));
    };
    SnsNumber::parse(text).filter(SnsNumber::is_exact).ok_or_else(|| {
        let wanted = format!(
            "a number in `numeric` must be from -{LARGEST} to {LARGEST} with at most {PLACES} decimals"
        );
        PolicyProblem::at(&at, wanted)
    })
}
