//! The binary: its line on standard output, its pages, its exit codes, its way down.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use crate::metrics::promtool;
use crate::publisher::Publisher;
use crate::support::{PATIENCE, SDP, until};

pub(crate) struct Program {
    child: Child,
    pub(crate) url: String,
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
    // Nothing is left in the folder that the tests are started in; a flag says otherwise.
    command.env("WEBLIVE_DATA", "");
    command
}

impl Program {
    pub(crate) fn start(arguments: &[&str]) -> Self {
        Self::start_with_log(arguments, Stdio::null())
    }

    /// One that trusts the certificates of a PEM file, and no others.
    pub(crate) fn start_trusting(arguments: &[&str], file: &str) -> Self {
        Self::start_as(arguments, Stdio::null(), |command| {
            command.env("SSL_CERT_FILE", file);
        })
    }

    /// One with more variables in its environment.
    pub(crate) fn start_in(arguments: &[&str], environment: &[(&str, &str)]) -> Self {
        Self::start_as(arguments, Stdio::null(), |command| {
            command.envs(environment.iter().copied());
        })
    }

    fn start_with_log(arguments: &[&str], stderr: impl Into<Stdio>) -> Self {
        Self::start_as(arguments, stderr, |_| {})
    }

    fn start_as(
        arguments: &[&str],
        stderr: impl Into<Stdio>,
        change: impl FnOnce(&mut Command),
    ) -> Self {
        let mut command = weblive(&[
            "--listen",
            "127.0.0.1:0",
            "--media-port",
            "0",
            "--workers",
            "1",
        ]);
        command.args(arguments).stderr(stderr);
        change(&mut command);
        let mut child = command.spawn().expect("weblive starts");
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let said = ["weblive: demo page at ", "weblive: edge at "];
        let url = said
            .iter()
            .find_map(|said| line.strip_prefix(said))
            .and_then(|rest| rest.strip_suffix("/\n"))
            .unwrap_or_else(|| panic!("another line: {line:?}"))
            .to_owned();
        Self { child, url, stdout }
    }

    pub(crate) fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        let status = Command::new("kill")
            .args([name, &id])
            .status()
            .expect("kill");
        assert!(status.success());
    }

    pub(crate) async fn ends(&mut self) -> ExitStatus {
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

pub(crate) fn output(arguments: &[&str]) -> (Option<i32>, String, String) {
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
    let end = Instant::now() + PATIENCE;
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
fn word_lists_are_checked_with_the_settings() {
    let folder = tempfile::tempdir().expect("a folder");
    let list = folder.path().join("words.txt");
    std::fs::write(&list, "good\n!!!\n").expect("written");
    let list = list.to_str().expect("a plain path");
    let (code, _, stderr) = output(&["--check-config", "--chat-mask-words", list]);
    assert_eq!(code, Some(2));
    assert!(stderr.contains("words.txt, line 2"), "{stderr}");
    std::fs::write(list, "good\n").expect("written");
    let (code, ..) = output(&["--check-config", "--chat-mask-words", list]);
    assert_eq!(code, Some(0));
}

#[tokio::test]
async fn two_servers_do_not_share_a_data_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().join("data");
    let data = data.to_str().expect("a plain path");
    let mut first = Program::start(&["--data", data]);
    let second = [
        "--listen",
        "127.0.0.1:0",
        "--media-port",
        "0",
        "--data",
        data,
    ];
    let (code, stdout, stderr) = output(&second);
    assert_eq!((code, stdout.as_str()), (Some(1), ""));
    assert!(
        stderr.contains(data) && stderr.contains("another running server"),
        "{stderr}"
    );
    first.signal("-KILL");
    first.ends().await;
    let mut third = Program::start(&["--data", data]);
    third.signal("-TERM");
    assert_eq!(third.ends().await.code(), Some(0));
}

/// The metrics that a text names.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let is_name = |c: char| c.is_ascii_lowercase() || c == '_';
    let name = |(at, _): (usize, &str)| {
        let rest = &text[at..];
        let end = rest.find(|c| !is_name(c)).unwrap_or(rest.len());
        rest[..end].trim_end_matches("_bucket")
    };
    text.match_indices("weblive_").map(name).collect()
}

#[tokio::test]
async fn the_metrics_that_operators_are_told_of_are_there() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().to_str().expect("a plain path");
    let programs = [
        Program::start(&["--data", data]),
        Program::start(&["edge", "--origin", "http://127.0.0.1:1"]),
    ];
    let mut page = String::new();
    for program in &programs {
        let metrics = reqwest::get(format!("{}/metrics", program.url)).await;
        let metrics = metrics.expect("response").text().await.expect("text");
        promtool(metrics.as_bytes());
        page += &metrics;
    }
    for told in [
        include_str!("../../../deploy/README.md"),
        include_str!("../../../deploy/alerts.yml"),
    ] {
        let names = metrics_in(told);
        assert!(names.len() > 5, "{names:?}");
        for name in names {
            let line = format!("# TYPE {name} ");
            // A counter whose labels come with what happens has no line before.
            let is_silent = name == "weblive_auth_refused_total";
            assert!(is_silent || page.contains(&line), "{name} not in\n{page}");
        }
    }
}

#[test]
fn the_files_for_prometheus_are_right() {
    let config = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/prometheus.yml");
    let check = Command::new("promtool")
        .args(["check", "config", config])
        .output();
    let check = check.expect("promtool, from Debian's package prometheus, is needed");
    let said = String::from_utf8_lossy(&check.stderr);
    assert!(check.status.success(), "{said}");
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

/// A settings file that is taken away again.
pub(crate) struct File(std::path::PathBuf);

impl File {
    pub(crate) fn new(name: &str, text: &str) -> Self {
        let name = format!("weblive-{}-{name}.toml", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, text).expect("file");
        Self(path)
    }

    pub(crate) fn path(&self) -> &str {
        self.0.to_str().expect("a plain path")
    }
}

impl Drop for File {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

const APPS: &str = "[[apps]]\nid = 14\nkeys = [\"hunter2\"]\nrequire_private_map_key = true\n";

#[test]
fn an_open_server_is_not_started_where_others_reach_it() {
    let open = ["--listen", "0.0.0.0:0", "--media-port", "0"];
    let (code, stdout, stderr) = output(&open);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(
        stderr.contains("`apps`") && stderr.contains("--insecure-open"),
        "{stderr}"
    );
    let check = |more: &[&str]| output(&[&open[..], &["--check-config"], more].concat()).0;
    assert_eq!(check(&[]), Some(2));
    assert_eq!(check(&["--insecure-open"]), Some(0));
    let file = File::new("reached", APPS);
    assert_eq!(check(&["--config", file.path()]), Some(0));
}

#[test]
fn tokens_are_printed_with_the_keys_of_the_settings() {
    use sfu::auth::{Apps, Privileges};
    use sfu::live::{AppId, RoomId};

    let file = File::new("usersig", APPS);
    let run = |flags: &[&str]| {
        let base = ["usersig", "--app", "14", "--user", "anna", "--config"];
        output(&[&base, &[file.path()][..], flags].concat())
    };
    let settings = sfu::config::Settings::from_toml(std::path::Path::new("x"), APPS).unwrap();
    let apps = Apps::new(settings.apps);
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();

    let (code, stdout, stderr) = run(&["--expire", "100"]);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let claims = apps.authenticate(now, stdout.trim_end()).unwrap();
    assert_eq!((claims.app, claims.user.as_str()), (AppId(14), "anna"));
    assert_eq!(claims.expires_in, 100);

    let (code, stdout, _) = run(&["--room", "4711", "--privileges", "42"]);
    assert_eq!(code, Some(0));
    let labelled = |label: &str| {
        stdout
            .lines()
            .find_map(|line| line.strip_prefix(label))
            .unwrap_or_else(|| panic!("{label} not in {stdout}"))
    };
    assert!(apps.authenticate(now, labelled("UserSig: ")).is_ok());
    let ticket = Some(labelled("PrivateMapKey: "));
    let anna = "anna".parse().unwrap();
    let granted = apps.check_private_map_key(now, AppId(14), &anna, &RoomId::Number(4711), ticket);
    assert_eq!(granted, Ok(Privileges::AUDIENCE));

    let (code, stdout, stderr) = output(&["usersig", "--app", "15", "--user", "anna"]);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert!(stderr.contains("app 15 is not configured"), "{stderr}");
}

#[tokio::test]
async fn the_log_has_the_reason_of_a_refusal_and_neither_token_nor_key() {
    let file = File::new("log", APPS);
    let log = std::env::temp_dir().join(format!("weblive-{}.log", std::process::id()));
    let stderr = std::fs::File::create(&log).expect("log");
    let mut program = Program::start_with_log(&["--config", file.path(), "--log=trace"], stderr);
    let forged = "eJyrVgrxCdYrSy1SslIy0jNQ0gHzM1NS80oy0zLBwhWZiflZpXlQqeKU7MSCgswUJStDEwMogMiUZOamKlkZmqOKplYUZBaBxE1NTY3gosWZ6UpWSj5ljuYp*p7l5unBxXnF2WVhVU4uAf7Ozi5JpX7O5SbuHuUhzgZJmQXaTia2SrUAohcx8g__";
    let reply = reqwest::Client::new()
        .post(format!("{}/whip/show", program.url))
        .header("content-type", SDP)
        .header("authorization", format!("Bearer {forged}"))
        .body("v=0")
        .send()
        .await
        .expect("response");
    assert_eq!(reply.status(), 401);
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
    let text = std::fs::read_to_string(&log).expect("log");
    let _ = std::fs::remove_file(&log);
    assert!(
        text.contains("app 1400000000, which is not configured"),
        "{text}"
    );
    assert!(!text.contains("SERVER IS OPEN"), "{text}");
    assert!(
        !text.contains(&forged[..40]) && !text.contains("hunter2"),
        "{text}"
    );
}

#[tokio::test]
async fn an_open_server_says_so_loudly() {
    let log = std::env::temp_dir().join(format!("weblive-{}-open.log", std::process::id()));
    let stderr = std::fs::File::create(&log).expect("log");
    let mut program = Program::start_with_log(&[], stderr);
    program.signal("-TERM");
    assert_eq!(program.ends().await.code(), Some(0));
    let text = std::fs::read_to_string(&log).expect("log");
    let _ = std::fs::remove_file(&log);
    assert!(
        text.contains("WARN") && text.contains("SERVER IS OPEN"),
        "{text}"
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
