//! What the invitee does.

use api::authz::v1::RoleTerms;
use decision::name::UserName;
use service::change::Change;

use super::{Invitation, Invitee, Settled, State};
use crate::{
    assign::{self, Seat},
    invariants::in_the_way,
    role_binding::RoleBinding,
    status::Error,
    store,
};

/// Accepts: the binding with all that comes with it, on the authority of the inviter. `seen` is the invitation that the permit was asked for.
pub(crate) async fn accept(
    change: &mut Change,
    seen: &Invitation,
    invitee: &Invitee,
    actor: &UserName,
    terms: &RoleTerms,
) -> Result<Settled<(Invitation, RoleBinding)>, Error> {
    let Some(before) = theirs(change, seen, actor).await? else { return Ok(Settled::Again(Invitee::default())) };
    let assigned = before.offer.to(actor.clone());
    let held = store::role_binding::of_principal_at(change.connection(), &assigned.principal, &assigned.node).await?;
    let replaces = in_the_way(terms, &assigned, &held, change.now()).cloned();
    if replaces != invitee.replaces {
        return Ok(Settled::Again(Invitee { user: Some(actor.clone()), replaces }));
    }
    let organization = before.name.organization();
    let name = match &replaces {
        Some(binding) => binding.name.clone(),
        None => assign::new_binding_name(&organization)?,
    };
    // First, so that it takes no seat any more when the binding does.
    let after = before.accepted(actor.clone(), name.clone(), change.now());
    store::invitation::update(change.connection(), &after).await?;
    change.audit_at(after.offer.node.as_str(), "invitations.accept", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    let given = match &replaces {
        Some(binding) => assign::reassign(change, binding, assigned, terms, Seat::Reserved).await,
        None => assign::give(change, RoleBinding::new(name, assigned, change.now()), terms, Seat::Reserved).await,
    };
    let binding = given.map_err(as_the_invitee_may_know)?;
    assign::take_up(change, &organization).await?;
    Ok(Settled::Done((after, binding)))
}

/// Declines. None if it is no longer what it was.
pub(crate) async fn decline(change: &mut Change, seen: &Invitation, actor: &UserName) -> Result<Option<Invitation>, Error> {
    let Some(before) = theirs(change, seen, actor).await? else { return Ok(None) };
    let after = before.in_state(State::Declined, change.now());
    store::invitation::update(change.connection(), &after).await?;
    change.audit_at(after.offer.node.as_str(), "invitations.decline", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(after))
}

/// The invitation if it is pending, and the actor's. None if it has been resent since it was looked up.
async fn theirs(change: &Change, seen: &Invitation, actor: &UserName) -> Result<Option<Invitation>, Error> {
    let db = change.connection();
    // Their address, and that they are active, stays so until the commit.
    let user = store::user::find_for_share(db, actor).await?;
    let is_theirs =
        user.is_some_and(|user| !user.suspended && user.verified_email().is_some_and(|email| email.key() == seen.offer.email.key()));
    if !is_theirs {
        return Err(Error::NotInvited);
    }
    let Some(present) = store::invitation::find(db, &seen.name).await? else { return Ok(None) };
    if present.token != seen.token || present.inviter != seen.inviter {
        return Ok(None);
    }
    present.expect_pending(change.now(), "ask whoever invited for another")?;
    Ok(Some(present))
}

/// Why it cannot be given is the organization's business, but for what the invitee holds there.
fn as_the_invitee_may_know(error: Error) -> Error {
    match error {
        Error::NotFound { .. }
        | Error::WrongState { .. }
        | Error::NotAMember { .. }
        | Error::MembersStay { .. }
        | Error::SponsorLimit { .. }
        | Error::InvalidBinding { .. }
        | Error::Field { .. } => Error::InvitationVoid,
        other => other,
    }
}
