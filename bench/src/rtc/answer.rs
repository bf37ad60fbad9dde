//! Keeps a run on the hosts it may load.

use std::net::IpAddr;

use thiserror::Error;

/// Which ICE candidates of an answer a run may send load to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CandidateFilter {
    /// Loopback addresses only.
    Loopback,
    /// Any address: the operator said that the host is theirs.
    Any,
}

impl CandidateFilter {
    /// Whether load may go to `address`.
    pub fn allows(self, address: IpAddr) -> bool {
        match self {
            CandidateFilter::Loopback => address.to_canonical().is_loopback(),
            CandidateFilter::Any => true,
        }
    }

    /// The answer without the candidates that are not allowed.
    ///
    /// # Errors
    ///
    /// [`AnswerError::Elsewhere`] when candidates were there and none is left.
    pub fn apply(self, answer: &str) -> Result<String, AnswerError> {
        let mut kept = String::with_capacity(answer.len());
        let (mut allowed, mut refused) = (0, None);
        for line in answer.lines() {
            if let Some(address) = candidate_address(line) {
                if !address.parse().is_ok_and(|address| self.allows(address)) {
                    refused.get_or_insert(address.to_owned());
                    continue;
                }
                allowed += 1;
            }
            kept.push_str(line);
            kept.push_str("\r\n");
        }
        match refused {
            Some(address) if allowed == 0 => Err(AnswerError::Elsewhere { address }),
            _ => Ok(kept),
        }
    }
}

/// The connection address of a candidate line (RFC 8839 5.1).
fn candidate_address(line: &str) -> Option<&str> {
    line.trim_end()
        .strip_prefix("a=candidate:")?
        .split(' ')
        .nth(4)
}

/// Why an answer cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum AnswerError {
    /// Every candidate names another host.
    #[error(
        "the answer sends media to {address}, which is not a loopback address; \
         if that host is yours to load, say --i-own-this-host"
    )]
    Elsewhere {
        /// The first address that was refused.
        address: String,
    },
    /// Not SDP.
    #[error("the answer is not valid SDP: {0}")]
    Malformed(String),
    /// SDP that does not answer our offer.
    #[error("the answer does not fit the offer: {0}")]
    Refused(String),
    /// The session has its answer already.
    #[error("the session already has an answer")]
    Twice,
}

#[cfg(test)]
mod tests {
    use super::*;

    const ANSWER: &str = "v=0\r\na=candidate:1 1 udp 2130706175 127.0.0.1 8000 typ host\r\n\
                          a=candidate:2 1 udp 2130706175 192.0.2.7 8000 typ host\r\n";

    #[test]
    fn candidates_of_other_hosts_are_taken_out() {
        let kept = CandidateFilter::Loopback.apply(ANSWER).unwrap();
        assert!(kept.contains("127.0.0.1") && !kept.contains("192.0.2.7"));
        let kept = CandidateFilter::Any.apply(ANSWER).unwrap();
        assert!(kept.contains("192.0.2.7"));
    }

    #[test]
    fn an_answer_that_only_leads_elsewhere_is_refused() {
        let elsewhere = ANSWER.replace("127.0.0.1", "198.51.100.1");
        assert_eq!(
            CandidateFilter::Loopback.apply(&elsewhere),
            Err(AnswerError::Elsewhere {
                address: "198.51.100.1".into()
            })
        );
        let named = "a=candidate:1 1 udp 1 example.org 8000 typ host\r\n";
        assert!(CandidateFilter::Loopback.apply(named).is_err());
    }

    #[test]
    fn an_answer_without_candidates_passes() {
        assert_eq!(
            CandidateFilter::Loopback.apply("v=0\r\n").unwrap(),
            "v=0\r\n"
        );
    }
}
