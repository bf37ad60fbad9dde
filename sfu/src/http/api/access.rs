//! Who calls, and for which app.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, Method};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::Api;
use super::refusal::Refusal;
use crate::auth::{Apps, SignedRequest, Tc3, Tc3Request, unhex};
use crate::http::forwarded::Remote;
use crate::live::{AppId, UserId};

/// What a request says about its caller, before any of it is believed: looked at before the body
/// is read, so that one without anything costs nothing.
#[derive(Debug)]
pub(super) enum Claim<'a> {
    /// The server has no app and the caller is on its machine.
    Local,
    /// An operator.
    Token(&'a str),
    /// The back end of an app.
    Signed {
        app: AppId,
        time: u64,
        nonce: &'a str,
        signature: [u8; 32],
    },
    /// The back end of an app, by the vendor's kit.
    Tc3(Tc3<'a>, u64),
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// The back end of one app.
    App(AppId),
    /// An operator, who names the app of each call.
    Operator,
}

impl<'a> Claim<'a> {
    pub(super) fn read(api: &Api, parts: &'a Parts) -> Result<Self, Refusal> {
        let headers = &parts.headers;
        if api.0.apps.is_open() {
            return local(parts).map(|()| Self::Local);
        }
        if let Some(authorization) = one(headers, AUTHORIZATION.as_str())? {
            if let Some(tc3) = Tc3::read(authorization) {
                let time = one(headers, "x-tc-timestamp")?.and_then(|time| time.parse().ok());
                let time = time.ok_or(Refusal::Credentials(
                    "X-TC-Timestamp is the Unix seconds of the signature",
                ))?;
                return Ok(Self::Tc3(tc3, time));
            }
            let (scheme, token) = authorization.split_once(' ').unwrap_or_default();
            if !scheme.eq_ignore_ascii_case("Bearer") {
                return Err(Refusal::Credentials(
                    "Authorization is `Bearer` and an operator's token",
                ));
            }
            return Ok(Self::Token(token.trim()));
        }
        let Some(signature) = one(headers, SIGNATURE)? else {
            return Err(Refusal::NoCredentials);
        };
        let signature = unhex(signature).ok_or(Refusal::Credentials(
            "Weblive-Signature is 64 hex digits: HMAC-SHA256 of the request",
        ))?;
        let app = named_app(headers)?.ok_or(Refusal::Credentials(
            "a signed request names its app in Weblive-App",
        ))?;
        let time = one(headers, TIME)?.and_then(|time| time.parse().ok());
        let time = time.ok_or(Refusal::Credentials(
            "Weblive-Time is the Unix seconds of the signature",
        ))?;
        Ok(Self::Signed {
            app,
            time,
            nonce: one(headers, NONCE)?.unwrap_or_default(),
            signature,
        })
    }

    /// Believes the claim or refuses it; takes a call out of the rate of an app that signs.
    pub(super) fn verify(self, api: &Api, parts: &Parts, body: &[u8]) -> Result<Caller, Refusal> {
        let now = unix_time();
        let keys = |app: AppId| {
            let found = api.0.apps.find(app);
            found
                .map(|found| found.keys.as_slice())
                .ok_or(Refusal::UnknownApp { app })
        };
        let (app, signature) = match self {
            Self::Local => return Ok(Caller::Operator),
            Self::Token(token) => {
                let hash: [u8; 32] = Sha256::digest(token.as_bytes()).into();
                let known = api.0.tokens.iter();
                let found = known.fold(false, |any, one| any | bool::from(one.ct_eq(&hash)));
                return found.then_some(Caller::Operator).ok_or(Refusal::Token);
            }
            Self::Signed {
                app,
                time,
                nonce,
                signature,
            } => {
                let target = parts.uri.path_and_query();
                let request = SignedRequest {
                    method: parts.method.as_str(),
                    target: target.map_or("/", |target| target.as_str()),
                    time,
                    nonce,
                    body,
                };
                request.verify(keys(app)?, &signature, now)?;
                (app, signature)
            }
            Self::Tc3(tc3, time) => {
                let request = Tc3Request {
                    method: parts.method.as_str(),
                    path: parts.uri.path(),
                    query: parts.uri.query().unwrap_or_default(),
                    time,
                    body,
                };
                let header = |name: &str| header_or_host(parts, name);
                tc3.verify(keys(tc3.app)?, &request, header, now)?;
                (tc3.app, tc3.signature)
            }
        };
        // Before the signature is used up: what is too fast may come again as it is.
        api.pace(Instant::now(), app)
            .map_err(|_| Refusal::TooFast)?;
        // What only looks can come again; what changes something is done once.
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            api.note(now, signature)?;
        }
        Ok(Caller::App(app))
    }
}

impl Caller {
    /// The app of a call in our own form.
    pub(super) fn app(self, api: &Api, headers: &HeaderMap) -> Result<AppId, Refusal> {
        let app = match self {
            Self::App(app) => app,
            Self::Operator => match named_app(headers)? {
                _ if api.0.apps.is_open() => Apps::OPEN,
                Some(app) => app,
                None => {
                    let mut ids = api.0.apps.ids();
                    let (Some(app), None) = (ids.next(), ids.next()) else {
                        return Err(Refusal::WhichApp);
                    };
                    app
                }
            },
        };
        self.of(api, app)
    }

    /// The app that a call in the vendor's form names. An operator's call takes its turn in that
    /// app's rate; the app's own has done so.
    pub(super) fn of(self, api: &Api, named: AppId) -> Result<AppId, Refusal> {
        let app = match self {
            Self::App(app) if app == named => return Ok(app),
            Self::App(_) => return Err(Refusal::UnknownApp { app: named }),
            Self::Operator if api.0.apps.is_open() => Apps::OPEN,
            Self::Operator => named,
        };
        if !api.0.apps.is_open() && api.0.apps.find(app).is_none() {
            return Err(Refusal::UnknownApp { app });
        }
        api.pace(Instant::now(), app)
            .map_err(|_| Refusal::TooFast)?;
        Ok(app)
    }
}

/// Whether a user may call the chat service's request form with a UserSig.
pub(super) fn admin(
    api: &Api,
    parts: &Parts,
    app: AppId,
    user: &UserId,
    token: &str,
) -> Result<AppId, AdminRefusal> {
    let caller = if api.0.apps.is_open() {
        local(parts).map_err(AdminRefusal::Other)?;
        Caller::Operator
    } else {
        let apps = &api.0.apps;
        apps.check_user_sig(unix_time(), app, user, token)
            .map_err(AdminRefusal::Token)?;
        if !api.0.config.admins.contains(&(app, user.clone())) {
            return Err(AdminRefusal::NotAdmin);
        }
        api.pace(Instant::now(), app)
            .map_err(|_| AdminRefusal::Other(Refusal::TooFast))?;
        Caller::App(app)
    };
    caller.of(api, app).map_err(AdminRefusal::Other)
}

/// Why a user may not call the chat service's request form.
#[derive(Debug)]
pub(super) enum AdminRefusal {
    /// The UserSig is not taken.
    Token(crate::auth::TokenError),
    /// The user is not in the app's `admins`.
    NotAdmin,
    /// What holds for everybody.
    Other(Refusal),
}

/// On an open server only programs on its own machine may call, and no page of somebody else in
/// a browser there: not by its origin, and not by a host name that it has bent to this machine.
pub(super) fn local(parts: &Parts) -> Result<(), Refusal> {
    let remote = parts
        .extensions
        .get::<Remote>()
        .map(|remote| remote.peer.ip());
    // Behind a proxy on this machine everybody would be local.
    let is_passed_on = PROXIED.iter().any(|name| parts.headers.contains_key(*name));
    if is_passed_on || !remote.is_some_and(|ip| ip.to_canonical().is_loopback()) {
        return Err(Refusal::NotLocal);
    }
    let host = header_or_host(parts, HOST.as_str());
    let is_local = host.is_none_or(|host| {
        // What is no authority is nobody's own address.
        let authority = host.parse::<Authority>();
        authority.is_ok_and(|authority| {
            let name = authority.host().trim_matches(['[', ']']);
            let ip = name.parse::<std::net::IpAddr>();
            name.eq_ignore_ascii_case("localhost") || ip.is_ok_and(|ip| ip.is_loopback())
        })
    });
    if !is_local {
        return Err(Refusal::ForeignPage);
    }
    own_page(parts)
}

/// Whether a request is of a page of this server, or of no page at all.
pub(super) fn own_page(parts: &Parts) -> Result<(), Refusal> {
    let host = header_or_host(parts, HOST.as_str());
    let origin = one(&parts.headers, ORIGIN.as_str())?;
    let is_own = origin.is_none_or(|origin| {
        let named = origin.split_once("://").map(|(_, authority)| authority);
        named.is_some() && named == host
    });
    is_own.then_some(()).ok_or(Refusal::ForeignPage)
}

/// The value of a header field; HTTP/2 has no `Host` and says it in the address.
fn header_or_host<'a>(parts: &'a Parts, name: &str) -> Option<&'a str> {
    let value = parts.headers.get(name).and_then(|v| v.to_str().ok());
    match value {
        None if name == HOST.as_str() => parts.uri.authority().map(Authority::as_str),
        value => value,
    }
}

fn named_app(headers: &HeaderMap) -> Result<Option<AppId>, Refusal> {
    let Some(text) = one(headers, APP)? else {
        return Ok(None);
    };
    let app = text.parse();
    app.map(Some)
        .map_err(|_| Refusal::Credentials("Weblive-App is the number of an app"))
}

/// The value of a header field that may be there once.
fn one<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Refusal> {
    let mut fields = headers.get_all(name).iter();
    match (fields.next(), fields.next()) {
        (None, _) => Ok(None),
        (Some(field), None) => field
            .to_str()
            .map(|text| Some(text.trim()))
            .map_err(|_| Refusal::Credentials("header fields are visible ASCII")),
        _ => Err(Refusal::Credentials(
            "each header field of the credentials is there once",
        )),
    }
}

pub(super) fn unix_time() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

/// What proxies add to the requests that they pass on.
const PROXIED: [&str; 4] = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];

const APP: &str = "weblive-app";
const TIME: &str = "weblive-time";
const NONCE: &str = "weblive-nonce";
const SIGNATURE: &str = "weblive-signature";
