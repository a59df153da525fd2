//! What decisions are made from: one record for each thing, holding its whole state, keyed so that a later one replaces it.
//!
//! Records hold ids and states, never display names or e-mail addresses.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    document::{ConditionUse, Document, Grant, Level},
    name::{BindingName, GroupName, MemberName, NodeName, PartnershipName, Principal, RoleName, Sponsor, UserName},
};

/// Microseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub i64);

/// The value of an attribute or parameter.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// Text.
    String(String),
    /// true or false.
    Bool(bool),
    /// A signed integer.
    Int(i64),
    /// A list of text.
    StringList(Vec<String>),
}

/// The kind of an organization.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OrganizationKind {
    /// Buys.
    #[default]
    Marketer,
    /// Sells.
    Publisher,
    /// Both.
    Mixed,
}

impl OrganizationKind {
    /// The word in role models: `marketer`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Marketer => "marketer",
            Self::Publisher => "publisher",
            Self::Mixed => "mixed",
        }
    }
}

/// The state of a node. A provisioning organization decides as an active one does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NodeState {
    /// In use.
    #[default]
    Active,
    /// Closed for now, with everything below.
    Suspended,
    /// Closed until it is undeleted or purged, with everything below.
    Deleted,
}

/// An organization, workspace, account or registered leaf.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its name.
    pub name: NodeName,
    /// The parent of a container: the workspace of a customer organization (`None` for a root), the organization of a
    /// workspace, the workspace or organization of an account. `None` for leaves, whose names tell it.
    pub parent: Option<NodeName>,
    /// Its state.
    pub state: NodeState,
    /// An account that is paused.
    pub paused: bool,
    /// The kind of an organization; ignored elsewhere.
    pub kind: OrganizationKind,
    /// A root's pinned role model and revision; `None` elsewhere.
    pub model: Option<(String, u32)>,
    /// The components that its parent has enabled at it; `None` if never set.
    pub ceiling: Option<BTreeSet<String>>,
    /// Stored attributes.
    pub attributes: BTreeMap<String, Value>,
}

/// A user or service account.
#[derive(Clone, Debug, PartialEq)]
pub struct User {
    /// Its name.
    pub name: UserName,
    /// Suspended: denied everywhere.
    pub suspended: bool,
    /// The organization that manages them: nothing that is held elsewhere than in it, or in an organization below it, counts for them. `None`
    /// for users who manage themselves.
    pub confined_to: Option<NodeName>,
}

/// That an organization has taken a user in.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its name: the organization and the user's id.
    pub name: MemberName,
    /// Suspended there: counts as if it were not.
    pub suspended: bool,
}

/// Who can be in a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupMember {
    /// A user; counts while an active member of the group's organization.
    User(UserName),
    /// Another group of the same organization.
    Group(GroupName),
}

/// That somebody is in a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupEdge {
    /// The group.
    pub group: GroupName,
    /// Who is in it.
    pub member: GroupMember,
}

/// An organization's standing offer to another; see DESIGN §1.
#[derive(Clone, Debug, PartialEq)]
pub struct Partnership {
    /// Its name; its organization is the one that grants.
    pub name: PartnershipName,
    /// The organization whose members may hold bindings by it.
    pub partner: NodeName,
    /// The granting organization, or one of its accounts; bindings may be at it or below it, in the same organization.
    pub node: NodeName,
    /// The roles allowed. Empty: none.
    pub roles: BTreeSet<RoleName>,
    /// The components allowed, each up to a level; bindings are cut to them. `None`: no bound.
    pub components: Option<BTreeMap<String, Level>>,
    /// The users allowed. `None`: every active member of the partner.
    pub users: Option<BTreeSet<UserName>>,
    /// At this time it has ended.
    pub expires: Option<Timestamp>,
    /// The partner has accepted. Until then it sponsors nothing.
    pub accepted: bool,
}

/// A role binding: the only way anyone gets anything.
#[derive(Clone, Debug, PartialEq)]
pub struct Binding {
    /// Its name; its organization is that of its node.
    pub name: BindingName,
    /// Who gets the role.
    pub principal: Principal,
    /// The role.
    pub role: RoleName,
    /// Where.
    pub node: NodeName,
    /// Narrows the role: at most these components, each up to its level. Reserved components are exempt, as from ceilings.
    pub components: Option<BTreeMap<String, Level>>,
    /// Only if this holds.
    pub condition: Option<ConditionUse>,
    /// At this time it has ended.
    pub expires: Option<Timestamp>,
    /// What lets a non-member hold it.
    pub sponsor: Option<Sponsor>,
}

/// A custom role of an organization.
#[derive(Clone, Debug, PartialEq)]
pub struct CustomRole {
    /// Its name.
    pub name: RoleName,
    /// The type of node that it is held at.
    pub held_at: String,
    /// What it gives.
    pub grants: Vec<Grant>,
}

/// One revision of a role model.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelRevision {
    /// The model's id.
    pub model: String,
    /// 1, 2, 3, …
    pub revision: u32,
    /// What it says.
    pub document: Document,
}

/// The state of one thing.
#[derive(Clone, Debug, PartialEq)]
pub enum Record {
    /// `organizations/acme`, …
    Node(Node),
    /// `users/ann`.
    User(User),
    /// `organizations/acme/members/ann`.
    Member(Member),
    /// `organizations/acme/groups/buyers#users/ann`.
    GroupEdge(GroupEdge),
    /// `organizations/acme/partnerships/p1`.
    Partnership(Partnership),
    /// `organizations/acme/roleBindings/b1`.
    Binding(Binding),
    /// `organizations/acme/roles/buyer`.
    CustomRole(CustomRole),
    /// `roleModels/ad-platform/revisions/3`.
    ModelRevision(ModelRevision),
}

impl Record {
    /// The key under which a later record, or a tombstone, replaces this one.
    pub fn key(&self) -> String {
        match self {
            Self::Node(node) => node.name.to_string(),
            Self::User(user) => user.name.to_string(),
            Self::Member(member) => member.name.to_string(),
            Self::GroupEdge(edge) => match &edge.member {
                GroupMember::User(user) => format!("{}#{user}", edge.group),
                GroupMember::Group(group) => format!("{}#{group}", edge.group),
            },
            Self::Partnership(partnership) => partnership.name.to_string(),
            Self::Binding(binding) => binding.name.to_string(),
            Self::CustomRole(role) => role.name.to_string(),
            Self::ModelRevision(revision) => format!("roleModels/{}/revisions/{}", revision.model, revision.revision),
        }
    }
}
