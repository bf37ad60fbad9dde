//! What decoders must know of the pictures of a stream: what its sequence headers say, and key frames
//! where these do not say all.

use std::sync::Arc;

use super::DemuxError;
use crate::video::{VideoCodec, VideoConfig};
use crate::{av1, h265, vp9};

/// The pictures of a stream, one codec after the other.
#[derive(Debug, Default)]
pub(super) struct Pictures {
    /// Of the last sequence header.
    codec: Option<VideoCodec>,
    /// `None` where a key frame is to say it.
    config: Option<Arc<VideoConfig>>,
}

impl Pictures {
    /// Whether the last sequence header is of this codec.
    pub(super) fn are_of(&self, codec: VideoCodec) -> bool {
        self.codec == Some(codec)
    }

    /// Takes a sequence header; false for one of H.265, VP9 or AV1 that cannot be read: its pictures
    /// are those of another codec then.
    ///
    /// # Errors
    /// One of AVC is no configuration record, or says what cannot be.
    pub(super) fn handle_record(
        &mut self,
        codec: VideoCodec,
        record: &[u8],
    ) -> Result<bool, DemuxError> {
        let read = match codec {
            VideoCodec::H264 => Some(Some(read_avc(record)?)),
            VideoCodec::H265 => h265::read_configuration_record(record).map(Some),
            // It does not say the size.
            VideoCodec::Vp9 => vp9::is_configuration_record(record).then_some(None),
            VideoCodec::Av1 => av1::read_configuration_record(record).ok(),
        };
        let Some(config) = read else {
            *self = Self::default();
            return Ok(false);
        };
        if !self.are_of(codec) {
            self.codec = Some(codec);
            self.config = None;
        }
        if let Some(config) = config {
            self.change(config);
        }
        Ok(true)
    }

    /// The configuration of a frame of the codec, and whether decoding can start with it; `None` for
    /// one that cannot be decoded with what is known.
    pub(super) fn handle_frame(
        &mut self,
        is_keyframe: bool,
        data: &[u8],
    ) -> Option<(Arc<VideoConfig>, bool)> {
        let mut is_keyframe = is_keyframe;
        match self.codec? {
            VideoCodec::H264 | VideoCodec::H265 => {}
            // Each frame says what it is.
            VideoCodec::Vp9 => {
                let starts = vp9::read_frame(data)?;
                is_keyframe = starts.is_some();
                starts.into_iter().for_each(|config| self.change(config));
            }
            VideoCodec::Av1 if is_keyframe => {
                let brings = av1::read_unit(data).ok()?;
                brings.into_iter().for_each(|config| self.change(config));
            }
            VideoCodec::Av1 => {}
        }
        Some((self.config.clone()?, is_keyframe))
    }

    /// The same configuration stays the same one.
    fn change(&mut self, config: VideoConfig) {
        if self.config.as_deref() != Some(&config) {
            self.config = Some(Arc::new(config));
        }
    }
}

/// Reads an AVCDecoderConfigurationRecord (ISO/IEC 14496-15 §5.3.3.1): its first sequence
/// parameter set and all picture parameter sets.
fn read_avc(record: &[u8]) -> Result<VideoConfig, DemuxError> {
    let bad = DemuxError::NoConfigurationRecord;
    let [1, _, _, _, lengths, counts, rest @ ..] = record else {
        return Err(bad);
    };
    if lengths & 3 != 3 {
        return Err(bad);
    }
    let mut rest = rest;
    let mut sps = None;
    for _ in 0..counts & 0x1f {
        let set = read_set(&mut rest).ok_or(bad.clone())?;
        sps.get_or_insert(set);
    }
    let (count, mut rest) = rest.split_first().ok_or(bad.clone())?;
    let pps = (0..*count)
        .map(|_| read_set(&mut rest).ok_or(bad.clone()))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(VideoConfig::h264(sps.ok_or(bad)?, &pps)?)
}

fn read_set<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (length, tail) = rest.split_first_chunk::<2>()?;
    let (set, tail) = tail.split_at_checked(u16::from_be_bytes(*length).into())?;
    *rest = tail;
    Some(set)
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::flv::demux::{Demuxed, Demuxer};
    use crate::flv::{self, VIDEO_TAG};
    use crate::frames::{Frame, VideoFrame};
    use crate::test_media::{
        AV1_SEQUENCE_320X180, AV1_SEQUENCE_640X360, Numbers, SPS_640X360, av1_sample, av1_unit,
        h265_key, h265_slice, hvcc, slice, video_config, vp9_frame, vp9_key,
    };
    use crate::time::MediaTime;

    const CODECS: [VideoCodec; 4] = [
        VideoCodec::H264,
        VideoCodec::H265,
        VideoCodec::Vp9,
        VideoCodec::Av1,
    ];

    /// A picture as its codec codes it.
    fn data(codec: VideoCodec, is_keyframe: bool) -> Bytes {
        let mut numbers = Numbers::new(7);
        let data = match (codec, is_keyframe) {
            (VideoCodec::H264, _) => {
                crate::test_media::avcc(&[slice(is_keyframe, 40, &mut numbers)])
            }
            (VideoCodec::H265, true) => hvcc(&h265_key(19, 40, &mut numbers)),
            (VideoCodec::H265, false) => hvcc(&[h265_slice(1, 40, &mut numbers)]),
            (VideoCodec::Vp9, _) => vp9_frame(is_keyframe, 40, &mut numbers),
            (VideoCodec::Av1, _) => av1_sample(&av1_unit(is_keyframe, 40, &mut numbers)),
        };
        data.into()
    }

    /// Four pictures, the second and the last shown later than decoded where the codec can do so.
    fn frames(codec: VideoCodec, start: u64) -> Vec<VideoFrame> {
        let is_reordered = matches!(codec, VideoCodec::H264 | VideoCodec::H265);
        let frame = |index: u64| {
            let dts = MediaTime::from_millis(start + 40 * index);
            let later = if is_reordered { 80 * (index % 2) } else { 0 };
            VideoFrame {
                dts,
                pts: MediaTime::from_millis(dts.as_millis() + later),
                is_keyframe: index == 0,
                config: video_config(codec),
                data: data(codec, index == 0),
            }
        };
        (0..4).map(frame).collect()
    }

    fn tags(frames: &[VideoFrame]) -> Vec<u8> {
        let mut tags = flv::video_sequence_header(frames[0].dts, &frames[0].config).to_vec();
        for frame in frames {
            tags.extend(flv::video_tag(frame).unwrap());
        }
        tags
    }

    fn tag(ms: u64, parts: &[&[u8]]) -> Bytes {
        flv::tag(VIDEO_TAG, MediaTime::from_millis(ms), parts)
    }

    /// What comes of tags, and how many were left out.
    fn read(tags: &[u8]) -> Result<(Vec<VideoFrame>, u64), DemuxError> {
        let (mut demuxer, mut found) = (Demuxer::new(), Vec::new());
        demuxer.handle(&flv::header(true, false));
        demuxer.handle(tags);
        while let Some(next) = demuxer.poll()? {
            match next {
                Demuxed::Frame(Frame::Video(frame)) => found.push(frame),
                other => panic!("{other:?}"),
            }
        }
        Ok((found, demuxer.skipped()))
    }

    #[test]
    fn each_codec_comes_out_as_it_went_in() {
        for codec in CODECS {
            let frames = frames(codec, 1_000);
            assert_eq!(read(&tags(&frames)), Ok((frames, 0)), "{codec:?}");
        }
    }

    #[test]
    fn avc_may_be_named_by_its_four_cc() {
        let mut frames = frames(VideoCodec::H264, 0);
        frames.truncate(2);
        frames[0].is_keyframe = true;
        let record = frames[0].config.configuration_record();
        let mut tags = tag(0, &[b"\x90avc1", record]).to_vec();
        tags.extend(tag(0, &[b"\x93avc1", &frames[0].data]));
        tags.extend(tag(40, &[b"\xa1avc1\0\0\x50", &frames[1].data]));
        assert_eq!(read(&tags), Ok((frames, 0)));
    }

    #[test]
    fn another_codec_begins_with_its_sequence_header() {
        for first in CODECS {
            for second in CODECS.into_iter().filter(|second| *second != first) {
                let (before, after) = (frames(first, 0), frames(second, 200));
                // Pictures of the other one without its sequence header are none of these.
                let stray = flv::video_tag(&frames(second, 160)[0]).unwrap();
                let all = [tags(&before), stray.to_vec(), tags(&after)].concat();
                let expected = [before, after].concat();
                assert_eq!(read(&all), Ok((expected, 1)), "{first:?} to {second:?}");
            }
        }
    }

    #[test]
    fn a_size_that_only_key_frames_say_makes_another_configuration() {
        let record = video_config(VideoCodec::Vp9).configuration_record().clone();
        let mut all = tag(0, &[b"\x90vp09", &record]).to_vec();
        // One that cannot be decoded, and what it takes with it.
        all.extend(tag(0, &[b"\xa1vp09", &[0x86]]));
        all.extend(tag(40, &[b"\x91vp09", &vp9_key(640, 360)]));
        all.extend(tag(80, &[b"\xa1vp09", &[0x86]]));
        all.extend(tag(120, &[b"\x91vp09", &vp9_key(600, 340)]));
        all.extend(tag(160, &[b"\x91vp09", &[0x86]]));
        let (found, skipped) = read(&all).unwrap();
        let sizes = found.iter().map(|f| (f.config.width(), f.is_keyframe));
        let expected = [(640, true), (640, false), (600, true), (600, false)];
        assert_eq!((sizes.collect::<Vec<_>>(), skipped), (expected.to_vec(), 1));
        assert!(Arc::ptr_eq(&found[0].config, &found[1].config));

        let record = video_config(VideoCodec::Av1).configuration_record().clone();
        let unit = |sequence: &[u8]| av1_sample(&[[&[0x08], sequence].concat(), vec![0x30, 0x10]]);
        // The record says no sequence header.
        let mut all = tag(0, &[b"\x90av01", &record[..4]]).to_vec();
        all.extend(tag(0, &[b"\x91av01", &data(VideoCodec::Av1, false)]));
        all.extend(tag(40, &[b"\x91av01", &unit(AV1_SEQUENCE_640X360)]));
        all.extend(tag(80, &[b"\x91av01", &unit(AV1_SEQUENCE_320X180)]));
        let (found, skipped) = read(&all).unwrap();
        let sizes: Vec<_> = found.iter().map(|frame| frame.config.width()).collect();
        assert_eq!((sizes, skipped), (vec![640, 320], 1));
    }

    #[test]
    fn a_picture_that_cannot_be_read_takes_those_up_to_the_next_key_frame_with_it() {
        for (codec, bad) in [
            // A wrong sync code; a size beyond the end.
            (
                VideoCodec::Vp9,
                &[0x82, 0x49, 0x83, 0x43, 0, 0, 0, 0, 0][..],
            ),
            (VideoCodec::Av1, &[0x0a, 40, 0]),
        ] {
            let all = frames(codec, 200);
            let bad = VideoFrame {
                data: Bytes::copy_from_slice(bad),
                ..frames(codec, 160)[0].clone()
            };
            let lost = [bad, all[1].clone(), all[2].clone()];
            let lost: Vec<_> = lost
                .iter()
                .flat_map(|frame| flv::video_tag(frame).unwrap())
                .collect();
            let before = frames(codec, 0);
            let stream = [tags(&before), lost, tags(&frames(codec, 400))].concat();
            let expected = [before, frames(codec, 400)].concat();
            assert_eq!(read(&stream), Ok((expected, 3)), "{codec:?}");
        }
    }

    #[test]
    fn what_ends_a_sequence_and_what_is_said_of_it_is_passed_over() {
        for codec in CODECS {
            let all = frames(codec, 0);
            let four_cc = codec.four_cc();
            let mut stream = tags(&all);
            for more in [&b"\x92"[..], b"\xd4", b"\x91", b"\x93"] {
                stream.extend(tag(160, &[more, &four_cc]));
            }
            if let Some(empty) = flv::empty_picture(codec) {
                stream.extend(tag(160, &[b"\xa3", &four_cc, empty]));
            }
            let (found, skipped) = read(&stream).unwrap();
            assert_eq!(found, all);
            let empty = u64::from(codec != VideoCodec::Vp9);
            assert_eq!(skipped, 4 + empty, "{codec:?}");
        }
    }

    #[test]
    fn records_that_cannot_be_read_leave_the_sound() {
        let avc = [&[1, 66, 0, 30, 0xff, 0xe0, 0][..], SPS_640X360].concat();
        let refused = Err(DemuxError::NoConfigurationRecord);
        assert_eq!(read(&tag(0, &[b"\x90avc1", &avc])), refused);
        for (four_cc, record) in [
            (b"hvc1", &[1; 23][..]),
            (b"vp09", &[0; 7]),
            (b"av01", &[0x82, 0, 0, 0]),
            (b"av01", &[]),
        ] {
            let mut stream = tag(0, &[b"\x90", four_cc, record]).to_vec();
            stream.extend(tag(0, &[b"\x93", four_cc, b"\0\0\x03"]));
            assert_eq!(read(&stream), Ok((Vec::new(), 2)), "{four_cc:?}");
        }
    }

    #[test]
    fn what_is_behind_a_picture_of_a_form_that_is_not_read_waits_for_a_key_frame() {
        let all = frames(VideoCodec::H264, 0);
        let mut stream = tags(&all);
        // A modifier before the picture.
        stream.extend(tag(160, &[b"\xa7\0\0\x01avc1", b"\0\0\x01\x41"]));
        let later = frames(VideoCodec::H264, 200);
        stream.extend(tags(&later[1..]));
        let last = frames(VideoCodec::H264, 400);
        stream.extend(tags(&last));
        let (found, skipped) = read(&stream).unwrap();
        assert_eq!(found, [all, last].concat());
        assert_eq!(skipped, 1 + 3);
    }
}
