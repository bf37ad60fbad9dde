//! The live Media Playlist (RFC 8216 section 4.3): a window that slides over the segments.

use std::collections::VecDeque;
use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

/// One line group of the playlist.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlaylistSegment {
    /// Relative or absolute URI of the segment. Must not contain a line end.
    pub uri: String,
    /// URI of its Media Initialization Section.
    pub map_uri: String,
    /// `EXTINF`.
    pub duration: Duration,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Wall clock of its first frame.
    pub program_date_time: SystemTime,
}

/// A sliding Media Playlist with the counters that RFC 8216 sections 4.3.3.2 and 4.3.3.3 ask for.
#[derive(Debug, Clone)]
pub struct LivePlaylist {
    target_secs: u64,
    window: usize,
    media_sequence: u64,
    discontinuity_sequence: u64,
    segments: VecDeque<PlaylistSegment>,
    ended: bool,
}

impl LivePlaylist {
    /// An empty playlist with a target duration (rounded up to whole seconds) that shows
    /// `window` segments, at least one: more where these are short, so that it never falls below
    /// three target durations (RFC 8216 section 6.2.2), but at most [`MAX_WINDOWS`] times as many.
    pub fn new(target: Duration, window: usize) -> Self {
        let target_secs = target.as_secs() + u64::from(target.subsec_nanos() > 0);
        Self {
            target_secs: target_secs.max(1),
            window: window.max(1),
            media_sequence: 0,
            discontinuity_sequence: 0,
            segments: VecDeque::new(),
            ended: false,
        }
    }

    /// Appends a segment; those that slide out of the window come back.
    pub fn push(&mut self, segment: PlaylistSegment) -> Vec<PlaylistSegment> {
        self.segments.push_back(segment);
        let mut gone = Vec::new();
        while self.slides() {
            let Some(oldest) = self.segments.pop_front() else {
                break;
            };
            self.media_sequence += 1;
            self.discontinuity_sequence += u64::from(oldest.discontinuity);
            gone.push(oldest);
        }
        gone
    }

    /// True if the oldest segment may go.
    fn slides(&self) -> bool {
        let rest: Duration = self.segments.iter().skip(1).map(|s| s.duration).sum();
        let is_long_enough = rest >= Duration::from_secs(3 * self.target_secs);
        let shown = self.segments.len();
        shown > self.window && (is_long_enough || shown > self.window * MAX_WINDOWS)
    }

    /// No segment will follow (`EXT-X-ENDLIST`).
    pub fn end(&mut self) {
        self.ended = true;
    }

    /// Media Sequence Number that the next pushed segment gets.
    pub fn next_sequence(&self) -> u64 {
        self.media_sequence + self.segments.len() as u64
    }

    /// The time that the segments shown play.
    pub fn duration(&self) -> Duration {
        self.segments.iter().map(|segment| segment.duration).sum()
    }

    /// The playlist's text.
    pub fn render(&self) -> String {
        let mut out = String::with_capacity(160 + 160 * self.segments.len());
        // Version 6: EXT-X-MAP in a playlist that has more than I-frames (section 7).
        out.push_str("#EXTM3U\n#EXT-X-VERSION:6\n");
        // Writing to a string cannot fail.
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{}", self.target_secs);
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence);
        if self.discontinuity_sequence > 0 || self.segments.iter().any(|s| s.discontinuity) {
            let _ = writeln!(
                out,
                "#EXT-X-DISCONTINUITY-SEQUENCE:{}",
                self.discontinuity_sequence
            );
        }
        let mut map: Option<&str> = None;
        for segment in &self.segments {
            if segment.discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if map != Some(&segment.map_uri) {
                let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", segment.map_uri);
                map = Some(&segment.map_uri);
            }
            let time = humantime::format_rfc3339_millis(segment.program_date_time);
            let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{time}");
            let _ = writeln!(out, "#EXTINF:{:.5},", segment.duration.as_secs_f64());
            out.push_str(&segment.uri);
            out.push('\n');
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

/// How many windows of segments a playlist shows at most, however short these are: the bound of
/// what a sender that cuts them short can make it hold.
pub const MAX_WINDOWS: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(number: u64, discontinuity: bool) -> PlaylistSegment {
        PlaylistSegment {
            uri: format!("s/{number}.m4s"),
            map_uri: format!("s/init{}.mp4", u8::from(discontinuity)),
            duration: Duration::from_millis(2033),
            discontinuity,
            program_date_time: SystemTime::UNIX_EPOCH
                + Duration::from_millis(1_700_000_000_123 + 2033 * number),
        }
    }

    #[test]
    fn text_is_what_rfc_8216_asks_for() {
        let mut playlist = LivePlaylist::new(Duration::from_secs(2), 2);
        playlist.push(segment(0, false));
        playlist.push(segment(1, true));
        playlist.end();
        assert_eq!(
            playlist.render(),
            "#EXTM3U\n\
             #EXT-X-VERSION:6\n\
             #EXT-X-TARGETDURATION:2\n\
             #EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:0\n\
             #EXT-X-MAP:URI=\"s/init0.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:20.123Z\n\
             #EXTINF:2.03300,\n\
             s/0.m4s\n\
             #EXT-X-DISCONTINUITY\n\
             #EXT-X-MAP:URI=\"s/init1.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:2023-11-14T22:13:22.156Z\n\
             #EXTINF:2.03300,\n\
             s/1.m4s\n\
             #EXT-X-ENDLIST\n"
        );
    }

    #[test]
    fn counters_rise_as_segments_slide_out() {
        let mut playlist = LivePlaylist::new(Duration::from_secs(2), 3);
        let discontinuities = [false, true, false, true, true, false, false, false];
        for (number, discontinuity) in discontinuities.into_iter().enumerate() {
            let before = playlist.next_sequence();
            assert_eq!(before, number as u64);
            let gone = playlist.push(segment(number as u64, discontinuity));
            assert_eq!(gone.len(), usize::from(number >= 3));
        }
        let parsed = m3u8_rs::parse_media_playlist_res(playlist.render().as_bytes()).unwrap();
        assert_eq!(parsed.media_sequence, 5);
        assert_eq!(parsed.discontinuity_sequence, 3);
        assert_eq!(parsed.segments.len(), 3);
        assert!(parsed.segments.iter().all(|s| s.duration.round() <= 2.0));
        assert!(!parsed.end_list);
    }

    #[test]
    fn short_segments_stay_until_three_target_durations_are_left() {
        let mut playlist = LivePlaylist::new(Duration::from_secs(2), 3);
        let mut push = |number, ms| {
            let mut short = segment(number, false);
            short.duration = Duration::from_millis(ms);
            (playlist.push(short).len(), playlist.duration())
        };
        for number in 0..4 {
            assert_eq!(push(number, 1_500).0, 0);
        }
        assert_eq!(push(4, 1_500), (1, Duration::from_secs(6)));
        assert_eq!(push(5, 1_400).0, 0);
        // The bound holds all the same.
        let gone: usize = (6..30).map(|number| push(number, 10).0).sum();
        assert_eq!(1 + gone, 30 - 3 * MAX_WINDOWS);
    }

    #[test]
    fn a_map_is_repeated_only_when_it_changes() {
        let mut playlist = LivePlaylist::new(Duration::from_secs(2), 6);
        for number in 0..6 {
            playlist.push(segment(number, number == 3));
        }
        assert_eq!(playlist.render().matches("#EXT-X-MAP").count(), 3);
        assert_eq!(
            playlist.render().matches("#EXT-X-DISCONTINUITY\n").count(),
            1
        );
    }
}
