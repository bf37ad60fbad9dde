//! Text as the word filter sees it: letters only, folded, each tied to where it stood.
//!
//! A letter here is a [`Unit`]: one character of the original with the marks that belong to it,
//! or one Hangul syllable however it was typed. Folding makes equal what a reader takes for the
//! same letter: compatibility forms (full-width, circled, superscript: NFKC), case, accents on
//! alphabetic letters, composed and decomposed Hangul. Hangul syllables are taken apart into
//! simple jamo, so that a syllable and the same letters typed one by one are equal as well.
//! Look-alikes of other scripts and digits in place of letters are not folded: they are spelling,
//! and a list can name them.

use unicode_normalization::char::{canonical_combining_class, decompose_compatible};
use unicode_normalization::{IsNormalized, UnicodeNormalization, is_nfc_quick};

/// What kind of letter a unit is. Borders between words depend on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Script {
    /// Letters of scripts that put spaces between words.
    Alphabetic,
    /// Hangul syllables and jamo: spaces between words, and one syllable carries much.
    Hangul,
    /// Han and kana: no spaces between words.
    Ideographic,
    Digit,
}

/// What stands between a unit and the one before it. The later one hides the earlier ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Gap {
    /// Nothing, or only what no reader sees.
    None,
    /// Punctuation or symbols that end no clause.
    Mark,
    /// White space.
    Space,
    /// The end of a clause, sentence or line.
    Clause,
}

/// One letter of the original.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit {
    /// Bytes of the original, half open.
    pub(super) start: usize,
    pub(super) end: usize,
    /// Where its folded letters start in the skeleton.
    folded: usize,
    pub(super) script: Script,
    /// What stands before it. `None` for the first unit.
    pub(super) gap: Gap,
    /// A match must take it whole: part of a Hangul syllable is another syllable.
    whole: bool,
}

impl Unit {
    /// Whether the letter carries a whole syllable.
    pub(super) fn is_syllable(&self) -> bool {
        self.whole || self.script == Script::Ideographic
    }
}

/// The folded letters of a text without anything between them.
#[derive(Debug, Default)]
pub(super) struct Skeleton {
    pub(super) folded: String,
    pub(super) units: Vec<Unit>,
}

impl Skeleton {
    pub(super) fn new(text: &str) -> Self {
        let mut skeleton = Self {
            folded: String::with_capacity(text.len()),
            units: Vec::with_capacity(text.len()),
        };
        let mut gap = Gap::None;
        let mut rest = text;
        while let Some(length) = first_segment(rest) {
            let (segment, tail) = rest.split_at(length);
            let start = text.len() - rest.len();
            rest = tail;
            if !skeleton.push(segment, start, gap) {
                gap = gap.max(gap_of(segment));
            } else {
                gap = Gap::None;
            }
        }
        skeleton
    }

    /// Adds a segment's letters; false when it has none.
    fn push(&mut self, segment: &str, start: usize, gap: Gap) -> bool {
        let folded = self.folded.len();
        let mut script = None;
        let mut whole = false;
        if let [byte] = segment.as_bytes() {
            if byte.is_ascii_alphanumeric() {
                self.folded.push(byte.to_ascii_lowercase() as char);
                script = Some(script_of(*byte as char));
            }
        } else {
            let letters = segment
                .nfkd()
                .filter(|c| !is_accent(*c))
                .flat_map(char::to_lowercase)
                .filter(|c| !is_accent(*c))
                .nfc();
            for letter in letters.filter(|c| is_letter(*c)) {
                script.get_or_insert_with(|| script_of(letter));
                whole |= push_folded(&mut self.folded, letter);
            }
        }
        let Some(script) = script else {
            return false;
        };
        self.units.push(Unit {
            start,
            end: start + segment.len(),
            folded,
            script,
            gap: if self.units.is_empty() {
                Gap::None
            } else {
                gap
            },
            whole,
        });
        true
    }

    /// The units that a match of folded bytes covers, half open; none when it would take a part
    /// of a Hangul syllable.
    pub(super) fn units_of(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let first = self
            .units
            .partition_point(|u| u.folded <= start)
            .checked_sub(1)?;
        let last = self
            .units
            .partition_point(|u| u.folded < end)
            .checked_sub(1)?;
        let cut_first = self.units[first].folded != start;
        let cut_last = self
            .units
            .get(last + 1)
            .map_or(self.folded.len(), |u| u.folded)
            != end;
        if (cut_first && self.units[first].whole) || (cut_last && self.units[last].whole) {
            return None;
        }
        Some((first, last + 1))
    }

    /// Whether a word can start at this unit.
    pub(super) fn is_border(&self, unit: usize) -> bool {
        match self.units.get(unit) {
            Some(here) if unit > 0 => {
                here.gap != Gap::None || here.script != self.units[unit - 1].script
            }
            _ => true,
        }
    }
}

/// Length in bytes of the first run that normalizes on its own: a character with everything that
/// can combine with it.
fn first_segment(text: &str) -> Option<usize> {
    let mut characters = text.char_indices();
    let (_, first) = characters.next()?;
    // Jamo typed one by one stay apart: which of them make a syllable is a guess.
    let alone = is_single_jamo(first);
    let end = characters
        .find(|&(_, c)| alone && !is_accent(c) || starts_segment(c))
        .map_or(text.len(), |(at, _)| at);
    Some(end)
}

fn starts_segment(c: char) -> bool {
    if c.is_ascii() || is_single_jamo(c) {
        return true;
    }
    let mut first = None;
    decompose_compatible(c, |d| {
        first.get_or_insert(d);
    });
    let first = first.unwrap_or(c);
    canonical_combining_class(first) == 0
        && is_nfc_quick(std::iter::once(first)) != IsNormalized::Maybe
}

/// Compatibility and half-width jamo: keys of a keyboard, not parts of a syllable.
fn is_single_jamo(c: char) -> bool {
    matches!(c, '\u{3131}'..='\u{318e}' | '\u{ffa1}'..='\u{ffdc}')
}

/// Marks that change an alphabetic letter's look. Kana and Indic marks make another letter and
/// are no accents.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}'
        | '\u{483}'..='\u{489}'
        | '\u{1ab0}'..='\u{1aff}'
        | '\u{1dc0}'..='\u{1dff}'
        | '\u{20d0}'..='\u{20ff}'
        | '\u{fe20}'..='\u{fe2f}')
}

fn is_letter(c: char) -> bool {
    // The Hangul fillers count as letters in Unicode and show nothing.
    c.is_alphanumeric() && !matches!(c, '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}')
}

fn gap_of(segment: &str) -> Gap {
    segment.chars().map(gap_of_char).max().unwrap_or(Gap::None)
}

fn gap_of_char(c: char) -> Gap {
    match c {
        '\n' | '\r' | '\u{85}' | '\u{2028}' | '\u{2029}' => Gap::Clause,
        ',' | ';' | '!' | '?' | '\u{3001}' | '\u{3002}' | '\u{ff01}' | '\u{ff0c}' | '\u{ff1a}'
        | '\u{ff1b}' | '\u{ff1f}' | '\u{ff61}' | '\u{ff64}' => Gap::Clause,
        // Fillers and the braille blank look like a space.
        '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{ffa0}' | '\u{2800}' => Gap::Space,
        c if c.is_whitespace() => Gap::Space,
        c if is_invisible(c) => Gap::None,
        _ => Gap::Mark,
    }
}

/// Characters that take no room: format controls, joiners, variation selectors, tags, and other
/// controls.
fn is_invisible(c: char) -> bool {
    c.is_control()
        || is_accent(c)
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}' | '\u{fff0}'..='\u{fffb}' | '\u{e0000}'..='\u{e0fff}')
}

fn script_of(c: char) -> Script {
    match c {
        c if c.is_numeric() && !is_han(c) => Script::Digit,
        '\u{1100}'..='\u{11ff}'
        | '\u{3131}'..='\u{318e}'
        | '\u{a960}'..='\u{a97f}'
        | '\u{ac00}'..='\u{d7ff}' => Script::Hangul,
        '\u{3040}'..='\u{312f}' | '\u{31a0}'..='\u{31ff}' => Script::Ideographic,
        c if is_han(c) => Script::Ideographic,
        _ => Script::Alphabetic,
    }
}

fn is_han(c: char) -> bool {
    matches!(c, '\u{2e80}'..='\u{2fdf}' | '\u{3005}'..='\u{3007}' | '\u{3400}'..='\u{4dbf}'
        | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

/// Writes a normalized letter; true for a Hangul syllable.
fn push_folded(folded: &mut String, letter: char) -> bool {
    let code = letter as u32;
    match letter {
        // Unicode 3.12: a syllable is (L × 21 + V) × 28 + T above U+AC00.
        '\u{ac00}'..='\u{d7a3}' => {
            let syllable = code - 0xac00;
            folded.push(LEADS[(syllable / 588) as usize]);
            folded.push_str(VOWELS[(syllable / 28 % 21) as usize]);
            if let Some(tail) = (syllable % 28).checked_sub(1) {
                folded.push_str(TAILS[tail as usize]);
            }
            return true;
        }
        '\u{1100}'..='\u{1112}' => folded.push(LEADS[(code - 0x1100) as usize]),
        '\u{1161}'..='\u{1175}' => folded.push_str(VOWELS[(code - 0x1161) as usize]),
        '\u{11a8}'..='\u{11c2}' => folded.push_str(TAILS[(code - 0x11a8) as usize]),
        // Two tails of the keyboard decompose to leads that no modern syllable has.
        '\u{111a}' => folded.push_str("ㄹㅎ"),
        '\u{1121}' => folded.push_str("ㅂㅅ"),
        'ß' => folded.push_str("ss"),
        'ς' => folded.push('σ'),
        'ı' => folded.push('i'),
        _ => folded.push(letter),
    }
    false
}

/// Leading consonants in the order of U+1100.
const LEADS: [char; 19] = [
    'ㄱ', 'ㄲ', 'ㄴ', 'ㄷ', 'ㄸ', 'ㄹ', 'ㅁ', 'ㅂ', 'ㅃ', 'ㅅ', 'ㅆ', 'ㅇ', 'ㅈ', 'ㅉ', 'ㅊ', 'ㅋ',
    'ㅌ', 'ㅍ', 'ㅎ',
];

/// Vowels in the order of U+1161, compound ones as the keys they are typed with.
const VOWELS: [&str; 21] = [
    "ㅏ", "ㅐ", "ㅑ", "ㅒ", "ㅓ", "ㅔ", "ㅕ", "ㅖ", "ㅗ", "ㅗㅏ", "ㅗㅐ", "ㅗㅣ", "ㅛ", "ㅜ",
    "ㅜㅓ", "ㅜㅔ", "ㅜㅣ", "ㅠ", "ㅡ", "ㅡㅣ", "ㅣ",
];

/// Trailing consonants in the order of U+11A8, compound ones as the keys they are typed with.
const TAILS: [&str; 27] = [
    "ㄱ", "ㄲ", "ㄱㅅ", "ㄴ", "ㄴㅈ", "ㄴㅎ", "ㄷ", "ㄹ", "ㄹㄱ", "ㄹㅁ", "ㄹㅂ", "ㄹㅅ", "ㄹㅌ",
    "ㄹㅍ", "ㄹㅎ", "ㅁ", "ㅂ", "ㅂㅅ", "ㅅ", "ㅆ", "ㅇ", "ㅈ", "ㅊ", "ㅋ", "ㅌ", "ㅍ", "ㅎ",
];

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn folded(text: &str) -> String {
        Skeleton::new(text).folded
    }

    #[test]
    fn letters_that_look_the_same_fold_the_same() {
        for (text, expected) in [
            ("Hello", "hello"),
            ("ＨＥＬＬＯ", "hello"),
            ("h.e l-l\u{200b}o", "hello"),
            ("héllo", "hello"),
            ("he\u{301}llo", "hello"),
            ("ⓗⓔⓛⓛⓞ", "hello"),
            ("İSTANBUL", "istanbul"),
            ("Straße", "strasse"),
            ("中\u{3000}文", "中文"),
            ("ｶﾞ", "ガ"),
            ("か\u{3099}", "が"),
            ("!?…—", ""),
            ("\u{3164}a\u{115f}b", "ab"),
        ] {
            assert_eq!(folded(text), expected, "{text:?}");
        }
    }

    #[test]
    fn hangul_folds_the_same_however_it_was_typed() {
        let syllables = "값닭의";
        let decomposed: String = syllables.nfd().collect();
        assert_ne!(syllables, decomposed);
        assert_eq!(folded(syllables), "ㄱㅏㅂㅅㄷㅏㄹㄱㅇㅡㅣ");
        assert_eq!(folded(&decomposed), folded(syllables));
        assert_eq!(folded("ㄱㅏㅄㄷㅏㄺㅇㅢ"), folded(syllables));
        assert_eq!(
            folded("ㄱㄳㄵㄶㄺㄻㄼㄽㄾㄿㅀㅄ"),
            "ㄱㄱㅅㄴㅈㄴㅎㄹㄱㄹㅁㄹㅂㄹㅅㄹㅌㄹㅍㄹㅎㅂㅅ"
        );
        assert_eq!(folded("ﾡￂﾲﾵ"), "ㄱㅏㅂㅅ");
        assert_eq!(
            Skeleton::new(&decomposed).units.len(),
            3,
            "one unit a syllable"
        );
        assert_eq!(Skeleton::new("ㄱㅏ").units.len(), 2, "one unit a key");
    }

    #[test]
    fn units_know_their_bytes_and_what_stands_before_them() {
        let text = "a\u{301} ,b\u{200b}c.d";
        let skeleton = Skeleton::new(text);
        let found: Vec<_> = skeleton
            .units
            .iter()
            .map(|u| (&text[u.start..u.end], u.gap))
            .collect();
        assert_eq!(
            found,
            [
                ("a\u{301}", Gap::None),
                ("b", Gap::Clause),
                ("c", Gap::None),
                ("d", Gap::Mark),
            ]
        );
    }

    #[test]
    fn a_part_of_a_syllable_is_no_match_and_a_part_of_a_ligature_is() {
        // "소녀는" holds the letters of "년" across two syllables.
        let skeleton = Skeleton::new("소녀는");
        let word = folded("년");
        let at = skeleton.folded.find(&word).expect("the letters are there");
        assert_eq!(skeleton.units_of(at, at + word.len()), None);
        let skeleton = Skeleton::new("ﬀar");
        assert_eq!(skeleton.units_of(1, 3), Some((0, 2)));
    }

    #[test]
    fn borders_are_gaps_and_changes_of_script() {
        let skeleton = Skeleton::new("ab1한 漢");
        let borders: Vec<_> = (0..=skeleton.units.len())
            .map(|unit| skeleton.is_border(unit))
            .collect();
        assert_eq!(borders, [true, false, true, true, true, true]);
    }

    proptest! {
        #[test]
        fn units_are_in_order_within_the_text_and_on_character_borders(text in "\\PC{0,60}") {
            let skeleton = Skeleton::new(&text);
            let mut end = 0;
            let mut folded = None;
            for unit in &skeleton.units {
                prop_assert!(unit.start >= end && unit.end > unit.start);
                prop_assert!(text.get(unit.start..unit.end).is_some());
                prop_assert!(Some(unit.folded) > folded);
                end = unit.end;
                folded = Some(unit.folded);
            }
            prop_assert!(end <= text.len());
        }

        #[test]
        fn folding_twice_changes_nothing(text in "[a-zA-Z가-힣ㄱ-ㅎ一-龥Ａ-Ｚ .]{0,40}") {
            let once = folded(&text);
            prop_assert_eq!(folded(&once), once);
        }

        #[test]
        fn composition_does_not_matter(text in "[가-힣à-üぁ-ヶ]{0,30}") {
            let decomposed: String = text.nfd().collect();
            prop_assert_eq!(folded(&decomposed), folded(&text));
        }
    }
}
