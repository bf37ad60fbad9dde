//! Viewers of endless streams that take nothing any more, or may not: their connections end, or their HTTP/2
//! streams.

use std::future::pending;
use std::sync::Arc;

use hyper::rt::Executor;
use relay::{ViewerOver, ViewerWatch};
use tokio::sync::watch;
use tokio::task::{futures::TaskLocalFuture, spawn};
use tokio::time::Instant;

/// The viewer that a connection serves, or a stream of an HTTP/2 connection. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct Served(Arc<watch::Sender<Option<ViewerWatch>>>);

tokio::task_local! {
    /// That of the HTTP/2 stream whose task this is.
    static OF_STREAM: Served;
}

impl Served {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }

    /// What the response in the current task is served by: its stream over HTTP/2, and over
    /// HTTP/1.1 the connection.
    pub(super) fn by(connection: &Self) -> Self {
        OF_STREAM
            .try_with(Self::clone)
            .unwrap_or_else(|_| connection.clone())
    }

    /// The viewer is another one from here on.
    pub(super) fn set(&self, watch: ViewerWatch) {
        self.0.send_replace(Some(watch));
    }

    /// Resolves when the viewer is to be closed.
    pub(super) async fn over(&self, taken: impl Fn() -> Option<Instant>) -> ViewerOver {
        let mut viewer = self.0.subscribe();
        loop {
            let watch = viewer.borrow_and_update().clone();
            let over = async {
                match &watch {
                    Some(watch) => watch.over(&taken).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                why = over => return why,
                // The sender is `self`.
                _ = viewer.changed() => {}
            }
        }
    }
}

/// Runs the streams of an HTTP/2 connection. One whose client leaves its window shut, or whose viewer
/// is revoked, is dropped, which resets it: the rest of the connection may well be alive.
#[derive(Debug, Clone)]
pub(super) struct StreamExecutor;

impl<F> Executor<F> for StreamExecutor
where
    F: Future<Output: Send> + Send + 'static,
{
    fn execute(&self, stream: F) {
        let served = Served::new();
        let viewer = served.clone();
        spawn(within(served, async move {
            tokio::select! {
                _ = stream => {}
                // How much of a stream is taken its connection cannot tell.
                _ = viewer.over(|| None) => {}
            }
        }));
    }
}

fn within<F: Future>(served: Served, stream: F) -> TaskLocalFuture<Served, F> {
    OF_STREAM.scope(served, stream)
}
