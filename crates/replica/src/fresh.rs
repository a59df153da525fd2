//! How fresh an answer must be, and waiting for it.

use std::{sync::Arc, time::Duration};

use client::token::Token;
use tokio::{
    sync::SemaphorePermit,
    time::{Instant, timeout_at},
};
use tonic::Status;

use crate::state::{Covers, Replica, Shared, Snapshot};

/// What an answer must be decided at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Freshness {
    /// What is there.
    #[default]
    MinimizeLatency,
    /// The state that this token stands for, or a later one.
    AtLeast(Token),
    /// The ledger's head as of the call, or a later state.
    Full,
}

/// How fresh an answer must be.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Consistency {
    /// What it must be decided at.
    pub freshness: Freshness,
    /// How long ago the replica may last have known itself current; the replica's own limit if that is less, or if `None`.
    pub max_staleness: Option<Duration>,
}

impl From<Freshness> for Consistency {
    fn from(freshness: Freshness) -> Self {
        Self { freshness, max_staleness: None }
    }
}

/// Why there is no answer as fresh as was asked for.
#[derive(Clone, Debug, thiserror::Error)]
pub enum NotFresh {
    /// Nothing is loaded yet.
    #[error("the view is not loaded yet")]
    NotLoaded,
    /// It may be too old.
    #[error("the view was last known to be current {} ms ago; the limit is {} ms", staleness.as_millis(), limit.as_millis())]
    Stale {
        /// How long ago it last knew itself current.
        staleness: Duration,
        /// The limit that applied.
        limit: Duration,
    },
    /// The deadline came before the state.
    #[error("the view is at revision {at}, not yet at {wanted}")]
    Behind {
        /// The revision waited for.
        wanted: u64,
        /// Where the view is.
        at: u64,
        /// How long ago it last knew itself current; `None`: never.
        staleness: Option<Duration>,
    },
    /// The token's history was restored away.
    #[error("the token is of a history that was restored away")]
    EpochChanged,
    /// Too many wait already.
    #[error("too many calls wait for a position")]
    TooManyWaiters,
    /// The ledger's head could not be asked for.
    #[error("the ledger did not tell its head")]
    HeadUnknown(#[source] Status),
}

impl Replica {
    /// The world, as fresh as asked for; waits until then, at most to the deadline. Never anything older.
    pub async fn at(&self, consistency: impl Into<Consistency>, deadline: Instant) -> Result<Arc<Snapshot>, NotFresh> {
        let Consistency { freshness, max_staleness } = consistency.into();
        let shared = &*self.shared;
        let snapshot = match freshness {
            Freshness::MinimizeLatency => shared.load().ok_or(NotFresh::NotLoaded)?,
            Freshness::AtLeast(token) => shared.at_least(token, deadline).await?,
            Freshness::Full => shared.fully(deadline).await?,
        };
        let limit = max_staleness.map_or(shared.settings.max_staleness, |asked| asked.min(shared.settings.max_staleness));
        match shared.staleness() {
            Some(staleness) if staleness <= limit => Ok(snapshot),
            staleness => Err(NotFresh::Stale { staleness: staleness.unwrap_or(Duration::MAX), limit }),
        }
    }
}

impl Shared {
    async fn at_least(&self, token: Token, deadline: Instant) -> Result<Arc<Snapshot>, NotFresh> {
        if let Some(snapshot) = self.load()
            && snapshot.covers(&token) == Covers::Yes
        {
            return Ok(snapshot);
        }
        let turn = self.turn()?;
        let present = self.wait(&turn, &token, deadline, |_| true).await?;
        // Of an epoch that is not known here: over, or so new that nothing of it has come yet.
        if present.covers(&token) == Covers::OtherEpoch && self.head(deadline).await?.epoch != token.epoch {
            return Err(NotFresh::EpochChanged);
        }
        let reached = self.wait(&turn, &token, deadline, |covers| matches!(covers, Covers::Yes | Covers::Rewritten)).await?;
        if reached.covers(&token) == Covers::Rewritten { Err(NotFresh::EpochChanged) } else { Ok(reached) }
    }

    async fn fully(&self, deadline: Instant) -> Result<Arc<Snapshot>, NotFresh> {
        let turn = self.turn()?;
        let asked = Instant::now();
        let head = self.head(deadline).await?;
        let reached = self.wait(&turn, &head, deadline, |covers| covers == Covers::Yes).await?;
        self.prove(asked);
        Ok(reached)
    }

    fn turn(&self) -> Result<SemaphorePermit<'_>, NotFresh> {
        self.waiters.try_acquire().map_err(|_| NotFresh::TooManyWaiters)
    }

    async fn head(&self, deadline: Instant) -> Result<Token, NotFresh> {
        self.feed.head(deadline).await.map_err(NotFresh::HeadUnknown)
    }

    /// The first view that stands so to the token. Whoever waits has a turn.
    async fn wait(
        &self,
        _turn: &SemaphorePermit<'_>,
        token: &Token,
        deadline: Instant,
        stands: impl Fn(Covers) -> bool,
    ) -> Result<Arc<Snapshot>, NotFresh> {
        let mut progress = self.subscribe();
        let mut found = None;
        let waited = progress.wait_for(|progress| {
            found = self.load().filter(|snapshot| stands(snapshot.covers(token)));
            // No more will come.
            found.is_some() || progress.stopped.is_some()
        });
        // The deadline and a stop end the wait with nothing found, and mean the same to who waits.
        let _ = timeout_at(deadline, waited).await;
        found.ok_or_else(|| match self.load() {
            None => NotFresh::NotLoaded,
            Some(present) => NotFresh::Behind { wanted: token.revision, at: present.token.revision, staleness: self.staleness() },
        })
    }
}
