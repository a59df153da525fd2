//! The role model document: the whole rule book of one system, as its author writes it.
//!
//! The shapes here are the published format. YAML is read into them by hand-written files; the gRPC message
//! `tenantry.rolecatalog.v1.RoleModelDocument` has the same fields under the same names. [`crate::model::RoleModel`] is
//! the same content checked and compiled for deciding.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A role model as its author writes it. Maps and lists keep their order where order is shown to people.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Document {
    /// Id of the model, `[a-z0-9-]{1,63}`: `ad-platform`.
    pub model: String,
    /// What people call it.
    pub title: String,
    /// What it is for, in a sentence or two.
    pub description: String,
    /// Leaf resource types beside the three containers, which need no declaration unless they have attributes.
    pub types: Vec<TypeRule>,
    /// Components in the order in which they are shown. The reserved ones are there without being declared.
    pub components: Vec<Component>,
    /// Permissions. The reserved ones are there without being declared; declaring one again changes its title,
    /// `types`, `kinds`, `needs`, `implies` or `nobody`, never its component or level.
    pub permissions: Vec<Permission>,
    /// Named conditions.
    pub conditions: Vec<Condition>,
    /// System roles.
    pub roles: Vec<Role>,
    /// Custom roles; absent means that the model has none.
    pub custom_roles: Option<CustomRoles>,
    /// Who may be a member, and how.
    pub membership: Membership,
    /// What an unset ceiling means.
    pub ceilings: Ceilings,
    /// Sections and rows of matrices and catalogues. Decides nothing.
    pub display: Display,
}

/// A type of node. `organization`, `workspace` and `account` are containers and exist in every model; every other type is a leaf.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TypeRule {
    /// `campaign`; or a container's own id, to give it attributes.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The segment in names: `campaigns`. Left out for containers (`organizations`, `workspaces`, `accounts`).
    pub collection: String,
    /// Container types that it may stand under. Left out for containers.
    pub parents: Vec<String>,
    /// Attributes that conditions may use.
    pub attributes: Vec<Attribute>,
}

/// An attribute of a type of node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Attribute {
    /// `live`; conditions say `resource.live`. `[a-z][a-z0-9_]{0,62}`.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
    /// Who gives its value: never both.
    pub source: AttributeSource,
}

/// The type of an attribute or of a condition's parameter.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueType {
    /// UTF-8 text.
    #[default]
    String,
    /// true or false.
    Bool,
    /// A signed 64-bit integer.
    Int,
    /// A list of text.
    StringList,
}

/// Where an attribute's value comes from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AttributeSource {
    /// The directory stores it with the registered resource; a request cannot override it.
    #[default]
    Stored,
    /// The request gives it.
    Request,
}

/// A component: what other systems call an application or a section.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Component {
    /// `campaigns`: `[a-z][a-z0-9_]{0,62}`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The levels that it has above none, `view` before `edit`. Left out: both.
    pub levels: Vec<Level>,
}

/// A level in a component; a role or a component map that does not name the component has none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Nothing of the component.
    None,
    /// What only looks.
    View,
    /// Everything of the component.
    #[default]
    Edit,
}

impl Level {
    /// The word in documents and messages: `view`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::View => "view",
            Self::Edit => "edit",
        }
    }
}

/// A permission.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Permission {
    /// `component.action`: `campaigns.run_actual`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// From which level of its component on it is included. Left out: `edit`.
    pub level: Level,
    /// The types of node that it applies to.
    pub types: Vec<String>,
    /// The kinds of organization that it is for (`marketer`, `publisher`, `mixed`). Left out: every kind.
    pub kinds: Vec<String>,
    /// What must be so before anybody may.
    pub needs: Needs,
    /// Permissions that come with it, wherever it is granted and passes its own gates.
    pub implies: Vec<String>,
    /// The action exists for nobody (NA).
    pub nobody: bool,
}

/// What a permission needs of the node, whoever asks.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Needs {
    /// Every account on the path is active, not paused.
    pub active_account: bool,
    /// Somebody holds one of these roles at the resource's organization: a live, unconditional binding of a user.
    pub organization_has: Vec<String>,
}

/// A named condition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Condition {
    /// `[a-z0-9-]{1,63}`: `not-live`.
    pub id: String,
    /// What people call it; matrices print it.
    pub title: String,
    /// A CEL expression over `resource.<attribute>`, `params.<parameter>` and `principal.id`, of type bool.
    pub expression: String,
    /// The attributes it reads.
    pub attributes: Vec<ConditionAttribute>,
    /// Its parameters, given where the condition is used.
    pub parameters: Vec<Parameter>,
}

/// An attribute that a condition reads.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionAttribute {
    /// The attribute's id.
    pub id: String,
    /// Used when the attribute is not given; without a default a missing attribute leaves the grant conditional on it.
    pub default: Option<serde_json::Value>,
}

/// A parameter of a condition.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Parameter {
    /// Its id; conditions say `params.<id>`.
    pub id: String,
    /// Its type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// A condition in use: its name and the values of all its parameters.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ConditionUse {
    /// The condition's id.
    pub id: String,
    /// A value for each of its parameters.
    pub params: BTreeMap<String, serde_json::Value>,
}

/// A system role.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Role {
    /// `[a-z0-9-]{1,63}`: `super-admin`.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// What it is for.
    pub description: String,
    /// The type of node that it is held at.
    pub held_at: String,
    /// For roles held at organizations: which.
    pub organizations: OrganizationScope,
    /// Who may hold it. Left out: users, groups and organizations. Roles with seats, exclusive ones and those that `organization_has` names: users only.
    pub principals: Vec<PrincipalKind>,
    /// What it gives, at the node and below.
    pub grants: Vec<Grant>,
    /// Permissions that a holder gets on the organization that the node stands in (only there, not below it).
    pub upward: Vec<String>,
    /// Roles that it stands for on nodes below.
    pub implies: Vec<ImpliedRole>,
    /// A user holds at most one role of this set at a node; roles with the same word are a set. Left out: additive.
    pub exclusive: String,
    /// Counts only while the holder has one of these roles at the node or above.
    pub requires: Vec<String>,
    /// How many may hold it.
    pub seats: Seats,
    /// Whether a binding narrows it by a component map.
    pub component_map: MapRule,
    /// The permission that one must have at the node to assign, change or revoke it. Left out: only the platform.
    pub assign_with: String,
    /// The permission that one must have at the node to invite to it. Left out: as `assign_with`.
    pub invite_with: String,
    /// Whoever assigns it must have all that it gives there, for as long.
    pub contained: bool,
}

/// Which organizations an organization role is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrganizationScope {
    /// Roots and customers.
    #[default]
    Any,
    /// Organizations without a parent workspace.
    Roots,
    /// Organizations under an agency's workspace.
    Customers,
}

/// What kind of principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PrincipalKind {
    /// One user.
    User,
    /// The users in a group, through nested groups too.
    Group,
    /// The active members of an organization.
    Organization,
    /// Every active user. Never by default.
    Anyone,
}

/// One grant of a role. What it gives is the union of `permissions`, `components` and `everything`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Grant {
    /// Permissions by id.
    pub permissions: Vec<String>,
    /// All permissions of a component up to a level.
    pub components: BTreeMap<String, Level>,
    /// All permissions of every component but the reserved ones.
    pub everything: Option<Everything>,
    /// The types of node, at or below the one where the role is held, that it gives them on. Left out: all that each permission applies to.
    pub types: Vec<String>,
    /// Only if this holds.
    pub condition: Option<ConditionUse>,
    /// Also on nodes of customer organizations below; otherwise it ends at the organization's border.
    pub through_customers: bool,
}

/// Every component but the reserved ones and some more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Everything {
    /// Up to which level. Left out: `edit`.
    pub level: Level,
    /// Components left out.
    pub except: Vec<String>,
}

/// A role that another one stands for on nodes below it, present and future.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ImpliedRole {
    /// The role; it is held at every node of its `held_at` type strictly below, in the same organization.
    pub role: String,
    /// Also at such nodes in customer organizations below.
    pub through_customers: bool,
}

/// Bounds on the direct holders of a role at a node, pending invitations included in the upper one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Seats {
    /// At least so many; 1 or more makes it a *required role*.
    pub least: u32,
    /// At most so many; 0 means no bound.
    pub most: u32,
}

/// Whether a binding of a role carries a component map.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MapRule {
    /// It must not.
    #[default]
    Forbidden,
    /// It may; without one the role counts whole.
    Optional,
    /// It must.
    Required,
}

/// Custom roles of organizations.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct CustomRoles {
    /// The types of node that one may be made for.
    pub held_at: Vec<String>,
    /// A permission that one must have at the organization to create, change or delete one, beside the reserved `roles.*`. Left out: none beside.
    pub define_with: String,
    /// The permission that one must have at the node to assign one. Custom roles are always contained.
    pub assign_with: String,
    /// The permission that one must have at the node to invite to one. Left out: as `assign_with`.
    pub invite_with: String,
    /// Whether bindings of them carry a component map.
    pub component_map: MapRule,
    /// Who may hold one; as in [`Role::principals`].
    pub principals: Vec<PrincipalKind>,
}

/// The rules of membership.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Membership {
    /// The roles of which a member has at most one: all of one exclusive set, held at organizations.
    pub organization_roles: Vec<String>,
    /// The one given to whoever becomes a member without another. Left out: none.
    pub default: String,
    /// What granting to somebody who is not a member does.
    pub on_grant: OnGrant,
    /// Members can never be removed, by any path.
    pub permanent: bool,
    /// A holder may give up a binding of their own without the permission that revoking it needs.
    pub leave: bool,
}

/// What an unsponsored grant to a user who is not a member does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnGrant {
    /// It is refused.
    #[default]
    Refuse,
    /// It makes them a member, with the default role, in the same commit.
    Join,
}

/// The rules of ceilings.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Ceilings {
    /// What a customer organization whose ceiling was never set has: `everything` or `nothing` of the components. Everywhere else, and at roots, unset means everything.
    pub unset: Unset,
}

/// What an unset ceiling means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Unset {
    /// No bound.
    #[default]
    Everything,
    /// Every component but the reserved ones is closed.
    Nothing,
}

/// How people are shown the model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Display {
    /// Sections in order.
    pub sections: Vec<Section>,
    /// The columns of the matrix; left out: every role.
    pub roles: Vec<String>,
    /// For a role, the rows (`section/row` or `section/*`) whose absent grants a matrix shows as DENY, not NONE.
    pub denied: BTreeMap<String, Vec<String>>,
}

/// A section of a matrix or a catalogue.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Section {
    /// Slug.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The kinds of organization that see it. Left out: every kind.
    pub kinds: Vec<String>,
    /// Its rows in order.
    pub rows: Vec<Row>,
}

/// A row: an action as people see it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Row {
    /// Slug.
    pub id: String,
    /// What people call it.
    pub title: String,
    /// The permissions that it stands for: the row is given where all are.
    pub permissions: Vec<String>,
}
