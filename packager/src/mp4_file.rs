//! One MP4 file of fragments (ISO/IEC 14496-12 section 8): the samples of many `moof` in one
//! `moov` that stands first, so that players seek in it without reading all of it.
//!
//! Fragments are read twice: once for their samples, and once for their media, which is copied
//! as it is behind the [head](Joiner::head).

use std::ops::Range;

use bytes::Bytes;
use mp4_atom::{
    Co64, Codec, Ctts, CttsEntry, Decode, Edts, Elst, ElstEntry, Encode, FourCC, Ftyp, Moof, Moov,
    Mvhd, Stsc, StscEntry, Stss, Stsz, StszSamples, Stts, SttsEntry, Traf, Trak, TrunEntry,
};

use crate::fmp4::VIDEO_TIMESCALE;

/// Fragments that make no file.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JoinError {
    /// A box ends before its end, or is not what stands there.
    #[error("the MP4 boxes are broken: {0}")]
    Broken(&'static str),
    /// A box does not read, or cannot be written.
    #[error("an MP4 box is refused: {0}")]
    Box(String),
    /// A track goes on with another codec or another clock, which players do not follow.
    #[error("track {track} goes on with another codec")]
    CodecChanged {
        /// Its number.
        track: u32,
    },
    /// There is no sample.
    #[error("there are no frames")]
    Empty,
}

impl From<mp4_atom::Error> for JoinError {
    fn from(error: mp4_atom::Error) -> Self {
        Self::Box(error.to_string())
    }
}

/// Collects the samples of fragments, and writes what stands before their media.
#[derive(Debug, Default)]
pub struct Joiner {
    tracks: Vec<Track>,
    /// Bytes of media so far.
    payload: u64,
}

/// The tables of a track.
#[derive(Debug)]
struct Track {
    trak: Trak,
    /// What the decoder needs, one for each of its configurations.
    descriptions: Vec<Codec>,
    /// Number of the one under way, counted from 1.
    description: u32,
    first: Option<u64>,
    /// The sample whose duration the next one says: its time, and its own idea of its duration.
    last: Option<(u64, u32)>,
    end: u64,
    durations: Vec<SttsEntry>,
    offsets: Vec<CttsEntry>,
    sizes: Vec<u32>,
    /// Numbers of samples that decode by themselves, counted from 1.
    sync: Vec<u32>,
    chunks: Vec<u64>,
    runs: Vec<StscEntry>,
}

impl Joiner {
    /// Without samples.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes the Media Initialization Section of the segments that follow.
    ///
    /// # Errors
    /// [`JoinError`].
    pub fn push_init(&mut self, data: &[u8]) -> Result<(), JoinError> {
        let mut moov = None;
        for found in boxes(data) {
            let (kind, range) = found?;
            if kind == *b"moov" {
                moov = Some(Moov::decode(&mut &data[range])?);
            }
        }
        let moov = moov.ok_or(JoinError::Broken("no moov"))?;
        for trak in moov.trak {
            let id = trak.tkhd.track_id;
            let codecs = &trak.mdia.minf.stbl.stsd.codecs;
            let codec = codecs.first().ok_or(JoinError::Broken("no sample entry"))?;
            match self.tracks.iter_mut().find(|t| t.id() == id) {
                Some(track) => track.describe(codec, trak.mdia.mdhd.timescale)?,
                None => self.tracks.push(Track::new(codec.clone(), trak)),
            }
        }
        Ok(())
    }

    /// Takes a Media Segment.
    ///
    /// # Errors
    /// [`JoinError`]; nothing more can be joined then.
    pub fn push_segment(&mut self, data: &[u8]) -> Result<(), JoinError> {
        let mut moof: Option<(usize, Moof)> = None;
        for found in boxes(data) {
            let (kind, range) = found?;
            match &kind {
                b"moof" => {
                    let start = range.start;
                    moof = Some((start, Moof::decode(&mut &data[range])?));
                }
                b"mdat" => {
                    let (start, moof) = moof.take().ok_or(JoinError::Broken("mdat before moof"))?;
                    let media = range.start + MDAT_HEADER..range.end;
                    for traf in &moof.traf {
                        self.push_run(traf, start, &media)?;
                    }
                    self.payload += media.len() as u64;
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Bytes of media of all segments so far, which [`media`] gives.
    pub fn payload(&self) -> u64 {
        self.payload
    }

    /// `ftyp`, `moov` and the beginning of `mdat`: the media of all segments follows.
    ///
    /// # Errors
    /// [`JoinError`] if there is no sample, or too many for the boxes.
    pub fn head(self) -> Result<Bytes, JoinError> {
        let payload = self.payload;
        let mut tracks: Vec<Track> = self.tracks;
        tracks.retain(|track| !track.sizes.is_empty());
        let origin = tracks.iter().filter_map(Track::begins_at).min();
        let origin = origin.ok_or(JoinError::Empty)?;
        let mut moov = Moov {
            mvhd: Mvhd {
                timescale: VIDEO_TIMESCALE,
                rate: 1.into(),
                volume: 1.into(),
                next_track_id: tracks.iter().map(Track::id).max().unwrap_or(0) + 1,
                ..Default::default()
            },
            trak: tracks.into_iter().map(|track| track.end(origin)).collect(),
            ..Default::default()
        };
        let durations = moov.trak.iter().map(|trak| trak.tkhd.duration);
        moov.mvhd.duration = durations.max().unwrap_or(0);
        let brands = [*b"isom", *b"iso6", *b"mp41"];
        let ftyp = Ftyp {
            major_brand: FourCC::new(b"isom"),
            minor_version: 0,
            compatible_brands: brands.iter().map(FourCC::new).collect(),
        };
        // The length of the tables does not depend on the places that they name.
        let mut out = Vec::new();
        ftyp.encode(&mut out)?;
        let before = out.len();
        moov.encode(&mut out)?;
        let media_start = (out.len() + LARGE_MDAT_HEADER) as u64;
        out.truncate(before);
        for trak in &mut moov.trak {
            if let Some(places) = &mut trak.mdia.minf.stbl.co64 {
                places.entries.iter_mut().for_each(|at| *at += media_start);
            }
        }
        moov.encode(&mut out)?;
        // A size of 1 says that 64 bits of it follow the name (section 4.2).
        out.extend_from_slice(&1_u32.to_be_bytes());
        out.extend_from_slice(b"mdat");
        let size = LARGE_MDAT_HEADER as u64 + payload;
        out.extend_from_slice(&size.to_be_bytes());
        Ok(out.into())
    }

    /// The samples of a track in a fragment that begins at `start`, with its media at `media`.
    fn push_run(
        &mut self,
        traf: &Traf,
        start: usize,
        media: &Range<usize>,
    ) -> Result<(), JoinError> {
        let mut tracks = self.tracks.iter_mut();
        let track = tracks.find(|track| track.id() == traf.tfhd.track_id);
        let track = track.ok_or(JoinError::Broken("a track that no moov names"))?;
        let base = traf.tfdt.as_ref().ok_or(JoinError::Broken("no tfdt"))?;
        let mut time = base.base_media_decode_time;
        for run in &traf.trun {
            let offset = run.data_offset.and_then(|at| usize::try_from(at).ok());
            let at = offset.and_then(|offset| start.checked_add(offset));
            let at = at.ok_or(JoinError::Broken("no data offset"))?;
            // Read before any of them is looked at: a count stands for no bytes of its own.
            if run.samples.len() > media.len() {
                return Err(JoinError::Broken("more samples than bytes"));
            }
            let sizes = run.samples.iter().map(|s| u64::from(s.size.unwrap_or(0)));
            let end = at as u64 + sizes.sum::<u64>();
            if at < media.start || end > media.end as u64 {
                return Err(JoinError::Broken("samples outside of mdat"));
            }
            if run.samples.is_empty() {
                continue;
            }
            let place = self.payload + (at - media.start) as u64;
            track.push_chunk(place, run.samples.len());
            for entry in run.samples.iter() {
                track.push_sample(time, &entry)?;
                time = time.saturating_add(u64::from(entry.duration.unwrap_or(0)));
            }
        }
        Ok(())
    }
}

/// The media of a segment: what the `mdat` boxes hold.
///
/// # Errors
/// [`JoinError::Broken`].
pub fn media(segment: &Bytes) -> Result<Vec<Bytes>, JoinError> {
    let mut media = Vec::new();
    for found in boxes(segment) {
        let (kind, range) = found?;
        if kind == *b"mdat" {
            media.push(segment.slice(range.start + MDAT_HEADER..range.end));
        }
    }
    Ok(media)
}

impl Track {
    fn new(codec: Codec, trak: Trak) -> Self {
        Self {
            trak,
            descriptions: vec![codec],
            description: 1,
            first: None,
            last: None,
            end: 0,
            durations: Vec::new(),
            offsets: Vec::new(),
            sizes: Vec::new(),
            sync: Vec::new(),
            chunks: Vec::new(),
            runs: Vec::new(),
        }
    }

    fn id(&self) -> u32 {
        self.trak.tkhd.track_id
    }

    fn timescale(&self) -> u32 {
        self.trak.mdia.mdhd.timescale.max(1)
    }

    /// What follows is decoded with this.
    fn describe(&mut self, codec: &Codec, timescale: u32) -> Result<(), JoinError> {
        let is_same =
            |other: &Codec| std::mem::discriminant(other) == std::mem::discriminant(codec);
        if !self.descriptions.iter().all(is_same) || timescale != self.trak.mdia.mdhd.timescale {
            return Err(JoinError::CodecChanged { track: self.id() });
        }
        let known = self.descriptions.iter().position(|known| known == codec);
        let index = known.unwrap_or_else(|| {
            self.descriptions.push(codec.clone());
            self.descriptions.len() - 1
        });
        self.description = clamp_u32(index as u64 + 1);
        Ok(())
    }

    /// The samples that follow lie behind each other at a place in the media.
    fn push_chunk(&mut self, place: u64, samples: usize) {
        self.chunks.push(place);
        let run = StscEntry {
            first_chunk: clamp_u32(self.chunks.len() as u64),
            samples_per_chunk: clamp_u32(samples as u64),
            sample_description_index: self.description,
        };
        let is_like = |last: &StscEntry| {
            last.samples_per_chunk == run.samples_per_chunk
                && last.sample_description_index == run.sample_description_index
        };
        if !self.runs.last().is_some_and(is_like) {
            self.runs.push(run);
        }
    }

    fn push_sample(&mut self, time: u64, entry: &TrunEntry) -> Result<(), JoinError> {
        let size = entry.size.ok_or(JoinError::Broken("no sample size"))?;
        let duration = entry.duration.unwrap_or(0).max(1);
        self.first.get_or_insert(time);
        let at = match self.last {
            // The one before lasts until this one, over a gap too.
            Some((before, _)) => {
                let lasts = clamp_u32(time.saturating_sub(before)).max(1);
                push_duration(&mut self.durations, lasts);
                before.saturating_add(u64::from(lasts))
            }
            None => time,
        };
        self.last = Some((at, duration));
        self.end = at.saturating_add(u64::from(duration));
        self.sizes.push(size);
        let offset = entry.cts.unwrap_or(0);
        match self.offsets.last_mut() {
            Some(run) if run.sample_offset == offset => run.sample_count += 1,
            _ => self.offsets.push(CttsEntry {
                sample_count: 1,
                sample_offset: offset,
            }),
        }
        if entry.flags.unwrap_or(0) & IS_NON_SYNC == 0 {
            self.sync.push(clamp_u32(self.sizes.len() as u64));
        }
        Ok(())
    }

    /// Time of the first sample, in the clock of the file.
    fn begins_at(&self) -> Option<u64> {
        Some(rescale(self.first?, self.timescale()))
    }

    /// The box, for a file that begins at `origin`.
    fn end(mut self, origin: u64) -> Trak {
        if let Some((_, duration)) = self.last {
            push_duration(&mut self.durations, duration);
        }
        let length = self.end - self.first.unwrap_or(self.end);
        let late = self.begins_at().unwrap_or(origin) - origin;
        let shown = rescale(length, self.timescale());
        let mut trak = self.trak;
        trak.mdia.mdhd.duration = length;
        trak.tkhd.duration = late.saturating_add(shown);
        // An empty edit, for a track that begins later than another (section 8.6.6).
        trak.edts = (late > 0).then(|| Edts {
            elst: Some(Elst {
                entries: [(late, None), (shown, Some(0))]
                    .map(|(segment_duration, media_time)| ElstEntry {
                        segment_duration,
                        media_time,
                        media_rate: 1.into(),
                    })
                    .into(),
            }),
        });
        let all_sync = self.sync.len() == self.sizes.len();
        let has_offsets = self.offsets.iter().any(|run| run.sample_offset != 0);
        let tables = &mut trak.mdia.minf.stbl;
        tables.stsd.codecs = self.descriptions;
        tables.stts = Stts {
            entries: self.durations,
        };
        tables.ctts = has_offsets.then_some(Ctts {
            entries: self.offsets,
        });
        // Without the box all samples decode by themselves (section 8.6.2).
        tables.stss = (!all_sync).then_some(Stss { entries: self.sync });
        tables.stsc = Stsc { entries: self.runs };
        tables.stsz = Stsz {
            samples: StszSamples::Different { sizes: self.sizes },
        };
        tables.stco = None;
        tables.co64 = Some(Co64 {
            entries: self.chunks,
        });
        trak
    }
}

fn push_duration(durations: &mut Vec<SttsEntry>, delta: u32) {
    match durations.last_mut() {
        Some(run) if run.sample_delta == delta => run.sample_count += 1,
        _ => durations.push(SttsEntry {
            sample_count: 1,
            sample_delta: delta,
        }),
    }
}

/// The boxes of the highest level: their names and where they are, headers included.
fn boxes(data: &[u8]) -> impl Iterator<Item = Result<([u8; 4], Range<usize>), JoinError>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = data.get(at..).filter(|rest| !rest.is_empty())?;
        let head = rest.first_chunk::<8>();
        let size = head.map(|h| u32::from_be_bytes([h[0], h[1], h[2], h[3]]) as usize);
        let (Some(head), Some(size)) = (head, size.filter(|size| (8..=rest.len()).contains(size)))
        else {
            at = data.len();
            return Some(Err(JoinError::Broken("a box that ends too early")));
        };
        let range = at..at + size;
        at = range.end;
        Some(Ok(([head[4], head[5], head[6], head[7]], range)))
    })
}

/// Ticks of a track in those of the file.
fn rescale(ticks: u64, timescale: u32) -> u64 {
    let scaled = u128::from(ticks) * u128::from(VIDEO_TIMESCALE) / u128::from(timescale);
    u64::try_from(scaled).unwrap_or(u64::MAX)
}

fn clamp_u32(value: u64) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

/// `sample_is_non_sync_sample` (section 8.8.3.1).
const IS_NON_SYNC: u32 = 0x0001_0000;

const MDAT_HEADER: usize = 8;

/// With a size of 64 bits.
const LARGE_MDAT_HEADER: usize = 16;

#[cfg(test)]
mod tests;
