//! Who holds what somewhere, for rosters: the roles of a user at a node with how they come to them, and which roles held above reach it.
//! Made of the same steps as a decision (Readings 7 to 11); conditions are not judged.

use crate::{
    decide::rules,
    model::{RoleIndex, gives},
    name::{BindingName, GroupName, NodeName, RoleName, Sponsor, UserName},
    path::Path,
    record::{CustomRole, Timestamp},
    standing::{Circle, HeldRole, Rules, Subject, Via},
    view::View,
};

/// A role that counts for a user at a node, or reaches it from above.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// The role: the binding's, or one that it implies.
    pub role: RoleName,
    /// Where that role is, or is implied to be, held: the node or one above.
    pub at: NodeName,
    /// The binding by which.
    pub binding: BindingName,
    /// The binding's role.
    pub bound_role: RoleName,
    /// The binding's node.
    pub bound_at: NodeName,
    /// The group that the binding names.
    pub group: Option<GroupName>,
    /// The organization that the binding names, whose member the user is.
    pub organization: Option<NodeName>,
    /// What lets a non-member hold it.
    pub sponsor: Option<Sponsor>,
}

/// A role that, held at a node above, gives something at a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reaching {
    /// Where it is held.
    pub node: NodeName,
    /// The role.
    pub role: RoleName,
    /// The roles that it implies at the node itself.
    pub implied: Vec<RoleName>,
}

struct Here<'v> {
    rules: Rules<'v>,
    path: Path,
}

impl<'v> Here<'v> {
    fn of(view: &'v View, node: &NodeName, now: Timestamp) -> Option<Self> {
        let path = Path::of(view, node);
        Some(Self { rules: rules(view, &path, now)?, path })
    }

    fn name_of(&self, role: RoleIndex) -> Option<RoleName> {
        RoleName::system(self.rules.installed.model.id(), &self.rules.role(role)?.id)
    }

    /// Whether a system role that is held at a node of the path gives anything at the first.
    fn gives_here(&self, role: RoleIndex, at: usize) -> bool {
        let model = &self.rules.installed.model;
        let (Some(rules), Some(here)) = (self.rules.role(role), self.path.type_at(model, 0)) else { return false };
        let crosses = !self.path.same_organization(0, at);
        (0..).take(model.permissions().len()).any(|permission| {
            rules.hits(permission).iter().any(|hit| {
                hit.types.contains(here)
                    && (!crosses || rules.grants.get(usize::from(hit.grant)).is_some_and(|bounds| bounds.through_customers))
            })
        })
    }

    fn custom_gives_here(&self, custom: &CustomRole, at: usize) -> bool {
        let model = &self.rules.installed.model;
        let here = self.path.type_at(model, 0).and_then(|index| Some((index, &model.node_type(index)?.id)));
        let Some((here, id)) = here.filter(|_| self.path.same_organization(0, at)) else { return false };
        custom.grants.iter().filter(|grant| grant.types.is_empty() || grant.types.contains(id)).any(|grant| {
            model.permissions().iter().any(|permission| {
                let component = model.components().get(usize::from(permission.component));
                permission.types.contains(here) && component.is_some_and(|component| gives(grant, permission, component))
            })
        })
    }

    /// Visits a role held at a node of the path and, whoever holds it, what it implies below.
    fn each_implied(&self, role: RoleIndex, at: usize, seen: &mut Vec<(RoleIndex, usize)>) {
        if seen.contains(&(role, at)) {
            return;
        }
        seen.push((role, at));
        for (implied, through_customers) in self.rules.role(role).into_iter().flat_map(|role| &role.implies) {
            let Some(rules) = self.rules.role(*implied) else { continue };
            for below in (0..at).rev() {
                if self.rules.fits(&self.path, below, rules) && (*through_customers || self.path.same_organization(below, at)) {
                    self.each_implied(*implied, below, seen);
                }
            }
        }
    }
}

/// The roles that count for a user at a node: held there, implied there, or held above and giving something there. Those held there first.
pub fn standings(view: &View, user: &UserName, node: &NodeName, now: Timestamp) -> Vec<Standing> {
    let Some(here) = Here::of(view, node, now) else { return Vec::new() };
    let slot = view.user_id(user).and_then(|id| view.user_slot(id)).filter(|slot| slot.record.as_ref().is_some_and(|user| !user.suspended));
    let Some(slot) = slot else { return Vec::new() };
    let subject = Subject::of(view, slot);
    let mut found = Vec::new();
    for at in 0..here.path.len() {
        for (bound, via) in subject.bindings_at(&here.path, at) {
            let Ok(standing) = here.rules.standing(&subject, &here.path, at, bound) else { continue };
            let Some(bound_role) = view.role_slot(bound.role).map(|slot| slot.name.clone()) else { continue };
            let mut add = |role: RoleName, held: usize| {
                found.push(Standing {
                    role,
                    at: here.path.name_at(view, held),
                    binding: bound.name.clone(),
                    bound_role: bound_role.clone(),
                    bound_at: here.path.name_at(view, at),
                    group: if let Via::Group(id) = via { view.group_slot(id).map(|slot| slot.name.clone()) } else { None },
                    organization: if let Via::Organization(id) = via { view.node_slot(id).map(|slot| slot.name.clone()) } else { None },
                    sponsor: bound.sponsor.as_deref().cloned(),
                });
            };
            match standing.role {
                HeldRole::Custom(custom) if at == 0 || here.custom_gives_here(custom, at) => add(bound_role.clone(), at),
                HeldRole::Custom(_) => {}
                HeldRole::System(index, _) => {
                    here.rules.each_held(&subject, &here.path, at, index, &mut Circle::new(), &mut |role, _, held| {
                        if (held == 0 || here.gives_here(role, held))
                            && let Some(name) = here.name_of(role)
                        {
                            add(name, held);
                        }
                        false
                    });
                }
            }
        }
    }
    found
}

/// The roles that reach a node from those above it, whoever holds them.
pub fn reaching(view: &View, node: &NodeName, now: Timestamp) -> Vec<Reaching> {
    let Some(here) = Here::of(view, node, now) else { return Vec::new() };
    let mut found = Vec::new();
    for at in 1..here.path.len() {
        let above = here.path.name_at(view, at);
        for (index, role) in (0..).zip(here.rules.installed.model.roles()) {
            if !here.rules.fits(&here.path, at, role) {
                continue;
            }
            let mut held = Vec::new();
            here.each_implied(index, at, &mut held);
            let implied: Vec<RoleName> = held.iter().filter(|(_, held)| *held == 0).filter_map(|(role, _)| here.name_of(*role)).collect();
            let reaches = !implied.is_empty() || held.iter().any(|(role, held)| here.gives_here(*role, *held));
            if let Some(role) = here.name_of(index).filter(|_| reaches) {
                found.push(Reaching { node: above.clone(), role, implied });
            }
        }
        for custom in view.custom_roles(&above.organization()) {
            let held_at = here.rules.installed.model.type_index(&custom.held_at);
            if held_at.is_some() && held_at == here.path.type_at(&here.rules.installed.model, at) && here.custom_gives_here(custom, at) {
                found.push(Reaching { node: above.clone(), role: custom.name.clone(), implied: Vec::new() });
            }
        }
    }
    found
}
