//! The one reader of the log in this process, and the recent part of the log in memory.

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use api::feed::v1::WatchResponse;
use client::token::Token;
use sea_orm::{DatabaseConnection, DbBackend, DbErr};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

use super::{
    Wake,
    log::{Page, Place, Standing, read},
};
use crate::commit::head;

/// How long nothing is heard before the log is read all the same; also how often the tail knows anew that it is at the head.
const POLL: Duration = Duration::from_millis(100);

/// Between attempts to read from a database that fails.
const RETRY: Duration = Duration::from_millis(200);

/// How much of the log is kept in memory, by the size of its rows.
const MAX_RECENT_BYTES: usize = 64 * 1024 * 1024;
const MAX_RECENT_CHANGES: usize = 100_000;

/// A commit.
pub(super) struct Change {
    pub(super) position: Token,
    pub(super) parts: Vec<WatchResponse>,
    size: usize,
}

/// What is known of the head.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pulse {
    /// Set when everything up to it is known, and was the head when last read; none before the first read and while reading lags or fails.
    pub(super) at_head: Option<Token>,
    /// Grows with every read.
    beats: u64,
}

/// See the module.
pub(crate) struct Tail {
    recent: RwLock<Recent>,
    pulse: watch::Sender<Pulse>,
}

struct Recent {
    /// Grows when history turns out to have been rewritten: positions known before may be of the old one.
    history: u64,
    /// Where `changes` begin: after this position.
    base: Option<Token>,
    changes: VecDeque<Arc<Change>>,
    bytes: usize,
}

/// What follows a position in memory.
pub(super) enum Following {
    /// These; none: it is the last known.
    Changes(Vec<Arc<Change>>),
    /// Not in memory (any more, or not yet): to be read from the database.
    NotKept,
    /// History was rewritten since; the position is to be proved again.
    Rewritten,
}

impl Tail {
    /// Reads along until `ended`.
    pub(crate) fn start(connection: DatabaseConnection, wake: Arc<Wake>, ended: CancellationToken) -> Arc<Self> {
        let recent = Recent { history: 0, base: None, changes: VecDeque::new(), bytes: 0 };
        let tail = Arc::new(Self { recent: RwLock::new(recent), pulse: watch::Sender::new(Pulse::default()) });
        if connection.get_database_backend() == DbBackend::Postgres {
            let pool = connection.get_postgres_connection_pool().clone();
            tokio::spawn(Wake::listen(wake.clone(), pool, ended.clone()));
        }
        let reading = tail.clone();
        tokio::spawn(async move {
            ended.run_until_cancelled(reading.read_along(&connection, &wake)).await;
        });
        tail
    }

    /// Which history is followed, for [`Tail::following`].
    pub(super) fn history(&self) -> u64 {
        self.recent.read().unwrap_or_else(PoisonError::into_inner).history
    }

    pub(super) fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.subscribe()
    }

    /// At most `limit` commits after a position of that history.
    pub(super) fn following(&self, history: u64, after: Token, limit: usize) -> Following {
        let recent = self.recent.read().unwrap_or_else(PoisonError::into_inner);
        if recent.history != history {
            return Following::Rewritten;
        }
        let Some(base) = recent.base else { return Following::NotKept };
        // Revisions have no gaps, so the place is found by counting. A position after the last is one that the tail has yet to read.
        let Some(skip) = after.revision.checked_sub(base.revision) else { return Following::NotKept };
        let skip = usize::try_from(skip).unwrap_or(usize::MAX);
        Following::Changes(recent.changes.iter().skip(skip).take(limit).cloned().collect())
    }

    async fn read_along(&self, connection: &DatabaseConnection, wake: &Wake) {
        let mut failing = false;
        loop {
            if let Err(error) = self.follow(connection, wake, &mut failing).await {
                if !failing {
                    tracing::warn!(%error, "the feed's log cannot be read; trying again");
                }
                failing = true;
                self.beat(None);
                sleep(RETRY).await;
            }
        }
    }

    /// From where it is, until a read fails.
    async fn follow(&self, connection: &DatabaseConnection, wake: &Wake, failing: &mut bool) -> Result<(), DbErr> {
        let mut pending = Pending::default();
        let mut place = match self.last() {
            Some(position) => Place::after(position),
            None => Place::after(self.start_at(head(connection).await?)),
        };
        loop {
            let page = read(connection, place).await?;
            if *failing {
                tracing::info!("the feed's log can be read again");
                *failing = false;
            }
            if page.standing(place) != Standing::Known {
                tracing::warn!(
                    head = page.head.revision,
                    known = place.after.revision,
                    "history was rewritten; watchers prove their cursors again"
                );
                place = Place::after(self.start_at(page.head));
                pending = Pending::default();
                continue;
            }
            place = page.end(place);
            let head = page.head;
            let at_head = self.take(&mut pending, page);
            self.beat(at_head.then_some(head));
            if at_head {
                // A timeout is the poll.
                let _ = timeout(POLL, wake.tail.notified()).await;
            }
        }
    }

    /// Appends the commits that a page completes. Whether that is all there is.
    fn take(&self, pending: &mut Pending, page: Page) -> bool {
        let head = page.head;
        let mut complete = Vec::new();
        for part in page.parts {
            pending.size += part.size;
            pending.parts.push(part.message);
            if part.is_last {
                let Pending { parts, size } = std::mem::take(pending);
                complete.push(Arc::new(Change { position: part.position, parts, size }));
            }
        }
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        for change in complete {
            recent.bytes += change.size;
            recent.changes.push_back(change);
        }
        recent.forget_oldest();
        recent.last().is_some_and(|last| last.revision == head.revision)
    }

    fn last(&self) -> Option<Token> {
        self.recent.read().unwrap_or_else(PoisonError::into_inner).last()
    }

    /// Begins at a head, with nothing in memory.
    fn start_at(&self, head: Token) -> Token {
        let mut recent = self.recent.write().unwrap_or_else(PoisonError::into_inner);
        let history = if recent.base.is_some() { recent.history + 1 } else { recent.history };
        *recent = Recent { history, base: Some(head), changes: VecDeque::new(), bytes: 0 };
        head
    }

    fn beat(&self, at_head: Option<Token>) {
        self.pulse.send_modify(|pulse| *pulse = Pulse { at_head, beats: pulse.beats.wrapping_add(1) });
    }
}

/// The first parts of a commit whose last part is yet to be read.
#[derive(Default)]
struct Pending {
    parts: Vec<WatchResponse>,
    size: usize,
}

impl Recent {
    fn last(&self) -> Option<Token> {
        self.changes.back().map(|change| change.position).or(self.base)
    }

    fn forget_oldest(&mut self) {
        while self.bytes > MAX_RECENT_BYTES || self.changes.len() > MAX_RECENT_CHANGES {
            let Some(oldest) = self.changes.pop_front() else { return };
            self.bytes -= oldest.size;
            self.base = Some(oldest.position);
        }
    }
}
