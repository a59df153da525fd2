//! The service of workspaces.

use api::directory::v1::{
    self as proto, CreateWorkspaceRequest, DeleteWorkspaceRequest, GetWorkspaceRequest, ListWorkspacesRequest, ListWorkspacesResponse,
    UpdateWorkspaceRequest, workspace_service_server::WorkspaceService,
};
use client::guard::{Ask, permission};
use decision::name::NodeName;
use ledger::{Ledger, StoreError};
use service::{
    change::{Change, Opened},
    fields::Etag,
    listing::{Rows, Standing},
};
use tonic::{Request, Response, Status, async_trait};

use super::{nothing_below, open_below};
use crate::{
    Directory, deletion, feed, invitation,
    status::Error,
    store::{self, workspace::WorkspaceFilter},
    wire::{self, workspace::write},
    workspace::Workspace,
};

#[async_trait]
impl WorkspaceService for Directory {
    async fn create_workspace(&self, request: Request<CreateWorkspaceRequest>) -> Result<Response<proto::Workspace>, Status> {
        let (call, name, display_name) = wire::workspace::read_create(&request)?;
        let organization = name.organization();
        let ask = Ask::writing(organization.as_str()).to(permission("workspaces.create", organization.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let workspace = create(&mut change, name, display_name).await?;
        change.answer(write(&workspace)).await
    }

    async fn get_workspace(&self, request: Request<GetWorkspaceRequest>) -> Result<Response<proto::Workspace>, Status> {
        let (call, name) = wire::workspace::read_get(&request)?;
        self.service.permit(&call, Ask::writing(name.as_str()).to(permission("workspaces.get", name.as_str()))).await?;
        let workspace = store::workspace::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let workspace = workspace.ok_or_else(|| Error::not_found(name.as_str()))?;
        Ok(Response::new(proto::Workspace { revision: self.service.head().await?, ..write(&workspace) }))
    }

    async fn list_workspaces(&self, request: Request<ListWorkspacesRequest>) -> Result<Response<ListWorkspacesResponse>, Status> {
        let (call, page, filter) = wire::workspace::read_list(&self.service, &request)?;
        let organization = filter.organization.as_str();
        let standing =
            Standing::of(self.service.permit(&call, Ask::writing(organization).to(permission("organization.get", organization))).await)?;
        let listed = self.service.list_permitted(&call, &page, "workspaces.get", standing, &filter).await?;
        let workspaces = listed.rows.iter().map(|row| proto::Workspace { revision: listed.revision.clone(), ..write(row) }).collect();
        Ok(Response::new(ListWorkspacesResponse { workspaces, next_page_token: listed.next_page_token, revision: listed.revision }))
    }

    async fn update_workspace(&self, request: Request<UpdateWorkspaceRequest>) -> Result<Response<proto::Workspace>, Status> {
        let (call, name, display_name, etag) = wire::workspace::read_update(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("workspaces.update", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        let after = before.renamed(display_name, change.now());
        store::workspace::update(change.connection(), &after).await.map_err(Error::from)?;
        change.audit("workspaces.update", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write(&after)).await
    }

    async fn delete_workspace(&self, request: Request<DeleteWorkspaceRequest>) -> Result<Response<proto::Workspace>, Status> {
        let (call, name, etag, force) = wire::workspace::read_delete(&request)?;
        let ask = Ask::writing(name.as_str()).to(permission("workspaces.delete", name.as_str()));
        let mut change = match self.service.open(&call, ask).await? {
            Opened::Open(change) => change,
            Opened::Answered(answer) => return Ok(answer),
        };
        let before = present(&change, &name, etag).await?;
        nothing_below(&change, &name, force).await?;
        invitation::end_at_or_below(&mut change, &name).await?;
        let after = before.ended(change.now(), change.now() + self.retention);
        deletion::keep(&change, &after.name, after.purge_time).await?;
        store::workspace::update(change.connection(), &after).await.map_err(Error::from)?;
        change.put(feed::workspace(&after));
        change.audit("workspaces.delete", name.as_str(), Some(before.audited()), Some(after.audited()));
        change.answer(write(&after)).await
    }

    async fn undelete_workspace(&self, request: Request<proto::UndeleteWorkspaceRequest>) -> Result<Response<proto::Workspace>, Status> {
        super::undelete::workspace(self, request).await
    }
}

pub(super) async fn create(change: &mut Change, name: NodeName, display_name: String) -> Result<Workspace, Error> {
    open_below(change, &name.organization()).await?;
    if store::workspace::find(change.connection(), &name).await?.is_some() {
        return Err(Error::AlreadyExists { name: name.to_string() });
    }
    let workspace = Workspace::new(name, display_name, change.now());
    store::workspace::insert(change.connection(), &workspace).await?;
    change.put(feed::workspace(&workspace));
    change.audit("workspaces.create", workspace.name.as_str(), None, Some(workspace.audited()));
    Ok(workspace)
}

/// The workspace as it is, if it is as the client has seen it and can be changed.
async fn present(change: &Change, name: &NodeName, etag: Etag) -> Result<Workspace, Error> {
    let workspace = store::workspace::find(change.connection(), name).await?.ok_or_else(|| Error::not_found(name.as_str()))?;
    workspace.expect(etag)?;
    Ok(workspace)
}

impl Rows for WorkspaceFilter {
    type Row = Workspace;

    async fn fetch(&self, ledger: &Ledger, after: Option<&str>, limit: u64) -> Result<Vec<Workspace>, StoreError> {
        store::workspace::page(ledger.reader(), self, after, limit).await
    }

    fn key(row: &Workspace) -> &str {
        row.name.as_str()
    }

    fn position(&self, row: &Workspace) -> String {
        Self::position(self, row)
    }
}
