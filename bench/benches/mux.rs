//! What one broadcast costs the relay, step by step: depacketize, FLV, fMP4,
//! Opus to AAC. Each group is named by the question that it answers.

#![allow(missing_docs, reason = "criterion's macros make the public items")]
#![allow(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

use std::hint::black_box;
use std::time::{Duration, Instant};

use bench::source::{Source, SourceConfig};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use packager::flv;
use packager::fmp4::{self, Fragment};
use packager::frames::{AudioFrame, VideoFrame};
use packager::h264::Depacketizer;
use packager::rtp::RtpPacket;
use packager::time::MediaTime;
use packager::video::DepacketizerLimits;
use relay::transcoder::AudioTranscoder;

/// Two seconds of the generated broadcast: one segment.
struct Segment {
    video_packets: Vec<RtpPacket>,
    opus: Vec<Vec<u8>>,
    video: Vec<VideoFrame>,
    audio: Vec<AudioFrame>,
}

const SEGMENT: Duration = Duration::from_secs(2);
const AAC_SAMPLES: u32 = 1_024;

impl Segment {
    fn new() -> Segment {
        let start = Instant::now();
        let mut source = Source::new(SourceConfig::default(), start).unwrap();
        let mut video_packets = Vec::new();
        let mut opus = Vec::new();
        let end = start + SEGMENT - Duration::from_nanos(1);
        while let Some(burst) = source.poll(end) {
            let last = burst.payloads.len() - 1;
            for (index, mut payload) in burst.payloads.into_iter().enumerate() {
                source.write_stamp(burst.is_video, &mut payload, 0);
                if !burst.is_video {
                    opus.push(payload);
                    continue;
                }
                video_packets.push(RtpPacket {
                    seq: video_packets.len() as u64,
                    time: burst.rtp_time,
                    marker: index == last,
                    payload: payload.into(),
                    received: burst.due,
                });
            }
        }
        let video = frames(&video_packets);
        assert_eq!(video.len(), 60, "every picture is whole");
        let data = bytes::Bytes::from(vec![0x21; 340]);
        let audio = (0..SEGMENT.as_secs() * 48_000 / u64::from(AAC_SAMPLES))
            .map(|number| AudioFrame {
                pts: MediaTime::from_hz(number * u64::from(AAC_SAMPLES), 48_000),
                data: data.clone(),
                samples: AAC_SAMPLES,
            })
            .collect();
        Segment {
            video_packets,
            opus,
            video,
            audio,
        }
    }
}

fn frames(packets: &[RtpPacket]) -> Vec<VideoFrame> {
    let mut depacketizer = Depacketizer::new(DepacketizerLimits::default());
    let mut frames = Vec::new();
    for packet in packets {
        depacketizer.handle_packet(packet);
        while let Some(unit) = depacketizer.poll_access_unit() {
            let time = MediaTime::from_hz(frames.len() as u64 * 3_000, 90_000);
            frames.push(VideoFrame {
                dts: time,
                pts: time,
                is_keyframe: unit.is_keyframe,
                config: unit.config,
                data: unit.data,
            });
        }
    }
    frames
}

fn depacketize(c: &mut Criterion) {
    let segment = Segment::new();
    let mut group = c.benchmark_group("What does it cost to put 2 s of 720p30 together?");
    group.throughput(Throughput::Elements(segment.video_packets.len() as u64));
    group.bench_function("H.264 packets", |b| {
        b.iter(|| black_box(frames(black_box(&segment.video_packets))).len());
    });
    group.finish();
}

fn write_flv(c: &mut Criterion) {
    let segment = Segment::new();
    let mut group = c.benchmark_group("What does it cost to write 2 s of 720p30 as FLV?");
    group.throughput(Throughput::Elements(
        (segment.video.len() + segment.audio.len()) as u64,
    ));
    group.bench_function("tags", |b| {
        b.iter(|| {
            for frame in &segment.video {
                black_box(flv::video_tag(black_box(frame)).unwrap());
            }
            for frame in &segment.audio {
                black_box(flv::audio_tag(black_box(frame)).unwrap());
            }
        });
    });
    group.finish();
}

fn write_fmp4(c: &mut Criterion) {
    let segment = Segment::new();
    let bytes: usize = segment.video.iter().map(|f| f.data.len()).sum::<usize>()
        + segment.audio.iter().map(|f| f.data.len()).sum::<usize>();
    let mut group = c.benchmark_group("What does it cost to write a 2 s segment as fMP4?");
    group.throughput(Throughput::Bytes(bytes as u64));
    group.bench_function("moof and mdat", |b| {
        b.iter(|| {
            fmp4::fragment(black_box(&Fragment {
                sequence: 1,
                video: &segment.video,
                audio: &segment.audio,
                audio_timescale: 48_000,
                audio_rolls: false,
                video_end: MediaTime::from_duration(SEGMENT),
                starts_segment: true,
            }))
            .unwrap()
        });
    });
    group.finish();
}

fn transcode(c: &mut Criterion) {
    let segment = Segment::new();
    let mut group = c.benchmark_group("What does it cost to make AAC from 2 s of stereo Opus?");
    group.throughput(Throughput::Elements(segment.opus.len() as u64));
    let mut transcoder = AudioTranscoder::new(128_000).unwrap();
    let mut at = 0;
    group.bench_function("packets", |b| {
        b.iter(|| {
            let mut frames = Vec::new();
            for packet in &segment.opus {
                let time = MediaTime::from_hz(at, 48_000);
                transcoder.push(packet, time, &mut frames).unwrap();
                at += 960;
            }
            black_box(frames)
        });
    });
    group.finish();
}

criterion_group!(benches, depacketize, write_flv, write_fmp4, transcode);
criterion_main!(benches);
