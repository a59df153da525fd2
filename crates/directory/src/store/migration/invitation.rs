//! Invitations.

use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
    sea_orm::ConnectionTrait,
};

use super::typed;

pub(super) struct CreateInvitations;

impl MigrationName for CreateInvitations {
    fn name(&self) -> &str {
        "m0002_create_invitations"
    }
}

#[async_trait]
impl MigrationTrait for CreateInvitations {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&typed(TABLES, connection.get_database_backend())).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

// `email_place` is the address without regard to case, a space and the name: lists by address are paged by it.
// `awaiting_acceptance`: of a customer that was created by an invitation, that nobody has accepted one yet.
const TABLES: &str = r#"
CREATE TABLE invitation(
  name KEY_TEXT PRIMARY KEY NOT NULL, organization KEY_TEXT NOT NULL REFERENCES organization(name), email text NOT NULL,
  email_key KEY_TEXT NOT NULL, email_place KEY_TEXT NOT NULL, role KEY_TEXT NOT NULL, node KEY_TEXT NOT NULL, components JSON, condition JSON,
  binding_expire_time TIME, sponsor KEY_TEXT, token_hash KEY_TEXT NOT NULL, expire_time TIME NOT NULL, state KEY_TEXT NOT NULL,
  inviter KEY_TEXT NOT NULL, accepted_by KEY_TEXT, role_binding KEY_TEXT, create_time TIME NOT NULL, update_time TIME NOT NULL, version NUMBER NOT NULL);
CREATE UNIQUE INDEX invitation_token ON invitation(token_hash);
CREATE UNIQUE INDEX invitation_offer ON invitation(email_key, node, role) WHERE state = 'pending';
CREATE INDEX invitation_organization ON invitation(organization, name);
CREATE INDEX invitation_organization_state ON invitation(organization, state, name);
CREATE INDEX invitation_organization_email ON invitation(organization, email_place);
CREATE INDEX invitation_organization_state_email ON invitation(organization, state, email_place);
CREATE INDEX invitation_node ON invitation(node, name);
CREATE INDEX invitation_node_state ON invitation(node, state, name);
CREATE INDEX invitation_node_email ON invitation(node, email_place);
CREATE INDEX invitation_node_state_email ON invitation(node, state, email_place);
CREATE INDEX invitation_seats ON invitation(node, role) WHERE state = 'pending';
CREATE INDEX invitation_sponsor ON invitation(sponsor) WHERE state = 'pending';
CREATE INDEX invitation_expiry ON invitation(expire_time, name) WHERE state = 'pending';
CREATE INDEX invitation_ended ON invitation(update_time) WHERE state <> 'pending';
ALTER TABLE organization ADD COLUMN awaiting_acceptance boolean NOT NULL DEFAULT false;
"#;
