//! What is known of a packet by its descriptor.

use std::sync::Arc;

use super::extension::Bytes;
use super::{Descriptor, Frame, ReadError, Structure, TargetLayers};

/// A packet's descriptor, as it came and as it was read.
#[derive(Debug, PartialEq, Eq)]
pub struct Description {
    /// As it came.
    pub bytes: Bytes,
    /// What it says; nothing if it cannot be read, or its structure has not come yet.
    pub told: Option<Told>,
}

/// What a descriptor says.
#[derive(Debug, PartialEq, Eq)]
pub struct Told {
    /// The packet is the first one of its frame.
    pub starts_frame: bool,
    /// The packet is the last one of its frame.
    pub ends_frame: bool,
    /// What its frame is.
    pub frame: Frame,
    /// The layers of each decode target of its structure.
    pub targets: Arc<[TargetLayers]>,
}

/// The structures of one RTP stream: the newest one, and the one before it for packets that come
/// late. Each has other template ids than the one before (appendix A.4).
#[derive(Debug, Default)]
pub struct Structures {
    newest: Option<Known>,
    before: Option<Known>,
}

#[derive(Debug)]
struct Known {
    structure: Structure,
    /// Of its decode targets.
    layers: Arc<[TargetLayers]>,
}

impl Structures {
    /// Reads a descriptor, and keeps the structure that it may bring.
    pub fn describe(&mut self, bytes: Bytes) -> Description {
        let told = self.told(bytes.as_slice());
        Description { bytes, told }
    }

    fn told(&mut self, bytes: &[u8]) -> Option<Told> {
        let (mut descriptor, is_newest) = self.read(bytes).ok()?;
        if let Some(structure) = descriptor.structure.take() {
            self.keep(structure);
        }
        let known = match is_newest {
            true => self.newest.as_ref()?,
            false => self.before.as_ref()?,
        };
        Some(Told {
            starts_frame: descriptor.starts_frame,
            ends_frame: descriptor.ends_frame,
            frame: descriptor.frame(&known.structure)?,
            targets: known.layers.clone(),
        })
    }

    /// Reads a descriptor, and tells whether it is one of the newest structure.
    fn read(&self, bytes: &[u8]) -> Result<(Descriptor, bool), ReadError> {
        let read = |known: &Option<Known>| {
            let structure = known.as_ref().map(|known| &known.structure);
            Descriptor::read(bytes, structure)
        };
        match read(&self.newest) {
            Err(ReadError::UnknownTemplate { .. }) => Ok((read(&self.before)?, false)),
            newest => Ok((newest?, true)),
        }
    }

    fn keep(&mut self, structure: Structure) {
        if self
            .newest
            .as_ref()
            .is_none_or(|newest| newest.structure != structure)
        {
            let layers = (0..structure.targets()).map(|target| structure.layers(target));
            let layers = layers.collect();
            self.before = self.newest.replace(Known { structure, layers });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media::dependency::tests::{bytes, chromium};

    fn describe(structures: &mut Structures, bytes: &[u8]) -> Description {
        structures.describe(Bytes::new(bytes).expect("bytes"))
    }

    /// A descriptor with its template id, and that of its structure, moved on.
    fn moved(hex: &str, by: u8) -> Vec<u8> {
        let mut descriptor = Descriptor::read(&bytes(hex), None).expect("a descriptor");
        descriptor.template_id = (descriptor.template_id + by) % 64;
        if let Some(structure) = &mut descriptor.structure {
            structure.id_offset = (structure.id_offset + by) % 64;
        }
        descriptor.write()
    }

    #[test]
    fn frames_are_told_once_their_structure_has_come() {
        let mut structures = Structures::default();
        let [first, second, ..] = chromium::AV1_L3T3_KEY.map(bytes);
        let early = describe(&mut structures, &second);
        assert_eq!((early.told, early.bytes.as_slice()), (None, &second[..]));
        let told = describe(&mut structures, &first).told.expect("told");
        assert_eq!((told.frame.spatial, told.starts_frame), (0, true));
        let told = describe(&mut structures, &second).told.expect("told");
        assert_eq!((told.frame.spatial, told.ends_frame), (1, false));
    }

    #[test]
    fn packets_that_are_later_than_the_next_structure_are_told_by_theirs() {
        let mut structures = Structures::default();
        let [first, second, third, ..] = chromium::AV1_L3T3_KEY;
        describe(&mut structures, &bytes(first));
        describe(&mut structures, &bytes(second));
        let newest = describe(&mut structures, &moved(first, 20)).told;
        let newest = newest.expect("told").targets;
        let late = describe(&mut structures, &bytes(third)).told.expect("told");
        assert_eq!(late.frame.spatial, 2);
        assert!(!Arc::ptr_eq(&late.targets, &newest));
        // The one before that has gone.
        describe(&mut structures, &moved(first, 40));
        assert_eq!(describe(&mut structures, &bytes(third)).told, None);
    }

    #[test]
    fn a_structure_that_comes_again_is_kept_once() {
        let mut structures = Structures::default();
        let first = bytes(chromium::AV1_L3T3_KEY[0]);
        let [a, b] = [0, 1].map(|_| describe(&mut structures, &first).told.expect("told"));
        assert!(Arc::ptr_eq(&a.targets, &b.targets));
        assert!(structures.before.is_none());
    }
}
