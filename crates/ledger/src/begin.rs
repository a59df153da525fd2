//! How a write begins: its turn, its transaction, its request id, its locks, its authority.

use std::{collections::BTreeSet, time::Duration};

use chrono::Utc;
use client::token::Token;
use sea_orm::{ConnectionTrait, DatabaseTransaction, DbErr, Statement};
use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use crate::{
    authority::Authority,
    error::{Error, StoreError, classify},
    locks::{Locked, Plan, Standing, agree, epoch_of, has_lapsed, lock, newest, revision, stamps_of},
    open::{Ledger, lock_deadline},
    queue::Turn,
    write::Write,
};

/// Who asks for a write, and how.
#[derive(Clone, Debug)]
pub struct WriteRequest {
    /// The service that makes the call.
    pub caller: String,
    /// The user it is made for.
    pub actor: String,
    /// The RPC: `directory.v1.WorkspaceService/CreateWorkspace`.
    pub method: &'static str,
    /// The same again from the same caller, actor and method gets the first answer.
    pub request_id: Option<Uuid>,
    /// Of everything in the request that makes it another request.
    pub body_hash: [u8; 32],
    /// Everything but the commit: [`Write::commit`] checks and rolls back.
    pub validate_only: bool,
    /// The request's. Locks and the authority are waited for until then, at most 5 s.
    pub deadline: Instant,
}

/// What became of [`Ledger::begin`].
#[must_use]
pub enum Begun<A: Authority> {
    /// This very request was answered before; nothing is to be done.
    Replay {
        /// The bytes given to [`Write::commit`] then.
        response: Vec<u8>,
        /// Of that commit.
        token: Token,
    },
    /// The write is open, the trees are locked and the authority holds.
    Open(Write<A>),
}

/// What one attempt came to.
enum Attempt {
    Replay {
        response: Vec<u8>,
        token: Token,
    },
    Open(DatabaseTransaction),
    /// The authority now rests on trees that are not locked. To lock them here could end in a deadlock.
    StartOver,
}

/// Between attempts that lost against others.
const PAUSE: Duration = Duration::from_millis(5);

/// Between attempts to reach the database.
const RECONNECT: Duration = Duration::from_millis(100);

impl Ledger {
    /// Opens a write: waits for its turn on the trees to be written, takes the request id, locks the trees and makes sure that the
    /// authority rests on exactly what is locked, asking it again where it does not.
    ///
    /// `Busy` if that takes longer than the deadline or 5 s; `Refused` with what the authority says; `RequestIdReused`.
    pub async fn begin<A: Authority>(&self, request: WriteRequest, mut authority: A) -> Result<Begun<A>, Error> {
        let deadline = lock_deadline(request.deadline);
        let opened = timeout_at(deadline, self.open_write(&request, &mut authority, deadline)).await.unwrap_or_else(|_| Err(Error::busy()));
        match opened? {
            (Attempt::Replay { response, token }, _) => Ok(Begun::Replay { response, token }),
            (Attempt::Open(transaction), turn) => Ok(Begun::Open(Write::new(self.clone(), transaction, turn, authority, request))),
            (Attempt::StartOver, _) => Err(Error::busy()),
        }
    }

    /// How this very request was answered, if it was: the bytes given to [`Write::commit`] then, and the token of that commit. Needs no
    /// authority, for a request that is repeated may find that what it was about is gone. `RequestIdReused`.
    ///
    /// None says nothing about a request that is still under way; [`Ledger::begin`] waits for that one.
    pub async fn replayed(&self, request: &WriteRequest) -> Result<Option<(Vec<u8>, Token)>, Error> {
        let Some(id) = request.request_id else { return Ok(None) };
        match find_answer(self.reader(), request, id).await? {
            None => Ok(None),
            Some(Answered::Same { response, token }) => Ok(Some((response, token))),
            Some(Answered::Another) => Err(Error::RequestIdReused),
        }
    }

    /// Attempts until one succeeds, or fails of something else than others being in the way.
    async fn open_write<A: Authority>(
        &self,
        request: &WriteRequest,
        authority: &mut A,
        deadline: Instant,
    ) -> Result<(Attempt, Turn), Error> {
        let mut turn = self.take_turn(authority, deadline).await?;
        loop {
            let failure = match self.attempt(request, authority, deadline).await {
                Ok(Attempt::StartOver) => None,
                Ok(done) => return Ok((done, turn)),
                Err(failure) => Some(failure),
            };
            match failure {
                Some(Failure::Store(StoreError::Contended)) if Instant::now() + PAUSE < deadline => sleep(PAUSE).await,
                // A connection that died before anything was written is no reason to fail either.
                Some(Failure::Store(StoreError::Unavailable)) if Instant::now() + RECONNECT < deadline => sleep(RECONNECT).await,
                Some(failure) => return Err(failure.into()),
                None => {}
            }
            if !turn.is_on(&written(authority)) {
                drop(turn);
                turn = self.take_turn(authority, deadline).await?;
            }
        }
    }

    /// Waits in line for the trees to be written. Whoever had to wait has an outdated authority, most likely: it is renewed here,
    /// before a connection and row locks are held for it.
    async fn take_turn<A: Authority>(&self, authority: &mut A, deadline: Instant) -> Result<Turn, Error> {
        let turn = self.inner.queues.turn(&written(authority)).await;
        if turn.waited && !authority.stamps().is_empty() {
            // It is compared under the locks in any case, so to look in vain here costs only time.
            if let Ok(Some(at_least)) = self.newer_than(authority).await {
                authority.renew(at_least, deadline).await.map_err(Error::Refused)?;
            }
        }
        Ok(turn)
    }

    /// What an authority must be renewed at, if it is outdated.
    async fn newer_than<A: Authority>(&self, authority: &A) -> Result<Option<Token>, DbErr> {
        let reader = &self.inner.reader;
        let positions = stamps_of(reader, authority.stamps().iter().map(|stamp| &stamp.tree)).await?;
        if !has_lapsed(authority, Utc::now()) && agree(authority, &positions) {
            return Ok(None);
        }
        Ok(Some(newest(&positions, epoch_of(reader).await?)))
    }

    async fn attempt<A: Authority>(&self, request: &WriteRequest, authority: &mut A, deadline: Instant) -> Result<Attempt, Failure> {
        let transaction = self.inner.begin_transaction().await?;
        if let Some(answered) = claim_request_id(&transaction, request).await? {
            transaction.rollback().await?;
            return match answered {
                Answered::Same { response, token } => Ok(Attempt::Replay { response, token }),
                Answered::Another => Err(Failure::RequestIdReused),
            };
        }
        let locked = lock(&transaction, Plan::of(authority)).await?;
        match settle(&locked, authority, deadline).await {
            Ok(Standing::Holds) => Ok(Attempt::Open(transaction)),
            Ok(_) => {
                transaction.rollback().await?;
                Ok(Attempt::StartOver)
            }
            Err(status) => {
                transaction.rollback().await?;
                Err(Failure::Refused(status))
            }
        }
    }
}

/// Renews the authority until it holds, or rests on something else. The trees cannot change meanwhile, so once is enough unless authz
/// answers from an older view than asked for.
async fn settle<A: Authority>(locked: &Locked, authority: &mut A, deadline: Instant) -> Result<Standing, tonic::Status> {
    let mut pause = Duration::ZERO;
    loop {
        match locked.standing(authority, Utc::now()) {
            Standing::Outdated => {
                sleep(pause).await;
                authority.renew(locked.newest(), deadline).await?;
                pause = (pause * 2).clamp(PAUSE, Duration::from_millis(100));
            }
            settled => return Ok(settled),
        }
    }
}

fn written(authority: &impl Authority) -> BTreeSet<String> {
    authority.written().iter().cloned().collect()
}

enum Failure {
    RequestIdReused,
    Refused(tonic::Status),
    Store(StoreError),
}

impl From<DbErr> for Failure {
    fn from(error: DbErr) -> Self {
        Self::Store(classify(error))
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::RequestIdReused => Self::RequestIdReused,
            Failure::Refused(status) => Self::Refused(status),
            Failure::Store(error) => error.into(),
        }
    }
}

enum Answered {
    Same { response: Vec<u8>, token: Token },
    Another,
}

/// Takes the request id for this write, or finds how it was answered. Waits for another write that has just taken it.
async fn claim_request_id(transaction: &DatabaseTransaction, request: &WriteRequest) -> Result<Option<Answered>, DbErr> {
    let Some(id) = request.request_id else { return Ok(None) };
    let backend = transaction.get_database_backend();
    let key = [request.caller.clone().into(), request.actor.clone().into(), request.method.into(), id.into()];
    let claim = Statement::from_sql_and_values(
        backend,
        "INSERT INTO request_log(caller, actor, method, request_id, body_hash, at) VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT DO NOTHING",
        key.iter().cloned().chain([request.body_hash.to_vec().into(), Utc::now().into()]),
    );
    if transaction.execute_raw(claim).await?.rows_affected() == 1 {
        return Ok(None);
    }
    let answered = find_answer(transaction, request, id).await?;
    answered.map(Some).ok_or_else(|| DbErr::RecordNotFound("request_log".to_owned()))
}

/// How a request was answered that had this id; none if there was none, or it is still under way.
async fn find_answer(connection: &impl ConnectionTrait, request: &WriteRequest, id: Uuid) -> Result<Option<Answered>, DbErr> {
    let find = Statement::from_sql_and_values(
        connection.get_database_backend(),
        "SELECT body_hash, response, rev, nonce, (SELECT epoch FROM feed_head WHERE feed = 1) AS epoch FROM request_log
         WHERE caller = $1 AND actor = $2 AND method = $3 AND request_id = $4",
        [request.caller.clone().into(), request.actor.clone().into(), request.method.into(), id.into()],
    );
    let Some(row) = connection.query_one_raw(find).await? else { return Ok(None) };
    if row.try_get::<Vec<u8>>("", "body_hash")? != request.body_hash {
        return Ok(Some(Answered::Another));
    }
    let token = Token { epoch: row.try_get("", "epoch")?, revision: revision(row.try_get("", "rev")?)?, nonce: row.try_get("", "nonce")? };
    Ok(Some(Answered::Same { response: row.try_get("", "response")?, token }))
}
