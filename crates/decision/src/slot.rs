//! What a view keeps of each thing, and where: tables of slots by id, their names resolved to ids.

use std::{collections::BTreeMap, sync::Arc};

use foldhash::fast::RandomState;
use imbl::{GenericHashMap, OrdMap, OrdSet, Vector, shared_ptr::DefaultSharedPtr};

use crate::{
    document::{ConditionUse, Level},
    model::{RoleIndex, RoleModel},
    name::{BindingName, GroupName, NodeName, PartnershipName, RoleName, Sponsor, UserName},
    record::{CustomRole, GroupMember, Node, Timestamp, User},
};

pub(crate) type NodeId = u32;
pub(crate) type UserId = u32;
pub(crate) type GroupId = u32;
pub(crate) type RoleId = u32;

pub(crate) type HashMap<K, V> = GenericHashMap<K, V, RandomState, DefaultSharedPtr>;

/// Slots by name and by id.
#[derive(Debug)]
pub(crate) struct Table<T> {
    ids: HashMap<Arc<str>, u32>,
    pub(crate) slots: Vector<Arc<T>>,
}

// Not derived: a table is clonable whatever its slots are made of.
impl<T> Clone for Table<T> {
    fn clone(&self) -> Self {
        Self { ids: self.ids.clone(), slots: self.slots.clone() }
    }
}

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self { ids: HashMap::default(), slots: Vector::new() }
    }
}

impl<T: Clone> Table<T> {
    pub(crate) fn find(&self, name: &str) -> Option<u32> {
        self.ids.get(name).copied()
    }

    pub(crate) fn get(&self, id: u32) -> Option<&T> {
        self.slots.get(id as usize).map(AsRef::as_ref)
    }

    pub(crate) fn add(&mut self, name: Arc<str>, slot: T) -> u32 {
        let id = self.slots.len() as u32;
        self.ids.insert(name, id);
        self.slots.push_back(Arc::new(slot));
        id
    }

    pub(crate) fn edit(&mut self, id: u32) -> Option<&mut T> {
        self.slots.get_mut(id as usize).map(Arc::make_mut)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.slots.iter().map(AsRef::as_ref)
    }
}

/// The bindings of one principal: by the organization and the node, then by name.
pub(crate) type BindingsOf = OrdMap<(NodeId, NodeId), Arc<[Arc<Bound>]>>;

/// Whom a binding is for, by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Holder {
    User(UserId),
    Group(GroupId),
    Organization(NodeId),
    Anyone,
}

/// A binding, its names resolved.
#[derive(Debug)]
pub(crate) struct Bound {
    pub(crate) name: BindingName,
    pub(crate) holder: Holder,
    pub(crate) role: RoleId,
    pub(crate) node: NodeId,
    pub(crate) organization: NodeId,
    pub(crate) expires: Option<Timestamp>,
    #[expect(clippy::box_collection, reason = "few bindings have one, and there are millions of bindings")]
    pub(crate) components: Option<Box<BTreeMap<String, Level>>>,
    pub(crate) condition: Option<Box<ConditionUse>>,
    pub(crate) sponsor: Option<Box<Sponsor>>,
}

/// What is known of a node.
#[derive(Clone, Debug)]
pub(crate) struct NodeSlot {
    pub(crate) name: NodeName,
    /// The organization that it is in; itself for one.
    pub(crate) organization: NodeId,
    /// The next node on the path (Readings 2 and 16); `None` for a root, and for an organization that is not registered.
    pub(crate) parent: Option<NodeId>,
    pub(crate) record: Option<Arc<Node>>,
    /// The registered nodes whose `parent` it is, by name.
    pub(crate) children: OrdMap<Arc<str>, NodeId>,
    /// The registered organizations whose `parent` is a workspace of this organization.
    pub(crate) customers: OrdSet<NodeId>,
    /// Its bindings, by role and name.
    pub(crate) held: OrdMap<RoleId, OrdMap<BindingName, Arc<Bound>>>,
    /// An organization's members, and whether suspended there.
    pub(crate) members: OrdMap<UserId, bool>,
    pub(crate) groups: OrdSet<GroupId>,
    pub(crate) custom_roles: OrdSet<RoleId>,
    pub(crate) partnerships: OrdSet<PartnershipName>,
    /// The bindings whose principal is this organization.
    pub(crate) granted: BindingsOf,
}

#[derive(Clone, Debug)]
pub(crate) struct UserSlot {
    pub(crate) name: UserName,
    pub(crate) record: Option<User>,
    /// The organization that they are confined to.
    pub(crate) home: Option<NodeId>,
    /// By organization, and whether suspended there.
    pub(crate) members: OrdMap<NodeId, bool>,
    pub(crate) groups: OrdSet<GroupId>,
    pub(crate) bindings: BindingsOf,
}

#[derive(Clone, Debug)]
pub(crate) struct GroupSlot {
    pub(crate) name: GroupName,
    pub(crate) organization: NodeId,
    /// The groups that it is in.
    pub(crate) groups: OrdSet<GroupId>,
    pub(crate) members: OrdSet<GroupMember>,
    pub(crate) bindings: BindingsOf,
}

#[derive(Clone, Debug)]
pub(crate) struct RoleSlot {
    pub(crate) name: RoleName,
    /// For a custom role.
    pub(crate) organization: Option<NodeId>,
    pub(crate) custom: Option<Arc<CustomRole>>,
    /// How many bindings there are of it.
    pub(crate) bindings: usize,
}

/// A revision of a role model, its roles known by id.
#[derive(Debug)]
pub(crate) struct Installed {
    pub(crate) model: RoleModel,
    pub(crate) revision: u32,
    pub(crate) roles: std::collections::HashMap<RoleId, RoleIndex, RandomState>,
}

impl Installed {
    /// Whether it is the same revision of the same model.
    pub(crate) fn is_of(&self, other: &Self) -> bool {
        (self.model.id(), self.revision) == (other.model.id(), other.revision)
    }

    pub(crate) fn role_index(&self, role: RoleId) -> Option<RoleIndex> {
        self.roles.get(&role).copied()
    }
}
