//! The time that decisions are made at.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use decision::record::Timestamp;

/// A clock that never goes back within the process (DESIGN §3), whatever its source does. Clones share it.
#[derive(Clone)]
pub struct Clock {
    source: Arc<dyn Fn() -> Timestamp + Send + Sync>,
    latest: Arc<AtomicI64>,
}

impl Clock {
    /// The system's.
    pub fn system() -> Self {
        Self::new(|| Timestamp(chrono::Utc::now().timestamp_micros()))
    }

    /// One that tests set.
    pub fn new(source: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self { source: Arc::new(source), latest: Arc::new(AtomicI64::new(i64::MIN)) }
    }

    /// Now, and never before any moment that it told before.
    pub fn now(&self) -> Timestamp {
        let now = (self.source)().0;
        Timestamp(self.latest.fetch_max(now, Ordering::Relaxed).max(now))
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn time_never_goes_back_when_its_source_does() {
        let told = Arc::new(Mutex::new(vec![12, 30, 10]));
        let clock = Clock::new(move || Timestamp(told.lock().unwrap().pop().unwrap()));
        assert_eq!([clock.now(), clock.clone().now(), clock.now()], [Timestamp(10), Timestamp(30), Timestamp(30)]);
    }
}
