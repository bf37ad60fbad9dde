//! Word lists in files: read at the start, looked at again for changes.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::filter::WordFilter;
use super::word_list::{FilterMode, ListError, ListErrors, ListProblem, MAX_LIST_BYTES, WordList};

/// The files that the filter is made of, named one by one or by the folders that they are in.
#[derive(Debug)]
pub struct WordFiles {
    places: Vec<(PathBuf, FilterMode)>,
    /// What the files looked like when they were last read.
    seen: Vec<(PathBuf, Option<Stamp>)>,
}

/// Changes when a file is written or replaced.
type Stamp = (u64, SystemTime);

impl WordFiles {
    /// Files, or folders whose files that end in `.txt` count, and what their words do. Nothing
    /// is read yet.
    pub fn new(places: Vec<(PathBuf, FilterMode)>) -> Self {
        Self {
            places,
            seen: Vec::new(),
        }
    }

    /// Reads all files into a new filter.
    ///
    /// # Errors
    /// What is wrong with a file or a line. The filter in use stays in use then.
    pub fn load(&mut self) -> Result<WordFilter, ListErrors> {
        let (files, mut problems) = self.files();
        // Taken before the reading: a file written meanwhile differs at the next look.
        self.seen = stamps(&files);
        let mut texts = Vec::with_capacity(files.len());
        for (path, mode) in &files {
            match read(path) {
                Ok(text) => texts.push((path.display().to_string(), *mode, text)),
                Err(problem) => problems.push(of_whole(path, problem)),
            }
        }
        let lists: Vec<_> = texts
            .iter()
            .map(|(name, mode, text)| WordList {
                name,
                mode: *mode,
                text,
            })
            .collect();
        match WordFilter::new(&lists) {
            Ok(filter) if problems.is_empty() => Ok(filter),
            Ok(_) => Err(ListErrors(problems)),
            Err(errors) => Err(ListErrors(problems.into_iter().chain(errors.0).collect())),
        }
    }

    /// A new filter, or why there is none, when a file has changed, came or went since the last
    /// reading. A wrong file is reported once, not at every look.
    pub fn reload_if_changed(&mut self) -> Option<Result<WordFilter, ListErrors>> {
        let (files, _) = self.files();
        (self.seen != stamps(&files)).then(|| self.load())
    }

    /// The files in the order of their places and names, and the folders that cannot be read.
    fn files(&self) -> (Vec<(PathBuf, FilterMode)>, Vec<ListError>) {
        let (mut files, mut problems) = (Vec::new(), Vec::new());
        for (place, mode) in &self.places {
            if !place.is_dir() {
                files.push((place.clone(), *mode));
                continue;
            }
            match lists_in(place) {
                Ok(found) => files.extend(found.into_iter().map(|path| (path, *mode))),
                Err(problem) => problems.push(of_whole(place, problem)),
            }
        }
        (files, problems)
    }
}

fn stamps(files: &[(PathBuf, FilterMode)]) -> Vec<(PathBuf, Option<Stamp>)> {
    let stamp = |path: &Path| {
        let metadata = fs::metadata(path).ok()?;
        Some((metadata.len(), metadata.modified().ok()?))
    };
    let with_stamp = |(path, _): &(PathBuf, _)| (path.clone(), stamp(path));
    files.iter().map(with_stamp).collect()
}

/// The lists of a folder, by name.
fn lists_in(folder: &Path) -> Result<Vec<PathBuf>, ListProblem> {
    let unreadable = |error: std::io::Error| ListProblem::Unreadable(error.to_string());
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if path.extension().is_some_and(|end| end == "txt") && path.is_file() {
            found.push(path);
        }
        if found.len() > MAX_LISTS {
            return Err(ListProblem::TooManyLists);
        }
    }
    found.sort();
    Ok(found)
}

fn of_whole(path: &Path, problem: ListProblem) -> ListError {
    ListError {
        list: path.display().to_string(),
        line: 0,
        problem,
    }
}

fn read(path: &Path) -> Result<String, ListProblem> {
    let unreadable = |error: std::io::Error| ListProblem::Unreadable(error.to_string());
    let file = File::open(path).map_err(unreadable)?;
    let mut bytes = Vec::new();
    // One byte more than allowed tells a file that is too large from one that just fits.
    file.take(MAX_LIST_BYTES as u64 + 1)
        .read_to_end(&mut bytes)
        .map_err(unreadable)?;
    if bytes.len() > MAX_LIST_BYTES {
        return Err(ListProblem::TooManyBytes);
    }
    String::from_utf8(bytes).map_err(|e| ListProblem::NotUtf8(e.utf8_error().valid_up_to()))
}

/// Lists in one folder: each is looked at every few seconds.
pub(super) const MAX_LISTS: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::chat::filter::Verdict;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("a temporary directory")
    }

    #[test]
    fn a_changed_file_makes_a_new_filter_and_a_wrong_one_says_why_once() {
        let directory = directory();
        let path = directory.path().join("words.txt");
        fs::write(&path, "bad\n").unwrap();
        let mut files = WordFiles::new(vec![(path.clone(), FilterMode::Reject)]);
        let filter = files.load().expect("a good list");
        assert_eq!(filter.check("bad"), Verdict::Rejected);
        assert!(files.reload_if_changed().is_none(), "nothing has changed");

        fs::write(&path, "good\nworse\n").unwrap();
        let filter = files
            .reload_if_changed()
            .expect("changed")
            .expect("a good list");
        assert_eq!(filter.check("bad"), Verdict::Clean);
        assert_eq!(filter.check("worse"), Verdict::Rejected);

        fs::write(&path, "worse\n\n!!!\n").unwrap();
        let errors = files
            .reload_if_changed()
            .expect("changed")
            .expect_err("a bad line");
        assert_eq!(errors.0[0].line, 3);
        assert!(files.reload_if_changed().is_none(), "said once");
    }

    #[test]
    fn a_folder_is_all_its_lists_and_one_that_comes_or_goes_is_a_change() {
        let directory = directory();
        let write = |name: &str, text: &str| fs::write(directory.path().join(name), text).unwrap();
        write("a.txt", "bad\n");
        write("readme.md", "!!!\n");
        fs::create_dir(directory.path().join("folder.txt")).unwrap();
        let place = (directory.path().to_owned(), FilterMode::Reject);
        let mut files = WordFiles::new(vec![place]);
        let filter = files.load().expect("a good list");
        assert_eq!(filter.len(), 1);
        write("b.txt", "worse\n");
        let filter = files.reload_if_changed().expect("one came").expect("good");
        assert_eq!(filter.check("worse"), Verdict::Rejected);
        assert!(files.reload_if_changed().is_none(), "nothing has changed");
        fs::remove_file(directory.path().join("a.txt")).unwrap();
        let filter = files.reload_if_changed().expect("one went").expect("good");
        assert_eq!(filter.check("bad"), Verdict::Clean);
        for n in 0..=MAX_LISTS {
            write(&format!("{n}.txt"), "");
        }
        let errors = files.load().expect_err("too many");
        assert_eq!(errors.0[0].problem, ListProblem::TooManyLists);
    }

    #[test]
    fn files_that_cannot_be_read_are_named() {
        let directory = directory();
        let missing = directory.path().join("missing.txt");
        let binary = directory.path().join("binary.txt");
        fs::write(&binary, b"ok\n\xff\xfe").unwrap();
        let large = directory.path().join("large.txt");
        File::create(&large)
            .unwrap()
            .set_len(MAX_LIST_BYTES as u64 + 1)
            .unwrap();
        let modes = [missing, binary, large].map(|path| (path, FilterMode::Mask));
        let errors = WordFiles::new(modes.into())
            .load()
            .expect_err("all wrong")
            .0;
        assert_eq!(errors.len(), 3);
        assert!(errors[0].list.ends_with("missing.txt"));
        assert!(matches!(errors[0].problem, ListProblem::Unreadable(_)));
        assert_eq!(errors[1].problem, ListProblem::NotUtf8(3));
        assert_eq!(errors[2].problem, ListProblem::TooManyBytes);
    }
}
