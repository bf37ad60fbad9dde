//! Settings of the relay.

use std::time::Duration;

use crate::shift::TimeShiftConfig;

/// Settings of a [`Relay`](crate::Relay). The limits bound memory; the times are those of the
/// playback contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayConfig {
    /// Broadcasts that may live at the same time.
    pub max_broadcasts: usize,
    /// Viewers of FLV and endless fMP4 of one broadcast.
    pub max_viewers_per_broadcast: usize,
    /// Viewers of FLV and endless fMP4 of all broadcasts.
    pub max_viewers: usize,
    /// How long a broadcast outlives its publisher, so that a republish keeps its viewers.
    pub linger: Duration,
    /// How long the playlist and segments of an ended broadcast stay; at least for as long as
    /// [`RelayConfig::playlist_segments`] and one more play.
    pub keep_ended: Duration,
    /// How long a request for the first playlist or picture waits before it is refused.
    pub first_media_wait: Duration,
    /// Target duration of an HLS Media Segment.
    pub segment_duration: Duration,
    /// Part Target Duration of Low-Latency HLS. Without one playlists name no parts.
    pub part_duration: Option<Duration>,
    /// Media Segments named by a playlist; more where they are short, so that three target
    /// durations are never undercut (RFC 8216, section 6.2.2).
    pub playlist_segments: usize,
    /// How far a viewer of FLV or endless fMP4 may fall behind the live edge before it skips to the
    /// newest key frame; twice that where there is no newer one, and it goes on without pictures (with
    /// nothing in fMP4) until the next one comes.
    pub max_viewer_lag: Duration,
    /// Bytes of FLV tags kept for all viewers of one broadcast.
    pub max_ring_bytes: usize,
    /// How old the key frame may be that an FLV viewer starts at. What is older is not kept.
    pub max_gop: Duration,
    /// How long an FLV viewer, or a client that is sent a segment from a file, may take nothing of what
    /// waits for it, and one of endless fMP4 may take for a fragment. See [`ViewerWatch`](crate::ViewerWatch).
    pub viewer_timeout: Duration,
    /// AAC bit rate in bits a second.
    pub aac_bit_rate_bps: u32,
    /// What is kept for players that go back; none for nothing.
    pub time_shift: Option<TimeShiftConfig>,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            max_broadcasts: 1_000,
            max_viewers_per_broadcast: 10_000,
            max_viewers: 20_000,
            linger: Duration::from_secs(15),
            keep_ended: Duration::from_secs(60),
            first_media_wait: Duration::from_secs(5),
            segment_duration: Duration::from_secs(2),
            part_duration: Some(Duration::from_millis(250)),
            playlist_segments: 6,
            max_viewer_lag: Duration::from_secs(3),
            // Ten seconds at 25 Mbit/s: more than a key frame distance of any browser.
            max_ring_bytes: 32 << 20,
            // Encoders that answer no request have key frame distances of 2 to 10 s.
            max_gop: Duration::from_secs(30),
            viewer_timeout: Duration::from_secs(10),
            aac_bit_rate_bps: 128_000,
            time_shift: None,
        }
    }
}

impl RelayConfig {
    /// How long an ended broadcast stays: who has its playlist can play it to the end.
    pub(crate) fn stay(&self) -> Duration {
        let segments = u32::try_from(self.playlist_segments).unwrap_or(u32::MAX);
        let playlist = self
            .segment_duration
            .saturating_mul(segments.saturating_add(1));
        self.keep_ended.max(playlist)
    }
}
