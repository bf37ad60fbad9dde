//! Where segments lie that are not in memory: a folder, with one below it for each window.

use std::fmt;
use std::fs::{self, File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A store of segments, each under its window's name and its Media Sequence Number. Its calls block.
/// What was written need not outlive the process: the next one removes it.
pub(super) trait Disk: fmt::Debug + Send + Sync {
    /// Nothing is left of what was not written whole.
    fn write(&self, window: &str, msn: u64, data: &[u8]) -> io::Result<()>;
    /// A range of a segment of so many bytes; one that has another length is an error
    /// ([`io::ErrorKind::UnexpectedEof`]).
    fn read(&self, window: &str, msn: u64, bytes: u64, range: Range<u64>) -> io::Result<Vec<u8>>;
    /// No error where there is no such segment.
    fn remove(&self, window: &str, msn: u64) -> io::Result<()>;
    /// Removes a window with all that is in it.
    fn remove_window(&self, window: &str) -> io::Result<()>;
    /// Removes what an earlier process left.
    fn sweep(&self) -> io::Result<()>;
}

/// A folder of this machine that no other server has.
#[derive(Debug)]
pub(super) struct Folder {
    root: PathBuf,
    /// The system gives the lock back with the file, also when the process is killed.
    _lock: File,
}

impl Folder {
    /// Makes the folder if there is none, and takes it for this process alone.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        fs::create_dir_all(root)?;
        let mut options = File::options();
        let options = options.create(true).truncate(false).write(true);
        let lock = options.open(root.join(LOCK))?;
        match lock.try_lock() {
            Ok(()) => Ok(Self {
                root: root.to_owned(),
                _lock: lock,
            }),
            Err(TryLockError::WouldBlock) => {
                let text = "another running server has it; give this one a folder of its own";
                Err(io::Error::new(io::ErrorKind::ResourceBusy, text))
            }
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn window(&self, window: &str) -> PathBuf {
        self.root.join(format!("{window}{WINDOW}"))
    }

    fn file(&self, window: &str, msn: u64) -> PathBuf {
        self.window(window).join(format!("{msn}{SEGMENT}"))
    }
}

impl Disk for Folder {
    fn write(&self, window: &str, msn: u64, data: &[u8]) -> io::Result<()> {
        let path = self.file(window, msn);
        let created = match File::create(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                fs::create_dir(self.window(window))?;
                File::create(&path)
            }
            created => created,
        };
        let written = created?.write_all(data);
        if written.is_err() {
            // What became of the first is what counts.
            let _ = fs::remove_file(&path);
        }
        written
    }

    fn read(&self, window: &str, msn: u64, bytes: u64, range: Range<u64>) -> io::Result<Vec<u8>> {
        let mut file = File::open(self.file(window, msn))?;
        if file.metadata()?.len() != bytes || range.end > bytes {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        file.seek(SeekFrom::Start(range.start))?;
        let length = range.end.saturating_sub(range.start);
        let mut data = vec![0; usize::try_from(length).map_err(io::Error::other)?];
        file.read_exact(&mut data)?;
        Ok(data)
    }

    fn remove(&self, window: &str, msn: u64) -> io::Result<()> {
        gone(fs::remove_file(self.file(window, msn)))
    }

    fn remove_window(&self, window: &str) -> io::Result<()> {
        remove_segments(&self.window(window))
    }

    fn sweep(&self) -> io::Result<()> {
        let mut swept = Ok(());
        for entry in fs::read_dir(&self.root)? {
            let entry = entry?;
            let is_window = entry.file_name().to_string_lossy().ends_with(WINDOW);
            if is_window && entry.file_type()?.is_dir() {
                // What stays is said once the others are gone.
                swept = swept.and(remove_segments(&entry.path()));
            }
        }
        swept
    }
}

/// Removes a folder with the segments in it, and nothing else: who names a wrong folder in the
/// settings loses no files.
fn remove_segments(folder: &Path) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_string_lossy().ends_with(SEGMENT) {
            gone(fs::remove_file(entry.path()))?;
        }
    }
    gone(fs::remove_dir(folder))
}

fn gone(removed: io::Result<()>) -> io::Result<()> {
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// True if the disk has no room.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
    )
}

/// Empty; only its lock counts.
const LOCK: &str = ".lock";

/// How the folders of windows end.
const WINDOW: &str = ".window";

/// How the files in them end.
const SEGMENT: &str = ".m4s";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn segments_are_written_read_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let folder = Folder::open(&root.path().join("a/b")).unwrap();
        folder.write("w", 3, b"three").unwrap();
        folder.write("w", 4, b"four").unwrap();
        assert_eq!(folder.read("w", 3, 5, 0..5).unwrap(), b"three");
        assert_eq!(folder.read("w", 3, 5, 1..3).unwrap(), b"hr");
        let kind = |read: io::Result<Vec<u8>>| read.unwrap_err().kind();
        assert_eq!(
            kind(folder.read("w", 3, 4, 0..4)),
            io::ErrorKind::UnexpectedEof
        );
        assert_eq!(kind(folder.read("w", 5, 1, 0..1)), io::ErrorKind::NotFound);
        folder.remove("w", 3).unwrap();
        folder.remove("w", 3).unwrap();
        assert_eq!(kind(folder.read("w", 3, 5, 0..5)), io::ErrorKind::NotFound);
        folder.remove_window("w").unwrap();
        folder.remove_window("w").unwrap();
        assert!(!root.path().join("a/b/w.window").exists());
    }

    #[test]
    fn a_folder_has_one_server() {
        let root = tempfile::tempdir().unwrap();
        let first = Folder::open(root.path()).unwrap();
        let second = Folder::open(root.path()).unwrap_err();
        assert_eq!(second.kind(), io::ErrorKind::ResourceBusy);
        drop(first);
        Folder::open(root.path()).unwrap();
    }

    #[test]
    fn what_a_crash_left_is_removed_and_nothing_else() {
        let root = tempfile::tempdir().unwrap();
        let path = |name: &str| root.path().join(name);
        let folder = Folder::open(root.path()).unwrap();
        folder.write("w", 3, b"three").unwrap();
        fs::create_dir(path("own.window")).unwrap();
        fs::write(path("own.window/letter.txt"), "dear").unwrap();
        fs::write(path("9.m4s"), "mine").unwrap();
        // A folder with something else in it stays, and so does this.
        assert!(folder.sweep().is_err());
        assert!(!path("w.window").exists());
        assert!(path("own.window/letter.txt").exists());
        fs::remove_file(path("own.window/letter.txt")).unwrap();
        folder.sweep().unwrap();
        assert!(!path("own.window").exists());
        assert_eq!(fs::read(path("9.m4s")).unwrap(), b"mine");
    }
}
