//! Transport stream packets (ISO/IEC 13818-1 section 2.4.3).

/// Length of a packet, and of what is behind its header.
pub(super) const PACKET: usize = 188;
const BODY: usize = PACKET - 4;

/// How many values the continuity counter has.
const COUNTS: usize = 16;

/// Adaptation field flags (table 2-6).
const RANDOM_ACCESS: u8 = 0x40;
const HAS_PCR: u8 = 0x10;

/// What stands in the adaptation field before a unit.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Front {
    /// The unit is a key frame.
    pub(super) is_random_access: bool,
    /// The clock, in ticks of 90 kHz, of which 33 bits count.
    pub(super) pcr: Option<u64>,
}

impl Front {
    /// Flags and what they announce, without the length before it.
    fn field(self) -> Vec<u8> {
        let mut field = Vec::with_capacity(8);
        if self.is_random_access || self.pcr.is_some() {
            field.push(if self.is_random_access {
                RANDOM_ACCESS
            } else {
                0
            });
        }
        if let Some(pcr) = self.pcr {
            field[0] |= HAS_PCR;
            // 33 bits of the base, 6 reserved, 9 of the extension.
            let bits = (pcr & TIME_MASK) << 15 | 0x3f << 9;
            field.extend(&bits.to_be_bytes()[2..]);
        }
        field
    }

    /// The bytes that it takes of the first packet.
    fn len(self) -> usize {
        match self.field().len() {
            0 => 0,
            field => 1 + field,
        }
    }
}

/// Time stamps and the clock have 33 bits.
pub(super) const TIME_MASK: u64 = (1 << 33) - 1;

/// How many packets a unit of `len` bytes takes.
pub(super) fn packets_of(len: usize, front: Front) -> usize {
    1 + len.saturating_sub(BODY - front.len()).div_ceil(BODY)
}

/// The packets that bring `packets` to the next multiple of sixteen.
pub(super) fn packets_short(packets: usize) -> usize {
    packets.next_multiple_of(COUNTS) - packets
}

/// Writes a section in one packet: a pointer field before it, stuffing behind it.
pub(super) fn write_section(out: &mut Vec<u8>, pid: u16, counter: u64, section: &[u8]) {
    let end = out.len() + PACKET;
    out.extend(header(pid, true, PAYLOAD, (counter % COUNTS as u64) as u8));
    out.push(0);
    out.extend(section);
    out.resize(end, 0xff);
}

/// The packets of one track in a segment.
#[derive(Debug)]
pub(super) struct Track {
    pid: u16,
    /// So far: the counter begins at 0 in every segment.
    packets: usize,
}

impl Track {
    pub(super) fn new(pid: u16) -> Self {
        Self { pid, packets: 0 }
    }

    /// How many packets with bytes of units there are.
    pub(super) fn packets(&self) -> usize {
        self.packets
    }

    /// Writes a unit in as many packets as asked for: at least [`packets_of`] it, and no more than it
    /// has bytes.
    pub(super) fn write(&mut self, out: &mut Vec<u8>, unit: &[u8], front: Front, packets: usize) {
        let mut rest = unit;
        let mut field = front.field();
        for index in 0..packets {
            let taken = if field.is_empty() { 0 } else { 1 + field.len() };
            // The others have one byte at least.
            let left = rest.len().saturating_sub(packets - 1 - index);
            let (now, later) = rest.split_at(left.min(BODY - taken));
            rest = later;
            let stuffing = BODY - taken - now.len();
            let has_field = taken + stuffing > 0;
            let control = if has_field { FIELD | PAYLOAD } else { PAYLOAD };
            let counter = (self.packets % COUNTS) as u8;
            out.extend(header(self.pid, index == 0, control, counter));
            if has_field {
                write_field(out, &field, BODY - now.len());
                field.clear();
            }
            out.extend(now);
            self.packets += 1;
        }
    }

    /// Writes a packet that has the clock and nothing else. Those do not count.
    pub(super) fn write_pcr(&self, out: &mut Vec<u8>, pcr: u64) {
        let counter = (self.packets + COUNTS - 1) % COUNTS;
        out.extend(header(self.pid, false, FIELD, counter as u8));
        let front = Front {
            is_random_access: false,
            pcr: Some(pcr),
        };
        write_field(out, &front.field(), BODY);
    }
}

/// `adaptation_field_control`: what a packet has behind its header.
const PAYLOAD: u8 = 0x10;
const FIELD: u8 = 0x20;

fn header(pid: u16, starts_unit: bool, control: u8, counter: u8) -> [u8; 4] {
    let [high, low] = pid.to_be_bytes();
    let start = if starts_unit { 0x40 } else { 0 };
    [0x47, start | high, low, control | counter]
}

/// An adaptation field of `len` bytes in all, stuffed where `field` is shorter.
fn write_field(out: &mut Vec<u8>, field: &[u8], len: usize) {
    let end = out.len() + len;
    out.push((len - 1) as u8);
    out.extend(field);
    // Stuffing stands behind the flags.
    if field.is_empty() && len > 1 {
        out.push(0);
    }
    out.resize(end, 0xff);
}
