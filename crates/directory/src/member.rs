//! Members: users whom an organization has taken in. What becomes of a user who is granted something there.

use chrono::{DateTime, Utc};
use decision::{
    name::{BindingName, GroupName, InvitationName, MemberName, NodeName, RoleName, UserName},
    record::GroupMember,
};
use serde_json::{Value, json};
use service::{change::Change, fields::Etag};

use crate::{
    arrange::{Placed, Step, arrange},
    assign, feed,
    group::{self, Edge},
    invariants::membership_terms,
    invitation,
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
};

/// A membership.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: MemberName,
    pub(crate) user: UserName,
    pub(crate) suspended: bool,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// A membership that is no more, and what went with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Removed {
    pub(crate) participant: Participant,
    pub(crate) bindings: Vec<BindingName>,
    pub(crate) groups: Vec<GroupName>,
    pub(crate) invitations: Vec<InvitationName>,
}

/// A membership and the organization role held with it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Participant {
    pub(crate) member: Member,
    pub(crate) organization_role: Option<RoleName>,
    /// What they hold directly and without a sponsor, if it was asked for.
    pub(crate) roles: Vec<RoleBinding>,
}

/// What of a member shall be otherwise; none = as it is.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MemberChange {
    pub(crate) suspended: Option<bool>,
    pub(crate) roles: Option<Vec<Assignment>>,
}

/// Of which member that is wanted, and where the request says it: `requests[3]`; empty if it is of this one only.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Wanted {
    pub(crate) name: MemberName,
    pub(crate) change: MemberChange,
    pub(crate) etag: Etag,
    pub(crate) place: String,
}

/// The same, with what the member had when the permit was asked for, and what leads from that to the roles.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Edit<'w> {
    pub(crate) wanted: &'w Wanted,
    pub(crate) seen: Holdings,
    pub(crate) steps: Option<Vec<Placed>>,
}

/// Who is to be taken in and given roles, and where the request says it, as in [`Wanted`].
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Newcomer {
    pub(crate) name: MemberName,
    pub(crate) steps: Vec<Placed>,
    pub(crate) place: String,
}

impl Member {
    /// A new one.
    pub(crate) fn new(name: MemberName, user: UserName, now: DateTime<Utc>) -> Self {
        Self { name, user, suspended: false, create_time: now, update_time: now, version: 1 }
    }

    /// The same, suspended or not.
    pub(crate) fn with_suspended(&self, suspended: bool, now: DateTime<Utc>) -> Self {
        Self { suspended, update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({ "user": self.user.as_str(), "suspended": self.suspended })
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }
}

/// `organizations/acme/members/ann`.
pub(crate) fn member_name(organization: &NodeName, user: &UserName) -> Option<MemberName> {
    MemberName::parse(&format!("{organization}/members/{}", user.id())).ok()
}

/// The user of a membership.
pub(crate) fn user_of(member: &MemberName) -> Option<UserName> {
    UserName::parse(&format!("users/{}", member.id())).ok()
}

/// What a grant makes of a user's membership.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    /// Nothing: a member already, or somebody with a sponsor.
    Unneeded,
    /// They join, in the same commit.
    Joins,
    /// Refused.
    Refused,
}

/// Whether one may be granted something without a sponsor. A suspended member is not taken in again by a grant: that is for those who may
/// reactivate.
pub(crate) fn admission(membership: Option<&Member>, sponsored: bool, grant_joins: bool) -> Admission {
    match (sponsored, membership, grant_joins) {
        (true, _, _) => Admission::Unneeded,
        (false, Some(member), _) if !member.suspended => Admission::Unneeded,
        (false, Some(_), _) | (false, None, false) => Admission::Refused,
        (false, None, true) => Admission::Joins,
    }
}

/// Takes users in and gives them their roles. The requirements of all steps were asked for from index `first` on.
pub(crate) async fn take_all_in(change: &mut Change, newcomers: &[Newcomer], first: usize) -> Result<Vec<Participant>, Error> {
    let mut taken_in = Vec::with_capacity(newcomers.len());
    let mut first = first;
    for Newcomer { name, steps, place } in newcomers {
        taken_in.push(take_in(change, name, steps, first).await.map_err(|error| error.at(place))?);
        first += steps.len();
    }
    Ok(taken_in)
}

/// Takes a user in and gives them these roles: with the role model's default organization role, unless one is among them.
pub(crate) async fn take_in(change: &mut Change, name: &MemberName, roles: &[Placed], first: usize) -> Result<Participant, Error> {
    let organization = assign::live_organization(change, &name.organization()).await?.name;
    let user = user_of(name).ok_or_else(|| Error::not_found(name.as_str()))?;
    if !store::user::holds(change.connection(), &user).await? {
        return Err(Error::not_found(user.as_str()));
    }
    if store::member::find(change.connection(), name).await?.is_some() {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    let membership = membership_terms(change)?;
    let is_organization_role = |placed: &Placed| matches!(&placed.step, Step::Give(binding) if assign::is_organization_role(&membership, &organization, &binding.assigned));
    let with_default = !roles.iter().any(is_organization_role);
    let participant = assign::join(change, &organization, &user, &membership, with_default).await?;
    arrange(change, &organization, roles, first).await?;
    with_roles(change, participant.member).await
}

/// Changes the states or roles of members of an organization, or both. The requirements of all steps were asked for first. None if what one of them has is
/// no longer what the permit was asked for.
pub(crate) async fn edit(change: &mut Change, organization: &NodeName, edits: &[Edit<'_>]) -> Result<Option<Vec<Participant>>, Error> {
    let mut members = Vec::with_capacity(edits.len());
    for Edit { wanted, seen, .. } in edits {
        let before = expected(change, &wanted.name, wanted.etag).await.map_err(|error| error.at(&wanted.place))?;
        if store::member::holdings(change.connection(), &wanted.name, &before.user).await? != *seen {
            return Ok(None);
        }
        members.push(before);
    }
    // Nobody is given anything while suspended, so who comes back does so first, and who is suspended is last.
    set_state_where_wanted(change, edits, &mut members, false).await?;
    if edits.iter().any(|edit| edit.steps.is_some()) {
        let steps: Vec<_> = edits.iter().filter_map(|edit| edit.steps.as_deref()).flatten().cloned().collect();
        arrange(change, organization, &steps, 0).await?;
    }
    set_state_where_wanted(change, edits, &mut members, true).await?;
    let mut edited = Vec::with_capacity(members.len());
    for (member, edit) in members.into_iter().zip(edits) {
        let participant = with_roles(change, member).await?;
        // Who has not asked for roles may not see them.
        edited.push(if edit.steps.is_some() { participant } else { Participant { roles: Vec::new(), ..participant } });
    }
    Ok(Some(edited))
}

/// Suspends or reactivates those who are to be.
async fn set_state_where_wanted(change: &mut Change, edits: &[Edit<'_>], members: &mut [Member], suspended: bool) -> Result<(), Error> {
    for (Edit { wanted, .. }, member) in edits.iter().zip(members).filter(|(edit, _)| edit.wanted.change.suspended == Some(suspended)) {
        *member = set_suspended(change, member, suspended).await.map_err(|error| error.at(&wanted.place))?;
    }
    Ok(())
}

/// A member with what they hold now.
async fn with_roles(change: &Change, member: Member) -> Result<Participant, Error> {
    let (organization, users) = (member.name.organization(), std::slice::from_ref(&member.user));
    let roles = store::role_binding::direct_of(change.connection(), &organization, users, change.now()).await?;
    let organization_role = organization_role(change, &member.name, &roles)?;
    Ok(Participant { member, organization_role, roles })
}

/// What a member has in an organization: bindings of their own, and places in groups, each in the order of their names.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Holdings {
    pub(crate) bindings: Vec<RoleBinding>,
    pub(crate) groups: Vec<Edge>,
}

/// Suspends or reactivates a member.
async fn set_suspended(change: &mut Change, before: &Member, suspended: bool) -> Result<Member, Error> {
    let organization = before.name.organization();
    let held = store::member::holdings(change.connection(), &before.name, &before.user).await?;
    let required = assign::required_roles(change, &organization, &held.bindings).await?;
    let after = before.with_suspended(suspended, change.now());
    store::member::update(change.connection(), &after).await?;
    change.put(feed::member(&after));
    change.audit("members.update", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    required.kept(change.connection()).await?;
    // Who comes back may be the holder that the organization waited for.
    let organization = assign::live_organization(change, &organization).await?;
    assign::activate_if_complete(change, organization).await?;
    Ok(after)
}

/// Removes a member with every binding and every place in a group of the organization, and every pending invitation to it. None if what they have is no longer what the permit
/// was asked for.
pub(crate) async fn remove(change: &mut Change, name: &MemberName, etag: Etag, seen: &Holdings) -> Result<Option<Removed>, Error> {
    let member = expected(change, name, etag).await?;
    if store::member::holdings(change.connection(), name, &member.user).await? != *seen {
        return Ok(None);
    }
    let organization = name.organization();
    if membership_terms(change)?.permanent {
        return Err(Error::MembersStay { organization: organization.to_string() });
    }
    let required = assign::required_roles(change, &organization, &seen.bindings).await?;
    let organization_role = organization_role(change, name, &seen.bindings)?;
    let groups = expel(change, &member, &seen.bindings).await?;
    required.kept(change.connection()).await?;
    let bindings = seen.bindings.iter().map(|binding| binding.name.clone()).collect();
    let invitations = match store::user::find(change.connection(), &member.user).await?.and_then(|user| user.verified_email().cloned()) {
        Some(email) => invitation::end_of_email(change, &organization, &email).await?,
        None => Vec::new(),
    };
    Ok(Some(Removed { participant: Participant { member, organization_role, roles: Vec::new() }, bindings, groups, invitations }))
}

/// Takes a membership, with these bindings and every place in a group of the organization. Whoever calls this keeps to the required roles.
pub(crate) async fn expel(change: &mut Change, member: &Member, bindings: &[RoleBinding]) -> Result<Vec<GroupName>, Error> {
    let principal = GroupMember::User(member.user.clone());
    let edges = store::group::edges_of(change.connection(), &principal, &member.name.organization()).await?;
    group::leave(change, &edges).await?;
    assign::take(change, bindings).await?;
    store::member::delete(change.connection(), &member.name).await?;
    change.delete(member.name.as_str());
    change.audit("members.delete", member.name.as_str(), Some(member.audited()), None);
    Ok(edges.into_iter().map(|edge| edge.group).collect())
}

async fn expected(change: &Change, name: &MemberName, etag: Etag) -> Result<Member, Error> {
    let member = store::member::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    member.expect(etag)?;
    Ok(member)
}

/// Of what a member holds, their organization role.
fn organization_role(change: &Change, name: &MemberName, held: &[RoleBinding]) -> Result<Option<RoleName>, Error> {
    let (organization, roles) = (name.organization(), membership_terms(change)?.organization_roles);
    let is_theirs = |binding: &&RoleBinding| {
        let assigned = &binding.assigned;
        assigned.node == organization && !assigned.has_ended(change.now()) && roles.iter().any(|role| role == assigned.role.as_str())
    };
    Ok(held.iter().find(is_theirs).map(|binding| binding.assigned.role.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_takes_in_whom_the_role_model_lets_join_and_never_a_suspended_member() {
        let name = MemberName::parse("organizations/acme/members/ann").unwrap();
        let active = Member::new(name.clone(), user_of(&name).unwrap(), Utc::now());
        let suspended = active.with_suspended(true, Utc::now());
        assert_eq!(admission(Some(&active), false, false), Admission::Unneeded);
        assert_eq!(admission(None, true, false), Admission::Unneeded);
        assert_eq!(admission(None, false, true), Admission::Joins);
        assert_eq!(admission(None, false, false), Admission::Refused);
        assert_eq!(admission(Some(&suspended), false, true), Admission::Refused);
    }

    #[test]
    fn a_membership_is_named_after_its_user() {
        let organization = NodeName::parse("organizations/acme").unwrap();
        let ann = UserName::parse("users/ann").unwrap();
        let name = member_name(&organization, &ann).unwrap();
        assert_eq!(name.as_str(), "organizations/acme/members/ann");
        assert_eq!(user_of(&name), Some(ann));
    }
}
