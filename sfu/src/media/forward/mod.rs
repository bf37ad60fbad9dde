//! The units of forwarding: where a stream can be entered, which layer is followed, when a key
//! frame is asked for, and how sequence numbers and times are rewritten.

pub mod detect;
pub mod keyframe;
pub mod layer;
pub mod rewrite;
pub mod subscription;
