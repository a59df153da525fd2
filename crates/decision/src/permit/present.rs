//! What an actor may do to bindings that there are: end one, make it another, or have it reach further or less far by a partnership or a group.

use super::{Actor, AssignPath, Desk, Grounds, Refusal};
use crate::{
    name::{BindingName, GroupName, NodeName, Principal, Sponsor},
    record::{Binding, Partnership},
    slot::GroupId,
};

impl Desk<'_, '_> {
    pub(super) fn revoke(&self, binding: &BindingName) -> Result<Grounds, Refusal> {
        let present = self.binding(binding)?;
        let mut case = self.open(&present.node, "")?;
        if !case.is_leaving(&present) {
            case.may_revoke(&present)?;
        }
        case.grounds.terms.role = case.role_terms(&present.role);
        case.grounds.terms.principal_is_member = self.is_member(&present);
        Ok(case.grounds())
    }

    pub(super) fn change(&self, binding: &BindingName, to: &Binding) -> Result<Grounds, Refusal> {
        let present = self.binding(binding)?;
        let mut case = self.open(&present.node, "")?;
        case.may_revoke(&present)?;
        let present_role = case.role_terms(&present.role);
        let rest = case.grounds;
        let mut case = self.open(&to.node, "")?;
        let role = case.may_assign(to, AssignPath::Assign)?;
        case.rest_on(rest);
        case.grounds.terms.role = role;
        case.grounds.terms.present_role = present_role;
        case.grounds.terms.principal_is_member = self.is_member(to);
        Ok(case.grounds())
    }

    /// Whoever may not see a binding is told the same of one that they have no authority over and of one that is not there. One's own one knows.
    pub(super) fn concealed(&self, name: &BindingName, refusal: Refusal) -> Refusal {
        if !matches!(refusal, Refusal::NotAllowed { .. } | Refusal::NotFound { .. }) {
            return refusal;
        }
        let present = self.view.binding(name);
        let own = present.as_ref().is_some_and(|binding| match (&binding.principal, self.actor) {
            (Principal::User(user), Actor::User(actor)) => user == actor,
            _ => false,
        });
        let node = present.map_or_else(|| name.organization(), |binding| binding.node);
        let sees = || self.open(&node, "").and_then(|mut case| case.need("access.get")).is_ok();
        if own || sees() { refusal } else { Refusal::NotAllowed { permission: "access.get".to_owned(), node: name.organization() } }
    }

    fn binding(&self, name: &BindingName) -> Result<Binding, Refusal> {
        match self.view.binding(name) {
            Some(binding) => Ok(binding),
            None => {
                self.open(&name.organization(), "")?;
                Err(Refusal::NotFound { name: name.to_string() })
            }
        }
    }

    pub(super) fn is_member(&self, binding: &Binding) -> bool {
        matches!(&binding.principal, Principal::User(user) if self.view.is_active_member(&binding.node.organization(), user))
    }

    /// A binding is given anew where its partnership lets it reach further. What the actor has is measured in the world as it is: nobody
    /// covers what is given by what they would get by the same change.
    pub(super) fn widen_partnership(&self, binding: &BindingName, to: &Partnership) -> Result<Grounds, Refusal> {
        let present = self.binding(binding)?;
        let mut case = self.open(&present.node, "")?;
        if present.expires.is_none_or(|expires| expires > self.now) {
            case.may_pass_on(&present, Some(to))?;
        }
        Ok(case.grounds())
    }

    /// Whoever joins a group gets every binding of it and of the groups it is in; whoever leaves it loses them. Except what other organizations
    /// give to it by a partnership: by that they have left it to the group's organization who is in it, within the partnership's `users`.
    pub(super) fn change_group(&self, group: &GroupName, joining: bool) -> Result<Grounds, Refusal> {
        let home = group.organization();
        let mut case = self.open(&home, "groups.update")?;
        let mut groups: Vec<GroupId> = self.view.group_id(group).into_iter().collect();
        let mut at = 0;
        while let Some(slot) = groups.get(at).and_then(|id| self.view.group_slot(*id)) {
            at += 1;
            for outer in &slot.groups {
                if !groups.contains(outer) {
                    groups.push(*outer);
                }
            }
            for bound in slot.bindings.values().flat_map(|list| list.iter()) {
                if bound.expires.is_some_and(|expires| expires <= self.now) {
                    continue;
                }
                let Some(binding) = self.view.binding_of(bound).filter(|binding| !is_from_partner(binding, &home)) else { continue };
                let mut other = self.open(&binding.node, "")?;
                if joining {
                    other.may_pass_on(&binding, None)?;
                } else {
                    other.may_revoke(&binding)?;
                }
                case.rest_on(other.grounds);
            }
        }
        Ok(case.grounds())
    }
}

/// Whether another organization gives it by a partnership.
fn is_from_partner(binding: &Binding, home: &NodeName) -> bool {
    binding.node.organization() != *home && matches!(binding.sponsor, Some(Sponsor::Partnership(_)))
}
