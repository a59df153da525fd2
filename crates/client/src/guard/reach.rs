//! Reaching authz: what its callers' cancellations and the transport's faults must not do to others.

use std::{collections::HashMap, time::Duration};

use api::error::v1::Reason;
use tokio::{sync::oneshot, time::Instant};
use tonic::{Code, Response, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `ErrorInfo.domain` of what Tenantry's services answer.
const DOMAIN: &str = "tenantry";

/// Of the time that is left, authz gets all but this share, at most [`LONGEST_MARGIN`]: its caller has to say that it did not answer.
const MARGIN_SHARE: u32 = 16;
const LONGEST_MARGIN: Duration = Duration::from_millis(100);

/// Who does not answer for so long does not live; with less time than that it was the caller who was in a hurry.
const HUNG_AFTER: Duration = Duration::from_millis(250);

/// How long a call goes on that nobody waits for any more. Dropped at once it would be reset, and a server closes connections that reset many.
const LINGER: Duration = Duration::from_secs(1);

/// When to try again.
const RETRY_AFTER: Duration = Duration::from_millis(250);

/// Calls, a second time where the transport and not authz failed: permits only read. `call` is told until when it may take.
pub(super) async fn within<A, F>(deadline: Instant, call: impl Fn(Instant) -> F) -> Result<Response<A>, Status>
where
    A: Send + 'static,
    F: Future<Output = Result<Response<A>, Status>> + Send + 'static,
{
    let given = deadline.saturating_duration_since(Instant::now());
    if given.is_zero() {
        return Err(too_late());
    }
    let until = deadline.checked_sub((given / MARGIN_SHARE).min(LONGEST_MARGIN)).unwrap_or(deadline);
    let mut has_failed = false;
    loop {
        match tokio::time::timeout_at(until, to_its_end(call(until))).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(status)) if !is_of_the_transport(&status) => return Err(status),
            Ok(Err(status)) if has_failed => {
                tracing::warn!(code = ?status.code(), cause = status.message(), "authz cannot be reached");
                return Err(not_reached());
            }
            Ok(Err(_)) => has_failed = true,
            Err(_) if given < HUNG_AFTER => return Err(too_late()),
            Err(_) => {
                tracing::warn!(waited_ms = given.as_millis(), "authz does not answer");
                return Err(not_reached());
            }
        }
    }
}

/// Goes on with the call for a while when its caller goes away.
async fn to_its_end<A, F>(call: F) -> Result<Response<A>, Status>
where
    A: Send + 'static,
    F: Future<Output = Result<Response<A>, Status>> + Send + 'static,
{
    let (mut tell, answer) = oneshot::channel();
    tokio::spawn(async move {
        let abandoned = async {
            tell.closed().await;
            tokio::time::sleep(LINGER).await;
        };
        let answered = tokio::select! {
            answered = call => Some(answered),
            () = abandoned => None,
        };
        if let Some(answered) = answered {
            // Nobody may be waiting any more.
            let _ = tell.send(answered);
        }
    });
    answer.await.unwrap_or_else(|_| Err(Status::unavailable("the call ended without an answer")))
}

/// Whether it comes from the way to authz: whatever authz itself says has an `ErrorInfo` of Tenantry.
fn is_of_the_transport(status: &Status) -> bool {
    match status.code() {
        Code::Unknown | Code::Cancelled | Code::Unavailable | Code::ResourceExhausted | Code::Internal => {
            status.get_details_error_info().is_none_or(|info| info.domain != DOMAIN)
        }
        Code::Ok
        | Code::InvalidArgument
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::DataLoss
        | Code::Unauthenticated => false,
    }
}

fn not_reached() -> Status {
    let mut details = info(Reason::NotReady);
    details.set_retry_info(Some(RETRY_AFTER));
    Status::with_error_details(Code::Unavailable, "authz cannot be reached; try again", details)
}

fn too_late() -> Status {
    Status::with_error_details(Code::DeadlineExceeded, "the call's deadline passed before it was done", info(Reason::Deadline))
}

fn info(reason: Reason) -> ErrorDetails {
    ErrorDetails::with_error_info(reason.as_str_name().trim_start_matches("REASON_"), DOMAIN, HashMap::new())
}
