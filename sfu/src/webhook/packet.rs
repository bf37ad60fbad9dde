//! One request, ready to be posted.

use std::net::IpAddr;

use bytes::Bytes;
use http::Uri;

use super::bodies::{chat, event, live, stream};
use super::config::AppHook;
use super::log::About;
use super::notice::{BeforeMessage, Notice, Place};
use super::sign::room_sign;
use crate::live::AppId;
use crate::live::chat::UnixTime;

/// A request that can be posted any number of times.
#[derive(Debug, Clone)]
pub struct Packet {
    /// Where to.
    pub(super) uri: Uri,
    /// The header field `SdkAppId`.
    pub(super) app: AppId,
    /// The header field `Sign`.
    pub(super) sign: Option<String>,
    /// The JSON.
    pub(super) body: Bytes,
    /// For the log.
    pub(super) about: About,
}

impl Packet {
    /// The request that tells of a notice. `now` is when it is made.
    pub fn of(notice: &Notice, hook: &AppHook, now: UnixTime) -> Self {
        let plain = |body| Self::new(hook.url.uri().clone(), about_of(notice), hook, body);
        let command =
            |(command, body), from| Self::command(command, from, about_of(notice), hook, body);
        match notice {
            Notice::Stream(notice) => plain(stream::stream(notice, now, hook.cdn_key.as_ref())),
            Notice::Record(notice) => plain(stream::recording(notice, now, hook.cdn_key.as_ref())),
            Notice::Room(notice) => plain(event::room(notice, now)),
            Notice::Media(notice) => plain(event::media(notice, now)),
            Notice::Relay(notice) => plain(event::relay(notice, now)),
            Notice::Chat(notice) => command(chat::chat(notice), notice.from),
            Notice::Live(notice) => command(live::live(notice), None),
            Notice::Seats(notice) => command(live::seats(notice), None),
        }
    }

    /// The request that asks about a message.
    pub fn ask(message: &BeforeMessage, hook: &AppHook) -> Self {
        let (command, body) = chat::before(message);
        let about = About {
            app: message.key.app,
            event: "chat.before-message",
            subject: message.key.room.to_string(),
        };
        Self::command(command, message.ip, about, hook, body)
    }

    /// What it costs to keep, in bytes.
    pub fn weight(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    fn command(
        command: &str,
        from: Option<IpAddr>,
        about: About,
        hook: &AppHook,
        body: Vec<u8>,
    ) -> Self {
        let ip = from.map(|ip| ip.to_string()).unwrap_or_default();
        let app = about.app;
        let platform = if from.is_some() { "Web" } else { "RESTAPI" };
        let query = format!(
            "SdkAppid={app}&CallbackCommand={command}&contenttype=json&ClientIP={ip}&OptPlatform={platform}"
        );
        // The parts are ours or have been read as a URL: what they make is one.
        let uri = hook.url.with_query(&query);
        let uri = uri.unwrap_or_else(|| hook.url.uri().clone());
        Self::new(uri, about, hook, body)
    }

    fn new(uri: Uri, about: About, hook: &AppHook, body: Vec<u8>) -> Self {
        Self {
            uri,
            app: about.app,
            about,
            sign: hook.key.as_ref().map(|key| room_sign(key, &body)),
            body: body.into(),
        }
    }
}

fn about_of(notice: &Notice) -> About {
    let lane = notice.lane();
    About {
        app: lane.app,
        event: notice.name(),
        subject: match lane.place {
            Place::Room(room) => room.to_string(),
            Place::Stream(stream) => stream.to_string(),
        },
    }
}

/// The URL, the signature and the place in the queue.
const OVERHEAD: usize = 512;

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
