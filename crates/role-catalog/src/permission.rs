//! The permission catalogue: which permissions a role model has, and which of them an organization may put into custom roles.

use std::collections::{BTreeMap, BTreeSet};

use decision::{
    document::{Document, Level, Permission},
    record::OrganizationKind,
    reserved::{self, CONTAINERS, ReservedPermission},
};

/// A permission of a role model.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// `campaigns.run_actual`.
    pub(crate) id: String,
    pub(crate) title: String,
    pub(crate) level: Level,
    /// The types that it applies to, in the order of the role model; containers first.
    pub(crate) types: Vec<String>,
    /// The kinds of organization that it is for; empty: every kind.
    pub(crate) kinds: Vec<String>,
    pub(crate) reserved: bool,
    pub(crate) nobody: bool,
    /// Why it cannot be put into a custom role, if so.
    pub(crate) barred: Option<Barred>,
    /// The sections that have it.
    pub(crate) sections: Vec<String>,
}

/// Why a permission cannot be put into a custom role.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Barred {
    /// The role model has no custom roles.
    NoCustomRoles,
    /// The action exists for nobody.
    Nobody,
    /// It is of a component that every role model has: roles of the role model give it, and permissions that imply it.
    Reserved,
    /// It is not for this kind of organization.
    Kind,
    /// It applies to nothing at or below a node that custom roles are held at.
    Type,
}

impl Barred {
    /// The word in the contract.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::NoCustomRoles => "NO_CUSTOM_ROLES",
            Self::Nobody => "NOBODY",
            Self::Reserved => "RESERVED",
            Self::Kind => "KIND",
            Self::Type => "TYPE",
        }
    }
}

impl Entry {
    /// `campaigns`.
    pub(crate) fn component(&self) -> &str {
        component(&self.id)
    }

    /// Whether it is for organizations of this kind.
    pub(crate) fn is_for(&self, kind: OrganizationKind) -> bool {
        is_for(&self.kinds, kind)
    }
}

/// Every permission of a role model, in the order of its components (the reserved ones after its own) and, in each, of its permissions (the
/// reserved ones first). `kind` is that of the organization that asks; none: no organization does.
pub(crate) fn catalogue(document: &Document, kind: Option<OrganizationKind>) -> Vec<Entry> {
    let order: Vec<&str> = document
        .components
        .iter()
        .map(|component| component.id.as_str())
        .chain(reserved::components().iter().map(|component| component.id))
        .collect();
    let own = document.permissions.iter().filter(|permission| reserved::permission(&permission.id).is_none());
    let mut entries: Vec<Entry> =
        reserved::permissions().iter().map(|reserved| reserved_entry(document, reserved)).chain(own.map(own_entry)).collect();
    let held_at = document.custom_roles.as_ref().map(|custom| custom.held_at.as_slice());
    let reach: Option<BTreeSet<&str>> = held_at.map(|types| types.iter().flat_map(|id| at_or_below(document, id)).collect());
    let mut sections = sections(document, kind);
    for entry in &mut entries {
        entry.barred = barred(entry, reach.as_ref(), kind);
        entry.sections = sections.remove(entry.id.as_str()).unwrap_or_default();
    }
    // Stable: within a component they stay as they are.
    entries.sort_by_cached_key(|entry| order.iter().position(|id| *id == entry.component()));
    entries
}

fn own_entry(permission: &Permission) -> Entry {
    Entry {
        id: permission.id.clone(),
        title: permission.title.clone(),
        level: permission.level,
        types: permission.types.clone(),
        kinds: permission.kinds.clone(),
        reserved: false,
        nobody: permission.nobody,
        barred: None,
        sections: Vec::new(),
    }
}

/// What a role model may say of a reserved permission is all but its component and level.
fn reserved_entry(document: &Document, reserved: &ReservedPermission) -> Entry {
    let declared = document.permissions.iter().find(|permission| permission.id == reserved.id);
    let types = match declared {
        Some(permission) if !permission.types.is_empty() => permission.types.clone(),
        _ => type_ids(document).filter(|id| reserved.types.include(id)).map(str::to_owned).collect(),
    };
    let title = declared.map(|permission| permission.title.as_str()).filter(|title| !title.is_empty());
    Entry {
        id: reserved.id.to_owned(),
        title: title.map_or_else(|| reserved_title(reserved), str::to_owned),
        level: reserved.level,
        types,
        kinds: declared.map(|permission| permission.kinds.clone()).unwrap_or_default(),
        reserved: true,
        nobody: declared.is_some_and(|permission| permission.nobody),
        barred: None,
        sections: Vec::new(),
    }
}

/// `Members: link identity`.
fn reserved_title(reserved: &ReservedPermission) -> String {
    let component = reserved::components().iter().find(|component| component.id == reserved.component);
    format!("{}: {}", component.map_or(reserved.component, |component| component.title), reserved.action.replace('_', " "))
}

fn barred(entry: &Entry, reach: Option<&BTreeSet<&str>>, kind: Option<OrganizationKind>) -> Option<Barred> {
    let Some(reach) = reach else { return Some(Barred::NoCustomRoles) };
    if entry.nobody {
        Some(Barred::Nobody)
    } else if reserved::is_component(entry.component()) {
        Some(Barred::Reserved)
    } else if kind.is_some_and(|kind| !entry.is_for(kind)) {
        Some(Barred::Kind)
    } else if !entry.types.iter().any(|id| reach.contains(id.as_str())) {
        Some(Barred::Type)
    } else {
        None
    }
}

/// By permission: the sections shown that have it.
fn sections(document: &Document, kind: Option<OrganizationKind>) -> BTreeMap<&str, Vec<String>> {
    let mut having: BTreeMap<&str, Vec<String>> = BTreeMap::new();
    for section in document.display.sections.iter().filter(|section| kind.is_none_or(|kind| is_for(&section.kinds, kind))) {
        let permissions: BTreeSet<&str> = section.rows.iter().flat_map(|row| &row.permissions).map(String::as_str).collect();
        permissions.into_iter().for_each(|id| having.entry(id).or_default().push(section.id.clone()));
    }
    having
}

fn is_for(kinds: &[String], kind: OrganizationKind) -> bool {
    kinds.is_empty() || kinds.iter().any(|listed| listed == kind.as_str())
}

fn component(permission: &str) -> &str {
    permission.split('.').next().unwrap_or_default()
}

fn type_ids(document: &Document) -> impl Iterator<Item = &str> {
    let leaves = document.types.iter().map(|rule| rule.id.as_str()).filter(|id| !CONTAINERS.contains(id));
    CONTAINERS.into_iter().chain(leaves)
}

/// The types of which a node can stand at or below one of this type, in the same organization: custom roles never cross into customers.
fn at_or_below<'d>(document: &'d Document, node_type: &'d str) -> BTreeSet<&'d str> {
    let mut found = BTreeSet::from([node_type]);
    found.extend(match node_type {
        "organization" => &["workspace", "account"][..],
        "workspace" => &["account"],
        _ => &[],
    });
    let leaves = document.types.iter().filter(|rule| rule.parents.iter().any(|parent| found.contains(parent.as_str())));
    let leaves: Vec<&str> = leaves.map(|rule| rule.id.as_str()).collect();
    found.extend(leaves);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document() -> Document {
        crate::document::from_yaml(
            r"
model: m
types:
  - { id: campaign, collection: campaigns, parents: [account] }
  - { id: deal, collection: deals, parents: [organization] }
components: [{ id: buying }, { id: selling }]
permissions:
  - { id: selling.sell, types: [campaign], kinds: [publisher] }
  - { id: buying.buy, types: [campaign] }
  - { id: buying.steal, types: [campaign], nobody: true }
  - { id: buying.deal, types: [deal] }
  - { id: access.assign, types: [account] }
  - { id: roles.get, title: See roles, types: [organization, account] }
custom_roles: { held_at: [account], assign_with: access.assign }
display:
  sections:
    - { id: all, rows: [{ id: buy, permissions: [buying.buy] }] }
    - { id: sellers, kinds: [publisher], rows: [{ id: buy, permissions: [buying.buy, selling.sell] }] }
",
        )
        .unwrap_or_else(|finding| panic!("{finding}"))
    }

    fn entry(kind: Option<OrganizationKind>, id: &str) -> Entry {
        catalogue(&document(), kind).into_iter().find(|entry| entry.id == id).unwrap()
    }

    #[test]
    fn the_order_is_that_of_components_and_permissions_with_the_reserved_components_last() {
        let entries = catalogue(&document(), None);
        let ids: Vec<_> = entries.iter().map(|entry| entry.id.as_str()).collect();
        assert_eq!(ids[..5], ["buying.buy", "buying.steal", "buying.deal", "selling.sell", "organization.get"]);
        let access = ids.iter().position(|id| *id == "access.get").unwrap();
        assert_eq!(ids[access + 1], "access.assign");
        assert_eq!(ids.len(), reserved::permissions().len() + 5);
    }

    #[test]
    fn what_cannot_be_in_a_custom_role_says_why() {
        let marketer = Some(OrganizationKind::Marketer);
        for (id, expected) in [
            ("buying.buy", None),
            ("selling.sell", Some(Barred::Kind)),
            ("buying.steal", Some(Barred::Nobody)),
            ("buying.deal", Some(Barred::Type)),
            ("access.assign", Some(Barred::Reserved)),
            ("accounts.get", Some(Barred::Reserved)),
        ] {
            assert_eq!(entry(marketer, id).barred, expected, "{id}");
        }
        assert_eq!(entry(Some(OrganizationKind::Publisher), "selling.sell").barred, None);
        let without = Document { custom_roles: None, ..document() };
        assert!(catalogue(&without, marketer).iter().all(|entry| entry.barred == Some(Barred::NoCustomRoles)));
    }

    #[test]
    fn a_reserved_permission_says_what_the_role_model_says_of_it() {
        let roles = entry(None, "roles.get");
        assert_eq!(
            (roles.title.as_str(), roles.level, roles.types, roles.reserved),
            ("See roles", Level::View, vec!["organization".into(), "account".into()], true)
        );
        assert_eq!(entry(None, "members.link_identity").title, "Members: link identity");
        assert_eq!(entry(None, "workspaces.get").types, ["workspace"]);
    }

    #[test]
    fn sections_are_those_of_the_kind() {
        assert_eq!(entry(Some(OrganizationKind::Marketer), "buying.buy").sections, ["all"]);
        assert_eq!(entry(Some(OrganizationKind::Publisher), "buying.buy").sections, ["all", "sellers"]);
        assert_eq!(entry(None, "selling.sell").sections, ["sellers"]);
    }
}
