//! Who may speak in a room.

use std::collections::HashMap;
use std::time::Duration;

use super::error::ChatError;
use super::message::UnixTime;
use crate::live::UserId;

/// Who asks to send. The room knows all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sender {
    /// None for a guest.
    pub user: Option<UserId>,
    /// Shown with the message; may be empty.
    pub nick: String,
    /// Shown with the message; may be empty.
    pub avatar: String,
    /// Shown instead of the nick in this room; may be empty.
    pub name_card: String,
    /// The owner or an administrator: not touched by mute-all.
    pub is_host: bool,
    /// The room has banned the user, who still holds an old connection.
    pub is_banned: bool,
}

/// Mutes of one room. They are told in wall clock time, since they outlive a restart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Moderation {
    muted: HashMap<UserId, UnixTime>,
    mute_all: bool,
    refused: u64,
}

impl Moderation {
    /// Takes stored mutes; those that have ended are left out.
    pub fn restore(
        mute_all: bool,
        muted: impl IntoIterator<Item = (UserId, UnixTime)>,
        clock: UnixTime,
    ) -> Self {
        let running = muted.into_iter().filter(|(_, until)| *until > clock);
        Self {
            muted: running.take(MAX_MUTES).collect(),
            mute_all,
            refused: 0,
        }
    }

    /// Mutes a user for a time; zero lifts the mute. Returns when it ends.
    ///
    /// # Errors
    /// Too many users are muted.
    pub fn mute(
        &mut self,
        user: &UserId,
        time: Duration,
        clock: UnixTime,
    ) -> Result<Option<UnixTime>, ChatError> {
        if time.is_zero() {
            self.muted.remove(user);
            return Ok(None);
        }
        if self.muted.len() >= MAX_MUTES && !self.muted.contains_key(user) {
            self.muted.retain(|_, until| *until > clock);
            if self.muted.len() >= MAX_MUTES {
                self.refused += 1;
                return Err(ChatError::Full {
                    what: "mutes",
                    limit: MAX_MUTES,
                });
            }
        }
        let until = clock.after(time.min(MAX_MUTE));
        self.muted.insert(user.clone(), until);
        Ok(Some(until))
    }

    /// Mutes everybody but the hosts, or lets all speak again. Whether that changed anything.
    pub fn set_mute_all(&mut self, mute_all: bool) -> bool {
        std::mem::replace(&mut self.mute_all, mute_all) != mute_all
    }

    /// Whether everybody but the hosts is muted.
    pub fn is_mute_all(&self) -> bool {
        self.mute_all
    }

    /// What is left of a user's mute.
    pub fn muted(&self, user: &UserId, clock: UnixTime) -> Option<Duration> {
        let left = self.muted.get(user)?.since(clock);
        (!left.is_zero()).then_some(left)
    }

    /// Users that are muted, with what is left.
    pub fn all(&self, clock: UnixTime) -> impl Iterator<Item = (&UserId, Duration)> {
        self.muted.iter().filter_map(move |(user, until)| {
            let left = until.since(clock);
            (!left.is_zero()).then_some((user, left))
        })
    }

    /// Whether the sender may speak, in the documented order: banned, muted, all muted.
    ///
    /// # Errors
    /// The first of them that holds; 2024 for a guest.
    pub fn check<'a>(&self, sender: &'a Sender, clock: UnixTime) -> Result<&'a UserId, ChatError> {
        let user = sender.user.as_ref().ok_or(ChatError::Guest)?;
        if sender.is_banned {
            return Err(ChatError::Banned);
        }
        if let Some(left) = self.muted(user, clock) {
            return Err(ChatError::Muted { left });
        }
        if self.mute_all && !sender.is_host {
            return Err(ChatError::AllMuted);
        }
        Ok(user)
    }

    /// Mutes refused because there are too many.
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

/// Most users of one room that are muted at the same time.
pub const MAX_MUTES: usize = 5_000;

/// Longest mute: what is asked beyond it is this long.
pub const MAX_MUTE: Duration = Duration::from_secs(366 * 86_400);

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: UnixTime = UnixTime(1_700_000_000_000);

    fn sender(name: &str) -> Sender {
        Sender {
            user: Some(name.parse().unwrap()),
            nick: String::new(),
            avatar: String::new(),
            name_card: String::new(),
            is_host: false,
            is_banned: false,
        }
    }

    #[test]
    fn a_mute_ends_by_itself_and_by_zero() {
        let mut moderation = Moderation::default();
        let anna = sender("anna");
        let user = anna.user.clone().unwrap();
        let until = moderation
            .mute(&user, Duration::from_secs(60), NOON)
            .unwrap();
        assert_eq!(until, Some(NOON.after(Duration::from_secs(60))));
        let error = moderation
            .check(&anna, NOON.after(Duration::from_secs(59)))
            .unwrap_err();
        assert_eq!(
            error,
            ChatError::Muted {
                left: Duration::from_secs(1)
            }
        );
        assert_eq!(error.code(), 10_017);
        assert_eq!(moderation.check(&anna, until.unwrap()), Ok(&user));

        moderation
            .mute(&user, Duration::from_secs(60), NOON)
            .unwrap();
        assert_eq!(moderation.all(NOON).count(), 1);
        assert_eq!(moderation.mute(&user, Duration::ZERO, NOON), Ok(None));
        assert_eq!(moderation.check(&anna, NOON), Ok(&user));
    }

    #[test]
    fn the_first_reason_in_the_documented_order_is_told() {
        let mut moderation = Moderation::default();
        let mut anna = sender("anna");
        let user = anna.user.clone().unwrap();
        anna.is_banned = true;
        moderation
            .mute(&user, Duration::from_secs(60), NOON)
            .unwrap();
        assert!(moderation.set_mute_all(true));
        assert!(!moderation.set_mute_all(true), "nothing new");
        assert_eq!(moderation.check(&anna, NOON).unwrap_err().code(), 10_007);
        anna.is_banned = false;
        assert_eq!(
            moderation.check(&anna, NOON).unwrap_err().live_code(),
            -2381
        );
        moderation.mute(&user, Duration::ZERO, NOON).unwrap();
        let error = moderation.check(&anna, NOON).unwrap_err();
        assert_eq!((error.code(), error.live_code()), (10_017, -2380));
        anna.is_host = true;
        assert!(moderation.check(&anna, NOON).is_ok());
        anna.user = None;
        assert_eq!(moderation.check(&anna, NOON).unwrap_err().code(), 2024);
    }

    #[test]
    fn mutes_are_bounded_and_ended_ones_make_place() {
        let mut moderation = Moderation::default();
        for n in 0..MAX_MUTES {
            let user = format!("u{n}").parse().unwrap();
            moderation
                .mute(&user, Duration::from_secs(60), NOON)
                .unwrap();
        }
        let one_more = "one more".parse().unwrap();
        let hour = Duration::from_secs(3_600);
        assert!(moderation.mute(&one_more, hour, NOON).is_err());
        assert!(
            moderation.mute(&"u0".parse().unwrap(), hour, NOON).is_ok(),
            "a longer one"
        );
        assert_eq!(moderation.refused(), 1);
        let later = NOON.after(Duration::from_secs(61));
        assert!(moderation.mute(&one_more, Duration::MAX, later).is_ok());
        assert_eq!(moderation.muted(&one_more, later), Some(MAX_MUTE));
        assert_eq!(moderation.all(later).count(), 2);
    }
}
