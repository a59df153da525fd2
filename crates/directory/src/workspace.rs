//! Workspaces: spaces inside an organization. Their rules that need no database.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use decision::name::NodeName;
use serde_json::{Value, json};
use service::fields::Etag;

use crate::status::Error;

/// A workspace.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Workspace {
    pub(crate) name: NodeName,
    pub(crate) display_name: String,
    pub(crate) deleted: bool,
    /// When it was deleted, if it is.
    pub(crate) delete_time: Option<DateTime<Utc>>,
    /// From when on it cannot be undeleted any more, if it is deleted.
    pub(crate) purge_time: Option<DateTime<Utc>>,
    /// The components enabled by its organization; none if unset.
    pub(crate) ceiling: Option<BTreeSet<String>>,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

impl Workspace {
    /// A new one.
    pub(crate) fn new(name: NodeName, display_name: String, now: DateTime<Utc>) -> Self {
        Self {
            name,
            display_name,
            deleted: false,
            delete_time: None,
            purge_time: None,
            ceiling: None,
            create_time: now,
            update_time: now,
            version: 1,
        }
    }

    /// Whether the state is the one that the client has seen.
    pub(crate) fn expect_seen(&self, etag: Etag) -> Result<(), Error> {
        if etag.accepts(self.version) { Ok(()) } else { Err(Error::EtagMismatch { name: self.name.to_string() }) }
    }

    /// The same, and it allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        self.expect_seen(etag)?;
        if self.deleted {
            return Err(Error::WrongState { name: self.name.to_string(), state: "deleted", remedy: "undelete it first" });
        }
        Ok(())
    }

    fn next(&self, now: DateTime<Utc>) -> Self {
        Self { update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// By another display name; none: the same.
    pub(crate) fn renamed(&self, display_name: Option<String>, now: DateTime<Utc>) -> Self {
        Self { display_name: display_name.unwrap_or_else(|| self.display_name.clone()), ..self.next(now) }
    }

    /// Deleted, to be purged at that time.
    pub(crate) fn ended(&self, now: DateTime<Utc>, purge_time: DateTime<Utc>) -> Self {
        Self { deleted: true, delete_time: Some(now), purge_time: Some(purge_time), ..self.next(now) }
    }

    /// No longer deleted; otherwise as it was before.
    pub(crate) fn restored(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: false, delete_time: None, purge_time: None, ..self.next(now) }
    }

    /// With another ceiling.
    pub(crate) fn with_ceiling(&self, ceiling: Option<BTreeSet<String>>, now: DateTime<Utc>) -> Self {
        Self { ceiling, ..self.next(now) }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({ "display_name": self.display_name, "deleted": self.deleted, "ceiling": self.ceiling })
    }
}
