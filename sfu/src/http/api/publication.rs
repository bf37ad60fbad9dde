//! The publication that a path names.

use relay::StreamId;

use super::Api;
use super::input::Input;
use super::refusal::Refusal;
use crate::live::broadcasts::Source;
use crate::live::{AppId, RoomId, RoomKey, TrackKind, UserId};
use crate::signal::hub::admin::{AdminError, Call, Reply};

/// A publication as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Named {
    room: RoomId,
    user: UserId,
    track: TrackKind,
}

impl Named {
    pub(super) fn read(input: &Input<'_>) -> Result<Self, Refusal> {
        Ok(Self {
            room: input.room()?,
            user: input.user()?,
            track: input.track()?,
        })
    }

    /// The publication, and the name under which it is relayed.
    pub(super) async fn find(self, api: &Api, app: AppId) -> Result<(Source, StreamId), Refusal> {
        let Self { room, user, track } = self;
        let call = Call::Streams {
            room: Some(room.clone()),
            user: Some(user.clone()),
            after: None,
            limit: 2,
        };
        let Reply::Streams(page) = api.ask(app, call).await? else {
            return Err(AdminError::Busy.into());
        };
        let Some(view) = page.items.into_iter().find(|view| view.track == track) else {
            return Err(AdminError::NotPublished { room, user, track }.into());
        };
        let name = view.relayed_as.and_then(|name| name.parse().ok());
        let Some(name) = name else {
            return Err(AdminError::NotRelayed { room, user, track }.into());
        };
        let source = Source {
            room: RoomKey::new(app, room),
            user,
            track,
        };
        Ok((source, name))
    }
}
