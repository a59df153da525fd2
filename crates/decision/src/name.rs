//! Resource names: parsed once at the edge, valid ever after.
//!
//! Names are compared as bytes. An id is `[a-z0-9-]{1,63}`, a leaf id `[A-Za-z0-9._~-]{1,128}`, a collection
//! `[a-z][A-Za-z0-9]{0,62}`. A name never changes and is never used again, so parents of containers are fields, not parts of it.

use std::{fmt, sync::Arc};

/// Collections under an organization that hold something other than nodes of a tree.
pub const RESERVED_COLLECTIONS: [&str; 10] =
    ["organizations", "workspaces", "accounts", "groups", "members", "roleBindings", "invitations", "partnerships", "roles", "users"];

/// Why a name is not one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{input}` is not {expected}")]
pub struct MalformedName {
    /// What was given, cut to 256 bytes.
    pub input: String,
    /// What would have been right: "a node name like `organizations/acme/workspaces/emea`".
    pub expected: &'static str,
}

/// True for `[a-z0-9-]{1,63}`.
pub fn is_id(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// True for `[A-Za-z0-9._~-]{1,128}`.
pub fn is_leaf_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
}

/// True for `[a-z][A-Za-z0-9]{0,62}`.
pub fn is_collection(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.as_bytes()[0].is_ascii_lowercase() && text.bytes().all(|b| b.is_ascii_alphanumeric())
}

/// True for `[a-z][a-z0-9_]{0,62}`: components, actions, attributes, parameters.
pub fn is_identifier(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.as_bytes()[0].is_ascii_lowercase()
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

fn malformed(input: &str, expected: &'static str) -> MalformedName {
    let mut end = input.len().min(256);
    while !input.is_char_boundary(end) {
        end -= 1;
    }
    MalformedName { input: input[..end].to_owned(), expected }
}

/// What a node's name says about its type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum NodeKind<'a> {
    /// `organizations/{o}`.
    Organization,
    /// `organizations/{o}/workspaces/{w}`.
    Workspace,
    /// `organizations/{o}/accounts/{a}`.
    Account,
    /// A container's name, then `/{collection}/{id}`; the model says which type the collection is.
    Leaf {
        /// `campaigns`.
        collection: &'a str,
    },
}

/// The name of a node: an organization, workspace, account or leaf.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Arc<str>);

impl NodeName {
    /// Reads a node's name.
    pub fn parse(input: &str) -> Result<Self, MalformedName> {
        const EXPECTED: &str =
            "a node name like `organizations/acme`, `organizations/acme/accounts/a1` or `organizations/acme/workspaces/emea/campaigns/42`";
        let parts: Vec<&str> = if input.len() <= 512 { input.split('/').collect() } else { Vec::new() };
        let good = match parts.as_slice() {
            ["organizations", o] => is_id(o),
            ["organizations", o, "workspaces" | "accounts", c] => is_id(o) && is_id(c),
            ["organizations", o, collection, leaf] => is_id(o) && is_leaf(collection, leaf),
            ["organizations", o, "workspaces" | "accounts", c, collection, leaf] => is_id(o) && is_id(c) && is_leaf(collection, leaf),
            _ => false,
        };
        if good { Ok(Self(input.into())) } else { Err(malformed(input, EXPECTED)) }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The name as shared text.
    pub fn shared(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// What kind of node the name is of.
    pub fn kind(&self) -> NodeKind<'_> {
        let mut parts = self.0.split('/').skip(2);
        match (parts.next(), parts.next(), parts.next()) {
            (None, _, _) => NodeKind::Organization,
            (Some("workspaces"), _, None) => NodeKind::Workspace,
            (Some("accounts"), _, None) => NodeKind::Account,
            (Some("workspaces" | "accounts"), _, Some(collection)) | (Some(collection), _, _) => NodeKind::Leaf { collection },
        }
    }

    /// True for organizations, workspaces and accounts.
    pub fn is_container(&self) -> bool {
        !matches!(self.kind(), NodeKind::Leaf { .. })
    }

    /// The organization that the node is in; itself for an organization.
    pub fn organization(&self) -> NodeName {
        match self.0.match_indices('/').nth(1) {
            None => self.clone(),
            Some((end, _)) => Self(self.0[..end].into()),
        }
    }

    /// For a leaf, the container whose name it begins with; `None` for containers, whose parents are fields.
    pub fn leaf_parent(&self) -> Option<NodeName> {
        if self.is_container() {
            return None;
        }
        let collection_at = self.0.rmatch_indices('/').nth(1).map(|(at, _)| at)?;
        Some(Self(self.0[..collection_at].into()))
    }

    /// The last segment.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

fn is_leaf(collection: &str, leaf: &str) -> bool {
    is_collection(collection) && !RESERVED_COLLECTIONS.contains(&collection) && is_leaf_id(leaf)
}

macro_rules! name_text {
    ($type:ident) => {
        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}
name_text!(NodeName);

macro_rules! flat_name {
    ($(#[$doc:meta])* $type:ident, $expected:literal, $($pattern:literal),+) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(Arc<str>);
        name_text!($type);
        impl $type {
            /// Reads the name.
            pub fn parse(input: &str) -> Result<Self, MalformedName> {
                if input.len() <= 512 && matches_pattern(input, &[$($pattern),+]) { Ok(Self(input.into())) } else { Err(malformed(input, $expected)) }
            }
            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
            /// The last segment.
            pub fn id(&self) -> &str {
                self.0.rsplit('/').next().unwrap_or_default()
            }
        }
    };
}

/// Fixed segments, an id after each.
fn matches_pattern(input: &str, pattern: &[&str]) -> bool {
    let mut parts = input.split('/');
    for fixed in pattern {
        if parts.next() != Some(*fixed) || !parts.next().is_some_and(is_id) {
            return false;
        }
    }
    parts.next().is_none()
}

flat_name!(
    /// `users/{u}`.
    UserName, "a user name like `users/ann`", "users"
);
flat_name!(
    /// `organizations/{o}/groups/{g}`.
    GroupName, "a group name like `organizations/acme/groups/buyers`", "organizations", "groups"
);
flat_name!(
    /// `organizations/{o}/members/{u}`.
    MemberName, "a member name like `organizations/acme/members/ann`", "organizations", "members"
);
flat_name!(
    /// `organizations/{o}/roleBindings/{b}`.
    BindingName, "a role binding name like `organizations/acme/roleBindings/b1`", "organizations", "roleBindings"
);
flat_name!(
    /// `organizations/{o}/partnerships/{p}`.
    PartnershipName, "a partnership name like `organizations/acme/partnerships/p1`", "organizations", "partnerships"
);
flat_name!(
    /// `organizations/{o}/invitations/{i}`.
    InvitationName, "an invitation name like `organizations/acme/invitations/i1`", "organizations", "invitations"
);

macro_rules! in_organization {
    ($($type:ident),+) => {
        $(impl $type {
            /// The organization whose it is.
            pub fn organization(&self) -> NodeName {
                let end = self.0.match_indices('/').nth(1).map_or(self.0.len(), |(at, _)| at);
                NodeName(self.0[..end].into())
            }
        })+
    };
}
in_organization!(GroupName, MemberName, BindingName, PartnershipName, InvitationName);

/// The name of a role: `roleModels/{m}/roles/{r}` (system) or `organizations/{o}/roles/{r}` (custom).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(Arc<str>);
name_text!(RoleName);

/// Whose a role is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoleOwner<'a> {
    /// The id of the role model that it is a system role of.
    Model(&'a str),
    /// The organization whose custom role it is.
    Organization(NodeName),
}

impl RoleName {
    /// Reads the name.
    pub fn parse(input: &str) -> Result<Self, MalformedName> {
        const EXPECTED: &str = "a role name like `roleModels/ad-platform/roles/org-admin` or `organizations/acme/roles/buyer`";
        let good =
            input.len() <= 512 && (matches_pattern(input, &["roleModels", "roles"]) || matches_pattern(input, &["organizations", "roles"]));
        if good { Ok(Self(input.into())) } else { Err(malformed(input, EXPECTED)) }
    }

    /// The name of a model's system role; `None` where an id is malformed.
    pub fn system(model: &str, role: &str) -> Option<Self> {
        Self::parse(&format!("roleModels/{model}/roles/{role}")).ok()
    }

    /// Whose it is.
    pub fn owner(&self) -> RoleOwner<'_> {
        match self.0.strip_prefix("roleModels/") {
            Some(rest) => RoleOwner::Model(rest.split('/').next().unwrap_or_default()),
            None => {
                let end = self.0.match_indices('/').nth(1).map_or(self.0.len(), |(at, _)| at);
                RoleOwner::Organization(NodeName(self.0[..end].into()))
            }
        }
    }

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The role's id.
    pub fn id(&self) -> &str {
        self.0.rsplit('/').next().unwrap_or_default()
    }
}

/// Who can be granted something.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Principal {
    /// `users/{u}`.
    User(UserName),
    /// `organizations/{o}/groups/{g}`: its users, through nested groups too.
    Group(GroupName),
    /// `organizations/{o}`: its active members.
    Organization(NodeName),
    /// `anyone`: every active user.
    Anyone,
}

impl Principal {
    /// Reads a principal.
    pub fn parse(input: &str) -> Result<Self, MalformedName> {
        const EXPECTED: &str = "a principal: `users/ann`, `organizations/acme/groups/buyers`, `organizations/agency` or `anyone`";
        if input == "anyone" {
            return Ok(Self::Anyone);
        }
        if let Ok(user) = UserName::parse(input) {
            return Ok(Self::User(user));
        }
        if let Ok(group) = GroupName::parse(input) {
            return Ok(Self::Group(group));
        }
        match NodeName::parse(input) {
            Ok(node) if node.kind() == NodeKind::Organization => Ok(Self::Organization(node)),
            _ => Err(malformed(input, EXPECTED)),
        }
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(name) => name.fmt(f),
            Self::Group(name) => name.fmt(f),
            Self::Organization(name) => name.fmt(f),
            Self::Anyone => f.write_str("anyone"),
        }
    }
}

/// What lets somebody who is not a member hold a binding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Sponsor {
    /// A partnership of the binding's organization.
    Partnership(PartnershipName),
    /// An agency's workspace above the binding's organization.
    Workspace(NodeName),
}

impl Sponsor {
    /// Reads a sponsor.
    pub fn parse(input: &str) -> Result<Self, MalformedName> {
        const EXPECTED: &str = "a sponsor: `organizations/acme/partnerships/p1` or `organizations/agency/workspaces/north`";
        if let Ok(partnership) = PartnershipName::parse(input) {
            return Ok(Self::Partnership(partnership));
        }
        match NodeName::parse(input) {
            Ok(node) if node.kind() == NodeKind::Workspace => Ok(Self::Workspace(node)),
            _ => Err(malformed(input, EXPECTED)),
        }
    }
}

impl fmt::Display for Sponsor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partnership(name) => name.fmt(f),
            Self::Workspace(name) => name.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leaf_tells_its_container_and_organization() {
        let leaf = NodeName::parse("organizations/acme/workspaces/emea/campaigns/42").unwrap();
        assert_eq!(leaf.kind(), NodeKind::Leaf { collection: "campaigns" });
        assert_eq!(leaf.leaf_parent().unwrap().as_str(), "organizations/acme/workspaces/emea");
        assert_eq!(leaf.organization().as_str(), "organizations/acme");
        let deal = NodeName::parse("organizations/acme/deals/A.1~x").unwrap();
        assert_eq!(deal.kind(), NodeKind::Leaf { collection: "deals" });
        assert_eq!(deal.leaf_parent().unwrap().as_str(), "organizations/acme");
    }

    #[test]
    fn a_container_is_no_leaf() {
        for (text, kind) in [
            ("organizations/acme", NodeKind::Organization),
            ("organizations/acme/workspaces/w", NodeKind::Workspace),
            ("organizations/acme/accounts/a", NodeKind::Account),
        ] {
            let name = NodeName::parse(text).unwrap();
            assert_eq!(name.kind(), kind);
            assert!(name.leaf_parent().is_none());
        }
    }

    #[test]
    fn malformed_names_are_refused() {
        for text in [
            "",
            "/",
            "organizations",
            "organizations/",
            "organizations/Acme",
            "organizations/acme/",
            "organizations/acme/groups/g",
            "organizations/acme/workspaces/w/accounts/a",
            "organizations/acme/campaigns/1/creatives/2",
            "organizations/acme/workspaces/w/roles/r",
            "users/ann",
            "organizations/acme/campaigns/",
            "organizations/acme/campaigns/a b",
            "organizations/acmé",
        ] {
            assert!(NodeName::parse(text).is_err(), "{text}");
        }
        assert!(NodeName::parse(&format!("organizations/{}", "a".repeat(64))).is_err());
        assert!(NodeName::parse(&format!("organizations/{}", "é".repeat(400))).is_err());
    }

    #[test]
    fn a_role_tells_whose_it_is() {
        assert_eq!(RoleName::parse("roleModels/m/roles/r").unwrap().owner(), RoleOwner::Model("m"));
        let custom = RoleName::parse("organizations/acme/roles/r").unwrap();
        assert_eq!(custom.owner(), RoleOwner::Organization(NodeName::parse("organizations/acme").unwrap()));
        assert!(RoleName::parse("organizations/acme/groups/r").is_err());
    }
}
