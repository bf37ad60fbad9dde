//! The stream that a path names.

use relay::StreamId;

use super::Api;
use super::input::Input;
use super::refusal::Refusal;
use crate::auth::Apps;
use crate::live::broadcasts::{Publisher, Source};
use crate::live::{AppId, RoomId, RoomKey, TrackKind, UserId};
use crate::signal::hub::admin::{AdminError, Call, Reply};

/// A stream as a path names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Named {
    /// By the member of a room who publishes it.
    Publication {
        room: RoomId,
        user: UserId,
        track: TrackKind,
    },
    /// By its public id, whoever publishes it.
    Stream(StreamId),
}

/// What was found under it.
#[derive(Debug)]
pub(super) struct Found {
    /// The name under which it is relayed.
    pub(super) name: StreamId,
    /// Who of the app publishes it; nobody does for one that is not live, or another app's.
    pub(super) publisher: Option<Publisher>,
}

impl Named {
    pub(super) fn publication(input: &Input<'_>) -> Result<Self, Refusal> {
        Ok(Self::Publication {
            room: input.room()?,
            user: input.user()?,
            track: input.track()?,
        })
    }

    pub(super) fn stream(input: &Input<'_>) -> Result<Self, Refusal> {
        input.stream().map(Self::Stream)
    }

    /// Finds it among an app's. As with viewers, nobody is told whether another app has a stream of
    /// this id.
    pub(super) async fn find(self, api: &Api, app: AppId) -> Result<Found, Refusal> {
        match self {
            Self::Publication { room, user, track } => {
                find_publication(api, app, (room, user, track)).await
            }
            Self::Stream(name) => {
                let publisher = publisher(api, app, &name).await?;
                let publisher = publisher.filter(|publisher| publisher.app() == app);
                Ok(Found { name, publisher })
            }
        }
    }
}

async fn find_publication(
    api: &Api,
    app: AppId,
    (room, user, track): (RoomId, UserId, TrackKind),
) -> Result<Found, Refusal> {
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
    Ok(Found {
        name,
        publisher: Some(Publisher::Member(source)),
    })
}

/// Who publishes a stream, in whatever app.
async fn publisher(api: &Api, app: AppId, name: &StreamId) -> Result<Option<Publisher>, Refusal> {
    let stream = name.clone();
    let Reply::Holder(holder) = api.ask(app, Call::Holder { stream }).await? else {
        return Err(AdminError::Busy.into());
    };
    // What is in no room is the media workers' alone.
    Ok(holder.map(Publisher::Member).or_else(|| whip(api, name)))
}

fn whip(api: &Api, name: &StreamId) -> Option<Publisher> {
    let publisher = api.0.sights.publisher_app(name)?;
    let apps = &api.0.apps;
    let app = match apps.is_open() {
        true => Some(Apps::OPEN),
        false => apps.app_of(name.as_str(), Some(publisher)),
    };
    app.map(|app| Publisher::Whip { app })
}
