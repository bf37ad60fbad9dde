//! The chat service's request form: `POST /v4/{service}/{command}`, for back ends that call it
//! already. The caller is a user of the app's `admins` with a UserSig.

mod desk;
mod failure;
mod groups;
mod seats;

use axum::extract::{Path, Query, Request, State};
use axum::response::Response;
use http::StatusCode;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::Api;
use super::access::admin;
use super::router::{json, read};
use crate::live::{AppId, UserId};
use desk::Desk;
use failure::{Failure, bad, not_admin, unknown};

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
