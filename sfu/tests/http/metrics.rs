//! What `/metrics` says about HTTP, and whether Prometheus can read it.

use std::io::Write;
use std::process::{Command, Stdio};

use str0m::media::Direction;

use crate::support::{Routes, offer};

/// Runs the checker of the Prometheus project over a page.
pub(crate) fn promtool(page: &[u8]) {
    let mut tool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("promtool, from Debian's package prometheus, is needed");
    tool.stdin
        .take()
        .expect("piped")
        .write_all(page)
        .expect("written");
    let output = tool.wait_with_output().expect("ended");
    let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.trim().is_empty(), "{said}");
}

#[tokio::test]
async fn the_page_passes_the_checker() {
    let routes = Routes::new("");
    routes.post("/whip/a", offer(Direction::SendOnly)).await;
    routes.post("/whep/b", offer(Direction::RecvOnly)).await;
    for path in ["/", "/live/a.m3u8", "/live/b.flv", "/nothing"] {
        routes.call("HEAD", path).await;
    }
    let page = routes.call("GET", "/metrics").await;
    assert_eq!(
        page.header("content-type"),
        "text/plain; version=0.0.4; charset=utf-8"
    );
    promtool(&page.body);
}

#[tokio::test]
async fn requests_are_counted_by_route_method_and_status() {
    let routes = Routes::new("");
    routes.post("/whip/a", offer(Direction::SendOnly)).await;
    routes.post("/whip/secret-stream", "hello").await;
    routes.call("GET", "/live/secret-stream.flv").await;
    routes.call("BREW", "/whip/a").await;
    routes.call("GET", "/secret-path").await;
    routes.call("GET", "/").await;
    let page = routes.call("GET", "/metrics").await.text();
    for line in [
        "{method=\"POST\",route=\"/whip/{id}\",status=\"201\"} 1",
        "{method=\"POST\",route=\"/whip/{id}\",status=\"400\"} 1",
        "{method=\"GET\",route=\"/live/{id}.flv\",status=\"404\"} 1",
        "{method=\"other\",route=\"/whip/{id}\",status=\"405\"} 1",
        "{method=\"GET\",route=\"none\",status=\"404\"} 1",
        "{method=\"GET\",route=\"files\",status=\"200\"} 1",
    ] {
        assert!(
            page.contains(&format!("weblive_http_requests_total{line}")),
            "{line}\n{page}"
        );
    }
    assert!(page.contains("weblive_http_request_duration_seconds_count{route=\"/whip/{id}\"} 3"));
    assert!(page.contains("weblive_build_info{aac="));
    assert!(!page.contains("secret"), "paths are no labels");
}
