//! Endpoints of seats and of connected rooms.

use http::Method;

use super::bodies::{CoHostChange, SeatChange, Sitting};
use super::endpoint::{BodyOf, Endpoint, Group};
use crate::live::{CoHostOrder, MovePolicy, Order, SeatOrder};
use crate::signal::hub::admin::Call;

pub(super) fn group() -> Group {
    Group {
        name: "Seats",
        text: "Who sits is an anchor and may publish; who stands up is audience again.",
        endpoints: vec![
            Endpoint {
                path: "/rooms/{room}/seats",
                id: "listSeats",
                summary: "List a room's seats",
                status: 200,
                answer: Some(("SeatList", SEATS)),
                refusals: &[(404, "no-such-room")],
                call: |input| {
                    Ok(Call::Seats {
                        room: input.room()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PATCH,
                path: "/rooms/{room}/seats/{seat}",
                id: "lockSeat",
                summary: "Lock or unlock a seat",
                text: "The one who sits there stays.",
                body: BodyOf::new::<SeatChange>(r#"{"locked": true}"#),
                refusals: &[
                    (404, "no-such-room"),
                    (404, "no-such-seat"),
                    (409, "no-seats"),
                ],
                call: |input| {
                    let body: SeatChange = input.body()?;
                    Ok(Call::Order {
                        room: input.room()?,
                        order: Order::Seat(SeatOrder::Lock {
                            seat: input.seat()?,
                            locked: body.locked,
                        }),
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PUT,
                path: "/rooms/{room}/seats/{seat}/user",
                id: "pickOnSeat",
                summary: "Put a member on a seat without asking, or move one who sits elsewhere",
                body: BodyOf::new::<Sitting>(r#"{"user": "ben", "policy": "swapPosition"}"#),
                status: 200,
                answer: Some(("Seated", r#"{"seat": 2}"#)),
                refusals: &[
                    (404, "no-such-room"),
                    (404, "no-such-seat"),
                    (404, "not-a-member"),
                    (409, "no-seats"),
                    (409, "seat-locked"),
                    (409, "seat-occupied"),
                ],
                call: |input| {
                    let body: Sitting = input.body()?;
                    Ok(Call::Seat {
                        room: input.room()?,
                        seat: Some(input.seat()?),
                        user: body.user,
                        policy: body.policy.unwrap_or(MovePolicy::AbortWhenOccupied),
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/rooms/{room}/seats/{seat}/user",
                id: "clearSeat",
                summary: "Take the one who sits there off the seat",
                text: "Nothing happens when nobody does.",
                refusals: &[
                    (404, "no-such-room"),
                    (404, "no-such-seat"),
                    (409, "no-seats"),
                ],
                call: |input| {
                    Ok(Call::ClearSeat {
                        room: input.room()?,
                        seat: input.seat()?,
                    })
                },
                ..Endpoint::default()
            },
        ],
    }
}

pub(super) fn co_hosts() -> Group {
    Group {
        name: "Connected rooms",
        text: "The audience of each room sees and hears the anchors of all that are connected.",
        endpoints: vec![
            Endpoint {
                path: "/rooms/{room}/co-hosts",
                id: "listCoHosts",
                summary: "List the rooms that are connected with a room",
                status: 200,
                answer: Some(("CoHostList", CO_HOSTS)),
                refusals: &[(404, "no-such-room")],
                call: |input| {
                    Ok(Call::CoHosts {
                        room: input.room()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PUT,
                path: "/rooms/{room}/co-hosts/{other}",
                id: "connectRooms",
                summary: "Connect two rooms without asking their hosts",
                refusals: &[
                    (404, "no-such-room"),
                    (409, "connected-elsewhere"),
                    (409, "full"),
                ],
                call: |input| {
                    Ok(Call::Connect {
                        room: input.room()?,
                        other: input.other()?,
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::PATCH,
                path: "/rooms/{room}/co-hosts/{other}",
                id: "muteCoHost",
                summary: "Mute a connected room's sound for this room's audience",
                body: BodyOf::new::<CoHostChange>(r#"{"muted": true}"#),
                refusals: &[(404, "no-such-room"), (404, "not-connected")],
                call: |input| {
                    let body: CoHostChange = input.body()?;
                    Ok(Call::Order {
                        room: input.room()?,
                        order: Order::CoHost(CoHostOrder::Mute {
                            room: input.other()?,
                            muted: body.muted,
                        }),
                    })
                },
                ..Endpoint::default()
            },
            Endpoint {
                method: Method::DELETE,
                path: "/rooms/{room}/co-hosts/{other}",
                id: "disconnectRoom",
                summary: "Take a room out of another one's group",
                text: "Nothing happens to one that is not in it.",
                refusals: &[(404, "no-such-room")],
                call: |input| {
                    Ok(Call::Disconnect {
                        room: input.room()?,
                        other: input.other()?,
                    })
                },
                ..Endpoint::default()
            },
        ],
    }
}

const SEATS: &str = r#"{
  "items": [{
    "index": 0, "isLocked": false, "isAudioLocked": false, "isVideoLocked": false,
    "user": {
      "user": "anna", "profile": {"nick": "Anna", "avatar": ""}, "rank": "owner",
      "microphoneOn": true, "cameraOn": true, "away": false
    }
  }, {
    "index": 1, "isLocked": true, "isAudioLocked": false, "isVideoLocked": false, "user": null
  }]
}"#;

const CO_HOSTS: &str = r#"{
  "items": [{"room": "morning", "owner": "dora", "isMuted": false, "anchors": []}]
}"#;
