//! Names of relay tasks: what they relay, so that nothing has to be kept of them.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use relay::StreamId;
use thiserror::Error;

use crate::live::{RoomId, TrackKind, UserId};

/// The task that pushes a publication to FLV and HLS, as the cloud API and its notices name it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayTask {
    /// The room.
    pub room: RoomId,
    /// Whose publication.
    pub user: UserId,
    /// Which of the two.
    pub track: TrackKind,
}

impl fmt::Display for RelayTask {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = (&self.room, &self.user, self.track);
        let text = serde_json::to_vec(&parts).map_err(|_| fmt::Error)?;
        f.write_str(&URL_SAFE_NO_PAD.encode(text))
    }
}

/// The name of the task that pushes a stream in no room; never that of a [`RelayTask`].
pub fn stream_task(stream: &StreamId) -> String {
    URL_SAFE_NO_PAD.encode(format!("[\"{stream}\"]"))
}

/// A text names no [`RelayTask`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("a task is named by the text that was given for it")]
pub struct BadTask;

impl FromStr for RelayTask {
    type Err = BadTask;

    fn from_str(text: &str) -> Result<Self, BadTask> {
        let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| BadTask)?;
        let (room, user, track) = serde_json::from_slice(&bytes).map_err(|_| BadTask)?;
        Ok(Self { room, user, track })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_is_named_by_what_it_relays() {
        let task = RelayTask {
            room: RoomId::number(7).unwrap(),
            user: "anna".parse().unwrap(),
            track: TrackKind::Main,
        };
        let id = task.to_string();
        let bytes = URL_SAFE_NO_PAD.decode(&id).unwrap();
        assert_eq!(bytes, br#"[7,"anna","main"]"#);
        assert_eq!(id.parse(), Ok(task));
        let other = |text: &[u8]| URL_SAFE_NO_PAD.encode(text).parse::<RelayTask>();
        assert_eq!(other(br#"[0,"anna","main"]"#), Err(BadTask));
        assert_eq!(other(br#"[7,"anna"]"#), Err(BadTask));
        assert_eq!("*".parse::<RelayTask>(), Err(BadTask));
    }

    #[test]
    fn no_stream_has_a_name_that_makes_it_a_publication() {
        let stream: StreamId = "WzcsImFubmEiLCJtYWluIl0".parse().unwrap();
        assert!(stream.as_str().parse::<RelayTask>().is_ok());
        assert_eq!(stream_task(&stream).parse::<RelayTask>(), Err(BadTask));
    }
}
