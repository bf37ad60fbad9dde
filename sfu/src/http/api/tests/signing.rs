//! Who is let in.

use super::*;

const TARGET: &str = "/api/v1/rooms/42/mute-all";

async fn room(routes: &Routes) {
    let created = routes
        .signed("PUT", "/api/v1/rooms/42", r#"{"owner": "anna"}"#)
        .await;
    assert_eq!(created.status, 201);
}

#[tokio::test]
async fn a_signature_with_either_key_lets_in_and_any_change_of_the_request_does_not() {
    let routes = Routes::usual();
    room(&routes).await;
    for key in ["old-key", "new-key"] {
        let signed = sign("PUT", TARGET, "", key, unix_time(), &nonce());
        assert_eq!(routes.send(signed).await.status, 204, "{key}");
    }
    let good = || {
        sign(
            "PUT",
            "/api/v1/rooms/42",
            r#"{"owner": "anna"}"#,
            "new-key",
            unix_time(),
            &nonce(),
        )
    };
    let mut other_body = good();
    *other_body.body_mut() = Body::from(r#"{"owner": "benn"}"#);
    let mut other_method = good();
    *other_method.method_mut() = "PATCH".parse().unwrap();
    let mut other_target = good();
    *other_target.uri_mut() = "/api/v1/rooms/43".parse().unwrap();
    let mut other_query = good();
    *other_query.uri_mut() = "/api/v1/rooms/42?".parse().unwrap();
    let mut other_nonce = good();
    let headers = other_nonce.headers_mut();
    headers.insert("weblive-nonce", "x".parse().unwrap());
    let other_key = sign("PUT", TARGET, "", "other", unix_time(), "");
    for changed in [
        other_body,
        other_method,
        other_target,
        other_query,
        other_nonce,
        other_key,
    ] {
        let shown = format!("{changed:?}");
        let got = routes.send(changed).await;
        assert_eq!(got.status, 401, "{shown}");
        got.problem(401, "signature-invalid");
    }
}

#[tokio::test]
async fn a_request_that_changes_something_is_taken_once() {
    let routes = Routes::usual();
    room(&routes).await;
    let time = unix_time();
    let put = |nonce| sign("PUT", TARGET, "", "new-key", time, nonce);
    assert_eq!(routes.send(put("a")).await.status, 204);
    routes.send(put("a")).await.problem(409, "replayed");
    assert_eq!(routes.send(put("b")).await.status, 204);
    let get = || sign("GET", "/api/v1/rooms", "", "new-key", time, "");
    assert_eq!(routes.send(get()).await.status, 200);
    assert_eq!(routes.send(get()).await.status, 200);
}

#[tokio::test]
async fn a_request_is_young() {
    let routes = Routes::usual();
    room(&routes).await;
    for time in [unix_time() - 400, unix_time() + 400] {
        let signed = sign("PUT", TARGET, "", "new-key", time, "");
        routes.send(signed).await.problem(401, "time-off");
    }
}

#[tokio::test]
async fn half_of_a_signature_is_none() {
    let routes = Routes::usual();
    let unsigned = routes.send(request("PUT", TARGET, &[], "")).await;
    unsigned.problem(401, "credentials-missing");
    assert_eq!(unsigned.headers["www-authenticate"], "Bearer");
    for missing in ["weblive-app", "weblive-time"] {
        let mut signed = sign("PUT", TARGET, "", "new-key", unix_time(), "");
        signed.headers_mut().remove(missing);
        let got = routes.send(signed).await;
        got.problem(401, "credentials-malformed");
    }
    let mut twice = sign("PUT", TARGET, "", "new-key", unix_time(), "");
    twice
        .headers_mut()
        .append("weblive-app", "7".parse().unwrap());
    routes
        .send(twice)
        .await
        .problem(401, "credentials-malformed");
    let mut unknown = sign("PUT", TARGET, "", "new-key", unix_time(), "");
    unknown
        .headers_mut()
        .insert("weblive-app", "7".parse().unwrap());
    routes.send(unknown).await.problem(401, "unknown-app");
    for authorization in ["Basic abc", "Bearer", "x"] {
        let headers = [("authorization", authorization)];
        let got = routes.send(request("GET", "/api/v1/rooms", &headers, ""));
        assert_eq!(got.await.status, 401, "{authorization}");
    }
}

#[tokio::test]
async fn a_request_without_credentials_costs_no_reading_of_its_body() {
    let routes = Routes::usual();
    let (sender, body) = http_body_util::channel::Channel::<bytes::Bytes>::new(1);
    let mut request = request("PUT", TARGET, &[], "");
    *request.body_mut() = Body::new(body);
    let got = routes.send(request).await;
    got.problem(401, "credentials-missing");
    drop(sender);
}

#[tokio::test]
async fn an_operator_names_the_app_when_there_are_several() {
    let routes = Routes::new(vec![app(1, &["a"]), app(2, &["b"])]);
    let call = |token: &'static str, app: Option<&'static str>| {
        let mut headers = vec![("authorization", token)];
        headers.extend(app.map(|app| ("weblive-app", app)));
        routes.send(request(
            "PUT",
            "/api/v1/rooms/42",
            &headers,
            r#"{"owner": "anna"}"#,
        ))
    };
    let (first, second) = ("Bearer first-token", "bearer second");
    call(first, None).await.problem(400, "app-missing");
    call(first, Some("3")).await.problem(401, "unknown-app");
    call(first, Some("x"))
        .await
        .problem(401, "credentials-malformed");
    call("Bearer third", Some("1"))
        .await
        .problem(401, "token-invalid");
    call("Bearer first-token2", Some("1"))
        .await
        .problem(401, "token-invalid");
    assert_eq!(call(first, Some("1")).await.status, 201);
    assert_eq!(
        call(second, Some("2")).await.status,
        201,
        "apps do not meet"
    );
    assert_eq!(call(second, Some("2")).await.status, 200);
}

#[tokio::test]
async fn an_open_server_answers_programs_on_its_own_machine_only() {
    let routes = Routes::new(Vec::new());
    let list = |headers: &[(&str, &str)]| request("GET", "/api/v1/rooms", headers, "");
    let local = "127.0.0.1:50000";
    routes.send(list(&[])).await.problem(403, "not-local");
    for remote in ["192.0.2.7:50000", "[2001:db8::1]:50000"] {
        let got = routes.send(from(remote, list(&[]))).await;
        got.problem(403, "not-local");
    }
    for remote in [local, "[::1]:50000", "[::ffff:127.0.0.1]:50000"] {
        let got = routes.send(from(remote, list(&[]))).await;
        assert_eq!(got.status, 200, "{remote}");
    }
    let passed_on = list(&[("x-forwarded-for", "192.0.2.7")]);
    let got = routes.send(from(local, passed_on)).await;
    got.problem(403, "not-local");
    for (host, origin, is_own) in [
        ("127.0.0.1:8080", None, true),
        ("localhost:8080", Some("http://localhost:8080"), true),
        ("[::1]:8080", Some("http://[::1]:8080"), true),
        ("localhost:8080", Some("https://evil.example"), false),
        ("localhost:8080", Some("http://localhost:9999"), false),
        ("localhost:8080", Some("null"), false),
        ("evil.example:8080", Some("http://evil.example:8080"), false),
        ("evil.example:8080", None, false),
        ("[evil.example", None, false),
    ] {
        let mut headers = vec![("host", host)];
        headers.extend(origin.map(|origin| ("origin", origin)));
        let got = routes.send(from(local, list(&headers))).await;
        if is_own {
            assert_eq!(got.status, 200, "{headers:?}");
        } else {
            got.problem(403, "foreign-page");
        }
    }
}
