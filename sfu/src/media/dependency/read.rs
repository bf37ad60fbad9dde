//! Descriptors from bytes.

use super::bits::{BitReader, OutOfBits};
use super::{
    ActiveTargets, Custom, Descriptor, Differences, Indication, Indications, MAX_LAYERS,
    MAX_TEMPLATES, Structure, Template,
};

/// Why bytes are not a descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// They end too soon.
    #[error("it ends too soon")]
    TooShort,
    /// The structure does not have the template that is named, or there is no structure.
    #[error("template {id} is not known")]
    UnknownTemplate {
        /// Its id.
        id: u8,
    },
    /// There are more templates than ids.
    #[error("more than {MAX_TEMPLATES} templates")]
    TooManyTemplates,
    /// Some codec may have more layers than these; none that is forwarded here.
    #[error("more than {} spatial or {} temporal layers", MAX_LAYERS[0], MAX_LAYERS[1])]
    TooManyLayers,
    /// A frame refers to more frames than codecs can.
    #[error("too many references")]
    TooManyDifferences,
}

impl From<OutOfBits> for ReadError {
    fn from(_: OutOfBits) -> Self {
        Self::TooShort
    }
}

impl Descriptor {
    /// Reads a descriptor. `structure` is the one that the stream had so far: without the right
    /// one, a descriptor that does not bring its own cannot be read.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn read(bytes: &[u8], structure: Option<&Structure>) -> Result<Self, ReadError> {
        let mut reader = BitReader::new(bytes);
        let mut descriptor = Self {
            starts_frame: reader.flag()?,
            ends_frame: reader.flag()?,
            template_id: reader.byte(6)?,
            frame_number: reader.bits(16)? as u16,
            structure: None,
            active: None,
            custom: Custom::default(),
        };
        let mut customs = [false; 3];
        if bytes.len() > MANDATORY {
            let has_structure = reader.flag()?;
            let has_active = reader.flag()?;
            for custom in &mut customs {
                *custom = reader.flag()?;
            }
            if has_structure {
                descriptor.structure = Some(read_structure(&mut reader)?);
            }
            if has_active {
                let structure = descriptor.structure.as_ref().or(structure);
                let count = structure.ok_or(descriptor.unknown())?.targets();
                descriptor.active = Some(ActiveTargets {
                    mask: reader.bits(count as u32)?,
                    count: count as u8,
                });
            }
        }
        let unknown = descriptor.unknown();
        let structure = descriptor.structure.as_ref().or(structure);
        let structure = structure.ok_or(unknown)?;
        structure.template(descriptor.template_id).ok_or(unknown)?;
        let [indications, differences, chains] = customs;
        descriptor.custom = Custom {
            indications: match indications {
                true => Some(read_indications(&mut reader, structure.targets())?),
                false => None,
            },
            differences: match differences {
                true => Some(read_differences(&mut reader)?),
                false => None,
            },
            chains: match chains {
                true => {
                    let distances = (0..structure.chains).map(|_| reader.byte(8));
                    Some(distances.collect::<Result<_, _>>()?)
                }
                false => None,
            },
        };
        Ok(descriptor)
    }

    fn unknown(&self) -> ReadError {
        ReadError::UnknownTemplate {
            id: self.template_id,
        }
    }
}

/// `template_dependency_structure()`.
fn read_structure(reader: &mut BitReader<'_>) -> Result<Structure, ReadError> {
    let id_offset = reader.byte(6)?;
    let targets = reader.byte(5)? + 1;
    let mut templates = read_layers(reader)?;
    for template in &mut templates {
        template.indications = read_indications(reader, usize::from(targets))?;
    }
    for template in &mut templates {
        while reader.flag()? {
            let difference = u16::from(reader.byte(4)?) + 1;
            if !template.differences.push(difference) {
                return Err(ReadError::TooManyDifferences);
            }
        }
    }
    let chains = reader.below(targets + 1)?;
    let mut protected_by = Vec::new();
    if chains > 0 {
        for _ in 0..targets {
            protected_by.push(reader.below(chains)?);
        }
        for template in &mut templates {
            for _ in 0..chains {
                template.chains.push(reader.byte(4)?);
            }
        }
    }
    let mut structure = Structure {
        id_offset,
        templates,
        protected_by,
        chains,
        resolutions: Vec::new(),
    };
    if reader.flag()? {
        for _ in 0..=structure.highest_spatial() {
            let (width, height) = (reader.bits(16)?, reader.bits(16)?);
            structure.resolutions.push((width + 1, height + 1));
        }
    }
    Ok(structure)
}

/// `template_layers()`.
fn read_layers(reader: &mut BitReader<'_>) -> Result<Vec<Template>, ReadError> {
    let (mut spatial, mut temporal) = (0, 0);
    let mut templates = Vec::new();
    loop {
        if templates.len() >= MAX_TEMPLATES {
            return Err(ReadError::TooManyTemplates);
        }
        if spatial >= MAX_LAYERS[0] || temporal >= MAX_LAYERS[1] {
            return Err(ReadError::TooManyLayers);
        }
        templates.push(Template {
            spatial,
            temporal,
            indications: Indications::default(),
            differences: Differences::default(),
            chains: Vec::new(),
        });
        match reader.bits(2)? {
            SAME_LAYER => {}
            NEXT_TEMPORAL => temporal += 1,
            NEXT_SPATIAL => (spatial, temporal) = (spatial + 1, 0),
            _ => return Ok(templates),
        }
    }
}

fn read_indications(reader: &mut BitReader<'_>, targets: usize) -> Result<Indications, OutOfBits> {
    let indications = (0..targets).map(|_| reader.byte(2).map(Indication::of_bits));
    indications.collect()
}

/// `frame_fdiffs()`.
fn read_differences(reader: &mut BitReader<'_>) -> Result<Differences, ReadError> {
    let mut differences = Differences::default();
    loop {
        let size = reader.bits(2)?;
        if size == 0 {
            return Ok(differences);
        }
        let difference = reader.bits(4 * size)? as u16 + 1;
        if !differences.push(difference) {
            return Err(ReadError::TooManyDifferences);
        }
    }
}

/// Bytes of the fields that each descriptor has.
pub(super) const MANDATORY: usize = 3;

/// Values of `next_layer_idc`.
pub(super) const SAME_LAYER: u32 = 0;
pub(super) const NEXT_TEMPORAL: u32 = 1;
pub(super) const NEXT_SPATIAL: u32 = 2;
pub(super) const NO_MORE_LAYERS: u32 = 3;
