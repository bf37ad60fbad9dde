//! Publications on their way to other servers, and what the apps' back ends are told of them.

use std::sync::Arc;

use prometheus::Registry;
use relay::push::{PushConfig, PushId, PushRefused, PushState, PushTarget, PushView, Pushes};
use relay::{Relay, StreamId};
use rustls::{ClientConfig, RootCertStore};

use crate::config::Settings;
use crate::live::broadcasts::Source;
use crate::live::chat::UnixTime;
use crate::webhook::{Notice, RelayNotice, RelayStatus, RelayTask, Webhooks};
use crate::worker::Owner;

/// The pushes of all apps. Clones share them.
#[derive(Debug, Clone)]
pub struct AppPushes {
    pushes: Pushes,
    webhooks: Webhooks,
}

impl AppPushes {
    /// No pushes yet, bounded by the settings.
    ///
    /// # Errors
    /// When their metrics are registered already.
    pub fn new(
        settings: &Settings,
        relay: Relay,
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
        let pushes = Pushes::new(relay, config, registry)?;
        Ok(Self { pushes, webhooks })
    }

    /// What is relayed under `name` is this owner's from now on: pushes of another one's end.
    pub fn pass(&self, name: &StreamId, owner: &Owner) {
        let ended = self.pushes.pass(name, &label(owner));
        if ended > 0 {
            tracing::info!(%name, ended, "pushes end: the stream is another publisher's now");
        }
    }
}

/// What calls need of pushes.
pub trait PushDesk: Send + Sync {
    /// The pushes of what is relayed under `name`.
    fn of(&self, name: &StreamId) -> Vec<PushView>;

    /// Pushes a publication that is relayed under `name`; its app's back end is told how it goes.
    ///
    /// # Errors
    /// [`PushRefused`].
    fn start(
        &self,
        source: &Source,
        name: &StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused>;

    /// Ends one of them; false if there is none.
    fn stop(&self, name: &StreamId, id: PushId) -> bool;
}

impl PushDesk for AppPushes {
    fn of(&self, name: &StreamId) -> Vec<PushView> {
        self.pushes.of(name)
    }

    fn start(
        &self,
        source: &Source,
        name: &StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        let app = source.room.app;
        let publisher = Owner::User {
            app,
            user: source.user.clone(),
        };
        let (source, webhooks) = (source.clone(), self.webhooks.clone());
        let watcher = move |view: &PushView| {
            if webhooks.config().tells(source.room.app) {
                webhooks.tell(notice(&source, view, unix_now()));
            }
        };
        self.pushes
            .start(name, target, (app.0, &label(&publisher)), Arc::new(watcher))
    }

    fn stop(&self, name: &StreamId, id: PushId) -> bool {
        self.pushes.stop(name, Some(id)) > 0
    }
}

/// The same for the same owner alone.
fn label(owner: &Owner) -> String {
    format!("{owner:?}")
}

pub(crate) fn unix_now() -> UnixTime {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    UnixTime(u64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(u64::MAX))
}

/// The address is told without its secrets.
fn notice(source: &Source, view: &PushView, at: UnixTime) -> Notice {
    let task = RelayTask {
        room: source.room.room.clone(),
        user: source.user.clone(),
        track: source.track,
    };
    Notice::Relay(RelayNotice {
        key: source.room.clone(),
        at,
        task: task.to_string(),
        user: Some(source.user.clone()),
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
    use crate::live::{AppId, RoomId, RoomKey, TrackKind};

    #[test]
    fn a_back_end_is_told_of_a_push_as_of_a_relay_task() {
        let source = Source {
            room: RoomKey::new(AppId(7), RoomId::number(42).unwrap()),
            user: "anna".parse().unwrap(),
            track: TrackKind::Main,
        };
        let target: PushTarget = "rtmp://a.example/live/hunter2?hunter2".parse().unwrap();
        let mut view = PushView {
            id: PushId(1),
            stream: "evening".parse().unwrap(),
            target: target.to_string(),
            state: PushState::Recovering,
            error: Some("the connection was lost".to_owned()),
            sent_bytes: 5,
            reconnects: 1,
        };
        let told = |view: &PushView| match notice(&source, view, UnixTime(1_000)) {
            Notice::Relay(notice) => notice,
            other => panic!("{other:?}"),
        };
        let recovering = told(&view);
        assert_eq!(recovering.url, "rtmp://a.example/live");
        assert_eq!(recovering.status, RelayStatus::Recovering);
        assert_eq!(recovering.error.unwrap().1, "the connection was lost");
        let task: RelayTask = recovering.task.parse().unwrap();
        assert_eq!(
            (task.user, task.track),
            (source.user.clone(), TrackKind::Main)
        );
        (view.state, view.error) = (PushState::Ended, None);
        let ended = told(&view);
        assert_eq!((ended.status, ended.error), (RelayStatus::Idle, None));
    }
}
