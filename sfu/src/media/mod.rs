//! The media core: datagrams, commands and time in; datagrams, answers and lane packets out.
//!
//! Nothing here opens a socket, reads a clock or spawns. [`Core`] holds the sessions and rooms
//! of one worker; the shell in [`crate::worker`] carries out what it puts out.

mod answer;
mod clock;
mod codec;
mod core;
mod counters;
mod demand;
mod demux;
pub mod dependency;
pub mod forward;
pub mod fragment;
pub mod framing;
#[doc(hidden)]
pub mod fuzzing;
mod gop;
mod lane;
mod levels;
mod loudest;
mod need;
pub mod offer;
mod output;
mod packet;
pub mod red;
mod remote;
mod room;
mod session;
mod slots;
mod timers;
mod transmit;

pub use self::answer::MAX_ANSWER;
pub use self::core::{Core, CoreConfig, Gauges, Placed};
pub use self::counters::{Counters, DropReason};
pub use self::demand::Wants;
pub use self::output::{LaneMessage, Output, RelayItem, Travelled};
pub use self::packet::{Extensions, MAX_PAYLOAD, MediaPacket, StreamKey};
pub use self::remote::{Remote, Transport};
pub use self::transmit::{Batch, Datagrams, Transmits};
pub use packager::picture::{Picture, Pictures};
