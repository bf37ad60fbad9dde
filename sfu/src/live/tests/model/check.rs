//! The invariants.

use super::super::*;
use super::belief::{Belief, MediaSide};
use super::name;
use super::rules::Model;
use super::run::Run;
use super::steps::{ROOMS, USERS};

impl Run {
    /// The rooms are as the model says, and every client knows it.
    pub(super) fn check(&mut self) {
        let Self {
            w,
            model,
            beliefs,
            media,
        } = self;
        std::mem::take(&mut w.effects)
            .into_iter()
            .for_each(|effect| media.learn(effect));
        Self::check_media(w, model, media);
        for (user, (id, _)) in &model.logins {
            let belief = beliefs.get_mut(user).unwrap();
            w.take(*id)
                .into_iter()
                .for_each(|event| belief.learn(event));
        }
        for number in 1..=ROOMS {
            let info = w.rooms.room(&key(number));
            assert_eq!(
                info.is_some(),
                model.rooms.contains_key(&number),
                "room {number}"
            );
            let Some(room) = model.rooms.get(&number) else {
                continue;
            };
            assert_eq!(info.unwrap().online, room.members.len());
            let mut in_room = BTreeSet::new();
            w.rooms.connections(&Recipient::Room(key(number)), |id| {
                assert!(in_room.insert(id));
            });
            assert_eq!(
                in_room.len(),
                room.members.len(),
                "a count differs from its list"
            );
            for number_of_user in 0..USERS {
                let view = w.rooms.member(&key(number), &name(number_of_user));
                let member = room.members.get(&number_of_user);
                assert_eq!(view.is_some(), member.is_some());
                let (Some(view), Some(member)) = (view, member) else {
                    continue;
                };
                assert!(in_room.contains(&model.logins[&number_of_user].0));
                assert_eq!(view.role, member.role);
                assert_eq!(w.rooms.is_in_chat(&key(number), &view.user), member.chat);
                for track in TrackKind::ALL {
                    let published = view.tracks.of(track).is_some();
                    assert_eq!(published, member.tracks.contains(&track));
                    assert!(
                        !published || view.role == Some(Role::Anchor),
                        "a publisher without the right"
                    );
                }
                let sits = room.seats.contains_key(&number_of_user);
                let index = room.seats.get(&number_of_user).map(|(index, _)| *index);
                assert!(
                    index != Some(0) || room.owner == Some(number_of_user),
                    "the owner's seat is nobody else's"
                );
                let anchor = view.role == Some(Role::Anchor);
                let owner = room.owner == Some(number_of_user);
                // One who has come back to the chat alone sits with the media.
                let free = !room.has_seats || owner || view.role.is_none();
                assert!(free || anchor == sits, "the role follows the seat");
            }
            Self::check_beliefs(w, model, beliefs, number);
        }
        assert_eq!(w.rooms.gauges().connections, model.logins.len());
        for (user, belief) in beliefs.iter() {
            for room in belief.anchors.keys().chain(belief.seats.keys()) {
                assert!(model.member(*room, *user).is_some(), "a stale belief");
            }
        }
    }

    /// The media workers know who is there, and let nobody send who has not the right.
    fn check_media(w: &World, model: &Model, media: &MediaSide) {
        let mut there = 0;
        for (number, room) in &model.rooms {
            let seats = w.rooms.seats(&key(*number)).unwrap();
            for (user, member) in room.members.iter().filter(|(_, m)| m.role.is_some()) {
                there += 1;
                let allowed = media.0[&(key(*number), name(*user))];
                let seat = room.seats.get(user).map(|(index, _)| usize::from(*index));
                let seat = seat.map(|index| &seats[index]);
                let sends = member.role == Some(Role::Anchor) && !member.blocked;
                let expected = Allowed {
                    audio: sends && seat.is_none_or(|seat| !seat.is_audio_locked),
                    video: sends && seat.is_none_or(|seat| !seat.is_video_locked),
                    aux: sends,
                };
                assert_eq!(allowed, expected, "what {user} may send in room {number}");
                let tracks = w.rooms.member(&key(*number), &name(*user)).unwrap().tracks;
                for (track, video) in [(tracks.main, allowed.video), (tracks.aux, allowed.aux)] {
                    let Some(track) = track else { continue };
                    let sounds = track.has_audio && !track.audio_muted;
                    let shows = track.has_video && !track.video_muted;
                    assert!(
                        allowed.audio || !sounds,
                        "{user} is heard without the right"
                    );
                    assert!(video || !shows, "{user} is seen without the right");
                }
            }
        }
        assert_eq!(there, media.0.len(), "the media has somebody who is gone");
    }

    fn check_beliefs(w: &World, model: &Model, beliefs: &BTreeMap<u8, Belief>, number: u32) {
        for user in model.logins.keys() {
            let belief = &beliefs[user];
            let Some(member) = model.member(number, *user) else {
                continue;
            };
            let room = &model.rooms[&number];
            if member.role.is_some() {
                let mut known = belief.anchors[&number].clone();
                known.remove(&name(*user));
                let truth: BTreeMap<_, _> = (0..USERS)
                    .filter(|other| other != user)
                    .filter_map(|other| w.rooms.member(&key(number), &name(other)))
                    .filter(|view| view.role == Some(Role::Anchor))
                    .map(|view| (view.user, view.tracks))
                    .collect();
                assert_eq!(known, truth, "what {user} knows of the anchors");
                let known = &belief.co_hosts[&number];
                assert_eq!(*known, w.rooms.co_hosts(&key(number)), "connected rooms");
            }
            let known: BTreeMap<_, _> = belief.seats[&number]
                .iter()
                .filter_map(|seat| Some((seat.user.as_ref()?.user.clone(), seat.index)))
                .collect();
            let seats = room.seats.iter();
            let truth: BTreeMap<_, _> = seats
                .map(|(user, (index, _))| (name(*user), *index))
                .collect();
            assert_eq!(known, truth, "what {user} knows of the seats");
        }
    }
}
