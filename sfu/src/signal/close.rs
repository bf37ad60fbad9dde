//! Why a WebSocket is closed: codes of RFC 6455 §7.4.1, and ours from 4000 on (§7.4.2).

use std::borrow::Cow;

/// A close frame to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// One of this module's codes, or one of the hub's.
    pub code: u16,
    /// A plain sentence; what goes beyond [`MAX_REASON`] bytes is cut off.
    pub reason: Cow<'static, str>,
}

impl Closing {
    /// A close frame.
    pub fn new(code: u16, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON {
            let end = reason.floor_char_boundary(MAX_REASON);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }
}

/// A control frame has at most 125 bytes, two of them the code (RFC 6455 §5.5).
pub const MAX_REASON: usize = 123;

/// The server is going down; come back a little later.
pub const GOING_AWAY: u16 = 1001;

/// What came is no WebSocket frame.
pub const PROTOCOL_ERROR: u16 = 1002;

/// Binary frames are not taken.
pub const BINARY: u16 = 1003;

/// A text frame was not UTF-8.
pub const NOT_UTF8: u16 = 1007;

/// A message was larger than allowed.
pub const TOO_LARGE: u16 = 1009;

/// No sign of life, not even an answer to pings. The session can resume.
pub const SILENT: u16 = 4008;

/// The client did not take its messages in time. The session can resume.
pub const SLOW: u16 = 4009;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::signal::protocol::CloseCode;

    #[test]
    fn the_codes_are_those_of_the_protocol() {
        for (code, named) in [
            (GOING_AWAY, CloseCode::ServerStopping),
            (PROTOCOL_ERROR, CloseCode::ProtocolError),
            (BINARY, CloseCode::Binary),
            (NOT_UTF8, CloseCode::NotUtf8),
            (TOO_LARGE, CloseCode::TooLarge),
            (SILENT, CloseCode::Silent),
            (SLOW, CloseCode::TooSlow),
        ] {
            assert_eq!(code, named.code(), "{named:?}");
        }
    }

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let closing = Closing::new(SLOW, "ä".repeat(100));
        assert_eq!(closing.reason, "ä".repeat(61));
        assert_eq!(Closing::new(SLOW, "short").reason, "short");
    }
}
