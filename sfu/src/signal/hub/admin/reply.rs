//! What is answered, and the views that answers are made of.

use std::collections::BTreeMap;
use std::sync::Arc;

use relay::StreamId;
use relay::record::{RecordRefused, RecordingView};
use serde::Serialize;

use super::cursor::StreamCursor;
use crate::live::broadcasts::Source;
use crate::live::chat::Message;
use crate::live::{
    CoHostView, MemberView, Publication, RoomId, RoomInfo, SeatView, TrackKind, UserId,
};
use crate::record::NotRecorded;

/// The answer to a [`Call`](super::Call). As JSON it is the body of the HTTP response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub enum Reply {
    /// It is done, or was so before.
    Done,
    /// The room was created, or was the owner's before.
    Created {
        /// Whether it is new.
        #[serde(skip)]
        is_new: bool,
        /// What it is.
        #[serde(flatten)]
        room: Box<RoomView>,
    },
    /// Rooms.
    Rooms(Page<RoomInfo>),
    /// One room.
    Room(Box<RoomView>),
    /// Users that were concerned.
    Users {
        /// Who.
        users: Vec<UserId>,
    },
    /// How many are in each room.
    Online {
        /// In the order of the question.
        items: Vec<OnlineView>,
    },
    /// Members.
    Members(Page<MemberView>),
    /// One member.
    Member(Box<MemberView>),
    /// Bans or mutes.
    Times(Page<TimeView>),
    /// Mutes.
    Mutes {
        /// Whether everybody but the hosts is muted.
        #[serde(rename = "isMuteAll")]
        is_mute_all: bool,
        /// The page.
        #[serde(flatten)]
        page: Page<TimeView>,
    },
    /// Messages, oldest first.
    Messages(Page<SharedMessage>),
    /// A message was taken; the room delivers it at its pace.
    Sent {
        /// Unix seconds.
        time: u64,
    },
    /// Seats.
    Seats {
        /// All of them; none in a room without seats.
        items: Vec<SeatView>,
    },
    /// On a seat.
    Seated {
        /// Which.
        seat: u16,
    },
    /// Connected rooms.
    CoHosts {
        /// All of them.
        items: Vec<CoHostView>,
    },
    /// Shared texts.
    Attributes {
        /// By name.
        attributes: BTreeMap<String, String>,
    },
    /// Shared numbers.
    Counters {
        /// By name.
        counters: BTreeMap<String, i64>,
        /// Since the room was made.
        likes: u64,
    },
    /// A number after it changed.
    Counter {
        /// The new value.
        value: i64,
    },
    /// Streams.
    Streams(Page<StreamView>),
    /// One stream.
    Stream(Box<StreamView>),
    /// A room is recorded from now on.
    Recorded {
        /// What is relayed of it, by user and track.
        items: Vec<RecordedView>,
    },
    /// A publication that holds a public stream id, if one does. No answer of the API.
    #[serde(skip)]
    Holder(Option<Source>),
}

/// One page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page<T> {
    /// What is in it.
    pub items: Vec<T>,
    /// What to give as `after` (of messages: `before`) for the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// A message that is shared and not copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedMessage(pub Arc<Message>);

impl Serialize for SharedMessage {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

/// A room with what its chat knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RoomView {
    /// What it is.
    #[serde(flatten)]
    pub info: RoomInfo,
    /// Likes since the room was made.
    pub likes: u64,
    /// Everybody but the hosts is muted.
    pub is_mute_all: bool,
    /// What is published in it is recorded.
    pub is_recorded: bool,
}

/// How many are in a room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OnlineView {
    /// Which.
    pub room: RoomId,
    /// Members and guests; 0 for a room that does not exist.
    pub online: usize,
}

/// Somebody who is banned or muted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimeView {
    /// Who.
    pub user: UserId,
    /// Seconds left, rounded up.
    pub seconds: u64,
}

/// A publication and its public name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct StreamView {
    /// The room.
    pub room: RoomId,
    /// Whose.
    pub user: UserId,
    /// Which of the two.
    pub track: TrackKind,
    /// What it contains.
    pub publication: Publication,
    /// The id under which WHEP finds it.
    pub stream_id: String,
    /// The name of its HTTP-FLV and HLS addresses, or of those that it is about to have.
    pub relayed_as: Option<String>,
}

/// What became of a publication in a room that is recorded from now on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct RecordedView {
    /// Whose.
    pub user: UserId,
    /// Which of the two.
    pub track: TrackKind,
    /// The name under which it is relayed.
    #[serde(serialize_with = "as_text")]
    pub relayed_as: StreamId,
    /// Its recording; `None` for one that begins with its media, and for one that is refused.
    pub recording_id: Option<String>,
    /// Why it is not recorded.
    pub error: Option<String>,
}

fn as_text<S: serde::Serializer>(name: &StreamId, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(name)
}

impl RecordedView {
    /// One of which nothing is known yet.
    pub fn new(source: &Source, name: StreamId) -> Self {
        Self {
            user: source.user.clone(),
            track: source.track,
            relayed_as: name,
            recording_id: None,
            error: None,
        }
    }

    /// Notes what became of it. What is not live yet is recorded once it is.
    pub fn settle(&mut self, started: Result<RecordingView, NotRecorded>) {
        match started {
            Ok(view) => self.recording_id = Some(view.id.to_string()),
            Err(NotRecorded::Refused(RecordRefused::NotLive { .. })) => {}
            Err(refused) => self.error = Some(refused.to_string()),
        }
    }
}

impl StreamView {
    /// Its place in the order of lists.
    pub fn cursor(&self) -> StreamCursor {
        StreamCursor {
            room: self.room.clone(),
            user: self.user.clone(),
            track: self.track,
        }
    }
}
