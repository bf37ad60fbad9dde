//! How good the transports of a room's anchors are, for those in the room who want to know.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::{INTERVAL, NetworkQuality};
use crate::live::agenda::Agenda;
use crate::live::ids::{ConnectionId, RoomKey, UserId};

/// The listeners of rooms, and the newest quality of each anchor there: as many as are in media.
#[derive(Debug, Default)]
pub struct RoomQualities {
    rooms: HashMap<RoomKey, Listened>,
    agenda: Agenda<RoomKey>,
}

#[derive(Debug, Default)]
struct Listened {
    listeners: BTreeSet<ConnectionId>,
    newest: BTreeMap<UserId, NetworkQuality>,
}

/// What the listeners of a room are to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RoomReport {
    /// The room.
    pub room: RoomKey,
    /// Who is told.
    pub listeners: Vec<ConnectionId>,
    /// Who has been measured since the last report.
    pub qualities: Vec<(UserId, NetworkQuality)>,
}

impl RoomQualities {
    /// Somebody in the room wants its reports, or wants them no longer.
    pub fn listen(&mut self, now: Instant, key: &RoomKey, listener: ConnectionId, wanted: bool) {
        if !wanted {
            return self.stop(key, listener);
        }
        let room = self.rooms.entry(key.clone()).or_insert_with(|| {
            self.agenda.set(key, Some(now + INTERVAL));
            Listened::default()
        });
        room.listeners.insert(listener);
    }

    /// A listener is told nothing any more.
    pub fn stop(&mut self, key: &RoomKey, listener: ConnectionId) {
        let Some(room) = self.rooms.get_mut(key) else {
            return;
        };
        room.listeners.remove(&listener);
        if room.listeners.is_empty() {
            self.rooms.remove(key);
            self.agenda.set(key, None);
        }
    }

    /// An anchor has been measured; nothing where nobody listens.
    pub fn note(&mut self, key: &RoomKey, user: &UserId, quality: NetworkQuality) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.newest.insert(user.clone(), quality);
        }
    }

    /// An anchor has left.
    pub fn forget(&mut self, key: &RoomKey, user: &UserId) {
        if let Some(room) = self.rooms.get_mut(key) {
            room.newest.remove(user);
        }
    }

    /// When [`Self::poll_report`] is worth a call.
    pub fn next_timeout(&self) -> Option<Instant> {
        self.agenda.next()
    }

    /// The next report that is due; rooms in which nobody was measured have none.
    pub fn poll_report(&mut self, now: Instant) -> Option<RoomReport> {
        while let Some(key) = self.agenda.pop_due(now) {
            self.agenda.set(&key, Some(now + INTERVAL));
            let Some(room) = self.rooms.get_mut(&key) else {
                continue;
            };
            let qualities = std::mem::take(&mut room.newest);
            if !qualities.is_empty() {
                return Some(RoomReport {
                    listeners: room.listeners.iter().copied().collect(),
                    qualities: qualities.into_iter().collect(),
                    room: key,
                });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::super::Quality;
    use super::*;
    use crate::live::{AppId, RoomId};

    fn room(number: u64) -> RoomKey {
        RoomKey::new(AppId(1), RoomId::number(number).unwrap())
    }

    fn quality(uplink: Quality) -> NetworkQuality {
        NetworkQuality {
            uplink_network_quality: uplink,
            ..NetworkQuality::default()
        }
    }

    #[test]
    fn listeners_are_told_of_those_who_were_measured_and_no_more_often_than_they_are() {
        let start = Instant::now();
        let mut rooms = RoomQualities::default();
        let anna: UserId = "anna".parse().unwrap();
        rooms.note(&room(1), &anna, quality(Quality::Bad));
        rooms.listen(start, &room(1), ConnectionId(1), true);
        rooms.listen(start, &room(1), ConnectionId(2), true);
        rooms.listen(start, &room(2), ConnectionId(3), true);
        assert_eq!(rooms.next_timeout(), Some(start + INTERVAL));
        rooms.note(&room(1), &anna, quality(Quality::Fair));
        rooms.note(&room(1), &anna, quality(Quality::Good));
        assert_eq!(rooms.poll_report(start + INTERVAL / 2), None, "too early");
        let report = rooms.poll_report(start + INTERVAL).expect("measured");
        assert_eq!(report.room, room(1));
        assert_eq!(report.listeners, [ConnectionId(1), ConnectionId(2)]);
        assert_eq!(report.qualities, [(anna.clone(), quality(Quality::Good))]);
        assert_eq!(rooms.poll_report(start + INTERVAL), None);
        assert_eq!(
            rooms.poll_report(start + 2 * INTERVAL),
            None,
            "nobody was measured since"
        );
        rooms.note(&room(1), &anna, quality(Quality::Good));
        rooms.forget(&room(1), &anna);
        assert_eq!(rooms.poll_report(start + 3 * INTERVAL), None, "gone");
    }

    #[test]
    fn a_room_that_nobody_listens_to_is_forgotten() {
        let start = Instant::now();
        let mut rooms = RoomQualities::default();
        for connection in [1, 2, 2] {
            rooms.listen(start, &room(1), ConnectionId(connection), true);
        }
        rooms.listen(start, &room(1), ConnectionId(1), false);
        rooms.stop(&room(1), ConnectionId(9));
        assert_eq!(rooms.rooms.len(), 1);
        rooms.stop(&room(1), ConnectionId(2));
        assert!(rooms.rooms.is_empty());
        assert_eq!(rooms.next_timeout(), None);
    }
}
