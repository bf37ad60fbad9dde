//! What the server sees beside the rooms.

use super::*;
use crate::http::api::openapi::document;
use crate::http::api::sights::Sights;
use crate::http::api::tests::doubles::{OnePush, live_app};
use crate::http::api::tests::table::check;
use crate::http::viewings::Viewings;
use crate::push::PushDesk;
use crate::record::{AppRecordings, RecordDesk};
use crate::webhook::Delivery;
use crate::worker::{Owner, Sample, StreamMeasure};

/// One that keeps no recordings.
struct Fixed {
    viewings: Viewings,
    recordings: AppRecordings,
}

impl Fixed {
    fn new() -> Arc<Self> {
        let metrics = HttpMetrics::register(&prometheus::Registry::new());
        Arc::new(Self {
            viewings: Viewings::new(metrics.unwrap()),
            recordings: AppRecordings::default(),
        })
    }
}

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

    fn viewings(&self) -> &Viewings {
        &self.viewings
    }

    fn picture_size(&self, _: &relay::StreamId) -> Option<(u16, u16)> {
        Some((1280, 720))
    }

    fn publisher_app(&self, name: &relay::StreamId) -> Option<AppId> {
        live_app(name)
    }

    fn pushes(&self) -> &dyn PushDesk {
        &OnePush
    }

    fn recordings(&self) -> &dyn RecordDesk {
        &self.recordings
    }
}

#[tokio::test]
async fn an_operator_sees_how_streams_travel() {
    let routes = Routes::seeing(Fixed::new());
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
    let routes = Routes::seeing(Fixed::new());
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
async fn recordings_are_listed_when_nothing_is_published_any_more() {
    let routes = Routes::usual();
    let got = routes.call("GET", "/api/v1/recordings?limit=2", "").await;
    assert_eq!(got.status, 200, "{}", got.text);
    check(&document(), "RecordingPage", &got.json()).unwrap();
    let ids = |got: &Value| {
        let items = got["items"].as_array().unwrap().iter();
        items
            .map(|item| item["id"].as_str().unwrap().to_owned())
            .collect::<Vec<_>>()
    };
    assert_eq!(ids(&got.json()), ["1", "2"]);
    assert_eq!(got.json()["items"][0]["relayedAs"], "over");
    let url = &got.json()["items"][0]["playlistUrl"];
    assert_eq!(url, "/recordings/over/1/index.m3u8");
    let next = got.json()["next"].as_str().unwrap().to_owned();
    let path = format!("/api/v1/recordings?stream=evening&after={next}");
    let got = routes.call("GET", &path, "").await.json();
    assert_eq!(ids(&got), ["3"]);
    assert_eq!(got["items"][0]["relayedAs"], "evening");
    assert!(got.get("next").is_none());
    for query in ["stream=a/b", "after=a.b", "limit=0"] {
        let path = format!("/api/v1/recordings?{query}");
        routes
            .call("GET", &path, "")
            .await
            .problem(400, "bad-query");
    }
}

#[tokio::test]
async fn a_recording_is_deleted_once_it_has_ended() {
    let routes = Routes::usual();
    let deleted = routes.call("DELETE", "/api/v1/recordings/1", "").await;
    assert_eq!((deleted.status.as_u16(), deleted.text.as_str()), (204, ""));
    for (id, status, code) in [
        ("2", 409, "recording-goes-on"),
        ("3", 502, "record-store-failed"),
        ("4", 404, "no-such-recording"),
        // Nothing that a path could mean is an id.
        ("..", 400, "bad-path"),
        ("%2e%2e", 400, "bad-path"),
        ("a%2f..%2fb", 400, "bad-path"),
        ("..%5cb", 400, "bad-path"),
        ("%00", 400, "bad-path"),
        ("a.b", 400, "bad-path"),
        (".unfinished", 400, "bad-path"),
        ("*", 400, "bad-path"),
    ] {
        let path = format!("/api/v1/recordings/{id}");
        let refused = routes.call("DELETE", &path, "").await;
        refused.problem(status, code);
    }
    let long = format!("/api/v1/recordings/{}", "1".repeat(65));
    routes
        .call("DELETE", &long, "")
        .await
        .problem(400, "bad-path");
    let nobody = request("DELETE", "/api/v1/recordings/1", &[], "");
    routes
        .send(nobody)
        .await
        .problem(401, "credentials-missing");
    let keeps_none = Routes::seeing(Fixed::new());
    let refused = keeps_none.call("DELETE", "/api/v1/recordings/1", "").await;
    refused.problem(409, "records-nothing");
}

#[tokio::test]
async fn a_room_is_recorded_where_recordings_are_kept() {
    let routes = Routes::usual();
    let recorded = "/api/v1/rooms/42/recorded";
    let room = r#"{"owner": "anna", "name": "Evening talk"}"#;
    let made = routes.call("PUT", "/api/v1/rooms/42", room).await;
    assert_eq!(made.status, 201, "{}", made.text);
    for (method, status, is_recorded) in [("PUT", 200, true), ("DELETE", 204, false)] {
        let got = routes.call(method, recorded, "").await;
        assert_eq!(got.status, status, "{}", got.text);
        let room = routes.call("GET", "/api/v1/rooms/42", "").await.json();
        assert_eq!(room["isRecorded"], is_recorded);
    }
    let missing = routes.call("PUT", "/api/v1/rooms/404/recorded", "").await;
    missing.problem(404, "no-such-room");
    let routes = Routes::seeing(Fixed::new());
    let refused = routes.call("PUT", recorded, "").await;
    refused.problem(409, "records-nothing");
}

#[tokio::test]
async fn a_stream_in_no_room_is_pushed_and_recorded_for_its_app_alone() {
    let other = AppId(APP.0 + 1);
    let routes = Routes::new(vec![app(APP.0, &["new-key"]), app(other.0, &["k"])]);
    let url = r#"{"url": "rtmp://h/app/key"}"#;
    for (stream, is_ours) in [("evening", true), ("nobodys", false), ("others", false)] {
        for (of, body) in [("pushes", url), ("recordings", "")] {
            let target = format!("/api/v1/streams/{stream}/{of}");
            let got = routes.signed("POST", &target, body).await;
            match is_ours {
                true => assert_eq!(got.status, 200, "{}", got.text),
                false => assert_eq!(got.problem(409, "not-live"), None),
            }
        }
    }
    // An id that names an app is of that app, whoever may publish it.
    let theirs = format!("/api/v1/streams/{other}_a/recordings");
    routes
        .signed("POST", &theirs, "")
        .await
        .problem(409, "not-live");
    let keeps_none = Routes::seeing(Fixed::new());
    for stream in ["evening", "nobodys"] {
        let target = format!("/api/v1/streams/{stream}/recordings");
        let refused = keeps_none.call("POST", &target, "").await;
        refused.problem(409, "records-nothing");
    }
    for (of, code) in [
        ("pushes", "no-such-push"),
        ("recordings", "no-such-recording"),
    ] {
        let target = format!("/api/v1/streams/evening/{of}/7");
        routes
            .signed("DELETE", &target, "")
            .await
            .problem(404, code);
        let target = format!("/api/v1/streams/a%2fb/{of}");
        routes
            .signed("GET", &target, "")
            .await
            .problem(400, "bad-path");
    }
}

#[tokio::test]
async fn nobody_else_sees_them() {
    let routes = Routes::seeing(Fixed::new());
    for path in [
        "/api/v1/measures",
        "/api/v1/deliveries",
        "/api/v1/recordings",
        "/api/v1/revocations",
        "/api/v1/streams/a/viewers",
        "/api/v1/streams/a/pushes",
        "/api/v1/streams/a/recordings",
    ] {
        let got = routes.send(request("GET", path, &[], "")).await;
        got.problem(401, "credentials-missing");
    }
}

#[tokio::test]
async fn an_operator_keeps_somebody_out_and_lets_it_in_again() {
    let routes = Routes::seeing(Fixed::new());
    let revocations = "/api/v1/revocations";
    let by_secret = r#"{"txSecret": "F85A2AB363FE4DEAFFEF9754D79DA6FE", "seconds": 60}"#;
    for (body, id) in [
        (r#"{"address": "2001:db8::7", "seconds": 60}"#, Some(1)),
        (by_secret, Some(2)),
        // The same again is one, with a new time.
        (by_secret, Some(3)),
        (
            r#"{"address": "192.0.2.7", "stream": "a", "seconds": 60}"#,
            Some(4),
        ),
        (r#"{"address": "192.0.2.8", "seconds": 0}"#, None),
    ] {
        let got = routes.call("POST", revocations, body).await;
        assert_eq!(got.status, 200, "{}", got.text);
        check(&document(), "Ended", &got.json()).unwrap();
        assert_eq!(got.json()["ended"], 0);
        assert_eq!(got.json()["revocation"].as_u64(), id, "{body}");
    }
    let page = routes.call("GET", "/api/v1/revocations?limit=2", "").await;
    check(&document(), "RevocationPage", &page.json()).unwrap();
    let page = page.json();
    assert_eq!(page["items"][0]["address"], "2001:db8::");
    assert_eq!(
        page["items"][1]["txSecret"],
        "f85a2ab363fe4deaffef9754d79da6fe"
    );
    assert_eq!(page["next"], "3");
    let lifted = routes.call("DELETE", "/api/v1/revocations/4", "").await;
    assert_eq!(lifted.status, 204);
    assert_eq!(lifted.text, "");
    let rest = routes.call("GET", "/api/v1/revocations?after=3", "").await;
    assert_eq!(rest.json(), serde_json::json!({"items": []}));
}

#[tokio::test]
async fn a_revocation_names_one_thing_for_a_time_that_ends() {
    let routes = Routes::seeing(Fixed::new());
    for body in [
        r#"{"seconds": 1}"#,
        r#"{"address": "192.0.2.7", "txSecret": "f85a2ab363fe4deaffef9754d79da6fe", "seconds": 1}"#,
        r#"{"address": "192.0.2.0/24", "seconds": 1}"#,
        r#"{"address": "shop.example", "seconds": 1}"#,
        r#"{"txSecret": "f85a", "seconds": 1}"#,
        r#"{"address": "192.0.2.7", "stream": "../a", "seconds": 1}"#,
        r#"{"address": "192.0.2.7", "seconds": 31536001}"#,
    ] {
        let got = routes.call("POST", "/api/v1/revocations", body).await;
        got.problem(400, "bad-value");
    }
    for body in [r#"{"address": "192.0.2.7"}"#, r#"{"seconds": -1}"#] {
        let got = routes.call("POST", "/api/v1/revocations", body).await;
        got.problem(400, "bad-body");
    }
    for (target, code) in [
        ("/api/v1/streams/a/viewers/1?seconds=31536001", "bad-query"),
        ("/api/v1/streams/a/viewers/x", "bad-path"),
        ("/api/v1/streams/a%2fb/viewers/1", "bad-path"),
        ("/api/v1/revocations/-1", "bad-path"),
    ] {
        routes.call("DELETE", target, "").await.problem(400, code);
    }
}
