//! The folder of what is kept on disk: one running server has it for itself.

use std::fs::{DirBuilder, File, TryLockError};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use thiserror::Error;

/// The folder, held until this is dropped.
#[derive(Debug)]
pub struct DataDir {
    /// The system gives the lock back with the file, also when the process is killed.
    _lock: File,
}

/// Why the folder cannot be used.
#[derive(Debug, Error)]
pub enum DataDirError {
    /// Another server has it.
    #[error(
        "the data folder {} belongs to another running server: give this one a folder of its own with `data_dir` (--data)",
        path.display()
    )]
    InUse {
        /// The setting.
        path: PathBuf,
    },
    /// The system refuses.
    #[error(
        "the data folder {} cannot be used: {source}; `data_dir` (--data) names a folder that can be written, or \"\" to keep nothing",
        path.display()
    )]
    Unusable {
        /// The setting.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
}

impl DataDir {
    /// Makes the folder if it is missing, and takes it.
    ///
    /// # Errors
    /// [`DataDirError`].
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable {
            path: path.to_owned(),
            source,
        };
        // What people said is nobody's to read on this machine but the server's.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(path.join(LOCK))
            .map_err(unusable)?;
        match lock.try_lock() {
            Ok(()) => Ok(Self { _lock: lock }),
            Err(TryLockError::WouldBlock) => Err(DataDirError::InUse {
                path: path.to_owned(),
            }),
            Err(TryLockError::Error(source)) => Err(unusable(source)),
        }
    }
}

/// Empty; only its lock counts.
const LOCK: &str = "lock";

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn one_server_has_the_folder_and_the_next_gets_it_after_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a/b");
        let first = DataDir::open(&path).expect("made");
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "nobody else reads it");
        let error = DataDir::open(&path).expect_err("taken");
        assert!(matches!(error, DataDirError::InUse { .. }));
        assert!(error.to_string().contains("--data"), "{error}");
        drop(first);
        DataDir::open(&path).expect("free again");
    }

    #[test]
    fn a_folder_that_cannot_be_made_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = DataDir::open(&file.join("data")).expect_err("no folder");
        assert!(matches!(error, DataDirError::Unusable { .. }));
        assert!(error.to_string().contains("file/data"), "{error}");
    }
}
