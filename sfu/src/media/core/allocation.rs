//! What each subscriber's link carries of what it wants.

use std::time::Instant;

use super::Core;
use crate::media::forward::allocate::{Candidate, Rates, allocate, desired, next_step};
use crate::media::forward::picture::Picture;
use crate::media::output::Output;
use crate::media::room::Room;
use crate::media::session::{Pauses, Spending};
use crate::media::slots::SlotKey;
use crate::worker::MediaEvent;

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
        let (feeds, videos): (Vec<usize>, Vec<Candidate>) = wanted.unzip();
        let chosen = match budget {
            Some(budget) => allocate(budget, &videos),
            None => videos.iter().map(|video| Some(video.best)).collect(),
        };
        let rate = |(video, chosen): (&Candidate, &Option<Picture>)| {
            chosen.map_or(0, |picture| video.rates[picture.index()])
        };
        let is_worse = |(video, chosen): (&Candidate, &Option<Picture>)| {
            video.has.is_some() && rate((video, chosen)) < rate((video, &video.has))
        };
        let worse: Vec<bool> = videos.iter().zip(&chosen).map(is_worse).collect();
        if worse.contains(&true) {
            session.link().hold(now);
        }
        let spending = Spending {
            spent: videos.iter().zip(&chosen).map(rate).sum(),
            next_step: next_step(&videos, &chosen),
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
        for ((feed, picture), is_worse) in feeds.into_iter().zip(chosen).zip(worse) {
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
        let given = self
            .sessions
            .get_mut(key)
            .and_then(|session| session.give(feed, picture, at_once));
        if let Some((room, before, after)) = given {
            self.change_demand(room, Some(before), Some(after), now);
            self.join(room, key, now);
            self.arm_room(room, now);
        }
    }
}
