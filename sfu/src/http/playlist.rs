//! Playlists on their way to the client: signed where play addresses are, and compressed.

use std::io::Write as _;

use axum::body::{Body, to_bytes};
use axum::response::{IntoResponse, Response};
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, VARY};
use http::{HeaderMap, HeaderValue, StatusCode};

use super::problem::Problem;

/// What is done to the playlists that a client asks for.
#[derive(Debug, Clone, Default)]
pub(super) struct Finish {
    /// The query of the signed address that the client used. The files that a playlist names need
    /// the signature too, and a player takes nothing over from the playlist's own address.
    pub(super) signature: Option<String>,
    /// The client takes gzip. The parts of a few seconds make a playlist of Low-Latency HLS as
    /// large as one of them, and it is asked for as often.
    pub(super) takes_gzip: bool,
}

impl Finish {
    /// Finishes a playlist; other responses stay as they are.
    pub(super) async fn apply(&self, response: Response) -> Response {
        let headers = response.headers();
        let is_playlist = headers
            .get(CONTENT_TYPE)
            .is_some_and(|kind| kind == PLAYLIST);
        let status = response.status();
        if !is_playlist || !matches!(status, StatusCode::OK | StatusCode::NOT_MODIFIED) {
            return response;
        }
        let (mut head, body) = response.into_parts();
        let headers = &mut head.headers;
        headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
        if status == StatusCode::NOT_MODIFIED {
            // It says what the whole answer would (RFC 9110 §15.4.5).
            if self.takes_gzip {
                weaken(headers);
            }
            return Response::from_parts(head, body);
        }
        let Ok(mut bytes) = to_bytes(body, MAX_PLAYLIST).await else {
            return Problem::Internal.into_response();
        };
        if bytes.is_empty() {
            // The answer to HEAD: the length of what is not there is not told.
            headers.remove(CONTENT_LENGTH);
            return Response::from_parts(head, Body::empty());
        }
        if let Some(query) = &self.signature {
            bytes = sign_text(&String::from_utf8_lossy(&bytes), query).into();
        }
        if self.takes_gzip
            && bytes.len() >= WORTH_IT
            && let Ok(compressed) = gzip(&bytes)
        {
            bytes = compressed.into();
            headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            weaken(headers);
        }
        headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes.len()));
        Response::from_parts(head, Body::from(bytes))
    }
}

/// Whether a client takes gzip (RFC 9110 §12.5.3).
pub(super) fn takes_gzip(headers: &HeaderMap) -> bool {
    let fields = headers.get_all(ACCEPT_ENCODING).iter();
    let words = fields.filter_map(|field| field.to_str().ok());
    let mut codings = words.flat_map(|field| field.split(','));
    codings.any(|coding| {
        let (name, weight) = coding.split_once(';').unwrap_or((coding, ""));
        let weight = weight.trim().strip_prefix("q=").map(str::parse::<f32>);
        let is_refused = matches!(weight, Some(Ok(weight)) if weight <= 0.0);
        name.trim().eq_ignore_ascii_case("gzip") && !is_refused
    })
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::with_capacity(bytes.len() / 4), Compression::fast());
    encoder.write_all(bytes)?;
    encoder.finish()
}

/// The same playlist in other bytes has no strong entity tag of its own (RFC 9110 §8.8.1).
pub(super) fn weaken(headers: &mut HeaderMap) {
    let weak = headers.get(ETAG).and_then(|tag| tag.to_str().ok());
    let weak = weak.map(|tag| format!("W/{}", tag.trim_start_matches("W/")));
    if let Some(weak) = weak.and_then(|tag| HeaderValue::from_str(&tag).ok()) {
        headers.insert(ETAG, weak);
    }
}

/// Our own playlists have addresses on lines of their own and as the `URI` of tags (RFC 8216bis
/// §4.4), none of them with a query.
fn sign_text(text: &str, query: &str) -> String {
    let mut signed = String::with_capacity(2 * text.len());
    for line in text.lines() {
        sign_line(line, query, &mut signed);
    }
    signed
}

/// The same for one line.
pub(super) fn sign_line(line: &str, query: &str, signed: &mut String) {
    if line.starts_with('#')
        && let Some((tag, uri)) = line.split_once(URI)
        && let Some((uri, rest)) = uri.split_once('"')
    {
        *signed += &format!("{tag}{URI}{uri}?{query}\"{rest}");
    } else if line.is_empty() || line.starts_with('#') {
        *signed += line;
    } else {
        *signed += &format!("{line}?{query}");
    }
    signed.push('\n');
}

pub(super) const PLAYLIST: &str = "application/vnd.apple.mpegurl";
const URI: &str = "URI=\"";

/// The largest window of time shift has 15,000 segments of some 150 bytes each: two hours of them that
/// are half a second long.
const MAX_PLAYLIST: usize = 8 << 20;

/// Less than this fits into one packet as it is.
pub(super) const WORTH_IT: usize = 512;

#[cfg(test)]
mod tests {
    use std::io::Read as _;

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

    fn signs() -> Finish {
        Finish {
            signature: Some("k=v".to_owned()),
            takes_gzip: false,
        }
    }

    #[tokio::test]
    async fn every_address_gets_the_signature_and_nothing_else_does() {
        let signed = signs().apply(playlist(TEXT)).await;
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
        let head = signs().apply(playlist("")).await;
        assert!(!head.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(text(head).await, "");
        let mut unchanged = playlist("");
        *unchanged.status_mut() = StatusCode::NOT_MODIFIED;
        let unchanged = signs().apply(unchanged).await;
        assert!(unchanged.headers().contains_key(CONTENT_LENGTH));
        assert_eq!(unchanged.headers()[VARY], "accept-encoding");
        let segment = ([(CONTENT_TYPE, "video/mp4")], "a\nb").into_response();
        assert_eq!(text(signs().apply(segment).await).await, "a\nb");
    }

    #[tokio::test]
    async fn a_long_playlist_is_compressed_for_who_takes_that_and_signed_before() {
        let long = TEXT.repeat(20);
        let finish = Finish {
            takes_gzip: true,
            ..signs()
        };
        let mut response = playlist(&long);
        let tag = HeaderValue::from_static("\"7-1\"");
        response.headers_mut().insert(ETAG, tag);
        let small = finish.apply(response).await;
        let headers = small.headers().clone();
        assert_eq!(headers[CONTENT_ENCODING], "gzip");
        assert_eq!(headers[VARY], "accept-encoding");
        assert_eq!(headers[ETAG], "W/\"7-1\"");
        let bytes = to_bytes(small.into_body(), MAX_PLAYLIST).await.unwrap();
        assert_eq!(headers[CONTENT_LENGTH], bytes.len().to_string());
        assert!(bytes.len() * 8 < long.len(), "{} bytes", bytes.len());
        let mut read = String::new();
        flate2::read::GzDecoder::new(&bytes[..])
            .read_to_string(&mut read)
            .unwrap();
        assert_eq!(read, sign_text(&long, "k=v"));
        let short = finish.apply(playlist(TEXT)).await;
        assert!(!short.headers().contains_key(CONTENT_ENCODING));
    }

    #[test]
    fn gzip_is_taken_by_who_says_so() {
        let headers = |text: &'static str| {
            let value = HeaderValue::from_static(text);
            HeaderMap::from_iter([(ACCEPT_ENCODING, value)])
        };
        for good in ["gzip", "br, gzip;q=0.5", "GZIP", "deflate ,gzip ; q=1"] {
            assert!(takes_gzip(&headers(good)), "{good}");
        }
        for none in ["", "br", "gzip;q=0", "gzip;q=0.000", "identity", "x-gzip"] {
            assert!(!takes_gzip(&headers(none)), "{none}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn sound_in_a_playlist_of_its_own_is_signed_too() {
        let list = "#EXTM3U\n#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"opus\",NAME=\"Opus\",\
            URI=\"../a_opus.m3u8\"\n#EXT-X-STREAM-INF:BANDWIDTH=1,AUDIO=\"opus\"\n../a/video.m3u8\n";
        let signed = sign_text(list, "k=v");
        assert!(signed.contains("URI=\"../a_opus.m3u8?k=v\"\n"), "{signed}");
        assert!(signed.ends_with("\n../a/video.m3u8?k=v\n"), "{signed}");
        assert!(
            signed.contains("GROUP-ID=\"opus\",NAME=\"Opus\""),
            "{signed}"
        );
    }
}
