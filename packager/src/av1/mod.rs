//! AV1: RTP payloads to temporal units (RTP Payload Format For AV1, AOMedia), and what a decoder
//! must know before the first one.

mod obu;
mod sequence;
mod unit;

pub(crate) use sequence::{read_configuration_record, read_unit};
pub(crate) use unit::TemporalUnit;
