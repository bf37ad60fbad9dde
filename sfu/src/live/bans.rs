//! Who may not enter which room, and until when.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use super::ids::{RoomKey, UserId};

/// The running bans of all rooms. A ban outlives its room.
#[derive(Debug, Default)]
pub(super) struct Bans {
    rooms: HashMap<RoomKey, BTreeMap<UserId, Instant>>,
    len: usize,
}

/// There are as many running bans as there may be.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BansFull {
    pub(super) limit: usize,
}

impl Bans {
    /// Bans `user` until `until`, in place of an earlier ban.
    pub(super) fn add(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        until: Instant,
        per_room: usize,
        total: usize,
    ) -> Result<(), BansFull> {
        if let Some(running) = self.rooms.get_mut(key).and_then(|room| room.get_mut(user)) {
            *running = until;
            return Ok(());
        }
        if self.room_len(key) >= per_room || self.len >= total {
            self.forget_ended(now);
        }
        if self.room_len(key) >= per_room {
            return Err(BansFull { limit: per_room });
        }
        if self.len >= total {
            return Err(BansFull { limit: total });
        }
        self.rooms
            .entry(key.clone())
            .or_default()
            .insert(user.clone(), until);
        self.len += 1;
        Ok(())
    }

    /// Whether all of `users` can be banned at once.
    pub(super) fn check_space(
        &mut self,
        now: Instant,
        key: &RoomKey,
        users: &[UserId],
        per_room: usize,
        total: usize,
    ) -> Result<(), BansFull> {
        self.forget_ended(now);
        let room = self.rooms.get(key);
        let is_new = |user: &&UserId| !room.is_some_and(|room| room.contains_key(user));
        let new = users.iter().filter(is_new).count();
        if self.room_len(key) + new > per_room {
            return Err(BansFull { limit: per_room });
        }
        if self.len + new > total {
            return Err(BansFull { limit: total });
        }
        Ok(())
    }

    /// Lifts a ban; whether there was a running one.
    pub(super) fn remove(&mut self, now: Instant, key: &RoomKey, user: &UserId) -> bool {
        let Some(room) = self.rooms.get_mut(key) else {
            return false;
        };
        let Some(until) = room.remove(user) else {
            return false;
        };
        if room.is_empty() {
            self.rooms.remove(key);
        }
        self.len -= 1;
        until > now
    }

    /// The time that is left of the ban of `user`.
    pub(super) fn left(&self, now: Instant, key: &RoomKey, user: &UserId) -> Option<Duration> {
        let until = *self.rooms.get(key)?.get(user)?;
        until
            .checked_duration_since(now)
            .filter(|left| !left.is_zero())
    }

    /// The running bans of one room, by user.
    pub(super) fn of_room(
        &self,
        now: Instant,
        key: &RoomKey,
    ) -> impl Iterator<Item = (&UserId, Duration)> {
        self.rooms
            .get(key)
            .into_iter()
            .flatten()
            .filter_map(move |(user, until)| Some((user, until.checked_duration_since(now)?)))
            .filter(|(_, left)| !left.is_zero())
    }

    fn room_len(&self, key: &RoomKey) -> usize {
        self.rooms.get(key).map_or(0, BTreeMap::len)
    }

    fn forget_ended(&mut self, now: Instant) {
        self.rooms.retain(|_, room| {
            room.retain(|_, until| *until > now);
            !room.is_empty()
        });
        self.len = self.rooms.values().map(BTreeMap::len).sum();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::ids::{AppId, RoomId};

    fn key(number: u32) -> RoomKey {
        RoomKey::new(AppId(1), RoomId::Number(number))
    }

    fn user(number: u32) -> UserId {
        format!("u{number}").parse().unwrap()
    }

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn a_ban_ends_at_its_time_and_holds_for_one_room() {
        let t0 = Instant::now();
        let mut bans = Bans::default();
        bans.add(t0, &key(1), &user(1), t0 + 10 * SECOND, 5, 5)
            .unwrap();
        assert_eq!(bans.left(t0, &key(1), &user(1)), Some(10 * SECOND));
        assert_eq!(bans.left(t0, &key(2), &user(1)), None);
        assert_eq!(bans.left(t0 + 10 * SECOND, &key(1), &user(1)), None);
        assert!(bans.remove(t0, &key(1), &user(1)));
        assert!(!bans.remove(t0, &key(1), &user(1)));
        assert_eq!(bans.left(t0, &key(1), &user(1)), None);
    }

    #[test]
    fn full_lists_refuse_until_a_ban_has_ended() {
        let t0 = Instant::now();
        let mut bans = Bans::default();
        for n in 0..2 {
            bans.add(t0, &key(1), &user(n), t0 + SECOND, 2, 3).unwrap();
        }
        let more = bans.add(t0, &key(1), &user(2), t0 + SECOND, 2, 3);
        assert_eq!(more, Err(BansFull { limit: 2 }));
        bans.add(t0, &key(1), &user(1), t0 + 5 * SECOND, 2, 3)
            .unwrap();
        bans.add(t0, &key(2), &user(2), t0 + SECOND, 2, 3).unwrap();
        let total = bans.add(t0, &key(3), &user(2), t0 + SECOND, 2, 3);
        assert_eq!(total, Err(BansFull { limit: 3 }));

        let later = t0 + 2 * SECOND;
        bans.add(later, &key(1), &user(2), later + SECOND, 2, 3)
            .unwrap();
        assert_eq!(bans.len, 2);
        assert_eq!(bans.of_room(later, &key(1)).count(), 2);
    }
}
