//! The handlers of invitations.

use api::{
    authz::v1::Requirement,
    directory::v1::{self as proto, invitation_service_server::InvitationService},
};
use chrono::{DateTime, Utc};
use client::guard::{self, Ask, any_of, known, myself, permission, platform};
use decision::name::{InvitationName, NodeName, UserName};
use ledger::{Ledger, StoreError};
use service::{
    call::{Call, WriteCall},
    change::{Answer, Opened, Unopened},
    listing::Rows,
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, async_trait};

use super::{ATTEMPTS, outrun};
use crate::{
    Directory, feed,
    invariants::role_terms,
    invitation::{self, Invitation, Invitee, Offer, Settled, Token},
    role_binding::Assignment,
    status::Error,
    store::{
        self,
        invitation::{InvitationFilter, Placed},
    },
    user::User,
    wire::invitation as wire,
};

#[async_trait]
impl InvitationService for Directory {
    type WatchInvitationEventsStream = ReceiverStream<Result<proto::InvitationEvent, Status>>;

    async fn create_invitation(&self, request: Request<proto::CreateInvitationRequest>) -> Result<Response<proto::Invitation>, Status> {
        let (call, draft) = wire::read_create(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let inviter = actor(&call.call)?;
        let mut invitee = self.invitee_of(&draft.offer).await?;
        for _ in 0..ATTEMPTS {
            let ask = to_invite(Ask::writing(draft.name.organization().as_str()), &draft.offer, &invitee)?;
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let terms = role_terms(change.terms(0))?;
            match invitation::offer(&mut change, draft.clone(), &inviter, &invitee, &terms).await {
                Ok(Settled::Done((invitation, token))) => {
                    let answer = wire::write(&invitation, change.now());
                    return change.answer_revealing(answer, revealing(&call, token)).await;
                }
                Ok(Settled::Again(found)) => invitee = found,
                Err(error) => {
                    drop(change);
                    return Err(self.as_the_actor_may_know(&call.call, &draft.offer.node, error).await?.into());
                }
            }
        }
        Err(outrun())
    }

    async fn batch_create_invitations(
        &self,
        request: Request<proto::BatchCreateInvitationsRequest>,
    ) -> Result<Response<proto::BatchCreateInvitationsResponse>, Status> {
        let (call, organization, drafts) = wire::read_batch(&request)?;
        self.invite_all(&call, &organization, &drafts).await
    }

    async fn invite_customer(
        &self,
        request: Request<proto::InviteCustomerRequest>,
    ) -> Result<Response<proto::InviteCustomerResponse>, Status> {
        let (call, organization, draft) = wire::read_customer(&request)?;
        self.invite_customer_of(&call, &organization, &draft).await
    }

    async fn get_invitation(&self, request: Request<proto::GetInvitationRequest>) -> Result<Response<proto::Invitation>, Status> {
        let (call, name) = wire::read_get(&request)?;
        let organization = name.organization();
        let found = store::invitation::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let may_see = match &found {
            Some(found) => any_of([permission("invitations.get", found.offer.node.as_str()), myself(found.inviter.as_str())]),
            None => permission("invitations.get", organization.as_str()),
        };
        self.service.permit(&call, Ask::writing(organization.as_str()).to(may_see)).await?;
        let found = found.ok_or_else(|| Error::not_found(name.as_str()))?;
        let mut answer = wire::write(&found, self.service.now());
        answer.stamp(&self.service.head().await?);
        Ok(Response::new(answer))
    }

    async fn list_invitations(
        &self,
        request: Request<proto::ListInvitationsRequest>,
    ) -> Result<Response<proto::ListInvitationsResponse>, Status> {
        let (call, page, filter) = wire::read_list(&self.service, &request)?;
        let node = filter.node.as_ref().unwrap_or(&filter.organization);
        self.service.permit(&call, Ask::writing(filter.organization.as_str()).to(permission("invitations.get", node.as_str()))).await?;
        let now = self.service.now();
        let listed = self.service.list(&page, &Now { filter, now }).await?;
        let write = |row: &Placed| proto::Invitation { revision: listed.revision.clone(), ..wire::write(&row.invitation, now) };
        let invitations = listed.rows.iter().map(write).collect();
        Ok(Response::new(proto::ListInvitationsResponse {
            invitations,
            next_page_token: listed.next_page_token,
            revision: listed.revision,
        }))
    }

    async fn resend_invitation(&self, request: Request<proto::ResendInvitationRequest>) -> Result<Response<proto::Invitation>, Status> {
        let (call, wanted) = wire::read_resend(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let inviter = actor(&call.call)?;
        let seen = self.invitation_seen(&call.call, &wanted.name).await?;
        let mut invitee = self.invitee_of(&seen.offer).await?;
        for _ in 0..ATTEMPTS {
            let ask = to_invite(Ask::writing(wanted.name.organization().as_str()), &seen.offer, &invitee)?;
            let mut change = match self.service.open(&call, ask).await.map_err(concealed)? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let terms = role_terms(change.terms(0))?;
            match invitation::resend(&mut change, &wanted, &inviter, &invitee, &terms).await {
                Ok(Settled::Done((invitation, token))) => {
                    let answer = wire::write(&invitation, change.now());
                    return change.answer_revealing(answer, revealing(&call, token)).await;
                }
                Ok(Settled::Again(found)) => invitee = found,
                Err(error) => {
                    drop(change);
                    return Err(self.as_the_actor_may_know(&call.call, &seen.offer.node, error).await?.into());
                }
            }
        }
        Err(outrun())
    }

    async fn revoke_invitation(&self, request: Request<proto::RevokeInvitationRequest>) -> Result<Response<proto::Invitation>, Status> {
        let (call, name, etag) = wire::read_revoke(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let seen = self.invitation_seen(&call.call, &name).await?;
            let ask = Ask::writing(name.organization().as_str()).to(to_revoke(&seen, self.service.now())?);
            let mut change = match self.service.open(&call, ask).await.map_err(concealed)? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            let present = store::invitation::find(change.connection(), &name).await.map_err(Error::from)?;
            if present.is_some_and(|present| present.inviter != seen.inviter) {
                continue;
            }
            let revoked = invitation::revoke(&mut change, &name, etag).await?;
            let answer = wire::write(&revoked, change.now());
            return change.answer(answer).await;
        }
        Err(outrun())
    }

    async fn accept_invitation(
        &self,
        request: Request<proto::AcceptInvitationRequest>,
    ) -> Result<Response<proto::AcceptInvitationResponse>, Status> {
        let (call, token) = wire::read_accept(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        let mut invitee = Invitee::default();
        for _ in 0..ATTEMPTS {
            let (seen, user) = self.invitation_of(&call.call, &token).await?;
            invitee.user = Some(user.name.clone());
            let ask = to_invite(Ask::writing(seen.name.organization().as_str()), &seen.offer, &invitee)?;
            let opened = self.service.open_on_authority_of(&call, seen.inviter.as_str(), ask).await;
            let mut change = match opened {
                Ok(Opened::Open(change)) => change,
                Ok(Opened::Answered(answer)) => return Ok(answer),
                Err(Unopened::Failed(status)) => return Err(status),
                Err(Unopened::Refused(refusal)) => {
                    tracing::info!(invitation = %seen.name, code = ?refusal.code(), reason = refusal.message(), "an invitation is void");
                    return Err(Error::InvitationVoid.into());
                }
            };
            let terms = role_terms(change.terms(0))?;
            match invitation::accept(&mut change, &seen, &invitee, &user.name, &terms).await? {
                Settled::Done((invitation, binding)) => {
                    let answer = wire::write_accepted(&invitation, &binding, change.now());
                    return change.answer(answer).await;
                }
                Settled::Again(found) => invitee = found,
            }
        }
        Err(outrun())
    }

    async fn decline_invitation(&self, request: Request<proto::DeclineInvitationRequest>) -> Result<Response<proto::Invitation>, Status> {
        let (call, token) = wire::read_decline(&request)?;
        if let Some(answer) = self.service.answered_before(&call).await? {
            return Ok(answer);
        }
        for _ in 0..ATTEMPTS {
            let (seen, user) = self.invitation_of(&call.call, &token).await?;
            let ask = Ask::writing(seen.name.organization().as_str()).to(known());
            let mut change = match self.service.open(&call, ask).await? {
                Opened::Open(change) => change,
                Opened::Answered(answer) => return Ok(answer),
            };
            if let Some(declined) = invitation::decline(&mut change, &seen, &user.name).await? {
                let answer = wire::write(&declined, change.now());
                return change.answer(answer).await;
            }
        }
        Err(outrun())
    }

    async fn watch_invitation_events(
        &self,
        request: Request<proto::WatchInvitationEventsRequest>,
    ) -> Result<Response<Self::WatchInvitationEventsStream>, Status> {
        let (call, cursor) = wire::read_watch(&self.service, &request)?;
        self.service.permit(&call, Ask::writing(call.actor.as_str()).to(platform())).await?;
        Ok(Response::new(self.follow_invitations(call, cursor).await?))
    }
}

/// Asks for what whoever invites needs: what inviting takes, and authority over what the invitee gives up for it.
pub(super) fn to_invite(ask: Ask, offer: &Offer, invitee: &Invitee) -> Result<Ask, Error> {
    let ask = ask.to(guard::invite(feed::assignment(&offer.to_invitee(invitee)?)));
    Ok(match &invitee.replaces {
        Some(binding) => ask.to(guard::revoke(binding.name.as_str())),
        None => ask,
    })
}

/// Whoever may invite to the role, or is the inviter. Neither that its sponsor has ended nor that its binding's time is over keeps it from being
/// taken back.
fn to_revoke(seen: &Invitation, now: DateTime<Utc>) -> Result<Requirement, Error> {
    let assigned = seen.offer.to_invitee(&Invitee::default())?;
    let expire_time = assigned.expire_time.filter(|end| *end > now);
    let assigned = Assignment { sponsor: None, expire_time, ..assigned };
    Ok(any_of([guard::invite(feed::assignment(&assigned)), myself(seen.inviter.as_str())]))
}

/// A refusal that is the same whether the invitation exists or not.
fn concealed(status: Status) -> Status {
    if status.code() == Code::PermissionDenied { Error::NotInvited.into() } else { status }
}

pub(super) fn actor(call: &Call) -> Result<UserName, Error> {
    UserName::parse(&call.actor).map_err(|_| Error::NotInvited)
}

/// Puts the token into the answer; a verdict alone has made none.
fn revealing(call: &WriteCall, token: Token) -> impl FnOnce(&mut proto::Invitation) + use<> {
    let validating = call.only_validates();
    move |answer| {
        if !validating {
            answer.token = token.reveal();
        }
    }
}

impl Directory {
    /// Whose address it is.
    pub(super) async fn invitee_of(&self, offer: &Offer) -> Result<Invitee, Error> {
        let user = store::user::with_email(self.service.ledger().reader(), &offer.email).await?;
        Ok(Invitee { user: user.map(|user| user.name), replaces: None })
    }

    /// An invitation as it is now. That it is missing is said only to those who may see the organization's.
    async fn invitation_seen(&self, call: &Call, name: &InvitationName) -> Result<Invitation, Status> {
        if let Some(seen) = store::invitation::find(self.service.ledger().reader(), name).await.map_err(Error::from)? {
            return Ok(seen);
        }
        let organization = name.organization();
        let may_see = permission("invitations.get", organization.as_str());
        self.service.permit(call, Ask::writing(organization.as_str()).to(may_see)).await.map_err(concealed)?;
        Err(Error::not_found(name.as_str()).into())
    }

    /// The invitation of a token, if it is the actor's: everything else looks the same.
    async fn invitation_of(&self, call: &Call, token: &Token) -> Result<(Invitation, User), Status> {
        let db = self.service.ledger().reader();
        let seen = store::invitation::with_token(db, &token.hash()).await.map_err(Error::from)?.ok_or(Error::NotInvited)?;
        let user = store::user::find(db, &actor(call)?).await.map_err(Error::from)?.ok_or(Error::NotInvited)?;
        if user.verified_email().is_none_or(|email| email.key() != seen.offer.email.key()) {
            return Err(Error::NotInvited.into());
        }
        Ok((seen, user))
    }

    /// That another invitation is pending is said to whoever invites to the same; by which, to those only who may see it.
    pub(super) async fn as_the_actor_may_know(&self, call: &Call, node: &NodeName, error: Error) -> Result<Error, Status> {
        let Error::InvitationPending { name, inviter, .. } = error else { return Ok(error) };
        let may_see = any_of([permission("invitations.get", node.as_str()), myself(inviter.as_str())]);
        let told = match self.service.permit(call, Ask::writing(node.as_str()).to(may_see)).await {
            Ok(_) => true,
            Err(status) if status.code() == Code::PermissionDenied => false,
            Err(status) => return Err(status),
        };
        Ok(Error::InvitationPending { name, inviter, told })
    }
}

/// A list as of a moment.
struct Now {
    filter: InvitationFilter,
    now: DateTime<Utc>,
}

impl Rows for Now {
    type Row = Placed;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Placed>, StoreError> {
        store::invitation::page(ledger.reader(), &self.filter, self.now, after, limit).await
    }

    fn key(row: &Placed) -> &str {
        &row.place
    }
}
