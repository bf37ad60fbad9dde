//! Changes and questions as statements.

use std::collections::HashMap;

use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, params};

use super::{Change, SavedProfile, SavedRoom};
use crate::live::chat::{Message, UnixTime};
use crate::live::{AppId, RoomId, RoomKey, UserId};

/// The database of one store. Everything happens on the store's thread.
#[derive(Debug)]
pub(super) struct Database {
    connection: Connection,
    history: u32,
    rooms: HashMap<RoomKey, i64>,
    unreadable: u64,
}

impl Database {
    pub(super) fn new(connection: Connection, history: u32) -> Self {
        Self {
            connection,
            history,
            rooms: HashMap::new(),
            unreadable: 0,
        }
    }

    /// Writes all changes in one transaction, or none.
    pub(super) fn apply(&mut self, changes: &[Change], clock: UnixTime) -> rusqlite::Result<()> {
        let result = self.apply_in_transaction(changes, clock);
        if result.is_err() {
            // Ids given to new rooms went back with the transaction.
            self.rooms.clear();
        }
        result
    }

    fn apply_in_transaction(
        &mut self,
        changes: &[Change],
        clock: UnixTime,
    ) -> rusqlite::Result<()> {
        let transaction = immediate(&mut self.connection)?;
        let mut writer = Writer {
            connection: &transaction,
            rooms: &mut self.rooms,
            history: self.history,
            clock,
        };
        for change in changes {
            writer.write(change)?;
        }
        transaction.commit()
    }

    /// What is stored of a room.
    pub(super) fn room(&mut self, key: &RoomKey) -> rusqlite::Result<SavedRoom> {
        let mut room = SavedRoom::default();
        let (kind, name) = name_of(key);
        let connection = &self.connection;
        let row = connection
            .prepare_cached(
                "SELECT id, last_sequence, mute_all, likes FROM room
                 WHERE app = ?1 AND kind = ?2 AND name = ?3",
            )?
            .query_row(params![key.app.0, kind, name], |row| {
                room.chat.last_sequence = unsigned(row, 1)?;
                room.chat.mute_all = row.get(2)?;
                room.chat.likes = unsigned(row, 3)?;
                row.get::<_, i64>(0)
            })
            .optional()?;
        let Some(id) = row else {
            return Ok(room);
        };
        let unreadable = &mut self.unreadable;
        let mut rows = |sql: &str, read: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>| {
            each_row(connection, sql, id, unreadable, read)
        };
        rows(
            "SELECT body FROM message WHERE room = ?1 ORDER BY sequence",
            &mut |row| {
                room.chat.history.push(message(row)?);
                Ok(())
            },
        )?;
        rows("SELECT user, until FROM mute WHERE room = ?1", &mut |row| {
            room.chat
                .mutes
                .push((user(row)?, UnixTime(unsigned(row, 1)?)));
            Ok(())
        })?;
        rows("SELECT user, until FROM ban WHERE room = ?1", &mut |row| {
            room.bans.push((user(row)?, UnixTime(unsigned(row, 1)?)));
            Ok(())
        })?;
        rows(
            "SELECT name, value FROM attribute WHERE room = ?1",
            &mut |row| {
                room.chat.attributes.insert(row.get(0)?, row.get(1)?);
                Ok(())
            },
        )?;
        rows(
            "SELECT name, value FROM counter WHERE room = ?1",
            &mut |row| {
                room.chat.counters.insert(row.get(0)?, row.get(1)?);
                Ok(())
            },
        )?;
        Ok(room)
    }

    /// A user's profile.
    pub(super) fn profile(
        &mut self,
        app: AppId,
        user: &UserId,
    ) -> rusqlite::Result<Option<SavedProfile>> {
        self.connection
            .prepare_cached(
                "SELECT nick, avatar, gender, self_signature FROM profile
                 WHERE app = ?1 AND user = ?2",
            )?
            .query_row(params![app.0, user.as_str()], |row| {
                Ok(SavedProfile {
                    nick: row.get(0)?,
                    avatar: row.get(1)?,
                    gender: row.get(2)?,
                    self_signature: row.get(3)?,
                })
            })
            .optional()
    }

    /// Takes away what has ended and what was not touched for longest beyond the bounds.
    pub(super) fn prune(
        &mut self,
        rooms: u32,
        profiles: u32,
        clock: UnixTime,
    ) -> rusqlite::Result<()> {
        self.rooms.clear();
        let transaction = immediate(&mut self.connection)?;
        let now = signed(clock.0);
        transaction.execute("DELETE FROM mute WHERE until <= ?1", [now])?;
        transaction.execute("DELETE FROM ban WHERE until <= ?1", [now])?;
        transaction.execute(
            "DELETE FROM room WHERE id IN
             (SELECT id FROM room ORDER BY touched DESC, id DESC LIMIT -1 OFFSET ?1)",
            [rooms],
        )?;
        transaction.execute(
            "DELETE FROM profile WHERE (app, user) IN
             (SELECT app, user FROM profile ORDER BY touched DESC LIMIT -1 OFFSET ?1)",
            [profiles],
        )?;
        transaction.commit()
    }

    /// Rows that could not be read.
    pub(super) fn unreadable(&self) -> u64 {
        self.unreadable
    }
}

/// Writes changes inside a transaction.
struct Writer<'a> {
    connection: &'a Connection,
    rooms: &'a mut HashMap<RoomKey, i64>,
    history: u32,
    clock: UnixTime,
}

impl Writer<'_> {
    fn write(&mut self, change: &Change) -> rusqlite::Result<()> {
        match change {
            Change::Message { room, message } => {
                let id = self.room(room)?;
                self.message(id, message)
            }
            Change::Mute { room, user, until } => {
                let id = self.room(room)?;
                self.restrict("mute", id, user, *until)
            }
            Change::Ban { room, user, until } => {
                let id = self.room(room)?;
                self.restrict("ban", id, user, *until)
            }
            Change::MuteAll { room, mute_all } => {
                let id = self.room(room)?;
                self.run(
                    "UPDATE room SET mute_all = ?2 WHERE id = ?1",
                    params![id, mute_all],
                )
            }
            Change::Likes { room, total } => {
                let id = self.room(room)?;
                self.run(
                    "UPDATE room SET likes = ?2 WHERE id = ?1",
                    params![id, signed(*total)],
                )
            }
            Change::Attributes { room, change } => {
                let id = self.room(room)?;
                for name in &change.deleted {
                    self.run(
                        "DELETE FROM attribute WHERE room = ?1 AND name = ?2",
                        params![id, name],
                    )?;
                }
                for (name, value) in &change.set {
                    self.run(
                        "INSERT OR REPLACE INTO attribute VALUES (?1, ?2, ?3)",
                        params![id, name, value],
                    )?;
                }
                Ok(())
            }
            Change::Counter { room, name, value } => {
                let id = self.room(room)?;
                self.run(
                    "INSERT OR REPLACE INTO counter VALUES (?1, ?2, ?3)",
                    params![id, name, value],
                )
            }
            Change::Profile { app, user, profile } => self.run(
                "INSERT OR REPLACE INTO profile VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
                params![
                    app.0,
                    user.as_str(),
                    profile.nick,
                    profile.avatar,
                    profile.gender,
                    profile.self_signature,
                    signed(self.clock.0)
                ],
            ),
            Change::Forget { room } => {
                self.rooms.remove(room);
                let (kind, name) = name_of(room);
                self.run(
                    "DELETE FROM room WHERE app = ?1 AND kind = ?2 AND name = ?3",
                    params![room.app.0, kind, name],
                )
            }
        }
    }

    fn message(&self, room: i64, message: &Message) -> rusqlite::Result<()> {
        let body = serde_json::to_string(message)
            .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
        let sequence = signed(message.sequence);
        self.run(
            "INSERT OR REPLACE INTO message VALUES (?1, ?2, ?3)",
            params![room, sequence, body],
        )?;
        self.run(
            "UPDATE room SET last_sequence = max(last_sequence, ?2) WHERE id = ?1",
            params![room, sequence],
        )?;
        // Sequences have no gaps, so the ring needs no count.
        self.run(
            "DELETE FROM message WHERE room = ?1 AND sequence <=
             (SELECT last_sequence FROM room WHERE id = ?1) - ?2",
            params![room, self.history],
        )
    }

    fn restrict(
        &self,
        table: &'static str,
        room: i64,
        user: &UserId,
        until: Option<UnixTime>,
    ) -> rusqlite::Result<()> {
        match until {
            Some(until) => self.run(
                &format!("INSERT OR REPLACE INTO {table} VALUES (?1, ?2, ?3)"),
                params![room, user.as_str(), signed(until.0)],
            ),
            None => self.run(
                &format!("DELETE FROM {table} WHERE room = ?1 AND user = ?2"),
                params![room, user.as_str()],
            ),
        }
    }

    /// The room's row, made when it is new.
    fn room(&mut self, key: &RoomKey) -> rusqlite::Result<i64> {
        if let Some(id) = self.rooms.get(key) {
            return Ok(*id);
        }
        let (kind, name) = name_of(key);
        let id = self
            .connection
            .prepare_cached(
                "INSERT INTO room (app, kind, name, touched) VALUES (?1, ?2, ?3, ?4)
                 ON CONFLICT (app, kind, name) DO UPDATE SET touched = excluded.touched
                 RETURNING id",
            )?
            .query_row(
                params![key.app.0, kind, name, signed(self.clock.0)],
                |row| row.get(0),
            )?;
        if self.rooms.len() >= MAX_CACHED_ROOMS {
            self.rooms.clear();
        }
        self.rooms.insert(key.clone(), id);
        Ok(id)
    }

    fn run(&self, sql: &str, params: impl rusqlite::Params) -> rusqlite::Result<()> {
        self.connection.prepare_cached(sql)?.execute(params)?;
        Ok(())
    }
}

/// Waits for other writers here and not in the middle of the transaction.
fn immediate(connection: &mut Connection) -> rusqlite::Result<Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate)
}

/// Gives each row of a room to `read`. One damaged row must not take the others away.
fn each_row(
    connection: &Connection,
    sql: &str,
    room: i64,
    unreadable: &mut u64,
    read: &mut dyn FnMut(&Row<'_>) -> rusqlite::Result<()>,
) -> rusqlite::Result<()> {
    let mut statement = connection.prepare_cached(sql)?;
    let mut rows = statement.query([room])?;
    while let Some(row) = rows.next()? {
        match read(row) {
            Err(rusqlite::Error::FromSqlConversionFailure(..)) => *unreadable += 1,
            result => result?,
        }
    }
    Ok(())
}

fn name_of(key: &RoomKey) -> (u8, String) {
    match &key.room {
        RoomId::Number(number) => (0, number.to_string()),
        RoomId::Name(name) => (1, name.to_string()),
    }
}

fn message(row: &Row<'_>) -> rusqlite::Result<Message> {
    let body: String = row.get(0)?;
    serde_json::from_str(&body).map_err(|error| unreadable(error.into()))
}

fn user(row: &Row<'_>) -> rusqlite::Result<UserId> {
    let user: String = row.get(0)?;
    user.parse()
        .map_err(|error: crate::live::InvalidId| unreadable(error.into()))
}

fn unreadable(error: Box<dyn std::error::Error + Send + Sync>) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(0, Type::Text, error)
}

/// SQLite's integers have a sign; nothing here comes near the end of their range.
fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(row.get::<_, i64>(column)?.max(0).unsigned_abs())
}

/// Rooms whose row ids are remembered; beyond that the memory starts anew.
const MAX_CACHED_ROOMS: usize = 10_000;
