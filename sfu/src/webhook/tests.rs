//! Delivery over real sockets on the loopback, to back ends that misbehave.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use prometheus::Registry;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::client::{Client, PostError};
use super::*;
use crate::live::chat::{Draft, UnixTime};
use crate::live::{AppId, RoomId, RoomKey};

/// A back end that reads requests and answers each as it is told; `None` never answers.
struct BackEnd {
    url: String,
    requests: Arc<Mutex<Vec<String>>>,
    arrived: Arc<Notify>,
}

type Answer = Option<String>;

impl BackEnd {
    async fn start(answer: impl Fn(usize, &str) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let requests = Arc::new(Mutex::new(Vec::new()));
        let arrived = Arc::new(Notify::new());
        let back_end = Self {
            url,
            requests: requests.clone(),
            arrived: arrived.clone(),
        };
        let answer = Arc::new(answer);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (answer, requests) = (answer.clone(), requests.clone());
                let arrived = arrived.clone();
                tokio::spawn(async move {
                    serve(socket, &requests, &arrived, &*answer).await;
                });
            }
        });
        back_end
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }

    /// Waits until so many requests have come.
    async fn has(&self, count: usize) -> Vec<String> {
        let come = async {
            loop {
                let arrived = self.arrived.notified();
                let requests = self.requests();
                if requests.len() >= count {
                    return requests;
                }
                arrived.await;
            }
        };
        let come = tokio::time::timeout(Duration::from_secs(10), come).await;
        come.expect("the requests come in 10 s")
    }
}

async fn serve(
    mut socket: impl AsyncRead + AsyncWrite + Unpin,
    requests: &Mutex<Vec<String>>,
    arrived: &Notify,
    answer: &(dyn Fn(usize, &str) -> Answer + Send + Sync),
) {
    let mut bytes = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut bytes).await {
        let number = {
            let mut requests = requests.lock().unwrap();
            requests.push(request.clone());
            requests.len() - 1
        };
        arrived.notify_waiters();
        match answer(number, &request) {
            Some(text) => {
                if socket.write_all(text.as_bytes()).await.is_err() {
                    return;
                }
            }
            None => std::future::pending().await,
        }
    }
}

async fn read_request(
    socket: &mut (impl AsyncRead + Unpin),
    bytes: &mut Vec<u8>,
) -> Option<String> {
    loop {
        if let Some(length) = request_length(bytes) {
            let rest = bytes.split_off(length);
            let request = std::mem::replace(bytes, rest);
            return String::from_utf8(request).ok();
        }
        if socket.read_buf(bytes).await.ok()? == 0 {
            return None;
        }
    }
}

fn request_length(bytes: &[u8]) -> Option<usize> {
    let text = std::str::from_utf8(bytes).ok()?;
    let head = text.find("\r\n\r\n")? + 4;
    let length = text.lines().find_map(|line| {
        let line = line.to_ascii_lowercase();
        line.strip_prefix("content-length: ")?.parse::<usize>().ok()
    });
    let whole = head + length.unwrap_or_default();
    (bytes.len() >= whole).then_some(whole)
}

fn answer(status: &str, body: &str) -> Answer {
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

fn ok() -> Answer {
    answer("200 OK", "{\"code\":0}")
}

fn verdict(code: i32) -> Answer {
    let body = format!("{{\"ActionStatus\":\"OK\",\"ErrorInfo\":\"no\",\"ErrorCode\":{code}}}");
    answer("200 OK", &body)
}

fn hook(url: &str) -> AppHook {
    AppHook {
        url: url.parse().unwrap(),
        key: Some("hunter2".parse().unwrap()),
        cdn_key: None,
        before_chat: true,
    }
}

/// Times that fit into a test.
fn config(apps: impl IntoIterator<Item = (u32, String)>) -> WebhookConfig {
    WebhookConfig {
        apps: BTreeMap::from_iter(apps.into_iter().map(|(app, url)| (AppId(app), hook(&url)))),
        timeout: Duration::from_millis(300),
        ask_timeout: Duration::from_millis(300),
        retry_pause: Duration::from_millis(50),
        retry_for: Duration::from_millis(400),
        ..WebhookConfig::default()
    }
}

struct Running {
    webhooks: Webhooks,
    registry: Registry,
}

fn start(config: WebhookConfig) -> Running {
    let registry = Registry::new();
    Running {
        webhooks: Webhooks::start(config, &registry).unwrap(),
        registry,
    }
}

impl Running {
    /// The value of a counter with this label's value, or without labels.
    fn count(&self, name: &str, label: &str) -> u64 {
        let families = self.registry.gather();
        let family = families.iter().find(|f| f.name() == name).expect(name);
        let is_it = |metric: &&prometheus::proto::Metric| {
            let labels = metric.get_label();
            labels.is_empty() || labels.iter().any(|l| l.value() == label)
        };
        let metric = family.get_metric().iter().find(is_it).expect(label);
        metric.get_counter().get_value() as u64
    }

    fn notices(&self, result: &str) -> u64 {
        self.count("weblive_webhook_notices_total", result)
    }

    /// Waits until so many notices have come to this end.
    async fn ends(&self, result: &str, count: u64) {
        let end = Instant::now() + Duration::from_secs(10);
        while self.notices(result) < count {
            assert!(Instant::now() < end, "not {count} {result} in 10 s");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

fn dismissed(app: u32, room: u64) -> Notice {
    Notice::Room(RoomNotice {
        key: RoomKey::new(AppId(app), RoomId::number(room).unwrap()),
        at: UnixTime(1_700_000_000_000),
        change: RoomChange::Dismissed,
    })
}

fn question(app: u32) -> BeforeMessage {
    BeforeMessage {
        key: RoomKey::new(AppId(app), RoomId::number(5).unwrap()),
        at: UnixTime(1_700_000_000_000),
        from: "anna".parse().unwrap(),
        ip: None,
        draft: Draft::text("hello"),
    }
}

#[tokio::test]
async fn a_notice_arrives_signed_over_the_bytes_that_are_sent() {
    let back_end = BackEnd::start(|_, _| ok()).await;
    let running = start(config([(1, back_end.url.clone())]));
    running.webhooks.tell(dismissed(1, 7));
    running.webhooks.tell(dismissed(2, 7));
    running.ends("delivered", 1).await;
    let requests = back_end.has(1).await;
    assert_eq!(requests.len(), 1, "app 2 has no back end");
    let (head, body) = requests[0].split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("POST /hook HTTP/1.1"), "{head}");
    let field = |name: &str| {
        head.lines()
            .find_map(|line| {
                let (field, value) = line.split_once(": ")?;
                field.eq_ignore_ascii_case(name).then_some(value)
            })
            .unwrap_or_else(|| panic!("{name} in {head}"))
    };
    let key = "hunter2".parse().unwrap();
    assert_eq!(field("Sign"), room_sign(&key, body.as_bytes()));
    assert_eq!(field("SdkAppId"), "1");
    assert_eq!(field("Content-Type"), "application/json");
    assert!(!requests[0].contains("hunter2"));
}

#[tokio::test]
async fn a_status_but_200_is_tried_again_and_a_redirect_is_not_followed() {
    let other = BackEnd::start(|_, _| ok()).await;
    let elsewhere = other.url.clone();
    let back_end = BackEnd::start(move |number, _| match number {
        0 => answer("500 Internal Server Error", "oh"),
        1 => Some(format!(
            "HTTP/1.1 307 Temporary Redirect\r\nLocation: {elsewhere}\r\nContent-Length: 0\r\n\r\n"
        )),
        2 => answer("204 No Content", ""),
        _ => ok(),
    })
    .await;
    let running = start(config([(1, back_end.url.clone())]));
    running.webhooks.tell(dismissed(1, 7));
    running.ends("delivered", 1).await;
    assert_eq!(back_end.requests().len(), 4);
    assert!(other.requests().is_empty(), "the redirect was followed");
    assert_eq!(running.count("weblive_webhook_failures_total", "status"), 3);
    assert_eq!(running.count("weblive_webhook_retries_total", ""), 3);
    let same = back_end.requests();
    assert!(same.iter().all(|request| request == &same[0]));
}

#[tokio::test]
async fn a_back_end_that_hangs_or_is_gone_is_given_up_and_holds_up_no_other() {
    let hanging = BackEnd::start(|_, _| None).await;
    let gone = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}/", listener.local_addr().unwrap())
    };
    let back_end = BackEnd::start(|_, _| ok()).await;
    let running = start(config([
        (1, hanging.url.clone()),
        (2, gone),
        (3, back_end.url.clone()),
    ]));
    for room in 1..=20 {
        running.webhooks.tell(dismissed(1, room));
    }
    running.webhooks.tell(dismissed(2, 1));
    hanging.has(4).await;
    running.webhooks.tell(dismissed(3, 1));
    running.ends("delivered", 1).await;
    assert_eq!(running.notices("given_up"), 0, "app 3 waits for nobody");
    running.ends("given_up", 21).await;
    let failures = |reason| running.count("weblive_webhook_failures_total", reason);
    assert!(failures("timeout") >= 20 && failures("connect") >= 2);
}

#[tokio::test]
async fn a_room_keeps_its_order_over_the_network() {
    let failed = AtomicUsize::new(0);
    let back_end = BackEnd::start(move |_, request| {
        let is_second = request.contains("\"UserId\":\"u2\"");
        if is_second && failed.fetch_add(1, Ordering::Relaxed) < 2 {
            return answer("503 Service Unavailable", "");
        }
        ok()
    })
    .await;
    let running = start(config([(1, back_end.url.clone())]));
    for user in 0..6 {
        running.webhooks.tell(Notice::Room(RoomNotice {
            key: RoomKey::new(AppId(1), RoomId::number(7).unwrap()),
            at: UnixTime(0),
            change: RoomChange::Entered {
                user: format!("u{user}").parse().unwrap(),
                role: crate::live::Role::Audience,
            },
        }));
    }
    running.ends("delivered", 6).await;
    let users: Vec<String> = back_end
        .requests()
        .iter()
        .filter_map(|request| {
            let (_, rest) = request.split_once("\"UserId\":\"")?;
            Some(rest.chars().take(2).collect())
        })
        .collect();
    assert_eq!(users, ["u0", "u1", "u2", "u2", "u2", "u3", "u4", "u5"]);
}

#[tokio::test]
async fn an_endless_answer_costs_no_memory_and_no_time() {
    let back_end = BackEnd::start(|_, _| {
        Some(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n{}",
            "x".repeat(100_000)
        ))
    })
    .await;
    let running = start(config([(1, back_end.url.clone())]));
    running.webhooks.tell(dismissed(1, 7));
    running.ends("delivered", 1).await;
    assert_eq!(running.webhooks.ask(question(1)).await, Verdict::Allow);
    let failures = |reason| running.count("weblive_webhook_failures_total", reason);
    assert_eq!(failures("too_long"), 1);
}

#[tokio::test]
async fn the_verdict_is_the_back_ends() {
    let code = Arc::new(AtomicUsize::new(0));
    let answered = code.clone();
    let back_end = BackEnd::start(move |_, request| {
        assert!(request.contains("CallbackCommand=Group.CallbackBeforeSendMsg"));
        verdict(answered.load(Ordering::Relaxed) as i32)
    })
    .await;
    let running = start(config([(1, back_end.url.clone())]));
    let refuse = |code| Verdict::Refuse {
        code,
        reason: "no".to_owned(),
    };
    for (number, expected) in [
        (0, Verdict::Allow),
        (1, refuse(10_016)),
        (2, Verdict::Discard),
        (10_123, refuse(10_123)),
        (77, Verdict::Allow),
    ] {
        code.store(number, Ordering::Relaxed);
        assert_eq!(
            running.webhooks.ask(question(1)).await,
            expected,
            "{number}"
        );
    }
    let asked = |result| running.count("weblive_webhook_asks_total", result);
    assert_eq!((asked("allowed"), asked("refused")), (1, 2));
    assert_eq!((asked("discarded"), asked("unreadable")), (1, 1));
}

#[tokio::test]
async fn without_an_answer_in_time_a_message_passes() {
    let hanging = BackEnd::start(|_, _| None).await;
    let broken = BackEnd::start(|_, _| answer("500 No", "{\"ErrorCode\":1}")).await;
    let running = start(config([(1, hanging.url.clone()), (2, broken.url.clone())]));
    let started = Instant::now();
    assert_eq!(running.webhooks.ask(question(1)).await, Verdict::Allow);
    let took = started.elapsed();
    assert!(took >= Duration::from_millis(300), "{took:?}");
    assert!(took < Duration::from_secs(3), "{took:?}");
    assert_eq!(running.webhooks.ask(question(2)).await, Verdict::Allow);
    assert_eq!(running.webhooks.ask(question(3)).await, Verdict::Allow);
    assert_eq!(running.count("weblive_webhook_asks_total", "unanswered"), 2);
    assert_eq!(broken.requests().len(), 1, "a question is asked once");
}

#[tokio::test]
async fn questions_under_way_are_bounded_and_none_waits_for_a_place() {
    let hanging = BackEnd::start(|_, _| None).await;
    let other = BackEnd::start(|_, _| verdict(1)).await;
    let running = start(WebhookConfig {
        max_asks: 3,
        ask_timeout: Duration::from_secs(60),
        ..config([(1, hanging.url.clone()), (2, other.url.clone())])
    });
    let asks: Vec<_> = (0..3)
        .map(|_| tokio::spawn(running.webhooks.ask(question(1))))
        .collect();
    hanging.has(3).await;
    assert_eq!(running.webhooks.ask(question(1)).await, Verdict::Allow);
    assert_eq!(running.count("weblive_webhook_asks_total", "busy"), 1);
    let refused = running.webhooks.ask(question(2)).await;
    assert!(matches!(refused, Verdict::Refuse { .. }), "{refused:?}");
    for ask in asks {
        ask.abort();
    }
}

#[tokio::test]
async fn the_queue_refuses_what_does_not_fit_and_counts_it() {
    let hanging = BackEnd::start(|_, _| None).await;
    let running = start(WebhookConfig {
        max_waiting: 8,
        timeout: Duration::from_secs(60),
        ..config([(1, hanging.url.clone())])
    });
    for room in 1..=20 {
        running.webhooks.tell(dismissed(1, room));
    }
    assert_eq!(running.notices("refused_app"), 12);
}

#[tokio::test]
async fn the_end_waits_for_what_is_told_but_not_for_ever() {
    let back_end = BackEnd::start(|_, _| ok()).await;
    let hanging = BackEnd::start(|_, _| None).await;
    let running = start(config([
        (1, back_end.url.clone()),
        (2, hanging.url.clone()),
    ]));
    for room in 1..=30 {
        running.webhooks.tell(dismissed(1, room));
    }
    running.webhooks.shut_down(Duration::from_secs(10)).await;
    assert_eq!(running.notices("delivered"), 30);
    running.webhooks.tell(dismissed(1, 1));
    assert_eq!(running.notices("delivered"), 30, "nothing is told after it");

    let running = start(WebhookConfig {
        timeout: Duration::from_secs(60),
        ..config([(2, hanging.url.clone())])
    });
    running.webhooks.tell(dismissed(2, 1));
    hanging.has(1).await;
    let started = Instant::now();
    running.webhooks.shut_down(Duration::from_millis(100)).await;
    assert!(started.elapsed() < Duration::from_secs(5));
    assert_eq!(running.notices("given_up"), 1);
}

#[tokio::test]
async fn https_needs_a_certificate_that_is_trusted() {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = rustls_pki_types::PrivateKeyDer::from_pem_slice(
        made.signing_key.serialize_pem().as_bytes(),
    )
    .unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let server = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.der().clone()], key)
        .unwrap();
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(server));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            let acceptor = acceptor.clone();
            tokio::spawn(async move {
                if let Ok(socket) = acceptor.accept(socket).await {
                    serve(socket, &Mutex::default(), &Notify::new(), &|_, _| ok()).await;
                }
            });
        }
    });
    let hook = hook(&format!("https://localhost:{port}/"));
    let packet = Packet::of(&dismissed(1, 1), &hook, UnixTime(0));
    let with = |roots: RootCertStore| {
        let tls = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        Client::with_tls(tls)
    };
    let limit = Duration::from_secs(10);
    let stranger = with(RootCertStore::empty());
    let refused = stranger.deliver(&packet, limit).await;
    assert_eq!(refused, Err(PostError::Connect));
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone()).unwrap();
    assert_eq!(with(roots).deliver(&packet, limit).await, Ok(()));
}
