//! What lists are filtered by and ordered in: a column, a table and an index for each combination that is offered.

use sea_orm::{ConnectionTrait, FromQueryResult, Statement};
use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
};

use super::typed;

/// Adds them.
pub(super) struct AddPages;

impl MigrationName for AddPages {
    fn name(&self) -> &str {
        "m0100_add_pages"
    }
}

#[async_trait]
impl MigrationTrait for AddPages {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        connection.execute_unprepared(&typed(COLUMNS, connection.get_database_backend())).await?;
        name_users(connection).await?;
        // Who participates is derived by a later migration, which makes the table anew.
        connection.execute_unprepared(INDEXES).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const COLUMNS: &str = "
ALTER TABLE directory_user ADD COLUMN display_key KEY_TEXT NOT NULL DEFAULT '';
CREATE TABLE participation(
  participant KEY_TEXT NOT NULL, organization KEY_TEXT NOT NULL, node KEY_TEXT NOT NULL, facet KEY_TEXT NOT NULL,
  display_key KEY_TEXT NOT NULL, email_key KEY_TEXT NOT NULL, PRIMARY KEY (participant, organization, node, facet));
";

// `deleted` comes first where deleted rows are never listed in that order.
const INDEXES: &str = "
CREATE INDEX participation_display ON participation(node, facet, display_key, participant);
CREATE INDEX participation_email ON participation(node, facet, email_key, participant);

CREATE INDEX directory_user_state ON directory_user(deleted, suspended, name);
CREATE INDEX directory_user_kind ON directory_user(deleted, kind, name);
CREATE INDEX directory_user_by_email ON directory_user(deleted, email_key, name);
CREATE INDEX directory_user_by_display ON directory_user(deleted, display_key, name);
CREATE INDEX directory_user_by_time ON directory_user(deleted, create_time, name);

CREATE INDEX member_state ON member(organization, suspended, name);
CREATE INDEX member_by_time ON member(organization, create_time, name);

CREATE INDEX role_binding_role ON role_binding(organization, role, name);
CREATE INDEX role_binding_by_time ON role_binding(organization, create_time, name);
CREATE INDEX role_binding_node_by_time ON role_binding(node, create_time, name);

CREATE INDEX organization_state ON organization(parent, deleted, suspended, name);
CREATE INDEX organization_provisioning ON organization(parent, deleted, suspended, provisioning, name);
CREATE INDEX organization_by_time ON organization(parent, deleted, create_time, name);

CREATE INDEX workspace_by_time ON workspace(organization, deleted, create_time, name);

CREATE INDEX account_state ON account(organization, deleted, paused, name);
CREATE INDEX account_workspace_state ON account(workspace, deleted, paused, name);
CREATE INDEX account_by_time ON account(organization, deleted, create_time, name);

CREATE INDEX user_group_by_time ON user_group(organization, create_time, name);

CREATE INDEX partnership_by_time ON partnership(organization, create_time, name);
CREATE INDEX partnership_partner_by_time ON partnership(partner, create_time, name);
CREATE INDEX partnership_organization_partner ON partnership(organization, partner, name);
CREATE INDEX partnership_organization_node ON partnership(organization, node, name);
CREATE INDEX partnership_partner_node ON partnership(partner, node, name);
";

const BATCH: u64 = 1000;

#[derive(FromQueryResult)]
struct Named {
    name: String,
    display_name: String,
    email_key: Option<String>,
}

/// Letters have cases in every script, which SQLite's `lower` does not know.
async fn name_users(db: &impl ConnectionTrait) -> Result<(), DbErr> {
    let mut after = String::new();
    loop {
        // Only the columns that there are now: what later migrations add is not there yet.
        let sql = "SELECT name, display_name, email_key FROM directory_user WHERE name > $1 ORDER BY name LIMIT $2";
        let values = [after.as_str().into(), BATCH.cast_signed().into()];
        let rows = Named::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        after.clone_from(&last.name);
        for row in rows {
            let id = row.name.strip_prefix("users/").unwrap_or(&row.name).to_owned();
            let key = if row.display_name.is_empty() { row.email_key.unwrap_or(id) } else { row.display_name.to_lowercase() };
            let sql = "UPDATE directory_user SET display_key = $2 WHERE name = $1";
            let values = [row.name.into(), key.into()];
            db.execute_raw(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).await?;
        }
    }
}
