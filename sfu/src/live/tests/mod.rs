//! The rooms as a shell drives them: on virtual time, every event checked on its way.

mod cohosts;
mod errors;
mod limits;
mod model;
mod rooms;
mod seats;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::*;

pub(super) const APP: AppId = AppId(1_400_000_000);

/// A server with clients. After each step all outputs are delivered, and nobody may get an event
/// of a room that, from their own view, they are not in.
pub(super) struct World {
    pub(super) rooms: Rooms,
    pub(super) now: Instant,
    next: u64,
    clients: BTreeMap<ConnectionId, Client>,
    pub(super) effects: Vec<Effect>,
}

#[derive(Default)]
struct Client {
    app: AppId,
    user: Option<UserId>,
    inside: BTreeSet<RoomId>,
    inbox: Vec<Event>,
    ended: bool,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(Limits::default())
    }

    pub(super) fn with(limits: Limits) -> Self {
        Self {
            rooms: Rooms::new(limits),
            now: Instant::now(),
            next: 0,
            clients: BTreeMap::new(),
            effects: Vec::new(),
        }
    }

    pub(super) fn login(&mut self, name: &str) -> ConnectionId {
        self.try_login(APP, Some(name)).unwrap()
    }

    pub(super) fn guest(&mut self) -> ConnectionId {
        self.try_login(APP, None).unwrap()
    }

    pub(super) fn try_login(
        &mut self,
        app: AppId,
        name: Option<&str>,
    ) -> Result<ConnectionId, LiveError> {
        self.next += 1;
        let id = ConnectionId(self.next);
        let login = Login {
            app,
            user: name.map(user),
            profile: Profile::new(name.unwrap_or_default(), "").unwrap(),
        };
        let client = Client {
            app,
            user: login.user.clone(),
            ..Client::default()
        };
        let result = self.rooms.log_in(self.now, id, login);
        if result.is_ok() {
            self.clients.insert(id, client);
        }
        self.deliver();
        result.map(|()| id)
    }

    pub(super) fn run(&mut self, id: ConnectionId, command: Command) -> Result<Reply, LiveError> {
        let left = match &command {
            Command::Leave { room, .. } => Some(room.clone()),
            _ => None,
        };
        let result = self.rooms.handle_command(self.now, id, command);
        if let Some(client) = self.clients.get_mut(&id) {
            match (&result, left) {
                (Ok(Reply::Entered(entered)), _) => {
                    client.inside.insert(entered.info.room.clone());
                }
                (Ok(_), Some(room)) => {
                    let key = RoomKey::new(client.app, room.clone());
                    let member = client.user.as_ref();
                    if member.is_none_or(|user| self.rooms.member(&key, user).is_none()) {
                        client.inside.remove(&room);
                    }
                }
                _ => {}
            }
        }
        self.deliver();
        result
    }

    /// Runs a command that must succeed.
    pub(super) fn ok(&mut self, id: ConnectionId, command: Command) -> Reply {
        self.run(id, command.clone())
            .unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// Runs a command that must be refused.
    pub(super) fn refused(&mut self, id: ConnectionId, command: Command) -> LiveError {
        match self.run(id, command.clone()) {
            Err(error) => error,
            Ok(reply) => panic!("{command:?} was not refused: {reply:?}"),
        }
    }

    pub(super) fn order(&mut self, number: u32, order: Order) -> Result<Reply, LiveError> {
        let result = self.rooms.handle_order(self.now, &key(number), order);
        self.deliver();
        result
    }

    pub(super) fn enter(&mut self, id: ConnectionId, number: u32, entry: Entry) -> Entered {
        let command = Command::Enter {
            room: room(number),
            entry,
        };
        match self.ok(id, command) {
            Reply::Entered(entered) => *entered,
            other => panic!("{other:?}"),
        }
    }

    pub(super) fn lose(&mut self, id: ConnectionId) {
        self.rooms.handle_lost(self.now, id);
        self.deliver();
    }

    pub(super) fn log_out(&mut self, id: ConnectionId) {
        self.rooms.log_out(self.now, id);
        self.deliver();
    }

    /// Lets time pass, with a time-out call at each moment that was asked for.
    pub(super) fn pass(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        for _ in 0..10_000 {
            match self.rooms.next_timeout().filter(|at| *at <= end) {
                Some(at) => {
                    assert!(at >= self.now, "a deadline in the past");
                    self.now = at;
                    self.rooms.handle_timeout(at);
                    self.deliver();
                }
                None => {
                    self.now = end;
                    return;
                }
            }
        }
        panic!("deadlines do not end");
    }

    /// What a client has got since the last call.
    pub(super) fn take(&mut self, id: ConnectionId) -> Vec<Event> {
        std::mem::take(&mut self.clients.get_mut(&id).unwrap().inbox)
    }

    pub(super) fn forget(&mut self) {
        self.effects.clear();
        self.clients.values_mut().for_each(|c| c.inbox.clear());
    }

    pub(super) fn ended(&self, id: ConnectionId) -> bool {
        self.clients[&id].ended
    }

    pub(super) fn view(&self, number: u32, name: &str) -> Option<MemberView> {
        self.rooms.member(&key(number), &user(name))
    }

    pub(super) fn role(&self, number: u32, name: &str) -> Option<Role> {
        self.view(number, name)?.role
    }

    /// Who sits where, `-` for nobody.
    pub(super) fn sitting(&mut self, id: ConnectionId, number: u32) -> Vec<String> {
        let entered = self.enter(id, number, Entry::Chat);
        let name = |seat: SeatView| seat.user.map_or("-".into(), |u| u.user.to_string());
        entered.seats.into_iter().map(name).collect()
    }

    fn deliver(&mut self) {
        while let Some(output) = self.rooms.poll_output() {
            let (to, event) = match output {
                Output::Event { to, event } => (to, event),
                Output::Effect(effect) => {
                    if let Effect::ConnectionEnded { connection, .. } = &effect {
                        let client = self.clients.get_mut(connection).unwrap();
                        client.ended = true;
                    }
                    self.effects.push(effect);
                    continue;
                }
            };
            let mut seen = BTreeSet::new();
            self.rooms.connections(&to, |id| {
                assert!(seen.insert(id), "{id} is named twice by {to:?}");
            });
            for id in seen {
                let client = self.clients.get_mut(&id).unwrap();
                assert!(!client.ended, "{event:?} for a connection that has ended");
                if let Some(room) = event.room() {
                    assert!(client.inside.contains(room), "{id} is not in: {event:?}");
                    if matches!(event, Event::Removed { .. }) {
                        client.inside.remove(room);
                    }
                }
                client.inbox.push(event.clone());
            }
        }
    }
}

pub(super) fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

pub(super) fn room(number: u32) -> RoomId {
    RoomId::number(number.into()).unwrap()
}

pub(super) fn key(number: u32) -> RoomKey {
    RoomKey::new(APP, room(number))
}

pub(super) fn media(scene: Scene, role: Role) -> MediaEntry {
    MediaEntry {
        scene,
        role,
        rights: Rights::ALL,
    }
}

pub(super) fn anchor() -> Entry {
    Entry::Media(media(Scene::Live, Role::Anchor))
}

pub(super) fn audience() -> Entry {
    Entry::Media(media(Scene::Live, Role::Audience))
}

pub(super) fn live(role: Role) -> Entry {
    Entry::Live(media(Scene::Live, role))
}

pub(super) const CAMERA: Publication = Publication {
    has_audio: true,
    has_video: true,
    has_small: false,
    audio_muted: false,
    video_muted: false,
};

pub(super) fn publish(number: u32) -> Command {
    Command::Publish {
        room: room(number),
        track: TrackKind::Main,
        publication: CAMERA,
    }
}

pub(super) fn create(number: u32, seats: Option<SeatSettings>) -> Command {
    Command::Create {
        room: room(number),
        settings: RoomSettings {
            about: About::default(),
            seats,
            created_at: None,
        },
    }
}

pub(super) fn leave(number: u32, part: Part) -> Command {
    Command::Leave {
        room: room(number),
        part,
    }
}

pub(super) fn switch(number: u32, role: Role) -> Command {
    Command::SwitchRole {
        room: room(number),
        role,
    }
}

pub(super) fn order(number: u32, order: Order) -> Command {
    Command::Order {
        room: room(number),
        order,
    }
}

pub(super) fn seat(number: u32, command: SeatCommand) -> Command {
    Command::Seat {
        room: room(number),
        command,
    }
}

pub(super) fn kick(name: &str, ban: Option<u64>) -> Order {
    Order::Kick {
        users: vec![user(name)],
        message: String::new(),
        ban: ban.map(Duration::from_secs),
    }
}

pub(super) fn administrator(name: &str) -> Order {
    Order::SetAdministrator {
        user: user(name),
        is_administrator: true,
    }
}
