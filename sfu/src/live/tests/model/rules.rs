//! The rules of rooms and seats, told apart from the way the rooms are built.

use super::super::*;
use super::steps::ROOMS;

/// What the rules say, told apart from the way the rooms are built.
#[derive(Default)]
pub(super) struct Model {
    pub(super) logins: BTreeMap<u8, (ConnectionId, Option<Instant>)>,
    pub(super) rooms: BTreeMap<u32, ModelRoom>,
    pub(super) bans: BTreeMap<(u32, u8), Instant>,
}

#[derive(Default)]
pub(super) struct ModelRoom {
    pub(super) owner: Option<u8>,
    /// Who was an anchor first, while there is one.
    pub(super) first_anchor: Option<u8>,
    pub(super) administrators: BTreeSet<u8>,
    pub(super) has_seats: bool,
    pub(super) members: BTreeMap<u8, ModelMember>,
    pub(super) seats: BTreeMap<u8, (u16, Option<Instant>)>,
    pub(super) empty_since: Option<Instant>,
}

#[derive(Default, Clone)]
pub(super) struct ModelMember {
    pub(super) chat: bool,
    pub(super) role: Option<Role>,
    pub(super) tracks: BTreeSet<TrackKind>,
    /// Nothing of the member is let through.
    pub(super) blocked: bool,
}

impl ModelRoom {
    fn note_anchor(&mut self, user: u8, role: Role) {
        let mut members = self.members.values();
        if role == Role::Anchor {
            self.first_anchor.get_or_insert(user);
        } else if !members.any(|m| m.role == Some(Role::Anchor)) {
            self.first_anchor = None;
        }
    }
}

impl Model {
    pub(super) fn member(&self, room: u32, user: u8) -> Option<&ModelMember> {
        self.rooms.get(&room)?.members.get(&user)
    }

    pub(super) fn role(&self, room: u32, user: u8) -> Option<Role> {
        self.member(room, user)?.role
    }

    pub(super) fn may_enter(
        &self,
        now: Instant,
        room: u32,
        user: u8,
        chat: bool,
        media: bool,
    ) -> bool {
        let banned = self
            .bans
            .get(&(room, user))
            .is_some_and(|until| *until > now);
        let elsewhere = (1..=ROOMS).any(|r| r != room && self.role(r, user).is_some());
        let exists = self.rooms.contains_key(&room);
        let comes_into_being = media && !chat;
        !banned && (!media || !elsewhere) && (exists || comes_into_being)
    }

    pub(super) fn enter(&mut self, room: u32, user: u8, chat: bool, role: Option<Role>) {
        let found = self.rooms.entry(room).or_default();
        let is_owner = found.owner == Some(user);
        let kept = found.seats.contains_key(&user);
        let member = found.members.entry(user).or_default();
        member.chat |= chat;
        let Some(wanted) = role.filter(|_| member.role.is_none()) else {
            return;
        };
        let role = match (found.has_seats, kept) {
            (_, true) => Role::Anchor,
            (true, false) if !is_owner => Role::Audience,
            _ => wanted,
        };
        member.role = Some(role);
        found.note_anchor(user, role);
        if kept {
            found.seats.get_mut(&user).unwrap().1 = None;
        } else if found.has_seats && is_owner && role == Role::Anchor {
            found.seats.insert(user, (0, None));
        }
    }

    /// Ends the media of a member; a seat is kept until `keep`.
    pub(super) fn leave_media(&mut self, room: u32, user: u8, keep: Option<Instant>) {
        let Some(found) = self.rooms.get_mut(&room) else {
            return;
        };
        let Some(member) = found.members.get_mut(&user) else {
            return;
        };
        if member.role.take().is_none() {
            return;
        }
        member.tracks.clear();
        member.blocked = false;
        found.note_anchor(user, Role::Audience);
        match keep {
            Some(until) => {
                if let Some(seat) = found.seats.get_mut(&user) {
                    seat.1 = Some(until);
                }
            }
            None => drop(found.seats.remove(&user)),
        }
    }

    pub(super) fn remove(&mut self, room: u32, user: u8, keep: Option<Instant>) {
        self.leave_media(room, user, keep);
        if let Some(found) = self.rooms.get_mut(&room) {
            found.members.remove(&user);
        }
    }

    pub(super) fn set_role(&mut self, room: u32, user: u8, role: Role) {
        let Some(found) = self.rooms.get_mut(&room) else {
            return;
        };
        if role == Role::Audience {
            found.seats.remove(&user);
        }
        if let Some(member) = found.members.get_mut(&user)
            && member.role.is_some()
        {
            member.role = Some(role);
            if role == Role::Audience {
                member.tracks.clear();
            }
            found.note_anchor(user, role);
        }
    }

    /// `user` has got `seat`: it was free, and the user without one.
    pub(super) fn sit(&mut self, room: u32, user: u8, seat: u16) {
        let found = self.rooms.get_mut(&room).unwrap();
        assert!(found.has_seats);
        assert!(
            found.members[&user].role.is_some(),
            "seated outside the media"
        );
        assert!(
            found.seats.values().all(|(taken, _)| *taken != seat),
            "seat taken twice"
        );
        assert!(
            found.seats.insert(user, (seat, None)).is_none(),
            "one user on two seats"
        );
        self.set_role(room, user, Role::Anchor);
    }

    pub(super) fn end_login(&mut self, user: u8, keep: Option<Instant>) {
        self.logins.remove(&user);
        for room in 1..=ROOMS {
            self.remove(room, user, keep);
        }
    }

    pub(super) fn settle(&mut self, now: Instant) {
        let over: Vec<_> = self
            .logins
            .iter()
            .filter(|(_, (_, lost))| lost.is_some_and(|at| at <= now))
            .map(|(user, _)| *user)
            .collect();
        for user in over {
            self.end_login(user, None);
        }
        for room in self.rooms.values_mut() {
            room.seats
                .retain(|_, (_, kept)| kept.is_none_or(|at| at > now));
            if room.members.is_empty() {
                room.empty_since.get_or_insert(now);
            } else {
                room.empty_since = None;
            }
        }
        self.rooms.retain(|_, room| {
            let stay = if room.owner.is_some() { 12 * 3600 } else { 30 };
            let end = room
                .empty_since
                .map(|since| since + Duration::from_secs(stay));
            end.is_none_or(|end| end > now)
        });
    }
}
