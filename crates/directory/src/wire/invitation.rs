//! Invitations: messages to values and back.

use api::directory::v1::{self as proto, invitation::State as Said};
use chrono::{DateTime, Utc};
use decision::name::{InvitationName, NodeName, RoleName, Sponsor};
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
};
use tonic::{Request, Status};
use uuid::Uuid;

use super::{
    MOST_AT_ONCE,
    role_binding::{read_components, read_condition},
};
use crate::{
    feed,
    invitation::{Cursor, Draft, Invitation, Offer, Resending, State, Token},
    organization::OrganizationDraft,
    role_binding::RoleBinding,
    status::Error,
    store::invitation::InvitationFilter,
    user::Email,
};

pub(crate) fn read_create(request: &Request<proto::CreateInvitationRequest>) -> Result<(WriteCall, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/CreateInvitation", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let draft = read_draft(&mut fields, "", organization.as_ref(), &message.invitation_id, message.invitation.as_ref());
    Ok((call, fields.finish(draft)?))
}

pub(crate) fn read_batch(request: &Request<proto::BatchCreateInvitationsRequest>) -> Result<(WriteCall, NodeName, Vec<Draft>), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/BatchCreateInvitations", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    if message.drafts.is_empty() || message.drafts.len() > MOST_AT_ONCE {
        fields.wrong("drafts", format!("1 to {MOST_AT_ONCE}"));
        return fields.finish(None);
    }
    let drafts = message.drafts.iter().enumerate().filter_map(|(at, draft)| {
        read_draft(&mut fields, &format!("drafts[{at}]."), organization.as_ref(), &draft.invitation_id, draft.invitation.as_ref())
    });
    let drafts = drafts.collect();
    Ok((call, fields.finish(organization)?, drafts))
}

/// Which customer to invite, and whom.
pub(crate) fn read_customer(request: &Request<proto::InviteCustomerRequest>) -> Result<(WriteCall, OrganizationDraft, Draft), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/InviteCustomer", &mut fields)?;
    let message = request.get_ref();
    let workspace = fields.workspace("parent", &message.parent);
    let organization =
        super::organization::read_customer(&mut fields, &message.organization_id, message.organization.clone(), workspace.as_ref());
    let email = read_email(&mut fields, "email", &message.email);
    let role = fields.parse("role", &message.role, RoleName::parse);
    let components = read_components(&mut fields, "components", message.components.as_ref());
    let expire_time = fields.time("expire_time", message.expire_time.as_ref());
    let read = || {
        let organization = organization?;
        let name = InvitationName::parse(&format!("{}/invitations/{}", organization.name, Uuid::now_v7())).ok()?;
        let node = organization.name.clone();
        let offer = Offer { email: email?, role: role?, node, components, condition: None, binding_expire_time: None, sponsor: None };
        Some((organization, Draft { name, offer, expire_time }))
    };
    let read = read();
    let (organization, draft) = fields.finish(read)?;
    Ok((call, organization, draft))
}

/// Reads what is to be offered; `prefix` is what comes before the fields' paths.
fn read_draft(
    fields: &mut Fields,
    prefix: &str,
    organization: Option<&NodeName>,
    id: &str,
    invitation: Option<&proto::Invitation>,
) -> Option<Draft> {
    let path = |field: &str| format!("{prefix}invitation.{field}");
    let id = fields.id(&format!("{prefix}invitation_id"), id);
    let invitation = fields.required(&format!("{prefix}invitation"), invitation.cloned());
    let email = read_email(fields, &path("email"), &invitation.email);
    let role = fields.parse(&path("role"), &invitation.role, RoleName::parse);
    let node = fields.parse(&path("node"), &invitation.node, NodeName::parse);
    if let (Some(organization), Some(node)) = (organization, &node)
        && node.organization() != *organization
    {
        fields.wrong(path("node"), format!("`{organization}`, or something in it"));
    }
    let components = read_components(fields, &path("components"), invitation.components.as_ref());
    let condition = read_condition(fields, &path("condition"), invitation.condition.as_ref());
    let binding_expire_time = fields.time(&path("binding_expire_time"), invitation.binding_expire_time.as_ref());
    let sponsor = match invitation.sponsor.as_str() {
        "" => None,
        text => fields.parse(&path("sponsor"), text, Sponsor::parse),
    };
    let expire_time = fields.time(&path("expire_time"), invitation.expire_time.as_ref());
    let name = organization.and_then(|organization| InvitationName::parse(&format!("{organization}/invitations/{id}")).ok());
    let offer = Offer { email: email?, role: role?, node: node?, components, condition, binding_expire_time, sponsor };
    Some(Draft { name: name?, offer, expire_time })
}

fn read_email(fields: &mut Fields, path: &str, text: &str) -> Option<Email> {
    let email = Email::parse(text);
    if email.is_none() {
        fields.wrong(path, format!("an e-mail address of at most {} bytes, for example `ann@example.com`", Email::LONGEST));
    }
    email
}

pub(crate) fn read_get(request: &Request<proto::GetInvitationRequest>) -> Result<(Call, InvitationName), Status> {
    let call = Call::reading(request, "directory.v1.InvitationService/GetInvitation")?;
    let mut fields = Fields::default();
    let name = fields.parse("name", &request.get_ref().name, InvitationName::parse);
    Ok((call, fields.finish(name)?))
}

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListInvitationsRequest>,
) -> Result<(Call, Page, InvitationFilter), Status> {
    let call = Call::reading(request, "directory.v1.InvitationService/ListInvitations")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let node = match message.node.as_str() {
        "" => None,
        text => fields.parse("node", text, NodeName::parse),
    };
    if let (Some(organization), Some(node)) = (&organization, &node)
        && node.organization() != *organization
    {
        fields.wrong("node", format!("`{organization}`, or something in it"));
    }
    let state = match Said::try_from(message.state) {
        Ok(Said::Unspecified) => None,
        Ok(Said::Pending) => Some(State::Pending),
        Ok(Said::Accepted) => Some(State::Accepted),
        Ok(Said::Declined) => Some(State::Declined),
        Ok(Said::Revoked) => Some(State::Revoked),
        Ok(Said::Expired) => Some(State::Expired),
        Err(_) => {
            fields.wrong("state", "a state of invitations, for example `STATE_PENDING`");
            None
        }
    };
    let email_prefix = match message.email_prefix.as_str() {
        "" => None,
        // A space would reach into the names that follow the addresses.
        prefix if prefix.len() <= Email::LONGEST && !prefix.contains([' ', '\0']) => Some(prefix.to_lowercase()),
        _ => {
            fields.wrong("email_prefix", format!("the beginning of an e-mail address, at most {} bytes", Email::LONGEST));
            None
        }
    };
    let filter = organization.map(|organization| InvitationFilter { organization, node, state, email_prefix });
    Ok((call, page, fields.finish(filter)?))
}

pub(crate) fn read_resend(request: &Request<proto::ResendInvitationRequest>) -> Result<(WriteCall, Resending), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/ResendInvitation", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, InvitationName::parse);
    let expire_time = fields.time("expire_time", message.expire_time.as_ref());
    let etag = fields.etag("etag", &message.etag);
    Ok((call, Resending { name: fields.finish(name)?, expire_time, etag }))
}

pub(crate) fn read_revoke(request: &Request<proto::RevokeInvitationRequest>) -> Result<(WriteCall, InvitationName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/RevokeInvitation", &mut fields)?;
    let message = request.get_ref();
    let name = fields.parse("name", &message.name, InvitationName::parse);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

/// What is no token is refused as a wrong one.
pub(crate) fn read_accept(request: &Request<proto::AcceptInvitationRequest>) -> Result<(WriteCall, Token), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/AcceptInvitation", &mut fields)?;
    fields.finish(Some(()))?;
    Ok((call, Token::parse(&request.get_ref().token).ok_or(Error::NotInvited)?))
}

/// What is no token is refused as a wrong one.
pub(crate) fn read_decline(request: &Request<proto::DeclineInvitationRequest>) -> Result<(WriteCall, Token), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.InvitationService/DeclineInvitation", &mut fields)?;
    fields.finish(Some(()))?;
    Ok((call, Token::parse(&request.get_ref().token).ok_or(Error::NotInvited)?))
}

/// From where to follow; none: from the beginning.
pub(crate) fn read_watch(
    service: &Service,
    request: &Request<proto::WatchInvitationEventsRequest>,
) -> Result<(Call, Option<Cursor>), Status> {
    let call = Call::reading(request, "directory.v1.InvitationService/WatchInvitationEvents")?;
    let mut fields = Fields::default();
    let cursor = match request.get_ref().cursor.as_str() {
        "" => Some(None),
        text => match service.place_of(&call, text).as_deref().and_then(Cursor::parse) {
            Some(cursor) => Some(Some(cursor)),
            None => {
                fields.wrong("cursor", "the `cursor` of an event as this caller received it for this actor, or empty");
                None
            }
        },
    };
    Ok((call, fields.finish(cursor)?))
}

/// Without its revision, and without the token.
pub(crate) fn write(invitation: &Invitation, now: DateTime<Utc>) -> proto::Invitation {
    let Offer { email, role, node, components, condition, binding_expire_time, sponsor } = &invitation.offer;
    let state = match invitation.state(now) {
        State::Pending => Said::Pending,
        State::Accepted => Said::Accepted,
        State::Declined => Said::Declined,
        State::Revoked => Said::Revoked,
        State::Expired => Said::Expired,
    };
    proto::Invitation {
        name: invitation.name.to_string(),
        email: email.as_str().to_owned(),
        role: role.to_string(),
        node: node.to_string(),
        components: components.as_ref().map(feed::levels),
        condition: condition.as_ref().map(feed::condition),
        binding_expire_time: binding_expire_time.and_then(timestamp),
        sponsor: sponsor.as_ref().map(ToString::to_string).unwrap_or_default(),
        expire_time: timestamp(invitation.expire_time),
        state: state.into(),
        inviter: invitation.inviter.to_string(),
        accepted_by: invitation.accepted_by.as_ref().map(ToString::to_string).unwrap_or_default(),
        role_binding: invitation.role_binding.as_ref().map(ToString::to_string).unwrap_or_default(),
        token: String::new(),
        create_time: timestamp(invitation.create_time),
        update_time: timestamp(invitation.update_time),
        etag: etag(invitation.version),
        revision: String::new(),
    }
}

pub(crate) fn write_accepted(invitation: &Invitation, binding: &RoleBinding, now: DateTime<Utc>) -> proto::AcceptInvitationResponse {
    proto::AcceptInvitationResponse { invitation: Some(write(invitation, now)), role_binding: Some(super::role_binding::write(binding)) }
}
