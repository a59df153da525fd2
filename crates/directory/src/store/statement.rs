//! Writes that sea-orm's builders cannot say: those that derive rows from rows.

use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

/// Runs one; how many rows it has written.
pub(super) async fn execute(
    db: &impl ConnectionTrait,
    sql: impl Into<String>,
    values: impl IntoIterator<Item = Value>,
) -> Result<u64, DbErr> {
    let statement = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
    Ok(db.execute_raw(statement).await?.rows_affected())
}
