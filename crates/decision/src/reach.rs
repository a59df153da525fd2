//! On which organizations, workspaces and accounts a user has a permission: the "Workspaces page", an agency's view across its customers.
//!
//! Not by trying every node: only what lies where a binding of the user's reaches is a candidate, and each candidate is decided as any
//! question is. Finding where bindings reach costs their number and that of the customer organizations they reach into.

#[cfg(test)]
mod tests;

use std::{
    cmp::Reverse,
    collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap},
    ops::Bound,
    sync::Arc,
};

use crate::{
    decide::{Question, no_attributes},
    decision::Outcome,
    model::{ACCOUNT, ORGANIZATION, PermissionIndex, RoleIndex, RoleModel, TypeIndex, WORKSPACE},
    name::{NodeName, UserName},
    path::Path,
    record::Timestamp,
    slot::{Installed, NodeId, NodeSlot},
    standing::{HeldRole, Rules, Subject},
    view::{View, container_index},
};

/// So many candidates are decided about for one page, before it is returned short.
const MOST_TRIED: usize = 5_000;

/// A type of node that can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Container {
    /// Organizations, customers too.
    Organization,
    /// Workspaces.
    Workspace,
    /// Accounts.
    Account,
}

impl Container {
    /// By its id: `organization`, `workspace` or `account`.
    pub fn parse(id: &str) -> Option<Self> {
        match id {
            "organization" => Some(Self::Organization),
            "workspace" => Some(Self::Workspace),
            "account" => Some(Self::Account),
            _ => None,
        }
    }

    fn node_type(self) -> TypeIndex {
        match self {
            Self::Organization => ORGANIZATION,
            Self::Workspace => WORKSPACE,
            Self::Account => ACCOUNT,
        }
    }
}

/// Which nodes are listed, and which part of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The type of the nodes.
    pub container: Container,
    /// Only this node and what is below it, customers included.
    pub under: Option<&'a NodeName>,
    /// Only names after this.
    pub after: Option<&'a str>,
    /// At most so many.
    pub limit: usize,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reached {
    /// Names, ascending as bytes.
    pub names: Vec<NodeName>,
    /// The list goes on after this name; `None`: it ends here. There may be fewer names than asked for, and yet more.
    pub next: Option<NodeName>,
}

/// The registered nodes on which the unconditional verdict is ALLOW. The same, whatever the pages, as trying every node; where a tree's
/// role model does not have the permission, nobody has it.
pub fn resources(view: &View, user: &UserName, permission: &str, scope: &Scope<'_>, now: Timestamp) -> Reached {
    let slot = view.user_id(user).and_then(|id| view.user_slot(id));
    let Some(slot) = slot.filter(|slot| slot.record.as_ref().is_some_and(|user| !user.suspended)) else { return Reached::default() };
    let subject = Subject::of(view, slot);
    let mut areas = Areas::new(view, scope);
    Spread::new(view, permission, now).of_subject(&subject, &mut areas);
    let may = |name: &NodeName| {
        let Ok(Some(question)) = Question::open(view, name, no_attributes(), now) else { return false };
        let Some(index) = question.rules.installed.model.permission(permission) else { return false };
        matches!(question.decide_of(&subject, index).outcome, Outcome::Allow(_))
    };
    page(areas.candidates(), scope.limit, may)
}

/// Every registered node, whoever asks; deleted ones too.
pub fn all(view: &View, scope: &Scope<'_>) -> Reached {
    let mut areas = Areas::new(view, scope);
    let Some(under) = scope.under else {
        let names = view.containers(scope.container.node_type()).into_iter().flat_map(|names| after(names, scope.after));
        return page(names.filter_map(|(_, id)| view.node_slot(*id)), scope.limit, |_| true);
    };
    if let Some(id) = view.node_id(under.as_str()) {
        areas.add_below(id, true);
    }
    page(areas.candidates(), scope.limit, |_| true)
}

fn page<'v>(candidates: impl Iterator<Item = &'v NodeSlot>, limit: usize, may: impl Fn(&NodeName) -> bool) -> Reached {
    let mut reached = Reached::default();
    let mut last = None;
    for (tried, slot) in candidates.enumerate() {
        if tried >= MOST_TRIED {
            reached.next = last;
            break;
        }
        if may(&slot.name) {
            if reached.names.len() >= limit {
                reached.next = reached.names.last().cloned();
                break;
            }
            reached.names.push(slot.name.clone());
        }
        last = Some(slot.name.clone());
    }
    reached
}

type Names = imbl::OrdMap<Arc<str>, NodeId>;

fn after<'n>(names: &'n Names, after: Option<&str>) -> impl Iterator<Item = (&'n Arc<str>, &'n NodeId)> + use<'n> {
    names.range::<_, str>((after.map_or(Bound::Unbounded, Bound::Excluded), Bound::Unbounded))
}

/// Those that begin with a text.
fn within<'n>(names: &'n Names, prefix: String, after: Option<&str>) -> impl Iterator<Item = (&'n Arc<str>, &'n NodeId)> + use<'n> {
    let from = match after {
        Some(after) if after >= prefix.as_str() => Bound::Excluded(after),
        Some(_) | None => Bound::Included(prefix.as_str()),
    };
    names.range::<_, str>((from, Bound::Unbounded)).take_while(move |(name, _)| name.starts_with(&prefix))
}

/// Where in one organization there may be something.
#[derive(Default)]
struct Area {
    /// Everywhere.
    whole: bool,
    /// The organization itself.
    itself: bool,
    workspaces: BTreeSet<NodeId>,
    accounts: BTreeSet<NodeId>,
}

/// Where there may be something, by organization.
struct Areas<'v, 's> {
    view: &'v View,
    scope: &'s Scope<'s>,
    under: Option<Path>,
    // By the text that the candidates' names begin with.
    found: BTreeMap<String, (NodeId, Area)>,
}

impl<'v, 's> Areas<'v, 's> {
    fn new(view: &'v View, scope: &'s Scope<'s>) -> Self {
        Self { view, scope, under: scope.under.map(|under| Path::of(view, under)), found: BTreeMap::new() }
    }

    fn area(&mut self, organization: NodeId) -> Option<&mut Area> {
        let name = &self.view.node_slot(organization)?.name;
        let key = match self.scope.container {
            Container::Organization => name.to_string(),
            Container::Workspace | Container::Account => format!("{name}/"),
        };
        Some(&mut self.found.entry(key).or_insert_with(|| (organization, Area::default())).1)
    }

    /// Whether a node is what is asked about, or below it.
    fn is_under(&self, name: &NodeName) -> bool {
        let Some(under) = &self.under else { return true };
        let wanted = under.steps().first().and_then(|step| step.id);
        wanted.is_some() && Path::of(self.view, name).steps().iter().any(|step| step.id == wanted)
    }

    /// An organization for itself.
    fn add_itself(&mut self, organization: NodeId) {
        let Some(slot) = self.view.node_slot(organization) else { return };
        if self.is_under(&slot.name)
            && let Some(area) = self.area(organization)
        {
            area.itself = true;
        }
    }

    /// What is at or below a node in its organization; with `customers`, in customer organizations below too.
    fn add_below(&mut self, node: NodeId, customers: bool) {
        let Some(slot) = self.view.node_slot(node) else { return };
        let within = self.under.as_ref().and_then(|under| under.steps().iter().position(|step| step.id == Some(node)).map(|_| under));
        match within {
            // The node is above what is asked about, or that itself: only from there on.
            Some(under) => {
                let first = under.steps().first().and_then(|step| step.id).and_then(|id| self.view.node_slot(id).map(|slot| (id, slot)));
                if let Some((id, first)) = first
                    && (customers || first.organization == slot.organization)
                {
                    self.add(id, first, customers);
                }
            }
            None if self.is_under(&slot.name) => self.add(node, slot, customers),
            None => {}
        }
    }

    fn add(&mut self, node: NodeId, slot: &'v NodeSlot, customers: bool) {
        // A leaf has nothing below, and is not listed.
        let Some(node_type) = container_index(&slot.name) else { return };
        let Some(area) = self.area(slot.organization) else { return };
        let mut below: Vec<NodeId> = Vec::new();
        match node_type {
            ORGANIZATION => {
                area.whole = true;
                below.extend(&slot.customers);
            }
            WORKSPACE => {
                area.workspaces.insert(node);
                if customers {
                    below.extend(slot.children.values());
                }
            }
            _ => drop(area.accounts.insert(node)),
        }
        if !customers {
            return;
        }
        let mut seen = BTreeSet::new();
        while let Some(id) = below.pop() {
            let Some(slot) = self.view.node_slot(id).filter(|slot| container_index(&slot.name) == Some(ORGANIZATION)) else { continue };
            if !seen.insert(id) {
                continue;
            }
            below.extend(&slot.customers);
            if let Some(area) = self.area(id) {
                area.whole = true;
            }
        }
    }

    /// The registered nodes there, ascending by name.
    fn candidates(&self) -> impl Iterator<Item = &'v NodeSlot> {
        self.found.iter().flat_map(|(prefix, (organization, area))| self.of_area(prefix, *organization, area))
    }

    fn of_area(&self, prefix: &str, organization: NodeId, area: &Area) -> Box<dyn Iterator<Item = &'v NodeSlot> + 'v> {
        let view = self.view;
        let (node_type, after) = (self.scope.container.node_type(), self.scope.after.map(str::to_owned));
        let is_after = move |slot: &&NodeSlot| after.as_deref().is_none_or(|after| slot.name.as_str() > after);
        let registered = move |id: NodeId| view.node_slot(id).filter(|slot| slot.record.is_some());
        match self.scope.container {
            Container::Organization if area.whole || area.itself => Box::new(registered(organization).into_iter().filter(is_after)),
            Container::Organization => Box::new(std::iter::empty()),
            Container::Workspace | Container::Account if area.whole => {
                let names = view.containers(node_type).map(|names| within(names, prefix.to_owned(), self.scope.after));
                Box::new(names.into_iter().flatten().filter_map(move |(_, id)| view.node_slot(*id)))
            }
            Container::Workspace => {
                let mut slots: Vec<&'v NodeSlot> = area.workspaces.iter().filter_map(|id| registered(*id)).filter(is_after).collect();
                slots.sort_unstable_by(|a, b| a.name.cmp(&b.name));
                Box::new(slots.into_iter())
            }
            Container::Account => {
                let accounts_of = format!("{prefix}accounts/");
                let of_workspace = |id: &NodeId| {
                    let slot = view.node_slot(*id)?;
                    Some(within(&slot.children, accounts_of.clone(), self.scope.after).map(|(_, id)| *id))
                };
                let alone = area.accounts.iter().filter_map(|id| registered(*id)).filter(is_after);
                let mut alone: Vec<(&'v NodeName, NodeId)> =
                    alone.filter_map(|slot| Some((&slot.name, view.node_id(slot.name.as_str())?))).collect();
                alone.sort_unstable();
                let mut streams: Vec<Box<dyn Iterator<Item = NodeId> + 'v>> = vec![Box::new(alone.into_iter().map(|(_, id)| id))];
                streams.extend(area.workspaces.iter().filter_map(of_workspace).map(|ids| Box::new(ids) as Box<_>));
                Box::new(Merge::of(view, streams))
            }
        }
    }
}

/// Several ascending lists as one, each node once.
struct Merge<'v> {
    view: &'v View,
    streams: Vec<Box<dyn Iterator<Item = NodeId> + 'v>>,
    heads: BinaryHeap<Reverse<(&'v str, NodeId, usize)>>,
    last: Option<NodeId>,
}

impl<'v> Merge<'v> {
    fn of(view: &'v View, streams: Vec<Box<dyn Iterator<Item = NodeId> + 'v>>) -> Self {
        let mut merge = Self { view, heads: BinaryHeap::with_capacity(streams.len()), streams, last: None };
        (0..merge.streams.len()).for_each(|stream| merge.advance(stream));
        merge
    }

    fn advance(&mut self, stream: usize) {
        let next = self.streams.get_mut(stream).and_then(Iterator::next);
        if let Some((id, slot)) = next.and_then(|id| Some((id, self.view.node_slot(id)?))) {
            self.heads.push(Reverse((slot.name.as_str(), id, stream)));
        }
    }
}

impl<'v> Iterator for Merge<'v> {
    type Item = &'v NodeSlot;

    fn next(&mut self) -> Option<Self::Item> {
        while let Some(Reverse((_, id, stream))) = self.heads.pop() {
            self.advance(stream);
            if self.last != Some(id) {
                self.last = Some(id);
                return self.view.node_slot(id);
            }
        }
        None
    }
}

/// Where a role can give what is wanted, from the node on at which it is held.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Spans {
    /// At or below it in its organization.
    here: bool,
    /// In customer organizations below.
    customers: bool,
    /// On the organization above.
    upward: bool,
}

/// A role model, and the permissions of it by which the one asked for can be given, gates aside.
struct InModel<'v> {
    model: &'v RoleModel,
    wanted: Vec<PermissionIndex>,
    roles: HashMap<RoleIndex, Spans>,
}

/// Finds where the bindings of a user can give a permission.
struct Spread<'v, 'q> {
    view: &'v View,
    permission: &'q str,
    now: Timestamp,
    // By model and revision.
    models: HashMap<(&'v str, u32), Option<InModel<'v>>>,
}

impl<'v, 'q> Spread<'v, 'q> {
    fn new(view: &'v View, permission: &'q str, now: Timestamp) -> Self {
        Self { view, permission, now, models: HashMap::new() }
    }

    fn of_subject(&mut self, subject: &Subject<'v>, areas: &mut Areas<'v, '_>) {
        for (bindings, _) in &subject.sources {
            for ((_, node), list) in *bindings {
                let Some(slot) = self.view.node_slot(*node) else { continue };
                let path = Path::of(self.view, &slot.name);
                let Some(rules) = crate::decide::rules(self.view, &path, self.now) else { continue };
                let mut spans = Spans::default();
                for bound in list.iter() {
                    let Ok(standing) = rules.standing(subject, &path, 0, bound) else { continue };
                    let of_role = match standing.role {
                        HeldRole::System(index, _) => self.of_role(&rules, index),
                        // Usable only inside its organization, and nothing upward.
                        HeldRole::Custom(_) => Spans { here: true, ..Spans::default() },
                    };
                    spans = spans.or(of_role);
                }
                if spans.here || spans.customers {
                    areas.add_below(*node, spans.customers);
                }
                if spans.upward {
                    areas.add_itself(slot.organization);
                }
            }
        }
    }

    fn of_role(&mut self, rules: &Rules<'v>, index: RoleIndex) -> Spans {
        let Installed { model, revision, .. } = rules.installed;
        let permission = self.permission;
        let in_model = self.models.entry((model.id(), *revision)).or_insert_with(|| InModel::of(model, permission));
        in_model.as_mut().map(|in_model| in_model.spans(index, 0)).unwrap_or_default()
    }
}

impl Spans {
    fn or(self, other: Self) -> Self {
        Self { here: self.here || other.here, customers: self.customers || other.customers, upward: self.upward || other.upward }
    }
}

impl<'v> InModel<'v> {
    fn of(model: &'v RoleModel, permission: &str) -> Option<Self> {
        let mut wanted = vec![model.permission(permission)?];
        let mut at = 0;
        while let Some(index) = wanted.get(at).copied() {
            at += 1;
            for implying in model.permissions().get(usize::from(index)).into_iter().flat_map(|permission| &permission.implied_by) {
                if !wanted.contains(implying) {
                    wanted.push(*implying);
                }
            }
        }
        Some(Self { model, wanted, roles: HashMap::new() })
    }

    fn spans(&mut self, index: RoleIndex, depth: usize) -> Spans {
        if let Some(known) = self.roles.get(&index) {
            return *known;
        }
        let model = self.model;
        // Roles imply each other in no circle (validated), so never deeper than there are roles.
        let Some(role) = model.roles().get(usize::from(index)).filter(|_| depth <= model.roles().len()) else { return Spans::default() };
        let mut spans = Spans { upward: self.wanted.iter().any(|permission| role.upward.contains(permission)), ..Spans::default() };
        for hit in self.wanted.iter().flat_map(|permission| role.hits(*permission)) {
            spans.here = true;
            spans.customers |= role.grants.get(usize::from(hit.grant)).is_some_and(|grant| grant.through_customers);
        }
        for (implied, through_customers) in &role.implies {
            let below = self.spans(*implied, depth + 1);
            let anywhere = below.here || below.customers || below.upward;
            // What an implied role gives upward is on an organization at or below the node, or on the node's own.
            spans.here |= anywhere;
            spans.customers |= below.customers || (*through_customers && anywhere);
            spans.upward |= below.upward;
        }
        self.roles.insert(index, spans);
        spans
    }
}
