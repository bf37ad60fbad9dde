//! Many viewers of an HTTP-FLV stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Client, Url};

use super::reader::{FlvReader, Tag, TagKind};
use super::slow::SlowOptions;
use crate::stamp::Stamp;
use crate::viewers::{Counters, Crowd, CrowdOptions, ViewersReport};

/// Runs it and reports.
///
/// # Errors
///
/// When nothing can be published or the HTTP client does not start. Viewers
/// that fail are counted, not errors.
pub async fn run(
    options: CrowdOptions,
    slow: Option<SlowOptions>,
) -> anyhow::Result<ViewersReport> {
    let client = Client::builder()
        .connect_timeout(Duration::from_secs(10))
        .no_proxy()
        .build()
        .context("the HTTP client does not start")?;
    let url = options.url.clone();
    let crowd = Crowd {
        protocol: "FLV",
        unit: "tags",
        slow: slow.map(|slow| slow.crowd(url.clone())),
        options,
    };
    crowd
        .run(|counters, epoch| view(client.clone(), url.clone(), counters, epoch))
        .await
}

/// One viewer.
pub(crate) async fn view(
    client: Client,
    url: Url,
    counters: Arc<Counters>,
    epoch: Option<Instant>,
) -> anyhow::Result<()> {
    let asked = Instant::now();
    let mut response = client
        .get(url.clone())
        .send()
        .await
        .with_context(|| format!("no answer from {url}"))?;
    let status = response.status();
    ensure!(status.is_success(), "{url} answers {status}");
    let mut viewer = Viewer::new(counters, epoch);
    viewer.asked = asked;
    let mut had_byte = false;
    while let Some(chunk) = response.chunk().await.context("the stream broke off")? {
        if !had_byte {
            had_byte = true;
            viewer.counters.note_first_byte(asked.elapsed());
        }
        viewer.take(&chunk)?;
    }
    anyhow::bail!("the stream ended")
}

/// What one viewer sees.
pub(super) struct Viewer {
    reader: FlvReader,
    asked: Instant,
    epoch: Option<Instant>,
    counters: Arc<Counters>,
    had_picture: bool,
    last_arrival: Option<Instant>,
    last_video: Option<u32>,
}

/// No media for this long: a player with little buffer stands still.
const STALL: Duration = Duration::from_millis(500);
/// A step of video time by more than this: pictures were left out.
const SKIP_MS: u32 = 500;

impl Viewer {
    /// One that asks now.
    pub(super) fn new(counters: Arc<Counters>, epoch: Option<Instant>) -> Self {
        Self {
            reader: FlvReader::new(),
            asked: Instant::now(),
            epoch,
            counters,
            had_picture: false,
            last_arrival: None,
            last_video: None,
        }
    }

    /// Takes the next bytes of the body.
    pub(super) fn take(&mut self, bytes: &[u8]) -> anyhow::Result<()> {
        let len = bytes.len() as u64;
        self.counters.bytes.fetch_add(len, Ordering::Relaxed);
        let now = Instant::now();
        let mut tags = Vec::new();
        let read = self.reader.handle(bytes, |tag| tags.push(tag));
        for tag in &tags {
            self.handle(now, tag);
        }
        if read.is_err() {
            self.counters.faults.fetch_add(1, Ordering::Relaxed);
        }
        Ok(read?)
    }

    fn handle(&mut self, now: Instant, tag: &Tag) {
        if tag.is_config {
            return;
        }
        self.counters.units.fetch_add(1, Ordering::Relaxed);
        let last = self.last_arrival.replace(now);
        if last.is_some_and(|last| now - last > STALL) {
            self.counters.stalls.fetch_add(1, Ordering::Relaxed);
        }
        if tag.kind != TagKind::Video {
            return;
        }
        if tag.is_keyframe && !self.had_picture {
            self.had_picture = true;
            self.counters.note_first_picture(now - self.asked);
        }
        if let Some(last) = self.last_video.replace(tag.timestamp) {
            if tag.timestamp < last {
                self.counters.faults.fetch_add(1, Ordering::Relaxed);
            } else if tag.timestamp - last > SKIP_MS {
                self.counters.skips.fetch_add(1, Ordering::Relaxed);
            }
        }
        if let (Some(epoch), Some(stamp)) = (self.epoch, Stamp::read_unchecked(&tag.tail)) {
            let sent = epoch + Duration::from_micros(stamp.sent_micros);
            self.counters
                .note_delay(now.saturating_duration_since(sent));
        }
    }
}
