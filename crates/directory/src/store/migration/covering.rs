//! What makes a page cost the same in a small and in a large list: nothing is looked up for each of its rows.

use decision::name::NodeName;
use ledger::StoreError;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};
use sea_orm_migration::{
    async_trait::async_trait,
    prelude::{DbErr, MigrationName, MigrationTrait, SchemaManager},
};

use super::typed;
use crate::store::{participation, read::stored};

/// Participants with what a page shows of them; members by what they are called; on SQLite, pages that are read from the index alone.
pub(super) struct CoverPages;

impl MigrationName for CoverPages {
    fn name(&self) -> &str {
        "m0101_cover_pages"
    }
}

#[async_trait]
impl MigrationTrait for CoverPages {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let connection = manager.get_connection();
        let backend = connection.get_database_backend();
        connection.execute_unprepared(&typed(TABLES, backend)).await?;
        derive(connection).await.map_err(|error| DbErr::Custom(error.to_string()))?;
        // Last, so that what is derived is indexed in one go. PostgreSQL finds a row of its heap by one look, however large it is; in SQLite the table is a
        // tree, and the way to each row grows with it.
        connection.execute_unprepared(if backend == DbBackend::Sqlite { COVERING } else { INDEXES }).await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(true)
    }
}

const TABLES: &str = "
ALTER TABLE member ADD COLUMN display_key KEY_TEXT NOT NULL DEFAULT '';
ALTER TABLE member ADD COLUMN email_key KEY_TEXT NOT NULL DEFAULT '';
UPDATE member SET display_key = (SELECT u.display_key FROM directory_user u WHERE u.name = member_user),
  email_key = (SELECT COALESCE(u.email_key, '') FROM directory_user u WHERE u.name = member_user);
DROP TABLE participation;
CREATE TABLE participation(
  participant KEY_TEXT NOT NULL, organization KEY_TEXT NOT NULL, node KEY_TEXT NOT NULL, facet KEY_TEXT NOT NULL,
  display_key KEY_TEXT NOT NULL, email_key KEY_TEXT NOT NULL, display_name text NOT NULL, email text NOT NULL, update_time TIME NOT NULL,
  PRIMARY KEY (participant, organization, node, facet));
";

const INDEXES: &str = "
CREATE INDEX participation_display ON participation(node, facet, display_key, participant);
CREATE INDEX participation_email ON participation(node, facet, email_key, participant);
CREATE INDEX member_by_display ON member(organization, display_key, name);
CREATE INDEX member_by_email ON member(organization, email_key, name);
CREATE INDEX member_state_by_display ON member(organization, suspended, display_key, name);
CREATE INDEX member_state_by_email ON member(organization, suspended, email_key, name);
";

const COVERING: &str = "
CREATE INDEX participation_display ON participation(node, facet, display_key, participant, email_key, display_name, email, update_time);
CREATE INDEX participation_email ON participation(node, facet, email_key, participant, display_key, display_name, email, update_time);

CREATE INDEX member_by_display ON member(organization, display_key, name, member_user, suspended, email_key, create_time, update_time, version);
CREATE INDEX member_by_email ON member(organization, email_key, name, member_user, suspended, display_key, create_time, update_time, version);
CREATE INDEX member_state_by_display ON member(organization, suspended, display_key, name, member_user, email_key, create_time, update_time, version);
CREATE INDEX member_state_by_email ON member(organization, suspended, email_key, name, member_user, display_key, create_time, update_time, version);

DROP INDEX member_organization;
DROP INDEX member_state;
DROP INDEX member_by_time;
CREATE INDEX member_organization ON member(organization, name, member_user, suspended, display_key, email_key, create_time, update_time, version);
CREATE INDEX member_state ON member(organization, suspended, name, member_user, display_key, email_key, create_time, update_time, version);
CREATE INDEX member_by_time ON member(organization, create_time, name, member_user, suspended, display_key, email_key, update_time, version);

DROP INDEX directory_user_by_display;
DROP INDEX directory_user_by_email;
CREATE INDEX directory_user_by_display ON directory_user(deleted, display_key, name, kind, email, email_key, display_name, suspended, managed_by,
  create_time, update_time, version);
CREATE INDEX directory_user_by_email ON directory_user(deleted, email_key, name, kind, email, display_name, display_key, suspended, managed_by,
  create_time, update_time, version);
";

const BATCH: u64 = 1000;

#[derive(FromQueryResult)]
struct Participant {
    organization: String,
    participant: String,
}

async fn derive(db: &impl ConnectionTrait) -> Result<(), StoreError> {
    let (mut organization, mut participant) = (String::new(), String::new());
    loop {
        let sql = "SELECT organization, participant FROM (
              SELECT organization, member_user AS participant FROM member
              UNION SELECT organization, principal FROM role_binding WHERE principal NOT LIKE organization || '/groups/%'
              UNION SELECT organization, member FROM group_member WHERE member LIKE 'users/%'
              UNION SELECT organization, name FROM invitation WHERE state = 'pending') AS everybody
            WHERE (organization, participant) > ($1, $2) ORDER BY organization, participant LIMIT $3";
        let values = [organization.as_str().into(), participant.as_str().into(), BATCH.cast_signed().into()];
        let rows = Participant::find_by_statement(Statement::from_sql_and_values(db.get_database_backend(), sql, values)).all(db).await?;
        let Some(last) = rows.last() else { return Ok(()) };
        (organization, participant) = (last.organization.clone(), last.participant.clone());
        for some in rows.chunk_by(|a, b| a.organization == b.organization) {
            let Some(first) = some.first() else { continue };
            let names: Vec<String> = some.iter().map(|row| row.participant.clone()).collect();
            participation::grow(db, &stored(NodeName::parse(&first.organization))?, &names).await?;
        }
    }
}
