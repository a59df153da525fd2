//! Every refusal of the role catalog, and the status that it becomes.

use api::error::v1::Reason;
use chassis::{internal, refuse};
use decision::validate::Finding;
use ledger::StoreError;
use service::status::ledger_status;
use tonic::{Code, Status};

use crate::role_model::RoleModelName;

/// Why something was not done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// No such thing; said to those only who may see the place where it would be.
    #[error("`{name}` does not exist")]
    NotFound { name: String },
    /// The name is taken, or was once.
    #[error("`{name}` exists, or existed once; names are never used again, choose another")]
    AlreadyExists { name: String },
    /// The thing has changed since its etag was read.
    #[error("`{name}` has changed since; read it again and pass its present `etag`")]
    EtagMismatch { name: String },
    /// A deleted role.
    #[error("`{name}` is deleted; create another")]
    Deleted { name: String },
    /// Bindings use it.
    #[error("`{name}` is in use; revoke the role bindings that give it first")]
    InUse { name: String, bindings: u32 },
    /// An organization has as many custom roles as it may.
    #[error("`{organization}` has {limit} custom roles already; delete one first")]
    TooManyRoles { organization: String, limit: u64 },
    /// A role model's document is not valid. The paths begin with the field of the request.
    #[error("the role model is not valid: {}", summary(.0))]
    InvalidRoleModel(Vec<Finding>),
    /// What a custom role shall give is not what the organization's role model allows in one. The paths begin with the field of the request.
    #[error("the role is not one that the role model allows; see the details")]
    InvalidRole(Vec<Finding>),
    /// A value that was stored, or checked before, cannot be written as its message. A fault of ours.
    #[error("a value has no message: {0}")]
    Unwritable(#[source] serde_json::Error),
    /// What was checked before it was stored is not valid any more. A fault of ours.
    #[error("the stored `{0}` is not valid")]
    StoredInvalid(RoleModelName),
    /// The permit does not say what it must. A fault of ours.
    #[error("the permit lacks {0}")]
    IncompletePermit(&'static str),
    /// The ledger did not write.
    #[error(transparent)]
    Ledger(#[from] ledger::Error),
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        Self::Ledger(error.into())
    }
}

impl Error {
    /// No such thing.
    pub(crate) fn not_found(name: impl ToString) -> Self {
        Self::NotFound { name: name.to_string() }
    }
}

impl From<Error> for Status {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::NotFound { name } => refuse(Code::NotFound, Reason::NotFound, message).resource(kind(&name), name).status(),
            Error::AlreadyExists { name } => {
                refuse(Code::AlreadyExists, Reason::AlreadyExists, message).resource(kind(&name), name).status()
            }
            Error::EtagMismatch { name } => refuse(Code::Aborted, Reason::EtagMismatch, message).resource(kind(&name), name).status(),
            Error::Deleted { name } => refuse(Code::FailedPrecondition, Reason::WrongState, message)
                .metadata("state", "deleted")
                .precondition("STATE", name, "deleted roles stay deleted")
                .status(),
            Error::InUse { name, bindings } => refuse(Code::FailedPrecondition, Reason::InUse, message)
                .metadata("role_bindings", bindings)
                .precondition("IN_USE", name, format!("{bindings} role bindings"))
                .status(),
            Error::TooManyRoles { organization, limit } => refuse(Code::ResourceExhausted, Reason::LimitReached, message)
                .metadata("limit", limit)
                .quota(organization, format!("{limit} custom roles"))
                .status(),
            Error::InvalidRoleModel(findings) => with_findings(Reason::InvalidRoleModel, message, findings),
            Error::InvalidRole(findings) => with_findings(Reason::InvalidRole, message, findings),
            error @ (Error::Unwritable(_) | Error::StoredInvalid(_) | Error::IncompletePermit(_)) => internal(error),
            Error::Ledger(error) => ledger_status(error),
        }
    }
}

/// The only thing that is wrong, or how many there are.
fn summary(findings: &[Finding]) -> String {
    match findings {
        [Finding { path, message }] => format!("`{path}`: {message}"),
        several => format!("{} things are wrong with it; see the details", several.len()),
    }
}

/// Findings as field violations: as many as fit, and how many there are.
fn with_findings(reason: Reason, message: String, findings: Vec<Finding>) -> Status {
    let refusal = refuse(Code::InvalidArgument, reason, message).metadata("findings", findings.len());
    findings.into_iter().fold(refusal, |refusal, finding| refusal.field(finding.path, finding.message)).status()
}

/// The type of what a name is of, as `ResourceInfo` says it.
fn kind(name: &str) -> &'static str {
    if name.contains("/roles/") { "tenantry/Role" } else { "tenantry/RoleModel" }
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    #[test]
    fn findings_are_field_violations_and_counted() {
        let finding = |path: &str| Finding { path: path.to_owned(), message: "what".to_owned() };
        let status = Status::from(Error::InvalidRoleModel(vec![finding("yaml.model"), finding("yaml.roles[0]")]));
        let details = status.get_error_details();
        assert_eq!(
            details.error_info().map(|info| (info.reason.as_str(), info.metadata["findings"].as_str())),
            Some(("INVALID_ROLE_MODEL", "2"))
        );
        assert_eq!(details.bad_request().map(|request| request.field_violations.len()), Some(2));
    }

    #[test]
    fn a_name_tells_what_it_is_of() {
        assert_eq!(kind("roleModels/m"), "tenantry/RoleModel");
        assert_eq!(kind("roleModels/m/roles/r"), "tenantry/Role");
        assert_eq!(kind("organizations/o/roles/r"), "tenantry/Role");
    }
}
