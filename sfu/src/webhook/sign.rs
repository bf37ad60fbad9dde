//! Signatures that a back end verifies.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::{Digest, Md5};

use crate::auth::SecretKey;

/// The header field `Sign`: the standard base64 of HMAC-SHA256 over the body as it is sent.
pub fn room_sign(key: &SecretKey, body: &[u8]) -> String {
    STANDARD.encode(key.sign(body))
}

/// The body's `sign` of a stream's begin and end: the MD5 of key and `t` in hex digits. `t` is
/// the Unix second until which it is good.
pub fn stream_sign(key: &SecretKey, t: u64) -> String {
    let hash = Md5::new()
        .chain_update(key.expose())
        .chain_update(t.to_string())
        .finalize();
    format!("{:032x}", u128::from_be_bytes(hash.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(text: &str) -> SecretKey {
        text.parse().unwrap()
    }

    /// The vendor's own example of a room notice.
    #[test]
    fn the_room_signature_is_that_of_the_vector() {
        let body = br#"{"EventGroupId":1,"EventType":103,"CallbackTs":1700000000123,"EventInfo":{"RoomId":12345,"EventTs":1700000000,"UserId":"test","Role":20,"Reason":1}}"#;
        assert_eq!(
            room_sign(&key("123654"), body),
            "4/aXytz/fqNINBtoeg6EeCKzaD2FoXSLrrFlTB1CNZA="
        );
        assert_ne!(
            room_sign(&key("123655"), body),
            room_sign(&key("123654"), body)
        );
    }

    #[test]
    fn the_stream_signature_is_that_of_the_vector() {
        assert_eq!(
            stream_sign(&key("cbkey"), 1_700_000_600),
            "3bc18cba0c48182a7f1832e31df70a81"
        );
    }
}
