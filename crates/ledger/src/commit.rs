//! The last statement of a write: everything that needs the revision, and the revision.

use std::collections::BTreeSet;

use api::feed::v1::{Record, WatchResponse};
use chrono::Utc;
use client::token::Token;
use prost::Message;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::{
    audit::{AuditEntry, container, owner},
    begin::WriteRequest,
    error::Error,
    locks::revision,
};

/// What a part of the feed may have, in bytes: well below the 4 MiB that a gRPC message may have by default.
pub(crate) const MAX_PART: usize = 1024 * 1024;

/// Everything that is written with the revision.
pub(crate) struct Batch {
    nonce: i64,
    parts: Vec<Vec<u8>>,
    states: Vec<State>,
    trees: Vec<String>,
    audit: Vec<AuditEntry>,
    caller: String,
    actor: String,
    method: &'static str,
    request_id: Option<Uuid>,
    response: Vec<u8>,
}

struct State {
    key: Vec<u8>,
    /// None = a tombstone.
    payload: Option<Vec<u8>>,
}

impl Batch {
    pub(crate) fn new(
        request: &WriteRequest,
        trees: &[String],
        records: impl Iterator<Item = Record>,
        audit: Vec<AuditEntry>,
        response: &[u8],
    ) -> Result<Self, Error> {
        let trees: Vec<String> = trees.iter().collect::<BTreeSet<_>>().into_iter().cloned().collect();
        let mut parts = vec![WatchResponse::default()];
        let mut room = MAX_PART;
        let mut states = Vec::new();
        for record in records {
            let payload = record.encode_to_vec();
            // With the field's tag and length.
            let size = payload.len() + 8;
            if size > MAX_PART {
                return Err(Error::RecordTooLarge { key: record.key });
            }
            if size > room {
                parts.push(WatchResponse::default());
                room = MAX_PART;
            }
            room -= size;
            states.push(State { key: record.key.clone().into_bytes(), payload: record.state.is_some().then_some(payload) });
            if let Some(part) = parts.last_mut() {
                part.records.push(record);
            }
        }
        if let Some(last) = parts.last_mut() {
            last.trees.clone_from(&trees);
        }
        Ok(Self {
            // 0 is the nonce of revision 0.
            nonce: rand::random_range(1..=i64::MAX),
            parts: parts.iter().map(Message::encode_to_vec).collect(),
            states,
            trees,
            audit,
            caller: request.caller.clone(),
            actor: request.actor.clone(),
            method: request.method,
            request_id: request.request_id,
            response: response.to_vec(),
        })
    }
}

/// The position of the last commit.
pub(crate) async fn head(connection: &impl ConnectionTrait) -> Result<Token, DbErr> {
    let sql = "SELECT rev, nonce, epoch FROM feed_head WHERE feed = 1";
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    read_head(row)
}

fn read_head(row: Option<QueryResult>) -> Result<Token, DbErr> {
    let row = row.ok_or_else(|| DbErr::RecordNotFound("feed_head".to_owned()))?;
    Ok(Token { epoch: row.try_get("", "epoch")?, revision: revision(row.try_get("", "rev")?)?, nonce: row.try_get("", "nonce")? })
}

/// Takes the next revision and writes the batch under it.
pub(crate) async fn record_commit(transaction: &DatabaseTransaction, batch: Batch) -> Result<Token, DbErr> {
    match transaction.get_database_backend() {
        DbBackend::Postgres => record_on_postgres(transaction, batch).await,
        _ => record_on_sqlite(transaction, batch).await,
    }
}

// The counter row is taken by this statement and no earlier: its lock, held until the commit is durable, is what makes the order of
// revisions the order in which commits become visible. Everything else joins `head`, so it happens under that lock, in one round trip.
const POSTGRES: &str = "
WITH head AS (
  UPDATE feed_head SET rev = rev + 1, nonce = $1 WHERE feed = 1 RETURNING rev, nonce, epoch
), changed AS (
  INSERT INTO feed_change(rev, part, is_last, nonce, payload)
  SELECT head.rev, (p.part - 1)::integer, p.part = cardinality($2::bytea[]), head.nonce, p.payload
  FROM head, unnest($2::bytea[]) WITH ORDINALITY AS p(payload, part)
), stated AS (
  INSERT INTO feed_state(key, rev, payload)
  SELECT s.key, head.rev, CASE WHEN s.gone THEN NULL ELSE s.payload END
  FROM head, unnest($3::bytea[], $4::bytea[], $5::boolean[]) AS s(key, payload, gone)
  ON CONFLICT (key) DO UPDATE SET rev = excluded.rev, payload = excluded.payload
), stamped AS (
  UPDATE tree SET rev = head.rev, nonce = head.nonce FROM head WHERE tree.root = ANY($6::text[])
), audited AS (
  INSERT INTO audit_entry(rev, entry, caller, actor, method, request_id, owner, node, resource, action, before_state, after_state)
  SELECT head.rev, (a.entry - 1)::integer, $7, $8, $9, $10::uuid, a.owner, NULLIF(a.node, ''), a.resource, a.action,
    NULLIF(a.before_state, '')::jsonb, NULLIF(a.after_state, '')::jsonb
  FROM head, unnest($11::text[], $12::text[], $13::text[], $14::text[], $15::text[], $16::text[])
    WITH ORDINALITY AS a(owner, node, resource, action, before_state, after_state, entry)
), answered AS (
  UPDATE request_log SET response = $17, rev = head.rev, nonce = head.nonce
  FROM head WHERE caller = $7 AND actor = $8 AND method = $9 AND request_id = $10::uuid
)
SELECT rev, nonce, epoch FROM head";

async fn record_on_postgres(transaction: &DatabaseTransaction, batch: Batch) -> Result<Token, DbErr> {
    let gone: Vec<bool> = batch.states.iter().map(|state| state.payload.is_none()).collect();
    let (keys, payloads): (Vec<_>, Vec<_>) = batch.states.into_iter().map(|state| (state.key, state.payload.unwrap_or_default())).unzip();
    // No JSON text is empty, nor any name, so an empty one stands for none.
    let json = |value: &Option<serde_json::Value>| value.as_ref().map(ToString::to_string).unwrap_or_default();
    let each = |column: &dyn Fn(&AuditEntry) -> String| Value::from(batch.audit.iter().map(column).collect::<Vec<_>>());
    let values = [
        batch.nonce.into(),
        bytes(batch.parts),
        bytes(keys),
        bytes(payloads),
        Value::from(gone),
        Value::from(batch.trees),
        batch.caller.into(),
        batch.actor.into(),
        batch.method.into(),
        batch.request_id.into(),
        each(&|entry| owner(&entry.resource).to_owned()),
        each(&|entry| container(entry).unwrap_or_default().to_owned()),
        each(&|entry| entry.resource.clone()),
        each(&|entry| entry.action.clone()),
        each(&|entry| json(&entry.before)),
        each(&|entry| json(&entry.after)),
        batch.response.into(),
    ];
    read_head(transaction.query_one_raw(Statement::from_sql_and_values(DbBackend::Postgres, POSTGRES, values)).await?)
}

fn bytes(values: Vec<Vec<u8>>) -> Value {
    Value::Array(sea_orm::sea_query::ArrayType::Bytes, Some(Box::new(values.into_iter().map(Value::from).collect())))
}

/// The same as several statements: there is no round trip to save, and no other writer.
async fn record_on_sqlite(transaction: &DatabaseTransaction, batch: Batch) -> Result<Token, DbErr> {
    let statement = |sql: &str, values: Vec<Value>| Statement::from_sql_and_values(DbBackend::Sqlite, sql, values);
    let now = Utc::now();
    let take = "UPDATE feed_head SET rev = rev + 1, nonce = $1 WHERE feed = 1 RETURNING rev, nonce, epoch";
    let token = read_head(transaction.query_one_raw(statement(take, vec![batch.nonce.into()])).await?)?;
    let rev = i64::try_from(token.revision).map_err(|_| DbErr::Type("the revisions are used up".to_owned()))?;

    let last = batch.parts.len() - 1;
    for (number, part) in batch.parts.into_iter().enumerate() {
        let sql = "INSERT INTO feed_change(rev, part, is_last, nonce, at, payload) VALUES ($1, $2, $3, $4, $5, $6)";
        let values = vec![rev.into(), ordinal(number)?, (number == last).into(), batch.nonce.into(), now.into(), part.into()];
        transaction.execute_raw(statement(sql, values)).await?;
    }
    for state in batch.states {
        let sql = "INSERT INTO feed_state(key, rev, payload) VALUES ($1, $2, $3)
                   ON CONFLICT (key) DO UPDATE SET rev = excluded.rev, payload = excluded.payload";
        transaction.execute_raw(statement(sql, vec![state.key.into(), rev.into(), state.payload.into()])).await?;
    }
    for tree in batch.trees {
        let sql = "INSERT INTO tree(root, rev, nonce) VALUES ($1, $2, $3)
                   ON CONFLICT (root) DO UPDATE SET rev = excluded.rev, nonce = excluded.nonce";
        transaction.execute_raw(statement(sql, vec![tree.into(), rev.into(), batch.nonce.into()])).await?;
    }
    for (number, entry) in batch.audit.into_iter().enumerate() {
        let sql =
            "INSERT INTO audit_entry(rev, entry, at, caller, actor, method, request_id, owner, node, resource, action, before_state, after_state)
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)";
        let values = vec![
            rev.into(),
            ordinal(number)?,
            now.into(),
            batch.caller.clone().into(),
            batch.actor.clone().into(),
            batch.method.into(),
            batch.request_id.into(),
            owner(&entry.resource).to_owned().into(),
            container(&entry).map(ToOwned::to_owned).into(),
            entry.resource.into(),
            entry.action.into(),
            entry.before.into(),
            entry.after.into(),
        ];
        transaction.execute_raw(statement(sql, values)).await?;
    }
    if let Some(id) = batch.request_id {
        let sql = "UPDATE request_log SET response = $1, rev = $2, nonce = $3 WHERE caller = $4 AND actor = $5 AND method = $6 AND request_id = $7";
        let values = vec![
            batch.response.into(),
            rev.into(),
            batch.nonce.into(),
            batch.caller.into(),
            batch.actor.into(),
            batch.method.into(),
            id.into(),
        ];
        transaction.execute_raw(statement(sql, values)).await?;
    }
    Ok(token)
}

fn ordinal(number: usize) -> Result<Value, DbErr> {
    i32::try_from(number).map(Value::from).map_err(|_| DbErr::Type("too many parts in one commit".to_owned()))
}
