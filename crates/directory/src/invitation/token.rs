//! The secret of an invitation, and what is kept of it.

use std::fmt::{self, Write};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest, Sha256};

/// 256 random bits as text. Shown once, to whoever invites; never kept, never written to a log.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Token(String);

/// SHA-256 of a token, in hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct TokenHash(String);

impl Token {
    /// A new one.
    pub(crate) fn new() -> Self {
        Self(URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>()))
    }

    /// Reads one; none if it cannot be one.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // First, so that nothing long is decoded.
        let fits = text.len() == 43;
        (fits && URL_SAFE_NO_PAD.decode(text).is_ok_and(|bytes| bytes.len() == 32)).then(|| Self(text.to_owned()))
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> TokenHash {
        let digest: [u8; 32] = Sha256::digest(self.0.as_bytes()).into();
        TokenHash(digest.iter().fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The text, for the one answer that has it.
    pub(crate) fn reveal(self) -> String {
        self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl TokenHash {
    /// As it was kept.
    pub(crate) fn kept(text: String) -> Self {
        Self(text)
    }

    /// As it is kept.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_is_never_the_same() {
        let token = Token::new();
        let text = token.clone().reveal();
        assert_eq!(text.len(), 43);
        assert_eq!(Token::parse(&text), Some(token.clone()));
        assert_ne!(Token::new(), token);
        for wrong in ["", "a", &text[1..], &format!("{text}A"), &"!".repeat(43), &"A".repeat(1000)] {
            assert_eq!(Token::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn what_is_kept_and_what_is_logged_do_not_tell_it() {
        let token = Token::parse(&"A".repeat(43)).unwrap();
        // printf 'A%.0s' $(seq 43) | sha256sum
        assert_eq!(token.hash().as_str().len(), 64);
        assert!(!format!("{token:?}").contains('A'));
    }
}
