//! Roles: the system roles of role models, and the custom roles of organizations with their rules.

use std::fmt;

use chrono::{DateTime, Utc};
use decision::{
    document::{self, Document, Grant},
    name::{MalformedName, NodeName, RoleName, RoleOwner},
    record::OrganizationKind,
    reserved,
    validate::{Finding, validate},
};
use serde_json::{Value, json};
use service::fields::Etag;

use crate::{
    permission::{Barred, catalogue},
    role_model::Revision,
    status::Error,
};

/// The most grants that a custom role has.
pub(crate) const MAX_GRANTS: usize = 100;
/// The most bytes that a custom role's grants take as messages: a page of roles has to fit into an answer.
pub(crate) const MAX_GRANT_BYTES: usize = 64 * 1024;
/// The most custom roles that an organization has, deleted ones not counted.
pub(crate) const MAX_ROLES: u64 = 500;

/// The name of a custom role: `organizations/acme/roles/buyer`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CustomRoleName {
    name: RoleName,
    organization: NodeName,
}

impl CustomRoleName {
    /// Reads a name.
    pub(crate) fn parse(input: &str) -> Result<Self, MalformedName> {
        const EXPECTED: &str = "a custom role's name, for example `organizations/acme/roles/buyer`";
        let expected = |malformed: MalformedName| MalformedName { expected: EXPECTED, ..malformed };
        let name = RoleName::parse(input).map_err(expected)?;
        match name.owner() {
            RoleOwner::Organization(organization) => Ok(Self { name, organization }),
            RoleOwner::Model(_) => Err(MalformedName { input: input.to_owned(), expected: EXPECTED }),
        }
    }

    /// Whose role it is.
    pub(crate) fn organization(&self) -> &NodeName {
        &self.organization
    }

    pub(crate) fn as_str(&self) -> &str {
        self.name.as_str()
    }

    pub(crate) fn as_role(&self) -> &RoleName {
        &self.name
    }
}

impl fmt::Display for CustomRoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.name.fmt(f)
    }
}

/// A custom role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct CustomRole {
    pub(crate) name: CustomRoleName,
    /// The type of node that it is held at.
    pub(crate) held_at: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) grants: Vec<Grant>,
    pub(crate) deleted: bool,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

/// What a custom role shall be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    pub(crate) name: CustomRoleName,
    pub(crate) held_at: String,
    pub(crate) title: String,
    pub(crate) description: String,
    pub(crate) grants: Vec<Grant>,
}

/// What shall change of a custom role; none: stays.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Revised {
    pub(crate) title: Option<String>,
    pub(crate) description: Option<String>,
    pub(crate) grants: Option<Vec<Grant>>,
}

impl CustomRole {
    /// A new one.
    pub(crate) fn new(draft: Draft, now: DateTime<Utc>) -> Self {
        let Draft { name, held_at, title, description, grants } = draft;
        Self { name, held_at, title, description, grants, deleted: false, create_time: now, update_time: now, version: 1 }
    }

    /// Whether the state is the one that the client has seen, and allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if !etag.accepts(self.version) {
            return Err(Error::EtagMismatch { name: self.name.to_string() });
        }
        if self.deleted {
            return Err(Error::Deleted { name: self.name.to_string() });
        }
        Ok(())
    }

    /// The same with some things changed.
    pub(crate) fn revised(&self, revised: &Revised, now: DateTime<Utc>) -> Self {
        let Revised { title, description, grants } = revised.clone();
        Self {
            title: title.unwrap_or_else(|| self.title.clone()),
            description: description.unwrap_or_else(|| self.description.clone()),
            grants: grants.unwrap_or_else(|| self.grants.clone()),
            update_time: now,
            version: self.version + 1,
            ..self.clone()
        }
    }

    /// Deleted.
    pub(crate) fn ended(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: true, update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({
            "title": self.title, "description": self.description, "held_at": self.held_at, "grants": self.grants, "deleted": self.deleted,
        })
    }
}

/// Whether a role model allows a custom role for organizations of a kind. Who may give what is not the question here: authz decides that.
pub(crate) fn allowed(document: &Document, kind: OrganizationKind, held_at: &str, grants: &[Grant]) -> Result<(), Error> {
    let findings = findings(document, kind, held_at, grants);
    if findings.is_empty() { Ok(()) } else { Err(Error::InvalidRole(findings)) }
}

fn findings(document: &Document, kind: OrganizationKind, held_at: &str, grants: &[Grant]) -> Vec<Finding> {
    let finding = |path: String, message: String| Finding { path, message };
    let Some(custom) = &document.custom_roles else {
        return vec![finding("role".to_owned(), format!("the role model `{}` has no custom roles", document.model))];
    };
    if !custom.held_at.iter().any(|id| id == held_at) {
        let types: Vec<String> = custom.held_at.iter().map(|id| format!("`{id}`")).collect();
        return vec![finding("role.held_at".to_owned(), format!("custom roles are held at {}, not at `{held_at}`", types.join(" or ")))];
    }
    let mut findings = by_the_rules_of_system_roles(document, held_at, grants);
    let catalogue = catalogue(document, Some(kind));
    for (at, grant) in grants.iter().enumerate() {
        let at = format!("role.grants[{at}]");
        if grant.through_customers {
            findings
                .push(finding(format!("{at}.through_customers"), "custom roles end at the organization's border; leave it out".to_owned()));
        }
        for component in grant.components.keys().filter(|id| reserved::is_component(id)) {
            let message = format!("`{component}` is a reserved component, which custom roles do not give; leave it out");
            findings.push(finding(format!("{at}.components.{component}"), message));
        }
        for (n, id) in grant.permissions.iter().enumerate() {
            // An unknown one has been found already.
            let Some(barred) = catalogue.iter().find(|entry| entry.id == *id).and_then(|entry| entry.barred) else { continue };
            let why = match barred {
                Barred::NoCustomRoles | Barred::Reserved => "is a reserved permission, which custom roles do not give",
                Barred::Nobody => "exists for nobody",
                Barred::Kind => "is not for organizations of this kind",
                // Of no type that the grant reaches, which has been found already.
                Barred::Type => continue,
            };
            findings.push(finding(format!("{at}.permissions[{n}]"), format!("`{id}` {why}; leave it out")));
        }
    }
    findings
}

/// A custom role's grants follow the rules of a system role's: they are checked as those of the only role of the same document.
fn by_the_rules_of_system_roles(document: &Document, held_at: &str, grants: &[Grant]) -> Vec<Finding> {
    let role =
        document::Role { id: "custom".to_owned(), held_at: held_at.to_owned(), grants: grants.to_vec(), ..document::Role::default() };
    let document = Document { roles: vec![role], ..document.clone() };
    validate(&document)
        .into_iter()
        .filter_map(|Finding { path, message }| {
            let rest = path.strip_prefix("roles[0].").filter(|rest| rest.starts_with("grants"))?;
            Some(Finding { path: format!("role.{rest}"), message })
        })
        .collect()
}

/// A role as it is shown.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Role {
    /// One of a role model's revision.
    System(SystemRole),
    /// One of an organization.
    Custom(CustomRole),
}

/// A system role.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct SystemRole {
    pub(crate) name: RoleName,
    pub(crate) rules: document::Role,
    /// The revision of the role model.
    pub(crate) model_revision: u32,
    /// When that revision was added.
    pub(crate) create_time: DateTime<Utc>,
}

/// The system roles of a revision, in the order of their names.
pub(crate) fn system_roles(revision: &Revision) -> Vec<SystemRole> {
    let mut roles: Vec<SystemRole> = revision
        .document
        .roles
        .iter()
        .filter_map(|role| {
            Some(SystemRole {
                name: RoleName::system(&revision.document.model, &role.id)?,
                rules: role.clone(),
                model_revision: revision.number,
                create_time: revision.create_time,
            })
        })
        .collect();
    roles.sort_by(|one, other| one.name.cmp(&other.name));
    roles
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_custom_role_is_named_under_its_organization() {
        assert_eq!(CustomRoleName::parse("organizations/acme/roles/buyer").unwrap().organization().as_str(), "organizations/acme");
        for text in ["roleModels/m/roles/r", "organizations/acme", "organizations/acme/roles/", ""] {
            assert!(CustomRoleName::parse(text).is_err(), "{text}");
        }
    }

    fn document() -> Document {
        crate::document::from_yaml(include_str!("../models/media-marketplace.yaml")).unwrap_or_else(|finding| panic!("{finding}"))
    }

    fn paths(kind: OrganizationKind, held_at: &str, grants: &str) -> Vec<String> {
        let grants: Vec<Grant> = serde_json::from_str(grants).unwrap();
        findings(&document(), kind, held_at, &grants).into_iter().map(|finding| finding.path).collect()
    }

    #[test]
    fn a_custom_role_is_made_of_permissions_and_sections() {
        let grants =
            r#"[{ "permissions": ["activation.view_campaigns"] }, { "components": { "reporting": "edit" } }, { "everything": {} }]"#;
        assert!(paths(OrganizationKind::Marketer, "account", grants).is_empty());
    }

    #[test]
    fn all_that_a_custom_role_may_not_be_is_found_at_once() {
        let grants = r#"[
            { "permissions": ["inventory.view_sites", "accounts.get", "activation.fly"] },
            { "components": { "access": "edit", "nothing": "view" } },
            { "permissions": ["activation.view_campaigns"], "types": ["site"], "through_customers": true },
            {}
        ]"#;
        let mut found = paths(OrganizationKind::Marketer, "account", grants);
        found.sort();
        found.dedup();
        assert_eq!(
            found,
            [
                "role.grants[0].permissions[0]",
                "role.grants[0].permissions[1]",
                "role.grants[0].permissions[2]",
                "role.grants[1].components.access",
                "role.grants[1].components.nothing",
                "role.grants[2].permissions[0]",
                "role.grants[2].through_customers",
                "role.grants[3]",
            ]
        );
        assert_eq!(paths(OrganizationKind::Marketer, "organization", "[]"), ["role.held_at"]);
        let without = Document { custom_roles: None, ..document() };
        assert_eq!(findings(&without, OrganizationKind::Mixed, "account", &[])[0].path, "role");
    }
}
