//! What each subscriber's link carries of what it wants.

use std::time::Instant;

use packager::rtp::MediaKind;

use super::Core;
use crate::media::forward::allocate::{Candidate, Rates, allocate, desired, next_step};
use crate::media::forward::thin::{Thinnable, thin};
use crate::media::output::Output;
use crate::media::room::Room;
use crate::media::session::{Feed, Pauses, Spending};
use crate::media::slots::{SlotKey, Slots};
use crate::worker::MediaEvent;
use packager::picture::Picture;

impl Core {
    /// Gives a subscriber's feeds the pictures that its link carries.
    pub(super) fn allocate(&mut self, key: SlotKey, now: Instant) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        let audio = session.audio_feeds();
        let budget = session.link().budget(now, audio);
        let rooms = &self.rooms;
        let wanted = session.feeds().iter().enumerate().filter_map(|(at, feed)| {
            let candidate = Candidate {
                best: feed.wish.video?,
                rates: rooms
                    .get(feed.room)
                    .map_or_else(Rates::default, Room::rates),
                has: feed.given,
            };
            Some((at, candidate))
        });
        let (feeds, mut videos): (Vec<usize>, Vec<Candidate>) = wanted.unzip();
        let thinnable: Vec<Thinnable> = feeds
            .iter()
            .zip(&mut videos)
            .map(|(at, video)| thinnable(rooms, &session.feeds()[*at], video))
            .collect();
        let mut chosen = match budget {
            Some(budget) => allocate(budget, &videos),
            None => videos.iter().map(|video| Some(video.best)).collect(),
        };
        let next_step = next_step(&videos, &chosen);
        let thinned = match budget {
            Some(budget) => thin(budget, &videos, &thinnable, &mut chosen),
            None => vec![false; videos.len()],
        };
        let rate = |(video, chosen): (&Candidate, &Option<Picture>)| {
            chosen.map_or(0, |picture| video.rates[picture.index()])
        };
        let takes = |index: usize| match chosen[index] {
            Some(picture) if thinned[index] => thinnable[index].rates[picture.index()],
            chosen => rate((&videos[index], &chosen)),
        };
        let had = |index: usize| match thinnable[index].has {
            Some(picture) if session.is_thinned(feeds[index]) => {
                thinnable[index].rates[picture.index()]
            }
            has => rate((&videos[index], &has)),
        };
        let worse: Vec<bool> = (0..videos.len())
            .map(|index| takes(index) < had(index))
            .collect();
        if worse.contains(&true) {
            session.link().hold(now);
        }
        let spending = Spending {
            spent: (0..videos.len()).map(takes).sum(),
            next_step,
            desired: desired(&videos),
        };
        session.spend(now, spending);
        // What else goes into a full queue is late or lost, and the lesser picture behind it.
        let is_full = session.link().is_full();
        let has = |picture: &Option<Picture>| picture.is_some();
        let changes = || {
            videos
                .iter()
                .map(|video| has(&video.has))
                .zip(chosen.iter().map(has))
        };
        session.link().note_pauses(
            now,
            Pauses {
                paused: changes().any(|change| change == (true, false)),
                resumed: changes().any(|change| change == (false, true)),
                waits: changes().any(|(_, has)| !has),
                flows: changes().any(|(_, has)| has),
            },
        );
        let changes = feeds.into_iter().zip(chosen).zip(thinned).zip(worse);
        for (((feed, picture), is_thinned), is_worse) in changes {
            if let Some(session) = self.sessions.get_mut(key) {
                session.set_thinned(feed, is_thinned);
            }
            self.give(key, feed, picture, is_worse && is_full, now);
        }
        self.tell_pauses(key);
    }

    /// Tells a receiver which of its videos the link does not carry, or carries again.
    fn tell_pauses(&mut self, key: SlotKey) {
        let Some(session) = self.sessions.get_mut(key) else {
            return;
        };
        // WHEP sessions have nobody to be told.
        if !session.is_receiver() {
            return;
        }
        let receiver = session.id;
        let told = session.take_pauses().into_iter().map(|(stream, paused)| {
            Output::Event(MediaEvent::VideoPaused {
                receiver,
                stream,
                paused,
            })
        });
        self.outputs.extend(told);
    }

    fn give(
        &mut self,
        key: SlotKey,
        feed: usize,
        picture: Option<Picture>,
        at_once: bool,
        now: Instant,
    ) {
        let has = self.sessions.get(key).map(|s| s.picture(feed));
        if has == Some(picture) {
            return;
        }
        // What is entered from the cache must not come a second time.
        self.deliver_all(now);
        let rooms = &self.rooms;
        let given = self.sessions.get_mut(key).and_then(|session| {
            // The lesser layers of one stream are had without a key frame.
            let room = session
                .feeds()
                .get(feed)
                .and_then(|feed| rooms.get(feed.room));
            let target = room
                .zip(picture)
                .and_then(|(room, picture)| room.target(picture));
            let follows = session.follows(feed, MediaKind::Video);
            let is_other = target.is_some_and(|target| follows != Some(target.stream));
            session.give(feed, picture, at_once && is_other)
        });
        if let Some((room, before, after)) = given {
            self.change_demand(room, Some(before), Some(after), now);
            self.join(room, key, now);
            self.arm_room(room, now);
        }
    }
}

/// What a feed can have without a temporal layer. One that has its picture so has, for the choice
/// among whole ones, the lesser picture: the whole one would be a better one.
fn thinnable(rooms: &Slots<Room>, feed: &Feed, video: &mut Candidate) -> Thinnable {
    let rates = rooms.get(feed.room).map(Room::thinned_rates);
    let has = video.has;
    if let Some(picture) = has.filter(|_| feed.is_thinned) {
        let rate = video.rates[picture.index()];
        let mut lesser = picture.and_lesser();
        let is_less = |lesser: &Picture| video.rates[lesser.index()] < rate;
        video.has = lesser.find(is_less).or(has);
    }
    Thinnable {
        rates: rates.unwrap_or_default(),
        has,
    }
}
