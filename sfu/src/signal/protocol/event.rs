//! Events: what the server tells without being asked.

use std::sync::Arc;

use serde::Serialize;

use super::chat::ChatEvent;
use super::media::MediaEvent;
use crate::live::{Event, RoomId};

/// What has happened, named by `event`.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum EventBody {
    /// In a room: members, seats, connected rooms.
    Room(Event),
    /// In a room's chat.
    Chat(ChatEvent),
    /// With one's own media.
    Media(MediaEvent),
}

impl EventBody {
    /// The room that the event is about.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::Room(event) => event.room(),
            Self::Chat(event) => Some(event.room()),
            Self::Media(event) => event.room(),
        }
    }
}

impl From<Event> for EventBody {
    fn from(event: Event) -> Self {
        Self::Room(event)
    }
}

impl From<ChatEvent> for EventBody {
    fn from(event: ChatEvent) -> Self {
        Self::Chat(event)
    }
}

impl From<MediaEvent> for EventBody {
    fn from(event: MediaEvent) -> Self {
        Self::Media(event)
    }
}

/// An event that was written once and goes to many sessions, each with a number of its own.
/// Cloning shares the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SharedEvent(Arc<str>);

impl SharedEvent {
    /// Writes the event.
    pub fn new(body: &EventBody) -> Self {
        // All events are objects with string keys and finite numbers, which JSON can always
        // write.
        let text = serde_json::to_string(body).unwrap_or_else(|error| {
            tracing::error!(%error, "an event cannot be written as JSON");
            String::from("{\"event\":\"\"}")
        });
        Self(text.into())
    }

    /// The text frame for the session in which this is event `seq`.
    pub fn numbered(&self, seq: u64) -> Arc<str> {
        let fields = self.0.strip_prefix('{').unwrap_or_default();
        format!("{{\"type\":\"event\",\"seq\":{seq},{fields}").into()
    }

    /// Bytes of the event without its number.
    pub fn bytes(&self) -> usize {
        self.0.len()
    }
}
