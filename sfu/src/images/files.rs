//! Images on disk, named by their content.

use std::collections::{HashMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use thiserror::Error;

use super::PATH;
use super::sniff::Format;
use super::upload::Upload;
use crate::live::chat::{ImageInfo, ImagePayload, is_image_id};

/// A folder of images, bounded in bytes: the oldest make place for new ones. All calls block.
#[derive(Debug)]
pub struct ImageFiles {
    folder: PathBuf,
    max_bytes: u64,
    index: Mutex<Index>,
    counts: Counts,
}

/// What [`Index`] counts, for readers that must not wait for the disk.
#[derive(Debug, Default)]
struct Counts {
    images: AtomicUsize,
    bytes: AtomicU64,
    removed: AtomicU64,
}

/// What the folder holds.
#[derive(Debug, Default)]
struct Index {
    /// By id: bytes of all its files.
    images: HashMap<String, u64>,
    /// Oldest first.
    order: VecDeque<String>,
    bytes: u64,
    removed: u64,
}

/// One image's files at the opening of the folder.
#[derive(Debug, Default)]
struct Found {
    time: Option<SystemTime>,
    bytes: u64,
    /// Its description is there, which is written last.
    is_whole: bool,
}

/// A file to serve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredImage {
    /// Where it is.
    pub path: PathBuf,
    /// The value of `content-type`.
    pub content_type: &'static str,
}

/// Why the folder did not do what it was asked.
#[derive(Debug, Error)]
pub enum FileError {
    /// The system refuses.
    #[error("{what} {}: {source}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// One image alone is more than the folder may hold.
    #[error("the image has {bytes} bytes with its smaller ones and the folder may hold {allowed}")]
    TooLarge {
        /// Its bytes.
        bytes: u64,
        /// The bound.
        allowed: u64,
    },
}

impl ImageFiles {
    /// Opens or makes the folder. What an interrupted upload left is removed.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, max_bytes: u64) -> Result<Self, FileError> {
        fs::create_dir_all(folder).map_err(io_error("cannot make", folder))?;
        let mut found: HashMap<String, Found> = HashMap::new();
        for entry in fs::read_dir(folder).map_err(io_error("cannot read", folder))? {
            let entry = entry.map_err(io_error("cannot read", folder))?;
            let path = entry.path();
            let name = entry.file_name();
            let Some(id) = name.to_str().and_then(id_of) else {
                if name.to_str().is_some_and(|name| name.ends_with(PART)) {
                    fs::remove_file(&path).map_err(io_error("cannot remove", &path))?;
                }
                continue;
            };
            let metadata = entry.metadata().map_err(io_error("cannot read", &path))?;
            let time = metadata.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            let image = found.entry(id.to_owned()).or_default();
            image.time = image.time.max(Some(time));
            image.bytes += metadata.len();
            image.is_whole |= path.extension().is_some_and(|end| end == ABOUT);
        }
        let mut by_age: Vec<_> = found.into_iter().collect();
        by_age.sort_by(|a, b| (a.1.time, &a.0).cmp(&(b.1.time, &b.0)));
        let files = Self {
            folder: folder.to_owned(),
            max_bytes,
            index: Mutex::default(),
            counts: Counts::default(),
        };
        for (id, image) in by_age {
            match image.is_whole {
                true => files.lock().add(id, image.bytes),
                false => files.remove(&id),
            }
        }
        let mut index = files.lock();
        files.make_place(&mut index, 0);
        files.counts.note(&index);
        drop(index);
        Ok(files)
    }

    /// Keeps an image. One that is here already is kept as it is.
    ///
    /// # Errors
    /// The disk refuses; nothing of the image is left then.
    pub fn save(&self, upload: &Upload) -> Result<ImagePayload, FileError> {
        let payload = payload_of(upload);
        // One at a time: two uploads of the same image must not write the same files at once.
        let mut index = self.lock();
        if index.images.contains_key(&upload.id) {
            return Ok(payload);
        }
        let about = serde_json::to_vec(&payload).unwrap_or_default();
        let mut files: Vec<(String, &[u8])> =
            vec![(file_name(&upload.id, None, upload.format), &upload.bytes)];
        for small in &upload.thumbnails {
            files.push((
                file_name(&upload.id, Some(small.side), small.format),
                &small.bytes,
            ));
        }
        // Last: an image without it was interrupted, and is removed at the next start.
        files.push((format!("{}.{ABOUT}", upload.id), &about));
        let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        if bytes > self.max_bytes {
            return Err(FileError::TooLarge {
                bytes,
                allowed: self.max_bytes,
            });
        }
        self.make_place(&mut index, bytes);
        for (name, bytes) in &files {
            if let Err(error) = self.write(name, bytes) {
                self.remove(&upload.id);
                self.counts.note(&index);
                return Err(error);
            }
        }
        index.add(upload.id.clone(), bytes);
        self.counts.note(&index);
        Ok(payload)
    }

    /// What was saved under an id.
    pub fn find(&self, id: &str) -> Option<ImagePayload> {
        if !is_image_id(id) || !self.lock().images.contains_key(id) {
            return None;
        }
        let mut about = Vec::new();
        let file = File::open(self.folder.join(format!("{id}.{ABOUT}"))).ok()?;
        file.take(MAX_ABOUT).read_to_end(&mut about).ok()?;
        serde_json::from_slice(&about).ok()
    }

    /// The file behind the last part of an image's URL. Names that were never given lead
    /// nowhere, whatever they contain.
    pub fn file(&self, name: &str) -> Option<StoredImage> {
        let (stem, extension) = name.split_once('.')?;
        let format = Format::from_extension(extension)?;
        let (id, side) = match stem.split_once('-') {
            Some((id, side)) => (id, Some(side)),
            None => (stem, None),
        };
        let is_side = side.is_none_or(|s| s.len() <= 4 && s.bytes().all(|b| b.is_ascii_digit()));
        if !is_image_id(id) || !is_side || !self.lock().images.contains_key(id) {
            return None;
        }
        Some(StoredImage {
            path: self.folder.join(name),
            content_type: format.content_type(),
        })
    }

    /// Images and bytes now, and images removed to make place. Never waits, also while an image is
    /// written.
    pub fn counts(&self) -> (usize, u64, u64) {
        let counts = &self.counts;
        (
            counts.images.load(Ordering::Relaxed),
            counts.bytes.load(Ordering::Relaxed),
            counts.removed.load(Ordering::Relaxed),
        )
    }

    fn make_place(&self, index: &mut Index, bytes: u64) {
        while index.bytes + bytes > self.max_bytes
            || (bytes > 0 && index.images.len() >= MAX_IMAGES)
        {
            let Some(oldest) = index.order.pop_front() else {
                return;
            };
            self.remove(&oldest);
            index.bytes -= index.images.remove(&oldest).unwrap_or(0);
            index.removed += 1;
        }
    }

    /// Removes all files of an image; those that are not there do not matter.
    fn remove(&self, id: &str) {
        let names = Format::ALL.into_iter().flat_map(|format| {
            [None, Some(720), Some(198)].map(|side| file_name(id, side, format))
        });
        for name in names.chain([format!("{id}.{ABOUT}")]) {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    /// Writes a file whole or not at all.
    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), FileError> {
        let path = self.folder.join(name);
        let part = self.folder.join(format!("{name}{PART}"));
        let write = || {
            let mut file = File::create(&part)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&part, &path)
        };
        write()
            .inspect_err(|_| drop(fs::remove_file(&part)))
            .map_err(io_error("cannot write", &path))
    }

    fn lock(&self) -> MutexGuard<'_, Index> {
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    fn note(&self, index: &Index) {
        self.images.store(index.images.len(), Ordering::Relaxed);
        self.bytes.store(index.bytes, Ordering::Relaxed);
        self.removed.store(index.removed, Ordering::Relaxed);
    }
}

impl Index {
    fn add(&mut self, id: String, bytes: u64) {
        self.bytes += bytes;
        self.order.push_back(id.clone());
        self.images.insert(id, bytes);
    }
}

fn payload_of(upload: &Upload) -> ImagePayload {
    let info = |name: String, width, height, size: usize| ImageInfo {
        url: format!("{PATH}{name}"),
        width,
        height,
        size: size as u64,
    };
    let id = &upload.id;
    let original = file_name(id, None, upload.format);
    let mut sizes = vec![info(
        original,
        upload.width,
        upload.height,
        upload.bytes.len(),
    )];
    for small in &upload.thumbnails {
        let name = file_name(id, Some(small.side), small.format);
        sizes.push(info(name, small.width, small.height, small.bytes.len()));
    }
    // Always three, as pages expect them: a small image is its own thumbnail.
    while sizes.len() < 3 {
        sizes.insert(1, sizes[0].clone());
    }
    ImagePayload {
        uuid: id.clone(),
        image_format: upload.format.extension().to_owned(),
        image_info_array: sizes,
    }
}

fn file_name(id: &str, side: Option<u32>, format: Format) -> String {
    match side {
        Some(side) => format!("{id}-{side}.{}", format.extension()),
        None => format!("{id}.{}", format.extension()),
    }
}

/// The id of one of our files' names.
fn id_of(name: &str) -> Option<&str> {
    let (id, rest) = name.split_at_checked(64)?;
    (is_image_id(id) && rest.starts_with(['.', '-']) && !rest.ends_with(PART)).then_some(id)
}

fn io_error(what: &'static str, path: &Path) -> impl FnOnce(io::Error) -> FileError {
    let path = path.to_owned();
    move |source| FileError::Io { what, path, source }
}

/// End of the file that describes an image.
const ABOUT: &str = "json";

/// End of a file that is being written.
const PART: &str = ".part";

/// Most bytes of a description.
const MAX_ABOUT: u64 = 4_096;

/// Most images, whatever their size: each costs some memory.
const MAX_IMAGES: usize = 1_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::images::upload::{ImageLimits, Thumbnail};

    fn upload(seed: u8, size: usize) -> Upload {
        Upload {
            id: format!("{seed:02x}").repeat(32),
            format: Format::Png,
            width: 400,
            height: 300,
            bytes: vec![seed; size],
            thumbnails: vec![Thumbnail {
                side: 198,
                format: Format::Jpeg,
                width: 198,
                height: 149,
                bytes: vec![seed; 100],
            }],
        }
    }

    fn names(folder: &Path) -> Vec<String> {
        let name = |entry: io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string();
        let mut names: Vec<_> = fs::read_dir(folder)
            .unwrap()
            .map(|e| name(e).unwrap())
            .collect();
        names.sort();
        names
    }

    #[test]
    fn a_saved_image_is_found_and_served_also_after_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        let upload = upload(0xab, 1_000);
        let id = upload.id.clone();
        let payload = files.save(&upload).unwrap();
        let urls: Vec<_> = payload.image_info_array.iter().map(|i| &*i.url).collect();
        let original = format!("/images/{id}.png");
        assert_eq!(
            urls,
            [&original, &original, &format!("/images/{id}-198.jpg")]
        );
        for files in [files, ImageFiles::open(folder.path(), 1 << 20).unwrap()] {
            assert_eq!(files.find(&id), Some(payload.clone()));
            for (info, kind) in [(0, "image/png"), (2, "image/jpeg")] {
                let info = &payload.image_info_array[info];
                let file = files
                    .file(info.url.strip_prefix(PATH).unwrap())
                    .expect("served");
                assert_eq!(file.content_type, kind);
                assert_eq!(fs::metadata(file.path).unwrap().len(), info.size);
            }
            assert_eq!(files.counts().0, 1);
        }
    }

    #[test]
    fn names_that_were_never_given_lead_nowhere() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        let upload = upload(1, 10);
        files.save(&upload).unwrap();
        let id = &upload.id;
        for name in [
            "",
            "..",
            "../../etc/passwd",
            &format!("{id}.json"),
            &format!("{id}.svg"),
            &format!("{id}.png.part"),
            &format!("{id}-../x.png"),
            &format!("{id}-99999.png"),
            &format!("../{id}.png"),
            &format!("{}.png", "0".repeat(64)),
            &format!("{}.PNG", id.to_uppercase()),
        ] {
            assert_eq!(files.file(name), None, "{name}");
        }
        assert_eq!(files.find("../x"), None);
        assert_eq!(files.find(&"0".repeat(64)), None);
    }

    #[test]
    fn the_same_image_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        let first = files.save(&upload(1, 10)).unwrap();
        let counts = files.counts();
        assert_eq!(files.save(&upload(1, 10)).unwrap(), first);
        assert_eq!(files.counts(), counts);
    }

    #[test]
    fn the_oldest_image_makes_place() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 5_000).unwrap();
        for seed in 1..=5 {
            files.save(&upload(seed, 1_000)).unwrap();
        }
        let (images, bytes, removed) = files.counts();
        assert_eq!((images, removed), (3, 2));
        assert!(bytes <= 5_000);
        assert_eq!(files.find(&upload(1, 0).id), None);
        assert!(files.find(&upload(5, 0).id).is_some());
        assert_eq!(names(folder.path()).len(), 9, "three files each");
        let large = files.save(&upload(9, 6_000)).unwrap_err();
        assert!(
            matches!(large, FileError::TooLarge { allowed: 5_000, .. }),
            "{large}"
        );
        assert_eq!(files.counts().0, 3, "nothing had to go for it");
        drop(files);
        assert_eq!(
            ImageFiles::open(folder.path(), 2_000).unwrap().counts().0,
            1
        );
    }

    #[test]
    fn what_an_interrupted_upload_left_is_removed_and_other_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let part = format!("{}.png.part", "ab".repeat(32));
        fs::write(folder.path().join(&part), "half").unwrap();
        let whole = format!("{}.png", "cd".repeat(32));
        fs::write(folder.path().join(&whole), "without its description").unwrap();
        fs::write(folder.path().join("notes.txt"), "mine").unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        assert_eq!(files.counts(), (0, 0, 0));
        assert_eq!(names(folder.path()), ["notes.txt"]);
    }

    #[test]
    fn a_disk_that_refuses_is_told_with_the_path() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(&folder.path().join("images"), 1 << 20).unwrap();
        fs::remove_dir(folder.path().join("images")).unwrap();
        let error = files.save(&upload(1, 10)).unwrap_err().to_string();
        assert!(
            error.starts_with("cannot write") && error.contains("0101"),
            "{error}"
        );
        assert_eq!(files.counts().0, 0);
        let file = folder.path().join("file");
        fs::write(&file, "x").unwrap();
        assert!(ImageFiles::open(&file, 1).is_err());
    }

    #[test]
    fn an_upload_goes_the_whole_way() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        let mut png = Vec::new();
        image::RgbImage::new(300, 200)
            .write_to(&mut io::Cursor::new(&mut png), image::ImageFormat::Png)
            .unwrap();
        let upload = Upload::examine(png.clone(), &ImageLimits::default()).unwrap();
        let payload = files.save(&upload).unwrap();
        assert_eq!(payload.image_format, "png");
        assert_eq!(payload.image_info_array[2].width, 198);
        let name = payload.image_info_array[0].url.strip_prefix(PATH).unwrap();
        assert_eq!(fs::read(files.file(name).unwrap().path).unwrap(), png);
    }

    #[test]
    fn the_counts_are_there_while_the_folder_is_locked() {
        let folder = tempfile::tempdir().unwrap();
        let files = ImageFiles::open(folder.path(), 1 << 20).unwrap();
        let held = files.lock();
        assert_eq!(files.counts(), (0, 0, 0));
        drop(held);
    }
}
