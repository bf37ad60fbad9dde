//! The description of the API (OpenAPI 3.1), made from the table of endpoints.

use axum::extract::State;
use axum::response::Response;
use http::StatusCode;
use serde_json::{Map, Value, json};

use super::Api;
use super::endpoint::{BASE, Endpoint, PARTS, groups, parts};
use super::{chat_rest, cloud, dev, router, views};

pub(super) async fn serve(State(_): State<Api>) -> Response {
    router::json(StatusCode::OK, &document())
}

/// The whole description.
pub(super) fn document() -> Value {
    let mut paths = Map::new();
    let mut schemas = views::schemas();
    let mut tags = Vec::new();
    for group in groups() {
        tags.push(json!({"name": group.name, "description": group.text}));
        for endpoint in group.endpoints {
            if let Some(body) = &endpoint.body {
                schemas.insert(body.name.to_owned(), (body.schema)());
            }
            let path = paths
                .entry(format!("{BASE}{}", endpoint.path))
                .or_insert_with(|| json!({}));
            if let Some(path) = path.as_object_mut() {
                let method = endpoint.method.as_str().to_ascii_lowercase();
                path.insert(method, operation(group.name, &endpoint));
            }
        }
    }
    tags.push(json!({
        "name": VENDOR,
        "description": "Requests as back ends of the vendor's services make them already.",
    }));
    tags.push(json!({
        "name": dev::PAGES,
        "description": "What pages ask themselves, without any token.",
    }));
    for (path, item) in dev::operations() {
        paths.insert(path.to_owned(), item);
    }
    paths.insert("/trtc".to_owned(), json!({"post": cloud_operation()}));
    paths.insert(
        "/v4/{service}/{command}".to_owned(),
        json!({"post": chat_operation()}),
    );
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "weblive",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What the back end of a page, and the operator of the server, may ask.",
        },
        "tags": tags,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {
                "signature": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Weblive-Signature",
                    "description": SIGNING,
                },
                "token": {
                    "type": "http",
                    "scheme": "bearer",
                    "description": "One of `[api] tokens` of the settings. Weblive-App names the \
                                    app when there are several.",
                },
            },
        },
        "security": [{"signature": []}, {"token": []}],
    })
}

fn operation(tag: &str, endpoint: &Endpoint) -> Value {
    let reference = |name: &str| json!({"$ref": format!("#/components/schemas/{name}")});
    let example = |text: &str| serde_json::from_str(text).unwrap_or(Value::Null);
    let mut parameters = Vec::new();
    for name in parts(endpoint.path) {
        let found = PARTS.iter().find(|(other, ..)| *other == name);
        if let Some((name, schema, text)) = found {
            parameters.push(json!({
                "name": name,
                "in": "path",
                "required": true,
                "description": text,
                "schema": reference(schema),
            }));
        }
    }
    for param in endpoint.query {
        let kind = if param.is_number { "integer" } else { "string" };
        parameters.push(json!({
            "name": param.name,
            "in": "query",
            "description": param.text,
            "schema": {"type": kind},
        }));
    }
    let mut responses = Map::new();
    let mut done = json!({"description": "Done."});
    if let (Some(done), Some((schema, text))) = (done.as_object_mut(), endpoint.answer) {
        done.insert(
            "content".to_owned(),
            json!({"application/json": {"schema": reference(schema), "example": example(text)}}),
        );
    }
    if endpoint.status == 201 {
        responses.insert("200".to_owned(), done.clone());
    }
    responses.insert(endpoint.status.to_string(), done);
    let common = [
        (400, "bad-value"),
        (401, "credentials-missing"),
        (429, "too-fast"),
        (503, "busy"),
    ];
    for (status, _) in common.iter().chain(endpoint.refusals) {
        let all = common.iter().chain(endpoint.refusals);
        let mut codes: Vec<_> = all.filter(|(s, _)| s == status).map(|(_, c)| *c).collect();
        codes.dedup();
        responses.insert(
            status.to_string(),
            json!({
                "description": format!("Refused; `code` is {} for instance.", codes.join(", ")),
                "content": {"application/problem+json": {"schema": reference("Problem")}},
            }),
        );
    }
    let mut operation = json!({
        "tags": [tag],
        "operationId": endpoint.id,
        "summary": endpoint.summary,
        "parameters": parameters,
        "responses": responses,
    });
    if let Some(operation) = operation.as_object_mut() {
        if !endpoint.text.is_empty() {
            operation.insert("description".to_owned(), endpoint.text.into());
        }
        if let Some(body) = &endpoint.body {
            operation.insert(
                "requestBody".to_owned(),
                json!({
                    "required": true,
                    "content": {"application/json": {
                        "schema": reference(body.name),
                        "example": example(body.example),
                    }},
                }),
            );
        }
    }
    operation
}

fn cloud_operation() -> Value {
    json!({
        "tags": [VENDOR],
        "operationId": "cloudAction",
        "summary": "Actions of the cloud API, also at POST /",
        "description": format!(
            "X-TC-Action is one of {}. Signed with TC3-HMAC-SHA256, the secret id being the app's \
             number and the secret key its key, or as all other requests. The answer is 200 with \
             `Response.Error` when it is refused.",
            cloud::ACTIONS.join(", ")
        ),
        "parameters": [{
            "name": "X-TC-Action",
            "in": "header",
            "required": true,
            "schema": {"type": "string", "enum": cloud::ACTIONS},
        }],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"type": "object"},
            "example": {"SdkAppId": 1_400_000_000, "RoomId": 42},
        }}},
        "responses": {"200": {
            "description": "Done, or `Response.Error` with Code and Message.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }},
    })
}

fn chat_operation() -> Value {
    let query = |name: &str, kind: &str| json!({"name": name, "in": "query", "required": true, "schema": {"type": kind}});
    let part = |name: &str| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string"}});
    json!({
        "tags": [VENDOR],
        "operationId": "chatCommand",
        "summary": "Commands of the chat and seat services",
        "description": format!(
            "One of {}. `identifier` is one of the app's `admins` in the settings, and `usersig` \
             its UserSig. The answer is 200 with ActionStatus FAIL when it is refused.",
            chat_rest::COMMANDS.join(", ")
        ),
        "parameters": [
            part("service"), part("command"),
            query("sdkappid", "integer"), query("identifier", "string"), query("usersig", "string"),
        ],
        "security": [],
        "requestBody": {"required": true, "content": {"application/json": {
            "schema": {"type": "object"},
            "example": {"GroupId": "42"},
        }}},
        "responses": {"200": {
            "description": "ActionStatus, ErrorCode, ErrorInfo and what was asked.",
            "content": {"application/json": {"schema": {"type": "object"}}},
        }},
    })
}

/// How a request is signed.
pub(super) const SIGNING: &str = "64 hex digits: HMAC-SHA256, with the app's key, of six lines \
    joined by line feeds, without one at the end: `weblive-request-1`, the method, path and query \
    as they are sent, Weblive-Time, Weblive-Nonce (an empty line without one), and SHA-256 of the \
    body in lower-case hex. Weblive-App is the app's number, Weblive-Time Unix seconds at most 300 \
    from the server's clock, Weblive-Nonce up to 64 letters, digits, '-', '_' and '.'. A request \
    that changes something is taken once: sign it again to repeat it, with a nonce if within the \
    same second.";

const VENDOR: &str = "Vendor's forms";
