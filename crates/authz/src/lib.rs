//! Answers who may do what, from the replica's memory alone. Owns no data; knows no database and asks no other service.
//!
//! - `rpc/check.rs`: may this user do this to that, and why. `rpc/permit.rs`: what an actor may do to Tenantry itself.
//! - `asker.rs`: who may ask about whom, and what they are told.
//! - `grant.rs`: a permit and what it rests on; `hypothesis.rs`: the world with what is about to be created.
//! - `wire.rs`: messages to domain types and back. `status.rs`: errors to statuses.

mod asker;
mod grant;
mod hypothesis;
mod rpc;
mod status;
#[cfg(test)]
mod tests;
mod wire;

use std::{sync::Arc, time::Duration};

use api::authz::v1::{check_service_server::CheckServiceServer, permit_service_server::PermitServiceServer};
use chassis::{Deadline, Server};
use decision::name::UserName;
use replica::{Consistency, Replica, Snapshot};
use tokio::time::Instant;
use tonic::Status;

/// How the service behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who is the platform: may everything that only the platform may, and ask about anybody. Need not be a user of the directory.
    pub platform_actor: UserName,
}

/// The service: both contracts on one replica. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Authz {
    replica: Replica,
    settings: Arc<Settings>,
}

impl Authz {
    /// On a replica that follows the ledger.
    pub fn new(replica: Replica, settings: Settings) -> Self {
        Self { replica, settings: Arc::new(settings) }
    }

    /// Adds `tenantry.authz.v1.CheckService`, for everybody, and `tenantry.authz.v1.PermitService`, for Tenantry's own services, to a server.
    pub fn add_to(&self, server: Server) -> Server {
        server.add_service(CheckServiceServer::new(self.clone())).add_service(PermitServiceServer::new(self.clone()))
    }

    /// Everything is decided on one of these: no lock, no IO.
    async fn world(&self, consistency: Consistency, deadline: Deadline) -> Result<Arc<Snapshot>, Status> {
        // A little before the caller gives up, so that it hears how far behind the view is.
        let margin = (deadline.remaining() / 8).min(Duration::from_millis(100));
        let until = deadline.instant().checked_sub(margin).unwrap_or_else(Instant::now);
        self.replica.at(consistency, until).await.map_err(status::not_fresh)
    }
}
