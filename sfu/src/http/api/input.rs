//! The parts of a request, read and checked.

use std::str::FromStr;

use axum::extract::Query;
use http::Uri;
use relay::StreamId;
use relay::record::RecordingId;
use serde::de::DeserializeOwned;

use super::endpoint::Param;
use super::refusal::Refusal;
use crate::live::{InvalidId, RoomId, TrackKind, UserId};
use crate::signal::hub::admin::{MAX_PAGE, RoomText};

/// Path, query and body of one request.
#[derive(Debug)]
pub(super) struct Input<'a> {
    path: Vec<(String, String)>,
    query: Vec<(String, String)>,
    body: &'a str,
}

impl<'a> Input<'a> {
    /// `path` holds the decoded parts of the path by name.
    pub(super) fn read(
        path: Vec<(String, String)>,
        uri: &Uri,
        allowed: &[Param],
        body: &'a str,
    ) -> Result<Self, Refusal> {
        let query = Query::<Vec<(String, String)>>::try_from_uri(uri);
        let Query(query) = query.map_err(|_| Refusal::Query {
            name: "?".to_owned(),
            allowed: "name=value pairs with percent-encoding".to_owned(),
        })?;
        for (at, (name, _)) in query.iter().enumerate() {
            let is_known = allowed.iter().any(|param| param.name == name);
            let is_first = query[..at].iter().all(|(other, _)| other != name);
            if !is_known || !is_first {
                let names: Vec<_> = allowed.iter().map(|param| param.name).collect();
                return Err(Refusal::Query {
                    name: short(name),
                    allowed: match names.as_slice() {
                        [] => "this address takes no query".to_owned(),
                        names => format!("{}, each once", names.join(", ")),
                    },
                });
            }
        }
        Ok(Self { path, query, body })
    }

    pub(super) fn room(&self) -> Result<RoomId, Refusal> {
        self.part::<RoomText, InvalidId>("room").map(|room| room.0)
    }

    pub(super) fn other(&self) -> Result<RoomId, Refusal> {
        self.part::<RoomText, InvalidId>("other").map(|room| room.0)
    }

    pub(super) fn user(&self) -> Result<UserId, Refusal> {
        self.part("user")
    }

    pub(super) fn seat(&self) -> Result<u16, Refusal> {
        self.part("seat")
    }

    pub(super) fn sequence(&self) -> Result<u64, Refusal> {
        self.part("sequence")
    }

    pub(super) fn stream(&self) -> Result<StreamId, Refusal> {
        self.part("stream")
    }

    /// A number that something was given.
    pub(super) fn number(&self, name: &'static str) -> Result<u64, Refusal> {
        self.part(name)
    }

    pub(super) fn push(&self) -> Result<u64, Refusal> {
        self.part("push")
    }

    pub(super) fn recording(&self) -> Result<RecordingId, Refusal> {
        self.part("recording")
    }

    pub(super) fn name(&self) -> Result<String, Refusal> {
        self.part("name")
    }

    pub(super) fn track(&self) -> Result<TrackKind, Refusal> {
        match self.text("track") {
            "main" => Ok(TrackKind::Main),
            "aux" => Ok(TrackKind::Aux),
            _ => Err(Refusal::Path {
                name: "track",
                reason: "main and aux are".to_owned(),
            }),
        }
    }

    /// A value of the query, if it is there.
    pub(super) fn query<T: FromStr>(
        &self,
        name: &str,
        allowed: &str,
    ) -> Result<Option<T>, Refusal> {
        let found = self.query.iter().find(|(other, _)| other == name);
        let parsed = found.map(|(_, value)| value.parse());
        parsed.transpose().map_err(|_| Refusal::Query {
            name: name.to_owned(),
            allowed: allowed.to_owned(),
        })
    }

    /// A room in the query.
    pub(super) fn query_room(&self, name: &str) -> Result<Option<RoomId>, Refusal> {
        let room = self.query::<RoomText>(name, "a room's number, or name")?;
        Ok(room.map(|room| room.0))
    }

    /// A user in the query.
    pub(super) fn query_user(&self, name: &str) -> Result<Option<UserId>, Refusal> {
        self.query(name, "a user id of 1 to 32 bytes")
    }

    /// Entries in a page.
    pub(super) fn limit(&self) -> Result<usize, Refusal> {
        let allowed = "1 to 100";
        match self.query("limit", allowed)? {
            None => Ok(DEFAULT_PAGE),
            Some(limit) if (1..=MAX_PAGE).contains(&limit) => Ok(limit),
            Some(_) => Err(Refusal::Query {
                name: "limit".to_owned(),
                allowed: allowed.to_owned(),
            }),
        }
    }

    /// The body.
    pub(super) fn body<T: DeserializeOwned>(&self) -> Result<T, Refusal> {
        serde_json::from_str(self.body).map_err(|error| Refusal::Json {
            reason: error.to_string(),
        })
    }

    fn part<T: FromStr<Err = E>, E: std::fmt::Display>(
        &self,
        name: &'static str,
    ) -> Result<T, Refusal> {
        let parsed = self.text(name).parse();
        parsed.map_err(|error: E| Refusal::Path {
            name,
            reason: error.to_string(),
        })
    }

    fn text(&self, name: &str) -> &str {
        let found = self.path.iter().find(|(other, _)| other == name);
        found.map_or("", |(_, value)| value)
    }
}

/// Enough of a caller's own word to find it again.
fn short(text: &str) -> String {
    text.chars().take(40).filter(|c| !c.is_control()).collect()
}

const DEFAULT_PAGE: usize = 50;
