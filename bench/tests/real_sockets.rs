//! Whole runs of the generators against the server over loopback sockets.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::{Duration, UNIX_EPOCH};

use bench::cli::PublishOptions;
use bench::flv::slow::SlowOptions;
use bench::rtc::answer::CandidateFilter;
use bench::rtc::run::{Publishing, RtcOptions};
use bench::rtc::signalling::Bearer;
use bench::source::SourceConfig;
use bench::viewers::CrowdOptions;
use sfu::auth::Claims;
use sfu::config::Settings;
use sfu::live::AppId;
use sfu::server::Server;

async fn server() -> Server {
    let mut settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: std::path::PathBuf::new(),
        ..Settings::default()
    };
    settings.media.port = 0;
    settings.media.workers = 1;
    Server::start(&settings).await.unwrap()
}

fn url(server: &Server, path: &str) -> reqwest::Url {
    format!("{}{path}", server.page()).parse().unwrap()
}

fn publish(server: &Server) -> Option<PublishOptions> {
    Some(PublishOptions {
        whip: url(server, "whip/load"),
        token: None,
        filter: CandidateFilter::Loopback,
        source: SourceConfig::default(),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webrtc_run_measures_joins_and_delivery() {
    let server = server().await;
    let report = bench::rtc::run::run(RtcOptions {
        whip: url(&server, "whip/load"),
        whep: url(&server, "whep/load"),
        token: None,
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
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_flv_run_sees_pictures_and_their_delay() {
    let server = server().await;
    let report = bench::flv::run::run(
        CrowdOptions {
            url: url(&server, "live/load.flv"),
            viewers: 3,
            duration: Duration::from_secs(2),
            pid: Some(std::process::id()),
            publish: publish(&server),
            warm_up: Duration::from_secs(1),
        },
        Some(SlowOptions {
            viewers: 5,
            rate_bps: 190_000,
        }),
    )
    .await
    .unwrap();
    assert_eq!(report.without_picture, 0, "{:?}", report.first_failure);
    assert_eq!((report.faults, report.ended_early), (0, 0));
    // 30 pictures and 47 AAC frames a second and viewer.
    assert!(report.units_per_second > 3.0 * 60.0);
    assert!(report.delay.unwrap().count > 100);
    assert!(report.server_rss_bytes.unwrap() > 1_000_000);
    let slow = report.slow.unwrap();
    assert_eq!(
        (slow.viewers, slow.ended_early),
        (5, 0),
        "{:?}",
        slow.first_failure
    );
    assert!(slow.others_delay_before.unwrap().count > 100);
    // A tenth of what they need, for more than twenty seconds.
    assert!(slow.skips >= 5, "{}", slow.skips);
    assert!(slow.kilobits_per_second_each < 300.0);
    assert!(slow.delay.is_some());
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_hls_run_fetches_segments_as_they_come() {
    let server = server().await;
    let report = bench::hls::run::run(CrowdOptions {
        url: url(&server, "live/load.m3u8"),
        viewers: 3,
        duration: Duration::from_secs(4),
        pid: None,
        publish: publish(&server),
        warm_up: Duration::from_secs(1),
    })
    .await
    .unwrap();
    assert_eq!(report.without_picture, 0, "{:?}", report.first_failure);
    assert_eq!((report.skips, report.faults, report.ended_early), (0, 0, 0));
    assert!(report.units_per_second >= 3.0 * 0.2);
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_refuses_is_quoted() {
    let server = server().await;
    let whip = url(&server, "whip/not%20an%20id");
    let error = Publishing::to(
        &whip,
        None,
        CandidateFilter::Loopback,
        SourceConfig::default(),
    )
    .await
    .err()
    .unwrap();
    assert!(error.to_string().contains("instead of 201"), "{error:#}");
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_apps_is_loaded_with_a_token() {
    let base = "listen = \"127.0.0.1:0\"\ndata_dir = \"\"\nmedia.port = 0\nmedia.workers = 1\n";
    let apps = "apps = [{ id = 7, keys = [\"seven\"] }]\n";
    let path = std::path::Path::new("test");
    let settings = Settings::from_toml(path, &format!("{base}{apps}")).unwrap();
    let server = Server::start(&settings).await.unwrap();
    let claims = Claims {
        app: AppId(7),
        user: "bench".parse().unwrap(),
        issued_at: UNIX_EPOCH.elapsed().unwrap().as_secs(),
        expires_in: 60,
        userbuf: None,
    };
    let token: Bearer = claims.sign(&"seven".parse().unwrap()).parse().unwrap();
    let options = RtcOptions {
        whip: url(&server, "whip/load"),
        whep: url(&server, "whep/load"),
        token: Some(token),
        filter: CandidateFilter::Loopback,
        subscribers: 2,
        join_over: Duration::ZERO,
        lone_joins: 0,
        duration: Duration::from_millis(300),
        pid: None,
        source: SourceConfig::default(),
        subscribers_ask: true,
    };
    let without = RtcOptions {
        token: None,
        ..options.clone()
    };
    let refused = bench::rtc::run::run(without).await.unwrap_err();
    assert!(refused.to_string().contains("401"), "{refused:#}");
    let report = bench::rtc::run::run(options).await.unwrap();
    assert_eq!(report.joins.failed, 0, "{:?}", report.joins.first_failure);
    server.shut_down().await;
}
