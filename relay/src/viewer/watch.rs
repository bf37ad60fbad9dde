//! Whether a viewer takes what it is given, and may.

use std::future::pending;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// Tells when a viewer is to be closed: when it was revoked, or when it has made no progress for too
/// long: it was given bytes, more wait for it, and nothing of either was taken. Clones watch the same
/// viewer.
///
/// A stream cannot break its own connection while that is full, because nobody asks it for more
/// then. Who carries the stream waits for [`ViewerWatch::over`] beside it.
#[derive(Debug, Clone)]
pub struct ViewerWatch(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Duration,
    /// What the connection takes bit by bit counts.
    goes_by_bytes: bool,
    began: Instant,
    /// Milliseconds after `began` when the stream was asked for more.
    asked: AtomicU64,
    state: AtomicU8,
    has_stalled: AtomicBool,
    is_revoked: AtomicBool,
    revoked: Notify,
    sent_bytes: AtomicU64,
}

/// Why a viewer is to be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ViewerOver {
    /// It takes nothing.
    Stalled,
    /// It may not watch any more.
    Revoked,
}

/// The viewer has taken everything, as far as the stream can see.
const CAUGHT_UP: u8 = 0;
/// It was given bytes and has not asked for more.
const BUSY: u8 = 1;
/// The stream is gone.
const GONE: u8 = 2;

impl ViewerWatch {
    /// Watches a viewer that may take nothing for as long as `limit`.
    pub fn new(limit: Duration) -> Self {
        Self::with(limit, true)
    }

    /// Watches one that is to take all that it was given within the limit, in however small pieces:
    /// what is on its way to it keeps more alive than itself.
    pub(crate) fn of_wholes(limit: Duration) -> Self {
        Self::with(limit, false)
    }

    fn with(limit: Duration, goes_by_bytes: bool) -> Self {
        Self(Arc::new(Shared {
            limit,
            goes_by_bytes,
            began: Instant::now(),
            asked: AtomicU64::new(0),
            state: AtomicU8::new(CAUGHT_UP),
            has_stalled: AtomicBool::new(false),
            is_revoked: AtomicBool::new(false),
            revoked: Notify::new(),
            sent_bytes: AtomicU64::new(0),
        }))
    }

    /// Resolves once the viewer is revoked, or has made no progress for
    /// `RelayConfig::viewer_timeout`; never when its stream ends before. `taken` is when the
    /// connection last took bytes, for those who know it: large pictures are taken bit by bit. It
    /// counts for FLV and files.
    pub async fn over(&self, taken: impl Fn() -> Option<Instant>) -> ViewerOver {
        let shared = &self.0;
        let mut revoked = pin!(shared.revoked.notified());
        // Listening starts before looking, so that nothing is missed in between.
        revoked.as_mut().enable();
        loop {
            let now = Instant::now();
            let state = shared.state.load(Ordering::Acquire);
            if state != GONE && self.is_revoked() {
                return ViewerOver::Revoked;
            }
            let due = match state {
                GONE => return pending().await,
                BUSY => shared.last(taken().filter(|_| shared.goes_by_bytes)) + shared.limit,
                _ => now + shared.limit,
            };
            if due <= now {
                shared.has_stalled.store(true, Ordering::Release);
                return ViewerOver::Stalled;
            }
            tokio::select! {
                () = sleep_until(due) => {}
                () = revoked.as_mut() => {}
            }
        }
    }

    /// Ends the viewer: whoever carries its stream is told.
    pub fn revoke(&self) {
        self.0.is_revoked.store(true, Ordering::Release);
        self.0.revoked.notify_waiters();
    }

    /// Whether the viewer was ended.
    pub fn is_revoked(&self) -> bool {
        self.0.is_revoked.load(Ordering::Acquire)
    }

    /// Bytes of the stream that were handed to the viewer's connection.
    pub fn sent_bytes(&self) -> u64 {
        self.0.sent_bytes.load(Ordering::Relaxed)
    }

    pub(crate) fn has_stalled(&self) -> bool {
        self.0.has_stalled.load(Ordering::Acquire)
    }

    /// The viewer asks for more and is given so many bytes, with which what it was given before may
    /// go on.
    pub(crate) fn note_given(&self, bytes: u64, goes_on: bool) {
        self.0.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
        if goes_on && !self.0.goes_by_bytes {
            return;
        }
        let ms = u64::try_from(self.0.began.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.0.asked.store(ms, Ordering::Release);
        self.0.state.store(BUSY, Ordering::Release);
    }

    /// The viewer asks for more and there is nothing.
    pub(crate) fn note_caught_up(&self) {
        self.0.state.store(CAUGHT_UP, Ordering::Release);
    }

    pub(crate) fn note_gone(&self) {
        self.0.state.store(GONE, Ordering::Release);
    }
}

impl Shared {
    fn last(&self, taken: Option<Instant>) -> Instant {
        let asked = self.began + Duration::from_millis(self.asked.load(Ordering::Acquire));
        taken.map_or(asked, |taken| taken.max(asked))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::{sleep, timeout};

    use super::*;

    const LIMIT: Duration = Duration::from_secs(10);

    async fn stalls_within(watch: &ViewerWatch, time: Duration) -> bool {
        timeout(time, watch.over(|| None)).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn who_takes_nothing_has_stalled_after_the_limit() {
        let watch = ViewerWatch::new(LIMIT);
        watch.note_given(1, false);
        assert!(!stalls_within(&watch, Duration::from_millis(9_900)).await);
        assert!(!watch.has_stalled());
        assert!(stalls_within(&watch, Duration::from_millis(200)).await);
        assert!(watch.has_stalled());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_for_the_publisher_has_not() {
        let watch = ViewerWatch::new(LIMIT);
        watch.note_given(1, false);
        watch.note_caught_up();
        assert!(!stalls_within(&watch, Duration::from_secs(100)).await);
        // Nothing is known of the time before.
        watch.note_given(1, false);
        assert!(!stalls_within(&watch, Duration::from_secs(9)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn what_the_connection_takes_is_progress() {
        let watch = ViewerWatch::new(LIMIT);
        watch.note_given(1, false);
        let began = Instant::now();
        // A large picture over a slow connection, some of it every six seconds.
        let taken = || {
            let steps = began.elapsed().as_secs() / 6;
            Some(began + Duration::from_secs(steps.min(4) * 6))
        };
        assert_eq!(watch.over(taken).await, ViewerOver::Stalled);
        assert_eq!(began.elapsed(), Duration::from_secs(34));
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_to_take_wholes_makes_no_progress_with_their_pieces() {
        let watch = ViewerWatch::of_wholes(LIMIT);
        watch.note_given(1_000, false);
        sleep(Duration::from_secs(6)).await;
        watch.note_given(1_000, true);
        let now = Instant::now();
        assert_eq!(
            watch.over(|| Some(Instant::now())).await,
            ViewerOver::Stalled
        );
        assert_eq!(
            (now.elapsed(), watch.sent_bytes()),
            (Duration::from_secs(4), 2_000)
        );
        // The next one has its own time.
        let watch = ViewerWatch::of_wholes(LIMIT);
        watch.note_given(1_000, true);
        sleep(Duration::from_secs(6)).await;
        watch.note_given(1_000, false);
        assert!(!stalls_within(&watch, Duration::from_secs(9)).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_stream_that_has_ended_stalls_no_more() {
        let watch = ViewerWatch::new(LIMIT);
        watch.note_given(1, false);
        let other = watch.clone();
        let end = async {
            sleep(Duration::from_secs(5)).await;
            other.note_gone();
        };
        let (stalled, ()) = tokio::join!(stalls_within(&watch, Duration::from_secs(60)), end);
        assert!(!stalled);
    }

    #[tokio::test(start_paused = true)]
    async fn who_is_revoked_is_over_at_once_whatever_it_takes() {
        for is_busy in [false, true] {
            let watch = ViewerWatch::new(LIMIT);
            if is_busy {
                watch.note_given(1_000, false);
            }
            let began = Instant::now();
            let other = watch.clone();
            let end = async {
                sleep(Duration::from_secs(5)).await;
                other.revoke();
            };
            let (over, ()) = tokio::join!(watch.over(|| None), end);
            assert_eq!(over, ViewerOver::Revoked);
            assert_eq!(began.elapsed(), Duration::from_secs(5));
            // Who looks later is told too.
            assert_eq!(watch.over(|| None).await, ViewerOver::Revoked);
            assert!(!watch.has_stalled());
            assert_eq!(watch.sent_bytes(), if is_busy { 1_000 } else { 0 });
        }
    }
}
