//! One stream on one worker: its publisher, its layers, and all who want it.

use std::time::{Duration, Instant};

use packager::rtp::{Codec, MediaKind, SenderReport};
use relay::{IngestItem, StreamId, Track};

use super::core::delivery::Gathered;
use super::demand::{Demand, Wants};
use super::forward::allocate::Rates;
use super::forward::keyframe::KeyframeRequests;
use super::forward::layer::LayerSelector;
use super::forward::place::Target;
use super::forward::rewrite::Rewritten;
use super::forward::subscription::Subscription;
use super::gop::GopCache;
use super::lane::{Lane, is_same_lane};
use super::loudest::Voice;
use super::need::Need;
use super::packet::{MediaPacket, StreamKey};
use super::session::NewReport;
use super::slots::SlotKey;
use packager::picture::{Picture, Pictures};

/// Where a room's media comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// A publisher on this worker.
    Local,
    /// The lane from the worker where the publisher is.
    Remote {
        home: usize,
        /// When the lease there is renewed.
        renew_at: Instant,
        /// What was wanted of it when it was renewed.
        told: Wants,
    },
}

impl Source {
    /// Where a stream comes from: a publisher on this worker, or the worker `home`.
    pub(crate) fn of(home: Option<usize>, now: Instant) -> Self {
        match home {
            None => Self::Local,
            Some(home) => Self::Remote {
                home,
                renew_at: now,
                told: Wants::default(),
            },
        }
    }
}

pub(crate) struct Room {
    pub(crate) stream: StreamId,
    pub(crate) source: Source,
    /// The connected publisher whose media is forwarded.
    pub(crate) publisher: Option<SlotKey>,
    /// Sessions of this room, publishers that are still connecting included.
    pub(crate) sessions: usize,
    /// Publishers that have an answer and are not the current one.
    pub(crate) pending: usize,
    pub(crate) subscribers: Vec<SlotKey>,
    /// WHEP sessions among them, which end with the stream.
    pub(crate) viewers: usize,
    /// What those who are here or coming want.
    pub(crate) demand: Demand,
    /// What the publisher was told to send.
    pub(crate) need: Need,
    pub(crate) gathered: Gathered,
    pub(crate) lanes: Vec<Lane>,
    pub(crate) relay: Option<Relayed>,
    /// The newest sender report of each incoming stream, and when it came: a relay that starts
    /// later does not wait for the next ones.
    pub(crate) reports: Vec<(NewReport, Instant)>,
    pub(crate) next_key: u32,
    pub(crate) layers: LayerSelector,
    /// What its pictures take, if another worker measures it.
    pub(crate) told_rates: Rates,
    pub(crate) audio: Option<StreamKey>,
    pub(crate) voice: Voice,
    pub(crate) videos: Vec<VideoStream>,
    /// The last moment with a publisher.
    pub(crate) live_at: Instant,
    pub(crate) armed: Option<Instant>,
}

/// What is kept for one incoming video stream.
pub(crate) struct VideoStream {
    pub(crate) key: StreamKey,
    /// Of its newest packet.
    codec: Option<Codec>,
    pub(crate) cache: GopCache,
    pub(crate) requests: KeyframeRequests,
    keyframe_time: Option<u32>,
}

/// The tracks of a stream on their way to the relay, which has all pictures of the publisher.
pub(crate) struct Outlet {
    audio: Subscription,
    videos: [Subscription; Picture::COUNT],
}

impl Outlet {
    fn new() -> Self {
        let first = Rewritten { seq: 0, time: 0 };
        Self {
            audio: Subscription::new(MediaKind::Audio, first),
            videos: Picture::ALL.map(|_| Subscription::new(MediaKind::Video, first)),
        }
    }

    pub(crate) fn track(&mut self, track: Track) -> &mut Subscription {
        match track {
            Track::Audio => &mut self.audio,
            Track::Video(picture) => &mut self.videos[picture.index()],
        }
    }

    pub(crate) fn video(&self, picture: Picture) -> &Subscription {
        &self.videos[picture.index()]
    }
}

/// The stream on its way to the relay.
pub(crate) struct Relayed {
    /// Under which the relay has it.
    pub(crate) name: StreamId,
    /// The pictures that the relay has.
    pub(crate) pictures: Pictures,
    pub(crate) outlet: Outlet,
    /// The tracks of which the relay has had a sender report of the source that it has now.
    reported: Vec<Track>,
}

impl Relayed {
    pub(crate) fn new(name: StreamId) -> Self {
        Self {
            name,
            pictures: Pictures::NONE,
            outlet: Outlet::new(),
            reported: Vec::new(),
        }
    }

    /// The tracks that a packet or a report of this kind may be for.
    pub(crate) fn tracks(&self, kind: MediaKind) -> impl Iterator<Item = Track> + use<> {
        let pictures = match kind {
            MediaKind::Audio => Pictures::NONE,
            MediaKind::Video => self.pictures,
        };
        let audio = (kind == MediaKind::Audio).then_some(Track::Audio);
        audio.into_iter().chain(pictures.iter().map(Track::Video))
    }

    /// A sender report in the numbers that the relay sees of a track, if that follows its stream.
    pub(crate) fn map(
        &mut self,
        track: Track,
        report: &NewReport,
        received: Instant,
    ) -> Option<IngestItem> {
        let followed = self.outlet.track(track);
        let rtp_time = followed.map_time(report.stream, report.rtp_time)?;
        if !self.reported.contains(&track) {
            self.reported.push(track);
        }
        Some(IngestItem::SenderReport {
            track,
            report: SenderReport {
                ntp: report.ntp,
                rtp_time,
                received,
            },
        })
    }

    /// A track follows another stream now, whose report the relay waits for.
    pub(crate) fn switched(&mut self, track: Track) {
        self.reported.retain(|reported| *reported != track);
    }

    /// The report among these that the relay waits for, now that it has a packet of a track.
    pub(crate) fn first_report(
        &mut self,
        track: Track,
        reports: &[(NewReport, Instant)],
    ) -> Option<IngestItem> {
        if self.reported.contains(&track) {
            return None;
        }
        reports
            .iter()
            .filter(|(report, _)| report.kind == track.kind())
            .find_map(|(report, received)| self.map(track, report, *received))
    }
}

impl Room {
    pub(crate) fn new(stream: StreamId, source: Source, now: Instant) -> Self {
        Self {
            stream,
            source,
            publisher: None,
            sessions: 0,
            pending: 0,
            subscribers: Vec::new(),
            viewers: 0,
            demand: Demand::default(),
            need: Need::default(),
            gathered: Gathered::default(),
            lanes: Vec::new(),
            relay: None,
            reports: Vec::new(),
            next_key: 2,
            layers: LayerSelector::default(),
            told_rates: Rates::default(),
            audio: None,
            voice: Voice::default(),
            videos: Vec::new(),
            live_at: now,
            armed: None,
        }
    }

    /// Takes note of a packet before it is forwarded.
    pub(crate) fn note(&mut self, packet: &MediaPacket, now: Instant) {
        if packet.kind == MediaKind::Audio {
            if self.audio.replace(packet.stream) != Some(packet.stream) {
                self.voice = Voice::default();
            }
            if let Some(level) = packet.extensions.audio_level {
                self.voice.note(now, level);
            }
            return;
        }
        let video = self.video_entry(packet.stream);
        video.codec = Some(packet.codec);
        video.requests.handle_packet(now);
        if packet.starts_keyframe && video.keyframe_time != Some(packet.time) {
            video.keyframe_time = Some(packet.time);
            video.requests.clear();
        }
        video.cache.push(packet);
        if self.source == Source::Local {
            let (stream, bytes) = (packet.stream, packet.payload.len());
            let changed = self.layers.handle_packet(stream, packet.place, bytes, now);
            self.gathered.layer_changed |= changed;
        } else {
            let (stream, bytes) = (packet.stream, packet.payload.len());
            self.layers.measure(stream, packet.place, bytes, now);
        }
    }

    /// What the video comes in, once it has come.
    pub(crate) fn video_codec(&self) -> Option<Codec> {
        let target = self.layers.target(Picture::Large)?;
        self.videos.iter().find(|v| v.key == target.stream)?.codec
    }

    /// Takes note of what a packet from the home of the stream is for.
    pub(crate) fn follow(&mut self, packet: &MediaPacket, pictures: Pictures) {
        if packet.kind == MediaKind::Audio {
            return;
        }
        let layers = &mut self.layers;
        self.videos.retain(|video| {
            let is_same = is_same_lane(video.key, packet.stream);
            if !is_same {
                layers.remove(video.key);
            }
            is_same
        });
        self.gathered.layer_changed |= layers.follow(pictures, packet.stream);
    }

    /// What its pictures take.
    pub(crate) fn rates(&self) -> Rates {
        match self.source {
            Source::Local => self.layers.rates(),
            Source::Remote { .. } => self.told_rates,
        }
    }

    /// What its pictures take without their highest temporal layers; 0 where there is none to leave
    /// out, or that is not known.
    pub(crate) fn thinned_rates(&self) -> Rates {
        let rates = self.rates();
        Picture::ALL.map(|picture| self.layers.thinned_rate(picture, rates[picture.index()]))
    }

    /// What to follow for a picture that is given whole, or without its highest temporal layer.
    pub(crate) fn given(&self, picture: Picture, is_thinned: bool) -> Option<Target> {
        let thinned = is_thinned.then(|| self.layers.thinned(picture)).flatten();
        thinned.or_else(|| self.target(picture))
    }

    /// What to follow for a picture.
    pub(crate) fn target(&self, picture: Picture) -> Option<Target> {
        self.layers.target(picture)
    }

    /// The packets of a video stream from a young key frame to its live edge.
    pub(crate) fn fresh(&self, target: Option<Target>, now: Instant) -> Option<&[MediaPacket]> {
        fresh(&self.videos, target.map(|target| target.stream), now)
    }

    /// True if a subscriber who joins now needs a key frame that nobody has asked for.
    pub(crate) fn wants_keyframe_for_join(&self, picture: Picture, now: Instant) -> bool {
        let Some(target) = self.target(picture) else {
            return false;
        };
        let keyframe = self
            .videos
            .iter()
            .find(|v| v.key == target.stream)
            .and_then(|v| v.cache.keyframe_at());
        keyframe.is_none_or(|at| now.saturating_duration_since(at) > JOIN_WITHOUT_REQUEST)
    }

    /// Asks for a key frame of a picture. The stream, if the request goes upstream now.
    pub(crate) fn request_keyframe(&mut self, picture: Picture, now: Instant) -> Option<StreamKey> {
        let stream = self.target(picture)?.stream;
        self.video_entry(stream)
            .requests
            .request(now)
            .then_some(stream)
    }

    /// Streams whose key frame request is due again. One that nobody follows is not asked again.
    pub(crate) fn due_keyframes(&mut self, now: Instant) -> Vec<StreamKey> {
        let mut followed = self.demand.wants().pictures;
        if let Some(relayed) = &self.relay {
            followed |= relayed.pictures;
        }
        let is_followed = |picture: &Picture| {
            followed.has(*picture) || self.lanes.iter().any(|lane| lane.wants(*picture))
        };
        let targets = Picture::ALL.map(|picture| {
            is_followed(&picture)
                .then(|| self.layers.target(picture))
                .flatten()
                .map(|target| target.stream)
        });
        let mut due = Vec::new();
        for video in &mut self.videos {
            if !targets.contains(&Some(video.key)) {
                video.requests.clear();
            } else if video.requests.poll(now) {
                due.push(video.key);
            }
        }
        due
    }

    /// Keeps a sender report: one for each stream, which are bounded.
    pub(crate) fn note_report(&mut self, report: &NewReport, received: Instant) {
        match self
            .reports
            .iter_mut()
            .find(|(known, _)| known.stream == report.stream)
        {
            Some(known) => *known = (*report, received),
            None => self.reports.push((*report, received)),
        }
    }

    /// Forgets the streams of a publisher that has gone.
    pub(crate) fn remove_streams(&mut self, keys: impl Iterator<Item = StreamKey>) {
        for key in keys {
            self.layers.remove(key);
            self.videos.retain(|v| v.key != key);
            self.reports.retain(|(report, _)| report.stream != key);
            if self.audio == Some(key) {
                self.audio = None;
            }
        }
    }

    /// The best picture that somebody would have here, on another worker, or in the relay, which
    /// takes the large one for as long as it runs.
    pub(crate) fn best_wanted(&self) -> Picture {
        if self.relay.is_some() {
            return Picture::Large;
        }
        let lanes = self.lanes.iter().filter_map(Lane::best);
        let all = lanes.chain(self.demand.wants().best);
        all.min().unwrap_or(Picture::Small)
    }

    /// True if somebody publishes or is about to.
    pub(crate) fn is_live(&self) -> bool {
        self.publisher.is_some() || self.pending > 0
    }

    /// When the room wants to be looked at.
    pub(crate) fn next_timeout(&self, linger: Duration) -> Option<Instant> {
        let requests = self.videos.iter().filter_map(|v| v.requests.next_timeout());
        let caches = self
            .videos
            .iter()
            .filter_map(|v| v.cache.keyframe_at())
            .map(|at| at + CACHE_CHECK);
        let lanes = self.lanes.iter().map(|l| l.expires);
        let layers = (self.videos.len() > 1).then(|| self.live_at + LAYER_CHECK);
        let lease = match self.source {
            Source::Remote { renew_at, .. } => Some(renew_at),
            Source::Local => None,
        };
        let publisher = self.publisher.and(self.need.next_timeout());
        let end = (self.publisher.is_none() && self.viewers > 0).then(|| self.live_at + linger);
        requests
            .chain(caches)
            .chain(lanes)
            .chain(layers)
            .chain(lease)
            .chain(publisher)
            .chain(end)
            .min()
    }

    fn video_entry(&mut self, key: StreamKey) -> &mut VideoStream {
        let index = match self.videos.iter().position(|v| v.key == key) {
            Some(index) => index,
            None => {
                self.videos.push(VideoStream {
                    key,
                    codec: None,
                    cache: GopCache::default(),
                    requests: KeyframeRequests::default(),
                    keyframe_time: None,
                });
                self.videos.len() - 1
            }
        };
        &mut self.videos[index]
    }
}

/// The packets of a video stream from a young key frame to its live edge.
pub(crate) fn fresh(
    videos: &[VideoStream],
    stream: Option<StreamKey>,
    now: Instant,
) -> Option<&[MediaPacket]> {
    let video = videos.iter().find(|v| Some(v.key) == stream)?;
    video.cache.fresh(now)
}

/// A key frame that is younger than this when a subscriber's offer comes will still be of use when
/// its DTLS handshake is done; it needs no request.
const JOIN_WITHOUT_REQUEST: Duration = Duration::from_millis(200);

/// How often the room looks whether a cached group of pictures has become useless.
const CACHE_CHECK: Duration = Duration::from_millis(1_100);

/// How often a room with simulcast looks for silent layers.
const LAYER_CHECK: Duration = Duration::from_millis(500);

/// How long a lane lives without renewal.
pub(crate) const LEASE: Duration = Duration::from_secs(5);

/// How often a lease is renewed.
pub(crate) const RENEW: Duration = Duration::from_secs(1);
