//! What can be asked of the rooms, and the answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::chat::UnixTime;
use super::error::LiveError;
use super::ids::{AppId, RoomId, UserId};
use super::profile::Profile;
use super::roles::{Rank, Rights, Role, Scene};
use super::seats::{Device, MovePolicy};
use super::tracks::{Publication, TrackKind, Tracks};
use super::view::{ApplicationView, CoHostRequestView, CoHostView, RoomInfo, SeatView};

/// Who logs in on a connection. The token has been checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The app.
    pub app: AppId,
    /// The user; `None` is a guest, who listens to chat.
    pub user: Option<UserId>,
    /// Nick and picture to begin with.
    pub profile: Profile,
}

/// A command of the user behind a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Shows a new nick and picture in all rooms.
    SetProfile(Profile),
    /// Creates a room, or takes one that has no owner. Does not enter it.
    Create {
        /// The room.
        room: RoomId,
        /// Its name and seats.
        settings: RoomSettings,
    },
    /// Enters a room's chat or media or both.
    Enter {
        /// The room.
        room: RoomId,
        /// What of it.
        entry: Entry,
    },
    /// Leaves what was entered.
    Leave {
        /// The room.
        room: RoomId,
        /// What of it.
        part: Part,
    },
    /// Becomes an anchor or one of the audience.
    SwitchRole {
        /// The room.
        room: RoomId,
        /// The role.
        role: Role,
    },
    /// Begins a publication or changes what it contains.
    Publish {
        /// The room.
        room: RoomId,
        /// Which of the two.
        track: TrackKind,
        /// What it contains.
        publication: Publication,
    },
    /// Ends a publication.
    Unpublish {
        /// The room.
        room: RoomId,
        /// Which of the two.
        track: TrackKind,
    },
    /// Mutes and unmutes; `None` leaves a state as it is.
    Mute {
        /// The room.
        room: RoomId,
        /// Which publication.
        track: TrackKind,
        /// The sound is muted from now on.
        audio: Option<bool>,
        /// The picture is muted from now on.
        video: Option<bool>,
    },
    /// One page of the chat's members, ordered by user id.
    Members {
        /// The room.
        room: RoomId,
        /// The last user of the page before.
        after: Option<UserId>,
        /// Members in the page; more than the bound is cut to it.
        count: usize,
    },
    /// What the room is.
    Info {
        /// The room.
        room: RoomId,
    },
    /// Asks for, offers or leaves a seat.
    Seat {
        /// The room.
        room: RoomId,
        /// What of it.
        command: SeatCommand,
    },
    /// Decides over the room or over others.
    Order {
        /// The room.
        room: RoomId,
        /// The decision.
        order: Order,
    },
}

/// What of a room is entered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// The chat group of a room that exists.
    Chat,
    /// The media; the room comes into being with the first who enters.
    Media(MediaEntry),
    /// Both, in a room that exists.
    Live(MediaEntry),
}

/// How somebody enters a room's media.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MediaEntry {
    /// The mode; it is the same for all in the room.
    pub scene: Scene,
    /// The wanted role. In rtc mode everybody is an anchor; in a room with seats one who has no
    /// seat is audience.
    pub role: Role,
    /// From the token, or [`Rights::ALL`] where the app does not check.
    pub rights: Rights,
}

/// What of a room is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The chat group. Its owner cannot quit it.
    Chat,
    /// The media, with seat and publications.
    Media,
    /// All.
    All,
}

/// What the creator chooses.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RoomSettings {
    /// What it tells of itself.
    pub about: About,
    /// The seats, if the room has any.
    pub seats: Option<SeatSettings>,
    /// When it is created, by the wall clock.
    pub created_at: Option<UnixTime>,
}

/// What a room tells of itself, and to whom. Cloning shares the texts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    pub(super) name: Arc<str>,
    pub(super) notice: Arc<str>,
    pub(super) introduction: Arc<str>,
    pub(super) cover: Arc<str>,
    pub(super) hidden: bool,
}

/// What changes of an [`About`]; what is `None` stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AboutChange {
    /// The title.
    pub name: Option<String>,
    /// The notice.
    pub notice: Option<String>,
    /// What the room is about.
    pub introduction: Option<String>,
    /// The address of the room's picture.
    pub cover: Option<String>,
    /// Whether lists leave it out.
    pub hidden: Option<bool>,
}

impl AboutChange {
    /// Nothing changes.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl About {
    /// A title and a notice.
    #[cfg(test)]
    pub(crate) fn of(name: &str, notice: &str) -> Self {
        let change = AboutChange {
            name: Some(name.to_owned()),
            notice: Some(notice.to_owned()),
            ..AboutChange::default()
        };
        Self::default().with(change).expect("good texts")
    }

    /// This one after a change.
    ///
    /// # Errors
    /// A text breaks its rules.
    pub fn with(mut self, change: AboutChange) -> Result<Self, LiveError> {
        TITLE.set(&mut self.name, change.name)?;
        NOTICE.set(&mut self.notice, change.notice)?;
        INTRODUCTION.set(&mut self.introduction, change.introduction)?;
        COVER.set(&mut self.cover, change.cover)?;
        self.hidden = change.hidden.unwrap_or(self.hidden);
        Ok(self)
    }
}

/// What one text of a room may be.
struct TextRule {
    what: &'static str,
    /// In bytes.
    max: usize,
    has_lines: bool,
    allowed: &'static str,
}

impl TextRule {
    fn set(&self, text: &mut Arc<str>, new: Option<String>) -> Result<(), LiveError> {
        let Some(new) = new else {
            return Ok(());
        };
        let is_bad = |c: char| c.is_control() && !(self.has_lines && c == '\n');
        if new.len() > self.max || new.chars().any(is_bad) {
            return Err(LiveError::BadValue {
                what: self.what,
                allowed: self.allowed,
            });
        }
        *text = new.into();
        Ok(())
    }
}

const TITLE: TextRule = TextRule {
    what: "the room's title",
    max: 100,
    has_lines: false,
    allowed: "up to 100 bytes without control characters",
};

const NOTICE: TextRule = TextRule {
    what: "the room's notice",
    max: 1_000,
    has_lines: true,
    allowed: "up to 1000 bytes, line breaks but no other control characters",
};

const INTRODUCTION: TextRule = TextRule {
    what: "the room's introduction",
    ..NOTICE
};

const COVER: TextRule = TextRule {
    what: "the room's cover",
    max: 1_000,
    has_lines: false,
    allowed: "an address of up to 1000 bytes without control characters",
};

impl Default for About {
    fn default() -> Self {
        let none: Arc<str> = "".into();
        Self {
            name: none.clone(),
            notice: none.clone(),
            introduction: none.clone(),
            cover: none,
            hidden: false,
        }
    }
}

/// The seats of a room.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SeatSettings {
    /// How many.
    pub count: u16,
    /// Who may sit down.
    pub mode: SeatMode,
    /// Seat 0 is the owner's.
    pub keep_owner_on_seat: bool,
}

/// How one gets a seat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum SeatMode {
    /// A free seat is taken at once.
    FreeToTake,
    /// A host accepts.
    ApplyToTake,
}

/// A user's own seat command. The hosts are the owner and the administrators.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatCommand {
    /// Sits down where that is free, or for hosts; else applies without a time limit. One who
    /// sits moves.
    Take {
        /// The seat, or any.
        seat: Option<u16>,
    },
    /// Stands up.
    Leave,
    /// Applies for a seat, or takes it where that is free.
    Apply {
        /// The seat, or any.
        seat: Option<u16>,
        /// How long the application stays; `None` is until it is answered.
        timeout: Option<Duration>,
    },
    /// Takes the application back.
    CancelApplication,
    /// Hosts: accepts or rejects an application.
    AnswerApplication {
        /// Who applied.
        guest: UserId,
        /// Whether the guest gets the seat.
        accept: bool,
    },
    /// Hosts: invites somebody to a seat.
    Invite {
        /// Who is invited.
        guest: UserId,
        /// The seat, or any.
        seat: Option<u16>,
        /// How long the invitation stays; `None` is until it is answered.
        timeout: Option<Duration>,
    },
    /// Hosts: takes an invitation of one's own back.
    CancelInvitation {
        /// Who was invited.
        guest: UserId,
    },
    /// Accepts or rejects an invitation.
    AnswerInvitation {
        /// Who invited.
        host: UserId,
        /// Whether to sit down.
        accept: bool,
    },
    /// Moves the asker's own seat to a free one.
    Move {
        /// The new seat.
        target: u16,
    },
}

/// A decision of a host, of the owner, or of the server's operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Ends the room (owner).
    Dismiss,
    /// Changes what the room tells of itself and its seat mode (hosts); `None` leaves as it is.
    Update {
        /// All that it tells of itself.
        about: Option<About>,
        /// Who may sit down.
        seat_mode: Option<SeatMode>,
    },
    /// Removes members, and keeps them out for a time (hosts, of those below).
    Kick {
        /// Who.
        users: Vec<UserId>,
        /// Shown to them; up to 256 bytes.
        message: String,
        /// For how long they may not come back.
        ban: Option<Duration>,
    },
    /// Lets somebody in again (hosts).
    Unban {
        /// Who.
        user: UserId,
    },
    /// Lets nothing of a member's media through, or lifts that (hosts, of those below). It ends
    /// when the member leaves the media.
    Block {
        /// Who.
        user: UserId,
        /// Whether from now on.
        blocked: bool,
    },
    /// Makes a member an administrator, or takes it back (owner).
    SetAdministrator {
        /// Who.
        user: UserId,
        /// Whether from now on.
        is_administrator: bool,
    },
    /// Decides over seats.
    Seat(SeatOrder),
    /// Connects with other rooms (hosts).
    CoHost(CoHostOrder),
}

/// What a host does about connections with other rooms of the app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CoHostOrder {
    /// Asks a room to come into this room's group.
    Request {
        /// The room.
        room: RoomId,
        /// How long the request stays; `None` is until it is answered.
        timeout: Option<Duration>,
        /// The page's own text for the other hosts; up to 1 000 bytes.
        extension: String,
    },
    /// Takes a request back.
    Cancel {
        /// The room that was asked.
        room: RoomId,
    },
    /// Accepts or rejects a request.
    Answer {
        /// The room that asks.
        room: RoomId,
        /// Whether to connect.
        accept: bool,
    },
    /// Leaves the group; nothing when in none.
    Exit,
    /// Mutes a connected room's sound for this room's audience.
    Mute {
        /// The other room.
        room: RoomId,
        /// Whether from now on.
        muted: bool,
    },
}

/// A decision over seats (hosts; over those below).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SeatOrder {
    /// Puts a member on a seat without asking (operator).
    Pick {
        /// Who.
        user: UserId,
        /// The seat, or any.
        seat: Option<u16>,
    },
    /// Takes users off their seats.
    KickOff {
        /// Who.
        users: Vec<UserId>,
    },
    /// Locks or unlocks a seat. The one who sits there stays.
    Lock {
        /// The seat.
        seat: u16,
        /// Whether it is locked from now on.
        locked: bool,
    },
    /// Moves somebody.
    Move {
        /// Who.
        user: UserId,
        /// Where to.
        target: u16,
        /// What happens to the one who sits there.
        policy: MovePolicy,
    },
    /// Closes a device, or lets its user open it again.
    Device {
        /// Whose.
        user: UserId,
        /// Which.
        device: Device,
        /// `false` closes; `true` lifts the lock and turns nothing on.
        open: bool,
    },
}

/// What a command has done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "reply", rename_all = "camelCase")]
pub enum Reply {
    /// It is done.
    Done,
    /// In the room.
    Entered(Box<Entered>),
    /// On a seat.
    Seated {
        /// Which.
        seat: u16,
    },
    /// The application waits for a host.
    Applied,
    /// One page of members.
    Members {
        /// The page.
        members: Vec<MemberView>,
        /// Whether there are more after it.
        more: bool,
    },
    /// What the room is.
    Info(RoomInfo),
    /// These users were concerned.
    Users {
        /// Who.
        users: Vec<UserId>,
    },
}

/// What one who enters sees.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Entered {
    /// The room.
    pub info: RoomInfo,
    /// Nothing changed: that part was entered before.
    pub already: bool,
    /// The role, when the media was entered.
    pub role: Option<Role>,
    /// All anchors, oneself included; empty when only the chat was entered.
    pub anchors: Vec<MemberView>,
    /// The seats, if the room has any.
    pub seats: Vec<SeatView>,
    /// The rooms that are connected with this one; empty when only the chat was entered.
    pub co_hosts: Vec<CoHostView>,
    /// Hosts: who applies for a seat; absent where nobody does.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<ApplicationView>>"))]
    pub applications: Vec<ApplicationView>,
    /// Hosts: open requests to connect with other rooms; absent where there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[cfg_attr(test, ts(optional, as = "Option<Vec<CoHostRequestView>>"))]
    pub co_host_requests: Vec<CoHostRequestView>,
}

/// One member, as others see it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct MemberView {
    /// Who.
    pub user: UserId,
    /// Nick and picture.
    pub profile: Profile,
    /// Owner, administrator or none of them.
    pub rank: Rank,
    /// The role, if the media was entered.
    pub role: Option<Role>,
    /// What is published.
    pub tracks: Tracks,
}
