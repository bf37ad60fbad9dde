//! The command line.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use serde::Serialize;

use crate::edge::run::EdgeOptions;
use crate::flv::slow::SlowOptions;
use crate::rtc::answer::CandidateFilter;
use crate::rtc::run::RtcOptions;
use crate::rtc::signalling::{Bearer, checked_url};
use crate::source::SourceConfig;
use crate::viewers::{CrowdOptions, WARM_UP};

/// Load generators for WHIP, WHEP, HTTP-FLV and HLS servers of this machine.
#[derive(Debug, Parser)]
#[command(name = "bench", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// One generated publisher by WHIP, many subscribers by WHEP.
    Rtc(RtcArgs),
    /// Many viewers of an HTTP-FLV stream.
    Flv(FlvArgs),
    /// Many viewers of an HLS stream.
    Hls(HttpArgs),
    /// Viewers of all kinds through an nginx, and what they cost its origin.
    Edge(EdgeArgs),
}

/// What all generators share.
#[derive(Debug, Args)]
struct CommonArgs {
    /// Process of the server, to report its CPU and memory.
    #[arg(long)]
    pid: Option<u32>,
    /// Length of the measured window in seconds.
    #[arg(long, default_value_t = 20.0, value_parser = seconds)]
    duration: f64,
    /// Pictures a second of the generated broadcast.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u32).range(1..=240))]
    fps: u32,
    /// Bits a second of its video.
    #[arg(long, default_value_t = 1_900_000, value_parser = clap::value_parser!(u32).range(50_000..=50_000_000))]
    bitrate: u32,
    /// The same seed makes the same sizes.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Write the report as JSON to this file as well.
    #[arg(long)]
    json: Option<PathBuf>,
    /// Token for the WHIP and WHEP endpoints, as `weblive usersig` prints it.
    #[arg(long)]
    token: Option<Bearer>,
    /// Load addresses other than loopback.
    #[arg(long)]
    i_own_this_host: bool,
}

#[derive(Debug, Args)]
struct RtcArgs {
    /// WHIP endpoint to publish to.
    #[arg(long)]
    whip: String,
    /// WHEP endpoint to subscribe to.
    #[arg(long)]
    whep: String,
    /// How many subscribers.
    #[arg(long, default_value_t = 150, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    subscribers: u32,
    /// Seconds over which they join.
    #[arg(long, default_value_t = 4.0, value_parser = seconds)]
    join_over: f64,
    /// Joins one after the other, before and beside the subscribers.
    #[arg(long, default_value_t = 10)]
    lone_joins: u32,
    /// Subscribers never ask for a key frame themselves.
    #[arg(long)]
    silent_subscribers: bool,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct HttpArgs {
    /// Address of the stream or of the playlist.
    #[arg(long)]
    url: String,
    /// How many viewers.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    viewers: u32,
    /// Publish the generated broadcast to this WHIP endpoint meanwhile.
    #[arg(long)]
    whip: Option<String>,
    #[command(flatten)]
    common: CommonArgs,
}

#[derive(Debug, Args)]
struct FlvArgs {
    /// As many viewers more that read too slowly, after a window without them.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    slow: u32,
    /// Bits a second that each of them reads; a tenth of `--bitrate` if it is not given.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1_000..=50_000_000))]
    slow_rate: Option<u32>,
    #[command(flatten)]
    http: HttpArgs,
}

#[derive(Debug, Args)]
struct EdgeArgs {
    /// WHIP endpoint of the origin to publish to; its last segment is the stream.
    #[arg(long)]
    whip: String,
    /// Configuration for an nginx between, as deploy/nginx/edge.conf is; without it the viewers
    /// ask the origin itself.
    #[arg(long)]
    conf: Option<PathBuf>,
    /// How many players of Low-Latency HLS.
    #[arg(long, default_value_t = 500, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    low_latency: u32,
    /// How many players of whole segments.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    plain: u32,
    /// How many viewers of HTTP-FLV.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u32).range(0..=20_000))]
    flv: u32,
    #[command(flatten)]
    common: CommonArgs,
}

impl Cli {
    /// Runs the command and writes its report to `out`.
    ///
    /// # Errors
    ///
    /// When an address may not be loaded, or nothing can be measured.
    pub async fn run(self, out: &mut impl Write) -> anyhow::Result<()> {
        match self.command {
            Command::Rtc(args) => {
                let common = &args.common;
                let filter = common.filter();
                let options = RtcOptions {
                    whip: checked_url(&args.whip, filter)?,
                    whep: checked_url(&args.whep, filter)?,
                    token: common.token.clone(),
                    filter,
                    subscribers: args.subscribers,
                    join_over: Duration::from_secs_f64(args.join_over),
                    lone_joins: args.lone_joins,
                    duration: common.duration(),
                    pid: common.pid,
                    source: common.source(),
                    subscribers_ask: !args.silent_subscribers,
                };
                let report = crate::rtc::run::run(options).await?;
                common.write(&report, out)
            }
            Command::Flv(args) => {
                let http = &args.http;
                let slow = (args.slow > 0).then_some(SlowOptions {
                    viewers: args.slow,
                    rate_bps: args.slow_rate.unwrap_or(http.common.bitrate / 10),
                });
                let report = crate::flv::run::run(http.crowd()?, slow).await?;
                http.common.write(&report, out)
            }
            Command::Hls(args) => {
                let report = crate::hls::run::run(args.crowd()?).await?;
                args.common.write(&report, out)
            }
            Command::Edge(args) => {
                let common = &args.common;
                let filter = common.filter();
                let conf = args.conf.as_ref().map(|path| {
                    std::fs::read_to_string(path)
                        .with_context(|| format!("cannot read {}", path.display()))
                });
                let report = crate::edge::run::run(EdgeOptions {
                    publish: PublishOptions {
                        whip: checked_url(&args.whip, filter)?,
                        token: common.token.clone(),
                        filter,
                        source: common.source(),
                    },
                    conf: conf.transpose()?,
                    low_latency: args.low_latency,
                    plain: args.plain,
                    flv: args.flv,
                    duration: common.duration(),
                    pid: common.pid,
                    warm_up: WARM_UP,
                })
                .await?;
                common.write(&report, out)
            }
        }
    }
}

/// A broadcast to publish while viewers are measured.
#[derive(Clone, Debug)]
pub struct PublishOptions {
    /// WHIP endpoint.
    pub whip: reqwest::Url,
    /// The token for it.
    pub token: Option<Bearer>,
    /// Which hosts may be loaded.
    pub filter: CandidateFilter,
    /// The generated broadcast.
    pub source: SourceConfig,
}

impl HttpArgs {
    fn crowd(&self) -> anyhow::Result<CrowdOptions> {
        let common = &self.common;
        let filter = common.filter();
        Ok(CrowdOptions {
            url: checked_url(&self.url, filter)?,
            viewers: self.viewers,
            duration: common.duration(),
            pid: common.pid,
            publish: self.publish(filter)?,
            warm_up: WARM_UP,
        })
    }

    fn publish(&self, filter: CandidateFilter) -> anyhow::Result<Option<PublishOptions>> {
        self.whip
            .as_deref()
            .map(|whip| {
                Ok(PublishOptions {
                    whip: checked_url(whip, filter)?,
                    token: self.common.token.clone(),
                    filter,
                    source: self.common.source(),
                })
            })
            .transpose()
    }
}

impl CommonArgs {
    fn filter(&self) -> CandidateFilter {
        if self.i_own_this_host {
            CandidateFilter::Any
        } else {
            CandidateFilter::Loopback
        }
    }

    fn duration(&self) -> Duration {
        Duration::from_secs_f64(self.duration)
    }

    fn source(&self) -> SourceConfig {
        SourceConfig {
            fps: self.fps,
            video_bps: self.bitrate,
            seed: self.seed,
        }
    }

    fn write<R: Serialize + std::fmt::Display>(
        &self,
        report: &R,
        out: &mut impl Write,
    ) -> anyhow::Result<()> {
        write!(out, "{report}")?;
        if let Some(path) = &self.json {
            let json = serde_json::to_string_pretty(report)?;
            std::fs::write(path, json + "\n")
                .with_context(|| format!("cannot write {}", path.display()))?;
        }
        Ok(())
    }
}

/// Seconds between 0 and a day.
fn seconds(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(seconds) if (0.0..=86_400.0).contains(&seconds) => Ok(seconds),
        _ => Err("not a number of seconds between 0 and 86400".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn durations_outside_of_a_day_are_refused() {
        for text in ["-1", "nan", "1e9", "x"] {
            let args = [
                "bench",
                "flv",
                "--url",
                "http://127.0.0.1/",
                "--duration",
                text,
            ];
            assert!(Cli::try_parse_from(args).is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn addresses_elsewhere_are_refused_before_anything_is_sent() {
        let args = ["bench", "flv", "--url", "http://192.0.2.1/live/a.flv"];
        let cli = Cli::try_parse_from(args).unwrap();
        let error = cli.run(&mut Vec::new()).await.unwrap_err();
        assert!(error.to_string().contains("--i-own-this-host"));
    }
}
