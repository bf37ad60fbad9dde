//! Tokens: who may come in, into which room, and which addresses may be pushed to and played.
//!
//! Three formats, all of them signed with keys that the page's own back end shares with this
//! server: the UserSig (TLSSigAPIv2, "I am user U of app A"), the PrivateMapKey (a UserSig that
//! carries rights in one room) and signed addresses (`txSecret`, `txTime`).
//!
//! Nothing here reads a clock: times are Unix seconds that come in as arguments. What is read
//! from a token has a type of its own ([`Unverified`]) until its signature was found right.

mod apps;
mod envelope;
#[doc(hidden)]
pub mod fuzzing;
mod pages;
mod private_map_key;
mod secret;
mod signed_address;
mod signed_request;
mod tc3;
mod turn;
mod user_sig;

pub use apps::{Admission, App, AppWebhook, Apps, MAX_KEYS, MAX_SKEW, UnknownApp};
pub use envelope::{EnvelopeError, MAX_INFLATED, MAX_TOKEN_LEN};
pub use pages::{HostRule, NoHostRule, Page, PageRules};
pub use private_map_key::{BadUserBuf, Grant, PrivateMapKeyError, Privileges};
pub use secret::{BadSecretKey, SecretKey};
pub use signed_address::{AddressError, SignedAddress, read_secret, write_secret};
pub use signed_request::{MAX_AGE, MAX_NONCE, Replays, RequestError, SCHEME, SignedRequest};
pub use tc3::{Tc3, Tc3Request};
pub use turn::TurnCredentials;
pub use user_sig::{Claims, TokenError, Unverified};

/// Codes that the vendor documents for refused tokens; clients compare them.
pub mod code {
    /// The UserSig was right and its time is over.
    pub const USER_SIG_EXPIRED: i32 = 70_001;
    /// The UserSig is wrong in any other way.
    pub const USER_SIG_CHECK_FAILED: i32 = -100_018;
    /// The PrivateMapKey is missing, wrong or over, or it does not carry the right.
    pub const PRIVILEGE_TICKET_BAD: i32 = -100_006;
}

/// Lower-case hex digits of some bytes.
fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The 32 bytes of 64 hex digits, in either case.
pub fn unhex(text: &str) -> Option<[u8; 32]> {
    let digits = text.as_bytes();
    if digits.len() != 64 {
        return None;
    }
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |b: u8| {
            char::from(b)
                .to_digit(16)
                .and_then(|d| u8::try_from(d).ok())
        };
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}
