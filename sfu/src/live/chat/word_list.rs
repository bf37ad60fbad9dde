//! Lists of words as people write them.
//!
//! A list has one entry a line. `#` starts a comment, at the start of a line or after a space.
//! A plain entry is found anywhere, inside longer words as well: Chinese has no borders between
//! words, Korean and European ones add endings, and most lists are written that way. A `|` at
//! either end of an entry asks for a border of the word there: `|ass|` is found in "you ass" and
//! not in "class" or "assume", `|fuck` also in "fucking". Only the writer of a list knows which
//! of its words live inside harmless ones, so the mark is the writer's and not guessed.

use std::collections::HashMap;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};
use thiserror::Error;

use super::normalize::{Gap, Script, Skeleton, Unit};
use super::word_files::MAX_LISTS;

/// What happens to a text with a word of the list in it. Of several, the last one here wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilterMode {
    /// Every letter of the word becomes `*`.
    Mask,
    /// The text is swallowed; its sender is not told.
    Drop,
    /// The text is refused with code 80001.
    Reject,
}

/// One list as text.
#[derive(Debug, Clone, Copy)]
pub struct WordList<'a> {
    /// Its name in messages about it, such as the file's path.
    pub name: &'a str,
    /// What its words do.
    pub mode: FilterMode,
    /// The entries, one a line.
    pub text: &'a str,
}

/// How one entry is found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Word {
    pub(super) mode: FilterMode,
    pub(super) border: Borders,
    pub(super) kind: Script,
    /// Number of letters.
    pub(super) units: usize,
    /// Bit n: the entry itself has a gap before letter n.
    pub(super) gaps: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Borders {
    pub(super) before: bool,
    pub(super) after: bool,
}

/// Collects entries; equal ones become one with the strictest mode.
#[derive(Debug, Default)]
pub(super) struct Builder {
    words: HashMap<(String, Borders), Word>,
    bytes: usize,
    problems: Vec<ListError>,
}

impl Builder {
    /// Takes a list's entries.
    pub(super) fn read(&mut self, list: &WordList<'_>) {
        self.bytes = self.bytes.saturating_add(list.text.len());
        if self.bytes > MAX_LIST_BYTES {
            self.refuse(list, 0, ListProblem::TooManyBytes);
            return;
        }
        let text = list.text.strip_prefix('\u{feff}').unwrap_or(list.text);
        for (number, line) in text.lines().enumerate() {
            let entry = without_comment(line);
            if entry.is_empty() {
                continue;
            }
            if let Err(problem) = self.add(entry, list.mode) {
                self.refuse(list, number + 1, problem);
            }
            if self.problems.len() >= MAX_PROBLEMS {
                return;
            }
        }
    }

    fn add(&mut self, entry: &str, mode: FilterMode) -> Result<(), ListProblem> {
        let rest = entry.strip_prefix('|');
        let before = rest.is_some();
        let entry = rest.unwrap_or(entry);
        let rest = entry.strip_suffix('|');
        let border = Borders {
            before,
            after: rest.is_some(),
        };
        let entry = rest.unwrap_or(entry);
        let length = entry.chars().count();
        if length > MAX_WORD_LENGTH {
            return Err(ListProblem::TooLong { length });
        }
        let skeleton = Skeleton::new(entry);
        let kind = match skeleton.units.as_slice() {
            [] => return Err(ListProblem::NothingToFind),
            [one] if !(one.is_syllable() || border.before && border.after) => {
                return Err(ListProblem::TooShort);
            }
            units => kind_of(units),
        };
        let units = skeleton.units.len();
        let gaps = skeleton
            .units
            .iter()
            .zip(0..)
            .filter(|(unit, _)| unit.gap != Gap::None);
        let gaps = gaps.fold(0, |bits, (_, at)| bits | 1u64.checked_shl(at).unwrap_or(0));
        let key = (skeleton.folded, border);
        if self.words.len() >= MAX_WORDS && !self.words.contains_key(&key) {
            return Err(ListProblem::TooManyWords);
        }
        let word = self.words.entry(key).or_insert(Word {
            mode,
            border,
            kind,
            units,
            gaps,
        });
        word.mode = mode.max(word.mode);
        word.gaps |= gaps;

        Ok(())
    }

    fn refuse(&mut self, list: &WordList<'_>, line: usize, problem: ListProblem) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(ListError {
                list: list.name.to_owned(),
                line,
                problem,
            });
        }
    }

    pub(super) fn build(self) -> Result<(AhoCorasick, Vec<Word>), ListErrors> {
        if !self.problems.is_empty() {
            return Err(ListErrors(self.problems));
        }
        let mut entries: Vec<_> = self.words.into_iter().collect();
        entries.sort_by(|a, b| a.0.0.cmp(&b.0.0));
        let search = AhoCorasick::builder()
            .match_kind(MatchKind::Standard)
            .kind(Some(AhoCorasickKind::ContiguousNFA))
            .build(entries.iter().map(|((folded, _), _)| folded))
            .map_err(|error| {
                ListErrors(vec![ListError {
                    list: "all lists".to_owned(),
                    line: 0,
                    problem: ListProblem::Search(error.to_string()),
                }])
            })?;
        let words = entries.into_iter().map(|(_, word)| word).collect();
        Ok((search, words))
    }
}

/// The script whose rules a word follows: the strictest of its letters.
fn kind_of(units: &[Unit]) -> Script {
    let has = |script| units.iter().any(|u| u.script == script);
    if has(Script::Alphabetic) || has(Script::Digit) {
        Script::Alphabetic
    } else if has(Script::Hangul) {
        Script::Hangul
    } else {
        Script::Ideographic
    }
}

fn without_comment(line: &str) -> &str {
    let line = line.trim();
    let comment = line.match_indices('#').find(|&(at, _)| {
        line[..at]
            .chars()
            .next_back()
            .is_none_or(char::is_whitespace)
    });
    comment.map_or(line, |(at, _)| line[..at].trim_end())
}

/// Everything wrong with the lists, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListErrors(pub Vec<ListError>);

impl std::fmt::Display for ListErrors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ListErrors {}

/// One thing wrong with a list.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("word list {list}{}: {problem}", if *.line > 0 { format!(", line {line}") } else { String::new() })]
pub struct ListError {
    /// The list's name.
    pub list: String,
    /// The line from 1; 0 for the whole list.
    pub line: usize,
    /// What is wrong.
    pub problem: ListProblem,
}

/// Why a list or an entry cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ListProblem {
    /// The entry is too long.
    #[error("the entry has {length} characters; {MAX_WORD_LENGTH} are allowed")]
    TooLong {
        /// Its length in characters.
        length: usize,
    },
    /// The entry has no letter.
    #[error("the entry has no letter or digit to look for")]
    NothingToFind,
    /// One letter that is in most texts.
    #[error("a single letter would be found in most texts; write |x| to find it standing alone")]
    TooShort,
    /// Too many entries.
    #[error("there are more than {MAX_WORDS} different entries in all lists")]
    TooManyWords,
    /// Too much text.
    #[error("the lists are larger than {MAX_LIST_BYTES} bytes together")]
    TooManyBytes,
    /// Too many files.
    #[error("the folder has more than {MAX_LISTS} lists")]
    TooManyLists,
    /// The file cannot be read.
    #[error("cannot be read: {0}")]
    Unreadable(String),
    /// The file is not UTF-8.
    #[error("is not UTF-8 text (byte {0})")]
    NotUtf8(usize),
    /// The search refused the entries.
    #[error("cannot be made into a search: {0}")]
    Search(String),
}

/// Most characters of one entry.
pub const MAX_WORD_LENGTH: usize = 64;

/// Most different entries of all lists. The search takes about 100 bytes for each.
pub const MAX_WORDS: usize = 100_000;

/// Most bytes of all lists together.
pub const MAX_LIST_BYTES: usize = 8 << 20;

/// Most problems reported at once: enough to mend a list, and no flood for the log.
pub const MAX_PROBLEMS: usize = 20;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::chat::filter::WordFilter;
    use crate::live::chat::filter::testing::{filter, masked};

    fn problems(text: &str) -> Vec<(usize, ListProblem)> {
        let list = WordList {
            name: "test",
            mode: FilterMode::Mask,
            text,
        };
        let errors = WordFilter::new(&[list]).expect_err("a bad list").0;
        errors.into_iter().map(|e| (e.line, e.problem)).collect()
    }

    #[test]
    fn comments_and_empty_lines_are_no_entries() {
        let filter = filter(
            FilterMode::Mask,
            "\u{feff}# words\r\n\r\n  bad   # a comment\r\nx#y\n",
        );
        assert_eq!(filter.len(), 2);
        assert_eq!(masked(&filter, "words bad x#y"), "words *** *#*");
    }

    #[test]
    fn what_is_wrong_with_a_line_is_said() {
        assert_eq!(problems("ok\n\n***"), [(3, ListProblem::NothingToFind)]);
        assert_eq!(problems("a"), [(1, ListProblem::TooShort)]);
        assert_eq!(problems("|a"), [(1, ListProblem::TooShort)]);
        let long = "x".repeat(65);
        assert_eq!(problems(&long), [(1, ListProblem::TooLong { length: 65 })]);
        assert_eq!(problems(&"*\n".repeat(1_000)).len(), MAX_PROBLEMS);
        let large = "word\n".repeat(MAX_LIST_BYTES / 5 + 1);
        assert_eq!(problems(&large), [(0, ListProblem::TooManyBytes)]);
        let list = WordList {
            name: "a.txt",
            mode: FilterMode::Mask,
            text: "ok\n!",
        };
        let message = WordFilter::new(&[list])
            .expect_err("a bad list")
            .to_string();
        assert_eq!(
            message,
            "word list a.txt, line 2: the entry has no letter or digit to look for"
        );
    }

    #[test]
    fn the_number_of_entries_is_bounded() {
        // Odd multiples of a constant never repeat within 2^32.
        let word = |n: usize| format!("{:08x}\n", (n as u32).wrapping_mul(0x9e37_79b1));
        let text: String = (0..=MAX_WORDS).map(word).collect();
        let problem = (MAX_WORDS + 1, ListProblem::TooManyWords);
        assert_eq!(problems(&text), [problem]);
        let text: String = (0..MAX_WORDS).map(word).collect();
        let filter = filter(FilterMode::Mask, &text);
        assert_eq!(filter.len(), MAX_WORDS);
        let text = format!("a {} b", word(99_999).trim());
        assert_eq!(masked(&filter, &text), "a ******** b");
    }
}
