//! The commands of `group_open_http_svc`.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::desk::{Answer, Desk, object, room_of, user};
use super::failure::{Failure, bad, unknown};
use crate::http::api::access::unix_time;
use crate::live::{About, AboutChange, LiveError, Order, RoomId, UserId};
use crate::signal::hub::admin::{Call, MAX_PAGE, Page, Reply, TimeView};

impl Desk<'_> {
    pub(super) async fn group(&self, command: &str) -> Answer {
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
                let about = self.about()?;
                if !about.is_empty() {
                    self.ask(group, |room| Call::Update {
                        room,
                        about: about.clone(),
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
        let call = Call::Create {
            room: room_of(&group)?,
            owner,
            about: About::default().with(self.about()?)?,
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

    /// The texts of a group that the request names.
    fn about(&self) -> Result<AboutChange, Failure> {
        let text = |name| -> Result<Option<String>, Failure> {
            Ok(self.optional(name)?.map(str::to_owned))
        };
        Ok(AboutChange {
            name: text("Name")?,
            notice: text("Notification")?,
            introduction: text("Introduction")?,
            cover: text("FaceUrl")?,
            hidden: None,
        })
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
                    "Introduction": *room.info.introduction,
                    "FaceUrl": *room.info.cover,
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
}

fn until(list: &[TimeView], name: &str) -> Vec<Value> {
    let now = unix_time();
    list.iter()
        .map(|view| json!({"Member_Account": view.user, name: now + view.seconds}))
        .collect()
}

/// Pages of bans or mutes: as many as the most mutes of a room fill.
const MAX_PAGES: usize = 50;
