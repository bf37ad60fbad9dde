//! Many in one room: who gets what, in which order, and how much of it.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep_until};

use crate::client::Client;
use crate::rooms::text;
use crate::server::{port, serve};

const MEMBERS: usize = 500;
const ANCHORS: usize = 2;

/// Opens clients a few at a time, and puts them into room 1.
async fn enter_all(port: u16, names: Vec<String>) -> Vec<Client> {
    let mut clients = Vec::new();
    for chunk in names.chunks(25) {
        let opening: Vec<_> = chunk
            .iter()
            .cloned()
            .map(|name| {
                tokio::spawn(async move {
                    let mut client = Client::user(port, &name).await;
                    let role = if name.starts_with("anchor") {
                        "anchor"
                    } else {
                        "audience"
                    };
                    let enter = json!({ "room": 1, "part": "all", "role": role });
                    client.ask("enterRoom", enter).await.expect("entered");
                    client
                })
            })
            .collect();
        for opening in opening {
            clients.push(opening.await.expect("opened"));
        }
    }
    clients
}

/// Longer than the server holds a message back, and than a busy machine does.
const SILENCE: Duration = Duration::from_secs(3);

/// Notes what comes until it has sent its messages and nothing more comes.
async fn attend(
    mut client: Client,
    start: Instant,
    sends: Vec<(Duration, Value)>,
    until: Duration,
) -> (Client, Vec<(Duration, Value)>) {
    let mut seen: Vec<(Duration, Value)> = Vec::new();
    let mut sends = sends.into_iter().peekable();
    loop {
        // On a busy machine the last messages come late: a silence is the end.
        let quiet = (start + until).max(Instant::now() + SILENCE);
        let next = sends.peek().map_or(quiet, |(at, _)| start + *at);
        tokio::select! {
            message = client.next() => {
                seen.push((start.elapsed(), message.expect("the socket stays open")));
            }
            () = sleep_until(next) => match sends.next() {
                Some((_, message)) => {
                    client.send("sendMessage", message).await;
                }
                None => return (client, seen),
            },
        }
    }
}

fn said(seen: &[(Duration, Value)]) -> Vec<(Duration, u64, &str, &str)> {
    seen.iter()
        .filter(|(_, message)| message["event"] == "message")
        .filter_map(|(at, event)| {
            let message = &event["message"];
            Some((
                *at,
                message["sequence"].as_u64()?,
                message["priority"].as_str()?,
                message["payload"]["text"].as_str()?,
            ))
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_members_get_forty_messages_a_second_the_important_ones_first() {
    const SECONDS: u64 = 3;
    const RATE: u64 = 200;
    let server = serve("").await;
    let port = port(&server);
    let mut owner = Client::user(port, "owner").await;
    owner
        .ask("createRoom", json!({ "room": 1 }))
        .await
        .expect("made");
    let names = (0..ANCHORS)
        .map(|n| format!("anchor{n}"))
        .chain((0..MEMBERS).map(|n| format!("member{n}")));
    let clients = enter_all(port, names.collect()).await;
    drop(owner);

    let start = Instant::now() + Duration::from_millis(200);
    // Of each twenty messages two are gifts, eight are talk, ten are noise.
    let mut sends: Vec<Vec<(Duration, Value)>> = clients.iter().map(|_| Vec::new()).collect();
    let mut gifts = Vec::new();
    for n in 0..SECONDS * RATE {
        let priority = match n % 20 {
            0 | 10 => "High",
            k if k % 2 == 0 => "Normal",
            _ => "Lowest",
        };
        let words = format!("{priority} {n}");
        if priority == "High" {
            gifts.push(words.clone());
        }
        let message = json!({ "room": 1, "content": text(&words), "priority": priority });
        let at = Duration::from_micros(n * 1_000_000 / RATE);
        sends[n as usize % clients.len()].push((at, message));
    }
    let until = Duration::from_secs(SECONDS + 1);
    let attending: Vec<_> = clients
        .into_iter()
        .zip(sends)
        .map(|(client, sends)| tokio::spawn(attend(client, start, sends, until)))
        .collect();
    let mut all = Vec::new();
    for attending in attending {
        let (client, seen) = attending.await.expect("the whole time");
        all.push((client, seen));
    }

    // Senders are not told of their own, so the order of all is that of the sequences.
    let mut every: Vec<u64> = Vec::new();
    for (_, seen) in &all {
        every.extend(said(seen).iter().map(|(_, sequence, ..)| sequence));
    }
    every.sort_unstable();
    every.dedup();
    let delivered = every.len() as u64;
    assert!(
        (SECONDS * 40 - 10..SECONDS * RATE).contains(&delivered),
        "{delivered} delivered"
    );
    for (n, (_, seen)) in all.iter().enumerate() {
        let said = said(seen);
        let sequences: Vec<u64> = said.iter().map(|(_, sequence, ..)| *sequence).collect();
        assert!(sequences.is_sorted(), "out of order for client {n}");
        // Two messages at most are one's own.
        assert!(
            sequences.len() + 2 >= every.len(),
            "client {n} has {} of {}",
            sequences.len(),
            every.len()
        );
        // Whoever looks with a clock of their own sees bursts on a busy machine; the total
        // cannot be above the rate.
        let last = said.last().expect("messages").0.as_secs_f64();
        assert!(
            sequences.len() as f64 <= 40.0 * (last + 1.0) + 1.0,
            "client {n}: {} in {last} s",
            sequences.len()
        );
    }
    // Each gift has come, and less of the noise than of the talk.
    let mut heard: Vec<&str> = Vec::new();
    let both = [&all[ANCHORS].1, &all[ANCHORS + 1].1, &all[ANCHORS + 250].1];
    for seen in both {
        heard.extend(said(seen).iter().map(|(.., words)| *words));
    }
    for gift in &gifts {
        assert!(heard.contains(&gift.as_str()), "{gift} was dropped");
    }
    let noise = |words: &&&str| words.starts_with("Lowest");
    let talk = |words: &&&str| words.starts_with("Normal");
    let (noise, talk) = (
        heard.iter().filter(noise).count(),
        heard.iter().filter(talk).count(),
    );
    assert!(noise * 8 < talk * 10, "{noise} noise, {talk} talk");
    drop(all);
    server.shut_down().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_likes_cost_two_messages_a_second() {
    let server = serve("").await;
    let port = port(&server);
    let mut owner = Client::user(port, "owner").await;
    owner
        .ask("createRoom", json!({ "room": 1 }))
        .await
        .expect("made");
    let names = (0..MEMBERS).map(|n| format!("member{n}")).collect();
    let clients = enter_all(port, names).await;
    let enter = json!({ "room": 1, "part": "chat" });
    owner.ask("enterRoom", enter).await.expect("entered");
    let start = Instant::now();
    let liking: Vec<_> = clients
        .into_iter()
        .map(|mut client| {
            tokio::spawn(async move {
                let mut left = 200_u64;
                while left > 0 {
                    let count = left.min(100);
                    let like = json!({ "room": 1, "count": count });
                    match client.ask("like", like).await {
                        Ok(_) => left -= count,
                        // Above a user's own rate: a little later.
                        Err(error) => {
                            let wait = error["retryAfterMs"].as_u64().unwrap_or(100);
                            tokio::time::sleep(Duration::from_millis(wait.max(10))).await;
                        }
                    }
                    assert!(start.elapsed() < Duration::from_secs(60), "{left} are left");
                }
                client
            })
        })
        .collect();
    let mut told = Vec::new();
    while told.last() != Some(&100_000) {
        let event = owner.event("likes").await;
        told.push(event["totalLikesReceived"].as_u64().expect("a number"));
    }
    let took = start.elapsed().as_secs_f64();
    assert!(told.is_sorted(), "{told:?}");
    assert!(
        told.len() as f64 <= 2.0 * took + 2.0,
        "{} totals in {took} s",
        told.len()
    );
    for liking in liking {
        let mut client = liking.await.expect("liked");
        let mut totals = 0;
        loop {
            let event = client.event("likes").await;
            totals += 1;
            if event["totalLikesReceived"] == 100_000 {
                break;
            }
        }
        assert!(totals <= told.len() + 1, "{totals} totals for one client");
    }
    server.shut_down().await;
}
