//! Publications, mute states, and who may send what.

use super::{Actor, Room, Turn};
use crate::live::effect::Effect;
use crate::live::error::LiveError;
use crate::live::event::{Event, Recipient};
use crate::live::ids::UserId;
use crate::live::member::Media;
use crate::live::roles::{Right, Role};
use crate::live::seats::Device;
use crate::live::tracks::{Allowed, Publication, TrackKind};

impl Room {
    /// Begins or changes a publication.
    pub(in crate::live) fn publish(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        track: TrackKind,
        mut publication: Publication,
    ) -> Result<(), LiveError> {
        let media = self.media_of(user)?;
        if media.role != Role::Anchor {
            return Err(LiveError::AudienceMayNotPublish);
        }
        if !publication.has_audio && !publication.has_video {
            return Err(LiveError::BadValue {
                what: "a publication without sound and picture",
                allowed: "publish at least one, or unpublish",
            });
        }
        if publication.has_small && !(publication.has_video && track == TrackKind::Main) {
            return Err(LiveError::BadValue {
                what: "a small picture without a large one",
                allowed: "it belongs to the camera of the main track",
            });
        }
        let video_right = match track {
            TrackKind::Main => Right::SendVideo,
            TrackKind::Aux => Right::SendAux,
        };
        for (wanted, right) in [
            (publication.has_audio, Right::SendAudio),
            (publication.has_video, video_right),
        ] {
            if wanted && !media.rights.has(right) {
                return Err(LiveError::RightMissing { right });
            }
        }
        self.force_mute(user, track, &mut publication);
        self.set_track(turn, user, track, Some(publication));
        Ok(())
    }

    /// Ends a publication.
    pub(in crate::live) fn unpublish(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        track: TrackKind,
    ) -> Result<(), LiveError> {
        if self.media_of(user)?.tracks.of(track).is_none() {
            return Err(LiveError::NotPublished { track });
        }
        self.set_track(turn, user, track, None);
        Ok(())
    }

    /// Mutes and unmutes.
    pub(in crate::live) fn mute(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        track: TrackKind,
        (audio, video): (Option<bool>, Option<bool>),
    ) -> Result<(), LiveError> {
        let tracks = self.media_of(user)?.tracks;
        let mut publication = tracks.of(track).ok_or(LiveError::NotPublished { track })?;
        publication.audio_muted = audio.unwrap_or(publication.audio_muted);
        publication.video_muted = video.unwrap_or(publication.video_muted);
        let wanted = publication;
        self.force_mute(user, track, &mut publication);
        if audio == Some(false) && wanted.audio_muted != publication.audio_muted {
            return Err(LiveError::DeviceLocked {
                device: Device::Microphone.name(),
            });
        }
        if video == Some(false) && wanted.video_muted != publication.video_muted {
            return Err(LiveError::DeviceLocked {
                device: Device::Camera.name(),
            });
        }
        self.set_track(turn, user, track, Some(publication));
        Ok(())
    }

    /// Sets a publication of a member, and tells the others when that changes anything.
    pub(super) fn set_track(
        &mut self,
        turn: &mut Turn<'_>,
        user: &UserId,
        track: TrackKind,
        after: Option<Publication>,
    ) {
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let connection = member.connection;
        let Some(media) = &mut member.media else {
            return;
        };
        let slot = media.tracks.slot(track);
        let before = *slot;
        if before == after {
            return;
        }
        *slot = after;
        self.anchors_changed = true;
        turn.out.effect(Effect::TrackChanged {
            key: self.key.clone(),
            user: user.clone(),
            track,
            before,
            after,
        });
        turn.out.event(
            Recipient::MediaExcept(self.key.clone(), connection),
            Event::TrackChanged {
                room: self.id(),
                user: user.clone(),
                track,
                publication: after,
            },
        );
        if let Some(seating) = &mut self.seating
            && track == TrackKind::Main
            && seating.list.index_of(user).is_some()
        {
            seating.changed = true;
        }
    }

    /// Lets nothing of a member through, or lifts that; the member's publications stay, muted.
    pub(in crate::live) fn block(
        &mut self,
        turn: &mut Turn<'_>,
        actor: Actor<'_>,
        user: &UserId,
        blocked: bool,
    ) -> Result<(), LiveError> {
        self.authorize_over(actor, user, "silencing that user")?;
        let member = self.members.get_mut(user);
        let media = member.and_then(|member| member.media.as_mut());
        let media = media.ok_or_else(|| LiveError::NotMember { user: user.clone() })?;
        media.blocked = blocked;
        self.refresh_allowed(turn, user);
        Ok(())
    }

    /// Works out what `user` may send; tells the media side when that has changed.
    ///
    /// Publications that contain something no longer allowed are muted there.
    pub(super) fn refresh_allowed(&mut self, turn: &mut Turn<'_>, user: &UserId) {
        let (microphone_closed, camera_closed) = self.closed_devices(user);
        let Some(member) = self.members.get_mut(user) else {
            return;
        };
        let connection = member.connection;
        let Some(media) = &mut member.media else {
            return;
        };
        let anchor = media.role == Role::Anchor && !media.blocked;
        let allowed = Allowed {
            audio: anchor && !microphone_closed && media.rights.has(Right::SendAudio),
            video: anchor && !camera_closed && media.rights.has(Right::SendVideo),
            aux: anchor && media.rights.has(Right::SendAux),
        };
        if media.allowed != allowed {
            media.allowed = allowed;
            turn.out.effect(Effect::AllowedChanged {
                key: self.key.clone(),
                user: user.clone(),
                connection,
                allowed,
            });
        }
        let tracks = media.tracks;
        for track in TrackKind::ALL {
            if let Some(mut publication) = tracks.of(track) {
                self.force_mute(user, track, &mut publication);
                self.set_track(turn, user, track, Some(publication));
            }
        }
    }

    fn media_of(&self, user: &UserId) -> Result<&Media, LiveError> {
        let media = self.entered(user)?.media.as_ref();
        media.ok_or_else(|| LiveError::NotEntered { room: self.id() })
    }

    /// Marks as muted what `user` may not send.
    fn force_mute(&self, user: &UserId, track: TrackKind, publication: &mut Publication) {
        let Some(media) = self.members.get(user).and_then(|m| m.media.as_ref()) else {
            return;
        };
        let video = match track {
            TrackKind::Main => media.allowed.video,
            TrackKind::Aux => media.allowed.aux,
        };
        publication.audio_muted |= publication.has_audio && !media.allowed.audio;
        publication.video_muted |= publication.has_video && !video;
    }
}
