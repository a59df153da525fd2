//! The reserved components and permissions: the same in every role model, because Tenantry itself checks them (DESIGN §3).
//!
//! A table of data. `get` is the view level, everything else edit; `create`, `attach_customer` and `ceilings.set` are checked at the parent.

use crate::document::Level;

/// The container types, which every role model has.
pub const CONTAINERS: [&str; 3] = ["organization", "workspace", "account"];

/// A component that every role model has; neither ceilings nor component maps close it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedComponent {
    /// `workspaces`.
    pub id: &'static str,
    /// What people call it.
    pub title: &'static str,
}

/// The types of node that a reserved permission applies to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Types {
    /// These.
    Listed(&'static [&'static str]),
    /// Every leaf type that the model declares.
    Leaves,
    /// The containers and every leaf type.
    Any,
}

impl Types {
    /// Whether a type of node is among them. Every type that is no container is a leaf.
    pub fn include(self, node_type: &str) -> bool {
        match self {
            Self::Listed(types) => types.contains(&node_type),
            Self::Leaves => !CONTAINERS.contains(&node_type),
            Self::Any => true,
        }
    }
}

/// A permission that every role model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReservedPermission {
    /// `workspaces`.
    pub component: &'static str,
    /// `create`.
    pub action: &'static str,
    /// `workspaces.create`.
    pub id: &'static str,
    /// From which level of its component on it is included.
    pub level: Level,
    /// The types of node that it applies to, unless the model says otherwise.
    pub types: Types,
}

const ORGANIZATION: Types = Types::Listed(&["organization"]);
const WORKSPACE: Types = Types::Listed(&["workspace"]);
const ACCOUNT: Types = Types::Listed(&["account"]);
const CONTAINER: Types = Types::Listed(&CONTAINERS);
const ORGANIZATION_OR_WORKSPACE: Types = Types::Listed(&["organization", "workspace"]);
const ORGANIZATION_OR_ACCOUNT: Types = Types::Listed(&["organization", "account"]);

macro_rules! reserved {
    ($($component:literal: $($action:literal $level:ident $types:expr),+;)+) => {
        &[$($(ReservedPermission {
            component: $component,
            action: $action,
            id: concat!($component, ".", $action),
            level: Level::$level,
            types: $types,
        }),+),+]
    };
}

static PERMISSIONS: &[ReservedPermission] = reserved! {
    // attach_customer: at the workspace that becomes the parent, and at the organization that is moved (consent).
    // suspend: of a customer, at the workspace above; a suspended organization is closed to the permission that would reopen it.
    "organization": "get" View ORGANIZATION, "update" Edit ORGANIZATION, "delete" Edit ORGANIZATION,
        "suspend" Edit ORGANIZATION_OR_WORKSPACE,
        "attach_customer" Edit ORGANIZATION_OR_WORKSPACE;
    "workspaces": "get" View WORKSPACE, "create" Edit ORGANIZATION, "update" Edit WORKSPACE, "delete" Edit WORKSPACE;
    "accounts": "get" View ACCOUNT, "create" Edit ORGANIZATION_OR_WORKSPACE, "update" Edit ACCOUNT, "delete" Edit ACCOUNT, "pause" Edit ACCOUNT;
    "resources": "get" View Types::Any, "create" Edit CONTAINER, "update" Edit Types::Leaves, "delete" Edit Types::Leaves;
    "groups": "get" View ORGANIZATION, "create" Edit ORGANIZATION, "update" Edit ORGANIZATION, "delete" Edit ORGANIZATION;
    "partners": "get" View ORGANIZATION_OR_ACCOUNT, "create" Edit ORGANIZATION_OR_ACCOUNT, "update" Edit ORGANIZATION_OR_ACCOUNT,
        "delete" Edit ORGANIZATION_OR_ACCOUNT;
    "invitations": "get" View Types::Any, "create" Edit Types::Any, "update" Edit Types::Any, "delete" Edit Types::Any;
    "roles": "get" View ORGANIZATION, "create" Edit ORGANIZATION, "update" Edit ORGANIZATION, "delete" Edit ORGANIZATION;
    "members": "get" View ORGANIZATION, "create" Edit ORGANIZATION, "update" Edit ORGANIZATION, "delete" Edit ORGANIZATION,
        "link_identity" Edit ORGANIZATION;
    "access": "get" View Types::Any;
    "ceilings": "get" View CONTAINER, "set" Edit CONTAINER;
    "audit": "get" View CONTAINER;
};

static COMPONENTS: &[ReservedComponent] = &[
    ReservedComponent { id: "organization", title: "Organization" },
    ReservedComponent { id: "workspaces", title: "Workspaces" },
    ReservedComponent { id: "accounts", title: "Accounts" },
    ReservedComponent { id: "resources", title: "Resources" },
    ReservedComponent { id: "groups", title: "Groups" },
    ReservedComponent { id: "partners", title: "Partners" },
    ReservedComponent { id: "invitations", title: "Invitations" },
    ReservedComponent { id: "roles", title: "Roles" },
    ReservedComponent { id: "members", title: "Members" },
    ReservedComponent { id: "access", title: "Access" },
    ReservedComponent { id: "ceilings", title: "Ceilings" },
    ReservedComponent { id: "audit", title: "Audit" },
];

/// Every reserved permission, a component's together.
pub fn permissions() -> &'static [ReservedPermission] {
    PERMISSIONS
}

/// Every reserved component.
pub fn components() -> &'static [ReservedComponent] {
    COMPONENTS
}

/// The reserved permission of this id.
pub fn permission(id: &str) -> Option<&'static ReservedPermission> {
    PERMISSIONS.iter().find(|permission| permission.id == id)
}

/// Whether this is a reserved component.
pub fn is_component(id: &str) -> bool {
    COMPONENTS.iter().any(|component| component.id == id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_permission_is_of_a_listed_component_and_every_component_has_one() {
        assert!(permissions().iter().all(|permission| is_component(permission.component)));
        assert!(components().iter().all(|component| permissions().iter().any(|permission| permission.component == component.id)));
        assert_eq!(permissions().len(), 43);
    }

    #[test]
    fn only_get_is_of_the_view_level() {
        assert!(permissions().iter().all(|permission| (permission.level == Level::View) == (permission.action == "get")));
        assert_eq!(permission("accounts.pause").unwrap().id, "accounts.pause");
        assert!(permission("accounts.fly").is_none());
    }

    #[test]
    fn leaves_are_all_types_but_the_containers() {
        assert!(Types::Leaves.include("campaign") && !Types::Leaves.include("account"));
        assert!(Types::Any.include("campaign") && Types::Any.include("account"));
    }
}
