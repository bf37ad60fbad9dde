//! How much and how fast one room's chat takes and tells.

use std::time::Duration;

/// Bounds of the chat of one room. What is over a rate is dropped or refused, and counted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatLimits {
    /// Messages that are kept for those who enter.
    pub history: usize,
    /// Most messages and notices that the room delivers in any second; those of the lowest
    /// priority are dropped first.
    pub messages_per_second: u32,
    /// Messages of one user, a second in the long run.
    pub user_messages_per_second: u32,
    /// Messages of one user at once.
    pub user_message_burst: u32,
    /// Likes of one user, a second in the long run; [`MAX_LIKES`] at once.
    pub user_likes_per_second: u32,
    /// The shortest time between two totals of likes.
    pub likes_interval: Duration,
}

impl Default for ChatLimits {
    fn default() -> Self {
        Self {
            history: 50,
            // The documented rate of a group.
            messages_per_second: 40,
            // Nobody types faster, and nobody should be able to fill a room's forty alone.
            user_messages_per_second: 5,
            user_message_burst: 10,
            // The fastest thumbs, and room for a client that gathers them.
            user_likes_per_second: 20,
            // Twice a second looks live, and a thousand rooms cost two thousand messages.
            likes_interval: Duration::from_millis(500),
        }
    }
}

/// Most likes in one command, and of one user at once.
pub const MAX_LIKES: u32 = 100;
