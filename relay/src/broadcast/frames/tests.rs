use std::ops::Range;

use packager::flv;
use packager::flv::demux::Demuxer;
use packager::frames::AudioConfig;
use packager::rtp::Tracks;
use prometheus::Registry;

use super::*;
use crate::broadcast::rig::{Rig, Session};
use crate::broadcast::testing::{audio_frame, video_frame};
use crate::flv::{Tag, TagKind};
use crate::ingest::FrameItem;

const MS: Duration = Duration::from_millis(1);

const VIDEO: Tracks = Tracks {
    video: true,
    audio: false,
};

const AUDIO: Tracks = Tracks {
    video: false,
    audio: true,
};

/// A server with pictures and sound of RTP, for so long, a key frame every second.
fn origin(seconds: f64) -> Rig {
    origin_of(Tracks::BOTH, seconds)
}

fn origin_of(tracks: Tracks, seconds: f64) -> Rig {
    let mut rig = Rig::new(tracks);
    let mut session = Session::new(&rig, tracks);
    session.gop = 30;
    session.send(&mut rig, seconds * 1e3, |_, item| vec![item]);
    rig.finish();
    rig
}

/// What a viewer is sent that begins at the tag of this index, each tag with when it was there.
fn stream(rig: &Rig, tags: Range<usize>) -> Vec<(Instant, Vec<u8>)> {
    let tags = &rig.tags[tags];
    let video = match &tags[0].1.kind {
        TagKind::Keyframe(config) => Some(config),
        TagKind::Audio(_) => None,
        TagKind::Picture => panic!("a viewer begins at a key frame"),
    };
    let sound = tags.iter().find_map(|(_, tag)| match &tag.kind {
        TagKind::Audio(config) => Some(config),
        TagKind::Keyframe(_) | TagKind::Picture => None,
    });
    let time = tags[0].1.time;
    let mut head = flv::header(video.is_some(), sound.is_some()).to_vec();
    head.extend(flv::metadata_tag(&flv::Metadata::default()));
    if let Some(config) = video {
        head.extend(flv::video_sequence_header(time, config));
    }
    if let Some(config) = sound {
        head.extend(flv::audio_sequence_header(time, config));
    }
    let mut all = vec![(tags[0].0, head)];
    all.extend(tags.iter().map(|(at, tag)| (*at, tag.bytes.to_vec())));
    all
}

/// Hands a connection's bytes on as they come, none of them before `from`.
fn pull(edge: &mut Rig, from: Instant, stream: Vec<(Instant, Vec<u8>)>) {
    let mut demuxer = Demuxer::new();
    for (at, bytes) in stream {
        // Pieces as a network makes them.
        for piece in bytes.chunks(700) {
            demuxer.handle(piece);
            let mut frames = Vec::new();
            while let Some(found) = demuxer.poll().unwrap() {
                frames.push(found);
            }
            edge.feed_frames(at.max(from), frames);
        }
    }
}

fn keyframes(rig: &Rig) -> Vec<usize> {
    let tags = rig.tags.iter().enumerate();
    let keyframes = tags.filter(|(_, (_, tag))| matches!(tag.kind, TagKind::Keyframe(_)));
    keyframes.map(|(index, _)| index).collect()
}

fn bytes(tags: &[(Instant, Tag)]) -> Vec<&[u8]> {
    tags.iter().map(|(_, tag)| &tag.bytes[..]).collect()
}

/// What the media of a segment is: the content of its `mdat` boxes.
fn media(mut data: &[u8]) -> Vec<u8> {
    let mut media = Vec::new();
    while let Some((size, rest)) = data.split_first_chunk::<4>() {
        let (content, next) = rest.split_at(u32::from_be_bytes(*size) as usize - 4);
        if let Some(content) = content.strip_prefix(b"mdat") {
            media.extend_from_slice(content);
        }
        data = next;
    }
    media
}

#[test]
fn what_another_server_sends_comes_out_as_it_was_over_flv_and_hls() {
    let origin = origin(9.0);
    let mut edge = Rig::of_frames(Tracks::BOTH, origin.start);
    pull(
        &mut edge,
        origin.start,
        stream(&origin, 0..origin.tags.len()),
    );
    edge.finish();
    assert_eq!(bytes(&edge.tags), bytes(&origin.tags));
    assert!(origin.segments.len() >= 4);
    assert_eq!(edge.segments.len(), origin.segments.len());
    for ((ours, _), (theirs, _)) in edge.segments.iter().zip(&origin.segments) {
        assert_eq!(media(&ours.data), media(&theirs.data));
        assert_eq!(ours.pictures, theirs.pictures);
        assert!(ours.start.ticks_since(theirs.start).abs() < 720 * 2);
    }
    assert_eq!((edge.sources, edge.discontinuities()), (0, 0));
    assert_eq!(edge.accepted, 1);
    assert!(edge.asked.is_empty(), "nobody is there to be asked");
    edge.check();
}

#[test]
fn a_lost_connection_is_not_noticed_where_the_next_one_overlaps() {
    let origin = origin(9.0);
    let keyframes = keyframes(&origin);
    let mut edge = Rig::of_frames(Tracks::BOTH, origin.start);
    // Lost in the middle of a group of pictures, and back half a second later.
    let lost = keyframes[3] + 20;
    pull(&mut edge, origin.start, stream(&origin, 0..lost));
    let back = origin.tags[lost].0 + 500 * MS;
    edge.feed_frame_item(back, FrameItem::Reconnected(Tracks::BOTH));
    pull(
        &mut edge,
        back,
        stream(&origin, keyframes[3]..origin.tags.len()),
    );
    edge.finish();
    assert_eq!(bytes(&edge.tags), bytes(&origin.tags));
    assert_eq!((edge.sources, edge.discontinuities()), (0, 0));
    assert_eq!(edge.metrics.events("source_continued"), 1);
    assert_eq!(edge.metrics.dropped("frame_repeated"), 20);
    edge.check();
}

#[test]
fn where_media_is_missing_there_is_a_discontinuity_and_time_goes_on() {
    let origin = origin(12.0);
    let keyframes = keyframes(&origin);
    let mut edge = Rig::of_frames(Tracks::BOTH, origin.start);
    let lost = keyframes[3] + 20;
    pull(&mut edge, origin.start, stream(&origin, 0..lost));
    // The group of pictures that was cut is not kept any more.
    let back = origin.tags[keyframes[5]].0 + 10 * MS;
    edge.feed_frame_item(back, FrameItem::Reconnected(Tracks::BOTH));
    pull(
        &mut edge,
        back,
        stream(&origin, keyframes[5]..origin.tags.len()),
    );
    edge.finish();
    let expected = [&origin.tags[..lost], &origin.tags[keyframes[5]..]].concat();
    assert_eq!(
        bytes(&edge.tags),
        bytes(&expected),
        "times are the origin's"
    );
    assert_eq!((edge.sources, edge.discontinuities()), (1, 1));
    edge.check();
}

#[test]
fn an_origin_that_begins_anew_goes_on_behind_what_was_there() {
    let (first, second) = (origin(7.0), origin(7.0));
    let mut edge = Rig::of_frames(Tracks::BOTH, first.start);
    pull(&mut edge, first.start, stream(&first, 0..first.tags.len()));
    let end = edge.now;
    let shift = end + 1_500 * MS - second.start;
    edge.feed_frame_item(end + 1_500 * MS, FrameItem::Reconnected(Tracks::BOTH));
    let again = stream(&second, 0..second.tags.len());
    let again = again.into_iter().map(|(at, bytes)| (at + shift, bytes));
    pull(&mut edge, end, again.collect());
    edge.finish();
    assert_eq!(edge.tags.len(), first.tags.len() + second.tags.len());
    let (before, after) = edge.tags.split_at(first.tags.len());
    let pause = after[0].1.time.since(before.last().unwrap().1.time);
    assert!((1_000 * MS..2_000 * MS).contains(&pause), "{pause:?}");
    // What the new one has is shifted as a whole.
    let shift = after[0].1.time.ticks_since(second.tags[0].1.time);
    for ((_, ours), (_, theirs)) in after.iter().zip(&second.tags) {
        let shifted = theirs.time.ticks() as i64 + shift;
        assert_eq!(ours.time.as_millis(), shifted as u64 / 720);
        assert_eq!(ours.bytes[11..], theirs.bytes[11..]);
    }
    assert_eq!((edge.sources, edge.discontinuities()), (1, 1));
    edge.check();
}

/// An edge of a server with both tracks that begins anew with these, and the tags from there on,
/// each with how long it took here.
fn begun_anew(tracks: Tracks) -> (Rig, Vec<(Duration, Tag)>) {
    let (first, second) = (origin(7.0), origin_of(tracks, 9.0));
    let mut edge = Rig::of_frames(Tracks::BOTH, first.start);
    pull(&mut edge, first.start, stream(&first, 0..first.tags.len()));
    let end = edge.now;
    edge.run_to(end + 1_000 * MS);
    let before = edge.tags.len();
    let shift = end + 1_500 * MS - second.start;
    edge.feed_frame_item(end + 1_500 * MS, FrameItem::Reconnected(tracks));
    let again = stream(&second, 0..second.tags.len());
    let again = again.into_iter().map(|(at, bytes)| (at + shift, bytes));
    pull(&mut edge, end, again.collect());
    edge.finish();
    assert_eq!(edge.sources, 1);
    edge.check();
    let mut theirs = second.tags.iter().peekable();
    let after = edge.tags[before..].iter().map(|(at, tag)| {
        let is_it = |(_, their): &&(Instant, Tag)| their.bytes[11..] == tag.bytes[11..];
        let sent = theirs.next_if(is_it).map(|(sent, _)| *sent + shift);
        let took = sent.map(|sent| at.saturating_duration_since(sent));
        (took.unwrap_or_default(), tag.clone())
    });
    let after = after.collect();
    assert!(theirs.next().is_none(), "all of them come");
    (edge, after)
}

/// How long what comes took once it is known that the source is another one.
fn longest(tags: &[(Duration, Tag)]) -> Duration {
    let begin = tags[0].1.time;
    let later = |tag: &Tag| tag.time.since(begin) > SEAM_WAIT + 1_000 * MS;
    let took = tags.iter().filter(|(_, tag)| later(tag));
    took.map(|(took, _)| *took).max().unwrap()
}

#[test]
fn sound_that_a_new_source_does_not_have_is_silence() {
    let (edge, after) = begun_anew(VIDEO);
    // Nobody waits for it.
    assert!(longest(&after) < 50 * MS, "{:?}", longest(&after));
    let (sound, pictures): (Vec<_>, Vec<_>) = after
        .into_iter()
        .map(|(_, tag)| tag)
        .partition(|tag| matches!(tag.kind, TagKind::Audio(_)));
    let (first, last) = (&pictures[0], &pictures[pictures.len() - 1]);
    assert!(sound[0].time >= first.time);
    assert!(sound[0].time.since(first.time) < 25 * MS);
    assert!(last.time.since(sound[sound.len() - 1].time) < 25 * MS);
    for pair in sound.windows(2) {
        let step = pair[1].time.since(pair[0].time);
        assert!((20 * MS..23 * MS).contains(&step), "{step:?}");
    }
    let data = |tag: &Tag| tag.bytes.slice(13..tag.bytes.len() - 4);
    assert!(sound.iter().all(|tag| data(tag) == aac::silence(2)));
    // In the format that players know: there is nothing to be told.
    assert_eq!((edge.discontinuities(), edge.init_versions()), (1, vec![0]));
}

#[test]
fn pictures_that_a_new_source_does_not_have_are_not_waited_for() {
    let (_, after) = begun_anew(AUDIO);
    assert!(
        after
            .iter()
            .all(|(_, tag)| matches!(tag.kind, TagKind::Audio(_)))
    );
    assert!(longest(&after) < 50 * MS, "{:?}", longest(&after));
}

#[test]
fn a_clock_that_begins_anew_within_a_connection_is_one_new_source() {
    let (first, second) = (origin(7.0), origin(7.0));
    let mut edge = Rig::of_frames(Tracks::BOTH, first.start);
    let mut connection = stream(&first, 0..first.tags.len());
    let shift = first.tags.last().unwrap().0 + 40 * MS - second.start;
    let mut again = stream(&second, 0..second.tags.len());
    // The header of a file stands at its beginning alone.
    again[0].1.drain(..13);
    connection.extend(again.into_iter().map(|(at, bytes)| (at + shift, bytes)));
    pull(&mut edge, first.start, connection);
    edge.finish();
    assert_eq!(edge.tags.len(), first.tags.len() + second.tags.len());
    for ((_, ours), (_, theirs)) in edge.tags[first.tags.len()..].iter().zip(&second.tags) {
        assert_eq!(ours.bytes[11..], theirs.bytes[11..]);
    }
    assert_eq!(edge.metrics.events("clock_jump"), 1);
    assert_eq!((edge.sources, edge.discontinuities()), (1, 1));
    edge.check();
}

#[test]
fn a_broadcast_that_is_taken_over_is_live_again_with_the_next_frames() {
    let origin = origin(7.0);
    let keyframes = keyframes(&origin);
    let mut edge = Rig::of_frames(Tracks::BOTH, origin.start);
    pull(&mut edge, origin.start, stream(&origin, 0..keyframes[3]));
    assert_eq!(edge.accepted, 1);
    edge.republish(Tracks::BOTH);
    let (at, rest) = (edge.now, keyframes[2]..origin.tags.len());
    pull(&mut edge, at, stream(&origin, rest));
    edge.finish();
    assert_eq!(edge.accepted, 2);
    assert_eq!(bytes(&edge.tags), bytes(&origin.tags));
}

/// An input with its metrics, and what has come out.
struct Bench {
    input: FrameInput,
    metrics: Metrics,
    now: Instant,
}

impl Bench {
    fn new() -> Self {
        let mut bench = Self {
            input: FrameInput::new(Tracks::BOTH),
            metrics: Metrics::register(&Registry::new()).unwrap(),
            now: Instant::now(),
        };
        let sound = AudioConfig::aac_lc(48_000, 2).unwrap();
        bench.give(Demuxed::Audio(sound));
        bench
    }

    fn give(&mut self, item: Demuxed) {
        self.input.handle(self.now, item, &self.metrics);
    }

    fn picture(&mut self, ms: u64, is_keyframe: bool) {
        self.give(Demuxed::Frame(Frame::Video(picture(ms, is_keyframe))));
    }

    fn sound(&mut self, ms: u64) {
        self.give(Demuxed::Frame(Frame::Audio(audio_frame(ms))));
    }

    /// Media times of the sound that came out, and whether it is silence.
    fn sounds(&mut self) -> Vec<(u64, bool)> {
        let out = std::iter::from_fn(|| self.input.poll());
        out.filter_map(|placed| match placed {
            Placed::Frame(Frame::Audio(frame)) => {
                Some((frame.pts.as_millis(), frame.data == aac::silence(2)))
            }
            _ => None,
        })
        .collect()
    }

    /// Media times of what came out, `None` for a new source.
    fn out(&mut self) -> Vec<Option<u64>> {
        let out = std::iter::from_fn(|| self.input.poll());
        out.filter_map(|placed| match placed {
            Placed::NewSource(_) => Some(None),
            Placed::Frame(frame) => Some(Some(frame.dts().as_millis())),
            Placed::Sound(_) => None,
        })
        .collect()
    }
}

/// Each with data of its own.
fn picture(ms: u64, is_keyframe: bool) -> VideoFrame {
    VideoFrame {
        data: Bytes::from(ms.to_be_bytes().to_vec()),
        ..video_frame(ms, is_keyframe)
    }
}

#[test]
fn times_begin_where_the_other_server_is() {
    let mut bench = Bench::new();
    bench.picture(3_600_000, true);
    bench.picture(3_600_033, false);
    assert_eq!(bench.out(), [Some(3_600_000), Some(3_600_033)]);
}

#[test]
fn what_cannot_be_decoded_waits_for_a_key_frame() {
    let mut bench = Bench::new();
    bench.picture(0, false);
    bench.picture(33, true);
    assert_eq!(bench.out(), [Some(33)]);
    assert_eq!(bench.metrics.dropped("frame_without_keyframe"), 1);
}

#[test]
fn a_long_pause_is_taken_out() {
    let mut bench = Bench::new();
    bench.picture(1_000, true);
    bench.now += Duration::from_secs(20);
    bench.input.reconnect(Tracks::BOTH);
    bench.picture(21_000, true);
    assert_eq!(bench.out(), [Some(1_000), None, Some(1_001)]);
}

#[test]
fn the_same_time_with_other_bytes_is_another_source() {
    let mut bench = Bench::new();
    bench.picture(1_000, true);
    bench.picture(1_033, false);
    bench.now += 100 * MS;
    bench.input.reconnect(Tracks::BOTH);
    let mut other = picture(1_033, true);
    other.data = Bytes::from_static(b"other");
    bench.give(Demuxed::Frame(Frame::Video(other)));
    assert_eq!(bench.out(), [Some(1_000), Some(1_033), None, Some(1_133)]);
    assert_eq!(bench.metrics.events("source_changed"), 1);
}

#[test]
fn frames_of_an_earlier_time_are_held_for_a_moment_only() {
    let mut bench = Bench::new();
    bench.picture(20_000, true);
    bench.now += 1_000 * MS;
    bench.input.reconnect(Tracks::BOTH);
    for step in 0..75_u64 {
        bench.picture(step * 40, step == 0);
        bench.now += 40 * MS;
        assert_eq!(bench.out().len(), usize::from(step == 0), "{step}");
    }
    bench.picture(3_000, false);
    let out = bench.out();
    assert_eq!(out[..3], [None, Some(21_000), Some(21_040)]);
    assert_eq!(out.len(), 1 + 76, "nothing of them is lost");
}

#[test]
fn what_comes_slowly_over_a_long_path_is_waited_for() {
    let mut bench = Bench::new();
    for step in 0..100_u64 {
        bench.picture(step * 40, step.is_multiple_of(50));
    }
    assert_eq!(bench.out().len(), 100);
    bench.input.reconnect(Tracks::BOTH);
    for step in 50..110_u64 {
        // A group of pictures of two seconds that takes two to come.
        bench.picture(step * 40, step == 50);
        bench.now += 40 * MS;
    }
    let expected: Vec<_> = (100..110_u64).map(|step| Some(step * 40)).collect();
    assert_eq!(bench.out(), expected);
    assert_eq!(bench.metrics.events("source_continued"), 1);
}

#[test]
fn who_begins_where_no_server_can_be_is_another_source_at_once() {
    let mut bench = Bench::new();
    bench.picture(60_000, true);
    bench.now += 1_000 * MS;
    bench.input.reconnect(Tracks::BOTH);
    bench.picture(0, true);
    assert_eq!(bench.out(), [Some(60_000), None, Some(61_000)]);
    assert_eq!(bench.metrics.events("source_changed"), 1);
}

#[test]
fn what_is_held_is_bounded_in_bytes() {
    let mut bench = Bench::new();
    bench.picture(20_000, true);
    bench.input.reconnect(Tracks::BOTH);
    for step in 0..9 {
        let mut frame = picture(step, step == 0);
        frame.data = Bytes::from(vec![0; 4 << 20]);
        bench.give(Demuxed::Frame(Frame::Video(frame)));
        let joining = bench.input.joining.as_ref();
        assert!(joining.is_none_or(|joining| joining.bytes <= SEAM_BYTES));
    }
    assert!(bench.input.joining.is_none());
}

#[test]
fn a_clock_that_jumps_within_a_connection_begins_a_source() {
    let mut bench = Bench::new();
    bench.picture(60_000, true);
    bench.now += 40 * MS;
    bench.picture(100, true);
    bench.now += 40 * MS;
    bench.picture(140, false);
    bench.now += 40 * MS;
    bench.picture(999_000, true);
    let out = [
        Some(60_000),
        None,
        Some(60_040),
        Some(60_080),
        None,
        Some(60_120),
    ];
    assert_eq!(bench.out(), out);
    assert_eq!(bench.metrics.events("clock_jump"), 2);
}

#[test]
fn a_second_loss_before_the_seam_is_found_forgets_what_was_held() {
    let mut bench = Bench::new();
    for ms in [0, 40, 80] {
        bench.picture(ms, ms == 0);
    }
    bench.input.reconnect(Tracks::BOTH);
    bench.picture(0, true);
    bench.input.reconnect(Tracks::BOTH);
    for ms in [0, 40, 80, 120] {
        bench.picture(ms, ms == 0);
    }
    assert_eq!(bench.out(), [Some(0), Some(40), Some(80), Some(120)]);
}

#[test]
fn sound_has_the_times_of_its_samples_within_the_milliseconds_that_are_written() {
    let mut bench = Bench::new();
    let sound = AudioConfig::aac_lc(44_100, 2).unwrap();
    bench.give(Demuxed::Audio(sound));
    for index in 0..500_u64 {
        // Cut to milliseconds, from 7.7 ms on.
        let ms = 7.7 + index as f64 * 1_024_000.0 / 44_100.0;
        let frame = audio_frame(ms as u64);
        bench.give(Demuxed::Frame(Frame::Audio(frame)));
    }
    let out = std::iter::from_fn(|| bench.input.poll());
    let times: Vec<_> = out
        .filter_map(|placed| match placed {
            Placed::Frame(frame) => Some(frame.dts()),
            _ => None,
        })
        .collect();
    let written = |index: usize| (7.7 + index as f64 * 1_024_000.0 / 44_100.0) as u64;
    for (index, time) in times.iter().enumerate() {
        assert_eq!(time.as_millis(), written(index));
    }
    // Once the first ones have told where in their millisecond they are.
    for pair in times[200..].windows(2) {
        let step = pair[1].ticks_since(pair[0]);
        assert!((16_718 - 2..=16_718 + 2).contains(&step), "{step}");
    }
}

#[test]
fn sound_of_another_format_begins_behind_what_was_there() {
    let mut edge = Rig::of_frames(Tracks::BOTH, Instant::now());
    let start = edge.start;
    // HLS takes it up with the next key frame.
    let configs = [44_100, 48_000, 48_000].map(|rate| AudioConfig::aac_lc(rate, 2).unwrap());
    for (gop, config) in configs.iter().enumerate() {
        let mut frames = vec![Demuxed::Audio(config.clone())];
        for index in 0..20 {
            let ms = gop as u64 * 1_000 + index * 40;
            frames.push(Demuxed::Frame(Frame::Video(picture(ms, index == 0))));
            frames.push(Demuxed::Frame(Frame::Audio(audio_frame(ms))));
        }
        edge.feed_frames(start + gop as u32 * 1_000 * MS, frames);
    }
    edge.finish();
    let rates: Vec<_> = edge
        .tags
        .iter()
        .filter_map(|(_, tag)| match &tag.kind {
            TagKind::Audio(config) => Some(config.sample_rate),
            TagKind::Keyframe(_) | TagKind::Picture => None,
        })
        .collect();
    assert_eq!(rates, [[44_100; 20], [48_000; 20], [48_000; 20]].concat());
    assert_eq!(edge.init_versions(), [0, 1]);
}

#[test]
fn sound_is_carried_alone_where_announced_pictures_are_of_another_codec() {
    let start = Instant::now();
    let mut edge = Rig::of_frames(Tracks::BOTH, start);
    let config = AudioConfig::aac_lc(48_000, 2).unwrap();
    edge.feed_frames(start, vec![Demuxed::Audio(config)]);
    for index in 0..300_u32 {
        let time = index * 64 / 3;
        let frame = Demuxed::Frame(Frame::Audio(audio_frame(time.into())));
        edge.feed_frames(start + time * MS, vec![frame]);
    }
    edge.finish();
    // Once it is clear that no picture comes.
    let waited = edge.tags[0].0 - start;
    assert!(waited < 3_200 * MS, "{waited:?}");
    assert!(edge.audio_times().len() > 150);
    assert!(!edge.segments.is_empty());
}

#[test]
fn tracks_that_were_not_announced_are_carried_when_they_come() {
    let sound_alone = Tracks {
        video: false,
        audio: true,
    };
    let origin = origin(5.0);
    let mut edge = Rig::of_frames(sound_alone, origin.start);
    pull(
        &mut edge,
        origin.start,
        stream(&origin, 0..origin.tags.len()),
    );
    edge.finish();
    assert_eq!(bytes(&edge.tags), bytes(&origin.tags));
}

#[test]
fn sound_that_stops_goes_on_as_silence_until_it_is_back() {
    let mut bench = Bench::new();
    bench.sound(0);
    for step in 0..75 {
        bench.picture(step * 40, step == 0);
    }
    assert_eq!(bench.sounds(), [(0, false)], "it may be on its way");
    bench.picture(3_040, false);
    let made = bench.sounds();
    assert_eq!(made[0], (21, true));
    assert!((3_040..3_062).contains(&made.last().unwrap().0), "{made:?}");
    bench.picture(3_080, false);
    let end = bench.sounds().last().unwrap().0 + 21;
    // What is before its end would be heard twice.
    bench.sound(3_080);
    bench.sound(end + 2);
    bench.picture(3_120, false);
    assert_eq!(bench.sounds(), [(end + 2, false)]);
    assert_eq!(bench.metrics.dropped("frame_over_silence"), 1);
}

#[test]
fn a_source_without_sound_has_none_where_there_never_was_any() {
    let mut bench = Bench::new();
    bench.picture(60_000, true);
    bench.input.reconnect(VIDEO);
    for step in 0..200 {
        bench.picture(step * 40, step == 0);
    }
    let out: Vec<_> = std::iter::from_fn(|| bench.input.poll()).collect();
    assert!(out.contains(&Placed::NewSource(VIDEO)));
    let is_sound = |placed: &Placed| matches!(placed, Placed::Frame(Frame::Audio(_)));
    assert!(!out.iter().any(is_sound));
}

#[test]
fn sound_that_comes_unannounced_behind_silence_is_heard() {
    let mut bench = Bench::new();
    bench.picture(60_000, true);
    bench.sound(60_000);
    bench.input.reconnect(VIDEO);
    bench.picture(0, true);
    bench.picture(40, false);
    bench.sound(100);
    bench.picture(120, false);
    let sounds = bench.sounds();
    assert_eq!(
        sounds.iter().filter(|(_, is_silence)| *is_silence).count(),
        3
    );
    assert!(!sounds.last().unwrap().1, "{sounds:?}");
}
