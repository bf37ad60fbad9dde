//! Which streams are live, so that each beginning has its end.

use std::collections::HashMap;
use std::net::IpAddr;

use relay::StreamId;

use super::notice::{Notice, StreamNotice, StreamPhase};
use crate::live::AppId;
use crate::live::chat::UnixTime;
use crate::worker::SessionId;

/// The live streams on the CDN path. A publisher that takes a live stream over begins nothing:
/// its viewers stay.
#[derive(Debug)]
pub struct LiveStreams {
    live: HashMap<StreamId, Live>,
    last_sequence: u64,
    limit: usize,
    refused: u64,
}

#[derive(Debug)]
struct Live {
    session: SessionId,
    from: Option<IpAddr>,
    app: AppId,
    sequence: u64,
    since: UnixTime,
}

impl LiveStreams {
    /// None yet, and at most `limit` at once: more are counted and not told of.
    pub fn new(limit: usize) -> Self {
        Self {
            live: HashMap::new(),
            last_sequence: 0,
            limit,
            refused: 0,
        }
    }

    /// A publisher's media has come, and from where. `app` is `None` on an open server. Its
    /// picture's size is not known before its first key frame: the end tells it.
    pub fn began(
        &mut self,
        at: UnixTime,
        stream: &StreamId,
        (session, from): (SessionId, Option<IpAddr>),
        app: Option<AppId>,
    ) -> Option<Notice> {
        if let Some(live) = self.live.get_mut(stream) {
            live.session = session;
            live.from = from;
            return None;
        }
        if self.live.len() >= self.limit {
            self.refused += 1;
            return None;
        }
        // Differs from those of the run before, too.
        self.last_sequence = at.0.max(self.last_sequence + 1);
        let live = Live {
            session,
            from,
            app: app.unwrap_or_default(),
            sequence: self.last_sequence,
            since: at,
        };
        let notice = notice(stream, &live, at, StreamPhase::Began, None);
        self.live.insert(stream.clone(), live);
        Some(notice)
    }

    /// A publisher has gone, and what size its picture had. Nothing ends if another one has taken
    /// the stream over.
    pub fn ended(
        &mut self,
        at: UnixTime,
        stream: &StreamId,
        session: SessionId,
        size: Option<(u16, u16)>,
    ) -> Option<Notice> {
        self.live
            .get(stream)
            .filter(|live| live.session == session)?;
        let live = self.live.remove(stream)?;
        Some(end(stream, &live, at, size))
    }

    /// The server ends: so do all streams.
    pub fn end_all(
        &mut self,
        at: UnixTime,
        size: impl Fn(&StreamId) -> Option<(u16, u16)>,
    ) -> Vec<Notice> {
        let live = std::mem::take(&mut self.live);
        live.iter()
            .map(|(stream, live)| end(stream, live, at, size(stream)))
            .collect()
    }

    /// Streams that were not told of, because there were too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

fn end(stream: &StreamId, live: &Live, at: UnixTime, size: Option<(u16, u16)>) -> Notice {
    let lasted = at.since(live.since);
    notice(stream, live, at, StreamPhase::Ended { lasted }, size)
}

fn notice(
    stream: &StreamId,
    live: &Live,
    at: UnixTime,
    phase: StreamPhase,
    size: Option<(u16, u16)>,
) -> Notice {
    Notice::Stream(StreamNotice {
        app: live.app,
        stream: stream.clone(),
        sequence: live.sequence,
        at,
        phase,
        from: live.from,
        size: size.map(|(width, height)| (width.into(), height.into())),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn stream(name: &str) -> StreamId {
        name.parse().unwrap()
    }

    fn session(n: u128) -> SessionId {
        SessionId::from_bits(n)
    }

    fn parts(notice: Option<Notice>) -> Option<(u64, StreamPhase)> {
        match notice? {
            Notice::Stream(stream) => Some((stream.sequence, stream.phase)),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_stream_begins_and_ends_once_under_one_sequence() {
        let mut streams = LiveStreams::new(10);
        let app = Some(AppId(7));
        let s = stream("a");
        let began = parts(streams.began(UnixTime(1_000), &s, (session(1), None), app)).unwrap();
        assert_eq!(began, (1_000, StreamPhase::Began));
        let ended = parts(streams.ended(UnixTime(3_500), &s, session(1), None)).unwrap();
        let lasted = Duration::from_millis(2_500);
        assert_eq!(ended, (1_000, StreamPhase::Ended { lasted }));
        assert_eq!(streams.ended(UnixTime(3_600), &s, session(1), None), None);
        let again = parts(streams.began(UnixTime(900), &s, (session(2), None), app)).unwrap();
        assert_eq!(again.0, 1_001, "another one even if the clock goes back");
    }

    #[test]
    fn a_publisher_that_takes_over_neither_ends_nor_begins() {
        let mut streams = LiveStreams::new(10);
        let s = stream("a");
        assert!(
            streams
                .began(UnixTime(1), &s, (session(1), None), None)
                .is_some()
        );
        assert_eq!(
            streams.began(UnixTime(2), &s, (session(2), None), None),
            None
        );
        assert_eq!(streams.ended(UnixTime(3), &s, session(1), None), None);
        assert!(streams.ended(UnixTime(4), &s, session(2), None).is_some());
    }

    #[test]
    fn a_notice_says_where_the_publisher_is_and_its_end_how_large_the_picture_was() {
        let mut streams = LiveStreams::new(10);
        let s = stream("a");
        let facts = |notice: Option<Notice>| match notice {
            Some(Notice::Stream(notice)) => (notice.from, notice.size),
            other => panic!("{other:?}"),
        };
        let from = |last| Some(IpAddr::from([192, 0, 2, last]));
        let began = streams.began(UnixTime(1), &s, (session(1), from(1)), None);
        assert_eq!(facts(began), (from(1), None));
        streams.began(UnixTime(2), &s, (session(2), from(2)), None);
        let ended = streams.ended(UnixTime(3), &s, session(2), Some((1_280, 720)));
        assert_eq!(facts(ended), (from(2), Some((1_280, 720))));
        streams.began(UnixTime(4), &s, (session(3), from(3)), None);
        let last = streams.end_all(UnixTime(5), |_| Some((640, 360))).pop();
        assert_eq!(facts(last), (from(3), Some((640, 360))));
    }

    #[test]
    fn the_server_ends_what_is_live() {
        let mut streams = LiveStreams::new(2);
        for name in ["a", "b", "c"] {
            streams.began(UnixTime(1), &stream(name), (session(1), None), None);
        }
        assert_eq!(streams.refused(), 1);
        assert_eq!(streams.end_all(UnixTime(2), |_| None).len(), 2);
        assert!(streams.end_all(UnixTime(3), |_| None).is_empty());
    }
}
