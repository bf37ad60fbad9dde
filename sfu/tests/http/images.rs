//! Pictures for messages, from the upload to what a browser is given.

use std::io::Cursor;

use http::header::{AUTHORIZATION, CONTENT_TYPE};
use serde_json::Value;
use sfu::auth::{Claims, SecretKey};
use sfu::live::AppId;

use crate::support::{Reply, Routes, request};

struct World {
    routes: Routes,
    _folder: tempfile::TempDir,
}

impl World {
    fn new(toml: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().display();
        Self {
            routes: Routes::new(&format!("data_dir = \"{path}\"\n{toml}")),
            _folder: folder,
        }
    }

    async fn post(&self, bytes: Vec<u8>, headers: &[(&str, &str)]) -> Reply {
        let request = request("POST", "/api/images", headers, bytes);
        self.routes.send(request).await
    }

    async fn upload(&self, bytes: Vec<u8>) -> Value {
        let reply = self.post(bytes, &[("content-type", "image/png")]).await;
        assert_eq!(reply.status, 201, "{}", reply.text());
        assert_eq!(reply.header("content-type"), "application/json");
        serde_json::from_slice(&reply.body).expect("JSON")
    }

    async fn get(&self, path: &str, headers: &[(&str, &str)]) -> Reply {
        self.routes.send(request("GET", path, headers, "")).await
    }
}

fn png(side: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::RgbImage::from_fn(side, side, |x, y| image::Rgb([x as u8, y as u8, 0]))
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
        .expect("encodes");
    bytes
}

fn url(payload: &Value, size: usize) -> &str {
    payload["imageInfoArray"][size]["url"]
        .as_str()
        .expect("a URL")
}

fn error_code(reply: &Reply) -> i64 {
    let problem: Value = serde_json::from_slice(&reply.body).expect("JSON");
    problem["error_code"].as_i64().expect("a code")
}

#[tokio::test]
async fn an_upload_is_served_in_three_sizes_with_headers_that_run_nothing() {
    let world = World::new("");
    let bytes = png(800);
    let payload = world.upload(bytes.clone()).await;
    assert_eq!(payload["imageFormat"], "png");
    assert_eq!(payload["uuid"].as_str().map(str::len), Some(64));
    for (size, kind, side) in [
        (0, "image/png", 800),
        (1, "image/jpeg", 720),
        (2, "image/jpeg", 198),
    ] {
        let reply = world.get(url(&payload, size), &[]).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("content-type"), kind);
        assert_eq!(reply.header("content-length"), reply.body.len().to_string());
        assert_eq!(reply.header("x-content-type-options"), "nosniff");
        assert_eq!(
            reply.header("content-security-policy"),
            "default-src 'none'; sandbox"
        );
        assert!(reply.header("cache-control").contains("immutable"));
        assert_eq!(reply.header("access-control-allow-origin"), "*");
        let shown = image::load_from_memory(&reply.body).expect("an image");
        assert_eq!(shown.width(), side);
        if size == 0 {
            assert_eq!(reply.body, bytes);
        }
    }
    // The same picture again is the same answer.
    assert_eq!(world.upload(bytes).await, payload);
}

#[tokio::test]
async fn a_picture_that_is_known_is_not_sent_again() {
    let world = World::new("");
    let payload = world.upload(png(300)).await;
    let path = url(&payload, 0);
    let etag = world.get(path, &[]).await.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    for tag in [&*etag, &format!("W/{etag}"), "*", &format!("\"x\", {etag}")] {
        let reply = world.get(path, &[("if-none-match", tag)]).await;
        assert_eq!((reply.status.as_u16(), reply.body.len()), (304, 0), "{tag}");
        assert_eq!(reply.header("etag"), etag);
        assert!(reply.header("cache-control").contains("immutable"));
    }
    let other = world.get(path, &[("if-none-match", "\"x\"")]).await;
    assert_eq!(other.status, 200);
    let head = world.routes.call("HEAD", path).await;
    assert_eq!((head.status.as_u16(), head.body.len()), (200, 0));
    let length = payload["imageInfoArray"][0]["size"].to_string();
    assert_eq!(head.header("content-length"), length);
}

#[tokio::test]
async fn what_is_no_image_is_refused_whatever_it_claims_to_be() {
    let world = World::new("images.max_per_minute = 100");
    for bytes in [
        &b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>"[..],
        b"<!doctype html><script>alert(1)</script>",
        b"GIF89a\x01\0\x01\0\0\0\0<script>alert(1)</script>",
        b"\x89PNG\r\n\x1a\n and nothing of the kind",
        b"MZ\x90\0 a program",
        b"PK\x03\x04 an archive",
        b"%PDF-1.7",
    ] {
        for kind in ["image/png", "image/svg+xml", "application/octet-stream"] {
            let reply = world.post(bytes.to_vec(), &[("content-type", kind)]).await;
            let detail = reply.problem(415, "no-image");
            assert!(detail.contains("jpg, png, gif, webp and bmp"), "{detail}");
            assert_eq!(error_code(&reply), 2252);
        }
    }
    let reply = world.post(Vec::new(), &[]).await;
    reply.problem(400, "image-empty");
    assert_eq!(error_code(&reply), 2251);
    let form = "multipart/form-data; boundary=x";
    let reply = world.post(png(9), &[("content-type", form)]).await;
    let detail = reply.problem(415, "unsupported-content-type");
    assert!(detail.contains("image/*"), "{detail}");
    assert_eq!(
        reply.header("accept-post"),
        "image/*, application/octet-stream"
    );
}

#[tokio::test]
async fn a_file_that_is_an_image_and_a_page_is_served_as_an_image_only() {
    let world = World::new("");
    let mut both = png(300);
    both.extend(b"<html><script>alert(document.domain)</script></html>");
    let payload = world.upload(both).await;
    let reply = world
        .get(url(&payload, 0), &[("accept", "text/html")])
        .await;
    assert_eq!(reply.header("content-type"), "image/png");
    assert_eq!(reply.header("x-content-type-options"), "nosniff");
    assert!(reply.header("content-security-policy").contains("sandbox"));
    let small = world.get(url(&payload, 2), &[]).await;
    let text = String::from_utf8_lossy(&small.body);
    assert!(!text.contains("script"), "smaller ones are made anew");
}

#[tokio::test]
async fn what_is_too_large_in_bytes_or_pixels_is_refused() {
    let world = World::new("images.max_bytes = 100000\nimages.max_side = 1000");
    let reply = world.post(vec![0; 100_001], &[]).await;
    let detail = reply.problem(413, "image-too-large");
    assert!(detail.contains("100000 bytes"), "{detail}");
    assert_eq!(error_code(&reply), 2253);
    // A kilobyte that would be unpacked to ten gigabytes.
    let mut bomb = png(9);
    bomb[16..20].copy_from_slice(&60_000u32.to_be_bytes());
    bomb[20..24].copy_from_slice(&60_000u32.to_be_bytes());
    let crc = !bomb[12..29].iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
        })
    });
    bomb[29..33].copy_from_slice(&crc.to_be_bytes());
    let reply = world.post(bomb, &[]).await;
    let detail = reply.problem(413, "image-too-large");
    assert!(detail.contains("60000 × 60000 pixels"), "{detail}");
    let claims = [("content-length", "999999999999")];
    let reply = world.post(png(9), &claims).await;
    reply.problem(413, "image-too-large");
}

#[tokio::test]
async fn paths_that_were_never_given_lead_nowhere() {
    let world = World::new("");
    let payload = world.upload(png(300)).await;
    let id = payload["uuid"].as_str().expect("an id");
    for name in [
        "..",
        "%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "..%2fweblive.db",
        "..%5cweblive.db",
        "%00.png",
        "%ff.png",
        &format!("{id}.json"),
        &format!("{id}.html"),
        &format!("{id}.png%00.html"),
        &format!("{id}.png.part"),
        &format!("..%2fimages%2f{id}.png"),
        &format!("{}.png", id.to_uppercase()),
        &format!("{id}-721.jpg"),
        &format!("{}.png", "0".repeat(64)),
        &"a".repeat(5_000),
    ] {
        let reply = world.get(&format!("/images/{name}"), &[]).await;
        reply.problem(404, "no-such-image");
    }
    for path in ["/images/", "/images", "/images/../api/images"] {
        assert_eq!(world.get(path, &[]).await.status, 404, "{path}");
    }
}

#[tokio::test]
async fn many_ranges_of_a_picture_are_one_picture() {
    let world = World::new("");
    let payload = world.upload(png(300)).await;
    let ranges = format!("bytes={}", vec!["0-"; 500].join(","));
    let reply = world.get(url(&payload, 0), &[("range", &ranges)]).await;
    let size = payload["imageInfoArray"][0]["size"].as_u64();
    assert_eq!(reply.status, 200);
    assert_eq!(Some(reply.body.len() as u64), size);
}

fn token(user: &str, key: &str) -> String {
    let now = std::time::UNIX_EPOCH
        .elapsed()
        .expect("after 1970")
        .as_secs();
    let claims = Claims {
        app: AppId(1),
        user: user.parse().expect("a user"),
        issued_at: now,
        expires_in: 3_600,
        userbuf: None,
    };
    claims.sign(&key.parse::<SecretKey>().expect("a key"))
}

#[tokio::test]
async fn with_apps_an_upload_needs_a_token_and_each_user_has_a_rate() {
    let app = "images.max_per_minute = 2\napps = [{ id = 1, keys = [\"one\"] }]";
    let world = World::new(app);
    let reply = world.post(png(9), &[]).await;
    reply.problem(401, "credentials-missing");
    assert_eq!(reply.header("www-authenticate"), "Bearer");
    let bearer = |user, key| format!("Bearer {}", token(user, key));
    let forged = bearer("anna", "two");
    let reply = world
        .post(png(9), &[(AUTHORIZATION.as_str(), &forged)])
        .await;
    reply.problem(401, "usersig-invalid");

    let (anna, ben) = (bearer("anna", "one"), bearer("ben", "one"));
    let post = async |bearer: &str, side| {
        let headers = [
            (AUTHORIZATION.as_str(), bearer),
            (CONTENT_TYPE.as_str(), "image/png"),
        ];
        world.post(png(side), &headers).await
    };
    assert_eq!(post(&anna, 1).await.status, 201);
    assert_eq!(post(&anna, 2).await.status, 201);
    let reply = post(&anna, 3).await;
    let detail = reply.problem(429, "too-many-uploads");
    assert!(detail.contains("2 uploads a minute"), "{detail}");
    let seconds: u32 = reply.header("retry-after").parse().expect("seconds");
    assert!((1..=30).contains(&seconds), "{seconds}");
    assert_eq!(post(&ben, 3).await.status, 201);
    // Whoever has the address sees the picture: it is shown by pages that send no header.
    let payload: Value = serde_json::from_slice(&post(&ben, 3).await.body).expect("JSON");
    assert_eq!(world.get(url(&payload, 0), &[]).await.status, 200);
}

#[tokio::test]
async fn a_page_may_ask_whether_it_may_upload() {
    let world = World::new("");
    let preflight = [
        ("origin", "https://a.example"),
        ("access-control-request-method", "POST"),
        (
            "access-control-request-headers",
            "authorization, content-type",
        ),
    ];
    let reply = world
        .routes
        .send(request("OPTIONS", "/api/images", &preflight, ""))
        .await;
    assert_eq!(reply.status, 204);
    assert_eq!(
        reply.header("access-control-allow-methods"),
        "POST, OPTIONS"
    );
    let reply = world.routes.call("GET", "/api/images").await;
    reply.problem(405, "method-not-allowed");
    let reply = world.routes.call("DELETE", "/images/x.png").await;
    reply.problem(405, "method-not-allowed");
    assert_eq!(reply.header("allow"), "GET, HEAD, OPTIONS");
}

#[tokio::test]
async fn a_server_that_keeps_nothing_takes_no_images() {
    let routes = Routes::new("");
    let reply = routes
        .send(request("POST", "/api/images", &[], png(9)))
        .await;
    reply.problem(404, "no-uploads");
    let name = format!("/images/{}.png", "0".repeat(64));
    routes
        .call("GET", &name)
        .await
        .problem(404, "no-such-image");
}
