//! Opens the stores: their connections, their locks, their migrations.

use std::{
    collections::BTreeMap,
    fs::{File, OpenOptions, TryLockError},
    path::Path,
    str::FromStr,
    sync::{Arc, OnceLock},
    time::Duration,
};

use client::token::Token;
use sea_orm::{
    AccessMode, ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, RuntimeErr,
    SqliteTransactionMode, SqlxError, Statement, TransactionOptions, TransactionTrait,
};
use sea_orm_migration::MigratorTrait;
use sqlx::{
    ConnectOptions, Connection,
    pool::PoolOptions,
    postgres::{PgConnectOptions, PgPoolOptions},
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use uuid::Uuid;

use crate::{
    authority::Stamp,
    commit::head,
    config::{Retention, StoreConfig},
    error::{Error, OpenError},
    feed::{Tail, Wake},
    locks::stamps_of,
    queue::TreeQueues,
    schema::LedgerMigrator,
};

/// How long a statement waits for a row that another transaction holds, while a write begins; it then starts over.
const LOCK_TIMEOUT: Duration = Duration::from_millis(250);

/// A transaction waits for authz at most 5 s (DESIGN §6); one idle for longer has lost its process.
const IDLE_TRANSACTION_TIMEOUT: Duration = Duration::from_secs(10);

/// How long a SQLite statement waits for what is not of this process: a backup, an operator's shell.
const SQLITE_BUSY_TIMEOUT: Duration = Duration::from_secs(2);

/// One connection to LISTEN, one for the tailer, two for heads, snapshots, slow watchers and NOTIFY.
const FEED_CONNECTIONS: u32 = 4;

/// How long the database has to answer the first connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long what still uses the connections may take at the end.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// Serializes migrations, whoever's they are: the ASCII bytes of `tenantry`.
const MIGRATION_LOCK: i64 = 0x7465_6e61_6e74_7279;

/// A ledger, opened. Cheap to clone; its background work ends with the last clone.
#[derive(Clone)]
pub struct Ledger {
    pub(crate) inner: Arc<Inner>,
}

pub(crate) struct Inner {
    pub(crate) backend: DbBackend,
    pub(crate) writer: DatabaseConnection,
    pub(crate) reader: DatabaseConnection,
    pub(crate) feed: DatabaseConnection,
    pub(crate) retention: Retention,
    pub(crate) queues: TreeQueues,
    pub(crate) wake: Arc<Wake>,
    pub(crate) tail: OnceLock<Arc<Tail>>,
    pub(crate) ended: CancellationToken,
    url: String,
    _end: DropGuard,
    _exclusive: Option<File>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("backend", &self.inner.backend).finish_non_exhaustive()
    }
}

impl Ledger {
    /// Connects, takes the SQLite file for this process, and creates or updates the ledger's own tables. Needs a tokio runtime.
    pub async fn open(config: StoreConfig) -> Result<Self, OpenError> {
        if config.url.starts_with("postgres://") || config.url.starts_with("postgresql://") {
            Self::open_postgres(config).await
        } else if config.url.starts_with("sqlite://") {
            Self::open_sqlite(config).await
        } else {
            Err(OpenError::UnknownStore)
        }
    }

    async fn open_postgres(config: StoreConfig) -> Result<Self, OpenError> {
        let options = PgConnectOptions::from_str(&config.url).map_err(malformed)?.application_name("tenantry").disable_statement_logging();
        let milliseconds = |time: Duration| time.as_millis().to_string();
        let session = options.clone().options([
            ("default_transaction_isolation", "read committed".to_owned()),
            ("statement_timeout", milliseconds(config.statement_timeout)),
            ("lock_timeout", milliseconds(LOCK_TIMEOUT)),
            ("idle_in_transaction_session_timeout", milliseconds(IDLE_TRANSACTION_TIMEOUT)),
        ]);
        let reading = session.clone().options([("default_transaction_read_only", "on")]);
        let connections = config.max_connections.max(1);
        let pool = |connections| pinged(PgPoolOptions::new().max_connections(connections));
        // A pool tries again until its own time is over; whoever starts it wants to hear at once that nobody is there.
        connect_once(&session).await?;
        let writer = pool(connections).connect_with(session.clone()).await.map_err(unreachable_database)?;
        let reader = pool(connections).connect_lazy_with(reading);
        let feed = pool(FEED_CONNECTIONS).connect_lazy_with(session);

        let wake = Arc::new(Wake::default());
        let ended = CancellationToken::new();
        tokio::spawn(Wake::notify_others(wake.clone(), feed.clone(), ended.clone()));
        let ledger = Self::assemble(DbBackend::Postgres, config, [writer.into(), reader.into(), feed.into()], wake, ended, None);
        ledger.run_migrations::<LedgerMigrator>().await?;
        Ok(ledger)
    }

    async fn open_sqlite(config: StoreConfig) -> Result<Self, OpenError> {
        let options = SqliteConnectOptions::from_str(&config.url)
            .map_err(malformed)?
            .create_if_missing(true)
            .foreign_keys(true)
            .busy_timeout(SQLITE_BUSY_TIMEOUT)
            .disable_statement_logging();
        if config.url.contains(":memory:") || config.url.contains("mode=memory") {
            return Err(OpenError::MalformedUrl("a ledger in memory would lose what it has acknowledged; name a file".to_owned()));
        }
        let path = options.get_filename().to_owned();
        let exclusive = lock_beside(&path)?;
        let writing = options.clone().journal_mode(SqliteJournalMode::Wal).synchronous(SqliteSynchronous::Full);
        let reading = options.pragma("query_only", "on");
        let pool = |connections| SqlitePoolOptions::new().max_connections(connections).idle_timeout(None).max_lifetime(None);
        let writer = pool(1).connect_with(writing).await.map_err(unreachable_database).map_err(|error| read_only(error, &path))?;
        let reader = pool(config.max_connections.clamp(1, 8)).connect_lazy_with(reading.clone());
        let feed = pool(FEED_CONNECTIONS).connect_lazy_with(reading);

        let connections = [writer.into(), reader.into(), feed.into()];
        let ledger =
            Self::assemble(DbBackend::Sqlite, config, connections, Arc::new(Wake::default()), CancellationToken::new(), Some(exclusive));
        ledger.run_migrations::<LedgerMigrator>().await.map_err(|error| read_only(error, &path))?;
        // Where nothing had to be migrated, nothing has been written yet; this changes nothing, but only a writer may do it.
        let write = ledger.inner.writer.execute_unprepared("UPDATE feed_head SET epoch = epoch WHERE feed IS NULL").await;
        write.map_err(|error| read_only(OpenError::Database(error), &path))?;
        Ok(ledger)
    }

    fn assemble(
        backend: DbBackend,
        config: StoreConfig,
        [writer, reader, feed]: [DatabaseConnection; 3],
        wake: Arc<Wake>,
        ended: CancellationToken,
        exclusive: Option<File>,
    ) -> Self {
        let inner = Inner {
            backend,
            writer,
            reader,
            feed,
            retention: config.retention,
            queues: TreeQueues::default(),
            wake,
            tail: OnceLock::new(),
            _end: ended.clone().drop_guard(),
            ended,
            url: config.url,
            _exclusive: exclusive,
        };
        Self { inner: Arc::new(inner) }
    }

    /// Brings a service's own tables up to date, all pending migrations in one transaction. Processes that start at once wait for
    /// each other. The migrator must name a migration table of its own.
    pub async fn run_migrations<M: MigratorTrait>(&self) -> Result<(), OpenError> {
        match self.inner.backend {
            DbBackend::Postgres => {
                // A connection without the timeouts: an index may take its time.
                let options = PgConnectOptions::from_str(&self.inner.url).map_err(malformed)?.disable_statement_logging();
                let pool = PgPoolOptions::new().max_connections(1).connect_with(options).await.map_err(unreachable_database)?;
                let connection = DatabaseConnection::from(pool);
                let migrated = migrate::<M>(&connection, DbBackend::Postgres).await;
                let closed = connection.close().await;
                migrated.and(closed).map_err(OpenError::Migration)
            }
            backend => migrate::<M>(&self.inner.writer, backend).await.map_err(OpenError::Migration),
        }
    }

    /// Ends the background work and closes the connections once what runs on them is done, or after a while; SQLite then puts its log into
    /// the file. Nothing can be read or written any more, by any clone.
    pub async fn close(&self) {
        let Inner { ended, reader, feed, writer, .. } = &*self.inner;
        ended.cancel();
        let closing = async {
            // The writer is the last: the last connection to a SQLite file is the one that cleans up.
            for connection in [reader, feed, writer] {
                if let Err(error) = connection.close_by_ref().await {
                    tracing::warn!(cause = %error, "a connection to the store could not be closed");
                }
            }
        };
        if tokio::time::timeout(CLOSE_TIMEOUT, closing).await.is_err() {
            tracing::warn!("connections to the store were still in use");
        }
    }

    /// For plain reads, of committed rows. Writes through it fail.
    pub fn reader(&self) -> &DatabaseConnection {
        &self.inner.reader
    }

    /// The committed rows of one moment, for reads of several statements. To be dropped soon: while it is open, the database keeps what is
    /// replaced meanwhile (HARDENING, no long transactions).
    pub async fn snapshot(&self) -> Result<DatabaseTransaction, Error> {
        let options = match self.inner.backend {
            DbBackend::Postgres => TransactionOptions {
                isolation_level: Some(IsolationLevel::RepeatableRead),
                access_mode: Some(AccessMode::ReadOnly),
                ..TransactionOptions::default()
            },
            // A read transaction of SQLite is of one moment as it is.
            _ => TransactionOptions::default(),
        };
        Ok(self.inner.reader.begin_with_options(options).await?)
    }

    /// Which store this is.
    pub fn backend(&self) -> DbBackend {
        self.inner.backend
    }

    /// The position of the last commit, read now.
    pub async fn head(&self) -> Result<Token, Error> {
        Ok(head(&self.inner.reader).await?)
    }

    /// The stamps of these trees, read now; 0 for those that were never written.
    pub async fn stamps(&self, trees: &[String]) -> Result<Vec<Stamp>, Error> {
        let known = stamps_of(&self.inner.reader, trees.iter()).await?;
        let revision = |tree: &String| known.get(tree).map_or(0, |position| position.revision);
        Ok(trees.iter().map(|tree| Stamp { tree: tree.clone(), revision: revision(tree) }).collect())
    }

    /// Starts another history: for the operator's command after a restore. Every token given out before is refused from now on, and
    /// every replica takes a snapshot.
    pub async fn new_epoch(&self) -> Result<Uuid, Error> {
        let epoch = Uuid::new_v4();
        let statement =
            Statement::from_sql_and_values(self.inner.backend, "UPDATE feed_head SET epoch = $1 WHERE feed = 1", [epoch.into()]);
        self.inner.writer.execute_raw(statement).await?;
        self.inner.wake.committed();
        Ok(epoch)
    }

    /// The one reader of the log, started when it is first asked for.
    pub(crate) fn tail(&self) -> Arc<Tail> {
        let inner = &self.inner;
        inner.tail.get_or_init(|| Tail::start(inner.feed.clone(), inner.wake.clone(), inner.ended.clone())).clone()
    }
}

impl Inner {
    pub(crate) async fn begin_transaction(&self) -> Result<DatabaseTransaction, DbErr> {
        begin_transaction(&self.writer).await
    }
}

/// On SQLite a deferred transaction that reads first fails at once when it comes to write (517), so it begins as a writer.
async fn begin_transaction(connection: &DatabaseConnection) -> Result<DatabaseTransaction, DbErr> {
    let options = TransactionOptions { sqlite_transaction_mode: Some(SqliteTransactionMode::Immediate), ..TransactionOptions::default() };
    connection.begin_with_options(options).await
}

async fn migrate<M: MigratorTrait>(connection: &DatabaseConnection, backend: DbBackend) -> Result<(), DbErr> {
    let transaction = begin_transaction(connection).await?;
    if backend == DbBackend::Postgres {
        let lock = Statement::from_sql_and_values(backend, "SELECT pg_advisory_xact_lock($1)", [MIGRATION_LOCK.into()]);
        transaction.execute_raw(lock).await?;
    }
    M::up(&transaction, None).await?;
    transaction.commit().await
}

/// Connections that lay idle are asked whether they still live before they are used; busy ones are not, to save the round trip.
fn pinged(options: PoolOptions<sqlx::Postgres>) -> PoolOptions<sqlx::Postgres> {
    options.test_before_acquire(false).acquire_timeout(Duration::from_secs(5)).before_acquire(|connection, state| {
        Box::pin(async move {
            if state.idle_for < Duration::from_secs(1) {
                return Ok(true);
            }
            Ok(connection.ping().await.is_ok())
        })
    })
}

fn lock_beside(database: &Path) -> Result<File, OpenError> {
    let path = database.display().to_string();
    let mut beside = database.as_os_str().to_owned();
    beside.push(".lock");
    let file = match OpenOptions::new().create(true).write(true).truncate(false).open(beside) {
        Ok(file) => file,
        Err(cause) => return Err(OpenError::Lock { path, cause }),
    };
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OpenError::InUse { path }),
        Err(TryLockError::Error(cause)) => Err(OpenError::Lock { path, cause }),
    }
}

fn malformed(error: SqlxError) -> OpenError {
    OpenError::MalformedUrl(error.to_string())
}

async fn connect_once(options: &PgConnectOptions) -> Result<(), OpenError> {
    let unreachable = |cause: String| OpenError::Unreachable {
        place: match options.get_socket() {
            Some(socket) => socket.display().to_string(),
            None => format!("{}:{}", options.get_host(), options.get_port()),
        },
        cause,
    };
    let connected = tokio::time::timeout(CONNECT_TIMEOUT, options.connect()).await;
    let Ok(connected) = connected else {
        return Err(unreachable(format!("no answer within {} s", CONNECT_TIMEOUT.as_secs())));
    };
    let connection = connected.map_err(|error| match error {
        SqlxError::Io(cause) => unreachable(cause.to_string()),
        SqlxError::Tls(cause) => unreachable(cause.to_string()),
        other => unreachable_database(other),
    })?;
    // It has served its purpose; whether it ends well is of no interest.
    let _ = connection.close().await;
    Ok(())
}

/// What the operator can mend is said in words: SQLITE_READONLY, whichever its extended code.
fn read_only(error: OpenError, path: &Path) -> OpenError {
    let (OpenError::Database(cause) | OpenError::Migration(cause)) = &error else { return error };
    let (DbErr::Conn(RuntimeErr::SqlxError(cause))
    | DbErr::Exec(RuntimeErr::SqlxError(cause))
    | DbErr::Query(RuntimeErr::SqlxError(cause))) = cause
    else {
        return error;
    };
    let code = cause.as_database_error().and_then(|cause| cause.code()).and_then(|code| code.parse::<u32>().ok());
    if code.is_some_and(|code| code & 0xff == 8) { OpenError::ReadOnly { path: path.display().to_string() } } else { error }
}

fn unreachable_database(error: SqlxError) -> OpenError {
    OpenError::Database(DbErr::Conn(RuntimeErr::SqlxError(Arc::new(error))))
}

/// Positions by tree.
pub(crate) type Positions = BTreeMap<String, Position>;

/// A revision and its nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) revision: u64,
    pub(crate) nonce: i64,
}

/// The deadline of waiting for locks: the request's, but at most 5 s (DESIGN §6).
pub(crate) fn lock_deadline(request: Instant) -> Instant {
    request.min(Instant::now() + Duration::from_secs(5))
}
