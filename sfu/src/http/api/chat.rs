//! Endpoints of a room's chat.

use std::time::Duration;

use http::Method;

use super::bodies::{
    AttributesPatch, Increase, Mute, MuteList, NewAttributes, NewCounters, NewMessage,
    NewNotification, seconds,
};
use super::endpoint::{AFTER, BodyOf, Endpoint, Group, LIMIT, Param};
use crate::live::chat::Priority;
use crate::signal::hub::admin::Call;

pub(super) fn group() -> Group {
    Group {
        name: "Chat",
        text: "Messages, who may send them, and the values that a room shares.",
        endpoints: [messages(), mutes(), values()]
            .into_iter()
            .flatten()
            .collect(),
    }
}

fn messages() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/messages",
            id: "listMessages",
            summary: "Read a room's recent messages",
            text: "Oldest first. `next`, given as `before`, leads to the older ones.",
            query: &[
                Param {
                    name: "before",
                    text: "Only messages before this sequence.",
                    is_number: true,
                },
                LIMIT,
            ],
            status: 200,
            answer: Some(("MessagePage", MESSAGE_PAGE)),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Messages {
                    room: input.room()?,
                    before: input.query("before", "a message's sequence")?,
                    limit: input.limit()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/messages",
            id: "sendMessage",
            summary: "Send a message to everybody in a room",
            text: "No filter and no mute stops it. In a room with more than forty messages a second \
                   it takes its turn by its priority. Give each request a nonce of its own: two \
                   equal ones within a second are taken for a replay otherwise.",
            body: BodyOf::new::<NewMessage>(r#"{"from": "anna", "text": "Welcome!"}"#),
            status: 202,
            answer: Some(("Sent", r#"{"time": 1700000000}"#)),
            refusals: &[(400, "message-too-long"), (404, "no-such-room")],
            call: |input| {
                let body: NewMessage = input.body()?;
                Ok(Call::Send {
                    room: input.room()?,
                    from: body.from,
                    priority: body.priority.unwrap_or(Priority::High),
                    content: NewMessage::content(body.text, body.custom)?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/messages/{sequence}",
            id: "revokeMessage",
            summary: "Take a recent message back",
            text: "Its place stays, empty; everybody in the room is told.",
            refusals: &[(404, "no-such-room"), (404, "no-such-message")],
            call: |input| {
                Ok(Call::Revoke {
                    room: input.room()?,
                    sequence: input.sequence()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/notifications",
            id: "notify",
            summary: "Send a system notice to everybody or to some",
            body: BodyOf::new::<NewNotification>(
                r#"{"text": "The talk ends in five minutes.", "users": ["ben"]}"#,
            ),
            status: 202,
            refusals: &[(404, "no-such-room"), (400, "message-too-long")],
            call: |input| {
                let body: NewNotification = input.body()?;
                Ok(Call::Notify {
                    room: input.room()?,
                    users: body.users.unwrap_or_default(),
                    text: body.text,
                })
            },
            ..Endpoint::default()
        },
    ]
}

fn mutes() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/mutes",
            id: "listMutes",
            summary: "List who may not speak",
            query: &[AFTER, LIMIT],
            status: 200,
            answer: Some((
                "MutePage",
                r#"{"isMuteAll": false, "items": [{"user": "ben", "seconds": 59}]}"#,
            )),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Mutes {
                    room: input.room()?,
                    after: input.query_user("after")?,
                    limit: input.limit()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/mutes/{user}",
            id: "muteUser",
            summary: "Let a user not speak for a time",
            body: BodyOf::new::<Mute>(r#"{"seconds": 60}"#),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: Mute = input.body()?;
                Ok(Call::Mute {
                    room: input.room()?,
                    users: vec![input.user()?],
                    time: seconds(body.seconds),
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/mutes/{user}",
            id: "unmuteUser",
            summary: "Let a user speak again",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Mute {
                    room: input.room()?,
                    users: vec![input.user()?],
                    time: Duration::ZERO,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PATCH,
            path: "/rooms/{room}/mutes",
            id: "muteUsers",
            summary: "Mute several users, or let them speak again",
            body: BodyOf::new::<MuteList>(r#"{"users": ["ben", "cleo"], "seconds": 60}"#),
            refusals: &[(400, "empty-list"), (404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: MuteList = input.body()?;
                Ok(Call::Mute {
                    room: input.room()?,
                    users: body.users,
                    time: seconds(body.seconds),
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/mute-all",
            id: "muteAll",
            summary: "Let nobody but the hosts speak",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::MuteAll {
                    room: input.room()?,
                    muted: true,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/mute-all",
            id: "unmuteAll",
            summary: "Let everybody speak again",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::MuteAll {
                    room: input.room()?,
                    muted: false,
                })
            },
            ..Endpoint::default()
        },
    ]
}

fn values() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/attributes",
            id: "readAttributes",
            summary: "Read the texts that a room shares",
            status: 200,
            answer: Some(ATTRIBUTES),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Attributes {
                    room: input.room()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/attributes",
            id: "replaceAttributes",
            summary: "Replace all texts that a room shares",
            body: BodyOf::new::<NewAttributes>(r#"{"attributes": {"topic": "music"}}"#),
            status: 200,
            answer: Some(ATTRIBUTES),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: NewAttributes = input.body()?;
                Ok(Call::ReplaceAttributes {
                    room: input.room()?,
                    values: body.attributes,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PATCH,
            path: "/rooms/{room}/attributes",
            id: "changeAttributes",
            summary: "Change some texts that a room shares",
            body: BodyOf::new::<AttributesPatch>(
                r#"{"attributes": {"topic": "music", "song": null}}"#,
            ),
            status: 200,
            answer: Some(ATTRIBUTES),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: AttributesPatch = input.body()?;
                Ok(Call::ChangeAttributes {
                    room: input.room()?,
                    values: body.attributes,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            path: "/rooms/{room}/counters",
            id: "readCounters",
            summary: "Read the numbers that a room shares, and its likes",
            status: 200,
            answer: Some(COUNTERS),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Counters {
                    room: input.room()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PATCH,
            path: "/rooms/{room}/counters",
            id: "setCounters",
            summary: "Set some numbers that a room shares",
            body: BodyOf::new::<NewCounters>(r#"{"counters": {"gifts": 12}}"#),
            status: 200,
            answer: Some(COUNTERS),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: NewCounters = input.body()?;
                Ok(Call::SetCounters {
                    room: input.room()?,
                    values: body.counters,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/counters/{name}/increases",
            id: "increaseCounter",
            summary: "Add to a number that a room shares",
            text: "It starts at 0. Give each request a nonce of its own.",
            body: BodyOf::new::<Increase>(r#"{"amount": 1}"#),
            status: 200,
            answer: Some(("Counter", r#"{"value": 13}"#)),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: Increase = input.body()?;
                Ok(Call::AddCounter {
                    room: input.room()?,
                    name: input.name()?,
                    amount: body.amount,
                })
            },
            ..Endpoint::default()
        },
    ]
}

const MESSAGE_PAGE: &str = r#"{
  "items": [{
    "ID": "1700000000000-1-7", "sequence": 1, "random": 7, "from": "ben", "to": 42,
    "time": 1700000000, "priority": "Normal", "nick": "Ben", "avatar": "", "nameCard": "",
    "cloudCustomData": "", "isRevoked": false, "type": "TIMTextElem", "payload": {"text": "Hi"}
  }]
}"#;

const ATTRIBUTES: (&str, &str) = ("Attributes", r#"{"attributes": {"topic": "music"}}"#);

const COUNTERS: (&str, &str) = ("Counters", r#"{"counters": {"gifts": 12}, "likes": 98765}"#);
