//! The hub.

pub mod admin;
