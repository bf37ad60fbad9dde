//! Rooms with their chats, without a hub.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use relay::StreamId;

use crate::live::broadcasts::Source;
use crate::live::chat::{
    AttributesChange, Chat, ChatEvent, ChatLimits, Message, SavedChat, UnixTime,
};
use crate::live::{
    AppId, Command, ConnectionId, Entry, Limits, Login, MediaEntry, Profile, Rights, Role, RoomId,
    RoomKey, Rooms, Scene, TrackKind, UserId,
};
use crate::signal::hub::admin::{
    AdminError, Call, Desk, RecordedView, Reply, StreamCursor, StreamView, apply,
};

pub(crate) const APP: AppId = AppId(1_400_000_000);

/// Rooms with their chats, and notes of what else was asked for.
pub(crate) struct Bench {
    pub(crate) rooms: Rooms,
    pub(crate) now: Instant,
    chats: HashMap<RoomKey, Chat>,
    recorded: HashSet<RoomKey>,
    next: u64,
    pub(crate) notices: Vec<(Vec<UserId>, String)>,
    pub(crate) relays: BTreeMap<StreamCursor, Option<StreamId>>,
    sequences: BTreeMap<StreamCursor, u64>,
}

impl Default for Bench {
    fn default() -> Self {
        Self {
            rooms: Rooms::new(Limits::default()),
            now: Instant::now(),
            chats: HashMap::new(),
            recorded: HashSet::new(),
            next: 0,
            notices: Vec::new(),
            relays: BTreeMap::new(),
            sequences: BTreeMap::new(),
        }
    }
}

impl Bench {
    pub(crate) fn call(&mut self, app: AppId, call: Call) -> Result<Reply, AdminError> {
        let now = self.now;
        let reply = apply(self, now, app, call);
        while self.rooms.poll_output().is_some() {}
        reply
    }

    pub(super) fn ok(&mut self, call: Call) -> Reply {
        self.call(APP, call.clone())
            .unwrap_or_else(|error| panic!("{call:?}: {error}"))
    }

    pub(super) fn code(&mut self, call: Call) -> i32 {
        match self.call(APP, call.clone()) {
            Err(error) => error.code(),
            Ok(reply) => panic!("{call:?} was not refused: {reply:?}"),
        }
    }

    pub(crate) fn enter(&mut self, app: AppId, name: &str, room: &RoomId) -> ConnectionId {
        self.next += 1;
        let connection = ConnectionId(self.next);
        let login = Login {
            app,
            user: Some(user(name)),
            profile: Profile::new(name, "").unwrap(),
        };
        self.rooms.log_in(self.now, connection, login).unwrap();
        let media = MediaEntry {
            scene: Scene::Live,
            role: Role::Anchor,
            rights: Rights::ALL,
        };
        self.command(
            connection,
            Command::Enter {
                room: room.clone(),
                entry: Entry::Live(media),
            },
        );
        connection
    }

    pub(crate) fn command(&mut self, connection: ConnectionId, command: Command) {
        let done = self.rooms.handle_command(self.now, connection, command);
        done.expect("a command of a test");
        while self.rooms.poll_output().is_some() {}
    }

    /// Delivers what the chat of a room holds.
    pub(crate) fn deliver(&mut self, app: AppId, room: &RoomId) -> Vec<Arc<Message>> {
        let (now, clock) = (self.now, self.clock(self.now));
        let Some(chat) = self.chat(&RoomKey::new(app, room.clone())) else {
            return Vec::new();
        };
        let mut told = Vec::new();
        while let Some(event) = chat.poll_output(now, clock, 1) {
            if let ChatEvent::Message { message, .. } = event {
                told.push(message);
            }
        }
        told
    }
}

impl Desk for Bench {
    fn rooms(&self) -> &Rooms {
        &self.rooms
    }

    fn rooms_mut(&mut self) -> &mut Rooms {
        &mut self.rooms
    }

    fn chat(&mut self, key: &RoomKey) -> Option<&mut Chat> {
        let new = || {
            Chat::new(
                key.room.clone(),
                SavedChat::default(),
                &ChatLimits::default(),
                NOON,
            )
        };
        Some(self.chats.entry(key.clone()).or_insert_with(new))
    }

    fn clock(&self, _: Instant) -> UnixTime {
        NOON
    }

    fn mute(
        &mut self,
        _: Instant,
        key: &RoomKey,
        user: &UserId,
        time: Duration,
    ) -> Result<(), AdminError> {
        let chat = self.chat(key).ok_or(AdminError::Busy)?;
        chat.moderation.mute(user, time, NOON)?;
        Ok(())
    }

    fn mute_all(&mut self, _: Instant, key: &RoomKey, muted: bool) -> Result<(), AdminError> {
        let chat = self.chat(key).ok_or(AdminError::Busy)?;
        chat.moderation.set_mute_all(muted);
        Ok(())
    }

    fn record_room(&mut self, key: &RoomKey) -> Vec<RecordedView> {
        self.recorded.insert(key.clone());
        let relayed = self.relays.iter().filter(|(at, _)| at.room == key.room);
        let view = |(at, name): (&StreamCursor, &Option<StreamId>)| {
            let source = Source {
                room: key.clone(),
                user: at.user.clone(),
                track: at.track,
            };
            Some(RecordedView::new(&source, name.clone()?))
        };
        relayed.filter_map(view).collect()
    }

    fn leave_room_unrecorded(&mut self, key: &RoomKey) {
        self.recorded.remove(key);
    }

    fn is_recorded(&self, key: &RoomKey) -> bool {
        self.recorded.contains(key)
    }

    fn revoke(&mut self, key: &RoomKey, sequence: u64) -> Result<(), AdminError> {
        let chat = self.chat(key).ok_or(AdminError::Busy)?;
        chat.revoke(sequence, &user("operator"), true)?;
        Ok(())
    }

    fn attributes_changed(&mut self, _: &RoomKey, _: AttributesChange) {}

    fn notify(&mut self, _: Instant, _: &RoomKey, users: &[UserId], text: String) {
        self.notices.push((users.to_vec(), text));
    }

    fn streams(
        &self,
        app: AppId,
        room: Option<&RoomId>,
        user: Option<&UserId>,
        after: Option<&StreamCursor>,
        limit: usize,
    ) -> Vec<StreamView> {
        let passes = |at: &&StreamCursor| {
            room.is_none_or(|room| at.room == *room)
                && user.is_none_or(|user| at.user == *user)
                && after.is_none_or(|after| *at > after)
        };
        let view = |at: &StreamCursor| {
            let key = RoomKey::new(app, at.room.clone());
            let tracks = self.rooms.member(&key, &at.user)?.tracks;
            Some(StreamView {
                room: at.room.clone(),
                user: at.user.clone(),
                track: at.track,
                publication: tracks.of(at.track)?,
                stream_id: "stream".to_owned(),
                relayed_as: self.relays[at].as_ref().map(ToString::to_string),
            })
        };
        let found = self.relays.keys().filter(passes).filter_map(view);
        found.take(limit).collect()
    }

    fn holder(&self, stream: &StreamId) -> Option<Source> {
        let mut relays = self.relays.iter();
        let (at, _) = relays.find(|(_, name)| name.as_ref() == Some(stream))?;
        Some(Source {
            room: RoomKey::new(APP, at.room.clone()),
            user: at.user.clone(),
            track: at.track,
        })
    }

    fn start_relay(
        &mut self,
        _: Instant,
        key: &RoomKey,
        (user, track): (&UserId, TrackKind),
        stream: Option<StreamId>,
        sequence: Option<u64>,
    ) -> Result<StreamView, AdminError> {
        let at = StreamCursor {
            room: key.room.clone(),
            user: user.clone(),
            track,
        };
        let stream = stream.or_else(|| "default".parse().ok());
        let missing = AdminError::NotPublished {
            room: key.room.clone(),
            user: user.clone(),
            track,
        };
        if let Some(given) = sequence {
            let last = self.sequences.entry(at.clone()).or_default();
            if given <= *last {
                return Err(AdminError::OldUpdate { given, last: *last });
            }
            *last = given;
        }
        self.relays.insert(at, stream);
        let found = self.streams(key.app, Some(&key.room), Some(user), None, 1);
        found.into_iter().next().ok_or(missing)
    }

    fn stop_relay(
        &mut self,
        _: Instant,
        key: &RoomKey,
        user: &UserId,
        track: TrackKind,
    ) -> Result<(), AdminError> {
        self.relays.insert(
            StreamCursor {
                room: key.room.clone(),
                user: user.clone(),
                track,
            },
            None,
        );
        Ok(())
    }
}

pub(crate) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(crate) fn number(room: u64) -> RoomId {
    RoomId::number(room).unwrap()
}

pub(super) const NOON: UnixTime = UnixTime(1_700_000_000_000);
