//! Reads a policy: its keys with their rules, and the ways in which `$or` lets it match.

use super::operator::rule;
use super::or::{Object, alternatives, is_operator};
use super::problem::{PolicyProblem, Unknown, below, element, word};
use super::rule::Rule;
use super::tree::Node;

/// The largest policy, in bytes.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const MAX_BYTES: usize = 256 * 1024;
/// The most top-level keys. One version of the page counts nested keys too.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const MAX_KEYS: usize = 5;
/// The most combinations of values: their numbers multiplied, each by the depth of its key.
/// <https://docs.aws.amazon.com/sns/latest/dg/subscription-filter-policy-constraints.html>
pub const MAX_COMBINATIONS: usize = 150;
/// The most keys at all levels. This limit of `rydes` bounds an evaluation; AWS has none.
const MAX_NESTED: usize = 250;
/// Joins the keys on a path. AWS takes `{"a.b": 1}` and `{"a": {"b": 1}}` for the same.
/// <https://github.com/aws/event-ruler#caveat-compiled-rules-and-json-keys-with-dots>
pub const DOT: char = '.';

const UNREADABLE: &str = "a string holds half of a surrogate pair";

/// A key with values. A message matches it by any of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// The names from the top level down, joined by dots.
    pub path: String,
    /// One for each value.
    pub rules: Vec<Rule>,
    /// How many levels down the key is; 1 is the top level.
    pub depth: usize,
}

/// Keys, by index, that a message has to match together. Those of the same path are a group.
pub type Branch = Vec<Vec<usize>>;

/// What a policy says.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Policy {
    /// Every key with values.
    pub keys: Vec<Key>,
    /// Alternatives: one, but for `$or`.
    pub branches: Vec<Branch>,
    /// How many keys there are at the top level.
    pub top: usize,
    /// Operators with an effect that is not known.
    pub unknowns: Vec<Unknown>,
}

impl Policy {
    /// Reads a policy.
    ///
    /// # Errors
    /// Says what AWS would refuse, and where it is.
    pub fn read(json: &str) -> Result<Self, PolicyProblem> {
        if json.len() > MAX_BYTES {
            return Err(PolicyProblem::at(
                "",
                format!("the policy is longer than {MAX_BYTES} bytes"),
            ));
        }
        let document = Node::read(json)
            .map_err(|error| PolicyProblem::at("", format!("not JSON: {error}")))?;
        let fields = match document {
            Node::Object(fields) => fields,
            Node::Unreadable => return Err(PolicyProblem::at("", UNREADABLE)),
            _ => return Err(PolicyProblem::at("", "a policy must be a JSON object")),
        };
        let mut policy = Self { top: fields.len(), ..Self::default() };
        let level = Level { path: "", place: "", depth: 1 };
        policy.branches = policy.object(&fields, &level, vec![Branch::new()])?;
        Ok(policy)
    }

    /// How many combinations of values AWS counts.
    pub fn combinations(&self) -> usize {
        let values =
            |key: &usize| self.keys[*key].rules.len().saturating_mul(self.keys[*key].depth);
        let branch = |branch: &Branch| {
            branch.iter().flatten().map(values).fold(1_usize, usize::saturating_mul)
        };
        self.branches.iter().map(branch).fold(0, usize::saturating_add)
    }

    /// Adds an object's keys to each of the branches.
    fn object(
        &mut self,
        fields: &Object,
        level: &Level,
        mut branches: Vec<Branch>,
    ) -> Result<Vec<Branch>, PolicyProblem> {
        for (at, (name, value)) in fields.iter().enumerate() {
            let place = below(level.place, name);
            if fields[..at].iter().any(|(other, _)| other == name) {
                return Err(PolicyProblem::at(&place, "the key occurs twice"));
            }
            branches = self.field((name, value), level, &place, branches)?;
        }
        Ok(branches)
    }

    fn field(
        &mut self,
        (name, value): (&str, &Node),
        level: &Level,
        place: &str,
        mut branches: Vec<Branch>,
    ) -> Result<Vec<Branch>, PolicyProblem> {
        if let Some(objects) = alternatives(name, value, place)? {
            return self.or(&objects, level, place, &branches);
        }
        let path = level.below(name);
        match value {
            Node::Object(fields) if fields.is_empty() => {
                Err(PolicyProblem::at(place, "the object is empty"))
            }
            Node::Object(fields) => {
                let level = Level { path: &path, place, depth: level.depth + 1 };
                self.object(fields, &level, branches)
            }
            Node::List(values) => {
                self.values(values, (path, level.depth), place, &mut branches)?;
                Ok(branches)
            }
            Node::Unreadable => Err(PolicyProblem::at(place, UNREADABLE)),
            Node::TooDeep => Err(PolicyProblem::at(place, "it is nested deeper than 100 levels")),
            _ => {
                let wanted = if is_operator(name) {
                    format!(
                        "the operator `{name}` must stand in an array, as in [{{\"{name}\": ...}}]"
                    )
                } else {
                    format!("`{}` must be an array or an object", word(name))
                };
                Err(PolicyProblem::at(place, wanted))
            }
        }
    }

    /// Each branch once for each object of an `$or`.
    fn or(
        &mut self,
        objects: &[&Object],
        level: &Level,
        place: &str,
        before: &[Branch],
    ) -> Result<Vec<Branch>, PolicyProblem> {
        let mut branches = Vec::new();
        for (index, fields) in objects.iter().enumerate() {
            let place = element(place, index);
            if fields.is_empty() {
                return Err(PolicyProblem::at(&place, "the object is empty"));
            }
            let level = Level { place: &place, ..*level };
            branches.extend(self.object(fields, &level, before.to_vec())?);
            too_many(branches.len(), &place)?;
        }
        Ok(branches)
    }

    /// Adds a key with values to each of the branches.
    fn values(
        &mut self,
        values: &[Node],
        (path, depth): (String, usize),
        place: &str,
        branches: &mut [Branch],
    ) -> Result<(), PolicyProblem> {
        if values.is_empty() {
            return Err(PolicyProblem::at(place, "the array is empty"));
        }
        too_many(values.len(), place)?;
        if self.keys.len() == MAX_NESTED {
            return Err(PolicyProblem::at(place, format!("more than {MAX_NESTED} keys")));
        }
        let mut rules = Vec::with_capacity(values.len());
        for (index, value) in values.iter().enumerate() {
            rules.push(rule(value, &element(place, index), &mut self.unknowns)?);
        }
        for branch in branches {
            let group = branch.iter_mut().find(|group| self.keys[group[0]].path == path);
            match group {
                Some(group) => group.push(self.keys.len()),
                None => branch.push(vec![self.keys.len()]),
            }
        }
        self.keys.push(Key { path, rules, depth });
        Ok(())
    }
}

/// Where in a policy an object is.
struct Level<'a> {
    path: &'a str,
    place: &'a str,
    depth: usize,
}

impl Level<'_> {
    fn below(&self, name: &str) -> String {
        if self.depth == 1 { name.to_owned() } else { format!("{}{DOT}{name}", self.path) }
    }
}

fn too_many(combinations: usize, place: &str) -> Result<(), PolicyProblem> {
    if combinations > MAX_COMBINATIONS {
        let problem = format!("more than {MAX_COMBINATIONS} combinations of values");
        return Err(PolicyProblem::at(place, problem));
    }
    Ok(())
}
