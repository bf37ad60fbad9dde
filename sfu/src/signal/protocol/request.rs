//! Requests: all of them in one table, and reading one.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::bounded;
use super::chat::*;
use super::errors::{ErrorBody, RequestError};
use super::lists::*;
use super::media::*;
#[cfg(test)]
use super::response::Done;
use super::room::*;
use super::seats::*;
use super::session::*;
use crate::live::{Command, Face, LiveError, Order, RoomId};
#[cfg(test)]
use crate::live::{Profile, RoomInfo};

/// What a client sends: one JSON object a text frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Request {
    /// Chosen by the client; the response has the same. A client that counts up never uses one
    /// twice.
    pub id: u32,
    /// What is asked.
    #[serde(flatten)]
    pub body: RequestBody,
}

/// A frame that is no request. The client is told why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadRequest {
    /// The frame's `id`, if it could be read.
    pub id: Option<u32>,
    /// Why it is refused.
    pub error: ErrorBody,
}

/// Reads a frame.
///
/// # Errors
/// Over a bound, no JSON object, no `id`, a `type` that is not known, a field that is missing,
/// unknown, twice there or of another kind.
pub fn parse(text: &str) -> Result<Request, BadRequest> {
    let refuse = |id, error: RequestError| BadRequest {
        id,
        error: ErrorBody::request(&error),
    };
    let mut fields = bounded::read_object(text).map_err(|error| refuse(None, error))?;
    let id = match fields.remove("id") {
        Some(Value::Number(number)) => number.as_u64().and_then(|id| u32::try_from(id).ok()),
        _ => None,
    };
    let Some(id) = id else {
        return Err(refuse(None, RequestError::NoId));
    };
    let name = match fields.get("type") {
        Some(Value::String(name)) => name.as_str(),
        _ => return Err(refuse(Some(id), RequestError::NoType)),
    };
    let Some(name) = RequestBody::NAMES
        .iter()
        .copied()
        .find(|known| *known == name)
    else {
        let found = name.chars().take(40).collect();
        return Err(refuse(Some(id), RequestError::UnknownType { found }));
    };
    let fields = Value::Object(fields);
    RequestBody::deserialize(&fields)
        .map(|body| Request { id, body })
        .map_err(|error| refuse(Some(id), RequestError::field(name, &fields, &error)))
}

/// One row a request: its name, the interface whose error codes it uses, the type of its fields,
/// whether it is about a room, and the type of its result.
macro_rules! requests {
    ($($(#[doc = $doc:literal])* $name:literal $face:ident $request:ident $(($room:ident))? => $result:ident;)*) => {
        /// What is asked.
        #[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        #[expect(missing_docs, reason = "each type describes its request")]
        pub enum RequestBody {
            $(#[serde(rename = $name)] $request($request),)*
        }

        impl RequestBody {
            /// All values of `type`.
            pub const NAMES: &[&str] = &[$($name),*];

            /// The value of `type`.
            pub fn name(&self) -> &'static str {
                match self {
                    $(Self::$request(_) => $name,)*
                }
            }

            /// The room that the request is about.
            pub fn room(&self) -> Option<&RoomId> {
                match self {
                    $(Self::$request(request) => requests!(@room request $($room)?),)*
                }
            }

            /// Whether it only asks, so that asking again does no harm.
            pub fn is_question(&self) -> bool {
                matches!(
                    self,
                    Self::Ping(_)
                        | Self::ShowRoom(_)
                        | Self::ListRooms(_)
                        | Self::ListMembers(_)
                        | Self::ListBans(_)
                        | Self::ListMutes(_)
                        | Self::ShowProfiles(_)
                        | Self::History(_)
                        | Self::Attributes(_)
                        | Self::Counters(_)
                )
            }

            /// The interface whose codes are told as `code` when the request is refused.
            pub fn face(&self) -> Face {
                if let Self::EnterRoom(EnterRoom { part, .. })
                    | Self::LeaveRoom(LeaveRoom { part, .. }) = self
                {
                    return match part {
                        RoomPart::Chat => Face::Chat,
                        RoomPart::Media => Face::Rtc,
                        RoomPart::All => Face::Live,
                    };
                }
                match self {
                    $(Self::$request(_) => Face::$face,)*
                }
            }
        }

        #[cfg(test)]
        impl RequestBody {
            /// Calls `visit` with each request's name and the types of its fields and result.
            pub(super) fn visit_types(visitor: &mut impl TypeTable) {
                $(visitor.request::<$request, $result>($name);)*
            }
        }
    };
    (@room $request:ident $room:ident) => { Some(&$request.$room) };
    (@room $request:ident) => {{
        let _ = $request;
        None
    }};
}

/// Takes the rows of the table of requests.
#[cfg(test)]
pub(super) trait TypeTable {
    fn request<Q: ts_rs::TS + 'static, R: ts_rs::TS + 'static>(&mut self, name: &'static str);
}

requests! {
    "login" Chat Login => LoggedIn;
    "resume" Chat Resume => Resumed;
    "logout" Chat Logout => Done;
    "renewUserSig" Chat RenewUserSig => Done;
    "ping" Chat Ping => Pong;
    "setProfile" Chat SetProfile => Profile;
    "showProfiles" Chat ShowProfiles => ProfileList;

    "createRoom" Live CreateRoom (room) => Done;
    "enterRoom" Live EnterRoom (room) => Entered;
    "leaveRoom" Live LeaveRoom (room) => Done;
    "dismissRoom" Live DismissRoom (room) => Done;
    "updateRoom" Live UpdateRoom (room) => Done;
    "showRoom" Live ShowRoom (room) => RoomInfo;
    "listRooms" Live ListRooms => RoomList;
    "listMembers" Chat ListMembers (room) => MemberList;
    "switchRole" Rtc SwitchRole (room) => Done;
    "updatePrivateMapKey" Rtc UpdatePrivateMapKey (room) => Done;
    "kick" Live Kick (room) => UserList;
    "unban" Live Unban (room) => Done;
    "listBans" Live ListBans (room) => BanList;
    "setAdministrator" Live SetAdministrator (room) => Done;

    "takeSeat" Live TakeSeat (room) => SeatAnswer;
    "leaveSeat" Live LeaveSeat (room) => Done;
    "applyForSeat" Live ApplyForSeat (room) => SeatAnswer;
    "cancelApplication" Live CancelApplication (room) => Done;
    "answerApplication" Live AnswerApplication (room) => SeatAnswer;
    "inviteToSeat" Live InviteToSeat (room) => Done;
    "cancelInvitation" Live CancelInvitation (room) => Done;
    "answerInvitation" Live AnswerInvitation (room) => SeatAnswer;
    "moveSeat" Live MoveSeat (room) => SeatAnswer;
    "kickOffSeat" Live KickOffSeat (room) => UserList;
    "lockSeat" Live LockSeat (room) => Done;
    "moveUser" Live MoveUser (room) => SeatAnswer;
    "setDevice" Live SetDevice (room) => Done;

    "requestCoHost" Live RequestCoHost (room) => Done;
    "cancelCoHost" Live CancelCoHost (room) => Done;
    "answerCoHost" Live AnswerCoHost (room) => Done;
    "exitCoHost" Live ExitCoHost (room) => Done;
    "muteCoHost" Live MuteCoHost (room) => Done;

    "sendMessage" Chat SendMessage (room) => Sent;
    "like" Live Like (room) => Done;
    "history" Chat History (room) => MessageList;
    "revokeMessage" Chat RevokeMessage (room) => Done;
    "muteUser" Chat MuteUser (room) => Done;
    "muteAll" Chat MuteAll (room) => Done;
    "listMutes" Chat ListMutes (room) => MuteList;
    "attributes" Chat Attributes (room) => AttributeValues;
    "initAttributes" Chat InitAttributes (room) => Done;
    "setAttributes" Chat SetAttributes (room) => Done;
    "deleteAttributes" Chat DeleteAttributes (room) => Done;
    "counters" Chat Counters (room) => CounterValues;
    "setCounters" Chat SetCounters (room) => CounterValues;
    "addCounter" Chat AddCounter (room) => CounterValues;

    "publish" Rtc Publish (room) => Published;
    "updatePublication" Rtc UpdatePublication (room) => Done;
    "muteTrack" Rtc MuteTrack (room) => Done;
    "unpublish" Rtc Unpublish (room) => Done;
    "patchPublisher" Rtc PatchPublisher (room) => Patched;
    "subscribe" Rtc Subscribe (room) => Subscribed;
    "unsubscribe" Rtc Unsubscribe (room) => Done;
    "answer" Rtc Answer => Done;
    "receiverTrickle" Rtc ReceiverTrickle => Done;
    "listenVolumes" Rtc ListenVolumes (room) => Done;
    "listenQualities" Live ListenQualities (room) => Done;
    "startRelay" Rtc StartRelay (room) => RelayAddresses;
    "stopRelay" Rtc StopRelay (room) => Done;
    "startPush" Rtc StartPush (room) => Done;
}

/// A request, sorted by who carries it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Converted {
    /// The rooms, as this one command.
    Command(Command),
    /// Nobody: a value in it breaks its rules.
    Refused(LiveError),
    /// More than the rooms.
    Other(RequestBody),
}

impl RequestBody {
    /// The command for the rooms, where the request is one and nothing more. Login, entering,
    /// updating a room, publishing, chat and media need more than the rooms.
    pub fn convert(self) -> Converted {
        let command = match self {
            Self::CreateRoom(request) => match request.command() {
                Ok(command) => command,
                Err(error) => return Converted::Refused(error),
            },
            Self::LeaveRoom(request) => request.command(),
            Self::DismissRoom(DismissRoom { room }) => Command::Order {
                room,
                order: Order::Dismiss,
            },
            Self::ShowRoom(ShowRoom { room }) => Command::Info { room },
            Self::ListMembers(request) => request.command(),
            Self::SwitchRole(SwitchRole { room, role }) => Command::SwitchRole { room, role },
            Self::Kick(request) => request.command(),
            Self::Unban(Unban { room, user }) => Command::Order {
                room,
                order: Order::Unban { user },
            },
            Self::SetAdministrator(request) => Command::Order {
                room: request.room,
                order: Order::SetAdministrator {
                    user: request.user,
                    is_administrator: request.is_administrator,
                },
            },
            Self::MuteTrack(request) => Command::Mute {
                room: request.room,
                track: request.track,
                audio: request.audio,
                video: request.video,
            },
            Self::TakeSeat(request) => request.into(),
            Self::LeaveSeat(request) => request.into(),
            Self::ApplyForSeat(request) => request.into(),
            Self::CancelApplication(request) => request.into(),
            Self::AnswerApplication(request) => request.into(),
            Self::InviteToSeat(request) => request.into(),
            Self::CancelInvitation(request) => request.into(),
            Self::AnswerInvitation(request) => request.into(),
            Self::MoveSeat(request) => request.into(),
            Self::KickOffSeat(request) => request.into(),
            Self::LockSeat(request) => request.into(),
            Self::MoveUser(request) => request.into(),
            Self::SetDevice(request) => request.into(),
            Self::RequestCoHost(request) => request.into(),
            Self::CancelCoHost(request) => request.into(),
            Self::AnswerCoHost(request) => request.into(),
            Self::ExitCoHost(request) => request.into(),
            Self::MuteCoHost(request) => request.into(),
            other => return Converted::Other(other),
        };
        Converted::Command(command)
    }
}
