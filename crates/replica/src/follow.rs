//! Follows the feed: loads, watches, and begins anew where the history does not fit.

use std::{convert::Infallible, sync::Arc, time::Duration};

use client::token::Token;
use futures::FutureExt;
use rand::Rng;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;
use tonic::{Code, Status};

use crate::{
    assemble::{Assembly, Broken, Refused, Taken, read_cursor},
    state::{Covers, Settings, Shared},
    wire::Malformed,
};

/// At most so many commits that are already there become one publication.
const BATCH: usize = 256;

/// Why a load or a watch ended.
#[derive(Debug)]
enum Ended {
    /// The connection or the server went away; the view can be continued.
    Lost(Status),
    /// The view cannot be continued.
    Broken(Broken),
    /// No view can be.
    Malformed(Malformed),
}

impl From<Refused> for Ended {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Broken(broken) => Self::Broken(broken),
            Refused::Malformed(malformed) => Self::Malformed(malformed),
            Refused::Unreadable(what) => Self::Lost(Status::internal(format!("the feed sent {what}"))),
        }
    }
}

/// A view on its way to be served, or served and continued.
struct Following {
    assembly: Assembly,
    /// It was at the head at this moment, once it is whole.
    begun: Instant,
    serving: bool,
}

/// Runs until a record cannot be read; says so also where a fault ends it.
pub(crate) async fn run_to_its_end(shared: Arc<Shared>) {
    if let Err(fault) = AbortOnDropHandle::new(tokio::spawn(run(shared.clone()))).await {
        tracing::error!(cause = %fault, "the follower of the feed ended by a fault");
        shared.stop(fault.to_string());
    }
}

async fn run(shared: Arc<Shared>) {
    let mut pause = Pause::new(&shared);
    let mut following: Option<Following> = None;
    // The next view may be behind the present one: that one is of a history that is no more.
    let mut rewritten = false;
    loop {
        let ended = match &mut following {
            None => match load(&shared).await {
                Ok(loaded) => {
                    following = Some(loaded);
                    continue;
                }
                Err(ended) => ended,
            },
            Some(following) => match watch(&shared, following, &mut rewritten, &mut pause).await {
                Err(ended) => ended,
            },
        };
        match ended {
            Ended::Lost(status) => {
                tracing::info!(code = ?status.code(), message = status.message(), "the feed went away; trying again");
                if let Some(following) = &mut following {
                    following.assembly.interrupted();
                }
            }
            Ended::Broken(broken) => {
                tracing::warn!(cause = %broken, "the view cannot be continued; building a new one beside it");
                rewritten |= broken.is_rewritten();
                following = None;
            }
            Ended::Malformed(malformed) => {
                tracing::error!(cause = %malformed, "the feed cannot be followed any further");
                shared.stop(malformed.to_string());
                return;
            }
        }
        pause.take().await;
    }
}

async fn load(shared: &Shared) -> Result<Following, Ended> {
    let begun = Instant::now();
    let mut pages = within(shared, shared.feed.snapshot()).await?;
    let first = within(shared, pages.message()).await?.ok_or_else(|| Ended::Lost(Status::internal("the feed sent no state")))?;
    let mut assembly = Assembly::new(read_cursor(first.head.as_ref())?);
    let mut next = Some(first);
    while let Some(page) = next {
        assembly.load(page)?;
        // A long load must not keep others from this thread.
        tokio::task::yield_now().await;
        next = within(shared, pages.message()).await?;
    }
    Ok(Following { assembly, begun, serving: false })
}

async fn watch(shared: &Shared, following: &mut Following, rewritten: &mut bool, pause: &mut Pause) -> Result<Infallible, Ended> {
    following.serve(shared, rewritten);
    let from = following.assembly.token();
    let mut changes = match within(shared, shared.feed.watch(from)).await {
        Ok(changes) => changes,
        Err(Ended::Lost(status)) => return Err(refused(shared, from, status).await),
        Err(ended) => return Err(ended),
    };
    let opened = Instant::now();
    let mut unpublished = 0;
    let mut current = None;
    let mut ready = None;
    loop {
        let received = match ready.take() {
            Some(received) => lost(received),
            None => within(shared, changes.message()).await,
        };
        let message = match received {
            Ok(Some(message)) => message,
            Ok(None) => return Err(Ended::Lost(Status::unavailable("the feed ended the watch"))),
            Err(Ended::Lost(status)) => return Err(refused(shared, following.assembly.token(), status).await),
            Err(ended) => return Err(ended),
        };
        match following.assembly.take(message)? {
            Taken::Nothing => {}
            // More came after the bookmark: it no longer tells of now.
            Taken::Commit => (unpublished, current) = (unpublished + 1, None),
            Taken::Current => current = Some(Instant::now()),
        }
        if unpublished < BATCH {
            ready = changes.message().now_or_never();
        }
        // What is already there is taken in first; but whatever ends the watch finds everything published.
        if matches!(ready, Some(Ok(Some(_)))) {
            continue;
        }
        if unpublished > 0 || !following.serving {
            unpublished = 0;
            following.serve(shared, rewritten);
        }
        if following.serving
            && let Some(at) = current.take()
        {
            shared.prove(at);
        }
        // Not at the first good message: a server that is wrong soon after must not be asked for its whole state all the time.
        if opened.elapsed() >= shared.settings.longest_pause {
            pause.reset();
        }
    }
}

impl Following {
    /// Publishes the view, if it is of one moment and takes nobody back in time.
    fn serve(&mut self, shared: &Shared, rewritten: &mut bool) {
        let Some(next) = self.assembly.whole() else { return };
        if !self.serving {
            if let Some(present) = shared.load()
                && !*rewritten
                && present.token.epoch == next.token.epoch
                && present.token.revision > next.token.revision
            {
                return;
            }
            tracing::info!(revision = next.token.revision, epoch = %next.token.epoch, "serving a new view");
            *rewritten = false;
            self.serving = true;
        }
        shared.publish(next);
        shared.prove(self.begun);
    }
}

/// What a refused or broken watch means.
async fn refused(shared: &Shared, from: Token, status: Status) -> Ended {
    if status.code() == Code::OutOfRange {
        return Ended::Broken(Broken::Gone { revision: from.revision });
    }
    // A server that is behind and one of another history both say UNAVAILABLE: its head tells them apart.
    if status.code() == Code::Unavailable
        && let Ok(head) = shared.feed.head(Instant::now() + shared.settings.quiet).await
        && head.epoch != from.epoch
    {
        return Ended::Broken(Broken::Epoch { from: from.epoch, to: head.epoch });
    }
    Ended::Lost(status)
}

fn lost<T>(received: Result<T, Status>) -> Result<T, Ended> {
    received.map_err(Ended::Lost)
}

/// A server that says nothing for too long is gone.
async fn within<T>(shared: &Shared, call: impl Future<Output = Result<T, Status>>) -> Result<T, Ended> {
    let quiet = shared.settings.quiet;
    lost(timeout(quiet, call).await.unwrap_or_else(|_| Err(Status::unavailable(format!("the feed was silent for {quiet:?}")))))
}

/// Asks for the head where the watch has not told for a while: under steady writes there may be no bookmark.
pub(crate) async fn probe(shared: Arc<Shared>) {
    let every = shared.settings.probe_after;
    loop {
        tokio::time::sleep(every).await;
        if shared.load().is_none() || shared.staleness().is_some_and(|staleness| staleness < every) {
            continue;
        }
        let asked = Instant::now();
        let Ok(head) = shared.feed.head(asked + shared.settings.quiet).await else { continue };
        let mut progress = shared.subscribe();
        let reached = progress.wait_for(|_| shared.load().is_some_and(|snapshot| snapshot.covers(&head) == Covers::Yes));
        if timeout(shared.settings.quiet, reached).await.is_ok() {
            shared.prove(asked);
        }
    }
}

/// Pauses between attempts: each up to twice as long as the one before, anywhere between half of it and all, so that many
/// replicas do not come back at once.
struct Pause {
    first: Duration,
    longest: Duration,
    next: Duration,
}

impl Pause {
    fn new(shared: &Shared) -> Self {
        let Settings { first_pause, longest_pause, .. } = shared.settings;
        Self { first: first_pause, longest: longest_pause, next: first_pause }
    }

    fn reset(&mut self) {
        self.next = self.first;
    }

    async fn take(&mut self) {
        let share = rand::rng().random_range(0.5..=1.0);
        tokio::time::sleep(self.next.mul_f64(share)).await;
        self.next = (self.next * 2).min(self.longest);
    }
}
