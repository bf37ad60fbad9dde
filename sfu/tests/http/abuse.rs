//! What attackers send to addresses that answer: tokens that are none, and words that a careless
//! server would give back as a page.

use std::io::Write;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use flate2::Compression;
use flate2::write::ZlibEncoder;
use sfu::auth::{Claims, MAX_TOKEN_LEN, SecretKey};
use sfu::live::AppId;

use crate::support::{Reply, Routes, request};

const APPS: &str = "apps = [{ id = 1, keys = [\"one\"] }, { id = 2, keys = [\"two\"] }]";

fn key(text: &str) -> SecretKey {
    text.parse().expect("a key")
}

fn claims(app: u32) -> Claims {
    let now = std::time::UNIX_EPOCH.elapsed().expect("after 1970");
    Claims {
        app: AppId(app),
        user: "anna".parse().expect("a user"),
        issued_at: now.as_secs(),
        expires_in: 3_600,
        userbuf: None,
    }
}

/// A token with this inside.
fn envelope(content: &[u8]) -> String {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::best());
    zlib.write_all(content).expect("written");
    let bytes = zlib.finish().expect("ended");
    let text = STANDARD.encode(bytes);
    text.replace('+', "*").replace('/', "-").replace('=', "_")
}

fn unsigned(sig: &str) -> String {
    let claims = claims(1);
    let content = format!(
        "{{\"TLS.ver\":\"2.0\",\"TLS.identifier\":\"anna\",\"TLS.sdkappid\":1,\
         \"TLS.expire\":3600,\"TLS.time\":{}{sig}}}",
        claims.issued_at
    );
    envelope(content.as_bytes())
}

#[tokio::test]
async fn a_token_that_is_none_opens_no_door() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = format!("data_dir = \"{}\"\n{APPS}", folder.path().display());
    let routes = Routes::new(&data);
    let bomb = envelope(&vec![b' '; 1 << 20]);
    assert!(bomb.len() < MAX_TOKEN_LEN, "{}", bomb.len());
    let whole = claims(1).sign(&key("one"));
    for (what, token) in [
        ("inflates to a megabyte", bomb),
        ("signature stripped", unsigned("")),
        ("signature empty", unsigned(",\"TLS.sig\":\"\"")),
        ("signature null", unsigned(",\"TLS.sig\":null")),
        ("key of another app", claims(1).sign(&key("two"))),
        ("app that is not there", claims(9).sign(&key("one"))),
        ("nothing inside", envelope(b"")),
        ("not JSON", envelope(b"hello")),
        ("deep JSON", envelope(&[b'['; 5_000])),
        ("cut off", whole[..whole.len() / 2].to_owned()),
        ("too long", "e".repeat(60_000)),
        ("empty", String::new()),
    ] {
        let bearer = format!("Bearer {token}");
        for (path, kind) in [
            ("/api/images", "image/png"),
            ("/whip/a", "application/sdp"),
            ("/whep/a", "application/sdp"),
        ] {
            let headers = [("authorization", &*bearer), ("content-type", kind)];
            let reply = routes.send(request("POST", path, &headers, "x")).await;
            assert_eq!(reply.status, 401, "{what} at {path}: {}", reply.text());
            assert!(
                reply.header("www-authenticate").starts_with("Bearer"),
                "{what}"
            );
        }
    }
    let images = folder.path().join("images");
    assert_eq!(std::fs::read_dir(images).expect("made").count(), 0);
    assert_eq!(routes.workers.snapshot().publishers, 0);
}

/// Whether a browser that is led here could take the response for a page or a program.
fn runs(reply: &Reply) -> bool {
    let kind = reply.header("content-type");
    kind.starts_with("text/html") || kind.contains("javascript") || kind.contains("svg")
}

#[tokio::test]
async fn no_answer_gives_back_what_the_address_said() {
    let routes = Routes::new("");
    let word = "xss7cafe";
    let script = format!("%3Cscript%3E{word}%3C%2Fscript%3E");
    for path in [
        format!("/{script}"),
        format!("/whip/{script}"),
        format!("/whip/a/{script}"),
        format!("/whep/{script}"),
        format!("/live/{script}.flv"),
        format!("/live/{script}.m3u8"),
        format!("/live/a.m3u8?callback={word}"),
        format!("/live/a.flv?jsonp={word}"),
        format!("/images/{script}.png"),
        format!("/api/images?callback={word}"),
        format!("/healthz?callback={word}"),
        format!("/readyz?callback={word}"),
        format!("/metrics?callback={word}"),
    ] {
        for method in ["GET", "POST", "DELETE", "OPTIONS"] {
            let reply = routes.call(method, &path).await;
            let text = String::from_utf8_lossy(&reply.body);
            assert!(!text.contains(word), "{method} {path}: {text}");
            for value in reply.headers.values() {
                let value = String::from_utf8_lossy(value.as_bytes());
                assert!(!value.contains(word), "{method} {path}: {value}");
            }
            assert!(!runs(&reply), "{method} {path}");
        }
    }
}

#[tokio::test]
async fn paths_lead_to_no_file_of_the_machine() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("secret.png"), "hunter2").expect("written");
    let routes = Routes::new(&format!("data_dir = \"{}\"", folder.path().display()));
    for way in [
        "../",
        "..%2f",
        "%2e%2e/",
        "%2e%2e%2f",
        "..\\",
        "..%5c",
        "%252e%252e%252f",
    ] {
        for place in [
            "",
            "images/",
            "live/",
            "live/a/",
            "whip/",
            "assets/",
            "api/images/",
        ] {
            for end in ["secret.png", "etc/passwd", "weblive.db"] {
                let path = format!("/{place}{}{end}", way.repeat(3));
                let Ok(uri) = path.parse::<http::Uri>() else {
                    continue;
                };
                let reply = routes.call("GET", &uri.to_string()).await;
                assert!(
                    (400..500).contains(&reply.status.as_u16()),
                    "{path}: {}",
                    reply.status
                );
                let text = String::from_utf8_lossy(&reply.body);
                assert!(
                    !text.contains("hunter2") && !text.contains("root:"),
                    "{path}: {text}"
                );
            }
        }
    }
}
