//! Recordings of publications, and what the apps' back ends are told of them.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use prometheus::Registry;
use relay::StreamId;
use relay::record::{
    NotRemoved, OwnerOf, RecordConfig, RecordRefused, RecordState, RecordStore, RecordWatcher,
    RecordingId, RecordingReader, RecordingView, Recordings,
};
use thiserror::Error;

use crate::config::{RecordPlace, Settings};
use crate::live::AppId;
use crate::push::unix_now;
use crate::webhook::{Notice, RecordNotice, Webhooks};
use crate::worker::Workers;

/// Why nothing can be recorded.
#[derive(Debug, Error)]
pub enum RecordError {
    /// The folder or the bucket cannot be used.
    #[error("recordings cannot be kept in {place}: {source} (setting `record.folder`)")]
    Place {
        /// Which.
        place: String,
        /// Why.
        source: io::Error,
    },
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// Why a recording is not begun.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotRecorded {
    /// There is nowhere to keep it.
    #[error("this server keeps no recordings (setting `record.folder`)")]
    Off,
    /// It is refused.
    #[error(transparent)]
    Refused(#[from] RecordRefused),
}

/// Why a recording stays.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum NotDeleted {
    /// There is nowhere to keep any.
    #[error("this server keeps no recordings (setting `record.folder`)")]
    Off,
    /// It is not removed.
    #[error(transparent)]
    Refused(#[from] NotRemoved),
}

/// The recordings of all apps, kept nowhere by default. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct AppRecordings(Option<Kept>);

#[derive(Debug, Clone)]
struct Kept {
    all: Recordings,
    /// Lets players at them.
    reader: Option<RecordingReader>,
}

impl AppRecordings {
    /// Recordings as the settings say. Those of earlier starts are listed, and ended if they were left.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn new(
        settings: &Settings,
        workers: &Workers,
        webhooks: Webhooks,
        registry: &Registry,
    ) -> Result<Self, RecordError> {
        let Some(place) = settings.record_place() else {
            return Ok(Self(None));
        };
        let (opened, name) = match &place {
            RecordPlace::Folder(folder) => {
                let made = std::fs::create_dir_all(folder);
                let opened = made.and_then(|()| RecordStore::folder(folder));
                (opened, folder.display().to_string())
            }
            RecordPlace::Bucket(address) => (RecordStore::bucket(address), address.to_string()),
        };
        let store = opened.map_err(|source| RecordError::Place {
            place: name,
            source,
        })?;
        let record = &settings.record;
        let config = RecordConfig {
            max_per_owner: record.max_per_app,
            max_recordings: record.max_recordings,
            max_duration: record.max_duration,
            max_bytes: record.max_bytes,
            mp4: record.mp4,
            auto: record.auto.clone(),
            max_listed: record.max_listed,
        };
        let is_served = record.serve;
        let watcher: RecordWatcher = Arc::new(move |view| {
            let app = AppId(view.owner);
            if view.state == RecordState::Ended && webhooks.config().tells(app) {
                webhooks.tell(Notice::Record(RecordNotice {
                    app,
                    at: unix_now(),
                    recording: Box::new(view.clone()),
                    is_served,
                }));
            }
        });
        let apps = workers.clone();
        let owner_of: OwnerOf = Arc::new(move |name| apps.app_of(name).map(|app| app.0));
        let relay = workers.relay().clone();
        let all = Recordings::new(relay, config, store, (watcher, owner_of), registry)?;
        let reader = record.serve.then(|| all.reader());
        Ok(Self(Some(Kept { all, reader })))
    }

    /// What reads them for players, if the settings let players at them.
    pub fn served(&self) -> Option<RecordingReader> {
        self.0.as_ref()?.reader.clone()
    }

    fn all(&self) -> Option<&Recordings> {
        self.0.as_ref().map(|kept| &kept.all)
    }

    /// Records what is relayed of a room that is recorded. What is not live yet is recorded once it
    /// is; what is refused is told to the log, too.
    ///
    /// # Errors
    /// [`NotRecorded`].
    pub(crate) fn follow_room(
        &self,
        app: AppId,
        name: &StreamId,
    ) -> Result<RecordingView, NotRecorded> {
        self.start(app, name).inspect_err(|error| match error {
            NotRecorded::Off | NotRecorded::Refused(RecordRefused::NotLive { .. }) => {}
            NotRecorded::Refused(refused) => {
                tracing::warn!(%app, stream = %name, %refused, "a stream of a recorded room is not recorded");
            }
        })
    }

    /// Ends all recordings of what is relayed under a name.
    pub(crate) fn stop_all(&self, app: AppId, name: &StreamId) {
        for view in self.of(app, Some(name)) {
            self.stop(app, name, &view.id);
        }
    }

    /// Says that the server ends: what ends from now on is finished by the next start.
    pub fn leave_to_next_start(&self) {
        if let Some(recordings) = self.all() {
            recordings.leave_to_next_start();
        }
    }

    /// Returns when nothing is written any more.
    pub async fn settled(&self) {
        if let Some(recordings) = self.all() {
            recordings.settled().await;
        }
    }
}

/// What calls need of recordings.
pub trait RecordDesk: Send + Sync {
    /// Whether there is somewhere to keep them.
    fn are_kept(&self) -> bool;

    /// Whether players get them from this server.
    fn are_served(&self) -> bool;

    /// An app's recordings, of what is relayed under `name` or of all, those that have ended included:
    /// the newest thousand, in the order of their beginnings.
    fn of(&self, app: AppId, name: Option<&StreamId>) -> Vec<RecordingView>;

    /// An app's recordings after one, in the same order.
    fn page(
        &self,
        app: AppId,
        name: Option<&StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView>;

    /// Records what an app's publication is relayed as.
    ///
    /// # Errors
    /// [`NotRecorded`].
    fn start(&self, app: AppId, name: &StreamId) -> Result<RecordingView, NotRecorded>;

    /// Ends one of them; false if there is none that goes on.
    fn stop(&self, app: AppId, name: &StreamId, id: &RecordingId) -> bool;

    /// Removes one that has ended, with its files.
    ///
    /// # Errors
    /// [`NotDeleted`].
    fn remove<'a>(&'a self, app: AppId, id: &'a RecordingId) -> Deleting<'a>;
}

/// Whether a recording could be removed.
pub type Deleting<'a> = Pin<Box<dyn Future<Output = Result<(), NotDeleted>> + Send + 'a>>;

impl RecordDesk for AppRecordings {
    fn are_kept(&self) -> bool {
        self.0.is_some()
    }

    fn are_served(&self) -> bool {
        self.0.as_ref().is_some_and(|kept| kept.reader.is_some())
    }

    fn of(&self, app: AppId, name: Option<&StreamId>) -> Vec<RecordingView> {
        let all = self.all();
        all.map_or_else(Vec::new, |all| all.of(app.0, name))
    }

    fn page(
        &self,
        app: AppId,
        name: Option<&StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        let all = self.all();
        all.map_or_else(Vec::new, |all| all.page(app.0, name, after, limit))
    }

    fn stop(&self, app: AppId, name: &StreamId, id: &RecordingId) -> bool {
        let all = self.all();
        all.is_some_and(|all| all.stop(name, app.0, id))
    }

    fn start(&self, app: AppId, name: &StreamId) -> Result<RecordingView, NotRecorded> {
        let recordings = self.all().ok_or(NotRecorded::Off)?;
        Ok(recordings.start(name, app.0)?)
    }

    fn remove<'a>(&'a self, app: AppId, id: &'a RecordingId) -> Deleting<'a> {
        Box::pin(async move {
            let all = self.all().ok_or(NotDeleted::Off)?;
            Ok(all.remove(app.0, id).await?)
        })
    }
}

/// The address on this server of what has this path in the store. Neither streams nor recordings have
/// names that would have to be encoded.
pub(crate) fn address(path: &str) -> String {
    format!("/recordings/{path}")
}
