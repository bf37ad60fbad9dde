//! JSON Schemas of answers.

use relay::push::PushState;
use relay::record::{EndReason, RecordState, RecordingId};
use serde_json::{Map, Value, json};

/// All schemas of the description that are not bodies, by name.
pub(super) fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    for schemas in [
        names(),
        rooms(),
        seats(),
        chat(),
        streams(),
        viewers(),
        sights(),
        problem(),
    ] {
        if let Value::Object(schemas) = schemas {
            all.extend(schemas);
        }
    }
    for (name, item) in [
        ("RoomPage", "RoomInfo"),
        ("MemberPage", "Member"),
        ("TimePage", "Time"),
        ("MessagePage", "Message"),
        ("StreamPage", "Stream"),
        ("RecordingPage", "Recording"),
        ("ViewerPage", "Viewer"),
        ("RevocationPage", "Revocation"),
    ] {
        let page = object(
            &["items"],
            json!({"items": list(item), "next": reference("Next")}),
        );
        all.insert(name.to_owned(), page);
    }
    for (name, item) in [
        ("OnlineCounts", "OnlineCount"),
        ("SeatList", "Seat"),
        ("CoHostList", "CoHost"),
        ("PushList", "Push"),
        ("RecordingList", "Recording"),
        ("RecordedList", "Recorded"),
    ] {
        all.insert(
            name.to_owned(),
            object(&["items"], json!({"items": list(item)})),
        );
    }
    all
}

/// An object with these properties and no others.
fn object(required: &[&str], properties: Value) -> Value {
    json!({
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": false,
    })
}

/// An object whose properties are all there.
fn whole(properties: Value) -> Value {
    let names = properties.as_object().into_iter().flatten();
    let required: Vec<_> = names.map(|(name, _)| name.as_str()).collect();
    object(&required, properties.clone())
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{name}")})
}

fn list(name: &str) -> Value {
    json!({"type": "array", "items": reference(name)})
}

fn nullable(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "null"}]})
}

fn words(words: &[&str]) -> Value {
    json!({"type": "string", "enum": words})
}

fn names() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    json!({
        "RoomId": {
            "description": "A number room is a number, a named room a string: 123 and \"123\" are \
                            two rooms.",
            "anyOf": [
                {"type": "integer", "minimum": 1, "maximum": 4_294_967_294_u32},
                {"type": "string", "minLength": 1, "maxLength": 64},
            ],
        },
        "RoomText": {"type": "string", "minLength": 1, "maxLength": 69},
        "UserId": {"type": "string", "minLength": 1, "description": "1 to 32 bytes."},
        "Track": words(&["main", "aux"]),
        "StreamId": {
            "type": "string",
            "pattern": "^[A-Za-z0-9_-]{1,128}$",
        },
        "Index": count,
        "Name": {"type": "string", "minLength": 1},
        "Next": {
            "type": "string",
            "description": "Leads to the next page; absent on the last one.",
        },
        "Users": whole(json!({"users": list("UserId")})),
        "Time": whole(json!({
            "user": reference("UserId"),
            "seconds": {"type": "integer", "minimum": 0, "description": "Seconds left."},
        })),
        "OnlineCount": whole(json!({"room": reference("RoomId"), "online": count})),
    })
}

fn rooms() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let info = json!({
        "room": reference("RoomId"),
        "name": {"type": "string", "description": "The title."},
        "notice": {"type": "string"},
        "introduction": {"type": "string", "description": "What the room is about."},
        "cover": {"type": "string", "description": "The address of the room's picture."},
        "hidden": {"type": "boolean", "description": "The lists that members get leave it out."},
        "owner": nullable(reference("UserId")),
        "scene": nullable(words(&["live", "rtc"])),
        "online": {"type": "integer", "minimum": 0, "description": "Members and guests."},
        "totalEntered": count,
        "seats": nullable(reference("SeatSettings")),
        "createdAt": nullable(json!({"type": "integer", "description": "Unix milliseconds."})),
    });
    let mut room = info.clone();
    if let Some(room) = room.as_object_mut() {
        room.insert("likes".to_owned(), count.clone());
        room.insert("isMuteAll".to_owned(), json!({"type": "boolean"}));
        room.insert("isRecorded".to_owned(), json!({"type": "boolean"}));
    }
    let flag = json!({"type": "boolean"});
    json!({
        "RoomInfo": whole(info),
        "Room": whole(room),
        "SeatSettings": whole(json!({
            "count": count,
            "mode": words(&["freeToTake", "applyToTake"]),
            "keepOwnerOnSeat": flag,
        })),
        "Profile": whole(json!({"nick": {"type": "string"}, "avatar": {"type": "string"}})),
        "Rank": words(&["owner", "administrator", "generalUser"]),
        "Member": whole(json!({
            "user": reference("UserId"),
            "profile": reference("Profile"),
            "rank": reference("Rank"),
            "role": nullable(words(&["anchor", "audience"])),
            "tracks": reference("Tracks"),
        })),
        "Tracks": whole(json!({
            "main": nullable(reference("Publication")),
            "aux": nullable(reference("Publication")),
        })),
        "Publication": whole(json!({
            "hasAudio": flag, "hasVideo": flag, "hasSmall": flag,
            "audioMuted": flag, "videoMuted": flag,
        })),
    })
}

fn seats() -> Value {
    let flag = json!({"type": "boolean"});
    json!({
        "Seated": whole(json!({"seat": reference("Index")})),
        "Seat": whole(json!({
            "index": reference("Index"),
            "isLocked": flag, "isAudioLocked": flag, "isVideoLocked": flag,
            "user": nullable(reference("SeatUser")),
        })),
        "SeatUser": whole(json!({
            "user": reference("UserId"),
            "profile": reference("Profile"),
            "rank": reference("Rank"),
            "microphoneOn": flag, "cameraOn": flag,
            "away": {"type": "boolean", "description": "The seat is kept for one who reloads."},
        })),
        "CoHost": whole(json!({
            "room": reference("RoomId"),
            "owner": nullable(reference("UserId")),
            "isMuted": flag,
            "anchors": list("Member"),
        })),
    })
}

fn chat() -> Value {
    let text = json!({"type": "string"});
    json!({
        "Message": object(
            &[
                "ID", "sequence", "random", "to", "time", "priority", "nick", "avatar",
                "nameCard", "cloudCustomData", "isRevoked", "type", "payload",
            ],
            json!({
                "ID": text,
                "sequence": reference("Index"),
                "random": reference("Index"),
                "from": reference("UserId"),
                "to": reference("RoomId"),
                "time": {"type": "integer", "description": "Unix seconds."},
                "priority": words(&["Lowest", "Low", "Normal", "High"]),
                "nick": text, "avatar": text, "nameCard": text, "cloudCustomData": text,
                "isRevoked": {"type": "boolean"},
                "type": words(&["TIMTextElem", "TIMCustomElem", "TIMImageElem"]),
                "payload": {"type": "object"},
            }),
        ),
        "Sent": whole(json!({"time": {"type": "integer", "description": "Unix seconds."}})),
        "MutePage": object(
            &["isMuteAll", "items"],
            json!({
                "isMuteAll": {"type": "boolean"},
                "items": list("Time"),
                "next": reference("Next"),
            }),
        ),
        "Attributes": whole(json!({
            "attributes": {"type": "object", "additionalProperties": text},
        })),
        "Counters": whole(json!({
            "counters": {"type": "object", "additionalProperties": {"type": "integer"}},
            "likes": reference("Index"),
        })),
        "Counter": whole(json!({"value": {"type": "integer"}})),
    })
}

fn streams() -> Value {
    json!({
        "Stream": whole(json!({
            "room": reference("RoomId"),
            "user": reference("UserId"),
            "track": reference("Track"),
            "publication": reference("Publication"),
            "streamId": {"type": "string", "description": "Under which WHEP finds it."},
            "relayedAs": {
                "anyOf": [{"type": "string"}, {"type": "null"}],
                "description": "The name of its HTTP-FLV and HLS addresses.",
            },
        })),
        "Recorded": whole(json!({
            "user": reference("UserId"),
            "track": reference("Track"),
            "relayedAs": reference("StreamId"),
            "recordingId": nullable(reference("RecordingId")),
            "error": nullable(json!({"type": "string"})),
        })),
        "Push": whole(json!({
            "id": reference("Index"),
            "target": {
                "type": "string",
                "description": "Scheme, host and application; without the stream key.",
            },
            "state": words(&PushState::ALL.map(PushState::name)),
            "error": nullable(json!({
                "type": "string",
                "description": "What went wrong last; null while it runs.",
            })),
            "sentBytes": {"type": "integer", "minimum": 0, "description": "Of FLV tags."},
            "reconnects": {
                "type": "integer", "minimum": 0, "description": "Tries after one that failed.",
            },
        })),
        "RecordingId": {
            "type": "string",
            "minLength": 1,
            "maxLength": RecordingId::MAX_LEN,
            "pattern": "^[A-Za-z0-9-]+$",
        },
        "Recording": recording(),
    })
}

fn recording() -> Value {
    let count = |text: &str| json!({"type": "integer", "minimum": 0, "description": text});
    let path = |text: &str| nullable(json!({"type": "string", "description": text}));
    whole(json!({
        "id": reference("RecordingId"),
        "relayedAs": {"type": "string", "description": "The public stream id."},
        "state": words(&RecordState::ALL.map(RecordState::name)),
        "startedAt": count("Unix milliseconds."),
        "durationMs": count("What plays of it."),
        "bytes": count("Of its media segments."),
        "segments": count("Media segments."),
        "missedSegments": count("Those that a slow disk was not ready for in time."),
        "folder": {"type": "string", "description": "Where all of it is."},
        "playlist": path("HLS, VOD; null until the recording has ended."),
        "mp4": path("One file of all segments; null until there is one."),
        "mp4Bytes": nullable(count("The size of that file.")),
        "playlistUrl": path("Where players get the playlist from this server, unsigned."),
        "mp4Url": path("Where players get that file from this server, unsigned."),
        "reason": nullable(words(&EndReason::ALL.map(EndReason::name))),
        "error": nullable(json!({"type": "string", "description": "What went wrong."})),
    }))
}

fn viewers() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    let time = json!({"type": "integer", "description": "Unix seconds."});
    json!({
        "Viewer": whole(json!({
            "viewer": count,
            "address": text,
            "transport": words(&["http", "websocket"]),
            "since": time,
            "sentBytes": count,
            "txSecret": nullable(text.clone()),
        })),
        "Ended": whole(json!({
            "ended": {"type": "integer", "minimum": 0, "description": "Viewers."},
            "revocation": nullable(count.clone()),
        })),
        "Revocation": whole(json!({
            "revocation": count,
            "address": nullable(text.clone()),
            "txSecret": nullable(text.clone()),
            "stream": nullable(text),
            "until": time,
        })),
    })
}

fn sights() -> Value {
    let count = json!({"type": "integer", "minimum": 0});
    let text = json!({"type": "string"});
    let part = json!({"type": "number", "minimum": 0, "maximum": 1});
    let time = json!({"type": "integer", "description": "Unix milliseconds."});
    json!({
        "MeasureList": whole(json!({"intervalMs": count, "items": list("Measure")})),
        "Measure": whole(json!({
            "streamId": text,
            "user": nullable(reference("UserId")),
            "relayedAs": nullable(text.clone()),
            "width": nullable(count.clone()),
            "height": nullable(count.clone()),
            "samples": list("Sample"),
        })),
        "Sample": whole(json!({
            "at": time,
            "bitRateBps": count,
            "loss": nullable(part.clone()),
            "rttMs": nullable(count.clone()),
            "viewers": count,
            "viewerLoss": nullable(part),
        })),
        "DeliveryList": whole(json!({"items": list("Delivery")})),
        "Delivery": whole(json!({
            "id": count,
            "at": time,
            "event": text,
            "subject": {"type": "string", "description": "The room or stream."},
            "isDelivered": {"type": "boolean"},
            "reason": nullable(text.clone()),
            "status": nullable(count.clone()),
            "tookMs": count,
        })),
    })
}

fn problem() -> Value {
    json!({
        "Problem": object(
            &["type", "title", "status", "detail", "code"],
            json!({
                "type": {"type": "string"},
                "title": {"type": "string"},
                "status": {"type": "integer"},
                "detail": {
                    "type": "string",
                    "description": "What is wrong and what is allowed, for people.",
                },
                "code": {"type": "string", "description": "A stable word for programs."},
                "error_code": {
                    "type": "integer",
                    "description": "The code that clients get for the same refusal.",
                },
            }),
        ),
    })
}
