//! What a page knows of the streams that it receives.

use std::collections::HashMap;
use std::time::Instant;

use packager::rtp::Codec;
use str0m::media::Mid;

use crate::frames::{self, Frames, Got};

/// Tells by the offers whose packets are whose.
#[derive(Default)]
pub struct Page {
    /// The stream that each m-line carries, by the newest offer.
    pub lines: Vec<(String, Option<String>)>,
    /// The m-lines for video.
    videos: Vec<String>,
    streams: HashMap<String, Received>,
    /// Packets on m-lines that carry nothing.
    pub strays: usize,
}

#[derive(Default)]
struct Received {
    audio: Vec<Got>,
    video: Vec<Got>,
    first_video: Option<Instant>,
}

impl Page {
    pub fn read(&mut self, offer: &str) {
        self.videos = sections(offer)
            .into_iter()
            .filter(|section| section.starts_with("m=video") && section.contains("a=sendonly"))
            .filter_map(|section| section.lines().find_map(|l| l.strip_prefix("a=mid:")))
            .map(str::to_owned)
            .collect();
        self.lines = sections(offer)
            .into_iter()
            .map(|section| {
                let find = |key: &str| section.lines().find_map(|l| l.strip_prefix(key));
                let mid = find("a=mid:").expect("a mid").to_owned();
                let stream = find("a=msid:").and_then(|v| v.split(' ').next());
                assert_eq!(
                    stream.is_some(),
                    section.contains("a=sendonly"),
                    "what is sent has a stream: {section}"
                );
                (mid, stream.map(str::to_owned))
            })
            .collect();
    }

    pub fn take(&mut self, mid: Option<Mid>, got: Got, now: Instant) {
        let mid = mid.map(|m| m.to_string()).unwrap_or_default();
        let stream = self.lines.iter().find(|(m, _)| *m == mid);
        let Some(stream) = stream.and_then(|(_, s)| s.clone()) else {
            self.strays += 1;
            return;
        };
        let received = self.streams.entry(stream).or_default();
        if got.codec == Codec::Opus {
            received.audio.push(got);
        } else {
            received.first_video.get_or_insert(now);
            received.video.push(got);
        }
    }

    /// The first m-line that carries video.
    pub fn video_line(&self) -> Option<Mid> {
        self.videos.first().map(|mid| Mid::from(mid.as_str()))
    }

    /// The video frames of a stream, checked.
    pub fn video(&self, stream: &str) -> Frames {
        self.streams
            .get(stream)
            .map_or_else(Frames::default, |r| frames::check(&r.video))
    }

    /// The video packets of a stream.
    pub fn packets(&self, stream: &str) -> &[Got] {
        self.streams.get(stream).map_or(&[], |r| &r.video)
    }

    /// The audio packets of a stream, checked.
    pub fn audio(&self, stream: &str) -> Frames {
        self.streams
            .get(stream)
            .map_or_else(Frames::default, |r| frames::check(&r.audio))
    }

    /// The same as they came.
    pub fn audio_packets(&self, stream: &str) -> &[Got] {
        self.streams.get(stream).map_or(&[], |r| &r.audio)
    }

    /// Takes away what has come of a stream's video.
    pub fn take_video(&mut self, stream: &str) -> Vec<Got> {
        let received = self.streams.get_mut(stream);
        received.map_or_else(Vec::new, |r| std::mem::take(&mut r.video))
    }

    /// Takes away what has come of all streams.
    pub fn take_all(&mut self) -> Vec<Got> {
        let received = std::mem::take(&mut self.streams).into_values();
        received.flat_map(|r| [r.audio, r.video].concat()).collect()
    }

    pub fn first_video(&self, stream: &str) -> Option<Instant> {
        self.streams.get(stream)?.first_video
    }

    pub fn forget(&mut self) {
        self.streams.clear();
    }
}

/// The m-sections of a description.
pub fn sections(sdp: &str) -> Vec<&str> {
    let starts: Vec<usize> = sdp.match_indices("\nm=").map(|(at, _)| at + 1).collect();
    let ends = starts.iter().copied().skip(1).chain([sdp.len()]);
    starts
        .iter()
        .zip(ends)
        .map(|(start, end)| &sdp[*start..end])
        .collect()
}
