//! A store in memory that has the trouble that a test wants.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use bytes::Bytes;
use object_store::ObjectStore;
use tokio::time::sleep;

use super::super::archive::{Archive, Failure, Folders, Object, Pending, RecordStore, Upload};

/// What goes wrong; steps are counted from 0.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(in crate::record) enum Trouble {
    None,
    /// As if the process were killed before the step is carried out.
    HangsBefore(usize),
    /// As if it were killed after that, and before anybody knows.
    HangsAfter(usize),
    /// Objects of this name are never written.
    HangsAt(&'static str),
    FailsFrom(usize, Failure),
    /// Objects of the first name are not written once there is one of the second.
    FailsBehind(&'static str, &'static str),
    /// Objects of this name are not read.
    Unreadable(&'static str),
    /// Nor are those below this folder.
    UnreadableIn(&'static str),
    /// Who reads an object waits for ever.
    HangsReading,
    /// Who reads an object below this folder does.
    HangsReadingIn(&'static str),
    /// Who lists the folders in this one does.
    HangsListing(&'static str),
    /// Nothing is listed.
    ListsNothing,
    /// Folders are not removed.
    KeepsFolders,
    /// Nothing of large objects fits any more once one is begun.
    NoRoom,
    /// Who writes an object below this folder panics.
    Panics(&'static str),
    /// Each step takes this long.
    Takes(Duration),
}

#[derive(Clone)]
pub(in crate::record) struct Memory(Arc<Mutex<State>>);

struct State {
    objects: BTreeMap<String, Bytes>,
    trouble: Trouble,
    steps: usize,
    reads: usize,
    listings: usize,
    has_hung: bool,
    /// Large objects that were begun.
    begun: usize,
    /// One is there, whole or not.
    is_filled: bool,
}

impl Memory {
    pub(in crate::record) fn new(trouble: Trouble) -> Self {
        Self::with(BTreeMap::new(), trouble)
    }

    pub(in crate::record) fn with(objects: BTreeMap<String, Bytes>, trouble: Trouble) -> Self {
        Self(Arc::new(Mutex::new(State {
            objects,
            trouble,
            steps: 0,
            reads: 0,
            listings: 0,
            has_hung: false,
            begun: 0,
            is_filled: false,
        })))
    }

    pub(in crate::record) fn store(&self) -> RecordStore {
        RecordStore(Arc::new(self.clone()))
    }

    pub(in crate::record) fn objects(&self) -> BTreeMap<String, Bytes> {
        self.0.lock().unwrap().objects.clone()
    }

    pub(in crate::record) fn set(&self, trouble: Trouble) {
        self.0.lock().unwrap().trouble = trouble;
    }

    pub(in crate::record) fn has_hung(&self) -> bool {
        self.0.lock().unwrap().has_hung
    }

    /// How often somebody asked for an object.
    pub(in crate::record) fn reads(&self) -> usize {
        self.0.lock().unwrap().reads
    }

    /// How often somebody asked for the folders in one.
    pub(in crate::record) fn listings(&self) -> usize {
        self.0.lock().unwrap().listings
    }

    pub(in crate::record) fn begun(&self) -> usize {
        self.0.lock().unwrap().begun
    }

    /// True from the time when a large object was begun until it is given up.
    fn is_filled(&self) -> bool {
        self.0.lock().unwrap().is_filled
    }

    /// Carries out a step that changes something.
    async fn step(
        &self,
        path: &str,
        change: impl FnOnce(&mut BTreeMap<String, Bytes>),
    ) -> Result<(), Failure> {
        let (trouble, number) = {
            let mut state = self.0.lock().unwrap();
            state.steps += 1;
            (state.trouble, state.steps - 1)
        };
        let hang = || async {
            self.0.lock().unwrap().has_hung = true;
            std::future::pending::<()>().await;
        };
        match trouble {
            Trouble::HangsBefore(at) if number >= at => hang().await,
            Trouble::HangsAfter(at) if number > at => hang().await,
            Trouble::HangsAt(name) if path.ends_with(name) => hang().await,
            Trouble::FailsFrom(from, failure) if number >= from => return Err(failure),
            Trouble::NoRoom if self.is_filled() => return Err(Failure::Full),
            Trouble::Panics(folder) if path.starts_with(folder) => panic!("a test wants it"),
            Trouble::FailsBehind(name, other)
                if path.ends_with(name)
                    && self.objects().keys().any(|path| path.ends_with(other)) =>
            {
                return Err(Failure::Store);
            }
            Trouble::Takes(time) => sleep(time).await,
            _ => {}
        }
        change(&mut self.0.lock().unwrap().objects);
        if trouble == Trouble::HangsAfter(number) {
            hang().await;
        }
        Ok(())
    }
}

impl Archive for Memory {
    fn objects(&self) -> &dyn ObjectStore {
        unreachable!("all that it is asked for is its own")
    }

    fn put<'a>(&'a self, path: &'a str, data: Bytes) -> Pending<'a, ()> {
        Box::pin(self.step(path, move |objects| {
            objects.insert(path.to_owned(), data);
        }))
    }

    fn get<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Bytes>> {
        Box::pin(async move {
            let trouble = {
                let mut state = self.0.lock().unwrap();
                state.reads += 1;
                state.trouble
            };
            match trouble {
                Trouble::HangsReading => std::future::pending().await,
                Trouble::HangsReadingIn(folder) if path.starts_with(folder) => {
                    std::future::pending().await
                }
                _ => {}
            }
            let state = self.0.lock().unwrap();
            match trouble {
                Trouble::Unreadable(name) if path.ends_with(name) => Err(Failure::Store),
                Trouble::UnreadableIn(folder) if path.starts_with(folder) => Err(Failure::Store),
                _ => Ok(state.objects.get(path).cloned()),
            }
        })
    }

    fn text<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Bytes>> {
        self.get(path)
    }

    fn find<'a>(&'a self, path: &'a str) -> Pending<'a, Option<Object>> {
        Box::pin(async move {
            let found = self.get(path).await?;
            Ok(found.map(|data| Object {
                size: data.len() as u64,
                modified: UNIX_EPOCH + Duration::from_secs(1_700_000_000),
                version: None,
            }))
        })
    }

    fn piece<'a>(&'a self, path: &'a str, _: &'a Object, range: Range<u64>) -> Pending<'a, Bytes> {
        Box::pin(async move {
            let trouble = self.0.lock().unwrap().trouble;
            if let Trouble::Takes(time) = trouble {
                sleep(time).await;
            }
            let data = self.get(path).await?.ok_or(Failure::Store)?;
            let at = |at: u64| usize::try_from(at).unwrap().min(data.len());
            Ok(data.slice(at(range.start)..at(range.end)))
        })
    }

    fn delete<'a>(&'a self, path: &'a str) -> Pending<'a, ()> {
        Box::pin(self.step(path, move |objects| {
            objects.remove(path);
        }))
    }

    fn delete_all(&self, paths: Vec<String>) -> Pending<'_, ()> {
        Box::pin(async move {
            for path in paths {
                self.delete(&path).await?;
            }
            Ok(())
        })
    }

    fn list<'a>(&'a self, folder: &'a str, limit: usize) -> Pending<'a, Vec<String>> {
        Box::pin(async move {
            let folder = format!("{folder}/");
            let state = self.0.lock().unwrap();
            if let Trouble::ListsNothing | Trouble::FailsFrom(0, _) = state.trouble {
                return Err(Failure::Store);
            }
            let paths = state.objects.keys().filter(|p| p.starts_with(&folder));
            Ok(paths.take(limit).cloned().collect())
        })
    }

    fn folders<'a>(&'a self, folder: &'a str, keep: usize) -> Pending<'a, Folders> {
        Box::pin(async move {
            let trouble = {
                let mut state = self.0.lock().unwrap();
                state.listings += 1;
                state.trouble
            };
            match trouble {
                Trouble::ListsNothing => return Err(Failure::Store),
                Trouble::HangsListing(slow) if slow == folder => std::future::pending().await,
                _ => {}
            }
            let state = self.0.lock().unwrap();
            let mut folders = Folders::default();
            for path in state.objects.keys() {
                let rest = match folder {
                    "" => Some(path.as_str()),
                    folder => path.strip_prefix(folder).and_then(|p| p.strip_prefix('/')),
                };
                if let Some((name, _)) = rest.and_then(|rest| rest.split_once('/'))
                    && !folders.names.contains(name)
                {
                    folders.push(name.to_owned(), keep);
                }
            }
            Ok(folders)
        })
    }

    fn leave<'a>(&'a self, _: &'a str) -> Pending<'a, ()> {
        let keeps = self.0.lock().unwrap().trouble == Trouble::KeepsFolders;
        let left = if keeps { Err(Failure::Store) } else { Ok(()) };
        Box::pin(std::future::ready(left))
    }

    fn tidy<'a>(&'a self, _: &'a str) -> Pending<'a, ()> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn begin<'a>(&'a self, path: &'a str) -> Pending<'a, Box<dyn Upload>> {
        Box::pin(async move {
            self.step(path, |_| {}).await?;
            let mut state = self.0.lock().unwrap();
            state.begun += 1;
            state.is_filled = true;
            drop(state);
            Ok(Box::new(Sent {
                memory: self.clone(),
                path: path.to_owned(),
                data: Vec::new(),
            }) as Box<dyn Upload>)
        })
    }
}

/// A large object that is not there yet.
struct Sent {
    memory: Memory,
    path: String,
    data: Vec<u8>,
}

impl Upload for Sent {
    fn write(&mut self, data: Bytes) -> Pending<'_, ()> {
        self.data.extend_from_slice(&data);
        Box::pin(self.memory.step(&self.path, |_| {}))
    }

    fn finish(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            let Self { memory, path, data } = *self;
            let finish = memory.step(&path, |objects| {
                objects.insert(path.clone(), data.into());
            });
            finish.await
        })
    }

    fn abort(self: Box<Self>) -> Pending<'static, ()> {
        Box::pin(async move {
            // A large file is not gone at once.
            sleep(Duration::from_secs(5)).await;
            self.memory.0.lock().unwrap().is_filled = false;
            Ok(())
        })
    }
}
