//! Endpoints of who is in a room, and who may not be.

use std::time::Duration;

use http::Method;

use super::bodies::{Ban, DeviceChange, Removal, seconds};
use super::endpoint::{AFTER, BodyOf, Endpoint, Group, LIMIT};
use super::refusal::Refusal;
use crate::live::{Device, LiveError, Order, SeatOrder};
use crate::signal::hub::admin::Call;

pub(super) fn group() -> Group {
    Group {
        name: "Members",
        text: "Who is in a room's chat or media, who decides there, and who is kept out.",
        endpoints: [listing(), ranks(), bans()].into_iter().flatten().collect(),
    }
}

fn listing() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/members",
            id: "listMembers",
            summary: "List a room's members",
            text: "Ordered by user id, the audience of the media included; guests have no name and \
                   are counted in the room's `online` only.",
            query: &[AFTER, LIMIT],
            status: 200,
            answer: Some(("MemberPage", MEMBER_PAGE)),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Members {
                    room: input.room()?,
                    after: input.query_user("after")?,
                    limit: input.limit()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            path: "/rooms/{room}/members/{user}",
            id: "readMember",
            summary: "Read what one member is and publishes",
            status: 200,
            answer: Some(("Member", MEMBER)),
            refusals: &[(404, "no-such-room"), (404, "not-a-member")],
            call: |input| {
                Ok(Call::Member {
                    room: input.room()?,
                    user: input.user()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/members/{user}",
            id: "removeMember",
            summary: "Remove a member",
            text: "The member may come back at once. Nothing happens to one who is not there.",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Remove {
                    room: input.room()?,
                    users: vec![input.user()?],
                    message: String::new(),
                    ban: None,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::POST,
            path: "/rooms/{room}/removals",
            id: "removeMembers",
            summary: "Remove several members, and keep them out if wanted",
            text: "The answer names those who were there or are banned now.",
            body: BodyOf::new::<Removal>(
                r#"{"users": ["ben", "cleo"], "message": "Spam", "banSeconds": 3600}"#,
            ),
            status: 200,
            answer: Some(("Users", r#"{"users": ["ben", "cleo"]}"#)),
            refusals: &[(400, "empty-list"), (404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: Removal = input.body()?;
                Ok(Call::Remove {
                    room: input.room()?,
                    users: body.users,
                    message: body.message.unwrap_or_default(),
                    ban: body.ban_seconds.map(seconds),
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PATCH,
            path: "/rooms/{room}/members/{user}/devices",
            id: "changeDevices",
            summary: "Close a member's microphone or camera, or let nothing of the member through",
            text: "One request changes one of the three. Nothing is ever turned on: the member may \
                   open a device again, no more.",
            body: BodyOf::new::<DeviceChange>(r#"{"microphone": false}"#),
            refusals: &[
                (404, "no-such-room"),
                (404, "not-a-member"),
                (404, "not-seated"),
                (409, "no-seats"),
            ],
            call: |input| {
                let (room, user) = (input.room()?, input.user()?);
                let DeviceChange {
                    microphone,
                    camera,
                    blocked,
                } = input.body()?;
                let device = |device, open| SeatOrder::Device {
                    user: user.clone(),
                    device,
                    open,
                };
                let order = match (microphone, camera, blocked) {
                    (Some(open), None, None) => Order::Seat(device(Device::Microphone, open)),
                    (None, Some(open), None) => Order::Seat(device(Device::Camera, open)),
                    (None, None, Some(blocked)) => Order::Block { user, blocked },
                    _ => {
                        return Err(Refusal::from(LiveError::BadValue {
                            what: "a change of none or several at once",
                            allowed: "give one of `microphone`, `camera` and `blocked`",
                        }));
                    }
                };
                Ok(Call::Order { room, order })
            },
            ..Endpoint::default()
        },
    ]
}

fn ranks() -> Vec<Endpoint> {
    vec![
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/administrators/{user}",
            id: "setAdministrator",
            summary: "Make a member an administrator",
            refusals: &[(404, "no-such-room"), (404, "not-a-member"), (409, "full")],
            call: |input| {
                Ok(Call::Order {
                    room: input.room()?,
                    order: Order::SetAdministrator {
                        user: input.user()?,
                        is_administrator: true,
                    },
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/administrators/{user}",
            id: "revokeAdministrator",
            summary: "Make an administrator a member like others",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Order {
                    room: input.room()?,
                    order: Order::SetAdministrator {
                        user: input.user()?,
                        is_administrator: false,
                    },
                })
            },
            ..Endpoint::default()
        },
    ]
}

fn bans() -> Vec<Endpoint> {
    vec![
        Endpoint {
            path: "/rooms/{room}/bans",
            id: "listBans",
            summary: "List who may not enter a room",
            query: &[AFTER, LIMIT],
            status: 200,
            answer: Some((
                "TimePage",
                r#"{"items": [{"user": "ben", "seconds": 3599}]}"#,
            )),
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Bans {
                    room: input.room()?,
                    after: input.query_user("after")?,
                    limit: input.limit()?,
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::PUT,
            path: "/rooms/{room}/bans/{user}",
            id: "banUser",
            summary: "Keep a user out of a room for a time",
            text: "One who is there is removed. The ban survives a restart of the server.",
            body: BodyOf::new::<Ban>(r#"{"seconds": 3600, "message": "Spam"}"#),
            refusals: &[(404, "no-such-room"), (409, "full")],
            call: |input| {
                let body: Ban = input.body()?;
                Ok(Call::Remove {
                    room: input.room()?,
                    users: vec![input.user()?],
                    message: body.message.unwrap_or_default(),
                    ban: Some(Duration::from_secs(body.seconds)),
                })
            },
            ..Endpoint::default()
        },
        Endpoint {
            method: Method::DELETE,
            path: "/rooms/{room}/bans/{user}",
            id: "unbanUser",
            summary: "Let a user in again",
            refusals: &[(404, "no-such-room")],
            call: |input| {
                Ok(Call::Order {
                    room: input.room()?,
                    order: Order::Unban {
                        user: input.user()?,
                    },
                })
            },
            ..Endpoint::default()
        },
    ]
}

const MEMBER: &str = r#"{
  "user": "anna", "profile": {"nick": "Anna", "avatar": ""}, "rank": "owner", "role": "anchor",
  "tracks": {
    "main": {
      "hasAudio": true, "hasVideo": true, "hasSmall": false,
      "audioMuted": false, "videoMuted": false
    },
    "aux": null
  }
}"#;

const MEMBER_PAGE: &str = r#"{
  "items": [{
    "user": "ben", "profile": {"nick": "", "avatar": ""}, "rank": "generalUser", "role": null,
    "tracks": {"main": null, "aux": null}
  }],
  "next": "ben"
}"#;
