//! A store of its own for each test, and the writes that tests make.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use api::feed::v1::{NodeState, Record, record::State};
use ledger::{Authority, Begun, Committed, Error, Ledger, Retention, StoreConfig, SystemAuthority, Write, WriteRequest};
use sea_orm::{ConnectionTrait, Database, DatabaseConnection, DbBackend, Statement, Value};
use sea_orm_migration::{
    MigrationName, MigrationTrait, MigratorTrait, SchemaManager,
    async_trait::async_trait,
    prelude::{Alias, DbErr, DynIden, IntoIden},
};
use tokio::time::Instant;
use uuid::Uuid;

pub(crate) const TREE: &str = "organizations/acme";

pub(crate) struct TestStore {
    pub(crate) url: String,
    folder: Option<tempfile::TempDir>,
}

impl TestStore {
    pub(crate) async fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { url: format!("sqlite://{}", folder.path().join("ledger.db").display()), folder: Some(folder) }
    }

    pub(crate) async fn postgres() -> Self {
        let server = postgres_url();
        let name = format!("ledger_{}", Uuid::new_v4().simple());
        let admin = Database::connect(&server).await.expect("TENANTRY_TEST_POSTGRES_URL does not lead to a PostgreSQL server");
        admin.execute_unprepared(&format!("CREATE DATABASE {name}")).await.unwrap();
        admin.close().await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), folder: None }
    }

    pub(crate) fn is_postgres(&self) -> bool {
        self.folder.is_none()
    }

    pub(crate) fn config(&self) -> StoreConfig {
        StoreConfig { max_connections: 8, ..StoreConfig::new(&self.url) }
    }

    /// With the table of things.
    pub(crate) async fn open(&self) -> Ledger {
        self.open_with(Retention::default()).await
    }

    pub(crate) async fn open_with(&self, retention: Retention) -> Ledger {
        let ledger = Ledger::open(StoreConfig { retention, ..self.config() }).await.unwrap();
        ledger.run_migrations::<ThingMigrator>().await.unwrap();
        ledger
    }

    /// As many processes as the store allows.
    pub(crate) async fn open_all(&self) -> Vec<Ledger> {
        let mut ledgers = vec![self.open().await];
        if self.is_postgres() {
            ledgers.push(self.open().await);
        }
        ledgers
    }

    /// Past the ledger: for what no ledger does.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        Database::connect(&self.url).await.unwrap()
    }

    pub(crate) async fn remove(self) {
        if self.folder.is_some() {
            return;
        }
        let (_, name) = self.url.rsplit_once('/').unwrap();
        let admin = Database::connect(postgres_url()).await.unwrap();
        admin.execute_unprepared(&format!("DROP DATABASE {name} WITH (FORCE)")).await.unwrap();
        admin.close().await.unwrap();
    }
}

fn postgres_url() -> String {
    std::env::var("TENANTRY_TEST_POSTGRES_URL").unwrap_or_else(|_| {
        panic!(
            "TENANTRY_TEST_POSTGRES_URL is not set: these tests need a PostgreSQL; run them with `make test`, \
             or as `tests/with-postgres cargo test -p ledger`"
        )
    })
}

pub(crate) struct ThingMigrator;

impl MigratorTrait for ThingMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateThing)]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("thing_migration").into_iden()
    }
}

struct CreateThing;

impl MigrationName for CreateThing {
    fn name(&self) -> &str {
        "m0001_create_thing"
    }
}

#[async_trait]
impl MigrationTrait for CreateThing {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let sql = "CREATE TABLE thing(id text PRIMARY KEY, value bigint NOT NULL)";
        manager.get_connection().execute_unprepared(sql).await.map(drop)
    }
}

pub(crate) fn request() -> WriteRequest {
    WriteRequest {
        caller: "spiffe://example/console".to_owned(),
        actor: "users/ann".to_owned(),
        method: "test.v1.ThingService/PutThing",
        request_id: None,
        body_hash: [7; 32],
        validate_only: false,
        deadline: Instant::now() + Duration::from_secs(60),
    }
}

pub(crate) fn system(tree: &str) -> SystemAuthority {
    SystemAuthority { written: vec![tree.to_owned()] }
}

/// A record that says which write it is of.
pub(crate) fn record(key: &str, mark: &str) -> Record {
    let node = NodeState { parent: mark.to_owned(), ..NodeState::default() };
    Record { key: key.to_owned(), skippable_from: 1, state: Some(State::Node(node)) }
}

pub(crate) fn mark(record: &Record) -> Option<&str> {
    match record.state.as_ref()? {
        State::Node(node) => Some(&node.parent),
        _ => None,
    }
}

pub(crate) async fn open_write<A: Authority>(ledger: &Ledger, request: WriteRequest, authority: A) -> Result<Write<A>, Error> {
    match ledger.begin(request, authority).await? {
        Begun::Open(write) => Ok(write),
        Begun::Replay { .. } => panic!("this request was not made before"),
    }
}

/// One commit of one record in a tree, with retries as a client would.
pub(crate) async fn put(ledger: &Ledger, tree: &str, key: &str, mark: &str) -> Committed {
    loop {
        let written = async {
            let mut write = open_write(ledger, request(), system(tree)).await?;
            write.put(record(key, mark));
            write.commit(b"").await
        };
        match written.await {
            Err(Error::Busy { .. }) => {}
            written => return written.unwrap(),
        }
    }
}

/// The ledger's own migrations: one more with each that is added.
pub(crate) const LEDGER_MIGRATIONS: i64 = 3;

pub(crate) async fn count(connection: &DatabaseConnection, table: &str) -> i64 {
    number(connection, &format!("SELECT count(*) AS n FROM {table}")).await
}

pub(crate) async fn number(connection: &DatabaseConnection, sql: &str) -> i64 {
    let backend = connection.get_database_backend();
    connection.query_one_raw(Statement::from_string(backend, sql)).await.unwrap().unwrap().try_get("", "n").unwrap()
}

pub(crate) async fn insert_thing(connection: &impl ConnectionTrait, id: &str, value: i64) -> Result<(), DbErr> {
    statement(connection, "INSERT INTO thing(id, value) VALUES ($1, $2)", [id.into(), value.into()]).await
}

pub(crate) async fn statement<const N: usize>(connection: &impl ConnectionTrait, sql: &str, values: [Value; N]) -> Result<(), DbErr> {
    let backend: DbBackend = connection.get_database_backend();
    connection.execute_raw(Statement::from_sql_and_values(backend, sql, values)).await.map(drop)
}

/// Different in every call of this process.
pub(crate) fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}
