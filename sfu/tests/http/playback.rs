//! Recordings as players get them: of a publisher over real sockets, and of folders that an earlier
//! server left.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use reqwest::Client;
use sfu::auth::SignedAddress;
use tempfile::TempDir;

use crate::access::now;
use crate::show::Show;
use crate::support::{Reply, Routes, request, until};

/// What a real socket gives for a path with these header fields.
async fn get(show: &Show, method: &str, path: &str, fields: &[(&str, &str)]) -> Reply {
    let url = format!("http://{}{path}", show.address);
    let mut request = Client::new().request(method.parse().expect("a method"), url);
    for (name, value) in fields {
        request = request.header(*name, *value);
    }
    let response = request.send().await.expect("response");
    Reply {
        status: response.status(),
        headers: response.headers().clone(),
        body: response.bytes().await.expect("whole").to_vec(),
    }
}

/// The only recording, once its MP4 file is there.
async fn recorded(show: &Show) -> serde_json::Value {
    let end = Instant::now() + Duration::from_secs(120);
    loop {
        let list = show.api("GET", "/recordings", "").await;
        if let Some(recording) = list["items"].as_array().and_then(|items| items.first())
            && recording["state"] == "ended"
        {
            return recording.clone();
        }
        assert!(Instant::now() < end, "it goes on: {list}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Seconds that play, and the codecs, as another implementation reads them from an address.
fn probe(url: &str) -> (f64, Vec<String>) {
    // The publisher's pictures are made up: a decoder would complain.
    let output = Command::new("timeout")
        .args([
            "120",
            "ffprobe",
            "-v",
            "fatal",
            "-show_entries",
            "format=duration:stream=codec_name",
        ])
        .args(["-of", "json", url])
        .output()
        .expect("ffprobe");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && errors.is_empty(), "{errors}");
    let read: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let duration = read["format"]["duration"].as_str().expect("a duration");
    let mut codecs: Vec<_> = read["streams"]
        .as_array()
        .expect("streams")
        .iter()
        .map(|stream| stream["codec_name"].as_str().expect("a name").to_owned())
        .collect();
    codecs.sort();
    (duration.parse().expect("seconds"), codecs)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_recording_is_played_from_the_server_that_made_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let show = Show::small(&format!(
        "relay.linger = \"1s\"\n[record]\nfolder = {:?}\nauto = [\"show\"]\n",
        folder.path()
    ))
    .await;
    show.reaches("weblive_record_segments_total", |n| n >= 2.0)
        .await;
    // Nothing of it is served while it goes on.
    let list = show.api("GET", "/recordings", "").await;
    let base = format!(
        "/recordings/{}",
        list["items"][0]["folder"].as_str().expect("text")
    );
    assert_eq!(list["items"][0]["playlistUrl"], serde_json::Value::Null);
    for file in ["index.m3u8", "000000.m4s", "recording.mp4"] {
        let early = get(&show, "GET", &format!("{base}/{file}"), &[]).await;
        early.problem(404, "recording-not-ready");
        assert!(!early.header("retry-after").is_empty());
    }
    show.end_broadcast().await;
    let recording = recorded(&show).await;
    assert_eq!(recording["playlistUrl"], format!("{base}/index.m3u8"));
    assert_eq!(recording["mp4Url"], format!("{base}/recording.mp4"));

    let playlist = get(&show, "GET", &format!("{base}/index.m3u8"), &[]).await;
    assert_eq!(playlist.status, 200);
    assert_eq!(
        playlist.header("content-type"),
        "application/vnd.apple.mpegurl"
    );
    assert!(playlist.header("cache-control").contains("immutable"));
    assert_eq!(playlist.header("access-control-allow-origin"), "*");
    let text = playlist.text();
    assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD") && text.ends_with("#EXT-X-ENDLIST\n"));
    let mut named: Vec<_> = text.lines().filter(|line| !line.starts_with('#')).collect();
    named.push("init0.mp4");
    assert!(named.len() >= 3, "{text}");
    for name in named {
        let file = get(&show, "GET", &format!("{base}/{name}"), &[]).await;
        assert_eq!(
            (file.status.as_u16(), file.header("content-type")),
            (200, "video/mp4")
        );
        let path = folder
            .path()
            .join(base.trim_start_matches("/recordings/"))
            .join(name);
        assert!(file.body == std::fs::read(path).expect("a file"), "{name}");
    }

    let mp4_path = format!("{base}/recording.mp4");
    let mp4 = get(&show, "GET", &mp4_path, &[]).await;
    let size = mp4.body.len();
    assert_eq!(recording["mp4Bytes"], size);
    assert_eq!(mp4.header("accept-ranges"), "bytes");
    assert_eq!(mp4.header("content-length"), size.to_string());
    let head = get(&show, "HEAD", &mp4_path, &[]).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    for name in ["content-length", "content-type", "etag", "last-modified"] {
        assert_eq!(head.header(name), mp4.header(name), "{name}");
    }
    let (etag, date) = (mp4.header("etag"), mp4.header("last-modified"));
    let (first, last) = (size / 3, size / 3 + 999);
    let middle = format!("bytes={first}-{last}");
    for fields in [
        &[("range", middle.as_str())][..],
        &[("range", &middle), ("if-range", etag)],
        &[("range", &middle), ("if-range", date)],
    ] {
        let part = get(&show, "GET", &mp4_path, fields).await;
        assert_eq!(part.status, 206);
        assert_eq!(
            part.header("content-range"),
            format!("bytes {first}-{last}/{size}")
        );
        assert!(part.body == mp4.body[first..=last]);
    }
    let other = [("range", middle.as_str()), ("if-range", "\"other\"")];
    assert_eq!(get(&show, "GET", &mp4_path, &other).await.body.len(), size);
    let end = get(&show, "GET", &mp4_path, &[("range", "bytes=-10")]).await;
    assert!(end.body == mp4.body[size - 10..]);
    let beyond = format!("bytes={size}-");
    let beyond = get(&show, "GET", &mp4_path, &[("range", &beyond)]).await;
    beyond.problem(416, "range-not-satisfiable");
    assert_eq!(beyond.header("content-range"), format!("bytes */{size}"));
    for fields in [("if-none-match", etag), ("if-modified-since", date)] {
        let known = get(&show, "GET", &mp4_path, &[fields]).await;
        assert_eq!((known.status.as_u16(), known.body.len()), (304, 0));
        assert_eq!(known.header("etag"), etag);
    }
    let stale = get(&show, "GET", &mp4_path, &[("if-match", "\"other\"")]).await;
    stale.problem(412, "etag-mismatch");

    let played = recording["durationMs"].as_f64().expect("a number") / 1_000.0;
    for url in [&recording["playlistUrl"], &recording["mp4Url"]] {
        let url = format!("http://{}{}", show.address, url.as_str().expect("text"));
        let read = tokio::task::spawn_blocking(move || probe(&url));
        let (duration, codecs) = read.await.expect("read");
        assert!(
            (duration - played).abs() < 0.5,
            "{duration} s, not {played}"
        );
        assert_eq!(codecs, ["aac", "h264"]);
    }
    show.is("weblive_record_reads", 0.0).await;
    assert!(show.metric("weblive_record_read_bytes_total").await >= 2.0 * size as f64);
    assert!(show.metric("weblive_http_requests_total{method=\"GET\",route=\"/recordings/{id}.mp4\",status=\"206\"}").await >= 4.0);
}

const ID: &str = "1700000000123-5f1e02aa";

/// What an earlier server left: recordings of streams, each with its owner.
fn left(recordings: &[(&str, u32)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    for (stream, owner) in recordings {
        let path = folder.path().join(stream).join(ID);
        std::fs::create_dir_all(&path).expect("a folder");
        let manifest = format!(
            r#"{{"version":1,"id":"{ID}","stream":"{stream}","owner":{owner},
            "started_at":1700000000123,"mp4":true,"end":{{"reason":"stopped","duration_ms":4000,
            "segments":2,"missed":0,"bytes":9,"mp4_bytes":5,"mp4_error":null,"error":null}}}}"#
        );
        for (name, content) in [
            ("recording.json", manifest.as_str()),
            ("index.m3u8", PLAYLIST),
            ("init0.mp4", "init"),
            ("000000.m4s", "media"),
            ("recording.mp4", "whole"),
        ] {
            std::fs::write(path.join(name), content).expect("written");
        }
    }
    folder
}

const PLAYLIST: &str = "#EXTM3U\n#EXT-X-VERSION:6\n#EXT-X-TARGETDURATION:4\n\
    #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-MAP:URI=\"init0.mp4\"\n\
    #EXTINF:4.00000,\n000000.m4s\n#EXT-X-ENDLIST\n";

const FILES: [&str; 4] = ["index.m3u8", "init0.mp4", "000000.m4s", "recording.mp4"];

async fn routes(folder: &Path, toml: &str) -> Routes {
    // A server before this one lets go of the folder when its last task has ended.
    until("the folder is free", || {
        let lock = std::fs::File::open(folder.join(".lock"));
        lock.map_or(true, |lock| lock.try_lock().is_ok())
    })
    .await;
    // Tables of the settings come last.
    let (values, tables) = toml.split_once("apps").unwrap_or((toml, ""));
    let apps = match tables {
        "" => String::new(),
        tables => format!("apps{tables}"),
    };
    Routes::new(&format!("{values}\nrecord.folder = {folder:?}\n{apps}"))
}

async fn ask(routes: &Routes, stream: &str, file: &str, fields: &[(&str, &str)]) -> Reply {
    let path = format!("/recordings/{stream}/{ID}/{file}");
    routes.send(request("GET", &path, fields, "")).await
}

#[tokio::test]
async fn recordings_of_earlier_starts_are_served_and_nothing_else_of_the_folder_is() {
    let folder = left(&[("show", 0)]);
    std::fs::write(folder.path().join("secret.mp4"), "secret").expect("written");
    let served = routes(folder.path(), "").await;
    for file in FILES {
        assert_eq!(ask(&served, "show", file, &[]).await.status, 200, "{file}");
    }
    for path in [
        format!("/recordings/show/{ID}/recording.json"),
        format!("/recordings/show/{ID}/000001.m4s"),
        format!("/recordings/show/{ID}/0.m4s"),
        format!("/recordings/show/{ID}/"),
        format!("/recordings/show/{ID}"),
        format!("/recordings/show/{ID}/index%2Em3u8"),
        format!("/recordings/%73how/{ID}/index.m3u8"),
        format!("/recordings/show/{ID}/..%2f..%2fsecret.mp4"),
        format!("/recordings/show/{ID}/../../secret.mp4"),
        format!("/recordings/other/{ID}/index.m3u8"),
        "/recordings/show/1700000000124-5f1e02aa/index.m3u8".to_owned(),
        "/recordings/.lock".to_owned(),
        "/recordings/secret.mp4".to_owned(),
    ] {
        let reply = served.call("GET", &path).await;
        reply.problem(404, "no-such-recording");
    }
    let path = format!("/recordings/show/{ID}/index.m3u8");
    let reply = served.call("PUT", &path).await;
    reply.problem(405, "method-not-allowed");
    assert_eq!(reply.header("allow"), "GET, HEAD, OPTIONS");
    assert_eq!(served.call("OPTIONS", &path).await.status, 204);

    drop(served);
    let private = routes(folder.path(), "record.serve = false").await;
    let reply = private.call("GET", &path).await;
    reply.problem(404, "no-such-address");
}

#[tokio::test]
async fn a_recording_needs_the_signature_of_its_app_and_hands_it_on() {
    let apps = r#"
apps = [
  { id = 1, keys = ["one"], play_url_key = "play" },
  { id = 2, keys = ["two"] },
]
"#;
    let recordings = [
        ("show", 1),
        ("free", 2),
        ("1_named", 2),
        ("anybodys", 0),
        ("gone", 9),
    ];
    let folder = left(&recordings);
    let routes = routes(folder.path(), apps).await;
    let key = "play".parse().expect("a key");
    let signed = |stream: &str, end| SignedAddress::query(&key, stream, end);
    let later = now() + 3_600;
    for file in FILES {
        // Whoever publishes under the name now: it is of whom it was recorded for, or whom its name
        // names, and of any app that signs where nobody knows.
        for stream in ["show", "1_named", "anybodys"] {
            let unsigned = ask(&routes, stream, file, &[]).await;
            unsigned.problem(403, "address-unsigned");
            let query = |query: String| format!("{file}?{query}");
            let expired = ask(&routes, stream, &query(signed(stream, now() - 1)), &[]).await;
            expired.problem(403, "address-expired");
            let others = ask(&routes, stream, &query(signed("other", later)), &[]).await;
            others.problem(403, "address-invalid");
            let good = ask(&routes, stream, &query(signed(stream, later)), &[]).await;
            assert_eq!(good.status, 200, "{stream}/{file}");
        }
        assert_eq!(ask(&routes, "free", file, &[]).await.status, 200);
        let gone = ask(&routes, "gone", file, &[]).await;
        gone.problem(403, "app-unknown");
    }
    let query = signed("show", later);
    let playlist = ask(&routes, "show", &format!("index.m3u8?{query}"), &[]).await;
    let expected = PLAYLIST
        .replace("init0.mp4", &format!("init0.mp4?{query}"))
        .replace("000000.m4s", &format!("000000.m4s?{query}"));
    assert_eq!(playlist.text(), expected);
    assert_eq!(playlist.header("vary"), "accept-encoding");
    // It is another text than the file has.
    let range = [("range", "bytes=0-3")];
    let whole = ask(&routes, "show", &format!("index.m3u8?{query}"), &range).await;
    assert_eq!((whole.status.as_u16(), whole.text()), (200, expected));
    let page = routes.call("GET", "/metrics").await.text();
    assert!(
        page.contains("weblive_auth_refused_total{reason=\"no_app\"} 4"),
        "{page}"
    );
}

#[tokio::test]
async fn pages_and_origins_are_those_of_the_app_that_it_was_recorded_for() {
    let folder = left(&[("a", 1), ("b", 2)]);
    let routes = routes(
        folder.path(),
        r#"cors.origins = ["https://all.example"]
apps = [
  { id = 1, keys = ["one"], referers = ["shop.example"], allow_no_referer = false, cors_origins = ["https://shop.example"] },
  { id = 2, keys = ["two"] },
]
"#,
    )
    .await;
    let (all, shop) = ("https://all.example", "https://shop.example");
    for file in FILES {
        for (stream, origin, status, allowed) in [
            ("a", shop, 200, shop),
            ("a", all, 403, ""),
            ("b", all, 200, all),
            ("b", shop, 200, ""),
        ] {
            let reply = ask(&routes, stream, file, &[("origin", origin)]).await;
            assert_eq!(reply.status, status, "{stream}/{file} from {origin}");
            let said = reply.header("access-control-allow-origin");
            assert_eq!(said, allowed, "{stream}/{file} from {origin}");
        }
        assert_eq!(ask(&routes, "a", file, &[]).await.status, 403);
    }
    // A preflight is told the same.
    let fields = [("origin", shop), ("access-control-request-method", "GET")];
    let path = format!("/recordings/a/{ID}/recording.mp4");
    let reply = routes.send(request("OPTIONS", &path, &fields, "")).await;
    assert_eq!(reply.header("access-control-allow-origin"), shop);
    assert!(
        reply
            .header("access-control-allow-headers")
            .contains("If-Range")
    );
}

#[tokio::test]
async fn so_many_are_read_at_once_and_one_that_ends_makes_room() {
    let folder = left(&[("a", 0)]);
    let routes = routes(
        folder.path(),
        "record.max_reads = 2\nrecord.max_reads_per_address = 2",
    )
    .await;
    let open = async || {
        let path = format!("/recordings/a/{ID}/recording.mp4");
        routes.open(request("GET", &path, &[], "")).await
    };
    let (first, second) = (open().await, open().await);
    assert_eq!(
        (first.status().as_u16(), second.status().as_u16()),
        (200, 200)
    );
    let reply = ask(&routes, "a", "recording.mp4", &[]).await;
    reply.problem(503, "recordings-busy");
    assert_eq!(reply.header("retry-after"), "5");
    let metrics = routes.call("GET", "/metrics").await.text();
    let lines: BTreeMap<_, _> = metrics.lines().filter_map(|l| l.rsplit_once(' ')).collect();
    assert_eq!(lines["weblive_record_reads"], "2");
    assert_eq!(
        lines["weblive_record_reads_refused_total{reason=\"limit\"}"],
        "1"
    );
    drop(first);
    assert_eq!(
        ask(&routes, "a", "recording.mp4", &[]).await.text(),
        "whole"
    );
    drop(second);
    drop(routes);
    let one = crate::playback::routes(folder.path(), "record.max_reads_per_address = 1").await;
    let path = format!("/recordings/a/{ID}/recording.mp4");
    let held = one.open(request("GET", &path, &[], "")).await;
    let reply = ask(&one, "a", "recording.mp4", &[]).await;
    reply.problem(429, "too-many-reads");
    drop(held);
}
