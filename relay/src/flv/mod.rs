//! HTTP-FLV and WebSocket-FLV: one ring of tags a broadcast, a cursor a viewer.

mod body;
mod ring;

pub(crate) use body::FlvBody;
pub(crate) use ring::{Ring, RingLimits, Tag, TagKind};
