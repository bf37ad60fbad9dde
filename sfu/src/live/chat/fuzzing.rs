//! Bodies of the fuzz targets, kept here so that they compile and run with the other tests.

use super::filter::{Verdict, WordFilter};
use super::message::Draft;
use super::word_list::{FilterMode, WordList};

/// A list and a text, parted by the first zero byte: masking takes letters away and adds none.
pub fn filter_text(data: &[u8]) {
    let at = data
        .iter()
        .position(|byte| *byte == 0)
        .unwrap_or(data.len());
    let list = String::from_utf8_lossy(&data[..at]);
    let text = String::from_utf8_lossy(data.get(at + 1..).unwrap_or_default());
    let list = WordList {
        name: "fuzz",
        mode: FilterMode::Mask,
        text: &list,
    };
    let Ok(filter) = WordFilter::new(&[list]) else {
        return;
    };
    if let Verdict::Masked(masked) = filter.check(&text) {
        assert!(masked.len() <= text.len() && masked.contains('*'));
        let mut original = text.chars();
        for kept in masked.chars().filter(|c| *c != '*') {
            assert!(original.any(|c| c == kept), "{text:?} became {masked:?}");
        }
    }
}

/// A message in JSON is refused or within its bounds, and a text is what it was.
pub fn read_draft(data: &[u8]) {
    let Ok(draft) = serde_json::from_slice::<Draft>(data) else {
        return;
    };
    let again = serde_json::to_vec(&draft).expect("invariant: what was read can be written");
    assert_eq!(
        serde_json::from_slice::<Draft>(&again).ok().as_ref(),
        Some(&draft)
    );
    if draft.check().is_ok() {
        assert!(draft.cloud_custom_data.len() <= super::MAX_MESSAGE);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bodies_hold_on_ordinary_input() {
        filter_text("bad\n|ass|\n시발\n傻逼\0a b.a.d ＡＳＳ 시 발 傻 逼 e\u{301}".as_bytes());
        filter_text(b"");
        filter_text(b"\xff\xfe\0\xff");
        read_draft(br#"{"type":"TIMTextElem","payload":{"text":"hi"}}"#);
        read_draft(br#"{"type":"TIMImageElem","payload":{"uuid":"x"},"random":7}"#);
        read_draft(b"[");
    }
}
