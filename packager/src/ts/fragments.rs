//! Reads back the fragments that [`fmp4`](crate::fmp4) writes.

use mp4_atom::{Atom, Header, Moof, ReadAtom, ReadFrom};

use super::{HZ, TsError};
use crate::fmp4::{AUDIO_TRACK, NON_SYNC, VIDEO_TIMESCALE, VIDEO_TRACK};

/// A sample, with its times in ticks of 90 kHz.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sample<'a> {
    pub(super) dts: i64,
    pub(super) pts: i64,
    pub(super) end: i64,
    pub(super) is_keyframe: bool,
    pub(super) data: &'a [u8],
}

/// The samples of a segment, those of each track in decode order.
#[derive(Debug, Default)]
pub(super) struct Samples<'a> {
    pub(super) video: Vec<Sample<'a>>,
    pub(super) audio: Vec<Sample<'a>>,
}

impl<'a> Samples<'a> {
    /// Reads a Media Segment of one or more fragments. `sample_rate` is the timescale of the sound.
    pub(super) fn read(segment: &'a [u8], sample_rate: u32) -> Result<Self, TsError> {
        let mut samples = Self::default();
        let mut rest = segment;
        while !rest.is_empty() {
            let from_here = rest;
            let header = Header::read_from(&mut rest)?;
            let body = header.size.ok_or(TsError::Sample)?;
            let after = rest.get(body..).ok_or(TsError::Sample)?;
            if header.kind == Moof::KIND {
                let moof = Moof::read_atom(&header, &mut rest)?;
                samples.take(&moof, from_here, sample_rate)?;
            }
            rest = after;
        }
        if samples.video.is_empty() && samples.audio.is_empty() {
            return Err(TsError::Sample);
        }
        Ok(samples)
    }

    /// `bytes` begin with the `moof`, from which data offsets count.
    fn take(&mut self, moof: &Moof, bytes: &'a [u8], sample_rate: u32) -> Result<(), TsError> {
        for traf in &moof.traf {
            let (track, hz) = match traf.tfhd.track_id {
                VIDEO_TRACK => (&mut self.video, VIDEO_TIMESCALE),
                AUDIO_TRACK => (&mut self.audio, sample_rate),
                _ => continue,
            };
            let base = traf.tfdt.as_ref().ok_or(TsError::Sample)?;
            let mut time = base.base_media_decode_time;
            for run in &traf.trun {
                let offset = run.data_offset.ok_or(TsError::Sample)?;
                let mut offset = usize::try_from(offset).map_err(|_| TsError::Sample)?;
                for entry in run.samples.iter() {
                    let size = entry.size.ok_or(TsError::Sample)? as usize;
                    let end = offset.checked_add(size).ok_or(TsError::Sample)?;
                    let data = bytes.get(offset..end).ok_or(TsError::Sample)?;
                    offset = end;
                    let next = time.saturating_add(u64::from(entry.duration.unwrap_or(0)));
                    let dts = ticks(time, hz);
                    track.push(Sample {
                        dts,
                        // Only pictures have an offset, in the same ticks.
                        pts: dts.saturating_add(entry.cts.unwrap_or(0)),
                        end: ticks(next, hz),
                        is_keyframe: entry.flags.unwrap_or(0) & NON_SYNC == 0,
                        data,
                    });
                    time = next;
                }
            }
        }
        Ok(())
    }
}

/// Ticks of a clock of `hz` in those of 90 kHz.
fn ticks(time: u64, hz: u32) -> i64 {
    let ticks = u128::from(time) * u128::from(HZ) / u128::from(hz.max(1));
    // Far from the ends, so that sums of a few stay within.
    ticks.min(1 << 62) as i64
}
