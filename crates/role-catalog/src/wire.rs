//! Messages to domain values and back: the only place that knows both. Everything is parsed here, all fields of a request at once.

pub(crate) mod access_matrix;
pub(crate) mod permission;
pub(crate) mod role;
pub(crate) mod role_model;

use api::rolecatalog::v1::{
    RoleModelDocument,
    role_model_document::{Grant as GrantMessage, Role as RoleMessage},
};
use decision::{
    document::{Document, Grant, Role},
    name::{MalformedName, NodeKind, NodeName},
};
use serde::{Serialize, de::DeserializeOwned};

use crate::{role_model::RoleModelName, status::Error};

/// The messages of the role model are written as the document is, under the same field names; see `api::document`.
fn translate<F: Serialize, T: DeserializeOwned>(from: &F) -> Result<T, serde_json::Error> {
    serde_json::to_value(from).and_then(serde_json::from_value)
}

/// Reads a role model's document; the error is for its author. Says nothing of whether it makes sense.
pub(crate) fn read_document(message: &RoleModelDocument) -> Result<Document, String> {
    translate(message).map_err(|error| error.to_string())
}

/// Writes a role model's document.
pub(crate) fn write_document(document: &Document) -> Result<RoleModelDocument, Error> {
    translate(document).map_err(Error::Unwritable)
}

/// Reads a grant; the error is for its author.
fn read_grant(message: &GrantMessage) -> Result<Grant, String> {
    translate(message).map_err(|error| error.to_string())
}

/// Writes grants.
pub(crate) fn write_grants(grants: &[Grant]) -> Result<Vec<GrantMessage>, Error> {
    grants.iter().map(translate).collect::<Result<_, _>>().map_err(Error::Unwritable)
}

fn write_system_role(role: &Role) -> Result<RoleMessage, Error> {
    translate(role).map_err(Error::Unwritable)
}

/// What roles and permissions are listed of.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Parent {
    /// An organization.
    Organization(NodeName),
    /// A role model.
    RoleModel(RoleModelName),
}

impl Parent {
    fn parse(input: &str) -> Result<Self, MalformedName> {
        if let Ok(name) = RoleModelName::parse(input) {
            return Ok(Self::RoleModel(name));
        }
        const EXPECTED: &str = "an organization's or a role model's name, for example `organizations/acme` or `roleModels/ad-platform`";
        match NodeName::parse(input) {
            Ok(name) if name.kind() == NodeKind::Organization => Ok(Self::Organization(name)),
            Ok(_) => Err(MalformedName { input: input.to_owned(), expected: EXPECTED }),
            Err(malformed) => Err(MalformedName { expected: EXPECTED, ..malformed }),
        }
    }
}
