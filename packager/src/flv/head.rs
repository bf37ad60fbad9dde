//! What stands before the data of a video tag: of AVC (FLV specification, E.4.3), or that of codecs
//! named by a FourCC (Enhanced RTMP v2, "Enhanced Video").

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

/// Bytes of a [`VideoHead`]: five, and eight where a composition time stands behind a FourCC.
const HEAD: usize = 5;
const MAX_HEAD: usize = HEAD + 3;

/// AVCPacketType (E.4.3.1) and VideoPacketType (E-RTMP v2): the sequence header, and a frame.
pub(super) const SEQUENCE_START: u8 = 0;
pub(super) const CODED_FRAMES: u8 = 1;
/// VideoPacketType: a frame without a composition time, of codecs that have room for one.
const CODED_FRAMES_X: u8 = 3;
/// E-RTMP v2: a VideoPacketType and a FourCC stand in the place of CodecID.
const IS_EX_HEADER: u8 = 0x80;

/// E.4.3.1 FrameType.
pub(super) const KEY_FRAME: u8 = 1;
pub(super) const INTER_FRAME: u8 = 2;

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

    use crate::flv::{
        LastPicture, closing_tags, coded_picture, header, video_sequence_header, video_tag,
    };
    use crate::frames::VideoFrame;
    use crate::test_media;
    use crate::time::MediaTime;
    use crate::video::VideoCodec;

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
