//! Begin and end of a stream on the CDN path, and recordings of one.

use serde::Serialize;

use super::json;
use crate::auth::SecretKey;
use crate::live::chat::UnixTime;
use crate::record::address;
use crate::webhook::notice::{RecordNotice, StreamNotice, StreamPhase};
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

/// A file was recorded (100), or nothing was. The vendor tells of each file by itself; this names
/// the MP4 file, or else the playlist, and beside it all that is known.
pub(in crate::webhook) fn recording(
    notice: &RecordNotice,
    now: UnixTime,
    key: Option<&SecretKey>,
) -> Vec<u8> {
    let t = now.as_secs().saturating_add(GOOD_FOR);
    let recording = &*notice.recording;
    let mp4 = recording.mp4.as_ref();
    let (file_format, file) = match (mp4, &recording.playlist) {
        (Some((path, bytes)), _) => ("mp4", Some((path.as_str(), *bytes))),
        (None, Some(path)) => ("hls", Some((path.as_str(), recording.bytes))),
        (None, None) => ("", None),
    };
    let (video_url, file_size) = file.unwrap_or_default();
    let address_of = |path: Option<&str>| path.filter(|_| notice.is_served).map(address);
    json(&Recording {
        app: "",
        appid: notice.app.0,
        appname: "live",
        channel_id: recording.stream.as_str(),
        stream_id: recording.stream.as_str(),
        stream_param: "",
        event_type: 100,
        task_id: recording.id.as_str(),
        file_id: recording.id.as_str(),
        file_format,
        start_time: recording.started_at / 1_000,
        end_time: notice.at.as_secs(),
        duration: recording.duration.as_secs_f64().round() as u64,
        file_size,
        video_url,
        playlist: recording.playlist.as_deref(),
        playlist_url: address_of(recording.playlist.as_deref()),
        mp4_url: address_of(mp4.map(|(path, _)| path.as_str())),
        reason: recording.reason.map_or("", |reason| reason.name()),
        segments: recording.segments,
        missed_segments: recording.missed,
        errcode: if recording.error.is_some() { -1 } else { 0 },
        errmsg: recording.error.as_deref().unwrap_or_default(),
        t,
        sign: key.map(|key| stream_sign(key, t)).unwrap_or_default(),
    })
}

#[derive(Serialize)]
struct Recording<'a> {
    app: &'a str,
    appid: u32,
    appname: &'a str,
    channel_id: &'a str,
    stream_id: &'a str,
    stream_param: &'a str,
    event_type: u8,
    task_id: &'a str,
    file_id: &'a str,
    file_format: &'a str,
    /// In s, as all times here.
    start_time: u64,
    end_time: u64,
    duration: u64,
    file_size: u64,
    /// Below the place where the server keeps recordings.
    video_url: &'a str,
    playlist: Option<&'a str>,
    /// On this server, where players get it; unsigned.
    #[serde(skip_serializing_if = "Option::is_none")]
    playlist_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mp4_url: Option<String>,
    reason: &'a str,
    segments: usize,
    missed_segments: u64,
    errcode: i32,
    errmsg: &'a str,
    t: u64,
    sign: String,
}

/// Seconds until `t`.
const GOOD_FOR: u64 = 600;
