//! The shape of a service that owns resources: how a call, its fields and its page are read; how a write opens with a permit, answers with a
//! revision, and is repeated. Knows no resource.
//!
//! - [`Service`]: the ledger, the guard and the keys that all handlers of a service share.
//! - [`call`]: who asks for what. [`fields`]: parsing at the edge. [`change`]: an open write and its answer. [`filter`]: what of a list,
//!   in which order. [`listing`]: a page of it. [`status`]: the ledger's errors.

use std::sync::Arc;

use chassis::page::PageKey;
use chrono::{DateTime, SubsecRound, Utc};
use client::guard::Guard;
use ledger::Ledger;

pub mod call;
pub mod change;
pub mod fields;
pub mod filter;
pub mod listing;
mod messages;
pub mod status;

/// What all handlers of a service stand on. Cheap to clone.
#[derive(Clone)]
pub struct Service {
    ledger: Ledger,
    guard: Guard,
    pages: PageKey,
    clock: Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>,
}

impl Service {
    /// Writes to `ledger`, asks authz by `guard`; `pages` is the installation's key of page tokens.
    pub fn new(ledger: Ledger, guard: Guard, pages: PageKey) -> Self {
        Self { ledger, guard, pages, clock: Arc::new(Utc::now) }
    }

    /// With another clock: what has expired, and when things were created, is told by it.
    #[must_use]
    pub fn with_clock(self, clock: impl Fn() -> DateTime<Utc> + Send + Sync + 'static) -> Self {
        Self { clock: Arc::new(clock), ..self }
    }

    /// Where it writes.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Whom it asks.
    pub fn guard(&self) -> &Guard {
        &self.guard
    }

    /// The present moment, as exactly as both stores keep it: what a write answers is what is read later.
    pub fn now(&self) -> DateTime<Utc> {
        (self.clock)().trunc_subsecs(6)
    }
}

impl std::fmt::Debug for Service {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Service").field("ledger", &self.ledger).finish_non_exhaustive()
    }
}
