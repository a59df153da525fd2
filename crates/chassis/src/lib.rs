//! What every main of Tenantry would repeat: configuration, telemetry, who is calling, limits, deadlines, health, drain, and
//! the form of a refusal. Knows no noun of the domain and no store.
//!
//! - [`config`]: defaults < file < environment < flags, read whole before anything starts.
//! - [`telemetry`]: logs and traces. [`signals`]: when to stop.
//! - [`identity`]: the one place where a request gets its identity. [`deadline`]: until when it may run.
//! - [`refusal`]: the one form of every error. [`hash`], [`page`]: what idempotency records and page tokens are bound to.
//! - [`server`]: several services on one address or in memory, behind the same admission. [`drain`], [`readiness`]: how
//!   services say that they are ready, and hear that they should end.

pub mod config;
pub mod deadline;
pub mod drain;
pub mod hash;
pub mod identity;
mod method;
pub mod page;
pub mod readiness;
pub mod refusal;
pub mod server;
pub mod signals;
pub mod telemetry;

mod admission;
mod answer;
mod unexplained;

pub use deadline::Deadline;
pub use drain::Drain;
pub use identity::{Actor, Identity};
pub use readiness::Readiness;
pub use refusal::{Refusal, about_item, internal, refuse};
pub use server::Server;
