//! Readers of what viewers get, which share nothing with the writers: FLV by its specification
//! (annex E), segments by the crate `mp4`.

use std::io::Cursor;

use mp4::{BoxHeader, MoofBox, ReadBox};

use super::ledger::origin_of;
use super::publisher::Mark;
use super::verdict::{Picture, Sound};

/// One FLV tag.
pub(super) enum Tag {
    Picture(Picture),
    Sound(Sound),
}

/// Reads one tag of a frame with its `PreviousTagSize`.
pub(super) fn flv(bytes: &[u8]) -> Result<Tag, String> {
    let [kind, size @ .., extended] = *bytes.first_chunk::<8>().ok_or("a tag without a head")?;
    let number = |bytes: &[u8]| {
        bytes
            .iter()
            .fold(0_u32, |n, byte| n << 8 | u32::from(*byte))
    };
    let (length, time) = (number(&size[..3]) as usize, number(&size[3..]));
    let time = f64::from(time | u32::from(extended) << 24) / 1e3;
    let (body, behind) = bytes[11..].split_at_checked(length).ok_or("a short tag")?;
    if number(behind) as usize != length + 11 || behind.len() != 4 {
        return Err("PreviousTagSize is another".to_owned());
    }
    match (kind, body) {
        (9, [first @ (0x17 | 0x27), 1, _, _, _, data @ ..]) => Ok(Tag::Picture(Picture {
            time,
            is_keyframe: *first == 0x17,
            mark: whole(data)?,
        })),
        (8, [0xaf, 1, data @ ..]) => Ok(Tag::Sound(Sound {
            time,
            origin: origin_of(data),
        })),
        _ => Err(format!("a tag of kind {kind} that holds no frame")),
    }
}

/// The mark of the one slice of an access unit.
fn whole(data: &[u8]) -> Result<Mark, String> {
    let (length, nal) = data.split_first_chunk().ok_or("an empty picture")?;
    if u32::from_be_bytes(*length) as usize != nal.len() {
        return Err("a NAL unit of another length".to_owned());
    }
    Mark::read(nal).ok_or_else(|| "a picture that is not whole".to_owned())
}

/// The frames of one part of a segment, and the ends of its tracks in seconds.
#[derive(Default)]
pub(super) struct Fragment {
    pub(super) pictures: Vec<Picture>,
    pub(super) sounds: Vec<Sound>,
    /// Start and end of the picture's and the sound's track.
    pub(super) spans: [Option<(f64, f64)>; 2],
}

/// Reads a part of a segment behind its initialization section.
pub(super) fn fmp4(init: &[u8], part: &[u8]) -> Result<Fragment, String> {
    let file = [init, part].concat();
    let size = file.len() as u64;
    let reader =
        mp4::Mp4Reader::read_header(Cursor::new(&file), size).map_err(|error| error.to_string())?;
    let has_styp = part.get(4..8) == Some(b"styp");
    let moof = init.len() + if has_styp { box_size(part) } else { 0 };
    let mut read = Fragment::default();
    for track in reader.tracks().values() {
        let hz = f64::from(track.timescale());
        let is_video =
            track.media_type().map_err(|error| error.to_string())? == mp4::MediaType::H264;
        for traf in &track.trafs {
            let base = traf.tfdt.as_ref().ok_or("no tfdt")?.base_media_decode_time;
            let trun = traf.trun.as_ref().ok_or("no trun")?;
            let mut at = moof + trun.data_offset.ok_or("no data offset")? as usize;
            let mut time = base;
            for index in 0..trun.sample_count as usize {
                let data = &file[at..at + trun.sample_sizes[index] as usize];
                at += data.len();
                let seconds = time as f64 / hz;
                if is_video {
                    read.pictures.push(Picture {
                        time: seconds,
                        is_keyframe: data[4] & 0x1f == 5,
                        mark: whole(data)?,
                    });
                } else {
                    read.sounds.push(Sound {
                        time: seconds,
                        origin: origin_of(data),
                    });
                }
                time += u64::from(trun.sample_durations[index]);
            }
            read.spans[usize::from(!is_video)] = Some((base as f64 / hz, time as f64 / hz));
        }
    }
    Ok(read)
}

/// The samples of a part of sound alone: where each begins and how long it is, in ticks of its track,
/// and what it is.
pub(super) fn sounds(part: &[u8]) -> Vec<(u64, u64, Vec<u8>)> {
    let has_styp = part.get(4..8) == Some(b"styp");
    let moof = &part[if has_styp { box_size(part) } else { 0 }..];
    let mut reader = Cursor::new(moof);
    let header = BoxHeader::read(&mut reader).expect("a box");
    let read = MoofBox::read_box(&mut reader, header.size).expect("a moof");
    let [traf] = &read.trafs[..] else {
        panic!("{} tracks", read.trafs.len());
    };
    let mut time = traf.tfdt.as_ref().expect("tfdt").base_media_decode_time;
    let trun = traf.trun.as_ref().expect("trun");
    let mut at = trun.data_offset.expect("a data offset") as usize;
    let samples = trun.sample_sizes.iter().zip(&trun.sample_durations);
    let samples = samples.map(|(size, length)| {
        let (start, data) = (time, &moof[at..at + *size as usize]);
        time += u64::from(*length);
        at += data.len();
        (start, u64::from(*length), data.to_vec())
    });
    samples.collect()
}

/// The size of the box at the start.
fn box_size(bytes: &[u8]) -> usize {
    bytes
        .first_chunk()
        .map_or(0, |size| u32::from_be_bytes(*size) as usize)
}
