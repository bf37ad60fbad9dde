//! Signed push and play addresses: `?txSecret=md5hex(key + StreamName + txTime)&txTime=HEX`.
//!
//! `txTime` is the end in Unix seconds, in hex digits. What is hashed is its literal text: upper
//! and lower case give different secrets. StreamName is the stream id without `.flv` or `.m3u8`.

use md5::{Digest, Md5};
use subtle::ConstantTimeEq;
use thiserror::Error;

use super::secret::SecretKey;

/// The signature in the query of an address, read and not yet believed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignedAddress {
    secret: [u8; 16],
    /// As written.
    time_text: String,
    time: u64,
}

impl SignedAddress {
    /// The query of an address that is good for the stream until the given Unix second.
    pub fn query(key: &SecretKey, stream: &str, expires_at: u64) -> String {
        let time_text = format!("{expires_at:X}");
        let address = Self {
            secret: hash(key, stream, &time_text),
            time_text,
            time: expires_at,
        };
        address.to_query()
    }

    /// The two parameters alone: hex digits, safe to stand anywhere.
    pub fn to_query(&self) -> String {
        let secret = write_secret(self.secret);
        format!("{SECRET}={secret}&{TIME}={}", self.time_text)
    }

    /// The secret, which no other stream or end has.
    pub fn secret(&self) -> [u8; 16] {
        self.secret
    }

    /// Reads the query of an address: `None` if it has neither parameter. Others are ignored.
    ///
    /// # Errors
    /// [`AddressError`] for anything between unsigned and whole.
    pub fn read(query: Option<&str>) -> Result<Option<Self>, AddressError> {
        let (mut secret, mut time) = (None, None);
        for (name, value) in query
            .unwrap_or_default()
            .split('&')
            .filter_map(|part| part.split_once('='))
        {
            let place = match name {
                SECRET => &mut secret,
                TIME => &mut time,
                _ => continue,
            };
            if place.replace(value).is_some() {
                return Err(AddressError::Repeated);
            }
        }
        let (secret, time_text) = match (secret, time) {
            (None, None) => return Ok(None),
            (Some(secret), Some(time)) => (secret, time),
            (None, Some(_)) => return Err(AddressError::Missing { name: SECRET }),
            (Some(_), None) => return Err(AddressError::Missing { name: TIME }),
        };
        Ok(Some(Self {
            secret: read_secret(secret).ok_or(AddressError::Secret)?,
            time: read_time(time_text).ok_or(AddressError::Time)?,
            time_text: time_text.to_owned(),
        }))
    }

    /// Verifies secret and time. `window` in seconds is added to the time.
    ///
    /// # Errors
    /// [`AddressError::Signature`] and [`AddressError::Expired`].
    pub fn verify(
        &self,
        key: &SecretKey,
        stream: &str,
        now: u64,
        window: u64,
    ) -> Result<(), AddressError> {
        let expected = hash(key, stream, &self.time_text);
        if !bool::from(expected.ct_eq(&self.secret)) {
            return Err(AddressError::Signature);
        }
        let end = self.time.saturating_add(window);
        if end <= now {
            return Err(AddressError::Expired { ago: now - end });
        }
        Ok(())
    }
}

/// Why an address gives no right.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum AddressError {
    /// The address is not signed.
    #[error("the address is not signed; allowed is one with {SECRET} and {TIME}")]
    Unsigned,
    /// One of the two parameters is not there.
    #[error("the address has no {name}; allowed is one with {SECRET} and {TIME}")]
    Missing {
        /// The parameter.
        name: &'static str,
    },
    /// A parameter is there twice: two readers could take different ones.
    #[error("the address has {SECRET} or {TIME} twice; allowed is each of them once")]
    Repeated,
    /// The secret is no hash.
    #[error("the address's {SECRET} is not 32 hex digits")]
    Secret,
    /// The time is no time.
    #[error("the address's {TIME} is not a Unix time of 1 to 16 hex digits")]
    Time,
    /// The secret is that of another address or key.
    #[error("the address's {SECRET} is not that of its stream and {TIME}")]
    Signature,
    /// Its time is over.
    #[error("the address expired {ago} s ago; ask for a new one")]
    Expired {
        /// Seconds.
        ago: u64,
    },
    /// Nobody could have signed it.
    #[error("no key for such addresses is configured; a UserSig is allowed")]
    NoKey,
}

impl AddressError {
    /// One word for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::Unsigned => "address_unsigned",
            Self::Missing { .. } | Self::Repeated | Self::Secret | Self::Time => "address_form",
            Self::Signature => "address_signature",
            Self::Expired { .. } => "address_expired",
            Self::NoKey => "address_no_key",
        }
    }
}

fn hash(key: &SecretKey, stream: &str, time_text: &str) -> [u8; 16] {
    Md5::new()
        .chain_update(key.expose())
        .chain_update(stream)
        .chain_update(time_text)
        .finalize()
        .into()
}

/// A `txSecret`, as addresses have it.
pub fn write_secret(secret: [u8; 16]) -> String {
    super::hex(&secret)
}

/// The 16 bytes of a `txSecret`: 32 hex digits, in either case.
pub fn read_secret(hex: &str) -> Option<[u8; 16]> {
    let is_hex = hex.len() == 32 && hex.bytes().all(|b| b.is_ascii_hexdigit());
    let number = is_hex
        .then(|| u128::from_str_radix(hex, 16).ok())
        .flatten()?;
    Some(number.to_be_bytes())
}

fn read_time(hex: &str) -> Option<u64> {
    // The parser takes a sign too.
    let is_hex = (1..=16).contains(&hex.len()) && hex.bytes().all(|b| b.is_ascii_hexdigit());
    is_hex.then(|| u64::from_str_radix(hex, 16).ok()).flatten()
}

const SECRET: &str = "txSecret";
const TIME: &str = "txTime";

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TIME_OF_VECTOR: u64 = 0x5C27_1099;
    const QUERY: &str = "txSecret=f85a2ab363fe4deaffef9754d79da6fe&txTime=5C271099";

    fn key() -> SecretKey {
        "e12c46f2612d5106e2034781ab261ca3".parse().unwrap()
    }

    fn verify(query: &str, stream: &str, now: u64, window: u64) -> Result<(), AddressError> {
        SignedAddress::read(Some(query))?
            .ok_or(AddressError::Unsigned)?
            .verify(&key(), stream, now, window)
    }

    #[test]
    fn the_vendors_address_is_good_and_ours_is_the_same() {
        assert_eq!(SignedAddress::query(&key(), "test", TIME_OF_VECTOR), QUERY);
        assert_eq!(verify(QUERY, "test", 0, 0), Ok(()));
        let among_others = format!("a=1&{}&b&=&c=%20", QUERY.replace('&', "&x=y&"));
        assert_eq!(verify(&among_others, "test", 0, 0), Ok(()));
    }

    #[test]
    fn the_time_is_hashed_as_it_is_written() {
        let lower = QUERY.replace("5C271099", "5c271099");
        assert_eq!(verify(&lower, "test", 0, 0), Err(AddressError::Signature));
        let padded = QUERY.replace("5C271099", "05C271099");
        assert_eq!(verify(&padded, "test", 0, 0), Err(AddressError::Signature));
        let secret = QUERY.to_uppercase().replace("TXSECRET", "txSecret");
        let secret = secret.replace("TXTIME", "txTime");
        assert_eq!(verify(&secret, "test", 0, 0), Ok(()));
    }

    #[test]
    fn an_address_is_good_for_its_stream_until_its_end_and_the_window() {
        let end = TIME_OF_VECTOR;
        assert_eq!(verify(QUERY, "test", end - 1, 0), Ok(()));
        let expired = Err(AddressError::Expired { ago: 0 });
        assert_eq!(verify(QUERY, "test", end, 0), expired);
        assert_eq!(verify(QUERY, "test", end + 59, 60), Ok(()));
        assert_eq!(verify(QUERY, "test", end + 60, 60), expired);
        assert_eq!(
            verify(QUERY, "test.flv", 0, 0),
            Err(AddressError::Signature)
        );
        let far = SignedAddress::query(&key(), "test", u64::MAX);
        assert_eq!(verify(&far, "test", u64::MAX - 1, 60), Ok(()));
    }

    #[test]
    fn an_address_is_whole_or_it_is_unsigned() {
        for unsigned in ["", "a=b", "txsecret=1", "xtxTime=1", "txTime"] {
            assert_eq!(SignedAddress::read(Some(unsigned)), Ok(None), "{unsigned}");
        }
        assert_eq!(SignedAddress::read(None), Ok(None));
        let hash = "f85a2ab363fe4deaffef9754d79da6fe";
        for (query, error) in [
            (
                format!("txSecret={hash}"),
                AddressError::Missing { name: "txTime" },
            ),
            (
                "txTime=5C271099".to_owned(),
                AddressError::Missing { name: "txSecret" },
            ),
            (format!("{QUERY}&txTime=FFFFFFFF"), AddressError::Repeated),
            (format!("{QUERY}&txSecret={hash}"), AddressError::Repeated),
            ("txSecret=&txTime=1".to_owned(), AddressError::Secret),
            (
                format!("txSecret=+{}&txTime=1", &hash[1..]),
                AddressError::Secret,
            ),
            (format!("txSecret={hash}&txTime="), AddressError::Time),
            (format!("txSecret={hash}&txTime=+1"), AddressError::Time),
            (format!("txSecret={hash}&txTime=0x1"), AddressError::Time),
            (
                format!("txSecret={hash}&txTime=10000000000000000"),
                AddressError::Time,
            ),
        ] {
            assert_eq!(SignedAddress::read(Some(&query)), Err(error), "{query}");
        }
    }

    proptest! {
        #[test]
        fn what_is_signed_is_verified_for_that_stream_alone(
            stream in "[A-Za-z0-9_-]{1,40}",
            other in "[A-Za-z0-9_-]{1,40}",
            end in 1..=u64::MAX,
        ) {
            let query = SignedAddress::query(&key(), &stream, end);
            prop_assert_eq!(verify(&query, &stream, end - 1, 0), Ok(()));
            if other != stream {
                prop_assert_eq!(verify(&query, &other, 0, 0), Err(AddressError::Signature));
            }
        }
    }
}
