//! `?latency=`: what a viewer of an endless stream prefers, a picture near to the live edge or a full buffer.

use crate::viewer::StartAt;

/// Why a choice is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "latency is {0:?}; allowed is low (start at the newest key frame) or smooth (start with whole \
     groups of pictures before it)"
)]
pub(crate) struct BadLatency(String);

/// Reads a query string. What has other names is left to others.
pub(crate) fn parse(query: &str) -> Result<StartAt, BadLatency> {
    let mut start_at = StartAt::default();
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        if name == "latency" {
            start_at = match value {
                "low" => StartAt::Newest,
                "smooth" => StartAt::Earlier,
                _ => return Err(BadLatency(value.to_owned())),
            };
        }
    }
    Ok(start_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_are_two_choices_and_no_other() {
        for (query, start_at) in [
            ("", StartAt::Newest),
            ("latency=low", StartAt::Newest),
            ("latency=smooth", StartAt::Earlier),
            ("txSecret=a&latency=smooth&txTime=b", StartAt::Earlier),
            ("latencyx=1&xlatency=2", StartAt::Newest),
        ] {
            assert_eq!(parse(query), Ok(start_at), "{query}");
        }
        for query in [
            "latency",
            "latency=",
            "latency=LOW",
            "latency=low&latency=x",
        ] {
            assert!(parse(query).is_err(), "{query}");
        }
        let told = parse("latency=fast").unwrap_err().to_string();
        assert!(
            told.contains("\"fast\"") && told.contains("smooth"),
            "{told}"
        );
    }
}
