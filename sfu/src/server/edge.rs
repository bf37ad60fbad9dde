//! An edge as a whole: the relay alone, and the routes of viewers.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use relay::Relay;
use relay::edge::{Edge, EdgeConfig};
use tokio::task::JoinHandle;

use super::{
    LAST_PLAYLIST, MOMENT, PLAYLIST_READER, SECOND, Shutdown, StartError, StepReport, address,
    registry, relay_config, unix_now,
};
use crate::config::{ConfigError, Settings, interface_addresses};
use crate::http::{Connections, HttpMetrics, Listener, Phase, Site, edge_router, server_config};
use crate::push;

/// An edge that runs. It has no media ports, no rooms and no data folder.
pub struct EdgeServer {
    local: SocketAddr,
    is_https: bool,
    deadline: Duration,
    site: Site,
    relay: Relay,
    connections: Connections,
    accepting: JoinHandle<()>,
}

impl EdgeServer {
    /// Starts everything; must be called within a tokio runtime. The origin is asked with the first
    /// viewer.
    ///
    /// # Errors
    /// See [`StartError`]; nothing goes on running then.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        let edge = &settings.edge;
        let Some(origin) = edge.origin.clone() else {
            return Err(StartError::Config(ConfigError::Conflict {
                key: "edge.origin",
                value: "empty".to_owned(),
                reason: "an edge needs the address of its origin".to_owned(),
            }));
        };
        let listener = Listener::bind(settings.listen).await?;
        let local = listener.local_addr();
        let names: Vec<IpAddr> = interface_addresses().unwrap_or_default();
        let tls = server_config(&settings.tls, &names)?;
        let is_https = tls.is_some();
        let registry = registry()?;
        let metrics = HttpMetrics::register(&registry)?;
        let relay = Relay::new(relay_config(settings), &registry)?;
        let config = EdgeConfig {
            origin,
            sign: edge.signer(unix_now),
            tls: Arc::new(push::tls()),
            linger: edge.linger,
            patience: edge.retry_for,
            max_streams: edge.max_streams,
        };
        tracing::info!(listen = %local, https = is_https, origin = %config.origin, "the edge serves");
        if settings.apps.is_empty() {
            tracing::warn!("no app is configured: everybody who reaches the edge may watch");
        }
        let edge = Edge::new(relay.clone(), config, &registry)?;
        let connections = Connections::new(settings.http.clone(), tls, metrics.clone());
        let site = Site::of_edge(settings, relay.clone(), edge, registry, metrics);
        let routes = edge_router(site.clone());
        let accepting = tokio::spawn(listener.serve(connections.clone(), routes));
        Ok(Self {
            local,
            is_https,
            deadline: settings.shutdown.deadline,
            site,
            relay,
            connections,
            accepting,
        })
    }

    /// The address of HTTP, with the port that the system chose.
    pub fn local_addr(&self) -> SocketAddr {
        self.local
    }

    /// The address for clients on this machine.
    pub fn address(&self) -> String {
        address(self.local, self.is_https)
    }

    /// Ends everything within `shutdown.deadline`: broadcasts first, then, after the time for one
    /// more playlist, connections.
    pub async fn shut_down(self) -> Vec<StepReport> {
        let Self {
            deadline,
            site,
            relay,
            connections,
            accepting,
            ..
        } = self;
        let (closing, draining, cutting) = (connections.clone(), connections.clone(), connections);
        let last_playlist = async move {
            if site.has_playlist_reader(PLAYLIST_READER) {
                tokio::time::sleep(LAST_PLAYLIST).await;
            }
        };
        let close = async move {
            closing.advance(Phase::Closed);
            // It ends at once; an error would be its panic.
            let _ = accepting.await;
        };
        let drain = async move {
            draining.advance(Phase::Drain);
            draining.all_ended().await;
        };
        let cut = async move {
            cutting.advance(Phase::Abort);
            cutting.all_ended().await;
        };
        Shutdown::new(deadline)
            .then(
                "end broadcasts",
                SECOND,
                async move { relay.shutdown().await },
            )
            .then("last playlist", LAST_PLAYLIST + MOMENT, last_playlist)
            .then("stop accepting", MOMENT, close)
            .then("finish responses", MOMENT, drain)
            .then("cut connections", MOMENT, cut)
            .run()
            .await
    }
}
