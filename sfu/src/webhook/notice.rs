//! What can be told, and what can be asked.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use relay::StreamId;
use relay::record::RecordingView;

use crate::live::chat::{Draft, Message, UnixTime};
use crate::live::{
    AppId, LeaveReason, Publication, Role, RoomId, RoomInfo, RoomKey, Scene, SeatView, TrackKind,
    UserId,
};

/// One thing that an app's back end is told: one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A stream on the CDN path began or ended.
    Stream(StreamNotice),
    /// A room, or who is in its media (event group 1).
    Room(RoomNotice),
    /// What somebody publishes (event group 2).
    Media(MediaNotice),
    /// A task that pushes a stream on (event group 4).
    Relay(RelayNotice),
    /// A recording ended.
    Record(RecordNotice),
    /// A room's chat.
    Chat(ChatNotice),
    /// A room, as the live room interface tells of it.
    Live(LiveNotice),
    /// A room's seats.
    Seats(SeatsNotice),
}

/// A recording of a stream on the CDN path ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordNotice {
    /// The app that it belongs to.
    pub app: AppId,
    /// When it happened.
    pub at: UnixTime,
    /// What there is.
    pub recording: Box<RecordingView>,
    /// Players get it from this server.
    pub is_served: bool,
}

/// A stream on the CDN path began or ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNotice {
    /// The app that it belongs to.
    pub app: AppId,
    /// Its public id.
    pub stream: StreamId,
    /// The same for the beginning and the end of one publishing, different for each.
    pub sequence: u64,
    /// When it happened.
    pub at: UnixTime,
    /// What happened.
    pub phase: StreamPhase,
    /// Where the publisher is, if that is known.
    pub from: Option<IpAddr>,
    /// The picture's width and height in pixels, if they are known.
    pub size: Option<(u32, u32)>,
}

/// Beginning or end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StreamPhase {
    /// It can be played.
    Began,
    /// It is over.
    Ended {
        /// How long it was there.
        lasted: Duration,
    },
}

/// A room, or who is in its media.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomNotice {
    /// The room.
    pub key: RoomKey,
    /// When it happened.
    pub at: UnixTime,
    /// What happened.
    pub change: RoomChange,
}

/// What happened to a room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RoomChange {
    /// It came into being (101).
    Created {
        /// Its owner, if it has one.
        owner: Option<UserId>,
    },
    /// It is gone (102).
    Dismissed,
    /// Somebody entered its media (103).
    Entered {
        /// Who.
        user: UserId,
        /// As what.
        role: Role,
    },
    /// Somebody left its media (104). What they published ended with that, untold.
    Left {
        /// Who.
        user: UserId,
        /// Why.
        reason: LeaveReason,
    },
    /// A role changed (105).
    RoleChanged {
        /// Whose.
        user: UserId,
        /// The new one.
        role: Role,
    },
}

/// What somebody publishes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MediaNotice {
    /// The room.
    pub key: RoomKey,
    /// When it happened.
    pub at: UnixTime,
    /// Who.
    pub user: UserId,
    /// What happened.
    pub change: MediaChange,
}

/// What happened to a publication. The numbers are those of the event type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
pub enum MediaChange {
    /// The camera is sent.
    VideoStarted = 201,
    /// The camera is sent no more.
    VideoStopped = 202,
    /// Sound is sent.
    AudioStarted = 203,
    /// Sound is sent no more.
    AudioStopped = 204,
    /// The auxiliary track is sent.
    AuxStarted = 205,
    /// The auxiliary track is sent no more.
    AuxStopped = 206,
}

impl MediaChange {
    /// What a change of one publication amounts to. Muting changes nothing here.
    pub fn between(
        track: TrackKind,
        before: Option<Publication>,
        after: Option<Publication>,
    ) -> Vec<Self> {
        let has = |publication: Option<Publication>| {
            let publication = publication.unwrap_or_default();
            match track {
                TrackKind::Main => [publication.has_video, publication.has_audio, false],
                TrackKind::Aux => {
                    let sends = publication.has_video || publication.has_audio;
                    [false, false, sends]
                }
            }
        };
        let kinds = [
            (Self::VideoStarted, Self::VideoStopped),
            (Self::AudioStarted, Self::AudioStopped),
            (Self::AuxStarted, Self::AuxStopped),
        ];
        let changes = has(before).into_iter().zip(has(after)).zip(kinds);
        changes
            .filter_map(
                |((before, after), (started, stopped))| match (before, after) {
                    (false, true) => Some(started),
                    (true, false) => Some(stopped),
                    _ => None,
                },
            )
            .collect()
    }
}

/// A task that pushes a stream on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayNotice {
    /// The app that it belongs to.
    pub app: AppId,
    /// The room of the stream, or the stream if it is in none.
    pub place: Place,
    /// When it happened.
    pub at: UnixTime,
    /// The task's name.
    pub task: String,
    /// Who publishes, or on whose behalf the task runs.
    pub user: Option<UserId>,
    /// Where the stream goes.
    pub url: String,
    /// How the task is.
    pub status: RelayStatus,
    /// What is wrong: a code, and a plain sentence.
    pub error: Option<(i32, String)>,
}

/// How a relay task is. The numbers are those of the notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RelayStatus {
    /// Not begun, or ended.
    Idle = 0,
    /// On its way.
    Connecting = 1,
    /// It runs.
    Running = 2,
    /// Lost, and tried again.
    Recovering = 3,
    /// Given up.
    Failed = 4,
    /// Ending.
    Disconnecting = 5,
}

/// A room's chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatNotice {
    /// The room.
    pub key: RoomKey,
    /// When it happened.
    pub at: UnixTime,
    /// The client's address, if one client is behind it.
    pub from: Option<IpAddr>,
    /// What happened.
    pub change: ChatChange,
}

/// What happened in a chat.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatChange {
    /// A message was sent.
    Sent(Box<Message>),
    /// Members came.
    Joined(Vec<UserId>),
    /// Members went.
    Left {
        /// Who.
        users: Vec<UserId>,
        /// Why.
        reason: LeaveReason,
    },
}

/// A room, as the live room interface tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveNotice {
    /// The room.
    pub key: RoomKey,
    /// When it happened.
    pub at: UnixTime,
    /// Who did it; `None` is the server or its operator.
    pub operator: Option<UserId>,
    /// `Rtc` is told as a `Room`, anything else as a `Live`.
    pub scene: Option<Scene>,
    /// What happened.
    pub change: LiveChange,
}

/// What happened to a live room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LiveChange {
    /// It was created.
    Created(Box<RoomInfo>),
    /// It is gone.
    Destroyed {
        /// Whether somebody wanted it; otherwise it was empty for too long.
        by_user: bool,
    },
    /// Its texts or settings changed.
    Updated(Box<RoomInfo>),
    /// Somebody entered.
    Entered {
        /// Who.
        user: UserId,
        /// Members and guests in the room now.
        online: usize,
    },
    /// Somebody left.
    Left {
        /// Who.
        user: UserId,
        /// Members and guests in the room now.
        online: usize,
        /// Why.
        reason: LeaveReason,
    },
}

/// A room's seats.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeatsNotice {
    /// The room.
    pub key: RoomKey,
    /// When it happened.
    pub at: UnixTime,
    /// Who did it, if one user did.
    pub operator: Option<UserId>,
    /// All seats, as they are now.
    pub seats: Vec<SeatView>,
}

/// What an app's back end is asked before a message is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BeforeMessage {
    /// The room.
    pub key: RoomKey,
    /// When it was received.
    pub at: UnixTime,
    /// The sender.
    pub from: UserId,
    /// The sender's address.
    pub ip: Option<IpAddr>,
    /// The message.
    pub draft: Draft,
}

impl Notice {
    /// Whose back end is told.
    pub fn app(&self) -> AppId {
        match self {
            Self::Stream(notice) => notice.app,
            Self::Record(notice) => notice.app,
            Self::Relay(notice) => notice.app,
            Self::Room(RoomNotice { key, .. })
            | Self::Media(MediaNotice { key, .. })
            | Self::Chat(ChatNotice { key, .. })
            | Self::Live(LiveNotice { key, .. })
            | Self::Seats(SeatsNotice { key, .. }) => key.app,
        }
    }

    /// What it tells, in a word for the log.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stream(notice) => match notice.phase {
                StreamPhase::Began => "stream.began",
                StreamPhase::Ended { .. } => "stream.ended",
            },
            Self::Room(notice) => match notice.change {
                RoomChange::Created { .. } => "room.created",
                RoomChange::Dismissed => "room.dismissed",
                RoomChange::Entered { .. } => "room.entered",
                RoomChange::Left { .. } => "room.left",
                RoomChange::RoleChanged { .. } => "room.role-changed",
            },
            Self::Media(notice) => match notice.change {
                MediaChange::VideoStarted => "media.video-started",
                MediaChange::VideoStopped => "media.video-stopped",
                MediaChange::AudioStarted => "media.audio-started",
                MediaChange::AudioStopped => "media.audio-stopped",
                MediaChange::AuxStarted => "media.aux-started",
                MediaChange::AuxStopped => "media.aux-stopped",
            },
            Self::Relay(_) => "relay.changed",
            Self::Record(_) => "record.ended",
            Self::Chat(notice) => match notice.change {
                ChatChange::Sent(_) => "chat.sent",
                ChatChange::Joined(_) => "chat.joined",
                ChatChange::Left { .. } => "chat.left",
            },
            Self::Live(notice) => match notice.change {
                LiveChange::Created(_) => "live.created",
                LiveChange::Destroyed { .. } => "live.destroyed",
                LiveChange::Updated(_) => "live.updated",
                LiveChange::Entered { .. } => "live.entered",
                LiveChange::Left { .. } => "live.left",
            },
            Self::Seats(_) => "seats.changed",
        }
    }

    /// In whose order it is delivered.
    pub fn lane(&self) -> Lane {
        let (family, key) = match self {
            Self::Stream(notice) => {
                return Lane {
                    app: notice.app,
                    family: Family::Stream,
                    place: Place::Stream(notice.stream.clone()),
                };
            }
            Self::Record(notice) => {
                return Lane {
                    app: notice.app,
                    family: Family::Stream,
                    place: Place::Stream(notice.recording.stream.clone()),
                };
            }
            Self::Relay(notice) => {
                return Lane {
                    app: notice.app,
                    family: match &notice.place {
                        Place::Room(_) => Family::Room,
                        Place::Stream(_) => Family::Stream,
                    },
                    place: notice.place.clone(),
                };
            }
            Self::Room(RoomNotice { key, .. }) | Self::Media(MediaNotice { key, .. }) => {
                (Family::Room, key)
            }
            Self::Chat(ChatNotice { key, .. }) => (Family::Chat, key),
            Self::Live(LiveNotice { key, .. }) | Self::Seats(SeatsNotice { key, .. }) => {
                (Family::Live, key)
            }
        };
        Lane {
            app: key.app,
            family,
            place: Place::Room(key.room.clone()),
        }
    }
}

/// Notices of one lane are delivered one after the other, in the order in which they were told.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lane {
    /// Whose back end is told.
    pub app: AppId,
    /// Of what.
    pub family: Family,
    /// Of which room or stream.
    pub place: Place,
}

/// Kinds of notices that are delivered apart from each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Family {
    /// Streams on the CDN path.
    Stream,
    /// Rooms, their media and relay tasks.
    Room,
    /// Live rooms and their seats.
    Live,
    /// Chat.
    Chat,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Stream, Self::Room, Self::Live, Self::Chat];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::Room => "room",
            Self::Live => "live",
            Self::Chat => "chat",
        }
    }
}

impl fmt::Display for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a notice is about.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Place {
    /// A room of the app.
    Room(RoomId),
    /// A stream.
    Stream(StreamId),
}

#[cfg(test)]
mod tests {
    use super::*;

    fn publication(has_audio: bool, has_video: bool) -> Option<Publication> {
        Some(Publication {
            has_audio,
            has_video,
            ..Publication::default()
        })
    }

    #[test]
    fn a_publication_that_changes_starts_and_stops_its_parts() {
        use MediaChange::{
            AudioStarted, AudioStopped, AuxStarted, AuxStopped, VideoStarted, VideoStopped,
        };
        let main = |before, after| MediaChange::between(TrackKind::Main, before, after);
        let aux = |before, after| MediaChange::between(TrackKind::Aux, before, after);
        let both = publication(true, true);
        assert_eq!(main(None, both), [VideoStarted, AudioStarted]);
        assert_eq!(main(both, publication(true, false)), [VideoStopped]);
        assert_eq!(main(both, None), [VideoStopped, AudioStopped]);
        assert_eq!(
            main(publication(true, false), publication(false, true)),
            [VideoStarted, AudioStopped]
        );
        assert_eq!(aux(None, both), [AuxStarted]);
        assert_eq!(aux(both, publication(false, true)), []);
        assert_eq!(aux(both, None), [AuxStopped]);
    }

    #[test]
    fn muting_is_neither_start_nor_stop() {
        let muted = publication(true, true).map(|publication| Publication {
            audio_muted: true,
            video_muted: true,
            ..publication
        });
        let before = publication(true, true);
        assert_eq!(MediaChange::between(TrackKind::Main, before, muted), []);
    }

    #[test]
    fn rooms_of_the_same_digits_are_two_lanes() {
        let lane = |room| {
            Notice::Room(RoomNotice {
                key: RoomKey::new(AppId(1), room),
                at: UnixTime(0),
                change: RoomChange::Dismissed,
            })
            .lane()
        };
        let number = lane(RoomId::number(5).unwrap());
        let name = lane(RoomId::name("5").unwrap());
        assert_ne!(number, name);
    }
}
