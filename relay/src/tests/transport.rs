//! HLS with segments of MPEG-TS.

use tokio::time::sleep;

use super::*;
use crate::{Pictures, Publication};

/// Whole packets, each with its sync byte.
fn packets(segment: &[u8]) -> usize {
    assert_eq!(segment.len() % 188, 0);
    let packets = segment.chunks(188);
    packets
        .inspect(|packet| assert_eq!(packet[0], 0x47))
        .count()
}

fn written(relay: &Relay) -> u64 {
    relay.inner.metrics.transport_segments.get()
}

#[tokio::test(start_paused = true)]
async fn the_same_segments_are_there_as_transport_stream() {
    let relay = relay(RelayConfig::default());
    assert_eq!(problem(get(&relay, "/live/a/ts.m3u8").await).await.0, 404);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let early = get(&relay, "/live/a/ts.m3u8").await;
    assert_eq!(header(&early, "retry-after"), "1");
    assert_eq!(problem(early).await.0, 503);
    Camera::new().send(&ingest, Duration::from_secs(9)).await;
    let response = get(&relay, "/live/a/ts.m3u8").await;
    assert_eq!(
        header(&response, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=0, s-maxage=1"
    );
    let etag = header(&response, "etag").to_owned();
    let plain = text(response).await;
    assert!(!plain.contains("EXT-X-PART") && !plain.contains("EXT-X-MAP"));
    let plain = m3u8_rs::parse_media_playlist_res(plain.as_bytes()).unwrap();
    assert_eq!(plain.version, Some(3));
    let other = text(get(&relay, "/live/a.m3u8").await).await;
    let other = m3u8_rs::parse_media_playlist_res(other.as_bytes()).unwrap();
    assert_eq!(plain.media_sequence, other.media_sequence);
    assert_eq!(plain.target_duration, other.target_duration);
    assert_eq!(plain.segments.len(), 4);
    for (plain, other) in plain.segments.iter().zip(&other.segments) {
        assert_eq!(plain.duration, other.duration);
        assert_eq!(plain.program_date_time, other.program_date_time);
        let stem = other.uri.strip_suffix("m4s").unwrap();
        assert_eq!(format!("a/{}", plain.uri), format!("{stem}ts"));
    }
    let same = [("if-none-match", &*etag)];
    let unchanged = request(&relay, Method::GET, "/live/a/ts.m3u8", &same).await;
    assert_eq!(unchanged.status(), 304);

    // Nothing was made for those who read playlists.
    assert_eq!(written(&relay), 0);
    let path = format!("/live/a/{}", plain.segments[1].uri);
    let (first, second, head) = tokio::join!(
        get(&relay, &path),
        get(&relay, &path),
        request(&relay, Method::HEAD, &path, &[]),
    );
    assert_eq!(header(&first, "content-type"), "video/mp2t");
    assert_eq!(
        header(&first, "cache-control"),
        "public, max-age=3600, immutable"
    );
    let length = header(&head, "content-length").to_owned();
    let first = bytes(first).await;
    assert_eq!(first, bytes(second).await);
    assert_eq!(length, first.len().to_string());
    let part = request(&relay, Method::GET, &path, &[("range", "bytes=188-191")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(bytes(part).await, first.slice(188..192));
    assert_eq!(written(&relay), 1, "once for all who ask");
    // 60 pictures of 1,500 bytes; the counters go on behind a multiple of sixteen.
    assert_eq!(packets(&first) % 16, 2);
    assert!(packets(&first) >= 60 * 8);
    // Its PAT has the Media Sequence Number for a counter.
    assert_eq!(first[..4], [0x47, 0x40, 0x00, 0x11]);

    let past = path.replace("-1.ts", "-9.ts");
    assert_eq!(problem(get(&relay, &past).await).await.0, 404);
    ingest.end();
    sleep(Duration::from_millis(600)).await;
    let ended = get(&relay, "/live/a/ts.m3u8").await;
    assert_ne!(header(&ended, "etag"), etag);
    assert!(text(ended).await.ends_with("#EXT-X-ENDLIST\n"));
}

#[tokio::test(start_paused = true)]
async fn the_list_of_sizes_names_their_playlists_of_transport_stream() {
    let relay = relay(RelayConfig::default());
    let publication = Publication {
        tracks: VIDEO,
        pictures: Pictures::of_layers(2),
    };
    let ingest = relay.publish(&id("a_b"), publication, deaf()).unwrap();
    super::variants::send(&ingest, 7.0, 0.0).await;
    let list = text(get(&relay, "/live/a_b/ts.m3u8").await).await;
    let (_, read) = m3u8_rs::parse_master_playlist(list.as_bytes()).unwrap();
    let uris: Vec<_> = read.variants.iter().map(|v| v.uri.as_str()).collect();
    assert_eq!(uris, ["../a_b_h/ts.m3u8", "../a_b_l/ts.m3u8"]);
    for variant in &read.variants {
        let path = variant.uri.replace("../", "/live/");
        let playlist = text(get(&relay, &path).await).await;
        let playlist = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).unwrap();
        for segment in &playlist.segments {
            let file = path.replace("ts.m3u8", &segment.uri);
            let segment_bytes = bytes(get(&relay, &file).await).await;
            packets(&segment_bytes);
            let bps = 8.0 * segment_bytes.len() as f64 / f64::from(segment.duration);
            assert!(bps <= variant.bandwidth as f64, "{bps} of {list}");
        }
    }
}

/// Sends key frames of VP9, one every half second.
async fn send_vp9(ingest: &Ingest, seconds: u32) {
    let start = Instant::now();
    let mut camera = Publisher::new(start.into_std());
    for number in 0..2 * seconds {
        let at = start + Duration::from_millis(500) * number;
        sleep_until(at).await;
        // A picture of 640x360 in one RTP payload (RFC 9628).
        let payload = [
            0x8c, 0x00, 0x82, 0x49, 0x83, 0x42, 0x00, 0x27, 0xf0, 0x16, 0x70, 1,
        ];
        let ms = f64::from(500 * number);
        for item in camera.video_packets(ms, Codec::Vp9, vec![payload.to_vec()]) {
            ingest.try_send(item).unwrap();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn another_codec_is_refused_with_a_way_out_until_h264_follows() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    send_vp9(&ingest, 7).await;
    let other = text(get(&relay, "/live/a.m3u8").await).await;
    let segment = other
        .lines()
        .rfind(|line| line.ends_with("m4s") && !line.starts_with('#'));
    let segment = segment.unwrap().replace("m4s", "ts");
    for path in ["/live/a/ts.m3u8".to_owned(), format!("/live/{segment}")] {
        let (status, detail) = problem(get(&relay, &path).await).await;
        assert_eq!(status, 409, "{path}");
        assert!(
            detail.contains("VP9") && detail.contains("/live/a.m3u8"),
            "{detail}"
        );
    }
    assert_eq!(written(&relay), 0);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let plain = text(get(&relay, "/live/a/ts.m3u8").await).await;
    let plain = m3u8_rs::parse_media_playlist_res(plain.as_bytes()).unwrap();
    let other = text(get(&relay, "/live/a.m3u8").await).await;
    let other = m3u8_rs::parse_media_playlist_res(other.as_bytes()).unwrap();
    // It begins behind the segments of VP9.
    let sections: Vec<_> = other.segments.iter().map(|s| s.discontinuity).collect();
    let left_out = sections.iter().position(|is_new| *is_new).unwrap();
    assert_eq!(plain.media_sequence, other.media_sequence + left_out as u64);
    assert!(plain.segments[0].discontinuity);
    for segment in &plain.segments {
        let file = bytes(get(&relay, &format!("/live/a/{}", segment.uri)).await).await;
        packets(&file);
    }
}
