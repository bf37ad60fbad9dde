//! Who may publish, watch and play: the tokens and signed addresses that requests come with.

use std::net::IpAddr;
use std::time::{SystemTime, UNIX_EPOCH};

use axum::extract::Request;
use http::HeaderMap;
use http::header::AUTHORIZATION;
use relay::StreamId;

use super::app::App;
use super::forwarded::Remote;
use super::metrics::ViewerRefused;
use super::problem::Problem;
use super::referer;
use super::site::Site;
use super::viewings::Asker;
use crate::auth::{
    AddressError, Apps, Claims, Page, PrivateMapKeyError, Privileges, SignedAddress,
};
use crate::live::{AppId, RoomId, UserId};
use crate::worker::{Owner, Role};

/// A client that was let in to an endpoint.
#[derive(Debug)]
pub(super) struct Visitor {
    owner: Owner,
    /// What its token says; a signed address is for one stream and needs no more.
    claims: Option<Claims>,
}

/// Lets a client in to the endpoint of a stream: by its token, or by the signature of the address
/// that it uses, a push address for a publisher and a play address for a subscriber.
pub(super) fn admit(
    app: &App,
    role: Role,
    stream: &StreamId,
    request: &Request,
) -> Result<Visitor, Problem> {
    if app.apps().is_open() {
        return Ok(Visitor {
            owner: Owner::Anybody,
            claims: None,
        });
    }
    let query = request.uri().query();
    let result = match bearer(request.headers()) {
        Some(token) => by_token(app, role, stream, token),
        None => by_address(app, role, stream, query, client(request)),
    };
    // Who is revoked was counted where that was found.
    result.inspect_err(|refusal| match refusal {
        Problem::Revoked { .. } => {}
        refusal => refused(app.site(), stream, refusal),
    })
}

fn by_token(app: &App, role: Role, stream: &StreamId, token: &str) -> Result<Visitor, Problem> {
    let claims = app
        .apps()
        .authenticate(now(), token)
        .map_err(Problem::Token)?;
    // Users of different apps never meet. An id that names no app is its publisher's while it is
    // live; a publisher of another app is refused by the directory then.
    let live = || match role {
        Role::Publisher => None,
        Role::Subscriber => app.workers().live_app(stream),
    };
    let of = app.apps().named_by(stream.as_str()).or_else(live);
    if of.is_some_and(|of| of != claims.app) {
        return Err(Problem::OtherApp {
            stream: stream.clone(),
            app: claims.app,
        });
    }
    Ok(Visitor {
        owner: Owner::User {
            app: claims.app,
            user: claims.user.clone(),
        },
        claims: Some(claims),
    })
}

fn by_address(
    app: &App,
    role: Role,
    stream: &StreamId,
    query: Option<&str>,
    client: IpAddr,
) -> Result<Visitor, Problem> {
    let (apps, now, id) = (app.apps(), now(), stream.as_str());
    let of = |app: AppId| Owner::PushAddress { app };
    // A subscriber may come before the publisher is connected.
    let publisher = || {
        let workers = app.workers();
        workers.live_app(stream).or_else(|| workers.app_of(stream))
    };
    let owner = match role {
        Role::Publisher => apps.check_push(now, id, query).map(of),
        Role::Subscriber => {
            let publisher = publisher();
            let verified = apps.verify_play(now, id, publisher, query);
            if let Ok(signature) = &verified {
                let asker = Asker {
                    app: apps.app_of(id, publisher),
                    stream: stream.clone(),
                    address: client,
                    secret: Some(signature.secret()),
                };
                if let Some(until) = app.viewings().refused(now, &asker) {
                    return Err(revoked(app.site(), &asker, until));
                }
            }
            verified.map(|_| Owner::Anybody)
        }
    };
    match owner {
        Ok(owner) => Ok(Visitor {
            owner,
            claims: None,
        }),
        Err(AddressError::Unsigned) => Err(Problem::NoCredentials),
        Err(error) => Err(Problem::EndpointAddress(error)),
    }
}

impl Visitor {
    /// Whether the client may do what its offer says in the room that the stream id names. It is
    /// asked only of tokens of apps that require a PrivateMapKey.
    pub(super) fn check_room(
        &self,
        app: &App,
        role: Role,
        stream: &StreamId,
        offer: &str,
    ) -> Result<(), Problem> {
        let Some(claims) = &self.claims else {
            return Ok(());
        };
        if !app.apps().requires_private_map_key(claims.app) {
            return Ok(());
        }
        let check = || {
            let room = RoomId::name(stream.as_str()).map_err(PrivateMapKeyError::NoRoom)?;
            let granted = app.apps().privileges(now(), claims, &room)?;
            let needed = needed(role, offer);
            if granted.contains(needed) {
                Ok(())
            } else {
                Err(PrivateMapKeyError::NotGranted { needed, granted })
            }
        };
        check()
            .map_err(Problem::MapKey)
            .inspect_err(|refusal| refused(app.site(), stream, refusal))
    }

    /// Whose stream it becomes.
    pub(super) fn into_owner(self) -> Owner {
        self.owner
    }
}

/// The user that a request's UserSig speaks of; none on an open server, where everybody may come.
pub(super) fn user(app: &App, headers: &HeaderMap) -> Result<Option<(AppId, UserId)>, Problem> {
    if app.apps().is_open() {
        return Ok(None);
    }
    let claims = match bearer(headers) {
        Some(token) => app
            .apps()
            .authenticate(now(), token)
            .map_err(Problem::Token),
        None => Err(Problem::NoUserSig),
    };
    match claims {
        Ok(claims) => Ok(Some((claims.app, claims.user))),
        Err(refusal) => {
            let (label, reason) = label(&refusal);
            app.metrics().refuse(label);
            tracing::info!(reason, "refused");
            Err(refusal)
        }
    }
}

/// What a request below `/live/` may have.
#[derive(Debug)]
pub(super) struct Right {
    /// Who asks, for which stream.
    pub(super) asker: Asker,
    /// The signature that the files of a playlist need as well.
    pub(super) signature: Option<SignedAddress>,
}

/// Whether the address of a `GET` or `HEAD` below `/live/` may be played, by this client; `None` for
/// one without a stream id, which is the relay's to refuse. An endless body that has begun goes on
/// beyond the end of its address.
pub(super) fn play(site: &Site, request: &Request) -> Result<Option<Right>, Problem> {
    let Some(stream) = stream_of(request.uri().path()) else {
        return Ok(None);
    };
    // The signature of a stream's address is good for its variants.
    let stream = site.stream_of(&stream);
    let apps = site.apps();
    let publisher = match apps.is_open() {
        true => None,
        false => site.publisher_of(&stream),
    };
    if site.edge().is_some() && !apps.is_open() {
        // Else a play key of any app would open it.
        let of = apps.app_of(stream.as_str(), publisher);
        of.ok_or_else(|| Problem::NoApp {
            stream: stream.clone(),
        })
        .inspect_err(|refusal| refused(site, &stream, refusal))?;
    }
    play_stream(site, request, stream, publisher).map(Some)
}

/// Whether a file of a recording may be read: it needs the right to play the stream, as a stream of
/// the app that it was recorded for, whoever publishes under that name now. `owner` is app 0 where
/// that was not known.
pub(super) fn play_recording(
    site: &Site,
    request: &Request,
    stream: StreamId,
    owner: AppId,
) -> Result<Right, Problem> {
    // The keys of another app must not open it, nor a server that has become open.
    if owner != Apps::OPEN && site.apps().find(owner).is_none() {
        let refusal = Problem::RecordingOfNoApp { app: owner };
        refused(site, &stream, &refusal);
        return Err(refusal);
    }
    play_stream(site, request, stream, Some(owner))
}

fn play_stream(
    site: &Site,
    request: &Request,
    stream: StreamId,
    publisher: Option<AppId>,
) -> Result<Right, Problem> {
    let apps = site.apps();
    let page = referer::page(request.headers());
    if !apps.allow_page(stream.as_str(), publisher, &page) {
        site.metrics().refuse_viewer(ViewerRefused::Referer);
        tracing::info!(%stream, ?page, "refused: the page may not play it");
        return Err(match page {
            Page::Unsaid => Problem::NoReferer,
            Page::Of(_) | Page::Other => Problem::Referer,
        });
    }
    let signature = apps
        .check_play(now(), stream.as_str(), publisher, request.uri().query())
        .map_err(Problem::PlayAddress)
        .inspect_err(|refusal| refused(site, &stream, refusal))?;
    let of_app = match apps.is_open() {
        true => Some(Apps::OPEN),
        false => apps.app_of(stream.as_str(), publisher),
    };
    let asker = Asker {
        app: of_app,
        stream,
        address: client(request),
        secret: signature.as_ref().map(SignedAddress::secret),
    };
    match site.viewings().refused(now(), &asker) {
        Some(until) => Err(revoked(site, &asker, until)),
        None => Ok(Right { asker, signature }),
    }
}

/// The address of a request's client.
pub(super) fn client(request: &Request) -> IpAddr {
    // Every connection of the listener has one; requests without a connection have none.
    let remote = request.extensions().get::<Remote>();
    remote.map_or(IpAddr::from([0, 0, 0, 0]), |remote| remote.client)
}

/// Refuses one who is kept out until a Unix second.
pub(super) fn revoked(site: &Site, asker: &Asker, until: u64) -> Problem {
    site.metrics().refuse_viewer(ViewerRefused::Revoked);
    let (stream, client) = (&asker.stream, asker.address);
    tracing::info!(%stream, %client, until, "refused: revoked");
    Problem::Revoked {
        seconds: until.saturating_sub(now()).max(1),
    }
}

/// The app of the stream that an address below `/live/` is of, as far as it is known, or that one
/// below `/recordings/` names.
pub(super) fn app_of(site: &Site, path: &str) -> Option<AppId> {
    if let Some(file) = path.strip_prefix("/recordings/") {
        return site.apps().named_by(file.split_once('/')?.0);
    }
    let stream = site.stream_of(&stream_of(path)?);
    let publisher = site.publisher_of(&stream);
    site.apps().app_of(stream.as_str(), publisher)
}

/// Whether a request's signature is good for a stream, on a server with keys, and its page may play it.
/// Nobody is let in by that alone, and nobody who is not is counted.
pub(super) fn is_signed_for(site: &Site, request: &Request, stream: &StreamId) -> bool {
    let page = referer::page(request.headers());
    if !site.apps().allow_page(stream.as_str(), None, &page) {
        return false;
    }
    let query = request.uri().query();
    let checked = site.apps().check_play(now(), stream.as_str(), None, query);
    checked.is_ok_and(|signature| signature.is_some())
}

/// The id in an address below `/live/`.
pub(super) fn stream_of(path: &str) -> Option<StreamId> {
    let rest = path.strip_prefix("/live/")?;
    let (id, _) = rest.split_once('/').or_else(|| rest.rsplit_once('.'))?;
    id.parse().ok()
}

/// The token of an `Authorization` header field (RFC 6750 §2.1), if there is one and one alone.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let mut fields = headers.get_all(AUTHORIZATION).iter();
    let (field, None) = (fields.next()?, fields.next()) else {
        return None;
    };
    let (scheme, token) = field.to_str().ok()?.trim().split_once(' ')?;
    scheme
        .eq_ignore_ascii_case("Bearer")
        .then(|| token.trim_start())
}

/// Entering the room, and sending or receiving what the offer has m-lines for (RFC 8866 §5.14).
fn needed(role: Role, offer: &str) -> Privileges {
    let (audio, video) = match role {
        Role::Publisher => (Privileges::SEND_AUDIO, Privileges::SEND_VIDEO),
        Role::Subscriber => (Privileges::RECEIVE_AUDIO, Privileges::RECEIVE_VIDEO),
    };
    let mut needed = Privileges::JOIN;
    for (kind, privilege) in [("m=audio", audio), ("m=video", video)] {
        if offer.lines().any(|line| line.starts_with(kind)) {
            needed = needed | privilege;
        }
    }
    needed
}

/// The reason stands in the log and the metrics; neither holds the token.
fn refused(site: &Site, stream: &StreamId, refusal: &Problem) {
    let (label, reason) = label(refusal);
    site.metrics().refuse(label);
    tracing::info!(%stream, reason, "refused");
}

fn label(refusal: &Problem) -> (&'static str, String) {
    match refusal {
        Problem::Token(error) => (error.label(), error.to_string()),
        Problem::MapKey(error) => (error.label(), error.to_string()),
        Problem::EndpointAddress(error) | Problem::PlayAddress(error) => {
            (error.label(), error.to_string())
        }
        Problem::OtherApp { .. } => ("other_app", refusal.to_string()),
        Problem::NoApp { .. } | Problem::RecordingOfNoApp { .. } => ("no_app", refusal.to_string()),
        _ => ("missing", "no credentials".to_owned()),
    }
}

/// Unix seconds.
pub(super) fn now() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(fields: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(AUTHORIZATION, field.parse().unwrap());
        }
        headers
    }

    #[test]
    fn a_token_comes_in_one_bearer_field() {
        for good in ["Bearer eJw", "bearer eJw", "BEARER  eJw", " Bearer eJw "] {
            assert_eq!(bearer(&headers(&[good])), Some("eJw"), "{good}");
        }
        for none in [
            &[][..],
            &["Basic eJw"],
            &["Bearer"],
            &["eJw"],
            &["Bearer eJw", "Bearer eJx"],
        ] {
            assert_eq!(bearer(&headers(none)), None, "{none:?}");
        }
    }

    #[test]
    fn every_kind_of_play_address_has_its_stream() {
        for path in [
            "/live/a-1.flv",
            "/live/a-1.m3u8",
            "/live/a-1.mp4",
            "/live/a-1/x-0.m4s",
            "/live/a-1/stream.mp4",
            "/live/a-1/ts.m3u8",
            "/live/a-1/dvr.m3u8",
            "/live/a-1/opus.m3u8",
            "/live/a-1/video.m3u8",
        ] {
            assert_eq!(stream_of(path).unwrap().as_str(), "a-1", "{path}");
        }
        for path in ["/live/a", "/live/", "/live/a.b.flv", "/live/%61.flv", "/x"] {
            assert_eq!(stream_of(path), None, "{path}");
        }
    }

    #[test]
    fn an_offer_needs_the_rights_of_its_m_lines() {
        let audio = "v=0\r\nm=audio 9 UDP/TLS/RTP/SAVPF 111\r\n";
        let both = format!("{audio}m=video 9 UDP/TLS/RTP/SAVPF 96\r\n");
        assert_eq!(needed(Role::Publisher, audio).0, 2 | 4);
        assert_eq!(needed(Role::Publisher, &both).0, 2 | 4 | 16);
        assert_eq!(needed(Role::Subscriber, &both), Privileges::AUDIENCE);
    }
}
