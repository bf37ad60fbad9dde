//! Calls on the hub itself: what clients, store and media get to know of them.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use relay::StreamId;
use relay::record::RecordRefused;
use serde_json::{Value, json};

use super::tests::{number, user};
use super::*;
use crate::auth::Apps;
use crate::live::chat::{Priority, TextPayload, UnixTime};
use crate::live::{About, AppId, LiveError, Order, RoomKey, TrackKind};
use crate::signal::hub::{Hub, HubConfig, HubOutput, MediaDone, MediaOrder, SocketId};
use crate::store::{Change, SavedRoom};
use crate::worker::{Accepted, MediaEvent, SessionId};

const APP: AppId = Apps::OPEN;

/// A hub whose store and media answer at once.
struct World {
    hub: Hub,
    now: Instant,
    saved: Vec<Change>,
    orders: Vec<MediaOrder>,
    recorded: Vec<(String, bool)>,
    sent: Vec<(SocketId, Value)>,
    loads: bool,
    requests: u32,
}

impl World {
    fn new() -> Self {
        let now = Instant::now();
        let config = HubConfig::new(Apps::default());
        Self {
            hub: Hub::new(config, now, UnixTime(1_700_000_000_000), [7; 32]),
            now,
            saved: Vec::new(),
            orders: Vec::new(),
            recorded: Vec::new(),
            sent: Vec::new(),
            loads: true,
            requests: 0,
        }
    }

    fn run(&mut self) {
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::Load { key } if self.loads => {
                    let saved = SavedRoom::default();
                    self.hub.handle_loaded(self.now, &key, Some(saved));
                }
                HubOutput::LoadProfile { ticket, .. } => {
                    self.hub.handle_profile(self.now, ticket, None);
                }
                HubOutput::Send { socket, text } => {
                    let frame = serde_json::from_str(&text).unwrap();
                    self.sent.push((socket, frame));
                }
                HubOutput::Save(change) => self.saved.push(change),
                HubOutput::Record { name, recorded, .. } => {
                    self.recorded.push((name.to_string(), recorded));
                }
                HubOutput::Media { ticket, order } => {
                    let done = match &order {
                        MediaOrder::Publish { .. } => MediaDone::Published(Ok(Accepted {
                            session: SessionId::from_bits(1),
                            etag: "e".to_owned(),
                            answer: "v=0".to_owned(),
                        })),
                        MediaOrder::Relay { .. } => MediaDone::Relayed(Ok(())),
                        _ => MediaDone::Done,
                    };
                    self.orders.push(order);
                    self.hub.handle_media(self.now, ticket, done);
                }
                _ => {}
            }
        }
    }

    fn call(&mut self, call: Call) -> Result<Reply, AdminError> {
        self.now += Duration::from_millis(200);
        let reply = self.hub.admin(self.now, APP, call);
        self.run();
        reply
    }

    #[track_caller]
    fn ok(&mut self, call: Call) -> Reply {
        self.call(call).expect("a call of a test")
    }

    fn ask(&mut self, socket: SocketId, mut request: Value) -> Value {
        self.requests += 1;
        let id = self.requests;
        request["id"] = id.into();
        self.hub.receive(self.now, socket, &request.to_string());
        self.run();
        let is_answer = |(to, frame): &&(SocketId, Value)| *to == socket && frame["id"] == id;
        let answer = self.sent.iter().rev().find(is_answer).expect("an answer");
        assert!(answer.1["error"].is_null(), "{request}: {}", answer.1);
        answer.1["result"].clone()
    }

    fn enter(&mut self, name: &str, socket: u64) -> SocketId {
        let socket = SocketId(socket);
        let here = IpAddr::V4(Ipv4Addr::LOCALHOST);
        self.hub.open(self.now, socket, here);
        self.ask(
            socket,
            json!({"type": "login", "version": 1, "app": 0, "user": name}),
        );
        let enter = json!({"type": "enterRoom", "room": 42, "part": "all", "role": "anchor"});
        self.ask(socket, enter);
        self.sent.clear();
        socket
    }

    /// The names of the events that a socket got since this was asked last.
    fn events(&mut self, socket: SocketId) -> Vec<(String, Value)> {
        let all = std::mem::take(&mut self.sent);
        let of_it = all.into_iter().filter(|(to, _)| *to == socket);
        of_it
            .filter(|(_, frame)| frame["type"] == "event")
            .map(|(_, frame)| (frame["event"].as_str().unwrap().to_owned(), frame))
            .collect()
    }
}

fn create() -> Call {
    Call::Create {
        room: number(42),
        owner: user("anna"),
        about: About::of("Talk", ""),
        seats: None,
    }
}

fn send(text: &str) -> Call {
    Call::Send {
        room: number(42),
        from: None,
        priority: Priority::High,
        content: Content::Text(TextPayload {
            text: text.to_owned(),
        }),
    }
}

#[test]
fn a_message_of_the_back_end_reaches_the_members_and_the_store() {
    let mut world = World::new();
    world.ok(create());
    let ben = world.enter("ben", 1);
    world.ok(send("Welcome"));
    let events = world.events(ben);
    let (name, event) = events.last().expect("an event");
    assert_eq!(name, "message");
    assert_eq!(event["message"]["payload"]["text"], "Welcome");
    let is_it = |change: &Change| matches!(change, Change::Message { message, .. } if message.sequence == 1);
    assert!(world.saved.iter().any(is_it), "{:?}", world.saved);
    world.ok(Call::Revoke {
        room: number(42),
        sequence: 1,
    });
    assert_eq!(world.events(ben)[0].0, "messageRevoked");
}

#[test]
fn a_chat_that_the_store_has_not_given_yet_is_busy() {
    let mut world = World::new();
    world.loads = false;
    world.ok(create());
    assert_eq!(world.call(send("Welcome")), Err(AdminError::Busy));
    let key = RoomKey::new(APP, number(42));
    // The store cannot read it, and is asked again after a while.
    world.hub.handle_loaded(world.now, &key, None);
    world.run();
    assert_eq!(world.call(send("Welcome")), Err(AdminError::Busy));
    world.now = world.hub.next_timeout().expect("a time");
    world.hub.handle_timeout(world.now);
    let asked = std::iter::from_fn(|| world.hub.poll_output());
    let loads = asked.filter(|output| matches!(output, HubOutput::Load { .. }));
    assert_eq!(loads.count(), 1);
    let mute = Call::Mute {
        room: number(42),
        users: vec![user("ben")],
        time: Duration::from_secs(60),
    };
    assert_eq!(world.call(mute.clone()), Err(AdminError::Busy));
    world
        .hub
        .handle_loaded(world.now, &key, Some(SavedRoom::default()));
    world.ok(send("Welcome"));
    world.ok(mute);
}

#[test]
fn a_notice_goes_to_those_who_are_named_and_is_not_kept() {
    let mut world = World::new();
    world.ok(create());
    let [ben, cleo] = [("ben", 1), ("cleo", 2)].map(|(name, socket)| world.enter(name, socket));
    world.ok(Call::Notify {
        room: number(42),
        users: vec![user("ben"), user("nobody")],
        text: "Soon over".to_owned(),
    });
    let sent = world.sent.clone();
    let events = world.events(ben);
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0].1["message"]["sequence"], 0);
    assert!(sent.iter().all(|(to, _)| *to != cleo));
    let page = Call::Messages {
        room: number(42),
        before: None,
        limit: 10,
    };
    let Reply::Messages(page) = world.ok(page) else {
        panic!()
    };
    assert!(page.items.is_empty());
}

#[test]
fn mutes_and_values_are_told_and_stored() {
    let mut world = World::new();
    world.ok(create());
    let ben = world.enter("ben", 1);
    let room = || number(42);
    let text = |text: &str| text.to_owned();
    for (call, event) in [
        (
            Call::Mute {
                room: room(),
                users: vec![user("ben")],
                time: Duration::from_secs(60),
            },
            "userMuted",
        ),
        (
            Call::MuteAll {
                room: room(),
                muted: true,
            },
            "allMuted",
        ),
        (
            Call::ReplaceAttributes {
                room: room(),
                values: [(text("topic"), text("music"))].into(),
            },
            "attributesChanged",
        ),
        (
            Call::AddCounter {
                room: room(),
                name: text("gifts"),
                amount: 3,
            },
            "countersChanged",
        ),
    ] {
        world.saved.clear();
        world.ok(call.clone());
        let events = world.events(ben);
        assert!(
            events.iter().any(|(name, _)| name == event),
            "{call:?}: {events:?}"
        );
        assert!(!world.saved.is_empty(), "{call:?}");
    }
    let Reply::Room(view) = world.ok(Call::Room { room: room() }) else {
        panic!()
    };
    assert!(view.is_mute_all);
}

#[test]
fn a_dismissed_room_is_told_and_forgotten() {
    let mut world = World::new();
    world.ok(create());
    let ben = world.enter("ben", 1);
    world.ok(Call::Order {
        room: number(42),
        order: Order::Dismiss,
    });
    let events = world.events(ben);
    let removed = events.iter().find(|(name, _)| name == "removed");
    let (_, removed) = removed.expect("told");
    assert_eq!(
        (&removed["reason"], &removed["by"]),
        (&"room-disband".into(), &"server".into())
    );
    assert!(matches!(world.saved.last(), Some(Change::Forget { .. })));
}

#[test]
fn what_is_published_in_a_recorded_room_is_recorded_until_it_ends() {
    let mut world = World::new();
    let record = |recorded| Call::RecordRoom {
        room: number(42),
        recorded,
    };
    let refused = world.call(record(true)).unwrap_err();
    assert!(matches!(
        refused,
        AdminError::Live(LiveError::NoSuchRoom { .. })
    ));
    world.ok(create());
    let ben = world.enter("ben", 1);
    world.ask(
        ben,
        json!({
            "type": "publish", "room": 42, "track": "main", "offer": "v=0",
            "publication": {"hasAudio": true, "hasVideo": true, "hasSmall": false},
        }),
    );
    let stream: StreamId = "0_42_ben_main".parse().unwrap();
    let session = SessionId::from_bits(1);
    let began = |name: &str| MediaEvent::BroadcastBegan {
        name: name.parse().unwrap(),
        session,
        from: None,
        owner: None,
    };
    let tell = |world: &mut World, event| {
        world.hub.handle_media_event(world.now, event);
        world.run();
        std::mem::take(&mut world.recorded)
    };
    let live = MediaEvent::Live {
        stream,
        session,
        audio: true,
        video: true,
    };
    tell(&mut world, live);
    assert_eq!(tell(&mut world, began("show")), [], "nobody wants it");
    world.ok(Call::StartRelay {
        room: number(42),
        user: user("ben"),
        track: TrackKind::Main,
        stream: Some("show".parse().unwrap()),
        sequence: None,
    });
    let is_recorded = |world: &mut World| match world.ok(Call::Room { room: number(42) }) {
        Reply::Room(room) => room.is_recorded,
        other => panic!("{other:?}"),
    };
    assert!(!is_recorded(&mut world));

    // What is there, and what comes.
    let Reply::Recorded { mut items } = world.ok(record(true)) else {
        panic!()
    };
    assert!(is_recorded(&mut world));
    assert_eq!(world.recorded, [], "what is there is begun by whoever asks");
    let full = RecordRefused::Full {
        of: "of one app",
        limit: 1,
    };
    let unsettled = serde_json::to_value(&items).unwrap();
    items[0].settle(Err(full.into()));
    let error = "the limit of 1 recordings of one app is reached";
    let mut item = json!({
        "user": "ben", "track": "main", "relayedAs": "show",
        "recordingId": null, "error": null,
    });
    assert_eq!(unsettled, json!([item]));
    item["error"] = error.into();
    assert_eq!(serde_json::to_value(&items).unwrap(), json!([item]));
    let comes = tell(&mut world, began("encore"));
    assert_eq!(comes, [("encore".to_owned(), true)]);
    let elsewhere = MediaEvent::BroadcastBegan {
        name: "other".parse().unwrap(),
        session: SessionId::from_bits(2),
        from: None,
        owner: None,
    };
    assert_eq!(tell(&mut world, elsewhere), []);
    world.ok(record(false));
    let there = std::mem::take(&mut world.recorded);
    assert_eq!(there, [("show".to_owned(), false)]);
    assert_eq!(tell(&mut world, began("encore")), []);

    // A room of the same name is another one.
    world.ok(record(true));
    world.ok(Call::Order {
        room: number(42),
        order: Order::Dismiss,
    });
    world.ok(create());
    assert!(!is_recorded(&mut world));
}

#[test]
fn a_relay_is_started_under_another_name_and_stopped() {
    let mut world = World::new();
    world.ok(create());
    let ben = world.enter("ben", 1);
    let start = |stream: Option<&str>| Call::StartRelay {
        room: number(42),
        user: user("ben"),
        track: TrackKind::Main,
        stream: stream.map(|id| id.parse().unwrap()),
        sequence: None,
    };
    let refused = world.call(start(None)).unwrap_err();
    assert!(matches!(refused, AdminError::NotPublished { .. }));
    world.ask(
        ben,
        json!({
            "type": "publish", "room": 42, "track": "main", "offer": "v=0",
            "publication": {"hasAudio": true, "hasVideo": true, "hasSmall": false},
        }),
    );
    let stream: StreamId = "0_42_ben_main".parse().unwrap();
    let live = MediaEvent::Live {
        stream,
        session: SessionId::from_bits(1),
        audio: true,
        video: true,
    };
    world.hub.handle_media_event(world.now, live);
    world.run();
    let Reply::Stream(view) = world.ok(start(Some("show-1"))) else {
        panic!()
    };
    assert_eq!(view.stream_id, "0_42_ben_main");
    assert_eq!(view.relayed_as.as_deref(), Some("show-1"));
    let is_named = |order: &MediaOrder| match order {
        MediaOrder::Relay { name, .. } => name.as_ref().is_some_and(|n| n.as_str() == "show-1"),
        _ => false,
    };
    assert!(world.orders.iter().any(is_named), "{:?}", world.orders);
    let update = |stream: &str, number| match start(Some(stream)) {
        Call::StartRelay {
            room,
            user,
            track,
            stream,
            ..
        } => Call::StartRelay {
            room,
            user,
            track,
            stream,
            sequence: Some(number),
        },
        other => other,
    };
    world.ok(update("show-2", 7));
    let late = AdminError::OldUpdate { given: 6, last: 7 };
    assert_eq!(world.call(update("show-3", 6)), Err(late));
    world.ok(Call::StopRelay {
        room: number(42),
        user: user("ben"),
        track: TrackKind::Main,
    });
    let refused = world.call(update("show-4", 8)).unwrap_err();
    assert!(
        matches!(refused, AdminError::NotRelayed { .. }),
        "{refused}"
    );
    let list = Call::Streams {
        room: Some(number(42)),
        user: None,
        after: None,
        limit: 10,
    };
    let Reply::Streams(page) = world.ok(list) else {
        panic!()
    };
    assert_eq!((page.items.len(), &page.items[0].relayed_as), (1, &None));
    let elsewhere = Call::Streams {
        room: None,
        user: None,
        after: Some(page.items[0].cursor()),
        limit: 10,
    };
    let Reply::Streams(page) = world.ok(elsewhere) else {
        panic!()
    };
    assert!(page.items.is_empty());
}
