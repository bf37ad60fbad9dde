//! Every form against what the vendor's documentation says of it.

use std::time::Duration;

use relay::record::{EndReason, RecordState, RecordingView};
use serde_json::{Value, json};

use super::*;
use crate::live::chat::{Draft, GroupTip, Message, Payload, Priority, TextPayload};
use crate::live::{
    LeaveReason, Profile, Rank, Role, RoomId, RoomInfo, RoomKey, Scene, SeatMode, SeatSettings,
    SeatUser, SeatView, UserId,
};
use crate::webhook::notice::{
    ChatChange, ChatNotice, LiveChange, LiveNotice, MediaChange, MediaNotice, RecordNotice,
    RelayNotice, RelayStatus, RoomChange, RoomNotice, SeatsNotice, StreamNotice, StreamPhase,
};

const AT: UnixTime = UnixTime(1_700_000_000_123);
const NOW: UnixTime = UnixTime(1_700_000_000_456);

fn hook() -> AppHook {
    AppHook {
        url: "https://back.example/hook?a=1".parse().unwrap(),
        key: Some("123654".parse().unwrap()),
        cdn_key: Some("cbkey".parse().unwrap()),
        before_chat: true,
    }
}

fn user(name: &str) -> UserId {
    name.parse().unwrap()
}

fn key() -> RoomKey {
    RoomKey::new(AppId(14), RoomId::number(12345).unwrap())
}

fn body(notice: &Notice) -> Value {
    let packet = Packet::of(notice, &hook(), NOW);
    assert_eq!(packet.app, AppId(14));
    let sign = packet.sign.expect("signed");
    assert_eq!(sign, room_sign(&"123654".parse().unwrap(), &packet.body));
    serde_json::from_slice(&packet.body).unwrap()
}

fn room(change: RoomChange) -> Notice {
    Notice::Room(RoomNotice {
        key: key(),
        at: AT,
        change,
    })
}

fn live(scene: Option<Scene>, change: LiveChange) -> Notice {
    Notice::Live(LiveNotice {
        key: key(),
        at: AT,
        operator: Some(user("anna")),
        scene,
        change,
    })
}

#[test]
fn an_entry_is_written_byte_by_byte() {
    let entered = room(RoomChange::Entered {
        user: user("test"),
        role: Role::Anchor,
    });
    let packet = Packet::of(&entered, &hook(), NOW);
    assert_eq!(
        std::str::from_utf8(&packet.body).unwrap(),
        r#"{"EventGroupId":1,"EventType":103,"CallbackTs":1700000000456,"EventInfo":{"RoomId":12345,"EventTs":1700000000,"EventMsTs":1700000000123,"UserId":"test","Role":20,"TerminalType":100,"UserType":1,"Reason":1}}"#
    );
    assert_eq!(packet.uri.to_string(), "https://back.example/hook?a=1");
    let unsigned = AppHook {
        key: None,
        ..hook()
    };
    assert_eq!(Packet::of(&entered, &unsigned, NOW).sign, None);
}

#[test]
fn room_events_have_their_numbers() {
    let of = |change| {
        let body = body(&room(change));
        assert_eq!(body["EventGroupId"], 1);
        (body["EventType"].clone(), body["EventInfo"].clone())
    };
    let (number, info) = of(RoomChange::Created {
        owner: Some(user("anna")),
    });
    assert_eq!((number, &info["UserId"]), (json!(101), &json!("anna")));
    let (number, info) = of(RoomChange::Dismissed);
    assert_eq!((number, info.get("UserId")), (json!(102), None));
    for (reason, told) in [
        (LeaveReason::Left, 1),
        (LeaveReason::Lost, 2),
        (LeaveReason::Kicked, 3),
        (LeaveReason::Replaced, 3),
        (LeaveReason::RoomEnded, 3),
    ] {
        let (number, info) = of(RoomChange::Left {
            user: user("anna"),
            reason,
        });
        assert_eq!((number, &info["Reason"]), (json!(104), &json!(told)));
    }
    let (number, info) = of(RoomChange::RoleChanged {
        user: user("anna"),
        role: Role::Audience,
    });
    assert_eq!((number, &info["Role"]), (json!(105), &json!(21)));
}

#[test]
fn a_named_room_is_a_text_and_a_number_room_a_number() {
    let named = Notice::Room(RoomNotice {
        key: RoomKey::new(AppId(14), RoomId::name("12345").unwrap()),
        at: AT,
        change: RoomChange::Dismissed,
    });
    assert_eq!(body(&named)["EventInfo"]["RoomId"], json!("12345"));
    assert_eq!(
        body(&room(RoomChange::Dismissed))["EventInfo"]["RoomId"],
        json!(12345)
    );
}

#[test]
fn media_events_have_their_numbers() {
    for (change, number) in [
        (MediaChange::VideoStarted, 201),
        (MediaChange::VideoStopped, 202),
        (MediaChange::AudioStarted, 203),
        (MediaChange::AudioStopped, 204),
        (MediaChange::AuxStarted, 205),
        (MediaChange::AuxStopped, 206),
    ] {
        let body = body(&Notice::Media(MediaNotice {
            key: key(),
            at: AT,
            user: user("anna"),
            change,
        }));
        assert_eq!(body["EventGroupId"], 2);
        assert_eq!(body["EventType"], number);
        assert_eq!(body["EventInfo"]["UserId"], "anna");
    }
}

#[test]
fn a_relay_task_has_its_status_and_its_error() {
    let relay = |status, error| {
        body(&Notice::Relay(RelayNotice {
            app: key().app,
            place: Place::Room(key().room),
            at: AT,
            task: "task-1".to_owned(),
            user: None,
            url: "rtmp://cdn.example/live/a".to_owned(),
            status,
            error,
        }))
    };
    let body = relay(RelayStatus::Running, None);
    assert_eq!(body["EventGroupId"], 4);
    assert_eq!(body["EventType"], 401);
    assert_eq!(body["EventInfo"]["TaskId"], "task-1");
    assert_eq!(
        body["EventInfo"]["Payload"],
        json!({"Url": "rtmp://cdn.example/live/a", "Status": 2})
    );
    let failed = relay(RelayStatus::Failed, Some((-3, "refused".to_owned())));
    assert_eq!(failed["EventInfo"]["Payload"]["ErrorCode"], -3);
    assert_eq!(failed["EventInfo"]["Payload"]["ErrorMsg"], "refused");
    assert_eq!(failed["EventInfo"]["Payload"]["Status"], 4);
}

#[test]
fn a_relay_task_of_no_room_names_its_stream() {
    let packet = Packet::of(
        &Notice::Relay(RelayNotice {
            app: AppId(14),
            place: Place::Stream("evening".parse().unwrap()),
            at: AT,
            task: "task-1".to_owned(),
            user: None,
            url: "rtmp://cdn.example/live".to_owned(),
            status: RelayStatus::Connecting,
            error: None,
        }),
        &hook(),
        NOW,
    );
    assert_eq!(
        std::str::from_utf8(&packet.body).unwrap(),
        r#"{"EventGroupId":4,"EventType":401,"CallbackTs":1700000000456,"EventInfo":{"StreamId":"evening","EventTs":1700000000,"EventMsTs":1700000000123,"TaskId":"task-1","Payload":{"Url":"rtmp://cdn.example/live","Status":1}}}"#
    );
    assert_eq!(
        (packet.app, packet.about.subject.as_str()),
        (AppId(14), "evening")
    );
}

#[test]
fn a_stream_begins_and_ends_with_one_sequence_and_the_signature_of_its_body() {
    let stream = |phase| {
        body(&Notice::Stream(StreamNotice {
            app: AppId(14),
            stream: "14_r_anna_main".parse().unwrap(),
            sequence: 77,
            at: AT,
            phase,
            from: Some([192, 0, 2, 1].into()),
            size: Some((1280, 720)),
        }))
    };
    let began = stream(StreamPhase::Began);
    assert_eq!(
        began,
        json!({
            "app": "", "appid": 14, "appname": "live",
            "channel_id": "14_r_anna_main", "stream_id": "14_r_anna_main", "stream_param": "",
            "event_type": 1, "event_time": 1_700_000_000_u64, "sequence": "77",
            "node": "", "user_ip": "192.0.2.1", "errcode": 0, "errmsg": "",
            "width": 1280, "height": 720, "t": 1_700_000_600_u64,
            "sign": "3bc18cba0c48182a7f1832e31df70a81",
        })
    );
    let lasted = Duration::from_millis(61_500);
    let ended = stream(StreamPhase::Ended { lasted });
    assert_eq!(ended["event_type"], 0);
    assert_eq!(ended["push_duration"], "61500");
    assert_eq!(ended["sequence"], began["sequence"]);
}

#[test]
fn a_recording_is_told_of_with_its_files_and_why_it_ended() {
    let mut recording = RecordingView {
        id: "1700000000123-5f1e02aa".parse().unwrap(),
        stream: "14_r_anna_main".parse().unwrap(),
        owner: 14,
        state: RecordState::Ended,
        started_at: 1_699_999_990_123,
        reason: Some(EndReason::StreamEnded),
        error: None,
        duration: Duration::from_millis(9_960),
        bytes: 1_000,
        segments: 5,
        missed: 0,
        folder: "14_r_anna_main/1700000000123-5f1e02aa".to_owned(),
        playlist: Some("p/index.m3u8".to_owned()),
        mp4: Some(("p/recording.mp4".to_owned(), 990)),
    };
    let told_of = |recording: &RecordingView, is_served| {
        body(&Notice::Record(RecordNotice {
            app: AppId(14),
            at: AT,
            recording: Box::new(recording.clone()),
            is_served,
        }))
    };
    let told = |recording: &RecordingView| told_of(recording, false);
    let served = told_of(&recording, true);
    assert_eq!(
        (&served["playlist_url"], &served["mp4_url"]),
        (
            &json!("/recordings/p/index.m3u8"),
            &json!("/recordings/p/recording.mp4")
        )
    );
    assert_eq!(
        told(&recording),
        json!({
            "app": "", "appid": 14, "appname": "live",
            "channel_id": "14_r_anna_main", "stream_id": "14_r_anna_main", "stream_param": "",
            "event_type": 100, "task_id": "1700000000123-5f1e02aa",
            "file_id": "1700000000123-5f1e02aa", "file_format": "mp4",
            "start_time": 1_699_999_990_u64, "end_time": 1_700_000_000_u64, "duration": 10,
            "file_size": 990, "video_url": "p/recording.mp4", "playlist": "p/index.m3u8",
            "reason": "stream-ended", "segments": 5, "missed_segments": 0,
            "errcode": 0, "errmsg": "", "t": 1_700_000_600_u64,
            "sign": "3bc18cba0c48182a7f1832e31df70a81",
        })
    );
    recording.mp4 = None;
    (recording.reason, recording.error) = (
        Some(EndReason::DiskFull),
        Some("the disk is full".to_owned()),
    );
    let failed = told(&recording);
    assert_eq!(
        (
            &failed["file_format"],
            &failed["video_url"],
            &failed["file_size"]
        ),
        (&json!("hls"), &json!("p/index.m3u8"), &json!(1_000))
    );
    assert_eq!(
        (&failed["errcode"], &failed["reason"]),
        (&json!(-1), &json!("disk-full"))
    );
    recording.playlist = None;
    assert_eq!(told(&recording)["video_url"], "");
}

fn message(payload: Payload) -> Notice {
    Notice::Chat(ChatNotice {
        key: key(),
        at: AT,
        from: Some("::1".parse().unwrap()),
        change: ChatChange::Sent(Box::new(Message {
            id: "14-1-2".to_owned(),
            sequence: 9,
            random: 42,
            from: Some(user("anna")),
            to: key().room,
            time: 1_700_000_000,
            priority: Priority::Normal,
            nick: String::new(),
            avatar: String::new(),
            name_card: String::new(),
            cloud_custom_data: "cloud".to_owned(),
            is_revoked: false,
            payload,
        })),
    })
}

#[test]
fn a_message_is_told_after_it_was_sent() {
    let text = message(Payload::Text(TextPayload {
        text: "hello".to_owned(),
    }));
    assert_eq!(
        body(&text),
        json!({
            "CallbackCommand": "Group.CallbackAfterSendMsg",
            "GroupId": "12345", "RoomId": 12345, "Type": "AVChatRoom",
            "EventTime": 1_700_000_000_123_u64,
            "From_Account": "anna", "Operator_Account": "anna",
            "Random": 42, "OnlineOnlyFlag": 0, "MsgSeq": 9, "MsgTime": 1_700_000_000,
            "MsgId": "14-1-2", "CloudCustomData": "cloud",
            "MsgBody": [{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}],
        })
    );
    assert_eq!(
        Packet::of(&text, &hook(), NOW).uri.to_string(),
        "https://back.example/hook?a=1&SdkAppid=14&CallbackCommand=Group.CallbackAfterSendMsg&\
         contenttype=json&ClientIP=::1&OptPlatform=Web"
    );
    let tip = message(Payload::Tip(GroupTip {
        operation_type: 1,
        operator_id: None,
        user_id_list: Vec::new(),
        member_count: None,
    }));
    assert_eq!(body(&tip)["MsgBody"], json!([]));
}

#[test]
fn the_question_before_a_message_has_the_draft() {
    let question = BeforeMessage {
        key: key(),
        at: AT,
        from: user("anna"),
        ip: None,
        draft: Draft::text("hello"),
    };
    let packet = Packet::ask(&question, &hook());
    let body: Value = serde_json::from_slice(&packet.body).unwrap();
    assert_eq!(body["CallbackCommand"], "Group.CallbackBeforeSendMsg");
    assert_eq!(body["From_Account"], "anna");
    assert_eq!(
        body["MsgBody"],
        json!([{"MsgType": "TIMTextElem", "MsgContent": {"Text": "hello"}}])
    );
    assert_eq!(body.get("MsgSeq"), None);
    assert!(packet.uri.query().unwrap().contains("OptPlatform=RESTAPI"));
    assert!(packet.sign.is_some());
}

#[test]
fn members_come_and_go_in_lists() {
    let chat = |change| {
        body(&Notice::Chat(ChatNotice {
            key: key(),
            at: AT,
            from: None,
            change,
        }))
    };
    let joined = chat(ChatChange::Joined(vec![user("anna"), user("bert")]));
    assert_eq!(
        joined["CallbackCommand"],
        "Group.CallbackAfterNewMemberJoin"
    );
    assert_eq!(
        joined["NewMemberList"],
        json!([{"Member_Account": "anna"}, {"Member_Account": "bert"}])
    );
    let left = |reason| {
        chat(ChatChange::Left {
            users: vec![user("anna")],
            reason,
        })
    };
    let kicked = left(LeaveReason::Kicked);
    assert_eq!(kicked["CallbackCommand"], "Group.CallbackAfterMemberExit");
    assert_eq!(kicked["ExitType"], "Kicked");
    assert_eq!(
        kicked["ExitMemberList"],
        json!([{"Member_Account": "anna"}])
    );
    assert_eq!(left(LeaveReason::Lost)["ExitType"], "Quit");
}

#[test]
fn a_live_room_is_told_as_live_and_a_call_as_a_room() {
    let info = RoomInfo {
        room: key().room,
        name: "Show".into(),
        notice: "Hi".into(),
        introduction: "".into(),
        cover: "/cover.png".into(),
        hidden: false,
        owner: Some(user("anna")),
        scene: None,
        online: 3,
        total_entered: 4,
        seats: Some(SeatSettings {
            count: 8,
            mode: SeatMode::ApplyToTake,
            keep_owner_on_seat: true,
        }),
        created_at: None,
    };
    let created = body(&live(None, LiveChange::Created(Box::new(info.clone()))));
    assert_eq!(created["CallbackCommand"], "Live.CallbackAfterCreateRoom");
    assert_eq!(created["Operator_Account"], "anna");
    assert_eq!(
        created["RoomInfo"],
        json!({
            "RoomId": 12345, "RoomName": "Show", "RoomType": "Live", "Notice": "Hi",
            "Owner_Account": "anna", "MemberCount": 3, "IsSeatEnabled": true,
            "TakeSeatMode": "ApplyToTake", "MaxSeatCount": 8,
        })
    );
    let call = body(&live(Some(Scene::Rtc), LiveChange::Updated(Box::new(info))));
    assert_eq!(call["CallbackCommand"], "Room.CallbackAfterUpdateRoomInfo");
    assert_eq!(call["RoomInfo"]["RoomType"], "Conference");
    let destroyed = body(&live(None, LiveChange::Destroyed { by_user: false }));
    assert_eq!(
        destroyed["CallbackCommand"],
        "Live.CallbackAfterDestroyRoom"
    );
    assert_eq!(destroyed["EventType"], "DestroyBySystem");
    let left = body(&live(
        None,
        LiveChange::Left {
            user: user("bert"),
            online: 2,
            reason: LeaveReason::Kicked,
        },
    ));
    assert_eq!(left["CallbackCommand"], "Live.CallbackAfterMemberLeave");
    assert_eq!(left["MemberList_Account"], json!(["bert"]));
    assert_eq!(
        (&left["MemberCount"], &left["Reason"]),
        (&json!(2), &json!("kicked"))
    );
    let entered = body(&live(
        None,
        LiveChange::Entered {
            user: user("bert"),
            online: 4,
        },
    ));
    assert_eq!(entered["CallbackCommand"], "Live.CallbackAfterMemberEnter");
    assert_eq!(entered["Type"], "Enter");
}

#[test]
fn seats_are_told_all_of_them() {
    let seat = |index, name: Option<&str>| SeatView {
        index,
        is_locked: name.is_none(),
        is_audio_locked: true,
        is_video_locked: false,
        user: name.map(|name| SeatUser {
            user: user(name),
            profile: Profile::default(),
            rank: Rank::GeneralUser,
            microphone_on: false,
            camera_on: false,
            away: false,
        }),
    };
    let body = body(&Notice::Seats(SeatsNotice {
        key: key(),
        at: AT,
        operator: None,
        seats: vec![seat(0, Some("anna")), seat(1, None)],
    }));
    assert_eq!(body["CallbackCommand"], "Mic.CallbackAfterSeatInfoChanged");
    assert_eq!(
        body["SeatList"],
        json!([
            {"Index": 0, "Member_Account": "anna", "IsTakenDisabled": false,
             "IsVideoDisabled": false, "IsAudioDisabled": true},
            {"Index": 1, "IsTakenDisabled": true,
             "IsVideoDisabled": false, "IsAudioDisabled": true},
        ])
    );
}
