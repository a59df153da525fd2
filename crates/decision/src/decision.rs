//! Questions and answers.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use crate::{
    name::{BindingName, NodeName, RoleName, UserName},
    record::Value,
};

/// "May this user do this to that?"
#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    /// Who.
    pub user: UserName,
    /// `component.action`.
    pub permission: String,
    /// What to.
    pub resource: NodeName,
    /// Attributes whose source is the request.
    pub attributes: BTreeMap<String, Value>,
}

/// The answer, with its reason.
#[derive(Clone, Debug, PartialEq)]
pub struct Decision {
    /// The verdict.
    pub outcome: Outcome,
    /// Conditions that could not be evaluated; their grants gave nothing. Sorted by binding, then condition.
    pub condition_errors: Vec<ConditionError>,
}

/// The verdict. Only `Allow` is permission.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Yes, by this grant: of the nearest node, then the lowest binding name.
    Allow(GrantRef),
    /// Only if what is missing were given and right: one set of attributes for each distinct conditional grant's, sorted.
    Conditional(BTreeSet<BTreeSet<String>>),
    /// No.
    Deny(Reason),
}

/// The grant that allowed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GrantRef {
    /// The binding.
    pub binding: BindingName,
    /// The binding's role (not the one that it implies).
    pub role: RoleName,
    /// The node of the binding.
    pub node: NodeName,
}

/// Why not. In the order in which they are looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The resource's organization is not known.
    ResourceUnknown,
    /// An earlier revision of the tree's role model had the permission; the pinned one does not.
    PermissionRetired,
    /// The action exists for nobody (NA).
    NotAvailable,
    /// The permission does not apply to this type of node.
    TypeNotApplicable,
    /// The permission is not for this kind of organization.
    KindNotApplicable,
    /// The user is not known.
    UserUnknown,
    /// The user is suspended.
    UserSuspended,
    /// A container from the resource up to its organization is not known.
    NodeUnknown(NodeName),
    /// A node from the resource up to its organization is deleted.
    NodeDeleted(NodeName),
    /// A node from the resource up to its organization is suspended.
    NodeSuspended(NodeName),
    /// The permission needs an active account and this one is paused.
    AccountPaused(NodeName),
    /// The permission needs somebody to hold one of these roles (ids) at the organization.
    RoleHolderMissing(Vec<String>),
    /// The ceiling at this node leaves the permission's component out.
    AboveCeiling(NodeName),
    /// Nothing grants it.
    NoGrant,
}

impl Reason {
    /// The word in the contract: `NO_GRANT`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::ResourceUnknown | Self::NodeUnknown(_) => "RESOURCE_UNKNOWN",
            Self::PermissionRetired => "PERMISSION_RETIRED",
            Self::NotAvailable => "NOT_AVAILABLE",
            Self::TypeNotApplicable => "TYPE_NOT_APPLICABLE",
            Self::KindNotApplicable => "KIND_NOT_APPLICABLE",
            Self::UserUnknown => "USER_UNKNOWN",
            Self::UserSuspended => "USER_SUSPENDED",
            Self::NodeDeleted(_) => "RESOURCE_DELETED",
            Self::NodeSuspended(_) => "RESOURCE_SUSPENDED",
            Self::AccountPaused(_) => "ACCOUNT_PAUSED",
            Self::RoleHolderMissing(_) => "ROLE_HOLDER_MISSING",
            Self::AboveCeiling(_) => "ABOVE_CEILING",
            Self::NoGrant => "NO_GRANT",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ResourceUnknown => f.write_str("the organization is not known"),
            Self::PermissionRetired => f.write_str("the role model no longer has this permission"),
            Self::NotAvailable => f.write_str("the action does not exist for anybody"),
            Self::TypeNotApplicable => f.write_str("the permission does not apply to this type of resource"),
            Self::KindNotApplicable => f.write_str("the permission is not for this kind of organization"),
            Self::UserUnknown => f.write_str("the user is not known"),
            Self::UserSuspended => f.write_str("the user is suspended"),
            Self::NodeUnknown(node) => write!(f, "`{node}` is not known"),
            Self::NodeDeleted(node) => write!(f, "`{node}` is deleted"),
            Self::NodeSuspended(node) => write!(f, "`{node}` is suspended"),
            Self::AccountPaused(node) => write!(f, "`{node}` is paused"),
            Self::RoleHolderMissing(roles) => write!(f, "nobody holds one of the roles {} at the organization", roles.join(", ")),
            Self::AboveCeiling(node) => write!(f, "the component is not enabled at `{node}`"),
            Self::NoGrant => f.write_str("nothing grants it"),
        }
    }
}

/// A condition that failed to evaluate.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConditionError {
    /// The binding by which it was met.
    pub binding: BindingName,
    /// The condition's id.
    pub condition: String,
    /// What CEL said; holds no attribute's value.
    pub message: String,
}

/// A question that makes no sense: INVALID_ARGUMENT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// No revision of the tree's model up to the pinned one ever had it.
    #[error("role model `{model}` has no permission `{permission}`")]
    UnknownPermission {
        /// What was asked for.
        permission: String,
        /// The tree's model.
        model: String,
    },
    /// The tree's model declares no such collection, or not under such a parent.
    #[error("role model `{model}` has no collection `{collection}` under a node like the parent of `{resource}`")]
    UnknownCollection {
        /// The collection in the name.
        collection: String,
        /// The name.
        resource: NodeName,
        /// The tree's model.
        model: String,
    },
    /// The type declares no such attribute with the request as its source.
    #[error("attribute `{attribute}` is not one that a request gives for a {node_type}")]
    UnknownAttribute {
        /// The attribute.
        attribute: String,
        /// The type of the resource.
        node_type: String,
    },
    /// The attribute's value is of another type.
    #[error("attribute `{attribute}` must be of type {expected}")]
    AttributeType {
        /// The attribute.
        attribute: String,
        /// `string`, `bool`, `int` or `string_list`.
        expected: &'static str,
    },
}
