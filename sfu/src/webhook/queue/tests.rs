//! On virtual time, with a back end that answers as each test wants.

use proptest::prelude::*;

use super::*;
use crate::live::RoomId;
use crate::webhook::notice::Place;

const MS: Duration = Duration::from_millis(1);
const SECOND: Duration = Duration::from_secs(1);

fn limits() -> Limits {
    Limits {
        entries: 100,
        bytes: 100_000,
        app_entries: 40,
        app_bytes: 40_000,
        in_flight: 2,
        retry_pause: 10 * SECOND,
        retry_for: 60 * SECOND,
    }
}

fn lane(app: u32, family: Family, room: u64) -> Lane {
    Lane {
        app: AppId(app),
        family,
        place: Place::Room(RoomId::number(room).unwrap()),
    }
}

fn room(app: u32, room: u64) -> Lane {
    lane(app, Family::Room, room)
}

/// A back end on virtual time: each try takes as long as `answer` says.
struct World {
    queue: Queue<u32>,
    start: Instant,
    now: Instant,
    under_way: Vec<(Instant, AttemptId, u32, bool)>,
    /// When which notice was tried, in ms since the start.
    log: Vec<(u128, u32)>,
    most: BTreeMap<(AppId, Family), usize>,
}

impl World {
    fn new(limits: Limits) -> Self {
        let now = Instant::now();
        Self {
            queue: Queue::new(limits),
            start: now,
            now,
            under_way: Vec::new(),
            log: Vec::new(),
            most: BTreeMap::new(),
        }
    }

    fn tell(&mut self, lane: Lane, packet: u32) -> Result<(), Full> {
        self.queue.tell(self.now, lane, 100, packet)
    }

    /// Starts all tries that there are.
    fn start(&mut self, answer: &mut impl FnMut(u32, u128) -> (Duration, bool)) {
        while let Some(attempt) = self.queue.poll_attempt() {
            let at = (self.now - self.start).as_millis();
            self.log.push((at, attempt.packet));
            let (takes, success) = answer(attempt.packet, at);
            let end = self.now + takes;
            self.under_way
                .push((end, attempt.id, attempt.packet, success));
            let key = (attempt.lane.app, attempt.lane.family);
            let lanes = self.queue.in_flight.values();
            let now = lanes.filter(|l| (l.app, l.family) == key).count();
            let most = self.most.entry(key).or_default();
            *most = now.max(*most);
        }
    }

    /// Runs until nothing is left, or for 2 hours.
    fn run(&mut self, mut answer: impl FnMut(u32, u128) -> (Duration, bool)) {
        let end = self.now + 7_200 * SECOND;
        loop {
            self.start(&mut answer);
            let ends = self.under_way.iter().map(|(at, ..)| *at).min();
            let next = [ends, self.queue.next_timeout()]
                .into_iter()
                .flatten()
                .min();
            let Some(next) = next.filter(|next| *next <= end) else {
                return;
            };
            self.now = next.max(self.now);
            self.queue.handle_timeout(self.now);
            let (over, rest) = std::mem::take(&mut self.under_way)
                .into_iter()
                .partition(|(at, ..)| *at <= self.now);
            self.under_way = rest;
            let over: Vec<(Instant, AttemptId, u32, bool)> = over;
            for (_, id, _, success) in over {
                self.queue.handle_result(self.now, id, success);
            }
        }
    }

    fn tries_of(&self, packet: u32) -> Vec<u128> {
        let tries = self.log.iter().filter(|(_, p)| *p == packet);
        tries.map(|(at, _)| *at).collect()
    }

    fn assert_nothing_left(&self) {
        assert!(self.queue.is_idle(), "{:?}", self.queue);
        assert!(self.queue.apps.is_empty() && self.queue.lanes.is_empty());
        assert!(self.queue.families.is_empty() && self.queue.in_flight.is_empty());
        assert_eq!(self.queue.bytes(), 0);
    }
}

fn works(_: u32, _: u128) -> (Duration, bool) {
    (MS, true)
}

fn hangs(_: u32, _: u128) -> (Duration, bool) {
    (5 * SECOND, false)
}

fn refuses(_: u32, _: u128) -> (Duration, bool) {
    (MS, false)
}

#[test]
fn a_failure_is_tried_again_at_once_then_every_ten_seconds_for_a_minute() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 7).unwrap();
    world.run(refuses);
    let at: Vec<u128> = world.tries_of(7);
    assert_eq!(at, [0, 1, 10_002, 20_003, 30_004, 40_005, 50_006]);
    let counts = world.queue.counts();
    assert_eq!(
        (counts.given_up, counts.retried, counts.delivered),
        (1, 6, 0)
    );
    world.assert_nothing_left();
}

#[test]
fn an_end_point_that_hangs_costs_its_time_out_at_each_try() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 7).unwrap();
    world.run(hangs);
    assert_eq!(world.tries_of(7), [0, 5_000, 20_000, 35_000, 50_000]);
    assert_eq!(world.queue.counts().given_up, 1);
}

#[test]
fn a_retry_that_works_ends_it() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 7).unwrap();
    world.run(|_, at| (MS, at > 15_000));
    assert_eq!(world.tries_of(7), [0, 1, 10_002, 20_003]);
    let counts = world.queue.counts();
    assert_eq!((counts.delivered, counts.given_up), (1, 0));
    world.assert_nothing_left();
}

#[test]
fn a_lane_keeps_its_order_through_failures() {
    let mut world = World::new(limits());
    for packet in 0..5 {
        world.tell(room(1, 1), packet).unwrap();
    }
    let mut failures = 0;
    let mut delivered = Vec::new();
    world.run(|packet, _| {
        let fails = packet == 2 && failures < 3;
        failures += u32::from(fails);
        if !fails {
            delivered.push(packet);
        }
        (MS, !fails)
    });
    assert_eq!(delivered, [0, 1, 2, 3, 4]);
    assert_eq!(world.most[&(AppId(1), Family::Room)], 1, "one under way");
}

#[test]
fn what_waited_behind_a_dead_one_is_tried_twice_and_not_for_another_minute() {
    let mut world = World::new(limits());
    for packet in 0..3 {
        world.tell(room(1, 1), packet).unwrap();
    }
    world.run(refuses);
    assert_eq!(world.tries_of(0).len(), 7);
    assert_eq!(world.tries_of(1).len(), 2);
    assert_eq!(world.tries_of(2).len(), 2);
    assert!(world.now - world.start < 61 * SECOND);
    assert_eq!(world.queue.counts().given_up, 3);
}

#[test]
fn a_dead_end_point_delays_neither_other_apps_nor_other_families() {
    let mut world = World::new(limits());
    for n in 1..=10 {
        world.tell(room(1, n), 1).unwrap();
    }
    world.tell(lane(1, Family::Stream, 1), 2).unwrap();
    world.tell(room(2, 1), 3).unwrap();
    world.run(|packet, at| match packet {
        1 => hangs(packet, at),
        _ => works(packet, at),
    });
    assert_eq!(world.tries_of(2), [0]);
    assert_eq!(world.tries_of(3), [0]);
    assert_eq!(world.most[&(AppId(1), Family::Room)], 2);
    world.assert_nothing_left();
}

#[test]
fn rooms_of_one_app_take_turns() {
    let mut world = World::new(Limits {
        in_flight: 1,
        ..limits()
    });
    for packet in 0..3 {
        world.tell(room(1, 1), packet).unwrap();
    }
    world.tell(room(1, 2), 10).unwrap();
    world.run(works);
    let order: Vec<u32> = world.log.iter().map(|(_, packet)| *packet).collect();
    assert_eq!(order, [0, 10, 1, 2]);
}

#[test]
fn an_app_is_refused_above_its_share_and_all_above_theirs() {
    let mut world = World::new(limits());
    for n in 0..40 {
        assert_eq!(world.tell(room(1, 1), n), Ok(()));
    }
    assert_eq!(world.tell(room(1, 2), 0), Err(Full::App));
    for n in 0..40 {
        assert_eq!(world.tell(room(2, 1), n), Ok(()));
    }
    for n in 0..20 {
        assert_eq!(world.tell(room(3, 1), n), Ok(()));
    }
    assert_eq!(world.tell(room(3, 1), 0), Err(Full::All));
    assert_eq!(world.queue.len(), 100);
    let counts = world.queue.counts();
    assert_eq!((counts.refused_app, counts.refused_all), (1, 1));
    world.run(works);
    assert_eq!(world.queue.counts().delivered, 100);
    world.assert_nothing_left();
    assert_eq!(world.tell(room(1, 2), 0), Ok(()), "there is room again");
}

#[test]
fn bytes_are_bounded_too() {
    let now = Instant::now();
    let mut queue = Queue::new(limits());
    assert_eq!(queue.tell(now, room(1, 1), 40_000, 0), Ok(()));
    assert_eq!(queue.tell(now, room(1, 1), 1, 0), Err(Full::App));
    assert_eq!(queue.tell(now, room(2, 1), 40_001, 0), Err(Full::App));
    assert_eq!(queue.tell(now, room(2, 1), 40_000, 0), Ok(()));
    assert_eq!(queue.tell(now, room(3, 1), 20_001, 0), Err(Full::All));
    assert_eq!(queue.tell(now, room(3, 1), usize::MAX, 0), Err(Full::App));
}

#[test]
fn talk_leaves_a_quarter_for_beginnings_and_ends() {
    let mut world = World::new(limits());
    for n in 0..30 {
        assert_eq!(world.tell(lane(1, Family::Chat, 1), n), Ok(()));
    }
    assert_eq!(world.tell(lane(1, Family::Chat, 1), 30), Err(Full::App));
    assert_eq!(world.tell(lane(1, Family::Stream, 1), 31), Ok(()));
}

#[test]
fn at_the_end_everything_has_its_tries_at_once() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 1).unwrap();
    world.tell(room(1, 1), 2).unwrap();
    world.start(&mut refuses);
    world.queue.close();
    world.tell(lane(1, Family::Stream, 1), 3).unwrap();
    world.run(refuses);
    assert!(world.now - world.start < SECOND);
    for packet in [1, 2, 3] {
        assert_eq!(world.tries_of(packet).len(), 2, "{packet}");
    }
    assert_eq!(world.queue.counts().given_up, 3);
    world.assert_nothing_left();
}

#[test]
fn a_pause_ends_with_the_server() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 1).unwrap();
    for _ in 0..2 {
        let attempt = world.queue.poll_attempt().unwrap();
        world.queue.handle_result(world.now, attempt.id, false);
    }
    assert_eq!(world.queue.poll_attempt(), None);
    world.queue.close();
    let attempt = world.queue.poll_attempt().expect("its last try");
    world.queue.handle_result(world.now, attempt.id, false);
    world.assert_nothing_left();
}

#[test]
fn what_is_cleared_is_given_up_and_late_results_change_nothing() {
    let mut world = World::new(limits());
    world.tell(room(1, 1), 1).unwrap();
    world.tell(room(2, 1), 2).unwrap();
    let attempt = world.queue.poll_attempt().unwrap();
    world.queue.clear();
    assert_eq!(world.queue.counts().given_up, 2);
    world.tell(room(1, 1), 3).unwrap();
    world.queue.handle_result(world.now, attempt.id, true);
    assert_eq!(world.queue.counts().delivered, 0);
    world.run(works);
    world.assert_nothing_left();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever fails and however long it takes: each lane is in order, no more than its places
    /// are under way, and every notice ends in exactly one count.
    #[test]
    fn nothing_is_lost_or_reordered(
        told in prop::collection::vec((1_u32..4, 0_usize..4, 1_u64..4), 1..60),
        answers in prop::collection::vec((1_u64..6_000, any::<bool>()), 1..40),
    ) {
        let mut world = World::new(limits());
        let mut lanes = Vec::new();
        let mut refused = 0;
        for (index, (app, family, room)) in told.iter().enumerate() {
            let lane = lane(*app, Family::ALL[*family], *room);
            lanes.push(lane.clone());
            refused += u64::from(world.tell(lane, index as u32).is_err());
        }
        let mut turn = 0;
        let mut delivered: Vec<u32> = Vec::new();
        world.run(|packet, _| {
            let (takes, success) = answers[turn % answers.len()];
            turn += 1;
            if success {
                delivered.push(packet);
            }
            (Duration::from_millis(takes), success)
        });
        world.assert_nothing_left();
        prop_assert!(world.most.values().all(|most| *most <= 2));
        let counts = world.queue.counts();
        let ended = counts.delivered + counts.given_up + refused;
        prop_assert_eq!(ended, told.len() as u64);
        prop_assert_eq!(counts.delivered, delivered.len() as u64);
        for lane in &lanes {
            let of_lane: Vec<u32> = delivered
                .iter()
                .copied()
                .filter(|packet| &lanes[*packet as usize] == lane)
                .collect();
            prop_assert!(of_lane.is_sorted(), "{:?}", of_lane);
        }
    }
}
