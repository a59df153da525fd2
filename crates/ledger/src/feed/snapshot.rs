//! The present state, page by page and without a transaction: the head first, so that the log after it makes good what changes meanwhile.

use api::feed::v1::{Record, SnapshotResponse, StampedRecord, TreeStamp};
use prost::Message;
use sea_orm::{ConnectionTrait, DatabaseConnection, DbErr, Statement};

use super::{Ended, Sink, write_cursor};
use crate::{
    commit::{MAX_PART, head},
    locks::revision,
};

/// Rows that one page has at most.
const MAX_ROWS: i64 = 2_000;

pub(super) async fn send(connection: &DatabaseConnection, sink: &Sink<SnapshotResponse>) -> Result<(), Ended> {
    let head = head(connection).await?;
    sink.send(SnapshotResponse { head: Some(write_cursor(head)), ..SnapshotResponse::default() }).await?;

    let mut last = Vec::new();
    loop {
        let (records, end) = records_after(connection, last).await?;
        let Some(end) = end else { break };
        last = end;
        sink.send(SnapshotResponse { records, ..SnapshotResponse::default() }).await?;
    }
    let mut last = String::new();
    loop {
        let trees = trees_after(connection, &last).await?;
        let Some(end) = trees.last() else { return Ok(()) };
        last.clone_from(&end.tree);
        sink.send(SnapshotResponse { trees, ..SnapshotResponse::default() }).await?;
    }
}

/// A page of at most about 1 MiB (a record may have that alone), and the key that it ends with. Tombstones are left out: whoever
/// begins with a snapshot never had the thing, and one that is made meanwhile is in the log after the head.
async fn records_after(connection: &DatabaseConnection, last: Vec<u8>) -> Result<(Vec<StampedRecord>, Option<Vec<u8>>), DbErr> {
    let sql = "
        SELECT key, rev, payload FROM (
          SELECT key, rev, payload, sum(length(payload)) OVER (ORDER BY key) - length(payload) AS bytes_before
          FROM (SELECT key, rev, payload FROM feed_state WHERE key > $1 AND payload IS NOT NULL ORDER BY key LIMIT $2) AS following
        ) AS measured WHERE bytes_before < $3 ORDER BY key";
    let limit = i64::try_from(MAX_PART).unwrap_or(i64::MAX);
    let values = [last.into(), MAX_ROWS.into(), limit.into()];
    let rows = connection.query_all_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values)).await?;
    let end = rows.last().map(|row| row.try_get("", "key")).transpose()?;
    let mut records = Vec::with_capacity(rows.len());
    for row in rows {
        let payload: Vec<u8> = row.try_get("", "payload")?;
        let record = Record::decode(payload.as_slice()).map_err(|error| DbErr::Type(error.to_string()))?;
        records.push(StampedRecord { revision: revision(row.try_get("", "rev")?)?, record: Some(record) });
    }
    Ok((records, end))
}

async fn trees_after(connection: &DatabaseConnection, last: &str) -> Result<Vec<TreeStamp>, DbErr> {
    // A tree of revision 0 was locked and never written: as good as none.
    let sql = "SELECT root, rev FROM tree WHERE root > $1 AND rev > 0 ORDER BY root LIMIT $2";
    let values = [last.into(), MAX_ROWS.into()];
    let rows = connection.query_all_raw(Statement::from_sql_and_values(connection.get_database_backend(), sql, values)).await?;
    rows.iter().map(|row| Ok(TreeStamp { tree: row.try_get("", "root")?, revision: revision(row.try_get("", "rev")?)? })).collect()
}
