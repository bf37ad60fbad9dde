//! What stores of objects do alike, with paths and failures as recordings have them.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::ops::Range;

use bytes::Bytes;
use futures_util::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::archive::{Failure, Object};

pub(super) async fn put(store: &dyn ObjectStore, path: &str, data: Bytes) -> Result<(), Failure> {
    let put = store.put(&at(path)?, data.into()).await;
    put.map(drop).map_err(|error| failure(path, &error))
}

pub(super) async fn get(store: &dyn ObjectStore, path: &str) -> Result<Option<Bytes>, Failure> {
    let got = match store.get(&at(path)?).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    found(path, got)
}

pub(super) async fn size(store: &dyn ObjectStore, path: &str) -> Result<Option<u64>, Failure> {
    let head = store.head(&at(path)?).await;
    found(path, head.map(|meta| meta.size))
}

pub(super) async fn find(store: &dyn ObjectStore, path: &str) -> Result<Option<Object>, Failure> {
    let head = store.head(&at(path)?).await;
    let object = head.map(|meta| Object {
        size: meta.size,
        modified: meta.last_modified.into(),
        version: meta.e_tag,
    });
    found(path, object)
}

/// Some bytes of the very object that was found.
pub(super) async fn piece(
    store: &dyn ObjectStore,
    path: &str,
    object: &Object,
    range: Range<u64>,
) -> Result<Bytes, Failure> {
    let options = GetOptions {
        if_match: object.version.clone(),
        range: Some(GetRange::Bounded(range)),
        ..GetOptions::default()
    };
    let got = match store.get_opts(&at(path)?, options).await {
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    got.map_err(|error| failure(path, &error))
}

/// No error where there is no such object.
pub(super) async fn delete(store: &dyn ObjectStore, path: &str) -> Result<(), Failure> {
    let deleted = store.delete(&at(path)?).await;
    found(path, deleted).map(drop)
}

/// The paths below a folder, at most `limit`.
pub(super) async fn list(
    store: &dyn ObjectStore,
    folder: &str,
    limit: usize,
) -> Result<Vec<String>, Failure> {
    let mut entries = store.list(Some(&at(folder)?));
    let mut paths = Vec::new();
    while paths.len() < limit {
        match entries.try_next().await {
            Ok(Some(meta)) => paths.push(meta.location.to_string()),
            Ok(None) | Err(Error::NotFound { .. }) => break,
            Err(error) => return Err(failure(folder, &error)),
        }
    }
    paths.sort();
    Ok(paths)
}

/// A path that is written as it is read: no part of it is `.`, `..` or empty.
pub(super) fn at(path: &str) -> Result<Path, Failure> {
    Path::parse(path).map_err(|error| {
        tracing::warn!(path, %error, "a recording has a path that is none");
        Failure::Store
    })
}

fn found<T>(path: &str, got: Result<T, Error>) -> Result<Option<T>, Failure> {
    match got {
        Ok(found) => Ok(Some(found)),
        Err(Error::NotFound { .. }) => Ok(None),
        Err(error) => Err(failure(path, &error)),
    }
}

/// Logs what a store says, and says what that is.
pub(super) fn failure(path: &str, error: &(dyn StdError + 'static)) -> Failure {
    tracing::warn!(path, %error, "the store of recordings fails");
    let mut source: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(cause) = source {
        let io = cause.downcast_ref::<io::Error>();
        let is_full = io.is_some_and(|io| {
            matches!(
                io.kind(),
                ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
            )
        });
        if is_full {
            return Failure::Full;
        }
        source = cause.source();
    }
    Failure::Store
}
