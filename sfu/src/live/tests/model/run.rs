//! Takes each step in the rooms and in the model, and compares the two.

use super::super::*;
use super::belief::{Belief, MediaSide};
use super::name;
use super::rules::Model;
use super::steps::{Ask, Decision, SEATED, Step};

pub(super) struct Run {
    pub(super) w: World,
    pub(super) model: Model,
    pub(super) beliefs: BTreeMap<u8, Belief>,
    pub(super) media: MediaSide,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            w: World::new(),
            model: Model::default(),
            beliefs: BTreeMap::new(),
            media: MediaSide::default(),
        }
    }

    pub(super) fn step(&mut self, step: Step) {
        let now = self.w.now;
        match step {
            Step::Login(user) => {
                self.w.login(name(user).as_str());
                self.model
                    .end_login(user, Some(now + Duration::from_secs(30)));
                let id = self.w.rooms.connection_of(APP, &name(user)).unwrap();
                self.model.logins.insert(user, (id, None));
                self.beliefs.insert(user, Belief::default());
            }
            Step::Lose(user) => {
                if let Some((id, lost)) = self.model.logins.get_mut(&user) {
                    lost.get_or_insert(now + Duration::from_secs(30));
                    let id = *id;
                    self.w.lose(id);
                }
            }
            Step::Resume(user) => {
                if let Some((id, lost)) = self.model.logins.get_mut(&user) {
                    *lost = None;
                    self.w.rooms.handle_resumed(now, *id).unwrap();
                }
            }
            Step::LogOut(user) => {
                if let Some((id, _)) = self.model.logins.get(&user) {
                    let id = *id;
                    self.w.log_out(id);
                    self.model.end_login(user, None);
                    self.beliefs.remove(&user);
                }
            }
            Step::Run(user, ask) => {
                if let Some((id, _)) = self.model.logins.get(&user) {
                    let id = *id;
                    self.ask(user, id, ask);
                }
            }
            Step::Operator(room, decision) => {
                let result = self.w.order(room, decision.order());
                if let Ok(reply) = result {
                    self.decided(None, room, decision, reply);
                }
            }
            Step::Pass(seconds) => {
                for _ in 0..seconds {
                    self.w.pass(1);
                    self.model.settle(self.w.now);
                }
            }
        }
        self.model.settle(self.w.now);
        self.beliefs
            .retain(|user, _| self.model.logins.contains_key(user));
        self.check();
    }

    fn ask(&mut self, user: u8, id: ConnectionId, ask: Ask) {
        let now = self.w.now;
        let result = self.w.run(id, ask.command());
        let told = format!("{ask:?} by {user}: {result:?}");
        let ok = result.is_ok();
        if let Ok(Reply::Entered(entered)) = &result {
            self.beliefs.get_mut(&user).unwrap().entered(entered);
        }
        let seated = |result: &Result<Reply, LiveError>| match result {
            Ok(Reply::Seated { seat }) => Some(*seat),
            _ => None,
        };
        let model = &mut self.model;
        match ask {
            Ask::Create(room, _) => {
                let free = model.rooms.get(&room).is_none_or(|r| {
                    r.owner.is_none() && r.first_anchor.is_none_or(|first| first == user)
                });
                if ok {
                    assert!(free, "{told}");
                    let found = model.rooms.entry(room).or_default();
                    found.owner = Some(user);
                    found.has_seats = room == SEATED;
                } else {
                    let in_use = model.rooms.get(&room).is_some_and(|r| {
                        room == SEATED && r.members.values().any(|m| m.role.is_some())
                    });
                    assert!(!free || in_use, "{told}");
                }
            }
            Ask::Enter(room, chat, role) => {
                let chat = chat || role.is_none();
                let may = model.may_enter(now, room, user, chat, role.is_some());
                assert_eq!(ok, may, "{told}");
                if ok {
                    model.enter(room, user, chat, role);
                }
            }
            Ask::Leave(room, part) => {
                let member = model.member(room, user).cloned().unwrap_or_default();
                let (in_chat, in_media) = (member.chat, member.role.is_some());
                let owner = model
                    .rooms
                    .get(&room)
                    .is_some_and(|r| r.owner == Some(user));
                let may = match part {
                    Part::Chat => in_chat && !owner,
                    Part::Media => in_media,
                    Part::All => in_chat || in_media,
                };
                assert_eq!(ok, may, "{told}");
                if ok {
                    if part != Part::Chat {
                        model.leave_media(room, user, None);
                        self.beliefs.get_mut(&user).unwrap().anchors.remove(&room);
                    }
                    let members = &mut model.rooms.get_mut(&room).unwrap().members;
                    let member = members.get_mut(&user).unwrap();
                    member.chat &= part == Part::Media;
                    if !member.chat && member.role.is_none() {
                        members.remove(&user);
                        self.beliefs.get_mut(&user).unwrap().seats.remove(&room);
                    }
                }
            }
            Ask::Switch(room, role) => {
                let current = model.role(room, user);
                let (seats, owner) = model
                    .rooms
                    .get(&room)
                    .map_or((false, false), |r| (r.has_seats, r.owner == Some(user)));
                let may = current.is_some()
                    && (role == Role::Audience || current == Some(role) || !seats || owner);
                assert_eq!(ok, may, "{told}");
                if ok && current != Some(role) {
                    if role == Role::Anchor && seats {
                        model.sit(room, user, 0);
                    }
                    model.set_role(room, user, role);
                }
            }
            Ask::Publish(room, track, _) => {
                assert_eq!(ok, model.role(room, user) == Some(Role::Anchor), "{told}");
                if ok {
                    let members = &mut model.rooms.get_mut(&room).unwrap().members;
                    members.get_mut(&user).unwrap().tracks.insert(track);
                }
            }
            Ask::Unpublish(room, track) => {
                let members = model.rooms.get_mut(&room).map(|r| &mut r.members);
                let member = members.and_then(|members| members.get_mut(&user));
                assert_eq!(
                    ok,
                    member.is_some_and(|m| m.tracks.remove(&track)),
                    "{told}"
                );
            }
            Ask::Take(_) | Ask::Apply(..) => {
                if let Some(seat) = seated(&result) {
                    let seats = &mut model.rooms.get_mut(&SEATED).unwrap().seats;
                    match seats.remove(&user) {
                        Some((_, kept)) => {
                            assert!(matches!(ask, Ask::Take(Some(_))), "{told}");
                            assert!(seats.values().all(|(taken, _)| *taken != seat));
                            seats.insert(user, (seat, kept));
                        }
                        None => model.sit(SEATED, user, seat),
                    }
                }
            }
            Ask::AnswerApplication(guest, _) => {
                let room = model.rooms.get(&SEATED);
                let host =
                    room.is_some_and(|r| r.owner == Some(user) || r.administrators.contains(&user));
                assert!(!ok || host, "{told}");
                if let Some(seat) = seated(&result) {
                    model.sit(SEATED, guest, seat);
                }
            }
            Ask::AnswerInvitation(..) => {
                if let Some(seat) = seated(&result) {
                    model.sit(SEATED, user, seat);
                }
            }
            Ask::LeaveSeat => {
                let seats = model.rooms.get(&SEATED).map(|r| &r.seats);
                let sits = seats.is_some_and(|seats| seats.contains_key(&user))
                    && model.member(SEATED, user).is_some();
                assert_eq!(ok, sits, "{told}");
                if ok {
                    model.set_role(SEATED, user, Role::Audience);
                }
            }
            Ask::Invite(guest, ..) if ok => {
                assert!(model.member(SEATED, guest).is_some(), "{told}");
            }
            Ask::Order(room, decision) => {
                if let Ok(reply) = result {
                    self.decided(Some(user), room, decision, reply);
                }
            }
            _ => {}
        }
    }

    fn decided(&mut self, by: Option<u8>, room: u32, decision: Decision, reply: Reply) {
        let now = self.w.now;
        let model = &mut self.model;
        let found = model.rooms.get_mut(&room).unwrap();
        let rank = |user: u8| match () {
            () if found.owner == Some(user) => 0,
            () if found.administrators.contains(&user) => 1,
            () => 2,
        };
        if let Some(by) = by {
            assert!(rank(by) < 2, "{decision:?} by {by}, who is no host");
            if let Decision::Kick(target, _)
            | Decision::KickOff(target)
            | Decision::Block(target, _) = decision
            {
                assert!(rank(by) < rank(target), "{decision:?} by {by}");
            }
        }
        match decision {
            Decision::Dismiss => {
                assert!(by.is_none() || by == found.owner);
                model.rooms.remove(&room);
            }
            Decision::Kick(target, ban) => {
                if let Some(ban) = ban {
                    let until = now + Duration::from_secs(ban);
                    model.bans.insert((room, target), until);
                }
                let seated = model.rooms[&room].seats.contains_key(&target);
                let member = model.member(room, target).is_some();
                let listed = matches!(&reply, Reply::Users { users } if !users.is_empty());
                assert_eq!(listed, ban.is_some() || member || seated);
                model.remove(room, target, None);
                if listed && let Some(found) = model.rooms.get_mut(&room) {
                    found.seats.remove(&target);
                }
            }
            Decision::Unban(target) => drop(model.bans.remove(&(room, target))),
            Decision::Administrator(target, is) => {
                if !is {
                    found.administrators.remove(&target);
                } else if found.owner != Some(target) {
                    found.administrators.insert(target);
                }
            }
            Decision::Pick(target, _) => match reply {
                Reply::Seated { seat } => model.sit(room, target, seat),
                other => panic!("{other:?}"),
            },
            Decision::KickOff(target) => model.set_role(room, target, Role::Audience),
            Decision::Move(target, seat, policy) => {
                let (from, kept) = found.seats[&target];
                let there = found.seats.iter().find(|(_, (index, _))| *index == seat);
                let other = there.map(|(user, _)| *user).filter(|user| *user != target);
                match (other, policy) {
                    (Some(_), MovePolicy::AbortWhenOccupied) => panic!("moved onto somebody"),
                    (Some(other), MovePolicy::SwapPosition) => {
                        found.seats.get_mut(&other).unwrap().0 = from;
                    }
                    (Some(other), MovePolicy::ForceReplace) => {
                        found.seats.remove(&other);
                    }
                    (None, _) => {}
                }
                found.seats.insert(target, (seat, kept));
                if let (Some(other), MovePolicy::ForceReplace) = (other, policy) {
                    model.set_role(room, other, Role::Audience);
                }
            }
            Decision::Block(target, blocked) => {
                let member = found.members.get_mut(&target).unwrap();
                assert!(member.role.is_some(), "{decision:?} outside the media");
                member.blocked = blocked;
            }
            Decision::CoHostAsk(..)
            | Decision::CoHostAnswer(..)
            | Decision::CoHostExit
            | Decision::CoHostMute(..) => {}
            Decision::Mode(_) | Decision::Lock(..) | Decision::Device(..) => {}
        }
    }
}
