//! What breaks invariants: messages to values and back.

use api::directory::v1::{self as proto, invariant_violation::Kind as WireKind};
use service::{
    Service,
    call::{Call, Page},
    fields::Fields,
};
use tonic::{Request, Status};

use crate::inspection::{Found, Kind, Violation};

pub(crate) fn read_audit(service: &Service, request: &Request<proto::AuditInvariantsRequest>) -> Result<(Call, Page), Status> {
    let call = Call::reading(request, "directory.v1.InvariantService/AuditInvariants")?;
    let mut fields = Fields::default();
    let page = call.page(request.get_ref(), service, &mut fields)?;
    Ok((call, fields.finish(Some(page))?))
}

pub(crate) fn write(found: Found, next_page_token: String, revision: String) -> proto::AuditInvariantsResponse {
    proto::AuditInvariantsResponse {
        violations: found.violations.into_iter().map(violation).collect(),
        next_page_token,
        examined: i32::try_from(found.examined).unwrap_or(i32::MAX),
        revision,
    }
}

fn violation(violation: Violation) -> proto::InvariantViolation {
    let Violation { kind, resource, description } = violation;
    let kind = match kind {
        Kind::Seats => WireKind::Seats,
        Kind::RequiredRole => WireKind::RequiredRole,
        Kind::ExclusiveRole => WireKind::ExclusiveRole,
        Kind::HeldIndirectly => WireKind::HeldIndirectly,
        Kind::HeldTwice => WireKind::HeldTwice,
        Kind::GroupCycle => WireKind::GroupCycle,
        Kind::Missing => WireKind::Missing,
        Kind::NotAMember => WireKind::NotAMember,
        Kind::ForeignRole => WireKind::ForeignRole,
        Kind::Tree => WireKind::Tree,
        Kind::Row => WireKind::Row,
        Kind::RetiredName => WireKind::RetiredName,
        Kind::Feed => WireKind::Feed,
        Kind::FeedWithoutRow => WireKind::FeedWithoutRow,
    };
    proto::InvariantViolation { kind: kind.into(), resource, description }
}
