//! HTTP-FLV and WebSocket-FLV: one ring of tags a broadcast, a cursor a viewer.

mod body;
mod ring;
mod stream;
mod watch;

pub(crate) use body::{BodyCounters, FlvBody};
pub(crate) use ring::{Ring, RingLimits, StartAt, Tag, TagKind};
pub use stream::FlvStream;
pub use watch::{ViewerOver, ViewerWatch};
