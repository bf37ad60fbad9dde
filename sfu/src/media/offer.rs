//! Offers are checked here before the WebRTC stack sees them.

use std::borrow::Cow;
use std::collections::HashSet;
use std::io::Cursor;

use packager::rtp::{Codec, MediaKind};
use sdp::description::session::SessionDescription;

use crate::worker::api::{OfferError, Role};

/// Longest offer, in bytes. Browsers with every codec and three simulcast layers stay below 16 kB.
pub const MAX_OFFER: usize = 65_536;

/// Most m-lines of one offer.
pub const MAX_MEDIA_LINES: usize = 32;

/// Most candidates of one offer.
pub const MAX_CANDIDATES: usize = 100;

/// Most lines of one offer.
const MAX_LINES: usize = 4_096;

/// Longest line in bytes.
const MAX_LINE: usize = 4_096;

/// Most simulcast layers of one track.
pub const MAX_LAYERS: usize = 4;

/// An offer that the server can answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckedOffer {
    /// The offer as the WebRTC stack gets it: CRLF line ends, no candidates (an ICE-lite agent
    /// learns addresses from checks that carry the right password), one-way directions.
    pub sdp: String,
    /// There is an audio track.
    pub audio: bool,
    /// There is a video track.
    pub video: bool,
    /// The audio is offered as stereo (RFC 7587 §7.1).
    pub stereo: bool,
    /// The client can say when each packet arrived (transport-wide congestion control).
    pub feedback: bool,
    /// The a=mid of each m-line and what it carries.
    pub media: Vec<(String, MediaKind)>,
}

impl CheckedOffer {
    /// The offer for a stream whose video comes in `codec`. A video section that lacks the codec
    /// becomes inactive, and so does its answer: the client sees that no picture will come, and
    /// has the sound.
    pub(crate) fn for_video(&self, codec: Codec) -> Cow<'_, Self> {
        let mut is_video = false;
        let is_codec = |line: &str| {
            let name = line
                .strip_prefix("a=rtpmap:")
                .and_then(|l| l.split_once(' '))
                .and_then(|(_, l)| l.split('/').next());
            name.is_some_and(|name| name.eq_ignore_ascii_case(codec.name()))
        };
        if !self.video || self.sdp.lines().any(is_codec) {
            return Cow::Borrowed(self);
        }
        let mut sdp = String::with_capacity(self.sdp.len());
        for line in self.sdp.lines() {
            if line.starts_with("m=") {
                is_video = line.starts_with("m=video");
            }
            let is_direction = is_video && line == "a=recvonly";
            sdp.push_str(if is_direction { "a=inactive" } else { line });
            sdp.push_str("\r\n");
        }
        Cow::Owned(Self {
            sdp,
            ..self.clone()
        })
    }
}

const AUDIO_CODECS: &[&str] = &["opus"];
const VIDEO_CODECS: &[&str] = &["H264", "VP8", "VP9", "AV1", "H265"];

/// Checks an offer for an endpoint of the given role.
///
/// # Errors
/// The first thing that is wrong, in words for the one who sent it.
pub fn check(offer: &str, role: Role) -> Result<CheckedOffer, OfferError> {
    if offer.len() > MAX_OFFER {
        return Err(OfferError::TooLarge {
            length: offer.len(),
            limit: MAX_OFFER,
        });
    }
    let text = check_lines(offer)?;
    let parsed = SessionDescription::unmarshal(&mut Cursor::new(text.as_bytes()))
        .map_err(|e| malformed(format!("not parsable as SDP: {e}")))?;
    if parsed.media_descriptions.is_empty() {
        return Err(malformed("there is no m-line"));
    }

    let session_has = |key: &str| parsed.attribute(key).is_some_and(|v| !v.is_empty());
    let mut mids = HashSet::new();
    let mut lines = Vec::new();
    let (mut audio, mut video) = (0_usize, 0_usize);
    let mut directed = 0_usize;
    for (index, media) in parsed.media_descriptions.iter().enumerate() {
        let kind = match media.media_name.media.as_str() {
            "audio" => MediaKind::Audio,
            "video" => MediaKind::Video,
            other => {
                return Err(malformed(format!(
                    "m-line {index} is of type {:?}; audio and video are allowed",
                    clip(other)
                )));
            }
        };
        let value = |key: &str| media.attribute(key).flatten().unwrap_or_default();
        let mid = value("mid");
        if mid.is_empty() || mid.len() > 16 {
            return Err(malformed(format!(
                "m-line {index} has no a=mid of 1 to 16 characters"
            )));
        }
        if !mids.insert(mid.to_owned()) {
            return Err(malformed(format!("a=mid {:?} is there twice", clip(mid))));
        }
        if !media.media_name.protos.iter().any(|p| p == "SAVPF") {
            return Err(malformed(format!(
                "m-line {index} has transport {:?}; UDP/TLS/RTP/SAVPF is allowed",
                clip(&media.media_name.protos.join("/"))
            )));
        }
        for key in ["ice-ufrag", "ice-pwd", "fingerprint"] {
            if value(key).is_empty() && !session_has(key) {
                return Err(malformed(format!("m-line {index} has no a={key}")));
            }
        }
        check_payload_types(index, &media.media_name.formats).map_err(malformed)?;
        check_codecs(kind, media)?;
        check_layers(index, media)?;
        match kind {
            MediaKind::Audio => audio += 1,
            MediaKind::Video => video += 1,
        }
        lines.push((mid.to_owned(), kind));
        let flag = |key: &str| media.has_attribute(key) || parsed.has_attribute(key);
        let wanted = match role {
            Role::Publisher => "sendonly",
            Role::Subscriber => "recvonly",
        };
        let other = ["sendonly", "recvonly", "inactive"]
            .iter()
            .any(|d| *d != wanted && flag(d));
        if flag(wanted) || flag("sendrecv") || !other {
            directed += 1;
        }
    }
    if parsed.has_attribute("ice-lite") {
        return Err(malformed("the offer is ICE-lite, and so is the server"));
    }
    if directed < parsed.media_descriptions.len() {
        return Err(OfferError::WrongDirection {
            role,
            wanted: match role {
                Role::Publisher => "sendonly or sendrecv",
                Role::Subscriber => "recvonly or sendrecv",
            },
        });
    }
    for (count, kind) in [(audio, "audio"), (video, "video")] {
        if count > 1 {
            return Err(malformed(format!(
                "there are {count} {kind} m-lines; a stream has at most one"
            )));
        }
    }
    Ok(CheckedOffer {
        sdp: rewrite(&text, role),
        audio: audio > 0,
        video: video > 0,
        stereo: text.lines().any(is_stereo),
        feedback: has_feedback(&text),
        media: lines,
    })
}

fn check_lines(offer: &str) -> Result<String, OfferError> {
    let clean = clean(offer, MAX_LINES).map_err(malformed)?;
    if clean.media > MAX_MEDIA_LINES {
        return Err(OfferError::TooManyMediaLines {
            count: clean.media,
            limit: MAX_MEDIA_LINES,
        });
    }
    Ok(clean.text)
}

/// A description whose lines look like some.
pub(super) struct Clean {
    /// With CRLF line ends and without empty lines.
    pub(super) text: String,
    /// m-lines in it.
    pub(super) media: usize,
}

/// Looks at a description line by line.
pub(super) fn clean(description: &str, max_lines: usize) -> Result<Clean, String> {
    let mut text = String::with_capacity(description.len() + 64);
    let (mut media, mut candidates) = (0_usize, 0_usize);
    for (index, line) in description.lines().enumerate() {
        if index >= max_lines {
            return Err(format!("there are more than {max_lines} lines"));
        }
        if line.is_empty() {
            continue;
        }
        if line.len() > MAX_LINE {
            return Err(format!(
                "line {} has {} bytes; at most {MAX_LINE} are allowed",
                index + 1,
                line.len()
            ));
        }
        let typed = line.as_bytes().first().is_some_and(u8::is_ascii_lowercase)
            && line.as_bytes().get(1) == Some(&b'=');
        if !typed {
            return Err(format!("line {} is not of the form x=…", index + 1));
        }
        if line.bytes().any(|b| b.is_ascii_control()) {
            return Err(format!("line {} has a control character", index + 1));
        }
        if line.starts_with("m=") {
            media += 1;
        }
        if line.starts_with("a=candidate:") {
            candidates += 1;
        }
        text.push_str(line);
        text.push_str("\r\n");
    }
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if candidates > MAX_CANDIDATES {
        return Err(format!(
            "there are {candidates} candidates; at most {MAX_CANDIDATES} are allowed"
        ));
    }
    Ok(Clean { text, media })
}

/// Payload types are numbers, each there once.
pub(super) fn check_payload_types(index: usize, formats: &[String]) -> Result<(), String> {
    let mut seen = HashSet::new();
    for format in formats {
        match format.parse::<u8>() {
            Ok(pt) if pt <= 127 => {
                if !seen.insert(pt) {
                    return Err(format!("m-line {index} lists payload type {pt} twice"));
                }
            }
            _ => {
                return Err(format!(
                    "m-line {index} lists payload type {:?}; 0 to 127 are allowed",
                    clip(format)
                ));
            }
        }
    }
    Ok(())
}

fn check_codecs(
    kind: MediaKind,
    media: &sdp::description::media::MediaDescription,
) -> Result<(), OfferError> {
    let (name, allowed, listed) = match kind {
        MediaKind::Audio => ("audio", AUDIO_CODECS, "opus"),
        MediaKind::Video => ("video", VIDEO_CODECS, "H264, VP8, VP9, AV1, H265"),
    };
    let mut offered: Vec<String> = Vec::new();
    for attribute in &media.attributes {
        if attribute.key != "rtpmap" {
            continue;
        }
        let codec = attribute
            .value
            .as_deref()
            .and_then(|v| v.split_once(' '))
            .and_then(|(_, v)| v.trim().split('/').next())
            .unwrap_or_default();
        if allowed.iter().any(|a| a.eq_ignore_ascii_case(codec)) {
            return Ok(());
        }
        if offered.len() < 16 && !offered.iter().any(|o| o == codec) {
            offered.push(clip(codec).to_owned());
        }
    }
    Err(OfferError::NoCommonCodec {
        kind: name,
        offered: if offered.is_empty() {
            "none".to_owned()
        } else {
            offered.join(", ")
        },
        allowed: listed,
    })
}

fn check_layers(
    index: usize,
    media: &sdp::description::media::MediaDescription,
) -> Result<(), OfferError> {
    let rids = media.attributes.iter().filter(|a| a.key == "rid").count();
    if rids > MAX_LAYERS {
        return Err(malformed(format!(
            "m-line {index} has {rids} simulcast layers; at most {MAX_LAYERS} are allowed"
        )));
    }
    Ok(())
}

fn is_stereo(line: &str) -> bool {
    let Some((_, params)) = line.strip_prefix("a=fmtp:").and_then(|l| l.split_once(' ')) else {
        return false;
    };
    params.split(';').any(|p| p.trim() == "stereo=1")
}

/// draft-holmer-rmcat-transport-wide-cc-extensions-01 §4.
fn has_feedback(text: &str) -> bool {
    let is_extension =
        |line: &str| line.starts_with("a=extmap:") && line.contains(TRANSPORT_SEQUENCE);
    let is_feedback =
        |line: &str| line.starts_with("a=rtcp-fb:") && line.ends_with(" transport-cc");
    text.lines().any(is_extension) && text.lines().any(is_feedback)
}

/// The end of the extension's URI.
const TRANSPORT_SEQUENCE: &str = "draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// The offer for the WebRTC stack.
fn rewrite(text: &str, role: Role) -> String {
    let one_way = match role {
        Role::Publisher => "a=sendonly",
        Role::Subscriber => "a=recvonly",
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines() {
        match line {
            "a=end-of-candidates" => continue,
            "a=sendrecv" => out.push_str(one_way),
            _ if line.starts_with("a=candidate:") => continue,
            _ => out.push_str(line),
        }
        out.push_str("\r\n");
    }
    out
}

fn malformed(reason: impl Into<String>) -> OfferError {
    OfferError::Malformed {
        reason: reason.into(),
    }
}

/// The start of a text from outside, for an error message.
pub(super) fn clip(text: &str) -> &str {
    match text.char_indices().nth(32) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const OFFER: &str = "v=0\r\n\
        o=- 1 2 IN IP4 127.0.0.1\r\n\
        s=-\r\n\
        t=0 0\r\n\
        a=group:BUNDLE 0 1\r\n\
        m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=candidate:1 1 udp 2113937151 192.0.2.1 5000 typ host\r\n\
        a=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
        a=fingerprint:sha-256 AA:BB\r\n\
        a=setup:actpass\r\n\
        a=mid:0\r\n\
        a=sendrecv\r\n\
        a=rtcp-mux\r\n\
        a=rtpmap:111 opus/48000/2\r\n\
        m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\n\
        c=IN IP4 0.0.0.0\r\n\
        a=ice-ufrag:abcd\r\n\
        a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n\
        a=fingerprint:sha-256 AA:BB\r\n\
        a=setup:actpass\r\n\
        a=mid:1\r\n\
        a=sendonly\r\n\
        a=rtcp-mux\r\n\
        a=rtpmap:96 VP8/90000\r\n\
        a=rtpmap:97 rtx/90000\r\n";

    fn reason(offer: &str) -> String {
        check(offer, Role::Publisher)
            .expect_err("refused")
            .to_string()
    }

    #[test]
    fn honest_offer_loses_its_candidates_and_its_second_direction() {
        let checked = check(OFFER, Role::Publisher).expect("accepted");
        assert!(checked.audio && checked.video && !checked.stereo);
        assert!(!checked.sdp.contains("candidate"));
        assert!(!checked.sdp.contains("sendrecv"));
        assert_eq!(checked.sdp.matches("a=sendonly\r\n").count(), 2);
        let lf = OFFER.replace("\r\n", "\n");
        assert_eq!(check(&lf, Role::Publisher).expect("accepted"), checked);
    }

    #[test]
    fn each_fault_is_named() {
        for (offer, wanted) in [
            (String::new(), "empty"),
            ("hello".to_owned(), "line 1 is not of the form"),
            ("v=0\r\n".to_owned(), "SDP"),
            (OFFER.replace("a=mid:1", "a=mid:0"), "twice"),
            (OFFER.replace("a=mid:1\r\n", ""), "no a=mid"),
            (
                OFFER.replace("a=ice-pwd:abcdefghijklmnopqrstuvwx\r\n", ""),
                "no a=ice-pwd",
            ),
            (
                OFFER.replace("a=fingerprint:sha-256 AA:BB\r\n", ""),
                "no a=fingerprint",
            ),
            (OFFER.replace("m=audio", "m=application"), "application"),
            (OFFER.replace("SAVPF 111", "SAVPF 111 111"), "twice"),
            (OFFER.replace("SAVPF 111", "SAVPF 200"), "0 to 127"),
            (
                OFFER.replace("VP8/90000", "H261/90000"),
                "no common codec for video: offered H261, rtx",
            ),
            (
                OFFER.replace("a=sendonly", "a=recvonly"),
                "sendonly or sendrecv",
            ),
            (format!("{OFFER}{}", "a=x\u{7}\r\n"), "control character"),
            (
                OFFER.replace("t=0 0\r\n", "t=0 0\r\na=ice-lite\r\n"),
                "ICE-lite",
            ),
            (
                format!("{OFFER}{}", "a=rid:a send\r\n".repeat(5)),
                "5 simulcast layers",
            ),
            (
                format!(
                    "{OFFER}{}",
                    "a=candidate:1 1 udp 1 192.0.2.1 5 typ host\r\n".repeat(100)
                ),
                "101 candidates",
            ),
        ] {
            let got = reason(&offer);
            assert!(got.contains(wanted), "{wanted:?} not in {got:?}");
        }
    }

    #[test]
    fn stereo_is_noticed() {
        let offer = format!("{OFFER}a=fmtp:111 minptime=10;stereo=1; useinbandfec=1\r\n");
        assert!(check(&offer, Role::Publisher).expect("accepted").stereo);
    }

    #[test]
    fn feedback_needs_its_extension() {
        let feedback = "a=rtcp-fb:108 transport-cc\r\n";
        let extension = format!("a=extmap:3 http://www.ietf.org/id/{TRANSPORT_SEQUENCE}\r\n");
        for (lines, has) in [
            (String::new(), false),
            (feedback.to_owned(), false),
            (extension.clone(), false),
            (format!("{extension}{feedback}"), true),
        ] {
            let checked = check(&format!("{OFFER}{lines}"), Role::Publisher);
            assert_eq!(checked.expect("accepted").feedback, has, "{lines}");
        }
    }

    #[test]
    fn sizes_are_bounded() {
        let huge = format!("{OFFER}{}", "a=x\r\n".repeat(200_000));
        assert!(matches!(
            check(&huge, Role::Publisher),
            Err(OfferError::TooLarge { .. })
        ));
        let many = format!(
            "v=0\r\n{}",
            "m=audio 9 UDP/TLS/RTP/SAVPF 111\r\n".repeat(500)
        );
        assert_eq!(
            check(&many, Role::Publisher),
            Err(OfferError::TooManyMediaLines {
                count: 500,
                limit: 32
            })
        );
    }

    #[test]
    fn subscriber_must_receive() {
        let offer = OFFER.replace("a=sendonly", "a=recvonly");
        let checked = check(&offer, Role::Subscriber).expect("accepted");
        assert_eq!(checked.sdp.matches("a=recvonly\r\n").count(), 2);
        assert!(matches!(
            check(OFFER, Role::Subscriber),
            Err(OfferError::WrongDirection { .. })
        ));
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(?s).{0,400}") {
            let _ = check(&text, Role::Publisher);
        }

        #[test]
        fn no_broken_offer_makes_it_panic(
            cut in 0..OFFER.len(),
            insert in "(?s).{0,20}",
            line in 0_usize..27,
        ) {
            let mut lines: Vec<&str> = OFFER.lines().collect();
            lines.insert(line, &insert);
            let text = lines.join("\n");
            let _ = check(&text, Role::Subscriber);
            let _ = check(&OFFER[..cut], Role::Publisher);
        }
    }
}
