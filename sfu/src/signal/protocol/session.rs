//! Beginning, resuming and ending a session.

use serde::{Deserialize, Serialize};

use crate::live::chat::UnixTime;
use crate::live::{AppId, Profile, ProfileDetails, UserId};

/// Begins a session on this socket. An earlier session of the same user ends.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Login {
    /// The version of the protocol that the client speaks: 1.
    pub version: u32,
    /// The app (`sdkAppId`); 0 where the server runs open.
    pub app: AppId,
    /// The user; a guest when absent. Guests listen to chat and do nothing else.
    pub user: Option<UserId>,
    /// The user's UserSig; not needed by guests and where the server runs open.
    pub user_sig: Option<String>,
    /// Nick and picture to begin with; the stored ones when absent.
    pub profile: Option<Profile>,
}

impl std::fmt::Debug for Login {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Login")
            .field("version", &self.version)
            .field("app", &self.app)
            .field("user", &self.user)
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

/// Takes a session up again on a new socket, after the old one was lost.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct Resume {
    /// The session's name from `login`.
    pub session: String,
    /// The session's secret from `login`.
    pub resume_token: String,
    /// `seq` of the last event that arrived; 0 before the first.
    pub last_seq: u64,
}

impl std::fmt::Debug for Resume {
    /// Without the secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Resume")
            .field("session", &self.session)
            .field("last_seq", &self.last_seq)
            .finish_non_exhaustive()
    }
}

/// Leaves all rooms and ends the session. The server closes the socket after the response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Logout {}

/// Brings a new UserSig of the session's user: it counts from now on.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct RenewUserSig {
    /// The new token.
    pub user_sig: String,
}

impl std::fmt::Debug for RenewUserSig {
    /// Without the token.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RenewUserSig").finish_non_exhaustive()
    }
}

/// Shows that the client is there. Allowed before `login` too.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Ping {}

/// Shows a new nick and picture in all rooms, and keeps what else the user says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[cfg_attr(test, derive(ts_rs::TS), ts(optional_fields))]
pub struct SetProfile {
    /// Both texts.
    pub profile: Profile,
    /// What `showProfiles` tells beside them; stays as it is when absent.
    pub details: Option<ProfileDetails>,
}

/// A session has begun.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct LoggedIn {
    /// The session's name.
    pub session: String,
    /// The session's secret: whoever has it may resume the session.
    pub resume_token: String,
    /// The user; `null` for a guest.
    pub user: Option<UserId>,
    /// Nick and picture that others see.
    pub profile: Profile,
    /// For the `RTCPeerConnection`s of the page.
    pub ice_servers: Vec<IceServer>,
    /// The server's clock: milliseconds since 1970.
    pub server_time: UnixTime,
    /// What the client has to keep to.
    pub limits: SessionLimits,
}

impl std::fmt::Debug for LoggedIn {
    /// Without secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LoggedIn")
            .field("session", &self.session)
            .field("user", &self.user)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

/// A STUN or TURN server, as the browser's `RTCIceServer`.
#[derive(Clone, PartialEq, Eq, Serialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct IceServer {
    /// Its addresses.
    pub urls: Vec<String>,
    /// The name at a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub username: Option<String>,
    /// The password at a TURN server.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub credential: Option<String>,
}

impl std::fmt::Debug for IceServer {
    /// Without the password.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("IceServer")
            .field("urls", &self.urls)
            .finish_non_exhaustive()
    }
}

impl From<&crate::config::IceServer> for IceServer {
    fn from(server: &crate::config::IceServer) -> Self {
        let text = |text: &String| (!text.is_empty()).then(|| text.clone());
        Self {
            urls: server.urls.clone(),
            username: text(&server.username),
            credential: text(&server.credential),
        }
    }
}

/// What a client has to keep to. A request over a bound is refused, a client that goes on
/// regardless is disconnected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct SessionLimits {
    /// Longest request, in bytes of UTF-8.
    pub max_request_bytes: usize,
    /// Requests a second in the long run.
    pub requests_per_second: u32,
    /// Requests at once.
    pub request_burst: u32,
    /// How long a session without socket can be resumed, in milliseconds.
    pub resume_ms: u64,
    /// Most bytes of all texts of one chat message.
    pub max_message_bytes: usize,
    /// Most likes in one request.
    pub max_likes: u32,
    /// Users named in one request.
    pub users_per_request: usize,
    /// Entries in one page of a list.
    pub page: usize,
}

/// The session is taken up again. The missed events follow this response.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Resumed {
    /// Events that follow because they were missed.
    pub missed: usize,
    /// The server's clock: milliseconds since 1970.
    pub server_time: UnixTime,
}

/// The answer to `ping`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Pong {
    /// The server's clock: milliseconds since 1970.
    pub server_time: UnixTime,
}
