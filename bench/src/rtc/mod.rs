//! Load over WebRTC: one publisher by WHIP, many subscribers by WHEP.

pub mod answer;
pub mod engine;
pub mod keyframe;
pub mod peer;
pub mod publisher;
pub mod report;
pub mod run;
pub mod signalling;
pub mod socket;
pub mod subscriber;
pub mod tally;
