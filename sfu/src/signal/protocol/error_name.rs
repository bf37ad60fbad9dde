//! Names of errors, for programs.

use serde::Serialize;

use crate::auth::{PrivateMapKeyError, TokenError};
use crate::live::LiveError;
use crate::live::chat::ChatError;
use crate::worker::{OfferError, PatchError};

/// What went wrong, in one word. The codes are those of interfaces that name several things
/// alike; this name is the same whatever interface asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum ErrorName {
    /// The frame is no request: no JSON object, no `type`, or over a bound.
    Malformed,
    /// No request has this `type`.
    UnknownType,
    /// A field is missing, unknown or of another kind.
    BadField,
    /// The server speaks another version of the protocol.
    Version,
    /// Nobody has logged in on this socket.
    NotLoggedIn,
    /// Somebody has logged in on this socket.
    AlreadyLoggedIn,
    /// The UserSig is refused.
    UserSigRefused,
    /// The UserSig has expired.
    UserSigExpired,
    /// The PrivateMapKey is refused, or missing, or gives no right to this.
    PrivateMapKeyRefused,
    /// There is no such session any more.
    SessionUnknown,
    /// Events that were missed are not kept any more: log in again.
    EventsMissed,
    /// The request was answered before, and its answer is not kept any more.
    AnswerGone,
    /// Another request of the session had this id.
    IdReused,
    /// Too many sessions come from one address.
    TooManySessions,
    /// Requests come too fast.
    TooFast,
    /// Too many requests wait for their result.
    TooManyPending,
    /// Another part of the server did not answer in time.
    TimedOut,
    /// The server is going down.
    ServerStopping,
    /// The server has too much to do.
    Busy,

    /// Guests listen to chat and do nothing else.
    Guest,
    /// An id breaks its rules.
    BadId,
    /// A value breaks its rules.
    BadValue,
    /// No such room.
    NoSuchRoom,
    /// The room exists and belongs to somebody else.
    RoomTaken,
    /// The room exists and is one's own.
    RoomIsYours,
    /// Only hosts may do this, or only to those below.
    NoPermission,
    /// Only the owner may do this.
    NotOwner,
    /// One is not in the room.
    NotEntered,
    /// The named user is not in the room.
    NotMember,
    /// The owner cannot leave the chat, only dismiss the room.
    OwnerMayNotQuit,
    /// One is banned from the room.
    Banned,
    /// The token gives no right to this.
    RightMissing,
    /// A list of the room or of the server is full.
    Full,
    /// The room runs in the other mode.
    SceneDiffers,
    /// One has media in another room.
    InOtherRoom,
    /// In rtc mode everybody is an anchor.
    RoleIsFixed,
    /// The audience does not publish.
    AudienceMayNotPublish,
    /// One does not publish this.
    NotPublished,
    /// A host or the token has closed the device.
    DeviceLocked,

    /// More seats than a room can have.
    SeatLimit,
    /// There is no such seat.
    NoSuchSeat,
    /// The user has another open request.
    RequestConflict,
    /// The seat is locked.
    SeatLocked,
    /// The seat is taken.
    SeatOccupied,
    /// The seat to move to is taken.
    TargetOccupied,
    /// One has applied already.
    AlreadyApplied,
    /// The user sits already.
    AlreadySeated,
    /// There is no such application or invitation.
    NotApplied,
    /// No seat is free.
    AllSeatsOccupied,
    /// The user is on no seat.
    NotSeated,
    /// The room has no seats.
    NoSeats,
    /// The list of users is empty.
    EmptyList,
    /// The two rooms are connected already.
    CoHostConnected,
    /// A request between the two rooms is open.
    CoHostPending,
    /// The other room is connected with others.
    CoHostElsewhere,
    /// The group of rooms is full.
    CoHostFull,
    /// There is no such request.
    NoCoHostRequest,
    /// The two rooms are not connected.
    NotConnected,

    /// One is muted for a time.
    Muted,
    /// Everybody but the hosts is muted.
    AllMuted,
    /// The text has a word that is not allowed.
    SensitiveText,
    /// The message is too long.
    TooLong,
    /// The app's own back end refuses the message.
    RefusedByApp,
    /// There is no such image.
    ImageMissing,
    /// The file is no image.
    ImageType,
    /// The image is too large.
    ImageSize,
    /// The message is somebody else's.
    NotYours,
    /// The message is not in the history.
    NoSuchMessage,

    /// The SDP or the fragment of it is refused.
    BadSdp,
    /// No codec of the offer is known.
    NoCommonCodec,
    /// The server carries as much media as it may.
    MediaLimit,
    /// The stream is not live.
    NotLive,
    /// The stream id is refused.
    BadStreamId,
    /// The stream id is live under another user.
    StreamTaken,
    /// The peer connection is gone.
    NoPeerConnection,
    /// The ICE session is another one meanwhile.
    StaleIce,
    /// The peer connection has as many candidates as it takes.
    TooManyCandidates,
    /// The answer is for another offer.
    WrongRevision,
    /// One does not receive this.
    NotSubscribed,
    /// One receives as much as one may.
    TooManySubscriptions,
    /// The publication has ended meanwhile, or is being set up.
    PublicationChanged,
    /// Relaying was not changed.
    RelayFailed,
    /// A push to another server was not begun.
    PushFailed,
}

impl From<&LiveError> for ErrorName {
    fn from(error: &LiveError) -> Self {
        match error {
            LiveError::NotLoggedIn => Self::NotLoggedIn,
            LiveError::Guest => Self::Guest,
            LiveError::BadId(_) => Self::BadId,
            LiveError::BadValue { .. } => Self::BadValue,
            LiveError::NoSuchRoom { .. } => Self::NoSuchRoom,
            LiveError::IdTaken { .. } => Self::RoomTaken,
            LiveError::AlreadyYours { .. } => Self::RoomIsYours,
            LiveError::NoPermission { .. } => Self::NoPermission,
            LiveError::NotOwner { .. } => Self::NotOwner,
            LiveError::NotEntered { .. } => Self::NotEntered,
            LiveError::NotMember { .. } => Self::NotMember,
            LiveError::OwnerMayNotQuit => Self::OwnerMayNotQuit,
            LiveError::Banned { .. } => Self::Banned,
            LiveError::RightMissing { .. } => Self::RightMissing,
            LiveError::Full { .. } => Self::Full,
            LiveError::SceneDiffers { .. } => Self::SceneDiffers,
            LiveError::InOtherRoom { .. } => Self::InOtherRoom,
            LiveError::RoleIsFixed => Self::RoleIsFixed,
            LiveError::AudienceMayNotPublish => Self::AudienceMayNotPublish,
            LiveError::NotPublished { .. } => Self::NotPublished,
            LiveError::DeviceLocked { .. } => Self::DeviceLocked,
            LiveError::Busy => Self::Busy,
            LiveError::SeatLimit { .. } => Self::SeatLimit,
            LiveError::NoSuchSeat { .. } => Self::NoSuchSeat,
            LiveError::RequestConflict { .. } => Self::RequestConflict,
            LiveError::SeatLocked { .. } => Self::SeatLocked,
            LiveError::SeatOccupied { .. } => Self::SeatOccupied,
            LiveError::TargetOccupied { .. } => Self::TargetOccupied,
            LiveError::AlreadyQueued => Self::AlreadyApplied,
            LiveError::AlreadySeated { .. } => Self::AlreadySeated,
            LiveError::NotQueued { .. } => Self::NotApplied,
            LiveError::AllSeatsOccupied => Self::AllSeatsOccupied,
            LiveError::NotSeated { .. } => Self::NotSeated,
            LiveError::NoSeats => Self::NoSeats,
            LiveError::CoHostConnected { .. } => Self::CoHostConnected,
            LiveError::CoHostPending { .. } => Self::CoHostPending,
            LiveError::CoHostElsewhere { .. } => Self::CoHostElsewhere,
            LiveError::CoHostFull { .. } => Self::CoHostFull,
            LiveError::NoCoHostRequest { .. } => Self::NoCoHostRequest,
            LiveError::NotConnected { .. } => Self::NotConnected,
            LiveError::EmptyList { .. } => Self::EmptyList,
        }
    }
}

impl From<&ChatError> for ErrorName {
    fn from(error: &ChatError) -> Self {
        match error {
            ChatError::Guest => Self::Guest,
            ChatError::Banned => Self::Banned,
            ChatError::Muted { .. } => Self::Muted,
            ChatError::AllMuted => Self::AllMuted,
            ChatError::Sensitive => Self::SensitiveText,
            ChatError::TooLong { .. } => Self::TooLong,
            ChatError::BadValue { .. } => Self::BadValue,
            ChatError::TooFast { .. } => Self::TooFast,
            ChatError::Webhook { .. } => Self::RefusedByApp,
            ChatError::ImageMissing { .. } => Self::ImageMissing,
            ChatError::ImageType => Self::ImageType,
            ChatError::ImageSize { .. } => Self::ImageSize,
            ChatError::NotYours => Self::NotYours,
            ChatError::NoSuchMessage { .. } => Self::NoSuchMessage,
            ChatError::Full { .. } => Self::Full,
        }
    }
}

impl From<&TokenError> for ErrorName {
    fn from(error: &TokenError) -> Self {
        match error {
            TokenError::Expired { .. } => Self::UserSigExpired,
            _ => Self::UserSigRefused,
        }
    }
}

impl From<&PrivateMapKeyError> for ErrorName {
    fn from(_: &PrivateMapKeyError) -> Self {
        Self::PrivateMapKeyRefused
    }
}

impl From<&OfferError> for ErrorName {
    fn from(error: &OfferError) -> Self {
        match error {
            OfferError::NoCommonCodec { .. } => Self::NoCommonCodec,
            OfferError::LimitReached { .. } => Self::MediaLimit,
            OfferError::NotLive { .. } => Self::NotLive,
            OfferError::Taken { .. } => Self::StreamTaken,
            OfferError::ShuttingDown => Self::ServerStopping,
            _ => Self::BadSdp,
        }
    }
}

impl From<&PatchError> for ErrorName {
    fn from(error: &PatchError) -> Self {
        match error {
            PatchError::UnknownSession(_) => Self::NoPeerConnection,
            PatchError::MissingIfMatch | PatchError::StaleIfMatch => Self::StaleIce,
            PatchError::Malformed { .. } => Self::BadSdp,
            PatchError::TooManyCandidates { .. } => Self::TooManyCandidates,
            PatchError::ShuttingDown => Self::ServerStopping,
        }
    }
}
