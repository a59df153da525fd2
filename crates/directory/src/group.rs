//! Groups of members, nested without cycles.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::{
    name::{GroupName, MalformedName, NodeName, Sponsor, UserName},
    record::GroupMember,
};
use serde_json::{Value, json};
use service::{change::Change, fields::Etag};

use crate::{assign, feed, invariants::no_cycle, role_binding::RoleBinding, status::Error, store};

/// A group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Group {
    pub(crate) name: GroupName,
    pub(crate) display_name: String,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// That somebody is in a group.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edge {
    pub(crate) group: GroupName,
    pub(crate) member: GroupMember,
}

impl Group {
    /// A new one.
    pub(crate) fn new(name: GroupName, display_name: String, now: DateTime<Utc>) -> Self {
        Self { name, display_name, create_time: now, update_time: now, version: 1 }
    }

    /// The same by another display name.
    pub(crate) fn renamed(&self, display_name: String, now: DateTime<Utc>) -> Self {
        Self { display_name, update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({ "display_name": self.display_name })
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }
}

impl Edge {
    /// The edge's key in the feed.
    pub(crate) fn key(&self) -> String {
        format!("{}#{}", self.group, member_text(&self.member))
    }

    /// The name of who is in it.
    pub(crate) fn member_text(&self) -> String {
        member_text(&self.member).to_owned()
    }

    /// The organization of the group.
    pub(crate) fn organization(&self) -> NodeName {
        self.group.organization()
    }
}

/// The member's name.
pub(crate) fn member_text(member: &GroupMember) -> &str {
    match member {
        GroupMember::User(user) => user.as_str(),
        GroupMember::Group(group) => group.as_str(),
    }
}

/// Reads who can be in a group.
pub(crate) fn parse_member(text: &str) -> Result<GroupMember, MalformedName> {
    match UserName::parse(text) {
        Ok(user) => Ok(GroupMember::User(user)),
        Err(_) => GroupName::parse(text).map(GroupMember::Group).map_err(|malformed| MalformedName {
            expected: "a user or a group: `users/ann` or `organizations/acme/groups/buyers`",
            ..malformed
        }),
    }
}

/// Creates a group.
pub(crate) async fn create(change: &mut Change, name: GroupName, display_name: String) -> Result<Group, Error> {
    assign::live_organization(change, &name.organization()).await?;
    let db = change.connection();
    if store::group::find(db, &name).await?.is_some() || store::retired::is_retired(db, name.as_str()).await? {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    let group = Group::new(name, display_name, change.now());
    store::group::insert(db, &group).await?;
    change.audit("groups.create", group.name.as_str(), None, Some(group.audited()));
    Ok(group)
}

/// Gives a group another display name; none: the same.
pub(crate) async fn rename(change: &mut Change, name: &GroupName, display_name: Option<String>, etag: Etag) -> Result<Group, Error> {
    let before = expected(change, name, etag).await?;
    let after = before.renamed(display_name.unwrap_or_else(|| before.display_name.clone()), change.now());
    store::group::update(change.connection(), &after).await?;
    change.audit("groups.update", name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}

/// What a group holds by itself, in its organization and elsewhere, and the groups that it is in.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holdings {
    pub(crate) bindings: Vec<RoleBinding>,
    pub(crate) containers: Vec<Edge>,
}

impl Holdings {
    /// Those that the group's tree answers for: all but what other organizations give by a partnership. By that they have left it to the
    /// group's organization who is in the group, and that it is.
    pub(crate) fn own(&self, group: &GroupName) -> impl Iterator<Item = &RoleBinding> {
        let home = group.organization();
        self.bindings.iter().filter(move |binding| !is_from_partner(binding, &home))
    }

    /// The organizations that give something by a partnership: their trees are written too when the group is deleted.
    pub(crate) fn partners(&self, group: &GroupName) -> BTreeSet<NodeName> {
        let home = group.organization();
        self.bindings.iter().filter(|binding| is_from_partner(binding, &home)).map(|binding| binding.name.organization()).collect()
    }
}

fn is_from_partner(binding: &RoleBinding, home: &NodeName) -> bool {
    binding.name.organization() != *home && matches!(binding.assigned.sponsor, Some(Sponsor::Partnership(_)))
}

/// Deletes a group with its edges and its bindings, wherever they are. None if what it holds is no longer what the permit was asked for.
pub(crate) async fn delete(change: &mut Change, name: &GroupName, etag: Etag, seen: &Holdings) -> Result<Option<Group>, Error> {
    let group = expected(change, name, etag).await?;
    if store::group::holdings(change.connection(), name).await? != *seen {
        return Ok(None);
    }
    let members = store::group::edges_into(change.connection(), name).await?;
    leave(change, &members).await?;
    leave(change, &seen.containers).await?;
    assign::take(change, &seen.bindings).await?;
    store::group::delete(change.connection(), name).await?;
    change.audit("groups.delete", name.as_str(), Some(group.audited()), None);
    Ok(Some(group))
}

/// Puts an active member, or a group of the organization, into a group.
pub(crate) async fn add(change: &mut Change, edge: &Edge) -> Result<(), Error> {
    let db = change.connection();
    expected(change, &edge.group, Etag::ANY).await?;
    if store::group::has_edge(db, edge).await? {
        return Err(Error::AlreadyIn { edge: edge.key() });
    }
    match &edge.member {
        GroupMember::User(user) => {
            let organization = edge.organization();
            let membership = store::member::find(db, &assign::membership_of(&organization, user)?).await?;
            if membership.is_none_or(|member| member.suspended) {
                return Err(Error::NotAMember { user: user.to_string(), organization: organization.to_string() });
            }
        }
        GroupMember::Group(inner) => {
            expected(change, inner, Etag::ANY).await?;
            no_cycle(db, edge).await?;
        }
    }
    store::group::insert_edge(db, edge, change.now()).await?;
    change.put(feed::group_edge(edge));
    change.audit("groups.add_member", edge.group.as_str(), None, Some(json!({ "member": edge.member_text() })));
    Ok(())
}

/// Takes somebody out of a group.
pub(crate) async fn remove(change: &mut Change, edge: &Edge) -> Result<(), Error> {
    if !store::group::has_edge(change.connection(), edge).await? {
        return Err(Error::not_found(edge.key()));
    }
    leave(change, std::slice::from_ref(edge)).await
}

/// Removes edges that are there.
pub(crate) async fn leave(change: &mut Change, edges: &[Edge]) -> Result<(), Error> {
    store::group::delete_edges(change.connection(), edges).await?;
    for edge in edges {
        change.delete(edge.key());
        change.audit("groups.remove_member", edge.group.as_str(), Some(json!({ "member": edge.member_text() })), None);
    }
    Ok(())
}

async fn expected(change: &Change, name: &GroupName, etag: Etag) -> Result<Group, Error> {
    let group = store::group::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    group.expect(etag)?;
    Ok(group)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_is_keyed_by_both_ends() {
        let edge =
            Edge { group: GroupName::parse("organizations/acme/groups/buyers").unwrap(), member: parse_member("users/ann").unwrap() };
        assert_eq!(edge.key(), "organizations/acme/groups/buyers#users/ann");
        assert_eq!(edge.organization().as_str(), "organizations/acme");
    }

    #[test]
    fn only_users_and_groups_can_be_in_a_group() {
        assert!(parse_member("organizations/acme/groups/a").is_ok());
        for text in ["organizations/acme", "anyone", "users/", ""] {
            assert!(parse_member(text).is_err(), "{text}");
        }
    }
}
