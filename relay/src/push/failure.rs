//! Why a push does not run.

use super::backoff::MAX_TRIES;

/// Why one connection came to nothing. Texts hold no secret: of what a server says only its code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    /// The name has no address.
    #[error("the host's name has no address")]
    Name,
    /// All its addresses are of private networks.
    #[error(
        "the host has no public address; allowed are public ones, and hosts that the server's settings name"
    )]
    Private,
    /// Nobody answers.
    #[error("the host cannot be reached")]
    Connect,
    /// The certificate is not taken, or TLS fails otherwise.
    #[error("TLS fails; is the certificate good for the host?")]
    Tls,
    /// No answer in time.
    #[error("the server did not take the stream in time")]
    Slow,
    /// It says no.
    #[error("the server refused the stream: {}", Code(.code))]
    Refused {
        /// The status code.
        code: String,
    },
    /// What it says is no RTMP.
    #[error("the server does not speak RTMP 1.0")]
    Protocol,
    /// It takes nothing any more.
    #[error("the server took nothing for too long")]
    Stalled,
    /// The connection is gone.
    #[error("the connection was lost")]
    Lost,
    /// Too many times in a row.
    #[error("given up after {MAX_TRIES} tries: {last}")]
    GivenUp {
        /// The last one.
        last: Box<Failure>,
    },
}

impl Failure {
    /// The value of the metric's label.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::Private => "private_address",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Slow => "timeout",
            Self::Refused { .. } => "refused",
            Self::Protocol => "protocol",
            Self::Stalled => "stalled",
            Self::Lost => "lost",
            Self::GivenUp { .. } => "given_up",
        }
    }

    /// All labels.
    pub(super) const LABELS: [&'static str; 10] = [
        "name",
        "private_address",
        "connect",
        "tls",
        "timeout",
        "refused",
        "protocol",
        "stalled",
        "lost",
        "given_up",
    ];
}

/// A status code as far as it is one: letters and dots.
struct Code<'a>(&'a str);

impl std::fmt::Display for Code<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_code = self.0.bytes().all(|b| b.is_ascii_alphabetic() || b == b'.');
        f.write_str(if is_code && self.0.len() <= 64 {
            self.0
        } else {
            "an unknown code"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_cannot_put_words_into_our_mouth() {
        let text = |code: &str| {
            Failure::Refused {
                code: code.to_owned(),
            }
            .to_string()
        };
        let plain = text("NetStream.Publish.BadName");
        assert_eq!(
            plain,
            "the server refused the stream: NetStream.Publish.BadName"
        );
        assert!(text("NetStream.Publish.key=hunter2").ends_with("an unknown code"));
        assert!(text(&"a".repeat(65)).ends_with("an unknown code"));
    }

    #[test]
    fn every_failure_has_its_label() {
        let all = [
            Failure::Name,
            Failure::Private,
            Failure::Connect,
            Failure::Tls,
            Failure::Slow,
            Failure::Refused {
                code: String::new(),
            },
            Failure::Protocol,
            Failure::Stalled,
            Failure::Lost,
            Failure::GivenUp {
                last: Box::new(Failure::Lost),
            },
        ];
        assert_eq!(all.map(|failure| failure.label()), Failure::LABELS);
    }
}
