//! Word lists in files: read at the start, looked at again for changes.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use super::filter::WordFilter;
use super::word_list::{FilterMode, ListError, ListErrors, ListProblem, MAX_LIST_BYTES, WordList};

/// The files that the filter is made of.
#[derive(Debug)]
pub struct WordFiles {
    files: Vec<(PathBuf, FilterMode)>,
    /// What the files looked like when they were last read.
    seen: Vec<Option<Stamp>>,
}

/// Changes when a file is written or replaced.
type Stamp = (u64, SystemTime);

impl WordFiles {
    /// Files and what their words do. Nothing is read yet.
    pub fn new(files: Vec<(PathBuf, FilterMode)>) -> Self {
        Self {
            files,
            seen: Vec::new(),
        }
    }

    /// Reads all files into a new filter.
    ///
    /// # Errors
    /// What is wrong with a file or a line. The filter in use stays in use then.
    pub fn load(&mut self) -> Result<WordFilter, ListErrors> {
        // Taken before the reading: a file written meanwhile differs at the next look.
        self.seen = self.stamps();
        let mut texts = Vec::with_capacity(self.files.len());
        let mut problems = Vec::new();
        for (path, mode) in &self.files {
            let name = path.display().to_string();
            match read(path) {
                Ok(text) => texts.push((name, *mode, text)),
                Err(problem) => problems.push(ListError {
                    list: name,
                    line: 0,
                    problem,
                }),
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

    /// A new filter, or why there is none, when a file has changed since the last reading. A
    /// wrong file is reported once, not at every look.
    pub fn reload_if_changed(&mut self) -> Option<Result<WordFilter, ListErrors>> {
        (self.seen != self.stamps()).then(|| self.load())
    }

    fn stamps(&self) -> Vec<Option<Stamp>> {
        let stamp = |path: &Path| {
            let metadata = fs::metadata(path).ok()?;
            Some((metadata.len(), metadata.modified().ok()?))
        };
        self.files.iter().map(|(path, _)| stamp(path)).collect()
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
