//! What the rooms put out, passed on to clients, media, chat, store and webhooks.

use std::time::Instant;

use super::{Hub, HubOutput};
use crate::live::chat::{GroupTip, Payload, Priority, TipKind};
use crate::live::{Effect, EndReason, Event, LeaveReason, Output, Recipient, RoomKey, UserId};
use crate::signal::protocol::EventBody;
use crate::store::Change;

impl Hub {
    /// Passes on all that rooms and chats have to say. The last step of each call, and the first
    /// one before the rooms are given another command: events name who is in a room *now*.
    pub(super) fn settle(&mut self, now: Instant) {
        // Effects end publications and drop chats; they give the rooms no commands, so that this
        // ends.
        while let Some(output) = self.rooms.poll_output() {
            match output {
                Output::Event { to, event } => self.pass_event(now, &to, event),
                Output::Effect(effect) => self.pass_effect(now, effect),
            }
        }
        self.tell_held();
        while let Some(key) = self.touched.pop_first() {
            self.tell_chat(now, &key);
        }
        self.acting = None;
    }

    fn pass_event(&mut self, now: Instant, to: &Recipient, event: Event) {
        if let (
            Recipient::Room(key),
            Event::AdministratorChanged {
                user,
                is_administrator,
                ..
            },
        ) = (to, &event)
        {
            let kind = match is_administrator {
                true => TipKind::AdminSet,
                false => TipKind::AdminCancelled,
            };
            self.tip(now, key, kind, Some(user));
        }
        if let (Recipient::Room(key), Event::RoomUpdated { info, .. }) = (to, &event) {
            self.tell_update(now, key, info);
            // A new room has nobody to tell.
            if info.total_entered > 0 {
                self.tip(now, key, TipKind::RoomProfile, None);
            }
        }
        self.tell(to, EventBody::from(event));
    }

    fn pass_effect(&mut self, now: Instant, effect: Effect) {
        self.tell_back_end(now, &effect);
        match effect {
            Effect::RoomCreated { key, .. } => self.expect_chat(now, &key),
            Effect::RoomEnded { key, reason } => {
                self.stage.recorded.remove(&key);
                self.end_chat(&key, reason);
            }
            Effect::ChatEntered { key, user } => {
                if let Some(chat) = self.chat_mut(&key) {
                    chat.joined(user);
                }
            }
            Effect::ChatLeft { key, user, reason } => match reason {
                LeaveReason::Kicked => self.tip(now, &key, TipKind::Kicked, Some(&user)),
                LeaveReason::RoomEnded => {}
                _ => {
                    if let Some(chat) = self.chat_mut(&key) {
                        chat.quit(user);
                    }
                }
            },
            Effect::MediaEntered { key, user, .. } => self.begin_media(key, user),
            Effect::MediaLeft { key, user, .. } => self.end_media(now, key, user),
            Effect::RoleChanged { key, user, role } => self.change_role(now, &key, &user, role),
            Effect::AllowedChanged {
                key, user, allowed, ..
            } => self.change_allowed(key, user, allowed),
            Effect::TrackChanged {
                key,
                user,
                track,
                after,
                ..
            } => {
                if after.is_none() {
                    self.end_track(now, &key, &user, track);
                }
            }
            Effect::BanChanged { key, user, left } => {
                let kind = match left {
                    Some(_) => TipKind::Banned,
                    None => TipKind::Unbanned,
                };
                self.tip(now, &key, kind, Some(&user));
                let until = left.map(|left| self.clock(now).after(left));
                self.save(Change::Ban {
                    room: key,
                    user,
                    until,
                });
            }
            Effect::SeatsChanged { .. } => {}
            Effect::CoHostsChanged { key, others } => self.change_co_hosts(now, &key, &others),
            Effect::ConnectionEnded { connection, reason } => {
                self.end_session(now, connection, reason);
            }
        }
    }

    /// A notice of the room itself in its chat: about a user or about all of it, and by whoever
    /// has made the request that is carried out.
    pub(super) fn tip(
        &mut self,
        now: Instant,
        key: &RoomKey,
        kind: TipKind,
        user: Option<&UserId>,
    ) {
        let clock = self.clock(now);
        let tip = GroupTip {
            operation_type: kind as u8,
            operator_id: self.acting.clone(),
            user_id_list: user.into_iter().cloned().collect(),
            member_count: None,
        };
        if let Some(chat) = self.chat_mut(key) {
            chat.announce(now, clock, None, Priority::High, Payload::Tip(tip));
        }
    }

    /// Writes to the store.
    pub(super) fn save(&mut self, change: Change) {
        self.out.push_back(HubOutput::Save(change));
    }

    /// Whether what is stored of a room goes with it.
    pub(super) fn is_forgotten(reason: EndReason) -> bool {
        match reason {
            EndReason::Dismissed | EndReason::Operator => true,
            // It may begin again by being entered, with its history and its bans.
            EndReason::Empty => false,
        }
    }
}
