//! The question before a message: asked once, for a short time, and without an answer the message
//! is sent.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::Semaphore;

use super::client::Client;
use super::config::WebhookConfig;
use super::delivery::unix_now;
use super::log::DeliveryLog;
use super::metrics::{Asked, WebhookMetrics};
use super::notice::BeforeMessage;
use super::packet::Packet;
use super::verdict::Verdict;
use crate::live::AppId;

/// Places for questions under way, one app apart from the other.
#[derive(Debug)]
pub(super) struct Questions {
    places: BTreeMap<AppId, Arc<Semaphore>>,
    limit: Duration,
}

impl Questions {
    pub(super) fn new(config: &WebhookConfig) -> Self {
        let asked = config.apps.iter().filter(|(_, hook)| hook.before_chat);
        Self {
            places: asked
                .map(|(app, _)| (*app, Arc::new(Semaphore::new(config.max_asks))))
                .collect(),
            limit: config.ask_timeout,
        }
    }

    /// The verdict about a message. Nobody waits for a place: a back end that takes longer for
    /// its answers than messages come sees only as many as it can.
    pub(super) async fn ask(
        &self,
        config: &WebhookConfig,
        client: &Client,
        (metrics, log): (&WebhookMetrics, &DeliveryLog),
        message: &BeforeMessage,
    ) -> Verdict {
        let app = message.key.app;
        let (Some(places), Some(hook)) = (self.places.get(&app), config.apps.get(&app)) else {
            return Verdict::Allow;
        };
        let Ok(_place) = places.clone().try_acquire_owned() else {
            metrics.asked(Asked::Busy);
            return Verdict::Allow;
        };
        let packet = Packet::ask(message, hook);
        let begun = Instant::now();
        let answer = client.ask(&packet, self.limit).await;
        let error = answer.as_ref().err();
        let error = error.map(|error| (error.to_string(), error.status()));
        log.note(unix_now(), packet.about, begun.elapsed(), error);
        let verdict = match answer {
            Ok(body) => Verdict::read(&body),
            Err(error) => {
                metrics.failed(error);
                metrics.asked(Asked::Unanswered);
                tracing::debug!(%app, %error, "no verdict about a message: it is sent");
                return Verdict::Allow;
            }
        };
        metrics.asked(match &verdict {
            Some(Verdict::Allow) => Asked::Allowed,
            Some(Verdict::Replace(_)) => Asked::Replaced,
            Some(Verdict::Refuse { .. }) => Asked::Refused,
            Some(Verdict::Discard) => Asked::Discarded,
            None => Asked::Unreadable,
        });
        verdict.unwrap_or(Verdict::Allow)
    }
}
