//! An nginx with deploy/nginx/edge.conf in front of the server, over loopback sockets.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::time::Duration;

use bench::cli::PublishOptions;
use bench::edge::log::{Kind, Pulls};
use bench::edge::run::EdgeOptions;
use bench::rtc::answer::CandidateFilter;
use bench::source::SourceConfig;
use sfu::config::Settings;
use sfu::server::Server;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_players_of_hls_cost_the_origin_one_request_an_address() {
    let mut settings = Settings {
        listen: "127.0.0.1:0".parse().unwrap(),
        data_dir: std::path::PathBuf::new(),
        ..Settings::default()
    };
    settings.media.port = 0;
    settings.media.workers = 1;
    let server = Server::start(&settings).await.unwrap();
    let conf = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx/edge.conf");
    let report = bench::edge::run::run(EdgeOptions {
        publish: PublishOptions {
            whip: format!("{}whip/load", server.page()).parse().unwrap(),
            token: None,
            filter: CandidateFilter::Loopback,
            source: SourceConfig {
                video_bps: 300_000,
                ..SourceConfig::default()
            },
        },
        conf: Some(std::fs::read_to_string(conf).unwrap()),
        low_latency: 20,
        plain: 5,
        flv: 3,
        duration: Duration::from_secs(5),
        pid: None,
        warm_up: Duration::from_secs(1),
    })
    .await
    .unwrap();

    for viewers in &report.viewers {
        let failure = &viewers.first_failure;
        let troubles = (viewers.without_picture, viewers.ended_early, viewers.faults);
        assert_eq!(troubles, (0, 0, 0), "{}: {failure:?}", viewers.protocol);
    }
    let of = |kind| -> &Pulls { report.pulls.iter().find(|p| p.kind == kind).unwrap() };
    for kind in [
        Kind::BlockingPlaylist,
        Kind::Part,
        Kind::Segment,
        Kind::InitSection,
    ] {
        let pulls = of(kind);
        assert_eq!(pulls.pulled, pulls.addresses, "{pulls:?}");
        assert!(pulls.asked > pulls.addresses, "{pulls:?}");
        // A part that is hinted at may not come, and all are told so.
        assert!(kind == Kind::Part || pulls.refused == 0, "{pulls:?}");
    }
    let blocking = of(Kind::BlockingPlaylist);
    assert!(blocking.asked >= 10 * blocking.addresses, "{blocking:?}");
    // Kept for a second, which is about as often as one player asks for it.
    let newest = of(Kind::Playlist);
    assert!(newest.asked >= 2 * newest.pulled, "{newest:?}");
    // nginx has no way to give one endless answer to several viewers.
    assert_eq!((of(Kind::Flv).asked, of(Kind::Flv).pulled), (3, 3));
    server.shut_down().await;
}
