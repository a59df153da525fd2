//! Inviting, and inviting again.

use api::authz::v1::RoleTerms;
use decision::name::UserName;
use service::change::Change;
use uuid::Uuid;

use super::{Draft, Invitation, Invitee, Offer, Resending, Settled, State, Token, end, until};
use crate::{
    assign,
    invariants::{self, in_the_way, leaves_room, seats_kept},
    member::{Admission, admission},
    role_binding::Assignment,
    status::Error,
    store,
};

impl Offer {
    /// The binding to be of whoever it reaches: of the user whose address it is, or of one who is not there yet.
    pub(crate) fn to_invitee(&self, invitee: &Invitee) -> Result<Assignment, Error> {
        let user = match &invitee.user {
            Some(user) => user.clone(),
            // What is asked about somebody unknown must not be answered about a user who happens to have that name.
            None => UserName::parse(&format!("users/{}", Uuid::new_v4())).map_err(|_| Error::not_found(self.email.as_str()))?,
        };
        Ok(self.to(user))
    }
}

/// Invites. The token is for the answer alone.
pub(crate) async fn offer(
    change: &mut Change,
    draft: Draft,
    inviter: &UserName,
    invitee: &Invitee,
    terms: &RoleTerms,
) -> Result<Settled<(Invitation, Token)>, Error> {
    if let Some(found) = may_be_offered(change, &draft.offer, invitee, terms).await? {
        return Ok(Settled::Again(found));
    }
    let db = change.connection();
    if store::invitation::find(db, &draft.name).await?.is_some() || store::retired::is_retired(db, draft.name.as_str()).await? {
        return Err(Error::AlreadyExists { name: draft.name.to_string() });
    }
    none_is_pending(change, &draft.offer, None).await?;
    let token = Token::new();
    let invitation = Invitation::new(draft, token.hash(), inviter.clone(), change.now())?;
    store::invitation::insert(change.connection(), &invitation).await?;
    change.audit_at(invitation.offer.node.as_str(), "invitations.create", invitation.name.as_str(), None, Some(invitation.audited()));
    seats_kept(change.connection(), terms, &invitation.offer.node, change.now()).await?;
    Ok(Settled::Done((invitation, token)))
}

/// Invites again, on the authority of whoever does. What is offered, and so what the permit is about, never changes.
pub(crate) async fn resend(
    change: &mut Change,
    wanted: &Resending,
    inviter: &UserName,
    invitee: &Invitee,
    terms: &RoleTerms,
) -> Result<Settled<(Invitation, Token)>, Error> {
    let before = end::expected(change, &wanted.name, wanted.etag).await?;
    if before.state(change.now()) != State::Expired {
        before.expect_pending(change.now(), "only a pending or expired one can be resent; create another")?;
    }
    if let Some(found) = may_be_offered(change, &before.offer, invitee, terms).await? {
        return Ok(Settled::Again(found));
    }
    none_is_pending(change, &before.offer, Some(&before)).await?;
    let token = Token::new();
    let expire_time = until(wanted.expire_time, "expire_time", change.now())?;
    let after = before.resent(token.hash(), expire_time, inviter.clone(), change.now());
    store::invitation::update(change.connection(), &after).await?;
    change.audit_at(after.offer.node.as_str(), "invitations.resend", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    seats_kept(change.connection(), terms, &after.offer.node, change.now()).await?;
    Ok(Settled::Done((after, token)))
}

/// Whether what is offered could be given now. Whom it reaches, if that is not what the permit was asked for.
async fn may_be_offered(change: &Change, offer: &Offer, invitee: &Invitee, terms: &RoleTerms) -> Result<Option<Invitee>, Error> {
    let organization = assign::live_organization(change, &offer.node.organization()).await?;
    let membership = invariants::membership_terms(change)?;
    let db = change.connection();
    let user = store::user::with_email(db, &offer.email).await?.map(|user| user.name);
    if user != invitee.user {
        return Ok(Some(Invitee { user, replaces: None }));
    }
    let assigned = offer.to_invitee(invitee)?;
    assign::can_be_held(&organization, &assigned, terms)?;
    assign::stays(&membership, &organization.name, &assigned)?;
    assign::has_time(change, &assigned, "invitation.binding_expire_time")?;
    assign::place_is_there(change, &organization.name, &assigned).await?;
    let existing = match &user {
        Some(user) => store::member::find(db, &assign::membership_of(&organization.name, user)?).await?,
        None => None,
    };
    if admission(existing.as_ref(), offer.sponsor.is_some(), membership.grant_joins) == Admission::Refused {
        let user = user.map_or_else(|| offer.email.as_str().to_owned(), |user| user.to_string());
        return Err(Error::NotAMember { user, organization: organization.name.to_string() });
    }
    let theirs = match user {
        Some(_) => store::role_binding::of_principal_at(db, &assigned.principal, &assigned.node).await?,
        None => Vec::new(),
    };
    let replaces = in_the_way(terms, &assigned, &theirs, change.now()).cloned();
    if replaces != invitee.replaces {
        return Ok(Some(Invitee { user: invitee.user.clone(), replaces }));
    }
    leaves_room(terms, &assigned, &theirs, replaces.as_ref().map(|binding| &binding.name), change.now())?;
    Ok(None)
}

/// Of one offer one invitation is pending at a time. One that has expired gives way: this commit says so.
async fn none_is_pending(change: &mut Change, offer: &Offer, except: Option<&Invitation>) -> Result<(), Error> {
    let pending = store::invitation::pending_of_offer(change.connection(), offer).await?;
    let Some(other) = pending.filter(|other| except.is_none_or(|except| except.name != other.name)) else { return Ok(()) };
    match other.state(change.now()) {
        State::Expired => end::expire(change, &other).await,
        _ => Err(Error::InvitationPending { name: other.name.to_string(), inviter: other.inviter.to_string(), told: false }),
    }
}
