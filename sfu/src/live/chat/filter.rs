//! The word filter: lists of words in, a verdict on a text out.
//!
//! Words and texts are compared by their [`Skeleton`], so case, width, accents, composition and
//! what stands between the letters make no difference. What stands between the letters decides
//! afterwards whether a reader would see the word, because the same letters also come together
//! where one word ends and the next begins ("was shocked", "pen is", "早操 你好", "다시 발표").
//! The rules are in [`is_seen`].

use aho_corasick::AhoCorasick;

use super::normalize::{Gap, Script, Skeleton};
use super::word_list::{Builder, FilterMode, ListErrors, Word, WordList};

/// What the filter says about a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Nothing found.
    Clean,
    /// Goes on as this text.
    Masked(String),
    /// Goes nowhere, and its sender is not told.
    Dropped,
    /// Goes nowhere, and its sender gets 80001.
    Rejected,
}

/// Words of all lists, ready to search. Immutable: new lists make a new filter.
#[derive(Debug)]
pub struct WordFilter {
    search: AhoCorasick,
    words: Vec<Word>,
}

impl Default for WordFilter {
    fn default() -> Self {
        Self::empty()
    }
}

impl WordFilter {
    /// A filter that finds nothing.
    pub fn empty() -> Self {
        let search = AhoCorasick::new::<[&str; 0], &str>([])
            .expect("invariant: no patterns are within every limit");
        Self {
            search,
            words: Vec::new(),
        }
    }

    /// Reads the lists.
    ///
    /// # Errors
    /// Everything wrong with them, up to [`MAX_PROBLEMS`](super::word_list::MAX_PROBLEMS). A list with a wrong line is no list:
    /// whoever wrote the line believes that the word is filtered.
    pub fn new(lists: &[WordList<'_>]) -> Result<Self, ListErrors> {
        let mut builder = Builder::default();
        for list in lists {
            builder.read(list);
        }
        let (search, words) = builder.build()?;
        Ok(Self { search, words })
    }

    /// Number of different entries.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether nothing can be found.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Looks at a message's text.
    pub fn check(&self, text: &str) -> Verdict {
        if self.words.is_empty() {
            return Verdict::Clean;
        }
        let skeleton = Skeleton::new(text);
        let mut worst = None;
        let mut masked = vec![false; skeleton.units.len()];
        for found in self.search.find_overlapping_iter(&skeleton.folded) {
            let word = self.words[found.pattern().as_usize()];
            let Some((first, end)) = skeleton.units_of(found.start(), found.end()) else {
                continue;
            };
            if !is_seen(&skeleton, first, end, word) {
                continue;
            }
            worst = worst.max(Some(word.mode));
            match word.mode {
                FilterMode::Reject => return Verdict::Rejected,
                FilterMode::Drop => {}
                FilterMode::Mask => masked[first..end].fill(true),
            }
        }
        match worst {
            None => Verdict::Clean,
            Some(FilterMode::Mask) => Verdict::Masked(mask(text, &skeleton, &masked)),
            Some(FilterMode::Drop) => Verdict::Dropped,
            Some(FilterMode::Reject) => Verdict::Rejected,
        }
    }

    /// Looks at a nickname. A name cannot be swallowed, so it is refused where a text would be.
    pub fn check_name(&self, name: &str) -> Verdict {
        match self.check(name) {
            Verdict::Dropped => Verdict::Rejected,
            verdict => verdict,
        }
    }
}

/// Whether a reader sees the word in these units.
///
/// Letters side by side are always seen. With something between them it depends on how the
/// script tells words apart:
/// - *Spaces between words* (alphabetic, Hangul): the word starts at a border. It ends at one
///   too, unless every letter stands alone ("f.u.c.king", "시.발놈"). Across spaces at most one
///   of three pieces has more than one letter: "fu c k" is a spelled-out word, "pen is" and
///   "it's hit" are two words.
/// - *No spaces between words* (Han, kana): three letters and more are seen whatever stands
///   between them. Two letters often meet by chance at the end of a clause, so nothing that ends
///   a clause may stand between them, and on one side at least the word ends at a border.
///
/// Where the entry itself has a gap ("son of a bitch"), one in the text does not count.
fn is_seen(skeleton: &Skeleton, first: usize, end: usize, word: Word) -> bool {
    let starts = skeleton.is_border(first);
    let ends = skeleton.is_border(end);
    if (word.border.before && !starts) || (word.border.after && !ends) {
        return false;
    }
    let units = &skeleton.units[first..end];
    let own_gaps = if units.len() == word.units {
        word.gaps
    } else {
        0
    };
    let gaps = || {
        units
            .iter()
            .enumerate()
            .skip(1)
            .map(move |(i, unit)| match own_gaps >> i & 1 {
                0 => unit.gap,
                _ => Gap::None,
            })
    };
    let widest = gaps().max().unwrap_or(Gap::None);
    if widest == Gap::None {
        return true;
    }
    if word.kind == Script::Ideographic {
        return units.len() > 2 || (widest < Gap::Clause && (starts || ends));
    }
    let (pieces, long_pieces) = pieces(gaps());
    let has_space = widest >= Gap::Space;
    let spelled = long_pieces == 0 && (pieces > 2 || (word.kind == Script::Hangul && !has_space));
    let few_long = long_pieces == 0 || (long_pieces == 1 && pieces > 2);
    starts && (ends || spelled) && (!has_space || few_long)
}

/// Number of pieces between gaps, and how many of them have more than one letter. `gaps` are
/// those before the second letter and on.
fn pieces(gaps: impl Iterator<Item = Gap>) -> (usize, usize) {
    let mut pieces = 1;
    let mut long = 0;
    let mut letters = 1;
    for gap in gaps {
        if gap != Gap::None {
            pieces += 1;
            letters = 0;
        }
        letters += 1;
        long += usize::from(letters == 2);
    }
    (pieces, long)
}

/// The text with one `*` for each marked unit and everything else as it was.
fn mask(text: &str, skeleton: &Skeleton, masked: &[bool]) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (unit, _) in skeleton
        .units
        .iter()
        .zip(masked)
        .filter(|(_, masked)| **masked)
    {
        out.push_str(&text[copied..unit.start]);
        out.push('*');
        copied = unit.end;
    }
    out.push_str(&text[copied..]);
    out
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A filter of one list.
    pub(in crate::live::chat) fn filter(mode: FilterMode, text: &str) -> WordFilter {
        WordFilter::new(&[WordList {
            name: "test",
            mode,
            text,
        }])
        .expect("a good list")
    }

    /// What a filter that masks leaves of a text.
    pub(in crate::live::chat) fn masked(filter: &WordFilter, text: &str) -> String {
        match filter.check(text) {
            Verdict::Clean => text.to_owned(),
            Verdict::Masked(masked) => masked,
            other => panic!("{other:?}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::{filter, masked};
    use super::*;
    use crate::live::chat::word_list::MAX_WORD_LENGTH;
    use proptest::prelude::*;
    use unicode_normalization::UnicodeNormalization;

    #[test]
    fn latin_words_are_masked_through_simple_evasion() {
        let filter = filter(FilterMode::Mask, "fuck");
        for (text, expected) in [
            ("what the fuck!", "what the ****!"),
            ("FuCk", "****"),
            ("ｆｕｃｋ", "****"),
            ("f u c k you", "* * * * you"),
            ("fu c k", "** * *"),
            ("f.u_c-k", "*.*_*-*"),
            ("fu-ck", "**-**"),
            ("f\u{200b}u\u{2060}ck", "*\u{200b}*\u{2060}**"),
            ("fück", "****"),
            ("fu\u{308}ck", "****"),
            ("f.u.c.king", "*.*.*.*ing"),
            ("unfuckable", "un****able"),
            ("ⓕⓤⓒⓚ", "****"),
            ("f\u{336}u\u{336}c\u{336}k\u{336}", "****"),
            ("fuck漢fuck", "****漢****"),
        ] {
            assert_eq!(masked(&filter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn letters_of_two_neighbouring_words_are_no_word() {
        let filter = filter(FilterMode::Mask, "ass\npenis\nshit\n操你\n시발");
        for text in [
            "he was shocked",
            "the pen is mine",
            "it's hit or miss: pens hit",
            "has/send",
            "他每天早操 你好吗",
            "早操，你好",
            "다시 발표해요",
            "역시 발로 차",
            "그 시 발표회",
        ] {
            assert_eq!(masked(&filter, text), text);
        }
    }

    #[test]
    fn a_marked_word_is_found_between_borders_only() {
        let filter = filter(FilterMode::Mask, "|ass|\n|damn");
        for (text, expected) in [
            ("ass", "***"),
            ("an ass.", "an ***."),
            ("ass123", "***123"),
            ("ass가", "***가"),
            ("class", "class"),
            ("assume", "assume"),
            ("glass assistant passes", "glass assistant passes"),
            ("a-s-s", "*-*-*"),
            ("damned", "****ed"),
            ("goddamn", "goddamn"),
        ] {
            assert_eq!(masked(&filter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn chinese_words_are_masked_anywhere_in_a_sentence() {
        let filter = filter(FilterMode::Mask, "傻逼\n王八蛋");
        for (text, expected) in [
            ("你是傻逼吗", "你是**吗"),
            ("你是傻 逼", "你是* *"),
            ("你是傻*逼", "你是***"),
            ("傻\u{200d}逼你", "*\u{200d}*你"),
            ("他王.八.蛋啊", "他*.*.*啊"),
            ("他王八　蛋啊", "他**　*啊"),
        ] {
            assert_eq!(masked(&filter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn korean_words_are_masked_composed_decomposed_and_typed_in_jamo() {
        let filter = filter(FilterMode::Mask, "시발\nㅅㅂ\n년");
        let decomposed: String = "야 시발 놈아".nfd().collect();
        let rest: String = "야 ** 놈아".nfd().collect();
        assert_eq!(masked(&filter, &decomposed), rest);
        for (text, expected) in [
            ("시발놈", "**놈"),
            ("시 발", "* *"),
            ("시1발", "시1발"),
            ("시.발놈", "*.*놈"),
            ("ㅅㅣㅂㅏㄹ", "*****"),
            ("아 ㅅㅂ 진짜", "아 ** 진짜"),
            ("ㅅ ㅂ", "* *"),
            ("소녀는", "소녀는"),
            ("다섯번", "다섯번"),
            ("미친년", "미친*"),
        ] {
            assert_eq!(masked(&filter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn the_strictest_list_decides() {
        let lists = [
            WordList {
                name: "m",
                mode: FilterMode::Mask,
                text: "mild",
            },
            WordList {
                name: "d",
                mode: FilterMode::Drop,
                text: "spam",
            },
            WordList {
                name: "r",
                mode: FilterMode::Reject,
                text: "slur\nmild rejected",
            },
        ];
        let filter = WordFilter::new(&lists).expect("good lists");
        assert_eq!(filter.check("hello"), Verdict::Clean);
        assert_eq!(filter.check("mild"), Verdict::Masked("****".into()));
        assert_eq!(filter.check("mild spam"), Verdict::Dropped);
        assert_eq!(filter.check("spam, mild slur"), Verdict::Rejected);
        assert_eq!(filter.check_name("spam"), Verdict::Rejected);
        assert_eq!(
            filter.check_name("Mr Mild"),
            Verdict::Masked("Mr ****".into())
        );
        let twice = [
            WordList {
                name: "r",
                mode: FilterMode::Reject,
                text: "Word",
            },
            WordList {
                name: "m",
                mode: FilterMode::Mask,
                text: "word",
            },
        ];
        let filter = WordFilter::new(&twice).expect("good lists");
        assert_eq!((filter.len(), filter.check("word")), (1, Verdict::Rejected));
    }

    #[test]
    fn an_entry_of_several_words_is_found_with_its_own_spaces_and_without() {
        let filter = filter(FilterMode::Mask, "son of a gun\n|pen is");
        for (text, expected) in [
            ("you son of a gun!", "you *** ** * ***!"),
            ("sonofagun", "*********"),
            ("Son-of a\u{a0}gun", "***-** *\u{a0}***"),
            ("pen island", "*** **land"),
            ("open is", "open is"),
        ] {
            assert_eq!(masked(&filter, text), expected, "{text:?}");
        }
    }

    #[test]
    fn overlapping_words_are_all_masked() {
        let filter = filter(FilterMode::Mask, "abc\nbcd\n|cd|");
        assert_eq!(masked(&filter, "xabcdx"), "x****x");
    }

    #[test]
    fn the_worst_text_against_the_worst_list_ends_soon() {
        let text: String = (2..=MAX_WORD_LENGTH)
            .map(|n| "a".repeat(n) + "\n")
            .collect();
        let filter = filter(FilterMode::Mask, &text);
        let message = "a ".repeat(2_000);
        let started = std::time::Instant::now();
        assert_eq!(masked(&filter, &message), "* ".repeat(2_000));
        assert!(
            started.elapsed().as_secs() < 5,
            "took {:?}",
            started.elapsed()
        );
    }

    #[test]
    fn an_empty_filter_finds_nothing() {
        assert_eq!(WordFilter::empty().check("anything"), Verdict::Clean);
        assert!(WordFilter::new(&[]).expect("nothing wrong").is_empty());
    }

    proptest! {
        #[test]
        fn masking_changes_letters_of_the_word_only(
            before in "[b-z漢字 ]{0,10}",
            after in "[b-z漢字 ]{0,10}",
            gap in "[\u{200b}\u{200d}\u{2060}]{0,3}",
        ) {
            // No "a" around it: the word is found where it was put, and nowhere else.
            let filter = filter(FilterMode::Mask, "aaa");
            let text = format!("{before}a{gap}A{gap}Ａ{after}");
            prop_assert_eq!(
                filter.check(&text),
                Verdict::Masked(format!("{before}*{gap}*{gap}*{after}"))
            );
        }

        #[test]
        fn composition_of_the_text_changes_no_verdict(
            text in "[시발놈년소ㅅㅂㅣㅏㄹ ass.가é\u{301}\u{200b}]{0,16}",
        ) {
            let list = "시발\nㅅㅂ\n년\n|ass|";
            let list = WordList { name: "any", mode: FilterMode::Reject, text: list };
            if let Ok(filter) = WordFilter::new(&[list]) {
                let verdict = filter.check(&text);
                let (nfc, nfd): (String, String) = (text.nfc().collect(), text.nfd().collect());
                prop_assert_eq!(&filter.check(&nfc), &verdict, "{:?}", nfc);
                prop_assert_eq!(&filter.check(&nfd), &verdict, "{:?}", nfd);
            }
        }

        #[test]
        fn any_text_gets_a_verdict(text in "\\PC{0,80}", word in "\\PC{1,8}") {
            let list = WordList { name: "any", mode: FilterMode::Mask, text: &word };
            if let Ok(filter) = WordFilter::new(&[list]) {
                let _ = filter.check(&text);
                let entry = word.trim().trim_matches('|');
                if !filter.is_empty() && filter.len() == 1 && !word.contains(['|', '#']) {
                    prop_assert_ne!(filter.check(entry), Verdict::Clean, "{:?}", entry);
                }
            }
        }
    }
}
