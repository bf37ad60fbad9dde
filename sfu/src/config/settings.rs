//! Every setting of the server, with its default.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Serialize, Serializer};

use super::edge::EdgeSettings;
use super::live::{
    ApiSettings, ChatSettings, DevSettings, ImagesSettings, PushSettings, RecordSettings,
    RoomsSettings, SignalSettings, StoreSettings, WebhooksSettings,
};
use super::prefix::Prefix;
use super::value::write_duration;
use crate::auth::{App, SecretKey, TurnCredentials};
use crate::live::UserId;
use crate::live::broadcasts::RelayMode;

/// The settings of one server. `deploy/weblive.toml` documents each.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Settings {
    /// Address and TCP port of HTTP; port 0 lets the system choose.
    pub listen: SocketAddr,
    /// Folder of what is kept on disk; empty to keep nothing.
    pub data_dir: PathBuf,
    /// Let everybody in without an app on an address that others reach.
    pub insecure_open: bool,
    /// The apps whose tokens are taken; without any the server is open.
    #[serde(serialize_with = "apps_as_tables")]
    pub apps: Vec<App>,
    /// ICE servers told to clients in `Link` header fields (RFC 9725 §4.6).
    pub ice_servers: Vec<IceServer>,
    /// HTTPS.
    pub tls: TlsSettings,
    /// WebRTC media over UDP and TCP.
    pub media: MediaSettings,
    /// HTTP-FLV and HLS.
    pub relay: RelaySettings,
    /// Where the streams of `weblive edge` come from.
    pub edge: EdgeSettings,
    /// Bounds on HTTP clients.
    pub http: HttpSettings,
    /// Which pages of other origins may use the server.
    pub cors: CorsSettings,
    /// What is logged, and how.
    pub log: LogSettings,
    /// The way down.
    pub shutdown: ShutdownSettings,
    /// Live rooms.
    pub rooms: RoomsSettings,
    /// Their messages.
    pub chat: ChatSettings,
    /// What outlives a restart.
    pub store: StoreSettings,
    /// Uploaded pictures.
    pub images: ImagesSettings,
    /// The WebSocket of rooms.
    pub signal: SignalSettings,
    /// How the apps' back ends are called.
    pub webhooks: WebhooksSettings,
    /// Streams that are pushed to other servers.
    pub push: PushSettings,
    /// Streams that are recorded.
    pub record: RecordSettings,
    /// How they call.
    pub api: ApiSettings,
    /// For developing pages, and for nothing else.
    pub dev: DevSettings,
}

/// One entry of `RTCIceServer` as a client sees it, or a secret to make it from.
#[derive(Clone, PartialEq, Eq, Serialize)]
pub struct IceServer {
    /// `stun:`, `stuns:`, `turn:` or `turns:` URLs (RFC 7064, RFC 7065).
    pub urls: Vec<String>,
    /// For TURN; empty for STUN, and where there is a secret.
    pub username: String,
    /// For TURN; empty for STUN, and where there is a secret. Never logged.
    pub credential: String,
    /// The secret of a TURN server that takes time-limited credentials. Never logged or told.
    #[serde(serialize_with = "key_as_text")]
    pub secret: Option<SecretKey>,
    /// How long credentials that are made with the secret are good for.
    #[serde(serialize_with = "duration_as_text")]
    pub lifetime: Duration,
}

/// HTTPS by files, or by a certificate made at start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TlsSettings {
    /// PEM file with the certificate chain; empty for none.
    pub cert: PathBuf,
    /// PEM file with the private key; empty for none.
    pub key: PathBuf,
    /// Make a certificate at each start and keep it in memory.
    pub self_signed: bool,
}

/// The media ports and their limits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MediaSettings {
    /// Local address of the media sockets.
    #[serde(serialize_with = "bind_as_text")]
    pub bind: MediaBind,
    /// Port of the first worker; worker k uses this plus k; 0 lets the system choose.
    pub port: u16,
    /// Addresses told to clients; empty for the addresses of the interfaces.
    pub announce: Vec<IpAddr>,
    /// Media threads; 0 for one a core.
    pub workers: usize,
    /// Publishers and subscribers together.
    pub max_sessions: usize,
    /// Media over TCP for clients that get no UDP through, on the same port numbers.
    pub tcp: bool,
    /// TCP connections for media at once.
    pub tcp_max_connections: usize,
    /// Those of one address; an IPv6 network of 64 bits counts as one.
    pub tcp_max_per_address: usize,
    /// How long subscribers stay without a publisher.
    #[serde(serialize_with = "duration_as_text")]
    pub linger: Duration,
    /// Streams of a room whose sound one member hears at once.
    pub loudest: usize,
    /// Sound with redundancy (RED, RFC 2198), where browsers and lossy links want it.
    pub audio_redundancy: bool,
}

/// Where the media sockets are bound.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MediaBind {
    /// Follow `listen` and `media.announce`.
    Auto,
    /// This address.
    Address(IpAddr),
}

/// HTTP-FLV and HLS for the audience that only watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelaySettings {
    /// Which publishers it takes without being asked.
    #[serde(serialize_with = "mode_as_text")]
    pub mode: RelayMode,
    /// Length of a Media Segment, cut at the first IDR after it.
    #[serde(serialize_with = "duration_as_text")]
    pub segment_duration: Duration,
    /// Part Target Duration of Low-Latency HLS; zero without.
    #[serde(serialize_with = "duration_as_text")]
    pub part_duration: Duration,
    /// Media Segments in a Media Playlist; more while they are short, so that three target
    /// durations stay.
    pub window: usize,
    /// How far a viewer of FLV or endless fMP4 may fall behind before it skips to the newest key frame.
    #[serde(serialize_with = "duration_as_text")]
    pub max_latency: Duration,
    /// How long a viewer of FLV or endless fMP4 may take nothing of its stream before it is closed.
    #[serde(serialize_with = "duration_as_text")]
    pub viewer_timeout: Duration,
    /// Bytes of FLV that are kept of one broadcast, for all its viewers.
    pub max_cache_bytes: usize,
    /// How long a broadcast waits for its publisher to come back.
    #[serde(serialize_with = "duration_as_text")]
    pub linger: Duration,
    /// How long the playlist and segments of an ended broadcast stay; at least as long as `window`
    /// segments and one more play.
    #[serde(serialize_with = "duration_as_text")]
    pub keep_ended: Duration,
    /// How far back players may go; zero for nothing beyond the live playlist.
    #[serde(serialize_with = "duration_as_text")]
    pub time_shift: Duration,
    /// Bytes of that in memory, of all broadcasts.
    pub time_shift_memory_bytes: u64,
    /// Where the rest of it is kept, inside `data_dir` unless it is absolute; empty for memory alone.
    pub time_shift_folder: PathBuf,
    /// Bytes of the rest, of all broadcasts.
    pub time_shift_max_bytes: u64,
    /// AAC bit rate in bits a second.
    pub aac_bit_rate_bps: u32,
    /// Broadcasts at once.
    pub max_broadcasts: usize,
    /// Viewers of FLV and endless fMP4 of one broadcast at once.
    pub max_viewers_per_broadcast: usize,
    /// Viewers of FLV and endless fMP4 at once, over all broadcasts.
    pub max_viewers: usize,
    /// Viewers of one address at once; 0 for no bound.
    pub max_viewers_per_address: usize,
}

/// Bounds on what one HTTP client, and all of them, can hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HttpSettings {
    /// TCP connections at once.
    pub max_connections: usize,
    /// For the TLS handshake, and for each request's header section; also ends idle connections.
    #[serde(serialize_with = "duration_as_text")]
    pub header_timeout: Duration,
    /// For the body of a request.
    #[serde(serialize_with = "duration_as_text")]
    pub body_timeout: Duration,
    /// For a client that takes nothing of a response.
    #[serde(serialize_with = "duration_as_text")]
    pub write_timeout: Duration,
    /// Bytes of a request's header section.
    pub max_header_bytes: usize,
    /// Bytes of an SDP offer or fragment.
    pub max_sdp_bytes: usize,
    /// Proxies that say the addresses of their clients.
    pub trusted_proxies: Vec<Prefix>,
}

/// CORS.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CorsSettings {
    /// `*` alone, or origins.
    pub origins: Vec<String>,
}

/// Logs go to standard error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogSettings {
    /// A level, or `target=level` parts.
    pub level: String,
    /// Lines for people or for machines.
    pub format: LogFormat,
}

/// How a log line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// One readable line an event.
    Text,
    /// One JSON object an event.
    Json,
}

/// Shutdown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ShutdownSettings {
    /// From the signal to the exit, whatever hangs.
    #[serde(serialize_with = "duration_as_text")]
    pub deadline: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            data_dir: PathBuf::from("weblive-data"),
            insecure_open: false,
            apps: Vec::new(),
            ice_servers: Vec::new(),
            tls: TlsSettings::default(),
            media: MediaSettings {
                bind: MediaBind::Auto,
                port: 8000,
                announce: Vec::new(),
                workers: 0,
                max_sessions: 4_000,
                tcp: true,
                tcp_max_connections: 8_000,
                tcp_max_per_address: 500,
                linger: Duration::from_secs(60),
                loudest: 8,
                audio_redundancy: true,
            },
            relay: RelaySettings {
                mode: RelayMode::Automatic,
                segment_duration: Duration::from_secs(2),
                part_duration: Duration::from_millis(250),
                window: 6,
                max_latency: Duration::from_secs(3),
                viewer_timeout: Duration::from_secs(10),
                max_cache_bytes: 32 << 20,
                linger: Duration::from_secs(15),
                keep_ended: Duration::from_secs(60),
                time_shift: Duration::ZERO,
                time_shift_memory_bytes: 256 << 20,
                time_shift_folder: PathBuf::from("time-shift"),
                time_shift_max_bytes: 64 << 30,
                aac_bit_rate_bps: 128_000,
                max_broadcasts: 1_000,
                max_viewers_per_broadcast: 10_000,
                max_viewers: 20_000,
                max_viewers_per_address: 2_000,
            },
            edge: EdgeSettings::default(),
            http: HttpSettings {
                max_connections: 20_000,
                header_timeout: Duration::from_secs(10),
                body_timeout: Duration::from_secs(10),
                write_timeout: Duration::from_secs(30),
                max_header_bytes: 16 * 1024,
                max_sdp_bytes: 64 * 1024,
                trusted_proxies: Vec::new(),
            },
            cors: CorsSettings {
                origins: vec!["*".to_owned()],
            },
            log: LogSettings {
                level: "info".to_owned(),
                format: LogFormat::Text,
            },
            shutdown: ShutdownSettings {
                deadline: Duration::from_secs(4),
            },
            rooms: RoomsSettings::default(),
            chat: ChatSettings::default(),
            store: StoreSettings::default(),
            images: ImagesSettings::default(),
            signal: SignalSettings::default(),
            webhooks: WebhooksSettings::default(),
            push: PushSettings::default(),
            record: RecordSettings::default(),
            api: ApiSettings::default(),
            dev: DevSettings::default(),
        }
    }
}

impl Default for IceServer {
    fn default() -> Self {
        Self {
            urls: Vec::new(),
            username: String::new(),
            credential: String::new(),
            secret: None,
            lifetime: Duration::from_secs(12 * 3_600),
        }
    }
}

impl IceServer {
    /// What a client is told that comes at `now`, in Unix seconds: without the secret, and with
    /// credentials made from it.
    pub fn told(&self, now: u64, name: &str) -> Self {
        let Some(secret) = &self.secret else {
            return self.clone();
        };
        let expires_at = now.saturating_add(self.lifetime.as_secs());
        let TurnCredentials {
            username,
            credential,
        } = TurnCredentials::new(secret, expires_at, name);
        Self {
            urls: self.urls.clone(),
            username,
            credential,
            secret: None,
            lifetime: self.lifetime,
        }
    }

    /// Whether every URL has a scheme of RFC 7064 or RFC 7065, and TURN its credentials.
    pub(super) fn is_sound(&self) -> bool {
        // What ends up inside `<…>` and quoted strings of a header field.
        let is_plain = |text: &str| {
            text.len() <= 256
                && text
                    .bytes()
                    .all(|b| b.is_ascii_graphic() && !b"<>\"\\".contains(&b))
        };
        let has_both = !self.username.is_empty() && !self.credential.is_empty();
        let has_neither = self.username.is_empty() && self.credential.is_empty();
        let has_credentials = match self.secret {
            Some(_) => has_neither,
            None => has_both,
        };
        (1..=8).contains(&self.urls.len())
            && is_plain(&self.username)
            && is_plain(&self.credential)
            && self.urls.iter().all(|url| {
                let Some((scheme, rest)) = url.split_once(':') else {
                    return false;
                };
                is_plain(url)
                    && !rest.is_empty()
                    && match scheme {
                        "stun" | "stuns" => self.secret.is_none() && (has_neither || has_both),
                        "turn" | "turns" => has_credentials,
                        _ => false,
                    }
            })
    }
}

impl std::fmt::Debug for IceServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .field("username", &self.username)
            .field("credential", &"(hidden)")
            .finish()
    }
}

fn key_as_text<S: Serializer>(key: &Option<SecretKey>, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(key.as_ref().map_or("", SecretKey::expose))
}

pub(super) fn duration_as_text<S: Serializer>(
    value: &Duration,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&write_duration(value))
}

/// With the keys, as they stand in a settings file.
fn apps_as_tables<S: Serializer>(apps: &[App], serializer: S) -> Result<S::Ok, S::Error> {
    #[derive(Serialize)]
    struct Table<'a> {
        id: u32,
        keys: Vec<&'a str>,
        push_url_key: &'a str,
        play_url_key: &'a str,
        play_url_window: String,
        require_private_map_key: bool,
        admins: Vec<&'a str>,
        webhook_url: &'a str,
        webhook_key: &'a str,
        cdn_webhook_key: &'a str,
        webhook_before_chat: bool,
    }
    fn text(key: Option<&SecretKey>) -> &str {
        key.map_or("", SecretKey::expose)
    }
    serializer.collect_seq(apps.iter().map(|app| Table {
        id: app.id.0,
        keys: app.keys.iter().map(SecretKey::expose).collect(),
        push_url_key: text(app.push_url_key.as_ref()),
        play_url_key: text(app.play_url_key.as_ref()),
        play_url_window: write_duration(&Duration::from_secs(app.play_url_window)),
        require_private_map_key: app.require_private_map_key,
        admins: app.admins.iter().map(UserId::as_str).collect(),
        webhook_url: app.webhook.as_ref().map_or("", |hook| &hook.url),
        webhook_key: text(app.webhook.as_ref().and_then(|hook| hook.key.as_ref())),
        cdn_webhook_key: text(app.webhook.as_ref().and_then(|hook| hook.cdn_key.as_ref())),
        webhook_before_chat: app.webhook.as_ref().is_some_and(|hook| hook.before_chat),
    }))
}

fn mode_as_text<S: Serializer>(value: &RelayMode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(match value {
        RelayMode::Automatic => "automatic",
        RelayMode::Named => "named",
    })
}

fn bind_as_text<S: Serializer>(value: &MediaBind, serializer: S) -> Result<S::Ok, S::Error> {
    match value {
        MediaBind::Auto => serializer.serialize_str("auto"),
        MediaBind::Address(ip) => serializer.serialize_str(&ip.to_string()),
    }
}
