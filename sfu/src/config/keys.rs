//! The table of settings: one row a key, read the same way from all sources.

use std::net::IpAddr;
use std::time::Duration;

use super::apps::apps;
use super::live_keys::LIVE_KEYS;
use super::settings::{LogFormat, MediaBind, Settings};
use super::value::{self, Raw};
use crate::live::broadcasts::RelayMode;
use crate::media::offer::MAX_OFFER;

/// One setting.
pub(super) struct Key {
    /// Dotted name in the settings file.
    pub name: &'static str,
    /// Flag without dashes, where it is not the name with dashes.
    short: Option<&'static str>,
    /// One line for `--help`.
    pub help: &'static str,
    /// Whether the flag alone means `true`.
    pub is_switch: bool,
    /// Whether its values stay out of messages.
    pub is_secret: bool,
    /// Reads a value into the settings, or says what is allowed.
    pub set: fn(&mut Settings, Raw<'_>) -> Result<(), String>,
}

impl Key {
    pub(super) const fn new(
        name: &'static str,
        help: &'static str,
        set: fn(&mut Settings, Raw<'_>) -> Result<(), String>,
    ) -> Self {
        Self {
            name,
            short: None,
            help,
            is_switch: false,
            is_secret: false,
            set,
        }
    }

    const fn flag_named(mut self, flag: &'static str) -> Self {
        self.short = Some(flag);
        self
    }

    /// The flag alone means `true`.
    pub(super) const fn switch(mut self) -> Self {
        self.is_switch = true;
        self
    }

    /// Keeps its values out of messages.
    pub(super) const fn secret(mut self) -> Self {
        self.is_secret = true;
        self
    }

    /// The flag, without its dashes.
    pub(super) fn flag(&self) -> String {
        self.short
            .map_or_else(|| self.name.replace(['.', '_'], "-"), str::to_owned)
    }

    /// The environment variable.
    pub(super) fn variable(&self) -> String {
        format!("{PREFIX}{}", self.flag().to_uppercase().replace('-', "_"))
    }
}

/// What every environment variable of the server begins with.
pub(super) const PREFIX: &str = "WEBLIVE_";

const MS: Duration = Duration::from_millis(1);
pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const MINUTE: Duration = Duration::from_secs(60);

/// Every setting, in the order of `deploy/weblive.toml`.
pub(super) fn keys() -> impl Iterator<Item = &'static Key> {
    SERVER_KEYS.iter().chain(LIVE_KEYS)
}

/// The server itself.
const SERVER_KEYS: &[Key] = &[
    Key::new("listen", "Address and TCP port of HTTP", |s, raw| {
        s.listen = value::socket_address(raw)?;
        Ok(())
    }),
    Key::new(
        "data_dir",
        "Folder of what is kept on disk; empty to keep nothing",
        |s, raw| {
            s.data_dir = value::place(raw)?;
            Ok(())
        },
    )
    .flag_named("data"),
    Key {
        is_switch: true,
        ..Key::new(
            "insecure_open",
            "Let everybody in without a token on an address that others reach",
            |s, raw| {
                s.insecure_open = value::boolean(raw)?;
                Ok(())
            },
        )
    },
    Key {
        is_secret: true,
        ..Key::new(
            "apps",
            "Apps whose tokens are taken (an array of tables; better in the file)",
            |s, raw| {
                s.apps = apps(raw)?;
                Ok(())
            },
        )
    },
    Key {
        is_secret: true,
        ..Key::new(
            "ice_servers",
            "STUN and TURN servers told to clients (URLs with commas between)",
            |s, raw| {
                s.ice_servers = value::ice_servers(raw)?;
                Ok(())
            },
        )
    },
    Key::new(
        "tls.cert",
        "PEM file with the certificate chain",
        |s, raw| {
            s.tls.cert = value::path(raw)?;
            Ok(())
        },
    ),
    Key::new("tls.key", "PEM file with the private key", |s, raw| {
        s.tls.key = value::path(raw)?;
        Ok(())
    }),
    Key {
        is_switch: true,
        ..Key::new(
            "tls.self_signed",
            "Serve HTTPS with a certificate made at start",
            |s, raw| {
                s.tls.self_signed = value::boolean(raw)?;
                Ok(())
            },
        )
    },
    Key::new(
        "media.bind",
        "Local address of the media sockets, or auto",
        |s, raw| {
            let allowed = "\"auto\" or a local IP address";
            s.media.bind = match value::text(raw, allowed)?.as_str() {
                "auto" => MediaBind::Auto,
                text => MediaBind::Address(text.parse::<IpAddr>().map_err(|_| allowed.to_owned())?),
            };
            Ok(())
        },
    ),
    Key::new(
        "media.port",
        "First port of media; worker k uses this plus k",
        |s, raw| {
            s.media.port = value::number(raw, 0..=65_535)?;
            Ok(())
        },
    ),
    Key::new(
        "media.announce",
        "IP addresses told to clients, with commas between",
        |s, raw| {
            s.media.announce = value::addresses(raw)?;
            Ok(())
        },
    )
    .flag_named("announce"),
    Key::new(
        "media.workers",
        "Media threads; 0 for one a core",
        |s, raw| {
            s.media.workers = value::number(raw, 0..=256)?;
            Ok(())
        },
    )
    .flag_named("workers"),
    Key::new(
        "media.max_sessions",
        "Publishers and subscribers at once",
        |s, raw| {
            s.media.max_sessions = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "media.tcp",
        "Take media over TCP too, on the same port numbers",
        |s, raw| {
            s.media.tcp = value::boolean(raw)?;
            Ok(())
        },
    )
    .switch(),
    Key::new(
        "media.tcp_max_connections",
        "TCP connections for media at once",
        |s, raw| {
            s.media.tcp_max_connections = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "media.tcp_max_per_address",
        "TCP connections for media of one address at once",
        |s, raw| {
            s.media.tcp_max_per_address = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "media.linger",
        "How long subscribers stay without a publisher",
        |s, raw| {
            s.media.linger = value::duration(raw, Duration::ZERO..=60 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "media.loudest",
        "Streams of a room whose sound one member hears at once",
        |s, raw| {
            s.media.loudest = value::number(raw, 1..=1_000)?;
            Ok(())
        },
    ),
    Key::new(
        "media.audio_redundancy",
        "Send and take sound with redundancy (RED)",
        |s, raw| {
            s.media.audio_redundancy = value::boolean(raw)?;
            Ok(())
        },
    )
    .switch(),
    Key::new(
        "relay.mode",
        "Which publishers get CDN addresses: automatic or named",
        |s, raw| {
            s.relay.mode = value::choice(
                raw,
                &[
                    ("automatic", RelayMode::Automatic),
                    ("named", RelayMode::Named),
                ],
            )?;
            Ok(())
        },
    ),
    Key::new(
        "relay.segment_duration",
        "Length of an HLS Media Segment",
        |s, raw| {
            s.relay.segment_duration = value::duration(raw, SECOND..=10 * SECOND)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.part_duration",
        "Longest Partial Segment of Low-Latency HLS, 0s for plain HLS",
        |s, raw| {
            s.relay.part_duration = value::duration_or_none(raw, SECOND / 10..=SECOND)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.window",
        "Media Segments in an HLS Media Playlist",
        |s, raw| {
            s.relay.window = value::number(raw, 3..=60)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.max_latency",
        "How far a viewer of FLV or endless fMP4 may fall behind",
        |s, raw| {
            s.relay.max_latency = value::duration(raw, SECOND..=MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.viewer_timeout",
        "For a viewer of FLV or endless fMP4 that takes nothing",
        |s, raw| {
            s.relay.viewer_timeout = value::duration(raw, SECOND..=10 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.max_cache_bytes",
        "Bytes of FLV kept of one broadcast for all its viewers",
        |s, raw| {
            s.relay.max_cache_bytes = value::number(raw, 1 << 20..=1 << 30)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.linger",
        "How long a broadcast waits for its publisher to return",
        |s, raw| {
            s.relay.linger = value::duration(raw, Duration::ZERO..=10 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.keep_ended",
        "How long the playlist of an ended broadcast stays",
        |s, raw| {
            s.relay.keep_ended = value::duration(raw, Duration::ZERO..=60 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.time_shift",
        "How far back players of /live/{id}/dvr.m3u8 may go, 0s for none",
        |s, raw| {
            s.relay.time_shift = value::duration_or_none(raw, MINUTE / 2..=120 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.time_shift_memory_bytes",
        "Bytes of time shift in memory, of all broadcasts",
        |s, raw| {
            s.relay.time_shift_memory_bytes = value::number(raw, 16 << 20..=1 << 40)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.time_shift_folder",
        "Folder for time shift beyond memory; empty for memory alone",
        |s, raw| {
            s.relay.time_shift_folder = value::place(raw)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.time_shift_max_bytes",
        "Bytes of time shift in its folder, of all broadcasts",
        |s, raw| {
            s.relay.time_shift_max_bytes = value::number(raw, 64 << 20..=1 << 50)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.aac_bit_rate_bps",
        "AAC bit rate in bits a second",
        |s, raw| {
            s.relay.aac_bit_rate_bps = value::number(raw, 32_000..=320_000)?;
            Ok(())
        },
    ),
    Key::new("relay.max_broadcasts", "Broadcasts at once", |s, raw| {
        s.relay.max_broadcasts = value::number(raw, 1..=100_000)?;
        Ok(())
    }),
    Key::new(
        "relay.max_viewers_per_broadcast",
        "Viewers of FLV and endless fMP4 of one broadcast at once",
        |s, raw| {
            s.relay.max_viewers_per_broadcast = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.max_viewers",
        "Viewers of FLV and endless fMP4 at once",
        |s, raw| {
            s.relay.max_viewers = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "relay.max_viewers_per_address",
        "Viewers of one address at once; 0 for no bound",
        |s, raw| {
            s.relay.max_viewers_per_address = value::number(raw, 0..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "edge.origin",
        "Where weblive edge pulls streams from: http(s)://host",
        |s, raw| {
            let allowed = "an address such as https://origin.example, or nothing";
            s.edge.origin = match value::text(raw, allowed)?.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|_| allowed.to_owned())?),
            };
            Ok(())
        },
    ),
    Key::new(
        "edge.origin_key",
        "The origin's play_url_key, if it signs its addresses",
        |s, raw| {
            let allowed = "a key of at least one character, or nothing";
            s.edge.origin_key = match value::text(raw, allowed)?.as_str() {
                "" => None,
                text => Some(text.parse().map_err(|_| allowed.to_owned())?),
            };
            Ok(())
        },
    )
    .secret(),
    Key::new(
        "edge.linger",
        "How long a stream is pulled after its last viewer left",
        |s, raw| {
            s.edge.linger = value::duration(raw, 2 * SECOND..=60 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "edge.retry_for",
        "How long a stream that was lost is asked for again",
        |s, raw| {
            s.edge.retry_for = value::duration(raw, Duration::ZERO..=60 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "edge.max_streams",
        "Streams live at once on an edge",
        |s, raw| {
            s.edge.max_streams = value::number(raw, 1..=100_000)?;
            Ok(())
        },
    ),
    Key::new(
        "http.max_connections",
        "TCP connections at once",
        |s, raw| {
            s.http.max_connections = value::number(raw, 1..=1_000_000)?;
            Ok(())
        },
    ),
    Key::new(
        "http.header_timeout",
        "For a TLS handshake or a request's header section",
        |s, raw| {
            s.http.header_timeout = value::duration(raw, 100 * MS..=5 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new("http.body_timeout", "For a request's body", |s, raw| {
        s.http.body_timeout = value::duration(raw, 100 * MS..=5 * MINUTE)?;
        Ok(())
    }),
    Key::new(
        "http.write_timeout",
        "For a client that takes nothing of a response",
        |s, raw| {
            s.http.write_timeout = value::duration(raw, SECOND..=10 * MINUTE)?;
            Ok(())
        },
    ),
    Key::new(
        "http.max_header_bytes",
        "Bytes of a request's header section",
        |s, raw| {
            s.http.max_header_bytes = value::number(raw, 8_192..=1_048_576)?;
            Ok(())
        },
    ),
    Key::new(
        "http.max_sdp_bytes",
        "Bytes of an SDP offer or fragment",
        |s, raw| {
            s.http.max_sdp_bytes = value::number(raw, 4_096..=MAX_OFFER)?;
            Ok(())
        },
    ),
    Key::new(
        "http.trusted_proxies",
        "Proxies whose word on a client's address is taken",
        |s, raw| {
            s.http.trusted_proxies = value::prefixes(raw)?;
            Ok(())
        },
    ),
    Key::new(
        "cors.origins",
        "Origins whose pages may use the server, or *",
        |s, raw| {
            s.cors.origins = value::origins(raw)?;
            Ok(())
        },
    ),
    Key::new(
        "log.level",
        "Level, or target=level parts with commas between",
        |s, raw| {
            s.log.level = value::log_filter(raw)?;
            Ok(())
        },
    )
    .flag_named("log"),
    Key::new("log.format", "text or json", |s, raw| {
        s.log.format = value::choice(raw, &[("text", LogFormat::Text), ("json", LogFormat::Json)])?;
        Ok(())
    }),
    Key::new(
        "shutdown.deadline",
        "From the signal to the exit, whatever hangs",
        |s, raw| {
            s.shutdown.deadline = value::duration(raw, 500 * MS..=MINUTE)?;
            Ok(())
        },
    ),
];
