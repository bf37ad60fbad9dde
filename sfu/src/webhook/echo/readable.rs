//! A notice as a line for people, and its answer.

use std::fmt::{self, Write};
use std::time::Duration;

use serde_json::{Value, json};

use crate::auth::SecretKey;
use crate::webhook::sign::{room_sign, stream_sign};

/// How notices are checked and answered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EchoOptions {
    /// Verifies the header field `Sign`.
    pub key: Option<SecretKey>,
    /// Verifies the `sign` of streams; without one, `key` does.
    pub cdn_key: Option<SecretKey>,
    /// A message with this word is refused before it is sent.
    pub refuse: Option<String>,
}

/// One notice.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What it says, in one line.
    pub summary: String,
    /// What its signature is worth, in a few words.
    pub signature: &'static str,
    /// Its body, safe to print.
    pub body: String,
    /// What it is answered.
    pub answer: String,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} [{}]\n    {}",
            self.summary, self.signature, self.body
        )
    }
}

impl EchoOptions {
    /// Reads a notice: the header fields `SdkAppId` and `Sign`, and the body.
    pub fn read(&self, app: Option<&str>, sign: Option<&str>, body: &[u8]) -> Seen {
        let value: Value = serde_json::from_slice(body).unwrap_or_default();
        let mut summary = String::new();
        // Writing to a String does not fail.
        let _ = write!(summary, "app {}: ", app.unwrap_or("?"));
        let mut answer = json!({"code": 0});
        if let Some(command) = value["CallbackCommand"].as_str() {
            summary.push_str(&callback(command, &value));
            let refused = self.refused(command, &value);
            if let Some(word) = refused {
                let _ = write!(summary, " — refused");
                let reason = format!("the word {word} is not allowed");
                answer = json!({"ActionStatus": "OK", "ErrorInfo": reason, "ErrorCode": 1});
            } else {
                answer = json!({"ActionStatus": "OK", "ErrorInfo": "", "ErrorCode": 0});
            }
        } else if value["EventGroupId"].is_number() {
            summary.push_str(&event(&value));
        } else if value["event_type"].is_number() {
            summary.push_str(&stream(&value));
        } else {
            summary.push_str("no notice that is known");
        }
        Seen {
            summary: plain(&summary),
            signature: self.verify(sign, body, &value),
            body: plain(&String::from_utf8_lossy(body)),
            answer: answer.to_string(),
        }
    }

    fn verify(&self, sign: Option<&str>, body: &[u8], value: &Value) -> &'static str {
        let header = match (sign, &self.key) {
            (None, _) => None,
            (Some(_), None) => Some("signed, not checked"),
            (Some(sign), Some(key)) if sign == room_sign(key, body) => Some("signature ok"),
            (Some(_), Some(_)) => Some("SIGNATURE WRONG"),
        };
        let inner = match value["sign"].as_str() {
            None | Some("") => None,
            Some(sign) => Some(match (value["t"].as_u64(), self.stream_key()) {
                (_, None) => "signed, not checked",
                (Some(t), Some(key)) if sign == stream_sign(key, t) => "signature ok",
                _ => "SIGNATURE WRONG",
            }),
        };
        match (header, inner) {
            (None, None) => "not signed",
            (Some(one), None) | (None, Some(one)) => one,
            // The worse of both.
            (Some(header), Some(inner)) => {
                let order = ["SIGNATURE WRONG", "signed, not checked"];
                let worse = order.into_iter().find(|w| *w == header || *w == inner);
                worse.unwrap_or("signature ok")
            }
        }
    }

    fn stream_key(&self) -> Option<&SecretKey> {
        self.cdn_key.as_ref().or(self.key.as_ref())
    }

    /// The word for which a message is refused.
    fn refused(&self, command: &str, value: &Value) -> Option<&str> {
        let word = self.refuse.as_deref()?;
        let is_question = command.contains("CallbackBefore");
        (is_question && content(value).contains(word)).then_some(word)
    }
}

fn event(value: &Value) -> String {
    let info = &value["EventInfo"];
    let number = value["EventType"].as_u64().unwrap_or_default();
    let what = match number {
        101 => "created",
        102 => "dismissed",
        103 => "entered by",
        104 => "left by",
        105 => "role changed of",
        201 => "camera started by",
        202 => "camera stopped by",
        203 => "microphone started by",
        204 => "microphone stopped by",
        205 => "auxiliary track started by",
        206 => "auxiliary track stopped by",
        401 => "relay task",
        _ => "event",
    };
    let mut line = match info["StreamId"].as_str() {
        Some(stream) => format!("stream {stream} {what}"),
        None => format!("room {} {what}", info["RoomId"]),
    };
    for part in [&info["UserId"], &info["TaskId"]] {
        if let Some(text) = part.as_str() {
            let _ = write!(line, " {text}");
        }
    }
    match info["Role"].as_u64() {
        Some(20) => line.push_str(" as anchor"),
        Some(21) => line.push_str(" as audience"),
        _ => {}
    }
    if number == 401 {
        let _ = write!(line, " has status {}", info["Payload"]["Status"]);
    }
    let _ = write!(line, " ({}/{number})", value["EventGroupId"]);
    line
}

fn stream(value: &Value) -> String {
    let id = value["stream_id"].as_str().unwrap_or("?");
    let sequence = value["sequence"].as_str().unwrap_or("?");
    match value["event_type"].as_u64() {
        Some(1) => format!("stream {id} began (sequence {sequence})"),
        _ => {
            let lasted = value["push_duration"]
                .as_str()
                .and_then(|ms| ms.parse().ok());
            let lasted = Duration::from_millis(lasted.unwrap_or_default());
            format!("stream {id} ended after {lasted:?} (sequence {sequence})")
        }
    }
}

fn callback(command: &str, value: &Value) -> String {
    let room = if value["RoomId"].is_null() {
        &value["RoomInfo"]["RoomId"]
    } else {
        &value["RoomId"]
    };
    let mut line = format!("room {room} {command}");
    let who = [
        value["From_Account"].as_str(),
        value["MemberList_Account"][0].as_str(),
        value["NewMemberList"][0]["Member_Account"].as_str(),
        value["ExitMemberList"][0]["Member_Account"].as_str(),
        value["Operator_Account"].as_str(),
    ];
    let who = who.into_iter().flatten().find(|who| !who.is_empty());
    if let Some(who) = who {
        let _ = write!(line, " {who}");
    }
    let content = content(value);
    if !content.is_empty() {
        let short: String = content.chars().take(80).collect();
        let _ = write!(line, ": {short}");
    }
    line
}

/// All texts of a message.
fn content(value: &Value) -> String {
    let elements = value["MsgBody"].as_array().into_iter().flatten();
    let texts = elements.flat_map(|element| {
        let content = &element["MsgContent"];
        ["Text", "Data", "Desc", "Ext"]
            .map(|name| content[name].as_str().unwrap_or_default().to_owned())
    });
    let texts: Vec<String> = texts.filter(|text| !text.is_empty()).collect();
    texts.join(" ")
}

/// What strangers wrote must not steer a terminal.
fn plain(text: &str) -> String {
    let shown = text.chars().take(MAX_SHOWN);
    shown
        .flat_map(|c| match c {
            c if c.is_control() => c.escape_unicode().collect::<Vec<char>>(),
            c => vec![c],
        })
        .collect()
}

/// Characters of a body that are printed.
const MAX_SHOWN: usize = 4_096;

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> EchoOptions {
        EchoOptions {
            key: Some("123654".parse().unwrap()),
            cdn_key: Some("cbkey".parse().unwrap()),
            refuse: Some("spam".to_owned()),
        }
    }

    const ENTERED: &[u8] = br#"{"EventGroupId":1,"EventType":103,"CallbackTs":1700000000123,"EventInfo":{"RoomId":12345,"EventTs":1700000000,"UserId":"test","Role":20,"Reason":1}}"#;
    const SIGN: &str = "4/aXytz/fqNINBtoeg6EeCKzaD2FoXSLrrFlTB1CNZA=";

    #[test]
    fn an_entry_is_readable_and_its_signature_checked() {
        let seen = options().read(Some("14"), Some(SIGN), ENTERED);
        assert_eq!(
            seen.summary,
            "app 14: room 12345 entered by test as anchor (1/103)"
        );
        assert_eq!(seen.signature, "signature ok");
        assert_eq!(seen.answer, r#"{"code":0}"#);
        let changed = [ENTERED, b" "].concat();
        let seen = options().read(Some("14"), Some(SIGN), &changed);
        assert_eq!(seen.signature, "SIGNATURE WRONG");
        assert_eq!(options().read(None, None, ENTERED).signature, "not signed");
        let unchecked = EchoOptions::default().read(None, Some(SIGN), ENTERED);
        assert_eq!(unchecked.signature, "signed, not checked");
    }

    #[test]
    fn a_push_of_a_stream_in_no_room_is_readable() {
        let body = br#"{"EventGroupId":4,"EventType":401,"CallbackTs":1,"EventInfo":{"StreamId":"evening","EventTs":1,"TaskId":"t","Payload":{"Url":"rtmp://h/app","Status":2}}}"#;
        assert_eq!(
            options().read(Some("14"), None, body).summary,
            "app 14: stream evening relay task t has status 2 (4/401)"
        );
    }

    #[test]
    fn a_streams_signature_is_in_its_body() {
        let body = |sign: &str| {
            format!(
                r#"{{"event_type":0,"stream_id":"a","sequence":"7","push_duration":"1500","t":1700000600,"sign":"{sign}"}}"#
            )
        };
        let right = body("3bc18cba0c48182a7f1832e31df70a81");
        let seen = options().read(Some("14"), None, right.as_bytes());
        assert_eq!(
            seen.summary,
            "app 14: stream a ended after 1.5s (sequence 7)"
        );
        assert_eq!(seen.signature, "signature ok");
        let wrong = body("00000000000000000000000000000000");
        let sign = room_sign(&"123654".parse().unwrap(), wrong.as_bytes());
        let seen = options().read(Some("14"), Some(&sign), wrong.as_bytes());
        assert_eq!(seen.signature, "SIGNATURE WRONG", "the worse of both");
    }

    #[test]
    fn a_message_with_the_word_is_refused_before_it_is_sent() {
        let message = |command: &str, text: &str| {
            let body = json!({
                "CallbackCommand": command, "RoomId": 5, "From_Account": "anna",
                "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": text}}],
            });
            options().read(Some("14"), None, body.to_string().as_bytes())
        };
        let before = "Group.CallbackBeforeSendMsg";
        let refused = message(before, "buy spam now");
        assert!(refused.summary.ends_with("anna: buy spam now — refused"));
        let answer: Value = serde_json::from_str(&refused.answer).unwrap();
        assert_eq!(answer["ErrorCode"], 1);
        let after = message("Group.CallbackAfterSendMsg", "buy spam now");
        for passed in [message(before, "hello"), after] {
            let answer: Value = serde_json::from_str(&passed.answer).unwrap();
            assert_eq!(answer["ErrorCode"], 0, "{passed}");
        }
    }

    #[test]
    fn what_is_printed_steers_no_terminal() {
        let seen = options().read(Some("\u{1b}[2J"), None, b"{\"a\":\"\x1b[31m\xc2\x9b\"");
        let printed = seen.to_string();
        assert!(
            printed.chars().all(|c| c == '\n' || !c.is_control()),
            "{printed:?}"
        );
        assert!(printed.contains("no notice that is known"));
    }
}
