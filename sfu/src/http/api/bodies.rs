//! The bodies of requests.

use std::collections::BTreeMap;
use std::time::Duration;

use super::refusal::Refusal;
use super::schema::body;
use crate::live::chat::{CustomPayload, Priority, TextPayload};
use crate::live::{LiveError, MovePolicy, RoomId, SeatMode, SeatSettings, UserId};
use crate::signal::hub::admin::Content;

body! {
    /// A room to be created.
    NewRoom {
        /// The one whose room it is; need not be there.
        owner: UserId,
        /// The title, up to 100 bytes.
        name: Option<String>,
        /// The notice, up to 1000 bytes.
        notice: Option<String>,
        /// What the room is about, up to 1000 bytes.
        introduction: Option<String>,
        /// The address of the room's picture, up to 1000 bytes.
        cover: Option<String>,
        /// Whether the lists that members get leave the room out; false when absent.
        hidden: Option<bool>,
        /// The seats, if the room has any.
        seats: Option<NewSeats>,
    }

    /// The seats of a room.
    NewSeats {
        /// How many: 1 to 50.
        count: u16,
        /// Who may sit down; `applyToTake` when absent.
        mode: Option<SeatMode>,
        /// Seat 0 is the owner's; false when absent.
        keep_owner_on_seat: Option<bool>,
    }

    /// What changes in a room; what is absent stays.
    RoomChange {
        /// The title, up to 100 bytes.
        name: Option<String>,
        /// The notice, up to 1000 bytes.
        notice: Option<String>,
        /// What the room is about, up to 1000 bytes.
        introduction: Option<String>,
        /// The address of the room's picture, up to 1000 bytes.
        cover: Option<String>,
        /// Whether the lists that members get leave the room out.
        hidden: Option<bool>,
        /// Who may sit down.
        seat_mode: Option<SeatMode>,
    }

    /// The rooms to count in.
    RoomList {
        /// Up to 100 rooms: numbers are numbers, names are strings.
        rooms: Vec<RoomId>,
    }

    /// Users to be removed.
    Removal {
        /// Up to 500 users.
        users: Vec<UserId>,
        /// Shown to them, up to 256 bytes.
        message: Option<String>,
        /// For how long they may not come back; they may at once when absent.
        ban_seconds: Option<u64>,
    }

    /// Who is to be kept out: an address or a signed address.
    NewRevocation {
        /// A client's address.
        address: Option<String>,
        /// The secret of a signed address, 32 hex digits.
        tx_secret: Option<String>,
        /// Only of this stream; of all of the app when absent.
        stream: Option<String>,
        /// For how long, up to a year; 0 ends those who watch, who may come back at once.
        seconds: u64,
    }

    /// A ban.
    Ban {
        /// How long it holds, up to a year.
        seconds: u64,
        /// Shown to the user, up to 256 bytes.
        message: Option<String>,
    }

    /// A mute.
    Mute {
        /// How long it holds; a year at most, whatever is asked.
        seconds: u64,
    }

    /// Mutes of several users.
    MuteList {
        /// Up to 500 users.
        users: Vec<UserId>,
        /// How long they hold; 0 lifts them.
        seconds: u64,
    }

    /// A member's devices and media; what is absent stays.
    DeviceChange {
        /// `false` closes the microphone of one who sits; `true` lets it be opened again.
        microphone: Option<bool>,
        /// `false` closes the camera of one who sits; `true` lets it be opened again.
        camera: Option<bool>,
        /// `true` lets nothing of the member through, on a seat or not; `false` lifts that.
        blocked: Option<bool>,
    }

    /// A message to be sent: text or custom, one of them.
    NewMessage {
        /// In whose name; without it the room itself speaks.
        from: Option<UserId>,
        /// What goes first in a room that is too fast; `High` when absent.
        priority: Option<Priority>,
        /// For people, up to 12 KB.
        text: Option<String>,
        /// For programs, up to 12 KB together.
        custom: Option<NewCustom>,
    }

    /// The three texts of a custom message.
    NewCustom {
        /// What it is.
        data: Option<String>,
        /// What it means to people.
        description: Option<String>,
        /// Anything else.
        extension: Option<String>,
    }

    /// A notice of the system, not kept in the history when it goes to some alone.
    NewNotification {
        /// The text, up to 12 KB.
        text: String,
        /// Up to 500 members who get it; everybody when absent.
        users: Option<Vec<UserId>>,
    }

    /// Who is to sit down.
    Sitting {
        /// A member of the room.
        user: UserId,
        /// What happens to the one who sits there, when the user moves from another seat;
        /// `abortWhenOccupied` when absent.
        policy: Option<MovePolicy>,
    }

    /// A seat's lock.
    SeatChange {
        /// Whether nobody can take it from now on.
        locked: bool,
    }

    /// What a connected room is here.
    CoHostChange {
        /// Whether its sound is muted for this room's audience.
        muted: bool,
    }

    /// All texts that the room shares from now on.
    NewAttributes {
        /// By name: up to 16, values up to 4 KB, 16 KB together.
        attributes: BTreeMap<String, String>,
    }

    /// Texts that change.
    AttributesPatch {
        /// By name; `null` takes one away.
        attributes: BTreeMap<String, Option<String>>,
    }

    /// Numbers to be set.
    NewCounters {
        /// By name: up to 20 in a room.
        counters: BTreeMap<String, i64>,
    }

    /// A number to be added.
    Increase {
        /// How much; may be negative.
        amount: i64,
    }

    /// Where a publication is pushed to.
    NewPush {
        /// `rtmp://` or `rtmps://`, host, application and stream key.
        url: String,
    }

    /// The public addresses of a publication.
    NewRelay {
        /// The public stream id, 1 to 64 letters, digits, `_` and `-`; the default id when
        /// absent.
        stream_id: Option<String>,
    }
}

impl From<NewSeats> for SeatSettings {
    fn from(seats: NewSeats) -> Self {
        Self {
            count: seats.count,
            mode: seats.mode.unwrap_or(SeatMode::ApplyToTake),
            keep_owner_on_seat: seats.keep_owner_on_seat.unwrap_or(false),
        }
    }
}

impl NewMessage {
    /// The content, of which there is one.
    pub(super) fn content(
        text: Option<String>,
        custom: Option<NewCustom>,
    ) -> Result<Content, Refusal> {
        match (text, custom) {
            (Some(text), None) => Ok(Content::Text(TextPayload { text })),
            (None, Some(custom)) => Ok(Content::Custom(CustomPayload {
                data: custom.data.unwrap_or_default(),
                description: custom.description.unwrap_or_default(),
                extension: custom.extension.unwrap_or_default(),
            })),
            _ => Err(LiveError::BadValue {
                what: "a message with no content or two",
                allowed: "give `text` or `custom`",
            }
            .into()),
        }
    }
}

pub(super) fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
