//! Owns organizations, workspaces, accounts, registered resources, ceilings, users, members, groups, partnerships, role bindings and invitations.
//! Knows nothing of what a role allows: it asks authz through the guard, and keeps to the terms of the permit.
//!
//! - [`Directory`]: all services of `tenantry.directory.v1` over one ledger.
//! - `rpc`: the handlers, one noun a file. `wire`: messages to domain values and back. The nouns with their rules beside it.
//! - `assign`, `invariants`: giving and taking roles, and what holds at every commit. `sweep`, `purge`: what has expired, and what was
//!   deleted long enough ago, ends. `store`: tables and
//!   queries, the only place that knows sea-orm.
//! - `feed`: what decisions are made from, as records. `status`: every refusal.

use std::time::Duration;

use api::directory::v1::{
    account_service_server::AccountServiceServer, audit_service_server::AuditServiceServer, ceiling_service_server::CeilingServiceServer,
    group_service_server::GroupServiceServer, identity_service_server::IdentityServiceServer, import_service_server::ImportServiceServer,
    invariant_service_server::InvariantServiceServer, invitation_service_server::InvitationServiceServer,
    member_service_server::MemberServiceServer, organization_service_server::OrganizationServiceServer,
    partnership_service_server::PartnershipServiceServer, resource_service_server::ResourceServiceServer,
    role_binding_service_server::RoleBindingServiceServer, roster_service_server::RosterServiceServer,
    user_service_server::UserServiceServer, workspace_service_server::WorkspaceServiceServer,
};
use chassis::{Server, page::PageKey};
use chrono::{DateTime, Utc};
use client::guard::Guard;
use ledger::{Ledger, OpenError};
use service::Service;
use tokio_util::sync::CancellationToken;

mod account;
mod arrange;
mod assign;
mod assignable;
mod ceiling;
mod consent;
mod deletion;
mod feed;
mod group;
mod identity;
mod import;
mod inspection;
mod invariants;
mod invitation;
mod member;
mod moves;
mod organization;
mod partnership;
mod purge;
mod resource;
mod role_binding;
mod roster;
mod rpc;
#[doc(hidden)]
pub mod statements;
mod status;
mod store;
mod sweep;
mod user;
mod wire;
mod workspace;

/// The directory: every service of `tenantry.directory.v1`. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Directory {
    service: Service,
    /// When streams end.
    drain: CancellationToken,
    /// How long a deleted node can be undeleted.
    retention: Duration,
}

/// How long a deleted node can be undeleted, if nothing else is configured.
pub const RETENTION: Duration = Duration::from_secs(30 * 24 * 60 * 60);

impl Directory {
    /// Brings the directory's tables in the ledger's database up to date. `guard` asks authz in the name of the directory; `pages` is the
    /// installation's key of page tokens.
    pub async fn open(ledger: Ledger, guard: Guard, pages: PageKey) -> Result<Self, OpenError> {
        ledger.run_migrations::<store::migration::DirectoryMigrator>().await?;
        Ok(Self { service: Service::new(ledger, guard, pages), drain: CancellationToken::new(), retention: RETENTION })
    }

    /// With another clock: what has expired, and when things were created, is told by it.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { service: self.service.with_clock(clock), ..self }
    }

    /// Whose streams end when `drain` is cancelled.
    #[must_use]
    pub fn until(self, drain: CancellationToken) -> Self {
        Self { drain, ..self }
    }

    /// With another time for which a deleted node can be undeleted, before it is purged.
    #[must_use]
    pub fn with_retention(self, retention: Duration) -> Self {
        Self { retention, ..self }
    }

    /// Adds the services to a server.
    pub fn add_to(&self, server: Server) -> Server {
        server
            .add_service(OrganizationServiceServer::new(self.clone()))
            .add_service(WorkspaceServiceServer::new(self.clone()))
            .add_service(AccountServiceServer::new(self.clone()))
            .add_service(ResourceServiceServer::new(self.clone()))
            .add_service(CeilingServiceServer::new(self.clone()))
            .add_service(UserServiceServer::new(self.clone()))
            .add_service(IdentityServiceServer::new(self.clone()))
            .add_service(MemberServiceServer::new(self.clone()))
            .add_service(GroupServiceServer::new(self.clone()))
            .add_service(PartnershipServiceServer::new(self.clone()))
            .add_service(RoleBindingServiceServer::new(self.clone()))
            .add_service(InvitationServiceServer::new(self.clone()))
            .add_service(AuditServiceServer::new(self.clone()))
            .add_service(ImportServiceServer::new(self.clone()))
            .add_service(InvariantServiceServer::new(self.clone()))
            .add_service(RosterServiceServer::new(self.clone()))
    }
}
