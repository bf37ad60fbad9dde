//! The publisher's end of the lane into a broadcast.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use packager::rtp::{Codec, MediaKind, RtpPacket, SenderReport};
use tokio::sync::mpsc;
use tokio::sync::mpsc::error::TrySendError;

use crate::metrics::Metrics;

/// Items that wait between a media worker and the broadcast's task. A stream of 10 Mbit/s has
/// about 1,100 packets a second, so "full" means that the task did not run for two seconds.
pub(crate) const LANE_ITEMS: usize = 2_048;

/// Called by the relay when it needs a key frame. Never called more than twice a second for one
/// publisher; must not block.
pub type KeyframeAsker = Arc<dyn Fn() + Send + Sync>;

/// What a publisher sends into its broadcast.
#[derive(Debug, Clone)]
pub enum IngestItem {
    /// One RTP packet of the publisher, without retransmission wrapping.
    Rtp {
        /// The track.
        kind: MediaKind,
        /// The codec that the payload type stands for.
        codec: Codec,
        /// The packet.
        packet: RtpPacket,
    },
    /// An RTCP sender report of one track.
    SenderReport {
        /// The track.
        kind: MediaKind,
        /// The report.
        report: SenderReport,
    },
    /// What follows of one track is of another source, such as a layer: what is missing before it
    /// will not come.
    Switched {
        /// The track.
        kind: MediaKind,
    },
}

/// The lane to the broadcast is full: the item was dropped and counted. The publisher should
/// ask for a key frame, because the frame that the item belongs to is lost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the lane to the broadcast is full ({LANE_ITEMS} items); the item is dropped")]
pub struct IngestFull;

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
