//! An nginx with deploy/nginx/edge.conf in front of the server, over loopback sockets.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use bench::cli::PublishOptions;
use bench::edge::log::{Kind, Pulls};
use bench::edge::nginx::Nginx;
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
        conf: Some(conf()),
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

#[test]
fn endless_streams_pass_through_as_they_come() {
    let origin = TcpListener::bind("127.0.0.1:0").unwrap();
    let nginx = Nginx::start(&conf(), origin.local_addr().unwrap()).unwrap();
    let asked = thread::spawn(move || {
        // One after the other, all of them open: none waits for the end of another.
        let streams = ["a.flv", "a/stream.mp4", "a_l/stream.mp4", "a/stream.mp4"].map(|path| {
            let (mut stream, _) = origin.accept().unwrap();
            let head = head(&mut stream).to_lowercase();
            assert!(
                head.starts_with(&format!("get /live/{path}?x=1 http/1.1")),
                "{head}"
            );
            assert!(head.contains("\r\nupgrade: websocket\r\n"), "{head}");
            let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n";
            stream.write_all(first.as_bytes()).unwrap();
            stream
        });
        drop(streams);
    });
    let mut viewers = Vec::new();
    for path in ["a.flv", "a/stream.mp4", "a_l/stream.mp4", "a/stream.mp4"] {
        let mut viewer = TcpStream::connect(nginx.address()).unwrap();
        viewer
            .set_read_timeout(Some(Duration::from_secs(20)))
            .unwrap();
        let request = format!(
            "GET /live/{path}?x=1 HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\n\
             Connection: Upgrade\r\n\r\n"
        );
        viewer.write_all(request.as_bytes()).unwrap();
        let answer = head(&mut viewer);
        // What is cached says so.
        assert!(!answer.to_lowercase().contains("x-cache"), "{answer}");
        let mut first = [0; 8];
        viewer.read_exact(&mut first).unwrap();
        assert_eq!(&first, b"5\r\nfirst");
        viewers.push(viewer);
    }
    asked.join().unwrap();
}

fn conf() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/nginx/edge.conf");
    std::fs::read_to_string(path).unwrap()
}

/// The head of a request or a response.
fn head(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}
