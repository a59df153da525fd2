//! Where the services are, for commands that call them.

use clap::Args;
use client::session::Session;

use crate::Failure;

/// Where to ask.
#[derive(Args)]
pub(crate) struct Address {
    /// Where the services are.
    #[arg(long, env = "TENANTRY_ADDRESS", default_value = "http://127.0.0.1:50051", value_name = "URL", global = true)]
    address: String,
}

impl Address {
    /// A session with all three services, on nobody's behalf.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let with_scheme = if self.address.contains("://") { self.address.clone() } else { format!("http://{}", self.address) };
        Session::at(&with_scheme)
            .map_err(|_| Failure::usage(format!("`{}` is not an address; for example `http://127.0.0.1:50051`", self.address)))
    }
}

/// What a refused call says to people.
pub(crate) fn refusal(status: &tonic::Status) -> Failure {
    use tonic_types::StatusExt;
    let mut message = status.message().to_owned();
    let details = status.get_error_details();
    for violation in details.bad_request().into_iter().flat_map(|bad| &bad.field_violations) {
        message.push_str(&format!("\n  {}: {}", violation.field, violation.description));
    }
    if let Some(info) = details.error_info() {
        message.push_str(&format!("\n  ({:?}, {})", status.code(), info.reason));
    } else {
        message.push_str(&format!("\n  ({:?})", status.code()));
    }
    Failure::unavailable(message)
}
