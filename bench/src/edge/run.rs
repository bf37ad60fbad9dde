//! Viewers of all kinds through an edge, and what they cost the origin.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::{Client, Url};
use serde::Serialize;
use tokio::task::spawn_blocking;
use tokio::time::sleep;

use super::log::Pulls;
use super::nginx::Nginx;
use crate::cli::PublishOptions;
use crate::procfs::Usage;
use crate::rtc::run::Publishing;
use crate::viewers::{Crowd, CrowdOptions, ViewersReport, wait_for};
use crate::{flv, hls};

/// What to do in a run.
#[derive(Clone, Debug)]
pub struct EdgeOptions {
    /// The broadcast, published to the origin itself; the last segment of the address is its
    /// stream.
    pub publish: PublishOptions,
    /// Configuration of the nginx between; without it the viewers ask the origin.
    pub conf: Option<String>,
    /// How many players of Low-Latency HLS.
    pub low_latency: u32,
    /// How many players of whole segments.
    pub plain: u32,
    /// How many viewers of HTTP-FLV.
    pub flv: u32,
    /// Length of the measured window.
    pub duration: Duration,
    /// The origin's process.
    pub pid: Option<u32>,
    /// How long the broadcast runs before the first viewer comes.
    pub warm_up: Duration,
}

/// Runs it and reports.
///
/// # Errors
///
/// When nothing can be published or nginx does not start. Viewers that fail are counted, not
/// errors.
pub async fn run(options: EdgeOptions) -> anyhow::Result<EdgeReport> {
    let origin = options.publish.whip.clone();
    let stream = origin
        .path_segments()
        .and_then(|mut segments| segments.next_back())
        .filter(|stream| !stream.is_empty())
        .with_context(|| format!("{origin} names no stream"))?;
    let nginx = match &options.conf {
        Some(conf) => Some(Nginx::start(conf, address(&origin)?)?),
        None => None,
    };
    let mut base = origin.clone();
    if let Some(nginx) = &nginx {
        base = Url::parse(&format!("http://{}/", nginx.address()))?;
    }
    let playlist = base.join(&format!("/live/{stream}.m3u8"))?;
    let flv_stream = base.join(&format!("/live/{stream}.flv"))?;

    let publish = &options.publish;
    let mut publishing = Publishing::to(
        &publish.whip,
        publish.token.as_ref(),
        publish.filter,
        publish.source,
    )
    .await?;
    // Of the origin: the counts of the edge are those of the viewers alone.
    wait_for(&origin.join(&format!("/live/{stream}.m3u8"))?).await?;
    sleep(options.warm_up).await;
    let epoch = publishing.epoch();

    let crowd = |protocol, unit, viewers, url: &Url| Crowd {
        protocol,
        unit,
        slow: None,
        options: CrowdOptions {
            url: url.clone(),
            viewers,
            duration: options.duration,
            pid: options.pid,
            publish: None,
            warm_up: Duration::ZERO,
        },
    };
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .no_proxy()
        .build()
        .context("the HTTP client does not start")?;
    let low_latency = crowd("LL-HLS", "parts", options.low_latency, &playlist)
        .run(|counters, _| hls::low_latency::view(playlist.clone(), counters, Some(epoch)));
    let plain = crowd("HLS", "segments", options.plain, &playlist)
        .run(|counters, _| hls::run::view(playlist.clone(), counters));
    let flv = crowd("FLV", "tags", options.flv, &flv_stream).run(|counters, _| {
        flv::run::view(client.clone(), flv_stream.clone(), counters, Some(epoch))
    });
    let before = nginx.as_ref().map(Nginx::usage).transpose()?;
    let (low_latency, plain, flv) = tokio::join!(low_latency, plain, flv);
    let after = nginx.as_ref().map(Nginx::usage).transpose()?;
    // While the broadcast goes on: what was asked for ahead of time is answered, not refused.
    let pulls = match nginx {
        Some(nginx) => spawn_blocking(|| nginx.stop()).await??,
        None => Vec::new(),
    };
    publishing.stop().await;

    let mut viewers = Vec::new();
    for report in [low_latency?, plain?, flv?] {
        if report.viewers > 0 {
            viewers.push(report);
        }
    }
    Ok(EdgeReport {
        viewers,
        edge: before.zip(after),
        pulls,
    })
}

fn address(url: &Url) -> anyhow::Result<SocketAddr> {
    let addresses = url.socket_addrs(|| None)?;
    let address = addresses.first().copied();
    ensure!(addresses.len() == 1, "{url} has more than one address");
    address.with_context(|| format!("{url} has no address"))
}

/// Everything that a run measured.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EdgeReport {
    /// Each kind of viewers; their windows overlap, as each begins when all of a kind have a picture.
    pub viewers: Vec<ViewersReport>,
    /// What nginx cost when the viewers came and when they went.
    #[serde(skip)]
    pub edge: Option<(Usage, Usage)>,
    /// What they asked for, joins included, and what of it the origin was asked for; empty without
    /// an nginx between.
    pub pulls: Vec<Pulls>,
}

impl fmt::Display for EdgeReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for report in &self.viewers {
            write!(f, "{report}")?;
        }
        if self.pulls.is_empty() {
            return Ok(());
        }
        writeln!(f, "How much of what they ask for is the origin asked for?")?;
        for pulls in &self.pulls {
            writeln!(
                f,
                "  {:<18} {} asked for {} addresses, {} pulled, {} refused",
                format!("{:?}", pulls.kind),
                pulls.asked,
                pulls.addresses,
                pulls.pulled,
                pulls.refused
            )?;
        }
        if let Some((before, after)) = self.edge {
            let cpu = after.cpu.saturating_sub(before.cpu).as_secs_f64();
            let rss = after.rss as f64 / 1e6;
            writeln!(
                f,
                "  {:<18} {cpu:.1} s of CPU, {rss:.1} MB resident",
                "nginx"
            )?;
        }
        Ok(())
    }
}
