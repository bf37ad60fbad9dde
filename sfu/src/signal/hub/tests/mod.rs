//! The hub on virtual time, without sockets: clients are lists of frames.

mod abuse;
mod chat;
mod lists;
mod media;
mod random;
mod resume;
mod returning;
mod sessions;

use std::collections::{BTreeMap, VecDeque};
use std::net::IpAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::*;
use crate::auth::{App, Apps};
use crate::live::AppId;
use crate::live::chat::UnixTime;
use crate::store::{Change, SavedProfile, SavedRoom};
use crate::webhook::{BeforeMessage, Notice};
use crate::worker::{Accepted, MediaEvent, ServerOffer, SessionId, SessionRef};

pub(super) const CLOCK: UnixTime = UnixTime(1_700_000_000_000);
pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A hub and everything around it.
pub(super) struct World {
    pub(super) hub: Hub,
    pub(super) now: Instant,
    apps: Apps,
    next_socket: u64,
    next_id: u32,
    pub(super) frames: BTreeMap<u64, Vec<Value>>,
    pub(super) closed: BTreeMap<u64, u16>,
    /// Orders that were not answered.
    pub(super) orders: VecDeque<(Ticket, MediaOrder)>,
    /// All orders, answered or not.
    pub(super) ordered: Vec<MediaOrder>,
    pub(super) saved: Vec<Change>,
    pub(super) told: Vec<Notice>,
    pub(super) asked: VecDeque<(Ticket, BeforeMessage)>,
    pub(super) stored: HashMap<RoomKey, SavedRoom>,
    pub(super) profiles: HashMap<String, SavedProfile>,
    /// Rooms that wait for the store.
    pub(super) loads: Vec<RoomKey>,
    /// The store answers at once.
    pub(super) loads_at_once: bool,
    /// The media side answers at once.
    pub(super) media_at_once: bool,
    sessions: u128,
    /// All sessions that the media side has given.
    pub(super) accepted: Vec<SessionRef>,
    /// Offers of each receiver.
    offers: HashMap<SessionId, u32>,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|_| {})
    }

    pub(super) fn with(change: impl FnOnce(&mut HubConfig)) -> Self {
        let app = |id, key: &str| App {
            id: AppId(id),
            keys: vec![key.parse().unwrap()],
            ..App::default()
        };
        let apps = Apps::new([app(1, "one"), app(2, "two")]);
        let mut config = HubConfig::new(apps.clone());
        change(&mut config);
        let now = Instant::now();
        Self {
            apps,
            hub: Hub::new(config, now, CLOCK, [7; 32]),
            now,
            next_socket: 0,
            next_id: 0,
            frames: BTreeMap::new(),
            closed: BTreeMap::new(),
            orders: VecDeque::new(),
            ordered: Vec::new(),
            saved: Vec::new(),
            told: Vec::new(),
            asked: VecDeque::new(),
            stored: HashMap::new(),
            profiles: HashMap::new(),
            loads: Vec::new(),
            loads_at_once: true,
            media_at_once: true,
            sessions: 0,
            accepted: Vec::new(),
            offers: HashMap::new(),
        }
    }

    /// Opens a socket.
    pub(super) fn open(&mut self) -> u64 {
        self.open_from("10.0.0.1")
    }

    pub(super) fn open_from(&mut self, peer: &str) -> u64 {
        self.next_socket += 1;
        let peer: IpAddr = peer.parse().unwrap();
        self.hub.open(self.now, SocketId(self.next_socket), peer);
        self.frames.insert(self.next_socket, Vec::new());
        self.pump();
        self.next_socket
    }

    /// Sends a request; its id.
    pub(super) fn send(&mut self, socket: u64, kind: &str, fields: Value) -> u32 {
        self.next_id += 1;
        let mut request = json!({"id": self.next_id, "type": kind});
        for (name, value) in fields.as_object().unwrap() {
            request[name] = value.clone();
        }
        self.hub
            .receive(self.now, SocketId(socket), &request.to_string());
        self.pump();
        self.next_id
    }

    /// Sends a request and takes its answer.
    pub(super) fn ask(&mut self, socket: u64, kind: &str, fields: Value) -> Value {
        let id = self.send(socket, kind, fields);
        self.answer(socket, id).expect("an answer")
    }

    /// The result of a request that is carried out.
    pub(super) fn done(&mut self, socket: u64, kind: &str, fields: Value) -> Value {
        let answer = self.ask(socket, kind, fields);
        assert!(answer["error"].is_null(), "{kind}: {answer}");
        answer["result"].clone()
    }

    /// The error name of a request that is refused.
    pub(super) fn refused(&mut self, socket: u64, kind: &str, fields: Value) -> String {
        let answer = self.ask(socket, kind, fields);
        let name = answer["error"]["name"].as_str();
        name.unwrap_or_else(|| panic!("{kind} was carried out: {answer}"))
            .to_owned()
    }

    /// The answer to a request, if it has come; there is never a second one.
    pub(super) fn answer(&self, socket: u64, id: u32) -> Option<Value> {
        let frames = self.frames[&socket].iter();
        let answers: Vec<_> = frames
            .filter(|f| f["type"] == "response" && f["id"] == id)
            .collect();
        assert!(answers.len() <= 1, "{answers:?}");
        answers.first().map(|answer| (*answer).clone())
    }

    /// All events that a socket has got since it was last asked.
    pub(super) fn events(&mut self, socket: u64) -> Vec<Value> {
        let frames = self.frames.get_mut(&socket).unwrap();
        let (events, rest) = std::mem::take(frames)
            .into_iter()
            .partition(|f| f["type"] == "event");
        *frames = rest;
        events
    }

    /// The events of one name.
    pub(super) fn events_of(&mut self, socket: u64, name: &str) -> Vec<Value> {
        let events = self.events(socket).into_iter();
        events.filter(|event| event["event"] == name).collect()
    }

    /// A token.
    pub(super) fn sig(&self, app: u32, user: &str) -> String {
        let now = self.hub.clock(self.now).as_secs();
        let user = user.parse().unwrap();
        self.apps
            .sign_user_sig(now, AppId(app), &user, 3_600)
            .unwrap()
    }

    pub(super) fn login_fields(&self, app: u32, user: &str) -> Value {
        json!({"version": 1, "app": app, "user": user, "userSig": self.sig(app, user)})
    }

    /// A socket on which a user of app 1 has logged in.
    pub(super) fn user(&mut self, user: &str) -> u64 {
        self.user_of(1, user)
    }

    pub(super) fn user_of(&mut self, app: u32, user: &str) -> u64 {
        let socket = self.open();
        let login = self.login_fields(app, user);
        self.done(socket, "login", login);
        socket
    }

    /// A socket on which a guest of app 1 has logged in.
    pub(super) fn guest(&mut self) -> u64 {
        let socket = self.open();
        self.done(socket, "login", json!({"version": 1, "app": 1}));
        socket
    }

    /// A live room with two seats, which its owner has entered as an anchor.
    pub(super) fn room(&mut self, owner: u64, room: u32) {
        let seats = json!({"count": 3, "mode": "applyToTake", "keepOwnerOnSeat": true});
        self.done(owner, "createRoom", json!({"room": room, "seats": seats}));
        self.enter(owner, room, "anchor");
    }

    pub(super) fn enter(&mut self, socket: u64, room: u32, role: &str) -> Value {
        let fields = json!({"room": room, "part": "all", "role": role});
        self.done(socket, "enterRoom", fields)
    }

    /// Publishes the main track, and lets the media side connect it.
    pub(super) fn publish(&mut self, socket: u64, room: u32) -> SessionRef {
        self.done(socket, "publish", publish(room));
        let session = self.last_session();
        self.live(&session);
        session
    }

    /// The session that the media side has given last.
    pub(super) fn last_session(&self) -> SessionRef {
        self.accepted.last().expect("published").clone()
    }

    /// The media side has connected a publisher.
    pub(super) fn live(&mut self, session: &SessionRef) {
        self.media_event(MediaEvent::Live {
            stream: session.stream.clone(),
            session: session.session,
            audio: true,
            video: true,
        });
    }

    pub(super) fn media_event(&mut self, event: MediaEvent) {
        self.hub.handle_media_event(self.now, event);
        self.pump();
    }

    pub(super) fn close(&mut self, socket: u64) {
        self.hub.closed(self.now, SocketId(socket));
        self.pump();
    }

    /// Lets time pass, with every timeout when it is due.
    pub(super) fn pass(&mut self, time: Duration) {
        let end = self.now + time;
        let mut rounds = 0;
        while let Some(at) = self.hub.next_timeout().filter(|at| *at <= end) {
            rounds += 1;
            assert!(rounds < 100_000, "the hub asks for ever");
            self.now = self.now.max(at);
            self.hub.handle_timeout(self.now);
            self.pump();
        }
        self.now = end;
    }

    /// Carries out what the hub puts out.
    pub(super) fn pump(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::Send { socket, text } => {
                    let frame: Value = serde_json::from_str(&text).unwrap();
                    assert!(!self.closed.contains_key(&socket.0), "sent after close");
                    self.frames.get_mut(&socket.0).unwrap().push(frame);
                }
                HubOutput::Close { socket, code } => {
                    assert_eq!(
                        self.closed.insert(socket.0, code.code()),
                        None,
                        "closed twice"
                    );
                }
                HubOutput::Media { ticket, order } => {
                    self.ordered.push(order.clone());
                    self.orders.push_back((ticket, order));
                    if self.media_at_once {
                        self.carry_out_media();
                    }
                }
                HubOutput::Load { key } => {
                    self.loads.push(key);
                    if self.loads_at_once {
                        self.load();
                    }
                }
                HubOutput::LoadProfile { ticket, user, .. } => {
                    let profile = self.profiles.get(user.as_str()).cloned();
                    self.hub.handle_profile(self.now, ticket, profile);
                }
                HubOutput::LoadProfiles { ticket, users, .. } => {
                    let stored = users.into_iter().filter_map(|user| {
                        let profile = self.profiles.get(user.as_str()).cloned()?;
                        Some((user, profile))
                    });
                    let stored = stored.collect();
                    self.hub.handle_profiles(self.now, ticket, stored);
                }
                HubOutput::LoadImage { ticket, .. } => {
                    self.hub.handle_image(self.now, ticket, None);
                }
                HubOutput::Save(change) => self.saved.push(change),
                HubOutput::Ask { ticket, message } => self.asked.push_back((ticket, message)),
                HubOutput::Tell(notice) => self.told.push(notice),
                HubOutput::Record { .. } => {}
            }
        }
    }

    /// The store answers what waits for it.
    pub(super) fn load(&mut self) {
        for key in std::mem::take(&mut self.loads) {
            let saved = self.stored.get(&key).cloned().unwrap_or_default();
            self.hub.handle_loaded(self.now, &key, Some(saved));
        }
    }

    /// The media side carries out what waits for it.
    pub(super) fn carry_out_media(&mut self) {
        while let Some((ticket, order)) = self.orders.pop_front() {
            let done = self.media_done(&order);
            self.hub.handle_media(self.now, ticket, done);
        }
    }

    fn media_done(&mut self, order: &MediaOrder) -> MediaDone {
        match order {
            MediaOrder::Publish { stream, .. } => {
                self.sessions += 1;
                self.accepted.push(SessionRef {
                    stream: stream.clone(),
                    session: SessionId::from_bits(self.sessions),
                    role: crate::worker::Role::Publisher,
                });
                MediaDone::Published(Ok(Accepted {
                    session: SessionId::from_bits(self.sessions),
                    etag: "e".to_owned(),
                    answer: "answer".to_owned(),
                }))
            }
            MediaOrder::Patch { .. } => MediaDone::Patched(Ok(crate::worker::Patched::Trickled)),
            MediaOrder::Relay { .. } => MediaDone::Relayed(Ok(())),
            MediaOrder::Push { .. } => MediaDone::Pushed(Ok(())),
            MediaOrder::Receive { receiver, .. } => {
                let revision = self.offers.entry(*receiver).or_default();
                *revision += 1;
                MediaDone::Offered(Ok(Some(ServerOffer {
                    revision: *revision,
                    sdp: "offer".to_owned(),
                })))
            }
            MediaOrder::Answer { .. } | MediaOrder::PatchReceiver { .. } => {
                MediaDone::Offered(Ok(None))
            }
            MediaOrder::ClosePublisher { .. }
            | MediaOrder::Allow { .. }
            | MediaOrder::CloseReceiver { .. } => MediaDone::Done,
        }
    }

    /// The rights that a session was given last.
    pub(super) fn allowed(&self, session: &SessionRef) -> Option<(bool, bool)> {
        self.ordered.iter().rev().find_map(|order| match order {
            MediaOrder::Allow {
                session: of,
                audio,
                video,
            } if of == session => Some((*audio, *video)),
            _ => None,
        })
    }

    pub(super) fn is_closed(&self, session: &SessionRef) -> bool {
        let close = MediaOrder::ClosePublisher {
            session: session.clone(),
        };
        self.ordered.contains(&close)
    }
}

pub(super) fn publish(room: u32) -> Value {
    json!({
        "room": room, "track": "main", "offer": "offer",
        "publication": {"hasAudio": true, "hasVideo": true, "hasSmall": false},
    })
}

pub(super) fn text(room: u32, text: &str) -> Value {
    json!({"room": room, "content": {"type": "TIMTextElem", "payload": {"text": text}}})
}

pub(super) fn key(app: u32, room: u32) -> RoomKey {
    RoomKey::new(
        AppId(app),
        crate::live::RoomId::number(room.into()).unwrap(),
    )
}
