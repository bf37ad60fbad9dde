//! A table whose keys do not come back to life when a slot is used again.

/// Names an entry; stale after the entry is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct SlotKey {
    index: u32,
    generation: u32,
}

/// Entries in slots, found by index.
#[derive(Debug)]
pub(crate) struct Slots<T> {
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
    len: usize,
}

impl<T> Default for Slots<T> {
    fn default() -> Self {
        Self {
            slots: Vec::new(),
            free: Vec::new(),
            len: 0,
        }
    }
}

impl<T> Slots<T> {
    pub(crate) fn insert(&mut self, value: T) -> SlotKey {
        self.len += 1;
        match self.free.pop() {
            Some(index) => {
                let slot = &mut self.slots[index as usize];
                slot.1 = Some(value);
                SlotKey {
                    index,
                    generation: slot.0,
                }
            }
            None => {
                let index = self.slots.len() as u32;
                self.slots.push((0, Some(value)));
                SlotKey {
                    index,
                    generation: 0,
                }
            }
        }
    }

    pub(crate) fn remove(&mut self, key: SlotKey) -> Option<T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.0 != key.generation {
            return None;
        }
        let value = slot.1.take()?;
        slot.0 = slot.0.wrapping_add(1);
        self.free.push(key.index);
        self.len -= 1;
        Some(value)
    }

    pub(crate) fn get(&self, key: SlotKey) -> Option<&T> {
        let slot = self.slots.get(key.index as usize)?;
        if slot.0 == key.generation {
            slot.1.as_ref()
        } else {
            None
        }
    }

    pub(crate) fn get_mut(&mut self, key: SlotKey) -> Option<&mut T> {
        let slot = self.slots.get_mut(key.index as usize)?;
        if slot.0 == key.generation {
            slot.1.as_mut()
        } else {
            None
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = SlotKey> + '_ {
        self.slots
            .iter()
            .enumerate()
            .filter(|(_, slot)| slot.1.is_some())
            .map(|(index, slot)| SlotKey {
                index: index as u32,
                generation: slot.0,
            })
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (SlotKey, &T)> + '_ {
        self.slots.iter().enumerate().filter_map(|(index, slot)| {
            slot.1.as_ref().map(|value| {
                let key = SlotKey {
                    index: index as u32,
                    generation: slot.0,
                };
                (key, value)
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stale_key_finds_nothing_after_its_slot_is_used_again() {
        let mut slots = Slots::default();
        let a = slots.insert("a");
        assert_eq!(slots.remove(a), Some("a"));
        let b = slots.insert("b");
        assert_eq!(slots.get(a), None);
        assert_eq!(slots.remove(a), None);
        assert_eq!(slots.get(b), Some(&"b"));
        assert_eq!(slots.len(), 1);
        assert_eq!(slots.keys().collect::<Vec<_>>(), vec![b]);
    }
}
