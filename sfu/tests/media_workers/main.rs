//! The workers over real sockets: one publisher, subscribers, and the relay.

mod paths;
mod way;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};

use relay::{Relay, RelayConfig, StreamId};
use sfu::media::Picture;
use sfu::worker::{
    MediaEvent, OfferError, Owner, ReceiveError, Role, ServerOffer, SessionId, SessionRef, Wanted,
    WorkerConfig, Workers, WorkersGuard,
};
use str0m::change::{SdpAnswer, SdpOffer, SdpPendingOffer};
use str0m::media::{Direction, MediaKind, Mid, Pt};
use str0m::net::Receive;
use str0m::rtp::{RtpWrite, Ssrc};
use str0m::{Event, Input, Output, Rtc, RtcConfig};

use crate::way::Way;

const LOCAL: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

fn start(workers: usize) -> (Workers, WorkersGuard, prometheus::Registry) {
    let registry = prometheus::Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).expect("relay");
    let config = WorkerConfig::new(LOCAL, 0, workers, vec![LOCAL]);
    let (workers, guard) = Workers::start(config, relay, &registry).expect("workers");
    (workers, guard, registry)
}

struct Client {
    rtc: Rtc,
    way: Way,
    /// Video packets that a publisher sends at a time.
    burst: u32,
    video_seq: u64,
    heard_from: HashSet<IpAddr>,
    audio: Mid,
    video: Mid,
    pending: Option<SdpPendingOffer>,
    connected: bool,
    closed: bool,
    keyframes_wanted: usize,
    video_packets: usize,
    audio_packets: usize,
    packets: HashMap<Ssrc, usize>,
    publishes: bool,
}

impl Client {
    async fn new(direction: Direction) -> (Self, String) {
        Self::over(direction, Way::udp(LOCAL).await)
    }

    fn over(direction: Direction, way: Way) -> (Self, String) {
        let mut rtc = RtcConfig::new()
            .set_rtp_mode(true)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_h264(true)
            .build(Instant::now());
        rtc.add_local_candidate(way.candidate());
        let mut api = rtc.sdp_api();
        let audio = api.add_media(MediaKind::Audio, direction, None, None, None);
        let video = api.add_media(MediaKind::Video, direction, None, None, None);
        let (offer, pending) = api.apply().expect("offer");
        let client = Self {
            rtc,
            way,
            burst: 1,
            video_seq: 0,
            heard_from: HashSet::new(),
            audio,
            video,
            pending: Some(pending),
            connected: false,
            closed: false,
            keyframes_wanted: 0,
            video_packets: 0,
            audio_packets: 0,
            packets: HashMap::new(),
            publishes: direction == Direction::SendOnly,
        };
        (client, offer.to_sdp_string())
    }

    /// One that waits for the server's offers.
    async fn page() -> Self {
        let (mut client, _) = Self::new(Direction::RecvOnly).await;
        client.rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
        client.rtc.add_local_candidate(client.way.candidate());
        client
    }

    fn answer(&mut self, offer: &ServerOffer) -> String {
        let offer = SdpOffer::from_sdp_string(&offer.sdp).expect("offer");
        let answer = self.rtc.sdp_api().accept_offer(offer).expect("fits");
        answer.to_sdp_string()
    }

    /// RTP streams that have brought some packets.
    fn streams(&self) -> usize {
        self.packets.values().filter(|count| **count > 20).count()
    }

    fn accept(&mut self, answer: &str) {
        let answer = SdpAnswer::from_sdp_string(answer).expect("answer");
        let pending = self.pending.take().expect("once");
        self.rtc
            .sdp_api()
            .accept_answer(pending, answer)
            .expect("fits");
    }

    async fn poll(&mut self) {
        let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
        loop {
            self.drain().await;
            let Some((packet, from)) = self.way.receive() else {
                return;
            };
            self.heard_from.insert(from.ip());
            let receive = Receive::new(self.way.protocol(), from, self.way.local(), &packet);
            if let Ok(receive) = receive {
                let _ = self
                    .rtc
                    .handle_input(Input::Receive(Instant::now(), receive));
            }
        }
    }

    async fn drain(&mut self) {
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(t) => {
                    self.way.send(&t.contents, t.destination).await;
                }
                Output::Event(Event::Connected) => self.connected = true,
                Output::Event(Event::Closed) => self.closed = true,
                Output::Event(Event::KeyframeRequest(_)) => self.keyframes_wanted += 1,
                Output::Event(Event::RtpPacket(packet)) => {
                    *self.packets.entry(packet.header.ssrc).or_default() += 1;
                    if packet.payload.len() > 500 {
                        self.video_packets += 1;
                    } else {
                        self.audio_packets += 1;
                    }
                }
                Output::Event(_) => {}
            }
        }
    }

    fn pt(&self, mid: Mid) -> Pt {
        self.rtc.media(mid).expect("media").remote_pts()[0]
    }

    fn write(&mut self, n: u32) {
        if !self.connected {
            return;
        }
        let key = n.is_multiple_of(30) || std::mem::take(&mut self.keyframes_wanted) > 0;
        let (audio, video) = (self.pt(self.audio), self.pt(self.video));
        let mut api = self.rtc.direct_api();
        let mid = self.video;
        let tx = api.stream_tx_by_mid(mid, None).expect("video");
        for left in (0..self.burst).rev() {
            let mut payload = vec![0; 1_000];
            payload[0] = if key { 0x67 } else { 0x41 };
            self.video_seq += 1;
            let seq = self.video_seq.into();
            let packet = RtpWrite::new(video, seq, n * 1_800, Instant::now(), payload);
            tx.write_rtp(packet.marker(left == 0).nackable(true));
        }
        let mid = self.audio;
        let tx = api.stream_tx_by_mid(mid, None).expect("audio");
        let payload = vec![0xfc; 100];
        tx.write_rtp(RtpWrite::new(
            audio,
            u64::from(n + 1).into(),
            n * 960,
            Instant::now(),
            payload,
        ));
    }
}

async fn run(
    clients: &mut [Client],
    n: &mut u32,
    limit: Duration,
    what: &str,
    done: impl Fn(&[Client]) -> bool,
) {
    let end = Instant::now() + limit;
    let mut tick = tokio::time::interval(Duration::from_millis(5));
    while !done(clients) {
        assert!(Instant::now() < end, "not in {limit:?}: {what}");
        tick.tick().await;
        *n += 1;
        if (*n).is_multiple_of(4) {
            for client in clients.iter_mut().filter(|c| c.publishes) {
                client.write(*n / 4);
            }
        }
        for client in clients.iter_mut() {
            client.poll().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn media_flows_over_sockets_and_sessions_end_with_bye() {
    let (workers, guard, registry) = start(2);
    let id: StreamId = "smoke".parse().expect("id");
    let (mut publisher, offer) = Client::new(Direction::SendOnly).await;
    let published = workers
        .publish(id.clone(), offer, Owner::Anybody)
        .await
        .expect("published");
    publisher.accept(&published.answer);
    let mut clients = vec![publisher];
    let mut n = 0;
    let limit = Duration::from_secs(20);
    run(&mut clients, &mut n, limit, "publisher connects", |c| {
        c[0].connected
    })
    .await;

    // Enough of them that both workers have some.
    let mut sessions = Vec::new();
    for _ in 0..12 {
        let (mut client, offer) = Client::new(Direction::RecvOnly).await;
        let accepted = workers
            .subscribe(id.clone(), offer)
            .await
            .expect("subscribed");
        client.accept(&accepted.answer);
        sessions.push(accepted.session);
        clients.push(client);
    }
    run(
        &mut clients,
        &mut n,
        limit,
        "media at all subscribers",
        |c| {
            c[1..]
                .iter()
                .all(|c| c.video_packets > 20 && c.audio_packets > 20)
        },
    )
    .await;
    let snapshot = workers.snapshot();
    assert_eq!((snapshot.publishers, snapshot.subscribers), (1, 12));
    assert_eq!((snapshot.running, snapshot.workers), (2, 2));

    let first = SessionRef {
        stream: id.clone(),
        session: sessions[0],
        role: Role::Subscriber,
    };
    workers.close(first.clone()).await.expect("closed");
    assert!(workers.close(first).await.is_err(), "it is gone");
    run(&mut clients, &mut n, limit, "BYE", |c| c[1].closed).await;

    let started = Instant::now();
    workers.shutdown().await;
    assert!(started.elapsed() < Duration::from_secs(2));
    run(&mut clients, &mut n, limit, "BYE to all", |c| {
        c.iter().all(|c| c.closed)
    })
    .await;
    let (_, offer) = Client::new(Direction::SendOnly).await;
    assert_eq!(
        workers.publish(id, offer, Owner::Anybody).await,
        Err(OfferError::ShuttingDown)
    );
    drop(guard);
    assert_eq!(workers.snapshot().running, 0);

    let value = |name, label| paths::value(&registry, name, label);
    assert!(value("weblive_media_packets_total", "out") > 400.0);
    assert_eq!(value("weblive_media_sessions", ""), 0.0);
    assert_eq!(value("weblive_media_session_panics_total", ""), 0.0);
}

#[tokio::test]
async fn offers_are_refused_with_their_reason() {
    let (workers, _guard, _) = start(1);
    let id: StreamId = "smoke".parse().expect("id");
    let (_client, offer) = Client::new(Direction::RecvOnly).await;
    assert!(matches!(
        workers.subscribe(id.clone(), offer.clone()).await,
        Err(OfferError::NotLive { .. })
    ));
    assert!(matches!(
        workers.publish(id.clone(), offer, Owner::Anybody).await,
        Err(OfferError::WrongDirection { .. })
    ));
    assert!(matches!(
        workers
            .publish(id, "hello".to_owned(), Owner::Anybody)
            .await,
        Err(OfferError::Malformed { .. })
    ));
    assert_eq!(workers.snapshot().publishers, 0);
}

#[tokio::test]
async fn requests_that_are_given_up_leave_nothing_behind() {
    let (workers, _guard, _) = start(1);
    let id: StreamId = "smoke".parse().expect("id");
    let (_client, offer) = Client::new(Direction::SendOnly).await;
    let mut answered = 0;
    for n in 0..40 {
        let publish = workers.publish(id.clone(), offer.clone(), Owner::Anybody);
        // Polled, then dropped before or after the worker's answer.
        let wait = Duration::from_micros(n * 100);
        if let Ok(result) = tokio::time::timeout(wait, publish).await {
            result.expect("published");
            answered += 1;
        }
    }
    paths::eventually("only those are open that were answered", || {
        workers.snapshot().publishers == answered
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_receive_the_streams_of_two_workers_over_one_connection_each() {
    let (workers, _guard, registry) = start(2);
    let mut events = workers.events().expect("first");
    assert!(workers.events().is_none());
    let names: Vec<StreamId> = ["anna", "bert"].map(|n| n.parse().expect("id")).to_vec();
    let mut clients = Vec::new();
    let mut sessions = Vec::new();
    for name in &names {
        let (mut client, offer) = Client::new(Direction::SendOnly).await;
        let published = workers
            .publish(name.clone(), offer, Owner::Anybody)
            .await
            .expect("published");
        client.accept(&published.answer);
        sessions.push(published.session);
        clients.push(client);
    }
    let mut n = 0;
    let limit = Duration::from_secs(20);
    run(&mut clients, &mut n, limit, "publishers connect", |c| {
        c.iter().all(|c| c.connected)
    })
    .await;
    let mut live = Vec::new();
    while live.len() < 2 {
        match tokio::time::timeout(limit, events.recv()).await {
            Ok(Some(MediaEvent::Live { session, .. })) => live.push(session),
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    assert!(sessions.iter().all(|s| live.contains(s)));

    let wanted = |name: &StreamId| Wanted {
        stream: name.clone(),
        audio: true,
        video: Some(Picture::Large),
    };
    let receivers = [SessionId::from_bits(1), SessionId::from_bits(2)];
    for receiver in receivers {
        let mut page = Client::page().await;
        let none = workers.receive(receiver, Vec::new(), names.clone()).await;
        assert_eq!(none, Ok(None), "nothing is open and nothing was wanted");
        let offer = workers
            .receive(receiver, vec![wanted(&names[0])], Vec::new())
            .await
            .expect("received")
            .expect("offer");
        let waits = workers
            .receive(receiver, vec![wanted(&names[1])], Vec::new())
            .await;
        assert_eq!(waits, Ok(None));
        let next = workers
            .answer(receiver, offer.revision, page.answer(&offer))
            .await
            .expect("taken")
            .expect("next offer");
        let answer = page.answer(&next);
        assert_eq!(
            workers.answer(receiver, next.revision, answer).await,
            Ok(None)
        );
        clients.push(page);
    }
    run(&mut clients, &mut n, limit, "four tracks each", |c| {
        c[2..].iter().all(|c| c.streams() == 4)
    })
    .await;
    assert_eq!(workers.snapshot().receivers, 2);

    // A publisher that may not send is not heard; one that ends is missed.
    let anna = SessionRef {
        stream: names[0].clone(),
        session: sessions[0],
        role: Role::Publisher,
    };
    workers
        .set_allowed(anna.clone(), false, false)
        .await
        .expect("open");
    workers.close(anna.clone()).await.expect("open");
    assert!(workers.set_allowed(anna, true, true).await.is_err());
    workers
        .close_receiver(receivers[0])
        .await
        .expect("it is open");
    let gone = workers.close_receiver(receivers[0]).await;
    assert_eq!(
        gone,
        Err(ReceiveError::UnknownReceiver {
            receiver: receivers[0]
        })
    );
    run(&mut clients, &mut n, limit, "BYE", |c| {
        c[0].closed && c[2].closed
    })
    .await;
    let (mut ended, mut receiver_ended) = (false, false);
    while !(ended && receiver_ended) {
        match tokio::time::timeout(limit, events.recv()).await {
            Ok(Some(MediaEvent::Ended { session, .. })) => ended = session == sessions[0],
            Ok(Some(MediaEvent::ReceiverEnded { receiver })) => {
                receiver_ended = receiver == receivers[0];
            }
            Ok(Some(_)) => {}
            other => panic!("{other:?}"),
        }
    }
    // The same id opens anew.
    let offer = workers
        .receive(receivers[0], vec![wanted(&names[1])], Vec::new())
        .await
        .expect("received");
    assert_eq!(offer.map(|o| o.revision), Some(1));
    workers.shutdown().await;
    assert_eq!(workers.snapshot().receivers, 0);
    let refused = workers
        .receive(receivers[1], vec![wanted(&names[1])], Vec::new())
        .await;
    assert_eq!(refused, Err(ReceiveError::ShuttingDown));
    let offers: f64 = registry
        .gather()
        .iter()
        .filter(|f| f.name() == "weblive_media_offers_total")
        .flat_map(|f| f.get_metric())
        .map(|m| m.get_counter().get_value())
        .sum();
    assert_eq!(offers, 5.0);
}
