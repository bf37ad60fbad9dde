//! Redundant sound (RED, RFC 2198): each packet carries those before it once more, so that a loss
//! costs nothing when the next packet comes.
//!
//! It ends at the server on both ways. What a publisher sends is taken apart on arrival, and what
//! it lost is put in its place; what a subscriber is sent is put together for that subscriber
//! alone, as far as its link loses packets.

mod history;
mod level;
pub mod payload;
pub mod placing;
pub mod report;

pub(crate) use self::history::History;
pub(crate) use self::level::Level;

/// Most packets that are repeated in one.
pub(crate) const MAX_REPEATED: usize = 2;
