//! Reorder and timeline under any packets and reports.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::input::Input;
use crate::patience::Waits;
use crate::reorder::{Ordered, Reorder, ReorderConfig};
use crate::rtp::{MediaKind, RtpPacket, SenderReport, Tracks};
use crate::timeline::{Timeline, TimelineConfig};

/// Order and bounds of the reorder buffer hold, and media time neither goes
/// back nor runs away.
pub fn reorder_and_timeline(data: &[u8]) {
    let mut input = Input(data);
    let limits = ReorderConfig {
        max_packets: 8,
        waits: Waits::fixed(Duration::from_millis(40)),
    };
    let mut reorder = [Reorder::new(limits), Reorder::new(limits)];
    let mut timeline = Timeline::new(TimelineConfig::default(), Tracks::BOTH);
    let start = Instant::now();
    let mut now = start;
    let (mut seqs, mut clocks) = ([0u64; 2], [input.u32(), input.u32()]);
    let mut newest = [None::<u32>; 2];
    let mut latest = [None; 2];
    let mut last = [None; 2];
    let mut publishers = 1;
    while !input.is_empty() {
        let action = input.byte();
        let index = usize::from(action & 1);
        let kind = [MediaKind::Audio, MediaKind::Video][index];
        now += Duration::from_millis(match action >> 5 {
            7 => u64::from(input.u16()),
            few => u64::from(few) * 7,
        });
        match (action >> 1) & 0x0f {
            0 => {
                timeline.republish(Tracks::BOTH);
                publishers += 1;
                newest = [None; 2];
            }
            1 => timeline.handle_timeout(now),
            2 => {
                let report = SenderReport {
                    ntp: input.u64(),
                    rtp_time: clocks[index],
                    received: now,
                };
                timeline.handle_sender_report(kind, &report);
            }
            3 => clocks[index] = input.u32(),
            4 => seqs[index] = input.u64(),
            5 => seqs[index] = seqs[index].saturating_sub(u64::from(input.byte())),
            choice => {
                seqs[index] = seqs[index].saturating_add(if choice == 6 { 2 } else { 1 });
                clocks[index] = clocks[index].wrapping_add(u32::from(input.byte()) * 32);
                let packet = RtpPacket {
                    seq: seqs[index],
                    time: clocks[index],
                    marker: false,
                    payload: Arc::from([]),
                    received: now,
                };
                timeline.handle_rtp(kind, packet.time, now);
                let _ = reorder[index].push(packet);
            }
        }
        while let Some(ordered) = reorder[index].pop(now) {
            let Ordered::Packet(packet) = ordered else {
                last[index] = None;
                continue;
            };
            assert!(last[index] < Some(packet.seq), "out of order");
            last[index] = Some(packet.seq);
            let Some(media) = timeline.media_time(kind, packet.time) else {
                continue;
            };
            // RTP time that goes back a little is a picture out of order.
            let is_back =
                newest[index].is_some_and(|newest| (packet.time.wrapping_sub(newest) as i32) < 0);
            assert!(
                is_back || Some(media) >= latest[index],
                "{media} after {latest:?}"
            );
            if !is_back {
                newest[index] = Some(packet.time);
            }
            latest[index] = latest[index].max(Some(media));
            // A clock may be taken for 3 s ahead, again and again by new publishers.
            let most = (now - start) * 2 + Duration::from_secs(10) * publishers;
            assert!(media.as_duration() <= most, "{media} ran away");
        }
        assert!(reorder[index].len() < 8);
    }
}
