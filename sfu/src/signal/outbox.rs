//! What waits to be sent to one socket.
//!
//! The hub puts messages in and never waits; the socket's task takes them out. A client that does
//! not take its messages fills its own outbox and is closed; nobody else notices.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::close::Closing;
use super::protocol::CloseCode;

/// Bounds of one outbox. Full means that the client has not read for many seconds, or never will.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutboxLimits {
    /// Messages that wait.
    pub messages: usize,
    /// Bytes that wait. One message above it goes out when nothing else waits.
    pub bytes: usize,
}

/// The hub's end; clones share it.
#[derive(Debug, Clone)]
pub struct Outbox(Arc<Shared>);

/// The socket's end.
#[derive(Debug)]
pub struct Mail(Arc<Shared>);

/// Why a message was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// The outbox was full; the socket is being closed from now on.
    #[error("the outbox is full")]
    Full,
    /// The socket is being closed.
    #[error("the socket is being closed")]
    Closed,
}

#[derive(Debug)]
struct Shared {
    limits: OutboxLimits,
    state: Mutex<State>,
    /// Something to take.
    filled: Notify,
    /// The socket ends without what waits.
    cut: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: VecDeque<Arc<str>>,
    bytes: usize,
    end: Option<Closing>,
    is_cut: bool,
}

/// What the socket does next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Send this.
    Text(Arc<str>),
    /// Close with this.
    Close(Closing),
}

/// An outbox and its other end.
pub fn outbox(limits: OutboxLimits) -> (Outbox, Mail) {
    let shared = Arc::new(Shared {
        limits,
        state: Mutex::default(),
        filled: Notify::new(),
        cut: Notify::new(),
    });
    (Outbox(Arc::clone(&shared)), Mail(shared))
}

impl Outbox {
    /// Adds a message.
    ///
    /// # Errors
    /// [`Refused::Full`] once, which closes the socket with [`CloseCode::TooSlow`]; [`Refused::Closed`]
    /// from then on.
    pub fn push(&self, text: Arc<str>) -> Result<(), Refused> {
        let mut state = self.0.state();
        if state.end.is_some() {
            return Err(Refused::Closed);
        }
        let bytes = state.bytes.saturating_add(text.len());
        let is_full = state.queue.len() >= self.0.limits.messages
            || (bytes > self.0.limits.bytes && !state.queue.is_empty());
        if is_full {
            // They would come late anyway, and the session can resume from the first of them.
            *state = State {
                end: Some(CloseCode::TooSlow.into()),
                is_cut: true,
                ..State::default()
            };
            drop(state);
            self.0.filled.notify_one();
            self.0.cut.notify_one();
            return Err(Refused::Full);
        }
        state.bytes = bytes;
        state.queue.push_back(text);
        drop(state);
        self.0.filled.notify_one();
        Ok(())
    }

    /// Closes the socket after the messages that wait. The first reason counts.
    pub fn close(&self, closing: Closing) {
        let mut state = self.0.state();
        state.end.get_or_insert(closing);
        drop(state);
        self.0.filled.notify_one();
    }
}

impl Mail {
    /// Waits for the next message, or for the end. Dropping the future loses nothing.
    pub async fn next(&self) -> Next {
        loop {
            if let Some(next) = self.try_next() {
                return next;
            }
            self.0.filled.notified().await;
        }
    }

    /// The next message or the end, if there is one now.
    pub fn try_next(&self) -> Option<Next> {
        let mut state = self.0.state();
        match state.queue.pop_front() {
            Some(text) => {
                state.bytes = state.bytes.saturating_sub(text.len());
                Some(Next::Text(text))
            }
            None => state.end.clone().map(Next::Close),
        }
    }

    /// Resolves when the outbox has overflown: a message that is being written is given up.
    pub async fn cut(&self) {
        while !self.0.state().is_cut {
            self.0.cut.notified().await;
        }
    }

    /// Messages that wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.state().queue.len()
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        // No code that holds it can panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn small() -> (Outbox, Mail) {
        outbox(OutboxLimits {
            messages: 3,
            bytes: 10,
        })
    }

    fn text(text: &str) -> Next {
        Next::Text(text.into())
    }

    #[tokio::test]
    async fn messages_come_out_in_order_and_then_the_end() {
        let (outbox, mail) = small();
        outbox.push("a".into()).unwrap();
        outbox.push("b".into()).unwrap();
        outbox.close(Closing::new(CloseCode::ServerStopping, "bye"));
        outbox.close(CloseCode::TooSlow.into());
        assert_eq!(outbox.push("c".into()), Err(Refused::Closed));
        assert_eq!(mail.next().await, text("a"));
        assert_eq!(mail.next().await, text("b"));
        for _ in 0..2 {
            let end = Next::Close(Closing::new(CloseCode::ServerStopping, "bye"));
            assert_eq!(mail.next().await, end);
        }
    }

    #[tokio::test]
    async fn too_many_messages_close_the_socket_at_once() {
        let (outbox, mail) = small();
        for _ in 0..3 {
            outbox.push("a".into()).unwrap();
        }
        assert_eq!(outbox.push("a".into()), Err(Refused::Full));
        assert_eq!(outbox.push("a".into()), Err(Refused::Closed));
        mail.cut().await;
        let Next::Close(closing) = mail.next().await else {
            panic!("a message was left");
        };
        assert_eq!(closing.code, CloseCode::TooSlow);
        assert_eq!(mail.len(), 0);
    }

    #[tokio::test]
    async fn too_many_bytes_close_the_socket_but_one_large_message_passes() {
        let (outbox, mail) = small();
        outbox.push("larger than ten".into()).unwrap();
        assert_eq!(mail.next().await, text("larger than ten"));
        outbox.push("12345".into()).unwrap();
        outbox.push("67890".into()).unwrap();
        assert_eq!(outbox.push("!".into()), Err(Refused::Full));
    }

    #[tokio::test]
    async fn what_was_taken_makes_room() {
        let (outbox, mail) = small();
        for _ in 0..100 {
            outbox.push("1234567890".into()).unwrap();
            assert_eq!(mail.next().await, text("1234567890"));
        }
    }

    #[tokio::test]
    async fn a_reader_that_waits_is_woken() {
        let (outbox, mail) = small();
        let reader = tokio::spawn(async move { mail.next().await });
        tokio::task::yield_now().await;
        outbox.push("a".into()).unwrap();
        assert_eq!(reader.await.unwrap(), text("a"));
    }
}
