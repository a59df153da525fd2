//! The ledger's errors as statuses; the same for every service that writes.

use std::time::Duration;

use api::error::v1::Reason;
use chassis::{internal, refuse};
use tonic::{Code, Status};

/// Why the ledger did not write, for the client.
pub fn ledger_status(error: ledger::Error) -> Status {
    const RETRY: Duration = Duration::from_millis(500);
    let message = error.to_string();
    match error {
        ledger::Error::RequestIdReused => refuse(Code::InvalidArgument, Reason::RequestIdReused, message)
            .field("request_id", "was used before for another request; take a new UUID for each")
            .status(),
        ledger::Error::Busy { retry_after } => {
            refuse(Code::Unavailable, Reason::Busy, format!("{message}; try again")).retry_after(retry_after).status()
        }
        ledger::Error::Refused(status) => status,
        ledger::Error::Unavailable => refuse(Code::Unavailable, Reason::NotReady, message).retry_after(RETRY).status(),
        ledger::Error::OutcomeUnknown => {
            let message = "it is not known whether this was done; send the same call with the same `request_id` again";
            refuse(Code::Unavailable, Reason::NotReady, message).retry_after(RETRY).status()
        }
        // Two calls at once took the same name or e-mail address; the rows are looked for before, so this is the other's commit meanwhile.
        ledger::Error::Unique { .. } => {
            refuse(Code::AlreadyExists, Reason::AlreadyExists, "somebody else has just taken the name").status()
        }
        // Values are bounded where they are read so that no record comes near this.
        error @ (ledger::Error::RecordTooLarge { .. }
        | ledger::Error::ForeignKey { .. }
        | ledger::Error::Poisoned
        | ledger::Error::Storage(_)) => internal(error),
    }
}
