//! One live broadcast: the core that muxes, the task that drives it, and what viewers see.

mod core;
mod frames;
mod inputs;
mod interleave;
mod keyframes;
mod layer;
mod mux;
mod opus;
#[cfg(feature = "aac")]
#[cfg(test)]
pub(crate) mod rig;
mod silence;
mod task;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(feature = "aac")]
#[cfg(test)]
mod tests;
#[cfg(feature = "aac")]
#[cfg(test)]
mod trial;
mod variant;
mod wall;

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use packager::hls::{HOLD_BACK, HOLD_BACK_OF_SIZES, PlaylistConfig};
use packager::picture::Picture;
use packager::rtp::Codec;
use packager::video::VideoConfig;
use tokio::sync::{Notify, watch};

use crate::config::RelayConfig;
use crate::flv::{Ring, RingLimits};
use crate::hls::Store;
use crate::ingest::{KeyframeAsker, Lane, Over, Publication};
use crate::limits::Seats;
use crate::shift::TimeShift;
use crate::stream_id::StreamId;

pub(crate) use task::{Context, run};
pub(crate) use variant::{Content, Facet, OPUS, Variant};
pub(crate) use wall::CommonClock;

/// What viewers and publishers share of one broadcast.
#[derive(Debug)]
pub(crate) struct Broadcast {
    pub(crate) id: StreamId,
    /// Its media comes as frames of another server, and not as RTP.
    pub(crate) is_of_frames: bool,
    /// What viewers choose from, that of the large picture first.
    variants: Vec<Variant>,
    /// The publisher's own sound.
    opus: Option<Arc<Store>>,
    pub(crate) seats: Seats,
    pub(crate) status: watch::Sender<Status>,
    /// Of the publisher that sends now: width in the upper half, 0 while there is no picture.
    picture: AtomicU32,
    desk: Mutex<Desk>,
    arrivals: Notify,
}

/// Where a broadcast stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) phase: Phase,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Phase {
    /// No packet has come yet.
    Starting,
    /// Media that FLV and HLS can carry comes, or came from a publisher who may be back.
    Live,
    /// The video is published with a codec that FLV and HLS cannot carry here.
    Refused(Codec),
    /// None of the announced tracks can be carried.
    NoTracks,
    /// Over.
    Ended,
}

/// Where a publisher waits to be taken on. The newest one wins, so there is never more than
/// one.
#[derive(Debug, Default)]
struct Desk {
    waiting: Option<Publisher>,
    is_closed: bool,
}

/// A publisher that takes a broadcast on or over.
pub(crate) struct Publisher {
    pub(crate) lane: Lane,
    /// Whether the broadcast ends with the lane.
    pub(crate) is_over: Over,
    pub(crate) publication: Publication,
    pub(crate) ask_keyframe: KeyframeAsker,
    /// Of a broadcast that begins with it.
    pub(crate) clock: CommonClock,
}

impl std::fmt::Debug for Publisher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Publisher")
            .field("publication", &self.publication)
            .finish_non_exhaustive()
    }
}

impl Broadcast {
    pub(crate) fn new(
        id: StreamId,
        publisher: &Publisher,
        config: &RelayConfig,
        stamp: &str,
        time_shift: Option<&TimeShift>,
    ) -> Self {
        let limits = RingLimits {
            max_bytes: config.max_ring_bytes,
            // Twice the lag that a viewer may have: it skips long before its tags are gone.
            max_age: config.max_viewer_lag * 2,
            max_lag: config.max_viewer_lag,
            max_gop: config.max_gop,
        };
        let contents = variant::contents(publisher.publication);
        let playlist = PlaylistConfig {
            hold_back: match contents.len() {
                1 => HOLD_BACK,
                _ => HOLD_BACK_OF_SIZES,
            },
            target: config.segment_duration,
            part: config.part_duration,
            window: config.playlist_segments,
        };
        let is_of_frames = publisher.lane.is_of_frames();
        let has_opus = !is_of_frames && variant::has_opus(publisher.publication);
        let store = |stamp: String| {
            let shelf = time_shift.map(|shift| shift.shelf(&stamp));
            Arc::new(Store::new(playlist, id.clone(), stamp).with_shelf(shelf))
        };
        let opus = has_opus.then(|| store(format!("{stamp}{OPUS}")));
        let variants = contents.into_iter().map(|content| {
            let stamp = match content {
                Content::Picture(Picture::Large) => stamp.to_owned(),
                lesser => format!("{stamp}{}", lesser.name()),
            };
            Variant {
                content,
                ring: Arc::new(Ring::new(limits)),
                store: store(stamp),
            }
        });
        let variants = variants.collect();
        let status = Status {
            phase: Phase::Starting,
        };
        Self {
            variants,
            opus,
            is_of_frames,
            id,
            seats: Seats::new(config.max_viewers_per_broadcast),
            status: watch::Sender::new(status),
            picture: AtomicU32::new(0),
            desk: Mutex::default(),
            arrivals: Notify::new(),
        }
    }

    /// Its variants, that of the large picture first.
    pub(crate) fn variants(&self) -> &[Variant] {
        &self.variants
    }

    /// The publisher's own sound, if the broadcast began with one.
    pub(crate) fn opus(&self) -> Option<&Store> {
        self.opus.as_deref()
    }

    /// All that has a playlist.
    pub(crate) fn stores(&self) -> impl Iterator<Item = &Store> {
        let variants = self.variants.iter().map(|variant| &variant.store);
        variants.chain(&self.opus).map(Arc::as_ref)
    }

    /// The playlist of what an address speaks of.
    pub(crate) fn store(&self, facet: Facet) -> &Arc<Store> {
        match (facet, &self.opus) {
            (Facet::Opus, Some(opus)) => opus,
            (Facet::Variant(index), _) => &self.variant(Some(index)).store,
            (Facet::Whole | Facet::Opus, _) => &self.variant(None).store,
        }
    }

    /// The variant at a place; that of the large picture where none is named.
    pub(crate) fn variant(&self, index: Option<usize>) -> &Variant {
        let named = index.and_then(|index| self.variants.get(index));
        named.unwrap_or(&self.variants[0])
    }

    /// The place of the variant with this name in addresses.
    pub(crate) fn position(&self, name: &str) -> Option<usize> {
        let mut variants = self.variants.iter();
        variants.position(|variant| variant.content.name() == name)
    }

    /// Leaves a publisher for the task to take on. False if the broadcast is over.
    pub(crate) fn hand_over(&self, publisher: Publisher) -> Result<(), Publisher> {
        let mut desk = self.desk();
        if desk.is_closed {
            return Err(publisher);
        }
        desk.waiting = Some(publisher);
        drop(desk);
        self.arrivals.notify_one();
        Ok(())
    }

    /// The publisher that waits.
    fn take_publisher(&self) -> Option<Publisher> {
        self.desk().waiting.take()
    }

    /// Closes the desk unless somebody waits there.
    fn close_desk(&self) -> bool {
        let mut desk = self.desk();
        desk.is_closed |= desk.waiting.is_none();
        desk.is_closed
    }

    /// Closes the desk and sends away who waits there.
    fn close_desk_at_once(&self) {
        let mut desk = self.desk();
        desk.waiting = None;
        desk.is_closed = true;
    }

    /// True if it takes no publisher any more.
    pub(crate) fn is_ended(&self) -> bool {
        self.desk().is_closed
    }

    /// Width and height of the publisher's newest key frame, after cropping.
    pub(crate) fn picture_size(&self) -> Option<(u16, u16)> {
        match self.picture.load(Ordering::Relaxed) {
            0 => None,
            size => Some(((size >> 16) as u16, size as u16)),
        }
    }

    /// Nothing is known of a new publisher's picture.
    fn set_picture(&self, config: Option<&VideoConfig>) {
        let size = config.map_or(0, |c| u32::from(c.width()) << 16 | u32::from(c.height()));
        self.picture.store(size, Ordering::Relaxed);
    }

    fn set_phase(&self, phase: Phase) {
        self.status.send_if_modified(|status| {
            let is_new = status.phase != phase;
            status.phase = phase;
            is_new
        });
    }

    fn desk(&self) -> MutexGuard<'_, Desk> {
        self.desk.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
