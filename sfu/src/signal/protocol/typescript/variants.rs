//! The comments of enum variants, which ts-rs leaves out, read from their source.

/// The TypeScript name of an enum, its name in Rust, and the file that it is in.
const ENUMS: &[(&str, &str, &str)] = &[
    ("RoomEvent", "Event", include_str!("../../../live/event.rs")),
    (
        "LeaveReason",
        "LeaveReason",
        include_str!("../../../live/reason.rs"),
    ),
    (
        "RemovalReason",
        "RemovalReason",
        include_str!("../../../live/reason.rs"),
    ),
    (
        "RequestResult",
        "RequestResult",
        include_str!("../../../live/reason.rs"),
    ),
    (
        "NoResponse",
        "NoResponse",
        include_str!("../../../live/reason.rs"),
    ),
    ("Scene", "Scene", include_str!("../../../live/roles.rs")),
    ("Role", "Role", include_str!("../../../live/roles.rs")),
    ("Rank", "Rank", include_str!("../../../live/roles.rs")),
    (
        "SeatMode",
        "SeatMode",
        include_str!("../../../live/command.rs"),
    ),
    (
        "MovePolicy",
        "MovePolicy",
        include_str!("../../../live/seats/list.rs"),
    ),
    (
        "Device",
        "Device",
        include_str!("../../../live/seats/list.rs"),
    ),
    (
        "TrackKind",
        "TrackKind",
        include_str!("../../../live/tracks.rs"),
    ),
    (
        "Priority",
        "Priority",
        include_str!("../../../live/chat/message.rs"),
    ),
    ("RoomPart", "RoomPart", include_str!("../room.rs")),
    (
        "MessageContent",
        "MessageContent",
        include_str!("../chat.rs"),
    ),
    ("ChatEvent", "ChatEvent", include_str!("../chat.rs")),
    ("MediaEvent", "MediaEvent", include_str!("../media.rs")),
    ("ErrorName", "ErrorName", include_str!("../error_name.rs")),
];

/// The comments of the variants of an enum, in order; none for another type.
pub(super) fn variant_docs(name: &str) -> Vec<Vec<String>> {
    let found = ENUMS.iter().find(|(typescript, ..)| *typescript == name);
    found.map_or(Vec::new(), |(_, rust, source)| read(source, rust))
}

/// Relies on the source being formatted: a variant and its comment stand four spaces deep.
fn read(source: &str, name: &str) -> Vec<Vec<String>> {
    let head = format!("pub enum {name} {{");
    let lines = source.lines().skip_while(|line| *line != head).skip(1);
    let mut variants = Vec::new();
    let mut docs = Vec::new();
    for line in lines.take_while(|line| *line != "}") {
        let Some(rest) = line.strip_prefix("    ") else {
            continue;
        };
        if let Some(text) = rest.strip_prefix("///") {
            docs.push(text.trim().to_owned());
        } else if rest.starts_with(|c: char| c.is_ascii_uppercase()) {
            variants.push(std::mem::take(&mut docs));
        }
    }
    assert!(!variants.is_empty(), "there is no {head}");
    variants
}
