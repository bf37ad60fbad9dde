//! A file as the body of a response, read piece by piece: a slow client holds one piece.

use std::fs::File;
use std::io::{self, Read};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::body::Body;
use bytes::Bytes;
use hyper::body::{Frame, SizeHint};
use tokio::task::JoinHandle;

/// An open file.
#[derive(Debug)]
pub(crate) struct OpenFile {
    pub(crate) file: File,
    /// Bytes, when it was opened.
    pub(crate) length: u64,
    pub(crate) content_type: &'static str,
}

impl OpenFile {
    pub(crate) fn into_body(self) -> Body {
        Body::new(FileBody {
            left: self.length,
            state: State::Waiting(self.file),
        })
    }
}

struct FileBody {
    left: u64,
    state: State,
}

enum State {
    Waiting(File),
    /// On a thread that may block.
    Reading(JoinHandle<io::Result<(File, Vec<u8>)>>),
    Ended,
}

impl hyper::body::Body for FileBody {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<io::Result<Frame<Bytes>>>> {
        loop {
            match std::mem::replace(&mut self.state, State::Ended) {
                State::Waiting(_) if self.left == 0 => return Poll::Ready(None),
                State::Waiting(file) => {
                    let most = self.left.min(PIECE);
                    let read = move || read_piece(file, most);
                    self.state = State::Reading(tokio::task::spawn_blocking(read));
                }
                State::Reading(mut task) => {
                    let done = match Pin::new(&mut task).poll(context) {
                        Poll::Pending => {
                            self.state = State::Reading(task);
                            return Poll::Pending;
                        }
                        Poll::Ready(done) => done,
                    };
                    let (file, piece) = done.map_err(io::Error::other)??;
                    // A file that was cut short ends the connection, not the body: the client
                    // was promised its length.
                    self.left = self.left.saturating_sub(piece.len() as u64);
                    self.state = State::Waiting(file);
                    return Poll::Ready(Some(Ok(Frame::data(piece.into()))));
                }
                State::Ended => return Poll::Ready(None),
            }
        }
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

fn read_piece(mut file: File, most: u64) -> io::Result<(File, Vec<u8>)> {
    let mut piece = Vec::new();
    (&mut file).take(most).read_to_end(&mut piece)?;
    if piece.is_empty() {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((file, piece))
}

/// Large enough for the disk, small enough for thousands of slow clients.
const PIECE: u64 = 64 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt;
    use std::io::Write;

    fn body(content: &[u8], length: u64) -> Body {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        file.write_all(content).unwrap();
        let file = file.reopen().unwrap();
        let open = OpenFile {
            file,
            length,
            content_type: "image/png",
        };
        open.into_body()
    }

    #[tokio::test]
    async fn a_file_is_sent_whole_in_pieces() {
        let content: Vec<u8> = (0..200_000u32).map(|n| n as u8).collect();
        let mut body = body(&content, 200_000);
        let mut sent = Vec::new();
        while let Some(frame) = body.frame().await {
            let data = frame.unwrap().into_data().unwrap();
            assert!(data.len() as u64 <= PIECE);
            sent.extend_from_slice(&data);
        }
        assert_eq!(sent, content);
    }

    #[tokio::test]
    async fn a_file_that_grew_is_sent_as_long_as_was_said_and_one_that_shrank_breaks_off() {
        let sent = body(b"0123456789", 4).collect().await.unwrap().to_bytes();
        assert_eq!(sent.as_ref(), b"0123");
        assert!(body(b"0123", 10).collect().await.is_err());
    }
}
