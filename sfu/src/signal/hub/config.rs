//! Bounds and rates of the hub.

use std::time::Duration;

use relay::push::HostRule;

use crate::auth::Apps;
use crate::config::IceServer;
use crate::live::Limits;
use crate::live::broadcasts::RelayMode;
use crate::live::chat::ChatLimits;
use crate::live::speakers::SpeakerLimits;
use crate::webhook::WebhookConfig;

/// What the hub starts from.
#[derive(Debug, Clone)]
pub struct HubConfig {
    /// The apps and their keys.
    pub apps: Apps,
    /// Bounds of the rooms.
    pub limits: Limits,
    /// Bounds of each room's chat.
    pub chat: ChatLimits,
    /// Requests a second of one socket, in the long run.
    pub requests_per_second: u32,
    /// Requests of one socket at once.
    pub request_burst: u32,
    /// Bytes that a request may make the rooms say to their members; as many more take one more
    /// request out of the rate. In a room of 50,000 each of its events is twelve or more.
    pub told_per_request: u64,
    /// Requests beyond the rate that are answered with an error before the socket is closed;
    /// one is forgotten each second.
    pub rate_strikes: u32,
    /// Sessions of one address, lost ones included; 0 is no bound. An IPv6 address stands for
    /// its /64.
    pub sessions_per_address: usize,
    /// How long a socket may stay without a login.
    pub login_timeout: Duration,
    /// Slow requests of one session that may be open at the same time.
    pub pending_per_session: usize,
    /// How long the shell may take for what a ticket names.
    pub ticket_timeout: Duration,
    /// Events of one session that are kept for a resume.
    pub kept_events: usize,
    /// Bytes of them.
    pub kept_bytes: usize,
    /// Requests of one session whose ids are known, so that they are not carried out twice; more
    /// than may be open.
    pub known_requests: usize,
    /// Bytes of the answers to them that are kept.
    pub kept_answer_bytes: usize,
    /// Streams that one session receives.
    pub subscriptions: usize,
    /// Publications on this server.
    pub publications: usize,
    /// Which publications go to FLV and HLS by themselves.
    pub relay_mode: RelayMode,
    /// Where publishers may have their publications pushed to; none may when it is empty.
    pub push_hosts: Vec<HostRule>,
    /// Bounds of what is kept of volumes.
    pub speakers: SpeakerLimits,
    /// ICE servers that clients are told.
    pub ice_servers: Vec<IceServer>,
    /// Whose back end is told, and asked before a message.
    pub webhooks: WebhookConfig,
}

impl HubConfig {
    /// These apps, and defaults for the rest.
    pub fn new(apps: Apps) -> Self {
        Self {
            apps,
            limits: Limits::default(),
            chat: ChatLimits::default(),
            requests_per_second: 30,
            request_burst: 100,
            told_per_request: 1 << 20,
            rate_strikes: 50,
            sessions_per_address: 2_000,
            login_timeout: Duration::from_secs(10),
            pending_per_session: 16,
            ticket_timeout: Duration::from_secs(15),
            kept_events: 512,
            kept_bytes: 512 * 1024,
            known_requests: 128,
            kept_answer_bytes: 32 * 1024,
            subscriptions: 64,
            publications: 10_000,
            relay_mode: RelayMode::default(),
            push_hosts: Vec::new(),
            speakers: SpeakerLimits::default(),
            ice_servers: Vec::new(),
            webhooks: WebhookConfig::default(),
        }
    }
}
