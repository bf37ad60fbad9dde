//! Who publishes what has a public stream id.

use super::Source;
use crate::live::ids::AppId;

/// Who publishes what is relayed under a public stream id. What was begun for one publisher goes on
/// with the next one only if the two are equal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Publisher {
    /// A member of a room, with this publication of that room.
    Member(Source),
    /// A client of the WHIP endpoint, in no room. All of an app are alike: who comes next under the
    /// same id, an encoder that was started again or another one in its place, publishes it anew.
    Whip {
        /// The app.
        app: AppId,
    },
}

impl Publisher {
    /// Whose back end may ask for it, and is told of it.
    pub fn app(&self) -> AppId {
        match self {
            Self::Member(source) => source.room.app,
            Self::Whip { app } => *app,
        }
    }
}
