//! Liveness and readiness.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::HeaderValue;
use http::header::CACHE_CONTROL;
use serde_json::json;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::app::App;
use super::problem::Problem;

/// The process runs and answers.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// The media workers, the hub of the rooms and the store answer, and the server is not on its way
/// down.
pub(super) async fn readyz(State(app): State<App>) -> Response {
    let now = app.workers().snapshot();
    let reason = if now.shutting_down {
        Some("it is shutting down".to_owned())
    } else {
        app.readiness().missing(look(&app)).await
    };
    if let Some(reason) = reason {
        return Problem::NotReady { reason }.into_response();
    }
    let ready = json!({
        "status": "ready",
        "workers": now.workers,
        "publishers": now.publishers,
        "subscribers": now.subscribers,
    });
    (
        [(CACHE_CONTROL, HeaderValue::from_static("no-store"))],
        Json(ready),
    )
        .into_response()
}

/// What was found last. Whoever asks again soon is told that: asking costs the server nothing.
#[derive(Debug, Clone, Default)]
pub(super) struct Readiness(Arc<Mutex<Option<Look>>>);

#[derive(Debug)]
struct Look {
    at: Instant,
    missing: Option<String>,
}

impl Readiness {
    /// What is not ready, in words; none when everything is. One look at a time.
    async fn missing(&self, look: impl Future<Output = Option<String>>) -> Option<String> {
        let mut last = self.0.lock().await;
        if let Some(last) = &*last
            && last.at.elapsed() < FRESH
        {
            return last.missing.clone();
        }
        let missing = look.await;
        *last = Some(Look {
            at: Instant::now(),
            missing: missing.clone(),
        });
        missing
    }
}

async fn look(app: &App) -> Option<String> {
    let (workers, rooms) =
        tokio::join!(app.workers().silent(LIMIT), app.signalling().silent(LIMIT));
    let workers = workers.iter().map(|n| format!("media worker {n}"));
    let silent: Vec<_> = workers
        .chain(rooms.into_iter().map(str::to_owned))
        .collect();
    sentence(&silent)
}

fn sentence(silent: &[String]) -> Option<String> {
    let (last, others) = silent.split_last()?;
    Some(match others {
        [] => format!("{last} does not answer"),
        _ => format!("{} and {last} do not answer", others.join(", ")),
    })
}

/// For an answer. Everything that is asked takes milliseconds.
const LIMIT: Duration = Duration::from_secs(2);

/// Between two looks.
const FRESH: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn everything_that_is_silent_is_named() {
        let said = |names: &[&str]| {
            let names: Vec<_> = names.iter().map(|name| (*name).to_owned()).collect();
            sentence(&names)
        };
        assert_eq!(said(&[]), None);
        assert_eq!(said(&["the hub"]).unwrap(), "the hub does not answer");
        let three = said(&["media worker 1", "the hub", "the store"]).unwrap();
        assert_eq!(three, "media worker 1, the hub and the store do not answer");
    }

    #[tokio::test(start_paused = true)]
    async fn however_many_ask_there_is_one_look_a_second() {
        let (readiness, looks) = (Readiness::default(), Arc::new(AtomicUsize::new(0)));
        let ask = |answer: Option<&str>| {
            let (readiness, looks) = (readiness.clone(), Arc::clone(&looks));
            let answer = answer.map(str::to_owned);
            tokio::spawn(async move {
                let look = async move {
                    looks.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(LIMIT).await;
                    answer
                };
                readiness.missing(look).await
            })
        };
        let asked: Vec<_> = (0..50).map(|_| ask(Some("the hub"))).collect();
        for asked in asked {
            assert_eq!(asked.await.unwrap().as_deref(), Some("the hub"));
        }
        assert_eq!(looks.load(Ordering::Relaxed), 1);
        tokio::time::sleep(FRESH).await;
        assert_eq!(ask(None).await.unwrap(), None);
        assert_eq!(looks.load(Ordering::Relaxed), 2);
    }
}
