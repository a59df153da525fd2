//! Registered resources: leaves that another service owns. Their rules that need no database.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use decision::name::NodeName;
use serde_json::{Value, json};
use service::fields::Etag;

use crate::status::Error;

/// Values of attributes by their ids.
pub(crate) type Attributes = BTreeMap<String, Value>;

/// A registered leaf.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Resource {
    pub(crate) name: NodeName,
    pub(crate) attributes: Attributes,
    pub(crate) deleted: bool,
    pub(crate) create_time: DateTime<Utc>,
    pub(crate) update_time: DateTime<Utc>,
    /// Counts its changes, from 1.
    pub(crate) version: i64,
}

impl Resource {
    /// A new one.
    pub(crate) fn new(name: NodeName, attributes: Attributes, now: DateTime<Utc>) -> Self {
        Self { name, attributes, deleted: false, create_time: now, update_time: now, version: 1 }
    }

    /// Whether the state is the one that the client has seen, and allows changes.
    pub(crate) fn expect(&self, etag: Etag) -> Result<(), Error> {
        if !etag.accepts(self.version) {
            return Err(Error::EtagMismatch { name: self.name.to_string() });
        }
        if self.deleted {
            return Err(Error::WrongState { name: self.name.to_string(), state: "ended", remedy: "nothing can be done with it" });
        }
        Ok(())
    }

    /// With these attributes instead.
    pub(crate) fn with_attributes(&self, attributes: Attributes, now: DateTime<Utc>) -> Self {
        Self { attributes, update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// Ended.
    pub(crate) fn ended(&self, now: DateTime<Utc>) -> Self {
        Self { deleted: true, update_time: now, version: self.version + 1, ..self.clone() }
    }

    /// For the audit trail.
    pub(crate) fn audited(&self) -> Value {
        json!({ "attributes": self.attributes, "deleted": self.deleted })
    }
}
