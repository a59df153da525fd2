//! Inviting several at once, and customers.

use api::directory::v1::{self as proto};
use chassis::about_item;
use client::guard::Ask;
use decision::name::NodeName;
use service::{
    call::WriteCall,
    change::{Change, Opened},
};
use tonic::{Code, Response, Status};

use super::{
    ATTEMPTS,
    invitation::{actor, to_invite},
    organization, outrun,
};
use crate::{
    Directory,
    invariants::role_terms,
    invitation::{self, Draft, Invitation, Invitee, Settled, Token},
    organization::OrganizationDraft,
    status::Error,
    wire::{invitation as wire, organization as wire_organization},
};

/// Of the requirements of [`Directory::invite_customer_of`]'s permit, the one that is of the invitation.
const INVITING: usize = 1;

/// Invitations that were made, in the order asked; or the invitees that the permit must be asked for.
enum Offered {
    All(Vec<(Invitation, Token)>),
    Again(Vec<Invitee>),
}

impl Directory {
    pub(super) async fn invite_all(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        drafts: &[Draft],
    ) -> Result<Response<proto::BatchCreateInvitationsResponse>, Status> {
        if let Some(answer) = self.service.answered_before(call).await? {
            return Ok(answer);
        }
        let mut invitees = Vec::with_capacity(drafts.len());
        for draft in drafts {
            invitees.push(self.invitee_of(&draft.offer).await?);
        }
        for _ in 0..ATTEMPTS {
            let mut ask = Ask::writing(organization.as_str());
            for (draft, invitee) in drafts.iter().zip(&invitees) {
                ask = to_invite(ask, &draft.offer, invitee)?;
            }
            let mut change = match self.service.open(call, ask).await {
                Ok(Opened::Open(change)) => change,
                Ok(Opened::Answered(answer)) => return Ok(answer),
                Err(status) => return Err(self.refused_item(call, organization, drafts, &invitees, status).await?),
            };
            match self.offer_all(&mut change, call, drafts, &invitees).await {
                Ok(Offered::All(made)) => {
                    let now = change.now();
                    let answer = proto::BatchCreateInvitationsResponse {
                        invitations: made.iter().map(|(invitation, _)| wire::write(invitation, now)).collect(),
                    };
                    let validating = call.only_validates();
                    let reveal = move |answer: &mut proto::BatchCreateInvitationsResponse| {
                        for (invitation, (_, token)) in answer.invitations.iter_mut().zip(made) {
                            if !validating {
                                invitation.token = token.reveal();
                            }
                        }
                    };
                    return change.answer_revealing(answer, reveal).await;
                }
                Ok(Offered::Again(found)) => invitees = found,
                Err((at, error)) => {
                    drop(change);
                    let node = drafts.get(at).map_or(organization, |draft| &draft.offer.node);
                    let error = self.as_the_actor_may_know(&call.call, node, error).await?;
                    return Err(about_item(error.into(), at));
                }
            }
        }
        Err(outrun())
    }

    /// All of them, or the first that cannot be made. Where somebody else is reached than was asked for, the rest is still looked at, so that one
    /// more permit is enough.
    async fn offer_all(
        &self,
        change: &mut Change,
        call: &WriteCall,
        drafts: &[Draft],
        invitees: &[Invitee],
    ) -> Result<Offered, (usize, Error)> {
        let inviter = actor(&call.call).map_err(|error| (0, error))?;
        let mut found = invitees.to_vec();
        let mut made = Vec::with_capacity(drafts.len());
        let mut requirement = 0;
        for (at, (draft, invitee)) in drafts.iter().zip(invitees).enumerate() {
            let terms = role_terms(change.terms(requirement)).map_err(|error| (at, error))?;
            requirement += if invitee.replaces.is_some() { 2 } else { 1 };
            match invitation::offer(change, draft.clone(), &inviter, invitee, &terms).await {
                Ok(Settled::Done(one)) => made.push(one),
                Ok(Settled::Again(other)) => {
                    if let Some(place) = found.get_mut(at) {
                        *place = other;
                    }
                }
                Err(error) => return Err((at, error)),
            }
        }
        if made.len() == drafts.len() { Ok(Offered::All(made)) } else { Ok(Offered::Again(found)) }
    }

    /// A permit for all does not say which it was refused for: each is asked for alone.
    async fn refused_item(
        &self,
        call: &WriteCall,
        organization: &NodeName,
        drafts: &[Draft],
        invitees: &[Invitee],
        status: Status,
    ) -> Result<Status, Status> {
        if matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) {
            return Ok(status);
        }
        for (at, (draft, invitee)) in drafts.iter().zip(invitees).enumerate() {
            let ask = to_invite(Ask::writing(organization.as_str()), &draft.offer, invitee)?;
            if let Err(refusal) = self.service.permit(&call.call, ask).await {
                return Ok(about_item(refusal, at));
            }
        }
        Ok(status)
    }

    pub(super) async fn invite_customer_of(
        &self,
        call: &WriteCall,
        customer: &OrganizationDraft,
        draft: &Draft,
    ) -> Result<Response<proto::InviteCustomerResponse>, Status> {
        if let Some(answer) = self.service.answered_before(call).await? {
            return Ok(answer);
        }
        let inviter = actor(&call.call)?;
        let mut invitee = self.invitee_of(&draft.offer).await?;
        for _ in 0..ATTEMPTS {
            let ask = to_invite(self.ask_to_create(customer)?, &draft.offer, &invitee)?;
            let mut change = match self.service.open(call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let terms = role_terms(change.terms(INVITING))?;
            let organization = organization::create(&mut change, customer.clone(), true).await?;
            // Nobody holds anything there yet, so only who has the address can be somebody else.
            match invitation::offer(&mut change, draft.clone(), &inviter, &invitee, &terms).await? {
                Settled::Done((invitation, token)) => {
                    let answer = proto::InviteCustomerResponse {
                        organization: Some(wire_organization::write(&organization)),
                        invitation: Some(wire::write(&invitation, change.now())),
                    };
                    let validating = call.only_validates();
                    let reveal = move |answer: &mut proto::InviteCustomerResponse| {
                        if let Some(invitation) = answer.invitation.as_mut().filter(|_| !validating) {
                            invitation.token = token.reveal();
                        }
                    };
                    return change.answer_revealing(answer, reveal).await;
                }
                Settled::Again(found) => invitee = found,
            }
        }
        Err(outrun())
    }
}
