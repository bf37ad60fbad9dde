//! Settings: a TOML file, environment variables and flags, in rising order.
//!
//! All three name the same keys: `media.port` in the file is `WEBLIVE_MEDIA_PORT`
//! in the environment and `--media-port` on the command line.

mod addresses;
mod apps;
mod command;
mod edge;
mod error;
mod keys;
mod live;
mod live_keys;
mod prefix;
mod settings;
mod value;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use addresses::{MediaAddresses, interface_addresses};
pub use command::{Task, TokenRequest};
pub use edge::EdgeSettings;
pub use error::{ConfigError, ConfigErrors, Source};
pub use live::{
    ApiSettings, ChatSettings, DevSettings, ImagesSettings, PushSettings, RecordPlace,
    RecordSettings, RoomsSettings, SignalSettings, StoreSettings, WebhooksSettings,
};
pub use prefix::{NoPrefix, Prefix};
pub use settings::{
    CorsSettings, HttpSettings, IceServer, LogFormat, LogSettings, MediaBind, MediaSettings,
    RelaySettings, Settings, ShutdownSettings, TlsSettings,
};

use command::{CONFIG_VARIABLE, command};
use error::nearest;
use keys::{Key, PREFIX, keys};
use value::{Raw, write_duration};

/// Settings as read from all sources.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// The settings, checked.
    pub settings: Settings,
    /// What to do with them.
    pub task: Task,
    /// Things that look wrong and are not refused, for the log.
    pub warnings: Vec<String>,
}

/// Why there are no settings.
#[derive(Debug)]
pub enum LoadError {
    /// `--help`, `--version`, or flags that cannot be read; prints itself.
    Usage(clap::Error),
    /// Wrong values.
    Wrong(ConfigErrors),
}

/// Reads settings from flags, environment and the settings file that they name.
///
/// `arguments` begins with the program's name; `read` reads a file.
pub fn load(
    arguments: impl IntoIterator<Item = OsString>,
    environment: impl IntoIterator<Item = (String, String)>,
    read: impl Fn(&Path) -> std::io::Result<String>,
) -> Result<Loaded, LoadError> {
    let flags = command()
        .try_get_matches_from(arguments)
        .map_err(LoadError::Usage)?;
    let environment: BTreeMap<String, String> = environment
        .into_iter()
        .filter(|(name, _)| name.starts_with(PREFIX))
        .collect();
    let mut layers = Layers::default();

    let file = command::config_file(&flags).or_else(|| {
        environment
            .get(CONFIG_VARIABLE)
            .filter(|f| !f.is_empty())
            .map(PathBuf::from)
    });
    if let Some(path) = file {
        match read(&path) {
            Ok(text) => layers.apply_file(&path, &text),
            Err(error) => layers.errors.push(ConfigError::Unreadable {
                path,
                reason: error.to_string(),
            }),
        }
    }
    layers.apply_environment(&environment);
    for key in keys() {
        if let Some((flag, text)) = command::setting(&flags, key) {
            layers.apply(key, Raw::Text(text), Source::Flag(format!("--{flag}")));
        }
    }
    let task = command::task(&flags);
    if command::is_edge(&flags) && layers.settings.edge.origin.is_none() && layers.errors.is_empty()
    {
        layers.errors.push(ConfigError::Conflict {
            key: "edge.origin",
            value: "empty".to_owned(),
            reason: "an edge needs the address of its origin: weblive edge --origin URL".to_owned(),
        });
    }
    // Relations between values say nothing useful while single values are wrong.
    if layers.errors.is_empty() {
        layers.errors.extend(conflicts(&layers.settings));
    }
    if !layers.errors.is_empty() {
        return Err(LoadError::Wrong(ConfigErrors(layers.errors)));
    }
    Ok(Loaded {
        settings: layers.settings,
        task,
        warnings: layers.warnings,
    })
}

impl Settings {
    /// Reads settings from the text of a settings file alone.
    pub fn from_toml(path: &Path, text: &str) -> Result<Self, ConfigErrors> {
        let mut layers = Layers::default();
        layers.apply_file(path, text);
        if layers.errors.is_empty() {
            layers.errors.extend(conflicts(&layers.settings));
        }
        if layers.errors.is_empty() {
            Ok(layers.settings)
        } else {
            Err(ConfigErrors(layers.errors))
        }
    }
}

/// The parser's message without the line that it quotes: a key may stand there.
fn place_and_message(text: &str, error: &toml::de::Error) -> String {
    let before = error
        .span()
        .and_then(|span| text.get(..span.start))
        .unwrap_or_default();
    let line = before.matches('\n').count() + 1;
    let column = before.rsplit('\n').next().map_or(0, |l| l.chars().count()) + 1;
    format!("line {line}, column {column}: {}", error.message().trim())
}

#[derive(Default)]
struct Layers {
    settings: Settings,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl Layers {
    fn apply(&mut self, key: &Key, raw: Raw<'_>, source_of: Source) {
        if let Err(allowed) = (key.set)(&mut self.settings, raw) {
            let value = if key.is_secret {
                "the value given (hidden: it may hold a secret)".to_owned()
            } else {
                raw.shown()
            };
            self.errors.push(ConfigError::WrongValue {
                key: key.name.to_owned(),
                value,
                source_of,
                allowed,
            });
        }
    }

    fn apply_file(&mut self, path: &Path, text: &str) {
        match text.parse::<toml::Table>() {
            Ok(table) => self.apply_table("", &table, path),
            Err(error) => self.errors.push(ConfigError::NotToml {
                path: path.to_owned(),
                reason: place_and_message(text, &error),
            }),
        }
    }

    fn apply_table(&mut self, prefix: &str, table: &toml::Table, path: &Path) {
        for (name, value) in table {
            let key_name = format!("{prefix}{name}");
            let inner = format!("{key_name}.");
            let source = Source::File(path.to_owned());
            if let Some(key) = keys().find(|key| key.name == key_name) {
                self.apply(key, Raw::Toml(value), source);
            } else if keys().any(|key| key.name.starts_with(&inner)) {
                match value.as_table() {
                    Some(table) => self.apply_table(&inner, table, path),
                    None => self.errors.push(ConfigError::WrongValue {
                        value: Raw::Toml(value).shown(),
                        source_of: source,
                        allowed: format!("a table [{key_name}]"),
                        key: key_name,
                    }),
                }
            } else {
                let sections = keys()
                    .filter_map(|key| key.name.split_once('.'))
                    .map(|k| k.0);
                let hint = nearest(&key_name, keys().map(|key| key.name).chain(sections));
                self.errors.push(ConfigError::UnknownKey {
                    hint: hint.map(str::to_owned),
                    key: key_name,
                    source_of: source,
                });
            }
        }
    }

    fn apply_environment(&mut self, environment: &BTreeMap<String, String>) {
        let names: Vec<String> = keys().map(Key::variable).collect();
        for (name, text) in environment {
            let key = keys().zip(&names).find(|(_, known)| *known == name);
            if let Some((key, _)) = key {
                self.apply(key, Raw::Text(text), Source::Environment(name.clone()));
                continue;
            }
            if name == CONFIG_VARIABLE || is_kubernetes(name) {
                continue;
            }
            // A name that no setting resembles belongs to somebody else.
            let suffixes = names.iter().map(|known| &known[PREFIX.len()..]);
            match nearest(&name[PREFIX.len()..], suffixes) {
                Some(hint) => self.errors.push(ConfigError::UnknownKey {
                    key: name.clone(),
                    source_of: Source::Environment(name.clone()),
                    hint: Some(format!("{PREFIX}{hint}")),
                }),
                None => self.warnings.push(format!(
                    "the environment variable {name} is no setting: ignored"
                )),
            }
        }
    }
}

/// Kubernetes sets these for a service named weblive in every container beside it.
fn is_kubernetes(name: &str) -> bool {
    let rest = &name[PREFIX.len()..];
    rest.starts_with("SERVICE_") || rest == "PORT" || rest.starts_with("PORT_")
}

fn conflicts(settings: &Settings) -> Vec<ConfigError> {
    let mut found = Vec::new();
    let tls = &settings.tls;
    let (has_cert, has_key) = (
        !tls.cert.as_os_str().is_empty(),
        !tls.key.as_os_str().is_empty(),
    );
    if has_cert != has_key {
        let (key, other) = if has_cert {
            ("tls.key", "tls.cert")
        } else {
            ("tls.cert", "tls.key")
        };
        found.push(ConfigError::Conflict {
            key,
            value: "empty".to_owned(),
            reason: format!("{other} is given, and HTTPS needs both"),
        });
    }
    if tls.self_signed && has_cert {
        found.push(ConfigError::Conflict {
            key: "tls.self_signed",
            value: "true".to_owned(),
            reason: "tls.cert is given: use one of the two".to_owned(),
        });
    }
    let listen = settings.listen;
    if settings.apps.is_empty() && !listen.ip().is_loopback() && !settings.insecure_open {
        found.push(ConfigError::Conflict {
            key: "apps",
            value: "empty".to_owned(),
            reason: format!(
                "without an app everybody may publish and watch under any name, and `listen` is \
                 {listen}, which others reach; allowed are one or more apps, a loopback `listen` \
                 such as 127.0.0.1:8080, or insecure_open = true (--insecure-open)"
            ),
        });
    }
    let gives_tokens = settings.dev.tokens;
    if settings.insecure_open && !settings.apps.is_empty() && !gives_tokens {
        found.push(ConfigError::Conflict {
            key: "insecure_open",
            value: "true".to_owned(),
            reason: "`apps` are configured, so that tokens are checked: use one of the two"
                .to_owned(),
        });
    }
    if gives_tokens && settings.apps.is_empty() {
        found.push(ConfigError::Conflict {
            key: "dev.tokens",
            value: "true".to_owned(),
            reason: "there is no app in `apps` whose tokens could be given; without one the \
                     server asks for none"
                .to_owned(),
        });
    }
    if gives_tokens && !listen.ip().is_loopback() && !settings.insecure_open {
        found.push(ConfigError::Conflict {
            key: "dev.tokens",
            value: "true".to_owned(),
            reason: format!(
                "everybody who reaches the server could be any user of any app, and `listen` is \
                 {listen}, which others reach; allowed are a loopback `listen` such as \
                 127.0.0.1:8080, or insecure_open = true (--insecure-open)"
            ),
        });
    }
    let (linger, segment) = (settings.edge.linger, settings.relay.segment_duration);
    if linger < segment * 2 {
        found.push(ConfigError::Conflict {
            key: "edge.linger",
            value: write_duration(&linger),
            reason: format!(
                "players of HLS come once in a segment of {} (relay.segment_duration), and a stream \
                 would end between: allowed is at least {}",
                write_duration(&segment),
                write_duration(&(segment * 2))
            ),
        });
    }
    if let Some(shift) = settings.time_shift()
        && shift.folder.is_none()
        && shift.memory_bytes < least_memory(shift.window)
    {
        let nowhere = match settings.relay.time_shift_folder.as_os_str().is_empty() {
            true => "relay.time_shift_folder is empty",
            false => "data_dir is empty and relay.time_shift_folder lies in it",
        };
        found.push(ConfigError::Conflict {
            key: "relay.time_shift",
            value: write_duration(&shift.window),
            reason: format!(
                "{nowhere}, and one stream of 2 Mbit/s does not fit into \
                 relay.time_shift_memory_bytes = {}: allowed are a folder, a shorter window, or at \
                 least {} bytes",
                shift.memory_bytes,
                least_memory(shift.window)
            ),
        });
    }
    let media = &settings.media;
    let last = usize::from(media.port) + media.workers.max(1) - 1;
    if media.port != 0 && last > usize::from(u16::MAX) {
        found.push(ConfigError::Conflict {
            key: "media.port",
            value: media.port.to_string(),
            reason: format!(
                "{} workers need ports up to {last}: allowed is at most {}",
                media.workers,
                usize::from(u16::MAX) + 1 - media.workers
            ),
        });
    }
    let http = usize::from(listen.port());
    if media.tcp && http != 0 && (usize::from(media.port)..=last).contains(&http) {
        found.push(ConfigError::Conflict {
            key: "media.tcp",
            value: "true".to_owned(),
            reason: format!(
                "media over TCP needs the ports from {} to {last}, and `listen` has {http}: \
                 allowed is another `media.port`, or media.tcp = false",
                media.port
            ),
        });
    }
    let (shown, kept) = (settings.chat.history, settings.store.history);
    if usize::try_from(kept).is_ok_and(|kept| shown > kept) {
        found.push(ConfigError::Conflict {
            key: "chat.history",
            value: shown.to_string(),
            reason: format!("`store.history` keeps {kept} messages of a room: that is the most"),
        });
    }
    let signal = &settings.signal;
    if signal.max_waiting_bytes < signal.max_message_bytes {
        found.push(ConfigError::Conflict {
            key: "signal.max_waiting_bytes",
            value: signal.max_waiting_bytes.to_string(),
            reason: format!(
                "a message may have {} bytes (`signal.max_message_bytes`), and one must fit",
                signal.max_message_bytes
            ),
        });
    }
    if let Err(error) = MediaAddresses::plan(settings, &[]) {
        found.push(error);
    }
    found
}

/// What a window of one usual stream takes: 2 Mbit/s.
fn least_memory(window: Duration) -> u64 {
    window.as_secs().saturating_mul(250_000)
}

#[cfg(test)]
mod tests;
