//! What uploads may hold and how fast they may come, and the folder that they end in.

use std::collections::HashMap;
use std::fs::File;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use axum::body::Body;
use http_body_util::BodyExt;
use prometheus::core::{Collector, Desc};
use prometheus::proto::MetricFamily;
use prometheus::{IntCounter, IntCounterVec, IntGauge, Opts, Registry};
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::send::OpenFile;
use crate::config::{ImagesSettings, Settings};
use crate::http::body::BodyError;
use crate::http::problem::Problem;
use crate::images::{FileError, ImageFiles, ImageLimits, Upload};
use crate::live::chat::{Buckets, ChatError, ImagePayload};
use crate::live::{AppId, UserId};

/// The uploads of a server; clones share them.
#[derive(Debug, Clone)]
pub struct Images(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    files: ImageFiles,
    limits: ImageLimits,
    per_minute: u32,
    /// For the next bytes of a body.
    patience: Duration,
    /// A permit for each upload that is under way.
    places: Arc<Semaphore>,
    /// A permit for each KiB that uploads hold.
    memory: Arc<Semaphore>,
    /// A permit for each thread that unpacks.
    threads: Arc<Semaphore>,
    by: Mutex<Uploaders>,
    outcomes: IntCounterVec,
}

#[derive(Debug)]
struct Uploaders {
    rates: Buckets<Uploader>,
    under_way: HashMap<Uploader, usize>,
}

/// Whom an upload is counted for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Uploader {
    User(AppId, UserId),
    /// On an open server, where a user's name is whatever it says. Of IPv6 the network, since
    /// one client has all addresses of it.
    Address(Option<IpAddr>),
}

/// Why there are no uploads.
#[derive(Debug, Error)]
pub enum ImagesError {
    /// The folder cannot be used.
    #[error("images: {0} (setting `images.folder`)")]
    Folder(#[from] FileError),
    /// Metrics cannot be registered.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

/// An upload that was let in.
#[derive(Debug)]
pub(crate) struct Begun {
    images: Images,
    uploader: Uploader,
    _place: OwnedSemaphorePermit,
}

/// The bytes of an upload, with the memory that they are counted in.
#[derive(Debug)]
pub(crate) struct Held {
    bytes: Vec<u8>,
    memory: OwnedSemaphorePermit,
}

impl Images {
    /// Opens or makes the folder that the settings name; none if they name none. Blocks: for
    /// seconds with a million images.
    ///
    /// # Errors
    /// [`ImagesError`].
    pub fn open(settings: &Settings, registry: &Registry) -> Result<Option<Self>, ImagesError> {
        let Some(folder) = settings.images_folder() else {
            return Ok(None);
        };
        let images = &settings.images;
        let files = ImageFiles::open(&folder, images.max_total_bytes)?;
        let outcomes = IntCounterVec::new(
            Opts::new(
                "weblive_images_uploads_total",
                "Uploads of images, by what became of them.",
            ),
            &["outcome"],
        )?;
        registry.register(Box::new(outcomes.clone()))?;
        for outcome in OUTCOMES {
            outcomes.with_label_values(&[outcome]);
        }
        let images = Self(Arc::new(Inner::new(
            files,
            images,
            settings.http.body_timeout,
            outcomes,
        )));
        registry.register(Box::new(Folder::new(images.clone())?))?;
        Ok(Some(images))
    }

    /// What was uploaded under an id. Blocks.
    pub fn find(&self, id: &str) -> Option<ImagePayload> {
        self.0.files.find(id)
    }

    /// Lets an upload in, or says why not.
    pub(crate) fn begin(&self, uploader: Uploader) -> Result<Begun, Problem> {
        let inner = &self.0;
        let place = Arc::clone(&inner.places).try_acquire_owned();
        let place = place.map_err(|_| self.refuse("busy", Problem::UploadsBusy))?;
        let mut by = inner.uploaders();
        if by.under_way.get(&uploader).copied().unwrap_or(0) >= AT_ONCE {
            drop(by);
            return Err(self.refuse("rate", Problem::UploadsAtOnce { allowed: AT_ONCE }));
        }
        let taken = by.rates.take(Instant::now(), &uploader, COST);
        if let Err(retry) = taken {
            drop(by);
            let per_minute = inner.per_minute;
            return Err(self.refuse("rate", Problem::UploadRate { per_minute, retry }));
        }
        *by.under_way.entry(uploader.clone()).or_default() += 1;
        drop(by);
        Ok(Begun {
            images: self.clone(),
            uploader,
            _place: place,
        })
    }

    /// Opens the file behind the last part of an image's address.
    pub(crate) async fn open_file(&self, name: String) -> Result<OpenFile, Problem> {
        let images = self.clone();
        // The folder is locked while an image is written to the disk.
        let opened = tokio::task::spawn_blocking(move || {
            let stored = images.0.files.file(&name)?;
            let file = File::open(&stored.path).ok()?;
            let length = file.metadata().ok().filter(|m| m.is_file())?.len();
            Some(OpenFile {
                file,
                length,
                content_type: stored.content_type,
            })
        });
        let opened = opened.await.map_err(|_| Problem::Internal)?;
        opened.ok_or(Problem::NoSuchImage)
    }

    fn refuse(&self, outcome: &str, problem: Problem) -> Problem {
        self.0.outcomes.with_label_values(&[outcome]).inc();
        problem
    }
}

impl Inner {
    fn new(
        files: ImageFiles,
        settings: &ImagesSettings,
        patience: Duration,
        outcomes: IntCounterVec,
    ) -> Self {
        let kib = settings.max_bytes.div_ceil(KIB) * LARGEST_HELD;
        Self {
            files,
            limits: settings.limits(),
            per_minute: settings.max_per_minute,
            patience,
            places: Arc::new(Semaphore::new(PLACES)),
            memory: Arc::new(Semaphore::new(kib.min(Semaphore::MAX_PERMITS))),
            threads: Arc::new(Semaphore::new(settings.max_at_once)),
            by: Mutex::new(Uploaders {
                // A token each sixtieth of a minute's share: an upload costs sixty.
                rates: Buckets::new(
                    settings.max_per_minute,
                    settings.max_per_minute.saturating_mul(COST),
                    MAX_UPLOADERS,
                ),
                under_way: HashMap::new(),
            }),
            outcomes,
        }
    }

    /// A panic while they were held leaves a count that is off at worst.
    fn uploaders(&self) -> MutexGuard<'_, Uploaders> {
        self.by.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Begun {
    /// Reads the body. `length` is what the client says that it will send.
    pub(crate) async fn read(&self, body: Body, length: Option<u64>) -> Result<Held, Problem> {
        let limit = self.images.0.limits.bytes;
        let read = async {
            if length.is_some_and(|length| length > limit as u64) {
                return Err(self.too_large(body, limit).await);
            }
            self.read_within(body, limit).await
        };
        match tokio::time::timeout(WHOLE, read).await {
            Ok(read) => read,
            Err(_) => Err(self.body(BodyError::Timeout { within: WHOLE })),
        }
    }

    async fn read_within(&self, mut body: Body, limit: usize) -> Result<Held, Problem> {
        let inner = &self.images.0;
        let mut bytes = Vec::new();
        let none = Arc::clone(&inner.memory).try_acquire_many_owned(0);
        let mut memory = none.map_err(|_| self.busy())?;
        loop {
            let within = inner.patience;
            let frame = tokio::time::timeout(within, body.frame()).await;
            let frame = frame.map_err(|_| self.body(BodyError::Timeout { within }))?;
            let Some(frame) = frame else {
                return Ok(Held { bytes, memory });
            };
            let frame = frame.map_err(|_| self.body(BodyError::Broken))?;
            let Some(data) = frame.data_ref() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > limit {
                drop((bytes, memory));
                return Err(self.too_large(body, limit).await);
            }
            // Growing doubles the room: it is counted before it is taken.
            if length > bytes.capacity() {
                let room = (bytes.capacity() * 2).clamp(length, limit.max(length));
                let more = room.div_ceil(KIB).saturating_sub(memory.num_permits());
                let more = u32::try_from(more).unwrap_or(u32::MAX);
                let taken = Arc::clone(&inner.memory).try_acquire_many_owned(more);
                memory.merge(taken.map_err(|_| self.busy())?);
                bytes.reserve_exact(room - bytes.len());
            }
            bytes.extend_from_slice(data);
        }
    }

    /// Looks at what came, makes the smaller ones and writes them all, on a thread that may block.
    pub(crate) async fn finish(self, held: Held) -> Result<ImagePayload, Problem> {
        let images = self.images.clone();
        let thread = Arc::clone(&images.0.threads).acquire_owned().await;
        let thread = thread.map_err(|_| Problem::Internal)?;
        let work = tokio::task::spawn_blocking(move || {
            let Held { bytes, memory } = held;
            let inner = &self.images.0;
            let upload = Upload::examine(bytes, &inner.limits).map_err(Saved::Refused)?;
            let payload = inner.files.save(&upload).map_err(Saved::Failed);
            // With the client gone as well: what is held is given back when it is no longer held.
            drop((thread, memory, self));
            payload
        });
        let done = work.await.map_err(|_| Problem::Internal)?;
        let outcome = match &done {
            Ok(_) => "stored",
            Err(Saved::Refused(ChatError::ImageSize { .. })) => "too_large",
            Err(Saved::Refused(_)) => "no_image",
            Err(Saved::Failed(_)) => "failed",
        };
        images.0.outcomes.with_label_values(&[outcome]).inc();
        done.map_err(|error| match error {
            Saved::Refused(error) => Problem::Image(error),
            Saved::Failed(error) => {
                tracing::error!(%error, "an image cannot be kept");
                Problem::Internal
            }
        })
    }

    /// The response is lost when the connection closes under a client that still writes, so that
    /// a file somewhat too large is read to its end and dropped.
    async fn too_large(&self, mut body: Body, limit: usize) -> Problem {
        let mut thrown_away = 0;
        while thrown_away < limit.saturating_mul(2) {
            let next = tokio::time::timeout(self.images.0.patience, body.frame()).await;
            let Ok(Some(Ok(frame))) = next else {
                break;
            };
            thrown_away += frame.data_ref().map_or(0, |data| data.len());
        }
        let error = ChatError::ImageSize {
            size: format!("more than {limit} bytes"),
            allowed: format!("up to {limit} bytes"),
        };
        self.images.refuse("too_large", Problem::Image(error))
    }

    fn body(&self, error: BodyError) -> Problem {
        self.images.refuse("broken", Problem::Body(error))
    }

    fn busy(&self) -> Problem {
        self.images.refuse("busy", Problem::UploadsBusy)
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        let mut by = self.images.0.uploaders();
        if let Some(count) = by.under_way.get_mut(&self.uploader) {
            *count -= 1;
            if *count == 0 {
                by.under_way.remove(&self.uploader);
            }
        }
    }
}

enum Saved {
    Refused(ChatError),
    Failed(FileError),
}

/// What the folder holds, read when somebody asks for the metrics.
struct Folder {
    images: Images,
    kept: IntGauge,
    bytes: IntGauge,
    removed: (&'static str, &'static str),
    descs: Vec<Desc>,
}

impl Folder {
    fn new(images: Images) -> Result<Self, prometheus::Error> {
        let kept = IntGauge::new("weblive_images_kept", "Images in the folder.")?;
        let bytes = IntGauge::new(
            "weblive_images_kept_bytes",
            "Bytes of the images in the folder, smaller copies included.",
        )?;
        let removed = (
            "weblive_images_removed_total",
            "Images removed to make place for new ones.",
        );
        let counter = IntCounter::new(removed.0, removed.1)?;
        let descs = [kept.desc(), bytes.desc(), counter.desc()];
        Ok(Self {
            descs: descs.into_iter().flatten().cloned().collect(),
            images,
            kept,
            bytes,
            removed,
        })
    }
}

impl Collector for Folder {
    fn desc(&self) -> Vec<&Desc> {
        self.descs.iter().collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let (kept, bytes, removed) = self.images.0.files.counts();
        self.kept.set(i64::try_from(kept).unwrap_or(i64::MAX));
        self.bytes.set(i64::try_from(bytes).unwrap_or(i64::MAX));
        let mut families = self.kept.collect();
        families.extend(self.bytes.collect());
        // The name was tried at the registration.
        if let Ok(counter) = IntCounter::new(self.removed.0, self.removed.1) {
            counter.inc_by(removed);
            families.extend(counter.collect());
        }
        families
    }
}

/// What becomes of uploads, as label values.
const OUTCOMES: [&str; 7] = [
    "stored",
    "no_image",
    "too_large",
    "rate",
    "busy",
    "broken",
    "failed",
];

/// Uploads under way at once: each holds a task and a small buffer at least.
const PLACES: usize = 64;

/// Uploads of the largest size that may be held at once. Full means that as much waits for the
/// threads, or comes slowly.
const LARGEST_HELD: usize = 4;

/// Uploads of one uploader at once: a page that sends several pictures waits in between.
const AT_ONCE: usize = 4;

/// Tokens of one upload, so that a rate a minute is a whole number of tokens a second.
const COST: u32 = 60;

/// Uploaders whose rates are remembered; they are forgotten within a minute.
const MAX_UPLOADERS: usize = 100_000;

const KIB: usize = 1_024;

/// For a whole body: the largest one from a slow telephone.
const WHOLE: Duration = Duration::from_secs(120);

#[cfg(test)]
mod tests;
