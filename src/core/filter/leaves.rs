//! What a message has at the path of a key: AWS looks through arrays, so it may be many values.

use std::ptr;
use std::rc::Rc;

use super::policy::DOT;
use super::tree::Node;

const TWICE: &str = "the message has the key twice";
const TOO_DEEP: &str = "the message is nested too deep";
const UNREADABLE: &str = "the message holds half of a surrogate pair";
/// Comparisons after which [`fit`] gives up.
const TRIES: usize = 10_000;

/// The elements of arrays that a value is in, the innermost first.
pub type Place = Option<Rc<Element>>;

/// An element of an array.
#[derive(Debug)]
pub struct Element {
    /// Its array's address.
    array: usize,
    index: usize,
    around: Place,
}

/// What a message has at a path.
#[derive(Debug, Default)]
pub struct Found<'n, 'a> {
    /// The values that are no arrays and no objects.
    pub leaves: Vec<(&'n Node<'a>, Place)>,
    /// Whether an object, or an empty array, lacks the rest of the path.
    pub is_missing: bool,
    /// Why there may be more or less.
    pub doubt: Option<&'static str>,
}

impl<'n, 'a> Found<'n, 'a> {
    /// Looks for a path in a message.
    pub fn at(path: &str, message: &'n Node<'a>) -> Self {
        let mut found = Self { leaves: Vec::new(), is_missing: false, doubt: None };
        found.walk(message, Some(path), None);
        found
    }

    /// `rest` is what remains of the path; `None` at its end. A message has at most 100 levels.
    fn walk(&mut self, node: &'n Node<'a>, rest: Option<&str>, place: Place) {
        match (node, rest) {
            (Node::List(items), _) => {
                self.is_missing |= items.is_empty();
                for (index, item) in items.iter().enumerate() {
                    let array = ptr::from_ref(node).addr();
                    let around = place.clone();
                    self.walk(item, rest, Some(Rc::new(Element { array, index, around })));
                }
            }
            (Node::Object(fields), Some(path)) => {
                let mut fitting = fields.iter().filter_map(|(name, value)| {
                    let rest = path.strip_prefix(&**name)?;
                    let is_end = rest.is_empty();
                    Some((value, if is_end { None } else { Some(rest.strip_prefix(DOT)?) }))
                });
                match (fitting.next(), fitting.next()) {
                    (None, _) => self.is_missing = true,
                    (Some((value, rest)), None) => self.walk(value, rest, place),
                    (Some(_), Some(_)) => self.doubt = Some(TWICE),
                }
            }
            (Node::TooDeep, _) => self.doubt = Some(TOO_DEEP),
            (Node::Unreadable, _) => self.doubt = Some(UNREADABLE),
            (_, None) if !matches!(node, Node::Object(_)) => self.leaves.push((node, place)),
            _ => self.is_missing = true,
        }
    }
}

/// Whether one place of each key can be chosen so that no two are in different elements of an array; `None` if that
/// takes too long to find out.
pub fn fit(places: &[&[Place]]) -> Option<bool> {
    let mut tries = TRIES;
    chosen(places, &mut Vec::new(), &mut tries)
}

fn chosen<'p>(
    places: &[&'p [Place]],
    before: &mut Vec<&'p Place>,
    tries: &mut usize,
) -> Option<bool> {
    let Some((first, rest)) = places.split_first() else { return Some(true) };
    for place in *first {
        *tries = tries.checked_sub(1 + before.len())?;
        if before.iter().any(|other| is_apart(place, other)) {
            continue;
        }
        before.push(place);
        if chosen(rest, before, tries)? {
            return Some(true);
        }
        before.pop();
    }
    Some(false)
}

fn is_apart(one: &Place, other: &Place) -> bool {
    around(one)
        .any(|one| around(other).any(|other| one.array == other.array && one.index != other.index))
}

fn around(place: &Place) -> impl Iterator<Item = &Element> {
    std::iter::successors(place.as_deref(), |element| element.around.as_deref())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Node<'_> {
        Node::read(json).expect("JSON")
    }

    #[test]
    fn arrays_are_looked_through() {
        let message = read(r#"{"a": [{"b": [1, [2]]}, {"c": 3}, [{"b": 4}]], "a.c": 5, "d": {}}"#);
        let found = |path| {
            let found = Found::at(path, &message);
            let leaves: Vec<_> = found.leaves.iter().map(|(node, _)| (*node).clone()).collect();
            (leaves, found.is_missing, found.doubt)
        };
        let numbers = |numbers: &[&'static str]| -> Vec<Node> {
            numbers.iter().map(|number| Node::Number(number)).collect()
        };
        assert_eq!(found("a.b"), (numbers(&["1", "2", "4"]), true, None));
        assert_eq!(found("a"), (vec![], true, None));
        assert_eq!(found("a.c"), (vec![], false, Some(TWICE)));
        assert_eq!(found("d"), (vec![], true, None));
        assert_eq!(found("ab"), (vec![], true, None));
    }

    #[test]
    fn two_elements_of_an_array_do_not_fit_together() {
        let message = read(r#"[{"a": 1, "b": [1, 2]}, {"a": 2}]"#);
        let places = |path, value| -> Vec<Place> {
            let found = Found::at(path, &message).leaves.into_iter();
            found.filter(|(node, _)| **node == Node::Number(value)).map(|(_, at)| at).collect()
        };
        assert_eq!(fit(&[&places("a", "1"), &places("b", "2")]), Some(true));
        assert_eq!(fit(&[&places("a", "2"), &places("b", "2")]), Some(false));
        assert_eq!(fit(&[]), Some(true));
        let many = read(r#"{"c": [[1, 2, 3], [2]]}"#);
        let all: Vec<_> = Found::at("c", &many).leaves.into_iter().map(|(_, at)| at).collect();
        assert_eq!(fit(&[&all, &all, &all]), Some(true));
        let apart = || all.chunks(1);
        assert_eq!(fit(&apart().collect::<Vec<_>>()), Some(false));
        let every: Vec<_> = [&all[..]; 12].into_iter().chain(apart()).collect();
        assert_eq!(fit(&every), Some(false));
    }
}
