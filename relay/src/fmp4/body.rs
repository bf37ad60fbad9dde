//! One viewer of fMP4: a place among the parts of a broadcast, and which tracks it was told of.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::Bytes;
use packager::frames::AudioConfig;
use packager::hls::InitSection;
use packager::video::VideoCodec;
use tokio::sync::Notify;

use crate::hls::{Follower, Next, Store};
use crate::limits::Seat;
use crate::viewer::{BodyCounters, Ended, Found, MaxLag, Reader, StartAt, ViewerBody, ViewerWatch};

/// The bytes of one viewer's stream: those of the store, which are never copied.
pub(crate) type FragmentBody = ViewerBody<PartReader>;

/// Where a viewer is in a [`Store`], and what it knows of it.
#[derive(Debug)]
pub(crate) struct PartReader {
    store: Arc<Store>,
    follower: Follower,
    max_lag: MaxLag,
    tracks: Option<Tracks>,
}

/// What a player has made buffers for. A change of size, of parameter sets or of the sound's rate it
/// takes from a new initialization section; Media Source Extensions want the same tracks there, of
/// the same codecs (W3C MSE section 3.5.7).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Tracks {
    video: Option<VideoCodec>,
    /// Its codec string.
    audio: Option<&'static str>,
}

impl FragmentBody {
    pub(crate) fn new(
        store: Arc<Store>,
        start_at: StartAt,
        max_lag: MaxLag,
        piece: usize,
        watch: ViewerWatch,
        seat: Seat,
        counters: BodyCounters,
    ) -> Self {
        let reader = PartReader {
            store,
            follower: Follower::new(start_at),
            max_lag,
            tracks: None,
        };
        Self::of(reader, piece, watch, seat, counters)
    }
}

impl Reader for PartReader {
    fn news(&self) -> &Arc<Notify> {
        self.store.news()
    }

    fn look(&mut self, pending: &mut VecDeque<Bytes>, counters: &BodyCounters) -> Found {
        let (data, init, skipped) = match self.store.follow(&mut self.follower, self.max_lag) {
            Next::Part {
                data,
                init,
                skipped,
            } => (data, init, skipped),
            Next::Wait { skipped } => {
                counters.skips.inc_by(u64::from(skipped));
                return Found::Nothing;
            }
            Next::End => return Found::End(Ended::Broadcast),
        };
        counters.skips.inc_by(u64::from(skipped));
        if let Some(init) = init {
            let tracks = Tracks::of(&init);
            if self
                .tracks
                .replace(tracks)
                .is_some_and(|told| told != tracks)
            {
                return Found::End(Ended::Tracks);
            }
            pending.push_back(init.data);
        }
        pending.push_back(data);
        Found::Bytes
    }
}

impl Tracks {
    fn of(init: &InitSection) -> Self {
        Self {
            video: init.video.as_ref().map(|config| config.codec()),
            audio: init.audio.as_ref().map(AudioConfig::codec_string),
        }
    }
}

#[cfg(test)]
mod tests;
