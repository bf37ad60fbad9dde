//! The apps' back ends, as the hub's task sees them.

use std::future::Future;
use std::pin::Pin;

use relay::StreamId;
use relay::record::RecordingView;

use super::task::BackEnd;
use crate::auth::Apps;
use crate::live::AppId;
use crate::live::broadcasts::{Publisher, Source};
use crate::live::chat::UnixTime;
use crate::push::AppPushes;
use crate::record::{AppRecordings, NotRecorded};
use crate::webhook::{BeforeMessage, LiveStreams, Notice, Verdict, Webhooks};
use crate::worker::{MediaEvent, Workers};

/// Webhooks, which are also told of streams on their way to FLV and HLS, whoever publishes them.
pub(super) struct BackEnds {
    webhooks: Webhooks,
    pushes: AppPushes,
    recordings: AppRecordings,
    streams: LiveStreams,
    workers: Workers,
}

impl BackEnds {
    pub(super) fn new(
        webhooks: Webhooks,
        (pushes, recordings): (AppPushes, AppRecordings),
        workers: Workers,
    ) -> Self {
        Self {
            webhooks,
            pushes,
            recordings,
            streams: LiveStreams::new(MAX_STREAMS),
            workers,
        }
    }
}

impl BackEnd for BackEnds {
    fn tell(&self, notice: Notice) {
        self.webhooks.tell(notice);
    }

    fn ask(&self, message: BeforeMessage) -> Pin<Box<dyn Future<Output = Verdict> + Send>> {
        Box::pin(self.webhooks.ask(message))
    }

    fn record(&self, app: AppId, name: &StreamId) -> Result<RecordingView, NotRecorded> {
        self.recordings.follow_room(app, name)
    }

    fn stop_recording(&self, app: AppId, name: &StreamId) {
        self.recordings.stop_all(app, name);
    }

    fn handle_media(&mut self, at: UnixTime, event: &MediaEvent, source: Option<&Source>) {
        let notice = match event {
            MediaEvent::BroadcastBegan {
                name,
                session,
                from,
                owner,
            } => {
                let whip = owner.as_ref().map(|owner| Publisher::Whip {
                    app: owner.app().unwrap_or(Apps::OPEN),
                });
                if let Some(publisher) = source.cloned().map(Publisher::Member).or(whip) {
                    self.pushes.pass(name, &publisher);
                }
                let app = self.workers.app_of(name);
                self.streams.began(at, name, (*session, *from), app)
            }
            MediaEvent::BroadcastEnded { name, session } => {
                let size = self.workers.picture_size(name);
                self.streams.ended(at, name, *session, size)
            }
            _ => None,
        };
        if let Some(notice) = notice {
            self.webhooks.tell(notice);
        }
    }

    fn end(&mut self, at: UnixTime) {
        let workers = &self.workers;
        for notice in self.streams.end_all(at, |name| workers.picture_size(name)) {
            self.webhooks.tell(notice);
        }
    }
}

/// Far more than one server relays.
const MAX_STREAMS: usize = 100_000;
