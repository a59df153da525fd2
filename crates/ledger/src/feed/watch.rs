//! One watcher.

use std::{sync::Arc, time::Duration};

use api::feed::v1::WatchResponse;
use client::token::Token;
use sea_orm::DatabaseConnection;
use tokio::time::Instant;
use tonic::Status;

use super::{
    Ended, Sink, cursor_gone,
    log::{Page, Place, Standing, read},
    not_fresh,
    tail::{Following, Tail},
    unreadable, write_cursor,
};

/// Commits that are taken from memory at once.
const AT_ONCE: usize = 256;

/// Bookmarks are this far apart at least; the tail's poll makes them come at most 250 ms apart when idle (DESIGN §5).
const BOOKMARK_INTERVAL: Duration = Duration::from_millis(90);

pub(super) struct Watcher {
    connection: DatabaseConnection,
    tail: Arc<Tail>,
    history: u64,
    position: Token,
}

impl Watcher {
    /// Proves the cursor.
    pub(super) async fn begin(connection: DatabaseConnection, tail: Arc<Tail>, position: Token) -> Result<Self, Status> {
        // Before the proof, so that a rewriting in between is noticed.
        let history = tail.history();
        let watcher = Self { connection, tail, history, position };
        watcher.read(Place::after(position)).await?;
        Ok(watcher)
    }

    /// Sends everything after the cursor, and bookmarks, until the client is gone or the cursor is.
    pub(super) async fn run(mut self, sink: Sink<WatchResponse>) -> Result<(), Ended> {
        let mut pulse = self.tail.pulse();
        let mut bookmarked: Option<Instant> = None;
        loop {
            // Before memory is looked at: what is at the head by this pulse is in memory by then.
            let at_head = pulse.borrow_and_update().at_head;
            match self.tail.following(self.history, self.position, AT_ONCE) {
                Following::Rewritten => {
                    self.history = self.tail.history();
                    self.read(Place::after(self.position)).await?;
                    continue;
                }
                Following::NotKept => {
                    if self.send_from_database(&sink).await? {
                        continue;
                    }
                }
                Following::Changes(changes) if !changes.is_empty() => {
                    for change in changes {
                        for part in &change.parts {
                            sink.send(part.clone()).await?;
                        }
                        self.position = change.position;
                    }
                    continue;
                }
                Following::Changes(_) => {}
            }
            if at_head == Some(self.position) && bookmarked.is_none_or(|last| last.elapsed() >= BOOKMARK_INTERVAL) {
                sink.send(bookmark(self.position)).await?;
                bookmarked = Some(Instant::now());
            }
            if pulse.changed().await.is_err() {
                return Ok(());
            }
        }
    }

    /// Sends one page of whole commits from the database. False: there is nothing.
    async fn send_from_database(&mut self, sink: &Sink<WatchResponse>) -> Result<bool, Ended> {
        let mut place = Place::after(self.position);
        loop {
            let page = self.read(place).await?;
            if page.parts.is_empty() {
                return Ok(false);
            }
            place = page.end(place);
            let mut whole = false;
            for part in page.parts {
                whole = part.is_last;
                sink.send(part.message).await?;
                if whole {
                    self.position = part.position;
                }
            }
            // A commit that is longer than the page is gone on with, so that memory is asked between commits only.
            if whole {
                return Ok(true);
            }
        }
    }

    async fn read(&self, from: Place) -> Result<Page, Status> {
        let page = read(&self.connection, from).await.map_err(unreadable)?;
        match page.standing(from) {
            Standing::Known => Ok(page),
            Standing::Gone => Err(cursor_gone(page.head)),
            Standing::Ahead => Err(not_fresh(page.head)),
        }
    }
}

fn bookmark(position: Token) -> WatchResponse {
    WatchResponse { cursor: Some(write_cursor(position)), last: true, bookmark: true, ..WatchResponse::default() }
}
