//! Lists of people that are asked for: bans, mutes, profiles.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::Hub;
use super::error::HubError;
use super::io::{HubOutput, Ticket};
use super::tickets::{Asker, Waiting};
use crate::live::{ConnectionId, LiveError, Profile, ProfileDetails, UserId};
use crate::signal::protocol::{
    BanList, ListBans, ListMutes, MAX_PROFILES, MuteList, ProfileList, ResultBody, ShowProfiles,
    TimeLeft, UserProfile,
};
use crate::store::SavedProfile;

/// What one user shows.
type Shown = (Profile, ProfileDetails);

/// Profiles of which the stored ones are awaited.
#[derive(Debug)]
pub(super) struct WaitingProfiles {
    pub(super) asker: Asker,
    /// Those of users who are logged in.
    pub(super) known: BTreeMap<UserId, Shown>,
}

impl Hub {
    pub(super) fn list_bans(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &ListBans,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.host_of(connection, &request.room, "listing bans")?;
        let bans = self.rooms.bans(now, &key);
        let (users, more) = self.page_of(bans, request.after.as_ref(), request.count);
        Ok(BanList { users, more }.into())
    }

    pub(super) fn list_mutes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &ListMutes,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.host_of(connection, &request.room, "listing mutes")?;
        let clock = self.clock(now);
        let moderation = &self.ready_chat(&key)?.moderation;
        let all_muted = moderation.is_mute_all();
        let mutes = moderation.all(clock);
        let mut mutes: Vec<_> = mutes.map(|(user, left)| (user.clone(), left)).collect();
        mutes.sort_unstable();
        let (users, more) = self.page_of(mutes, request.after.as_ref(), request.count);
        let list = MuteList {
            all_muted,
            users,
            more,
        };
        Ok(list.into())
    }

    /// One page of what is ordered by user.
    fn page_of(
        &self,
        all: Vec<(UserId, Duration)>,
        after: Option<&UserId>,
        count: Option<u32>,
    ) -> (Vec<TimeLeft>, bool) {
        let start = after.map_or(0, |after| all.partition_point(|(user, _)| user <= after));
        let bound = self.config.limits.page;
        let count = count.map_or(bound, |count| usize::try_from(count).unwrap_or(bound));
        let end = start.saturating_add(count.min(bound)).min(all.len());
        let more = end < all.len();
        let page = all.into_iter().take(end).skip(start);
        let users = page.map(|(user, left)| TimeLeft {
            user,
            seconds: u32::try_from(left.as_millis().div_ceil(1_000)).unwrap_or(u32::MAX),
        });
        (users.collect(), more)
    }

    /// Answers at once when all users are logged in, and else with what is stored.
    pub(super) fn show_profiles(
        &mut self,
        now: Instant,
        asker: Asker,
        request: ShowProfiles,
    ) -> Result<Option<ResultBody>, HubError> {
        let session = self.sessions.get(&asker.connection);
        let session = session.ok_or(LiveError::NotLoggedIn)?;
        if session.user.is_none() {
            return Err(LiveError::Guest.into());
        }
        let app = session.app;
        let mut users = request.users;
        if users.is_empty() {
            return Err(LiveError::EmptyList {
                limit: MAX_PROFILES,
            }
            .into());
        }
        if users.len() > MAX_PROFILES {
            return Err(LiveError::BadValue {
                what: "a list of more than 50 users",
                allowed: "name up to 50, and the others in another request",
            }
            .into());
        }
        users.sort_unstable();
        users.dedup();
        let mut known = BTreeMap::new();
        users.retain(|user| {
            let found = self.rooms.connection_of(app, user);
            let found = found.and_then(|connection| self.sessions.get(&connection));
            match found {
                Some(session) => known
                    .insert(user.clone(), shown(&session.profile))
                    .is_some(),
                None => true,
            }
        });
        if users.is_empty() {
            return Ok(Some(list(known)));
        }
        self.begin_pending(asker.connection)?;
        let waiting = Waiting::Profiles(WaitingProfiles { asker, known });
        let ticket = self.tickets.open(now, waiting);
        self.out
            .push_back(HubOutput::LoadProfiles { ticket, app, users });
        Ok(None)
    }

    /// What is stored of users has been read; those of whom nothing is are left out.
    pub fn handle_profiles(
        &mut self,
        now: Instant,
        ticket: Ticket,
        saved: Vec<(UserId, SavedProfile)>,
    ) {
        if let Some(Waiting::Profiles(waiting)) = self.tickets.take(ticket) {
            self.answer_profiles(waiting, saved);
        }
        self.settle(now);
    }

    pub(super) fn answer_profiles(
        &mut self,
        waiting: WaitingProfiles,
        saved: Vec<(UserId, SavedProfile)>,
    ) {
        let WaitingProfiles { asker, mut known } = waiting;
        for (user, saved) in saved {
            known.entry(user).or_insert_with(|| shown(&saved));
        }
        self.answer_later(asker, Ok(list(known)));
    }
}

/// What was stored under other bounds shows as nothing.
fn shown(saved: &SavedProfile) -> Shown {
    let details = ProfileDetails::new(saved.gender.clone(), saved.self_signature.clone());
    (
        Profile::new(&saved.nick, &saved.avatar).unwrap_or_default(),
        details.unwrap_or_default(),
    )
}

fn list(known: BTreeMap<UserId, Shown>) -> ResultBody {
    let profiles = known
        .into_iter()
        .map(|(user, (profile, details))| UserProfile {
            user,
            profile,
            details,
        });
    ResultBody::Profiles(ProfileList {
        profiles: profiles.collect(),
    })
}
