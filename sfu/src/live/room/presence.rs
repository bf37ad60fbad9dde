//! Entering, leaving, and the role.

use std::time::Instant;

use super::{Room, Turn, check_len};
use crate::live::command::{Entered, MediaEntry, Part};
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::{ConnectionId, UserId};
use crate::live::limits::Refusal;
use crate::live::member::{Media, Member};
use crate::live::profile::Profile;
use crate::live::reason::LeaveReason;
use crate::live::roles::{Right, Role, Scene};
use crate::live::tracks::{Allowed, TrackKind, Tracks};

impl Room {
    /// Whether `user` may enter, as far as this room decides. Changes nothing.
    pub(in crate::live) fn check_entry(
        &self,
        turn: &Turn<'_>,
        user: &UserId,
        media: Option<&MediaEntry>,
    ) -> Result<(), LiveError> {
        let member = self.members.get(user);
        if member.is_none() {
            check_len(self.members.len(), turn.limits.members, Refusal::Members)?;
        }
        let Some(entry) = media else {
            return Ok(());
        };
        if !entry.rights.has(Right::Enter) {
            return Err(LiveError::RightMissing {
                right: Right::Enter,
            });
        }
        if member.is_some_and(|m| m.media.is_some()) {
            return Ok(());
        }
        let scene = self.seating.as_ref().map(|_| Scene::Live).or(self.scene);
        if let Some(scene) = scene.filter(|scene| *scene != entry.scene) {
            return Err(LiveError::SceneDiffers { scene });
        }
        if self.first_role(user, entry) == Role::Anchor {
            check_len(self.anchors.len(), turn.limits.anchors, Refusal::Anchors)?;
        }
        Ok(())
    }

    /// Lets `user` in. [`Self::check_entry`] has passed.
    pub(in crate::live) fn enter(
        &mut self,
        turn: &mut Turn<'_>,
        (user, connection, profile): (&UserId, ConnectionId, &Profile),
        chat: bool,
        media: Option<MediaEntry>,
    ) -> Entered {
        let known = self.members.contains_key(user);
        let member = self.members.entry(user.clone()).or_insert_with(|| Member {
            connection,
            profile: profile.clone(),
            chat: false,
            media: None,
        });
        let mut already = true;
        if chat && !member.chat {
            already = false;
            member.chat = true;
            turn.out.effect(Effect::ChatEntered {
                key: self.key.clone(),
                user: user.clone(),
            });
        }
        let no_media_yet = member.media.is_none();
        if let Some(entry) = media.filter(|_| no_media_yet) {
            already = false;
            self.enter_media(turn, user, &entry);
        }
        if !known {
            self.total_entered = self.total_entered.saturating_add(1);
        }
        Entered {
            already,
            ..self.entered_view(user)
        }
    }

    /// Lets a guest into the chat.
    pub(in crate::live) fn enter_guest(
        &mut self,
        turn: &mut Turn<'_>,
        guest: ConnectionId,
    ) -> Result<Entered, LiveError> {
        let already = self.guests.contains(&guest);
        if !already {
            check_len(self.guests.len(), turn.limits.guests, Refusal::Guests)?;
            self.guests.insert(guest);
            self.total_entered = self.total_entered.saturating_add(1);
        }
        Ok(Entered {
            info: self.info(),
            already,
            role: None,
            anchors: Vec::new(),
            seats: self.seats(),
            co_hosts: Vec::new(),
            applications: Vec::new(),
            co_host_requests: Vec::new(),
        })
    }

    pub(in crate::live) fn leave_guest(&mut self, guest: ConnectionId) -> Result<(), LiveError> {
        if self.guests.remove(&guest) {
            Ok(())
        } else {
            Err(LiveError::NotEntered { room: self.id() })
        }
    }

    /// Leaves a part on the user's own wish; whether the user is still in the room.
    pub(in crate::live) fn leave(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        part: Part,
    ) -> Result<bool, LiveError> {
        let member = self.entered(user)?;
        let (chat, media) = (member.chat, member.media.is_some());
        let (stays_in_chat, stays_in_media) = match part {
            Part::Chat if self.is_owner(user) => return Err(LiveError::OwnerMayNotQuit),
            Part::Chat if !chat => return Err(LiveError::NotEntered { room: self.id() }),
            Part::Media if !media => return Err(LiveError::NotEntered { room: self.id() }),
            Part::Chat => (false, media),
            Part::Media => (chat, false),
            Part::All => (false, false),
        };
        if !stays_in_chat && !stays_in_media {
            self.remove(turn, user, LeaveReason::Left, None);
            return Ok(false);
        }
        if chat && !stays_in_chat {
            self.leave_chat(turn, user, LeaveReason::Left);
        }
        if media && !stays_in_media {
            self.leave_media(turn, user, LeaveReason::Left, None);
        }
        Ok(true)
    }

    /// Takes `user` out of the room. A seat is kept until `keep_seat`, else it is free.
    pub(in crate::live) fn remove(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        reason: LeaveReason,
        keep_seat: Option<Instant>,
    ) {
        let Some(member) = self.members.get(user) else {
            return;
        };
        let (chat, media) = (member.chat, member.media.is_some());
        if media {
            self.leave_media(turn, user, reason, keep_seat);
        }
        if chat {
            self.leave_chat(turn, user, reason);
        }
        self.members.remove(user);
        self.drop_requests_of(turn, user);
    }

    /// Switches the role on the user's own wish.
    pub(in crate::live) fn switch_role(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        role: Role,
    ) -> Result<(), LiveError> {
        let member = self.entered(user)?;
        let Some(current) = member.role() else {
            return Err(LiveError::NotEntered { room: self.id() });
        };
        if self.scene == Some(Scene::Rtc) {
            return Err(LiveError::RoleIsFixed);
        }
        if current == role {
            return Ok(());
        }
        if role == Role::Audience {
            self.vacate_seat(user);
            self.set_role(turn, user, role);
            return Ok(());
        }
        check_len(self.anchors.len(), turn.limits.anchors, Refusal::Anchors)?;
        if self.owner_has_seat() && self.is_owner(user) {
            return self.sit_down(turn, user, None).map(|_| ());
        }
        if self.seating.is_some() && !self.is_owner(user) {
            return Err(LiveError::NotSeated { user: user.clone() });
        }
        self.set_role(turn, user, role);
        Ok(())
    }

    /// Shows a new profile to those who see the user.
    pub(in crate::live) fn set_profile(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        profile: &Profile,
    ) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        member.profile = profile.clone();
        self.anchors_changed |= self.anchors.contains(user);
        if self.anchors.contains(user) || self.is_host(user) {
            turn.out.event(
                Recipient::Room(self.key.clone()),
                Event::ProfileChanged {
                    room: self.id(),
                    user: user.clone(),
                    profile: profile.clone(),
                },
            );
        }
    }

    /// Replaces what the token of `user` allows.
    pub(in crate::live) fn set_rights(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        rights: crate::live::roles::Rights,
    ) {
        if let Some(media) = self.members.get_mut(user).and_then(|m| m.media.as_mut()) {
            media.rights = rights;
            self.refresh_allowed(turn, user);
        }
    }

    /// Gives a member of the media another role, with all that follows from it.
    pub(super) fn set_role(&mut self, turn: &mut Turn<'_>, user: &UserId, role: Role) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let connection = member.connection;
        let profile = member.profile.clone();
        let Some(media) = member.media.as_mut().filter(|media| media.role != role) else {
            return;
        };
        media.role = role;
        self.anchors_changed = true;
        let others = Recipient::MediaExcept(self.key.clone(), connection);
        turn.out.effect(Effect::RoleChanged {
            key: self.key.clone(),
            user: user.clone(),
            role,
        });
        turn.out.event(
            Recipient::One(connection),
            Event::RoleChanged {
                room: self.id(),
                role,
            },
        );
        match role {
            Role::Anchor => {
                self.add_anchor(user);
                turn.out.event(
                    others,
                    Event::AnchorEntered {
                        room: self.id(),
                        user: user.clone(),
                        profile,
                    },
                );
            }
            Role::Audience => {
                self.end_tracks(turn, user);
                self.remove_anchor(user);
                turn.out.event(
                    others,
                    Event::AnchorLeft {
                        room: self.id(),
                        user: user.clone(),
                        reason: LeaveReason::SwitchedRole,
                    },
                );
            }
        }
        self.refresh_allowed(turn, user);
    }

    fn enter_media(&mut self, turn: &mut Turn<'_>, user: &UserId, entry: &MediaEntry) {
        let role = self.first_role(user, entry);
        self.scene = Some(entry.scene);
        self.media_members += 1;
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let (connection, profile) = (member.connection, member.profile.clone());
        member.media = Some(Media {
            role,
            rights: entry.rights,
            tracks: Tracks::default(),
            blocked: false,
            allowed: Allowed::default(),
        });
        turn.out.effect(Effect::MediaEntered {
            key: self.key.clone(),
            user: user.clone(),
            role,
        });
        if role == Role::Anchor {
            self.add_anchor(user);
            self.anchors_changed = true;
            turn.out.event(
                Recipient::MediaExcept(self.key.clone(), connection),
                Event::AnchorEntered {
                    room: self.id(),
                    user: user.clone(),
                    profile,
                },
            );
        }
        self.return_to_seat(turn, user, role);
        self.refresh_allowed(turn, user);
    }

    fn leave_chat(&mut self, turn: &mut Turn<'_>, user: &UserId, reason: LeaveReason) {
        if let Some(member) = self.members.get_mut(user) {
            member.chat = false;
            turn.out.effect(Effect::ChatLeft {
                key: self.key.clone(),
                user: user.clone(),
                reason,
            });
        }
    }

    fn leave_media(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        reason: LeaveReason,
        keep_seat: Option<Instant>,
    ) {
        self.end_tracks(turn, user);
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let connection = member.connection;
        if member.media.take().is_none() {
            return;
        }
        self.media_members -= 1;
        if self.media_members == 0 {
            self.scene = None;
        }
        if self.remove_anchor(user) {
            self.anchors_changed = true;
            turn.out.event(
                Recipient::MediaExcept(self.key.clone(), connection),
                Event::AnchorLeft {
                    room: self.id(),
                    user: user.clone(),
                    reason,
                },
            );
        }
        turn.out.effect(Effect::MediaLeft {
            key: self.key.clone(),
            user: user.clone(),
            reason,
        });
        self.keep_or_vacate_seat(user, keep_seat);
        self.drop_application(turn, user);
    }

    fn add_anchor(&mut self, user: &UserId) {
        self.anchors.insert(user.clone());
        self.first_anchor.get_or_insert_with(|| user.clone());
    }

    fn remove_anchor(&mut self, user: &UserId) -> bool {
        let was_one = self.anchors.remove(user);
        if self.anchors.is_empty() {
            self.first_anchor = None;
        }
        was_one
    }

    fn end_tracks(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        for track in TrackKind::ALL {
            self.set_track(turn, user, track, None);
        }
    }

    /// The role with which `user` would enter the media now.
    fn first_role(&self, user: &UserId, entry: &MediaEntry) -> Role {
        if entry.scene == Scene::Rtc || self.has_seat(user) {
            return Role::Anchor;
        }
        match &self.seating {
            Some(_) if !self.is_owner(user) => Role::Audience,
            _ => entry.role,
        }
    }

    fn entered_view(&self, user: &UserId) -> Entered {
        let role = self.members.get(user).and_then(Member::role);
        Entered {
            info: self.info(),
            already: false,
            role,
            anchors: role.map(|_| self.anchors()).unwrap_or_default(),
            seats: self.seats(),
            co_hosts: Vec::new(),
            applications: match self.is_host(user) {
                true => self.applications(),
                false => Vec::new(),
            },
            co_host_requests: Vec::new(),
        }
    }
}
