//! Values that a whole room shares: texts by name, and counters.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::error::ChatError;

/// Texts by name. Bounded like the chat service's group attributes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<String, String>);

/// What changed; everybody in the room is told.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AttributesChange {
    /// New values.
    pub set: BTreeMap<String, String>,
    /// Names that are gone.
    pub deleted: Vec<String>,
}

impl AttributesChange {
    /// Whether nothing changed, so that nobody need be told.
    pub fn is_empty(&self) -> bool {
        self.set.is_empty() && self.deleted.is_empty()
    }
}

impl Attributes {
    /// Takes stored values; what is over a bound is left out.
    pub fn restore(values: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut attributes = Self::default();
        for (name, value) in values {
            // A value over the bounds of today was stored under other bounds.
            let _ = attributes.set(BTreeMap::from([(name, value)]));
        }
        attributes
    }

    /// Replaces all values.
    ///
    /// # Errors
    /// Over a bound; nothing has changed then.
    pub fn init(
        &mut self,
        values: BTreeMap<String, String>,
    ) -> Result<AttributesChange, ChatError> {
        check(&values)?;
        let change = AttributesChange {
            deleted: self
                .0
                .keys()
                .filter(|name| !values.contains_key(*name))
                .cloned()
                .collect(),
            set: self.news(&values),
        };
        self.0 = values;
        Ok(change)
    }

    /// Adds and overwrites values.
    ///
    /// # Errors
    /// Over a bound; nothing has changed then.
    pub fn set(&mut self, values: BTreeMap<String, String>) -> Result<AttributesChange, ChatError> {
        // Checked before the two are put together: what comes from outside is bounded first.
        check(&values)?;
        let change = AttributesChange {
            set: self.news(&values),
            deleted: Vec::new(),
        };
        let mut all = self.0.clone();
        all.extend(values);
        check(&all)?;
        self.0 = all;
        Ok(change)
    }

    /// Takes values away: those named, or all when none is.
    pub fn delete(&mut self, names: &[String]) -> AttributesChange {
        let gone = |name: &String| names.is_empty() || names.contains(name);
        let deleted: Vec<String> = self.0.keys().filter(|name| gone(name)).cloned().collect();
        self.0.retain(|name, _| !gone(name));
        AttributesChange {
            set: BTreeMap::new(),
            deleted,
        }
    }

    /// All values.
    pub fn all(&self) -> &BTreeMap<String, String> {
        &self.0
    }

    fn news(&self, values: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        let is_new = |(name, value): &(&String, &String)| self.0.get(*name) != Some(*value);
        values
            .iter()
            .filter(is_new)
            .map(|(n, v)| (n.clone(), v.clone()))
            .collect()
    }
}

fn check(values: &BTreeMap<String, String>) -> Result<(), ChatError> {
    if values.len() > MAX_ATTRIBUTES {
        return Err(ChatError::Full {
            what: "attributes",
            limit: MAX_ATTRIBUTES,
        });
    }
    if values
        .keys()
        .any(|name| name.is_empty() || name.len() > MAX_NAME)
    {
        return Err(BAD_NAME);
    }
    let bytes: usize = values
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    if bytes > MAX_BYTES || values.values().any(|value| value.len() > MAX_VALUE) {
        return Err(ChatError::BadValue {
            what: "an attribute's size",
            allowed: "a value has up to 4 KB and all attributes of a room up to 16 KB",
        });
    }
    Ok(())
}

/// Numbers by name. Changes are gathered, as likes are: everybody in the room may add.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    values: BTreeMap<String, i64>,
    /// Names whose change was not told.
    changed: BTreeSet<String>,
    told_at: Option<Instant>,
}

impl Counters {
    /// Takes stored values; what is over a bound is left out.
    pub fn restore(values: impl IntoIterator<Item = (String, i64)>) -> Self {
        let mut counters = Self::default();
        for (name, value) in values {
            let _ = counters.set(BTreeMap::from([(name, value)]));
        }
        counters.changed.clear();
        counters
    }

    /// Sets values.
    ///
    /// # Errors
    /// Over a bound; nothing has changed then.
    pub fn set(&mut self, values: BTreeMap<String, i64>) -> Result<(), ChatError> {
        self.check(values.keys())?;
        if values
            .values()
            .any(|v| v.unsigned_abs() > MAX_COUNTER.unsigned_abs())
        {
            return Err(ChatError::BadValue {
                what: "a counter's value",
                allowed: "whole numbers up to 9007199254740991 (2^53 - 1) on either side of 0 are",
            });
        }
        self.changed.extend(values.keys().cloned());
        self.values.extend(values);
        Ok(())
    }

    /// Adds to a counter, which starts at 0 and stops at ±[`MAX_COUNTER`]. The new value.
    ///
    /// # Errors
    /// Over a bound; nothing has changed then.
    pub fn add(&mut self, name: &str, amount: i64) -> Result<i64, ChatError> {
        let name = name.to_owned();
        self.check([&name])?;
        self.changed.insert(name.clone());
        let value = self.values.entry(name).or_default();
        *value = value
            .saturating_add(amount)
            .clamp(-MAX_COUNTER, MAX_COUNTER);
        Ok(*value)
    }

    /// New values, when there are some and the last ones are old enough.
    pub fn poll(&mut self, now: Instant) -> Option<BTreeMap<String, i64>> {
        if self.next_timeout(now)? > now {
            return None;
        }
        self.told_at = Some(now);
        let changed = std::mem::take(&mut self.changed).into_iter();
        let value = |name: String| self.values.get(&name).map(|value| (name, *value));
        Some(changed.filter_map(value).collect())
    }

    /// When [`Self::poll`] will have something to say; none without changes.
    pub fn next_timeout(&self, now: Instant) -> Option<Instant> {
        (!self.changed.is_empty())
            .then(|| self.told_at.map_or(now, |at| (at + TELL_INTERVAL).max(now)))
    }

    /// All counters.
    pub fn all(&self) -> &BTreeMap<String, i64> {
        &self.values
    }

    fn check<'a>(&self, names: impl IntoIterator<Item = &'a String>) -> Result<(), ChatError> {
        let mut count = self.values.len();
        for name in names {
            if name.is_empty() || name.len() > MAX_NAME {
                return Err(BAD_NAME);
            }
            count += usize::from(!self.values.contains_key(name));
        }
        if count > MAX_COUNTERS {
            return Err(ChatError::Full {
                what: "counters",
                limit: MAX_COUNTERS,
            });
        }
        Ok(())
    }
}

const BAD_NAME: ChatError = ChatError::BadValue {
    what: "a name",
    allowed: "names of attributes and counters have 1 to 32 bytes",
};

/// Most attributes of a room.
pub const MAX_ATTRIBUTES: usize = 16;

/// The largest number that a page reads as it is written (ECMA-262 §21.1.2.6).
const MAX_COUNTER: i64 = (1 << 53) - 1;

/// Between two times that counters are told.
const TELL_INTERVAL: Duration = Duration::from_millis(500);

/// Most counters of a room.
pub const MAX_COUNTERS: usize = 20;

/// Longest name of an attribute or counter, in bytes.
const MAX_NAME: usize = 32;

/// Longest value, in bytes.
const MAX_VALUE: usize = 4 * 1024;

/// Most bytes of all names and values of a room's attributes.
const MAX_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests {
    use super::*;

    fn map<V: Clone>(pairs: &[(&str, V)]) -> BTreeMap<String, V> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.clone()))
            .collect()
    }

    fn texts(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), (*v).to_owned()))
            .collect()
    }

    #[test]
    fn a_change_names_what_is_new_and_what_is_gone() {
        let mut attributes = Attributes::default();
        let change = attributes.init(texts(&[("a", "1"), ("b", "2")])).unwrap();
        assert_eq!(change.set.len(), 2);
        let change = attributes
            .set(texts(&[("a", "1"), ("b", "3"), ("c", "4")]))
            .unwrap();
        assert_eq!(change.set, texts(&[("b", "3"), ("c", "4")]));
        let change = attributes.init(texts(&[("c", "4"), ("d", "5")])).unwrap();
        assert_eq!(change.set, texts(&[("d", "5")]));
        assert_eq!(change.deleted, ["a", "b"]);
        assert!(attributes.set(texts(&[("d", "5")])).unwrap().is_empty());
        assert_eq!(attributes.delete(&["d".into(), "x".into()]).deleted, ["d"]);
        assert_eq!(attributes.delete(&[]).deleted, ["c"]);
        assert!(attributes.all().is_empty());
    }

    #[test]
    fn attributes_are_bounded_and_a_refused_change_changes_nothing() {
        let mut attributes = Attributes::default();
        for n in 0..16 {
            attributes.set(texts(&[(&format!("k{n}"), "v")])).unwrap();
        }
        let before = attributes.clone();
        let full = attributes
            .set(texts(&[("k0", "new"), ("one more", "v")]))
            .unwrap_err();
        assert_eq!(
            full,
            ChatError::Full {
                what: "attributes",
                limit: 16
            }
        );
        assert_eq!(full.code(), 10_004);
        for (name, value) in [("", 1), (&*"n".repeat(33), 1), ("k0", 4_097)] {
            let error = attributes
                .set(texts(&[(name, &"v".repeat(value))]))
                .unwrap_err();
            assert_eq!(error.code(), 10_004);
        }
        assert_eq!(attributes, before);
        let large: Vec<_> = (0..5)
            .map(|n| (format!("k{n}"), "v".repeat(4_000)))
            .collect();
        assert!(attributes.init(large.into_iter().collect()).is_err());
        assert_eq!(attributes, before);
    }

    #[test]
    fn counters_start_at_zero_saturate_and_are_bounded() {
        let mut counters = Counters::default();
        assert_eq!(counters.add("likes", 5), Ok(5));
        assert_eq!(counters.add("likes", -7), Ok(-2));
        counters
            .set(map(&[("likes", MAX_COUNTER - 1), ("gifts", 3)]))
            .unwrap();
        assert_eq!(counters.add("likes", i64::MAX), Ok(MAX_COUNTER));
        for far in [MAX_COUNTER + 1, i64::MAX, i64::MIN] {
            let error = counters.set(map(&[("likes", far)])).unwrap_err();
            assert_eq!(error.code(), 10_004);
        }
        for n in 2..20 {
            counters.add(&format!("c{n}"), 1).unwrap();
        }
        assert_eq!(counters.add("one more", 1).unwrap_err().code(), 10_004);
        assert_eq!(
            counters.add("likes", -1),
            Ok(MAX_COUNTER - 1),
            "old ones still count"
        );
        assert!(counters.add(&"n".repeat(33), 1).is_err());
        assert!(counters.set(map(&[("", 1)])).is_err());
        assert_eq!(counters.all().len(), 20);
        let restored = Counters::restore(counters.all().clone());
        assert_eq!(restored.all(), counters.all());
        assert_eq!(restored.next_timeout(Instant::now()), None);
    }
}
