//! The handlers: read the request, ask for a permit, do it, write the answer.

mod access_matrix;
mod permission;
mod role;
mod role_model;

use std::sync::Arc;

use api::authz::v1 as authz;
use client::guard::{Ask, Permit, known, permission};
use decision::{name::NodeName, record::OrganizationKind};
use sea_orm::ConnectionTrait;
use service::call::Call;
use tonic::Status;

use crate::{
    RoleCatalog,
    role_model::{Revision, RoleModelName},
    status::Error,
};

impl RoleCatalog {
    /// A permit to see an organization's roles.
    async fn permit_roles(&self, call: &Call, organization: &NodeName) -> Result<Permit, Status> {
        let organization = organization.as_str();
        self.service.permit(call, Ask::writing(organization).to(permission("roles.get", organization))).await
    }

    /// A permit to see what every known actor may.
    async fn permit_known(&self, call: &Call, name: &RoleModelName) -> Result<Permit, Status> {
        self.service.permit(call, Ask::writing(name.as_str()).to(known())).await
    }

    /// The latest revision of a role model.
    async fn latest(&self, name: &RoleModelName) -> Result<Arc<Revision>, Error> {
        let latest = self.revisions.latest(self.service.ledger().reader(), name).await?;
        latest.ok_or_else(|| Error::not_found(name))
    }

    /// The revision that the permit's tree is pinned to.
    async fn pinned(&self, db: &impl ConnectionTrait, permit: &authz::Permit) -> Result<Arc<Revision>, Error> {
        let name = RoleModelName::parse(&permit.role_model).map_err(|_| Error::IncompletePermit("the tree's role model"))?;
        let revision = self.revisions.find(db, &name, permit.role_model_revision).await?;
        revision.ok_or(Error::IncompletePermit("a known revision of the tree's role model"))
    }
}

/// The kind of the permit's organization.
fn kind(permit: &authz::Permit) -> Result<OrganizationKind, Error> {
    let kinds = [OrganizationKind::Marketer, OrganizationKind::Publisher, OrganizationKind::Mixed];
    kinds.into_iter().find(|kind| kind.as_str() == permit.kind).ok_or(Error::IncompletePermit("the organization's kind"))
}
