//! What a client can know.

use super::super::*;

/// What one client believes, from replies and events alone.
#[derive(Default)]
pub(super) struct Belief {
    pub(super) anchors: BTreeMap<u32, BTreeMap<UserId, Tracks>>,
    pub(super) co_hosts: BTreeMap<u32, Vec<CoHostView>>,
    pub(super) seats: BTreeMap<u32, Vec<SeatView>>,
}

impl Belief {
    fn number(room: &RoomId) -> u32 {
        match room {
            RoomId::Number(number) => *number,
            RoomId::Name(_) => 0,
        }
    }

    pub(super) fn entered(&mut self, entered: &Entered) {
        let room = Self::number(&entered.info.room);
        let anchors = entered.anchors.iter();
        let anchors = anchors.map(|view| (view.user.clone(), view.tracks));
        if entered.role.is_some() {
            self.anchors.insert(room, anchors.collect());
            self.co_hosts.insert(room, entered.co_hosts.clone());
        }
        self.seats.insert(room, entered.seats.clone());
    }

    pub(super) fn learn(&mut self, event: Event) {
        let room = event.room().map(Self::number).unwrap_or_default();
        match event {
            Event::AnchorEntered { user, .. } => {
                if let Some(anchors) = self.anchors.get_mut(&room) {
                    let before = anchors.insert(user, Tracks::default());
                    assert_eq!(before, None, "an anchor entered twice");
                }
            }
            Event::AnchorLeft { user, .. } => {
                if let Some(anchors) = self.anchors.get_mut(&room) {
                    assert!(anchors.remove(&user).is_some(), "an unknown anchor left");
                }
            }
            Event::TrackChanged {
                user,
                track,
                publication,
                ..
            } => {
                if let Some(anchors) = self.anchors.get_mut(&room) {
                    *anchors.get_mut(&user).unwrap().slot(track) = publication;
                }
            }
            Event::SeatsChanged { seats, .. } => drop(self.seats.insert(room, seats)),
            Event::CoHostsChanged { co_hosts, .. } => drop(self.co_hosts.insert(room, co_hosts)),
            Event::CoHostAnchors { other, anchors, .. } => {
                let co_hosts = self.co_hosts.get_mut(&room).unwrap();
                let co_host = co_hosts.iter_mut().find(|view| view.room == other);
                co_host.unwrap().anchors = anchors;
            }
            Event::Removed { .. } => {
                self.co_hosts.remove(&room);
                self.anchors.remove(&room);
                self.seats.remove(&room);
            }
            _ => {}
        }
    }
}

/// What the media workers believe, from effects alone: who is there, and may send what.
#[derive(Default)]
pub(super) struct MediaSide(pub(super) BTreeMap<(RoomKey, UserId), Allowed>);

impl MediaSide {
    pub(super) fn learn(&mut self, effect: Effect) {
        match effect {
            Effect::MediaEntered { key, user, .. } => {
                let before = self.0.insert((key, user), Allowed::default());
                assert_eq!(before, None, "one user entered twice");
            }
            Effect::MediaLeft { key, user, .. } => {
                assert!(self.0.remove(&(key, user)).is_some(), "who left was there");
            }
            Effect::AllowedChanged {
                key, user, allowed, ..
            } => {
                let known = self.0.get_mut(&(key, user));
                *known.expect("whose rights change is there") = allowed;
            }
            Effect::TrackChanged {
                key, user, after, ..
            } => {
                let is_there = self.0.contains_key(&(key, user));
                assert!(is_there || after.is_none(), "who publishes is there");
            }
            _ => {}
        }
    }
}
