//! Endpoints of what the server sees beside the rooms: how streams travel, and what back ends
//! were told.

use serde::Serialize;
use serde_json::Value;

use super::endpoint::{Endpoint, Group, Param};
use super::input::Input;
use super::refusal::Refusal;
use super::viewers::Watch;
use crate::auth::Apps;
use crate::http::viewings::Viewings;
use crate::live::{AppId, UserId};
use crate::push::{AppPushes, PushDesk};
use crate::record::{AppRecordings, RecordDesk};
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
    /// The app of the publisher whose stream is relayed under this name, if there is one.
    fn publisher_app(&self, name: &relay::StreamId) -> Option<AppId>;
    /// Who pushes streams to other servers.
    fn pushes(&self) -> &dyn PushDesk;
    /// Who records streams.
    fn recordings(&self) -> &dyn RecordDesk;
}

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

    fn publisher_app(&self, name: &relay::StreamId) -> Option<AppId> {
        let owner = self.workers.owner_under(name)?;
        Some(owner.app().unwrap_or(Apps::OPEN))
    }

    fn pushes(&self) -> &dyn PushDesk {
        &self.pushes
    }

    fn recordings(&self) -> &dyn RecordDesk {
        &self.recordings
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
