//! How invitations end otherwise than by their invitees: taken back, with what they were for, or by time.

use decision::name::{InvitationName, NodeName, Sponsor};
use service::{change::Change, fields::Etag};

use super::{Invitation, State};
use crate::{status::Error, store, user::Email};

/// Takes back a pending invitation.
pub(crate) async fn revoke(change: &mut Change, name: &InvitationName, etag: Etag) -> Result<Invitation, Error> {
    let before = expected(change, name, etag).await?;
    before.expect_pending(change.now(), "only a pending one can be revoked")?;
    close(change, "invitations.revoke", &before, before.in_state(State::Revoked, change.now())).await
}

/// Ends invitations with what they were for: those that are still pending, whose names it returns.
async fn withdraw(change: &mut Change, invitations: &[Invitation]) -> Result<Vec<InvitationName>, Error> {
    let mut withdrawn = Vec::new();
    let now = change.now();
    for before in invitations.iter().filter(|invitation| invitation.state(now) == State::Pending) {
        let after = close(change, "invitations.withdraw", before, before.withdrawn(now)).await?;
        withdrawn.push(after.name);
    }
    Ok(withdrawn)
}

/// Ends those of an address in an organization.
pub(crate) async fn end_of_email(change: &mut Change, organization: &NodeName, email: &Email) -> Result<Vec<InvitationName>, Error> {
    let pending = store::invitation::pending_of_email_in(change.connection(), organization, email).await?;
    withdraw(change, &pending).await
}

/// Ends those at a node and below it.
pub(crate) async fn end_at_or_below(change: &mut Change, node: &NodeName) -> Result<Vec<InvitationName>, Error> {
    let pending = store::invitation::pending_at_or_below(change.connection(), node).await?;
    withdraw(change, &pending).await
}

/// Ends those to bindings that a sponsor would let somebody hold.
pub(crate) async fn end_of_sponsor(change: &mut Change, sponsor: &Sponsor) -> Result<Vec<InvitationName>, Error> {
    let pending = store::invitation::pending_of_sponsor(change.connection(), sponsor).await?;
    withdraw(change, &pending).await
}

/// Of those, the ones in these organizations.
pub(crate) async fn end_of_sponsor_in(change: &mut Change, sponsor: &Sponsor, organizations: &[NodeName]) -> Result<(), Error> {
    for some in organizations.chunks(500) {
        let pending = store::invitation::pending_of_sponsor_in(change.connection(), sponsor, some).await?;
        withdraw(change, &pending).await?;
    }
    Ok(())
}

/// Says that the time of a pending invitation is over.
pub(super) async fn expire(change: &mut Change, before: &Invitation) -> Result<(), Error> {
    close(change, "invitations.expire", before, before.expired(change.now())).await?;
    Ok(())
}

pub(super) async fn expected(change: &Change, name: &InvitationName, etag: Etag) -> Result<Invitation, Error> {
    let invitation = store::invitation::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    invitation.expect(etag)?;
    Ok(invitation)
}

async fn close(change: &mut Change, action: &str, before: &Invitation, after: Invitation) -> Result<Invitation, Error> {
    store::invitation::update(change.connection(), &after).await?;
    change.audit_at(after.offer.node.as_str(), action, after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}
