//! The apps that this server knows, with their keys, and every question that is asked of them.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use thiserror::Error;

use super::pages::{Page, PageRules};
use super::private_map_key::{Grant, PrivateMapKeyError, Privileges};
use super::secret::SecretKey;
use super::signed_address::{AddressError, SignedAddress};
use super::user_sig::{Claims, TokenError, Unverified};
use crate::live::{AppId, RoomId, UserId};

/// One app, its keys, and its back end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct App {
    /// Its number (`sdkAppId`).
    pub id: AppId,
    /// Keys of its tokens: the first one signs, all verify. At most [`MAX_KEYS`].
    pub keys: Vec<SecretKey>,
    /// Key of signed push addresses; without one there are none.
    pub push_url_key: Option<SecretKey>,
    /// Key of signed play addresses; with one, every play address needs a signature.
    pub play_url_key: Option<SecretKey>,
    /// Seconds that a play address is good for beyond its `txTime`.
    pub play_url_window: u64,
    /// Pages that may play its streams.
    pub pages: PageRules,
    /// Origins whose pages may read its streams, `*` for all; none for those of the server.
    pub cors_origins: Vec<String>,
    /// Whether a room is entered with a PrivateMapKey only.
    pub require_private_map_key: bool,
    /// Users whose UserSig opens the vendor's forms of REST.
    pub admins: Vec<UserId>,
    /// Where its back end is told what happens.
    pub webhook: Option<AppWebhook>,
}

/// The back end of an app, as it is called.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct AppWebhook {
    /// `http` or `https`; kept out of `Debug`, since what stands behind the host is often secret.
    pub url: String,
    /// Signs what is told of rooms and media; without one nothing is signed.
    pub key: Option<SecretKey>,
    /// Signs what is told of streams on the CDN path.
    pub cdn_key: Option<SecretKey>,
    /// Whether it is asked before a message is sent.
    pub before_chat: bool,
}

impl fmt::Debug for AppWebhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppWebhook")
            .field("key", &self.key)
            .field("cdn_key", &self.cdn_key)
            .field("before_chat", &self.before_chat)
            .finish_non_exhaustive()
    }
}

/// Keys of one app: the one in use, and the one before or after it while they are changed.
pub const MAX_KEYS: usize = 2;

/// How far the clock of a back end may be ahead of ours, in seconds: enough for machines whose
/// clocks are kept at all.
pub const MAX_SKEW: u64 = 60;

/// What a UserSig gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Admission {
    /// The app that the user is of.
    pub app: AppId,
    /// Until when, in seconds since 1970: from then on a new UserSig is needed.
    pub until: u64,
}

impl Admission {
    /// Where no UserSig is needed.
    pub fn for_ever(app: AppId) -> Self {
        Self {
            app,
            until: u64::MAX,
        }
    }
}

/// All apps; clones share them. Without any, the server is open: everybody is let in under the
/// user id that they give, into [`Apps::OPEN`].
#[derive(Debug, Clone, Default)]
pub struct Apps(Arc<BTreeMap<AppId, App>>);

impl Apps {
    /// The one app of an open server.
    pub const OPEN: AppId = AppId(0);

    /// These apps. Of two with the same number the last one counts.
    pub fn new(apps: impl IntoIterator<Item = App>) -> Self {
        Self(Arc::new(
            apps.into_iter().map(|app| (app.id, app)).collect(),
        ))
    }

    /// Whether there is no app, so that nobody's right is checked.
    pub fn is_open(&self) -> bool {
        self.0.is_empty()
    }

    /// One app.
    pub fn find(&self, app: AppId) -> Option<&App> {
        self.0.get(&app)
    }

    /// Their numbers, in order.
    pub fn ids(&self) -> impl Iterator<Item = AppId> {
        self.0.keys().copied()
    }

    /// Who comes with this token, as the token itself says: app and user are read from it and
    /// believed once the app's key verifies it. On an open server every token is of no app.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn authenticate(&self, now: u64, token: &str) -> Result<Claims, TokenError> {
        let unverified = Unverified::read(token)?;
        let app = unverified.app();
        let app = self.find(app).ok_or(TokenError::UnknownApp { app })?;
        unverified.verify(&app.keys, now, MAX_SKEW)
    }

    /// Whether a client that says that it is this user of this app is. Gives the app that it is
    /// of: on an open server that is [`Self::OPEN`], whatever app and token the client names, and
    /// for ever.
    ///
    /// # Errors
    /// [`TokenError`].
    pub fn check_user_sig(
        &self,
        now: u64,
        app: AppId,
        user: &UserId,
        token: &str,
    ) -> Result<Admission, TokenError> {
        if self.is_open() {
            return Ok(Admission::for_ever(Self::OPEN));
        }
        let claims = self.claims_of(now, app, user, token)?;
        Ok(Admission {
            app,
            until: claims.expires_at(),
        })
    }

    /// What a user may do in a room. The ticket is looked at only if the app requires one.
    ///
    /// # Errors
    /// [`PrivateMapKeyError`].
    pub fn check_private_map_key(
        &self,
        now: u64,
        app: AppId,
        user: &UserId,
        room: &RoomId,
        ticket: Option<&str>,
    ) -> Result<Privileges, PrivateMapKeyError> {
        if !self.requires_private_map_key(app) {
            return Ok(Privileges::ALL);
        }
        let ticket = ticket
            .filter(|ticket| !ticket.is_empty())
            .ok_or(PrivateMapKeyError::Missing { app })?;
        let claims = self.claims_of(now, app, user, ticket)?;
        self.privileges(now, &claims, room)
    }

    /// What the holder of a verified token may do in a room: everything, unless the app requires
    /// a PrivateMapKey; then what the token's user buffer says.
    ///
    /// # Errors
    /// [`PrivateMapKeyError`].
    pub fn privileges(
        &self,
        now: u64,
        claims: &Claims,
        room: &RoomId,
    ) -> Result<Privileges, PrivateMapKeyError> {
        if !self.requires_private_map_key(claims.app) {
            return Ok(Privileges::ALL);
        }
        let userbuf = claims
            .userbuf
            .as_ref()
            .ok_or(PrivateMapKeyError::NoUserBuf)?;
        Grant::read(userbuf)?.check(claims.app, &claims.user, room, now)
    }

    /// Whether rooms of the app are entered with a PrivateMapKey only.
    pub fn requires_private_map_key(&self, app: AppId) -> bool {
        self.find(app)
            .is_some_and(|app| app.require_private_map_key)
    }

    /// The app that a stream id belongs to by its beginning, `{app}_…`, as default ids have it.
    pub fn named_by(&self, stream: &str) -> Option<AppId> {
        let (number, _) = stream.split_once('_')?;
        let app = number.parse().ok()?;
        self.find(app).map(|app| app.id)
    }

    /// Whether the query of a push address lets its holder publish the stream, and as which app.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn check_push(
        &self,
        now: u64,
        stream: &str,
        query: Option<&str>,
    ) -> Result<AppId, AddressError> {
        let address = SignedAddress::read(query)?.ok_or(AddressError::Unsigned)?;
        let candidates = self.candidates(self.named_by(stream));
        let keys = candidates.filter_map(|app| Some((app, app.push_url_key.as_ref()?, 0)));
        verify_any(&address, stream, now, keys).map(|app| app.id)
    }

    /// Whether the stream may be played by an address with this query; gives its signature if
    /// one is required.
    ///
    /// `publisher` is the app that publishes the stream, if that is known. A stream whose app
    /// cannot be told needs the signature of any app as soon as one of them signs its addresses.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn check_play(
        &self,
        now: u64,
        stream: &str,
        publisher: Option<AppId>,
        query: Option<&str>,
    ) -> Result<Option<SignedAddress>, AddressError> {
        if self.play_keys(stream, publisher).next().is_none() {
            return Ok(None);
        }
        self.verify_play(now, stream, publisher, query).map(Some)
    }

    /// Whether the query of a play address is signed for the stream, whatever is required.
    ///
    /// # Errors
    /// [`AddressError`].
    pub fn verify_play(
        &self,
        now: u64,
        stream: &str,
        publisher: Option<AppId>,
        query: Option<&str>,
    ) -> Result<SignedAddress, AddressError> {
        let address = SignedAddress::read(query)?.ok_or(AddressError::Unsigned)?;
        verify_any(&address, stream, now, self.play_keys(stream, publisher))?;
        Ok(address)
    }

    /// The app that a stream is of: the one that its id names, or that publishes it, if that is
    /// known.
    pub fn app_of(&self, stream: &str, publisher: Option<AppId>) -> Option<AppId> {
        let known = publisher.filter(|app| self.find(*app).is_some());
        self.named_by(stream).or(known)
    }

    /// Whether a page may play the stream; `publisher` as for [`Self::check_play`]. A stream whose
    /// app cannot be told is for the pages of every app.
    pub fn allow_page(&self, stream: &str, publisher: Option<AppId>, page: &Page) -> bool {
        let mut apps = self.candidates(self.app_of(stream, publisher));
        self.is_open() || apps.any(|app| app.pages.allow(page))
    }

    fn play_keys(
        &self,
        stream: &str,
        publisher: Option<AppId>,
    ) -> impl Iterator<Item = (&App, &SecretKey, u64)> {
        self.candidates(self.app_of(stream, publisher))
            .filter_map(|app| Some((app, app.play_url_key.as_ref()?, app.play_url_window)))
    }

    /// Signs a UserSig with the app's first key.
    ///
    /// # Errors
    /// [`UnknownApp`].
    pub fn sign_user_sig(
        &self,
        now: u64,
        app: AppId,
        user: &UserId,
        expires_in: u64,
    ) -> Result<String, UnknownApp> {
        self.sign(now, app, user, expires_in, None)
    }

    /// Signs a PrivateMapKey with the app's first key. An end behind the 32 bits of the format
    /// becomes the last second that it has.
    ///
    /// # Errors
    /// [`UnknownApp`].
    pub fn sign_private_map_key(
        &self,
        now: u64,
        app: AppId,
        user: &UserId,
        room: &RoomId,
        privileges: Privileges,
        expires_in: u64,
    ) -> Result<String, UnknownApp> {
        let grant = Grant {
            user: user.clone(),
            app,
            room: room.clone(),
            expires_at: u32::try_from(now.saturating_add(expires_in)).unwrap_or(u32::MAX),
            privileges,
        };
        self.sign(now, app, user, expires_in, Some(grant.write()))
    }

    fn sign(
        &self,
        issued_at: u64,
        app: AppId,
        user: &UserId,
        expires_in: u64,
        userbuf: Option<Vec<u8>>,
    ) -> Result<String, UnknownApp> {
        let unknown = || UnknownApp {
            app,
            known: self.ids().collect(),
        };
        let key = self
            .find(app)
            .and_then(|app| app.keys.first())
            .ok_or_else(unknown)?;
        let claims = Claims {
            app,
            user: user.clone(),
            issued_at,
            expires_in,
            userbuf,
        };
        Ok(claims.sign(key))
    }

    fn claims_of(
        &self,
        now: u64,
        app: AppId,
        user: &UserId,
        token: &str,
    ) -> Result<Claims, TokenError> {
        let claims = self.authenticate(now, token)?;
        if claims.app != app {
            return Err(TokenError::OtherApp {
                expected: app,
                found: claims.app,
            });
        }
        if claims.user != *user {
            return Err(TokenError::OtherUser {
                expected: user.clone(),
                found: claims.user,
            });
        }
        Ok(claims)
    }

    /// The app that is known, or all that come into question.
    fn candidates(&self, known: Option<AppId>) -> impl Iterator<Item = &App> {
        self.0
            .values()
            .filter(move |app| known.is_none_or(|known| app.id == known))
    }
}

/// The first app whose key verifies the address; without any, the best reason why not.
fn verify_any<'a>(
    address: &SignedAddress,
    stream: &str,
    now: u64,
    keys: impl IntoIterator<Item = (&'a App, &'a SecretKey, u64)>,
) -> Result<&'a App, AddressError> {
    let mut reason = AddressError::NoKey;
    for (app, key, window) in keys {
        match address.verify(key, stream, now, window) {
            Ok(()) => return Ok(app),
            // A right signature that is over says more than a wrong one.
            Err(_) if matches!(reason, AddressError::Expired { .. }) => {}
            Err(error) => reason = error,
        }
    }
    Err(reason)
}

/// No key of this app is in the settings.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("app {app} is not configured; {}", list(.known))]
pub struct UnknownApp {
    /// The app asked for.
    pub app: AppId,
    /// The apps that are.
    pub known: Vec<AppId>,
}

fn list(known: &[AppId]) -> String {
    if known.is_empty() {
        return "no app is: see `apps` in the settings file".to_owned();
    }
    let known: Vec<String> = known.iter().map(AppId::to_string).collect();
    format!("configured: {}", known.join(", "))
}

#[cfg(test)]
mod tests;
