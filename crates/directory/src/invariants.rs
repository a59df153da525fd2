//! What holds at every commit (DESIGN §6, 5 and 6): seats, required roles, exclusive sets, roles that users hold directly, groups without
//! cycles. Checked inside the transaction, from the rows, under the lock of the tree, with the terms that the permit carries.

use api::authz::v1::{MembershipTerms, RoleTerms, Terms};
use chrono::{DateTime, Utc};
use decision::{
    name::{BindingName, NodeName, Principal},
    record::GroupMember,
};
use ledger::WriteConnection;
use service::change::Change;

use crate::{
    group::{Edge, member_text},
    organization::Organization,
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
};

/// The words of [`RoleTerms`].
const ORGANIZATION: &str = "organization";
const ROOTS: &str = "roots";
const CUSTOMERS: &str = "customers";

/// What the role model says of the role to be.
pub(crate) fn role_terms(terms: Option<&Terms>) -> Result<RoleTerms, Error> {
    terms.and_then(|terms| terms.role.clone()).ok_or(Error::IncompletePermit("the terms of the role"))
}

/// What the tree's role model says of membership.
pub(crate) fn membership_terms(change: &Change) -> Result<MembershipTerms, Error> {
    change.granted().membership.clone().ok_or(Error::IncompletePermit("the terms of membership"))
}

/// Roles with seats, required or exclusive ones are held by users directly: otherwise their holders could not be counted.
pub(crate) fn held_directly(terms: &RoleTerms, principal: &Principal) -> Result<(), Error> {
    let counted = terms.seats_most > 0 || terms.seats_least > 0 || !terms.exclusive_set.is_empty();
    match principal {
        Principal::Group(_) | Principal::Organization(_) | Principal::Anyone if counted => {
            Err(Error::InvalidBinding { role: terms.role.clone(), why: "it has seats, is required or exclusive, so only users hold it" })
        }
        Principal::User(_) | Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => Ok(()),
    }
}

/// Whether what somebody holds at a node leaves room for one more binding of theirs there: not the same role twice, and of an exclusive set
/// one role only. `theirs` are the principal's bindings at the node; `except` is the one that is to be changed.
pub(crate) fn leaves_room(
    terms: &RoleTerms,
    assigned: &Assignment,
    theirs: &[RoleBinding],
    except: Option<&BindingName>,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let others = || theirs.iter().filter(|other| Some(&other.name) != except && !other.assigned.has_ended(now));
    if let Some(same) = others().find(|other| other.assigned.role == assigned.role) {
        return Err(Error::AlreadyHeld { binding: same.name.to_string(), principal: assigned.principal.to_string() });
    }
    let excluding = |other: &&RoleBinding| terms.exclusive_set.iter().any(|role| role == other.assigned.role.as_str());
    match others().find(excluding) {
        Some(other) => Err(Error::RoleExclusive {
            user: assigned.principal.to_string(),
            held: other.assigned.role.to_string(),
            node: assigned.node.to_string(),
        }),
        None => Ok(()),
    }
}

/// What somebody holds that would keep them from holding the role there, and that it can take the place of: of the exclusive set, and by the
/// same sponsor, which a binding keeps.
pub(crate) fn in_the_way<'a>(
    terms: &RoleTerms,
    assigned: &Assignment,
    theirs: &'a [RoleBinding],
    now: DateTime<Utc>,
) -> Option<&'a RoleBinding> {
    let excludes = |other: &&RoleBinding| {
        other.assigned.role != assigned.role
            && !other.assigned.has_ended(now)
            && other.assigned.sponsor == assigned.sponsor
            && terms.exclusive_set.iter().any(|role| role == other.assigned.role.as_str())
    };
    theirs.iter().find(excludes)
}

/// After one more got the role, or was invited to it: at most so many direct holders and pending invitations at the node.
pub(crate) async fn seats_kept(db: &WriteConnection, terms: &RoleTerms, node: &NodeName, now: DateTime<Utc>) -> Result<(), Error> {
    let reserved = match terms.seats_most {
        0 => 0,
        _ => store::invitation::count_reserved(db, node, &terms.role, now).await?,
    };
    seats_suffice(db, terms, node, now, reserved).await
}

/// After an invitation became a binding, which leaves their sum as it was: at most so many direct holders.
pub(crate) async fn holders_fit(db: &WriteConnection, terms: &RoleTerms, node: &NodeName, now: DateTime<Utc>) -> Result<(), Error> {
    seats_suffice(db, terms, node, now, 0).await
}

async fn seats_suffice(db: &WriteConnection, terms: &RoleTerms, node: &NodeName, now: DateTime<Utc>, reserved: u64) -> Result<(), Error> {
    if terms.seats_most == 0 {
        return Ok(());
    }
    let holders = store::role_binding::count_holders(db, node, &terms.role, now).await?;
    if holders + reserved > u64::from(terms.seats_most) {
        return Err(Error::SeatsTaken { role: terms.role.clone(), node: node.to_string(), limit: terms.seats_most });
    }
    Ok(())
}

/// A group that is to be put into another must not contain it, by itself or by groups between.
pub(crate) async fn no_cycle(db: &WriteConnection, edge: &Edge) -> Result<(), Error> {
    let GroupMember::Group(inner) = &edge.member else { return Ok(()) };
    if store::group::containing(db, &edge.group).await?.contains(inner.as_str()) {
        return Err(Error::GroupCycle { group: edge.group.to_string(), member: member_text(&edge.member).to_owned() });
    }
    Ok(())
}

/// How required roles of an organization stood before something was taken from somebody.
#[derive(Debug)]
#[must_use = "what must be kept is to be compared after the change"]
pub(crate) struct RequiredRoles {
    organization: NodeName,
    roles: Vec<Standing>,
}

/// A required role and its lasting holders, counted up to `least`.
#[derive(Debug)]
struct Standing {
    role: String,
    least: u32,
    holders: u32,
}

/// Whether a role is required at an organization.
pub(crate) fn is_required_of(terms: &RoleTerms, organization: &Organization) -> bool {
    let in_scope = match terms.organizations.as_str() {
        ROOTS => organization.parent.is_none(),
        CUSTOMERS => organization.parent.is_some(),
        _ => true,
    };
    terms.seats_least > 0 && terms.held_at == ORGANIZATION && in_scope
}

/// Of the required roles of a role model, those of an organization.
pub(crate) fn required_of<'t>(organization: &Organization, required: &'t [RoleTerms]) -> Vec<&'t RoleTerms> {
    required.iter().filter(|terms| is_required_of(terms, organization)).collect()
}

impl RequiredRoles {
    /// Counts before a change of these bindings, or of what they rest on. `required` are the required roles of the tree's role model. An
    /// organization that is still waiting for its first holders need not keep any.
    pub(crate) async fn of(
        db: &WriteConnection,
        organization: &NodeName,
        required: &[RoleTerms],
        concerned: &[RoleBinding],
    ) -> Result<Self, Error> {
        let held = |terms: &&RoleTerms| {
            concerned.iter().any(|binding| binding.assigned.node == *organization && binding.assigned.role.as_str() == terms.role)
        };
        let mut roles = Vec::new();
        let required: Vec<_> = required.iter().filter(held).collect();
        if !required.is_empty() {
            let found = store::organization::find(db, organization).await?;
            let found = found.filter(|organization| !organization.provisioning && !organization.deleted);
            for terms in required.into_iter().filter(|terms| found.as_ref().is_some_and(|found| is_required_of(terms, found))) {
                let holders = count(db, organization, &terms.role, terms.seats_least).await?;
                roles.push(Standing { role: terms.role.clone(), least: terms.seats_least, holders });
            }
        }
        Ok(Self { organization: organization.clone(), roles })
    }

    /// Whose they are.
    pub(crate) fn organization(&self) -> &NodeName {
        &self.organization
    }

    /// After the change: refused if a required role has fewer lasting holders than it must and than it had. What the platform's
    /// suspension of a user has left behind hinders nobody.
    pub(crate) async fn kept(&self, db: &WriteConnection) -> Result<(), Error> {
        match self.lost(db).await? {
            Some(role) => Err(Error::RequiredRole { organization: self.organization.to_string(), role }),
            None => Ok(()),
        }
    }

    /// After the change: a required role that has fewer lasting holders than it must and than it had.
    pub(crate) async fn lost(&self, db: &WriteConnection) -> Result<Option<String>, Error> {
        for standing in &self.roles {
            if count(db, &self.organization, &standing.role, standing.least).await? < standing.holders {
                return Ok(Some(standing.role.clone()));
            }
        }
        Ok(None)
    }
}

/// Whether every required role of an organization has its lasting holders.
pub(crate) async fn is_complete(db: &WriteConnection, organization: &Organization, required: &[RoleTerms]) -> Result<bool, Error> {
    for terms in required.iter().filter(|terms| is_required_of(terms, organization)) {
        if count(db, &organization.name, &terms.role, terms.seats_least).await? < terms.seats_least {
            return Ok(false);
        }
    }
    Ok(true)
}

/// The lasting holders, counted up to `least`: more are never needed to know.
async fn count(db: &WriteConnection, organization: &NodeName, role: &str, least: u32) -> Result<u32, Error> {
    let holders = store::holders::lasting(db, organization, role, least).await?;
    Ok(u32::try_from(holders.len()).unwrap_or(least))
}

#[cfg(test)]
mod tests {
    use decision::name::{RoleName, Sponsor};

    use super::*;
    use crate::organization::tests::acme;

    fn terms(exclusive: &[&str], most: u32) -> RoleTerms {
        RoleTerms {
            role: "roleModels/m/roles/owner".into(),
            held_at: ORGANIZATION.into(),
            seats_most: most,
            exclusive_set: exclusive.iter().map(|id| format!("roleModels/m/roles/{id}")).collect(),
            ..RoleTerms::default()
        }
    }

    fn binding(id: &str, role: &str) -> RoleBinding {
        let assigned = Assignment::plain(
            Principal::parse("users/ann").unwrap(),
            RoleName::parse(&format!("roleModels/m/roles/{role}")).unwrap(),
            NodeName::parse("organizations/acme").unwrap(),
        );
        RoleBinding::new(BindingName::parse(&format!("organizations/acme/roleBindings/{id}")).unwrap(), assigned, Utc::now())
    }

    #[test]
    fn roles_that_are_counted_are_held_by_users_directly() {
        let group = Principal::parse("organizations/acme/groups/g").unwrap();
        assert!(held_directly(&terms(&[], 0), &group).is_ok());
        assert!(held_directly(&terms(&[], 5), &group).is_err());
        assert!(held_directly(&terms(&["owner", "member"], 0), &Principal::Anyone).is_err());
        assert!(held_directly(&RoleTerms { seats_least: 1, ..terms(&[], 0) }, &group).is_err());
        assert!(held_directly(&terms(&["owner"], 5), &Principal::parse("users/ann").unwrap()).is_ok());
    }

    #[test]
    fn of_an_exclusive_set_one_holds_one_role_and_no_role_twice() {
        let now = Utc::now();
        let wanted = binding("new", "owner");
        let exclusive = terms(&["owner", "member"], 0);
        let room = |theirs: &[RoleBinding], except| leaves_room(&exclusive, &wanted.assigned, theirs, except, now);
        assert!(room(&[binding("b1", "buyer")], None).is_ok());
        assert!(matches!(room(&[binding("b1", "member")], None), Err(Error::RoleExclusive { .. })));
        assert!(matches!(room(&[binding("b1", "owner")], None), Err(Error::AlreadyHeld { .. })));
        let changed = binding("b1", "member");
        assert!(room(std::slice::from_ref(&changed), Some(&changed.name)).is_ok());
        let mut ended = binding("b1", "member");
        ended.assigned.expire_time = Some(now);
        assert!(room(&[ended], None).is_ok());
    }

    #[test]
    fn what_a_role_takes_the_place_of_is_another_of_the_set_by_the_same_sponsor() {
        let now = Utc::now();
        let wanted = binding("new", "owner").assigned;
        let exclusive = terms(&["owner", "member"], 0);
        let in_the_way = |theirs: &[RoleBinding]| in_the_way(&exclusive, &wanted, theirs, now).map(|other| other.name.id().to_owned());
        assert_eq!(in_the_way(&[binding("b1", "buyer"), binding("b2", "member")]).as_deref(), Some("b2"));
        assert_eq!(in_the_way(&[binding("b1", "buyer"), binding("b2", "owner")]), None);
        let mut ended = binding("b1", "member");
        ended.assigned.expire_time = Some(now);
        assert_eq!(in_the_way(&[ended]), None);
        let mut sponsored = binding("b1", "member");
        sponsored.assigned.sponsor = Some(Sponsor::parse("organizations/acme/partnerships/p1").unwrap());
        assert_eq!(in_the_way(&[sponsored]), None);
    }

    #[test]
    fn a_role_is_required_at_organizations_of_its_scope() {
        let root = acme();
        let customer = Organization { parent: Some(NodeName::parse("organizations/agency/workspaces/w").unwrap()), ..acme() };
        let required = |scope: &str| RoleTerms { seats_least: 1, organizations: scope.to_owned(), ..terms(&[], 0) };
        let at = |terms: &RoleTerms| [&root, &customer].map(|organization| is_required_of(terms, organization));
        assert_eq!(at(&required("any")), [true, true]);
        assert_eq!(at(&required(ROOTS)), [true, false]);
        assert_eq!(at(&required(CUSTOMERS)), [false, true]);
        assert_eq!(at(&RoleTerms { seats_least: 0, ..required("any") }), [false, false]);
        assert_eq!(at(&RoleTerms { held_at: "workspace".to_owned(), ..required("any") }), [false, false]);
        let all = [required("any"), required(ROOTS), required(CUSTOMERS)];
        assert_eq!(required_of(&customer, &all), [&all[0], &all[2]]);
    }
}
