//! Where recordings are kept: objects by their paths, each whole or not there.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::future::Future;
use std::io;
use std::ops::Range;
use std::path::{Path as FilePath, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

use super::bucket::{Bucket, BucketAddress};
use super::manifest::{UNFINISHED, is_mark, is_of_recorder};
use super::objects::{self, at, failure};
use super::upload::{FileUpload, blocking};

/// Why something was not kept, or not found again. What the store says goes into the log alone:
/// it names folders.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Failure {
    #[error("the disk is full")]
    Full,
    #[error("the store takes or gives nothing; the server's log says why")]
    Store,
    #[error("the store takes too long for one object")]
    Slow,
}

/// An answer to come.
pub(super) type Pending<'a, T> = Pin<Box<dyn Future<Output = Result<T, Failure>> + Send + 'a>>;

/// A store of objects. What was put is there for whoever looks after that, even if the process
/// ends, and what was half put is not.
pub(super) trait Archive: Send + Sync {
    /// Where its objects are.
    fn objects(&self) -> &dyn ObjectStore;

    fn put<'a>(&'a self, path: &'a str, data: Bytes) -> Pending<'a, ()> {
        Box::pin(objects::put(self.objects(), path, data))
    }

    /// `None` where there is no such object.
    fn get<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Bytes>> {
        Box::pin(objects::get(self.objects(), path))
    }

    /// The same of what is small: what is larger than [`TEXT`] is not read.
    fn text<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Bytes>> {
        Box::pin(objects::text(self.objects(), path))
    }

    fn size<'a>(&'a self, path: &'a str) -> Pending<'a, Option<u64>> {
        Box::pin(async move {
            let found = self.find(path).await?;
            Ok(found.map(|object| object.size))
        })
    }

    /// What is known of an object without its bytes.
    fn find<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Object>> {
        Box::pin(objects::find(self.objects(), path))
    }

    /// Some bytes of the very object that was found.
    fn piece<'a>(
        &'a self,
        path: &'a str,
        object: &'a Object,
        range: Range<u64>,
    ) -> Pending<'a, Bytes> {
        Box::pin(objects::piece(self.objects(), path, object, range))
    }

    /// Bytes of a piece that a reader of a large object takes at once: large enough for a disk, small
    /// enough for hundreds of slow clients.
    fn piece_bytes(&self) -> u64 {
        128 << 10
    }

    /// No error where there is no such object.
    fn delete<'a>(&'a self, path: &'a str) -> Pending<'a, ()> {
        Box::pin(objects::delete(self.objects(), path))
    }

    /// Deletes many. After an error some of them may be gone.
    fn delete_all(&self, paths: Vec<String>) -> Pending<'_, ()> {
        Box::pin(objects::delete_all(self.objects(), paths))
    }

    /// Whether a folder is in the store itself: no link on the way leads elsewhere. One that is not
    /// there leads nowhere.
    fn is_inside<'a>(&'a self, _folder: &'a str) -> Pending<'a, bool> {
        Box::pin(std::future::ready(Ok(true)))
    }

    /// Removes a folder of a recording, and the one that it is in, as far as nothing is in them.
    fn leave<'a>(&'a self, _folder: &'a str) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    /// The paths in a folder, at most `limit`. Some stores list what is in the folders there, too.
    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> Pending<'a, Vec<String>> {
        Box::pin(objects::list(self.objects(), folder, limit))
    }

    /// The names of the folders in a folder, or in the store if that is empty.
    fn folders<'a>(&'a self, folder: &'a str, keep: usize) -> Pending<'a, Folders> {
        Box::pin(objects::folders(self.objects(), folder, keep))
    }

    /// Removes from a folder what was half written when a process ended.
    fn tidy<'a>(&'a self, folder: &'a str) -> Pending<'a, ()>;

    /// Begins a large object, which is there once it is finished.
    fn begin<'a>(&'a self, path: &'a str) -> Pending<'a, Box<dyn Upload>>;
}

/// An object that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Object {
    /// In bytes.
    pub(super) size: u64,
    pub(super) modified: SystemTime,
    /// What the store calls this version of it.
    pub(super) version: Option<String>,
}

/// Names of folders: the last ones in their order, so many as were asked for.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Folders {
    pub(super) names: BTreeSet<String>,
    /// How many there are before them.
    pub(super) left_out: u64,
}

impl Folders {
    pub(super) fn push(&mut self, name: String, keep: usize) {
        self.names.insert(name);
        if self.names.len() > keep {
            self.names.pop_first();
            self.left_out += 1;
        }
    }
}

/// A large object on its way.
pub(super) trait Upload: Send {
    fn write(&mut self, data: Bytes) -> Pending<'_, ()>;
    fn finish(self: Box<Self>) -> Pending<'static, ()>;
    /// Leaves nothing of it.
    fn abort(self: Box<Self>) -> Pending<'static, ()>;
}

/// A store where recordings go.
#[derive(Clone)]
pub struct RecordStore(pub(super) Arc<dyn Archive>);

impl RecordStore {
    /// A folder of this machine, which has to exist, and which no other server can have until this is
    /// dropped. What is written is on the disk before anything builds on it (`fsync`).
    ///
    /// # Errors
    /// When there is no such folder, it cannot be written to, or another server has it
    /// ([`io::ErrorKind::ResourceBusy`]).
    pub fn folder(path: &FilePath) -> io::Result<Self> {
        let store = LocalFileSystem::new_with_prefix(path).map_err(io::Error::other)?;
        let lock = lock(path)?;
        // Nobody writes there yet: later a mark that is on its way would be taken for a rest.
        sweep(&path.join(UNFINISHED), is_mark)?;
        Ok(Self(Arc::new(Folder {
            store: store.with_fsync(true),
            root: path.to_owned(),
            _lock: lock,
        })))
    }
}

impl RecordStore {
    /// A bucket of an S3-compatible store. Where the store is, and who asks, is said by the
    /// environment: `AWS_ENDPOINT_URL`, `AWS_REGION`, `AWS_ACCESS_KEY_ID`, `AWS_SECRET_ACCESS_KEY` and
    /// the other variables that the vendor's own programs read; without keys, the machine's own role
    /// is asked for. Nothing of it is asked here.
    ///
    /// No other server may record below the same prefix: it would end this one's recordings when it
    /// starts.
    ///
    /// # Errors
    /// When the environment contradicts itself, such as a key without its secret.
    pub fn bucket(address: &BucketAddress) -> io::Result<Self> {
        let bucket = Bucket::open(address).map_err(io::Error::other)?;
        Ok(Self(Arc::new(bucket)))
    }
}

impl std::fmt::Debug for RecordStore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RecordStore").finish_non_exhaustive()
    }
}

struct Folder {
    store: LocalFileSystem,
    root: PathBuf,
    /// The system gives the lock back with the file, also when the process is killed.
    _lock: File,
}

impl Archive for Folder {
    fn objects(&self) -> &dyn ObjectStore {
        &self.store
    }

    fn is_inside<'a>(&'a self, folder: &'a str) -> Pending<'a, bool> {
        Box::pin(async move {
            let (root, inner) = (self.root.clone(), at(folder)?.to_string());
            let is_inside = blocking(move || is_inside(root, &inner)).await;
            is_inside.map_err(|error| failure(folder, &error))
        })
    }

    fn leave<'a>(&'a self, folder: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let place = self.root.join(at(folder)?.to_string());
            let left = blocking(move || {
                leave(&place)?;
                place.parent().map_or(Ok(()), leave)
            });
            left.await.map_err(|error| failure(folder, &error))
        })
    }

    /// Without what is in the folders there. A link is an entry like others.
    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            let (inner, place) = (folder.to_owned(), self.root.join(at(folder)?.to_string()));
            let listed = blocking(move || list(&place, &inner, limit)).await;
            listed.map_err(|error| failure(folder, &error))
        })
    }

    /// What a link leads to is not in the store.
    fn folders<'a>(&'a self, folder: &'a str, keep: usize) -> Pending<'a, Folders> {
        Box::pin(async move {
            let place = self.root.join(at(folder)?.to_string());
            let found = blocking(move || folders(&place, keep)).await;
            found.map_err(|error| failure(folder, &error))
        })
    }

    fn tidy<'a>(&'a self, folder: &'a str) -> Pending<'a, ()> {
        Box::pin(async move {
            let place = self.root.join(at(folder)?.to_string());
            let swept = blocking(move || sweep(&place, is_of_recorder));
            swept.await.map_err(|error| {
                tracing::warn!(%error, "what was half written cannot be removed");
                Failure::Store
            })
        })
    }

    fn begin<'a>(&'a self, path: &'a str) -> Pending<'a, Box<dyn Upload>> {
        Box::pin(async move {
            let place = self.root.join(at(path)?.to_string());
            let begun = FileUpload::begin(path, place);
            let upload = begun.map_err(|error| failure(path, &error))?;
            Ok(Box::new(upload) as Box<dyn Upload>)
        })
    }
}

/// Takes a folder for this process alone.
fn lock(folder: &FilePath) -> io::Result<File> {
    let mut options = File::options();
    let options = options.create(true).truncate(false).write(true);
    let lock = options.open(folder.join(LOCK))?;
    match lock.try_lock() {
        Ok(()) => Ok(lock),
        Err(TryLockError::WouldBlock) => {
            let text = "another running server records there; give this one a folder of its own";
            Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
        }
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether each name of a path below a folder is a folder in it, or nothing at all.
fn is_inside(root: PathBuf, path: &str) -> io::Result<bool> {
    let mut place = root;
    for name in path.split('/') {
        place.push(name);
        match std::fs::symlink_metadata(&place) {
            Ok(found) if found.is_dir() => {}
            Ok(_) => return Ok(false),
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
            Err(error) => return Err(error),
        }
    }
    Ok(true)
}

/// Removes a folder, unless something is in it.
fn leave(folder: &FilePath) -> io::Result<()> {
    match std::fs::remove_dir(folder) {
        Err(error) => match error.kind() {
            io::ErrorKind::DirectoryNotEmpty | io::ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        },
        Ok(()) => Ok(()),
    }
}

fn list(place: &FilePath, folder: &str, limit: usize) -> io::Result<Vec<String>> {
    let entries = match std::fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut paths = Vec::new();
    for entry in entries {
        if paths.len() >= limit {
            break;
        }
        let entry = entry?;
        // Without following it.
        if !entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            paths.push(format!("{folder}/{name}"));
        }
    }
    paths.sort();
    Ok(paths)
}

fn folders(place: &FilePath, keep: usize) -> io::Result<Folders> {
    let mut found = Folders::default();
    for entry in std::fs::read_dir(place)? {
        let entry = entry?;
        // Without following it.
        if entry.file_type()?.is_dir()
            && let Ok(name) = entry.file_name().into_string()
        {
            found.push(name, keep);
        }
    }
    Ok(found)
}

/// Removes what is half written of files that have such names: they are written beside their place,
/// under the name with `#` and a number, and moved there. All else is somebody else's.
fn sweep(folder: &FilePath, is_ours: fn(&str) -> bool) -> io::Result<()> {
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let staged = name.to_str().and_then(|name| name.rsplit_once('#'));
        let is_rest = staged.is_some_and(|(name, number)| {
            !number.is_empty() && number.bytes().all(|c| c.is_ascii_digit()) && is_ours(name)
        });
        if is_rest && entry.file_type()?.is_file() {
            std::fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

/// Bytes of the largest object that tells of others: a page of 100 segments has 10 KiB.
pub(super) const TEXT: u64 = 64 << 10;

/// Empty; only its lock counts.
const LOCK: &str = ".lock";
