//! The last messages of a room, for those who enter.

use std::collections::VecDeque;
use std::sync::Arc;

use super::error::ChatError;
use super::message::{MAX_MESSAGE, Message, Payload};
use crate::live::UserId;

/// A ring of messages, bounded in number and bytes.
#[derive(Debug)]
pub struct History {
    messages: VecDeque<Arc<Message>>,
    bytes: usize,
    limit: usize,
    last_sequence: u64,
}

impl History {
    /// Goes on from stored messages, oldest first. `limit` messages are kept.
    pub fn restore(
        messages: impl IntoIterator<Item = Message>,
        last_sequence: u64,
        limit: usize,
    ) -> Self {
        let mut history = Self {
            messages: VecDeque::new(),
            bytes: 0,
            limit,
            last_sequence,
        };
        for message in messages {
            history.last_sequence = history.last_sequence.max(message.sequence);
            history.keep(Arc::new(message));
        }
        history
    }

    /// Gives a message its place in the room and keeps it.
    pub fn push(&mut self, mut message: Message) -> Arc<Message> {
        self.last_sequence += 1;
        message.sequence = self.last_sequence;
        let message = Arc::new(message);
        self.keep(Arc::clone(&message));
        message
    }

    /// Up to `count` messages before a sequence, or the last ones, oldest first.
    pub fn page(&self, before: Option<u64>, count: usize) -> Vec<Arc<Message>> {
        let end = match before {
            Some(sequence) => self.messages.partition_point(|m| m.sequence < sequence),
            None => self.messages.len(),
        };
        let start = end.saturating_sub(count);
        self.messages.range(start..end).cloned().collect()
    }

    /// Takes a message back. The empty message that stands in its place.
    ///
    /// # Errors
    /// 10004 for one that is not in the ring, 10007 for somebody else's.
    pub fn revoke(
        &mut self,
        sequence: u64,
        by: &UserId,
        is_host: bool,
    ) -> Result<Arc<Message>, ChatError> {
        let found = self
            .messages
            .binary_search_by_key(&sequence, |m| m.sequence);
        let at = found.map_err(|_| ChatError::NoSuchMessage { sequence })?;
        let message = &self.messages[at];
        if !is_host && message.from.as_ref() != Some(by) {
            return Err(ChatError::NotYours);
        }
        let revoked = Arc::new(message.revoked());
        self.bytes = self.bytes - size(message) + size(&revoked);
        self.messages[at] = Arc::clone(&revoked);
        Ok(revoked)
    }

    /// The sequence of the last message; 0 before the first.
    pub fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    fn keep(&mut self, message: Arc<Message>) {
        self.bytes += size(&message);
        self.messages.push_back(message);
        while self.messages.len() > self.limit || self.bytes > MAX_BYTES {
            let Some(oldest) = self.messages.pop_front() else {
                return;
            };
            self.bytes -= size(&oldest);
        }
    }
}

fn size(message: &Message) -> usize {
    let content = match &message.payload {
        Payload::Text(text) => text.text.len(),
        Payload::Custom(custom) => {
            custom.data.len() + custom.description.len() + custom.extension.len()
        }
        Payload::Image(image) => image.image_info_array.iter().map(|i| i.url.len()).sum(),
        Payload::Tip(_) => 0,
    };
    content + message.cloud_custom_data.len() + message.nick.len() + message.avatar.len() + 256
}

/// Most bytes of one room's history: ten of the largest messages, and a gigabyte for the
/// largest number of rooms.
const MAX_BYTES: usize = 10 * MAX_MESSAGE;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::RoomId;
    use crate::live::chat::message::{Priority, TextPayload};

    fn message(text: &str) -> Message {
        Message {
            id: text.chars().take(10).collect(),
            sequence: 0,
            random: 0,
            from: Some("anna".parse().unwrap()),
            to: RoomId::number(1).unwrap(),
            time: 0,
            priority: Priority::Normal,
            nick: String::new(),
            avatar: String::new(),
            name_card: String::new(),
            cloud_custom_data: String::new(),
            is_revoked: false,
            payload: Payload::Text(TextPayload { text: text.into() }),
        }
    }

    fn sequences(messages: &[Arc<Message>]) -> Vec<u64> {
        messages.iter().map(|m| m.sequence).collect()
    }

    #[test]
    fn the_last_messages_are_kept_and_read_in_pages() {
        let mut history = History::restore([], 100, 5);
        for n in 0..8 {
            history.push(message(&n.to_string()));
        }
        assert_eq!(sequences(&history.page(None, 2)), [107, 108]);
        assert_eq!(sequences(&history.page(Some(107), 10)), [104, 105, 106]);
        assert!(history.page(Some(1), 10).is_empty());
        let stored = history
            .page(None, 10)
            .iter()
            .map(|m| (**m).clone())
            .collect::<Vec<_>>();
        let mut restored = History::restore(stored, 0, 5);
        assert_eq!(restored.push(message("next")).sequence, 109);
    }

    #[test]
    fn large_messages_are_kept_in_smaller_number() {
        let mut history = History::restore([], 0, 50);
        for _ in 0..100 {
            history.push(message(&"x".repeat(MAX_MESSAGE)));
            assert!(history.bytes <= MAX_BYTES);
        }
        assert_eq!(history.page(None, 100).len(), 9);
    }

    #[test]
    fn a_message_is_taken_back_by_its_sender_and_by_hosts() {
        let mut history = History::restore([], 0, 5);
        history.push(message("one"));
        history.push(message("two"));
        let [anna, ben] = ["anna", "ben"].map(|u| u.parse().unwrap());
        assert_eq!(history.revoke(1, &ben, false).unwrap_err().code(), 10_007);
        assert_eq!(history.revoke(9, &anna, true).unwrap_err().code(), 10_004);
        assert!(history.revoke(1, &anna, false).unwrap().is_revoked);
        assert!(history.revoke(2, &ben, true).is_ok());
        let page = history.page(None, 5);
        assert!(
            page.iter()
                .all(|m| m.is_revoked && m.payload == message("").payload)
        );
        assert_eq!(sequences(&page), [1, 2]);
    }
}
