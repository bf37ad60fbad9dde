//! Descriptors to bytes.

use super::bits::BitWriter;
use super::read::{NEXT_SPATIAL, NEXT_TEMPORAL, NO_MORE_LAYERS, SAME_LAYER};
use super::{Descriptor, Differences, Indications, Structure};

impl Descriptor {
    /// The bytes of the descriptor, as few as it can have. What was read is written as long as it
    /// was or shorter.
    pub fn write(&self) -> Vec<u8> {
        let mut writer = BitWriter::default();
        writer.flag(self.starts_frame);
        writer.flag(self.ends_frame);
        writer.bits(u32::from(self.template_id), 6);
        writer.bits(u32::from(self.frame_number), 16);
        let custom = &self.custom;
        let flags = [
            self.structure.is_some(),
            self.active.is_some(),
            custom.indications.is_some(),
            custom.differences.is_some(),
            custom.chains.is_some(),
        ];
        if !flags.contains(&true) {
            return writer.finish();
        }
        for flag in flags {
            writer.flag(flag);
        }
        if let Some(structure) = &self.structure {
            write_structure(&mut writer, structure);
        }
        if let Some(active) = self.active {
            writer.bits(active.mask, u32::from(active.count));
        }
        if let Some(indications) = custom.indications {
            write_indications(&mut writer, indications);
        }
        if let Some(differences) = &custom.differences {
            write_differences(&mut writer, differences);
        }
        for distance in custom.chains.iter().flatten() {
            writer.bits(u32::from(*distance), 8);
        }
        writer.finish()
    }
}

fn write_structure(writer: &mut BitWriter, structure: &Structure) {
    let targets = structure.targets();
    writer.bits(u32::from(structure.id_offset), 6);
    writer.bits((targets as u32).wrapping_sub(1), 5);
    let templates = &structure.templates;
    for pair in templates.windows(2) {
        let (before, next) = (&pair[0], &pair[1]);
        writer.bits(
            match next.spatial == before.spatial {
                true if next.temporal == before.temporal => SAME_LAYER,
                true => NEXT_TEMPORAL,
                false => NEXT_SPATIAL,
            },
            2,
        );
    }
    writer.bits(NO_MORE_LAYERS, 2);
    for template in templates {
        write_indications(writer, template.indications);
    }
    for template in templates {
        for difference in template.differences.iter() {
            writer.flag(true);
            writer.bits(u32::from(difference) - 1, 4);
        }
        writer.flag(false);
    }
    writer.below(structure.chains, targets as u8 + 1);
    if structure.chains > 0 {
        for chain in &structure.protected_by {
            writer.below(*chain, structure.chains);
        }
        for distance in templates.iter().flat_map(|template| &template.chains) {
            writer.bits(u32::from(*distance), 4);
        }
    }
    writer.flag(!structure.resolutions.is_empty());
    for (width, height) in &structure.resolutions {
        writer.bits(width.saturating_sub(1), 16);
        writer.bits(height.saturating_sub(1), 16);
    }
}

fn write_indications(writer: &mut BitWriter, indications: Indications) {
    for indication in indications.iter() {
        writer.bits(indication as u32, 2);
    }
}

fn write_differences(writer: &mut BitWriter, differences: &Differences) {
    for difference in differences.iter() {
        let value = u32::from(difference) - 1;
        let size = match value {
            0..0x10 => 1,
            0x10..0x100 => 2,
            _ => 3,
        };
        writer.bits(size, 2);
        writer.bits(value, 4 * size);
    }
    writer.bits(0, 2);
}
