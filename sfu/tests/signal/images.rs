//! Pictures in messages, from the upload to the members.

use std::io::Cursor;

use serde_json::{Value, json};

use crate::client::Client;
use crate::server::{port, serve};

fn png(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 0]))
        .write_to(&mut Cursor::new(&mut bytes), image::ImageFormat::Png)
        .expect("encodes");
    bytes
}

/// Uploads a file; the status and the answer.
async fn upload(port: u16, bytes: Vec<u8>) -> (u16, Value) {
    let request = reqwest::Client::new()
        .post(format!("http://127.0.0.1:{port}/api/images"))
        .header("content-type", "image/png")
        .body(bytes);
    let reply = request.send().await.expect("an answer");
    let status = reply.status().as_u16();
    let body = reply.bytes().await.expect("a body");
    (status, serde_json::from_slice(&body).expect("JSON"))
}

#[tokio::test]
async fn a_picture_reaches_every_member_and_the_history_with_its_addresses_and_sizes() {
    let folder = tempfile::tempdir().expect("a folder");
    let settings = format!(
        "data_dir = \"{}\"\nimages.max_side = 1000",
        folder.path().display()
    );
    let server = serve(&settings).await;
    let port = port(&server);
    let mut anna = Client::user(port, "anna").await;
    let mut ben = Client::user(port, "ben").await;
    anna.ask("createRoom", json!({ "room": 5 })).await.unwrap();
    for client in [&mut anna, &mut ben] {
        let enter = json!({ "room": 5, "part": "chat" });
        client.ask("enterRoom", enter).await.expect("entered");
    }

    let (status, refused) = upload(port, b"<svg onload=alert(1)>".to_vec()).await;
    assert_eq!((status, &refused["error_code"]), (415, &json!(2252)));
    let (status, refused) = upload(port, png(1_001, 1)).await;
    assert_eq!((status, &refused["error_code"]), (413, &json!(2253)));
    let (status, payload) = upload(port, png(800, 600)).await;
    assert_eq!(status, 201, "{payload}");

    let message = |uuid: &Value| {
        let content = json!({ "type": "TIMImageElem", "payload": { "uuid": uuid } });
        json!({ "room": 5, "content": content, "cloudCustomData": "mine" })
    };
    let unknown = json!("0".repeat(64));
    let refused = anna.ask("sendMessage", message(&unknown)).await;
    let refused = refused.expect_err("never uploaded");
    assert_eq!(refused["name"], "imageMissing");
    assert_eq!(refused["codes"]["chat"], 2251);

    let message = message(&payload["uuid"]);
    let sent = anna.ask("sendMessage", message).await.expect("sent");
    assert_eq!(sent["message"]["payload"], payload);
    let told = ben
        .event_where("message", |event| event["message"]["from"] == "anna")
        .await;
    let told = &told["message"];
    assert_eq!(told["type"], "TIMImageElem");
    assert_eq!(told["payload"], payload);
    assert_eq!(told["cloudCustomData"], "mine");
    let mut carl = Client::user(port, "carl").await;
    let enter = json!({ "room": 5, "part": "chat", "history": 10 });
    let entered = carl.ask("enterRoom", enter).await.expect("entered");
    assert_eq!(&entered["history"][0], told);
    let page = ben.ask("history", json!({ "room": 5 })).await;
    assert_eq!(&page.expect("a page")["messages"][0], told);

    let sizes = told["payload"]["imageInfoArray"].as_array().expect("sizes");
    assert_eq!(sizes.len(), 3);
    assert_eq!(
        (&sizes[0]["width"], &sizes[0]["height"]),
        (&json!(800), &json!(600))
    );
    for size in sizes {
        let path = size["url"].as_str().expect("a path");
        let reply = reqwest::get(format!("http://127.0.0.1:{port}{path}")).await;
        let reply = reply.expect("an answer");
        assert_eq!(reply.status(), 200, "{path}");
        let bytes = reply.bytes().await.expect("a picture");
        assert_eq!(size["size"], bytes.len(), "{path}");
        let picture = image::load_from_memory(&bytes).expect("a picture");
        assert_eq!(size["width"], picture.width(), "{path}");
        assert_eq!(size["height"], picture.height(), "{path}");
    }
    server.shut_down().await;
}
