//! Who holds the required roles of an organization (DESIGN §6, 5).

use decision::name::{NodeName, UserName};
use ledger::StoreError;
use sea_orm::{ConnectionTrait, DbBackend, FromQueryResult, Statement};

use crate::store::read::stored;

#[derive(FromQueryResult)]
struct Holder {
    name: String,
}

// Only bindings that nothing but a write in this tree, or the platform, can end: without an expiry, a condition or a sponsor, of an
// active user who is an active member.
const HOLDERS: &str = "SELECT u.name FROM role_binding b
    JOIN directory_user u ON u.name = b.principal
    JOIN member m ON m.organization = b.organization AND m.member_user = b.principal
    WHERE b.node = $1 AND b.role = $2 AND b.expire_time IS NULL AND b.condition IS NULL AND b.sponsor IS NULL
    AND NOT u.suspended AND NOT u.deleted AND NOT m.suspended ORDER BY u.name LIMIT $3";

/// The active, unexpiring, direct holders of a role at an organization, at most so many.
///
/// Their users stay as they are until the transaction ends: a suspension by the platform, which does not lock the tree, comes
/// before this reading or after this commit.
pub(crate) async fn lasting(
    db: &impl ConnectionTrait,
    organization: &NodeName,
    role: &str,
    most: u32,
) -> Result<Vec<UserName>, StoreError> {
    let backend = db.get_database_backend();
    let lock = if backend == DbBackend::Postgres { " FOR SHARE OF u" } else { "" };
    let values = [organization.as_str().into(), role.into(), i64::from(most).into()];
    let rows = Holder::find_by_statement(Statement::from_sql_and_values(backend, format!("{HOLDERS}{lock}"), values)).all(db).await?;
    rows.into_iter().map(|row| stored(UserName::parse(&row.name)).map_err(Into::into)).collect()
}
