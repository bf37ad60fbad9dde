//! Viewers of an HTTP-FLV stream that read more slowly than it comes.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, ensure};
use reqwest::Url;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until};

use super::run::Viewer;
use crate::viewers::{Counters, SlowCrowd};

/// Slow viewers to add to a run.
#[derive(Clone, Copy, Debug)]
pub struct SlowOptions {
    /// How many.
    pub viewers: u32,
    /// What each of them reads, in bits a second.
    pub rate_bps: u32,
}

impl SlowOptions {
    pub(super) fn crowd(self, url: Url) -> SlowCrowd {
        SlowCrowd {
            viewers: self.viewers,
            view: Box::new(move |counters, epoch| {
                Box::pin(view(url.clone(), self.rate_bps, counters, epoch))
            }),
        }
    }
}

/// Reads some bytes at a time, each when its turn has come.
async fn view(
    url: Url,
    rate_bps: u32,
    counters: Arc<Counters>,
    epoch: Option<std::time::Instant>,
) -> anyhow::Result<()> {
    let host = url.host_str().context("the address has no host")?;
    let port = url.port_or_known_default().context("it has no port")?;
    let mut stream = TcpStream::connect((host, port)).await?;
    let query = url
        .query()
        .map_or(String::new(), |query| format!("?{query}"));
    // HTTP/1.0: the body comes without chunks.
    let request = format!(
        "GET {}{query} HTTP/1.0\r\nHost: {host}:{port}\r\n\r\n",
        url.path()
    );
    stream.write_all(request.as_bytes()).await?;
    let mut viewer = Viewer::new(counters, epoch);
    let mut head = Some(Vec::new());
    let mut bytes = vec![0; AT_ONCE];
    let mut turn = Instant::now();
    loop {
        let len = stream
            .read(&mut bytes)
            .await
            .context("the stream broke off")?;
        ensure!(len > 0, "the stream ended");
        let mut body = &bytes[..len];
        let whole;
        if let Some(mut read) = head.take() {
            read.extend_from_slice(body);
            let Some(end) = read.windows(4).position(|bytes| bytes == b"\r\n\r\n") else {
                head = Some(read);
                continue;
            };
            let status = String::from_utf8_lossy(&read[..end.min(15)]).into_owned();
            ensure!(status.contains(" 200"), "{url} answers {status}");
            whole = read.split_off(end + 4);
            body = &whole;
        }
        viewer.take(body)?;
        turn += Duration::from_secs_f64(len as f64 * 8.0 / f64::from(rate_bps));
        sleep_until(turn).await;
    }
}

/// A third of a second of a tenth of the generated broadcast.
const AT_ONCE: usize = 8 * 1024;
