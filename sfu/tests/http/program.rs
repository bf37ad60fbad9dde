//! The binary: its line on standard output, its pages, its exit codes, its way down.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::metrics::promtool;
use crate::publisher::Publisher;
use crate::support::{SDP, until};

struct Program {
    child: Child,
    url: String,
    stdout: BufReader<std::process::ChildStdout>,
}

fn weblive(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_weblive"));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    // The test's own environment may hold settings.
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("WEBLIVE_") {
            command.env_remove(name);
        }
    }
    command
}

impl Program {
    fn start(arguments: &[&str]) -> Self {
        let mut child = weblive(&[
            "--listen",
            "127.0.0.1:0",
            "--media-port",
            "0",
            "--workers",
            "1",
        ])
        .args(arguments)
        .stderr(Stdio::null())
        .spawn()
        .expect("weblive starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let url = line
            .strip_prefix("weblive: demo page at ")
            .and_then(|rest| rest.strip_suffix("/\n"))
            .unwrap_or_else(|| panic!("another line: {line:?}"))
            .to_owned();
        Self { child, url, stdout }
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    async fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        until("weblive ends", || {
            status = self.child.try_wait().expect("waited");
            status.is_some()
        })
        .await;
        status.expect("until")
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Only matters when a test failed half way.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = weblive(arguments).output().expect("weblive runs");
    (
        output.status.code(),
        String::from_utf8_lossy(&output.stdout).into_owned(),
        String::from_utf8_lossy(&output.stderr).into_owned(),
    )
}

#[tokio::test]
async fn it_serves_its_pages_and_ends_on_either_signal() {
    for name in ["-TERM", "-INT"] {
        let mut program = Program::start(&[]);
        let get = async |path: &str| {
            reqwest::get(format!("{}{path}", program.url))
                .await
                .expect("response")
        };
        let page = get("/").await;
        assert_eq!(page.status(), 200);
        assert!(page.text().await.unwrap().contains("weblive"));
        assert_eq!(get("/healthz").await.text().await.unwrap(), "ok\n");
        assert_eq!(get("/readyz").await.status(), 200);
        promtool(&get("/metrics").await.bytes().await.unwrap());

        let started = Instant::now();
        program.signal(name);
        assert_eq!(program.ends().await.code(), Some(0), "{name}");
        assert!(
            started.elapsed() < Duration::from_secs(5),
            "{:?}",
            started.elapsed()
        );
        let mut rest = String::new();
        program.stdout.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "", "one line is all that standard output gets");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_flv_and_hls_and_says_bye_while_clients_hang() {
    let mut program = Program::start(&[]);
    let url = program.url.clone();
    let client = reqwest::Client::new();

    let (publisher, offer) = Publisher::new().await;
    let reply = client
        .post(format!("{url}/whip/show"))
        .header("content-type", SDP)
        .body(offer)
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 201);
    let (state, sending) = publisher.start(&reply.text().await.unwrap());
    until("the publisher is connected", || state.is_connected()).await;

    let playlist = format!("{url}/live/show.m3u8");
    let end = Instant::now() + Duration::from_secs(20);
    let live = loop {
        let text = client
            .get(&playlist)
            .send()
            .await
            .unwrap()
            .text()
            .await
            .unwrap();
        if text.starts_with("#EXTM3U") {
            break text;
        }
        assert!(Instant::now() < end, "no playlist: {text}");
    };
    assert!(!live.contains("EXT-X-ENDLIST"), "{live}");

    let mut flv = client
        .get(format!("{url}/live/show.flv"))
        .send()
        .await
        .unwrap();
    assert_eq!(flv.status(), 200);
    let first = flv.chunk().await.unwrap().expect("bytes");
    assert!(first.starts_with(b"FLV\x01"), "{first:?}");
    let viewer = tokio::spawn(async move {
        let mut bytes = first.len();
        // An error would be a body that was cut, not ended.
        while let Some(chunk) = flv.chunk().await.expect("a whole body") {
            bytes += chunk.len();
        }
        bytes
    });
    let player = {
        // An edge that opens a connection for each request.
        let client = reqwest::Client::builder()
            .pool_max_idle_per_host(0)
            .build()
            .unwrap();
        let playlist = playlist.clone();
        tokio::spawn(async move {
            let mut last = String::new();
            while let Ok(reply) = client.get(&playlist).send().await {
                last = reply.text().await.unwrap_or_default();
                if last.contains("EXT-X-ENDLIST") {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            last
        })
    };
    // Hangs in the middle of a request's head.
    let address = url.trim_start_matches("http://").to_owned();
    let mut hanging = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut hanging, b"GET / HTTP/1.1\r\n").unwrap();

    let started = Instant::now();
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
    assert!(viewer.await.unwrap() > 1_000);
    let last = player.await.unwrap();
    assert!(last.contains("EXT-X-ENDLIST"), "{last}");
    until("the publisher got BYE", || state.is_closed()).await;
    sending.abort();
    drop(hanging);
}

#[test]
fn settings_are_checked_and_nothing_is_started() {
    let documented = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/weblive.toml");
    let (code, stdout, stderr) = output(&["--config", documented, "--check-config"]);
    assert_eq!(
        (code, stdout.as_str(), stderr.as_str()),
        (Some(0), "OK\n", "")
    );

    let (code, _, stderr) = output(&["--check-config", "--media-port", "99999"]);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("media.port") && stderr.contains("65535"),
        "{stderr}"
    );

    let certificate = [
        "--check-config",
        "--tls-cert",
        "/nowhere.pem",
        "--tls-key",
        "/nowhere.pem",
    ];
    let (code, _, stderr) = output(&certificate);
    assert_eq!(code, Some(2));
    assert!(
        stderr.contains("tls.cert") && stderr.contains("/nowhere.pem"),
        "{stderr}"
    );
}

#[test]
fn wrong_settings_end_the_program_before_it_starts() {
    let (code, stdout, stderr) = output(&["--listen", "nowhere"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("`listen`") && stderr.contains("nowhere"),
        "{stderr}"
    );
    let (code, _, stderr) = output(&["--lisen", "x"]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("--listen"), "{stderr}");
}

#[test]
fn a_port_in_use_ends_the_program_with_its_name() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = output(&["--listen", &address, "--media-port", "0"]);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(&address) && stderr.contains("in use"),
        "{stderr}"
    );
}

#[test]
fn help_and_version_are_no_errors() {
    let (code, stdout, _) = output(&["--help"]);
    assert_eq!(code, Some(0));
    assert!(stdout.contains("--media-port") && stdout.contains("WEBLIVE_MEDIA_PORT"));
    let (code, stdout, _) = output(&["--version"]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("weblive "), "{stdout}");
}
