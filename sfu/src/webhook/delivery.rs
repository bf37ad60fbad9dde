//! The shell around the queue: clocks, requests, metrics, the log.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use prometheus::Registry;
use tokio::sync::Notify;
use tokio::task::{Id, JoinError, JoinSet};
use tokio::time::{sleep_until, timeout};

use super::ask::Questions;
use super::client::{Client, PostError, StartError};
use super::config::WebhookConfig;
use super::log::{About, Delivery, DeliveryLog};
use super::metrics::WebhookMetrics;
use super::notice::{BeforeMessage, Notice};
use super::packet::Packet;
use super::queue::{Attempt, AttemptId, Limits, Queue, QueueCounts};
use super::verdict::Verdict;
use crate::live::AppId;
use crate::live::chat::UnixTime;

/// Tells and asks the apps' back ends; clones are one.
///
/// No method waits for a back end but the future of [`Self::ask`].
#[derive(Debug, Clone)]
pub struct Webhooks(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    config: WebhookConfig,
    client: Client,
    metrics: WebhookMetrics,
    log: DeliveryLog,
    questions: Questions,
    state: Mutex<State>,
    /// Something is to be done.
    wake: Notify,
    /// Nothing is left to be done.
    idle: Notify,
}

#[derive(Debug)]
struct State {
    queue: Queue<Packet>,
    /// What the metrics have been told.
    counted: QueueCounts,
    is_over: bool,
}

impl Webhooks {
    /// Begins to deliver; must be called within a tokio runtime.
    ///
    /// # Errors
    /// [`StartError`].
    pub fn start(config: WebhookConfig, registry: &Registry) -> Result<Self, StartError> {
        let with_roots = config.apps.values().any(|hook| hook.url.is_https());
        let client = Client::new(with_roots)?;
        Self::with_client(config, client, registry)
    }

    pub(super) fn with_client(
        config: WebhookConfig,
        client: Client,
        registry: &Registry,
    ) -> Result<Self, StartError> {
        let metrics = WebhookMetrics::register(registry)?;
        for (app, hook) in &config.apps {
            tracing::info!(%app, url = %hook.url, signed = hook.key.is_some(),
                before_chat = hook.before_chat, "a back end is told what happens");
        }
        let has_any = !config.apps.is_empty();
        let inner = Arc::new(Inner {
            questions: Questions::new(&config),
            state: Mutex::new(State {
                queue: Queue::new(limits(&config)),
                counted: QueueCounts::default(),
                is_over: false,
            }),
            config,
            client,
            metrics,
            log: DeliveryLog::default(),
            wake: Notify::new(),
            idle: Notify::new(),
        });
        if has_any {
            tokio::spawn(deliver(inner.clone()));
        }
        Ok(Self(inner))
    }

    /// How the back ends are called.
    pub fn config(&self) -> &WebhookConfig {
        &self.0.config
    }

    /// Tells the app's back end, if it has one, in the order of the notice's lane. What does not
    /// fit into the queue is counted and forgotten.
    pub fn tell(&self, notice: Notice) {
        let inner = &*self.0;
        let Some(hook) = inner.config.apps.get(&notice.app()) else {
            return;
        };
        let packet = Packet::of(&notice, hook, unix_now());
        let (lane, weight) = (notice.lane(), packet.weight());
        let app = lane.app;
        let told = {
            let mut state = inner.state();
            if state.is_over {
                return;
            }
            let told = state.queue.tell(Instant::now(), lane, weight, packet);
            inner.count(&mut state);
            told
        };
        match told {
            Ok(()) => inner.wake.notify_one(),
            Err(full) => tracing::debug!(%app, %full, "a notice is not told"),
        }
    }

    /// Asks the app's back end about a message, for at most [`WebhookConfig::ask_timeout`]. An app
    /// that does not ask, and a back end that does not answer, allow it.
    pub fn ask(
        &self,
        message: BeforeMessage,
    ) -> impl Future<Output = Verdict> + Send + use<> + 'static {
        let inner = Arc::clone(&self.0);
        async move {
            inner
                .questions
                .ask(
                    &inner.config,
                    &inner.client,
                    (&inner.metrics, &inner.log),
                    &message,
                )
                .await
        }
    }

    /// The last requests to an app's back end, newest first.
    pub fn last(&self, app: AppId, limit: usize) -> Vec<Delivery> {
        self.0.log.last(app, limit)
    }

    /// Whether more can be told.
    #[cfg(test)]
    pub(crate) fn is_over(&self) -> bool {
        self.0.state().is_over
    }

    /// Delivers what waits, without pauses, for at most `limit`; the rest is given up. Nothing is
    /// told after that.
    pub async fn shut_down(&self, limit: Duration) {
        let inner = &*self.0;
        inner.state().queue.close();
        inner.wake.notify_one();
        let all_told = async {
            loop {
                let idle = inner.idle.notified();
                if inner.state().queue.is_idle() {
                    return;
                }
                idle.await;
            }
        };
        let in_time = timeout(limit, all_told).await.is_ok();
        let left = {
            let mut state = inner.state();
            let left = state.queue.len();
            state.queue.clear();
            state.is_over = true;
            inner.count(&mut state);
            left
        };
        inner.wake.notify_one();
        if !in_time {
            tracing::warn!(left, "notices that back ends were not told in time");
        }
    }
}

impl Inner {
    fn state(&self) -> MutexGuard<'_, State> {
        // The queue has no step that could panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, state: &mut State) {
        let counts = state.queue.counts();
        self.metrics.add(state.counted, counts);
        state.counted = counts;
        self.metrics.waiting.set(gauge(state.queue.len()));
        self.metrics.waiting_bytes.set(gauge(state.queue.bytes()));
        if state.queue.is_idle() {
            self.idle.notify_waiters();
        }
    }
}

/// Carries out the queue's tries until the end.
async fn deliver(inner: Arc<Inner>) {
    let mut tries = Tries::default();
    loop {
        let next = {
            let mut state = inner.state();
            if state.is_over {
                return;
            }
            state.queue.handle_timeout(Instant::now());
            while let Some(attempt) = state.queue.poll_attempt() {
                tries.start(&inner, attempt);
            }
            inner.count(&mut state);
            state.queue.next_timeout()
        };
        let pause = async {
            match next {
                Some(next) => sleep_until(next.into()).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            Some(ended) = tries.set.join_next_with_id() => tries.end(&inner, ended),
            () = inner.wake.notified() => {}
            () = pause => {}
        }
    }
}

/// The tries under way. Dropped, they end.
#[derive(Default)]
struct Tries {
    set: JoinSet<Result<(), PostError>>,
    known: HashMap<Id, (AttemptId, About, Instant)>,
    /// Apps whose last try failed: the log tells of the change alone.
    failing: BTreeSet<AppId>,
}

impl Tries {
    fn start(&mut self, inner: &Arc<Inner>, attempt: Attempt<Packet>) {
        let shared = Arc::clone(inner);
        let packet = attempt.packet;
        let about = packet.about.clone();
        let limit = inner.config.timeout;
        let handle = self
            .set
            .spawn(async move { shared.client.deliver(&packet, limit).await });
        self.known
            .insert(handle.id(), (attempt.id, about, Instant::now()));
    }

    fn end(&mut self, inner: &Inner, ended: Result<(Id, Result<(), PostError>), JoinError>) {
        let (id, result) = match ended {
            Ok((id, result)) => (id, result),
            // Its panic is a failure like any other.
            Err(error) => (error.id(), Err(PostError::Broken)),
        };
        let Some((attempt, about, begun)) = self.known.remove(&id) else {
            return;
        };
        let app = about.app;
        let error = result
            .err()
            .map(|error| (error.to_string(), error.status()));
        inner.log.note(unix_now(), about, begun.elapsed(), error);
        match result {
            Ok(()) if self.failing.remove(&app) => {
                tracing::info!(%app, "the back end can be told again");
            }
            Ok(()) => {}
            Err(error) => {
                inner.metrics.failed(error);
                if self.failing.insert(app) {
                    tracing::warn!(%app, %error, "the back end cannot be told; it is tried again");
                } else {
                    tracing::debug!(%app, %error, "the back end cannot be told");
                }
            }
        }
        let mut state = inner.state();
        let queue = &mut state.queue;
        queue.handle_result(Instant::now(), attempt, result.is_ok());
        inner.count(&mut state);
    }
}

fn limits(config: &WebhookConfig) -> Limits {
    // The only app need not share.
    let share = if config.apps.len() > 1 { 4 } else { 1 };
    Limits {
        entries: config.max_waiting,
        bytes: config.max_waiting_bytes,
        app_entries: (config.max_waiting / share).max(1),
        app_bytes: config.max_waiting_bytes / share,
        in_flight: IN_FLIGHT,
        retry_pause: config.retry_pause,
        retry_for: config.retry_for,
    }
}

pub(super) fn unix_now() -> UnixTime {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now = now.unwrap_or_default().as_millis();
    UnixTime(u64::try_from(now).unwrap_or(u64::MAX))
}

fn gauge(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Requests of one family of one app at once: enough for rooms not to wait for each other much,
/// few enough for a small back end.
const IN_FLIGHT: usize = 4;
