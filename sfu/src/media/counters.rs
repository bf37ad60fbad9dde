//! Plain counters of one worker, taken away by the shell once a second.

/// Why a datagram or packet was not passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
#[repr(usize)]
pub enum DropReason {
    /// A datagram above 1,500 bytes.
    Oversize,
    /// Neither STUN, DTLS, RTP nor RTCP.
    NotWebRtc,
    /// Looked like STUN and was none.
    BadStun,
    /// STUN with a user fragment of no session.
    UnknownUser,
    /// STUN that failed the integrity check, or that the session did not expect.
    StunRefused,
    /// DTLS, RTP or RTCP from an address that ICE has not validated.
    NotValidated,
    /// A session has as many validated addresses as it may have.
    TooManyAddresses,
    /// The session could not take the datagram.
    SessionInput,
    /// The publisher is not the room's current one.
    NotCurrent,
    /// The codec or media section of an incoming packet is not known.
    UnknownMedia,
    /// A session sends more RTP streams than it may.
    TooManyStreams,
    /// An RTP payload above 1,400 bytes.
    PayloadTooLarge,
    /// An RTP packet without payload.
    Empty,
    /// Redundant sound (RED) that is not as RFC 2198 has it, or not of Opus.
    BadRedundancy,
    /// A packet of sound that a later one had repeated and overtaken.
    Repeated,
    /// The subscriber is not connected yet.
    NotConnected,
    /// What was negotiated with the subscriber does not have the codec.
    CodecNotNegotiated,
    /// The publisher may not send this kind of media now.
    NotAllowed,
    /// The subscriber does not want this kind of media of the stream.
    NotWanted,
    /// Others are louder than this sound.
    NotLoudest,
    /// Another simulcast layer is followed.
    WrongLayer,
    /// A layer of the stream that is followed, above those that are forwarded.
    LayerLeftOut,
    /// The subscriber waits for a key frame.
    AwaitingKeyframe,
    /// The packet is older than the point at which the subscriber entered the stream.
    OldSequence,
    /// The lane to the relay was full.
    RelayLaneFull,
    /// The lane to another worker was full.
    WorkerLaneFull,
    /// A lane packet for a room that has gone.
    UnknownRoom,
    /// The socket did not take a datagram.
    SendFailed,
    /// A client does not read its TCP connection as fast as packets come for it.
    ConnectionFull,
}

impl DropReason {
    /// All reasons, in the order of their discriminants.
    pub const ALL: [DropReason; 29] = [
        DropReason::Oversize,
        DropReason::NotWebRtc,
        DropReason::BadStun,
        DropReason::UnknownUser,
        DropReason::StunRefused,
        DropReason::NotValidated,
        DropReason::TooManyAddresses,
        DropReason::SessionInput,
        DropReason::NotCurrent,
        DropReason::UnknownMedia,
        DropReason::TooManyStreams,
        DropReason::PayloadTooLarge,
        DropReason::Empty,
        DropReason::BadRedundancy,
        DropReason::Repeated,
        DropReason::NotConnected,
        DropReason::CodecNotNegotiated,
        DropReason::NotAllowed,
        DropReason::NotWanted,
        DropReason::NotLoudest,
        DropReason::WrongLayer,
        DropReason::LayerLeftOut,
        DropReason::AwaitingKeyframe,
        DropReason::OldSequence,
        DropReason::RelayLaneFull,
        DropReason::WorkerLaneFull,
        DropReason::UnknownRoom,
        DropReason::SendFailed,
        DropReason::ConnectionFull,
    ];

    /// The label value in metrics.
    pub fn name(self) -> &'static str {
        match self {
            DropReason::Oversize => "oversize",
            DropReason::NotWebRtc => "not_webrtc",
            DropReason::BadStun => "bad_stun",
            DropReason::UnknownUser => "unknown_user",
            DropReason::StunRefused => "stun_refused",
            DropReason::NotValidated => "not_validated",
            DropReason::TooManyAddresses => "too_many_addresses",
            DropReason::SessionInput => "session_input",
            DropReason::NotCurrent => "not_current",
            DropReason::UnknownMedia => "unknown_media",
            DropReason::TooManyStreams => "too_many_streams",
            DropReason::PayloadTooLarge => "payload_too_large",
            DropReason::Empty => "empty",
            DropReason::BadRedundancy => "bad_redundancy",
            DropReason::Repeated => "repeated",
            DropReason::NotConnected => "not_connected",
            DropReason::CodecNotNegotiated => "codec_not_negotiated",
            DropReason::NotAllowed => "not_allowed",
            DropReason::NotWanted => "not_wanted",
            DropReason::NotLoudest => "not_loudest",
            DropReason::WrongLayer => "wrong_layer",
            DropReason::LayerLeftOut => "layer_left_out",
            DropReason::AwaitingKeyframe => "awaiting_keyframe",
            DropReason::OldSequence => "old_sequence",
            DropReason::RelayLaneFull => "relay_lane_full",
            DropReason::WorkerLaneFull => "worker_lane_full",
            DropReason::UnknownRoom => "unknown_room",
            DropReason::SendFailed => "send_failed",
            DropReason::ConnectionFull => "connection_full",
        }
    }
}

/// What happened on one worker since the counters were last taken.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Counters {
    drops: [u64; DropReason::ALL.len()],
    /// RTP packets from publishers.
    pub packets_in: u64,
    /// Payload bytes of those.
    pub bytes_in: u64,
    /// RTP packets handed to subscribers.
    pub packets_out: u64,
    /// Payload bytes of those.
    pub bytes_out: u64,
    /// Datagrams received.
    pub datagrams_in: u64,
    /// Datagrams sent, of every protocol.
    pub datagrams_out: u64,
    /// Bytes of those.
    pub datagram_bytes_out: u64,
    /// Segmented sends.
    pub sends: u64,
    /// Key frame requests (PLI, FIR) from subscribers.
    pub keyframe_requests_in: u64,
    /// Key frame requests sent to publishers.
    pub keyframe_requests_out: u64,
    /// Packets that subscribers asked for again (NACK).
    pub nacks_in: u64,
    /// Packets asked for again from publishers (NACK).
    pub nacks_out: u64,
    /// Packets sent again (RTX).
    pub rtx_out: u64,
    /// Lost packets of sound that a later one has brought (RED).
    pub redundant_in: u64,
    /// Packets of sound sent with those before them (RED).
    pub redundant_out: u64,
    /// Streams whose sound a subscriber hears in place of another one's.
    pub voice_changes: u64,
    /// Subscribers who entered at the cached key frame.
    pub cache_joins: u64,
    /// Sessions closed since a panic was caught while they were polled.
    pub panics: u64,
    /// Sessions closed by a time limit or by ICE.
    pub timeouts: u64,
    /// Offers made to receivers.
    pub offers_out: u64,
    /// Answers of receivers that were not taken.
    pub answers_refused: u64,
    /// Media events that found their lane full.
    pub events_dropped: u64,
}

impl Counters {
    /// Counts a drop.
    pub fn drop(&mut self, reason: DropReason) {
        self.drops[reason as usize] += 1;
    }

    /// Counts several drops.
    pub fn drop_many(&mut self, reason: DropReason, count: u64) {
        self.drops[reason as usize] += count;
    }

    /// Drops for one reason.
    pub fn drops(&self, reason: DropReason) -> u64 {
        self.drops[reason as usize]
    }

    /// Takes the counters away and starts again at zero.
    pub fn take(&mut self) -> Self {
        std::mem::take(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_listed_in_order_and_named_once() {
        let mut names = std::collections::HashSet::new();
        for (index, reason) in DropReason::ALL.iter().enumerate() {
            assert_eq!(*reason as usize, index);
            assert!(names.insert(reason.name()));
        }
    }
}
