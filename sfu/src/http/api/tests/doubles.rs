//! A server without workers: one push and three recordings of whatever is asked for.

use relay::StreamId;
use relay::push::{PushId, PushRefused, PushState, PushTarget, PushView};
use relay::record::{EndReason, NotRemoved, RecordState, RecordingId, RecordingView};

use super::*;
use crate::http::viewings::Viewings;
use crate::live::broadcasts::Publisher;
use crate::push::PushDesk;
use crate::record::{Deleting, NotDeleted, NotRecorded, RecordDesk};
use crate::webhook::Delivery;
use crate::worker::StreamMeasure;

pub(super) struct NoWorkers(Viewings);

impl Default for NoWorkers {
    fn default() -> Self {
        let metrics = HttpMetrics::register(&prometheus::Registry::new());
        Self(Viewings::new(metrics.unwrap()))
    }
}

impl Sights for NoWorkers {
    fn measures(&self, _: AppId, _: u64) -> Vec<StreamMeasure> {
        Vec::new()
    }

    fn deliveries(&self, _: AppId, _: usize) -> Vec<Delivery> {
        Vec::new()
    }

    fn viewings(&self) -> &Viewings {
        &self.0
    }

    fn picture_size(&self, _: &StreamId) -> Option<(u16, u16)> {
        None
    }

    fn publisher_app(&self, name: &StreamId) -> Option<AppId> {
        live_app(name)
    }

    fn pushes(&self) -> &dyn PushDesk {
        &OnePush
    }

    fn recordings(&self) -> &dyn RecordDesk {
        &ThreeRecordings
    }
}

/// Everything comes by WHIP from the usual app, but what says that it is of nobody or of others.
pub(super) fn live_app(name: &StreamId) -> Option<AppId> {
    match name.as_str() {
        "nobodys" => None,
        "others" => Some(AppId(APP.0 + 1)),
        _ => Some(APP),
    }
}

pub(super) struct OnePush;

impl PushDesk for OnePush {
    fn of(&self, _: AppId, name: &StreamId) -> Vec<PushView> {
        vec![PushView {
            id: PushId(1),
            stream: name.clone(),
            target: "rtmp://h/app".to_owned(),
            state: PushState::Running,
            error: None,
            sent_bytes: 1,
            reconnects: 0,
        }]
    }

    fn start(
        &self,
        publisher: &Publisher,
        name: &StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        let mut view = self.of(publisher.app(), name).remove(0);
        view.target = target.to_string();
        Ok(view)
    }

    fn stop(&self, _: AppId, _: &StreamId, id: PushId) -> bool {
        id == PushId(1)
    }
}

struct ThreeRecordings;

impl RecordDesk for ThreeRecordings {
    fn are_kept(&self) -> bool {
        true
    }

    fn are_served(&self) -> bool {
        true
    }

    fn of(&self, app: AppId, name: Option<&StreamId>) -> Vec<RecordingView> {
        let over = "over".parse().unwrap();
        let name = name.unwrap_or(&over);
        let recording = |id: &str| RecordingView {
            id: id.parse().unwrap(),
            stream: name.clone(),
            owner: app.0,
            state: RecordState::Ended,
            started_at: 1,
            reason: Some(EndReason::DiskFull),
            error: Some("the disk is full".to_owned()),
            duration: Duration::from_secs(2),
            bytes: 3,
            segments: 1,
            missed: 4,
            folder: format!("{name}/1"),
            playlist: Some(format!("{name}/1/index.m3u8")),
            mp4: Some((format!("{name}/1/recording.mp4"), 5)),
        };
        ["1", "2", "3"].map(recording).into()
    }

    fn page(
        &self,
        app: AppId,
        name: Option<&StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        let mut views = self.of(app, name);
        views.retain(|view| after.is_none_or(|after| view.id > *after));
        views.truncate(limit);
        views
    }

    fn start(&self, app: AppId, name: &StreamId) -> Result<RecordingView, NotRecorded> {
        Ok(self.of(app, Some(name)).remove(0))
    }

    fn stop(&self, _: AppId, _: &StreamId, id: &RecordingId) -> bool {
        id.as_str() == "1"
    }

    fn remove<'a>(&'a self, _: AppId, id: &'a RecordingId) -> Deleting<'a> {
        let id = id.clone();
        let deleted = match id.as_str() {
            "1" => Ok(()),
            "2" => Err(NotRemoved::NotEnded { id }),
            "3" => Err(NotRemoved::Store { id }),
            _ => Err(NotRemoved::NoSuch { id }),
        };
        Box::pin(std::future::ready(deleted.map_err(NotDeleted::from)))
    }
}
