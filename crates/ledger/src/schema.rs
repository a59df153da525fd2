//! The ledger's own tables. The services' tables are theirs, in migrations of their own.

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{Alias, DbErr, DynIden, IntoIden, MigrationName, MigrationTrait, MigratorTrait, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};
use uuid::Uuid;

/// The ledger's migrations, recorded in a table of their own.
pub(crate) struct LedgerMigrator;

impl MigratorTrait for LedgerMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateLedger), Box::new(IndexAudit), Box::new(IndexActions)]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("ledger_migration").into_iden()
    }
}

struct CreateLedger;

/// Finds entries of the trail by what was done.
struct IndexActions;

impl MigrationName for IndexActions {
    fn name(&self) -> &str {
        "m0003_index_audit_actions"
    }
}

#[async_trait]
impl MigrationTrait for IndexActions {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.get_connection().execute_unprepared("CREATE INDEX audit_entry_action ON audit_entry(action, rev, entry)").await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

impl MigrationName for CreateLedger {
    fn name(&self) -> &str {
        "m0001_create_ledger"
    }
}

#[async_trait]
impl MigrationTrait for CreateLedger {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let epoch = Uuid::new_v4();
        let (tables, epoch) = match connection.get_database_backend() {
            DbBackend::Sqlite => (SQLITE, format!("x'{}'", epoch.simple())),
            _ => (POSTGRES, format!("'{epoch}'")),
        };
        connection.execute_unprepared(tables).await?;
        let first = format!(
            "INSERT INTO feed_head(feed, rev, nonce, epoch) VALUES (1, 0, 0, {epoch}); INSERT INTO feed_floor(feed, floor_rev) VALUES (1, 0);"
        );
        connection.execute_unprepared(&first).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The audit trail is read by node, by actor and by time, and forgotten by time.
struct IndexAudit;

impl MigrationName for IndexAudit {
    fn name(&self) -> &str {
        "m0002_index_audit"
    }
}

#[async_trait]
impl MigrationTrait for IndexAudit {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let column = match connection.get_database_backend() {
            DbBackend::Sqlite => "ALTER TABLE audit_entry ADD COLUMN node text;",
            _ => r#"ALTER TABLE audit_entry ADD COLUMN node text COLLATE "C";"#,
        };
        connection.execute_unprepared(column).await?;
        connection.execute_unprepared(AUDIT_INDEXES).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

// audit_entry.node: the workspace or account that an entry is at or in; most are in none, and cost these indexes nothing.
const AUDIT_INDEXES: &str = "
CREATE INDEX audit_entry_node ON audit_entry(node, rev, entry) WHERE node IS NOT NULL;
CREATE INDEX audit_entry_node_actor ON audit_entry(node, actor, rev, entry) WHERE node IS NOT NULL;
CREATE INDEX audit_entry_owner_actor ON audit_entry(owner, actor, rev, entry);
CREATE INDEX audit_entry_actor ON audit_entry(actor, rev, entry);
CREATE INDEX audit_entry_at ON audit_entry(at, rev);
";

// feed_head: one row, updated by every commit. Room in its page (fillfactor) and eager vacuuming keep its versions short.
// feed_change: the log, a row for each part of a commit; payload is a WatchResponse of `records` and, in the last, `trees`.
// feed_state: the latest record of every key; NULL = a tombstone, kept for the retention.
// tree: what was last changed when; every commit locks and stamps its trees.
// installation_secret: what every process of the installation shares and nobody else knows.
// request_log: the first answer to every request id; `response` is absent only inside the transaction that writes it.
const POSTGRES: &str = r#"
CREATE TABLE feed_head(feed smallint PRIMARY KEY, rev bigint NOT NULL, nonce bigint NOT NULL, epoch uuid NOT NULL)
  WITH (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500);
CREATE TABLE feed_floor(feed smallint PRIMARY KEY, floor_rev bigint NOT NULL);
CREATE TABLE tree(root text COLLATE "C" PRIMARY KEY, rev bigint NOT NULL, nonce bigint NOT NULL) WITH (fillfactor = 50);
CREATE TABLE feed_change(
  rev bigint NOT NULL, part integer NOT NULL, is_last boolean NOT NULL, nonce bigint NOT NULL,
  at timestamptz NOT NULL DEFAULT clock_timestamp(), payload bytea NOT NULL, PRIMARY KEY (rev, part));
CREATE TABLE feed_state(key bytea PRIMARY KEY, rev bigint NOT NULL, payload bytea);
CREATE INDEX feed_state_tombstone ON feed_state(rev) WHERE payload IS NULL;
CREATE TABLE request_log(
  caller text COLLATE "C" NOT NULL, actor text COLLATE "C" NOT NULL, method text COLLATE "C" NOT NULL, request_id uuid NOT NULL,
  body_hash bytea NOT NULL, response bytea, rev bigint, nonce bigint, at timestamptz NOT NULL DEFAULT clock_timestamp(),
  PRIMARY KEY (caller, actor, method, request_id));
CREATE INDEX request_log_at ON request_log(at);
CREATE TABLE audit_entry(
  rev bigint NOT NULL, entry integer NOT NULL, at timestamptz NOT NULL DEFAULT clock_timestamp(), caller text NOT NULL, actor text NOT NULL,
  method text NOT NULL, request_id uuid, owner text COLLATE "C" NOT NULL, resource text COLLATE "C" NOT NULL, action text NOT NULL,
  before_state jsonb, after_state jsonb, PRIMARY KEY (rev, entry));
CREATE INDEX audit_entry_owner ON audit_entry(owner, rev, entry);
CREATE INDEX audit_entry_resource ON audit_entry(resource, rev, entry);
CREATE TABLE installation_secret(name text COLLATE "C" PRIMARY KEY, value bytea NOT NULL);
"#;

const SQLITE: &str = r#"
CREATE TABLE feed_head(feed integer PRIMARY KEY, rev integer NOT NULL, nonce integer NOT NULL, epoch blob NOT NULL);
CREATE TABLE feed_floor(feed integer PRIMARY KEY, floor_rev integer NOT NULL);
CREATE TABLE tree(root text PRIMARY KEY NOT NULL, rev integer NOT NULL, nonce integer NOT NULL) WITHOUT ROWID;
CREATE TABLE feed_change(
  rev integer NOT NULL, part integer NOT NULL, is_last boolean NOT NULL, nonce integer NOT NULL,
  at timestamp_with_timezone_text NOT NULL, payload blob NOT NULL, PRIMARY KEY (rev, part));
CREATE TABLE feed_state(key blob PRIMARY KEY NOT NULL, rev integer NOT NULL, payload blob);
CREATE INDEX feed_state_tombstone ON feed_state(rev) WHERE payload IS NULL;
CREATE TABLE request_log(
  caller text NOT NULL, actor text NOT NULL, method text NOT NULL, request_id blob NOT NULL,
  body_hash blob NOT NULL, response blob, rev integer, nonce integer, at timestamp_with_timezone_text NOT NULL,
  PRIMARY KEY (caller, actor, method, request_id));
CREATE INDEX request_log_at ON request_log(at);
CREATE TABLE audit_entry(
  rev integer NOT NULL, entry integer NOT NULL, at timestamp_with_timezone_text NOT NULL, caller text NOT NULL, actor text NOT NULL,
  method text NOT NULL, request_id blob, owner text NOT NULL, resource text NOT NULL, action text NOT NULL,
  before_state jsonb_text, after_state jsonb_text, PRIMARY KEY (rev, entry));
CREATE INDEX audit_entry_owner ON audit_entry(owner, rev, entry);
CREATE INDEX audit_entry_resource ON audit_entry(resource, rev, entry);
CREATE TABLE installation_secret(name text PRIMARY KEY NOT NULL, value blob NOT NULL);
"#;
