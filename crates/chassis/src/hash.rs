//! Fingerprints of requests.

use prost::Message;
use sha2::{Digest, Sha256};

/// SHA-256 of the message's encoding: by it a `request_id` that is used again for another body is noticed.
///
/// Maps of the generated messages are ordered, so the same message always gives the same fingerprint.
pub fn body_hash(message: &impl Message) -> [u8; 32] {
    Sha256::digest(message.encode_to_vec()).into()
}

/// SHA-256 over the parts, each with its length before it: no two lists of parts run together.
pub fn parts_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    hasher.finalize().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_do_not_run_together() {
        assert_ne!(parts_hash([b"ab".as_slice(), b"c"]), parts_hash([b"a".as_slice(), b"bc"]));
        assert_ne!(parts_hash([b"".as_slice(), b"a"]), parts_hash([b"a".as_slice(), b""]));
    }

    #[test]
    fn equal_messages_have_one_fingerprint_and_others_another() {
        assert_eq!(body_hash(&"one".to_owned()), body_hash(&"one".to_owned()));
        assert_ne!(body_hash(&"one".to_owned()), body_hash(&"two".to_owned()));
    }
}
