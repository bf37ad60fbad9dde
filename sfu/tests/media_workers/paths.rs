//! Media over connections, over IPv6, and clients that abuse what is there for them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{Duration, Instant};

use prometheus::Registry;
use relay::{Relay, RelayConfig, StreamId};
use sfu::worker::{Owner, WorkerConfig, Workers, WorkersGuard};
use str0m::media::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::way::Way;
use crate::{Client, LOCAL, run};

const LOCAL_6: IpAddr = IpAddr::V6(Ipv6Addr::LOCALHOST);
const LIMIT: Duration = Duration::from_secs(20);

fn start(change: impl Fn(&mut WorkerConfig)) -> (Workers, WorkersGuard, Registry) {
    let registry = Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).expect("relay");
    let mut config = WorkerConfig::new(LOCAL, 0, 1, vec![LOCAL]);
    change(&mut config);
    let (workers, guard) = Workers::start(config, relay, &registry).expect("workers");
    (workers, guard, registry)
}

fn stream() -> StreamId {
    "a".parse().expect("id")
}

/// The sum of a metric's samples, of those alone that have the label's value if one is named.
pub(crate) fn value(registry: &Registry, name: &str, label: &str) -> f64 {
    registry
        .gather()
        .iter()
        .filter(|f| f.name() == name)
        .flat_map(|f| f.get_metric())
        .filter(|m| label.is_empty() || m.get_label().iter().any(|l| l.value() == label))
        .map(|m| m.get_counter().get_value() + m.get_gauge().get_value())
        .sum()
}

/// Waits for a state.
pub(crate) async fn eventually(what: &str, done: impl Fn() -> bool) {
    let end = Instant::now() + LIMIT;
    while !done() {
        assert!(Instant::now() < end, "not in {LIMIT:?}: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A publisher and a subscriber, each with its own way, until media flows.
async fn pair(workers: &Workers, publisher: Way, subscriber: Way) -> Vec<Client> {
    let (mut publisher, offer) = Client::over(Direction::SendOnly, publisher);
    let published = workers.publish(stream(), offer, Owner::Anybody).await;
    publisher.accept(&published.expect("published").answer);
    let mut clients = vec![publisher];
    let mut n = 0;
    run(&mut clients, &mut n, LIMIT, "publisher connects", |c| {
        c[0].connected
    })
    .await;
    let (mut subscriber, offer) = Client::over(Direction::RecvOnly, subscriber);
    let accepted = workers.subscribe(stream(), offer).await;
    subscriber.accept(&accepted.expect("subscribed").answer);
    clients.push(subscriber);
    run(&mut clients, &mut n, LIMIT, "media", |c| {
        c[1].video_packets > 50 && c[1].audio_packets > 50
    })
    .await;
    clients
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_over_connections_that_end_with_their_sessions() {
    let (workers, _guard, registry) = start(|_| {});
    let mut clients = pair(&workers, Way::tcp(LOCAL), Way::tcp(LOCAL)).await;
    assert_eq!(value(&registry, "weblive_media_tcp_connections", ""), 2.0);
    workers.shutdown().await;
    let ended = |c: &Client| matches!(&c.way, Way::Tcp(connection) if connection.ended);
    run(&mut clients, &mut 1, LIMIT, "BYE, then the end", |c| {
        c.iter().all(|c| c.closed && ended(c))
    })
    .await;
    let open = "weblive_media_tcp_connections";
    assert_eq!(value(&registry, open, ""), 0.0);
    let ended = "weblive_media_tcp_ended_total";
    assert_eq!(value(&registry, ended, "session"), 2.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_both_families_share_a_stream() {
    let (workers, _guard, _) = start(|config| {
        config.bind = Ipv6Addr::UNSPECIFIED.into();
        config.announce = vec![LOCAL, LOCAL_6];
    });
    for (publisher, subscriber) in [
        (Way::udp(LOCAL_6).await, Way::udp(LOCAL).await),
        (Way::udp(LOCAL).await, Way::udp(LOCAL_6).await),
        (Way::tcp(LOCAL_6), Way::tcp(LOCAL)),
        (Way::udp(LOCAL).await, Way::tcp(LOCAL_6)),
    ] {
        pair(&workers, publisher, subscriber).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_of_several_addresses_answers_for_itself() {
    let second = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));
    let (workers, _guard, _) = start(|config| {
        config.bind = Ipv4Addr::UNSPECIFIED.into();
        config.announce = vec![LOCAL, second];
    });
    // Firewalls drop what comes from another address than the one that was sent to, and the kernel
    // would choose the first.
    let (mut publisher, offer) = Client::over(Direction::SendOnly, Way::udp(second).await);
    let published = workers.publish(stream(), offer, Owner::Anybody).await;
    let answer = published.expect("published").answer;
    let first = " 127.0.0.1 ";
    let kept: Vec<&str> = answer
        .lines()
        .filter(|l| !l.contains(first) || !l.contains("candidate"))
        .collect();
    publisher.accept(&format!("{}\r\n", kept.join("\r\n")));
    let mut clients = [publisher];
    run(&mut clients, &mut 1, LIMIT, "publisher connects", |c| {
        c[0].connected
    })
    .await;
    assert!(clients[0].heard_from.iter().all(|ip| *ip == second));
}

/// Reads until the server ends the connection.
async fn ended(mut stream: TcpStream) -> usize {
    let mut all = Vec::new();
    let read = tokio::time::timeout(LIMIT, stream.read_to_end(&mut all)).await;
    // The server may also reset it: bytes of ours are not read.
    let _ = read.expect("it ends");
    all.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_without_a_check_for_a_session_are_closed() {
    let (workers, _guard, registry) = start(|_| {});
    let port = workers.snapshot().ports[0];
    let ended_total = "weblive_media_tcp_ended_total";
    // Somebody who looks for a web server, a wrong first packet, and a frame that is too long.
    for (bytes, reason) in [
        (&b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"[..], "bad_frame"),
        (&b"\x00\x03abc"[..], "unproven"),
        (&b"\xff\xff"[..], "bad_frame"),
    ] {
        let before = value(&registry, ended_total, reason);
        let mut stream = TcpStream::connect((LOCAL, port)).await.expect("connected");
        stream.write_all(bytes).await.expect("written");
        assert_eq!(ended(stream).await, 0, "nothing is said to strangers");
        eventually("it is counted", || {
            value(&registry, ended_total, reason) > before
        })
        .await;
    }
    // Somebody who says nothing.
    let silent = TcpStream::connect((LOCAL, port)).await.expect("connected");
    assert_eq!(ended(silent).await, 0);
    eventually("it is counted", || {
        value(&registry, ended_total, "unproven") >= 2.0
            && value(&registry, "weblive_media_tcp_connections", "") == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn there_is_a_bound_on_connections_in_all_and_of_one_address() {
    let (workers, _guard, registry) = start(|config| {
        config.bind = Ipv4Addr::UNSPECIFIED.into();
        config.tcp_max_connections = 5;
        config.tcp_max_per_address = 3;
    });
    let server = SocketAddr::new(LOCAL, workers.snapshot().ports[0]);
    let mut open = Vec::new();
    for _ in 0..5 {
        open.push(TcpStream::connect(server).await.expect("connected"));
    }
    let refused = "weblive_media_tcp_refused_total";
    eventually("two of one address are refused", || {
        value(&registry, refused, "address_full") == 2.0
    })
    .await;
    for _ in 0..4 {
        let socket = tokio::net::TcpSocket::new_v4().expect("socket");
        socket.bind(([127, 0, 0, 2], 0).into()).expect("bound");
        open.push(socket.connect(server).await.expect("connected"));
    }
    eventually("two are above the limit of all", || {
        value(&registry, refused, "server_full") == 2.0
    })
    .await;
    drop(open);
    eventually("their places are free again", || {
        value(&registry, "weblive_media_tcp_connections", "") == 0.0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_subscriber_who_does_not_read_loses_packets_and_delays_nobody() {
    let (workers, _guard, registry) = start(|_| {});
    let mut clients = pair(&workers, Way::tcp(LOCAL), Way::udp(LOCAL).await).await;
    let (mut slow, offer) = Client::over(Direction::RecvOnly, Way::tcp(LOCAL));
    let accepted = workers.subscribe(stream(), offer).await;
    slow.accept(&accepted.expect("subscribed").answer);
    clients.push(slow);
    let mut n = 1_000;
    run(&mut clients, &mut n, LIMIT, "the slow one connects", |c| {
        c[2].connected
    })
    .await;
    // From now on nobody reads its connection; it is closed when ICE has missed its checks.
    let slow = clients.pop().expect("three of them");
    clients[0].burst = 40;
    let dropped = || {
        value(
            &registry,
            "weblive_media_dropped_packets_total",
            "connection_full",
        )
    };
    let before = clients[1].video_packets;
    run(&mut clients, &mut n, LIMIT, "packets are dropped", |_| {
        dropped() > 0.0
    })
    .await;
    let seen = clients[1].video_packets;
    assert!(seen > before, "the other one goes on");
    drop(slow);
    eventually("its connection ends", || {
        value(&registry, "weblive_media_tcp_connections", "") <= 1.0
    })
    .await;
}
