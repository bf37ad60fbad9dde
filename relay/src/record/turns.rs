//! Whose turn it is to make an MP4 file.

use tokio::sync::{Semaphore, SemaphorePermit};

/// One file is made at a time: it reads and writes as fast as the disk can. So many wait for that.
#[derive(Debug)]
pub(super) struct Mp4Turns {
    places: Semaphore,
    turn: Semaphore,
}

/// Given back on drop.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    _turn: SemaphorePermit<'a>,
    _place: SemaphorePermit<'a>,
}

impl Mp4Turns {
    pub(super) fn new(waiting: usize) -> Self {
        Self {
            places: Semaphore::new(waiting + 1),
            turn: Semaphore::new(1),
        }
    }

    /// Waits for a turn. None if too many do.
    pub(super) async fn take(&self) -> Option<Turn<'_>> {
        let place = self.places.try_acquire().ok()?;
        // It is never closed.
        let turn = self.turn.acquire().await.ok()?;
        Some(Turn {
            _turn: turn,
            _place: place,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn one_has_its_turn_and_so_many_wait() {
        let turns = Mp4Turns::new(1);
        let first = turns.take().now_or_never().unwrap().unwrap();
        let mut second = pin!(turns.take());
        assert!(second.as_mut().now_or_never().is_none(), "it waits");
        assert!(turns.take().now_or_never().unwrap().is_none());
        drop(first);
        let second = second.now_or_never().unwrap();
        assert!(second.is_some());
        let mut third = pin!(turns.take());
        assert!(third.as_mut().now_or_never().is_none(), "there is a place");
    }
}
