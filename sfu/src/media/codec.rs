//! What the server negotiates, and how str0m's names map to ours.

use std::time::{Duration, Instant};

use packager::rtp::{Codec, MediaKind};
use str0m::bwe::Bitrate;
use str0m::config::DtlsCert;
use str0m::format::Codec as RtcCodec;
use str0m::media::{MediaKind as RtcKind, Pt};
use str0m::rtp::{Extension, ExtensionMap};
use str0m::{IceCreds, Rtc, RtcConfig};

use super::dependency;
use super::session::{Purpose, WAY_INTERVAL};

/// A peer connection with the server's codecs and extensions, in the server's order.
pub(crate) fn build_rtc(
    purpose: Purpose,
    redundant_audio: bool,
    cert: &DtlsCert,
    creds: IceCreds,
    now: Instant,
) -> Rtc {
    let mut config = RtcConfig::new()
        .set_rtp_mode(true)
        .set_ice_lite(true)
        .set_local_ice_credentials(creds)
        .set_dtls_cert(cert.clone())
        .set_stats_interval(Some(match purpose {
            Purpose::Publisher => FIGURES_INTERVAL,
            purpose if purpose.estimates() => WAY_INTERVAL,
            _ => STATS_INTERVAL,
        }))
        .clear_codecs()
        .set_extension_map(extensions(purpose))
        .enable_bwe(purpose.estimates().then_some(FIRST_ESTIMATE));
    let codecs = config.codec_config();
    // With in-band FEC. RED stands before Opus in what is written: browsers send it only then.
    codecs.enable_opus(true, redundant_audio);
    // One is sent for all of them; that the others are in a client's offer is its business.
    let profiles = match purpose {
        Purpose::Receiver => &H264[..1],
        Purpose::Publisher | Purpose::Subscriber { .. } => &H264[..],
    };
    for &(pt, rtx, packetization_mode, profile_level_id) in profiles {
        codecs.add_h264(
            Pt::new_with_value(pt),
            Some(Pt::new_with_value(rtx)),
            packetization_mode,
            profile_level_id,
        );
    }
    codecs.enable_vp8(true);
    codecs.enable_vp9(true);
    codecs.enable_av1(true);
    // Behind those that every browser has: a client that offers others sends one of them.
    codecs.enable_h265(true);
    config.build(now)
}

fn extensions(purpose: Purpose) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    map.set(1, Extension::AudioLevel);
    map.set(4, Extension::RtpMid);
    map.set(12, dependency::extension());
    map.set(13, Extension::VideoOrientation);
    if purpose == Purpose::Publisher || purpose.estimates() {
        // Feedback for the sender's bandwidth estimation: the browser's, or the server's.
        map.set(3, Extension::TransportSequenceNumber);
    }
    if purpose != Purpose::Publisher {
        map.set(5, Extension::PlayoutDelay);
    }
    if purpose == Purpose::Publisher {
        map.set(10, Extension::RtpStreamId);
        map.set(11, Extension::RepairedRtpStreamId);
    }
    map
}

/// An answer to an offer of stereo sound. An encoder sends stereo only if it is answered (RFC 7587
/// §7.1); answered unasked, it would spend bits on it. str0m has no such setting for Opus with RED.
pub(crate) fn with_stereo(answer: &str) -> String {
    let opus = answer
        .lines()
        .filter_map(|line| line.strip_prefix("a=rtpmap:")?.split_once(' '))
        .find(|(_, codec)| codec.eq_ignore_ascii_case("opus/48000/2"));
    let Some((payload_type, _)) = opus else {
        return answer.to_owned();
    };
    let fmtp = format!("a=fmtp:{payload_type} ");
    answer.replace(&fmtp, &format!("{fmtp}stereo=1;"))
}

/// H.264 in order of preference: payload type, its RTX, packetization mode 1, profile-level-id.
/// Constrained Baseline first: every browser and the FLV and HLS path take it.
const H264: [(u8, u8, bool, u32); 8] = [
    (108, 109, true, 0x42e01f),
    (127, 121, true, 0x42001f),
    (123, 119, true, 0x4d001f),
    (114, 115, true, 0x64001f),
    (116, 117, true, 0x640c1f),
    (124, 120, false, 0x42e01f),
    (125, 107, false, 0x42001f),
    (35, 36, false, 0x4d001f),
];

/// What a link is taken to carry before its first feedback: enough for a picture of 1080p, so that
/// joining begins with the best one.
const FIRST_ESTIMATE: Bitrate = Bitrate::mbps(5);

/// How often a WHEP session without feedback says how many packets were asked for again.
const STATS_INTERVAL: Duration = Duration::from_secs(2);

/// How often the sessions of rooms say how their packets travel.
pub(crate) const FIGURES_INTERVAL: Duration = Duration::from_secs(2);

/// Number of codecs, for tables by codec.
pub(crate) const CODECS: usize = 6;

/// Index of a codec in such tables.
pub(crate) fn index(codec: Codec) -> usize {
    match codec {
        Codec::H264 => 0,
        Codec::Vp8 => 1,
        Codec::Vp9 => 2,
        Codec::Av1 => 3,
        Codec::Opus => 4,
        Codec::H265 => 5,
    }
}

/// Our name for a codec that the server negotiates.
pub(crate) fn from_rtc(codec: RtcCodec) -> Option<Codec> {
    match codec {
        RtcCodec::H264 => Some(Codec::H264),
        RtcCodec::H265 => Some(Codec::H265),
        RtcCodec::Vp8 => Some(Codec::Vp8),
        RtcCodec::Vp9 => Some(Codec::Vp9),
        RtcCodec::Av1 => Some(Codec::Av1),
        RtcCodec::Opus => Some(Codec::Opus),
        _ => None,
    }
}

/// Our name for a kind of media.
pub(crate) fn kind(kind: RtcKind) -> MediaKind {
    match kind {
        RtcKind::Audio => MediaKind::Audio,
        RtcKind::Video => MediaKind::Video,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stereo_is_answered_for_opus_and_nothing_else() {
        let answer = "a=rtpmap:63 red/48000/2\r\na=fmtp:63 111/111\r\n\
                      a=rtpmap:111 opus/48000/2\r\na=fmtp:111 minptime=10;useinbandfec=1\r\n";
        let stereo = with_stereo(answer);
        assert_eq!(stereo, answer.replace("111 min", "111 stereo=1;min"));
        assert_eq!(with_stereo("v=0\r\n"), "v=0\r\n");
    }
}
