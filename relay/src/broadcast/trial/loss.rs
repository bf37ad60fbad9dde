//! Loss: what is waited for, what that costs, and what is dropped.

use super::link::Loss;
use super::*;

/// What a minute over one way gave.
struct Minute {
    /// Media time without new pictures, beyond 300 ms a piece, in milliseconds.
    frozen: f64,
    /// Median and 95th of a hundred of the delay from capture to FLV, in milliseconds.
    delay: (f64, f64),
    recovered: u64,
    waited: f64,
}

fn minute(round_trip_ms: u64, loss: Loss) -> Minute {
    let way = Way {
        reordered: 0.005,
        ..Way::clean(round_trip_ms, 20).lossy(loss)
    };
    let mut trial = Trial::new(Habits::USUAL, way, 7);
    trial.run(60.0);
    let verdict = &trial.verdict;
    verdict.check();
    assert_eq!(verdict.holes, [], "sound goes on whatever is lost");
    let worst = verdict.worst(15.0, f64::MAX);
    assert!(worst.abs() < 10.0, "{worst} ms apart");
    let (median, most, _) = verdict.delay();
    let minute = Minute {
        frozen: verdict.frozen(),
        delay: (median, most),
        recovered: trial.metrics.recovered.with_label_values(&["video"]).get(),
        waited: trial.metrics.waited.with_label_values(&["video"]).get(),
    };
    println!(
        "{round_trip_ms} ms, {loss:?}: frozen {:.0} ms, delay {median:.0}/{most:.0} ms, {} of 1800 pictures, {} packets recovered, waited {:.1} s",
        minute.frozen, verdict.pictures, minute.recovered, minute.waited,
    );
    minute
}

#[test]
fn without_loss_nothing_waits_for_retransmissions() {
    for round_trip in [50, 300] {
        let minute = minute(round_trip, Loss::Random(0.0));
        assert_eq!(minute.frozen, 0.0);
        // 40 ms of encoding, the way, and the wait for the sound of the same time.
        let way = 40.0 + round_trip as f64 / 2.0;
        assert!(minute.delay.0 < way + 70.0, "{:?}", minute.delay);
        assert!(minute.delay.1 < way + 100.0, "{:?}", minute.delay);
    }
}

#[test]
fn what_is_sent_again_is_waited_for() {
    for (round_trip, loss, most_frozen) in [
        (50, Loss::Random(0.05), 600.0),
        (50, Loss::Bursts(0.05, 4.0), 1_200.0),
        (100, Loss::Random(0.05), 600.0),
        (300, Loss::Random(0.01), 1_200.0),
        (300, Loss::Random(0.05), 3_000.0),
    ] {
        let minute = minute(round_trip, loss);
        assert!(minute.frozen <= most_frozen, "{}", minute.frozen);
        assert!(minute.recovered > 20 && minute.waited > 0.5);
    }
}

#[test]
fn pictures_that_cannot_be_had_are_dropped_up_to_a_key_frame() {
    let minute = minute(100, Loss::Random(0.3));
    // The rules hold, and something comes through.
    assert!(minute.frozen > 1_000.0 && minute.frozen < 58_000.0);
}
