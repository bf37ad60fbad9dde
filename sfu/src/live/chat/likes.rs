//! Likes: counted here, told as totals with an interval between them.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::live::UserId;

/// What a room is told about its likes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LikeTotal {
    /// Since the room was made.
    pub total_likes_received: u64,
    /// Since the last total.
    pub added: u64,
    /// The last one who liked.
    pub sender: UserId,
}

/// The likes of one room.
#[derive(Debug)]
pub struct Likes {
    /// The shortest time between two totals.
    interval: Duration,
    total: u64,
    told: u64,
    told_at: Option<Instant>,
    sender: Option<UserId>,
}

impl Likes {
    /// Goes on from a stored total. Totals are told with an interval between them.
    pub fn new(total: u64, interval: Duration) -> Self {
        Self {
            interval,
            total,
            told: total,
            told_at: None,
            sender: None,
        }
    }

    /// Counts likes of one user.
    pub fn add(&mut self, sender: &UserId, count: u32) {
        self.total = self.total.saturating_add(count.into());
        if self.sender.as_ref() != Some(sender) {
            self.sender = Some(sender.clone());
        }
    }

    /// The total, when there are new likes and the last total is old enough.
    pub fn poll(&mut self, now: Instant) -> Option<LikeTotal> {
        if self.next_timeout(now)? > now {
            return None;
        }
        let told = std::mem::replace(&mut self.told, self.total);
        self.told_at = Some(now);
        Some(LikeTotal {
            total_likes_received: self.total,
            added: self.total - told,
            sender: self.sender.clone()?,
        })
    }

    /// When [`Self::poll`] will have a total; none without new likes.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (self.total != self.told)
            .then(|| self.told_at.map_or(now, |at| (at + self.interval).max(now)))
    }

    /// Likes since the room was made.
    pub fn total(&self) -> u64 {
        self.total
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(500);

    #[test]
    fn a_million_likes_are_two_messages() {
        let start = Instant::now();
        let user: UserId = "anna".parse().unwrap();
        let mut likes = Likes::new(0, INTERVAL);
        let mut told = Vec::new();
        for n in 0..1_000_000 {
            // All within half a second, asked after each.
            let now = start + Duration::from_nanos(n * 500);
            likes.add(&user, 1);
            told.extend(likes.poll(now));
        }
        let at = likes.next_timeout(start).expect("the rest waits");
        assert_eq!(at, start + INTERVAL);
        told.extend(likes.poll(at));
        assert_eq!(told.len(), 2);
        assert_eq!(told[0].total_likes_received, 1);
        assert_eq!(
            (told[1].total_likes_received, told[1].added),
            (1_000_000, 999_999)
        );
        assert_eq!(likes.next_timeout(at), None, "nothing new, nothing told");
        assert_eq!(likes.poll(at + INTERVAL), None);
    }

    #[test]
    fn a_steady_storm_is_told_twice_a_second() {
        let start = Instant::now();
        let user: UserId = "anna".parse().unwrap();
        let mut likes = Likes::new(41, INTERVAL);
        let mut told = Vec::new();
        for ms in 0..10_000 {
            likes.add(&user, 100);
            told.extend(likes.poll(start + Duration::from_millis(ms)));
        }
        assert_eq!(told.len(), 20);
        assert_eq!(
            told[0].total_likes_received, 141,
            "goes on from the stored total"
        );
        assert_eq!(likes.total(), 41 + 1_000_000);
    }

    #[test]
    fn the_total_does_not_wrap() {
        let mut likes = Likes::new(u64::MAX - 1, INTERVAL);
        likes.add(&"anna".parse().unwrap(), 1_000);
        assert_eq!(likes.total(), u64::MAX);
    }
}
