//! Small media for tests: parameter sets that parse, slices that name them, RTP packets of both
//! tracks on one clock.

// Tests of sound need the encoder.
#![cfg_attr(not(feature = "aac"), allow(dead_code))]

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use packager::frames::{AudioFrame, VideoFrame};
use packager::rtp::{Codec, MediaKind, RtpPacket, SenderReport};
use packager::time::MediaTime;
use packager::video::VideoConfig;

use crate::ingest::{IngestItem, Track};

/// Constrained Baseline, level 3.0, 640x360.
pub(crate) const SPS_640X360: &[u8] = &[0x67, 0x42, 0xc0, 0x1e, 0xda, 0x02, 0x80, 0xbf, 0xe5, 0x40];
/// Constrained Baseline, level 1.3, 320x180.
pub(crate) const SPS_320X180: &[u8] = &[0x67, 0x42, 0xc0, 0x0d, 0xda, 0x05, 0x06, 0x7e, 0x74];
/// PPS 0 of SPS 0.
pub(crate) const PPS: &[u8] = &[0x68, 0xce, 0x3c, 0x80];

/// A frame at `ms`, 640x360.
pub(crate) fn video_frame(ms: u64, is_keyframe: bool) -> VideoFrame {
    let time = MediaTime::from_millis(ms);
    VideoFrame {
        dts: time,
        pts: time,
        is_keyframe,
        config: video_config(SPS_640X360),
        data: Bytes::from_static(&[0, 0, 0, 2, 0x65, 0x88]),
    }
}

pub(crate) fn video_config(sps: &[u8]) -> Arc<VideoConfig> {
    Arc::new(VideoConfig::h264(sps, &[PPS]).unwrap())
}

/// A frame at `ms` of 1,024 samples.
pub(crate) fn audio_frame(ms: u64) -> AudioFrame {
    AudioFrame {
        pts: MediaTime::from_millis(ms),
        data: Bytes::from_static(&[0x21, 0x10]),
        samples: 1_024,
    }
}

/// A publisher: its capture clock is shared by both tracks, its RTP clocks have random-looking
/// bases, and its packets arrive `delay` after capture.
#[derive(Debug)]
pub(crate) struct Publisher {
    pub(crate) start: Instant,
    pub(crate) delay: Duration,
    /// What pictures take longer than sound.
    pub(crate) video_delay: Duration,
    pub(crate) sps: &'static [u8],
    pub(crate) video_base: u32,
    pub(crate) audio_base: u32,
    video_seq: u64,
    audio_seq: u64,
}

impl Publisher {
    /// One whose capture clock starts at `start`.
    pub(crate) fn new(start: Instant) -> Self {
        Self {
            start,
            delay: Duration::ZERO,
            video_delay: Duration::ZERO,
            sps: SPS_640X360,
            video_base: 0xffff_f000,
            audio_base: 0xffff_0000,
            video_seq: 65_000,
            audio_seq: 100,
        }
    }

    fn arrival(&self, ms: f64) -> Instant {
        self.start + self.delay + Duration::from_secs_f64(ms / 1_000.0)
    }

    /// The packets of a picture captured at `ms`: parameter sets before a key frame, the slice
    /// in fragments of 1,000 bytes.
    pub(crate) fn picture(&mut self, ms: f64, is_keyframe: bool, size: usize) -> Vec<IngestItem> {
        let mut nals = Vec::new();
        if is_keyframe {
            nals.extend([self.sps.to_vec(), PPS.to_vec()]);
        }
        nals.push(slice(is_keyframe, size));
        self.access_unit(ms, &nals)
    }

    /// The packets of an access unit captured at `ms`.
    pub(crate) fn access_unit(&mut self, ms: f64, nals: &[Vec<u8>]) -> Vec<IngestItem> {
        let payloads = payloads(nals);
        self.video_packets(ms, Codec::H264, payloads)
    }

    /// The packets of a picture captured at `ms`.
    pub(crate) fn video_packets(
        &mut self,
        ms: f64,
        codec: Codec,
        payloads: Vec<Vec<u8>>,
    ) -> Vec<IngestItem> {
        let last = payloads.len() - 1;
        let packets = payloads.into_iter().enumerate().map(|(index, payload)| {
            self.video_seq += 1;
            IngestItem::Rtp {
                track: Track::LARGE,
                codec,
                packet: RtpPacket {
                    seq: self.video_seq,
                    time: self.video_time(ms),
                    marker: index == last,
                    payload: payload.into(),
                    received: self.arrival(ms) + self.video_delay,
                },
            }
        });
        let packets: Vec<_> = packets.collect();
        packets
    }

    /// The packet of an Opus frame captured from `ms` on.
    pub(crate) fn sound(&mut self, ms: f64, opus: &[u8]) -> IngestItem {
        self.audio_seq += 1;
        IngestItem::Rtp {
            track: Track::Audio,
            codec: Codec::Opus,
            packet: RtpPacket {
                seq: self.audio_seq,
                time: self.audio_time(ms),
                marker: false,
                payload: opus.into(),
                received: self.arrival(ms),
            },
        }
    }

    /// Sender reports of both tracks, sent at `ms`.
    pub(crate) fn reports(&self, ms: f64) -> [IngestItem; 2] {
        let ntp = ((4_000_000_000.0 + ms / 1_000.0) * 4_294_967_296.0) as u64;
        [MediaKind::Audio, MediaKind::Video].map(|kind| IngestItem::SenderReport {
            track: kind.into(),
            report: SenderReport {
                ntp,
                rtp_time: match kind {
                    MediaKind::Audio => self.audio_time(ms),
                    MediaKind::Video => self.video_time(ms),
                },
                received: self.arrival(ms),
            },
        })
    }

    fn video_time(&self, ms: f64) -> u32 {
        self.video_base.wrapping_add((ms * 90.0).round() as u32)
    }

    fn audio_time(&self, ms: f64) -> u32 {
        self.audio_base.wrapping_add((ms * 48.0).round() as u32)
    }
}

/// NAL units as RTP payloads in the way of browsers (RFC 6184): parameter sets in one STAP-A,
/// what has more than 1,000 bytes in FU-A fragments.
pub(crate) fn payloads(nals: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let mut payloads = Vec::new();
    let (sets, others): (Vec<_>, Vec<_>) =
        nals.iter().partition(|nal| matches!(nal[0] & 0x1f, 7 | 8));
    if !sets.is_empty() {
        let mut stap = vec![0x78];
        for set in sets {
            stap.extend_from_slice(&(set.len() as u16).to_be_bytes());
            stap.extend_from_slice(set);
        }
        payloads.push(stap);
    }
    for nal in others {
        if nal.len() <= 1_000 {
            payloads.push(nal.clone());
            continue;
        }
        let parts: Vec<&[u8]> = nal[1..].chunks(998).collect();
        for (index, part) in parts.iter().enumerate() {
            let start = if index == 0 { 0x80 } else { 0 };
            let end = if index + 1 == parts.len() { 0x40 } else { 0 };
            let mut payload = vec![nal[0] & 0xe0 | 28, start | end | nal[0] & 0x1f];
            payload.extend_from_slice(part);
            payloads.push(payload);
        }
    }
    payloads
}

/// A slice of `size` bytes that uses PPS 0.
fn slice(is_idr: bool, size: usize) -> Vec<u8> {
    // ue(0) ue(7) ue(0): first macroblock, an I or P slice, PPS 0.
    let mut nal = vec![if is_idr { 0x65 } else { 0x41 }, 0b1000_1000, 0b1111_1111];
    // No zeros, so that no emulation prevention is needed.
    nal.extend((3..size.max(4)).map(|n| n as u8 | 1));
    nal
}

/// Opus frames of 20 ms, stereo: a tone of `hz` where `is_loud` says so, silence elsewhere.
pub(crate) struct Tone {
    encoder: opus::Encoder,
    hz: f64,
    sample: u64,
}

impl Tone {
    pub(crate) fn new(hz: f64) -> Self {
        let encoder =
            opus::Encoder::new(48_000, opus::Channels::Stereo, opus::Application::LowDelay)
                .unwrap();
        Self {
            encoder,
            hz,
            sample: 0,
        }
    }

    /// Samples by which the decoder's output lags the encoder's input.
    pub(crate) fn lookahead(&mut self) -> u64 {
        self.encoder.get_lookahead().unwrap() as u64
    }

    /// The next frame; `is_loud` is asked for each sample's number.
    pub(crate) fn frame(&mut self, is_loud: &impl Fn(u64) -> bool) -> Vec<u8> {
        let mut pcm = Vec::with_capacity(1_920);
        for _ in 0..960 {
            let phase = self.sample as f64 / 48_000.0 * self.hz * std::f64::consts::TAU;
            let value = if is_loud(self.sample) {
                (phase.sin() * 12_000.0) as i16
            } else {
                0
            };
            pcm.extend([value, value]);
            self.sample += 1;
        }
        self.encoder.encode_vec(&pcm, 1_275).unwrap()
    }
}

/// Decodes AAC frames and remembers when it was loud.
#[cfg(feature = "aac")]
pub(crate) struct AacPlayer {
    decoder: fdk_aac::dec::Decoder,
    /// Sample time and level of the left channel.
    heard: Vec<(u64, i16)>,
}

#[cfg(feature = "aac")]
impl AacPlayer {
    pub(crate) fn new() -> Self {
        let mut decoder = fdk_aac::dec::Decoder::new(fdk_aac::dec::Transport::Raw);
        decoder.config_raw(&[0x11, 0x90]).unwrap();
        Self {
            decoder,
            heard: Vec::new(),
        }
    }

    pub(crate) fn play(&mut self, frame: &AudioFrame) {
        let mut pcm = [0_i16; 2_048];
        assert_eq!(self.decoder.fill(&frame.data).unwrap(), frame.data.len());
        self.decoder.decode_frame(&mut pcm).unwrap();
        // This decoder holds sound back: for concealment, and for its limiter's look-ahead.
        let held_back = u64::from(self.decoder.stream_info().outputDelay);
        let first = frame.pts.as_hz(48_000).saturating_sub(held_back);
        let left = pcm.chunks_exact(2).map(|pair| pair[0]);
        self.heard.extend((first..).zip(left));
    }

    /// The levels from one sample time up to another.
    pub(crate) fn levels(&self, times: std::ops::Range<u64>) -> Vec<f64> {
        let heard = self.heard.iter();
        heard
            .filter(|(time, _)| times.contains(time))
            .map(|(_, level)| f64::from(*level))
            .collect()
    }

    /// First and last sample time at which the level passes `threshold`.
    pub(crate) fn loud_span(&self, threshold: i16) -> (u64, u64) {
        let mut loud = self
            .heard
            .iter()
            .filter(|(_, level)| level.unsigned_abs() > threshold.unsigned_abs())
            .map(|(time, _)| *time);
        let first = loud.next().expect("nothing is loud");
        (first, loud.next_back().unwrap_or(first))
    }
}
