//! Keys that sign, kept out of every text that could be logged.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;

/// A key shared with the page's own back end: 1 to 256 visible ASCII characters.
///
/// The characters themselves are the key; one that looks like hex digits is not decoded.
/// Cloning shares the text, and `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct SecretKey(Arc<str>);

impl SecretKey {
    /// The longest key, in characters.
    pub const MAX_LEN: usize = 256;

    /// The key's text, for writing settings and for [`super::SignedAddress`].
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// HMAC-SHA256 (RFC 2104) of a content.
    pub(crate) fn sign(&self, content: &[u8]) -> [u8; 32] {
        self.mac(content).finalize().into_bytes().into()
    }

    /// Whether a tag is that of the content; takes the same time for any tag.
    pub(crate) fn verifies(&self, content: &[u8], tag: &[u8; 32]) -> bool {
        self.mac(content).verify_slice(tag).is_ok()
    }

    fn mac(&self, content: &[u8]) -> Hmac<Sha256> {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.0.as_bytes())
            .expect("HMAC takes keys of any length");
        mac.update(content);
        mac
    }
}

impl FromStr for SecretKey {
    type Err = BadSecretKey;

    fn from_str(text: &str) -> Result<Self, BadSecretKey> {
        let is_plain = text.bytes().all(|b| b.is_ascii_graphic());
        if (1..=Self::MAX_LEN).contains(&text.len()) && is_plain {
            Ok(Self(text.into()))
        } else {
            Err(BadSecretKey)
        }
    }
}

impl fmt::Debug for SecretKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretKey(hidden)")
    }
}

/// A text is no [`SecretKey`]. It does not say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a secret key needs 1 to 256 visible ASCII characters")]
pub struct BadSecretKey;

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 4231 §4.3.
    #[test]
    fn hmac_is_that_of_rfc_4231() {
        let key: SecretKey = "Jefe".parse().unwrap();
        let tag = key.sign(b"what do ya want for nothing?");
        assert_eq!(tag[..4], [0x5b, 0xdc, 0xc1, 0x46]);
        assert!(key.verifies(b"what do ya want for nothing?", &tag));
        assert!(!key.verifies(b"what do ya want for nothing!", &tag));
        let mut other = tag;
        other[31] ^= 1;
        assert!(!key.verifies(b"what do ya want for nothing?", &other));
    }

    #[test]
    fn a_key_stays_out_of_debug_and_errors() {
        let key: SecretKey = "hunter2".parse().unwrap();
        assert!(!format!("{key:?}").contains("hunter2"));
        let error = "hunter2 ".parse::<SecretKey>().unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
    }

    #[test]
    fn keys_are_visible_characters() {
        for bad in ["", " ", "a b", "a\n", "é", &"k".repeat(257)] {
            assert_eq!(bad.parse::<SecretKey>(), Err(BadSecretKey));
        }
        assert!("k".repeat(256).parse::<SecretKey>().is_ok());
    }
}
