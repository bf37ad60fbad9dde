//! The playlist's text.

use std::fmt::Write as _;
use std::time::{Duration, SystemTime};

use super::{LivePlaylist, PlaylistPart, SegmentHead};

/// How many target durations from the end a Playlist Delta Update names at least: the least
/// `CAN-SKIP-UNTIL` (RFC 8216bis section 4.4.3.8).
pub(super) const SKIP_TARGETS: u64 = 6;

impl LivePlaylist {
    /// The playlist for players that know neither parts nor Media Initialization Sections, with the
    /// same segments in other files: `uri` names that of a Media Sequence Number. The first `skipped`
    /// are left out.
    pub fn render_plain(&self, skipped: usize, uri: impl Fn(u64) -> String) -> String {
        let skipped = skipped.min(self.segments.len());
        let mut out = String::with_capacity(256 + 120 * self.segments.len());
        // Version 3: EXTINF with decimal places (RFC 8216 section 7). Writing to a string cannot
        // fail.
        let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:3");
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{}", self.target_secs);
        let sequence = self.media_sequence + skipped as u64;
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{sequence}");
        let before = self.segments.iter().take(skipped);
        let before = before.filter(|segment| segment.head.discontinuity).count();
        self.write_discontinuity_sequence(&mut out, before);
        for (msn, segment) in (sequence..).zip(self.segments.iter().skip(skipped)) {
            write_discontinuity(&mut out, &segment.head);
            write_date(&mut out, segment.head.program_date_time);
            let _ = writeln!(out, "#EXTINF:{:.5},", segment.duration.as_secs_f64());
            let _ = writeln!(out, "{}", uri(msn));
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
        }
        out
    }

    /// The whole playlist. `hint` is the URI of the part that comes next.
    pub fn render(&self, hint: &str) -> String {
        self.write(0, hint)
    }

    /// A Playlist Delta Update (RFC 8216bis section 6.2.5.1); `None` where there is nothing to
    /// skip.
    pub fn render_delta(&self, hint: &str) -> Option<String> {
        self.part.filter(|_| !self.ended)?;
        let until = Duration::from_secs(SKIP_TARGETS * self.target_secs);
        let open: Duration = self
            .open
            .iter()
            .flat_map(|open| &open.parts)
            .map(|part| part.duration)
            .sum();
        let mut after = open;
        let kept = self.segments.iter().rev().take_while(|segment| {
            let is_near = after < until;
            after += segment.duration;
            is_near
        });
        let skipped = self.segments.len() - kept.count();
        (skipped > 0).then(|| self.write(skipped, hint))
    }

    fn write(&self, skipped: usize, hint: &str) -> String {
        let mut out = String::with_capacity(512 + 160 * self.segments.len());
        // Nothing is to be had early of what has ended. Players that find parts in it may wait for
        // the last one for ever (hls.js, where the last one is short).
        let part_target = self.part.filter(|_| !self.ended);
        // Version 6: EXT-X-MAP in a playlist that has more than I-frames; 9: EXT-X-SKIP (section 8).
        let version = if part_target.is_some() { 9 } else { 6 };
        // Writing to a string cannot fail.
        let _ = writeln!(out, "#EXTM3U\n#EXT-X-VERSION:{version}");
        let _ = writeln!(out, "#EXT-X-TARGETDURATION:{}", self.target_secs);
        if let Some(part) = part_target {
            let part = part.as_secs_f64();
            let _ = writeln!(
                out,
                "#EXT-X-SERVER-CONTROL:CAN-BLOCK-RELOAD=YES,PART-HOLD-BACK={:.3},CAN-SKIP-UNTIL={}",
                part * f64::from(self.hold_back),
                SKIP_TARGETS * self.target_secs,
            );
            let _ = writeln!(out, "#EXT-X-PART-INF:PART-TARGET={part:.3}");
        }
        let _ = writeln!(out, "#EXT-X-MEDIA-SEQUENCE:{}", self.media_sequence);
        self.write_discontinuity_sequence(&mut out, 0);
        if skipped > 0 {
            let _ = writeln!(out, "#EXT-X-SKIP:SKIPPED-SEGMENTS={skipped}");
        }
        let mut map: Option<&str> = None;
        for segment in self.segments.iter().skip(skipped) {
            write_head(&mut out, &segment.head, &mut map);
            if part_target.is_some() {
                write_parts(&mut out, &segment.parts);
            }
            let _ = writeln!(out, "#EXTINF:{:.5},", segment.duration.as_secs_f64());
            out.push_str(&segment.uri);
            out.push('\n');
        }
        if self.ended {
            out.push_str("#EXT-X-ENDLIST\n");
            return out;
        }
        if let Some(open) = self.open.as_ref().filter(|open| !open.parts.is_empty()) {
            write_head(&mut out, &open.head, &mut map);
            write_parts(&mut out, &open.parts);
        }
        if self.part.is_some() {
            let _ = writeln!(out, "#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"{hint}\"");
        }
        out
    }

    /// `left_out` discontinuities are before the first segment, beside those that were in the
    /// playlist once.
    fn write_discontinuity_sequence(&self, out: &mut String, left_out: usize) {
        let has_discontinuity = self.segments.iter().any(|s| s.head.discontinuity);
        let sequence = self.discontinuity_sequence + left_out as u64;
        if sequence > 0 || has_discontinuity {
            let _ = writeln!(out, "#EXT-X-DISCONTINUITY-SEQUENCE:{sequence}");
        }
    }
}

fn write_discontinuity(out: &mut String, head: &SegmentHead) {
    if head.discontinuity {
        out.push_str("#EXT-X-DISCONTINUITY\n");
    }
}

pub(super) fn write_date(out: &mut String, time: SystemTime) {
    let time = humantime::format_rfc3339_millis(time);
    let _ = writeln!(out, "#EXT-X-PROGRAM-DATE-TIME:{time}");
}

pub(super) fn write_head<'a>(out: &mut String, head: &'a SegmentHead, map: &mut Option<&'a str>) {
    write_discontinuity(out, head);
    if *map != Some(&head.map_uri) {
        let _ = writeln!(out, "#EXT-X-MAP:URI=\"{}\"", head.map_uri);
        *map = Some(&head.map_uri);
    }
    write_date(out, head.program_date_time);
}

fn write_parts(out: &mut String, parts: &[PlaylistPart]) {
    for part in parts {
        let duration = part.duration.as_secs_f64();
        let _ = write!(
            out,
            "#EXT-X-PART:DURATION={duration:.5},URI=\"{}\"",
            part.uri
        );
        out.push_str(if part.is_independent {
            ",INDEPENDENT=YES\n"
        } else {
            "\n"
        });
    }
}
