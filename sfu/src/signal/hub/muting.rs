//! Who may not speak: one member for a time, or everybody.

use std::time::Instant;

use super::Hub;
use super::error::HubError;
use crate::live::chat::TipKind;
use crate::live::{ConnectionId, LiveError, RoomKey, UserId};
use crate::signal::protocol::{ChatEvent, MuteAll, MuteUser, ResultBody};
use crate::store::Change;

impl Hub {
    pub(super) fn mute_user(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &MuteUser,
    ) -> Result<ResultBody, HubError> {
        let (key, host) = self.host_of(connection, &request.room, "muting a member")?;
        let ranks = [&host, &request.user].map(|user| self.rooms.rank(&key, user));
        if ranks[0] >= ranks[1] {
            return Err(LiveError::NoPermission {
                action: "muting that user",
                needed: "somebody who stands above that user",
            }
            .into());
        }
        self.mute_as(now, &key, &request.user, request.time())?;
        Ok(ResultBody::DONE)
    }

    /// Mutes a user for a time; zero lifts the mute.
    pub(super) fn mute_as(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        time: std::time::Duration,
    ) -> Result<(), HubError> {
        let clock = self.clock(now);
        let chat = self.ready_chat(key)?;
        let until = chat.moderation.mute(user, time, clock)?;
        let left = until.map_or(0, |until| until.since(clock).as_secs());
        self.save(Change::Mute {
            room: key.clone(),
            user: user.clone(),
            until,
        });
        let event = ChatEvent::UserMuted {
            room: key.room.clone(),
            user: user.clone(),
            seconds: u32::try_from(left).unwrap_or(u32::MAX),
        };
        self.tell_members(key, event);
        self.tip(now, key, TipKind::MemberProfile, Some(user));
        Ok(())
    }

    pub(super) fn mute_all(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &MuteAll,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.host_of(connection, &request.room, "muting everybody")?;
        self.mute_all_as(now, &key, request.muted)?;
        Ok(ResultBody::DONE)
    }

    /// Mutes everybody but the hosts, or no more.
    pub(super) fn mute_all_as(
        &mut self,
        now: Instant,
        key: &RoomKey,
        muted: bool,
    ) -> Result<(), HubError> {
        let chat = self.ready_chat(key)?;
        if !chat.moderation.set_mute_all(muted) {
            return Ok(());
        }
        self.tip(now, key, TipKind::RoomProfile, None);
        self.save(Change::MuteAll {
            room: key.clone(),
            mute_all: muted,
        });
        let room = key.room.clone();
        self.tell_members(key, ChatEvent::AllMuted { room, muted });
        Ok(())
    }
}
