//! Endpoints of what the server sees beside the rooms: how streams travel, and what back ends
//! were told.

use std::future::Future;
use std::pin::Pin;

use relay::push::{PushId, PushRefused, PushTarget, PushView};
#[cfg(test)]
use relay::record::NotRemoved;
use relay::record::{RecordingId, RecordingView};
use serde::Serialize;
use serde_json::Value;

use super::endpoint::{Endpoint, Group, Param};
use super::input::Input;
use super::refusal::Refusal;
use super::viewers::Watch;
#[cfg(test)]
use crate::http::metrics::HttpMetrics;
use crate::http::viewings::Viewings;
use crate::live::broadcasts::Source;
use crate::live::{AppId, UserId};
use crate::push::AppPushes;
use crate::record::{AppRecordings, NotDeleted, NotRecorded};
use crate::webhook::{Delivery, Webhooks};
use crate::worker::{INTERVAL_MS, Owner, Sample, StreamMeasure, Workers};

/// The way to those who see it.
pub trait Sights: Send + Sync + 'static {
    /// How an app's streams travel: what is newer than `after`, in Unix milliseconds.
    fn measures(&self, app: AppId, after: u64) -> Vec<StreamMeasure>;
    /// The last requests to an app's back end, newest first.
    fn deliveries(&self, app: AppId, limit: usize) -> Vec<Delivery>;
    /// Who watches FLV, and who may not.
    fn viewings(&self) -> &Viewings;
    /// Width and height of a stream that is relayed under this name.
    fn picture_size(&self, name: &relay::StreamId) -> Option<(u16, u16)>;
    /// The pushes of a stream that is relayed under this name.
    fn pushes(&self, _name: &relay::StreamId) -> Vec<PushView> {
        Vec::new()
    }
    /// Begins one. A server that pushes nothing has nothing live.
    ///
    /// # Errors
    /// [`PushRefused`].
    fn start_push(
        &self,
        _source: &Source,
        name: &relay::StreamId,
        _target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        Err(PushRefused::NotLive {
            stream: name.clone(),
        })
    }
    /// Ends one; false if there is none.
    fn stop_push(&self, _name: &relay::StreamId, _id: PushId) -> bool {
        false
    }
    /// Whether recordings are kept.
    fn keeps_recordings(&self) -> bool {
        false
    }
    /// An app's newest recordings of a stream that is relayed under this name, in the order of their
    /// ids.
    fn recordings(&self, _app: AppId, _name: &relay::StreamId) -> Vec<RecordingView> {
        Vec::new()
    }
    /// An app's recordings after one, of a stream that is relayed under this name or of all, in the
    /// same order.
    fn recordings_page(
        &self,
        _app: AppId,
        _name: Option<&relay::StreamId>,
        _after: Option<&RecordingId>,
        _limit: usize,
    ) -> Vec<RecordingView> {
        Vec::new()
    }
    /// Whether players get recordings from this server.
    fn serves_recordings(&self) -> bool {
        false
    }
    /// Begins one.
    ///
    /// # Errors
    /// [`NotRecorded`].
    fn start_recording(
        &self,
        _app: AppId,
        _name: &relay::StreamId,
    ) -> Result<RecordingView, NotRecorded> {
        Err(NotRecorded::Off)
    }
    /// Removes one that has ended, with its files.
    ///
    /// # Errors
    /// [`NotDeleted`].
    fn delete_recording<'a>(&'a self, _app: AppId, _id: &'a RecordingId) -> Deleting<'a> {
        Box::pin(std::future::ready(Err(NotDeleted::Off)))
    }
    /// Ends one; false if there is none that goes on.
    fn stop_recording(&self, _app: AppId, _name: &relay::StreamId, _id: &RecordingId) -> bool {
        false
    }
}

/// Whether a recording could be removed.
pub type Deleting<'a> = Pin<Box<dyn Future<Output = Result<(), NotDeleted>> + Send + 'a>>;

/// The sights of a server that runs.
pub struct ServerSights {
    /// Who measures.
    pub workers: Workers,
    /// Who tells back ends.
    pub webhooks: Webhooks,
    /// Who watches FLV.
    pub viewings: Viewings,
    /// Who pushes.
    pub pushes: AppPushes,
    /// Who records.
    pub recordings: AppRecordings,
}

impl Sights for ServerSights {
    fn measures(&self, app: AppId, after: u64) -> Vec<StreamMeasure> {
        self.workers.measures(app, after)
    }

    fn deliveries(&self, app: AppId, limit: usize) -> Vec<Delivery> {
        self.webhooks.last(app, limit)
    }

    fn viewings(&self) -> &Viewings {
        &self.viewings
    }

    fn picture_size(&self, name: &relay::StreamId) -> Option<(u16, u16)> {
        self.workers.picture_size(name)
    }

    fn pushes(&self, name: &relay::StreamId) -> Vec<PushView> {
        self.pushes.of(name)
    }

    fn start_push(
        &self,
        source: &Source,
        name: &relay::StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        self.pushes.start(source, name, target)
    }

    fn stop_push(&self, name: &relay::StreamId, id: PushId) -> bool {
        self.pushes.stop(name, Some(id)) > 0
    }

    fn keeps_recordings(&self) -> bool {
        self.recordings.are_kept()
    }

    fn recordings(&self, app: AppId, name: &relay::StreamId) -> Vec<RecordingView> {
        self.recordings.of(app, Some(name))
    }

    fn recordings_page(
        &self,
        app: AppId,
        name: Option<&relay::StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        self.recordings.page(app, name, after, limit)
    }

    fn serves_recordings(&self) -> bool {
        self.recordings.are_served()
    }

    fn start_recording(
        &self,
        app: AppId,
        name: &relay::StreamId,
    ) -> Result<RecordingView, NotRecorded> {
        self.recordings.start(app, name)
    }

    fn delete_recording<'a>(&'a self, app: AppId, id: &'a RecordingId) -> Deleting<'a> {
        Box::pin(self.recordings.remove(app, id))
    }

    fn stop_recording(&self, app: AppId, name: &relay::StreamId, id: &RecordingId) -> bool {
        self.recordings.stop(app, name, id)
    }
}

/// What is asked of the server in place of the hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Look {
    Measures { after: u64 },
    Deliveries { limit: usize },
    Watch(Watch),
}

impl Look {
    /// The answer.
    pub(super) fn at(self, sights: &dyn Sights, app: AppId) -> Result<Value, Refusal> {
        let seen = match self {
            Self::Measures { after } => {
                let view = |measure| Measure::new(measure, sights);
                let items = sights.measures(app, after).into_iter().map(view).collect();
                serde_json::to_value(Measures {
                    interval_ms: INTERVAL_MS,
                    items,
                })
            }
            Self::Deliveries { limit } => serde_json::to_value(Deliveries {
                items: sights.deliveries(app, limit),
            }),
            Self::Watch(watch) => return watch.at(sights.viewings(), app),
        };
        // Plain values under texts: they can always be written.
        Ok(seen.unwrap_or_default())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measures {
    interval_ms: u64,
    items: Vec<Measure>,
}

#[derive(Serialize)]
struct Deliveries {
    items: Vec<Delivery>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Measure {
    stream_id: String,
    user: Option<UserId>,
    relayed_as: Option<String>,
    width: Option<u16>,
    height: Option<u16>,
    samples: Vec<SampleView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SampleView {
    at: u64,
    bit_rate_bps: u64,
    loss: Option<f32>,
    rtt_ms: Option<u32>,
    viewers: u32,
    viewer_loss: Option<f32>,
}

impl Measure {
    fn new(measure: StreamMeasure, sights: &dyn Sights) -> Self {
        let size = measure.relayed_as.as_ref();
        let size = size.and_then(|name| sights.picture_size(name));
        Self {
            stream_id: measure.stream.to_string(),
            user: match measure.owner {
                Owner::User { user, .. } => Some(user),
                Owner::Anybody | Owner::PushAddress { .. } => None,
            },
            relayed_as: measure.relayed_as.map(|name| name.to_string()),
            width: size.map(|(width, _)| width),
            height: size.map(|(_, height)| height),
            samples: measure.samples.into_iter().map(SampleView::from).collect(),
        }
    }
}

impl From<Sample> for SampleView {
    fn from(sample: Sample) -> Self {
        Self {
            at: sample.at,
            bit_rate_bps: sample.bit_rate_bps,
            loss: sample.loss,
            rtt_ms: sample.rtt_ms,
            viewers: sample.viewers,
            viewer_loss: sample.viewer_loss,
        }
    }
}

pub(super) fn group() -> Group {
    Group {
        name: "Operation",
        text: "What the server sees beside the rooms.",
        endpoints: vec![
            Endpoint {
                path: "/measures",
                id: "listMeasures",
                summary: "See how published streams travel",
                text: "Streams of WHIP publishers and of rooms, with samples of the last five \
                       minutes: bit rate, loss and round trip between publisher and server, and \
                       how many WebRTC sessions receive the stream with which loss. What is not \
                       known is null.",
                query: &[Param {
                    name: "after",
                    text: "Only samples that are newer than this, in Unix milliseconds.",
                    is_number: true,
                }],
                status: 200,
                answer: Some(("MeasureList", MEASURES)),
                look: Some(|input| {
                    let after = input.query::<u64>("after", "Unix milliseconds")?;
                    Ok(Look::Measures {
                        after: after.unwrap_or(0),
                    })
                }),
                ..Endpoint::default()
            },
            Endpoint {
                path: "/deliveries",
                id: "listDeliveries",
                summary: "See the last requests to the app's back end",
                text: "Newest first, tries that failed included; the server keeps the last 200 \
                       of each app in memory. Addresses, bodies and signatures are not kept.",
                query: &[super::endpoint::LIMIT],
                status: 200,
                answer: Some(("DeliveryList", DELIVERIES)),
                look: Some(|input: &Input<'_>| -> Result<Look, Refusal> {
                    Ok(Look::Deliveries {
                        limit: input.limit()?,
                    })
                }),
                ..Endpoint::default()
            },
        ],
    }
}

/// For a server without workers.
#[cfg(test)]
pub(super) struct NoSights(Viewings);

#[cfg(test)]
impl Default for NoSights {
    fn default() -> Self {
        let metrics = HttpMetrics::register(&prometheus::Registry::new());
        Self(Viewings::new(metrics.expect("a registry of its own")))
    }
}

#[cfg(test)]
impl Sights for NoSights {
    fn measures(&self, _: AppId, _: u64) -> Vec<StreamMeasure> {
        Vec::new()
    }

    fn deliveries(&self, _: AppId, _: usize) -> Vec<Delivery> {
        Vec::new()
    }

    fn viewings(&self) -> &Viewings {
        &self.0
    }

    fn picture_size(&self, _: &relay::StreamId) -> Option<(u16, u16)> {
        None
    }

    fn pushes(&self, name: &relay::StreamId) -> Vec<PushView> {
        vec![PushView {
            id: PushId(1),
            stream: name.clone(),
            target: "rtmp://h/app".to_owned(),
            state: relay::push::PushState::Running,
            error: None,
            sent_bytes: 1,
            reconnects: 0,
        }]
    }

    fn start_push(
        &self,
        _: &Source,
        name: &relay::StreamId,
        target: PushTarget,
    ) -> Result<PushView, PushRefused> {
        let mut view = self.pushes(name).remove(0);
        view.target = target.to_string();
        Ok(view)
    }

    fn stop_push(&self, _: &relay::StreamId, id: PushId) -> bool {
        id == PushId(1)
    }

    fn keeps_recordings(&self) -> bool {
        true
    }

    fn recordings(&self, app: AppId, name: &relay::StreamId) -> Vec<RecordingView> {
        let recording = |id: &str| RecordingView {
            id: id.parse().expect("an id"),
            stream: name.clone(),
            owner: app.0,
            state: relay::record::RecordState::Ended,
            started_at: 1,
            reason: Some(relay::record::EndReason::DiskFull),
            error: Some("the disk is full".to_owned()),
            duration: std::time::Duration::from_secs(2),
            bytes: 3,
            segments: 1,
            missed: 4,
            folder: format!("{name}/1"),
            playlist: Some(format!("{name}/1/index.m3u8")),
            mp4: Some((format!("{name}/1/recording.mp4"), 5)),
        };
        ["1", "2", "3"].map(recording).into()
    }

    fn recordings_page(
        &self,
        app: AppId,
        name: Option<&relay::StreamId>,
        after: Option<&RecordingId>,
        limit: usize,
    ) -> Vec<RecordingView> {
        let over = "over".parse().expect("a stream id");
        let mut views = self.recordings(app, name.unwrap_or(&over));
        views.retain(|view| after.is_none_or(|after| view.id > *after));
        views.truncate(limit);
        views
    }

    fn serves_recordings(&self) -> bool {
        true
    }

    fn start_recording(
        &self,
        app: AppId,
        name: &relay::StreamId,
    ) -> Result<RecordingView, NotRecorded> {
        Ok(self.recordings(app, name).remove(0))
    }

    fn delete_recording<'a>(&'a self, _: AppId, id: &'a RecordingId) -> Deleting<'a> {
        let id = id.clone();
        let deleted = match id.as_str() {
            "1" => Ok(()),
            "2" => Err(NotRemoved::NotEnded { id }),
            "3" => Err(NotRemoved::Store { id }),
            _ => Err(NotRemoved::NoSuch { id }),
        };
        Box::pin(std::future::ready(deleted.map_err(NotDeleted::from)))
    }

    fn stop_recording(&self, _: AppId, _: &relay::StreamId, id: &RecordingId) -> bool {
        id.as_str() == "1"
    }
}

const MEASURES: &str = r#"{
  "intervalMs": 2000,
  "items": [{
    "streamId": "1400000000_42_anna_main", "user": "anna", "relayedAs": "evening-1",
    "width": 1280, "height": 720,
    "samples": [{
      "at": 1700000000000, "bitRateBps": 1510000, "loss": 0.002, "rttMs": 31,
      "viewers": 12, "viewerLoss": null
    }]
  }]
}"#;

const DELIVERIES: &str = r#"{
  "items": [{
    "id": 17, "at": 1700000000000, "event": "room.entered", "subject": "42",
    "isDelivered": false, "reason": "it answered with status 503; 200 is allowed",
    "status": 503, "tookMs": 12
  }]
}"#;
