//! Endpoints of those who watch FLV, and of those who may watch no more.

use std::net::IpAddr;

use http::Method;
use relay::StreamId;
use serde::Serialize;
use serde_json::Value;

use super::access::unix_time;
use super::bodies::NewRevocation;
use super::endpoint::{AFTER, BodyOf, Endpoint, Group, LIMIT, Param};
use super::input::Input;
use super::refusal::Refusal;
use super::sights::Look;
use crate::auth::{read_secret, write_secret};
use crate::http::viewings::{Done, Revocation, Target, ViewerInfo, Viewings};
use crate::live::{AppId, LiveError};

/// What an endpoint of this group asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Watch {
    Viewers {
        stream: StreamId,
        after: u64,
        limit: usize,
    },
    End {
        stream: StreamId,
        viewer: u64,
        seconds: u64,
    },
    Revoke {
        target: Target,
        stream: Option<StreamId>,
        seconds: u64,
    },
    Revocations {
        after: u64,
        limit: usize,
    },
    Lift {
        id: u64,
    },
}

impl Watch {
    /// The answer.
    pub(super) fn at(self, viewings: &Viewings, app: AppId) -> Result<Value, Refusal> {
        let now = unix_time();
        let seen = match self {
            Self::Viewers {
                stream,
                after,
                limit,
            } => page(limit, |limit| viewings.list(app, &stream, after, limit)),
            Self::End {
                stream,
                viewer,
                seconds,
            } => view(DoneView::from(
                viewings.end(now, app, &stream, viewer, seconds)?,
            )),
            Self::Revoke {
                target,
                stream,
                seconds,
            } => view(DoneView::from(
                viewings.revoke(now, app, target, stream, seconds)?,
            )),
            Self::Revocations { after, limit } => {
                page(limit, |limit| viewings.revocations(now, app, after, limit))
            }
            Self::Lift { id } => {
                viewings.lift(app, id);
                Value::Null
            }
        };
        Ok(seen)
    }
}

/// A page of a list, with the way to the next one if there is more.
fn page<T: Listed>(limit: usize, list: impl FnOnce(usize) -> Vec<T>) -> Value {
    let mut items = list(limit + 1);
    let has_more = items.len() > limit;
    items.truncate(limit);
    let next = items.last().filter(|_| has_more);
    view(Page {
        next: next.map(|item| item.id().to_string()),
        items: items.into_iter().map(T::view).collect(),
    })
}

/// Plain values under texts: they can always be written.
fn view(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

/// What has a place in a list by its number.
trait Listed {
    fn id(&self) -> u64;
    fn view(self) -> Value;
}

#[derive(Serialize)]
struct Page {
    items: Vec<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ViewerView {
    viewer: u64,
    address: IpAddr,
    transport: &'static str,
    since: u64,
    sent_bytes: u64,
    tx_secret: Option<String>,
}

impl Listed for ViewerInfo {
    fn id(&self) -> u64 {
        self.id
    }

    fn view(self) -> Value {
        view(ViewerView {
            viewer: self.id,
            address: self.asker.address,
            transport: self.transport,
            since: self.since,
            sent_bytes: self.sent_bytes,
            tx_secret: self.asker.secret.map(write_secret),
        })
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct RevocationView {
    revocation: u64,
    address: Option<IpAddr>,
    tx_secret: Option<String>,
    stream: Option<String>,
    until: u64,
}

impl Listed for Revocation {
    fn id(&self) -> u64 {
        self.id
    }

    fn view(self) -> Value {
        let (address, tx_secret) = match self.target {
            Target::Address(address) => (Some(address), None),
            Target::Secret(secret) => (None, Some(write_secret(secret))),
        };
        view(RevocationView {
            revocation: self.id,
            address,
            tx_secret,
            stream: self.stream.map(|stream| stream.to_string()),
            until: self.until,
        })
    }
}

#[derive(Serialize)]
struct DoneView {
    ended: usize,
    revocation: Option<u64>,
}

impl From<Done> for DoneView {
    fn from(done: Done) -> Self {
        Self {
            ended: done.ended,
            revocation: done.id,
        }
    }
}

pub(super) fn group() -> Group {
    Group {
        name: "Viewers",
        text: "Who watches FLV or endless fMP4, over HTTP or a WebSocket, and who is kept out. Viewers of HLS \
               have no connection: who is kept out is refused at the next request. What is \
               refused answers 403 `revoked`. Revocations outlive a restart where the server has a data folder \
               (`data_dir`); what is revoked in the last second before a crash may be lost.",
        endpoints: vec![
            Endpoint {
                path: "/streams/{stream}/viewers",
                id: "listViewers",
                summary: "List the viewers of a stream",
                text: "In the order in which they came. The address is the client's, behind proxies \
                       that the settings name; `since` is in Unix seconds; `txSecret` is that of the \
                       signed address, if the app asks for one.",
                query: &[AFTER, LIMIT],
                status: 200,
                answer: Some(("ViewerPage", VIEWERS)),
                look: Some(|input| {
                    Ok(Look::Watch(Watch::Viewers {
                        stream: input.stream()?,
                        after: after(input)?,
                        limit: input.limit()?,
                    }))
                }),
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/streams/{stream}/viewers/{viewer}",
                id: "endViewer",
                summary: "End one viewer",
                text: "With `seconds` its signed address, or its address if that is not signed, is \
                       kept out of the stream for so long; without, it may come back at once. One \
                       that has gone already is no error: `ended` is 0 then.",
                query: &[Param {
                    name: "seconds",
                    text: "For how long it may not come back, up to a year; 0 when absent.",
                    is_number: true,
                }],
                status: 200,
                answer: Some(("Ended", ENDED)),
                refusals: &[(409, "full")],
                look: Some(|input| {
                    let allowed = "0 to 31536000";
                    let given = input.query::<u64>("seconds", allowed)?.unwrap_or(0);
                    if given > YEAR {
                        return Err(Refusal::Query {
                            name: "seconds".to_owned(),
                            allowed: allowed.to_owned(),
                        });
                    }
                    Ok(Look::Watch(Watch::End {
                        stream: input.stream()?,
                        viewer: input.number("viewer")?,
                        seconds: given,
                    }))
                }),
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::POST,
                path: "/revocations",
                id: "revoke",
                summary: "End all viewers of an address or of a signed address, and keep them out",
                text: "One of `address` and `txSecret`. An IPv6 address stands for its network of 64 \
                       bits. A signed address that is kept out opens no WHEP session either. The \
                       same again replaces the one before.",
                body: BodyOf::new::<NewRevocation>(
                    r#"{"address": "192.0.2.7", "stream": "evening-1", "seconds": 3600}"#,
                ),
                status: 200,
                answer: Some(("Ended", ENDED)),
                refusals: &[(409, "full")],
                look: Some(revocation),
                ..Endpoint::default()
            },
            Endpoint {
                path: "/revocations",
                id: "listRevocations",
                summary: "List who is kept out",
                text: "`until` is in Unix seconds.",
                query: &[AFTER, LIMIT],
                status: 200,
                answer: Some(("RevocationPage", REVOCATIONS)),
                look: Some(|input| {
                    Ok(Look::Watch(Watch::Revocations {
                        after: after(input)?,
                        limit: input.limit()?,
                    }))
                }),
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/revocations/{revocation}",
                id: "liftRevocation",
                summary: "Let somebody in again",
                text: "One that is over already is no error.",
                look: Some(|input| {
                    Ok(Look::Watch(Watch::Lift {
                        id: input.number("revocation")?,
                    }))
                }),
                ..Endpoint::default()
            },
        ],
    }
}

fn revocation(input: &Input<'_>) -> Result<Look, Refusal> {
    let body: NewRevocation = input.body()?;
    let wrong = |what, allowed| Refusal::from(LiveError::BadValue { what, allowed });
    let target = match (body.address, body.tx_secret) {
        (Some(address), None) => Target::Address(
            address
                .parse::<IpAddr>()
                .map_err(|_| wrong("the address", "an IPv4 or IPv6 address"))?,
        ),
        (None, Some(secret)) => Target::Secret(
            read_secret(&secret).ok_or_else(|| wrong("the txSecret", "32 hex digits"))?,
        ),
        _ => {
            return Err(wrong(
                "the revocation",
                "one of address and txSecret, and not both",
            ));
        }
    };
    let stream = body.stream.map(|id| id.parse::<StreamId>()).transpose();
    let stream = stream.map_err(|_| {
        let allowed = "1 to 128 letters, digits, '_' and '-'";
        wrong("the stream id", allowed)
    })?;
    if body.seconds > YEAR {
        return Err(wrong("the time", "0 to 31536000 seconds"));
    }
    Ok(Look::Watch(Watch::Revoke {
        target,
        stream,
        seconds: body.seconds,
    }))
}

fn after(input: &Input<'_>) -> Result<u64, Refusal> {
    let after = input.query::<u64>("after", "`next` of the page before")?;
    Ok(after.unwrap_or(0))
}

const YEAR: u64 = 365 * 24 * 3_600;

const VIEWERS: &str = r#"{
  "items": [{
    "viewer": 17, "address": "192.0.2.7", "transport": "websocket", "since": 1700000000,
    "sentBytes": 12500000, "txSecret": "f85a2ab363fe4deaffef9754d79da6fe"
  }],
  "next": "17"
}"#;

const ENDED: &str = r#"{"ended": 1, "revocation": 3}"#;

const REVOCATIONS: &str = r#"{
  "items": [{
    "revocation": 3, "address": "192.0.2.7", "txSecret": null, "stream": "evening-1",
    "until": 1700003600
  }]
}"#;
