//! Removes recordings that have ended.

use super::Recordings;
use super::archive::{Archive, Failure};
use super::closing::{within, within_more};
use super::id::RecordingId;
use super::manifest::{MANIFEST, Paths, is_of_recorder};
use super::view::RecordingView;

/// Why a recording is not removed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotRemoved {
    /// It is not listed.
    #[error("there is no recording {id}, or it is not listed; the list has those that there are")]
    NoSuch {
        /// Its name.
        id: RecordingId,
    },
    /// It is recorded, or its files are made.
    #[error("recording {id} has not ended; stop it, and wait until its state is \"ended\"")]
    NotEnded {
        /// Its name.
        id: RecordingId,
    },
    /// Somebody else asked for it.
    #[error("recording {id} is being removed")]
    UnderWay {
        /// Its name.
        id: RecordingId,
    },
    /// So many others are removed.
    #[error("{limit} recordings are being removed; try again in a moment")]
    Busy {
        /// The bound.
        limit: usize,
    },
    /// The log says why.
    #[error(
        "the store does not remove all files of recording {id}; it is listed still, to be tried again"
    )]
    Store {
        /// Its name.
        id: RecordingId,
    },
}

impl Recordings {
    /// Removes an owner's recording that has ended from the store, and then from the list. It goes on
    /// if nobody waits for it any more. What somebody else put into its folder stays.
    ///
    /// # Errors
    /// [`NotRemoved`].
    pub async fn remove(&self, owner: u32, id: &RecordingId) -> Result<(), NotRemoved> {
        let view = self.0.book().begin_removal(owner, id)?;
        let removal = Removal {
            recordings: self.clone(),
            view,
        };
        // Nobody waits for it when the server ends: what is cut off then can be repeated.
        let runtime = self.0.relay.runtime();
        let removed = runtime.spawn(async move { removal.carry_out().await });
        let failed = || NotRemoved::Store { id: id.clone() };
        // An error would be a panic, or the end of the runtime.
        let removed = removed.await.unwrap_or(Err(Failure::Store));
        removed.map_err(|_| failed())
    }
}

/// A removal under way. The recording may be removed again on drop, if it is still there.
struct Removal {
    recordings: Recordings,
    view: RecordingView,
}

impl Removal {
    async fn carry_out(&self) -> Result<(), Failure> {
        let RecordingView { id, stream, .. } = &self.view;
        let removed = remove(self.recordings.archive(), &Paths::new(stream, id)).await;
        match &removed {
            Ok(()) => {
                tracing::info!(%stream, recording = %id, "a recording is removed");
                self.recordings.0.book().forget_ended(id);
            }
            Err(error) => {
                tracing::warn!(%stream, recording = %id, %error, "a recording is not removed");
            }
        }
        removed
    }
}

impl Drop for Removal {
    fn drop(&mut self) {
        self.recordings.0.book().end_removal(&self.view.id);
    }
}

/// Removes what a recorder wrote. What says that the recording is there goes last, so that what a
/// process that is killed leaves is listed by the next one, and can be removed.
async fn remove(archive: &dyn Archive, paths: &Paths) -> Result<(), Failure> {
    let folder = paths.folder();
    if !within(archive.is_inside(folder)).await? {
        // Where it leads to is nobody's to remove by this.
        tracing::warn!(folder, "a link is no folder of the store");
        return Err(Failure::Store);
    }
    within(archive.tidy(folder)).await?;
    let listed = within_more(archive.list(folder, MAX_FILES)).await?;
    if listed.len() >= MAX_FILES {
        tracing::warn!(
            folder,
            "has {MAX_FILES} files and more: some are somebody else's"
        );
        return Err(Failure::Store);
    }
    let is_ours = |path: &String| {
        let name = path.strip_prefix(folder).and_then(|p| p.strip_prefix('/'));
        name.is_some_and(|name| name != MANIFEST && is_of_recorder(name))
    };
    let files = listed.into_iter().filter(is_ours).collect();
    within_more(archive.delete_all(files)).await?;
    within(archive.delete(&paths.manifest())).await?;
    within(archive.delete(&paths.mark())).await?;
    // All of it is gone, whether or not its folder is.
    if let Err(error) = within(archive.leave(folder)).await {
        tracing::warn!(folder, %error, "the folder of a recording that is removed stays");
    }
    Ok(())
}

/// More than a recording can have.
const MAX_FILES: usize = 1_000_000;

/// Recordings that are removed at once.
pub(super) const REMOVALS: usize = 8;
