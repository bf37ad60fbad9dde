//! A publisher with simulcast over HTTP.

use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::*;
use crate::broadcast::Phase;
use crate::broadcast::testing::{SPS_320X180, SPS_640X360};
use crate::{Picture, Pictures, Publication, PublishError, Track};

/// Sends pictures in two sizes for a while; the lesser one is not sent before `late`.
pub(crate) async fn send(ingest: &Ingest, seconds: f64, late: f64) {
    let start = Instant::now();
    let camera = |sps| {
        let mut camera = Publisher::new(start.into_std());
        camera.sps = sps;
        camera
    };
    let mut cameras = [
        (Picture::Small, camera(SPS_320X180), late),
        (Picture::Large, camera(SPS_640X360), 0.0),
    ];
    for number in 0..(seconds * 30.0) as u32 {
        let at = f64::from(number) / 30.0;
        sleep_until(start + Duration::from_secs_f64(at)).await;
        for (picture, camera, from) in &mut cameras {
            let size = 4_000 / (1 + picture.index());
            let packets = camera.picture(at * 1e3, number.is_multiple_of(30), size);
            for item in packets {
                let IngestItem::Rtp { codec, packet, .. } = item else {
                    continue;
                };
                let track = Track::Video(*picture);
                if at >= *from {
                    let item = IngestItem::Rtp {
                        track,
                        codec,
                        packet,
                    };
                    ingest.try_send(item).unwrap();
                }
            }
        }
    }
}

pub(crate) fn two() -> Publication {
    Publication {
        tracks: VIDEO,
        pictures: Pictures::of_layers(2),
    }
}

#[tokio::test(start_paused = true)]
async fn the_playlist_of_a_stream_in_two_sizes_names_a_playlist_for_each() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a_b"), two(), deaf()).unwrap();
    send(&ingest, 7.0, 0.0).await;
    let list = get(&relay, "/live/a_b.m3u8").await;
    assert_eq!(
        header(&list, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(
        header(&list, "cache-control"),
        "public, max-age=0, s-maxage=1"
    );
    let list = text(list).await;
    let (_, read) = m3u8_rs::parse_master_playlist(list.as_bytes()).unwrap();
    let [large, small] = &read.variants[..] else {
        panic!("{list}");
    };
    for (variant, name, size, bytes) in [
        (large, "h", (640, 360), 4_000),
        (small, "l", (320, 180), 1_333),
    ] {
        assert_eq!(variant.uri, format!("a_b_{name}.m3u8"));
        let found = variant.resolution.map(|r| (r.width, r.height));
        assert_eq!(found, Some(size));
        assert_eq!(
            variant
                .codecs
                .as_deref()
                .unwrap()
                .split_once('.')
                .unwrap()
                .0,
            "avc1"
        );
        assert!((variant.frame_rate.unwrap() - 30.0).abs() < 0.5, "{list}");
        // No less than the pictures take.
        let net = (bytes * 8 * 30) as u64;
        assert!(variant.average_bandwidth.unwrap() >= net, "{list}");
        assert!(variant.bandwidth >= variant.average_bandwidth.unwrap());
        let playlist = get(&relay, &format!("/live/{}", variant.uri)).await;
        let playlist = text(playlist).await;
        assert!(playlist.contains("#EXT-X-PART-INF"), "{playlist}");
        assert!(
            playlist.contains("PART-HOLD-BACK=1.250"),
            "as one of several: {playlist}"
        );
        let other = if name == "h" { "l" } else { "h" };
        let report = playlist.lines().find(|line| line.starts_with(REPORT));
        assert!(
            report.unwrap().contains(&format!("a_b_{other}.m3u8")),
            "{playlist}"
        );
        let file = playlist
            .lines()
            .rfind(|line| line.ends_with(".m4s"))
            .unwrap();
        let segment = get(&relay, &format!("/live/{file}")).await;
        assert_eq!(segment.status(), 200);
        assert!(bytes_of(segment).await > bytes * 30);
    }
}

const REPORT: &str = "#EXT-X-RENDITION-REPORT:";

async fn bytes_of(response: Response<Body>) -> usize {
    bytes(response).await.len()
}

#[tokio::test(start_paused = true)]
async fn each_size_is_an_flv_stream_of_its_own() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), two(), deaf()).unwrap();
    send(&ingest, 3.0, 0.0).await;
    let mut sizes = Vec::new();
    for path in ["/live/a.flv", "/live/a_h.flv", "/live/a_l.flv"] {
        let response = get(&relay, path).await;
        assert_eq!(response.status(), 200, "{path}");
        let (flv, _) = read_on(&mut response.into_body()).await;
        let pictures = tags(&flv).into_iter().filter(|tag| tag.0 == 9);
        sizes.push(pictures.map(|tag| tag.2.len()).max().unwrap());
    }
    assert_eq!(sizes[0], sizes[1]);
    assert!(sizes[2] * 2 < sizes[0], "{sizes:?}");
}

#[tokio::test(start_paused = true)]
async fn nobody_publishes_under_the_name_of_a_variant() {
    let relay = relay(RelayConfig::default());
    let wide = relay.publish(&id("a"), two(), deaf()).unwrap();
    let refused = |name: &str| relay.publish(&id(name), VIDEO, deaf()).unwrap_err();
    for name in ["a_h", "a_l"] {
        let (id, of) = (id(name), id("a"));
        assert_eq!(refused(name), PublishError::OfVariant { id, of });
    }
    let limits = &relay.inner.metrics.refused;
    assert_eq!(limits.with_label_values(&["variant_names"]).get(), 2);
    let _others = ["a_m", "a_", "b_l"].map(|name| relay.publish(&id(name), VIDEO, deaf()).unwrap());
    let _one_size = relay.publish(&id("c"), VIDEO, deaf()).unwrap();
    relay.publish(&id("c_h"), VIDEO, deaf()).unwrap();
    wide.end();
    let mut status = relay.broadcast(&id("a")).unwrap().status.subscribe();
    status.wait_for(|s| s.phase == Phase::Ended).await.unwrap();
    relay.publish(&id("a_h"), VIDEO, deaf()).unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_stream_of_one_size_answers_to_no_name_of_a_variant() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("c"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(3)).await;
    assert_eq!(get(&relay, "/live/c.flv").await.status(), 200);
    for name in ["c_h", "c_audio"] {
        assert!(!relay.has(&id(name)));
        assert_eq!(relay.stream_of(&id(name)), id(name));
        for suffix in ["flv", "m3u8"] {
            let (status, _) = problem(get(&relay, &format!("/live/{name}.{suffix}")).await).await;
            assert_eq!(status, 404);
        }
    }
    // Nor where one ended a moment ago.
    ingest.end();
    let mut status = relay.broadcast(&id("c")).unwrap().status.subscribe();
    status.wait_for(|s| s.phase == Phase::Ended).await.unwrap();
    assert!(relay.has(&id("c")) && !relay.has(&id("c_h")));
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_had_the_name_of_a_variant_keeps_it() {
    let relay = relay(RelayConfig::default());
    let _other = relay.publish(&id("a_l"), VIDEO, deaf()).unwrap();
    let ingest = relay.publish(&id("a"), two(), deaf()).unwrap();
    send(&ingest, 4.0, 0.0).await;
    let list = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(
        list.contains("a_h.m3u8") && !list.contains("a_l.m3u8"),
        "{list}"
    );
    let playlist = text(get(&relay, "/live/a_h.m3u8").await).await;
    assert!(!playlist.contains("a_l.m3u8"), "{playlist}");
    assert_eq!(relay.stream_of(&id("a_h")), id("a"));
    assert_eq!(relay.stream_of(&id("a_l")), id("a_l"));
    assert_eq!(relay.stream_of(&id("a_m")), id("a_m"));
    assert_eq!(relay.stream_of(&id("b_l")), id("b_l"));
    let (status, detail) = problem(get(&relay, "/live/a_m.m3u8").await).await;
    assert_eq!(
        (status.as_u16(), detail.contains("a_m")),
        (404, true),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_without_a_name_for_its_large_picture_is_played_by_itself() {
    let relay = relay(RelayConfig::default());
    let _other = relay.publish(&id("a_h"), VIDEO, deaf()).unwrap();
    let ingest = relay.publish(&id("a"), two(), deaf()).unwrap();
    send(&ingest, 4.0, 0.0).await;
    for path in ["/live/a.m3u8", "/live/a/ts.m3u8"] {
        let playlist = text(get(&relay, path).await).await;
        assert!(playlist.contains("#EXTINF"), "{playlist}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_size_that_does_not_come_keeps_nobody_waiting() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), two(), deaf()).unwrap();
    send(&ingest, 4.0, f64::MAX).await;
    let asked = Instant::now();
    let list = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(asked.elapsed() < Duration::from_secs(1));
    assert!(
        list.contains("a_h.m3u8") && !list.contains("a_l.m3u8"),
        "{list}"
    );
}
