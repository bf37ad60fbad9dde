//! The core on virtual time.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use packager::rtp::{Codec, Tracks};
use packager::time::MediaTime;

use super::rig::{Rig, Session, is_audio, wall0};
use super::testing::{AacPlayer, Publisher, SPS_320X180, SPS_640X360, Tone};
use crate::flv::TagKind;
use crate::ingest::{IngestItem, Track};

const AUDIO: Tracks = Tracks {
    video: false,
    audio: true,
};
const VIDEO: Tracks = Tracks {
    video: true,
    audio: false,
};

fn keep(_: f64, item: IngestItem) -> Vec<IngestItem> {
    vec![item]
}

fn is_video(item: &IngestItem) -> bool {
    matches!(
        item,
        IngestItem::Rtp {
            track: Track::LARGE,
            ..
        }
    )
}

#[test]
fn both_tracks_become_flv_tags_and_segments() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 20_000.0, keep);
    rig.check();
    assert_eq!(rig.accepted, 1);
    let video = rig.video_times();
    assert!(video[0] <= 20, "starts near zero: {}", video[0]);
    assert!(video.len() >= 590, "{} pictures", video.len());
    let audio = rig.audio_times();
    assert!(audio.len() >= 920, "{} AAC frames", audio.len());
    assert!(audio.windows(2).all(|w| w[1] - w[0] <= 22), "no hole");
    // Key frames are asked for every 2 s of media, and answered with the next picture.
    assert_eq!(rig.asked.len(), 9);
    assert_eq!(rig.init_versions(), [0]);
    assert_eq!(rig.discontinuities(), 0);
    assert!((8..=9).contains(&rig.segments.len()));
    for (segment, _) in &rig.segments {
        assert!(segment.is_independent);
        let off = segment.duration.abs_diff(Duration::from_millis(2_033));
        assert!(off < Duration::from_millis(100), "{:?}", segment.duration);
    }
    // Dates go with media time, and arrival is the earliest that they can be.
    for (segment, wall) in &rig.segments {
        let date = wall.duration_since(wall0()).unwrap();
        let off = date.abs_diff(segment.start.as_duration());
        assert!(off < Duration::from_millis(60), "{off:?}");
    }
}

#[test]
fn tags_of_both_tracks_are_ordered_by_time() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 10_000.0, keep);
    let times: Vec<_> = rig.tags.iter().map(|(_, tag)| tag.time).collect();
    let backward = times.windows(2).filter(|w| w[1] < w[0]).count();
    assert_eq!(backward, 0);
    // And that costs at most the interleaver's wait, after the reports were waited for.
    for (at, tag) in rig
        .tags
        .iter()
        .filter(|(_, tag)| tag.time.as_millis() > 1_000)
    {
        let late = (*at - rig.start).saturating_sub(tag.time.as_duration());
        assert!(
            late < Duration::from_millis(160),
            "{late:?} at {}",
            tag.time
        );
    }
}

#[test]
fn after_loss_nothing_comes_before_the_next_key_frame() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    let mut lost = false;
    session.send(&mut rig, 6_000.0, |ms, item| {
        // One packet in the middle of one picture.
        let drop = !lost && is_video(&item) && (3_000.0..3_040.0).contains(&ms);
        lost |= drop;
        if drop { vec![] } else { vec![item] }
    });
    rig.check();
    let video: Vec<_> = rig.tags.iter().filter(|(_, tag)| !is_audio(tag)).collect();
    let hole = video
        .windows(2)
        .find(|w| w[1].1.time.since(w[0].1.time) > Duration::from_millis(50))
        .expect("the lost picture leaves a hole");
    assert!(matches!(hole[1].1.kind, TagKind::Keyframe(_)));
    // The retransmission is waited for, then the key frame is asked for at once.
    let length = hole[1].1.time.since(hole[0].1.time);
    assert!(length < Duration::from_millis(400), "{length:?}");
    let audio = rig.audio_times();
    assert!(
        audio.windows(2).all(|w| w[1] - w[0] <= 22),
        "sound has no hole"
    );
    assert_eq!(rig.metrics.dropped("packet_lost"), 1);
}

#[test]
fn packets_out_of_order_lose_nothing() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    let mut held: Option<IngestItem> = None;
    let mut count = 0;
    session.send(&mut rig, 10_000.0, |_, item| {
        count += 1;
        if held.is_none() && count % 5 == 0 {
            held = Some(item);
            return vec![];
        }
        // The one behind overtakes, and comes twice.
        match held.take() {
            Some(late) => vec![item.clone(), late, item],
            None => vec![item],
        }
    });
    rig.check();
    assert!(rig.video_times().len() >= 295);
    assert_eq!(rig.metrics.dropped("packet_lost"), 0);
    assert!(rig.metrics.dropped("packet_duplicate") + rig.metrics.dropped("packet_late") > 100);
}

#[test]
fn a_republish_goes_on_in_media_time() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 5_000.0, keep);
    rig.run_to(rig.now + Duration::from_millis(1_000));
    let end = *rig.video_times().last().unwrap();
    rig.core.handle_republish(rig.now, Tracks::BOTH.into());
    rig.drain();
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.publisher.video_base = 77;
    session.publisher.audio_base = 4_000_000_000;
    session.send(&mut rig, 5_000.0, keep);
    rig.check();
    let video = rig.video_times();
    let next = video.iter().copied().find(|t| *t > end).unwrap();
    assert!((500..1_500).contains(&(next - end)), "{end} then {next}");
    assert!(video.last().unwrap() - next > 4_500);
    // Equal parameter sets: nothing but that another encoder goes on.
    assert_eq!(rig.discontinuities(), 1);
    assert_eq!(rig.init_versions(), [0]);
    let audio = rig.audio_times();
    assert!(
        audio.windows(2).all(|w| w[1] - w[0] <= 22),
        "sound has no hole"
    );
}

#[test]
fn a_publisher_without_sound_between_two_with_it_is_silence() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 5_000.0, keep);
    for (tracks, ms) in [(VIDEO, 15_000.0), (Tracks::BOTH, 5_000.0)] {
        rig.core.handle_republish(rig.now, tracks.into());
        rig.drain();
        assert!(rig.core.audio_config().is_some());
        Session::new(&rig, tracks).send(&mut rig, ms, keep);
    }
    rig.check();
    let audio = rig.audio_times();
    assert!(audio.windows(2).all(|w| w[1] - w[0] <= 22), "no hole");
    let mut newest_picture = MediaTime::ZERO;
    for (_, tag) in &rig.tags {
        if is_audio(tag) {
            let off = tag.time.ticks_since(newest_picture).unsigned_abs();
            let off = MediaTime::from_ticks(off).as_millis();
            assert!(off < 300, "{off} ms from the picture at {}", tag.time);
        } else {
            newest_picture = tag.time;
        }
    }
    assert_eq!(rig.init_versions(), [0]);
    // One with each publisher.
    assert_eq!(rig.discontinuities(), 2);
}

#[test]
fn a_change_of_resolution_is_one_discontinuity() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.gop = 60;
    session.send(&mut rig, 5_990.0, keep);
    session.publisher.sps = SPS_320X180;
    session.send(&mut rig, 14_000.0, keep);
    rig.check();
    assert_eq!(rig.discontinuities(), 1);
    assert_eq!(rig.init_versions(), [0, 1]);
    let configs: Vec<u16> = rig
        .tags
        .iter()
        .filter_map(|(_, tag)| match &tag.kind {
            TagKind::Keyframe(config) => Some(config.width()),
            _ => None,
        })
        .collect();
    assert_eq!(configs[..3], [640, 640, 640]);
    assert!(configs[3..].iter().all(|width| *width == 320));
}

#[test]
fn repeated_equal_parameter_sets_change_nothing() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.gop = 15;
    assert_eq!(session.publisher.sps, SPS_640X360);
    session.send(&mut rig, 12_000.0, keep);
    rig.check();
    assert_eq!(rig.metrics.gops.get(), 24);
    assert_eq!(rig.init_versions(), [0]);
    assert_eq!(rig.discontinuities(), 0);
    assert!(rig.asked.is_empty());
}

#[test]
fn sound_alone_becomes_tags_and_segments() {
    let mut rig = Rig::new(AUDIO);
    let mut session = Session::new(&rig, AUDIO);
    session.send(&mut rig, 10_000.0, keep);
    rig.check();
    assert!(rig.video_times().is_empty());
    assert!(rig.audio_times()[0] < 25);
    assert!(rig.audio_times().len() > 450);
    assert!((4..=5).contains(&rig.segments.len()));
    assert!(rig.asked.is_empty());
}

#[test]
fn pictures_alone_become_tags_and_segments() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.send(&mut rig, 10_000.0, keep);
    rig.check();
    assert!(rig.audio_times().is_empty());
    assert_eq!(rig.video_times().len(), 300);
    assert!((3..=4).contains(&rig.segments.len()));
    // Nothing is waited for.
    let (at, tag) = rig.tags.last().unwrap();
    assert!(*at - rig.start - tag.time.as_duration() < Duration::from_millis(5));
}

#[test]
fn a_pause_is_taken_out_of_media_time_and_dates_follow_the_clock() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 6_000.0, keep);
    let before = *rig.video_times().last().unwrap();
    // The same RTP streams go on 60 s later, their clocks gone on too.
    session.picture += 1_800;
    session.packet += 3_000;
    session.send(&mut rig, 76_000.0, keep);
    rig.check();
    let after = rig.video_times().into_iter().find(|t| *t > before).unwrap();
    assert!(after - before < 3_500, "{before} then {after}");
    let end = *rig.video_times().last().unwrap();
    assert!(end < 21_000, "{end}");
    let (segment, wall) = rig.segments.last().unwrap();
    let date = wall.duration_since(wall0()).unwrap();
    let behind = date.saturating_sub(segment.start.as_duration());
    assert!(behind > Duration::from_secs(50), "{behind:?}");
    assert!(
        rig.segments
            .iter()
            .any(|(s, _)| s.is_independent && s.start.as_millis() > before)
    );
}

#[test]
fn a_muted_microphone_is_silence_in_time_with_the_picture() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 10_000.0, |ms, item| {
        let is_muted = (3_000.0..7_000.0).contains(&ms) && !is_video(&item);
        if is_muted { vec![] } else { vec![item] }
    });
    rig.check();
    let audio = rig.audio_times();
    assert!(audio.windows(2).all(|w| w[1] - w[0] <= 22), "no hole");
    // Sound that stops coming is made up at most 300 ms behind the picture.
    for (at, tag) in rig.tags.iter().filter(|(_, tag)| is_audio(tag)) {
        if (3_500..6_900).contains(&tag.time.as_millis()) {
            let late = (*at - rig.start).saturating_sub(tag.time.as_duration());
            assert!(
                late < Duration::from_millis(300),
                "{late:?} at {}",
                tag.time
            );
        }
    }
    let last_sound = *audio.last().unwrap();
    let last_picture = *rig.video_times().last().unwrap();
    assert!(last_sound.abs_diff(last_picture) < 150);
}

#[test]
fn an_announced_microphone_that_never_sends_is_silence() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, VIDEO);
    session.send(&mut rig, 6_000.0, keep);
    rig.check();
    let audio = rig.audio_times();
    assert!(audio.len() > 240, "{}", audio.len());
    assert!(audio[0] < 50);
    assert_eq!(rig.inits.len(), 1);
    assert_eq!(rig.discontinuities(), 0);
}

#[test]
fn an_announced_camera_that_never_sends_leaves_the_sound() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, AUDIO);
    session.send(&mut rig, 12_000.0, keep);
    rig.check();
    let first = rig.audio_times()[0];
    assert!((2_900..3_200).contains(&first), "{first}");
    assert!(rig.segments.len() >= 3);
    for (segment, wall) in &rig.segments {
        let date = wall.duration_since(wall0()).unwrap();
        let off = date.abs_diff(segment.start.as_duration());
        assert!(off < Duration::from_millis(100), "{off:?}");
    }
}

#[test]
fn a_publisher_that_sends_no_key_frames_is_asked_twice_a_second() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.answers = false;
    session.send(&mut rig, 8_000.0, keep);
    rig.check();
    // From 2 s on.
    assert!((12..=13).contains(&rig.asked.len()), "{}", rig.asked.len());
    // The playlist's promise holds all the same.
    assert!(rig.segments.len() >= 2);
}

#[test]
fn nobody_is_asked_for_a_key_frame_after_the_pictures_stopped() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.answers = false;
    // The camera goes off while a key frame is wanted.
    session.send(&mut rig, 9_000.0, |ms, item| {
        let is_off = ms >= 3_000.0 && is_video(&item);
        if is_off { vec![] } else { vec![item] }
    });
    let last = *rig.asked.last().unwrap() - rig.start;
    assert!(last >= Duration::from_secs(3), "{last:?}");
    assert!(last <= Duration::from_secs(4), "{last:?}");
}

#[test]
fn a_wish_for_a_key_frame_ends_with_its_publisher() {
    for is_taken_over in [true, false] {
        let mut rig = Rig::new(VIDEO);
        let mut session = Session::new(&rig, VIDEO);
        session.answers = false;
        session.send(&mut rig, 3_000.0, keep);
        let asked = rig.asked.len();
        assert!(asked > 0);
        if is_taken_over {
            rig.core.handle_republish(rig.now, VIDEO.into());
        } else {
            rig.core.handle_publisher_gone();
        }
        rig.run_to(rig.now + Duration::from_millis(900));
        assert_eq!(rig.asked.len(), asked);
    }
}

#[test]
fn irregular_clocks_are_counted() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 6_000.0, keep);
    session.picture += 1_800;
    session.packet += 3_000;
    session.send(&mut rig, 70_000.0, keep);
    assert_eq!(rig.metrics.events("pause"), 1);
}

#[test]
fn short_segments_start_with_key_frames_as_well() {
    let mut rig = Rig::with_target(Tracks::BOTH, Duration::from_secs(1));
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 10_000.0, keep);
    rig.check();
    assert!((8..=9).contains(&rig.asked.len()), "{}", rig.asked.len());
    assert!(rig.segments.len() >= 8);
    assert!(rig.segments.iter().all(|(s, _)| s.is_independent));
}

#[test]
fn a_join_in_the_middle_of_a_group_asks_for_a_key_frame() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.picture = 1;
    session.send(&mut rig, 2_000.0, keep);
    rig.check();
    let asked = rig.asked[0] - rig.start;
    assert!(asked <= Duration::from_millis(200), "{asked:?}");
    assert!(rig.video_times().len() > 45);
}

#[test]
fn another_video_codec_is_refused_by_name_and_h264_is_taken_back() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 2_000.0, |_, item| {
        vec![match item {
            IngestItem::Rtp {
                track: Track::LARGE,
                packet,
                ..
            } => IngestItem::Rtp {
                track: Track::LARGE,
                codec: Codec::Vp8,
                packet,
            },
            other => other,
        }]
    });
    assert_eq!(rig.refused, Some(Codec::Vp8));
    assert!(rig.tags.is_empty());
    assert!(rig.metrics.dropped("codec_not_carried") > 100);
    rig.core.handle_republish(rig.now, Tracks::BOTH.into());
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 3_000.0, keep);
    rig.check();
    assert_eq!(rig.accepted, 1);
    assert!(rig.video_times().len() > 80);
}

#[test]
fn a_publisher_that_alternates_codecs_is_judged_once_a_key_frame() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.gop = 30;
    let mut count = 0;
    session.send(&mut rig, 6_000.0, |_, item| {
        let mut other = item.clone();
        if let IngestItem::Rtp { codec, .. } = &mut other {
            *codec = Codec::Vp8;
        }
        count += 1;
        vec![item, other]
    });
    assert!(count > 300);
    // Six key frames that the publisher sends, and those that it is asked for.
    let key_frames = rig.metrics.gops.get() as usize;
    assert!(rig.accepted <= key_frames + 1, "{} times", rig.accepted);
    assert!((1..=key_frames + 1).contains(&rig.refusals));
    assert!(key_frames <= 20, "{key_frames}");
}

#[test]
fn h264_after_another_codec_is_taken_from_its_key_frame_on() {
    let mut rig = Rig::new(VIDEO);
    let mut session = Session::new(&rig, VIDEO);
    session.gop = 60;
    session.send(&mut rig, 5_000.0, |ms, item| {
        let mut item = item;
        if let IngestItem::Rtp { codec, .. } = &mut item
            && (1_000.0..2_600.0).contains(&ms)
        {
            *codec = Codec::Vp8;
        }
        vec![item]
    });
    rig.check();
    assert_eq!((rig.accepted, rig.refusals), (2, 1));
    let last = *rig.video_times().last().unwrap();
    assert!(last > 4_800, "{last}");
}

#[test]
fn a_transcoder_that_ended_gets_no_more_work_before_the_next_publisher() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 4_000.0, keep);
    // A lost packet: those behind it wait.
    let mut lost = false;
    session.send(&mut rig, 4_050.0, |_, item| {
        let drop = !lost && !is_video(&item);
        lost |= drop;
        if drop { vec![] } else { vec![item] }
    });
    rig.core.handle_audio_failure(rig.now);
    rig.drain();
    let frames = rig.frames.len();
    // The sound as it was sent is over as well: what waited for AAC is out.
    assert!(rig.is_opus_over);
    let lasted: Duration = rig
        .opus_segments
        .iter()
        .map(|(segment, _)| segment.duration)
        .sum();
    let expected = Duration::from_millis(3_900)..Duration::from_millis(4_100);
    assert!(expected.contains(&lasted), "{lasted:?}");
    session.send(&mut rig, 8_000.0, keep);
    assert_eq!(rig.frames.len(), frames);
    assert!(rig.core.audio_config().is_none());
    rig.core.handle_republish(rig.now, Tracks::BOTH.into());
    Session::new(&rig, Tracks::BOTH).send(&mut rig, 2_000.0, keep);
    rig.check();
    assert!(rig.frames.len() > frames + 50);
}

#[test]
fn the_last_segment_is_written_at_the_end() {
    let mut rig = Rig::new(Tracks::BOTH);
    let mut session = Session::new(&rig, Tracks::BOTH);
    session.send(&mut rig, 3_000.0, keep);
    let before = rig.segments.len();
    rig.finish();
    rig.check();
    assert_eq!(rig.segments.len(), before + 1);
    let last = rig.tags.last().unwrap();
    assert!(last.1.time.as_millis() > 2_900);
}

/// The picture at 5 s has a size of its own, and a tone starts with it.
#[test]
fn picture_and_sound_of_one_instant_have_one_media_time() {
    for (video_delay, seed) in [(0, 1), (80, 2), (200, 3)] {
        let mut rig = Rig::new(Tracks::BOTH);
        let mut publisher = Publisher::new(rig.start);
        publisher.video_delay = Duration::from_millis(video_delay);
        publisher.video_base = u32::MAX - 90_000 * seed;
        let mut tone = Tone::new(1_000.0);
        let mut items: Vec<(Instant, IngestItem)> = Vec::new();
        for number in 0..300_u64 {
            let ms = number as f64 * 100.0 / 3.0;
            let size = if number == 150 { 7_777 } else { 1_500 };
            for item in publisher.picture(ms, number % 60 == 0, size) {
                let at = rig.start + Duration::from_secs_f64(ms / 1e3);
                items.push((at + publisher.video_delay, item));
            }
        }
        for number in 0..500_u64 {
            let ms = number as f64 * 20.0;
            let opus = tone.frame(&|sample| sample >= 240_000);
            let at = rig.start + Duration::from_secs_f64(ms / 1e3);
            items.push((at, publisher.sound(ms, &opus)));
            if number % 50 == 5 {
                items.extend(publisher.reports(ms).map(|report| (at, report)));
            }
        }
        items.sort_by_key(|(at, _)| *at);
        for (_, item) in items {
            rig.feed(item);
        }
        rig.check();
        let marked = rig
            .tags
            .iter()
            .find(|(_, tag)| !is_audio(tag) && (7_700..7_900).contains(&tag.bytes.len()))
            .expect("the marked picture comes out");
        let mut player = AacPlayer::new();
        for frame in &rig.frames {
            player.play(frame);
        }
        let (onset, _) = player.loud_span(3_000);
        let onset = MediaTime::from_hz(onset, 48_000);
        let off = onset.ticks_since(marked.1.time) as f64 / MediaTime::HZ as f64 * 1e3;
        println!("pictures {video_delay} ms late: sound {off:.1} ms after the picture");
        assert!(off.abs() < 20.0, "sound is {off} ms after the picture");
    }
}

#[test]
fn seeded_loss_reorder_and_duplicates_never_break_the_rules() {
    for seed in 1..=8_u64 {
        let mut rig = Rig::new(Tracks::BOTH);
        let mut session = Session::new(&rig, Tracks::BOTH);
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = move || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % 100
        };
        let mut held: HashMap<u64, IngestItem> = HashMap::new();
        let mut count = 0_u64;
        session.send(&mut rig, 15_000.0, |_, item| {
            count += 1;
            let mut out = Vec::new();
            match next() {
                0..2 => {}
                2..6 => {
                    held.insert(count + 1 + next() % 8, item);
                }
                6..9 => out.extend([item.clone(), item]),
                _ => out.push(item),
            }
            out.extend(held.remove(&count));
            out
        });
        rig.finish();
        rig.check();
        assert!(rig.video_times().len() > 100, "seed {seed}");
        let audio = rig.audio_times();
        assert!(audio.windows(2).all(|w| w[1] - w[0] <= 22), "seed {seed}");
        assert_eq!(rig.discontinuities(), 0);
    }
}
