//! Which rooms are connected, so that the audience of each sees the anchors of all.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use super::agenda::Agenda;
use super::ids::{AppId, RoomId, RoomKey};

/// Groups of connected rooms, and the open requests between rooms.
///
/// A room is in one group at most; a group has two rooms or more.
#[derive(Debug, Default)]
pub(super) struct CoHosts {
    groups: HashMap<RoomKey, u64>,
    rooms: BTreeMap<u64, BTreeSet<RoomKey>>,
    /// Open requests by asking and asked room, with the asking page's text.
    sent: BTreeMap<(RoomKey, RoomKey), String>,
    /// The same requests by asked and asking room.
    got: BTreeSet<(RoomKey, RoomKey)>,
    ends: Agenda<(RoomKey, RoomKey)>,
    next: u64,
}

impl CoHosts {
    /// The rooms that are connected with `key`.
    pub(super) fn others(&self, key: &RoomKey) -> Vec<RoomKey> {
        let group = self.groups.get(key).and_then(|group| self.rooms.get(group));
        let rooms = group.into_iter().flatten();
        rooms.filter(|other| *other != key).cloned().collect()
    }

    pub(super) fn are_connected(&self, a: &RoomKey, b: &RoomKey) -> bool {
        let group = self.groups.get(a);
        group.is_some() && group == self.groups.get(b)
    }

    /// Rooms in the group of `key`, itself included.
    pub(super) fn group_len(&self, key: &RoomKey) -> usize {
        let group = self.groups.get(key).and_then(|group| self.rooms.get(group));
        group.map_or(1, BTreeSet::len)
    }

    /// Brings `joiner`, which is in no group, into the group of `key`.
    pub(super) fn connect(&mut self, key: &RoomKey, joiner: &RoomKey) {
        let group = *self.groups.entry(key.clone()).or_insert_with(|| {
            self.next += 1;
            self.next
        });
        self.groups.insert(joiner.clone(), group);
        let rooms = self.rooms.entry(group).or_default();
        rooms.extend([key.clone(), joiner.clone()]);
    }

    /// Takes `key` out of its group; the rooms that were in it. The last one alone is in none.
    pub(super) fn disconnect(&mut self, key: &RoomKey) -> Vec<RoomKey> {
        let others = self.others(key);
        let Some(group) = self.groups.remove(key) else {
            return others;
        };
        if let Some(rooms) = self.rooms.get_mut(&group) {
            rooms.remove(key);
        }
        if let [last] = &others[..] {
            self.groups.remove(last);
            self.rooms.remove(&group);
        }
        others
    }

    /// Open requests that `key` has sent, or got.
    pub(super) fn requests_of(&self, key: &RoomKey) -> Vec<(RoomKey, RoomKey)> {
        let first = first_pair(key);
        let sent = self.sent.range(first.clone()..).map(|(pair, _)| pair);
        let sent = sent.take_while(|(from, _)| from == key);
        let got = self.got.range(first..).take_while(|(to, _)| to == key);
        let got = got.map(|(to, from)| (from.clone(), to.clone()));
        sent.cloned().chain(got).collect()
    }

    /// The asking page's text of an open request.
    pub(super) fn extension(&self, from: &RoomKey, to: &RoomKey) -> Option<&str> {
        let request = (from.clone(), to.clone());
        self.sent.get(&request).map(String::as_str)
    }

    pub(super) fn has_request(&self, from: &RoomKey, to: &RoomKey) -> bool {
        self.sent.contains_key(&(from.clone(), to.clone()))
    }

    pub(super) fn add_request(
        &mut self,
        from: &RoomKey,
        to: &RoomKey,
        extension: String,
        end: Option<Instant>,
    ) {
        self.sent.insert((from.clone(), to.clone()), extension);
        self.got.insert((to.clone(), from.clone()));
        self.ends.set(&(from.clone(), to.clone()), end);
    }

    /// Takes a request away; whether there was one.
    pub(super) fn remove_request(&mut self, from: &RoomKey, to: &RoomKey) -> bool {
        let request = (from.clone(), to.clone());
        self.ends.set(&request, None);
        self.got.remove(&(to.clone(), from.clone()));
        self.sent.remove(&request).is_some()
    }

    /// The asking and the asked room of a request whose time is over, once.
    pub(super) fn pop_ended(&mut self, now: Instant) -> Option<(RoomKey, RoomKey)> {
        self.ends.pop_due(now)
    }

    /// The next end of a request.
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        self.ends.next()
    }
}

/// No pair that begins with `key` is before this one.
fn first_pair(key: &RoomKey) -> (RoomKey, RoomKey) {
    (key.clone(), RoomKey::new(AppId(0), RoomId::Number(0)))
}
