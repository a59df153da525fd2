//! Owns role models (immutable revisions), the permission catalogue, system roles (read from role models) and custom roles of organizations.
//! Knows nothing of who holds a role, nor of who may do what: it asks authz through the guard, and keeps to the terms of the permit.
//!
//! - [`RoleCatalog`]: the services of `tenantry.rolecatalog.v1` over one ledger.
//! - `rpc`: the handlers, one noun a file. `wire`: messages to domain values and back. The nouns with their rules beside it.
//! - `checking`: documents are checked a few at once. `revisions`: those that were read stay in memory.
//! - `document`: role models as authors write them, read from YAML with the places of what is wrong. `shipped`: those that come with the product.
//! - `store`: tables and queries, the only place that knows sea-orm. `feed`: what decisions are made from, as records. `status`: every refusal.

use api::rolecatalog::v1::{
    access_matrix_service_server::AccessMatrixServiceServer, permission_service_server::PermissionServiceServer,
    role_model_service_server::RoleModelServiceServer, role_service_server::RoleServiceServer,
};
use chassis::{Server, page::PageKey};
use chrono::{DateTime, Utc};
use client::guard::Guard;
use ledger::{Ledger, OpenError};
use service::Service;

mod checking;
mod document;
mod feed;
mod permission;
mod revisions;
mod role;
mod role_model;
mod rpc;
mod shipped;
mod status;
mod store;
mod wire;

pub use shipped::ShipError;

/// The role catalog: every service of `tenantry.rolecatalog.v1`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct RoleCatalog {
    service: Service,
    checking: checking::Checking,
    revisions: revisions::Revisions,
}

impl RoleCatalog {
    /// Brings the catalog's tables in the ledger's database up to date. `guard` asks authz in the name of the role catalog; `pages` is the
    /// installation's key of page tokens.
    pub async fn open(ledger: Ledger, guard: Guard, pages: PageKey) -> Result<Self, OpenError> {
        ledger.run_migrations::<store::migration::RoleCatalogMigrator>().await?;
        Ok(Self { service: Service::new(ledger, guard, pages), checking: Default::default(), revisions: Default::default() })
    }

    /// With another clock: when things were created is told by it.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { service: self.service.with_clock(clock), ..self }
    }

    /// Adds its services to a server.
    pub fn add_to(&self, server: Server) -> Server {
        server
            .add_service(RoleModelServiceServer::new(self.clone()))
            .add_service(RoleServiceServer::new(self.clone()))
            .add_service(PermissionServiceServer::new(self.clone()))
            .add_service(AccessMatrixServiceServer::new(self.clone()))
    }

    /// Adds the role models that come with the product, in the product's own name: those of which no revision says the same yet. What an
    /// operator has pushed under the same names stays the latest until the product ships something new, also while processes of an
    /// older version start beside this one.
    ///
    /// To be called at every start, before serving; processes that start at once wait for each other. Needs no authz.
    pub async fn ship_role_models(&self) -> Result<(), ShipError> {
        shipped::ship(&self.service).await
    }
}
