//! HTTP: WHIP and WHEP, the relay's addresses, metrics, health and the web files.

mod access;
pub mod api;
mod app;
mod body;
mod cors;
mod edge;
mod files;
mod flv_socket;
mod forwarded;
mod health;
mod ice;
mod images;
mod listener;
mod live;
mod metrics;
mod observe;
mod playlist;
mod problem;
mod recordings;
mod referer;
mod signal;
mod site;
mod stall;
mod tls;
mod viewer;
mod viewings;
mod whip;

pub use app::{App, router};
pub use edge::edge_router;
pub use images::{Images, ImagesError};
pub use listener::{Connections, ListenError, Listener, Phase};
pub use metrics::HttpMetrics;
pub use problem::Problem;
pub use site::Site;
pub use tls::{TlsError, server_config};
pub use viewings::{KeptRevocations, RevocationKeeper, RevocationsError};
