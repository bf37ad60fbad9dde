//! What chats did since the start, by name.

use std::ops::AddAssign;

use super::message::{Payload, Priority};

/// What was taken, delivered and refused, by name, since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ChatCounts {
    /// Messages and notices given to the members.
    pub delivered: u64,
    /// The same by kind of content, in the order of [`KINDS`], and by priority from the lowest.
    pub delivered_as: [[u64; Priority::ALL.len()]; KINDS.len()],
    /// Likes that were counted.
    pub likes: u64,
    /// Texts with masked words.
    pub masked: u64,
    /// Swallowed by the word filter.
    pub filter_dropped: u64,
    /// Refused by the word filter.
    pub filter_rejected: u64,
    /// Refused by moderation: guest, banned, muted, all muted.
    pub not_allowed: u64,
    /// Refused for size or content.
    pub invalid: u64,
    /// Refused because one user was too fast, likes included.
    pub user_rate: u64,
    /// Changes of attributes refused because the room's came too fast.
    pub attributes_rate: u64,
    /// Dropped because the room was too fast, by priority from the lowest.
    pub room_rate: [u64; Priority::ALL.len()],
    /// Members that came or went and were named in no notice.
    pub unnamed_tips: u64,
    /// Mutes refused because there were too many.
    pub mutes_refused: u64,
}

/// Kinds of content, as metrics call them.
pub const KINDS: [&str; 4] = ["text", "custom", "image", "notice"];

impl ChatCounts {
    /// What came since `before`.
    #[must_use]
    pub fn since(self, before: &Self) -> Self {
        self.with(before, u64::saturating_sub)
    }

    pub(super) fn deliver(&mut self, payload: &Payload, priority: Priority) {
        let kind = match payload {
            Payload::Text(_) => 0,
            Payload::Custom(_) => 1,
            Payload::Image(_) => 2,
            Payload::Tip(_) => 3,
        };
        self.delivered += 1;
        self.delivered_as[kind][priority as usize] += 1;
    }

    fn with(self, other: &Self, join: impl Fn(u64, u64) -> u64 + Copy) -> Self {
        fn each<const N: usize>(
            a: [u64; N],
            b: &[u64; N],
            join: impl Fn(u64, u64) -> u64,
        ) -> [u64; N] {
            std::array::from_fn(|n| join(a[n], b[n]))
        }
        Self {
            delivered: join(self.delivered, other.delivered),
            delivered_as: std::array::from_fn(|kind| {
                each(self.delivered_as[kind], &other.delivered_as[kind], join)
            }),
            likes: join(self.likes, other.likes),
            masked: join(self.masked, other.masked),
            filter_dropped: join(self.filter_dropped, other.filter_dropped),
            filter_rejected: join(self.filter_rejected, other.filter_rejected),
            not_allowed: join(self.not_allowed, other.not_allowed),
            invalid: join(self.invalid, other.invalid),
            user_rate: join(self.user_rate, other.user_rate),
            attributes_rate: join(self.attributes_rate, other.attributes_rate),
            room_rate: each(self.room_rate, &other.room_rate, join),
            unnamed_tips: join(self.unnamed_tips, other.unnamed_tips),
            mutes_refused: join(self.mutes_refused, other.mutes_refused),
        }
    }
}

impl AddAssign for ChatCounts {
    fn add_assign(&mut self, other: Self) {
        *self = self.with(&other, u64::saturating_add);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::chat::TextPayload;

    #[test]
    fn counts_of_rooms_add_up_and_what_came_since_is_their_difference() {
        let text = Payload::Text(TextPayload { text: "x".into() });
        let mut one = ChatCounts {
            room_rate: [1, 2, 3, 4],
            likes: 7,
            ..ChatCounts::default()
        };
        one.deliver(&text, Priority::High);
        one.deliver(&text, Priority::Lowest);
        let mut sum = one;
        sum += one;
        assert_eq!((sum.delivered, sum.likes), (4, 14));
        assert_eq!(sum.delivered_as[0], [2, 0, 0, 2]);
        assert_eq!(sum.room_rate, [2, 4, 6, 8]);
        assert_eq!(sum.since(&one), one);
        assert_eq!(one.since(&sum), ChatCounts::default());
    }
}
