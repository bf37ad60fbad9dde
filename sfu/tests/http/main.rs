//! The HTTP side: routes with real workers and a real relay behind them, the bounds
//! of the listener on real sockets, and the binary as a whole.

mod abuse;
mod access;
mod bucket;
mod edge;
mod files;
mod flv;
mod fragments;
mod hevc;
mod images;
mod listener;
mod metrics;
mod paths;
mod playback;
mod program;
mod publisher;
mod recording;
mod relaying;
mod revocations;
mod shift;
mod show;
mod support;
mod tls;
mod viewers;
mod webhooks;
mod whip;
