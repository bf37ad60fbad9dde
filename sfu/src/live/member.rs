//! One user in one room.

use super::ids::ConnectionId;
use super::profile::Profile;
use super::roles::{Rights, Role};
use super::tracks::{Allowed, Tracks};

/// A user who is in a room's chat, its media, or both.
#[derive(Debug, Clone)]
pub(super) struct Member {
    /// The user's only connection.
    pub(super) connection: ConnectionId,
    pub(super) profile: Profile,
    pub(super) chat: bool,
    pub(super) media: Option<Media>,
}

/// A member's part in the media.
#[derive(Debug, Clone)]
pub(super) struct Media {
    pub(super) role: Role,
    pub(super) rights: Rights,
    pub(super) tracks: Tracks,
    /// A host or the operator has silenced the member: nothing is sent until that is lifted.
    pub(super) blocked: bool,
    /// What the media side was told last.
    pub(super) allowed: Allowed,
}

impl Member {
    pub(super) fn role(&self) -> Option<Role> {
        self.media.as_ref().map(|media| media.role)
    }

    pub(super) fn tracks(&self) -> Tracks {
        self.media.as_ref().map(|m| m.tracks).unwrap_or_default()
    }
}
