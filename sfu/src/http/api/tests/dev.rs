//! Tokens for pages that are being developed, and what a page is told of the server.

use super::*;
use crate::live::RoomId;

const NEAR: &str = "127.0.0.1:5000";

/// A server that gives tokens, to those on its machine or to everybody.
fn giving(apps: Vec<App>, far: bool) -> Routes {
    Routes::with(apps, |config| {
        config.gives_tokens = true;
        config.gives_tokens_far = far;
    })
}

async fn ask(routes: &Routes, address: &str, headers: &[(&str, &str)], body: &str) -> Got {
    let request = request("POST", "/api/dev/usersig", headers, body);
    routes.send(from(address, request)).await
}

#[tokio::test]
async fn a_page_is_told_what_the_server_asks_for() {
    let get = || request("GET", "/api/server", &[], "");
    let open = Routes::new(Vec::new()).send(get()).await.json();
    assert_eq!(open["isOpen"], true);
    assert_eq!(open["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(open["relayMode"], "automatic");

    let closed = Routes::usual().send(get()).await.json();
    assert_eq!(
        (&closed["isOpen"], &closed["givesTokens"]),
        (&false.into(), &false.into())
    );
    assert_eq!(
        closed["apps"],
        serde_json::json!([]),
        "its apps are its own business"
    );

    let giving = giving(vec![app(7, &["k"])], false).send(get()).await.json();
    assert_eq!(giving["givesTokens"], true);
    let apps = serde_json::json!([{"id": 7, "requiresPrivateMapKey": false}]);
    assert_eq!(giving["apps"], apps);
}

#[tokio::test]
async fn tokens_are_good_for_the_user_and_the_room_that_were_named() {
    let mut strict = app(7, &["k"]);
    strict.require_private_map_key = true;
    let routes = giving(vec![strict], false);
    let body = r#"{"userId": "anna", "roomId": 42, "expire": 60}"#;
    let got = ask(&routes, NEAR, &[], body).await;
    assert_eq!(got.status, 200, "{}", got.text);
    assert_eq!(got.headers["cache-control"], "no-store");
    let got = got.json();
    assert_eq!((&got["sdkAppId"], &got["expire"]), (&7.into(), &60.into()));
    let apps = &routes.api.0.apps;
    let (now, anna) = (unix_time(), user("anna"));
    let user_sig = got["userSig"].as_str().unwrap();
    assert!(apps.check_user_sig(now, AppId(7), &anna, user_sig).is_ok());
    assert!(
        apps.check_user_sig(now + 120, AppId(7), &anna, user_sig)
            .is_err()
    );
    let ticket = got["privateMapKey"].as_str();
    let check = |room: &RoomId| apps.check_private_map_key(now, AppId(7), &anna, room, ticket);
    assert!(check(&number(42)).is_ok() && check(&number(43)).is_err());
}

#[tokio::test]
async fn nobody_is_given_tokens_unless_the_settings_say_so() {
    for routes in [Routes::usual(), Routes::new(Vec::new())] {
        let got = ask(&routes, NEAR, &[], r#"{"userId": "anna"}"#).await;
        got.problem(404, "gives-no-tokens");
    }
}

#[tokio::test]
async fn tokens_are_for_pages_of_the_server_itself() {
    let near = giving(vec![app(7, &["k"])], false);
    let body = r#"{"userId": "anna"}"#;
    let own = [
        ("host", "127.0.0.1:8080"),
        ("origin", "http://127.0.0.1:8080"),
    ];
    assert_eq!(ask(&near, NEAR, &own, body).await.status, 200);
    ask(&near, "10.0.0.9:5000", &[], body)
        .await
        .problem(403, "not-local");
    let foreign = [
        ("host", "127.0.0.1:8080"),
        ("origin", "https://evil.example"),
    ];
    ask(&near, NEAR, &foreign, body)
        .await
        .problem(403, "foreign-page");
    let bent = [("host", "evil.example"), ("origin", "http://evil.example")];
    ask(&near, NEAR, &bent, body)
        .await
        .problem(403, "foreign-page");

    let far = giving(vec![app(7, &["k"])], true);
    let own = [("host", "dev.example"), ("origin", "http://dev.example")];
    assert_eq!(ask(&far, "10.0.0.9:5000", &own, body).await.status, 200);
    ask(&far, "10.0.0.9:5000", &foreign, body)
        .await
        .problem(403, "foreign-page");
}

#[tokio::test]
async fn a_wish_that_does_not_fit_is_refused_with_what_does() {
    let routes = giving(vec![app(7, &["k"]), app(8, &["k"])], false);
    for (body, status, code) in [
        (r#"{"userId": "anna"}"#, 400, "app-missing"),
        (r#"{"userId": "anna", "sdkAppId": 9}"#, 401, "unknown-app"),
        (
            r#"{"userId": "anna", "sdkAppId": 8, "expire": 86401}"#,
            400,
            "bad-body",
        ),
        (
            r#"{"userId": "anna", "sdkAppId": 8, "expire": 0}"#,
            400,
            "bad-body",
        ),
        (r#"{"userId": "", "sdkAppId": 8}"#, 400, "bad-body"),
        (
            r#"{"userId": "anna", "sdkAppId": 8, "more": 1}"#,
            400,
            "bad-body",
        ),
        (
            r#"{"userId": "anna", "sdkAppId": 8, "roomId": 0}"#,
            400,
            "bad-body",
        ),
        ("anna", 400, "bad-body"),
    ] {
        ask(&routes, NEAR, &[], body).await.problem(status, code);
    }
    let form = [("content-type", "text/plain")];
    let mut plain = request("POST", "/api/dev/usersig", &[], "");
    plain
        .headers_mut()
        .insert(form[0].0, form[0].1.parse().unwrap());
    let got = routes.send(from(NEAR, plain)).await;
    got.problem(415, "unsupported-content-type");
    let got = routes
        .send(from(NEAR, request("GET", "/api/dev/usersig", &[], "")))
        .await;
    got.problem(405, "method-not-allowed");
}
