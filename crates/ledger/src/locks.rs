//! The trees that a write concerns: locked, and compared with what its authority rests on.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use client::token::Token;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, QueryResult, Statement, Value};
use uuid::Uuid;

use crate::{
    authority::Authority,
    open::{Position, Positions},
};

/// How a tree is locked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Rested on.
    Share,
    /// Written.
    Update,
}

/// Which trees to lock, in the one order that everybody keeps.
pub(crate) struct Plan(BTreeMap<String, Mode>);

impl Plan {
    pub(crate) fn of(authority: &impl Authority) -> Self {
        let rested_on = authority.stamps().iter().map(|stamp| (stamp.tree.clone(), Mode::Share));
        let written = authority.written().iter().map(|tree| (tree.clone(), Mode::Update));
        Self(rested_on.chain(written).collect())
    }

    /// Whether whoever holds the locks of this plan needs no other for the authority as it is now.
    fn covers(&self, authority: &impl Authority) -> bool {
        authority.stamps().iter().all(|stamp| self.0.contains_key(&stamp.tree))
            && authority.written().iter().all(|tree| self.0.get(tree) == Some(&Mode::Update))
    }
}

/// The trees of a plan, which now cannot change.
pub(crate) struct Locked {
    plan: Plan,
    positions: Positions,
    epoch: Uuid,
}

/// Whether a write may go on.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Standing {
    /// The authority rests on what is locked.
    Holds,
    /// It rests on an older state, or has lapsed.
    Outdated,
    /// It rests on trees that are not locked.
    Elsewhere,
}

/// Whether the authority has lapsed: at exactly its expiry it has.
pub(crate) fn has_lapsed(authority: &impl Authority, now: DateTime<Utc>) -> bool {
    authority.expires_at().is_some_and(|expiry| expiry <= now)
}

/// Whether every stamp is the present one.
pub(crate) fn agree(authority: &impl Authority, positions: &Positions) -> bool {
    let revision = |tree| positions.get(tree).map_or(0, |position| position.revision);
    authority.stamps().iter().all(|stamp| stamp.revision == revision(&stamp.tree))
}

impl Locked {
    pub(crate) fn standing(&self, authority: &impl Authority, now: DateTime<Utc>) -> Standing {
        if !self.plan.covers(authority) {
            Standing::Elsewhere
        } else if has_lapsed(authority, now) || !agree(authority, &self.positions) {
            Standing::Outdated
        } else {
            Standing::Holds
        }
    }

    /// What a renewed authority must have seen.
    pub(crate) fn newest(&self) -> Token {
        newest(&self.positions, self.epoch)
    }
}

/// The latest of some positions.
pub(crate) fn newest(positions: &Positions, epoch: Uuid) -> Token {
    let newest = positions.values().copied().max_by_key(|position| position.revision).unwrap_or_default();
    Token { epoch, revision: newest.revision, nonce: newest.nonce }
}

/// Locks the trees of a plan in order. A tree without a row gets one on PostgreSQL, since what is not there cannot be locked.
pub(crate) async fn lock(transaction: &impl ConnectionTrait, plan: Plan) -> Result<Locked, DbErr> {
    let mut positions = Positions::new();
    let mut epoch = Uuid::nil();
    if transaction.get_database_backend() == DbBackend::Postgres && !plan.0.is_empty() {
        let runs = runs(&plan);
        for (number, (mode, trees)) in runs.iter().enumerate() {
            let sql = lock_statement(*mode, number + 1 == runs.len());
            let mut rows = lock_run(transaction, sql, trees).await?;
            if rows.len() < trees.len() {
                let insert = "INSERT INTO tree(root, rev, nonce) SELECT root, 0, 0 FROM unnest($1::text[]) AS root ORDER BY root ON CONFLICT DO NOTHING";
                let all = Value::from(trees.clone());
                transaction.execute_raw(Statement::from_sql_and_values(DbBackend::Postgres, insert, [all])).await?;
                rows = lock_run(transaction, sql, trees).await?;
            }
            for row in rows {
                epoch = row.try_get("", "epoch")?;
                let (tree, position) = read_position(&row)?;
                positions.insert(tree, position);
            }
        }
    } else {
        // The transaction is the only writer already.
        positions = stamps_of(transaction, plan.0.keys()).await?;
        epoch = epoch_of(transaction).await?;
    }
    Ok(Locked { plan, positions, epoch })
}

/// Neighbours of one mode are locked by one statement.
fn runs(plan: &Plan) -> Vec<(Mode, Vec<String>)> {
    let mut runs: Vec<(Mode, Vec<String>)> = Vec::new();
    for (tree, mode) in &plan.0 {
        match runs.last_mut() {
            Some((last, trees)) if last == mode => trees.push(tree.clone()),
            _ => runs.push((*mode, vec![tree.clone()])),
        }
    }
    runs
}

// The rows are locked in the inner query's order. Once the last are, the write is not started over lightly, so its other statements
// may wait longer for a lock than the session's 250 ms.
const INNER: &str =
    "SELECT root, rev, nonce, (SELECT epoch FROM feed_head WHERE feed = 1) AS epoch FROM tree WHERE root = ANY($1) ORDER BY root";

fn lock_statement(mode: Mode, last: bool) -> &'static str {
    use std::sync::LazyLock;
    static STATEMENTS: LazyLock<[String; 4]> = LazyLock::new(|| {
        let patient = ", set_config('lock_timeout', '2000', true) AS patience";
        [("SHARE", ""), ("SHARE", patient), ("UPDATE", ""), ("UPDATE", patient)]
            .map(|(mode, patience)| format!("SELECT locked.*{patience} FROM ({INNER} FOR {mode}) AS locked"))
    });
    &STATEMENTS[2 * usize::from(mode == Mode::Update) + usize::from(last)]
}

async fn lock_run(transaction: &impl ConnectionTrait, sql: &str, trees: &[String]) -> Result<Vec<QueryResult>, DbErr> {
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [Value::from(trees.to_vec())]);
    transaction.query_all_raw(statement).await
}

/// The positions of these trees as they are now; absent: 0.
pub(crate) async fn stamps_of(connection: &impl ConnectionTrait, trees: impl Iterator<Item = &String>) -> Result<Positions, DbErr> {
    let trees: BTreeSet<&String> = trees.collect();
    let statement = match connection.get_database_backend() {
        DbBackend::Postgres => Statement::from_sql_and_values(
            DbBackend::Postgres,
            "SELECT root, rev, nonce FROM tree WHERE root = ANY($1)",
            [Value::from(trees.into_iter().cloned().collect::<Vec<_>>())],
        ),
        backend => Statement::from_sql_and_values(
            backend,
            "SELECT root, rev, nonce FROM tree WHERE root IN (SELECT value FROM json_each($1))",
            [Value::from(serde_json::json!(trees).to_string())],
        ),
    };
    connection.query_all_raw(statement).await?.iter().map(read_position).collect()
}

fn read_position(row: &QueryResult) -> Result<(String, Position), DbErr> {
    Ok((row.try_get("", "root")?, Position { revision: revision(row.try_get("", "rev")?)?, nonce: row.try_get("", "nonce")? }))
}

/// The present history.
pub(crate) async fn epoch_of(connection: &impl ConnectionTrait) -> Result<Uuid, DbErr> {
    let sql = "SELECT epoch FROM feed_head WHERE feed = 1";
    let row = connection.query_one_raw(Statement::from_string(connection.get_database_backend(), sql)).await?;
    row.ok_or_else(|| DbErr::RecordNotFound("feed_head".to_owned()))?.try_get("", "epoch")
}

/// Revisions are stored as 64-bit signed integers.
pub(crate) fn revision(stored: i64) -> Result<u64, DbErr> {
    u64::try_from(stored).map_err(|_| DbErr::Type(format!("a revision of {stored}")))
}
