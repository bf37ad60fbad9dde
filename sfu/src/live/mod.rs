//! Live rooms without IO: who is in, who may do what, who sits where.
//!
//! [`Rooms`] takes commands and the time, and gives back replies, events with their recipients,
//! and effects for the server's other parts (media, webhooks, store). A user is in a room's
//! chat, its media, or both; guests are in the chat only.

pub(crate) mod agenda;
mod bans;
pub mod broadcasts;
pub mod chat;
mod cohosts;
mod command;
mod effect;
mod error;
mod event;
mod ids;
mod limits;
mod member;
pub mod metrics;
mod profile;
pub mod quality;
mod reason;
mod roles;
mod room;
mod rooms;
mod seats;
pub mod speakers;
#[cfg(test)]
mod tests;
mod tracks;
mod view;

pub use command::{
    About, AboutChange, CoHostOrder, Command, Entered, Entry, Login, MediaEntry, MemberView, Order,
    Part, Reply, RoomSettings, SeatCommand, SeatMode, SeatOrder, SeatSettings,
};
pub use effect::Effect;
pub use error::{Face, LiveError};
pub use event::{Event, Output, Recipient};
pub use ids::{AppId, ConnectionId, InvalidId, RoomId, RoomKey, UserId};
pub use limits::{Counters, Limits, Refusal};
pub use profile::{Profile, ProfileDetails};
pub use reason::{EndReason, LeaveReason, NoResponse, RemovalReason, RemovedBy, RequestResult};
pub use roles::{Rank, Right, Rights, Role, Scene};
pub use rooms::{Gauges, Rooms};
pub use seats::{Device, MovePolicy};
pub use tracks::{Allowed, Publication, TrackKind, Tracks};
pub use view::{ApplicationView, CoHostRequestView, CoHostView, RoomInfo, SeatUser, SeatView};
