//! An open write.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicBool, Ordering},
};

use api::feed::v1::Record;
use async_trait::async_trait;
use chrono::Utc;
use client::token::Token;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::{
    audit::AuditEntry,
    authority::Authority,
    begin::WriteRequest,
    commit::{Batch, head, record_commit},
    error::{Error, StoreError, classify},
    locks::has_lapsed,
    open::Ledger,
    queue::Turn,
};

/// A transaction that holds the locks of its trees and an authority that rests on them. Dropped, it leaves nothing.
#[must_use = "a write that is not committed is rolled back"]
pub struct Write<A: Authority> {
    // The transaction goes before the turn, so that whoever is next finds the locks free.
    connection: WriteConnection,
    authority: A,
    request: WriteRequest,
    records: BTreeMap<String, Record>,
    audit: Vec<AuditEntry>,
    ledger: Ledger,
    _turn: Turn,
}

/// A write that is in the database, or would be (`validate_only`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Committed {
    /// The position after it; of a write that was only validated, the present head.
    pub token: Token,
    /// The same revision.
    pub revision: u64,
}

impl<A: Authority> Write<A> {
    pub(crate) fn new(ledger: Ledger, transaction: DatabaseTransaction, turn: Turn, authority: A, request: WriteRequest) -> Self {
        let connection = WriteConnection { transaction, failed: AtomicBool::new(false) };
        Self { connection, authority, request, records: BTreeMap::new(), audit: Vec::new(), ledger, _turn: turn }
    }

    /// For the domain's statements.
    pub fn connection(&self) -> &WriteConnection {
        &self.connection
    }

    /// What entitles the write.
    pub fn authority(&self) -> &A {
        &self.authority
    }

    /// The new state of a thing, for the feed. The last one of a key counts.
    pub fn put(&mut self, record: Record) {
        self.records.insert(record.key.clone(), record);
    }

    /// That the thing with this key is gone.
    pub fn delete(&mut self, key: impl Into<String>) {
        // A reader that does not know the thing may always skip that it is gone.
        self.put(Record { key: key.into(), skippable_from: 0, state: None });
    }

    /// An entry of the audit trail.
    pub fn audit(&mut self, entry: AuditEntry) {
        self.audit.push(entry);
    }

    /// Writes the feed's records, the audit entries, the stamps and the answer, takes the next revision, and commits. `response` is
    /// what a replay gets: without the token, which [`Committed`] has.
    ///
    /// After an error nothing was written, with the exception of [`Error::OutcomeUnknown`]. `validate_only`: checks, rolls back.
    pub async fn commit(self, response: &[u8]) -> Result<Committed, Error> {
        let Self { connection, authority, request, records, audit, ledger, _turn } = self;
        let WriteConnection { transaction, failed } = connection;
        // PostgreSQL would refuse the next statement; SQLite goes on as if nothing had been.
        if failed.into_inner() {
            roll_back(transaction).await;
            return Err(Error::Poisoned);
        }
        if has_lapsed(&authority, Utc::now()) {
            roll_back(transaction).await;
            return Err(Error::busy());
        }
        let batch = match Batch::new(&request, authority.written(), records.into_values(), audit, response) {
            Ok(batch) => batch,
            Err(error) => {
                roll_back(transaction).await;
                return Err(error);
            }
        };
        if request.validate_only {
            return validate(transaction).await;
        }
        let token = match record_commit(&transaction, batch).await {
            Ok(token) => token,
            Err(error) => {
                roll_back(transaction).await;
                return Err(error.into());
            }
        };
        transaction.commit().await.map_err(commit_failed)?;
        ledger.inner.wake.committed();
        Ok(Committed { token, revision: token.revision })
    }
}

/// Checks what is otherwise checked by the commit, and leaves nothing.
async fn validate(transaction: DatabaseTransaction) -> Result<Committed, Error> {
    if transaction.get_database_backend() == DbBackend::Postgres {
        transaction.execute_unprepared("SET CONSTRAINTS ALL IMMEDIATE").await?;
    }
    let token = head(&transaction).await?;
    transaction.rollback().await?;
    Ok(Committed { token, revision: token.revision })
}

/// The server rolls back what is not committed in any case; this does it now.
async fn roll_back(transaction: DatabaseTransaction) {
    if let Err(error) = transaction.rollback().await {
        tracing::debug!(%error, "a rollback failed; the connection will be closed");
    }
}

/// COMMIT itself failed: either the server says why and has rolled back, or nobody knows.
fn commit_failed(error: DbErr) -> Error {
    match classify(error) {
        StoreError::Unavailable => Error::OutcomeUnknown,
        StoreError::Fault(fault) => {
            tracing::error!(cause = %fault.cause(), "a commit failed; whether it took place is unknown");
            Error::OutcomeUnknown
        }
        known => known.into(),
    }
}

/// The transaction of a write, for statements only. Remembers when one failed: the write cannot be committed then, on either store.
pub struct WriteConnection {
    transaction: DatabaseTransaction,
    failed: AtomicBool,
}

impl WriteConnection {
    fn note<T>(&self, result: Result<T, DbErr>) -> Result<T, DbErr> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}

#[async_trait]
impl ConnectionTrait for WriteConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.transaction.get_database_backend()
    }

    async fn execute_raw(&self, statement: Statement) -> Result<ExecResult, DbErr> {
        self.note(self.transaction.execute_raw(statement).await)
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        self.note(self.transaction.execute_unprepared(sql).await)
    }

    async fn query_one_raw(&self, statement: Statement) -> Result<Option<QueryResult>, DbErr> {
        self.note(self.transaction.query_one_raw(statement).await)
    }

    async fn query_all_raw(&self, statement: Statement) -> Result<Vec<QueryResult>, DbErr> {
        self.note(self.transaction.query_all_raw(statement).await)
    }
}
