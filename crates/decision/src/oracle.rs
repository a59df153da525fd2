//! The decision once more, written naively from DESIGN §3 and the crate's Readings: over a plain list of records, quadratic and obvious on
//! purpose. It shares no code with the fast engine beyond the words (names, records, documents, decisions), the table of
//! reserved permissions, the validation of documents and the evaluation of one condition. For tests only.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use crate::{
    condition::{self, Verdict},
    decision::{ConditionError, Decision, GrantRef, Invalid, Outcome, Query, Reason},
    document::{
        Attribute, AttributeSource, ConditionUse, Document, Grant, Level, MapRule, Needs, OrganizationScope, Permission, PrincipalKind,
        Role, Unset,
    },
    name::{GroupName, NodeKind, NodeName, PartnershipName, Principal, RoleName, RoleOwner, Sponsor, UserName},
    record::{
        Binding, CustomRole, GroupEdge, GroupMember, Member, ModelRevision, Node, NodeState, Partnership, Record, Timestamp, User, Value,
    },
    reserved,
    validate::validate,
};

/// Decides one query. Where many are decided on one world, [`Oracle`] judges its role models once.
///
/// # Errors
///
/// As the engine's.
pub fn decide(world: &[Record], query: &Query, now: Timestamp) -> Result<Decision, Invalid> {
    Oracle::new(world).decide(query, now)
}

/// A world: each key's latest record, in any order. Every question goes through whole lists of records.
#[derive(Debug, Default)]
pub struct Oracle<'w> {
    nodes: Vec<&'w Node>,
    users: Vec<&'w User>,
    members: Vec<&'w Member>,
    group_edges: Vec<&'w GroupEdge>,
    partnerships: Vec<&'w Partnership>,
    bindings: Vec<&'w Binding>,
    custom_roles: Vec<&'w CustomRole>,
    /// The revisions that validate, with their conditions by id.
    models: Arc<Vec<(&'w ModelRevision, BTreeMap<&'w str, condition::Condition>)>>,
}

impl<'w> Oracle<'w> {
    /// Sorts a world's records by what they are, validates its role models and compiles their conditions; all else is looked at when
    /// it is asked for.
    pub fn new(world: &'w [Record]) -> Self {
        let mut oracle = Self::default();
        let mut models = Vec::new();
        for record in world {
            oracle.add(record);
            if let Record::ModelRevision(revision) = record
                && validate(&revision.document).is_empty()
            {
                let conditions = revision.document.conditions.iter();
                let compiled = conditions.filter_map(|source| Some((source.id.as_str(), condition::Condition::compile(source).ok()?)));
                models.push((revision, compiled.collect()));
            }
        }
        oracle.models = Arc::new(models);
        oracle
    }

    fn add(&mut self, record: &'w Record) {
        match record {
            Record::Node(node) => self.nodes.push(node),
            Record::User(user) => self.users.push(user),
            Record::Member(member) => self.members.push(member),
            Record::GroupEdge(edge) => self.group_edges.push(edge),
            Record::Partnership(partnership) => self.partnerships.push(partnership),
            Record::Binding(binding) => self.bindings.push(binding),
            Record::CustomRole(role) => self.custom_roles.push(role),
            Record::ModelRevision(_) => {}
        }
    }

    /// Another world with the same role models; those of `world` are not looked at.
    pub fn beside(&self, world: &'w [Record]) -> Self {
        let others = world.iter().filter(|record| !matches!(record, Record::ModelRevision(_)));
        let mut oracle = Self { models: self.models.clone(), ..Self::default() };
        others.for_each(|record| oracle.add(record));
        oracle
    }

    /// Decides one query.
    ///
    /// # Errors
    ///
    /// As the engine's.
    pub fn decide(&self, query: &Query, now: Timestamp) -> Result<Decision, Invalid> {
        let unknown = || Ok(deny(Reason::ResourceUnknown));
        let Some(root) = self.root(&query.resource.organization()) else { return unknown() };
        let Some((model, pinned)) = self.node(&root).and_then(|node| node.model.as_ref()) else { return unknown() };
        let Some((revision, conditions)) = self.models.iter().find(|(r, _)| r.model == *model && r.revision == *pinned) else {
            return unknown();
        };
        let document = &revision.document;

        if !has_permission(document, &query.permission) {
            let retired =
                |(r, _): &(&ModelRevision, _)| r.model == *model && r.revision < *pinned && has_permission(&r.document, &query.permission);
            if self.models.iter().any(retired) {
                return Ok(deny(Reason::PermissionRetired));
            }
            return Err(Invalid::UnknownPermission { permission: query.permission.clone(), model: model.clone() });
        }
        let Some(node_type) = type_of(document, &query.resource) else {
            let collection = match query.resource.kind() {
                NodeKind::Leaf { collection } => collection.to_owned(),
                NodeKind::Organization | NodeKind::Workspace | NodeKind::Account => String::new(),
            };
            return Err(Invalid::UnknownCollection { collection, resource: query.resource.clone(), model: model.clone() });
        };
        for (id, value) in &query.attributes {
            let declared = attributes(document, node_type).iter().find(|a| a.id == *id && a.source == AttributeSource::Request);
            let Some(declared) = declared else {
                return Err(Invalid::UnknownAttribute { attribute: id.clone(), node_type: node_type.to_owned() });
            };
            if !condition::is_of_type(value, declared.value_type) {
                return Err(Invalid::AttributeType { attribute: id.clone(), expected: condition::type_word(declared.value_type) });
            }
        }

        let asked = Asked { oracle: self, model, document, conditions, now, path: self.path(&query.resource), node_type, query };
        Ok(asked.decide())
    }

    // The world.

    fn node(&self, name: &NodeName) -> Option<&'w Node> {
        self.nodes.iter().copied().find(|node| node.name == *name)
    }

    /// What stands directly above; `None` for a root and for what is not known.
    fn parent(&self, name: &NodeName) -> Option<NodeName> {
        if let Some(container) = name.leaf_parent() {
            return Some(container);
        }
        let field = self.node(name).and_then(|node| node.parent.clone()).filter(|parent| parent.kind() == NodeKind::Workspace);
        match name.kind() {
            NodeKind::Organization => field,
            NodeKind::Account => {
                Some(field.filter(|parent| parent.organization() == name.organization()).unwrap_or_else(|| name.organization()))
            }
            NodeKind::Workspace | NodeKind::Leaf { .. } => Some(name.organization()),
        }
    }

    /// A node and everything above it, itself first; ends where it would go in a circle.
    fn path(&self, name: &NodeName) -> Vec<NodeName> {
        let mut path = vec![name.clone()];
        let mut at = name.clone();
        while let Some(parent) = self.parent(&at) {
            if path.contains(&parent) {
                break;
            }
            path.push(parent.clone());
            at = parent;
        }
        path
    }

    /// The root of an organization's tree, if everything from the organization up to it is registered.
    fn root(&self, organization: &NodeName) -> Option<NodeName> {
        let path = self.path(organization);
        let root = path.last()?;
        (path.iter().all(|name| self.node(name).is_some()) && self.parent(root).is_none()).then(|| root.clone())
    }

    /// A node at which nothing counts (Reading 3).
    fn is_void(&self, name: &NodeName) -> bool {
        self.root(&name.organization()).is_none()
            || self.path(name).iter().any(|name| match self.node(name) {
                Some(node) => node.state != NodeState::Active,
                None => name.is_container(),
            })
    }

    fn is_customer(&self, organization: &NodeName) -> bool {
        self.parent(organization).is_some()
    }

    fn user_is_active(&self, user: &UserName) -> bool {
        self.users.iter().any(|known| known.name == *user && !known.suspended)
    }

    /// Whether the user is confined to an organization that is not on the node's path.
    fn is_confined_away(&self, user: &UserName, node: &NodeName) -> bool {
        let home = self.users.iter().find(|known| known.name == *user).and_then(|known| known.confined_to.as_ref());
        home.is_some_and(|home| !self.path(node).contains(home))
    }

    fn is_active_member(&self, user: &UserName, organization: &NodeName) -> bool {
        let is = |member: &Member| member.name.id() == user.id() && member.name.organization() == *organization && !member.suspended;
        self.user_is_active(user) && self.members.iter().any(|member| is(member))
    }

    /// Whether group edges lead from a group to the user.
    fn group_reaches(&self, group: &GroupName, user: &UserName) -> bool {
        let mut groups = vec![group];
        let mut next = 0;
        while let Some(group) = groups.get(next).copied() {
            next += 1;
            for edge in &self.group_edges {
                match &edge.member {
                    GroupMember::User(member) if edge.group == *group && member == user => return true,
                    GroupMember::Group(member) if edge.group == *group && !groups.contains(&member) => groups.push(member),
                    GroupMember::User(_) | GroupMember::Group(_) => {}
                }
            }
        }
        false
    }

    fn partnership(&self, name: &PartnershipName) -> Option<&'w Partnership> {
        self.partnerships.iter().copied().find(|partnership| partnership.name == *name)
    }

    /// Whether the binding is one for this user: Reading 7 without the sponsor.
    fn principal_includes(&self, binding: &Binding, user: &UserName) -> bool {
        let includes = match &binding.principal {
            Principal::User(name) => name == user,
            Principal::Group(group) => self.is_active_member(user, &group.organization()) && self.group_reaches(group, user),
            Principal::Organization(organization) => self.is_active_member(user, organization),
            Principal::Anyone => true,
        };
        let needs_membership = binding.sponsor.is_none() && binding.principal != Principal::Anyone;
        self.user_is_active(user) && includes && (!needs_membership || self.is_active_member(user, &binding.node.organization()))
    }

    fn sponsor_is_live(&self, sponsor: &Sponsor, binding: &Binding, user: &UserName, now: Timestamp) -> bool {
        let organization = binding.node.organization();
        match sponsor {
            Sponsor::Partnership(name) => self.partnership(name).is_some_and(|partnership| {
                partnership.accepted
                    && partnership.expires.is_none_or(|expires| now < expires)
                    && partnership.name.organization() == organization
                    && partnership.node.organization() == organization
                    && self.path(&binding.node).contains(&partnership.node)
                    && partnership.roles.contains(&binding.role)
                    && partnership.users.as_ref().is_none_or(|users| users.contains(user))
                    && !self.is_void(&partnership.partner)
                    && self.is_active_member(user, &partnership.partner)
            }),
            Sponsor::Workspace(workspace) => {
                self.path(&organization).iter().skip(1).any(|above| above == workspace)
                    && !self.is_void(workspace)
                    && self.is_active_member(user, &workspace.organization())
            }
        }
    }
}

fn deny(reason: Reason) -> Decision {
    Decision { outcome: Outcome::Deny(reason), condition_errors: Vec::new() }
}

// The document.

fn has_permission(document: &Document, id: &str) -> bool {
    reserved::permission(id).is_some() || document.permissions.iter().any(|permission| permission.id == id)
}

fn declared<'d>(document: &'d Document, id: &str) -> Option<&'d Permission> {
    document.permissions.iter().find(|permission| permission.id == id)
}

fn component(permission: &str) -> &str {
    permission.split('.').next().unwrap_or_default()
}

fn level(document: &Document, id: &str) -> Level {
    match reserved::permission(id) {
        Some(reserved) => reserved.level,
        None => declared(document, id).map_or(Level::Edit, |permission| permission.level),
    }
}

fn applies_to(document: &Document, id: &str, node_type: &str) -> bool {
    match declared(document, id) {
        Some(permission) if !permission.types.is_empty() => permission.types.iter().any(|listed| listed == node_type),
        _ => reserved::permission(id).is_some_and(|reserved| reserved.types.include(node_type)),
    }
}

/// The type of a node by its name; `None` if the model declares no such leaf there.
fn type_of<'d>(document: &'d Document, name: &NodeName) -> Option<&'d str> {
    let collection = match name.kind() {
        NodeKind::Organization => return Some("organization"),
        NodeKind::Workspace => return Some("workspace"),
        NodeKind::Account => return Some("account"),
        NodeKind::Leaf { collection } => collection,
    };
    let container = type_of(document, &name.leaf_parent()?)?;
    let rule = document.types.iter().find(|rule| rule.collection == collection)?;
    rule.parents.iter().any(|parent| parent == container).then_some(rule.id.as_str())
}

fn attributes<'d>(document: &'d Document, node_type: &str) -> &'d [Attribute] {
    document.types.iter().find(|rule| rule.id == node_type).map_or(&[], |rule| &rule.attributes)
}

/// What counts of a role, system or custom.
#[derive(Clone, Copy)]
struct Held<'a> {
    held_at: &'a str,
    grants: &'a [Grant],
    /// `None` for a custom role.
    system: Option<&'a Role>,
}

/// One grant of one binding for the query: at which distance, and under which conditions.
struct Given<'a> {
    distance: usize,
    binding: &'a Binding,
    conditions: Vec<&'a ConditionUse>,
}

/// A query that makes sense, with all that it is decided by.
struct Asked<'a, 'w> {
    oracle: &'a Oracle<'w>,
    model: &'a str,
    document: &'a Document,
    conditions: &'a BTreeMap<&'w str, condition::Condition>,
    now: Timestamp,
    /// From the resource to the root.
    path: Vec<NodeName>,
    node_type: &'a str,
    query: &'a Query,
}

impl<'a> Asked<'a, '_> {
    fn decide(&self) -> Decision {
        if let Some(reason) = self.gate() {
            return deny(reason);
        }
        let mut allowed: Vec<(usize, &Binding)> = Vec::new();
        let mut conditional = BTreeSet::new();
        let mut errors = BTreeMap::new();
        for given in self.given() {
            let verdicts: Vec<(&str, Verdict)> = given.conditions.iter().map(|used| (used.id.as_str(), self.judge(used))).collect();
            if verdicts.iter().any(|(_, verdict)| *verdict == Verdict::False) {
                continue;
            }
            let mut failed = false;
            let mut missing = BTreeSet::new();
            for (condition, verdict) in verdicts {
                match verdict {
                    Verdict::Error(message) => {
                        failed = true;
                        errors.insert((given.binding.name.clone(), condition.to_owned()), message);
                    }
                    Verdict::Missing(attributes) => missing.extend(attributes),
                    Verdict::True | Verdict::False => {}
                }
            }
            if failed {
                continue;
            }
            if missing.is_empty() {
                allowed.push((given.distance, given.binding));
            } else {
                conditional.insert(missing);
            }
        }
        let nearest = allowed.into_iter().min_by(|a, b| (a.0, a.1.name.as_str()).cmp(&(b.0, b.1.name.as_str())));
        if let Some((_, binding)) = nearest {
            let grant = GrantRef { binding: binding.name.clone(), role: binding.role.clone(), node: binding.node.clone() };
            return Decision { outcome: Outcome::Allow(grant), condition_errors: Vec::new() };
        }
        let outcome = if conditional.is_empty() { Outcome::Deny(Reason::NoGrant) } else { Outcome::Conditional(conditional) };
        let condition_errors =
            errors.into_iter().map(|((binding, condition), message)| ConditionError { binding, condition, message }).collect();
        Decision { outcome, condition_errors }
    }

    // Gates.

    fn gate(&self) -> Option<Reason> {
        let permission = &self.query.permission;
        self.permission_gate(permission)
            .or_else(|| self.user_gate())
            .or_else(|| self.node_gate())
            .or_else(|| self.needs_gate(permission))
            .or_else(|| self.ceiling_gate(permission))
    }

    /// Not available, not for this type, not for this kind.
    fn permission_gate(&self, permission: &str) -> Option<Reason> {
        let declared = declared(self.document, permission);
        if declared.is_some_and(|permission| permission.nobody) {
            return Some(Reason::NotAvailable);
        }
        if !applies_to(self.document, permission, self.node_type) {
            return Some(Reason::TypeNotApplicable);
        }
        let kind = self.oracle.node(&self.organization()).map(|node| node.kind.as_str());
        let kinds = declared.map_or(&[][..], |permission| &permission.kinds);
        (!kinds.is_empty() && !kinds.iter().any(|listed| Some(listed.as_str()) == kind)).then_some(Reason::KindNotApplicable)
    }

    fn user_gate(&self) -> Option<Reason> {
        let user = self.oracle.users.iter().find(|user| user.name == self.query.user);
        match user {
            None => Some(Reason::UserUnknown),
            Some(user) if user.suspended => Some(Reason::UserSuspended),
            Some(_) => None,
        }
    }

    fn node_gate(&self) -> Option<Reason> {
        self.path_inside().find_map(|name| match self.oracle.node(name).map(|node| node.state) {
            None if name.is_container() => Some(Reason::NodeUnknown(name.clone())),
            None | Some(NodeState::Active) => None,
            Some(NodeState::Deleted) => Some(Reason::NodeDeleted(name.clone())),
            Some(NodeState::Suspended) => Some(Reason::NodeSuspended(name.clone())),
        })
    }

    fn needs_gate(&self, permission: &str) -> Option<Reason> {
        let Needs { active_account, organization_has } = &declared(self.document, permission)?.needs;
        if *active_account {
            let paused = |name: &&NodeName| name.kind() == NodeKind::Account && self.oracle.node(name).is_some_and(|node| node.paused);
            if let Some(account) = self.path_inside().find(paused) {
                return Some(Reason::AccountPaused(account.clone()));
            }
        }
        let held = organization_has.is_empty()
            || self.oracle.bindings.iter().copied().any(|binding| {
                let role = organization_has.iter().any(|id| RoleName::system(self.model, id).as_ref() == Some(&binding.role));
                let user = match &binding.principal {
                    Principal::User(user) => Some(user),
                    Principal::Group(_) | Principal::Organization(_) | Principal::Anyone => None,
                };
                role && binding.node == self.organization()
                    && binding.condition.is_none()
                    && user.is_some_and(|user| self.live(binding, user, &[]).is_some())
            });
        (!held).then(|| Reason::RoleHolderMissing(organization_has.clone()))
    }

    fn ceiling_gate(&self, permission: &str) -> Option<Reason> {
        let component = component(permission);
        if reserved::is_component(component) {
            return None;
        }
        let closes = |name: &&NodeName| match self.oracle.node(name).and_then(|node| node.ceiling.as_ref()) {
            Some(ceiling) => !ceiling.contains(component),
            None => {
                name.kind() == NodeKind::Organization && self.oracle.is_customer(name) && self.document.ceilings.unset == Unset::Nothing
            }
        };
        self.path.iter().find(closes).map(|name| Reason::AboveCeiling(name.clone()))
    }

    fn organization(&self) -> NodeName {
        self.query.resource.organization()
    }

    /// The path up to the resource's organization.
    fn path_inside(&self) -> impl Iterator<Item = &NodeName> {
        self.path.iter().filter(|name| name.organization() == self.organization())
    }

    // Grants.

    /// The asked permission and those that, granted here, bring it along (Reading 13).
    fn bringing(&self) -> BTreeSet<&str> {
        let mut bringing = BTreeSet::from([self.query.permission.as_str()]);
        loop {
            let more: Vec<&str> = self
                .document
                .permissions
                .iter()
                .filter(|permission| permission.implies.iter().any(|implied| bringing.contains(implied.as_str())))
                .map(|permission| permission.id.as_str())
                .filter(|id| self.permission_gate(id).is_none() && self.needs_gate(id).is_none() && self.ceiling_gate(id).is_none())
                .filter(|id| !bringing.contains(id))
                .collect();
            if more.is_empty() {
                return bringing;
            }
            bringing.extend(more);
        }
    }

    /// Every grant of every binding that gives the user the permission on the resource.
    fn given(&self) -> Vec<Given<'a>>
    where
        Self: 'a,
    {
        let bringing = self.bringing();
        let user = &self.query.user;
        let mut all = Vec::new();
        for binding in self.oracle.bindings.iter().copied() {
            let Some(role) = self.live(binding, user, &[]) else { continue };
            let mut conditions: Vec<&ConditionUse> = Vec::new();
            conditions.extend(&binding.condition);
            if let Some(distance) = self.path.iter().position(|name| *name == binding.node) {
                for (node, held) in self.holdings(binding, role, user, &self.path, &[]) {
                    for grant in held.grants {
                        let known = grant.condition.as_ref().is_none_or(|used| self.conditions.contains_key(used.id.as_str()));
                        let crosses = node.organization() != self.organization();
                        let may_cross = grant.through_customers && held.system.is_some();
                        let gives = |permission: &&str| self.grant_gives(grant, permission) && self.maps_leave(binding, permission);
                        if known && (!crosses || may_cross) && bringing.iter().any(gives) {
                            let conditions = grant.condition.iter().chain(conditions.iter().copied()).collect();
                            all.push(Given { distance, binding, conditions });
                        }
                    }
                }
            }
            if self.upward_of(binding, role, user).iter().any(|permission| bringing.contains(permission.as_str())) {
                all.push(Given { distance: usize::MAX, binding, conditions });
            }
        }
        all
    }

    /// What a binding gives on the organization asked about from nodes in it (Reading 12).
    fn upward_of(&self, binding: &'a Binding, role: Held<'a>, user: &UserName) -> Vec<&'a String>
    where
        Self: 'a,
    {
        if self.query.resource.kind() != NodeKind::Organization {
            return Vec::new();
        }
        let stands_in = |name: &NodeName| name.organization() == self.query.resource && *name != self.query.resource;
        let mut upward = Vec::new();
        if stands_in(&binding.node) {
            upward.extend(role.system.iter().flat_map(|role| &role.upward));
        }
        for node in &self.oracle.nodes {
            let path = self.oracle.path(&node.name);
            if stands_in(&node.name) && node.name != binding.node && path.contains(&binding.node) {
                let holdings = self.holdings(binding, role, user, &path, &[]);
                let here = holdings.into_iter().filter(|(at, _)| *at == node.name);
                upward.extend(here.filter_map(|(_, held)| held.system).flat_map(|role| &role.upward));
            }
        }
        upward
    }

    /// Reading 9: by its name, its component or everything, on the resource's type.
    fn grant_gives(&self, grant: &Grant, permission: &str) -> bool {
        let (component, level) = (component(permission), level(self.document, permission));
        let by_everything = |everything: &crate::document::Everything| {
            !reserved::is_component(component)
                && !everything.except.iter().any(|left_out| left_out == component)
                && everything.level >= level
        };
        let given = grant.permissions.iter().any(|listed| listed == permission)
            || grant.components.get(component).is_some_and(|up_to| *up_to > Level::None && *up_to >= level)
            || grant.everything.as_ref().is_some_and(by_everything);
        given
            && applies_to(self.document, permission, self.node_type)
            && (grant.types.is_empty() || grant.types.iter().any(|listed| listed == self.node_type))
    }

    /// Whether the binding's component map and its partnership's leave it the permission.
    fn maps_leave(&self, binding: &Binding, permission: &str) -> bool {
        let component = component(permission);
        let leaves = |map: &BTreeMap<String, Level>| {
            reserved::is_component(component) || map.get(component).is_some_and(|up_to| *up_to >= level(self.document, permission))
        };
        let partnership = match &binding.sponsor {
            Some(Sponsor::Partnership(name)) => self.oracle.partnership(name).and_then(|partnership| partnership.components.as_ref()),
            Some(Sponsor::Workspace(_)) | None => None,
        };
        binding.components.as_ref().is_none_or(leaves) && partnership.is_none_or(leaves)
    }

    // Bindings and roles.

    /// The role that a binding gives the user at its node; `None` if it gives nothing. `asking` are the roles and nodes whose
    /// required roles are being looked for.
    fn live(&self, binding: &'a Binding, user: &UserName, asking: &[(&str, &NodeName)]) -> Option<Held<'a>>
    where
        Self: 'a,
    {
        let role = self.role(binding)?;
        let live = binding.expires.is_none_or(|expires| self.now < expires)
            && self.oracle.principal_includes(binding, user)
            && !self.oracle.is_void(&binding.node)
            && !self.oracle.is_confined_away(user, &binding.node)
            && binding.sponsor.as_ref().is_none_or(|sponsor| self.oracle.sponsor_is_live(sponsor, binding, user, self.now))
            && binding.condition.as_ref().is_none_or(|used| self.conditions.contains_key(used.id.as_str()))
            && self.stands_at(role, &binding.node)
            && self.required_is_held(role, &binding.node, user, asking);
        live.then_some(role)
    }

    /// The binding's role, if it is one of this tree and the binding fits it (Reading 8).
    fn role(&self, binding: &'a Binding) -> Option<Held<'a>>
    where
        Self: 'a,
    {
        let (held, principals, map) = match binding.role.owner() {
            RoleOwner::Model(model) => {
                let role = self.document.roles.iter().find(|role| model == self.model && role.id == binding.role.id())?;
                let needed = self.document.permissions.iter().any(|permission| permission.needs.organization_has.contains(&role.id));
                let direct = role.seats.least > 0 || role.seats.most > 0 || !role.exclusive.is_empty() || needed;
                let principals = if direct { &[PrincipalKind::User][..] } else { &role.principals };
                (Held { held_at: &role.held_at, grants: &role.grants, system: Some(role) }, principals, role.component_map)
            }
            RoleOwner::Organization(organization) => {
                let custom = self.document.custom_roles.as_ref()?;
                let role = self.oracle.custom_roles.iter().find(|role| role.name == binding.role)?;
                if organization != binding.node.organization() || !custom.held_at.contains(&role.held_at) {
                    return None;
                }
                (Held { held_at: &role.held_at, grants: &role.grants, system: None }, custom.principals.as_slice(), custom.component_map)
            }
        };
        let kind = match binding.principal {
            Principal::User(_) => PrincipalKind::User,
            Principal::Group(_) => PrincipalKind::Group,
            Principal::Organization(_) => PrincipalKind::Organization,
            Principal::Anyone => PrincipalKind::Anyone,
        };
        let may_hold = if principals.is_empty() { kind != PrincipalKind::Anyone } else { principals.contains(&kind) };
        let map_fits = match map {
            MapRule::Forbidden => binding.components.is_none(),
            MapRule::Optional => true,
            MapRule::Required => binding.components.is_some(),
        };
        (may_hold && map_fits).then_some(held)
    }

    /// Whether a role can be held at a node: its type, and for organizations its scope.
    fn stands_at(&self, role: Held<'_>, node: &NodeName) -> bool {
        let scope = role.system.map_or(OrganizationScope::Any, |role| role.organizations);
        let in_scope = match scope {
            OrganizationScope::Any => true,
            OrganizationScope::Roots => !self.oracle.is_customer(node),
            OrganizationScope::Customers => self.oracle.is_customer(node),
        };
        type_of(self.document, node) == Some(role.held_at) && (node.kind() != NodeKind::Organization || in_scope)
    }

    /// The binding's own role at its node, and every role that it implies, each at its nodes on `path` (Reading 10).
    fn holdings(
        &self,
        binding: &'a Binding,
        role: Held<'a>,
        user: &UserName,
        path: &[NodeName],
        asking: &[(&str, &NodeName)],
    ) -> Vec<(NodeName, Held<'a>)>
    where
        Self: 'a,
    {
        let mut holdings = vec![(binding.node.clone(), role)];
        let mut next = 0;
        while let Some((above, holding)) = holdings.get(next).cloned() {
            next += 1;
            let Some(at) = path.iter().position(|name| *name == above) else { continue };
            for implied in holding.system.iter().flat_map(|role| &role.implies) {
                let Some(role) = self.document.roles.iter().find(|role| role.id == implied.role) else { continue };
                let held = Held { held_at: &role.held_at, grants: &role.grants, system: Some(role) };
                for node in &path[..at] {
                    let inside = node.organization() == above.organization() || implied.through_customers;
                    let already =
                        |(name, other): &(NodeName, Held<'_>)| name == node && other.system.is_some_and(|other| other.id == role.id);
                    if inside
                        && self.stands_at(held, node)
                        && !self.oracle.is_void(node)
                        && !holdings.iter().any(already)
                        && self.required_is_held(held, node, user, asking)
                    {
                        holdings.push((node.clone(), held));
                    }
                }
            }
        }
        holdings
    }

    /// Whether the user has what the role requires of its holder at the node (Reading 11).
    fn required_is_held(&self, role: Held<'a>, node: &NodeName, user: &UserName, asking: &[(&str, &NodeName)]) -> bool
    where
        Self: 'a,
    {
        let Some(role) = role.system.filter(|role| !role.requires.is_empty()) else { return true };
        if asking.contains(&(role.id.as_str(), node)) {
            return false;
        }
        let asking: Vec<(&str, &NodeName)> = asking.iter().copied().chain([(role.id.as_str(), node)]).collect();
        let path = self.oracle.path(node);
        self.oracle.bindings.iter().copied().any(|binding| {
            // Only what can lead to a listed role is looked into; anything else would ask the same question again.
            let leads = self
                .role(binding)
                .and_then(|held| held.system)
                .is_some_and(|held| role.requires.iter().any(|required| self.leads_to(held, required)));
            binding.condition.is_none()
                && leads
                && path.contains(&binding.node)
                && self.live(binding, user, &asking).is_some_and(|held| {
                    self.holdings(binding, held, user, &path, &asking)
                        .iter()
                        .any(|(_, held)| held.system.is_some_and(|held| role.requires.contains(&held.id)))
                })
        })
    }

    /// Whether a role is another, or implies it by whatever way.
    fn leads_to(&self, role: &Role, other: &str) -> bool {
        let implied = |id: &str| self.document.roles.iter().find(|role| role.id == id);
        role.id == other || role.implies.iter().filter_map(|next| implied(&next.role)).any(|next| self.leads_to(next, other))
    }

    /// Judges one condition on the resource (Reading 14).
    fn judge(&self, used: &ConditionUse) -> Verdict {
        let Some(condition) = self.conditions.get(used.id.as_str()) else { return Verdict::False };
        let stored = self.oracle.node(&self.query.resource).map(|node| &node.attributes);
        let value = |id: &str| -> Option<&Value> {
            match attributes(self.document, self.node_type).iter().find(|declared| declared.id == id)?.source {
                AttributeSource::Stored => stored?.get(id),
                AttributeSource::Request => self.query.attributes.get(id),
            }
        };
        condition.judge(used, value, self.query.user.id())
    }
}
