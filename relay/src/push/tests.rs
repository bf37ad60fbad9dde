//! Pushes on virtual time, against the library's server behind pipes.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rtmp_runtime::server::{ServerConfig, ServerEvent, ServerSession};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};
use tokio_rustls::rustls::RootCertStore;

use super::dial::{Dialled, Link};
use super::failure::Failure;
use super::*;
use crate::tests::{Camera, VIDEO, deaf, id, is_video_header, relay, tags};
use crate::{Ingest, RelayConfig};

/// What becomes of a connection.
#[derive(Clone, Copy)]
enum Fate {
    Refused,
    Silent,
    Served { pipe: usize },
}

/// A place where pushes connect to: each connection goes by the script, its last entry for all
/// that follow.
struct Place {
    script: Vec<Fate>,
    dialled: AtomicUsize,
    times: Mutex<Vec<Instant>>,
    served: mpsc::UnboundedSender<DuplexStream>,
}

impl Dial for Place {
    fn dial<'a>(&'a self, _: &'a PushTarget) -> Dialled<'a> {
        let number = self.dialled.fetch_add(1, Ordering::SeqCst);
        self.times.lock().unwrap().push(Instant::now());
        let fate = self.script[number.min(self.script.len() - 1)];
        Box::pin(async move {
            match fate {
                Fate::Refused => Err(Failure::Connect),
                Fate::Silent => std::future::pending().await,
                Fate::Served { pipe } => {
                    let (ours, theirs) = duplex(pipe);
                    let _ = self.served.send(theirs);
                    Ok(Box::new(ours) as Box<dyn Link>)
                }
            }
        })
    }
}

fn whose(owner: u32, publisher: &str) -> PushFor<'_> {
    PushFor {
        owner,
        publisher,
        is_theirs: &|| true,
    }
}

struct World {
    relay: Relay,
    pushes: Pushes,
    place: Arc<Place>,
    served: mpsc::UnboundedReceiver<DuplexStream>,
    states: Arc<Mutex<Vec<PushState>>>,
    registry: Registry,
}

fn config() -> PushConfig {
    let tls = ClientConfig::builder()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth();
    PushConfig {
        max_per_stream: 2,
        max_per_owner: 3,
        max_pushes: 4,
        private_hosts: Vec::new(),
        tls: Arc::new(tls),
    }
}

impl World {
    fn new(script: &[Fate]) -> Self {
        let relay = relay(RelayConfig::default());
        let (sender, served) = mpsc::unbounded_channel();
        let place = Arc::new(Place {
            script: script.to_vec(),
            dialled: AtomicUsize::new(0),
            times: Mutex::default(),
            served: sender,
        });
        let registry = Registry::new();
        let pushes = Pushes::with_dial(relay.clone(), config(), place.clone(), &registry);
        Self {
            pushes: pushes.unwrap(),
            relay,
            place,
            served,
            states: Arc::default(),
            registry,
        }
    }

    fn publish(&self, name: &str) -> Ingest {
        self.relay.publish(&id(name), VIDEO, deaf()).unwrap()
    }

    fn start(&self, name: &str, target: &str) -> Result<PushView, PushRefused> {
        let states = self.states.clone();
        let watcher: PushWatcher = Arc::new(move |view| states.lock().unwrap().push(view.state));
        let target = target.parse().unwrap();
        self.pushes
            .start(&id(name), target, whose(7, "anna"), watcher)
    }

    /// Ends the only push of a stream.
    fn stop(&self, name: &str) {
        let view = self.pushes.of(7, &id(name)).remove(0);
        assert!(self.pushes.stop(7, &id(name), view.id));
    }

    fn states(&self) -> Vec<PushState> {
        self.states.lock().unwrap().clone()
    }

    fn state(&self) -> PushState {
        self.pushes.of(7, &id("a"))[0].state
    }

    /// The value of a metric, over all labels or with one.
    fn metric(&self, name: &str, label: Option<&str>) -> f64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).unwrap();
        let metrics = family.get_metric().iter().filter(|metric| {
            label.is_none_or(|label| metric.get_label().iter().any(|l| l.value() == label))
        });
        let value =
            |m: &prometheus::proto::Metric| m.get_counter().get_value() + m.get_gauge().get_value();
        metrics.map(value).sum()
    }
}

/// What a server has got.
#[derive(Default)]
struct Got {
    flv: Vec<u8>,
    is_over: bool,
    key: String,
}

/// Serves a connection until it ends, or for some time.
async fn serve(mut pipe: DuplexStream, config: ServerConfig, time: Duration) -> Got {
    let mut server = ServerSession::new(config);
    let mut got = Got::default();
    let mut buffer = [0; 8_192];
    let _ = timeout(time, async {
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let (answer, events) = server.handle_data(&buffer[..read]).unwrap();
            for event in events {
                match event {
                    ServerEvent::Publish { stream_key, .. } => got.key = stream_key,
                    ServerEvent::Media { flv } => got.flv.extend(flv),
                    ServerEvent::Eof => got.is_over = true,
                    _ => {}
                }
            }
            if pipe.write_all(&answer).await.is_err() {
                return;
            }
        }
    })
    .await;
    got
}

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const SERVED: Fate = Fate::Served { pipe: 64 * 1024 };

/// Begins with metadata, the sequence header and a key frame, and its times rise from 0.
fn check(flv: &[u8]) -> Vec<(u8, u32, Vec<u8>)> {
    let tags = tags(flv);
    assert_eq!(tags[0].0, 18);
    assert!(is_video_header(&tags[1]));
    assert_eq!(tags[2].2[..2], [0x17, 1]);
    // Metadata is at time 0 wherever it stands.
    let media = tags.iter().filter(|tag| tag.0 != 18);
    let times: Vec<_> = media.map(|tag| tag.1).collect();
    assert_eq!(times[0], 0);
    assert!(times.is_sorted(), "{times:?}");
    tags
}

#[tokio::test(start_paused = true)]
async fn a_stream_is_pushed_from_a_key_frame_to_its_end() {
    let mut world = World::new(&[SERVED]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND * 3).await;
    let view = world.start("a", "rtmp://h/live/secret").unwrap();
    assert_eq!(
        (view.target.as_str(), view.state),
        ("rtmp://h/live", PushState::Waiting)
    );
    let pipe = world.served.recv().await.unwrap();
    let server = tokio::spawn(serve(pipe, ServerConfig::default(), MINUTE));
    camera.send(&ingest, SECOND * 6).await;
    assert_eq!(world.state(), PushState::Running);
    assert!(world.pushes.of(7, &id("a"))[0].sent_bytes > 3 * 30 * 1_500);
    assert_eq!(world.metric("weblive_push_connected", None), 1.0);
    ingest.end();
    let got = server.await.unwrap();
    assert!(got.is_over && got.key == "secret");
    let tags = check(&got.flv);
    assert!(tags.len() > 3 * 30, "{}", tags.len());
    assert!((2_900..4_100).contains(&tags.last().unwrap().1));
    assert!(world.pushes.of(7, &id("a")).is_empty());
    use PushState::{Connecting, Ended, Running};
    assert_eq!(world.states(), [Connecting, Running, Ended]);
    assert_eq!(world.metric("weblive_push_streams", None), 0.0);
    assert_eq!(world.metric("weblive_push_connected", None), 0.0);
}

#[tokio::test(start_paused = true)]
async fn times_rise_over_a_republish_on_the_same_connection() {
    let mut world = World::new(&[SERVED]);
    let first = world.publish("a");
    Camera::new().send(&first, SECOND * 2).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    let pipe = world.served.recv().await.unwrap();
    let server = tokio::spawn(serve(pipe, ServerConfig::default(), MINUTE));
    drop(first);
    sleep(SECOND * 3).await;
    let second = world.publish("a");
    Camera::new().send(&second, SECOND * 2).await;
    world.stop("a");
    let got = server.await.unwrap();
    assert!(got.is_over);
    let tags = check(&got.flv);
    assert!(tags.last().unwrap().1 > 2_500);
    assert_eq!(world.place.dialled.load(Ordering::SeqCst), 1);
}

#[tokio::test(start_paused = true)]
async fn a_lost_connection_is_made_again_with_headers() {
    let mut world = World::new(&[SERVED, Fate::Refused, Fate::Refused, SERVED]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    let pipe = world.served.recv().await.unwrap();
    // The server goes after twelve seconds.
    let first = tokio::spawn(serve(pipe, ServerConfig::default(), SECOND * 12));
    camera.send(&ingest, SECOND * 14).await;
    check(&first.await.unwrap().flv);
    let (_, gone) = mpsc::unbounded_channel();
    let mut served = std::mem::replace(&mut world.served, gone);
    let second = tokio::spawn(async move {
        let pipe = served.recv().await.unwrap();
        serve(pipe, ServerConfig::default(), MINUTE).await
    });
    camera.send(&ingest, SECOND * 40).await;
    assert_eq!(world.state(), PushState::Running);
    ingest.end();
    let tags = check(&second.await.unwrap().flv);
    assert!(tags.len() > 100);
    use PushState::{Connecting, Ended, Recovering, Running};
    let expected = [Connecting, Running, Recovering, Running, Ended];
    assert_eq!(world.states(), expected);
    assert_eq!(world.metric("weblive_push_reconnects_total", None), 3.0);
    assert_eq!(
        world.metric("weblive_push_failures_total", Some("connect")),
        2.0
    );
    assert_eq!(
        world.metric("weblive_push_failures_total", Some("lost")),
        1.0
    );
    let times = world.place.times.lock().unwrap().clone();
    // The first connection had run: its loss is the first failure in a row.
    let waits: Vec<_> = times[1..]
        .windows(2)
        .map(|w| (w[1] - w[0]).as_secs_f64())
        .collect();
    assert!((1.0..=2.0).contains(&waits[0]), "{waits:?}");
    assert!((2.0..=4.0).contains(&waits[1]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_push_that_never_gets_through_is_given_up_and_can_be_begun_anew() {
    let world = World::new(&[Fate::Refused]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    camera.send(&ingest, SECOND * 600).await;
    let view = world.pushes.of(7, &id("a")).remove(0);
    assert_eq!((view.state, view.reconnects), (PushState::Failed, 19));
    let error = view.error.unwrap();
    assert!(
        error.starts_with("given up after 20 tries: the host"),
        "{error}"
    );
    assert_eq!(world.place.dialled.load(Ordering::SeqCst), 20);
    let times = world.place.times.lock().unwrap().clone();
    let took = times[19] - times[0];
    assert!((SECOND * 200..SECOND * 500).contains(&took), "{took:?}");
    let again = world.start("a", "rtmp://h/live/k").unwrap();
    assert_ne!(again.id, view.id);
    camera.send(&ingest, SECOND * 601).await;
    assert_eq!(world.pushes.of(7, &id("a")).len(), 1);
    assert!(world.place.dialled.load(Ordering::SeqCst) > 20);
    use PushState::{Connecting, Failed, Recovering};
    assert_eq!(world.states()[..3], [Connecting, Recovering, Failed]);
}

#[tokio::test(start_paused = true)]
async fn a_push_that_was_given_up_makes_place_for_another() {
    let world = World::new(&[Fate::Refused]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    let first = world.start("a", "rtmp://h/live/1").unwrap();
    camera.send(&ingest, SECOND * 600).await;
    let second = world.start("a", "rtmp://h/live/2").unwrap();
    let third = world.start("a", "rtmp://h/live/3").unwrap();
    let there: Vec<_> = world.pushes.of(7, &id("a")).iter().map(|p| p.id).collect();
    assert_eq!(there, [second.id, third.id], "and not {:?}", first.id);
    assert!(world.start("a", "rtmp://h/live/4").is_err(), "none failed");
}

#[tokio::test(start_paused = true)]
async fn a_push_ends_where_its_stream_is_another_publishers() {
    let mut world = World::new(&[SERVED, SERVED]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    let theirs = "rtmp://h/live/2".parse().unwrap();
    let ben = whose(7, "ben");
    let theirs = world.pushes.start(&id("a"), theirs, ben, Arc::new(|_| {}));
    assert!(theirs.is_ok());
    for _ in 0..2 {
        let pipe = world.served.recv().await.unwrap();
        tokio::spawn(serve(pipe, ServerConfig::default(), MINUTE));
    }
    camera.send(&ingest, SECOND * 2).await;
    assert_eq!(world.pushes.pass(&id("b"), "ben"), 0);
    assert_eq!(world.pushes.pass(&id("a"), "anna"), 1, "that of ben");
    assert_eq!(world.pushes.pass(&id("a"), "ben"), 1);
    assert_eq!(world.pushes.pass(&id("a"), "ben"), 0);
    // Their servers are told so.
    camera.send(&ingest, SECOND * 10).await;
    assert!(world.pushes.of(7, &id("a")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_no_or_nothing_is_asked_again() {
    let mut world = World::new(&[Fate::Silent, SERVED, SERVED]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/hunter2").unwrap();
    camera.send(&ingest, SECOND * 12).await;
    assert_eq!(
        world.metric("weblive_push_failures_total", Some("timeout")),
        1.0
    );
    let pipe = world.served.recv().await.unwrap();
    let strict = ServerConfig::default().with_expected_stream_key(Some("other".to_owned()));
    tokio::spawn(serve(pipe, strict, MINUTE));
    camera.send(&ingest, SECOND * 13).await;
    let view = world.pushes.of(7, &id("a")).remove(0);
    assert_eq!(view.state, PushState::Recovering);
    let error = view.error.unwrap();
    assert_eq!(
        error,
        "the server refused the stream: NetStream.Publish.BadName"
    );
    assert!(!format!("{:?}", world.pushes).contains("hunter2"));
}

#[tokio::test(start_paused = true)]
async fn a_slow_server_gets_the_newest_key_frame_and_holds_nobody_up() {
    let mut world = World::new(&[Fate::Served { pipe: 4_096 }]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    let mut pipe = world.served.recv().await.unwrap();
    let server = tokio::spawn(async move {
        let mut server = ServerSession::with_defaults();
        let mut buffer = [0; 1_024];
        let mut flv = Vec::new();
        let began = Instant::now();
        while let Ok(read @ 1..) = pipe.read(&mut buffer).await {
            let (answer, events) = server.handle_data(&buffer[..read]).unwrap();
            for event in events {
                if let ServerEvent::Media { flv: part } = event {
                    flv.extend(part);
                }
            }
            if pipe.write_all(&answer).await.is_err() {
                break;
            }
            // A fifth of what comes, and then all.
            if began.elapsed() < SECOND * 20 {
                sleep(Duration::from_millis(100)).await;
            }
        }
        flv
    });
    camera.send(&ingest, SECOND * 25).await;
    assert!(world.metric("weblive_push_skips_total", None) >= 2.0);
    assert_eq!(world.state(), PushState::Running);
    ingest.end();
    let tags = check(&server.await.unwrap());
    // Behind each hole there is a key frame.
    for pair in tags[3..].windows(2) {
        assert!(pair[1].1 - pair[0].1 < 50 || pair[1].2[0] == 0x17);
    }
    assert!(tags.last().unwrap().1 > 23_000);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_takes_nothing_is_left() {
    let mut world = World::new(&[Fate::Served { pipe: 4_096 }]);
    let ingest = world.publish("a");
    let mut camera = Camera::new();
    camera.send(&ingest, SECOND).await;
    world.start("a", "rtmp://h/live/k").unwrap();
    let mut pipe = world.served.recv().await.unwrap();
    let mut server = ServerSession::with_defaults();
    let mut buffer = [0; 1_024];
    let mut is_published = false;
    while !is_published {
        let read = pipe.read(&mut buffer).await.unwrap();
        let (answer, events) = server.handle_data(&buffer[..read]).unwrap();
        is_published = events
            .iter()
            .any(|e| matches!(e, ServerEvent::Publish { .. }));
        pipe.write_all(&answer).await.unwrap();
    }
    camera.send(&ingest, SECOND * 12).await;
    assert_eq!(
        world.metric("weblive_push_failures_total", Some("stalled")),
        1.0
    );
    // It is stopped within its wait, and nobody is there to say farewell to.
    world.stop("a");
    sleep(SECOND).await;
    assert!(world.pushes.of(7, &id("a")).is_empty());
}

#[tokio::test(start_paused = true)]
async fn pushes_are_bounded_and_one_address_is_pushed_to_once() {
    let world = World::new(&[Fate::Silent]);
    assert_eq!(
        world.start("a", "rtmp://h/live/k"),
        Err(PushRefused::NotLive { stream: id("a") })
    );
    let _streams = [world.publish("a"), world.publish("b"), world.publish("c")];
    let first = world.start("a", "rtmp://h/live/k").unwrap();
    assert_eq!(world.start("a", "rtmp://h/live/k").unwrap().id, first.id);
    world.start("a", "rtmp://h/live/other").unwrap();
    let of = |of, limit| Err(PushRefused::Full { of, limit });
    assert_eq!(world.start("a", "rtmp://h/live/3"), of("of one stream", 2));
    world.start("b", "rtmp://h/live/k").unwrap();
    assert_eq!(world.start("b", "rtmp://h/live/3"), of("of one app", 3));
    let other = |stream, key: &str| {
        let target = format!("rtmp://h/live/{key}").parse().unwrap();
        world
            .pushes
            .start(&id(stream), target, whose(8, "ben"), Arc::new(|_| {}))
    };
    other("b", "4").unwrap();
    assert_eq!(other("c", "5"), of("of this server", 4));
    assert_eq!(
        world.metric("weblive_push_refused_total", Some("limit")),
        3.0
    );
    assert!(world.pushes.stop(7, &id("a"), first.id));
    assert!(!world.pushes.stop(7, &id("a"), first.id));
    sleep(SECOND).await;
    assert_eq!(world.pushes.of(7, &id("a")).len(), 1);
    assert!(other("c", "5").is_ok());
}

#[tokio::test(start_paused = true)]
async fn an_owner_finds_its_own_pushes_alone() {
    let world = World::new(&[Fate::Silent]);
    let _stream = world.publish("a");
    let ours = world.start("a", "rtmp://h/live/k").unwrap();
    assert_eq!(world.pushes.of(8, &id("a")), []);
    assert!(!world.pushes.stop(8, &id("a"), ours.id));
    // The same address of another owner is another push.
    let target: PushTarget = "rtmp://h/live/k".parse().unwrap();
    let start = |whose| {
        let target = target.clone();
        world
            .pushes
            .start(&id("a"), target, whose, Arc::new(|_| {}))
    };
    let theirs = start(whose(8, "ben")).unwrap();
    assert_ne!(theirs.id, ours.id);
    assert_eq!(world.pushes.of(8, &id("a")), [theirs]);
    assert_eq!(world.pushes.of(7, &id("a")).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn what_has_become_another_publishers_is_not_pushed() {
    let world = World::new(&[Fate::Silent]);
    let _stream = world.publish("a");
    let late = PushFor {
        is_theirs: &|| false,
        ..whose(7, "anna")
    };
    let target = "rtmp://h/live/k".parse().unwrap();
    let refused = world.pushes.start(&id("a"), target, late, Arc::new(|_| {}));
    assert_eq!(refused, Err(PushRefused::NotLive { stream: id("a") }));
    assert_eq!(world.pushes.of(7, &id("a")), []);
    let reason = world.metric("weblive_push_refused_total", Some("not_live"));
    assert_eq!(reason, 1.0);
}

#[tokio::test(start_paused = true)]
async fn one_that_is_being_stopped_is_not_given_back_and_takes_no_place_of_its_stream() {
    let world = World::new(&[Fate::Silent]);
    let _stream = world.publish("a");
    let first = world.start("a", "rtmp://h/live/k").unwrap();
    let other = world.start("a", "rtmp://h/live/other").unwrap();
    assert!(world.pushes.stop(7, &id("a"), first.id));
    let again = world.start("a", "rtmp://h/live/k").unwrap();
    assert_ne!(again.id, first.id);
    sleep(SECOND).await;
    let left: Vec<_> = world.pushes.of(7, &id("a")).iter().map(|v| v.id).collect();
    assert_eq!(left, [other.id, again.id]);
}
