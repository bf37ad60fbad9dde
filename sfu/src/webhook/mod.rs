//! What an app's own back end is told (webhooks), and what it is asked before a message is sent.
//!
//! [`Packet`] makes requests out of what happened, sans-IO. The addresses come from the operator's
//! settings alone, so that no client can point the server anywhere.

mod bodies;
mod config;
mod effects;
mod notice;
mod packet;
mod sign;
mod streams;
mod verdict;

pub use config::{AppHook, BadWebhookUrl, WebhookConfig, WebhookUrl};
pub use effects::notices_of;
pub use notice::{
    BeforeMessage, ChatChange, ChatNotice, Family, Lane, LiveChange, LiveNotice, MediaChange,
    MediaNotice, Notice, Place, RelayNotice, RelayStatus, RoomChange, RoomNotice, SeatsNotice,
    StreamNotice, StreamPhase,
};
pub use packet::Packet;
pub use sign::{room_sign, stream_sign};
pub use streams::LiveStreams;
pub use verdict::Verdict;
