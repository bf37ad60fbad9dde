//! Status, headers and problems.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_playlist_is_waited_for_and_refused_in_time() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let began = Instant::now();
    let response = get(&relay, "/live/a.m3u8").await;
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!(header(&response, "retry-after"), "1");
    assert_eq!(problem(response).await.0, 503);
    let mut camera = Camera::new();
    let (response, ()) = tokio::join!(
        get(&relay, "/live/a.m3u8"),
        camera.send(&ingest, Duration::from_secs(3))
    );
    assert_eq!(response.status(), 200);
}

#[tokio::test(start_paused = true)]
async fn playlists_and_segments_follow_the_rules_of_http_caching() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    Camera::new().send(&ingest, Duration::from_secs(5)).await;
    let path = "/live/a.m3u8";
    let response = get(&relay, path).await;
    assert_eq!(
        header(&response, "content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=0, s-maxage=1"
    );
    assert!(header(&response, "access-control-expose-headers").contains("etag"));
    let etag = header(&response, "etag").to_owned();
    let length = header(&response, "content-length").to_owned();
    let playlist = text(response).await;
    assert_eq!(playlist.len().to_string(), length);
    let parsed = m3u8_rs::parse_media_playlist_res(playlist.as_bytes()).unwrap();
    assert_eq!(parsed.target_duration, 2);
    assert!(
        parsed
            .segments
            .iter()
            .all(|s| s.program_date_time.is_some())
    );

    let response = request(&relay, Method::GET, path, &[("if-none-match", &etag)]).await;
    assert_eq!(response.status(), 304);
    assert!(bytes(response).await.is_empty());
    let response = request(&relay, Method::HEAD, path, &[]).await;
    assert_eq!(header(&response, "content-length"), length);
    assert!(bytes(response).await.is_empty());

    let uri = format!("/live/{}", parsed.segments[0].uri);
    let response = get(&relay, &uri).await;
    assert_eq!(header(&response, "content-type"), "video/mp4");
    assert_eq!(
        header(&response, "cache-control"),
        "public, max-age=3600, immutable"
    );
    let etag = header(&response, "etag").to_owned();
    let segment = bytes(response).await;
    let response = request(&relay, Method::GET, &uri, &[("range", "bytes=4-7")]).await;
    assert_eq!(response.status(), 206);
    assert_eq!(
        header(&response, "content-range"),
        format!("bytes 4-7/{}", segment.len())
    );
    assert_eq!(bytes(response).await, segment.slice(4..8));
    for (method, if_range, status) in [
        (Method::HEAD, None, 200),
        (Method::GET, Some(&*etag), 206),
        (Method::GET, Some("\"other\""), 200),
        (Method::GET, Some("Sat, 21 Nov 2026 08:00:00 GMT"), 200),
    ] {
        let mut headers = vec![("range", "bytes=4-7")];
        headers.extend(if_range.map(|validator| ("if-range", validator)));
        let response = request(&relay, method.clone(), &uri, &headers).await;
        assert_eq!(response.status(), status, "{method} {if_range:?}");
        let length = if status == 206 { 4 } else { segment.len() };
        assert_eq!(header(&response, "content-length"), length.to_string());
    }
    let headers = [("range", "bytes=99999999-")];
    let response = request(&relay, Method::GET, &uri, &headers).await;
    assert_eq!(problem(response).await.0, 416);
    let headers = [("if-none-match", &*format!("\"x\", {etag}"))];
    assert_eq!(
        request(&relay, Method::GET, &uri, &headers).await.status(),
        304
    );

    let map = parsed.segments[0].map.as_ref().unwrap();
    let init = bytes(get(&relay, &format!("/live/{}", map.uri)).await).await;
    let whole = [init, segment].concat();
    let size = whole.len() as u64;
    let mp4 = mp4::Mp4Reader::read_header(std::io::Cursor::new(whole), size).unwrap();
    assert_eq!(mp4.tracks().len(), 1);
    // One for each part: 2 s in parts of 233 ms.
    assert_eq!(mp4.moofs.len(), 9);
}

#[tokio::test(start_paused = true)]
async fn wrong_requests_are_told_why() {
    let relay = relay(RelayConfig::default());
    let (status, detail) = problem(get(&relay, "/live/nobody.flv").await).await;
    assert_eq!(status, 404);
    assert!(detail.contains("nobody"));
    assert_eq!(problem(get(&relay, "/live/nobody.m3u8").await).await.0, 404);
    let body = bytes(get(&relay, "/live/nobody.m3u8").await).await;
    let document: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(document["code"], "not-live");
    assert_eq!(problem(get(&relay, "/live/x/y.m4s").await).await.0, 404);
    assert_eq!(problem(get(&relay, "/live/a%2fb.flv").await).await.0, 400);
    assert_eq!(problem(get(&relay, "/live/a.mp3").await).await.0, 404);
    let response = request(&relay, Method::POST, "/live/a.flv", &[]).await;
    assert_eq!(header(&response, "allow"), "GET, HEAD, OPTIONS");
    assert_eq!(problem(response).await.0, 405);
    let response = request(&relay, Method::OPTIONS, "/live/a.flv", &[]).await;
    assert_eq!(response.status(), 204);
    assert_eq!(
        header(&response, "access-control-allow-methods"),
        "GET, HEAD, OPTIONS"
    );
    assert_eq!(header(&response, "access-control-allow-origin"), "*");
}

#[tokio::test(start_paused = true)]
async fn a_codec_that_cannot_be_carried_is_a_problem_with_a_way_out() {
    let relay = relay(RelayConfig::default());
    let ingest = relay.publish(&id("a"), Tracks::BOTH, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.codec = Codec::Vp8;
    // The viewer asks before the first packet comes.
    let (response, ()) = tokio::join!(
        get(&relay, "/live/a.flv"),
        camera.send(&ingest, Duration::from_millis(100))
    );
    let (status, detail) = problem(response).await;
    assert_eq!(status, 409);
    assert!(
        detail.contains("VP8") && detail.contains("publish H.264, HEVC, VP9 or AV1"),
        "{detail}"
    );
    assert_eq!(problem(get(&relay, "/live/a.m3u8").await).await.0, 409);
    let head = request(&relay, Method::HEAD, "/live/a.flv", &[]).await;
    assert_eq!(head.status(), 409);
    // A publisher with H.264 takes over: the same address plays.
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.send(&ingest, Duration::from_millis(500)).await;
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    assert!(tags(&read_on(&mut body).await.0).len() > 10);
    // And back: open bodies end.
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let mut camera = Camera::new();
    camera.codec = Codec::Vp8;
    camera.send(&ingest, Duration::from_millis(500)).await;
    assert!(read_on(&mut body).await.1);
}

#[tokio::test(start_paused = true)]
async fn the_newest_key_frame_is_a_file_of_one_picture() {
    let relay = relay(RelayConfig::default());
    let path = "/live/a.mp4";
    assert_eq!(problem(get(&relay, path).await).await.0, 404);
    let ingest = relay.publish(&id("a"), VIDEO, deaf()).unwrap();
    let early = get(&relay, path).await;
    assert_eq!(header(&early, "retry-after"), "1");
    assert_eq!(problem(early).await.0, 503);
    Camera::new().send(&ingest, Duration::from_secs(1)).await;
    let response = get(&relay, path).await;
    assert_eq!(header(&response, "content-type"), "video/mp4");
    assert_eq!(header(&response, "cache-control"), "public, max-age=2");
    let etag = header(&response, "etag").to_owned();
    let still = bytes(response).await;
    assert_eq!(&still[4..8], b"ftyp");
    let mut body = get(&relay, "/live/a.flv").await.into_body();
    let flv = tags(&read_on(&mut body).await.0);
    let picture = flv
        .iter()
        .find(|(kind, _, data)| *kind == 9 && data[..2] == [0x17, 1]);
    let (_, _, data) = picture.expect("a key frame");
    assert!(still.ends_with(&data[5..]));

    let same = request(&relay, Method::GET, path, &[("if-none-match", &etag)]).await;
    assert_eq!(same.status(), 304);
    let part = request(&relay, Method::GET, path, &[("range", "bytes=4-7")]).await;
    assert_eq!(
        (part.status().as_u16(), &bytes(part).await[..]),
        (206, &b"ftyp"[..])
    );
    let head = request(&relay, Method::HEAD, path, &[]).await;
    assert_eq!(header(&head, "content-length"), still.len().to_string());
}
