//! One room's voices: who is listed for whom, and who is the active speaker.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::voice::{Voice, is_speech};
use super::{SpeakerCounters, SpeakerLimits, SpeakerOutput, Volume};
use crate::live::ids::{ConnectionId, RoomKey, UserId};

#[derive(Debug, Default)]
pub(super) struct Room {
    pub(super) voices: BTreeMap<UserId, Voice>,
    pub(super) listeners: HashMap<ConnectionId, Tenths>,
    pub(super) groups: BTreeMap<Tenths, Group>,
    pub(super) active: Option<UserId>,
    /// Who would be the speaker next, and since when.
    pub(super) rival: Option<(UserId, Instant)>,
    /// The active speaker is silent since then.
    pub(super) quiet_since: Option<Instant>,
    /// When the speakers are compared again, while there is anything to compare.
    pub(super) compare_at: Option<Instant>,
}

/// An interval in tenths of a second.
pub(super) type Tenths = u16;

/// The listeners of one interval.
#[derive(Debug)]
pub(super) struct Group {
    pub(super) due: Instant,
    pub(super) members: BTreeSet<ConnectionId>,
    /// The last list had somebody in it: the next one is sent even if it is empty.
    pub(super) was_loud: bool,
}

impl Room {
    pub(super) fn next_timeout(&self) -> Option<Instant> {
        // Without voices there is nothing to list, once the last list was empty.
        let lists = self
            .groups
            .values()
            .filter(|g| g.was_loud || !self.voices.is_empty())
            .map(|g| g.due);
        lists.chain(self.compare_at).min()
    }

    pub(super) fn forget_listener(&mut self, listener: ConnectionId) {
        let Some(tenths) = self.listeners.remove(&listener) else {
            return;
        };
        if let Some(group) = self.groups.get_mut(&tenths) {
            group.members.remove(&listener);
            if group.members.is_empty() {
                self.groups.remove(&tenths);
            }
        }
    }

    pub(super) fn volumes(&self, now: Instant) -> Vec<Volume> {
        let mut volumes: Vec<_> = self
            .voices
            .iter()
            .map(|(user, voice)| Volume {
                user: user.clone(),
                volume: voice.volume(now).round() as u8,
            })
            .filter(|v| v.volume > 0)
            .collect();
        volumes.sort_by_key(|v| Reverse(v.volume));
        volumes
    }

    /// Lists the volumes for those whose time it is.
    pub(super) fn list(
        &mut self,
        now: Instant,
        key: &RoomKey,
        limits: &SpeakerLimits,
        counters: &mut SpeakerCounters,
        outputs: &mut VecDeque<SpeakerOutput>,
    ) {
        if self.groups.values().all(|g| g.due > now) {
            return;
        }
        let mut volumes = self.volumes(now);
        let left_out = volumes.len().saturating_sub(limits.listed);
        volumes.truncate(limits.listed);
        let volumes: Arc<[Volume]> = volumes.into();
        for (tenths, group) in &mut self.groups {
            if group.due > now {
                continue;
            }
            group.due = now + Duration::from_millis(u64::from(*tenths) * 100);
            let is_loud = !volumes.is_empty();
            if std::mem::replace(&mut group.was_loud, is_loud) || is_loud {
                counters.not_listed += left_out as u64;
                outputs.push_back(SpeakerOutput::Volumes {
                    room: key.clone(),
                    listeners: group.members.iter().copied().collect(),
                    volumes: Arc::clone(&volumes),
                });
            }
        }
    }

    /// Compares the speakers, if it is time to.
    pub(super) fn compare(
        &mut self,
        now: Instant,
        key: &RoomKey,
        outputs: &mut VecDeque<SpeakerOutput>,
    ) {
        if self.compare_at.is_none_or(|at| at > now) {
            return;
        }
        let volume = |user: &UserId| self.voices.get(user).map_or(0.0, |v| v.volume(now));
        let current = self.active.as_ref().map_or(0.0, volume);
        self.quiet_since = match self.quiet_since {
            _ if is_speech(current) => None,
            Some(since) => Some(since),
            None => Some(now),
        };
        let quiet = self
            .quiet_since
            .map_or(Duration::ZERO, |since| now.saturating_duration_since(since));

        let loudest = self
            .voices
            .iter()
            .map(|(user, voice)| (user, voice.volume(now)))
            .filter(|(user, volume)| is_speech(*volume) && self.active.as_ref() != Some(user))
            .max_by(|a, b| a.1.total_cmp(&b.1));
        let rival = match loudest {
            // A silent speaker's turn is over: no margin then.
            Some((user, volume)) if !is_speech(current) || volume >= current + MARGIN => Some(user),
            _ => None,
        };
        self.rival = match (rival, self.rival.take()) {
            (Some(user), Some((before, since))) if *user == before => Some((before, since)),
            (Some(user), _) => Some((user.clone(), now)),
            (None, _) => None,
        };
        let wait = match self.active {
            None => FIRST,
            Some(_) => TAKE_OVER,
        };
        match &self.rival {
            Some((user, since)) if now.saturating_duration_since(*since) >= wait => {
                let user = Some(user.clone());
                self.set_active(key, user, outputs);
            }
            None if self.active.is_some() && quiet >= SILENCE => {
                self.set_active(key, None, outputs);
            }
            _ => {}
        }
        let is_awake = self.active.is_some()
            || self.rival.is_some()
            || self.voices.values().any(|v| is_speech(v.volume(now)));
        self.compare_at = is_awake.then(|| now + COMPARE);
    }

    pub(super) fn set_active(
        &mut self,
        key: &RoomKey,
        user: Option<UserId>,
        outputs: &mut VecDeque<SpeakerOutput>,
    ) {
        self.active = user.clone();
        self.rival = None;
        self.quiet_since = None;
        outputs.push_back(SpeakerOutput::Active {
            room: key.clone(),
            user,
        });
    }
}

/// A rival is louder than the speaker by this: 6 dB, which is twice the pressure.
const MARGIN: f32 = 10.0;

/// How often speakers are compared.
pub(super) const COMPARE: Duration = Duration::from_millis(100);

/// How long somebody speaks before being the first active speaker.
const FIRST: Duration = Duration::from_millis(200);

/// How long a rival leads before taking over: longer than a cough or a "yes".
const TAKE_OVER: Duration = Duration::from_millis(800);

/// How long the active speaker is silent before there is none.
const SILENCE: Duration = Duration::from_secs(3);
