//! The outer form of a token: JSON in zlib (RFC 1950) in base64 with an alphabet of its own.
//!
//! The alphabet is that of RFC 4648 §4 with `*`, `-` and `_` in the places of `+`, `/` and `=`;
//! it is not the URL-safe one of §5. Key order, spacing and the zlib stream differ from library
//! to library, so that tokens are compared by what they say, never as texts.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use flate2::{Compression, Decompress, FlushDecompress, Status, write::ZlibEncoder};
use serde::{Deserialize, Serialize};
use std::io::Write as _;
use thiserror::Error;

/// Longest token that is read, in characters. The longest honest one, with a user id and a room
/// name of their full length, has below 700.
pub const MAX_TOKEN_LEN: usize = 2_048;

/// Most bytes that a token may inflate to.
pub const MAX_INFLATED: usize = 4_096;

/// What a token carries, with nothing checked but its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Envelope {
    pub(super) identifier: String,
    pub(super) app: u32,
    /// Unix seconds of the signature.
    pub(super) time: u64,
    /// Seconds from `time` to the end.
    pub(super) expire: u64,
    pub(super) userbuf: Option<Vec<u8>>,
    /// HMAC-SHA256 of [`Self::content`].
    pub(super) tag: [u8; 32],
}

/// A member that appears twice is refused: two readers could take different ones.
#[derive(Serialize, Deserialize)]
struct Document {
    #[serde(rename = "TLS.ver")]
    version: String,
    #[serde(rename = "TLS.identifier")]
    identifier: String,
    #[serde(rename = "TLS.sdkappid")]
    app: u32,
    #[serde(rename = "TLS.time")]
    time: u64,
    #[serde(rename = "TLS.expire")]
    expire: u64,
    #[serde(
        rename = "TLS.userbuf",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    userbuf: Option<String>,
    #[serde(rename = "TLS.sig")]
    sig: String,
}

impl Envelope {
    /// The text that is signed: decimal numbers, a line feed after every line.
    pub(super) fn content(&self) -> String {
        let Self {
            identifier,
            app,
            time,
            expire,
            ..
        } = self;
        let mut content = format!(
            "TLS.identifier:{identifier}\nTLS.sdkappid:{app}\nTLS.time:{time}\nTLS.expire:{expire}\n"
        );
        if let Some(userbuf) = &self.userbuf {
            content += &format!("TLS.userbuf:{}\n", STANDARD.encode(userbuf));
        }
        content
    }

    /// Reads a token.
    pub(super) fn read(token: &str) -> Result<Self, EnvelopeError> {
        Self::from_json(&inflate(&unarmour(token)?)?)
    }

    fn from_json(json: &[u8]) -> Result<Self, EnvelopeError> {
        let document: Document = serde_json::from_slice(json).map_err(|error| {
            let reason: String = error.to_string().chars().take(MAX_REASON).collect();
            EnvelopeError::Json { reason }
        })?;
        if document.version != VERSION {
            return Err(EnvelopeError::Version);
        }
        let userbuf = match document.userbuf {
            Some(text) => Some(
                STANDARD
                    .decode(text)
                    .map_err(|_| EnvelopeError::UserBufBase64)?,
            ),
            None => None,
        };
        let tag = STANDARD
            .decode(document.sig)
            .ok()
            .and_then(|tag| tag.try_into().ok())
            .ok_or(EnvelopeError::SignatureForm)?;
        Ok(Self {
            identifier: document.identifier,
            app: document.app,
            time: document.time,
            expire: document.expire,
            userbuf,
            tag,
        })
    }

    /// Writes the token.
    pub(super) fn write(&self) -> String {
        let document = Document {
            version: VERSION.to_owned(),
            identifier: self.identifier.clone(),
            app: self.app,
            time: self.time,
            expire: self.expire,
            userbuf: self.userbuf.as_ref().map(|bytes| STANDARD.encode(bytes)),
            sig: STANDARD.encode(self.tag),
        };
        let json = serde_json::to_vec(&document).expect("texts and numbers become JSON");
        armour(&deflate(&json))
    }
}

/// Why a text is no token.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum EnvelopeError {
    /// It is longer than [`MAX_TOKEN_LEN`].
    #[error("the token has {len} characters; at most {MAX_TOKEN_LEN} are allowed")]
    TooLong {
        /// Length of the text in bytes.
        len: usize,
    },
    /// A character is not of the alphabet, or the padding is wrong.
    #[error("the token is not base64 of A-Z, a-z, 0-9, '*', '-' padded with '_'")]
    Base64,
    /// No zlib stream, or a damaged one.
    #[error("the token holds no zlib stream")]
    Zlib,
    /// The zlib stream has no end.
    #[error("the token is cut off")]
    CutOff,
    /// Bytes follow the zlib stream.
    #[error("the token goes on behind its zlib stream")]
    Trailing,
    /// It inflates to more than [`MAX_INFLATED`].
    #[error("the token inflates to more than {MAX_INFLATED} bytes")]
    Bomb,
    /// No JSON, or not with the right members, each of them once.
    #[error("the token's JSON is not that of a token: {reason}")]
    Json {
        /// The parser's words, cut.
        reason: String,
    },
    /// Another version: the ECDSA tokens from before 2019 are not supported.
    #[error("the token's version is not {VERSION}")]
    Version,
    /// The user buffer is not base64.
    #[error("the token's user buffer is not base64")]
    UserBufBase64,
    /// The signature is not base64 of 32 bytes.
    #[error("the token's signature is not base64 of 32 bytes")]
    SignatureForm,
}

impl EnvelopeError {
    /// One word for a metric's label.
    pub fn label(&self) -> &'static str {
        match self {
            Self::TooLong { .. } => "too_long",
            Self::Base64 => "base64",
            Self::Zlib | Self::CutOff | Self::Trailing => "zlib",
            Self::Bomb => "bomb",
            Self::Json { .. } => "json",
            Self::Version => "version",
            Self::UserBufBase64 => "userbuf",
            Self::SignatureForm => "signature_form",
        }
    }
}

/// Base64 in the token's alphabet.
pub(super) fn armour(bytes: &[u8]) -> String {
    STANDARD
        .encode(bytes)
        .chars()
        .map(|c| match c {
            '+' => '*',
            '/' => '-',
            '=' => '_',
            c => c,
        })
        .collect()
}

fn unarmour(token: &str) -> Result<Vec<u8>, EnvelopeError> {
    if token.len() > MAX_TOKEN_LEN {
        return Err(EnvelopeError::TooLong { len: token.len() });
    }
    let standard: Option<Vec<u8>> = token
        .bytes()
        .map(|byte| match byte {
            b'*' => Some(b'+'),
            b'-' => Some(b'/'),
            b'_' => Some(b'='),
            byte if byte.is_ascii_alphanumeric() => Some(byte),
            _ => None,
        })
        .collect();
    standard
        .and_then(|standard| STANDARD.decode(standard).ok())
        .ok_or(EnvelopeError::Base64)
}

pub(super) fn deflate(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder
        .write_all(bytes)
        .and_then(|()| encoder.finish())
        .expect("a Vec takes all bytes")
}

/// The output buffer is all that a token gets, whatever its header promises.
fn inflate(bytes: &[u8]) -> Result<Vec<u8>, EnvelopeError> {
    let mut out = vec![0; MAX_INFLATED + 1];
    let mut state = Decompress::new(true);
    let status = state
        .decompress(bytes, &mut out, FlushDecompress::Finish)
        .map_err(|_| EnvelopeError::Zlib)?;
    // The buffer's length bounds the count.
    let written = usize::try_from(state.total_out()).unwrap_or(usize::MAX);
    if written > MAX_INFLATED {
        return Err(EnvelopeError::Bomb);
    }
    if status != Status::StreamEnd {
        return Err(EnvelopeError::CutOff);
    }
    if usize::try_from(state.total_in()) != Ok(bytes.len()) {
        return Err(EnvelopeError::Trailing);
    }
    out.truncate(written);
    Ok(out)
}

/// TLSSigAPIv2.
const VERSION: &str = "2.0";

/// The parser quotes what it does not understand, which can be long.
const MAX_REASON: usize = 120;

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope() -> Envelope {
        Envelope {
            identifier: "xiaojun".to_owned(),
            app: 1_400_000_000,
            time: 1_700_000_000,
            expire: 15_552_000,
            userbuf: None,
            tag: [7; 32],
        }
    }

    fn token_of(json: &str) -> String {
        armour(&deflate(json.as_bytes()))
    }

    fn json() -> String {
        let tag = STANDARD.encode([7; 32]);
        format!(
            "{{\"TLS.ver\":\"2.0\",\"TLS.identifier\":\"xiaojun\",\"TLS.sdkappid\":1400000000,\
             \"TLS.time\":1700000000,\"TLS.expire\":15552000,\"TLS.sig\":\"{tag}\"}}"
        )
    }

    fn reason(json: &str) -> String {
        match Envelope::read(&token_of(json)) {
            Err(EnvelopeError::Json { reason }) => reason,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let mut envelope = envelope();
        assert_eq!(Envelope::read(&envelope.write()), Ok(envelope.clone()));
        envelope.userbuf = Some(vec![0, 255, 62, 63]);
        assert_eq!(Envelope::read(&envelope.write()), Ok(envelope.clone()));
        assert!(
            envelope
                .write()
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"*-_".contains(&b))
        );
    }

    #[test]
    fn order_and_spacing_do_not_matter() {
        let tag = STANDARD.encode([7; 32]);
        let spaced = format!(
            "{{ \"TLS.sig\": \"{tag}\", \"TLS.expire\": 15552000,\n \"TLS.time\": 1700000000, \
             \"TLS.sdkappid\": 1400000000, \"TLS.identifier\": \"xiaojun\", \"TLS.ver\": \"2.0\", \
             \"more\": [1, {{}}] }}"
        );
        assert_eq!(Envelope::read(&token_of(&spaced)), Ok(envelope()));
    }

    #[test]
    fn a_zlib_bomb_is_stopped_at_the_bound() {
        let bomb = armour(&deflate(&vec![b' '; 1 << 20]));
        assert!(bomb.len() <= MAX_TOKEN_LEN, "{}", bomb.len());
        assert_eq!(Envelope::read(&bomb), Err(EnvelopeError::Bomb));
        let padded = |len: usize| {
            let json = json();
            let spaces = " ".repeat(len - json.len());
            Envelope::read(&token_of(&(json + &spaces)))
        };
        assert_eq!(padded(MAX_INFLATED), Ok(envelope()));
        assert_eq!(padded(MAX_INFLATED + 1), Err(EnvelopeError::Bomb));
    }

    #[test]
    fn a_token_that_is_too_long_is_not_even_decoded() {
        let len = MAX_TOKEN_LEN + 1;
        let long = "A".repeat(len);
        assert_eq!(Envelope::read(&long), Err(EnvelopeError::TooLong { len }));
    }

    #[test]
    fn damaged_armour_is_named() {
        for text in ["a", "+/+=", "eJ==", "eJw*%%%%", "é___", "eJwD AAAAAAB"] {
            assert_eq!(Envelope::read(text), Err(EnvelopeError::Base64), "{text}");
        }
        assert_eq!(
            Envelope::read(&armour(b"hello, this is no zlib")),
            Err(EnvelopeError::Zlib)
        );
        let whole = deflate(json().as_bytes());
        assert_eq!(
            Envelope::read(&armour(&whole[..whole.len() / 2])),
            Err(EnvelopeError::CutOff)
        );
        assert_eq!(Envelope::read(""), Err(EnvelopeError::CutOff));
        let mut longer = whole.clone();
        longer.extend(b"more");
        assert_eq!(
            Envelope::read(&armour(&longer)),
            Err(EnvelopeError::Trailing)
        );
        let mut damaged = whole;
        let last = damaged.len() - 1;
        damaged[last] ^= 1;
        assert_eq!(Envelope::read(&armour(&damaged)), Err(EnvelopeError::Zlib));
    }

    #[test]
    fn a_member_that_appears_twice_is_refused() {
        let twice = json().replace(
            "\"TLS.time\":1700000000",
            "\"TLS.time\":1,\"TLS.time\":1700000000",
        );
        assert!(
            reason(&twice).contains("duplicate field `TLS.time`"),
            "{twice}"
        );
    }

    #[test]
    fn a_stripped_signature_is_no_signature() {
        let whole = json();
        let start = whole.find(",\"TLS.sig\"").unwrap();
        let stripped = format!("{}}}", &whole[..start]);
        assert!(reason(&stripped).contains("missing field `TLS.sig`"));
        for sig in ["", "AAAA", "not base64", &"A".repeat(44)] {
            let json = format!("{},\"TLS.sig\":\"{sig}\"}}", &whole[..start]);
            assert_eq!(
                Envelope::read(&token_of(&json)),
                Err(EnvelopeError::SignatureForm),
                "{sig}"
            );
        }
        let null = format!("{},\"TLS.sig\":null}}", &whole[..start]);
        assert!(reason(&null).contains("null"));
    }

    #[test]
    fn numbers_are_whole_and_in_range() {
        for wrong in [
            "4294967296",
            "-1",
            "1.5",
            "1e3",
            "1e400",
            "\"1400000000\"",
            "null",
            "99999999999999999999999999",
            "[1400000000]",
        ] {
            let json = json().replace(":1400000000,", &format!(":{wrong},"));
            assert!(!reason(&json).is_empty());
        }
        let huge = json().replace(":15552000,", ":18446744073709551615,");
        assert_eq!(
            Envelope::read(&token_of(&huge)).map(|e| e.expire),
            Ok(u64::MAX)
        );
        assert!(!reason(&json().replace(":15552000,", ":18446744073709551616,")).is_empty());
    }

    #[test]
    fn json_that_is_none_and_json_that_is_deep_are_refused() {
        for text in [
            "",
            "[]",
            "{}",
            "null",
            "{",
            "\u{feff}{}",
            &"[".repeat(4_000),
        ] {
            assert!(!reason(text).is_empty());
        }
        let deep = format!("{{\"x\":{}1{}}}", "[".repeat(1_900), "]".repeat(1_900));
        assert!(!reason(&deep).is_empty());
        let trailing = json() + "{}";
        assert!(reason(&trailing).contains("trailing"));
    }

    #[test]
    fn other_versions_are_refused() {
        let old = json().replace("\"2.0\"", "\"1.0.0.0\"");
        assert_eq!(Envelope::read(&token_of(&old)), Err(EnvelopeError::Version));
    }

    #[test]
    fn the_parsers_words_are_cut() {
        let long = json().replace(":1400000000,", &format!(":\"{}\",", "x".repeat(3_000)));
        assert!(reason(&long).chars().count() <= MAX_REASON);
    }
}
