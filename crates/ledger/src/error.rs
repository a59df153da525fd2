//! What can go wrong, with the drivers' errors translated: their text is logged here and goes no further.

use std::{sync::Arc, time::Duration};

use sea_orm::{DbErr, RuntimeErr, SqlxError};

/// Why a ledger could not be opened. Shown to an operator, never to a client.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The URL is of neither store.
    #[error("the store's URL must begin with `sqlite://` and a path, or with `postgres://`")]
    UnknownStore,
    /// The URL is not well-formed.
    #[error("the store's URL is malformed: {0}")]
    MalformedUrl(String),
    /// Another process has the SQLite file open for writing.
    #[error(
        "`{path}` is in use by another process (`{path}.lock` is locked): only one process may write to a SQLite ledger; stop it, or use PostgreSQL"
    )]
    InUse {
        /// The database file.
        path: String,
    },
    /// The lock file beside the SQLite file cannot be made.
    #[error("cannot create or lock `{path}.lock`: {cause}")]
    Lock {
        /// The database file.
        path: String,
        /// Why.
        cause: std::io::Error,
    },
    /// The SQLite file may not be written.
    #[error("`{path}` is read-only: a ledger writes; make the file and its folder writable to the user that runs this")]
    ReadOnly {
        /// The database file.
        path: String,
    },
    /// Nobody answers where PostgreSQL should be.
    #[error("cannot connect to PostgreSQL at `{place}`: {cause}")]
    Unreachable {
        /// Host and port, or the socket.
        place: String,
        /// Why not.
        cause: String,
    },
    /// The database refuses, or went away.
    #[error("the database cannot be opened: {0}")]
    Database(#[source] DbErr),
    /// A migration failed; what it did was rolled back.
    #[error("a migration failed: {0}")]
    Migration(#[source] DbErr),
}

/// Why a write did not happen, or may not have happened.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The same `request_id` came before with another body. INVALID_ARGUMENT.
    #[error("the request id was used before for another request")]
    RequestIdReused,
    /// Others hold the trees, and the deadline or 5 s have passed. Nothing was written; UNAVAILABLE with RetryInfo.
    #[error("too many writers")]
    Busy {
        /// When to try again.
        retry_after: Duration,
    },
    /// The authority was not renewed: it answered with this. Nothing was written.
    #[error("the authority to write was not renewed: {}", .0.message())]
    Refused(tonic::Status),
    /// The database cannot be reached. Nothing was written; UNAVAILABLE.
    #[error("the database cannot be reached")]
    Unavailable,
    /// The connection was lost while committing: the write happened or not. UNAVAILABLE; the same call with the same `request_id` tells.
    #[error("the connection was lost while committing")]
    OutcomeUnknown,
    /// A record is larger than a part of the feed may be (1 MiB).
    #[error("the record of `{key}` is too large")]
    RecordTooLarge {
        /// Its key.
        key: String,
    },
    /// A unique constraint that the service did not translate itself; see [`StoreError::Unique`].
    #[error("a unique constraint is violated")]
    Unique {
        /// Which.
        constraint: String,
    },
    /// A foreign key that the service did not translate itself.
    #[error("a foreign key is violated")]
    ForeignKey {
        /// Which; empty on SQLite, which does not say.
        constraint: String,
    },
    /// A statement failed earlier in this write, and the write was committed all the same. Nothing was written.
    #[error("a statement of this write had failed")]
    Poisoned,
    /// Anything else. Logged already.
    #[error(transparent)]
    Storage(Fault),
}

/// What a statement failed of, for services that expect some of it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A unique constraint. PostgreSQL names the constraint; SQLite the columns: `workspace.organization, workspace.slug`.
    #[error("a unique constraint is violated")]
    Unique {
        /// Which.
        constraint: String,
    },
    /// A foreign key.
    #[error("a foreign key is violated")]
    ForeignKey {
        /// Which; empty on SQLite, which does not say.
        constraint: String,
    },
    /// Lost against another transaction (deadlock, serialization, lock timeout, a busy SQLite): the same again may succeed.
    #[error("another transaction is in the way")]
    Contended,
    /// The database cannot be reached, or is going away.
    #[error("the database cannot be reached")]
    Unavailable,
    /// Anything else.
    #[error(transparent)]
    Fault(Fault),
}

/// A fault of the storage. Its text is for the log alone; what is shown of it says nothing.
#[derive(Clone)]
pub struct Fault(Arc<DbErr>);

impl Fault {
    /// For the log.
    pub fn cause(&self) -> &DbErr {
        &self.0
    }
}

impl std::fmt::Debug for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Fault")
    }
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a fault of the storage")
    }
}

impl std::error::Error for Fault {}

pub(crate) const RETRY_AFTER: Duration = Duration::from_millis(250);

impl Error {
    pub(crate) fn busy() -> Self {
        Self::Busy { retry_after: RETRY_AFTER }
    }
}

impl From<StoreError> for Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unique { constraint } => Self::Unique { constraint },
            StoreError::ForeignKey { constraint } => Self::ForeignKey { constraint },
            StoreError::Contended => Self::busy(),
            StoreError::Unavailable => Self::Unavailable,
            StoreError::Fault(fault) => {
                tracing::error!(cause = %fault.cause(), "the storage failed");
                Self::Storage(fault)
            }
        }
    }
}

impl From<DbErr> for Error {
    fn from(error: DbErr) -> Self {
        classify(error).into()
    }
}

impl From<DbErr> for StoreError {
    fn from(error: DbErr) -> Self {
        classify(error)
    }
}

/// What an error of the database means. `sql_err()` of sea-orm knows unique and foreign-key violations only.
pub fn classify(error: DbErr) -> StoreError {
    if matches!(error, DbErr::ConnectionAcquire(_)) {
        return StoreError::Unavailable;
    }
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = &error
    else {
        return StoreError::Fault(Fault(Arc::new(error)));
    };
    match classify_driver(cause) {
        Some(known) => known,
        None => StoreError::Fault(Fault(Arc::new(error))),
    }
}

fn classify_driver(error: &SqlxError) -> Option<StoreError> {
    let database = match error {
        SqlxError::Io(_) | SqlxError::Tls(_) | SqlxError::PoolTimedOut | SqlxError::PoolClosed | SqlxError::WorkerCrashed => {
            return Some(StoreError::Unavailable);
        }
        SqlxError::Database(database) => database,
        _ => return None,
    };
    let code = database.code()?;
    if database.is_unique_violation() {
        let constraint = database.constraint().map_or_else(|| sqlite_columns(database.message()), str::to_owned);
        return Some(StoreError::Unique { constraint });
    }
    if database.is_foreign_key_violation() {
        return Some(StoreError::ForeignKey { constraint: database.constraint().unwrap_or_default().to_owned() });
    }
    match code.as_ref() {
        // serialization_failure, deadlock_detected, lock_not_available; SQLITE_BUSY, LOCKED, BUSY_RECOVERY, BUSY_SNAPSHOT.
        "40001" | "40P01" | "55P03" | "5" | "6" | "261" | "517" => Some(StoreError::Contended),
        // admin_shutdown, crash_shutdown, cannot_connect_now, idle_in_transaction_session_timeout, too_many_connections,
        // read_only_sql_transaction (a primary that became a standby).
        "57P01" | "57P02" | "57P03" | "25P03" | "53300" | "25006" => Some(StoreError::Unavailable),
        code if code.len() == 5 && code.starts_with("08") => Some(StoreError::Unavailable),
        _ => None,
    }
}

/// `UNIQUE constraint failed: t.a, t.b` -> `t.a, t.b`.
fn sqlite_columns(message: &str) -> String {
    message.split_once(": ").map_or(message, |(_, columns)| columns).to_owned()
}
