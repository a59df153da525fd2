//! What a ledger is opened with.

use std::time::Duration;

/// Where the ledger is and how it is used.
#[derive(Clone, PartialEq, Eq)]
pub struct StoreConfig {
    /// `sqlite:///path/file.db` (created if absent; its folder must exist) or `postgres://user@host/database`.
    pub url: String,
    /// Connections to PostgreSQL for writes; as many again for reads. The feed has three of its own. SQLite has one for writes,
    /// and this many, at most 8, for reads.
    pub max_connections: u32,
    /// How long any one statement may run on PostgreSQL, migrations excepted.
    pub statement_timeout: Duration,
    /// How long the past is kept.
    pub retention: Retention,
}

/// How long the past is kept: whatever is younger than `age`, at least `changes` of the feed, and the audit trail longer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retention {
    /// Of changes, tombstones and answers to requests.
    pub age: Duration,
    /// The number of revisions that are kept however old.
    pub changes: u64,
    /// Of the audit trail.
    pub audit_age: Duration,
    /// How often what is older is deleted.
    pub interval: Duration,
}

impl StoreConfig {
    /// The store at `url`, the rest as it comes.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), max_connections: 16, statement_timeout: Duration::from_secs(15), retention: Retention::default() }
    }
}

/// The URL may hold a password.
impl std::fmt::Debug for StoreConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { url, max_connections, statement_timeout, retention } = self;
        f.debug_struct("StoreConfig")
            .field("url", &url.split(':').next().unwrap_or_default())
            .field("max_connections", max_connections)
            .field("statement_timeout", statement_timeout)
            .field("retention", retention)
            .finish()
    }
}

impl Default for Retention {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        Self { age: DAY, changes: 100_000, audit_age: 400 * DAY, interval: Duration::from_secs(60) }
    }
}
