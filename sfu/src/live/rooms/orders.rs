//! Decisions of hosts, owners and the operator.

use std::time::{Duration, Instant};

use super::Rooms;
use crate::live::bans::BansFull;
use crate::live::command::{Order, Reply, SeatOrder};
use crate::live::error::LiveError;
use crate::live::ids::{RoomKey, UserId};
use crate::live::limits::Refusal;
use crate::live::reason::EndReason;
use crate::live::room::Actor;

impl Rooms {
    /// Carries out a decision of the operator or of the page's back end.
    pub fn handle_order(
        &mut self,
        now: Instant,
        key: &RoomKey,
        order: Order,
    ) -> Result<Reply, LiveError> {
        let result = self
            .check_outputs()
            .and_then(|()| self.try_order(now, key, Actor::Operator, order));
        self.counted(result)
    }

    /// Takes a ban up again that was stored before a restart. The room need not exist.
    pub fn restore_ban(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        left: Duration,
    ) -> Result<(), LiveError> {
        let result = self.add_ban(now, key, user, left);
        self.counted(result)
    }

    pub(super) fn try_order(
        &mut self,
        now: Instant,
        key: &RoomKey,
        actor: Actor<'_>,
        order: Order,
    ) -> Result<Reply, LiveError> {
        match order {
            Order::Dismiss => {
                let room = self
                    .rooms
                    .get(key)
                    .ok_or_else(|| super::no_such_room(key))?;
                room.authorize_owner(actor, "dismissing the room")?;
                let reason = match actor {
                    Actor::Operator => EndReason::Operator,
                    Actor::User(_) => EndReason::Dismissed,
                };
                self.end_room(now, key, reason);
                Ok(Reply::Done)
            }
            Order::Update { about, seat_mode } => self
                .in_known_room(now, key, |room, turn| {
                    room.update(turn, actor, about, seat_mode)
                })
                .map(|()| Reply::Done),
            Order::Kick {
                users,
                message,
                ban,
            } => {
                let users = self.listed(users)?;
                self.kick(now, key, actor, users, &message, ban)
            }
            Order::Unban { user } => {
                self.in_known_room(now, key, |room, _| {
                    room.authorize_host(actor, "lifting a ban")
                })?;
                if self.bans.remove(now, key, &user) {
                    self.ban_effect(key, &user, None);
                }
                Ok(Reply::Done)
            }
            Order::Block { user, blocked } => self
                .in_known_room(now, key, |room, turn| {
                    room.block(turn, actor, &user, blocked)
                })
                .map(|()| Reply::Done),
            Order::SetAdministrator {
                user,
                is_administrator,
            } => self
                .in_known_room(now, key, |room, turn| {
                    room.set_administrator(turn, actor, &user, is_administrator)
                })
                .map(|()| Reply::Done),
            Order::Seat(SeatOrder::KickOff { users }) => {
                let users = self.listed(users)?;
                self.seat_order(now, key, actor, SeatOrder::KickOff { users })
            }
            Order::CoHost(order) => self.co_host_order(now, key, actor, order),
            Order::Seat(order) => self.seat_order(now, key, actor, order),
        }
    }

    fn seat_order(
        &mut self,
        now: Instant,
        key: &RoomKey,
        actor: Actor<'_>,
        order: SeatOrder,
    ) -> Result<Reply, LiveError> {
        self.in_known_room(now, key, |room, turn| room.seat_order(turn, actor, order))
    }

    /// Removes those of `users` who are in the room or have a seat kept there; with a ban, keeps all of them out.
    fn kick(
        &mut self,
        now: Instant,
        key: &RoomKey,
        actor: Actor<'_>,
        users: Vec<UserId>,
        message: &str,
        ban: Option<Duration>,
    ) -> Result<Reply, LiveError> {
        if message.len() > MAX_MESSAGE || message.chars().any(char::is_control) {
            return Err(LiveError::BadValue {
                what: "the message to those who are removed",
                allowed: "up to 256 bytes without control characters",
            });
        }
        if ban.is_some_and(|ban| ban.is_zero() || ban > self.limits.ban) {
            return Err(LiveError::BadValue {
                what: "the length of the ban",
                allowed: "more than nothing and up to the server's bound (a year by default)",
            });
        }
        let room = self
            .rooms
            .get(key)
            .ok_or_else(|| super::no_such_room(key))?;
        room.authorize_host(actor, "removing a member")?;
        for user in &users {
            room.authorize_over(actor, user, "removing that user")?;
        }
        let users: Vec<_> = users
            .into_iter()
            .map(|user| (room.member(&user).map(|m| m.connection), user))
            .filter(|(connection, user)| {
                connection.is_some() || ban.is_some() || room.has_seat(user)
            })
            .collect();
        if ban.is_some() {
            let names: Vec<_> = users.iter().map(|(_, user)| user.clone()).collect();
            let limits = &self.limits;
            self.bans
                .check_space(now, key, &names, limits.bans_per_room, limits.bans)
                .map_err(full)?;
        }
        let mut removed = Vec::new();
        for (connection, user) in users {
            if let Some(ban) = ban {
                self.add_ban(now, key, &user, ban)?;
                self.ban_effect(key, &user, Some(ban));
            }
            self.in_room(now, key, |room, turn| {
                room.kick(turn, actor, &user, message)
            });
            let found = connection.and_then(|c| self.connections.get_mut(&c));
            if let Some(found) = found {
                found.rooms.remove(key);
            }
            removed.push(user);
        }
        Ok(Reply::Users { users: removed })
    }

    fn add_ban(
        &mut self,
        now: Instant,
        key: &RoomKey,
        user: &UserId,
        left: Duration,
    ) -> Result<(), LiveError> {
        let until = now
            .checked_add(left.min(self.limits.ban))
            .unwrap_or(now + DAY);
        self.bans
            .add(
                now,
                key,
                user,
                until,
                self.limits.bans_per_room,
                self.limits.bans,
            )
            .map_err(full)
    }

    /// A list of users from a command: neither empty nor too long, each once.
    fn listed(&self, mut users: Vec<UserId>) -> Result<Vec<UserId>, LiveError> {
        let limit = self.limits.users_per_command;
        if users.is_empty() {
            return Err(LiveError::EmptyList { limit });
        }
        if users.len() > limit {
            return Err(LiveError::Full {
                refusal: Refusal::UsersPerCommand,
                limit,
            });
        }
        users.sort_unstable();
        users.dedup();
        Ok(users)
    }
}

fn full(BansFull { limit }: BansFull) -> LiveError {
    LiveError::Full {
        refusal: Refusal::Bans,
        limit,
    }
}

/// The longest message to somebody who is removed, in bytes.
const MAX_MESSAGE: usize = 256;
/// For clocks that cannot tell the end of a long ban.
const DAY: Duration = Duration::from_secs(24 * 3600);
