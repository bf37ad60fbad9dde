//! Streams that the settings name: they are recorded by themselves, and again where a recording is
//! refused or ends before its stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;

use super::view::{EndReason, RecordingView};
use super::{Recordings, under_way};
use crate::broadcast::Broadcast;
use crate::stream_id::StreamId;

impl Recordings {
    /// Begins to record a stream, if the settings name it. `failures` before that, one after the
    /// other, came to nothing.
    pub(super) fn begin_by_itself(
        &self,
        broadcast: &Arc<Broadcast>,
        owner: u32,
        first: u64,
        failures: u32,
    ) {
        let stream = &broadcast.id;
        if !self.is_named(stream) {
            return;
        }
        if let Err(refused) = self.begin(broadcast.clone(), owner, first, failures) {
            tracing::warn!(%stream, %refused, "a stream is not recorded for now");
            self.count(&refused);
            self.begin_later(broadcast, owner, failures.saturating_add(1));
        }
    }

    /// A recording has ended, nobody wanted that, and its broadcast may go on: with the segment
    /// `next`, which it did not take.
    pub(super) fn follow(
        &self,
        broadcast: &Arc<Broadcast>,
        ended: &RecordingView,
        next: u64,
        failures: u32,
    ) {
        match ended.reason {
            Some(EndReason::Limit) if ended.segments > 0 => {
                self.begin_by_itself(broadcast, ended.owner, next, 0);
            }
            // Not one segment is within the limits, or the store does not take it.
            Some(EndReason::Limit | EndReason::DiskFull | EndReason::StoreFailed) => {
                let failures = match ended.duration < STEADY {
                    true => failures.saturating_add(1),
                    false => 1,
                };
                self.begin_later(broadcast, ended.owner, failures);
            }
            Some(EndReason::StreamEnded | EndReason::Stopped | EndReason::Interrupted) | None => {}
        }
    }

    /// Tries again after a while, unless the broadcast or the server has ended by then.
    fn begin_later(&self, broadcast: &Arc<Broadcast>, owner: u32, failures: u32) {
        // It is nobody else's for as long as it is waited for: the weak pointer keeps it.
        let address = Arc::as_ptr(broadcast).addr();
        if !self.is_named(&broadcast.id) || !self.0.book().awaited.insert(address) {
            return;
        }
        let recordings = self.clone();
        let broadcast_then = Arc::downgrade(broadcast);
        let mut edge = broadcast.variant(None).store.edge();
        let mut down = self.0.down.subscribe();
        self.spawn(async move {
            let is_time = tokio::select! {
                () = sleep(wait(failures)) => true,
                _ = edge.wait_for(|edge| edge.is_ended) => false,
                _ = down.wait_for(|is_down| *is_down) => false,
            };
            recordings.0.book().awaited.remove(&address);
            let live = broadcast_then.upgrade().filter(|live| !live.is_ended());
            if let Some(broadcast) = live.filter(|_| is_time) {
                let now = (recordings.0.owner_of)(&broadcast.id).unwrap_or(owner);
                // What is under way may have media of the owner before.
                let first = under_way(&broadcast) + u64::from(now != owner);
                recordings.begin_by_itself(&broadcast, now, first, failures);
            }
        });
    }

    fn is_named(&self, stream: &StreamId) -> bool {
        let mut named = self.0.config.auto.iter();
        named.any(|auto| auto.fits(stream))
    }
}

/// How long to wait after so many failures.
fn wait(failures: u32) -> Duration {
    let doubled = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_WAIT.saturating_mul(doubled).min(LONGEST_WAIT)
}

/// After the first recording that came to nothing: the store was tried for two minutes before.
const FIRST_WAIT: Duration = Duration::from_secs(60);

/// A disk that stays full makes one ended recording within such a time.
const LONGEST_WAIT: Duration = Duration::from_secs(3_600);

/// With so much in it a recording has not come to nothing.
const STEADY: Duration = Duration::from_secs(600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_have_an_end() {
        let minutes = |failures| wait(failures).as_secs() / 60;
        assert_eq!(
            [1, 2, 3, 6, 7, 40, u32::MAX].map(minutes),
            [1, 2, 4, 32, 60, 60, 60]
        );
    }
}
