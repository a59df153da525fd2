//! Users that an organization manages, the identities by which users sign in, and organizations that need an owner.

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
    sea_orm::ConnectionTrait,
};

use super::typed;

pub(super) struct ManagedUsersAndIdentities;

impl MigrationName for ManagedUsersAndIdentities {
    fn name(&self) -> &str {
        "m0002_managed_users_and_identities"
    }
}

#[async_trait]
impl MigrationTrait for ManagedUsersAndIdentities {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&typed(TABLES, connection.get_database_backend())).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

// The address of a managed user is not verified, so it has no `email_key`: it is in nobody's way. An identity is one user's in the whole
// installation, an issuer one tree's.
const TABLES: &str = r#"
ALTER TABLE directory_user ADD COLUMN managed_by KEY_TEXT REFERENCES organization(name);
CREATE INDEX directory_user_managed ON directory_user(managed_by, name);

ALTER TABLE organization ADD COLUMN needs_owner boolean NOT NULL DEFAULT FALSE;

CREATE TABLE issuer(
  uri KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), create_time TIME NOT NULL);
CREATE INDEX issuer_organization ON issuer(organization, uri);

CREATE TABLE identity(
  issuer KEY_TEXT NOT NULL, subject KEY_TEXT NOT NULL, identity_user KEY_TEXT NOT NULL REFERENCES directory_user(name),
  create_time TIME NOT NULL, PRIMARY KEY (issuer, subject));
CREATE INDEX identity_user ON identity(identity_user, issuer, subject);
"#;
