//! Time shift over HTTP: `/live/{id}/dvr.m3u8` and segments that come from files.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use tokio::time::sleep;

use super::*;
use crate::{FileWatch, Pictures, Publication, TimeShiftConfig};

/// A minute of time shift, of which a few segments of [`Camera`] fit into memory.
fn config(folder: &Path) -> RelayConfig {
    RelayConfig {
        time_shift: Some(TimeShiftConfig {
            window: Duration::from_secs(60),
            memory_bytes: 1 << 20,
            folder: Some(folder.to_owned()),
            max_bytes: 1 << 30,
        }),
        ..RelayConfig::default()
    }
}

/// In real time, for what threads do.
const A_MINUTE: Duration = Duration::from_secs(60);

/// How many segments lie in a folder of time shift.
fn files(folder: &TempDir) -> usize {
    let windows = fs::read_dir(folder.path()).unwrap();
    let windows = windows.map(|window| window.unwrap().path());
    let windows = windows.filter(|window| window.is_dir());
    windows.map(|w| fs::read_dir(w).unwrap().count()).sum()
}

async fn media_playlist(relay: &Relay, path: &str) -> m3u8_rs::MediaPlaylist {
    let response = get(relay, path).await;
    assert_eq!(response.status(), 200, "{path}");
    let text = text(response).await;
    m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn without_the_setting_there_is_no_such_address() {
    let relay = relay(RelayConfig::default());
    let path = "/live/a/dvr.m3u8";
    assert_eq!(problem(get(&relay, path).await).await.0, 404);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(3)).await;
    let (status, detail) = problem(get(&relay, path).await).await;
    assert_eq!(status, 404);
    assert!(
        detail.contains("relay.time_shift") && detail.contains("/live/a.m3u8"),
        "{detail}"
    );
}

#[tokio::test(start_paused = true)]
async fn players_go_back_to_segments_that_have_left_the_live_playlist() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(config(folder.path()));
    let path = "/live/a/dvr.m3u8";
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let early = get(&relay, path).await;
    assert_eq!(header(&early, "retry-after"), "1");
    assert_eq!(problem(early).await.0, 503);

    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_secs(14)).await;
    let live = media_playlist(&relay, "/live/a.m3u8").await;
    let oldest = format!("/live/{}", live.segments[0].uri);
    let kept = bytes(get(&relay, &oldest).await).await;
    camera.send(&ingest, Duration::from_secs(54)).await;
    let live = media_playlist(&relay, "/live/a.m3u8").await;
    assert!(live.media_sequence > 15);

    let response = get(&relay, path).await;
    assert_eq!(
        header(&response, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=0, s-maxage=1"
    );
    let etag = header(&response, "etag").to_owned();
    let same = [("if-none-match", &*etag)];
    let unchanged = request(&relay, Method::GET, path, &same).await;
    assert_eq!(unchanged.status(), 304);
    let whole = text(response).await;
    assert!(!whole.contains("EXT-X-PART"), "{whole}");
    let read = m3u8_rs::parse_media_playlist_res(whole.as_bytes()).unwrap();
    assert_eq!((read.media_sequence, read.discontinuity_sequence), (0, 0));
    assert!(read.segments.len() >= 26, "{}", read.segments.len());
    assert_eq!(read.start.unwrap().time_offset, -6.0);
    // The same files as those of the live playlist.
    let skipped = live.media_sequence as usize;
    for (wide, near) in read.segments[skipped..].iter().zip(&live.segments) {
        assert_eq!(format!("a/{}", wide.uri), near.uri);
        assert_eq!(wide.duration, near.duration);
        assert_eq!(wide.program_date_time, near.program_date_time);
    }
    let first = format!("/live/a/{}", read.segments[0].uri);
    assert_eq!(first, oldest);
    assert!(files(&folder) > 5);
    let response = get(&relay, &first).await;
    assert_eq!(header(&response, "content-type"), "video/mp4");
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=3600, immutable"
    );
    let etag = header(&response, "etag").to_owned();
    assert_eq!(bytes(response).await, kept);
    let same = [("if-none-match", &*etag)];
    let unchanged = request(&relay, Method::GET, &first, &same).await;
    assert_eq!(unchanged.status(), 304);
    let part = request(&relay, Method::GET, &first, &[("range", "bytes=8-11")]).await;
    assert_eq!(part.status(), 206);
    assert_eq!(bytes(part).await, kept.slice(8..12));
    let head = request(&relay, Method::HEAD, &first, &[]).await;
    assert_eq!(header(&head, "content-length"), kept.len().to_string());

    let delta = text(get(&relay, &format!("{path}?_HLS_skip=YES")).await).await;
    let skips = format!("#EXT-X-SKIP:SKIPPED-SEGMENTS={}\n", read.segments.len() - 6);
    assert!(delta.contains(&skips), "{delta}");
    let tail = delta.rsplit_once("#EXT-X-MAP").unwrap().1;
    assert!(whole.ends_with(tail.split_once('\n').unwrap().1), "{delta}");

    // The next segment is waited for.
    let next = read.media_sequence + read.segments.len() as u64;
    let asked = format!("{path}?_HLS_msn={next}&_HLS_part=1");
    let (answer, ()) = tokio::join!(
        get(&relay, &asked),
        camera.send(&ingest, Duration::from_secs(57))
    );
    let answer = text(answer).await;
    assert!(answer.contains(&format!("-{next}.m4s\n")), "{answer}");
    let far = format!("{path}?_HLS_msn={}", next + 9);
    assert_eq!(problem(get(&relay, &far).await).await.0, 400);
    let wrong = format!("{path}?_HLS_skip=NO");
    assert_eq!(problem(get(&relay, &wrong).await).await.0, 400);

    // It slides, and what nobody is shown any more goes a minute later.
    camera.send(&ingest, Duration::from_secs(180)).await;
    let read = media_playlist(&relay, path).await;
    let shown: f32 = read.segments.iter().map(|s| s.duration).sum();
    assert!((60.0..62.1).contains(&shown), "{shown}");
    assert!(read.media_sequence > 50);
    assert_eq!(problem(get(&relay, &first).await).await.0, 404);

    // It stays for a while, as what is over; then nothing of it is left.
    ingest.end();
    sleep(Duration::from_secs(1)).await;
    let ended = text(get(&relay, path).await).await;
    assert!(ended.ends_with("#EXT-X-ENDLIST\n") && !ended.contains("EXT-X-START"));
    let ended = m3u8_rs::parse_media_playlist_res(ended.as_bytes()).unwrap();
    for segment in [&ended.segments[0], ended.segments.last().unwrap()] {
        let segment = get(&relay, &format!("/live/a/{}", segment.uri)).await;
        assert_eq!(segment.status(), 200);
    }
    assert!(files(&folder) > 0);
    sleep(Duration::from_secs(61)).await;
    assert_eq!(problem(get(&relay, path).await).await.0, 404);
    let begun = std::time::Instant::now();
    while files(&folder) > 0 {
        assert!(begun.elapsed() < A_MINUTE, "files are left");
        sleep(Duration::from_millis(10)).await;
    }
}

/// Where a segment of the only window lies.
fn segment_file(folder: &TempDir, msn: u64) -> std::path::PathBuf {
    let windows = fs::read_dir(folder.path()).unwrap();
    let mut windows = windows.map(|window| window.unwrap().path());
    let window = windows.find(|window| window.is_dir());
    window.unwrap_or_default().join(format!("{msn}.m4s"))
}

/// A broadcast whose first segment is in a file, and the address of that.
async fn first_in_a_file(relay: &Relay, folder: &TempDir) -> (crate::Ingest, String) {
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(50)).await;
    let read = media_playlist(relay, "/live/a/dvr.m3u8").await;
    let begun = std::time::Instant::now();
    // The next one is written when this one is whole.
    while !segment_file(folder, 1).exists() {
        assert!(begun.elapsed() < A_MINUTE, "it is not written");
        sleep(Duration::from_millis(1)).await;
    }
    (ingest, format!("/live/a/{}", read.segments[0].uri))
}

#[tokio::test(start_paused = true)]
async fn what_sends_no_bytes_reads_none() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(config(folder.path()));
    let (_ingest, first) = first_in_a_file(&relay, &folder).await;
    let whole = get(&relay, &first).await;
    let etag = header(&whole, "etag").to_owned();
    let length = bytes(whole).await.len();
    fs::remove_file(segment_file(&folder, 0)).unwrap();
    let head = request(&relay, Method::HEAD, &first, &[]).await;
    assert_eq!(head.status(), 200);
    assert_eq!(header(&head, "content-length"), length.to_string());
    let same = [("if-none-match", &*etag)];
    let unchanged = request(&relay, Method::GET, &first, &same).await;
    assert_eq!(unchanged.status(), 304);
    let outside = [("range", "bytes=99999999-")];
    let outside = request(&relay, Method::GET, &first, &outside).await;
    assert_eq!(outside.status(), 416);
    assert_eq!(problem(get(&relay, &first).await).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_keeps_nobody_else_out() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(config(folder.path()));
    let (_ingest, first) = first_in_a_file(&relay, &folder).await;
    let kept = bytes(get(&relay, &first).await).await;
    assert!(kept.len() > 64 << 10, "more than a piece: {}", kept.len());
    let mut idle = Vec::new();
    for _ in 0..1_024 {
        let response = get(&relay, &first).await;
        assert_eq!(response.status(), 200);
        let watch = response.extensions().get::<FileWatch>().cloned();
        let mut body = response.into_body();
        // Its connection asks for a piece, and then for no more.
        let piece = body.frame().await.unwrap().unwrap().into_data().unwrap();
        assert_eq!(piece.len(), 64 << 10);
        idle.push((body, watch.expect("somebody looks after it").0));
    }
    sleep(Duration::from_secs(3)).await;
    for _ in 0..50 {
        assert_eq!(bytes(get(&relay, &first).await).await, kept);
    }
    // One makes place for one after the other.
    let ended = idle.extract_if(.., |(_, watch)| watch.is_revoked());
    let mut ended: Vec<_> = ended.collect();
    assert_eq!(ended.len(), 1);
    let body = &mut ended[0].0;
    let cut = body.frame().await.unwrap().unwrap_err();
    assert!(cut.to_string().contains("taken"), "{cut}");
    assert!(body.frame().await.is_none());
    // Who carries the others is told that they take nothing.
    for (_, watch) in &idle {
        let over = timeout(Duration::from_secs(11), watch.over(|| None));
        assert_eq!(over.await.unwrap(), crate::ViewerOver::Stalled);
    }
}

#[tokio::test(start_paused = true)]
async fn another_publisher_is_a_discontinuity_with_a_section_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(config(folder.path()));
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(20)).await;
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.publisher.sps = crate::broadcast::testing::SPS_320X180;
    camera.send(&ingest, Duration::from_secs(30)).await;
    let read = media_playlist(&relay, "/live/a/dvr.m3u8").await;
    let new = read.segments.iter().filter(|segment| segment.discontinuity);
    assert_eq!(new.count(), 1);
    assert_eq!(read.discontinuity_sequence, 0);
    let sections: Vec<_> = read
        .segments
        .iter()
        .filter_map(|s| s.map.as_ref())
        .collect();
    assert!(sections.len() >= 2);
    for section in sections {
        let section = get(&relay, &format!("/live/a/{}", section.uri)).await;
        assert_eq!(section.status(), 200);
    }
    camera.send(&ingest, Duration::from_secs(90)).await;
    let read = media_playlist(&relay, "/live/a/dvr.m3u8").await;
    assert_eq!(read.discontinuity_sequence, 1);
}

#[tokio::test(start_paused = true)]
async fn each_size_has_a_window_and_the_list_names_them() {
    let folder = tempfile::tempdir().unwrap();
    let relay = relay(config(folder.path()));
    let publication = Publication {
        tracks: VIDEO,
        pictures: Pictures::of_layers(2),
    };
    let ingest = relay.publish(&id("b"), publication, deaf()).unwrap();
    super::variants::send(&ingest, 40.0, 0.0).await;
    let list = text(get(&relay, "/live/b/dvr.m3u8").await).await;
    let (_, read) = m3u8_rs::parse_master_playlist(list.as_bytes()).unwrap();
    let uris: Vec<_> = read.variants.iter().map(|v| v.uri.as_str()).collect();
    assert_eq!(uris, ["../b_h/dvr.m3u8", "../b_l/dvr.m3u8"]);
    for name in ["b_h", "b_l"] {
        let read = media_playlist(&relay, &format!("/live/{name}/dvr.m3u8")).await;
        assert_eq!(read.media_sequence, 0);
        assert!(read.segments.len() > 15);
        let first = format!("/live/{name}/{}", read.segments[0].uri);
        assert_eq!(get(&relay, &first).await.status(), 200);
    }
}

#[tokio::test]
async fn a_folder_has_one_relay_and_what_another_left_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let first = relay(config(folder.path()));
    let second = Relay::new(config(folder.path()), &Registry::new());
    let told = second.unwrap_err().to_string();
    assert!(
        told.contains("another running server") && told.contains("relay.time_shift_folder"),
        "{told}"
    );
    drop(first);
    let left = folder.path().join("5f.window");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("17.m4s"), "left").unwrap();
    // The writer of the first gives the folder back a moment later.
    let begun = std::time::Instant::now();
    let second = loop {
        match Relay::new(config(folder.path()), &Registry::new()) {
            Ok(relay) => break relay,
            Err(error) => {
                let told = error.to_string();
                assert!(told.contains("another running server"), "{told}");
                assert!(begun.elapsed() < A_MINUTE, "{told}");
                tokio::task::yield_now().await;
            }
        }
    };
    while left.exists() {
        assert!(begun.elapsed() < A_MINUTE, "it is not removed");
        tokio::task::yield_now().await;
    }
    drop(second);
}
