//! Why the server closes a socket.

/// A close code of the server (RFC 6455 §7.4). Those of 4000 and above are this protocol's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum CloseCode {
    /// The session has ended by `logout`.
    LoggedOut,
    /// The server is going down. Log in again after a while.
    ServerStopping,
    /// What came is no WebSocket frame.
    ProtocolError,
    /// A binary frame: only text frames are taken.
    Binary,
    /// A text frame that is not UTF-8.
    NotUtf8,
    /// A frame over the limit that `login` tells.
    TooLarge,
    /// A frame without a readable `id`: there is nothing to answer to.
    BadFrame,
    /// The same user has logged in elsewhere. Do not log in again by yourself.
    LoggedInElsewhere,
    /// Another socket has resumed the session.
    ResumedElsewhere,
    /// Nobody has logged in or resumed in time.
    NotLoggedIn,
    /// The client has answered no pings. The session can be resumed.
    Silent,
    /// The client reads more slowly than the server has to say. The session can be resumed.
    TooSlow,
    /// The client has gone on sending over its rate. The session has ended.
    TooFast,
    /// The session has ended: it was removed by the server's operator.
    Removed,
}

impl CloseCode {
    /// All of them.
    pub const ALL: [Self; 14] = [
        Self::LoggedOut,
        Self::ServerStopping,
        Self::ProtocolError,
        Self::Binary,
        Self::NotUtf8,
        Self::TooLarge,
        Self::BadFrame,
        Self::LoggedInElsewhere,
        Self::ResumedElsewhere,
        Self::NotLoggedIn,
        Self::Silent,
        Self::TooSlow,
        Self::TooFast,
        Self::Removed,
    ];

    /// The number in the close frame.
    pub fn code(self) -> u16 {
        match self {
            Self::LoggedOut => 1000,
            Self::ServerStopping => 1001,
            Self::ProtocolError => 1002,
            Self::Binary => 1003,
            Self::NotUtf8 => 1007,
            Self::TooLarge => 1009,
            Self::BadFrame => 4000,
            Self::LoggedInElsewhere => 4001,
            Self::ResumedElsewhere => 4002,
            Self::NotLoggedIn => 4003,
            Self::TooFast => 4004,
            Self::Removed => 4005,
            Self::Silent => 4008,
            Self::TooSlow => 4009,
        }
    }

    /// Its name in the TypeScript types, and as a metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::LoggedOut => "loggedOut",
            Self::ServerStopping => "serverStopping",
            Self::ProtocolError => "protocolError",
            Self::Binary => "binary",
            Self::NotUtf8 => "notUtf8",
            Self::TooLarge => "tooLarge",
            Self::BadFrame => "badFrame",
            Self::LoggedInElsewhere => "loggedInElsewhere",
            Self::ResumedElsewhere => "resumedElsewhere",
            Self::NotLoggedIn => "notLoggedIn",
            Self::Silent => "silent",
            Self::TooSlow => "tooSlow",
            Self::TooFast => "tooFast",
            Self::Removed => "removed",
        }
    }

    /// A plain sentence, short enough for a close frame (123 bytes, RFC 6455 §5.5).
    pub fn sentence(self) -> &'static str {
        match self {
            Self::LoggedOut => "logged out",
            Self::ServerStopping => "the server is going down; log in again after a while",
            Self::ProtocolError => "what came is no WebSocket frame",
            Self::Binary => "binary frames are not taken; allowed is one JSON object a text frame",
            Self::NotUtf8 => "a text frame was not UTF-8",
            Self::TooLarge => "a frame was larger than login says is allowed",
            Self::BadFrame => "a frame was no request with an id",
            Self::LoggedInElsewhere => "the same user has logged in elsewhere",
            Self::ResumedElsewhere => "another socket has resumed the session",
            Self::NotLoggedIn => "nobody has logged in or resumed in time",
            Self::Silent => "pings were not answered; resume the session",
            Self::TooSlow => "too much waited to be read; resume the session to go on",
            Self::TooFast => "too many requests; keep to the limits that login tells",
            Self::Removed => "the server's operator has ended the session",
        }
    }

    /// Whether the session can be resumed after it.
    pub fn can_resume(self) -> bool {
        matches!(self, Self::Silent | Self::TooSlow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_close_code_is_its_own_and_fits_a_close_frame() {
        let mut codes: Vec<_> = CloseCode::ALL.map(CloseCode::code).to_vec();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CloseCode::ALL.len());
        for code in CloseCode::ALL {
            let number = code.code();
            // RFC 6455 §7.4.2: 4000 to 4999 are for private use.
            assert!((1000..=1009).contains(&number) || (4000..5000).contains(&number));
            assert!(code.sentence().len() <= 123, "{}", code.name());
        }
    }
}
