//! The units of forwarding: where a stream can be entered, which layer is followed, when a key
//! frame is asked for, and how sequence numbers, times and picture numbers are rewritten.

pub mod allocate;
pub mod detect;
pub mod filter;
pub mod frame;
pub mod keyframe;
pub mod layer;
pub mod place;
pub mod rewrite;
pub mod scale;
pub mod subscription;
pub mod thin;
pub mod vp8;
