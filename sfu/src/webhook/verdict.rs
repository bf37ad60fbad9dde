//! What the back end says about a message.

use serde::Deserialize;

use crate::live::chat::{CustomPayload, DraftPayload, TextPayload};

/// What becomes of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is sent.
    Allow,
    /// It is sent with another content, which is checked like any other.
    Replace(DraftPayload),
    /// It is not sent, and the sender is told.
    Refuse {
        /// 10016, or the back end's own code from 10100 to 10200.
        code: i32,
        /// What the sender is told; may be empty.
        reason: String,
    },
    /// It is not sent, and the sender takes it as sent.
    Discard,
}

impl Verdict {
    /// Reads the body of an answer; `None` for one that is no verdict.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let answer: Answer = serde_json::from_slice(body).ok()?;
        match answer.error_code? {
            0 => Some(match answer.msg_body.into_iter().next() {
                Some(element) => Self::Replace(element.payload()?),
                None => Self::Allow,
            }),
            1 => Some(Self::refuse(REFUSED, &answer.error_info)),
            2 => Some(Self::Discard),
            code if OWN_CODES.contains(&code) => Some(Self::refuse(code, &answer.error_info)),
            _ => None,
        }
    }

    fn refuse(code: i32, reason: &str) -> Self {
        let plain = reason.chars().filter(|c| !c.is_control());
        Self::Refuse {
            code,
            reason: plain.take(MAX_REASON).collect(),
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Answer {
    #[serde(default)]
    error_code: Option<i32>,
    #[serde(default)]
    error_info: String,
    #[serde(default)]
    msg_body: Vec<Element>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Element {
    msg_type: String,
    msg_content: Content,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Content {
    text: String,
    data: String,
    desc: String,
    ext: String,
}

impl Element {
    fn payload(self) -> Option<DraftPayload> {
        let content = self.msg_content;
        match self.msg_type.as_str() {
            "TIMTextElem" => Some(DraftPayload::Text(TextPayload { text: content.text })),
            "TIMCustomElem" => Some(DraftPayload::Custom(CustomPayload {
                data: content.data,
                description: content.desc,
                extension: content.ext,
            })),
            _ => None,
        }
    }
}

/// Told to the sender when the back end gives no code of its own.
const REFUSED: i32 = 10_016;

/// Passed on to the sender as they are.
const OWN_CODES: std::ops::RangeInclusive<i32> = 10_100..=10_200;

/// Characters of a reason.
const MAX_REASON: usize = 256;

#[cfg(test)]
mod tests {
    use super::*;

    fn read(json: &str) -> Option<Verdict> {
        Verdict::read(json.as_bytes())
    }

    #[test]
    fn codes_decide() {
        let answer = |code: i32| {
            read(&format!(
                r#"{{"ActionStatus":"OK","ErrorInfo":"no","ErrorCode":{code}}}"#
            ))
        };
        let refuse = |code| {
            Some(Verdict::Refuse {
                code,
                reason: "no".into(),
            })
        };
        assert_eq!(answer(0), Some(Verdict::Allow));
        assert_eq!(answer(1), refuse(10_016));
        assert_eq!(answer(2), Some(Verdict::Discard));
        assert_eq!(answer(10_100), refuse(10_100));
        assert_eq!(answer(10_200), refuse(10_200));
        for other in [-1, 3, 10_099, 10_201, i32::MAX] {
            assert_eq!(answer(other), None, "{other}");
        }
    }

    #[test]
    fn an_answer_without_a_code_is_no_verdict() {
        for json in [
            "",
            "{}",
            "[]",
            "null",
            "{\"code\":0}",
            "{\"ErrorCode\":\"1\"}",
        ] {
            assert_eq!(read(json), None, "{json}");
        }
        assert_eq!(read("{\"ErrorCode\":0}"), Some(Verdict::Allow));
    }

    #[test]
    fn a_content_replaces_the_senders() {
        let text = read(
            r#"{"ErrorCode":0,"MsgBody":[{"MsgType":"TIMTextElem","MsgContent":{"Text":"***"}}]}"#,
        );
        assert_eq!(
            text,
            Some(Verdict::Replace(DraftPayload::Text(TextPayload {
                text: "***".into()
            })))
        );
        let custom = read(
            r#"{"ErrorCode":0,"MsgBody":[{"MsgType":"TIMCustomElem","MsgContent":{"Data":"d","Desc":"e"}}]}"#,
        );
        assert!(matches!(
            custom,
            Some(Verdict::Replace(DraftPayload::Custom(CustomPayload { data, description, .. })))
                if data == "d" && description == "e"
        ));
        let sound =
            read(r#"{"ErrorCode":0,"MsgBody":[{"MsgType":"TIMSoundElem","MsgContent":{}}]}"#);
        assert_eq!(sound, None);
    }

    #[test]
    fn a_reason_is_short_and_plain() {
        let long = format!(
            r#"{{"ErrorCode":1,"ErrorInfo":"a\n\u001b[2J{}"}}"#,
            "x".repeat(5_000)
        );
        let Some(Verdict::Refuse { reason, .. }) = read(&long) else {
            panic!("no refusal");
        };
        assert_eq!(reason.chars().count(), 256);
        assert!(reason.starts_with("a[2Jx"));
    }
}
