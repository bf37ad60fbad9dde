//! The hub as calls of back ends need it.

use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::StreamId;

use super::{AdminError, Call, Desk, RecordedView, Reply, StreamCursor, StreamView, apply};
use crate::live::broadcasts::{Broadcast, BroadcastError, Source};
use crate::live::chat::{
    AttributesChange, Chat, Message, Payload, Priority, TextPayload, UnixTime,
};
use crate::live::{AppId, LiveError, RoomId, RoomKey, Rooms, TrackKind, UserId};
use crate::signal::hub::{Hub, HubError};
use crate::signal::protocol::ChatEvent;

impl Hub {
    /// Carries out a call of an app's back end, or of the operator.
    ///
    /// A room that was just created has no chat until the store has been asked; calls that need
    /// it are [`AdminError::Busy`] for that moment.
    ///
    /// # Errors
    /// [`AdminError`].
    pub fn admin(&mut self, now: Instant, app: AppId, call: Call) -> Result<Reply, AdminError> {
        let reply = apply(self, now, app, call);
        self.settle(now);
        reply
    }
}

impl Desk for Hub {
    fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    fn rooms_mut(&mut self) -> &mut Rooms {
        &mut self.rooms
    }

    fn chat(&mut self, key: &RoomKey) -> Option<&mut Chat> {
        self.chat_mut(key)
    }

    fn clock(&self, now: Instant) -> UnixTime {
        Hub::clock(self, now)
    }

    fn mute(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        time: Duration,
    ) -> Result<(), AdminError> {
        Ok(self.mute_as(now, key, user, time)?)
    }

    fn mute_all(&mut self, now: Instant, key: &RoomKey, muted: bool) -> Result<(), AdminError> {
        Ok(self.mute_all_as(now, key, muted)?)
    }

    fn record_room(&mut self, key: &RoomKey) -> Vec<RecordedView> {
        self.stage.recorded.insert(key.clone());
        self.relayed_in(key)
    }

    fn leave_room_unrecorded(&mut self, key: &RoomKey) {
        if self.stage.recorded.remove(key) {
            for view in self.relayed_in(key) {
                self.record(key, view.relayed_as, false);
            }
        }
    }

    fn is_recorded(&self, key: &RoomKey) -> bool {
        self.stage.recorded.contains(key)
    }

    fn revoke(&mut self, key: &RoomKey, sequence: u64) -> Result<(), AdminError> {
        // A host may take back everybody's; the name is not told.
        let by = OPERATOR.parse().map_err(LiveError::BadId)?;
        Ok(self.revoke_as(key, sequence, &by, true)?)
    }

    fn attributes_changed(&mut self, key: &RoomKey, change: AttributesChange) {
        self.changed_attributes(key, change);
    }

    fn notify(&mut self, now: Instant, key: &RoomKey, users: &[UserId], text: String) {
        let clock = Hub::clock(self, now);
        let is_there = |user: &&UserId| self.rooms.is_in_chat(key, user);
        let there = users.iter().filter(is_there);
        let connections: Vec<_> = there
            .filter_map(|user| self.rooms.connection_of(key.app, user))
            .collect();
        let message = Message {
            id: format!("{}-notice", clock.0),
            sequence: 0,
            random: 0,
            from: None,
            to: key.room.clone(),
            time: clock.as_secs(),
            priority: Priority::High,
            nick: String::new(),
            avatar: String::new(),
            name_card: String::new(),
            cloud_custom_data: String::new(),
            is_revoked: false,
            payload: Payload::Text(TextPayload { text }),
        };
        let event = ChatEvent::Message {
            room: key.room.clone(),
            message: Arc::new(message),
        };
        self.tell_list(&connections, &event.into());
    }

    fn streams(
        &self,
        app: AppId,
        room: Option<&RoomId>,
        user: Option<&UserId>,
        after: Option<&StreamCursor>,
        limit: usize,
    ) -> Vec<StreamView> {
        let all = self.stage.broadcasts.iter();
        all.filter(|(source, _)| {
            source.room.app == app
                && room.is_none_or(|room| source.room.room == *room)
                && user.is_none_or(|user| source.user == *user)
                && after.is_none_or(|after| cursor(source) > *after)
        })
        .filter_map(|(source, broadcast)| self.stream_view(source, broadcast))
        .take(limit)
        .collect()
    }

    fn holder(&self, stream: &StreamId) -> Option<Source> {
        self.stage.broadcasts.holder(stream).cloned()
    }

    fn start_relay(
        &mut self,
        now: Instant,
        key: &RoomKey,
        (user, track): (&UserId, TrackKind),
        stream: Option<StreamId>,
        sequence: Option<u64>,
    ) -> Result<StreamView, AdminError> {
        let source = source(key, user, track);
        self.find_stream(&source)?;
        let name = stream.as_ref().map(StreamId::as_str);
        let broadcasts = &mut self.stage.broadcasts;
        let order = match sequence {
            Some(sequence) => broadcasts.update(&source, name, sequence),
            None => broadcasts.start(&source, name),
        };
        if let Some(order) = order.map_err(|error| refused(error, &source))? {
            self.order_relay(now, None, source.clone(), order)?;
        }
        self.find_stream(&source)
    }

    fn stop_relay(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) -> Result<(), AdminError> {
        let source = source(key, user, track);
        self.find_stream(&source)?;
        let order = self.stage.broadcasts.stop(&source);
        if let Some(order) = order.map_err(|error| refused(error, &source))? {
            self.order_relay(now, None, source, order)?;
        }
        Ok(())
    }
}

impl Hub {
    /// A publication that the room knows of.
    fn stream_view(&self, source: &Source, broadcast: &Broadcast) -> Option<StreamView> {
        let member = self.rooms.member(&source.room, &source.user)?;
        Some(StreamView {
            room: source.room.room.clone(),
            user: source.user.clone(),
            track: source.track,
            publication: member.tracks.of(source.track)?,
            stream_id: broadcast.stream.to_string(),
            relayed_as: broadcast.relay_name().map(ToString::to_string),
        })
    }

    fn find_stream(&self, source: &Source) -> Result<StreamView, AdminError> {
        let broadcast = self.stage.broadcasts.of(source);
        broadcast
            .and_then(|broadcast| self.stream_view(source, broadcast))
            .ok_or_else(|| not_published(source))
    }
}

fn source(key: &RoomKey, user: &UserId, track: TrackKind) -> Source {
    Source {
        room: key.clone(),
        user: user.clone(),
        track,
    }
}

fn cursor(source: &Source) -> StreamCursor {
    StreamCursor {
        room: source.room.room.clone(),
        user: source.user.clone(),
        track: source.track,
    }
}

fn not_published(source: &Source) -> AdminError {
    AdminError::NotPublished {
        room: source.room.room.clone(),
        user: source.user.clone(),
        track: source.track,
    }
}

fn refused(error: BroadcastError, source: &Source) -> AdminError {
    match error {
        BroadcastError::NotPublished { .. } => not_published(source),
        BroadcastError::Taken { name } => AdminError::StreamTaken {
            stream: name.to_string(),
        },
        BroadcastError::Name(_) => LiveError::BadValue {
            what: "the stream id",
            allowed: "1 to 64 letters, digits, '_' and '-'",
        }
        .into(),
        BroadcastError::NotRelayed { .. } => AdminError::NotRelayed {
            room: source.room.room.clone(),
            user: source.user.clone(),
            track: source.track,
        },
        BroadcastError::OldUpdate { given, last } => AdminError::OldUpdate { given, last },
        BroadcastError::Busy { .. } | BroadcastError::Full { .. } => AdminError::Busy,
    }
}

impl From<HubError> for AdminError {
    fn from(error: HubError) -> Self {
        match error {
            // Its chat is being read.
            HubError::Live(LiveError::Busy) => Self::Busy,
            HubError::Live(error) => error.into(),
            HubError::Chat(error) => error.into(),
            // What the hub says to clients alone does not come up here.
            other => {
                tracing::debug!(code = other.to_string(), "a call met a refusal of clients");
                Self::Busy
            }
        }
    }
}

/// In whose name a message is taken back.
const OPERATOR: &str = "operator";
