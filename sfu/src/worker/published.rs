//! Which app published a stream last, so that its play addresses are checked to their end.

use std::collections::{HashMap, VecDeque};

use relay::StreamId;

use crate::live::AppId;

/// The apps of the streams published last. A stream that is forgotten is one whose app cannot be
/// told: its play addresses are checked more strictly, not less.
#[derive(Debug, Default)]
pub(crate) struct Published {
    apps: HashMap<StreamId, AppId>,
    /// Oldest first.
    order: VecDeque<StreamId>,
    forgotten: u64,
}

impl Published {
    pub(crate) fn note(&mut self, stream: &StreamId, app: AppId) {
        if self.apps.insert(stream.clone(), app).is_some() {
            return;
        }
        self.order.push_back(stream.clone());
        if self.order.len() > LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.apps.remove(&oldest);
            self.forgotten += 1;
        }
    }

    /// Streams that made place for newer ones, since the start.
    pub(crate) fn forgotten(&self) -> u64 {
        self.forgotten
    }

    pub(crate) fn app_of(&self, stream: &StreamId) -> Option<AppId> {
        self.apps.get(stream).copied()
    }
}

/// Some megabytes, and far more than the relay keeps broadcasts after their end.
const LIMIT: usize = 1 << 16;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_streams_are_forgotten() {
        let stream = |n: usize| format!("s{n}").parse::<StreamId>().expect("stream id");
        let mut published = Published::default();
        for n in 0..=LIMIT {
            published.note(&stream(n), AppId(1));
            published.note(&stream(n), AppId(2));
        }
        assert_eq!(published.app_of(&stream(0)), None);
        assert_eq!(published.app_of(&stream(1)), Some(AppId(2)));
        assert_eq!(published.app_of(&stream(LIMIT)), Some(AppId(2)));
        assert_eq!(published.forgotten(), 1);
        assert_eq!(published.apps.len(), LIMIT);
        assert_eq!(published.order.len(), LIMIT);
    }
}
