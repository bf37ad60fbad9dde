//! Chat of one room without IO: what is said, by whom, how fast, and what is kept.
//!
//! [`Chat`] takes commands with the time and gives out what the room's members are to be told.
//! A command that sends goes through in two steps, so that the application's back end can be
//! asked in between: [`Chat::prepare`] says no for the room's own reasons, [`Chat::post`] takes
//! what was not refused into the room's rate. Nothing here writes to the store: the shell does,
//! when it sees a [`ChatEvent`] or the result of a command.

mod attributes;
mod counts;
mod error;
mod filter;
#[cfg(any(test, fuzzing))]
pub mod fuzzing;
mod history;
mod likes;
mod limits;
mod message;
mod moderation;
mod normalize;
mod rate;
mod tips;
mod word_files;
mod word_list;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

pub use attributes::{Attributes, AttributesChange, Counters, MAX_ATTRIBUTES, MAX_COUNTERS};
pub use counts::{ChatCounts, KINDS};
pub use error::ChatError;
pub use filter::{Verdict, WordFilter};
pub use history::History;
pub use likes::{LikeTotal, Likes};
pub use limits::{ChatLimits, MAX_LIKES};
pub use message::{
    CustomPayload, Draft, DraftPayload, GroupTip, ImageInfo, ImagePayload, MAX_MESSAGE, Message,
    Payload, Priority, TextPayload, TipKind, UnixTime, is_image_id,
};
pub use moderation::{MAX_MUTE, MAX_MUTES, Moderation, Sender};
pub use rate::{Buckets, HOLD, RoomRate};
pub use tips::Tips;
pub use word_files::WordFiles;
pub use word_list::{
    FilterMode, ListError, ListErrors, ListProblem, MAX_LIST_BYTES, MAX_PROBLEMS, MAX_WORD_LENGTH,
    MAX_WORDS, WordList,
};

use crate::live::{ConnectionId, RoomId, UserId};

/// The chat of one room.
#[derive(Debug)]
pub struct Chat {
    room: RoomId,
    rate: RoomRate<(Message, Option<ConnectionId>)>,
    users: Buckets<UserId>,
    likers: Buckets<UserId>,
    /// Changes of the attributes, by all members together.
    changes: Buckets<()>,
    likes: Likes,
    tips: Tips,
    history: History,
    counts: ChatCounts,
    /// Messages taken since the start; makes ids differ within one millisecond.
    taken: u64,
    /// Who may speak.
    pub moderation: Moderation,
    /// Texts that the room shares.
    pub attributes: Attributes,
    /// Numbers that the room shares.
    pub counters: Counters,
}

/// What a room's chat was when it was last stored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedChat {
    /// Sequence of the last message.
    pub last_sequence: u64,
    /// Oldest first.
    pub history: Vec<Message>,
    /// Everybody but the hosts is muted.
    pub mute_all: bool,
    /// Who is muted until when.
    pub mutes: Vec<(UserId, UnixTime)>,
    /// Texts by name.
    pub attributes: BTreeMap<String, String>,
    /// Numbers by name.
    pub counters: BTreeMap<String, i64>,
    /// Likes since the room was made.
    pub likes: u64,
}

/// A message that the room itself does not refuse.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    message: Message,
    is_swallowed: bool,
}

impl Prepared {
    /// The message as it will be delivered, for the application's back end.
    pub fn message(&self) -> &Message {
        &self.message
    }
}

/// What the members of a room are told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChatEvent {
    /// To everybody but the connection that sent it. Notices of the room have sequence 0 and
    /// are not kept.
    Message {
        /// What is said.
        message: Arc<Message>,
        /// Which connection has sent it, and has it already.
        sender: Option<ConnectionId>,
    },
    /// New likes.
    Likes(LikeTotal),
    /// New values of counters.
    Counters(BTreeMap<String, i64>),
}

impl Chat {
    /// The chat of a room as it was stored.
    pub fn new(room: RoomId, saved: SavedChat, limits: &ChatLimits, clock: UnixTime) -> Self {
        let user_rate = limits.user_messages_per_second;
        Self {
            room,
            rate: RoomRate::new(limits.messages_per_second),
            users: Buckets::new(user_rate, limits.user_message_burst, MAX_BUSY_USERS),
            likers: Buckets::new(limits.user_likes_per_second, MAX_LIKES, MAX_BUSY_USERS),
            changes: Buckets::new(ATTRIBUTE_RATE, 2 * ATTRIBUTE_RATE, 1),
            likes: Likes::new(saved.likes, limits.likes_interval),
            tips: Tips::default(),
            history: History::restore(saved.history, saved.last_sequence, limits.history),
            counts: ChatCounts::default(),
            taken: 0,
            moderation: Moderation::restore(saved.mute_all, saved.mutes, clock),
            attributes: Attributes::restore(saved.attributes),
            counters: Counters::restore(saved.counters),
        }
    }

    /// Checks a message in the documented order: banned, muted, all muted, size and content,
    /// word filter, the user's rate. `image` is what the upload of an image message is.
    ///
    /// # Errors
    /// The first reason not to take it.
    pub fn prepare(
        &mut self,
        now: Instant,
        clock: UnixTime,
        sender: &Sender,
        draft: Draft,
        image: Option<ImagePayload>,
        filter: &WordFilter,
    ) -> Result<Prepared, ChatError> {
        let user = self
            .moderation
            .check(sender, clock)
            .inspect_err(|_| self.counts.not_allowed += 1)?;
        draft.check().inspect_err(|_| self.counts.invalid += 1)?;
        let (payload, is_swallowed) = self.filtered(draft.payload, image, filter)?;
        self.users
            .take(now, user, 1)
            .map_err(|retry| ChatError::TooFast {
                per_second: self.users.per_second(),
                retry,
            })?;
        self.taken += 1;
        let message = Message {
            id: format!("{}-{}-{}", clock.0, self.taken, draft.random),
            sequence: 0,
            random: draft.random,
            from: Some(user.clone()),
            to: self.room.clone(),
            time: clock.as_secs(),
            priority: draft.priority,
            nick: sender.nick.clone(),
            avatar: sender.avatar.clone(),
            name_card: sender.name_card.clone(),
            cloud_custom_data: draft.cloud_custom_data,
            is_revoked: false,
            payload,
        };
        Ok(Prepared {
            message,
            is_swallowed,
        })
    }

    /// Takes a message of a connection. The sender is told that it was sent; a room that is too
    /// fast may still drop it, and one with a word that is dropped in silence goes nowhere.
    pub fn post(&mut self, now: Instant, prepared: Prepared, sender: ConnectionId) {
        if prepared.is_swallowed {
            self.counts.filter_dropped += 1;
        } else {
            let Prepared { message, .. } = prepared;
            self.rate
                .push(now, message.priority, (message, Some(sender)));
        }
    }

    /// Sends in the name of the application or of the room itself: checked by nobody.
    pub fn announce(
        &mut self,
        now: Instant,
        clock: UnixTime,
        from: Option<UserId>,
        priority: Priority,
        payload: Payload,
    ) {
        self.taken += 1;
        let message = Message {
            id: format!("{}-{}-0", clock.0, self.taken),
            sequence: 0,
            random: 0,
            from,
            to: self.room.clone(),
            time: clock.as_secs(),
            priority,
            nick: String::new(),
            avatar: String::new(),
            name_card: String::new(),
            cloud_custom_data: String::new(),
            is_revoked: false,
            payload,
        };
        self.rate.push(now, priority, (message, None));
    }

    /// Counts likes.
    ///
    /// # Errors
    /// 2024 for a guest, 10007 for a banned user, 10004 for none or more than [`MAX_LIKES`] at
    /// once, 2996 for a user that likes too fast.
    pub fn like(&mut self, now: Instant, sender: &Sender, count: u32) -> Result<(), ChatError> {
        let Some(user) = &sender.user else {
            self.counts.not_allowed += 1;
            return Err(ChatError::Guest);
        };
        if sender.is_banned {
            self.counts.not_allowed += 1;
            return Err(ChatError::Banned);
        }
        if !(1..=MAX_LIKES).contains(&count) {
            self.counts.invalid += 1;
            return Err(ChatError::BadValue {
                what: "this number of likes",
                allowed: "1 to 100 at once are",
            });
        }
        self.likers
            .take(now, user, count)
            .map_err(|retry| ChatError::TooFast {
                per_second: self.likers.per_second(),
                retry,
            })?;
        self.likes.add(user, count);
        self.counts.likes += u64::from(count);
        Ok(())
    }

    /// Whether a member may change the room's texts now. All members read them, so that who may
    /// not speak may not write them either, and they come no faster than messages.
    ///
    /// # Errors
    /// As for a message, and 2996 when the room's texts change too fast.
    pub fn check_attributes(
        &mut self,
        now: Instant,
        clock: UnixTime,
        sender: &Sender,
    ) -> Result<(), ChatError> {
        let user = self
            .moderation
            .check(sender, clock)
            .inspect_err(|_| self.counts.not_allowed += 1)?;
        let too_fast = |per_second| move |retry| ChatError::TooFast { per_second, retry };
        let per_second = self.users.per_second();
        self.users
            .take(now, user, 1)
            .map_err(too_fast(per_second))?;
        self.changes
            .take(now, &(), 1)
            .map_err(too_fast(ATTRIBUTE_RATE))
    }

    /// Whether a member may change these counters now. Counting is not speaking, but a name that
    /// is new is.
    ///
    /// # Errors
    /// As for likes; as for a message where a name is new.
    pub fn check_counters<'a>(
        &mut self,
        now: Instant,
        clock: UnixTime,
        sender: &Sender,
        mut names: impl Iterator<Item = &'a String>,
    ) -> Result<(), ChatError> {
        let Some(user) = &sender.user else {
            self.counts.not_allowed += 1;
            return Err(ChatError::Guest);
        };
        if names.any(|name| !self.counters.all().contains_key(name)) {
            self.moderation
                .check(sender, clock)
                .inspect_err(|_| self.counts.not_allowed += 1)?;
        }
        self.likers
            .take(now, user, 1)
            .map_err(|retry| ChatError::TooFast {
                per_second: self.likers.per_second(),
                retry,
            })
    }

    /// A member came.
    pub fn joined(&mut self, user: UserId) {
        self.tips.join(user);
    }

    /// A member went.
    pub fn quit(&mut self, user: UserId) {
        self.tips.quit(user);
    }

    /// Takes a message of the history back, see [`History::revoke`].
    ///
    /// # Errors
    /// 10004 for one that is not in the history, 10007 for somebody else's.
    pub fn revoke(
        &mut self,
        sequence: u64,
        by: &UserId,
        is_host: bool,
    ) -> Result<Arc<Message>, ChatError> {
        self.history.revoke(sequence, by, is_host)
    }

    /// What to tell the members now; called until there is nothing. `members` are those in the
    /// room.
    pub fn poll_output(
        &mut self,
        now: Instant,
        clock: UnixTime,
        members: u32,
    ) -> Option<ChatEvent> {
        while let Some(tip) = self.tips.poll(now, members) {
            self.announce(now, clock, None, Priority::Lowest, Payload::Tip(tip));
        }
        if let Some(total) = self.likes.poll(now) {
            return Some(ChatEvent::Likes(total));
        }
        if let Some(values) = self.counters.poll(now) {
            return Some(ChatEvent::Counters(values));
        }
        let (message, sender) = self.rate.poll(now)?;
        self.counts.deliver(&message.payload, message.priority);
        let message = match message.payload {
            Payload::Tip(_) => Arc::new(message),
            _ => self.history.push(message),
        };
        Some(ChatEvent::Message { message, sender })
    }

    /// When to call [`Self::poll_output`] next; none while there is nothing to tell.
    pub fn next_timeout(&self, now: Instant, members: u32) -> Option<Instant> {
        let times = [
            self.rate.next_timeout(now),
            self.likes.next_timeout(now),
            self.counters.next_timeout(now),
            self.tips.next_timeout(now, members),
        ];
        times.into_iter().flatten().min()
    }

    /// The last messages.
    pub fn history(&self) -> &History {
        &self.history
    }

    /// Likes since the room was made.
    pub fn likes(&self) -> u64 {
        self.likes.total()
    }

    /// What was taken, delivered and refused.
    pub fn counts(&self) -> ChatCounts {
        ChatCounts {
            user_rate: self.users.refused() + self.likers.refused(),
            attributes_rate: self.changes.refused(),
            room_rate: self.rate.dropped(),
            unnamed_tips: self.tips.unnamed(),
            mutes_refused: self.moderation.refused(),
            ..self.counts
        }
    }

    /// The content after the word filter, and whether it is swallowed. The filter looks at what
    /// people read: texts, and the description of custom messages. Data and extension are for
    /// programs, and a masked letter would break them.
    fn filtered(
        &mut self,
        draft: DraftPayload,
        image: Option<ImagePayload>,
        filter: &WordFilter,
    ) -> Result<(Payload, bool), ChatError> {
        let mut payload = match draft {
            DraftPayload::Text(text) => Payload::Text(text),
            DraftPayload::Custom(custom) => Payload::Custom(custom),
            DraftPayload::Image { uuid } => {
                let image = image.filter(|image| image.uuid == uuid);
                return match image {
                    Some(image) => Ok((Payload::Image(image), false)),
                    None => {
                        self.counts.invalid += 1;
                        Err(ChatError::ImageMissing { id: uuid })
                    }
                };
            }
        };
        let text = match &mut payload {
            Payload::Text(text) => &mut text.text,
            Payload::Custom(custom) => &mut custom.description,
            Payload::Image(_) | Payload::Tip(_) => return Ok((payload, false)),
        };
        match filter.check(text) {
            Verdict::Clean => Ok((payload, false)),
            Verdict::Masked(masked) => {
                self.counts.masked += 1;
                *text = masked;
                Ok((payload, false))
            }
            Verdict::Dropped => Ok((payload, true)),
            Verdict::Rejected => {
                self.counts.filter_rejected += 1;
                Err(ChatError::Sensitive)
            }
        }
    }
}

/// Changes of a room's attributes in the long run, a second: with the largest values they cost
/// its members a third of what its messages may.
const ATTRIBUTE_RATE: u32 = 10;

/// Users of one room whose rates are remembered; they are forgotten within seconds.
const MAX_BUSY_USERS: usize = 20_000;

#[cfg(test)]
mod tests;
