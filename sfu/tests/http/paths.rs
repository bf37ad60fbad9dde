//! Paths that are spelled in odd ways.

use std::net::SocketAddr;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::show::Show;
use crate::support::PATIENCE;

/// What a raw request line is answered with: no client has put it in order.
async fn raw(address: SocketAddr, target: &[u8]) -> (u16, Vec<u8>) {
    let mut stream = TcpStream::connect(address).await.expect("connected");
    let request = [
        b"GET ",
        target,
        b" HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n",
    ]
    .concat();
    stream.write_all(&request).await.expect("asked");
    let mut answer = Vec::new();
    let read = timeout(PATIENCE, stream.read_to_end(&mut answer));
    let read = read.await.unwrap_or_else(|_| {
        let target = String::from_utf8_lossy(target);
        panic!("{target}: {}", String::from_utf8_lossy(&answer))
    });
    read.expect("read");
    let status = answer
        .get(9..12)
        .and_then(|text| std::str::from_utf8(text).ok());
    let status = status.and_then(|text| text.parse().ok());
    (status.expect("a status"), answer)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_other_spelling_of_a_path_leads_to_a_stream() {
    let show = Show::small("").await;
    let show_up = async || {
        let reply = reqwest::get(format!("http://{}/live/show.m3u8", show.address)).await;
        assert_eq!(reply.expect("response").status(), 200);
    };
    show_up().await;
    let long = "x".repeat(129);
    let mut ids: Vec<Vec<u8>> = [
        "",
        ".",
        "..",
        "%2e%2e",
        "../show",
        "..%2fshow",
        "..%5cshow",
        "..\\show",
        "./show",
        "/show",
        "%2fshow",
        "x/../show",
        "show/",
        "show/.",
        "show%2f",
        "show;x",
        "show%3b",
        "show%00",
        "%00show",
        "show%0a",
        "show%0d%0aX:y",
        "show%20",
        "%20show",
        "%73how",
        "%2573how",
        "SHOW",
        "show.",
        "show..",
        ".show",
        "show.flv",
        "show%2eflv",
        "~show",
        "show*",
        "show'",
        "show\"",
        "show%22",
        "<show>",
        "show|x",
        "{id}",
        "show@x",
        "show:80",
        "show&x",
        "show%26x",
        "show+",
        "show=1",
        "show,x",
        "show!",
        "$show",
        "%",
        "%2",
        "%zz",
        "%ff",
        "%c0%ae%c0%ae",
        "%ef%bd%93how",
        "\u{ff53}how",
        "\u{202e}show",
        "show%cc%88",
        "show\u{308}",
        "\u{455}how",
        "show\u{200b}",
        "show_",
        // Of several sizes it would have these names.
        "show_h",
        "show_m",
        "show_l",
        "show_audio",
        "show__h",
        "show_h_h",
        "show_H",
        "_h",
        "_",
        "-",
        "_audio",
        "h_show",
        "show-h",
        &long,
    ]
    .into_iter()
    .map(|id| id.as_bytes().to_vec())
    .collect();
    ids.push(b"sh\xffow".to_vec());
    ids.push(b"\xc0\xae\xc0\xaeshow".to_vec());
    for id in &ids {
        for end in [
            &b".flv"[..],
            b".m3u8",
            b"/x-0.m4s",
            b"/../show.flv",
            b"/../show.m3u8",
        ] {
            let target = [b"/live/", id.as_slice(), end].concat();
            let (status, answer) = raw(show.address, &target).await;
            let target = String::from_utf8_lossy(&target);
            assert!(matches!(status, 400 | 404), "{target}: {status}");
            // Nothing of the stream, and nothing that a page could run.
            let answer = String::from_utf8_lossy(&answer).to_ascii_lowercase();
            for foreign in ["flv\u{1}", "#extm3u", "text/html"] {
                assert!(!answer.contains(foreign), "{target}: {answer}");
            }
        }
    }
    // Those in between that are ids are of nobody, and the stream is as it was.
    show.is("weblive_relay_viewers{protocol=\"flv\"}", 0.0)
        .await;
    show_up().await;
}
