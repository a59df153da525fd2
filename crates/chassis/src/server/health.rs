//! The standard health service: what the services say of themselves, and NOT_SERVING once the drain has begun.

use tokio::sync::watch;
use tonic_health::{
    ServingStatus,
    pb::health_server::HealthServer,
    server::{HealthReporter, HealthService},
};

use crate::readiness::Readiness;

pub(super) struct Health {
    reporter: HealthReporter,
    services: Vec<&'static str>,
    readiness: Readiness,
}

impl Health {
    pub(super) async fn new(services: Vec<&'static str>, readiness: Readiness) -> (Self, HealthServer<HealthService>) {
        let health = Self { reporter: HealthReporter::new(), services, readiness };
        health.tell(false).await;
        let service = HealthServer::new(HealthService::from_health_reporter(health.reporter.clone()));
        (health, service)
    }

    /// Keeps the statuses true, for ever.
    pub(super) async fn report(self, mut draining: watch::Receiver<bool>) {
        let mut states = self.readiness.subscribe();
        loop {
            let is_draining = *draining.borrow_and_update();
            states.borrow_and_update();
            self.tell(is_draining).await;
            // An error is a sender that is gone: it will not change any more, and the other one may.
            tokio::select! {
                Ok(()) = draining.changed() => {}
                Ok(()) = states.changed() => {}
                else => return,
            }
        }
    }

    async fn tell(&self, is_draining: bool) {
        let states = self.readiness.subscribe().borrow().clone();
        let status = |ready: bool| if ready && !is_draining { ServingStatus::Serving } else { ServingStatus::NotServing };
        for service in &self.services {
            self.reporter.set_service_status(service, status(states.get(*service).copied().unwrap_or(true))).await;
        }
        self.reporter.set_service_status("", status(states.values().all(|ready| *ready))).await;
    }
}
