//! Media by signalling: a guest who may publish exactly while seated, and a page that receives.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use str0m::change::SdpOffer;
use str0m::net::{Protocol, Receive};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};
use tokio::net::UdpSocket;

use crate::client::Client;
use crate::publisher::Publisher;
use crate::server::{port, serve};
use crate::support::{LOCAL, until};

/// The connection by which a page receives: the server offers.
struct Page {
    rtc: Rtc,
    socket: UdpSocket,
    local: SocketAddr,
    packets: usize,
}

impl Page {
    async fn new() -> Self {
        let socket = UdpSocket::bind((LOCAL, 0)).await.expect("socket");
        let local = socket.local_addr().expect("address");
        let mut rtc = RtcConfig::new().set_rtp_mode(true).build(Instant::now());
        rtc.add_local_candidate(Candidate::host(local, "udp").expect("candidate"));
        Self {
            rtc,
            socket,
            local,
            packets: 0,
        }
    }

    /// Answers an offer event.
    async fn answer(&mut self, client: &mut Client, offer: &Value) {
        let sdp = offer["sdp"].as_str().expect("an offer");
        let sdp = SdpOffer::from_sdp_string(sdp).expect("an offer");
        let answer = self.rtc.sdp_api().accept_offer(sdp).expect("fits");
        let answer = json!({ "revision": offer["revision"], "sdp": answer.to_sdp_string() });
        client.ask("answer", answer).await.expect("taken");
    }

    /// Runs until that many packets have come.
    async fn receive(&mut self, packets: usize) {
        let end = Instant::now() + Duration::from_secs(20);
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        while self.packets < packets {
            assert!(Instant::now() < end, "{} packets came", self.packets);
            tick.tick().await;
            let _ = self.rtc.handle_input(Input::Timeout(Instant::now()));
            self.drain().await;
            let mut buffer = [0; 2_000];
            while let Ok((len, from)) = self.socket.try_recv_from(&mut buffer) {
                if let Ok(input) = Receive::new(Protocol::Udp, from, self.local, &buffer[..len]) {
                    let _ = self.rtc.handle_input(Input::Receive(Instant::now(), input));
                    self.drain().await;
                }
            }
        }
    }

    async fn drain(&mut self) {
        while let Ok(output) = self.rtc.poll_output() {
            match output {
                Output::Timeout(_) => return,
                Output::Transmit(t) => {
                    let _ = self.socket.send_to(&t.contents, t.destination).await;
                }
                Output::Event(Event::RtpPacket(_)) => self.packets += 1,
                Output::Event(_) => {}
            }
        }
    }
}

async fn publish(client: &mut Client, offer: &str) -> Result<Value, Value> {
    let publish = json!({
        "room": 1,
        "track": "main",
        "publication": { "hasAudio": true, "hasVideo": true, "hasSmall": false },
        "offer": offer,
    });
    client.ask("publish", publish).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_guest_publishes_while_seated_is_received_and_is_kicked() {
    let server = serve("").await;
    let port = port(&server);
    let mut anna = Client::user(port, "anna").await;
    let mut ben = Client::user(port, "ben").await;
    let seats = json!({ "count": 4, "mode": "applyToTake", "keepOwnerOnSeat": true });
    anna.ask("createRoom", json!({ "room": 1, "seats": seats }))
        .await
        .expect("made");
    for (client, role) in [(&mut anna, "anchor"), (&mut ben, "audience")] {
        client
            .ask(
                "enterRoom",
                json!({ "room": 1, "part": "all", "role": role }),
            )
            .await
            .expect("entered");
    }
    let (publisher, offer) = Publisher::new().await;
    let error = publish(&mut ben, &offer).await.expect_err("not seated");
    assert!(error["code"].is_i64(), "{error}");

    ben.ask("applyForSeat", json!({ "room": 1 }))
        .await
        .expect("applied");
    anna.event("applicationReceived").await;
    let accept = json!({ "room": 1, "guest": "ben", "accept": true });
    anna.ask("answerApplication", accept)
        .await
        .expect("answered");
    let change = ben.event("roleChanged").await;
    assert_eq!(change["role"], "anchor");

    let published = publish(&mut ben, &offer).await.expect("published");
    let answer = published["answer"].as_str().expect("an answer");
    let (state, task) = publisher.start(answer);
    let change = anna
        .event_where("trackChanged", |event| event["user"] == "ben")
        .await;
    assert_eq!(change["publication"]["hasVideo"], true);

    // The page gets it over WebRTC, and everybody over HTTP.
    let subscribe =
        json!({ "room": 1, "user": "ben", "track": "main", "audio": true, "video": true });
    let subscribed = anna.ask("subscribe", subscribe).await.expect("subscribed");
    assert_eq!(subscribed["stream"], published["stream"]);
    let offer = anna.event("offer").await;
    let msid = format!("a=msid:{}", subscribed["stream"].as_str().expect("a name"));
    assert!(offer["sdp"].as_str().expect("SDP").contains(&msid));
    let mut page = Page::new().await;
    page.answer(&mut anna, &offer).await;
    page.receive(50).await;
    let flv = published["relay"]["flv"].as_str().expect("an address");
    let url = format!("http://127.0.0.1:{port}{flv}");
    let mut body = reqwest::get(url).await.expect("a response");
    assert_eq!(body.status(), 200);
    let first = body.chunk().await.expect("bytes").expect("bytes");
    assert!(first.starts_with(b"FLV"));

    let kick = json!({ "room": 1, "users": ["ben"], "banSeconds": 60 });
    anna.ask("kick", kick).await.expect("kicked");
    ben.event("removed").await;
    until("the end of the publisher", || state.is_closed()).await;
    let (_, offer) = Publisher::new().await;
    publish(&mut ben, &offer)
        .await
        .expect_err("not in the room");
    task.abort();
    server.shut_down().await;
}
