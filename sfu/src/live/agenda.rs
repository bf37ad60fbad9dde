//! The next moment of each thing that waits: one entry each, so that it cannot outgrow them.

use std::collections::{BTreeSet, HashMap};
use std::hash::Hash;
use std::time::Instant;

/// Deadlines by name; setting one replaces the one before.
#[derive(Debug)]
pub(crate) struct Agenda<T> {
    by_time: BTreeSet<(Instant, T)>,
    by_name: HashMap<T, Instant>,
}

impl<T> Default for Agenda<T> {
    fn default() -> Self {
        Self {
            by_time: BTreeSet::new(),
            by_name: HashMap::new(),
        }
    }
}

impl<T: Clone + Ord + Hash> Agenda<T> {
    /// Sets or clears the deadline of `name`.
    pub(crate) fn set(&mut self, name: &T, at: Option<Instant>) {
        let before = match at {
            Some(at) => self.by_name.insert(name.clone(), at),
            None => self.by_name.remove(name),
        };
        if before == at {
            return;
        }
        if let Some(before) = before {
            self.by_time.remove(&(before, name.clone()));
        }
        if let Some(at) = at {
            self.by_time.insert((at, name.clone()));
        }
    }

    /// Takes one deadline that is not after `now`, the earliest first.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<T> {
        if self.next()? > now {
            return None;
        }
        let (_, name) = self.by_time.pop_first()?;
        self.by_name.remove(&name);
        Some(name)
    }

    /// The earliest deadline.
    pub(crate) fn next(&self) -> Option<Instant> {
        self.by_time.first().map(|(at, _)| *at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_name_has_one_deadline_and_the_earliest_comes_first() {
        let t0 = Instant::now();
        let at = |s| t0 + Duration::from_secs(s);
        let mut agenda = Agenda::default();
        agenda.set(&'a', Some(at(5)));
        agenda.set(&'b', Some(at(3)));
        for s in 0..1000 {
            agenda.set(&'a', Some(at(10 + s)));
        }
        agenda.set(&'a', Some(at(2)));
        agenda.set(&'c', Some(at(1)));
        agenda.set(&'c', None);
        assert_eq!(agenda.by_time.len(), 2);
        assert_eq!(agenda.next(), Some(at(2)));
        assert_eq!(agenda.pop_due(at(1)), None);
        assert_eq!(agenda.pop_due(at(9)), Some('a'));
        assert_eq!(agenda.pop_due(at(9)), Some('b'));
        assert_eq!(agenda.pop_due(at(9)), None);
        assert_eq!(agenda.next(), None);
    }
}
