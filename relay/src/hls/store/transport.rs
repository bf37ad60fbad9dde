//! MPEG-TS of segments, for who asks: made of what is there for fMP4, once a segment, and kept as
//! long as that.

use std::sync::Arc;

use bytes::Bytes;
use packager::hls::InitSection;
use packager::rtp::Codec;
use packager::ts::{self, Program, TsError};
use packager::video::VideoCodec;
use tokio::sync::{OnceCell, Semaphore};
use tokio::task::{JoinError, spawn, spawn_blocking};

use super::{File, etag_of};
use crate::metrics::Metrics;

/// For segments that are made at the same time: anybody may ask for all of all streams.
static TURNS: Semaphore = Semaphore::const_new(2);

/// A segment as Transport Stream once it was made, or that there is none.
pub(super) type Cell = OnceCell<Option<Bytes>>;

/// A segment of which there may be a Transport Stream already.
#[derive(Debug, Clone)]
pub(crate) struct Transport {
    pub(super) name: String,
    pub(super) sequence: u64,
    pub(super) program: Program,
    /// The segment of fMP4.
    pub(super) data: Bytes,
    pub(super) cell: Arc<Cell>,
}

impl Transport {
    /// The file. Whoever comes while it is made waits for it.
    pub(crate) async fn file(self, metrics: &Arc<Metrics>) -> Option<File> {
        let etag = etag_of(&self.name);
        let data = match self.cell.get() {
            Some(made) => made.clone()?,
            // In a task of its own, so that those who ask and go away leave something behind.
            None => spawn(self.make(metrics.clone())).await.ok()??,
        };
        Some(File { data, etag })
    }

    async fn make(self, metrics: Arc<Metrics>) -> Option<Bytes> {
        let Self {
            name,
            sequence,
            program,
            data,
            cell,
        } = self;
        // Milliseconds of work where the segment is large: not on a thread that serves others.
        let make = || async move {
            // It is never closed.
            let _turn = TURNS.acquire().await;
            let made = spawn_blocking(move || ts::segment(&program, sequence, &data)).await?;
            Ok::<_, JoinError>(match made {
                Ok(bytes) => {
                    metrics.transport_segments.inc();
                    Some(bytes)
                }
                Err(error) => {
                    metrics.count_drop("ts_segment", 1);
                    tracing::warn!(name, %error, "no Transport Stream of a segment");
                    None
                }
            })
        };
        // The task itself fails only where the runtime ends.
        cell.get_or_try_init(make).await.ok()?.clone()
    }
}

/// The program of an initialization section; the codec, if that is what is in the way.
pub(super) fn program(init: &InitSection) -> Result<Program, Option<Codec>> {
    let found = Program::new(init.video.as_deref(), init.audio.as_ref(), init.version);
    found.map_err(|error| match error {
        TsError::Codec(VideoCodec::Vp9) => Some(Codec::Vp9),
        TsError::Codec(VideoCodec::Av1) => Some(Codec::Av1),
        _ => None,
    })
}
