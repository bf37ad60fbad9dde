//! Endpoints of pushes to other servers.

use http::Method;
use relay::push::{PushId, PushRefused, PushTarget, PushView};
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::bodies::NewPush;
use super::endpoint::{BodyOf, Endpoint};
use super::input::Input;
use super::publication::{Found, Named};
use super::refusal::Refusal;
use crate::live::AppId;

/// What an endpoint of these asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushCall {
    of: Named,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    List,
    Start(PushTarget),
    Stop(PushId),
}

impl Wish {
    fn start(input: &Input<'_>) -> Result<Self, Refusal> {
        let body: NewPush = input.body()?;
        let target = body.url.parse().map_err(Refusal::PushAddress)?;
        Ok(Self::Start(target))
    }

    fn stop(input: &Input<'_>) -> Result<Self, Refusal> {
        Ok(Self::Stop(PushId(input.push()?)))
    }
}

impl PushCall {
    fn publication(input: &Input<'_>, wish: Wish) -> Result<Self, Refusal> {
        let of = Named::publication(input)?;
        Ok(Self { of, wish })
    }

    fn stream(input: &Input<'_>, wish: Wish) -> Result<Self, Refusal> {
        let of = Named::stream(input)?;
        Ok(Self { of, wish })
    }

    /// Carries it out for an app; `None` is an answer without content.
    pub(super) async fn carry_out(self, api: &Api, app: AppId) -> Result<Option<Value>, Refusal> {
        let Found { name, publisher } = self.of.find(api, app).await?;
        let pushes = api.0.sights.pushes();
        match self.wish {
            Wish::List => Ok(Some(json(&Pushes {
                items: pushes.of(app, &name).iter().map(Push::from).collect(),
            }))),
            Wish::Start(target) => {
                let Some(publisher) = publisher else {
                    return Err(PushRefused::NotLive { stream: name }.into());
                };
                let view = pushes.start(&publisher, &name, target)?;
                Ok(Some(json(&Push::from(&view))))
            }
            Wish::Stop(id) => match pushes.stop(app, &name, id) {
                true => Ok(None),
                false => Err(Refusal::NoSuchPush { id: id.0 }),
            },
        }
    }
}

fn json(view: &impl Serialize) -> Value {
    serde_json::to_value(view).unwrap_or_default()
}

#[derive(Serialize)]
struct Pushes<'a> {
    items: Vec<Push<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Push<'a> {
    id: u64,
    target: &'a str,
    state: &'static str,
    error: Option<&'a str>,
    sent_bytes: u64,
    reconnects: u64,
}

impl<'a> From<&'a PushView> for Push<'a> {
    fn from(view: &'a PushView) -> Self {
        Self {
            id: view.id.0,
            target: &view.target,
            state: view.state.name(),
            error: view.error.as_deref(),
            sent_bytes: view.sent_bytes,
            reconnects: view.reconnects,
        }
    }
}

/// They stand among those of streams.
pub(super) fn endpoints() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/members/{user}/relays/{track}/pushes",
            id: "listPushes",
            summary: "List where a publication is pushed to",
            text: "Pushes that were given up stay in the list until they are stopped, started \
                   again, or their stream ends. Stream keys are not shown.",
            status: 200,
            answer: Some(("PushList", PUSH_LIST)),
            refusals: &[(404, "not-published"), (409, "not-relayed")],
            push: Some(|input| PushCall::publication(input, Wish::List)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/members/{user}/relays/{track}/pushes",
            id: "startPush",
            summary: "Push a publication to another server by RTMP",
            text: "It needs public addresses (`startRelay`). The server connects by itself, and \
                   again when the connection is lost, for as long as the stream lives; twenty \
                   failures in a row end it. One that is there already stays as it is. Addresses \
                   of private networks are refused unless the setting `push.private_hosts` names \
                   their host.",
            body: BodyOf::new::<NewPush>(r#"{"url": "rtmp://live.example.com/app/key"}"#),
            status: 200,
            answer: Some(("Push", PUSH)),
            refusals: &[
                (400, "bad-push-address"),
                (404, "not-published"),
                (409, "not-relayed"),
                (409, "not-live"),
                (409, "full"),
            ],
            push: Some(|input| PushCall::publication(input, Wish::start(input)?)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/members/{user}/relays/{track}/pushes/{push}",
            id: "stopPush",
            summary: "Push a publication there no longer",
            text: "The other server is told that the stream is over.",
            refusals: &[
                (404, "not-published"),
                (409, "not-relayed"),
                (404, "no-such-push"),
            ],
            push: Some(|input| PushCall::publication(input, Wish::stop(input)?)),
            ..Endpoint::default()
        },
        Endpoint {
            path: "/streams/{stream}/pushes",
            id: "listStreamPushes",
            summary: "List where a stream is pushed to",
            text: "As `listPushes`, of a stream by its public id: of a publication in a room, or of \
                   one that came by WHIP. Of one that is not live, or another app's, the list is \
                   empty.",
            status: 200,
            answer: Some(("PushList", PUSH_LIST)),
            push: Some(|input| PushCall::stream(input, Wish::List)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/streams/{stream}/pushes",
            id: "startStreamPush",
            summary: "Push a stream to another server by RTMP",
            text: "As `startPush`. It goes on where another WHIP publisher of the app publishes the \
                   stream anew, and ends where a publication in a room takes its id, or the other \
                   way round.",
            body: BodyOf::new::<NewPush>(r#"{"url": "rtmp://live.example.com/app/key"}"#),
            status: 200,
            answer: Some(("Push", PUSH)),
            refusals: &[(400, "bad-push-address"), (409, "not-live"), (409, "full")],
            push: Some(|input| PushCall::stream(input, Wish::start(input)?)),
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/streams/{stream}/pushes/{push}",
            id: "stopStreamPush",
            summary: "Push a stream there no longer",
            text: "The other server is told that the stream is over.",
            refusals: &[(404, "no-such-push")],
            push: Some(|input| PushCall::stream(input, Wish::stop(input)?)),
            ..Endpoint::default()
        },
    ]
}

const PUSH: &str = r#"{
  "id": 3, "target": "rtmp://live.example.com/app", "state": "connecting", "error": null,
  "sentBytes": 0, "reconnects": 0
}"#;

const PUSH_LIST: &str = r#"{
  "items": [{
    "id": 3, "target": "rtmp://live.example.com/app", "state": "recovering",
    "error": "the connection was lost", "sentBytes": 73400320, "reconnects": 2
  }]
}"#;
