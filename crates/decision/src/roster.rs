//! Who holds what somewhere, for rosters: the roles of a user at a node with how they come to them, and which roles held above reach it.
//! Made of the same steps as a decision (Readings 7 to 11); conditions are not judged.

use crate::{
    decide::rules,
    model::{RoleIndex, gives},
    name::{BindingName, GroupName, NodeKind, NodeName, Principal, RoleName, Sponsor, UserName},
    path::Path,
    record::{CustomRole, Timestamp},
    slot::{GroupId, GroupSlot, NodeId, UserSlot},
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

/// What a user is to the organization of a node, and holds at the node and below it in that organization.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Participation {
    /// Suspended everywhere.
    pub suspended: bool,
    /// Whether suspended there; none where the organization has not taken them in.
    pub membership: Option<bool>,
    /// In the order of their names.
    pub holdings: Vec<Holding>,
}

/// A binding of a user or of a group of the organization that they are in, unended, whether it counts or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holding {
    /// The binding.
    pub binding: BindingName,
    /// Its role.
    pub role: RoleName,
    /// Its node.
    pub node: NodeName,
    /// The group that it names.
    pub group: Option<GroupName>,
    /// What lets a non-member hold it.
    pub sponsor: Option<Sponsor>,
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

/// What a user is and holds at a node and below it.
pub fn participation(view: &View, user: &UserName, node: &NodeName, now: Timestamp) -> Participation {
    let Some(slot) = view.user_id(user).and_then(|id| view.user_slot(id)) else { return Participation::default() };
    let mut found = Participation { suspended: slot.record.as_ref().is_some_and(|user| user.suspended), ..Participation::default() };
    let Some(organization) = view.node_id(node.organization().as_str()) else { return found };
    found.membership = slot.members.get(&organization).copied();
    let groups = groups_of(view, slot).into_iter().filter(|group| group.organization == organization).map(|group| &group.bindings);
    for bindings in std::iter::once(&slot.bindings).chain(groups) {
        let here = bindings.range((organization, NodeId::MIN)..=(organization, NodeId::MAX)).flat_map(|(_, bound)| bound.iter());
        let unended = here.filter_map(|bound| view.binding_of(bound)).filter(|binding| binding.expires.is_none_or(|end| now < end));
        found.holdings.extend(unended.filter(|binding| is_within(view, &binding.node, node)).map(|binding| Holding {
            binding: binding.name,
            role: binding.role,
            node: binding.node,
            group: if let Principal::Group(group) = binding.principal { Some(group) } else { None },
            sponsor: binding.sponsor,
        }));
    }
    found.holdings.sort_unstable_by(|a, b| a.binding.cmp(&b.binding));
    found
}

/// The groups that a user is in, however deep.
fn groups_of<'v>(view: &'v View, slot: &UserSlot) -> Vec<&'v GroupSlot> {
    let mut ids: Vec<GroupId> = slot.groups.iter().copied().collect();
    let mut found = Vec::new();
    while let Some(id) = ids.get(found.len()).copied() {
        let Some(group) = view.group_slot(id) else { break };
        for outer in &group.groups {
            if !ids.contains(outer) {
                ids.push(*outer);
            }
        }
        found.push(group);
    }
    found
}

/// Whether a node is another, or below it in its organization.
fn is_within(view: &View, node: &NodeName, container: &NodeName) -> bool {
    if container.kind() == NodeKind::Organization {
        return node.organization() == *container;
    }
    let parent = node.leaf_parent();
    let account = parent.as_ref().unwrap_or(node);
    node == container
        || parent.as_ref() == Some(container)
        || view.node(account).and_then(|account| account.parent.as_ref()).is_some_and(|parent| parent == container)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{NOW, node, user, view};

    const WORLD: &str = "
users: [olga, mark, sam, pia, { id: sven, suspended: true }, nobody]
organizations:
  - id: acme
    model: sample
    workspaces: [{ id: v }, { id: w }]
    accounts: [{ id: a, workspace: w }, { id: b }]
    members: [olga, mark, sam, sven]
    groups: [{ id: inner, members: [sam] }, { id: outer, members: [groups/inner] }]
    partnerships: [{ id: p1, partner: partner, roles: [manager], accepted: true }]
    bindings:
      - { principal: olga, role: owner }
      - { principal: mark, role: manager, node: accounts/b }
      - { principal: mark, role: workspace-admin, node: workspaces/w }
      - { principal: mark, role: launcher, node: workspaces/w/campaigns/1 }
      - { principal: groups/outer, role: manager, node: accounts/a }
      - { principal: pia, role: manager, node: accounts/a, sponsor: partnerships/p1 }
  - id: partner
    model: sample
    members: [pia]
    bindings:
      - { principal: pia, role: owner }
";

    fn held(who: &str, at: &str) -> Vec<String> {
        let found = participation(&view(WORLD), &user(who), &node(at), NOW).holdings;
        let mut found: Vec<String> = found.iter().map(|held| format!("{} {}", held.role.id(), held.node.id())).collect();
        found.sort();
        found
    }

    #[test]
    fn what_somebody_holds_at_a_node_is_what_they_hold_there_and_below_in_its_organization() {
        assert_eq!(held("mark", "acme"), ["launcher 1", "manager b", "workspace-admin w"]);
        assert_eq!(held("mark", "acme/workspaces/w"), ["launcher 1", "workspace-admin w"]);
        assert_eq!(held("mark", "acme/accounts/b"), ["manager b"]);
        assert_eq!(held("mark", "acme/workspaces/v"), [""; 0]);
        // An account is below the workspace that it is in; what is held above is not held here.
        assert_eq!(held("sam", "acme/workspaces/w"), ["manager a"]);
        assert_eq!(held("olga", "acme/workspaces/w"), [""; 0]);
        // Nothing of another organization.
        assert_eq!(held("pia", "acme"), ["manager a"]);
        assert_eq!(held("pia", "partner"), ["owner partner"]);
        assert_eq!(held("nobody", "acme"), [""; 0]);
    }

    #[test]
    fn it_says_by_what_they_hold_it_and_what_they_are_there() {
        let view = view(WORLD);
        let at = |who: &str| participation(&view, &user(who), &node("acme"), NOW);
        let sam = at("sam");
        assert_eq!((sam.membership, sam.suspended), (Some(false), false));
        assert_eq!(sam.holdings[0].group.as_ref().map(ToString::to_string).as_deref(), Some("organizations/acme/groups/outer"));
        let pia = at("pia");
        assert_eq!((pia.membership, pia.holdings[0].sponsor.is_some(), pia.holdings[0].group.is_some()), (None, true, false));
        assert_eq!((at("sven").membership, at("sven").suspended), (Some(false), true));
        assert_eq!(at("unknown"), Participation::default());
    }
}
