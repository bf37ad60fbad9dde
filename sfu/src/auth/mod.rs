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
mod private_map_key;
mod secret;
mod signed_address;
mod user_sig;

pub use apps::{App, AppWebhook, Apps, MAX_KEYS, MAX_SKEW, UnknownApp};
pub use envelope::{EnvelopeError, MAX_INFLATED, MAX_TOKEN_LEN};
pub use private_map_key::{BadUserBuf, Grant, PrivateMapKeyError, Privileges};
pub use secret::{BadSecretKey, SecretKey};
pub use signed_address::{AddressError, SignedAddress};
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
