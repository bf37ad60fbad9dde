//! Lists of rooms and members, as the operator sees them.

use super::apply::no_such_room;
use super::{MAX_PAGE, MAX_ROOMS, OnlineView, Page, Reply, RoomFilter, RoomText};
use crate::live::{AppId, LiveError, RoomId, RoomInfo, RoomKey, Rooms, UserId};

impl Rooms {
    /// One page of an app's rooms that pass a filter. A page may end before it is full: one call
    /// looks at a bounded number of rooms.
    pub(super) fn list(
        &self,
        app: AppId,
        filter: &RoomFilter,
        after: Option<RoomId>,
        limit: usize,
    ) -> Reply {
        let limit = limit.clamp(1, MAX_PAGE);
        let mut last = after.map(|room| RoomKey::new(app, room));
        let mut items = Vec::new();
        let name = filter.name.as_ref().map(|name| name.to_lowercase());
        let passes = |info: &RoomInfo| {
            info.online >= filter.min_online
                && filter
                    .owner
                    .as_ref()
                    .is_none_or(|owner| info.owner.as_ref() == Some(owner))
                && name
                    .as_ref()
                    .is_none_or(|name| info.name.to_lowercase().contains(name))
        };
        let mut looked_at = 0;
        loop {
            let some = self.rooms_of(app, last.as_ref(), MAX_PAGE);
            let is_end = some.is_empty();
            for info in some {
                if items.len() == limit || looked_at == MAX_LOOKED_AT {
                    let next = last.map(|key| RoomText(key.room).to_string());
                    return Reply::Rooms(Page { items, next });
                }
                looked_at += 1;
                last = Some(RoomKey::new(app, info.room.clone()));
                if passes(&info) {
                    items.push(info);
                }
            }
            if is_end {
                return Reply::Rooms(Page { items, next: None });
            }
        }
    }

    /// How many are in each room.
    pub(super) fn count(&self, app: AppId, rooms: Vec<RoomId>) -> Reply {
        let items = rooms
            .into_iter()
            .take(MAX_ROOMS)
            .map(|room| OnlineView {
                online: self.online(&RoomKey::new(app, room.clone())),
                room,
            })
            .collect();
        Reply::Online { items }
    }

    /// One page of everybody in a room.
    pub(super) fn every_member(
        &self,
        key: &RoomKey,
        after: Option<UserId>,
        limit: usize,
    ) -> Result<Reply, LiveError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let page = self.members(key, after.as_ref(), limit);
        let (items, more) = page.ok_or_else(|| no_such_room(key))?;
        let last = items.last().filter(|_| more);
        let next = last.map(|member| member.user.to_string());
        Ok(Reply::Members(Page { items, next }))
    }
}

/// Rooms that one call looks at.
const MAX_LOOKED_AT: usize = 2_000;
