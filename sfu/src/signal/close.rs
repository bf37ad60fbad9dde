//! Close frames on their way to a client (RFC 6455 §5.5.1). The codes and their sentences are the
//! protocol's: [`CloseCode`].

use std::borrow::Cow;

use super::protocol::CloseCode;

/// A close frame to be sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Closing {
    /// Why.
    pub code: CloseCode,
    /// A plain sentence of at most [`MAX_REASON`] bytes.
    pub reason: Cow<'static, str>,
}

impl Closing {
    /// A close frame with a sentence of its own, which is cut after [`MAX_REASON`] bytes.
    pub fn new(code: CloseCode, reason: impl Into<Cow<'static, str>>) -> Self {
        let mut reason = reason.into();
        if reason.len() > MAX_REASON {
            let end = reason.floor_char_boundary(MAX_REASON);
            reason.to_mut().truncate(end);
        }
        Self { code, reason }
    }
}

impl From<CloseCode> for Closing {
    /// With the sentence of the code.
    fn from(code: CloseCode) -> Self {
        Self::new(code, code.sentence())
    }
}

/// A control frame has at most 125 bytes, two of them the code (RFC 6455 §5.5).
pub const MAX_REASON: usize = 123;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_reason_is_cut_between_characters() {
        let slow = CloseCode::TooSlow;
        let closing = Closing::new(slow, "ä".repeat(100));
        assert_eq!(closing.reason, "ä".repeat(61));
        assert_eq!(Closing::new(slow, "short").reason, "short");
    }

    #[test]
    fn no_sentence_of_a_code_is_cut() {
        for code in CloseCode::ALL {
            assert_eq!(Closing::from(code).reason, code.sentence());
        }
    }
}
