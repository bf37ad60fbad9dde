//! What an app's own back end is told (webhooks), and what it is asked before a message is sent.
//!
//! [`Packet`] makes requests out of what happened, and [`Queue`] decides, on the time that it is
//! given, what is posted when: both are sans-IO. [`Webhooks`] is the shell around them: it posts,
//! counts and asks. The addresses come from the operator's settings alone, so that no client can
//! point the server anywhere.

mod ask;
mod bodies;
mod client;
mod config;
mod delivery;
pub mod echo;
mod effects;
mod log;
mod metrics;
mod notice;
mod packet;
mod queue;
mod sign;
mod streams;
mod task_id;
mod teller;
#[cfg(test)]
mod tests;
mod verdict;

pub use client::StartError;
pub use config::{AppHook, BadWebhookUrl, WebhookConfig, WebhookUrl};
pub use delivery::Webhooks;
pub use effects::{app_of, notices_of};
pub use log::Delivery;
pub use metrics::WebhookMetrics;
pub use notice::{
    BeforeMessage, ChatChange, ChatNotice, Family, Lane, LiveChange, LiveNotice, MediaChange,
    MediaNotice, Notice, Place, RecordNotice, RelayNotice, RelayStatus, RoomChange, RoomNotice,
    SeatsNotice, StreamNotice, StreamPhase,
};
pub use packet::Packet;
pub use queue::{Attempt, AttemptId, Full, Limits, Queue, QueueCounts};
pub use sign::{room_sign, stream_sign};
pub use streams::LiveStreams;
pub use task_id::{BadTask, RelayTask, stream_task};
pub use teller::Teller;
pub use verdict::Verdict;
