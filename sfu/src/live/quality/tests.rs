//! Grades of paths on virtual time.

use super::*;

const SECOND: Duration = Duration::from_secs(1);

struct Net {
    qualities: Qualities,
    now: Instant,
    told: Vec<NetworkQuality>,
}

fn figures(rtt: u64, percent: f32, jitter: u64) -> Figures {
    Figures {
        rtt: Some(millis(rtt)),
        loss: Some(percent / 100.0),
        jitter: Some(millis(jitter)),
    }
}

const ANNA: ConnectionId = ConnectionId(1);

impl Net {
    fn new(paths: &[Path]) -> Self {
        let mut net = Self {
            qualities: Qualities::new(10),
            now: Instant::now(),
            told: Vec::new(),
        };
        for path in paths {
            assert!(net.qualities.open(net.now, ANNA, *path));
        }
        net
    }

    /// Figures of the path every second.
    fn run(&mut self, seconds: u32, path: Path, figures: Option<Figures>) {
        for _ in 0..seconds {
            if let Some(figures) = figures {
                self.qualities.handle_figures(self.now, ANNA, path, figures);
            }
            self.now += SECOND;
            self.qualities.handle_timeout(self.now);
            while let Some((_, quality)) = self.qualities.poll_output() {
                self.told.push(quality);
            }
        }
    }

    fn up(&self) -> u8 {
        self.told.last().unwrap().uplink_network_quality.into()
    }

    fn ups(&mut self) -> Vec<u8> {
        self.told
            .drain(..)
            .map(|q| q.uplink_network_quality.into())
            .collect()
    }
}

#[test]
fn a_connection_with_media_is_told_every_two_seconds() {
    let mut net = Net::new(&[Path::Up]);
    assert_eq!(net.qualities.next_timeout(), Some(net.now + INTERVAL));
    net.run(10, Path::Up, Some(figures(40, 0.0, 5)));
    assert_eq!(net.told.len(), 5);
    assert_eq!(
        net.told[4],
        NetworkQuality {
            uplink_network_quality: Quality::Excellent,
            uplink_rtt: 40,
            ..NetworkQuality::default()
        }
    );
    net.qualities.close(ANNA, Path::Up);
    assert_eq!(net.qualities.next_timeout(), None);
    assert!(net.qualities.links.is_empty());
}

#[test]
fn each_figure_alone_can_lower_the_grade() {
    for (rtt, percent, jitter, grade) in [
        (100, 1.0, 20, 1),
        (101, 0.0, 0, 2),
        (0, 1.1, 0, 2),
        (0, 0.0, 21, 2),
        (300, 0.0, 0, 3),
        (0, 8.0, 0, 3),
        (0, 0.0, 150, 4),
        (500, 0.0, 0, 4),
        (900, 0.0, 0, 5),
        (0, 50.0, 0, 5),
        (0, 0.0, 400, 5),
        (0, 95.0, 0, 6),
    ] {
        let mut net = Net::new(&[Path::Up]);
        net.run(2, Path::Up, Some(figures(rtt, percent, jitter)));
        assert_eq!(net.up(), grade, "{rtt} ms, {percent} %, {jitter} ms");
    }
}

#[test]
fn what_is_not_measured_does_not_count() {
    let mut net = Net::new(&[Path::Up, Path::Down]);
    let loss = Figures {
        loss: Some(0.05),
        ..Figures::default()
    };
    net.run(2, Path::Down, Some(loss));
    let told = net.told[0];
    assert_eq!(told.downlink_network_quality, Quality::Fair);
    assert_eq!((told.downlink_loss, told.downlink_rtt), (5, 0));
    assert_eq!(told.uplink_network_quality, Quality::Unknown);
    let garbage = Figures {
        loss: Some(f32::NAN),
        ..Figures::default()
    };
    net.run(2, Path::Down, Some(garbage));
    assert_eq!(net.told[1].downlink_loss, 5);
}

#[test]
fn one_bad_report_weighs_less_than_a_lasting_one() {
    let mut net = Net::new(&[Path::Up]);
    net.run(4, Path::Up, Some(figures(50, 0.0, 5)));
    net.run(1, Path::Up, Some(figures(50, 15.0, 5)));
    net.run(1, Path::Up, Some(figures(50, 0.0, 5)));
    assert_eq!(net.up(), 3);
    net.run(6, Path::Up, Some(figures(50, 15.0, 5)));
    assert_eq!(net.up(), 4);
}

#[test]
fn it_gets_worse_at_once_and_better_step_by_step() {
    let mut net = Net::new(&[Path::Up]);
    net.run(2, Path::Up, Some(figures(20, 0.0, 5)));
    net.run(6, Path::Up, Some(figures(2_000, 40.0, 300)));
    assert_eq!(net.ups(), [1, 5, 5, 5]);
    net.run(20, Path::Up, Some(figures(20, 0.0, 5)));
    let ups = net.ups();
    assert!(ups.windows(2).all(|w| w[0] - w[1] <= 1), "{ups:?}");
    assert_eq!((ups[0], *ups.last().unwrap()), (4, 1), "{ups:?}");
}

#[test]
fn an_open_path_that_is_silent_is_down_and_comes_back() {
    let mut net = Net::new(&[Path::Up]);
    net.run(4, Path::Up, None);
    assert_eq!(net.ups(), [0, 0]);
    net.run(2, Path::Up, None);
    assert_eq!(net.ups(), [6]);
    net.run(2, Path::Up, Some(figures(20, 0.0, 5)));
    assert_eq!(net.up(), 5);
    net.run(8, Path::Up, Some(figures(20, 0.0, 5)));
    assert_eq!(net.up(), 1);
    net.run(8, Path::Up, None);
    assert_eq!(net.up(), 6);
}

#[test]
fn a_path_that_is_opened_again_keeps_what_is_known() {
    let mut net = Net::new(&[Path::Up]);
    net.run(2, Path::Up, Some(figures(300, 0.0, 5)));
    net.qualities.open(net.now, ANNA, Path::Up);
    assert_eq!(net.qualities.of(ANNA), net.told.last().copied());
    net.run(2, Path::Up, None);
    assert_eq!(net.up(), 3);
}

#[test]
fn the_two_paths_are_apart() {
    let mut net = Net::new(&[Path::Up, Path::Down]);
    net.qualities
        .handle_figures(net.now, ANNA, Path::Up, figures(20, 0.0, 1));
    net.run(2, Path::Down, Some(figures(500, 10.0, 1)));
    let told = net.told[0];
    assert_eq!(u8::from(told.uplink_network_quality), 1);
    assert_eq!(u8::from(told.downlink_network_quality), 4);
    net.qualities.close(ANNA, Path::Down);
    net.run(2, Path::Down, Some(figures(500, 10.0, 1)));
    assert_eq!(net.told[1].downlink_network_quality, Quality::Unknown);
}

#[test]
fn the_report_has_the_documented_names() {
    let report = NetworkQuality {
        uplink_network_quality: Quality::Good,
        downlink_network_quality: Quality::Down,
        uplink_rtt: 120,
        uplink_loss: 2,
        downlink_rtt: 30,
        downlink_loss: 100,
    };
    let json = serde_json::to_value(report).unwrap();
    let expected = serde_json::json!({
        "uplinkNetworkQuality": 2,
        "downlinkNetworkQuality": 6,
        "uplinkRTT": 120,
        "uplinkLoss": 2,
        "downlinkRTT": 30,
        "downlinkLoss": 100,
    });
    assert_eq!(json, expected);
}

#[test]
fn connections_are_bounded_and_counted() {
    let mut qualities = Qualities::new(2);
    let now = Instant::now();
    let opened: Vec<_> = (0..3)
        .map(|n| qualities.open(now, ConnectionId(n), Path::Down))
        .collect();
    assert_eq!(opened, [true, true, false]);
    assert!(
        qualities.open(now, ConnectionId(0), Path::Up),
        "it is one of them"
    );
    assert_eq!(qualities.refused(), 1);
    qualities.handle_figures(now, ConnectionId(2), Path::Down, figures(1, 0.0, 1));
    assert_eq!(qualities.of(ConnectionId(2)), None);
    qualities.remove(ConnectionId(0));
    assert!(qualities.open(now, ConnectionId(2), Path::Down));
}

#[test]
fn a_late_timeout_makes_up_for_nothing() {
    let mut net = Net::new(&[Path::Up]);
    net.qualities.handle_timeout(net.now + SECOND * 9);
    let mut reports = 0;
    while net.qualities.poll_output().is_some() {
        reports += 1;
    }
    assert_eq!(reports, 1);
    assert_eq!(net.qualities.next_timeout(), Some(net.now + SECOND * 11));
}
