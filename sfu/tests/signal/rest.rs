//! What a back end does by REST is seen over sockets.

use reqwest::Method;
use serde_json::{Value, json};
use sfu::auth::Apps;
use sfu::config::Settings;
use sfu::live::AppId;

use crate::client::Client;
use crate::server::{port, serve};

const TOML: &str = "apps = [{ id = 7, keys = [\"k1\"] }]\n\
    api.tokens = [\"operators-token-1\"]";

struct BackEnd {
    port: u16,
    http: reqwest::Client,
}

impl BackEnd {
    async fn call(&self, method: Method, path: &str, body: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}/api/v1{path}", self.port);
        let mut request = self.http.request(method, url);
        request = request
            .bearer_auth("operators-token-1")
            .header("weblive-app", "7");
        if !body.is_null() {
            let json = (http::header::CONTENT_TYPE, "application/json");
            request = request.header(json.0, json.1).body(body.to_string());
        }
        let reply = request.send().await.expect("a reply");
        let status = reply.status().as_u16();
        let text = reply.text().await.expect("a text");
        (status, serde_json::from_str(&text).unwrap_or_default())
    }
}

async fn member(port: u16, user: &str, role: &str) -> Client {
    let toml = format!("listen = \"127.0.0.1:0\"\n{TOML}");
    let settings = Settings::from_toml(std::path::Path::new("test"), &toml).expect("settings");
    let apps = Apps::new(settings.apps);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let now = now.expect("a clock").as_secs();
    let name = user.parse().expect("a user");
    let sig = apps
        .sign_user_sig(now, AppId(7), &name, 600)
        .expect("a token");
    let mut client = Client::open(port).await;
    client
        .login(7, Some(user), Some(&sig))
        .await
        .expect("logged in");
    let enter = json!({ "room": 5, "part": "all", "role": role });
    client.ask("enterRoom", enter).await.expect("entered");
    client
}

#[tokio::test]
async fn a_back_end_makes_a_room_and_removes_a_member_who_is_told_and_stays_out() {
    let server = serve(TOML).await;
    let port = port(&server);
    let http = reqwest::Client::new();
    let back_end = BackEnd { port, http };
    let room = json!({ "owner": "olga", "name": "Talk" });
    let (status, made) = back_end.call(Method::PUT, "/rooms/5", room).await;
    assert_eq!(status, 201, "{made}");
    let mut ben = member(port, "ben", "audience").await;
    let mut cleo = member(port, "cleo", "anchor").await;

    let (status, _) = back_end
        .call(Method::PUT, "/rooms/5/bans/ben", json!({ "seconds": 60 }))
        .await;
    assert!(status < 300, "{status}");
    let removed = ben.event("removed").await;
    assert_eq!(removed["room"], 5);
    assert_eq!(removed["reason"], "kick");
    let enter = json!({ "room": 5, "part": "all", "role": "audience" });
    let error = ben.ask("enterRoom", enter).await.expect_err("refused");
    assert_eq!(error["name"], "banned");

    let (status, _) = back_end
        .call(Method::DELETE, "/rooms/5/members/cleo", Value::Null)
        .await;
    assert_eq!(status, 204);
    assert_eq!(cleo.event("removed").await["reason"], "kick");
    let enter = json!({ "room": 5, "part": "all", "role": "anchor" });
    cleo.ask("enterRoom", enter).await.expect("in again");
    let (status, page) = back_end
        .call(Method::GET, "/rooms/5/members", Value::Null)
        .await;
    assert_eq!(status, 200);
    let items = page["items"].as_array().expect("a list");
    let users: Vec<_> = items.iter().map(|item| &item["user"]).collect();
    assert_eq!(users, ["cleo"]);

    let (status, _) = back_end.call(Method::DELETE, "/rooms/5", Value::Null).await;
    assert_eq!(status, 204);
    assert_eq!(cleo.event("removed").await["reason"], "room-disband");
    server.shut_down().await;
}

#[tokio::test]
async fn a_hidden_room_is_listed_for_the_back_end_alone() {
    let server = serve(TOML).await;
    let port = port(&server);
    let http = reqwest::Client::new();
    let back_end = BackEnd { port, http };
    let room = json!({ "owner": "olga", "hidden": true });
    let (_, made) = back_end.call(Method::PUT, "/rooms/5", room).await;
    assert_eq!(made["hidden"], true, "{made}");
    let mut ben = member(port, "ben", "audience").await;
    let listed = ben.ask("listRooms", json!({})).await.expect("a list");
    assert_eq!(listed["rooms"], json!([]));
    let (_, page) = back_end.call(Method::GET, "/rooms", Value::Null).await;
    assert_eq!(page["items"][0]["room"], 5, "{page}");

    let shown = json!({ "hidden": false });
    let (status, _) = back_end.call(Method::PATCH, "/rooms/5", shown).await;
    assert_eq!(status, 200);
    let listed = ben.ask("listRooms", json!({})).await.expect("a list");
    assert_eq!(listed["rooms"][0]["room"], 5);
    server.shut_down().await;
}
