//! What the HTTP side asks for: sessions opened, patched and closed.

use std::borrow::Cow;
use std::time::Instant;

use relay::StreamId;

use super::Core;
use super::upkeep::first_numbers;
use crate::media::fragment;
use crate::media::offer::CheckedOffer;
use crate::media::room::{Room, Source};
use crate::media::session::{Kinds, NewSession, Purpose, Session, Side};
use crate::media::slots::SlotKey;
use crate::worker::api::{
    Accepted, OfferError, PatchError, Patched, SessionId, SessionRef, UnknownSession,
};
use packager::picture::Picture;

impl Core {
    /// Accepts a publisher's offer. It takes the stream over once it is connected, and is relayed
    /// under its id unless [`set_relay`](Self::set_relay) says otherwise.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn publish(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
        offer: &CheckedOffer,
    ) -> Result<Accepted, OfferError> {
        let room = self.room_for(stream, Source::Local, now);
        if let Some(room) = self.rooms.get_mut(room) {
            room.source = Source::Local;
        }
        let accepted = self.open(now, Purpose::Publisher, stream, room, session, offer);
        if accepted.is_ok()
            && let Some(room) = self.rooms.get_mut(room)
        {
            room.pending += 1;
            room.live_at = now;
            self.relay_from_start(session, stream);
        }
        self.arm_room(room, now);
        self.remove_room_if_empty(room);
        accepted
    }

    /// Accepts a subscriber's offer. `home` is the worker of the publisher if it is another one.
    ///
    /// # Errors
    /// See [`OfferError`].
    pub fn subscribe(
        &mut self,
        now: Instant,
        stream: &StreamId,
        session: SessionId,
        offer: &CheckedOffer,
        home: Option<usize>,
    ) -> Result<Accepted, OfferError> {
        let not_live = || OfferError::NotLive {
            stream: stream.clone(),
        };
        let room = match home {
            None => self.by_stream.get(stream).copied().ok_or_else(not_live)?,
            Some(_) => self.room_for(stream, Source::of(home, now), now),
        };
        let local = self
            .rooms
            .get(room)
            .map(|r| (r.source == Source::Local, r.is_live()));
        if local == Some((true, false)) {
            return Err(not_live());
        }
        let codec = self.rooms.get(room).and_then(Room::video_codec);
        let offer = match codec {
            Some(codec) => offer.for_video(codec),
            None => Cow::Borrowed(offer),
        };
        let purpose = Purpose::Subscriber {
            estimates: offer.feedback && self.has_choice(room),
        };
        let accepted = self.open(now, purpose, stream, room, session, &offer);
        if accepted.is_ok() {
            let key = self.by_id.get(&session).copied();
            if let Some(key) = key
                && let Some(room) = self.rooms.get_mut(room)
            {
                room.subscribers.push(key);
                room.viewers += 1;
            }
            let session = key.and_then(|key| self.sessions.get(key));
            let wish = session.and_then(|s| s.feeds().first()).map(|f| f.wish);
            let picture = wish.and_then(|wish| wish.video);
            self.change_wish(room, (None, picture), None, wish, now);
            // The publisher's answer travels while the subscriber's DTLS handshake does.
            if let Some(picture) = picture
                && self
                    .rooms
                    .get(room)
                    .is_some_and(|r| r.wants_keyframe_for_join(picture, now))
            {
                self.request_keyframe(room, picture, now);
            }
        }
        self.arm_room(room, now);
        self.remove_room_if_empty(room);
        accepted
    }

    /// True if a stream's viewers may get different pictures, as far as is known. Where they all
    /// get the same an estimate would be of no use, and costs more than the forwarding itself.
    fn has_choice(&self, room: SlotKey) -> bool {
        let Some(room) = self.rooms.get(room) else {
            return false;
        };
        let is_layered = |key| match self.sessions.get(key).map(|s| &s.side) {
            Some(Side::Publisher(publisher)) => publisher.has_layers(),
            _ => false,
        };
        let ends = [Picture::Small, Picture::Large];
        match room.source {
            Source::Local => {
                let [small, large] = ends.map(|picture| room.target(picture));
                room.publisher.is_some_and(is_layered) || small != large
            }
            Source::Remote { .. } => {
                let [small, large] = ends.map(|picture| room.rates()[picture.index()]);
                small != large || large == 0
            }
        }
    }

    pub(super) fn open(
        &mut self,
        now: Instant,
        purpose: Purpose,
        stream: &StreamId,
        room: SlotKey,
        id: SessionId,
        offer: &CheckedOffer,
    ) -> Result<Accepted, OfferError> {
        if self.sessions.len() >= self.config.max_sessions || self.by_id.contains_key(&id) {
            return Err(OfferError::LimitReached {
                limit: self.config.max_sessions,
            });
        }
        let first = [first_numbers(&mut self.rng), first_numbers(&mut self.rng)];
        let etag = self.new_etag();
        let (session, answer) = Session::accept(NewSession {
            id,
            purpose,
            stream: stream.clone(),
            room,
            offer,
            cert: &self.config.cert,
            local: &self.candidates,
            redundancy: self.config.audio_redundancy,
            etag: etag.clone(),
            first,
            now,
            deadline: now + self.config.connect_timeout,
        })?;
        let user = session.user.clone();
        let key = self.sessions.insert(Box::new(session));
        self.demux.add_user(&user, key);
        self.by_id.insert(id, key);
        if let Some(room) = self.rooms.get_mut(room) {
            room.sessions += 1;
        }
        self.arm_session(key);
        Ok(Accepted {
            session: id,
            etag,
            answer,
        })
    }

    /// Carries out a PATCH: trickled candidates or an ICE restart (RFC 9725 §4.3).
    ///
    /// # Errors
    /// See [`PatchError`].
    pub fn patch(
        &mut self,
        now: Instant,
        session: &SessionRef,
        if_match: Option<&str>,
        body: &str,
    ) -> Result<Patched, PatchError> {
        let key = self.find(session)?;
        let etag = self.new_etag();
        let Some(open) = self.sessions.get_mut(key) else {
            return Err(UnknownSession::from(session).into());
        };
        let if_match = if_match.ok_or(PatchError::MissingIfMatch)?.trim();
        let is_any = if_match == "*";
        let current = open.etag().unwrap_or_default().to_owned();
        if !is_any && !names_tag(if_match, &current) {
            return Err(PatchError::StaleIfMatch);
        }
        let fragment = fragment::parse(body).map_err(|reason| PatchError::Malformed { reason })?;
        let is_current = open.has_remote(&fragment);
        // A restart begins a new count: who has trickled a lot can still restart.
        let before = if is_current { open.candidates } else { 0 };
        let taken = before + fragment.candidates;
        if taken > fragment::MAX_CANDIDATES {
            return Err(PatchError::TooManyCandidates {
                limit: fragment::MAX_CANDIDATES,
            });
        }
        if is_current {
            // The candidates are counted and not kept: an ICE-lite agent sends no checks and
            // learns addresses from those that arrive with the right password.
            open.candidates = taken;
            // `*` stands for a restart (RFC 9725 §4.3.3): its answer may have been lost.
            let repeated = if is_any { open.repeated_answer() } else { None };
            return Ok(match repeated {
                Some(fragment) => Patched::Restarted {
                    etag: current,
                    fragment,
                },
                None => Patched::Trickled,
            });
        }
        let old_user = open.user.clone();
        let answer = open
            .restart(&fragment, etag.clone())
            .map_err(|reason| PatchError::Malformed { reason })?;
        open.candidates = fragment.candidates;
        let user = open.user.clone();
        self.demux.remove_user(&old_user);
        self.demux.add_user(&user, key);
        self.mark_dirty(key);
        self.flush(now);
        Ok(Patched::Restarted {
            etag,
            fragment: answer,
        })
    }

    /// Says what a publisher may send. Packets of other kinds are dropped and counted; when a kind
    /// is allowed again its video starts at a key frame.
    ///
    /// # Errors
    /// [`UnknownSession`].
    pub fn set_allowed(
        &mut self,
        session: &SessionRef,
        audio: bool,
        video: bool,
    ) -> Result<(), UnknownSession> {
        let key = self.find(session)?;
        let Some(Side::Publisher(publisher)) = self.sessions.get_mut(key).map(|s| &mut s.side)
        else {
            return Err(session.into());
        };
        if let Some(room) = self.rooms.get_mut(publisher.room) {
            let ended = publisher.allow(Kinds { audio, video }, &mut room.next_key);
            room.remove_streams(ended.into_iter());
        }
        Ok(())
    }

    /// Ends a session with BYE.
    ///
    /// # Errors
    /// [`UnknownSession`].
    pub fn close(&mut self, now: Instant, session: &SessionRef) -> Result<(), UnknownSession> {
        let key = self.find(session)?;
        self.remove(key, now);
        Ok(())
    }

    /// Ends all sessions with BYE.
    pub fn close_all(&mut self, now: Instant) {
        let keys: Vec<_> = self.sessions.keys().collect();
        for key in keys {
            self.remove(key, now);
        }
    }

    pub(super) fn find(&self, session: &SessionRef) -> Result<SlotKey, UnknownSession> {
        self.by_id
            .get(&session.session)
            .copied()
            .filter(|key| self.sessions.get(*key).is_some_and(|s| s.is(session)))
            .ok_or_else(|| session.into())
    }
}

/// True if a list of entity tags (RFC 9110 §13.1.1) has this one. Weak tags never match; a tag
/// without its quotes is taken, as some clients send it.
fn names_tag(list: &str, etag: &str) -> bool {
    list.split(',').map(str::trim).any(|tag| {
        tag.strip_prefix('"')
            .and_then(|t| t.strip_suffix('"'))
            .unwrap_or(tag)
            == etag
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entity_tag_is_found_in_a_list() {
        for (list, found) in [
            ("\"a1\"", true),
            ("a1", true),
            ("\"b2\", \"a1\"", true),
            ("W/\"a1\"", false),
            ("\"a12\"", false),
            ("", false),
        ] {
            assert_eq!(names_tag(list, "a1"), found, "{list}");
        }
    }
}
