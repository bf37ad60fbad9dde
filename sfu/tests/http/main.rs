//! The HTTP side: routes with real workers and a real relay behind them, the bounds
//! of the listener on real sockets, and the binary as a whole.

mod abuse;
mod access;
mod files;
mod images;
mod listener;
mod metrics;
mod program;
mod publisher;
mod relaying;
mod support;
mod tls;
mod webhooks;
mod whip;
