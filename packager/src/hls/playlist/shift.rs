//! The Media Playlist of a time-shift window: hours of segments, to which one is appended each few
//! seconds (RFC 8216bis section 6.2.2). Players of it start near its end (`EXT-X-START`), and load
//! what is new of it alone (section 6.2.5.1).

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::render::{SKIP_TARGETS, write_date};

/// What such a playlist says beside its segments.
#[derive(Debug, Clone, Copy)]
pub struct ShiftPlaylist {
    /// Target duration, rounded up to whole seconds.
    pub target: Duration,
    /// `CAN-BLOCK-RELOAD`: who asks for the next segment gets the playlist once that is in it.
    pub blocks_reload: bool,
    /// Media Sequence Number of the first segment.
    pub media_sequence: u64,
    /// Discontinuities before the first segment, that at its own start not among them.
    pub discontinuity_sequence: u64,
    /// No segment will follow.
    pub ended: bool,
}

/// A segment of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShiftSegment {
    /// Version of its Media Initialization Section.
    pub init: u32,
    /// `EXTINF`.
    pub duration: Duration,
    /// `EXT-X-DISCONTINUITY` stands before it.
    pub discontinuity: bool,
    /// Wall clock of its first frame.
    pub program_date_time: SystemTime,
}

impl ShiftPlaylist {
    /// The whole playlist. `uri` names the segment of a Media Sequence Number, `map` the Media
    /// Initialization Section of a version; without line ends and quotation marks.
    pub fn render(
        &self,
        segments: &[ShiftSegment],
        uri: impl Fn(u64) -> String,
        map: impl Fn(u32) -> String,
    ) -> String {
        self.write(0, segments, uri, map)
    }

    /// A Playlist Delta Update; `None` where there is nothing to skip.
    pub fn render_delta(
        &self,
        segments: &[ShiftSegment],
        uri: impl Fn(u64) -> String,
        map: impl Fn(u32) -> String,
    ) -> Option<String> {
        if self.ended {
            return None;
        }
        let until = Duration::from_secs(SKIP_TARGETS * self.target_secs());
        let mut after = Duration::ZERO;
        let kept = segments.iter().rev().take_while(|segment| {
            let is_near = after < until;
            after += segment.duration;
            is_near
        });
        let skipped = segments.len() - kept.count();
        (skipped > 0).then(|| self.write(skipped, segments, uri, map))
    }

    fn target_secs(&self) -> u64 {
        let whole = self.target.as_secs() + u64::from(self.target.subsec_nanos() > 0);
        whole.max(1)
    }

    fn write(
        &self,
        skipped: usize,
        segments: &[ShiftSegment],
        uri: impl Fn(u64) -> String,
        map: impl Fn(u32) -> String,
    ) -> String {
        let shown = segments.get(skipped..).unwrap_or_default();
        let target = self.target_secs();
        let mut out = String::with_capacity(512 + 128 * shown.len());
        // Version 6: EXT-X-MAP beside more than I-frames; 9: EXT-X-SKIP (section 8).
        let version = if self.ended { 6 } else { 9 };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}");
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{target}");
        if !self.ended {
            let blocks = match self.blocks_reload {
                true => "CAN-BLOCK-RELOAD=YES,",
                false => "",
            };
            let skip_until = SKIP_TARGETS * target;
            let _ = writeln!(
                out,
                "#EXT-X-SERVER-CONTROL:{blocks}CAN-SKIP-UNTIL={skip_until}"
            );
            // No nearer (section 4.4.2.2), and no farther than the playlist is long.
            let back = Duration::from_secs(START_TARGETS * target);
            let total: Duration = segments.iter().map(|segment| segment.duration).sum();
            if total >= back {
                let _ = writeln!(out, "#EXT-X-START:TIME-OFFSET=-{}", back.as_secs());
            }
        }
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence);
        let discontinuities = self.discontinuity_sequence;
        let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{discontinuities}");
        if skipped > 0 {
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        let mut named = None;
        for (msn, segment) in (self.media_sequence + skipped as u64..).zip(shown) {
            if segment.discontinuity {
                out.push_str("#EXT-X-DISCONTINUITY\n");
            }
            if named != Some(segment.init) {
                let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", map(segment.init));
                named = Some(segment.init);
            }
            write_date(&mut out, segment.program_date_time);
            let seconds = segment.duration.as_secs_f64();
            let _ = writeln!(out, "#EXTINF:{seconds:.5},\n{}", uri(msn));
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }
}

/// Where players start, in target durations from the end: as near as RFC 8216bis section 4.4.2.2
/// allows.
const START_TARGETS: u64 = 3;

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(count: u64) -> Vec<ShiftSegment> {
        let segment = |number: u64| ShiftSegment {
            init: u32::from(number >= 8),
            duration: Duration::from_secs(2),
            discontinuity: number == 8,
            program_date_time: SystemTime::UNIX_EPOCH + Duration::from_secs(2 * number),
        };
        (0..count).map(segment).collect()
    }

    fn playlist(ended: bool) -> ShiftPlaylist {
        ShiftPlaylist {
            target: Duration::from_secs(2),
            blocks_reload: true,
            media_sequence: 40,
            discontinuity_sequence: 3,
            ended,
        }
    }

    fn uri(msn: u64) -> String {
        format!("{msn}.m4s")
    }

    fn map(version: u32) -> String {
        format!("init{version}.mp4")
    }

    #[test]
    fn it_says_where_to_start_and_what_may_be_asked_for() {
        let text = playlist(false).render(&segments(3), uri, map);
        assert_eq!(
            text,
            "#EXTM3U\n#EXT-X-VERSION:9\n#EXT-X-TARGETDURATION:2\n\
             #EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,CAN-SKIP-UNTIL=12\n\
             #EXT-X-START:TIME-OFFSET=-6\n\
             #EXT-X-MEDIA-SEQUENCE:40\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n\
             #EXT-X-MAP:URI=\"init0.mp4\"\n\
             #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:00.000Z\n#EXTINF:2.00000,\n40.m4s\n\
             #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:02.000Z\n#EXTINF:2.00000,\n41.m4s\n\
             #EXT-X-PROGRAM-DATE-TIME:1970-01-01T00:00:04.000Z\n#EXTINF:2.00000,\n42.m4s\n"
        );
        let short = playlist(false).render(&segments(2), uri, map);
        assert!(!short.contains("EXT-X-START"), "{short}");
        let ended = playlist(true).render(&segments(9), uri, map);
        // What is over is played from its beginning, and read once.
        assert!(!ended.contains("EXT-X-START") && !ended.contains("SERVER-CONTROL"));
        assert!(ended.ends_with("48.m4s\n#EXT-X-ENDLIST\n"), "{ended}");
        assert_eq!(playlist(true).render_delta(&segments(99), uri, map), None);
    }

    #[test]
    fn an_update_has_the_last_lines_of_the_whole_playlist() {
        let all = segments(20);
        assert_eq!(playlist(false).render_delta(&all[..6], uri, map), None);
        let whole = playlist(false).render(&all, uri, map);
        let delta = playlist(false).render_delta(&all, uri, map).unwrap();
        let (_, rest) = delta
            .split_once("#EXT-X-SKIP:SKIPPED-SEGMENTS=14\n")
            .unwrap();
        // The section of the first one is named again.
        let (section, rest) = rest.split_once('\n').unwrap();
        assert_eq!(section, "#EXT-X-MAP:URI=\"init1.mp4\"");
        assert!(whole.ends_with(rest), "{delta}");
        assert_eq!(rest.matches("#EXTINF").count(), 6);
        let parsed = m3u8_rs::parse_media_playlist_res(whole.as_bytes()).unwrap();
        assert_eq!((parsed.media_sequence, parsed.segments.len()), (40, 20));
        assert_eq!(parsed.discontinuity_sequence, 3);
        assert!(parsed.segments[8].discontinuity);
    }
}
