//! The one form of every error: `google.rpc.Status` with details, an `ErrorInfo` always among them.

use std::{collections::HashMap, error::Error, time::Duration};

use api::error::v1::Reason;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// `ErrorInfo.domain` of every error of Tenantry.
pub const DOMAIN: &str = "tenantry";

/// What the texts of one refusal may take together, in bytes. They travel in response headers, of which clients accept as
/// little as 8 KiB, and details are sent in base64.
const ROOM: usize = 4096;
const MAX_TEXT: usize = 1024;

/// A refusal being written; turn it into a [`Status`] with `into()` or [`Refusal::status`].
///
/// Details beyond what fits into response headers are dropped, the latest first.
#[derive(Debug)]
#[must_use = "a refusal does nothing until it is returned as a Status"]
pub struct Refusal {
    code: Code,
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    details: ErrorDetails,
    room: usize,
}

/// Begins a refusal. The message is for people: lowercase, input in backticks, what to do.
pub fn refuse(code: Code, reason: Reason, message: impl Into<String>) -> Refusal {
    let message = cut(message.into());
    let room = ROOM.saturating_sub(message.len());
    Refusal { code, reason, message, metadata: HashMap::new(), details: ErrorDetails::new(), room }
}

impl Refusal {
    /// Why, for programs.
    pub fn reason(&self) -> Reason {
        self.reason
    }

    /// Why, for people.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// A value that varies, for programs: `ErrorInfo.metadata`.
    pub fn metadata(mut self, key: impl Into<String>, value: impl ToString) -> Self {
        let (key, value) = (key.into(), cut(value.to_string()));
        if self.fits(&key, &value) {
            self.metadata.insert(key, value);
        }
        self
    }

    /// A field of the request that is wrong: `BadRequest`. The path as in the request: `organization.website`, `requests[2].name`.
    pub fn field(mut self, path: impl Into<String>, description: impl Into<String>) -> Self {
        let (path, description) = (cut(path.into()), cut(description.into()));
        if self.fits(&path, &description) {
            self.details.add_bad_request_violation(path, description);
        }
        self
    }

    /// A limit that is reached: `QuotaFailure`.
    pub fn quota(mut self, subject: impl Into<String>, description: impl Into<String>) -> Self {
        let (subject, description) = (cut(subject.into()), cut(description.into()));
        if self.fits(&subject, &description) {
            self.details.add_quota_failure_violation(subject, description);
        }
        self
    }

    /// What would first have to be otherwise: `PreconditionFailure`.
    pub fn precondition(mut self, kind: impl Into<String>, subject: impl Into<String>, description: impl Into<String>) -> Self {
        let (kind, subject, description) = (cut(kind.into()), cut(subject.into()), cut(description.into()));
        if self.fits(&kind, &subject) && self.fits(&description, "") {
            self.details.add_precondition_failure_violation(kind, subject, description);
        }
        self
    }

    /// What the call was about: `ResourceInfo`. Only where the actor may know that it exists.
    pub fn resource(mut self, kind: impl Into<String>, name: impl Into<String>) -> Self {
        let (kind, name) = (cut(kind.into()), cut(name.into()));
        if self.fits(&kind, &name) {
            self.details.set_resource_info(kind, name, "", "");
        }
        self
    }

    /// When to try again: `RetryInfo`.
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.details.set_retry_info(Some(delay));
        self
    }

    /// The finished status.
    pub fn status(mut self) -> Status {
        let reason = self.reason.as_str_name().trim_start_matches("REASON_");
        self.details.set_error_info(reason, DOMAIN, self.metadata);
        Status::with_error_details(self.code, self.message, self.details)
    }

    fn fits(&mut self, one: &str, other: &str) -> bool {
        // Each entry costs its texts and a few bytes of encoding.
        let needed = one.len() + other.len() + 16;
        let fits = needed <= self.room;
        self.room = self.room.saturating_sub(needed);
        fits
    }
}

impl From<Refusal> for Status {
    fn from(refusal: Refusal) -> Self {
        refusal.status()
    }
}

/// The same refusal, told to be about one item of a batch: its index, from 0, is in `ErrorInfo.metadata`, and before the message.
pub fn about_item(status: Status, index: usize) -> Status {
    let mut details = status.get_error_details();
    let Some(info) = details.error_info().cloned() else { return status };
    let mut metadata = info.metadata;
    metadata.insert("index".to_owned(), index.to_string());
    details.set_error_info(info.reason, info.domain, metadata);
    Status::with_error_details(status.code(), format!("item {index}: {}", status.message()), details)
}

fn cut(mut text: String) -> String {
    if text.len() > MAX_TEXT {
        text.truncate(text.floor_char_boundary(MAX_TEXT));
        text.push('…');
    }
    text
}

/// A fault of ours: logs the cause, and what caused it, once, with an incident number; the answer carries only that number.
/// Takes errors and texts.
pub fn internal(cause: impl Into<Box<dyn Error + Send + Sync>>) -> Status {
    let cause = cause.into();
    let incident = uuid::Uuid::new_v4().to_string();
    tracing::error!(incident, cause = chain(cause.as_ref()), "internal error");
    refuse(Code::Internal, Reason::Internal, format!("internal error; its incident number is `{incident}`"))
        .metadata("incident", incident)
        .status()
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_carries_everything_that_was_said() {
        let status = refuse(Code::ResourceExhausted, Reason::SeatsTaken, "no seat left")
            .metadata("limit", 20)
            .field("role", "has no seat left")
            .quota("roles/owner", "20 seats")
            .precondition("SEATS", "roles/owner", "free one first")
            .resource("tenantry/Role", "roles/owner")
            .retry_after(Duration::from_secs(3))
            .status();
        assert_eq!((status.code(), status.message()), (Code::ResourceExhausted, "no seat left"));
        let details = status.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!((info.reason.as_str(), info.domain.as_str()), ("SEATS_TAKEN", "tenantry"));
        assert_eq!(info.metadata["limit"], "20");
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "role");
        assert_eq!(details.quota_failure().unwrap().violations[0].subject, "roles/owner");
        assert_eq!(details.precondition_failure().unwrap().violations[0].r#type, "SEATS");
        assert_eq!(details.resource_info().unwrap().resource_name, "roles/owner");
        assert_eq!(details.retry_info().unwrap().retry_delay, Some(Duration::from_secs(3)));
    }

    #[test]
    fn an_internal_error_tells_an_incident_number_and_nothing_of_its_cause() {
        let status = internal(std::io::Error::other("password of /var/secret is hunter2"));
        assert_eq!(status.code(), Code::Internal);
        let details = status.get_error_details();
        let incident = &details.error_info().unwrap().metadata["incident"];
        assert!(status.message().contains(incident.as_str()));
        assert!(!format!("{status:?}").contains("hunter2"));
        assert!(!status.details().windows(7).any(|window| window == b"hunter2"));
    }

    #[test]
    fn an_item_of_a_batch_is_named_and_the_rest_stays() {
        let status = refuse(Code::PermissionDenied, Reason::NotAllowed, "no").metadata("permission", "a.b").field("role", "none").status();
        let about = about_item(status, 3);
        assert_eq!((about.code(), about.message()), (Code::PermissionDenied, "item 3: no"));
        let details = about.get_error_details();
        let info = details.error_info().unwrap();
        assert_eq!(
            (info.reason.as_str(), info.metadata["index"].as_str(), info.metadata["permission"].as_str()),
            ("NOT_ALLOWED", "3", "a.b")
        );
        assert_eq!(details.bad_request().unwrap().field_violations.len(), 1);
        assert!(about_item(Status::internal("x"), 1).details().is_empty());
    }

    #[test]
    fn many_details_still_fit_into_headers() {
        let mut refusal = refuse(Code::InvalidArgument, Reason::InvalidField, "x".repeat(100_000));
        for at in 0..1000 {
            refusal = refusal.field(format!("items[{at}].name"), "ä".repeat(at)).metadata(format!("key{at}"), "v");
        }
        let status = refusal.status();
        assert!(status.message().len() <= MAX_TEXT + 3);
        assert!(status.details().len() < 8192 * 3 / 4 - MAX_TEXT);
        assert!(!status.get_error_details().bad_request().unwrap().field_violations.is_empty());
    }
}
