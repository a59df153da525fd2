//! The role catalog's own tables.

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{Alias, DbErr, DynIden, IntoIden, MigrationName, MigrationTrait, MigratorTrait, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};

/// The role catalog's migrations, recorded in a table of their own.
pub(crate) struct RoleCatalogMigrator;

impl MigratorTrait for RoleCatalogMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(CreateRoleCatalog)]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("role_catalog_migration").into_iden()
    }
}

struct CreateRoleCatalog;

impl MigrationName for CreateRoleCatalog {
    fn name(&self) -> &str {
        "m0001_create_role_catalog"
    }
}

#[async_trait]
impl MigrationTrait for CreateRoleCatalog {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&tables(connection.get_database_backend())).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The one text of the schema with the types of a store. SQLite compares text as bytes by itself.
fn tables(backend: DbBackend) -> String {
    let (key, number, time) = match backend {
        DbBackend::Sqlite => ("text", "integer", "timestamp_with_timezone_text"),
        _ => ("text COLLATE \"C\"", "bigint", "timestamptz"),
    };
    TABLES.replace("KEY_TEXT", key).replace("NUMBER", number).replace("TIME", time)
}

// Every list goes through an index that begins with what it filters by and ends with the name that it is paged by. Documents and grants are
// text, not jsonb: they are read whole, and compared with what was written. `version` counts the changes of a row: its etag.
const TABLES: &str = r#"
CREATE TABLE role_model(model KEY_TEXT PRIMARY KEY NOT NULL, latest NUMBER NOT NULL, title text NOT NULL, create_time TIME NOT NULL);

CREATE TABLE role_model_revision(
  model KEY_TEXT NOT NULL, revision NUMBER NOT NULL, document text NOT NULL, create_time TIME NOT NULL, PRIMARY KEY (model, revision));

CREATE TABLE custom_role(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL, held_at KEY_TEXT NOT NULL, title text NOT NULL,
  description text NOT NULL, grants text NOT NULL, deleted boolean NOT NULL, create_time TIME NOT NULL, update_time TIME NOT NULL,
  version NUMBER NOT NULL);
CREATE INDEX custom_role_organization ON custom_role(organization, name);
CREATE INDEX custom_role_organization_live ON custom_role(organization, deleted, name);
CREATE INDEX custom_role_held_at ON custom_role(organization, held_at, name);
CREATE INDEX custom_role_held_at_live ON custom_role(organization, held_at, deleted, name);
"#;
