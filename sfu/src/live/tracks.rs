//! What a member publishes: the main track pair and the auxiliary one.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Which of a member's two publications.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum TrackKind {
    /// Camera and microphone.
    Main,
    /// Screen.
    Aux,
}

impl TrackKind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Main, Self::Aux];
}

impl fmt::Display for TrackKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Main => "the main track",
            Self::Aux => "the auxiliary track",
        })
    }
}

/// One publication's contents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Publication {
    /// Sound is sent.
    pub has_audio: bool,
    /// A picture is sent.
    pub has_video: bool,
    /// A small picture is sent beside the large one.
    pub has_small: bool,
    /// The sound is muted.
    #[serde(default)]
    pub audio_muted: bool,
    /// The picture is muted.
    #[serde(default)]
    pub video_muted: bool,
}

/// All that one member publishes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Tracks {
    /// Camera and microphone.
    pub main: Option<Publication>,
    /// Screen.
    pub aux: Option<Publication>,
}

impl Tracks {
    /// The publication of `kind`, if there is one.
    pub fn of(&self, kind: TrackKind) -> Option<Publication> {
        match kind {
            TrackKind::Main => self.main,
            TrackKind::Aux => self.aux,
        }
    }

    pub(super) fn slot(&mut self, kind: TrackKind) -> &mut Option<Publication> {
        match kind {
            TrackKind::Main => &mut self.main,
            TrackKind::Aux => &mut self.aux,
        }
    }
}

/// What a member may send now. The media side enforces it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize)]
pub struct Allowed {
    /// Sound, on either track.
    pub audio: bool,
    /// The camera.
    pub video: bool,
    /// The auxiliary track.
    pub aux: bool,
}
