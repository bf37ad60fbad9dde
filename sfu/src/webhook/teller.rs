//! Effects of the rooms as a back end expects them: one who leaves is told of once.

use super::effects::notices_of;
use super::notice::{MediaNotice, Notice};
use crate::live::chat::UnixTime;
use crate::live::{Effect, RoomInfo, RoomKey, SeatView};

/// Makes notices of effects, and holds back the end of a publication until it is clear whether
/// its user leaves with it: an exit (104) has no 202, 204 and 206 before it.
#[derive(Debug, Default)]
pub struct Teller {
    held: Vec<Notice>,
}

impl Teller {
    /// What is to be told now; see [`notices_of`].
    pub fn handle(
        &mut self,
        at: UnixTime,
        effect: &Effect,
        info: impl Fn(&RoomKey) -> Option<RoomInfo>,
        seats: impl Fn(&RoomKey) -> Vec<SeatView>,
    ) -> Vec<Notice> {
        let new = notices_of(at, effect, info, seats);
        match effect {
            Effect::TrackChanged { after: None, .. } => {
                self.held.extend(new);
                return Vec::new();
            }
            Effect::MediaLeft { key, user, .. } => self.held.retain(|held| {
                !matches!(held, Notice::Media(MediaNotice { key: k, user: u, .. })
                    if k == key && u == user)
            }),
            _ if new.is_empty() => return Vec::new(),
            _ => {}
        }
        let mut now = std::mem::take(&mut self.held);
        now.extend(new);
        now
    }

    /// What was held back: nobody has left. To be asked when the rooms have nothing more to say.
    pub fn flush(&mut self) -> Vec<Notice> {
        std::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{AppId, LeaveReason, Publication, Role, RoomId, TrackKind, UserId};

    fn key() -> RoomKey {
        RoomKey::new(AppId(1), RoomId::number(7).unwrap())
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn ended(name: &str) -> Effect {
        Effect::TrackChanged {
            key: key(),
            user: user(name),
            track: TrackKind::Main,
            before: Some(Publication {
                has_audio: true,
                has_video: true,
                ..Publication::default()
            }),
            after: None,
        }
    }

    fn left(name: &str) -> Effect {
        Effect::MediaLeft {
            key: key(),
            user: user(name),
            reason: LeaveReason::Left,
        }
    }

    /// The event types, in order, with a number for the flush at the end.
    fn told(effects: &[Effect]) -> Vec<String> {
        let mut teller = Teller::default();
        let mut all = Vec::new();
        for effect in effects {
            all.extend(teller.handle(UnixTime(0), effect, |_| None, |_| Vec::new()));
        }
        all.extend(teller.flush());
        assert!(teller.flush().is_empty());
        all.iter()
            .map(|notice| match notice {
                Notice::Media(media) => format!("{} {}", media.change as u16, media.user),
                Notice::Room(_) => "room".to_owned(),
                other => panic!("{other:?}"),
            })
            .collect()
    }

    #[test]
    fn one_who_leaves_stops_nothing() {
        assert_eq!(told(&[ended("anna"), left("anna")]), ["room"]);
    }

    #[test]
    fn one_who_stays_stops_what_was_published() {
        let stopped = ["202 anna", "204 anna"];
        assert_eq!(told(&[ended("anna")]), stopped);
        let role = Effect::RoleChanged {
            key: key(),
            user: user("anna"),
            role: Role::Audience,
        };
        assert_eq!(
            told(&[ended("anna"), role]),
            ["202 anna", "204 anna", "room"]
        );
    }

    #[test]
    fn another_one_who_leaves_changes_nothing() {
        assert_eq!(
            told(&[ended("anna"), ended("bert"), left("bert")]),
            ["202 anna", "204 anna", "room"]
        );
    }
}
