//! What a crowd of HTTP viewers counts, and the report of it.

use std::fmt;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Url;
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::cli::PublishOptions;
use crate::histogram::Histogram;
use crate::procfs::Usage;
use crate::rtc::report::Quantiles;
use crate::rtc::run::Publishing;

/// Counters that all viewers of a run share.
#[derive(Debug, Default)]
pub struct Counters {
    /// Body bytes received.
    pub bytes: AtomicU64,
    /// Media units received: FLV tags or HLS segments.
    pub units: AtomicU64,
    /// Times a viewer ran dry.
    pub stalls: AtomicU64,
    /// Times media time jumped ahead of a viewer.
    pub skips: AtomicU64,
    /// Times media time went back, or bytes were not what they claim.
    pub faults: AtomicU64,
    /// Viewers that ended early or never began.
    pub failed: AtomicU64,
    /// Viewers that have their first picture.
    pub started: AtomicU64,
    measuring: AtomicBool,
    first_failure: Mutex<Option<String>>,
    first_byte: Mutex<Histogram>,
    first_picture: Mutex<Histogram>,
    delay: Mutex<Histogram>,
}

impl Counters {
    /// Notes the time from the request to the first byte of the body.
    pub fn note_first_byte(&self, after: Duration) {
        record(&self.first_byte, after);
    }

    /// Notes the time from the request to the first thing a player can show.
    pub fn note_first_picture(&self, after: Duration) {
        record(&self.first_picture, after);
        self.started.fetch_add(1, Ordering::Relaxed);
    }

    /// Notes a delay from the publisher's socket, inside of the window.
    pub fn note_delay(&self, delay: Duration) {
        if self.measuring.load(Ordering::Relaxed) {
            record(&self.delay, delay);
        }
    }

    /// Counts one and keeps the first reason.
    pub fn note_failure(&self, why: &anyhow::Error) {
        self.failed.fetch_add(1, Ordering::Relaxed);
        if let Ok(mut first) = self.first_failure.lock() {
            first.get_or_insert(format!("{why:#}"));
        }
    }

    fn tally(&self) -> Tally {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Tally {
            at: Instant::now(),
            bytes: load(&self.bytes),
            units: load(&self.units),
            stalls: load(&self.stalls),
            skips: load(&self.skips),
        }
    }
}

fn record(histogram: &Mutex<Histogram>, time: Duration) {
    if let Ok(mut histogram) = histogram.lock() {
        histogram.record(time);
    }
}

fn quantiles(histogram: &Mutex<Histogram>) -> Option<Quantiles> {
    Quantiles::of(&*histogram.lock().ok()?)
}

struct Tally {
    at: Instant,
    bytes: u64,
    units: u64,
    stalls: u64,
    skips: u64,
}

/// What to do in a run of viewers.
#[derive(Clone, Debug)]
pub struct CrowdOptions {
    /// Address of the FLV stream or of the playlist; it answers once the broadcast can be watched.
    pub url: Url,
    /// How many viewers.
    pub viewers: u32,
    /// Length of the measured window.
    pub duration: Duration,
    /// The server's process.
    pub pid: Option<u32>,
    /// A broadcast to publish meanwhile.
    pub publish: Option<PublishOptions>,
    /// How long it runs before the first viewer comes.
    pub warm_up: Duration,
}

/// Viewers that come once the others were measured without them.
pub struct SlowCrowd {
    /// How many.
    pub viewers: u32,
    /// What they do, see [`Crowd::run`].
    pub view: Box<SlowView>,
}

/// One slow viewer, until it is dropped or fails.
pub type SlowView = dyn Fn(Arc<Counters>, Option<Instant>) -> SlowViewing + Send + Sync;

/// See [`SlowView`].
pub type SlowViewing = Pin<Box<dyn Future<Output = anyhow::Result<()>> + Send>>;

/// Viewers of one kind.
pub struct Crowd {
    /// How they are called in the report, `FLV` for one.
    pub protocol: &'static str,
    /// What is counted as a unit, `tags` for one.
    pub unit: &'static str,
    /// Others beside them.
    pub slow: Option<SlowCrowd>,
    /// What they do.
    pub options: CrowdOptions,
}

impl Crowd {
    /// Publishes if asked to, starts one `view` a viewer, waits until all have
    /// a picture, measures, and drops the viewers.
    ///
    /// `view` gets the counters and the epoch of the publisher's stamps, and
    /// runs until it is dropped or fails.
    ///
    /// # Errors
    ///
    /// When nothing can be published or the process cannot be read.
    pub async fn run<V, F>(self, view: V) -> anyhow::Result<ViewersReport>
    where
        V: Fn(Arc<Counters>, Option<Instant>) -> F,
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let Self {
            protocol,
            unit,
            slow,
            options,
        } = self;
        let mut publishing = match &options.publish {
            Some(publish) => {
                let publishing = Publishing::to(
                    &publish.whip,
                    publish.token.as_ref(),
                    publish.filter,
                    publish.source,
                )
                .await?;
                wait_for(&options.url).await?;
                sleep(options.warm_up).await;
                Some(publishing)
            }
            None => None,
        };
        let epoch = publishing.as_ref().map(Publishing::epoch);
        let before = options.pid.map(Usage::of).transpose()?;
        let counters = Arc::new(Counters::default());
        let mut viewers = JoinSet::new();
        for _ in 0..options.viewers {
            let viewer = view(Arc::clone(&counters), epoch);
            let counters = Arc::clone(&counters);
            viewers.spawn(async move {
                if let Err(e) = viewer.await {
                    counters.note_failure(&e);
                }
            });
            // 200 joins a second: an audience, not a flood.
            sleep(Duration::from_millis(5)).await;
        }
        let give_up = Instant::now() + START_WITHIN;
        while Instant::now() < give_up {
            let done =
                counters.started.load(Ordering::Relaxed) + counters.failed.load(Ordering::Relaxed);
            if done >= u64::from(options.viewers) {
                break;
            }
            sleep(Duration::from_millis(10)).await;
        }
        let slow = match slow {
            Some(slow) => Some(SlowRun::begin(slow, &options, &counters, epoch).await?),
            None => None,
        };
        let (start, start_usage) = (counters.tally(), options.pid.map(Usage::of).transpose()?);
        let own = Usage::of(std::process::id())?;
        counters.measuring.store(true, Ordering::Relaxed);
        if let Some(slow) = &slow {
            slow.counters.measuring.store(true, Ordering::Relaxed);
        }
        sleep(options.duration).await;
        counters.measuring.store(false, Ordering::Relaxed);
        let (end, end_usage) = (counters.tally(), options.pid.map(Usage::of).transpose()?);
        let own = Usage::of(std::process::id())?.cpu - own.cpu;
        let slow = match slow {
            Some(slow) => Some(slow.end(end_usage).await),
            None => None,
        };
        viewers.shutdown().await;
        if let Some(publishing) = &mut publishing {
            publishing.stop().await;
        }

        let seconds = (end.at - start.at).as_secs_f64();
        let started = counters.started.load(Ordering::Relaxed);
        let percent = |cpu: Duration| cpu.as_secs_f64() / seconds * 100.0;
        Ok(ViewersReport {
            protocol,
            unit,
            viewers: options.viewers.into(),
            without_picture: u64::from(options.viewers).saturating_sub(started),
            ended_early: counters.failed.load(Ordering::Relaxed),
            first_failure: counters
                .first_failure
                .lock()
                .ok()
                .and_then(|why| why.clone()),
            seconds,
            first_byte: quantiles(&counters.first_byte),
            first_picture: quantiles(&counters.first_picture),
            bytes_per_second: (end.bytes - start.bytes) as f64 / seconds,
            units_per_second: (end.units - start.units) as f64 / seconds,
            stalls: end.stalls - start.stalls,
            skips: end.skips - start.skips,
            faults: counters.faults.load(Ordering::Relaxed),
            delay: quantiles(&counters.delay),
            slow,
            generator_cpu_percent: percent(own),
            server_cpu_percent: start_usage
                .zip(end_usage)
                .map(|(start, end)| percent(end.cpu.saturating_sub(start.cpu))),
            server_rss_bytes: end_usage.map(|usage| usage.rss),
            server_rss_per_viewer_bytes: before.zip(end_usage).map(|(before, end)| {
                end.rss.saturating_sub(before.rss) / u64::from(options.viewers.max(1))
            }),
        })
    }
}

/// Waits until `url` answers with success.
pub(crate) async fn wait_for(url: &Url) -> anyhow::Result<()> {
    let client = reqwest::Client::builder().no_proxy().build()?;
    let give_up = Instant::now() + START_WITHIN;
    loop {
        let status = client.get(url.clone()).send().await?.status();
        if status.is_success() {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < give_up,
            "{url} still answers {status} after {START_WITHIN:?} of publishing"
        );
        sleep(Duration::from_millis(50)).await;
    }
}

/// Slow viewers that are there.
struct SlowRun {
    viewers: JoinSet<()>,
    count: u32,
    counters: Arc<Counters>,
    delay_before: Option<Quantiles>,
    usage_before: Option<Usage>,
    began: Instant,
}

impl SlowRun {
    /// Measures the others, then starts the slow ones and lets them fall behind.
    async fn begin(
        slow: SlowCrowd,
        options: &CrowdOptions,
        others: &Counters,
        epoch: Option<Instant>,
    ) -> anyhow::Result<Self> {
        others.measuring.store(true, Ordering::Relaxed);
        sleep(options.duration).await;
        others.measuring.store(false, Ordering::Relaxed);
        let delay_before = quantiles(&others.delay);
        if let Ok(mut delay) = others.delay.lock() {
            *delay = Histogram::default();
        }
        let usage_before = options.pid.map(Usage::of).transpose()?;
        let counters = Arc::new(Counters::default());
        let (mut viewers, began) = (JoinSet::new(), Instant::now());
        for _ in 0..slow.viewers {
            let viewer = (slow.view)(Arc::clone(&counters), epoch);
            let counters = Arc::clone(&counters);
            viewers.spawn(async move {
                if let Err(e) = viewer.await {
                    counters.note_failure(&e);
                }
            });
            sleep(Duration::from_millis(5)).await;
        }
        sleep(FALL_BEHIND).await;
        Ok(Self {
            viewers,
            count: slow.viewers,
            counters,
            delay_before,
            usage_before,
            began,
        })
    }

    async fn end(mut self, usage: Option<Usage>) -> SlowReport {
        let seconds = self.began.elapsed().as_secs_f64();
        let tally = self.counters.tally();
        self.viewers.shutdown().await;
        let grown = |after: Usage, before: Usage| after.rss.saturating_sub(before.rss);
        SlowReport {
            viewers: self.count.into(),
            ended_early: self.counters.failed.load(Ordering::Relaxed),
            first_failure: self
                .counters
                .first_failure
                .lock()
                .ok()
                .and_then(|why| why.clone()),
            kilobits_per_second_each: tally.bytes as f64 * 8.0
                / 1e3
                / seconds
                / f64::from(self.count.max(1)),
            skips: tally.skips,
            delay: quantiles(&self.counters.delay),
            others_delay_before: self.delay_before,
            server_rss_each_bytes: usage
                .zip(self.usage_before)
                .map(|(after, before)| grown(after, before) / u64::from(self.count.max(1))),
        }
    }
}

/// In which slow viewers reach the bound of their delay, and what keeps it.
const FALL_BEHIND: Duration = Duration::from_secs(20);

/// What slow viewers measured, and the others without them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct SlowReport {
    /// How many came.
    pub viewers: u64,
    /// How many were closed.
    pub ended_early: u64,
    /// The first reason for that.
    pub first_failure: Option<String>,
    /// What each of them read.
    pub kilobits_per_second_each: f64,
    /// Times media time jumped ahead of one.
    pub skips: u64,
    /// How old the pictures were that they read, within the window.
    pub delay: Option<Quantiles>,
    /// The other viewers' delay in a window before these came.
    pub others_delay_before: Option<Quantiles>,
    /// Growth of the server's resident memory for each of them.
    pub server_rss_each_bytes: Option<u64>,
}

/// What a broadcast needs before its viewers find a full playlist and a group
/// of pictures to start from.
pub const WARM_UP: Duration = Duration::from_secs(6);
const START_WITHIN: Duration = Duration::from_secs(15);

/// Everything that a crowd run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ViewersReport {
    /// `FLV` or `HLS`.
    pub protocol: &'static str,
    /// What is counted a second.
    pub unit: &'static str,
    /// Viewers asked for.
    pub viewers: u64,
    /// Viewers that never had a picture.
    pub without_picture: u64,
    /// Viewers whose stream ended or failed.
    pub ended_early: u64,
    /// The first reason for that.
    pub first_failure: Option<String>,
    /// Length of the window in seconds.
    pub seconds: f64,
    /// From the request to the first byte.
    pub first_byte: Option<Quantiles>,
    /// From the request to the first whole key frame or segment.
    pub first_picture: Option<Quantiles>,
    /// Body bytes a second, in sum.
    pub bytes_per_second: f64,
    /// Units a second, in sum.
    pub units_per_second: f64,
    /// Times a viewer ran dry.
    pub stalls: u64,
    /// Times media time jumped ahead of a viewer.
    pub skips: u64,
    /// Times media time went back, or bytes were not what they claim.
    pub faults: u64,
    /// From the publisher's socket to the viewer, where stamps tell.
    pub delay: Option<Quantiles>,
    /// The slow viewers, if there were any.
    pub slow: Option<SlowReport>,
    /// CPU of this load generator, % of one core.
    pub generator_cpu_percent: f64,
    /// CPU of the server, % of one core.
    pub server_cpu_percent: Option<f64>,
    /// Resident memory of the server at the end, bytes.
    pub server_rss_bytes: Option<u64>,
    /// Its growth from before the viewers, per viewer.
    pub server_rss_per_viewer_bytes: Option<u64>,
}

impl fmt::Display for ViewersReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let times = |q: &Option<Quantiles>| match q {
            Some(q) => format!(
                "p50 {:.1} ms, p95 {:.1} ms, max {:.1} ms",
                q.p50_ms, q.p95_ms, q.max_ms
            ),
            None => "none".into(),
        };
        writeln!(
            f,
            "How soon do {} {} viewers see a picture, and what does it cost? ({:.1} s)",
            self.viewers, self.protocol, self.seconds
        )?;
        let mut row = |name: &str, value: String| writeln!(f, "  {name:<18} {value}");
        row("first byte", times(&self.first_byte))?;
        row("first picture", times(&self.first_picture))?;
        row(
            "received in sum",
            format!(
                "{:.2} Mbit/s, {:.0} {}/s",
                self.bytes_per_second * 8.0 / 1e6,
                self.units_per_second,
                self.unit
            ),
        )?;
        if self.delay.is_some() {
            row("delay", times(&self.delay))?;
        }
        if let Some(slow) = &self.slow {
            row("delay before", times(&slow.others_delay_before))?;
            row(
                "slow viewers",
                format!(
                    "{} at {:.0} kbit/s each: {} skips, {} ended early",
                    slow.viewers, slow.kilobits_per_second_each, slow.skips, slow.ended_early
                ),
            )?;
            row("their delay", times(&slow.delay))?;
            if let Some(bytes) = slow.server_rss_each_bytes {
                row("their memory", format!("{:.0} kB each", bytes as f64 / 1e3))?;
            }
            if let Some(why) = &slow.first_failure {
                row("first slow failure", why.clone())?;
            }
        }
        row(
            "troubles",
            format!(
                "{} stalls, {} skips, {} faults, {} without a picture, {} ended early",
                self.stalls, self.skips, self.faults, self.without_picture, self.ended_early
            ),
        )?;
        if let Some(why) = &self.first_failure {
            row("first failure", why.clone())?;
        }
        row(
            "this generator",
            format!("{:.1} % of a core", self.generator_cpu_percent),
        )?;
        match (
            self.server_cpu_percent,
            self.server_rss_bytes,
            self.server_rss_per_viewer_bytes,
        ) {
            (Some(cpu), Some(rss), Some(each)) => row(
                "server",
                format!(
                    "{cpu:.1} % of a core, {:.1} MB resident, {:.0} kB a viewer",
                    rss as f64 / 1e6,
                    each as f64 / 1e3
                ),
            ),
            _ => row("server", "not measured: give its process by --pid".into()),
        }
    }
}
