//! Whether what a role would give is within what somebody has (invariants 1 and 2).
//!
//! Grants are compared, not gates: a grant covers the same grant under the same conditions or fewer, at least as widely, at least as
//! long. What is compared are *extents*: one permission on one type of node, somewhere at or below one node.

#[cfg(test)]
mod tests;

use std::{collections::BTreeSet, sync::Arc};

use smallvec::SmallVec;

use crate::{
    decide::Question,
    document::{ConditionUse, Grant},
    model::{ACCOUNT, ORGANIZATION, Permission, PermissionIndex, Role, RoleIndex, RoleModel, TypeIndex, TypeSet, WORKSPACE, gives},
    path::Path,
    record::{CustomRole, Timestamp},
    slot::Bound,
    standing::{Circle, HeldRole, Rules, Standing, Subject, Via},
};

/// Which nodes at or below the node compared at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Region {
    /// Of its own organization.
    Home,
    /// Of customer organizations below; where a role is implied in those, of the very organization in which it is.
    Away,
    /// Of customers of the organizations in which a role is implied.
    Beyond,
    /// The organization itself, reached upward.
    HomeUpward,
    /// Customer organizations, reached upward from a role implied in them.
    AwayUpward,
}

/// Only below nodes of this type, in customers or at home, and so on down: an implied role. Empty: everywhere.
type Under = SmallVec<[(TypeIndex, bool); 2]>;

struct Extent<'v> {
    permission: PermissionIndex,
    types: TypeSet,
    region: Region,
    under: Under,
    conditions: SmallVec<[&'v ConditionUse; 2]>,
    expires: Option<Timestamp>,
    basis: Option<(&'v Arc<Bound>, Via)>,
}

/// What is proposed to be given.
pub(crate) struct Proposal<'p> {
    pub(crate) role: ProposedRole<'p>,
    pub(crate) condition: Option<&'p ConditionUse>,
    pub(crate) expires: Option<Timestamp>,
    /// What its component maps leave.
    pub(crate) leaves: &'p dyn Fn(&Permission) -> bool,
}

#[derive(Clone, Copy)]
pub(crate) enum ProposedRole<'p> {
    System(RoleIndex),
    Custom(&'p CustomRole),
}

/// The bindings by which it is covered, and how they reach the user; or the ids of the permissions that are not covered.
pub(crate) type Covered<'v> = Result<Vec<(&'v Arc<Bound>, Via)>, Vec<String>>;

/// Whether the subject has, at the beginning of the path and below, all that a proposal there would give.
pub(crate) fn covered<'v>(rules: &Rules<'v>, subject: &Subject<'v>, path: &Path, proposal: &Proposal<'_>) -> Covered<'v> {
    let model = &rules.installed.model;
    let Some(node_type) = path.type_at(model, 0) else { return Err(Vec::new()) };
    let mut given = Vec::new();
    match proposal.role {
        ProposedRole::System(index) => {
            if let Some(role) = rules.role(index) {
                proposed_role(model, proposal, role, node_type, &Under::new(), node_type != ORGANIZATION, &mut given);
            }
        }
        ProposedRole::Custom(custom) => {
            let held_at = model.type_index(&custom.held_at).unwrap_or(node_type);
            let under = if held_at == node_type { Under::new() } else { Under::from_slice(&[(held_at, false)]) };
            for grant in &custom.grants {
                custom_extents(model, grant, held_at, &mut |permission, types| {
                    if (proposal.leaves)(&model.permissions()[usize::from(permission)]) {
                        given.push(Extent {
                            permission,
                            types,
                            region: Region::Home,
                            under: under.clone(),
                            conditions: grant.condition.iter().chain(proposal.condition).collect(),
                            expires: proposal.expires,
                            basis: None,
                        });
                    }
                });
            }
        }
    }
    let upward = given.iter().any(|extent| extent.region == Region::HomeUpward);
    let mut had = own(rules, subject, path, upward);
    // What rests on the longest-lived grants lapses last.
    had.sort_by_key(|extent| (extent.expires.is_some(), std::cmp::Reverse(extent.expires)));
    let (mut missing, mut basis) = (BTreeSet::new(), Vec::new());
    for extent in &given {
        for index in (0..).take(model.types().len()).filter(|index| extent.types.contains(*index)) {
            match had.iter().find(|other| covers(model, other, extent, index)) {
                Some(other) => basis
                    .extend(other.basis.filter(|(bound, _)| !basis.iter().any(|(known, _): &(&Arc<Bound>, Via)| known.name == bound.name))),
                None => drop(missing.insert(model.permissions()[usize::from(extent.permission)].id.clone())),
            }
        }
    }
    if missing.is_empty() { Ok(basis) } else { Err(missing.into_iter().collect()) }
}

/// What somebody has at a node, to be compared with what they have there in another world.
pub(crate) struct Holding<'w, 'v> {
    pub(crate) question: &'w Question<'v>,
    pub(crate) subject: &'w Subject<'v>,
}

impl<'v> Holding<'_, 'v> {
    fn extents(&self) -> Vec<Extent<'v>> {
        own(&self.question.rules, self.subject, &self.question.path, true)
    }
}

/// The ids of the permissions that somebody has in one world and not in the other, at the node or below it: by other grants, or by the same
/// ones past gates that were closed.
pub(crate) fn gained(before: &Holding<'_, '_>, after: &Holding<'_, '_>) -> BTreeSet<String> {
    let model = &after.question.rules.installed.model;
    let (had, has) = (before.extents(), after.extents());
    // Of another revision nothing compares.
    let comparable = before.question.rules.installed.is_of(after.question.rules.installed);
    let mut gained = BTreeSet::new();
    for extent in &has {
        let is_open = after.question.is_open_below(extent.permission);
        for index in (0..).take(model.types().len()).filter(|index| extent.types.contains(*index)) {
            let covering = || had.iter().filter(|other| covers(model, other, extent, index));
            let covered = comparable
                && covering().next().is_some()
                && (!is_open || covering().any(|other| before.question.is_open_below(other.permission)));
            if !covered {
                gained.insert(model.permissions()[usize::from(extent.permission)].id.clone());
            }
        }
    }
    gained
}

fn covers(model: &RoleModel, had: &Extent<'_>, given: &Extent<'_>, node_type: TypeIndex) -> bool {
    let reaches = match given.region {
        Region::HomeUpward => matches!(had.region, Region::HomeUpward),
        Region::AwayUpward => matches!(had.region, Region::AwayUpward | Region::Away),
        region => region == had.region,
    };
    reaches
        && had.types.contains(node_type)
        && is_subsequence(&had.under, &given.under)
        && had.conditions.iter().all(|condition| given.conditions.contains(condition))
        && had.expires.is_none_or(|had| given.expires.is_some_and(|given| given <= had))
        && comes_with(model, had.permission, given.permission, node_type)
}

/// Nodes at or below `[workspace, account]` are among those at or below `[account]`, and those at or below `[workspace]`.
fn is_subsequence(short: &Under, long: &Under) -> bool {
    let mut rest = long.iter();
    short.iter().all(|item| rest.any(|other| other == item))
}

/// Whether having one permission on a type of node is having another: the same, or one that implies it and has no gate that it has not.
fn comes_with(model: &RoleModel, had: PermissionIndex, wanted: PermissionIndex, node_type: TypeIndex) -> bool {
    let mut reached: SmallVec<[PermissionIndex; 4]> = SmallVec::from_slice(&[wanted]);
    let mut at = 0;
    while let Some(index) = reached.get(at).copied() {
        at += 1;
        if index == had {
            return true;
        }
        let implied = &model.permissions()[usize::from(index)];
        for implying in &implied.implied_by {
            let rules = &model.permissions()[usize::from(*implying)];
            let no_stricter = !rules.nobody
                && rules.types.contains(node_type)
                && (rules.kinds.is_empty() || (!implied.kinds.is_empty() && implied.kinds.iter().all(|kind| rules.kinds.contains(kind))))
                && (!rules.active_account || implied.active_account)
                && (rules.organization_has.is_empty() || rules.organization_has == implied.organization_has)
                && rules.component == implied.component;
            if no_stricter && !reached.contains(implying) {
                reached.push(*implying);
            }
        }
    }
    false
}

/// The types of node that there can be at or below one of a type, in the same organization.
pub(crate) fn at_or_below(model: &RoleModel, node_type: TypeIndex) -> TypeSet {
    let containers: &[TypeIndex] = match node_type {
        ORGANIZATION => &[ORGANIZATION, WORKSPACE, ACCOUNT],
        WORKSPACE => &[WORKSPACE, ACCOUNT],
        ACCOUNT => &[ACCOUNT],
        _ => &[],
    };
    let mut set = TypeSet::default();
    set.insert(node_type);
    containers.iter().for_each(|container| set.insert(*container));
    for (rules, index) in model.types().iter().zip(0..) {
        if containers.iter().any(|container| rules.parents.contains(*container)) {
            set.insert(index);
        }
    }
    set
}

/// Everything that can be in a customer.
fn everything(model: &RoleModel) -> TypeSet {
    at_or_below(model, ORGANIZATION)
}

fn has_customers(node_type: TypeIndex) -> bool {
    matches!(node_type, ORGANIZATION | WORKSPACE)
}

/// What a grant of a custom role gives, on which types, at and below where it is held.
pub(crate) fn custom_extents(model: &RoleModel, grant: &Grant, held_at: TypeIndex, visit: &mut dyn FnMut(PermissionIndex, TypeSet)) {
    let mut listed = TypeSet::default();
    grant.types.iter().filter_map(|id| model.type_index(id)).for_each(|index| listed.insert(index));
    let reach = at_or_below(model, held_at);
    for (permission, index) in model.permissions().iter().zip(0..) {
        let Some(component) = model.components().get(usize::from(permission.component)) else { continue };
        if permission.nobody || !gives(grant, permission, component) {
            continue;
        }
        let types = if grant.types.is_empty() { permission.types } else { permission.types.intersect(listed) };
        visit(index, types.intersect(reach));
    }
}

/// Visits what a role's own grants give, by region.
fn role_extents<'r>(
    model: &RoleModel,
    role: &'r Role,
    held_at: TypeIndex,
    in_customers: bool,
    visit: &mut dyn FnMut(PermissionIndex, TypeSet, Region, Option<&'r ConditionUse>),
) {
    let reach = at_or_below(model, held_at);
    for (_, index) in model.permissions().iter().zip(0..).filter(|(permission, _)| !permission.nobody) {
        for hit in role.hits(index) {
            let Some(bounds) = role.grants.get(usize::from(hit.grant)) else { continue };
            let condition = bounds.condition.as_ref();
            visit(index, hit.types.intersect(reach), if in_customers { Region::Away } else { Region::Home }, condition);
            if bounds.through_customers && has_customers(held_at) {
                let types = hit.types.intersect(everything(model));
                if !in_customers {
                    visit(index, types, Region::Away, condition);
                }
                visit(index, types, Region::Beyond, condition);
            }
        }
    }
}

/// What a proposed role gives at its node, or an implied one below it.
fn proposed_role<'p>(
    model: &'p RoleModel,
    proposal: &Proposal<'p>,
    role: &'p Role,
    held_at: TypeIndex,
    under: &Under,
    upward: bool,
    given: &mut Vec<Extent<'p>>,
) {
    let in_customers = under.iter().any(|(_, in_customers)| *in_customers);
    let extent = |permission, types, region, condition: Option<&'p ConditionUse>| Extent {
        permission,
        types,
        region,
        under: under.clone(),
        conditions: condition.into_iter().chain(proposal.condition).collect(),
        expires: proposal.expires,
        basis: None,
    };
    role_extents(model, role, held_at, in_customers, &mut |permission, types, region, condition| {
        if (proposal.leaves)(&model.permissions()[usize::from(permission)]) {
            given.push(extent(permission, types, region, condition));
        }
    });
    if upward {
        let region = if in_customers { Region::AwayUpward } else { Region::HomeUpward };
        given.extend(role.upward.iter().map(|permission| extent(*permission, organizations(), region, None)));
    }
    each_implied_below(model, role, held_at, in_customers, &mut |implied, below| {
        let mut under = under.clone();
        under.push(below);
        proposed_role(model, proposal, implied, below.0, &under, below.0 != ORGANIZATION, given);
    });
}

/// Visits what a role gives by itself, somewhere at or below a node that it is held at: the permissions, each with its condition.
pub(crate) fn each_given<'p>(
    model: &'p RoleModel,
    role: ProposedRole<'p>,
    visit: &mut dyn FnMut(PermissionIndex, Option<&'p ConditionUse>),
) {
    match role {
        ProposedRole::System(index) => {
            let Some(role) = model.roles().get(usize::from(index)) else { return };
            let proposal = Proposal { role: ProposedRole::System(index), condition: None, expires: None, leaves: &|_| true };
            let mut given = Vec::new();
            proposed_role(model, &proposal, role, role.held_at, &Under::new(), role.held_at != ORGANIZATION, &mut given);
            for extent in given.into_iter().filter(|extent| !extent.types.is_empty()) {
                visit(extent.permission, extent.conditions.first().copied());
            }
        }
        ProposedRole::Custom(custom) => {
            let Some(held_at) = model.type_index(&custom.held_at) else { return };
            for grant in &custom.grants {
                custom_extents(model, grant, held_at, &mut |permission, types| {
                    if !types.is_empty() {
                        visit(permission, grant.condition.as_ref());
                    }
                });
            }
        }
    }
}

fn organizations() -> TypeSet {
    let mut set = TypeSet::default();
    set.insert(ORGANIZATION);
    set
}

/// The roles implied strictly below a node of a type: each with the type of node, and whether in customers.
fn each_implied_below<'r>(
    model: &'r RoleModel,
    role: &'r Role,
    held_at: TypeIndex,
    in_customers: bool,
    visit: &mut dyn FnMut(&'r Role, (TypeIndex, bool)),
) {
    // This ends whatever the roles imply: at home it goes strictly down, and it goes into customers once.
    for (implied, through_customers) in &role.implies {
        let Some(role) = model.roles().get(usize::from(*implied)) else { continue };
        let at_home = role.held_at != held_at && at_or_below(model, held_at).contains(role.held_at);
        if at_home {
            visit(role, (role.held_at, in_customers));
        }
        if *through_customers && has_customers(held_at) && !in_customers {
            visit(role, (role.held_at, true));
        }
    }
}

/// What the subject has at the beginning of the path and below.
fn own<'v>(rules: &Rules<'v>, subject: &Subject<'v>, path: &Path, upward: bool) -> Vec<Extent<'v>> {
    let mut had = Vec::new();
    for at in 0..path.len() {
        for (bound, via) in subject.bindings_at(path, at) {
            if let Ok(standing) = rules.standing(subject, path, at, bound) {
                own_binding(rules, subject, path, at, (bound, via), standing, &mut had);
            }
        }
    }
    if upward {
        own_upward(rules, subject, path, &mut had);
    }
    had
}

fn own_binding<'v>(
    rules: &Rules<'v>,
    subject: &Subject<'v>,
    path: &Path,
    at: usize,
    basis: (&'v Arc<Bound>, Via),
    standing: Standing<'v>,
    had: &mut Vec<Extent<'v>>,
) {
    let model = &rules.installed.model;
    let Some(node_type) = path.type_at(model, 0) else { return };
    let (bound, _) = basis;
    let expires = earliest(bound.expires, standing.partnership.and_then(|partnership| partnership.expires));
    let cut = crate::decide::Cut { bound, partnership: standing.partnership };
    let extent = |permission, types, region, under: &Under, condition: Option<&'v ConditionUse>| Extent {
        permission,
        types,
        region,
        under: under.clone(),
        conditions: condition.into_iter().chain(bound.condition.as_deref()).collect(),
        expires,
        basis: Some(basis),
    };
    let leaves = |permission: PermissionIndex| cut.leaves(model, &model.permissions()[usize::from(permission)]);
    match standing.role {
        HeldRole::Custom(custom) => {
            if !path.same_organization(0, at) {
                return;
            }
            let known = |grant: &&Grant| grant.condition.as_ref().is_none_or(|used| model.condition(&used.id).is_some());
            for grant in custom.grants.iter().filter(known) {
                custom_extents(model, grant, node_type, &mut |permission, types| {
                    if leaves(permission) {
                        had.push(extent(permission, types, Region::Home, &Under::new(), grant.condition.as_ref()));
                    }
                });
            }
        }
        HeldRole::System(index, _) => {
            rules.each_held(subject, path, at, index, &mut Circle::new(), &mut |_, role, held| {
                let crosses = !path.same_organization(0, held);
                role_extents(model, role, node_type, false, &mut |permission, types, region, condition| {
                    if leaves(permission) && (!crosses || region != Region::Home) {
                        had.push(extent(permission, types, region, &Under::new(), condition));
                    }
                });
                if crosses {
                    crossing_extents(model, role, node_type, &mut |permission, types, condition| {
                        if leaves(permission) {
                            had.push(extent(permission, types, Region::Home, &Under::new(), condition));
                        }
                    });
                }
                let mut below = Vec::new();
                own_implied(rules, subject, path, role, node_type, crosses, &Under::new(), &mut below);
                for (role, under) in below {
                    let Some((held_at, in_customers)) = under.last().copied() else { continue };
                    role_extents(model, role, held_at, in_customers, &mut |permission, types, region, condition| {
                        if leaves(permission) {
                            had.push(extent(permission, types, region, &under, condition));
                        }
                    });
                    if held_at != ORGANIZATION && in_customers {
                        had.extend(
                            role.upward.iter().map(|permission| extent(*permission, organizations(), Region::AwayUpward, &under, None)),
                        );
                    }
                }
                false
            });
        }
    }
}

/// What a role held beyond a border gives at a node and below it: what goes through customers.
fn crossing_extents<'r>(
    model: &RoleModel,
    role: &'r Role,
    node_type: TypeIndex,
    visit: &mut dyn FnMut(PermissionIndex, TypeSet, Option<&'r ConditionUse>),
) {
    let reach = at_or_below(model, node_type);
    for index in (0..).take(model.permissions().len()) {
        for hit in role.hits(index) {
            let bounds = role.grants.get(usize::from(hit.grant)).filter(|bounds| bounds.through_customers);
            if let Some(bounds) = bounds {
                visit(index, hit.types.intersect(reach), bounds.condition.as_ref());
            }
        }
    }
}

/// The roles implied strictly below the beginning of the path by one held at it or above.
#[expect(clippy::too_many_arguments, reason = "one walk down the roles that imply each other")]
fn own_implied<'v>(
    rules: &Rules<'v>,
    subject: &Subject<'v>,
    path: &Path,
    role: &'v Role,
    held_at: TypeIndex,
    crosses: bool,
    under: &Under,
    found: &mut Vec<(&'v Role, Under)>,
) {
    let in_customers = under.iter().any(|(_, in_customers)| *in_customers);
    each_implied_below(&rules.installed.model, role, held_at, in_customers, &mut |implied, below| {
        let through = role.implies.iter().any(|(index, through)| *through && rules.role(*index).is_some_and(|role| role.id == implied.id));
        let home_only = !through;
        // What the implied role requires has to be held here already: what is held below is not known.
        let met = implied.requires.is_empty() || rules.required_by(subject, path, 0, &implied.requires, &mut Circle::new()).is_some();
        if (crosses && home_only) || !met {
            return;
        }
        let mut under = under.clone();
        under.push(below);
        found.push((implied, under.clone()));
        own_implied(rules, subject, path, implied, below.0, false, &under, found);
    });
}

/// What the subject has upward, or by any other grant, on the organization of the path itself.
fn own_upward<'v>(rules: &Rules<'v>, subject: &Subject<'v>, path: &Path, had: &mut Vec<Extent<'v>>) {
    let Ok(Some(question)) = crate::decide::Question::open(
        rules.view,
        &path.name_at(rules.view, path.own_organization()),
        crate::decide::no_attributes(),
        rules.now,
    ) else {
        return;
    };
    for index in (0..).take(rules.installed.model.permissions().len()) {
        let wanted = crate::decide::Wanted::from_slice(&[index]);
        let mut push = |bound: &'v Arc<Bound>, via: Via, partner: Option<Timestamp>, condition: Option<&'v ConditionUse>| {
            had.push(Extent {
                permission: index,
                types: organizations(),
                region: Region::HomeUpward,
                under: Under::new(),
                conditions: condition.into_iter().chain(bound.condition.as_deref()).collect(),
                expires: earliest(bound.expires, partner),
                basis: Some((bound, via)),
            });
        };
        question.each_upward(subject, &wanted, &mut |bound, _, _| {
            push(bound, subject.via(bound), rules.sponsor_expiry(bound), None);
            false
        });
        for at in 0..question.path.len() {
            for (bound, via) in subject.bindings_at(&question.path, at) {
                let Ok(standing) = rules.standing(subject, &question.path, at, bound) else { continue };
                question.each_use(subject, at, bound, standing, &wanted, &mut |used| {
                    push(bound, via, rules.sponsor_expiry(bound), used.condition);
                    false
                });
            }
        }
    }
}

pub(crate) fn earliest(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
