//! The messages of `/signal`, as `PROTOCOL.md` describes them.
//!
//! These types are the source: the TypeScript types in `web/src/protocol/` are generated from
//! them, and both the file and the document are checked against them by tests. What a client
//! sends is read strictly: an unknown name, a field too many or too few is refused with a
//! sentence that says what is allowed.

mod bounded;
mod chat;
mod close;
mod error_name;
mod errors;
mod event;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod lists;
mod media;
mod request;
mod response;
mod room;
mod seats;
mod session;
#[cfg(test)]
mod tests;
#[cfg(test)]
pub(in crate::signal) mod typescript;

pub use bounded::{MAX_DEPTH, MAX_REQUEST, MAX_TEXT, MAX_VALUES};
pub use chat::{
    AddCounter, AttributeValues, Attributes, ChatEvent, CounterValues, Counters, CustomContent,
    DeleteAttributes, History, ImageContent, InitAttributes, Like, MessageContent, MessageList,
    MuteAll, MuteUser, RevokeMessage, SendMessage, Sent, SetAttributes, SetCounters, TextContent,
};
pub use close::CloseCode;
pub use error_name::ErrorName;
pub use errors::{ErrorBody, ErrorCodes, RequestError};
pub use event::{EventBody, SharedEvent};
pub use lists::{
    BanList, ListBans, ListMutes, MAX_PROFILES, MuteList, ProfileList, ShowProfiles, TimeLeft,
    UserProfile,
};
pub use media::{
    Answer, ListenQualities, ListenVolumes, MediaEvent, PatchPublisher, Patched, Picture, Publish,
    Published, ReceiverTrickle, RelayAddresses, StartPush, StartRelay, StopRelay, Subscribe,
    Subscribed, Unpublish, Unsubscribe, UpdatePublication, UserQuality, UserVolume,
};
pub use request::{BadRequest, Converted, Request, RequestBody, parse};
pub use response::{Done, Outcome, Response, ResultBody, ServerMessage};
pub use room::{
    CreateRoom, DismissRoom, EnterRoom, Entered, Kick, LeaveRoom, ListMembers, ListRooms,
    MemberList, MuteTrack, RoomList, RoomPart, SetAdministrator, ShowRoom, SwitchRole, Unban,
    UpdatePrivateMapKey, UpdateRoom, UserList,
};
pub use seats::{
    AnswerApplication, AnswerCoHost, AnswerInvitation, ApplyForSeat, CancelApplication,
    CancelCoHost, CancelInvitation, ExitCoHost, InviteToSeat, KickOffSeat, LeaveSeat, LockSeat,
    MoveSeat, MoveUser, MuteCoHost, RequestCoHost, SeatAnswer, SetDevice, TakeSeat,
};
pub use session::{
    IceServer, LoggedIn, Login, Logout, Ping, Pong, RenewUserSig, Resume, Resumed, SessionLimits,
    SetProfile,
};

/// The version of the protocol that this server speaks.
pub const VERSION: u32 = 1;
