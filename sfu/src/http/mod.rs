//! HTTP: WHIP and WHEP, the relay's addresses, metrics, health and the web files.

mod access;
pub mod api;
mod app;
mod body;
mod cors;
mod files;
mod forwarded;
mod health;
mod ice;
mod images;
mod listener;
mod metrics;
mod observe;
mod playlist;
mod problem;
mod signal;
mod stall;
mod tls;
mod whip;

pub use app::{App, router};
pub use images::{Images, ImagesError};
pub use listener::{Connections, ListenError, Listener, Phase};
pub use metrics::HttpMetrics;
pub use problem::Problem;
pub use tls::{TlsError, server_config};
