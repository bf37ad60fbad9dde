//! A whole run of the WebRTC generator against the server's workers over
//! loopback sockets.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod http;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use bench::rtc::answer::CandidateFilter;
use bench::rtc::run::{RtcOptions, run};
use bench::source::SourceConfig;
use relay::{Relay, RelayConfig};
use sfu::worker::{WorkerConfig, Workers};

const LOOPBACK: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_measures_joins_and_delivery() {
    let registry = prometheus::Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).unwrap();
    let config = WorkerConfig::new(LOOPBACK, 0, 1, vec![LOOPBACK]);
    let (workers, guard) = Workers::start(config, relay, &registry).unwrap();
    let address = http::serve(workers.clone()).await;
    let url = |kind: &str| format!("http://{address}/{kind}/load").parse().unwrap();

    let report = run(RtcOptions {
        whip: url("whip"),
        whep: url("whep"),
        filter: CandidateFilter::Loopback,
        subscribers: 4,
        join_over: Duration::from_millis(200),
        lone_joins: 1,
        duration: Duration::from_secs(1),
        pid: None,
        source: SourceConfig::default(),
        subscribers_ask: true,
    })
    .await
    .unwrap();

    for joins in [&report.joins, report.lone_joins.as_ref().unwrap()] {
        assert_eq!(joins.failed, 0, "{:?}", joins.first_failure);
        let (connected, keyframe) = (joins.connected.unwrap(), joins.keyframe.unwrap());
        assert!(connected.max_ms <= keyframe.max_ms);
    }
    assert_eq!((report.steady.loss, report.steady.damaged), (0.0, 0));
    assert!(report.steady.received_pps > 3.5 * report.steady.published_pps);
    assert!(report.steady.added_delay.unwrap().count > 900);
    assert!(report.server.is_none());

    // The run has said goodbye to all its sessions.
    let snapshot = workers.snapshot();
    assert_eq!((snapshot.publishers, snapshot.subscribers), (0, 0));
    workers.shutdown().await;
    drop(guard);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_is_quoted() {
    let registry = prometheus::Registry::new();
    let relay = Relay::new(RelayConfig::default(), &registry).unwrap();
    let config = WorkerConfig::new(LOOPBACK, 0, 1, vec![LOOPBACK]);
    let (workers, guard) = Workers::start(config, relay, &registry).unwrap();
    workers.shutdown().await;
    let address = http::serve(workers).await;
    let whip = format!("http://{address}/whip/load").parse().unwrap();
    let error =
        bench::rtc::run::Publishing::to(&whip, CandidateFilter::Loopback, SourceConfig::default())
            .await
            .err()
            .unwrap();
    assert!(error.to_string().contains("shutting down"), "{error:#}");
    drop(guard);
}
