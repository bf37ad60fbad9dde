//! Answers to the server's offers are checked here before the WebRTC stack sees them.

use std::io::Cursor;

use packager::rtp::MediaKind;
use sdp::description::media::MediaDescription;
use sdp::description::session::SessionDescription;
use str0m::IceCreds;

use super::offer::{check_payload_types, clean, clip};

/// Longest answer, in bytes: those of browsers have at most 1.5 kB for an m-line.
pub const MAX_ANSWER: usize = 131_072;

/// Most lines of one answer.
const MAX_LINES: usize = 8_192;

/// What an answer has to fit.
pub(crate) struct Offered<'a> {
    /// The a=mid and kind of each m-line, in order.
    pub(crate) lines: &'a [(String, MediaKind)],
    /// The client's credentials, if the offer did not ask for an ICE restart.
    pub(crate) remote: Option<&'a IceCreds>,
}

/// Why an answer is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum AnswerFault {
    TooLarge { length: usize, limit: usize },
    Malformed(String),
}

impl From<String> for AnswerFault {
    fn from(reason: String) -> Self {
        Self::Malformed(reason)
    }
}

/// Checks an answer. Gives it as the WebRTC stack gets it: CRLF line ends, no candidates.
///
/// # Errors
/// The first thing that is wrong, in words for the one who sent it.
pub(crate) fn check(answer: &str, offered: &Offered<'_>) -> Result<String, AnswerFault> {
    if answer.len() > MAX_ANSWER {
        return Err(AnswerFault::TooLarge {
            length: answer.len(),
            limit: MAX_ANSWER,
        });
    }
    let clean = clean(answer, MAX_LINES)?;
    if clean.media != offered.lines.len() {
        return Err(AnswerFault::Malformed(format!(
            "it has {} m-lines, and the offer has {}",
            clean.media,
            offered.lines.len()
        )));
    }
    let parsed = SessionDescription::unmarshal(&mut Cursor::new(clean.text.as_bytes()))
        .map_err(|e| format!("not parsable as SDP: {e}"))?;
    if parsed.media_descriptions.len() != offered.lines.len() {
        return Err("its m-lines cannot be told apart".to_owned().into());
    }
    if parsed.has_attribute("ice-lite") {
        return Err("the answer is ICE-lite, and so is the server"
            .to_owned()
            .into());
    }
    for (index, (media, (mid, kind))) in parsed
        .media_descriptions
        .iter()
        .zip(offered.lines)
        .enumerate()
    {
        check_media(index, media, mid, *kind)?;
    }
    check_bundle(&parsed, offered.lines)?;
    check_credentials(&clean.text, offered.remote)?;
    Ok(without_candidates(&clean.text))
}

fn check_media(
    index: usize,
    media: &MediaDescription,
    mid: &str,
    kind: MediaKind,
) -> Result<(), String> {
    let wanted = match kind {
        MediaKind::Audio => "audio",
        MediaKind::Video => "video",
    };
    let given = media.media_name.media.as_str();
    if given != wanted {
        return Err(format!(
            "m-line {index} is of type {:?}, and the offer's is {wanted}",
            clip(given)
        ));
    }
    let given = media.attribute("mid").flatten().unwrap_or_default();
    if given != mid {
        return Err(format!(
            "m-line {index} has a=mid {:?}, and the offer's is {mid:?}",
            clip(given)
        ));
    }
    if !media.media_name.protos.iter().any(|p| p == "SAVPF") {
        return Err(format!(
            "m-line {index} has transport {:?}; UDP/TLS/RTP/SAVPF is allowed",
            clip(&media.media_name.protos.join("/"))
        ));
    }
    check_payload_types(index, &media.media_name.formats)?;
    for key in ["rid", "simulcast"] {
        if media.has_attribute(key) {
            return Err(format!(
                "m-line {index} has a={key}, and the offer has no layers"
            ));
        }
    }
    if let Some(setup) = media.attribute("setup").flatten()
        && !matches!(setup, "active" | "passive")
    {
        return Err(format!(
            "m-line {index} has a=setup {:?}; active or passive are allowed",
            clip(setup)
        ));
    }
    let is_rejected = media.media_name.port.value == 0;
    if media.media_name.formats.is_empty() && !is_rejected {
        return Err(format!("m-line {index} lists no payload type"));
    }
    let directions: Vec<&str> = media
        .attributes
        .iter()
        .map(|a| a.key.as_str())
        .filter(|key| matches!(*key, "sendrecv" | "sendonly" | "recvonly" | "inactive"))
        .collect();
    if !matches!(directions[..], ["recvonly" | "inactive"]) {
        return Err(format!("m-line {index} must be recvonly or inactive"));
    }
    Ok(())
}

/// One transport carries all m-lines that are not rejected (RFC 9143 §7.3).
fn check_bundle(answer: &SessionDescription, lines: &[(String, MediaKind)]) -> Result<(), String> {
    let group = answer.attribute("group").map(String::as_str);
    let mut bundled = group.unwrap_or_default().split_ascii_whitespace();
    let is_bundle = bundled.next() == Some("BUNDLE");
    let bundled: Vec<&str> = bundled.collect();
    let wanted = answer
        .media_descriptions
        .iter()
        .zip(lines)
        .filter(|(media, (mid, _))| {
            media.media_name.port.value != 0 || bundled.contains(&mid.as_str())
        })
        .map(|(_, (mid, _))| mid.as_str());
    if is_bundle && wanted.eq(bundled.iter().copied()) {
        Ok(())
    } else {
        Err("a=group:BUNDLE must list the m-lines that are not rejected, in their order".to_owned())
    }
}

/// All m-lines share one transport (BUNDLE): there is one pair of credentials.
fn check_credentials(text: &str, known: Option<&IceCreds>) -> Result<(), String> {
    let values = |key: &str| -> Vec<String> {
        let mut values: Vec<String> = text
            .lines()
            .filter_map(|l| l.strip_prefix(key))
            .map(str::to_owned)
            .collect();
        values.dedup();
        values
    };
    let mut found = [String::new(), String::new(), String::new()];
    for (slot, key) in found
        .iter_mut()
        .zip(["a=ice-ufrag:", "a=ice-pwd:", "a=fingerprint:"])
    {
        let mut all = values(key);
        match (all.pop(), all.is_empty()) {
            (Some(value), true) if !value.is_empty() && value.len() <= 256 => *slot = value,
            (None, _) => return Err(format!("there is no {key}")),
            _ => return Err(format!("there has to be one {key} for all m-lines")),
        }
    }
    let [ufrag, pwd, _] = found;
    match known {
        Some(known) if known.ufrag != ufrag || known.pass != pwd => {
            Err("it has new ICE credentials, and the offer did not ask for a restart".to_owned())
        }
        _ => Ok(()),
    }
}

fn without_candidates(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        if line != "a=end-of-candidates" && !line.starts_with("a=candidate:") {
            out.push_str(line);
            out.push_str("\r\n");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const ANSWER: &str = "v=0\r\n\
        o=- 1 2 IN IP4 127.0.0.1\r\n\
        s=-\r\n\
        t=0 0\r\n\
        a=group:BUNDLE a1 v1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host\r\n\
        a=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
        a=fingerprint:sha-256 AA:BB\r\n\
        a=setup:active\r\n\
        a=mid:a1\r\n\
        a=recvonly\r\n\
        a=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
        a=fingerprint:sha-256 AA:BB\r\n\
        a=setup:active\r\n\
        a=mid:v1\r\n\
        a=inactive\r\n\
        a=rtcp-mux\r\n\
        a=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 rtx/90000\r\n";

    fn lines() -> Vec<(String, MediaKind)> {
        vec![
            ("a1".to_owned(), MediaKind::Audio),
            ("v1".to_owned(), MediaKind::Video),
        ]
    }

    fn check_one(answer: &str, remote: Option<&IceCreds>) -> Result<String, AnswerFault> {
        let lines = lines();
        check(
            answer,
            &Offered {
                lines: &lines,
                remote,
            },
        )
    }

    #[test]
    fn honest_answer_loses_its_candidates() {
        let checked = check_one(ANSWER, None).expect("accepted");
        assert!(!checked.contains("candidate"));
        let lf = ANSWER.replace("\r\n", "\n");
        assert_eq!(check_one(&lf, None), Ok(checked));
        let rejected = ANSWER.replace("m=video 9", "m=video 0");
        assert!(check_one(&rejected, None).is_ok());
        let rejected = rejected.replace("BUNDLE a1 v1", "BUNDLE a1");
        assert!(check_one(&rejected, None).is_ok());
    }

    #[test]
    fn each_fault_is_named() {
        let known = IceCreds {
            ufrag: "abcd".to_owned(),
            pass: "other".to_owned(),
        };
        for (answer, remote, wanted) in [
            (String::new(), None, "empty"),
            ("hello".to_owned(), None, "not of the form"),
            (
                ANSWER[..ANSWER.find("m=video").expect("video")].to_owned(),
                None,
                "1 m-lines",
            ),
            (format!("{ANSWER}{ANSWER}"), None, "4 m-lines"),
            (ANSWER.replace("a=mid:a1", "a=mid:v1"), None, "a=mid \"v1\""),
            (
                ANSWER.replace("m=audio", "m=application"),
                None,
                "application",
            ),
            (ANSWER.replace("SAVPF 111", "AVP 111"), None, "transport"),
            (ANSWER.replace("SAVPF 111", "SAVPF 200"), None, "0 to 127"),
            (
                ANSWER.replace("a=recvonly", "a=sendrecv"),
                None,
                "recvonly or inactive",
            ),
            (ANSWER.replace("a=recvonly\r\n", ""), None, "recvonly or"),
            (
                ANSWER.replace("setup:active", "setup:actpass"),
                None,
                "active or passive",
            ),
            (ANSWER.replace("a=ice-pwd:", "a=x:"), None, "no a=ice-pwd"),
            (
                ANSWER.replacen("a=ice-ufrag:abcd", "a=ice-ufrag:abce", 1),
                None,
                "one a=ice-ufrag",
            ),
            (ANSWER.replace("a=fingerprint:", "a=x:"), None, "no a=finge"),
            (
                ANSWER.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"),
                None,
                "ICE-lite",
            ),
            (format!("{ANSWER}a=rid:h recv\r\n"), None, "a=rid"),
            (ANSWER.replace("BUNDLE a1 v1", "BUNDLE a1"), None, "a=group"),
            (ANSWER.replace("a=group:", "a=x:"), None, "a=group"),
            (
                ANSWER.replace("BUNDLE a1 v1", "BUNDLE v1 a1"),
                None,
                "order",
            ),
            (format!("{ANSWER}a=x\u{7}\r\n"), None, "control character"),
            (ANSWER.to_owned(), Some(&known), "new ICE credentials"),
        ] {
            match check_one(&answer, remote) {
                Err(AnswerFault::Malformed(got)) => {
                    assert!(got.contains(wanted), "{wanted:?} not in {got:?}");
                }
                other => panic!("{wanted:?}: {other:?}"),
            }
        }
        let huge = format!("{ANSWER}{}", "a=x\r\n".repeat(100_000));
        assert!(matches!(
            check_one(&huge, None),
            Err(AnswerFault::TooLarge { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_broken_answer_makes_it_panic(
            cut in 0..ANSWER.len(),
            insert in "(?s).{0,20}",
            line in 0_usize..27,
        ) {
            let mut lines: Vec<&str> = ANSWER.lines().collect();
            lines.insert(line, &insert);
            let _ = check_one(&lines.join("\n"), None);
            let _ = check_one(&ANSWER[..cut], None);
        }
    }
}
