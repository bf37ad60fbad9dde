//! Broadcasts without IO: under which stream id a member's track pair is found, and under which
//! name it goes to the relay.
//!
//! [`StreamName`] makes the ids, [`RelayMode`] says which streams are relayed without being asked
//! for, and [`Broadcasts`] keeps who holds which name. Streams that come by WHIP are not in its
//! book: the media workers know every live id, and have the last word.

mod name;
mod publisher;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, HashMap};

use relay::StreamId;

use super::ids::{RoomKey, UserId};
use super::tracks::TrackKind;
pub use name::{InvalidStreamName, RelayMode, StreamName};
pub use publisher::Publisher;

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
    /// Of the newest update of its relay.
    sequence: Option<u64>,
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
    /// There is no relay that could be updated.
    #[error("{track} is not relayed; start its relay first")]
    NotRelayed {
        /// Which track pair.
        track: TrackKind,
    },
    /// An update came after a newer one.
    #[error("the sequence number {given} is not above that of the last update, {last}")]
    OldUpdate {
        /// Its number.
        given: u64,
        /// That of the newest one.
        last: u64,
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
            Self::Name(_) | Self::OldUpdate { .. } => 0x1000,
            Self::NotPublished { .. } | Self::NotRelayed { .. } => 0x1001,
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
            sequence: None,
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

    /// Updates a relay that was started: as [`start`](Self::start), but updates have numbers, and
    /// one that is not above all before it is refused. A refused update uses up no number; the
    /// numbers of a publication end with it.
    ///
    /// # Errors
    /// [`BroadcastError`]; nothing changes then.
    pub fn update(
        &mut self,
        source: &Source,
        name: Option<&str>,
        sequence: u64,
    ) -> Result<Option<RelayOrder>, BroadcastError> {
        let broadcast = self.idle(source)?;
        if broadcast.relayed_as.is_none() {
            return Err(BroadcastError::NotRelayed {
                track: source.track,
            });
        }
        if let Some(last) = broadcast.sequence.filter(|last| sequence <= *last) {
            return Err(BroadcastError::OldUpdate {
                given: sequence,
                last,
            });
        }
        let order = self.start(source, name)?;
        if let Some(broadcast) = self.sources.get_mut(source) {
            broadcast.sequence = Some(sequence);
        }
        Ok(order)
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
