//! Reading, checking and compiling of role models: it takes a processor for a while, so few are checked at once, away from the threads that serve.

use std::{sync::Arc, time::Duration};

use api::error::v1::Reason;
use chassis::{Deadline, internal, refuse};
use decision::document::Document;
use tokio::{sync::Semaphore, time::timeout};
use tonic::{Code, Status};

use crate::document::Source;

/// How many documents are checked at once.
const AT_ONCE: usize = 1;
/// When to try again after having waited in vain.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// Checks documents, a few at once.
#[derive(Clone, Debug)]
pub(crate) struct Checking {
    places: Arc<Semaphore>,
}

impl Default for Checking {
    fn default() -> Self {
        Self { places: Arc::new(Semaphore::new(AT_ONCE)) }
    }
}

impl Checking {
    /// The document, checked. Waits for its turn for at most half of the time that is left, since the write comes after it; RESOURCE_EXHAUSTED
    /// (OVERLOADED) if that does not come. A caller who leaves while waiting gives the place up; a check that has begun keeps it to its end.
    pub(crate) async fn read(&self, source: Source, deadline: Deadline) -> Result<Document, Status> {
        Ok(self.run(deadline, move || source.read()).await??)
    }

    /// Something else that takes a processor for a while, in the same way.
    pub(crate) async fn run<T: Send + 'static>(&self, deadline: Deadline, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
        let waited = timeout(deadline.remaining() / 2, self.places.clone().acquire_owned()).await;
        let Ok(place) = waited else { return Err(overloaded()) };
        let place = place.map_err(internal)?;
        let done = tokio::task::spawn_blocking(move || {
            let result = work();
            drop(place);
            result
        });
        done.await.map_err(internal)
    }
}

fn overloaded() -> Status {
    let message = "others are having role models checked, and there was no time left for this one; try again shortly";
    refuse(Code::ResourceExhausted, Reason::Overloaded, message).retry_after(RETRY_AFTER).status()
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn small() -> Source {
        Source::Yaml("model: m\n".to_owned())
    }

    #[tokio::test]
    async fn who_does_not_get_a_turn_in_time_is_told_to_try_again() {
        let checking = Checking::default();
        let taken = checking.places.clone().acquire_many_owned(u32::try_from(AT_ONCE).unwrap()).await.unwrap();
        let refused = checking.read(small(), Deadline::after(Duration::from_millis(20))).await.unwrap_err();
        assert_eq!(refused.code(), Code::ResourceExhausted);
        assert!(refused.get_details_retry_info().is_some());
        assert_eq!(refused.get_details_error_info().unwrap().reason, "OVERLOADED");
        drop(taken);
        assert!(checking.read(small(), Deadline::after(Duration::from_secs(60))).await.is_ok());
    }
}
