//! The one place where a request gets its identity: who calls, and for whom.
//!
//! The server asks [`Identification`] once for each call, before any service sees it, and puts the [`Identity`] into the
//! request's extensions. Services read it with [`of`] and [`require_actor`] and never look at metadata themselves.

use std::net::SocketAddr;

use api::error::v1::Reason;
use http::HeaderMap;
use tonic::{Code, Request, Status, metadata::MetadataMap};

use crate::{
    config::{IdentityConfig, IdentityMode},
    refusal::refuse,
};

/// The metadata that names the actor: `on-behalf-of: users/ann`.
pub const ON_BEHALF_OF: &str = "on-behalf-of";
/// The metadata by which a caller names itself, believed in development only: `tenantry-caller: services/console`.
pub const CALLER: &str = "tenantry-caller";
/// Who calls in development without saying so.
pub const DEVELOPMENT_CALLER: &str = "services/development";

/// Who makes a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The service that calls: `services/console`.
    pub caller: String,
    /// The user on whose behalf it does; `None` if it works for nobody (decisions, the feed).
    pub actor: Option<Actor>,
}

/// A user on whose behalf a call is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `users/ann`: well-formed, not necessarily known.
    pub name: String,
}

/// The request's identity. An error (INTERNAL) only where a service runs behind no server of ours.
pub fn of<T>(request: &Request<T>) -> Result<&Identity, Status> {
    request.extensions().get::<Identity>().ok_or_else(|| crate::internal("a request without identity reached a service"))
}

/// The request's actor, or UNAUTHENTICATED.
pub fn require_actor<T>(request: &Request<T>) -> Result<&Actor, Status> {
    of(request)?.require_actor()
}

impl Identity {
    /// The actor, or UNAUTHENTICATED.
    pub fn require_actor(&self) -> Result<&Actor, Status> {
        self.actor.as_ref().ok_or_else(|| {
            refuse(
                Code::Unauthenticated,
                Reason::ActorMissing,
                "this method works for a user; send the metadata `on-behalf-of`, for example `users/ann`",
            )
            .metadata("metadata", ON_BEHALF_OF)
            .status()
        })
    }

    /// Writes it into the metadata of a call to another service, as [`Identification`] there reads it.
    pub fn write(&self, metadata: &mut MetadataMap) {
        put(metadata, CALLER, &self.caller);
        match &self.actor {
            Some(actor) => put(metadata, ON_BEHALF_OF, &actor.name),
            None => {
                metadata.remove(ON_BEHALF_OF);
            }
        }
    }
}

fn put(metadata: &mut MetadataMap, key: &'static str, value: &str) {
    // Names that were read or parsed are ASCII; what is not cannot be sent, and would be refused there.
    if let Ok(value) = value.parse() {
        metadata.insert(key, value);
    }
}

/// How callers prove who they are.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Identification {
    /// They need not: everybody is believed. Only where nobody else can connect.
    Development,
}

/// Development mode on an address that others can reach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "identity mode `development` believes everybody, so it listens on a loopback address only, not on `{0}`; set `server.listen` to `127.0.0.1:…` or `[::1]:…`"
)]
pub struct Exposed(pub SocketAddr);

impl Identification {
    /// As configured.
    pub fn new(config: &IdentityConfig) -> Self {
        match config.mode {
            IdentityMode::Development => Self::Development,
        }
    }

    /// Whether it may be used there; `None` is the in-memory transport. Says loudly what it lets through.
    pub fn allow(&self, listen: Option<SocketAddr>) -> Result<(), Exposed> {
        match (self, listen) {
            (Self::Development, Some(address)) if !address.ip().is_loopback() => Err(Exposed(address)),
            (Self::Development, Some(address)) => {
                tracing::warn!(%address, "DEVELOPMENT MODE: every caller is believed to be whoever it says; never use this where others can connect");
                Ok(())
            }
            (Self::Development, None) => Ok(()),
        }
    }

    /// Reads who makes a call.
    pub fn identify(&self, headers: &HeaderMap) -> Result<Identity, Status> {
        match self {
            Self::Development => {
                let caller = read(headers, CALLER, "services/", "services/console")?;
                let actor = read(headers, ON_BEHALF_OF, "users/", "users/ann")?;
                Ok(Identity { caller: caller.unwrap_or_else(|| DEVELOPMENT_CALLER.to_owned()), actor: actor.map(|name| Actor { name }) })
            }
        }
    }
}

fn read(headers: &HeaderMap, key: &'static str, collection: &str, example: &str) -> Result<Option<String>, Status> {
    let mut values = headers.get_all(key).iter();
    let Some(value) = values.next() else { return Ok(None) };
    if let (Ok(text), None) = (value.to_str(), values.next())
        && text.strip_prefix(collection).is_some_and(is_id)
    {
        return Ok(Some(text.to_owned()));
    }
    Err(refuse(Code::InvalidArgument, Reason::InvalidField, format!("the metadata `{key}` is not one name of the form `{example}`"))
        .metadata("metadata", key)
        .field(key, format!("one name, `{collection}` and 1 to 63 of a-z, 0-9 and `-`"))
        .status())
}

/// Ids are `[a-z0-9-]{1,63}` (DESIGN §3, Names).
pub(crate) fn is_id(text: &str) -> bool {
    (1..=63).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn identify(pairs: &[(&'static str, &str)]) -> Result<Identity, Status> {
        let mut headers = HeaderMap::new();
        for (key, value) in pairs {
            headers.append(*key, HeaderValue::from_str(value).unwrap());
        }
        Identification::Development.identify(&headers)
    }

    #[test]
    fn a_call_that_says_nothing_comes_from_development_and_for_nobody() {
        assert_eq!(identify(&[]).unwrap(), Identity { caller: DEVELOPMENT_CALLER.into(), actor: None });
    }

    #[test]
    fn a_call_is_believed_in_development() {
        let identity = identify(&[(CALLER, "services/console"), (ON_BEHALF_OF, "users/ann")]).unwrap();
        assert_eq!(identity.caller, "services/console");
        assert_eq!(identity.require_actor().unwrap().name, "users/ann");
    }

    #[test]
    fn malformed_names_are_invalid_arguments() {
        let long = format!("users/{}", "a".repeat(64));
        for wrong in ["", "ann", "users/", "users/Ann", "users/a b", "users/ann/x", "services/ann", "users/ä", &long] {
            assert_eq!(identify(&[(ON_BEHALF_OF, wrong)]).unwrap_err().code(), Code::InvalidArgument, "{wrong}");
        }
        assert_eq!(identify(&[(ON_BEHALF_OF, "users/ann"), (ON_BEHALF_OF, "users/bob")]).unwrap_err().code(), Code::InvalidArgument);
        assert_eq!(identify(&[(CALLER, "users/ann")]).unwrap_err().code(), Code::InvalidArgument);
    }

    #[test]
    fn a_method_that_works_for_a_user_says_how_to_name_one() {
        use tonic_types::StatusExt;
        let status = identify(&[]).unwrap().require_actor().unwrap_err();
        assert_eq!(status.code(), Code::Unauthenticated);
        assert!(status.message().contains("on-behalf-of"));
        assert_eq!(status.get_error_details().error_info().unwrap().reason, "ACTOR_MISSING");
    }

    #[test]
    fn an_identity_is_read_as_it_was_written() {
        let identity = Identity { caller: "services/directory".into(), actor: Some(Actor { name: "users/ann".into() }) };
        let mut metadata = MetadataMap::new();
        identity.write(&mut metadata);
        assert_eq!(Identification::Development.identify(&metadata.clone().into_headers()).unwrap(), identity);
        let nobody = Identity { actor: None, ..identity };
        nobody.write(&mut metadata);
        assert_eq!(Identification::Development.identify(&metadata.into_headers()).unwrap(), nobody);
    }

    #[test]
    fn development_is_refused_where_others_can_connect() {
        let mode = Identification::new(&IdentityConfig::default());
        for exposed in ["0.0.0.0:1", "[::]:1", "192.0.2.7:1", "[2001:db8::1]:1"] {
            let address = exposed.parse().unwrap();
            assert_eq!(mode.allow(Some(address)), Err(Exposed(address)));
        }
        for fine in ["127.0.0.1:1", "127.9.9.9:1", "[::1]:1"] {
            assert_eq!(mode.allow(Some(fine.parse().unwrap())), Ok(()));
        }
        assert_eq!(mode.allow(None), Ok(()));
    }
}
