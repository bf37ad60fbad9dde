//! Endpoints of rooms themselves.

use http::Method;

use super::bodies::{NewRoom, RoomChange, RoomList};
use super::endpoint::{AFTER, BodyOf, Endpoint, Group, LIMIT, Param};
use crate::live::{About, AboutChange, Order};
use crate::signal::hub::admin::{Call, MAX_ROOMS, RoomFilter};

use super::refusal::Refusal;
use crate::live::LiveError;

pub(super) fn group() -> Group {
    Group {
        name: "Rooms",
        text: "A room is there while somebody is in it, and for a while after that; one that was \
               created with an owner stays for twelve hours when it is empty.",
        endpoints: vec![
            Endpoint {
                path: "/rooms",
                id: "listRooms",
                summary: "List the app's rooms",
                text: "Numbers first, then names, each in their order.",
                query: &[
                    AFTER,
                    LIMIT,
                    Param {
                        name: "name",
                        text: "Only rooms whose title contains this, whatever the case.",
                        is_number: false,
                    },
                    Param {
                        name: "owner",
                        text: "Only rooms of this owner.",
                        is_number: false,
                    },
                    Param {
                        name: "minOnline",
                        text: "Only rooms with at least so many people.",
                        is_number: true,
                    },
                ],
                status: 200,
                answer: Some(("RoomPage", ROOM_PAGE)),
                call: |input| {
                    Ok(Call::Rooms {
                        filter: RoomFilter {
                            name: input.query("name", "a text")?,
                            owner: input.query_user("owner")?,
                            min_online: input
                                .query("minOnline", "a whole number")?
                                .unwrap_or_default(),
                        },
                        after: input.query_room("after")?,
                        limit: input.limit()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                path: "/rooms/{room}",
                id: "readRoom",
                summary: "Read what a room is",
                status: 200,
                answer: Some(("Room", ROOM)),
                refusals: &[(404, "no-such-room")],
                call: |input| {
                    Ok(Call::Room {
                        room: input.room()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PUT,
                path: "/rooms/{room}",
                id: "createRoom",
                summary: "Create a room",
                text: "Asked again with the same owner it is 200, and texts and seat mode are those \
                       of the last request.",
                body: BodyOf::new::<NewRoom>(
                    r#"{"owner": "anna", "name": "Evening talk", "seats": {"count": 6}}"#,
                ),
                status: 201,
                answer: Some(("Room", ROOM)),
                refusals: &[(400, "seat-limit"), (409, "id-taken"), (409, "full")],
                call: |input| {
                    let body: NewRoom = input.body()?;
                    Ok(Call::Create {
                        room: input.room()?,
                        owner: body.owner,
                        about: About::default().with(AboutChange {
                            name: body.name,
                            notice: body.notice,
                            introduction: body.introduction,
                            cover: body.cover,
                            hidden: body.hidden,
                        })?,
                        seats: body.seats.map(Into::into),
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PATCH,
                path: "/rooms/{room}",
                id: "updateRoom",
                summary: "Change a room's texts, whether lists have it, or its seat mode",
                body: BodyOf::new::<RoomChange>(r#"{"notice": "Be kind."}"#),
                status: 200,
                answer: Some(("Room", ROOM)),
                refusals: &[(404, "no-such-room"), (409, "no-seats")],
                call: |input| {
                    let body: RoomChange = input.body()?;
                    Ok(Call::Update {
                        room: input.room()?,
                        about: AboutChange {
                            name: body.name,
                            notice: body.notice,
                            introduction: body.introduction,
                            cover: body.cover,
                            hidden: body.hidden,
                        },
                        seat_mode: body.seat_mode,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/rooms/{room}",
                id: "dismissRoom",
                summary: "Dismiss a room",
                text: "Everybody is taken out; its history, bans and mutes are forgotten.",
                refusals: &[(404, "no-such-room")],
                call: |input| {
                    Ok(Call::Order {
                        room: input.room()?,
                        order: Order::Dismiss,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::POST,
                path: "/online-counts",
                id: "countOnline",
                summary: "Count who is in several rooms",
                text: "Members and guests. A room that does not exist has 0.",
                body: BodyOf::new::<RoomList>(r#"{"rooms": [42, "evening"]}"#),
                status: 200,
                answer: Some((
                    "OnlineCounts",
                    r#"{"items": [{"room": 42, "online": 1200}, {"room": "evening", "online": 0}]}"#,
                )),
                call: |input| {
                    let RoomList { rooms } = input.body()?;
                    if rooms.len() > MAX_ROOMS {
                        return Err(Refusal::from(LiveError::BadValue {
                            what: "a list of more than 100 rooms",
                            allowed: "name up to 100, and the others in another request",
                        }));
                    }
                    Ok(Call::Online { rooms })
                },
                ..Endpoint::default()
            },
        ],
    }
}

const ROOM: &str = r#"{
  "room": 42, "name": "Evening talk", "notice": "Be kind.", "introduction": "What the day has brought",
  "cover": "/images/talk.png", "hidden": false, "owner": "anna", "scene": "live",
  "online": 1200, "totalEntered": 3456,
  "seats": {"count": 6, "mode": "applyToTake", "keepOwnerOnSeat": false},
  "createdAt": 1700000000000, "likes": 98765, "isMuteAll": false, "isRecorded": false
}"#;

const ROOM_PAGE: &str = r#"{
  "items": [{
    "room": 42, "name": "Evening talk", "notice": "", "introduction": "", "cover": "",
    "hidden": false, "owner": "anna", "scene": null,
    "online": 0, "totalEntered": 0, "seats": null, "createdAt": 1700000000000
  }],
  "next": "42"
}"#;
