//! Media orders of the hub, carried out in order where that matters and side by side elsewhere.
//!
//! What concerns one published stream, or one receiver, is a lane: its orders run one after the
//! other. Orders of different lanes do not wait for each other.

use std::collections::{HashMap, VecDeque};
use std::future::Future;
use std::pin::Pin;

use relay::StreamId;
use tokio::task::{Id, JoinError, JoinSet};

use super::hub::{MediaDone, MediaOrder, Ticket};
use crate::worker::SessionId;

/// Who carries orders out.
pub(super) trait Media: Send + Sync + 'static {
    /// Carries an order out. Every order has a result, also when that says nothing.
    fn carry_out(&self, order: MediaOrder) -> Pin<Box<dyn Future<Output = MediaDone> + Send>>;
}

/// Orders that run and wait.
#[derive(Debug)]
pub(super) struct Orders<M> {
    media: M,
    /// The lanes in which an order runs, with those that wait behind it.
    lanes: HashMap<Lane, VecDeque<(Ticket, MediaOrder)>>,
    running: JoinSet<MediaDone>,
    tickets: HashMap<Id, (Lane, Ticket)>,
    waiting: usize,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Lane {
    Stream(StreamId),
    Receiver(SessionId),
}

impl<M: Media> Orders<M> {
    pub(super) fn new(media: M) -> Self {
        Self {
            media,
            lanes: HashMap::new(),
            running: JoinSet::new(),
            tickets: HashMap::new(),
            waiting: 0,
        }
    }

    /// Orders that run or wait.
    pub(super) fn len(&self) -> usize {
        self.running.len() + self.waiting
    }

    /// Takes an order.
    pub(super) fn push(&mut self, ticket: Ticket, order: MediaOrder) {
        let lane = Lane::of(&order);
        match self.lanes.get_mut(&lane) {
            Some(waiting) => {
                waiting.push_back((ticket, order));
                self.waiting += 1;
            }
            None => {
                self.lanes.insert(lane.clone(), VecDeque::new());
                self.start(lane, ticket, order);
            }
        }
    }

    /// Waits for the next result; for ever when no order runs. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> (Ticket, MediaDone) {
        loop {
            let Some(joined) = self.running.join_next_with_id().await else {
                return std::future::pending().await;
            };
            let (id, done) = match joined {
                Ok((id, done)) => (id, done),
                Err(error) => (error.id(), failed(&error)),
            };
            // Every running order has its entry.
            let Some((lane, ticket)) = self.tickets.remove(&id) else {
                continue;
            };
            match self.lanes.get_mut(&lane).and_then(VecDeque::pop_front) {
                Some((ticket, order)) => {
                    self.waiting -= 1;
                    self.start(lane, ticket, order);
                }
                None => {
                    self.lanes.remove(&lane);
                }
            }
            return (ticket, done);
        }
    }

    fn start(&mut self, lane: Lane, ticket: Ticket, order: MediaOrder) {
        let task = self.running.spawn(self.media.carry_out(order));
        self.tickets.insert(task.id(), (lane, ticket));
    }
}

impl Lane {
    fn of(order: &MediaOrder) -> Self {
        match order {
            MediaOrder::Publish { stream, .. } => Self::Stream(stream.clone()),
            MediaOrder::Patch { session, .. }
            | MediaOrder::ClosePublisher { session }
            | MediaOrder::Allow { session, .. }
            | MediaOrder::Relay { session, .. } => Self::Stream(session.stream.clone()),
            MediaOrder::Push { name, .. } => Self::Stream(name.clone()),
            MediaOrder::Receive { receiver, .. }
            | MediaOrder::Answer { receiver, .. }
            | MediaOrder::PatchReceiver { receiver, .. }
            | MediaOrder::CloseReceiver { receiver } => Self::Receiver(*receiver),
        }
    }
}

/// The hub's own time limit answers whoever asked.
fn failed(error: &JoinError) -> MediaDone {
    tracing::error!(%error, "a media order has failed");
    MediaDone::Done
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};
    use tokio::sync::Semaphore;

    /// Carries out an order when it is let, and notes it.
    #[derive(Clone)]
    struct Slow {
        log: Arc<Mutex<Vec<String>>>,
        gate: Arc<Semaphore>,
    }

    impl Media for Slow {
        fn carry_out(&self, order: MediaOrder) -> Pin<Box<dyn Future<Output = MediaDone> + Send>> {
            let this = self.clone();
            Box::pin(async move {
                let name = match &order {
                    MediaOrder::Answer { sdp, .. } => sdp.clone(),
                    MediaOrder::Publish { offer, .. } => offer.clone(),
                    _ => "close".to_owned(),
                };
                this.log.lock().unwrap().push(format!("{name} begins"));
                this.gate.acquire().await.unwrap().forget();
                assert_ne!(name, "panic", "as the test wants");
                this.log.lock().unwrap().push(format!("{name} ends"));
                MediaDone::Done
            })
        }
    }

    fn slow() -> (Slow, Orders<Slow>) {
        let slow = Slow {
            log: Arc::default(),
            gate: Arc::new(Semaphore::new(0)),
        };
        (slow.clone(), Orders::new(slow))
    }

    fn answer(receiver: u128, name: &str) -> MediaOrder {
        MediaOrder::Answer {
            receiver: SessionId::from_bits(receiver),
            revision: 1,
            sdp: name.to_owned(),
        }
    }

    #[tokio::test]
    async fn orders_of_one_receiver_run_one_after_the_other() {
        let (slow, mut orders) = slow();
        for (ticket, name) in (1..).zip(["a", "b", "c"]) {
            orders.push(Ticket(ticket), answer(1, name));
        }
        assert_eq!(orders.len(), 3);
        slow.gate.add_permits(3);
        for ticket in 1..=3 {
            assert_eq!(orders.next().await.0, Ticket(ticket));
        }
        assert_eq!(orders.len(), 0);
        assert!(orders.lanes.is_empty() && orders.tickets.is_empty());
        let log = slow.log.lock().unwrap().join(", ");
        assert_eq!(log, "a begins, a ends, b begins, b ends, c begins, c ends");
    }

    #[tokio::test]
    async fn a_receiver_does_not_wait_for_another() {
        let (slow, mut orders) = slow();
        orders.push(Ticket(1), answer(1, "a"));
        orders.push(Ticket(2), answer(2, "b"));
        tokio::task::yield_now().await;
        assert_eq!(*slow.log.lock().unwrap(), ["a begins", "b begins"]);
        slow.gate.add_permits(2);
        orders.next().await;
        orders.next().await;
    }

    #[tokio::test]
    async fn an_order_that_panics_has_a_result_and_lets_the_next_run() {
        let (slow, mut orders) = slow();
        orders.push(Ticket(1), answer(1, "panic"));
        orders.push(Ticket(2), answer(1, "b"));
        slow.gate.add_permits(2);
        assert_eq!(orders.next().await, (Ticket(1), MediaDone::Done));
        assert_eq!(orders.next().await, (Ticket(2), MediaDone::Done));
        assert_eq!(slow.log.lock().unwrap().last().unwrap(), "b ends");
    }
}
