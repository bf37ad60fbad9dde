//! The encoder of one stream with spatial and temporal layers.

use packager::rtp::Codec;
use sfu::media::dependency::{Custom, Descriptor, Structure};

use crate::frames;

/// A key frame's descriptor, as Chromium sends it for AV1 in the mode L3T3_KEY.
const L3T3_KEY: &str = "80000580081485214eaaaaa8000600004000100002aa80a8000600004000100002a000a800060000400016d549241b5524906d54923157e001974ca864330e222396eca8655304224390eca8775300ef008601df010d03bf021b";

/// Makes the frames of an encoder in the mode L3T3_KEY.
pub struct Scalable {
    structure: Structure,
    pub frame_number: u16,
    /// Of the next picture in the pattern of four; a key frame begins one.
    position: usize,
}

/// Templates of the spatial layers, by the position in the pattern.
const PATTERN: [[u8; 3]; 4] = [[1, 6, 11], [3, 8, 13], [2, 7, 12], [4, 9, 14]];
const KEY: [u8; 3] = [0, 5, 10];

/// Packets of a frame of each spatial layer; of a key frame there are twice as many.
pub const PACKETS: [u16; 3] = [1, 2, 4];

impl Scalable {
    pub fn l3t3_key() -> Self {
        let digits = L3T3_KEY.as_bytes().chunks(2);
        let bytes: Vec<u8> = digits
            .map(|pair| std::str::from_utf8(pair).expect("digits"))
            .map(|pair| u8::from_str_radix(pair, 16).expect("hexadecimal"))
            .collect();
        let descriptor = Descriptor::read(&bytes, None).expect("a descriptor");
        Self {
            structure: descriptor.structure.expect("a structure"),
            frame_number: u16::MAX - 40,
            position: 0,
        }
    }

    /// The packets of the next picture, each with its descriptor.
    pub fn picture(&mut self, codec: Codec, key: bool) -> Vec<(Vec<u8>, Option<Vec<u8>>)> {
        if key {
            self.position = 0;
        }
        let templates = if key { KEY } else { PATTERN[self.position] };
        self.position = (self.position + 1) % PATTERN.len();
        let mut packets = Vec::new();
        for (spatial, template_id) in templates.into_iter().enumerate() {
            let count = PACKETS[spatial] * if key { 2 } else { 1 };
            let number = u32::from(self.frame_number);
            let starts = key && spatial == 0;
            for (index, payload) in frames::frame(codec, number, starts, count, 900)
                .into_iter()
                .enumerate()
            {
                let descriptor = Descriptor {
                    starts_frame: index == 0,
                    ends_frame: index + 1 == usize::from(count),
                    template_id,
                    frame_number: self.frame_number,
                    structure: (starts && index == 0).then(|| self.structure.clone()),
                    active: None,
                    custom: Custom::default(),
                };
                packets.push((payload, Some(descriptor.write())));
            }
            self.frame_number = self.frame_number.wrapping_add(1);
        }
        packets
    }
}
