//! What the hub has done and refused, and how much there is now.

/// Why something was refused or dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(usize)]
pub enum HubRefusal {
    /// A frame that is no request.
    Malformed,
    /// A request beyond the rate.
    Rate,
    /// A socket closed because it kept asking too fast.
    RateClosed,
    /// A socket from an address that has as many as it may.
    Address,
    /// A socket on which nobody logged in in time.
    NoLogin,
    /// A token that is not right.
    Token,
    /// A slow request beyond the number that one session may have open.
    Pending,
    /// A slow request to which no answer came in time.
    TimedOut,
    /// A resume of a session that has ended, or with a wrong token.
    ResumeUnknown,
    /// A resume that needs events which are not kept any more.
    ResumeGap,
    /// A request sent again whose answer is not kept any more.
    AnswerGone,
    /// A request under the id of another one.
    IdReused,
    /// A request for a room of which the stored bans are not there.
    NotLoaded,
    /// A subscription beyond the number that one session may have.
    Subscriptions,
    /// A stream id that is live under another user.
    StreamTaken,
    /// A name with a word that is not allowed.
    Name,
    /// A message that the app's back end refused.
    Verdict,
}

impl HubRefusal {
    /// All of them, in the order of their discriminants.
    pub const ALL: [Self; 17] = [
        Self::Malformed,
        Self::Rate,
        Self::RateClosed,
        Self::Address,
        Self::NoLogin,
        Self::Token,
        Self::Pending,
        Self::TimedOut,
        Self::ResumeUnknown,
        Self::ResumeGap,
        Self::AnswerGone,
        Self::IdReused,
        Self::NotLoaded,
        Self::Subscriptions,
        Self::StreamTaken,
        Self::Name,
        Self::Verdict,
    ];

    /// The value of the metric's label.
    pub fn name(self) -> &'static str {
        match self {
            Self::Malformed => "malformed",
            Self::Rate => "rate",
            Self::RateClosed => "rate_closed",
            Self::Address => "address",
            Self::NoLogin => "no_login",
            Self::Token => "token",
            Self::Pending => "pending",
            Self::TimedOut => "timed_out",
            Self::ResumeUnknown => "resume_unknown",
            Self::ResumeGap => "resume_gap",
            Self::AnswerGone => "answer_gone",
            Self::IdReused => "id_reused",
            Self::NotLoaded => "not_loaded",
            Self::Subscriptions => "subscriptions",
            Self::StreamTaken => "stream_taken",
            Self::Name => "name",
            Self::Verdict => "verdict",
        }
    }
}

/// What the hub has done since the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct HubCounters {
    refused: [u64; HubRefusal::ALL.len()],
    /// Requests, whatever came of them.
    pub requests: u64,
    /// Requests answered with an error.
    pub errors: u64,
    /// Events, once for each session that gets them.
    pub events: u64,
    /// Logins.
    pub logins: u64,
    /// Sessions that went on on another socket.
    pub resumes: u64,
    /// Requests sent again that were not carried out again.
    pub repeats: u64,
}

impl HubCounters {
    /// How often something was refused because of `refusal`.
    pub fn refused(&self, refusal: HubRefusal) -> u64 {
        self.refused[refusal as usize]
    }

    pub(super) fn count(&mut self, refusal: HubRefusal) {
        self.refused[refusal as usize] += 1;
    }
}

/// How much there is now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct HubGauges {
    /// Open sockets, logged in or not.
    pub sockets: usize,
    /// Sessions, lost ones and guests included.
    pub sessions: usize,
    /// Sessions of guests.
    pub guests: usize,
    /// Sessions whose socket is lost and that may be resumed.
    pub lost: usize,
    /// Rooms.
    pub rooms: usize,
    /// Members and guests of all rooms; one who is in two rooms counts twice.
    pub members: usize,
    /// Slow requests that wait for the shell.
    pub pending: usize,
    /// Publications, those that are still connecting included.
    pub publications: usize,
    /// Streams that clients receive, summed over the clients.
    pub subscriptions: usize,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_refusal_has_its_own_counter_and_name() {
        let mut counters = HubCounters::default();
        for (index, refusal) in HubRefusal::ALL.into_iter().enumerate() {
            assert_eq!(refusal as usize, index);
            for _ in 0..=index {
                counters.count(refusal);
            }
        }
        let mut names: Vec<_> = HubRefusal::ALL.map(HubRefusal::name).to_vec();
        for (index, refusal) in HubRefusal::ALL.into_iter().enumerate() {
            assert_eq!(counters.refused(refusal), index as u64 + 1);
        }
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), HubRefusal::ALL.len());
    }
}
