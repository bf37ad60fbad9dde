//! The relay's HTTP: what each address answers.

mod body;
mod directives;
mod latency;
mod multivariant;
mod playlists;
mod problem;
mod respond;
mod route;
mod stream;

use std::future::Future;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, Uri, Version};
use prometheus::IntCounter;
use tokio::time::{Instant, timeout, timeout_at};

pub use body::{Body, CutShort};
pub use stream::LiveStream;

use crate::broadcast::{Broadcast, Facet, Phase, Status};
use crate::flv::FlvBody;
use crate::fmp4::FragmentBody;
use crate::hls::{File, Lookup, etag_of};
use crate::limits::{Full, Seat};
use crate::relay::Relay;
use crate::shift::{OnDisk, ReadError};
use crate::stream_id::StreamId;
use crate::viewer::{BodyCounters, MaxLag, StartAt, ViewerWatch};
use directives::Directives;
use problem::Problem;
use respond::{
    Asked, flv, fragments, media, media_head, playlist, preflight, still, transport, with_cors,
};
use route::{NoRoute, Route};

/// How long an FLV request waits to learn whether its stream can be played at all.
const VERDICT_WAIT: Duration = Duration::from_secs(2);

/// The largest HTTP/2 frame that every client takes (RFC 9113 section 6.5.2). A tag is handed over
/// in such pieces there, so that a viewer who takes some of a large one is seen to make progress.
const HTTP2_PIECE: usize = 16_384;

/// Above this a [`LiveStream`] hands over a tag in several batches, and a fragment in several messages:
/// a WebSocket keeps a buffer as large as its largest message.
const STREAM_PIECE: usize = 64 << 10;

/// Watches a client that is sent a file piece by piece, among the extensions of such a response. It is
/// no viewer that somebody lists.
#[derive(Debug, Clone)]
pub struct FileWatch(pub ViewerWatch);

/// How an endless stream is carried.
#[derive(Clone, Copy)]
struct Carrier {
    /// In the metrics.
    protocol: &'static str,
    /// The most bytes at once.
    piece: usize,
}

/// What an address below `/live/` asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// `/live/{id}.flv`
    Flv,
    /// `/live/{id}/stream.mp4`
    Fragments,
    /// `/live/{id}.m3u8`, `/live/{id}/ts.m3u8`, `/live/{id}/dvr.m3u8`, `/live/{id}/opus.m3u8` or
    /// `/live/{id}/video.m3u8`
    Playlist,
    /// `/live/{id}.mp4`
    Still,
    /// What a playlist names.
    File,
}

impl Wanted {
    /// Reads an address and its query, whatever is live.
    ///
    /// # Errors
    /// The response that `GET` has where nothing can ever be.
    pub fn read(uri: &Uri) -> Result<Self, Box<Response<Body>>> {
        let wanted = match route::parse(uri.path()) {
            Ok(Route::Flv(_)) => start_at(uri).map(|_| Self::Flv),
            Ok(Route::Fragments(_)) => start_at(uri).map(|_| Self::Fragments),
            Ok(Route::Playlist(_) | Route::ShiftPlaylist(_) | Route::PicturePlaylist(_)) => {
                directives(uri).map(|_| Self::Playlist)
            }
            Ok(Route::TransportPlaylist(_) | Route::OpusList(_)) => Ok(Self::Playlist),
            Ok(Route::Still(_)) => Ok(Self::Still),
            Ok(Route::File(..)) => Ok(Self::File),
            Err(error) => Err(Problem::NoRoute(error)),
        };
        wanted.map_err(|problem| Box::new(with_cors(problem.into_response())))
    }

    /// Whether a path is that of an endless stream, which WebSockets carry too.
    pub fn is_live_stream(path: &str) -> bool {
        matches!(route::parse(path), Ok(Route::Flv(_) | Route::Fragments(_)))
    }
}

impl Relay {
    /// Answers a request below `/live/`: `GET`, `HEAD` and `OPTIONS` of `/live/{id}.flv`,
    /// `/live/{id}/stream.mp4`, the same as fMP4, `/live/{id}.m3u8`, the files that a playlist names, `/live/{id}/ts.m3u8`, the playlist with
    /// segments of MPEG-TS, `/live/{id}/dvr.m3u8`, the playlist of
    /// [all that is kept](crate::TimeShiftConfig), `/live/{id}/opus.m3u8`, the list of its pictures
    /// with Opus sound, `/live/{id}/video.m3u8`, the playlist of its pictures alone, and
    /// `/live/{id}.mp4`, the newest key frame as a file of one picture.
    /// Everything else is refused with
    /// `application/problem+json` (RFC 9457). Every response carries its CORS headers.
    ///
    /// `?latency=low` and `?latency=smooth` choose where an endless stream begins: at the newest key
    /// frame, which is the default, or with whole groups of pictures from as far back as
    /// [`RelayConfig::max_viewer_lag`](crate::RelayConfig::max_viewer_lag) allows. Such
    /// responses have a [`ViewerWatch`] among their extensions, segments from files a [`FileWatch`].
    ///
    /// The request's body is not read. A playlist that has no segment yet is waited for, and so is
    /// the part of a segment that comes next, or a playlist with it (RFC 8216bis section 6.2.5.2).
    pub fn handle<B>(
        &self,
        request: Request<B>,
    ) -> impl Future<Output = Response<Body>> + Send + use<B> {
        let (head, _) = request.into_parts();
        let relay = self.clone();
        async move {
            let answer = relay
                .answer(&head.method, &head.uri, &head.headers, head.version)
                .await;
            with_cors(answer.unwrap_or_else(Problem::into_response))
        }
    }

    /// The stream that `GET` of the address answers with, `/live/{id}.flv` or `/live/{id}/stream.mp4`
    /// with its query, for another transport than HTTP's: a WebSocket. It counts as a viewer like any
    /// other.
    ///
    /// # Errors
    /// The response that `GET` has where it refuses.
    pub async fn live_stream(&self, uri: &Uri) -> Result<LiveStream, Response<Body>> {
        let open = async {
            match route::parse(uri.path()).map_err(Problem::NoRoute)? {
                Route::Flv(id) => {
                    self.count("ws_flv");
                    let carrier = Carrier {
                        protocol: "ws_flv",
                        piece: STREAM_PIECE,
                    };
                    let body = self.open_flv(&id, start_at(uri)?, carrier).await?;
                    Ok(LiveStream::flv(body))
                }
                Route::Fragments(id) => {
                    self.count("ws_fmp4");
                    let carrier = Carrier {
                        protocol: "ws_fmp4",
                        piece: STREAM_PIECE,
                    };
                    let (broadcast, facet) = self.live_facet(&id)?;
                    let body = self.open_fragments(&broadcast, facet, start_at(uri)?, carrier)?;
                    wait(&broadcast, VERDICT_WAIT, |s| s.phase != Phase::Starting).await;
                    refuse_unplayable(&broadcast)?;
                    Ok(LiveStream::fragments(body))
                }
                _ => Err(Problem::NoRoute(NoRoute::Unknown)),
            }
        };
        open.await
            .map_err(|problem: Problem| with_cors(problem.into_response()))
    }

    /// Answers `GET` and `HEAD` of `/live/{id}.m3u8` with a Multivariant Playlist that is not this
    /// relay's to make: that of an edge, whose sizes are streams of their own here.
    pub fn answer_list<B>(&self, request: &Request<B>, list: String) -> Response<Body> {
        self.count("playlist");
        let asked = Asked {
            is_head: *request.method() == Method::HEAD,
            headers: request.headers(),
        };
        with_cors(playlist(&multivariant::file_of(list), &asked, None))
    }

    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
        version: Version,
    ) -> Result<Response<Body>, Problem> {
        let route = route::parse(uri.path()).map_err(Problem::NoRoute)?;
        let is_head = match *method {
            Method::GET => false,
            Method::HEAD => true,
            Method::OPTIONS => return Ok(preflight()),
            _ => return Err(Problem::Method(method.to_string())),
        };
        let asked = Asked { is_head, headers };
        match route {
            Route::Flv(id) => {
                self.count("flv");
                let carrier = Carrier {
                    protocol: "flv",
                    piece: if version >= Version::HTTP_2 {
                        HTTP2_PIECE
                    } else {
                        usize::MAX
                    },
                };
                self.answer_flv(id, start_at(uri)?, is_head, carrier).await
            }
            Route::Fragments(id) => {
                self.count("fmp4");
                self.answer_fragments(id, start_at(uri)?, is_head).await
            }
            Route::Playlist(id) => {
                self.count("playlist");
                self.answer_playlist(id, directives(uri)?, &asked).await
            }
            Route::TransportPlaylist(id) => {
                self.count("ts_playlist");
                self.answer_transport_playlist(id, &asked).await
            }
            Route::ShiftPlaylist(id) => {
                self.count("shift_playlist");
                let directives = directives(uri)?;
                self.answer_shift_playlist(id, directives, &asked).await
            }
            Route::OpusList(id) => {
                self.count("opus_list");
                self.answer_opus_list(id, &asked).await
            }
            Route::PicturePlaylist(id) => {
                self.count("video_playlist");
                self.answer_pictures(id, directives(uri)?, &asked).await
            }
            Route::Still(id) => {
                self.count("still");
                self.answer_still(&id, &asked).await
            }
            Route::File(id, name) => {
                self.count("segment");
                self.answer_file(id, name, &asked).await
            }
        }
    }

    async fn answer_flv(
        &self,
        id: StreamId,
        start_at: StartAt,
        is_head: bool,
        carrier: Carrier,
    ) -> Result<Response<Body>, Problem> {
        if self.is_shutting_down() {
            return Err(Problem::ShuttingDown);
        }
        if is_head {
            let (broadcast, _) = self.live(&id)?;
            refuse_unplayable(&broadcast)?;
            return Ok(flv(Body::empty()));
        }
        let body = self.open_flv(&id, start_at, carrier).await?;
        let watch = body.watch().clone();
        let mut response = flv(Body::flv(body));
        response.extensions_mut().insert(watch);
        Ok(response)
    }

    async fn open_flv(
        &self,
        id: &StreamId,
        start_at: StartAt,
        carrier: Carrier,
    ) -> Result<FlvBody, Problem> {
        if self.is_shutting_down() {
            return Err(Problem::ShuttingDown);
        }
        let (broadcast, variant) = self.live(id)?;
        let seat = self.seat(&broadcast, carrier.protocol, "viewers")?;
        wait(&broadcast, VERDICT_WAIT, |s| s.phase != Phase::Starting).await;
        refuse_unplayable(&broadcast)?;
        Ok(FlvBody::new(
            broadcast.variant(variant).ring.clone(),
            start_at,
            carrier.piece,
            ViewerWatch::new(self.inner.config.viewer_timeout),
            seat,
            self.counters(carrier.protocol),
        ))
    }

    async fn answer_fragments(
        &self,
        id: StreamId,
        start_at: StartAt,
        is_head: bool,
    ) -> Result<Response<Body>, Problem> {
        if is_head {
            if self.is_shutting_down() {
                return Err(Problem::ShuttingDown);
            }
            let (broadcast, facet) = self.live_facet(&id)?;
            let _seat = self.seat(&broadcast, "hls_waiting", "waiting_viewers")?;
            let codecs = self.await_codecs(&broadcast, facet).await?;
            return Ok(fragments(Body::empty(), codecs.as_deref()));
        }
        let carrier = Carrier {
            protocol: "fmp4",
            piece: usize::MAX,
        };
        let (broadcast, facet) = self.live_facet(&id)?;
        let body = self.open_fragments(&broadcast, facet, start_at, carrier)?;
        let codecs = self.await_codecs(&broadcast, facet).await?;
        let watch = body.watch().clone();
        let mut response = fragments(Body::fragments(body), codecs.as_deref());
        response.extensions_mut().insert(watch);
        Ok(response)
    }

    fn open_fragments(
        &self,
        broadcast: &Broadcast,
        facet: Facet,
        start_at: StartAt,
        carrier: Carrier,
    ) -> Result<FragmentBody, Problem> {
        if self.is_shutting_down() {
            return Err(Problem::ShuttingDown);
        }
        let seat = self.seat(broadcast, carrier.protocol, "viewers")?;
        let config = &self.inner.config;
        Ok(FragmentBody::new(
            broadcast.store(facet).clone(),
            start_at,
            MaxLag(config.max_viewer_lag),
            carrier.piece,
            ViewerWatch::of_wholes(config.viewer_timeout),
            seat,
            self.counters(carrier.protocol),
        ))
    }

    /// What a stream of fMP4 that is asked for now begins with, if it is known in time.
    async fn await_codecs(
        &self,
        broadcast: &Broadcast,
        facet: Facet,
    ) -> Result<Option<String>, Problem> {
        let until = Instant::now() + self.inner.config.first_media_wait;
        wait(broadcast, VERDICT_WAIT, |s| s.phase != Phase::Starting).await;
        refuse_unplayable(broadcast)?;
        let store = broadcast.store(facet);
        let mut edge = store.edge();
        let opens = edge.wait_for(|edge| edge.is_ended || store.opening().is_some());
        // However the wait ended, they are known or are not.
        let _ = timeout_at(until, opens).await;
        refuse_unplayable(broadcast)?;
        Ok(store.opening().map(|init| init.codecs))
    }

    fn counters(&self, protocol: &str) -> BodyCounters {
        let metrics = &self.inner.metrics;
        BodyCounters {
            sent: self.sent(protocol),
            skips: metrics.viewer_skips.clone(),
            undecodable: metrics.drop_counter("flv_picture_without_keyframe"),
            closed: Some(metrics.viewers_closed.clone()),
        }
    }

    /// How long the answer to a player is held back at most: three target durations (RFC 8216bis
    /// section 6.2.5.2).
    fn longest_hold(&self) -> Duration {
        self.inner.config.segment_duration * 3
    }

    async fn answer_file(
        &self,
        id: StreamId,
        name: String,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, _) = self.find(&id)?;
        let mut named = broadcast.stores().filter(|store| store.names(&name));
        let Some(store) = named.next() else {
            return Err(Problem::UnknownFile(id, name));
        };
        let mut edge = store.edge();
        let now = *edge.borrow_and_update();
        let mut found = store.file(&name);
        if matches!(found, Lookup::Next) {
            let _seat = self.seat(&broadcast, "hls_waiting", "waiting_viewers")?;
            let goes_on = edge.wait_for(|edge| *edge != now);
            // However the wait ended, the part is there by now or is not.
            let _ = timeout(self.longest_hold(), goes_on).await;
            found = store.file(&name);
        }
        let response = match found {
            Lookup::Found(file) => media(&file, asked)?,
            Lookup::OnDisk(found) => self.answer_from_disk(id, name, found, asked).await?,
            Lookup::Transport(found) => match found.file(&self.inner.metrics).await {
                Some(file) => transport(&file, asked)?,
                None => return Err(Problem::UnknownFile(id, name)),
            },
            Lookup::OtherCodec(codec) => return Err(Problem::NotInTransport(id, codec)),
            Lookup::Next => return Err(Problem::Stalled(id)),
            Lookup::Past => return Err(Problem::PastPart(id, name)),
            Lookup::Unknown => return Err(Problem::UnknownFile(id, name)),
        };
        if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
            self.sent("hls").inc_by(length);
        }
        Ok(response)
    }

    /// A segment of time shift. Only what is sent is read.
    async fn answer_from_disk(
        &self,
        id: StreamId,
        name: String,
        found: OnDisk,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let len = usize::try_from(found.bytes()).unwrap_or(usize::MAX);
        let (mut response, wanted) = media_head(&etag_of(&name), len, asked)?;
        let Some(wanted) = wanted else {
            return Ok(response);
        };
        let range = wanted.start as u64..wanted.end as u64;
        let watch = ViewerWatch::new(self.inner.config.viewer_timeout);
        match found.body(range, watch.clone()).await {
            Ok(body) => *response.body_mut() = Body::segment(body),
            Err(ReadError::Gone) => return Err(Problem::UnknownFile(id, name)),
            Err(error) => return Err(Problem::NotRead(id, error)),
        }
        response.extensions_mut().insert(FileWatch(watch));
        Ok(response)
    }

    /// The newest key frame as a file of its own, for pages that show what is on.
    async fn answer_still(
        &self,
        id: &StreamId,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, variant) = self.live(id)?;
        // Who waits takes a viewer's place: the number of those who wait is bounded.
        let _seat = self.seat(&broadcast, "hls_waiting", "waiting_viewers")?;
        wait(&broadcast, VERDICT_WAIT, |s| s.phase != Phase::Starting).await;
        refuse_unplayable(&broadcast)?;
        let keyframe = broadcast.variant(variant).ring.newest_keyframe();
        let (config, tag) = keyframe.ok_or_else(|| Problem::NotYet(id.clone()))?;
        let data = packager::fmp4::still(&config, packager::flv::coded_picture(&tag.bytes));
        let data = data.map_err(|_| Problem::NotYet(id.clone()))?;
        let mut hasher = DefaultHasher::new();
        data.hash(&mut hasher);
        let etag = format!("\"{:016x}\"", hasher.finish());
        let response = still(&File { data, etag }, asked)?;
        if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
            self.sent("still").inc_by(length);
        }
        Ok(response)
    }

    fn find(&self, id: &StreamId) -> Result<(Arc<Broadcast>, Facet), Problem> {
        self.look_up(id)
            .ok_or_else(|| Problem::UnknownStream(id.clone()))
    }

    /// The broadcast, if it is not over, and the variant if one is named.
    fn live(&self, id: &StreamId) -> Result<(Arc<Broadcast>, Option<usize>), Problem> {
        let (broadcast, facet) = self.live_facet(id)?;
        let variant = match facet {
            Facet::Whole => None,
            Facet::Variant(index) => Some(index),
            Facet::Opus => return Err(Problem::OpusInFragments(id.clone())),
        };
        Ok((broadcast, variant))
    }

    /// The same with what of it the address speaks of, in whatever container it is.
    fn live_facet(&self, id: &StreamId) -> Result<(Arc<Broadcast>, Facet), Problem> {
        let (broadcast, facet) = self.find(id)?;
        if broadcast.status.borrow().phase == Phase::Ended {
            return Err(Problem::Ended(id.clone()));
        }
        if facet == Facet::Opus && broadcast.store(facet).is_ended() {
            return Err(Problem::NoOpus(id.clone()));
        }
        Ok((broadcast, facet))
    }

    fn seat(&self, broadcast: &Broadcast, protocol: &str, limit: &str) -> Result<Seat, Problem> {
        let metrics = &self.inner.metrics;
        let gauge = metrics.viewers.with_label_values(&[protocol]);
        Seat::take(&broadcast.seats, &self.inner.seats, gauge).map_err(|Full { limit: places }| {
            metrics.refused.with_label_values(&[limit]).inc();
            Problem::TooManyViewers { limit: places }
        })
    }

    fn count(&self, kind: &str) {
        self.inner.metrics.requests.with_label_values(&[kind]).inc();
    }

    fn sent(&self, protocol: &str) -> IntCounter {
        self.inner.metrics.sent_bytes.with_label_values(&[protocol])
    }
}

fn directives(uri: &Uri) -> Result<Directives, Problem> {
    Directives::parse(uri.query().unwrap_or_default()).map_err(Problem::Directive)
}

fn start_at(uri: &Uri) -> Result<StartAt, Problem> {
    latency::parse(uri.query().unwrap_or_default()).map_err(Problem::Latency)
}

/// Waits until the broadcast's status is as wanted, at most for `limit`.
async fn wait(broadcast: &Broadcast, limit: Duration, is_wanted: impl Fn(&Status) -> bool) {
    let mut status = broadcast.status.subscribe();
    // Whoever waited looks at the status again: how the wait ended does not matter.
    let _ = timeout(limit, status.wait_for(is_wanted)).await;
}

fn refuse_unplayable(broadcast: &Broadcast) -> Result<(), Problem> {
    let id = || broadcast.id.clone();
    match broadcast.status.borrow().phase {
        Phase::Starting | Phase::Live => Ok(()),
        Phase::Refused(codec) => Err(Problem::Codec(id(), codec)),
        Phase::NoTracks => Err(Problem::NoTracks(id())),
        Phase::Ended => Err(Problem::Ended(id())),
    }
}
