//! RFC 9725 and draft-ietf-wish-whep, request by request.

use str0m::media::Direction;

use crate::support::{FRAGMENT, Routes, SDP, offer, request, until};

const BOTH: [&str; 2] = ["/whip/a", "/whep/a"];

fn session_of(location: &str) -> &str {
    location.rsplit('/').next().expect("parts")
}

#[tokio::test]
async fn an_offer_is_answered_with_everything_a_client_needs() {
    let routes = Routes::new("");
    let reply = routes.post("/whip/cam_1", offer(Direction::SendOnly)).await;
    assert_eq!(reply.status, 201, "{}", reply.text());
    assert_eq!(reply.header("content-type"), SDP);
    assert_eq!(reply.header("accept-patch"), FRAGMENT);
    assert_eq!(reply.header("cache-control"), "no-store");
    let etag = reply.header("etag");
    assert!(
        etag.starts_with('"') && etag.ends_with('"') && etag.len() > 2,
        "{etag}"
    );
    let location = reply.header("location");
    assert!(location.starts_with("/whip/cam_1/"), "{location}");
    assert!(reply.text().starts_with("v=0"), "{}", reply.text());
    assert!(reply.text().contains("a=candidate:"), "{}", reply.text());
    assert!(!reply.headers.contains_key("link"));

    let watch = routes.post("/whep/cam_1", offer(Direction::RecvOnly)).await;
    assert_eq!(watch.status, 201, "{}", watch.text());
    assert!(watch.header("location").starts_with("/whep/cam_1/"));
    assert_eq!(routes.workers.snapshot().subscribers, 1);

    for session in [&watch, &reply] {
        let location = session.header("location");
        assert_eq!(routes.call("DELETE", location).await.status, 200);
        let again = routes.call("DELETE", location).await;
        again.problem(404, "no-such-session");
    }
    until("both sessions are gone", || {
        let now = routes.workers.snapshot();
        (now.publishers, now.subscribers) == (0, 0)
    })
    .await;
}

#[tokio::test]
async fn content_types_are_compared_without_their_parameters() {
    let routes = Routes::new("");
    let headers = [("content-type", "Application/SDP; charset=utf-8")];
    let reply = routes
        .send(request(
            "POST",
            "/whip/a",
            &headers,
            offer(Direction::SendOnly),
        ))
        .await;
    assert_eq!(reply.status, 201);
}

#[tokio::test]
async fn ice_servers_are_linked_when_there_are_some() {
    let routes = Routes::new(
        "ice_servers = [{ urls = [\"stun:a.example\", \"stun:b.example\"] },
         { urls = [\"turn:c.example\"], username = \"u\", credential = \"c\" }]",
    );
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    let links: Vec<_> = reply.headers.get_all("link").iter().collect();
    assert_eq!(links.len(), 3);
    assert_eq!(links[0], "<stun:a.example>; rel=\"ice-server\"");
    assert!(links[2].to_str().unwrap().contains("credential=\"c\""));
}

#[tokio::test]
async fn turn_credentials_from_a_secret_end_after_their_lifetime() {
    let routes = Routes::new(
        "ice_servers = [{ urls = [\"turn:c.example\"], secret = \"north\", lifetime = \"10m\" }]",
    );
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    let link = reply.headers.get("link").expect("a link").to_str().unwrap();
    let (_, rest) = link.split_once("username=\"").expect("a user name");
    let (expires_at, rest) = rest.split_once(':').expect("its time");
    assert!(rest.starts_with("publisher\"; credential=\""), "{link}");
    let now = std::time::SystemTime::now();
    let now = now.duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let left = expires_at.parse::<u64>().expect("a time") - now;
    assert!((590..=600).contains(&left), "{left}");
    assert!(!link.contains("north"));
}

#[tokio::test]
async fn a_stream_that_nobody_publishes_is_a_conflict_to_be_tried_again() {
    let routes = Routes::new("");
    let reply = routes
        .post("/whep/nobody", offer(Direction::RecvOnly))
        .await;
    assert!(reply.problem(409, "not-live").contains("nobody"));
    assert_eq!(reply.header("retry-after"), "2");
}

#[tokio::test]
async fn other_methods_are_reserved() {
    let routes = Routes::new("");
    for method in ["GET", "HEAD", "PUT", "PATCH", "DELETE", "BREW"] {
        for path in BOTH {
            let reply = routes.call(method, path).await;
            assert_eq!(reply.status, 405, "{method} {path}");
            assert_eq!(reply.header("allow"), "POST, OPTIONS", "{method} {path}");
        }
    }
    let session = "/whip/a/0123456789abcdef0123456789abcdef";
    for method in ["GET", "HEAD", "PUT", "POST", "BREW"] {
        let reply = routes.call(method, session).await;
        assert_eq!(reply.status, 405, "{method}");
        assert_eq!(reply.header("allow"), "PATCH, DELETE, OPTIONS", "{method}");
    }
    let detail = routes
        .call("GET", "/whip/a")
        .await
        .problem(405, "method-not-allowed");
    assert!(
        detail.contains("GET") && detail.contains("POST"),
        "{detail}"
    );
}

#[tokio::test]
async fn other_content_types_are_refused_with_the_one_that_is_allowed() {
    let routes = Routes::new("");
    for headers in [
        &[][..],
        &[("content-type", "application/json")],
        &[("content-type", "text/sdp")],
    ] {
        for path in BOTH {
            let reply = routes.send(request("POST", path, headers, "{}")).await;
            assert!(reply.problem(415, "unsupported-content-type").contains(SDP));
            assert_eq!(reply.header("accept-post"), SDP);
        }
        let session = "/whep/a/0123456789abcdef0123456789abcdef";
        let reply = routes.send(request("PATCH", session, headers, "{}")).await;
        assert!(
            reply
                .problem(415, "unsupported-content-type")
                .contains(FRAGMENT)
        );
        assert_eq!(reply.header("accept-patch"), FRAGMENT);
    }
}

#[tokio::test]
async fn preflights_say_what_pages_may_do() {
    let routes = Routes::new("");
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
    ];
    for (path, methods, accept) in [
        ("/whip/a", "POST, OPTIONS", ("accept-post", SDP)),
        (
            "/whep/a/x",
            "PATCH, DELETE, OPTIONS",
            ("accept-patch", FRAGMENT),
        ),
    ] {
        let reply = routes.send(request("OPTIONS", path, &preflight, "")).await;
        assert_eq!(reply.status, 204);
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        assert_eq!(reply.header("access-control-allow-methods"), methods);
        assert!(
            reply
                .header("access-control-allow-headers")
                .contains("If-Match")
        );
        assert!(
            reply
                .header("access-control-allow-headers")
                .contains("Authorization")
        );
        assert_eq!(reply.header("allow"), methods);
        assert_eq!(reply.header(accept.0), accept.1);
    }
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    for name in ["Location", "ETag", "Link", "Accept-Patch"] {
        assert!(
            reply.header("access-control-expose-headers").contains(name),
            "{name}"
        );
    }
}

#[tokio::test]
async fn only_listed_origins_are_let_in() {
    let routes = Routes::new("cors.origins = [\"https://a.example\"]");
    for path in ["/", "/live/a.m3u8", "/whip/a"] {
        for (origin, allowed) in [
            ("https://a.example", "https://a.example"),
            ("https://b.example", ""),
        ] {
            let reply = routes
                .send(request("GET", path, &[("origin", origin)], ""))
                .await;
            assert_eq!(
                reply.header("access-control-allow-origin"),
                allowed,
                "{path} {origin}"
            );
            let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
            assert!(
                vary.iter().any(|v| v.to_str().unwrap().contains("Origin")),
                "{path}"
            );
        }
    }
}

#[tokio::test]
async fn a_patch_needs_the_current_entity_tag() {
    let routes = Routes::new("");
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    let (location, etag) = (reply.header("location"), reply.header("etag").to_owned());
    let offered = offer(Direction::SendOnly);
    let mid = offered
        .lines()
        .find_map(|l| l.strip_prefix("a=mid:"))
        .unwrap();
    let restart = format!(
        "a=ice-ufrag:EsAw\r\na=ice-pwd:P2uYro0UCOQ4zxjKXaWCBui1\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:{mid}\r\n"
    );

    routes
        .patch(location, None, &restart)
        .await
        .problem(428, "if-match-required");
    routes
        .patch(location, Some("\"other\""), &restart)
        .await
        .problem(412, "etag-mismatch");
    routes
        .patch(location, Some(&etag), "hello")
        .await
        .problem(400, "malformed-fragment");
    routes
        .patch(location, Some(&etag), "")
        .await
        .problem(400, "content-empty");

    let restarted = routes.patch(location, Some("*"), &restart).await;
    assert_eq!(restarted.status, 200, "{}", restarted.text());
    assert_eq!(restarted.header("content-type"), FRAGMENT);
    assert!(restarted.text().contains("a=ice-ufrag:"));
    let new = restarted.header("etag").to_owned();
    assert!(new != etag && new.starts_with('"'), "{new}");

    let candidate = format!("{restart}a=candidate:1 1 UDP 2130706431 192.0.2.1 5000 typ host\r\n");
    routes
        .patch(location, Some(&etag), &candidate)
        .await
        .problem(412, "etag-mismatch");
    let trickled = routes.patch(location, Some(&new), &candidate).await;
    assert_eq!(trickled.status, 204, "{}", trickled.text());
    assert!(trickled.body.is_empty());
}

#[tokio::test]
async fn sessions_are_found_by_stream_role_and_id_together() {
    let routes = Routes::new("");
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    let id = session_of(reply.header("location"));
    for path in [
        format!("/whip/b/{id}"),
        format!("/whep/a/{id}"),
        "/whip/a/0123456789abcdef0123456789abcdef".to_owned(),
        "/whip/a/short".to_owned(),
        "/whip/a/%00%ff%2f".to_owned(),
    ] {
        let status = if path.contains('%') { 400 } else { 404 };
        let reply = routes.call("DELETE", &path).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
        let restart = "a=ice-ufrag:abcd\r\na=ice-pwd:0123456789012345678901\r\n";
        let reply = routes.patch(&path, Some("*"), restart).await;
        assert_eq!(reply.status, status, "{path}: {}", reply.text());
    }
    assert_eq!(routes.workers.snapshot().publishers, 1);
}

#[tokio::test]
async fn ids_that_are_none_are_refused_and_lead_nowhere() {
    let routes = Routes::new("");
    let long = "x".repeat(129);
    for id in [
        "..%2f..%2fetc%2fpasswd",
        "a%20b",
        "%00",
        "a.b",
        "%e4%bd%a0",
        "a%2Fb",
        long.as_str(),
    ] {
        for protocol in ["whip", "whep"] {
            let reply = routes.post(&format!("/{protocol}/{id}"), "v=0").await;
            reply.problem(400, "bad-stream-id");
        }
    }
    routes
        .post("/whip/%ff%fe", "v=0")
        .await
        .problem(400, "bad-address");
    for path in [
        "/whip/",
        "/whip",
        "/whip/a/b/c",
        "/whip/../../etc/passwd",
        "/../Cargo.toml",
        "/..%2fCargo.toml",
    ] {
        routes
            .call("GET", path)
            .await
            .problem(404, "no-such-address");
    }
}

#[tokio::test]
async fn offers_that_are_none_are_refused_and_the_stream_beside_goes_on() {
    let routes = Routes::new("");
    let good = offer(Direction::SendOnly);
    assert_eq!(routes.post("/whip/good", good.clone()).await.status, 201);

    let many = (0..500).fold(good.clone(), |sdp, n| {
        sdp + &format!("m=audio 9 UDP/TLS/RTP/SAVPF 111\r\nc=IN IP4 0.0.0.0\r\na=mid:x{n}\r\n")
    });
    let long = good.clone() + &"a=x:yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n".repeat(1 << 15);
    assert!(long.len() > 1 << 20);
    let recv = offer(Direction::RecvOnly);
    let vp1 = good
        .replace("H264/90000", "VP1/90000")
        .replace("opus/48000", "mp1/48000");
    for path in BOTH {
        routes
            .post(path, "hello")
            .await
            .problem(400, "malformed-offer");
        routes.post(path, "").await.problem(400, "content-empty");
        routes
            .post(path, vec![0xff, 0xfe, 0])
            .await
            .problem(400, "content-not-utf8");
        let detail = routes
            .post(path, long.clone())
            .await
            .problem(413, "content-too-large");
        assert!(detail.contains("65536"), "{detail}");
        let reply = routes.post(path, many.clone()).await;
        reply.problem(422, "too-many-media-lines");
        let half = &good[..good.len() / 2];
        assert!(
            routes
                .post(path, half.to_owned())
                .await
                .status
                .is_client_error()
        );
    }
    routes
        .post("/whip/a", recv)
        .await
        .problem(422, "wrong-direction");
    let detail = routes
        .post("/whip/a", vp1)
        .await
        .problem(422, "no-common-codec");
    assert!(detail.contains("allowed"), "{detail}");

    let now = routes.workers.snapshot();
    assert_eq!((now.publishers, now.subscribers), (1, 0));
    let watch = routes.post("/whep/good", offer(Direction::RecvOnly)).await;
    assert_eq!(watch.status, 201, "{}", watch.text());
}

#[tokio::test]
async fn sessions_above_the_limit_are_refused_for_now() {
    let routes = Routes::new("media.max_sessions = 2");
    for id in ["a", "b"] {
        let reply = routes
            .post(&format!("/whip/{id}"), offer(Direction::SendOnly))
            .await;
        assert_eq!(reply.status, 201);
    }
    let reply = routes.post("/whip/c", offer(Direction::SendOnly)).await;
    assert!(reply.problem(503, "limit-reached").contains('2'));
    assert_eq!(reply.header("retry-after"), "5");
}

#[tokio::test]
async fn a_server_on_its_way_down_says_so() {
    let routes = Routes::new("");
    assert_eq!(routes.call("GET", "/readyz").await.status, 200);
    routes.workers.shutdown().await;
    let reply = routes.post("/whip/a", offer(Direction::SendOnly)).await;
    reply.problem(503, "shutting-down");
    let detail = routes
        .call("GET", "/readyz")
        .await
        .problem(503, "not-ready");
    assert!(detail.contains("shutting down"), "{detail}");
    assert_eq!(routes.call("GET", "/healthz").await.text(), "ok\n");
}
