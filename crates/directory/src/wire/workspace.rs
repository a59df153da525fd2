//! Workspaces: messages to values and back.

use api::directory::v1::{self as proto, workspace::State};
use decision::name::NodeName;
use service::{
    Service,
    call::{Call, Page, WriteCall},
    fields::{Etag, Fields, etag, timestamp},
    filter::{Field, Kind, Offered, Way},
};
use tonic::{Request, Status};

use crate::{store::workspace::WorkspaceFilter, workspace::Workspace};

const MAX_NAME: usize = 200;

/// The name and the display name.
pub(crate) fn read_create(request: &Request<proto::CreateWorkspaceRequest>) -> Result<(WriteCall, NodeName, String), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.WorkspaceService/CreateWorkspace", &mut fields)?;
    let message = request.get_ref();
    let organization = fields.organization("parent", &message.parent);
    let id = fields.id("workspace_id", &message.workspace_id);
    let workspace = fields.required("workspace", message.workspace.clone());
    let display_name = fields.text("workspace.display_name", &workspace.display_name, MAX_NAME, true);
    let name = organization.and_then(|organization| NodeName::parse(&format!("{organization}/workspaces/{id}")).ok());
    Ok((call, fields.finish(name)?, display_name))
}

pub(crate) fn read_get(request: &Request<proto::GetWorkspaceRequest>) -> Result<(Call, NodeName), Status> {
    let call = Call::reading(request, "directory.v1.WorkspaceService/GetWorkspace")?;
    let mut fields = Fields::default();
    let name = fields.workspace("name", &request.get_ref().name);
    Ok((call, fields.finish(name)?))
}

const LISTED: Offered = Offered {
    fields: &[Field { name: "create_time", kind: Kind::Time }],
    ways: &[Way { order: "name", by: &[], bounded: false }, Way { order: "create_time", by: &[], bounded: true }],
};

pub(crate) fn read_list(
    service: &Service,
    request: &Request<proto::ListWorkspacesRequest>,
) -> Result<(Call, Page, WorkspaceFilter), Status> {
    let call = Call::reading(request, "directory.v1.WorkspaceService/ListWorkspaces")?;
    let mut fields = Fields::default();
    let message = request.get_ref();
    let page = call.page(message, service, &mut fields)?;
    let organization = fields.organization("parent", &message.parent);
    let with_deleted = message.show_deleted;
    let query = fields.query_with_deleted(&LISTED, &message.filter, &message.order_by, with_deleted);
    let filter = organization.map(|organization| WorkspaceFilter { organization, with_deleted, query });
    Ok((call, page, fields.finish(filter)?))
}

/// The third is the new display name, if there is one.
pub(crate) fn read_update(request: &Request<proto::UpdateWorkspaceRequest>) -> Result<(WriteCall, NodeName, Option<String>, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.WorkspaceService/UpdateWorkspace", &mut fields)?;
    let message = request.get_ref();
    let workspace = fields.required("workspace", message.workspace.clone());
    let name = fields.workspace("workspace.name", &workspace.name);
    let mask = fields.mask(message.update_mask.as_ref(), &[("display_name", !workspace.display_name.is_empty())]);
    let display_name =
        mask.contains("display_name").then(|| fields.text("workspace.display_name", &workspace.display_name, MAX_NAME, true));
    let expected = fields.etag("workspace.etag", &workspace.etag);
    Ok((call, fields.finish(name)?, display_name, expected))
}

/// The last is `force`.
pub(crate) fn read_delete(request: &Request<proto::DeleteWorkspaceRequest>) -> Result<(WriteCall, NodeName, Etag, bool), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.WorkspaceService/DeleteWorkspace", &mut fields)?;
    let message = request.get_ref();
    let name = fields.workspace("name", &message.name);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected, message.force))
}

pub(crate) fn read_undelete(request: &Request<proto::UndeleteWorkspaceRequest>) -> Result<(WriteCall, NodeName, Etag), Status> {
    let mut fields = Fields::default();
    let call = Call::writing(request, "directory.v1.WorkspaceService/UndeleteWorkspace", &mut fields)?;
    let message = request.get_ref();
    let name = fields.workspace("name", &message.name);
    let expected = fields.etag("etag", &message.etag);
    Ok((call, fields.finish(name)?, expected))
}

/// Without its revision.
pub(crate) fn write(workspace: &Workspace) -> proto::Workspace {
    proto::Workspace {
        name: workspace.name.to_string(),
        display_name: workspace.display_name.clone(),
        state: if workspace.deleted { State::Deleted } else { State::Active }.into(),
        create_time: timestamp(workspace.create_time),
        update_time: timestamp(workspace.update_time),
        etag: etag(workspace.version),
        revision: String::new(),
        delete_time: workspace.delete_time.and_then(timestamp),
        purge_time: workspace.purge_time.and_then(timestamp),
    }
}
