//! SDP fragments of trickle ICE (RFC 8840), as PATCH requests carry them (RFC 9725 §4.3).

use std::fmt::Write as _;

use str0m::{Candidate, IceCreds};

/// Longest fragment in bytes.
pub const MAX_FRAGMENT: usize = 16_384;

/// Most candidates that one session takes over its life.
pub const MAX_CANDIDATES: usize = 100;

/// What a fragment says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fragment {
    /// The sender's ICE user fragment.
    pub ufrag: String,
    /// The sender's ICE password.
    pub pwd: String,
    /// Candidates, well-formed ones only: names under `.local` and unknown types are left out.
    pub candidates: usize,
}

/// Reads a fragment.
///
/// # Errors
/// What is wrong, in words for the one who sent it.
pub fn parse(text: &str) -> Result<Fragment, String> {
    if text.len() > MAX_FRAGMENT {
        return Err(format!(
            "it has {} bytes; at most {MAX_FRAGMENT} are allowed",
            text.len()
        ));
    }
    let (mut ufrag, mut pwd) = (None, None);
    let mut lines = 0;
    let mut candidates = 0;
    for line in text.lines().map(str::trim_end).filter(|l| !l.is_empty()) {
        if line.as_bytes().get(1) != Some(&b'=') {
            return Err("a line is not of the form x=…".to_owned());
        }
        if let Some(value) = line.strip_prefix("a=ice-ufrag:") {
            set_once(&mut ufrag, value, 4..=256, "a=ice-ufrag")?;
        } else if let Some(value) = line.strip_prefix("a=ice-pwd:") {
            set_once(&mut pwd, value, 22..=256, "a=ice-pwd")?;
        } else if let Some(value) = line.strip_prefix("a=")
            && value.starts_with("candidate:")
        {
            lines += 1;
            if lines > MAX_CANDIDATES {
                return Err(format!("there are more than {MAX_CANDIDATES} candidates"));
            }
            if Candidate::from_sdp_string(value).is_ok() {
                candidates += 1;
            }
        }
    }
    match (ufrag, pwd) {
        (Some(ufrag), Some(pwd)) => Ok(Fragment {
            ufrag,
            pwd,
            candidates,
        }),
        (None, _) => Err("there is no a=ice-ufrag".to_owned()),
        (_, None) => Err("there is no a=ice-pwd".to_owned()),
    }
}

/// Keeps a value that may come once a media section, always the same.
fn set_once(
    slot: &mut Option<String>,
    value: &str,
    length: std::ops::RangeInclusive<usize>,
    name: &str,
) -> Result<(), String> {
    let ice_char = |b: u8| {
        b.is_ascii_alphanumeric() || b == b'+' || b == b'/' || b == b'-' || b == b'_' || b == b'='
    };
    if !length.contains(&value.len()) || !value.bytes().all(ice_char) {
        return Err(format!("{name} is not as RFC 8839 §5.4 wants it"));
    }
    match slot {
        Some(old) if old != value => Err(format!("there are two {name} that differ")),
        _ => {
            *slot = Some(value.to_owned());
            Ok(())
        }
    }
}

/// The answer to an ICE restart: the server's new credentials and its candidates for the first
/// media section of the bundle.
pub fn write(creds: &IceCreds, mid: &str, kind: &str, candidates: &[Candidate]) -> String {
    let mut out = String::new();
    let _ = write!(
        out,
        "a=ice-lite\r\na=ice-ufrag:{}\r\na=ice-pwd:{}\r\nm={kind} 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n",
        creds.ufrag, creds.pass
    );
    for candidate in candidates {
        let line = candidate.to_sdp_string();
        let _ = write!(out, "a={}\r\n", without_user(&line));
    }
    out.push_str("a=end-of-candidates\r\n");
    out
}

/// A candidate line without its `ufrag` extension (RFC 8839 §5.1). str0m's candidates keep the
/// user fragment that they were first offered with, and a browser ignores a candidate of a user
/// fragment that is not the current one.
fn without_user(line: &str) -> String {
    let mut words = line.split(' ');
    let mut kept = Vec::new();
    while let Some(word) = words.next() {
        if word == "ufrag" {
            words.next();
        } else {
            kept.push(word);
        }
    }
    kept.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FRAGMENT: &str = "a=ice-options:trickle ice2\r\n\
        a=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        a=mid:0\r\n\
        a=ice-ufrag:EsAw\r\n\
        a=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\n\
        a=candidate:1387637174 1 udp 2122260223 192.0.2.1 61764 typ host generation 0 ufrag EsAw network-id 1\r\n\
        a=candidate:1 1 udp 2122260223 4a1e8f54-0000.local 61764 typ host\r\n\
        a=end-of-candidates\r\n";

    #[test]
    fn fragment_of_the_rfc_is_read() {
        let f = parse(FRAGMENT).expect("well-formed");
        assert_eq!((f.ufrag.as_str(), f.candidates), ("EsAw", 1));
    }

    #[test]
    fn faults_are_named() {
        for (text, wanted) in [
            ("", "no a=ice-ufrag"),
            ("nonsense", "x="),
            ("a=ice-ufrag:EsAw", "no a=ice-pwd"),
            ("a=ice-ufrag:E", "RFC 8839"),
            ("a=ice-ufrag:EsAw\r\na=ice-ufrag:EsAx", "differ"),
        ] {
            let got = parse(text).expect_err("refused");
            assert!(got.contains(wanted), "{wanted:?} not in {got:?}");
        }
        assert!(parse(&"a=x\r\n".repeat(10_000)).is_err());
        let many = format!(
            "{FRAGMENT}{}",
            "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n".repeat(99)
        );
        assert!(parse(&many).is_err());
    }

    #[test]
    fn written_fragment_can_be_read() {
        let creds = IceCreds::new();
        let candidate = Candidate::host(([192, 0, 2, 9], 8000).into(), "udp").expect("candidate");
        let text = write(&creds, "0", "audio", &[candidate]);
        let read = parse(&text).expect("well-formed");
        assert_eq!(
            (read.ufrag, read.pwd, read.candidates),
            (creds.ufrag, creds.pass, 1)
        );
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s)(a=(ice-ufrag|ice-pwd|candidate):)?.{0,200}") {
            let _ = parse(&text);
        }
    }
}
