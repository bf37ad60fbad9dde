//! Fewer pictures a second instead of a lesser picture.

use super::allocate::{Budget, Candidate, Rates};
use packager::picture::Picture;

/// What a video may have without the highest temporal layer.
#[derive(Debug, Clone, Copy)]
pub struct Thinnable {
    /// What its pictures take then; 0 where there is no temporal layer to leave out, or where that
    /// is not known.
    pub rates: Rates,
    /// The picture that it has without that layer now, or with it.
    pub has: Option<Picture>,
}

/// Gives videos that have a lesser picture than they want, or none, the next better one without its
/// highest temporal layer, where there is room for it beside the others: the most important first.
///
/// `chosen` is what [`allocate`](super::allocate::allocate) has chosen, and is changed to the better
/// pictures; the result says which these are.
pub fn thin(
    budget: Budget,
    videos: &[Candidate],
    thinnable: &[Thinnable],
    chosen: &mut [Option<Picture>],
) -> Vec<bool> {
    let rate = |video: &Candidate, picture: Option<Picture>| {
        picture.map_or(0, |picture| video.rates[picture.index()])
    };
    let mut spent: u64 = videos
        .iter()
        .zip(chosen.iter())
        .map(|(video, picture)| rate(video, *picture))
        .sum();
    let mut thinned = vec![false; videos.len()];
    for (index, (video, thinnable)) in videos.iter().zip(thinnable).enumerate() {
        let whole = rate(video, chosen[index]);
        let wanted = video.best.and_lesser();
        let mut better: Vec<_> = wanted
            .filter(|picture| video.rates[picture.index()] > whole)
            .collect();
        // Names of one layer: the best one.
        better.dedup_by_key(|picture| video.rates[picture.index()]);
        let Some(next) = better.last().copied() else {
            continue;
        };
        let thin = thinnable.rates[next.index()];
        if thin == 0 || thin >= video.rates[next.index()] {
            continue;
        }
        let takes = spent - whole + thin;
        let has_it = thinnable.has.is_some_and(|has| has <= next);
        let fits = match has_it {
            true => takes <= budget.lesser,
            false => budget
                .raise
                .is_some_and(|raise| takes / 100 * ROOM <= raise),
        };
        if fits {
            chosen[index] = Some(next);
            thinned[index] = true;
            spent = takes;
        }
    }
    thinned
}

/// What more pictures a second need, in percent of what they take.
const ROOM: u64 = 115;

#[cfg(test)]
mod tests {
    use super::*;
    use Picture::{Large, Medium, Small};

    const RATES: Rates = [1_500_000, 500_000, 100_000];
    const THIN: Rates = [900_000, 300_000, 60_000];

    fn all(bps: u64) -> Budget {
        Budget {
            keep: bps,
            lesser: bps,
            least: Some(bps),
            raise: Some(bps),
            tries_one: false,
        }
    }

    fn wants(best: Picture) -> Candidate {
        Candidate {
            best,
            rates: RATES,
            has: None,
        }
    }

    fn had(has: Option<Picture>) -> Thinnable {
        Thinnable { rates: THIN, has }
    }

    /// What becomes of one video that wants the large picture.
    fn one(
        budget: Budget,
        chosen: Option<Picture>,
        has: Option<Picture>,
    ) -> (Option<Picture>, bool) {
        let mut chosen = [chosen];
        let thinned = thin(budget, &[wants(Large)], &[had(has)], &mut chosen);
        (chosen[0], thinned[0])
    }

    #[test]
    fn pictures_a_second_are_left_out_before_a_lesser_picture_is_given() {
        let has = Some(Large);
        assert_eq!(one(all(1_400_000), Some(Medium), has), (Some(Large), true));
        assert_eq!(one(all(900_000), Some(Medium), has), (Some(Large), true));
        assert_eq!(one(all(899_999), Some(Medium), has), (Some(Medium), false));
        assert_eq!(one(all(499_999), Some(Small), has), (Some(Medium), true));
        assert_eq!(one(all(99_999), None, has), (Some(Small), true));
        assert_eq!(one(all(59_999), None, has), (None, false));
        assert_eq!(one(all(2_000_000), Some(Large), has), (Some(Large), false));
    }

    #[test]
    fn what_was_not_had_needs_some_room_and_leave_to_get_better() {
        let medium = (Some(Medium), false);
        assert_eq!(one(all(1_034_000), Some(Medium), Some(Medium)), medium);
        let large = (Some(Large), true);
        assert_eq!(one(all(1_035_000), Some(Medium), Some(Medium)), large);
        let kept = Budget {
            raise: None,
            ..all(1_400_000)
        };
        assert_eq!(one(kept, Some(Medium), Some(Medium)), medium);
        assert_eq!(one(kept, Some(Medium), Some(Large)), large);
    }

    #[test]
    fn what_has_no_such_layer_stays_as_it_was_chosen() {
        for rates in [[0; 3], RATES] {
            let mut chosen = [Some(Medium)];
            let thinnable = Thinnable {
                rates,
                has: Some(Large),
            };
            let thinned = thin(all(1_400_000), &[wants(Large)], &[thinnable], &mut chosen);
            assert_eq!((chosen, thinned), ([Some(Medium)], vec![false]));
        }
    }

    #[test]
    fn the_room_is_for_the_first_and_nobody_gets_more_than_wanted() {
        let mut chosen = [Some(Medium), Some(Medium), Some(Small)];
        let videos = [wants(Medium), wants(Large), wants(Large)];
        let thinned = thin(all(1_500_000), &videos, &[had(Some(Large)); 3], &mut chosen);
        // 1.1 Mbit/s are given out: the second takes 0.4 more, and there is no more.
        assert_eq!(chosen, [Some(Medium), Some(Large), Some(Small)]);
        assert_eq!(thinned, [false, true, false]);
    }

    #[test]
    fn names_of_one_layer_are_one_picture() {
        let video = Candidate {
            rates: [800_000; 3],
            ..wants(Large)
        };
        let thinnable = Thinnable {
            rates: [500_000; 3],
            has: Some(Large),
        };
        let mut chosen = [None];
        let thinned = thin(all(600_000), &[video], &[thinnable], &mut chosen);
        assert_eq!((chosen[0], thinned[0]), (Some(Large), true));
    }
}
