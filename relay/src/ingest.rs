//! The publisher's end of the lane into a broadcast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use packager::flv::demux::Demuxed;
use packager::picture::{Picture, Pictures};
use packager::rtp::{Codec, MediaKind, RtpPacket, SenderReport, Tracks};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::metrics::Metrics;

/// Items that wait between a media worker and the broadcast's task. A stream of 10 Mbit/s has
/// about 1,100 packets a second, so "full" means that the task did not run for two seconds.
pub(crate) const LANE_ITEMS: usize = 2_048;

/// Batches of frames that wait for the broadcast's task. Each is what one read of a connection
/// brought: full, it holds the connection up and drops nothing.
const LANE_BATCHES: usize = 8;

/// Called by the relay when it needs a key frame of some pictures. Never called more than twice a
/// second for one picture of a publisher; must not block.
pub type KeyframeAsker = Arc<dyn Fn(Pictures) + Send + Sync>;

/// What a publisher has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Publication {
    /// The kinds of media.
    pub tracks: Tracks,
    /// The pictures that its video comes in: more than the large one with simulcast.
    pub pictures: Pictures,
}

impl From<Tracks> for Publication {
    /// Without simulcast.
    fn from(tracks: Tracks) -> Self {
        let pictures = Pictures::of_layers(1);
        Self { tracks, pictures }
    }
}

/// One of the RTP streams of a publisher.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Track {
    /// Its sound.
    Audio,
    /// One of its pictures.
    Video(Picture),
}

impl Track {
    /// The large picture.
    pub const LARGE: Self = Self::Video(Picture::Large);

    /// What kind of media it is.
    pub const fn kind(self) -> MediaKind {
        match self {
            Self::Audio => MediaKind::Audio,
            Self::Video(_) => MediaKind::Video,
        }
    }
}

impl From<MediaKind> for Track {
    /// The large picture.
    fn from(kind: MediaKind) -> Self {
        match kind {
            MediaKind::Audio => Self::Audio,
            MediaKind::Video => Self::LARGE,
        }
    }
}

/// What a publisher sends into its broadcast.
#[derive(Debug, Clone)]
pub enum IngestItem {
    /// One RTP packet of the publisher, without retransmission wrapping.
    Rtp {
        /// The track.
        track: Track,
        /// The codec that the payload type stands for.
        codec: Codec,
        /// The packet.
        packet: RtpPacket,
    },
    /// An RTCP sender report of one track.
    SenderReport {
        /// The track.
        track: Track,
        /// The report.
        report: SenderReport,
    },
    /// What follows of one track is of another source, such as a layer: what is missing before it
    /// will not come.
    Switched {
        /// The track.
        track: Track,
    },
}

/// The lane to the broadcast is full: the item was dropped and counted. The publisher should
/// ask for a key frame, because the frame that the item belongs to is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lane to the broadcast is full ({LANE_ITEMS} items); the item is dropped")]
pub struct IngestFull;

/// What another server sends into a broadcast.
#[derive(Debug, Clone)]
pub enum FrameItem {
    /// The next frames, in the order of that server.
    Frames(Vec<Demuxed>),
    /// The connection is another one, which announces these tracks: frames that came already may
    /// come again, or time starts anew.
    Reconnected(Tracks),
}

/// Where the items of a publisher come from.
#[derive(Debug)]
pub(crate) enum Lane {
    Packets(mpsc::Receiver<IngestItem>),
    Frames(mpsc::Receiver<FrameItem>),
}

impl Lane {
    /// Whether frames come, and not RTP.
    pub(crate) fn is_of_frames(&self) -> bool {
        matches!(self, Self::Frames(_))
    }
}

/// The right to send media into a broadcast. Dropping it says that the publisher is gone and may
/// come back; [`Ingest::end`] that nobody will.
#[derive(Debug)]
pub struct Ingest {
    lane: mpsc::Sender<IngestItem>,
    is_over: Over,
    metrics: Arc<Metrics>,
}

/// Set before the lane closes if the broadcast is to end with it.
pub(crate) type Over = Arc<AtomicBool>;

impl Ingest {
    pub(crate) fn new(metrics: Arc<Metrics>) -> (Self, mpsc::Receiver<IngestItem>, Over) {
        let (lane, items) = mpsc::channel(LANE_ITEMS);
        let is_over = Over::default();
        let ingest = Self {
            lane,
            is_over: Arc::clone(&is_over),
            metrics,
        };
        (ingest, items, is_over)
    }

    /// Ends the broadcast once what was sent is out, without waiting for a publisher to come
    /// back: FLV bodies end, the playlist gets `EXT-X-ENDLIST` and stays for a while. Nothing
    /// ends if another publisher has taken the broadcast over.
    pub fn end(self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Hands one item to the broadcast's task. Never blocks.
    ///
    /// An item that comes after another publisher took the broadcast over, or after shutdown,
    /// is dropped and counted without an error: there is nobody left to ask for a key frame.
    /// [`Ingest::is_closed`] tells.
    ///
    /// # Errors
    /// [`IngestFull`] when the task does not keep up.
    pub fn try_send(&self, item: IngestItem) -> Result<(), IngestFull> {
        match self.lane.try_send(item) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => {
                self.metrics.ingest_full.inc();
                Err(IngestFull)
            }
            Err(TrySendError::Closed(_)) => {
                self.metrics.count_drop("ingest_closed", 1);
                Ok(())
            }
        }
    }

    /// True once another publisher took the broadcast over, or the relay shut down.
    pub fn is_closed(&self) -> bool {
        self.lane.is_closed()
    }
}

/// The right to send another server's frames into a broadcast. Dropping it says that they may come
/// again; [`FrameIngest::end`] that they will not.
#[derive(Debug)]
pub struct FrameIngest {
    lane: mpsc::Sender<FrameItem>,
    is_over: Over,
}

/// Nobody takes the frames any more: another publisher took the broadcast over, or the relay shut
/// down.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the broadcast takes no more frames")]
pub struct IngestClosed;

impl FrameIngest {
    pub(crate) fn new() -> (Self, mpsc::Receiver<FrameItem>, Over) {
        let (lane, items) = mpsc::channel(LANE_BATCHES);
        let is_over = Over::default();
        let ingest = Self {
            lane,
            is_over: Arc::clone(&is_over),
        };
        (ingest, items, is_over)
    }

    /// Ends the broadcast once what was sent is out; see [`Ingest::end`].
    pub fn end(self) {
        self.is_over.store(true, Ordering::Release);
    }

    /// Hands an item to the broadcast's task, and waits while that has as much as it may have.
    ///
    /// # Errors
    /// [`IngestClosed`]: nothing more will be taken.
    pub async fn send(&self, item: FrameItem) -> Result<(), IngestClosed> {
        self.lane.send(item).await.map_err(|_| IngestClosed)
    }
}
