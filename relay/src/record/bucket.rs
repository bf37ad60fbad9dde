//! A bucket of an S3-compatible store.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use object_store::aws::{AmazonS3Builder, AmazonS3ConfigKey};
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{
    BackoffConfig, ClientConfigKey, ObjectStore, ObjectStoreExt, RetryConfig, WriteMultipart,
};

use super::archive::{Archive, Pending, Upload};
use super::objects::{at, failure};

/// Where recordings are kept in an S3-compatible store: `s3://bucket` or `s3://bucket/prefix`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BucketAddress {
    bucket: String,
    prefix: Path,
}

/// A text is not the address of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "s3://bucket or s3://bucket/prefix, the bucket of 3 to 63 lower case letters, digits, dots and \
     hyphens, the prefix without empty parts, \".\" and \"..\""
)]
pub struct InvalidBucketAddress;

/// What [`BucketAddress`] begins with.
pub(super) const SCHEME: &str = "s3://";

impl FromStr for BucketAddress {
    type Err = InvalidBucketAddress;

    fn from_str(text: &str) -> Result<Self, InvalidBucketAddress> {
        let rest = text.strip_prefix(SCHEME).ok_or(InvalidBucketAddress)?;
        let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
        let prefix = prefix.strip_suffix('/').unwrap_or(prefix);
        let is_inner = |c: u8| matches!(c, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-');
        let is_outer = |c: Option<&u8>| c.is_some_and(u8::is_ascii_alphanumeric);
        let bytes = bucket.as_bytes();
        let is_bucket = (3..=63).contains(&bytes.len())
            && bytes.iter().all(|&c| is_inner(c))
            && is_outer(bytes.first())
            && is_outer(bytes.last());
        let is_as_written = |path: &Path| path.as_ref() == prefix;
        let path = Path::parse(prefix).ok().filter(is_as_written);
        let prefix = path.ok_or(InvalidBucketAddress)?;
        is_bucket
            .then(|| Self {
                bucket: bucket.to_owned(),
                prefix,
            })
            .ok_or(InvalidBucketAddress)
    }
}

impl fmt::Display for BucketAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { bucket, prefix } = self;
        match prefix.as_ref() {
            "" => write!(f, "{SCHEME}{bucket}"),
            prefix => write!(f, "{SCHEME}{bucket}/{prefix}"),
        }
    }
}

/// Objects below a prefix. Each is there as a whole or not at all; those of several parts are there
/// once the last one is.
pub(super) struct Bucket(Arc<dyn ObjectStore>);

impl Bucket {
    /// The bucket at an address, by what the environment says of the store (`AWS_…`).
    pub(super) fn open(address: &BucketAddress) -> Result<Self, object_store::Error> {
        let retry = RetryConfig {
            backoff: BackoffConfig::default(),
            max_retries: 3,
            retry_timeout: RETRY,
        };
        let timeout = AmazonS3ConfigKey::Client(ClientConfigKey::Timeout);
        let store = AmazonS3Builder::from_env()
            .with_config(timeout, format!("{}s", REQUEST.as_secs()))
            .with_bucket_name(&address.bucket)
            .with_retry(retry)
            .build()?;
        let store = PrefixStore::new(store, address.prefix.clone());
        Ok(Self(Arc::new(store)))
    }

    #[cfg(test)]
    pub(super) fn over(store: impl ObjectStore) -> Self {
        Self(Arc::new(store))
    }
}

impl Archive for Bucket {
    fn objects(&self) -> &dyn ObjectStore {
        &*self.0
    }

    /// Each piece is a request of its own.
    fn piece_bytes(&self) -> u64 {
        1 << 20
    }

    /// Parts of objects that were never finished are no objects: stores remove them by a rule of the
    /// bucket (`AbortIncompleteMultipartUpload`).
    fn tidy<'a>(&'a self, _folder: &'a str) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn begin<'a>(&'a self, path: &'a str) -> Pending<'a, Box<dyn Upload>> {
        Box::pin(async move {
            let begun = self.0.put_multipart(&at(path)?).await;
            let parts = begun.map_err(|error| failure(path, &error))?;
            Ok(Box::new(PartsUpload {
                path: path.to_owned(),
                parts: WriteMultipart::new_with_chunk_size(parts, PART),
            }) as Box<dyn Upload>)
        })
    }
}

/// An object of many parts on its way.
struct PartsUpload {
    path: String,
    parts: WriteMultipart,
}

impl Upload for PartsUpload {
    fn write(&mut self, data: Bytes) -> Pending<'_, ()> {
        Box::pin(async move {
            self.parts.put(data);
            let room = self.parts.wait_for_capacity(PARTS_AT_ONCE).await;
            room.map_err(|error| failure(&self.path, &error))
        })
    }

    fn finish(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let Self { path, parts } = *self;
            let finished = parts.finish().await;
            finished.map(drop).map_err(|error| failure(&path, &error))
        })
    }

    fn abort(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let Self { path, parts } = *self;
            let aborted = parts.abort().await;
            aborted.map_err(|error| failure(&path, &error))
        })
    }
}

/// How long one request may take: a part over a slow line. What waits for less has a bound of its own.
const REQUEST: Duration = Duration::from_secs(300);

/// How long a request is tried again; what waits for it has a bound of its own above that.
const RETRY: Duration = Duration::from_secs(20);

/// Bytes of a part: an object has 10,000 of them at most, which is 160 GiB.
const PART: usize = 16 << 20;

/// Parts that are on their way at once.
const PARTS_AT_ONCE: usize = 2;

#[cfg(test)]
mod tests {
    use object_store::memory::InMemory;

    use super::*;
    use crate::record::archive::Failure;

    #[test]
    fn an_address_is_read_as_it_is_written() {
        for text in [
            "s3://abc",
            "s3://recordings.example/live",
            "s3://my-bucket-1/a/b c/d",
        ] {
            let address: BucketAddress = text.parse().expect(text);
            assert_eq!(address.to_string(), text);
            let written = format!("{text}/").parse();
            assert_eq!(written, Ok(address), "{text}/");
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let long = format!("s3://{}", "a".repeat(64));
        for text in [
            "",
            "abc",
            "s3:/abc",
            "S3://abc",
            "s3://",
            "s3://ab",
            "s3://-abc",
            "s3://abc-",
            "s3://Abc",
            "s3://a_bc",
            "s3://abc//x",
            "s3://abc/../x",
            "s3://abc/./x",
            "s3://key:secret@abc",
            "s3://abc?region=x",
            &long,
        ] {
            assert_eq!(
                text.parse::<BucketAddress>(),
                Err(InvalidBucketAddress),
                "{text}"
            );
        }
    }

    #[tokio::test]
    async fn what_is_put_is_found_and_what_is_not_there_is_no_error() {
        let bucket = Bucket::over(PrefixStore::new(InMemory::new(), "live"));
        bucket
            .put("a/1", Bytes::from_static(b"one"))
            .await
            .expect("put");
        bucket
            .put("b/2", Bytes::from_static(b"two"))
            .await
            .expect("put");
        assert_eq!(
            bucket.get("a/1").await,
            Ok(Some(Bytes::from_static(b"one")))
        );
        assert_eq!(bucket.size("a/1").await, Ok(Some(3)));
        assert_eq!(bucket.list("a", 10).await, Ok(vec!["a/1".to_owned()]));
        assert_eq!(bucket.list("c", 10).await, Ok(Vec::new()));
        assert_eq!(bucket.delete("a/1").await, Ok(()));
        assert_eq!(bucket.delete("a/1").await, Ok(()));
        assert_eq!(bucket.get("a/1").await, Ok(None));
        assert_eq!(bucket.size("a/1").await, Ok(None));
        assert_eq!(bucket.get("../a").await, Err(Failure::Store));
    }

    #[tokio::test]
    async fn a_large_object_is_there_once_it_is_finished() {
        let bucket = Bucket::over(InMemory::new());
        let piece = Bytes::from(vec![7; 5 << 20]);
        for is_finished in [false, true] {
            let mut upload = bucket.begin("a/large").await.expect("begun");
            for _ in 0..8 {
                upload.write(piece.clone()).await.expect("written");
            }
            assert_eq!(bucket.size("a/large").await, Ok(None));
            match is_finished {
                true => upload.finish().await.expect("finished"),
                false => upload.abort().await.expect("aborted"),
            }
            let size = is_finished.then_some(8 * piece.len() as u64);
            assert_eq!(bucket.size("a/large").await, Ok(size));
        }
    }
}
