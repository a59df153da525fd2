//! Deleted nodes come back or are purged; organizations consent to being moved.

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};

pub(super) struct AddStructure;

impl MigrationName for AddStructure {
    fn name(&self) -> &str {
        "m0004_add_structure"
    }
}

#[async_trait]
impl MigrationTrait for AddStructure {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&changes(connection.get_database_backend())).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

fn changes(backend: DbBackend) -> String {
    let (key, time, in_a_month) = match backend {
        DbBackend::Sqlite => ("text", "timestamp_with_timezone_text", "strftime('%Y-%m-%dT%H:%M:%S+00:00', update_time, '+30 days')"),
        _ => ("text COLLATE \"C\"", "timestamptz", "update_time + interval '30 days'"),
    };
    let tables = TABLES.replace("KEY_TEXT", key).replace("TIME", time);
    let nodes = ["organization", "workspace", "account"].map(|table| NODES.replace("NODE", table).replace("TIME", time));
    // What was deleted before there was an undelete gets as long as by default.
    (tables + &nodes.concat()).replace("IN_A_MONTH", in_a_month)
}

const TABLES: &str = "
CREATE TABLE node_purge(node KEY_TEXT PRIMARY KEY NOT NULL, purge_time TIME NOT NULL, begun boolean NOT NULL);
CREATE INDEX node_purge_due ON node_purge(purge_time, node);

CREATE TABLE move_consent(
  organization KEY_TEXT NOT NULL REFERENCES organization(name), workspace KEY_TEXT NOT NULL, consenting_user KEY_TEXT NOT NULL,
  by_platform boolean NOT NULL, expire_time TIME NOT NULL, create_time TIME NOT NULL, PRIMARY KEY (organization, workspace));
";

const NODES: &str = "
ALTER TABLE NODE ADD COLUMN delete_time TIME;
ALTER TABLE NODE ADD COLUMN purge_time TIME;
UPDATE NODE SET delete_time = update_time, purge_time = IN_A_MONTH WHERE deleted;
INSERT INTO node_purge(node, purge_time, begun) SELECT name, purge_time, false FROM NODE WHERE deleted;
";
