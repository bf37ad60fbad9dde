//! Endpoints of what is published, and of its public addresses.

use http::Method;
use relay::StreamId;

use super::bodies::NewRelay;
use super::endpoint::{AFTER, BodyOf, Endpoint, Group, LIMIT, Param};
use super::refusal::Refusal;
use crate::live::LiveError;
use crate::signal::hub::admin::{Call, StreamCursor};

pub(super) fn group() -> Group {
    let mut group = relays();
    // What ends a relay comes last.
    let end = group.endpoints.pop();
    group.endpoints.extend(super::pushes::endpoints());
    group.endpoints.extend(super::recordings::endpoints());
    group.endpoints.extend(end);
    group
}

fn relays() -> Group {
    Group {
        name: "Streams",
        text: "What members publish, and the HTTP-FLV and HLS addresses of it: \
               `/live/{relayedAs}.flv` and `.m3u8`; pushes of it to other servers, and \
               recordings. Below `/streams/{stream}`, which is `relayedAs` or the id of a \
               stream that came by WHIP, pushes and recordings are of whatever is live.",
        endpoints: vec![
            Endpoint {
                path: "/streams",
                id: "listStreams",
                summary: "List what is published in the app's rooms",
                text: "Ordered by room, user and track.",
                query: &[
                    AFTER,
                    LIMIT,
                    Param {
                        name: "room",
                        text: "Only in this room, written as in paths.",
                        is_number: false,
                    },
                    Param {
                        name: "user",
                        text: "Only of this user.",
                        is_number: false,
                    },
                ],
                status: 200,
                answer: Some(("StreamPage", STREAM_PAGE)),
                call: |input| {
                    Ok(Call::Streams {
                        room: input.query_room("room")?,
                        user: input.query_user("user")?,
                        after: input.query::<StreamCursor>("after", "`next` of the page before")?,
                        limit: input.limit()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PUT,
                path: "/rooms/{room}/members/{user}/relays/{track}",
                id: "startRelay",
                summary: "Give a publication public addresses, or another name",
                text: "An id that is live under another user is refused.",
                body: BodyOf::new::<NewRelay>(r#"{"streamId": "evening-1"}"#),
                status: 200,
                answer: Some(("Stream", STREAM)),
                refusals: &[
                    (404, "no-such-room"),
                    (404, "not-published"),
                    (409, "taken"),
                ],
                call: |input| {
                    let body: NewRelay = input.body()?;
                    Ok(Call::StartRelay {
                        room: input.room()?,
                        user: input.user()?,
                        track: input.track()?,
                        stream: body.stream_id.as_deref().map(stream_id).transpose()?,
                        sequence: None,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/rooms/{room}/members/{user}/relays/{track}",
                id: "stopRelay",
                summary: "Take a publication's public addresses away",
                text: "It stays in the room. Players are told that the stream has ended.",
                refusals: &[(404, "no-such-room"), (404, "not-published")],
                call: |input| {
                    Ok(Call::StopRelay {
                        room: input.room()?,
                        user: input.user()?,
                        track: input.track()?,
                    })
                },
                ..Endpoint::default()
            },
        ],
    }
}

/// A public stream id of somebody's choice.
pub(super) fn stream_id(text: &str) -> Result<StreamId, Refusal> {
    let parsed = text.parse().ok().filter(|_| text.len() <= MAX_STREAM_ID);
    parsed.ok_or_else(|| {
        Refusal::from(LiveError::BadValue {
            what: "the stream id",
            allowed: "1 to 64 letters, digits, '_' and '-'",
        })
    })
}

/// Longest id that a publisher or its back end chooses.
const MAX_STREAM_ID: usize = 64;

const STREAM: &str = r#"{
  "room": 42, "user": "anna", "track": "main",
  "publication": {
    "hasAudio": true, "hasVideo": true, "hasSmall": false,
    "audioMuted": false, "videoMuted": false
  },
  "streamId": "1400000000_42_anna_main", "relayedAs": "evening-1"
}"#;

const STREAM_PAGE: &str = r#"{
  "items": [{
    "room": 42, "user": "anna", "track": "main",
    "publication": {
      "hasAudio": true, "hasVideo": true, "hasSmall": false,
      "audioMuted": false, "videoMuted": false
    },
    "streamId": "1400000000_42_anna_main", "relayedAs": "evening-1"
  }],
  "next": "[42,\"anna\",\"main\"]"
}"#;
