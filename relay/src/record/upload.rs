//! A large file of a folder, written beside its place and moved there once it is whole.
//!
//! It goes to the disk while it grows. A file system may make others who wait for their own writes
//! wait for all that is left of this one at its end, however large it is.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use super::archive::{Pending, Upload};
use super::objects::failure;

/// See the module.
pub(super) struct FileUpload {
    /// For the log.
    name: String,
    path: PathBuf,
    staged: PathBuf,
    growing: Growing<File>,
}

impl FileUpload {
    /// Begins a file at `path`, whose folder is there.
    pub(super) fn begin(name: &str, path: PathBuf) -> io::Result<Self> {
        let mut staged = path.clone().into_os_string();
        staged.push("#1");
        let staged = PathBuf::from(staged);
        // Of a try that was given up: the system may write to it still.
        match std::fs::remove_file(&staged) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        Ok(Self {
            name: name.to_owned(),
            growing: Growing::new(File::create(&staged)?),
            path,
            staged,
        })
    }

    async fn end(&mut self) -> io::Result<()> {
        self.growing.flush().await?;
        let (staged, path) = (self.staged.clone(), self.path.clone());
        blocking(move || {
            std::fs::rename(staged, &path)?;
            let folder = path.parent().unwrap_or(Path::new("/"));
            File::open(folder)?.sync_all()
        })
        .await
    }
}

impl Upload for FileUpload {
    fn write(&mut self, data: Bytes) -> Pending<'_, ()> {
        Box::pin(async move {
            let written = self.growing.push(data).await;
            written.map_err(|error| failure(&self.name, &error))
        })
    }

    fn finish(mut self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let Err(error) = self.end().await else {
                return Ok(());
            };
            let failure = failure(&self.name, &error);
            // Gone already if only its folder could not be brought to the disk.
            let _ = self.abort().await;
            Err(failure)
        })
    }

    fn abort(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let staged = self.staged;
            let removed = blocking(move || std::fs::remove_file(staged)).await;
            removed.map_err(|error| failure(&self.name, &error))
        })
    }
}

/// What takes bytes and brings them to the disk.
trait Disk: Write + Send + 'static {
    fn sync(&mut self) -> io::Result<()>;
}

impl Disk for File {
    fn sync(&mut self) -> io::Result<()> {
        self.sync_data()
    }
}

/// A file that is brought to the disk each [`CHUNK`] bytes.
struct Growing<D> {
    /// None after an error.
    disk: Option<D>,
    waiting: Vec<Bytes>,
    bytes: usize,
}

impl<D: Disk> Growing<D> {
    fn new(disk: D) -> Self {
        Self {
            disk: Some(disk),
            waiting: Vec::new(),
            bytes: 0,
        }
    }

    async fn push(&mut self, data: Bytes) -> io::Result<()> {
        self.bytes += data.len();
        self.waiting.push(data);
        match self.bytes < CHUNK {
            true => Ok(()),
            false => self.flush().await,
        }
    }

    async fn flush(&mut self) -> io::Result<()> {
        let mut disk = self.disk.take().ok_or(io::ErrorKind::BrokenPipe)?;
        let waiting = std::mem::take(&mut self.waiting);
        self.bytes = 0;
        let disk = blocking(move || {
            for data in waiting {
                disk.write_all(&data)?;
            }
            disk.sync()?;
            Ok(disk)
        });
        self.disk = Some(disk.await?);
        Ok(())
    }
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    // An error would be a panic, or the end of the runtime.
    let done = spawn_blocking(work).await;
    done.unwrap_or_else(|error| Err(io::Error::other(error)))
}

/// A disk of 20 MB/s takes less than half a second for it.
const CHUNK: usize = 8 << 20;

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::super::archive::Failure;
    use super::*;

    /// Bytes that are not on the disk, the most of them at once, and all.
    #[derive(Clone, Default)]
    struct Counting(Arc<Mutex<(usize, usize, usize)>>);

    impl Write for Counting {
        fn write(&mut self, data: &[u8]) -> io::Result<usize> {
            let mut counts = self.0.lock().unwrap();
            counts.0 += data.len();
            counts.1 = counts.1.max(counts.0);
            counts.2 += data.len();
            Ok(data.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Disk for Counting {
        fn sync(&mut self) -> io::Result<()> {
            self.0.lock().unwrap().0 = 0;
            Ok(())
        }
    }

    #[tokio::test]
    async fn little_of_a_large_file_is_ever_not_on_the_disk() {
        let disk = Counting::default();
        let mut growing = Growing::new(disk.clone());
        let segment = Bytes::from(vec![0; 3 << 20]);
        for _ in 0..20 {
            growing.push(segment.clone()).await.unwrap();
        }
        growing.flush().await.unwrap();
        let (left, most, all) = *disk.0.lock().unwrap();
        assert_eq!((left, all), (0, 60 << 20));
        assert!(most <= CHUNK + segment.len(), "{most}");
    }

    #[tokio::test]
    async fn a_file_is_there_once_it_is_whole() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.mp4");
        let names = || {
            let entries = std::fs::read_dir(folder.path()).unwrap();
            entries
                .map(|entry| entry.unwrap().file_name().into_string().unwrap())
                .collect::<Vec<_>>()
        };
        for is_wanted in [false, true] {
            let mut upload = Box::new(FileUpload::begin("a.mp4", path.clone()).unwrap());
            for part in ["one ", "two"] {
                upload.write(part.into()).await.unwrap();
            }
            assert_eq!(names(), ["a.mp4#1"]);
            match is_wanted {
                true => upload.finish().await.unwrap(),
                false => {
                    upload.abort().await.unwrap();
                    assert_eq!(names(), [""; 0]);
                }
            }
        }
        assert_eq!(names(), ["a.mp4"]);
        assert_eq!(std::fs::read(&path).unwrap(), b"one two");
        // Something is in its place.
        std::fs::remove_file(&path).unwrap();
        std::fs::create_dir(&path).unwrap();
        let mut upload = Box::new(FileUpload::begin("a.mp4", path.clone()).unwrap());
        upload.write("one".into()).await.unwrap();
        assert_eq!(upload.finish().await, Err(Failure::Store));
        assert_eq!(names(), ["a.mp4"], "nothing of it takes room");
    }
}
