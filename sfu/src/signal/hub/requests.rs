//! Each request to the part that carries it out.

use std::time::Instant;

use super::answers::{Asked, Question};
use super::counters::HubRefusal;
use super::error::HubError;
use super::io::{SocketId, Ticket};
use super::loading::Entering;
use super::tickets::{Asker, Waiting};
use super::{Hub, HubOutput};
use crate::live::{Command, ConnectionId, LiveError, Reply, Rights, RoomKey, RoomSettings};
use crate::signal::protocol::{
    Converted, EnterRoom, ListRooms, Pong, Request, RequestBody, ResultBody, RoomList, RoomPart,
    UpdatePrivateMapKey,
};

impl Hub {
    /// Carries out a request and answers it, now or later.
    pub(super) fn handle_request(
        &mut self,
        now: Instant,
        socket: SocketId,
        request: Request,
        question: Question,
    ) {
        let Request { id, body } = request;
        let face = body.face();
        let body = match body {
            RequestBody::Login(login) => return self.log_in(now, socket, id, login),
            RequestBody::Resume(resume) => return self.resume(now, socket, id, &resume),
            RequestBody::Ping(_) => {
                let server_time = self.clock(now);
                let pong = ResultBody::Pong(Pong { server_time });
                return self.answer_socket(socket, id, face, Ok(pong));
            }
            body => body,
        };
        let Some(connection) = self.connection_of(socket) else {
            let error = HubError::from(LiveError::NotLoggedIn);
            return self.answer_socket(socket, id, face, Err(error));
        };
        let asker = Asker {
            connection,
            request: id,
            face,
        };
        if !body.is_question() && !self.is_first(socket, asker, question) {
            return;
        }
        let is_logout = matches!(body, RequestBody::Logout(_));
        let session = self.sessions.get(&connection);
        self.acting = session.and_then(|session| session.user.clone());
        let result = match self.check_user_sig_of(now, connection, &body) {
            Ok(()) => self.carry_out(now, asker, body),
            Err(error) => Err(error),
        };
        if let Some(result) = result.transpose() {
            self.answer(asker, result);
        }
        if is_logout {
            self.rooms.log_out(now, connection);
        }
    }

    /// Whether a request is to be carried out. One that was is answered as it was then.
    fn is_first(&mut self, socket: SocketId, asker: Asker, question: Question) -> bool {
        let Some(session) = self.sessions.get_mut(&asker.connection) else {
            return false;
        };
        let id = asker.request;
        let error = match session.answers.ask(id, question) {
            Asked::First => return true,
            Asked::Open => {
                self.counters.repeats += 1;
                return false;
            }
            Asked::Answered(text) => {
                self.counters.repeats += 1;
                self.out.push_back(HubOutput::Send { socket, text });
                return false;
            }
            Asked::Gone => {
                self.counters.count(HubRefusal::AnswerGone);
                HubError::AnswerGone { id }
            }
            Asked::Other => {
                self.counters.count(HubRefusal::IdReused);
                HubError::IdReused { id }
            }
        };
        self.answer_socket(socket, id, asker.face, Err(error));
        false
    }

    /// `None` is answered later.
    fn carry_out(
        &mut self,
        now: Instant,
        asker: Asker,
        body: RequestBody,
    ) -> Result<Option<ResultBody>, HubError> {
        let connection = asker.connection;
        let body = match body.convert() {
            Converted::Refused(error) => return Err(error.into()),
            Converted::Command(Command::Create { room, settings }) => {
                let created_at = Some(self.clock(now));
                let settings = RoomSettings {
                    created_at,
                    ..settings
                };
                let command = Command::Create { room, settings };
                let entering = Entering {
                    command,
                    existing: false,
                    history: None,
                };
                return self.create_or_enter(now, asker, entering);
            }
            Converted::Command(command) => return self.run(now, connection, command).map(Some),
            Converted::Other(body) => body,
        };
        let result = match body {
            RequestBody::Logout(_) => ResultBody::DONE,
            RequestBody::RenewUserSig(request) => self.renew_user_sig(now, connection, &request)?,
            RequestBody::SetProfile(request) => self.set_profile(now, connection, request)?,
            RequestBody::EnterRoom(request) => {
                let rights = self.rights_for(now, connection, &request)?;
                let entering = Entering {
                    existing: request.existing.unwrap_or_default(),
                    history: request.history,
                    command: request.command(rights),
                };
                return self.create_or_enter(now, asker, entering);
            }
            RequestBody::UpdateRoom(request) => {
                let key = self.key_of(connection, &request.room)?;
                let before = self.rooms.room(&key);
                let command = request.command(before.as_ref())?;
                self.run(now, connection, command)?
            }
            RequestBody::ListRooms(request) => self.list_rooms(connection, &request)?,
            RequestBody::UpdatePrivateMapKey(request) => {
                self.update_rights(now, connection, &request)?
            }

            RequestBody::SendMessage(request) => return self.send_message(now, asker, request),
            RequestBody::Like(request) => self.like(now, connection, &request)?,
            RequestBody::History(request) => self.history(connection, &request)?,
            RequestBody::RevokeMessage(request) => self.revoke(connection, &request)?,
            RequestBody::MuteUser(request) => self.mute_user(now, connection, &request)?,
            RequestBody::ListBans(request) => self.list_bans(now, connection, &request)?,
            RequestBody::ListMutes(request) => self.list_mutes(now, connection, &request)?,
            RequestBody::ShowProfiles(request) => return self.show_profiles(now, asker, request),
            RequestBody::MuteAll(request) => self.mute_all(now, connection, &request)?,
            RequestBody::Attributes(request) => self.attributes(connection, &request.room)?,
            RequestBody::InitAttributes(request) => {
                self.init_attributes(now, connection, request)?
            }
            RequestBody::SetAttributes(request) => self.set_attributes(now, connection, request)?,
            RequestBody::DeleteAttributes(request) => {
                self.delete_attributes(now, connection, &request)?
            }
            RequestBody::Counters(request) => self.chat_counters(connection, &request.room)?,
            RequestBody::SetCounters(request) => self.set_counters(now, connection, request)?,
            RequestBody::AddCounter(request) => self.add_counter(now, connection, &request)?,

            RequestBody::Publish(request) => {
                return self.publish(now, asker, request).map(|()| None);
            }
            RequestBody::UpdatePublication(request) => {
                self.update_publication(now, connection, &request)?
            }
            RequestBody::Unpublish(request) => {
                self.unpublish(now, connection, &request.room, request.track)?
            }
            RequestBody::PatchPublisher(request) => {
                return self.patch_publisher(now, asker, request).map(|()| None);
            }
            RequestBody::Subscribe(request) => {
                return self.subscribe(now, asker, &request).map(|()| None);
            }
            RequestBody::Unsubscribe(request) => {
                return self.unsubscribe(now, asker, &request).map(|()| None);
            }
            RequestBody::Answer(request) => {
                return self.answer_offer(now, asker, request).map(|()| None);
            }
            RequestBody::ReceiverTrickle(request) => {
                return self.patch_receiver(now, asker, request).map(|()| None);
            }
            RequestBody::ListenVolumes(request) => {
                self.listen_volumes(now, connection, &request)?
            }
            RequestBody::ListenQualities(request) => {
                self.listen_qualities(now, connection, &request)?
            }
            RequestBody::StartRelay(request) => return self.start_relay(now, asker, &request),
            RequestBody::StartPush(request) => {
                return self.start_push(now, asker, &request).map(|()| None);
            }
            RequestBody::StopRelay(request) => return self.stop_relay(now, asker, &request),
            other => {
                // All others are commands of the rooms, or were handled before.
                tracing::error!(request = other.name(), "a request has no part that does it");
                return Err(LiveError::Busy.into());
            }
        };
        Ok(Some(result))
    }

    /// Gives the rooms a command.
    pub(super) fn run(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        command: Command,
    ) -> Result<ResultBody, HubError> {
        if let Command::Mute {
            room,
            track,
            audio,
            video,
        } = &command
            && self.mute_unannounced(connection, room, *track, (*audio, *video))
        {
            return Ok(ResultBody::DONE);
        }
        let reply: Reply = self.rooms.handle_command(now, connection, command)?;
        Ok(reply.into())
    }

    /// What the user's token gives in a room whose media is to be entered.
    fn rights_for(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &EnterRoom,
    ) -> Result<Rights, HubError> {
        if request.part == RoomPart::Chat {
            return Ok(Rights::ALL);
        }
        let ticket = request.private_map_key.as_deref();
        self.checked_rights(now, connection, &request.room, ticket)
    }

    fn update_rights(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: &UpdatePrivateMapKey,
    ) -> Result<ResultBody, HubError> {
        let of = self.media_of(connection, &request.room)?;
        let ticket = Some(request.private_map_key.as_str());
        let rights = self.checked_rights(now, connection, &request.room, ticket)?;
        self.rooms.set_rights(now, connection, &of.0, rights)?;
        self.change_rights(now, &of, rights);
        Ok(ResultBody::DONE)
    }

    fn checked_rights(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        room: &crate::live::RoomId,
        ticket: Option<&str>,
    ) -> Result<Rights, HubError> {
        let session = self.sessions.get(&connection);
        let session = session.ok_or(LiveError::NotLoggedIn)?;
        let user = session.user.as_ref().ok_or(LiveError::Guest)?;
        let clock = self.clock(now).as_secs();
        let apps = &self.config.apps;
        let checked = apps.check_private_map_key(clock, session.app, user, room, ticket);
        match checked {
            Ok(privileges) => Ok(privileges.into()),
            Err(error) => {
                tracing::info!(app = %session.app, %user, ?room, %error, "a ticket was refused");
                self.counters.count(HubRefusal::Token);
                Err(error.into())
            }
        }
    }

    fn list_rooms(
        &mut self,
        connection: ConnectionId,
        request: &ListRooms,
    ) -> Result<ResultBody, HubError> {
        let session = self.sessions.get(&connection);
        let app = session.ok_or(LiveError::NotLoggedIn)?.app;
        let after = request.after.clone().map(|room| RoomKey::new(app, room));
        let count = request.page().min(self.config.limits.page);
        let mut rooms = self.rooms.listed_rooms_of(app, after.as_ref(), count);
        // One more would be beyond the core's bound for a page of full length.
        let last = rooms
            .last()
            .map(|info| RoomKey::new(app, info.room.clone()));
        let more =
            last.is_some_and(|last| !self.rooms.listed_rooms_of(app, Some(&last), 1).is_empty());
        rooms.truncate(count);
        Ok(ResultBody::Rooms(RoomList { rooms, more }))
    }

    /// The room of a connection's app.
    pub(super) fn key_of(
        &self,
        connection: ConnectionId,
        room: &crate::live::RoomId,
    ) -> Result<RoomKey, HubError> {
        let session = self.sessions.get(&connection);
        let app = session.ok_or(LiveError::NotLoggedIn)?.app;
        Ok(RoomKey::new(app, room.clone()))
    }

    /// Notes a slow request, which [`Hub::answer_later`] answers.
    pub(super) fn begin_pending(&mut self, connection: ConnectionId) -> Result<(), HubError> {
        let limit = self.config.pending_per_session;
        let session = self.sessions.get_mut(&connection);
        let session = session.ok_or(LiveError::NotLoggedIn)?;
        if session.pending >= limit {
            self.counters.count(HubRefusal::Pending);
            return Err(HubError::Pending { limit });
        }
        session.pending += 1;
        Ok(())
    }

    /// Takes the note back: the request is answered at once.
    pub(super) fn end_pending(&mut self, connection: ConnectionId) {
        if let Some(session) = self.sessions.get_mut(&connection) {
            session.pending = session.pending.saturating_sub(1);
        }
    }

    /// Answers what the shell has not finished in time.
    pub(super) fn end_tickets(&mut self, now: Instant) {
        while let Some((ticket, waiting)) = self.tickets.pop_ended(now) {
            self.counters.count(HubRefusal::TimedOut);
            self.give_up(now, ticket, waiting);
        }
    }

    /// Answers a slow request of which nothing will come any more.
    pub(super) fn give_up(&mut self, now: Instant, ticket: Ticket, waiting: Waiting) {
        match waiting {
            // Without what is stored, the login begins with nothing.
            Waiting::Login(login) => self.go_on(now, *login, None),
            Waiting::Image { asker, .. } | Waiting::Patch(asker) | Waiting::Push(asker) => {
                self.answer_later(asker, Err(HubError::TimedOut));
            }
            Waiting::Verdict { asker, .. } => {
                self.answer_later(asker, Err(HubError::TimedOut));
                self.forget_question(now, ticket);
            }
            Waiting::Publish {
                asker,
                source,
                stream,
            } => {
                self.forget_attempt(now, &source, &stream);
                self.tickets
                    .reopen(now, ticket, Waiting::LatePublish(stream));
                self.answer_later(asker, Err(HubError::TimedOut));
            }
            Waiting::Relay {
                asker,
                source,
                order,
            } => {
                self.stage.broadcasts.settle(&source, &order, false);
                if let Some(asker) = asker {
                    self.answer_later(asker, Err(HubError::TimedOut));
                }
            }
            // Those that are known are better than none.
            Waiting::Profiles(waiting) => self.answer_profiles(waiting, Vec::new()),
            Waiting::LatePublish(_) => {}
            Waiting::Offer(waiting) => self.give_up_offer(waiting),
        }
    }
}
