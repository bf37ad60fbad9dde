//! The order of a run: publish, join, measure, say goodbye.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use reqwest::Url;
use tokio::task::JoinSet;
use tokio::time::{sleep, sleep_until};

use super::answer::CandidateFilter;
use super::engine::{Engine, SessionKey};
use super::peer::PeerFactory;
use super::publisher::{Publisher, PublisherCounts};
use super::report::{Joins, Quantiles, Report, ServerCost, Steady};
use super::signalling::{Bearer, Signalling, local_address};
use super::socket::Socket;
use super::subscriber::{Subscriber, SubscriberConfig, SubscriberReport};
use super::tally::Received;
use crate::histogram::Histogram;
use crate::procfs::Usage;
use crate::source::SourceConfig;

/// What to do in a run.
#[derive(Clone, Debug)]
pub struct RtcOptions {
    /// WHIP endpoint to publish to.
    pub whip: Url,
    /// WHEP endpoint to subscribe to.
    pub whep: Url,
    /// The token for both.
    pub token: Option<Bearer>,
    /// Which hosts may be loaded.
    pub filter: CandidateFilter,
    /// How many subscribers stay.
    pub subscribers: u32,
    /// Time over which they join.
    pub join_over: Duration,
    /// Lone joins before and, again, beside the subscribers.
    pub lone_joins: u32,
    /// Length of the measured window.
    pub duration: Duration,
    /// Process of the server, for its CPU and memory.
    pub pid: Option<u32>,
    /// The generated broadcast.
    pub source: SourceConfig,
    /// Whether subscribers send PLIs as browsers do.
    pub subscribers_ask: bool,
}

/// Runs it all and reports.
///
/// # Errors
///
/// When nothing can be published. Joins that fail are counted, not errors.
pub async fn run(options: RtcOptions) -> anyhow::Result<Report> {
    let mut publishing = Publishing::start(&options).await?;
    // A decoder's worth of stream before the first join is timed.
    sleep(Duration::from_millis(500)).await;
    let fleet = Arc::new(Fleet::new(&options, &publishing)?);

    let lone_joins = fleet.join_alone(&publishing, options.lone_joins).await?;
    let before = settled(options.pid).await?;
    let (members, joins) = fleet.join_all(&publishing, &options).await?;
    let loaded_joins = fleet.join_alone(&publishing, options.lone_joins).await?;
    let (steady, usage) = measure(&fleet, &publishing, &options).await?;

    let server = before.zip(usage).map(|(before, (start, end))| {
        let cpu = end.cpu.saturating_sub(start.cpu).as_secs_f64();
        ServerCost {
            cpu_percent: cpu / steady.seconds * 100.0,
            packets_per_core_second: steady.received_pps * steady.seconds / cpu.max(0.01),
            rss_bytes: end.rss,
            rss_before_bytes: before.rss,
            rss_per_subscriber_bytes: end.rss.saturating_sub(before.rss)
                / u64::from(options.subscribers.max(1)),
        }
    });
    fleet.leave(members).await;
    publishing.stop().await;
    Ok(Report {
        subscribers: options.subscribers.into(),
        join_over_seconds: options.join_over.as_secs_f64(),
        lone_joins,
        joins,
        loaded_joins,
        steady,
        server,
    })
}

/// A running publisher, also for the runs that watch by HTTP.
pub struct Publishing {
    engine: Engine<Publisher>,
    key: SessionKey,
    signalling: Signalling,
    session: Option<Url>,
    epoch: Instant,
    factory: PeerFactory,
}

impl Publishing {
    /// Publishes to `options.whip` and waits until the broadcast runs.
    async fn start(options: &RtcOptions) -> anyhow::Result<Publishing> {
        let token = options.token.as_ref();
        Publishing::to(&options.whip, token, options.filter, options.source).await
    }

    /// Publishes to `whip` and waits until the broadcast runs.
    ///
    /// # Errors
    ///
    /// When the endpoint refuses, or no connection comes about in five seconds.
    pub async fn to(
        whip: &Url,
        token: Option<&Bearer>,
        filter: CandidateFilter,
        source: SourceConfig,
    ) -> anyhow::Result<Publishing> {
        let factory = PeerFactory::new();
        let signalling = Signalling::new(token)?;
        let engine = Engine::start("publisher", Duration::ZERO)?;
        let epoch = Instant::now();
        let socket = Socket::bind(SocketAddr::new(local_address(whip)?, 0))?;
        let (mut publisher, offer) =
            Publisher::new(&factory, source, socket.local(), epoch, Instant::now())?;
        let created = signalling.offer(whip, offer).await?;
        publisher.accept_answer(&created.answer, filter)?;
        let key = engine.add(publisher, socket);
        let publishing = Publishing {
            engine,
            key,
            signalling,
            session: created.session,
            epoch,
            factory,
        };
        let give_up = Instant::now() + CONNECT_WITHIN;
        while !publishing.look(|p| p.connected().is_some()).await? {
            if Instant::now() > give_up {
                bail!("{whip} answers, but no connection comes about in {CONNECT_WITHIN:?}");
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(publishing)
    }

    /// What was sent and asked for so far.
    ///
    /// # Errors
    ///
    /// When the publisher's session is over.
    pub async fn counts(&self) -> anyhow::Result<PublisherCounts> {
        self.look(|p| p.counts()).await
    }

    /// Where the stamps of this publisher count their time from.
    pub fn epoch(&self) -> Instant {
        self.epoch
    }

    /// Ends the session.
    pub async fn stop(&mut self) {
        if let Some(session) = self.session.take() {
            self.signalling.delete(&session).await;
        }
        self.engine.close(self.key);
    }

    async fn look<R: Send + 'static>(
        &self,
        look: impl FnOnce(&mut Publisher) -> R + Send + 'static,
    ) -> anyhow::Result<R> {
        let key = self.key;
        self.engine
            .look(move |sessions| sessions.get_mut(key).map(look))
            .await
            .flatten()
            .context("the server ended the publisher's session")
    }
}

/// Where the subscribers live, and how they join.
struct Fleet {
    engine: Engine<Subscriber>,
    factory: PeerFactory,
    signalling: Signalling,
    whep: Url,
    filter: CandidateFilter,
    local: SocketAddr,
    config: SubscriberConfig,
}

struct Member {
    key: SessionKey,
    session: Option<Url>,
    posted: Instant,
    answered: Instant,
}

impl Fleet {
    fn new(options: &RtcOptions, publishing: &Publishing) -> anyhow::Result<Fleet> {
        Ok(Fleet {
            engine: Engine::start("subscribers", NAP)?,
            factory: publishing.factory.clone(),
            signalling: publishing.signalling.clone(),
            whep: options.whep.clone(),
            filter: options.filter,
            local: SocketAddr::new(local_address(&options.whep)?, 0),
            config: SubscriberConfig {
                epoch: publishing.epoch,
                asks_for_keyframe: options.subscribers_ask,
            },
        })
    }

    async fn join(&self) -> anyhow::Result<Member> {
        let socket = Socket::bind(self.local)
            .context("no socket for a subscriber (is the limit of open files too low?)")?;
        let (mut subscriber, offer) =
            Subscriber::new(&self.factory, self.config, socket.local(), Instant::now())?;
        let posted = Instant::now();
        let created = self.signalling.offer(&self.whep, offer).await?;
        let answered = Instant::now();
        subscriber.accept_answer(&created.answer, self.filter)?;
        Ok(Member {
            key: self.engine.add(subscriber, socket),
            session: created.session,
            posted,
            answered,
        })
    }

    /// Joins, waits for the key frame, leaves; `times` times in a row.
    async fn join_alone(
        &self,
        publishing: &Publishing,
        times: u32,
    ) -> anyhow::Result<Option<Joins>> {
        let mut log = JoinLog::default();
        let plis = publishing.counts().await?.plis;
        for _ in 0..times {
            // Joins of a real audience come at any phase of the frame clock
            // and outside of each other's key frame throttle.
            sleep(Duration::from_millis(1_003)).await;
            match self.join().await {
                Ok(member) => {
                    self.wait_for_keyframes(std::slice::from_ref(&member))
                        .await?;
                    self.log(&mut log, &member).await;
                    self.leave(vec![member]).await;
                }
                Err(e) => log.fail(&e),
            }
        }
        let plis = publishing.counts().await?.plis - plis;
        Ok((times > 0).then(|| log.finish(times.into(), plis)))
    }

    /// Joins all subscribers, evenly over the time given.
    async fn join_all(
        self: &Arc<Self>,
        publishing: &Publishing,
        options: &RtcOptions,
    ) -> anyhow::Result<(Vec<Member>, Joins)> {
        let plis = publishing.counts().await?.plis;
        let start = tokio::time::Instant::now();
        let step = options.join_over / options.subscribers.max(1);
        let mut joining = JoinSet::new();
        for number in 0..options.subscribers {
            let fleet = Arc::clone(self);
            joining.spawn(async move {
                sleep_until(start + step * number).await;
                fleet.join().await
            });
        }
        let mut log = JoinLog::default();
        let mut members = Vec::new();
        while let Some(joined) = joining.join_next().await {
            match joined.context("a join panicked")? {
                Ok(member) => members.push(member),
                Err(e) => log.fail(&e),
            }
        }
        self.wait_for_keyframes(&members).await?;
        for member in &members {
            self.log(&mut log, member).await;
        }
        let plis = publishing.counts().await?.plis - plis;
        Ok((members, log.finish(options.subscribers.into(), plis)))
    }

    async fn wait_for_keyframes(&self, members: &[Member]) -> anyhow::Result<()> {
        let give_up = Instant::now() + CONNECT_WITHIN;
        let keys: Vec<_> = members.iter().map(|member| member.key).collect();
        while Instant::now() < give_up {
            let keys = keys.clone();
            let waiting = self
                .engine
                .look(move |sessions| {
                    // A session that is over waits for nothing.
                    keys.into_iter().any(|key| {
                        sessions
                            .get_mut(key)
                            .is_some_and(|s| s.milestones().keyframe.is_none())
                    })
                })
                .await
                .context("the subscribers' thread ended")?;
            if !waiting {
                break;
            }
            sleep(LOOK_EVERY).await;
        }
        Ok(())
    }

    async fn log(&self, log: &mut JoinLog, member: &Member) {
        let key = member.key;
        let milestones = self
            .engine
            .look(move |sessions| sessions.get_mut(key).map(|s| s.milestones()))
            .await
            .flatten()
            .unwrap_or_default();
        log.answered.record(member.answered - member.posted);
        if let Some(at) = milestones.connected {
            log.connected.record(at - member.posted);
        }
        if let Some(at) = milestones.keyframe {
            log.keyframe.record(at - member.posted);
        }
    }

    async fn leave(&self, members: Vec<Member>) {
        for member in members {
            self.engine.close(member.key);
            if let Some(session) = member.session {
                self.signalling.delete(&session).await;
            }
        }
    }
}

#[derive(Default)]
struct JoinLog {
    answered: Histogram,
    connected: Histogram,
    keyframe: Histogram,
    first_failure: Option<String>,
}

impl JoinLog {
    fn fail(&mut self, error: &anyhow::Error) {
        self.first_failure.get_or_insert(format!("{error:#}"));
    }

    fn finish(self, attempted: u64, publisher_plis: u64) -> Joins {
        Joins {
            attempted,
            failed: attempted - self.keyframe.count(),
            first_failure: self.first_failure,
            answered: Quantiles::of(&self.answered),
            connected: Quantiles::of(&self.connected),
            keyframe: Quantiles::of(&self.keyframe),
            publisher_plis,
        }
    }
}

/// The server's usage once its memory has stopped growing: a broadcast fills
/// caches and segment stores for some time, which is no subscriber's doing.
async fn settled(pid: Option<u32>) -> anyhow::Result<Option<Usage>> {
    let Some(pid) = pid else {
        return Ok(None);
    };
    let mut last = Usage::of(pid)?;
    for _ in 0..SETTLE_LOOKS {
        sleep(SETTLE_STEP).await;
        let now = Usage::of(pid)?;
        if now.rss <= last.rss + last.rss / 200 {
            return Ok(Some(now));
        }
        last = now;
    }
    Ok(Some(last))
}

type UsageSpan = Option<(Usage, Usage)>;

/// Measures a window that is a range of the publisher's packets.
async fn measure(
    fleet: &Fleet,
    publishing: &Publishing,
    options: &RtcOptions,
) -> anyhow::Result<(Steady, UsageSpan)> {
    let calibration = Duration::from_secs(1);
    let before = publishing.counts().await?.packets;
    sleep(calibration).await;
    let now = publishing.counts().await?.packets;
    let pps = (now - before) as f64 / calibration.as_secs_f64();
    anyhow::ensure!(pps >= 1.0, "the publisher stands still");
    // Half a second ahead, so that every subscriber knows the window before it
    // begins.
    let start = now + (pps / 2.0) as u64;
    let end = start + ((pps * options.duration.as_secs_f64()) as u64).max(1);
    fleet
        .engine
        .look(move |sessions| {
            for subscriber in sessions.iter_mut() {
                subscriber.open_window(start..end);
            }
        })
        .await
        .context("the subscribers' thread ended")?;

    let begin = Edge::wait(publishing, start, options.pid).await?;
    let finish = Edge::wait(publishing, end, options.pid).await?;
    // What is still on its way when the last packet is out may arrive.
    sleep(Duration::from_millis(500)).await;
    let reports: Vec<SubscriberReport> = fleet
        .engine
        .look(|sessions| sessions.iter_mut().map(|s| s.close_window()).collect())
        .await
        .context("the subscribers' thread ended")?;

    let mut received = Received::default();
    let (mut missing, mut damaged) = (0, 0);
    for report in &reports {
        received.merge(&report.received);
        missing += report.missing;
        damaged += report.damaged;
    }
    // A session that ended before the window was over misses the whole of it.
    let gone = u64::from(options.subscribers).saturating_sub(reports.len() as u64);
    missing += gone * (end - start);
    let expected = u64::from(options.subscribers) * (end - start);
    let seconds = (finish.at - begin.at).as_secs_f64();
    let published = |f: fn(&PublisherCounts) -> u64| f(&finish.counts) - f(&begin.counts);
    let steady = Steady {
        seconds,
        published_pps: published(|c| c.packets) as f64 / seconds,
        published_bps: published(|c| c.payload_bytes) as f64 * 8.0 / seconds,
        received_pps: received.packets as f64 / seconds,
        loss: missing as f64 / expected.max(1) as f64,
        missing,
        duplicates: received.duplicates,
        damaged,
        added_delay: Quantiles::of(&received.delay),
        publisher_plis: published(|c| c.plis),
        publisher_nacks: published(|c| c.nacks),
        generator_cpu_percent: (finish.own.cpu - begin.own.cpu).as_secs_f64() / seconds * 100.0,
    };
    Ok((steady, begin.server.zip(finish.server)))
}

/// The state of all counters when the publisher reached a packet.
struct Edge {
    at: Instant,
    counts: PublisherCounts,
    own: Usage,
    server: Option<Usage>,
}

impl Edge {
    async fn wait(publishing: &Publishing, packet: u64, pid: Option<u32>) -> anyhow::Result<Edge> {
        loop {
            let counts = publishing.counts().await?;
            if counts.packets >= packet {
                return Ok(Edge {
                    at: Instant::now(),
                    counts,
                    own: Usage::of(std::process::id())?,
                    server: pid.map(Usage::of).transpose()?,
                });
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// How long the subscribers' thread lets datagrams gather: as long as network
/// cards do before they interrupt. On a real network no sender pays for waking
/// its receivers; on one machine it would, for each datagram.
const NAP: Duration = Duration::from_micros(200);
/// How long a connection or a first key frame may take before it counts as
/// failed.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// Memory that grows by less than half a percent in this time has settled. It
/// is longer than a segment of HLS, which comes at once.
const SETTLE_STEP: Duration = Duration::from_secs(5);
/// A store of segments is full after some target durations; a minute is more.
const SETTLE_LOOKS: u32 = 12;
/// How often the state of sessions is looked at. No measured time depends on
/// it: sessions note the times themselves.
const LOOK_EVERY: Duration = Duration::from_millis(10);
