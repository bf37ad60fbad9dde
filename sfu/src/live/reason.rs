//! Why something has ended: a stay, a room, a request.

use serde::Serialize;

/// Why somebody is no longer there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum LeaveReason {
    /// By own wish.
    Left,
    /// Became audience.
    SwitchedRole,
    /// The connection was lost and not resumed in time.
    Lost,
    /// Removed by a host or the operator.
    Kicked,
    /// The same user has logged in elsewhere.
    Replaced,
    /// The room has ended.
    RoomEnded,
}

/// Why a client was removed, as the media client's interface names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RemovalReason {
    /// By a host or the operator.
    Kick,
    /// The same user has logged in elsewhere.
    Banned,
    /// The room was dismissed.
    RoomDisband,
}

/// Who has removed a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RemovedBy {
    /// A host of the room.
    Host,
    /// The server's operator, or the page's back end.
    Server,
    /// The user's own login elsewhere.
    User,
}

/// Why a room is gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// By its owner.
    Dismissed,
    /// By the operator.
    Operator,
    /// Nobody has been in it for a time.
    Empty,
}

/// How a seat request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum RequestResult {
    /// A host or the guest said yes.
    Accepted,
    /// A host or the guest said no.
    Rejected,
    /// Taken back.
    Cancelled,
    /// Nobody answered in time.
    Timeout,
    /// The guest got a seat in another way.
    AlreadySeated,
    /// One of the two has left.
    Left,
}

/// Why a request had no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum NoResponse {
    /// The time is over.
    Timeout,
    /// The guest got a seat in another way.
    AlreadySeated,
    /// The guest has left.
    Left,
}
