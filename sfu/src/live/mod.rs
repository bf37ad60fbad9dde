//! Live rooms without IO: who is in, who may do what, who sits where.

mod ids;

pub use ids::{AppId, ConnectionId, InvalidId, RoomId, RoomKey, UserId};
