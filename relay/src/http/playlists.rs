//! Answers to requests for playlists.

use std::time::Duration;

use http::Response;
use tokio::time::{sleep, timeout};

use super::body::Body;
use super::directives::{Directives, Position};
use super::problem::Problem;
use super::respond::{Asked, playlist};
use super::{multivariant, refuse_unplayable};
use crate::broadcast::{Broadcast, Facet, Phase, Status};
use crate::hls::{File, Report, Store};
use crate::relay::{Addressed, Relay};
use crate::stream_id::StreamId;

/// How long the list of variants waits for one that has not begun when the large picture has.
const VARIANT_WAIT: Duration = Duration::from_millis(500);

impl Relay {
    /// The playlist of what an address speaks of, or the list of its variants.
    pub(super) async fn answer_playlist(
        &self,
        id: StreamId,
        directives: Directives,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, facet) = self.find(&id)?;
        if facet == Facet::Whole && self.has_list(&broadcast) {
            return self.answer_multivariant(&broadcast, asked).await;
        }
        let store = broadcast.store(facet);
        self.await_media(&broadcast, store, directives).await?;
        let file = store
            .playlist(directives.is_delta)
            .ok_or_else(|| not_there(id, &broadcast))?;
        let reports = match facet {
            Facet::Opus => multivariant::opus_reports(&self.pictures(&broadcast), None, store, ""),
            _ => multivariant::reports(&self.addressed(&broadcast), store),
        };
        let file = self.with_reports(file, &reports);
        Ok(playlist(&file, asked, self.keeps(&directives)))
    }

    /// The playlist of the pictures of a variant.
    pub(super) async fn answer_pictures(
        &self,
        id: StreamId,
        directives: Directives,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, facet) = self.find(&id)?;
        let store = broadcast.store(facet);
        self.await_media(&broadcast, store, directives).await?;
        if store.summary().is_some_and(|it| it.resolution.is_none()) {
            return Err(Problem::NoPicture(id));
        }
        let file = store
            .picture_playlist(directives.is_delta)
            .ok_or_else(|| not_there(id, &broadcast))?;
        let name = self.opus_name(&broadcast);
        let opus = name.as_deref().zip(broadcast.opus());
        let pictures = self.pictures(&broadcast);
        let reports = multivariant::opus_reports(&pictures, opus, store, "../");
        let file = self.with_reports(file, &reports);
        Ok(playlist(&file, asked, self.keeps(&directives)))
    }

    /// The list of a broadcast's pictures with its own sound.
    pub(super) async fn answer_opus_list(
        &self,
        id: StreamId,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, _) = self.find(&id)?;
        let name = self.opus_name(&broadcast);
        let Some((name, opus)) = name.as_deref().zip(broadcast.opus()) else {
            return Err(Problem::NoOpus(id));
        };
        self.await_variants(&broadcast).await?;
        let wait = self.inner.config.segment_duration;
        self.await_playlist(&broadcast, opus, wait).await?;
        let pictures = self.pictures(&broadcast);
        let mut wait = self.inner.config.first_media_wait;
        for Addressed { variant, .. } in &pictures {
            self.await_measured(&broadcast, &variant.store, wait)
                .await?;
            wait = VARIANT_WAIT;
        }
        // Who is told of sound alone never asks again.
        let mut stores = pictures.iter().map(|it| &it.variant.store);
        let is_whole = stores.clone().any(|store| store.summary().is_some())
            || !stores.any(|store| store.is_to_be_measured());
        // Nor does who is told of pictures that have no playlist yet, which a late camera has only once
        // the sound before it has left.
        let are_there = pictures.iter().all(|it| !it.variant.store.hides_pictures());
        let summary = opus.summary().filter(|_| is_whole && are_there);
        let summary = summary.ok_or_else(|| not_there(id, &broadcast))?;
        let file = multivariant::opus_list(&pictures, name, &summary);
        Ok(playlist(&file, asked, None))
    }

    /// The variants that may have pictures: those of the list, or the one that there is.
    fn pictures<'a>(&self, broadcast: &'a Broadcast) -> Vec<Addressed<'a>> {
        if self.has_list(broadcast) {
            return self.addressed(broadcast);
        }
        vec![Addressed {
            name: broadcast.id.to_string(),
            variant: broadcast.variant(None),
        }]
    }

    /// Where parts are, playlists say how far others have come.
    fn with_reports(&self, file: File, reports: &[(String, Report)]) -> File {
        match self.inner.config.part_duration {
            Some(_) => multivariant::with_reports(file, reports),
            None => file,
        }
    }

    /// Waits for the first segment of a store, and for what a player of it asks for.
    async fn await_media(
        &self,
        broadcast: &Broadcast,
        store: &Store,
        directives: Directives,
    ) -> Result<(), Problem> {
        self.await_playlist(broadcast, store, self.inner.config.first_media_wait)
            .await?;
        if let Some(position) = directives.position {
            self.reach(broadcast, store, position).await?;
        }
        refuse_unless_ended(broadcast)
    }

    /// Whether a broadcast is played by the list of its variants. Without an address for its large
    /// picture it is played as if it had no other one.
    fn has_list(&self, broadcast: &Broadcast) -> bool {
        let [large, _, ..] = broadcast.variants() else {
            return false;
        };
        let addressed = self.addressed(broadcast);
        addressed
            .iter()
            .any(|named| std::ptr::eq(named.variant, large))
    }

    /// The list of a broadcast's variants, as far as they have begun.
    async fn answer_multivariant(
        &self,
        broadcast: &Broadcast,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        self.await_variants(broadcast).await?;
        let file = multivariant::list(&self.addressed(broadcast))
            .ok_or_else(|| Problem::NotYet(broadcast.id.clone()))?;
        Ok(playlist(&file, asked, None))
    }

    /// The playlist of a variant with segments of MPEG-TS, or the list of such playlists.
    pub(super) async fn answer_transport_playlist(
        &self,
        id: StreamId,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, facet) = self.find(&id)?;
        if facet == Facet::Opus {
            return Err(Problem::OpusInFragments(id));
        }
        let store = broadcast.store(facet);
        let is_list = facet == Facet::Whole && self.has_list(&broadcast);
        if is_list {
            self.await_variants(&broadcast).await?;
        } else {
            let wait = self.inner.config.first_media_wait;
            self.await_playlist(&broadcast, store, wait).await?;
        }
        refuse_unless_ended(&broadcast)?;
        let found = match is_list {
            true => multivariant::transport_list(&self.addressed(&broadcast)),
            false => store.transport_playlist(),
        };
        match found {
            Some(Ok(file)) => Ok(playlist(&file, asked, None)),
            Some(Err(codec)) => Err(Problem::NotInTransport(id, codec)),
            None => Err(not_there(id, &broadcast)),
        }
    }

    /// The playlist of all that is kept of a variant, or the list of such playlists.
    pub(super) async fn answer_shift_playlist(
        &self,
        id: StreamId,
        directives: Directives,
        asked: &Asked<'_>,
    ) -> Result<Response<Body>, Problem> {
        let (broadcast, facet) = self.find(&id)?;
        let store = broadcast.store(facet);
        if !store.is_shifted() {
            return Err(Problem::NoTimeShift(id));
        }
        if facet == Facet::Whole && self.has_list(&broadcast) {
            self.await_variants(&broadcast).await?;
            let list = multivariant::shift_list(&self.addressed(&broadcast));
            let list = list.ok_or(Problem::NotYet(id))?;
            return Ok(playlist(&list, asked, None));
        }
        let wait = self.inner.config.first_media_wait;
        self.await_playlist(&broadcast, store, wait).await?;
        if let Some(Position { msn, .. }) = directives.position {
            // It has no parts: the segment is what is waited for.
            let position = Position { msn, part: None };
            self.reach(&broadcast, store, position).await?;
        }
        refuse_unless_ended(&broadcast)?;
        let file = store
            .shift_playlist(directives.is_delta)
            .ok_or_else(|| not_there(id, &broadcast))?;
        Ok(playlist(&file, asked, self.keeps(&directives)))
    }

    /// Waits for the first segments of all variants.
    async fn await_variants(&self, broadcast: &Broadcast) -> Result<(), Problem> {
        let mut wait = self.inner.config.first_media_wait;
        for variant in broadcast.variants() {
            self.await_playlist(broadcast, &variant.store, wait).await?;
            // All begin together, unless the publisher has no bits for one.
            wait = VARIANT_WAIT;
        }
        Ok(())
    }

    /// Waits for the first segment of a variant.
    async fn await_playlist(
        &self,
        broadcast: &Broadcast,
        store: &Store,
        limit: Duration,
    ) -> Result<(), Problem> {
        if store.playlist(false).is_some() {
            return Ok(());
        }
        refuse_unplayable(broadcast)?;
        // Who waits takes a viewer's place: the number of those who wait is bounded.
        let _seat = self.seat(broadcast, "hls_waiting", "waiting_viewers")?;
        let mut edge = store.edge();
        let begins = async {
            // An error would say that the broadcast is gone altogether.
            while store.playlist(false).is_none() && edge.changed().await.is_ok() {}
        };
        let mut status = broadcast.status.subscribe();
        let goes_on = |status: &Status| matches!(status.phase, Phase::Starting | Phase::Live);
        tokio::select! {
            () = begins => {}
            _ = status.wait_for(|status| !goes_on(status)) => {}
            () = sleep(limit) => {}
        }
        Ok(())
    }

    /// Waits for the first segment since pictures of a variant began or changed.
    async fn await_measured(
        &self,
        broadcast: &Broadcast,
        store: &Store,
        limit: Duration,
    ) -> Result<(), Problem> {
        if !store.is_to_be_measured() {
            return Ok(());
        }
        let _seat = self.seat(broadcast, "hls_waiting", "waiting_viewers")?;
        let mut edge = store.edge();
        let measured = async {
            // An error would say that the broadcast is gone altogether.
            while store.is_to_be_measured() && edge.changed().await.is_ok() {}
        };
        // The list says so where it is not.
        let _ = timeout(limit, measured).await;
        Ok(())
    }

    /// Waits until the playlist has what a player asks for (RFC 8216bis section 6.2.5.2).
    async fn reach(
        &self,
        broadcast: &Broadcast,
        store: &Store,
        position: Position,
    ) -> Result<(), Problem> {
        let Some(part) = self.inner.config.part_duration else {
            return Ok(());
        };
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
}

/// Refuses a broadcast that cannot go on. The playlist of one that is over stays.
fn refuse_unless_ended(broadcast: &Broadcast) -> Result<(), Problem> {
    match broadcast.status.borrow().phase {
        Phase::Ended => Ok(()),
        _ => refuse_unplayable(broadcast),
    }
}

/// Why there is no playlist of what was waited for.
fn not_there(id: StreamId, broadcast: &Broadcast) -> Problem {
    match broadcast.status.borrow().phase {
        Phase::Ended => Problem::Ended(id),
        _ => Problem::NotYet(id),
    }
}
