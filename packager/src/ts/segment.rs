//! A Media Segment of fMP4 as one of a Transport Stream.

use std::iter;

use bytes::{BufMut, Bytes};

use super::fragments::{Sample, Samples};
use super::packets::{self, Front, Track, packets_of, packets_short};
use super::pes::{self, Times};
use super::{AUDIO_PID, HZ, PMT_PID, Program, TsError, VIDEO_PID};
use crate::aac::SAMPLES_PER_FRAME;

/// Writes the Media Segment of this Media Sequence Number. `fmp4` has the same one as fragments,
/// as the segmenter makes it.
///
/// # Errors
/// The fragments do not read, or a frame does not fit.
pub fn segment(program: &Program, sequence: u64, fmp4: &[u8]) -> Result<Bytes, TsError> {
    let sample_rate = program.sound.map_or(1, |sound| sound.sample_rate);
    let mut samples = Samples::read(fmp4, sample_rate)?;
    if program.video.is_none() {
        samples.video.clear();
    }
    if program.sound.is_none() {
        samples.audio.clear();
    }
    let mut writer = Writer {
        program,
        out: Vec::with_capacity(fmp4.len() + fmp4.len() / 8 + 8 * 1_024),
        video: Track::new(VIDEO_PID),
        audio: Track::new(AUDIO_PID),
        clock: None,
        fills: MAX_FILLS,
        payload: Vec::new(),
    };
    let (pat, pmt) = (program.pat(), program.pmt());
    packets::write_section(&mut writer.out, PAT_PID, sequence, &pat);
    packets::write_section(&mut writer.out, PMT_PID, sequence, &pmt);
    writer.write_samples(&samples)?;
    Ok(writer.out.into())
}

const PAT_PID: u16 = 0;

struct Writer<'a> {
    program: &'a Program,
    out: Vec<u8>,
    video: Track,
    audio: Track,
    /// The media time that the last clock reference stands for.
    clock: Option<i64>,
    /// Clock references that may still be written by themselves.
    fills: u32,
    payload: Vec<u8>,
}

impl Writer<'_> {
    fn write_samples(&mut self, samples: &Samples<'_>) -> Result<(), TsError> {
        let mut pictures = samples.video.iter().peekable();
        let mut sounds = &samples.audio[..];
        let mut is_first = true;
        loop {
            // A segment begins with a picture, if it has one.
            let sound_is_next = match (pictures.peek(), sounds.first()) {
                (Some(picture), Some(sound)) => !is_first && sound.dts < picture.dts,
                (None, Some(_)) => true,
                _ => false,
            };
            if sound_is_next {
                let (group, later) = sounds.split_at(self.group_len(sounds));
                sounds = later;
                self.write_sound(group, later.is_empty())?;
            } else if let Some(picture) = pictures.next() {
                self.write_picture(picture, pictures.peek().is_none())?;
            } else {
                break;
            }
            is_first = false;
        }
        let of_clock = match self.program.pcr_pid() {
            VIDEO_PID if !samples.video.is_empty() => &samples.video,
            _ => &samples.audio,
        };
        if let Some(last) = of_clock.last() {
            self.advance_to(last.end);
        }
        Ok(())
    }

    fn write_picture(&mut self, picture: &Sample<'_>, last: bool) -> Result<(), TsError> {
        self.advance_to(picture.dts);
        self.clock = Some(picture.dts);
        self.payload.clear();
        if let Some(video) = &self.program.video {
            let sets = video.parameter_sets.iter().map(|set| &set[..]);
            let sets = sets.filter(|_| picture.is_keyframe);
            for unit in iter::once(video.delimiter).chain(sets) {
                self.payload.extend([0, 0, 0, 1]);
                self.payload.extend(unit);
            }
        }
        let mut rest = picture.data;
        while let Some((length, tail)) = rest.split_first_chunk() {
            let length = u32::from_be_bytes(*length) as usize;
            let unit = tail.get(..length).filter(|unit| !unit.is_empty());
            self.payload.extend([0, 0, 1]);
            self.payload.extend(unit.ok_or(TsError::Picture)?);
            rest = &tail[length..];
        }
        if !rest.is_empty() {
            return Err(TsError::Picture);
        }
        let front = Front {
            is_random_access: picture.is_keyframe,
            pcr: Some(reference(picture.dts)),
        };
        let times = self.times_of(picture);
        let Self { video, out, .. } = self;
        write_unit(out, video, pes::VIDEO, times, front, &self.payload, last);
        Ok(())
    }

    /// Frames may be shown before the time at which they are decoded
    /// ([`DecodeClock`](crate::frames::DecodeClock)), for which time stamps have no words. A stream
    /// that may reorder pictures is decoded earlier from its first picture on, so that its decode
    /// times rise from each segment to the next, whichever of them have such pictures. What is
    /// shown earlier all the same is shown when it is decoded.
    fn times_of(&self, picture: &Sample<'_>) -> Times {
        let reorders = self.program.video.as_ref().is_some_and(|v| v.reorders);
        let early = if reorders { REORDERING } else { 0 };
        let dts = picture.dts - early;
        Times {
            dts: stamp(dts),
            pts: stamp(picture.pts.max(dts)),
        }
    }

    /// Writes access units that follow each other as one unit.
    fn write_sound(&mut self, group: &[Sample<'_>], last: bool) -> Result<(), TsError> {
        let (Some(first), Some(sound)) = (group.first(), self.program.sound) else {
            return Ok(());
        };
        self.advance_to(first.dts);
        let has_clock = self.program.pcr_pid() == AUDIO_PID;
        if has_clock {
            self.clock = Some(first.dts);
        } else if self.clock.is_none() {
            // Pictures are named, and this segment has none.
            self.write_clock(first.dts);
        }
        self.payload.clear();
        for frame in group {
            self.payload.extend(sound.header(frame.data.len())?);
            self.payload.extend(frame.data);
        }
        let front = Front {
            is_random_access: has_clock,
            pcr: has_clock.then(|| reference(first.dts)),
        };
        let at = stamp(first.pts);
        let times = Times { dts: at, pts: at };
        let Self { audio, out, .. } = self;
        write_unit(out, audio, pes::AUDIO, times, front, &self.payload, last);
        Ok(())
    }

    /// How many of these access units go into one unit: the time stamp is that of the first, the
    /// others follow without a hole.
    fn group_len(&self, sounds: &[Sample<'_>]) -> usize {
        let Some(first) = sounds.first() else {
            return 0;
        };
        let rate = i64::from(self.program.sound.map_or(1, |sound| sound.sample_rate));
        let frame = i64::from(SAMPLES_PER_FRAME) * i64::from(HZ);
        let mut bytes = 0;
        let mut follows = |(index, sound): (i64, &Sample<'_>)| {
            bytes += sound.data.len();
            let end = frame * (index + 1) / rate;
            let off = sound.dts - (first.dts + frame * index / rate);
            off.abs() <= MAX_DRIFT && end <= MAX_GROUP && bytes <= MAX_GROUP_BYTES
        };
        let follow = (0..).zip(sounds).take_while(|sound| follows(*sound));
        follow.count().max(1)
    }

    /// Writes the clock until the next reference to it comes in time at `time`.
    fn advance_to(&mut self, time: i64) {
        while let Some(clock) = self.clock
            && time - clock > CLOCK_PERIOD
            && self.fills > 0
        {
            self.fills -= 1;
            self.write_clock(clock + CLOCK_STEP);
        }
    }

    fn write_clock(&mut self, time: i64) {
        let track = match self.program.pcr_pid() {
            VIDEO_PID => &self.video,
            _ => &self.audio,
        };
        track.write_pcr(&mut self.out, reference(time));
        self.clock = Some(time);
    }
}

/// Writes a PES packet; the last one of a track in as many packets as make a multiple of sixteen.
fn write_unit(
    out: &mut Vec<u8>,
    track: &mut Track,
    stream_id: u8,
    times: Times,
    front: Front,
    payload: &[u8],
    is_last: bool,
) {
    let write = |stuffing| {
        let mut unit = Vec::with_capacity(64 + payload.len());
        pes::write_header(&mut unit, stream_id, times, stuffing, payload.len());
        unit.put_slice(payload);
        unit
    };
    let mut unit = write(0);
    let mut packets = packets_of(unit.len(), front);
    if is_last {
        packets += packets_short(track.packets() + packets);
        // Each packet takes a byte; the header is to be whole in the first one.
        if unit.len() < packets + pes::MAX_STUFFING {
            unit = write(pes::MAX_STUFFING);
        }
    }
    track.write(out, &unit, front, packets);
}

/// A media time as the stream has it.
fn stamp(time: i64) -> i64 {
    time + START
}

/// What the clock says where the bytes of a media time are.
fn reference(time: i64) -> u64 {
    (stamp(time) - LEAD) as u64
}

/// The stream's time at the start of the broadcast: nothing before it comes below zero.
const START: i64 = HZ as i64;

/// How long before they are decoded the bytes come. A decoder's buffers hold a second at most
/// (ISO/IEC 13818-1 section 2.4.2.6).
const LEAD: i64 = HZ as i64 * 7 / 10;

/// Fifteen pictures of 30 a second; less than [`LEAD`], so that the bytes are there first.
const REORDERING: i64 = HZ as i64 / 2;

/// The clock is told every 100 ms at least (ISO/IEC 13818-1 section 2.7.2).
const CLOCK_PERIOD: i64 = HZ as i64 / 10;
/// How far on where nothing else comes.
const CLOCK_STEP: i64 = CLOCK_PERIOD * 9 / 10;
/// A minute of it: the bound where a picture stands still for hours.
const MAX_FILLS: u32 = 666;

/// Sound in one unit: as long as the clock may stand, and half a packet of stuffing in 16.
const MAX_GROUP: i64 = CLOCK_STEP;
const MAX_GROUP_BYTES: usize = 2_944;
/// 1 ms: players take the sound in a unit for continuous.
const MAX_DRIFT: i64 = HZ as i64 / 1_000;
