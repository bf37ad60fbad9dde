//! The parameter sets seen so far, and the configuration they make.

use std::collections::BTreeMap;

use super::config::Sets;
use super::nal;
use super::sequence::Sequence;
use crate::video::VideoConfig;

/// Parameter sets by id. Bounded: 16 VPS and 16 SPS ids exist, and [`MAX_PPS`] PPSs are held, of
/// [`MAX_PARAMETER_SET`] bytes each.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    vps: BTreeMap<u8, Vec<u8>>,
    /// With the id of the VPS that each refers to.
    sps: BTreeMap<u8, (u8, Vec<u8>)>,
    /// With the id of the SPS.
    pps: BTreeMap<u8, (u8, Vec<u8>)>,
    active: Option<Active>,
    /// The content has changed since `active` was made.
    changed: bool,
    /// Pictures come that may refer to what was before the last IRAP picture, and a decoder has
    /// not seen that.
    pub(super) skips_leading: bool,
    /// The last picture ended its sequence.
    pub(super) has_ended: bool,
}

#[derive(Debug)]
struct Active {
    sps_id: u8,
    config: VideoConfig,
}

/// A parameter set that is not kept: it does not parse, is too long, or is one too many.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Refused;

impl ParameterSets {
    /// Takes a parameter set in. Those that refer to one of other content go with it.
    pub(super) fn handle(&mut self, kind: u8, set: &[u8]) -> Result<(), Refused> {
        let set = nal::trimmed(set);
        if self.is_known(kind, set) {
            return Ok(());
        }
        if set.len() > MAX_PARAMETER_SET {
            return Err(Refused);
        }
        match kind {
            nal::VPS => {
                let id = nal::vps_id(set).ok_or(Refused)?;
                self.vps.insert(id, set.to_vec());
            }
            nal::SPS => {
                let read = Sequence::read(set).ok_or(Refused)?;
                self.pps.retain(|_, (sps_id, _)| *sps_id != read.id);
                self.sps.insert(read.id, (read.vps_id, set.to_vec()));
            }
            _ => {
                let (id, sps_id) = nal::pps_ids(set).ok_or(Refused)?;
                if self.pps.len() >= MAX_PPS && !self.pps.contains_key(&id) {
                    return Err(Refused);
                }
                self.pps.insert(id, (sps_id, set.to_vec()));
            }
        }
        self.changed = true;
        Ok(())
    }

    /// The common case is a repetition before each key frame.
    fn is_known(&self, kind: u8, set: &[u8]) -> bool {
        let is_among = |sets: &BTreeMap<u8, (u8, Vec<u8>)>| sets.values().any(|(_, s)| s == set);
        match kind {
            nal::VPS => self.vps.values().any(|known| known == set),
            nal::SPS => is_among(&self.sps),
            _ => is_among(&self.pps),
        }
    }

    /// The configuration for a key frame whose slices use the PPS `pps_id`.
    pub(super) fn activate(&mut self, pps_id: u8) -> Option<VideoConfig> {
        let sps_id = self.pps.get(&pps_id)?.0;
        if self.changed || self.active.as_ref().is_none_or(|a| a.sps_id != sps_id) {
            let config = self.config(sps_id)?;
            self.active = Some(Active { sps_id, config });
            self.changed = false;
        }
        self.active.as_ref().map(|active| active.config.clone())
    }

    /// True if a picture between two key frames that uses the PPS `pps_id` can be decoded by the
    /// active configuration.
    pub(super) fn is_still_active(&mut self, pps_id: u8) -> bool {
        let Some(active) = &self.active else {
            return false;
        };
        if self.changed {
            let sps_id = self.pps.get(&pps_id).map(|(sps_id, _)| *sps_id);
            let config = sps_id.and_then(|sps_id| self.config(sps_id));
            if config.as_ref() != Some(&active.config) {
                return false;
            }
            self.changed = false;
        }
        true
    }

    fn config(&self, sps_id: u8) -> Option<VideoConfig> {
        let (vps_id, sps) = self.sps.get(&sps_id)?;
        let pps = self.pps.values().filter(|(of, _)| *of == sps_id);
        let pps: Vec<&[u8]> = pps.map(|(_, pps)| pps.as_slice()).collect();
        let vps = self.vps.get(vps_id)?;
        Sets {
            vps,
            sps,
            pps: &pps,
        }
        .config()
    }
}

/// PPSs that are held, as for H.264: encoders use one or a few of the 64 that there may be.
const MAX_PPS: usize = 32;
/// Bytes in a parameter set. Real ones have 10 to 200; the record's lengths are 16 bits wide.
pub(super) const MAX_PARAMETER_SET: usize = 2_048;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{H265_PPS, H265_SPS_640X360, H265_SPS_MAIN10_1080, H265_VPS};

    fn with_sets() -> ParameterSets {
        let mut sets = ParameterSets::default();
        for (kind, set) in [
            (nal::VPS, H265_VPS),
            (nal::SPS, H265_SPS_640X360),
            (nal::PPS, H265_PPS),
        ] {
            assert_eq!(sets.handle(kind, set), Ok(()));
        }
        sets
    }

    #[test]
    fn repeated_sets_keep_the_same_configuration() {
        let mut sets = with_sets();
        let first = sets.activate(0).expect("all sets are there");
        assert_eq!(sets.handle(nal::SPS, H265_SPS_640X360), Ok(()));
        assert_eq!(sets.handle(nal::PPS, &[H265_PPS, &[0, 0]].concat()), Ok(()));
        assert!(!sets.changed);
        assert!(sets.is_still_active(0));
        assert_eq!(sets.activate(0), Some(first));
    }

    #[test]
    fn a_different_sps_needs_its_pps_again() {
        let mut sets = with_sets();
        assert!(sets.activate(0).is_some());
        assert_eq!(sets.handle(nal::SPS, H265_SPS_MAIN10_1080), Ok(()));
        assert!(sets.activate(0).is_none());
        assert!(!sets.is_still_active(0));
        assert_eq!(sets.handle(nal::PPS, H265_PPS), Ok(()));
        assert!(!sets.is_still_active(0), "another size needs a key frame");
        let second = sets.activate(0).expect("all sets are there again");
        assert_eq!(second.width(), 1_920);
    }

    #[test]
    fn each_of_the_three_is_needed() {
        let all = [
            (nal::VPS, H265_VPS),
            (nal::SPS, H265_SPS_640X360),
            (nal::PPS, H265_PPS),
        ];
        for left_out in 0..3 {
            let mut sets = ParameterSets::default();
            for (_, (kind, set)) in all.iter().enumerate().filter(|(at, _)| *at != left_out) {
                assert_eq!(sets.handle(*kind, set), Ok(()));
            }
            assert_eq!(sets.activate(0), None, "{left_out}");
            assert!(!sets.is_still_active(0));
        }
        for kind in [nal::VPS, nal::SPS, nal::PPS] {
            assert_eq!(ParameterSets::default().handle(kind, &[0x40]), Err(Refused));
        }
    }

    #[test]
    fn number_and_length_are_bounded() {
        let mut sets = with_sets();
        // ue(id) for ids 1 to 62, ue(0), then a one.
        let pps = |id: u16| {
            let bits = (u32::from(id) + 1) << 2 | 0b11;
            let length = 2 * (16 - (id + 1).leading_zeros()) - 1 + 2;
            [&[0x44, 0x01][..], &(bits << (32 - length)).to_be_bytes()].concat()
        };
        let refused = (1..=62).filter(|id| sets.handle(nal::PPS, &pps(*id)).is_err());
        assert_eq!(refused.count(), 62 - (MAX_PPS - 1));
        assert_eq!(sets.pps.len(), MAX_PPS);
        for kind in [nal::VPS, nal::SPS, nal::PPS] {
            let long = [&[0x40, 0x01][..], &[0x55; MAX_PARAMETER_SET - 1]].concat();
            assert_eq!(sets.handle(kind, &long), Err(Refused));
        }
        let fits = [&[0x40, 0x01][..], &[0x55; MAX_PARAMETER_SET - 2]].concat();
        assert_eq!(sets.handle(nal::VPS, &fits), Ok(()));
    }
}
