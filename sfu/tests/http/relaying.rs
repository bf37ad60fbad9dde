//! Relaying switched while a publisher is live: what HTTP-FLV and HLS viewers see of it.

use std::time::{Duration, Instant};

use axum::body::Body;
use http_body_util::BodyExt;
use relay::{Relay, RelayConfig, StreamId};
use sfu::worker::{
    MediaEvent, OfferError, Owner, RelayError, Role, SessionRef, WorkerConfig, Workers,
};
use str0m::media::Direction;

use crate::publisher::Publisher;
use crate::support::{LOCAL, PATIENCE, Routes, offer, request, until};

fn id(name: &str) -> StreamId {
    name.parse().expect("stream id")
}

/// Waits for the status of a path.
async fn wait_for(routes: &Routes, path: &str, status: u16) {
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = status_of(routes, path).await;
        if seen == status {
            return;
        }
        assert!(Instant::now() < end, "{path} has {seen}, not {status}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn status_of(routes: &Routes, path: &str) -> u16 {
    let response = routes.open(request("GET", path, &[], Body::empty())).await;
    response.status().as_u16()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn viewers_come_under_the_name_that_relaying_has_and_go_as_it_stops() {
    let routes = Routes::new("");
    let (publisher, offered) = Publisher::new().await;
    let accepted = routes
        .workers
        .publish_with(id("plain"), offered, Owner::Anybody, false)
        .await
        .expect("published");
    let session = SessionRef {
        stream: id("plain"),
        session: accepted.session,
        role: Role::Publisher,
    };
    let (state, task) = publisher.start(&accepted.answer);
    until("connected", || state.is_connected()).await;
    let set = |relay: Option<&str>| routes.workers.set_relay(session.clone(), relay.map(id));
    assert_eq!(status_of(&routes, "/live/plain.flv").await, 404);

    set(Some("show")).await.expect("relayed");
    wait_for(&routes, "/live/show.m3u8", 200).await;
    assert_eq!(status_of(&routes, "/live/plain.flv").await, 404);
    let watching = routes
        .open(request("GET", "/live/show.flv", &[], Body::empty()))
        .await;
    assert_eq!(watching.status(), 200);

    set(Some("renamed")).await.expect("relayed");
    let seen = tokio::time::timeout(PATIENCE, watching.into_body().collect());
    let seen = seen.await.expect("the body ends").expect("cleanly");
    assert!(seen.to_bytes().starts_with(b"FLV"));
    let playlist = routes.call("GET", "/live/show.m3u8").await.text();
    assert!(playlist.ends_with("#EXT-X-ENDLIST\n"), "{playlist}");
    wait_for(&routes, "/live/renamed.flv", 200).await;

    set(None).await.expect("stopped");
    wait_for(&routes, "/live/renamed.flv", 404).await;
    assert!(!state.is_closed(), "the publisher goes on");

    set(Some("plain")).await.expect("relayed");
    wait_for(&routes, "/live/plain.flv", 200).await;
    task.abort();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_broadcast_is_told_from_its_beginning_to_its_end() {
    let registry = prometheus::Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).expect("relay");
    let config = WorkerConfig::new(LOCAL, 0, 1, vec![LOCAL]);
    let (workers, _guard) = Workers::start(config, relay, &registry).expect("workers");
    let mut events = workers.events().expect("the first to ask");
    let (publisher, offered) = Publisher::new().await;
    let published = workers.publish(id("plain"), offered, Owner::Anybody);
    let accepted = published.await.expect("published");
    let session = SessionRef {
        stream: id("plain"),
        session: accepted.session,
        role: Role::Publisher,
    };
    let (_state, task) = publisher.start(&accepted.answer);
    let begins = async {
        loop {
            let event = events.recv().await.expect("a server that runs");
            if let MediaEvent::BroadcastBegan { name, .. } = event {
                return name;
            }
        }
    };
    let begun = tokio::time::timeout(PATIENCE, begins).await;
    assert_eq!(begun, Ok(id("plain")));
    for relay in [Some("show"), Some("renamed"), None, Some("plain")] {
        let set = workers.set_relay(session.clone(), relay.map(id));
        set.await.expect("a publisher");
    }
    workers.close(session).await.expect("closed");
    until("the end of the session", || {
        workers.snapshot().publishers == 0
    })
    .await;
    task.abort();
    let mut told = Vec::new();
    while let Ok(event) = events.try_recv() {
        match event {
            MediaEvent::BroadcastBegan { name, .. } => told.push(format!("+{name}")),
            MediaEvent::BroadcastEnded { name, .. } => told.push(format!("-{name}")),
            _ => {}
        }
    }
    let all = [
        "+show", "-plain", "+renamed", "-show", "-renamed", "+plain", "-plain",
    ];
    assert_eq!(told, all);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_has_one_stream_whoever_comes_first() {
    let routes = Routes::new("");
    let mut sessions = Vec::new();
    for name in ["a", "b"] {
        let offered = offer(Direction::SendOnly);
        let published = routes.workers.publish(id(name), offered, Owner::Anybody);
        sessions.push(SessionRef {
            stream: id(name),
            session: published.await.expect("published").session,
            role: Role::Publisher,
        });
    }
    let taken = |name: &str| RelayError::Taken { stream: id(name) };
    let workers = &routes.workers;
    let [a, b] = &sessions[..] else {
        panic!("two sessions")
    };
    assert_eq!(
        workers.set_relay(a.clone(), Some(id("b"))).await,
        Err(taken("b"))
    );
    assert_eq!(workers.set_relay(a.clone(), Some(id("show"))).await, Ok(()));
    assert_eq!(
        workers.set_relay(b.clone(), Some(id("show"))).await,
        Err(taken("show"))
    );
    let offered = offer(Direction::SendOnly);
    assert_eq!(
        workers.publish(id("show"), offered, Owner::Anybody).await,
        Err(OfferError::Taken { stream: id("show") })
    );
    // The name is free with the next one, and with the end of the session.
    assert_eq!(
        workers.set_relay(a.clone(), Some(id("other"))).await,
        Ok(())
    );
    assert_eq!(workers.set_relay(b.clone(), Some(id("show"))).await, Ok(()));
    workers.close(a.clone()).await.expect("closed");
    until("the end of the session", || {
        workers.snapshot().publishers == 1
    })
    .await;
    assert_eq!(
        workers.set_relay(b.clone(), Some(id("other"))).await,
        Ok(())
    );
    let gone = workers.set_relay(a.clone(), None).await;
    assert!(
        matches!(gone, Err(RelayError::UnknownSession(_))),
        "{gone:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_relay_that_is_full_leaves_all_as_it_was() {
    let routes = Routes::with_relay(
        "",
        RelayConfig {
            max_broadcasts: 1,
            ..RelayConfig::default()
        },
    );
    let (publisher, offered) = Publisher::new().await;
    let published = routes.workers.publish(id("a"), offered, Owner::Anybody);
    let accepted = published.await.expect("published");
    let session = SessionRef {
        stream: id("a"),
        session: accepted.session,
        role: Role::Publisher,
    };
    let (_state, task) = publisher.start(&accepted.answer);
    wait_for(&routes, "/live/a.flv", 200).await;
    let set = |relay: Option<&str>| routes.workers.set_relay(session.clone(), relay.map(id));
    let full = set(Some("b")).await;
    assert!(matches!(full, Err(RelayError::Refused(_))), "{full:?}");
    wait_for(&routes, "/live/a.flv", 200).await;
    assert_eq!(status_of(&routes, "/live/b.flv").await, 404);
    set(None).await.expect("stopped");
    wait_for(&routes, "/live/a.flv", 404).await;
    set(Some("b")).await.expect("there is room now");
    wait_for(&routes, "/live/b.flv", 200).await;
    task.abort();
}
