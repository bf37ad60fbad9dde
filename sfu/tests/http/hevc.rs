//! H.265 from a WebRTC publisher to players, on real sockets: ffmpeg decodes of what they get the
//! pictures that x265 was given.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sfu::server::Server;
use tokio::time::timeout;

use crate::publisher::Publisher;
use crate::support::{PATIENCE, SDP, settings, until};

/// Runs ffmpeg; gives what it writes.
fn ffmpeg(args: &[&str]) -> Vec<u8> {
    let mut command = Command::new("timeout");
    command
        .args(["120", "ffmpeg", "-v", "error", "-y"])
        .args(args);
    let output = command.stdin(Stdio::null()).output().expect("ffmpeg runs");
    let (status, errors) = (output.status, String::from_utf8_lossy(&output.stderr));
    assert!(status.success() && errors.is_empty(), "{status}: {errors}");
    output.stdout
}

/// What each picture of a file decodes to.
fn hashes(path: &Path) -> Vec<String> {
    let path = path.to_str().expect("text");
    let passthrough = ["-fps_mode", "passthrough", "-f", "framemd5", "-"];
    let text = ffmpeg(&[&["-i", path, "-map", "0:v"][..], &passthrough].concat());
    let text = String::from_utf8(text).expect("text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let hash = |line: &str| line.rsplit(',').next().map(|hash| hash.trim().to_owned());
    lines.filter_map(hash).collect()
}

/// One second of 320x180 at 25 a second, the first of them a key frame, as a byte stream.
fn x265() -> Vec<u8> {
    let source = "testsrc2=size=320x180:rate=25:duration=1";
    let mut args = vec!["-f", "lavfi", "-i", source, "-pix_fmt", "yuv420p"];
    args.extend(["-c:v", "libx265", "-preset", "ultrafast", "-x265-params"]);
    args.extend([
        "log-level=error:pools=none:frame-threads=1:aud=1:bframes=0:keyint=25",
        "-f",
        "hevc",
        "-",
    ]);
    ffmpeg(&args)
}

/// The payloads of each picture of a byte stream (RFC 7798): NAL units alone, and in fragments.
fn payloads(stream: &[u8]) -> Vec<Vec<Vec<u8>>> {
    let codes = stream.windows(3).enumerate();
    let codes = codes.filter(|(_, window)| *window == [0, 0, 1]);
    let starts: Vec<usize> = codes.map(|(at, _)| at + 3).collect();
    let ends = starts.iter().skip(1).map(|next| next - 3);
    let mut pictures: Vec<Vec<Vec<u8>>> = Vec::new();
    for (start, end) in starts.iter().zip(ends.chain([stream.len()])) {
        let nal = &stream[*start..end];
        let last = nal.iter().rposition(|byte| *byte != 0).expect("a header");
        let nal = &nal[..=last];
        if nal[0] >> 1 == 35 {
            // A delimiter begins a picture.
            pictures.push(Vec::new());
        }
        let payloads = pictures.last_mut().expect("a delimiter comes first");
        if nal.len() <= MTU {
            payloads.push(nal.to_vec());
            continue;
        }
        let parts: Vec<&[u8]> = nal[2..].chunks(MTU).collect();
        for (number, part) in parts.iter().enumerate() {
            let start = if number == 0 { 0x80 } else { 0 };
            let end = if number + 1 == parts.len() { 0x40 } else { 0 };
            let head = [49 << 1, nal[1], start | end | nal[0] >> 1];
            payloads.push([&head, *part].concat());
        }
    }
    pictures
}

const MTU: usize = 1_000;

async fn get(url: &str) -> reqwest::Response {
    reqwest::get(url).await.expect("response")
}

/// Waits for a playlist with so many segments; gives it.
async fn playlist(url: &str, segments: usize) -> String {
    let end = Instant::now() + Duration::from_secs(30);
    loop {
        let response = get(url).await;
        if response.status() == 200 {
            let text = response.text().await.expect("text");
            if text.matches("#EXTINF").count() >= segments {
                return text;
            }
        }
        assert!(Instant::now() < end, "no {segments} segments at {url}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_publisher_sends_players_decode() {
    let folder = tempfile::tempdir().expect("a folder");
    let encoded = x265();
    let source = folder.path().join("source.265");
    std::fs::write(&source, &encoded).expect("a file");
    let expected = hashes(&source);
    assert_eq!(expected.len(), 25);

    let server = Server::start(&settings("")).await.expect("server");
    let url = format!("http://{}", server.local_addr());
    let (publisher, offer) = Publisher::of(payloads(&encoded)).await;
    let reply = reqwest::Client::new()
        .post(format!("{url}/whip/show"))
        .header("content-type", SDP)
        .body(offer)
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 201);
    let answer = reply.text().await.expect("answer");
    assert!(answer.contains(" H265/90000\r\n"), "{answer}");
    let (state, sending) = publisher.start(&answer);
    until("the publisher is connected", || state.is_connected()).await;

    // HLS: the section and the first segments, one behind the other.
    let text = playlist(&format!("{url}/live/show.m3u8"), 2).await;
    let map = text.split("#EXT-X-MAP:URI=\"").nth(1).expect("a section");
    let map = map.split('"').next().expect("its address");
    let uris = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut file = Vec::new();
    for uri in [map].into_iter().chain(uris) {
        let response = get(&format!("{url}/live/{uri}")).await;
        assert_eq!(response.status(), 200, "{uri}");
        file.extend(response.bytes().await.expect("bytes"));
    }
    assert!(file.windows(4).any(|bytes| bytes == b"hvc1"));
    let path = folder.path().join("hls.mp4");
    std::fs::write(&path, file).expect("a file");
    let found = hashes(&path);
    assert!(found.len() >= 50, "{}", found.len());
    // In the order in which they were sent, from a key frame on.
    for (found, expected) in found.iter().zip(expected.iter().cycle()) {
        assert_eq!(found, expected);
    }

    // The newest key frame is the first picture of the second.
    let still = get(&format!("{url}/live/show.mp4")).await;
    assert_eq!(still.status(), 200);
    let path = folder.path().join("still.mp4");
    std::fs::write(&path, still.bytes().await.expect("bytes")).expect("a file");
    assert_eq!(hashes(&path), expected[..1]);

    // FLV: Enhanced RTMP has its FourCC in every tag.
    let mut viewer = get(&format!("{url}/live/show.flv")).await;
    let mut flv = Vec::new();
    while flv.len() < 20_000 {
        let chunk = timeout(PATIENCE, viewer.chunk()).await.expect("in time");
        flv.extend(chunk.expect("bytes").expect("more"));
    }
    let has = |tag: &[u8]| flv.windows(tag.len()).any(|bytes| bytes == tag);
    assert!(has(b"\x90hvc1\x01") && has(b"\x93hvc1") && has(b"\xa3hvc1"));

    sending.abort();
    drop(viewer);
    server.shut_down().await;
}
