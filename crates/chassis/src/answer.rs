//! The body of an answer on its way out: ended by its deadline or by the end of the drain, a panic in it caught, its outcome
//! recorded.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use http::{HeaderMap, Response};
use http_body::{Frame, SizeHint};
use tokio::{
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};
use tokio_util::sync::WaitForCancellationFutureOwned;
use tonic::{Code, Status, body::Body};
use tracing::Span;

use crate::{deadline::Deadline, refusal::internal, unexplained::Explaining};

/// One call as telemetry sees it; recorded when the last of the answer is gone, or nobody wants it any more.
pub(crate) struct Outcome {
    span: Span,
    begun: Instant,
    code: Option<Code>,
}

impl Outcome {
    pub(crate) fn begin(span: Span) -> Self {
        Self { span, begun: Instant::now(), code: None }
    }

    fn learn(&mut self, headers: &HeaderMap) {
        if let Some(status) = headers.get("grpc-status") {
            self.code = Some(Code::from_bytes(status.as_bytes()));
        }
    }
}

impl Drop for Outcome {
    fn drop(&mut self) {
        let code = self.code.unwrap_or(Code::Cancelled);
        let name = code_name(code);
        let duration_ms = self.begun.elapsed().as_secs_f64() * 1000.0;
        self.span.record("rpc.response.status_code", name);
        // The conventions count as a server's faults only these.
        let fault = matches!(
            code,
            Code::Unknown | Code::DeadlineExceeded | Code::Unimplemented | Code::Internal | Code::Unavailable | Code::DataLoss
        );
        if fault {
            self.span.record("otel.status_code", "ERROR");
            tracing::info!(parent: &self.span, code = name, duration_ms, "answered");
        } else {
            tracing::debug!(parent: &self.span, code = name, duration_ms, "answered");
        }
    }
}

pub(crate) struct Answer {
    inner: Body,
    deadline: Option<Pin<Box<Sleep>>>,
    end: Option<Pin<Box<WaitForCancellationFutureOwned>>>,
    /// Counts among the open streams until the body is dropped.
    _place: Option<OwnedSemaphorePermit>,
    outcome: Outcome,
    explaining: Option<Explaining>,
    is_over: bool,
}

/// What may end a stream from outside.
#[derive(Default)]
pub(crate) struct Ends {
    pub(crate) deadline: Option<Instant>,
    pub(crate) drain: Option<WaitForCancellationFutureOwned>,
    pub(crate) place: Option<OwnedSemaphorePermit>,
}

impl Answer {
    pub(crate) fn wrap(mut response: Response<Body>, ends: Ends, mut outcome: Outcome, explaining: Option<Explaining>) -> Response<Body> {
        if let Some(explaining) = &explaining {
            explaining.explain(response.headers_mut());
        }
        outcome.learn(response.headers());
        response.map(|inner| {
            Body::new(Self {
                inner,
                deadline: ends.deadline.map(|at| Box::pin(tokio::time::sleep_until(at))),
                end: ends.drain.map(Box::pin),
                _place: ends.place,
                outcome,
                explaining,
                is_over: false,
            })
        })
    }

    fn finish(&mut self, status: Status) -> Poll<Option<Result<Frame<bytes::Bytes>, Status>>> {
        self.is_over = true;
        self.inner = Body::empty();
        self.outcome.code = Some(status.code());
        let mut trailers = HeaderMap::new();
        match status.add_header(&mut trailers) {
            Ok(()) => Poll::Ready(Some(Ok(Frame::trailers(trailers)))),
            Err(error) => Poll::Ready(Some(Err(error))),
        }
    }
}

impl http_body::Body for Answer {
    type Data = bytes::Bytes;
    type Error = Status;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        if self.deadline.as_mut().is_some_and(|deadline| deadline.as_mut().poll(cx).is_ready()) {
            return self.finish(Deadline::exceeded());
        }
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            return self.finish(going_away());
        }
        let span = self.outcome.span.clone();
        let polled = span.in_scope(|| catch_unwind(AssertUnwindSafe(|| Pin::new(&mut self.inner).poll_frame(cx))));
        match polled {
            Err(panic) => self.finish(caught(panic)),
            Ok(Poll::Ready(Some(Ok(mut frame)))) => {
                if let Some(trailers) = frame.trailers_mut() {
                    if let Some(explaining) = &self.explaining {
                        explaining.explain(trailers);
                    }
                    self.outcome.learn(trailers);
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Ok(other) => other,
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::default()
    }
}

/// INTERNAL for the one call that panicked.
pub(crate) fn caught(panic: Box<dyn Any + Send>) -> Status {
    let text = match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (_, Some(text)) => text.clone(),
        (None, None) => "of no known type".to_owned(),
    };
    internal(format!("a panic: {text}"))
}

/// UNAVAILABLE: this server stops; another one takes the call.
pub(crate) fn going_away() -> Status {
    use crate::refusal::refuse;
    refuse(Code::Unavailable, api::error::v1::Reason::NotReady, "this server is shutting down; try again")
        .retry_after(Duration::from_millis(100))
        .status()
}

/// As the protocol spells it: `rpc.response.status_code` of the OpenTelemetry conventions.
fn code_name(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}
