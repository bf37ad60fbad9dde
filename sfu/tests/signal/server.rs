//! Servers for the tests.

use std::path::Path;
use std::time::{Duration, Instant};

use sfu::config::Settings;
use sfu::server::Server;

/// A server with these settings, everything else small and in memory.
pub(crate) async fn serve(toml: &str) -> Server {
    let mut base = "listen = \"127.0.0.1:0\"\nmedia.port = 0\nmedia.workers = 1\n".to_owned();
    if !toml.contains("data_dir") {
        base += "data_dir = \"\"\n";
    }
    let settings = Settings::from_toml(Path::new("test"), &format!("{base}{toml}"));
    Server::start(&settings.expect("settings"))
        .await
        .expect("a server")
}

/// The TCP port of a server.
pub(crate) fn port(server: &Server) -> u16 {
    server.local_addr().port()
}

/// Waits until the metrics have a line.
pub(crate) async fn metric(server: &Server, line: &str) {
    let page = format!("http://{}/metrics", server.local_addr());
    let line = format!("{line}\n");
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let metrics = reqwest::get(&page).await.expect("a page");
        let metrics = metrics.text().await.expect("a text");
        if metrics.contains(&line) {
            return;
        }
        assert!(Instant::now() < end, "no {line} in {metrics}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
