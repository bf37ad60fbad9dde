//! Many viewers of an HLS stream.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use reqwest::{Client, Url};
use tokio::time::sleep;

use super::playlist::{MediaPlaylist, Playlist, Segment};
use crate::viewers::{Counters, Crowd, CrowdOptions, ViewersReport};

/// Runs it and reports.
///
/// # Errors
///
/// When nothing can be published or the HTTP client does not start. Viewers
/// that fail are counted, not errors.
pub async fn run(options: CrowdOptions) -> anyhow::Result<ViewersReport> {
    let url = options.url.clone();
    let crowd = Crowd {
        protocol: "HLS",
        unit: "segments",
        slow: None,
        options,
    };
    crowd.run(|counters, _| view(url.clone(), counters)).await
}

/// One player of whole segments.
pub(crate) async fn view(url: Url, counters: Arc<Counters>) -> anyhow::Result<()> {
    // A client a viewer: connections are kept, but not shared.
    let client = Client::builder()
        .timeout(Duration::from_secs(10))
        .no_proxy()
        .build()
        .context("the HTTP client does not start")?;
    let mut viewer = Viewer {
        client,
        counters,
        asked: Instant::now(),
        had_byte: false,
        had_map: None,
        next: None,
        playback: None,
    };
    viewer.watch(url).await
}

struct Viewer {
    client: Client,
    counters: Arc<Counters>,
    asked: Instant,
    had_byte: bool,
    had_map: Option<String>,
    /// Media sequence number of the next segment to fetch.
    next: Option<u64>,
    playback: Option<Playback>,
}

impl Viewer {
    async fn watch(&mut self, mut url: Url) -> anyhow::Result<()> {
        loop {
            let text = self.fetch(&url).await?;
            let text = std::str::from_utf8(&text).context("the playlist is not UTF-8")?;
            let playlist = match Playlist::parse(text)? {
                Playlist::Media(playlist) => playlist,
                Playlist::Multivariant(uri) => {
                    url = url.join(&uri)?;
                    continue;
                }
            };
            let fetched = self.fetch_new(&url, &playlist).await?;
            if playlist.ended {
                bail!("the stream ended");
            }
            // RFC 8216 6.3.4: the target duration, or half of it when nothing
            // was new.
            let wait = playlist.target / if fetched { 1 } else { 2 };
            sleep(wait.clamp(Duration::from_millis(250), Duration::from_secs(10))).await;
        }
    }

    async fn fetch_new(&mut self, url: &Url, playlist: &MediaPlaylist) -> anyhow::Result<bool> {
        let end = playlist.first + playlist.segments.len() as u64;
        // RFC 8216 6.3.3: start no closer to the end than three targets.
        let edge = end.saturating_sub(3).max(playlist.first);
        let next = self.next.unwrap_or(edge);
        if next < playlist.first {
            self.counters
                .skips
                .fetch_add(playlist.first - next, Ordering::Relaxed);
        }
        if next > end {
            self.counters.faults.fetch_add(1, Ordering::Relaxed);
        }
        let skip = next.saturating_sub(playlist.first) as usize;
        let mut fetched = false;
        for segment in playlist.segments.iter().skip(skip) {
            self.fetch_segment(url, segment).await?;
            fetched = true;
        }
        self.next = Some(next.max(end));
        Ok(fetched)
    }

    async fn fetch_segment(&mut self, url: &Url, segment: &Segment) -> anyhow::Result<()> {
        if let Some(map) = &segment.map
            && self.had_map.as_ref() != Some(map)
        {
            self.fetch(&url.join(map)?).await?;
            self.had_map = Some(map.clone());
        }
        self.fetch(&url.join(&segment.uri)?).await?;
        self.counters.units.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        match &mut self.playback {
            Some(playback) => {
                if playback.add(now, segment.duration) {
                    self.counters.stalls.fetch_add(1, Ordering::Relaxed);
                }
            }
            None => {
                self.counters.note_first_picture(now - self.asked);
                self.playback = Some(Playback {
                    dry_at: now + segment.duration,
                });
            }
        }
        Ok(())
    }

    async fn fetch(&mut self, url: &Url) -> anyhow::Result<Vec<u8>> {
        let response = self
            .client
            .get(url.clone())
            .send()
            .await
            .with_context(|| format!("no answer from {url}"))?;
        let status = response.status();
        ensure!(status.is_success(), "{url} answers {status}");
        if !self.had_byte {
            self.had_byte = true;
            self.counters.note_first_byte(self.asked.elapsed());
        }
        let body = response.bytes().await.context("the answer broke off")?;
        self.counters
            .bytes
            .fetch_add(body.len() as u64, Ordering::Relaxed);
        Ok(body.into())
    }
}

/// A player that starts with what it has first and plays on while it has any.
#[derive(Debug)]
pub(super) struct Playback {
    pub(super) dry_at: Instant,
}

impl Playback {
    /// Takes media; `true` when the player stood still before it came.
    pub(super) fn add(&mut self, now: Instant, duration: Duration) -> bool {
        let stalled = now > self.dry_at;
        self.dry_at = self.dry_at.max(now) + duration;
        stalled
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_player_stalls_only_when_it_has_run_dry() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let mut playback = Playback {
            dry_at: start + 2 * second,
        };
        assert!(!playback.add(start + second, 2 * second));
        assert!(!playback.add(start + 4 * second, 2 * second));
        assert!(playback.add(start + 7 * second, 2 * second));
        assert!(!playback.add(start + 9 * second, 2 * second));
    }
}
