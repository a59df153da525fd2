//! Nodes that are deleted, and come back.

use chrono::{DateTime, Utc};
use decision::name::NodeName;
use service::change::Change;

use crate::{account::Account, feed, invariants, organization::Organization, status::Error, store, workspace::Workspace};

/// Where a deleted node is kept until then.
pub(crate) async fn keep(change: &Change, name: &NodeName, purge_time: Option<DateTime<Utc>>) -> Result<(), Error> {
    let Some(purge_time) = purge_time else { return Ok(()) };
    Ok(store::purge::insert(change.connection(), name, purge_time).await?)
}

/// Whether a node can come back, and that it does: it is deleted, nothing of it is purged, and what it is in is not deleted.
async fn take_back(
    change: &Change,
    name: &NodeName,
    deleted: bool,
    purge_time: Option<DateTime<Utc>>,
    parent: Option<&NodeName>,
) -> Result<(), Error> {
    if !deleted {
        return Err(Error::WrongState { name: name.to_string(), state: "not deleted", remedy: "only a deleted one can be undeleted" });
    }
    let within: Vec<NodeName> = parent.map(|parent| [parent.organization(), parent.clone()]).into_iter().flatten().collect();
    for node in within {
        if !store::node::is_live(change.connection(), &node).await? {
            return Err(Error::WrongState { name: node.to_string(), state: "deleted", remedy: "undelete it first" });
        }
    }
    let is_over = purge_time.is_none_or(|purge_time| purge_time <= change.now());
    if is_over || !store::purge::cancel(change.connection(), name).await? {
        return Err(Error::WrongState { name: name.to_string(), state: "purged", remedy: "it cannot come back; create another" });
    }
    Ok(())
}

/// Brings an organization back. One whose required roles have lost their holders meanwhile waits for new ones. Seats are as they were: while it was
/// deleted nobody could be given one.
pub(crate) async fn restore_organization(change: &mut Change, before: &Organization) -> Result<Organization, Error> {
    take_back(change, &before.name, before.deleted, before.purge_time, before.parent.as_ref()).await?;
    let mut after = before.restored(change.now());
    after.provisioning = !invariants::is_complete(change.connection(), &after, &change.granted().required_roles).await?;
    store::organization::update(change.connection(), &after).await?;
    change.put(feed::organization(&after));
    change.audit("organization.undelete", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}

/// Brings a workspace back.
pub(crate) async fn restore_workspace(change: &mut Change, before: &Workspace) -> Result<Workspace, Error> {
    let organization = before.name.organization();
    take_back(change, &before.name, before.deleted, before.purge_time, Some(&organization)).await?;
    let after = before.restored(change.now());
    store::workspace::update(change.connection(), &after).await?;
    change.put(feed::workspace(&after));
    change.audit("workspaces.undelete", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}

/// Brings an account back.
pub(crate) async fn restore_account(change: &mut Change, before: &Account) -> Result<Account, Error> {
    take_back(change, &before.name, before.deleted, before.purge_time, Some(&before.parent())).await?;
    let after = before.restored(change.now());
    store::account::update(change.connection(), &after).await?;
    change.put(feed::account(&after));
    change.audit("accounts.undelete", after.name.as_str(), Some(before.audited()), Some(after.audited()));
    Ok(after)
}
