//! Errors that no service wrote: those with which the gRPC library refuses a call before a handler sees it, and those of calls made on the way
//! that were passed on as they came. Each gets a code and a reason that a client can rely on, and loses the library's text.

use std::time::Duration;

use api::error::v1::Reason;
use http::{HeaderMap, Uri};
use tonic::{Code, Status};

use crate::{
    deadline::Deadline,
    refusal::{internal, refuse},
    server::MAX_MESSAGE_BYTES,
};

/// Where the details of a status are. Whatever Tenantry says has them.
const DETAILS: &str = "grpc-status-details-bin";

/// Where one call's unexplained errors are explained.
#[derive(Clone, Debug)]
pub(crate) struct Explaining(Uri);

impl Explaining {
    /// Of a call to this method.
    pub(crate) fn of(method: Uri) -> Self {
        Self(method)
    }

    /// Rewrites the status in these headers or trailers, if it is an error without details.
    pub(crate) fn explain(&self, headers: &mut HeaderMap) {
        let Some(code) = headers.get("grpc-status").map(|code| Code::from_bytes(code.as_bytes())) else { return };
        if code == Code::Ok || headers.contains_key(DETAILS) {
            return;
        }
        let message = Status::from_header_map(headers).map(|status| status.message().to_owned()).unwrap_or_default();
        if let Some(status) = self.explained(code, &message) {
            // What cannot be written as a header was not written by `refuse`.
            let _ = status.add_header(headers);
        }
    }

    /// `None` for what is no error.
    fn explained(&self, code: Code, message: &str) -> Option<Status> {
        let begins = |starts: &[&str]| starts.iter().any(|start| message.starts_with(start));
        let status = match code {
            Code::Ok => return None,
            Code::Internal if begins(&["failed to decode Protobuf", "Missing request message", "Unexpected EOF"]) => {
                malformed("the request is not a message of this method; it may be cut off, too deeply nested, or of another type")
            }
            Code::Internal if begins(&["protocol error: received message", "Error decompressing"]) => {
                malformed("the request is marked as compressed, and is not as marked; send it uncompressed")
            }
            Code::OutOfRange | Code::ResourceExhausted if begins(&["Error, decoded message length", "Error decompressing"]) => too_large(),
            Code::Unimplemented if begins(&["Content is compressed"]) => refuse(
                Code::Unimplemented,
                Reason::NotImplemented,
                "this server does not read requests compressed in this way; send them uncompressed",
            )
            .status(),
            Code::Unimplemented => {
                let method = self.0.path();
                refuse(Code::Unimplemented, Reason::NotImplemented, format!("there is no method `{method}` here; see its reflection"))
                    .status()
            }
            Code::Cancelled if begins(&["Timeout expired"]) => Deadline::exceeded(),
            Code::DeadlineExceeded => Deadline::exceeded(),
            Code::Cancelled | Code::Unavailable => cut_off(),
            Code::Unknown | Code::Internal if is_of_the_transport(message) => cut_off(),
            Code::ResourceExhausted => {
                refuse(Code::ResourceExhausted, Reason::Overloaded, "there is too much to do at present; try again shortly")
                    .retry_after(Duration::from_millis(250))
                    .status()
            }
            Code::Unknown
            | Code::Internal
            | Code::InvalidArgument
            | Code::NotFound
            | Code::AlreadyExists
            | Code::PermissionDenied
            | Code::FailedPrecondition
            | Code::Aborted
            | Code::OutOfRange
            | Code::DataLoss
            | Code::Unauthenticated => internal(format!("an error without details: {code:?}: {message}")),
        };
        Some(status)
    }
}

fn is_of_the_transport(message: &str) -> bool {
    ["transport error", "h2 protocol error", "http2 error", "error reading a body", "connection error"]
        .iter()
        .any(|words| message.contains(words))
}

fn malformed(message: &str) -> Status {
    refuse(Code::InvalidArgument, Reason::InvalidField, message).status()
}

fn too_large() -> Status {
    refuse(
        Code::ResourceExhausted,
        Reason::MessageTooLarge,
        format!("the request is larger than {MAX_MESSAGE_BYTES} bytes, the most that a message may have"),
    )
    .metadata("limit_bytes", MAX_MESSAGE_BYTES)
    .status()
}

fn cut_off() -> Status {
    refuse(Code::Unavailable, Reason::NotReady, "the call was cut off on its way; try again")
        .retry_after(Duration::from_millis(250))
        .status()
}

#[cfg(test)]
mod tests {
    use tonic_types::StatusExt;

    use super::*;

    fn explain(code: Code, message: &str) -> (Code, String) {
        let mut headers = HeaderMap::new();
        Status::new(code, message).add_header(&mut headers).unwrap();
        Explaining::of(Uri::from_static("/tenantry.x.v1.X/Get")).explain(&mut headers);
        let status = Status::from_header_map(&headers).unwrap();
        assert!(message.is_empty() || !status.message().contains(message), "{status:?}");
        (status.code(), status.get_details_error_info().unwrap().reason)
    }

    #[test]
    fn every_code_without_details_gets_a_reason() {
        for number in 1..=16 {
            let code = Code::from_i32(number);
            let (explained, _) = explain(code, "the library's words");
            assert_ne!(explained, Code::OutOfRange, "it means a cursor that is gone");
        }
    }

    #[test]
    fn what_the_library_refuses_is_told_in_our_codes() {
        for (code, message, explained, reason) in [
            (Code::Internal, "failed to decode Protobuf message: recursion limit", Code::InvalidArgument, "INVALID_FIELD"),
            (Code::OutOfRange, "Error, decoded message length too large: found 9", Code::ResourceExhausted, "MESSAGE_TOO_LARGE"),
            (Code::Unimplemented, "", Code::Unimplemented, "NOT_IMPLEMENTED"),
            (Code::Unimplemented, "Content is compressed with `gzip`", Code::Unimplemented, "NOT_IMPLEMENTED"),
            (Code::Cancelled, "Timeout expired", Code::DeadlineExceeded, "DEADLINE"),
            (Code::Unknown, "transport error", Code::Unavailable, "NOT_READY"),
            (Code::ResourceExhausted, "h2 protocol error: http2 error", Code::ResourceExhausted, "OVERLOADED"),
            (Code::Unknown, "what nobody knows", Code::Internal, "INTERNAL"),
        ] {
            assert_eq!(explain(code, message), (explained, reason.to_owned()), "{code:?} {message}");
        }
    }

    #[test]
    fn what_has_details_stays_as_it_is() {
        let mut headers = HeaderMap::new();
        refuse(Code::OutOfRange, Reason::CursorGone, "gone").status().add_header(&mut headers).unwrap();
        let before = headers.clone();
        Explaining::of(Uri::from_static("/x/y")).explain(&mut headers);
        assert_eq!(headers, before);
    }
}
