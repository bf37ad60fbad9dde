//! What an nginx asked its origin for, by its access log.

use std::collections::HashSet;

use serde::Serialize;

/// The format of the lines that [`Pulls::count`] reads.
pub(super) const FORMAT: &str = r"$server_port\t$status\t$upstream_addr\t$request_uri";

/// Requests of one kind: what viewers asked for, and what of it went on to the origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Pulls {
    /// What was asked for.
    pub kind: Kind,
    /// Requests of viewers.
    pub asked: u64,
    /// Different addresses among them, with their query.
    pub addresses: u64,
    /// Requests to the origin.
    pub pulled: u64,
    /// Viewers' requests that were answered with an error.
    pub refused: u64,
}

/// What an address asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The newest playlist.
    Playlist,
    /// A playlist by its position.
    BlockingPlaylist,
    /// A Partial Segment.
    Part,
    /// A Media Segment.
    Segment,
    /// A Media Initialization Section.
    InitSection,
    /// An FLV stream.
    Flv,
}

impl Kind {
    const ALL: [Kind; 6] = [
        Kind::Playlist,
        Kind::BlockingPlaylist,
        Kind::Part,
        Kind::Segment,
        Kind::InitSection,
        Kind::Flv,
    ];

    /// Reads an address as the server makes them: `….MSN.PART.m4s` is a part.
    fn of(uri: &str) -> Option<Kind> {
        let (path, query) = uri.split_once('?').unwrap_or((uri, ""));
        let (name, extension) = path.rsplit_once('.')?;
        Some(match extension {
            "m3u8" if query.contains("_HLS_msn=") => Kind::BlockingPlaylist,
            "m3u8" => Kind::Playlist,
            "m4s" if name.rsplit('/').next()?.contains('.') => Kind::Part,
            "m4s" => Kind::Segment,
            "mp4" => Kind::InitSection,
            "flv" => Kind::Flv,
            _ => return None,
        })
    }
}

impl Pulls {
    /// Counts the lines of an access log. Requests that came to `port` are the viewers';
    /// those that were passed to the address `origin` are pulls, once for each time.
    pub(super) fn count(log: &str, port: u16, origin: &str) -> Vec<Pulls> {
        let port = port.to_string();
        let mut seen = HashSet::new();
        let mut all = Kind::ALL.map(|kind| Pulls {
            kind,
            asked: 0,
            addresses: 0,
            pulled: 0,
            refused: 0,
        });
        for line in log.lines() {
            let mut fields = line.split('\t');
            let [Some(at), Some(status), Some(upstream), Some(uri)] =
                [(); 4].map(|()| fields.next())
            else {
                continue;
            };
            let Some(kind) = Kind::of(uri) else { continue };
            let Some(pulls) = all.iter_mut().find(|pulls| pulls.kind == kind) else {
                continue;
            };
            if at == port {
                pulls.asked += 1;
                pulls.addresses += u64::from(seen.insert(uri));
                pulls.refused += u64::from(status >= "400" && status != CLIENT_LEFT);
            }
            pulls.pulled += upstream.split(", ").filter(|to| *to == origin).count() as u64;
        }
        all.into_iter().filter(|pulls| pulls.asked > 0).collect()
    }
}

/// nginx's own status for a client that did not wait for its answer.
const CLIENT_LEFT: &str = "499";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_viewers_asked_for_and_what_went_on_are_told_apart() {
        let log = "8081\t200\t127.0.0.1:8082\t/live/a.m3u8?_HLS_msn=4&_HLS_part=1\n\
                   8081\t200\t-\t/live/a.m3u8?_HLS_msn=4&_HLS_part=1\n\
                   8081\t499\t-\t/live/a.m3u8?_HLS_msn=4&_HLS_part=2\n\
                   8082\t200\t127.0.0.1:8080\t/live/a.m3u8?_HLS_msn=4&_HLS_part=1\n\
                   8081\t502\t127.0.0.1:8080, 127.0.0.1:8080\t/live/a/x-4.1.m4s\n\
                   8081\t200\t127.0.0.1:8080\t/live/a/x-4.m4s\n\
                   8081\t200\t127.0.0.1:8080\t/live/a.flv\n\
                   8081\t404\t-\t/favicon.ico\n\
                   torn";
        let pulls = |kind, asked, addresses, pulled, refused| Pulls {
            kind,
            asked,
            addresses,
            pulled,
            refused,
        };
        assert_eq!(
            Pulls::count(log, 8081, "127.0.0.1:8080"),
            [
                pulls(Kind::BlockingPlaylist, 3, 2, 1, 0),
                pulls(Kind::Part, 1, 1, 2, 1),
                pulls(Kind::Segment, 1, 1, 1, 0),
                pulls(Kind::Flv, 1, 1, 1, 0),
            ]
        );
    }
}
