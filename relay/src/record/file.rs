//! The names of a recording's files, as players ask for them.

use std::fmt;

use super::id::RecordingId;
use super::manifest::{Paths, init_name, segment_name};
use crate::stream_id::StreamId;

/// A file of a recording that players may have. What the store keeps for itself has no such name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordingFile {
    /// What was recorded.
    pub stream: StreamId,
    /// Which recording of it.
    pub recording: RecordingId,
    /// Which file of that.
    pub part: RecordingPart,
}

/// Which file of a recording.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordingPart {
    /// `index.m3u8`: the Media Playlist (HLS, VOD).
    Playlist,
    /// `recording.mp4`: all of it in one file.
    Mp4,
    /// `init{N}.mp4`: a Media Initialization Section, by its version.
    Init(u32),
    /// `{number}.m4s`, of six digits and more: a Media Segment, counted from 0.
    Segment(usize),
}

impl RecordingFile {
    /// Reads `{stream}/{recording}/{file}`, in the very bytes in which a recorder writes them:
    /// nothing is decoded, no other spelling is taken.
    pub fn read(path: &str) -> Option<Self> {
        let mut names = path.split('/');
        let (stream, recording, file) = (names.next()?, names.next()?, names.next()?);
        if names.next().is_some() {
            return None;
        }
        let recording: RecordingId = recording.parse().ok()?;
        recording.is_of_recorder().then_some(())?;
        Some(Self {
            stream: stream.parse().ok()?,
            recording,
            part: RecordingPart::read(file)?,
        })
    }

    /// Where it is in the store.
    pub(super) fn path(&self) -> String {
        format!("{}/{}", self.paths().folder(), self.part)
    }

    pub(super) fn paths(&self) -> Paths {
        Paths::new(&self.stream, &self.recording)
    }
}

impl RecordingPart {
    pub(super) fn read(name: &str) -> Option<Self> {
        let part = match name {
            PLAYLIST => Self::Playlist,
            MP4 => Self::Mp4,
            _ => {
                let init = name.strip_prefix("init");
                match init.and_then(|rest| rest.strip_suffix(".mp4")) {
                    Some(version) => Self::Init(version.parse().ok()?),
                    None => Self::Segment(name.strip_suffix(".m4s")?.parse().ok()?),
                }
            }
        };
        // `+7` and `007` are numbers, too.
        (part.to_string() == name).then_some(part)
    }
}

impl fmt::Display for RecordingPart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Playlist => f.write_str(PLAYLIST),
            Self::Mp4 => f.write_str(MP4),
            Self::Init(version) => f.write_str(&init_name(*version)),
            Self::Segment(number) => f.write_str(&segment_name(*number)),
        }
    }
}

pub(super) const PLAYLIST: &str = "index.m3u8";
pub(super) const MP4: &str = "recording.mp4";

#[cfg(test)]
mod tests {
    use super::*;

    const FOLDER: &str = "evening/1700000000123-5f1e02aa";

    fn part(name: &str) -> Option<RecordingPart> {
        let path = format!("{FOLDER}/{name}");
        let file = RecordingFile::read(&path)?;
        assert_eq!(file.path(), path);
        Some(file.part)
    }

    #[test]
    fn files_that_a_recorder_writes_for_players_are_named() {
        for (name, expected) in [
            ("index.m3u8", RecordingPart::Playlist),
            ("recording.mp4", RecordingPart::Mp4),
            ("init0.mp4", RecordingPart::Init(0)),
            ("init4294967295.mp4", RecordingPart::Init(u32::MAX)),
            ("000000.m4s", RecordingPart::Segment(0)),
            ("000123.m4s", RecordingPart::Segment(123)),
            ("1000000.m4s", RecordingPart::Segment(1_000_000)),
        ] {
            assert_eq!(part(name), Some(expected), "{name}");
        }
    }

    #[test]
    fn no_other_spelling_and_nothing_that_the_store_keeps_for_itself_is() {
        for name in [
            "",
            ".",
            "..",
            "recording.json",
            "segments-00000.json",
            "recording.mp4#1",
            "000000.m4s#1",
            "INDEX.M3U8",
            "index.m3u8/",
            "index.m3u8?x",
            "index%2Em3u8",
            "init.mp4",
            "init00.mp4",
            "init01.mp4",
            "init+1.mp4",
            "init-1.mp4",
            "init4294967296.mp4",
            "0.m4s",
            "00000.m4s",
            "0000000.m4s",
            "+00000.m4s",
            "99999999999999999999999.m4s",
            "00000\u{660}.m4s",
            "000000.mp4",
        ] {
            assert_eq!(part(name), None, "{name}");
        }
    }

    #[test]
    fn a_path_has_three_names_of_which_each_is_one() {
        for path in [
            "",
            "/",
            "index.m3u8",
            "evening/index.m3u8",
            "/evening/1700000000123-5f1e02aa/index.m3u8",
            "evening//index.m3u8",
            "evening/1700000000123-5f1e02aa//index.m3u8",
            "evening/1700000000123-5f1e02aa/x/index.m3u8",
            "evening/../index.m3u8",
            "../1700000000123-5f1e02aa/index.m3u8",
            "./1700000000123-5f1e02aa/index.m3u8",
            ".unfinished/1700000000123-5f1e02aa/index.m3u8",
            "eve.ning/1700000000123-5f1e02aa/index.m3u8",
            "%65vening/1700000000123-5f1e02aa/index.m3u8",
            "evening\\1700000000123-5f1e02aa\\index.m3u8",
            "evening/a/index.m3u8",
            "evening/1700000000123/index.m3u8",
            "evening/-5f1e02aa/index.m3u8",
            "evening/170000000012-5f1e02aa/index.m3u8",
            "evening/1700000000123-5F1E02AA/index.m3u8",
            "evening/1700000000123-5f1e02a/index.m3u8",
            "evening/1700000000123-5f1e02aa-1/index.m3u8",
        ] {
            assert_eq!(RecordingFile::read(path), None, "{path}");
        }
    }
}
