//! The whole relay: publishers, viewers and HTTP, without sockets where they are not the point.

mod fragments;
mod http_rules;
mod lifecycle;
mod low_latency;
mod shift;
mod transport;
pub(crate) mod variants;
mod viewers;

#[cfg(feature = "aac")]
mod codecs;
#[cfg(feature = "aac")]
mod connection;
#[cfg(feature = "aac")]
pub(crate) mod ffprobe;
#[cfg(feature = "aac")]
mod ffprobe_fragments;
#[cfg(feature = "aac")]
mod ffprobe_transport;
#[cfg(feature = "aac")]
mod hevc;
#[cfg(feature = "aac")]
mod opus;
#[cfg(feature = "aac")]
mod push;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use http_body_util::BodyExt;
use packager::rtp::{Codec, Tracks};
use prometheus::Registry;
use tokio::time::{Instant, sleep_until, timeout};

use crate::broadcast::testing::Publisher;
use crate::{Body, Ingest, IngestItem, KeyframeAsker, Relay, RelayConfig, StreamId};

pub(crate) const VIDEO: Tracks = Tracks {
    video: true,
    audio: false,
};

pub(crate) fn relay(config: RelayConfig) -> Relay {
    Relay::new(config, &Registry::new()).unwrap()
}

pub(crate) fn id(text: &str) -> StreamId {
    text.parse().unwrap()
}

pub(crate) fn deaf() -> KeyframeAsker {
    Arc::new(|_| {})
}

pub(super) async fn request(
    relay: &Relay,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> Response<Body> {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    relay.handle(request.body(()).unwrap()).await
}

pub(crate) async fn get(relay: &Relay, path: &str) -> Response<Body> {
    request(relay, Method::GET, path, &[]).await
}

pub(super) fn header<'a>(response: &'a Response<Body>, name: &str) -> &'a str {
    response
        .headers()
        .get(name)
        .map_or("", |v| v.to_str().unwrap())
}

pub(crate) async fn bytes(response: Response<Body>) -> Bytes {
    response.into_body().collect().await.unwrap().to_bytes()
}

pub(crate) async fn text(response: Response<Body>) -> String {
    String::from_utf8(bytes(response).await.to_vec()).unwrap()
}

/// Status and `detail` of a problem document.
pub(super) async fn problem(response: Response<Body>) -> (StatusCode, String) {
    let status = response.status();
    assert_eq!(
        header(&response, "content-type"),
        "application/problem+json"
    );
    assert_eq!(header(&response, "cache-control"), "no-store");
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
    let document: serde_json::Value = serde_json::from_slice(&bytes(response).await).unwrap();
    assert_eq!(document["status"], status.as_u16());
    let code = document["code"].as_str().unwrap();
    assert!(code.bytes().all(|b| b.is_ascii_lowercase() || b == b'-'));
    (status, document["detail"].as_str().unwrap().to_owned())
}

/// A publisher of pictures at 30 a second on the runtime's clock, a key frame every second.
pub(crate) struct Camera {
    pub(super) publisher: Publisher,
    pub(super) start: Instant,
    pub(super) picture: u64,
    pub(super) codec: Codec,
    /// Of each picture.
    pub(super) bytes: usize,
}

impl Camera {
    pub(crate) fn new() -> Self {
        let start = Instant::now();
        Self {
            publisher: Publisher::new(start.into_std()),
            start,
            picture: 0,
            codec: Codec::H264,
            bytes: 1_500,
        }
    }

    /// Sends pictures in time, up to `until`.
    pub(crate) async fn send(&mut self, ingest: &Ingest, until: Duration) {
        loop {
            let ms = self.picture as f64 * 100.0 / 3.0;
            let at = self.start + Duration::from_secs_f64(ms / 1e3);
            if at >= self.start + until {
                return;
            }
            sleep_until(at).await;
            let is_keyframe = self.picture.is_multiple_of(30);
            for item in self.publisher.picture(ms, is_keyframe, self.bytes) {
                let IngestItem::Rtp { track, packet, .. } = item else {
                    continue;
                };
                let codec = self.codec;
                ingest
                    .try_send(IngestItem::Rtp {
                        track,
                        codec,
                        packet,
                    })
                    .unwrap();
            }
            self.picture += 1;
        }
    }
}

/// Reads a body until it ends or nothing comes for a second.
pub(super) async fn read_on(body: &mut Body) -> (Vec<u8>, bool) {
    let mut all = Vec::new();
    loop {
        match timeout(Duration::from_secs(1), body.frame()).await {
            Ok(Some(frame)) => all.extend_from_slice(&frame.unwrap().into_data().unwrap()),
            Ok(None) => return (all, true),
            Err(_) => return (all, false),
        }
    }
}

/// Tag type, time in ms and data of each tag after the file header.
pub(crate) fn tags(mut flv: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    if flv.starts_with(b"FLV") {
        flv = &flv[13..];
    }
    let mut tags = Vec::new();
    while !flv.is_empty() {
        let size = u32::from_be_bytes([0, flv[1], flv[2], flv[3]]) as usize;
        let ms = u32::from_be_bytes([flv[7], flv[4], flv[5], flv[6]]);
        tags.push((flv[0], ms, flv[11..11 + size].to_vec()));
        flv = &flv[11 + size + 4..];
    }
    tags
}

pub(crate) fn is_video_header(tag: &(u8, u32, Vec<u8>)) -> bool {
    tag.0 == 9 && tag.2[..2] == [0x17, 0]
}
