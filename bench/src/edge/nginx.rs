//! An nginx of our own: on a free port of the loopback, with all its files in a temporary folder.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail, ensure};
use tempfile::TempDir;

use super::log::{FORMAT, Pulls};
use crate::procfs::Usage;

/// A running nginx, ended with its folder when it is dropped.
#[derive(Debug)]
pub struct Nginx {
    folder: TempDir,
    master: Child,
    port: u16,
    origin: SocketAddr,
}

impl Nginx {
    /// Starts one with `conf`, which is written as `deploy/nginx/edge.conf` is: for an origin on
    /// port 8080 of the loopback, its own port 8081 and the one of a second cache 8082, files below
    /// `/var/cache/nginx`.
    ///
    /// # Errors
    ///
    /// When there is no nginx, or it refuses `conf`, or `conf` is written in another way.
    pub fn start(conf: &str, origin: SocketAddr) -> anyhow::Result<Nginx> {
        let folder = tempfile::tempdir().context("no temporary folder")?;
        let path = folder.path().display();
        let [port, inner] = free_ports()?;
        fs::create_dir(folder.path().join("cache"))?;
        let conf = adapted(conf, folder.path(), [port, inner], origin)?;
        let main = format!(
            "daemon off;\nuser root;\nworker_processes 1;\nworker_rlimit_nofile 16384;\n\
             pid {path}/nginx.pid;\nerror_log {path}/error.log warn;\n\
             events {{ worker_connections 8192; }}\n\
             http {{\n\
             log_format pulls '{FORMAT}';\naccess_log {path}/access.log pulls;\n\
             client_body_temp_path {path}/body;\nproxy_temp_path {path}/proxy;\n\
             fastcgi_temp_path {path}/fastcgi;\nuwsgi_temp_path {path}/uwsgi;\n\
             scgi_temp_path {path}/scgi;\n\
             {conf}\n}}\n"
        );
        fs::write(folder.path().join("nginx.conf"), main)?;
        let master = nginx(folder.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .context("nginx does not start; it is in the package of that name")?;
        let mut nginx = Nginx {
            folder,
            master,
            port,
            origin,
        };
        nginx.wait_until_it_listens()?;
        Ok(nginx)
    }

    fn wait_until_it_listens(&mut self) -> anyhow::Result<()> {
        let give_up = Instant::now() + START_WITHIN;
        while TcpStream::connect(self.address()).is_err() {
            let ended = self.master.try_wait()?;
            if ended.is_some() || Instant::now() > give_up {
                bail!("nginx does not listen: {}", self.errors());
            }
            sleep(LOOK_EVERY);
        }
        Ok(())
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        SocketAddr::from((Ipv4Addr::LOCALHOST, self.port))
    }

    /// What its error log says.
    pub fn errors(&self) -> String {
        fs::read_to_string(self.folder.path().join("error.log")).unwrap_or_default()
    }

    /// What its processes cost so far.
    ///
    /// # Errors
    ///
    /// When it is gone.
    pub fn usage(&self) -> anyhow::Result<Usage> {
        let master = self.master.id();
        let workers = fs::read_to_string(format!("/proc/{master}/task/{master}/children"))?;
        let mut sum = Usage::of(master)?;
        for worker in workers.split_whitespace() {
            let usage = Usage::of(worker.parse()?)?;
            sum.cpu += usage.cpu;
            sum.rss += usage.rss;
        }
        Ok(sum)
    }

    /// Ends it and counts what it was asked for and what it asked the origin for. A request counts
    /// once it has ended.
    ///
    /// # Errors
    ///
    /// When it does not end or has no log.
    pub fn stop(mut self) -> anyhow::Result<Vec<Pulls>> {
        self.wait_until_it_is_idle()?;
        self.end("quit")?;
        let log = fs::read_to_string(self.folder.path().join("access.log"))
            .context("nginx has written no access log")?;
        Ok(Pulls::count(&log, self.port, &self.origin.to_string()))
    }

    /// What viewers asked for last goes on without them, and takes its time: an nginx that quits
    /// refuses its own requests to itself.
    fn wait_until_it_is_idle(&self) -> anyhow::Result<()> {
        let log = self.folder.path().join("access.log");
        let (mut len, mut grew) = (0, Instant::now());
        let give_up = grew + END_WITHIN;
        while grew.elapsed() < IDLE {
            ensure!(Instant::now() < give_up, "nginx is busy without viewers");
            sleep(LOOK_EVERY);
            let is = fs::metadata(&log)?.len();
            if is != len {
                (len, grew) = (is, Instant::now());
            }
        }
        Ok(())
    }

    fn end(&mut self, how: &str) -> anyhow::Result<()> {
        if self.master.try_wait()?.is_some() {
            return Ok(());
        }
        let told = nginx(self.folder.path()).args(["-s", how]).output()?;
        ensure!(told.status.success(), "nginx cannot be told to {how}");
        let give_up = Instant::now() + END_WITHIN;
        while self.master.try_wait()?.is_none() {
            ensure!(Instant::now() < give_up, "nginx does not {how}");
            sleep(LOOK_EVERY);
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // Its workers outlive a master that is killed.
        if let Err(e) = self.end("stop") {
            tracing::warn!("{e:#}");
        }
    }
}

const START_WITHIN: Duration = Duration::from_secs(10);
/// Longer than it lets anybody wait without looking again.
const IDLE: Duration = Duration::from_secs(1);
/// Longer than an answer is held back.
const END_WITHIN: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);

fn nginx(folder: &Path) -> Command {
    let mut command = Command::new("nginx");
    // Where Debian has it, which is on the path of root alone.
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("PATH", path + ":/usr/sbin")
        .arg("-p")
        .arg(folder)
        .arg("-e")
        .arg(folder.join("error.log"))
        .arg("-c")
        .arg(folder.join("nginx.conf"));
    command
}

/// `conf` with the addresses and the folder of this run.
fn adapted(
    conf: &str,
    folder: &Path,
    [port, inner]: [u16; 2],
    origin: SocketAddr,
) -> anyhow::Result<String> {
    let folder = folder.display();
    // Not each has a second cache.
    let mut conf = conf.replace("127.0.0.1:8082;", &format!("127.0.0.1:{inner};"));
    for (from, to) in [
        (
            "listen 8081;",
            format!("listen 127.0.0.1:{port} backlog=4096;"),
        ),
        ("server 127.0.0.1:8080;", format!("server {origin};")),
        ("/var/cache/nginx/", format!("{folder}/cache/")),
    ] {
        ensure!(conf.contains(from), "the configuration has no {from:?}");
        conf = conf.replace(from, &to);
    }
    Ok(conf)
}

fn free_ports() -> anyhow::Result<[u16; 2]> {
    // Both are held before one is let go: else they could be the same.
    let taken = [(); 2].map(|()| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)));
    let [first, second] = taken;
    Ok([first?.local_addr()?.port(), second?.local_addr()?.port()])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_configuration_is_moved_into_its_folder() {
        let conf = "proxy_cache_path /var/cache/nginx/a; server 127.0.0.1:8080; listen 8081; \
                    server 127.0.0.1:8082; listen 127.0.0.1:8082;";
        let origin = "127.0.0.1:7".parse().unwrap();
        assert_eq!(
            adapted(conf, Path::new("/t"), [9, 10], origin).unwrap(),
            "proxy_cache_path /t/cache/a; server 127.0.0.1:7; listen 127.0.0.1:9 backlog=4096; \
             server 127.0.0.1:10; listen 127.0.0.1:10;"
        );
        let refused = adapted("server { }", Path::new("/t"), [9, 10], origin).unwrap_err();
        assert!(refused.to_string().contains("listen 8081;"));
    }
}
