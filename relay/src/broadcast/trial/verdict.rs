//! What viewers got, held against the truth.

use std::collections::HashMap;

use packager::hls::Part;

use super::publisher::Mark;
use super::{Nanos, readers};

#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    /// Decode time in seconds.
    pub(super) time: f64,
    pub(super) is_keyframe: bool,
    pub(super) mark: Mark,
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Sound {
    pub(super) time: f64,
    /// Whose it is and when its first sample was captured; `None` if it was made up.
    pub(super) origin: Option<(u8, f64)>,
}

/// How far picture and sound of one instant are from each other.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parting {
    /// When the picture was captured, in seconds of the truth.
    pub(super) at: f64,
    /// How much later than its sound the picture is shown, in milliseconds.
    pub(super) ms: f64,
}

#[derive(Default)]
pub(super) struct Verdict {
    /// What no viewer may ever get.
    pub(super) wrong: Vec<String>,
    pub(super) partings: Vec<Parting>,
    pub(super) pictures: u64,
    pub(super) sounds: u64,
    /// Sound frames that are made up as a whole.
    pub(super) made_up: u64,
    /// Places where sound is missing: media time and length in seconds.
    pub(super) holes: Vec<(f64, f64)>,
    /// Stretches of media time without a new picture: where they begin, and their length.
    pub(super) freezes: Vec<(f64, f64)>,
    /// Truth at which each FLV picture came out, after its capture, in milliseconds.
    pub(super) delays: Vec<f64>,
    last_picture: Option<Picture>,
    last_sound: Option<Sound>,
    /// The newest sound that was captured, by its media time less its capture, by publisher.
    offset: HashMap<u8, (f64, f64)>,
    /// Where the pictures and the sound of the parts so far end, as they say, and their part does.
    track_ends: [Option<(f64, f64)>; 2],
    short_part: Option<f64>,
    pub(super) segments: u64,
}

impl Verdict {
    /// An FLV tag that came out at `now`.
    pub(super) fn tag(&mut self, now: Nanos, bytes: &[u8]) {
        match readers::flv(bytes) {
            Ok(readers::Tag::Picture(picture)) => self.picture(now, picture),
            Ok(readers::Tag::Sound(sound)) => self.sound(sound),
            Err(error) => self.wrong.push(format!("FLV: {error}")),
        }
    }

    fn picture(&mut self, now: Nanos, picture: Picture) {
        self.pictures += 1;
        let (at, time) = (picture.mark.captured as f64 / 1e9, picture.time);
        self.delays.push((now - picture.mark.captured) as f64 / 1e6);
        if let Some(last) = self.last_picture.replace(picture) {
            if time <= last.time {
                self.wrong
                    .push(format!("picture at {time} after {}", last.time));
            }
            let follows = last.mark.epoch == picture.mark.epoch
                && last.mark.number + 1 == picture.mark.number;
            if !follows && !picture.is_keyframe {
                self.wrong
                    .push(format!("picture at {time} does not decode"));
            }
            if time - last.time > 0.3 {
                self.freezes.push((last.time, time - last.time));
            }
        } else if !picture.is_keyframe {
            self.wrong
                .push(format!("begins at {time} without a key frame"));
        }
        if let Some((captured, offset)) = self.offset.get(&picture.mark.epoch)
            && (at - captured).abs() < 0.6
        {
            let ms = (time - at - offset) * 1e3;
            self.partings.push(Parting { at, ms });
        }
    }

    fn sound(&mut self, sound: Sound) {
        self.sounds += 1;
        if let Some(last) = self.last_sound.replace(sound) {
            let step = sound.time - last.time;
            if step <= 0.0 {
                self.wrong
                    .push(format!("sound at {} after {}", sound.time, last.time));
            }
            // FLV rounds down to a millisecond.
            if step > FRAME + 0.001 {
                self.holes.push((last.time + FRAME, step - FRAME));
            }
        }
        match sound.origin {
            Some((epoch, at)) => {
                self.offset.insert(epoch, (at, sound.time - at));
            }
            None => self.made_up += 1,
        }
    }

    /// A part of a segment, and the initialization section.
    pub(super) fn part(&mut self, init: &[u8], part: &Part, has_wall: bool) {
        let seconds = part.duration.as_secs_f64();
        let least = if part.is_independent {
            0.0
        } else {
            0.85 * PART
        };
        // The last one of a segment may be short.
        if let Some(short) = self.short_part.take()
            && !part.starts_segment
        {
            self.wrong
                .push(format!("a part of {short} s within a segment"));
        }
        self.short_part = (seconds < least - 1e-6).then_some(seconds);
        if seconds > PART + 1e-6 || has_wall != part.starts_segment {
            self.wrong.push(format!("a part of {seconds} s"));
        }
        let fragment = match readers::fmp4(init, &part.data) {
            Ok(fragment) => fragment,
            Err(error) => return self.wrong.push(format!("fMP4: {error}")),
        };
        for (index, span) in fragment.spans.iter().enumerate() {
            let Some((start, end)) = *span else { continue };
            if let Some((before, part_end)) = self.track_ends[index] {
                // What was to stand for the rest of its segment ends when the camera is back.
                let is_back = index == 0 && start > part_end - 1e-4;
                if (start < before - 1e-4 && !is_back) || start > before + 1.5 * FRAME {
                    self.wrong.push(format!(
                        "a part's track {index} begins at {start}, not {before}"
                    ));
                }
            }
            let part_end = part.start.as_duration() + part.duration;
            self.track_ends[index] = Some((end, part_end.as_secs_f64()));
        }
        let sound = fragment
            .sounds
            .iter()
            .find_map(|s| Some((s.time, s.origin?)));
        // The first one may be shown earlier, so that a picture that was off leaves no hole.
        let skipped = usize::from(part.starts_segment);
        for picture in fragment.pictures.iter().skip(skipped) {
            let at = picture.mark.captured as f64 / 1e9;
            if let Some((time, (epoch, captured))) = sound
                && epoch == picture.mark.epoch
                && (captured - at).abs() < 0.6
            {
                let ms = (picture.time - at - (time - captured)) * 1e3;
                self.partings.push(Parting { at, ms });
            }
        }
    }

    /// The worst parting of pictures captured in `from..to`, in milliseconds.
    pub(super) fn worst(&self, from: f64, to: f64) -> f64 {
        let within = self.partings.iter().filter(|p| (from..to).contains(&p.at));
        within.map(|p| p.ms).fold(
            0.0,
            |worst: f64, ms| {
                if ms.abs() > worst.abs() { ms } else { worst }
            },
        )
    }

    /// Median, 95th of a hundred, and most of the delays from capture to FLV, in milliseconds.
    pub(super) fn delay(&self) -> (f64, f64, f64) {
        let mut delays = self.delays.clone();
        delays.sort_by(f64::total_cmp);
        let at = |share: f64| delays[((delays.len() - 1) as f64 * share) as usize];
        (at(0.5), at(0.95), at(1.0))
    }

    /// The median of the same in each of `count` stretches with as many pictures.
    pub(super) fn delays_of(&self, count: usize) -> Vec<f64> {
        let stretches = self.delays.chunks_exact(self.delays.len() / count);
        let median = |delays: &[f64]| {
            let mut delays = delays.to_vec();
            delays.sort_by(f64::total_cmp);
            delays[delays.len() / 2]
        };
        stretches.take(count).map(median).collect()
    }

    /// Milliseconds of media time without new pictures, where that is more than 300 at once.
    pub(super) fn frozen(&self) -> f64 {
        self.freezes.iter().map(|(_, length)| length * 1e3).sum()
    }

    /// What holds in every trial.
    pub(super) fn check(&self) {
        assert!(
            self.wrong.is_empty(),
            "{:#?}",
            &self.wrong[..self.wrong.len().min(8)]
        );
        assert!(self.segments > 0 && self.pictures + self.sounds > 0);
    }
}

/// An AAC frame at 48 kHz, in seconds.
const FRAME: f64 = 1_024.0 / 48_000.0;

/// Part Target Duration in seconds.
const PART: f64 = 0.25;
