//! One request, ready to be posted.

use std::net::IpAddr;

use bytes::Bytes;
use http::Uri;

use super::bodies::{chat, event, live, stream};
use super::config::AppHook;
use super::notice::{BeforeMessage, Notice};
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
}

impl Packet {
    /// The request that tells of a notice. `now` is when it is made.
    pub fn of(notice: &Notice, hook: &AppHook, now: UnixTime) -> Self {
        let app = notice.app();
        let plain = |body| Self::new(hook.url.uri().clone(), app, hook, body);
        let command = |(command, body), from| Self::command(command, from, app, hook, body);
        match notice {
            Notice::Stream(notice) => plain(stream::stream(notice, now, hook.cdn_key.as_ref())),
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
        Self::command(command, message.ip, message.key.app, hook, body)
    }

    /// What it costs to keep, in bytes.
    pub fn weight(&self) -> usize {
        self.body.len() + OVERHEAD
    }

    fn command(
        command: &str,
        from: Option<IpAddr>,
        app: AppId,
        hook: &AppHook,
        body: Vec<u8>,
    ) -> Self {
        let ip = from.map(|ip| ip.to_string()).unwrap_or_default();
        let platform = if from.is_some() { "Web" } else { "RESTAPI" };
        let query = format!(
            "SdkAppid={app}&CallbackCommand={command}&contenttype=json&ClientIP={ip}&OptPlatform={platform}"
        );
        // The parts are ours or have been read as a URL: what they make is one.
        let uri = hook.url.with_query(&query);
        let uri = uri.unwrap_or_else(|| hook.url.uri().clone());
        Self::new(uri, app, hook, body)
    }

    fn new(uri: Uri, app: AppId, hook: &AppHook, body: Vec<u8>) -> Self {
        Self {
            uri,
            app,
            sign: hook.key.as_ref().map(|key| room_sign(key, &body)),
            body: body.into(),
        }
    }
}

/// The URL, the signature and the place in the queue.
const OVERHEAD: usize = 512;

#[cfg(test)]
#[path = "packet_tests.rs"]
mod tests;
