//! The world at one moment: every record, with the indexes that decisions need. Persistent, so that a clone is a snapshot and a
//! change costs what it touches.
//!
//! Names become small ids on first mention, whichever record mentions them, so records may arrive in any order. An id outlives its
//! record: names are never used again, and a deleted one is mentioned by few.

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};

use crate::{
    model::{ACCOUNT, ORGANIZATION, RoleModel, TypeIndex, WORKSPACE},
    name::{BindingName, GroupName, MemberName, NodeKind, NodeName, PartnershipName, Principal, RoleName, RoleOwner, UserName},
    record::{Binding, CustomRole, GroupEdge, GroupMember, Member, ModelRevision, Node, Partnership, Record, User},
    slot::{
        BindingsOf, Bound, GroupId, GroupSlot, HashMap, Holder, Installed, NodeId, NodeSlot, RoleId, RoleSlot, Table, UserId, UserSlot,
    },
};

/// The revision that a tree is pinned to.
#[derive(Clone, Copy, Debug)]
pub struct Pinned<'a> {
    /// The model.
    pub model: &'a RoleModel,
    /// Its revision.
    pub revision: u32,
    /// The root organization.
    pub root: &'a NodeName,
}

/// The world at one moment. A clone is a snapshot and costs nothing.
#[derive(Clone, Debug, Default)]
pub struct View {
    nodes: Table<NodeSlot>,
    // The registered organizations, workspaces and accounts, by type and name.
    containers: [OrdMap<Arc<str>, NodeId>; 3],
    users: Table<UserSlot>,
    groups: Table<GroupSlot>,
    roles: Table<RoleSlot>,
    bindings: HashMap<BindingName, Arc<Bound>>,
    partnerships: HashMap<PartnershipName, Arc<Partnership>>,
    models: OrdMap<String, OrdMap<u32, Arc<Installed>>>,
    anyone: BindingsOf,
}

impl View {
    /// Takes a record in, or with `None` out. The last record of a key counts; order among keys does not matter. A model revision
    /// that does not validate is left out, so its trees are as unknown; a malformed key takes nothing out.
    pub fn apply(&mut self, key: &str, record: Option<Record>) {
        match record {
            Some(Record::Node(node)) => self.apply_node(&node.name.clone(), Some(node)),
            Some(Record::User(user)) => self.apply_user(&user.name.clone(), Some(user)),
            Some(Record::Member(member)) => self.apply_member(&member.name.clone(), Some(member)),
            Some(Record::GroupEdge(edge)) => self.apply_edge(&edge, true),
            Some(Record::Partnership(partnership)) => self.apply_partnership(&partnership.name.clone(), Some(partnership)),
            Some(Record::Binding(binding)) => self.apply_binding(&binding.name.clone(), Some(binding)),
            Some(Record::CustomRole(role)) => self.apply_custom_role(&role.name.clone(), Some(role)),
            Some(Record::ModelRevision(revision)) => self.apply_model(revision),
            None => self.remove(key),
        }
    }

    fn remove(&mut self, key: &str) {
        if let Some((group, member)) = key.split_once('#') {
            let Ok(group) = GroupName::parse(group) else { return };
            let member = match (UserName::parse(member), GroupName::parse(member)) {
                (Ok(user), _) => GroupMember::User(user),
                (_, Ok(group)) => GroupMember::Group(group),
                _ => return,
            };
            self.apply_edge(&GroupEdge { group, member }, false);
        } else if let Ok(name) = UserName::parse(key) {
            self.apply_user(&name, None);
        } else if let Ok(name) = MemberName::parse(key) {
            self.apply_member(&name, None);
        } else if let Ok(name) = BindingName::parse(key) {
            self.apply_binding(&name, None);
        } else if let Ok(name) = PartnershipName::parse(key) {
            self.apply_partnership(&name, None);
        } else if let Ok(name) = RoleName::parse(key) {
            self.apply_custom_role(&name, None);
        } else if let Ok(name) = NodeName::parse(key) {
            self.apply_node(&name, None);
        } else if let Some((model, revision)) = key.strip_prefix("roleModels/").and_then(|rest| rest.split_once("/revisions/")) {
            let Ok(revision) = revision.parse::<u32>() else { return };
            if let Some(revisions) = self.models.get_mut(model) {
                revisions.remove(&revision);
            }
        }
    }

    fn intern_node(&mut self, name: &NodeName) -> NodeId {
        if let Some(id) = self.nodes.find(name.as_str()) {
            return id;
        }
        let kind = name.kind();
        let organization = if kind == NodeKind::Organization { None } else { Some(self.intern_node(&name.organization())) };
        // Until a record says otherwise, a workspace or account stands in the organization of its name.
        let parent = match name.leaf_parent() {
            Some(container) => Some(self.intern_node(&container)),
            None => organization,
        };
        let id = self.nodes.slots.len() as NodeId;
        self.nodes.add(
            name.shared(),
            NodeSlot {
                name: name.clone(),
                organization: organization.unwrap_or(id),
                parent,
                record: None,
                children: OrdMap::new(),
                customers: OrdSet::new(),
                held: OrdMap::new(),
                members: OrdMap::new(),
                groups: OrdSet::new(),
                custom_roles: OrdSet::new(),
                partnerships: OrdSet::new(),
                granted: OrdMap::new(),
            },
        )
    }

    fn intern_user(&mut self, name: &UserName) -> UserId {
        self.users.find(name.as_str()).unwrap_or_else(|| {
            let slot = UserSlot {
                name: name.clone(),
                record: None,
                home: None,
                members: OrdMap::new(),
                groups: OrdSet::new(),
                bindings: OrdMap::new(),
            };
            self.users.add(name.as_str().into(), slot)
        })
    }

    fn intern_group(&mut self, name: &GroupName) -> GroupId {
        if let Some(id) = self.groups.find(name.as_str()) {
            return id;
        }
        let organization = self.intern_node(&name.organization());
        let slot = GroupSlot { name: name.clone(), organization, groups: OrdSet::new(), members: OrdSet::new(), bindings: OrdMap::new() };
        let id = self.groups.add(name.as_str().into(), slot);
        if let Some(slot) = self.nodes.edit(organization) {
            slot.groups.insert(id);
        }
        id
    }

    fn intern_role(&mut self, name: &RoleName) -> RoleId {
        if let Some(id) = self.roles.find(name.as_str()) {
            return id;
        }
        let organization = match name.owner() {
            RoleOwner::Model(_) => None,
            RoleOwner::Organization(organization) => Some(self.intern_node(&organization)),
        };
        self.roles.add(name.as_str().into(), RoleSlot { name: name.clone(), organization, custom: None, bindings: 0 })
    }

    fn apply_node(&mut self, name: &NodeName, record: Option<Node>) {
        let id = self.intern_node(name);
        let organization = self.nodes.get(id).map_or(id, |slot| slot.organization);
        let said = record.as_ref().and_then(|node| node.parent.clone());
        let parent = match name.kind() {
            NodeKind::Organization => said.filter(|parent| parent.kind() == NodeKind::Workspace).map(|parent| self.intern_node(&parent)),
            NodeKind::Workspace => Some(organization),
            NodeKind::Account => {
                let workspace = said.filter(|parent| parent.kind() == NodeKind::Workspace && parent.organization() == name.organization());
                Some(workspace.map_or(organization, |workspace| self.intern_node(&workspace)))
            }
            NodeKind::Leaf { .. } => self.nodes.get(id).and_then(|slot| slot.parent),
        };
        let registered = record.is_some();
        let before = self.nodes.edit(id).and_then(|slot| {
            let before = slot.parent;
            slot.parent = parent;
            slot.record = record.map(Arc::new);
            before
        });
        let is_customer = name.kind() == NodeKind::Organization;
        if let Some(slot) = before.and_then(|before| self.nodes.edit(before)) {
            slot.children.remove(name.as_str());
            let agency = slot.organization;
            if is_customer && let Some(slot) = self.nodes.edit(agency) {
                slot.customers.remove(&id);
            }
        }
        if registered && let Some(slot) = parent.and_then(|parent| self.nodes.edit(parent)) {
            slot.children.insert(name.shared(), id);
            let agency = slot.organization;
            if is_customer && let Some(slot) = self.nodes.edit(agency) {
                slot.customers.insert(id);
            }
        }
        if let Some(names) = container_index(name).and_then(|index| self.containers.get_mut(usize::from(index))) {
            if registered {
                names.insert(name.shared(), id);
            } else {
                names.remove(name.as_str());
            }
        }
    }

    fn apply_user(&mut self, name: &UserName, record: Option<User>) {
        let id = self.intern_user(name);
        let home = record.as_ref().and_then(|user| user.confined_to.as_ref()).map(|home| self.intern_node(home));
        if let Some(slot) = self.users.edit(id) {
            slot.record = record;
            slot.home = home;
        }
    }

    fn apply_member(&mut self, name: &MemberName, record: Option<Member>) {
        let Some(user) = user_of(name) else { return };
        let organization = self.intern_node(&name.organization());
        let user = self.intern_user(&user);
        let (Some(node), Some(slot)) = (self.nodes.edit(organization), self.users.edit(user)) else { return };
        match record {
            Some(member) => {
                node.members.insert(user, member.suspended);
                slot.members.insert(organization, member.suspended);
            }
            None => {
                node.members.remove(&user);
                slot.members.remove(&organization);
            }
        }
    }

    fn apply_edge(&mut self, edge: &GroupEdge, present: bool) {
        let group = self.intern_group(&edge.group);
        let groups = match &edge.member {
            GroupMember::User(user) => {
                let user = self.intern_user(user);
                self.users.edit(user).map(|slot| &mut slot.groups)
            }
            GroupMember::Group(inner) => {
                let inner = self.intern_group(inner);
                self.groups.edit(inner).map(|slot| &mut slot.groups)
            }
        };
        if let Some(groups) = groups {
            if present {
                groups.insert(group);
            } else {
                groups.remove(&group);
            }
        }
        if let Some(slot) = self.groups.edit(group) {
            if present {
                slot.members.insert(edge.member.clone());
            } else {
                slot.members.remove(&edge.member);
            }
        }
    }

    fn apply_partnership(&mut self, name: &PartnershipName, record: Option<Partnership>) {
        let organization = self.intern_node(&name.organization());
        if let Some(slot) = self.nodes.edit(organization) {
            if record.is_some() {
                slot.partnerships.insert(name.clone());
            } else {
                slot.partnerships.remove(name);
            }
        }
        match record {
            Some(partnership) => drop(self.partnerships.insert(name.clone(), Arc::new(partnership))),
            None => drop(self.partnerships.remove(name)),
        }
    }

    fn apply_custom_role(&mut self, name: &RoleName, record: Option<CustomRole>) {
        let id = self.intern_role(name);
        let Some(slot) = self.roles.edit(id) else { return };
        let present = record.is_some();
        slot.custom = record.map(Arc::new);
        if let Some(node) = slot.organization.and_then(|organization| self.nodes.edit(organization)) {
            if present {
                node.custom_roles.insert(id);
            } else {
                node.custom_roles.remove(&id);
            }
        }
    }

    fn apply_model(&mut self, record: ModelRevision) {
        let ModelRevision { model: id, revision, document } = record;
        let Ok(model) = RoleModel::compile(document) else {
            if let Some(revisions) = self.models.get_mut(&id) {
                revisions.remove(&revision);
            }
            return;
        };
        let mut roles = std::collections::HashMap::default();
        for (role, at) in model.roles().iter().zip(0..) {
            if let Some(name) = RoleName::system(&id, &role.id) {
                roles.insert(self.intern_role(&name), at);
            }
        }
        self.models.entry(id).or_default().insert(revision, Arc::new(Installed { model, revision, roles }));
    }

    fn apply_binding(&mut self, name: &BindingName, record: Option<Binding>) {
        if let Some(old) = self.bindings.remove(name) {
            self.unlink(&old);
        }
        let Some(binding) = record else { return };
        let holder = match &binding.principal {
            Principal::User(user) => Holder::User(self.intern_user(user)),
            Principal::Group(group) => Holder::Group(self.intern_group(group)),
            Principal::Organization(organization) => Holder::Organization(self.intern_node(organization)),
            Principal::Anyone => Holder::Anyone,
        };
        let node = self.intern_node(&binding.node);
        let organization = self.nodes.get(node).map_or(node, |slot| slot.organization);
        let bound = Arc::new(Bound {
            name: binding.name,
            holder,
            role: self.intern_role(&binding.role),
            node,
            organization,
            expires: binding.expires,
            components: binding.components.map(Box::new),
            condition: binding.condition.map(Box::new),
            sponsor: binding.sponsor.map(Box::new),
        });
        self.link(&bound);
        self.bindings.insert(name.clone(), bound);
    }

    fn held_by(&mut self, holder: Holder) -> Option<&mut BindingsOf> {
        match holder {
            Holder::User(id) => self.users.edit(id).map(|slot| &mut slot.bindings),
            Holder::Group(id) => self.groups.edit(id).map(|slot| &mut slot.bindings),
            Holder::Organization(id) => self.nodes.edit(id).map(|slot| &mut slot.granted),
            Holder::Anyone => Some(&mut self.anyone),
        }
    }

    fn link(&mut self, bound: &Arc<Bound>) {
        let key = (bound.organization, bound.node);
        if let Some(bindings) = self.held_by(bound.holder) {
            let mut list = bindings.get(&key).map_or_else(Vec::new, |list| list.to_vec());
            list.push(Arc::clone(bound));
            list.sort_unstable_by(|a, b| a.name.cmp(&b.name));
            bindings.insert(key, list.into());
        }
        if let Some(slot) = self.nodes.edit(bound.node) {
            slot.held.entry(bound.role).or_default().insert(bound.name.clone(), Arc::clone(bound));
        }
        if let Some(slot) = self.roles.edit(bound.role) {
            slot.bindings += 1;
        }
    }

    fn unlink(&mut self, bound: &Bound) {
        let key = (bound.organization, bound.node);
        if let Some(bindings) = self.held_by(bound.holder)
            && let Some(list) = bindings.get(&key)
        {
            let rest: Vec<_> = list.iter().filter(|other| other.name != bound.name).cloned().collect();
            if rest.is_empty() { drop(bindings.remove(&key)) } else { drop(bindings.insert(key, rest.into())) }
        }
        if let Some(slot) = self.nodes.edit(bound.node)
            && let Some(list) = slot.held.get_mut(&bound.role)
        {
            list.remove(&bound.name);
            if list.is_empty() {
                slot.held.remove(&bound.role);
            }
        }
        if let Some(slot) = self.roles.edit(bound.role) {
            slot.bindings = slot.bindings.saturating_sub(1);
        }
    }

    // What decisions read.

    pub(crate) fn node_id(&self, name: &str) -> Option<NodeId> {
        self.nodes.find(name)
    }

    pub(crate) fn node_slot(&self, id: NodeId) -> Option<&NodeSlot> {
        self.nodes.get(id)
    }

    /// The registered organizations, workspaces or accounts, by name.
    pub(crate) fn containers(&self, node_type: TypeIndex) -> Option<&OrdMap<Arc<str>, NodeId>> {
        self.containers.get(usize::from(node_type))
    }

    pub(crate) fn user_id(&self, name: &UserName) -> Option<UserId> {
        self.users.find(name.as_str())
    }

    pub(crate) fn user_slot(&self, id: UserId) -> Option<&UserSlot> {
        self.users.get(id)
    }

    pub(crate) fn group_slot(&self, id: GroupId) -> Option<&GroupSlot> {
        self.groups.get(id)
    }

    pub(crate) fn group_id(&self, name: &GroupName) -> Option<GroupId> {
        self.groups.find(name.as_str())
    }

    pub(crate) fn role_id(&self, name: &RoleName) -> Option<RoleId> {
        self.roles.find(name.as_str())
    }

    pub(crate) fn role_slot(&self, id: RoleId) -> Option<&RoleSlot> {
        self.roles.get(id)
    }

    pub(crate) fn bound(&self, name: &BindingName) -> Option<&Arc<Bound>> {
        self.bindings.get(name)
    }

    pub(crate) fn anyones(&self) -> &BindingsOf {
        &self.anyone
    }

    pub(crate) fn installed(&self, model: &str, revision: u32) -> Option<&Arc<Installed>> {
        self.models.get(model)?.get(&revision)
    }

    /// Whether a revision of the model before this one had the permission.
    pub(crate) fn had_permission(&self, model: &str, before: u32, permission: &str) -> bool {
        self.models.get(model).is_some_and(|revisions| revisions.range(..before).any(|(_, old)| old.model.permission(permission).is_some()))
    }

    /// A binding as it came.
    pub(crate) fn binding_of(&self, bound: &Bound) -> Option<Binding> {
        let principal = match bound.holder {
            Holder::User(id) => Principal::User(self.users.get(id)?.name.clone()),
            Holder::Group(id) => Principal::Group(self.groups.get(id)?.name.clone()),
            Holder::Organization(id) => Principal::Organization(self.nodes.get(id)?.name.clone()),
            Holder::Anyone => Principal::Anyone,
        };
        Some(Binding {
            name: bound.name.clone(),
            principal,
            role: self.roles.get(bound.role)?.name.clone(),
            node: self.nodes.get(bound.node)?.name.clone(),
            components: bound.components.as_deref().cloned(),
            condition: bound.condition.as_deref().cloned(),
            expires: bound.expires,
            sponsor: bound.sponsor.as_deref().cloned(),
        })
    }

    // What others read.

    /// A registered node.
    pub fn node(&self, name: &NodeName) -> Option<&Node> {
        self.nodes.get(self.nodes.find(name.as_str())?)?.record.as_deref()
    }

    /// Every registered node, in no particular order that lasts beyond this view.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter_map(|slot| slot.record.as_deref())
    }

    /// The registered nodes right below one, by name: workspaces, accounts, customer organizations, leaves.
    pub fn children(&self, name: &NodeName) -> impl Iterator<Item = &Node> {
        let slot = self.nodes.find(name.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter().flat_map(|slot| slot.children.values()).filter_map(|id| self.nodes.get(*id)?.record.as_deref())
    }

    /// A node and what is above it, to the root: as far as parents are known.
    pub fn ancestors(&self, name: &NodeName) -> Vec<NodeName> {
        crate::path::Path::of(self, name).names(self)
    }

    /// A user.
    pub fn user(&self, name: &UserName) -> Option<&User> {
        self.users.get(self.users.find(name.as_str())?)?.record.as_ref()
    }

    /// Every user.
    pub fn users(&self) -> impl Iterator<Item = &User> {
        self.users.iter().filter_map(|slot| slot.record.as_ref())
    }

    /// A membership.
    pub fn member(&self, name: &MemberName) -> Option<Member> {
        let organization = self.nodes.find(name.organization().as_str())?;
        let user = self.users.find(user_of(name)?.as_str())?;
        let suspended = *self.nodes.get(organization)?.members.get(&user)?;
        Some(Member { name: name.clone(), suspended })
    }

    /// The members of an organization, and whether suspended there.
    pub fn members(&self, organization: &NodeName) -> impl Iterator<Item = (&UserName, bool)> {
        let slot = self.nodes.find(organization.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter()
            .flat_map(|slot| slot.members.iter())
            .filter_map(|(user, suspended)| Some((&self.users.get(*user)?.name, *suspended)))
    }

    /// The organizations that have taken a user in, and whether suspended there.
    pub fn memberships(&self, user: &UserName) -> impl Iterator<Item = (&NodeName, bool)> {
        let slot = self.users.find(user.as_str()).and_then(|id| self.users.get(id));
        slot.into_iter()
            .flat_map(|slot| slot.members.iter())
            .filter_map(|(node, suspended)| Some((&self.nodes.get(*node)?.name, *suspended)))
    }

    /// Whether the user is known and not suspended, and a member of the organization not suspended there.
    pub fn is_active_member(&self, organization: &NodeName, user: &UserName) -> bool {
        let (Some(organization), Some(user)) = (self.nodes.find(organization.as_str()), self.users.find(user.as_str())) else {
            return false;
        };
        self.users
            .get(user)
            .is_some_and(|slot| slot.record.as_ref().is_some_and(|user| !user.suspended) && slot.members.get(&organization) == Some(&false))
    }

    /// Who is in a group, directly.
    pub fn group_members(&self, group: &GroupName) -> impl Iterator<Item = &GroupMember> {
        self.groups.find(group.as_str()).and_then(|id| self.groups.get(id)).into_iter().flat_map(|slot| slot.members.iter())
    }

    /// The groups of an organization that were ever mentioned.
    pub fn groups(&self, organization: &NodeName) -> impl Iterator<Item = &GroupName> {
        let slot = self.nodes.find(organization.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter().flat_map(|slot| slot.groups.iter()).filter_map(|id| Some(&self.groups.get(*id)?.name))
    }

    /// A binding.
    pub fn binding(&self, name: &BindingName) -> Option<Binding> {
        self.binding_of(self.bindings.get(name)?)
    }

    /// Every binding, in no particular order.
    pub fn bindings(&self) -> impl Iterator<Item = Binding> {
        self.bindings.values().filter_map(|bound| self.binding_of(bound))
    }

    /// The bindings at a node, by role, then by name.
    pub fn bindings_at(&self, node: &NodeName) -> impl Iterator<Item = Binding> {
        let slot = self.nodes.find(node.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter().flat_map(|slot| slot.held.values()).flat_map(|list| list.values()).filter_map(|bound| self.binding_of(bound))
    }

    /// The bindings of a principal itself, not of what it is in.
    pub fn bindings_of(&self, principal: &Principal) -> impl Iterator<Item = Binding> {
        let bindings = match principal {
            Principal::User(name) => self.users.find(name.as_str()).and_then(|id| self.users.get(id)).map(|slot| &slot.bindings),
            Principal::Group(name) => self.groups.find(name.as_str()).and_then(|id| self.groups.get(id)).map(|slot| &slot.bindings),
            Principal::Organization(name) => self.nodes.find(name.as_str()).and_then(|id| self.nodes.get(id)).map(|slot| &slot.granted),
            Principal::Anyone => Some(&self.anyone),
        };
        bindings.into_iter().flat_map(|bindings| bindings.values()).flat_map(|list| list.iter()).filter_map(|bound| self.binding_of(bound))
    }

    /// A custom role.
    pub fn custom_role(&self, name: &RoleName) -> Option<&CustomRole> {
        self.roles.get(self.roles.find(name.as_str())?)?.custom.as_deref()
    }

    /// The custom roles of an organization.
    pub fn custom_roles(&self, organization: &NodeName) -> impl Iterator<Item = &CustomRole> {
        let slot = self.nodes.find(organization.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter().flat_map(|slot| slot.custom_roles.iter()).filter_map(|id| self.roles.get(*id)?.custom.as_deref())
    }

    /// How many bindings there are of a role, anywhere.
    pub fn bindings_of_role(&self, role: &RoleName) -> usize {
        self.roles.find(role.as_str()).and_then(|id| self.roles.get(id)).map_or(0, |slot| slot.bindings)
    }

    /// A partnership.
    pub fn partnership(&self, name: &PartnershipName) -> Option<&Partnership> {
        self.partnerships.get(name).map(AsRef::as_ref)
    }

    /// The partnerships that an organization grants.
    pub fn partnerships(&self, organization: &NodeName) -> impl Iterator<Item = &Partnership> {
        let slot = self.nodes.find(organization.as_str()).and_then(|id| self.nodes.get(id));
        slot.into_iter().flat_map(|slot| slot.partnerships.iter()).filter_map(|name| self.partnership(name))
    }

    /// A revision of a role model.
    pub fn model(&self, model: &str, revision: u32) -> Option<&RoleModel> {
        self.installed(model, revision).map(|installed| &installed.model)
    }

    /// The latest revision of every role model.
    pub fn latest_models(&self) -> impl Iterator<Item = (&str, u32, &RoleModel)> {
        self.models
            .iter()
            .filter_map(|(id, revisions)| revisions.get_max().map(|(revision, installed)| (id.as_str(), *revision, &installed.model)))
    }

    /// The role model of the tree that a node is in, known or not; `None` where its organization or its root is unknown.
    pub fn model_of(&self, node: &NodeName) -> Option<Pinned<'_>> {
        let path = crate::path::Path::of(self, node);
        let installed = path.installed(self)?;
        Some(Pinned { model: &installed.model, revision: installed.revision, root: &path.root(self)?.name })
    }
}

/// The type of a container; `None` for a leaf.
pub(crate) fn container_index(name: &NodeName) -> Option<TypeIndex> {
    match name.kind() {
        NodeKind::Organization => Some(ORGANIZATION),
        NodeKind::Workspace => Some(WORKSPACE),
        NodeKind::Account => Some(ACCOUNT),
        NodeKind::Leaf { .. } => None,
    }
}

fn user_of(member: &MemberName) -> Option<UserName> {
    UserName::parse(&format!("users/{}", member.id())).ok()
}
