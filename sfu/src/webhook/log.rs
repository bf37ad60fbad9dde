//! The last requests to the apps' back ends, for the operator: no address, no body, no signature.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use serde::Serialize;

use crate::live::AppId;
use crate::live::chat::UnixTime;

/// One request and what became of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    /// Rises with each.
    pub id: u64,
    /// When it ended, in Unix milliseconds.
    pub at: u64,
    /// Whose back end it went to.
    #[serde(skip)]
    pub app: AppId,
    /// What it tells or asks.
    pub event: &'static str,
    /// The room or stream.
    pub subject: String,
    /// Whether it was answered with success.
    pub is_delivered: bool,
    /// Why not: a plain sentence.
    pub reason: Option<String>,
    /// The status of the answer, where it was another than 200.
    pub status: Option<u16>,
    /// Milliseconds.
    pub took_ms: u64,
}

/// The last [`KEPT`] requests of each app: a busy one does not hide what became of another's. The
/// apps are those of the settings.
#[derive(Debug, Default)]
pub(super) struct DeliveryLog(Mutex<Rings>);

#[derive(Debug, Default)]
struct Rings {
    next: u64,
    of: HashMap<AppId, VecDeque<Delivery>>,
}

/// What a request is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct About {
    pub(super) app: AppId,
    pub(super) event: &'static str,
    pub(super) subject: String,
}

impl DeliveryLog {
    /// Notes the end of a request. `error` is the sentence and the status of a failure.
    pub(super) fn note(
        &self,
        at: UnixTime,
        about: About,
        took: Duration,
        error: Option<(String, Option<u16>)>,
    ) {
        let mut rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        rings.next += 1;
        let (reason, status) = match error {
            Some((reason, status)) => (Some(reason), status),
            None => (None, None),
        };
        let delivery = Delivery {
            id: rings.next,
            at: at.0,
            app: about.app,
            event: about.event,
            subject: about.subject,
            is_delivered: reason.is_none(),
            reason,
            status,
            took_ms: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
        };
        let ring = rings.of.entry(about.app).or_default();
        if ring.len() == KEPT {
            ring.pop_front();
        }
        ring.push_back(delivery);
    }

    /// The last ones of an app, newest first.
    pub(super) fn last(&self, app: AppId, limit: usize) -> Vec<Delivery> {
        let rings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let theirs = rings.of.get(&app).into_iter().flatten().rev();
        theirs.take(limit).cloned().collect()
    }
}

/// Some minutes of a busy app; 40 kB.
const KEPT: usize = 200;

#[cfg(test)]
mod tests {
    use super::*;

    fn about(app: u32, event: &'static str) -> About {
        About {
            app: AppId(app),
            event,
            subject: "42".to_owned(),
        }
    }

    #[test]
    fn each_app_sees_its_own_newest_first() {
        let log = DeliveryLog::default();
        let took = Duration::from_millis(7);
        log.note(UnixTime(1), about(1, "room-created"), took, None);
        log.note(UnixTime(2), about(2, "room-created"), took, None);
        let error = ("it answered with status 503".to_owned(), Some(503));
        log.note(UnixTime(3), about(1, "entered"), took, Some(error));
        let last = log.last(AppId(1), 10);
        let seen: Vec<_> = last
            .iter()
            .map(|d| (d.id, d.event, d.is_delivered))
            .collect();
        assert_eq!(seen, [(3, "entered", false), (1, "room-created", true)]);
        assert_eq!((last[0].status, last[0].took_ms), (Some(503), 7));
        assert_eq!(log.last(AppId(1), 1).len(), 1);
        assert_eq!(log.last(AppId(9), 10), []);
    }

    #[test]
    fn old_ones_make_place() {
        let log = DeliveryLog::default();
        for at in 0..KEPT as u64 + 5 {
            log.note(UnixTime(at), about(1, "entered"), Duration::ZERO, None);
        }
        log.note(UnixTime(9), about(2, "entered"), Duration::ZERO, None);
        let all = log.last(AppId(1), usize::MAX);
        assert_eq!(all.len(), KEPT);
        assert_eq!(all.last().unwrap().at, 5);
        assert_eq!(log.last(AppId(2), usize::MAX).len(), 1);
    }
}
