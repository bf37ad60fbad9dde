//! Endpoints of recordings.

use http::Method;
use relay::StreamId;
use relay::record::{RecordRefused, RecordingId, RecordingView};
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::endpoint::{AFTER, Endpoint, LIMIT, Param};
use super::input::Input;
use super::publication::{Found, Named};
use super::refusal::Refusal;
use crate::live::{AppId, RoomId};
use crate::record::{NotRecorded, address};
use crate::signal::hub::admin::Call;

/// What an endpoint of these asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum RecordCall {
    /// Of one stream.
    Of(Named, Wish),
    /// All that is published in a room.
    Room { room: RoomId, recorded: bool },
    /// One that has ended is to go.
    Delete(RecordingId),
    /// A page of the app's.
    All {
        stream: Option<StreamId>,
        after: Option<RecordingId>,
        limit: usize,
    },
}

/// What is to be done with a stream's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Wish {
    List,
    Start,
    Stop(RecordingId),
}

impl RecordCall {
    fn publication(input: &Input<'_>, wish: Wish) -> Result<Self, Refusal> {
        Ok(Self::Of(Named::publication(input)?, wish))
    }

    fn stream(input: &Input<'_>, wish: Wish) -> Result<Self, Refusal> {
        Ok(Self::Of(Named::stream(input)?, wish))
    }

    fn read_all(input: &Input<'_>) -> Result<Self, Refusal> {
        Ok(Self::All {
            stream: input.query("stream", "a public stream id")?,
            after: input.query("after", "`next` of the page before")?,
            limit: input.limit()?,
        })
    }

    fn read_room(input: &Input<'_>, recorded: bool) -> Result<Self, Refusal> {
        let room = input.room()?;
        Ok(Self::Room { room, recorded })
    }

    /// Carries it out for an app; `None` is an answer without content.
    pub(super) async fn carry_out(self, api: &Api, app: AppId) -> Result<Option<Value>, Refusal> {
        let recordings = api.0.sights.recordings();
        let is_served = recordings.are_served();
        let view_of = |view| json(&Recording::new(view, is_served));
        let (of, wish) = match self {
            Self::Of(of, wish) => (of, wish),
            Self::Room { room, recorded } => {
                if recorded && !recordings.are_kept() {
                    return Err(NotRecorded::Off.into());
                }
                let reply = api.ask(app, Call::RecordRoom { room, recorded }).await?;
                return Ok(recorded.then(|| json(&reply)));
            }
            Self::Delete(id) => {
                recordings.remove(app, &id).await?;
                return Ok(None);
            }
            Self::All {
                stream,
                after,
                limit,
            } => {
                let (stream, after) = (stream.as_ref(), after.as_ref());
                let mut views = recordings.page(app, stream, after, limit + 1);
                let has_more = views.len() > limit;
                views.truncate(limit);
                let last = views.last().filter(|_| has_more);
                return Ok(Some(json(&Recordings {
                    next: last.map(|view| &view.id),
                    items: views.iter().map(view_of).collect(),
                })));
            }
        };
        let Found { name, publisher } = of.find(api, app).await?;
        match wish {
            Wish::List => {
                let views = recordings.of(app, Some(&name));
                let items = views.iter().map(view_of).collect();
                Ok(Some(json(&Recordings { items, next: None })))
            }
            Wish::Start => {
                if publisher.is_none() && recordings.are_kept() {
                    return Err(NotRecorded::from(RecordRefused::NotLive { stream: name }).into());
                }
                let view = recordings.start(app, &name)?;
                Ok(Some(view_of(&view)))
            }
            Wish::Stop(id) => match recordings.stop(app, &name, &id) {
                true => Ok(None),
                false => Err(Refusal::NoSuchRecording { id }),
            },
        }
    }
}

fn json(view: &impl Serialize) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

#[derive(Serialize)]
struct Recordings<'a> {
    items: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<&'a RecordingId>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recording<'a> {
    id: &'a RecordingId,
    relayed_as: &'a str,
    state: &'static str,
    started_at: u64,
    duration_ms: u64,
    bytes: u64,
    segments: usize,
    missed_segments: u64,
    folder: &'a str,
    playlist: Option<&'a str>,
    mp4: Option<&'a str>,
    mp4_bytes: Option<u64>,
    playlist_url: Option<String>,
    mp4_url: Option<String>,
    reason: Option<&'static str>,
    error: Option<&'a str>,
}

impl<'a> Recording<'a> {
    fn new(view: &'a RecordingView, is_served: bool) -> Self {
        let mp4 = view.mp4.as_ref();
        let address_of = |path: Option<&str>| path.filter(|_| is_served).map(address);
        Self {
            id: &view.id,
            relayed_as: view.stream.as_str(),
            state: view.state.name(),
            started_at: view.started_at,
            duration_ms: u64::try_from(view.duration.as_millis()).unwrap_or(u64::MAX),
            bytes: view.bytes,
            segments: view.segments,
            missed_segments: view.missed,
            folder: &view.folder,
            playlist: view.playlist.as_deref(),
            mp4: mp4.map(|(path, _)| path.as_str()),
            mp4_bytes: mp4.map(|(_, bytes)| *bytes),
            playlist_url: address_of(view.playlist.as_deref()),
            mp4_url: address_of(mp4.map(|(path, _)| path.as_str())),
            reason: view.reason.map(|reason| reason.name()),
            error: view.error.as_deref(),
        }
    }
}

/// They stand among those of streams.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/recordings",
            id: "listAppRecordings",
            summary: "List the app's recordings",
            text: "Those that go on or whose files are being made, and those that have ended and are \
                   among the `record.max_listed` of the server that began last, whether or not they \
                   are of something that is still published. Those of earlier starts are read from \
                   the store after each start and appear one after the other; those that an earlier \
                   start left unfinished appear while their files are made. Ordered by their \
                   beginnings.",
            query: &[
                AFTER,
                LIMIT,
                Param {
                    name: "stream",
                    text: "Only of this public stream id (`relayedAs`).",
                    is_number: false,
                },
            ],
            status: 200,
            answer: Some(("RecordingPage", RECORDING_PAGE)),
            record: Some(RecordCall::read_all),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/recordings/{recording}",
            id: "deleteRecording",
            summary: "Delete a recording",
            text: "Its playlist, its MP4 file and its segments are removed from the store, which \
                   takes a while for a long one; what caches have they keep. It has to have ended, and \
                   to be in the list. What somebody else put beside its files stays. After an error \
                   of the store it is listed still, and deleted by asking again.",
            refusals: &[
                (404, "no-such-recording"),
                (409, "recording-goes-on"),
                (409, "being-deleted"),
                (409, "records-nothing"),
                (502, "record-store-failed"),
            ],
            record: Some(|input| Ok(RecordCall::Delete(input.recording()?))),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/recorded",
            id: "recordRoom",
            summary: "Record a room",
            text: "All that is published in the room and has public addresses is recorded, what \
                   comes later included, until the room ends or by call. Each publication is a \
                   recording of its own, with its own webhook, and ends as others do; one that \
                   has reached a bound of the settings is begun anew by asking again. The answer \
                   has what is there: `recordingId` is null for what begins with its media, or \
                   once its id is another publisher's no more, and for what is refused, with \
                   `error`; what is refused is tried by asking again.",
            status: 200,
            answer: Some(("RecordedList", RECORDED_LIST)),
            refusals: &[(404, "no-such-room"), (409, "records-nothing")],
            record: Some(|input| RecordCall::read_room(input, true)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/recorded",
            id: "stopRecordingRoom",
            summary: "Record a room no longer",
            text: "All recordings of what is published in it end with the segments under way. \
                   What was recorded stays.",
            refusals: &[(404, "no-such-room")],
            record: Some(|input| RecordCall::read_room(input, false)),
            ..Endpoint::default()
        },
        Endpoint {
            path: "/rooms/{room}/members/{user}/relays/{track}/recordings",
            id: "listRecordings",
            summary: "List the recordings of a publication",
            text: "Those of the same public stream id, the newest 1000 at most; `/recordings?stream=` \
                   has all in pages. Paths are below the place where the server keeps \
                   recordings. `playlistUrl` and `mp4Url` are where players get them, once they \
                   are there, and null where the server lets no players at them \
                   (`record.serve`): they need the right to play the stream, and are signed like \
                   its addresses (`txSecret`, `txTime`) where those are.",
            status: 200,
            answer: Some(("RecordingList", RECORDING_LIST)),
            refusals: &[(404, "not-published"), (409, "not-relayed")],
            record: Some(|input| RecordCall::publication(input, Wish::List)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/members/{user}/relays/{track}/recordings",
            id: "startRecording",
            summary: "Record a publication",
            text: "It needs public addresses (`startRelay`). The recording begins with the media \
                   segment that is under way and ends with the stream, by call, or at the bounds \
                   of the settings; then there are a playlist (HLS, VOD) and one MP4 file, and \
                   the app's back end is told. A publication that is recorded already goes on \
                   being so.",
            status: 200,
            answer: Some(("Recording", RECORDING)),
            refusals: &[
                (404, "not-published"),
                (409, "not-relayed"),
                (409, "not-live"),
                (409, "full"),
                (409, "records-nothing"),
            ],
            record: Some(|input| RecordCall::publication(input, Wish::Start)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/members/{user}/relays/{track}/recordings/{recording}",
            id: "stopRecording",
            summary: "Record a publication no longer",
            text: "The segment under way is the last one. What was recorded stays.",
            refusals: &[
                (404, "not-published"),
                (409, "not-relayed"),
                (404, "no-such-recording"),
            ],
            record: Some(|input| {
                let id = input.recording()?;
                RecordCall::publication(input, Wish::Stop(id))
            }),
            ..Endpoint::default()
        },
        Endpoint {
            path: "/streams/{stream}/recordings",
            id: "listStreamRecordings",
            summary: "List the recordings of a stream",
            text: "As `listRecordings`, of a stream by its public id: of a publication in a room, or \
                   of one that came by WHIP, whether or not it is live.",
            status: 200,
            answer: Some(("RecordingList", RECORDING_LIST)),
            record: Some(|input| RecordCall::stream(input, Wish::List)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/streams/{stream}/recordings",
            id: "startStreamRecording",
            summary: "Record a stream",
            text: "As `startRecording`. It goes on with whoever of the app publishes the stream \
                   anew.",
            status: 200,
            answer: Some(("Recording", RECORDING)),
            refusals: &[(409, "not-live"), (409, "full"), (409, "records-nothing")],
            record: Some(|input| RecordCall::stream(input, Wish::Start)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/streams/{stream}/recordings/{recording}",
            id: "stopStreamRecording",
            summary: "Record a stream no longer",
            text: "The segment under way is the last one. What was recorded stays.",
            refusals: &[(404, "no-such-recording")],
            record: Some(|input| {
                let id = input.recording()?;
                RecordCall::stream(input, Wish::Stop(id))
            }),
            ..Endpoint::default()
        },
    ]
}

const RECORDING: &str = r#"{
  "id": "1700000000123-5f1e02aa", "relayedAs": "evening",
  "state": "recording", "startedAt": 1700000000123,
  "durationMs": 0, "bytes": 0, "segments": 0, "missedSegments": 0,
  "folder": "evening/1700000000123-5f1e02aa", "playlist": null, "mp4": null, "mp4Bytes": null,
  "playlistUrl": null, "mp4Url": null,
  "reason": null, "error": null
}"#;

/// A recording that has ended, with what stands around it.
macro_rules! ended {
    ($before:literal, $after:literal) => {
        concat!(
            $before,
            r#"{
    "id": "1700000000123-5f1e02aa", "relayedAs": "evening",
    "state": "ended", "startedAt": 1700000000123,
    "durationMs": 3600040, "bytes": 905969664, "segments": 1800, "missedSegments": 0,
    "folder": "evening/1700000000123-5f1e02aa",
    "playlist": "evening/1700000000123-5f1e02aa/index.m3u8",
    "mp4": "evening/1700000000123-5f1e02aa/recording.mp4", "mp4Bytes": 903812301,
    "playlistUrl": "/recordings/evening/1700000000123-5f1e02aa/index.m3u8",
    "mp4Url": "/recordings/evening/1700000000123-5f1e02aa/recording.mp4",
    "reason": "stream-ended", "error": null
  }"#,
            $after
        )
    };
}

const RECORDED_LIST: &str = r#"{
  "items": [{
    "user": "anna", "track": "main", "relayedAs": "evening",
    "recordingId": "1700000000123-5f1e02aa", "error": null
  }, {
    "user": "ben", "track": "aux", "relayedAs": "1400000000_42_ben_aux",
    "recordingId": null, "error": "the limit of 50 recordings of one app is reached"
  }]
}"#;

const RECORDING_LIST: &str = ended!("{\n  \"items\": [", "]\n}");

const RECORDING_PAGE: &str = ended!(
    "{\n  \"items\": [",
    "],\n  \"next\": \"1700000000123-5f1e02aa\"\n}"
);
