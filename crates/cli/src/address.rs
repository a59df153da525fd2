//! Where the services are, for commands that call them.

use clap::Args;
use client::session::{Session, channel};
use decision::name::UserName;
use tonic::{Code, Status, codegen::http::Uri, transport::Channel};
use tonic_types::StatusExt;

use crate::{Failure, ask::absolute};

/// The variables that name addresses here; they are not `serve`'s configuration.
pub(crate) const VARIABLES: [&str; 4] =
    ["TENANTRY_ADDRESS", "TENANTRY_DIRECTORY_ADDRESS", "TENANTRY_ROLE_CATALOG_ADDRESS", "TENANTRY_AUTHZ_ADDRESS"];

/// Where to ask.
#[derive(Args)]
pub(crate) struct Address {
    /// Where the services are.
    #[arg(long, env = VARIABLES[0], default_value = "http://127.0.0.1:50051", value_name = "URL")]
    address: String,
    /// Where the directory is, if elsewhere.
    #[arg(long, env = VARIABLES[1], value_name = "URL")]
    directory: Option<String>,
    /// Where the role catalog is, if elsewhere.
    #[arg(long, env = VARIABLES[2], value_name = "URL")]
    role_catalog: Option<String>,
    /// Where authz is, if elsewhere.
    #[arg(long, env = VARIABLES[3], value_name = "URL")]
    authz: Option<String>,
}

/// Whose doing it is.
#[derive(Args)]
pub(crate) struct OnBehalfOf {
    /// The user on whose behalf it is done: `users/ann` or `ann`.
    #[arg(id = "on-behalf-of", long = "as", default_value = "users/platform", value_name = "USER")]
    user: String,
}

impl OnBehalfOf {
    /// A session on their behalf.
    pub(crate) fn session(&self, address: &Address) -> Result<Session, Failure> {
        let user = absolute("users/", &self.user);
        let is_name = UserName::parse(&user).is_ok();
        let session = address.session()?.on_behalf_of(&user).ok().filter(|_| is_name);
        session.ok_or_else(|| Failure::usage(format!("`{}` is not a user's name; for example `users/ann`", self.user)))
    }
}

impl Address {
    /// A session with all three services, on nobody's behalf.
    pub(crate) fn session(&self) -> Result<Session, Failure> {
        let reach = |own: &Option<String>| reach(own.as_deref().unwrap_or(&self.address));
        Ok(Session::new(reach(&self.directory)?, reach(&self.role_catalog)?, reach(&self.authz)?))
    }

    /// Where the directory is asked.
    pub(crate) fn of_directory(&self) -> String {
        with_scheme(self.directory.as_deref().unwrap_or(&self.address))
    }

    /// Where the role catalog is asked.
    pub(crate) fn of_role_catalog(&self) -> String {
        with_scheme(self.role_catalog.as_deref().unwrap_or(&self.address))
    }

    /// Where authz is asked.
    pub(crate) fn of_authz(&self) -> String {
        with_scheme(self.authz.as_deref().unwrap_or(&self.address))
    }

    /// Every address that is in use, each once.
    pub(crate) fn all(&self) -> String {
        let mut all: Vec<String> = Vec::new();
        for own in [&self.directory, &self.role_catalog, &self.authz] {
            let address = with_scheme(own.as_deref().unwrap_or(&self.address));
            if !all.contains(&address) {
                all.push(address);
            }
        }
        all.join(", ")
    }
}

fn with_scheme(address: &str) -> String {
    if address.contains("://") { address.to_owned() } else { format!("http://{address}") }
}

fn reach(address: &str) -> Result<Channel, Failure> {
    let full = with_scheme(address);
    let malformed = || Failure::usage(format!("`{address}` is not an address; for example `http://127.0.0.1:50051`"));
    let uri: Uri = full.parse().map_err(|_| malformed())?;
    // Any other scheme would be dialled in plain text all the same.
    if uri.scheme_str() != Some("http") {
        let scheme = uri.scheme_str().unwrap_or_default();
        return Err(Failure::usage(format!("`{address}`: only `http://` is spoken in this release, not `{scheme}://`")));
    }
    if uri.host().is_none_or(str::is_empty) {
        return Err(malformed());
    }
    channel(&full).map_err(|_| malformed())
}

/// What a refused call says to people; `address` is where it was made.
pub(crate) fn refusal(status: &Status, address: &str) -> Failure {
    let details = status.get_error_details();
    let info = details.error_info();
    // Whatever a service says has an `ErrorInfo`; these come from the way to it.
    let on_the_way = info.is_none() && matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal);
    let mut message = if on_the_way {
        format!("cannot reach `{address}`: {}; is `tenantry serve` running there?", status.message())
    } else {
        status.message().to_owned()
    };
    for violation in details.bad_request().into_iter().flat_map(|bad| &bad.field_violations) {
        message.push_str(&format!("\n  {}: {}", violation.field, violation.description));
    }
    if let Some(info) = info {
        message.push_str(&format!("\n  ({:?}, {})", status.code(), info.reason));
    } else {
        message.push_str(&format!("\n  ({:?})", status.code()));
    }
    Failure::unavailable(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(address: &str) -> Address {
        Address { address: address.into(), directory: None, role_catalog: None, authz: None }
    }

    #[test]
    fn only_plain_http_is_spoken_and_anything_else_is_refused() {
        for wrong in ["https://127.0.0.1:50051", "ftp://host:1", "http://", "http://a b:1", ""] {
            assert_eq!(at(wrong).session().unwrap_err().code, crate::exit::USAGE, "{wrong}");
        }
        let https = at("https://127.0.0.1:50051").session().unwrap_err();
        assert!(https.message.contains("https://127.0.0.1:50051"), "{}", https.message);
    }

    #[tokio::test]
    async fn services_are_where_address_says_unless_they_are_elsewhere() {
        let address = Address { authz: Some("http://127.0.0.1:7003".into()), ..at("127.0.0.1:7001") };
        address.session().unwrap();
        assert_eq!(address.of_authz(), "http://127.0.0.1:7003");
        assert_eq!(address.all(), "http://127.0.0.1:7001, http://127.0.0.1:7003");
        assert_eq!(at("127.0.0.1:7001").all(), "http://127.0.0.1:7001");
    }

    #[tokio::test]
    async fn on_whose_behalf_is_said_with_or_without_the_collection() {
        let who = |user: &str| OnBehalfOf { user: user.into() }.session(&at("127.0.0.1:7001"));
        for user in ["users/ann", "ann"] {
            who(user).unwrap();
        }
        for wrong in ["", "users/", "Ann", "users/ann b", "groups/ann"] {
            assert_eq!(who(wrong).unwrap_err().code, crate::exit::USAGE, "{wrong}");
        }
    }

    #[test]
    fn a_server_that_cannot_be_reached_is_named() {
        let failure = refusal(&Status::unavailable("tcp connect error"), "http://127.0.0.1:1");
        assert!(failure.message.starts_with("cannot reach `http://127.0.0.1:1`"), "{}", failure.message);
    }
}
