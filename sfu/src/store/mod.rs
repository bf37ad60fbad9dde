//! What outlives a restart: recent messages, bans, mutes, profiles, shared values.
//!
//! Rooms live in memory. They write each change here without waiting, and read what was stored
//! once, when they are made. Two stores keep the same promises: [`SqliteStore`] in a file, and
//! [`MemoryStore`] for as long as the process lives.

mod data_dir;
mod database;
mod memory;
pub mod metrics;
mod schema;
mod sqlite;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use thiserror::Error;
use tokio::sync::oneshot;

pub use data_dir::{DataDir, DataDirError};
pub use memory::MemoryStore;
pub use schema::OpenError;
pub use sqlite::{SqliteConfig, SqliteStore};

use crate::live::chat::{AttributesChange, Message, SavedChat, UnixTime};
use crate::live::{AppId, RoomKey, UserId};

/// A place for what outlives a restart. No call waits; order is kept: what is read, and what
/// [`Store::flush`] waits for, includes everything written before.
pub trait Store: Send + Sync + fmt::Debug {
    /// Takes a change. It is lost if the process dies before it is committed, some milliseconds
    /// later; [`Store::flush`] tells when.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too many changes wait; this one is not taken. The last quarter of
    /// the places is for mutes, bans and what is taken back or forgotten.
    fn write(&self, change: Change) -> Result<(), StoreError>;

    /// Resolves when everything written before is committed: it then outlives the process,
    /// however that ends.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits. The answer is an error when a change since the
    /// last flush could not be written.
    fn flush(&self) -> Result<Pending<()>, StoreError>;

    /// What is stored of a room; empty for an unknown one.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits.
    fn room(&self, room: &RoomKey) -> Result<Pending<SavedRoom>, StoreError>;

    /// A user's profile.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits.
    fn profile(
        &self,
        app: AppId,
        user: &UserId,
    ) -> Result<Pending<Option<SavedProfile>>, StoreError>;

    /// The profiles of those of some users of whom one is stored, in their order.
    ///
    /// # Errors
    /// [`StoreError::Full`] when too much waits.
    fn profiles(
        &self,
        app: AppId,
        users: &[UserId],
    ) -> Result<Pending<Vec<(UserId, SavedProfile)>>, StoreError>;

    /// What was written and refused.
    fn counts(&self) -> StoreCounts;
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new message, or one that was taken back: the same sequence overwrites.
    Message {
        /// Where.
        room: RoomKey,
        /// With its sequence.
        message: Arc<Message>,
    },
    /// A user's mute; none lifts it.
    Mute {
        /// Where.
        room: RoomKey,
        /// Who.
        user: UserId,
        /// Until when.
        until: Option<UnixTime>,
    },
    /// A user's ban; none lifts it.
    Ban {
        /// Where.
        room: RoomKey,
        /// Who.
        user: UserId,
        /// Until when.
        until: Option<UnixTime>,
    },
    /// Everybody is muted, or no more.
    MuteAll {
        /// Where.
        room: RoomKey,
        /// Whether.
        mute_all: bool,
    },
    /// Shared texts.
    Attributes {
        /// Where.
        room: RoomKey,
        /// New ones and those that are gone.
        change: AttributesChange,
    },
    /// A shared number.
    Counter {
        /// Where.
        room: RoomKey,
        /// Its name.
        name: String,
        /// The new value.
        value: i64,
    },
    /// Likes of a room.
    Likes {
        /// Where.
        room: RoomKey,
        /// Since the room was made.
        total: u64,
    },
    /// A user's profile.
    Profile {
        /// The user's app.
        app: AppId,
        /// Who.
        user: UserId,
        /// All of it.
        profile: SavedProfile,
    },
    /// The room was dismissed: everything of it goes, bans included.
    Forget {
        /// Which.
        room: RoomKey,
    },
}

impl Change {
    /// Whether somebody relies on it who is not the one who causes it: it has a place in the queue
    /// when a flood of other changes fills that.
    fn is_moderation(&self) -> bool {
        match self {
            Self::Mute { .. } | Self::Ban { .. } | Self::MuteAll { .. } | Self::Forget { .. } => {
                true
            }
            // The same sequence again, without its content.
            Self::Message { message, .. } => message.is_revoked,
            Self::Attributes { .. }
            | Self::Counter { .. }
            | Self::Likes { .. }
            | Self::Profile { .. } => false,
        }
    }
}

/// What is stored of a room.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedRoom {
    /// Its chat.
    pub chat: SavedChat,
    /// Who is banned until when.
    pub bans: Vec<(UserId, UnixTime)>,
}

/// How a user shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SavedProfile {
    /// May be empty.
    pub nick: String,
    /// A picture's address; may be empty.
    pub avatar: String,
    /// As the user set it; may be empty.
    pub gender: String,
    /// As the user set it; may be empty.
    pub self_signature: String,
}

/// What a store did since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StoreCounts {
    /// Changes committed.
    pub written: u64,
    /// Transactions they took.
    pub commits: u64,
    /// Changes and questions refused because too many waited.
    pub refused: u64,
    /// Changes that could not be written.
    pub failed: u64,
    /// Stored rows that could not be read and were left out.
    pub unreadable: u64,
    /// Changes and questions that wait now.
    pub waiting: u64,
}

/// Why a store did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum StoreError {
    /// Too much waits.
    #[error("the store is behind: {limit} changes wait, which is the most allowed")]
    Full {
        /// The bound.
        limit: usize,
    },
    /// The store has been closed, or its thread has ended.
    #[error("the store is closed")]
    Closed,
    /// Something stored could not be read.
    #[error("{what} cannot be read from the store: {reason}")]
    Read {
        /// What was asked.
        what: String,
        /// What the database says.
        reason: String,
    },
    /// Changes could not be written.
    #[error("{count} changes could not be written to the store: {reason}")]
    Write {
        /// Since the last flush.
        count: u64,
        /// What the database says of the last one.
        reason: String,
    },
}

/// An answer to come.
#[derive(Debug)]
#[must_use = "the answer comes when this is awaited"]
pub struct Pending<T>(oneshot::Receiver<Result<T, StoreError>>);

impl<T> Pending<T> {
    fn new() -> (Answer<T>, Self) {
        let (answer, pending) = oneshot::channel();
        (Answer(answer), Self(pending))
    }

    fn ready(value: T) -> Self {
        let (answer, pending) = Self::new();
        answer.give(Ok(value));
        pending
    }

    /// Waits on this thread. Not for async code.
    ///
    /// # Errors
    /// What the store says.
    pub fn wait(self) -> Result<T, StoreError> {
        self.0.blocking_recv().unwrap_or(Err(StoreError::Closed))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, StoreError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let answer = Pin::new(&mut self.0).poll(context);
        answer.map(|answer| answer.unwrap_or(Err(StoreError::Closed)))
    }
}

/// The other end of [`Pending`].
#[derive(Debug)]
struct Answer<T>(oneshot::Sender<Result<T, StoreError>>);

impl<T> Answer<T> {
    fn give(self, answer: Result<T, StoreError>) {
        // Nobody waits any more when the asking room has gone.
        let _ = self.0.send(answer);
    }
}

/// Messages kept of each room when nothing else is set. More than rooms hold in memory, so that
/// a larger setting finds some.
pub const DEFAULT_HISTORY: u32 = 200;

#[cfg(test)]
mod tests;
