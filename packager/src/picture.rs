//! The pictures of a publisher with simulcast, the best first.

use std::ops::{BitOr, BitOrAssign};

/// One of the pictures that a publisher with simulcast sends.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Picture {
    /// The best layer that flows.
    #[default]
    Large,
    /// The best layer but one; the large one where there is no other.
    Medium,
    /// The least layer that flows; the large one where there is no other.
    Small,
}

impl Picture {
    /// All of them, the best first.
    pub const ALL: [Self; 3] = [Self::Large, Self::Medium, Self::Small];

    /// How many there are.
    pub const COUNT: usize = Self::ALL.len();

    /// This one and the lesser ones, the best first.
    pub fn and_lesser(self) -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().skip(self.index())
    }

    /// Its place in [`ALL`](Self::ALL).
    pub const fn index(self) -> usize {
        self as usize
    }

    /// The one letter that it has in addresses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Large => "h",
            Self::Medium => "m",
            Self::Small => "l",
        }
    }
}

/// A set of pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pictures(u8);

impl Pictures {
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Those of a publisher that sends `count` layers: the large one, the small one if there are
    /// two, and the medium one between them.
    pub fn of_layers(count: usize) -> Self {
        let all = [Picture::Large, Picture::Small, Picture::Medium];
        all.into_iter().take(count).collect()
    }

    /// Adds a picture.
    pub fn insert(&mut self, picture: Picture) {
        self.0 |= 1 << picture.index();
    }

    /// True if the picture is one of them.
    pub fn has(self, picture: Picture) -> bool {
        self.0 & 1 << picture.index() != 0
    }

    /// True if there are none.
    pub fn is_empty(self) -> bool {
        self == Self::NONE
    }

    /// Those that are not in `others`.
    pub fn without(self, others: Self) -> Self {
        Self(self.0 & !others.0)
    }

    /// The one to show where `wanted` is asked for: itself, or else the next lesser one, or else
    /// the next better one.
    pub fn nearest(self, wanted: Picture) -> Option<Picture> {
        let lesser = wanted.and_lesser().find(|picture| self.has(*picture));
        lesser.or_else(|| {
            let better = Picture::ALL.into_iter().take(wanted.index());
            better.rev().find(|picture| self.has(*picture))
        })
    }

    /// The pictures, the best first.
    pub fn iter(self) -> impl Iterator<Item = Picture> {
        Picture::ALL.into_iter().filter(move |p| self.has(*p))
    }
}

impl BitOr for Pictures {
    type Output = Self;

    fn bitor(self, others: Self) -> Self {
        Self(self.0 | others.0)
    }
}

impl BitOrAssign for Pictures {
    fn bitor_assign(&mut self, others: Self) {
        *self = *self | others;
    }
}

impl Extend<Picture> for Pictures {
    fn extend<I: IntoIterator<Item = Picture>>(&mut self, pictures: I) {
        for picture in pictures {
            self.insert(picture);
        }
    }
}

impl FromIterator<Picture> for Pictures {
    fn from_iter<I: IntoIterator<Item = Picture>>(pictures: I) -> Self {
        let mut set = Self::NONE;
        set.extend(pictures);
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Picture::{Large, Medium, Small};

    #[test]
    fn set_has_what_was_put_in_and_gives_the_best_first() {
        let all: Pictures = [Small, Large, Medium].into_iter().collect();
        assert!(all.iter().eq(Picture::ALL));
        let lesser = all.without(Pictures::from_iter([Large]));
        assert!(lesser.iter().eq(Medium.and_lesser()));
        assert!(lesser.has(Small) && !lesser.has(Large) && !lesser.is_empty());
        assert!(lesser.without(all).is_empty());
        assert_eq!(lesser | Pictures::from_iter([Large]), all);
    }

    #[test]
    fn layers_fill_the_ends_first_and_what_is_missing_has_a_neighbour() {
        let of = |count| Pictures::of_layers(count).iter().collect::<Vec<_>>();
        assert_eq!(of(1), [Large]);
        assert_eq!(of(2), [Large, Small]);
        assert_eq!(of(3), [Large, Medium, Small]);
        let nearest = |count| Picture::ALL.map(|p| Pictures::of_layers(count).nearest(p));
        assert_eq!(nearest(0), [None; 3]);
        assert_eq!(nearest(1), [Some(Large); 3]);
        assert_eq!(nearest(2), [Large, Small, Small].map(Some));
        assert_eq!(nearest(3), [Large, Medium, Small].map(Some));
    }
}
