//! The Dependency Descriptor RTP header extension: what each frame of a stream with layers needs,
//! and who needs it (RTP Payload Format For AV1, appendix A).
//!
//! A structure, sent with key frames, lists the templates that frames are made by; the other
//! descriptors name a template and say where their frame differs from it. All counts are bounded
//! by the widths of their fields or by the constants here, and nothing is kept between calls.

mod bits;
mod describe;
mod extension;
mod read;
mod write;

#[cfg(test)]
pub(crate) mod tests;

pub use self::describe::{Description, Structures, Told};
pub use self::extension::{Bytes, SHORT, extension};
pub use self::read::ReadError;

/// The URI under which the extension is negotiated.
pub const URI: &str =
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension";

/// Most decode targets of a structure: the count has 5 bits.
pub const MAX_TARGETS: usize = 32;

/// Most templates of a structure: their ids have 6 bits.
pub const MAX_TEMPLATES: usize = 64;

/// Most frames that one frame may refer to: AV1 has 7 references, VP9 3.
pub const MAX_DIFFERENCES: usize = 8;

/// Most spatial and temporal layers, as many as AV1 numbers (§6.4.1 of its specification).
pub const MAX_LAYERS: [u8; 2] = [4, 8];

/// What one packet says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// The packet is the first one of its frame.
    pub starts_frame: bool,
    /// The packet is the last one of its frame.
    pub ends_frame: bool,
    /// Names a template of the structure.
    pub template_id: u8,
    /// Of the frame, in decoding order, wrapping.
    pub frame_number: u16,
    /// The structure for this frame and those that follow.
    pub structure: Option<Structure>,
    /// The decode targets that are sent, if they may have changed.
    pub active: Option<ActiveTargets>,
    /// Where the frame differs from its template.
    pub custom: Custom,
}

/// What a frame does not have from its template.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Custom {
    /// For each decode target.
    pub indications: Option<Indications>,
    /// The frames that it refers to.
    pub differences: Option<Differences>,
    /// The distance to the frame before in each chain, 0 if there is none.
    pub chains: Option<Vec<u8>>,
}

/// How a stream's frames depend on each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Structure {
    /// The id of the first template.
    pub id_offset: u8,
    /// The kinds of frames, in the order of their ids, lower layers first.
    pub templates: Vec<Template>,
    /// For each decode target the chain that protects it; empty if there are no chains.
    pub protected_by: Vec<u8>,
    /// How many chains there are.
    pub chains: u8,
    /// Width and height of each spatial layer, if they are told, at least 1.
    pub resolutions: Vec<(u32, u32)>,
}

/// One kind of frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// For each decode target.
    pub indications: Indications,
    /// The frames that it refers to.
    pub differences: Differences,
    /// The distance to the frame before in each chain.
    pub chains: Vec<u8>,
}

/// What a frame is for a decode target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Indication {
    /// It is not part of it.
    NotPresent,
    /// No other frame of the target needs it.
    Discardable,
    /// Whoever has the frame can decode all of the target that follows.
    Switch,
    /// Others need it.
    Required,
}

/// The indications of one frame, two bits for each decode target.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Indications {
    bits: u64,
    count: u8,
}

/// Distances in frame numbers from a frame back to those that it refers to.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Differences {
    values: [u16; MAX_DIFFERENCES],
    count: u8,
}

/// A bit for each decode target, the first one lowest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ActiveTargets {
    /// Set if the target is sent.
    pub mask: u32,
    /// How many targets the structure has.
    pub count: u8,
}

/// What a frame is, by its template and what it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Frame {
    /// Spatial layer.
    pub spatial: u8,
    /// Temporal layer.
    pub temporal: u8,
    /// For each decode target.
    pub indications: Indications,
    /// The frames that it refers to.
    pub differences: Differences,
}

/// The layers that a decode target goes up to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TargetLayers {
    /// The highest spatial layer.
    pub spatial: u8,
    /// The highest temporal layer.
    pub temporal: u8,
}

impl Descriptor {
    /// What the packet's frame is. `structure` is the one that it brings, or the one that it was
    /// read with.
    pub fn frame(&self, structure: &Structure) -> Option<Frame> {
        let template = structure.template(self.template_id)?;
        let custom = &self.custom;
        Some(Frame {
            spatial: template.spatial,
            temporal: template.temporal,
            indications: custom.indications.unwrap_or(template.indications),
            differences: custom.differences.unwrap_or(template.differences),
        })
    }
}

impl Structure {
    /// How many decode targets there are.
    pub fn targets(&self) -> usize {
        self.templates
            .first()
            .map_or(0, |template| template.indications.len())
    }

    /// The template with an id.
    pub fn template(&self, id: u8) -> Option<&Template> {
        let ids = MAX_TEMPLATES as u8;
        let index = (id + ids - self.id_offset) % ids;
        self.templates.get(usize::from(index))
    }

    /// The layers of a decode target: the highest of all templates that belong to it.
    pub fn layers(&self, target: usize) -> TargetLayers {
        let mut layers = TargetLayers {
            spatial: 0,
            temporal: 0,
        };
        for template in &self.templates {
            if template.indications.of(target) != Indication::NotPresent {
                layers.spatial = layers.spatial.max(template.spatial);
                layers.temporal = layers.temporal.max(template.temporal);
            }
        }
        layers
    }

    /// The highest spatial layer.
    pub fn highest_spatial(&self) -> u8 {
        let layers = self.templates.iter().map(|template| template.spatial);
        layers.max().unwrap_or(0)
    }
}

impl Indications {
    /// For how many decode targets these are.
    pub fn len(self) -> usize {
        usize::from(self.count)
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self.count == 0
    }

    /// For one decode target.
    pub fn of(self, target: usize) -> Indication {
        if target >= self.len() {
            return Indication::NotPresent;
        }
        Indication::of_bits((self.bits >> (2 * target) & 3) as u8)
    }

    /// For one decode target after the other.
    pub fn iter(self) -> impl Iterator<Item = Indication> {
        (0..self.len()).map(move |target| self.of(target))
    }

    fn push(&mut self, indication: Indication) {
        debug_assert!(self.len() < MAX_TARGETS);
        self.bits |= (indication as u64) << (2 * self.count);
        self.count += 1;
    }
}

impl FromIterator<Indication> for Indications {
    /// The first [`MAX_TARGETS`] of them.
    fn from_iter<I: IntoIterator<Item = Indication>>(indications: I) -> Self {
        let mut all = Self::default();
        for indication in indications.into_iter().take(MAX_TARGETS) {
            all.push(indication);
        }
        all
    }
}

impl Indication {
    fn of_bits(bits: u8) -> Self {
        match bits & 3 {
            0 => Self::NotPresent,
            1 => Self::Discardable,
            2 => Self::Switch,
            _ => Self::Required,
        }
    }
}

impl Differences {
    /// The distances, each at least 1.
    pub fn iter(&self) -> impl Iterator<Item = u16> {
        self.values.iter().copied().take(usize::from(self.count))
    }

    /// Adds one. False if there are [`MAX_DIFFERENCES`] already.
    fn push(&mut self, difference: u16) -> bool {
        let Some(slot) = self.values.get_mut(usize::from(self.count)) else {
            return false;
        };
        *slot = difference;
        self.count += 1;
        true
    }
}

impl FromIterator<u16> for Differences {
    /// The first [`MAX_DIFFERENCES`] of them.
    fn from_iter<I: IntoIterator<Item = u16>>(differences: I) -> Self {
        let mut all = Self::default();
        for difference in differences.into_iter().take(MAX_DIFFERENCES) {
            all.push(difference);
        }
        all
    }
}
