//! Addresses of the sizes of a stream, behind an edge: each is a stream of its own there, but for the
//! large picture, which is the stream itself.

use axum::extract::Request;
use http::Uri;
use relay::StreamId;
use relay::edge::Edge;

use super::access;
use super::site::Site;

/// What a request below `/live/` asks an edge for.
pub(super) struct Addressed {
    /// With the address of what is pulled.
    pub(super) request: Request,
    /// The id in it.
    pub(super) pulled: Option<StreamId>,
    /// It is that of a stream's list, if it has one.
    pub(super) is_list: bool,
}

/// Finds out what a request asks for. Where it may be a size of a stream of which nothing is known,
/// the origin is asked which sizes that has, if the request may play it.
pub(super) async fn addressed(site: &Site, edge: &Edge, request: Request) -> Addressed {
    let path = request.uri().path();
    let Some(id) = access::stream_of(path) else {
        return Addressed {
            request,
            pulled: None,
            is_list: false,
        };
    };
    let begins = [".flv", ".m3u8", "/stream.mp4"]
        .iter()
        .any(|end| path.ends_with(end));
    if let Some(stream) = edge.may_be_of(&id).filter(|_| begins)
        && is_worth_it(site, edge, &request, &stream)
    {
        edge.learn(&stream, access::client(&request)).await;
    }
    let pulled = edge.pulled_as(&id);
    let (mut request, is_other) = (request, pulled != id);
    if is_other && let Some(uri) = renamed(request.uri(), &id, &pulled) {
        *request.uri_mut() = uri;
    }
    // A size has no sizes.
    let is_stream = edge.stream_of(&id) == id;
    let is_list = is_stream && request.uri().path() == format!("/live/{id}.m3u8");
    Addressed {
        request,
        pulled: Some(pulled),
        is_list,
    }
}

/// A size's address is signed as that of its stream, here and at the origin. Without signatures it is
/// pulled like any other stream, whatever it is of.
fn is_worth_it(site: &Site, edge: &Edge, request: &Request, stream: &StreamId) -> bool {
    match site.apps().is_open() {
        true => edge.signs(stream),
        false => access::is_signed_for(site, request, stream),
    }
}

/// The same address with another id.
fn renamed(uri: &Uri, from: &StreamId, to: &StreamId) -> Option<Uri> {
    let rest = uri.path().strip_prefix("/live/")?;
    let rest = rest.strip_prefix(from.as_str())?;
    let text = match uri.query() {
        Some(query) => format!("/live/{to}{rest}?{query}"),
        None => format!("/live/{to}{rest}"),
    };
    let mut parts = uri.clone().into_parts();
    parts.path_and_query = Some(text.parse().ok()?);
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_keeps_all_but_its_id() {
        let (from, to) = ("a_h".parse().unwrap(), "a".parse().unwrap());
        for (before, after) in [
            ("/live/a_h.m3u8", Some("/live/a.m3u8")),
            ("/live/a_h/x-0.m4s?b=a_h", Some("/live/a/x-0.m4s?b=a_h")),
            ("http://x/live/a_h.flv?y", Some("http://x/live/a.flv?y")),
            ("/live/b.flv", None),
        ] {
            let uri = renamed(&before.parse().unwrap(), &from, &to);
            assert_eq!(uri.map(|uri| uri.to_string()).as_deref(), after);
        }
    }
}
