//! The stream of what happens to invitations.

use std::time::Duration;

use api::{
    directory::v1::{self as proto, InvitationEvent},
    error::v1::Reason,
};
use chassis::refuse;
use client::token::Token;
use decision::name::InvitationName;
use ledger::AuditRecord;
use service::{call::Call, fields::timestamp, status::ledger_status};
use tokio::{sync::mpsc, time::sleep};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status};

use crate::{
    Directory,
    invitation::{ACTIONS, Cursor, kind_of},
    status::Error,
    store,
    wire::invitation as wire,
};

/// Read at once.
const BATCH: u32 = 100;
/// Events that wait for the connection of one client.
const BUFFER: usize = 32;
/// How often it is looked for more.
const POLL: Duration = Duration::from_millis(200);
/// A stream ends after so long, so that connections spread over the servers again.
const STREAM_AGE: Duration = Duration::from_secs(3600);

type Events = mpsc::Sender<Result<InvitationEvent, Status>>;

impl Directory {
    pub(super) async fn follow_invitations(
        &self,
        call: Call,
        cursor: Option<Cursor>,
    ) -> Result<ReceiverStream<Result<InvitationEvent, Status>>, Status> {
        let head = self.service.ledger().head().await.map_err(ledger_status)?;
        let cursor = cursor.unwrap_or(Cursor { epoch: head.epoch, revision: 0, entry: 0 });
        known(cursor, head)?;
        let (events, receiver) = mpsc::channel(BUFFER);
        let directory = self.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = directory.send_events(&call, cursor, &events) => ended,
                () = directory.drain.cancelled() => Ok(()),
                () = sleep(STREAM_AGE) => Ok(()),
                () = events.closed() => Ok(()),
            };
            if let Err(status) = ended {
                // The client may be gone.
                let _ = events.send(Err(status)).await;
            }
        });
        Ok(ReceiverStream::new(receiver))
    }

    /// Sends what follows a cursor, until the client is gone or the cursor is.
    async fn send_events(&self, call: &Call, mut at: Cursor, events: &Events) -> Result<(), Status> {
        let mut seen = None;
        loop {
            // Before the trail is read: what is committed by this head is in it.
            let head = self.service.ledger().head().await.map_err(ledger_status)?;
            known(at, head)?;
            if seen == Some(head) {
                sleep(POLL).await;
                continue;
            }
            let sent = at;
            loop {
                let found =
                    self.service.ledger().audit_of_actions(&ACTIONS, (at.revision, at.entry), BATCH).await.map_err(ledger_status)?;
                for record in &found {
                    at = Cursor { epoch: head.epoch, revision: record.revision, entry: record.entry };
                    let event = self.event_of(call, at, record).await?;
                    if events.send(Ok(event)).await.is_err() {
                        return Ok(());
                    }
                }
                if found.is_empty() {
                    break;
                }
            }
            if seen.is_none() || at != sent {
                let all = InvitationEvent { cursor: self.service.cursor(call, &at.to_string()), ..InvitationEvent::default() };
                if events.send(Ok(all)).await.is_err() {
                    return Ok(());
                }
            }
            seen = Some(head);
        }
    }

    async fn event_of(&self, call: &Call, at: Cursor, record: &AuditRecord) -> Result<InvitationEvent, Status> {
        let name = InvitationName::parse(&record.what.resource).map_err(|_| Error::not_found(record.what.resource.as_str()))?;
        let found = store::invitation::find(self.service.ledger().reader(), &name).await.map_err(Error::from)?;
        let invitation = match found {
            Some(found) => wire::write(&found, self.service.now()),
            None => proto::Invitation { name: name.to_string(), ..proto::Invitation::default() },
        };
        Ok(InvitationEvent {
            cursor: self.service.cursor(call, &at.to_string()),
            kind: kind_of(&record.what.action).into(),
            invitation: Some(invitation),
            actor: record.actor.clone(),
            time: timestamp(record.at),
        })
    }
}

/// Whether what follows a cursor can be told by a store with this head.
fn known(cursor: Cursor, head: Token) -> Result<(), Status> {
    if cursor.epoch != head.epoch {
        let message = "the cursor is of a history that was restored away; begin without one";
        return Err(refuse(Code::OutOfRange, Reason::CursorGone, message).metadata("head", head.revision).status());
    }
    if cursor.revision > head.revision {
        let message = "the cursor is ahead of this server's head; try again";
        return Err(refuse(Code::Unavailable, Reason::NotFresh, message).metadata("head", head.revision).retry_after(POLL).status());
    }
    Ok(())
}
