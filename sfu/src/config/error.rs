//! What can be wrong with settings, said so that it can be put right.

use std::fmt;
use std::path::PathBuf;

use thiserror::Error;

/// Where a value came from. Later sources win: file, environment, flags.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// The settings file.
    File(PathBuf),
    /// An environment variable, by name.
    Environment(String),
    /// A command line flag, with its dashes.
    Flag(String),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(f, "in {}", path.display()),
            Self::Environment(name) => write!(f, "from the environment variable {name}"),
            Self::Flag(name) => write!(f, "from the flag {name}"),
        }
    }
}

/// One thing wrong with the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The settings file cannot be read.
    #[error("settings file {}: {reason}", path.display())]
    Unreadable {
        /// The file asked for.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// The settings file is not TOML.
    #[error("settings file {} is not TOML: {reason}", path.display())]
    NotToml {
        /// The file asked for.
        path: PathBuf,
        /// The parser's message, with line and column.
        reason: String,
    },
    /// A key that no setting has.
    #[error("unknown key `{key}` {source_of}{}", hint.as_ref().map(|h| format!(": did you mean `{h}`?")).unwrap_or_default())]
    UnknownKey {
        /// The key as written.
        key: String,
        /// Where it was written.
        source_of: Source,
        /// The nearest key that exists.
        hint: Option<String>,
    },
    /// A value that its key cannot have.
    #[error("`{key}` cannot be {value} ({source_of}): allowed is {allowed}")]
    WrongValue {
        /// The key.
        key: String,
        /// The value as written; hidden for secrets.
        value: String,
        /// Where it was written.
        source_of: Source,
        /// What the key accepts.
        allowed: String,
    },
    /// Values that are fine alone and wrong together.
    #[error("`{key}` cannot be {value}: {reason}")]
    Conflict {
        /// The key to change.
        key: &'static str,
        /// Its value.
        value: String,
        /// Why, and what is allowed instead.
        reason: String,
    },
}

/// Everything wrong with the settings, one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<ConfigError>);

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{error}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

impl From<ConfigError> for ConfigErrors {
    fn from(error: ConfigError) -> Self {
        Self(vec![error])
    }
}

/// The candidate nearest to `word`, if it is near enough to be a slip of the
/// fingers: at most two edits, or a third of the word's length.
pub(super) fn nearest<'a>(
    word: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    // Words beyond any key's length are no slips, and the distance is quadratic.
    if word.len() > 64 {
        return None;
    }
    let bound = (word.len() / 3).clamp(1, 4);
    candidates
        .into_iter()
        .map(|candidate| (distance(word, candidate), candidate))
        .filter(|&(distance, _)| distance <= bound)
        .min_by_key(|&(distance, _)| distance)
        .map(|(_, candidate)| candidate)
}

/// Edits (insert, delete, replace, swap of neighbours) between two words.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.chars().collect();
    let b: Vec<char> = b.chars().collect();
    let mut rows: [Vec<usize>; 3] = [Vec::new(), (0..=b.len()).collect(), Vec::new()];
    for i in 1..=a.len() {
        rows[2] = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replace = rows[1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = replace.min(rows[1][j] + 1).min(rows[2][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[0][j - 2] + 1);
            }
            rows[2][j] = best;
        }
        rows.rotate_left(1);
    }
    rows[1][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_of_the_fingers_finds_its_key() {
        let keys = ["media.port", "media.bind", "listen"];
        assert_eq!(nearest("media.prot", keys), Some("media.port"));
        assert_eq!(nearest("lisen", keys), Some("listen"));
        assert_eq!(nearest("colour", keys), None);
        assert_eq!(nearest(&"x".repeat(10_000), keys), None);
    }

    #[test]
    fn a_swap_is_one_edit() {
        assert_eq!(distance("ab", "ba"), 1);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("kitten", "sitting"), 3);
    }
}
