//! Owns the order of all changes: one commit holds the domain's rows, the feed's records, the audit entries and the answer to the
//! request, or nothing, and gets the next revision. Serves the feed. Knows nothing of what the records mean, nor of who may write:
//! it compares what an [`Authority`] rests on with the trees that it locks, and asks the authority again where they differ.
//!
//! - [`Ledger`]: opens a store (PostgreSQL or SQLite), runs migrations, begins writes.
//! - [`Write`]: an open transaction, to be committed or dropped.
//! - [`Authority`]: the permit that a write is begun with.
//! - [`feed`]: the server of `tenantry.feed.v1`.
//! - [`retention`]: what is forgotten, and when.

mod audit;
mod authority;
mod begin;
mod commit;
mod config;
mod error;
pub mod feed;
mod locks;
mod open;
mod permit;
mod queue;
pub mod retention;
mod schema;
mod secret;
mod write;

pub use audit::{AuditEntry, AuditPage, AuditQuery, AuditRecord, AuditScope};
pub use authority::{Authority, Stamp, SystemAuthority};
pub use begin::{Begun, WriteRequest};
pub use config::{Retention, StoreConfig};
pub use error::{Error, Fault, OpenError, StoreError, classify};
pub use open::Ledger;
pub use permit::Permitted;
pub use write::{Committed, Write, WriteConnection};
