//! Checks that are taken for nominations.
//!
//! A browser says which pair of addresses it uses with USE-CANDIDATE (RFC 8445 §7.1.1) in a check
//! of its own: libwebrtc 48 ms after its first one at the soonest, and it begins DTLS before. The
//! WebRTC stack sends nothing until then. The first pair that the client proves is as good for the
//! handshake: its check is handed on with the attribute, and [`Path`](super::path::Path) goes over
//! to the pair that the client does name.

use str0m::ice::StunMessage;

use super::Session;
use crate::media::remote::Remote;

impl Session {
    /// The same check with USE-CANDIDATE, if it is the first of a session that has no path yet.
    /// It has been accepted as it is.
    pub(crate) fn nominating(&mut self, source: Remote, check: &[u8]) -> Option<Vec<u8>> {
        if !self.path.take_first(source) {
            return None;
        }
        let password = self.rtc.direct_api().local_ice_credentials().pass;
        nominating(check, &password)
    }
}

/// A check with USE-CANDIDATE added, under the same transaction; `None` if it has it, or is not
/// that of a controlling client, which alone may nominate.
fn nominating(check: &[u8], password: &str) -> Option<Vec<u8>> {
    let check = StunMessage::parse(check).ok()?;
    if check.use_candidate() {
        return None;
    }
    let nominating = StunMessage::binding_request(
        check.username()?,
        check.trans_id(),
        true,
        check.ice_controlling()?,
        check.prio()?,
        true,
    );
    let sha1 = str0m::crypto::from_feature_flags().sha1_hmac_provider;
    let mut datagram = vec![0; MAX_CHECK];
    let length = nominating
        .to_bytes(Some(password.as_bytes()), &mut datagram, |key, parts| {
            sha1.sha1_hmac(key, parts)
        })
        .ok()?;
    datagram.truncate(length);
    Some(datagram)
}

/// Above a check with the longest user name that the WebRTC stack writes, 128 characters. Browsers
/// have 4 or 8 on their side.
const MAX_CHECK: usize = 500;

#[cfg(test)]
mod tests {
    use super::*;
    use str0m::ice::TransId;

    const PASSWORD: &str = "the server's password";

    fn check(username: &str, controlling: bool, nominates: bool) -> Vec<u8> {
        let id = TransId::new();
        let check = StunMessage::binding_request(username, id, controlling, 77, 1_234, nominates);
        let mut datagram = vec![0; MAX_CHECK];
        let length = check.to_bytes(Some(PASSWORD.as_bytes()), &mut datagram, sha1);
        datagram.truncate(length.expect("it fits"));
        datagram
    }

    fn sha1(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
        let provider = str0m::crypto::from_feature_flags();
        provider.sha1_hmac_provider.sha1_hmac(key, parts)
    }

    #[test]
    fn a_check_says_the_same_and_nominates() {
        let longest = format!("{}:{}", "s".repeat(32), "c".repeat(94));
        for username in ["server:client", &longest] {
            let check = check(username, true, false);
            let before = StunMessage::parse(&check).expect("a check");
            let datagram = nominating(&check, PASSWORD).expect("another one");
            let after = StunMessage::parse(&datagram).expect("a check");
            assert!(after.use_candidate() && after.is_binding_request());
            assert!(after.verify(PASSWORD.as_bytes(), sha1));
            assert_eq!(after.trans_id(), before.trans_id());
            assert_eq!(after.username(), Some(username));
            assert_eq!(after.ice_controlling(), Some(77));
            assert_eq!(after.prio(), Some(1_234));
        }
    }

    #[test]
    fn only_a_controlling_client_nominates_and_once_is_enough() {
        for (controlling, nominates) in [(true, true), (false, false)] {
            let check = check("server:client", controlling, nominates);
            assert_eq!(nominating(&check, PASSWORD), None);
        }
        assert_eq!(nominating(b"not a check", PASSWORD), None);
    }
}
