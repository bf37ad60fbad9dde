//! Rows of the table of settings for live rooms, and for what belongs to them.

use std::time::Duration;

use super::keys::{Key, MINUTE, SECOND};
use super::value;

/// A row whose setting has the same path in [`Settings`](super::Settings).
macro_rules! key {
    ($section:ident . $field:ident, $help:literal, $read:expr) => {
        Key::new(
            concat!(stringify!($section), ".", stringify!($field)),
            $help,
            |settings, raw| {
                let read = $read;
                settings.$section.$field = read(raw)?;
                Ok(())
            },
        )
    };
}

/// They stand behind the rows of the server itself, in the order of `deploy/weblive.toml`.
pub(super) const LIVE_KEYS: &[Key] = &[
    key!(rooms.max_rooms, "Rooms at once", |raw| value::number(
        raw,
        1..=1_000_000
    )),
    key!(
        rooms.max_connections,
        "Connections to rooms at once, guests and lost ones included",
        |raw| value::number(raw, 1..=1_000_000)
    ),
    key!(
        rooms.max_rooms_per_connection,
        "Rooms that one connection is in",
        |raw| value::number(raw, 1..=100)
    ),
    key!(
        rooms.max_rooms_per_owner,
        "Rooms that one user may create and own at once",
        |raw| value::number(raw, 1..=1_000_000)
    ),
    key!(
        rooms.max_members,
        "Members of one room, without guests",
        |raw| value::number(raw, 1..=1_000_000)
    ),
    key!(rooms.max_guests, "Guests of one room", |raw| value::number(
        raw,
        0..=1_000_000
    )),
    key!(rooms.max_anchors, "Anchors of one room", |raw| {
        value::number(raw, 1..=1_000)
    }),
    key!(
        rooms.max_administrators,
        "Administrators of one room",
        |raw| value::number(raw, 0..=1_000)
    ),
    key!(rooms.max_seats, "Seats of one room", |raw| value::number(
        raw,
        1..=500
    )),
    key!(
        rooms.max_seat_requests,
        "Open applications for seats in one room, and as many invitations",
        |raw| value::number(raw, 1..=10_000)
    ),
    key!(rooms.max_cohosts, "Connected rooms in one group", |raw| {
        value::number(raw, 2..=50)
    }),
    key!(rooms.max_bans_per_room, "Running bans of one room", |raw| {
        value::number(raw, 1..=100_000)
    }),
    key!(rooms.max_bans, "Running bans on this server", |raw| {
        value::number(raw, 1..=10_000_000)
    }),
    key!(
        rooms.resume_grace,
        "How long a lost connection and its seat are kept",
        |raw| value::duration(raw, SECOND..=10 * MINUTE)
    ),
    key!(
        rooms.empty_room,
        "How long a room without owner stays when it is empty",
        |raw| value::duration(raw, Duration::ZERO..=24 * HOUR)
    ),
    key!(
        rooms.empty_owned_room,
        "How long a created room stays when it is empty",
        |raw| value::duration(raw, Duration::ZERO..=30 * 24 * HOUR)
    ),
    key!(
        chat.history,
        "Messages of a room that those who enter are given",
        |raw| value::number(raw, 0..=1_000)
    ),
    key!(
        chat.messages_per_second,
        "Messages and notices that a room delivers in a second",
        |raw| value::number(raw, 1..=1_000)
    ),
    key!(
        chat.user_messages_per_second,
        "Messages of one user in a room, a second in the long run",
        |raw| value::number(raw, 1..=1_000)
    ),
    key!(
        chat.user_message_burst,
        "Messages of one user in a room at once",
        |raw| value::number(raw, 1..=1_000)
    ),
    key!(
        chat.user_likes_per_second,
        "Likes of one user in a room, a second in the long run",
        |raw| value::number(raw, 1..=10_000)
    ),
    key!(
        chat.likes_interval,
        "The shortest time between two totals of a room's likes",
        |raw| value::duration(raw, SECOND / 2..=MINUTE)
    ),
    key!(
        chat.mask_words,
        "Word lists whose words become stars: files, or folders of .txt files",
        value::paths
    ),
    key!(
        chat.drop_words,
        "Word lists whose words make a message vanish",
        value::paths
    ),
    key!(
        chat.reject_words,
        "Word lists whose words make a message refused",
        value::paths
    ),
    key!(
        chat.reload_interval,
        "How often the word lists are looked at for changes",
        |raw| value::duration(raw, SECOND..=60 * MINUTE)
    ),
    key!(
        store.file,
        "Database of history, bans and profiles; empty for memory alone",
        value::place
    ),
    key!(store.history, "Messages kept of each room", |raw| {
        value::number(raw, 0..=100_000)
    }),
    key!(store.max_rooms, "Rooms kept in the database", |raw| {
        value::number(raw, 1..=10_000_000)
    }),
    key!(store.max_profiles, "Profiles kept in the database", |raw| {
        value::number(raw, 1..=100_000_000)
    }),
    key!(
        store.max_waiting,
        "Changes that may wait for the disk",
        |raw| value::number(raw, 100..=1_000_000)
    ),
    key!(
        images.folder,
        "Folder of uploaded images; empty for no uploads",
        value::place
    ),
    key!(
        images.max_total_bytes,
        "Bytes of all uploaded images; the oldest go first",
        |raw| value::number(raw, 1 << 20..=1 << 50)
    ),
    key!(
        images.max_bytes,
        "Bytes of one upload",
        |raw| value::number(raw, 1_024..=256 << 20)
    ),
    key!(
        images.max_side,
        "Pixels of an upload's longer side",
        |raw| value::number(raw, 16..=65_535)
    ),
    key!(images.max_pixels, "Pixels of an upload", |raw| {
        value::number(raw, 256..=400_000_000)
    }),
    key!(
        images.max_per_minute,
        "Uploads of one user in a minute",
        |raw| value::number(raw, 1..=10_000)
    ),
    key!(
        images.max_at_once,
        "Uploads that are unpacked at the same time",
        |raw| value::number(raw, 1..=64)
    ),
    key!(
        signal.origins,
        "Origins whose pages may open /signal, or *; empty for those of cors.origins",
        value::origins
    ),
    key!(signal.max_sockets, "Sockets of /signal at once", |raw| {
        value::number(raw, 1..=1_000_000)
    }),
    key!(
        signal.max_sockets_per_address,
        "Sockets of one address at once; 0 for no bound",
        |raw| value::number(raw, 0..=1_000_000)
    ),
    key!(
        signal.max_message_bytes,
        "Bytes of one message from a client",
        |raw| value::number(raw, 32 * 1_024..=4 << 20)
    ),
    key!(
        signal.messages_per_second,
        "Messages of one socket a second in the long run",
        |raw| value::number(raw, 1..=10_000)
    ),
    key!(
        signal.message_burst,
        "Messages of one socket at once",
        |raw| value::number(raw, 1..=100_000)
    ),
    key!(
        signal.max_waiting_messages,
        "Messages that may wait for a slow socket",
        |raw| value::number(raw, 10..=1_000_000)
    ),
    key!(
        signal.max_waiting_bytes,
        "Bytes that may wait for a slow socket",
        |raw| value::number(raw, 64 * 1_024..=1 << 30)
    ),
    key!(
        signal.login_timeout,
        "How long a socket may stay without a login",
        |raw| value::duration(raw, SECOND..=5 * MINUTE)
    ),
    key!(
        signal.idle_timeout,
        "How long nothing may come from a client",
        |raw| value::duration(raw, 5 * SECOND..=60 * MINUTE)
    ),
    key!(webhooks.timeout, "For one try of a webhook", |raw| {
        value::duration(raw, SECOND..=MINUTE)
    }),
    key!(
        webhooks.before_chat_timeout,
        "For the question before a message",
        |raw| value::duration(raw, Duration::from_millis(100)..=10 * SECOND)
    ),
    key!(
        webhooks.retry_for,
        "How long a webhook is tried again",
        |raw| value::duration(raw, Duration::ZERO..=24 * HOUR)
    ),
    key!(
        webhooks.max_waiting,
        "Notices of all apps that may wait",
        |raw| value::number(raw, 1..=1_000_000)
    ),
    key!(
        push.max_per_stream,
        "Pushes of one stream to other servers at once",
        |raw| value::number(raw, 0..=100)
    ),
    key!(
        push.max_per_app,
        "Pushes of one app to other servers at once",
        |raw| value::number(raw, 0..=100_000)
    ),
    key!(push.max_pushes, "Pushes to other servers at once", |raw| {
        value::number(raw, 0..=100_000)
    }),
    key!(
        push.page_hosts,
        "Hosts that pages may have the server push to",
        |raw| value::list(
            raw,
            "a list of hosts, such as [\"live.example.com\", \"*.cdn.example\"]"
        )
    ),
    key!(
        push.private_hosts,
        "Hosts of private networks that may be pushed to",
        |raw| value::list(
            raw,
            "a list of hosts, such as [\"10.0.0.7\", \"*.internal:1936\"]"
        )
    ),
    key!(
        record.folder,
        "Folder of recordings, or s3://bucket/prefix; empty to record nothing",
        value::record_place
    ),
    key!(
        record.auto,
        "Streams that are recorded from their beginning",
        |raw| value::list(
            raw,
            "a list of stream ids in which * stands for any characters, such as [\"*_main\"]"
        )
    ),
    key!(
        record.mp4,
        "Whether a recording becomes one MP4 file, too",
        value::boolean
    ),
    key!(
        record.max_duration,
        "What plays of one recording at most",
        |raw| value::duration(
            raw,
            Duration::from_secs(10)..=Duration::from_secs(48 * 3_600)
        )
    ),
    key!(
        record.max_bytes,
        "Bytes of one recording, without its MP4 file",
        |raw| value::number(raw, 1 << 20..=1 << 50)
    ),
    key!(record.max_per_app, "Recordings of one app at once", |raw| {
        value::number(raw, 0..=100_000)
    }),
    key!(record.max_recordings, "Recordings at once", |raw| {
        value::number(raw, 0..=100_000)
    }),
    key!(
        record.max_listed,
        "Recordings that are listed after their end",
        |raw| value::number(raw, 1..=1_000_000)
    ),
    key!(
        record.serve,
        "Whether players get recordings below /recordings/",
        value::boolean
    ),
    key!(
        record.max_reads,
        "Files of recordings that are sent at once",
        |raw| value::number(raw, 1..=100_000)
    ),
    key!(
        record.max_reads_per_address,
        "Files of recordings that are sent to one address at once",
        |raw| value::number(raw, 1..=100_000)
    ),
    key!(
        api.tokens,
        "Operators' tokens of the REST interface (better in the file)",
        value::tokens
    )
    .secret(),
    key!(
        dev.tokens,
        "For developing pages only: give UserSigs to everybody who asks",
        value::boolean
    )
    .switch(),
];

const HOUR: Duration = Duration::from_secs(3_600);
