//! Which layers of the stream that is followed are forwarded.

use super::place::{Layers, Place};

/// Leaves out the layers above those that are wanted. Less is had from the next picture on; more
/// where the stream says that it can be decoded.
///
/// All packets of a picture, late ones too, meet the same choice.
#[derive(Debug, Clone, Default)]
pub struct LayerFilter {
    now: Layers,
    /// What was had before the picture `since`, by its RTP time.
    before: Layers,
    since: u32,
    /// RTP time of the newest picture.
    newest: Option<u32>,
}

impl LayerFilter {
    /// Another source is entered at a key frame, with these layers of it.
    pub fn enter(&mut self, layers: Layers) {
        *self = Self {
            now: layers,
            before: layers,
            since: 0,
            newest: None,
        };
    }

    /// The layers that are had of the newest picture.
    pub fn layers(&self) -> Layers {
        self.now
    }

    /// The layers that are had of a packet's picture; `wanted` are those to come to.
    pub fn handle(&mut self, place: Place, time: u32, wanted: Layers) -> Layers {
        if self.newest.is_none_or(|newest| is_later(time, newest)) {
            self.newest = Some(time);
            let next = self.next(place, wanted);
            if next != self.now {
                self.before = std::mem::replace(&mut self.now, next);
                self.since = time;
            }
        }
        match self.before != self.now && is_later(self.since, time) {
            true => self.before,
            false => self.now,
        }
    }

    /// What is had from a picture on that this frame belongs to.
    fn next(&self, place: Place, wanted: Layers) -> Layers {
        if place.is_key {
            return wanted;
        }
        let raised = match place.raise {
            Some(raise) if raise.from <= self.now.temporal => raise.to.max(self.now.temporal),
            _ => self.now.temporal,
        };
        Layers {
            spatial: wanted.spatial.min(self.now.spatial),
            temporal: wanted.temporal.min(raised),
        }
    }
}

/// True if an RTP time is behind another one, half the number space away at most.
fn is_later(time: u32, than: u32) -> bool {
    (time.wrapping_sub(than) as i32) > 0
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use packager::rtp::Codec;
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::media::dependency::tests::{bytes, chromium};
    use crate::media::dependency::{Descriptor, Structure, Told};

    /// A stream as an encoder makes it: the templates of each picture of a key frame, and of the
    /// pictures of the patterns that follow in any order.
    struct Encoder {
        structure: Structure,
        key: &'static [u8],
        patterns: &'static [[&'static [u8]; 4]],
    }

    fn structure(hex: &str) -> Structure {
        let descriptor = Descriptor::read(&bytes(hex), None).expect("a descriptor");
        descriptor.structure.expect("a structure")
    }

    fn l3t3_key() -> Encoder {
        Encoder {
            structure: structure(chromium::AV1_L3T3_KEY[0]),
            key: &[0, 5, 10],
            patterns: &[[&[1, 6, 11], &[3, 8, 13], &[2, 7, 12], &[4, 9, 14]]],
        }
    }

    fn l1t3() -> Encoder {
        Encoder {
            structure: structure(chromium::VP8_L1T3[0]),
            key: &[0],
            // After the second kind of picture the middle layer refers to itself.
            patterns: &[[&[1], &[5], &[3], &[6]], [&[2], &[5], &[4], &[6]]],
        }
    }

    /// A frame with its number, the RTP time of its picture and those that it refers to.
    struct Sent {
        number: u16,
        time: u32,
        place: Place,
        needs: Vec<u16>,
    }

    impl Encoder {
        /// Groups of four pictures, each in a pattern; one that begins with a key frame has the
        /// first of them.
        fn encode(&self, groups: &[(bool, bool)]) -> Vec<Vec<Sent>> {
            let targets = (0..self.structure.targets()).map(|t| self.structure.layers(t));
            let told = Told {
                starts_frame: true,
                ends_frame: true,
                targets: targets.collect(),
                frame: Descriptor::read(&[0xc0, 0, 0], Some(&self.structure))
                    .ok()
                    .and_then(|d| d.frame(&self.structure))
                    .expect("the first template"),
            };
            let (mut number, mut time) = (0_u16, u32::MAX - 90_000);
            let mut pictures = Vec::new();
            for (index, (is_key, is_second)) in groups.iter().enumerate() {
                let is_key = *is_key || index == 0;
                let is_second = *is_second && !is_key;
                let pattern = match self.patterns.get(1) {
                    Some(second) if is_second => second,
                    _ => &self.patterns[0],
                };
                for (at, templates) in pattern.iter().enumerate() {
                    let templates = if is_key && at == 0 {
                        self.key
                    } else {
                        templates
                    };
                    let mut picture = Vec::new();
                    for id in templates {
                        let template = self.structure.template(*id).expect("a template");
                        let told = Told {
                            frame: crate::media::dependency::Frame {
                                spatial: template.spatial,
                                temporal: template.temporal,
                                indications: template.indications,
                                differences: template.differences,
                            },
                            targets: told.targets.clone(),
                            ..told
                        };
                        let needs = template.differences.iter();
                        picture.push(Sent {
                            number,
                            time,
                            place: Place::of(Some(&told), Codec::Av1, &[]).expect("a place"),
                            needs: needs.map(|d| number.wrapping_sub(d)).collect(),
                        });
                        number = number.wrapping_add(1);
                    }
                    pictures.push(picture);
                    time = time.wrapping_add(3_000);
                }
            }
            pictures
        }
    }

    fn any_layers() -> impl Strategy<Value = Layers> {
        let any_layer = || prop_oneof![0_u8..3, Just(u8::MAX)];
        (any_layer(), any_layer()).prop_map(|(spatial, temporal)| Layers { spatial, temporal })
    }

    /// What is forwarded can be decoded whatever is wanted when, and is no more than that.
    fn check(
        encoder: &Encoder,
        groups: &[(bool, bool)],
        wanted: &[Layers],
    ) -> Result<(), TestCaseError> {
        let pictures = encoder.encode(groups);
        let mut filter = LayerFilter::default();
        filter.enter(wanted[0]);
        let mut have = HashSet::new();
        let mut late = Vec::new();
        for (index, picture) in pictures.iter().enumerate() {
            let wanted = wanted[index / 3 % wanted.len()];
            let before = filter.layers();
            for sent in picture {
                let layers = filter.handle(sent.place, sent.time, wanted);
                prop_assert_eq!(layers, filter.layers());
                if !layers.has(sent.place) {
                    continue;
                }
                let decodes = sent.needs.iter().all(|needed| have.contains(needed));
                prop_assert!(decodes, "{} needs {:?}", sent.number, &sent.needs);
                have.insert(sent.number);
            }
            let now = filter.layers();
            prop_assert!(now.spatial <= wanted.spatial && now.temporal <= wanted.temporal);
            prop_assert!(now.spatial <= before.spatial || picture[0].place.is_key);
            late.push((picture, now));
            // Packets that come late meet the choice of their picture, if it is one of the last two.
            if index > 0 && late[index - 1].1 == before {
                for sent in late[index - 1].0 {
                    prop_assert_eq!(filter.handle(sent.place, sent.time, wanted), before);
                }
            }
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn spatial_layers_can_be_decoded_whatever_is_wanted(
            groups in vec((prop::bool::weighted(0.2), any::<bool>()), 1..20),
            wanted in vec(any_layers(), 1..40),
        ) {
            check(&l3t3_key(), &groups, &wanted)?;
        }

        #[test]
        fn temporal_layers_can_be_decoded_whatever_is_wanted(
            groups in vec((prop::bool::weighted(0.1), any::<bool>()), 1..20),
            wanted in vec(any_layers(), 1..40),
        ) {
            check(&l1t3(), &groups, &wanted)?;
        }
    }

    /// What is had of each picture.
    fn had(
        encoder: &Encoder,
        groups: &[(bool, bool)],
        wanted: impl Fn(usize) -> Layers,
    ) -> Vec<[u8; 2]> {
        let mut filter = LayerFilter::default();
        filter.enter(wanted(0));
        let pictures = encoder.encode(groups);
        let pictures = pictures.iter().enumerate();
        let all = pictures.map(|(index, picture)| {
            for sent in picture {
                filter.handle(sent.place, sent.time, wanted(index));
            }
            [filter.layers().spatial, filter.layers().temporal]
        });
        all.collect()
    }

    const fn layers(spatial: u8, temporal: u8) -> Layers {
        Layers { spatial, temporal }
    }

    #[test]
    fn less_is_had_at_once_and_more_spatial_layers_at_a_key_frame() {
        let groups = [(true, false), (false, false), (true, false)];
        let wanted = |picture| layers(if picture == 2 { 0 } else { 2 }, 2);
        let all = had(&l3t3_key(), &groups, wanted);
        let spatial = all.iter().map(|[spatial, _]| *spatial);
        assert!(spatial.eq([2, 2, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2]));
    }

    #[test]
    fn more_temporal_layers_are_had_where_the_stream_can_be_switched() {
        let wanted = |picture| layers(0, if picture == 1 { 0 } else { 2 });
        let temporal = |encoder: &Encoder, groups: &[(bool, bool)]| -> Vec<u8> {
            let all = had(encoder, groups, wanted);
            all.iter().map(|[_, temporal]| *temporal).collect()
        };
        let plain = [(true, false), (false, false)];
        assert_eq!(temporal(&l3t3_key(), &plain), [2, 0, 0, 0, 2, 2, 2, 2]);
        assert_eq!(temporal(&l1t3(), &plain), [2, 0, 0, 0, 2, 2, 2, 2]);
        // The middle layer of the second kind needs what was left out.
        let second = [(true, false), (false, true), (false, false)];
        let wanted = [2, 0, 0, 0, 0, 0, 0, 0, 2, 2, 2, 2];
        assert_eq!(temporal(&l1t3(), &second), wanted);
    }
}
