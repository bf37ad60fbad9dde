//! Windows of hours between a store and a disk, as players see them.

use std::collections::BTreeMap;
use std::sync::Condvar;
use std::time::{Instant, SystemTime};

use packager::hls::{HOLD_BACK, InitSection, Part, PlaylistConfig, Segment};
use packager::time::MediaTime;
use tokio::task::yield_now;

use super::*;
use crate::hls::{Lookup, Store};

/// A disk in memory that does what it is told.
#[derive(Debug, Default)]
struct Fake {
    files: Mutex<BTreeMap<(String, u64), Vec<u8>>>,
    mood: Mutex<Mood>,
    changed: Condvar,
    /// Writes that wait while it hangs.
    stuck: AtomicUsize,
}

/// A disk that works again at its end, also that of a test that fails.
struct Hanging(Arc<Fake>);

impl Drop for Hanging {
    fn drop(&mut self) {
        self.0.is(Mood::Works);
    }
}

/// Waits for what threads do, in real time.
struct Wait(Instant);

impl Wait {
    fn begin() -> Self {
        Self(Instant::now())
    }

    fn check(&self, what: impl std::fmt::Display) {
        let waited = self.0.elapsed();
        assert!(waited < Duration::from_secs(60), "after {waited:?}: {what}");
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Mood {
    #[default]
    Works,
    /// Has room for so many bytes.
    Holds(usize),
    Fails,
    Hangs,
}

impl Fake {
    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap_or_else(PoisonError::into_inner) = mood;
        self.changed.notify_all();
    }

    fn count(&self) -> usize {
        self.files.lock().unwrap().len()
    }
}

impl Disk for Fake {
    fn write(&self, window: &str, msn: u64, data: &[u8]) -> io::Result<()> {
        let mood = self.mood.lock().unwrap();
        if *mood == Mood::Hangs {
            self.stuck.fetch_add(1, Ordering::AcqRel);
        }
        let mood = self
            .changed
            .wait_while(mood, |mood| *mood == Mood::Hangs)
            .unwrap();
        let mut files = self.files.lock().unwrap();
        let held: usize = files.values().map(Vec::len).sum();
        match *mood {
            Mood::Fails => return Err(io::Error::other("EIO")),
            Mood::Holds(most) if held + data.len() > most => {
                return Err(io::ErrorKind::StorageFull.into());
            }
            _ => {}
        }
        files.insert((window.to_owned(), msn), data.to_owned());
        Ok(())
    }

    fn read(&self, window: &str, msn: u64, bytes: u64, range: Range<u64>) -> io::Result<Vec<u8>> {
        let files = self.files.lock().unwrap();
        let found = files.get(&(window.to_owned(), msn));
        let data = found.ok_or(io::ErrorKind::NotFound)?;
        assert_eq!(data.len() as u64, bytes);
        Ok(data[range.start as usize..range.end as usize].to_owned())
    }

    fn remove(&self, window: &str, msn: u64) -> io::Result<()> {
        self.files.lock().unwrap().remove(&(window.to_owned(), msn));
        Ok(())
    }

    fn remove_window(&self, window: &str) -> io::Result<()> {
        let mut files = self.files.lock().unwrap();
        files.retain(|(of, _), _| of != window);
        Ok(())
    }

    fn sweep(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Bytes of each segment.
const SIZE: usize = 3_000;

struct Rig {
    shift: TimeShift,
    disk: Arc<Fake>,
}

/// Time shift that may hold so many segments in memory and in files.
fn rig(window: Duration, in_memory: usize, in_files: usize) -> Rig {
    let disk = Arc::new(Fake::default());
    let config = TimeShiftConfig {
        window,
        memory_bytes: (in_memory * SIZE) as u64,
        folder: None,
        max_bytes: (in_files * SIZE) as u64,
    };
    let metrics = Metrics::register(&Registry::new()).unwrap();
    let runtime = Handle::current();
    let given: Arc<dyn Disk> = disk.clone();
    let shift = TimeShift::start(&config, TWO, metrics, Some((given, &runtime)));
    Rig { shift, disk }
}

impl Rig {
    fn store(&self, stamp: &str) -> Live {
        let config = PlaylistConfig {
            hold_back: HOLD_BACK,
            target: TWO,
            part: Some(Duration::from_millis(250)),
            window: 6,
        };
        let store = Store::new(config, "a".parse().unwrap(), stamp.to_owned());
        let store = store.with_shelf(Some(self.shift.shelf(stamp)));
        store.push_init(section(0));
        Live {
            store,
            stamp: stamp.to_owned(),
            next: 0,
            init: 0,
            discontinuities: Vec::new(),
        }
    }

    fn memory(&self) -> u64 {
        self.shift.0.memory.held()
    }

    fn on_disk(&self) -> u64 {
        let files = self.shift.0.files.as_ref().unwrap();
        files.budget.held()
    }

    fn dropped(&self, reason: Dropped) -> u64 {
        let dropped = &self.shift.0.metrics.dropped;
        dropped.with_label_values(&[reason.name()]).get()
    }

    /// The disk hangs until the end of what is given.
    fn hang(&self) -> Hanging {
        self.disk.is(Mood::Hangs);
        Hanging(self.disk.clone())
    }

    /// Waits until a write hangs in the disk.
    async fn stuck(&self) {
        let wait = Wait::begin();
        while self.disk.stuck.load(Ordering::Acquire) == 0 {
            wait.check("nothing is written");
            yield_now().await;
        }
    }

    /// Waits until the writer has done what it can do now.
    async fn settle(&self) {
        let is_called = |window: &Arc<Inner>| {
            let wants = {
                let state = window.state();
                window.to_write(&state.window).is_some() || !state.rubbish.is_empty()
            };
            wants || window.is_called.load(Ordering::Acquire)
        };
        let wait = Wait::begin();
        loop {
            let windows: Vec<_> = {
                let windows = self.shift.0.windows();
                windows.iter().filter_map(Weak::upgrade).collect()
            };
            if !windows.iter().any(is_called) {
                return;
            }
            drop(windows);
            wait.check("the writer still has something to do");
            tokio::task::spawn_blocking(|| {}).await.unwrap();
            yield_now().await;
        }
    }
}

const TWO: Duration = Duration::from_secs(2);

fn section(version: u32) -> InitSection {
    InitSection {
        size: None,
        version,
        data: Bytes::from(format!("init {version}")),
        codecs: String::new(),
        video: None,
        audio: None,
    }
}

/// A store that gets segments of 2 s.
struct Live {
    store: Store,
    stamp: String,
    next: u64,
    init: u32,
    /// Before which segments there is one.
    discontinuities: Vec<u64>,
}

/// What there is in a segment.
fn content(msn: u64) -> Vec<u8> {
    let mut data = vec![b'x'; SIZE];
    data[..8].copy_from_slice(&msn.to_be_bytes());
    data
}

impl Live {
    /// Another publisher takes over.
    fn change(&mut self) {
        self.init += 1;
        self.store.push_init(section(self.init));
        self.discontinuities.push(self.next);
    }

    fn push(&mut self) {
        let msn = self.next;
        let discontinuity = self.discontinuities.contains(&msn);
        let data = Bytes::from(content(msn));
        let start = MediaTime::from_millis(2_000 * msn);
        let wall = SystemTime::UNIX_EPOCH + TWO * msn as u32;
        let part = Part {
            init: self.init,
            data: data.clone(),
            start,
            duration: Duration::from_millis(250),
            starts_segment: true,
            is_independent: true,
            is_start: true,
            discontinuity,
        };
        self.store.push_part(&part, Some(wall));
        self.store.push_segment(&Segment {
            init: self.init,
            data,
            start,
            duration: TWO,
            lasts: TWO,
            is_independent: true,
            pictures: 60,
            discontinuity,
        });
        self.next += 1;
    }

    fn text(&self) -> String {
        let playlist = self.store.shift_playlist(false).unwrap();
        String::from_utf8(playlist.data.to_vec()).unwrap()
    }

    /// Media Sequence Numbers of the segments that the playlist has, which is right in all else.
    fn listed(&self) -> std::ops::Range<u64> {
        let text = self.text();
        let read = m3u8_rs::parse_media_playlist_res(text.as_bytes()).unwrap();
        let end = read.media_sequence + read.segments.len() as u64;
        let range = read.media_sequence..end;
        assert_eq!(end, self.next);
        for (msn, segment) in range.clone().zip(&read.segments) {
            assert_eq!(segment.uri, format!("{}-{msn}.m4s", self.stamp));
            let is_new = self.discontinuities.contains(&msn);
            assert_eq!(segment.discontinuity, is_new, "{msn}");
            let date = segment.program_date_time.unwrap();
            assert_eq!(date.timestamp(), 2 * msn as i64);
        }
        let before = self.discontinuities.iter().filter(|at| **at < range.start);
        assert_eq!(read.discontinuity_sequence, before.count() as u64);
        for map in text
            .lines()
            .filter_map(|l| l.strip_prefix("#EXT-X-MAP:URI=\""))
        {
            let found = self.store.file(map.trim_end_matches('"'));
            assert!(matches!(found, Lookup::Found(_)), "{map}");
        }
        range
    }

    /// A segment as players get it: its bytes, and whether they come from the disk.
    async fn read(&self, msn: u64) -> Result<(Bytes, bool), ReadError> {
        match self.store.file(&format!("{}-{msn}.m4s", self.stamp)) {
            Lookup::Found(file) => Ok((file.data, false)),
            Lookup::OnDisk(file) => Ok((file.read().await?, true)),
            _ => Err(ReadError::Gone),
        }
    }

    /// Checks that all that is listed is there, and gives how many of that are in files.
    async fn all_there(&self) -> usize {
        let mut in_files = 0;
        for msn in self.listed() {
            let (data, is_file) = self.read(msn).await.unwrap();
            assert_eq!(data, content(msn), "{msn}");
            in_files += usize::from(is_file);
        }
        in_files
    }
}

#[tokio::test]
async fn two_hours_slide_in_the_same_memory() {
    let rig = rig(Duration::from_secs(7_200), 100, 10_000);
    let mut live = rig.store("5f");
    let mut most = 0;
    for number in 0..5_400 {
        if number % 1_000 == 700 {
            live.change();
        }
        live.push();
        rig.settle().await;
        assert!(rig.memory() <= 50 * SIZE as u64, "half of it");
        most = most.max(rig.on_disk());
        if number % 300 == 299 {
            let listed = live.listed();
            assert_eq!(listed.end - listed.start, (number + 1).min(3_600));
        }
    }
    // A minute more than what is shown, and without what is in memory or in the store.
    let kept = most / SIZE as u64;
    assert!((3_540..3_600).contains(&kept), "{kept}");
    assert_eq!(rig.disk.count() as u64 * SIZE as u64, rig.on_disk());
    let in_files = live.all_there().await;
    assert!(in_files > 3_500, "{in_files}");
    assert_eq!(rig.dropped(Dropped::Memory) + rig.dropped(Dropped::Disk), 0);
    // Sections of what is gone are gone.
    assert!(matches!(live.store.file("5f-init0.mp4"), Lookup::Unknown));
    assert!(matches!(live.store.file("5f-init2.mp4"), Lookup::Found(_)));

    let delta = live.store.shift_playlist(true).unwrap();
    assert!(delta.data.len() < 1_500, "{} bytes", delta.data.len());
    let whole = live.text();
    assert!((250_000..500_000).contains(&whole.len()), "{}", whole.len());
    live.store.end();
    assert!(live.text().ends_with("-5399.m4s\n#EXT-X-ENDLIST\n"));
    let name = "5f".to_owned();
    drop(live);
    let wait = Wait::begin();
    while rig.disk.count() > 0 || rig.on_disk() > 0 {
        wait.check(format_args!("{} files are left", rig.disk.count()));
        yield_now().await;
    }
    assert_eq!(rig.memory(), 0, "{name}");
}

#[tokio::test]
async fn a_disk_that_hangs_holds_up_nothing_and_makes_windows_shorter() {
    let rig = rig(Duration::from_secs(7_200), 100, 10_000);
    let mut live = rig.store("5f");
    for _ in 0..300 {
        live.push();
        rig.settle().await;
    }
    let whole = live.listed();
    assert_eq!(whole, 0..300);
    let hanging = rig.hang();
    live.push();
    rig.stuck().await;
    // The other half of the memory takes what comes meanwhile.
    for _ in 0..44 {
        live.push();
        assert!(rig.memory() <= 100 * SIZE as u64);
    }
    assert_eq!(live.listed(), 0..345);
    for _ in 0..100 {
        live.push();
        assert!(rig.memory() <= 100 * SIZE as u64);
    }
    let listed = live.listed();
    assert!(listed.start > 320, "{listed:?}");
    assert!(rig.dropped(Dropped::Memory) >= listed.start);
    assert_eq!(live.all_there().await, 0);
    drop(hanging);
    rig.settle().await;
    for _ in 0..300 {
        live.push();
        rig.settle().await;
    }
    assert_eq!(live.listed(), listed.start..745);
    assert!(live.all_there().await > 300);
    assert!(rig.memory() <= 50 * SIZE as u64);
    assert_eq!(rig.disk.count() as u64 * SIZE as u64, rig.on_disk());
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_is_tried_again() {
    let rig = rig(Duration::from_secs(7_200), 100, 10_000);
    let mut live = rig.store("5f");
    rig.disk.is(Mood::Fails);
    for number in 0..1_000 {
        live.push();
        tokio::time::sleep(TWO).await;
        assert!(rig.memory() <= 100 * SIZE as u64);
        if number == 500 {
            let failures = rig.shift.0.metrics.failures.get();
            assert!((30..200).contains(&failures), "{failures}");
            assert!((100..130).contains(&live.listed().count()));
            rig.disk.is(Mood::Works);
        }
    }
    let listed = live.listed();
    assert!((590..640).contains(&listed.count()));
    assert!(live.all_there().await > 400);
}

#[tokio::test(start_paused = true)]
async fn a_full_disk_takes_the_oldest_of_the_largest_window() {
    let rig = rig(Duration::from_secs(7_200), 40, 500);
    let (mut large, mut small) = (rig.store("1a"), rig.store("2b"));
    for _ in 0..700 {
        large.push();
        tokio::time::sleep(TWO).await;
        rig.settle().await;
        assert!(rig.on_disk() <= 500 * SIZE as u64);
    }
    let alone = large.listed().count();
    assert!((500..550).contains(&alone), "{alone}");
    for _ in 0..300 {
        large.push();
        small.push();
        tokio::time::sleep(TWO).await;
        rig.settle().await;
        assert!(rig.on_disk() <= 500 * SIZE as u64);
        assert_eq!(rig.disk.count() as u64 * SIZE as u64, rig.on_disk());
    }
    let (large_listed, small_listed) = (large.listed().count(), small.listed().count());
    assert!(large_listed < 300 && small_listed > 250, "{large_listed}");
    assert!(rig.dropped(Dropped::Disk) > 0 && rig.dropped(Dropped::Memory) == 0);
    // The disk itself has less room than was thought.
    rig.disk.is(Mood::Holds(480 * SIZE));
    for _ in 0..100 {
        large.push();
        tokio::time::sleep(TWO).await;
    }
    assert!((470..=480).contains(&rig.disk.count()));
    assert!(rig.shift.0.metrics.failures.get() > 0);
    assert_eq!(rig.dropped(Dropped::Memory), 0);
    large.all_there().await;
    small.all_there().await;
}

#[tokio::test]
async fn without_a_disk_the_window_is_what_memory_holds() {
    let shift = TimeShift::in_memory(Duration::from_secs(7_200), 50 * SIZE as u64);
    let rig = Rig {
        shift,
        disk: Arc::default(),
    };
    let mut live = rig.store("5f");
    for _ in 0..200 {
        live.push();
        assert!(rig.memory() <= 50 * SIZE as u64);
    }
    assert!((50..70).contains(&live.listed().count()));
    assert_eq!(live.all_there().await, 0);
    // Another one gets as much, and no more.
    let mut other = rig.store("6f");
    for _ in 0..100 {
        other.push();
        assert!(rig.memory() <= 50 * SIZE as u64);
    }
    for live in [&live, &other] {
        assert!((25..45).contains(&live.listed().count()));
        live.all_there().await;
    }
    drop(live);
    for _ in 0..30 {
        other.push();
    }
    assert!(other.listed().count() > 40);
    other.all_there().await;
}

#[tokio::test]
async fn full_memory_takes_from_the_window_that_has_most_in_it() {
    let rig = rig(Duration::from_secs(7_200), 40, 10_000);
    let mut old = rig.store("1a");
    for _ in 0..200 {
        old.push();
        rig.settle().await;
    }
    // With so many others its part is small: all of it is in files.
    let mut others: Vec<_> = (0..60).map(|n| rig.store(&format!("b{n}"))).collect();
    old.push();
    rig.settle().await;
    assert_eq!(rig.memory(), 0);
    let _hanging = rig.hang();
    let new = &mut others[0];
    for _ in 0..100 {
        new.push();
    }
    rig.stuck().await;
    let full = 40 * SIZE as u64;
    assert_eq!(rig.memory(), full);
    let dropped = rig.dropped(Dropped::Memory);
    // The one with hours in files gets room for what is new, and loses nothing.
    for number in 1..=10 {
        old.push();
        assert_eq!(rig.memory(), full);
        assert_eq!(rig.dropped(Dropped::Memory), dropped + number);
    }
    assert_eq!(old.listed(), 0..211);
    assert!((30..50).contains(&new.listed().count()));
    assert!(old.all_there().await > 170);
    new.all_there().await;
}

#[tokio::test]
async fn a_segment_larger_than_the_memory_ends_its_own_window_alone() {
    let shift = TimeShift::in_memory(Duration::from_secs(7_200), 50 * SIZE as u64);
    let shelves = [shift.shelf("1a"), shift.shelf("2b")];
    let segment = packager::hls::ShiftSegment {
        init: 0,
        duration: TWO,
        discontinuity: false,
        program_date_time: SystemTime::UNIX_EPOCH,
    };
    for shelf in &shelves {
        shelf.push(0, segment, Bytes::from(content(0)));
    }
    let large = Bytes::from(vec![0; 51 * SIZE]);
    shelves[0].push(1, segment, large);
    assert!(shelves[0].find(0).is_none() && shelves[0].find(1).is_none());
    assert!(shelves[1].find(0).is_some());
    assert_eq!(shift.0.memory.held(), SIZE as u64);
    shelves[0].push(2, segment, Bytes::from(content(2)));
    assert!(shelves[0].find(2).is_some());
}

#[tokio::test]
async fn broadcasts_that_wrote_nothing_do_not_wait_for_a_disk_that_hangs() {
    let rig = rig(Duration::from_secs(7_200), 100, 10_000);
    let mut live = rig.store("5f");
    let hanging = rig.hang();
    for _ in 0..80 {
        live.push();
    }
    rig.stuck().await;
    let ended: Vec<_> = (0..100)
        .map(|n| {
            let store = rig.store(&format!("a{n}"));
            let windows = rig.shift.0.windows();
            let window = windows.last().cloned().expect("its window");
            drop((windows, store));
            window
        })
        .collect();
    assert!(ended.iter().all(|window| window.upgrade().is_none()));
    drop(hanging);
    // One that has files has them removed.
    rig.settle().await;
    assert!(rig.disk.count() > 0);
    drop(live);
    let wait = Wait::begin();
    while rig.disk.count() > 0 {
        wait.check("files are left");
        yield_now().await;
    }
}

#[tokio::test]
async fn a_file_that_is_gone_is_not_named_any_more() {
    let rig = rig(Duration::from_secs(7_200), 20, 10_000);
    let mut live = rig.store("5f");
    for _ in 0..100 {
        live.push();
        rig.settle().await;
    }
    rig.disk.remove("5f", 7).unwrap();
    assert!(live.read(6).await.unwrap().1);
    assert_eq!(live.read(7).await, Err(ReadError::Gone));
    assert_eq!(live.listed(), 8..100);
    assert_eq!(rig.dropped(Dropped::Lost), 8);
    assert_eq!(live.read(7).await, Err(ReadError::Gone));
    live.all_there().await;
    rig.settle().await;
    assert_eq!(rig.on_disk(), rig.disk.count() as u64 * SIZE as u64);
}

#[tokio::test]
async fn sections_are_bounded_however_often_pictures_change() {
    let rig = rig(Duration::from_secs(7_200), 10_000, 10_000);
    let mut live = rig.store("5f");
    for _ in 0..50 {
        live.init += 1;
        let data = Bytes::from(vec![0; 200 << 10]);
        let large = InitSection {
            data,
            ..section(live.init)
        };
        live.store.push_init(large);
        live.discontinuities.push(live.next);
        live.push();
    }
    let listed = live.listed();
    // As many as the live store needs anyway.
    assert!(listed.count() <= 20);
}
