//! One viewer of an endless stream, whatever its container: where it begins, what waits for it, and
//! whether it takes that.

mod body;
mod watch;

pub(crate) use body::{BodyCounters, Ended, Found, Reader, ViewerBody};
pub use watch::{ViewerOver, ViewerWatch};

use std::time::Duration;

/// Where a viewer's stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum StartAt {
    /// At the newest key frame: the player is as near to the live edge as can be.
    #[default]
    Newest,
    /// At the oldest key frame within the lag that a viewer may have: the player has whole groups of
    /// pictures in its buffer from the first moment.
    Earlier,
}

/// How far behind the newest media a viewer may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MaxLag(pub(crate) Duration);

impl MaxLag {
    /// True if a viewer this far behind skips. `headroom` is how old its beginning was, which is no
    /// fault of its own; one for whom there is no newer key frame may be twice as far behind.
    pub(crate) fn is_exceeded(self, lag: Duration, headroom: Duration, has_newer: bool) -> bool {
        let bound = match has_newer {
            true => self.0,
            false => self.0.saturating_mul(2),
        };
        lag > bound.saturating_add(headroom)
    }

    /// True if a key frame of this age is no place to skip to.
    pub(crate) fn is_stale(self, age: Duration) -> bool {
        age > self.0.saturating_mul(2)
    }
}
