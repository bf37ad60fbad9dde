//! Broadcasts without IO: under which stream id a member's track pair is found, and under which
//! name it goes to the relay.
//!
//! [`StreamName`] makes the ids, [`RelayMode`] says which streams are relayed without being asked
//! for, and [`Broadcasts`] keeps who holds which name. Streams that come by WHIP are not in its
//! book: the media workers know every live id, and have the last word.

use std::collections::{BTreeMap, HashMap};

use md5::{Digest, Md5};
use relay::StreamId;

use super::ids::{AppId, RoomId, RoomKey, UserId};
use super::tracks::TrackKind;

/// The rule for stream ids.
#[derive(Debug, Clone, Copy)]
pub struct StreamName;

impl StreamName {
    /// The longest id that a publisher can choose, in characters.
    pub const MAX_CHOSEN_LEN: usize = 64;

    /// The stream id of a member's track pair: the chosen one verbatim, else the default.
    ///
    /// The default is `{sdkAppId}_{tail}`; the tail is `{room}_{user}_{main|aux}`, or the MD5 of
    /// that in lower-case hex digits if it has other characters than `A-Z a-z 0-9 _ -`. A number
    /// room and a named room that read alike have the same default: only one of the two can be
    /// live at a time.
    ///
    /// # Errors
    /// [`InvalidStreamName`] for a chosen id outside `[A-Za-z0-9_-]{1,64}`.
    pub fn of(
        app: AppId,
        room: &RoomId,
        user: &UserId,
        track: TrackKind,
        chosen: Option<&str>,
    ) -> Result<StreamId, InvalidStreamName> {
        if let Some(chosen) = chosen {
            return Self::chosen(chosen);
        }
        let track = match track {
            TrackKind::Main => "main",
            TrackKind::Aux => "aux",
        };
        let mut tail = format!("{room}_{user}_{track}");
        if !tail.bytes().all(is_plain) {
            let hash: [u8; 16] = Md5::digest(&tail).into();
            tail = format!("{:032x}", u128::from_be_bytes(hash));
        }
        let id = format!("{app}_{tail}");
        // 10 digits, a room of 64 and a user of 32 bytes are less than a stream id's 128.
        id.parse().map_err(|_| InvalidStreamName::Length {
            len: id.len(),
            limit: StreamId::MAX_LEN,
        })
    }

    /// An id that somebody chose.
    ///
    /// # Errors
    /// As [`StreamName::of`].
    pub fn chosen(text: &str) -> Result<StreamId, InvalidStreamName> {
        let length = InvalidStreamName::Length {
            len: text.len(),
            limit: Self::MAX_CHOSEN_LEN,
        };
        if text.is_empty() || text.len() > Self::MAX_CHOSEN_LEN {
            return Err(length);
        }
        match text.chars().find(|c| !u8::try_from(*c).is_ok_and(is_plain)) {
            Some(character) => Err(InvalidStreamName::Character { character }),
            None => text.parse().map_err(|_| length),
        }
    }
}

/// Why a text is no stream id that can be chosen.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InvalidStreamName {
    /// Empty or too long.
    #[error("a stream id has {len} bytes; 1 to {limit} are allowed")]
    Length {
        /// Length in bytes.
        len: usize,
        /// The bound.
        limit: usize,
    },
    /// A character outside the list.
    #[error("a stream id contains {character:?}; allowed are A-Z, a-z, 0-9, '_' and '-'")]
    Character {
        /// The first such character.
        character: char,
    },
}

/// Which streams go to the relay without being asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum RelayMode {
    /// All of them.
    #[default]
    Automatic,
    /// Those whose id somebody chose; the others once relaying is started for them.
    Named,
}

impl RelayMode {
    /// Whether a new stream is relayed at once.
    pub fn relays(self, is_chosen: bool) -> bool {
        match self {
            Self::Automatic => true,
            Self::Named => is_chosen,
        }
    }
}

/// What a broadcast is made from: one track pair of one member.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Source {
    /// The room.
    pub room: RoomKey,
    /// The member.
    pub user: UserId,
    /// Which pair.
    pub track: TrackKind,
}

/// One publication under its public names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Broadcast {
    /// The id under which members and WHEP find it, from its begin to its end.
    pub stream: StreamId,
    /// The name under which the relay has it: `/live/{name}.flv` and `.m3u8`.
    pub relayed_as: Option<StreamId>,
    /// Where [`relayed_as`](Self::relayed_as) is about to go.
    change: Option<Option<StreamId>>,
}

impl Broadcast {
    /// The name under which the relay has it once running changes are carried out.
    pub fn relay_name(&self) -> Option<&StreamId> {
        match &self.change {
            Some(next) => next.as_ref(),
            None => self.relayed_as.as_ref(),
        }
    }
}

/// What the media workers are to do about a broadcast. [`Broadcasts::settle`] takes the outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayOrder {
    /// The id of the stream.
    pub stream: StreamId,
    /// The relay is to have it under this name, or not at all.
    pub relay: Option<StreamId>,
}

/// Why a broadcast is not what was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BroadcastError {
    /// The chosen name is none.
    #[error(transparent)]
    Name(#[from] InvalidStreamName),
    /// Another publication has the name.
    #[error(
        "stream {name} is live under another user or track; allowed is another id, or this one once it has ended"
    )]
    Taken {
        /// The name.
        name: StreamId,
    },
    /// There is nothing to relay.
    #[error("{track} is not published; publish it first")]
    NotPublished {
        /// Which track pair.
        track: TrackKind,
    },
    /// The one before is not carried out yet.
    #[error("the relay of stream {stream} is being changed; try again in a moment")]
    Busy {
        /// The stream.
        stream: StreamId,
    },
    /// The server has as many broadcasts as it takes.
    #[error("the server is at its limit of {limit} broadcasts")]
    Full {
        /// The bound.
        limit: usize,
    },
}

impl BroadcastError {
    /// The documented code when relaying is to be started: INVALID_PARAMETER, INVALID_OPERATION
    /// or START_PUBLISH_CDN_FAILED.
    pub fn code(&self) -> i32 {
        match self {
            Self::Name(_) => 0x1000,
            Self::NotPublished { .. } => 0x1001,
            Self::Taken { .. } | Self::Busy { .. } | Self::Full { .. } => 0x4045,
        }
    }
}

/// All broadcasts of all rooms, and who holds which name. A name has one holder at a time, over
/// all apps: addresses do not tell apps apart.
#[derive(Debug)]
pub struct Broadcasts {
    mode: RelayMode,
    limit: usize,
    /// In order of rooms, so that a room's are one range.
    sources: BTreeMap<Source, Broadcast>,
    /// Stream ids and relay names; at most three a broadcast.
    holders: HashMap<StreamId, Source>,
    refused: u64,
}

impl Broadcasts {
    /// No broadcasts, and room for `limit` of them.
    pub fn new(mode: RelayMode, limit: usize) -> Self {
        Self {
            mode,
            limit,
            sources: BTreeMap::new(),
            holders: HashMap::new(),
            refused: 0,
        }
    }

    /// Begins a publication. One that the source has already ends with that: it starts anew, with
    /// the relay as the mode has it.
    ///
    /// # Errors
    /// [`BroadcastError::Name`], [`BroadcastError::Taken`], [`BroadcastError::Full`]; a former
    /// publication goes on then.
    pub fn open(
        &mut self,
        source: Source,
        chosen: Option<&str>,
    ) -> Result<&Broadcast, BroadcastError> {
        let RoomKey { app, room } = &source.room;
        let stream = StreamName::of(*app, room, &source.user, source.track, chosen)?;
        self.check_free(&stream, &source)?;
        if !self.sources.contains_key(&source) && self.sources.len() >= self.limit {
            self.refused += 1;
            return Err(BroadcastError::Full { limit: self.limit });
        }
        self.close(&source);
        self.holders.insert(stream.clone(), source.clone());
        let relayed_as = self.mode.relays(chosen.is_some()).then(|| stream.clone());
        Ok(self.sources.entry(source).or_insert(Broadcast {
            stream,
            relayed_as,
            change: None,
        }))
    }

    /// Ends a publication; its names are free again.
    pub fn close(&mut self, source: &Source) -> Option<Broadcast> {
        let broadcast = self.sources.remove(source)?;
        self.holders.remove(&broadcast.stream);
        let names = [
            &broadcast.relayed_as,
            broadcast.change.as_ref().unwrap_or(&None),
        ];
        for name in names.into_iter().flatten() {
            self.holders.remove(name);
        }
        Some(broadcast)
    }

    /// Starts relaying, or renames: under the given name, without one under the name it has or
    /// the id of the stream. `None` if it is relayed so already.
    ///
    /// # Errors
    /// [`BroadcastError`]; nothing changes then.
    pub fn start(
        &mut self,
        source: &Source,
        name: Option<&str>,
    ) -> Result<Option<RelayOrder>, BroadcastError> {
        let broadcast = self.idle(source)?;
        let name = match (name, &broadcast.relayed_as) {
            (Some(name), _) => StreamName::chosen(name)?,
            (None, Some(_)) => return Ok(None),
            (None, None) => broadcast.stream.clone(),
        };
        self.change(source, Some(name))
    }

    /// Stops relaying. `None` if it is not relayed.
    ///
    /// # Errors
    /// [`BroadcastError::NotPublished`] and [`BroadcastError::Busy`].
    pub fn stop(&mut self, source: &Source) -> Result<Option<RelayOrder>, BroadcastError> {
        self.idle(source)?;
        self.change(source, None)
    }

    /// The media workers have carried out an order, or could not: then all is as before. The
    /// outcome of an order whose publication has ended, or begun anew, changes nothing.
    pub fn settle(&mut self, source: &Source, order: &RelayOrder, is_done: bool) {
        let Some(broadcast) = self.sources.get_mut(source) else {
            return;
        };
        if broadcast.stream != order.stream || broadcast.change.as_ref() != Some(&order.relay) {
            return;
        }
        broadcast.change = None;
        let unused = if is_done {
            std::mem::replace(&mut broadcast.relayed_as, order.relay.clone())
        } else {
            order.relay.clone()
        };
        if let Some(unused) = unused.filter(|n| *n != broadcast.stream) {
            self.holders.remove(&unused);
        }
    }

    /// The publication of a source.
    pub fn of(&self, source: &Source) -> Option<&Broadcast> {
        self.sources.get(source)
    }

    /// Whose a stream id or relay name is.
    pub fn holder(&self, name: &StreamId) -> Option<&Source> {
        self.holders.get(name)
    }

    /// All broadcasts of a room, by user and track.
    pub fn of_room(&self, room: &RoomKey) -> impl Iterator<Item = (&Source, &Broadcast)> {
        let first = Source {
            room: room.clone(),
            user: " ".parse().expect("a space is a user id, and none is less"),
            track: TrackKind::Main,
        };
        self.sources
            .range(first..)
            .take_while(move |(source, _)| source.room == *room)
    }

    /// All broadcasts, by app, room, user and track.
    pub fn iter(&self) -> impl Iterator<Item = (&Source, &Broadcast)> {
        self.sources.iter()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.sources.len()
    }

    /// True if there is none.
    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// How many were refused because a name was taken or the book was full.
    pub fn refused(&self) -> u64 {
        self.refused
    }

    fn idle(&self, source: &Source) -> Result<&Broadcast, BroadcastError> {
        let broadcast = self
            .sources
            .get(source)
            .ok_or(BroadcastError::NotPublished {
                track: source.track,
            })?;
        if broadcast.change.is_some() {
            return Err(BroadcastError::Busy {
                stream: broadcast.stream.clone(),
            });
        }
        Ok(broadcast)
    }

    /// Holds the new name; the one before is held until the order is settled.
    fn change(
        &mut self,
        source: &Source,
        relay: Option<StreamId>,
    ) -> Result<Option<RelayOrder>, BroadcastError> {
        if let Some(name) = &relay {
            self.check_free(name, source)?;
        }
        let Some(broadcast) = self.sources.get_mut(source) else {
            return Ok(None);
        };
        if broadcast.relayed_as == relay {
            return Ok(None);
        }
        if let Some(name) = &relay {
            self.holders.insert(name.clone(), source.clone());
        }
        broadcast.change = Some(relay.clone());
        Ok(Some(RelayOrder {
            stream: broadcast.stream.clone(),
            relay,
        }))
    }

    fn check_free(&mut self, name: &StreamId, source: &Source) -> Result<(), BroadcastError> {
        match self.holders.get(name) {
            Some(holder) if holder != source => {
                self.refused += 1;
                Err(BroadcastError::Taken { name: name.clone() })
            }
            _ => Ok(()),
        }
    }
}

fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-'
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const APP: AppId = AppId(1_400_000_000);

    fn user(text: &str) -> UserId {
        text.parse().unwrap()
    }

    fn default_id(room: &RoomId, name: &str, track: TrackKind) -> String {
        StreamName::of(APP, room, &user(name), track, None)
            .unwrap()
            .to_string()
    }

    fn source(name: &str, track: TrackKind) -> Source {
        Source {
            room: RoomKey::new(APP, RoomId::Number(7)),
            user: user(name),
            track,
        }
    }

    fn id(text: &str) -> StreamId {
        text.parse().unwrap()
    }

    fn order(stream: &str, relay: Option<&str>) -> Option<RelayOrder> {
        Some(RelayOrder {
            stream: id(stream),
            relay: relay.map(id),
        })
    }

    #[test]
    fn a_default_id_says_app_room_user_and_track() {
        let number = RoomId::Number(123);
        assert_eq!(
            default_id(&number, "anna-1_b", TrackKind::Main),
            "1400000000_123_anna-1_b_main"
        );
        let name = RoomId::name("r1").unwrap();
        assert_eq!(
            default_id(&name, "anna", TrackKind::Aux),
            "1400000000_r1_anna_aux"
        );
    }

    #[test]
    fn a_tail_with_other_characters_is_hashed() {
        let room = RoomId::name("r1").unwrap();
        assert_eq!(
            default_id(&room, "user@x", TrackKind::Main),
            "1400000000_3f8b4328b5fc5508c8c8a7c5cbc23d35"
        );
        // Leading zeros stay, and letters beyond ASCII are other characters.
        for name in ["小军", "é", "a b", "a.b"] {
            let text = default_id(&room, name, TrackKind::Main);
            let tail = text.strip_prefix("1400000000_").unwrap();
            assert_eq!(tail.len(), 32, "{name}: {text}");
        }
    }

    #[test]
    fn a_chosen_id_is_taken_verbatim_within_its_rule() {
        let of = |chosen: &str| {
            let room = RoomId::Number(1);
            StreamName::of(APP, &room, &user("a"), TrackKind::Main, Some(chosen))
        };
        let longest = "x".repeat(64);
        for good in ["a", "My-stream_1", longest.as_str()] {
            assert_eq!(of(good).unwrap().as_str(), good);
        }
        assert_eq!(of(""), Err(InvalidStreamName::Length { len: 0, limit: 64 }));
        assert_eq!(
            of(&"x".repeat(65)),
            Err(InvalidStreamName::Length { len: 65, limit: 64 })
        );
        for character in ['.', '/', ' ', 'é', '\0', '%', '军', 'ſ'] {
            assert_eq!(
                of(&format!("a{character}b")),
                Err(InvalidStreamName::Character { character })
            );
        }
    }

    proptest! {
        #[test]
        fn every_room_and_user_have_a_default_id(
            app in any::<u32>(),
            room in "[ -~]{1,64}",
            name in "\\PC{1,10}",
            aux in any::<bool>(),
        ) {
            let (Ok(room), Ok(name)) = (RoomId::name(&room), name.parse::<UserId>()) else {
                return Ok(());
            };
            let track = if aux { TrackKind::Aux } else { TrackKind::Main };
            let made = StreamName::of(AppId(app), &room, &name, track, None).unwrap();
            let prefix = format!("{app}_");
            prop_assert!(made.as_str().starts_with(&prefix));
        }
    }

    #[test]
    fn the_mode_says_what_is_relayed_without_a_call() {
        for (mode, default, chosen) in [
            (RelayMode::Automatic, true, true),
            (RelayMode::Named, false, true),
        ] {
            let mut book = Broadcasts::new(mode, 10);
            let by_default = book.open(source("anna", TrackKind::Main), None).unwrap();
            assert_eq!(by_default.relayed_as.is_some(), default);
            let by_choice = book.open(source("anna", TrackKind::Aux), Some("show"));
            let by_choice = by_choice.unwrap();
            assert_eq!(by_choice.relayed_as.is_some(), chosen);
            assert_eq!(by_choice.stream, id("show"));
        }
    }

    #[test]
    fn relaying_is_started_renamed_and_stopped() {
        let mut book = Broadcasts::new(RelayMode::Named, 10);
        let anna = source("anna", TrackKind::Main);
        let stream = "1400000000_7_anna_main";
        assert_eq!(
            book.start(&anna, None),
            Err(BroadcastError::NotPublished {
                track: TrackKind::Main
            })
        );
        book.open(anna.clone(), None).unwrap();
        assert_eq!(book.stop(&anna), Ok(None), "it is not relayed");

        let started = book.start(&anna, None).unwrap();
        assert_eq!(started, order(stream, Some(stream)));
        assert_eq!(book.of(&anna).unwrap().relayed_as, None, "not yet");
        assert_eq!(book.of(&anna).unwrap().relay_name(), Some(&id(stream)));
        assert_eq!(
            book.start(&anna, Some("show")),
            Err(BroadcastError::Busy { stream: id(stream) })
        );
        book.settle(&anna, &started.unwrap(), true);
        assert_eq!(book.of(&anna).unwrap().relayed_as, Some(id(stream)));
        assert_eq!(book.start(&anna, None), Ok(None));

        let renamed = book.start(&anna, Some("show")).unwrap().unwrap();
        assert_eq!(Some(renamed.clone()), order(stream, Some("show")));
        book.settle(&anna, &renamed, true);
        assert_eq!(book.start(&anna, Some("show")), Ok(None));
        assert_eq!(book.holder(&id("show")), Some(&anna));
        assert_eq!(
            book.holder(&id(stream)),
            Some(&anna),
            "its id stays its own"
        );

        let stopped = book.stop(&anna).unwrap().unwrap();
        assert_eq!(Some(stopped.clone()), order(stream, None));
        book.settle(&anna, &stopped, true);
        assert_eq!(book.holder(&id("show")), None);
        assert_eq!(book.of(&anna).unwrap().relayed_as, None);
    }

    #[test]
    fn a_refused_order_leaves_all_as_it_was() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 10);
        let anna = source("anna", TrackKind::Main);
        let stream = book.open(anna.clone(), None).unwrap().stream.clone();
        let refused = book.start(&anna, Some("show")).unwrap().unwrap();
        book.settle(&anna, &refused, false);
        assert_eq!(book.of(&anna).unwrap().relayed_as, Some(stream.clone()));
        assert_eq!(book.holder(&id("show")), None);
        assert_eq!(book.holder(&stream), Some(&anna));
        let refused = book.stop(&anna).unwrap().unwrap();
        book.settle(&anna, &refused, false);
        assert_eq!(book.of(&anna).unwrap().relayed_as, Some(stream));
    }

    #[test]
    fn a_late_outcome_does_not_touch_the_next_publication() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 10);
        let anna = source("anna", TrackKind::Main);
        book.open(anna.clone(), None).unwrap();
        let late = book.start(&anna, Some("show")).unwrap().unwrap();
        let again = book.open(anna.clone(), None).unwrap().clone();
        book.settle(&anna, &late, true);
        assert_eq!(book.of(&anna), Some(&again));
        assert_eq!(book.holder(&id("show")), None);
        book.close(&anna);
        book.settle(&anna, &late, true);
        assert!(book.is_empty() && book.holders.is_empty());
    }

    #[test]
    fn a_name_that_another_holds_is_refused() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 10);
        let (anna, bert) = (
            source("anna", TrackKind::Main),
            source("bert", TrackKind::Main),
        );
        let taken = |name: &str| BroadcastError::Taken { name: id(name) };
        book.open(anna.clone(), Some("show")).unwrap();
        assert_eq!(
            book.open(bert.clone(), Some("show")).unwrap_err(),
            taken("show")
        );
        book.open(bert.clone(), None).unwrap();
        assert_eq!(book.start(&bert, Some("show")), Err(taken("show")));
        // A name that is held and not used yet, and one that is about to be left.
        let order = book.start(&anna, Some("other")).unwrap().unwrap();
        assert_eq!(book.start(&bert, Some("other")), Err(taken("other")));
        book.settle(&anna, &order, true);
        assert_eq!(book.start(&bert, Some("other")), Err(taken("other")));
        // Another track of the same user is another broadcast.
        let screen = source("anna", TrackKind::Aux);
        assert_eq!(book.open(screen, Some("show")).unwrap_err(), taken("show"));
        // Somebody else's default id is a name like any other.
        let mine = "1400000000_7_bert_main";
        assert_eq!(book.start(&anna, Some(mine)), Err(taken(mine)));
        assert_eq!(book.refused(), 6);
        book.close(&anna);
        assert!(book.open(bert, Some("show")).is_ok());
    }

    #[test]
    fn publishing_again_frees_the_names_from_before() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 1);
        let anna = source("anna", TrackKind::Main);
        book.open(anna.clone(), Some("first")).unwrap();
        book.start(&anna, Some("alias")).unwrap();
        book.open(anna.clone(), Some("second")).unwrap();
        assert_eq!(book.holders.len(), 1);
        assert_eq!(book.holder(&id("second")), Some(&anna));
    }

    #[test]
    fn the_book_is_bounded_and_counts() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 2);
        book.open(source("a", TrackKind::Main), None).unwrap();
        book.open(source("b", TrackKind::Main), None).unwrap();
        assert_eq!(
            book.open(source("c", TrackKind::Main), None).unwrap_err(),
            BroadcastError::Full { limit: 2 }
        );
        assert_eq!((book.refused(), book.len()), (1, 2));
    }

    #[test]
    fn a_rooms_broadcasts_are_listed_apart() {
        let mut book = Broadcasts::new(RelayMode::Automatic, 10);
        let mut elsewhere = source("anna", TrackKind::Main);
        elsewhere.room.room = RoomId::Number(8);
        let mut named = source("bert", TrackKind::Main);
        named.room.room = RoomId::name("7").unwrap();
        for source in [
            source("bert", TrackKind::Aux),
            elsewhere,
            named,
            source("anna", TrackKind::Main),
        ] {
            book.open(source, None).unwrap();
        }
        let room = RoomKey::new(APP, RoomId::Number(7));
        let users: Vec<_> = book.of_room(&room).map(|(s, _)| s.user.as_str()).collect();
        assert_eq!(users, ["anna", "bert"]);
        assert_eq!(book.iter().count(), 4);
    }
}
