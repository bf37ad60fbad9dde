use packager::hls::{Part, PlaylistConfig, Segment};
use std::time::SystemTime;

use super::*;

const MAX_LAG: MaxLag = MaxLag(Duration::from_secs(3));

/// A store that is given parts of 250 ms, eight a segment.
struct Parts {
    store: Store,
    /// Parts so far.
    count: u64,
    /// Of the segment under way.
    open: Vec<String>,
    init: u32,
}

impl Parts {
    fn new() -> Self {
        let config = PlaylistConfig {
            hold_back: packager::hls::HOLD_BACK,
            target: Duration::from_secs(2),
            part: Some(PART),
            window: 3,
        };
        let store = Store::new(config, "a".parse().unwrap(), "stamp".to_owned());
        store.push_init(init(0));
        Self {
            store,
            count: 0,
            open: Vec::new(),
            init: 0,
        }
    }

    /// Parts of which those begin with a key frame whose number, in parts, is a multiple of `gop`.
    fn push(&mut self, parts: u64, gop: u64) {
        for _ in 0..parts {
            if self.open.len() == 8 {
                self.end_segment();
            }
            let is_start = self.count.is_multiple_of(gop);
            let data = format!("{};", self.count);
            let part = Part {
                init: self.init,
                data: Bytes::from(data.clone()),
                start: MediaTime::ZERO.saturating_add(PART * self.count as u32),
                duration: PART,
                starts_segment: self.open.is_empty(),
                is_independent: is_start,
                is_start,
                discontinuity: false,
            };
            let wall = self.open.is_empty().then_some(SystemTime::UNIX_EPOCH);
            self.store.push_part(&part, wall);
            self.open.push(data);
            self.count += 1;
        }
    }

    fn end_segment(&mut self) {
        let parts = std::mem::take(&mut self.open);
        let lasts = PART * parts.len() as u32;
        self.store.push_segment(&Segment {
            init: self.init,
            data: Bytes::from(parts.concat()),
            start: MediaTime::ZERO.saturating_add(PART * self.count as u32 - lasts),
            duration: lasts,
            lasts,
            is_independent: true,
            pictures: 0,
            discontinuity: false,
        });
    }

    fn reconfigure(&mut self) {
        self.end_segment();
        self.init += 1;
        self.store.push_init(init(self.init));
    }

    /// Numbers of the parts that are there for a follower, how often it skipped, and how it is told to
    /// go on.
    fn read(&self, follower: &mut Follower) -> (Vec<u64>, usize, &'static str) {
        let (mut numbers, mut skips) = (Vec::new(), 0);
        loop {
            match self.store.follow(follower, MAX_LAG) {
                Next::Part { data, skipped, .. } => {
                    let text = std::str::from_utf8(&data).unwrap();
                    numbers.push(text.strip_suffix(';').unwrap().parse().unwrap());
                    skips += usize::from(skipped);
                }
                Next::Wait { skipped } => return (numbers, skips + usize::from(skipped), "wait"),
                Next::End => return (numbers, skips, "end"),
            }
        }
    }
}

const PART: Duration = Duration::from_millis(250);

fn init(version: u32) -> InitSection {
    InitSection {
        size: None,
        version,
        data: Bytes::from(format!("init {version}")),
        codecs: format!("codec {version}"),
        video: None,
        audio: None,
    }
}

fn newest() -> Follower {
    Follower::new(StartAt::Newest)
}

#[test]
fn a_viewer_begins_at_the_newest_part_that_starts_with_a_key_frame() {
    let mut parts = Parts::new();
    let mut viewer = newest();
    assert!(parts.store.opening().is_none());
    assert_eq!(parts.read(&mut viewer), (vec![], 0, "wait"));
    parts.push(11, 4);
    assert_eq!(parts.store.opening().unwrap().codecs, "codec 0");
    assert_eq!(parts.read(&mut viewer), (vec![8, 9, 10], 0, "wait"));
    // Each one as it comes, over the end of a segment.
    for number in 11..40 {
        parts.push(1, 4);
        assert_eq!(parts.read(&mut viewer), (vec![number], 0, "wait"));
    }
    parts.end_segment();
    assert_eq!(parts.read(&mut viewer), (vec![], 0, "wait"));
    parts.push(2, 4);
    assert_eq!(parts.read(&mut viewer), (vec![40, 41], 0, "wait"));
}

#[test]
fn nothing_is_begun_with_before_the_first_key_frame() {
    let mut parts = Parts::new();
    parts.count = 1;
    parts.push(6, 8);
    let mut viewer = newest();
    assert_eq!(parts.read(&mut viewer), (vec![], 0, "wait"));
    assert!(parts.store.opening().is_none());
    parts.push(3, 8);
    assert_eq!(parts.read(&mut viewer), (vec![8, 9], 0, "wait"));
}

#[test]
fn a_smooth_beginning_is_as_far_back_as_the_bound_allows() {
    let mut parts = Parts::new();
    parts.push(31, 4);
    let mut viewer = Follower::new(StartAt::Earlier);
    // Of 0, 4, … 28 the first that is no more than 3 s, twelve parts, before part 30.
    let (seen, skips, _) = parts.read(&mut viewer);
    assert_eq!((seen[0], *seen.last().unwrap(), skips), (20, 30, 0));
    // Where even the newest is older than that, it is the one.
    let mut parts = Parts::new();
    parts.push(20, 64);
    let seen = parts.read(&mut Follower::new(StartAt::Earlier)).0;
    assert_eq!(seen, (0..20).collect::<Vec<_>>());
}

#[test]
fn a_slow_viewer_skips_to_the_newest_start_and_no_sooner_than_at_the_bound() {
    let mut parts = Parts::new();
    parts.push(9, 8);
    let mut viewer = newest();
    assert_eq!(parts.read(&mut viewer).0, [8]);
    // The next one is twelve parts behind the newest one: 3 s.
    parts.push(13, 8);
    let (seen, skips, _) = parts.read(&mut viewer);
    assert_eq!((seen, skips), ((9..22).collect(), 0));
    parts.push(14, 8);
    assert_eq!(parts.read(&mut viewer), ((32..36).collect(), 1, "wait"));
}

#[test]
fn the_age_of_its_beginning_is_no_lag_until_a_viewer_has_caught_up() {
    let mut parts = Parts::new();
    parts.push(8, 8);
    let mut viewer = newest();
    let Next::Part { data, .. } = parts.store.follow(&mut viewer, MAX_LAG) else {
        panic!("the first part");
    };
    assert_eq!(data, "0;");
    // It began 7 parts behind, and may be 12 more behind part 20.
    parts.push(13, 8);
    let (seen, skips, _) = parts.read(&mut viewer);
    assert_eq!((seen[0], skips), (1, 0));
    parts.push(14, 8);
    assert_eq!(parts.read(&mut viewer).1, 1);
}

#[test]
fn where_no_key_frame_comes_a_slow_viewer_waits_for_the_next_one() {
    let mut parts = Parts::new();
    parts.push(4, 64);
    let mut viewer = newest();
    assert_eq!(parts.read(&mut viewer).0.len(), 4);
    // Twice the bound, as nothing newer would help.
    parts.push(25, 64);
    let (seen, skips, _) = parts.read(&mut viewer);
    assert_eq!((seen, skips), ((4..29).collect(), 0));
    parts.push(26, 64);
    assert_eq!(parts.read(&mut viewer), (vec![], 1, "wait"));
    parts.push(8, 64);
    assert_eq!(parts.read(&mut viewer), (vec![], 0, "wait"));
    parts.push(3, 64);
    assert_eq!(parts.read(&mut viewer), (vec![64, 65], 0, "wait"));
}

#[test]
fn what_is_gone_is_skipped() {
    let mut parts = Parts::new();
    parts.push(4, 8);
    let mut viewer = newest();
    parts.read(&mut viewer);
    parts.push(400, 8);
    assert!(parts.store.read().first() > 1);
    let (seen, skips, _) = parts.read(&mut viewer);
    assert_eq!((seen, skips), ((400..404).collect(), 1));
    // The same where no start is left.
    let mut parts = Parts::new();
    parts.push(4, u64::MAX);
    let mut viewer = newest();
    parts.read(&mut viewer);
    parts.push(400, u64::MAX);
    assert_eq!(parts.read(&mut viewer), (vec![], 1, "wait"));
    parts.push(1, 404);
    assert_eq!(parts.read(&mut viewer), (vec![404], 0, "wait"));
}

#[test]
fn an_initialization_section_is_told_once_and_again_when_it_changes() {
    let mut parts = Parts::new();
    let inits = |parts: &Parts, viewer: &mut Follower| {
        let mut seen = Vec::new();
        while let Next::Part { init, .. } = parts.store.follow(viewer, MAX_LAG) {
            seen.push(init.map(|init| init.version));
        }
        seen
    };
    parts.push(3, 1);
    let mut viewer = newest();
    assert_eq!(inits(&parts, &mut viewer), [Some(0)]);
    parts.push(1, 1);
    parts.reconfigure();
    // Nobody begins before a change that has come.
    assert_eq!(parts.store.opening().unwrap().version, 0);
    parts.push(2, 1);
    assert_eq!(inits(&parts, &mut viewer), [None, Some(1), None]);
    assert_eq!(parts.store.opening().unwrap().version, 1);
    let mut smooth = Follower::new(StartAt::Earlier);
    assert_eq!(inits(&parts, &mut smooth), [Some(1), None]);
}

#[test]
fn the_end_comes_behind_the_last_part() {
    let mut parts = Parts::new();
    parts.push(3, 8);
    parts.end_segment();
    let mut viewer = newest();
    parts.store.end();
    assert_eq!(parts.read(&mut viewer), (vec![0, 1, 2], 0, "end"));
    // A task that has failed ends no segment.
    let mut parts = Parts::new();
    parts.push(3, 8);
    let mut viewer = newest();
    assert_eq!(parts.read(&mut viewer).0.len(), 3);
    parts.store.end();
    assert_eq!(parts.read(&mut viewer), (vec![], 0, "end"));
}

#[test]
fn what_cannot_be_carried_ends_streams_and_later_ones_begin_behind_it() {
    let mut parts = Parts::new();
    parts.push(3, 1);
    let (mut early, mut late) = (newest(), newest());
    assert_eq!(parts.read(&mut early).2, "wait");
    parts.store.halt();
    assert_eq!(parts.read(&mut early), (vec![], 0, "end"));
    parts.store.resume();
    assert_eq!(parts.read(&mut late), (vec![], 0, "wait"));
    parts.end_segment();
    parts.push(2, 1);
    assert_eq!(parts.read(&mut late), (vec![4], 0, "wait"));
    // Without a halt nothing is taken back.
    parts.store.resume();
    assert_eq!(parts.read(&mut newest()).0, [4]);
}
