//! Routes, description and examples say the same, and answers are what the description says.

use std::collections::BTreeSet;

use http::Uri;
use serde_json::json;

use super::*;
use crate::http::api::endpoint::{BASE, Endpoint, groups, parts};
use crate::http::api::input::Input;
use crate::http::api::openapi::document;
use crate::live::{Command, Publication, TrackKind};

fn endpoints() -> Vec<Endpoint> {
    let groups = groups().into_iter();
    groups.flat_map(|group| group.endpoints).collect()
}

/// A path with examples for its parts.
fn filled(path: &str) -> String {
    let example = |part: &str| match part {
        "{room}" => "42".to_owned(),
        "{other}" => "43".to_owned(),
        "{user}" => "ben".to_owned(),
        "{seat}" | "{sequence}" | "{push}" | "{recording}" => "1".to_owned(),
        "{name}" => "gifts".to_owned(),
        "{track}" => "main".to_owned(),
        "{stream}" => "evening-1".to_owned(),
        "{viewer}" | "{revocation}" => "1".to_owned(),
        other => other.to_owned(),
    };
    path.split('/').map(example).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn each_endpoint_has_a_route_and_stands_in_the_description() {
    let routes = Routes::usual();
    let document = document();
    let mut ids = BTreeSet::new();
    for endpoint in endpoints() {
        let method = endpoint.method.as_str();
        let target = format!("{BASE}{}", filled(endpoint.path));
        let got = routes.send(request(method, &target, &[], "")).await;
        got.problem(401, "credentials-missing");
        let path = &document["paths"][format!("{BASE}{}", endpoint.path)];
        let operation = &path[method.to_ascii_lowercase()];
        assert_eq!(operation["operationId"], endpoint.id);
        let described = operation["parameters"].as_array().unwrap();
        let in_path = described.iter().filter(|p| p["in"] == "path").count();
        assert_eq!(in_path, parts(endpoint.path).count(), "{}", endpoint.path);
        assert!(ids.insert(endpoint.id), "{} is there twice", endpoint.id);
    }
    let described = document["paths"].as_object().unwrap();
    let operations: usize = described
        .values()
        .map(|path| path.as_object().unwrap().len())
        .sum();
    let others = "the vendor's two, and the pages' two";
    assert_eq!(operations, ids.len() + 4, "and {others}");
}

#[test]
fn each_example_of_a_body_is_accepted_and_fits_its_schema() {
    let document = document();
    for endpoint in endpoints() {
        let path = parts(endpoint.path).map(str::to_owned);
        let values = filled(endpoint.path);
        let values = values.split('/').zip(endpoint.path.split('/'));
        let values = values.filter(|(_, part)| part.starts_with('{'));
        let path = path
            .zip(values.map(|(value, _)| value.to_owned()))
            .collect();
        let body = endpoint.body.as_ref().map_or("", |body| body.example);
        let uri = Uri::from_static("/");
        let input = Input::read(path, &uri, endpoint.query, body).unwrap();
        let read = match (endpoint.look, endpoint.push, endpoint.record) {
            (Some(look), ..) => look(&input).map(|_| ()),
            (None, Some(push), _) => push(&input).map(|_| ()),
            (None, None, Some(record)) => record(&input).map(|_| ()),
            (None, None, None) => (endpoint.call)(&input).map(|_| ()),
        };
        if let Err(refusal) = read {
            panic!("{}: {refusal}", endpoint.id);
        }
        if let Some(body) = &endpoint.body {
            let example = serde_json::from_str(body.example).unwrap();
            check(&document, body.name, &example).unwrap_or_else(|e| panic!("{}: {e}", body.name));
        }
    }
}

#[test]
fn each_example_of_an_answer_fits_its_schema_and_each_reference_leads_somewhere() {
    let document = document();
    for endpoint in endpoints() {
        assert_eq!(
            endpoint.answer.is_none(),
            matches!(endpoint.status, 204) || endpoint.id == "notify",
            "{}",
            endpoint.id
        );
        if let Some((schema, example)) = endpoint.answer {
            let example = serde_json::from_str(example).unwrap();
            check(&document, schema, &example).unwrap_or_else(|e| panic!("{}: {e}", endpoint.id));
        }
    }
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(!document["components"]["schemas"][name].is_null(), "{name}");
    }
}

/// Asks every endpoint on rooms that hold something of everything; the answers are held against
/// the description.
#[tokio::test]
async fn each_answer_is_what_the_description_says() {
    let routes = Routes::usual();
    let setup = [
        (
            "PUT",
            "/rooms/42",
            r#"{"owner": "anna", "name": "T", "seats": {"count": 3}}"#,
        ),
        ("PUT", "/rooms/43", r#"{"owner": "dora"}"#),
    ];
    for (method, path, body) in setup {
        let got = routes.signed(method, &format!("{BASE}{path}"), body).await;
        assert_eq!(got.status, 201, "{}", got.text);
    }
    {
        let mut bench = routes.bench.lock().unwrap();
        for (name, room) in [("anna", 42), ("ben", 42), ("cleo", 42), ("dora", 43)] {
            let connection = bench.enter(APP, name, &number(room));
            if matches!(name, "anna" | "dora") {
                let publication = Publication {
                    has_audio: true,
                    has_video: true,
                    ..Publication::default()
                };
                bench.command(
                    connection,
                    Command::Publish {
                        room: number(room),
                        track: TrackKind::Main,
                        publication,
                    },
                );
            }
        }
    }
    let document = document();
    // What others need comes before what takes it away.
    let order = |endpoint: &Endpoint| match endpoint.method.as_str() {
        "POST" if endpoint.path.ends_with("/removals") => 4,
        "PUT" if endpoint.path.contains("/bans/") => 3,
        "PUT" => 0,
        "POST" => 1,
        "PATCH" => 2,
        "GET" => 3,
        _ if endpoint.path == "/rooms/{room}" => 9,
        _ => 5,
    };
    let mut all = endpoints();
    all.sort_by_key(order);
    let mut carried_out = 0;
    for endpoint in &all {
        let path = filled(endpoint.path).replace("members/ben/relays", "members/anna/relays");
        let target = format!("{BASE}{path}");
        let body = endpoint.body.as_ref().map_or("", |body| body.example);
        let got = routes.signed(endpoint.method.as_str(), &target, body).await;
        routes.bench.lock().unwrap().deliver(APP, &number(42));
        let expected = match endpoint.id {
            "createRoom" => 200,
            _ => endpoint.status,
        };
        if endpoint.id == "createRoom" {
            // The example is of a room with other seats.
            got.problem(400, "bad-value");
            carried_out += 1;
            continue;
        }
        assert_eq!(got.status, expected, "{}: {}", endpoint.id, got.text);
        match endpoint.answer {
            Some((schema, _)) => {
                check(&document, schema, &got.json())
                    .unwrap_or_else(|e| panic!("{}: {e} in {}", endpoint.id, got.text));
            }
            None => assert_eq!(got.text, "", "{}", endpoint.id),
        }
        carried_out += 1;
    }
    assert_eq!(carried_out, all.len());
    let notices = &routes.bench.lock().unwrap().notices;
    assert_eq!(notices.len(), 1, "{notices:?}");
}

#[tokio::test]
async fn a_refusal_is_what_the_description_says() {
    let routes = Routes::usual();
    let got = routes.signed("GET", "/api/v1/rooms/42", "").await;
    check(&document(), "Problem", &got.json()).unwrap();
}

#[test]
fn the_check_of_these_tests_finds_what_is_wrong() {
    let document = document();
    let room = json!({"room": 42, "online": 3});
    assert_eq!(check(&document, "OnlineCount", &room), Ok(()));
    for wrong in [
        json!({"room": 42}),
        json!({"room": 42, "online": -1}),
        json!({"room": 42, "online": "3"}),
        json!({"room": 42, "online": 3, "x": 1}),
        json!({"room": null, "online": 3}),
        json!([]),
    ] {
        assert!(check(&document, "OnlineCount", &wrong).is_err(), "{wrong}");
    }
    assert!(check(&document, "Track", &json!("side")).is_err());
    assert!(check(&document, "Users", &json!({"users": [1]})).is_err());
}

/// Holds a value against a schema of the description: the part of JSON Schema that is used there.
pub(super) fn check(document: &Value, name: &str, value: &Value) -> Result<(), String> {
    let schema = &document["components"]["schemas"][name];
    if schema.is_null() {
        return Err(format!("there is no schema {name}"));
    }
    fits(document, schema, value).map_err(|wrong| format!("{name}: {wrong}"))
}

fn fits(document: &Value, schema: &Value, value: &Value) -> Result<(), String> {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.rsplit('/').next().unwrap();
        return check(document, name, value);
    }
    if let Some(choices) = schema["anyOf"].as_array() {
        let fit = choices.iter().any(|one| fits(document, one, value).is_ok());
        return fit.then_some(()).ok_or(format!("{value} fits nothing"));
    }
    if let Some(words) = schema["enum"].as_array()
        && !words.contains(value)
    {
        return Err(format!("{value} is no word of {words:?}"));
    }
    let is_type = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        Some("boolean") => value.is_boolean(),
        Some("null") => value.is_null(),
        other => return Err(format!("unknown type {other:?}")),
    };
    if !is_type {
        return Err(format!("{value} is no {}", schema["type"]));
    }
    if let (Some(least), Some(number)) = (schema["minimum"].as_i64(), value.as_i64())
        && number < least
    {
        return Err(format!("{number} is below {least}"));
    }
    for item in value.as_array().into_iter().flatten() {
        fits(document, &schema["items"], item)?;
    }
    for name in schema["required"].as_array().into_iter().flatten() {
        if value.get(name.as_str().unwrap()).is_none() {
            return Err(format!("{name} is missing"));
        }
    }
    for (name, field) in value.as_object().into_iter().flatten() {
        let property = &schema["properties"][name];
        let others = &schema["additionalProperties"];
        match (property.is_null(), others) {
            (false, _) => fits(document, property, field).map_err(|e| format!("{name}: {e}"))?,
            (true, Value::Bool(false)) => return Err(format!("{name} is not described")),
            (true, Value::Object(_)) => fits(document, others, field)?,
            _ => {}
        }
    }
    Ok(())
}
