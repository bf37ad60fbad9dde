//! Files on their way to the client. A playlist is signed where play addresses are, line by line, and
//! compressed: that of a recording of half a day has megabytes, and never all of them are in memory.

use std::io::{self, Write};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Instant;

use axum::BoxError;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use hyper::body::{Body as HttpBody, Frame, SizeHint};

use super::super::playlist::sign_line;
use super::readers::Reading;

/// What is done to a file.
#[derive(Debug, Clone, Default)]
pub(super) struct Finish {
    /// The query of the signed address that the client used.
    pub(super) signature: Option<String>,
    /// The client takes gzip.
    pub(super) takes_gzip: bool,
}

impl Finish {
    /// Whether other bytes are sent than the file has.
    pub(super) fn changes(&self) -> bool {
        self.signature.is_some() || self.takes_gzip
    }

    fn lines(&self) -> Option<Lines> {
        self.changes().then(|| Lines {
            signature: self.signature.clone(),
            rest: Vec::new(),
            gzip: self
                .takes_gzip
                .then(|| GzEncoder::new(Vec::new(), Compression::fast())),
        })
    }
}

/// A playlist as it comes and as it goes.
#[derive(Debug)]
struct Lines {
    signature: Option<String>,
    /// The line that has not ended.
    rest: Vec<u8>,
    gzip: Option<GzEncoder<Vec<u8>>>,
}

impl Lines {
    /// Takes some bytes; gives what may go on.
    fn push(&mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let text = match &self.signature {
            None => bytes.to_vec(),
            Some(signature) => {
                self.rest.extend_from_slice(bytes);
                let whole = self.rest.iter().rposition(|byte| *byte == b'\n');
                let rest = self.rest.split_off(whole.map_or(0, |end| end + 1));
                let lines = std::mem::replace(&mut self.rest, rest);
                // Our own lines are short.
                if self.rest.len() > LONGEST_LINE {
                    return Err(io::ErrorKind::InvalidData.into());
                }
                sign(&lines, signature)
            }
        };
        let Some(gzip) = &mut self.gzip else {
            return Ok(text);
        };
        gzip.write_all(&text)?;
        Ok(std::mem::take(gzip.get_mut()))
    }

    /// What is left once all has come.
    fn end(self) -> io::Result<Vec<u8>> {
        let rest = match &self.signature {
            Some(signature) => sign(&self.rest, signature),
            None => self.rest,
        };
        match self.gzip {
            None => Ok(rest),
            Some(mut gzip) => {
                gzip.write_all(&rest)?;
                gzip.finish()
            }
        }
    }
}

fn sign(lines: &[u8], signature: &str) -> Vec<u8> {
    let text = String::from_utf8_lossy(lines);
    let mut signed = String::with_capacity(2 * text.len());
    for line in text.lines() {
        sign_line(line, signature, &mut signed);
    }
    signed.into_bytes()
}

/// A body on its way, which holds a place until it is over.
pub(super) struct Finished<B> {
    body: B,
    lines: Option<Lines>,
    reading: Reading,
    is_over: bool,
}

impl<B> Finished<B> {
    pub(super) fn new(body: B, finish: &Finish, reading: Reading) -> Self {
        Self {
            body,
            lines: finish.lines(),
            reading,
            is_over: false,
        }
    }
}

impl<B> Finished<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    fn poll_bytes(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, BoxError>>> {
        loop {
            if self.is_over {
                return Poll::Ready(None);
            }
            if !self.reading.goes_on(Instant::now()) {
                return Poll::Ready(Some(Err("it had to make place for others".into())));
            }
            let piece = match ready!(Pin::new(&mut self.body).poll_frame(cx)) {
                Some(Ok(frame)) => frame.into_data().unwrap_or_default(),
                Some(Err(error)) => return Poll::Ready(Some(Err(error.into()))),
                None => {
                    self.is_over = true;
                    match self.lines.take() {
                        Some(lines) => lines.end()?.into(),
                        None => Bytes::new(),
                    }
                }
            };
            let piece = match &mut self.lines {
                Some(lines) => lines.push(&piece)?.into(),
                None => piece,
            };
            if !piece.is_empty() {
                return Poll::Ready(Some(Ok(piece)));
            }
        }
    }
}

impl<B> HttpBody for Finished<B>
where
    B: HttpBody<Data = Bytes, Error: Into<BoxError>> + Unpin,
{
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        let polled = ready!(self.poll_bytes(cx));
        if matches!(polled, Some(Err(_))) {
            self.is_over = true;
        }
        Poll::Ready(polled.map(|bytes| bytes.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.is_over || (self.lines.is_none() && self.body.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match self.lines.is_some() {
            true => SizeHint::default(),
            false => self.body.size_hint(),
        }
    }
}

/// Ours have less than a hundred characters.
const LONGEST_LINE: usize = 4_096;

#[cfg(test)]
mod tests {
    use std::io::Read as _;
    use std::net::IpAddr;
    use std::time::Duration;

    use axum::body::Body;
    use http_body_util::BodyExt;
    use packager::hls::{SegmentHead, VodSegment, vod_playlist};

    use super::super::readers::Readers;
    use super::*;

    const LOCAL: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);

    fn playlist(segments: usize) -> String {
        let segment = |number: usize| VodSegment {
            uri: format!("{number:06}.m4s"),
            duration: Duration::from_secs(2),
            head: SegmentHead {
                map_uri: format!("init{}.mp4", number / 100),
                discontinuity: number.is_multiple_of(100),
                program_date_time: std::time::UNIX_EPOCH,
            },
        };
        vod_playlist(&(0..segments).map(segment).collect::<Vec<_>>())
    }

    /// As it goes when it comes in pieces of such a size.
    fn pieces(finish: &Finish, text: &str, size: usize) -> Vec<u8> {
        let mut lines = finish.lines().unwrap();
        let mut all = Vec::new();
        for piece in text.as_bytes().chunks(size) {
            all.extend(lines.push(piece).unwrap());
            assert!(lines.rest.len() <= LONGEST_LINE);
        }
        all.extend(lines.end().unwrap());
        all
    }

    fn unpacked(bytes: &[u8]) -> String {
        let mut text = String::new();
        let mut read = flate2::read::GzDecoder::new(bytes);
        read.read_to_string(&mut text).unwrap();
        text
    }

    #[test]
    fn every_address_is_signed_wherever_the_pieces_end() {
        let text = playlist(250);
        let signed = text.replace(".mp4", ".mp4?k=v").replace(".m4s", ".m4s?k=v");
        assert_eq!(signed.matches("?k=v").count(), 250 + 3);
        for takes_gzip in [false, true] {
            let finish = Finish {
                signature: Some("k=v".to_owned()),
                takes_gzip,
            };
            for size in [1, 7, 100, 1_000, 1 << 20] {
                let got = pieces(&finish, &text, size);
                let got = match takes_gzip {
                    true => {
                        assert!(got.len() * 4 < signed.len(), "{}", got.len());
                        unpacked(&got)
                    }
                    false => String::from_utf8(got).unwrap(),
                };
                assert!(got == signed, "{size}");
            }
        }
        let finish = Finish {
            signature: None,
            takes_gzip: true,
        };
        assert_eq!(unpacked(&pieces(&finish, &text, 1_000)), text);
        assert!(Finish::default().lines().is_none());
    }

    #[test]
    fn a_line_without_an_end_is_none_of_ours() {
        let finish = Finish {
            signature: Some("k=v".to_owned()),
            takes_gzip: false,
        };
        let mut lines = finish.lines().unwrap();
        assert!(lines.push(&[b'a'; LONGEST_LINE]).unwrap().is_empty());
        assert!(lines.push(b"a").is_err());
    }

    #[tokio::test]
    async fn a_body_that_makes_place_breaks_off_and_others_come_whole() {
        let readers = Readers::new(1, 1);
        let begin = |now| readers.begin(now, LOCAL).0;
        let text = playlist(10);
        let reading = begin(Instant::now()).unwrap();
        let whole = Finished::new(Body::from(text.clone()), &Finish::default(), reading);
        assert_eq!(whole.size_hint().exact(), Some(text.len() as u64));
        let got = whole.collect().await.unwrap().to_bytes();
        assert_eq!(got, text.as_bytes());
        let reading = begin(Instant::now()).unwrap();
        let mut idle = Finished::new(Body::from(text), &Finish::default(), reading);
        let other = begin(Instant::now() + Duration::from_secs(600)).unwrap();
        assert!(idle.frame().await.unwrap().is_err());
        assert!(idle.frame().await.is_none());
        drop(other);
    }
}
