//! Who would gain and lose what, if something were otherwise: two worlds compared.

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    rc::Rc,
};

use crate::{
    containment::custom_extents,
    decide::{Question, no_attributes},
    decision::Outcome,
    model::ORGANIZATION,
    name::{GroupName, NodeName, Principal, RoleName, UserName},
    path::Path,
    record::{CustomRole, GroupMember, Timestamp},
    standing::Subject,
    view::View,
};

/// So many questions (one user, one node, every permission) are asked of both worlds together, before the comparison is broken off.
const MOST_ASKED: usize = 50_000;

/// What one user gains and loses at one node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessChange {
    /// The node.
    pub node: NodeName,
    /// The user.
    pub user: UserName,
    /// Permissions that become ALLOW.
    pub gained: BTreeSet<String>,
    /// Permissions that are no longer ALLOW.
    pub lost: BTreeSet<String>,
    /// Permissions that become CONDITIONAL from DENY.
    pub gained_conditionally: BTreeSet<String>,
    /// Permissions that become DENY from CONDITIONAL.
    pub lost_conditionally: BTreeSet<String>,
}

/// What a custom role newly gives and no longer gives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleChange {
    /// The role.
    pub role: RoleName,
    /// Permissions.
    pub gained: BTreeSet<String>,
    /// Permissions.
    pub lost: BTreeSet<String>,
}

/// The difference between two worlds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// By node, then by user.
    pub access: Vec<AccessChange>,
    /// By role.
    pub roles: Vec<RoleChange>,
    /// Everything was compared, and is here.
    pub complete: bool,
}

/// Compares what users may at some nodes and what is registered below them, in one world and in another; at most so many changes of access.
///
/// Whoever has access anywhere has it by a binding, so only those are asked about whom one reaches on the nodes' paths, or in them, in
/// either world.
pub fn compare(before: &View, after: &View, nodes: &[NodeName], most: usize, now: Timestamp) -> Difference {
    let mut holders = Holders { worlds: [before, after], known: HashMap::new() };
    let mut difference = Difference { complete: true, ..Difference::default() };
    let mut asked = 0;
    let mut users: BTreeMap<UserName, [Option<Subject<'_>>; 2]> = BTreeMap::new();
    for node in below([before, after], nodes) {
        let questions = [before, after].map(|view| Question::open(view, &node, no_attributes(), now).ok().flatten());
        for user in holders.concerned(&node) {
            if asked >= MOST_ASKED {
                difference.complete = false;
                break;
            }
            asked += 1;
            let subjects = users.entry(user.clone()).or_insert_with(|| [before, after].map(|view| subject(view, &user)));
            let [had, has] = [0, 1].map(|world: usize| answers(questions[world].as_ref(), subjects[world].as_ref()));
            let Some(change) = change(&node, &user, &had, &has) else { continue };
            if difference.access.len() >= most {
                difference.complete = false;
                break;
            }
            difference.access.push(change);
        }
        if !difference.complete {
            break;
        }
    }
    let organizations: BTreeSet<NodeName> = nodes.iter().map(NodeName::organization).collect();
    difference.roles = organizations.iter().flat_map(|organization| role_changes(before, after, organization)).collect();
    difference
}

/// The nodes and all that is registered below them in one of the worlds.
pub(crate) fn below(worlds: [&View; 2], nodes: &[NodeName]) -> BTreeSet<NodeName> {
    let mut found = BTreeSet::new();
    let mut open: Vec<NodeName> = nodes.to_vec();
    while let Some(node) = open.pop() {
        if found.insert(node.clone()) {
            open.extend(worlds.iter().flat_map(|view| view.children(&node)).map(|child| child.name.clone()));
        }
    }
    found
}

fn subject<'v>(view: &'v View, user: &UserName) -> Option<Subject<'v>> {
    let slot = view.user_id(user).and_then(|id| view.user_slot(id))?;
    slot.record.as_ref().filter(|user| !user.suspended).map(|_| Subject::of(view, slot))
}

/// The permissions that are not denied, and whether they are allowed.
fn answers<'v>(question: Option<&Question<'v>>, subject: Option<&Subject<'v>>) -> BTreeMap<String, bool> {
    let (Some(question), Some(subject)) = (question, subject) else { return BTreeMap::new() };
    let mut answers = BTreeMap::new();
    for (permission, index) in question.rules.installed.model.permissions().iter().zip(0..) {
        match question.decide_of(subject, index).outcome {
            Outcome::Allow(_) => drop(answers.insert(permission.id.clone(), true)),
            Outcome::Conditional(_) => drop(answers.insert(permission.id.clone(), false)),
            Outcome::Deny(_) => {}
        }
    }
    answers
}

fn change(node: &NodeName, user: &UserName, had: &BTreeMap<String, bool>, has: &BTreeMap<String, bool>) -> Option<AccessChange> {
    if had == has {
        return None;
    }
    let allowed_only_in = |one: &BTreeMap<String, bool>, other: &BTreeMap<String, bool>| {
        let is_new = |(id, allowed): &(&String, &bool)| **allowed && other.get(*id) != Some(&true);
        one.iter().filter(is_new).map(|(id, _)| id.clone()).collect()
    };
    let conditional_only_in = |one: &BTreeMap<String, bool>, other: &BTreeMap<String, bool>| {
        let is_new = |(id, allowed): &(&String, &bool)| !**allowed && !other.contains_key(*id);
        one.iter().filter(is_new).map(|(id, _)| id.clone()).collect()
    };
    Some(AccessChange {
        node: node.clone(),
        user: user.clone(),
        gained: allowed_only_in(has, had),
        lost: allowed_only_in(had, has),
        gained_conditionally: conditional_only_in(has, had),
        lost_conditionally: conditional_only_in(had, has),
    })
}

/// Who is reached by the bindings at each node, in either of the worlds.
struct Holders<'v> {
    worlds: [&'v View; 2],
    known: HashMap<NodeName, Rc<BTreeSet<UserName>>>,
}

impl Holders<'_> {
    /// Whom a binding reaches on the path of a node, or, by what it gives upward, in an organization.
    fn concerned(&mut self, node: &NodeName) -> BTreeSet<UserName> {
        let mut places: BTreeSet<NodeName> = BTreeSet::new();
        for view in self.worlds {
            places.extend(Path::of(view, node).names(view));
        }
        if node.organization() == *node {
            places.extend(below(self.worlds, std::slice::from_ref(node)).into_iter().filter(|place| place.organization() == *node));
        }
        places.iter().flat_map(|place| self.at(place).iter().cloned().collect::<Vec<_>>()).collect()
    }

    fn at(&mut self, place: &NodeName) -> Rc<BTreeSet<UserName>> {
        if let Some(known) = self.known.get(place) {
            return Rc::clone(known);
        }
        let mut users = BTreeSet::new();
        for holding in self.worlds {
            for binding in holding.bindings_at(place) {
                // Who is in a group may differ as well.
                self.worlds.iter().for_each(|view| reached(view, &binding.principal, &mut users));
            }
        }
        let users = Rc::new(users);
        self.known.insert(place.clone(), Rc::clone(&users));
        users
    }
}

fn reached(view: &View, principal: &Principal, users: &mut BTreeSet<UserName>) {
    match principal {
        Principal::User(user) => drop(users.insert(user.clone())),
        Principal::Organization(organization) => users.extend(view.members(organization).map(|(user, _)| user.clone())),
        Principal::Anyone => users.extend(view.users().map(|user| user.name.clone())),
        Principal::Group(group) => {
            let mut groups: Vec<GroupName> = vec![group.clone()];
            let mut at = 0;
            while let Some(group) = groups.get(at).cloned() {
                at += 1;
                for member in view.group_members(&group) {
                    match member {
                        GroupMember::User(user) => drop(users.insert(user.clone())),
                        GroupMember::Group(inner) if !groups.contains(inner) => groups.push(inner.clone()),
                        GroupMember::Group(_) => {}
                    }
                }
            }
        }
    }
}

/// What the custom roles of an organization give in one of the worlds and not in the other.
fn role_changes(before: &View, after: &View, organization: &NodeName) -> Vec<RoleChange> {
    let names: BTreeSet<RoleName> =
        [before, after].into_iter().flat_map(|view| view.custom_roles(organization)).map(|role| role.name.clone()).collect();
    let changes = names.into_iter().map(|role| {
        let [had, has] =
            [before, after].map(|view| view.custom_role(&role).map(|role| given(view, organization, role)).unwrap_or_default());
        RoleChange { role, gained: has.difference(&had).cloned().collect(), lost: had.difference(&has).cloned().collect() }
    });
    changes.filter(|change| !change.gained.is_empty() || !change.lost.is_empty()).collect()
}

/// The permissions that a custom role gives by its grants and that the kind of its organization allows.
fn given(view: &View, organization: &NodeName, role: &CustomRole) -> BTreeSet<String> {
    let (Some(pinned), Some(node)) = (view.model_of(organization), view.node(organization)) else { return BTreeSet::new() };
    let held_at = pinned.model.type_index(&role.held_at).unwrap_or(ORGANIZATION);
    let mut ids = BTreeSet::new();
    for grant in &role.grants {
        custom_extents(pinned.model, grant, held_at, &mut |index, types| {
            let permission = pinned.model.permissions().get(usize::from(index));
            if let Some(permission) = permission.filter(|permission| permission.is_for(node.kind) && !types.is_empty()) {
                ids.insert(permission.id.clone());
            }
        });
    }
    ids
}
