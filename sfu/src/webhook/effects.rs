//! What the rooms' effects mean to a back end.

use super::notice::{
    ChatChange, ChatNotice, LiveChange, LiveNotice, MediaChange, MediaNotice, Notice, RoomChange,
    RoomNotice, SeatsNotice,
};
use crate::live::chat::UnixTime;
use crate::live::{AppId, Effect, EndReason, LeaveReason, RoomInfo, RoomKey, SeatView, UserId};

/// All notices of one effect, in order. `info` and `seats` are asked for the room as it is after
/// it; without `info` the room is gone.
///
/// Messages, updates of a room's texts and relay tasks are no effects of the rooms: whoever
/// carries them out tells of them.
pub fn notices_of(
    at: UnixTime,
    effect: &Effect,
    info: impl Fn(&RoomKey) -> Option<RoomInfo>,
    seats: impl Fn(&RoomKey) -> Vec<SeatView>,
) -> Vec<Notice> {
    let room = |key: &RoomKey, change| {
        Notice::Room(RoomNotice {
            key: key.clone(),
            at,
            change,
        })
    };
    let chat = |key: &RoomKey, change| {
        Notice::Chat(ChatNotice {
            key: key.clone(),
            at,
            from: None,
            change,
        })
    };
    let live = |key: &RoomKey, operator: Option<&UserId>, info: Option<&RoomInfo>, change| {
        Notice::Live(LiveNotice {
            key: key.clone(),
            at,
            operator: operator.cloned(),
            scene: info.and_then(|info| info.scene),
            change,
        })
    };
    match effect {
        Effect::RoomCreated { key, owner } => {
            let info = info(key);
            // One that was entered before it got an owner has been told of.
            let is_new =
                owner.is_none() || info.as_ref().is_none_or(|info| info.total_entered == 0);
            let mut notices = Vec::new();
            if is_new {
                let owner = owner.clone();
                notices.push(room(key, RoomChange::Created { owner }));
            }
            if let (Some(owner), Some(info)) = (owner, info) {
                let created = LiveChange::Created(Box::new(info.clone()));
                notices.push(live(key, Some(owner), Some(&info), created));
            }
            notices
        }
        Effect::RoomEnded { key, reason } => {
            let by_user = *reason != EndReason::Empty;
            vec![
                room(key, RoomChange::Dismissed),
                live(key, None, None, LiveChange::Destroyed { by_user }),
            ]
        }
        Effect::ChatEntered { key, user } => {
            let info = info(key);
            let entered = LiveChange::Entered {
                user: user.clone(),
                online: online(info.as_ref()),
            };
            vec![
                chat(key, ChatChange::Joined(vec![user.clone()])),
                live(key, Some(user), info.as_ref(), entered),
            ]
        }
        Effect::ChatLeft { key, user, reason } => {
            let info = info(key);
            let left = LiveChange::Left {
                user: user.clone(),
                online: online(info.as_ref()),
                reason: *reason,
            };
            let users = vec![user.clone()];
            let reason = *reason;
            let operator = (reason == LeaveReason::Left).then_some(user);
            vec![
                chat(key, ChatChange::Left { users, reason }),
                live(key, operator, info.as_ref(), left),
            ]
        }
        Effect::MediaEntered { key, user, role } => {
            let (user, role) = (user.clone(), *role);
            vec![room(key, RoomChange::Entered { user, role })]
        }
        Effect::MediaLeft { key, user, reason } => {
            let (user, reason) = (user.clone(), *reason);
            vec![room(key, RoomChange::Left { user, reason })]
        }
        Effect::RoleChanged { key, user, role } => {
            let (user, role) = (user.clone(), *role);
            vec![room(key, RoomChange::RoleChanged { user, role })]
        }
        Effect::TrackChanged {
            key,
            user,
            track,
            before,
            after,
        } => MediaChange::between(*track, *before, *after)
            .into_iter()
            .map(|change| {
                Notice::Media(MediaNotice {
                    key: key.clone(),
                    at,
                    user: user.clone(),
                    change,
                })
            })
            .collect(),
        Effect::SeatsChanged { key } => vec![Notice::Seats(SeatsNotice {
            key: key.clone(),
            at,
            operator: None,
            seats: seats(key),
        })],
        Effect::AllowedChanged { .. }
        | Effect::BanChanged { .. }
        | Effect::CoHostsChanged { .. }
        | Effect::ConnectionEnded { .. } => Vec::new(),
    }
}

/// The app of an effect's room; `None` for what concerns no room.
pub fn app_of(effect: &Effect) -> Option<AppId> {
    match effect {
        Effect::RoomCreated { key, .. }
        | Effect::RoomEnded { key, .. }
        | Effect::ChatEntered { key, .. }
        | Effect::ChatLeft { key, .. }
        | Effect::MediaEntered { key, .. }
        | Effect::MediaLeft { key, .. }
        | Effect::RoleChanged { key, .. }
        | Effect::AllowedChanged { key, .. }
        | Effect::TrackChanged { key, .. }
        | Effect::BanChanged { key, .. }
        | Effect::SeatsChanged { key }
        | Effect::CoHostsChanged { key, .. } => Some(key.app),
        Effect::ConnectionEnded { .. } => None,
    }
}

fn online(info: Option<&RoomInfo>) -> usize {
    info.map_or(0, |info| info.online)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::live::{Role, RoomId};

    fn key() -> RoomKey {
        RoomKey::new(AppId(1), RoomId::number(7).unwrap())
    }

    fn user(name: &str) -> UserId {
        name.parse().unwrap()
    }

    fn info(total_entered: u64) -> RoomInfo {
        RoomInfo {
            room: key().room,
            name: "".into(),
            notice: "".into(),
            introduction: "".into(),
            cover: "".into(),
            hidden: false,
            owner: Some(user("anna")),
            scene: None,
            online: 3,
            total_entered,
            seats: None,
            created_at: None,
        }
    }

    fn of(effect: &Effect, total_entered: u64) -> Vec<Notice> {
        notices_of(
            UnixTime(5),
            effect,
            |_| Some(info(total_entered)),
            |_| Vec::new(),
        )
    }

    fn creations(notices: &[Notice]) -> (usize, usize) {
        let rooms = notices.iter().filter(|notice| {
            matches!(
                notice,
                Notice::Room(RoomNotice {
                    change: RoomChange::Created { .. },
                    ..
                })
            )
        });
        let lives = notices.iter().filter(|notice| {
            matches!(
                notice,
                Notice::Live(LiveNotice {
                    change: LiveChange::Created(_),
                    ..
                })
            )
        });
        (rooms.count(), lives.count())
    }

    #[test]
    fn a_room_is_created_once_even_if_it_gets_its_owner_later() {
        let created = |owner: Option<&str>| Effect::RoomCreated {
            key: key(),
            owner: owner.map(user),
        };
        assert_eq!(creations(&of(&created(Some("anna")), 0)), (1, 1));
        assert_eq!(creations(&of(&created(None), 0)), (1, 0), "entered");
        assert_eq!(
            creations(&of(&created(Some("anna")), 2)),
            (0, 1),
            "owned later"
        );
    }

    #[test]
    fn entering_chat_and_media_is_told_in_their_own_forms() {
        let chat = Effect::ChatEntered {
            key: key(),
            user: user("bert"),
        };
        let notices = of(&chat, 1);
        assert!(matches!(&notices[0], Notice::Chat(chat)
            if chat.change == ChatChange::Joined(vec![user("bert")])));
        assert!(matches!(&notices[1], Notice::Live(live)
            if matches!(&live.change, LiveChange::Entered { online: 3, .. })));
        let media = Effect::MediaEntered {
            key: key(),
            user: user("bert"),
            role: Role::Audience,
        };
        assert!(matches!(&of(&media, 1)[..], [Notice::Room(room)]
            if matches!(room.change, RoomChange::Entered { role: Role::Audience, .. })));
    }

    #[test]
    fn an_empty_room_ends_by_the_system() {
        let ended = |reason| {
            let notices = of(&Effect::RoomEnded { key: key(), reason }, 1);
            let Notice::Live(live) = &notices[1] else {
                panic!("{notices:?}");
            };
            live.change.clone()
        };
        assert_eq!(
            ended(EndReason::Empty),
            LiveChange::Destroyed { by_user: false }
        );
        assert_eq!(
            ended(EndReason::Operator),
            LiveChange::Destroyed { by_user: true }
        );
    }

    #[test]
    fn effects_for_media_and_store_alone_are_not_told() {
        let effect = Effect::BanChanged {
            key: key(),
            user: user("bert"),
            left: None,
        };
        assert!(of(&effect, 1).is_empty());
    }
}
