//! Signed HTTP requests: the page's own back end proves with its app's key that it asks.
//!
//! What is signed are six lines without a line break at the end: [`SCHEME`], the method, path and
//! query as they are sent, Unix seconds, the nonce, and SHA-256 of the body in hex. The first line
//! keeps the signature apart from everything else that the same key signs.

use std::collections::{HashSet, VecDeque};

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::secret::SecretKey;

/// First line of what is signed.
pub const SCHEME: &str = "weblive-request-1";

/// How far a request's time may be from ours, either way, in seconds.
pub const MAX_AGE: u64 = 300;

/// Longest nonce, in bytes.
pub const MAX_NONCE: usize = 64;

/// A request as it is signed.
#[derive(Debug, Clone, Copy)]
pub struct SignedRequest<'a> {
    /// `GET`, `POST` and so on.
    pub method: &'a str,
    /// Path and query, byte for byte as sent.
    pub target: &'a str,
    /// Unix seconds.
    pub time: u64,
    /// Makes two equal requests within one second differ; may be empty.
    pub nonce: &'a str,
    /// The body; empty when there is none.
    pub body: &'a [u8],
}

/// Why a signed request is refused.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RequestError {
    /// No key of the app makes this signature.
    #[error("the signature is not that of this request with the app's key")]
    Signature,
    /// Too old, or from the future.
    #[error("the request's time is {by} s from the server's; at most {MAX_AGE} s are allowed")]
    Time {
        /// Distance in seconds.
        by: u64,
    },
    /// The nonce is too long or holds something that a header field does not.
    #[error("the nonce has up to 64 letters, digits, '-', '_' and '.'")]
    Nonce,
    /// Seen before.
    #[error("this request was carried out before; sign it again with a new time or nonce")]
    Replayed,
    /// Too many requests are remembered.
    #[error("{limit} requests are remembered, which is the most allowed; try again later")]
    Full {
        /// The bound.
        limit: usize,
    },
}

impl RequestError {
    /// The value of the metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Signature => "request_signature",
            Self::Time { .. } => "request_time",
            Self::Nonce => "request_nonce",
            Self::Replayed => "request_replayed",
            Self::Full { .. } => "request_cache_full",
        }
    }
}

impl SignedRequest<'_> {
    /// The signature with a key.
    pub fn sign(&self, key: &SecretKey) -> [u8; 32] {
        key.sign(self.content().as_bytes())
    }

    /// Verifies signature and time. While keys are rotated there are two, and either is good.
    ///
    /// # Errors
    /// [`RequestError`], all but the two of [`Replays`].
    pub fn verify(
        &self,
        keys: &[SecretKey],
        signature: &[u8; 32],
        now: u64,
    ) -> Result<(), RequestError> {
        let is_plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if self.nonce.len() > MAX_NONCE || !self.nonce.bytes().all(is_plain) {
            return Err(RequestError::Nonce);
        }
        let content = self.content();
        // Every key is tried: the time taken does not tell which one it was.
        let signed = keys
            .iter()
            .map(|key| key.verifies(content.as_bytes(), signature))
            .fold(false, |any, one| any | one);
        if !signed {
            return Err(RequestError::Signature);
        }
        check_time(self.time, now)
    }

    fn content(&self) -> String {
        let Self {
            method,
            target,
            time,
            nonce,
            body,
        } = self;
        let body = super::hex(&Sha256::digest(body));
        format!("{SCHEME}\n{method}\n{target}\n{time}\n{nonce}\n{body}")
    }
}

/// Whether a signed time is near enough to now.
///
/// # Errors
/// [`RequestError::Time`].
pub(super) fn check_time(time: u64, now: u64) -> Result<(), RequestError> {
    let by = time.abs_diff(now);
    if by > MAX_AGE {
        return Err(RequestError::Time { by });
    }
    Ok(())
}

/// Signatures of requests that changed something, remembered until their time is too old to come
/// again.
#[derive(Debug)]
pub struct Replays {
    seen: HashSet<[u8; 32]>,
    /// In the order in which they came, each with the second from which it is forgotten.
    order: VecDeque<(u64, [u8; 32])>,
    limit: usize,
}

impl Replays {
    /// Remembers up to `limit` signatures.
    pub fn new(limit: usize) -> Self {
        Self {
            seen: HashSet::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    /// Notes a verified signature.
    ///
    /// # Errors
    /// [`RequestError::Replayed`] and [`RequestError::Full`].
    pub fn note(&mut self, now: u64, signature: [u8; 32]) -> Result<(), RequestError> {
        while let Some((until, old)) = self.order.front() {
            if *until > now {
                break;
            }
            self.seen.remove(old);
            self.order.pop_front();
        }
        if self.seen.contains(&signature) {
            return Err(RequestError::Replayed);
        }
        if self.seen.len() >= self.limit {
            return Err(RequestError::Full { limit: self.limit });
        }
        self.seen.insert(signature);
        // A time that is MAX_AGE ahead of ours is good for twice as long.
        self.order.push_back((now + 2 * MAX_AGE + 1, signature));
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_700_000_000;

    fn key(text: &str) -> SecretKey {
        text.parse().unwrap()
    }

    fn request() -> SignedRequest<'static> {
        SignedRequest {
            method: "POST",
            target: "/api/v1/rooms/42/messages?x=1",
            time: NOW,
            nonce: "n-1",
            body: b"{\"text\":\"hi\"}",
        }
    }

    /// Computed with `openssl dgst -sha256 -hmac hunter2` over the six lines.
    #[test]
    fn the_signature_is_that_of_openssl() {
        assert_eq!(
            super::super::hex(&request().sign(&key("hunter2"))),
            "c3b145826a4b331ceb3b4ea1275f1024a1151cec57f4588e4731a1068fb32f13"
        );
    }

    #[test]
    fn a_signature_is_good_for_one_request_only() {
        let keys = [key("old"), key("new")];
        let tag = request().sign(&keys[1]);
        assert_eq!(request().verify(&keys, &tag, NOW), Ok(()));
        for other in [
            SignedRequest {
                method: "PUT",
                ..request()
            },
            SignedRequest {
                target: "/api/v1/rooms/42/messages?x=2",
                ..request()
            },
            SignedRequest {
                time: NOW + 1,
                ..request()
            },
            SignedRequest {
                nonce: "n-2",
                ..request()
            },
            SignedRequest {
                body: b"{}",
                ..request()
            },
        ] {
            let refused = other.verify(&keys, &tag, NOW);
            assert_eq!(refused, Err(RequestError::Signature), "{other:?}");
        }
        let refused = request().verify(&keys[..1], &tag, NOW);
        assert_eq!(refused, Err(RequestError::Signature));
        assert!(request().verify(&[], &tag, NOW).is_err());
    }

    #[test]
    fn a_request_is_good_for_five_minutes_either_way() {
        let keys = [key("k")];
        let tag = request().sign(&keys[0]);
        for now in [NOW - 300, NOW + 300] {
            assert_eq!(request().verify(&keys, &tag, now), Ok(()));
        }
        for now in [NOW - 301, NOW + 301] {
            assert_eq!(
                request().verify(&keys, &tag, now),
                Err(RequestError::Time { by: 301 })
            );
        }
    }

    #[test]
    fn a_nonce_cannot_move_the_lines() {
        let keys = [key("k")];
        for nonce in ["a\nb", " ", "é", &"n".repeat(65)] {
            let request = SignedRequest { nonce, ..request() };
            let tag = request.sign(&keys[0]);
            assert_eq!(
                request.verify(&keys, &tag, NOW),
                Err(RequestError::Nonce),
                "{nonce:?}"
            );
        }
    }

    #[test]
    fn a_request_comes_once_for_as_long_as_its_time_is_good() {
        let mut replays = Replays::new(10);
        assert_eq!(replays.note(NOW, [1; 32]), Ok(()));
        for later in [0, 300, 600] {
            assert_eq!(
                replays.note(NOW + later, [1; 32]),
                Err(RequestError::Replayed)
            );
        }
        assert_eq!(replays.note(NOW + 601, [1; 32]), Ok(()));
    }

    #[test]
    fn what_is_remembered_is_bounded_and_makes_place_with_time() {
        let mut replays = Replays::new(3);
        for n in 0..3 {
            assert_eq!(replays.note(NOW, [n; 32]), Ok(()));
        }
        assert_eq!(
            replays.note(NOW, [9; 32]),
            Err(RequestError::Full { limit: 3 })
        );
        assert_eq!(replays.note(NOW + 601, [9; 32]), Ok(()));
        assert_eq!((replays.seen.len(), replays.order.len()), (1, 1));
    }
}
