//! The decision: gates in their order, then grants (DESIGN §3, "A decision", and the Readings).

#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use smallvec::SmallVec;

use crate::{
    condition::{Verdict, is_of_type, type_word},
    decision::{ConditionError, Decision, GrantRef, Invalid, Outcome, Query, Reason},
    document::{AttributeSource, ConditionUse, Level},
    model::{ORGANIZATION, Permission, PermissionIndex, RoleIndex, RoleModel, TypeIndex, gives},
    name::{NodeKind, NodeName, UserName},
    path::{Path, StepState},
    record::{Node, OrganizationKind, Partnership, Timestamp, Value},
    slot::{Bound, NodeId, UserSlot},
    standing::{Circle, HeldRole, Rules, Standing, Subject},
    view::View,
};

/// Decides. Pure: the same view, query and time give the same answer.
///
/// # Errors
///
/// The question makes no sense in the tree's role model.
pub fn decide(view: &View, query: &Query, now: Timestamp) -> Result<Decision, Invalid> {
    match Question::ask(view, query, now)? {
        Asked::Closed(reason) => Ok(deny(reason)),
        Asked::Open(question, permission) => Ok(question.decide(&query.user, permission)),
    }
}

/// Every permission of the tree's model, in the model's order, with what deciding it would say.
///
/// # Errors
///
/// As [`decide`]; the error is about the resource or the attributes.
pub fn permissions_of(
    view: &View,
    user: &UserName,
    resource: &NodeName,
    attributes: &BTreeMap<String, Value>,
    now: Timestamp,
) -> Result<Vec<(String, Outcome)>, Invalid> {
    let Some(question) = Question::open(view, resource, attributes, now)? else { return Ok(Vec::new()) };
    let user = question.user(user);
    let subject = user.as_ref().ok().map(|slot| Subject::of(view, slot));
    let all = question.rules.installed.model.permissions().iter().zip(0..);
    Ok(all.map(|(permission, index)| (permission.id.clone(), question.decide_for(&user, subject.as_ref(), index).outcome)).collect())
}

pub(crate) fn deny(reason: Reason) -> Decision {
    Decision { outcome: Outcome::Deny(reason), condition_errors: Vec::new() }
}

/// The gates, in the order in which they are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// The action exists.
    Available,
    /// The permission applies to this type of node.
    Type,
    /// It is for this kind of organization.
    Kind,
    /// The user is known and not suspended.
    User,
    /// Nothing from the resource up to its organization is unknown, deleted or suspended.
    Nodes,
    /// Accounts are not paused, if it needs that.
    Account,
    /// Somebody holds a role at the organization, if it needs that.
    RoleHolder,
    /// No ceiling leaves its component out.
    Ceiling,
}

impl Gate {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Available, Self::Type, Self::Kind, Self::User, Self::Nodes, Self::Account, Self::RoleHolder, Self::Ceiling];

    // What a permission that implies another has to pass (Reading 13); the user and the nodes are the same for both.
    const OF_PERMISSION: [Self; 6] = [Self::Available, Self::Type, Self::Kind, Self::Account, Self::RoleHolder, Self::Ceiling];
}

/// The permissions by which the one asked for can be given: itself, then those that imply it and pass their own gates.
pub(crate) type Wanted = SmallVec<[PermissionIndex; 4]>;

/// A query that makes sense, or what is wrong before any gate.
pub(crate) enum Asked<'v> {
    Closed(Reason),
    Open(Question<'v>, PermissionIndex),
}

/// A question about one resource, whoever asks for whichever permission.
pub(crate) struct Question<'v> {
    pub(crate) rules: Rules<'v>,
    pub(crate) path: Path,
    pub(crate) node_type: TypeIndex,
    attributes: &'v BTreeMap<String, Value>,
    stored: Option<&'v BTreeMap<String, Value>>,
    /// Where on the path the resource's own organization stands.
    pub(crate) own: usize,
    kind: OrganizationKind,
}

/// How one grant gives what is wanted.
pub(crate) struct Use<'v> {
    /// The system role by which: the binding's or an implied one; `None` for a custom role.
    pub(crate) role: Option<RoleIndex>,
    /// Where on the path that role is held.
    pub(crate) at: usize,
    /// The index of the grant in the role; `None` for an upward permission.
    pub(crate) grant: Option<usize>,
    pub(crate) permission: PermissionIndex,
    pub(crate) condition: Option<&'v ConditionUse>,
}

/// What the conditions of a grant came to.
pub(crate) enum Judged {
    Holds,
    Fails,
    Missing(BTreeSet<String>),
    Errors(Vec<(String, String)>),
}

#[derive(Default)]
struct Gathered {
    conditional: BTreeSet<BTreeSet<String>>,
    errors: BTreeMap<(crate::name::BindingName, String), String>,
}

impl<'v> Question<'v> {
    /// Reads a query in the terms of the resource's tree.
    pub(crate) fn ask(view: &'v View, query: &'v Query, now: Timestamp) -> Result<Asked<'v>, Invalid> {
        let path = Path::of(view, &query.resource);
        let Some(rules) = rules(view, &path, now) else { return Ok(Asked::Closed(Reason::ResourceUnknown)) };
        let model = &rules.installed.model;
        let Some(permission) = model.permission(&query.permission) else {
            if view.had_permission(model.id(), rules.installed.revision, &query.permission) {
                return Ok(Asked::Closed(Reason::PermissionRetired));
            }
            return Err(Invalid::UnknownPermission { permission: query.permission.clone(), model: model.id().to_owned() });
        };
        Ok(Asked::Open(Self::on(rules, path, &query.attributes)?, permission))
    }

    /// The question about a resource; `None` where its organization is unknown.
    pub(crate) fn open(
        view: &'v View,
        resource: &NodeName,
        attributes: &'v BTreeMap<String, Value>,
        now: Timestamp,
    ) -> Result<Option<Self>, Invalid> {
        let path = Path::of(view, resource);
        rules(view, &path, now).map(|rules| Self::on(rules, path, attributes)).transpose()
    }

    fn on(rules: Rules<'v>, path: Path, attributes: &'v BTreeMap<String, Value>) -> Result<Self, Invalid> {
        let model = &rules.installed.model;
        let Some(node_type) = path.type_at(model, 0) else {
            let collection = if let NodeKind::Leaf { collection } = path.name.kind() { collection.to_owned() } else { String::new() };
            return Err(Invalid::UnknownCollection { collection, resource: path.name.clone(), model: model.id().to_owned() });
        };
        check_attributes(model, node_type, attributes)?;
        let own = path.own_organization();
        let kind = path.record(rules.view, own).map(|node| node.kind).unwrap_or_default();
        let stored = path.record(rules.view, 0).map(|node| &node.attributes);
        Ok(Self { rules, path, node_type, attributes, stored, own, kind })
    }

    /// The kind of the resource's own organization.
    pub(crate) fn kind(&self) -> OrganizationKind {
        self.kind
    }

    pub(crate) fn permission(&self, index: PermissionIndex) -> &'v Permission {
        &self.rules.installed.model.permissions()[usize::from(index)]
    }

    /// The user, if active; else why not.
    pub(crate) fn user(&self, name: &UserName) -> Result<&'v UserSlot, Reason> {
        let slot = self.rules.view.user_id(name).and_then(|id| self.rules.view.user_slot(id)).ok_or(Reason::UserUnknown)?;
        match &slot.record {
            None => Err(Reason::UserUnknown),
            Some(user) if user.suspended => Err(Reason::UserSuspended),
            Some(_) => Ok(slot),
        }
    }

    pub(crate) fn decide(&self, user: &UserName, permission: PermissionIndex) -> Decision {
        let user = self.user(user);
        let subject = user.as_ref().ok().map(|slot| Subject::of(self.rules.view, slot));
        self.decide_for(&user, subject.as_ref(), permission)
    }

    /// The same for an active user whose bindings are at hand.
    pub(crate) fn decide_of(&self, subject: &Subject<'v>, permission: PermissionIndex) -> Decision {
        self.decide_for(&Ok(subject.slot), Some(subject), permission)
    }

    fn decide_for(&self, user: &Result<&'v UserSlot, Reason>, subject: Option<&Subject<'v>>, permission: PermissionIndex) -> Decision {
        let closed = Gate::ALL.into_iter().find_map(|gate| self.closed(gate, user, permission));
        match (closed, subject) {
            (Some(reason), _) => deny(reason),
            (None, None) => deny(Reason::UserUnknown),
            (None, Some(subject)) => self.grants(subject, &self.wanted(permission)),
        }
    }

    /// Why a gate is closed, if it is.
    pub(crate) fn closed(&self, gate: Gate, user: &Result<&UserSlot, Reason>, index: PermissionIndex) -> Option<Reason> {
        let permission = self.permission(index);
        match gate {
            Gate::Available => permission.nobody.then_some(Reason::NotAvailable),
            Gate::Type => (!permission.types.contains(self.node_type)).then_some(Reason::TypeNotApplicable),
            Gate::Kind => (!permission.is_for(self.kind)).then_some(Reason::KindNotApplicable),
            Gate::User => user.as_ref().err().cloned(),
            Gate::Nodes => self.closed_node(),
            Gate::Account => {
                if permission.active_account {
                    self.paused_account()
                } else {
                    None
                }
            }
            Gate::RoleHolder => self.missing_holder(permission),
            Gate::Ceiling => self.closing_ceiling(permission),
        }
    }

    /// Whether the gates that stand above a node and close everything below it leave a permission open.
    pub(crate) fn is_open_below(&self, index: PermissionIndex) -> bool {
        let permission = self.permission(index);
        self.missing_holder(permission).is_none() && self.closing_ceiling(permission).is_none()
    }

    fn closed_node(&self) -> Option<Reason> {
        let at = self.path.closed_at(0).filter(|at| *at <= self.own)?;
        let name = self.path.name_at(self.rules.view, at);
        match self.path.steps()[at].state {
            StepState::Active => None,
            StepState::Unknown => Some(Reason::NodeUnknown(name)),
            StepState::Deleted => Some(Reason::NodeDeleted(name)),
            StepState::Suspended => Some(Reason::NodeSuspended(name)),
        }
    }

    fn paused_account(&self) -> Option<Reason> {
        let view = self.rules.view;
        let at = (0..=self.own).find(|at| {
            self.path.record(view, *at).is_some_and(|node: &Arc<Node>| node.paused && matches!(node.name.kind(), NodeKind::Account))
        })?;
        Some(Reason::AccountPaused(self.path.name_at(view, at)))
    }

    fn missing_holder(&self, permission: &Permission) -> Option<Reason> {
        if permission.organization_has.is_empty() || permission.organization_has.iter().any(|role| self.somebody_holds(*role)) {
            return None;
        }
        let ids = permission.organization_has.iter().filter_map(|role| self.rules.role(*role)).map(|role| role.id.clone());
        Some(Reason::RoleHolderMissing(ids.collect()))
    }

    fn somebody_holds(&self, role: RoleIndex) -> bool {
        let (view, own) = (self.rules.view, self.own);
        let id = self.rules.role(role).and_then(|role| crate::name::RoleName::system(self.rules.installed.model.id(), &role.id));
        let Some(id) = id.and_then(|name| view.role_id(&name)) else { return false };
        let Some(bindings) = self.path.slot(view, own).and_then(|slot| slot.held.get(&id)) else { return false };
        bindings.values().any(|bound| {
            let crate::slot::Holder::User(user) = bound.holder else { return false };
            let Some(slot) = view.user_slot(user) else { return false };
            bound.condition.is_none()
                && slot.record.as_ref().is_some_and(|user| !user.suspended)
                && self.rules.standing(&Subject::of(view, slot), &self.path, own, bound).is_ok()
        })
    }

    fn closing_ceiling(&self, permission: &Permission) -> Option<Reason> {
        let model = &self.rules.installed.model;
        let component = model.components().get(usize::from(permission.component))?;
        if component.reserved {
            return None;
        }
        let at = (0..self.path.len()).find(|at| match self.path.record(self.rules.view, *at) {
            None => false,
            Some(node) => match &node.ceiling {
                Some(set) => !set.contains(&component.id),
                None => model.unset_ceiling_is_nothing() && node.name.kind() == NodeKind::Organization && !self.path.is_root(*at),
            },
        })?;
        Some(Reason::AboveCeiling(self.path.name_at(self.rules.view, at)))
    }

    pub(crate) fn wanted(&self, permission: PermissionIndex) -> Wanted {
        let mut wanted = Wanted::new();
        wanted.push(permission);
        let mut at = 0;
        while let Some(index) = wanted.get(at).copied() {
            at += 1;
            for implying in &self.permission(index).implied_by {
                let open = || Gate::OF_PERMISSION.into_iter().all(|gate| self.closed(gate, &Err(Reason::UserUnknown), *implying).is_none());
                if !wanted.contains(implying) && open() {
                    wanted.push(*implying);
                }
            }
        }
        wanted
    }

    pub(crate) fn grants(&self, subject: &Subject<'v>, wanted: &Wanted) -> Decision {
        let mut gathered = Gathered::default();
        for at in 0..self.path.len() {
            let mut best: Option<&Arc<Bound>> = None;
            for (bound, _) in subject.bindings_at(&self.path, at) {
                if best.is_some_and(|best| best.name <= bound.name) {
                    continue;
                }
                let Ok(standing) = self.rules.standing(subject, &self.path, at, bound) else { continue };
                let allows = self
                    .each_use(subject, at, bound, standing, wanted, &mut |used| self.allows(subject, bound, used.condition, &mut gathered));
                if allows {
                    best = Some(bound);
                }
            }
            if let Some(bound) = best {
                return self.allow(bound);
            }
        }
        if self.path.own_organization() == 0 {
            let mut best: Option<&Arc<Bound>> = None;
            self.each_upward(subject, wanted, &mut |bound, _, _| {
                if best.is_none_or(|best| bound.name < best.name) && self.allows(subject, bound, None, &mut gathered) {
                    best = Some(bound);
                }
                false
            });
            if let Some(bound) = best {
                return self.allow(bound);
            }
        }
        let outcome =
            if gathered.conditional.is_empty() { Outcome::Deny(Reason::NoGrant) } else { Outcome::Conditional(gathered.conditional) };
        let errors = gathered.errors.into_iter();
        Decision {
            outcome,
            condition_errors: errors.map(|((binding, condition), message)| ConditionError { binding, condition, message }).collect(),
        }
    }

    fn allow(&self, bound: &Bound) -> Decision {
        let view = self.rules.view;
        let outcome = match (view.role_slot(bound.role), view.node_slot(bound.node)) {
            (Some(role), Some(node)) => {
                Outcome::Allow(GrantRef { binding: bound.name.clone(), role: role.name.clone(), node: node.name.clone() })
            }
            _ => Outcome::Deny(Reason::NoGrant),
        };
        Decision { outcome, condition_errors: Vec::new() }
    }

    fn allows(&self, subject: &Subject<'v>, bound: &Bound, condition: Option<&ConditionUse>, gathered: &mut Gathered) -> bool {
        match self.judge(subject, bound, condition) {
            Judged::Holds => return true,
            Judged::Fails => {}
            Judged::Missing(missing) => drop(gathered.conditional.insert(missing)),
            Judged::Errors(errors) => {
                for (condition, message) in errors {
                    gathered.errors.entry((bound.name.clone(), condition)).or_insert(message);
                }
            }
        }
        false
    }

    /// Judges the role's condition and the binding's, separately (Reading 14).
    pub(crate) fn judge(&self, subject: &Subject<'v>, bound: &Bound, condition: Option<&ConditionUse>) -> Judged {
        let (mut missing, mut errors) = (BTreeSet::new(), Vec::new());
        for used in condition.into_iter().chain(bound.condition.as_deref()) {
            match self.judge_one(subject, used) {
                Verdict::True => {}
                Verdict::False => return Judged::Fails,
                Verdict::Missing(more) => missing.extend(more),
                Verdict::Error(message) => errors.push((used.id.clone(), message)),
            }
        }
        match (errors.is_empty(), missing.is_empty()) {
            (false, _) => Judged::Errors(errors),
            (true, false) => Judged::Missing(missing),
            (true, true) => Judged::Holds,
        }
    }

    pub(crate) fn judge_one(&self, subject: &Subject<'v>, used: &ConditionUse) -> Verdict {
        let model = &self.rules.installed.model;
        match model.condition(&used.id) {
            None => Verdict::Error("the condition is not known".to_owned()),
            Some(condition) => {
                let value = |id: &str| model.attribute(self.node_type, id, self.stored, self.attributes);
                condition.judge(used, value, subject.slot.name.id())
            }
        }
    }

    /// Visits every grant of a binding on the path that gives what is wanted on the resource, conditions aside, until `visit` says
    /// that it is enough (Readings 9, 10 and 13).
    pub(crate) fn each_use(
        &self,
        subject: &Subject<'v>,
        at: usize,
        bound: &'v Bound,
        standing: Standing<'v>,
        wanted: &Wanted,
        visit: &mut dyn FnMut(Use<'v>) -> bool,
    ) -> bool {
        let cut = Cut { bound, partnership: standing.partnership };
        match standing.role {
            HeldRole::System(index, _) => {
                self.rules.each_held(subject, &self.path, at, index, &mut Circle::new(), &mut |role, rules, held| {
                    let crosses = !self.path.same_organization(0, held);
                    wanted.iter().any(|permission| {
                        self.leaves(&cut, *permission)
                            && rules.hits(*permission).iter().any(|hit| {
                                let grant = usize::from(hit.grant);
                                let Some(bounds) = rules.grants.get(grant) else { return false };
                                hit.types.contains(self.node_type)
                                    && (bounds.through_customers || !crosses)
                                    && visit(Use {
                                        role: Some(role),
                                        at: held,
                                        grant: Some(grant),
                                        permission: *permission,
                                        condition: bounds.condition.as_ref(),
                                    })
                            })
                    })
                })
            }
            HeldRole::Custom(custom) => {
                let model = &self.rules.installed.model;
                // A custom role is usable only inside its organization (invariant 7).
                if !self.path.same_organization(0, at) {
                    return false;
                }
                let type_id = model.node_type(self.node_type).map(|node_type| &node_type.id);
                wanted.iter().any(|index| {
                    let permission = self.permission(*index);
                    let Some(component) = model.components().get(usize::from(permission.component)) else { return false };
                    self.leaves(&cut, *index)
                        && custom.grants.iter().enumerate().any(|(at_grant, grant)| {
                            gives(grant, permission, component)
                                && (grant.types.is_empty() || type_id.is_some_and(|id| grant.types.contains(id)))
                                && grant.condition.as_ref().is_none_or(|used| model.condition(&used.id).is_some())
                                && visit(Use {
                                    role: None,
                                    at,
                                    grant: Some(at_grant),
                                    permission: *index,
                                    condition: grant.condition.as_ref(),
                                })
                        })
                })
            }
        }
    }

    /// Whether the binding's and the sponsor's component maps leave a permission in.
    pub(crate) fn leaves(&self, cut: &Cut<'_>, index: PermissionIndex) -> bool {
        cut.leaves(&self.rules.installed.model, self.permission(index))
    }

    /// Visits every binding that gives what is wanted upward on the organization asked about, with the role and the node by which,
    /// until `visit` says that it is enough (Reading 12).
    pub(crate) fn each_upward(
        &self,
        subject: &Subject<'v>,
        wanted: &Wanted,
        visit: &mut dyn FnMut(&'v Arc<Bound>, RoleIndex, NodeId) -> bool,
    ) -> bool {
        let Some(organization) = self.path.steps().first().and_then(|step| step.id) else { return false };
        let view = self.rules.view;
        for (bindings, _) in &subject.sources {
            for ((_, node), list) in bindings.range((organization, NodeId::MIN)..=(organization, NodeId::MAX)) {
                if *node == organization {
                    continue;
                }
                let Some(slot) = view.node_slot(*node) else { continue };
                let mut path: Option<Path> = None;
                for bound in list.iter() {
                    if !self.may_reach_upward(bound) {
                        continue;
                    }
                    let path = path.get_or_insert_with(|| Path::of(view, &slot.name));
                    if self.upward_of(subject, path, 0, bound, wanted, visit) {
                        return true;
                    }
                }
            }
        }
        // What is held at the organization or above it counts through roles implied below.
        (0..self.path.len()).any(|at| {
            subject
                .bindings_at(&self.path, at)
                .any(|(bound, _)| self.may_reach_upward(bound) && self.upward_of(subject, &self.path, at, bound, wanted, visit))
        })
    }

    pub(crate) fn may_reach_upward(&self, bound: &Bound) -> bool {
        let role = self.rules.installed.role_index(bound.role).and_then(|index| self.rules.role(index));
        role.is_some_and(|role| role.implies_upward || !role.upward.is_empty())
    }

    /// The same for one binding, held at a node of a path that leads through the organization.
    pub(crate) fn upward_of(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        bound: &'v Arc<Bound>,
        wanted: &Wanted,
        visit: &mut dyn FnMut(&'v Arc<Bound>, RoleIndex, NodeId) -> bool,
    ) -> bool {
        let Ok(Standing { role: HeldRole::System(index, _), .. }) = self.rules.standing(subject, path, at, bound) else { return false };
        self.upward_from(subject, path, at, index, wanted, &mut |role, node| visit(bound, role, node))
    }

    /// A role held at a node of a path that leads through the organization asked about: its own upward permissions, if the node is
    /// in that organization and below it, then those of the roles that it implies.
    fn upward_from(
        &self,
        subject: &Subject<'v>,
        path: &Path,
        at: usize,
        index: RoleIndex,
        wanted: &Wanted,
        visit: &mut dyn FnMut(RoleIndex, NodeId) -> bool,
    ) -> bool {
        let (Some(role), Some(node)) = (self.rules.role(index), path.steps()[at].id) else { return false };
        let organization = self.path.steps()[0].id;
        let inside = path.steps()[at].organization == organization && Some(node) != organization;
        if inside && wanted.iter().any(|permission| role.upward.contains(permission)) && visit(index, node) {
            return true;
        }
        if !role.implies_upward {
            return false;
        }
        for (implied, through_customers) in &role.implies {
            let Some(rules) = self.rules.role(*implied) else { continue };
            if rules.upward.is_empty() && !rules.implies_upward {
                continue;
            }
            let reaches = |organization: Option<NodeId>| *through_customers || path.steps()[at].organization == organization;
            // Nodes on the way down from there to the organization asked about, itself included.
            for below in (0..at).rev().filter(|below| reaches(path.steps()[*below].organization)) {
                if self.rules.implied_at(subject, path, below, *implied, rules)
                    && self.upward_from(subject, path, below, *implied, wanted, visit)
                {
                    return true;
                }
            }
            // Nodes inside it.
            if !reaches(organization) {
                continue;
            }
            let top = if inside { Some(node) } else { organization };
            let mut below: Vec<NodeId> = self.inside(top);
            while let Some(id) = below.pop() {
                below.extend(self.inside(Some(id)));
                let Some(slot) = self.rules.view.node_slot(id) else { continue };
                if self.rules.installed.model.type_of(&slot.name) != Some(rules.held_at) {
                    continue;
                }
                let path = Path::of(self.rules.view, &slot.name);
                if self.rules.implied_at(subject, &path, 0, *implied, rules) && self.upward_from(subject, &path, 0, *implied, wanted, visit)
                {
                    return true;
                }
            }
        }
        false
    }

    // The registered nodes right below one that are in the organization asked about.
    fn inside(&self, node: Option<NodeId>) -> Vec<NodeId> {
        let organization = self.path.steps()[0].id;
        let slot = node.and_then(|node| self.rules.view.node_slot(node));
        let children = slot.into_iter().flat_map(|slot| slot.children.values().copied());
        children.filter(|child| self.rules.view.node_slot(*child).map(|slot| slot.organization) == organization).collect()
    }
}

/// What narrows a binding: its own component map and its partnership's.
pub(crate) struct Cut<'v> {
    pub(crate) bound: &'v Bound,
    pub(crate) partnership: Option<&'v Partnership>,
}

impl Cut<'_> {
    pub(crate) fn leaves(&self, model: &RoleModel, permission: &Permission) -> bool {
        let maps = [self.bound.components.as_deref(), self.partnership.and_then(|partnership| partnership.components.as_ref())];
        if maps.iter().all(Option::is_none) {
            return true;
        }
        let Some(component) = model.components().get(usize::from(permission.component)) else { return false };
        component.reserved
            || maps.into_iter().flatten().all(|map| map.get(&component.id).copied().unwrap_or(Level::None) >= permission.level)
    }
}

/// What a question says that gives none.
pub(crate) fn no_attributes() -> &'static BTreeMap<String, Value> {
    static NONE: BTreeMap<String, Value> = BTreeMap::new();
    &NONE
}

pub(crate) fn rules<'v>(view: &'v View, path: &Path, now: Timestamp) -> Option<Rules<'v>> {
    // Its own organization is registered: an unregistered one ends the path before a root.
    path.is_complete().then_some(())?;
    Some(Rules { view, installed: path.installed(view)?, now })
}

fn check_attributes(model: &RoleModel, node_type: TypeIndex, attributes: &BTreeMap<String, Value>) -> Result<(), Invalid> {
    for (attribute, value) in attributes {
        let declared = model.node_type(node_type).and_then(|node_type| Some((node_type, node_type.attributes.get(attribute)?)));
        match declared {
            Some((_, (value_type, AttributeSource::Request))) => {
                if !is_of_type(value, *value_type) {
                    return Err(Invalid::AttributeType { attribute: attribute.clone(), expected: type_word(*value_type) });
                }
            }
            _ => {
                let node_type = model.node_type(node_type).or(model.node_type(ORGANIZATION)).map(|node_type| node_type.id.clone());
                return Err(Invalid::UnknownAttribute { attribute: attribute.clone(), node_type: node_type.unwrap_or_default() });
            }
        }
    }
    Ok(())
}
