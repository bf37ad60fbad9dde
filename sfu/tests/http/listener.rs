//! The bounds of the listener, on real sockets.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sfu::server::Server;
use str0m::media::Direction;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{PATIENCE, offer, settings};

const GET: &str = "GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";

async fn start(toml: &str) -> (Server, SocketAddr) {
    let server = Server::start(&settings(toml)).await.expect("server");
    let address = server.local_addr();
    (server, address)
}

/// Writes, and reads to the end of the connection.
async fn exchange(address: SocketAddr, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    // The server may refuse before it has read everything.
    let _ = stream.write_all(bytes).await;
    read_to_end(&mut stream).await
}

async fn read_to_end(stream: &mut TcpStream) -> String {
    let mut read = Vec::new();
    let all = stream.read_to_end(&mut read);
    let _ = tokio::time::timeout(PATIENCE, all)
        .await
        .expect("ends within 10 s");
    String::from_utf8_lossy(&read).into_owned()
}

async fn metric(address: SocketAddr, line: &str) -> f64 {
    let page = exchange(address, GET.replace("/healthz", "/metrics").as_bytes()).await;
    page.lines()
        .find_map(|l| l.strip_prefix(line))
        .and_then(|value| value.trim().parse().ok())
        .unwrap_or_else(|| panic!("{line} in {page}"))
}

async fn metric_reaches(address: SocketAddr, line: &str, wanted: f64) {
    let end = Instant::now() + PATIENCE;
    loop {
        let value = metric(address, line).await;
        if (value - wanted).abs() < f64::EPSILON {
            return;
        }
        assert!(Instant::now() < end, "{line} is {value}, not {wanted}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn half_open_connections_time_out_and_free_their_places() {
    let (_server, address) =
        start("http.max_connections = 4\nhttp.header_timeout = \"500ms\"").await;
    let mut half_open = Vec::new();
    for bytes in [
        "",
        "G",
        "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
        "PRI * HTTP/2.0\r\n\r\nSM",
    ] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        half_open.push(stream);
    }
    // All places are taken: whoever comes now is told so, or just closed on.
    let end = Instant::now() + PATIENCE;
    while exchange(address, b"").await.is_empty() {
        assert!(Instant::now() < end, "nobody was refused");
    }
    for stream in &mut half_open {
        let said = read_to_end(stream).await;
        assert!(!said.contains("200 OK"), "{said}");
    }
    assert!(
        exchange(address, GET.as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
    let dropped = "weblive_http_connections_dropped_total{reason=\"header_timeout\"}";
    metric_reaches(address, dropped, 4.0).await;
    assert!(
        metric(
            address,
            "weblive_http_connections_dropped_total{reason=\"limit\"}"
        )
        .await
            >= 1.0
    );
}

#[tokio::test]
async fn an_idle_connection_is_closed_and_a_busy_one_is_not() {
    let (_server, address) = start("http.header_timeout = \"400ms\"").await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    let keep = GET.replace("Connection: close\r\n", "");
    // Longer together than the timeout, with less than the timeout between.
    for _ in 0..5 {
        stream.write_all(keep.as_bytes()).await.unwrap();
        let mut buffer = [0; 4_096];
        let read = stream.read(&mut buffer).await.unwrap();
        assert!(buffer[..read].starts_with(b"HTTP/1.1 200"));
        tokio::time::sleep(Duration::from_millis(150)).await;
    }
    assert_eq!(read_to_end(&mut stream).await, "");
}

#[tokio::test]
async fn connections_above_the_limit_get_a_problem() {
    let (_server, address) = start("http.max_connections = 1").await;
    let mut first = TcpStream::connect(address).await.unwrap();
    first
        .write_all(GET.replace("Connection: close\r\n", "").as_bytes())
        .await
        .unwrap();
    let mut buffer = [0; 4_096];
    assert!(first.read(&mut buffer).await.unwrap() > 0);
    let said = exchange(address, b"").await;
    assert!(said.starts_with("HTTP/1.1 503 "), "{said}");
    let (head, body) = said.split_once("\r\n\r\n").unwrap();
    assert!(
        head.contains(&format!("Content-Length: {}", body.len())),
        "{said}"
    );
    let problem: serde_json::Value = serde_json::from_str(body).unwrap();
    assert_eq!(problem["status"], 503);
    drop(first);
    let end = Instant::now() + PATIENCE;
    while !exchange(address, GET.as_bytes())
        .await
        .starts_with("HTTP/1.1 200")
    {
        assert!(Instant::now() < end, "the place is not free");
    }
}

#[tokio::test]
async fn header_floods_and_rubbish_are_refused() {
    let (_server, address) = start("http.max_header_bytes = 8192").await;
    let many = GET.replace(
        "Host: x\r\n",
        &("Host: x\r\n".to_owned() + &"X-A: b\r\n".repeat(500)),
    );
    let large = GET.replace(
        "Host: x",
        &format!("Host: x\r\nX-Large: {}", "y".repeat(100_000)),
    );
    let long = GET.replace("/healthz", &format!("/{}", "z".repeat(100_000)));
    for flood in [many, large, long] {
        let said = exchange(address, flood.as_bytes()).await;
        assert!(said.is_empty() || said.starts_with("HTTP/1.1 4"), "{said}");
    }
    for rubbish in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"\0\0\0\0\r\n\r\n",
        b"GET\r\n\r\n",
        b"* * *\r\n\r\n",
    ] {
        let said = exchange(address, rubbish).await;
        assert!(!said.contains("200 OK"), "{said}");
    }
    assert!(
        exchange(address, GET.as_bytes())
            .await
            .starts_with("HTTP/1.1 200")
    );
}

#[tokio::test]
async fn a_megabyte_offer_gets_its_problem_over_a_real_socket() {
    let (_server, address) = start("").await;
    let sdp = "v=0\r\n".repeat(1 << 18);
    let head = format!(
        "POST /whip/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sdp.len()
    );
    let said = exchange(address, (head + &sdp).as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 413 "), "{said}");
    assert!(said.contains("65536"), "{said}");
}

#[tokio::test]
async fn a_picture_that_is_too_large_gets_its_problem_over_a_real_socket() {
    let folder = tempfile::tempdir().expect("a folder");
    let data = folder.path().display();
    let toml = format!("data_dir = \"{data}\"\nimages.max_bytes = 1000000");
    let (_server, address) = start(&toml).await;
    let picture = vec![0xff; 2_500_000];
    let reply = reqwest::Client::new()
        .post(format!("http://{address}/api/images"))
        .header("content-type", "image/jpeg")
        .body(picture)
        .send()
        .await
        .expect("a response, not a broken connection");
    assert_eq!(reply.status(), 413);
    let problem = reply.text().await.expect("text");
    assert!(problem.contains("image-too-large"), "{problem}");
}

#[tokio::test]
async fn a_body_that_stops_half_way_times_out() {
    let (_server, address) = start("http.body_timeout = \"300ms\"").await;
    let head = "POST /whip/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: 500\r\n\r\nv=0\r\n";
    let said = exchange(address, head.as_bytes()).await;
    assert!(said.starts_with("HTTP/1.1 408 "), "{said}");
}

#[tokio::test]
async fn a_client_that_takes_nothing_is_disconnected() {
    let (_server, address) = start("http.write_timeout = \"1s\"").await;
    let stream = TcpStream::connect(address).await.unwrap();
    let (reader, mut writer) = stream.into_split();
    let asking = tokio::spawn(async move {
        let page = GET
            .replace("/healthz", "/metrics")
            .replace("Connection: close\r\n", "");
        while writer.write_all(page.as_bytes()).await.is_ok() {}
    });
    let dropped = "weblive_http_connections_dropped_total{reason=\"write_timeout\"}";
    metric_reaches(address, dropped, 1.0).await;
    asking.await.unwrap();
    drop(reader);
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let (_server, address) = start("").await;
    let mut taken = settings("");
    taken.listen = address;
    let error = Server::start(&taken)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains(&address.to_string()) && error.contains("in use"),
        "{error}"
    );
}

#[tokio::test]
async fn a_media_port_in_use_is_named() {
    let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let port = socket.local_addr().unwrap().port();
    let mut taken = settings("");
    taken.media.port = port;
    let error = Server::start(&taken)
        .await
        .err()
        .expect("refused")
        .to_string();
    assert!(
        error.contains(&port.to_string()) && error.contains("media.port"),
        "{error}"
    );
}

#[tokio::test]
async fn the_way_down_is_short_with_clients_that_hang() {
    let (server, address) = start("http.header_timeout = \"1m\"").await;
    let mut hanging = Vec::new();
    for bytes in ["", "GET / HTTP/1.1\r\n", GET] {
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(bytes.as_bytes()).await.unwrap();
        hanging.push(stream);
    }
    let sdp = offer(Direction::SendOnly);
    let head = format!(
        "POST /whip/a HTTP/1.1\r\nHost: x\r\nContent-Type: application/sdp\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        sdp.len()
    );
    assert!(
        exchange(address, (head + &sdp).as_bytes())
            .await
            .starts_with("HTTP/1.1 201 ")
    );
    let started = Instant::now();
    let reports = server.shut_down().await;
    assert!(started.elapsed() < Duration::from_secs(3), "{reports:?}");
    assert_eq!(reports.len(), 10);
    assert!(TcpStream::connect(address).await.is_err(), "nobody listens");
}
