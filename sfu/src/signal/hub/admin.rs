//! What the page's own back end and the server's operator may ask of the hub: everything, without
//! being in a room.

mod apply;
mod call;
mod cursor;
mod desk;
mod error;
#[cfg(test)]
mod hub_tests;
mod reply;
mod rooms;
#[cfg(test)]
pub(crate) mod tests;

pub use apply::{Desk, apply};
pub use call::{Call, Content, RoomFilter};
pub use cursor::{BadCursor, RoomText, StreamCursor};
pub use error::AdminError;
pub use reply::{
    OnlineView, Page, RecordedView, Reply, RoomView, SharedMessage, StreamView, TimeView,
};

/// Most users in one call.
pub const MAX_USERS: usize = 500;

/// Most rooms in one question about how many are there.
pub const MAX_ROOMS: usize = 100;

/// Most entries in one page.
pub const MAX_PAGE: usize = 100;
