//! The relay's HTTP: what each address answers.

mod body;
mod directives;
mod problem;
mod respond;
mod route;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, Method, Request, Response, Uri};
use prometheus::IntCounter;
use tokio::time::timeout;

pub use body::Body;

use crate::broadcast::{Broadcast, Phase, Status};
use crate::flv::{BodyCounters, FlvBody};
use crate::hls::Lookup;
use crate::limits::{Full, Seat};
use crate::relay::Relay;
use crate::stream_id::StreamId;
use directives::{Directives, Position};
use problem::Problem;
use respond::{Asked, flv, media, playlist, preflight, with_cors};
use route::Route;

/// How long an FLV request waits to learn whether its stream can be played at all.
const VERDICT_WAIT: Duration = Duration::from_secs(2);

impl Relay {
    /// Answers a request below `/live/`: `GET`, `HEAD` and `OPTIONS` of `/live/{id}.flv`,
    /// `/live/{id}.m3u8` and the files that a playlist names. Everything else is refused with
    /// `application/problem+json` (RFC 9457). Every response carries its CORS headers.
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
            let answer = relay.answer(&head.method, &head.uri, &head.headers).await;
            with_cors(answer.unwrap_or_else(Problem::into_response))
        }
    }

    async fn answer(
        &self,
        method: &Method,
        uri: &Uri,
        headers: &HeaderMap,
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
                self.answer_flv(id, is_head).await
            }
            Route::Playlist(id) => {
                self.count("playlist");
                let query = uri.query().unwrap_or_default();
                let directives = Directives::parse(query).map_err(Problem::Directive)?;
                self.answer_playlist(id, directives, &asked).await
            }
            Route::File(id, name) => {
                self.count("segment");
                self.answer_file(id, name, &asked).await
            }
        }
    }

    async fn answer_flv(&self, id: StreamId, is_head: bool) -> Result<Response<Body>, Problem> {
        let broadcast = self.live(&id)?;
        if is_head {
            refuse_unplayable(&broadcast)?;
            return Ok(flv(Body::empty()));
        }
        let seat = self.seat(&broadcast, "flv", "viewers")?;
        wait(&broadcast, VERDICT_WAIT, |s| s.phase != Phase::Starting).await;
        refuse_unplayable(&broadcast)?;
        let metrics = &self.inner.metrics;
        let counters = BodyCounters {
            sent: self.sent("flv"),
            skips: metrics.viewer_skips.clone(),
            undecodable: metrics.drop_counter("flv_picture_without_keyframe"),
        };
        let body = FlvBody::new(broadcast.ring.clone(), seat, counters);
        Ok(flv(Body::flv(body)))
    }

    async fn answer_playlist(
        &self,
        id: StreamId,
        directives: Directives,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let broadcast = self.find(&id)?;
        if broadcast.store.playlist(false).is_none() {
            refuse_unplayable(&broadcast)?;
            // Who waits takes a viewer's place: the number of those who wait is bounded.
            let _seat = self.seat(&broadcast, "hls_waiting", "waiting_viewers")?;
            wait(&broadcast, self.inner.config.first_media_wait, |status| {
                status.has_playlist || !matches!(status.phase, Phase::Starting | Phase::Live)
            })
            .await;
        }
        if let Some(position) = directives.position {
            self.reach(&broadcast, position).await?;
        }
        let phase = broadcast.status.borrow().phase;
        // An ended broadcast's playlist stays; one that cannot go on does not.
        if phase != Phase::Ended {
            refuse_unplayable(&broadcast)?;
        }
        match broadcast.store.playlist(directives.is_delta) {
            Some(file) => Ok(playlist(&file, asked, self.keeps(&directives))),
            None if phase == Phase::Ended => Err(Problem::Ended(id)),
            None => Err(Problem::NotYet(id)),
        }
    }

    /// Waits until the playlist has what a player asks for (RFC 8216bis section 6.2.5.2).
    async fn reach(&self, broadcast: &Broadcast, position: Position) -> Result<(), Problem> {
        let Some(part) = self.inner.config.part_duration else {
            return Ok(());
        };
        let store = &broadcast.store;
        let mut edge = store.edge();
        let now = *edge.borrow_and_update();
        if store.has(position.msn, position.part) {
            return Ok(());
        }
        position.check(now, part).map_err(Problem::Directive)?;
        let _seat = self.seat(broadcast, "hls_waiting", "waiting_viewers")?;
        let reached = async {
            // An error would say that the broadcast is gone altogether.
            while edge.changed().await.is_ok() && !store.has(position.msn, position.part) {}
        };
        match timeout(self.longest_hold(), reached).await {
            Ok(()) => Ok(()),
            Err(_) => Err(Problem::Stalled(broadcast.id.clone())),
        }
    }

    /// How long caches may keep a playlist. What has a position is of no use to anybody who wants
    /// a newer one, who asks for that: six target durations (RFC 8216bis appendix B.1).
    fn keeps(&self, directives: &Directives) -> Option<Duration> {
        let is_newer = directives.position.is_some() && self.inner.config.part_duration.is_some();
        is_newer.then(|| self.inner.config.segment_duration * 6)
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
        let broadcast = self.find(&id)?;
        let mut edge = broadcast.store.edge();
        let now = *edge.borrow_and_update();
        let mut found = broadcast.store.file(&name);
        if matches!(found, Lookup::Next) {
            let _seat = self.seat(&broadcast, "hls_waiting", "waiting_viewers")?;
            let goes_on = edge.wait_for(|edge| *edge != now);
            // However the wait ended, the part is there by now or is not.
            let _ = timeout(self.longest_hold(), goes_on).await;
            found = broadcast.store.file(&name);
        }
        let file = match found {
            Lookup::Found(file) => file,
            Lookup::Next => return Err(Problem::Stalled(id)),
            Lookup::Unknown => return Err(Problem::UnknownFile(id, name)),
        };
        let response = media(&file, asked)?;
        if let Some(length) = http_body::Body::size_hint(response.body()).exact() {
            self.sent("hls").inc_by(length);
        }
        Ok(response)
    }

    fn find(&self, id: &StreamId) -> Result<Arc<Broadcast>, Problem> {
        self.broadcast(id)
            .ok_or_else(|| Problem::UnknownStream(id.clone()))
    }

    /// The broadcast, if it is not over.
    fn live(&self, id: &StreamId) -> Result<Arc<Broadcast>, Problem> {
        let broadcast = self.find(id)?;
        if broadcast.status.borrow().phase == Phase::Ended {
            return Err(Problem::Ended(id.clone()));
        }
        Ok(broadcast)
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
