//! Consistency tokens: a position in the ledger, opaque to clients.

use std::fmt;

/// A position of the ledger: after the commit of `revision` in the history `epoch`.
///
/// As text: `t` and 32 bytes in base64url without padding: epoch (16), revision (8, big-endian), nonce (8, big-endian).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token {
    /// Which history: a restore starts another one.
    pub epoch: uuid::Uuid,
    /// How many commits it has seen.
    pub revision: u64,
    /// The random number of the last of them, by which a rewritten history is noticed; 0 at revision 0.
    pub nonce: i64,
}

/// A text that is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a consistency token; pass the `revision` of a resource as it was returned")]
pub struct MalformedToken;

impl Token {
    /// Reads a token.
    pub fn parse(text: &str) -> Result<Self, MalformedToken> {
        let bytes = text.strip_prefix('t').and_then(decode).ok_or(MalformedToken)?;
        let (epoch, rest) = bytes.split_first_chunk::<16>().ok_or(MalformedToken)?;
        let (revision, rest) = rest.split_first_chunk::<8>().ok_or(MalformedToken)?;
        let nonce = <[u8; 8]>::try_from(rest).map_err(|_| MalformedToken)?;
        let revision = u64::from_be_bytes(*revision);
        if i64::try_from(revision).is_err() {
            return Err(MalformedToken);
        }
        Ok(Self { epoch: uuid::Uuid::from_bytes(*epoch), revision, nonce: i64::from_be_bytes(nonce) })
    }
}

fn decode(text: &str) -> Option<Vec<u8>> {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text).ok()
}

impl fmt::Display for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use base64::Engine;
        let mut bytes = [0; 32];
        bytes[..16].copy_from_slice(self.epoch.as_bytes());
        bytes[16..24].copy_from_slice(&self.revision.to_be_bytes());
        bytes[24..].copy_from_slice(&self.nonce.to_be_bytes());
        write!(f, "t{}", base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back() {
        let token = Token { epoch: uuid::Uuid::new_v4(), revision: 42, nonce: -7 };
        assert_eq!(Token::parse(&token.to_string()), Ok(token));
    }

    #[test]
    fn anything_else_is_refused() {
        for text in ["", "t", "t!!", "42", &format!("{}x", Token { epoch: uuid::Uuid::nil(), revision: 0, nonce: 0 })] {
            assert_eq!(Token::parse(text), Err(MalformedToken), "{text}");
        }
    }
}
