//! Endpoints of pushes to other servers.

use http::Method;
use relay::push::{PushId, PushTarget, PushView};
use serde::Serialize;
use serde_json::Value;

use super::Api;
use super::bodies::NewPush;
use super::endpoint::{BodyOf, Endpoint};
use super::input::Input;
use super::publication::Named;
use super::refusal::Refusal;
use crate::live::AppId;

/// What an endpoint of these asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PushCall {
    publication: Named,
    wish: Wish,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Wish {
    List,
    Start(PushTarget),
    Stop(PushId),
}

impl PushCall {
    fn read(input: &Input<'_>, wish: Wish) -> Result<Self, Refusal> {
        let publication = Named::read(input)?;
        Ok(Self { publication, wish })
    }

    /// Carries it out for an app; `None` is an answer without content.
    pub(super) async fn carry_out(self, api: &Api, app: AppId) -> Result<Option<Value>, Refusal> {
        let (source, name) = self.publication.find(api, app).await?;
        let pushes = api.0.sights.pushes();
        match self.wish {
            Wish::List => Ok(Some(json(&Pushes {
                items: pushes.of(&name).iter().map(Push::from).collect(),
            }))),
            Wish::Start(target) => {
                let view = pushes.start(&source, &name, target)?;
                Ok(Some(json(&Push::from(&view))))
            }
            Wish::Stop(id) => match pushes.stop(&name, id) {
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
            push: Some(|input| PushCall::read(input, Wish::List)),
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
            push: Some(|input| {
                let body: NewPush = input.body()?;
                let target = body.url.parse().map_err(Refusal::PushAddress)?;
                PushCall::read(input, Wish::Start(target))
            }),
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
            push: Some(|input| {
                let id = PushId(input.push()?);
                PushCall::read(input, Wish::Stop(id))
            }),
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
