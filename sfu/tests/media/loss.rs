//! What a viewer sees of a stream that crosses a lossy network.
//!
//! The bounds have a margin above the worst of 25 seeds for each cell.

use std::time::Duration;

use crate::cell::{Cell, Figures, Pattern, Receiver, Side};

/// A minute with a round trip of 100 ms: the worst of two seeds.
fn worst(side: Side, pattern: Pattern, loss: u8) -> Figures {
    let [one, other] = [1, 2].map(|seed| {
        let cell = Cell {
            side,
            receiver: Receiver::Viewer,
            pattern,
            loss,
            rtt: Duration::from_millis(100),
            seed,
            time: Duration::from_secs(60),
        };
        cell.run()
    });
    one.worst(other)
}

#[test]
fn without_loss_nothing_freezes_or_is_sent_again() {
    let cell = Cell {
        side: Side::Subscriber,
        receiver: Receiver::Page,
        pattern: Pattern::Random,
        loss: 0,
        rtt: Duration::from_millis(100),
        seed: 1,
        time: Duration::from_secs(60),
    };
    let figures = cell.run();
    assert_eq!((figures.freezes, figures.keyframes), (0, 0));
    assert!(figures.frozen == 0.0 && figures.whole > 99.8);
    assert!(figures.p95 <= Duration::from_millis(5), "{figures:?}");
    assert!(figures.repair < 5.0, "{figures:?}");
}

#[test]
fn a_fifth_lost_on_either_side_is_repaired() {
    for side in [Side::Publisher, Side::Subscriber] {
        let figures = worst(side, Pattern::Random, 20);
        assert!(figures.frozen < 9.0 && figures.whole > 99.0, "{figures:?}");
        assert!(figures.p50 < Duration::from_millis(180), "{figures:?}");
        assert!(figures.p95 < Duration::from_millis(350), "{figures:?}");
        assert!(figures.repair < 50.0, "{figures:?}");
    }
}

#[test]
fn bursts_of_a_twentieth_are_repaired_on_either_side() {
    for side in [Side::Publisher, Side::Subscriber] {
        let figures = worst(side, Pattern::Bursts, 5);
        assert!(figures.frozen < 9.0 && figures.whole > 99.0, "{figures:?}");
        assert!(figures.repair < 15.0, "{figures:?}");
    }
}
