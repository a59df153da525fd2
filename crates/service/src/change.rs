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

impl Service {
    /// Asks for a permit to read: decided on the state that is committed now, so that who has just lost a right sees nothing more.
    pub async fn permit(&self, call: &Call, ask: Ask) -> Result<Permit, Status> {
        let head = self.ledger.head().await.map_err(ledger_status)?;
        self.guard.require(&call.actor, ask, Some(head), call.deadline.instant()).await
    }

    /// Asks for a permit to spend on a write: on whatever view authz has, for the write compares what it rests on. Only a refusal is asked for
    /// again on the present state; it may be that authz had not yet seen what the actor was given, or what this is about.
    pub async fn permit_to_write(&self, call: &Call, ask: Ask) -> Result<Permit, Status> {
        match self.guard.require(&call.actor, ask.clone(), None, call.deadline.instant()).await {
            Err(status) if !matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled) => {
                self.permit(call, ask).await
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
        self.write.audit(AuditEntry { resource: resource.to_owned(), action: action.to_owned(), before, after });
    }

    /// Commits, and answers with the revision.
    pub async fn answer<R: Answer>(self, mut answer: R) -> Result<Response<R>, Status> {
        let committed = self.write.commit(&answer.encode_to_vec()).await.map_err(ledger_status)?;
        answer.stamp(&committed.token.to_string());
        Ok(Response::new(answer))
    }
}
