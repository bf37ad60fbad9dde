//! Calls on a room's chat.

use std::time::Instant;

use super::{Desk, chat, known, listed, times};
use crate::live::chat::{AttributesChange, Draft, DraftPayload, Payload, Priority, TextPayload};
use crate::live::{AppId, RoomId, RoomKey};
use crate::signal::hub::admin::{AdminError, Call, Content, MAX_PAGE, Page, Reply, SharedMessage};

/// Carries out what concerns the chat.
pub(super) fn apply_chat(
    desk: &mut impl Desk,
    now: Instant,
    app: AppId,
    call: Call,
) -> Result<Reply, AdminError> {
    let clock = desk.clock(now);
    let key = |room: RoomId| RoomKey::new(app, room);
    match call {
        Call::Mutes { room, after, limit } => {
            let chat = chat(desk, &key(room))?;
            let mut all: Vec<_> = chat
                .moderation
                .all(clock)
                .map(|(user, left)| (user.clone(), left))
                .collect();
            all.sort_unstable();
            Ok(Reply::Mutes {
                is_mute_all: chat.moderation.is_mute_all(),
                page: times(all, after, limit),
            })
        }
        Call::Mute { room, users, time } => {
            let (key, users) = (known(desk, key(room))?, listed(users)?);
            for user in &users {
                desk.mute(now, &key, user, time)?;
            }
            Ok(Reply::Done)
        }
        Call::MuteAll { room, muted } => {
            let key = known(desk, key(room))?;
            desk.mute_all(now, &key, muted)?;
            Ok(Reply::Done)
        }
        Call::Messages {
            room,
            before,
            limit,
        } => {
            let limit = limit.clamp(1, MAX_PAGE);
            let chat = chat(desk, &key(room))?;
            let mut items = chat.history().page(before, limit + 1);
            let more = items.len() > limit;
            items.drain(..items.len().saturating_sub(limit));
            let first = items.first().filter(|_| more);
            let next = first.map(|message| message.sequence.to_string());
            let items = items.into_iter().map(SharedMessage).collect();
            Ok(Reply::Messages(Page { items, next }))
        }
        Call::Send {
            room,
            from,
            priority,
            content,
        } => {
            let (key, payload) = (key(room), checked(content)?);
            chat(desk, &key)?.announce(now, clock, from, priority, payload);
            Ok(Reply::Sent {
                time: clock.as_secs(),
            })
        }
        Call::Notify { room, users, text } => {
            let key = known(desk, key(room))?;
            let payload = checked(Content::Text(TextPayload { text: text.clone() }))?;
            if users.is_empty() {
                chat(desk, &key)?.announce(now, clock, None, Priority::High, payload);
            } else {
                desk.notify(now, &key, &listed(users)?, text);
            }
            Ok(Reply::Done)
        }
        Call::Revoke { room, sequence } => {
            let key = known(desk, key(room))?;
            desk.revoke(&key, sequence)?;
            Ok(Reply::Done)
        }
        Call::Attributes { room } => {
            let attributes = chat(desk, &key(room))?.attributes.all().clone();
            Ok(Reply::Attributes { attributes })
        }
        Call::ReplaceAttributes { room, values } => {
            let key = key(room);
            let change = chat(desk, &key)?.attributes.init(values)?;
            attributes_changed(desk, &key, change)
        }
        Call::ChangeAttributes { room, values } => {
            let key = key(room);
            let attributes = &mut chat(desk, &key)?.attributes;
            let mut next = attributes.all().clone();
            for (name, value) in values {
                match value {
                    Some(value) => next.insert(name, value),
                    None => next.remove(&name),
                };
            }
            let change = attributes.init(next)?;
            attributes_changed(desk, &key, change)
        }
        Call::Counters { room } => {
            let chat = chat(desk, &key(room))?;
            Ok(Reply::Counters {
                counters: chat.counters.all().clone(),
                likes: chat.likes(),
            })
        }
        Call::SetCounters { room, values } => {
            let key = key(room);
            let chat = chat(desk, &key)?;
            chat.counters.set(values)?;
            Ok(Reply::Counters {
                counters: chat.counters.all().clone(),
                likes: chat.likes(),
            })
        }
        Call::AddCounter { room, name, amount } => {
            let key = key(room);
            let value = chat(desk, &key)?.counters.add(&name, amount)?;
            Ok(Reply::Counter { value })
        }
        // All others are carried out by `apply`.
        _ => Err(AdminError::Busy),
    }
}

fn attributes_changed(
    desk: &mut impl Desk,
    key: &RoomKey,
    change: AttributesChange,
) -> Result<Reply, AdminError> {
    let attributes = chat(desk, key)?.attributes.all().clone();
    if !change.is_empty() {
        desk.attributes_changed(key, change);
    }
    Ok(Reply::Attributes { attributes })
}

/// Checks size and characters; what a filter would say does not count for the back end.
fn checked(content: Content) -> Result<Payload, AdminError> {
    let (draft, payload) = match content {
        Content::Text(text) => (DraftPayload::Text(text.clone()), Payload::Text(text)),
        Content::Custom(custom) => (
            DraftPayload::Custom(custom.clone()),
            Payload::Custom(custom),
        ),
    };
    let draft = Draft {
        payload: draft,
        ..Draft::text("")
    };
    draft.check()?;
    Ok(payload)
}
