//! How each published stream travels, now and over the last minutes, for the operator.

use std::collections::{HashMap, VecDeque};
use std::time::Instant;

use relay::StreamId;

use super::api::{Owner, SessionId};

/// One look at a stream; they are [`INTERVAL_MS`] apart.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// Unix milliseconds.
    pub at: u64,
    /// What its publisher sends, retransmissions included.
    pub bit_rate_bps: u64,
    /// The part of it that is lost on the way to the server, 0 to 1.
    pub loss: Option<f32>,
    /// Round trip between publisher and server, in milliseconds.
    pub rtt_ms: Option<u32>,
    /// WebRTC sessions that receive it.
    pub viewers: u32,
    /// The part that these lose: the mean of those whose figures have come since the last sample.
    pub viewer_loss: Option<f32>,
}

/// A published stream.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamMeasure {
    /// The stream.
    pub stream: StreamId,
    /// Whose it is.
    pub owner: Owner,
    /// The name of its HTTP-FLV and HLS addresses.
    pub relayed_as: Option<StreamId>,
    /// Oldest first.
    pub samples: Vec<Sample>,
}

/// What one session's statistics say of the time since the last ones.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Travel {
    /// The session.
    pub session: SessionId,
    /// What came from it; 0 of one who receives.
    pub bytes: u64,
    /// The part of its packets that is lost, on the way that its media goes.
    pub loss: Option<f32>,
    /// Round trip, in milliseconds.
    pub rtt_ms: Option<u32>,
}

/// Whose a stream is and who has it.
#[derive(Debug, Clone)]
pub(crate) struct Audience {
    pub(crate) owner: Owner,
    pub(crate) relayed_as: Option<StreamId>,
    pub(crate) viewers: u32,
}

/// All published streams that were looked at; as many as there are publishers.
#[derive(Debug, Default)]
pub(crate) struct Measures {
    streams: HashMap<StreamId, Stream>,
}

#[derive(Debug)]
struct Stream {
    session: SessionId,
    owner: Owner,
    relayed_as: Option<StreamId>,
    looked: Instant,
    samples: VecDeque<Sample>,
    /// Of those who receive it, since the last sample.
    losses: f32,
    with_loss: u32,
}

impl Measures {
    /// Takes what a publisher's statistics say. The first ones begin the measuring.
    pub(crate) fn publisher(
        &mut self,
        (now, unix_ms): (Instant, u64),
        stream: &StreamId,
        audience: Audience,
        travel: &Travel,
    ) {
        let known = self.streams.get_mut(stream);
        let Some(known) = known.filter(|known| known.session == travel.session) else {
            let begun = Stream {
                session: travel.session,
                owner: audience.owner,
                relayed_as: audience.relayed_as,
                looked: now,
                samples: VecDeque::new(),
                losses: 0.0,
                with_loss: 0,
            };
            self.streams.insert(stream.clone(), begun);
            return;
        };
        let past = now.saturating_duration_since(known.looked).as_millis();
        let bits = u128::from(travel.bytes) * 8_000;
        let bit_rate = bits.checked_div(past).unwrap_or(0);
        known.looked = now;
        known.relayed_as = audience.relayed_as;
        if known.samples.len() == SAMPLES {
            known.samples.pop_front();
        }
        known.samples.push_back(Sample {
            at: unix_ms,
            bit_rate_bps: u64::try_from(bit_rate).unwrap_or(u64::MAX),
            loss: travel.loss,
            rtt_ms: travel.rtt_ms,
            viewers: audience.viewers,
            viewer_loss: (known.with_loss > 0).then(|| known.losses / known.with_loss as f32),
        });
        (known.losses, known.with_loss) = (0.0, 0);
    }

    /// Takes what the statistics of one who receives the stream say.
    pub(crate) fn viewer(&mut self, stream: &StreamId, loss: f32) {
        if let Some(known) = self.streams.get_mut(stream) {
            known.losses += loss;
            known.with_loss += 1;
        }
    }

    /// The publisher's session has ended.
    pub(crate) fn ended(&mut self, stream: &StreamId, session: SessionId) {
        if self
            .streams
            .get(stream)
            .is_some_and(|s| s.session == session)
        {
            self.streams.remove(stream);
        }
    }

    /// Streams of these owners, in the order of their ids, with what is newer than `after`.
    pub(crate) fn list(
        &self,
        is_theirs: impl Fn(&Owner) -> bool,
        after: u64,
    ) -> Vec<StreamMeasure> {
        let theirs = self
            .streams
            .iter()
            .filter(|(_, known)| is_theirs(&known.owner));
        let mut all: Vec<_> = theirs
            .map(|(stream, known)| StreamMeasure {
                stream: stream.clone(),
                owner: known.owner.clone(),
                relayed_as: known.relayed_as.clone(),
                samples: known
                    .samples
                    .iter()
                    .filter(|s| s.at > after)
                    .copied()
                    .collect(),
            })
            .collect();
        all.sort_by(|a, b| a.stream.as_str().cmp(b.stream.as_str()));
        all
    }
}

/// How far samples are apart, about: sessions report so often.
pub const INTERVAL_MS: u64 = 2_000;

/// Five minutes; 6 kB a stream.
const SAMPLES: usize = 150;

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn stream(name: &str) -> StreamId {
        name.parse().unwrap()
    }

    fn travel(session: u128, bytes: u64) -> Travel {
        Travel {
            session: SessionId::from_bits(session),
            bytes,
            loss: Some(0.25),
            rtt_ms: Some(30),
        }
    }

    fn audience(owner: Owner) -> Audience {
        Audience {
            owner,
            relayed_as: None,
            viewers: 3,
        }
    }

    /// A stream that is looked at every two seconds.
    struct Bench {
        measures: Measures,
        now: Instant,
        unix_ms: u64,
    }

    impl Bench {
        fn new() -> Self {
            let now = Instant::now();
            let measures = Measures::default();
            let mut bench = Self {
                measures,
                now,
                unix_ms: 0,
            };
            bench.look(1, 0);
            bench
        }

        fn look(&mut self, session: u128, bytes: u64) {
            self.now += Duration::from_secs(2);
            self.unix_ms += 2_000;
            let times = (self.now, self.unix_ms);
            let travel = travel(session, bytes);
            let audience = audience(Owner::Anybody);
            self.measures
                .publisher(times, &stream("a"), audience, &travel);
        }

        fn samples(&self, after: u64) -> Vec<Sample> {
            let mut all = self.measures.list(|_| true, after);
            all.pop().map(|stream| stream.samples).unwrap_or_default()
        }
    }

    #[test]
    fn a_sample_holds_what_came_since_the_one_before() {
        let mut bench = Bench::new();
        assert_eq!(bench.samples(0), [], "the first look begins the measuring");
        bench.measures.viewer(&stream("a"), 0.5);
        bench.measures.viewer(&stream("a"), 0.0);
        bench.measures.viewer(&stream("b"), 1.0);
        bench.look(1, 250_000);
        bench.look(1, 0);
        let [first, second] = bench.samples(0)[..] else {
            panic!("{:?}", bench.samples(0))
        };
        let expected = Sample {
            at: 4_000,
            bit_rate_bps: 1_000_000,
            loss: Some(0.25),
            rtt_ms: Some(30),
            viewers: 3,
            viewer_loss: Some(0.25),
        };
        assert_eq!(first, expected);
        assert_eq!((second.bit_rate_bps, second.viewer_loss), (0, None));
        assert_eq!(bench.samples(4_000), [second]);
    }

    #[test]
    fn minutes_are_kept_and_no_more() {
        let mut bench = Bench::new();
        for _ in 0..SAMPLES + 10 {
            bench.look(1, 100);
        }
        let samples = bench.samples(0);
        assert_eq!(samples.len(), SAMPLES);
        assert_eq!(samples.last().unwrap().at, bench.unix_ms);
    }

    #[test]
    fn a_publisher_that_takes_over_begins_anew_and_the_old_end_changes_nothing() {
        let mut bench = Bench::new();
        bench.look(1, 100);
        bench.look(2, 100);
        assert_eq!(bench.samples(0), []);
        bench.look(2, 100);
        let end = |bench: &mut Bench, session| {
            let session = SessionId::from_bits(session);
            bench.measures.ended(&stream("a"), session);
        };
        end(&mut bench, 1);
        assert_eq!(bench.samples(0).len(), 1);
        end(&mut bench, 2);
        assert_eq!(bench.measures.list(|_| true, 0), []);
    }

    #[test]
    fn a_stream_is_shown_to_its_own_app() {
        let mut bench = Bench::new();
        let app = crate::live::AppId(7);
        let audience = audience(Owner::PushAddress { app });
        let times = (bench.now, 0);
        bench
            .measures
            .publisher(times, &stream("b"), audience, &travel(9, 0));
        let of = |owner: &Owner| owner.app() == Some(app);
        let list = bench.measures.list(of, 0);
        assert_eq!(list.len(), 1);
        assert_eq!(list[0].stream, stream("b"));
    }
}
