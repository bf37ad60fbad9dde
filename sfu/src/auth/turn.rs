//! Credentials for TURN servers that share a secret with this server: coturn's
//! `use-auth-secret`, after "A REST API For Access To TURN Services"
//! (draft-uberti-behave-turn-rest-00 §2.2). The TURN server needs no list of users, and what a
//! client was told is of no use once its time is over.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::SecretKey;

/// What a client shows to the TURN server.
#[derive(Clone, PartialEq, Eq)]
pub struct TurnCredentials {
    /// When it ends, in Unix seconds, and for whom it was made.
    pub username: String,
    /// The base64 of HMAC-SHA1 of the user name.
    pub credential: String,
}

impl TurnCredentials {
    /// Credentials that end at `expires_at`, in Unix seconds. The TURN server logs `name`, of which
    /// only plain characters are kept.
    pub fn new(secret: &SecretKey, expires_at: u64, name: &str) -> Self {
        let is_plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String = name.chars().filter(is_plain).take(MAX_NAME).collect();
        let username = match name.as_str() {
            "" => expires_at.to_string(),
            name => format!("{expires_at}:{name}"),
        };
        let sha1 = str0m::crypto::from_feature_flags().sha1_hmac_provider;
        let tag = sha1.sha1_hmac(secret.expose().as_bytes(), &[username.as_bytes()]);
        Self {
            username,
            credential: STANDARD.encode(tag),
        }
    }
}

/// Characters of a name: enough to find a user in a log.
const MAX_NAME: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials(secret: &str, expires_at: u64, name: &str) -> (String, String) {
        let secret: SecretKey = secret.parse().expect("a key");
        let made = TurnCredentials::new(&secret, expires_at, name);
        (made.username, made.credential)
    }

    /// By `printf %s 1800000000:anna | openssl dgst -sha1 -hmac north -binary | base64`.
    #[test]
    fn the_credential_is_what_openssl_computes() {
        for (secret, expires_at, name, username, credential) in [
            (
                "north",
                1_800_000_000,
                "anna",
                "1800000000:anna",
                "hcODHAE/R+P6eKoXy+CURRRDzsg=",
            ),
            (
                "a-much-longer-secret-than-one-block-of-the-hash-function-sha1-has-in-bytes",
                1,
                "",
                "1",
                "jlKjLRBzQ0mVxy9/ffm59eN7EUw=",
            ),
        ] {
            let made = credentials(secret, expires_at, name);
            assert_eq!(made, (username.to_owned(), credential.to_owned()));
        }
    }

    #[test]
    fn names_are_plain_and_short() {
        let made = credentials("north", 1, "an:na \"ü<x>\r\n@1");
        assert_eq!(made.0, "1:annax1");
        let made = credentials("north", 1, &"x".repeat(1_000));
        assert_eq!(made.0.len(), 2 + MAX_NAME);
    }
}
