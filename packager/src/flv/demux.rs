//! FLV to frames: AVC and AAC (annex E), and HEVC, VP9 and AV1 (Enhanced RTMP v2), from an origin that
//! may send anything.

mod pictures;

use bytes::{Buf, Bytes, BytesMut};

use super::head::{self, NoHead, Packet};
use super::{AUDIO_TAG, FORMAT_AAC, PREVIOUS_TAG_SIZE, SCRIPT_TAG, TAG_HEADER, VIDEO_TAG};
use crate::aac::{self, UnknownAudioFormat};
use crate::frames::{AudioConfig, AudioFrame, DecodeClock, Frame, VideoFrame};
use crate::h264::BadParameterSets;
use crate::rtp::Tracks;
use crate::time::MediaTime;
use pictures::Pictures;

/// Largest body of a tag that is read: a key frame of a second of 32 Mbit/s. A larger one is left out.
pub const MAX_BODY: usize = 4 << 20;

/// A frame that is so many milliseconds earlier than the newest one is of another clock: tracks are
/// never so far apart.
pub const BACK_MS: i64 = 3_000;

/// Bytes in any pieces to frames. It holds at most one tag and the piece that ended it.
#[derive(Debug, Default)]
pub struct Demuxer {
    buffer: BytesMut,
    /// What the file header announces.
    tracks: Option<Tracks>,
    clock: Clock,
    decode_clock: DecodeClock,
    pictures: Pictures,
    audio: Option<AudioConfig>,
    skipped: u64,
    has_other_codec: bool,
    /// Bytes to come of a tag that is left out.
    left_out: usize,
    /// A picture was left out that those up to the next key frame may need.
    needs_keyframe: bool,
}

/// What comes out of a [`Demuxer`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Demuxed {
    /// The sound that follows is of this format, which differs from that before.
    Audio(AudioConfig),
    /// A frame. A picture carries its configuration with it.
    Frame(Frame),
}

/// Why a stream cannot be read on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DemuxError {
    /// It does not begin as annex E.2 says.
    #[error("the stream does not begin with a header of FLV version 1")]
    NoHeader,
    /// A tag is none of audio, video and script data, or is encrypted.
    #[error("tag type {0} is none of 8, 9, 18")]
    UnknownTag(u8),
    /// `PreviousTagSize` does not agree with the tag.
    #[error("PreviousTagSize says {said} after a tag of {was} bytes")]
    PreviousTagSize {
        /// What the field says.
        said: u32,
        /// Bytes of the tag, its header included.
        was: usize,
    },
    /// A sequence header of AVC that is no configuration record with lengths of four bytes.
    #[error("the AVC sequence header is no configuration record of version 1 with 4-byte lengths")]
    NoConfigurationRecord,
    /// Parameter sets that make no configuration.
    #[error(transparent)]
    ParameterSets(#[from] BadParameterSets),
    /// A sequence header of AAC that is not AAC-LC.
    #[error("the AudioSpecificConfig is not that of AAC-LC with frames of 1024 samples")]
    NotAacLc,
    /// AAC-LC of a format that is not carried on.
    #[error(transparent)]
    AudioFormat(#[from] UnknownAudioFormat),
}

impl Demuxer {
    /// A demuxer at the start of a stream.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tracks that the file header announces, once it has come. Others may come as well.
    pub fn tracks(&self) -> Option<Tracks> {
        self.tracks
    }

    /// Tags left out: script data, other codecs, frames before a sequence header that can be read, VP9
    /// and AV1 that cannot be read, tags above [`MAX_BODY`], and the pictures behind those two up to the next key
    /// frame.
    pub fn skipped(&self) -> u64 {
        self.skipped
    }

    /// Whether something was left out because of its codec.
    pub fn has_other_codec(&self) -> bool {
        self.has_other_codec
    }

    /// Takes the next bytes. Call [`poll`](Self::poll) until it gives nothing before the next ones.
    pub fn handle(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next frame or format that is complete.
    ///
    /// # Errors
    /// [`DemuxError`]; there is nothing more to be had of the stream then.
    pub fn poll(&mut self) -> Result<Option<Demuxed>, DemuxError> {
        if self.tracks.is_none() {
            let Some(header) = self.buffer.get(..HEADER) else {
                return Ok(None);
            };
            if header[..4] != *b"FLV\x01" || header[5..] != [0, 0, 0, 9, 0, 0, 0, 0] {
                return Err(DemuxError::NoHeader);
            }
            // TypeFlagsAudio and TypeFlagsVideo (E.2).
            self.tracks = Some(Tracks {
                audio: header[4] & 4 != 0,
                video: header[4] & 1 != 0,
            });
            self.buffer.advance(HEADER);
        }
        while let Some((kind, stamp, body)) = self.next_tag()? {
            let found = match kind {
                VIDEO_TAG => self.video(stamp, body)?,
                AUDIO_TAG => self.audio(stamp, body)?,
                _ => {
                    self.skipped += 1;
                    None
                }
            };
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }

    fn next_tag(&mut self) -> Result<Option<(u8, u32, Bytes)>, DemuxError> {
        let (kind, size, stamp) = loop {
            let here = self.left_out.min(self.buffer.len());
            self.buffer.advance(here);
            self.left_out -= here;
            let Some(header) = self.buffer.get(..TAG_HEADER) else {
                return Ok(None);
            };
            let kind = header[0];
            if !matches!(kind, AUDIO_TAG | VIDEO_TAG | SCRIPT_TAG) {
                return Err(DemuxError::UnknownTag(kind));
            }
            let size = u32::from_be_bytes([0, header[1], header[2], header[3]]) as usize;
            if size <= MAX_BODY {
                let stamp = u32::from_be_bytes([header[7], header[4], header[5], header[6]]);
                break (kind, size, stamp);
            }
            self.skipped += 1;
            self.needs_keyframe |= kind == VIDEO_TAG;
            self.left_out = TAG_HEADER + size + PREVIOUS_TAG_SIZE;
        };
        if self.buffer.len() < TAG_HEADER + size + PREVIOUS_TAG_SIZE {
            return Ok(None);
        }
        self.buffer.advance(TAG_HEADER);
        let body = self.buffer.split_to(size).freeze();
        let (said, was) = (self.buffer.get_u32(), TAG_HEADER + size);
        if said as usize != was {
            return Err(DemuxError::PreviousTagSize { said, was });
        }
        Ok(Some((kind, stamp, body)))
    }

    /// The time of a frame. Only frames have one: script data and sequence headers may stand at 0
    /// wherever the stream is.
    fn time(&mut self, stamp: u32) -> u64 {
        let (millis, is_new_clock) = self.clock.unwrap(stamp);
        if is_new_clock {
            // It would hold the pictures where the old clock was, while the sound goes by the new.
            self.decode_clock = DecodeClock::default();
        }
        millis
    }

    fn video(&mut self, stamp: u32, mut body: Bytes) -> Result<Option<Demuxed>, DemuxError> {
        let head = match head::read(&body) {
            Ok(head) => head,
            Err(no_head) => {
                if no_head == NoHead::OtherCodec {
                    self.has_other_codec = true;
                    // It may be a picture that those behind it need.
                    self.needs_keyframe = true;
                }
                self.skipped += 1;
                return Ok(None);
            }
        };
        body.advance(head.length);
        let composition_time = match head.packet {
            Packet::SequenceStart => {
                if !self.pictures.handle_record(head.codec, &body)? {
                    self.has_other_codec = true;
                    self.skipped += 1;
                }
                return Ok(None);
            }
            Packet::Frame { composition_time } if self.pictures.are_of(head.codec) => {
                composition_time
            }
            Packet::Frame { .. } | Packet::Other => {
                self.skipped += 1;
                return Ok(None);
            }
        };
        // A delimiter alone is no picture: see `closing_tags`.
        let is_delimiter = super::empty_picture(head.codec).is_some_and(|empty| body == empty);
        if body.is_empty() || is_delimiter {
            self.skipped += 1;
            return Ok(None);
        }
        let Some((config, is_keyframe)) = self.pictures.handle_frame(head.is_keyframe, &body)
        else {
            self.needs_keyframe = true;
            self.skipped += 1;
            return Ok(None);
        };
        if self.needs_keyframe && !is_keyframe {
            self.skipped += 1;
            return Ok(None);
        }
        self.needs_keyframe = false;
        let millis = self.time(stamp);
        let dts = self.decode_clock.next(MediaTime::from_millis(millis));
        let presented = millis.saturating_add_signed(composition_time.into());
        Ok(Some(Demuxed::Frame(Frame::Video(VideoFrame {
            dts,
            pts: MediaTime::from_millis(presented),
            is_keyframe,
            config,
            data: body,
        }))))
    }

    fn audio(&mut self, stamp: u32, mut body: Bytes) -> Result<Option<Demuxed>, DemuxError> {
        let is_other = |first: &u8| first >> 4 != FORMAT_AAC;
        self.has_other_codec |= body.first().is_some_and(is_other);
        if body.len() < 2 || is_other(&body[0]) {
            self.skipped += 1;
            return Ok(None);
        }
        let packet_type = body[1];
        body.advance(2);
        match (packet_type, &self.audio) {
            (0, known) => {
                let (sample_rate, channels) =
                    aac::read_audio_specific_config(&body).ok_or(DemuxError::NotAacLc)?;
                let config = AudioConfig::aac_lc(sample_rate, channels)?;
                if known.as_ref() == Some(&config) {
                    return Ok(None);
                }
                self.audio = Some(config.clone());
                Ok(Some(Demuxed::Audio(config)))
            }
            (1, Some(_)) if !body.is_empty() => {
                Ok(Some(Demuxed::Frame(Frame::Audio(AudioFrame {
                    pts: MediaTime::from_millis(self.time(stamp)),
                    data: body,
                    samples: aac::SAMPLES_PER_FRAME,
                }))))
            }
            _ => {
                self.skipped += 1;
                Ok(None)
            }
        }
    }
}

/// The file header and the first `PreviousTagSize`.
const HEADER: usize = 13;

/// Timestamps of 32 bits to times that go on after 49 days. The two tracks may overtake each other.
#[derive(Debug, Default)]
struct Clock {
    newest: Option<u64>,
}

impl Clock {
    /// The time, and whether a clock begins with it that is not that of before.
    fn unwrap(&mut self, stamp: u32) -> (u64, bool) {
        let Some(newest) = self.newest else {
            self.newest = Some(stamp.into());
            return (stamp.into(), false);
        };
        let step = i64::from(stamp.wrapping_sub(newest as u32) as i32);
        if step <= -BACK_MS {
            self.newest = Some(stamp.into());
            return (stamp.into(), true);
        }
        let millis = newest.saturating_add_signed(step);
        self.newest = Some(newest.max(millis));
        (millis, false)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::flv;
    use crate::test_media::{PPS, SPS_320X180, SPS_640X360};
    use crate::video::VideoConfig;

    fn stream(sps: &[u8], start: u64) -> (Vec<u8>, Vec<Demuxed>) {
        let video = Arc::new(VideoConfig::h264(sps, &[PPS]).unwrap());
        let audio = AudioConfig::aac_lc(48_000, 2).unwrap();
        let begin = MediaTime::from_millis(start);
        let mut bytes = flv::metadata_tag(&flv::Metadata::default()).to_vec();
        bytes.extend(flv::video_sequence_header(begin, &video));
        bytes.extend(flv::audio_sequence_header(begin, &audio));
        let mut expected = vec![Demuxed::Audio(audio)];
        for index in 0..4u64 {
            let dts = MediaTime::from_millis(start + 40 * index);
            let picture = VideoFrame {
                dts,
                pts: MediaTime::from_millis(start + 40 * index + 80 * (index % 2)),
                is_keyframe: index == 0,
                config: Arc::clone(&video),
                data: Bytes::from(vec![index as u8; 9]),
            };
            let sound = AudioFrame {
                pts: dts,
                data: Bytes::from(vec![0x21; 5]),
                samples: 1_024,
            };
            bytes.extend(flv::video_tag(&picture).unwrap());
            bytes.extend(flv::audio_tag(&sound).unwrap());
            expected.push(Demuxed::Frame(Frame::Video(picture)));
            expected.push(Demuxed::Frame(Frame::Audio(sound)));
        }
        (bytes, expected)
    }

    fn with_header(bytes: &[u8]) -> Vec<u8> {
        [&flv::header(true, true)[..], bytes].concat()
    }

    fn read(bytes: &[u8], piece: usize) -> Result<Vec<Demuxed>, DemuxError> {
        let (mut demuxer, mut all) = (Demuxer::new(), Vec::new());
        for piece in bytes.chunks(piece) {
            demuxer.handle(piece);
            while let Some(found) = demuxer.poll()? {
                all.push(found);
            }
        }
        Ok(all)
    }

    #[test]
    fn what_was_muxed_comes_out_however_the_bytes_are_cut() {
        let (bytes, expected) = stream(SPS_640X360, 1_000);
        let bytes = with_header(&bytes);
        for piece in [1, 2, 7, 64, bytes.len()] {
            assert_eq!(read(&bytes, piece).unwrap(), expected, "pieces of {piece}");
        }
    }

    #[test]
    fn a_new_configuration_is_told_of_only_where_it_differs() {
        let (mut bytes, _) = stream(SPS_640X360, 0);
        bytes.extend(stream(SPS_640X360, 1_000).0);
        bytes.extend(stream(SPS_320X180, 2_000).0);
        let all = read(&with_header(&bytes), 100).unwrap();
        let configs: Vec<_> = all
            .iter()
            .filter_map(|found| match found {
                Demuxed::Frame(Frame::Video(frame)) => Some(&frame.config),
                _ => None,
            })
            .collect();
        assert!(Arc::ptr_eq(configs[0], configs[7]));
        assert_eq!((configs[7].width(), configs[8].width()), (640, 320));
        let formats = all.iter().filter(|f| matches!(f, Demuxed::Audio(_)));
        assert_eq!(formats.count(), 1);
    }

    #[test]
    fn time_goes_on_after_32_bits() {
        let (bytes, expected) = stream(SPS_640X360, u64::from(u32::MAX) - 60);
        assert_eq!(read(&with_header(&bytes), 50).unwrap(), expected);
    }

    #[test]
    fn a_clock_that_goes_back_begins_anew_for_both_tracks() {
        for (back, is_new) in [(59_000, true), (3_000, true), (2_999, false)] {
            // The last frames of the first are at 60,120 ms.
            let (mut bytes, mut expected) = stream(SPS_640X360, 60_000);
            let (second, frames) = stream(SPS_640X360, 60_120 - back);
            bytes.extend(second);
            expected.extend_from_slice(&frames[1..]);
            let all = read(&with_header(&bytes), 100).unwrap();
            assert_eq!(all == expected, is_new, "{back} ms");
            let picture = all.iter().rev().find_map(|found| match found {
                Demuxed::Frame(Frame::Video(frame)) => Some(frame.dts.as_millis()),
                _ => None,
            });
            let expected = if is_new { 60_240 - back } else { 60_124 };
            assert_eq!(picture, Some(expected), "{back} ms");
        }
    }

    #[test]
    fn only_frames_move_the_clock() {
        let (bytes, expected) = stream(SPS_640X360, 60_000);
        let config = VideoConfig::h264(SPS_640X360, &[PPS]).unwrap();
        let again = flv::video_sequence_header(MediaTime::ZERO, &config);
        let (next, frames) = stream(SPS_640X360, 60_160);
        let all = read(&with_header(&[&bytes[..], &again, &next].concat()), 99);
        assert_eq!(all.unwrap(), [&expected[..], &frames[1..]].concat());
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let (bytes, _) = stream(SPS_640X360, 0);
        assert_eq!(read(b"<html></html>", 99), Err(DemuxError::NoHeader));
        let mut unknown = with_header(&bytes);
        unknown[13] = 0x12 | 0x20;
        assert_eq!(read(&unknown, 99), Err(DemuxError::UnknownTag(0x32)));
        let mut torn = with_header(&bytes);
        *torn.last_mut().unwrap() ^= 1;
        assert!(matches!(
            read(&torn, 99),
            Err(DemuxError::PreviousTagSize { .. })
        ));
        for (body, error) in [
            (
                &[0x17, 0, 0, 0, 0, 2][..],
                DemuxError::NoConfigurationRecord,
            ),
            (
                &[0x17, 0, 0, 0, 0, 1, 66, 0, 30, 0xff, 0xe1, 0, 9],
                DemuxError::NoConfigurationRecord,
            ),
        ] {
            let tag = flv::tag(VIDEO_TAG, MediaTime::ZERO, &[body]);
            assert_eq!(read(&with_header(&tag), 99), Err(error));
        }
        let he_aac = flv::tag(AUDIO_TAG, MediaTime::ZERO, &[&[0xaf, 0, 0x2b, 0x92]]);
        assert_eq!(read(&with_header(&he_aac), 99), Err(DemuxError::NotAacLc));
    }

    #[test]
    fn the_file_header_says_which_tracks_come() {
        for (video, audio) in [(true, true), (true, false), (false, true)] {
            let mut demuxer = Demuxer::new();
            let (head, tail) = (&flv::header(video, audio)[..12], [0]);
            for piece in [head, &tail] {
                assert_eq!(demuxer.tracks(), None);
                demuxer.handle(piece);
                assert_eq!(demuxer.poll(), Ok(None));
            }
            assert_eq!(demuxer.tracks(), Some(Tracks { audio, video }));
        }
    }

    #[test]
    fn a_tag_above_the_bound_is_left_out_with_the_pictures_that_may_need_it() {
        let (first, mut expected) = stream(SPS_640X360, 0);
        let (next, again) = stream(SPS_640X360, 160);
        let time = MediaTime::from_millis(140);
        let picture = VideoFrame {
            dts: time,
            pts: time,
            is_keyframe: false,
            config: Arc::new(VideoConfig::h264(SPS_640X360, &[PPS]).unwrap()),
            data: Bytes::from_static(&[7; 9]),
        };
        let sound = AudioFrame {
            pts: time,
            data: Bytes::from_static(&[0x21; 5]),
            samples: 1_024,
        };
        let delta = flv::video_tag(&picture).unwrap();
        let rest = [&delta, &flv::audio_tag(&sound).unwrap(), &next[..]].concat();
        expected.push(Demuxed::Frame(Frame::Video(picture)));
        expected.push(Demuxed::Frame(Frame::Audio(sound)));
        expected.extend_from_slice(&again[1..]);
        for (kind, more, lost) in [
            (VIDEO_TAG, 1, Some(9)),
            (AUDIO_TAG, 1, None),
            (SCRIPT_TAG, 1, None),
            (SCRIPT_TAG, 0, None),
        ] {
            let large = flv::tag(kind, MediaTime::ZERO, &[&vec![0; MAX_BODY + more]]);
            let bytes = with_header(&[&first[..], &large, &rest].concat());
            let mut expected = expected.clone();
            if let Some(lost) = lost {
                expected.remove(lost);
            }
            for piece in [4_099, 1 << 20, bytes.len()] {
                let (mut demuxer, mut all) = (Demuxer::new(), Vec::new());
                for piece in bytes.chunks(piece) {
                    demuxer.handle(piece);
                    while let Some(found) = demuxer.poll().unwrap() {
                        all.push(found);
                    }
                    assert!(more == 0 || demuxer.buffer.len() < 1_000);
                }
                assert_eq!(all, expected, "{kind} in pieces of {piece}");
                assert_eq!(demuxer.skipped(), 3 + u64::from(lost.is_some()));
            }
        }
    }

    #[test]
    fn what_is_not_for_it_is_counted_and_left_out() {
        let mut demuxer = Demuxer::new();
        demuxer.handle(&flv::header(true, true));
        demuxer.handle(&flv::metadata_tag(&flv::Metadata::default()));
        demuxer.handle(&flv::tag(VIDEO_TAG, MediaTime::ZERO, &[&[]]));
        assert_eq!(demuxer.poll(), Ok(None));
        assert_eq!((demuxer.skipped(), demuxer.has_other_codec()), (2, false));
        for (kind, body) in [
            // MP3, VP8, H.263, and AVC before its sequence header.
            (AUDIO_TAG, &[0x2f, 1, 2][..]),
            (VIDEO_TAG, &[0x91, b'v', b'p', b'0', b'8', 1]),
            (VIDEO_TAG, &[0x12, 1, 2, 3, 4, 5]),
            (VIDEO_TAG, &[0x17, 1, 0, 0, 0, 5]),
        ] {
            demuxer.handle(&flv::tag(kind, MediaTime::ZERO, &[body]));
        }
        let config = VideoConfig::h264(SPS_640X360, &[PPS]).unwrap();
        demuxer.handle(&flv::video_sequence_header(MediaTime::ZERO, &config));
        // What ends a key frame that nothing can be made to follow.
        let last = flv::LastPicture {
            tag: Bytes::new(),
            time: MediaTime::ZERO,
            is_keyframe: true,
        };
        for closing in flv::closing_tags(MediaTime::ZERO, &config, &last) {
            demuxer.handle(&closing);
        }
        assert_eq!(demuxer.poll(), Ok(None));
        assert_eq!((demuxer.skipped(), demuxer.has_other_codec()), (7, true));
        assert!(demuxer.buffer.is_empty());
    }
}
