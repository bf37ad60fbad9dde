//! HTTP-FLV: one ring of tags a broadcast, a cursor a viewer.

mod body;
mod ring;

pub(crate) use body::{BodyCounters, FlvBody};
pub(crate) use ring::{Ring, RingLimits, Tag, TagKind};
