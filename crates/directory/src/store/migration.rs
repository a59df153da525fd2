//! The directory's tables, on both stores.
//!
//! Keys are resource names, compared as bytes. Rows of nodes and users stay when these are deleted, so their names are never used again;
//! what is deleted for real (bindings, groups, partnerships) leaves its name in `retired_name`.

mod covering;
mod invitation;
mod pages;
mod people;
mod ranges;

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{Alias, DbErr, DynIden, IntoIden, MigrationName, MigrationTrait, MigratorTrait, SchemaManager},
    sea_orm::{ConnectionTrait, DbBackend},
};

mod structure;

/// The directory's migrations, recorded in a table of their own.
pub(crate) struct DirectoryMigrator;

impl MigratorTrait for DirectoryMigrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(CreateDirectory),
            Box::new(invitation::CreateInvitations),
            Box::new(people::ManagedUsersAndIdentities),
            Box::new(structure::AddStructure),
            Box::new(pages::AddPages),
            Box::new(covering::CoverPages),
            Box::new(ranges::PagesAreRanges),
        ]
    }

    fn migration_table_name() -> DynIden {
        Alias::new("directory_migration").into_iden()
    }
}

struct CreateDirectory;

impl MigrationName for CreateDirectory {
    fn name(&self) -> &str {
        "m0001_create_directory"
    }
}

#[async_trait]
impl MigrationTrait for CreateDirectory {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&typed(TABLES, connection.get_database_backend())).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

/// The one text of a schema with the types of a store. SQLite compares text as bytes by itself.
fn typed(tables: &str, backend: DbBackend) -> String {
    let (key, number, time, json) = match backend {
        DbBackend::Sqlite => ("text", "integer", "timestamp_with_timezone_text", "jsonb_text"),
        _ => ("text COLLATE \"C\"", "bigint", "timestamptz", "jsonb"),
    };
    tables.replace("KEY_TEXT", key).replace("NUMBER", number).replace("TIME", time).replace("JSON", json)
}

// Every list goes through an index that begins with what it filters by and ends with the name that it is paged by. `deleted` is apart from the other
// states, so that lists without deleted rows have such an index too, and so that a deleted thing keeps the state that it had.
// `version` counts the changes of a row: its etag.
const TABLES: &str = r#"
CREATE TABLE organization(
  name KEY_TEXT PRIMARY KEY NOT NULL, kind text NOT NULL, display_name text NOT NULL, website text NOT NULL, location text NOT NULL,
  parent KEY_TEXT, root KEY_TEXT NOT NULL, role_model KEY_TEXT, role_model_revision NUMBER, provisioning boolean NOT NULL,
  suspended boolean NOT NULL, deleted boolean NOT NULL, ceiling JSON, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL,
  CHECK ((parent IS NULL) = (role_model IS NOT NULL)), CHECK ((role_model IS NULL) = (role_model_revision IS NULL)));
CREATE INDEX organization_parent ON organization(parent, name);
CREATE INDEX organization_parent_live ON organization(parent, deleted, name);
CREATE INDEX organization_roots ON organization(name) WHERE parent IS NULL;
CREATE INDEX organization_roots_live ON organization(deleted, name) WHERE parent IS NULL;
CREATE INDEX organization_tree ON organization(root, name);

CREATE TABLE workspace(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), display_name text NOT NULL,
  deleted boolean NOT NULL, ceiling JSON, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX workspace_organization ON workspace(organization, name);
CREATE INDEX workspace_organization_live ON workspace(organization, deleted, name);

CREATE TABLE account(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name),
  workspace KEY_TEXT REFERENCES workspace(name), display_name text NOT NULL, paused boolean NOT NULL, deleted boolean NOT NULL,
  ceiling JSON, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX account_organization ON account(organization, name);
CREATE INDEX account_organization_live ON account(organization, deleted, name);
CREATE INDEX account_workspace ON account(workspace, deleted, name);

CREATE TABLE resource(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), parent KEY_TEXT NOT NULL,
  collection KEY_TEXT NOT NULL, attributes JSON NOT NULL, deleted boolean NOT NULL,
  create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX resource_parent ON resource(parent, name);
CREATE INDEX resource_parent_live ON resource(parent, deleted, name);
CREATE INDEX resource_collection ON resource(parent, collection, name);
CREATE INDEX resource_collection_live ON resource(parent, collection, deleted, name);
CREATE INDEX resource_organization_live ON resource(organization, deleted);

CREATE TABLE directory_user(
  name KEY_TEXT PRIMARY KEY NOT NULL, kind text NOT NULL, email text, email_key KEY_TEXT, display_name text NOT NULL,
  suspended boolean NOT NULL, deleted boolean NOT NULL, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE UNIQUE INDEX directory_user_email ON directory_user(email_key);
CREATE INDEX directory_user_live ON directory_user(deleted, name);

CREATE TABLE member(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name),
  member_user KEY_TEXT NOT NULL REFERENCES directory_user(name), suspended boolean NOT NULL,
  create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX member_organization ON member(organization, name);
CREATE INDEX member_user ON member(member_user, organization);

CREATE TABLE user_group(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), display_name text NOT NULL,
  create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX user_group_organization ON user_group(organization, name);

CREATE TABLE group_member(
  user_group KEY_TEXT NOT NULL REFERENCES user_group(name), member KEY_TEXT NOT NULL, organization KEY_TEXT NOT NULL,
  create_time TIME NOT NULL, PRIMARY KEY (user_group, member));
CREATE INDEX group_member_member ON group_member(member, organization, user_group);

CREATE TABLE partnership(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name),
  partner KEY_TEXT NOT NULL, node KEY_TEXT NOT NULL, roles JSON NOT NULL, components JSON, users JSON,
  expire_time TIME, accepted boolean NOT NULL, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX partnership_organization ON partnership(organization, name);
CREATE INDEX partnership_partner ON partnership(partner, name);
CREATE INDEX partnership_expiry ON partnership(expire_time, name);

CREATE TABLE role_binding(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), principal KEY_TEXT NOT NULL,
  role KEY_TEXT NOT NULL, node KEY_TEXT NOT NULL, components JSON, condition JSON, expire_time TIME, sponsor KEY_TEXT,
  create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE INDEX role_binding_organization ON role_binding(organization, name);
CREATE INDEX role_binding_node ON role_binding(node, name);
CREATE INDEX role_binding_principal ON role_binding(principal, organization, name);
CREATE INDEX role_binding_node_principal ON role_binding(node, principal, name);
CREATE INDEX role_binding_seats ON role_binding(node, role, name);
CREATE INDEX role_binding_sponsor ON role_binding(sponsor, name);
CREATE INDEX role_binding_expiry ON role_binding(expire_time, name);

CREATE TABLE retired_name(name KEY_TEXT PRIMARY KEY NOT NULL);
"#;

#[cfg(test)]
mod tests {
    use sea_orm_migration::sea_orm::{Database, FromQueryResult, Statement};

    use super::*;

    #[derive(Debug, PartialEq, FromQueryResult)]
    struct Row {
        participant: String,
        node: String,
        facet: String,
        display_key: String,
    }

    const BEFORE: &str = "
INSERT INTO organization VALUES ('organizations/acme', 'marketer', 'Acme', '', '', NULL, 'organizations/acme', 'm', 1, false, false, false, NULL, NOW, NOW, 1);
INSERT INTO account VALUES ('organizations/acme/accounts/a1', 'organizations/acme', NULL, 'A1', false, false, NULL, NOW, NOW, 1);
INSERT INTO directory_user VALUES ('users/ann', 'person', 'Ann@Example.com', 'ann@example.com', 'Änne', false, false, NOW, NOW, 1),
  ('users/bob', 'person', 'bob@example.com', 'bob@example.com', '', false, false, NOW, NOW, 1);
INSERT INTO member VALUES ('organizations/acme/members/ann', 'organizations/acme', 'users/ann', true, NOW, NOW, 1);
INSERT INTO user_group VALUES ('organizations/acme/groups/g', 'organizations/acme', 'G', NOW, NOW, 1);
INSERT INTO group_member VALUES ('organizations/acme/groups/g', 'users/bob', 'organizations/acme', NOW);
INSERT INTO role_binding VALUES ('organizations/acme/roleBindings/b1', 'organizations/acme', 'organizations/acme/groups/g', 'roleModels/m/roles/r',
  'organizations/acme/accounts/a1', NULL, NULL, NULL, NULL, NOW, NOW, 1);
";

    #[tokio::test]
    async fn who_participates_is_derived_from_what_an_older_database_has() {
        let db = Database::connect("sqlite::memory:").await.unwrap();
        DirectoryMigrator::up(&db, Some(1)).await.unwrap();
        db.execute_unprepared(&BEFORE.replace("NOW", "'2026-01-01T00:00:00+00:00'")).await.unwrap();
        DirectoryMigrator::up(&db, None).await.unwrap();

        let sql = "SELECT participant, node, facet, display_key FROM participation ORDER BY participant, node, facet";
        let rows = Row::find_by_statement(Statement::from_string(DbBackend::Sqlite, sql)).all(&db).await.unwrap();
        let row = |participant: &str, node: &str, facet: &str, display_key: &str| Row {
            participant: participant.into(),
            node: node.into(),
            facet: facet.into(),
            display_key: display_key.into(),
        };
        let (acme, account, role) = ("organizations/acme", "organizations/acme/accounts/a1", "roleModels/m/roles/r");
        let expected = [
            row("users/ann", acme, "suspended", "änne"),
            row("users/bob", acme, "guest", "bob@example.com"),
            row("users/bob", acme, role, "bob@example.com"),
            row("users/bob", account, "guest", "bob@example.com"),
            row("users/bob", account, role, "bob@example.com"),
        ];
        assert_eq!(rows, expected);
        assert_eq!(DirectoryMigrator::get_pending_migrations(&db).await.unwrap().len(), 0);
    }
}
