//! How a service says that it is ready.

use std::collections::BTreeMap;

use tokio::sync::watch;

/// What has to be ready before the health service says SERVING; of each service, and overall. Cheap to clone.
///
/// A service that never calls [`Readiness::wait_for`] is ready from the start.
#[derive(Clone, Debug)]
pub struct Readiness(watch::Sender<BTreeMap<String, bool>>);

impl Default for Readiness {
    fn default() -> Self {
        Self(watch::Sender::new(BTreeMap::new()))
    }
}

impl Readiness {
    /// From now on the service `name` (`tenantry.authz.v1.Authorization`: `NamedService::NAME`) is not ready, until the handle
    /// says so.
    pub fn wait_for(&self, name: impl Into<String>) -> ReadyHandle {
        let handle = ReadyHandle { name: name.into(), readiness: self.clone() };
        handle.set(false);
        handle
    }

    /// Whether everything is.
    pub fn is_ready(&self) -> bool {
        self.0.borrow().values().all(|ready| *ready)
    }

    /// Ends when everything is.
    pub async fn ready(&self) {
        // The sender is in `self`: the wait cannot fail.
        let _ = self.0.subscribe().wait_for(|states| states.values().all(|ready| *ready)).await;
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<BTreeMap<String, bool>> {
        self.0.subscribe()
    }
}

/// With this a service says when it is ready, or no longer.
#[derive(Clone, Debug)]
pub struct ReadyHandle {
    name: String,
    readiness: Readiness,
}

impl ReadyHandle {
    /// Sets it.
    pub fn set(&self, ready: bool) {
        self.readiness.0.send_if_modified(|states| states.insert(self.name.clone(), ready) != Some(ready));
    }
}
