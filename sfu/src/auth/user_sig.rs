//! The UserSig (TLSSigAPIv2): "the back end of app A says that this is user U, until then".

use thiserror::Error;

use super::code;
use super::envelope::{Envelope, EnvelopeError};
use super::secret::SecretKey;
use crate::live::{AppId, InvalidId, UserId};

/// What a token says, once its signature was found right, or before it is signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claims {
    /// The app whose key signs.
    pub app: AppId,
    /// The user that the token speaks of.
    pub user: UserId,
    /// Unix seconds of the signature.
    pub issued_at: u64,
    /// Seconds from `issued_at` to the end.
    pub expires_in: u64,
    /// What else is signed: the rights of a PrivateMapKey.
    pub userbuf: Option<Vec<u8>>,
}

impl Claims {
    /// The first Unix second in which the token is no longer good.
    pub fn expires_at(&self) -> u64 {
        self.issued_at.saturating_add(self.expires_in)
    }

    /// The token that says this.
    pub fn sign(&self, key: &SecretKey) -> String {
        let mut envelope = Envelope {
            identifier: self.user.as_str().to_owned(),
            app: self.app.0,
            time: self.issued_at,
            expire: self.expires_in,
            userbuf: self.userbuf.clone(),
            tag: [0; 32],
        };
        envelope.tag = key.sign(envelope.content().as_bytes());
        envelope.write()
    }
}

/// A token that was read and not yet believed: it names the app whose keys are to be tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unverified {
    envelope: Envelope,
    user: UserId,
}

impl Unverified {
    /// Reads a token.
    ///
    /// # Errors
    /// [`TokenError::Envelope`] and [`TokenError::User`].
    pub fn read(token: &str) -> Result<Self, TokenError> {
        let envelope = Envelope::read(token)?;
        let user = envelope.identifier.parse()?;
        Ok(Self { envelope, user })
    }

    /// The app that the token claims to be of.
    pub fn app(&self) -> AppId {
        AppId(self.envelope.app)
    }

    /// Bytes of what is signed.
    pub(super) fn content_len(&self) -> usize {
        self.envelope.content().len()
    }

    /// Verifies signature and times. While keys are rotated there are two, and either is good.
    ///
    /// `now` is in Unix seconds, `skew` in seconds: how far the signer's clock may be ahead.
    ///
    /// # Errors
    /// [`TokenError::Signature`], [`TokenError::FutureDated`], [`TokenError::Expired`].
    pub fn verify(self, keys: &[SecretKey], now: u64, skew: u64) -> Result<Claims, TokenError> {
        let Self { envelope, user } = self;
        let content = envelope.content();
        // Every key is tried: the time taken does not tell which one it was.
        let signed = keys
            .iter()
            .map(|key| key.verifies(content.as_bytes(), &envelope.tag))
            .fold(false, |any, one| any | one);
        if !signed {
            return Err(TokenError::Signature);
        }
        let claims = Claims {
            app: AppId(envelope.app),
            user,
            issued_at: envelope.time,
            expires_in: envelope.expire,
            userbuf: envelope.userbuf,
        };
        if claims.issued_at > now.saturating_add(skew) {
            return Err(TokenError::FutureDated {
                ahead: claims.issued_at - now,
            });
        }
        if claims.expires_at() <= now {
            return Err(TokenError::Expired {
                ago: now - claims.expires_at(),
            });
        }
        Ok(claims)
    }
}

/// Why a token was refused. For the log: a client gets [`Self::code`] and [`Self::sentence`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum TokenError {
    /// The text is no token.
    #[error(transparent)]
    Envelope(#[from] EnvelopeError),
    /// The identifier is no user id.
    #[error("the token's identifier is none: {0}")]
    User(#[from] InvalidId),
    /// No such app is in the settings.
    #[error("the token is of app {app}, which is not configured")]
    UnknownApp {
        /// The app named by the token.
        app: AppId,
    },
    /// The token is right, for another app.
    #[error("the token is of app {found} and not of {expected}")]
    OtherApp {
        /// The app that the client says it is of.
        expected: AppId,
        /// The app named by the token.
        found: AppId,
    },
    /// The token is right, for another user.
    #[error("the token is of user {found:?} and not of {expected:?}")]
    OtherUser {
        /// The user that the client says it is.
        expected: UserId,
        /// The user named by the token.
        found: UserId,
    },
    /// No key of the app made this signature.
    #[error("no key of the app made the token's signature")]
    Signature,
    /// It was made later than now.
    #[error("the token is dated {ahead} s into the future")]
    FutureDated {
        /// Seconds.
        ahead: u64,
    },
    /// Its time is over.
    #[error("the token expired {ago} s ago")]
    Expired {
        /// Seconds.
        ago: u64,
    },
}

impl TokenError {
    /// The documented code.
    pub fn code(&self) -> i32 {
        match self {
            Self::Expired { .. } => code::USER_SIG_EXPIRED,
            _ => code::USER_SIG_CHECK_FAILED,
        }
    }

    /// What the client is told: enough to act on, nothing that helps to guess.
    pub fn sentence(&self) -> &'static str {
        match self {
            Self::Expired { .. } => {
                "the UserSig has expired; ask the page's back end for a new one"
            }
            Self::FutureDated { .. } => {
                "the UserSig is dated into the future; compare the clocks of back end and server"
            }
            _ => {
                "the UserSig is not valid for this app and user; allowed is one that the page's \
                 back end signs with a key of the app"
            }
        }
    }

    /// One word for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Envelope(error) => error.label(),
            Self::User(_) => "user_id",
            Self::UnknownApp { .. } => "unknown_app",
            Self::OtherApp { .. } => "other_app",
            Self::OtherUser { .. } => "other_user",
            Self::Signature => "signature",
            Self::FutureDated { .. } => "future_dated",
            Self::Expired { .. } => "expired",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The vendor's public sample.
    const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
    const NOW: u64 = 1_700_000_000;
    const EXPIRE: u64 = 15_552_000;
    const SKEW: u64 = 60;

    /// Made by the vendor's library for Node with its clock pinned.
    const TOKEN: &str = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmqOKplYUZBaBxE1NTY3gosWZ6UpWSj5ljuYp*p7l5unBxXnF2WVhVU4uAf7Ozi5JpX7O5SbuHuUhzgZJmQXaTia2SrUAohcx8g__";

    fn key(text: &str) -> SecretKey {
        text.parse().unwrap()
    }

    fn claims() -> Claims {
        Claims {
            app: AppId(1_400_000_000),
            user: "xiaojun".parse().unwrap(),
            issued_at: NOW,
            expires_in: EXPIRE,
            userbuf: None,
        }
    }

    fn verify(token: &str, keys: &[&str], now: u64) -> Result<Claims, TokenError> {
        let keys: Vec<SecretKey> = keys.iter().map(|k| key(k)).collect();
        Unverified::read(token)?.verify(&keys, now, SKEW)
    }

    #[test]
    fn the_vendors_token_is_good() {
        assert_eq!(verify(TOKEN, &[KEY], NOW), Ok(claims()));
        assert_eq!(Unverified::read(TOKEN).unwrap().app(), AppId(1_400_000_000));
    }

    #[test]
    fn our_signature_is_the_vendors() {
        let ours = Envelope::read(&claims().sign(&key(KEY))).unwrap();
        assert_eq!(ours, Envelope::read(TOKEN).unwrap());
        let json = serde_json::json!(base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            ours.tag
        ));
        assert_eq!(json, "LvA7d/Iw7gSsnskvVzBDPOCCDbuNCw4GHwTC0bip+B4=");
    }

    #[test]
    fn either_of_two_keys_is_good_and_none_is_not() {
        assert!(verify(TOKEN, &["new-key", KEY], NOW).is_ok());
        assert!(verify(TOKEN, &[KEY, "old-key"], NOW).is_ok());
        for keys in [&[][..], &["other"], &["one", "two"]] {
            assert_eq!(verify(TOKEN, keys, NOW), Err(TokenError::Signature));
        }
    }

    #[test]
    fn a_token_is_good_from_its_time_on_until_its_end() {
        for (now, expected) in [
            (NOW - SKEW - 1, Err("future_dated")),
            (NOW - SKEW, Ok(())),
            (NOW + EXPIRE - 1, Ok(())),
            (NOW + EXPIRE, Err("expired")),
            (u64::MAX, Err("expired")),
            (0, Err("future_dated")),
        ] {
            let result = verify(TOKEN, &[KEY], now);
            assert_eq!(result.map(drop).map_err(|e| e.label()), expected, "{now}");
        }
    }

    #[test]
    fn huge_times_never_wrap() {
        let sign = |issued_at, expires_in| {
            Claims {
                issued_at,
                expires_in,
                ..claims()
            }
            .sign(&key(KEY))
        };
        assert!(verify(&sign(NOW, u64::MAX), &[KEY], NOW).is_ok());
        assert_eq!(
            verify(&sign(u64::MAX, u64::MAX), &[KEY], NOW),
            Err(TokenError::FutureDated {
                ahead: u64::MAX - NOW
            })
        );
        assert_eq!(
            verify(&sign(NOW, 0), &[KEY], NOW),
            Err(TokenError::Expired { ago: 0 })
        );
    }

    #[test]
    fn every_part_of_the_content_is_signed() {
        let good = Envelope::read(TOKEN).unwrap();
        let changes: [fn(&mut Envelope); 6] = [
            |e| e.identifier = "xiaohong".to_owned(),
            |e| e.app += 1,
            |e| e.time -= 1,
            |e| e.expire += 1,
            |e| e.userbuf = Some(vec![1]),
            |e| e.tag[0] ^= 1,
        ];
        for change in changes {
            let mut envelope = good.clone();
            change(&mut envelope);
            assert_eq!(
                verify(&envelope.write(), &[KEY], NOW),
                Err(TokenError::Signature)
            );
        }
    }

    #[test]
    fn an_identifier_with_line_breaks_reads_as_nothing_else() {
        let mut envelope = Envelope::read(TOKEN).unwrap();
        envelope.identifier = "a\nTLS.sdkappid:1\n".to_owned();
        envelope.tag = key(KEY).sign(envelope.content().as_bytes());
        let error = Unverified::read(&envelope.write()).unwrap_err();
        assert_eq!(error.label(), "user_id");
    }

    #[test]
    fn only_the_end_of_a_right_token_has_the_code_of_an_end() {
        let expired = verify(TOKEN, &[KEY], NOW + EXPIRE).unwrap_err();
        assert_eq!(expired.code(), 70_001);
        let forged_and_old = verify(TOKEN, &["other"], NOW + EXPIRE).unwrap_err();
        assert_eq!(forged_and_old.code(), -100_018);
        assert_eq!(verify("x", &[KEY], NOW).unwrap_err().code(), -100_018);
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified(
            app: u32,
            user in "[^\\p{C}]{1,8}",
            issued_at in 0..=NOW,
            expires_in in 1 + NOW..=u64::MAX,
            userbuf in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..200)),
            secret in "[!-~]{1,64}",
        ) {
            let claims = Claims {
                app: AppId(app),
                user: user.parse().unwrap(),
                issued_at,
                expires_in,
                userbuf,
            };
            let token = claims.sign(&key(&secret));
            prop_assert_eq!(verify(&token, &[&secret], NOW), Ok(claims));
            prop_assert_eq!(verify(&token, &[&format!("{secret}x")], NOW), Err(TokenError::Signature));
        }

        #[test]
        fn a_damaged_token_is_refused_or_says_what_it_said(at in 0..TOKEN.len(), with in "[A-Za-z0-9*_-]") {
            let mut damaged = TOKEN.to_owned();
            damaged.replace_range(at..=at, &with);
            // The bits from the end of the compressed data to the next byte mean nothing (RFC 1951
            // §3.2.3): who changes those has the same token.
            if let Ok(claims) = verify(&damaged, &[KEY], NOW) {
                prop_assert_eq!(Ok(claims), verify(TOKEN, &[KEY], NOW));
            }
        }
    }

    #[test]
    fn hardly_any_damage_goes_unnoticed() {
        let characters = ('A'..='Z')
            .chain('a'..='z')
            .chain('0'..='9')
            .chain(['*', '-']);
        let damages = characters.flat_map(|with| (0..TOKEN.len()).map(move |at| (at, with)));
        let unnoticed = damages.filter(|(at, with)| {
            let mut damaged = TOKEN.to_owned();
            damaged.replace_range(*at..=*at, with.encode_utf8(&mut [0; 4]));
            damaged != TOKEN && verify(&damaged, &[KEY], NOW).is_ok()
        });
        let places: std::collections::BTreeSet<usize> = unnoticed.map(|(at, _)| at).collect();
        assert!(places.len() <= 2, "{places:?}");
    }
}
