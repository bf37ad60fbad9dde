//! FLV (Adobe Flash Video File Format Specification 10.1, annex E): AVC and AAC tags, and tags of
//! HEVC, VP9 and AV1 (Enhanced RTMP v2, "Enhanced Video").
//!
//! Every function gives whole tags, each followed by its `PreviousTagSize`, so that a stream is
//! a plain concatenation: [`header`], [`metadata_tag`], sequence headers, frames.

pub mod demux;
mod head;

use bytes::{BufMut, Bytes, BytesMut};

use crate::frames::{AudioConfig, AudioFrame, VideoFrame};
use crate::h264::repeated_picture;
use crate::time::MediaTime;
use crate::video::{VideoCodec, VideoConfig};
use head::{CODED_FRAMES, INTER_FRAME, KEY_FRAME, SEQUENCE_START, VideoHead};

const AUDIO_TAG: u8 = 8;
pub(crate) const VIDEO_TAG: u8 = 9;
const SCRIPT_TAG: u8 = 18;

/// E.4.3.1: CodecID 7 is AVC.
const CODEC_AVC: u8 = 7;
/// E.4.2.1: SoundFormat 10 is AAC.
const FORMAT_AAC: u8 = 10;
/// SoundFormat AAC, 44 kHz, 16 bits, stereo: with AAC the other three are fixed, players read
/// the sequence header.
const AAC_TAG_HEADER: u8 = FORMAT_AAC << 4 | 3 << 2 | 1 << 1 | 1;

const TAG_HEADER: usize = 11;
const PREVIOUS_TAG_SIZE: usize = 4;
/// `DataSize` has 24 bits.
const MAX_DATA_SIZE: usize = 0xff_ffff;

/// A frame that no tag can carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a frame of {size} bytes does not fit into an FLV tag: at most {MAX_DATA_SIZE} bytes are allowed"
)]
pub struct TagTooLarge {
    /// Bytes that the tag's data would have.
    pub size: usize,
}

/// The file header and the first `PreviousTagSize` (E.2).
pub fn header(video: bool, audio: bool) -> Bytes {
    let flags = u8::from(video) | u8::from(audio) << 2;
    Bytes::copy_from_slice(&[b'F', b'L', b'V', 1, flags, 0, 0, 0, 9, 0, 0, 0, 0])
}

/// What `onMetaData` says (E.5).
#[derive(Debug, Clone, Copy, Default)]
pub struct Metadata<'a> {
    /// The video track, if there is one.
    pub video: Option<&'a VideoConfig>,
    /// Pictures a second, where they are known.
    pub frame_rate: Option<u32>,
    /// The audio track, if there is one.
    pub audio: Option<&'a AudioConfig>,
}

/// The script data tag `onMetaData`. Live: no duration, no file size.
///
/// Its time is 0 wherever the stream begins: some demuxers take one at any other time for a
/// subtitle.
pub fn metadata_tag(metadata: &Metadata<'_>) -> Bytes {
    let mut properties: Vec<(&str, Value)> = Vec::new();
    if let Some(video) = metadata.video {
        properties.push(("width", Value::Number(video.width().into())));
        properties.push(("height", Value::Number(video.height().into())));
        if let Some(rate) = metadata.frame_rate {
            properties.push(("framerate", Value::Number(rate.into())));
        }
        properties.push((
            "videocodecid",
            Value::Number(codec_id(video.codec()).into()),
        ));
    }
    if let Some(audio) = metadata.audio {
        properties.push(("audiocodecid", Value::Number(FORMAT_AAC.into())));
        properties.push(("audiosamplerate", Value::Number(audio.sample_rate.into())));
        properties.push(("audiosamplesize", Value::Number(16.0)));
        properties.push(("stereo", Value::Boolean(audio.channels == 2)));
    }
    properties.push((
        "encoder",
        Value::Text(concat!("weblive/", env!("CARGO_PKG_VERSION"))),
    ));

    let mut data = BytesMut::with_capacity(256);
    data.put_u8(AMF0_STRING);
    put_name(&mut data, "onMetaData");
    data.put_u8(AMF0_ECMA_ARRAY);
    data.put_u32(properties.len() as u32);
    for (name, value) in properties {
        put_name(&mut data, name);
        match value {
            Value::Number(number) => {
                data.put_u8(AMF0_NUMBER);
                data.put_f64(number);
            }
            Value::Boolean(boolean) => {
                data.put_u8(AMF0_BOOLEAN);
                data.put_u8(boolean.into());
            }
            Value::Text(text) => {
                data.put_u8(AMF0_STRING);
                put_name(&mut data, text);
            }
        }
    }
    data.put_slice(&[0, 0, AMF0_OBJECT_END]);
    tag(SCRIPT_TAG, MediaTime::ZERO, &[&data])
}

/// `videocodecid`: CodecID, or the FourCC of those that have none (E-RTMP v2, "Enhancing onMetaData").
fn codec_id(codec: VideoCodec) -> u32 {
    match codec {
        VideoCodec::H264 => CODEC_AVC.into(),
        VideoCodec::H265 | VideoCodec::Vp9 | VideoCodec::Av1 => u32::from_be_bytes(codec.four_cc()),
    }
}

/// The sequence header: the decoder configuration record.
pub fn video_sequence_header(time: MediaTime, config: &VideoConfig) -> Bytes {
    let head = VideoHead::new(config.codec(), KEY_FRAME, SEQUENCE_START, 0);
    tag(
        VIDEO_TAG,
        time,
        &[head.bytes(), config.configuration_record()],
    )
}

/// The AAC sequence header: the AudioSpecificConfig. FLV carries no other sound here.
pub fn audio_sequence_header(time: MediaTime, config: &AudioConfig) -> Bytes {
    let asc = config.asc().map_or(&[][..], |asc| asc);
    tag(AUDIO_TAG, time, &[&[AAC_TAG_HEADER, 0], asc])
}

/// A picture.
pub fn video_tag(frame: &VideoFrame) -> Result<Bytes, TagTooLarge> {
    let kind = if frame.is_keyframe {
        KEY_FRAME
    } else {
        INTER_FRAME
    };
    let offset = i64::try_from(frame.pts.as_millis()).unwrap_or(i64::MAX)
        - i64::try_from(frame.dts.as_millis()).unwrap_or(i64::MAX);
    // CompositionTime has 24 bits with a sign.
    let offset = offset.clamp(-0x80_0000, 0x7f_ffff) as i32;
    let head = VideoHead::new(frame.config.codec(), kind, CODED_FRAMES, offset);
    checked_tag(VIDEO_TAG, frame.dts, &[head.bytes(), &frame.data])
}

/// Tags to send before the sequence header of another configuration than `told`, when the last
/// picture was `last`: two at most.
///
/// Players that keep back a picture to learn its duration and hand on two at once (mpegts.js, flv.js)
/// have up to two in hand at a sequence header, and give them to the decoder behind it. A browser
/// drops them there: the picture stands, for seconds where two are missing. A key frame among them
/// is not dropped but decoded by the wrong parameter sets, which ends the playback. So two pictures
/// follow that show the same again; where there are none, an empty one behind a key frame.
pub fn closing_tags(time: MediaTime, told: &VideoConfig, last: &LastPicture) -> Vec<Bytes> {
    let at = |before: u64| {
        let time = MediaTime::from_millis(time.as_millis().saturating_sub(before));
        time.max(last.time)
    };
    let inter = VideoHead::new(told.codec(), INTER_FRAME, CODED_FRAMES, 0);
    let repeated = |picture: &[u8]| repeated_picture(told, picture);
    if let Some(first) = repeated(&coded_picture(&last.tag))
        && let Some(second) = repeated(&first)
    {
        return vec![
            tag(VIDEO_TAG, at(2), &[inter.bytes(), &first]),
            tag(VIDEO_TAG, at(1), &[inter.bytes(), &second]),
        ];
    }
    let empty = empty_picture(told.codec()).filter(|_| last.is_keyframe);
    let empty = empty.map(|data| tag(VIDEO_TAG, time, &[inter.bytes(), data]));
    empty.into_iter().collect()
}

/// The last picture that was sent.
#[derive(Debug, Clone)]
pub struct LastPicture {
    /// Its tag, whole.
    pub tag: Bytes,
    /// When it is decoded.
    pub time: MediaTime,
    /// Whether it is a key frame.
    pub is_keyframe: bool,
}

/// The coded picture in a [`video_tag`]; empty if it is none.
pub fn coded_picture(tag: &Bytes) -> Bytes {
    let start = TAG_HEADER + head::size(tag.get(TAG_HEADER..).unwrap_or_default());
    let end = tag.len().saturating_sub(PREVIOUS_TAG_SIZE);
    match start < end {
        true => tag.slice(start..end),
        false => Bytes::new(),
    }
}

/// A delimiter and no picture (Rec. ITU-T H.264, 7.3.2.4; Rec. ITU-T H.265, 7.3.2.5; AV1
/// specification, 5.6): decoders pass over it. VP9 has nothing of the kind.
fn empty_picture(codec: VideoCodec) -> Option<&'static [u8]> {
    match codec {
        VideoCodec::H264 => Some(&DELIMITER),
        // Its length, the type, and "slices of any type".
        VideoCodec::H265 => Some(&[0, 0, 0, 3, 0x46, 0x01, 0x50]),
        // The type, and that it is empty.
        VideoCodec::Av1 => Some(&[0x12, 0]),
        VideoCodec::Vp9 => None,
    }
}

/// An AAC access unit.
pub fn audio_tag(frame: &AudioFrame) -> Result<Bytes, TagTooLarge> {
    checked_tag(AUDIO_TAG, frame.pts, &[&[AAC_TAG_HEADER, 1], &frame.data])
}

/// An access unit delimiter of H.264: its length in four bytes, the type, and "slices of any type".
const DELIMITER: [u8; 6] = [0, 0, 0, 2, 0x09, 0xf0];

// AMF 0 markers (Action Message Format 0, section 2.1).
const AMF0_NUMBER: u8 = 0;
const AMF0_BOOLEAN: u8 = 1;
const AMF0_STRING: u8 = 2;
const AMF0_ECMA_ARRAY: u8 = 8;
const AMF0_OBJECT_END: u8 = 9;

enum Value {
    Number(f64),
    Boolean(bool),
    Text(&'static str),
}

/// A string with its 16-bit length; all of ours are short.
fn put_name(out: &mut BytesMut, name: &str) {
    out.put_u16(name.len() as u16);
    out.put_slice(name.as_bytes());
}

fn checked_tag(kind: u8, time: MediaTime, parts: &[&[u8]]) -> Result<Bytes, TagTooLarge> {
    let size = parts.iter().map(|part| part.len()).sum();
    if size > MAX_DATA_SIZE {
        return Err(TagTooLarge { size });
    }
    Ok(tag(kind, time, parts))
}

/// A whole tag of these parts, which are no more than `DataSize` can say.
pub(crate) fn tag(kind: u8, time: MediaTime, parts: &[&[u8]]) -> Bytes {
    let size: usize = parts.iter().map(|part| part.len()).sum();
    let mut out = BytesMut::with_capacity(TAG_HEADER + size + PREVIOUS_TAG_SIZE);
    out.put_u8(kind);
    out.put_uint(size as u64, 3);
    // 24 bits, then the upper 8 in `TimestampExtended`. 32 bits of milliseconds wrap after 49
    // days of one broadcast; players take the difference.
    let millis = time.as_millis() as u32;
    out.put_uint(u64::from(millis & 0xff_ffff), 3);
    out.put_u8((millis >> 24) as u8);
    out.put_uint(0, 3);
    for part in parts {
        out.put_slice(part);
    }
    out.put_u32((TAG_HEADER + size) as u32);
    out.freeze()
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::sync::Arc;

    use scuffle_flv::file::FlvFile;
    use scuffle_flv::tag::FlvTagData;
    use scuffle_flv::video::body::VideoTagBody;
    use scuffle_flv::video::body::enhanced::{
        ExVideoTagBody, VideoPacket, VideoPacketCodedFrames, VideoPacketSequenceStart,
    };

    use super::*;
    use crate::test_media::{self, PPS, SPS_640X360};

    fn video_config() -> Arc<VideoConfig> {
        Arc::new(VideoConfig::h264(SPS_640X360, &[PPS]).unwrap())
    }

    fn picture(ms: u64, is_keyframe: bool) -> VideoFrame {
        let time = MediaTime::from_millis(ms);
        VideoFrame {
            dts: time,
            pts: time,
            is_keyframe,
            config: video_config(),
            data: Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]),
        }
    }

    fn sound(ms: u64) -> AudioFrame {
        AudioFrame {
            pts: MediaTime::from_millis(ms),
            data: Bytes::from_static(&[0x21, 0x10, 0x04]),
            samples: 1024,
        }
    }

    #[test]
    fn header_is_byte_exact() {
        assert_eq!(&header(true, true)[..], b"FLV\x01\x05\0\0\0\x09\0\0\0\0");
        assert_eq!(header(true, false)[4], 1);
        assert_eq!(header(false, true)[4], 4);
    }

    #[test]
    fn audio_tag_is_byte_exact() {
        let tag = audio_tag(&sound(0x0102_0304)).unwrap();
        assert_eq!(
            &tag[..],
            [
                8, 0, 0, 5, 2, 3, 4, 1, 0, 0, 0, 0xaf, 1, 0x21, 0x10, 4, 0, 0, 0, 16
            ]
        );
    }

    #[test]
    fn metadata_is_byte_exact() {
        let audio = AudioConfig::aac_lc(48_000, 2).unwrap();
        let metadata = Metadata {
            video: Some(&video_config()),
            frame_rate: Some(30),
            audio: Some(&audio),
        };
        let tag = metadata_tag(&metadata);
        insta::assert_snapshot!(crate::test_media::hex(&tag));
    }

    #[test]
    fn key_frame_tag_is_byte_exact() {
        let tag = video_tag(&picture(40, true)).unwrap();
        assert_eq!(
            &tag[..],
            [
                9, 0, 0, 11, 0, 0, 40, 0, 0, 0, 0, 0x17, 1, 0, 0, 0, 0, 0, 0, 2, 0x65, 0x88, 0, 0,
                0, 22
            ]
        );
        assert_eq!(video_tag(&picture(40, false)).unwrap()[11], 0x27);
    }

    #[test]
    fn composition_time_may_be_negative() {
        let mut frame = picture(100, false);
        frame.pts = MediaTime::from_millis(67);
        let tag = video_tag(&frame).unwrap();
        assert_eq!(tag[13..16], [0xff, 0xff, 0xdf]);
    }

    #[test]
    fn sequence_headers_carry_the_configurations() {
        let config = video_config();
        let tag = video_sequence_header(MediaTime::ZERO, &config);
        assert_eq!(tag[11..16], [0x17, 0, 0, 0, 0]);
        assert_eq!(&tag[16..tag.len() - 4], &config.configuration_record()[..]);
        let audio = AudioConfig::aac_lc(48_000, 2).unwrap();
        let tag = audio_sequence_header(MediaTime::ZERO, &audio);
        assert_eq!(tag[11..15], [0xaf, 0, 0x11, 0x90]);
    }

    #[test]
    fn tags_of_vp9_and_av1_are_byte_exact() {
        for (codec, four_cc) in [(VideoCodec::Vp9, b"vp09"), (VideoCodec::Av1, b"av01")] {
            let config = test_media::video_config(codec);
            let tag = video_sequence_header(MediaTime::ZERO, &config);
            assert_eq!(tag[11], 0x90);
            assert_eq!(&tag[12..16], four_cc);
            assert_eq!(&tag[16..tag.len() - 4], &config.configuration_record()[..]);
            let frame = VideoFrame {
                config,
                data: Bytes::from_static(&[1, 2, 3]),
                ..picture(40, true)
            };
            let tag = video_tag(&frame).unwrap();
            let mut expected = vec![9, 0, 0, 8, 0, 0, 40, 0, 0, 0, 0, 0x91];
            expected.extend_from_slice(four_cc);
            expected.extend_from_slice(&[1, 2, 3, 0, 0, 0, 19]);
            assert_eq!(&tag[..], expected);
            let is_keyframe = false;
            let inter = VideoFrame {
                is_keyframe,
                ..frame
            };
            assert_eq!(video_tag(&inter).unwrap()[11], 0xa1);
        }
    }

    #[test]
    fn metadata_names_what_has_no_codec_id_by_its_four_cc() {
        let config = test_media::video_config(VideoCodec::Av1);
        let tag = metadata_tag(&Metadata {
            video: Some(&config),
            ..Metadata::default()
        });
        let mut expected = b"videocodecid\0".to_vec();
        expected.extend_from_slice(&f64::from(0x6176_3031).to_be_bytes());
        assert!(tag.windows(expected.len()).any(|bytes| bytes == expected));
    }

    #[test]
    fn another_demuxer_reads_vp9_and_av1() {
        for codec in [VideoCodec::Vp9, VideoCodec::Av1] {
            let config = test_media::video_config(codec);
            let mut stream = header(true, false).to_vec();
            stream.extend(video_sequence_header(MediaTime::ZERO, &config));
            let key = VideoFrame {
                config: config.clone(),
                ..picture(0, true)
            };
            let last = LastPicture {
                tag: video_tag(&key).unwrap(),
                time: key.dts,
                is_keyframe: true,
            };
            stream.extend_from_slice(&last.tag);
            for closing in closing_tags(MediaTime::from_millis(33), &config, &last) {
                stream.extend_from_slice(&closing);
            }
            let file = FlvFile::demux(&mut Cursor::new(Bytes::from(stream))).unwrap();
            let packets = file.tags.into_iter().map(|tag| match tag.data {
                FlvTagData::Video(video) => match video.body {
                    VideoTagBody::Enhanced(ExVideoTagBody::NoMultitrack {
                        video_four_cc,
                        packet,
                    }) => {
                        assert_eq!(video_four_cc.0, codec.four_cc());
                        packet
                    }
                    other => panic!("{other:?}"),
                },
                other => panic!("{other:?}"),
            });
            let packets: Vec<_> = packets.collect();
            match (&packets[0], codec) {
                (
                    VideoPacket::SequenceStart(VideoPacketSequenceStart::Av1(record)),
                    VideoCodec::Av1,
                ) => {
                    assert_eq!((record.seq_profile, record.seq_level_idx_0), (0, 1));
                }
                (
                    VideoPacket::SequenceStart(VideoPacketSequenceStart::Other(record)),
                    VideoCodec::Vp9,
                ) => {
                    assert_eq!(record.as_ref(), [0, 30, 0x82, 2, 2, 2, 0, 0]);
                }
                (other, _) => panic!("{other:?}"),
            }
            let frames = packets[1..].iter().map(|packet| match packet {
                VideoPacket::CodedFrames(VideoPacketCodedFrames::Other(data)) => &data[..],
                other => panic!("{other:?}"),
            });
            let expected: &[&[u8]] = &[&[0, 0, 0, 2, 0x65, 0x88], &[0x12, 0]];
            let count = if codec == VideoCodec::Av1 { 2 } else { 1 };
            assert!(frames.eq(expected[..count].iter().copied()));
        }
    }

    #[test]
    fn a_frame_above_24_bits_of_length_is_refused() {
        let mut frame = picture(0, true);
        frame.data = Bytes::from(vec![0; MAX_DATA_SIZE]);
        assert_eq!(
            video_tag(&frame),
            Err(TagTooLarge {
                size: MAX_DATA_SIZE + 5
            })
        );
    }

    #[test]
    fn another_demuxer_reads_the_stream() {
        let (video, audio) = (video_config(), AudioConfig::aac_lc(48_000, 2).unwrap());
        let start = MediaTime::from_millis(1_000);
        let metadata = Metadata {
            video: Some(&video),
            frame_rate: None,
            audio: Some(&audio),
        };
        let mut stream = header(true, true).to_vec();
        stream.extend(metadata_tag(&metadata));
        stream.extend(video_sequence_header(start, &video));
        stream.extend(audio_sequence_header(start, &audio));
        for index in 0..10 {
            stream.extend(video_tag(&picture(1_000 + index * 33, index == 0)).unwrap());
            stream.extend(audio_tag(&sound(1_000 + index * 33 + 7)).unwrap());
        }
        let file = FlvFile::demux(&mut Cursor::new(Bytes::from(stream))).unwrap();
        assert!(file.header.is_audio_present && file.header.is_video_present);
        assert_eq!(file.tags.len(), 23);
        assert!(matches!(file.tags[0].data, FlvTagData::ScriptData(_)));
        let times: Vec<u32> = file.tags.iter().map(|tag| tag.timestamp_ms).collect();
        assert!(times.is_sorted());
        let kinds = |kind: fn(&FlvTagData<'_>) -> bool| {
            file.tags.iter().filter(|tag| kind(&tag.data)).count()
        };
        assert_eq!(kinds(|data| matches!(data, FlvTagData::Video(_))), 11);
        assert_eq!(kinds(|data| matches!(data, FlvTagData::Audio(_))), 11);
    }
}
