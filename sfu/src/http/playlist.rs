//! Playlists of streams whose play addresses are signed: the files that they name need the
//! signature too, and a player takes nothing over from the playlist's own address.

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use http::{HeaderValue, StatusCode};

use super::problem::Problem;

/// Appends the query to every address in a playlist; other responses stay as they are.
pub(super) async fn sign(response: Response, query: &str) -> Response {
    let is_playlist = response
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind == PLAYLIST);
    if !is_playlist || response.status() != StatusCode::OK {
        return response;
    }
    let (mut head, body) = response.into_parts();
    let Ok(bytes) = to_bytes(body, MAX_PLAYLIST).await else {
        return Problem::Internal.into_response();
    };
    // The answer to HEAD: the length of what is not there is not told.
    head.headers.remove(CONTENT_LENGTH);
    if bytes.is_empty() {
        return Response::from_parts(head, Body::empty());
    }
    let signed = sign_text(&String::from_utf8_lossy(&bytes), query);
    head.headers
        .insert(CONTENT_LENGTH, HeaderValue::from(signed.len()));
    Response::from_parts(head, Body::from(signed))
}

/// Our own playlists have addresses on lines of their own and as the `URI` of tags (RFC 8216bis
/// §4.4), none of them with a query.
fn sign_text(text: &str, query: &str) -> String {
    let mut signed = String::with_capacity(2 * text.len());
    for line in text.lines() {
        if line.starts_with('#')
            && let Some((tag, uri)) = line.split_once(URI)
            && let Some((uri, rest)) = uri.split_once('"')
        {
            signed += &format!("{tag}{URI}{uri}?{query}\"{rest}");
        } else if line.is_empty() || line.starts_with('#') {
            signed += line;
        } else {
            signed += &format!("{line}?{query}");
        }
        signed.push('\n');
    }
    signed
}

const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const URI: &str = "URI=\"";

/// The largest window has 60 segments of some 200 bytes each, and the parts of three.
const MAX_PLAYLIST: usize = 1 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-MAP:URI=\"a/x-init0.mp4\"\n\
        #EXT-X-PART:DURATION=0.25000,URI=\"a/x-0.0.m4s\",INDEPENDENT=YES\n#EXTINF:2.000,\na/x-0.m4s\n\
        #EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"a/x-1.0.m4s\"\n#EXT-X-ENDLIST\n";

    fn playlist(body: &str) -> Response {
        let headers = [
            (CONTENT_TYPE, PLAYLIST.to_owned()),
            (CONTENT_LENGTH, TEXT.len().to_string()),
        ];
        (headers, body.to_owned()).into_response()
    }

    async fn text(response: Response) -> String {
        let bytes = to_bytes(response.into_body(), MAX_PLAYLIST).await.unwrap();
        String::from_utf8(bytes.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn every_address_gets_the_signature_and_nothing_else_does() {
        let signed = sign(playlist(TEXT), "k=v").await;
        let length = signed.headers()[CONTENT_LENGTH]
            .to_str()
            .unwrap()
            .to_owned();
        let signed = text(signed).await;
        assert_eq!(
            signed,
            TEXT.replace(".mp4", ".mp4?k=v").replace(".m4s", ".m4s?k=v")
        );
        assert_eq!(length, signed.len().to_string());
        m3u8_has_the_same_tags(&signed);
    }

    fn m3u8_has_the_same_tags(signed: &str) {
        let tags = |text: &str| {
            text.lines()
                .filter(|line| line.starts_with('#'))
                .map(|line| line.replace("?k=v", ""))
                .collect::<Vec<_>>()
        };
        assert_eq!(tags(signed), tags(TEXT));
    }

    #[tokio::test]
    async fn heads_refusals_and_segments_stay_as_they_are() {
        let head = sign(playlist(""), "k=v").await;
        assert!(!head.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(text(head).await, "");
        let mut unchanged = playlist("");
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        let unchanged = sign(unchanged, "k=v").await;
        assert!(unchanged.headers().contains_key(CONTENT_LENGTH));
        let segment = ([(CONTENT_TYPE, "video/mp4")], "a\nb").into_response();
        assert_eq!(text(sign(segment, "k=v").await).await, "a\nb");
    }
}
