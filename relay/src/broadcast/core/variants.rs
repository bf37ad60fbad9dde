//! The variants of a broadcast: which tracks each has, what goes into the lesser ones, and what comes
//! out of all of them, in step.

use std::time::{Duration, Instant, SystemTime};

use packager::hls::SegmenterOutput;
use packager::rtp::Tracks;
use packager::time::MediaTime;

use super::{Core, Media, Output};
use crate::broadcast::mux::{Mux, Muxed};

impl Core {
    /// Tells the variants of which tracks frames come.
    pub(super) fn expect(&mut self) {
        let expected = Tracks {
            audio: self.sounds(),
            ..self.tracks
        };
        for (content, mux) in self.contents.iter().zip(&mut self.variants) {
            mux.expect(content.of(expected));
        }
    }

    /// The lesser pictures, each into its variant.
    pub(super) fn advance_layers(&mut self, now: Instant) {
        let is_refused = matches!(self.verdict, Some(Err(_)));
        for (layer, mux) in self.layers.iter_mut().zip(self.variants.iter_mut().skip(1)) {
            while let Some(frame) = layer.poll(now, &self.timeline, &self.metrics) {
                if is_refused {
                    self.metrics.count_drop("codec_not_carried", 1);
                } else {
                    mux.push_video(now, frame);
                }
            }
            layer.report(&self.metrics);
        }
    }

    /// Passes on what has come out of the variants.
    pub(super) fn poll_variants(&mut self) {
        self.poll_opus();
        for (index, mux) in self.variants.iter_mut().enumerate() {
            while let Some(muxed) = mux.poll() {
                let wall = &mut self.wall;
                self.out.push_back(Output::Media(
                    index,
                    match muxed {
                        Muxed::Tag(tag) => Media::Tag(tag),
                        Muxed::Hls(output) => {
                            let before = mux.discontinuities_before();
                            Media::of(output, before, |start| match index {
                                0 => wall.of_segment(start),
                                _ => wall.of_other(start),
                            })
                        }
                    },
                ));
            }
        }
    }

    /// Passes on what has come out of the publisher's own sound.
    fn poll_opus(&mut self) {
        let Some(opus) = &mut self.opus else {
            return;
        };
        while let Some(output) = opus.poll() {
            let before = opus.discontinuities_before();
            let media = Media::of(output, before, |start| self.wall.of_other(start));
            self.out.push_back(Output::Opus(media));
        }
        opus.report(&self.metrics);
    }

    /// Ends the publisher's own sound, for as long as the broadcast goes on.
    pub(super) fn end_opus(&mut self) {
        let Some(opus) = &mut self.opus else {
            return;
        };
        opus.finish();
        self.poll_opus();
        self.opus = None;
        self.out.push_back(Output::OpusOver);
    }

    /// The same content has the same Discontinuity Sequence Number in all variants (RFC 8216
    /// section 6.2.4), which players place one variant beside another by: what happens to one of
    /// them happens to all at the same time.
    pub(super) fn keep_in_step(&mut self, now: Instant) {
        let begun = self.variants.iter().filter(|mux| mux.has_begun());
        let most = begun.map(Mux::discontinuities).max().unwrap_or(0);
        for index in 0..self.variants.len() {
            let Some(mux) = self.variants.get(index) else {
                continue;
            };
            let next = mux.discontinuities() + 1;
            let at = self.variants.iter().find_map(|mux| mux.discontinuity(next));
            let Some(mux) = self.variants.get_mut(index) else {
                continue;
            };
            if !mux.has_begun() {
                mux.begin_after(most);
            } else if let Some(at) = at {
                mux.begin_at(at);
                match index
                    .checked_sub(1)
                    .map(|lesser| self.layers.get_mut(lesser))
                {
                    None => self.wish.want(now, Duration::ZERO),
                    Some(Some(layer)) => layer.want_keyframe(now),
                    Some(None) => {}
                }
            }
        }
    }

    /// The same for the sound that follows the variants and has no discontinuity of its own.
    pub(super) fn keep_opus_in_step(&mut self) {
        let Some(opus) = &mut self.opus else {
            return;
        };
        let begun = self.variants.iter().filter(|mux| mux.has_begun());
        let most = begun.map(Mux::discontinuities).max().unwrap_or(0);
        opus.keep_in_step(most, |number| {
            self.variants
                .iter()
                .find_map(|mux| mux.discontinuity(number))
        });
    }
}

impl Media {
    /// What a segmenter gives; `wall` is asked for the wall clock of a segment's start.
    fn of(
        output: SegmenterOutput,
        discontinuities_before: u64,
        wall: impl FnOnce(MediaTime) -> SystemTime,
    ) -> Self {
        match output {
            SegmenterOutput::Init(init) => Self::Init(init, discontinuities_before),
            SegmenterOutput::Part(part) => {
                let wall = part.starts_segment.then(|| wall(part.start));
                Self::Part(part, wall)
            }
            SegmenterOutput::Segment(segment) => Self::Segment(segment),
        }
    }
}
