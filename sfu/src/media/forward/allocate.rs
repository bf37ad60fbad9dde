//! What a link's bandwidth is spent on: a picture of each video, or none.

use packager::picture::Picture;

/// Bits a second of each picture of a stream, by [`Picture::index`]; 0 where it is not known.
pub type Rates = [u64; Picture::COUNT];

/// One video that a subscriber wants.
#[derive(Debug, Clone, Copy)]
pub struct Candidate {
    /// The best picture that is wanted.
    pub best: Picture,
    /// What its pictures take.
    pub rates: Rates,
    /// What it has now.
    pub has: Option<Picture>,
}

/// What there is to spend, in bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// On pictures that the videos have already.
    pub keep: u64,
    /// On lesser ones.
    pub lesser: u64,
    /// On a video that has its least picture, where there is a bound to that: no picture at all is
    /// worse than a late one.
    pub least: Option<u64>,
    /// On better ones; nothing gets better without it.
    pub raise: Option<u64>,
    /// One video that has no picture gets its least one, whatever that takes.
    pub tries_one: bool,
}

/// Chooses a picture for each of the videos, the most important first: the least picture of as
/// many as the budget has room for, and then better ones, whoever has least being first.
///
/// What is better than what a video has needs some room beyond itself: an estimate moves, and each
/// change costs a key frame.
pub fn allocate(budget: Budget, videos: &[Candidate]) -> Vec<Option<Picture>> {
    let mut chosen: Vec<Option<Picture>> = vec![None; videos.len()];
    let mut spent = 0;
    // Those who have a picture keep theirs before others get a first one.
    let (having, waiting): (Vec<usize>, Vec<usize>) =
        (0..videos.len()).partition(|index| videos[*index].has.is_some());
    let mut tries_one = budget.tries_one;
    for index in having.into_iter().chain(waiting) {
        let video = &videos[index];
        let is_tried = video.has.is_none() && std::mem::take(&mut tries_one);
        if let Some(next) = video.next(None)
            && (is_tried || video.fits(next, spent, budget))
        {
            spent += video.rate(next);
            chosen[index] = Some(next);
        }
    }
    loop {
        let mut raises: Vec<_> = (0..videos.len())
            .filter_map(|index| {
                let video = &videos[index];
                let from = chosen[index]?;
                let next = video.next(Some(from))?;
                let others = spent - video.rate(from);
                let fits = video.fits(next, others, budget);
                fits.then(|| (video.rate(from), index, next))
            })
            .collect();
        raises.sort_unstable_by_key(|(rate, index, _)| (*rate, *index));
        let Some((rate, index, next)) = raises.first().copied() else {
            let named = videos.iter().zip(chosen);
            return named
                .map(|(video, chosen)| chosen.map(|picture| video.best_name(picture)))
                .collect();
        };
        spent = spent - rate + videos[index].rate(next);
        chosen[index] = Some(next);
    }
}

/// What all the videos take that they want at best.
pub fn desired(videos: &[Candidate]) -> u64 {
    videos.iter().map(|video| video.rate(video.best)).sum()
}

/// What the next better picture of any video takes beside what is `chosen`; nothing if there is no
/// better one.
pub fn next_step(videos: &[Candidate], chosen: &[Option<Picture>]) -> Option<u64> {
    let rate = |(video, chosen): (&Candidate, &Option<Picture>)| {
        chosen.map_or(0, |picture| video.rate(picture))
    };
    let spent: u64 = videos.iter().zip(chosen).map(rate).sum();
    let steps = videos.iter().zip(chosen).filter_map(|(video, chosen)| {
        let next = video.next(*chosen)?;
        Some(video.rate(next) - rate((video, chosen)))
    });
    steps.min().map(|step| spent + step)
}

impl Candidate {
    fn rate(&self, picture: Picture) -> u64 {
        self.rates[picture.index()]
    }

    /// The least picture that takes more than this one, or the least one of all.
    fn next(&self, from: Option<Picture>) -> Option<Picture> {
        let mut wanted: Vec<_> = self.best.and_lesser().collect();
        wanted.reverse();
        match from {
            None => wanted.first().copied(),
            Some(from) => wanted
                .into_iter()
                .skip_while(|picture| *picture != from)
                .find(|picture| self.rate(*picture) > self.rate(from)),
        }
    }

    /// The best picture that is the same layer: where there are no others, nobody is to have less.
    fn best_name(&self, picture: Picture) -> Picture {
        let mut wanted = self.best.and_lesser();
        let same = wanted.find(|other| self.rate(*other) == self.rate(picture));
        same.unwrap_or(picture)
    }

    fn fits(&self, picture: Picture, others: u64, budget: Budget) -> bool {
        let rate = self.rate(picture);
        let has = self.has.map(|has| self.rate(has).max(1));
        if has.is_some_and(|has| rate <= has) {
            let is_least = self.next(None) == Some(picture);
            let is_kept = has == Some(rate.max(1));
            let bound = match (is_least, is_kept) {
                (true, true) => budget.least,
                // Before a video is paused it is seen whether its least picture gets through.
                (true, false) => None,
                (false, true) => Some(budget.keep),
                (false, false) => Some(budget.lesser),
            };
            return bound.is_none_or(|bound| others + rate <= bound);
        }
        let needed = (others + rate) / 100 * ROOM;
        budget.raise.is_some_and(|raise| needed <= raise)
    }
}

/// What a better picture needs, in percent of what it takes.
const ROOM: u64 = 115;

#[cfg(test)]
mod tests {
    use super::*;
    use Picture::{Large, Medium, Small};

    const RATES: Rates = [1_500_000, 500_000, 100_000];

    fn all(bps: u64) -> Budget {
        Budget {
            keep: bps,
            lesser: bps,
            least: Some(bps),
            raise: Some(bps),
            tries_one: false,
        }
    }

    fn new(best: Picture) -> Candidate {
        Candidate {
            best,
            rates: RATES,
            has: None,
        }
    }

    fn with(has: Option<Picture>) -> Candidate {
        Candidate { has, ..new(Large) }
    }

    #[test]
    fn one_video_gets_the_best_that_fits_with_some_room() {
        for (budget, expected) in [
            (50_000, None),
            (110_000, None),
            (120_000, Some(Small)),
            (560_000, Some(Small)),
            (580_000, Some(Medium)),
            (1_700_000, Some(Medium)),
            (1_730_000, Some(Large)),
            (90_000_000, Some(Large)),
        ] {
            assert_eq!(allocate(all(budget), &[new(Large)]), [expected], "{budget}");
        }
        assert_eq!(allocate(all(90_000_000), &[new(Medium)]), [Some(Medium)]);
    }

    #[test]
    fn what_it_has_it_keeps_as_long_as_it_fits() {
        for (budget, expected) in [
            (1_500_000, Some(Large)),
            (1_499_999, Some(Medium)),
            (499_999, Some(Small)),
            (99_999, Some(Small)),
        ] {
            for raise in [Some(budget), None] {
                let budget = Budget {
                    raise,
                    ..all(budget)
                };
                let chosen = allocate(budget, &[with(Some(Large))]);
                assert_eq!(chosen, [expected], "{budget:?}");
            }
        }
        assert_eq!(
            allocate(
                Budget {
                    raise: None,
                    ..all(9_000_000)
                },
                &[with(Some(Small))]
            ),
            [Some(Small)]
        );
        assert_eq!(
            allocate(
                Budget {
                    raise: None,
                    ..all(9_000_000)
                },
                &[with(None)]
            ),
            [None]
        );
    }

    #[test]
    fn the_last_picture_is_kept_longer_than_a_better_one() {
        for least in [Some(150_000), None] {
            let budget = Budget {
                least,
                raise: None,
                ..all(90_000)
            };
            for has in [Large, Small] {
                assert_eq!(allocate(budget, &[with(Some(has))]), [Some(Small)]);
            }
            assert_eq!(allocate(budget, &[with(None)]), [None]);
        }
    }

    #[test]
    fn the_least_picture_is_tried_before_there_is_none() {
        let allocated = |has| allocate(all(90_000), &[with(Some(has))]);
        assert_eq!(allocated(Large), [Some(Small)]);
        assert_eq!(allocated(Small), [None]);
    }

    #[test]
    fn a_full_link_has_less_room_for_another_picture_than_for_the_one_it_has() {
        let budget = Budget {
            lesser: 400_000,
            ..all(1_000_000)
        };
        assert_eq!(allocate(budget, &[with(Some(Large))]), [Some(Small)]);
        assert_eq!(allocate(budget, &[with(Some(Medium))]), [Some(Medium)]);
    }

    #[test]
    fn one_of_those_that_have_none_is_tried() {
        let budget = Budget {
            tries_one: true,
            ..all(0)
        };
        let videos = [with(None), with(None), with(None)];
        assert_eq!(allocate(budget, &videos), [Some(Small), None, None]);
        assert_eq!(allocate(budget, &[with(Some(Small))]), [None]);
    }

    #[test]
    fn all_get_a_picture_before_one_gets_a_better_one_and_the_first_are_better_first() {
        let videos = [new(Large), new(Large), new(Large)];
        let given = |budget| allocate(all(budget), &videos);
        assert_eq!(given(240_000), [Some(Small), Some(Small), None]);
        assert_eq!(given(700_000), [Some(Small); 3]);
        assert_eq!(given(900_000), [Some(Medium), Some(Small), Some(Small)]);
        assert_eq!(given(1_800_000), [Some(Medium); 3]);
        assert_eq!(given(3_000_000), [Some(Large), Some(Medium), Some(Medium)]);
        assert_eq!(given(5_200_000), [Some(Large); 3]);
    }

    #[test]
    fn those_who_have_a_picture_do_not_lose_it_to_those_who_have_none() {
        let videos = [with(None), with(Some(Small))];
        assert_eq!(allocate(all(120_000), &videos), [None, Some(Small)]);
    }

    #[test]
    fn pictures_that_are_one_layer_are_one_step_and_have_the_best_name() {
        let one = Candidate {
            rates: [800_000; 3],
            ..new(Large)
        };
        assert_eq!(allocate(all(1_000_000), &[one]), [Some(Large)]);
        assert_eq!(allocate(all(700_000), &[one]), [None]);
        assert_eq!(next_step(&[one], &[None]), Some(800_000));
        assert_eq!(next_step(&[one], &[Some(Small)]), None);
    }

    #[test]
    fn a_stream_of_unknown_rate_is_let_through() {
        let fresh = Candidate {
            rates: [0; 3],
            ..new(Large)
        };
        assert_eq!(allocate(all(0), &[fresh]), [Some(Large)]);
    }

    #[test]
    fn the_next_step_and_the_wish_are_in_bits_of_all_videos() {
        let videos = [new(Large), new(Medium)];
        assert_eq!(desired(&videos), 2_000_000);
        let step = |chosen: [Option<Picture>; 2]| next_step(&videos, &chosen);
        assert_eq!(step([None, None]), Some(100_000));
        assert_eq!(step([Some(Medium), Some(Small)]), Some(1_000_000));
        assert_eq!(step([Some(Large), Some(Medium)]), None);
    }
}
