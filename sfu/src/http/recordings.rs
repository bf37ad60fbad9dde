//! What is below `/recordings/`: files of recordings that have ended, for who may play the stream.

mod conditions;
mod lines;
mod readers;

use std::net::IpAddr;
use std::time::Instant;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE,
    ETAG, LAST_MODIFIED, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderValue, Method, StatusCode};
use relay::record::{ReadLimit, Readable, RecordingFile, RecordingPart, RecordingReader};

use self::conditions::{Validators, Verdict};
use self::lines::{Finish, Finished};
use self::readers::{NoTurn, Readers, Reading};
use super::app::App;
use super::problem::Problem;
use super::{access, cors, playlist};
use crate::config::RecordSettings;
use crate::live::AppId;

/// Recordings, and those who are sent some.
#[derive(Debug)]
pub(super) struct ServedRecordings {
    reader: RecordingReader,
    readers: Readers,
}

impl ServedRecordings {
    pub(super) fn new(settings: &RecordSettings, reader: RecordingReader) -> Self {
        Self {
            reader,
            readers: Readers::new(settings.max_reads, settings.max_reads_per_address),
        }
    }

    fn begin(&self, client: IpAddr) -> Result<Reading, Problem> {
        let (begun, ended) = self.readers.begin(Instant::now(), client);
        for _ in 0..ended {
            self.reader.count(ReadLimit::Idle);
        }
        begun.map_err(|none| {
            tracing::info!(%client, %none, "a reader of a recording is refused");
            match none {
                NoTurn::All { limit } => {
                    self.reader.count(ReadLimit::All);
                    Problem::ReadsBusy { limit }
                }
                NoTurn::Address { limit } => {
                    self.reader.count(ReadLimit::Address);
                    Problem::TooManyReads { limit }
                }
            }
        })
    }
}

pub(super) async fn serve(State(app): State<App>, request: Request) -> Response {
    let mut of = None;
    let answered = answer(&app, request, &mut of).await;
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    if let Some(app) = of {
        response.extensions_mut().insert(cors::OfApp(app));
    }
    response
}

/// The answer; `of` becomes the app whose rules are for it, once that is known.
async fn answer(app: &App, request: Request, of: &mut Option<AppId>) -> Result<Response, Problem> {
    let served = app.recordings().ok_or(Problem::NoSuchAddress)?;
    let method = request.method().clone();
    if !matches!(method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Err(Problem::Method {
            method,
            allowed: METHODS,
        });
    }
    // As it was sent: what is not written as a recorder writes it names nothing.
    let path = request.uri().path().strip_prefix("/recordings/");
    let file = path.and_then(RecordingFile::read);
    let file = file.ok_or(Problem::NoRecordingAddress)?;
    if method == Method::OPTIONS {
        // It takes no place: one that is refused hides from pages why.
        let owner = served.reader.find(&file).await.ok();
        let owner = owner.map(|recorded| AppId(recorded.owner()));
        *of = app.apps().app_of(file.stream.as_str(), owner);
        return Ok(cors::options(METHODS, None));
    }
    // Before the store is asked for anything.
    let reading = served.begin(access::client(&request))?;
    let found = served.reader.find(&file).await;
    let recorded = found.map_err(Problem::Recording)?;
    let owner = AppId(recorded.owner());
    *of = app.apps().app_of(file.stream.as_str(), Some(owner));
    let right = access::play_recording(app.site(), &request, file.stream.clone(), owner)?;
    let readable = recorded.open().await.map_err(Problem::Recording)?;
    let answer = Answer {
        part: file.part,
        signature: right.signature.map(|signature| signature.to_query()),
        reading,
    };
    answer.of(readable, &request)
}

/// What becomes of a file that the client may have.
struct Answer {
    part: RecordingPart,
    /// The files that a playlist names need it too.
    signature: Option<String>,
    reading: Reading,
}

impl Answer {
    fn of(self, file: Readable, request: &Request) -> Result<Response, Problem> {
        let size = file.size();
        let validators = Validators::new(size, file.modified());
        let is_playlist = self.part == RecordingPart::Playlist;
        let kind = kind(self.part);
        let verdict = conditions::judge(request.method(), request.headers(), &validators, size);
        let finish = Finish {
            signature: self.signature.filter(|_| is_playlist),
            takes_gzip: is_playlist
                && size >= playlist::WORTH_IT as u64
                && playlist::takes_gzip(request.headers()),
        };
        let is_head = request.method() == Method::HEAD;
        let sent = match verdict {
            Verdict::Failed => return Err(Problem::Precondition),
            Verdict::NotModified => None,
            Verdict::Outside if !is_playlist => return Err(Problem::Range { size }),
            Verdict::Part(range) if !is_playlist => Some((StatusCode::PARTIAL_CONTENT, range)),
            // A playlist is another text for each signature: it is sent whole (RFC 9110 §14.2).
            Verdict::Whole | Verdict::Part(_) | Verdict::Outside => Some((StatusCode::OK, 0..size)),
        };
        let mut response = match sent {
            None => StatusCode::NOT_MODIFIED.into_response(),
            Some((status, range)) => {
                let length = range.end - range.start;
                let content_range =
                    format!("bytes {}-{}/{size}", range.start, range.end.max(1) - 1);
                let is_changed = finish.changes();
                let body = match is_head {
                    true => Body::empty(),
                    false => {
                        let body = file.body(range);
                        Body::new(Finished::new(body, &finish, self.reading))
                    }
                };
                let mut response = Response::new(body);
                *response.status_mut() = status;
                let headers = response.headers_mut();
                if !is_changed {
                    headers.insert(CONTENT_LENGTH, length.into());
                }
                if finish.takes_gzip {
                    headers.insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
                }
                if status == StatusCode::PARTIAL_CONTENT {
                    set(&mut response, CONTENT_RANGE, &content_range)?;
                }
                set(&mut response, CONTENT_TYPE, kind)?;
                response
            }
        };
        set(&mut response, ETAG, &validators.etag)?;
        set(&mut response, LAST_MODIFIED, &validators.last_modified())?;
        set(&mut response, CACHE_CONTROL, CACHE)?;
        set(&mut response, X_CONTENT_TYPE_OPTIONS, "nosniff")?;
        if is_playlist {
            set(&mut response, VARY, "accept-encoding")?;
            if finish.takes_gzip {
                playlist::weaken(response.headers_mut());
            }
        } else {
            set(&mut response, ACCEPT_RANGES, "bytes")?;
        }
        Ok(response)
    }
}

fn kind(part: RecordingPart) -> &'static str {
    match part {
        RecordingPart::Playlist => playlist::PLAYLIST,
        RecordingPart::Mp4 | RecordingPart::Init(_) | RecordingPart::Segment(_) => "video/mp4",
    }
}

fn set(response: &mut Response, name: http::HeaderName, value: &str) -> Result<(), Problem> {
    let value = HeaderValue::try_from(value).map_err(|_| Problem::Internal)?;
    response.headers_mut().insert(name, value);
    Ok(())
}

const METHODS: &str = "GET, HEAD, OPTIONS";

/// What has ended never changes under its name (RFC 8246). Nothing else is served.
const CACHE: &str = "public, max-age=31536000, immutable";
