//! Begin and end of a stream on the CDN path.

use serde::Serialize;

use super::json;
use crate::auth::SecretKey;
use crate::live::chat::UnixTime;
use crate::webhook::notice::{StreamNotice, StreamPhase};
use crate::webhook::sign::stream_sign;

pub(in crate::webhook) fn stream(
    notice: &StreamNotice,
    now: UnixTime,
    key: Option<&SecretKey>,
) -> Vec<u8> {
    let t = now.as_secs().saturating_add(GOOD_FOR);
    let (width, height) = notice.size.unwrap_or_default();
    let (event_type, push_duration) = match notice.phase {
        StreamPhase::Began => (1, None),
        StreamPhase::Ended { lasted } => (0, Some(lasted.as_millis().to_string())),
    };
    json(&Stream {
        app: "",
        appid: notice.app.0,
        appname: "live",
        channel_id: notice.stream.as_str(),
        stream_id: notice.stream.as_str(),
        stream_param: "",
        event_type,
        event_time: notice.at.as_secs(),
        sequence: notice.sequence.to_string(),
        node: "",
        user_ip: notice.from.map(|ip| ip.to_string()).unwrap_or_default(),
        push_duration,
        errcode: 0,
        errmsg: "",
        width,
        height,
        t,
        sign: key.map(|key| stream_sign(key, t)).unwrap_or_default(),
    })
}

#[derive(Serialize)]
struct Stream<'a> {
    /// The push domain: a WHIP publisher names none.
    app: &'a str,
    appid: u32,
    appname: &'a str,
    channel_id: &'a str,
    stream_id: &'a str,
    stream_param: &'a str,
    event_type: u8,
    event_time: u64,
    sequence: String,
    node: &'a str,
    user_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    push_duration: Option<String>,
    errcode: i32,
    errmsg: &'a str,
    width: u32,
    height: u32,
    t: u64,
    sign: String,
}

/// Seconds until `t`.
const GOOD_FOR: u64 = 600;
