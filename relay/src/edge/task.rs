//! The task of one stream: asks the origin, and hands the frames on.

use std::time::Duration;

use http_body_util::BodyExt;
use packager::flv::demux::{Demuxed, Demuxer};
use packager::rtp::Tracks;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tracing::{debug, info};

use super::Edge;
use super::client::{self, Answer};
use super::failure::{EdgeRefusal, Failure};
use super::pull::{Next, Outcome, Pull, Verdict};
use super::table::Place;
use crate::broadcast::CommonClock;
use crate::ingest::{FrameIngest, FrameItem};
use crate::relay::PublishError;
use crate::stream_id::StreamId;

struct Task<'a> {
    edge: Edge,
    place: &'a Place,
    pull: Pull,
    /// Once media has come.
    ingest: Option<FrameIngest>,
    /// Whose signature its address at the origin has: the stream's of which it is a size, or its own.
    /// The list that says so may be forgotten while it is pulled.
    stream: StreamId,
    clock: CommonClock,
}

/// Why a connection is left.
enum Left {
    /// It is over.
    Outcome(Outcome),
    /// The broadcast takes nothing any more.
    Closed,
    /// There is no broadcast for it.
    Refused(EdgeRefusal),
}

/// Pulls until the stream is over or nobody wants it.
pub(super) async fn run(edge: Edge, place: Place) {
    let (stream, config) = (place.id().clone(), &edge.0.config);
    let of = edge.stream_of(&stream);
    let clock = edge.0.lists.clock(&of).unwrap_or_default();
    place.set_clock(clock.clone());
    info!(%stream, origin = %config.origin, "pull starts");
    let mut task = Task {
        edge: edge.clone(),
        place: &place,
        pull: Pull::new(config.patience),
        ingest: None,
        stream: of,
        clock,
    };
    let refusal = tokio::select! {
        refusal = task.live() => refusal,
        () = place.unwatched(config.linger) => {
            info!(%stream, "pull ends: nobody watches");
            None
        }
    };
    let ingest = task.ingest.take();
    let is_refused = refusal.is_some();
    match refusal {
        Some(refusal) => place.refuse(refusal),
        None => place.leave(),
    }
    if let Some(ingest) = ingest {
        ingest.end();
    }
    if is_refused {
        sleep(REFUSAL_STAY).await;
    }
}

impl Task<'_> {
    /// One connection after the other; returns what those who wait are told.
    async fn live(&mut self) -> Option<EdgeRefusal> {
        loop {
            let outcome = match self.connect().await {
                Left::Outcome(outcome) => outcome,
                Left::Closed => return None,
                Left::Refused(refusal) => return Some(refusal),
            };
            if let Outcome::Failed(failure) = &outcome {
                let failures = &self.edge.0.metrics.failures;
                failures.with_label_values(&[failure.label()]).inc();
            }
            debug!(stream = %self.place.id(), ?outcome, "the origin's connection is over");
            let now = Instant::now().into_std();
            match self.pull.handle_outcome(now, outcome, rand::random()) {
                Next::Again(wait) => {
                    self.edge.0.metrics.reconnects.inc();
                    sleep(wait).await;
                }
                Next::Over(verdict) => {
                    info!(stream = %self.place.id(), ?verdict, "pull ends");
                    return match verdict {
                        Verdict::NotLive => Some(EdgeRefusal::NotLive),
                        Verdict::Unreachable(failure) => {
                            Some(EdgeRefusal::Origin(failure.to_string()))
                        }
                        Verdict::Ended | Verdict::GivenUp => None,
                    };
                }
            }
        }
    }

    async fn connect(&mut self) -> Left {
        let inner = &self.edge.0;
        let mut query = (inner.config.sign)(&self.stream);
        let is_size = self.stream != *self.place.id() || inner.lists.has_several(&self.stream);
        if self.ingest.is_none() && is_size {
            // Players come from another size, and go on where they are there.
            let signature = query.map(|query| query + "&").unwrap_or_default();
            query = Some(signature + EARLIER);
        }
        let target = inner
            .config
            .origin
            .target(self.place.id(), query.as_deref());
        inner.metrics.requests.inc();
        let asked = client::get(&inner.config.origin, &inner.config.tls, &target);
        let answer = match timeout(CONNECT, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(outcome)) => return Left::Outcome(outcome),
            Err(_) => return Left::Outcome(Outcome::Failed(Failure::Timeout)),
        };
        match self.read(answer).await {
            Ok(()) => Left::Outcome(Outcome::Ended),
            Err(left) => left,
        }
    }

    /// Reads a stream to its end.
    async fn read(&mut self, mut answer: Answer) -> Result<(), Left> {
        let mut demuxer = Demuxer::new();
        let mut is_new = true;
        let mut skipped = 0;
        let mut deadline = Instant::now() + FIRST_MEDIA;
        loop {
            let Ok(frame) = timeout_at(deadline, answer.body.frame()).await else {
                return Err(Left::Outcome(Outcome::Failed(match is_new {
                    true if demuxer.has_other_codec() => Failure::Codec,
                    true => Failure::Timeout,
                    false => Failure::Stalled,
                })));
            };
            let Some(frame) = frame else {
                return Ok(());
            };
            let broken = |_| Left::Outcome(Outcome::Failed(Failure::Broken));
            let Ok(bytes) = frame.map_err(broken)?.into_data() else {
                continue;
            };
            self.edge
                .0
                .metrics
                .received_bytes
                .inc_by(bytes.len() as u64);
            demuxer.handle(&bytes);
            let mut frames = Vec::new();
            let failure = loop {
                match demuxer.poll() {
                    Ok(Some(found)) => frames.push(found),
                    Ok(None) => break None,
                    Err(error) => break Some(Failure::Media(error)),
                }
            };
            let new = demuxer.skipped() - std::mem::replace(&mut skipped, demuxer.skipped());
            self.edge.0.metrics.skipped_tags.inc_by(new);
            if !frames.is_empty() {
                let tracks = demuxer.tracks().unwrap_or(Tracks::BOTH);
                self.hand_on(tracks, frames, std::mem::take(&mut is_new))
                    .await?;
            }
            if let Some(failure) = failure {
                return Err(Left::Outcome(Outcome::Failed(failure)));
            }
            if !is_new {
                deadline = Instant::now() + STALLED;
            }
        }
    }

    /// Hands frames to the broadcast, which begins with the first ones.
    async fn hand_on(
        &mut self,
        tracks: Tracks,
        frames: Vec<Demuxed>,
        is_new: bool,
    ) -> Result<(), Left> {
        let closed = |_| Left::Closed;
        self.pull.handle_media(Instant::now().into_std());
        if let Some(ingest) = &self.ingest {
            if is_new {
                let reconnected = ingest.send(FrameItem::Reconnected(tracks)).await;
                reconnected.map_err(closed)?;
            }
            return ingest.send(FrameItem::Frames(frames)).await.map_err(closed);
        }
        let (id, clock) = (self.place.id(), self.clock.clone());
        let published = self.edge.0.relay.publish_frames_by(id, tracks, clock);
        let ingest = published.map_err(|error| {
            Left::Refused(match error {
                PublishError::TooManyBroadcasts { limit, .. } => {
                    EdgeRefusal::TooManyStreams { limit }
                }
                PublishError::ShuttingDown { .. } => EdgeRefusal::ShuttingDown,
                PublishError::OtherWay { .. } | PublishError::OfVariant { .. } => {
                    EdgeRefusal::Origin(error.to_string())
                }
            })
        })?;
        let sent = ingest.send(FrameItem::Frames(frames)).await;
        self.ingest = Some(ingest);
        sent.map_err(closed)?;
        self.place.go_live().map_err(Left::Refused)
    }
}

/// What asks the origin for whole groups of pictures before the newest one.
const EARLIER: &str = "latency=smooth";

/// For a connection and the head of the answer.
pub(super) const CONNECT: Duration = Duration::from_secs(5);

/// From there to the first frame.
pub(super) const FIRST_MEDIA: Duration = Duration::from_secs(6);

/// A stream that brings nothing for so long is asked for again. An origin waits 15 s for a publisher
/// that was lost, and sends nothing meanwhile.
pub(super) const STALLED: Duration = Duration::from_secs(30);

/// How long a refusal is good for all who ask.
const REFUSAL_STAY: Duration = Duration::from_secs(1);
