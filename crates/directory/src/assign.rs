//! Giving, changing and taking away roles: everything that comes with a role binding in the same commit.

use api::authz::v1::{MembershipTerms, RoleTerms};
use decision::name::{BindingName, MemberName, NodeKind, NodeName, Principal, RoleName, RoleOwner, Sponsor, UserName};
use serde_json::json;
use service::{change::Change, fields::Etag};
use uuid::Uuid;

use crate::{
    feed,
    invariants::{self, RequiredRoles, held_directly, holders_fit, leaves_room, seats_kept},
    member::{Admission, Member, Participant, admission, member_name},
    organization::Organization,
    partnership::PartnershipState,
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
};

/// Where the seat for a new holder comes from, if the role has seats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Seat {
    /// One that is free: neither a holder nor a pending invitation has it.
    Free,
    /// The one that the invitation which is being accepted had.
    Reserved,
}

/// Gives a role. A user who is not a member joins or is refused, as the role model says; an organization that waited for this holder is in
/// use from now on.
pub(crate) async fn give(change: &mut Change, binding: RoleBinding, terms: &RoleTerms, seat: Seat) -> Result<RoleBinding, Error> {
    let organization = live_organization(change, &binding.name.organization()).await?;
    let membership = invariants::membership_terms(change)?;
    name_is_free(change, &binding.name).await?;
    fits(change, &organization, &membership, &binding.assigned, terms).await?;
    let theirs = store::role_binding::of_principal_at(change.connection(), &binding.assigned.principal, &binding.assigned.node).await?;
    leaves_room(terms, &binding.assigned, &theirs, None, change.now())?;
    let with_default = !is_organization_role(&membership, &organization.name, &binding.assigned);
    admit(change, &organization.name, &binding.assigned, &membership, with_default).await?;
    write_new(change, &binding).await?;
    seat_kept(change, terms, &binding.assigned.node, seat).await?;
    activate_if_complete(change, organization).await?;
    Ok(binding)
}

/// Makes a binding another assignment, of the same principal at the same node.
pub(crate) async fn reassign(
    change: &mut Change,
    before: &RoleBinding,
    assigned: Assignment,
    terms: &RoleTerms,
    seat: Seat,
) -> Result<RoleBinding, Error> {
    let organization = live_organization(change, &before.name.organization()).await?;
    let membership = invariants::membership_terms(change)?;
    if before.assigned.has_ended(change.now()) {
        return Err(Error::WrongState { name: before.name.to_string(), state: "expired", remedy: "create another" });
    }
    if is_organization_role(&membership, &organization.name, &before.assigned)
        && !is_organization_role(&membership, &organization.name, &assigned)
    {
        stays_a_participant(&membership, &organization.name)?;
    }
    fits(change, &organization, &membership, &assigned, terms).await?;
    let theirs = store::role_binding::of_principal_at(change.connection(), &assigned.principal, &assigned.node).await?;
    leaves_room(terms, &assigned, &theirs, Some(&before.name), change.now())?;
    let required = required_roles(change, &organization.name, std::slice::from_ref(before)).await?;

    let after = before.reassigned(assigned, change.now());
    write_changed(change, before, &after).await?;

    if after.assigned.role != before.assigned.role {
        seat_kept(change, terms, &after.assigned.node, seat).await?;
    }
    required.kept(change.connection()).await?;
    activate_if_complete(change, organization).await?;
    Ok(after)
}

/// Takes a role away from somebody who keeps their membership.
pub(crate) async fn revoke(change: &mut Change, binding: &RoleBinding) -> Result<(), Error> {
    let organization = binding.name.organization();
    let membership = invariants::membership_terms(change)?;
    if is_organization_role(&membership, &organization, &binding.assigned) {
        stays_a_participant(&membership, &organization)?;
    }
    let bindings = std::slice::from_ref(binding);
    let required = required_roles(change, &organization, bindings).await?;
    take(change, bindings).await?;
    required.kept(change.connection()).await
}

/// Removes bindings that have lost what they rest on: their sponsor, their node, their principal. Whoever calls this keeps to the
/// required roles.
pub(crate) async fn take(change: &mut Change, bindings: &[RoleBinding]) -> Result<(), Error> {
    store::role_binding::delete(change.connection(), bindings).await?;
    for binding in bindings {
        change.delete(binding.name.as_str());
        change.audit_at(binding.assigned.node.as_str(), "role_bindings.delete", binding.name.as_str(), Some(binding.audited()), None);
    }
    Ok(())
}

/// Takes a user in, with the role model's default organization role unless they hold, or are about to get, another one.
pub(crate) async fn join(
    change: &mut Change,
    organization: &NodeName,
    user: &UserName,
    membership: &MembershipTerms,
    with_default: bool,
) -> Result<Participant, Error> {
    not_confined_away(change, user, organization).await?;
    let member = Member::new(membership_of(organization, user)?, user.clone(), change.now());
    store::member::insert(change.connection(), &member).await?;
    change.put(feed::member(&member));
    change.audit("members.create", member.name.as_str(), None, Some(member.audited()));

    let users = std::slice::from_ref(user);
    let held = store::role_binding::held_by(change.connection(), organization, users, &membership.organization_roles, change.now()).await?;
    let mut organization_role = held.into_iter().next().map(|(_, role)| role);
    if with_default && organization_role.is_none() && !membership.default_role.is_empty() {
        let role = RoleName::parse(&membership.default_role).map_err(|_| Error::IncompletePermit("the name of the default role"))?;
        let assigned = Assignment::plain(Principal::User(user.clone()), role.clone(), organization.clone());
        let binding = RoleBinding::new(new_binding_name(organization)?, assigned, change.now());
        write_new(change, &binding).await?;
        organization_role = Some(role);
    }
    Ok(Participant { member, organization_role, roles: Vec::new() })
}

/// The required roles of an organization as they stand before these bindings, or what they rest on, change.
pub(crate) async fn required_roles(change: &Change, organization: &NodeName, concerned: &[RoleBinding]) -> Result<RequiredRoles, Error> {
    RequiredRoles::of(change.connection(), organization, &change.granted().required_roles, concerned).await
}

/// An organization that is there.
pub(crate) async fn live_organization(change: &Change, name: &NodeName) -> Result<Organization, Error> {
    let organization = store::organization::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    organization.expect(Etag::ANY)?;
    Ok(organization)
}

/// The name of a user's membership.
pub(crate) fn membership_of(organization: &NodeName, user: &UserName) -> Result<MemberName, Error> {
    member_name(organization, user).ok_or_else(|| Error::not_found(user.as_str()))
}

/// An organization whose last required role has just got its holder is in use from now on, and needs no owner any more.
pub(crate) async fn activate_if_complete(change: &mut Change, organization: Organization) -> Result<(), Error> {
    if !organization.provisioning && !organization.needs_owner {
        return Ok(());
    }
    let required = change.granted().required_roles.clone();
    if !invariants::is_complete(change.connection(), &organization, &required).await? {
        return Ok(());
    }
    if organization.needs_owner {
        has_an_owner_again(change, &organization.name).await?;
    }
    if !organization.provisioning {
        return Ok(());
    }
    let active = organization.activated(change.now());
    store::organization::update(change.connection(), &active).await?;
    change.put(feed::organization(&active));
    change.audit("organization.activate", active.name.as_str(), Some(organization.audited()), Some(active.audited()));
    Ok(())
}

/// There was a seat.
async fn seat_kept(change: &Change, terms: &RoleTerms, node: &NodeName, seat: Seat) -> Result<(), Error> {
    match seat {
        Seat::Free => seats_kept(change.connection(), terms, node, change.now()).await,
        Seat::Reserved => holders_fit(change.connection(), terms, node, change.now()).await,
    }
}

/// An organization that was created by an invitation is in use from its first acceptance on, if nothing else is missing.
pub(crate) async fn take_up(change: &mut Change, name: &NodeName) -> Result<(), Error> {
    let organization = live_organization(change, name).await?;
    if !organization.awaiting_acceptance {
        return Ok(());
    }
    let taken_up = organization.taken_up(change.now());
    store::organization::update(change.connection(), &taken_up).await?;
    change.audit("organization.activate", name.as_str(), Some(organization.audited()), Some(taken_up.audited()));
    Ok(())
}

/// What the platform's suspension of a user has left behind is mended.
pub(crate) async fn has_an_owner_again(change: &mut Change, organization: &NodeName) -> Result<(), Error> {
    store::organization::set_needs_owner(change.connection(), organization, false).await?;
    change.audit(
        "organization.has_owner",
        organization.as_str(),
        Some(json!({ "needs_owner": true })),
        Some(json!({ "needs_owner": false })),
    );
    Ok(())
}

/// A user who is managed by an organization is used in it and below it only: a decision would not count it elsewhere.
pub(crate) async fn not_confined_away(change: &Change, user: &UserName, organization: &NodeName) -> Result<(), Error> {
    let db = change.connection();
    let Some(home) = store::user::managed_by(db, user).await? else { return Ok(()) };
    let mut at = organization.clone();
    while at != home {
        let above = store::organization::find(db, &at).await?.and_then(|organization| organization.parent);
        let Some(workspace) = above else {
            return Err(Error::Confined { user: user.to_string(), organization: organization.to_string() });
        };
        at = workspace.organization();
    }
    Ok(())
}

/// Writes that a binding is another assignment.
pub(crate) async fn write_changed(change: &mut Change, before: &RoleBinding, after: &RoleBinding) -> Result<(), Error> {
    store::role_binding::update(change.connection(), after).await?;
    change.put(feed::role_binding(after));
    let node = after.assigned.node.as_str();
    change.audit_at(node, "role_bindings.update", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(())
}

/// Whether an assignment can be: whatever else is held.
pub(crate) async fn fits(
    change: &Change,
    organization: &Organization,
    membership: &MembershipTerms,
    assigned: &Assignment,
    terms: &RoleTerms,
) -> Result<(), Error> {
    can_be_held(organization, assigned, terms)?;
    stays(membership, &organization.name, assigned)?;
    has_time(change, assigned, "role_binding.expire_time")?;
    everybody_is_there(change, &organization.name, assigned).await
}

pub(crate) async fn write_new(change: &mut Change, binding: &RoleBinding) -> Result<(), Error> {
    store::role_binding::insert(change.connection(), binding).await?;
    change.put(feed::role_binding(binding));
    change.audit_at(binding.assigned.node.as_str(), "role_bindings.create", binding.name.as_str(), None, Some(binding.audited()));
    Ok(())
}

/// A name for a binding that nobody has chosen one for.
pub(crate) fn new_binding_name(organization: &NodeName) -> Result<BindingName, Error> {
    let name = format!("{organization}/roleBindings/{}", Uuid::now_v7());
    BindingName::parse(&name).map_err(|_| Error::not_found(organization.as_str()))
}

pub(crate) async fn name_is_free(change: &Change, name: &BindingName) -> Result<(), Error> {
    let db = change.connection();
    if store::role_binding::find(db, name).await?.is_some() || store::retired::is_retired(db, name.as_str()).await? {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    Ok(())
}

/// Whether the role can be held by this kind of principal in this organization.
pub(crate) fn can_be_held(organization: &Organization, assigned: &Assignment, terms: &RoleTerms) -> Result<(), Error> {
    let invalid = |why| Err(Error::InvalidBinding { role: assigned.role.to_string(), why });
    held_directly(terms, &assigned.principal)?;
    if let RoleOwner::Organization(owner) = assigned.role.owner()
        && owner != organization.name
    {
        return invalid("a custom role is usable only inside its organization");
    }
    match &assigned.principal {
        Principal::Group(group) if group.organization() != organization.name && assigned.sponsor.is_none() => {
            invalid("a group of another organization needs a sponsor")
        }
        Principal::Organization(other) if *other != organization.name && assigned.sponsor.is_none() => {
            invalid("another organization needs a sponsor")
        }
        Principal::User(_) | Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => Ok(()),
    }
}

/// Its end, if it has one, is still to come; `path` is the field that says it.
pub(crate) fn has_time(change: &Change, assigned: &Assignment, path: &'static str) -> Result<(), Error> {
    if assigned.has_ended(change.now()) {
        return Err(Error::Field { path, description: "a time in the future".to_owned() });
    }
    Ok(())
}

pub(crate) fn is_organization_role(membership: &MembershipTerms, organization: &NodeName, assigned: &Assignment) -> bool {
    assigned.node == *organization
        && assigned.sponsor.is_none()
        && membership.organization_roles.iter().any(|role| role == assigned.role.as_str())
}

/// Where members stay, their organization role is changed, never taken away: without one they would be members in name only.
fn stays_a_participant(membership: &MembershipTerms, organization: &NodeName) -> Result<(), Error> {
    if membership.permanent { Err(Error::MembersStay { organization: organization.to_string() }) } else { Ok(()) }
}

/// Nor does it end by itself there.
pub(crate) fn stays(membership: &MembershipTerms, organization: &NodeName, assigned: &Assignment) -> Result<(), Error> {
    if assigned.expire_time.is_some() && is_organization_role(membership, organization, assigned) {
        stays_a_participant(membership, organization)?;
    }
    Ok(())
}

/// The node, the principal and the sponsor are there.
async fn everybody_is_there(change: &Change, organization: &NodeName, assigned: &Assignment) -> Result<(), Error> {
    place_is_there(change, organization, assigned).await?;
    let db = change.connection();
    let principal_is_there = match &assigned.principal {
        Principal::User(user) => store::user::holds(db, user).await?,
        Principal::Group(group) => store::group::find(db, group).await?.is_some(),
        Principal::Organization(other) => store::node::is_live(db, other).await?,
        Principal::Anyone => true,
    };
    if !principal_is_there {
        return Err(Error::not_found(assigned.principal.to_string()));
    }
    match assigned.user() {
        Some(user) => not_confined_away(change, user, organization).await,
        None => Ok(()),
    }
}

/// The node and the sponsor are there. What the sponsor allows, authz has decided on the same state; the partnership is looked at here again
/// because its end may be in the past by now.
pub(crate) async fn place_is_there(change: &Change, organization: &NodeName, assigned: &Assignment) -> Result<(), Error> {
    let db = change.connection();
    let node_is_there = match assigned.node.kind() {
        NodeKind::Leaf { .. } => store::resource::find(db, &assigned.node).await?.is_some_and(|resource| !resource.deleted),
        NodeKind::Organization | NodeKind::Workspace | NodeKind::Account => store::node::is_live(db, &assigned.node).await?,
    };
    if !node_is_there {
        return Err(Error::not_found(assigned.node.as_str()));
    }
    match &assigned.sponsor {
        Some(Sponsor::Partnership(name)) => {
            let limit = |why| Err(Error::SponsorLimit { sponsor: name.to_string(), why });
            let partnership = store::partnership::find(db, name).await?;
            match partnership.filter(|partnership| partnership.name.organization() == *organization) {
                None => limit("there is no such partnership of this organization"),
                Some(partnership) if partnership.state(change.now()) != PartnershipState::Active => {
                    limit("the partnership is not in force")
                }
                Some(partnership) if !partnership.allows.roles.contains(&assigned.role) => limit("the role is not among its roles"),
                Some(_) => Ok(()),
            }
        }
        Some(Sponsor::Workspace(workspace)) if !store::node::is_live(db, workspace).await? => {
            Err(Error::SponsorLimit { sponsor: workspace.to_string(), why: "there is no such workspace above this organization" })
        }
        Some(Sponsor::Workspace(_)) | None => Ok(()),
    }
}

/// What the grant makes of the user's membership: who joins gets the default role too, if `with_default`.
pub(crate) async fn admit(
    change: &mut Change,
    organization: &NodeName,
    assigned: &Assignment,
    membership: &MembershipTerms,
    with_default: bool,
) -> Result<(), Error> {
    let Some(user) = assigned.user() else { return Ok(()) };
    let existing = store::member::find(change.connection(), &membership_of(organization, user)?).await?;
    match admission(existing.as_ref(), assigned.sponsor.is_some(), membership.grant_joins) {
        Admission::Unneeded => Ok(()),
        Admission::Refused => Err(Error::NotAMember { user: user.to_string(), organization: organization.to_string() }),
        Admission::Joins => {
            join(change, organization, user, membership, with_default).await?;
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;

    use super::*;
    use crate::organization::tests::acme;

    fn assigned(principal: &str, role: &str, node: &str) -> Assignment {
        Assignment::plain(Principal::parse(principal).unwrap(), RoleName::parse(role).unwrap(), NodeName::parse(node).unwrap())
    }

    #[test]
    fn what_is_of_another_organization_holds_a_role_by_a_sponsor_only() {
        let held = |principal: &str, role: &str, sponsor: Option<&str>| {
            let sponsor = sponsor.map(|name| Sponsor::parse(name).unwrap());
            let assigned = Assignment { sponsor, ..assigned(principal, role, "organizations/acme") };
            can_be_held(&acme(), &assigned, &RoleTerms::default()).is_ok()
        };
        let viewer = "roleModels/m/roles/viewer";
        let partnership = Some("organizations/acme/partnerships/p1");
        for principal in ["organizations/agency", "organizations/agency/groups/g"] {
            assert!(!held(principal, viewer, None), "{principal}");
            assert!(held(principal, viewer, partnership), "{principal}");
        }
        for principal in ["organizations/acme", "organizations/acme/groups/g", "users/ann", "anyone"] {
            assert!(held(principal, viewer, None), "{principal}");
        }
        assert!(held("users/ann", "organizations/acme/roles/own", None));
        assert!(!held("users/ann", "organizations/agency/roles/theirs", partnership));
    }

    #[test]
    fn an_organization_role_is_of_the_list_and_held_at_the_organization_without_a_sponsor() {
        let organization = NodeName::parse("organizations/acme").unwrap();
        let member = "roleModels/m/roles/member";
        let membership = MembershipTerms { organization_roles: vec![member.to_owned()], permanent: true, ..MembershipTerms::default() };
        let plain = assigned("users/ann", member, "organizations/acme");
        let others = [
            assigned("users/ann", "roleModels/m/roles/viewer", "organizations/acme"),
            assigned("users/ann", member, "organizations/acme/accounts/a"),
            Assignment { sponsor: Some(Sponsor::parse("organizations/acme/partnerships/p1").unwrap()), ..plain.clone() },
        ];
        assert!(is_organization_role(&membership, &organization, &plain));
        assert!(others.iter().all(|other| !is_organization_role(&membership, &organization, other)));
        // Where members stay it does not end by itself; anything else may.
        let ends = |assigned: &Assignment| Assignment { expire_time: Some(Utc::now()), ..assigned.clone() };
        assert!(stays(&membership, &organization, &plain).is_ok());
        assert!(stays(&membership, &organization, &ends(&plain)).is_err());
        assert!(others.iter().all(|other| stays(&membership, &organization, &ends(other)).is_ok()));
        let may_leave = MembershipTerms { permanent: false, ..membership };
        assert!(stays(&may_leave, &organization, &ends(&plain)).is_ok());
    }
}
