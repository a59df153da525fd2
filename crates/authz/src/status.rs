//! Errors to statuses. Exhaustive: a new variant stops the build until somebody decides.

use std::time::Duration;

use api::error::v1::Reason;
use chassis::{Refusal, refuse};
use decision::{
    decision::{Invalid, Reason as Gate},
    permit::{BindingFault, Refusal as PermitRefusal, RoleFault},
};
use replica::NotFresh;
use tonic::{Code, Status};

use crate::{grant::Refused, hypothesis::Unfit};

/// After so long a replica that is behind has usually caught up.
const SOON: Duration = Duration::from_millis(50);
/// After so long one that is loading or cut off may be there.
const LATER: Duration = Duration::from_secs(1);

pub(crate) fn not_fresh(error: NotFresh) -> Status {
    let message = error.to_string();
    match error {
        NotFresh::NotLoaded => refuse(Code::Unavailable, Reason::NotReady, message).retry_after(LATER),
        NotFresh::Stale { staleness, limit } => {
            refuse(Code::Unavailable, Reason::NotFresh, format!("{message}; try again or ask another replica"))
                .metadata("staleness_ms", staleness.as_millis())
                .metadata("max_staleness_ms", limit.as_millis())
                .retry_after(LATER)
        }
        NotFresh::Behind { wanted, at, staleness } => {
            let refusal = refuse(Code::Unavailable, Reason::NotFresh, format!("{message}; try again"))
                .metadata("wanted_revision", wanted)
                .metadata("revision", at)
                .retry_after(SOON);
            match staleness {
                Some(staleness) => refusal.metadata("staleness_ms", staleness.as_millis()),
                None => refusal,
            }
        }
        NotFresh::EpochChanged => {
            refuse(Code::FailedPrecondition, Reason::EpochChanged, format!("{message}; read again and pass the new `revision`"))
        }
        NotFresh::TooManyWaiters => refuse(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(SOON),
        NotFresh::HeadUnknown(cause) => {
            tracing::info!(code = ?cause.code(), message = cause.message(), "the ledger's head is not known");
            refuse(Code::Unavailable, Reason::NotReady, format!("{message}; try again")).retry_after(LATER)
        }
    }
    .status()
}

/// The reason of a question that makes no sense; its message is the error's own.
pub(crate) fn reason_of(invalid: &Invalid) -> Reason {
    match invalid {
        Invalid::UnknownPermission { .. } => Reason::UnknownPermission,
        Invalid::UnknownCollection { .. } => Reason::UnknownCollection,
        Invalid::UnknownAttribute { .. } | Invalid::AttributeType { .. } => Reason::InvalidAttribute,
    }
}

pub(crate) fn invalid(error: &Invalid) -> Status {
    described(refuse(Code::InvalidArgument, reason_of(error), error.to_string()), error).status()
}

fn described(refusal: Refusal, error: &Invalid) -> Refusal {
    match error {
        Invalid::UnknownPermission { permission, model } => refusal.metadata("permission", permission).metadata("role_model", model),
        Invalid::UnknownCollection { collection, resource, model } => {
            refusal.metadata("collection", collection).metadata("resource", resource).metadata("role_model", model)
        }
        Invalid::UnknownAttribute { attribute, node_type } => refusal.metadata("attribute", attribute).metadata("type", node_type),
        Invalid::AttributeType { attribute, expected } => refusal.metadata("attribute", attribute).metadata("expected", expected),
    }
}

pub(crate) fn refused(refused: Refused) -> Status {
    match refused {
        Refused::Unfit(unfit) => unfit_status(unfit),
        Refused::NobodyKnown => not_allowed("").status(),
        Refused::Refusal(refused) => refusal(&refused).status(),
    }
}

/// Says neither whether something exists nor where: a foreign name and a missing one look the same (DESIGN §6).
fn not_allowed(permission: &str) -> Refusal {
    let refusal = refuse(Code::PermissionDenied, Reason::NotAllowed, "the actor may not do this, or it does not exist");
    if permission.is_empty() { refusal } else { refusal.metadata("permission", permission) }
}

/// Why the actor may not.
pub(crate) fn refusal(refused: &PermitRefusal) -> Refusal {
    match refused {
        PermitRefusal::NotAllowed { permission, node: _ } => not_allowed(permission),
        PermitRefusal::Closed { permission, node, reason } => closed(permission, node, reason),
        PermitRefusal::NotContained { what } => {
            let message = format!("the actor does not have all of it there, as widely and for as long: {}", what.join(", "));
            refuse(Code::PermissionDenied, Reason::NotContained, message).metadata("permissions", what.join(","))
        }
        PermitRefusal::InvalidBinding(fault) => invalid_binding(fault),
        PermitRefusal::InvalidRole(fault) => invalid_role(fault),
        PermitRefusal::OwnRole => {
            refuse(Code::PermissionDenied, Reason::OwnRole, "nobody edits a role that they hold; ask somebody else to")
        }
        PermitRefusal::RoleInUse { count } => {
            refuse(Code::FailedPrecondition, Reason::InUse, format!("{count} role bindings use the role; revoke them first"))
                .metadata("role_bindings", count)
        }
        PermitRefusal::NotFound { name } => {
            refuse(Code::NotFound, Reason::NotFound, format!("there is no `{name}`")).metadata("name", name)
        }
        PermitRefusal::NotYourself => not_allowed(""),
        PermitRefusal::Invalid(error) => described(refuse(Code::InvalidArgument, reason_of(error), error.to_string()), error),
    }
}

/// The actor has the permission there: it may know what closes it.
fn closed(permission: &str, node: &decision::name::NodeName, gate: &Gate) -> Refusal {
    let refusal = match gate {
        Gate::ResourceUnknown | Gate::NodeUnknown(_) => refuse(Code::NotFound, Reason::NotFound, gate.to_string()),
        Gate::NodeDeleted(_) | Gate::NodeSuspended(_) | Gate::AccountPaused(_) | Gate::RoleHolderMissing(_) => {
            refuse(Code::FailedPrecondition, Reason::WrongState, gate.to_string())
        }
        Gate::PermissionRetired
        | Gate::NotAvailable
        | Gate::TypeNotApplicable
        | Gate::KindNotApplicable
        | Gate::UserUnknown
        | Gate::UserSuspended
        | Gate::AboveCeiling(_)
        | Gate::NoGrant => refuse(Code::PermissionDenied, Reason::NotAllowed, gate.to_string()),
    };
    refusal.metadata("permission", permission).metadata("node", node).metadata("gate", gate.code())
}

fn invalid_binding(fault: &BindingFault) -> Refusal {
    let (code, reason) = match fault {
        BindingFault::UnknownRole(_) => (Code::InvalidArgument, Reason::UnknownRole),
        BindingFault::Sponsor(_) => (Code::FailedPrecondition, Reason::SponsorLimit),
        BindingFault::NodeType { .. }
        | BindingFault::MapForbidden
        | BindingFault::MapRequired
        | BindingFault::UnknownComponent(_)
        | BindingFault::Level { .. }
        | BindingFault::UnknownCondition(_)
        | BindingFault::ConditionParameters(_)
        | BindingFault::PrincipalKind { .. }
        | BindingFault::Expired => (Code::InvalidArgument, Reason::InvalidBinding),
    };
    let refusal = refuse(code, reason, fault.to_string());
    if code == Code::InvalidArgument { refusal.field(fault.field(), fault.to_string()) } else { refusal }
}

fn invalid_role(fault: &RoleFault) -> Refusal {
    refuse(Code::InvalidArgument, Reason::InvalidRole, fault.to_string())
}

/// No tree that is known has such a node.
pub(crate) fn no_tree(node: &decision::name::NodeName) -> Status {
    refuse(Code::NotFound, Reason::NotFound, format!("there is no tree that `{node}` is in")).metadata("name", node).status()
}

fn unfit_status(unfit: Unfit) -> Status {
    let message = unfit.to_string();
    match unfit {
        Unfit::Malformed { index, problem } => {
            refuse(Code::InvalidArgument, Reason::InvalidField, message).field(format!("hypothetical[{index}]"), problem)
        }
        Unfit::UnknownModel { index, model } => refuse(Code::InvalidArgument, Reason::InvalidField, message)
            .field(format!("hypothetical[{index}].node.role_model"), "a role model that is published")
            .metadata("role_model", model),
        Unfit::UnknownCollection { collection, node, model } => refuse(Code::InvalidArgument, Reason::UnknownCollection, message)
            .metadata("collection", collection)
            .metadata("resource", node)
            .metadata("role_model", model),
        Unfit::UnknownAttribute { attribute, node_type } => {
            refuse(Code::InvalidArgument, Reason::InvalidAttribute, message).metadata("attribute", attribute).metadata("type", node_type)
        }
        // The fields of the only calls that assume these.
        Unfit::UnknownComponent { component, model } => refuse(Code::InvalidArgument, Reason::InvalidField, message)
            .field("ceiling.components", format!("`{component}` is no component of the role model, or a reserved one"))
            .metadata("component", component)
            .metadata("role_model", model),
        Unfit::PlatformsName { user } => refuse(Code::InvalidArgument, Reason::InvalidField, message)
            .field("user_id", "another than the platform's")
            .metadata("user", user),
        Unfit::AttributeType { attribute, expected } => {
            refuse(Code::InvalidArgument, Reason::InvalidAttribute, message).metadata("attribute", attribute).metadata("expected", expected)
        }
    }
    .status()
}
