//! The web files, and addresses that are none.

use crate::support::{Routes, request};

#[tokio::test]
async fn the_demo_page_is_served_with_its_guards() {
    let routes = Routes::new("");
    let reply = routes.call("GET", "/").await;
    assert_eq!(reply.status, 200);
    assert_eq!(reply.header("content-type"), "text/html; charset=utf-8");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert_eq!(reply.header("cache-control"), "no-cache");
    let policy = reply.header("content-security-policy");
    assert!(
        policy.contains("default-src 'self'") && !policy.contains("unsafe"),
        "{policy}"
    );
    assert!(reply.text().to_lowercase().contains("<!doctype html>"));
}

#[tokio::test]
async fn a_page_that_did_not_change_is_not_sent_again() {
    let routes = Routes::new("");
    let etag = routes
        .call("GET", "/index.html")
        .await
        .header("etag")
        .to_owned();
    for tag in [etag.clone(), format!("\"x\", W/{etag}"), "*".to_owned()] {
        let reply = routes
            .send(request("GET", "/", &[("if-none-match", &tag)], ""))
            .await;
        assert_eq!(reply.status, 304, "{tag}");
        assert!(reply.body.is_empty());
        assert_eq!(reply.header("etag"), etag);
    }
    let reply = routes
        .send(request("GET", "/", &[("if-none-match", "\"x\"")], ""))
        .await;
    assert_eq!(reply.status, 200);
}

#[tokio::test]
async fn only_reading_is_allowed() {
    let routes = Routes::new("");
    // `POST /` is a call of the vendor's kit.
    for path in ["/icon.svg", "/metrics", "/healthz", "/readyz"] {
        let reply = routes.call("POST", path).await;
        reply.problem(405, "method-not-allowed");
        assert_eq!(reply.header("allow"), "GET, HEAD, OPTIONS", "{path}");
        assert_eq!(routes.call("OPTIONS", path).await.status, 204, "{path}");
    }
    let head = routes.call("HEAD", "/").await;
    assert_eq!(head.status, 200);
    assert_eq!(head.header("content-type"), "text/html; charset=utf-8");
}

#[tokio::test]
async fn an_address_without_anything_says_where_things_are() {
    let routes = Routes::new("");
    let detail = routes
        .call("GET", "/nothing")
        .await
        .problem(404, "no-such-address");
    assert!(detail.contains("/whip/{id}"), "{detail}");
    routes
        .call("POST", "/nothing")
        .await
        .problem(404, "no-such-address");
}

#[tokio::test]
async fn request_ids_of_a_proxy_are_kept_when_they_are_plain() {
    let routes = Routes::new("");
    let sent = |id: &'static str| {
        let request = request("GET", "/healthz", &[("x-request-id", id)], "");
        async { routes.send(request).await.header("x-request-id").to_owned() }
    };
    assert_eq!(sent("edge-1.42").await, "edge-1.42");
    for id in ["a b", "", "<script>"] {
        let ours = sent(id).await;
        assert!(
            ours.len() == 16 && ours.bytes().all(|b| b.is_ascii_hexdigit()),
            "{ours}"
        );
    }
    let long = "x".repeat(65);
    let reply = routes
        .send(request("GET", "/", &[("x-request-id", &long)], ""))
        .await;
    assert_eq!(reply.header("x-request-id").len(), 16);
}

#[tokio::test]
async fn the_sdk_is_for_pages_of_all_origins() {
    let routes = Routes::new("cors.origins = [\"https://live.example.org\"]");
    let get = |path: &str| request("GET", path, &[("origin", "https://other.example")], "");
    for path in [
        "/sdk/trtc.js",
        "/sdk/weblive.mjs",
        "/sdk/engines/mpegts.mjs",
    ] {
        let reply = routes.send(get(path)).await;
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(
            reply.header("content-type"),
            "text/javascript; charset=utf-8"
        );
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("cross-origin-resource-policy"), "cross-origin");
        assert_eq!(reply.header("cache-control"), "no-cache");
    }
    let tarball = routes.send(get("/sdk/weblive.tgz")).await;
    assert_eq!(tarball.header("content-type"), "application/gzip");
    let page = routes.send(get("/")).await;
    assert!(!page.headers.contains_key("access-control-allow-origin"));
    assert!(!page.headers.contains_key("cross-origin-resource-policy"));
}

#[tokio::test]
async fn folders_have_pages_of_their_own() {
    let routes = Routes::new("");
    let moved = routes.call("GET", "/admin").await;
    assert_eq!(moved.status, 308);
    assert_eq!(moved.header("location"), "admin/");
    let admin = routes.call("GET", "/admin/").await;
    assert_eq!(admin.status, 200);
    assert_eq!(admin.header("cache-control"), "no-cache");
    let policy = admin.header("content-security-policy");
    assert!(policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(
        !policy.contains('*') && !policy.contains("unsafe"),
        "{policy}"
    );
    let examples = routes.call("GET", "/examples/").await;
    assert_eq!(examples.status, 200);
    let policy = examples.header("content-security-policy");
    assert!(!policy.contains("script-src"), "{policy}");
    let nothing = routes.call("GET", "/examples/none/").await;
    nothing.problem(404, "no-such-address");
}
