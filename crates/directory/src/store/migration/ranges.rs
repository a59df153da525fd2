//! What makes a page one range of an index: everybody in a roster, whatever their state; on SQLite also role bindings, which were found by an index and then
//! each looked up in the tree of their table.

use sea_orm::{ConnectionTrait, DbBackend};
use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
};

use crate::store::participation::STATES;

/// Adds these indexes.
pub(super) struct PagesAreRanges;

impl MigrationName for PagesAreRanges {
    fn name(&self) -> &str {
        "m0102_pages_are_ranges"
    }
}

#[async_trait]
impl MigrationTrait for PagesAreRanges {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let indexes = if connection.get_database_backend() == DbBackend::Sqlite { COVERING } else { INDEXES };
        connection.execute_unprepared(&indexes.replace("STATES", STATES)).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const INDEXES: &str = "
CREATE INDEX participation_everybody_by_display ON participation(node, display_key, participant) WHERE STATES;
CREATE INDEX participation_everybody_by_email ON participation(node, email_key, participant) WHERE STATES;
";

const COVERING: &str = "
CREATE INDEX participation_everybody_by_display ON participation(node, display_key, participant, facet, email_key, display_name, email, update_time)
  WHERE STATES;
CREATE INDEX participation_everybody_by_email ON participation(node, email_key, participant, facet, display_key, display_name, email, update_time)
  WHERE STATES;

DROP INDEX role_binding_organization;
DROP INDEX role_binding_by_time;
DROP INDEX role_binding_role;
DROP INDEX role_binding_node;
DROP INDEX role_binding_node_by_time;
DROP INDEX role_binding_seats;
CREATE INDEX role_binding_organization ON role_binding(organization, name, principal, role, node, components, condition, expire_time, sponsor,
  create_time, update_time, version);
CREATE INDEX role_binding_by_time ON role_binding(organization, create_time, name, principal, role, node, components, condition, expire_time, sponsor,
  update_time, version);
CREATE INDEX role_binding_role ON role_binding(organization, role, name, principal, node, components, condition, expire_time, sponsor, create_time,
  update_time, version);
CREATE INDEX role_binding_node ON role_binding(node, name, organization, principal, role, components, condition, expire_time, sponsor, create_time,
  update_time, version);
CREATE INDEX role_binding_node_by_time ON role_binding(node, create_time, name, organization, principal, role, components, condition, expire_time,
  sponsor, update_time, version);
CREATE INDEX role_binding_seats ON role_binding(node, role, name, organization, principal, components, condition, expire_time, sponsor, create_time,
  update_time, version);
";
