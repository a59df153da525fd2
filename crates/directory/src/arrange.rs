//! Several role bindings of one organization given, changed and taken in one commit. What holds at every commit is looked at when all of it is
//! done: a swap inside does not fail on what is so for a moment only.

use api::authz::v1::{MembershipTerms, Requirement, RoleTerms};
use client::guard;
use decision::name::{NodeName, UserName};
use service::change::Change;

use crate::{
    assign::{self, is_organization_role},
    feed,
    invariants::{leaves_room, membership_terms, role_terms, seats_kept},
    organization::Organization,
    role_binding::{Assignment, RoleBinding},
    status::Error,
    store,
};

/// What becomes of one binding.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Step {
    Give(RoleBinding),
    Change { before: RoleBinding, to: Assignment },
    Revoke(RoleBinding),
}

/// The same, and where the request says it: `requests[3].role_binding`; empty if it does not.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub(crate) step: Step,
    pub(crate) place: String,
}

impl Step {
    /// What the actor needs for it.
    pub(crate) fn requirement(&self) -> Requirement {
        match self {
            Self::Give(binding) => guard::assign(feed::assignment(&binding.assigned)),
            Self::Change { before, to } => guard::change(before.name.as_str(), feed::assignment(to)),
            Self::Revoke(binding) => guard::revoke(binding.name.as_str()),
        }
    }

    /// The binding as it is.
    pub(crate) fn before(&self) -> Option<&RoleBinding> {
        match self {
            Self::Give(_) => None,
            Self::Change { before, .. } => Some(before),
            Self::Revoke(binding) => Some(binding),
        }
    }

    /// What it is to be.
    fn after(&self) -> Option<&Assignment> {
        match self {
            Self::Give(binding) => Some(&binding.assigned),
            Self::Change { to, .. } => Some(to),
            Self::Revoke(_) => None,
        }
    }
}

/// What it takes to get from what somebody holds to what they shall hold: what stays the same is left, what is at the same node becomes the
/// other, the rest goes and comes. `wanted` has no role twice at a node; places are by the index in it.
pub(crate) fn plan(
    present: &[RoleBinding],
    wanted: Vec<Assignment>,
    place: impl Fn(usize) -> String,
    create: impl Fn(Assignment) -> Result<RoleBinding, Error>,
) -> Result<Vec<Placed>, Error> {
    let mut left: Vec<&RoleBinding> = present.iter().collect();
    let mut steps = Vec::new();
    let mut new = Vec::new();
    for (at, to) in wanted.into_iter().enumerate() {
        match left.iter().position(|held| held.assigned.node == to.node && held.assigned.role == to.role) {
            None => new.push((at, to)),
            Some(found) => {
                let before = left.swap_remove(found);
                if before.assigned != to {
                    steps.push(Placed { step: Step::Change { before: before.clone(), to }, place: place(at) });
                }
            }
        }
    }
    for (at, to) in new {
        let step = match left.iter().position(|held| held.assigned.node == to.node) {
            Some(found) => Step::Change { before: left.swap_remove(found).clone(), to },
            None => Step::Give(create(to)?),
        };
        steps.push(Placed { step, place: place(at) });
    }
    steps.extend(left.into_iter().map(|held| Placed { step: Step::Revoke(held.clone()), place: String::new() }));
    Ok(steps)
}

/// A binding that was written, and what is to be kept to for it.
struct Written {
    binding: RoleBinding,
    terms: RoleTerms,
    place: String,
    is_new_holder: bool,
}

/// Does all of it, in the order given but that what goes goes first. The requirements of the steps were asked for from index `first` on. Answers
/// what was given or changed, in their order.
pub(crate) async fn arrange(change: &mut Change, name: &NodeName, steps: &[Placed], first: usize) -> Result<Vec<RoleBinding>, Error> {
    let organization = assign::live_organization(change, name).await?;
    let membership = membership_terms(change)?;
    let concerned: Vec<_> = steps.iter().filter_map(|placed| placed.step.before().cloned()).collect();
    let required = assign::required_roles(change, name, &concerned).await?;

    let revoked = |placed: &Placed| if let Step::Revoke(binding) = &placed.step { Some(binding.clone()) } else { None };
    assign::take(change, &steps.iter().filter_map(revoked).collect::<Vec<_>>()).await?;
    let mut written = Vec::new();
    for (at, placed) in steps.iter().enumerate() {
        let Some(to) = placed.step.after() else { continue };
        let terms = role_terms(change.terms(first + at))?;
        let joins_without_default = steps
            .iter()
            .filter_map(|other| other.step.after())
            .any(|other| other.principal == to.principal && is_organization_role(&membership, name, other));
        let done = write(change, &organization, &membership, &placed.step, to, &terms, !joins_without_default).await;
        let binding = done.map_err(|error| error.at(&placed.place))?;
        let is_new_holder = placed.step.before().is_none_or(|before| before.assigned.role != to.role);
        written.push(Written { binding, terms, place: placed.place.clone(), is_new_holder });
    }

    // Of two that exclude each other, and of too many holders, it is said of the last.
    for Written { binding, terms, place, is_new_holder } in written.iter().rev() {
        let assigned = &binding.assigned;
        let theirs = store::role_binding::of_principal_at(change.connection(), &assigned.principal, &assigned.node).await?;
        leaves_room(terms, assigned, &theirs, Some(&binding.name), change.now()).map_err(|error| error.at(place))?;
        if *is_new_holder {
            seats_kept(change.connection(), terms, &assigned.node, change.now()).await.map_err(|error| error.at(place))?;
        }
    }
    stay_participants(change, &organization, &membership, steps).await?;
    required.kept(change.connection()).await?;
    assign::activate_if_complete(change, organization).await?;
    Ok(written.into_iter().map(|one| one.binding).collect())
}

async fn write(
    change: &mut Change,
    organization: &Organization,
    membership: &MembershipTerms,
    step: &Step,
    to: &Assignment,
    terms: &RoleTerms,
    with_default: bool,
) -> Result<RoleBinding, Error> {
    assign::fits(change, organization, membership, to, terms).await?;
    match step {
        Step::Change { before, .. } => {
            if before.assigned.has_ended(change.now()) {
                return Err(Error::WrongState { name: before.name.to_string(), state: "expired", remedy: "create another" });
            }
            let after = before.reassigned(to.clone(), change.now());
            assign::write_changed(change, before, &after).await?;
            Ok(after)
        }
        Step::Give(binding) | Step::Revoke(binding) => {
            assign::name_is_free(change, &binding.name).await?;
            assign::admit(change, &organization.name, to, membership, with_default).await?;
            assign::write_new(change, binding).await?;
            Ok(binding.clone())
        }
    }
}

/// Where members stay, whoever had an organization role has one when all is done.
async fn stay_participants(
    change: &Change,
    organization: &Organization,
    membership: &MembershipTerms,
    steps: &[Placed],
) -> Result<(), Error> {
    if !membership.permanent {
        return Ok(());
    }
    let had = |placed: &Placed| {
        let before = placed.step.before().filter(|binding| is_organization_role(membership, &organization.name, &binding.assigned))?;
        Some((before.assigned.user()?.clone(), placed.place.clone()))
    };
    let had: Vec<(UserName, String)> = steps.iter().filter_map(had).collect();
    let users: Vec<UserName> = had.iter().map(|(user, _)| user.clone()).collect();
    let (db, roles) = (change.connection(), &membership.organization_roles);
    let have = store::role_binding::held_by(db, &organization.name, &users, roles, change.now()).await?;
    match had.iter().find(|(user, _)| have.iter().all(|(holder, _)| holder != user)) {
        None => Ok(()),
        Some((_, place)) => Err(Error::MembersStay { organization: organization.name.to_string() }.at(place)),
    }
}

#[cfg(test)]
mod tests {
    use chrono::Utc;
    use decision::name::{BindingName, Principal, RoleName};

    use super::*;

    fn assigned(role: &str, node: &str) -> Assignment {
        let role = RoleName::parse(&format!("roleModels/m/roles/{role}")).unwrap();
        Assignment::plain(Principal::parse("users/ann").unwrap(), role, NodeName::parse(&format!("organizations/acme{node}")).unwrap())
    }

    fn binding(id: &str, assigned: Assignment) -> RoleBinding {
        RoleBinding::new(BindingName::parse(&format!("organizations/acme/roleBindings/{id}")).unwrap(), assigned, Utc::now())
    }

    fn planned(present: &[RoleBinding], wanted: Vec<Assignment>) -> Vec<(String, String)> {
        let steps = plan(present, wanted, |at| format!("roles[{at}]"), |to| Ok(binding("new", to))).unwrap();
        let told = |placed: Placed| {
            let what = match placed.step {
                Step::Give(binding) => format!("give {}", binding.assigned.role.id()),
                Step::Change { before, to } => format!("{} becomes {}", before.name.id(), to.role.id()),
                Step::Revoke(binding) => format!("revoke {}", binding.name.id()),
            };
            (what, placed.place)
        };
        steps.into_iter().map(told).collect()
    }

    #[test]
    fn what_is_the_same_is_left_and_what_is_at_the_same_node_becomes_the_other() {
        let present = [
            binding("b1", assigned("member", "")),
            binding("b2", assigned("viewer", "/accounts/a1")),
            binding("b3", assigned("viewer", "/accounts/a2")),
        ];
        let same = present.iter().map(|held| held.assigned.clone()).rev().collect();
        assert_eq!(planned(&present, same), []);
        let wanted = vec![assigned("viewer", "/accounts/a1"), assigned("owner", ""), assigned("viewer", "/accounts/a3")];
        let told = |what: &str, place: &str| (what.to_owned(), place.to_owned());
        let expected = [told("b1 becomes owner", "roles[1]"), told("give viewer", "roles[2]"), told("revoke b3", "")];
        assert_eq!(planned(&present, wanted), expected);
        assert_eq!(planned(&present, Vec::new()).len(), 3);
        let narrowed =
            Assignment { components: Some([("a".to_owned(), decision::document::Level::View)].into()), ..assigned("member", "") };
        let kept = vec![narrowed, assigned("viewer", "/accounts/a2"), assigned("viewer", "/accounts/a1")];
        assert_eq!(planned(&present, kept), [told("b1 becomes member", "roles[0]")]);
    }

    #[test]
    fn a_swap_of_two_roles_at_a_node_is_no_change() {
        let present = [binding("b1", assigned("a", "")), binding("b2", assigned("b", ""))];
        assert_eq!(planned(&present, vec![assigned("b", ""), assigned("a", "")]), []);
    }
}
