//! Streams on their way to other servers, and what the apps' back ends are told of them.

use std::fmt;
use std::sync::Arc;

use prometheus::Registry;
use relay::StreamId;
use relay::push::{
    PushConfig, PushFor, PushId, PushRefused, PushState, PushTarget, PushView, Pushes,
};
use rustls::{ClientConfig, RootCertStore};

use crate::auth::Apps;
use crate::config::Settings;
use crate::live::AppId;
use crate::live::broadcasts::{Publisher, Source};
use crate::live::chat::UnixTime;
use crate::webhook::{Notice, Place, RelayNotice, RelayStatus, RelayTask, Webhooks, stream_task};
use crate::worker::{Owner, Workers};

/// The pushes of all apps. Clones share them.
#[derive(Clone)]
pub struct AppPushes {
    pushes: Pushes,
    workers: Workers,
    webhooks: Webhooks,
}

impl fmt::Debug for AppPushes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.pushes.fmt(f)
    }
}

impl AppPushes {
    /// No pushes yet, bounded by the settings.
    ///
    /// # Errors
    /// When their metrics are registered already.
    pub fn new(
        settings: &Settings,
        workers: &Workers,
        webhooks: Webhooks,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        let push = &settings.push;
        let config = PushConfig {
            max_per_stream: push.max_per_stream,
            max_per_owner: push.max_per_app,
            max_pushes: push.max_pushes,
            private_hosts: push.private_hosts.clone(),
            tls: Arc::new(tls()),
        };
        Ok(Self {
            pushes: Pushes::new(workers.relay().clone(), config, registry)?,
            workers: workers.clone(),
            webhooks,
        })
    }

    /// What is relayed under `name` is this publisher's from now on: pushes of another one's end.
    pub fn pass(&self, name: &StreamId, publisher: &Publisher) {
        let ended = self.pushes.pass(name, &label(publisher));
        if ended > 0 {
            tracing::info!(%name, ended, "pushes end: the stream is another publisher's now");
        }
    }
}

/// What calls need of pushes.
pub trait PushDesk: Send + Sync {
    /// An app's pushes of what is relayed under `name`.
    fn of(&self, app: AppId, name: &StreamId) -> Vec<PushView>;

    /// Pushes what this publisher has relayed under `name`, for as long as it is theirs; their app's
    /// back end is told how it goes.
    ///
    /// # Errors
    /// [`PushRefused`].
    fn start(
        &self,
        publisher: &Publisher,
        name: &StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused>;

    /// Ends one of an app's; false if there is none.
    fn stop(&self, app: AppId, name: &StreamId, id: PushId) -> bool;
}

impl PushDesk for AppPushes {
    fn of(&self, app: AppId, name: &StreamId) -> Vec<PushView> {
        self.pushes.of(app.0, name)
    }

    fn start(
        &self,
        publisher: &Publisher,
        name: &StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        let app = publisher.app();
        let (told, webhooks) = (publisher.clone(), self.webhooks.clone());
        let watcher = move |view: &PushView| {
            if webhooks.config().tells(app) {
                webhooks.tell(notice(&told, view, unix_now()));
            }
        };
        let whose = PushFor {
            owner: app.0,
            publisher: &label(publisher),
            is_theirs: &|| {
                let placed = self.workers.owner_under(name);
                is_theirs(publisher, placed.as_ref(), self.workers.app_of(name))
            },
        };
        self.pushes.start(name, target, whose, Arc::new(watcher))
    }

    fn stop(&self, app: AppId, name: &StreamId, id: PushId) -> bool {
        self.pushes.stop(app.0, name, id)
    }
}

/// The same for the same publisher alone.
fn label(publisher: &Publisher) -> String {
    format!("{publisher:?}")
}

/// Whether a publisher may have pushed what is there: the stream is placed as theirs, and the last one
/// that connected, whose media may still be kept, was of their app.
fn is_theirs(publisher: &Publisher, placed: Option<&Owner>, last: Option<AppId>) -> bool {
    placed.is_some_and(|owner| is_of(publisher, owner))
        && last.is_none_or(|app| app == publisher.app())
}

/// Whether the media workers may have a publisher's stream as this owner's.
fn is_of(publisher: &Publisher, owner: &Owner) -> bool {
    match publisher {
        Publisher::Member(source) => {
            matches!(owner, Owner::User { app, user } if (*app, user) == (source.room.app, &source.user))
        }
        Publisher::Whip { app } => owner.app().unwrap_or(Apps::OPEN) == *app,
    }
}

pub(crate) fn unix_now() -> UnixTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// The address is told without its secrets.
fn notice(publisher: &Publisher, view: &PushView, at: UnixTime) -> Notice {
    let (place, task, user) = match publisher {
        Publisher::Member(Source { room, user, track }) => {
            let task = RelayTask {
                room: room.room.clone(),
                user: user.clone(),
                track: *track,
            };
            let place = Place::Room(room.room.clone());
            (place, task.to_string(), Some(user.clone()))
        }
        Publisher::Whip { .. } => {
            let place = Place::Stream(view.stream.clone());
            (place, stream_task(&view.stream), None)
        }
    };
    Notice::Relay(RelayNotice {
        app: publisher.app(),
        place,
        at,
        task,
        user,
        url: view.target.clone(),
        status: match view.state {
            PushState::Waiting | PushState::Ended => RelayStatus::Idle,
            PushState::Connecting => RelayStatus::Connecting,
            PushState::Running => RelayStatus::Running,
            PushState::Recovering => RelayStatus::Recovering,
            PushState::Failed => RelayStatus::Failed,
        },
        error: view.error.clone().map(|error| (-1, error)),
    })
}

/// With the machine's certificate authorities. Without any, TLS to other servers fails and all else
/// goes on.
pub(crate) fn tls() -> ClientConfig {
    use hyper_rustls::ConfigBuilderExt;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = || {
        ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .expect("the provider has the default versions of TLS")
    };
    let with_roots = builder().with_native_roots().unwrap_or_else(|error| {
        tracing::warn!(%error, "no certificate authorities: TLS to other servers (rtmps, https) will fail");
        builder().with_root_certificates(RootCertStore::empty())
    });
    with_roots.with_no_client_auth()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{RoomId, RoomKey, TrackKind};

    fn source(room: u64) -> Source {
        Source {
            room: RoomKey::new(AppId(7), RoomId::number(room).unwrap()),
            user: "anna".parse().unwrap(),
            track: TrackKind::Main,
        }
    }

    fn view() -> PushView {
        let target: PushTarget = "rtmp://a.example/live/hunter2?hunter2".parse().unwrap();
        PushView {
            id: PushId(1),
            stream: "evening".parse().unwrap(),
            target: target.to_string(),
            state: PushState::Recovering,
            error: Some("the connection was lost".to_owned()),
            sent_bytes: 5,
            reconnects: 1,
        }
    }

    fn told(publisher: &Publisher, view: &PushView) -> RelayNotice {
        match notice(publisher, view, UnixTime(1_000)) {
            Notice::Relay(notice) => notice,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_back_end_is_told_of_a_push_as_of_a_relay_task() {
        let publisher = Publisher::Member(source(42));
        let mut view = view();
        let recovering = told(&publisher, &view);
        assert_eq!(recovering.url, "rtmp://a.example/live");
        assert_eq!(recovering.status, RelayStatus::Recovering);
        assert_eq!(recovering.error.unwrap().1, "the connection was lost");
        let task: RelayTask = recovering.task.parse().unwrap();
        let anna = source(42).user;
        assert_eq!((&task.user, task.track), (&anna, TrackKind::Main));
        assert_eq!(recovering.place, Place::Room(task.room));
        assert_eq!(recovering.user, Some(anna));
        (view.state, view.error) = (PushState::Ended, None);
        let ended = told(&publisher, &view);
        assert_eq!((ended.status, ended.error), (RelayStatus::Idle, None));
    }

    #[test]
    fn a_push_of_a_stream_in_no_room_is_told_by_its_id() {
        let told = told(&Publisher::Whip { app: AppId(7) }, &view());
        assert_eq!((told.app, told.user), (AppId(7), None));
        assert_eq!(told.place, Place::Stream("evening".parse().unwrap()));
        assert!(told.task.parse::<RelayTask>().is_err());
    }

    #[test]
    fn what_began_with_a_room_ends_outside_of_it_and_the_other_way_round() {
        let publishers = [
            Publisher::Member(source(42)),
            Publisher::Member(source(43)),
            Publisher::Whip { app: AppId(7) },
            Publisher::Whip { app: AppId(8) },
        ];
        for (at, one) in publishers.iter().enumerate() {
            for (other_at, other) in publishers.iter().enumerate() {
                let is_same = label(one) == label(other);
                assert_eq!(is_same, at == other_at, "{one:?} and {other:?}");
            }
        }
    }

    #[test]
    fn a_publisher_has_the_stream_of_its_user_or_of_its_app() {
        let anna = |app| Owner::User {
            app: AppId(app),
            user: "anna".parse().unwrap(),
        };
        let ben = Owner::User {
            app: AppId(7),
            user: "ben".parse().unwrap(),
        };
        let address = |app| Owner::PushAddress { app: AppId(app) };
        let member = Publisher::Member(source(42));
        assert!(is_of(&member, &anna(7)));
        for other in [anna(8), ben.clone(), address(7), Owner::Anybody] {
            assert!(!is_of(&member, &other), "{other:?}");
        }
        let whip = Publisher::Whip { app: AppId(7) };
        for own in [anna(7), ben, address(7)] {
            assert!(is_of(&whip, &own), "{own:?}");
        }
        for other in [anna(8), address(8), Owner::Anybody] {
            assert!(!is_of(&whip, &other), "{other:?}");
        }
        let open = Publisher::Whip { app: Apps::OPEN };
        assert!(is_of(&open, &Owner::Anybody) && !is_of(&open, &address(7)));
    }

    #[test]
    fn who_is_placed_and_has_not_connected_pushes_nothing_of_the_one_before() {
        let theirs = |app| Owner::PushAddress { app: AppId(app) };
        let whip = Publisher::Whip { app: AppId(8) };
        assert!(!is_theirs(&whip, Some(&theirs(8)), Some(AppId(7))));
        assert!(is_theirs(&whip, Some(&theirs(8)), Some(AppId(8))));
        assert!(is_theirs(&whip, Some(&theirs(8)), None));
        assert!(!is_theirs(&whip, Some(&theirs(7)), Some(AppId(8))));
        assert!(!is_theirs(&whip, None, Some(AppId(8))));
    }
}
