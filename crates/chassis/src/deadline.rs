//! Until when a call may run.

use std::time::Duration;

use api::error::v1::Reason;
use http::HeaderMap;
use tokio::time::Instant;
use tonic::{Code, Request, Status};

use crate::refusal::refuse;

/// The moment after which nobody waits for the answer any more. In the extensions of every request.
///
/// Of a streaming call it is the moment by which the stream must have begun; what is done for one message of it gets its own
/// ([`Deadline::after`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadline(Instant);

impl Deadline {
    /// What a request without one gets where no server put it there (calls made directly in tests).
    const UNSERVED: Duration = Duration::from_secs(10);

    /// At that moment.
    pub fn at(moment: Instant) -> Self {
        Self(moment)
    }

    /// That long from now.
    pub fn after(duration: Duration) -> Self {
        let now = Instant::now();
        // Far beyond any limit an addition may overflow; a year is as good.
        Self(now.checked_add(duration).unwrap_or(now + Duration::from_secs(31_536_000)))
    }

    /// The request's deadline.
    pub fn of<T>(request: &Request<T>) -> Self {
        request.extensions().get::<Self>().copied().unwrap_or_else(|| Self::after(Self::UNSERVED))
    }

    /// The moment.
    pub fn instant(self) -> Instant {
        self.0
    }

    /// How long it is till then; zero afterwards. What to pass on to the next service and to the database.
    pub fn remaining(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }

    /// Whether it has passed.
    pub fn has_passed(self) -> bool {
        self.remaining().is_zero()
    }

    /// The future's result, or DEADLINE_EXCEEDED.
    pub async fn bound<T>(self, future: impl Future<Output = T>) -> Result<T, Status> {
        tokio::time::timeout_at(self.0, future).await.map_err(|_| Self::exceeded())
    }

    /// DEADLINE_EXCEEDED, as every service says it.
    pub fn exceeded() -> Status {
        refuse(Code::DeadlineExceeded, Reason::Deadline, "the call's deadline passed before it was done").status()
    }
}

/// The caller's `grpc-timeout`, if it gave one: at most eight digits and a unit (the gRPC protocol over HTTP/2).
pub(crate) fn grpc_timeout(headers: &HeaderMap) -> Result<Option<Duration>, Status> {
    let Some(value) = headers.get("grpc-timeout") else { return Ok(None) };
    match value.to_str().ok().and_then(parse_timeout) {
        Some(timeout) => Ok(Some(timeout)),
        None => Err(refuse(
            Code::InvalidArgument,
            Reason::InvalidField,
            "the metadata `grpc-timeout` is not a timeout; send for example `500m`",
        )
        .field("grpc-timeout", "at most eight digits and one of H, M, S, m, u, n")
        .status()),
    }
}

fn parse_timeout(text: &str) -> Option<Duration> {
    let unit = text.chars().last()?;
    let digits = text.strip_suffix(unit)?;
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = digits.parse().ok()?;
    match unit {
        'H' => Some(Duration::from_secs(number * 3600)),
        'M' => Some(Duration::from_secs(number * 60)),
        'S' => Some(Duration::from_secs(number)),
        'm' => Some(Duration::from_millis(number)),
        'u' => Some(Duration::from_micros(number)),
        'n' => Some(Duration::from_nanos(number)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_read_as_the_protocol_says() {
        assert_eq!(parse_timeout("2H"), Some(Duration::from_secs(7200)));
        assert_eq!(parse_timeout("3M"), Some(Duration::from_secs(180)));
        assert_eq!(parse_timeout("4S"), Some(Duration::from_secs(4)));
        assert_eq!(parse_timeout("250m"), Some(Duration::from_millis(250)));
        assert_eq!(parse_timeout("7u"), Some(Duration::from_micros(7)));
        assert_eq!(parse_timeout("99999999n"), Some(Duration::from_nanos(99_999_999)));
        for wrong in ["", "S", "123456789S", "-1S", "+1S", "1s", "1.5S", "1 S", "1ä"] {
            assert_eq!(parse_timeout(wrong), None, "{wrong}");
        }
    }

    #[tokio::test]
    async fn a_bound_future_is_given_up_at_the_deadline() {
        assert_eq!(Deadline::after(Duration::from_secs(60)).bound(async { 1 }).await.unwrap(), 1);
        let deadline = Deadline::after(Duration::ZERO);
        assert_eq!(deadline.bound(std::future::pending::<()>()).await.unwrap_err().code(), Code::DeadlineExceeded);
        assert!(deadline.has_passed());
    }

    #[test]
    fn an_endless_timeout_is_no_overflow() {
        assert!(Deadline::after(Duration::MAX).remaining() > Duration::from_secs(31_000_000));
    }
}
