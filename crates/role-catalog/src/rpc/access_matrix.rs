//! The service of access matrices.

use api::rolecatalog::v1::{self as proto, GetAccessMatrixRequest, access_matrix_service_server::AccessMatrixService};
use decision::{
    document::Document,
    matrix::{AccessMatrix, MatrixRole, displayed},
    model::RoleModel,
    name::{NodeName, RoleName, RoleOwner},
    record,
};
use tonic::{Request, Response, Status, async_trait};

use super::kind;
use crate::{
    RoleCatalog,
    role::{CustomRole, MAX_ROLES},
    role_model::Revision,
    status::Error,
    store::{self, role::Filter},
    wire::{
        Parent,
        access_matrix::{Wanted, fits, read_get, write},
    },
};

#[async_trait]
impl AccessMatrixService for RoleCatalog {
    async fn get_access_matrix(&self, request: Request<GetAccessMatrixRequest>) -> Result<Response<proto::AccessMatrix>, Status> {
        let (call, Wanted { parent, model_revision, roles }) = read_get(&request)?;
        let (revision, kind, customs) = match &parent {
            Parent::RoleModel(name) => {
                self.permit_known(&call, name).await?;
                let db = self.service.ledger().reader();
                let found = match model_revision {
                    Some(number) => self.revisions.find(db, name, number).await.map_err(Error::from)?,
                    None => Some(self.latest(name).await?),
                };
                (found.ok_or_else(|| Error::not_found(name))?, None, Vec::new())
            }
            Parent::Organization(organization) => {
                let permit = self.permit_roles(&call, organization).await?;
                let revision = self.pinned(self.service.ledger().reader(), permit.granted()).await?;
                (revision, Some(kind(permit.granted())?), self.customs(organization).await?)
            }
        };
        let head = self.service.head().await?;
        let revisions = self.revisions.clone();
        let made = move || {
            let model = revisions.compiled(&revision)?;
            matrix(&model, &revision, kind, &roles, &customs, head)
        };
        let matrix = self.checking.run(call.deadline, made).await??;
        Ok(Response::new(fits(matrix)?))
    }
}

impl RoleCatalog {
    /// The custom roles of an organization, in the order of their names.
    async fn customs(&self, organization: &NodeName) -> Result<Vec<CustomRole>, Error> {
        let live = Filter { organization, held_at: None, with_deleted: false };
        Ok(store::role::page(self.service.ledger().reader(), live, None, MAX_ROLES).await?)
    }
}

/// All roles, or those that are wanted, in that order.
fn matrix(
    model: &RoleModel,
    revision: &Revision,
    kind: Option<record::OrganizationKind>,
    wanted: &[RoleName],
    customs: &[CustomRole],
    head: String,
) -> Result<proto::AccessMatrix, Error> {
    let document = model.document();
    let records: Vec<record::CustomRole> = customs
        .iter()
        .map(|role| record::CustomRole { name: role.name.as_role().clone(), held_at: role.held_at.clone(), grants: role.grants.clone() })
        .collect();
    let roles: Vec<MatrixRole<'_>> = if wanted.is_empty() {
        displayed(document).into_iter().chain(records.iter().map(MatrixRole::Custom)).collect()
    } else {
        let found = wanted.iter().map(|name| find(document, &records, name).ok_or_else(|| Error::not_found(name)));
        found.collect::<Result<_, _>>()?
    };
    let matrix = AccessMatrix::of(model, kind, &roles);
    write(revision, customs, matrix, head)
}

fn find<'r>(document: &'r Document, customs: &'r [record::CustomRole], name: &RoleName) -> Option<MatrixRole<'r>> {
    match name.owner() {
        RoleOwner::Model(model) if model == document.model => {
            document.roles.iter().find(|role| role.id == name.id()).map(|role| MatrixRole::System(&role.id))
        }
        RoleOwner::Model(_) => None,
        RoleOwner::Organization(_) => customs.iter().find(|role| role.name == *name).map(MatrixRole::Custom),
    }
}
