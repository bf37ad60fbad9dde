//! The publisher's own sound beside its AAC: what ffmpeg makes of it, and over HTTP.

use std::fs;

use tokio::time::sleep;

use super::codecs::{ffmpeg, hashes};
use super::ffprobe::{Folder, hls_folder, opus_folder, picture_folder, play, probe, x264};
use super::*;
use crate::broadcast::Phase;
use crate::broadcast::rig::{Rig, Session};
use crate::broadcast::testing::Tone;
use crate::hls::Lookup;
use crate::{PublishError, TimeShiftConfig, Track};

#[test]
fn ffmpeg_reads_the_sound_as_it_was_sent() {
    let folder = Folder::new("opus");
    let pictures = x264("640x360", 6);
    let rig = play(Tracks::BOTH, &pictures, 40.0);
    let path = opus_folder(&rig, &folder.0);
    let (codecs, times) = probe(&path);
    assert_eq!(codecs, ["opus"]);
    let sound = &times["audio"];
    assert_eq!(sound.len(), 300);
    for pair in sound.windows(2) {
        assert!((pair[1] - pair[0] - 0.02).abs() < 1e-4, "{pair:?}");
    }
    // It is as loud as what went in, all the time: 12,000 of 32,768 is -8.7 dB at most.
    let text = ffmpeg(&[
        "-i",
        path.to_str().unwrap(),
        "-af",
        "astats=metadata=1:reset=1:length=0.1,ametadata=print:key=lavfi.astats.1.Peak_level:file=-",
        "-f",
        "null",
        "-",
    ]);
    let peaks: Vec<f64> = text
        .lines()
        .filter_map(|line| line.strip_prefix("lavfi.astats.1.Peak_level="))
        .map(|peak| peak.parse().unwrap())
        .collect();
    assert!(peaks.len() > 200, "{} in {text}", peaks.len());
    let steady = &peaks[5..peaks.len() - 5];
    assert!(
        steady.iter().all(|peak| (-10.0..-7.0).contains(peak)),
        "{steady:?}"
    );
    // The pictures beside it are those of the segments, at the same times.
    let whole = hls_folder(&rig, &folder.0);
    let alone = picture_folder(&rig, &folder.0);
    let (codecs, times) = probe(&alone);
    assert_eq!(codecs, ["h264"]);
    assert_eq!(times["video"], probe(&whole).1["video"]);
    assert_eq!(hashes(&alone), hashes(&whole));
    // Begun together, the sound of the first picture's time is there.
    assert!(sound[0] <= times["video"][0] + 0.02, "{}", sound[0]);
}

#[test]
fn libopus_plays_over_losses_and_silence_without_a_word() {
    let folder = Folder::new("opus-losses");
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.gop = 60;
    session.send(&mut rig, 12_000.0, |ms, item| {
        let is_sound = matches!(
            item,
            IngestItem::Rtp {
                track: Track::Audio,
                ..
            }
        );
        // Single packets, a second of them, and the microphone off for two.
        let is_lost = (ms as u64).is_multiple_of(700)
            || (3_000.0..4_000.0).contains(&ms)
            || (6_000.0..8_000.0).contains(&ms);
        match is_sound && is_lost {
            true => Vec::new(),
            false => vec![item],
        }
    });
    rig.finish();
    let path = opus_folder(&rig, &folder.0);
    let (_, times) = probe(&path);
    let sound = &times["audio"];
    for pair in sound.windows(2) {
        assert!(pair[1] - pair[0] < 0.0201, "{pair:?}");
    }
    let length = sound[sound.len() - 1] - sound[0] + 0.02;
    assert!((11.7..12.1).contains(&length), "{length}");
    // The decoder of browsers gives as many samples as there is time.
    let pcm = folder.0.join("a.raw");
    let of = path.to_str().unwrap();
    let to = pcm.to_str().unwrap();
    ffmpeg(&["-c:a", "libopus", "-i", of, "-f", "s16le", to]);
    let samples = fs::metadata(&pcm).unwrap().len() / 4;
    let missing = (samples as f64 / 48_000.0 - length).abs();
    assert!(missing < 0.001, "{samples} samples in {length} s");
}

/// Sends pictures and sound on the runtime's clock, until the own sound has as many segments.
async fn send(relay: &Relay, ingest: &Ingest, name: &str, segments: u64) {
    let start = Instant::now();
    let mut publisher = Publisher::new(start.into_std());
    let mut tone = Tone::new(440.0);
    for number in 0..3_000_u32 {
        let ms = f64::from(number) * 20.0;
        sleep_until(start + Duration::from_millis(u64::from(number) * 20)).await;
        let sound = publisher.sound(ms, &tone.frame(&|_| true));
        ingest.try_send(sound).unwrap();
        if number.is_multiple_of(2) {
            for item in publisher.picture(ms, number.is_multiple_of(50), 1_500) {
                ingest.try_send(item).unwrap();
            }
        }
        // The transcoder has a thread of its own, and no clock that stands still.
        let turn = || std::thread::sleep(Duration::from_millis(1));
        tokio::task::spawn_blocking(turn).await.unwrap();
        let broadcast = relay.broadcast(&id(name)).unwrap();
        let report = broadcast.opus().and_then(|opus| opus.report());
        if report.is_some_and(|report| report.msn >= segments) {
            return;
        }
    }
    panic!("{name} has no sound after a minute");
}

#[tokio::test(start_paused = true)]
async fn a_list_of_its_own_has_the_pictures_with_opus() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    send(&relay, &ingest, "a", 3).await;
    let list = get(&relay, "/live/a/opus.m3u8").await;
    assert_eq!(
        header(&list, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    let list = text(list).await;
    let (_, read) = m3u8_rs::parse_master_playlist(list.as_bytes()).unwrap();
    let ([variant], [sound]) = (&read.variants[..], &read.alternatives[..]) else {
        panic!("{list}");
    };
    assert_eq!(variant.uri, "../a/video.m3u8");
    assert_eq!(variant.audio.as_deref(), Some(sound.group_id.as_str()));
    assert_eq!(sound.uri.as_deref(), Some("../a_opus.m3u8"));
    let codecs = variant.codecs.as_deref().unwrap();
    assert!(
        codecs.starts_with("avc1.") && codecs.ends_with(",opus"),
        "{list}"
    );
    for (path, below, report) in [
        ("/live/a/video.m3u8", "/live/a/", "../a_opus.m3u8"),
        ("/live/a_opus.m3u8", "/live/", "a/video.m3u8"),
    ] {
        let playlist = text(get(&relay, path).await).await;
        m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).unwrap();
        assert!(playlist.contains("#EXT-X-PART-INF"), "{playlist}");
        let reports = format!("#EXT-X-RENDITION-REPORT:URI=\"{report}\"");
        assert!(playlist.contains(&reports), "{playlist}");
        let uris = playlist.lines().filter_map(|line| {
            let (_, uri) = line.split_once("URI=\"").unwrap_or(("", line));
            let uri = uri.split('"').next()?;
            (uri.ends_with(".m4s") || uri.ends_with(".mp4")).then_some(uri)
        });
        let hint = playlist.lines().find(|l| l.contains("PRELOAD-HINT"));
        for uri in uris.filter(|uri| !hint.unwrap().contains(uri)) {
            let file = get(&relay, &format!("{below}{uri}")).await;
            assert_eq!(file.status(), 200, "{uri}");
            assert_eq!(
                header(&file, "cache-control"),
                "public, max-age=3600, immutable"
            );
            let data = bytes(file).await;
            let has = |kind: &[u8]| data.windows(kind.len()).any(|window| window == kind);
            if uri.ends_with(".mp4") {
                let is_sound = path.contains("_opus");
                assert_eq!((has(b"Opus"), has(b"avc1")), (is_sound, !is_sound));
                assert!(!has(b"mp4a"));
            }
        }
    }
    // All who ask for pictures alone have the same bytes.
    let broadcast = relay.broadcast(&id("a")).unwrap();
    let store = &broadcast.variant(None).store;
    let cut = |name: &str| match store.file(name) {
        Lookup::Found(file) => file.data,
        other => panic!("{name}: {other:?}"),
    };
    let playlist = text(get(&relay, "/live/a/video.m3u8").await).await;
    let (segment, _) = playlist.rsplit_once(".m4s\n").unwrap();
    let (_, segment) = segment.rsplit_once('\n').unwrap();
    for name in [format!("{segment}.m4s"), format!("{segment}.0.m4s")] {
        assert_eq!(cut(&name).as_ptr(), cut(&name).as_ptr(), "{name}");
    }
    // Once a segment has ended its parts are read out of it: there is one copy.
    let whole = cut(&format!("{segment}.m4s"));
    let mut at = 0;
    for number in 0.. {
        let Lookup::Found(part) = store.file(&format!("{segment}.{number}.m4s")) else {
            break;
        };
        assert_eq!(part.data.as_ptr(), whole[at..].as_ptr(), "part {number}");
        at += part.data.len();
    }
    assert_eq!(at, whole.len());
    let sound = broadcast.opus().unwrap();
    let playlist = text(get(&relay, "/live/a_opus.m3u8").await).await;
    let (name, _) = playlist.rsplit_once(".m4s\n").unwrap();
    let (_, name) = name.rsplit_once('/').unwrap();
    assert!(matches!(
        sound.file(&format!("{name}.m4s")),
        Lookup::Found(_)
    ));
    let (stamp, number) = name.rsplit_once('-').unwrap();
    let pictures = sound.file(&format!("{stamp}v-{number}.m4s"));
    assert!(matches!(pictures, Lookup::Unknown), "{pictures:?}");
    // Nothing of it is in what players read who do not ask for it.
    let playlist = text(get(&relay, "/live/a.m3u8").await).await;
    assert!(
        !playlist.contains("opus") && playlist.contains("#EXTINF"),
        "{playlist}"
    );
    for (path, word) in [
        ("/live/a_opus.flv", "Opus"),
        ("/live/a_opus/video.m3u8", "sound alone"),
        ("/live/a_opus/ts.m3u8", "fMP4 alone"),
    ] {
        let (status, detail) = problem(get(&relay, path).await).await;
        assert_eq!(status, 409, "{path}");
        assert!(detail.contains(word), "{detail}");
    }
    // It ends before the broadcast where AAC does, which it goes by.
    sound.end();
    for path in ["/live/a/opus.m3u8", "/live/a_opus/stream.mp4"] {
        let (status, detail) = problem(get(&relay, path).await).await;
        assert_eq!(status, 409, "{path}");
        assert!(detail.contains("cannot be transcoded any more"), "{detail}");
    }
}

#[tokio::test(start_paused = true)]
async fn players_go_back_in_the_own_sound_and_pictures_alone_stay_live() {
    let relay = relay(RelayConfig {
        time_shift: Some(TimeShiftConfig {
            window: Duration::from_secs(60),
            memory_bytes: 16 << 20,
            folder: None,
            max_bytes: 0,
        }),
        ..RelayConfig::default()
    });
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    send(&relay, &ingest, "a", 25).await;
    let window = text(get(&relay, "/live/a_opus/dvr.m3u8").await).await;
    assert!(!window.contains("EXT-X-PART"), "{window}");
    let window = m3u8_rs::parse_media_playlist_res(window.as_bytes()).unwrap();
    assert_eq!(window.media_sequence, 0);
    assert!(window.segments.len() >= 24, "{}", window.segments.len());
    let live = text(get(&relay, "/live/a_opus.m3u8").await).await;
    let live = m3u8_rs::parse_media_playlist_res(live.as_bytes()).unwrap();
    assert!(live.media_sequence > 10);
    for uri in [
        &window.segments[0].uri,
        &window.segments[0].map.as_ref().unwrap().uri,
    ] {
        let file = get(&relay, &format!("/live/a_opus/{uri}")).await;
        assert_eq!(file.status(), 200, "{uri}");
    }
    // The window of pictures has their AAC.
    let window = text(get(&relay, "/live/a/dvr.m3u8").await).await;
    assert!(!window.contains("opus"), "{window}");
    let window = m3u8_rs::parse_media_playlist_res(window.as_bytes()).unwrap();
    let oldest = &window.segments[0].uri;
    let whole = get(&relay, &format!("/live/a/{oldest}")).await;
    assert_eq!(whole.status(), 200);
    let pictures = oldest.replace("-0.m4s", "v-0.m4s");
    assert_ne!(pictures, *oldest);
    let gone = get(&relay, &format!("/live/a/{pictures}")).await;
    assert_eq!(problem(gone).await.0, 404);
}

#[tokio::test(start_paused = true)]
async fn the_name_of_the_own_sound_is_taken_while_the_stream_is_live() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let refused = relay.publish(&id("a_opus"), VIDEO, deaf()).unwrap_err();
    let (sound, of) = (id("a_opus"), id("a"));
    assert_eq!(refused, PublishError::OfVariant { id: sound, of });
    assert_eq!(relay.stream_of(&id("a_opus")), id("a"));
    // Without sound there is no such name.
    let _silent = relay.publish(&id("b"), VIDEO, deaf()).unwrap();
    let _other = relay.publish(&id("b_opus"), VIDEO, deaf()).unwrap();
    assert_eq!(relay.stream_of(&id("c_opus")), id("c_opus"));
    let (status, detail) = problem(get(&relay, "/live/b/opus.m3u8").await).await;
    assert_eq!(
        (status.as_u16(), detail.contains("/live/b.m3u8")),
        (409, true),
        "{detail}"
    );
    ingest.end();
    let mut status = relay.broadcast(&id("a")).unwrap().status.subscribe();
    status.wait_for(|s| s.phase == Phase::Ended).await.unwrap();
    relay.publish(&id("a_opus"), VIDEO, deaf()).unwrap();
    // Who had it before keeps it.
    let _first = relay.publish(&id("d_opus"), VIDEO, deaf()).unwrap();
    let _later = relay.publish(&id("d"), Tracks::BOTH, deaf()).unwrap();
    let (status, _) = problem(get(&relay, "/live/d/opus.m3u8").await).await;
    assert_eq!(status, 409);
    sleep(Duration::from_millis(1)).await;
}
