//! The server's half of the feed (`tenantry.feed.v1`): heads, snapshots, and every change in order to whoever watches.
//!
//! One [`Tail`] per process reads the log and keeps the recent part of it in memory; every watcher has a cursor of its own into it,
//! and reads the database itself when it has fallen behind what is kept. So a slow watcher costs nobody anything.

mod log;
mod snapshot;
mod state;
mod tail;
mod wake;
mod watch;

use std::{collections::HashMap, time::Duration};

use api::{
    error::v1::Reason,
    feed::v1::{
        Cursor, GetHeadRequest, GetHeadResponse, SnapshotRequest, SnapshotResponse, WatchRequest, WatchResponse,
        feed_service_server::FeedService,
    },
};
use async_trait::async_trait;
use client::token::Token;
use sea_orm::DbErr;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};
use uuid::Uuid;

pub use state::{keys_after, latest};
pub(crate) use tail::Tail;
pub(crate) use wake::Wake;

use crate::{
    error::{Error, RETRY_AFTER},
    open::Ledger,
};

/// Messages that wait for the connection of one watcher.
const BUFFER: usize = 32;

/// A stream ends after this long, give or take a quarter, so that connections spread over the servers again. Its client goes on from its cursor.
const STREAM_AGE: Duration = Duration::from_secs(3600);

/// Serves the feed of a ledger. Cheap to clone; all of a ledger share one tail.
#[derive(Clone, Debug)]
pub struct FeedServer {
    ledger: Ledger,
    drain: CancellationToken,
}

impl FeedServer {
    /// Streams end when `drain` is cancelled.
    pub fn new(ledger: Ledger, drain: CancellationToken) -> Self {
        Self { ledger, drain }
    }

    /// Runs a stream's task, until its age, the drain, or its client's end.
    fn stream<M, F>(&self, task: impl FnOnce(Sink<M>) -> F) -> ReceiverStream<Result<M, Status>>
    where
        M: Send + 'static,
        F: Future<Output = Result<(), Ended>> + Send,
        F: 'static,
    {
        let (sender, receiver) = mpsc::channel(BUFFER);
        let work = task(Sink(sender.clone()));
        let age = STREAM_AGE.mul_f64(rand::random_range(0.75..1.25));
        let drain = self.drain.clone();
        let closed = self.ledger.inner.ended.clone();
        tokio::spawn(async move {
            let ended = tokio::select! {
                ended = work => ended,
                () = drain.cancelled() => Ok(()),
                () = closed.cancelled() => Ok(()),
                () = tokio::time::sleep(age) => Ok(()),
                () = sender.closed() => Ok(()),
            };
            if let Err(Ended::Refused(status)) = ended {
                // The client may have gone, or be slow to read what is before this.
                let _ = sender.send(Err(status)).await;
            }
        });
        ReceiverStream::new(receiver)
    }
}

/// Where a stream's messages go.
struct Sink<M>(mpsc::Sender<Result<M, Status>>);

impl<M> Sink<M> {
    async fn send(&self, message: M) -> Result<(), Ended> {
        self.0.send(Ok(message)).await.map_err(|_| Ended::Gone)
    }
}

/// Why a stream ended early.
enum Ended {
    /// The client is gone.
    Gone,
    /// With an error.
    Refused(Status),
}

impl From<Status> for Ended {
    fn from(status: Status) -> Self {
        Self::Refused(status)
    }
}

impl From<DbErr> for Ended {
    fn from(error: DbErr) -> Self {
        Self::Refused(unreadable(error))
    }
}

#[async_trait]
impl FeedService for FeedServer {
    async fn get_head(&self, _request: Request<GetHeadRequest>) -> Result<Response<GetHeadResponse>, Status> {
        let head = crate::commit::head(&self.ledger.inner.feed).await.map_err(unreadable)?;
        Ok(Response::new(GetHeadResponse { head: Some(write_cursor(head)) }))
    }

    type SnapshotStream = ReceiverStream<Result<SnapshotResponse, Status>>;

    async fn snapshot(&self, _request: Request<SnapshotRequest>) -> Result<Response<Self::SnapshotStream>, Status> {
        let connection = self.ledger.inner.feed.clone();
        Ok(Response::new(self.stream(|sink| async move { snapshot::send(&connection, &sink).await })))
    }

    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(&self, request: Request<WatchRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let from = read_cursor(request.into_inner().from)?;
        let watcher = watch::Watcher::begin(self.ledger.inner.feed.clone(), self.ledger.tail(), from).await?;
        Ok(Response::new(self.stream(|sink| watcher.run(sink))))
    }
}

fn read_cursor(cursor: Option<Cursor>) -> Result<Token, Status> {
    let cursor = cursor.ok_or_else(|| invalid_cursor("from", "name the position to watch from: the `head` of a snapshot"))?;
    let epoch =
        Uuid::parse_str(&cursor.epoch).map_err(|_| invalid_cursor("from.epoch", "pass the `epoch` of a cursor as it was received"))?;
    if i64::try_from(cursor.revision).is_err() {
        return Err(invalid_cursor("from.revision", "pass the `revision` of a cursor as it was received"));
    }
    Ok(Token { epoch, revision: cursor.revision, nonce: cursor.nonce })
}

fn write_cursor(position: Token) -> Cursor {
    Cursor { epoch: position.epoch.to_string(), revision: position.revision, nonce: position.nonce }
}

fn invalid_cursor(field: &str, description: &str) -> Status {
    let mut details = ErrorDetails::with_bad_request_violation(field, description);
    refusal(Code::InvalidArgument, Reason::InvalidField, "the cursor is malformed", &mut details, &[])
}

/// What follows the cursor is not there: older than what is kept, or of another history.
fn cursor_gone(head: Token) -> Status {
    let message = "the feed does not have what follows this cursor; take a snapshot";
    refusal(Code::OutOfRange, Reason::CursorGone, message, &mut ErrorDetails::new(), &[("head", head.revision.to_string())])
}

/// The cursor is ahead of the head: this server reads an older state than somebody has seen.
fn not_fresh(head: Token) -> Status {
    let mut details = ErrorDetails::new();
    details.set_retry_info(Some(RETRY_AFTER));
    let message = "the cursor is ahead of this server's head; try again";
    refusal(Code::Unavailable, Reason::NotFresh, message, &mut details, &[("head", head.revision.to_string())])
}

/// The database could not be read. Why is in the log.
fn unreadable(error: DbErr) -> Status {
    let mut details = ErrorDetails::new();
    match Error::from(error) {
        Error::Busy { .. } | Error::Unavailable => {
            details.set_retry_info(Some(RETRY_AFTER));
            refusal(Code::Unavailable, Reason::NotReady, "the feed cannot be read at the moment; try again", &mut details, &[])
        }
        _ => refusal(Code::Internal, Reason::Internal, "the feed could not be read", &mut details, &[]),
    }
}

fn refusal(code: Code, reason: Reason, message: &str, details: &mut ErrorDetails, metadata: &[(&str, String)]) -> Status {
    let metadata: HashMap<_, _> = metadata.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    details.set_error_info(reason.as_str_name().trim_start_matches("REASON_"), "tenantry", metadata);
    Status::with_error_details(code, message, details.clone())
}
