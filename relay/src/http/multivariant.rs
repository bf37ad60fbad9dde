//! Playlists of a broadcast with several variants: the list of them, and what each says of the
//! others.
//!
//! The sound as its publisher sends it (Opus) has a list of its own, and is in no other one. A
//! rendition group (RFC 8216bis section 4.4.6.1) must be in playlists of its own beside pictures
//! without sound: of segments with both, hls.js would put the sound of one into the buffer of the
//! other, and its light build, which knows no groups, would play pictures without sound. An audio-only
//! variant in the list of all would be left out by hls.js and chosen by players that look for the
//! least rate, who then change codecs under way. So whoever wants Opus says so by the address, and
//! nobody else sees anything of it. The pictures are cut out of the segments that are there.

use std::fmt::Write as _;
use std::hash::{DefaultHasher, Hash, Hasher};

use packager::hls::{self, Rates};
use packager::rtp::Codec;
use packager::ts;

use super::route::{PICTURE_PLAYLIST, SHIFT_PLAYLIST, TRANSPORT_PLAYLIST};
use crate::hls::{File, Report, Store, Summary};
use crate::relay::Addressed;

/// The Multivariant Playlist of the variants that have a segment.
pub(super) fn list(variants: &[Addressed<'_>]) -> Option<File> {
    let found: Vec<_> = variants
        .iter()
        .filter_map(|named| Some((uri(named), named.variant.store.summary()?)))
        .collect();
    (!found.is_empty()).then(|| file(found))
}

/// The Multivariant Playlist of the variants that have a segment of MPEG-TS; the codec, where none
/// can have one. It stands beside the segments of the broadcast, its variants beside theirs.
pub(super) fn transport_list(variants: &[Addressed<'_>]) -> Option<Result<File, Codec>> {
    let (mut found, mut other) = (Vec::new(), None);
    for Addressed { name, variant } in variants {
        match (variant.store.has_transport(), variant.store.summary()) {
            (Some(Ok(())), Some(summary)) => {
                let rates = ts::rates(summary.rates, summary.frame_rate);
                let uri = format!("../{name}/{TRANSPORT_PLAYLIST}");
                found.push((uri, Summary { rates, ..summary }));
            }
            (Some(Err(codec)), _) => other = Some(codec),
            _ => {}
        }
    }
    // Sound alone is no stream of pictures.
    let has_picture = found
        .iter()
        .any(|(_, summary)| summary.resolution.is_some());
    match other {
        Some(codec) if !has_picture => Some(Err(codec)),
        _ if found.is_empty() => None,
        _ => Some(Ok(file(found))),
    }
}

/// The Multivariant Playlist of all that is kept of the variants. It stands beside the segments of the
/// broadcast, its variants beside theirs.
pub(super) fn shift_list(variants: &[Addressed<'_>]) -> Option<File> {
    let found: Vec<_> = variants
        .iter()
        .filter_map(|named| {
            let uri = format!("../{}/{SHIFT_PLAYLIST}", named.name);
            Some((uri, named.variant.store.summary()?))
        })
        .collect();
    (!found.is_empty()).then(|| file(found))
}

/// The Multivariant Playlist of the pictures with the sound of the playlist called `opus`; of that
/// alone where there is no picture. It stands where [`transport_list`] does.
pub(super) fn opus_list(variants: &[Addressed<'_>], name: &str, opus: &Summary) -> File {
    let uri = format!("../{name}.m3u8");
    let pictures = variants.iter().filter_map(|Addressed { name, variant }| {
        let summary = variant.store.summary()?;
        summary.resolution?;
        let codecs = summary.codecs.split(',').next().unwrap_or_default();
        // At most: the rates of the segments are those of pictures and AAC.
        let rates = Rates {
            peak_bps: summary.rates.peak_bps + opus.rates.peak_bps,
            average_bps: summary.rates.average_bps + opus.rates.average_bps,
        };
        let codecs = format!("{codecs},{}", opus.codecs);
        let summary = Summary {
            rates,
            codecs,
            ..summary
        };
        Some((format!("../{name}/{PICTURE_PLAYLIST}"), summary))
    });
    let pictures: Vec<_> = pictures.collect();
    if pictures.is_empty() {
        return file(vec![(uri, opus.clone())]);
    }
    let rendition = hls::Rendition {
        group: OPUS_GROUP,
        name: "Opus",
        channels: 2,
        uri,
    };
    let mut variants = in_order(pictures);
    for variant in &mut variants {
        variant.audio = Some(OPUS_GROUP);
    }
    file_of(hls::multivariant(&[rendition], &variants))
}

const OPUS_GROUP: &str = "opus";

fn file(found: Vec<(String, Summary)>) -> File {
    file_of(hls::multivariant(&[], &in_order(found)))
}

/// A list as it is sent.
pub(super) fn file_of(text: String) -> File {
    File {
        etag: format!("\"{:016x}\"", hash_of(&text)),
        data: text.into(),
    }
}

fn uri(named: &Addressed<'_>) -> String {
    format!("{}.m3u8", named.name)
}

/// A larger picture never seems to take less than a lesser one, or to move less: players would take
/// it for the lesser one, or never go up to it.
fn in_order(found: Vec<(String, Summary)>) -> Vec<hls::Variant> {
    let (mut least, mut slowest) = (Rates::default(), 0.0_f64);
    let mut variants = Vec::with_capacity(found.len());
    for (uri, summary) in found.into_iter().rev() {
        let rates = Rates {
            peak_bps: summary.rates.peak_bps.max(least.peak_bps),
            average_bps: summary.rates.average_bps.max(least.average_bps),
        };
        let frame_rate = summary.frame_rate.map(|rate| rate.max(slowest));
        least = Rates {
            peak_bps: rates.peak_bps + rates.peak_bps / STEP,
            average_bps: rates.average_bps + rates.average_bps / STEP,
        };
        slowest = frame_rate.unwrap_or(slowest);
        variants.push(hls::Variant {
            uri,
            rates,
            codecs: summary.codecs,
            resolution: summary.resolution,
            frame_rate,
            audio: None,
        });
    }
    variants.reverse();
    variants
}

/// Where the other variants are than one, for its playlist.
pub(super) fn reports(variants: &[Addressed<'_>], of: &Store) -> Vec<(String, Report)> {
    let others = variants
        .iter()
        .filter(|named| !std::ptr::eq(&*named.variant.store, of));
    others
        .filter_map(|named| Some((uri(named), named.variant.store.report()?)))
        .collect()
}

/// Where the pictures are that [`opus_list`] names, for the playlist of the sound; `before` leads to
/// the addresses of streams. With `opus` also where that is, for playlists of pictures.
pub(super) fn opus_reports(
    variants: &[Addressed<'_>],
    opus: Option<(&str, &Store)>,
    of: &Store,
    before: &str,
) -> Vec<(String, Report)> {
    let pictures = variants.iter().filter_map(|Addressed { name, variant }| {
        let is_other = !std::ptr::eq(&*variant.store, of);
        let has_picture = variant.store.summary()?.resolution.is_some();
        let uri = format!("{before}{name}/{PICTURE_PLAYLIST}");
        Some((uri, variant.store.report()?)).filter(|_| is_other && has_picture)
    });
    let sound =
        opus.and_then(|(name, store)| Some((format!("{before}{name}.m3u8"), store.report()?)));
    pictures.chain(sound).collect()
}

/// A playlist with where others are: who changes between them need not ask
/// (`EXT-X-RENDITION-REPORT`, RFC 8216bis section 4.4.5.4).
pub(super) fn with_reports(file: File, reports: &[(String, Report)]) -> File {
    if reports.is_empty() {
        return file;
    }
    let mut text = String::from_utf8_lossy(&file.data).into_owned();
    for (uri, Report { msn, part }) in reports {
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "#EXT-X-RENDITION-REPORT:URI=\"{uri}\",LAST-MSN={msn},LAST-PART={part}"
        );
    }
    let etag = file.etag.trim_end_matches('"');
    File {
        etag: format!("{etag}-{:016x}\"", hash_of(&reports.to_vec())),
        data: text.into(),
    }
}

fn hash_of(value: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

/// A larger picture takes more than a lesser one by at least one part of so many.
const STEP: u64 = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_picture_seems_to_take_more_and_to_move_as_much() {
        let summary = |peak_bps, resolution, frame_rate| Summary {
            rates: Rates {
                peak_bps,
                average_bps: peak_bps,
            },
            codecs: "c".to_owned(),
            resolution,
            frame_rate,
        };
        let found = [
            ("h", summary(240_000, Some((1_280, 720)), Some(12.485))),
            ("l", summary(250_000, Some((320, 180)), Some(12.76))),
            ("audio", summary(130_000, None, None)),
        ];
        let found = found.map(|(name, summary)| (name.to_owned(), summary));
        let ordered = in_order(found.into());
        let names: Vec<_> = ordered.iter().map(|v| v.uri.as_str()).collect();
        assert_eq!(names, ["h", "l", "audio"]);
        let peaks: Vec<_> = ordered.iter().map(|v| v.rates.peak_bps).collect();
        assert_eq!(peaks, [275_000, 250_000, 130_000]);
        assert_eq!(ordered[0].frame_rate, Some(12.76));
        assert_eq!(ordered[2].frame_rate, None);
    }
}
