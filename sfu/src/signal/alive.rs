//! Whether the hub and the store answer.

use std::time::Duration;

use tokio::time::timeout;

use super::Signalling;
use crate::live::{AppId, UserId};
use crate::store::Store;

impl Signalling {
    /// What does not answer within `limit`, by name.
    pub async fn silent(&self, limit: Duration) -> Vec<&'static str> {
        let (hub, store) = tokio::join!(
            self.0.hub.answers(limit),
            store_answers(&*self.0.store, limit)
        );
        [(hub, "the hub of the rooms"), (store, "the store")]
            .into_iter()
            .filter_map(|(answers, name)| (!answers).then_some(name))
            .collect()
    }
}

/// Whether the store reads. Reads wait behind writes, so that one that is far behind does not.
async fn store_answers(store: &dyn Store, limit: Duration) -> bool {
    let user: UserId = "readiness".parse().expect("invariant: a user's id");
    match store.profile(AppId(0), &user) {
        Ok(pending) => matches!(timeout(limit, pending).await, Ok(Ok(_))),
        Err(_) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::RoomKey;
    use crate::store::{
        Change, MemoryStore, Pending, SavedProfile, SavedRoom, SqliteConfig, SqliteStore,
        StoreCounts, StoreError,
    };

    const SECOND: Duration = Duration::from_secs(1);

    /// Takes nothing more.
    #[derive(Debug)]
    struct Full;

    const FULL: StoreError = StoreError::Full { limit: 1 };

    impl Store for Full {
        fn write(&self, _: Change) -> Result<(), StoreError> {
            Err(FULL)
        }

        fn flush(&self) -> Result<Pending<()>, StoreError> {
            Err(FULL)
        }

        fn room(&self, _: &RoomKey) -> Result<Pending<SavedRoom>, StoreError> {
            Err(FULL)
        }

        fn profile(
            &self,
            _: AppId,
            _: &UserId,
        ) -> Result<Pending<Option<SavedProfile>>, StoreError> {
            Err(FULL)
        }

        fn profiles(
            &self,
            _: AppId,
            _: &[UserId],
        ) -> Result<Pending<Vec<(UserId, SavedProfile)>>, StoreError> {
            Err(FULL)
        }

        fn counts(&self) -> StoreCounts {
            StoreCounts::default()
        }
    }

    #[tokio::test]
    async fn a_store_that_reads_answers_and_one_that_is_full_does_not() {
        assert!(store_answers(&MemoryStore::new(), SECOND).await);
        assert!(!store_answers(&Full, SECOND).await);
        let folder = std::env::temp_dir().join(format!("weblive-alive-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let file = folder.join("alive.db");
        let store = SqliteStore::open(&file, &SqliteConfig::default()).unwrap();
        assert!(store_answers(&store, 30 * SECOND).await);
        drop(store);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
