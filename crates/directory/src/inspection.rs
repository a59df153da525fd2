//! Looks through all rows for what must never be (DESIGN §6), and for what decisions are made from otherwise than the rows say. Keeps nothing: that
//! is what `invariants` does.

mod rows;

use std::{
    collections::{BTreeMap, BTreeSet},
    str::FromStr,
};

use api::{authz::v1::RoleTerms, feed::v1::Record};
use chrono::{DateTime, Utc};
use decision::name::NodeName;
use sea_orm::ConnectionTrait;

use crate::{
    organization::Pinned,
    status::Error,
    store::inspection::{self as store, Noun, Sighting},
};

/// Which invariant is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Seats,
    RequiredRole,
    ExclusiveRole,
    HeldIndirectly,
    HeldTwice,
    GroupCycle,
    Missing,
    NotAMember,
    ForeignRole,
    Tree,
    Row,
    RetiredName,
    Feed,
    FeedWithoutRow,
}

/// Something that must not be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Violation {
    pub(crate) kind: Kind,
    pub(crate) resource: String,
    pub(crate) description: String,
}

/// What is gone through, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Organizations,
    Workspaces,
    Accounts,
    Resources,
    Users,
    Members,
    Groups,
    Edges,
    Partnerships,
    Bindings,
    Invitations,
    Feed,
}

const PARTS: [(Part, &str); 12] = [
    (Part::Organizations, "organizations"),
    (Part::Workspaces, "workspaces"),
    (Part::Accounts, "accounts"),
    (Part::Resources, "resources"),
    (Part::Users, "users"),
    (Part::Members, "members"),
    (Part::Groups, "groups"),
    (Part::Edges, "edges"),
    (Part::Partnerships, "partnerships"),
    (Part::Bindings, "bindings"),
    (Part::Invitations, "invitations"),
    (Part::Feed, "feed"),
];

/// How far it has got: after this key of this part.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Place {
    part: usize,
    after: String,
}

impl Place {
    /// Before everything.
    pub(crate) const START: Self = Self { part: 0, after: String::new() };
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let word = PARTS.get(self.part).map(|(_, word)| *word).unwrap_or_default();
        write!(f, "{word}:{}", self.after)
    }
}

impl FromStr for Place {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (word, after) = text.split_once(':').ok_or(())?;
        let part = PARTS.iter().position(|(_, known)| *known == word).ok_or(())?;
        Ok(Self { part, after: after.to_owned() })
    }
}

/// The roles of a revision of a role model.
#[derive(Clone, Debug)]
pub(crate) struct ModelRoles {
    pub(crate) pinned: Pinned,
    pub(crate) roles: BTreeMap<String, RoleTerms>,
}

/// By the roots of the trees; none where authz does not know what the root has pinned.
pub(crate) type Models = BTreeMap<String, Option<ModelRoles>>;

/// What was found in some rows.
#[derive(Debug, Default)]
pub(crate) struct Found {
    pub(crate) violations: Vec<Violation>,
    pub(crate) examined: usize,
    /// None at the end.
    pub(crate) next: Option<Place>,
}

/// What became of looking.
pub(crate) enum Inspected {
    /// This was found.
    Found(Found),
    /// Nothing can be said without the roles of these trees.
    Unknown(BTreeSet<String>),
}

/// Looks at the next so many rows.
pub(crate) async fn inspect(
    db: &impl ConnectionTrait,
    from: &Place,
    most: usize,
    models: &Models,
    now: DateTime<Utc>,
) -> Result<Inspected, Error> {
    let mut found = Found::default();
    let mut place = from.clone();
    while let Some((part, _)) = PARTS.get(place.part) {
        let wanted = most - found.examined;
        if wanted == 0 {
            found.next = Some(place);
            break;
        }
        let mut desk = Desk { db, models, now, violations: Vec::new(), unknown: BTreeSet::new() };
        let keys = desk.look_at(*part, &place.after, wanted as u64).await?;
        if !desk.unknown.is_empty() {
            return Ok(Inspected::Unknown(desk.unknown));
        }
        found.violations.append(&mut desk.violations);
        found.examined += keys.len();
        match keys.into_iter().next_back() {
            Some(last) if found.examined == most => place.after = last,
            Some(_) | None => place = Place { part: place.part + 1, after: String::new() },
        }
    }
    Ok(Inspected::Found(found))
}

/// Some rows of one part, under inspection.
struct Desk<'d, C> {
    db: &'d C,
    models: &'d Models,
    now: DateTime<Utc>,
    violations: Vec<Violation>,
    unknown: BTreeSet<String>,
}

/// What the feed should say of some keys.
type Expected = BTreeMap<String, Option<Record>>;

impl<C: ConnectionTrait> Desk<'_, C> {
    fn note(&mut self, kind: Kind, resource: impl ToString, description: impl Into<String>) {
        self.violations.push(Violation { kind, resource: resource.to_string(), description: description.into() });
    }

    /// Looks at the rows of a part after a key, and tells their keys.
    async fn look_at(&mut self, part: Part, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        match part {
            Part::Organizations => self.organizations(after, limit).await,
            Part::Workspaces => self.workspaces(after, limit).await,
            Part::Accounts => self.accounts(after, limit).await,
            Part::Resources => self.resources(after, limit).await,
            Part::Users => self.users(after, limit).await,
            Part::Members => self.members(after, limit).await,
            Part::Groups => self.groups(after, limit).await,
            Part::Edges => self.edges(after, limit).await,
            Part::Partnerships => self.partnerships(after, limit).await,
            Part::Bindings => self.bindings(after, limit).await,
            Part::Invitations => self.invitations(after, limit).await,
            Part::Feed => self.feed(after, limit).await,
        }
    }

    /// Sorts out what cannot be read or disagrees with itself: no more can be said of that. The keys, and the values that are left.
    fn sound<T>(&mut self, sightings: Vec<Sighting<T>>) -> (Vec<String>, Vec<T>) {
        let (mut keys, mut values) = (Vec::with_capacity(sightings.len()), Vec::with_capacity(sightings.len()));
        for sighting in sightings {
            match sighting.value {
                Some(value) => values.push(value),
                None => self.note(Kind::Row, &sighting.name, "its row cannot be read, or says of itself something else than its name"),
            }
            keys.push(sighting.name);
        }
        (keys, values)
    }

    /// Names that were retired are not in use.
    async fn none_is_retired(&mut self, names: &[String]) -> Result<(), Error> {
        for name in store::retired(self.db, &names.iter().cloned().collect()).await? {
            self.note(Kind::RetiredName, name, "the name was deleted once, and is never to be used again");
        }
        Ok(())
    }

    /// The feed says last what the rows say.
    async fn the_feed_says(&mut self, expected: Expected) -> Result<(), Error> {
        let keys: Vec<String> = expected.keys().cloned().collect();
        for some in keys.chunks(500) {
            let mut latest = ledger::feed::latest(self.db, some).await?;
            for key in some {
                let description = match (expected.get(key).and_then(Option::as_ref), latest.remove(key)) {
                    (Some(row), Some(record)) if *row == record => continue,
                    (None, None) => continue,
                    (Some(_), None) => "decisions are made without it",
                    (None, Some(_)) => "decisions are made from it although it is deleted",
                    (Some(_), Some(_)) => "decisions are made from another state than its row has",
                };
                self.note(Kind::Feed, key, description);
            }
        }
        Ok(())
    }

    /// Things that have a row, of the feed.
    async fn feed(&mut self, after: &str, limit: u64) -> Result<Vec<String>, Error> {
        let keys = ledger::feed::keys_after(self.db, after, limit).await?;
        let mut wanted: BTreeMap<Noun, BTreeSet<String>> = BTreeMap::new();
        let mut edges = BTreeSet::new();
        for key in &keys {
            match noun_of(key) {
                Some(Of::Noun(noun)) => drop(wanted.entry(noun).or_default().insert(key.clone())),
                Some(Of::Edge) => drop(edges.insert(key.clone())),
                None => {}
            }
        }
        let mut present = store::present(self.db, &wanted).await?;
        present.extend(store::present_edges(self.db, &edges).await?);
        for key in wanted.into_values().flatten().chain(edges).filter(|key| !present.contains(key)) {
            self.note(Kind::FeedWithoutRow, key, "decisions are made from it, but there is no row of it");
        }
        Ok(keys)
    }
}

/// Whose row a key of the feed is of. None: not the directory's.
enum Of {
    Noun(Noun),
    Edge,
}

fn noun_of(key: &str) -> Option<Of> {
    if key.contains('#') {
        return Some(Of::Edge);
    }
    let parts: Vec<&str> = key.split('/').collect();
    match parts.as_slice() {
        ["users", _] => Some(Of::Noun(Noun::AnyUser)),
        ["organizations", _, "members", _] => Some(Of::Noun(Noun::Member)),
        ["organizations", _, "partnerships", _] => Some(Of::Noun(Noun::Partnership)),
        ["organizations", _, "roleBindings", _] => Some(Of::Noun(Noun::RoleBinding)),
        _ => NodeName::parse(key).ok().map(|node| Of::Noun(Noun::of(&node))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        for place in [Place::START, Place { part: 9, after: "organizations/acme/roleBindings/b1".into() }] {
            assert_eq!(place.to_string().parse(), Ok(place));
        }
        assert_eq!("elsewhere:x".parse::<Place>(), Err(()));
        assert_eq!("organizations".parse::<Place>(), Err(()));
    }

    #[test]
    fn a_key_of_the_feed_tells_whose_row_it_is_of() {
        let noun = |key| match noun_of(key) {
            Some(Of::Noun(noun)) => Some(noun),
            Some(Of::Edge) | None => None,
        };
        assert_eq!(noun("users/ann"), Some(Noun::AnyUser));
        assert_eq!(noun("organizations/acme"), Some(Noun::Organization));
        assert_eq!(noun("organizations/acme/workspaces/w/campaigns/1"), Some(Noun::Resource));
        assert_eq!(noun("organizations/acme/members/ann"), Some(Noun::Member));
        assert!(matches!(noun_of("organizations/acme/groups/g#users/ann"), Some(Of::Edge)));
        // The role catalog's.
        assert!(noun_of("organizations/acme/roles/buyer").is_none() && noun_of("roleModels/m/revisions/1").is_none());
    }
}
