//! What stores of objects do alike, with paths and failures as recordings have them.

use std::error::Error as StdError;
use std::io::{self, ErrorKind};
use std::ops::Range;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};
use object_store::path::Path;
use object_store::{Error, GetOptions, GetRange, ObjectStore, ObjectStoreExt};

use super::archive::{Failure, Folders, Object, TEXT};

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

/// The same, if it is small.
pub(super) async fn text(store: &dyn ObjectStore, path: &str) -> Result<Option<Bytes>, Failure> {
    let got = match store.get(&at(path)?).await {
        Ok(found) if found.meta.size > TEXT => {
            let size = found.meta.size;
            tracing::warn!(
                path,
                size,
                "too large for what it tells: {TEXT} bytes are allowed"
            );
            return Err(Failure::Store);
        }
        Ok(found) => found.bytes().await,
        Err(error) => Err(error),
    };
    found(path, got)
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

/// As many at once as the store takes in a request. What is not there is no error.
pub(super) async fn delete_all(store: &dyn ObjectStore, paths: Vec<String>) -> Result<(), Failure> {
    let paths = paths.iter().map(|path| at(path));
    let paths: Vec<_> = paths.collect::<Result<_, _>>()?;
    let mut deleted = store.delete_stream(stream::iter(paths).map(Ok).boxed());
    while let Some(deleted) = deleted.next().await {
        match deleted {
            Ok(_) | Err(Error::NotFound { .. }) => {}
            Err(error) => return Err(failure("files of a recording", &error)),
        }
    }
    Ok(())
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

/// The names of the folders in one, the last `keep` of them.
pub(super) async fn folders(
    store: &dyn ObjectStore,
    folder: &str,
    keep: usize,
) -> Result<Folders, Failure> {
    let listed = store.list_with_delimiter(Some(&at(folder)?)).await;
    let listed = listed.map_err(|error| failure(folder, &error))?;
    let mut folders = Folders::default();
    for path in listed.common_prefixes {
        if let Some(name) = path.filename() {
            folders.push(name.to_owned(), keep);
        }
    }
    Ok(folders)
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

/// What an error says, without the body of a refusal: a store may show there what it was sent, a session
/// token too. Its code is kept.
fn said(error: &(dyn StdError + 'static)) -> String {
    let text = error.to_string();
    let Some((head, body)) = text.split_once(['<', '{']) else {
        return text;
    };
    let code = body.split_once("<Code>").and_then(|(_, rest)| {
        let (code, _) = rest.split_once("</Code>")?;
        let is_code = |code: &&str| code.bytes().all(|c| c.is_ascii_alphanumeric());
        Some(code).filter(is_code)
    });
    match code {
        Some(code) => format!("{head}{code}"),
        None => format!("{head}…"),
    }
}

/// Logs what a store says, and says what that is.
pub(super) fn failure(path: &str, error: &(dyn StdError + 'static)) -> Failure {
    tracing::warn!(path, error = said(error), "the store of recordings fails");
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_its_code_and_without_what_was_sent() {
        let told = |body: &str| {
            let text = format!("Error performing PUT https://a/b - Server returned 403: {body}");
            said(&io::Error::other(text))
        };
        let begin = "Error performing PUT https://a/b - Server returned 403: ";
        let xml = "<?xml version=\"1.0\"?><Error><Code>ExpiredToken</Code><Token-0>secret</Token-0></Error>";
        assert_eq!(told(xml), format!("{begin}ExpiredToken"));
        for body in [
            "<html>secret",
            "{\"token\": \"secret\"}",
            "<Code>se cret</Code>",
        ] {
            assert_eq!(told(body), format!("{begin}…"), "{body}");
        }
        assert_eq!(told(""), begin);
    }
}
