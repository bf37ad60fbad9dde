//! Names of relay tasks: what they relay, so that nothing has to be kept of them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::live::{RoomId, TrackKind, UserId};

/// The task that pushes this publication to FLV and HLS, as the cloud API names it.
pub fn relay_task_id(room: &RoomId, user: &UserId, track: TrackKind) -> String {
    // Names and a word: nothing that JSON could refuse.
    let text = serde_json::to_vec(&(room, user, track)).unwrap_or_default();
    URL_SAFE_NO_PAD.encode(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_what_it_relays() {
        let id = relay_task_id(
            &RoomId::number(7).unwrap(),
            &"anna".parse().unwrap(),
            TrackKind::Main,
        );
        let bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
        assert_eq!(bytes, br#"[7,"anna","main"]"#);
    }
}
