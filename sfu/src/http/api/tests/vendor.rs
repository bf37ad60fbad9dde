//! The vendor's request forms.

use serde_json::json;

use super::*;
use crate::live::{Command, Publication, RoomId, TrackKind};

/// Calls an action as an operator.
async fn action(routes: &Routes, name: &str, body: Value) -> Value {
    let headers = [
        ("authorization", "Bearer first-token"),
        ("x-tc-action", name),
    ];
    let got = routes.send(request("POST", "/trtc", &headers, &body.to_string()));
    let got = got.await;
    assert_eq!(got.status, 200);
    let mut response = got.json()["Response"].take();
    assert_eq!(response["RequestId"].as_str().unwrap().len(), 36);
    response.as_object_mut().unwrap().remove("RequestId");
    response
}

/// Calls a command as the app's administrator.
async fn command(routes: &Routes, name: &str, body: Value) -> Value {
    let token = routes
        .api
        .0
        .apps
        .sign_user_sig(unix_time(), APP, &user("administrator"), 60);
    let target = format!(
        "/v4/{name}?sdkappid={APP}&identifier=administrator&usersig={}&random=7&contenttype=json",
        token.unwrap()
    );
    let got = routes
        .send(request("POST", &target, &[], &body.to_string()))
        .await;
    assert_eq!(got.status, 200);
    got.json()
}

fn failed(response: &Value) -> &str {
    response["Error"]["Code"].as_str().unwrap_or("none")
}

async fn live_room(routes: &Routes) {
    let body = r#"{"owner": "anna", "seats": {"count": 3}}"#;
    for room in ["42", "evening"] {
        let target = format!("/api/v1/rooms/{room}");
        assert_eq!(routes.call("PUT", &target, body).await.status, 201);
    }
    let mut bench = routes.bench.lock().unwrap();
    for name in ["anna", "ben", "cleo"] {
        let connection = bench.enter(APP, name, &number(42));
        if name == "anna" {
            bench.command(
                connection,
                Command::Publish {
                    room: number(42),
                    track: TrackKind::Main,
                    publication: Publication {
                        has_audio: true,
                        ..Publication::default()
                    },
                },
            );
        }
    }
    let evening = RoomId::name("evening").unwrap();
    bench.enter(APP, "dora", &evening);
}

#[tokio::test]
async fn the_cloud_api_removes_silences_and_dismisses() {
    let routes = Routes::usual();
    live_room(&routes).await;
    let app = APP.0;
    let done = json!({});
    let remove = json!({"SdkAppId": app, "RoomId": 42, "UserIds": ["ben", "nobody"]});
    assert_eq!(action(&routes, "RemoveUser", remove).await, done);
    let gone = routes.call("GET", "/api/v1/rooms/42/members/ben", "").await;
    gone.problem(404, "not-a-member");
    let by_name = json!({"SdkAppId": app, "RoomId": "evening", "UserIds": ["dora"]});
    assert_eq!(
        action(&routes, "RemoveUserByStrRoomId", by_name).await,
        done
    );
    let block = json!({"SdkAppId": app, "RoomId": 42, "UserId": "anna", "IsMute": 1});
    assert_eq!(action(&routes, "SetUserBlocked", block).await, done);
    let anna = routes
        .call("GET", "/api/v1/rooms/42/members/anna", "")
        .await;
    assert_eq!(anna.json()["tracks"]["main"]["audioMuted"], true);
    let dismiss = json!({"SdkAppId": app, "RoomId": 42});
    assert_eq!(action(&routes, "DismissRoom", dismiss.clone()).await, done);
    let again = action(&routes, "DismissRoom", dismiss).await;
    assert_eq!(failed(&again), "FailedOperation.RoomNotExist");
    let by_name = json!({"SdkAppId": app, "RoomId": "evening"});
    assert_eq!(
        action(&routes, "DismissRoomByStrRoomId", by_name).await,
        done
    );
}

#[tokio::test]
async fn the_cloud_api_starts_renames_and_stops_a_relay() {
    let routes = Routes::usual();
    live_room(&routes).await;
    let asked = |url: &str| {
        json!({
            "SdkAppId": APP.0, "RoomId": "42", "RoomIdType": 0,
            "AgentParams": {"UserId": "agent", "UserSig": "x", "MaxIdleTime": 30},
            "WithTranscoding": 0,
            "SingleSubscribeParams": {"UserMediaStream": {
                "UserInfo": {"UserId": "anna", "RoomId": "42", "RoomIdType": 0}, "StreamType": 0,
            }},
            "PublishCdnParams": [{"PublishCdnUrl": url, "IsTencentCdn": 1}],
        })
    };
    let list = async || {
        let got = routes.call("GET", "/api/v1/streams", "").await;
        got.json()["items"][0]["relayedAs"].clone()
    };
    let url = "rtmp://push.example/live/show-1?txSecret=1";
    let started = action(&routes, "StartPublishCdnStream", asked(url)).await;
    let task = started["TaskId"].as_str().expect("a task").to_owned();
    assert_eq!(list().await, "show-1");
    let mut update = asked("rtmp://push.example/live/show-2");
    update["TaskId"] = task.clone().into();
    update["SequenceNumber"] = 1.into();
    let updated = action(&routes, "UpdatePublishCdnStream", update).await;
    assert_eq!(updated["TaskId"], task);
    assert_eq!(list().await, "show-2");
    let mut update = asked("rtmp://push.example/live/late");
    update["TaskId"] = task.clone().into();
    let refused = action(&routes, "UpdatePublishCdnStream", update.clone()).await;
    assert_eq!(failed(&refused), "MissingParameter");
    update["SequenceNumber"] = 1.into();
    let refused = action(&routes, "UpdatePublishCdnStream", update.clone()).await;
    assert_eq!(failed(&refused), "InvalidParameter.SequenceNumber");
    update["SequenceNumber"] = 2.into();
    update["TaskId"] = "another".into();
    let refused = action(&routes, "UpdatePublishCdnStream", update).await;
    assert_eq!(failed(&refused), "InvalidParameter");
    assert_eq!(list().await, "show-2", "no refused update changes anything");
    let stop = json!({"SdkAppId": APP.0, "TaskId": task});
    action(&routes, "StopPublishCdnStream", stop).await;
    assert_eq!(list().await, Value::Null);

    let mut mixed = asked(url);
    mixed["WithTranscoding"] = 1.into();
    let mut foreign = asked(url);
    foreign["PublishCdnParams"][0]["IsTencentCdn"] = 0.into();
    let mut nobody = asked(url);
    nobody["SingleSubscribeParams"]["UserMediaStream"]["UserInfo"]["UserId"] = "ben".into();
    let mut renumbered = asked(url);
    renumbered["RoomIdType"] = 7.into();
    for (body, code) in [
        (mixed, "UnsupportedOperation"),
        (foreign, "UnsupportedOperation"),
        (asked("rtmp://push.example/live/a%2Fb"), "InvalidParameter"),
        (nobody, "FailedOperation"),
        (renumbered, "InvalidParameter.RoomId"),
        (json!({"SdkAppId": APP.0}), "InvalidParameter"),
    ] {
        let refused = action(&routes, "StartPublishCdnStream", body.clone()).await;
        assert_eq!(failed(&refused), code, "{body}");
    }
    let stop = json!({"SdkAppId": APP.0, "TaskId": "none"});
    let refused = action(&routes, "StopPublishCdnStream", stop).await;
    assert_eq!(failed(&refused), "InvalidParameter");
}

#[tokio::test]
async fn the_cloud_api_refuses_in_its_own_shape() {
    let routes = Routes::usual();
    live_room(&routes).await;
    let ok = json!({"SdkAppId": APP.0, "RoomId": 42});
    for (name, body, code) in [
        ("Nothing", ok.clone(), "InvalidAction"),
        ("StartStreamIngest", ok.clone(), "UnsupportedOperation"),
        (
            "DismissRoom",
            json!({"SdkAppId": 7, "RoomId": 42}),
            "InvalidParameter.SdkAppId",
        ),
        (
            "DismissRoom",
            json!({"SdkAppId": APP.0, "RoomId": 0}),
            "InvalidParameter.RoomId",
        ),
        ("DismissRoom", json!({"RoomId": 1}), "InvalidParameter"),
        (
            "RemoveUser",
            json!({"SdkAppId": APP.0, "RoomId": 42, "UserIds": []}),
            "InvalidParameter.UserIds",
        ),
        (
            "SetUserBlocked",
            json!({"SdkAppId": APP.0, "RoomId": 42, "UserId": "nobody", "IsMute": true}),
            "FailedOperation.UserNotExist",
        ),
    ] {
        let refused = action(&routes, name, body).await;
        assert_eq!(failed(&refused), code, "{name}");
    }
    let headers = [("x-tc-action", "DismissRoom")];
    let unsigned = routes
        .send(request("POST", "/trtc", &headers, &ok.to_string()))
        .await;
    let response = &unsigned.json()["Response"];
    assert_eq!(failed(response), "AuthFailure.InvalidAuthorization");
    let list = routes.call("GET", "/api/v1/rooms/42", "").await;
    assert_eq!(list.status, 200, "nothing was dismissed");
}

/// As the vendor's kit signs: content type, host and action, the app's number as secret id.
#[tokio::test]
async fn the_cloud_api_takes_the_signature_of_the_vendors_kit() {
    use hmac::{Hmac, KeyInit, Mac};
    let routes = Routes::usual();
    live_room(&routes).await;
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let mac = |key: &[u8], text: &str| {
        let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
        mac.update(text.as_bytes());
        mac.finalize().into_bytes()
    };
    let time = unix_time();
    let days = time / 86_400;
    // The date is that of the token's own scope; any calendar will do for the test.
    let date = (0..3_000_000_u64)
        .scan((1970_u64, 1_u64, 1_u64), |at, _| {
            let now = *at;
            let (year, month, day) = now;
            let leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
            let length = match month {
                2 => 28 + u64::from(leap),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            *at = match (day < length, month < 12) {
                (true, _) => (year, month, day + 1),
                (false, true) => (year, month + 1, 1),
                (false, false) => (year + 1, 1, 1),
            };
            Some(now)
        })
        .nth(usize::try_from(days).unwrap())
        .unwrap();
    let date = format!("{:04}-{:02}-{:02}", date.0, date.1, date.2);
    let signed = |app: u32, key: &str, room: u32| {
        let body = json!({"SdkAppId": app, "RoomId": room}).to_string();
        let canonical = format!(
            "POST\n/\n\ncontent-type:application/json\nhost:live.example\n\
             x-tc-action:dismissroom\n\ncontent-type;host;x-tc-action\n{}",
            hex(&Sha256::digest(&body))
        );
        let scope = format!("{date}/trtc/tc3_request");
        let content = format!(
            "TC3-HMAC-SHA256\n{time}\n{scope}\n{}",
            hex(&Sha256::digest(&canonical))
        );
        let day = mac(format!("TC3{key}").as_bytes(), &date);
        let signing = mac(&mac(&day, "trtc"), "tc3_request");
        let authorization = format!(
            "TC3-HMAC-SHA256 Credential={app}/{scope}, \
             SignedHeaders=content-type;host;x-tc-action, Signature={}",
            hex(&mac(&signing, &content))
        );
        let headers = [
            ("host", "live.example"),
            ("x-tc-action", "DismissRoom"),
            ("x-tc-version", "2019-07-22"),
            ("x-tc-timestamp", &*time.to_string()),
            ("authorization", &*authorization),
        ];
        request("POST", "/", &headers, &body)
    };
    let root = async |request| {
        let response = serve_root(routes.api.clone(), request).await;
        let bytes = response.into_body().collect().await.unwrap().to_bytes();
        serde_json::from_slice::<Value>(&bytes).unwrap()["Response"].take()
    };
    let wrong = root(signed(APP.0, "other-key", 42)).await;
    assert_eq!(failed(&wrong), "AuthFailure.SignatureFailure");
    let unknown = root(signed(7, "new-key", 42)).await;
    assert_eq!(failed(&unknown), "InvalidParameter.SdkAppId");
    let done = root(signed(APP.0, "new-key", 42)).await;
    assert!(done["Error"].is_null(), "{done}");
    let replayed = root(signed(APP.0, "new-key", 42)).await;
    assert_eq!(failed(&replayed), "AuthFailure.SignatureExpire");
}

#[tokio::test]
async fn the_chat_service_runs_a_group() {
    let routes = Routes::usual();
    let group = |command: &str| format!("group_open_http_svc/{command}");
    let ask = async |name: &str, body: Value| command(&routes, &group(name), body).await;
    let ok = |answer: &Value| {
        assert_eq!(answer["ActionStatus"], "OK", "{answer}");
        assert_eq!(
            (&answer["ErrorCode"], &answer["ErrorInfo"]),
            (&json!(0), &json!(""))
        );
    };
    let new = json!({
        "GroupId": "42", "Type": "AVChatRoom", "Owner_Account": "anna", "Name": "Talk",
        "Notification": "Hello",
    });
    ok(&ask("create_group", new.clone()).await);
    let again = ask("create_group", new.clone()).await;
    assert_eq!(
        (&again["ActionStatus"], &again["ErrorCode"]),
        (&json!("FAIL"), &json!(10_025))
    );
    let mut other = new;
    other["Owner_Account"] = "ben".into();
    assert_eq!(ask("create_group", other).await["ErrorCode"], 10_021);
    let unnamed = ask("create_group", json!({"Type": "AVChatRoom", "Name": "x"})).await;
    ok(&unnamed);
    assert!(unnamed["GroupId"].as_str().unwrap().starts_with("@TGS#"));
    routes.bench.lock().unwrap().enter(APP, "ben", &number(42));

    let number = ask("get_online_member_num", json!({"GroupId": "42"})).await;
    assert_eq!(number["OnlineMemberNum"], 1);
    let change = json!({
        "GroupId": "42", "Name": "Later", "ShutUpAllMember": "On",
        "Introduction": "What the day has brought", "FaceUrl": "/images/talk.png",
    });
    ok(&ask("modify_group_base_info", change).await);
    let info = ask("get_group_info", json!({"GroupIdList": ["42", "43"]})).await;
    ok(&info);
    let found = &info["GroupInfo"][0];
    assert_eq!(
        (&found["Name"], &found["Notification"]),
        (&json!("Later"), &json!("Hello"))
    );
    assert_eq!(
        (&found["Introduction"], &found["FaceUrl"]),
        (
            &json!("What the day has brought"),
            &json!("/images/talk.png")
        )
    );
    assert_eq!(found["ShutUpAllMember"], "On");
    assert_eq!(info["GroupInfo"][1]["ErrorCode"], 10_010);

    let message = json!({
        "GroupId": "42", "Random": 7, "From_Account": "anna",
        "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "Hi"}}],
    });
    let sent = ask("send_group_msg", message).await;
    ok(&sent);
    assert!(sent["MsgTime"].as_u64().unwrap() > 1_600_000_000);
    let custom = json!({
        "GroupId": "42", "MsgPriority": "Low",
        "MsgBody": [{"MsgType": "TIMCustomElem", "MsgContent": {"Data": "like", "Desc": "d"}}],
    });
    ok(&ask("send_group_msg", custom).await);
    let told = routes
        .bench
        .lock()
        .unwrap()
        .deliver(APP, &super::number(42));
    assert_eq!(told.len(), 2);
    assert_eq!(told[0].from, Some(user("anna")));
    assert_eq!(told[1].from, Some(user("administrator")));
    let notice = json!({"GroupId": "42", "Content": "Soon over", "ToMembers_Account": ["ben"]});
    ok(&ask("send_group_system_notification", notice).await);
    assert_eq!(
        routes.bench.lock().unwrap().notices,
        [(vec![user("ben")], "Soon over".to_owned())]
    );

    let mute = json!({"GroupId": "42", "Members_Account": ["ben"], "MuteTime": 60});
    ok(&ask("forbid_send_msg", mute).await);
    let muted = ask("get_group_muted_account", json!({"GroupId": "42"})).await;
    assert_eq!(muted["MutedAccountList"][0]["Member_Account"], "ben");
    let until = muted["MutedAccountList"][0]["MutedUntil"].as_u64().unwrap();
    assert!(until.abs_diff(unix_time() + 60) <= 1);
    let users = json!(["ben", "cleo"]);
    let ban = json!({"GroupId": "42", "Members_Account": users, "Duration": 60});
    ok(&ask("ban_group_member", ban).await);
    let page = json!({"GroupId": "42", "Offset": 0, "Limit": 1});
    let banned = ask("get_group_ban_member", page).await;
    assert_eq!(banned["BannedAccountList"].as_array().unwrap().len(), 1);
    assert_eq!(banned["NextOffset"], 1);
    let unban = json!({"GroupId": "42", "Members_Account": ["ben"]});
    ok(&ask("unban_group_member", unban).await);
    let page = json!({"GroupId": "42", "Offset": 0});
    let banned = ask("get_group_ban_member", page).await;
    assert_eq!(banned["BannedAccountList"][0]["Member_Account"], "cleo");
    let delete = json!({"GroupId": "42", "MemberToDel_Account": ["nobody"]});
    ok(&ask("delete_group_member", delete).await);
    ok(&ask("destroy_group", json!({"GroupId": "42"})).await);
    let gone = ask("destroy_group", json!({"GroupId": "42"})).await;
    assert_eq!(gone["ErrorCode"], 10_010);
}

#[tokio::test]
async fn the_seat_service_lists_picks_locks_and_takes_off() {
    let routes = Routes::usual();
    live_room(&routes).await;
    let ask = async |name: &str, body: Value| {
        command(&routes, &format!("room_engine_http_mic/{name}"), body).await
    };
    let pick = json!({"RoomId": "42", "Member_Account": "ben", "Index": 1});
    assert_eq!(ask("pick_user_on_seat", pick).await["ErrorCode"], 0);
    let lock = json!({
        "RoomId": "42", "Index": 1, "IsTakenDisabled": true, "IsAudioDisabled": true,
        "IsVideoDisabled": false,
    });
    assert_eq!(ask("lock_seat", lock).await["ErrorCode"], 0);
    let list = ask("get_seat_list", json!({"RoomId": "42"})).await;
    assert_eq!(
        list["SeatList"][1],
        json!({
            "Index": 1, "Member_Account": "ben", "IsTakenDisabled": true,
            "IsAudioDisabled": true, "IsVideoDisabled": false,
        })
    );
    let occupied = json!({"RoomId": "42", "Member_Account": "cleo", "Index": 1});
    assert_eq!(
        ask("pick_user_on_seat", occupied).await["ErrorCode"],
        100_201
    );
    let off = json!({"RoomId": "42", "Member_Account": "ben"});
    assert_eq!(ask("kick_user_off_seat", off.clone()).await["ErrorCode"], 0);
    assert_eq!(ask("kick_user_off_seat", off).await["ErrorCode"], 100_206);
    let any = json!({"RoomId": "42", "Member_Account": "cleo", "Index": -1});
    assert_eq!(ask("pick_user_on_seat", any).await["ErrorCode"], 0);
    // A room of digits that exists under its name alone is found by that.
    let target = "/api/v1/rooms/name:77";
    routes
        .call("PUT", target, r#"{"owner": "anna", "seats": {"count": 1}}"#)
        .await;
    let list = ask("get_seat_list", json!({"RoomId": "77"})).await;
    assert_eq!(list["SeatList"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn the_chat_service_is_for_administrators() {
    let routes = Routes::usual();
    live_room(&routes).await;
    let apps = &routes.api.0.apps;
    let sig = |name: &str, time| apps.sign_user_sig(time, APP, &user(name), 60).unwrap();
    let now = unix_time();
    let destroy = "/v4/group_open_http_svc/destroy_group";
    for (identifier, token, code) in [
        ("ben", sig("ben", now), 10_007),
        ("administrator", sig("ben", now), -100_018),
        ("administrator", sig("administrator", now - 100), 70_001),
        ("administrator", String::new(), -100_018),
        ("administrator", "x".repeat(100), -100_018),
        ("", sig("administrator", now), 10_004),
    ] {
        let target =
            format!("{destroy}?sdkappid={APP}&identifier={identifier}&usersig={token}&random=1");
        let got = routes
            .send(request("POST", &target, &[], r#"{"GroupId": "42"}"#))
            .await;
        assert_eq!(got.status, 200);
        assert_eq!(got.json()["ErrorCode"], code, "{identifier}: {}", got.text);
        assert_eq!(got.json()["ActionStatus"], "FAIL");
    }
    let bare = routes.send(request("POST", destroy, &[], "{}")).await;
    assert_eq!(bare.json()["ErrorCode"], 10_004);
    for (name, body) in [
        ("group_open_http_svc/nothing", json!({"GroupId": "42"})),
        ("other_svc/destroy_group", json!({"GroupId": "42"})),
        ("group_open_http_svc/destroy_group", json!({})),
        ("group_open_http_svc/destroy_group", json!({"GroupId": 42})),
        ("group_open_http_svc/destroy_group", json!([])),
        (
            "group_open_http_svc/forbid_send_msg",
            json!({"GroupId": "42"}),
        ),
        (
            "group_open_http_svc/send_group_msg",
            json!({"GroupId": "42", "MsgBody": []}),
        ),
    ] {
        let refused = command(&routes, name, body).await;
        assert_eq!(refused["ErrorCode"], 10_004, "{name}");
    }
    let got = routes.call("GET", "/api/v1/rooms/42", "").await;
    assert_eq!(got.status, 200, "nothing was destroyed");
}
