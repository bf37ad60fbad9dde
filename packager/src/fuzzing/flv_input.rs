//! FLV of another server, which may be anything.

use bytes::Bytes;

use super::input::Input;
use crate::flv::demux::{DemuxError, Demuxed, Demuxer, MAX_BODY};
use crate::flv::{self, VIDEO_TAG};
use crate::frames::Frame;
use crate::test_media::{
    AV1_SEQUENCE_320X180, AV1_SEQUENCE_640X360, H265_PPS, H265_SPS_640X360, H265_VPS, PPS,
    SPS_320X180, SPS_640X360, vp9_key,
};
use crate::time::MediaTime;
use crate::video::{VideoCodec, VideoConfig};

/// Any bytes are read to their end or refused, whatever pieces they come in, without holding more
/// than a tag; likewise whole tags of the codecs that are read, with any bytes in them. What comes out
/// can be written, and is the same when it is read again.
pub fn flv_demuxer(data: &[u8]) {
    let (&choice, data) = data.split_first().unwrap_or((&0, &[]));
    let mut stream = flv::header(true, true).to_vec();
    match choice & 1 == 0 {
        true => stream.extend_from_slice(data),
        false => put_tags(&mut stream, Input(data)),
    }
    let mut whole = Demuxer::new();
    whole.handle(&stream);
    let expected = read(&mut whole);
    check(&expected.0);
    let mut pieces = Demuxer::new();
    let mut all = Vec::new();
    for piece in stream.chunks(usize::from(choice >> 1) + 1) {
        pieces.handle(piece);
        let (found, error) = read(&mut pieces);
        all.extend(found);
        if error.is_some() {
            assert_eq!((all, error), expected);
            return;
        }
    }
    assert_eq!((all, None), expected);
}

fn read(demuxer: &mut Demuxer) -> (Vec<Demuxed>, Option<DemuxError>) {
    let mut found = Vec::new();
    loop {
        match demuxer.poll() {
            Ok(Some(next)) => found.push(next),
            Ok(None) => return (found, None),
            Err(error) => return (found, Some(error)),
        }
    }
}

/// Video tags with heads of all kinds. Behind them stands what an encoder makes, with some bytes of
/// it changed, or anything.
fn put_tags(stream: &mut Vec<u8>, mut input: Input<'_>) {
    let (mut millis, mut count) = (0, 0);
    while !input.is_empty() && count < MOST_TAGS {
        count += 1;
        let (choice, step) = (input.byte(), input.byte());
        millis += u64::from(step);
        let (four_cc, record, key) = made(choice & 7);
        let mut body = match choice >> 3 & 3 {
            0 => [&b"\x90"[..], &four_cc, &record].concat(),
            1 => [&b"\x93"[..], &four_cc, &key].concat(),
            2 => [&b"\xa1"[..], &four_cc, &[0, 0, step, 0x86]].concat(),
            _ => {
                let head = input.byte();
                [&[head][..], &four_cc].concat()
            }
        };
        if choice & 0x20 != 0 {
            let length = usize::from(input.byte());
            body.extend_from_slice(input.take(length));
        }
        for _ in 0..choice >> 6 {
            let at = usize::from(input.u16()) % body.len();
            body[at] ^= input.byte();
        }
        let time = MediaTime::from_millis(millis);
        stream.extend_from_slice(&flv::tag(VIDEO_TAG, time, &[&body]));
    }
}

/// A FourCC, a configuration record, and a key frame.
fn made(choice: u8) -> ([u8; 4], Bytes, Vec<u8>) {
    let avc = |sps| {
        let config = VideoConfig::h264(sps, &[PPS]).expect("real sets");
        let record = config.configuration_record().clone();
        (
            VideoCodec::H264.four_cc(),
            record,
            vec![0, 0, 0, 2, 0x65, 0x88],
        )
    };
    let av1 = |sequence: &[u8]| {
        let obu = [&[0x0a, sequence.len() as u8], sequence].concat();
        let record = [&[0x81, 0, 0x0c, 0][..], &obu].concat();
        let key = [&obu[..], &[0x32, 2, 0x10, 0]].concat();
        (VideoCodec::Av1.four_cc(), record.into(), key)
    };
    match choice {
        0 => avc(SPS_640X360),
        1 => avc(SPS_320X180),
        2 => av1(AV1_SEQUENCE_640X360),
        3 => av1(AV1_SEQUENCE_320X180),
        4 | 5 => {
            let record = Bytes::from_static(&[0, 30, 0x82, 2, 2, 2, 0, 0]);
            let key = vp9_key(640, 100 * u16::from(choice));
            (VideoCodec::Vp9.four_cc(), record, key)
        }
        6 => {
            let mut record = vec![1; 21];
            record.extend_from_slice(&[0x0f, 3]);
            for (kind, set) in [(32, H265_VPS), (33, H265_SPS_640X360), (34, H265_PPS)] {
                record.extend_from_slice(&[0x80 | kind, 0, 1, 0, set.len() as u8]);
                record.extend_from_slice(set);
            }
            let key = vec![0, 0, 0, 4, 0x26, 0x01, 0xa0, 0x88];
            (VideoCodec::H265.four_cc(), record.into(), key)
        }
        _ => (*b"vvc1", Bytes::from_static(&[0xff; 9]), vec![1, 2, 3]),
    }
}

/// What came out can be written, and is read the same again.
fn check(found: &[Demuxed]) {
    let mut again = flv::header(true, false).to_vec();
    let mut config = None;
    let mut expected = Vec::new();
    for found in found {
        let Demuxed::Frame(Frame::Video(frame)) = found else {
            continue;
        };
        assert!(!frame.data.is_empty() && frame.data.len() <= MAX_BODY);
        assert!(frame.config.width() > 0 && frame.config.height() > 0);
        if config.as_ref() != Some(&frame.config) {
            config = Some(frame.config.clone());
            again.extend_from_slice(&flv::video_sequence_header(frame.dts, &frame.config));
        }
        again.extend_from_slice(&flv::video_tag(frame).expect("it came in a tag"));
        expected.push((&frame.config, frame.is_keyframe, &frame.data));
    }
    let mut demuxer = Demuxer::new();
    demuxer.handle(&again);
    let (read, error) = read(&mut demuxer);
    assert_eq!(error, None);
    let read: Vec<_> = read
        .iter()
        .map(|found| match found {
            Demuxed::Frame(Frame::Video(frame)) => (&frame.config, frame.is_keyframe, &frame.data),
            other => panic!("{other:?} among pictures"),
        })
        .collect();
    assert_eq!(read, expected);
}

/// Tags of one input.
const MOST_TAGS: usize = 200;
