//! How streams hear that they should end.

use futures::{Stream, StreamExt};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Told once to everything that would otherwise go on for ever: the server is going away. Cheap to clone.
///
/// Unary calls need not look at it: they are let finish. A stream ends itself when it hears it, so that its client can go on
/// elsewhere; those that do not are ended with UNAVAILABLE at the end of the drain.
#[derive(Clone, Debug, Default)]
pub struct Drain(CancellationToken);

impl Drain {
    /// Not begun.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether it has begun.
    pub fn has_begun(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Ends when it begins; at once if it has.
    pub async fn begun(&self) {
        self.0.cancelled().await;
    }

    /// Begins it. [`crate::Server`] does this when it stops accepting; a test or a main without a server may.
    pub fn begin(&self) {
        self.0.cancel();
    }

    /// Cancelled when it begins, for what knows no drain.
    pub fn token(&self) -> CancellationToken {
        self.0.clone()
    }

    pub(crate) fn owned(&self) -> WaitForCancellationFutureOwned {
        self.0.clone().cancelled_owned()
    }

    /// The stream, ending where the drain begins.
    pub fn ends<S: Stream>(&self, stream: S) -> impl Stream<Item = S::Item> + use<S> {
        stream.take_until(self.owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_stream_ends_where_the_drain_begins() {
        let drain = Drain::new();
        let mut stream = Box::pin(drain.ends(futures::stream::iter([1]).chain(futures::stream::pending())));
        assert_eq!(stream.next().await, Some(1));
        assert!(!drain.has_begun());
        drain.begin();
        assert_eq!(stream.next().await, None);
        drain.begun().await;
    }
}
