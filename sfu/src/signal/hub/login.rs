//! Sessions begin, go on on another socket, and end.

use std::collections::VecDeque;
use std::time::Instant;

use rand::Rng;

use super::answers::Answers;
use super::counters::HubRefusal;
use super::error::HubError;
use super::io::{SocketId, Ticket};
use super::ring::Ring;
use super::session::{ResumeToken, Session, SocketState};
use super::tickets::Waiting;
use super::{Hub, HubOutput};
use crate::auth::{Admission, Apps, TokenError};
use crate::live::chat::{MAX_LIKES, MAX_MESSAGE, Verdict};
use crate::live::{
    AppId, ConnectionId, Face, LeaveReason, LiveError, Login, Profile, ProfileDetails, UserId,
};
use crate::signal::protocol::{
    self, CloseCode, LoggedIn, MAX_REQUEST, ResultBody, Resumed, SessionLimits,
};
use crate::store::{Change, SavedProfile};

/// A login whose token is right, while the user's profile is read.
#[derive(Debug)]
pub(super) struct WaitingLogin {
    pub(super) socket: SocketId,
    request: u32,
    admission: Admission,
    user: Option<UserId>,
    /// What the login shows; else what is stored.
    profile: Option<Profile>,
}

impl Hub {
    pub(super) fn log_in(
        &mut self,
        now: Instant,
        socket: SocketId,
        request: u32,
        login: protocol::Login,
    ) {
        match self.check_login(now, socket, &login) {
            Err(error) => self.answer_socket(socket, request, Face::Chat, Err(error)),
            Ok(admission) => {
                let app = admission.app;
                let waiting = WaitingLogin {
                    socket,
                    request,
                    admission,
                    user: login.user.clone(),
                    profile: login.profile,
                };
                // Also of who brings a nick: the rest of what is stored stays.
                let Some(user) = login.user else {
                    return self.begin(now, waiting, None);
                };
                if let Some(found) = self.sockets.get_mut(&socket) {
                    found.state = SocketState::LoggingIn;
                }
                let waiting = Waiting::Login(Box::new(waiting));
                let ticket = self.tickets.open(now, waiting);
                self.out
                    .push_back(HubOutput::LoadProfile { ticket, app, user });
            }
        }
    }

    /// What is stored of a user has been read; none when nothing is.
    pub fn handle_profile(&mut self, now: Instant, ticket: Ticket, saved: Option<SavedProfile>) {
        if let Some(Waiting::Login(waiting)) = self.tickets.take(ticket) {
            self.go_on(now, *waiting, saved);
        }
        self.settle(now);
    }

    /// Goes on with a login, unless its socket has gone.
    pub(super) fn go_on(
        &mut self,
        now: Instant,
        waiting: WaitingLogin,
        saved: Option<SavedProfile>,
    ) {
        let Some(found) = self.sockets.get_mut(&waiting.socket) else {
            return;
        };
        found.state = SocketState::New;
        self.begin(now, waiting, saved);
    }

    fn check_login(
        &mut self,
        now: Instant,
        socket: SocketId,
        login: &protocol::Login,
    ) -> Result<Admission, HubError> {
        let Some(found) = self.sockets.get(&socket) else {
            return Err(HubError::ResumeUnknown);
        };
        if found.state != SocketState::New {
            return Err(HubError::AlreadyLoggedIn);
        }
        if login.version != protocol::VERSION {
            return Err(HubError::Version {
                ours: protocol::VERSION,
            });
        }
        let limit = self.config.sessions_per_address;
        let sessions = self.places.get(&found.network).copied().unwrap_or_default();
        if limit != 0 && sessions >= limit {
            self.counters.count(HubRefusal::Address);
            return Err(HubError::Address { limit });
        }
        let apps = &self.config.apps;
        let checked = match &login.user {
            Some(user) => {
                let token = login.user_sig.as_deref().unwrap_or_default();
                apps.check_user_sig(self.clock(now).as_secs(), login.app, user, token)
            }
            None if apps.is_open() => Ok(Admission::for_ever(Apps::OPEN)),
            None if apps.find(login.app).is_some() => Ok(Admission::for_ever(login.app)),
            None => Err(TokenError::UnknownApp { app: login.app }),
        };
        checked.map_err(|error| {
            tracing::info!(app = %login.app, %error, "a login was refused");
            self.counters.count(HubRefusal::Token);
            error.into()
        })
    }

    /// Begins a session; an earlier one of the same user ends.
    fn begin(&mut self, now: Instant, waiting: WaitingLogin, saved: Option<SavedProfile>) {
        let (socket, request) = (waiting.socket, waiting.request);
        let begun = self.try_begin(now, waiting, saved);
        self.answer_socket(socket, request, Face::Chat, begun);
    }

    fn try_begin(
        &mut self,
        now: Instant,
        waiting: WaitingLogin,
        saved: Option<SavedProfile>,
    ) -> Result<ResultBody, HubError> {
        let WaitingLogin {
            socket,
            admission: Admission { app, until },
            user,
            profile,
            ..
        } = waiting;
        // What was stored under other bounds shows as nothing.
        let stored = saved
            .as_ref()
            .and_then(|s| Profile::new(&s.nick, &s.avatar).ok());
        let profile = self.checked_profile(profile.or(stored).unwrap_or_default())?;
        self.next_connection += 1;
        let connection = ConnectionId(self.next_connection);
        let login = Login {
            app,
            user: user.clone(),
            profile: profile.clone(),
        };
        self.rooms.log_in(now, connection, login)?;
        let Some(found) = self.sockets.get_mut(&socket) else {
            self.rooms.log_out(now, connection);
            return Err(HubError::ResumeUnknown);
        };
        found.state = SocketState::In(connection);
        let (address, network) = (found.address, found.network);
        *self.places.entry(network).or_default() += 1;
        let token = ResumeToken(self.rng.random());
        self.tokens.insert(token, connection);
        let kept = SavedProfile {
            nick: profile.nick().to_owned(),
            avatar: profile.avatar().to_owned(),
            ..saved.clone().unwrap_or_default()
        };
        if let Some(user) = &user
            && saved.as_ref() != Some(&kept)
            && kept != SavedProfile::default()
        {
            self.save_profile(app, user, &kept);
        }
        self.sessions.insert(
            connection,
            Session {
                app,
                user: user.clone(),
                profile: kept,
                address,
                network,
                token,
                socket: Some(socket),
                events: Ring::new(self.config.kept_events, self.config.kept_bytes),
                answers: Answers::new(self.config.known_requests, self.config.kept_answer_bytes),
                admitted_until: until,
                media: None,
                pending: 0,
                held: VecDeque::new(),
            },
        );
        self.watch_user_sig(now, connection, until);
        let ice_servers = self.give_ice_servers(now, connection);
        self.counters.logins += 1;
        Ok(ResultBody::LoggedIn(LoggedIn {
            session: connection.to_string(),
            resume_token: token.to_string(),
            user,
            profile,
            ice_servers,
            server_time: self.clock(now),
            limits: self.session_limits(),
        }))
    }

    /// Takes a session up on another socket, with all events that were missed.
    pub(super) fn resume(
        &mut self,
        now: Instant,
        socket: SocketId,
        request: u32,
        resume: &protocol::Resume,
    ) {
        let connection = match self.check_resume(socket, resume) {
            Ok(connection) => connection,
            Err(error) => return self.answer_socket(socket, request, Face::Chat, Err(error)),
        };
        let before = self.sessions.get(&connection).and_then(|s| s.socket);
        if let Some(before) = before {
            self.close(now, before, CloseCode::ResumedElsewhere);
        }
        if let Err(error) = self.rooms.handle_resumed(now, connection) {
            return self.answer_socket(socket, request, Face::Chat, Err(error.into()));
        }
        let (Some(session), Some(found)) = (
            self.sessions.get_mut(&connection),
            self.sockets.get_mut(&socket),
        ) else {
            return;
        };
        found.state = SocketState::In(connection);
        session.socket = Some(socket);
        self.counters.resumes += 1;
        let held = std::mem::take(&mut session.held);
        let missed: Vec<_> = match session.events.after(resume.last_seq) {
            Ok(events) => events.map(|(seq, body)| (seq, body.clone())).collect(),
            Err(_) => Vec::new(),
        };
        let resumed = ResultBody::Resumed(Resumed {
            missed: missed.len(),
            server_time: self.clock(now),
        });
        self.answer_socket(socket, request, Face::Chat, Ok(resumed));
        for (seq, body) in missed {
            self.send_event(socket, seq, &body);
        }
        for text in held {
            self.out.push_back(HubOutput::Send { socket, text });
        }
    }

    fn check_resume(
        &mut self,
        socket: SocketId,
        resume: &protocol::Resume,
    ) -> Result<ConnectionId, HubError> {
        let state = self.sockets.get(&socket).map(|s| s.state);
        if state != Some(SocketState::New) {
            return Err(HubError::AlreadyLoggedIn);
        }
        let found = ResumeToken::read(&resume.resume_token)
            .and_then(|token| self.tokens.get(&token).copied())
            .filter(|connection| connection.to_string() == resume.session);
        let session =
            found.and_then(|connection| Some((connection, self.sessions.get(&connection)?)));
        let Some((connection, session)) = session else {
            self.counters.count(HubRefusal::ResumeUnknown);
            return Err(HubError::ResumeUnknown);
        };
        if let Err(gap) = session.events.after(resume.last_seq).map(|_| ()) {
            self.counters.count(HubRefusal::ResumeGap);
            return Err(HubError::ResumeGap {
                first: gap.first,
                last: gap.last,
            });
        }
        Ok(connection)
    }

    /// The rooms have ended a connection: the session goes, and its socket with it.
    pub(super) fn end_session(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        reason: LeaveReason,
    ) {
        let Some(session) = self.sessions.remove(&connection) else {
            return;
        };
        self.tokens.remove(&session.token);
        self.user_sig_ends.set(&connection, None);
        self.ice_renewals.set(&connection, None);
        self.leave_place(session.network);
        if let Some(socket) = session.socket {
            let code = match reason {
                LeaveReason::Replaced => CloseCode::LoggedInElsewhere,
                LeaveReason::Left => CloseCode::LoggedOut,
                _ => CloseCode::Removed,
            };
            self.close(now, socket, code);
        }
    }

    /// Shows a new nick and picture, and keeps what else the user says.
    pub(super) fn set_profile(
        &mut self,
        now: Instant,
        connection: ConnectionId,
        request: protocol::SetProfile,
    ) -> Result<ResultBody, HubError> {
        let details = match request.details {
            Some(details) => Some(ProfileDetails {
                self_signature: self.checked_name(&details.self_signature)?,
                ..details
            }),
            None => None,
        };
        let profile = self.checked_profile(request.profile)?;
        self.rooms.handle_command(
            now,
            connection,
            crate::live::Command::SetProfile(profile.clone()),
        )?;
        let Some(session) = self.sessions.get_mut(&connection) else {
            return Err(LiveError::NotLoggedIn.into());
        };
        session.profile.nick = profile.nick().to_owned();
        session.profile.avatar = profile.avatar().to_owned();
        if let Some(details) = details {
            session.profile.gender = details.gender;
            session.profile.self_signature = details.self_signature;
        }
        let kept = session.profile.clone();
        if let (app, Some(user)) = (session.app, session.user.clone()) {
            self.save_profile(app, &user, &kept);
        }
        Ok(ResultBody::Profile(profile))
    }

    /// The profile with its nick as the word filter lets it through.
    fn checked_profile(&mut self, profile: Profile) -> Result<Profile, HubError> {
        let nick = self.checked_name(profile.nick())?;
        Ok(Profile::new(&nick, profile.avatar())?)
    }

    /// What a user shows of oneself, as the word filter lets it through.
    fn checked_name(&mut self, text: &str) -> Result<String, HubError> {
        match self.filter.check_name(text) {
            Verdict::Clean => Ok(text.to_owned()),
            Verdict::Masked(text) => Ok(text),
            Verdict::Dropped | Verdict::Rejected => {
                self.counters.count(HubRefusal::Name);
                Err(HubError::Name)
            }
        }
    }

    fn save_profile(&mut self, app: AppId, user: &UserId, profile: &SavedProfile) {
        self.out.push_back(HubOutput::Save(Change::Profile {
            app,
            user: user.clone(),
            profile: profile.clone(),
        }));
    }

    fn session_limits(&self) -> SessionLimits {
        let config = &self.config;
        SessionLimits {
            max_request_bytes: MAX_REQUEST,
            requests_per_second: config.requests_per_second,
            request_burst: config.request_burst,
            resume_ms: u64::try_from(config.limits.resume.as_millis()).unwrap_or(u64::MAX),
            max_message_bytes: MAX_MESSAGE,
            max_likes: MAX_LIKES,
            users_per_request: config.limits.users_per_command,
            page: config.limits.page,
        }
    }
}
