//! One room: who is in it, and what others see of them.

mod moderation;
mod presence;
mod publishing;
mod seat_orders;
mod seat_requests;
mod seating;

pub(super) use self::seat_requests::deadline;

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::time::Instant;

use super::chat::UnixTime;
use super::command::{About, MemberView, RoomSettings, SeatMode, SeatSettings};
use super::effect::Effect;
use super::error::LiveError;
use super::event::{Event, Outputs, Recipient};
use super::ids::{ConnectionId, RoomId, RoomKey, UserId};
use super::limits::{Limits, Refusal};
use super::member::Member;
use super::roles::{Rank, Role, Scene};
use super::seats::{Requests, SeatList};
use super::view::{RoomInfo, SeatUser, SeatView};

/// What every change of a room needs.
pub(super) struct Turn<'a> {
    pub(super) now: Instant,
    pub(super) limits: &'a Limits,
    pub(super) out: &'a mut Outputs,
}

/// Who decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Actor<'a> {
    /// The server's operator or the page's back end.
    Operator,
    /// A member.
    User(&'a UserId),
}

/// A room and all that is in it.
#[derive(Debug)]
pub(super) struct Room {
    key: RoomKey,
    owner: Option<UserId>,
    administrators: BTreeSet<UserId>,
    about: About,
    created_at: Option<UnixTime>,
    scene: Option<Scene>,
    members: BTreeMap<UserId, Member>,
    guests: BTreeSet<ConnectionId>,
    /// The members whose role is anchor.
    anchors: BTreeSet<UserId>,
    /// How many members are in the media; the scene is free again when nobody is.
    media_members: usize,
    /// Who was an anchor first, while there are anchors: the one who may become the owner. A
    /// viewer who is early is not asked about.
    first_anchor: Option<UserId>,
    seating: Option<Seating>,
    total_entered: u64,
    empty_since: Option<Instant>,
    /// The connected rooms whose audiences see these anchors.
    links: Vec<RoomKey>,
    /// The connected rooms whose sound is muted here.
    muted: BTreeSet<RoomId>,
    /// The anchors have changed and the connected rooms were not told.
    anchors_changed: bool,
}

/// The seats of a room that has some.
#[derive(Debug)]
struct Seating {
    settings: SeatSettings,
    list: SeatList,
    requests: Requests,
    /// The list has changed and nobody was told.
    changed: bool,
}

impl Room {
    /// An empty room; `now` begins the time it may stay so.
    pub(super) fn new(key: RoomKey, now: Instant) -> Self {
        Self {
            key,
            owner: None,
            administrators: BTreeSet::new(),
            about: About::default(),
            created_at: None,
            scene: None,
            members: BTreeMap::new(),
            guests: BTreeSet::new(),
            anchors: BTreeSet::new(),
            media_members: 0,
            first_anchor: None,
            seating: None,
            total_entered: 0,
            empty_since: Some(now),
            links: Vec::new(),
            muted: BTreeSet::new(),
            anchors_changed: false,
        }
    }

    pub(super) fn owner(&self) -> Option<&UserId> {
        self.owner.as_ref()
    }

    /// Whether `user` may become the owner. Who comes later into a room that is in use must not
    /// take it over.
    pub(super) fn check_claim(&self, user: &UserId) -> Result<(), LiveError> {
        match (&self.owner, &self.first_anchor) {
            (Some(owner), _) if owner == user => Err(LiveError::AlreadyYours { room: self.id() }),
            (Some(_), _) => Err(LiveError::IdTaken { room: self.id() }),
            (None, Some(first)) if first != user => Err(LiveError::IdTaken { room: self.id() }),
            (None, _) => Ok(()),
        }
    }

    /// Gives a room without owner its owner, texts and seats.
    pub(super) fn claim(
        &mut self,
        turn: &mut Turn<'_>,
        owner: &UserId,
        settings: RoomSettings,
    ) -> Result<(), LiveError> {
        match &self.owner {
            Some(other) if other == owner => {
                return Err(LiveError::AlreadyYours { room: self.id() });
            }
            Some(_) => return Err(LiveError::IdTaken { room: self.id() }),
            None => {}
        }
        check_seats(settings.seats, turn.limits)?;
        if settings.seats.is_some() && !self.anchors.is_empty() {
            // They came without a seat, and would have to be silenced.
            return Err(LiveError::BadValue {
                what: "adding seats to a room that is in use",
                allowed: "create the room before an anchor enters its media",
            });
        }
        self.owner = Some(owner.clone());
        self.about = settings.about;
        self.created_at = settings.created_at;
        self.seating = settings.seats.map(|settings| Seating {
            settings,
            list: SeatList::new(settings.count),
            requests: Requests::default(),
            changed: true,
        });
        turn.out.effect(Effect::RoomCreated {
            key: self.key.clone(),
            owner: self.owner.clone(),
        });
        self.tell_info(turn);
        Ok(())
    }

    /// Tells the room what it is now.
    fn tell_info(&self, turn: &mut Turn) {
        turn.out.event(
            Recipient::Room(self.key.clone()),
            Event::RoomUpdated {
                room: self.id(),
                info: self.info(),
            },
        );
    }

    /// Tells everybody of seats that have changed, and the connected rooms of anchors; the last
    /// step of each command.
    pub(super) fn finish(&mut self, turn: &mut Turn<'_>) {
        let changed = match &mut self.seating {
            Some(seating) => std::mem::take(&mut seating.changed),
            None => false,
        };
        if changed {
            let event = Event::SeatsChanged {
                room: self.id(),
                seats: self.seats(),
            };
            turn.out.event(Recipient::Room(self.key.clone()), event);
            turn.out.effect(Effect::SeatsChanged {
                key: self.key.clone(),
            });
        }
        if std::mem::take(&mut self.anchors_changed) && !self.links.is_empty() {
            let anchors = self.anchors();
            for link in &self.links {
                turn.out.event(
                    Recipient::Media(link.clone()),
                    Event::CoHostAnchors {
                        room: link.room.clone(),
                        other: self.id(),
                        anchors: anchors.clone(),
                    },
                );
            }
        }
        if !self.members.is_empty() || !self.guests.is_empty() {
            self.empty_since = None;
        } else if self.empty_since.is_none() {
            self.empty_since = Some(turn.now);
        }
    }

    /// Ends seat requests and kept seats whose time is over.
    pub(super) fn handle_timeout(&mut self, turn: &mut Turn<'_>) {
        self.end_requests(turn);
        self.end_kept_seats(turn);
    }

    /// Whether the room has been empty for as long as it may.
    pub(super) fn is_over(&self, now: Instant, limits: &Limits) -> bool {
        self.empty_deadline(limits).is_some_and(|at| at <= now)
    }

    /// The next moment at which [`Self::handle_timeout`] or [`Self::is_over`] has something.
    pub(super) fn next_timeout(&self, limits: &Limits) -> Option<Instant> {
        let seats = self.seating.as_ref().and_then(|seating| {
            let ends = [seating.list.next_timeout(), seating.requests.next_timeout()];
            ends.into_iter().flatten().min()
        });
        [seats, self.empty_deadline(limits)]
            .into_iter()
            .flatten()
            .min()
    }

    fn empty_deadline(&self, limits: &Limits) -> Option<Instant> {
        let stay = match self.owner {
            Some(_) => limits.empty_owned_room,
            None => limits.empty_room,
        };
        self.empty_since?.checked_add(stay)
    }

    pub(super) fn id(&self) -> RoomId {
        self.key.room.clone()
    }

    pub(super) fn member(&self, user: &UserId) -> Option<&Member> {
        self.members.get(user)
    }

    pub(super) fn has_guest(&self, guest: ConnectionId) -> bool {
        self.guests.contains(&guest)
    }

    /// The member `user`, or the refusal for a user who names the room without being in it.
    fn entered(&self, user: &UserId) -> Result<&Member, LiveError> {
        self.members
            .get(user)
            .ok_or_else(|| LiveError::NotEntered { room: self.id() })
    }

    /// Sets the connected rooms; what was muted of others is forgotten.
    pub(super) fn set_links(&mut self, links: Vec<RoomKey>) {
        self.muted
            .retain(|muted| links.iter().any(|link| link.room == *muted));
        self.links = links;
    }

    pub(super) fn set_muted(&mut self, other: &RoomId, muted: bool) {
        if muted {
            self.muted.insert(other.clone());
        } else {
            self.muted.remove(other);
        }
    }

    pub(super) fn has_muted(&self, other: &RoomId) -> bool {
        self.muted.contains(other)
    }

    pub(super) fn rank(&self, user: &UserId) -> Rank {
        if self.owner.as_ref() == Some(user) {
            Rank::Owner
        } else if self.administrators.contains(user) {
            Rank::Administrator
        } else {
            Rank::GeneralUser
        }
    }

    fn is_owner(&self, user: &UserId) -> bool {
        self.rank(user) == Rank::Owner
    }

    fn is_host(&self, user: &UserId) -> bool {
        self.rank(user) != Rank::GeneralUser
    }

    /// The hosts who are in the room.
    fn present_hosts(&self) -> impl Iterator<Item = &Member> {
        let hosts = self.owner.iter().chain(&self.administrators);
        hosts.filter_map(|user| self.members.get(user))
    }

    /// Calls `visit` with each connection that `to` means in this room.
    pub(super) fn visit(&self, to: &Recipient, visit: &mut dyn FnMut(ConnectionId)) {
        let media = self.members.values().filter(|m| m.media.is_some());
        match to {
            Recipient::One(one) => visit(*one),
            Recipient::Room(_) => {
                self.members.values().for_each(|m| visit(m.connection));
                self.guests.iter().for_each(|guest| visit(*guest));
            }
            Recipient::RoomExcept(_, not) => {
                let members = self.members.values().map(|m| m.connection);
                let all = members.chain(self.guests.iter().copied());
                all.filter(|c| c != not).for_each(visit);
            }
            Recipient::Chat(_) => {
                let members = self.members.values().filter(|m| m.chat);
                members.for_each(|m| visit(m.connection));
                self.guests.iter().for_each(|guest| visit(*guest));
            }
            Recipient::ChatExcept(_, not) => {
                let members = self.members.values().filter(|m| m.chat);
                let all = members
                    .map(|m| m.connection)
                    .chain(self.guests.iter().copied());
                all.filter(|c| c != not).for_each(visit);
            }
            Recipient::Media(_) => media.for_each(|m| visit(m.connection)),
            Recipient::MediaExcept(_, not) => {
                let all = media.map(|m| m.connection);
                all.filter(|c| c != not).for_each(visit);
            }
            Recipient::Anchors(_) => {
                let anchors = self.anchors.iter();
                anchors
                    .filter_map(|user| self.members.get(user))
                    .for_each(|m| visit(m.connection));
            }
            Recipient::Hosts(_) => self.present_hosts().for_each(|m| visit(m.connection)),
            Recipient::HostsExcept(_, not) => {
                let all = self.present_hosts().map(|m| m.connection);
                all.filter(|c| c != not).for_each(visit);
            }
        }
    }

    /// Lists of rooms leave it out.
    pub(super) fn is_hidden(&self) -> bool {
        self.about.hidden
    }

    pub(super) fn info(&self) -> RoomInfo {
        RoomInfo {
            room: self.id(),
            name: self.about.name.clone(),
            notice: self.about.notice.clone(),
            introduction: self.about.introduction.clone(),
            cover: self.about.cover.clone(),
            hidden: self.about.hidden,
            owner: self.owner.clone(),
            scene: self.scene,
            online: self.online(),
            total_entered: self.total_entered,
            seats: self.seating.as_ref().map(|seating| seating.settings),
            created_at: self.created_at,
        }
    }

    pub(super) fn online(&self) -> usize {
        self.members.len() + self.guests.len()
    }

    pub(super) fn member_view(&self, user: &UserId) -> Option<MemberView> {
        let member = self.members.get(user)?;
        Some(MemberView {
            user: user.clone(),
            profile: member.profile.clone(),
            rank: self.rank(user),
            role: member.role(),
            tracks: member.tracks(),
        })
    }

    pub(super) fn anchors(&self) -> Vec<MemberView> {
        let anchors = self.anchors.iter();
        anchors.filter_map(|user| self.member_view(user)).collect()
    }

    /// Up to `count` members of the chat after `after`, and whether there are more.
    ///
    /// In live mode the audience's media stays unseen: their role is not in the list.
    pub(super) fn page(&self, after: Option<&UserId>, count: usize) -> (Vec<MemberView>, bool) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let mut rest = self
            .members
            .range::<UserId, _>((start, Bound::Unbounded))
            .filter(|(_, member)| member.chat);
        let mut page: Vec<_> = rest
            .by_ref()
            .take(count)
            .filter_map(|(user, _)| self.member_view(user))
            .collect();
        for view in &mut page {
            view.role = view.role.filter(|role| *role == Role::Anchor);
        }
        (page, rest.next().is_some())
    }

    /// Up to `count` of everybody in the room after `after`, as the server itself sees them, and
    /// whether there are more.
    pub(super) fn everybody(
        &self,
        after: Option<&UserId>,
        count: usize,
    ) -> (Vec<MemberView>, bool) {
        let start = after.map_or(Bound::Unbounded, Bound::Excluded);
        let all = self.members.range::<UserId, _>((start, Bound::Unbounded));
        let mut rest = all.filter_map(|(user, _)| self.member_view(user));
        let page = rest.by_ref().take(count).collect();
        (page, rest.next().is_some())
    }

    pub(super) fn seats(&self) -> Vec<SeatView> {
        let Some(seating) = &self.seating else {
            return Vec::new();
        };
        let seats = seating.list.iter();
        seats
            .map(|(index, seat)| SeatView {
                index,
                is_locked: seat.locked,
                is_audio_locked: seat.microphone_locked,
                is_video_locked: seat.camera_locked,
                user: seat.occupant.as_ref().map(|o| self.seat_user(&o.user)),
            })
            .collect()
    }

    fn seat_user(&self, user: &UserId) -> SeatUser {
        let member = self.members.get(user).filter(|m| m.media.is_some());
        let main = member.and_then(|m| m.tracks().main).unwrap_or_default();
        SeatUser {
            user: user.clone(),
            profile: member.map(|m| m.profile.clone()).unwrap_or_default(),
            rank: self.rank(user),
            microphone_on: main.has_audio && !main.audio_muted,
            camera_on: main.has_video && !main.video_muted,
            away: member.is_none(),
        }
    }

    fn seat_mode(&self) -> Option<SeatMode> {
        self.seating.as_ref().map(|seating| seating.settings.mode)
    }

    /// Sends `event` to `user`, if a member.
    fn tell(&self, turn: &mut Turn<'_>, user: &UserId, event: Event) {
        if let Some(member) = self.members.get(user) {
            turn.out.event(Recipient::One(member.connection), event);
        }
    }
}

pub(super) fn check_seats(
    settings: Option<SeatSettings>,
    limits: &Limits,
) -> Result<(), LiveError> {
    match settings {
        Some(SeatSettings { count, .. }) if count == 0 || count > limits.seats => {
            Err(LiveError::SeatLimit {
                limit: limits.seats,
            })
        }
        _ => Ok(()),
    }
}

fn check_len(len: usize, limit: usize, refusal: Refusal) -> Result<(), LiveError> {
    if len < limit {
        Ok(())
    } else {
        Err(LiveError::Full { refusal, limit })
    }
}
