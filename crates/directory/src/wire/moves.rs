//! Moves and consents to them: messages to values and back.

use api::{authz::v1 as authz, directory::v1 as proto};
use decision::name::NodeName;
use service::{
    call::{Call, WriteCall},
    fields::{Fields, timestamp},
};
use tonic::{Request, Status};

use crate::{
    consent::{Consent, ConsentDraft},
    moves::{MoveDraft, Moved},
    wire::organization,
};

pub(crate) fn read_move_organization(
    request: &Request<proto::MoveOrganizationRequest>,
) -> Result<(WriteCall, MoveDraft<NodeName>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/MoveOrganization", &mut fields)?;
    let message = request.get_ref();
    Ok((call, organization_move(fields, &message.name, &message.parent, &message.etag)?))
}

pub(crate) fn read_preview_organization(
    request: &Request<proto::PreviewMoveOrganizationRequest>,
) -> Result<(Call, MoveDraft<NodeName>), Status> {
    let call = Call::reading(request, "directory.v1.OrganizationService/PreviewMoveOrganization")?;
    let message = request.get_ref();
    Ok((call, organization_move(Fields::default(), &message.name, &message.parent, "")?))
}

fn organization_move(mut fields: Fields, name: &str, parent: &str, etag: &str) -> Result<MoveDraft<NodeName>, Status> {
    let name = fields.organization("name", name);
    let to = fields.workspace("parent", parent);
    let etag = fields.etag("etag", etag);
    fields.finish(name.zip(to).map(|(name, to)| MoveDraft { name, to, etag }))
}

pub(crate) fn read_move_account(request: &Request<proto::MoveAccountRequest>) -> Result<(WriteCall, MoveDraft<Option<NodeName>>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.AccountService/MoveAccount", &mut fields)?;
    let message = request.get_ref();
    Ok((call, account_move(fields, &message.name, &message.workspace, &message.etag)?))
}

pub(crate) fn read_preview_account(
    request: &Request<proto::PreviewMoveAccountRequest>,
) -> Result<(Call, MoveDraft<Option<NodeName>>), Status> {
    let call = Call::reading(request, "directory.v1.AccountService/PreviewMoveAccount")?;
    let message = request.get_ref();
    Ok((call, account_move(Fields::default(), &message.name, &message.workspace, "")?))
}

fn account_move(mut fields: Fields, name: &str, workspace: &str, etag: &str) -> Result<MoveDraft<Option<NodeName>>, Status> {
    let name = fields.account("name", name);
    let to = if workspace.is_empty() { None } else { fields.workspace("workspace", workspace) };
    if let (Some(name), Some(workspace)) = (&name, &to)
        && workspace.organization() != name.organization()
    {
        fields.wrong("workspace", format!("a workspace of `{}`", name.organization()));
    }
    let etag = fields.etag("etag", etag);
    fields.finish(name.map(|name| MoveDraft { name, to, etag }))
}

pub(crate) fn read_consent(request: &Request<proto::ConsentToMoveRequest>) -> Result<(WriteCall, ConsentDraft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/ConsentToMove", &mut fields)?;
    let message = request.get_ref();
    let expire_time = fields.time("expire_time", message.expire_time.as_ref());
    let MoveDraft { name: organization, to: workspace, etag: _ } = organization_move(fields, &message.name, &message.parent, "")?;
    Ok((call, ConsentDraft { organization, workspace, expire_time }))
}

/// The organization and the workspace.
pub(crate) fn read_revoke_consent(request: &Request<proto::RevokeConsentToMoveRequest>) -> Result<(WriteCall, NodeName, NodeName), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.OrganizationService/RevokeConsentToMove", &mut fields)?;
    let message = request.get_ref();
    let MoveDraft { name, to, etag: _ } = organization_move(fields, &message.name, &message.parent, "")?;
    Ok((call, name, to))
}

/// Without its revision.
pub(crate) fn write_moved(moved: &Moved) -> proto::MoveOrganizationResponse {
    proto::MoveOrganizationResponse {
        organization: Some(organization::write(&moved.organization)),
        removed_bindings: moved.removed.iter().map(ToString::to_string).collect(),
    }
}

/// Without its revision.
pub(crate) fn write_consent(consent: &Consent) -> proto::MoveConsent {
    proto::MoveConsent {
        name: consent.organization.to_string(),
        parent: consent.workspace.to_string(),
        user: consent.user.to_string(),
        expire_time: timestamp(consent.expire_time),
        create_time: timestamp(consent.create_time),
        revision: String::new(),
    }
}

/// What authz says of who gains and loses what.
pub(crate) fn write_access_change(change: authz::AccessChange) -> proto::AccessChange {
    let authz::AccessChange { user, node, gained, lost, gained_conditionally, lost_conditionally } = change;
    proto::AccessChange { user, node, gained, lost, gained_conditionally, lost_conditionally }
}

/// What authz says of what a custom role gives.
pub(crate) fn write_role_change(change: authz::RoleChange) -> proto::RoleChange {
    let authz::RoleChange { role, gained, lost } = change;
    proto::RoleChange { role, gained, lost }
}
