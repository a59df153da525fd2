//! What a replica holds: the world at one position, replaced as a whole, and who waits for the next.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use client::token::Token;
use decision::{record::Timestamp, view::View};
use imbl::{HashMap, OrdMap};
use tokio::{
    sync::{Semaphore, watch},
    time::Instant,
};
use tokio_util::task::AbortOnDropHandle;
use tonic::transport::Channel;

use crate::{Clock, assemble::REMEMBERED, feed::Feed, follow};

/// The world at one position. Never changes; a clone of the `Arc` is as good.
#[derive(Clone)]
pub struct Snapshot {
    pub(crate) view: View,
    pub(crate) token: Token,
    pub(crate) trees: HashMap<Arc<str>, u64>,
    /// The nonces of the last commits.
    nonces: OrdMap<u64, i64>,
}

// Not derived: it would print the world.
impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("token", &self.token).finish_non_exhaustive()
    }
}

/// How a view stands to a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Covers {
    /// It holds that state.
    Yes,
    /// It is not there yet.
    NotYet,
    /// It is of another epoch.
    OtherEpoch,
    /// It is of the same epoch, but its commit of that number is another.
    Rewritten,
}

impl Snapshot {
    pub(crate) fn empty(token: Token) -> Self {
        Self { view: View::default(), token, trees: HashMap::new(), nonces: OrdMap::unit(token.revision, token.nonce) }
    }

    /// What to decide from.
    pub fn view(&self) -> &View {
        &self.view
    }

    /// The position: its text is the consistency token of every answer decided here.
    pub fn token(&self) -> Token {
        self.token
    }

    /// The last commit that changed a tree (a root organization's name, or of what is in no tree, its own: `users/ann`); 0 if none did.
    pub fn tree_revision(&self, tree: &str) -> u64 {
        self.trees.get(tree).copied().unwrap_or_default()
    }

    pub(crate) fn advance(&mut self, token: Token) {
        self.token = token;
        self.nonces.insert(token.revision, token.nonce);
        while self.nonces.len() > REMEMBERED {
            self.nonces = self.nonces.without_min().1;
        }
    }

    /// A commit's nonce, if it is remembered.
    pub(crate) fn nonce_at(&self, revision: u64) -> Option<i64> {
        self.nonces.get(&revision).copied()
    }

    pub(crate) fn covers(&self, token: &Token) -> Covers {
        if self.token.epoch != token.epoch {
            Covers::OtherEpoch
        } else if self.token.revision < token.revision {
            Covers::NotYet
        } else if self.nonce_at(token.revision).is_some_and(|nonce| nonce != token.nonce) {
            Covers::Rewritten
        } else {
            Covers::Yes
        }
    }
}

/// How a replica behaves.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who follows, as the feed's server is told: `services/bidder`.
    pub caller: &'static str,
    /// Past this time without knowing itself current, it answers nothing.
    pub max_staleness: Duration,
    /// How many callers may wait for a position at once; one more is refused.
    pub most_waiters: usize,
    /// A watch that says nothing for so long is dead. The server says something every 250 ms.
    pub quiet: Duration,
    /// Unless the watch has told, it asks for the head after so long.
    pub probe_after: Duration,
    /// The first pause before it tries again; each further one is up to twice as long, with jitter.
    pub first_pause: Duration,
    /// The longest pause.
    pub longest_pause: Duration,
}

impl Settings {
    /// What suits a service within a data centre.
    pub fn named(caller: &'static str) -> Self {
        Self {
            caller,
            max_staleness: Duration::from_secs(60),
            most_waiters: 4_096,
            quiet: Duration::from_secs(5),
            probe_after: Duration::from_secs(1),
            first_pause: Duration::from_millis(50),
            longest_pause: Duration::from_secs(5),
        }
    }
}

/// Follows the feed for as long as a clone of it lives. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica {
    pub(crate) shared: Arc<Shared>,
    _following: Arc<[AbortOnDropHandle<()>; 2]>,
}

/// What the follower writes and everybody reads.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) settings: Settings,
    pub(crate) feed: Feed,
    pub(crate) waiters: Semaphore,
    clock: Clock,
    snapshot: ArcSwapOption<Snapshot>,
    progress: watch::Sender<Progress>,
    born: Instant,
    /// When it last knew that it was at the head, in microseconds since `born`, plus one; 0: never.
    proven: AtomicU64,
}

/// What waiters are woken by; what they then look at is the snapshot.
#[derive(Clone, Debug, Default)]
pub(crate) struct Progress {
    /// Why it follows no more.
    pub(crate) stopped: Option<Arc<str>>,
}

impl Replica {
    /// Begins to load and to follow, in tasks of the present runtime. Connects when needed, again and again: never fails.
    pub fn start(feed: Channel, clock: Clock, settings: Settings) -> Self {
        let shared = Arc::new(Shared {
            feed: Feed::new(feed, settings.caller),
            waiters: Semaphore::new(settings.most_waiters),
            settings,
            clock,
            snapshot: ArcSwapOption::empty(),
            progress: watch::Sender::default(),
            born: Instant::now(),
            proven: AtomicU64::new(0),
        });
        let follower = tokio::spawn(follow::run_to_its_end(shared.clone()));
        let prober = tokio::spawn(follow::probe(shared.clone()));
        Self { shared, _following: Arc::new([follower, prober].map(AbortOnDropHandle::new)) }
    }

    /// The time to decide at: never goes back.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The world as it is here, however old; `None` until it is loaded. For what reports; decisions take [`Replica::at`].
    pub fn snapshot(&self) -> Option<Arc<Snapshot>> {
        self.shared.snapshot.load_full()
    }

    /// Whether it is loaded: readiness. It stays so, also while the feed is away.
    pub fn is_loaded(&self) -> bool {
        self.shared.snapshot.load().is_some()
    }

    /// Ends when it is loaded.
    pub async fn loaded(&self) {
        // The sender is in `self`: the wait cannot fail.
        let _ = self.shared.subscribe().wait_for(|_| self.is_loaded()).await;
    }

    /// Why it follows no more: the feed sent what it cannot read. It answers until it is too stale. Ends only then: a service
    /// that sees it should say so and exit.
    pub async fn stopped(&self) -> Arc<str> {
        let mut progress = self.shared.subscribe();
        let stopped = progress.wait_for(|progress| progress.stopped.is_some()).await;
        stopped.ok().and_then(|progress| progress.stopped.clone()).unwrap_or_default()
    }

    /// How long ago it last knew that it was current; `None`: never.
    pub fn staleness(&self) -> Option<Duration> {
        self.shared.staleness()
    }
}

impl Shared {
    pub(crate) fn load(&self) -> Option<Arc<Snapshot>> {
        self.snapshot.load_full()
    }

    pub(crate) fn subscribe(&self) -> watch::Receiver<Progress> {
        self.progress.subscribe()
    }

    pub(crate) fn publish(&self, snapshot: Arc<Snapshot>) {
        self.snapshot.store(Some(snapshot));
        // Only now: who is woken must find it.
        self.progress.send_modify(|_| {});
    }

    pub(crate) fn stop(&self, why: String) {
        self.progress.send_modify(|progress| progress.stopped = Some(why.into()));
    }

    /// The view was at the head at this moment.
    pub(crate) fn prove(&self, at: Instant) {
        let micros = u64::try_from(at.saturating_duration_since(self.born).as_micros()).unwrap_or(u64::MAX - 1);
        self.proven.fetch_max(micros + 1, Ordering::Relaxed);
    }

    pub(crate) fn staleness(&self) -> Option<Duration> {
        let proven = self.proven.load(Ordering::Relaxed).checked_sub(1)?;
        Some(self.born.elapsed().saturating_sub(Duration::from_micros(proven)))
    }
}
