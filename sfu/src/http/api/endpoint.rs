//! The table of endpoints: what each takes, asks of the hub, and gives.

use http::Method;
use serde_json::Value;

use super::input::Input;
use super::pushes::PushCall;
use super::recordings::RecordCall;
use super::refusal::Refusal;
use super::schema::Body;
use super::sights::Look;
use crate::signal::hub::admin::Call;

/// One method of one path.
pub(super) struct Endpoint {
    /// The method.
    pub(super) method: Method,
    /// Below [`BASE`], with `{parts}`.
    pub(super) path: &'static str,
    /// The name of the operation in the description.
    pub(super) id: &'static str,
    /// One line.
    pub(super) summary: &'static str,
    /// More about it; may be empty.
    pub(super) text: &'static str,
    /// What the query may hold.
    pub(super) query: &'static [Param],
    /// The body, if it takes one.
    pub(super) body: Option<BodyOf>,
    /// Of a request that was carried out.
    pub(super) status: u16,
    /// Name of the answer's schema, and an example; without one the answer is empty.
    pub(super) answer: Option<(&'static str, &'static str)>,
    /// Stable words of refusals of its own, with their status.
    pub(super) refusals: &'static [(u16, &'static str)],
    /// What is asked of the hub.
    pub(super) call: fn(&Input<'_>) -> Result<Call, Refusal>,
    /// What is asked of the server in place of the hub.
    pub(super) look: Option<LookOf>,
    /// What is asked of the hub and then of pushes.
    pub(super) push: Option<PushOf>,
    /// What is asked of the hub and then of recordings.
    pub(super) record: Option<RecordOf>,
}

/// Reads what is asked of pushes.
pub(super) type PushOf = fn(&Input<'_>) -> Result<PushCall, Refusal>;

/// Reads what is asked of recordings.
pub(super) type RecordOf = fn(&Input<'_>) -> Result<RecordCall, Refusal>;

/// Reads what is asked of the server.
pub(super) type LookOf = fn(&Input<'_>) -> Result<Look, Refusal>;

/// A part of the query.
pub(super) struct Param {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) is_number: bool,
}

/// The body that an endpoint takes.
pub(super) struct BodyOf {
    pub(super) name: &'static str,
    pub(super) schema: fn() -> Value,
    pub(super) example: &'static str,
}

/// A group of endpoints.
pub(super) struct Group {
    pub(super) name: &'static str,
    pub(super) text: &'static str,
    pub(super) endpoints: Vec<Endpoint>,
}

/// Of an endpoint without query and body that answers nothing.
impl Default for Endpoint {
    fn default() -> Self {
        Self {
            method: Method::GET,
            path: "",
            id: "",
            summary: "",
            text: "",
            query: &[],
            body: None,
            status: 204,
            answer: None,
            refusals: &[],
            call: |_| Err(Refusal::NoSuchAddress),
            look: None,
            push: None,
            record: None,
        }
    }
}

impl BodyOf {
    /// A body with an example.
    pub(super) fn new<T: Body>(example: &'static str) -> Option<Self> {
        Some(Self {
            name: T::NAME,
            schema: T::schema,
            example,
        })
    }
}

/// All of them, in the order of the page.
pub(super) fn groups() -> Vec<Group> {
    vec![
        super::rooms::group(),
        super::members::group(),
        super::chat::group(),
        super::seats::group(),
        super::seats::co_hosts(),
        super::streams::group(),
        super::viewers::group(),
        super::sights::group(),
    ]
}

/// The parts of paths.
pub(super) const PARTS: [(&str, &str, &str); 12] = [
    (
        "room",
        "RoomText",
        "The room: digits are a number room; everything else is a name. `name:` in front makes a \
         name of digits, as in `name:123`.",
    ),
    (
        "other",
        "RoomText",
        "The other room, written as the first one.",
    ),
    ("user", "UserId", "The user."),
    ("seat", "Index", "The seat, from 0."),
    ("sequence", "Index", "The message's sequence."),
    ("name", "Name", "The name, 1 to 32 bytes."),
    ("push", "Index", "The push, by its `id`."),
    ("recording", "RecordingId", "The recording, by its `id`."),
    ("track", "Track", "Camera and microphone, or screen."),
    (
        "stream",
        "StreamId",
        "The stream, as in `/live/{id}.flv`; a publisher's sizes belong to it.",
    ),
    ("viewer", "Index", "The viewer's number."),
    ("revocation", "Index", "The revocation's number."),
];

/// The names in a path.
pub(super) fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
}

/// Where a page of a list ends, and the next begins.
pub(super) const AFTER: Param = Param {
    name: "after",
    text: "`next` of the page before.",
    is_number: false,
};

/// Entries in a page.
pub(super) const LIMIT: Param = Param {
    name: "limit",
    text: "Entries in the page: 1 to 100, 50 when absent. A page may have fewer; there are more as \
           long as `next` is there.",
    is_number: true,
};

/// In front of all paths of the table.
pub(super) const BASE: &str = "/api/v1";
