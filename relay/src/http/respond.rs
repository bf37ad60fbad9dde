//! Responses with their headers: caching, entity tags, ranges, CORS.

use std::ops;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT_RANGES, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ALLOW,
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, IF_RANGE,
    RANGE,
};
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

use super::body::Body;
use super::problem::{METHODS, Problem};
use crate::hls::File;

/// A playlist changes with every segment. Browsers ask each time (and get 304); a shared cache
/// may answer for one second, so that an edge asks once for all of its viewers.
const PLAYLIST_CACHE: &str = "public, max-age=0, s-maxage=1";

/// A file never changes under its name, and nobody asks for it after an hour.
const FILE_CACHE: &str = "public, max-age=3600, immutable";

/// A still picture is as old as the newest key frame may be: whoever shows many asks for each of them
/// once in a while.
const STILL_CACHE: &str = "public, max-age=2";

/// The parts of a request that responses depend on.
pub(super) struct Asked<'a> {
    pub(super) is_head: bool,
    pub(super) headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// True if the client has this version (RFC 9110, section 13.1.2).
    fn has(&self, etag: &str) -> bool {
        let tags = self.headers.get_all(IF_NONE_MATCH);
        tags.iter().filter_map(|v| v.to_str().ok()).any(|list| {
            list.split(',')
                .map(|tag| tag.trim().trim_start_matches("W/"))
                .any(|tag| tag == "*" || tag == etag)
        })
    }

    /// What is asked for of a file. Only `GET` has ranges (RFC 9110, section 14.2), and with
    /// `If-Range` only the version that the client has a part of (section 13.1.5).
    fn range(&self, etag: &str, len: usize) -> Range {
        let is_other = |has: &str| has != etag;
        if self.is_head || self.header(IF_RANGE).is_some_and(is_other) {
            return Range::Whole;
        }
        self.header(RANGE)
            .map_or(Range::Whole, |text| range(text, len))
    }

    fn header(&self, name: HeaderName) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// An endless FLV stream.
pub(super) fn flv(body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    set(&mut response, CONTENT_TYPE, "video/x-flv");
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// An endless stream of fMP4, with its codecs (RFC 6381) if they are known.
pub(super) fn fragments(body: Body, codecs: Option<&str>) -> Response<Body> {
    let mut response = Response::new(body);
    match codecs {
        Some(codecs) => {
            let kind = format!("{MP4}; codecs=\"{codecs}\"");
            set_text(&mut response, CONTENT_TYPE, &kind);
        }
        None => set(&mut response, CONTENT_TYPE, MP4),
    }
    set(&mut response, CACHE_CONTROL, "no-store");
    response
}

/// A playlist that caches may keep for a while, or the newest one.
pub(super) fn playlist(file: &File, asked: &Asked<'_>, keep: Option<Duration>) -> Response<Body> {
    let mut response = if asked.has(&file.etag) {
        status(StatusCode::NOT_MODIFIED)
    } else {
        whole(&file.data, asked)
    };
    set(&mut response, CONTENT_TYPE, "application/vnd.apple.mpegurl");
    match keep {
        Some(keep) => {
            let text = format!("public, max-age={}", keep.as_secs());
            set_text(&mut response, CACHE_CONTROL, &text);
        }
        None => set(&mut response, CACHE_CONTROL, PLAYLIST_CACHE),
    }
    set_text(&mut response, ETAG, &file.etag);
    response
}

/// A Media Segment or a Media Initialization Section, whole or the range that was asked for.
pub(super) fn media(file: &File, asked: &Asked<'_>) -> Result<Response<Body>, Problem> {
    ranged(file, asked, MP4, FILE_CACHE)
}

/// The head of the same for a file that is not read yet, and which of its bytes follow, if any.
pub(super) fn media_head(
    etag: &str,
    len: usize,
    asked: &Asked<'_>,
) -> Result<(Response<Body>, Option<ops::Range<usize>>), Problem> {
    head(etag, len, asked, MP4, FILE_CACHE)
}

/// A Media Segment of MPEG-TS, in the same ways.
pub(super) fn transport(file: &File, asked: &Asked<'_>) -> Result<Response<Body>, Problem> {
    ranged(file, asked, TRANSPORT, FILE_CACHE)
}

/// A still picture, in the same ways.
pub(super) fn still(file: &File, asked: &Asked<'_>) -> Result<Response<Body>, Problem> {
    ranged(file, asked, MP4, STILL_CACHE)
}

const MP4: &str = "video/mp4";
/// RFC 3555 section 4.2.
const TRANSPORT: &str = "video/mp2t";

fn ranged(
    file: &File,
    asked: &Asked<'_>,
    kind: &'static str,
    cache: &'static str,
) -> Result<Response<Body>, Problem> {
    let (mut response, wanted) = head(&file.etag, file.data.len(), asked, kind, cache)?;
    if let Some(wanted) = wanted {
        *response.body_mut() = Body::from(file.data.slice(wanted));
    }
    Ok(response)
}

/// What is answered of a file of `len` bytes, and which of them follow.
fn head(
    etag: &str,
    len: usize,
    asked: &Asked<'_>,
    kind: &'static str,
    cache: &'static str,
) -> Result<(Response<Body>, Option<ops::Range<usize>>), Problem> {
    let mut response = status(StatusCode::OK);
    let mut wanted = None;
    if asked.has(etag) {
        *response.status_mut() = StatusCode::NOT_MODIFIED;
    } else {
        let range = match asked.range(etag, len) {
            Range::Whole => 0..len,
            Range::Part { first, last } => {
                *response.status_mut() = StatusCode::PARTIAL_CONTENT;
                let text = format!("bytes {first}-{last}/{len}");
                set_text(&mut response, CONTENT_RANGE, &text);
                first..last + 1
            }
            Range::Outside => return Err(Problem::Range { len }),
        };
        set_text(&mut response, CONTENT_LENGTH, &range.len().to_string());
        wanted = Some(range).filter(|_| !asked.is_head);
    }
    set(&mut response, CONTENT_TYPE, kind);
    set(&mut response, CACHE_CONTROL, cache);
    set(&mut response, ACCEPT_RANGES, "bytes");
    set_text(&mut response, ETAG, etag);
    Ok((response, wanted))
}

/// The answer to `OPTIONS`, be it a CORS preflight or not.
pub(super) fn preflight() -> Response<Body> {
    let mut response = status(StatusCode::NO_CONTENT);
    set(&mut response, ALLOW, METHODS);
    set(&mut response, ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    set(
        &mut response,
        ACCESS_CONTROL_ALLOW_HEADERS,
        "range, if-range, if-none-match, cache-control",
    );
    set(&mut response, ACCESS_CONTROL_MAX_AGE, "86400");
    response
}

/// Streams are public: pages of any origin may play them.
pub(super) fn with_cors(mut response: Response<Body>) -> Response<Body> {
    set(&mut response, ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(
        &mut response,
        ACCESS_CONTROL_EXPOSE_HEADERS,
        "accept-ranges, content-length, content-range, date, etag, retry-after",
    );
    response
}

fn whole(data: &Bytes, asked: &Asked<'_>) -> Response<Body> {
    let mut response = if asked.is_head {
        Response::new(Body::empty())
    } else {
        Response::new(Body::from(data.clone()))
    };
    set_text(&mut response, CONTENT_LENGTH, &data.len().to_string());
    response
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

fn set(response: &mut Response<Body>, name: HeaderName, value: &'static str) {
    response
        .headers_mut()
        .insert(name, HeaderValue::from_static(value));
}

fn set_text(response: &mut Response<Body>, name: HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Range {
    Whole,
    Part { first: usize, last: usize },
    Outside,
}

/// Reads a `Range` header (RFC 9110, section 14.1.2). What is not one range of bytes is
/// ignored, as section 14.2 allows.
fn range(text: &str, len: usize) -> Range {
    let Some((first, last)) = text
        .strip_prefix("bytes=")
        .and_then(|spec| spec.trim().split_once('-'))
    else {
        return Range::Whole;
    };
    let end = len.saturating_sub(1);
    let part = match (first.parse::<usize>(), last.parse::<usize>()) {
        (Ok(first), Ok(last)) if first <= last => (first, last.min(end)),
        (Ok(first), Err(_)) if last.is_empty() => (first, end),
        (Err(_), Ok(suffix)) if first.is_empty() => {
            if suffix == 0 {
                return Range::Outside;
            }
            (len.saturating_sub(suffix), end)
        }
        _ => return Range::Whole,
    };
    if part.0 >= len {
        return Range::Outside;
    }
    Range::Part {
        first: part.0,
        last: part.1,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_read_as_rfc_9110_says() {
        let part = |first, last| Range::Part { first, last };
        assert_eq!(range("bytes=0-9", 100), part(0, 9));
        assert_eq!(range("bytes=90-", 100), part(90, 99));
        assert_eq!(range("bytes=90-200", 100), part(90, 99));
        assert_eq!(range("bytes=-10", 100), part(90, 99));
        assert_eq!(range("bytes=-200", 100), part(0, 99));
        assert_eq!(range("bytes=100-", 100), Range::Outside);
        assert_eq!(range("bytes=-0", 100), Range::Outside);
        assert_eq!(range("bytes=0-", 0), Range::Outside);
        for other in [
            "bytes=9-0",
            "bytes=0-1,3-4",
            "items=0-1",
            "bytes=a-b",
            "bytes=-",
        ] {
            assert_eq!(range(other, 100), Range::Whole, "{other}");
        }
    }
}
