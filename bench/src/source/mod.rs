//! The generated broadcast: H.264 video and Opus audio on a fixed schedule.

mod audio;
mod h264;

use std::time::{Duration, Instant};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::stamp::Stamp;
use audio::AudioLoop;
use h264::{Picture, Pictures};

/// What the generated broadcast looks like.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SourceConfig {
    /// Pictures a second.
    pub fps: u32,
    /// Mean bits a second of video between key frames, without RTP headers.
    pub video_bps: u32,
    /// The same seed makes the same sizes in the same order.
    pub seed: u64,
}

impl Default for SourceConfig {
    /// 720p30 at 1.9 Mbit/s: with Opus 269 packets a second.
    fn default() -> SourceConfig {
        SourceConfig {
            fps: 30,
            video_bps: 1_900_000,
            seed: 1,
        }
    }
}

/// One track's payloads that leave together: a video frame or an audio packet.
#[derive(Clone, Debug)]
pub struct Burst {
    /// Whether this is video.
    pub is_video: bool,
    /// Whether this is a key frame with its parameter sets.
    pub is_keyframe: bool,
    /// RTP timestamp in the track's own rate (90 kHz or 48 kHz).
    pub rtp_time: u32,
    /// When the schedule wanted it sent.
    pub due: Instant,
    /// RTP payloads in order, each ending in a [`Stamp`] still to be written
    /// (see [`Source::write_stamp`]). The last one gets the marker bit (video).
    pub payloads: Vec<Vec<u8>>,
}

/// Makes the broadcast. Knows no clock and no socket: call [`Source::poll`]
/// when [`Source::next_timeout`] has come.
#[derive(Debug)]
pub struct Source {
    config: SourceConfig,
    start: Instant,
    rng: StdRng,
    pictures: Pictures,
    audio: AudioLoop,
    frames: u64,
    audio_packets: u64,
    keyframe_wanted: bool,
    keyframes: u64,
    stamped: u64,
    video_base: u32,
    audio_base: u32,
}

impl Source {
    /// A broadcast whose first picture, a key frame, is due at `start`.
    ///
    /// # Errors
    ///
    /// When the Opus encoder refuses to start.
    pub fn new(config: SourceConfig, start: Instant) -> anyhow::Result<Source> {
        let mut rng = StdRng::seed_from_u64(config.seed);
        let (video_base, audio_base) = (rng.random(), rng.random());
        Ok(Source {
            config,
            start,
            rng,
            pictures: Pictures::new(),
            audio: AudioLoop::new()?,
            frames: 0,
            audio_packets: 0,
            keyframe_wanted: true,
            keyframes: 0,
            stamped: 0,
            video_base,
            audio_base,
        })
    }

    /// Makes the next picture a key frame.
    pub fn request_keyframe(&mut self) {
        self.keyframe_wanted = true;
    }

    /// Key frames made so far.
    pub fn keyframes(&self) -> u64 {
        self.keyframes
    }

    /// When the next burst is due.
    pub fn next_timeout(&self) -> Instant {
        self.video_due().min(self.audio_due())
    }

    /// The next burst that is due at `now`, if any. Call until `None`.
    pub fn poll(&mut self, now: Instant) -> Option<Burst> {
        if self.next_timeout() > now {
            return None;
        }
        if self.audio_due() <= self.video_due() {
            Some(self.next_audio())
        } else {
            Some(self.next_video())
        }
    }

    /// Numbers the payload and writes its stamp. Call just before the payload
    /// goes to the network, in the order of sending.
    pub fn write_stamp(&mut self, is_video: bool, payload: &mut [u8], sent_micros: u64) {
        let stamp = Stamp {
            index: self.stamped,
            sent_micros,
        };
        let end = payload.len() - usize::from(is_video && h264::ends_in_stop(payload));
        stamp.write(&mut payload[..end]);
        self.stamped += 1;
    }

    fn video_due(&self) -> Instant {
        let nanos = self.frames * 1_000_000_000 / u64::from(self.config.fps);
        self.start + Duration::from_nanos(nanos)
    }

    fn audio_due(&self) -> Instant {
        self.start + AudioLoop::PACKET * self.audio_packets as u32
    }

    fn next_video(&mut self) -> Burst {
        let due = self.video_due();
        let is_keyframe = std::mem::take(&mut self.keyframe_wanted);
        let mean = (self.config.video_bps / 8 / self.config.fps).max(64);
        let size = if is_keyframe {
            mean * KEYFRAME_SCALE
        } else {
            self.rng.random_range(mean * 3 / 4..=mean * 5 / 4)
        };
        let picture = if is_keyframe {
            self.keyframes += 1;
            Picture::Key
        } else {
            Picture::Delta
        };
        let payloads = self.pictures.write(picture, size as usize, &mut self.rng);
        let ticks = self.frames * 90_000 / u64::from(self.config.fps);
        self.frames += 1;
        Burst {
            is_video: true,
            is_keyframe,
            rtp_time: self.video_base.wrapping_add(ticks as u32),
            due,
            payloads,
        }
    }

    fn next_audio(&mut self) -> Burst {
        let due = self.audio_due();
        let ticks = self.audio_packets * u64::from(AudioLoop::TICKS);
        let payload = self.audio.packet(self.audio_packets).to_vec();
        self.audio_packets += 1;
        Burst {
            is_video: false,
            is_keyframe: false,
            rtp_time: self.audio_base.wrapping_add(ticks as u32),
            due,
            payloads: vec![payload],
        }
    }
}

/// A key frame of a live encoder at this rate is about five mean frames.
const KEYFRAME_SCALE: u32 = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stamp::Mark;

    fn seconds(config: SourceConfig, seconds: u64) -> Vec<Burst> {
        let start = Instant::now();
        let mut source = Source::new(config, start).unwrap();
        let mut bursts = Vec::new();
        let end = start + Duration::from_secs(seconds) - Duration::from_nanos(1);
        while let Some(mut burst) = source.poll(end) {
            for payload in &mut burst.payloads {
                source.write_stamp(burst.is_video, payload, 7);
            }
            bursts.push(burst);
        }
        bursts
    }

    #[test]
    fn the_default_is_269_packets_and_about_two_megabits_a_second() {
        let bursts = seconds(SourceConfig::default(), 60);
        let packets: usize = bursts.iter().map(|b| b.payloads.len()).sum();
        let video: usize = bursts
            .iter()
            .filter(|b| b.is_video)
            .flat_map(|b| &b.payloads)
            .map(Vec::len)
            .sum();
        let per_second = packets as f64 / 60.0;
        assert!((264.0..274.0).contains(&per_second), "{per_second}");
        let bps = video as f64 * 8.0 / 60.0;
        assert!((1_880_000.0..1_940_000.0).contains(&bps), "{bps}");
    }

    #[test]
    fn every_payload_fits_and_is_stamped_in_order() {
        let mut next = 0;
        for burst in seconds(SourceConfig::default(), 3) {
            for payload in &burst.payloads {
                assert!(payload.len() <= 1_200);
                match Stamp::read(payload) {
                    Mark::Whole(stamp) => assert_eq!(stamp.index, next),
                    other => panic!("{other:?}"),
                }
                next += 1;
            }
        }
    }

    #[test]
    fn the_same_seed_makes_the_same_broadcast() {
        let (a, b) = (
            seconds(SourceConfig::default(), 2),
            seconds(SourceConfig::default(), 2),
        );
        let bytes = |bursts: &[Burst]| -> Vec<Vec<u8>> {
            bursts.iter().flat_map(|b| b.payloads.clone()).collect()
        };
        assert_eq!(bytes(&a), bytes(&b));
        let other = seconds(
            SourceConfig {
                seed: 2,
                ..SourceConfig::default()
            },
            2,
        );
        assert_ne!(bytes(&a), bytes(&other));
    }

    #[test]
    fn only_the_start_and_requests_make_key_frames() {
        let start = Instant::now();
        let mut source = Source::new(SourceConfig::default(), start).unwrap();
        let mut keys = Vec::new();
        let mut frames = 0;
        while frames < 90 {
            let burst = source.poll(source.next_timeout()).unwrap();
            if burst.is_video {
                if burst.is_keyframe {
                    keys.push(frames);
                }
                frames += 1;
                if frames == 40 {
                    source.request_keyframe();
                }
            }
        }
        assert_eq!(keys, [0, 40]);
        assert_eq!(source.keyframes(), 2);
    }
}
