//! What forwarding one packet to one subscriber costs the media core, without
//! sockets: decryption of the publisher's packet, rewriting, encryption,
//! retransmission cache, feedback of the subscribers, all included.

#![allow(missing_docs, reason = "criterion's macros make the public items")]
#![allow(clippy::unwrap_used, reason = "a benchmark ends at the first surprise")]

mod rig;

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rig::{Load, Rig};
use str0m::media::MediaKind;

const AUDIO: Load = Load {
    kind: MediaKind::Audio,
    payload: 160,
    burst: 1,
    interval: Duration::from_millis(20),
};

const VIDEO: Load = Load {
    kind: MediaKind::Video,
    payload: 1_200,
    burst: 7,
    interval: Duration::from_micros(33_333),
};

fn fan_out(c: &mut Criterion) {
    // A test run checks that the benchmark works, not how fast it is.
    let is_measured = std::env::args().any(|arg| arg == "--bench");
    let is_test = std::env::args().any(|arg| arg == "--test") || !is_measured;
    let sizes: &[usize] = if is_test { &[1, 5] } else { &[1, 50, 500] };
    let mut group =
        c.benchmark_group("What does the core pay to forward one packet to one of N subscribers?");
    group
        .throughput(Throughput::Elements(1))
        .sample_size(10)
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2));
    for (name, load) in [("160 B, alone", AUDIO), ("1200 B, 7 a frame", VIDEO)] {
        for &subscribers in sizes {
            let mut rig = Rig::new(load, subscribers);
            group.bench_function(BenchmarkId::new(name, subscribers), |b| {
                b.iter_custom(|packets| rig.run(packets));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, fan_out);
criterion_main!(benches);
