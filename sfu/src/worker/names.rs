//! The names under which streams are relayed, besides their own ids.

use std::collections::HashMap;

use relay::StreamId;

use super::api::SessionId;

/// Who holds which name. A session holds the one that it is relayed under, and for a moment the
/// next one: there are no more names than sessions and running orders.
#[derive(Debug, Default)]
pub(crate) struct Names {
    by_name: HashMap<StreamId, Held>,
    by_session: HashMap<SessionId, Vec<StreamId>>,
}

#[derive(Debug)]
struct Held {
    /// The stream that is relayed under it.
    stream: StreamId,
    /// How often its publishers hold it: while one takes over, two do.
    times: usize,
}

impl Names {
    /// Holds a name for a session of a stream. False if another stream has it.
    pub(crate) fn hold(&mut self, session: SessionId, stream: &StreamId, name: &StreamId) -> bool {
        if !self.is_free(name, stream) {
            return false;
        }
        let held = self.by_name.entry(name.clone()).or_insert_with(|| Held {
            stream: stream.clone(),
            times: 0,
        });
        held.times += 1;
        self.by_session
            .entry(session)
            .or_default()
            .push(name.clone());
        true
    }

    /// Lets a name go, once. Nothing for one that the session does not hold.
    pub(crate) fn release(&mut self, session: SessionId, name: &StreamId) {
        let Some(names) = self.by_session.get_mut(&session) else {
            return;
        };
        let Some(index) = names.iter().position(|n| n == name) else {
            return;
        };
        names.swap_remove(index);
        if names.is_empty() {
            self.by_session.remove(&session);
        }
        self.drop_one(name);
    }

    /// Lets all names of a session go.
    pub(crate) fn forget(&mut self, session: SessionId) {
        for name in self.by_session.remove(&session).unwrap_or_default() {
            self.drop_one(&name);
        }
    }

    /// The stream that has a name beside its own id.
    pub(crate) fn stream_under(&self, name: &StreamId) -> Option<&StreamId> {
        self.by_name.get(name).map(|held| &held.stream)
    }

    /// True if no other stream has the name.
    pub(crate) fn is_free(&self, name: &StreamId, stream: &StreamId) -> bool {
        self.by_name.get(name).is_none_or(|h| h.stream == *stream)
    }

    fn drop_one(&mut self, name: &StreamId) {
        if let Some(held) = self.by_name.get_mut(name) {
            held.times -= 1;
            if held.times == 0 {
                self.by_name.remove(name);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(n: u128) -> SessionId {
        SessionId::from_bits(n)
    }

    fn stream(name: &str) -> StreamId {
        name.parse().expect("stream id")
    }

    #[test]
    fn a_name_is_one_streams_until_all_its_sessions_let_go() {
        let mut names = Names::default();
        let (a, b, show) = (stream("a"), stream("b"), stream("show"));
        assert!(names.hold(id(1), &a, &show));
        assert!(names.hold(id(2), &a, &show), "a publisher who takes over");
        assert!(!names.hold(id(3), &b, &show));
        names.forget(id(1));
        names.release(id(3), &show);
        assert!(!names.hold(id(3), &b, &show));
        names.release(id(2), &show);
        names.release(id(2), &show);
        assert!(names.hold(id(3), &b, &show));
        names.forget(id(3));
        assert!(names.by_name.is_empty() && names.by_session.is_empty());
    }

    #[test]
    fn a_name_is_held_as_often_as_it_was_asked_for() {
        let mut names = Names::default();
        let (a, b, show) = (stream("a"), stream("b"), stream("show"));
        assert!(names.hold(id(1), &a, &show));
        assert!(names.hold(id(1), &a, &show));
        names.release(id(1), &show);
        assert!(!names.is_free(&show, &b));
        names.release(id(1), &show);
        assert!(names.is_free(&show, &b));
    }
}
