//! The service of the permission catalogue.

use api::rolecatalog::v1::{ListPermissionsRequest, ListPermissionsResponse, permission_service_server::PermissionService};
use tonic::{Request, Response, Status, async_trait};

use super::kind;
use crate::{
    RoleCatalog,
    permission::catalogue,
    wire::{
        Parent,
        permission::{read_list, write},
    },
};

#[async_trait]
impl PermissionService for RoleCatalog {
    async fn list_permissions(&self, request: Request<ListPermissionsRequest>) -> Result<Response<ListPermissionsResponse>, Status> {
        let (call, parent, all_kinds) = read_list(&request)?;
        let (revision, kind) = match &parent {
            Parent::RoleModel(name) => {
                self.permit_known(&call, name).await?;
                (self.latest(name).await?, None)
            }
            Parent::Organization(organization) => {
                let permit = self.permit_roles(&call, organization).await?;
                (self.pinned(self.service.ledger().reader(), permit.granted()).await?, Some(kind(permit.granted())?))
            }
        };
        let mut entries = catalogue(&revision.document, kind);
        if let Some(kind) = kind.filter(|_| !all_kinds) {
            entries.retain(|entry| entry.is_for(kind));
        }
        let permissions = entries.into_iter().map(|entry| write(entry, kind.is_some())).collect();
        Ok(Response::new(ListPermissionsResponse { permissions, revision: self.service.head().await? }))
    }
}
