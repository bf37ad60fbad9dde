//! What stands before the data of a video tag: of AVC (FLV specification, E.4.3), or that of codecs
//! named by a FourCC (Enhanced RTMP v2, "Enhanced Video"); written, and read.

use super::CODEC_AVC;
use crate::video::VideoCodec;

/// What stands before the data of a video tag.
pub(super) struct VideoHead {
    bytes: [u8; MAX_HEAD],
    length: usize,
}

impl VideoHead {
    /// `packet` is AVCPacketType, or VideoPacketType with the same numbers. Only AVC and HEVC have
    /// room for a composition time: pictures of VP9 and AV1 are shown in the order in which they are
    /// decoded.
    pub(super) fn new(codec: VideoCodec, frame: u8, packet: u8, composition_time: i32) -> Self {
        let [_, high, middle, low] = composition_time.to_be_bytes();
        let [a, b, c, d] = codec.four_cc();
        let has_time = codec == VideoCodec::H265 && packet == CODED_FRAMES && composition_time != 0;
        let packet = match codec {
            // The same without a composition time, which is 0.
            VideoCodec::H265 if packet == CODED_FRAMES && !has_time => CODED_FRAMES_X,
            _ => packet,
        };
        let bytes = match codec {
            VideoCodec::H264 => [frame << 4 | CODEC_AVC, packet, high, middle, low, 0, 0, 0],
            VideoCodec::H265 | VideoCodec::Vp9 | VideoCodec::Av1 => {
                let first = IS_EX_HEADER | frame << 4 | packet;
                [first, a, b, c, d, high, middle, low]
            }
        };
        let length = if has_time { MAX_HEAD } else { HEAD };
        Self { bytes, length }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

/// Bytes of the [`VideoHead`] at the start of a tag's data.
pub(super) fn size(data: &[u8]) -> usize {
    let is_coded = data
        .first()
        .is_some_and(|first| first & 0x8f == IS_EX_HEADER | CODED_FRAMES);
    let is_hevc = data.get(1..HEAD) == Some(&VideoCodec::H265.four_cc()[..]);
    if is_coded && is_hevc { MAX_HEAD } else { HEAD }
}

/// What is read of the head of a video tag.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReadHead {
    pub(super) codec: VideoCodec,
    pub(super) is_keyframe: bool,
    pub(super) packet: Packet,
    /// Bytes before the data.
    pub(super) length: usize,
}

/// What the data behind a head is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Packet {
    /// A decoder configuration record.
    SequenceStart,
    /// A picture, which is shown so many milliseconds after it is decoded.
    Frame { composition_time: i32 },
    /// Nothing that is needed: the end of a sequence, a command, metadata of the pictures.
    Other,
}

/// Why a head is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHead {
    /// It is cut short.
    Short,
    /// It is of another codec, or of a form that is not read: several tracks in one tag, MPEG-2 TS,
    /// modifiers.
    OtherCodec,
}

/// Reads the head of a video tag's data.
pub(super) fn read(data: &[u8]) -> Result<ReadHead, NoHead> {
    let first = *data.first().ok_or(NoHead::Short)?;
    match first & IS_EX_HEADER == 0 {
        true => read_avc(first, data),
        false => read_enhanced(first, data),
    }
}

fn read_avc(first: u8, data: &[u8]) -> Result<ReadHead, NoHead> {
    if first & 0x0f != CODEC_AVC {
        return Err(NoHead::OtherCodec);
    }
    let [_, kind, offset @ ..] = *data.first_chunk::<HEAD>().ok_or(NoHead::Short)?;
    Ok(ReadHead {
        codec: VideoCodec::H264,
        is_keyframe: first >> 4 == KEY_FRAME,
        packet: match kind {
            SEQUENCE_START => Packet::SequenceStart,
            CODED_FRAMES => Packet::Frame {
                composition_time: signed(offset),
            },
            _ => Packet::Other,
        },
        length: HEAD,
    })
}

fn read_enhanced(first: u8, data: &[u8]) -> Result<ReadHead, NoHead> {
    let (frame, kind) = (first >> 4 & 0x07, first & 0x0f);
    if kind > METADATA {
        return Err(NoHead::OtherCodec);
    }
    let [_, four_cc @ ..] = *data.first_chunk::<HEAD>().ok_or(NoHead::Short)?;
    let codec = match frame == COMMAND_FRAME && kind != METADATA {
        // A command has no FourCC.
        true => VideoCodec::H264,
        false => VideoCodec::of_four_cc(four_cc).ok_or(NoHead::OtherCodec)?,
    };
    let has_time = matches!(codec, VideoCodec::H264 | VideoCodec::H265);
    let mut length = HEAD;
    let packet = match kind {
        _ if frame == COMMAND_FRAME => Packet::Other,
        SEQUENCE_START => Packet::SequenceStart,
        CODED_FRAMES if has_time => {
            let offset = data.get(HEAD..).and_then(|rest| rest.first_chunk());
            length = MAX_HEAD;
            Packet::Frame {
                composition_time: signed(*offset.ok_or(NoHead::Short)?),
            }
        }
        CODED_FRAMES | CODED_FRAMES_X => Packet::Frame {
            composition_time: 0,
        },
        _ => Packet::Other,
    };
    Ok(ReadHead {
        codec,
        is_keyframe: frame == KEY_FRAME,
        packet,
        length,
    })
}

/// A number of 24 bits with a sign.
fn signed([high, middle, low]: [u8; 3]) -> i32 {
    i32::from_be_bytes([high, middle, low, 0]) >> 8
}

/// Bytes of a [`VideoHead`]: five, and eight where a composition time stands behind a FourCC.
const HEAD: usize = 5;
const MAX_HEAD: usize = HEAD + 3;

/// AVCPacketType (E.4.3.1) and VideoPacketType (E-RTMP v2): the sequence header, and a frame.
pub(super) const SEQUENCE_START: u8 = 0;
pub(super) const CODED_FRAMES: u8 = 1;
/// VideoPacketType: a frame without a composition time, of codecs that have room for one.
const CODED_FRAMES_X: u8 = 3;
/// VideoPacketType: what says more of the pictures, as of their brightness. Those above it are MPEG-2
/// TS, several tracks in one tag, and modifiers.
const METADATA: u8 = 4;
/// E-RTMP v2: a VideoPacketType and a FourCC stand in the place of CodecID.
const IS_EX_HEADER: u8 = 0x80;

/// E.4.3.1 FrameType.
pub(super) const KEY_FRAME: u8 = 1;
pub(super) const INTER_FRAME: u8 = 2;
/// A command to players instead of a picture.
const COMMAND_FRAME: u8 = 5;

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use bytes::Bytes;
    use scuffle_flv::file::FlvFile;
    use scuffle_flv::tag::FlvTagData;
    use scuffle_flv::video::body::VideoTagBody;
    use scuffle_flv::video::body::enhanced::{
        ExVideoTagBody, VideoPacket, VideoPacketCodedFrames, VideoPacketSequenceStart,
    };

    use super::*;
    use crate::flv::{
        LastPicture, closing_tags, coded_picture, header, video_sequence_header, video_tag,
    };
    use crate::frames::VideoFrame;
    use crate::test_media;
    use crate::time::MediaTime;

    #[test]
    fn heads_of_all_forms_are_read() {
        let frame = |composition_time| Packet::Frame { composition_time };
        for (data, codec, is_keyframe, packet, length) in [
            (
                &b"\x17\0\0\0\0"[..],
                VideoCodec::H264,
                true,
                Packet::SequenceStart,
                5,
            ),
            (
                b"\x27\x01\xff\xff\xdf",
                VideoCodec::H264,
                false,
                frame(-33),
                5,
            ),
            (b"\x17\x02\0\0\0", VideoCodec::H264, true, Packet::Other, 5),
            (
                b"\x90avc1",
                VideoCodec::H264,
                true,
                Packet::SequenceStart,
                5,
            ),
            (b"\x91avc1\0\0\x28", VideoCodec::H264, true, frame(40), 8),
            (b"\xa3avc1", VideoCodec::H264, false, frame(0), 5),
            (
                b"\xa1hvc1\xff\xff\xfe",
                VideoCodec::H265,
                false,
                frame(-2),
                8,
            ),
            (b"\x93hvc1", VideoCodec::H265, true, frame(0), 5),
            (b"\x91vp09", VideoCodec::Vp9, true, frame(0), 5),
            (b"\xa3av01", VideoCodec::Av1, false, frame(0), 5),
            (b"\x92av01", VideoCodec::Av1, true, Packet::Other, 5),
            (b"\xd4hvc1", VideoCodec::H265, false, Packet::Other, 5),
            (b"\xd1\0\0\0\0", VideoCodec::H264, false, Packet::Other, 5),
        ] {
            let expected = ReadHead {
                codec,
                is_keyframe,
                packet,
                length,
            };
            assert_eq!(read(data), Ok(expected), "{data:?}");
            for cut in 1..length {
                assert_eq!(read(&data[..cut]), Err(NoHead::Short), "{data:?} to {cut}");
            }
        }
        assert_eq!(read(b""), Err(NoHead::Short));
        // H.263, VP8, VVC; MPEG-2 TS, several tracks, modifiers.
        for data in [
            &b"\x12\x01\x02\x03\x04"[..],
            b"\x91vp08\0",
            b"\x90vvc1\0",
            b"\x95av01\0",
            b"\x96\x01av01",
            b"\x97\x02\0\0\0\x01av01",
        ] {
            assert_eq!(read(data), Err(NoHead::OtherCodec), "{data:?}");
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let codecs = [
            VideoCodec::H264,
            VideoCodec::H265,
            VideoCodec::Vp9,
            VideoCodec::Av1,
        ];
        for codec in codecs {
            for (time, is_keyframe) in [(0, true), (80, false), (-0x80_0000, true)] {
                let frame = if is_keyframe { KEY_FRAME } else { INTER_FRAME };
                let written = VideoHead::new(codec, frame, CODED_FRAMES, time);
                let has_time = matches!(codec, VideoCodec::H264 | VideoCodec::H265);
                let expected = ReadHead {
                    codec,
                    is_keyframe,
                    packet: Packet::Frame {
                        composition_time: if has_time { time } else { 0 },
                    },
                    length: written.bytes().len(),
                };
                assert_eq!(read(written.bytes()), Ok(expected));
                assert_eq!(size(written.bytes()), expected.length);
            }
        }
    }

    fn picture(ms: u64, is_keyframe: bool) -> VideoFrame {
        let time = MediaTime::from_millis(ms);
        VideoFrame {
            dts: time,
            pts: time,
            is_keyframe,
            config: test_media::video_config(VideoCodec::H265),
            data: Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]),
        }
    }

    #[test]
    fn tags_of_hevc_have_a_composition_time_where_there_is_one() {
        let config = test_media::video_config(VideoCodec::H265);
        let tag = video_sequence_header(MediaTime::ZERO, &config);
        assert_eq!(tag[11..16], *b"\x90hvc1");
        assert_eq!(&tag[16..tag.len() - 4], &config.configuration_record()[..]);
        let mut frame = VideoFrame {
            data: Bytes::from_static(&[1, 2, 3]),
            ..picture(40, true)
        };
        let plain = video_tag(&frame).unwrap();
        assert_eq!(plain[11..19], *b"\x93hvc1\x01\x02\x03");
        frame.pts = MediaTime::from_millis(38);
        frame.is_keyframe = false;
        let reordered = video_tag(&frame).unwrap();
        assert_eq!(reordered[11..22], *b"\xa1hvc1\xff\xff\xfe\x01\x02\x03");
        for tag in [plain, reordered] {
            assert_eq!(coded_picture(&tag), frame.data);
        }
    }

    #[test]
    fn another_demuxer_reads_hevc() {
        let config = test_media::video_config(VideoCodec::H265);
        let mut key = picture(0, true);
        let mut stream = header(true, false).to_vec();
        stream.extend(video_sequence_header(MediaTime::ZERO, &config));
        stream.extend(video_tag(&key).unwrap());
        key.pts = MediaTime::from_millis(80);
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
        let mut pictures = Vec::new();
        for tag in file.tags {
            let FlvTagData::Video(video) = tag.data else {
                panic!("{:?}", tag.data);
            };
            let VideoTagBody::Enhanced(ExVideoTagBody::NoMultitrack {
                video_four_cc,
                packet,
            }) = video.body
            else {
                panic!("{:?}", video.body);
            };
            assert_eq!(video_four_cc.0, *b"hvc1");
            match packet {
                VideoPacket::SequenceStart(VideoPacketSequenceStart::Hevc(record)) => {
                    assert_eq!(
                        (record.general_profile_idc, record.general_level_idc),
                        (1, 63)
                    );
                    assert_eq!(record.arrays.len(), 3);
                }
                VideoPacket::CodedFramesX { data } => pictures.push((0, data.to_vec())),
                VideoPacket::CodedFrames(VideoPacketCodedFrames::Hevc {
                    composition_time_offset,
                    data,
                }) => pictures.push((composition_time_offset, data.to_vec())),
                other => panic!("{other:?}"),
            }
        }
        let whole = vec![0, 0, 0, 2, 0x65, 0x88];
        let delimiter = vec![0, 0, 0, 3, 0x46, 0x01, 0x50];
        assert_eq!(pictures, [(0, whole.clone()), (80, whole), (0, delimiter)]);
    }
}
