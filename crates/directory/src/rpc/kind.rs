//! What an organization does, and with it which permissions exist for it: methods of the service of organizations.

use api::directory::v1 as proto;
use client::guard::{Ask, permission, platform};
use service::change::Opened;
use tonic::{Request, Response, Status};

use super::{
    ATTEMPTS, PREVIEWED,
    organization::{above, present, replace},
    outrun,
};
use crate::{
    Directory, feed,
    status::Error,
    store,
    wire::{
        self,
        moves::{write_access_change, write_role_change},
    },
};

/// Who may create an organization of any kind there.
const NEEDED: &str = "organization.attach_customer";

pub(super) async fn change(
    directory: &Directory,
    request: Request<proto::ChangeOrganizationKindRequest>,
) -> Result<Response<proto::Organization>, Status> {
    let (call, target, kind) = wire::organization::read_change_kind(&request)?;
    if let Some(answer) = directory.service.answered_before(&call).await? {
        return Ok(answer);
    }
    for _ in 0..ATTEMPTS {
        let parent = directory.parent_seen(&target.name).await?;
        let ask = Ask::writing(target.name.as_str()).to(above(parent.as_ref(), NEEDED));
        let change = match directory.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &target.name, target.etag).await?;
        if before.parent != parent {
            continue;
        }
        let after = before.of_kind(kind, change.now())?;
        return replace(change, "organization.change_kind", &before, &after).await;
    }
    Err(outrun())
}

pub(super) async fn preview(
    directory: &Directory,
    request: Request<proto::PreviewOrganizationKindRequest>,
) -> Result<Response<proto::PreviewOrganizationKindResponse>, Status> {
    let (call, name, kind) = wire::organization::read_preview_kind(&request)?;
    let db = directory.service.ledger().reader();
    for _ in 0..ATTEMPTS {
        let Some(seen) = store::organization::find(db, &name).await.map_err(Error::from)? else {
            directory.service.permit(&call, Ask::writing(name.as_str()).to(platform())).await?;
            return Err(Error::not_found(name.as_str()).into());
        };
        let ask = Ask::writing(name.as_str()).to(above(seen.parent.as_ref(), NEEDED)).to(permission("access.get", name.as_str()));
        directory.service.permit(&call, ask).await?;
        seen.expect(service::fields::Etag::ANY)?;
        let after = seen.of_kind(kind, directory.service.now())?;
        let head = directory.service.ledger().head().await.map_err(Error::from)?;
        let (hypothetical, nodes) = (vec![feed::organization(&after)], vec![name.to_string()]);
        let access = directory.service.guard().preview_access(hypothetical, nodes, PREVIEWED, head, call.deadline.instant()).await?;
        // It was looked at without locks: what the permit was asked for must still be so.
        if store::organization::find(db, &name).await.map_err(Error::from)?.as_ref() == Some(&seen) {
            return Ok(Response::new(proto::PreviewOrganizationKindResponse {
                role_changes: access.roles.into_iter().map(write_role_change).collect(),
                access_changes: access.access.into_iter().map(write_access_change).collect(),
                complete: access.complete,
                revision: head.to_string(),
            }));
        }
    }
    Err(outrun())
}
