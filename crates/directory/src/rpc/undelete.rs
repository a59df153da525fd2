//! Bringing back what was deleted: a method of the services of organizations, workspaces and accounts. Authorized at the parent, and by authority
//! over all that comes back.

use api::{authz::v1::Requirement, directory::v1 as proto, feed::v1::Record};
use client::guard::{Ask, permission, restore_node};
use decision::name::NodeName;
use service::change::Opened;
use tonic::{Request, Response, Status};

use super::{ATTEMPTS, organization::above, outrun};
use crate::{Directory, account::Account, deletion, feed, organization::Organization, status::Error, store, wire};

/// `to_be` is none where there is nothing to restore: then the permissions at the parent say who is told so.
fn ask(name: &NodeName, at_parent: Requirement, to_be: Option<Record>) -> Ask {
    let ask = Ask::writing(name.as_str()).to(at_parent);
    to_be.into_iter().fold(ask, |ask, record| ask.to(restore_node(record)))
}

pub(super) async fn organization(
    directory: &Directory,
    request: Request<proto::UndeleteOrganizationRequest>,
) -> Result<Response<proto::Organization>, Status> {
    let (call, target) = wire::organization::read_undelete(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let seen = store::organization::find(directory.service.ledger().reader(), &target.name).await.map_err(Error::from)?;
        let at_parent = above(seen.as_ref().and_then(|seen| seen.parent.as_ref()), "organization.attach_customer");
        let deleted = seen.as_ref().filter(|seen| seen.deleted);
        // Also of one that stays suspended: whoever reactivates it is asked nothing about what is held there.
        let to_be = deleted.map(|seen| feed::organization(&Organization { suspended: false, ..seen.restored(directory.service.now()) }));
        let mut change = match directory.service.open(&call, ask(&target.name, at_parent, to_be)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = store::organization::find(change.connection(), &target.name).await.map_err(Error::from)?;
        if before != seen {
            continue;
        }
        let before = before.ok_or_else(|| Error::not_found(target.name.as_str()))?;
        before.expect_seen(target.etag)?;
        let after = deletion::restore_organization(&mut change, &before).await?;
        return change.answer(wire::organization::write(&after)).await;
    }
    Err(outrun())
}

pub(super) async fn workspace(
    directory: &Directory,
    request: Request<proto::UndeleteWorkspaceRequest>,
) -> Result<Response<proto::Workspace>, Status> {
    let (call, name, etag) = wire::workspace::read_undelete(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let seen = store::workspace::find(directory.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let at_parent = permission("workspaces.create", name.organization().as_str());
        let deleted = seen.as_ref().filter(|seen| seen.deleted);
        let to_be = deleted.map(|seen| feed::workspace(&seen.restored(directory.service.now())));
        let mut change = match directory.service.open(&call, ask(&name, at_parent, to_be)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = store::workspace::find(change.connection(), &name).await.map_err(Error::from)?;
        if before != seen {
            continue;
        }
        let before = before.ok_or_else(|| Error::not_found(name.as_str()))?;
        before.expect_seen(etag)?;
        let after = deletion::restore_workspace(&mut change, &before).await?;
        return change.answer(wire::workspace::write(&after)).await;
    }
    Err(outrun())
}

pub(super) async fn account(
    directory: &Directory,
    request: Request<proto::UndeleteAccountRequest>,
) -> Result<Response<proto::Account>, Status> {
    let (call, name, etag) = wire::account::read_undelete(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let seen = store::account::find(directory.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let parent = seen.as_ref().map_or_else(|| name.organization(), Account::parent);
        let deleted = seen.as_ref().filter(|seen| seen.deleted);
        let to_be = deleted.map(|seen| feed::account(&seen.restored(directory.service.now())));
        let at_parent = permission("accounts.create", parent.as_str());
        let mut change = match directory.service.open(&call, ask(&name, at_parent, to_be)).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = store::account::find(change.connection(), &name).await.map_err(Error::from)?;
        if before != seen {
            continue;
        }
        let before = before.ok_or_else(|| Error::not_found(name.as_str()))?;
        before.expect_seen(etag)?;
        let after = deletion::restore_account(&mut change, &before).await?;
        return change.answer(wire::account::write(&after)).await;
    }
    Err(outrun())
}
