//! Where in a YAML text the things are that findings are about.

use std::{collections::BTreeMap, fmt};

use serde::{
    Deserialize,
    de::{Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;

/// The places of everything in a text.
pub(super) struct Places(Option<Spanned<Node>>);

/// A line and a column, from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    line: u64,
    column: u64,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

impl Places {
    /// Of what was not written by hand.
    pub(super) fn none() -> Self {
        Self(None)
    }

    /// Of a text that has been read as a document already; of another, none.
    pub(super) fn of_yaml(text: String) -> Self {
        Self(serde_saphyr::from_str_with_options(&text, super::options()).ok())
    }

    /// The place of what is at a finding's path (`roles[2].grants[0].components.campaigns`), or of the nearest thing around it.
    pub(super) fn of(&self, path: &str) -> Option<Place> {
        let mut here = self.0.as_ref()?;
        let mut rest = path;
        while let Some((next, after)) = here.value.step(rest) {
            (here, rest) = (next, after);
        }
        let (line, column) = (here.referenced.line(), here.referenced.column());
        (line > 0).then_some(Place { line, column })
    }
}

enum Node {
    Mapping(BTreeMap<String, Spanned<Node>>),
    Sequence(Vec<Spanned<Node>>),
    Scalar,
}

impl Node {
    /// The child that the path begins with, and what then remains of it.
    fn step<'p>(&self, path: &'p str) -> Option<(&Spanned<Node>, &'p str)> {
        match self {
            // Keys may have dots in them, so the longest one that fits is meant.
            Self::Mapping(children) => {
                let path = path.strip_prefix('.').unwrap_or(path);
                let fits = |key: &str| path.strip_prefix(key).filter(|rest| rest.is_empty() || rest.starts_with(['.', '[']));
                children
                    .iter()
                    .filter_map(|(key, child)| Some((key.len(), child, fits(key)?)))
                    .max_by_key(|(length, ..)| *length)
                    .map(|(_, child, rest)| (child, rest))
            }
            Self::Sequence(children) => {
                let (index, rest) = path.strip_prefix('[')?.split_once(']')?;
                Some((children.get(index.parse::<usize>().ok()?)?, rest))
            }
            Self::Scalar => None,
        }
    }
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyNode)
    }
}

struct AnyNode;

macro_rules! scalars {
    ($($visit:ident($type:ty)),+ $(,)?) => {
        $(fn $visit<E>(self, _: $type) -> Result<Node, E> {
            Ok(Node::Scalar)
        })+
    };
}

impl<'de> Visitor<'de> for AnyNode {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    scalars!(
        visit_bool(bool),
        visit_i64(i64),
        visit_u64(u64),
        visit_i128(i128),
        visit_u128(u128),
        visit_f64(f64),
        visit_str(&str),
        visit_bytes(&[u8])
    );

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut values: A) -> Result<Node, A::Error> {
        let mut children = Vec::new();
        while let Some(child) = values.next_element()? {
            children.push(child);
        }
        Ok(Node::Sequence(children))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Node, A::Error> {
        let mut children = BTreeMap::new();
        while let Some(Key(key)) = entries.next_key()? {
            match key {
                Some(key) => drop(children.insert(key, entries.next_value()?)),
                None => drop(entries.next_value::<IgnoredAny>()?),
            }
        }
        Ok(Node::Mapping(children))
    }
}

/// A key if it is text.
struct Key(Option<String>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl Visitor<'_> for Text {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E>(self, text: &str) -> Result<Key, E> {
                Ok(Key(Some(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_leads_to_its_place_or_the_nearest_above() {
        let text = "model: m\ncomponents:\n  a: edit\n  a.b: view\nroles:\n  - id: one\n    grants: [{ x: 1 }]\n  - { id: two }\n";
        let places = Places::of_yaml(text.to_owned());
        let place = |path: &str| places.of(path).map(|place| (place.line, place.column));
        assert_eq!(place("model"), Some((1, 8)));
        assert_eq!(place("components.a"), Some((3, 6)));
        assert_eq!(place("components.a.b"), Some((4, 8)));
        assert_eq!(place("roles[1].id"), Some((8, 11)));
        assert_eq!(place("roles[1].seats.least"), Some((8, 5)));
        assert_eq!(place("roles[0].grants[0].x"), Some((7, 19)));
        assert_eq!(place("roles[9]"), Some((6, 3)));
        assert_eq!(Places::none().of("model"), None);
    }
}
