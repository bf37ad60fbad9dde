//! The seats of a room and the requests for them, as plain data.

mod list;
mod requests;

pub use list::{Device, MovePolicy};

pub(super) use list::SeatList;
pub(super) use requests::{Application, Invitation, Requests};
