//! How media travels and who is heard: figures from the media side, told as events.

use std::time::{Duration, Instant};

use super::Hub;
use super::error::HubError;
use crate::live::quality::{
    Figures as PathFigures, NetworkQuality, Path, Qualities, RoomQualities, RoomReport,
};
use crate::live::speakers::{SpeakerLimits, SpeakerOutput, Speakers};
use crate::live::{ConnectionId, LiveError, Recipient, RoomId, RoomKey, TrackKind, UserId};
use crate::signal::protocol::{
    ListenQualities, ListenVolumes, MediaEvent as Told, RelayAddresses, ResultBody, UserQuality,
    UserVolume,
};
use crate::worker::{MediaEvent, SessionId, StreamLevel};

/// Volumes and network qualities.
#[derive(Debug)]
pub(super) struct Figures {
    speakers: Speakers,
    qualities: Qualities,
    /// Those of anchors, for the others in their rooms.
    of_rooms: RoomQualities,
}

impl Figures {
    pub(super) fn new(limits: SpeakerLimits, connections: usize) -> Self {
        Self {
            speakers: Speakers::new(limits),
            qualities: Qualities::new(connections),
            of_rooms: RoomQualities::default(),
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Instant> {
        let times = [
            self.speakers.next_timeout(),
            self.qualities.next_timeout(),
            self.of_rooms.next_timeout(),
        ];
        times.into_iter().flatten().min()
    }

    /// A connection sends or receives media from now on.
    pub(super) fn open(&mut self, now: Instant, connection: ConnectionId, path: Path) {
        // Beyond the bound nobody is told; the core counts it.
        let _ = self.qualities.open(now, connection, path);
    }

    /// It does no more.
    pub(super) fn close(&mut self, connection: ConnectionId, path: Path) {
        self.qualities.close(connection, path);
    }

    /// A user sends no sound any more.
    pub(super) fn silence(&mut self, key: &RoomKey, user: &UserId) {
        self.speakers.forget(key, user);
    }

    /// A member has left a room's media.
    pub(super) fn leave(&mut self, key: &RoomKey, user: &UserId, connection: ConnectionId) {
        self.speakers.stop_listening(key, connection);
        self.speakers.forget(key, user);
        self.qualities.remove(connection);
        self.of_rooms.stop(key, connection);
        self.of_rooms.forget(key, user);
    }
}

impl Hub {
    /// Something has happened to media.
    pub fn handle_media_event(&mut self, now: Instant, event: MediaEvent) {
        match event {
            MediaEvent::Live {
                stream,
                session,
                audio,
                video,
            } => self.publisher_is_live(now, &stream, session, (audio, video)),
            MediaEvent::Ended { stream, session } => {
                self.publisher_has_ended(now, &stream, session);
            }
            MediaEvent::ReceiverEnded { receiver } => self.receiver_has_ended(receiver),
            MediaEvent::CodecMissing {
                receiver,
                stream,
                codec,
            } => self.tell_of_stream(receiver, &stream, |stream| Told::CodecMissing {
                stream,
                codec: codec.name().to_owned(),
            }),
            MediaEvent::VideoPaused {
                receiver,
                stream,
                paused,
            } => self.tell_of_stream(receiver, &stream, |stream| Told::VideoPaused {
                stream,
                paused,
            }),
            MediaEvent::PictureWanted { session, picture } => {
                self.tell_publisher(session, |room, track| Told::PictureWanted {
                    room,
                    track,
                    picture: picture.into(),
                });
            }
            MediaEvent::BroadcastBegan { name, session, .. } => {
                self.record_broadcast(session, &name);
                self.tell_publisher(session, |room, track| Told::RelayStarted {
                    room,
                    track,
                    relay: RelayAddresses::of(&name),
                });
            }
            MediaEvent::BroadcastEnded { name, session } => {
                self.tell_publisher(session, |room, track| Told::RelayStopped {
                    room,
                    track,
                    stream: name.to_string(),
                });
            }
            MediaEvent::Levels(levels) => {
                for StreamLevel { stream, level, .. } in levels {
                    let source = self.stage.source(&stream);
                    if let Some(source) = source.filter(|s| s.track == TrackKind::Main) {
                        let speakers = &mut self.figures.speakers;
                        speakers.handle_level(now, &source.room, &source.user, level);
                    }
                }
            }
            MediaEvent::Transport {
                session,
                rtt,
                loss_up,
                loss_down,
            } => {
                if let Some((connection, path)) = self.stage.session(session) {
                    let loss = match path {
                        Path::Up => loss_up,
                        Path::Down => loss_down,
                    };
                    let figures = PathFigures {
                        rtt,
                        loss,
                        jitter: None,
                    };
                    let qualities = &mut self.figures.qualities;
                    qualities.handle_figures(now, connection, path, figures);
                }
            }
        }
        self.settle(now);
        self.tell_figures(now);
    }

    /// Tells whoever publishes by `session`. A publication that has ended has nobody to be told,
    /// and streams from outside the rooms have none at all.
    fn tell_publisher(
        &mut self,
        session: SessionId,
        event: impl FnOnce(RoomId, TrackKind) -> Told,
    ) {
        if let Some((connection, source)) = self.stage.publication(session) {
            let event = event(source.room.room.clone(), source.track);
            self.tell_one(connection, event);
        }
    }

    pub(super) fn listen_volumes(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &ListenVolumes,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.media_of(connection, &request.room)?;
        let interval = Duration::from_millis(request.interval_ms.into());
        self.figures
            .speakers
            .listen(now, &key, connection, interval)
            .map_err(|_| HubError::from(LiveError::Busy))?;
        Ok(ResultBody::DONE)
    }

    pub(super) fn listen_qualities(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &ListenQualities,
    ) -> Result<ResultBody, HubError> {
        let (key, _) = self.media_of(connection, &request.room)?;
        self.figures
            .of_rooms
            .listen(now, &key, connection, request.listen);
        Ok(ResultBody::DONE)
    }

    /// Tells what is due of volumes and qualities.
    pub(super) fn tell_figures(&mut self, now: Instant) {
        self.figures.speakers.handle_timeout(now);
        self.figures.qualities.handle_timeout(now);
        while let Some(output) = self.figures.speakers.poll_output() {
            match output {
                SpeakerOutput::Volumes {
                    room,
                    listeners,
                    volumes,
                } => {
                    let event = Told::Volumes {
                        room: room.room,
                        volumes: volumes
                            .iter()
                            .map(|v| UserVolume {
                                user: v.user.clone(),
                                volume: v.volume,
                            })
                            .collect(),
                    };
                    self.tell_list(&listeners, &event.into());
                }
                SpeakerOutput::Active { room, user } => {
                    let event = Told::ActiveSpeaker {
                        room: room.room.clone(),
                        user,
                    };
                    self.tell(&Recipient::Media(room), event.into());
                }
            }
        }
        while let Some((connection, quality)) = self.figures.qualities.poll_output() {
            if let Some((key, user)) = self.anchor_at(connection) {
                self.figures.of_rooms.note(&key, &user, quality);
            }
            self.tell_one(connection, told(quality));
        }
        while let Some(report) = self.figures.of_rooms.poll_report(now) {
            let RoomReport {
                room,
                listeners,
                qualities,
            } = report;
            let qualities = qualities.into_iter();
            let event = Told::Qualities {
                room: room.room,
                qualities: qualities.map(UserQuality::from).collect(),
            };
            self.tell_list(&listeners, &event.into());
        }
    }

    /// The room and user of a connection that publishes.
    fn anchor_at(&self, connection: ConnectionId) -> Option<(RoomKey, UserId)> {
        let session = self.sessions.get(&connection)?;
        let of = (session.media.clone()?, session.user.clone()?);
        let place = self.stage.places.get(&of)?;
        (!place.publications.is_empty()).then_some(of)
    }
}

fn told(quality: NetworkQuality) -> Told {
    Told::NetworkQuality {
        uplink_network_quality: quality.uplink_network_quality.into(),
        downlink_network_quality: quality.downlink_network_quality.into(),
        uplink_rtt: quality.uplink_rtt,
        uplink_loss: quality.uplink_loss,
        downlink_rtt: quality.downlink_rtt,
        downlink_loss: quality.downlink_loss,
    }
}
