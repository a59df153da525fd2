//! An open write, and how its answer gets the revision.

use api::{
    authz::v1::{self as authz, Terms},
    feed::v1::Record,
};
use chassis::internal;
use chrono::{DateTime, Utc};
use client::guard::{Ask, Permit};
use ledger::{AuditEntry, Begun, Permitted, Write, WriteConnection};
use prost::Message;
use serde_json::Value;
use tonic::{Code, Response, Status};

use crate::{
    Service,
    call::{Call, WriteCall},
    status::ledger_status,
};

/// An open write: the trees are locked and the permit holds. Dropped, it leaves nothing.
#[must_use = "a change that is not committed is rolled back"]
pub struct Change {
    write: Write<Permitted>,
    now: DateTime<Utc>,
}

/// What became of the beginning of a write.
pub enum Opened<R> {
    /// It is open.
    Open(Change),
    /// The same call was answered before, with this.
    Answered(Response<R>),
}

/// The answer to a write.
pub trait Answer: Message + Default {
    /// Writes the revision of the commit into it, and into what is in it.
    fn stamp(&mut self, revision: &str);
}

/// Why a write on somebody else's authority did not open.
pub enum Unopened {
    /// They may not, or what is asked for makes no sense any more: what authz says to them, which is none of the actor's business.
    Refused(Status),
    /// Anything else, for the actor.
    Failed(Status),
}

impl Service {
    /// Asks for a permit to read: decided on the state that is committed now, so that who has just lost a right sees nothing more.
    pub async fn permit(&self, call: &Call, ask: Ask) -> Result<Permit, Status> {
        self.permit_of(&call.actor, call, ask).await
    }

    async fn permit_of(&self, actor: &str, call: &Call, ask: Ask) -> Result<Permit, Status> {
        let head = self.ledger.head().await.map_err(ledger_status)?;
        self.guard.require(actor, ask, Some(head), call.deadline.instant()).await
    }

    /// Asks for a permit to spend on a write: on whatever view authz has, for the write compares what it rests on. Only a refusal is asked for
    /// again on the present state; it may be that authz had not yet seen what the actor was given, or what this is about.
    pub async fn permit_to_write(&self, call: &Call, ask: Ask) -> Result<Permit, Status> {
        self.permit_to_write_of(&call.actor, call, ask).await
    }

    async fn permit_to_write_of(&self, actor: &str, call: &Call, ask: Ask) -> Result<Permit, Status> {
        match self.guard.require(actor, ask.clone(), None, call.deadline.instant()).await {
            Err(status) if !matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) => {
                self.permit_of(actor, call, ask).await
            }
            answer => answer,
        }
    }

    /// Opens a write that needs a permit, or finds how the same call was answered: a repeated call needs no permit again, what it
    /// was about may be gone.
    pub async fn open<R: Answer>(&self, call: &WriteCall, ask: Ask) -> Result<Opened<R>, Status> {
        if let Some(answer) = self.answered_before(call).await? {
            return Ok(Opened::Answered(answer));
        }
        let permit = self.permit_to_write(&call.call, ask).await?;
        match self.ledger.begin(call.request(), Permitted::from(permit)).await.map_err(ledger_status)? {
            Begun::Open(write) => Ok(Opened::Open(Change { write, now: self.now() })),
            Begun::Replay { response, token } => Ok(Opened::Answered(answered(&response, &token.to_string())?)),
        }
    }

    /// Opens a write that its actor makes on somebody else's authority, as it is now: the permit is theirs, everything else is the actor's.
    pub async fn open_on_authority_of<R: Answer>(&self, call: &WriteCall, authority: &str, ask: Ask) -> Result<Opened<R>, Unopened> {
        if let Some(answer) = self.answered_before(call).await.map_err(Unopened::Failed)? {
            return Ok(Opened::Answered(answer));
        }
        let permit = self.permit_to_write_of(authority, &call.call, ask).await.map_err(Unopened::of_permit)?;
        match self.ledger.begin(call.request(), Permitted::from(permit)).await {
            Ok(Begun::Open(write)) => Ok(Opened::Open(Change { write, now: self.now() })),
            Ok(Begun::Replay { response, token }) => {
                answered(&response, &token.to_string()).map(Opened::Answered).map_err(Unopened::Failed)
            }
            // Asked for again under the locks.
            Err(ledger::Error::Refused(status)) => Err(Unopened::of_permit(status)),
            Err(error) => Err(Unopened::Failed(ledger_status(error))),
        }
    }

    /// Opens a write that is a part of a longer call.
    pub async fn open_part(&self, call: &WriteCall, ask: Ask) -> Result<Change, Status> {
        let permit = self.permit_to_write(&call.call, ask).await?;
        match self.ledger.begin(call.request(), Permitted::from(permit)).await.map_err(ledger_status)? {
            Begun::Open(write) => Ok(Change { write, now: self.now() }),
            Begun::Replay { .. } => Err(internal("a write without a request id was answered before")),
        }
    }

    /// How the same call was answered before, if it was: for writes that read what they are about before they ask for the permit.
    pub async fn answered_before<R: Answer>(&self, call: &WriteCall) -> Result<Option<Response<R>>, Status> {
        if !call.is_repeatable() {
            return Ok(None);
        }
        let replayed = self.ledger.replayed(&call.request()).await.map_err(ledger_status)?;
        replayed.map(|(response, token)| answered(&response, &token.to_string())).transpose()
    }
}

fn answered<R: Answer>(response: &[u8], revision: &str) -> Result<Response<R>, Status> {
    let mut answer = R::decode(response).map_err(internal)?;
    answer.stamp(revision);
    Ok(Response::new(answer))
}

impl Unopened {
    fn of_permit(status: Status) -> Self {
        match status.code() {
            Code::PermissionDenied | Code::NotFound | Code::InvalidArgument | Code::FailedPrecondition => Self::Refused(status),
            _ => Self::Failed(status),
        }
    }
}

impl Change {
    /// For the store's statements.
    pub fn connection(&self) -> &WriteConnection {
        self.write.connection()
    }

    /// What authz said, as of the locked trees.
    pub fn granted(&self) -> &authz::Permit {
        self.write.authority().permit().granted()
    }

    /// What is to be kept to for the requirement at this index.
    pub fn terms(&self, index: usize) -> Option<&Terms> {
        self.write.authority().permit().terms(index)
    }

    /// When it happens.
    pub fn now(&self) -> DateTime<Utc> {
        self.now
    }

    /// The new state of a thing, for the feed.
    pub fn put(&mut self, record: Record) {
        self.write.put(record);
    }

    /// That the thing with this key is gone, for the feed.
    pub fn delete(&mut self, key: impl Into<String>) {
        self.write.delete(key);
    }

    /// An entry of the audit trail. `before` and `after` are what the thing was and became.
    pub fn audit(&mut self, action: &str, resource: &str, before: Option<Value>, after: Option<Value>) {
        self.write.audit(AuditEntry { resource: resource.to_owned(), node: None, action: action.to_owned(), before, after });
    }

    /// An entry about a node that the resource's name does not tell: of a role binding where it is. The trail of the node shows it.
    pub fn audit_at(&mut self, node: &str, action: &str, resource: &str, before: Option<Value>, after: Option<Value>) {
        let node = Some(node.to_owned());
        self.write.audit(AuditEntry { resource: resource.to_owned(), node, action: action.to_owned(), before, after });
    }

    /// Commits what has no answer of its own.
    pub async fn commit(self) -> Result<(), Status> {
        self.write.commit(&[]).await.map(|_| ()).map_err(ledger_status)
    }

    /// Commits, and answers with the revision.
    pub async fn answer<R: Answer>(self, answer: R) -> Result<Response<R>, Status> {
        self.answer_revealing(answer, |_| {}).await
    }

    /// The same with a secret in the answer that is not in what is kept of it: the same call again is answered without.
    pub async fn answer_revealing<R: Answer>(self, mut answer: R, reveal: impl FnOnce(&mut R)) -> Result<Response<R>, Status> {
        let committed = self.write.commit(&answer.encode_to_vec()).await.map_err(ledger_status)?;
        answer.stamp(&committed.token.to_string());
        reveal(&mut answer);
        Ok(Response::new(answer))
    }
}
