//! The pictures of fragments that have sound beside them, for players that have the sound from
//! elsewhere.

use bytes::{BufMut, Bytes, BytesMut};
use mp4_atom::{Atom, Encode, FourCC, Header, Moof, ReadAtom, ReadFrom, Traf};

use super::{Fmp4Error, MDAT_HEADER, VIDEO_TRACK};

/// The same fragments without their sound: a part, or a segment of several. They are read as
/// [`fragment`](super::fragment) writes them, with the pictures first in each `mdat`.
///
/// # Errors
/// A box does not read, or the pictures are not where they should be.
pub fn pictures(fragments: &[u8]) -> Result<Bytes, Fmp4Error> {
    let mut out = BytesMut::with_capacity(fragments.len());
    let mut rest = fragments;
    // Bytes of the pictures, between a `moof` and its `mdat`.
    let mut pending = None;
    while !rest.is_empty() {
        let whole = rest;
        let header = Header::read_from(&mut rest)?;
        let body = header
            .size
            .ok_or(Fmp4Error::Broken("a box without a size"))?;
        let content = rest.get(..body).ok_or(Fmp4Error::Broken("a short box"))?;
        let length = whole.len() - rest.len() + body;
        if header.kind == Moof::KIND {
            let mut moof = Moof::read_atom(&header, &mut &content[..])?;
            moof.traf.retain(|traf| traf.tfhd.track_id == VIDEO_TRACK);
            pending = Some(picture_bytes(&moof.traf)?);
            write_moof(&mut moof, &mut out)?;
        } else if header.kind == MDAT {
            let size = pending
                .take()
                .ok_or(Fmp4Error::Broken("an mdat without its moof"))?;
            let pictures = content
                .get(..size)
                .ok_or(Fmp4Error::Broken("a short mdat"))?;
            let size =
                u32::try_from(MDAT_HEADER + size).map_err(|_| Fmp4Error::Broken("a large mdat"))?;
            out.put_u32(size);
            out.put_slice(b"mdat");
            out.put_slice(pictures);
        } else {
            out.put_slice(&whole[..length]);
        }
        rest = &whole[length..];
    }
    Ok(out.freeze())
}

fn picture_bytes(trafs: &[Traf]) -> Result<usize, Fmp4Error> {
    let runs = trafs.iter().flat_map(|traf| &traf.trun);
    let mut sizes = runs.flat_map(|run| run.samples.iter().map(|sample| sample.size));
    sizes.try_fold(0_usize, |sum, size| {
        let size = size.and_then(|size| usize::try_from(size).ok());
        let sum = size.and_then(|size| sum.checked_add(size));
        sum.ok_or(Fmp4Error::Broken("a picture without a size"))
    })
}

/// The pictures begin behind the header of the `mdat`.
fn write_moof(moof: &mut Moof, out: &mut BytesMut) -> Result<(), Fmp4Error> {
    let mut head = Vec::with_capacity(1_024);
    moof.encode(&mut head)?;
    let start =
        i32::try_from(head.len() + MDAT_HEADER).map_err(|_| Fmp4Error::Broken("a large moof"))?;
    for run in moof.traf.iter_mut().flat_map(|traf| &mut traf.trun) {
        run.data_offset = Some(start);
    }
    head.clear();
    moof.encode(&mut head)?;
    out.put_slice(&head);
    Ok(())
}

const MDAT: FourCC = FourCC::new(b"mdat");
