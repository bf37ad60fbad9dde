//! Settings of live rooms, and of what belongs to them: chat, store, images, signalling.

use std::path::{Path, PathBuf};
use std::time::Duration;

use relay::TimeShiftConfig;
use relay::push::HostRule;
use relay::record::{BucketAddress, StreamPattern};
use serde::{Serialize, Serializer};

use super::settings::{Settings, duration_as_text};
use crate::auth::{App, SecretKey};
use crate::images::ImageLimits;
use crate::live::Limits;
use crate::live::chat::{ChatLimits, FilterMode};
use crate::store::SqliteConfig;
use crate::webhook::{AppHook, WebhookConfig};

/// Bounds and waits of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RoomsSettings {
    /// Rooms at once.
    pub max_rooms: usize,
    /// Connections at once, guests and lost ones included.
    pub max_connections: usize,
    /// Rooms that one connection is in.
    pub max_rooms_per_connection: usize,
    /// Rooms that one user may create and own at once; the back end may create more.
    pub max_rooms_per_owner: usize,
    /// Members of one room, without guests.
    pub max_members: usize,
    /// Guests of one room.
    pub max_guests: usize,
    /// Anchors of one room.
    pub max_anchors: usize,
    /// Administrators of one room.
    pub max_administrators: usize,
    /// Seats of one room.
    pub max_seats: u16,
    /// Open applications of one room, and as many open invitations.
    pub max_seat_requests: usize,
    /// Connected rooms in one group.
    pub max_cohosts: usize,
    /// Running bans of one room.
    pub max_bans_per_room: usize,
    /// Running bans on this server.
    pub max_bans: usize,
    /// How long a lost connection and its seat are kept.
    #[serde(serialize_with = "duration_as_text")]
    pub resume_grace: Duration,
    /// How long a room without owner stays when it is empty.
    #[serde(serialize_with = "duration_as_text")]
    pub empty_room: Duration,
    /// How long a room that was created by its owner stays when it is empty.
    #[serde(serialize_with = "duration_as_text")]
    pub empty_owned_room: Duration,
}

/// Messages of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ChatSettings {
    /// Messages that those who enter are given.
    pub history: usize,
    /// Most messages and notices that a room delivers in any second.
    pub messages_per_second: u32,
    /// Messages of one user in a room, a second in the long run.
    pub user_messages_per_second: u32,
    /// Messages of one user in a room at once.
    pub user_message_burst: u32,
    /// Likes of one user in a room, a second in the long run.
    pub user_likes_per_second: u32,
    /// The shortest time between two totals of a room's likes.
    #[serde(serialize_with = "duration_as_text")]
    pub likes_interval: Duration,
    /// Word lists whose words become `*`: files, or folders of `.txt` files.
    pub mask_words: Vec<PathBuf>,
    /// Word lists whose words make a message vanish.
    pub drop_words: Vec<PathBuf>,
    /// Word lists whose words make a message refused.
    pub reject_words: Vec<PathBuf>,
    /// How often the word lists are looked at for changes.
    #[serde(serialize_with = "duration_as_text")]
    pub reload_interval: Duration,
}

/// What outlives a restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StoreSettings {
    /// The database, inside `data_dir` unless it is absolute; empty for memory alone.
    pub file: PathBuf,
    /// Messages kept of each room.
    pub history: u32,
    /// Rooms kept; those not touched for longest go.
    pub max_rooms: u32,
    /// Profiles kept; those not touched for longest go.
    pub max_profiles: u32,
    /// Changes that may wait for the disk.
    pub max_waiting: usize,
}

/// Uploaded pictures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ImagesSettings {
    /// Where they are kept, inside `data_dir` unless it is absolute; empty for no uploads.
    pub folder: PathBuf,
    /// Bytes of all of them, smaller copies included; the oldest go first.
    pub max_total_bytes: u64,
    /// Bytes of one upload.
    pub max_bytes: usize,
    /// Pixels of an upload's longer side.
    pub max_side: u32,
    /// Pixels of an upload.
    pub max_pixels: u64,
    /// Uploads of one user, or of one address where nobody has to log in, in a minute.
    pub max_per_minute: u32,
    /// Uploads that are unpacked at the same time.
    pub max_at_once: usize,
}

/// Streams that are pushed to other servers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PushSettings {
    /// Pushes of one stream at once.
    pub max_per_stream: usize,
    /// Pushes of one app at once.
    pub max_per_app: usize,
    /// All pushes at once.
    pub max_pushes: usize,
    /// Hosts to which publishers' pages may have the server push.
    #[serde(serialize_with = "hosts_as_text")]
    pub page_hosts: Vec<HostRule>,
    /// Hosts that may have addresses of private networks.
    #[serde(serialize_with = "hosts_as_text")]
    pub private_hosts: Vec<HostRule>,
}

impl Default for PushSettings {
    fn default() -> Self {
        Self {
            max_per_stream: 4,
            max_per_app: 100,
            max_pushes: 500,
            page_hosts: Vec::new(),
            private_hosts: Vec::new(),
        }
    }
}

fn hosts_as_text<S: Serializer>(hosts: &[HostRule], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(hosts.iter().map(ToString::to_string))
}

/// Streams that are recorded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RecordSettings {
    /// Where recordings are kept, inside `data_dir` unless it is absolute or the address of a bucket;
    /// empty for none. See [`Settings::record_place`].
    pub folder: PathBuf,
    /// Streams that are recorded from their beginning.
    #[serde(serialize_with = "patterns_as_text")]
    pub auto: Vec<StreamPattern>,
    /// Whether one MP4 file is made at the end.
    pub mp4: bool,
    /// What plays of one at most.
    #[serde(serialize_with = "duration_as_text")]
    pub max_duration: Duration,
    /// Bytes of the segments of one.
    pub max_bytes: u64,
    /// Recordings of one app that go on at once.
    pub max_per_app: usize,
    /// All recordings that go on at once.
    pub max_recordings: usize,
    /// Recordings that are listed after their end.
    pub max_listed: usize,
    /// Whether players get them below `/recordings/`.
    pub serve: bool,
    /// Files of recordings that are sent at once.
    pub max_reads: usize,
    /// The same to one address.
    pub max_reads_per_address: usize,
}

impl Default for RecordSettings {
    fn default() -> Self {
        Self {
            folder: PathBuf::from("recordings"),
            auto: Vec::new(),
            mp4: true,
            max_duration: Duration::from_secs(12 * 3_600),
            max_bytes: 64 << 30,
            max_per_app: 50,
            max_recordings: 100,
            max_listed: 10_000,
            serve: true,
            max_reads: 500,
            max_reads_per_address: 100,
        }
    }
}

fn patterns_as_text<S: Serializer>(
    patterns: &[StreamPattern],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(patterns.iter().map(ToString::to_string))
}

/// The WebSocket of rooms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SignalSettings {
    /// Pages that may open it: `*`, origins, or none for those of `cors.origins`, which on an
    /// open server means its own pages alone while that is `*`.
    pub origins: Vec<String>,
    /// Sockets at once.
    pub max_sockets: usize,
    /// Sockets of one address at once; 0 for no bound.
    pub max_sockets_per_address: usize,
    /// Bytes of one message from a client.
    pub max_message_bytes: usize,
    /// Messages of one socket, a second in the long run.
    pub messages_per_second: u32,
    /// Messages of one socket at once.
    pub message_burst: u32,
    /// Messages that may wait for a socket that is slow.
    pub max_waiting_messages: usize,
    /// Bytes of the messages that may wait for a socket.
    pub max_waiting_bytes: usize,
    /// How long a socket may stay without a login.
    #[serde(serialize_with = "duration_as_text")]
    pub login_timeout: Duration,
    /// How long nothing may come from a client before its socket is closed.
    #[serde(serialize_with = "duration_as_text")]
    pub idle_timeout: Duration,
}

/// How webhooks are called; where to stands in each app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct WebhooksSettings {
    /// For one try.
    #[serde(serialize_with = "duration_as_text")]
    pub timeout: Duration,
    /// For the question before a message; without an answer the message is sent.
    #[serde(serialize_with = "duration_as_text")]
    pub before_chat_timeout: Duration,
    /// How long a notice is tried again.
    #[serde(serialize_with = "duration_as_text")]
    pub retry_for: Duration,
    /// Notices of all apps that may wait.
    pub max_waiting: usize,
}

/// The REST interface for back ends.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ApiSettings {
    /// Tokens of operators: each is good for every app.
    #[serde(serialize_with = "keys_as_texts")]
    pub tokens: Vec<SecretKey>,
}

/// For developing pages.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DevSettings {
    /// Whether everybody who asks is given tokens of the apps.
    pub tokens: bool,
}

/// Where recordings are kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RecordPlace {
    /// A folder of this machine.
    Folder(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket(BucketAddress),
}

impl Settings {
    /// The database file, or none when everything is kept in memory.
    pub fn store_file(&self) -> Option<PathBuf> {
        self.kept_at(&self.store.file)
    }

    /// The folder of uploaded images, or none when there are no uploads.
    pub fn images_folder(&self) -> Option<PathBuf> {
        self.kept_at(&self.images.folder)
    }

    /// Where recordings are kept, or none when nothing is recorded.
    pub fn record_place(&self) -> Option<RecordPlace> {
        let folder = &self.record.folder;
        // Its text was read as an address at the start, if it is one.
        let bucket = folder.to_str().and_then(|text| text.parse().ok());
        match bucket {
            Some(bucket) => Some(RecordPlace::Bucket(bucket)),
            None => self.kept_at(folder).map(RecordPlace::Folder),
        }
    }

    /// Time shift as the relay wants it, or none when nothing is kept for players that go back.
    pub fn time_shift(&self) -> Option<TimeShiftConfig> {
        let relay = &self.relay;
        (!relay.time_shift.is_zero()).then(|| TimeShiftConfig {
            window: relay.time_shift,
            memory_bytes: relay.time_shift_memory_bytes,
            folder: self.kept_at(&relay.time_shift_folder),
            max_bytes: relay.time_shift_max_bytes,
        })
    }

    /// The back ends of the apps, and how they are called.
    pub fn webhook_config(&self) -> WebhookConfig {
        let hook_of = |app: &App| {
            let hook = app.webhook.as_ref()?;
            // Its text was read as one at the start.
            let hook = AppHook {
                url: hook.url.parse().ok()?,
                key: hook.key.clone(),
                cdn_key: hook.cdn_key.clone(),
                before_chat: hook.before_chat,
            };
            Some((app.id, hook))
        };
        WebhookConfig {
            apps: self.apps.iter().filter_map(hook_of).collect(),
            timeout: self.webhooks.timeout,
            ask_timeout: self.webhooks.before_chat_timeout,
            retry_for: self.webhooks.retry_for,
            max_waiting: self.webhooks.max_waiting,
            ..WebhookConfig::default()
        }
    }

    fn kept_at(&self, path: &Path) -> Option<PathBuf> {
        let is_nowhere = self.data_dir.as_os_str().is_empty() && path.is_relative();
        (!path.as_os_str().is_empty() && !is_nowhere).then(|| self.data_dir.join(path))
    }
}

impl RoomsSettings {
    /// These bounds for the rooms' core.
    pub fn limits(&self) -> Limits {
        Limits {
            connections: self.max_connections,
            rooms: self.max_rooms,
            rooms_per_connection: self.max_rooms_per_connection,
            rooms_per_owner: self.max_rooms_per_owner,
            members: self.max_members,
            guests: self.max_guests,
            anchors: self.max_anchors,
            administrators: self.max_administrators,
            seats: self.max_seats,
            seat_requests: self.max_seat_requests,
            cohosts: self.max_cohosts,
            bans_per_room: self.max_bans_per_room,
            bans: self.max_bans,
            resume: self.resume_grace,
            empty_room: self.empty_room,
            empty_owned_room: self.empty_owned_room,
            ..Limits::default()
        }
    }
}

impl ChatSettings {
    /// These bounds for the chat of each room.
    pub fn limits(&self) -> ChatLimits {
        ChatLimits {
            history: self.history,
            messages_per_second: self.messages_per_second,
            user_messages_per_second: self.user_messages_per_second,
            user_message_burst: self.user_message_burst,
            user_likes_per_second: self.user_likes_per_second,
            likes_interval: self.likes_interval,
        }
    }

    /// The word lists with what their words do.
    pub fn word_lists(&self) -> Vec<(PathBuf, FilterMode)> {
        let lists = [
            (&self.mask_words, FilterMode::Mask),
            (&self.drop_words, FilterMode::Drop),
            (&self.reject_words, FilterMode::Reject),
        ];
        let with_mode = |(paths, mode): (&Vec<PathBuf>, FilterMode)| {
            paths.iter().map(move |path| (path.clone(), mode)).collect()
        };
        lists.into_iter().flat_map::<Vec<_>, _>(with_mode).collect()
    }
}

impl StoreSettings {
    /// These bounds for the store.
    pub fn config(&self) -> SqliteConfig {
        SqliteConfig {
            queue: self.max_waiting,
            history: self.history,
            rooms: self.max_rooms,
            profiles: self.max_profiles,
            ..SqliteConfig::default()
        }
    }
}

impl ImagesSettings {
    /// These bounds for one upload.
    pub fn limits(&self) -> ImageLimits {
        ImageLimits {
            bytes: self.max_bytes,
            side: self.max_side,
            pixels: self.max_pixels,
        }
    }
}

impl Default for RoomsSettings {
    fn default() -> Self {
        let limits = Limits::default();
        Self {
            max_rooms: limits.rooms,
            max_connections: limits.connections,
            max_rooms_per_connection: limits.rooms_per_connection,
            max_rooms_per_owner: limits.rooms_per_owner,
            max_members: limits.members,
            max_guests: limits.guests,
            max_anchors: limits.anchors,
            max_administrators: limits.administrators,
            max_seats: limits.seats,
            max_seat_requests: limits.seat_requests,
            max_cohosts: limits.cohosts,
            max_bans_per_room: limits.bans_per_room,
            max_bans: limits.bans,
            resume_grace: limits.resume,
            empty_room: limits.empty_room,
            empty_owned_room: limits.empty_owned_room,
        }
    }
}

impl Default for ChatSettings {
    fn default() -> Self {
        let limits = ChatLimits::default();
        Self {
            history: limits.history,
            messages_per_second: limits.messages_per_second,
            user_messages_per_second: limits.user_messages_per_second,
            user_message_burst: limits.user_message_burst,
            user_likes_per_second: limits.user_likes_per_second,
            likes_interval: limits.likes_interval,
            mask_words: Vec::new(),
            drop_words: Vec::new(),
            reject_words: Vec::new(),
            reload_interval: Duration::from_secs(5),
        }
    }
}

impl Default for StoreSettings {
    fn default() -> Self {
        let config = SqliteConfig::default();
        Self {
            file: PathBuf::from("weblive.db"),
            history: config.history,
            max_rooms: config.rooms,
            max_profiles: config.profiles,
            max_waiting: config.queue,
        }
    }
}

impl Default for ImagesSettings {
    fn default() -> Self {
        let limits = ImageLimits::default();
        Self {
            folder: PathBuf::from("images"),
            max_total_bytes: 10 << 30,
            max_bytes: limits.bytes,
            max_side: limits.side,
            max_pixels: limits.pixels,
            max_per_minute: 20,
            max_at_once: 2,
        }
    }
}

impl Default for SignalSettings {
    fn default() -> Self {
        Self {
            origins: Vec::new(),
            max_sockets: 16_000,
            max_sockets_per_address: 2_000,
            // An answer for the most tracks that one receiver can have, with its line ends escaped.
            max_message_bytes: 192 * 1024,
            messages_per_second: 50,
            message_burst: 200,
            max_waiting_messages: 2_000,
            max_waiting_bytes: 2 << 20,
            login_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(45),
        }
    }
}

impl Default for WebhooksSettings {
    fn default() -> Self {
        let config = WebhookConfig::default();
        Self {
            timeout: config.timeout,
            before_chat_timeout: config.ask_timeout,
            retry_for: config.retry_for,
            max_waiting: config.max_waiting,
        }
    }
}

fn keys_as_texts<S: Serializer>(keys: &[SecretKey], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(keys.iter().map(SecretKey::expose))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::AppId;

    #[test]
    fn the_defaults_are_those_of_the_parts_that_they_are_for() {
        let settings = Settings::default();
        assert_eq!(settings.rooms.limits(), Limits::default());
        assert_eq!(settings.store.config(), SqliteConfig::default());
        assert_eq!(settings.images.limits(), ImageLimits::default());
        assert_eq!(settings.chat.limits(), ChatLimits::default());
        assert_eq!(settings.webhook_config(), WebhookConfig::default());
    }

    #[test]
    fn what_is_kept_lies_in_the_data_folder_unless_it_is_named_whole_or_not_at_all() {
        let mut settings = Settings::default();
        let file = |settings: &Settings| settings.store_file();
        assert_eq!(file(&settings), Some("weblive-data/weblive.db".into()));
        assert_eq!(settings.images_folder(), Some("weblive-data/images".into()));
        let folder = |path: &str| Some(RecordPlace::Folder(path.into()));
        assert_eq!(settings.record_place(), folder("weblive-data/recordings"));
        settings.data_dir = "/srv/weblive".into();
        assert_eq!(file(&settings), Some("/srv/weblive/weblive.db".into()));
        settings.store.file = "/fast/chat.db".into();
        assert_eq!(file(&settings), Some("/fast/chat.db".into()));
        settings.data_dir = PathBuf::new();
        assert_eq!(file(&settings), Some("/fast/chat.db".into()));
        assert_eq!(settings.images_folder(), None);
        assert_eq!(settings.record_place(), None);
        settings.record.folder = "s3://recordings/live".into();
        let bucket = "s3://recordings/live".parse().map(RecordPlace::Bucket);
        assert_eq!(settings.record_place(), bucket.ok());
        settings.store.file = PathBuf::new();
        assert_eq!(file(&settings), None);
    }

    #[test]
    fn an_app_with_an_address_has_a_back_end() {
        let toml = "apps = [{ id = 1, keys = [\"a\"] }, { id = 2, keys = [\"b\"], \
            webhook_url = \"https://a.example/h\", webhook_key = \"k\", webhook_before_chat = true }]";
        let settings = Settings::from_toml(Path::new("x"), toml).expect("settings");
        let config = settings.webhook_config();
        assert!(!config.tells(AppId(1)) && config.tells(AppId(2)) && config.asks(AppId(2)));
        let hook = &config.apps[&AppId(2)];
        assert!(hook.url.is_https() && hook.key.is_some() && hook.cdn_key.is_none());
    }

    #[test]
    fn every_word_list_has_the_mode_of_its_key() {
        let chat = ChatSettings {
            mask_words: vec!["a".into()],
            drop_words: vec!["b".into()],
            reject_words: vec!["c".into(), "d".into()],
            ..ChatSettings::default()
        };
        let modes: Vec<_> = chat
            .word_lists()
            .into_iter()
            .map(|(_, mode)| mode)
            .collect();
        use FilterMode::{Drop, Mask, Reject};
        assert_eq!(modes, [Mask, Drop, Reject, Reject]);
    }
}
