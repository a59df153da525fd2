//! What the feed says last of a thing, beside the rows that say the same.

use std::collections::BTreeMap;

use api::feed::v1::Record;
use prost::Message;
use sea_orm::{ConnectionTrait, DbErr, Statement, Value};

use crate::error::StoreError;

/// The latest records of some keys, those that are gone left out. At most 1,000.
pub async fn latest(connection: &impl ConnectionTrait, keys: &[String]) -> Result<BTreeMap<String, Record>, StoreError> {
    if keys.is_empty() {
        return Ok(BTreeMap::new());
    }
    let places: Vec<String> = (1..=keys.len()).map(|number| format!("${number}")).collect();
    let sql = format!("SELECT key, payload FROM feed_state WHERE payload IS NOT NULL AND key IN ({})", places.join(", "));
    let values = keys.iter().map(|key| Value::from(key.as_bytes().to_vec()));
    let rows = connection.query_all_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values)).await?;
    let mut latest = BTreeMap::new();
    for row in rows {
        let payload: Vec<u8> = row.try_get("", "payload")?;
        let record = Record::decode(payload.as_slice()).map_err(|error| DbErr::Type(error.to_string()))?;
        latest.insert(text(row.try_get("", "key")?)?, record);
    }
    Ok(latest)
}

/// The next so many keys after one, those that are gone left out.
pub async fn keys_after(connection: &impl ConnectionTrait, after: &str, limit: u64) -> Result<Vec<String>, StoreError> {
    let sql = "SELECT key FROM feed_state WHERE payload IS NOT NULL AND key > $1 ORDER BY key LIMIT $2";
    let limit = i64::try_from(limit).unwrap_or(i64::MAX);
    let values = [after.as_bytes().to_vec().into(), limit.into()];
    let rows = connection.query_all_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values)).await?;
    rows.iter().map(|row| text(row.try_get("", "key")?).map_err(Into::into)).collect()
}

fn text(key: Vec<u8>) -> Result<String, DbErr> {
    String::from_utf8(key).map_err(|error| DbErr::Type(error.to_string()))
}
