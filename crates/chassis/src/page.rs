//! Page tokens: where a list goes on, opaque and useless to anybody else (AIP-158).

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use prost::Message;
use sha2::Sha256;

use api::error::v1::Reason;
use tonic::{Code, Status};

use crate::{hash::parts_hash, identity::Identity, refusal::refuse};

/// The longest text that is looked at.
const MAX_TEXT: usize = 4096;
const MAC_BYTES: usize = 32;
/// Keeps the keys' other uses apart, should there ever be any, and names the form.
const FORM: &[u8] = b"tenantry page token 1";

/// The secret under which page tokens are made: 32 random bytes, one per installation, the same in every replica.
#[derive(Clone)]
pub struct PageKey([u8; 32]);

/// A text that is no page token of this list: not one at all, or made for another caller, actor, method or query.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a page token of this list; pass `next_page_token` with the same parameters, or leave it empty to begin again")]
pub struct InvalidPageToken;

impl PageKey {
    /// Takes the installation's secret.
    pub fn new(secret: [u8; 32]) -> Self {
        Self(secret)
    }

    /// A secret that lasts as long as the process: for tests, and where no list outlives it.
    pub fn ephemeral() -> Self {
        Self(rand::random())
    }

    /// Makes the token for going on after the row with these key parts (keyset paging: what `order_by` compares, then the id).
    /// `binding` says whose list this is; see [`binding`].
    pub fn encode<S: AsRef<str>>(&self, key: &[S], binding: &[u8]) -> String {
        let payload = Payload { key: key.iter().map(|part| part.as_ref().to_owned()).collect() }.encode_to_vec();
        let mut bytes = self.mac(&payload, binding).finalize().into_bytes().to_vec();
        bytes.extend_from_slice(&payload);
        URL_SAFE_NO_PAD.encode(bytes)
    }

    /// Reads a token that was made with the same secret and the same binding. `Ok(None)` for the empty text: the first page.
    pub fn decode(&self, text: &str, binding: &[u8]) -> Result<Option<Vec<String>>, InvalidPageToken> {
        if text.is_empty() {
            return Ok(None);
        }
        if text.len() > MAX_TEXT {
            return Err(InvalidPageToken);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| InvalidPageToken)?;
        let (mac, payload) = bytes.split_at_checked(MAC_BYTES).ok_or(InvalidPageToken)?;
        self.mac(payload, binding).verify_slice(mac).map_err(|_| InvalidPageToken)?;
        let payload = Payload::decode(payload).map_err(|_| InvalidPageToken)?;
        Ok(Some(payload.key))
    }

    fn mac(&self, payload: &[u8], binding: &[u8]) -> Hmac<Sha256> {
        // RFC 2104: a key shorter than the block is filled up with zeros.
        let mut block = [0; 64];
        block[..32].copy_from_slice(&self.0);
        let mut mac = <Hmac<Sha256> as KeyInit>::new(&block.into());
        mac.update(&parts_hash([FORM, binding, payload]));
        mac
    }
}

impl std::fmt::Debug for PageKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PageKey(…)")
    }
}

impl From<InvalidPageToken> for Status {
    fn from(error: InvalidPageToken) -> Self {
        refuse(Code::InvalidArgument, Reason::PageTokenInvalid, error.to_string()).field("page_token", error.to_string()).into()
    }
}

/// Whose list a token goes on with: caller, actor, method and parameters. `parameters` is the request with `page_token` and
/// `page_size` cleared (a caller may change the size between pages).
pub fn binding(identity: &Identity, method: &str, parameters: &impl Message) -> [u8; 32] {
    let actor = identity.actor.as_ref().map_or("", |actor| actor.name.as_str());
    parts_hash([identity.caller.as_bytes(), actor.as_bytes(), method.as_bytes(), &parameters.encode_to_vec()])
}

#[derive(Clone, PartialEq, Message)]
struct Payload {
    #[prost(string, repeated, tag = "1")]
    key: Vec<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::Actor;

    fn ann() -> Identity {
        Identity { caller: "services/console".into(), actor: Some(Actor { name: "users/ann".into() }) }
    }

    #[test]
    fn a_token_returns_what_it_was_made_of() {
        let key = PageKey::new([7; 32]);
        let binding = binding(&ann(), "ListThings", &"parent".to_owned());
        let token = key.encode(&["2026-01-01", "", "ä/b"], &binding);
        assert_eq!(key.decode(&token, &binding), Ok(Some(vec!["2026-01-01".into(), String::new(), "ä/b".into()])));
        assert_eq!(key.decode("", &binding), Ok(None));
        assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_'));
    }

    #[test]
    fn a_token_is_useless_for_another_caller_actor_method_query_or_installation() {
        let key = PageKey::new([7; 32]);
        let mine = binding(&ann(), "ListThings", &"parent".to_owned());
        let token = key.encode(&["a"], &mine);
        let bob = Identity { actor: Some(Actor { name: "users/bob".into() }), ..ann() };
        let other_service = Identity { caller: "services/other".into(), ..ann() };
        for foreign in [
            binding(&bob, "ListThings", &"parent".to_owned()),
            binding(&other_service, "ListThings", &"parent".to_owned()),
            binding(&Identity { actor: None, ..ann() }, "ListThings", &"parent".to_owned()),
            binding(&ann(), "ListOthers", &"parent".to_owned()),
            binding(&ann(), "ListThings", &"elsewhere".to_owned()),
        ] {
            assert_eq!(key.decode(&token, &foreign), Err(InvalidPageToken));
        }
        assert_eq!(PageKey::new([8; 32]).decode(&token, &mine), Err(InvalidPageToken));
    }

    #[test]
    fn a_changed_token_is_refused_at_every_byte() {
        let key = PageKey::new([7; 32]);
        let token = key.encode(&["a", "b"], b"me");
        let bytes = URL_SAFE_NO_PAD.decode(&token).unwrap();
        for at in 0..bytes.len() {
            let mut forged = bytes.clone();
            forged[at] ^= 1;
            assert_eq!(key.decode(&URL_SAFE_NO_PAD.encode(forged), b"me"), Err(InvalidPageToken));
        }
        for cut in 0..bytes.len() {
            let short = URL_SAFE_NO_PAD.encode(&bytes[..cut]);
            assert!(short.is_empty() || key.decode(&short, b"me").is_err());
        }
        for text in ["!", "a", "AAAA", &"A".repeat(5000)] {
            assert_eq!(key.decode(text, b"me"), Err(InvalidPageToken));
        }
    }

    #[test]
    fn the_refusal_names_the_field() {
        use tonic_types::StatusExt;
        let status = Status::from(InvalidPageToken);
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_error_details();
        assert_eq!(details.error_info().unwrap().reason, "PAGE_TOKEN_INVALID");
        assert_eq!(details.bad_request().unwrap().field_violations[0].field, "page_token");
    }
}
