//! How large each list may grow, and what was refused because of it.

use std::fmt;
use std::time::Duration;

/// Bounds of everything that clients can make grow, and the waits of rooms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Connections on this server, guests and lost ones included.
    pub connections: usize,
    /// Rooms on this server.
    pub rooms: usize,
    /// Rooms that one connection is in.
    pub rooms_per_connection: usize,
    /// Rooms that one user may create and own at once; the back end may create more for a user.
    pub rooms_per_owner: usize,
    /// Members of one room, without guests.
    pub members: usize,
    /// Guests of one room.
    pub guests: usize,
    /// Anchors of one room: each is announced to everybody in it.
    pub anchors: usize,
    /// Administrators of one room.
    pub administrators: usize,
    /// Seats of one room.
    pub seats: u16,
    /// Open applications of one room, and as many open invitations.
    pub seat_requests: usize,
    /// Connected rooms in one group.
    pub cohosts: usize,
    /// Open requests to connect, sent and got, of one room.
    pub cohost_requests: usize,
    /// Running bans of one room.
    pub bans_per_room: usize,
    /// Running bans on this server.
    pub bans: usize,
    /// Users named in one command.
    pub users_per_command: usize,
    /// Members in one page of a list.
    pub page: usize,
    /// Outputs that may wait for the shell when a command arrives. A shell that takes all
    /// outputs after each call never sees this bound.
    pub outputs: usize,
    /// The longest ban.
    pub ban: Duration,
    /// How long a lost connection, and the seat of one that was replaced, is kept.
    pub resume: Duration,
    /// How long a room without owner stays when it is empty.
    pub empty_room: Duration,
    /// How long a room that was created by its owner stays when it is empty.
    pub empty_owned_room: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 100_000,
            rooms: 10_000,
            rooms_per_connection: 8,
            rooms_per_owner: 10,
            members: 50_000,
            guests: 50_000,
            anchors: 50,
            administrators: 10,
            seats: 50,
            seat_requests: 200,
            cohosts: 9,
            cohost_requests: 20,
            bans_per_room: 1_000,
            bans: 100_000,
            users_per_command: 10,
            page: 100,
            outputs: 100_000,
            ban: Duration::from_secs(365 * 24 * 3600),
            resume: Duration::from_secs(30),
            empty_room: Duration::from_secs(30),
            empty_owned_room: Duration::from_secs(12 * 3600),
        }
    }
}

/// The list or wait that was full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(usize)]
pub enum Refusal {
    /// Connections of the server.
    Connections,
    /// Rooms of the server.
    Rooms,
    /// Rooms of one connection.
    RoomsPerConnection,
    /// Rooms of one owner.
    RoomsPerOwner,
    /// Members of a room.
    Members,
    /// Guests of a room.
    Guests,
    /// Anchors of a room.
    Anchors,
    /// Administrators of a room.
    Administrators,
    /// Open seat requests of a room.
    SeatRequests,
    /// Open requests to connect of a room.
    CoHostRequests,
    /// Bans of a room or of the server.
    Bans,
    /// Users in one command.
    UsersPerCommand,
    /// Outputs that the shell has not taken.
    Outputs,
}

impl Refusal {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 13] = [
        Self::Connections,
        Self::Rooms,
        Self::RoomsPerConnection,
        Self::RoomsPerOwner,
        Self::Members,
        Self::Guests,
        Self::Anchors,
        Self::Administrators,
        Self::SeatRequests,
        Self::CoHostRequests,
        Self::Bans,
        Self::UsersPerCommand,
        Self::Outputs,
    ];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Connections => "connections",
            Self::Rooms => "rooms",
            Self::RoomsPerConnection => "rooms_per_connection",
            Self::RoomsPerOwner => "rooms_per_owner",
            Self::Members => "members",
            Self::Guests => "guests",
            Self::Anchors => "anchors",
            Self::Administrators => "administrators",
            Self::SeatRequests => "seat_requests",
            Self::CoHostRequests => "cohost_requests",
            Self::Bans => "bans",
            Self::UsersPerCommand => "users_per_command",
            Self::Outputs => "outputs",
        }
    }

    /// Whether somebody could not enter because of it.
    pub(super) fn is_room_full(self) -> bool {
        matches!(self, Self::Members | Self::Guests | Self::Anchors)
    }

    pub(super) fn code(self) -> i32 {
        if self.is_room_full() { 100_008 } else { 10_004 }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Connections => "the server has as many connections as it may",
            Self::Rooms => "the server has as many rooms as it may",
            Self::RoomsPerConnection => "you are in as many rooms as you may",
            Self::RoomsPerOwner => "you own as many rooms as you may; dismiss one first",
            Self::Members => "the room is full",
            Self::Guests => "the room has as many guests as it may",
            Self::Anchors => "the room has as many anchors as it may",
            Self::Administrators => "the room has as many administrators as it may",
            Self::SeatRequests => "the room has as many open seat requests as it may",
            Self::CoHostRequests => "one of the rooms has as many open requests as it may",
            Self::Bans => "there are as many running bans as there may be",
            Self::UsersPerCommand => "the command names too many users",
            Self::Outputs => "too many events wait",
        })
    }
}

/// How often each list refused something.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters([u64; Refusal::ALL.len()]);

impl Counters {
    /// Refusals because of `refusal` since the start.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.0[refusal as usize]
    }

    pub(super) fn count(&mut self, refusal: Refusal) {
        self.0[refusal as usize] += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_counter_and_name() {
        let mut counters = Counters::default();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
            for _ in 0..=index {
                counters.count(refusal);
            }
        }
        let mut names: Vec<_> = Refusal::ALL.map(Refusal::name).to_vec();
        for (index, refusal) in Refusal::ALL.into_iter().enumerate() {
            assert_eq!(counters.refused(refusal), index as u64 + 1);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Refusal::ALL.len());
    }
}
