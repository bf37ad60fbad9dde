//! The vendor's cloud API: `POST /` with `X-TC-Action`, for back ends that call it already.

use axum::extract::{Request, State};
use axum::response::Response;
use http::StatusCode;
use http::request::Parts;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::access::Claim;
use super::refusal::Refusal;
use super::router::{json, read, refused};
use super::streams::stream_id;
use crate::auth::RequestError;
use crate::live::{AppId, InvalidId, LiveError, Order, RoomId, TrackKind, UserId};
use crate::signal::hub::admin::{AdminError, Call, MAX_USERS};
use crate::webhook::RelayTask;

/// Answers one action. The status is 200 whatever happened, as with the vendor.
pub(super) async fn serve(State(api): State<Api>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let mut response = match carry_out(&api, &head, body).await {
        Ok(response) => response,
        Err(failure) => {
            let error = json!({"Code": failure.code, "Message": failure.message});
            Map::from_iter([("Error".to_owned(), error)])
        }
    };
    response.insert("RequestId".to_owned(), request_id().into());
    json(StatusCode::OK, &json!({"Response": response}))
}

async fn carry_out(
    api: &Api,
    head: &Parts,
    body: axum::body::Body,
) -> Result<Map<String, Value>, Failure> {
    let result = async {
        let claim = Claim::read(api, head)?;
        let body = read(api, body).await?;
        Ok((claim.verify(api, head, body.as_bytes())?, body))
    };
    let (caller, body) = result.await.inspect_err(|refusal| refused(api, refusal))?;
    let action = action(head).ok_or_else(|| Failure {
        code: "MissingParameter",
        message: "the header field X-TC-Action names the action".to_owned(),
    })?;
    let plan = plan(&action, &body)?;
    let app = caller.of(api, plan.app)?;
    api.ask(app, plan.call).await?;
    Ok(plan.answer)
}

/// What an action asks of the hub, and what it answers when that was done.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) app: AppId,
    pub(super) call: Call,
    pub(super) answer: Map<String, Value>,
}

impl Plan {
    fn new(app: u32, call: Call) -> Self {
        Self {
            app: AppId(app),
            call,
            answer: Map::new(),
        }
    }
}

/// A refused action.
#[derive(Debug)]
pub(super) struct Failure {
    pub(super) code: &'static str,
    pub(super) message: String,
}

/// Reads an action.
pub(super) fn plan(action: &str, body: &str) -> Result<Plan, Failure> {
    match action {
        "DismissRoom" => {
            let asked: Dismiss<u64> = read_json(body)?;
            let room = number(asked.room_id)?;
            Ok(dismiss(asked.sdk_app_id, room))
        }
        "DismissRoomByStrRoomId" => {
            let asked: Dismiss<String> = read_json(body)?;
            let room = name(&asked.room_id)?;
            Ok(dismiss(asked.sdk_app_id, room))
        }
        "RemoveUser" => {
            let asked: Remove<u64> = read_json(body)?;
            let room = number(asked.room_id)?;
            remove(asked.sdk_app_id, room, asked.user_ids)
        }
        "RemoveUserByStrRoomId" => {
            let asked: Remove<String> = read_json(body)?;
            let room = name(&asked.room_id)?;
            remove(asked.sdk_app_id, room, asked.user_ids)
        }
        "SetUserBlocked" => {
            let asked: Block<u64> = read_json(body)?;
            let room = number(asked.room_id)?;
            Ok(block(asked.sdk_app_id, room, asked.user_id, asked.is_mute))
        }
        "SetUserBlockedByStrRoomId" => {
            let asked: Block<String> = read_json(body)?;
            let room = name(&asked.room_id)?;
            Ok(block(asked.sdk_app_id, room, asked.user_id, asked.is_mute))
        }
        "StartPublishCdnStream" => {
            let asked: Publish = read_json(body)?;
            publish(asked)
        }
        "UpdatePublishCdnStream" => {
            let asked: Publish = read_json(body)?;
            let named = asked.task_id.clone().unwrap_or_default();
            let number = asked.sequence_number.ok_or_else(|| Failure {
                code: "MissingParameter",
                message: "SequenceNumber is a number that rises with each update".to_owned(),
            })?;
            let mut plan = publish(asked)?;
            if plan.answer.get("TaskId").and_then(Value::as_str) != Some(&named) {
                return Err(no_task());
            }
            if let Call::StartRelay { sequence, .. } = &mut plan.call {
                *sequence = Some(number);
            }
            Ok(plan)
        }
        "StopPublishCdnStream" => {
            let asked: Stop = read_json(body)?;
            let task = asked.task_id.parse().map_err(|_| no_task())?;
            let RelayTask { room, user, track } = task;
            let call = Call::StopRelay { room, user, track };
            let mut plan = Plan::new(asked.sdk_app_id, call);
            plan.answer
                .insert("TaskId".to_owned(), asked.task_id.into());
            Ok(plan)
        }
        "StartStreamIngest" | "StopStreamIngest" | "DescribeStreamIngest" => Err(Failure {
            code: "UnsupportedOperation",
            message: "pulling an address into a room is not supported; let an encoder publish by \
                      WHIP"
                .to_owned(),
        }),
        _ => Err(Failure {
            code: "InvalidAction",
            message: format!(
                "there is no such action here; there are {}",
                ACTIONS.join(", ")
            ),
        }),
    }
}

/// The actions that are carried out.
pub(super) const ACTIONS: [&str; 9] = [
    "DismissRoom",
    "DismissRoomByStrRoomId",
    "RemoveUser",
    "RemoveUserByStrRoomId",
    "SetUserBlocked",
    "SetUserBlockedByStrRoomId",
    "StartPublishCdnStream",
    "UpdatePublishCdnStream",
    "StopPublishCdnStream",
];

fn action(head: &Parts) -> Option<String> {
    let header = ["x-tc-action", "action"]
        .into_iter()
        .find_map(|name| head.headers.get(name)?.to_str().ok());
    let query = head.uri.query().unwrap_or_default().split('&');
    let named = || query.into_iter().find_map(|p| p.strip_prefix("Action="));
    header.or_else(named).map(|action| {
        let letters = action.chars().filter(char::is_ascii_alphanumeric);
        letters.take(64).collect()
    })
}

fn read_json<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Failure> {
    serde_json::from_str(body).map_err(|error| Failure {
        code: "InvalidParameter",
        message: format!("the body does not fit: {error}"),
    })
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Dismiss<R> {
    sdk_app_id: u32,
    room_id: R,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Remove<R> {
    sdk_app_id: u32,
    room_id: R,
    user_ids: Vec<UserId>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Block<R> {
    sdk_app_id: u32,
    room_id: R,
    user_id: UserId,
    is_mute: Flag,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Stop {
    sdk_app_id: u32,
    task_id: String,
}

/// The parts of a request to publish that mean something here; others are not looked at.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Publish {
    sdk_app_id: u32,
    room_id: NumberOrText,
    /// 0 a number, 1 a name.
    #[serde(default)]
    room_id_type: u8,
    #[serde(default)]
    with_transcoding: Flag,
    single_subscribe_params: Option<Single>,
    #[serde(default)]
    publish_cdn_params: Vec<Cdn>,
    #[serde(default)]
    feed_back_room_params: Vec<Value>,
    task_id: Option<String>,
    sequence_number: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Single {
    user_media_stream: MediaStream,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MediaStream {
    user_info: UserInfo,
    /// 0 camera and microphone, 1 screen.
    #[serde(default)]
    stream_type: u8,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct UserInfo {
    user_id: UserId,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Cdn {
    publish_cdn_url: String,
    #[serde(default)]
    is_tencent_cdn: Flag,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

/// 0 and 1, or false and true: both are in use.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
#[serde(from = "NumberOrBool")]
struct Flag(bool);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrBool {
    Bool(bool),
    Number(u8),
}

impl From<NumberOrBool> for Flag {
    fn from(flag: NumberOrBool) -> Self {
        Self(match flag {
            NumberOrBool::Bool(flag) => flag,
            NumberOrBool::Number(number) => number != 0,
        })
    }
}

fn dismiss(app: u32, room: RoomId) -> Plan {
    let order = Order::Dismiss;
    Plan::new(app, Call::Order { room, order })
}

fn remove(app: u32, room: RoomId, users: Vec<UserId>) -> Result<Plan, Failure> {
    if users.is_empty() || users.len() > MAX_REMOVED.min(MAX_USERS) {
        return Err(Failure {
            code: "InvalidParameter.UserIds",
            message: format!(
                "UserIds names {} users; 1 to {MAX_REMOVED} are allowed",
                users.len()
            ),
        });
    }
    Ok(Plan::new(
        app,
        Call::Remove {
            room,
            users,
            message: String::new(),
            ban: None,
        },
    ))
}

fn block(app: u32, room: RoomId, user: UserId, blocked: Flag) -> Plan {
    let order = Order::Block {
        user,
        blocked: blocked.0,
    };
    Plan::new(app, Call::Order { room, order })
}

fn publish(asked: Publish) -> Result<Plan, Failure> {
    let unsupported = |message: &str| Failure {
        code: "UnsupportedOperation",
        message: message.to_owned(),
    };
    if asked.with_transcoding.0 {
        return Err(unsupported(
            "mixing is not supported; allowed is WithTranscoding 0 with SingleSubscribeParams",
        ));
    }
    if !asked.feed_back_room_params.is_empty() {
        return Err(unsupported(
            "FeedBackRoomParams are not supported; what is published stays in its room too",
        ));
    }
    let single = asked.single_subscribe_params.ok_or_else(|| Failure {
        code: "MissingParameter",
        message: "SingleSubscribeParams says what is published".to_owned(),
    })?;
    let stream = match asked.publish_cdn_params.as_slice() {
        [] => None,
        [cdn] if cdn.is_tencent_cdn.0 => {
            let path = cdn.publish_cdn_url.split('?').next().unwrap_or_default();
            let id = path.rsplit('/').next().unwrap_or_default();
            Some(stream_id(id)?)
        }
        _ => {
            return Err(unsupported(
                "pushing to other servers is not supported; allowed is one of PublishCdnParams with \
                 IsTencentCdn 1, whose address ends with the stream id to play at /live/",
            ));
        }
    };
    let room = match (asked.room_id_type, asked.room_id) {
        (0, NumberOrText::Number(room)) => number(room)?,
        (0, NumberOrText::Text(room)) => RoomId::parse_number(&room).map_err(bad_room)?,
        (1, NumberOrText::Text(room)) => name(&room)?,
        _ => {
            return Err(Failure {
                code: "InvalidParameter.RoomId",
                message: "RoomIdType is 0 for a number and 1 for a text".to_owned(),
            });
        }
    };
    let MediaStream {
        user_info: UserInfo { user_id: user },
        stream_type,
    } = single.user_media_stream;
    let track = match stream_type {
        0 => TrackKind::Main,
        1 => TrackKind::Aux,
        _ => {
            return Err(Failure {
                code: "InvalidParameter",
                message: "StreamType is 0 for the camera and 1 for the screen".to_owned(),
            });
        }
    };
    let task = RelayTask {
        room: room.clone(),
        user: user.clone(),
        track,
    };
    let mut plan = Plan::new(
        asked.sdk_app_id,
        Call::StartRelay {
            room,
            user,
            track,
            stream,
            sequence: None,
        },
    );
    let task = task.to_string();
    plan.answer.insert("TaskId".to_owned(), task.into());
    Ok(plan)
}

fn number(room: u64) -> Result<RoomId, Failure> {
    RoomId::number(room).map_err(bad_room)
}

fn name(room: &str) -> Result<RoomId, Failure> {
    RoomId::name(room).map_err(bad_room)
}

fn bad_room(error: InvalidId) -> Failure {
    Failure {
        code: "InvalidParameter.RoomId",
        message: error.to_string(),
    }
}

fn no_task() -> Failure {
    Failure {
        code: "InvalidParameter",
        message: "TaskId is none that StartPublishCdnStream gave for this publication".to_owned(),
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let code = match &refusal {
            Refusal::Admin(error) => admin_code(error),
            Refusal::NoCredentials | Refusal::Credentials(_) => "AuthFailure.InvalidAuthorization",
            Refusal::Token => "AuthFailure.TokenFailure",
            Refusal::Request(RequestError::Time { .. } | RequestError::Replayed) => {
                "AuthFailure.SignatureExpire"
            }
            Refusal::Request(RequestError::Full { .. }) => "InternalError",
            Refusal::Request(_) => "AuthFailure.SignatureFailure",
            Refusal::UnknownApp { .. } => "InvalidParameter.SdkAppId",
            Refusal::NotLocal | Refusal::ForeignPage => "UnauthorizedOperation",
            Refusal::TooFast => "RequestLimitExceeded",
            _ => "InvalidParameter",
        };
        Self {
            code,
            message: refusal.to_string(),
        }
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Self {
            code: admin_code(&error),
            message: error.to_string(),
        }
    }
}

fn admin_code(error: &AdminError) -> &'static str {
    match error {
        AdminError::Live(LiveError::NoSuchRoom { .. }) => "FailedOperation.RoomNotExist",
        AdminError::Live(LiveError::NotMember { .. }) => "FailedOperation.UserNotExist",
        AdminError::Live(LiveError::BadId(_) | LiveError::BadValue { .. }) => "InvalidParameter",
        AdminError::OldUpdate { .. } => "InvalidParameter.SequenceNumber",
        AdminError::StreamTaken { .. } => "ResourceInUse",
        AdminError::Unsupported { .. } => "UnsupportedOperation",
        AdminError::Busy | AdminError::Live(LiveError::Busy) => "InternalError",
        _ => "FailedOperation",
    }
}

/// Random, in the shape of the vendor's ids.
fn request_id() -> String {
    let hex = format!("{:032x}", rand::random::<u128>());
    let parts = [
        &hex[..8],
        &hex[8..12],
        &hex[12..16],
        &hex[16..20],
        &hex[20..],
    ];
    parts.join("-")
}

/// Users in one RemoveUser.
const MAX_REMOVED: usize = 10;
