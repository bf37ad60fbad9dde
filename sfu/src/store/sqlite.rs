//! The store in a file: a thread that owns the database, behind a bounded queue.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;
use std::time::SystemTime;

use super::database::Database;
use super::schema::{self, OpenError};
use super::{
    Answer, Change, DEFAULT_HISTORY, Pending, SavedProfile, SavedRoom, Store, StoreCounts,
    StoreError,
};
use crate::live::chat::UnixTime;
use crate::live::{AppId, RoomKey, UserId};

/// Bounds of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqliteConfig {
    /// Changes and questions that wait. Full means that the disk has not kept up for about a
    /// second of the heaviest chat.
    pub queue: usize,
    /// Changes of one transaction.
    pub batch: usize,
    /// Messages kept of each room.
    pub history: u32,
    /// Rooms kept; those not touched for longest go.
    pub rooms: u32,
    /// Profiles kept; those not touched for longest go.
    pub profiles: u32,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self {
            queue: 16_384,
            batch: 512,
            history: DEFAULT_HISTORY,
            rooms: 100_000,
            profiles: 1_000_000,
        }
    }
}

/// A store in an SQLite file.
#[derive(Debug)]
pub struct SqliteStore {
    commands: Option<SyncSender<Command>>,
    thread: Option<JoinHandle<()>>,
    counts: Arc<Counts>,
    queue: usize,
}

#[derive(Debug)]
enum Command {
    Write(Box<Change>),
    Ask(Question),
}

#[derive(Debug)]
enum Question {
    Flush(Answer<()>),
    Room(RoomKey, Answer<SavedRoom>),
    Profile(AppId, UserId, Answer<Option<SavedProfile>>),
    Profiles(AppId, Vec<UserId>, Answer<Vec<(UserId, SavedProfile)>>),
}

#[derive(Debug, Default)]
struct Counts {
    written: AtomicU64,
    commits: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    unreadable: AtomicU64,
    waiting: AtomicU64,
}

impl SqliteStore {
    /// Opens or makes the file and starts the store's thread.
    ///
    /// # Errors
    /// The file cannot be used; it is as it was.
    pub fn open(path: &Path, config: &SqliteConfig) -> Result<Self, OpenError> {
        let database = Database::new(schema::open(path)?, config.history);
        let counts = Arc::new(Counts::default());
        let (commands, receiver) = sync_channel(config.queue);
        let mut worker = Worker {
            database,
            config: config.clone(),
            counts: Arc::clone(&counts),
            lost: 0,
            last_error: String::new(),
            until_prune: 0,
        };
        let thread = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || worker.run(&receiver))
            .map_err(|error| OpenError::Thread {
                reason: error.to_string(),
            })?;
        Ok(Self {
            commands: Some(commands),
            thread: Some(thread),
            counts,
            queue: config.queue,
        })
    }

    /// Writes what waits and closes the file. Dropping the store does the same.
    pub fn close(self) {}

    fn send(&self, command: Command) -> Result<(), StoreError> {
        let commands = self.commands.as_ref().ok_or(StoreError::Closed)?;
        // Before the sending, so that the thread never counts below zero.
        self.counts.waiting.fetch_add(1, Ordering::Relaxed);
        commands.try_send(command).map_err(|error| {
            self.counts.waiting.fetch_sub(1, Ordering::Relaxed);
            match error {
                TrySendError::Full(_) => {
                    self.counts.refused.fetch_add(1, Ordering::Relaxed);
                    StoreError::Full { limit: self.queue }
                }
                TrySendError::Disconnected(_) => StoreError::Closed,
            }
        })
    }

    fn ask<T>(
        &self,
        question: impl FnOnce(Answer<T>) -> Question,
    ) -> Result<Pending<T>, StoreError> {
        let (answer, pending) = Pending::new();
        self.send(Command::Ask(question(answer)))?;
        Ok(pending)
    }
}

impl Store for SqliteStore {
    fn write(&self, change: Change) -> Result<(), StoreError> {
        let waiting = self.counts.waiting.load(Ordering::Relaxed);
        let places = (self.queue - self.queue / 4) as u64;
        if waiting >= places && !change.is_moderation() {
            self.counts.refused.fetch_add(1, Ordering::Relaxed);
            return Err(StoreError::Full { limit: self.queue });
        }
        self.send(Command::Write(Box::new(change)))
    }

    fn flush(&self) -> Result<Pending<()>, StoreError> {
        self.ask(Question::Flush)
    }

    fn room(&self, room: &RoomKey) -> Result<Pending<SavedRoom>, StoreError> {
        self.ask(|answer| Question::Room(room.clone(), answer))
    }

    fn profile(
        &self,
        app: AppId,
        user: &UserId,
    ) -> Result<Pending<Option<SavedProfile>>, StoreError> {
        self.ask(|answer| Question::Profile(app, user.clone(), answer))
    }

    fn profiles(
        &self,
        app: AppId,
        users: &[UserId],
    ) -> Result<Pending<Vec<(UserId, SavedProfile)>>, StoreError> {
        self.ask(|answer| Question::Profiles(app, users.to_vec(), answer))
    }

    fn counts(&self) -> StoreCounts {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        StoreCounts {
            written: read(&self.counts.written),
            commits: read(&self.counts.commits),
            refused: read(&self.counts.refused),
            failed: read(&self.counts.failed),
            unreadable: read(&self.counts.unreadable),
            waiting: read(&self.counts.waiting),
        }
    }
}

impl Drop for SqliteStore {
    fn drop(&mut self) {
        // The thread ends when it has written everything that was sent.
        self.commands = None;
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
        {
            tracing::error!("the store's thread has panicked");
        }
    }
}

/// The thread's side.
#[derive(Debug)]
struct Worker {
    database: Database,
    config: SqliteConfig,
    counts: Arc<Counts>,
    /// Changes since the last flush that could not be written, and why the last one.
    lost: u64,
    last_error: String,
    /// Changes until the bounds are looked at again.
    until_prune: usize,
}

impl Worker {
    fn run(&mut self, commands: &Receiver<Command>) {
        let mut changes = Vec::with_capacity(self.config.batch);
        while let Ok(command) = commands.recv() {
            let mut next = Some(command);
            let mut question = None;
            // What came while the last transaction was written goes into the next one.
            while let Some(command) = next.take() {
                match command {
                    Command::Write(change) => {
                        changes.push(*change);
                        if changes.len() < self.config.batch {
                            next = commands.try_recv().ok();
                        }
                    }
                    Command::Ask(asked) => question = Some(asked),
                }
            }
            self.write(&changes);
            let done = changes.len() + usize::from(question.is_some());
            changes.clear();
            self.counts
                .waiting
                .fetch_sub(done as u64, Ordering::Relaxed);
            if let Some(question) = question {
                self.answer(question);
            }
        }
    }

    fn write(&mut self, changes: &[Change]) {
        if changes.is_empty() {
            return;
        }
        let clock = now();
        self.prune_if_due(changes.len(), clock);
        let Err(error) = self.commit(changes, clock) else {
            return;
        };
        tracing::warn!(%error, changes = changes.len(), "a transaction of the store failed");
        // One change that cannot be written must not take the others with it.
        for change in changes.chunks(1) {
            if let Err(error) = self.commit(change, clock) {
                self.counts.failed.fetch_add(1, Ordering::Relaxed);
                self.lost += 1;
                self.last_error = error.to_string();
            }
        }
    }

    fn commit(&mut self, changes: &[Change], clock: UnixTime) -> rusqlite::Result<()> {
        self.database.apply(changes, clock)?;
        self.counts.commits.fetch_add(1, Ordering::Relaxed);
        self.counts
            .written
            .fetch_add(changes.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    fn prune_if_due(&mut self, changes: usize, clock: UnixTime) {
        self.until_prune = self.until_prune.saturating_sub(changes);
        if self.until_prune > 0 {
            return;
        }
        self.until_prune = PRUNE_EVERY;
        let SqliteConfig {
            rooms, profiles, ..
        } = self.config;
        if let Err(error) = self.database.prune(rooms, profiles, clock) {
            tracing::warn!(%error, "the store could not be cut to its bounds");
        }
    }

    fn answer(&mut self, question: Question) {
        match question {
            Question::Flush(answer) => answer.give(match std::mem::take(&mut self.lost) {
                0 => Ok(()),
                count => Err(StoreError::Write {
                    count,
                    reason: self.last_error.clone(),
                }),
            }),
            Question::Room(key, answer) => {
                let room = self.database.room(&key);
                self.counts
                    .unreadable
                    .store(self.database.unreadable(), Ordering::Relaxed);
                answer.give(room.map_err(|error| StoreError::Read {
                    what: format!("room {key}"),
                    reason: error.to_string(),
                }));
            }
            Question::Profiles(app, users, answer) => {
                let mut read = |user: UserId| {
                    let profile = self.database.profile(app, &user);
                    Ok(profile?.map(|profile| (user, profile)))
                };
                let users = users.into_iter();
                let profiles: rusqlite::Result<Vec<_>> =
                    users.filter_map(|user| read(user).transpose()).collect();
                answer.give(profiles.map_err(|error| StoreError::Read {
                    what: "the profiles of some users".to_owned(),
                    reason: error.to_string(),
                }));
            }
            Question::Profile(app, user, answer) => {
                let profile = self.database.profile(app, &user);
                answer.give(profile.map_err(|error| StoreError::Read {
                    what: format!("the profile of {user}"),
                    reason: error.to_string(),
                }));
            }
        }
    }
}

fn now() -> UnixTime {
    let since = SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default();
    UnixTime::default().after(since)
}

/// Changes between two looks at the bounds of the whole file.
const PRUNE_EVERY: usize = 100_000;
