//! The chat service's request form: `POST /v4/{service}/{command}`, for back ends that call it
//! already. The caller is a user of the app's `admins` with a UserSig.

use std::time::Duration;

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::Api;
use super::access::{AdminRefusal, admin, unix_time};
use super::refusal::Refusal;
use super::router::{json, read, refused};
use crate::live::chat::{CustomPayload, Priority, TextPayload};
use crate::live::{
    About, AppId, Device, LiveError, MovePolicy, Order, RoomId, SeatOrder, SeatView, UserId,
};
use crate::signal::hub::admin::{
    AdminError, Call, Content, MAX_PAGE, MAX_USERS, Page, Reply, TimeView,
};

/// Answers one command. The status is 200 whatever happened, as with the vendor.
pub(super) async fn serve(
    State(api): State<Api>,
    command: Result<Path<(String, String)>, axum::extract::rejection::PathRejection>,
    request: Request,
) -> Response {
    let (head, body) = request.into_parts();
    let result = async {
        let Path((service, command)) = command.map_err(|_| unknown())?;
        let query: Result<Query<Credentials>, _> = Query::try_from_uri(&head.uri);
        let Ok(Query(caller)) = query else {
            return Err(bad("the query has sdkappid, identifier and usersig"));
        };
        let user: UserId = caller
            .identifier
            .parse()
            .map_err(|_| bad("identifier is a user id of 1 to 32 bytes"))?;
        let named = AppId(caller.sdkappid);
        let app = admin(&api, &head, named, &user, &caller.usersig)
            .map_err(|refusal| not_admin(&api, refusal))?;
        let body = read(&api, body).await.map_err(Failure::from)?;
        let body: Map<String, Value> = serde_json::from_str(&body)
            .map_err(|error| bad(&format!("the body is no JSON object: {error}")))?;
        let desk = Desk {
            api: &api,
            app,
            user,
            body,
        };
        match service.as_str() {
            "group_open_http_svc" => desk.group(&command).await,
            "room_engine_http_mic" => desk.mic(&command).await,
            _ => Err(unknown()),
        }
    };
    let (status, code, info, mut answer) = match result.await {
        Ok(answer) => ("OK", 0, String::new(), answer),
        Err(failure) => ("FAIL", failure.code, failure.message, Map::new()),
    };
    answer.insert("ActionStatus".to_owned(), status.into());
    answer.insert("ErrorCode".to_owned(), code.into());
    answer.insert("ErrorInfo".to_owned(), info.into());
    json(StatusCode::OK, &answer)
}

#[derive(Deserialize)]
struct Credentials {
    sdkappid: u32,
    identifier: String,
    #[serde(default)]
    usersig: String,
}

/// A refused command.
#[derive(Debug)]
struct Failure {
    code: i32,
    message: String,
}

type Answer = Result<Map<String, Value>, Failure>;

/// One command with its caller.
struct Desk<'a> {
    api: &'a Api,
    app: AppId,
    user: UserId,
    body: Map<String, Value>,
}

impl Desk<'_> {
    async fn group(&self, command: &str) -> Answer {
        match command {
            "create_group" => return self.create_group().await,
            "get_group_info" => return self.group_info().await,
            _ => {}
        }
        let group = self.text("GroupId")?;
        match command {
            "destroy_group" => {
                let order = Order::Dismiss;
                self.ask(group, |room| Call::Order {
                    room,
                    order: order.clone(),
                })
                .await?;
            }
            "modify_group_base_info" => {
                let (name, notice) = (self.optional("Name")?, self.optional("Notification")?);
                if name.is_some() || notice.is_some() {
                    let owned = |text: Option<&str>| text.map(str::to_owned);
                    self.ask(group, |room| Call::Update {
                        room,
                        name: owned(name),
                        notice: owned(notice),
                        seat_mode: None,
                    })
                    .await?;
                }
                if let Some(all) = self.optional("ShutUpAllMember")? {
                    let muted = match all {
                        "On" => true,
                        "Off" => false,
                        _ => return Err(bad("ShutUpAllMember is On or Off")),
                    };
                    self.ask(group, |room| Call::MuteAll { room, muted })
                        .await?;
                }
            }
            "send_group_msg" => {
                let from = match self.optional("From_Account")? {
                    Some(from) => Some(user(from)?),
                    None => Some(self.user.clone()),
                };
                let (priority, content) = (self.priority()?, self.content()?);
                let reply = self.ask(group, |room| Call::Send {
                    room,
                    from: from.clone(),
                    priority,
                    content: content.clone(),
                });
                if let Reply::Sent { time } = reply.await? {
                    return Ok(object(json!({"MsgTime": time})));
                }
            }
            "send_group_system_notification" => {
                let text = self.text("Content")?;
                let users = match self.body.contains_key("ToMembers_Account") {
                    true => self.users("ToMembers_Account")?,
                    false => Vec::new(),
                };
                self.ask(group, |room| Call::Notify {
                    room,
                    users: users.clone(),
                    text: text.to_owned(),
                })
                .await?;
            }
            "forbid_send_msg" => {
                let users = self.users("Members_Account")?;
                let time = match self.number("MuteTime")? {
                    Some(seconds) => Duration::from_secs(seconds),
                    None => return Err(bad("MuteTime is a number of seconds; 0 lifts the mute")),
                };
                self.ask(group, |room| Call::Mute {
                    room,
                    users: users.clone(),
                    time,
                })
                .await?;
            }
            "get_group_muted_account" => {
                let list = self.times(group, |room, after| Call::Mutes {
                    room,
                    after,
                    limit: MAX_PAGE,
                });
                let list = until(&list.await?, "MutedUntil");
                return Ok(object(json!({"GroupId": group, "MutedAccountList": list})));
            }
            "ban_group_member" => {
                let users = self.users("Members_Account")?;
                let ban = self.number("Duration")?.filter(|seconds| *seconds > 0);
                let ban = ban.ok_or_else(|| bad("Duration is the seconds of the ban, above 0"))?;
                let message = self.optional("Description")?.unwrap_or_default();
                self.ask(group, |room| Call::Remove {
                    room,
                    users: users.clone(),
                    message: message.to_owned(),
                    ban: Some(Duration::from_secs(ban)),
                })
                .await?;
            }
            "unban_group_member" => {
                for user in self.users("Members_Account")? {
                    self.ask(group, |room| Call::Order {
                        room,
                        order: Order::Unban { user: user.clone() },
                    })
                    .await?;
                }
            }
            "get_group_ban_member" => {
                let list = self.times(group, |room, after| Call::Bans {
                    room,
                    after,
                    limit: MAX_PAGE,
                });
                let list = until(&list.await?, "BannedUntil");
                let start = self.number("Offset")?.unwrap_or(0);
                let start = usize::try_from(start).unwrap_or(usize::MAX).min(list.len());
                let limit = self.number("Limit")?.unwrap_or(100);
                let end = start.saturating_add(usize::try_from(limit).unwrap_or(usize::MAX));
                let end = end.min(list.len());
                let next = if end < list.len() { end } else { 0 };
                return Ok(object(json!({
                    "GroupId": group,
                    "BannedAccountList": list[start..end],
                    "NextOffset": next,
                })));
            }
            "delete_group_member" => {
                let users = self.users("MemberToDel_Account")?;
                let message = self.optional("Reason")?.unwrap_or_default();
                self.ask(group, |room| Call::Remove {
                    room,
                    users: users.clone(),
                    message: message.to_owned(),
                    ban: None,
                })
                .await?;
            }
            "get_online_member_num" => {
                if let Reply::Room(room) = self.ask(group, |room| Call::Room { room }).await? {
                    return Ok(object(json!({"OnlineMemberNum": room.info.online})));
                }
            }
            _ => return Err(unknown()),
        }
        Ok(Map::new())
    }

    async fn create_group(&self) -> Answer {
        let group = match self.optional("GroupId")? {
            Some(group) => group.to_owned(),
            None => format!("@TGS#{:012x}", rand::random::<u64>() >> 16),
        };
        let kind = self.optional("Type")?.unwrap_or("AVChatRoom");
        if kind != "AVChatRoom" {
            return Err(bad(
                "Type is AVChatRoom; rooms of other kinds are not supported",
            ));
        }
        let owner = match self.optional("Owner_Account")? {
            Some(owner) => user(owner)?,
            None => self.user.clone(),
        };
        let name = self.optional("Name")?.unwrap_or_default();
        let notice = self.optional("Notification")?.unwrap_or_default();
        let call = Call::Create {
            room: room_of(&group)?,
            owner,
            about: About::new(name, notice)?,
            seats: None,
        };
        match self.api.ask(self.app, call).await? {
            Reply::Created { is_new: false, .. } => Err(LiveError::AlreadyYours {
                room: room_of(&group)?,
            }
            .into()),
            _ => Ok(object(json!({"GroupId": group, "Type": kind}))),
        }
    }

    async fn group_info(&self) -> Answer {
        let groups = self.body.get("GroupIdList").and_then(Value::as_array);
        let groups = groups.filter(|groups| (1..=50).contains(&groups.len()));
        let groups = groups.ok_or_else(|| bad("GroupIdList names 1 to 50 groups"))?;
        let mut list = Vec::new();
        for group in groups {
            let group = group.as_str().ok_or_else(|| bad("a group id is a text"))?;
            let reply = self.ask(group, |room| Call::Room { room }).await;
            list.push(match reply {
                Ok(Reply::Room(room)) => json!({
                    "GroupId": group,
                    "ErrorCode": 0,
                    "ErrorInfo": "",
                    "Type": "AVChatRoom",
                    "Name": *room.info.name,
                    "Notification": *room.info.notice,
                    "Owner_Account": room.info.owner,
                    "MemberNum": room.info.online,
                    "OnlineMemberNum": room.info.online,
                    "ShutUpAllMember": if room.is_mute_all { "On" } else { "Off" },
                }),
                Ok(_) => continue,
                Err(failure) => json!({
                    "GroupId": group,
                    "ErrorCode": failure.code,
                    "ErrorInfo": failure.message,
                }),
            });
        }
        Ok(object(json!({"GroupInfo": list})))
    }

    async fn mic(&self, command: &str) -> Answer {
        let id = self.text("RoomId")?;
        match command {
            "get_seat_list" => {
                let list: Vec<_> = self.seats(id).await?.iter().map(seat).collect();
                return Ok(object(json!({"SeatList": list})));
            }
            "pick_user_on_seat" => {
                let user = user(self.text("Member_Account")?)?;
                // -1 is any seat.
                let any = self.body.get("Index").and_then(Value::as_i64) == Some(-1);
                let seat = if any { None } else { Some(self.index()?) };
                self.ask(id, |room| Call::Seat {
                    room,
                    seat,
                    user: user.clone(),
                    policy: MovePolicy::AbortWhenOccupied,
                })
                .await?;
            }
            "kick_user_off_seat" => {
                let users = vec![user(self.text("Member_Account")?)?];
                self.order(id, SeatOrder::KickOff { users }).await?;
            }
            "lock_seat" => {
                let seat = self.index()?;
                let flags = ["IsTakenDisabled", "IsAudioDisabled", "IsVideoDisabled"];
                let [taken, audio, video] = flags.map(|flag| self.body.get(flag));
                let flag = |value: &Value| {
                    let flag = value.as_bool().or_else(|| Some(value.as_u64()? != 0));
                    flag.ok_or_else(|| bad("the flags of a seat are true or false"))
                };
                if let Some(taken) = taken {
                    let locked = flag(taken)?;
                    self.order(id, SeatOrder::Lock { seat, locked }).await?;
                }
                for (closed, device) in [(audio, Device::Microphone), (video, Device::Camera)] {
                    let Some(closed) = closed else { continue };
                    let open = !flag(closed)?;
                    let seats = self.seats(id).await?;
                    let there = seats.into_iter().nth(seat.into()).and_then(|s| s.user);
                    match there {
                        Some(there) => {
                            let user = there.user;
                            let order = SeatOrder::Device { user, device, open };
                            self.order(id, order).await?;
                        }
                        // Locks of devices belong to the one who sits.
                        None if open => {}
                        None => return Err(bad("nobody sits there whose device could be closed")),
                    }
                }
            }
            _ => return Err(unknown()),
        }
        Ok(Map::new())
    }

    async fn order(&self, id: &str, order: SeatOrder) -> Result<Reply, Failure> {
        let order = Order::Seat(order);
        self.ask(id, |room| Call::Order {
            room,
            order: order.clone(),
        })
        .await
    }

    async fn seats(&self, id: &str) -> Result<Vec<SeatView>, Failure> {
        match self.ask(id, |room| Call::Seats { room }).await? {
            Reply::Seats { items } => Ok(items),
            _ => Ok(Vec::new()),
        }
    }

    /// Asks about a group: a group of digits is the number room, or else the room with that name.
    async fn ask(&self, group: &str, call: impl Fn(RoomId) -> Call) -> Result<Reply, Failure> {
        let room = room_of(group)?;
        let is_number = matches!(room, RoomId::Number(_));
        match self.api.ask(self.app, call(room)).await {
            Err(AdminError::Live(LiveError::NoSuchRoom { room })) if is_number => {
                let name = RoomId::name(group).map_err(LiveError::BadId)?;
                let again = self.api.ask(self.app, call(name)).await;
                Ok(again.map_err(|error| match error {
                    AdminError::Live(LiveError::NoSuchRoom { .. }) => {
                        AdminError::Live(LiveError::NoSuchRoom { room })
                    }
                    other => other,
                })?)
            }
            other => Ok(other?),
        }
    }

    /// All bans or mutes of a group.
    async fn times(
        &self,
        group: &str,
        call: impl Fn(RoomId, Option<UserId>) -> Call,
    ) -> Result<Vec<TimeView>, Failure> {
        let (mut all, mut after) = (Vec::new(), None);
        for _ in 0..MAX_PAGES {
            let reply = self.ask(group, |room| call(room, after.clone())).await?;
            let (Reply::Times(Page { items, next })
            | Reply::Mutes {
                page: Page { items, next },
                ..
            }) = reply
            else {
                break;
            };
            all.extend(items);
            match next {
                Some(next) => after = Some(user(&next)?),
                None => break,
            }
        }
        Ok(all)
    }

    fn text(&self, name: &str) -> Result<&str, Failure> {
        self.optional(name)?
            .ok_or_else(|| bad(&format!("{name} is missing; it is a text")))
    }

    fn optional(&self, name: &str) -> Result<Option<&str>, Failure> {
        match self.body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(bad(&format!("{name} is a text"))),
        }
    }

    fn number(&self, name: &str) -> Result<Option<u64>, Failure> {
        match self.body.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => value
                .as_u64()
                .map(Some)
                .ok_or_else(|| bad(&format!("{name} is a whole number"))),
        }
    }

    fn index(&self) -> Result<u16, Failure> {
        let index = self.number("Index")?.and_then(|n| u16::try_from(n).ok());
        index.ok_or_else(|| bad("Index is the number of a seat, from 0"))
    }

    fn users(&self, name: &str) -> Result<Vec<UserId>, Failure> {
        let list = self.body.get(name).and_then(Value::as_array);
        let list = list.filter(|list| (1..=MAX_USERS).contains(&list.len()));
        let list = list.ok_or_else(|| bad(&format!("{name} names 1 to {MAX_USERS} users")))?;
        list.iter()
            .map(|name| user(name.as_str().unwrap_or_default()))
            .collect()
    }

    fn priority(&self) -> Result<Priority, Failure> {
        match self.optional("MsgPriority")? {
            None => Ok(Priority::Normal),
            Some(text) => Priority::ALL
                .into_iter()
                .find(|priority| format!("{priority:?}") == text)
                .ok_or_else(|| bad("MsgPriority is High, Normal, Low or Lowest")),
        }
    }

    fn content(&self) -> Result<Content, Failure> {
        let body = self.body.get("MsgBody").and_then(Value::as_array);
        let Some([element]) = body.map(Vec::as_slice) else {
            return Err(bad("MsgBody is a list of one element"));
        };
        let content = element.get("MsgContent").unwrap_or(&Value::Null);
        let text = |name: &str| {
            let text = content.get(name).and_then(Value::as_str);
            text.unwrap_or_default().to_owned()
        };
        match element.get("MsgType").and_then(Value::as_str) {
            Some("TIMTextElem") => Ok(Content::Text(TextPayload { text: text("Text") })),
            Some("TIMCustomElem") => Ok(Content::Custom(CustomPayload {
                data: text("Data"),
                description: text("Desc"),
                extension: text("Ext"),
            })),
            _ => Err(bad("MsgType is TIMTextElem or TIMCustomElem")),
        }
    }
}

/// The room of a group or room id in this form, where all ids are texts.
fn room_of(group: &str) -> Result<RoomId, Failure> {
    let room = RoomId::parse_number(group).or_else(|_| RoomId::name(group));
    room.map_err(|error| LiveError::BadId(error).into())
}

fn user(text: &str) -> Result<UserId, Failure> {
    text.parse().map_err(|error| LiveError::BadId(error).into())
}

fn until(list: &[TimeView], name: &str) -> Vec<Value> {
    let now = unix_time();
    list.iter()
        .map(|view| json!({"Member_Account": view.user, name: now + view.seconds}))
        .collect()
}

fn seat(view: &SeatView) -> Value {
    let user = view.user.as_ref();
    json!({
        "Index": view.index,
        "Member_Account": user.map_or("", |there| there.user.as_str()),
        "IsTakenDisabled": view.is_locked,
        "IsAudioDisabled": view.is_audio_locked,
        "IsVideoDisabled": view.is_video_locked,
    })
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn not_admin(api: &Api, refusal: AdminRefusal) -> Failure {
    match refusal {
        AdminRefusal::Token(error) => {
            api.0.metrics.refuse(error.label());
            tracing::info!(reason = %error, "API call refused");
            Failure {
                code: error.code(),
                message: error.sentence().to_string(),
            }
        }
        AdminRefusal::NotAdmin => {
            api.0.metrics.refuse("not_admin");
            Failure {
                code: 10_007,
                message: "the user is not among the app's `admins` in the settings".to_owned(),
            }
        }
        AdminRefusal::Other(refusal) => {
            refused(api, &refusal);
            refusal.into()
        }
    }
}

fn bad(message: &str) -> Failure {
    Failure {
        code: 10_004,
        message: message.to_owned(),
    }
}

fn unknown() -> Failure {
    Failure {
        code: 10_004,
        message: format!(
            "there is no such command here; there are {}",
            COMMANDS.join(", ")
        ),
    }
}

impl From<AdminError> for Failure {
    fn from(error: AdminError) -> Self {
        Self {
            code: error.chat_code(),
            message: error.to_string(),
        }
    }
}

impl From<LiveError> for Failure {
    fn from(error: LiveError) -> Self {
        AdminError::from(error).into()
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self {
            code: match refusal {
                Refusal::TooFast => 2996,
                _ => refusal.error_code().unwrap_or(10_004),
            },
            message: refusal.to_string(),
        }
    }
}

/// The commands that are carried out.
pub(super) const COMMANDS: [&str; 17] = [
    "group_open_http_svc/create_group",
    "group_open_http_svc/destroy_group",
    "group_open_http_svc/get_group_info",
    "group_open_http_svc/modify_group_base_info",
    "group_open_http_svc/send_group_msg",
    "group_open_http_svc/send_group_system_notification",
    "group_open_http_svc/forbid_send_msg",
    "group_open_http_svc/get_group_muted_account",
    "group_open_http_svc/ban_group_member",
    "group_open_http_svc/unban_group_member",
    "group_open_http_svc/get_group_ban_member",
    "group_open_http_svc/delete_group_member",
    "group_open_http_svc/get_online_member_num",
    "room_engine_http_mic/get_seat_list",
    "room_engine_http_mic/pick_user_on_seat",
    "room_engine_http_mic/kick_user_off_seat",
    "room_engine_http_mic/lock_seat",
];

/// Pages of bans or mutes: as many as the most mutes of a room fill.
const MAX_PAGES: usize = 50;
