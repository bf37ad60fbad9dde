//! What is wanted of a stream: by one feed, and by all of a worker together.

use packager::rtp::MediaKind;

use packager::picture::{Picture, Pictures};

/// What one feed is to carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Wish {
    pub(crate) audio: bool,
    pub(crate) video: Option<Picture>,
}

impl Wish {
    pub(crate) const NOTHING: Self = Self {
        audio: false,
        video: None,
    };

    pub(crate) fn has(self, kind: MediaKind) -> bool {
        match kind {
            MediaKind::Audio => self.audio,
            MediaKind::Video => self.video.is_some(),
        }
    }
}

/// What one worker wants another one to send of a stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Wants {
    /// The audio.
    pub audio: bool,
    /// The video, in these pictures.
    pub pictures: Pictures,
    /// The best picture that would be taken if no link were too narrow for it.
    pub best: Option<Picture>,
}

/// How many feeds want what of a stream.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    audio: usize,
    pictures: [usize; Picture::COUNT],
    /// How many would have which picture on a link without bounds.
    wished: [usize; Picture::COUNT],
}

impl Demand {
    pub(crate) fn add(&mut self, wish: Wish) {
        self.audio += usize::from(wish.audio);
        if let Some(picture) = wish.video {
            self.pictures[picture.index()] += 1;
        }
    }

    pub(crate) fn remove(&mut self, wish: Wish) {
        self.audio = self.audio.saturating_sub(usize::from(wish.audio));
        if let Some(picture) = wish.video {
            let count = &mut self.pictures[picture.index()];
            *count = count.saturating_sub(1);
        }
    }

    /// A feed wishes for another picture than before, whatever its link carries of it.
    pub(crate) fn change_wish(&mut self, before: Option<Picture>, after: Option<Picture>) {
        if let Some(picture) = before {
            let count = &mut self.wished[picture.index()];
            *count = count.saturating_sub(1);
        }
        if let Some(picture) = after {
            self.wished[picture.index()] += 1;
        }
    }

    pub(crate) fn wants(&self) -> Wants {
        Wants {
            audio: self.audio > 0,
            pictures: Picture::ALL
                .into_iter()
                .filter(|picture| self.pictures[picture.index()] > 0)
                .collect(),
            best: Picture::ALL
                .into_iter()
                .find(|picture| self.wished[picture.index()] > 0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_what_those_who_are_left_want() {
        let mut demand = Demand::default();
        let wish = |audio, video| Wish { audio, video };
        let small = wish(true, Some(Picture::Small));
        for wish in [small, small, wish(false, Some(Picture::Large))] {
            demand.add(wish);
        }
        assert!(demand.wants().audio);
        let both = [Picture::Large, Picture::Small];
        assert!(demand.wants().pictures.iter().eq(both));
        demand.remove(small);
        demand.remove(wish(false, Some(Picture::Large)));
        let left = demand.wants();
        assert!(left.audio && left.pictures.iter().eq([Picture::Small]));
        demand.remove(small);
        assert_eq!(demand.wants(), Wants::default());
    }

    #[test]
    fn best_wish_counts_whatever_is_given() {
        let mut demand = Demand::default();
        let best = |demand: &Demand| demand.wants().best;
        for wish in [Picture::Small, Picture::Large, Picture::Large] {
            demand.change_wish(None, Some(wish));
        }
        assert_eq!(best(&demand), Some(Picture::Large));
        demand.change_wish(Some(Picture::Large), Some(Picture::Small));
        assert_eq!(best(&demand), Some(Picture::Large));
        demand.change_wish(Some(Picture::Large), None);
        assert_eq!(best(&demand), Some(Picture::Small));
        assert!(demand.wants().pictures.is_empty());
    }
}
