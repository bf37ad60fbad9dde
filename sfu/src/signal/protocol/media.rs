//! Media: what is published and received, and the two peer connections of a page.

use serde::{Deserialize, Serialize};

use super::session::IceServer;
use crate::live::quality::NetworkQuality;
use crate::live::{Publication, RoomId, TrackKind, UserId};
use crate::worker::api::Picture as CorePicture;
use crate::worker::{Accepted, Patched as CorePatched};

/// Begins a publication: the page offers, the server answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Publish {
    /// The room, whose media one is in as an anchor.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// What it contains.
    pub publication: Publication,
    /// The SDP offer of the publishing peer connection.
    pub offer: String,
    /// A stream id of one's own for the relay's addresses: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub stream_id: Option<String>,
}

/// Says anew what a publication contains, after tracks were added or removed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct UpdatePublication {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// What it contains now.
    pub publication: Publication,
}

/// Ends a publication.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Unpublish {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
}

/// Brings ICE candidates of a publishing peer connection, or restarts its ICE.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct PatchPublisher {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// The SDP fragment (RFC 8840).
    pub fragment: String,
    /// The `etag` of the ICE session that the candidates are of; `*` for an ICE restart.
    pub if_match: Option<String>,
}

/// Wants to receive what a user publishes, or changes what of it. The server then offers, by event;
/// another picture of what is received already comes without an offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Subscribe {
    /// The room that the user is in: one's own, or one that is connected with it.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// Whether to receive the sound.
    pub audio: bool,
    /// Whether to receive the picture.
    pub video: bool,
    /// Which picture; `large` when absent.
    pub picture: Option<Picture>,
}

/// Which of a publisher's pictures.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum Picture {
    /// The best one that comes.
    #[default]
    Large,
    /// The small one, if it is sent (`hasSmall`) and comes; the large one else.
    Small,
}

impl From<Picture> for CorePicture {
    fn from(picture: Picture) -> Self {
        match picture {
            Picture::Large => Self::Large,
            Picture::Small => Self::Small,
        }
    }
}

impl From<CorePicture> for Picture {
    /// What is to be sent for a picture in between is all.
    fn from(picture: CorePicture) -> Self {
        match picture {
            CorePicture::Large | CorePicture::Medium => Self::Large,
            CorePicture::Small => Self::Small,
        }
    }
}

/// Wants a publication no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Unsubscribe {
    /// The room that the user is in.
    pub room: RoomId,
    /// Who.
    pub user: UserId,
    /// Which of the two publications.
    pub track: TrackKind,
}

/// Answers the server's offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Answer {
    /// The offer's revision.
    pub revision: u32,
    /// The SDP answer of the receiving peer connection.
    pub sdp: String,
}

/// Brings ICE candidates of the receiving peer connection, or asks for an ICE restart.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ReceiverTrickle {
    /// The SDP fragment (RFC 8840) with candidates. Absent, it asks for an ICE restart: the
    /// server then offers anew.
    pub fragment: Option<String>,
}

/// Wants `volumes` events of a room that one is in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListenVolumes {
    /// The room.
    pub room: RoomId,
    /// How often, in milliseconds; 0 ends it.
    pub interval_ms: u32,
}

/// Wants `qualities` events of a room whose media one is in, or wants them no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct ListenQualities {
    /// The room.
    pub room: RoomId,
    /// Whether from now on.
    pub listen: bool,
}

/// Publishes to the relay: HTTP-FLV and HLS addresses for the audience that only watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct StartRelay {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// A stream id of one's own: 1 to 64 of `A-Z a-z 0-9 _ -`.
    pub stream_id: Option<String>,
}

/// Publishes to the relay no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct StopRelay {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
}

/// Pushes a relayed publication to another server by RTMP, where the operator lets pages do that.
/// It ends with the relaying.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct StartPush {
    /// The room.
    pub room: RoomId,
    /// Which of the two publications.
    pub track: TrackKind,
    /// `rtmp://` or `rtmps://`, host, application and stream key.
    pub url: String,
}

/// The server's answer to a publisher's offer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Published {
    /// The SDP answer.
    pub answer: String,
    /// Names the ICE session, for `patchPublisher`.
    pub etag: String,
    /// The public stream id.
    pub stream: String,
    /// The relay's addresses; `null` while this stream is not relayed.
    pub relay: Option<RelayAddresses>,
}

impl Published {
    /// What the media worker has accepted as `stream`.
    pub fn new(accepted: Accepted, stream: &relay::StreamId, is_relayed: bool) -> Self {
        Self {
            answer: accepted.answer,
            etag: accepted.etag,
            stream: stream.to_string(),
            relay: is_relayed.then(|| RelayAddresses::of(stream)),
        }
    }
}

/// Where a relayed stream is played, relative to the server's address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RelayAddresses {
    /// The public stream id.
    pub stream: String,
    /// HTTP-FLV.
    pub flv: String,
    /// HLS.
    pub hls: String,
}

impl RelayAddresses {
    /// The addresses of `stream`.
    pub fn of(stream: &relay::StreamId) -> Self {
        Self {
            stream: stream.to_string(),
            flv: format!("/live/{stream}.flv"),
            hls: format!("/live/{stream}.m3u8"),
        }
    }
}

/// The publication is received from one of the next offers on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Subscribed {
    /// The id of the media stream in the offers: the public stream id.
    pub stream: String,
}

/// Candidates were taken, or ICE was restarted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Patched {
    /// Names the new ICE session; `null` unless ICE was restarted.
    pub etag: Option<String>,
    /// The server's new credentials and candidates; `null` unless ICE was restarted.
    pub fragment: Option<String>,
}

impl From<CorePatched> for Patched {
    fn from(patched: CorePatched) -> Self {
        match patched {
            CorePatched::Trickled => Self::default(),
            CorePatched::Restarted { etag, fragment } => Self {
                etag: Some(etag),
                fragment: Some(fragment),
            },
        }
    }
}

/// What a client is told of its media.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(
    tag = "event",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub enum MediaEvent {
    /// The server offers to send; answer with `answer`. The id of a media stream in it is the
    /// public stream id of what is received.
    Offer {
        /// Counts the offers of the receiving peer connection from 1.
        revision: u32,
        /// The SDP offer.
        sdp: String,
    },
    /// The server has ended one's publishing peer connection; publish again to go on.
    PublisherClosed {
        /// The room.
        room: RoomId,
        /// Which of the two publications.
        track: TrackKind,
        /// A plain sentence.
        message: String,
    },
    /// The best picture of a publication with several (`hasSmall`) that is wanted: encodings above it
    /// need not be sent, and have to be as soon as a better one is wanted. Told when the publication
    /// is live and whenever it changes. Nobody has to follow: what is sent all the same is not used.
    PictureWanted {
        /// The room.
        room: RoomId,
        /// Which of the two publications.
        track: TrackKind,
        /// `large`: all are to be sent; `small`: the small one alone.
        picture: Picture,
    },
    /// The server has ended the receiving peer connection; subscribe again to go on.
    ReceiverClosed {
        /// A plain sentence.
        message: String,
    },
    /// The page has answered without the codec that a picture comes in: it is not sent, while the
    /// sound goes on. Told once, until a picture comes that can be sent.
    CodecMissing {
        /// The public stream id.
        stream: String,
        /// `H264`, `VP8`, `VP9`, `AV1` or `H265`.
        codec: String,
    },
    /// The path to the page is too narrow for a picture: it is not sent for now, while the sound goes
    /// on. Told again, with `false`, when it comes again. What one no longer subscribes to, and what a
    /// new receiving peer connection brings, is not paused.
    VideoPaused {
        /// The public stream id.
        stream: String,
        /// Whether it pauses.
        paused: bool,
    },
    /// What one publishes can be played at the relay's addresses.
    RelayStarted {
        /// The room.
        room: RoomId,
        /// Which of the two publications.
        track: TrackKind,
        /// The addresses.
        relay: RelayAddresses,
    },
    /// What one publishes can no longer be played at the relay's addresses.
    RelayStopped {
        /// The room.
        room: RoomId,
        /// Which of the two publications.
        track: TrackKind,
        /// The public stream id.
        stream: String,
    },
    /// Other ICE servers count from now on: the credentials of those before will end. Peer
    /// connections take them up when ICE restarts.
    IceServersRenewed {
        /// For the `RTCPeerConnection`s of the page.
        ice_servers: Vec<IceServer>,
    },
    /// Who is heard in a room, as often as `listenVolumes` has asked; those who are silent are
    /// left out.
    Volumes {
        /// The room.
        room: RoomId,
        /// How loud each is.
        volumes: Vec<UserVolume>,
    },
    /// The active speaker of a room changed.
    ActiveSpeaker {
        /// The room.
        room: RoomId,
        /// Who; `null` is nobody.
        user: Option<UserId>,
    },
    /// How good the transport of one's own media is, every 2 s.
    NetworkQuality {
        /// From the page to the server: 1 is best, 5 very bad, 6 down, 0 unknown.
        uplink_network_quality: u8,
        /// From the server to the page, likewise.
        downlink_network_quality: u8,
        /// Round trip of the publishing peer connection in milliseconds; 0 is unknown.
        #[serde(rename = "uplinkRTT")]
        uplink_rtt: u32,
        /// Loss to the server in percent.
        uplink_loss: u8,
        /// Round trip of the receiving peer connection in milliseconds; 0 is unknown.
        #[serde(rename = "downlinkRTT")]
        downlink_rtt: u32,
        /// Loss from the server in percent.
        downlink_loss: u8,
    },
    /// How good the transports of those are who publish in a room, oneself included, every 2 s,
    /// where `listenQualities` has asked.
    Qualities {
        /// The room.
        room: RoomId,
        /// Of those who were measured since the event before.
        qualities: Vec<UserQuality>,
    },
}

impl MediaEvent {
    /// The room that the event is about.
    pub fn room(&self) -> Option<&RoomId> {
        match self {
            Self::PublisherClosed { room, .. }
            | Self::PictureWanted { room, .. }
            | Self::RelayStarted { room, .. }
            | Self::RelayStopped { room, .. }
            | Self::Volumes { room, .. }
            | Self::Qualities { room, .. }
            | Self::ActiveSpeaker { room, .. } => Some(room),
            Self::Offer { .. }
            | Self::IceServersRenewed { .. }
            | Self::ReceiverClosed { .. }
            | Self::CodecMissing { .. }
            | Self::VideoPaused { .. }
            | Self::NetworkQuality { .. } => None,
        }
    }
}

/// How loud a user is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserVolume {
    /// Who.
    pub user: UserId,
    /// 0 is silent, 100 as loud as can be.
    pub volume: u8,
}

/// How good the transport of a user's media is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UserQuality {
    /// Who.
    pub user: UserId,
    /// From the user to the server: 1 is best, 5 very bad, 6 down, 0 unknown.
    pub uplink_network_quality: u8,
    /// From the server to the user, likewise.
    pub downlink_network_quality: u8,
    /// Round trip in milliseconds, of what is published or else of what is received; 0 is unknown.
    pub rtt: u32,
    /// Loss to the server in percent.
    pub uplink_loss: u8,
    /// Loss from the server in percent.
    pub downlink_loss: u8,
}

impl From<(UserId, NetworkQuality)> for UserQuality {
    fn from((user, quality): (UserId, NetworkQuality)) -> Self {
        Self {
            user,
            uplink_network_quality: quality.uplink_network_quality.into(),
            downlink_network_quality: quality.downlink_network_quality.into(),
            rtt: match quality.uplink_rtt {
                0 => quality.downlink_rtt,
                rtt => rtt,
            },
            uplink_loss: quality.uplink_loss,
            downlink_loss: quality.downlink_loss,
        }
    }
}
