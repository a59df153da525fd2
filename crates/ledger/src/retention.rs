//! What is forgotten: changes, tombstones and answers that are older than the retention, and audit entries that
//! are older than theirs.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use sea_orm::{ConnectionTrait, DbBackend, DbErr, Statement, Value};
use tokio_util::sync::CancellationToken;

use crate::{error::Error, open::Ledger};

/// Revisions, and rows of the other tables, that one statement deletes.
const BATCH: i64 = 1_000;

/// What was forgotten.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// The oldest cursor that may still be watched from.
    pub floor: u64,
    /// Rows of the log.
    pub parts: u64,
    /// Keys that were gone.
    pub tombstones: u64,
    /// Answers to requests.
    pub answers: u64,
    /// Entries of the audit trail.
    pub audit_entries: u64,
}

impl Ledger {
    /// Forgets what is due, every now and then, until `drain`. Several processes may do so at once.
    pub async fn keep_retention(&self, drain: CancellationToken) {
        loop {
            // Not at once: commands that open a ledger for a moment should not clean it.
            let interval = self.inner.retention.interval.max(Duration::from_secs(1));
            if drain.run_until_cancelled(tokio::time::sleep(interval)).await.is_none() {
                return;
            }
            match drain.run_until_cancelled(self.forget()).await {
                Some(Ok(forgotten)) => tracing::debug!(?forgotten, "retention"),
                Some(Err(error)) => tracing::warn!(%error, "what is older than the retention could not be deleted; trying again"),
                None => return,
            }
        }
    }

    /// Forgets what is due.
    ///
    /// The floor is raised first, in its own commit, so that a watcher that still reads below it learns so from its next read; then
    /// the log is deleted in batches, so that no transaction is long. The change at the floor stays: its nonce proves a cursor there.
    pub async fn forget(&self) -> Result<Forgotten, Error> {
        let now = self.now().await?;
        let cutoff = earlier(now, self.inner.retention.age);
        let kept = i64::try_from(self.inner.retention.changes).unwrap_or(i64::MAX);

        let mut forgotten = Forgotten::default();
        let mut floor = self.number("SELECT floor_rev AS n FROM feed_floor WHERE feed = 1", []).await?;
        loop {
            let due = "SELECT COALESCE(max(rev), $1) AS n FROM (
                         SELECT rev, at FROM feed_change WHERE rev > $1 AND rev <= (SELECT rev FROM feed_head WHERE feed = 1) - $2
                         ORDER BY rev LIMIT $3) AS oldest WHERE at < $4";
            let next = self.number(due, [floor.into(), kept.into(), BATCH.into(), cutoff.into()]).await?;
            if next > floor {
                self.change("UPDATE feed_floor SET floor_rev = $1 WHERE feed = 1 AND floor_rev < $1", [next.into()]).await?;
            }
            // Also what an earlier run left when it was killed between the two.
            forgotten.parts += self.delete_log_below(next).await?;
            if next == floor {
                break;
            }
            floor = next;
        }
        forgotten.floor = floor.unsigned_abs();
        forgotten.tombstones = self
            .in_batches(
                "DELETE FROM feed_state WHERE key IN (SELECT key FROM feed_state WHERE payload IS NULL AND rev < $1 LIMIT $2) AND payload IS NULL",
                floor.into(),
            )
            .await?;
        forgotten.answers = self
            .in_batches(
                "DELETE FROM request_log WHERE (caller, actor, method, request_id) IN (
                   SELECT caller, actor, method, request_id FROM request_log WHERE at < $1 ORDER BY at LIMIT $2)",
                cutoff.into(),
            )
            .await?;
        forgotten.audit_entries = self
            .in_batches(
                "DELETE FROM audit_entry WHERE (rev, entry) IN (SELECT rev, entry FROM audit_entry WHERE at < $1 ORDER BY at LIMIT $2)",
                earlier(now, self.inner.retention.audit_age).into(),
            )
            .await?;
        Ok(forgotten)
    }

    async fn delete_log_below(&self, floor: i64) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let first = self.number("SELECT COALESCE(min(rev), $1) AS n FROM feed_change", [floor.into()]).await?;
            if first >= floor {
                return Ok(deleted);
            }
            let end = floor.min(first.saturating_add(BATCH));
            deleted += self.change("DELETE FROM feed_change WHERE rev < $1", [end.into()]).await?;
        }
    }

    async fn in_batches(&self, sql: &str, bound: Value) -> Result<u64, Error> {
        let mut deleted = 0;
        loop {
            let now = self.change(sql, [bound.clone(), BATCH.into()]).await?;
            deleted += now;
            if now < BATCH.unsigned_abs() {
                return Ok(deleted);
            }
        }
    }

    /// The clock that the rows' times are by.
    async fn now(&self) -> Result<DateTime<Utc>, Error> {
        if self.backend() == DbBackend::Sqlite {
            return Ok(Utc::now());
        }
        let row = self.reader().query_one_raw(Statement::from_string(self.backend(), "SELECT clock_timestamp() AS at")).await?;
        Ok(row.ok_or_else(|| DbErr::RecordNotFound("clock_timestamp".to_owned()))?.try_get("", "at")?)
    }

    async fn number<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<i64, Error> {
        let row = self.reader().query_one_raw(Statement::from_sql_and_values(self.backend(), sql, values)).await?;
        Ok(row.ok_or_else(|| DbErr::RecordNotFound("a number".to_owned()))?.try_get("", "n")?)
    }

    async fn change<const N: usize>(&self, sql: &str, values: [Value; N]) -> Result<u64, Error> {
        Ok(self.inner.writer.execute_raw(Statement::from_sql_and_values(self.backend(), sql, values)).await?.rows_affected())
    }
}

/// So long before.
fn earlier(now: DateTime<Utc>, age: Duration) -> DateTime<Utc> {
    let age = TimeDelta::from_std(age).unwrap_or(TimeDelta::MAX);
    now.checked_sub_signed(age).unwrap_or(DateTime::<Utc>::MIN_UTC)
}
