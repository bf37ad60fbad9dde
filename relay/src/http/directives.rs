//! Delivery Directives: what players of Low-Latency HLS ask of a playlist (RFC 8216bis section
//! 6.2.5).

use std::time::Duration;

use crate::hls::Edge;

/// What a playlist request asks for beside the playlist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Directives {
    /// Hold the answer back until the playlist has this segment or part (`_HLS_msn`,
    /// `_HLS_part`).
    pub(crate) position: Option<Position>,
    /// A Playlist Delta Update (`_HLS_skip`).
    pub(crate) is_delta: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Position {
    /// Media Sequence Number.
    pub(crate) msn: u64,
    pub(crate) part: Option<usize>,
}

/// Why directives are refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadDirective {
    #[error("{name} is {value:?}; allowed is {allowed}")]
    Value {
        name: &'static str,
        value: String,
        allowed: &'static str,
    },
    #[error("_HLS_part needs _HLS_msn beside it")]
    PartAlone,
    #[error(
        "segment {msn}, part {part} is too far ahead: the playlist is at segment {}, part {}",
        edge.msn, edge.parts
    )]
    TooFar { msn: u64, part: usize, edge: Edge },
}

impl Directives {
    /// Reads a query string. What has other names is left to others.
    pub(crate) fn parse(query: &str) -> Result<Self, BadDirective> {
        let (mut msn, mut part, mut is_delta) = (None, None, false);
        for pair in query.split('&') {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            match name {
                "_HLS_msn" => msn = Some(number("_HLS_msn", value)?),
                "_HLS_part" => part = Some(number("_HLS_part", value)?),
                // Both kinds: there are no date ranges to skip.
                "_HLS_skip" if matches!(value, "YES" | "v2") => is_delta = true,
                "_HLS_skip" => {
                    return Err(BadDirective::Value {
                        name: "_HLS_skip",
                        value: value.to_owned(),
                        allowed: "YES or v2",
                    });
                }
                _ => {}
            }
        }
        let position = match (msn, part) {
            (None, Some(_)) => return Err(BadDirective::PartAlone),
            (msn, part) => msn.map(|msn| Position {
                msn,
                part: part.map(|part| usize::try_from(part).unwrap_or(usize::MAX)),
            }),
        };
        Ok(Self { position, is_delta })
    }
}

impl Position {
    /// Refuses what a player cannot know of yet (section 6.2.5.2).
    pub(crate) fn check(self, edge: Edge, part_target: Duration) -> Result<(), BadDirective> {
        let part = self.part.unwrap_or(0);
        // "Two more than that of the last segment", which may have begun.
        let newest = edge.msn.saturating_sub(u64::from(edge.parts == 0));
        let ahead = Duration::from_secs(3).as_secs_f64() / part_target.as_secs_f64();
        let advance = ahead.ceil().max(3.0) as usize;
        let is_too_far = self.msn > newest + 2
            || (self.msn == edge.msn && part > edge.parts.saturating_add(advance));
        match is_too_far {
            true => Err(BadDirective::TooFar {
                msn: self.msn,
                part,
                edge,
            }),
            false => Ok(()),
        }
    }
}

fn number(name: &'static str, value: &str) -> Result<u64, BadDirective> {
    let is_number = !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit());
    let number = is_number.then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| BadDirective::Value {
        name,
        value: value.chars().take(32).collect(),
        allowed: "a decimal number",
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn directives_are_read_from_among_other_parameters() {
        let read = |query| Directives::parse(query).unwrap();
        assert_eq!(read(""), Directives::default());
        assert_eq!(read("txSecret=a&txTime=5"), Directives::default());
        assert_eq!(
            read("txTime=5&_HLS_msn=17&_HLS_part=3&_HLS_skip=YES"),
            Directives {
                position: Some(Position {
                    msn: 17,
                    part: Some(3)
                }),
                is_delta: true,
            }
        );
        assert_eq!(read("_HLS_msn=0").position.unwrap().part, None);
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_the_reason() {
        for (query, reason) in [
            ("_HLS_part=1", "_HLS_part needs _HLS_msn beside it"),
            (
                "_HLS_msn=-1",
                "_HLS_msn is \"-1\"; allowed is a decimal number",
            ),
            (
                "_HLS_msn=1&_HLS_part=",
                "_HLS_part is \"\"; allowed is a decimal number",
            ),
            (
                "_HLS_msn=99999999999999999999",
                "_HLS_msn is \"99999999999999999999\"; allowed is a decimal number",
            ),
            ("_HLS_skip=NO", "_HLS_skip is \"NO\"; allowed is YES or v2"),
        ] {
            assert_eq!(Directives::parse(query).unwrap_err().to_string(), reason);
        }
    }

    #[test]
    fn a_position_may_be_little_ahead() {
        let edge = Edge {
            msn: 10,
            parts: 2,
            is_ended: false,
        };
        let check = |msn, part| {
            let position = Position { msn, part };
            position.check(edge, Duration::from_millis(250)).is_ok()
        };
        assert!(check(3, None) && check(10, Some(3)) && check(12, None) && check(10, Some(14)));
        assert!(!check(13, None) && !check(10, Some(15)) && !check(u64::MAX, Some(usize::MAX)));
    }
}
