//! Playlists, held against RFC 8216bis by a reader that shares nothing with their writer.

use std::collections::BTreeMap;

use crate::hls::{File, Lookup, Store};

/// What a playlist says.
#[derive(Debug, Default)]
struct Read {
    version: u64,
    target: u64,
    part_target: f64,
    hold_back: f64,
    skip_until: f64,
    sequence: u64,
    discontinuity_sequence: u64,
    skipped: u64,
    segments: Vec<Listed>,
    /// How far from the end players start.
    start: Option<f64>,
    hint: Option<String>,
    has_ended: bool,
}

/// A segment, or at the end the parts of one that is under way.
#[derive(Debug, Clone, Default, PartialEq)]
struct Listed {
    uri: Option<String>,
    duration: f64,
    map: String,
    date: Option<f64>,
    has_discontinuity: bool,
    parts: Vec<ListedPart>,
}

#[derive(Debug, Clone, PartialEq)]
struct ListedPart {
    uri: String,
    duration: f64,
    is_independent: bool,
}

/// Which playlist is looked at.
#[derive(Clone, Copy, PartialEq, Default)]
pub(super) enum Of {
    /// That of the live edge.
    #[default]
    Edge,
    /// That of all that is kept, which has no parts.
    Window,
}

/// All that the playlists of a broadcast said, and what was wrong with them.
#[derive(Default)]
pub(super) struct Playlists {
    of: Of,
    pub(super) wrong: Vec<String>,
    pub(super) looks: u64,
    /// Playlists of which there was an update with something skipped.
    pub(super) deltas: u64,
    /// Discontinuities so far, those that are out of the playlist included.
    pub(super) discontinuities: u64,
    /// The most segments of any.
    pub(super) longest: usize,
    last_text: String,
    last: Option<Read>,
    /// Every segment so far by its Media Sequence Number.
    known: BTreeMap<u64, Listed>,
    hints: Vec<String>,
}

impl Playlists {
    pub(super) fn of(of: Of) -> Self {
        Self {
            of,
            ..Self::default()
        }
    }

    /// Looks at what the store serves now.
    pub(super) fn look(&mut self, store: &Store) {
        let Some(file) = self.file(store, false) else {
            return;
        };
        let text = String::from_utf8(file.data.to_vec()).expect("UTF-8");
        if text == self.last_text {
            return;
        }
        self.looks += 1;
        if let Err(error) = m3u8_rs::parse_media_playlist_res(text.as_bytes()) {
            self.wrong.push(format!("m3u8-rs: {error}"));
        }
        match Read::parse(&text) {
            Ok(read) => {
                self.judge(&read, store);
                self.judge_delta(&read, store);
                self.last = Some(read);
            }
            Err(error) => self.wrong.push(format!("{error} in\n{text}")),
        }
        self.last_text = text;
    }

    fn file(&self, store: &Store, is_delta: bool) -> Option<File> {
        match self.of {
            Of::Edge => store.playlist(is_delta),
            Of::Window => store.shift_playlist(is_delta),
        }
    }

    fn judge(&mut self, read: &Read, store: &Store) {
        let of = self.of;
        self.longest = self.longest.max(read.segments.len());
        let mut wrong = Vec::new();
        let mut must = |holds: bool, rule: String| {
            if !holds {
                wrong.push(rule);
            }
        };
        let least = if read.has_ended && of == Of::Window {
            6
        } else {
            9
        };
        must(read.version >= least, format!("version {}", read.version));
        must(read.skipped == 0, "a whole playlist skips".to_owned());
        // 4.4.3.8
        must(
            read.hold_back >= 2.0 * read.part_target,
            format!("PART-HOLD-BACK is {}", read.hold_back),
        );
        must(
            read.skip_until >= 6.0 * read.target as f64,
            format!("CAN-SKIP-UNTIL is {}", read.skip_until),
        );
        // 4.4.5.3
        must(
            read.hint.is_some() != (read.has_ended || of == Of::Window),
            format!("hint {:?}, ended {}", read.hint, read.has_ended),
        );
        // 4.4.2.2
        must(
            read.start
                .is_none_or(|start| start <= -3.0 * read.target as f64),
            format!("players start at {:?}", read.start),
        );
        if let Some(last) = &self.last {
            let constant = |read: &Read| (read.target, read.part_target.to_bits());
            must(
                constant(last) == constant(read),
                "targets change".to_owned(),
            );
            must(!last.has_ended, "a change after the end".to_owned());
            must(
                read.sequence >= last.sequence
                    && read.discontinuity_sequence >= last.discontinuity_sequence,
                "a sequence number goes back".to_owned(),
            );
            // 6.2.2: removed ones count, if a discontinuity stood before them.
            let removed = self.known.range(last.sequence..read.sequence);
            let removed = removed
                .filter(|(_, listed)| listed.has_discontinuity)
                .count() as u64;
            must(
                read.discontinuity_sequence == last.discontinuity_sequence + removed,
                format!("discontinuity sequence {}", read.discontinuity_sequence),
            );
        }
        let finished: Vec<_> = (read.sequence..)
            .zip(&read.segments)
            .filter(|(_, listed)| listed.uri.is_some())
            .collect();
        let total: f64 = finished.iter().map(|(_, listed)| listed.duration).sum();
        must(
            read.sequence == 0 || total >= 3.0 * read.target as f64,
            format!("{total} s are left at {}", read.sequence),
        );
        let mut distance = 0.0;
        for (msn, listed) in finished.iter().rev() {
            // 4.4.3.1
            must(
                listed.duration.round() as u64 <= read.target,
                format!("segment {msn} has {} s", listed.duration),
            );
            // 6.2.2: parts are there up to three target durations from the end.
            must(
                distance >= 3.0 * read.target as f64
                    || listed.parts.is_empty() == (of == Of::Window),
                format!("segment {msn} has no parts"),
            );
            distance += listed.duration;
            let parts: f64 = listed.parts.iter().map(|part| part.duration).sum();
            must(
                listed.parts.is_empty() || (parts - listed.duration).abs() < 1e-4,
                format!(
                    "segment {msn} has {} s and parts of {parts} s",
                    listed.duration
                ),
            );
        }
        for (index, listed) in read.segments.iter().enumerate() {
            let parts = listed.parts.iter().enumerate();
            for (number, part) in parts {
                // 4.4.4.9
                let is_last = number + 1 == listed.parts.len() && listed.uri.is_some();
                let least = if part.is_independent || is_last {
                    0.0
                } else {
                    0.85
                };
                must(
                    part.duration <= read.part_target + 1e-5
                        && part.duration >= least * read.part_target - 1e-5,
                    format!("part {} has {} s", part.uri, part.duration),
                );
                must(
                    is_there(store, &part.uri),
                    format!("{} is not there", part.uri),
                );
            }
            let is_whole = listed.uri.is_some();
            must(
                is_there(store, &listed.map),
                format!("{} is not there", listed.map),
            );
            if let Some(uri) = &listed.uri {
                must(is_there(store, uri), format!("{uri} is not there"));
            }
            must(
                is_whole || index + 1 == read.segments.len(),
                "parts before the end without a segment".to_owned(),
            );
            must(
                listed.date.is_some(),
                format!("segment {index} has no date"),
            );
        }
        for pair in read.segments.windows(2) {
            // 4.4.4.6: dates go at the speed of the media, but where the publisher was away.
            let (Some(before), Some(after)) = (pair[0].date, pair[1].date) else {
                continue;
            };
            let apart = after - before - pair[0].duration;
            must(after >= before, "a date goes back".to_owned());
            must(apart > -0.5, format!("a date is {apart} s early"));
        }
        for (msn, listed) in finished {
            match self.known.get(&msn) {
                Some(known) => {
                    let mut listed = listed.clone();
                    if listed.parts.is_empty() {
                        listed.parts.clone_from(&known.parts);
                    }
                    must(
                        *known == listed,
                        format!("segment {msn} has changed: {known:?}, {listed:?}"),
                    );
                }
                None => {
                    self.discontinuities += u64::from(listed.has_discontinuity);
                    self.known.insert(msn, listed.clone());
                }
            }
        }
        // A hint comes true, or its segment has ended without it.
        let hints = self
            .hints
            .iter()
            .filter(|hint| read.hint.as_ref() != Some(*hint));
        for hint in hints {
            let is_over = !matches!(store.file(name(hint)), Lookup::Next);
            must(is_over, format!("the hint {hint} still waits"));
        }
        self.hints.clear();
        self.hints.extend(read.hint.clone());
        if let Some(hint) = &read.hint {
            must(
                matches!(store.file(name(hint)), Lookup::Next),
                format!("the hint {hint} is not waited for"),
            );
        }
        self.wrong.extend(wrong);
    }

    /// An update is the whole playlist without what it skips (6.2.5.1).
    fn judge_delta(&mut self, whole: &Read, store: &Store) {
        let delta = self.file(store, true).expect("there is a whole one");
        let delta = match Read::parse(&String::from_utf8_lossy(&delta.data)) {
            Ok(delta) => delta,
            Err(error) => return self.wrong.push(format!("update: {error}")),
        };
        self.deltas += u64::from(delta.skipped > 0);
        let skipped = delta.skipped as usize;
        let rest = whole.segments.get(skipped..).unwrap_or_default();
        let after: f64 = rest
            .iter()
            .flat_map(|s| match s.uri {
                Some(_) => vec![s.duration],
                None => s.parts.iter().map(|part| part.duration).collect(),
            })
            .sum();
        let is_same = delta.segments == rest
            && delta.sequence == whole.sequence
            && delta.discontinuity_sequence == whole.discontinuity_sequence
            && delta.hint == whole.hint;
        if !is_same || (skipped > 0 && after < whole.skip_until) {
            self.wrong.push(format!(
                "an update of {skipped} skipped, {after} s after them"
            ));
        }
    }
}

fn is_there(store: &Store, uri: &str) -> bool {
    matches!(store.file(name(uri)), Lookup::Found(_) | Lookup::OnDisk(_))
}

/// The file's name in an address.
fn name(uri: &str) -> &str {
    uri.split_once('/').map_or(uri, |(_, name)| name)
}

impl Read {
    fn parse(text: &str) -> Result<Self, String> {
        let mut lines = text.lines();
        if lines.next() != Some("#EXTM3U") {
            return Err("no #EXTM3U".to_owned());
        }
        let mut read = Read::default();
        let (mut next, mut map) = (Listed::default(), String::new());
        for line in lines {
            let (tag, value) = line.split_once(':').unwrap_or((line, ""));
            let attribute = |wanted: &str| {
                attributes(value)
                    .into_iter()
                    .find(|(name, _)| name == wanted)
                    .map(|(_, v)| v)
            };
            let needed = |wanted: &str| attribute(wanted).ok_or(format!("no {wanted} in {line}"));
            match tag {
                "#EXT-X-VERSION" => read.version = number(value)?,
                "#EXT-X-TARGETDURATION" => read.target = number(value)?,
                "#EXT-X-MEDIA-SEQUENCE" => read.sequence = number(value)?,
                "#EXT-X-DISCONTINUITY-SEQUENCE" => {
                    if !read.segments.is_empty() {
                        return Err("a late EXT-X-DISCONTINUITY-SEQUENCE".to_owned());
                    }
                    read.discontinuity_sequence = number(value)?;
                }
                "#EXT-X-PART-INF" => read.part_target = number(&needed("PART-TARGET")?)?,
                "#EXT-X-SERVER-CONTROL" => {
                    if needed("CAN-BLOCK-RELOAD")? != "YES" {
                        return Err("no blocking reload".to_owned());
                    }
                    read.hold_back =
                        number(&attribute("PART-HOLD-BACK").unwrap_or("0".to_owned()))?;
                    read.skip_until = number(&needed("CAN-SKIP-UNTIL")?)?;
                }
                "#EXT-X-START" => read.start = Some(number(&needed("TIME-OFFSET")?)?),
                "#EXT-X-SKIP" => read.skipped = number(&needed("SKIPPED-SEGMENTS")?)?,
                "#EXT-X-MAP" => map = needed("URI")?,
                "#EXT-X-DISCONTINUITY" => next.has_discontinuity = true,
                "#EXT-X-PROGRAM-DATE-TIME" => {
                    let time = humantime::parse_rfc3339(value).map_err(|e| e.to_string())?;
                    let since = time.duration_since(std::time::UNIX_EPOCH);
                    next.date = Some(since.map_err(|e| e.to_string())?.as_secs_f64());
                }
                "#EXT-X-PART" => next.parts.push(ListedPart {
                    uri: needed("URI")?,
                    duration: number(&needed("DURATION")?)?,
                    is_independent: attribute("INDEPENDENT").as_deref() == Some("YES"),
                }),
                "#EXTINF" => next.duration = number(value.strip_suffix(',').unwrap_or(value))?,
                "#EXT-X-PRELOAD-HINT" => {
                    if needed("TYPE")? != "PART" || read.hint.is_some() {
                        return Err(format!("another hint: {line}"));
                    }
                    read.hint = Some(needed("URI")?);
                }
                "#EXT-X-ENDLIST" => read.has_ended = true,
                _ if line.starts_with('#') => return Err(format!("unknown tag {line}")),
                _ => {
                    next.uri = Some(line.to_owned());
                    next.map.clone_from(&map);
                    read.segments.push(std::mem::take(&mut next));
                }
            }
        }
        if next != Listed::default() {
            next.map = map;
            read.segments.push(next);
        }
        Ok(read)
    }
}

/// An attribute list (4.2), without the quotation marks.
fn attributes(list: &str) -> Vec<(String, String)> {
    let (mut found, mut rest) = (Vec::new(), list);
    while let Some((name, value)) = rest.split_once('=') {
        let (value, after) = match value.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => value.split_at(value.find(',').unwrap_or(value.len())),
        };
        found.push((name.to_owned(), value.to_owned()));
        rest = after.strip_prefix(',').unwrap_or(after);
    }
    found
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("no number: {text:?}"))
}
