//! Role models: rule books, in immutable revisions.

use std::fmt;

use chrono::{DateTime, Utc};
use decision::{
    document::Document,
    name::{MalformedName, is_id},
};
use ledger::{AuditEntry, WriteConnection};
use serde_json::{Value, json};

use crate::{status::Error, store};

/// The name of a role model: `roleModels/ad-platform`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct RoleModelName(String);

impl RoleModelName {
    const PREFIX: &'static str = "roleModels/";

    /// Reads a name.
    pub(crate) fn parse(input: &str) -> Result<Self, MalformedName> {
        match input.strip_prefix(Self::PREFIX) {
            Some(id) if is_id(id) => Ok(Self(input.to_owned())),
            _ => Err(MalformedName { input: input.to_owned(), expected: "a role model's name, for example `roleModels/ad-platform`" }),
        }
    }

    /// Of an id that is one: every stored and every valid document's.
    pub(crate) fn of_id(id: &str) -> Self {
        Self(format!("{}{id}", Self::PREFIX))
    }

    /// `ad-platform`.
    pub(crate) fn id(&self) -> &str {
        self.0.strip_prefix(Self::PREFIX).unwrap_or_default()
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleModelName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// One revision of a role model. Its document is valid.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Revision {
    /// From 1.
    pub(crate) number: u32,
    pub(crate) document: Document,
    pub(crate) create_time: DateTime<Utc>,
}

impl Revision {
    pub(crate) fn name(&self) -> RoleModelName {
        RoleModelName::of_id(&self.document.model)
    }

    /// What the audit trail says of adding it. The document itself is in the revision, which stays.
    pub(crate) fn audited(&self) -> Value {
        json!({ "model_revision": self.number, "title": self.document.title })
    }

    /// The entry of the audit trail.
    pub(crate) fn audit_entry(&self) -> AuditEntry {
        AuditEntry {
            resource: self.name().to_string(),
            node: None,
            action: "roleModels.push".to_owned(),
            before: None,
            after: Some(self.audited()),
        }
    }
}

/// A role model by its latest revision, without the document.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Heading {
    pub(crate) name: RoleModelName,
    pub(crate) latest: u32,
    pub(crate) title: String,
    pub(crate) create_time: DateTime<Utc>,
}

/// What became of a document.
pub(crate) enum Pushed {
    /// It is a new revision.
    Added(Revision),
    /// The latest revision says the same.
    Unchanged(Revision),
}

/// Makes a valid document the next revision of its role model, unless the latest says the same. The role model's row in the ledger is locked.
pub(crate) async fn push(db: &WriteConnection, document: Document, now: DateTime<Utc>) -> Result<Pushed, Error> {
    let name = RoleModelName::of_id(&document.model);
    let latest = store::role_model::latest(db, &name).await?;
    let number = match latest {
        Some(latest) if latest.document == document => return Ok(Pushed::Unchanged(latest)),
        Some(latest) => latest.number + 1,
        None => 1,
    };
    let revision = Revision { number, document, create_time: now };
    store::role_model::insert(db, &revision).await?;
    Ok(Pushed::Added(revision))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_collection_and_an_id() {
        assert_eq!(RoleModelName::parse("roleModels/ad-platform").unwrap().id(), "ad-platform");
        for text in ["", "roleModels", "roleModels/", "roleModels/A", "roleModels/a/roles/b", "organizations/a"] {
            assert!(RoleModelName::parse(text).is_err(), "{text}");
        }
    }
}
