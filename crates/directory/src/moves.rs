//! Moves: an account into another workspace, an organization into another agency's hands. What must hold, and what comes along.

use decision::name::{BindingName, NodeName};
use service::{change::Change, fields::Etag};

use crate::{
    account::Account,
    assign, consent, feed, invariants, invitation,
    organization::Organization,
    status::Error,
    store::{self, holders::Users},
};

/// What to move where.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct MoveDraft<Place> {
    pub(crate) name: NodeName,
    /// Of an account: the workspace, or none. Of an organization: the workspace.
    pub(crate) to: Place,
    pub(crate) etag: Etag,
}

/// What is in the way of an organization's move.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Obstacle {
    /// It is a customer of this workspace.
    IsThere,
    /// The workspace is in it, or in an organization below it.
    IsBelow,
    /// The workspace, or its organization, is not there.
    Missing(NodeName),
    /// The trees have pinned different rules.
    OtherModel,
}

impl Obstacle {
    pub(crate) fn refusal(self, draft: &MoveDraft<NodeName>) -> Error {
        let name = draft.name.to_string();
        match self {
            Self::IsThere => Error::WrongState { name, state: "there already", remedy: "it need not be moved" },
            Self::IsBelow => Error::Field { path: "parent", description: format!("a workspace that is not below `{name}`") },
            Self::Missing(missing) => Error::not_found(missing.as_str()),
            Self::OtherModel => Error::RoleModelMismatch { name, workspace: draft.to.to_string() },
        }
    }
}

/// What a move of an organization is about: what its permit is asked for, and must still be so under the locks.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct OrganizationMove {
    pub(crate) before: Organization,
    /// The agency that it comes to.
    pub(crate) target: Result<Organization, Obstacle>,
}

/// What was moved, and what ended by it.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Moved {
    pub(crate) organization: Organization,
    pub(crate) removed: Vec<BindingName>,
}

/// Moves an organization with all that is below it. None if what the permit was asked for is no longer so.
pub(crate) async fn organization(
    change: &mut Change,
    draft: &MoveDraft<NodeName>,
    seen: &OrganizationMove,
) -> Result<Option<Moved>, Error> {
    let present = store::moves::of_organization(change.connection(), &draft.name, &draft.to).await?;
    let OrganizationMove { before, target } = present.ok_or_else(|| Error::not_found(draft.name.as_str()))?;
    before.expect(draft.etag)?;
    if before != seen.before || target != seen.target {
        return Ok(None);
    }
    let agency = target.map_err(|obstacle| obstacle.refusal(draft))?;
    let required = change.granted().required_roles.clone();
    let owned_by = invariants::required_of(&before, &required);
    let consenting =
        store::move_consent::standing(change.connection(), Users::Held, &before.name, &owned_by, &draft.to, change.now()).await?;
    if consenting.required && !consenting.given {
        return Err(Error::ConsentMissing { organization: before.name.to_string(), workspace: draft.to.to_string() });
    }
    let mut after = before.moved(&draft.to, &agency, change.now());
    if before.parent.is_none() {
        // Roots and customers need not have the same roles.
        after.provisioning = !invariants::is_complete(change.connection(), &after, &required).await?;
    }
    let organizations = store::moves::organizations_from(change.connection(), &before.name).await?;
    let left = store::moves::sponsors_left(change.connection(), before.parent.as_ref(), &draft.to).await?;
    let losing = store::moves::sponsored_by(change.connection(), &organizations, &left).await?;
    assign::take(change, &losing).await?;
    // Nobody could accept those; without a sponsor they would only take seats.
    for sponsor in &left {
        invitation::end_of_sponsor_in(change, sponsor, &organizations).await?;
    }
    consent::use_up(change, &before.name).await?;
    store::organization::update(change.connection(), &after).await?;
    if after.root != before.root {
        // Decisions find the root by the parents; what is below needs no record.
        store::moves::set_root(change.connection(), &organizations, &after.root).await?;
    }
    change.put(feed::organization(&after));
    change.audit("organization.move", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(Moved { organization: after, removed: losing.into_iter().map(|binding| binding.name).collect() }))
}

/// Moves an account. None if it is no longer what the permit was asked for.
pub(crate) async fn account(change: &mut Change, draft: &MoveDraft<Option<NodeName>>, seen: &Account) -> Result<Option<Account>, Error> {
    let before = store::account::find(change.connection(), &draft.name).await?;
    let before = before.ok_or_else(|| Error::not_found(draft.name.as_str()))?;
    before.expect(draft.etag)?;
    if before != *seen {
        return Ok(None);
    }
    let after = before.moved(draft.to.as_ref(), change.now())?;
    let (from, to) = (before.parent(), after.parent());
    if !store::node::is_live(change.connection(), &from).await? {
        return Err(Error::WrongState {
            name: from.to_string(),
            state: "deleted",
            remedy: "what is in it comes back with it, or not at all",
        });
    }
    for node in [to.organization(), to] {
        if !store::node::is_live(change.connection(), &node).await? {
            return Err(Error::not_found(node.as_str()));
        }
    }
    store::account::update(change.connection(), &after).await?;
    change.put(feed::account(&after));
    change.audit("accounts.move", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(Some(after))
}
