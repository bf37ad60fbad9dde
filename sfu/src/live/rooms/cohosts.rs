//! Hosts of several rooms connect, and their audiences see and hear all of them.

use std::time::Instant;

use super::{Rooms, Timer};
use crate::live::command::{CoHostOrder, Reply};
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::{RoomId, RoomKey};
use crate::live::limits::Refusal;
use crate::live::reason::RequestResult;
use crate::live::room::{Actor, deadline};
use crate::live::view::{CoHostRequestView, CoHostView};

impl Rooms {
    /// The rooms that are connected with `key`, with their anchors.
    pub fn co_hosts(&self, key: &RoomKey) -> Vec<CoHostView> {
        let Some(room) = self.rooms.get(key) else {
            return Vec::new();
        };
        let others = self.cohosts.others(key);
        let others = others.iter().filter_map(|other| self.rooms.get(other));
        others
            .map(|other| CoHostView {
                room: other.id(),
                owner: other.info().owner,
                is_muted: room.has_muted(&other.id()),
                anchors: other.anchors(),
            })
            .collect()
    }

    /// The open requests that `key` has sent or got.
    pub(super) fn co_host_requests(&self, key: &RoomKey) -> Vec<CoHostRequestView> {
        let requests = self.cohosts.requests_of(key).into_iter();
        requests
            .map(|(from, to)| {
                let sent = from == *key;
                let extension = self.cohosts.extension(&from, &to).unwrap_or_default();
                CoHostRequestView {
                    extension: extension.to_owned(),
                    other: if sent { to.room } else { from.room },
                    sent,
                }
            })
            .collect()
    }

    pub(super) fn co_host_order(
        &mut self,
        now: Instant,
        key: &RoomKey,
        actor: Actor<'_>,
        order: CoHostOrder,
    ) -> Result<Reply, LiveError> {
        self.in_known_room(now, key, |room, _| {
            room.authorize_host(actor, "connecting with other rooms")
        })?;
        let other = |room: RoomId| RoomKey::new(key.app, room);
        match order {
            CoHostOrder::Request {
                room,
                timeout,
                extension,
            } => {
                if extension.len() > MAX_EXTENSION {
                    return Err(LiveError::BadValue {
                        what: "the extension of a request",
                        allowed: "up to 1000 bytes",
                    });
                }
                let end = deadline(now, timeout)?;
                let to = other(room);
                self.check_request(key, &to)?;
                self.cohosts.add_request(key, &to, extension.clone(), end);
                self.out.event(
                    Recipient::Hosts(to.clone()),
                    Event::CoHostRequested {
                        room: to.room,
                        other: key.room.clone(),
                        extension,
                    },
                );
            }
            CoHostOrder::Cancel { room } => {
                let to = other(room);
                self.check_open(key, &to)?;
                self.end_request(key, &to, RequestResult::Cancelled);
            }
            CoHostOrder::Answer { room, accept } => {
                let from = other(room);
                self.check_open(&from, key)?;
                if !accept {
                    self.end_request(&from, key, RequestResult::Rejected);
                } else {
                    self.check_connect(&from, key)?;
                    self.end_request(&from, key, RequestResult::Accepted);
                    self.cohosts.connect(&from, key);
                    self.tell_others(now, key);
                    self.tell_room(now, key);
                }
            }
            CoHostOrder::Exit => self.disconnect(now, key),
            CoHostOrder::Mute { room, muted } => {
                if !self.cohosts.are_connected(key, &other(room.clone())) {
                    return Err(LiveError::NotConnected { room });
                }
                self.in_room(now, key, |found, _| found.set_muted(&room, muted));
                self.tell_room(now, key);
            }
        }
        self.note_cohost_timeout();
        Ok(Reply::Done)
    }

    pub(super) fn end_cohost_requests(&mut self, now: Instant) {
        while let Some((from, to)) = self.cohosts.pop_ended(now) {
            self.end_request(&from, &to, RequestResult::Timeout);
        }
        self.note_cohost_timeout();
    }

    /// A room that ends is connected with none and asks none.
    pub(super) fn drop_cohosts_of(&mut self, now: Instant, key: &RoomKey) {
        for (from, to) in self.cohosts.requests_of(key) {
            let result = if from == *key {
                RequestResult::Cancelled
            } else {
                RequestResult::Left
            };
            self.end_request(&from, &to, result);
        }
        self.disconnect(now, key);
        self.note_cohost_timeout();
    }

    fn check_request(&self, from: &RoomKey, to: &RoomKey) -> Result<(), LiveError> {
        if from == to {
            return Err(LiveError::BadValue {
                what: "connecting a room with itself",
                allowed: "name another room",
            });
        }
        if !self.rooms.contains_key(to) {
            return Err(super::no_such_room(to));
        }
        if self.cohosts.has_request(from, to) || self.cohosts.has_request(to, from) {
            return Err(LiveError::CoHostPending {
                room: to.room.clone(),
            });
        }
        self.check_connect(from, to)?;
        let limit = self.limits.cohost_requests;
        for key in [from, to] {
            if self.cohosts.requests_of(key).len() >= limit {
                return Err(LiveError::Full {
                    refusal: Refusal::CoHostRequests,
                    limit,
                });
            }
        }
        Ok(())
    }

    /// Whether `joiner` may come into the group of `key`.
    fn check_connect(&self, key: &RoomKey, joiner: &RoomKey) -> Result<(), LiveError> {
        let room = joiner.room.clone();
        if self.cohosts.are_connected(key, joiner) {
            return Err(LiveError::CoHostConnected { room });
        }
        if self.cohosts.group_len(joiner) > 1 {
            return Err(LiveError::CoHostElsewhere { room });
        }
        let limit = self.limits.cohosts;
        if self.cohosts.group_len(key) >= limit {
            return Err(LiveError::CoHostFull { limit });
        }
        Ok(())
    }

    fn check_open(&self, from: &RoomKey, to: &RoomKey) -> Result<(), LiveError> {
        if self.cohosts.has_request(from, to) {
            return Ok(());
        }
        Err(LiveError::NoCoHostRequest {
            from: from.room.clone(),
            to: to.room.clone(),
        })
    }

    /// Ends an open request, and tells the hosts of both rooms.
    fn end_request(&mut self, from: &RoomKey, to: &RoomKey, result: RequestResult) {
        if !self.cohosts.remove_request(from, to) {
            return;
        }
        for (key, other, sent) in [(from, to, true), (to, from, false)] {
            self.out.event(
                Recipient::Hosts(key.clone()),
                Event::CoHostRequestEnded {
                    room: key.room.clone(),
                    other: other.room.clone(),
                    sent,
                    result,
                },
            );
        }
    }

    fn disconnect(&mut self, now: Instant, key: &RoomKey) {
        let others = self.cohosts.disconnect(key);
        for other in &others {
            self.tell_room(now, other);
        }
        if !others.is_empty() {
            self.tell_room(now, key);
        }
    }

    /// Tells the rooms that are connected with `key` what it is.
    pub(super) fn tell_others(&mut self, now: Instant, key: &RoomKey) {
        for other in self.cohosts.others(key) {
            self.tell_room(now, &other);
        }
    }

    /// Tells a room, and the media side, with whom it is connected.
    fn tell_room(&mut self, now: Instant, key: &RoomKey) {
        let others = self.cohosts.others(key);
        self.in_room(now, key, |room, _| room.set_links(others));
        let Some(room) = self.rooms.get(key) else {
            return;
        };
        let co_hosts = self.co_hosts(key);
        let others = co_hosts.iter();
        self.out.effect(Effect::CoHostsChanged {
            key: key.clone(),
            others: others
                .map(|view| (RoomKey::new(key.app, view.room.clone()), view.is_muted))
                .collect(),
        });
        self.out.event(
            Recipient::Room(key.clone()),
            Event::CoHostsChanged {
                room: room.id(),
                co_hosts,
            },
        );
    }

    fn note_cohost_timeout(&mut self) {
        self.agenda
            .set(&Timer::CoHosts, self.cohosts.next_timeout());
    }
}

/// The longest text of a page's own in a request, in bytes.
const MAX_EXTENSION: usize = 1_000;
