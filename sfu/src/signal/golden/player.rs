//! Plays a recorded session against a hub.

use std::collections::{BTreeMap, HashMap};
use std::fmt::Write;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use packager::rtp::Codec;
use relay::StreamId;
use relay::push::PushRefused;
use serde_json::Value;

use crate::auth::{App, Apps, Privileges};
use crate::config::IceServer;
use crate::live::chat::{FilterMode, UnixTime, WordFilter, WordList};
use crate::live::{AppId, RoomId};
use crate::signal::hub::{Hub, HubConfig, HubOutput, MediaDone, MediaOrder, SocketId, Ticket};
use crate::signal::protocol::typescript::Types;
use crate::signal::protocol::{self};
use crate::store::SavedRoom;
use crate::webhook::{AppHook, Verdict};
use crate::worker::api::Picture;
use crate::worker::{
    Accepted, MediaEvent, OfferError, PatchError, Patched, ReceiveError, RelayError, ServerOffer,
    SessionId, StreamLevel,
};

/// A hub, its clients, and everything else in its simplest form: an empty store, a back end that
/// refuses messages with "spam", media that accepts whatever does not say "refuse".
pub(super) struct Player<'a> {
    types: &'a Types,
    hub: Hub,
    apps: Apps,
    start: Instant,
    now: Instant,
    /// The socket of each client.
    sockets: BTreeMap<String, SocketId>,
    names: HashMap<SocketId, String>,
    next_socket: u64,
    /// The kind of each request that waits for its response.
    asked: HashMap<(SocketId, u64), String>,
    /// The resume token of each client.
    tokens: HashMap<String, String>,
    /// The last session that publishes a stream.
    publishers: HashMap<StreamId, SessionId>,
    next_session: u128,
    revisions: HashMap<SessionId, u32>,
    /// Orders that are not answered.
    is_media_silent: bool,
    /// Rooms cannot be read.
    is_store_broken: bool,
    log: String,
}

impl<'a> Player<'a> {
    /// The session as it goes now.
    pub(super) fn play(types: &'a Types, recorded: &str) -> Result<String, String> {
        let mut player = Self::new(types, recorded.lines().next().unwrap_or_default());
        for (number, line) in recorded.lines().enumerate() {
            if is_outcome(line) {
                continue;
            }
            player.log += line;
            player.log.push('\n');
            player
                .step(line)
                .map_err(|error| format!("line {}: {error}", number + 1))?;
        }
        Ok(player.log)
    }

    fn new(types: &'a Types, server: &str) -> Self {
        let apps = Apps::new((server == "server tokens").then(|| App {
            id: APP,
            keys: vec![KEY.parse().unwrap()],
            require_private_map_key: true,
            ..App::default()
        }));
        let mut config = HubConfig::new(apps.clone());
        config.requests_per_second = 10;
        config.request_burst = 60;
        config.rate_strikes = 3;
        config.sessions_per_address = 6;
        config.subscriptions = 2;
        config.kept_events = 8;
        config.push_hosts = ["full.example", "*.cdn.example"]
            .map(|host| host.parse().unwrap())
            .into();
        config.pending_per_session = 3;
        config.limits.cohosts = 3;
        config.limits.administrators = 1;
        if server == "server turn" {
            config.ice_servers.push(IceServer {
                urls: vec!["turn:turn.example.org".to_owned()],
                secret: Some(KEY.parse().unwrap()),
                lifetime: Duration::from_secs(600),
                ..IceServer::default()
            });
        }
        let hook = AppHook {
            url: "http://127.0.0.1:9/".parse().unwrap(),
            key: None,
            cdn_key: None,
            before_chat: true,
        };
        config.webhooks.apps.insert(AppId(0), hook);
        let start = Instant::now();
        let mut hub = Hub::new(config, start, CLOCK, [7; 32]);
        let list = WordList {
            name: "words",
            text: "darn",
            mode: FilterMode::Reject,
        };
        hub.set_filter(WordFilter::new(&[list]).unwrap().into());
        Self {
            types,
            hub,
            apps,
            start,
            now: start,
            sockets: BTreeMap::new(),
            names: HashMap::new(),
            next_socket: 0,
            asked: HashMap::new(),
            tokens: HashMap::new(),
            publishers: HashMap::new(),
            next_session: 0,
            revisions: HashMap::new(),
            is_media_silent: false,
            is_store_broken: false,
            log: String::new(),
        }
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        let words: Vec<&str> = line.splitn(3, ' ').collect();
        match words.as_slice() {
            [""] | ["server", ..] => {}
            [first, ..] if first.starts_with('#') => {}
            ["wait", time] => {
                let millis = match time.strip_suffix("ms") {
                    Some(millis) => millis.parse(),
                    None => time.trim_end_matches('s').parse::<u64>().map(|s| s * 1_000),
                };
                self.wait(Duration::from_millis(millis.map_err(|e| e.to_string())?))?;
            }
            [name, "opens"] => {
                self.next_socket += 1;
                let socket = SocketId(self.next_socket);
                self.names.insert(socket, (*name).to_owned());
                self.sockets.insert((*name).to_owned(), socket);
                self.hub
                    .open(self.now, socket, IpAddr::V4(Ipv4Addr::LOCALHOST));
            }
            [name, "closes"] => {
                let socket = self.socket(name)?;
                self.hub.closed(self.now, socket);
            }
            ["store", "is", "broken"] => self.is_store_broken = true,
            ["media", ">", what] => self.media(what)?,
            [name, ">", frame] => {
                let socket = self.socket(name)?;
                let frame = self.filled(name, frame);
                if let Ok(request) = protocol::parse(&frame) {
                    let kind = request.body.name().to_owned();
                    self.asked.insert((socket, request.id.into()), kind);
                }
                self.hub.receive(self.now, socket, &frame);
            }
            other => return Err(format!("{other:?} is no step")),
        }
        self.outputs()
    }

    /// Lets time go by, with everything that is due on the way.
    fn wait(&mut self, time: Duration) -> Result<(), String> {
        let end = self.now + time;
        for _ in 0..10_000 {
            let Some(due) = self.hub.next_timeout().filter(|due| *due <= end) else {
                self.now = end;
                return Ok(());
            };
            self.now = self.now.max(due);
            self.hub.handle_timeout(self.now);
            self.outputs()?;
        }
        Err("the hub is always due".into())
    }

    fn outputs(&mut self) -> Result<(), String> {
        while let Some(output) = self.hub.poll_output() {
            match output {
                HubOutput::Send { socket, text } => self.sent(socket, &text)?,
                HubOutput::Close { socket, code } => {
                    let (name, number) = (&self.names[&socket], code.code());
                    let _ = writeln!(self.log, "{name} closed {number} {}", code.sentence());
                }
                HubOutput::Media { ticket, order } => self.order(ticket, order),
                HubOutput::Load { key } => {
                    let saved = (!self.is_store_broken).then(SavedRoom::default);
                    self.hub.handle_loaded(self.now, &key, saved);
                }
                HubOutput::LoadProfile { ticket, .. } => {
                    self.hub.handle_profile(self.now, ticket, None);
                }
                HubOutput::LoadProfiles { ticket, .. } => {
                    self.hub.handle_profiles(self.now, ticket, Vec::new());
                }
                HubOutput::LoadImage { ticket, .. } => {
                    self.hub.handle_image(self.now, ticket, None);
                }
                HubOutput::Ask { ticket, message } => {
                    let verdict = if format!("{:?}", message.draft).contains("spam") {
                        Verdict::Refuse {
                            code: 10_016,
                            reason: "no advertising here".into(),
                        }
                    } else {
                        Verdict::Allow
                    };
                    self.hub.handle_verdict(self.now, ticket, verdict);
                }
                HubOutput::Save(_) | HubOutput::Tell(_) | HubOutput::Record { .. } => {}
            }
        }
        Ok(())
    }

    fn sent(&mut self, socket: SocketId, text: &str) -> Result<(), String> {
        let name = self.names[&socket].clone();
        let _ = writeln!(self.log, "{name} < {text}");
        let frame: Value = serde_json::from_str(text).map_err(|e| format!("{text}: {e}"))?;
        if let Some(token) = frame["result"]["resumeToken"].as_str() {
            self.tokens.insert(name, token.to_owned());
        }
        let asked = &mut self.asked;
        self.types
            .check_server(&frame, |id| asked.remove(&(socket, id)))
            .map_err(|error| format!("{text}\n    is not as the types say: {error}"))
    }

    fn order(&mut self, ticket: Ticket, order: MediaOrder) {
        let _ = write!(self.log, "media < ");
        let offered = |player: &mut Self, receiver, refused: bool| {
            if refused {
                return Err(ReceiveError::Malformed {
                    reason: "it says refuse".into(),
                });
            }
            let revision = player.revisions.entry(receiver).or_default();
            *revision += 1;
            Ok(Some(ServerOffer {
                revision: *revision,
                sdp: "v=0 (an offer)".into(),
            }))
        };
        let (text, done) = match order {
            MediaOrder::Publish {
                stream,
                offer,
                relay,
                ..
            } => {
                let text = format!("publish {stream}{}", if relay { ", relayed" } else { "" });
                let done = match self.accept(&stream, &offer) {
                    Ok(accepted) => {
                        self.publishers.insert(stream, accepted.session);
                        Ok(accepted)
                    }
                    Err(error) => Err(error),
                };
                (text, MediaDone::Published(done))
            }
            MediaOrder::Patch {
                session,
                if_match,
                body,
            } => {
                let done = match (if_match.as_deref(), body.as_str()) {
                    (None, _) => Err(PatchError::MissingIfMatch),
                    (_, "refuse many") => Err(PatchError::TooManyCandidates { limit: 32 }),
                    (Some("*"), _) => Ok(Patched::Restarted {
                        etag: "e2".into(),
                        fragment: "a=ice-ufrag:new".into(),
                    }),
                    _ => Ok(Patched::Trickled),
                };
                (
                    format!("patch {}", session.stream),
                    MediaDone::Patched(done),
                )
            }
            MediaOrder::ClosePublisher { session } => {
                (format!("close {}", session.stream), MediaDone::Done)
            }
            MediaOrder::Allow {
                session,
                audio,
                video,
            } => {
                let text = format!("allow {}: audio {audio}, video {video}", session.stream);
                (text, MediaDone::Done)
            }
            MediaOrder::Relay { session, name } => {
                let to = name.as_ref().map_or("nowhere", |name| name.as_str());
                let text = format!("relay {} as {to}", session.stream);
                let done = match name {
                    Some(stream) if stream.as_str() == "refuse" => {
                        Err(RelayError::Taken { stream })
                    }
                    _ => Ok(()),
                };
                (text, MediaDone::Relayed(done))
            }
            MediaOrder::Push { name, target, .. } => {
                let done = match target.host() {
                    "full.example" => Err(PushRefused::Full {
                        of: "of one stream",
                        limit: 4,
                    }),
                    _ => Ok(()),
                };
                (format!("push {name} to {target}"), MediaDone::Pushed(done))
            }
            MediaOrder::Receive {
                receiver,
                add,
                remove,
            } => {
                let mut text = String::from("receive");
                for wanted in add {
                    let video = match wanted.video {
                        Some(Picture::Large) => "large",
                        Some(Picture::Medium) => "medium",
                        Some(Picture::Small) => "small",
                        None => "false",
                    };
                    let (stream, audio) = (&wanted.stream, wanted.audio);
                    let _ = write!(text, " +{stream} (audio {audio}, video {video})");
                }
                for stream in remove {
                    let _ = write!(text, " -{stream}");
                }
                let done = offered(self, receiver, false);
                (text, MediaDone::Offered(done))
            }
            MediaOrder::Answer {
                receiver,
                revision,
                sdp,
            } => {
                let expected = self.revisions.get(&receiver).copied();
                let done = if expected != Some(revision) {
                    Err(ReceiveError::WrongRevision {
                        given: revision,
                        expected,
                    })
                } else if sdp.contains("refuse") {
                    offered(self, receiver, true)
                } else {
                    Ok(None)
                };
                (format!("answer {revision}"), MediaDone::Offered(done))
            }
            MediaOrder::PatchReceiver { receiver, body } => {
                let done = if body.is_empty() {
                    offered(self, receiver, false)
                } else {
                    Ok(None)
                };
                ("patch the receiver".to_owned(), MediaDone::Offered(done))
            }
            MediaOrder::CloseReceiver { .. } => ("close the receiver".to_owned(), MediaDone::Done),
        };
        self.log += &text;
        self.log.push('\n');
        if !self.is_media_silent {
            self.hub.handle_media(self.now, ticket, done);
        }
    }

    fn accept(&mut self, stream: &StreamId, offer: &str) -> Result<Accepted, OfferError> {
        match offer {
            "refuse codec" => Err(OfferError::NoCommonCodec {
                kind: "video",
                offered: "H266".into(),
                allowed: "H264, VP8, VP9, AV1, H265",
            }),
            "refuse limit" => Err(OfferError::LimitReached { limit: 1_000 }),
            "refuse stopping" => Err(OfferError::ShuttingDown),
            "refuse sdp" => Err(OfferError::Malformed {
                reason: "it says refuse".into(),
            }),
            "refuse taken" => Err(OfferError::Taken {
                stream: stream.clone(),
            }),
            _ => {
                self.next_session += 1;
                Ok(Accepted {
                    session: SessionId::from_bits(self.next_session),
                    etag: "e1".into(),
                    answer: "v=0 (an answer)".into(),
                })
            }
        }
    }

    fn media(&mut self, what: &str) -> Result<(), String> {
        let words: Vec<&str> = what.split(' ').collect();
        let stream = |text: &str| text.parse::<StreamId>().map_err(|e| e.to_string());
        let event = match words.as_slice() {
            ["is", "silent"] => {
                self.is_media_silent = true;
                return Ok(());
            }
            ["answers"] => {
                self.is_media_silent = false;
                return Ok(());
            }
            ["live", name] => MediaEvent::Live {
                session: self.publisher(&stream(name)?)?,
                stream: stream(name)?,
                audio: true,
                video: true,
            },
            ["ended", name] => MediaEvent::Ended {
                session: self.publisher(&stream(name)?)?,
                stream: stream(name)?,
            },
            ["relays", stream_id, "as", name] => MediaEvent::BroadcastBegan {
                session: self.publisher(&stream(stream_id)?)?,
                name: stream(name)?,
                from: None,
                owner: None,
            },
            ["relays", stream_id, "no", "more", "as", name] => MediaEvent::BroadcastEnded {
                session: self.publisher(&stream(stream_id)?)?,
                name: stream(name)?,
            },
            ["wants", picture, "of", name] => MediaEvent::PictureWanted {
                session: self.publisher(&stream(name)?)?,
                picture: match *picture {
                    "large" => Picture::Large,
                    "medium" => Picture::Medium,
                    "small" => Picture::Small,
                    other => return Err(format!("no picture {other}")),
                },
            },
            ["receiver", "ended"] => MediaEvent::ReceiverEnded {
                receiver: *self.revisions.keys().next().ok_or("no receiver")?,
            },
            ["H264", "of", name, "is", "missing"] => MediaEvent::CodecMissing {
                receiver: *self.revisions.keys().next().ok_or("no receiver")?,
                stream: stream(name)?,
                codec: Codec::H264,
            },
            [what @ ("pauses" | "resumes"), name] => MediaEvent::VideoPaused {
                receiver: *self.revisions.keys().next().ok_or("no receiver")?,
                stream: stream(name)?,
                paused: *what == "pauses",
            },
            ["level", name, level] => MediaEvent::Levels(vec![StreamLevel {
                stream: stream(name)?,
                level: level.parse().map_err(|_| "no level")?,
                voice: Some(true),
            }]),
            ["transport", name] => MediaEvent::Transport {
                session: self.publisher(&stream(name)?)?,
                rtt: Some(Duration::from_millis(40)),
                loss_up: Some(0.01),
                loss_down: None,
            },
            other => return Err(format!("media tells no {other:?}")),
        };
        self.hub.handle_media_event(self.now, event);
        Ok(())
    }

    fn publisher(&self, stream: &StreamId) -> Result<SessionId, String> {
        let found = self.publishers.get(stream).copied();
        found.ok_or_else(|| format!("nobody publishes {stream}"))
    }

    fn socket(&self, name: &str) -> Result<SocketId, String> {
        let found = self.sockets.get(name).copied();
        found.ok_or_else(|| format!("{name} has no socket"))
    }

    /// A frame with its tokens.
    fn filled(&self, name: &str, frame: &str) -> String {
        let clock = CLOCK.after(self.now - self.start).as_secs();
        let mut frame = frame.to_owned();
        if let Some(token) = self.tokens.get(name) {
            frame = frame.replace("$resumeToken", token);
        }
        let Ok(user) = name.parse() else {
            return frame;
        };
        for (placeholder, signed_at, seconds) in [
            ("$userSig", clock, 3_600),
            ("$oldUserSig", clock - 7_200, 3_600),
            ("$shortUserSig", clock, 5),
        ] {
            if frame.contains(placeholder) {
                let sig = self.apps.sign_user_sig(signed_at, APP, &user, seconds);
                frame = frame.replace(placeholder, &sig.unwrap());
            }
        }
        for (placeholder, room, privileges) in [
            ("$mapKeyForAll", 5, Privileges(255)),
            ("$mapKeyForAudience", 5, Privileges(42)),
            ("$mapKeyForRoom6", 6, Privileges(255)),
        ] {
            if frame.contains(&format!("\"{placeholder}\"")) {
                let room = RoomId::number(room).unwrap();
                let key = self
                    .apps
                    .sign_private_map_key(clock, APP, &user, &room, privileges, 3_600);
                frame = frame.replace(placeholder, &key.unwrap());
            }
        }
        frame
    }
}

/// Whether a line is what comes of the steps before it.
fn is_outcome(line: &str) -> bool {
    let mut words = line.split(' ');
    words.next();
    !line.starts_with('#') && matches!(words.next(), Some("<" | "closed"))
}

/// The vendor's public sample.
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";
const APP: AppId = AppId(1_400_000_000);
const CLOCK: UnixTime = UnixTime(1_700_000_000_000);
