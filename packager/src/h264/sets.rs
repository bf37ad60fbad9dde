//! The parameter sets seen so far, and the configuration they make.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::{BadParameterSets, MAX_PARAMETER_SET, MAX_PPS, ParsedSps};
use super::nal::{self, PpsIds};
use crate::video::VideoConfig;

/// Parameter sets by id. Bounded: 32 SPS ids exist, and [`MAX_PPS`] PPSs of
/// [`MAX_PARAMETER_SET`] bytes are held.
#[derive(Debug, Default)]
pub(crate) struct ParameterSets {
    sps: BTreeMap<u8, Vec<u8>>,
    pps: BTreeMap<u8, (u8, Vec<u8>)>,
    active: Option<Arc<VideoConfig>>,
    /// The id of the SPS in `active`.
    active_sps: u8,
    /// The content has changed since `active` was made.
    changed: bool,
}

impl ParameterSets {
    /// Takes an SPS in. PPSs that refer to one of other content go with it.
    pub(crate) fn handle_sps(&mut self, sps: &[u8]) -> Result<(), BadParameterSets> {
        let sps = nal::trimmed(sps);
        // The common case, a repetition before each IDR, parses nothing.
        if self.sps.values().any(|known| known == sps) {
            return Ok(());
        }
        let id = ParsedSps::new(sps)?.id;
        self.pps.retain(|_, (sps_id, _)| *sps_id != id);
        self.sps.insert(id, sps.to_vec());
        self.changed = true;
        Ok(())
    }

    /// Takes a PPS in.
    pub(crate) fn handle_pps(&mut self, pps: &[u8]) -> Result<(), BadParameterSets> {
        let pps = nal::trimmed(pps);
        if self.pps.values().any(|(_, known)| known == pps) {
            return Ok(());
        }
        if pps.len() > MAX_PARAMETER_SET {
            return Err(BadParameterSets::TooLong { length: pps.len() });
        }
        let ids: PpsIds = nal::pps_ids(pps).ok_or(BadParameterSets::Pps { length: pps.len() })?;
        if self.pps.len() >= MAX_PPS && !self.pps.contains_key(&ids.pps) {
            return Err(BadParameterSets::PpsCount {
                count: self.pps.len() + 1,
            });
        }
        self.pps.insert(ids.pps, (ids.sps, pps.to_vec()));
        self.changed = true;
        Ok(())
    }

    /// The configuration for an IDR whose slices use the PPS `pps_id`: the one
    /// already active unless the content differs.
    pub(crate) fn activate(&mut self, pps_id: u8) -> Option<Arc<VideoConfig>> {
        let (sps_id, _) = self.pps.get(&pps_id)?;
        let sps_id = *sps_id;
        if let Some(active) = self.active.as_ref().filter(|_| !self.changed)
            && self.active_sps == sps_id
        {
            return Some(active.clone());
        }
        let config = self.config(sps_id)?;
        self.active_sps = sps_id;
        match &self.active {
            Some(active) if **active == config => {}
            _ => self.active = Some(Arc::new(config)),
        }
        self.changed = false;
        self.active.clone()
    }

    /// The active configuration, if a picture between two IDRs that uses the
    /// PPS `pps_id` can be decoded by it.
    pub(crate) fn still_active(&mut self, pps_id: u8) -> Option<Arc<VideoConfig>> {
        let active = self.active.clone()?;
        if self.changed {
            let (sps_id, _) = self.pps.get(&pps_id)?;
            if self.config(*sps_id)? != *active {
                return None;
            }
            self.changed = false;
        }
        Some(active)
    }

    fn config(&self, sps_id: u8) -> Option<VideoConfig> {
        let pps: Vec<&[u8]> = self
            .pps
            .values()
            .filter(|(of, _)| *of == sps_id)
            .map(|(_, pps)| pps.as_slice())
            .collect();
        VideoConfig::h264(self.sps.get(&sps_id)?, &pps).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_media::{PPS, SPS_320X180, SPS_640X360};

    fn with_sets() -> ParameterSets {
        let mut sets = ParameterSets::default();
        assert_eq!(sets.handle_sps(SPS_640X360), Ok(()));
        assert_eq!(sets.handle_pps(PPS), Ok(()));
        sets
    }

    #[test]
    fn repeated_sets_keep_the_same_configuration() {
        let mut sets = with_sets();
        let first = sets.activate(0).expect("both sets are there");
        assert_eq!(sets.handle_sps(SPS_640X360), Ok(()));
        assert_eq!(sets.handle_pps(PPS), Ok(()));
        assert!(Arc::ptr_eq(&first, &sets.activate(0).expect("still there")));
    }

    #[test]
    fn a_different_sps_needs_its_pps_again() {
        let mut sets = with_sets();
        let first = sets.activate(0).expect("both sets are there");
        assert_eq!(sets.handle_sps(SPS_320X180), Ok(()));
        assert!(sets.activate(0).is_none());
        assert_eq!(sets.handle_pps(PPS), Ok(()));
        let second = sets.activate(0).expect("both sets are there again");
        assert_ne!(first, second);
        assert_eq!(second.width(), 320);
    }

    #[test]
    fn going_away_and_back_between_two_idrs_changes_nothing() {
        let mut sets = with_sets();
        let first = sets.activate(0).expect("both sets are there");
        for sps in [SPS_320X180, SPS_640X360] {
            assert_eq!(sets.handle_sps(sps), Ok(()));
            assert_eq!(sets.handle_pps(PPS), Ok(()));
        }
        assert!(Arc::ptr_eq(
            &first,
            &sets.activate(0).expect("the same content")
        ));
    }

    #[test]
    fn a_new_pps_between_idrs_ends_the_configuration() {
        let mut sets = with_sets();
        assert!(sets.activate(0).is_some());
        assert!(sets.still_active(0).is_some());
        assert_eq!(sets.handle_pps(&[0x68, 0b0101_1111, 0x80]), Ok(()));
        assert!(sets.still_active(0).is_none());
    }

    #[test]
    fn the_number_of_pps_is_bounded() {
        let mut sets = with_sets();
        // ue(id) for ids 1 to 62, ue(0), then a one.
        let pps = |id: u16| {
            let bits = (u32::from(id) + 1) << 2 | 0b11;
            let length = 2 * (16 - (id + 1).leading_zeros()) - 1 + 2;
            [&[0x68][..], &(bits << (32 - length)).to_be_bytes()].concat()
        };
        let refused = (1..=62)
            .filter(|id| sets.handle_pps(&pps(*id)).is_err())
            .count();
        assert_eq!(refused, 62 - (MAX_PPS - 1));
        assert_eq!(sets.pps.len(), MAX_PPS);
    }

    #[test]
    fn nothing_is_active_without_sets() {
        let mut sets = ParameterSets::default();
        assert!(sets.activate(0).is_none());
        assert!(sets.still_active(0).is_none());
        assert!(sets.handle_pps(&[0x68]).is_err());
        assert!(sets.handle_sps(&[0x67, 1]).is_err());
    }
}
