//! Bodies of the fuzz targets, kept here so that they compile and run with the other tests.

use super::envelope::{armour, deflate};
use super::{Grant, MAX_INFLATED, SecretKey, SignedAddress, Unverified};
use crate::live::UserId;

/// A token, whatever it is, is refused or stays within its bounds, and no key verifies it.
/// The bytes are tried as a token, as a zlib stream and as JSON.
pub fn read_token(data: &[u8]) {
    let armoured = [
        String::from_utf8_lossy(data).into_owned(),
        armour(data),
        armour(&deflate(data)),
    ];
    let keys: Vec<SecretKey> = "no-such-key".parse().into_iter().collect();
    for token in armoured {
        let Ok(unverified) = Unverified::read(&token) else {
            continue;
        };
        assert!(token.len() <= super::MAX_TOKEN_LEN);
        assert!(unverified.content_len() <= 2 * MAX_INFLATED);
        assert!(unverified.verify(&keys, 1_700_000_000, 60).is_err());
    }
}

/// A user buffer is refused or says the same when it is written again.
pub fn read_userbuf(data: &[u8]) {
    if let Ok(grant) = Grant::read(data) {
        assert!(grant.user.as_str().len() <= UserId::MAX_LEN);
        assert_eq!(Grant::read(&grant.write()), Ok(grant));
    }
}

/// The query of an address is refused, unsigned, or signed by somebody else.
pub fn read_signed_address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(Some(address)) = SignedAddress::read(Some(&text))
        && let Ok(key) = "no-such-key".parse()
    {
        assert!(address.verify(&key, "stream", 0, 0).is_err());
    }
}

#[cfg(test)]
mod tests {
    use rand::rngs::StdRng;
    use rand::{Rng as _, SeedableRng as _};

    use super::*;

    /// Parts that lead a random text deep into the parsers.
    const PARTS: &[&str] = &[
        "{",
        "\"TLS.ver\":\"2.0\",",
        "\"TLS.identifier\":\"u\",",
        "\"TLS.sdkappid\":1400000000,",
        "\"TLS.time\":1700000000,",
        "\"TLS.expire\":86400,",
        "\"TLS.userbuf\":\"AAAA\",",
        "\"TLS.sig\":\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=\"}",
        "1e999",
        "\\ud800",
        "eJ",
        "txSecret=f85a2ab363fe4deaffef9754d79da6fe&",
        "txTime=5C271099&",
    ];

    #[test]
    fn random_inputs_pass_the_fuzz_bodies() {
        let mut rng = StdRng::seed_from_u64(17);
        for _ in 0..2_000 {
            let text: String = (0..rng.random_range(0..12))
                .map(|i| {
                    PARTS[if rng.random_bool(0.8) {
                        i % PARTS.len()
                    } else {
                        rng.random_range(0..PARTS.len())
                    }]
                })
                .collect();
            read_token(text.as_bytes());
            read_signed_address(text.as_bytes());
            let mut bytes = vec![0; rng.random_range(0..60)];
            rng.fill(&mut bytes[..]);
            read_token(&bytes);
            read_userbuf(&bytes);
            // A version and a length that fit, and the rest at random.
            if bytes.len() > 3 {
                bytes[..4].copy_from_slice(&[rng.random_range(0..2), 0, 1, b'u']);
                read_userbuf(&bytes);
            }
            read_signed_address(&bytes);
        }
    }

    #[test]
    fn the_parts_in_order_are_a_token_that_can_be_read() {
        let json: String = PARTS[..8].concat();
        assert!(Unverified::read(&armour(&deflate(json.as_bytes()))).is_ok());
    }
}
