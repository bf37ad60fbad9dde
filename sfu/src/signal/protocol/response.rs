//! Responses, and the frame around everything that the server sends.

use std::sync::Arc;

use serde::Serialize;

use super::chat::{AttributeValues, CounterValues, MessageList, Sent};
use super::errors::ErrorBody;
use super::event::EventBody;
use super::lists::{BanList, MuteList, ProfileList};
use super::media::{Patched, Published, RelayAddresses, Subscribed};
use super::room::{Entered, MemberList, RoomList, UserList};
use super::seats::SeatAnswer;
use super::session::{LoggedIn, Pong, Resumed};
use crate::live::{Profile, Reply, RoomInfo};

/// What the server sends: one JSON object a text frame.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub enum ServerMessage {
    /// The answer to a request.
    Response(Response),
    /// Something has happened.
    Event {
        /// Counts the events of the session from 1, without gaps.
        seq: u64,
        /// What.
        #[serde(flatten)]
        body: EventBody,
    },
}

/// The answer to a request: exactly one a request, in any order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Response {
    /// The request's.
    pub id: u32,
    /// How it ended.
    #[serde(flatten)]
    pub outcome: Outcome,
}

/// How a request ended.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Outcome {
    /// It was carried out.
    Result(ResultBody),
    /// It was refused, and has changed nothing.
    Error(ErrorBody),
}

impl Response {
    /// The request was carried out.
    pub fn ok(id: u32, result: impl Into<ResultBody>) -> Self {
        Self {
            id,
            outcome: Outcome::Result(result.into()),
        }
    }

    /// The request was refused.
    pub fn error(id: u32, error: ErrorBody) -> Self {
        Self {
            id,
            outcome: Outcome::Error(error),
        }
    }

    /// The text frame.
    pub fn text(self) -> Arc<str> {
        frame(&ServerMessage::Response(self)).into()
    }
}

impl ServerMessage {
    /// The text frame.
    pub fn text(&self) -> String {
        frame(self)
    }
}

/// Nothing but that it is done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Done {}

/// What a request gives back. Which of them stands in the table of requests.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
#[expect(missing_docs, reason = "each type describes its result")]
pub enum ResultBody {
    Done(Done),
    LoggedIn(LoggedIn),
    Resumed(Resumed),
    Pong(Pong),
    Profile(Profile),
    Entered(Box<Entered>),
    Room(RoomInfo),
    Rooms(RoomList),
    Members(MemberList),
    Users(UserList),
    Bans(BanList),
    Mutes(MuteList),
    Profiles(ProfileList),
    Seat(SeatAnswer),
    Sent(Box<Sent>),
    Messages(MessageList),
    Attributes(AttributeValues),
    Counters(CounterValues),
    Published(Published),
    Patched(Patched),
    Subscribed(Subscribed),
    Relay(RelayAddresses),
}

impl ResultBody {
    /// It is done.
    pub const DONE: Self = Self::Done(Done {});
}

impl From<Reply> for ResultBody {
    fn from(reply: Reply) -> Self {
        match reply {
            Reply::Done => Self::DONE,
            Reply::Entered(entered) => Self::Entered(Box::new((*entered).into())),
            Reply::Seated { seat } => Self::Seat(SeatAnswer { seat: Some(seat) }),
            Reply::Applied => Self::Seat(SeatAnswer { seat: None }),
            Reply::Members { members, more } => Self::Members(MemberList { members, more }),
            Reply::Info(info) => Self::Room(info),
            Reply::Users { users } => Self::Users(UserList { users }),
        }
    }
}

macro_rules! results {
    ($($type:ident => $variant:ident;)*) => {$(
        impl From<$type> for ResultBody {
            fn from(result: $type) -> Self {
                Self::$variant(result)
            }
        }
    )*};
}

results! {
    Done => Done;
    LoggedIn => LoggedIn;
    Resumed => Resumed;
    Pong => Pong;
    Profile => Profile;
    RoomInfo => Room;
    RoomList => Rooms;
    MemberList => Members;
    UserList => Users;
    BanList => Bans;
    MuteList => Mutes;
    ProfileList => Profiles;
    SeatAnswer => Seat;
    MessageList => Messages;
    AttributeValues => Attributes;
    CounterValues => Counters;
    Published => Published;
    Patched => Patched;
    Subscribed => Subscribed;
    RelayAddresses => Relay;
}

impl From<Sent> for ResultBody {
    fn from(sent: Sent) -> Self {
        Self::Sent(Box::new(sent))
    }
}

/// Writes what has string keys and finite numbers only, which JSON always can.
fn frame(message: &impl Serialize) -> String {
    serde_json::to_string(message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message cannot be written as JSON");
        String::from("{}")
    })
}
