//! Join and leave notices, fewer and shorter the larger the room.
//!
//! Everybody in a room reads each notice, so a room of n members with the same coming and going
//! a member would cost n² if each were told. Notices are gathered for a time that grows with the
//! room; who comes and goes within one such time is not mentioned at all.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use super::message::{GroupTip, TipKind};
use crate::live::UserId;

/// Who came and went since the last notice.
#[derive(Debug, Default)]
pub struct Tips {
    joined: VecDeque<UserId>,
    quit: VecDeque<UserId>,
    told_at: Option<Instant>,
    unnamed: u64,
}

impl Tips {
    /// A member came.
    pub fn join(&mut self, user: UserId) {
        self.unnamed += note(&mut self.joined, &mut self.quit, user);
    }

    /// A member went.
    pub fn quit(&mut self, user: UserId) {
        self.unnamed += note(&mut self.quit, &mut self.joined, user);
    }

    /// The next notice, when it is time for one. `members` are those in the room now. Asked
    /// again, it gives the other kind.
    pub fn poll(&mut self, now: Instant, members: u32) -> Option<GroupTip> {
        if self.next_timeout(now, members)? > now {
            return None;
        }
        let (kind, users) = if self.joined.is_empty() {
            (TipKind::Quit, &mut self.quit)
        } else {
            (TipKind::Join, &mut self.joined)
        };
        let unnamed = users.len().saturating_sub(pace(members).names);
        self.unnamed += unnamed as u64;
        // The newest: the one who came last has just begun to look at the chat.
        let user_id_list = users.drain(..).skip(unnamed).collect();
        if self.quit.is_empty() {
            self.told_at = Some(now);
        }
        Some(GroupTip {
            operation_type: kind as u8,
            operator_id: None,
            user_id_list,
            member_count: Some(members),
        })
    }

    /// When [`Self::poll`] will have a notice; none while nobody came or went.
    pub fn next_timeout(&self, now: Instant, members: u32) -> Option<Instant> {
        let any = !self.joined.is_empty() || !self.quit.is_empty();
        any.then(|| {
            self.told_at
                .map_or(now, |at| (at + pace(members).interval).max(now))
        })
    }

    /// Members that came or went and were named in no notice.
    pub fn unnamed(&self) -> u64 {
        self.unnamed
    }
}

/// Notes a user in `here` unless that undoes what stands in `there`. Returns how many lost their
/// place in the list.
fn note(here: &mut VecDeque<UserId>, there: &mut VecDeque<UserId>, user: UserId) -> u64 {
    if let Some(at) = there.iter().position(|other| *other == user) {
        there.remove(at);
        return 0;
    }
    here.push_back(user);
    if here.len() <= MAX_NAMES {
        return 0;
    }
    here.pop_front();
    1
}

struct Pace {
    interval: Duration,
    names: usize,
}

fn pace(members: u32) -> Pace {
    let (millis, names) = match members {
        0..=100 => (200, MAX_NAMES),
        101..=1_000 => (1_000, 10),
        _ => (5_000, 5),
    };
    Pace {
        interval: Duration::from_millis(millis),
        names,
    }
}

/// Most users of one kind that are remembered, and named in one notice.
const MAX_NAMES: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;

    fn user(n: u32) -> UserId {
        format!("user{n}").parse().unwrap()
    }

    /// Polls each millisecond of ten seconds in which `per_second` members come.
    fn run(members: u32, per_second: u32) -> (Vec<GroupTip>, u64) {
        let start = Instant::now();
        let mut tips = Tips::default();
        let mut told = Vec::new();
        for ms in 0..10_000 {
            if ms % (1_000 / per_second) == 0 {
                tips.join(user(ms));
            }
            told.extend(tips.poll(start + Duration::from_millis(ms.into()), members));
        }
        (told, tips.unnamed())
    }

    #[test]
    fn a_small_room_names_everybody_at_once() {
        let (told, unnamed) = run(10, 2);
        assert_eq!((told.len(), unnamed), (20, 0));
        assert!(
            told.iter()
                .all(|t| t.user_id_list.len() == 1 && t.operation_type == 1)
        );
        assert_eq!(told[0].member_count, Some(10));
    }

    #[test]
    fn a_large_room_gets_few_notices_with_few_names() {
        let (told, unnamed) = run(50_000, 1_000);
        assert_eq!(told.len(), 2, "one each five seconds");
        assert!(told.iter().all(|t| t.user_id_list.len() <= 5));
        assert!(unnamed > 4_900);
        let (told, _) = run(500, 1_000);
        assert_eq!(told.len(), 10, "one a second");
    }

    #[test]
    fn the_last_to_come_are_named() {
        let now = Instant::now();
        let mut tips = Tips::default();
        for n in 0..100 {
            tips.join(user(n));
        }
        let told = tips.poll(now, 5_000).expect("due");
        assert_eq!(told.user_id_list, (95..100).map(user).collect::<Vec<_>>());
    }

    #[test]
    fn a_reload_of_the_page_is_not_told() {
        let start = Instant::now();
        let mut tips = Tips::default();
        tips.join(user(1));
        assert!(tips.poll(start, 1).is_some());
        tips.quit(user(1));
        tips.join(user(1));
        assert_eq!(tips.next_timeout(start, 1), None);
    }

    #[test]
    fn joining_and_leaving_are_told_in_one_turn() {
        let start = Instant::now();
        let mut tips = Tips::default();
        tips.join(user(1));
        tips.quit(user(2));
        assert_eq!(tips.poll(start, 3).map(|t| t.operation_type), Some(1));
        assert_eq!(tips.poll(start, 3).map(|t| t.operation_type), Some(2));
        assert_eq!(tips.poll(start, 3), None);
        tips.quit(user(1));
        assert_eq!(tips.poll(start, 3), None, "not yet");
        let at = tips.next_timeout(start, 3).expect("later");
        assert_eq!(tips.poll(at, 3).map(|t| t.operation_type), Some(2));
    }
}
