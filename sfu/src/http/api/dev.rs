//! What a page can ask of a server that it does not know, and tokens for pages that are being
//! developed.

use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use http::request::Parts;
use http::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::access::{local, own_page, unix_time};
use super::refusal::Refusal;
use super::router::{check_json, json as answer, read, refused};
use super::{Api, ApiConfig};
use crate::auth::Privileges;
use crate::live::broadcasts::RelayMode;
use crate::live::{AppId, RoomId, UserId};

/// What `GET /api/server` tells.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ServerInfo<'a> {
    version: &'a str,
    /// No token is asked for.
    is_open: bool,
    /// `POST /api/dev/usersig` gives them.
    gives_tokens: bool,
    /// The apps that it gives them for: others are nobody's business.
    apps: Vec<AppInfo>,
    /// Which publishers get public addresses.
    relay_mode: &'a str,
    /// Whether pictures are taken.
    takes_images: bool,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct AppInfo {
    id: AppId,
    requires_private_map_key: bool,
}

/// Who is to be given tokens, and for what.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Wish {
    user_id: UserId,
    sdk_app_id: Option<AppId>,
    room_id: Option<RoomId>,
    expire: Option<u64>,
}

/// The tokens.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Tokens {
    sdk_app_id: AppId,
    user_id: UserId,
    user_sig: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    private_map_key: Option<String>,
    /// Seconds.
    expire: u64,
}

pub(super) async fn server(State(api): State<Api>) -> Response {
    let ApiConfig {
        gives_tokens,
        relay_mode,
        takes_images,
        ..
    } = api.0.config;
    let apps = &api.0.apps;
    let told = |id| AppInfo {
        id,
        requires_private_map_key: apps.requires_private_map_key(id),
    };
    let info = ServerInfo {
        version: env!("CARGO_PKG_VERSION"),
        is_open: apps.is_open(),
        gives_tokens,
        apps: apps.ids().filter(|_| gives_tokens).map(told).collect(),
        relay_mode: match relay_mode {
            RelayMode::Automatic => "automatic",
            RelayMode::Named => "named",
        },
        takes_images,
    };
    answer(StatusCode::OK, &info)
}

pub(super) async fn usersig(State(api): State<Api>, request: Request) -> Response {
    if request.method() == Method::OPTIONS {
        return Refusal::allow(USERSIG_METHODS);
    }
    match tokens(&api, request).await {
        Ok(tokens) => answer(StatusCode::OK, &tokens),
        Err(refusal) => {
            refused(&api, &refusal);
            refusal.into_response()
        }
    }
}

async fn tokens(api: &Api, request: Request) -> Result<Tokens, Refusal> {
    let (head, body) = request.into_parts();
    if !api.0.config.gives_tokens {
        return Err(Refusal::GivesNoTokens);
    }
    if head.method != Method::POST {
        let allowed = USERSIG_METHODS.to_owned();
        return Err(Refusal::Method { allowed });
    }
    let is_near = |head: &Parts| match api.0.config.gives_tokens_far {
        true => own_page(head),
        false => local(head),
    };
    is_near(&head)?;
    check_json(&head)?;
    let body = read(api, body).await?;
    let wish: Wish = serde_json::from_str(&body).map_err(|error| Refusal::Json {
        reason: error.to_string(),
    })?;
    let expire = wish.expire.unwrap_or(MAX_EXPIRE);
    if !(1..=MAX_EXPIRE).contains(&expire) {
        return Err(Refusal::Json {
            reason: format!("`expire` is 1 to {MAX_EXPIRE} seconds"),
        });
    }
    let apps = &api.0.apps;
    let app = match wish.sdk_app_id {
        Some(app) => app,
        None => {
            let mut ids = apps.ids();
            match (ids.next(), ids.next()) {
                (Some(only), None) => only,
                _ => return Err(Refusal::WhichSdkApp),
            }
        }
    };
    let unknown = |_| Refusal::UnknownApp { app };
    let (now, user) = (unix_time(), wish.user_id);
    let user_sig = apps
        .sign_user_sig(now, app, &user, expire)
        .map_err(unknown)?;
    let sign = |room| apps.sign_private_map_key(now, app, &user, room, Privileges::ALL, expire);
    let private_map_key = wish
        .room_id
        .as_ref()
        .map(sign)
        .transpose()
        .map_err(unknown)?;
    tracing::info!(%app, %user, "a token is given (dev.tokens)");
    Ok(Tokens {
        sdk_app_id: app,
        user_id: user,
        user_sig,
        private_map_key,
        expire,
    })
}

/// Both for the description of the API.
pub(super) fn operations() -> [(&'static str, Value); 2] {
    let problem = json!({
        "description": "Refused.",
        "content": {"application/problem+json": {
            "schema": {"$ref": "#/components/schemas/Problem"},
        }},
    });
    let object = |example: Value| {
        json!({
            "description": "Done.",
            "content": {"application/json": {"schema": {"type": "object"}, "example": example}},
        })
    };
    let server = json!({"get": {
        "tags": [PAGES],
        "operationId": "server",
        "summary": "What a page needs to know of the server before it logs in",
        "description": "`apps` is empty unless the server gives tokens.",
        "security": [],
        "responses": {"200": object(json!({
            "version": "0.1.0", "isOpen": true, "givesTokens": false, "apps": [],
            "relayMode": "automatic", "takesImages": true,
        }))},
    }});
    let usersig = json!({"post": {
        "tags": [PAGES],
        "operationId": "developmentTokens",
        "summary": "Get tokens for a page that is being developed",
        "description": "Only with `dev.tokens` in the settings, and not for pages of other \
            origins. `sdkAppId` may be absent where there is one app; with `roomId` a \
            PrivateMapKey for that room comes along. `expire` is up to 86400 seconds.",
        "security": [],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"type": "object", "required": ["userId"]},
            "example": {"userId": "anna", "sdkAppId": 1_400_000_000, "roomId": 42},
        }}},
        "responses": {
            "200": object(json!({
                "sdkAppId": 1_400_000_000, "userId": "anna", "userSig": "eJyr…",
                "privateMapKey": "eJyr…", "expire": 86_400,
            })),
            "400": problem, "401": problem, "403": problem, "404": problem,
        },
    }});
    [("/api/server", server), ("/api/dev/usersig", usersig)]
}

/// The group in the description.
pub(super) const PAGES: &str = "Pages";

/// A day of work.
const MAX_EXPIRE: u64 = 86_400;

const USERSIG_METHODS: &str = "POST, OPTIONS";
