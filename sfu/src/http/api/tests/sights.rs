//! What the server sees beside the rooms.

use super::*;
use crate::http::api::openapi::document;
use crate::http::api::sights::Sights;
use crate::http::api::tests::table::check;
use crate::webhook::Delivery;
use crate::worker::{Owner, Sample, StreamMeasure};

struct Fixed;

impl Sights for Fixed {
    fn measures(&self, app: AppId, after: u64) -> Vec<StreamMeasure> {
        let sample = |at| Sample {
            at,
            bit_rate_bps: 1_500_000,
            loss: Some(0.25),
            rtt_ms: Some(30),
            viewers: 3,
            viewer_loss: None,
        };
        let samples = [2_000, 4_000].map(sample).into_iter();
        vec![StreamMeasure {
            stream: format!("{app}_a").parse().unwrap(),
            owner: Owner::User {
                app,
                user: user("anna"),
            },
            relayed_as: Some("evening".parse().unwrap()),
            samples: samples.filter(|sample| sample.at > after).collect(),
        }]
    }

    fn deliveries(&self, app: AppId, limit: usize) -> Vec<Delivery> {
        let delivery = |id| Delivery {
            id,
            at: 1_000,
            app,
            event: "room.entered",
            subject: "42".to_owned(),
            is_delivered: false,
            reason: Some("it did not answer in time".to_owned()),
            status: None,
            took_ms: 5_000,
        };
        (1..=3).rev().map(delivery).take(limit).collect()
    }

    fn picture_size(&self, _: &relay::StreamId) -> Option<(u16, u16)> {
        Some((1280, 720))
    }
}

#[tokio::test]
async fn an_operator_sees_how_streams_travel() {
    let routes = Routes::seeing(Arc::new(Fixed));
    let got = routes.call("GET", "/api/v1/measures", "").await;
    assert_eq!(got.status, 200, "{}", got.text);
    check(&document(), "MeasureList", &got.json()).unwrap();
    let stream = &got.json()["items"][0];
    assert_eq!(stream["streamId"], format!("{APP}_a"));
    assert_eq!(
        (&stream["user"], &stream["width"]),
        (&"anna".into(), &1280.into())
    );
    assert_eq!(stream["samples"].as_array().unwrap().len(), 2);
    let got = routes.call("GET", "/api/v1/measures?after=2000", "").await;
    let newer = got.json()["items"][0]["samples"].clone();
    assert_eq!(newer.as_array().unwrap().len(), 1);
    assert_eq!(newer[0]["at"], 4_000);
    let got = routes.call("GET", "/api/v1/measures?after=then", "").await;
    got.problem(400, "bad-query");
}

#[tokio::test]
async fn an_operator_sees_what_a_back_end_was_told() {
    let routes = Routes::seeing(Arc::new(Fixed));
    let got = routes.call("GET", "/api/v1/deliveries?limit=2", "").await;
    check(&document(), "DeliveryList", &got.json()).unwrap();
    let got = got.json();
    let ids = got["items"].as_array().unwrap().iter();
    assert_eq!(
        ids.map(|item| item["id"].as_u64().unwrap())
            .collect::<Vec<_>>(),
        [3, 2]
    );
    assert!(got["items"][0].get("app").is_none());
}

#[tokio::test]
async fn nobody_else_sees_them() {
    let routes = Routes::seeing(Arc::new(Fixed));
    for path in ["/api/v1/measures", "/api/v1/deliveries"] {
        let got = routes.send(request("GET", path, &[], "")).await;
        got.problem(401, "credentials-missing");
    }
}
