//! Request bodies: small texts, with a bound on bytes and on time.

use std::time::Duration;

use axum::body::Body;
use http_body_util::BodyExt;

/// Why a body was not read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// More bytes than an honest client sends.
    #[error("the content has more than the {limit} bytes that are allowed")]
    TooLarge {
        /// `http.max_sdp_bytes`.
        limit: usize,
    },
    /// The client stopped in the middle.
    #[error("the content did not arrive within {} s", within.as_secs_f32())]
    Timeout {
        /// `http.body_timeout`.
        within: Duration,
    },
    /// The connection or its framing broke.
    #[error("the content ended before it was whole")]
    Broken,
    /// SDP is text (RFC 8866 §5).
    #[error("the content is not UTF-8 text; SDP is allowed")]
    NotUtf8,
    /// Nothing came.
    #[error("the content is empty; SDP is needed")]
    Empty,
}

/// Reads a whole body as text.
///
/// # Errors
/// See [`BodyError`].
pub(super) async fn read_text(
    body: Body,
    limit: usize,
    within: Duration,
) -> Result<String, BodyError> {
    let bytes = tokio::time::timeout(within, read(body, limit))
        .await
        .map_err(|_| BodyError::Timeout { within })??;
    let text = String::from_utf8(bytes).map_err(|_| BodyError::NotUtf8)?;
    if text.trim().is_empty() {
        return Err(BodyError::Empty);
    }
    Ok(text)
}

async fn read(mut body: Body, limit: usize) -> Result<Vec<u8>, BodyError> {
    let mut bytes = Vec::new();
    let mut thrown_away = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| BodyError::Broken)?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if bytes.len() + data.len() <= limit && thrown_away == 0 {
            bytes.extend_from_slice(data);
            continue;
        }
        // The response is lost when the connection closes under a client that still
        // writes, so that a body somewhat too large is read to its end and dropped.
        thrown_away += data.len();
        if thrown_away > THROWN_AWAY {
            break;
        }
    }
    if thrown_away > 0 {
        return Err(BodyError::TooLarge { limit });
    }
    Ok(bytes)
}

/// Two megabyte offers: beyond that a client is not worth reading.
const THROWN_AWAY: usize = 2 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(5);

    async fn read_of(bytes: impl Into<Body>) -> Result<String, BodyError> {
        read_text(bytes.into(), 1_000, LONG).await
    }

    #[tokio::test]
    async fn a_body_at_the_limit_is_read_and_one_above_is_not() {
        assert_eq!(read_of(vec![b'v'; 1_000]).await.unwrap().len(), 1_000);
        let too_large = BodyError::TooLarge { limit: 1_000 };
        assert_eq!(read_of(vec![b'v'; 1_001]).await, Err(too_large.clone()));
        assert_eq!(read_of(vec![b'v'; 5 << 20]).await, Err(too_large));
    }

    #[tokio::test]
    async fn binary_and_empty_bodies_are_named() {
        assert_eq!(read_of(vec![0xff, 0xfe]).await, Err(BodyError::NotUtf8));
        assert_eq!(read_of(" \r\n").await, Err(BodyError::Empty));
    }

    #[tokio::test(start_paused = true)]
    async fn a_body_that_stops_is_given_up() {
        let (mut sender, body) = http_body_util::channel::Channel::<bytes::Bytes>::new(1);
        sender.send_data("v=0".into()).await.unwrap();
        let result = read_text(Body::new(body), 1_000, LONG).await;
        assert_eq!(result, Err(BodyError::Timeout { within: LONG }));
        drop(sender);
    }
}
