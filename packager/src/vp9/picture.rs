//! One VP9 picture out of its payloads.

use bytes::{BufMut, BytesMut};

use super::descriptor::Descriptor;
use super::header::Header;
use crate::video::{Coded, DepacketizerCounters, Doom, Payloads};

/// The frame of the lowest spatial layer. Those above it are left out: a picture with several of
/// them is several shown frames of different sizes, and an fMP4 sample has one.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    frame: BytesMut,
    has_begun: bool,
    has_ended: bool,
}

impl Payloads for Picture {
    type Memory = ();

    fn starts_picture(payload: &[u8]) -> bool {
        Descriptor::read(payload).is_some_and(|(read, _)| read.starts_frame && read.spatial == 0)
    }

    fn handle_payload(
        &mut self,
        payload: &[u8],
        (): &mut (),
        max: usize,
        counters: &mut DepacketizerCounters,
    ) -> Result<(), Doom> {
        let (read, data) = Descriptor::read(payload).ok_or(Doom::Malformed)?;
        if read.spatial > 0 {
            counters.layer_packets += 1;
            return Ok(());
        }
        if data.is_empty() || self.has_ended || read.starts_frame == self.has_begun {
            return Err(Doom::Malformed);
        }
        if self.frame.len() + data.len() > max {
            return Err(Doom::TooLarge);
        }
        self.has_begun = true;
        self.has_ended = read.ends_frame;
        self.frame.put_slice(data);
        Ok(())
    }

    fn finish(
        self,
        (): &mut (),
        _: bool,
        _: &mut DepacketizerCounters,
    ) -> Result<Option<Coded>, Doom> {
        if !self.has_begun {
            // Higher layers alone.
            return Ok(None);
        }
        if !self.has_ended {
            return Err(Doom::Malformed);
        }
        let starts = match Header::read(&self.frame).ok_or(Doom::Malformed)? {
            Header::Key(config) => Some(config),
            Header::Inter => None,
        };
        Ok(Some(Coded {
            data: self.frame.freeze(),
            starts,
        }))
    }
}

#[cfg(test)]
mod tests;
