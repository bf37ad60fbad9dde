//! Why a stream does not come from the origin.

use packager::flv::demux::DemuxError;

/// How one connection to the origin ended, or came to nothing. Texts hold no address and nothing
/// that the origin says.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The name, the port or TLS.
    #[error("the origin cannot be reached")]
    Connect,
    /// Its certificate is not taken, or TLS fails otherwise.
    #[error("TLS with the origin fails; is its certificate good for its host?")]
    Tls,
    /// No answer, or no media, in time.
    #[error("the origin does not answer in time")]
    Timeout,
    /// Another status than 200 and 404; redirects are not followed.
    #[error("the origin answers with status {0}")]
    Status(u16),
    /// The connection ended early, or what came was no HTTP.
    #[error("the connection to the origin broke")]
    Broken,
    /// Nothing came for too long.
    #[error("the origin sends nothing")]
    Stalled,
    /// What came is of codecs that are not carried.
    #[error(
        "the origin's stream has neither pictures in H.264, H.265, VP9 or AV1 nor sound in AAC, and an edge carries nothing else"
    )]
    Codec,
    /// What came is no FLV, or says of its codecs what cannot be.
    #[error("the origin's stream cannot be read: {0}")]
    Media(#[from] DemuxError),
}

impl Failure {
    /// The value of the metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Timeout => "timeout",
            Self::Status(_) => "status",
            Self::Broken => "broken",
            Self::Stalled => "stalled",
            Self::Codec => "codec",
            Self::Media(_) => "media",
        }
    }

    /// All labels.
    pub(super) const LABELS: [&'static str; 8] = [
        "connect", "tls", "timeout", "status", "broken", "stalled", "codec", "media",
    ];
}

/// Why a viewer gets nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EdgeRefusal {
    /// The origin has no such stream.
    #[error("nobody publishes the stream; the origin does not have it")]
    NotLive,
    /// It is not known whether the origin has it.
    #[error("{0}")]
    Origin(String),
    /// As many streams as allowed are pulled.
    #[error("the limit of {limit} streams is reached")]
    TooManyStreams {
        /// [`EdgeConfig::max_streams`](super::EdgeConfig::max_streams).
        limit: usize,
    },
    /// As many streams as allowed are asked for, or were a moment ago and are not there.
    #[error("too many streams are asked for at once; try again in a moment")]
    TooManyRequests,
    /// As many of them as one client may have.
    #[error("too many streams are asked for at once from this address; try again in a moment")]
    TooManyOfClient,
    /// The edge is on its way down.
    #[error("the server shuts down")]
    ShuttingDown,
}

impl EdgeRefusal {
    /// The value of the metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NotLive => "not_live",
            Self::Origin(_) => "origin",
            Self::TooManyStreams { .. } => "limit",
            Self::TooManyRequests => "asking",
            Self::TooManyOfClient => "client",
            Self::ShuttingDown => "shutdown",
        }
    }

    /// All labels.
    pub(super) const LABELS: [&'static str; 6] = [
        "not_live", "origin", "limit", "asking", "client", "shutdown",
    ];
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_that_goes_wrong_has_its_label() {
        let failures = [
            Failure::Connect,
            Failure::Tls,
            Failure::Timeout,
            Failure::Status(302),
            Failure::Broken,
            Failure::Stalled,
            Failure::Codec,
            Failure::Media(DemuxError::NoHeader),
        ];
        assert_eq!(failures.map(|failure| failure.label()), Failure::LABELS);
        let refusals = [
            EdgeRefusal::NotLive,
            EdgeRefusal::Origin(String::new()),
            EdgeRefusal::TooManyStreams { limit: 1 },
            EdgeRefusal::TooManyRequests,
            EdgeRefusal::TooManyOfClient,
            EdgeRefusal::ShuttingDown,
        ];
        assert_eq!(refusals.map(|refusal| refusal.label()), EdgeRefusal::LABELS);
    }
}
