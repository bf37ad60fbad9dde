//! One player of Low-Latency HLS: blocking playlist reloads and hinted parts.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use reqwest::{Client, StatusCode, Url};

use super::playlist::{MediaPlaylist, Part, Playlist, Position};
use super::run::Playback;
use crate::stamp::Stamp;
use crate::viewers::Counters;

/// Plays `url` until it ends or fails. With `epoch`, of the publisher's stamps, the delay of each
/// part is counted: from the hand-over of its last picture to its own last byte.
pub(crate) async fn view(
    url: Url,
    counters: Arc<Counters>,
    epoch: Option<Instant>,
) -> anyhow::Result<()> {
    let client = Client::builder()
        .timeout(GIVE_UP)
        .no_proxy()
        .build()
        .context("the HTTP client does not start")?;
    let fetcher = Fetcher {
        client,
        counters: Arc::clone(&counters),
    };
    let asked = Instant::now();
    let (url, playlist) = fetcher.first_playlist(url).await?;
    counters.note_first_byte(asked.elapsed());
    ensure!(
        playlist.part_hold_back.is_some(),
        "{url} has no parts to play"
    );
    let mut player = Player {
        fetcher,
        epoch,
        had_map: None,
        next: (0, 0),
        playback: Playback { dry_at: asked },
    };
    player.start(&url, &playlist).await?;
    counters.note_first_picture(asked.elapsed());
    player.follow(&url, playlist).await
}

/// The origin answers, with 503 at worst, within three target durations; a cache waits for longer.
const GIVE_UP: Duration = Duration::from_secs(20);

struct Player {
    fetcher: Fetcher,
    epoch: Option<Instant>,
    had_map: Option<String>,
    /// Where the next part to play stands.
    next: Position,
    playback: Playback,
}

impl Player {
    /// Fetches what a player starts with, and plays it from when all of it is there.
    async fn start(&mut self, url: &Url, playlist: &MediaPlaylist) -> anyhow::Result<()> {
        let mut duration = Duration::ZERO;
        for part in playlist.parts_to_start_with() {
            self.fetch_map(url, part).await?;
            self.fetcher.media(&url.join(&part.uri)?).await?;
            duration += part.duration;
        }
        self.next = playlist.next_position();
        self.playback.dry_at = Instant::now() + duration;
        Ok(())
    }

    async fn follow(&mut self, url: &Url, mut playlist: MediaPlaylist) -> anyhow::Result<()> {
        loop {
            ensure!(!playlist.ended, "the stream ended");
            let wanted = playlist.next_position();
            let hint = playlist.hint.take().context("the playlist has no hint")?;
            let hinted_url = url.join(&hint)?;
            let (reloaded, hinted) = tokio::join!(
                self.fetcher.playlist_with(url, wanted),
                self.fetcher.media(&hinted_url)
            );
            playlist = reloaded?;
            if playlist.next_position() <= wanted {
                // Somebody between answered with an older one.
                self.count_fault();
            }
            if playlist.first > self.next.0 {
                let skipped = playlist.first - self.next.0;
                let skips = &self.fetcher.counters.skips;
                skips.fetch_add(skipped, Ordering::Relaxed);
            }
            // What was hinted at may come to nothing where the stream breaks.
            let mut hinted = hinted.ok();
            let next = self.next;
            for part in playlist.parts.iter().filter(|p| p.position >= next) {
                self.fetch_map(url, part).await?;
                let got = match hinted.take_if(|_| part.uri == hint) {
                    Some(got) => got,
                    None => self.fetcher.media(&url.join(&part.uri)?).await?,
                };
                self.play(part, &got);
            }
            self.next = playlist.next_position().max(self.next);
        }
    }

    fn play(&mut self, part: &Part, got: &Got) {
        let counters = &self.fetcher.counters;
        counters.units.fetch_add(1, Ordering::Relaxed);
        if self.playback.add(got.at, part.duration) {
            counters.stalls.fetch_add(1, Ordering::Relaxed);
        }
        if let (Some(epoch), Some(stamp)) = (self.epoch, last_stamp(&got.body)) {
            let sent = epoch + Duration::from_micros(stamp.sent_micros);
            counters.note_delay(got.at.saturating_duration_since(sent));
        }
    }

    async fn fetch_map(&mut self, url: &Url, part: &Part) -> anyhow::Result<()> {
        if let Some(map) = &part.map
            && self.had_map.as_ref() != Some(map)
        {
            self.fetcher.media(&url.join(map)?).await?;
            self.had_map = Some(map.clone());
        }
        Ok(())
    }

    fn count_fault(&self) {
        self.fetcher.counters.faults.fetch_add(1, Ordering::Relaxed);
    }
}

/// A connection or two, and who counts what comes.
struct Fetcher {
    client: Client,
    counters: Arc<Counters>,
}

/// A file and when its last byte came.
struct Got {
    body: Vec<u8>,
    at: Instant,
}

impl Fetcher {
    /// The newest Media Playlist and its address.
    async fn first_playlist(&self, mut url: Url) -> anyhow::Result<(Url, MediaPlaylist)> {
        loop {
            match self.playlist(&url).await? {
                Playlist::Media(playlist) => return Ok((url, playlist)),
                Playlist::Multivariant(uri) => url = url.join(&uri)?,
            }
        }
    }

    /// The playlist that has the part at a position; the newest one where that does not come in
    /// time.
    async fn playlist_with(
        &self,
        url: &Url,
        (msn, part): Position,
    ) -> anyhow::Result<MediaPlaylist> {
        let mut asked = url.clone();
        asked
            .query_pairs_mut()
            .append_pair("_HLS_msn", &msn.to_string())
            .append_pair("_HLS_part", &part.to_string());
        let response = self.client.get(asked.clone()).send().await;
        let response = response.with_context(|| format!("no answer from {asked}"))?;
        let read = if response.status() == StatusCode::SERVICE_UNAVAILABLE {
            self.playlist(url).await?
        } else {
            self.read_playlist(&asked, response).await?
        };
        match read {
            Playlist::Media(playlist) => Ok(playlist),
            Playlist::Multivariant(_) => anyhow::bail!("{asked} has become a multivariant one"),
        }
    }

    async fn playlist(&self, url: &Url) -> anyhow::Result<Playlist> {
        let response = self.client.get(url.clone()).send().await;
        let response = response.with_context(|| format!("no answer from {url}"))?;
        self.read_playlist(url, response).await
    }

    async fn read_playlist(
        &self,
        url: &Url,
        response: reqwest::Response,
    ) -> anyhow::Result<Playlist> {
        let got = self.read(url, response).await?;
        let text = std::str::from_utf8(&got.body).context("the playlist is not UTF-8")?;
        Ok(Playlist::parse(text)?)
    }

    async fn media(&self, url: &Url) -> anyhow::Result<Got> {
        let response = self.client.get(url.clone()).send().await;
        let response = response.with_context(|| format!("no answer from {url}"))?;
        self.read(url, response).await
    }

    async fn read(&self, url: &Url, response: reqwest::Response) -> anyhow::Result<Got> {
        let status = response.status();
        ensure!(status.is_success(), "{url} answers {status}");
        let body = response.bytes().await.context("the answer broke off")?;
        let len = body.len() as u64;
        self.counters.bytes.fetch_add(len, Ordering::Relaxed);
        Ok(Got {
            body: body.into(),
            at: Instant::now(),
        })
    }
}

/// The stamp that stands last in a fragment: that of its last picture, as sound is encoded anew.
fn last_stamp(fragment: &[u8]) -> Option<Stamp> {
    let ends = (Stamp::LEN..=fragment.len()).rev();
    ends.map(|end| &fragment[end - Stamp::LEN..end])
        .find_map(Stamp::read_unchecked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_stamp_of_a_fragment_is_found_before_its_sound() {
        let stamps =
            [(3, 5_000), (9, 40_000)].map(|(index, sent_micros)| Stamp { index, sent_micros });
        let mut fragment = Vec::new();
        for stamp in stamps {
            let mut picture = vec![0x21; 300];
            stamp.write(&mut picture);
            fragment.extend(picture);
        }
        fragment.extend([0x80; 3]);
        fragment.extend([0x21; 120]);
        assert_eq!(last_stamp(&fragment), Some(stamps[1]));
        assert_eq!(last_stamp(&fragment[..310]), Some(stamps[0]));
        assert_eq!(last_stamp(&fragment[..200]), None);
        assert_eq!(last_stamp(&[]), None);
    }
}
