//! The database file: opening it, and bringing an older one up to date.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;
use thiserror::Error;

/// Why a database file cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum OpenError {
    /// It cannot be opened, or is no database.
    #[error("the database {} cannot be opened: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What the system or the database says.
        reason: String,
    },
    /// It belongs to another program.
    #[error("{} is the database of another program; name another file", path.display())]
    NotOurs {
        /// The file.
        path: PathBuf,
    },
    /// It was written by a newer version.
    #[error(
        "the database {} has version {found} and this program knows up to {known}; run the newer program, or name another file",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its version.
        found: u32,
        /// The newest known.
        known: u32,
    },
    /// The file could not be brought up to date; it is as it was before that step.
    #[error("the database {} cannot be brought to version {version}: {reason}", path.display())]
    Migration {
        /// The file.
        path: PathBuf,
        /// The step that failed.
        version: u32,
        /// What the database says.
        reason: String,
    },
    /// The system gives no thread.
    #[error("the store's thread cannot be started: {reason}")]
    Thread {
        /// What the system says.
        reason: String,
    },
}

/// Opens or makes the file and brings it up to date.
pub(super) fn open(path: &Path) -> Result<Connection, OpenError> {
    open_with(path, MIGRATIONS)
}

fn open_with(path: &Path, migrations: &[&str]) -> Result<Connection, OpenError> {
    let unusable = |error: rusqlite::Error| OpenError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
    };
    let mut connection = Connection::open(path).map_err(unusable)?;
    connection.busy_timeout(BUSY).map_err(unusable)?;
    check_owner(&connection, path, unusable)?;
    // WAL: readers such as a backup do not stop the writer. NORMAL: a commit is in the file when
    // the process dies; a power cut may take the last commits, and never the file's consistency.
    connection
        .pragma_update(None, "journal_mode", "WAL")
        .map_err(unusable)?;
    connection
        .pragma_update(None, "synchronous", "NORMAL")
        .map_err(unusable)?;
    connection
        .pragma_update(None, "foreign_keys", true)
        .map_err(unusable)?;
    connection
        .pragma_update(None, "journal_size_limit", 64 << 20)
        .map_err(unusable)?;
    migrate(&mut connection, path, migrations)?;
    connection.set_prepared_statement_cache_capacity(64);
    Ok(connection)
}

fn check_owner(
    connection: &Connection,
    path: &Path,
    unusable: impl Fn(rusqlite::Error) -> OpenError,
) -> Result<(), OpenError> {
    let number = |pragma| connection.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let owner = number("application_id").map_err(&unusable)?;
    if owner == APPLICATION_ID {
        return Ok(());
    }
    let tables: i64 = connection
        .query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))
        .map_err(&unusable)?;
    if owner != 0 || tables != 0 {
        return Err(OpenError::NotOurs {
            path: path.to_owned(),
        });
    }
    connection
        .pragma_update(None, "application_id", APPLICATION_ID)
        .map_err(unusable)
}

/// Runs the steps that the file has not seen, each in a transaction with its number.
fn migrate(connection: &mut Connection, path: &Path, migrations: &[&str]) -> Result<(), OpenError> {
    let known = u32::try_from(migrations.len()).unwrap_or(u32::MAX);
    let found = version(connection).map_err(|error| OpenError::Unusable {
        path: path.to_owned(),
        reason: error.to_string(),
    })?;
    if found > known {
        return Err(OpenError::Newer {
            path: path.to_owned(),
            found,
            known,
        });
    }
    for (version, step) in (1..).zip(migrations).skip(found as usize) {
        let mut run = || {
            let transaction = connection.transaction()?;
            transaction.execute_batch(step)?;
            transaction.pragma_update(None, "user_version", version)?;
            transaction.commit()
        };
        run().map_err(|error: rusqlite::Error| OpenError::Migration {
            path: path.to_owned(),
            version,
            reason: error.to_string(),
        })?;
    }
    Ok(())
}

fn version(connection: &Connection) -> rusqlite::Result<u32> {
    connection.pragma_query_value(None, "user_version", |row| row.get(0))
}

/// Tells our files from others (`wblv`).
const APPLICATION_ID: i64 = 0x7762_6c76;

/// How long another program, such as a backup, may hold the file.
const BUSY: Duration = Duration::from_secs(2);

/// Step n brings a file from version n to n + 1. Steps that were released never change.
const MIGRATIONS: &[&str] = &[
    // `kind` 0 is a number room, 1 a named one. Times are milliseconds since 1970. A message is
    // JSON as rooms deliver it.
    "CREATE TABLE room (
        id INTEGER PRIMARY KEY,
        app INTEGER NOT NULL,
        kind INTEGER NOT NULL,
        name TEXT NOT NULL,
        last_sequence INTEGER NOT NULL DEFAULT 0,
        mute_all INTEGER NOT NULL DEFAULT 0,
        likes INTEGER NOT NULL DEFAULT 0,
        touched INTEGER NOT NULL,
        UNIQUE (app, kind, name)
    ) STRICT;
    CREATE INDEX room_touched ON room (touched);
    CREATE TABLE message (
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        sequence INTEGER NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (room, sequence)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE mute (
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        user TEXT NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE ban (
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        user TEXT NOT NULL,
        until INTEGER NOT NULL,
        PRIMARY KEY (room, user)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE attribute (
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        name TEXT NOT NULL,
        value TEXT NOT NULL,
        PRIMARY KEY (room, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE counter (
        room INTEGER NOT NULL REFERENCES room ON DELETE CASCADE,
        name TEXT NOT NULL,
        value INTEGER NOT NULL,
        PRIMARY KEY (room, name)
    ) STRICT, WITHOUT ROWID;
    CREATE TABLE profile (
        app INTEGER NOT NULL,
        user TEXT NOT NULL,
        nick TEXT NOT NULL,
        avatar TEXT NOT NULL,
        gender TEXT NOT NULL,
        self_signature TEXT NOT NULL,
        touched INTEGER NOT NULL,
        PRIMARY KEY (app, user)
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX profile_touched ON profile (touched);",
];

#[cfg(test)]
mod tests {
    use super::*;

    fn file() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("weblive.db");
        (directory, path)
    }

    #[test]
    fn a_new_file_gets_all_steps_and_a_known_one_none() {
        let (_directory, path) = file();
        for _ in 0..2 {
            let connection = open(&path).unwrap();
            assert_eq!(version(&connection).unwrap() as usize, MIGRATIONS.len());
            let mode: String = connection
                .pragma_query_value(None, "journal_mode", |row| row.get(0))
                .unwrap();
            assert_eq!(mode, "wal");
        }
    }

    #[test]
    fn an_older_file_is_brought_up_to_date_and_keeps_its_rows() {
        let (_directory, path) = file();
        let steps = [
            "CREATE TABLE a (x INTEGER)",
            "ALTER TABLE a ADD COLUMN y DEFAULT 7",
        ];
        let connection = open_with(&path, &steps[..1]).unwrap();
        connection.execute("INSERT INTO a VALUES (1)", []).unwrap();
        drop(connection);
        let connection = open_with(&path, &steps).unwrap();
        let row = connection.query_row("SELECT x, y FROM a", [], |r| Ok((r.get(0)?, r.get(1)?)));
        assert_eq!(row.unwrap(), (1, 7));
    }

    #[test]
    fn a_step_that_fails_leaves_the_file_as_it_was() {
        let (_directory, path) = file();
        let steps = [
            "CREATE TABLE a (x INTEGER)",
            "DROP TABLE a; CREATE TABLE nonsense (",
        ];
        let error = open_with(&path, &steps).unwrap_err();
        assert!(
            matches!(error, OpenError::Migration { version: 2, .. }),
            "{error}"
        );
        let connection = open_with(&path, &steps[..1]).unwrap();
        assert_eq!(version(&connection).unwrap(), 1);
        connection.execute("INSERT INTO a VALUES (1)", []).unwrap();
    }

    #[test]
    fn files_of_others_and_of_the_future_are_left_alone() {
        let (directory, path) = file();
        drop(open_with(&path, &["CREATE TABLE a (x)", "CREATE TABLE b (x)"]).unwrap());
        let error = open_with(&path, &["CREATE TABLE a (x)"]).unwrap_err();
        assert_eq!(
            error,
            OpenError::Newer {
                path,
                found: 2,
                known: 1
            }
        );

        let path = directory.path().join("other.db");
        Connection::open(&path)
            .unwrap()
            .execute("CREATE TABLE theirs (x)", [])
            .unwrap();
        assert_eq!(open(&path).unwrap_err(), OpenError::NotOurs { path });

        let path = directory.path().join("text.db");
        std::fs::write(
            &path,
            "not a database, but long enough to look at: ".repeat(100),
        )
        .unwrap();
        assert!(matches!(open(&path), Err(OpenError::Unusable { .. })));
        let path = directory.path().join("missing/weblive.db");
        let error = open(&path).unwrap_err().to_string();
        assert!(error.contains("missing/weblive.db"), "{error}");
    }
}
